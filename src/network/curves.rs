//! The curves of a run: what is recorded, and what was seen on the way.

use super::observe::Evaluation;
use super::training::Checkpoint;
use super::{EvaluationError, LayerFeatures, Net};
use crate::error::{Error, Result};
use crate::grokking::{Phase, PhaseRule};
use crate::trajectory::{Observable, Trajectory, log_times};

/// What is recorded, and how long a run lasts.
///
/// | name | default | meaning |
/// |---|---|---|
/// | `budget` | 10⁴ | last step |
/// | `record` | 8 a decade | steps at which everything is evaluated; 0 and the last are added |
/// | `ranks` | 0 | feature ranks at every so many records (0: never) |
/// | `check` | 1 | steps between comparisons of accuracies with the thresholds (0: at records); with batches each is a pass over the sample |
/// | `rule` | 0.9, 0.9, 10³ | thresholds of accuracy, and the delay that makes grokking |
/// | `stop_when_decided` | no | end the run once its phase is decided |
/// | `keep_parameters` | no | θ in every record |
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub budget: u64,
    pub record: Option<Vec<u64>>,
    pub ranks: usize,
    pub check: u64,
    pub rule: PhaseRule,
    pub stop_when_decided: bool,
    pub keep_parameters: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Plan {
            budget: 10_000,
            record: None,
            ranks: 0,
            check: 1,
            rule: PhaseRule::default(),
            stop_when_decided: false,
            keep_parameters: false,
        }
    }
}

impl Plan {
    pub(super) fn steps(&self) -> Vec<u64> {
        let mut steps = match &self.record {
            Some(steps) => steps.clone(),
            None => log_times(1, self.budget, 8),
        };
        steps.extend([0, self.budget]);
        steps.retain(|&s| s <= self.budget);
        steps.sort_unstable();
        steps.dedup();
        steps
    }
}

/// Everything that was seen at one step.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Updates made.
    pub step: u64,
    /// ln t under [`Schedule::LogLoss`](super::Schedule::LogLoss), 0 otherwise.
    pub ln_time: f64,
    pub train: Evaluation,
    pub test: Option<Evaluation>,
    /// How far rounding may have moved them at these parameters.
    pub train_error: EvaluationError,
    pub test_error: Option<EvaluationError>,
    pub norm_error: f64,
    /// ‖θ‖₂, and of the embeddings (if any) and each layer.
    pub norm: f64,
    pub norms: Vec<f64>,
    /// On the test sample (the training sample without one).
    pub features: Option<Vec<LayerFeatures>>,
    pub parameters: Option<Vec<f64>>,
}

impl Record {
    /// Smallest training margin over ‖θ‖^L; `None` without margins or homogeneity.
    pub fn normalised_margin(&self, net: &Net) -> Option<f64> {
        let degree = f64::from(net.homogeneity()?);
        let margin = self.train.margin;
        (!margin.is_nan() && self.norm > 0.0).then(|| margin / libm::pow(self.norm, degree))
    }

    fn error(&self, what: Observable) -> Option<f64> {
        let known = |x: f64| (!x.is_nan()).then_some(x);
        match what {
            Observable::TrainLoss => known(self.train_error.loss),
            Observable::LogTrainLoss => known(self.train_error.ln_loss),
            Observable::TrainAccuracy => known(self.train_error.accuracy),
            Observable::TestLoss => self.test_error.and_then(|t| known(t.loss)),
            Observable::LogTestLoss => self.test_error.and_then(|t| known(t.ln_loss)),
            Observable::TestAccuracy => self.test_error.and_then(|t| known(t.accuracy)),
            Observable::ParameterNorm => Some(self.norm_error),
            _ => None,
        }
    }

    fn get(&self, what: Observable) -> Option<f64> {
        let known = |x: f64| (!x.is_nan()).then_some(x);
        match what {
            Observable::TrainLoss => Some(self.train.loss),
            Observable::LogTrainLoss => Some(self.train.ln_loss),
            Observable::TrainAccuracy => known(self.train.accuracy),
            Observable::TestLoss => self.test.map(|t| t.loss),
            Observable::LogTestLoss => self.test.map(|t| t.ln_loss),
            Observable::TestAccuracy => self.test.and_then(|t| known(t.accuracy)),
            Observable::ParameterNorm => Some(self.norm),
            _ => None,
        }
    }
}

/// Why a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// At its last step.
    Budget,
    /// Its phase was decided.
    Decided,
    /// The callback asked for it.
    Stopped,
    /// The loss after `step` updates is not finite; `last` is the state one update before, with the last
    /// finite loss (the start, if its loss is not finite already).
    BlewUp { step: u64, last: Checkpoint },
}

/// The curves of a run. Asked as a [`Trajectory`] it answers at recorded steps alone: a trained net is known
/// where it was looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Curves {
    pub records: Vec<Record>,
    /// First steps at which the accuracies were at their thresholds; checked every [`Plan::check`] steps.
    pub train_step: Option<u64>,
    pub test_step: Option<u64>,
    pub end: End,
    /// The last state, from which a run can go on.
    pub checkpoint: Checkpoint,
    pub(super) rule: PhaseRule,
    pub(super) budget: u64,
}

impl Curves {
    /// The phase, by the plan's rule and budget; a run that blew up is confused unless it fitted before.
    pub fn phase(&self) -> Phase {
        self.rule.phase(self.train_step, self.test_step, self.budget)
    }

    /// One observable over the recorded steps; `None` where it is not defined.
    pub fn column(&self, what: Observable) -> Vec<Option<f64>> {
        self.records.iter().map(|r| r.get(what)).collect()
    }

    /// How far rounding may have moved that column: of an evaluation at the parameters of each step, see
    /// [`Net::evaluation_error`]. `None` where nothing is known.
    pub fn errors(&self, what: Observable) -> Vec<Option<f64>> {
        self.records.iter().map(|r| r.error(what)).collect()
    }

    /// What was recorded at a step.
    ///
    /// # Errors
    /// A step that was not recorded.
    pub fn record(&self, step: u64) -> Result<&Record> {
        let last = self.records.last().map_or(0, |r| r.step);
        if step > last {
            return Err(Error::PastHorizon { time: step as f64, horizon: last as f64 });
        }
        self.records.binary_search_by_key(&step, |r| r.step).map(|i| &self.records[i]).map_err(|_| {
            let expected = "a recorded step (a trained net is known at those alone)".to_owned();
            Error::Parameter { name: "step", value: step as f64, expected }
        })
    }
}

impl Trajectory for Curves {
    type Time = u64;

    fn horizon(&self) -> Option<u64> {
        self.records.last().map(|r| r.step)
    }

    fn observe_one(&self, t: u64, what: &[Observable], out: &mut [f64]) -> Result<()> {
        let record = self.record(t)?;
        out.iter_mut().zip(what).for_each(|(out, &what)| *out = record.get(what).unwrap_or(f64::NAN));
        Ok(())
    }
}
