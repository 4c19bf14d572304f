//! Eigenpairs of a symmetric matrix in many digits, with a proof.
//!
//! The pairs of f64 are orthonormalised in many digits and improved by Jacobi's rotations, which converge
//! quadratically whatever clusters the eigenvalues form. How they were had does not matter then: with
//! R = KQ − QS, γ ≥ ‖QᵀQ − I‖ and U the orthogonal factor of Q, ‖K − USUᵀ‖ ≤ δ := ‖R‖ + (‖K‖ + ‖S‖)γ, and Weyl and
//! Davis–Kahan bound the rest (`theory/ridge.md`, equations 26 and 27).

use std::ops::Range;

use ndarray::Array2;

use super::double::{self, Gram};
use super::{Ball, Radius, Real, real};
use crate::error::Result;
use crate::linalg::Engine;

/// Eigenvalues that cannot be told apart, or one: their projector P, known to `error` in the Frobenius norm.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub members: Range<usize>,
    /// Contains each of them.
    pub value: Ball,
    pub error: Radius,
}

/// Approximate eigenvectors, and clusters of eigenvalues in ascending order.
#[derive(Clone, Debug)]
pub struct Spectrum {
    /// Columns, each of length k.
    pub vectors: Vec<Vec<Real>>,
    pub clusters: Vec<Cluster>,
    /// Bound on ‖Q − U‖ for the nearest orthogonal U.
    pub tilt: Radius,
}

/// ⟨p, P_c q⟩, and a bound on |P_c p|·|P_c q|.
#[derive(Clone, Debug)]
pub struct Overlap {
    pub value: Ball,
    pub absolute: Radius,
}

/// A vector and its coordinates Qᵀp.
pub struct Seen {
    pub norm: Radius,
    pub coordinates: Vec<Ball>,
}

impl Spectrum {
    /// Of a symmetric matrix (row by row) known to `error` in the Frobenius norm, with so many bits.
    ///
    /// # Errors
    /// The decomposition in f64 fails.
    pub fn new(matrix: &[Vec<Real>], error: Radius, bits: usize) -> Result<Spectrum> {
        let mut vectors = approximate(matrix, bits)?;
        orthonormalise(&mut vectors);
        let image: Vec<Vec<Real>> = vectors.iter().map(|q| apply(matrix, q)).collect();
        let mut reduced: Vec<Vec<Real>> =
            vectors.iter().map(|q| image.iter().map(|w| dot(q, w)).collect()).collect();
        rotate(&mut reduced, &mut vectors, bits);
        let mut order: Vec<usize> = (0..vectors.len()).collect();
        order.sort_by(|&i, &j| reduced[i][i].cmp(&reduced[j][j]));
        let values: Vec<Real> = order.iter().map(|&i| reduced[i][i].clone()).collect();
        let vectors: Vec<Vec<Real>> = order.iter().map(|&i| vectors[i].clone()).collect();
        Ok(Spectrum::proven(matrix, error, values, vectors))
    }

    /// Of a Gram matrix by double-doubles: 31 digits, for what is too large for more. `bits` (at least 107) is the
    /// precision of what is computed from it.
    ///
    /// # Errors
    /// The decomposition in f64 fails.
    pub(super) fn from_doubles(gram: &Gram, bits: usize) -> Result<Spectrum> {
        let pairs = double::eigenpairs(&gram.rows)?;
        let exponent = 2 * i64::from(gram.exponent);
        let scale = Real::from_parts(1.into(), exponent as isize);
        let values: Vec<Real> = pairs.values.iter().map(|s| s.real(bits) * &scale).collect();
        let vectors = pairs.vectors.iter().map(|q| q.iter().map(|x| x.real(bits)).collect()).collect();
        let delta = pairs.delta.plus(gram.error).times(Radius::power_of_two(exponent));
        let norm = Radius::of(&values[values.len() - 1]).plus(delta);
        Ok(Spectrum { vectors, clusters: clusters(&values, delta, norm), tilt: pairs.tilt })
    }

