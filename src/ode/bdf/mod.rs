//! Numerical differentiation formulas of variable order 1 to 5 with variable steps, for stiff flows.
//!
//! Shampine and Reichelt, *The MATLAB ODE Suite*, SIAM J. Sci. Comput. 18 (1997), with the frozen Jacobian
//! and the convergence test of CVODE (Hindmarsh et al., ACM TOMS 31, 2005).

mod differences;
#[cfg(test)]
mod tests;

use std::ops::{ControlFlow, Range};

use super::common::{Place, Recorder, evaluate, first_step, norm, weigh};
use super::path::{Interpolant, Path, Step};
use super::{Action, Ended, Options, Reject, Solution, Statistics, StiffFlow};
use crate::error::Result;
use differences::{Differences, alpha, error_constant};

const MAX_ITERATIONS: usize = 4;
/// A step is chosen so much shorter than its estimated error would allow.
const SAFETY: f64 = 0.9;

/// Integrates a stiff flow from `y0` at the start of the span to its end.
///
/// Differentiation formulas of variable order, with dense output. The Jacobian is asked for only when Newton's
/// iteration fails with an old one.
///
/// # Errors
/// Options out of range; or the integration failed: the message says at which time and step, and why.
pub fn bdf<F: StiffFlow + ?Sized>(
    flow: &mut F,
    span: Range<f64>,
    y0: &[f64],
    options: &Options,
) -> Result<Solution> {
    bdf_observed(flow, span, y0, options, |_| ControlFlow::Continue(()))
}

/// [`bdf`] that calls `observer` after every accepted step, before the flow's
/// [`accepted`](super::Flow::accepted); `Break` ends the integration there.
///
/// # Errors
/// As [`bdf`].
pub fn bdf_observed<F: StiffFlow + ?Sized>(
    flow: &mut F,
    span: Range<f64>,
    y0: &[f64],
    options: &Options,
    mut observer: impl FnMut(&Step<'_>) -> ControlFlow<()>,
) -> Result<Solution> {
    let n = flow.dimension();
    options.check(&span, y0, n)?;
    let recorder = Recorder { path: Path::new(n), record: options.record, observer: &mut observer };
    let mut bdf = Bdf::new(flow, &span, y0, options);
    bdf.start(&span)?;
    bdf.run(span.end, recorder)
}

/// Why an attempt at a step came to nothing.
enum Failure {
    /// Newton's iteration does not converge; a new Jacobian may help.
    Diverged,
    /// No value there: only a shorter step helps.
    NoValue(Reject),
}

struct Bdf<'a, F: ?Sized> {
    flow: &'a mut F,
    options: &'a Options,
    n: usize,
    t: f64,
    h: f64,
    order: usize,
    /// Steps since h or the order changed.
    equal_steps: usize,
    /// With spacing h.
    differences: Differences,
    predicted: Vec<f64>,
    /// y at the end of the step, during Newton's iteration.
    y: Vec<f64>,
    /// y − predicted.
    correction: Vec<f64>,
    /// The part of the formula that is known before the step.
    psi: Vec<f64>,
    rhs: Vec<f64>,
    update: Vec<f64>,
    /// Reciprocals of the allowed errors.
    weights: Vec<f64>,
    /// Sizes at the start of the step.
    sizes: Vec<f64>,
    /// h/α of the last factorisation.
    shift: Option<f64>,
    jacobian: Jacobian,
    /// Of Newton's convergence; one: unknown.
    rate: f64,
    statistics: Statistics,
}

#[derive(Clone, Copy, PartialEq)]
enum Jacobian {
    Missing,
    Old,
    /// Taken in the step that is being tried.
    Fresh,
}

impl<'a, F: StiffFlow + ?Sized> Bdf<'a, F> {
    fn new(flow: &'a mut F, span: &Range<f64>, y0: &[f64], options: &'a Options) -> Self {
        let n = y0.len();
        let zeros = || vec![0.0; n];
        Bdf {
            flow,
            options,
            n,
            t: span.start,
            h: 0.0,
            order: 1,
            equal_steps: 0,
            differences: Differences::new(y0),
            predicted: zeros(),
            y: zeros(),
            correction: zeros(),
            psi: zeros(),
            rhs: zeros(),
            update: zeros(),
            weights: zeros(),
            sizes: zeros(),
            shift: None,
            jacobian: Jacobian::Missing,
            rate: 1.0,
            statistics: Statistics::default(),
        }
    }

    fn place(&self) -> Place {
        Place { method: "BDF", t: self.t, h: self.h, order: self.order }
    }

    /// Order one from the present state, with the step that its derivatives ask for.
    fn start(&mut self, span: &Range<f64>) -> Result<()> {
        let y = self.differences.state();
        evaluate(self.flow, self.t, y, &mut self.rhs, &mut self.statistics)
            .map_err(|Reject(reason)| self.place().failed(format_args!("{reason} at the start")))?;
        let scratch =
            [&mut self.predicted[..], &mut self.update, &mut self.psi, &mut self.weights].map(|v| &mut v[..]);
        let y = self.differences.state();
        let here = self.t..span.end;
        self.h = first_step(self.flow, &here, y, &self.rhs, self.options, &mut self.statistics, scratch);
        self.differences.set_first(self.h, &self.rhs);
        self.flow.sizes(self.t, self.differences.state(), &mut self.sizes);
        Ok(())
    }

