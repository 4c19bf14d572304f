//! An integrated run: effective weights, losses, margins and norms at any time up to the horizon.

use std::ops::ControlFlow;

use ndarray::Array1;

use super::basis::Basis;
use super::clock::LogClock;
use super::dual::DualFlow;
use super::net::Net;
use super::path_error::Companion;
use super::snapshot::Snapshot;
use super::{Problem, Settings, watch};
use crate::error::{Error, Result, check};
use crate::ode::{Ended, Options, Path, Statistics, Step, bdf_observed};
use crate::trajectory::{Observable, Trajectory};

/// Steps, and as many attempts in vain, that a run is given: an integration that needs more is creeping, and would say
/// so only after seconds.
pub(super) const MOST_STEPS: f64 = 50_000.0;

/// More steps for each time 1/((L − 2)λ) in which brackets shrink, up to so many times the others.
pub(super) const STEPS_A_DECAY: f64 = 300.0;
const STEPS_OF_DECAY: f64 = 9.0;

/// A time so near the horizon is the horizon: parts of it, added up, are not it to the last digit.
const HORIZON: f64 = 4.0 * f64::EPSILON;

/// The flow of one net, solved: the unknown q(t) of the dual flow as a piecewise polynomial, and the map from
/// it to the net.
pub struct Run<'p> {
    pub(super) problem: &'p Problem,
    settings: Settings,
    basis: Basis<'p>,
    /// One net and one clock an epoch.
    nets: Vec<Net>,
    clocks: Vec<LogClock>,
    /// q as a function of the epoch's x = ln(1 + (t − t_k)/T_k).
    path: Path,
    statistics: Statistics,
    pub(super) companion: Companion<'p>,
    /// The first time at which rounding may have moved the net.
    suspected: Option<f64>,
}

impl<'p> Run<'p> {
    pub(super) fn new(problem: &'p Problem, settings: &Settings) -> Result<Run<'p>> {
        Run::watched(problem, settings, |_| ControlFlow::Continue(()))
    }

    /// As [`Problem::integrate`], with a callback that gets the time reached after each step: it may show
    /// progress, or stop the integration.
    ///
    /// # Errors
    /// As [`Problem::integrate`]; a run that was stopped has a shorter horizon and is no error.
    pub fn watched(
        problem: &'p Problem,
        settings: &Settings,
        watch: impl FnMut(f64) -> ControlFlow<()>,
    ) -> Result<Run<'p>> {
        let run = Run::solve(problem, settings, watch)?;
        if let Some(t) = run.suspected {
            watch::check_rounding(&run, t)?;
        }
        Ok(run)
    }

