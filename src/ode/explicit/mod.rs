//! The explicit Runge-Kutta method of order 8 of Dormand and Prince (DOP853), with dense output of order 7.
//!
//! E. Hairer, S. P. Nørsett, G. Wanner, *Solving Ordinary Differential Equations I*, second edition, II.5, II.10.

mod coefficients;

use std::ops::{ControlFlow, Range};

use super::common::{Place, Recorder, evaluate, first_step, norm, weigh};
use super::path::{CHUNK, Interpolant, Path, Step};
use super::{Action, Ended, Flow, Options, Reject, Solution, Statistics};
use crate::error::Result;
use coefficients::{DENSE, FIFTH, NODES, STAGES, THIRD, Term};

const ORDER: usize = 8;
/// f at the end of the step: the thirteenth stage, and the first of the next step.
const LAST: usize = 12;
/// Columns of the dense output.
const COLUMNS: usize = 8;

/// Integrates a non-stiff flow from `y0` at the start of the span to its end, with order 8 and dense output.
///
/// Twelve right-hand sides a step, and three more for the dense output.
///
/// # Errors
/// Options out of range; or the integration failed: the message says at which time and step, and why.
///
/// ```
/// use groktime::ode::{Flow, Options, Reject, dop853};
///
/// struct Circle;
///
/// impl Flow for Circle {
///     fn dimension(&self) -> usize {
///         2
///     }
///     fn rhs(&mut self, _t: f64, y: &[f64], dy: &mut [f64]) -> Result<(), Reject> {
///         (dy[0], dy[1]) = (-y[1], y[0]);
///         Ok(())
///     }
/// }
///
/// let options = Options { rtol: 1e-12, ..Options::default() };
/// let solution = dop853(&mut Circle, 0.0..100.0, &[1.0, 0.0], &options)?;
/// assert!((solution.y[0] - 100.0_f64.cos()).abs() < 1e-10);
/// # Ok::<(), groktime::Error>(())
/// ```
pub fn dop853<F: Flow + ?Sized>(
    flow: &mut F,
    span: Range<f64>,
    y0: &[f64],
    options: &Options,
) -> Result<Solution> {
    integrate(flow, &span, y0, options, options.record, &mut |_| ControlFlow::Continue(()))
}

/// [`dop853`] that calls `observer` after every accepted step, before the flow's
/// [`accepted`](Flow::accepted); `Break` ends the integration there.
///
/// # Errors
/// As [`dop853`].
pub fn dop853_observed<F: Flow + ?Sized>(
    flow: &mut F,
    span: Range<f64>,
    y0: &[f64],
    options: &Options,
    mut observer: impl FnMut(&Step<'_>) -> ControlFlow<()>,
) -> Result<Solution> {
    integrate(flow, &span, y0, options, true, &mut observer)
}

fn integrate<F: Flow + ?Sized>(
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
    let mut explicit = Explicit::new(flow, span, y0, options, dense);
    explicit.start(span.end)?;
    explicit.run(span.end, recorder)
}

struct Explicit<'a, F: ?Sized> {
    flow: &'a mut F,
    options: &'a Options,
    dense: bool,
    n: usize,
    t: f64,
    h: f64,
    y: Vec<f64>,
    /// y at the end of the step.
    next: Vec<f64>,
    /// f at the stages, one row after another; the first is f(t, y).
    stages: Vec<f64>,
    /// Arguments of f, and sums.
    work: Vec<f64>,
    columns: Vec<f64>,
    /// Reciprocals of the allowed errors.
    weights: Vec<f64>,
    sizes: Vec<f64>,
    statistics: Statistics,
}

