//! The statements of arXiv 2311.18817 on matrix completion, and our own sharper forms, as values: sections
//! 3.2 and 3.3, appendices D and F of the paper; theory/completion.md for ours.

pub mod catalogue;
mod confirm;
mod facts;
mod gradient;
mod kernel_phase;
mod rates;
mod rich;

pub use rates::{kernel_rates, residual_rate};

use self::confirm::Tighter;
use self::facts::Facts;
use super::Solution;
use crate::error::{Result, check};
use crate::theorem::{Judged, Outcome};

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

/// Families of statements that are judged together, by number.
const FAMILIES: usize = 6;

fn family(facts: &Facts<'_>, number: usize) -> Result<Vec<Judged>> {
    match number {
        0 => Ok(facts.training()),
        1 => facts.kernel_regime(),
        2 => facts.reach(),
        3 => facts.objective(),
        4 => Ok(vec![facts.stationarity()?]),
        _ => Ok(vec![facts.recovery()?]),
    }
}

/// A claim that holds because nothing is known of its quantity has not been tested.
fn known(judged: Judged) -> Judged {
    match judged.verdict.outcome {
        Outcome::Holds if judged.verdict.rounding.is_infinite() => {
            judged.undetermined("the quantity is below the error of the path")
        }
        _ => judged,
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
        let tighter = Tighter::new(self, *inputs);
        let mut all = Vec::new();
        for number in 0..FAMILIES {
            let verdicts = family(&facts, number)?.into_iter().enumerate();
            all.extend(verdicts.map(|(i, j)| known(tighter.decide(j, number, i))));
        }
        Ok(all)
    }
}
