//! From a problem to a solved path: in W and A from a large start, in the factors from a small one.

use std::ops::ControlFlow;

use super::flow::CompletionFlow;
use super::graded::Graded;
use super::inside::{Growth, inside};
use super::march::{March, Stride};
use super::solution::{Diagnostics, Solution};
use super::symmetric::packed_index;
use super::{Init, Problem, RTOL, Record, Settings};
use crate::error::{Error, Result};
use crate::ode::{Ended, Options, bdf_observed};

/// From a start whose UUᵀ and VVᵀ are below so many times the largest value seen the factors are integrated.
/// Above, W = UUᵀ − VVᵀ would lose digits to cancellation; far below, W and A lose the small eigenvalues.
const SMALL_START: f64 = 1.0;
/// Singular values of U(0) or V(0) further apart than this count as a lower rank.
const UNEVEN: f64 = 100.0;

type Progress<'a> = &'a mut dyn FnMut(f64) -> ControlFlow<()>;

impl Problem {
    /// Integrates the flow from time 0 to the horizon.
    ///
    /// # Errors
    /// Settings out of range; [`Error::Numerical`] where the integration fails or an invariant is lost, at this and at
    /// smaller tolerances.
    pub fn flow(&self, settings: &Settings) -> Result<Solution> {
        self.flow_observed(settings, |_| ControlFlow::Continue(()))
    }

    /// [`Problem::flow`] that reports the time after each step; `Break` ends it with an error.
    ///
    /// # Errors
    /// As [`Problem::flow`]; [`Error::Numerical`] when interrupted.
    pub fn flow_observed(
        &self,
        settings: &Settings,
        mut progress: impl FnMut(f64) -> ControlFlow<()>,
    ) -> Result<Solution> {
        let mut interrupted = false;
        let mut rtol = settings.rtol;
        loop {
            let watched = |t| {
                let go_on = progress(t);
                interrupted = go_on.is_break();
                go_on
            };
            match self.integrate(&Settings { rtol, ..settings.clone() }, RTOL, watched) {
                // Eigenvalues that fell by many orders of magnitude may be lost to the tolerance: a smaller one then helps.
                Err(Error::Numerical { .. }) if !interrupted && rtol >= 10.0 * RTOL.start() => rtol *= 0.1,
                done => return done,
            }
        }
    }

    pub(super) fn integrate(
        &self,
        settings: &Settings,
        range: std::ops::RangeInclusive<f64>,
        mut progress: impl FnMut(f64) -> ControlFlow<()>,
    ) -> Result<Solution> {
        settings.check(range)?;
        match self.starts_small() {
            true => self.integrate_factors(settings, &mut progress),
            false => self.integrate_closed(settings, &mut progress),
        }
    }

    /// max |y|.
    pub(super) fn largest_value(&self) -> f64 {
        self.observations.pairs().iter().fold(0.0_f64, |m, p| m.max(p.value.abs()))
    }

    /// Whether the factors are what is integrated: where the start is small beside the data, or of lower rank than
    /// W and A could keep.
    pub(super) fn starts_small(&self) -> bool {
        let (u, v) = self.factors();
        // The largest row of UUᵀ is between its largest eigenvalue and a d-th part of it.
        let square = |f: &ndarray::Array2<f64>| {
            f.rows().into_iter().map(|r| r.iter().map(|x| x * x).sum::<f64>()).fold(0.0, f64::max)
        };
        if square(&u).max(square(&v)) <= SMALL_START * self.largest_value() {
            return true;
        }
        let uneven = |factor: &ndarray::Array2<f64>| {
            let scales = Graded::new(factor).0.log_scales;
            scales.len() < factor.nrows() || scales[0] - scales[scales.len() - 1] > UNEVEN.ln()
        };
        matches!(self.init, Init::Factors { .. }) && (uneven(&u) || uneven(&v))
    }

