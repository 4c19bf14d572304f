//! Ridge regression in integers: losses at small times, and how many exponentials a loss is made of.
//!
//! With dyadic inputs Θ_t = n^t θ_t is dyadic: Θ_{t+1} = n(1 − ηλ)Θ_t − ηΦᵀ(ΦΘ_t − n^t y), and a loss less its
//! threshold times n^{2t} is a dyadic number. So a tie at a small step is decided, not measured. For flow the
//! derivatives n^j θ^{(j)}(0) play that part.

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;

use dashu_int::IBig;
use ndarray::{ArrayView1, ArrayView2};

use super::Quantity;
use crate::data::Covariance;
use crate::digits::integers::{Integers, aligned, rank};
use crate::ridge::{Problem, Settings, Target};

/// Products of words spent on one exact decision; about a tenth of a second. On a step, and on counting terms: little at
/// first, because most of what looks like a tie is none with more digits.
const EFFORT: f64 = 1e7;
const AT_FIRST: f64 = 2e5;
const LATER: f64 = 3e6;

/// A product of words.
const MICROSECONDS: f64 = 1e-2;

/// Rows of integers over one power of two.
pub(super) struct Matrix {
    pub rows: Vec<Vec<IBig>>,
    exponent: i64,
}

impl Matrix {
    pub fn new(a: ArrayView2<'_, f64>) -> Matrix {
        let all = Integers::new(a.iter());
        let columns = a.ncols().max(1);
        Matrix { rows: all.values.chunks(columns).map(<[IBig]>::to_vec).collect(), exponent: all.exponent }
    }

    pub fn apply(&self, x: &Integers) -> Integers {
        let dot = |row: &Vec<IBig>| row.iter().zip(&x.values).map(|(a, b)| a * b).sum();
        Integers { values: self.rows.iter().map(dot).collect(), exponent: self.exponent + x.exponent }
    }

    pub fn apply_transposed(&self, x: &Integers) -> Integers {
        let columns = self.rows.first().map_or(0, Vec::len);
        let mut values = vec![IBig::ZERO; columns];
        for (row, x) in self.rows.iter().zip(&x.values) {
            values.iter_mut().zip(row).for_each(|(v, a)| *v += a * x);
        }
        Integers { values, exponent: self.exponent + x.exponent }
    }

    pub fn rank(&self) -> Option<usize> {
        rank(self.rows.clone(), EFFORT)
    }

    pub fn row(&self, i: usize) -> Integers {
        Integers { values: self.rows[i].clone(), exponent: self.exponent }
    }

    pub fn column(&self, j: usize) -> Integers {
        Integers { values: self.rows.iter().map(|r| r[j].clone()).collect(), exponent: self.exponent }
    }
}

/// The quadratic function of θ whose sign is asked for, in exact numbers.
enum Form {
    /// ‖Aθ − b‖²·weight; A = Φ or test features.
    Residual { features: Matrix, labels: Integers },
    /// ‖θ − θ*‖²·weight.
    Distance { star: Integers },
    /// θᵀΣθ − 2hᵀθ + κ.
    Moments { sigma: Matrix, h: Integers, kappa: Integers },
}

/// A problem with its settings, a quantity and a threshold in exact numbers.
pub(super) struct Exact {
    pub features: Matrix,
    pub labels: Integers,
    pub init: Integers,
    pub star: Option<Integers>,
    eta: Integers,
    decay: Integers,
    samples: Integers,
    form: Form,
    weight: Integers,
    /// What the threshold is multiplied by, times the threshold.
    threshold: Integers,
    known: RefCell<Vec<(u64, Option<Ordering>)>>,
    /// What all questions about this problem have cost, in about microseconds.
    pub spent: Cell<f64>,
    /// Products of words that the next decision about steps or terms may take.
    effort: Cell<f64>,
}

/// θ or a derivative of it, with the power of n it carries (zero for a derivative).
struct State {
    theta: Integers,
    unit: Integers,
}

fn vector(x: ArrayView1<'_, f64>) -> Integers {
    Integers::new(x.iter())
}

/// κ − c has no f64 of its own.
fn difference(a: f64, b: f64) -> Integers {
    Integers::scalar(a).minus(&Integers::scalar(b))
}

