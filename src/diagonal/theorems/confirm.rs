//! Claims that fail are looked at again on two tighter runs. Neither a tighter tolerance nor two verdicts that
//! agree confirm a failure: the curves of the two runs have to agree, at the time of the failure, to well below
//! what the claim is short of.

use std::cell::OnceCell;

use super::facts::Facts;
use super::{Inputs, family};
use crate::diagonal::{Run, Settings};
use crate::theorem::{Claim, Judged, Recomputed};

/// Tolerances of the two runs.
const TOLERANCES: [f64; 2] = [1e-11, 1e-12];

/// Multiplications of matrices and vectors in one run, in entries, up to which it is made again: a second or so.
const MOST_WORK: f64 = 2e8;

/// The two runs may differ by this part of what the claim is short of.
const AGREEMENT: f64 = 0.25;

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
    pub(super) fn decide(&self, judged: Judged, families: usize, index: usize) -> Judged {
        judged.confirm(|at| self.again(families, index, at))
    }

    fn again(&self, families: usize, index: usize, at: Option<f64>) -> Result<Recomputed, String> {
        let [coarse, fine] = self.runs.get_or_init(|| self.integrate()).as_ref().map_err(String::clone)?;
        let judged = |run: &Run<'p>| -> Result<Judged, String> {
            let text = |e: crate::Error| format!("computed again: {e}");
            let mut facts = Facts::new(run, self.inputs).map_err(text)?;
            facts.pinned = at;
            let mut all = family(&facts, families).map_err(text)?;
            Ok(all.swap_remove(index))
        };
        let (coarse, fine) = (judged(coarse)?, judged(fine)?);
        agree(&coarse, &fine)
    }

    fn integrate(&self) -> Result<[Run<'p>; 2], String> {
        let (problem, settings) = (self.run.problem(), self.run.settings());
        let design = problem.design();
        let entries = design.samples() as f64 * design.dimension() as f64;
        if self.run.statistics().rhs as f64 * entries > MOST_WORK {
            return Err("fails by more than the error of the path; two tighter runs of so large a net are not made".into());
        }
        let run = |rtol: f64| {
            let tighter = Settings { rtol, ..settings.clone() };
            problem.integrate(&tighter).map_err(|e| format!("no run at rtol {rtol:e}: {e}"))
        };
        Ok([run(TOLERANCES[0])?, run(TOLERANCES[1])?])
    }
}

/// What two runs at tighter tolerances say of one claim.
pub(super) fn agree(coarse: &Judged, fine: &Judged) -> Result<Recomputed, String> {
    let (a, b) = (&coarse.verdict, &fine.verdict);
    let apart = (a.slack - b.slack).abs();
    let margins = (a.slack + a.rounding, b.slack + b.rounding);
    let differ = || {
        let at = b.at_time.map_or(String::new(), |t| format!(" at t = {t:e}"));
        format!("paths at rtol {:e} and {:e} differ by {apart:.2e}{at}, the claim is short by {:.2e}", TOLERANCES[0], TOLERANCES[1], -b.slack)
    };
    let envelope = matches!(fine.statement.claim, Claim::Envelope { .. });
    let point = Recomputed { value: b.value, measured: b.measured, slack: b.slack, rounding: b.rounding };
    match margins {
        // A domain that ends before the time of the failure has nothing to compare there.
        _ if envelope && (a.at_time.is_none() || b.at_time.is_none()) => Err(differ()),
        (a, b) if a >= 0.0 && b >= 0.0 && point.rounding.is_finite() => Ok(point),
        (a, b) if a < 0.0 && b < 0.0 && apart <= AGREEMENT * -b => {
            Ok(Recomputed { rounding: point.rounding + apart, ..point })
        }
        _ => Err(differ()),
    }
}
