//! The statements of arXiv 2311.18817 on matrix completion, and our own sharper forms, as values: sections
//! 3.2 and 3.3, appendices D and F of the paper; theory/completion.md for ours.

mod facts;
mod gradient;
mod kernel_phase;
mod rates;
mod rich;

pub use rates::{kernel_rates, residual_rate};

use self::facts::Facts;
use super::Solution;
use crate::error::{Result, check};
use crate::theorem::Judged;

/// Above so many pairs the limit problem and the spectrum of the kernel are left out.
const MOST_PAIRS: usize = 1500;

/// What the statements are told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inputs {
    /// c in (0, 1): the kernel regime is looked at until (1 − c) log α/λ, the rich one until
    /// (1 + c) log α/λ.
    pub fraction: f64,
}

impl Default for Inputs {
    fn default() -> Self {
        Inputs { fraction: 0.5 }
    }
}

impl Solution {
    /// All statements that can be made about one solution, judged.
    ///
    /// # Errors
    /// A fraction outside (0, 1), or a limit problem that does not converge.
    pub fn statements(&self, inputs: &Inputs) -> Result<Vec<Judged>> {
        check("fraction c", inputs.fraction, |c| c > 0.0 && c < 1.0, "a number in (0, 1)")?;
        let facts = Facts::new(self, *inputs)?;
        let mut all = facts.training();
        all.extend(facts.kernel_regime()?);
        all.extend(facts.reach()?);
        all.extend(facts.objective()?);
        all.push(facts.stationarity()?);
        all.push(facts.recovery()?);
        Ok(all)
    }
}
