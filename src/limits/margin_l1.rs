//! The largest L1 margin.

use ndarray::Array1;

use super::interior_point::{Fit, Program};
use super::linear::{self, Outcome};
use super::newton::Rows;
use super::{Limit, Report, check_labels, polish};
use crate::data::Design;
use crate::error::Result;
use crate::linalg::Threads;

/// The w of least ‖w‖₁ with y_i⟨w, x_i⟩ ≥ 1.
#[derive(Clone, Debug)]
pub struct MaxMarginL1 {
    /// w (length d), least margin 1.
    pub weights: Array1<f64>,
    /// ν ≥ 0 (length n) with ‖Zᵀν‖_∞ ≤ 1, Z = diag(y)X.
    pub multipliers: Array1<f64>,
    /// 1/‖w‖₁: the largest min_i y_i⟨w, x_i⟩ over ‖w‖₁ = 1.
    pub margin: f64,
    /// Coordinates with w_k ≠ 0 (in some solution, where there are several), ascending.
    pub support: Vec<usize>,
    /// Samples with ν_i > 0 (for some multipliers), ascending.
    pub support_vectors: Vec<usize>,
    /// max |(Zᵀν)_k| off the support: below 1 for a unique solution.
    pub off_support: f64,
    pub report: Report,
}

/// The largest L1 margin of the samples x_i with labels ±1: the late limit of a diagonal net of depth two
/// under a margin loss. A structured interior point with n × n systems, then an exact solve on the optimal
/// face; where that leaves anything in doubt and the data are small, the simplex method in double-double arithmetic.
///
/// ```
/// use groktime::data::Design;
/// use groktime::limits::{Limit, max_margin_l1};
/// let x = Design::new(ndarray::array![[2.0, 1.0], [-2.0, 1.0]].view())?;
/// let Limit::Found(best) = max_margin_l1(&x, &[1.0, -1.0], Default::default())? else { panic!() };
/// assert!((best.margin - 2.0).abs() < 1e-12); // w ∝ (1, 0)
/// assert_eq!(best.support, [0]);
/// // The same point in both classes has no margin.
/// let x = Design::new(ndarray::array![[1.0, 2.0], [1.0, 2.0]].view())?;
/// assert!(matches!(max_margin_l1(&x, &[1.0, -1.0], Default::default())?, Limit::Infeasible(_)));
/// # Ok::<(), groktime::Error>(())
/// ```
///
/// # Errors
/// As many labels as samples, labels other than ±1; the interior point does not converge.
pub fn max_margin_l1(x: &Design, y: &[f64], threads: Threads) -> Result<Limit<MaxMarginL1>> {
    check_labels(x, y, true)?;
    let (ones, goal) = (vec![1.0; x.dimension()], vec![1.0; x.samples()]);
    let rows = Rows { labels: Some(y), ..Rows::of(x, threads) };
    let program = Program { rows, plus: &ones, minus: &ones, fit: Fit::AtLeast(&goal) };
    let (point, report) = match linear::solve(&program)? {
        Outcome::Optimal(point, report) => (*point, report),
        Outcome::Infeasible(farkas) => return Ok(Limit::Infeasible(farkas)),
    };
    let image = program.rows.transpose(&point.multipliers);
    Ok(Limit::Found(MaxMarginL1 {
        margin: 1.0 / report.objective,
        off_support: polish::off_support(&program, &image, &point.support),
        weights: point.weights.into(),
        multipliers: point.multipliers.into(),
        support: point.support,
        support_vectors: point.active,
        report,
    }))
}
