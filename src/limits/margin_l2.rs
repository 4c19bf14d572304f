//! The largest L2 margin: the support vector machine with a hard margin.

use ndarray::{Array1, Array2};

use super::active_set::{self, End, Shortest};
use super::interior_point::{Fit, Program};
use super::linear::{self, Outcome};
use super::newton::{Rows, largest, norm};
use super::{Farkas, Limit, Report, check_labels};
use crate::data::Design;
use crate::error::{Error, Result};
use crate::linalg::{Engine, Threads, cholesky_solve_columns, dot};

/// The w of least ‖w‖₂ with y_i⟨w, x_i⟩ ≥ 1.
#[derive(Clone, Debug)]
pub struct MaxMarginL2 {
    /// w = Zᵀν (length d), Z = diag(y)X; least margin 1.
    pub weights: Array1<f64>,
    /// ν ≥ 0 (length n).
    pub multipliers: Array1<f64>,
    /// 1/‖w‖₂: the largest min_i y_i⟨w, x_i⟩ over ‖w‖₂ = 1.
    pub margin: f64,
    /// Samples with ν_i > 0, ascending.
    pub support_vectors: Vec<usize>,
    /// Of ½‖w‖²; the dual is 1ᵀν − ½‖Zᵀν‖².
    pub report: Report,
}

const MAX_ITERATIONS: usize = 100;
/// Part of the largest sample below which a margin is called zero: what the Gram matrix resolves.
const ZERO_MARGIN: f64 = 1e-7;
/// Relative gap at which the iteration ends.
const TOLERANCE: f64 = 1e-11;
const LARGEST_GAP: f64 = 1e-6;
/// Squared lengths of samples below this part of the largest are not told from rounding as well as the others.
const EVEN: f64 = 1e-6;
/// Squared lengths between this and its reciprocal neither underflow nor overflow.
const SMALLEST: f64 = 1e-200;

/// The largest L2 margin of the samples x_i with labels ±1: the kernel limit of a diagonal net under a
/// margin loss. An interior point on the Gram matrix, then an exact solve on the support vectors; where that leaves
/// anything in doubt and the data are small, an active-set method in double-double arithmetic.
///
/// ```
/// use groktime::data::Design;
/// use groktime::limits::max_margin_l2;
/// let x = Design::new(ndarray::array![[1.0, 1.0], [-1.0, 1.0]].view())?;
/// let best = max_margin_l2(&x, &[1.0, 1.0], Default::default())?.found().unwrap();
/// assert!((best.margin - 1.0).abs() < 1e-14); // w = (0, 1)
/// # Ok::<(), groktime::Error>(())
/// ```
///
/// # Errors
/// As many labels as samples, labels other than ±1; the interior point does not converge.
pub fn max_margin_l2(x: &Design, y: &[f64], threads: Threads) -> Result<Limit<MaxMarginL2>> {
    check_labels(x, y, true)?;
    let rows = Rows { labels: Some(y), ..Rows::of(x, threads) };
    let first = by_gram(&rows);
    if let Ok(Some((found, true))) = first {
        return Ok(Limit::Found(found));
    }
    match active_set::solve(&rows, &vec![1.0; y.len()], true) {
        Some(End::Shortest(shortest)) => return Ok(Limit::Found(of_active_set(&rows, shortest))),
        Some(End::Infeasible(rays)) => {
            if let Some(farkas) = rays.iter().find_map(|ray| certificate(&rows, ray)) {
                return Ok(Limit::Infeasible(farkas));
            }
        }
        None => {}
    }
    match first? {
        Some((found, _)) => Ok(Limit::Found(found)),
        None => not_separable(&rows).map(Limit::Infeasible),
    }
}

/// By the interior point on the Gram matrix: the answer and whether doubles left no doubt; none where the margin is not
/// above what a Gram matrix in doubles resolves.
fn by_gram(rows: &Rows<'_>) -> Result<Option<(MaxMarginL2, bool)>> {
    let gram = rows.congruent(rows.design.gram(rows.threads))?;
    let size = gram.diag().iter().fold(0.0_f64, |m, g| m.max(*g));
    let even = gram.diag().iter().all(|g| *g >= EVEN * size);
    if !(SMALLEST..1.0 / SMALLEST).contains(&size) {
        return Ok(None);
    }
    let (mut nu, s, iterations) = interior_point(&gram, size)?;

    let total: f64 = nu.iter().sum();
    let squared_margin = quadratic(&gram, &nu) / (total * total);
    if squared_margin <= (ZERO_MARGIN * ZERO_MARGIN) * size {
        return Ok(None);
    }
    let active: Vec<usize> = (0..nu.len()).filter(|&i| nu[i] / total > s[i]).collect();
    let polished = polish(&gram, &nu, &active)?;
    let clear = even && polished.as_ref().is_some_and(|p| p.clear);
    let dual_unique = polished.as_ref().and_then(|p| p.regular);
    if let Some(exact) = polished {
        nu = exact.multipliers;
    }
    let mut weights = rows.transpose(&nu);
    let dual_objective = nu.iter().sum::<f64>() - dot(&weights, &weights) / 2.0;
    let least = rows.apply(&weights).into_iter().fold(f64::INFINITY, f64::min);
    weights.iter_mut().for_each(|w| *w /= least);
    let objective = dot(&weights, &weights) / 2.0;
    let gap = (objective - dual_objective) / objective;
    if !(least > 0.0 && gap.abs() <= LARGEST_GAP) {
        let detail =
            format!("relative gap {gap:.1e} after {iterations} steps, expected at most {LARGEST_GAP:.0e}");
        return Err(Error::Numerical { method: "interior point", detail });
    }
    let found = MaxMarginL2 {
        margin: 1.0 / norm(&weights),
        weights: weights.into(),
        multipliers: nu.into(),
        support_vectors: active,
        report: Report {
            objective,
            dual_objective,
            gap,
            infeasibility: 0.0,
            iterations,
            unique: Some(true),
            dual_unique,
        },
    };
    Ok(Some((found, clear)))
}

