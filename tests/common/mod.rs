//! A 240-digit reference for ridge regression that shares nothing with the library: no eigenvalues, no
//! closed form. A step (or a stretch of flow) is an affine map, and a time is reached by squaring it.

#![allow(dead_code)]

pub mod effective;

use dashu_float::FBig;
use dashu_float::ops::Abs;
use dashu_float::round::mode::HalfEven;
use groktime::data::features::{gaussian_matrix, gaussian_vector, generator};
use groktime::data::{Covariance, Moments};
use groktime::linalg::Engine;
use groktime::ridge::{Population, Problem, Sample, Settings, Spectrum, Target};
use ndarray::{Array1, Array2};
use rand::{Rng, RngExt};

pub type Big = FBig<HalfEven, 2>;

/// 240 decimal digits.
pub const BITS: usize = 800;

pub fn big(x: f64) -> Big {
    Big::try_from(x).unwrap().with_precision(BITS).value()
}

pub fn bigs(x: &[f64]) -> Vec<Big> {
    x.iter().map(|&x| big(x)).collect()
}

pub fn f64_of(x: &Big) -> f64 {
    x.to_f64().value()
}

pub fn ln_of(x: &Big) -> f64 {
    match x == &big(0.0) {
        true => f64::NEG_INFINITY,
        false => f64_of(&x.clone().with_precision(120).value().ln()),
    }
}

/// |computed − exact| as f64.
pub fn distance(computed: f64, exact: &Big) -> f64 {
    if !computed.is_finite() {
        return f64::INFINITY;
    }
    f64_of(&(big(computed) - exact).abs())
}

pub fn dot(a: &[Big], b: &[Big]) -> Big {
    a.iter().zip(b).fold(big(0.0), |s, (a, b)| s + a * b)
}

/// Row-major square matrix.
#[derive(Clone)]
struct Square(Vec<Vec<Big>>);

impl Square {
    fn apply(&self, x: &[Big]) -> Vec<Big> {
        self.0.iter().map(|row| dot(row, x)).collect()
    }

    /// AB for symmetric A, B that commute.
    #[allow(clippy::needless_range_loop)] // reads as the formula
    fn times(&self, other: &Square) -> Square {
        let k = self.0.len();
        let mut out = vec![vec![big(0.0); k]; k];
        for i in 0..k {
            for j in 0..=i {
                let x = dot(&self.0[i], &other.0[j]);
                out[j][i] = x.clone();
                out[i][j] = x;
            }
        }
        Square(out)
    }
}

/// z ↦ Mz + c with symmetric M, and all its powers 2^j, j ≥ `lowest` (times in binary).
pub struct Affine {
    lowest: i32,
    powers: Vec<(Square, Vec<Big>)>,
}

impl Affine {
    fn squared(lowest: i32, highest: i32, first: (Square, Vec<Big>)) -> Affine {
        let mut powers = vec![first];
        for _ in lowest..highest {
            let (m, c) = powers.last().unwrap();
            let twice: Vec<Big> = m.apply(c).iter().zip(c).map(|(a, b)| a + b).collect();
            powers.push((m.times(m), twice));
        }
        Affine { lowest, powers }
    }

    /// z ← z + η(b − Az).
    fn descent(a: &[Vec<Big>], b: &[Big], eta: &Big) -> Affine {
        let k = b.len();
        let mut m = vec![vec![big(0.0); k]; k];
        for i in 0..k {
            for j in 0..k {
                m[i][j] = big(f64::from(u8::from(i == j))) - eta * &a[i][j];
            }
        }
        Affine::squared(0, 63, (Square(m), b.iter().map(|x| eta * x).collect()))
    }

    /// z′ = b − Az: Taylor series over 2⁻⁸⁰, then squared.
    fn flow(a: &[Vec<Big>], b: &[Big]) -> Affine {
        let (k, lowest) = (b.len(), -80);
        let h = big(2.0_f64.powi(lowest));
        let ah = Square(a.iter().map(|r| r.iter().map(|x| x * &h).collect()).collect());
        let unit = |i: usize, j: usize| big(f64::from(u8::from(i == j)));
        let mut term = Square((0..k).map(|i| (0..k).map(|j| unit(i, j)).collect()).collect());
        let mut m = term.clone();
        let mut c: Vec<Big> = b.iter().map(|x| x * &h).collect();
        let mut moved = c.clone();
        for order in 1..20 {
            term = term.times(&ah);
            let scale = -big(1.0) / big(f64::from(order));
            for row in &mut term.0 {
                row.iter_mut().for_each(|x| *x = &*x * &scale);
            }
            for (target, row) in m.0.iter_mut().zip(&term.0) {
                target.iter_mut().zip(row).for_each(|(t, x)| *t = &*t + x);
            }
            let scale = -big(1.0) / big(f64::from(order + 1));
            moved = ah.apply(&moved).iter().map(|x| x * &scale).collect();
            c.iter_mut().zip(&moved).for_each(|(c, x)| *c = &*c + x);
        }
        Affine::squared(lowest, 62, (m, c))
    }

