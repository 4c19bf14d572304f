//! The statements of arXiv 2601.19791 as values, each compared with the exact trajectory.
//!
//! Symbols: L̂ = ‖Φ‖²_F/n, λ⁺ = smallest positive eigenvalue of ΦᵀΦ, r = 1 − ηλ⁺/n − ηλ, b ≥ ‖φ(x)‖,
//! θ_⊥ = the part outside the rows of Φ. Under the flow clock each bound is its own limit η → 0 (times in
//! τ = η·step), and hypotheses on η are void. Derivations and what is corrected: `theory/ridge.md`.

mod ball;
pub mod catalogue;
mod end_to_end;
mod facts;
mod late;
mod limit;
mod training;
mod zero_teacher;

use statrs::function::gamma::gamma_lr;

use self::facts::Facts;
use super::ClosedForm;
use crate::crossing::Crossing;
use crate::error::{Result, check};
use crate::grokking::Times;
use crate::theorem::Judged;
use crate::trajectory::Clock;

/// −ln(1 − x) ≤ 2x holds up to here: what inequality (7) needs and its printed hypotheses do not imply.
pub const HALF_LOG_LIMIT: f64 = 0.796_812_130_0;

/// What the statements need beyond the problem itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inputs {
    /// ε of t1.
    pub train_threshold: f64,
    /// c of t2.
    pub test_threshold: f64,
    /// δ: allowed failure probability.
    pub failure_probability: f64,
    /// ν² if θ₀ ~ N(0, ν²I), after [`super::Settings::init_scale`]; `None` leaves the statements over the
    /// law of θ₀ unevaluated.
    pub init_variance: Option<f64>,
    /// Largest m for which the eigenvalues of a general Σ are computed (m³ work).
    pub covariance_limit: usize,
}

impl Default for Inputs {
    fn default() -> Self {
        Inputs {
            train_threshold: 0.01,
            test_threshold: 0.01,
            failure_probability: 0.05,
            init_variance: None,
            covariance_limit: 1500,
        }
    }
}

/// P(χ²_k < bound): the probability that a standard Gaussian vector of k = `degrees` dimensions has a
/// squared length below `bound`.
///
/// ```
/// // m − n = 64: the paper allows 2e^{−2} = 0.27, the exact probability of ‖θ_⊥‖² < 32ν² is 2.8e-4.
/// let exact = groktime::ridge::theorems::chi_square_below(64, 32.0);
/// assert!((exact - 2.8e-4).abs() < 0.1e-4);
/// ```
pub fn chi_square_below(degrees: usize, bound: f64) -> f64 {
    if degrees == 0 {
        return if bound > 0.0 { 1.0 } else { 0.0 };
    }
    if bound <= 0.0 { 0.0 } else { gamma_lr(0.5 * degrees as f64, 0.5 * bound) }
}

impl<T: Clock> ClosedForm<'_, '_, T> {
    /// All statements, judged. Nothing is decomposed again, except Σ if it is general and small.
    ///
    /// # Errors
    /// Thresholds or probabilities out of range; the decomposition of Σ fails.
    pub fn statements(&self, inputs: &Inputs) -> Result<Vec<Judged>> {
        let train = self.last_unfit(inputs.train_threshold)?;
        let known = self.need_test_loss().is_ok();
        let test = known.then(|| self.first_general(inputs.test_threshold)).transpose()?;
        self.judged(inputs, train, test)
    }

    /// The same where t1 and t2 of the inputs' thresholds have been found before.
    ///
    /// # Errors
    /// As [`ClosedForm::statements`].
    pub fn statements_at(&self, inputs: &Inputs, times: &Times<T>) -> Result<Vec<Judged>> {
        self.judged(inputs, times.train, Some(times.test))
    }

    fn judged(&self, inputs: &Inputs, train: Crossing<T>, test: Option<Crossing<T>>) -> Result<Vec<Judged>> {
        check("training threshold", inputs.train_threshold, |x| x > 0.0, "a positive number")?;
        check("test threshold", inputs.test_threshold, |x| x > 0.0, "a positive number")?;
        check("failure probability", inputs.failure_probability, |x| x > 0.0 && x < 1.0, "between 0 and 1")?;
        if let Some(variance) = inputs.init_variance {
            check("initial variance", variance, |x| x > 0.0, "a positive number")?;
        }
        let facts = Facts::new(self, inputs, train, test)?;
        let mut judged = facts.zero_teacher();
        judged.extend(facts.training());
        judged.extend(facts.generalisation_is_late());
        judged.extend(facts.limit());
        judged.extend(facts.end_to_end());
        Ok(judged)
    }
}
