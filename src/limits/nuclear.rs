//! Minimum nuclear norm completion of a symmetric matrix, and its penalised form: where matrix completion by
//! W = UUᵀ − VVᵀ ends. A primal-dual interior point method on the multipliers of the observed pairs.
//!
//! In units of λ/2 both problems are (theory/completion.md (26) to (29)), with one μ_p for each observed pair,
//! M(μ) = Σ μ_p P_p and P_p = ½(e_i e_jᵀ + e_j e_iᵀ):
//!
//! - primal: min ‖W‖_* + Σ s_p²/(2Δ_p), W_p = y_p + s_p,
//! - dual: max Σ y_p μ_p − ½ Σ Δ_p μ_p² with ‖M(μ)‖_op ≤ 1,
//!
//! and Δ_p = nλ/(4m_p), where the pair was given m_p times; Δ = 0 is exact completion. The nuclear norm is
//! split as W = X₁ − X₂ with X₁, X₂ ⪰ 0, whose slacks are Z₁ = I − M, Z₂ = I + M. One Newton step costs one
//! Cholesky factorisation of the size of the number of pairs.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use crate::data::Observations;
use crate::error::{Error, Result, check};
use crate::linalg::{Engine, Threads, cholesky_solve, numerical_rank};

/// Above so many pairs the Newton matrix would not fit in memory.
const MOST_PAIRS: usize = 12_000;
/// Eigenvalues of W below this part of the largest count as zero; so far from ±1 an eigenvalue of M(μ)
/// counts as inside.
const RANK_TOLERANCE: f64 = 1e-4;

/// How far to go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Relative duality gap to reach, in [1e-9, 0.1].
    pub gap: f64,
    pub threads: Threads,
}

impl Default for Options {
    fn default() -> Self {
        Options { gap: 1e-7, threads: Threads::All }
    }
}

/// A completion with its certificates.
#[derive(Clone, Debug)]
pub struct NuclearLimit {
    /// W.
    pub matrix: Array2<f64>,
    /// ‖W‖_*.
    pub nuclear_norm: f64,
    /// ‖W‖_*, or (1/n) Σ (W_ij − y)² + (λ/2)‖W‖_* with a penalty.
    pub objective: f64,
    /// A lower bound on the optimum, from the multipliers.
    pub dual_objective: f64,
    /// (objective − dual objective)/objective.
    pub relative_gap: f64,
    /// max |W_ij − y| over the observed entries: zero (to rounding) without a penalty.
    pub largest_residual: f64,
    /// μ, one for each pair of [`Observations::pairs`], scaled so that ‖M(μ)‖_op ≤ 1.
    pub multipliers: Array1<f64>,
    /// ‖M(μ)‖_op: 1 unless W = 0.
    pub certificate: f64,
    /// Number of eigenvalues of W above 1e-4 of the largest.
    pub rank: usize,
    /// Number of eigenvalues of M(μ) within 1e-4 of ±1. More than the rank: complementarity is not strict.
    pub active: usize,
    /// Whether no other matrix is optimal: no direction in the active eigenspaces escapes the observations.
    /// `None` when there are more such directions than is worth testing.
    pub unique: Option<bool>,
    /// Newton steps.
    pub iterations: usize,
}

/// Minimum nuclear norm: min ‖W‖_* with W_ij = y_ij on the observed entries, W symmetric.
///
/// # Errors
/// More than 12,000 pairs, a gap outside its range, or no convergence ([`Error::Numerical`] says how far it
/// came).
///
/// ```
/// use groktime::data::Observations;
/// use groktime::limits::nuclear::minimum_nuclear_norm;
/// // One missing corner of a rank-one matrix.
/// let seen = Observations::from_list(2, &[(0, 0, 4.0), (0, 1, 2.0)])?;
/// let limit = minimum_nuclear_norm(&seen, &Default::default())?;
/// assert!((limit.matrix[(1, 1)] - 1.0).abs() < 1e-3 && (limit.nuclear_norm - 5.0).abs() < 1e-6);
/// assert_eq!((limit.rank, limit.unique), (1, Some(true)));
/// # Ok::<(), groktime::Error>(())
/// ```
pub fn minimum_nuclear_norm(observations: &Observations, options: &Options) -> Result<NuclearLimit> {
    solve(observations, None, options)
}