    /// The same from approximate pairs of any origin.
    fn proven(matrix: &[Vec<Real>], error: Radius, values: Vec<Real>, vectors: Vec<Vec<Real>>) -> Spectrum {
        let balls: Vec<Vec<Ball>> =
            vectors.iter().map(|q| q.iter().map(|x| Ball::exact(x.clone())).collect()).collect();
        let (mut residual, mut norm, mut tilt) = (Radius::ZERO, Radius::ZERO, Radius::ZERO);
        let square = |x: Radius| x.times(x);
        for row in matrix {
            for x in row {
                norm = norm.plus(square(Radius::of(x)));
            }
        }
        for (j, q) in balls.iter().enumerate() {
            let value = Ball::exact(values[j].clone());
            for (row, x) in matrix.iter().zip(q) {
                let image = ball_dot(row.iter().map(|a| Ball::exact(a.clone())), q.iter());
                residual = residual.plus(square((&image - &(&value * x)).magnitude()));
            }
            for (i, p) in balls[..=j].iter().enumerate() {
                let product = ball_dot(p.iter().cloned(), q.iter());
                let off = match i == j {
                    true => square((&product - &Ball::new(1.0, product.bits())).magnitude()),
                    false => square(product.magnitude()).times(Radius::new(2.0)),
                };
                tilt = tilt.plus(off);
            }
        }
        let (norm, tilt) = (norm.root(), tilt.root());
        let largest = values.iter().map(Radius::of).fold(Radius::ZERO, |a, b| if b > a { b } else { a });
        let delta = residual.root().plus(norm.plus(largest).times(tilt)).plus(error);
        let clusters = clusters(&values, delta, norm);
        Spectrum { vectors, clusters, tilt }
    }

    /// The coordinates of a vector.
    pub fn see(&self, p: &[Ball]) -> Seen {
        let square = p.iter().fold(Radius::ZERO, |sum, x| sum.plus(x.magnitude().times(x.magnitude())));
        let coordinates = self
            .vectors
            .iter()
            .map(|q| ball_dot(q.iter().map(|x| Ball::exact(x.clone())), p.iter()))
            .collect();
        Seen { norm: square.root(), coordinates }
    }

    /// ⟨p, P_c q⟩.
    pub fn overlap(&self, cluster: &Cluster, p: &Seen, q: &Seen) -> Overlap {
        let part = |x: &Seen, y: &Seen| {
            let range = cluster.members.clone();
            let sum = ball_dot(x.coordinates[range.clone()].iter().cloned(), y.coordinates[range].iter());
            sum.widened(x.norm.times(y.norm).times(self.blur(cluster)))
        };
        let value = part(p, q);
        let absolute = match cluster.members.len() {
            1 => value.magnitude(),
            _ => part(p, p).magnitude().times(part(q, q).magnitude()).root(),
        };
        Overlap { value, absolute }
    }

    /// ‖P_c − Q_cQ_cᵀ‖, at most.
    pub fn blur(&self, cluster: &Cluster) -> Radius {
        cluster.error.plus(self.tilt.times(Radius::new(3.0)))
    }
}

/// The sum of products, exact terms skipped where a factor is zero.
pub fn ball_dot<'a>(p: impl Iterator<Item = Ball>, q: impl Iterator<Item = &'a Ball>) -> Ball {
    let mut sum: Option<Ball> = None;
    let mut bits = 53;
    for (x, y) in p.zip(q) {
        bits = x.bits().max(y.bits()).max(bits);
        if x.is_zero() || y.is_zero() {
            continue;
        }
        let product = &x * y;
        sum = Some(match sum {
            Some(sum) => &sum + &product,
            None => product,
        });
    }
    sum.unwrap_or_else(|| Ball::new(0.0, bits))
}

/// Eigenvectors in f64 of the matrix scaled to size one.
fn approximate(matrix: &[Vec<Real>], bits: usize) -> Result<Vec<Vec<Real>>> {
    let k = matrix.len();
    let largest =
        matrix.iter().flatten().map(Radius::of).fold(Radius::ZERO, |a, b| if b > a { b } else { a });
    let scale = Real::from_parts(1.into(), -(largest.exponent() as isize));
    let scaled =
        Array2::from_shape_fn((k, k), |(i, j)| (&matrix[i.max(j)][i.min(j)] * &scale).to_f64().value());
    let vectors = Engine::SEQUENTIAL.eigh(scaled.view())?.vectors;
    Ok((0..k).map(|j| vectors.column(j).iter().map(|&x| real(x, bits)).collect()).collect())
}

fn is_zero(x: &Real) -> bool {
    x.repr().significand().is_zero()
}

pub(super) fn dot(p: &[Real], q: &[Real]) -> Real {
    let mut sum = Real::ZERO;
    for (x, y) in p.iter().zip(q) {
        if !is_zero(x) && !is_zero(y) {
            sum += x * y;
        }
    }
    sum
}

fn apply(matrix: &[Vec<Real>], q: &[Real]) -> Vec<Real> {
    matrix.iter().map(|row| dot(row, q)).collect()
}

