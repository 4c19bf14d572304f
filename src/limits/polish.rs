//! From an interior point to the exact optimum: which variables are zero there, and the linear equations
//! that are left. Then the report, which trusts nobody: feasible points and the gap between them.

use ndarray::{Array2, ArrayView1, ShapeBuilder};

use super::Report;
use super::interior_point::{Ended, Fit, Point, Program};
use super::newton::largest;
use crate::error::{Error, Result};
use crate::linalg::{Engine, dot};

/// Singular values below this part of the largest are zero.
const RANK: f64 = 1e-10;
/// Singular values below this part of the largest are zero up to rounding, and those above the next are not.
const ZERO: f64 = 1e-13;
const CLEAR: f64 = 1e-8;
/// What is nearer to equality than this part may be equal.
const STRICT: f64 = 1e-9;
/// Rounding allowed in signs and bounds of a polished point.
const ROUNDING: f64 = 1e-11;
/// A larger relative gap is a failure.
const LARGEST_GAP: f64 = 1e-6;
/// Supports of more than this many times n coordinates are left as the interior point gives them.
const LARGEST_SUPPORT: usize = 16;

/// A primal and a dual point.
pub(super) struct Polished {
    pub weights: Vec<f64>,
    pub multipliers: Vec<f64>,
    pub iterations: usize,
    /// Coordinates that are not zero in some optimum.
    pub support: Vec<usize>,
    /// Outputs whose multiplier is not zero in some optimum.
    pub active: Vec<usize>,
    /// Whether the optimum and its multipliers are the only ones; None where that was not decided.
    pub unique: [Option<bool>; 2],
    /// Whether doubles left no doubt about which variables are zero.
    pub clear: bool,
}

impl Polished {
    /// A pair that needs no polish: w = 0 is the minimum.
    pub fn zero(dimension: usize, multipliers: Vec<f64>) -> Self {
        Polished {
            weights: vec![0.0; dimension],
            active: (0..multipliers.len()).collect(),
            multipliers,
            iterations: 0,
            support: Vec::new(),
            unique: [Some(true), Some(true)],
            clear: true,
        }
    }

    /// The interior point as it is.
    fn unpolished(program: &Program<'_>, ended: &Ended) -> Self {
        let point = &ended.point;
        Polished {
            weights: point.weights(),
            multipliers: point.nu.clone(),
            iterations: ended.iterations,
            support: support(program, point),
            active: active(program, point),
            unique: [None, None],
            clear: false,
        }
    }
}

