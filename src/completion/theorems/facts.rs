//! What all statements about one solution need.

use super::Inputs;
use crate::completion::{Init, PathError, Solution};
use crate::data::observations::Pair;
use crate::error::Result;
use crate::theorem::Hypothesis;
use crate::trajectory::{Observable, Trajectory, even_times, log_times};

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
    /// The one time at which envelopes are compared; all if none is given.
    pub(super) pinned: Option<f64>,
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
                times.extend(even_times(horizon, 200).into_iter().skip(1));
                times.extend(solution.step_times());
                times.sort_by(f64::total_cmp);
                times.dedup();
                times
            }
            false => recorded.to_vec(),
        };
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
            times,
            pinned: None,
            solution,
        })
    }

    pub(super) fn identity(&self) -> Hypothesis {
        Hypothesis::fact("U(0) = V(0) = αI", Some(self.alpha.is_some()))
    }

    pub(super) fn decays(&self) -> Hypothesis {
        Hypothesis::below("0 < λ", 0.0, self.lambda)
    }

    /// ln 𝓛 and how well it is known: not at all where the residuals may be the error of the path.
    pub(super) fn ln_train_loss(&self, t: f64) -> (f64, f64) {
        match self.solution.observe(&[t], &[Observable::LogTrainLoss]) {
            Ok(table) => {
                let ln = table.values[(0, 0)];
                (ln, self.error(t).ln_train_loss + 1e-13 * (1.0 + ln.abs()))
            }
            Err(_) => (f64::NAN, 0.0),
        }
    }

    /// What the path is known to at time t; nothing if its second run failed.
    pub(super) fn error(&self, t: f64) -> PathError {
        let nothing = f64::INFINITY;
        self.solution.path_error(t).unwrap_or(PathError {
            weights: nothing,
            size: nothing,
            residuals: nothing,
            train_loss: nothing,
            ln_train_loss: nothing,
            test_loss: nothing,
            parameter_norm: nothing,
        })
    }

    /// 𝓛 + (λ/2)‖θ‖² and its error.
    pub(super) fn objective_at(&self, t: f64) -> Result<(f64, f64)> {
        let table = self.solution.observe(&[t], &[Observable::TrainLoss, Observable::ParameterNorm])?;
        let (loss, norm) = (table.values[(0, 0)], table.values[(0, 1)]);
        let error = self.error(t);
        let of_norm = error.parameter_norm * (2.0 * norm + error.parameter_norm);
        let value = loss + 0.5 * self.lambda * norm * norm;
        Ok((value, error.train_loss + 0.5 * self.lambda * of_norm + 1e-14 * value))
    }
}
