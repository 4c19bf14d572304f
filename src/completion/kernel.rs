//! The sparse linear algebra of completion: products S·A with a matrix S on the observed pairs, and the
//! tangent kernel, the only stiff part of the flow, which couples observed pairs that share an index.

use rayon::prelude::*;

use super::symmetric::{LANES, packed_index, stride};
use crate::data::Observations;
use crate::linalg::{Threads, add_multiple, cholesky_solve, dot, vectorised};
use crate::ode::Reject;

/// Below so many multiplications a product runs on one thread.
const WORTH_SHARING: usize = 1 << 20;
/// Columns of a product that are accumulated together.
const BLOCK: usize = 32;
/// Rows of a product that one thread takes at a time.
const SHARED_ROWS: usize = 16;

/// The observed pairs as the pattern of a sparse symmetric matrix S.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    pub dimension: usize,
    /// (i, j), i ≥ j, of each pair.
    pub at: Vec<(usize, usize)>,
    /// Where each pair is in a packed matrix.
    pub packed: Vec<usize>,
    /// Rows of S: for row i the columns and the pairs `start[i]..start[i + 1]`.
    start: Vec<usize>,
    column: Vec<u32>,
    pair: Vec<u32>,
    threads: Threads,
}

impl Pattern {
    pub fn new(observations: &Observations, threads: Threads) -> Pattern {
        let d = observations.dimension();
        let at: Vec<(usize, usize)> = observations.pairs().iter().map(|p| (p.row, p.column)).collect();
        let mut rows = vec![Vec::new(); d];
        for (p, &(i, j)) in at.iter().enumerate() {
            rows[i].push((j as u32, p as u32));
            if i != j {
                rows[j].push((i as u32, p as u32));
            }
        }
        let mut start = vec![0];
        let (mut column, mut pair) = (Vec::new(), Vec::new());
        for row in &mut rows {
            row.sort_unstable();
            column.extend(row.iter().map(|e| e.0));
            pair.extend(row.iter().map(|e| e.1));
            start.push(column.len());
        }
        let packed = at.iter().map(|&(i, j)| packed_index(i, j)).collect();
        Pattern { dimension: d, at, packed, start, column, pair, threads }
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.at.len()
    }

    fn shared(&self, work: usize) -> bool {
        self.threads == Threads::All && work > WORTH_SHARING
    }

    /// Number of entries of S, both triangles.
    pub fn entries(&self) -> usize {
        self.column.len()
    }

    /// The entries of S row by row, from its value at each pair.
    pub fn spread<T>(&self, value: impl Fn(usize) -> T, entries: &mut [T]) {
        entries.iter_mut().zip(&self.pair).for_each(|(entry, &p)| *entry = value(p as usize));
    }

    /// out = S·A for two matrices A at once: full, padded squares. `s` holds the entries of S row by row.
    pub fn products<T: Real>(&self, s: &[T], a: [&[T]; 2], out: [&mut [T]; 2]) {
        let stride = stride(self.dimension);
        let rows = |first: usize, out0: &mut [T], out1: &mut [T]| {
            vectorised(
                #[inline(always)]
                || {
                    self.rows(first, s, a[0], out0, stride);
                    self.rows(first, s, a[1], out1, stride);
                },
            );
        };
        let [out0, out1] = out;
        if self.shared(2 * self.column.len() * stride) {
            let chunk = SHARED_ROWS * stride;
            let chunks = out0.par_chunks_mut(chunk).zip(out1.par_chunks_mut(chunk)).enumerate();
            chunks.for_each(|(c, (out0, out1))| rows(c * SHARED_ROWS, out0, out1));
        } else {
            rows(0, out0, out1);
        }
    }

    /// Rows of S·A from the row `first` on: blocks of columns in registers.
    #[inline(always)]
    fn rows<T: Real>(&self, first: usize, s: &[T], a: &[T], out: &mut [T], stride: usize) {
        for (i, out) in out.chunks_exact_mut(stride).enumerate() {
            let range = self.start[first + i]..self.start[first + i + 1];
            let (columns, s) = (&self.column[range.clone()], &s[range]);
            let mut blocks = out.chunks_exact_mut(BLOCK);
            let mut at = 0;
            for block in &mut blocks {
                sum_of_rows::<T, BLOCK>(columns, s, a, stride, at, block);
                at += BLOCK;
            }
            for block in blocks.into_remainder().chunks_exact_mut(LANES) {
                sum_of_rows::<T, LANES>(columns, s, a, stride, at, block);
                at += LANES;
            }
        }
    }
}