    /// As [`Run::watched`], whatever rounding may have done.
    pub(super) fn solve(
        problem: &'p Problem,
        settings: &Settings,
        mut watch: impl FnMut(f64) -> ControlFlow<()>,
    ) -> Result<Run<'p>> {
        settings.validate(problem.design.dimension())?;
        let mut flow = DualFlow::new(problem, settings);
        flow.set_clock().map_err(|reject| Error::Numerical {
            method: "dual flow",
            detail: format!("at t = 0: {}", reject.0),
        })?;
        let start = vec![0.0; flow.basis.dimension];
        let decays = (f64::from(settings.depth) - 2.0) * settings.weight_decay * settings.horizon;
        let steps = MOST_STEPS + (STEPS_A_DECAY * decays).min(STEPS_OF_DECAY * MOST_STEPS);
        let options = Options {
            rtol: flow.local_tolerance(),
            max_step: 1.0,
            max_steps: steps as usize,
            ..Options::default()
        };
        let mut clocks = vec![flow.clock];
        let end = flow.clock.s(settings.horizon);
        let mut last = 0.0;
        let watched = |step: &Step<'_>| {
            while clocks.len() <= step.epoch {
                clocks.push(clocks[clocks.len() - 1].restarted(last));
            }
            last = step.t;
            watch(clocks[step.epoch].t(step.t).min(settings.horizon))
        };
        let solution = bdf_observed(&mut flow, 0.0..end, &start, &options, watched)
            .map_err(|error| flow.explained(error))?;
        flow.watch.breach().map_err(|error| flow.explained(error))?;
        let DualFlow { mut nets, basis, watch, .. } = flow;
        let suspected = watch.suspected();
        // An epoch that was begun with the last step has no step.
        nets.truncate(clocks.len());
        let reached = match solution.ended {
            Ended::Horizon => settings.horizon,
            _ => clocks[clocks.len() - 1].t(last).min(settings.horizon),
        };
        let run = Run {
            problem,
            settings: Settings { horizon: reached, ..settings.clone() },
            nets: basis.spread_out(nets),
            clocks,
            basis,
            path: solution.path,
            statistics: solution.statistics,
            companion: Companion::default(),
            suspected,
        };
        watch::check_energy(&run, solution.statistics)?;
        Ok(run)
    }

    /// What was integrated.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Breaks the run, for tests of what watches it.
    #[cfg(test)]
    pub(super) fn exchange_nets(&mut self, net: impl Fn(&Net) -> Net) {
        self.nets.iter_mut().for_each(|old| *old = net(old));
    }

    /// The data, labels and loss.
    pub fn problem(&self) -> &'p Problem {
        self.problem
    }

    /// Steps, right-hand sides and Jacobians.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// The times between which the integrator stepped.
    pub fn steps(&self) -> impl Iterator<Item = f64> + '_ {
        let ends = self.path.steps().map(|step| self.clocks[step.epoch].t(step.t).min(self.settings.horizon));
        std::iter::once(0.0).chain(ends)
    }

    /// The steps, each in the clock of its epoch.
    pub(super) fn path_steps(&self) -> impl Iterator<Item = Step<'_>> + '_ {
        self.path.steps()
    }

    /// The net of a step, z at x of its epoch's clock, and t and dt/dx there.
    pub(super) fn dual_of_step(&self, step: &Step<'_>, x: f64) -> Result<(&Net, Vec<f64>, f64, f64)> {
        let mut q = vec![0.0; self.basis.dimension];
        step.interpolate(x, &mut q);
        let (net, z) = self.image(step.epoch, &q)?;
        let clock = self.clocks[step.epoch];
        Ok((net, z, clock.t(x), clock.rate(x)))
    }

    /// Terms of the outputs.
    pub(super) fn reach(&self, weights: &[f64], outputs: &[f64]) -> f64 {
        self.basis.reach(self.problem, weights, outputs)
    }

    /// The net of an epoch, and z.
    fn image(&self, epoch: usize, q: &[f64]) -> Result<(&Net, Vec<f64>)> {
        let mut z = vec![0.0; self.problem.design.dimension()];
        self.basis.whole_image(self.problem, q, &mut z);
        let net = self.nets.get(epoch).ok_or_else(|| Error::Numerical {
            method: "dual flow",
            detail: format!("there is no epoch {epoch}"),
        })?;
        Ok((net, z))
    }

    /// The net of the epoch of t, and z there.
    pub(super) fn dual(&self, t: f64) -> Result<(&Net, Vec<f64>)> {
        let horizon = self.settings.horizon;
        if t > horizon * (1.0 + HORIZON) {
            return Err(Error::PastHorizon { time: t, horizon });
        }
        let t = check("time", t, |t| t >= 0.0, "a number of at least 0")?.min(horizon);
        let mut q = vec![0.0; self.basis.dimension];
        // Two epochs may begin at the same time in double precision: the last of them.
        let epoch = self.clocks.partition_point(|clock| clock.start < t).saturating_sub(1);
        let x = self.clocks[epoch].s(t);
        if let Some(step) = self.path.step_of_epoch(epoch, x) {
            step.interpolate(x.min(step.t), &mut q);
        }
        self.image(epoch, &q)
    }

    /// |u(t)| and |v(t)|; at depth 2 their signs are those of the start.
    ///
    /// # Errors
    /// A time outside [0, horizon].
    pub fn parameters(&self, t: f64) -> Result<(Array1<f64>, Array1<f64>)> {
        let (net, z) = self.dual(t)?;
        let (u, v) = z.iter().enumerate().map(|(k, &z)| net.parameters(t, k, z)).unzip();
        Ok((Array1::from_vec(u), Array1::from_vec(v)))
    }

    /// Everything about the net at one time.
    ///
    /// # Errors
    /// A time outside [0, horizon].
    pub fn snapshot(&self, t: f64) -> Result<Snapshot> {
        Ok(self.seen(t)?.0)
    }

    /// The same with the net of the epoch and z.
    pub(super) fn seen(&self, t: f64) -> Result<(Snapshot, &Net, Vec<f64>)> {
        let (net, z) = self.dual(t)?;
        let mut weights = vec![0.0; z.len()];
        net.weights(t, 0, &z, &mut weights);
        let snapshot = Snapshot::new(self.problem, self.settings.threads, t, weights, net.norm(t, &z));
        Ok((snapshot, net, z))
    }
}

impl Run<'_> {
    /// w.
    ///
    /// # Errors
    /// A time past the horizon, or negative or NaN.
    pub fn state(&self, t: f64) -> Result<Array1<f64>> {
        let (net, z) = self.dual(t)?;
        let mut weights = vec![0.0; z.len()];
        net.weights(t, 0, &z, &mut weights);
        Ok(Array1::from_vec(weights))
    }
}

impl Trajectory for Run<'_> {
    type Time = f64;

    fn horizon(&self) -> Option<f64> {
        Some(self.settings.horizon)
    }

    fn observe_one(&self, t: f64, what: &[Observable], out: &mut [f64]) -> Result<()> {
        let snapshot = self.snapshot(t)?;
        out.iter_mut().zip(what).for_each(|(out, &what)| *out = snapshot.get(what).unwrap_or(f64::NAN));
        Ok(())
    }
}
