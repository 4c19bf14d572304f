//! Test losses that are no sums of squares of modes: a matrix Σ, moments h and κ, or a held-out sample
//! (`theory/ridge.md`, equation 32). The amplitudes are formed as vectors.

use ndarray::{ArrayView1, ArrayView2};

use super::exact::Exact;
use super::numbers::{Cluster, Numbers, balls};
use crate::data::Covariance;
use crate::digits::sum::Term;
use crate::digits::symmetric::{Seen, ball_dot};
use crate::digits::{Ball, Radius, real};
use crate::ridge::{Population, Target};

/// A vector known to `error` in the 2-norm beyond the radii of its entries.
#[derive(Clone)]
struct Vector {
    values: Vec<Ball>,
    error: Radius,
}

impl Vector {
    fn exact(values: Vec<Ball>) -> Vector {
        Vector { values, error: Radius::ZERO }
    }

    fn norm(&self) -> Radius {
        let square = |sum: Radius, x: &Ball| sum.plus(x.magnitude().times(x.magnitude()));
        self.values.iter().fold(Radius::ZERO, square).root().plus(self.error)
    }

    fn minus(&self, other: &Vector) -> Vector {
        let values = self.values.iter().zip(&other.values).map(|(a, b)| a - b).collect();
        Vector { values, error: self.error.plus(other.error) }
    }

    fn plus(&self, other: &Vector) -> Vector {
        let values = self.values.iter().zip(&other.values).map(|(a, b)| a + b).collect();
        Vector { values, error: self.error.plus(other.error) }
    }

    fn dot(&self, other: &Vector) -> Ball {
        let product = ball_dot(self.values.iter().cloned(), other.values.iter());
        if self.error.is_zero() && other.error.is_zero() {
            return product;
        }
        let error = self.norm().times(other.error).plus(self.error.times(other.norm()));
        product.widened(error)
    }
}

/// A matrix given in f64.
struct Map<'a> {
    rows: ArrayView2<'a, f64>,
    norm: Radius,
    bits: usize,
}

impl<'a> Map<'a> {
    fn new(rows: ArrayView2<'a, f64>, bits: usize) -> Map<'a> {
        let square = |sum: Radius, x: &f64| sum.plus(Radius::new(*x).times(Radius::new(*x)));
        Map { rows, norm: rows.iter().fold(Radius::ZERO, square).root(), bits }
    }

    fn apply(&self, x: &Vector) -> Vector {
        let row = |row: ArrayView1<'_, f64>| {
            let entries: Vec<Ball> = row.iter().map(|&a| Ball::exact(real(a, self.bits))).collect();
            ball_dot(entries.into_iter(), x.values.iter())
        };
        Vector { values: self.rows.outer_iter().map(row).collect(), error: self.norm.times(x.error) }
    }
}

/// The limit of θ and its amplitudes with the indices of their modes.
struct Motion {
    limit: Vector,
    amplitudes: Vec<(usize, Vector)>,
}

fn motion(numbers: &Numbers, features: &Map<'_>, init: &Vector, m: usize) -> Motion {
    let bits = numbers.bits;
    let zeros = |length: usize| Vector::exact(vec![Ball::new(0.0, bits); length]);
    let lift = |w: Vector| match numbers.wide {
        true => {
            let transposed = Map { rows: features.rows.t(), norm: features.norm, bits };
            transposed.apply(&w)
        }
        false => w,
    };
    let (mut limit, mut inside) = (zeros(m), zeros(m));
    let mut amplitudes = Vec::new();
    for (index, cluster) in numbers.clusters() {
        if numbers.wide && cluster.s.is_zero() {
            continue;
        }
        let own = if numbers.wide { Ball::new(1.0, bits).over(&cluster.s) } else { Ball::new(1.0, bits) };
        let start = lift(part(numbers, cluster, &own, &numbers.init));
        let end = lift(part(numbers, cluster, &cluster.inverse, &numbers.labels));
        amplitudes.push((index, start.minus(&end)));
        limit = limit.plus(&end);
        inside = inside.plus(&start);
    }
    if let Some(index) = numbers.complement {
        amplitudes.push((index, init.minus(&inside)));
    }
    Motion { limit, amplitudes }
}

