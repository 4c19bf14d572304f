//! The limit λ → 0 at fixed τ = λt: the whole transition is one curve, along which the observed entries stay
//! fitted and the multipliers are slaved (theory/completion.md (18), (19)).

use std::ops::ControlFlow;

use super::flow::CompletionFlow;
use super::inside::inside;
use super::march::March;
use super::solution::{Diagnostics, Solution};
use super::{Problem, RTOL, Record, Settings, Start};
use crate::error::{Error, Result};
use crate::linalg::Threads;
use crate::ode::{Ended, Flow, Options, Reject, bdf_observed, dop853_observed};

/// Residual, relative to the data, at which the fast phase is over.
const FITTED: f64 = 1e-11;
/// Steps of the slow flow: usually a hundred.
const MOST_STEPS: usize = 5000;
/// Where the smallest eigenvalue of the tangent kernel is below this part of the largest, the multipliers are noise.
const DETERMINED: f64 = 1e-6;
/// The fit from a small start is given so many times the usual time.
const LONG: f64 = 1e6;
/// Relative residual of the linear solve for the multipliers.
const CG_TOLERANCE: f64 = 1e-12;
/// Iterations above which the preconditioner is taken anew, and the size above which none is used.
const PATIENCE: usize = 12;
const MOST_DENSE: usize = 2000;

/// How the slow flow is solved.
#[derive(Clone, Debug, PartialEq)]
pub struct SlowSettings {
    /// The last τ = λt.
    pub horizon: f64,
    /// As [`Settings::rtol`].
    pub rtol: f64,
    pub rank_tolerance: f64,
    pub threads: Threads,
}

impl Default for SlowSettings {
    fn default() -> Self {
        SlowSettings { horizon: 6.0, rtol: 1e-8, rank_tolerance: 1e-6, threads: Threads::One }
    }
}

impl Problem {
    /// The slow flow, a function of τ = λt: it starts where the flow without decay ends, which is integrated
    /// first. The flow with decay λ differs from it by O(λ) at every fixed τ > 0.
    ///
    /// # Errors
    /// Settings out of range; [`Error::Numerical`] where an integration fails, or when the data cannot be
    /// fitted from this start.
    pub fn slow_flow(&self, settings: &SlowSettings) -> Result<Solution> {
        // Late, small eigenvalues of A are below the tolerance, and one that turns negative stops the integration:
        // a smaller tolerance then helps.
        let mut rtol = settings.rtol;
        loop {
            match self.slow_flow_at(&SlowSettings { rtol, ..settings.clone() }) {
                Err(Error::Numerical { .. }) if rtol >= 10.0 * RTOL.start() => rtol *= 0.1,
                done => return done,
            }
        }
    }

