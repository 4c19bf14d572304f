//! Training step by step: the state of a run, its update, its checkpoints.

use rand::seq::SliceRandom;

use super::core::Core;
use super::criterion::Rows;
use super::settings::{Drawing, Precision, Settings};
use super::{Net, Sample};
use crate::data::features::generator;
use crate::error::{Error, Result};

/// A net in training. One [`step`](Training::step) is one update; everything that decides the next step is in
/// its [`Checkpoint`], so that a resumed run gives the same bits as one that was never interrupted.
///
/// ```
/// use groktime::network::{Activation, Bias, Criterion, Init, Net, Sample, Settings, Training};
/// let net = Net::new(&[2, 16, 1], Activation::Tanh, Bias::All)?;
/// let x = ndarray::array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
/// let y = ndarray::array![[0.0], [1.0], [1.0], [0.0]];
/// let sample = Sample::values(x.view(), y.view());
/// let settings = Settings { criterion: Criterion::Squared, step_size: 0.01, ..Settings::default() };
/// let mut training = Training::new(&net, &sample, &settings, &net.init(&Init::default(), 0)?)?;
/// for _ in 0..1000 {
///     training.step();
/// }
/// assert!(training.loss() < 1e-4); // exclusive or, learned
/// # Ok::<(), groktime::Error>(())
/// ```
pub struct Training<'a> {
    pub(super) net: &'a Net,
    pub(super) settings: Settings,
    pub(super) samples: usize,
    /// The data as they were given: what error bars are about.
    pub(super) sample: Sample,
    pub(super) inner: Inner,
    /// First steps at which the thresholds of a plan were met: noted by the run, kept in checkpoints.
    pub(super) train_step: Option<u64>,
    pub(super) test_step: Option<u64>,
    order: Vec<u32>,
    /// Epoch that the order is of.
    epoch: Option<u64>,
}

/// The net in either precision.
pub(super) enum Inner {
    Single(Core<f32>),
    Double(Core<f64>),
}

/// Does the same with the net of either precision.
macro_rules! with {
    ($inner:expr, $core:ident => $body:expr) => {
        match $inner {
            $crate::network::training::Inner::Single($core) => $body,
            $crate::network::training::Inner::Double($core) => $body,
        }
    };
}

/// The batch before an update.
#[derive(Clone, Copy)]
pub(super) struct Stepped {
    /// Not finite when the run has blown up; then no update was made.
    pub loss: f64,
    /// NaN where it was not asked for, or there are no answers.
    pub accuracy: f64,
}

/// Everything that decides how a run goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Updates made.
    pub step: u64,
    /// Logarithm of the flow time, for [`Schedule::LogLoss`](super::Schedule::LogLoss).
    pub ln_time: f64,
    pub parameters: Vec<f64>,
    /// Averages of gradients and their squares; empty for descent.
    pub first: Vec<f64>,
    pub second: Vec<f64>,
    /// First steps at which the thresholds of the plan were met so far ([`Run`](super::Run)).
    pub train_step: Option<u64>,
    pub test_step: Option<u64>,
}

/// Streams of the seed for the epochs' orders.
const EPOCHS: u64 = 1 << 32;
/// And for subsets, a stream a step.
const SUBSETS: u64 = 1 << 33;

impl<'a> Training<'a> {
    /// Starts from θ.
    ///
    /// # Errors
    /// Settings out of range; a sample or parameters that do not fit the net.
    pub fn new(net: &'a Net, sample: &Sample, settings: &Settings, theta: &[f64]) -> Result<Training<'a>> {
        settings.validate()?;
        net.check_parameters(theta)?;
        sample.check(net)?;
        let samples = sample.len();
        net.check_memory(settings.batch.map_or(samples, |b| b.min(samples)))?;
        let batch = settings.batch.map_or(samples, |b| b.min(samples));
        let inner = match settings.precision {
            Precision::Single => Inner::Single(Core::new(net, sample, settings, theta, batch)?),
            Precision::Double => Inner::Double(Core::new(net, sample, settings, theta, batch)?),
        };
        let order = if batch < samples { (0..samples as u32).collect() } else { Vec::new() };
        let settings = settings.clone();
        let (sample, train_step, test_step) = (sample.clone(), None, None);
        Ok(Training { net, settings, samples, sample, inner, train_step, test_step, order, epoch: None })
    }

    /// Goes on from a checkpoint of a run with the same net, sample and settings.
    ///
    /// # Errors
    /// As [`Training::new`]; a checkpoint of another net or optimiser.
    pub fn resume(
        net: &'a Net,
        sample: &Sample,
        settings: &Settings,
        checkpoint: &Checkpoint,
    ) -> Result<Training<'a>> {
        let mut training = Training::new(net, sample, settings, &checkpoint.parameters)?;
        training.restore(checkpoint)?;
        Ok(training)
    }