/// For f = b and f ≥ b: the nearest point at which all that tends to zero is zero and all that tends to
/// equality is equal. The optimal faces have the dimensions |S| − rank and |A| − rank of B_{A,S}.
pub(super) fn linear(program: &Program<'_>, ended: &Ended) -> Result<Polished> {
    let mut result = Polished::unpolished(program, ended);
    let (b, one_sided) = match program.fit {
        Fit::Equal(b) => (b, false),
        Fit::AtLeast(b) => (b, true),
        Fit::Loss(..) => return Ok(result),
    };
    let (support, active) = (&result.support, &result.active);
    if support.is_empty() || active.is_empty() || support.len() > LARGEST_SUPPORT * b.len() {
        return Ok(result);
    }
    let face = submatrix(program, active, support)?;
    let svd = Engine::SEQUENTIAL.thin_svd(face.view())?;
    let rank = svd.values.iter().filter(|s| **s > RANK * svd.values[0]).count();
    let signs: Vec<f64> = support.iter().map(|&k| result.weights[k].signum()).collect();

    let mut weights = vec![0.0; result.weights.len()];
    let mut multipliers = vec![0.0; result.multipliers.len()];
    for &k in support {
        weights[k] = result.weights[k];
    }
    for &i in active {
        multipliers[i] = result.multipliers[i];
    }
    // Twice: the second time repairs the rounding of the first.
    for _ in 0..2 {
        let on_face: Vec<f64> = support.iter().map(|&k| weights[k]).collect();
        let lacking: Vec<f64> =
            face.rows().into_iter().zip(active).map(|(row, &i)| b[i] - dot_view(row, &on_face)).collect();
        let nu: Vec<f64> = active.iter().map(|&i| multipliers[i]).collect();
        let cost =
            |j: usize| if signs[j] > 0.0 { program.plus[support[j]] } else { -program.minus[support[j]] };
        let short: Vec<f64> =
            face.columns().into_iter().enumerate().map(|(j, c)| cost(j) - dot_view(c, &nu)).collect();
        for r in 0..rank {
            let (left, right) = (svd.left.column(r), svd.right.column(r));
            let primal = dot_view(left, &lacking) / svd.values[r];
            let dual = dot_view(right, &short) / svd.values[r];
            support.iter().zip(&right).for_each(|(&k, v)| weights[k] += primal * v);
            active.iter().zip(&left).for_each(|(&i, v)| multipliers[i] += dual * v);
        }
    }
    let outputs = program.rows.apply(&weights);
    let signs_kept = support.iter().zip(&signs).all(|(&k, sign)| sign * weights[k] > 0.0);
    // Every row by itself: rows of very different size are asked for very different things.
    let fits = outputs.iter().zip(b).all(|(f, b)| {
        let violation = if one_sided { b - f } else { (b - f).abs() };
        violation <= ROUNDING * if one_sided { b.abs() } else { largest(&outputs) }
    });
    let image = program.rows.transpose(&multipliers);
    let dual_fits = program.dual_norm(&image) <= 1.0 + ROUNDING
        && (!one_sided || active.iter().all(|&i| multipliers[i] > 0.0));
    if signs_kept && fits && dual_fits {
        // What is at its bound although it is zero, or met although its multiplier is.
        let tight = with_more(support, (0..weights.len()).filter(|&k| at_bound(program, &image, k)));
        let is_met = |i: &usize| !one_sided || outputs[*i] - b[*i] <= STRICT * b[*i];
        let met = with_more(active, (0..outputs.len()).filter(is_met));
        let doubt = svd.values.iter().any(|s| (ZERO * svd.values[0]..CLEAR * svd.values[0]).contains(s));
        result.clear = !doubt;
        result.unique = match (doubt, tight.len() == support.len() && met.len() == active.len()) {
            (true, _) => [None, None],
            (false, true) => [Some(rank == support.len()), Some(rank == active.len())],
            (false, false) => uniqueness(program, [support, &tight], [active, &met])?,
        };
        result.weights = weights;
        result.multipliers = multipliers;
    }
    Ok(result)
}