/// Penalised completion: min (1/n) Σ (W_ij − y_ij)² + (λ/2)‖W‖_* over symmetric W, n counting every entry
/// that was given. This is the end of the flow with weight decay λ: its penalty is λ/2, not λ.
///
/// # Errors
/// As [`minimum_nuclear_norm`], and λ ≤ 0.
///
/// ```
/// use groktime::data::Observations;
/// use groktime::limits::nuclear::penalised;
/// // One diagonal entry: minimise (w − 3)² + |w|/2, so w = 3 − 1/4.
/// let seen = Observations::from_list(1, &[(0, 0, 3.0)])?;
/// let limit = penalised(&seen, 1.0, &Default::default())?;
/// assert!((limit.matrix[(0, 0)] - 2.75).abs() < 1e-6);
/// # Ok::<(), groktime::Error>(())
/// ```
pub fn penalised(observations: &Observations, weight_decay: f64, options: &Options) -> Result<NuclearLimit> {
    check("weight decay", weight_decay, |l| l > 0.0, "a positive number")?;
    solve(observations, Some(weight_decay), options)
}

fn solve(observations: &Observations, weight_decay: Option<f64>, options: &Options) -> Result<NuclearLimit> {
    check("relative gap", options.gap, |g| (1e-9..=0.1).contains(&g), "a number in [1e-9, 0.1]")?;
    let pairs = observations.pairs().len();
    check("observed pairs", pairs as f64, |p| p <= MOST_PAIRS as f64, "at most 12000")?;
    let d = observations.dimension();
    crate::memory::check_array("the matrix, its factors and directions", &[8, d, d])?;
    crate::memory::check_array("the Newton matrix of the pairs", &[2, pairs, pairs])?;
    let scale = observations.pairs().iter().fold(0.0_f64, |m, p| m.max(p.value.abs()));
    if scale == 0.0 {
        return Ok(zero(observations));
    }
    let mut method = InteriorPoint::new(observations, weight_decay, scale, options.threads);
    // Each step shrinks the gap several times; far more than that is no convergence.
    let mut last = f64::INFINITY;
    for iteration in 0..100 {
        let estimate = method.estimated_gap();
        if estimate <= 0.5 * options.gap {
            let found = method.certify(observations, weight_decay, iteration)?;
            if found.relative_gap <= options.gap {
                return Ok(found);
            }
        }
        let stalled = iteration > 15 && estimate > 0.999 * last;
        last = estimate;
        if stalled || method.step().is_err() {
            let found = method.certify(observations, weight_decay, iteration)?;
            if found.relative_gap <= options.gap {
                return Ok(found);
            }
            return Err(Error::Numerical {
                method: "minimum nuclear norm",
                detail: format!(
                    "stopped at the relative gap {:e} after {iteration} steps, asked for {:e}",
                    found.relative_gap, options.gap
                ),
            });
        }
    }
    Err(Error::Numerical { method: "minimum nuclear norm", detail: "no convergence in 100 steps".into() })
}

/// All observed values are zero: so is W.
fn zero(observations: &Observations) -> NuclearLimit {
    let d = observations.dimension();
    NuclearLimit {
        matrix: Array2::zeros((d, d)),
        nuclear_norm: 0.0,
        objective: 0.0,
        dual_objective: 0.0,
        relative_gap: 0.0,
        largest_residual: 0.0,
        multipliers: Array1::zeros(observations.pairs().len()),
        certificate: 0.0,
        rank: 0,
        active: 0,
        unique: Some(true),
        iterations: 0,
    }
}

/// One of the two cones: X ⪰ 0 with its slack Z = I ∓ M ≻ 0.
struct Block {
    /// −1 for Z₁ = I − M, +1 for Z₂ = I + M.
    sign: f64,
    x: Array2<f64>,
    z_inverse: Array2<f64>,
}

struct InteriorPoint {
    engine: Engine,
    dimension: usize,
    /// (row, column) of each pair.
    at: Vec<(usize, usize)>,
    /// Values divided by `scale`.
    y: Array1<f64>,
    scale: f64,
    delta: Array1<f64>,
    mu: Array1<f64>,
    m: Array2<f64>,
    blocks: [Block; 2],
}

/// A direction: of the multipliers and of the two X.
struct Direction {
    mu: Array1<f64>,
    m: Array2<f64>,
    x: [Array2<f64>; 2],
}

