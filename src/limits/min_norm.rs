//! The interpolant of least Euclidean norm.

use ndarray::Array1;

use super::active_set::{self, End, Shortest};
use super::interior_point::{Fit, Program};
use super::linear;
use super::newton::{Rows, largest, norm};
use super::{Farkas, Limit, Report, check_labels};
use crate::data::Design;
use crate::error::{Error, Result};
use crate::linalg::{Engine, Threads, cholesky_solve_columns, dot};

/// The w of least ‖w‖₂ with Xw = y.
#[derive(Clone, Debug)]
pub struct MinNorm {
    /// w = Xᵀν (length d).
    pub weights: Array1<f64>,
    /// ν = (XXᵀ)⁺y (length n).
    pub multipliers: Array1<f64>,
    /// Of ½‖w‖²; the dual is yᵀν − ½‖Xᵀν‖².
    pub report: Report,
}

/// Part of the largest eigenvalue of XXᵀ below which one counts as zero.
const RANK: f64 = 1e-13;
/// Part of its terms that may be left over of an equation that is called met: rounding.
const LEFT_OVER: f64 = 1e-13;
/// Part of the largest eigenvalue above which one is clearly not zero.
const CLEAR: f64 = 1e-8;
/// Squared lengths between this and its reciprocal neither underflow nor overflow.
const SMALLEST: f64 = 1e-200;

/// The interpolant of least Euclidean norm: the kernel limit of a diagonal net under squared loss.
///
/// ```
/// use groktime::data::Design;
/// use groktime::limits::{Limit, min_norm};
/// let x = Design::new(ndarray::array![[1.0, 1.0]].view())?;
/// let w = min_norm(&x, &[2.0], Default::default())?.found().unwrap();
/// assert!((w.weights[0] - 1.0).abs() < 1e-15);
/// // Two samples of one coordinate that disagree.
/// let x = Design::new(ndarray::array![[1.0], [1.0]].view())?;
/// assert!(matches!(min_norm(&x, &[1.0, 2.0], Default::default())?, Limit::Infeasible(_)));
/// # Ok::<(), groktime::Error>(())
/// ```
///
/// # Errors
/// As many labels as samples, finite labels.
pub fn min_norm(x: &Design, y: &[f64], threads: Threads) -> Result<Limit<MinNorm>> {
    check_labels(x, y, false)?;
    let first = by_gram(x, y, threads);
    if let Ok(Some((found, true))) = first {
        return Ok(Limit::Found(found));
    }
    match active_set::solve(&Rows::of(x, threads), y, false) {
        Some(End::Shortest(shortest)) => return Ok(Limit::Found(of_active_set(x, y, shortest))),
        Some(End::Infeasible(rays)) => {
            if let Some(farkas) = rays.iter().find_map(|ray| certificate(x, y, ray, threads)) {
                return Ok(Limit::Infeasible(farkas));
            }
        }
        None => {}
    }
    match first? {
        Some((found, _)) => Ok(Limit::Found(found)),
        None => left_over(x, y, threads),
    }
}

/// By the Gram matrix: the answer and whether doubles left no doubt; none where equations are not met.
fn by_gram(x: &Design, y: &[f64], threads: Threads) -> Result<Option<(MinNorm, bool)>> {
    let inverse = Inverse::new(x, threads)?;
    let (nu, w, left) = inverse.refined(x, y, threads);
    // Every equation by itself: those of small rows are equations too.
    if !(0..y.len()).all(|i| left[i].abs() <= LEFT_OVER * y[i].abs().max(inverse.terms(i, norm(&w)))) {
        return Ok(None);
    }
    let objective = dot(&w, &w) / 2.0;
    let dual_objective = dot(y, &nu) - objective;
    let report = Report {
        objective,
        dual_objective,
        gap: (objective - dual_objective) / objective.max(f64::MIN_POSITIVE),
        infeasibility: largest(&left) / largest(y).max(f64::MIN_POSITIVE),
        iterations: 1,
        unique: Some(true),
        dual_unique: Some(inverse.is_regular()),
    };
    Ok(Some((MinNorm { weights: w.into(), multipliers: nu.into(), report }, inverse.is_even())))
}

/// What no w reaches is orthogonal to the range of X.
fn left_over(x: &Design, y: &[f64], threads: Threads) -> Result<Limit<MinNorm>> {
    let (_, _, left) = Inverse::new(x, threads)?.refined(x, y, threads);
    certificate(x, y, &left, threads).map(Limit::Infeasible).ok_or_else(|| Error::Numerical {
        method: "minimum norm",
        detail: format!(
            "{:.1e} of the labels is left over, and rounding leaves open whether any weights fit",
            norm(&left) / norm(y)
        ),
    })
}

