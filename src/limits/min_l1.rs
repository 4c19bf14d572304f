//! The interpolant of least (weighted) L1 norm: basis pursuit.

use ndarray::{Array1, aview1};

use super::interior_point::{Fit, Program};
use super::linear::{self, Outcome};
use super::newton::Rows;
use super::{Limit, MinNorm, Report, check_labels, min_norm, polish};
use crate::data::Design;
use crate::error::{Error, Result, check_finite, check_shape};
use crate::linalg::Threads;

/// The w of least c⁺ᵀw⁺ + c⁻ᵀw⁻ with Xw = y.
#[derive(Clone, Debug)]
pub struct MinL1 {
    /// w (length d).
    pub weights: Array1<f64>,
    /// ν (length n) with −c⁻ ≤ Xᵀν ≤ c⁺. Where there are many, those in the middle of the optimal face.
    pub multipliers: Array1<f64>,
    /// Coordinates with w_k ≠ 0 (in some solution, where there are several), ascending.
    pub support: Vec<usize>,
    /// max of s_k/c_k⁺ and −s_k/c_k⁻ off the support, s = Xᵀν: below 1 for a unique solution.
    pub off_support: f64,
    pub report: Report,
    pub(super) plus: Vec<f64>,
    pub(super) minus: Vec<f64>,
}

/// The interpolant of least L1 norm: the late limit of a diagonal net under squared loss, from equal
/// initial weights.
///
/// ```
/// use groktime::data::Design;
/// use groktime::limits::min_l1;
/// let x = Design::new(ndarray::array![[1.0, 0.8]].view())?;
/// let w = min_l1(&x, &[1.0], Default::default())?.found().unwrap();
/// assert_eq!(w.support, [0]);
/// assert!((w.weights[0] - 1.0).abs() < 1e-14 && w.weights[1] == 0.0);
/// assert!((w.off_support - 0.8).abs() < 1e-14);
/// # Ok::<(), groktime::Error>(())
/// ```
///
/// # Errors
/// As many labels as samples, finite labels; the interior point does not converge.
pub fn min_l1(x: &Design, y: &[f64], threads: Threads) -> Result<Limit<MinL1>> {
    let ones = vec![1.0; x.dimension()];
    min_weighted_l1(x, y, &ones, &ones, threads)
}

/// The interpolant of least Σ_k c⁺_k w⁺_k + c⁻_k w⁻_k, where w⁺ and w⁻ are the positive and the negative
/// part: the late limit of a diagonal net of depth L ≥ 3, with c⁺ = u₀^{2−L} and c⁻ = v₀^{2−L}.
///
/// # Errors
/// As many labels as samples, two positive costs a coordinate; the interior point does not converge.
///
/// ```
/// use groktime::data::Design;
/// use groktime::limits::min_weighted_l1;
/// let x = Design::new(ndarray::array![[1.0, 0.8]].view())?;
/// // The second coordinate is cheaper: depth three from u₀ = v₀ = (2, 4).
/// let c = [0.5, 0.25];
/// let w = min_weighted_l1(&x, &[1.0], &c, &c, Default::default())?.found().unwrap();
/// assert!(w.weights[0] == 0.0 && (w.weights[1] - 1.25).abs() < 1e-14);
/// # Ok::<(), groktime::Error>(())
/// ```
pub fn min_weighted_l1(
    x: &Design,
    y: &[f64],
    plus: &[f64],
    minus: &[f64],
    threads: Threads,
) -> Result<Limit<MinL1>> {
    check_labels(x, y, false)?;
    for (name, costs) in [("costs of positive weights", plus), ("costs of negative weights", minus)] {
        check_shape(name, &[costs.len()], &[x.dimension()], "one a coordinate")?;
        check_finite(name, aview1(costs))?;
        if let Some(&value) = costs.iter().find(|c| **c <= 0.0) {
            return Err(Error::Parameter { name, value, expected: "positive numbers".to_owned() });
        }
    }
    // Whether any w fits, and the answer where y = 0.
    let least: MinNorm = match min_norm(x, y, threads)? {
        Limit::Found(least) => least,
        Limit::Infeasible(farkas) => return Ok(Limit::Infeasible(farkas)),
    };
    let (plus, minus) = (plus.to_vec(), minus.to_vec());
    if y.iter().all(|y| *y == 0.0) {
        let (weights, multipliers, report) = (least.weights, least.multipliers, least.report);
        return Ok(Limit::Found(MinL1 {
            weights,
            multipliers,
            support: vec![],
            off_support: 0.0,
            report,
            plus,
            minus,
        }));
    }
    let program = Program { rows: Rows::of(x, threads), plus: &plus, minus: &minus, fit: Fit::Equal(y) };
    let (point, report) = match linear::solve(&program)? {
        Outcome::Optimal(point, report) => (*point, report),
        Outcome::Infeasible(farkas) => return Ok(Limit::Infeasible(farkas)),
    };
    let image = program.rows.transpose(&point.multipliers);
    Ok(Limit::Found(MinL1 {
        off_support: polish::off_support(&program, &image, &point.support),
        weights: point.weights.into(),
        multipliers: point.multipliers.into(),
        support: point.support,
        report,
        plus,
        minus,
    }))
}
