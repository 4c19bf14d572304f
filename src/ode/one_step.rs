//! The march of explicit one-step methods: steps tried and accepted, what observers see, and what a flow asks for
//! in between. A method makes the steps.

use std::ops::{ControlFlow, Range};

use super::common::{Place, Recorder};
use super::path::{Interpolant, Path, Step};
use super::{Action, Ended, Flow, Options, Reject, Solution, Statistics};
use crate::error::Result;

/// Where a march is, and what all methods work with.
pub(super) struct March<'a, F: ?Sized> {
    pub flow: &'a mut F,
    pub options: &'a Options,
    /// Whether the columns of each step are wanted.
    pub dense: bool,
    pub t: f64,
    pub h: f64,
    pub y: Vec<f64>,
    /// y at the end of the step.
    pub next: Vec<f64>,
    /// Of the step's polynomial, y at its end first; empty if they are not wanted.
    pub columns: Vec<f64>,
    /// Reciprocals of the allowed errors.
    pub weights: Vec<f64>,
    pub sizes: Vec<f64>,
    pub statistics: Statistics,
}

/// A method, with f(t, y) at the start of the step.
pub(super) trait OneStep<F: Flow + ?Sized> {
    const NAME: &'static str;
    const ORDER: usize;
    /// Of the dense output.
    const COLUMNS: usize;

