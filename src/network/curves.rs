//! A recorded run: one function trains a described net and returns what was seen on the way.

use std::ops::ControlFlow;

use ndarray::Array2;

use super::core::Probe;
use super::observe::{Evaluation, norm, norms};
use super::settings::{Precision, Settings};
use super::training::{Checkpoint, Inner, Training};
use super::{LayerFeatures, Net, Sample};
use crate::error::{Error, Result, check};
use crate::grokking::{Phase, PhaseRule};
use crate::trajectory::{Observable, Table, Trajectory, log_times};

/// What is recorded, and how long a run lasts.
///
/// | name | default | meaning |
/// |---|---|---|
/// | `budget` | 10⁴ | last step |
/// | `record` | 8 a decade | steps at which everything is evaluated; 0 and the last are added |
/// | `ranks` | 0 | feature ranks at every so many records (0: never) |
/// | `check` | 1 | steps between comparisons of accuracies with the thresholds (0: at records) |
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
    fn steps(&self) -> Vec<u64> {
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
    rule: PhaseRule,
    budget: u64,
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

    fn record(&self, step: u64) -> Result<&Record> {
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
    type State = Record;

    fn horizon(&self) -> Option<u64> {
        self.records.last().map(|r| r.step)
    }

    fn state(&self, step: u64) -> Result<Record> {
        self.record(step).cloned()
    }

    fn observe(&self, times: &[u64], what: &[Observable]) -> Result<Table<u64>> {
        let mut values = Array2::from_elem((times.len(), what.len()), f64::NAN);
        for (&t, mut row) in times.iter().zip(values.outer_iter_mut()) {
            let record = self.record(t)?;
            row.iter_mut().zip(what).for_each(|(cell, &what)| *cell = record.get(what).unwrap_or(f64::NAN));
        }
        Ok(Table { times: times.to_vec(), columns: what.to_vec(), values })
    }
}

/// Trains a net from θ and records its curves.
///
/// ```
/// use groktime::network::tasks::modular_addition;
/// use groktime::network::{Activation, Bias, Criterion, Init, Net, Plan, Settings, train};
/// use std::ops::ControlFlow;
/// // a + b mod 7 from 60% of the pairs, by a two-layer net.
/// let (train_set, test_set) = modular_addition(7, 0.6, 0)?.into_pair();
/// let net = Net::new(&[14, 64, 7], Activation::Relu, Bias::First)?;
/// let settings = Settings { criterion: Criterion::CrossEntropy, step_size: 0.01, ..Settings::default() };
/// let plan = Plan { budget: 300, ..Plan::default() };
/// let theta = net.init(&Init::default(), 0)?;
/// let curves = train(&net, &train_set, Some(&test_set), &settings, &plan, &theta, |_| ControlFlow::Continue(()))?;
/// assert!(curves.train_step.is_some());
/// assert_eq!(curves.records.last().unwrap().step, 300);
/// # Ok::<(), groktime::Error>(())
/// ```
///
/// # Errors
/// Settings out of range; samples, parameters or criterion that do not fit the net. A run that blows up is no
/// error: see [`End::BlewUp`].
pub fn train(
    net: &Net,
    train: &Sample,
    test: Option<&Sample>,
    settings: &Settings,
    plan: &Plan,
    theta: &[f64],
    watch: impl FnMut(&Record) -> ControlFlow<()>,
) -> Result<Curves> {
    let training = Training::new(net, train, settings, theta)?;
    Run::new(training, test, plan)?.go(watch)
}

/// A run with its plan: [`train`] in parts.
pub struct Run<'a> {
    training: Training<'a>,
    test: Option<(&'a Sample, Tested)>,
    plan: Plan,
    inspect: Option<Box<Inspect<'a>>>,
}

/// Called after every step.
type Inspect<'a> = dyn FnMut(&Training<'_>) -> ControlFlow<()> + 'a;

enum Tested {
    Single(Probe<f32>),
    Double(Probe<f64>),
}