    fn run(mut self, mut end: f64, mut recorder: Recorder<'_>) -> Result<Solution> {
        let mut epoch = 0;
        let ended = loop {
            let t_old = self.t;
            let order = self.step(end)?;
            let step = Step {
                t_old,
                t: self.t,
                epoch,
                order,
                interpolant: Interpolant::Differences,
                dimension: self.n,
                columns: self.differences.columns(order),
            };
            if recorder.step(&step).is_break() {
                break Ended::Interrupted;
            }
            let action = self.flow.accepted(self.t, self.differences.state_mut());
            let last = self.t >= end;
            if let Action::Rebase { scale, shift } | Action::Restart { scale, shift, .. } = &action {
                self.rebase(*scale, shift)?;
                epoch += 1;
            }
            if let Action::Restart { end: rest, .. } = action {
                (self.t, end) = (0.0, rest);
            }
            if action == Action::Stop {
                break Ended::Stopped;
            }
            if last {
                break Ended::Horizon;
            }
            self.flow.sizes(self.t, self.differences.state(), &mut self.sizes);
            if action == Action::Modified {
                self.order = 1;
                self.equal_steps = 0;
            } else {
                self.adapt();
            }
        };
        let y = self.differences.state().to_vec();
        Ok(Solution { path: recorder.path, t: self.t, y, epoch, ended, statistics: self.statistics })
    }

    /// One accepted step; gives the order it was made with.
    fn step(&mut self, end: f64) -> Result<usize> {
        let mut rejections = 0;
        let mut too_large = 0;
        let mut last = "";
        loop {
            let t_new = self.approach(end);
            let Statistics { steps, rejected, newton_failures, .. } = self.statistics;
            let attempts = steps.max(rejected + newton_failures);
            self.place().guard(self.options, t_new >= end, attempts, rejections, last)?;
            self.predict(t_new);
            match self.correct(t_new) {
                Ok(()) => {
                    let error = error_constant(self.order) * norm(&self.correction, &self.weights);
                    if error <= 1.0 {
                        self.accept(t_new);
                        return Ok(self.order);
                    }
                    self.statistics.rejected += 1;
                    rejections += 1;
                    too_large += 1;
                    last = "the error of the step was too large";
                    self.shorten(error, too_large);
                }
                Err(Failure::Diverged) if self.jacobian == Jacobian::Old => {
                    self.statistics.newton_failures += 1;
                    self.jacobian = Jacobian::Missing;
                }
                Err(failure) => {
                    self.statistics.newton_failures += 1;
                    rejections += 1;
                    last = match failure {
                        Failure::Diverged => "Newton's iteration did not converge",
                        Failure::NoValue(Reject(reason)) => reason,
                    };
                    self.rescale(if rejections < 4 { 0.5 } else { 0.1 });
                    // It was taken at the end of a step that came to nothing, perhaps far from the path.
                    self.jacobian = Jacobian::Missing;
                }
            }
        }
    }

    /// After a step whose error was too large: a shorter one, of an order lower if that can be longer.
    fn shorten(&mut self, error: f64, failures: usize) {
        let q = self.order;
        let mut best = step_factor(error, q);
        if q > 1 {
            self.update.copy_from_slice(&self.correction);
            self.update.iter_mut().zip(self.differences.row(q)).for_each(|(u, d)| *u += d);
            let lower = step_factor(error_constant(q - 1) * norm(&self.update, &self.weights), q - 1);
            if lower > best {
                (best, self.order) = (lower, q - 1);
            }
        }
        // A second failure: the estimates do not hold here.
        let most = if failures > 1 { 0.5 } else { 0.9 };
        self.rescale(if best.is_finite() { best.clamp(0.1, most) } else { 0.1 });
    }

    /// Fits the step to what is left of the span; gives the time at its end.
    fn approach(&mut self, end: f64) -> f64 {
        let left = end - self.t;
        let longest = self.longest();
        if self.h > longest {
            self.rescale(longest / self.h);
        }
        if self.h >= 0.999 * left {
            if self.h != left {
                self.rescale(left / self.h);
                self.h = left;
            }
            return end;
        }
        self.t + self.h
    }

    /// The start of Newton's iteration, and the errors that the step is allowed.
    fn predict(&mut self, t_new: f64) {
        self.differences.predict(self.order, &mut self.predicted, &mut self.psi);
        self.flow.sizes(t_new, &self.predicted, &mut self.weights);
        weigh(&mut self.weights, &self.sizes, self.options);
    }

