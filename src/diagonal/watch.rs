//! What must hold along every run, watched while it runs (`theory/diagonal.md`, "What is watched").
//!
//! | what | when |
//! |---|---|
//! | the brackets P and Q of depth L ≥ 3 are positive, and resolved by q | whenever they are looked at |
//! | 𝓛(t + Δt) ≤ 𝓛(t) + λLcΔt, since d𝓛/dt = −‖∇𝓛‖² − λL⟨ρ, f⟩ and −⟨ρ, f⟩ ≤ c | each step |
//! | 𝓛_λ = 𝓛 + (λ/2)‖θ‖² falls, and by ∫‖∇𝓛_λ‖² dt | on steps spread over the run, when it has ended |
//! | rounding has not moved z by 10⁻³ of what moves the net | each step; what is suspected is settled by a second run |
//!
//! A breach ends in an error that says when and by how much, never in a result. u_k v_k e^{2λt}, and at depth L
//! u_k^{2−L} + v_k^{2−L} in the epoch's units, are constant by construction: the net is computed from them.

use super::net::Net;
use super::noise::BEARABLE;
use super::{Loss, Problem, Run};
use crate::error::{Error, Result};
use crate::ode::{Statistics, Step};

/// How much larger than the tolerance a breach is.
const ROOM: f64 = 100.0;

/// Relative difference of Simpson's rule from itself on halves of the step, from which on it is not believed.
const RESOLVED: f64 = 0.03;

/// Right-hand sides made for each evaluation that the energy may cost.
const THRIFT: u64 = 25;

/// Rounding of outputs, in parts of labels, from which on a run is ill-posed at any tolerance.
const LOST: f64 = 1e-8;

/// Roundings of an output whose terms are as large as their sum without signs.
const ROUNDED: f64 = 8.0;

/// Brackets below this, beside those of the start, leave no room for a tolerance among the numbers there are.
const SMALLEST: f64 = 1e-284;

pub(super) struct Watch {
    rtol: f64,
    /// 𝓛 at the start and at the last step, and its time.
    first: f64,
    last: f64,
    time: f64,
    /// c = sup(−⟨ρ, f⟩).
    gain: f64,
    breach: Option<String>,
    suspected: Option<f64>,
}

impl Watch {
    pub(super) fn new(rtol: f64) -> Watch {
        Watch { rtol, first: 0.0, last: 0.0, time: 0.0, gain: 0.0, breach: None, suspected: None }
    }

    pub(super) fn begin(&mut self, problem: &Problem, outputs: &[f64]) {
        self.first = problem.loss.mean(outputs, &problem.labels);
        self.last = self.first;
        self.gain = match problem.loss {
            // −(2/n)Σ(f − y)f ≤ ‖y‖²/2n.
            Loss::Squared => {
                problem.labels.iter().map(|y| y * y).sum::<f64>() / (2.0 * problem.labels.len() as f64)
            }
            // The largest qσ(−q), and qe^{−q}.
            Loss::Logistic => 0.278_465,
            Loss::Exponential => 1.0 / std::f64::consts::E,
        };
    }

    /// Whether the loss has risen by more than decay can explain.
    ///
    /// Also whether outputs, sums of terms as large as `reach`, have lost the digits that the tolerance is about.
    pub(super) fn step(&mut self, problem: &Problem, net: &Net, t: f64, outputs: &[f64], reach: f64) -> bool {
        let loss = problem.loss.mean(outputs, &problem.labels);
        let explained = net.weight_decay() * net.depth() * self.gain * (t - self.time);
        // A path that is known to `rtol` has outputs that are known to about as much of their largest terms.
        let largest = outputs.iter().fold(0.0_f64, |most, f| most.max(f.abs()));
        let slope = outputs.iter().zip(&problem.labels).map(|(&f, &y)| problem.loss.slope(f, y).abs());
        let slope = slope.sum::<f64>() / outputs.len() as f64;
        let lost = f64::EPSILON * reach;
        let usual = problem.labels.iter().fold(largest, |most, y| most.max(y.abs()));
        if lost > LOST.max(ROOM * self.rtol) * usual {
            return self.fail(format!(
                "at t = {t:e} outputs are sums of terms of size {reach:e}, of which rounding leaves {lost:e}: rows that are \
                 nearly dependent have labels that are not"
            ));
        }
        let part = 10.0 * ROOM * self.rtol;
        let curvature = outputs.iter().zip(&problem.labels).map(|(&f, &y)| problem.loss.curvature(f, y));
        let curvature = curvature.sum::<f64>() / outputs.len() as f64;
        let moved = part * reach + ROUNDED * lost;
        let room = part * (self.last + self.first.min(1.0)) + moved * (slope + curvature * moved);
        let risen = loss - self.last - explained;
        (self.last, self.time) = (loss, t);
        if risen > room || loss.is_nan() {
            return self.fail(format!(
                "at t = {t:e} the training loss has risen by {risen:e} more than weight decay explains ({room:e} is the room of the tolerance)"
            ));
        }
        false
    }

