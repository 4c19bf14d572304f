//! The march of the factors: explicit while directions grow, implicit once observed entries are held against the
//! decay; from epoch to epoch with columns that are orthogonal again.

use std::ops::ControlFlow;

use ndarray::{Array2, ArrayView2, linalg::general_mat_mul};

use super::Problem;
use super::factors::FactorFlow;
use super::symmetric::packed_index;
use crate::data::observations::Pair;
use crate::error::{Error, Result};
use crate::ode::{Ended, Options, Statistics, Step, bdf_observed, dop853_observed};

/// The factors are integrated to this part of the tolerance: in the escape from a small start an error grows as the
/// direction does.
const STRICTER: f64 = 0.05;
/// Below it rounding decides.
const STRICTEST: f64 = 1e-13;
/// More epochs than this come from a flow that does not settle.
const MOST_EPOCHS: usize = 20_000;

/// The columns of one epoch: what makes W of a state.
pub(super) struct Frame<'p> {
    pairs: &'p [Pair],
    d: usize,
    pub widths: [usize; 2],
    gains: [Vec<f64>; 2],
    scaled: [Vec<f64>; 2],
    full: Array2<f64>,
    /// Observed entries are at their values, as in a slow flow.
    fitted: bool,
}

impl<'p> Frame<'p> {
    pub fn new(problem: &'p Problem, flow: &FactorFlow) -> Frame<'p> {
        let d = problem.dimension();
        let widths = [0, 1].map(|k| flow.factors[k].width);
        Frame {
            pairs: problem.observations.pairs(),
            d,
            widths,
            gains: flow.gains.clone(),
            scaled: widths.map(|k| vec![0.0; d * k]),
            full: Array2::zeros((d, d)),
            fitted: false,
        }
    }

    fn renew(&mut self, flow: &FactorFlow) {
        self.gains.clone_from(&flow.gains);
    }

    /// A node of a solution: the packed W, the trace of A, the residuals at the observed pairs.
    pub fn node(&mut self, y: &[f64], w: &mut [f64]) {
        let (u, v) = y.split_at(self.d * self.widths[0]);
        let mut trace = 0.0;
        let mut keep = 0.0;
        for (k, (part, sign)) in [(u, 1.0), (v, -1.0)].into_iter().enumerate() {
            let (scaled, width) = (&mut self.scaled[k], self.widths[k]);
            for (to, from) in scaled.chunks_exact_mut(width.max(1)).zip(part.chunks_exact(width.max(1))) {
                for ((to, from), gain) in to.iter_mut().zip(from).zip(&self.gains[k]) {
                    *to = from * gain;
                    trace += *to * from;
                }
            }
            let view = |x| ArrayView2::from_shape((self.d, width), x).expect("d rows");
            general_mat_mul(sign, &view(scaled), &view(part).t(), keep, &mut self.full);
            keep = 1.0;
        }
        for i in 0..self.d {
            for j in 0..=i {
                w[packed_index(i, j)] = self.full[(i, j)];
            }
        }
        let (w, rest) = w.split_at_mut(packed_index(self.d, 0));
        rest[0] = trace;
        for (residual, p) in rest[1..].iter_mut().zip(self.pairs) {
            let entry = &mut w[packed_index(p.row, p.column)];
            if self.fitted {
                *entry = p.value;
            }
            *residual = *entry - p.value;
        }
    }
}

/// Where a march is.
pub(super) struct March<'p> {
    pub flow: FactorFlow,
    pub frame: Frame<'p>,
    pub t: f64,
    pub y: Vec<f64>,
    pub statistics: Statistics,
    rtol: f64,
}

/// A step as an observer of a march sees it.
#[derive(Clone, Copy)]
pub(super) struct Stride<'a> {
    pub step: &'a Step<'a>,
    /// Of the explicit method.
    pub explicit: bool,
    /// The first of a run of the integrator.
    pub first: bool,
}

pub(super) type Observer<'a, 'p> = &'a mut dyn FnMut(Stride<'_>, &mut Frame<'p>) -> ControlFlow<()>;

impl<'p> March<'p> {
    /// From the start of the problem.
    pub fn new(problem: &'p Problem, weight_decay: f64, rtol: f64) -> March<'p> {
        let (u, v) = problem.factors();
        March::from(problem, (0.0, [&u, &v]), weight_decay, rtol)
    }

    /// From factors at a time.
    pub fn from(
        problem: &'p Problem,
        (t, factors): (f64, [&Array2<f64>; 2]),
        weight_decay: f64,
        rtol: f64,
    ) -> March<'p> {
        let (tolerance, rtol) = (rtol, (STRICTER * rtol).max(STRICTEST));
        let (flow, y) = FactorFlow::new(problem, (t, factors), weight_decay, (rtol, tolerance));
        let frame = Frame::new(problem, &flow);
        March { flow, frame, t, y, statistics: Statistics::default(), rtol }
    }

    /// From here on the slow flow, at time t of its own clock.
    pub fn slow_down(&mut self, t: f64) {
        self.t = t;
        self.flow.slow_down(t, &mut self.y);
        self.frame.renew(&self.flow);
        self.frame.fitted = true;
    }

    /// Integrates up to the horizon, or until the observer breaks.
    ///
    /// # Errors
    /// An integration that fails, a breach of what the flow conserves.
    pub fn run(&mut self, horizon: f64, observer: Observer<'_, 'p>) -> Result<Ended> {
        let mut first_step = None;
        for _ in 0..MOST_EPOCHS {
            let options = Options { rtol: self.rtol, record: false, first_step, ..Options::default() };
            let (span, explicit) = (self.t..horizon, self.flow.explicit);
            let (mut steps, mut broken, mut h) = (0, false, None);
            let mut watched = |step: &Step<'_>| {
                steps += 1;
                h = Some(step.t - step.t_old);
                let stride = Stride { step, explicit, first: steps == 1 };
                broken = observer(stride, &mut self.frame).is_break();
                if broken { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let done = match explicit {
                true => dop853_observed(&mut self.flow, span, &self.y, &options, &mut watched)?,
                false => bdf_observed(&mut self.flow, span, &self.y, &options, &mut watched)?,
            };
            self.t = done.t;
            self.y = done.y;
            self.add(&done.statistics);
            if let Some(detail) = self.flow.watch.breach.take() {
                return Err(Error::Numerical { method: "completion flow", detail });
            }
            if broken {
                return Ok(Ended::Interrupted);
            }
            if done.ended == Ended::Horizon || self.t >= horizon {
                return Ok(Ended::Horizon);
            }
            self.flow.explicit &= !self.flow.stiff;
            self.flow.stiff = false;
            self.flow.renew(self.t, &mut self.y);
            self.frame.renew(&self.flow);
            first_step = h.filter(|_| self.flow.explicit);
        }
        let detail =
            format!("at t = {:e}: the directions keep growing apart after {MOST_EPOCHS} epochs", self.t);
        Err(Error::Numerical { method: "completion flow", detail })
    }

    /// Counts what another integration cost.
    pub fn add(&mut self, more: &Statistics) {
        let sum = &mut self.statistics;
        sum.steps += more.steps;
        sum.rejected += more.rejected;
        sum.rhs += more.rhs;
        sum.jacobians += more.jacobians;
        sum.factorisations += more.factorisations;
        sum.solves += more.solves;
        sum.newton_failures += more.newton_failures;
    }
}