impl Exact {
    /// `None` when the quantity is not a function of exactly known inputs.
    pub fn new(problem: &Problem<'_>, settings: &Settings, what: Quantity, threshold: f64) -> Option<Exact> {
        let (n, _) = problem.features.dim();
        let features = Matrix::new(problem.features);
        let star = problem.target.weights().map(vector);
        let labels = match &problem.target {
            Target::Labels(y) => vector(y.view()),
            Target::Teacher { noise, .. } => {
                let clean = features.apply(star.as_ref()?);
                match noise {
                    Some(noise) => clean.plus(&vector(noise.view())),
                    None => clean,
                }
            }
        };
        let samples = Integers::scalar(n as f64);
        let one = Integers::scalar(1.0);
        let limit = Integers::scalar(threshold);
        let (form, weight, threshold) = match what {
            Quantity::TrainLoss => {
                let form = Form::Residual { features: Matrix::new(problem.features), labels: labels.clone() };
                (form, one, limit.times(&samples).times(&Integers::scalar(2.0)))
            }
            Quantity::SquaredNorm => {
                (Form::Distance { star: Integers::zeros(problem.features.ncols()) }, one, limit)
            }
            Quantity::TestLoss => test_form(problem, star.as_ref(), threshold)?,
        };
        Some(Exact {
            features,
            labels,
            init: vector(problem.init.view()).times(&Integers::scalar(settings.init_scale)),
            star,
            eta: Integers::scalar(settings.step_size),
            decay: Integers::scalar(settings.weight_decay),
            samples,
            form,
            weight,
            threshold,
            known: RefCell::new(Vec::new()),
            spent: Cell::new(0.0),
            effort: Cell::new(AT_FIRST),
        })
    }

    /// The bilinear function whose value at (θ, 1) twice is the quantity less its threshold, up to a factor.
    fn pair(&self, a: &State, b: &State) -> Integers {
        let units = a.unit.times(&b.unit);
        let square = match &self.form {
            Form::Residual { features, labels } => {
                let image = |s: &State| features.apply(&s.theta).minus(&labels.times(&s.unit));
                image(a).dot(&image(b)).times(&self.weight)
            }
            Form::Distance { star } => {
                let image = |s: &State| s.theta.minus(&star.times(&s.unit));
                image(a).dot(&image(b)).times(&self.weight)
            }
            Form::Moments { sigma, h, kappa } => {
                let cross = h.dot(&a.theta).times(&b.unit).plus(&h.dot(&b.theta).times(&a.unit));
                a.theta.dot(&sigma.apply(&b.theta)).minus(&cross).plus(&kappa.times(&units))
            }
        };
        square.minus(&self.threshold.times(&units))
    }

    fn start(&self) -> State {
        State { theta: self.init.clone(), unit: Integers::scalar(1.0) }
    }

    fn step(&self, state: &State) -> State {
        let residual = self.features.apply(&state.theta).minus(&self.labels.times(&state.unit));
        let pull = self.features.apply_transposed(&residual).times(&self.eta);
        let shrink = self.samples.minus(&self.samples.times(&self.eta).times(&self.decay));
        State { theta: state.theta.times(&shrink).minus(&pull), unit: state.unit.times(&self.samples) }
    }

    /// n times the time derivative along the flow.
    fn derivative(&self, state: &State) -> State {
        let residual = self.features.apply(&state.theta).minus(&self.labels.times(&state.unit));
        let pull = self.features.apply_transposed(&residual);
        let decay = state.theta.times(&self.samples.times(&self.decay));
        State {
            theta: Integers::zeros(decay.values.len()).minus(&pull).minus(&decay),
            unit: Integers::scalar(0.0),
        }
    }

    /// Products of words of a step from a state. They are counted as spent.
    fn cost(&self, state: &State) -> f64 {
        let words = |bits: usize| 1.0 + bits as f64 / 64.0;
        let entries = (self.features.rows.len() * self.init.values.len()) as f64;
        let row =
            self.features.rows.first().map_or(0, |r| Integers { values: r.clone(), exponent: 0 }.bits());
        let cost = 2.0 * entries * (words(state.theta.bits()) * words(row) + 4.0);
        self.spent.set(self.spent.get() + MICROSECONDS * cost);
        cost
    }

    /// The order of the quantity after so many steps and its threshold, when that can be afforded.
    pub fn at_step(&self, t: u64) -> Option<Ordering> {
        if let Some(known) = self.known.borrow().iter().find(|k| k.0 == t) {
            return known.1;
        }
        let found = self.iterate(t);
        self.known.borrow_mut().push((t, found));
        found
    }

    fn iterate(&self, t: u64) -> Option<Ordering> {
        let (mut state, mut left) = (self.start(), self.effort.get());
        for done in 0..t {
            left -= self.cost(&state);
            // Later steps cost at least as much.
            if left < (t - done) as f64 * 8.0 {
                return None;
            }
            state = self.step(&state);
        }
        Some(self.pair(&state, &state).sign())
    }

    /// Lets decisions take more than at first.
    pub fn try_harder(&self) {
        self.effort.set(LATER);
        self.known.borrow_mut().retain(|known| known.1.is_some());
    }

    /// The order at flow time zero.
    pub fn at_start(&self) -> Ordering {
        let state = self.start();
        self.pair(&state, &state).sign()
    }

