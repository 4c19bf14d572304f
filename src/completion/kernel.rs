//! The sparse linear algebra of completion: products S·A with a matrix S on the observed pairs, and the
//! tangent kernel, the only stiff part of the flow, which couples observed pairs that share an index.

use rayon::prelude::*;

use super::symmetric::{LANES, packed_index, stride};
use crate::data::Observations;
use crate::linalg::{Engine, Threads, add_multiple, cholesky_solve, dot, vectorised};
use crate::ode::Reject;

/// Below so many multiplications a product runs on one thread.
const WORTH_SHARING: usize = 1 << 20;
/// Part of the largest diagonal entry that is added to the diagonal of the kernel as a preconditioner.
const ROOM: f64 = 1e-12;
/// Conjugate gradients that meet negative curvature are as good as converged below so many times the residual aimed at.
const ALMOST: f64 = 1e3;
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

    /// The entries of row i of S: column and pair.
    pub fn row(&self, i: usize) -> impl Iterator<Item = (usize, usize)> {
        let range = self.start[i]..self.start[i + 1];
        self.column[range.clone()].iter().zip(&self.pair[range]).map(|(&j, &p)| (j as usize, p as usize))
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

/// The tangent kernel of a matrix A, symmetrised: K̂ = diag(g) C diag(g), where C_pq is the sum of A_ab over the
/// indices v with p = {v, a}, q = {v, b} (theory/completion.md (9)). So C is a sum over v of dense blocks of A:
/// its rows and columns at the neighbours of v.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    /// √w_p, times √2 on the diagonal of the matrix.
    scale: Vec<f64>,
    /// The indices of each pair.
    at: Vec<(usize, usize)>,
    /// √(w_p cs_p), cs = 2 off the diagonal of the matrix and 1 on it: what makes the equation for the
    /// entries of W symmetric.
    row_scale: Vec<f64>,
    /// For index v the pairs, and their other ends, `start[v]..start[v + 1]`: as in [`Pattern`].
    start: Vec<usize>,
    column: Vec<u32>,
    pair: Vec<u32>,
    /// The two places of each pair in these lists; on the diagonal of the matrix the second is beyond their end.
    places: Vec<(u32, u32)>,
    /// A at the neighbours of v, rows padded with zeros: from `block[v]` on, each as long as [`padded`] says.
    block: Vec<usize>,
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
    /// 1/(identity + factor·K̂_pp).
    jacobi: Vec<f64>,
    direction: Vec<f64>,
    image: Vec<f64>,
    scaled: Vec<f64>,
    /// A number a place, and a zero beyond.
    local: Vec<f64>,
}

/// The length of the rows of a block of so many neighbours.
fn padded(neighbours: usize) -> usize {
    neighbours.next_multiple_of(LANES)
}

impl Kernel {
    /// The structure; `weights` are the w_p of S_p = w_p (W_p − y_p).
    pub fn new(pattern: &Pattern, weights: &[f64]) -> Kernel {
        let n = pattern.len();
        let mut places = vec![(u32::MAX, u32::MAX); n];
        for (place, &p) in pattern.pair.iter().enumerate() {
            let (first, second) = &mut places[p as usize];
            *second = place as u32;
            *first = (*first).min(place as u32);
        }
        for (first, second) in &mut places {
            if first == second {
                *second = pattern.entries() as u32;
            }
        }
        let mut block = vec![0];
        for range in pattern.start.windows(2) {
            let neighbours = range[1] - range[0];
            block.push(block[block.len() - 1] + neighbours * padded(neighbours));
        }
        let size = block[block.len() - 1];
        let cs = |p: usize| if pattern.at[p].0 == pattern.at[p].1 { 1.0 } else { 2.0 };
        let zeros = || vec![0.0; n];
        Kernel {
            scale: (0..n).map(|p| (weights[p] * 2.0 / cs(p)).sqrt()).collect(),
            at: pattern.at.clone(),
            row_scale: (0..n).map(|p| (weights[p] * cs(p)).sqrt()).collect(),
            start: pattern.start.clone(),
            column: pattern.column.clone(),
            pair: pattern.pair.clone(),
            places,
            block,
            shared: pattern.shared(size),
            values: vec![0.0; size],
            diagonal: zeros(),
            work: Workspace {
                right: zeros(),
                residual: zeros(),
                preconditioned: zeros(),
                jacobi: zeros(),
                direction: zeros(),
                image: zeros(),
                scaled: zeros(),
                local: vec![0.0; pattern.entries() + 1],
            },
            factor: None,
            iterations: 0,
        }
    }