    /// Goes back (or on) to a checkpoint.
    ///
    /// # Errors
    /// A checkpoint of another net or optimiser.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let expected = with!(&self.inner, core => core.memory.first.len());
        let why = "averages of the gradient as the optimiser keeps them";
        crate::error::check_shape("checkpoint", &[checkpoint.first.len()], &[expected], why)?;
        crate::error::check_shape("checkpoint", &[checkpoint.second.len()], &[expected], why)?;
        self.net.check_parameters(&checkpoint.parameters)?;
        with!(&mut self.inner, core => core.restore(checkpoint));
        (self.train_step, self.test_step) = (checkpoint.train_step, checkpoint.test_step);
        Ok(())
    }

    /// The state, in double precision (exact for either).
    pub fn checkpoint(&self) -> Checkpoint {
        let (train_step, test_step) = (self.train_step, self.test_step);
        Checkpoint { train_step, test_step, ..with!(&self.inner, core => core.checkpoint()) }
    }

    pub fn net(&self) -> &'a Net {
        self.net
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Updates made so far.
    pub fn steps(&self) -> u64 {
        with!(&self.inner, core => core.step)
    }

    /// ln t under [`Schedule::LogLoss`](super::Schedule::LogLoss), 0 otherwise.
    pub fn ln_time(&self) -> f64 {
        with!(&self.inner, core => core.ln_time)
    }

    /// θ.
    pub fn parameters(&self) -> Vec<f64> {
        with!(&self.inner, core => core.parameters())
    }

    /// Training loss on the whole sample, without any penalty.
    pub fn loss(&mut self) -> f64 {
        with!(&mut self.inner, core => core.evaluate_training(self.net).loss)
    }

    /// Fraction of the training sample answered right; NaN where there are no answers.
    pub fn accuracy(&mut self) -> f64 {
        with!(&mut self.inner, core => core.evaluate_training(self.net).accuracy)
    }

    /// The embeddings, symbols × dimension; `None` for a net without.
    pub fn embeddings(&self) -> Option<ndarray::Array2<f64>> {
        let symbols = self.net.embedding()?.symbols;
        // The table alone: this is asked after every step.
        let values = with!(&self.inner, core => core.leading(self.net.table().len()));
        ndarray::Array2::from_shape_vec((symbols, self.net.inputs()), values).ok()
    }

    /// ∇𝓛 on the whole training sample, without decay.
    pub fn gradient(&mut self) -> Vec<f64> {
        with!(&mut self.inner, core => core.full_gradient(self.net))
    }

    /// One update; returns the training loss on the batch before it. When that is not finite, no update is made
    /// and the state stays as it is.
    pub fn step(&mut self) -> f64 {
        self.advance(false).loss
    }

    /// One update, and if `answers` the accuracy on the batch before it.
    pub(super) fn advance(&mut self, answers: bool) -> Stepped {
        let step = with!(&self.inner, core => core.step);
        let batch = self.settings.batch.map_or(self.samples, |b| b.min(self.samples));
        if batch == self.samples {
            let (net, settings) = (self.net, &self.settings);
            return with!(&mut self.inner, core => core.step(net, settings, Rows::From(0), batch, answers));
        }
        let range = match self.settings.drawing {
            Drawing::Epochs => {
                let per_epoch = self.samples.div_ceil(batch) as u64;
                let epoch = step / per_epoch;
                if self.epoch != Some(epoch) {
                    // From the sorted order: an epoch does not depend on how the run got there.
                    self.order.iter_mut().zip(0..).for_each(|(o, i)| *o = i);
                    self.order.shuffle(&mut generator(self.settings.seed, EPOCHS + epoch));
                    self.epoch = Some(epoch);
                }
                let first = (step % per_epoch) as usize * batch;
                first..(first + batch).min(self.samples)
            }
            Drawing::Subsets => {
                self.order.iter_mut().zip(0..).for_each(|(o, i)| *o = i);
                let rng = &mut generator(self.settings.seed, SUBSETS + step);
                // The choice is what it returns, wherever that lies.
                let (chosen, _) = self.order.partial_shuffle(rng, batch);
                let (net, settings, rows) = (self.net, &self.settings, Rows::Picked(chosen));
                return with!(&mut self.inner, core => core.step(net, settings, rows, batch, answers));
            }
        };
        let rows = Rows::Picked(&self.order[range.clone()]);
        let (net, settings) = (self.net, &self.settings);
        with!(&mut self.inner, core => core.step(net, settings, rows, range.len(), answers))
    }
}

impl Checkpoint {
    /// Writes an `.npz` file with the members `clock` (updates made, ln t, steps at which the thresholds
    /// were met), `parameters`, `first`, `second`; whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &std::path::Path) -> Result<()> {
        let reached = |step: Option<u64>| step.map_or(f64::NAN, |s| s as f64);
        let clock = [self.step as f64, self.ln_time, reached(self.train_step), reached(self.test_step)];
        let member = |name, values: &[f64]| (name, ndarray::arr1(values).into_dyn());
        let members = [
            member("clock", &clock),
            member("parameters", &self.parameters),
            member("first", &self.first),
            member("second", &self.second),
        ];
        crate::data::files::write_npz(path, &members)
    }

    /// Reads what [`Checkpoint::write`] wrote.
    ///
    /// # Errors
    /// A file that cannot be read, or is no checkpoint.
    pub fn read(path: &std::path::Path) -> Result<Checkpoint> {
        let bytes = std::fs::read(path).map_err(|e| Error::File {
            path: path.to_owned(),
            line: None,
            reason: format!("cannot read the checkpoint: {e}"),
        })?;
        let name = path.display().to_string();
        let member = |member: &str| -> Result<Vec<f64>> {
            let array = crate::data::files::read_npz_bytes(&bytes, member, &name)?;
            Ok(array.into_iter().collect())
        };
        let clock = member("clock")?;
        crate::error::check_shape("clock of the checkpoint", &[clock.len()], &[4], "steps and times")?;
        crate::error::check("step of the checkpoint", clock[0], |s| s >= 0.0, "a number of at least 0")?;
        let reached = |step: f64| (!step.is_nan()).then_some(step as u64);
        Ok(Checkpoint {
            step: clock[0] as u64,
            ln_time: clock[1],
            train_step: reached(clock[2]),
            test_step: reached(clock[3]),
            parameters: member("parameters")?,
            first: member("first")?,
            second: member("second")?,
        })
    }
}