fn with_more(some: &[usize], more: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut all: Vec<usize> = some.iter().copied().chain(more).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Whether a multiplier's image is at the bound of coordinate k, or so near that rounding may have taken it away.
fn at_bound(program: &Program<'_>, image: &[f64], k: usize) -> bool {
    (image[k] / program.plus[k]).max(-image[k] / program.minus[k]) >= 1.0 - STRICT
}

/// Whether the weights and the multipliers are the only ones, from those that are not zero and the larger sets of those
/// whose conditions are met with equality: `[support, tight]` coordinates and `[active, met]` rows.
///
/// Another optimal w is zero off `tight` (it is complementary to the same ν) and meets the rows `active` with equality: there
/// is none if those columns are independent on those rows. And there are others if the columns of the support depend on
/// each other on all rows that are met. The same for ν with rows and columns exchanged. A rank that singular values do not
/// show clearly decides nothing.
pub(super) fn uniqueness(
    program: &Program<'_>,
    [support, tight]: [&[usize]; 2],
    [active, met]: [&[usize]; 2],
) -> Result<[Option<bool>; 2]> {
    let most = LARGEST_SUPPORT * program.rows.count();
    if tight.len() > most || met.len() > most {
        return Ok([None, None]);
    }
    let (large, small) = (clear_rank(program, active, tight)?, clear_rank(program, met, support)?);
    let decide = |sure: bool, never: bool| if sure { Some(true) } else { never.then_some(false) };
    Ok([
        decide(large == Some(tight.len()), small.is_some_and(|r| r < support.len())),
        decide(small == Some(met.len()), large.is_some_and(|r| r < active.len())),
    ])
}

/// The rank of a part of B with its rows and columns brought to size one, where no singular value is in doubt.
fn clear_rank(program: &Program<'_>, rows: &[usize], columns: &[usize]) -> Result<Option<usize>> {
    if rows.is_empty() || columns.is_empty() {
        return Ok(Some(0));
    }
    let mut part = submatrix(program, rows, columns)?;
    for _ in 0..2 {
        for mut row in part.rows_mut() {
            let size = row.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
            row /= if size > 0.0 { size } else { 1.0 };
        }
        for mut column in part.columns_mut() {
            let size = column.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
            column /= if size > 0.0 { size } else { 1.0 };
        }
    }
    let values = Engine::SEQUENTIAL.thin_svd(part.view())?.values;
    let doubt = values.iter().any(|s| (ZERO * values[0]..CLEAR * values[0]).contains(s));
    Ok((!doubt).then(|| values.iter().filter(|s| **s >= CLEAR * values[0] && **s > 0.0).count()))
}

/// For a loss: Newton's method on the support, where the signs are fixed and the equations smooth.
pub(super) fn smooth(program: &Program<'_>, ended: &Ended) -> Result<Polished> {
    let mut result = Polished::unpolished(program, ended);
    let Fit::Loss(loss, y) = program.fit else { return Ok(result) };
    let (n, support) = (y.len(), result.support.clone());
    if support.is_empty() || support.len() > LARGEST_SUPPORT * n {
        return Ok(result);
    }
    let columns = submatrix(program, &(0..n).collect::<Vec<_>>(), &support)?;
    let cost: Vec<f64> = support
        .iter()
        .map(|&k| if result.weights[k] > 0.0 { program.plus[k] } else { -program.minus[k] })
        .collect();
    let mut w: Vec<f64> = support.iter().map(|&k| result.weights[k]).collect();
    let state = |w: &[f64]| {
        let f: Vec<f64> = columns.rows().into_iter().map(|row| dot_view(row, w)).collect();
        let nu: Vec<f64> = f.iter().zip(y).map(|(&f, &y)| loss.multiplier(f, y, n)).collect();
        let gradient: Vec<f64> =
            columns.columns().into_iter().zip(&cost).map(|(c, cost)| dot_view(c, &nu) - cost).collect();
        (f, nu, gradient)
    };
    let (mut f, mut nu, mut gradient) = state(&w);
    let mut rank = 0;
    for _ in 0..20 {
        // An interior point that rounding left far out may overflow here.
        if !gradient.iter().all(|g| g.is_finite()) {
            return Ok(result);
        }
        let root: Vec<f64> =
            f.iter().zip(y).map(|(&f, &y)| (loss.curvature(f, y) / n as f64).sqrt()).collect();
        let scaled = Array2::from_shape_fn(columns.dim(), |(i, j)| root[i] * columns[(i, j)]);
        let svd = Engine::SEQUENTIAL.thin_svd(scaled.view())?;
        rank = svd.values.iter().filter(|s| **s > RANK * svd.values[0]).count();
        let mut next = w.clone();
        for r in 0..rank {
            let right = svd.right.column(r);
            let along = dot_view(right, &gradient) / svd.values[r].powi(2);
            next.iter_mut().zip(&right).for_each(|(w, v)| *w += along * v);
        }
        let trial = state(&next);
        if largest(&trial.2) >= 0.9 * largest(&gradient) {
            break;
        }
        w = next;
        (f, nu, gradient) = trial;
    }
    let signs_kept = w.iter().zip(&cost).all(|(w, cost)| w * cost > 0.0);
    let image = program.rows.transpose(&nu);
    if signs_kept && program.dual_norm(&image) <= 1.0 + 1e-9 {
        result.weights.fill(0.0);
        support.iter().zip(&w).for_each(|(&k, &w)| result.weights[k] = w);
        result.multipliers = nu;
        // A coordinate off the support at its bound could enter another optimum.
        let strict = off_support(program, &image, &support) < 1.0 - STRICT;
        result.unique = match (rank == support.len(), strict) {
            (true, true) => [Some(true), Some(true)],
            (true, false) => [None, Some(true)],
            (false, _) => [Some(false), Some(true)],
        };
        result.clear = true;
    }
    Ok(result)
}

/// max of (Xᵀν)_k/c_k off the support.
pub(super) fn off_support(program: &Program<'_>, image: &[f64], support: &[usize]) -> f64 {
    let mut image = image.to_vec();
    support.iter().for_each(|&k| image[k] = 0.0);
    program.dual_norm(&image)
}

/// Coordinates whose weight, relative to the objective, is larger than the slack of its bound.
fn support(program: &Program<'_>, point: &Point) -> Vec<usize> {
    let norm = program.weighted_norm(&point.weights()).max(f64::MIN_POSITIVE);
    let is_in = |x: f64, slack: f64, cost: f64| x * cost / norm > slack / cost;
    (0..point.p.len())
        .filter(|&k| {
            let (plus, minus) = (program.plus[k], program.minus[k]);
            is_in(point.p[k], point.slack_p[k], plus) || is_in(point.q[k], point.slack_q[k], minus)
        })
        .collect()
}

/// Outputs whose multiplier, relative to all, is larger than their excess.
fn active(program: &Program<'_>, point: &Point) -> Vec<usize> {
    let n = point.nu.len();
    let Fit::AtLeast(b) = program.fit else { return (0..n).collect() };
    let total = dot(&point.nu, b);
    (0..n).filter(|&i| point.nu[i] * b[i] / total > point.s[i] / b[i]).collect()
}

fn submatrix(program: &Program<'_>, active: &[usize], support: &[usize]) -> Result<Array2<f64>> {
    let mut entries = Vec::with_capacity(active.len() * support.len());
    for &k in support {
        let column = program.rows.column(k);
        entries.extend(active.iter().map(|&i| column[i]));
    }
    Array2::from_shape_vec((active.len(), support.len()).f(), entries)
        .map_err(|e| Error::Numerical { method: "interior point", detail: e.to_string() })
}

fn dot_view(a: ArrayView1<'_, f64>, b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Makes both points feasible (ν by a factor, and w where f ≥ b) and measures them.
pub(super) fn report(program: &Program<'_>, result: &mut Polished) -> Result<Report> {
    let excess = program.dual_norm(&program.rows.transpose(&result.multipliers));
    if excess > 1.0 {
        result.multipliers.iter_mut().for_each(|nu| *nu /= excess);
    }
    let mut outputs = program.rows.apply(&result.weights);
    let infeasibility = match program.fit {
        Fit::Equal(b) => {
            let worst = outputs.iter().zip(b).fold(0.0_f64, |m, (f, b)| m.max((f - b).abs()));
            worst / largest(b)
        }
        Fit::AtLeast(b) => {
            let least = outputs.iter().zip(b).fold(f64::INFINITY, |m, (f, b)| m.min(f / b));
            if least > 0.0 {
                result.weights.iter_mut().for_each(|w| *w /= least);
                outputs.iter_mut().for_each(|f| *f /= least);
            }
            if least > 0.0 { 0.0 } else { 1.0 - least }
        }
        Fit::Loss(..) => 0.0,
    };
    let objective = program.objective(&result.weights, &outputs);
    let dual_objective = program.dual_objective(&result.multipliers);
    let gap = (objective - dual_objective) / objective.abs().max(dual_objective.abs()).max(f64::MIN_POSITIVE);
    if !(gap.abs() <= LARGEST_GAP && infeasibility <= LARGEST_GAP) {
        let detail = format!(
            "relative gap {gap:.1e} and infeasibility {infeasibility:.1e} after {} steps, expected at most \
             {LARGEST_GAP:.0e} (data very near to a lower rank leave the normal equations no digits)",
            result.iterations
        );
        return Err(Error::Numerical { method: "interior point", detail });
    }
    Ok(Report {
        objective,
        dual_objective,
        gap,
        infeasibility,
        iterations: result.iterations,
        unique: result.unique[0],
        dual_unique: result.unique[1],
    })
}