    /// The flow of W and A.
    fn integrate_closed(&self, settings: &Settings, progress: Progress<'_>) -> Result<Solution> {
        let start = self.start()?;
        let (decay, rtol) = (settings.weight_decay, settings.rtol);
        let mut flow = CompletionFlow::new(self, &start, decay, rtol, settings.threads);
        let y0 = flow.state(&start);
        let mut solution = Solution::new(self, &flow.pattern, settings, start.invariant)?;
        let mut recorder = Recorder::new(settings);
        if recorder.path || recorder.due(0.0).is_some() {
            solution.push(0.0, &y0);
        }
        let options = Options { rtol, record: false, ..Options::default() };
        let mut between = vec![0.0; y0.len()];
        let (largest, d, length) = (self.largest_value(), self.dimension(), y0.len() / 2);
        let (mut small, mut growth) = (false, Growth::default());
        let done = bdf_observed(&mut flow, 0.0..settings.horizon, &y0, &options, |step| {
            if recorder.path {
                if let Some(times) = growth.inside(step.t_old, step.t) {
                    solution.begin();
                    for t in times {
                        step.interpolate(t, &mut between);
                        solution.push(t, &between);
                    }
                }
                solution.push(step.t, step.y());
            }
            while let Some(t) = recorder.due(step.t) {
                step.interpolate(t, &mut between);
                solution.push(t, &between);
            }
            let a = (0..d).map(|i| step.y()[length + packed_index(i, i)]).fold(0.0, f64::max);
            small = a < 0.5 * largest && step.t < settings.horizon;
            if small || solution.is_full() { ControlFlow::Break(()) } else { progress(step.t) }
        })?;
        solution.kept()?;
        if let Some(breach) = flow.monitor.breach.take() {
            return Err(failed(breach));
        }
        if small {
            // The decay won: what is left is small beside the data, as from a small start.
            let factors = flow.factors(done.t, &done.y)?;
            let march = March::from(self, (done.t, [&factors[0], &factors[1]]), decay, rtol);
            solution.set_diagnostics(Diagnostics {
                statistics: done.statistics,
                invariant_drift: flow.watch.drift,
                repairs: flow.watch.repairs,
            });
            solution.begin_parts();
            return self.march_on(march, solution, recorder, settings, progress);
        }
        if flow.failed() || done.ended == Ended::Interrupted {
            let reason = match done.ended {
                Ended::Interrupted => "interrupted",
                _ => "the invariant ‖A‖² − ‖W‖² of the flow was lost: ask for a smaller rtol",
            };
            return Err(failed(format!("at t = {:e}: {reason}", done.t)));
        }
        flow.final_check(done.t, &done.y)?;
        solution.set_diagnostics(Diagnostics {
            statistics: done.statistics,
            invariant_drift: flow.watch.drift,
            repairs: flow.watch.repairs,
        });
        Ok(solution)
    }

    /// The flow of the factors.
    fn integrate_factors(&self, settings: &Settings, progress: Progress<'_>) -> Result<Solution> {
        let march = March::new(self, settings.weight_decay, settings.rtol);
        let solution = Solution::new(self, &march.flow.pattern, settings, self.start()?.invariant)?;
        self.march_on(march, solution, Recorder::new(settings), settings, progress)
    }

    /// Factors from where they are to the horizon.
    fn march_on<'p>(
        &'p self,
        mut march: March<'p>,
        mut solution: Solution,
        mut recorder: Recorder,
        settings: &Settings,
        progress: Progress<'_>,
    ) -> Result<Solution> {
        let mut packed = vec![0.0; solution.node_length()];
        let mut between = vec![0.0; march.y.len()];
        if march.t == 0.0 && (recorder.path || recorder.due(0.0).is_some()) {
            march.frame.node(&march.y, &mut packed);
            solution.push_node(0.0, &packed);
        }
        let mut growth = Growth::default();
        let done = march.run(settings.horizon, &mut |Stride { step, explicit, first }, frame| {
            let long = if explicit { None } else { growth.inside(step.t_old, step.t) };
            if recorder.path && (first || long.is_some()) {
                solution.begin();
            }
            let mut push = |t: f64, y: &[f64]| {
                frame.node(y, &mut packed);
                solution.push_node(t, &packed);
            };
            if recorder.path {
                let parts = explicit.then(|| inside(step.t_old, step.t));
                for t in parts.into_iter().flatten().chain(long.into_iter().flatten()) {
                    step.interpolate(t, &mut between);
                    push(t, &between);
                }
                push(step.t, step.y());
            }
            while let Some(t) = recorder.due(step.t) {
                step.interpolate(t, &mut between);
                push(t, &between);
            }
            if recorder.path && explicit {
                solution.ends_of_parts();
            }
            if solution.is_full() { ControlFlow::Break(()) } else { progress(step.t) }
        })?;
        solution.kept()?;
        if done != Ended::Horizon {
            return Err(failed(format!("at t = {:e}: interrupted", march.t)));
        }
        let before = solution.diagnostics();
        march.add(&before.statistics);
        solution.set_diagnostics(Diagnostics {
            statistics: march.statistics,
            invariant_drift: before.invariant_drift.max(march.flow.watch.drift()),
            repairs: before.repairs,
        });
        Ok(solution)
    }
}

/// Which times are kept.
struct Recorder {
    path: bool,
    /// Those asked for, the latest first.
    times: Vec<f64>,
}

impl Recorder {
    fn new(settings: &Settings) -> Recorder {
        let mut times = match &settings.record {
            Record::Path => Vec::new(),
            Record::At(times) => times.clone(),
        };
        times.sort_by(|a, b| b.total_cmp(a));
        times.dedup();
        Recorder { path: settings.record == Record::Path, times }
    }

    /// The next time asked for, if it is no later than t.
    fn due(&mut self, t: f64) -> Option<f64> {
        self.times.pop_if(|next| *next <= t)
    }
}

fn failed(detail: String) -> Error {
    Error::Numerical { method: "completion flow", detail }
}