    /// The same at one tolerance.
    pub(super) fn slow_flow_at(&self, settings: &SlowSettings) -> Result<Solution> {
        let SlowSettings { horizon, rtol, rank_tolerance, threads } = *settings;
        let same =
            Settings { weight_decay: 1.0, horizon, rtol, rank_tolerance, threads, record: Record::Path };
        same.check(RTOL)?;
        if self.starts_small() {
            return self.slow_factors(&same);
        }
        let start = self.start()?;
        let y0 = self.fit(&start, settings)?;
        let mut flow =
            SlowFlow { inner: CompletionFlow::new(self, &start, 1.0, rtol, threads), x: Vec::new() };
        let mut solution = Solution::new(self, &flow.inner.pattern, &same, start.invariant)?;
        solution.slow = true;
        solution.push(0.0, &y0);
        let options = Options { rtol, record: false, max_steps: MOST_STEPS, ..Options::default() };
        let mut scratch = vec![0.0; y0.len()];
        let done = dop853_observed(&mut flow, 0.0..horizon, &y0, &options, |step| {
            for t in inside(step.t_old, step.t) {
                step.interpolate(t, &mut scratch);
                solution.push(t, &scratch);
            }
            solution.push(step.t, step.y());
            if solution.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        solution.kept()?;
        solution.ends_of_parts();
        let (statistics, invariant_drift) = (done.statistics, flow.inner.watch.drift);
        solution.set_diagnostics(Diagnostics { statistics, invariant_drift, repairs: 0 });
        flow.inner.final_check(done.t, &done.y)?;
        Ok(solution)
    }

    /// The slow flow of the factors, for small starts.
    fn slow_factors(&self, settings: &Settings) -> Result<Solution> {
        let mut march = March::new(self, 0.0, settings.rtol);
        let invariant = self.start()?.invariant;
        let mut solution = Solution::new(self, &march.flow.pattern, settings, invariant)?;
        solution.slow = true;
        let mut node = vec![0.0; solution.node_length()];
        let first = node.len() - march.flow.values.len();
        let size = march.flow.values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        let ended = march.run(LONG * self.default_horizon(0.0), &mut |stride, frame| {
            frame.node(stride.step.y(), &mut node);
            let largest = node[first..].iter().fold(0.0_f64, |m, s| m.max(s.abs()));
            if largest <= FITTED.max(0.1 * settings.rtol) * size {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        if ended != Ended::Interrupted {
            return Err(self.unfitted());
        }
        if let Some(evenness) = march.flow.evenness(&march.y)?.filter(|e| *e < DETERMINED) {
            return Err(Error::Parameter {
                name: "size of the start",
                value: self.size_of_start(),
                expected: format!(
                    "for the slow flow a start whose fit leaves all observed entries free to move: from this small one \
                     W fits the data at too low a rank, and the multipliers of (19) are undetermined (kernel's \
                     eigenvalues down to {evenness:.0e} of the largest); a flow with decay has no such trouble"
                ),
            });
        }
        march.slow_down(0.0);
        march.frame.node(&march.y, &mut node);
        solution.push_node(0.0, &node);
        slow_march(march, solution, settings.horizon)
    }

    fn unfitted(&self) -> Error {
        Error::Parameter {
            name: "size of the start",
            value: self.size_of_start(),
            expected: "for the slow flow a start from which the flow without decay fits the data in a reasonable time"
                .to_owned(),
        }
    }

    /// Where the flow without decay ends: observed entries fitted.
    fn fit(&self, start: &Start, settings: &SlowSettings) -> Result<Vec<f64>> {
        let mut flow = CompletionFlow::new(self, start, 0.0, settings.rtol, settings.threads);
        let y0 = flow.state(start);
        let observed = flow.pattern.packed.clone();
        let size = flow.values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        // The slowest observed entry is fitted at a rate of 8a²/n at least while A ⪰ 2a²I.
        let rate = 8.0 * start.invariant.size(0.0) / self.observations.count() as f64;
        let horizon = 1e6 / rate.max(1e-300);
        let options = Options { rtol: settings.rtol, record: false, ..Options::default() };
        let mut fitted = false;
        let mut done = bdf_observed(&mut flow, 0.0..horizon, &y0, &options, |step| {
            let largest = observed.iter().fold(0.0_f64, |m, &at| m.max(step.y()[at].abs()));
            // Far from zero at entries that are not seen, W has its rounding there.
            let all = step.y()[..step.y().len() / 2].iter().fold(size, |m, w| m.max(w.abs()));
            let rounding = if all > 10.0 * size { 1e-2 * settings.rtol * all } else { 0.0 };
            fitted = largest <= rounding.max(FITTED * size);
            if fitted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if !fitted {
            return Err(self.unfitted());
        }
        observed.iter().for_each(|&at| done.y[at] = 0.0);
        Ok(done.y)
    }
}

/// The slow flow of factors from where they are to the horizon.
fn slow_march(mut march: March<'_>, mut solution: Solution, horizon: f64) -> Result<Solution> {
    let mut node = vec![0.0; solution.node_length()];
    let mut scratch = vec![0.0; march.y.len()];
    let mut steps = 0;
    let ended = march.run(horizon, &mut |stride, frame| {
        let step = stride.step;
        for t in inside(step.t_old, step.t) {
            step.interpolate(t, &mut scratch);
            frame.node(&scratch, &mut node);
            solution.push_node(t, &node);
        }
        frame.node(step.y(), &mut node);
        solution.push_node(step.t, &node);
        solution.ends_of_parts();
        steps += 1;
        match steps < MOST_STEPS && !solution.is_full() {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    })?;
    solution.kept()?;
    if ended != Ended::Horizon {
        let detail = format!("at τ = {:e}: more than {MOST_STEPS} steps", march.t);
        return Err(Error::Numerical { method: "slow flow", detail });
    }
    solution.set_diagnostics(Diagnostics {
        statistics: march.statistics,
        invariant_drift: march.flow.watch.drift(),
        repairs: 0,
    });
    Ok(solution)
}

/// W' = −{S, A} − 2W and A' = −{S, W} − 2A in τ, with S on the observed pairs such that W does not move there.
struct SlowFlow {
    inner: CompletionFlow,
    x: Vec<f64>,
}

impl Flow for SlowFlow {
    fn dimension(&self) -> usize {
        self.inner.dimension()
    }

    fn rhs(&mut self, _t: f64, y: &[f64], dy: &mut [f64]) -> std::result::Result<(), Reject> {
        self.inner.read(y);
        self.x.clear();
        self.x.extend(self.inner.values.iter().map(|value| -2.0 * value));
        let kernel = &mut self.inner.kernel;
        let few = self.x.len() <= MOST_DENSE;
        let solved = kernel.solve(0.0, 1.0, CG_TOLERANCE, &mut self.x);
        if few && (solved.is_err() || kernel.iterations > PATIENCE) {
            kernel.precondition_by_itself()?;
            self.x.clear();
            self.x.extend(self.inner.values.iter().map(|value| -2.0 * value));
            kernel.solve(0.0, 1.0, CG_TOLERANCE, &mut self.x)?;
        } else {
            solved?;
        }
        self.inner.slope(&self.x, y, dy);
        for &at in &self.inner.pattern.packed {
            dy[at] = 0.0;
        }
        Ok(())
    }

    fn sizes(&self, t: f64, y: &[f64], sizes: &mut [f64]) {
        self.inner.sizes(t, y, sizes);
    }
}