    /// f at the start, and the first step.
    fn start(&mut self, march: &mut March<'_, F>, place: Place, end: f64) -> Result<()>;

    /// Before a new step is tried.
    fn prepare(&mut self, _march: &mut March<'_, F>) {}

    /// The longest step that can be tried now, or why none can.
    fn longest(&self, _march: &March<'_, F>, _place: Place) -> Result<f64> {
        Ok(f64::INFINITY)
    }

    /// The state at `t_new`, into `next`; its error relative to the tolerance.
    fn attempt(&mut self, march: &mut March<'_, F>, t_new: f64) -> std::result::Result<f64, Reject>;

    /// The columns of a step whose error is small enough.
    fn interpolate(&mut self, march: &mut March<'_, F>) -> std::result::Result<(), Reject>;

    /// By how much the step after an accepted one should change; it does not grow `after_rejection`.
    fn growth(&mut self, error: f64, h: f64, after_rejection: bool) -> f64;

    /// By how much a step with too large an error is shortened.
    fn shrinkage(error: f64) -> f64;

    /// After a rejection.
    fn rejected(&mut self, _march: &mut March<'_, F>) {}

    /// f at the end of the step becomes f at the start of the next.
    fn advance(&mut self);

    fn slope(&mut self) -> &mut [f64];
}

/// Integrates by the method from `y0` at the start of the span to its end.
pub(super) fn integrate<F: Flow + ?Sized, M: OneStep<F>>(
    mut method: M,
    flow: &mut F,
    span: &Range<f64>,
    y0: &[f64],
    options: &Options,
    dense: bool,
    observer: &mut dyn FnMut(&Step<'_>) -> ControlFlow<()>,
) -> Result<Solution> {
    let n = flow.dimension();
    options.check(span, y0, n)?;
    let recorder = Recorder { path: Path::new(n), record: options.record, observer };
    let mut march = March {
        flow,
        options,
        dense,
        t: span.start,
        h: 0.0,
        y: y0.to_vec(),
        next: vec![0.0; n],
        columns: if dense { vec![0.0; M::COLUMNS * n] } else { Vec::new() },
        weights: vec![0.0; n],
        sizes: vec![0.0; n],
        statistics: Statistics::default(),
    };
    march.start(&mut method, span.end)?;
    march.run(&mut method, span.end, recorder)
}

impl<F: Flow + ?Sized> March<'_, F> {
    fn place<M: OneStep<F>>(&self) -> Place {
        Place { method: M::NAME, t: self.t, h: self.h, order: M::ORDER }
    }

    fn start<M: OneStep<F>>(&mut self, method: &mut M, end: f64) -> Result<()> {
        self.flow.sizes(self.t, &self.y, &mut self.sizes);
        let place = self.place::<M>();
        method.start(self, place, end)
    }

    fn run<M: OneStep<F>>(
        mut self,
        method: &mut M,
        mut end: f64,
        mut recorder: Recorder<'_>,
    ) -> Result<Solution> {
        let mut epoch = 0;
        let ended = loop {
            let t_old = self.t;
            let h = self.step(method, end)?;
            let step = Step {
                t_old,
                t: self.t,
                epoch,
                order: M::ORDER,
                interpolant: Interpolant::Nested,
                dimension: self.y.len(),
                columns: if self.dense { &self.columns } else { &self.next },
            };
            let broken = recorder.step(&step).is_break();
            std::mem::swap(&mut self.y, &mut self.next);
            if broken {
                break Ended::Interrupted;
            }
            method.advance();
            let action = self.flow.accepted(self.t, &mut self.y);
            let last = self.t >= end;
            if let Action::Rebase { scale, shift } | Action::Restart { scale, shift, .. } = &action {
                self.rebase(method, *scale, shift)?;
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
            if action == Action::Modified {
                self.start(method, end)?;
                self.h = self.h.min(h);
            } else {
                self.flow.sizes(self.t, &self.y, &mut self.sizes);
            }
        };
        let March { t, y, statistics, .. } = self;
        Ok(Solution { path: recorder.path, t, y, epoch, ended, statistics })
    }

    /// One accepted step; gives its length, and leaves in h the next.
    fn step<M: OneStep<F>>(&mut self, method: &mut M, end: f64) -> Result<f64> {
        let mut rejections = 0;
        let mut last = "";
        method.prepare(self);
        loop {
            let left = end - self.t;
            let longest = method.longest(self, self.place::<M>())?;
            self.h = self.h.min(self.options.max_step).min(longest).min(self.flow.longest(self.t));
            let landing = self.h >= 0.999 * left;
            if landing {
                self.h = left;
            }
            self.place::<M>().guard(self.options, landing, self.statistics.steps, rejections, last)?;
            let t_new = if landing { end } else { self.t + self.h };
            self.h *= match method.attempt(self, t_new) {
                Ok(error) if error <= 1.0 && (!self.dense || method.interpolate(self).is_ok()) => {
                    let h = self.h;
                    self.t = t_new;
                    self.h *= method.growth(error, h, rejections > 0);
                    self.statistics.steps += 1;
                    return Ok(h);
                }
                Ok(error) => {
                    self.statistics.rejected += 1;
                    last = "the error of the step was too large";
                    M::shrinkage(error)
                }
                Err(Reject(reason)) => {
                    self.statistics.newton_failures += 1;
                    last = reason;
                    if rejections < 4 { 0.5 } else { 0.1 }
                }
            };
            rejections += 1;
            method.rejected(self);
        }
    }

    /// The same flow in the variables scale·(y − shift).
    fn rebase<M: OneStep<F>>(&mut self, method: &mut M, scale: f64, shift: &[f64]) -> Result<()> {
        self.place::<M>().check_rebase(self.y.len(), scale, shift)?;
        for (y, shift) in self.y.iter_mut().zip(shift) {
            *y = scale * (*y - shift);
        }
        method.slope().iter_mut().for_each(|f| *f *= scale);
        Ok(())
    }

    /// The columns of cubic Hermite interpolation, from f at both ends of the step.
    pub fn hermite(&mut self, first: &[f64], last: &[f64]) {
        let (h, n) = (self.h, self.y.len());
        for i in 0..n {
            let change = self.next[i] - self.y[i];
            let bend = h * first[i] - change;
            self.columns[i] = self.next[i];
            self.columns[n + i] = -change;
            self.columns[2 * n + i] = bend;
            self.columns[3 * n + i] = change - h * last[i] - bend;
        }
    }
}