impl InteriorPoint {
    fn new(observations: &Observations, weight_decay: Option<f64>, scale: f64, threads: Threads) -> Self {
        let d = observations.dimension();
        let n = observations.count() as f64;
        let pairs = observations.pairs();
        let y: Array1<f64> = pairs.iter().map(|p| p.value / scale).collect();
        let delta = pairs
            .iter()
            .map(|p| weight_decay.map_or(0.0, |l| n * l / (4.0 * p.multiplicity as f64 * scale)))
            .collect();
        // A multiple of the identity about as large as the zero-filled matrix.
        let size = pairs.iter().zip(&y).map(|(p, y)| if p.row == p.column { y * y } else { 2.0 * y * y });
        let start = (size.sum::<f64>() / d as f64).sqrt().max(1.0) * 3.0;
        let block = |sign| Block { sign, x: Array2::eye(d) * start, z_inverse: Array2::eye(d) };
        InteriorPoint {
            engine: Engine { threads, ..Engine::default() },
            dimension: d,
            at: pairs.iter().map(|p| (p.row, p.column)).collect(),
            mu: Array1::zeros(y.len()),
            y,
            scale,
            delta,
            m: Array2::zeros((d, d)),
            blocks: [block(-1.0), block(1.0)],
        }
    }

    /// M(μ).
    fn combine(&self, mu: &Array1<f64>) -> Array2<f64> {
        let mut m = Array2::zeros((self.dimension, self.dimension));
        for (&(i, j), &mu) in self.at.iter().zip(mu) {
            m[(i, j)] += 0.5 * mu;
            m[(j, i)] += 0.5 * mu;
        }
        m
    }

    /// tr XZ over both blocks.
    fn complementarity(&self) -> f64 {
        self.blocks.iter().map(|b| b.x.diag().sum() + b.sign * dot(&b.x, &self.m)).sum()
    }

    /// Complementarity and infeasibility relative to the dual objective.
    fn estimated_gap(&self) -> f64 {
        let infeasible: f64 = self.residual().iter().zip(&self.mu).map(|(r, mu)| (r * mu).abs()).sum();
        let largest = self.residual().iter().fold(0.0_f64, |m, r| m.max(r.abs()));
        let dual = self.dual().abs().max(1e-300);
        ((self.complementarity().abs() + infeasible) / dual).max(largest)
    }

    /// y − Δμ − (X₁ − X₂) on the observed pairs.
    fn residual(&self) -> Array1<f64> {
        let at = |p: usize| self.blocks[0].x[self.at[p]] - self.blocks[1].x[self.at[p]];
        (0..self.y.len()).map(|p| self.y[p] - self.delta[p] * self.mu[p] - at(p)).collect()
    }

    fn dual(&self) -> f64 {
        self.y.dot(&self.mu) - 0.5 * self.delta.iter().zip(&self.mu).map(|(d, m)| d * m * m).sum::<f64>()
    }

    /// One predictor-corrector step (Mehrotra), in the direction of Helmberg, Kojima and Monteiro.
    fn step(&mut self) -> Result<()> {
        let factor = self.engine.cholesky(self.newton_matrix().view())?;
        let size = 2.0 * self.dimension as f64;
        let current = self.complementarity() / size;
        let predictor = self.direction(factor.view(), 0.0, None)?;
        let (primal, dual) = self.lengths(&predictor)?;
        let mut after = 0.0;
        for (block, dx) in self.blocks.iter().zip(&predictor.x) {
            let x = &block.x + &(dx * primal);
            let m = &self.m + &(&predictor.m * dual);
            after += x.diag().sum() + block.sign * dot(&x, &m);
        }
        let ratio = (after / size / current).clamp(0.0, 1.0);
        let centring = ratio.powi(3).max(1e-6) * current;
        let step = self.direction(factor.view(), centring, Some(&predictor))?;
        let (primal, dual) = self.lengths(&step)?;
        // Closer to the boundary when the steps are long.
        let keep = (0.9 + 0.09 * primal.min(dual)).max(if primal.min(dual) > 0.99 { 0.995 } else { 0.0 });
        let (primal, dual) = ((keep * primal).min(1.0), (keep * dual).min(1.0));
        self.mu.scaled_add(dual, &step.mu);
        self.m = self.combine(&self.mu);
        for (block, dx) in self.blocks.iter_mut().zip(&step.x) {
            block.x.scaled_add(primal, dx);
            let z = slack(block.sign, &self.m);
            block.z_inverse = self.engine.inverse_of_cholesky(self.engine.cholesky(z.view())?.view())?;
        }
        Ok(())
    }

