//! Double-double arithmetic, about 31 digits at ten to twenty operations of f64: eigenpairs of matrices that are
//! too large for many digits.
//!
//! Sums and products have a relative error below 2⁻¹⁰³ (Joldes, Muller and Popescu, 2017: 3u² and 5u², u = 2⁻⁵³), as long
//! as nothing underflows: matrices are scaled to size one, and what underflows then is below every bound used. faer's
//! kernels for its own `fx128` are not used: their eigenvalues come without a bound, which the residual taken here gives
//! to pairs of any origin, and refining f64 pairs needs no second decomposition.

use ndarray::ArrayView2;

use super::{Radius, Real, real};
use crate::error::Result;
use crate::linalg::Engine;

/// An unevaluated sum of two f64.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Double {
    hi: f64,
    lo: f64,
}

/// Twice the largest relative error of an operation, as an exponent of two.
const UNIT: i64 = -102;

fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let part = sum - a;
    (sum, (a - (sum - part)) + (b - part))
}

fn quick_sum(a: f64, b: f64) -> Double {
    let hi = a + b;
    Double { hi, lo: b - (hi - a) }
}

impl Double {
    pub const ZERO: Double = Double { hi: 0.0, lo: 0.0 };
    pub const ONE: Double = Double { hi: 1.0, lo: 0.0 };

    pub fn new(x: f64) -> Double {
        Double { hi: x, lo: 0.0 }
    }

    /// The product of two f64, exactly.
    pub fn product(a: f64, b: f64) -> Double {
        let hi = a * b;
        Double { hi, lo: a.mul_add(b, -hi) }
    }

    fn sqrt(self) -> Double {
        let root = self.hi.sqrt();
        let rest = self - Double::product(root, root);
        quick_sum(root, 0.5 * rest.hi / root)
    }

    fn over(self, other: Double) -> Double {
        let first = self.hi / other.hi;
        let rest = self - other * Double::new(first);
        let second = rest.hi / other.hi;
        let rest = rest - other * Double::new(second);
        quick_sum(first, second) + Double::new(rest.hi / other.hi)
    }

    /// With at least 107 bits: exactly.
    pub fn real(self, bits: usize) -> Real {
        real(self.hi, bits) + real(self.lo, bits)
    }
}

impl std::ops::Add for Double {
    type Output = Double;
    fn add(self, other: Double) -> Double {
        let (sum, error) = two_sum(self.hi, other.hi);
        let (low, rest) = two_sum(self.lo, other.lo);
        let first = quick_sum(sum, error + low);
        quick_sum(first.hi, first.lo + rest)
    }
}

impl std::ops::Sub for Double {
    type Output = Double;
    fn sub(self, other: Double) -> Double {
        self + Double { hi: -other.hi, lo: -other.lo }
    }
}

impl std::ops::Mul for Double {
    type Output = Double;
    fn mul(self, other: Double) -> Double {
        let Double { hi, lo } = Double::product(self.hi, other.hi);
        quick_sum(hi, lo + (self.hi * other.lo + self.lo * other.hi))
    }
}

fn dot(p: &[Double], q: &[Double]) -> Double {
    p.iter().zip(q).fold(Double::ZERO, |sum, (&x, &y)| sum + x * y)
}

/// The Gram matrix of the rows of an array times 4^exponent, scaled to size one.
pub(crate) struct Gram {
    pub rows: Vec<Vec<Double>>,
    /// The features are 2^exponent times those of the scaled matrix.
    pub exponent: i32,
    /// Bound on its rounding in the Frobenius norm.
    pub error: Radius,
}

/// Products of the rows of `a`, with a bound.
pub(crate) fn gram(a: ArrayView2<'_, f64>) -> Gram {
    let largest = a.iter().fold(0.0_f64, |top, x| top.max(x.abs()));
    let exponent = Radius::new(largest).exponent() as i32 + 1;
    let scaled = a.mapv(|x| libm::scalbn(x, -exponent)).as_standard_layout().into_owned();
    let k = a.nrows();
    let mut rows = vec![vec![Double::ZERO; k]; k];
    let mut trace = Radius::ZERO;
    for (i, x) in scaled.outer_iter().enumerate() {
        for (j, y) in scaled.outer_iter().enumerate().take(i + 1) {
            let entry = x.iter().zip(&y).fold(Double::ZERO, |sum, (&x, &y)| sum + Double::product(x, y));
            rows[i][j] = entry;
            rows[j][i] = entry;
        }
        trace = trace.plus(Radius::new(rows[i][i].hi));
    }
    // |error of an entry| ≤ (length + 1)·unit·|x||y|, and Σ|x|²|y|² is the square of the trace. Entries that were scaled
    // down past the range of f64 lost 2⁻¹⁰⁷⁴ at most.
    let length = Radius::new(a.ncols() as f64 + 2.0);
    let error = length.times(Radius::power_of_two(UNIT)).times(trace.times(Radius::new(1.0 + 1e-12)));
    Gram { rows, exponent, error }
}