fn of_active_set(rows: &Rows<'_>, shortest: Shortest) -> MaxMarginL2 {
    let Shortest { weights, multipliers, active, steps, norm, objective, gap, dual_unique } = shortest;
    let least = rows.apply(&weights).into_iter().fold(f64::INFINITY, f64::min);
    MaxMarginL2 {
        margin: 1.0 / norm,
        weights: weights.into(),
        multipliers: multipliers.into(),
        support_vectors: active,
        report: Report {
            objective,
            dual_objective: objective * (1.0 - gap),
            gap,
            infeasibility: (1.0 - least).max(0.0),
            iterations: steps,
            unique: Some(true),
            dual_unique,
        },
    }
}

/// Multipliers as a proof that no w fits, checked by [`linear::certificate`].
fn certificate(rows: &Rows<'_>, nu: &[f64]) -> Option<Farkas> {
    let (ones, goal) = (vec![1.0; rows.dimension()], vec![1.0; rows.count()]);
    let rows = Rows { ..*rows };
    let program = Program { rows, plus: &ones, minus: &ones, fit: Fit::AtLeast(&goal) };
    let farkas = linear::certificate(&program, nu)?;
    let bound = norm(&program.rows.transpose(&farkas.multipliers.to_vec()));
    Some(Farkas { bound, ..farkas })
}

/// Whether any norm separates does not depend on the norm.
fn not_separable(rows: &Rows<'_>) -> Result<Farkas> {
    let (ones, goal) = (vec![1.0; rows.dimension()], vec![1.0; rows.count()]);
    let program = Program { rows: Rows { ..*rows }, plus: &ones, minus: &ones, fit: Fit::AtLeast(&goal) };
    match linear::solve(&program)? {
        Outcome::Infeasible(farkas) => {
            let bound = norm(&rows.transpose(&farkas.multipliers.to_vec()));
            Ok(Farkas { bound, ..farkas })
        }
        Outcome::Optimal(point, _) => Err(Error::Numerical {
            method: "interior point",
            detail: format!(
                "the data are separable, but the margin of about {:.1e} is below what a Gram matrix in doubles resolves",
                1.0 / norm(&point.weights)
            ),
        }),
    }
}

fn quadratic(gram: &Array2<f64>, nu: &[f64]) -> f64 {
    dot(nu, &product(gram, nu))
}

fn product(gram: &Array2<f64>, nu: &[f64]) -> Vec<f64> {
    gram.dot(&ndarray::aview1(nu)).to_vec()
}

/// Near the end of a problem with fewer dimensions than support vectors K + diag(s/ν) is singular to rounding:
/// what rounding has taken is then given back to the diagonal.
fn factor(mut matrix: Array2<f64>, size: f64) -> Result<Array2<f64>> {
    Engine::SEQUENTIAL.cholesky(matrix.view()).or_else(|_| {
        let room = 1e-14 * matrix.nrows() as f64 * size;
        matrix.diag_mut().iter_mut().for_each(|x| *x += room);
        Engine::SEQUENTIAL.cholesky(matrix.view())
    })
}

