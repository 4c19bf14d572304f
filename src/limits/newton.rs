//! The n × n linear systems (X diag(D) Xᵀ + diag(E)) x = b of an interior point.
//!
//! Near the end D spans twenty orders of magnitude: a few coordinates (the support) carry nearly all of
//! it, the others add what decides. So the heaviest coordinates are summed in double precision, the many
//! light ones in single precision apart from them, and conjugate gradients with the exact products repair
//! what is left.

use ndarray::{Array2, ArrayView2, Axis, ShapeBuilder};

use crate::data::design::{Design, Precision};
use crate::error::{Error, Result};
use crate::linalg::{Engine, Threads, cholesky_solve_columns, dot};

/// The matrix B = diag(y) X, or B = M X for a given matrix M of few rows.
pub(super) struct Rows<'a> {
    pub design: &'a Design,
    /// y; without it B = X.
    pub labels: Option<&'a [f64]>,
    pub combined: Option<ArrayView2<'a, f64>>,
    pub threads: Threads,
}

impl<'a> Rows<'a> {
    pub fn of(design: &'a Design, threads: Threads) -> Self {
        Rows { design, labels: None, combined: None, threads }
    }

    pub fn count(&self) -> usize {
        self.combined.map_or(self.design.samples(), |m| m.nrows())
    }

    pub fn dimension(&self) -> usize {
        self.design.dimension()
    }

    /// B w.
    pub fn apply(&self, w: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.design.samples()];
        self.design.apply(w, &mut out, self.threads);
        self.combine(out)
    }

    /// Bᵀ r.
    pub fn transpose(&self, r: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.dimension()];
        self.design.apply_transpose(&self.spread(r), &mut out, self.threads);
        out
    }

    /// The column k of B.
    pub fn column(&self, k: usize) -> Vec<f64> {
        let mut out = vec![0.0; self.design.samples()];
        self.design.coordinate(k, &mut out);
        self.combine(out)
    }

    /// B diag(weights) Bᵀ r, in one pass over the data.
    fn through(&self, weights: &[f64], r: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.design.samples()];
        self.design.through(&self.spread(r), &mut out, self.threads, |first, z, w| {
            for ((w, z), weight) in w.iter_mut().zip(z).zip(&weights[first..]) {
                *w = z * weight;
            }
        });
        self.combine(out)
    }

    /// About B diag(weights) Bᵀ; see the [module](self).
    fn normal(&self, weights: &[f64]) -> Result<Array2<f64>> {
        let (n, d) = (self.design.samples(), self.dimension());
        let gram = if d <= 16 * n {
            self.design.weighted_gram(weights, self.threads)
        } else {
            let mut sorted = weights.to_vec();
            let (_, &mut bound, _) = sorted.select_nth_unstable_by(2 * n, |a, b| b.total_cmp(a));
            let mut light = weights.to_vec();
            let mut heavy = Vec::new();
            let mut column = vec![0.0; n];
            for (k, w) in light.iter_mut().enumerate().filter(|(_, w)| **w > bound) {
                self.design.coordinate(k, &mut column);
                let scale = std::mem::replace(w, 0.0).sqrt();
                heavy.extend(column.iter().map(|x| scale * x));
            }
            let mut gram = self.design.weighted_gram_in(Precision::Single, &light, self.threads);
            if !heavy.is_empty() {
                let columns = heavy.len() / n;
                let heavy = ArrayView2::from_shape((n, columns).f(), &heavy).map_err(unexpected)?;
                gram += &Engine::SEQUENTIAL.gram(heavy);
            }
            gram
        };
        self.congruent(gram)
    }

    /// B diag(weights) Bᵀ from X diag(weights) Xᵀ.
    pub fn congruent(&self, mut gram: Array2<f64>) -> Result<Array2<f64>> {
        if let Some(y) = self.labels {
            gram.indexed_iter_mut().for_each(|((i, j), g)| *g *= y[i] * y[j]);
        }
        match self.combined {
            None => Ok(gram),
            Some(m) => Engine::SEQUENTIAL.matmul(Engine::SEQUENTIAL.matmul(m, gram.view())?.view(), m.t()),
        }
    }

    fn combine(&self, mut out: Vec<f64>) -> Vec<f64> {
        if let Some(y) = self.labels {
            out.iter_mut().zip(y).for_each(|(out, y)| *out *= y);
        }
        match self.combined {
            None => out,
            Some(m) => {
                m.axis_iter(Axis(0)).map(|m| m.iter().zip(&out).map(|(m, out)| m * out).sum()).collect()
            }
        }
    }

    fn spread(&self, r: &[f64]) -> Vec<f64> {
        let mut out = r.to_vec();
        if let Some(m) = self.combined {
            out = vec![0.0; m.ncols()];
            for (m, r) in m.axis_iter(Axis(0)).zip(r) {
                out.iter_mut().zip(&m).for_each(|(out, m)| *out += r * m);
            }
        }
        if let Some(y) = self.labels {
            out.iter_mut().zip(y).for_each(|(out, y)| *out *= y);
        }
        out
    }
}

