//! The explicit Runge-Kutta method of order 8 of Dormand and Prince (DOP853), with dense output of order 7.
//!
//! E. Hairer, S. P. Nørsett, G. Wanner, *Solving Ordinary Differential Equations I*, second edition, II.5, II.10.

mod coefficients;

use std::ops::{ControlFlow, Range};

use super::common::{Place, evaluate, first_step, norm, weigh};
use super::one_step::{March, OneStep, integrate};
use super::path::{CHUNK, Step};
use super::{Flow, Options, Reject, Solution};
use crate::error::Result;
use coefficients::{DENSE, FIFTH, NODES, STAGES, THIRD, Term};

/// f at the end of the step: the thirteenth stage, and the first of the next step.
const LAST: usize = 12;

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
    let method = Dop853::new(y0.len(), options.record);
    integrate(method, flow, &span, y0, options, options.record, &mut |_| ControlFlow::Continue(()))
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
    integrate(Dop853::new(y0.len(), true), flow, &span, y0, options, true, &mut observer)
}

struct Dop853 {
    n: usize,
    /// f at the stages, one row after another; the first is f(t, y).
    stages: Vec<f64>,
    /// Arguments of f, and sums.
    work: Vec<f64>,
}

impl Dop853 {
    fn new(n: usize, dense: bool) -> Dop853 {
        let rows = if dense { NODES.len() } else { LAST + 1 };
        Dop853 { n, stages: vec![0.0; rows * n], work: vec![0.0; n] }
    }

    /// f at the given stage.
    fn stage<F: Flow + ?Sized>(
        &mut self,
        march: &mut March<'_, F>,
        stage: usize,
    ) -> std::result::Result<(), Reject> {
        let March { flow, t, h, y, statistics, .. } = march;
        combine(&mut self.work, Some(y), *h, &self.stages, STAGES[stage - 1]);
        let f = &mut self.stages[stage * self.n..(stage + 1) * self.n];
        evaluate(*flow, *t + NODES[stage] * *h, &self.work, f, statistics)
    }
}

impl<F: Flow + ?Sized> OneStep<F> for Dop853 {
    const NAME: &'static str = "DOP853";
    const ORDER: usize = 8;
    const COLUMNS: usize = 8;

    fn start(&mut self, march: &mut March<'_, F>, place: Place, end: f64) -> Result<()> {
        let March { flow, options, t, h, y, next, weights, statistics, .. } = march;
        let (f, scratch) = self.stages.split_at_mut(self.n);
        evaluate(*flow, *t, y, f, statistics)
            .map_err(|Reject(reason)| place.failed(format_args!("{reason} at the start")))?;
        let scratch = [&mut scratch[..self.n], &mut next[..], &mut self.work[..], &mut weights[..]];
        *h = first_step(*flow, &(*t..end), y, f, options, statistics, scratch);
        Ok(())
    }

    fn attempt(&mut self, march: &mut March<'_, F>, t_new: f64) -> std::result::Result<f64, Reject> {
        for stage in 1..LAST {
            self.stage(march, stage)?;
        }
        let n = self.n;
        let March { flow, options, h, y, next, weights, sizes, statistics, .. } = march;
        let h = *h;
        combine(next, Some(y), h, &self.stages, STAGES[LAST - 1]);
        evaluate(*flow, t_new, next, &mut self.stages[LAST * n..(LAST + 1) * n], statistics)?;
        flow.sizes(t_new, next, weights);
        weigh(weights, sizes, options);
        combine(&mut self.work, None, h, &self.stages, FIFTH);
        let fifth = norm(&self.work, weights);
        combine(&mut self.work, None, h, &self.stages, THIRD);
        let third = norm(&self.work, weights);
        // theory/integrators.md (14).
        Ok(if fifth == 0.0 && third == 0.0 { 0.0 } else { fifth * (fifth / fifth.hypot(0.1 * third)) })
    }

    /// theory/integrators.md (13).
    fn interpolate(&mut self, march: &mut March<'_, F>) -> std::result::Result<(), Reject> {
        for stage in LAST + 1..NODES.len() {
            self.stage(march, stage)?;
        }
        let n = self.n;
        march.hermite(&self.stages[..n], &self.stages[LAST * n..(LAST + 1) * n]);
        let rest = &mut march.columns[4 * n..];
        for (column, terms) in rest.chunks_exact_mut(n).zip(DENSE) {
            combine(column, None, march.h, &self.stages, terms);
        }
        Ok(())
    }

    /// theory/integrators.md (15).
    fn growth(&mut self, error: f64, _h: f64, after_rejection: bool) -> f64 {
        factor(error).clamp(0.2, if after_rejection { 1.0 } else { 6.0 })
    }

    fn shrinkage(error: f64) -> f64 {
        let factor = factor(error);
        if factor.is_finite() { factor.clamp(0.2, 0.9) } else { 0.2 }
    }

    fn advance(&mut self) {
        self.stages.copy_within(LAST * self.n..(LAST + 1) * self.n, 0);
    }

    fn slope(&mut self) -> &mut [f64] {
        &mut self.stages[..self.n]
    }
}

fn factor(error: f64) -> f64 {
    0.9 * error.max(1e-30).powf(-1.0 / 8.0)
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