/// out = Σ_k s_k A[k, at..at + N].
#[inline(always)]
fn sum_of_rows<T: Real, const N: usize>(
    columns: &[u32],
    s: &[T],
    a: &[T],
    stride: usize,
    at: usize,
    out: &mut [T],
) {
    let mut sum = [T::default(); N];
    for (&k, &value) in columns.iter().zip(s) {
        let from = k as usize * stride + at;
        for (sum, a) in sum.iter_mut().zip(&a[from..from + N]) {
            *sum += value * *a;
        }
    }
    out.copy_from_slice(&sum);
}

/// Single or double precision.
pub(super) trait Real:
    Copy + Default + Send + Sync + std::ops::AddAssign + std::ops::Mul<Output = Self>
{
}
impl Real for f32 {}
impl Real for f64 {}

/// The tangent kernel of a matrix A, symmetrised: K̂ = diag(g) C diag(g) + diag, where C_pq = A_ab for pairs
/// p = {v, a}, q = {v, b} that share the index v (theory/completion.md (9)).
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    /// √w_p, times √2 on the diagonal of the matrix.
    scale: Vec<f64>,
    /// The indices of each pair in a full square, for the diagonal entries of K̂.
    corners: Vec<(usize, usize)>,
    /// √(w_p cs_p), cs = 2 off the diagonal of the matrix and 1 on it: what makes the equation for the
    /// entries of W symmetric.
    row_scale: Vec<f64>,
    start: Vec<usize>,
    column: Vec<u32>,
    /// Where C_pq is in a full square.
    from: Vec<u32>,
    values: Vec<f64>,
    diagonal: Vec<f64>,
    shared: bool,
    work: Workspace,
    /// A dense factor of I·shift + K̂ that serves as preconditioner.
    factor: Option<ndarray::Array2<f64>>,
    /// Iterations of the last solution.
    pub iterations: usize,
}

#[derive(Clone, Debug, Default)]
struct Workspace {
    right: Vec<f64>,
    residual: Vec<f64>,
    preconditioned: Vec<f64>,
    direction: Vec<f64>,
    image: Vec<f64>,
    scaled: Vec<f64>,
}

impl Kernel {
    /// The structure; `weights` are the w_p of S_p = w_p (W_p − y_p).
    pub fn new(pattern: &Pattern, weights: &[f64]) -> Kernel {
        let stride = stride(pattern.dimension);
        let on_diagonal = |p: usize| pattern.at[p].0 == pattern.at[p].1;
        let mut start = vec![0];
        let (mut column, mut from) = (Vec::new(), Vec::new());
        for (p, &(i, j)) in pattern.at.iter().enumerate() {
            let ends = if i == j { vec![(i, j)] } else { vec![(i, j), (j, i)] };
            for (v, a) in ends {
                for k in pattern.start[v]..pattern.start[v + 1] {
                    let (b, q) = (pattern.column[k] as usize, pattern.pair[k]);
                    if q as usize != p {
                        column.push(q);
                        from.push((a * stride + b) as u32);
                    }
                }
            }
            start.push(column.len());
        }
        let n = pattern.len();
        let cs = |p: usize| if on_diagonal(p) { 1.0 } else { 2.0 };
        let zeros = || vec![0.0; n];
        Kernel {
            scale: (0..n).map(|p| (weights[p] * 2.0 / cs(p)).sqrt()).collect(),
            corners: pattern.at.iter().map(|&(i, j)| (i * stride + i, j * stride + j)).collect(),
            row_scale: (0..n).map(|p| (weights[p] * cs(p)).sqrt()).collect(),
            shared: pattern.shared(4 * column.len()),
            values: vec![0.0; column.len()],
            diagonal: zeros(),
            start,
            column,
            from,
            work: Workspace {
                right: zeros(),
                residual: zeros(),
                preconditioned: zeros(),
                direction: zeros(),
                image: zeros(),
                scaled: zeros(),
            },
            factor: None,
            iterations: 0,
        }
    }

    /// Reads the entries of A, a full, padded square.
    pub fn refresh(&mut self, a: &[f64]) {
        let gather = |value: &mut f64, from: &u32| *value = a[*from as usize];
        match self.shared {
            true => self
                .values
                .par_iter_mut()
                .with_min_len(1 << 14)
                .zip(&self.from)
                .for_each(|(v, f)| gather(v, f)),
            false => self.values.iter_mut().zip(&self.from).for_each(|(v, f)| gather(v, f)),
        }
        // 2 w A_ii on the diagonal of the matrix, w (A_ii + A_jj) off it: scale² is 2w and w.
        for ((diagonal, &(i, j)), scale) in self.diagonal.iter_mut().zip(&self.corners).zip(&self.scale) {
            let twice = if i == j { a[i] } else { a[i] + a[j] };
            *diagonal = scale * scale * twice;
        }
    }