    /// Whether the state has left the domain or the range of numbers, or its brackets their digits: `drowned` is |q| then.
    pub(super) fn inside(&mut self, unit: f64, drowned: Option<f64>, t: f64) -> bool {
        if unit.is_nan() || unit <= 0.0 {
            return self.fail(format!("at t = {t:e} a parameter has passed infinity"));
        }
        if unit < SMALLEST {
            return self.fail(format!(
                "at t = {t:e} a weight escapes from a start α so small that α^(L − 2) has left the range of numbers: choose a \
                 larger start, a smaller depth, or a horizon before that"
            ));
        }
        let Some(length) = drowned else { return false };
        self.fail(format!(
            "at t = {t:e} brackets of size {unit:e} stand beside sums of size {length:e}: the start is too small for a net of \
             this depth with so many coordinates"
        ))
    }

    /// Whether parts of the data that count as rounding would have moved z by that many of its units. `drift` is what
    /// rounding of the slopes may have moved it by: only a suspicion.
    pub(super) fn budget(&mut self, dropped: f64, drift: f64, t: f64) -> bool {
        if drift > BEARABLE.min(ROOM * self.rtol) {
            self.suspected.get_or_insert(t);
        }
        if dropped <= BEARABLE {
            return false;
        }
        self.fail(rounding(dropped, t))
    }

    /// The first time at which rounding may have moved the net.
    pub(super) fn suspected(&self) -> Option<f64> {
        self.suspected
    }

    fn fail(&mut self, what: String) -> bool {
        self.breach = Some(what);
        true
    }

    pub(super) fn breach(&self) -> Result<()> {
        match &self.breach {
            None => Ok(()),
            Some(detail) => Err(Error::Numerical { method: "dual flow", detail: detail.clone() }),
        }
    }
}

fn rounding(moved: f64, t: f64) -> String {
    format!(
        "at t = {t:e} rounding alone may have moved ln(u/v) by {moved:e}: on dependent data it acts on what labels that no \
         weights fit leave, and on what an escape from a small start is decided by"
    )
}

/// Whether a run that rounding may have moved agrees with a second one, whose steps and rounding are others.
///
/// # Errors
/// It does not, or there is none.
pub(super) fn check_rounding(run: &Run<'_>, suspected: f64) -> Result<()> {
    let horizon = run.settings().horizon;
    let mut least = f64::INFINITY;
    // In the middle of an escape two runs differ by what the tolerance has moved it in time; what rounding has moved
    // along directions that nothing pulls back stays.
    for part in [0.0, 0.5, 1.0] {
        let t = suspected + part * (horizon - suspected).max(0.0);
        let error = run.path_error(t.min(horizon))?;
        least = least.min(error.parameters).min(error.weights);
    }
    // The second run's tolerance is ten times that of this one.
    match least <= 20.0 * ROOM * run.settings().rtol {
        true => Ok(()),
        false => Err(Error::Numerical { method: "dual flow", detail: rounding(least, suspected) }),
    }
}

/// 𝓛_λ and ‖∇𝓛_λ‖² dt/dx at one time of an epoch's clock x, and how well 𝓛_λ is known if w is known to `part` of
/// itself.
struct Energy {
    time: f64,
    value: f64,
    dissipation: f64,
    known_to: f64,
    /// How well the dissipation is known: residuals may be a difference of which the tolerance leaves nothing.
    blur: f64,
}