impl<'a, F: Flow + ?Sized> Explicit<'a, F> {
    fn new(flow: &'a mut F, span: &Range<f64>, y0: &[f64], options: &'a Options, dense: bool) -> Self {
        let n = y0.len();
        let rows = if dense { NODES.len() } else { LAST + 1 };
        Explicit {
            flow,
            options,
            dense,
            n,
            t: span.start,
            h: 0.0,
            y: y0.to_vec(),
            next: vec![0.0; n],
            stages: vec![0.0; rows * n],
            work: vec![0.0; n],
            columns: if dense { vec![0.0; COLUMNS * n] } else { Vec::new() },
            weights: vec![0.0; n],
            sizes: vec![0.0; n],
            statistics: Statistics::default(),
        }
    }

    fn place(&self) -> Place {
        Place { method: "DOP853", t: self.t, h: self.h, order: ORDER }
    }

    fn start(&mut self, end: f64) -> Result<()> {
        let place = self.place();
        let (f, scratch) = self.stages.split_at_mut(self.n);
        evaluate(self.flow, self.t, &self.y, f, &mut self.statistics)
            .map_err(|Reject(reason)| place.failed(format_args!("{reason} at the start")))?;
        let scratch = [&mut scratch[..self.n], &mut self.next[..], &mut self.work[..], &mut self.weights[..]];
        let span = self.t..end;
        self.h = first_step(self.flow, &span, &self.y, f, self.options, &mut self.statistics, scratch);
        self.flow.sizes(self.t, &self.y, &mut self.sizes);
        Ok(())
    }

    fn run(mut self, end: f64, mut recorder: Recorder<'_>) -> Result<Solution> {
        let mut epoch = 0;
        let ended = loop {
            let t_old = self.t;
            let h = self.step(end)?;
            let columns = if self.dense { &self.columns[..] } else { &self.next[..] };
            let step = Step {
                t_old,
                t: self.t,
                epoch,
                order: ORDER,
                interpolant: Interpolant::Nested,
                dimension: self.n,
                columns,
            };
            if recorder.step(&step).is_break() {
                std::mem::swap(&mut self.y, &mut self.next);
                break Ended::Interrupted;
            }
            std::mem::swap(&mut self.y, &mut self.next);
            self.stages.copy_within(LAST * self.n..(LAST + 1) * self.n, 0);
            let action = self.flow.accepted(self.t, &mut self.y);
            if let Action::Rebase { scale, shift } = &action {
                self.rebase(*scale, shift)?;
                epoch += 1;
            }
            if action == Action::Stop {
                break Ended::Stopped;
            }
            if self.t >= end {
                break Ended::Horizon;
            }
            if action == Action::Modified {
                self.start(end)?;
                self.h = self.h.min(h);
            } else {
                self.flow.sizes(self.t, &self.y, &mut self.sizes);
            }
        };
        let Explicit { t, y, statistics, .. } = self;
        Ok(Solution { path: recorder.path, t, y, epoch, ended, statistics })
    }

    /// One accepted step; gives its length, and leaves in h the next.
    fn step(&mut self, end: f64) -> Result<f64> {
        let mut rejections = 0;
        let mut last = "";
        loop {
            let left = end - self.t;
            self.h = self.h.min(self.options.max_step);
            let landing = self.h >= 0.999 * left;
            if landing {
                self.h = left;
            }
            self.place().guard(self.options, landing, self.statistics.steps, rejections, last)?;
            let t_new = if landing { end } else { self.t + self.h };
            let factor = match self.attempt(t_new) {
                Ok(error) => {
                    // The exponent of theory/integrators.md (15); a step after a rejection does not grow.
                    let factor = 0.9 * error.max(1e-30).powf(-1.0 / ORDER as f64);
                    if error <= 1.0 && (!self.dense || self.interpolant().is_ok()) {
                        let h = self.h;
                        self.t = t_new;
                        self.h *= factor.clamp(0.2, if rejections > 0 { 1.0 } else { 6.0 });
                        self.statistics.steps += 1;
                        return Ok(h);
                    }
                    self.statistics.rejected += 1;
                    last = "the error of the step was too large";
                    if factor.is_finite() { factor.clamp(0.2, 0.9) } else { 0.2 }
                }
                Err(Reject(reason)) => {
                    self.statistics.newton_failures += 1;
                    last = reason;
                    if rejections < 4 { 0.5 } else { 0.1 }
                }
            };
            rejections += 1;
            self.h *= factor;
        }
    }