fn unexpected(e: ndarray::ShapeError) -> Error {
    Error::Numerical { method: "interior point", detail: e.to_string() }
}

/// A factored matrix B diag(weights) Bᵀ + diag(diagonal).
pub(super) struct NormalMatrix<'a, 'x> {
    rows: &'a Rows<'x>,
    weights: &'a [f64],
    diagonal: &'a [f64],
    /// Lower Cholesky factor, column-major.
    factor: Vec<f64>,
}

impl<'a, 'x> NormalMatrix<'a, 'x> {
    /// Factors it; a matrix that is singular to rounding gets its diagonal raised until it is not.
    pub fn new(rows: &'a Rows<'x>, weights: &'a [f64], diagonal: &'a [f64]) -> Result<Self> {
        let mut matrix = rows.normal(weights)?;
        let n = matrix.nrows();
        let largest = (0..n).fold(f64::MIN_POSITIVE, |m, i| m.max(matrix[(i, i)] + diagonal[i]));
        for i in 0..n {
            matrix[(i, i)] += diagonal[i];
        }
        let mut raise = 0.0;
        loop {
            match Engine::SEQUENTIAL.cholesky(matrix.view()) {
                Ok(factor) => {
                    let factor = factor.t().iter().copied().collect();
                    return Ok(NormalMatrix { rows, weights, diagonal, factor });
                }
                Err(Error::Matrix { .. }) if raise < 1e-6 => {
                    let next = if raise == 0.0 { 1e-15 } else { 10.0 * raise };
                    for i in 0..n {
                        matrix[(i, i)] += (next - raise) * (matrix[(i, i)] + 1e-3 * largest);
                    }
                    raise = next;
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// Conjugate gradients from the solution of the factored matrix.
    pub fn solve(&self, b: &[f64]) -> Vec<f64> {
        let mut x = b.to_vec();
        self.substitute(&mut x);
        let mut residual = self.residual(&x, b);
        let goal = 1e-13 * norm(b);
        let mut best = norm(&residual);
        let mut best_x = x.clone();
        let mut direction = vec![0.0; b.len()];
        let mut previous = 0.0;
        for _ in 0..12 {
            if best <= goal {
                break;
            }
            let mut preconditioned = residual.clone();
            self.substitute(&mut preconditioned);
            let product = dot(&residual, &preconditioned);
            let ratio = if previous == 0.0 { 0.0 } else { product / previous };
            previous = product;
            direction.iter_mut().zip(&preconditioned).for_each(|(d, p)| *d = p + ratio * *d);
            let image = self.multiply(&direction);
            let step = product / dot(&direction, &image);
            if !step.is_finite() {
                break;
            }
            x.iter_mut().zip(&direction).for_each(|(x, d)| *x += step * d);
            residual.iter_mut().zip(&image).for_each(|(r, d)| *r -= step * d);
            let size = norm(&residual);
            if size > 0.5 * best {
                break; // rounding, not progress
            }
            best = size;
            best_x.copy_from_slice(&x);
        }
        best_x
    }

    fn multiply(&self, x: &[f64]) -> Vec<f64> {
        let mut out = self.rows.through(self.weights, x);
        out.iter_mut().zip(x.iter().zip(self.diagonal)).for_each(|(out, (x, e))| *out += x * e);
        out
    }

    fn residual(&self, x: &[f64], b: &[f64]) -> Vec<f64> {
        self.multiply(x).iter().zip(b).map(|(product, b)| b - product).collect()
    }

    fn substitute(&self, x: &mut [f64]) {
        cholesky_solve_columns(&self.factor, x);
    }
}

pub(super) fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

pub(super) fn largest(a: &[f64]) -> f64 {
    a.iter().fold(0.0, |m, a| m.max(a.abs()))
}