    fn at(&self, time: &[i32], start: &[Big]) -> Vec<Big> {
        let mut z = start.to_vec();
        for bit in time {
            if *bit < self.lowest {
                continue;
            }
            let (m, c) = &self.powers[(bit - self.lowest) as usize];
            z = m.apply(&z).iter().zip(c).map(|(a, b)| a + b).collect();
        }
        z
    }
}

/// A time as the powers of two it is the sum of.
pub trait Binary: Copy {
    fn bits(self) -> Vec<i32>;
}

impl Binary for u64 {
    fn bits(self) -> Vec<i32> {
        (0..64).filter(|j| self >> j & 1 == 1).collect()
    }
}

impl Binary for f64 {
    fn bits(self) -> Vec<i32> {
        let (mut bits, mut rest) = (Vec::new(), self);
        while rest > 0.0 {
            let e = rest.log2().floor() as i32;
            let e = if 2.0_f64.powi(e) > rest { e - 1 } else { e };
            bits.push(e);
            rest -= 2.0_f64.powi(e);
        }
        bits
    }
}

/// What the test loss is.
#[derive(Clone)]
pub enum Test {
    Isotropic(f64),
    Dense(Array2<f64>),
    Moments(Array2<f64>, Array1<f64>, f64),
    HeldOut(Array2<f64>, Array1<f64>),
}

/// A problem with settings.
#[derive(Clone)]
pub struct Case {
    pub name: String,
    /// Condition number of Φ, of its non-zero singular values.
    pub kappa: f64,
    pub features: Array2<f64>,
    pub target: Target,
    pub init: Array1<f64>,
    pub test: Test,
    pub settings: Settings,
}

impl Case {
    pub fn spectrum(&self) -> Spectrum<'_> {
        self.problem().spectrum(Engine::SEQUENTIAL).unwrap()
    }

    pub fn problem(&self) -> Problem<'_> {
        let m = self.features.ncols();
        let mut population = Population::default();
        match &self.test {
            Test::Isotropic(variance) => population = Population::isotropic(m, *variance),
            Test::Dense(sigma) => population.covariance = Some(Covariance::Dense(sigma.view())),
            Test::Moments(sigma, h, kappa) => {
                population.covariance = Some(Covariance::Dense(sigma.view()));
                population.moments = Some(Moments { h: h.clone(), kappa: *kappa });
            }
            Test::HeldOut(features, labels) => {
                population.sample = Some(Sample { features: features.view(), labels: labels.clone() });
            }
        }
        Problem {
            features: self.features.view(),
            target: self.target.clone(),
            init: self.init.clone(),
            population,
        }
    }

    pub fn labels(&self) -> Vec<Big> {
        match &self.target {
            Target::Labels(y) => bigs(y.as_slice().unwrap()),
            Target::Teacher { weights, noise } => {
                let star = bigs(weights.as_slice().unwrap());
                let clean = self.features.outer_iter().map(|row| dot(&bigs(&row.to_vec()), &star));
                match noise {
                    None => clean.collect(),
                    Some(noise) => clean.zip(noise).map(|(y, &e)| y + big(e)).collect(),
                }
            }
        }
    }
}

/// The case in 240 digits, on one clock.
pub struct Reference {
    case: Case,
    weights: Affine,
    residuals: Affine,
    init: Vec<Big>,
    first_residual: Vec<Big>,
}

impl Reference {
    pub fn new(case: &Case, flow: bool) -> Reference {
        let (n, m) = case.features.dim();
        let phi: Vec<Vec<Big>> = case.features.outer_iter().map(|r| bigs(&r.to_vec())).collect();
        let columns: Vec<Vec<Big>> = case.features.columns().into_iter().map(|c| bigs(&c.to_vec())).collect();
        let y = case.labels();
        let (samples, lambda) = (big(n as f64), big(case.settings.weight_decay));
        let generator = |vectors: &[Vec<Big>]| -> Vec<Vec<Big>> {
            let k = vectors.len();
            let entry = |i: usize, j: usize| {
                let x = dot(&vectors[i], &vectors[j]) / &samples;
                if i == j { x + &lambda } else { x }
            };
            (0..k).map(|i| (0..k).map(|j| entry(i, j)).collect()).collect()
        };
        // θ′ = Φᵀy/n − (ΦᵀΦ/n + λ)θ, and for r = Φθ − y: r′ = −λy − (ΦΦᵀ/n + λ)r.
        let push: Vec<Big> = (0..m).map(|j| dot(&columns[j], &y) / &samples).collect();
        let pull: Vec<Big> = y.iter().map(|y| -(y * &lambda)).collect();
        let (a, b) = (generator(&columns), generator(&phi));
        let (weights, residuals) = match flow {
            true => (Affine::flow(&a, &push), Affine::flow(&b, &pull)),
            false => {
                let eta = big(case.settings.step_size);
                (Affine::descent(&a, &push, &eta), Affine::descent(&b, &pull, &eta))
            }
        };
        let scale = big(case.settings.init_scale);
        let init: Vec<Big> = case.init.iter().map(|&x| big(x) * &scale).collect();
        let first_residual = phi.iter().zip(&y).map(|(row, y)| dot(row, &init) - y).collect();
        Reference { case: case.clone(), weights, residuals, init, first_residual }
    }

