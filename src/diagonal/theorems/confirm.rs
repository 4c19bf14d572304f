//! Claims that fail are looked at again on two tighter runs.

use std::cell::OnceCell;

use super::facts::Facts;
use super::{Inputs, family};
use crate::diagonal::{Run, Settings};
use crate::theorem::{Judged, Recomputed, agree};

/// Tolerances of the two runs.
const TOLERANCES: [f64; 2] = [1e-11, 1e-12];

/// Multiplications of matrices and vectors in one run, in entries, up to which it is made again: a second or so.
const MOST_WORK: f64 = 2e8;

/// The tighter runs of a run.
pub(super) struct Tighter<'r, 'p> {
    run: &'r Run<'p>,
    inputs: &'r Inputs,
    runs: OnceCell<Result<[Run<'p>; 2], String>>,
}

impl<'r, 'p> Tighter<'r, 'p> {
    pub(super) fn new(run: &'r Run<'p>, inputs: &'r Inputs) -> Self {
        Tighter { run, inputs, runs: OnceCell::new() }
    }

    /// The verdict, confirmed or withdrawn if the claim failed. `index` is its place in its family.
    pub(super) fn decide(&self, judged: Judged, number: usize, index: usize) -> Judged {
        judged.confirm(|at| self.again(number, index, at))
    }

    fn again(&self, number: usize, index: usize, at: Option<f64>) -> Result<Recomputed, String> {
        let [coarse, fine] = self.runs.get_or_init(|| self.integrate()).as_ref().map_err(String::clone)?;
        let judged = |run: &Run<'p>| -> Result<Judged, String> {
            let text = |e: crate::Error| format!("computed again: {e}");
            let mut facts = Facts::new(run, self.inputs).map_err(text)?;
            facts.pinned = at;
            let mut all = family(&facts, number).map_err(text)?;
            Ok(all.swap_remove(index))
        };
        let (coarse, fine) = (judged(coarse)?, judged(fine)?);
        agree(&coarse, &fine, TOLERANCES)
    }

    fn integrate(&self) -> Result<[Run<'p>; 2], String> {
        let (problem, settings) = (self.run.problem(), self.run.settings());
        let design = problem.design();
        let entries = design.samples() as f64 * design.dimension() as f64;
        if self.run.statistics().rhs as f64 * entries > MOST_WORK {
            return Err(
                "fails by more than the error of the path; two tighter runs of so large a net are not made"
                    .into(),
            );
        }
        let run = |rtol: f64| {
            let tighter = Settings { rtol, ..settings.clone() };
            problem.integrate(&tighter).map_err(|e| format!("no run at rtol {rtol:e}: {e}"))
        };
        Ok([run(TOLERANCES[0])?, run(TOLERANCES[1])?])
    }
}
