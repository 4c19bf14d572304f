//! A net, its sample and its optimiser in one precision.

use super::criterion::{Goal, Rows};
use super::observe::Evaluation;
use super::optimiser::{Memory, Rates, rates};
use super::pass::{Prepared, Workspace};
use super::settings::{Schedule, Settings};
use super::training::{Checkpoint, Stepped};
use super::{Net, Sample};
use crate::error::Result;
use crate::linalg::product::Real;

pub(super) struct Core<T> {
    pub theta: Vec<T>,
    pub gradient: Vec<T>,
    pub memory: Memory<T>,
    pub step: u64,
    pub ln_time: f64,
    pub workspace: Workspace<T>,
    rates: Vec<Rates>,
    capacity: usize,
    training: Probe<T>,
}

/// A sample to be evaluated on.
pub(super) struct Probe<T> {
    pub inputs: Prepared<T>,
    pub goal: Goal<T>,
    pub samples: usize,
}

impl<T: Real> Probe<T> {
    pub fn new(net: &Net, sample: &Sample, settings: &Settings) -> Result<Probe<T>> {
        let goal = Goal::new(settings.criterion, net, sample)?;
        Ok(Probe { inputs: Prepared::new(&sample.inputs), goal, samples: sample.len() })
    }
}

/// Rows evaluated at a time, at least: enough for the products, little memory.
const CHUNK: usize = 256;

impl<T: Real> Core<T> {
    pub fn new(
        net: &Net,
        sample: &Sample,
        settings: &Settings,
        theta: &[f64],
        batch: usize,
    ) -> Result<Core<T>> {
        let capacity = batch.max(CHUNK.min(sample.len()));
        Ok(Core {
            theta: theta.iter().map(|&x| T::from_f64(x)).collect(),
            gradient: vec![T::ZERO; theta.len()],
            memory: Memory::new(settings.optimiser, theta.len()),
            step: 0,
            ln_time: 0.0,
            workspace: Workspace::new(net, capacity, settings.threads),
            rates: rates(net, settings.step_size, settings.weight_decay, &settings.groups)?,
            capacity,
            training: Probe::new(net, sample, settings)?,
        })
    }

    /// θ.
    pub fn parameters(&self) -> Vec<f64> {
        self.leading(self.theta.len())
    }

    /// The first entries of θ.
    pub fn leading(&self, count: usize) -> Vec<f64> {
        self.theta[..count].iter().map(|&x| x.into()).collect()
    }

    pub fn checkpoint(&self) -> Checkpoint {
        let wide = |v: &[T]| v.iter().map(|&x| x.into()).collect();
        Checkpoint {
            step: self.step,
            ln_time: self.ln_time,
            parameters: wide(&self.theta),
            first: wide(&self.memory.first),
            second: wide(&self.memory.second),
            train_step: None,
            test_step: None,
        }
    }

    pub fn restore(&mut self, checkpoint: &Checkpoint) {
        let narrow = |to: &mut [T], from: &[f64]| {
            to.iter_mut().zip(from).for_each(|(to, &x)| *to = T::from_f64(x));
        };
        (self.step, self.ln_time) = (checkpoint.step, checkpoint.ln_time);
        narrow(&mut self.theta, &checkpoint.parameters);
        narrow(&mut self.memory.first, &checkpoint.first);
        narrow(&mut self.memory.second, &checkpoint.second);
    }

    /// One update from `count` samples.
    pub fn step(
        &mut self,
        net: &Net,
        settings: &Settings,
        rows: Rows<'_>,
        count: usize,
        answers: bool,
    ) -> Stepped {
        let Core { training, workspace, .. } = self;
        workspace.forward(net, &self.theta, &training.inputs, rows, count);
        let loss = training.goal.sum(workspace.outputs(), rows) / count as f64;
        let accuracy = match answers {
            true => training.goal.right(workspace.outputs(), rows) / count as f64,
            false => f64::NAN,
        };
        if !loss.is_finite() {
            return Stepped { loss, accuracy };
        }
        let mut factor = ((count as f64).recip(), 0.0);
        if let Schedule::LogLoss { threshold, factor: early } = settings.schedule {
            let ln_loss = training.goal.ln_sum(workspace.outputs(), rows) - libm::log(count as f64);
            // How much flow time the step is: η over 𝓛, or `early` times η.
            let mut ln_step = libm::log(settings.step_size);
            if ln_loss <= threshold {
                factor.1 = -ln_loss;
                ln_step -= ln_loss;
            } else {
                factor.0 *= early;
                ln_step += libm::log(early);
            }
            let (high, low) = (self.ln_time.max(ln_step), self.ln_time.min(ln_step));
            self.ln_time = high + libm::log1p(libm::exp(low - high));
        }
        let (outputs, slopes) = workspace.outputs_and_slopes();
        training.goal.slopes(outputs, rows, factor, slopes);
        workspace.backward(net, &self.theta, &training.inputs, rows, &mut self.gradient);
        if settings.sparsity > 0.0 {
            self.add_sparsity(net, settings.sparsity);
        }
        self.step += 1;
        self.memory.update(
            settings.optimiser,
            &self.rates,
            self.step,
            &mut self.theta,
            &self.gradient,
            settings.threads,
        );
        Stepped { loss, accuracy }
    }