fn of_active_set(x: &Design, y: &[f64], shortest: Shortest) -> MinNorm {
    let Shortest { weights, multipliers, steps, objective, gap, dual_unique, .. } = shortest;
    let mut outputs = vec![0.0; y.len()];
    x.apply(&weights, &mut outputs, Threads::One);
    outputs.iter_mut().zip(y).for_each(|(f, y)| *f -= y);
    MinNorm {
        weights: weights.into(),
        multipliers: multipliers.into(),
        report: Report {
            objective,
            dual_objective: objective * (1.0 - gap),
            gap,
            infeasibility: largest(&outputs) / largest(y).max(f64::MIN_POSITIVE),
            iterations: steps,
            unique: Some(true),
            dual_unique,
        },
    }
}

fn certificate(x: &Design, y: &[f64], nu: &[f64], threads: Threads) -> Option<Farkas> {
    let ones = vec![1.0; x.dimension()];
    let program = Program { rows: Rows::of(x, threads), plus: &ones, minus: &ones, fit: Fit::Equal(y) };
    let farkas = linear::certificate(&program, nu)?;
    let bound = norm(&program.rows.transpose(&farkas.multipliers.to_vec()));
    Some(Farkas { bound, ..farkas })
}

/// (XXᵀ)⁺, and ‖x_i‖².
struct Inverse {
    form: Form,
    squares: Vec<f64>,
    /// Whether eigenvalues are clearly zero or clearly not.
    clear: bool,
}

enum Form {
    /// The lower factor, column-major.
    Cholesky(Vec<f64>),
    /// Eigenvalues above the cut, with their vectors; less than n of them.
    Eigen(Vec<(f64, Vec<f64>)>),
}

impl Inverse {
    fn new(x: &Design, threads: Threads) -> Result<Self> {
        let gram = x.gram(threads);
        let squares = gram.diag().to_vec();
        if let Ok(factor) = Engine::SEQUENTIAL.cholesky(gram.view()) {
            let pivots = factor.diag();
            let largest = pivots.iter().fold(0.0_f64, |m, p| m.max(*p));
            if pivots.iter().all(|p| p * p > 1e-8 * largest * largest) {
                let form = Form::Cholesky(factor.t().iter().copied().collect());
                return Ok(Inverse { form, squares, clear: true });
            }
        }
        let eigen = Engine::SEQUENTIAL.eigh(gram.view())?;
        let top = eigen.values.iter().fold(0.0_f64, |m, v| m.max(*v));
        let pairs = eigen.values.iter().zip(eigen.vectors.columns());
        let kept = pairs.filter(|(value, _)| **value > RANK * top);
        let form = Form::Eigen(kept.map(|(value, vector)| (*value, vector.to_vec())).collect());
        let clear = !eigen.values.iter().any(|v| (RANK * top..CLEAR * top).contains(v));
        Ok(Inverse { form, squares, clear })
    }

    /// ν, w = Xᵀν and y − Xw. The first pass solves, the others refine.
    fn refined(&self, x: &Design, y: &[f64], threads: Threads) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let (mut nu, mut w, mut left) = (vec![0.0; y.len()], vec![0.0; x.dimension()], y.to_vec());
        for _ in 0..3 {
            let step = self.apply(&left);
            nu.iter_mut().zip(&step).for_each(|(nu, step)| *nu += step);
            x.apply_transpose(&nu, &mut w, threads);
            x.apply(&w, &mut left, threads);
            left.iter_mut().zip(y).for_each(|(left, y)| *left = y - *left);
        }
        (nu, w, left)
    }

    /// Whether doubles resolve all rows and leave no doubt about the rank.
    fn is_even(&self) -> bool {
        let top = self.squares.iter().fold(0.0_f64, |m, s| m.max(*s));
        // Rows of zeros are rows that nothing resolves better.
        let even = self.squares.iter().all(|s| *s >= CLEAR * top || *s == 0.0);
        self.clear && even && (SMALLEST..1.0 / SMALLEST).contains(&top)
    }

    /// A bound on the terms of ⟨x_i, w⟩.
    fn terms(&self, i: usize, length: f64) -> f64 {
        self.squares[i].sqrt() * length
    }

    fn is_regular(&self) -> bool {
        match &self.form {
            Form::Cholesky(_) => true,
            Form::Eigen(pairs) => pairs.first().is_some_and(|(_, vector)| vector.len() == pairs.len()),
        }
    }

    fn apply(&self, b: &[f64]) -> Vec<f64> {
        match &self.form {
            Form::Cholesky(factor) => {
                let mut x = b.to_vec();
                cholesky_solve_columns(factor, &mut x);
                x
            }
            Form::Eigen(pairs) => {
                let mut x = vec![0.0; b.len()];
                for (value, vector) in pairs {
                    let part = dot(vector, b) / value;
                    x.iter_mut().zip(vector).for_each(|(x, v)| *x += part * v);
                }
                x
            }
        }
    }
}