/// Eigenvalues and eigenvectors (as rows), and δ and γ of equations (26): ‖K − USUᵀ‖ ≤ δ beside the error of K itself, and
/// ‖Q − U‖ ≤ γ.
pub(super) struct Pairs {
    pub values: Vec<Double>,
    pub vectors: Vec<Vec<Double>>,
    pub delta: Radius,
    pub tilt: Radius,
}

/// Eigenpairs of a symmetric matrix of size about one.
pub(super) fn eigenpairs(matrix: &[Vec<Double>]) -> Result<Pairs> {
    let k = matrix.len();
    let rough = ndarray::Array2::from_shape_fn((k, k), |(i, j)| matrix[i.max(j)][i.min(j)].hi);
    let start = Engine::SEQUENTIAL.eigh(rough.view())?.vectors;
    let mut vectors: Vec<Vec<Double>> =
        (0..k).map(|j| start.column(j).iter().map(|&x| Double::new(x)).collect()).collect();
    orthonormalise(&mut vectors);
    let image: Vec<Vec<Double>> = vectors.iter().map(|q| apply(matrix, q)).collect();
    let mut reduced: Vec<Vec<Double>> =
        vectors.iter().map(|q| image.iter().map(|w| dot(q, w)).collect()).collect();
    rotate(&mut reduced, &mut vectors);
    let mut order: Vec<usize> = (0..k).collect();
    order.sort_by(|&i, &j| {
        reduced[i][i].hi.total_cmp(&reduced[j][j].hi).then(reduced[i][i].lo.total_cmp(&reduced[j][j].lo))
    });
    let values: Vec<Double> = order.iter().map(|&i| reduced[i][i]).collect();
    let vectors: Vec<Vec<Double>> = order.iter().map(|&i| vectors[i].clone()).collect();
    let (delta, tilt) = certify(matrix, &values, &vectors);
    Ok(Pairs { values, vectors, delta, tilt })
}

fn apply(matrix: &[Vec<Double>], q: &[Double]) -> Vec<Double> {
    matrix.iter().map(|row| dot(row, q)).collect()
}

fn orthonormalise(vectors: &mut [Vec<Double>]) {
    for j in 0..vectors.len() {
        let (before, rest) = vectors.split_at_mut(j);
        let column = &mut rest[0];
        for other in before.iter() {
            let overlap = dot(other, column);
            column.iter_mut().zip(other).for_each(|(x, &y)| *x = *x - overlap * y);
        }
        let norm = dot(column, column).sqrt();
        column.iter_mut().for_each(|x| *x = x.over(norm));
    }
}

