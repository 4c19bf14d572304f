//! What all statements about one solution need.

use super::Inputs;
use crate::completion::{Init, Solution};
use crate::data::observations::Pair;
use crate::error::Result;
use crate::theorem::Hypothesis;
use crate::trajectory::{Observable, Trajectory, log_times};

/// What all statements about one solution need.
pub(super) struct Facts<'a> {
    pub(super) solution: &'a Solution,
    pub(super) inputs: Inputs,
    pub(super) lambda: f64,
    /// α; `None` unless the start is a multiple of the identity.
    pub(super) alpha: Option<f64>,
    pub(super) n: f64,
    /// λmin of the kernel at unit scale on distinct pairs, each weighted with its multiplicity: equation (21).
    pub(super) nu: f64,
    /// Whether all pairs were given once.
    pub(super) distinct: bool,
    /// Σ y² over the entries as given.
    pub(super) labels: f64,
    pub(super) times: Vec<f64>,
    pub(super) train_loss: Vec<f64>,
}

impl<'a> Facts<'a> {
    pub(super) fn new(solution: &'a Solution, inputs: Inputs) -> Result<Self> {
        let problem = solution.problem();
        let observations = problem.observations();
        let pairs = observations.pairs();
        let horizon = solution.horizon().unwrap_or(f64::INFINITY);
        let recorded = solution.times();
        // Between recorded times too, when the solution answers there.
        let times = match solution.is_continuous() {
            true => {
                let mut times = log_times(1e-6 * horizon, horizon, 12);
                times.extend((1..200).map(|k| horizon * f64::from(k) / 200.0));
                times.extend(solution.step_times());
                times.sort_by(f64::total_cmp);
                times.dedup();
                times
            }
            false => recorded.to_vec(),
        };
        let table = solution.observe(&times, &[Observable::TrainLoss])?;
        let multiplicity = |p: &Pair| p.multiplicity as f64;
        Ok(Facts {
            inputs,
            lambda: solution.weight_decay(),
            alpha: match problem.init() {
                Init::Identity { coordinate } => Some(*coordinate),
                _ => None,
            },
            n: observations.count() as f64,
            nu: pairs
                .iter()
                .map(|p| multiplicity(p) * if p.row == p.column { 8.0 } else { 4.0 })
                .fold(f64::INFINITY, f64::min),
            distinct: pairs.iter().all(|p| p.multiplicity == 1),
            labels: pairs.iter().map(|p| multiplicity(p) * p.value * p.value).sum(),
            train_loss: table.values.column(0).to_vec(),
            times,
            solution,
        })
    }

    pub(super) fn identity(&self) -> Hypothesis {
        Hypothesis::fact("U(0) = V(0) = αI", Some(self.alpha.is_some()))
    }

    pub(super) fn decays(&self) -> Hypothesis {
        Hypothesis::below("0 < λ", 0.0, self.lambda)
    }

    /// The loss that the recorded states give at one of the times looked at.
    pub(super) fn ln_train_loss(&self, t: f64) -> f64 {
        match self.times.binary_search_by(|s| s.total_cmp(&t)) {
            Ok(k) => self.train_loss[k].ln(),
            Err(_) => self
                .solution
                .observe(&[t], &[Observable::LogTrainLoss])
                .map_or(f64::NAN, |table| table.values[(0, 0)]),
        }
    }
}