    /// Reads the entries of A, a full, padded square.
    pub fn refresh(&mut self, a: &[f64]) {
        let stride = stride(self.start.len() - 1);
        let (start, column) = (&self.start, &self.column);
        let fill = |v: usize, block: &mut [f64]| {
            let columns = &column[start[v]..start[v + 1]];
            for (row, &i) in block.chunks_exact_mut(padded(columns.len()).max(1)).zip(columns) {
                let from = &a[i as usize * stride..(i as usize + 1) * stride];
                row.iter_mut().zip(columns).for_each(|(value, &j)| *value = from[j as usize]);
            }
        };
        let blocks = pieces(&mut self.values, &self.block);
        match self.shared {
            true => blocks.into_par_iter().enumerate().for_each(|(v, block)| fill(v, block)),
            false => blocks.into_iter().enumerate().for_each(|(v, block)| fill(v, block)),
        }
        // 2 w A_ii on the diagonal of the matrix, w (A_ii + A_jj) off it: scale² is 2w and w.
        for ((diagonal, &(i, j)), scale) in self.diagonal.iter_mut().zip(&self.at).zip(&self.scale) {
            let corner = |i: usize| a[i * stride + i];
            let twice = if i == j { corner(i) } else { corner(i) + corner(j) };
            *diagonal = scale * scale * twice;
        }
    }

    /// From now on the present kernel preconditions, with a little added to its eigenvalues: late in a slow flow some are
    /// below the rounding of the largest, and what is divided by them is noise.
    ///
    /// # Errors
    /// The kernel is indefinite beyond rounding.
    pub fn precondition_by_itself(&mut self) -> Result<(), Reject> {
        let mut matrix = self.dense();
        let room = ROOM * matrix.diag().iter().fold(0.0_f64, |m, x| m.max(*x));
        matrix.diag_mut().iter_mut().for_each(|x| *x += room);
        let factor = Engine::SEQUENTIAL
            .cholesky(matrix.view())
            .map_err(|_| Reject("the tangent kernel is not positive definite"))?;
        self.set_factor(Some(factor));
        Ok(())
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
        let Workspace { right, residual, preconditioned, jacobi, direction, image, scaled, local } = work;
        for (inverse, d) in jacobi.iter_mut().zip(&self.diagonal) {
            *inverse = 1.0 / (identity + factor * d);
        }
        x.fill(0.0);
        residual.copy_from_slice(right);
        let aim = tolerance * dot(right, right).sqrt();
        if !aim.is_finite() {
            return Err(Reject("a right-hand side that is not finite"));
        }
        self.precondition(jacobi, residual, preconditioned);
        direction.copy_from_slice(preconditioned);
        let mut product = dot(residual, preconditioned);
        let most = 200 + 10 * x.len();
        for iteration in 0..=most {
            self.iterations = iteration;
            if dot(residual, residual).sqrt() <= aim {
                return Ok(());
            }
            self.apply(identity, factor, direction, image, (scaled, local));
            let curvature = dot(direction, image);
            if curvature.is_nan() || curvature <= 0.0 {
                // Nothing is left but what K does not see.
                if dot(residual, residual).sqrt() <= ALMOST * aim {
                    return Ok(());
                }
                return Err(Reject("the tangent kernel is not positive definite"));
            }
            let step = product / curvature;
            add_multiple(x, step, direction);
            add_multiple(residual, -step, image);
            self.precondition(jacobi, residual, preconditioned);
            let next = dot(residual, preconditioned);
            let ratio = next / product;
            product = next;
            for (d, p) in direction.iter_mut().zip(&*preconditioned) {
                *d = p + ratio * *d;
            }
        }
        Err(Reject("conjugate gradients on the tangent kernel do not converge"))
    }