    /// The slope of c·mean|E|.
    fn add_sparsity(&mut self, net: &Net, c: f64) {
        let table = net.table();
        let slope = T::from_f64(c / table.len().max(1) as f64);
        for (g, &e) in self.gradient[table.clone()].iter_mut().zip(&self.theta[table]) {
            if e > T::ZERO {
                *g += slope;
            } else if e < T::ZERO {
                *g += -slope;
            }
        }
    }

    /// Loss and accuracy on the training sample.
    pub fn evaluate_training(&mut self, net: &Net) -> Evaluation {
        evaluate(net, &self.theta, &self.training, &mut self.workspace, self.capacity)
    }

    /// Loss and accuracy on another sample.
    pub fn evaluate(&mut self, net: &Net, probe: &Probe<T>) -> Evaluation {
        evaluate(net, &self.theta, probe, &mut self.workspace, self.capacity)
    }

    /// Accuracy alone on another sample.
    pub fn accuracy(&mut self, net: &Net, probe: &Probe<T>) -> f64 {
        let n = probe.samples;
        let mut right = 0.0;
        for first in (0..n).step_by(self.capacity) {
            let (rows, count) = (Rows::From(first), self.capacity.min(n - first));
            self.workspace.forward(net, &self.theta, &probe.inputs, rows, count);
            right += probe.goal.right(self.workspace.outputs(), rows);
        }
        right / n as f64
    }

    /// ρ = ∂𝓛/∂f for given outputs on the whole training sample.
    pub fn slopes_of(&self, outputs: &ndarray::Array2<f64>) -> Vec<f64> {
        let f: Vec<T> = outputs.iter().map(|&f| T::from_f64(f)).collect();
        let mut slopes = vec![T::ZERO; f.len()];
        let factor = ((self.training.samples as f64).recip(), 0.0);
        self.training.goal.slopes(&f, Rows::From(0), factor, &mut slopes);
        slopes.into_iter().map(Into::into).collect()
    }

    /// ∇𝓛 over all samples.
    pub fn full_gradient(&mut self, net: &Net) -> Vec<f64> {
        let mut total = vec![0.0; self.theta.len()];
        let n = self.training.samples;
        for first in (0..n).step_by(self.capacity) {
            let (rows, count) = (Rows::From(first), self.capacity.min(n - first));
            self.workspace.forward(net, &self.theta, &self.training.inputs, rows, count);
            let (outputs, slopes) = self.workspace.outputs_and_slopes();
            self.training.goal.slopes(outputs, rows, ((n as f64).recip(), 0.0), slopes);
            self.workspace.backward(net, &self.theta, &self.training.inputs, rows, &mut self.gradient);
            total.iter_mut().zip(&self.gradient).for_each(|(t, &g)| *t += g.into());
        }
        total
    }
}

fn evaluate<T: Real>(
    net: &Net,
    theta: &[T],
    probe: &Probe<T>,
    workspace: &mut Workspace<T>,
    capacity: usize,
) -> Evaluation {
    let n = probe.samples;
    let mut sum = 0.0;
    let mut ln_sums = Vec::new();
    let mut right = 0.0;
    let mut margin = f64::INFINITY;
    for first in (0..n).step_by(capacity) {
        let (rows, count) = (Rows::From(first), capacity.min(n - first));
        workspace.forward(net, theta, &probe.inputs, rows, count);
        let outputs = workspace.outputs();
        sum += probe.goal.sum(outputs, rows);
        ln_sums.push(probe.goal.ln_sum(outputs, rows));
        right += probe.goal.right(outputs, rows);
        let least = probe.goal.least_margin(outputs, rows);
        margin = if least.is_nan() { least } else { margin.min(least) };
    }
    let n = n as f64;
    let ln_loss = super::criterion::ln_sum_exp(&ln_sums) - libm::log(n);
    Evaluation { loss: sum / n, ln_loss, accuracy: right / n, margin }
}
