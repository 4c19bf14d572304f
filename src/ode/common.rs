//! What the integrators share: options, statistics, the first step, norms, recording.

use std::fmt;
use std::ops::{ControlFlow, Range};

use super::path::{Path, Step};
use super::{Flow, Reject};
use crate::error::{Error, Result, check, check_finite};
use crate::linalg::vectorised;

/// How to integrate. The error of each step is kept below `atol + rtol·size` in the root mean square over the
/// unknowns, with the sizes of [`Flow::sizes`].
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Relative tolerance, in [1e-14, 0.1]. The global error is proportional to it, with a factor that
    /// depends on how the flow amplifies errors.
    pub rtol: f64,
    /// Absolute tolerance; zero is right where small values matter.
    pub atol: f64,
    /// Highest order of [`bdf`](super::bdf), 1 to 5.
    pub max_order: usize,
    /// First step; by default from the sizes of y' and y''.
    pub first_step: Option<f64>,
    /// Largest step.
    pub max_step: f64,
    /// Smallest step relative to |t|: below it the integration has failed.
    pub min_step: f64,
    /// Largest number of accepted steps; [`bdf`](super::bdf) also gives up after as many attempts in vain.
    pub max_steps: usize,
    /// Largest number of rejections in a row.
    pub max_rejections: usize,
    /// Error allowed in the solution of an implicit step, relative to the tolerance.
    pub newton_tolerance: f64,
    /// Whether to keep the [`Path`].
    pub record: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            rtol: 1e-8,
            atol: 0.0,
            max_order: 5,
            first_step: None,
            max_step: f64::INFINITY,
            min_step: 4.0 * f64::EPSILON,
            max_steps: 1_000_000,
            max_rejections: 100,
            newton_tolerance: 0.05,
            record: true,
        }
    }
}

impl Options {
    /// Checks the options and the initial value problem.
    pub(super) fn check(&self, span: &Range<f64>, y0: &[f64], dimension: usize) -> Result<()> {
        check("rtol", self.rtol, |x| (1e-14..=0.1).contains(&x), "a number in [1e-14, 0.1]")?;
        check("atol", self.atol, |x| x >= 0.0, "a number ≥ 0")?;
        check("max_order", self.max_order as f64, |x| (1.0..=5.0).contains(&x), "an order from 1 to 5")?;
        if let Some(h) = self.first_step {
            check("first_step", h, |x| x > 0.0, "a number > 0")?;
        }
        // Infinite is allowed here.
        let longest = if self.max_step == f64::INFINITY { f64::MAX } else { self.max_step };
        check("max_step", longest, |x| x > 0.0, "a number > 0")?;
        check("min_step", self.min_step, |x| (f64::EPSILON..1.0).contains(&x), "a number in [2⁻⁵², 1)")?;
        check("newton_tolerance", self.newton_tolerance, |x| x > 0.0 && x < 1.0, "a number in (0, 1)")?;
        check("start", span.start, |_| true, "a finite time")?;
        check("end", span.end, |x| x > span.start, &format!("a time after the start {}", span.start))?;
        crate::error::check_shape("y0", &[y0.len()], &[dimension], "the dimension of the flow")?;
        check_finite("y0", ndarray::ArrayView1::from(y0))
    }
}

/// What an integration cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Accepted steps.
    pub steps: usize,
    /// Steps whose error was too large.
    pub rejected: usize,
    /// Right-hand sides.
    pub rhs: usize,
    /// [`refresh`](super::StiffFlow::refresh)es.
    pub jacobians: usize,
    /// [`factor`](super::StiffFlow::factor)s.
    pub factorisations: usize,
    /// [`solve`](super::StiffFlow::solve)s.
    pub solves: usize,
    /// Implicit steps that were not solved, or had no value.
    pub newton_failures: usize,
}

/// Why an integration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It reached the end of its span.
    Horizon,
    /// The flow asked for it ([`Action::Stop`](super::Action::Stop)).
    Stopped,
    /// The observer asked for it.
    Interrupted,
}