    pub fn train(&self, t: impl Binary) -> Big {
        let r = self.residuals.at(&t.bits(), &self.first_residual);
        dot(&r, &r) / big(2.0 * r.len() as f64)
    }

    pub fn state(&self, t: impl Binary) -> Vec<Big> {
        self.weights.at(&t.bits(), &self.init)
    }

    pub fn squared_norm(&self, t: impl Binary) -> Big {
        let theta = self.state(t);
        dot(&theta, &theta)
    }

    /// The training loss by way of θ instead of the residuals: checks the reference itself.
    pub fn train_through_weights(&self, t: impl Binary) -> Big {
        let theta = self.state(t);
        let y = self.case.labels();
        let rows = self.case.features.outer_iter();
        let r: Vec<Big> = rows.zip(&y).map(|(row, y)| dot(&bigs(&row.to_vec()), &theta) - y).collect();
        dot(&r, &r) / big(2.0 * r.len() as f64)
    }

    /// The test loss, and the size of the terms it is the sum of (its conditioning).
    pub fn test(&self, t: impl Binary) -> (Big, f64) {
        let theta = self.state(t);
        let form = |sigma: &Array2<f64>, x: &[Big]| {
            let image: Vec<Big> = sigma.outer_iter().map(|row| dot(&bigs(&row.to_vec()), x)).collect();
            dot(&image, x)
        };
        match (&self.case.test, &self.case.target) {
            (Test::Isotropic(variance), Target::Teacher { weights, .. }) => {
                let d: Vec<Big> = theta.iter().zip(weights).map(|(a, &b)| a - big(b)).collect();
                let loss = dot(&d, &d) * big(*variance);
                let size = f64_of(&loss);
                (loss, size)
            }
            (Test::Dense(sigma), Target::Teacher { weights, .. }) => {
                let d: Vec<Big> = theta.iter().zip(weights).map(|(a, &b)| a - big(b)).collect();
                let loss = form(sigma, &d);
                let size = f64_of(&loss);
                (loss, size)
            }
            (Test::Moments(sigma, h, kappa), _) => {
                let square = form(sigma, &theta);
                let cross = dot(&bigs(h.as_slice().unwrap()), &theta);
                let size = f64_of(&square) + 2.0 * f64_of(&cross).abs() + kappa;
                (square - big(2.0) * cross + big(*kappa), size)
            }
            (Test::HeldOut(features, labels), _) => {
                let (mut sum, mut size) = (big(0.0), 0.0);
                for (row, &y) in features.outer_iter().zip(labels) {
                    let output = dot(&bigs(&row.to_vec()), &theta);
                    size += (f64_of(&output).abs() + y.abs()).powi(2);
                    let r = output - big(y);
                    sum += &r * &r;
                }
                let count = features.nrows() as f64;
                (sum / big(count), size / count)
            }
            _ => unreachable!("a covariance alone needs a linear teacher"),
        }
    }
}

/// An orthonormal set of `k` columns in R^rows, by Gram-Schmidt twice.
pub fn orthonormal(rows: usize, k: usize, rng: &mut impl Rng) -> Array2<f64> {
    let mut q = gaussian_matrix(rows, k, 1.0, rng);
    for j in 0..k {
        for _ in 0..2 {
            for i in 0..j {
                let overlap = q.column(i).dot(&q.column(j));
                let shadow = &q.column(i) * overlap;
                let mut column = q.column_mut(j);
                column -= &shadow;
            }
        }
        let norm = q.column(j).dot(&q.column(j)).sqrt();
        q.column_mut(j).mapv_inplace(|x| x / norm);
    }
    q
}

/// U diag(σ) Vᵀ, n × m.
pub fn with_singular_values(n: usize, m: usize, sigma: &[f64], rng: &mut impl Rng) -> Array2<f64> {
    let u = orthonormal(n, sigma.len(), rng);
    let v = orthonormal(m, sigma.len(), rng);
    let scaled = &u * &Array1::from_vec(sigma.to_vec());
    scaled.dot(&v.t()).as_standard_layout().into_owned()
}