    /// Σ over the blocks of ⟨P_p, X P_q Z⁻¹⟩, plus Δ: each entry costs O(1). Only the lower triangle.
    fn newton_matrix(&self) -> Array2<f64> {
        let n = self.at.len();
        let mut h = Array2::zeros((n, n));
        let [one, two] = &self.blocks;
        let rows = |i: usize| [one.x.row(i), one.z_inverse.row(i), two.x.row(i), two.z_inverse.row(i)];
        let fill = |p: usize, out: &mut [f64]| {
            let (i, j) = self.at[p];
            let ([xi, zi, vi, wi], [xj, zj, vj, wj]) = (rows(i), rows(j));
            for (out, &(k, l)) in out.iter_mut().zip(&self.at[..=p]) {
                *out = 0.25
                    * (xj[k] * zi[l]
                        + xj[l] * zi[k]
                        + xi[k] * zj[l]
                        + xi[l] * zj[k]
                        + vj[k] * wi[l]
                        + vj[l] * wi[k]
                        + vi[k] * wj[l]
                        + vi[l] * wj[k]);
            }
            out[p] += self.delta[p];
        };
        use rayon::prelude::*;
        match (self.engine.threads, h.as_slice_mut()) {
            (Threads::All, Some(all)) => {
                all.par_chunks_mut(n).enumerate().for_each(|(p, row)| fill(p, row));
            }
            (_, Some(all)) => all.chunks_mut(n).enumerate().for_each(|(p, row)| fill(p, row)),
            (_, None) => unreachable!("a new array is contiguous"),
        }
        h
    }

    /// The Newton direction towards tr XZ/(2d) = `centring`; with a predictor, corrected by its second-order
    /// term.
    fn direction(
        &self,
        factor: ArrayView2<'_, f64>,
        centring: f64,
        predictor: Option<&Direction>,
    ) -> Result<Direction> {
        let mut targets = Vec::with_capacity(2);
        for (block, index) in self.blocks.iter().zip(0..) {
            // centring·Z⁻¹ − sym(dX dZ Z⁻¹) with dZ = sign·dM.
            let mut target = &block.z_inverse * centring;
            if let Some(p) = predictor {
                let second = self.sandwich(&p.x[index], &p.m, &block.z_inverse)?;
                target.scaled_add(-block.sign, &second);
            }
            targets.push(target);
        }
        let mut mu: Array1<f64> = (0..self.y.len())
            .map(|p| {
                let at = self.at[p];
                self.y[p] - self.delta[p] * self.mu[p] - (targets[0][at] - targets[1][at])
            })
            .collect();
        if let Some(b) = mu.as_slice_mut() {
            cholesky_solve(factor, b);
        }
        let m = self.combine(&mu);
        let mut x = Vec::with_capacity(2);
        for (block, target) in self.blocks.iter().zip(targets) {
            let mut dx = target - &block.x;
            dx.scaled_add(-block.sign, &self.sandwich(&block.x, &m, &block.z_inverse)?);
            x.push(dx);
        }
        let [one, two] = <[_; 2]>::try_from(x).unwrap_or_else(|_| unreachable!("two blocks"));
        Ok(Direction { mu, m, x: [one, two] })
    }

    /// sym(A B C).
    fn sandwich(&self, a: &Array2<f64>, b: &Array2<f64>, c: &Array2<f64>) -> Result<Array2<f64>> {
        let product = self.engine.matmul(self.engine.matmul(a.view(), b.view())?.view(), c.view())?;
        Ok(symmetric_part(&product))
    }

    /// The longest primal and dual steps, up to 1, that stay inside the cones.
    fn lengths(&self, direction: &Direction) -> Result<(f64, f64)> {
        let mut lengths = [1.0_f64; 2];
        for (block, dx) in self.blocks.iter().zip(&direction.x) {
            lengths[0] = self.longest(&block.x, dx, lengths[0]);
            let z = slack(block.sign, &self.m);
            lengths[1] = self.longest(&z, &(&direction.m * block.sign), lengths[1]);
        }
        match lengths[0].min(lengths[1]) > 1e-10 {
            true => Ok((lengths[0], lengths[1])),
            false => Err(Error::Numerical { method: "interior point", detail: "no step is left".into() }),
        }
    }

    /// The largest t ≤ `most` with X + t·dX ≻ 0, to 2% from below, by trial factorisations.
    fn longest(&self, x: &Array2<f64>, dx: &Array2<f64>, most: f64) -> f64 {
        let inside = |t: f64| self.engine.cholesky((x + &(dx * t)).view()).is_ok();
        if inside(most) {
            return most;
        }
        let (mut lo, mut hi) = (0.0, most);
        let mut trial = 0.5 * most;
        while hi - lo > 0.02 * hi && hi > 1e-12 {
            match inside(trial) {
                true => lo = trial,
                false => hi = trial,
            }
            trial = if lo == 0.0 { 0.2 * hi } else { 0.5 * (lo + hi) };
        }
        lo
    }