    /// Newton's iteration for d = c f(t, predicted + d) − ψ.
    fn correct(&mut self, t_new: f64) -> std::result::Result<(), Failure> {
        self.prepare(t_new)?;
        let c = self.h / alpha(self.order);
        self.correction.fill(0.0);
        self.y.copy_from_slice(&self.predicted);
        let mut before = 0.0;
        for iteration in 1..=MAX_ITERATIONS {
            let value = evaluate(self.flow, t_new, &self.y, &mut self.rhs, &mut self.statistics);
            match value {
                // Thrown off by a bad Jacobian, perhaps.
                Err(_) if iteration > 1 && self.jacobian == Jacobian::Old => return Err(Failure::Diverged),
                other => other.map_err(Failure::NoValue)?,
            }
            let known = self.psi.iter().zip(&self.correction);
            for ((u, f), (psi, d)) in self.update.iter_mut().zip(&self.rhs).zip(known) {
                *u = c * f - psi - d;
            }
            self.statistics.solves += 1;
            self.flow.solve(&mut self.update).map_err(|r| self.blame(r))?;
            let size = norm(&self.update, &self.weights);
            if !size.is_finite() {
                return Err(self.blame(Reject("Newton's iteration overflows")));
            }
            for ((y, d), u) in self.y.iter_mut().zip(&mut self.correction).zip(&self.update) {
                *y += u;
                *d += u;
            }
            if iteration > 1 {
                let measured = size / before;
                self.rate = (0.3 * self.rate).max(measured);
                if measured >= 2.0 {
                    return Err(Failure::Diverged);
                }
            }
            // What is left of a geometric series, theory/integrators.md (6).
            let left = if self.rate < 1.0 { size * (self.rate / (1.0 - self.rate)).min(1.0) } else { size };
            if left <= self.options.newton_tolerance {
                if iteration == MAX_ITERATIONS && self.jacobian == Jacobian::Old {
                    self.jacobian = Jacobian::Missing; // it would fail soon
                }
                return Ok(());
            }
            let to_come = (MAX_ITERATIONS - iteration) as i32;
            if iteration > 1
                && self.rate < 1.0
                && left * self.rate.powi(to_come) > self.options.newton_tolerance
            {
                return Err(Failure::Diverged);
            }
            before = size;
        }
        Err(Failure::Diverged)
    }

    /// A Jacobian where there is none, and a factorisation that fits the step.
    fn prepare(&mut self, t_new: f64) -> std::result::Result<(), Failure> {
        if self.jacobian == Jacobian::Missing {
            self.statistics.jacobians += 1;
            self.flow.refresh(t_new, &self.predicted).map_err(Failure::NoValue)?;
            self.jacobian = Jacobian::Fresh;
            self.shift = None;
            self.rate = 1.0;
        }
        let c = self.h / alpha(self.order);
        if self.shift != Some(c) {
            // The rate of a frozen Jacobian grows at most like c.
            let growth = self.shift.map_or(1.0, |old| (c / old).max(1.0));
            self.shift = None;
            self.statistics.factorisations += 1;
            self.flow.factor(c).map_err(|r| self.blame(r))?;
            self.shift = Some(c);
            self.rate = (growth * self.rate).min(1.0);
        }
        Ok(())
    }

    /// With an old Jacobian the linear algebra gets a second chance.
    fn blame(&self, reject: Reject) -> Failure {
        match self.jacobian {
            Jacobian::Old => Failure::Diverged,
            _ => Failure::NoValue(reject),
        }
    }

    fn accept(&mut self, t_new: f64) {
        self.differences.advance(self.order, &self.correction);
        self.t = t_new;
        self.equal_steps += 1;
        self.statistics.steps += 1;
        if self.jacobian == Jacobian::Fresh {
            self.jacobian = Jacobian::Old;
        }
    }

    /// Chooses the order and the step for what follows, theory/integrators.md (8).
    fn adapt(&mut self) {
        let q = self.order;
        if self.equal_steps < q + 1 {
            return;
        }
        let factor = |order: usize, k: usize| {
            step_factor(error_constant(order) * norm(self.differences.row(k), &self.weights), order)
        };
        let mut best = (factor(q, q + 1), q);
        if q > 1 {
            let lower = factor(q - 1, q);
            if lower > best.0 {
                best = (lower, q - 1);
            }
        }
        if q < self.options.max_order {
            let higher = factor(q + 1, q + 2);
            if higher > best.0 {
                best = (higher, q + 1);
            }
        }
        let factor = best.0.min(10.0).min(self.longest() / self.h);
        self.order = best.1;
        self.rescale(factor.max(0.2));
    }

    fn longest(&self) -> f64 {
        self.options.max_step.min(self.flow.longest(self.t))
    }

    fn rescale(&mut self, factor: f64) {
        self.differences.rescale(self.order, factor);
        self.h *= factor;
        self.equal_steps = 0;
    }

    /// The flow goes on in the variables scale·(y − shift).
    fn rebase(&mut self, scale: f64, shift: &[f64]) -> Result<()> {
        self.place().check_rebase(self.n, scale, shift)?;
        self.differences.rebase(scale, shift);
        self.weights.iter_mut().for_each(|w| *w /= scale.abs());
        Ok(())
    }
}

/// By how much a step of this error and order should change, theory/integrators.md (8).
fn step_factor(error: f64, order: usize) -> f64 {
    SAFETY * error.max(1e-30).powf(-1.0 / (order + 1) as f64)
}