    /// Solves (identity·I + factor·K) x = b for the entries x of W at the pairs, K = P_Ω{S[·], A}, to the
    /// given relative residual; `x` holds b and then the solution.
    ///
    /// # Errors
    /// A direction of negative curvature (A is not positive definite), or too many iterations.
    pub fn solve(&mut self, identity: f64, factor: f64, tolerance: f64, x: &mut [f64]) -> Result<(), Reject> {
        let mut work = std::mem::take(&mut self.work);
        for ((right, b), scale) in work.right.iter_mut().zip(&*x).zip(&self.row_scale) {
            *right = b * scale;
        }
        let solved = self.conjugate_gradients(identity, factor, tolerance, x, &mut work);
        for (x, scale) in x.iter_mut().zip(&self.row_scale) {
            *x /= scale;
        }
        self.work = work;
        solved
    }

    /// Jacobi-preconditioned (or, with a factor, Cholesky-preconditioned) conjugate gradients from zero;
    /// writes z into `x`.
    fn conjugate_gradients(
        &mut self,
        identity: f64,
        factor: f64,
        tolerance: f64,
        x: &mut [f64],
        work: &mut Workspace,
    ) -> Result<(), Reject> {
        let Workspace { right, residual, preconditioned, direction, image, scaled } = work;
        x.fill(0.0);
        residual.copy_from_slice(right);
        let aim = tolerance * dot(right, right).sqrt();
        if !aim.is_finite() {
            return Err(Reject("a right-hand side that is not finite"));
        }
        self.precondition(identity, factor, residual, preconditioned);
        direction.copy_from_slice(preconditioned);
        let mut product = dot(residual, preconditioned);
        let most = 200 + 10 * x.len();
        for iteration in 0..=most {
            self.iterations = iteration;
            if dot(residual, residual).sqrt() <= aim {
                return Ok(());
            }
            self.apply(identity, factor, direction, image, scaled);
            let curvature = dot(direction, image);
            if curvature.is_nan() || curvature <= 0.0 {
                return Err(Reject("the tangent kernel is not positive definite"));
            }
            let step = product / curvature;
            add_multiple(x, step, direction);
            add_multiple(residual, -step, image);
            self.precondition(identity, factor, residual, preconditioned);
            let next = dot(residual, preconditioned);
            let ratio = next / product;
            product = next;
            for (d, p) in direction.iter_mut().zip(&*preconditioned) {
                *d = p + ratio * *d;
            }
        }
        Err(Reject("conjugate gradients on the tangent kernel do not converge"))
    }

    fn precondition(&self, identity: f64, factor: f64, r: &[f64], out: &mut [f64]) {
        if let Some(l) = &self.factor {
            out.copy_from_slice(r);
            cholesky_solve(l.view(), out);
            return;
        }
        for ((out, r), d) in out.iter_mut().zip(r).zip(&self.diagonal) {
            *out = r / (identity + factor * d);
        }
    }

    /// out = (identity·I + factor·K̂) z.
    fn apply(&self, identity: f64, factor: f64, z: &[f64], out: &mut [f64], scaled: &mut [f64]) {
        for ((scaled, z), scale) in scaled.iter_mut().zip(z).zip(&self.scale) {
            *scaled = z * scale;
        }
        let row = |p: usize, out: &mut f64| {
            let range = self.start[p]..self.start[p + 1];
            let (values, columns) =
                (self.values[range.clone()].as_chunks::<4>(), self.column[range].as_chunks::<4>());
            // Four sums that do not wait for each other.
            let mut sums = [0.0; 4];
            for (values, columns) in values.0.iter().zip(columns.0) {
                (0..4).for_each(|l| sums[l] += values[l] * scaled[columns[l] as usize]);
            }
            for (value, q) in values.1.iter().zip(columns.1) {
                sums[0] += value * scaled[*q as usize];
            }
            let sum: f64 = sums.iter().sum();
            *out = identity * z[p] + factor * (self.scale[p] * sum + self.diagonal[p] * z[p]);
        };
        match self.shared {
            true => out.par_iter_mut().with_min_len(256).enumerate().for_each(|(p, out)| row(p, out)),
            false => out.iter_mut().enumerate().for_each(|(p, out)| row(p, out)),
        }
    }

    /// K̂ as a dense matrix, symmetric.
    pub fn dense(&self) -> ndarray::Array2<f64> {
        let n = self.diagonal.len();
        let mut k = ndarray::Array2::from_diag(&ndarray::ArrayView1::from(&self.diagonal));
        for p in 0..n {
            for e in self.start[p]..self.start[p + 1] {
                let q = self.column[e] as usize;
                k[(p, q)] += self.scale[p] * self.values[e] * self.scale[q];
            }
        }
        k
    }

    /// From now on preconditions with this Cholesky factor (of some dense K̂).
    pub fn set_factor(&mut self, factor: Option<ndarray::Array2<f64>>) {
        self.factor = factor;
    }
}