/// Jacobi's cyclic rotations; pairs of f64 need one or two sweeps.
fn rotate(reduced: &mut [Vec<Double>], vectors: &mut [Vec<Double>]) {
    const SWEEPS: usize = 8;
    let k = reduced.len();
    let size = (0..k).map(|i| reduced[i][i].hi.abs()).fold(0.0, f64::max);
    let negligible = size * 2.0_f64.powi(UNIT as i32 - 2);
    for _ in 0..SWEEPS {
        let mut moved = false;
        for p in 0..k {
            for q in p + 1..k {
                if reduced[p][q].hi.abs() > negligible {
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

fn rotate_pair(reduced: &mut [Vec<Double>], vectors: &mut [Vec<Double>], p: usize, q: usize) {
    let off = reduced[p][q];
    let half = (reduced[q][q] - reduced[p][p]).over(off + off);
    let root = (half * half + Double::ONE).sqrt();
    let tangent = Double::ONE.over(if half.hi >= 0.0 { half + root } else { half - root });
    if !tangent.hi.is_finite() || tangent.hi == 0.0 {
        return;
    }
    let cosine = Double::ONE.over((tangent * tangent + Double::ONE).sqrt());
    let sine = tangent * cosine;
    let change = tangent * off;
    let (first, second) = (reduced[p][p] - change, reduced[q][q] + change);
    let turn = |x: &mut Double, y: &mut Double| {
        let (a, b) = (*x, *y);
        *x = a * cosine - b * sine;
        *y = a * sine + b * cosine;
    };
    let (mut upper, mut lower) = (std::mem::take(&mut reduced[p]), std::mem::take(&mut reduced[q]));
    upper.iter_mut().zip(&mut lower).for_each(|(x, y)| turn(x, y));
    for (j, row) in reduced.iter_mut().enumerate() {
        if j != p && j != q {
            (row[p], row[q]) = (upper[j], lower[j]);
        }
    }
    (upper[p], lower[q]) = (first, second);
    (upper[q], lower[p]) = (Double::ZERO, Double::ZERO);
    (reduced[p], reduced[q]) = (upper, lower);
    let (before, rest) = vectors.split_at_mut(q);
    before[p].iter_mut().zip(rest[0].iter_mut()).for_each(|(x, y)| turn(x, y));
}

/// δ and γ, with the rounding of residuals and products by the bound (k + 3)·unit·Σ|xy| of an inner product.
fn certify(matrix: &[Vec<Double>], values: &[Double], vectors: &[Vec<Double>]) -> (Radius, Radius) {
    let size = |x: Double| Radius::new(x.hi).times(Radius::new(1.0 + f64::EPSILON));
    let square = |x: Double| size(x).times(size(x));
    let sum = |rows: &[Vec<Double>]| rows.iter().flatten().fold(Radius::ZERO, |sum, &x| sum.plus(square(x)));
    let k = Radius::new(matrix.len() as f64);
    let unit = k.plus(Radius::new(3.0)).times(Radius::power_of_two(UNIT));
    let (norm, columns) = (sum(matrix).root(), sum(vectors).root());
    let largest = values.iter().map(|&s| size(s)).fold(Radius::ZERO, |a, b| if b > a { b } else { a });
    let (mut residual, mut tilt) = (Radius::ZERO, Radius::ZERO);
    for (j, q) in vectors.iter().enumerate() {
        for (row, &x) in matrix.iter().zip(q) {
            residual = residual.plus(square(dot(row, q) - values[j] * x));
        }
        for p in &vectors[..j] {
            tilt = tilt.plus(square(dot(p, q)).times(Radius::new(2.0)));
        }
        tilt = tilt.plus(square(dot(q, q) - Double::ONE));
    }
    let both = norm.plus(largest);
    let residual = residual.root().plus(unit.times(both).times(columns));
    let tilt = tilt.root().plus(unit.times(columns.times(columns).plus(k)));
    (residual.plus(both.times(tilt)), tilt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::features::{gaussian_matrix, generator};

    /// Sums, products, quotients and roots against 300 bits.
    #[test]
    fn operations_keep_their_bound() {
        let numbers = gaussian_matrix(200, 4, 1.0, &mut generator(1, 0));
        for row in numbers.outer_iter() {
            let pair = |i: usize| quick_sum(row[i], row[i + 1] * 1e-17);
            let (a, b) = (pair(0), pair(2));
            let (x, y) = (a.real(300), b.real(300));
            let check = |found: Double, exact: Real| {
                let apart = Radius::of(&(found.real(300) - &exact));
                assert!(apart <= Radius::of(&exact).times(Radius::power_of_two(UNIT)), "{found:?}");
            };
            check(a + b, &x + &y);
            check(a * b, &x * &y);
            check(a.over(b), &x / &y);
            check((a * a).sqrt(), if x < Real::ZERO { -x } else { x });
        }
    }

    /// Eigenpairs of 60 × 60 with a cluster and tiny eigenvalues: δ and γ are those of double-doubles.
    #[test]
    fn pairs_are_certified() {
        let mut a = gaussian_matrix(60, 80, 1.0, &mut generator(2, 0));
        let copy = &a.row(0) * (1.0 + 1e-9);
        a.row_mut(1).assign(&copy);
        let gram = gram(a.view());
        let pairs = eigenpairs(&gram.rows).unwrap();
        // What is left is the rounding of the inner products that certify it, 63 units each: of QᵀQ − I, and of
        // residuals, which are of the size of the matrix.
        let tilt = 63.0 * 120.0 * 2.0_f64.powi(UNIT as i32);
        let norm = pairs.values.iter().map(|s| s.hi * s.hi).sum::<f64>().sqrt() + pairs.values[59].hi;
        let delta = norm * (tilt + 63.0 * 60.0_f64.sqrt() * 2.0_f64.powi(UNIT as i32));
        assert!(pairs.tilt < Radius::new(1.1 * tilt), "{:?}", pairs.tilt);
        assert!(pairs.delta < Radius::new(1.1 * delta), "{:?}", pairs.delta);
        assert!(pairs.values.windows(2).all(|w| w[0].hi <= w[1].hi));
    }
}
