//! A recorded run: one function trains a described net and returns its curves.

use std::ops::ControlFlow;

use super::core::Probe;
use super::curves::{Curves, End, Plan, Record};
use super::observe::{norm, norms};
use super::rounding::norm_error;
use super::settings::{Precision, Settings};
use super::training::{Checkpoint, Inner, Training};
use super::{Net, Sample};
use crate::error::{Result, check};

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
        let made = training.steps();
        let expected = format!("at least the {made} steps that were made, below 9·10¹⁵");
        check("budget", plan.budget as f64, |b| b >= made as f64 && b < 9e15, &expected)?;
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
        let steps = self.plan.steps().into_iter().enumerate().filter(|&(_, s)| s >= start);
        let mut records = Vec::new();
        let mut saved = self.training.checkpoint();
        let mut end = End::Budget;
        'run: for (count, target) in steps {
            while self.training.steps() < target {
                let step = self.training.steps();
                let candidate = (step >= saved.step + SAVED).then(|| self.training.checkpoint());
                let wanted = self.full_batch() && self.checks(step) && self.training.train_step.is_none();
                let stepped = self.training.advance(wanted);
                if !stepped.loss.is_finite() {
                    end = self.blow_up(step, &saved)?;
                    break 'run;
                }
                // Its loss is finite.
                saved = candidate.unwrap_or(saved);
                // The accuracy of the full batch is that before the update.
                if self.checks(step) {
                    self.compare(step, wanted.then_some(stepped.accuracy));
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
        let open =
            self.training.train_step.is_none() || self.training.test_step.is_none() && self.test.is_some();
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
            self.training.step();
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
                Some(accuracy) if accuracy >= self.plan.rule.train_accuracy => {
                    self.training.train_step = Some(step)
                }
                Some(_) => {}
                // A batch is not the sample: look at all of it, after the update.
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
        let (criterion, precision) = (self.training.settings.criterion, self.training.settings.precision);
        // Of parameters that have passed infinity nothing is known; the loss says so.
        let finite = theta.iter().all(|x| x.is_finite());
        let error = |sample: &Sample, seen: &super::Evaluation| match finite {
            true => net.evaluation_error(&theta, sample, criterion, precision, seen),
            false => Ok(super::EvaluationError { loss: f64::NAN, ln_loss: f64::NAN, accuracy: f64::NAN }),
        };
        let train_error = error(&self.training.sample, &train)?;
        let test_error = match (&self.test, &test) {
            (Some((sample, _)), Some(seen)) => Some(error(sample, seen)?),
            _ => None,
        };
        Ok(Record {
            step: self.training.steps(),
            ln_time: self.training.ln_time(),
            train,
            test,
            train_error,
            test_error,
            norm_error: norm_error(&theta, norm(&theta)),
            norm: norm(&theta),
            norms: norms(net, &theta),
            features,
            parameters: self.plan.keep_parameters.then_some(theta),
        })
    }
}