/// The result of an integration.
#[derive(Clone, Debug)]
pub struct Solution {
    /// y as a function of time; empty without [`Options::record`].
    pub path: Path,
    /// The last time.
    pub t: f64,
    /// The state there, after the flow's last [`accepted`](Flow::accepted).
    pub y: Vec<f64>,
    /// Number of [`Action::Rebase`](super::Action::Rebase)s and [`Action::Restart`](super::Action::Restart)s: the
    /// variables that `y` is in, and the time that `t` is counted in.
    pub epoch: usize,
    pub ended: Ended,
    pub statistics: Statistics,
}

/// Where the steps go: the path and the observer.
pub(super) struct Recorder<'a> {
    pub path: Path,
    pub record: bool,
    pub observer: &'a mut dyn FnMut(&Step<'_>) -> ControlFlow<()>,
}

impl Recorder<'_> {
    pub fn step(&mut self, step: &Step<'_>) -> ControlFlow<()> {
        if self.record {
            self.path.push(step);
        }
        (self.observer)(step)
    }
}

/// Where an integration is, for the messages of errors.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub method: &'static str,
    pub t: f64,
    pub h: f64,
    pub order: usize,
}

impl Place {
    pub fn failed(&self, because: impl fmt::Display) -> Error {
        let Place { method, t, h, order } = *self;
        Error::Numerical { method, detail: format!("at t = {t:e}, step h = {h:e}, order {order}: {because}") }
    }

    /// Whether the new variables that a flow asked for make sense.
    pub fn check_rebase(&self, n: usize, scale: f64, shift: &[f64]) -> Result<()> {
        if shift.len() == n && scale != 0.0 && scale.is_finite() {
            return Ok(());
        }
        let entries = shift.len();
        Err(self.failed(format_args!(
            "the flow asked for new variables with scale {scale} and a shift of {entries} entries, expected {n}"
        )))
    }

    /// The guards that keep an integration from hanging.
    pub fn guard(
        &self,
        options: &Options,
        landing: bool,
        steps: usize,
        rejections: usize,
        last: &'static str,
    ) -> Result<()> {
        let long_enough = self.h > options.min_step * self.t.abs() && self.t + self.h > self.t;
        if !(long_enough || landing) {
            let reason = if rejections > 0 { last } else { "the error control asked for it" };
            return Err(self.failed(format_args!("the step is below the smallest allowed ({reason})")));
        }
        if rejections > options.max_rejections {
            return Err(
                self.failed(format_args!("{rejections} rejections in a row, the last because {last}"))
            );
        }
        if steps >= options.max_steps {
            return Err(self.failed(format_args!("more than {} steps", options.max_steps)));
        }
        Ok(())
    }
}

/// f(t, y), finite.
pub(super) fn evaluate<F: Flow + ?Sized>(
    flow: &mut F,
    t: f64,
    y: &[f64],
    dy: &mut [f64],
    statistics: &mut Statistics,
) -> std::result::Result<(), Reject> {
    statistics.rhs += 1;
    flow.rhs(t, y, dy)?;
    if is_finite(dy) { Ok(()) } else { Err(Reject("the right-hand side is not finite")) }
}

/// x·0 is NaN exactly when x is not finite, and a sum of it vectorises.
fn is_finite(values: &[f64]) -> bool {
    values.chunks(1024).all(|chunk| sum(chunk, |x| x * 0.0) == 0.0)
}