fn energy(run: &Run<'_>, largest_entry: f64, step: &Step<'_>, x: f64, part: f64) -> Result<Energy> {
    let problem = run.problem();
    let (net, z, t, rate) = run.dual_of_step(step, x)?;
    let mut weights = vec![0.0; z.len()];
    net.weights(t, 0, &z, &mut weights);
    let threads = run.settings().threads;
    let mut outputs = vec![0.0; problem.labels.len()];
    problem.design.apply(&weights, &mut outputs, threads);
    let n = outputs.len() as f64;
    let slopes: Vec<f64> =
        outputs.iter().zip(&problem.labels).map(|(&f, &y)| problem.loss.slope(f, y) / n).collect();
    let mut pull = vec![0.0; z.len()];
    problem.design.apply_transpose(&slopes, &mut pull, threads);
    let (lambda, depth) = (net.weight_decay(), net.depth());
    let reach = run.reach(&weights, &outputs);
    let curvature =
        outputs.iter().zip(&problem.labels).map(|(&f, &y)| problem.loss.curvature(f, y)).sum::<f64>() / n;
    let pull_error = largest_entry * curvature * part * reach;
    let (mut dissipation, mut norm, mut sway, mut blur) = (0.0, 0.0, 0.0, 0.0);
    for (k, &g) in pull.iter().enumerate() {
        let (u, v) = net.parameters(t, k, z[k]);
        norm += u * u + v * v;
        for (x, g) in [(u, g), (v, -g)] {
            let lever = depth * x.powf(depth - 1.0);
            let (side, error) = (lambda * x + lever * g, lever * pull_error);
            dissipation += side * side;
            blur += (2.0 * side.abs() + error) * error;
        }
        sway += g.abs() * (u.powf(depth) + v.powf(depth));
    }
    let value = problem.loss.mean(&outputs, &problem.labels) + 0.5 * lambda * norm;
    // δ𝓛 = Σ_k (Xᵀρ)_k δw_k and δ‖θ‖² = 2Σ θ δθ, to first order; and squares of δf.
    let known_to = part * (sway + value) + (part * reach).powi(2);
    Ok(Energy { time: t, value, dissipation: rate * dissipation, known_to, blur: rate * blur })
}

/// Compares 𝓛_λ with its dissipation on steps spread over a run that has ended.
///
/// # Errors
/// The two differ by more than a hundred times the tolerance explains.
pub(super) fn check_energy(run: &Run<'_>, statistics: Statistics) -> Result<()> {
    let wanted = (statistics.rhs as u64 / THRIFT / 5).clamp(1, 16) as usize;
    let part = ROOM * run.settings().rtol;
    let largest_entry = run.problem().design.largest_entry();
    let mut before: Option<Energy> = None;
    for step in run.path_steps().step_by((statistics.steps / wanted).max(1)) {
        // In the clock of the epoch: an escape from a small start is over before t itself has moved by a digit.
        let length = step.t - step.t_old;
        let at = |j: f64| energy(run, largest_entry, &step, step.t_old + 0.25 * j * length, part);
        let (start, first, middle, third, end) = (at(0.0)?, at(1.0)?, at(2.0)?, at(3.0)?, at(4.0)?);
        // Simpson's rule on the step and on its halves.
        let [f0, f1, f2, f3, f4] = [&start, &first, &middle, &third, &end].map(|e| e.dissipation);
        let coarse = length / 6.0 * (f0 + 4.0 * f2 + f4);
        let dissipated = length / 12.0 * (f0 + 4.0 * f1 + 2.0 * f2 + 4.0 * f3 + f4);
        let unresolved = (dissipated - coarse).abs();
        let difference = start.value - end.value - dissipated;
        let blur =
            [start.blur, first.blur, middle.blur, third.blur, end.blur].into_iter().fold(0.0, f64::max);
        let room = start.known_to + end.known_to + unresolved + part * dissipated + length * blur;
        // Where the rule does not agree with itself it says nothing.
        if unresolved <= RESOLVED * dissipated && difference.abs() > room {
            return Err(breach(
                end.time,
                difference,
                room,
                "the regularised loss has not fallen by its dissipation",
            ));
        }
        if let Some(last) = &before {
            let (risen, room) = (start.value - last.value, start.known_to + last.known_to);
            if risen > room {
                return Err(breach(start.time, risen, room, "the regularised loss has risen"));
            }
        }
        before = Some(end);
    }
    Ok(())
}