/// f(s) P_c p.
fn part(numbers: &Numbers, cluster: &Cluster, f: &Ball, p: &Seen) -> Vector {
    let members = cluster.place.members.clone();
    let vectors = &numbers.spectrum.vectors;
    let k = vectors[0].len();
    let mut values = vec![Ball::new(0.0, numbers.bits); k];
    for i in members {
        let coordinate = f * &p.coordinates[i];
        if coordinate.is_zero() {
            continue;
        }
        for (value, q) in values.iter_mut().zip(&vectors[i]) {
            *value = &*value + &(&coordinate * &Ball::exact(q.clone()));
        }
    }
    // The projector's error, and f's variation among the members, which `coordinate` carries for each.
    let error = f.magnitude().times(p.norm).times(numbers.spectrum.blur(&cluster.place));
    let varied = if cluster.single { Radius::ZERO } else { f.radius().times(p.norm) };
    Vector { values, error: error.plus(varied) }
}

/// The terms of the test loss; `None` when it is not defined by exactly known numbers.
pub(super) fn terms(
    numbers: &Numbers,
    features: ArrayView2<'_, f64>,
    target: &Target,
    population: &Population<'_>,
    exact: &Exact,
) -> Option<Vec<Term>> {
    let bits = numbers.bits;
    let m = features.ncols();
    let vector = |x: ArrayView1<'_, f64>| Vector::exact(x.iter().map(|&x| Ball::new(x, bits)).collect());
    let init = Vector::exact(balls(&exact.init, bits));
    let features = Map::new(features, bits);
    let Motion { limit, amplitudes } = motion(numbers, &features, &init, m);
    let star = target.weights();
    match (&population.covariance, &population.moments, &population.sample) {
        (Some(covariance), Some(moments), _) => {
            let sigma = dense(covariance, m)?;
            let sigma = Map::new(sigma.view(), bits);
            let h = vector(moments.h.view());
            let image = sigma.apply(&limit);
            let two = Ball::new(2.0, bits);
            let constant = &(&limit.dot(&image) - &(&two * &limit.dot(&h))) + &Ball::new(moments.kappa, bits);
            Some(quadratic(&amplitudes, &image.minus(&h), constant, |a| sigma.apply(a)))
        }
        (Some(covariance), None, _) if star.is_some() => {
            let sigma = dense(covariance, m)?;
            let sigma = Map::new(sigma.view(), bits);
            let away = limit.minus(&vector(star?));
            let image = sigma.apply(&away);
            let constant = away.dot(&image);
            Some(quadratic(&amplitudes, &image, constant, |a| sigma.apply(a)))
        }
        (_, _, Some(sample)) => {
            let rows = Map::new(sample.features, bits);
            let residual = rows.apply(&limit).minus(&vector(sample.labels.view()));
            let images: Vec<(usize, Vector)> = amplitudes.iter().map(|(i, a)| (*i, rows.apply(a))).collect();
            let constant = residual.dot(&residual);
            let terms = quadratic(&images, &residual, constant, Vector::clone);
            let share = Ball::new(1.0, bits).over(&Ball::new(sample.features.nrows() as f64, bits));
            Some(terms.into_iter().map(|t| t.scaled(&share)).collect())
        }
        _ => None,
    }
}

/// constant + Σ 2⟨pull, a_c⟩x_c^t + Σ ⟨a_c, Ma_d⟩(x_c x_d)^t.
fn quadratic(
    amplitudes: &[(usize, Vector)],
    pull: &Vector,
    constant: Ball,
    metric: impl Fn(&Vector) -> Vector,
) -> Vec<Term> {
    let bits = constant.bits();
    let two = Ball::new(2.0, bits);
    let images: Vec<Vector> = amplitudes.iter().map(|(_, a)| metric(a)).collect();
    // Several eigenvalues in one amplitude: its coefficients are at most products of norms.
    let term = |value: Ball, size: Radius, factors| {
        let least = value.magnitude();
        Term::new(value, if size > least { size } else { least }, factors)
    };
    let mut terms = vec![term(constant, Radius::ZERO, (0, 0))];
    for (c, (i, a)) in amplitudes.iter().enumerate() {
        let size = pull.norm().times(a.norm()).times(Radius::new(2.0));
        terms.push(term(&two * &pull.dot(a), size, (*i, 0)));
        for (d, (j, b)) in amplitudes[..=c].iter().enumerate() {
            let value = a.dot(&images[d]);
            let value = if d == c { value } else { &two * &value };
            let size = images[c].norm().times(b.norm()).times(Radius::new(2.0));
            terms.push(term(value, size, (*i, *j)));
        }
    }
    terms
}

fn dense(covariance: &Covariance<'_>, m: usize) -> Option<ndarray::Array2<f64>> {
    match covariance {
        Covariance::Dense(matrix) => Some(matrix.to_owned()),
        Covariance::Isotropic { variance, .. } => Some(ndarray::Array2::from_diag_elem(m, *variance)),
        Covariance::Relu(_) | Covariance::Fourier(_) => None,
    }
}