/// Kν − s = 1, ν, s ≥ 0, ν_i s_i → 0 (Mehrotra's predictor and corrector). Returns ν, s and the number of
/// steps; where no such ν exists, ν grows until its margin counts as zero.
fn interior_point(gram: &Array2<f64>, size: f64) -> Result<(Vec<f64>, Vec<f64>, usize)> {
    let n = gram.nrows();
    let row_sums = product(gram, &vec![1.0; n]);
    let scale = n as f64 / row_sums.iter().sum::<f64>().max(1e-3 * n as f64 * size).max(f64::MIN_POSITIVE);
    let mut nu = vec![scale; n];
    let mut s: Vec<f64> = row_sums.iter().map(|sum| (scale * sum - 1.0).max(0.5)).collect();
    for iteration in 0..MAX_ITERATIONS {
        let image = product(gram, &nu);
        let residual: Vec<f64> = s.iter().zip(&image).map(|(s, k)| 1.0 + s - k).collect();
        let total: f64 = nu.iter().sum();
        let norm_squared = dot(&nu, &image);
        let mu = dot(&nu, &s) / n as f64;
        let no_margin = norm_squared <= (ZERO_MARGIN * ZERO_MARGIN) * size * total * total;
        let optimal = largest(&residual) <= TOLERANCE && n as f64 * mu <= TOLERANCE * norm_squared;
        if no_margin || optimal {
            return Ok((nu, s, iteration));
        }
        let mut matrix = gram.clone();
        for i in 0..n {
            matrix[(i, i)] += s[i] / nu[i];
        }
        let factor: Vec<f64> = factor(matrix, size)?.t().iter().copied().collect();
        let direction = |targets: &[f64]| {
            let mut step: Vec<f64> = (0..n).map(|i| residual[i] + targets[i] / nu[i] - s[i]).collect();
            cholesky_solve_columns(&factor, &mut step);
            let change: Vec<f64> =
                (0..n).map(|i| targets[i] / nu[i] - s[i] - s[i] / nu[i] * step[i]).collect();
            (step, change)
        };
        let length = |step: &[f64], change: &[f64]| {
            let down = |x: &[f64], dx: &[f64]| {
                let pairs = x.iter().zip(dx).filter(|(_, dx)| **dx < 0.0);
                pairs.fold(f64::INFINITY, |m, (x, dx)| m.min(-x / dx))
            };
            down(&nu, step).min(down(&s, change))
        };
        let (step, change) = direction(&vec![0.0; n]);
        let t = length(&step, &change).min(1.0);
        let after: f64 = (0..n).map(|i| (nu[i] + t * step[i]) * (s[i] + t * change[i])).sum();
        let centring = (after / (n as f64 * mu)).clamp(0.0, 1.0).powi(3);
        let targets: Vec<f64> = (0..n).map(|i| centring * mu - step[i] * change[i]).collect();
        let (step, change) = direction(&targets);
        let t = (0.995 * length(&step, &change)).min(1.0);
        nu.iter_mut().zip(&step).for_each(|(x, dx)| *x += t * dx);
        s.iter_mut().zip(&change).for_each(|(x, dx)| *x += t * dx);
    }
    Ok((nu, s, MAX_ITERATIONS))
}

/// The exact multipliers of a set of support vectors.
struct Exact {
    multipliers: Vec<f64>,
    /// Whether they are the only ones; none where that is in doubt.
    regular: Option<bool>,
    /// Whether doubles left no doubt about the rank.
    clear: bool,
}

/// The ν near the given one that is zero off the active samples, whose margins are exactly 1. None where that violates a
/// constraint: the active samples were not yet clear.
fn polish(gram: &Array2<f64>, nu: &[f64], active: &[usize]) -> Result<Option<Exact>> {
    let m = active.len();
    if m == 0 {
        return Ok(None);
    }
    let block = Array2::from_shape_fn((m, m), |(a, b)| gram[(active[a], active[b])]);
    let eigen = Engine::SEQUENTIAL.eigh(block.view())?;
    let top = eigen.values[m - 1];
    let mut exact: Vec<f64> = active.iter().map(|&i| nu[i]).collect();
    let mut rank = 0;
    for _ in 0..2 {
        let image = product(&block, &exact);
        let lacking: Array1<f64> = image.iter().map(|k| 1.0 - k).collect();
        rank = 0;
        for (value, vector) in eigen.values.iter().zip(eigen.vectors.columns()) {
            if *value > 1e-13 * top {
                rank += 1;
                let part = vector.dot(&lacking) / value;
                exact.iter_mut().zip(&vector).for_each(|(x, v)| *x += part * v);
            }
        }
    }
    let mut all = vec![0.0; nu.len()];
    active.iter().zip(&exact).for_each(|(&i, &x)| all[i] = x);
    let image = product(gram, &all);
    let fits = image.iter().all(|k| *k >= 1.0 - 1e-10);
    // A squared singular value that is neither zero nor clear: a Gram matrix has half of the digits.
    let clear = !eigen.values.iter().any(|v| (1e-13 * top..1e-8 * top).contains(v));
    // A sample with margin 1 that is not active could take a share.
    let met = image.iter().filter(|k| **k <= 1.0 + 1e-9).count();
    let regular = match (clear, met == m) {
        (true, true) => Some(rank == m),
        (true, false) if rank < m => Some(false),
        _ => None,
    };
    Ok((fits && exact.iter().all(|x| *x > 0.0)).then_some(Exact { multipliers: all, regular, clear }))
}