    /// The answer in the user's units with everything that certifies it.
    fn certify(
        &self,
        observations: &Observations,
        weight_decay: Option<f64>,
        iterations: usize,
    ) -> Result<NuclearLimit> {
        let mut w = symmetric_part(&(&self.blocks[0].x - &self.blocks[1].x)) * self.scale;
        let pairs = observations.pairs();
        let n = observations.count() as f64;
        if weight_decay.is_none() {
            for p in pairs {
                w[(p.row, p.column)] = p.value;
                w[(p.column, p.row)] = p.value;
            }
        }
        let of_m = self.engine.eigh(self.m.view())?;
        let norm_of_m = of_m.values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        let multipliers = &self.mu / norm_of_m.max(1.0);
        let of_w = self.engine.eigh(w.view())?;
        let nuclear_norm: f64 = of_w.values.iter().map(|v| v.abs()).sum();
        let residual = |p: &crate::data::observations::Pair| w[(p.row, p.column)] - p.value;
        let linear: f64 = pairs.iter().zip(&multipliers).map(|(p, mu)| p.value * mu).sum();
        let (objective, dual_objective) = match weight_decay {
            None => (nuclear_norm, linear),
            Some(l) => {
                let loss: f64 = pairs.iter().map(|p| p.multiplicity as f64 * residual(p).powi(2)).sum();
                let quadratic: f64 = pairs
                    .iter()
                    .zip(&multipliers)
                    .map(|(p, mu)| n * l / (4.0 * p.multiplicity as f64) * mu * mu)
                    .sum();
                (loss / n + 0.5 * l * nuclear_norm, 0.5 * l * (linear - 0.5 * quadratic))
            }
        };
        let largest = of_w.values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        let active: Vec<usize> =
            (0..self.dimension).filter(|&k| of_m.values[k].abs() > 1.0 - RANK_TOLERANCE).collect();
        Ok(NuclearLimit {
            nuclear_norm,
            objective,
            dual_objective,
            relative_gap: (objective - dual_objective).max(0.0) / objective.max(f64::MIN_POSITIVE),
            largest_residual: pairs.iter().map(|p| residual(p).abs()).fold(0.0, f64::max),
            multipliers,
            certificate: norm_of_m.min(1.0),
            rank: of_w.values.iter().filter(|v| v.abs() > RANK_TOLERANCE * largest).count(),
            unique: self
                .unique(&of_m.vectors.select(Axis(1), &active), &of_m.values.select(Axis(0), &active))?,
            active: active.len(),
            iterations,
            matrix: w,
        })
    }

    /// Optimal matrices differ by F Y Fᵀ with F the active eigenvectors of M and Y block-diagonal in the
    /// signs: unique when no such matrix vanishes on all observed pairs.
    fn unique(&self, vectors: &Array2<f64>, values: &Array1<f64>) -> Result<Option<bool>> {
        let k = values.len();
        let directions: Vec<(usize, usize)> = (0..k)
            .flat_map(|a| (0..=a).map(move |b| (a, b)))
            .filter(|&(a, b)| values[a].signum() == values[b].signum())
            .collect();
        if directions.len() > self.at.len() {
            return Ok(Some(false));
        }
        if directions.len() > 400 {
            return Ok(None);
        }
        if directions.is_empty() {
            return Ok(Some(true));
        }
        let seen = Array2::from_shape_fn((self.at.len(), directions.len()), |(p, q)| {
            let ((i, j), (a, b)) = (self.at[p], directions[q]);
            vectors[(i, a)] * vectors[(j, b)] + vectors[(i, b)] * vectors[(j, a)]
        });
        let values = self.engine.thin_svd(seen.view())?.values;
        let (rows, columns) = seen.dim();
        // The eigenvectors are known to about the square root of the gap.
        let clear = values.iter().all(|v| *v > 1e-6 * values[0]);
        Ok(Some(clear && numerical_rank(&values.to_vec(), rows, columns) == columns))
    }
}

/// I + sign·M.
fn slack(sign: f64, m: &Array2<f64>) -> Array2<f64> {
    let mut z = m * sign;
    z.diag_mut().mapv_inplace(|v| v + 1.0);
    z
}

fn symmetric_part(a: &Array2<f64>) -> Array2<f64> {
    (a + &a.t()) * 0.5
}

fn dot(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