/// Gram–Schmidt; once is enough for vectors orthonormal to 1e-15.
fn orthonormalise(vectors: &mut [Vec<Real>]) {
    for j in 0..vectors.len() {
        let (before, rest) = vectors.split_at_mut(j);
        let column = &mut rest[0];
        for other in before.iter() {
            let overlap = dot(other, column);
            if !is_zero(&overlap) {
                column.iter_mut().zip(other).for_each(|(x, y)| *x -= &overlap * y);
            }
        }
        let norm = dot(column, column).sqrt();
        if norm != Real::ONE {
            column.iter_mut().for_each(|x| *x = &*x / &norm);
        }
    }
}

/// Jacobi's cyclic rotations until nothing off the diagonal is above rounding.
fn rotate(reduced: &mut [Vec<Real>], vectors: &mut [Vec<Real>], bits: usize) {
    const SWEEPS: usize = 30;
    let k = reduced.len();
    let size =
        (0..k).map(|i| Radius::of(&reduced[i][i])).fold(Radius::ZERO, |a, b| if b > a { b } else { a });
    let negligible = size.times(Radius::power_of_two(-(bits as i64)));
    for _ in 0..SWEEPS {
        let mut moved = false;
        for p in 0..k {
            for q in p + 1..k {
                if Radius::of(&reduced[p][q]) > negligible {
                    rotate_pair(reduced, vectors, p, q);
                    moved = true;
                }
            }
        }
        if !moved {
            return;
        }
    }
}

fn rotate_pair(reduced: &mut [Vec<Real>], vectors: &mut [Vec<Real>], p: usize, q: usize) {
    let off = reduced[p][q].clone();
    let half = (&reduced[q][q] - &reduced[p][p]) / (&off + &off);
    let root = (&half * &half + Real::ONE).sqrt();
    let tangent = match half.sign() {
        dashu_int::Sign::Positive => Real::ONE / (&half + root),
        dashu_int::Sign::Negative => Real::ONE / (&half - root),
    };
    let cosine = Real::ONE / (&tangent * &tangent + Real::ONE).sqrt();
    let sine = &tangent * &cosine;
    let change = &tangent * &off;
    let (first, second) = (&reduced[p][p] - &change, &reduced[q][q] + &change);
    let turn = |x: &mut Real, y: &mut Real| {
        let turned = &*x * &cosine - &*y * &sine;
        *y = &*x * &sine + &*y * &cosine;
        *x = turned;
    };
    let (mut upper, mut lower) = (std::mem::take(&mut reduced[p]), std::mem::take(&mut reduced[q]));
    upper.iter_mut().zip(&mut lower).for_each(|(x, y)| turn(x, y));
    for (j, row) in reduced.iter_mut().enumerate() {
        if j != p && j != q {
            (row[p], row[q]) = (upper[j].clone(), lower[j].clone());
        }
    }
    (upper[p], lower[q]) = (first, second);
    (upper[q], lower[p]) = (Real::ZERO, Real::ZERO);
    (reduced[p], reduced[q]) = (upper, lower);
    let (before, rest) = vectors.split_at_mut(q);
    before[p].iter_mut().zip(&mut rest[0]).for_each(|(x, y)| turn(x, y));
}

/// Neighbours nearer than √(δ‖K‖) share a cluster: their projector is then known to about √δ, as their values are.
fn clusters(values: &[Real], delta: Radius, norm: Radius) -> Vec<Cluster> {
    let near = delta.times(norm).root();
    let gap = |i: usize| Radius::below(&(&values[i] - &values[i - 1]));
    let mut starts = vec![0];
    starts.extend((1..values.len()).filter(|&i| gap(i) > near));
    let half = Real::from_parts(1.into(), -1);
    let mut found = Vec::with_capacity(starts.len());
    for (j, &first) in starts.iter().enumerate() {
        let end = starts.get(j + 1).copied().unwrap_or(values.len());
        let (low, high) = (&values[first], &values[end - 1]);
        let value = match low == high {
            true => Ball::with_radius(low.clone(), delta),
            false => {
                // The midpoint need not be exact: the radius is the whole width.
                let mid = (low + high) * &half;
                Ball::with_radius(mid, Radius::of(&(high - low)).plus(delta))
            }
        };
        let mut alone = Radius::INFINITE;
        if first > 0 && gap(first) < alone {
            alone = gap(first);
        }
        if end < values.len() && gap(end) < alone {
            alone = gap(end);
        }
        let error = match alone.is_finite() {
            true => {
                let twice = delta.times(Radius::new(2.0));
                twice.over(alone.minus(twice).times(Radius::new(1.0 - 1e-9)))
            }
            false => Radius::ZERO,
        };
        found.push(Cluster { members: first..end, value, error });
    }
    found
}