    /// How many of the exponentials of steps first, first + stride, … have a coefficient that is not zero, if
    /// there are at most `most`: the rank of a Hankel matrix.
    pub fn terms_of_steps(&self, first: u64, stride: u64, most: usize) -> Option<usize> {
        let (mut state, mut left) = (self.start(), self.effort.get());
        let mut values = Vec::with_capacity(2 * most);
        for t in 0.. {
            if t >= first && (t - first).is_multiple_of(stride) {
                values.push(self.pair(&state, &state));
                if values.len() + 1 >= 2 * most {
                    break;
                }
            }
            left -= 2.0 * self.cost(&state);
            if left < 0.0 {
                return None;
            }
            state = self.step(&state);
        }
        hankel_rank(&values, most, self.effort.get())
    }

    /// The same for flow.
    pub fn terms_of_flow(&self, most: usize) -> Option<usize> {
        let mut states = vec![self.start()];
        let mut left = self.effort.get();
        while states.len() + 1 < 2 * most {
            let last = &states[states.len() - 1];
            left -= (1 + states.len()) as f64 * self.cost(last);
            if left < 0.0 {
                return None;
            }
            states.push(self.derivative(last));
        }
        // (d/dt)^j B(z, z) = Σ_i C(j, i) B(z^{(i)}, z^{(j−i)}).
        let value = |j: usize| {
            let mut binomial = IBig::ONE;
            let mut sum = Integers::scalar(0.0);
            for i in 0..=j {
                let factor = Integers { values: vec![binomial.clone()], exponent: 0 };
                sum = sum.plus(&self.pair(&states[i], &states[j - i]).times(&factor));
                binomial = binomial * IBig::from(j - i) / IBig::from(i + 1);
            }
            sum
        };
        let values: Vec<Integers> = (0..states.len()).map(value).collect();
        hankel_rank(&values, most, self.effort.get())
    }

    /// The rank of Φ.
    pub fn rank(&self) -> Option<usize> {
        self.features.rank()
    }

    /// How many eigenvalues of the descent's map are exactly −1: the nullity of 2nI − η(K + nλI).
    pub fn at_the_edge(&self) -> Option<usize> {
        let wide = self.features.rows.len() <= self.init.values.len();
        let k = self.features.rows.len().min(self.init.values.len());
        let line = |i: usize| if wide { self.features.row(i) } else { self.features.column(i) };
        let lines: Vec<Integers> = (0..k).map(line).collect();
        let corner = self.samples.times(&Integers::scalar(2.0).minus(&self.eta.times(&self.decay)));
        let entry = |i: usize, j: usize| {
            let gram = lines[i].dot(&lines[j]).times(&self.eta);
            if i == j { corner.minus(&gram) } else { Integers::zeros(1).minus(&gram) }
        };
        let entries: Vec<Integers> = (0..k * k).map(|e| entry(e / k, e % k)).collect();
        let flat: Vec<IBig> = aligned(&entries).into_iter().flatten().collect();
        let rows = flat.chunks(k).map(<[IBig]>::to_vec).collect();
        rank(rows, EFFORT).map(|r| k - r)
    }
}

fn test_form(
    problem: &Problem<'_>,
    star: Option<&Integers>,
    threshold: f64,
) -> Option<(Form, Integers, Integers)> {
    let population = &problem.population;
    let (one, limit) = (Integers::scalar(1.0), Integers::scalar(threshold));
    match (&population.covariance, &population.moments, &population.sample) {
        (Some(covariance), Some(moments), _) => {
            let sigma = exact_covariance(covariance)?;
            let kappa = difference(moments.kappa, 0.0);
            Some((Form::Moments { sigma, h: vector(moments.h.view()), kappa }, one, limit))
        }
        (Some(Covariance::Isotropic { variance, .. }), None, _) if star.is_some() => {
            Some((Form::Distance { star: star?.clone() }, Integers::scalar(*variance), limit))
        }
        (Some(covariance), None, _) if star.is_some() => {
            let (sigma, star) = (exact_covariance(covariance)?, star?);
            let h = sigma.apply(star);
            let kappa = star.dot(&h);
            Some((Form::Moments { sigma, h, kappa }, one, limit))
        }
        (_, _, Some(sample)) => {
            let size = Integers::scalar(sample.features.nrows() as f64);
            let form = Form::Residual {
                features: Matrix::new(sample.features),
                labels: vector(sample.labels.view()),
            };
            Some((form, one, limit.times(&size)))
        }
        _ => None,
    }
}

/// Σ of a law is a formula whose f64 values are rounded: only what was given in numbers is exact.
fn exact_covariance(covariance: &Covariance<'_>) -> Option<Matrix> {
    match covariance {
        Covariance::Dense(matrix) => Some(Matrix::new(*matrix)),
        Covariance::Isotropic { dimension, variance } => {
            let diagonal = ndarray::Array2::from_diag_elem(*dimension, *variance);
            Some(Matrix::new(diagonal.view()))
        }
        Covariance::Relu(_) | Covariance::Fourier(_) => None,
    }
}

fn hankel_rank(values: &[Integers], size: usize, effort: f64) -> Option<usize> {
    let flat: Vec<IBig> = aligned(values).into_iter().flatten().collect();
    let rows = (0..size).map(|i| flat[i..i + size].to_vec()).collect();
    rank(rows, effort)
}