/// Steps between the states that a run which blows up is repeated from.
const SAVED: u64 = 256;

impl<'a> Run<'a> {
    /// # Errors
    /// A test sample that does not fit the net; thresholds outside [0, 1].
    pub fn new(training: Training<'a>, test: Option<&'a Sample>, plan: &Plan) -> Result<Run<'a>> {
        plan.rule.validate()?;
        check("budget", plan.budget as f64, |b| b < 9e15, "below 9·10¹⁵ steps")?;
        let test = match test {
            None => None,
            Some(sample) => {
                sample.check(training.net)?;
                let (net, settings) = (training.net, &training.settings);
                let tested = match settings.precision {
                    Precision::Single => Tested::Single(Probe::new(net, sample, settings)?),
                    Precision::Double => Tested::Double(Probe::new(net, sample, settings)?),
                };
                Some((sample, tested))
            }
        };
        let inspect = None;
        Ok(Run { training, test, plan: plan.clone(), inspect })
    }

    /// Goes on from a checkpoint of the same run: it knows which thresholds were met before.
    ///
    /// # Errors
    /// As [`Training::resume`] and [`Run::new`].
    pub fn resume(
        net: &'a Net,
        train: &Sample,
        test: Option<&'a Sample>,
        settings: &Settings,
        plan: &Plan,
        checkpoint: &Checkpoint,
    ) -> Result<Run<'a>> {
        Run::new(Training::resume(net, train, settings, checkpoint)?, test, plan)
    }

    /// Has `inspect` called with the net after every update: for observables of one's own, such as the step at
    /// which embeddings become a representation.
    pub fn inspected(mut self, inspect: impl FnMut(&Training<'_>) -> ControlFlow<()> + 'a) -> Self {
        self.inspect = Some(Box::new(inspect));
        self
    }

    /// Trains to the end of the plan; `watch` gets each record, and may stop the run.
    ///
    /// # Errors
    /// An eigenvalue problem of the feature ranks is not solved.
    pub fn go(mut self, mut watch: impl FnMut(&Record) -> ControlFlow<()>) -> Result<Curves> {
        let start = self.training.steps();
        let steps: Vec<u64> = self.plan.steps().into_iter().filter(|&s| s >= start).collect();
        let mut records = Vec::new();
        let mut saved = self.training.checkpoint();
        let mut end = End::Budget;
        'run: for (count, &target) in steps.iter().enumerate() {
            while self.training.steps() < target {
                let step = self.training.steps();
                let candidate = (step >= saved.step + SAVED).then(|| self.training.checkpoint());
                let stepped = self.training.step()?;
                if !stepped.loss.is_finite() {
                    end = self.blow_up(step, &saved)?;
                    break 'run;
                }
                // Its loss is finite.
                saved = candidate.unwrap_or(saved);
                // The accuracy of the full batch is that before the update.
                if self.checks(step) {
                    self.compare(step, self.full_batch().then_some(stepped.accuracy));
                    if self.plan.stop_when_decided && self.decided() {
                        end = End::Decided;
                        break 'run;
                    }
                }
                if let Some(inspect) = &mut self.inspect
                    && inspect(&self.training).is_break()
                {
                    end = End::Stopped;
                    break 'run;
                }
            }
            let ranked = self.plan.ranks > 0 && count % self.plan.ranks == 0;
            let record = self.record(ranked)?;
            if !record.train.loss.is_finite() {
                end = self.blow_up(target, &saved)?;
                break;
            }
            self.compare_evaluated(&record);
            let asked = watch(&record);
            records.push(record);
            if asked.is_break() {
                end = End::Stopped;
                break;
            }
            if self.plan.stop_when_decided && self.decided() {
                end = End::Decided;
                break;
            }
        }
        if matches!(end, End::Decided) && records.last().is_none_or(|r| r.step < self.training.steps()) {
            records.push(self.record(false)?);
        }
        let checkpoint = self.training.checkpoint();
        Ok(Curves {
            records,
            train_step: self.training.train_step,
            test_step: self.training.test_step,
            end,
            checkpoint,
            rule: self.plan.rule,
            budget: self.plan.budget,
        })
    }

    fn full_batch(&self) -> bool {
        self.training.settings.batch.is_none_or(|b| b >= self.training.samples)
    }

    fn checks(&self, step: u64) -> bool {
        let open = self.training.train_step.is_none() || self.training.test_step.is_none() && self.test.is_some();
        open && self.plan.check > 0 && step.is_multiple_of(self.plan.check)
    }

    /// Both thresholds met: nothing that comes later changes the phase.
    fn decided(&self) -> bool {
        self.training.train_step.is_some() && self.training.test_step.is_some()
    }

    /// Repeats the steps since the last saved state, to the last with a finite loss.
    fn blow_up(&mut self, step: u64, saved: &Checkpoint) -> Result<End> {
        let met = (self.training.train_step, self.training.test_step);
        self.training.restore(saved)?;
        while self.training.steps() + 1 < step {
            self.training.step()?;
        }
        (self.training.train_step, self.training.test_step) = met;
        let last = self.training.checkpoint();
        Ok(End::BlewUp { step, last })
    }

    /// Notes the first step at which an accuracy is at its threshold. `train` is the accuracy of a full batch
    /// before the update that was just made, that is after `step` updates.
    fn compare(&mut self, step: u64, train: Option<f64>) {
        if self.training.train_step.is_none() {
            match train {
                Some(accuracy) if accuracy >= self.plan.rule.train_accuracy => self.training.train_step = Some(step),
                Some(_) => {}
                None if self.training.accuracy() >= self.plan.rule.train_accuracy => {
                    self.training.train_step = Some(step + 1);
                }
                None => {}
            }
        }
        if self.training.test_step.is_none()
            && self.test_accuracy().is_some_and(|a| a >= self.plan.rule.test_accuracy)
        {
            self.training.test_step = Some(step + 1);
        }
    }

    fn compare_evaluated(&mut self, record: &Record) {
        if self.training.train_step.is_none() && record.train.accuracy >= self.plan.rule.train_accuracy {
            self.training.train_step = Some(record.step);
        }
        let met = record.test.is_some_and(|t| t.accuracy >= self.plan.rule.test_accuracy);
        if self.training.test_step.is_none() && met {
            self.training.test_step = Some(record.step);
        }
    }

    fn test_accuracy(&mut self) -> Option<f64> {
        let net = self.training.net;
        match (&mut self.training.inner, &self.test) {
            (Inner::Single(core), Some((_, Tested::Single(probe)))) => Some(core.accuracy(net, probe)),
            (Inner::Double(core), Some((_, Tested::Double(probe)))) => Some(core.accuracy(net, probe)),
            _ => None,
        }
    }

    fn record(&mut self, ranked: bool) -> Result<Record> {
        let net = self.training.net;
        let (train, test) = match (&mut self.training.inner, &self.test) {
            (Inner::Single(core), Some((_, Tested::Single(probe)))) => {
                (core.evaluate_training(net), Some(core.evaluate(net, probe)))
            }
            (Inner::Double(core), Some((_, Tested::Double(probe)))) => {
                (core.evaluate_training(net), Some(core.evaluate(net, probe)))
            }
            (Inner::Single(core), _) => (core.evaluate_training(net), None),
            (Inner::Double(core), _) => (core.evaluate_training(net), None),
        };
        let theta = self.training.parameters();
        let features = match (&self.test, ranked && train.loss.is_finite()) {
            (Some((sample, _)), true) => {
                Some(net.feature_ranks(&theta, &sample.inputs, self.training.settings.precision)?)
            }
            _ => None,
        };
        Ok(Record {
            step: self.training.steps(),
            ln_time: self.training.ln_time(),
            train,
            test,
            norm: norm(&theta),
            norms: norms(net, &theta),
            features,
            parameters: self.plan.keep_parameters.then_some(theta),
        })
    }
}
