//! Mean loss with an L1 penalty: where a diagonal net of depth two ends at fixed weight decay.

use ndarray::Array1;

use super::interior_point::{Fit, Program};
use super::newton::Rows;
use super::{Report, polish};
use crate::data::Design;
use crate::error::{Result, check};
use crate::linalg::Threads;
use crate::loss::Loss;

/// The formulas of (9) in theory/limits.md, for φ = ℓ/n and ν = −φ'(f).
impl Loss {
    /// ν = −φ'(f).
    pub(super) fn multiplier(self, f: f64, y: f64, n: usize) -> f64 {
        let n = n as f64;
        match self {
            Loss::Squared => 2.0 * (y - f) / n,
            Loss::Logistic => y / (n * (1.0 + libm::exp(y * f))),
            Loss::Exponential => y * libm::exp(-y * f) / n,
        }
    }

    /// The output f whose multiplier is ν.
    pub(super) fn output(self, nu: f64, y: f64, n: usize) -> f64 {
        let a = n as f64 * nu;
        match self {
            Loss::Squared => y - a / 2.0,
            Loss::Logistic => y * libm::log((1.0 - a * y) / (a * y)),
            Loss::Exponential => -y * libm::log(a * y),
        }
    }

    /// −df/dν, positive.
    pub(super) fn output_slope(self, nu: f64, y: f64, n: usize) -> f64 {
        let (a, n) = (n as f64 * nu * y, n as f64);
        match self {
            Loss::Squared => n / 2.0,
            Loss::Logistic => n / (a * (1.0 - a)),
            Loss::Exponential => n / a,
        }
    }

    /// inf over f of φ(f) + νf.
    pub(super) fn dual(self, nu: f64, y: f64, n: usize) -> f64 {
        let n = n as f64;
        let a = n * nu * y;
        let xlogx = |x: f64| if x > 0.0 { x * libm::log(x) } else { 0.0 };
        match self {
            Loss::Squared => nu * y - n * nu * nu / 4.0,
            Loss::Logistic => -(xlogx(a) + xlogx(1.0 - a)) / n,
            Loss::Exponential => (a - xlogx(a)) / n,
        }
    }

    /// The interval of multipliers.
    pub(super) fn multipliers(self, y: f64, n: usize) -> (f64, f64) {
        match self {
            Loss::Squared => (f64::NEG_INFINITY, f64::INFINITY),
            Loss::Logistic if y > 0.0 => (0.0, 1.0 / n as f64),
            Loss::Logistic => (-1.0 / n as f64, 0.0),
            Loss::Exponential if y > 0.0 => (0.0, f64::INFINITY),
            Loss::Exponential => (f64::NEG_INFINITY, 0.0),
        }
    }
}

/// The minimiser of (1/n) Σ ℓ(f_i; y_i) + (λ/2)‖w‖₁, f = Xw.
#[derive(Clone, Debug)]
pub struct Regularised {
    /// w (length d).
    pub weights: Array1<f64>,
    /// ν = −∂(mean loss)/∂f (length n); ‖Xᵀν‖_∞ ≤ λ/2.
    pub multipliers: Array1<f64>,
    /// Coordinates with w_k ≠ 0, ascending.
    pub support: Vec<usize>,
    /// The mean loss alone.
    pub loss: f64,
    pub report: Report,
}

/// The global minimum of (1/n) Σ ℓ(f_i; y_i) + (λ/2)‖w‖₁: the end state of u² − v² under weight decay λ.
/// Mind the factor ½ of the penalty, and that the squared loss has none.
///
/// ```
/// use groktime::data::Design;
/// use groktime::Loss;
/// use groktime::limits::regularised;
/// // One sample, one coordinate: (w − 2)² + (1/2)|w| is least where 2(w − 2) + 1/2 = 0.
/// let x = Design::new(ndarray::array![[1.0]].view())?;
/// let end = regularised(&x, &[2.0], Loss::Squared, 1.0, Default::default())?;
/// assert!((end.weights[0] - 1.75).abs() < 1e-12);
/// # Ok::<(), groktime::Error>(())
/// ```
///
/// # Errors
/// λ not positive, as many labels as samples, labels other than ±1 for a margin loss; the interior point
/// does not converge (its gap stays above 10⁻⁶: data of lower rank up to parts of 10⁻⁴ or less, and a λ so
/// small that those parts matter).
pub fn regularised(
    x: &Design,
    y: &[f64],
    loss: Loss,
    weight_decay: f64,
    threads: Threads,
) -> Result<Regularised> {
    check("weight decay", weight_decay, |l| l > 0.0, "a positive number")?;
    super::check_labels(x, y, loss.is_margin())?;
    let (n, d) = (x.samples(), x.dimension());
    let cost = vec![weight_decay / 2.0; d];
    let rows = Rows::of(x, threads);
    let program = Program { rows, plus: &cost, minus: &cost, fit: Fit::Loss(loss, y) };

    // w = 0 is optimal where its multipliers are feasible.
    let at_zero: Vec<f64> = y.iter().map(|&y| loss.multiplier(0.0, y, n)).collect();
    let mut point = if program.dual_norm(&program.rows.transpose(&at_zero)) <= 1.0 {
        polish::Polished::zero(d, at_zero)
    } else {
        polish::smooth(&program, &program.solve()?)?
    };
    let report = polish::report(&program, &mut point)?;
    let outputs = program.rows.apply(&point.weights);
    Ok(Regularised {
        support: point.support,
        weights: point.weights.into(),
        multipliers: point.multipliers.into(),
        loss: loss.mean(&outputs, y),
        report,
    })
}