/// Σ f(x_i) in a fixed order that vectorises.
fn sum(values: &[f64], f: impl Fn(f64) -> f64) -> f64 {
    let mut lanes = [0.0; 8];
    let chunks = values.chunks_exact(8);
    let rest: f64 = chunks.remainder().iter().map(|&x| f(x)).sum();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane += f(x);
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// Root mean square of v_i·w_i, theory/integrators.md (1).
pub(super) fn norm(v: &[f64], w: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (vs, ws) = (v.chunks_exact(8), w.chunks_exact(8));
    let rest: f64 = vs.remainder().iter().zip(ws.remainder()).map(|(v, w)| (v * w) * (v * w)).sum();
    for (v, w) in vs.zip(ws) {
        for ((lane, v), w) in lanes.iter_mut().zip(v).zip(w) {
            *lane += (v * w) * (v * w);
        }
    }
    ((lanes.iter().sum::<f64>() + rest) / v.len().max(1) as f64).sqrt()
}

/// Turns sizes into the reciprocals of allowed errors.
pub(super) fn weigh(weights: &mut [f64], old_sizes: &[f64], options: &Options) {
    let Options { atol, rtol, .. } = *options;
    vectorised(
        #[inline(always)]
        || {
            for (w, &old) in weights.iter_mut().zip(old_sizes) {
                // An unknown that is and stays zero allows (almost) no error, but has none.
                *w = 1.0 / (atol + rtol * w.max(old)).max(1e-300);
            }
        },
    );
}

/// A first step for which a method of order one is as accurate as asked, theory/integrators.md (9), (10).
///
/// `scratch` holds four vectors of the dimension.
pub(super) fn first_step<F: Flow + ?Sized>(
    flow: &mut F,
    span: &Range<f64>,
    y0: &[f64],
    f0: &[f64],
    options: &Options,
    statistics: &mut Statistics,
    scratch: [&mut [f64]; 4],
) -> f64 {
    let length = span.end - span.start;
    let longest = length.min(options.max_step).min(flow.longest(span.start));
    if let Some(h) = options.first_step {
        return h.min(longest);
    }
    let [y, f, old_sizes, weights] = scratch;
    flow.sizes(span.start, y0, old_sizes);

    // y'' from the change of f over a time in which it matters little for y, but is more than rounding.
    let (largest_y, largest_f) = (largest(y0), largest(f0));
    let mut delta = 1e-6 * length;
    let mut shrunk = false;
    // Time scales may be 10²⁰⁰ apart (a start of α = 10⁶⁴): many shortenings, each one right-hand side.
    for _ in 0..120 {
        if delta <= 4.0 * f64::EPSILON * span.start.abs() || delta < 1e-290 {
            break;
        }
        shifted(y, y0, f0, delta);
        if evaluate(flow, span.start + delta, y, f, statistics).is_err() {
            f.fill(0.0);
            delta *= 1e-4;
            shrunk = true;
            continue;
        }
        f.iter_mut().zip(f0).for_each(|(f, f0)| *f -= f0);
        let change = largest(f);
        let matters = delta * change / largest_y.max(delta * largest_f);
        if matters > 0.1 {
            delta *= (0.01 / matters).sqrt().max(1e-6);
            shrunk = true;
        } else if change < 1e-8 * largest_f && !shrunk && delta < longest {
            delta = (1e3 * delta).min(longest);
        } else {
            break;
        }
    }
    if largest(f) == 0.0 {
        // f does not change: the error control has the next word.
        return 1e-3 * longest;
    }

    // h²‖y''‖/2 = 1 in the norm whose weights depend on h; with y(0) = 0 they are proportional to it.
    let mut h = delta;
    for _ in 0..20 {
        shifted(y, y0, f0, h);
        flow.sizes(span.start + h, y, weights);
        weigh(weights, old_sizes, options);
        let error = 0.5 * h * h / delta * norm(f, weights);
        if !(error > 0.0 && error.is_finite()) {
            h = 1e-3 * delta;
            continue;
        }
        let factor = error.sqrt().recip();
        h = (h * factor).min(longest);
        if (0.8..1.25).contains(&factor) {
            break;
        }
    }
    (0.5 * h).max(4.0 * options.min_step * span.start.abs()).min(longest)
}

fn largest(v: &[f64]) -> f64 {
    v.iter().fold(0.0_f64, |m, x| m.max(x.abs()))
}

/// y0 + h f0.
fn shifted(y: &mut [f64], y0: &[f64], f0: &[f64], h: f64) {
    for ((y, y0), f0) in y.iter_mut().zip(y0).zip(f0) {
        *y = y0 + h * f0;
    }
}
