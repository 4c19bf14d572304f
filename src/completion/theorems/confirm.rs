//! Claims that fail are looked at again on two tighter runs.

use std::cell::OnceCell;

use super::facts::Facts;
use super::{Inputs, family};
use crate::completion::{Record, Settings, Solution};
use crate::theorem::{Judged, Recomputed, agree};

/// Tolerances of the two runs: the tightest are at the edge of rounding.
const TOLERANCES: [f64; 2] = [1e-10, 1e-11];

/// Right-hand sides times d³ up to which a run is made again: a second or so.
const MOST_WORK: f64 = 1e8;

/// The tighter runs of a solution.
pub(super) struct Tighter<'a> {
    solution: &'a Solution,
    inputs: Inputs,
    runs: OnceCell<Result<[Solution; 2], String>>,
}

impl<'a> Tighter<'a> {
    pub(super) fn new(solution: &'a Solution, inputs: Inputs) -> Self {
        Tighter { solution, inputs, runs: OnceCell::new() }
    }

    /// The verdict, confirmed or withdrawn if the claim failed. `index` is its place in its family.
    pub(super) fn decide(&self, judged: Judged, number: usize, index: usize) -> Judged {
        judged.confirm(|at| self.again(number, index, at))
    }

    fn again(&self, number: usize, index: usize, at: Option<f64>) -> Result<Recomputed, String> {
        let [coarse, fine] = self.runs.get_or_init(|| self.integrate()).as_ref().map_err(String::clone)?;
        let judged = |solution: &Solution| -> Result<Judged, String> {
            let text = |e: crate::Error| format!("computed again: {e}");
            let mut facts = Facts::new(solution, self.inputs).map_err(text)?;
            facts.pinned = at;
            let mut all = family(&facts, number).map_err(text)?;
            Ok(all.swap_remove(index))
        };
        agree(&judged(coarse)?, &judged(fine)?, TOLERANCES)
    }

    fn integrate(&self) -> Result<[Solution; 2], String> {
        let d = self.solution.problem().dimension() as f64;
        if self.solution.diagnostics().statistics.rhs as f64 * d.powi(3) > MOST_WORK {
            return Err(
                "fails by more than the error of the path; two tighter runs of so large a matrix are not made".into()
            );
        }
        let record = match self.solution.is_continuous() {
            true => Record::Path,
            false => Record::At(self.solution.times().to_vec()),
        };
        let run = |rtol: f64| {
            let settings = Settings {
                weight_decay: self.solution.weight_decay(),
                horizon: self.solution.horizon,
                rtol,
                threads: self.solution.threads,
                record: record.clone(),
                ..Settings::default()
            };
            self.solution.problem().flow(&settings).map_err(|e| format!("no run at rtol {rtol:e}: {e}"))
        };
        Ok([run(TOLERANCES[0])?, run(TOLERANCES[1])?])
    }
}