    fn precondition(&self, jacobi: &[f64], r: &[f64], out: &mut [f64]) {
        if let Some(l) = &self.factor {
            out.copy_from_slice(r);
            cholesky_solve(l.view(), out);
            return;
        }
        for ((out, r), inverse) in out.iter_mut().zip(r).zip(jacobi) {
            *out = r * inverse;
        }
    }

    /// out = (identity·I + factor·K̂) z.
    fn apply(
        &self,
        identity: f64,
        factor: f64,
        z: &[f64],
        out: &mut [f64],
        (scaled, local): (&mut [f64], &mut [f64]),
    ) {
        for ((scaled, z), scale) in scaled.iter_mut().zip(z).zip(&self.scale) {
            *scaled = z * scale;
        }
        if self.shared {
            let scaled = &*scaled;
            pieces(local, &self.start).into_par_iter().enumerate().with_min_len(16).for_each(|(v, local)| {
                vectorised(
                    #[inline(always)]
                    || self.apply_block(v, scaled, local),
                );
            });
        } else {
            vectorised(
                #[inline(always)]
                || {
                    for (v, range) in self.start.windows(2).enumerate() {
                        self.apply_block(v, scaled, &mut local[range[0]..range[1]]);
                    }
                },
            );
        }
        for (((out, z), scale), &(first, second)) in out.iter_mut().zip(z).zip(&self.scale).zip(&self.places)
        {
            *out = identity * z + factor * scale * (local[first as usize] + local[second as usize]);
        }
    }

    /// out = (the block of v)·(its entries of z), eight rows at a time: the block is symmetric.
    #[inline(always)]
    fn apply_block(&self, v: usize, z: &[f64], out: &mut [f64]) {
        let pairs = &self.pair[self.start[v]..self.start[v + 1]];
        let length = padded(pairs.len());
        let block = &self.values[self.block[v]..self.block[v + 1]];
        for (at, out) in out.chunks_mut(LANES).enumerate() {
            let mut sums = [0.0; LANES];
            for (row, &p) in block.chunks_exact(length).zip(pairs) {
                let z = z[p as usize];
                for (sum, a) in sums.iter_mut().zip(&row[at * LANES..(at + 1) * LANES]) {
                    *sum += a * z;
                }
            }
            out.copy_from_slice(&sums[..out.len()]);
        }
    }

    /// K̂ as a dense matrix, symmetric.
    pub fn dense(&self) -> ndarray::Array2<f64> {
        let n = self.diagonal.len();
        let mut k = ndarray::Array2::zeros((n, n));
        for (v, range) in self.start.windows(2).enumerate() {
            let pairs = &self.pair[range[0]..range[1]];
            let block = &self.values[self.block[v]..self.block[v + 1]];
            for (row, &p) in block.chunks_exact(padded(pairs.len()).max(1)).zip(pairs) {
                for (value, &q) in row.iter().zip(pairs) {
                    let (p, q) = (p as usize, q as usize);
                    k[(p, q)] += self.scale[p] * value * self.scale[q];
                }
            }
        }
        k
    }

    /// From now on preconditions with this Cholesky factor (of some dense K̂).
    pub fn set_factor(&mut self, factor: Option<ndarray::Array2<f64>>) {
        self.factor = factor;
    }
}

/// Disjoint parts of a slice, from one bound to the next.
fn pieces<'a>(mut whole: &'a mut [f64], bounds: &[usize]) -> Vec<&'a mut [f64]> {
    let mut parts = Vec::with_capacity(bounds.len());
    for range in bounds.windows(2) {
        let (part, rest) = whole.split_at_mut(range[1] - range[0]);
        parts.push(part);
        whole = rest;
    }
    parts
}