fn breach(t: f64, size: f64, room: f64, what: &str) -> Error {
    let detail = format!("at t = {t:e} {what}: by {size:e}, where the tolerance explains {room:e}");
    Error::Numerical { method: "dual flow", detail }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::data::Design;
    use crate::diagonal::{Init, Settings};

    fn problem() -> Problem {
        let x = Design::new(array![[1.0, 0.5, -1.0], [-0.5, 1.0, 0.25]].view()).expect("valid");
        Problem::new(x, vec![1.0, -1.0], Loss::Squared).expect("valid")
    }

    #[test]
    fn a_loss_that_rises_is_a_breach_with_its_time_and_size() {
        let problem = problem();
        let net = Net::new(&Init::Symmetric(1.0), 3, 1e-3);
        let begun = || {
            let mut watch = Watch::new(1e-8);
            watch.begin(&problem, &[0.0, 0.0]);
            watch
        };
        // Falling, and rising by what decay explains: λLc = 1e-3·3·1/2 a unit of time.
        let mut watch = begun();
        assert!(!watch.step(&problem, &net, 1.0, &[0.5, -0.5], 0.5));
        assert!(!watch.step(&problem, &net, 2.0, &[0.4995, -0.4995], 0.5));
        assert!(watch.breach().is_ok());
        // Rising by more than it explains.
        let mut watch = begun();
        assert!(!watch.step(&problem, &net, 1.0, &[0.5, -0.5], 0.5));
        assert!(watch.step(&problem, &net, 2.0, &[0.49, -0.49], 0.5));
        let message = watch.breach().expect_err("risen").to_string();
        assert!(message.contains("t = 2e0") && message.contains("risen by 8."), "{message}");
        let mut watch = begun();
        assert!(watch.step(&problem, &net, 1.0, &[f64::NAN, 0.0], 0.5));
        // Sums of terms that cancel to their last digits.
        let mut watch = begun();
        assert!(!watch.step(&problem, &net, 1.0, &[0.5, -0.5], 1e7));
        assert!(watch.step(&problem, &net, 2.0, &[0.5, -0.5], 1e11));
        assert!(watch.breach().expect_err("lost").to_string().contains("nearly dependent"));
    }

    #[test]
    fn brackets_outside_their_domain_and_rounding_are_breaches() {
        for (unit, drowned, good) in [(1.0, None, true), (-1e-3, None, false), (f64::NAN, None, false)] {
            let mut watch = Watch::new(1e-8);
            assert_eq!(watch.inside(unit, drowned, 3.0), !good);
            assert_eq!(watch.breach().is_ok(), good);
        }
        assert!(Watch::new(1e-8).inside(1e-12, Some(1.0), 3.0));
        assert!(Watch::new(1e-8).inside(1e-290, None, 3.0) && !Watch::new(1e-8).inside(1e-280, None, 3.0));
        assert!(!Watch::new(1e-8).budget(0.5 * BEARABLE, 0.0, 3.0));
        assert!(Watch::new(1e-8).budget(2.0 * BEARABLE, 0.0, 3.0));
        let mut watch = Watch::new(1e-8);
        assert!(!watch.budget(0.0, 2.0 * BEARABLE, 3.0) && !watch.budget(0.0, 3.0 * BEARABLE, 4.0));
        assert_eq!(watch.suspected(), Some(3.0));
    }

    #[test]
    fn a_net_that_is_not_the_one_integrated_breaks_the_energy() {
        let problem = problem();
        for (depth, alpha) in [(2, 1.0), (3, 0.5), (4, 2.0)] {
            let init = Init::Symmetric(alpha);
            let settings = Settings {
                depth,
                init: init.clone(),
                weight_decay: 1e-2,
                horizon: 30.0,
                ..Settings::default()
            };
            let mut run = problem.integrate(&settings).expect("solved");
            let statistics = run.statistics();
            assert!(check_energy(&run, statistics).is_ok());
            run.exchange_nets(|_| Net::new(&init, depth, 1.3e-2));
            let message = check_energy(&run, statistics).expect_err("another decay").to_string();
            assert!(message.contains("regularised loss"), "{message}");
        }
    }
}