    /// The stages of a step, and its error relative to the tolerance.
    fn attempt(&mut self, t_new: f64) -> std::result::Result<f64, Reject> {
        for stage in 1..LAST {
            self.stage(stage)?;
        }
        let (h, n) = (self.h, self.n);
        combine(&mut self.next, Some(&self.y), h, &self.stages, STAGES[LAST - 1]);
        let f = &mut self.stages[LAST * n..(LAST + 1) * n];
        evaluate(self.flow, t_new, &self.next, f, &mut self.statistics)?;
        self.flow.sizes(t_new, &self.next, &mut self.weights);
        weigh(&mut self.weights, &self.sizes, self.options);
        combine(&mut self.work, None, h, &self.stages, FIFTH);
        let fifth = norm(&self.work, &self.weights);
        combine(&mut self.work, None, h, &self.stages, THIRD);
        let third = norm(&self.work, &self.weights);
        // theory/integrators.md (14).
        Ok(if fifth == 0.0 && third == 0.0 { 0.0 } else { fifth * (fifth / fifth.hypot(0.1 * third)) })
    }

    /// f at the given stage.
    fn stage(&mut self, stage: usize) -> std::result::Result<(), Reject> {
        combine(&mut self.work, Some(&self.y), self.h, &self.stages, STAGES[stage - 1]);
        let f = &mut self.stages[stage * self.n..(stage + 1) * self.n];
        evaluate(self.flow, self.t + NODES[stage] * self.h, &self.work, f, &mut self.statistics)
    }

    /// The columns of the dense output, theory/integrators.md (13).
    fn interpolant(&mut self) -> std::result::Result<(), Reject> {
        for stage in LAST + 1..NODES.len() {
            self.stage(stage)?;
        }
        let (h, n) = (self.h, self.n);
        let (first, last) = (&self.stages[..n], &self.stages[LAST * n..(LAST + 1) * n]);
        let (ends, rest) = self.columns.split_at_mut(4 * n);
        for i in 0..n {
            let change = self.next[i] - self.y[i];
            let bend = h * first[i] - change;
            ends[i] = self.next[i];
            ends[n + i] = -change;
            ends[2 * n + i] = bend;
            ends[3 * n + i] = change - h * last[i] - bend;
        }
        for (column, terms) in rest.chunks_exact_mut(n).zip(DENSE) {
            combine(column, None, h, &self.stages, terms);
        }
        Ok(())
    }

    /// The same flow in the variables scale·(y − shift).
    fn rebase(&mut self, scale: f64, shift: &[f64]) -> Result<()> {
        self.place().check_rebase(self.n, scale, shift)?;
        for (y, shift) in self.y.iter_mut().zip(shift) {
            *y = scale * (*y - shift);
        }
        self.stages[..self.n].iter_mut().for_each(|f| *f *= scale);
        Ok(())
    }
}

/// base + h Σ a_j k_j over the rows k_j of `stages`.
fn combine(out: &mut [f64], base: Option<&[f64]>, h: f64, stages: &[f64], terms: &[Term]) {
    let n = out.len();
    for start in (0..n).step_by(CHUNK) {
        let end = (start + CHUNK).min(n);
        let out = &mut out[start..end];
        out.fill(0.0);
        for &(j, a) in terms {
            for (out, k) in out.iter_mut().zip(&stages[j * n + start..j * n + end]) {
                *out += a * k;
            }
        }
        match base {
            Some(base) => out.iter_mut().zip(&base[start..end]).for_each(|(out, y)| *out = y + h * *out),
            None => out.iter_mut().for_each(|out| *out *= h),
        }
    }
}