/// Singular values 1 … 1/κ: geometric, one tiny, clustered in two groups, or random.
pub fn singular_values(kind: usize, k: usize, kappa: f64, rng: &mut impl Rng) -> Vec<f64> {
    let last = (k.max(2) - 1) as f64;
    (0..k)
        .map(|i| match kind % 4 {
            0 => kappa.powf(-(i as f64) / last),
            1 => {
                if i + 1 == k {
                    1.0 / kappa
                } else {
                    1.0 + i as f64 / 7.0
                }
            }
            2 => {
                let group = if 2 * i >= k { 1.0 / kappa } else { 1.0 };
                group * (1.0 + 1e-9 * i as f64)
            }
            _ => kappa.powf(-rng.random::<f64>()),
        })
        .collect()
}

pub fn positive_semidefinite(m: usize, rng: &mut impl Rng) -> Array2<f64> {
    let a = gaussian_matrix(m, m, 1.0 / m as f64, rng);
    let s = a.dot(&a.t());
    Array2::from_shape_fn((m, m), |(i, j)| s[(i.max(j), i.min(j))])
}

pub fn pick<'a, T>(from: &'a [T], rng: &mut impl Rng) -> &'a T {
    &from[rng.random_range(0..from.len())]
}

/// A random problem: features of a condition number, one of six kinds of test loss, λ and η.
pub fn random_case(seed: u64, kappa: f64) -> Case {
    let rng = &mut generator(seed, 77);
    let n = rng.random_range(2..=5);
    let m = if rng.random_bool(0.2) { rng.random_range(2..=n) } else { rng.random_range(3..=8) };
    let kind = rng.random_range(0..6);
    let k = n.min(m);
    let sigma = singular_values(kind, k, kappa, rng);
    let mut features = with_singular_values(n, m, &sigma, rng);
    let mut name = format!("seed {seed} n {n} m {m} spectrum {kind}");
    if kind == 4 {
        let copy = features.row(0).to_owned();
        features.row_mut(n - 1).assign(&copy);
        name += " repeated row";
    } else if kind == 5 {
        features.row_mut(n - 1).fill(0.0);
        name += " zero row";
    }
    let values = nalgebra::DMatrix::from_fn(n, m, |i, j| features[(i, j)]).singular_values();
    let top = values.max();
    let smallest = values.iter().copied().filter(|s| *s > 1e-13 * top).fold(top, f64::min);
    let kappa = top / smallest;

    let teacher = gaussian_vector(m, 1.0, rng);
    let noise = gaussian_vector(n, 0.1, rng);
    let test_kind = rng.random_range(0..6);
    let (target, test) = match test_kind {
        0 => (Target::teacher(teacher), Test::Isotropic(1.0 / m as f64)),
        1 => (Target::zero_teacher(m), Test::Isotropic(1.0)),
        2 => (Target::Teacher { weights: teacher, noise: Some(noise) }, Test::Isotropic(0.3)),
        3 => {
            let noise = rng.random_bool(0.5).then_some(noise);
            (Target::Teacher { weights: teacher, noise }, Test::Dense(positive_semidefinite(m, rng)))
        }
        4 => {
            // h = Σu, κ = uᵀΣu + something: a possible pair of moments.
            let covariance = positive_semidefinite(m, rng);
            let h = covariance.dot(&teacher);
            let square = teacher.dot(&h) + 0.5;
            (Target::Labels(gaussian_vector(n, 1.0, rng)), Test::Moments(covariance, h, square))
        }
        _ => {
            let size = rng.random_range(1..=7);
            let held_out = gaussian_matrix(size, m, 1.0, rng);
            let labels = held_out.dot(&teacher) + gaussian_vector(size, 0.1, rng);
            (Target::Labels(gaussian_vector(n, 1.0, rng)), Test::HeldOut(held_out, labels))
        }
    };
    let weight_decay = *pick(&[0.0, 1e-14, 1e-9, 1e-6, 1e-3, 0.05], rng);
    // ηg between 0.1 and the limit for the fastest mode: negative ρ above 1.
    let fastest = top * top / n as f64 + weight_decay;
    let fraction = *pick(&[0.1, 0.5, 0.9, 1.0, 1.3, 1.9, 1.999], rng);
    let settings = Settings {
        step_size: fraction / fastest,
        weight_decay,
        init_scale: *pick(&[1.0, 1.0, 3.0, -0.5, 100.0], rng),
        ..Default::default()
    };
    name += &format!(" kappa {kappa:.1e} test {test_kind} lambda {weight_decay:e} eta g {fraction}");
    Case { name, kappa, features, target, init: gaussian_vector(m, 1.0, rng), test, settings }
}

/// Whether the long versions were asked for (GROKTIME_FULL=1).
pub fn full() -> bool {
    std::env::var("GROKTIME_FULL").is_ok_and(|v| v == "1")
}
