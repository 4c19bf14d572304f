//! What the statements are made of: the numbers of the problem, and those of the net at one time.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::Inputs;
use super::accuracy::Accuracy;
use crate::Loss;
use crate::diagonal::{Problem, Run};
use crate::error::Result;
use crate::limits::{MaxMarginL2, max_margin_l2};
use crate::linalg::Threads;
use crate::theorem::{Claim, Form, Hypothesis, Judged, Side, Source, Statement};
use crate::trajectory::even_times;

/// Times at which a cheap curve is compared, and an expensive one.
const MANY: usize = 160;
const FEW: usize = 24;

pub(super) struct Facts<'r, 'p> {
    pub(super) run: &'r Run<'p>,
    pub(super) inputs: &'r Inputs,
    pub(super) threads: Threads,
    pub(super) loss: Loss,
    pub(super) n: f64,
    pub(super) depth: f64,
    pub(super) lambda: f64,
    pub(super) horizon: f64,
    /// ln α; NaN for a start that is not symmetric.
    pub(super) ln_alpha: f64,
    /// ln A = 2(L−1) ln α − ln λ.
    pub(super) ln_scale: f64,
    /// The L2 max-margin predictor, where there is one.
    pub(super) svm: Option<MaxMarginL2>,
    /// γ; zero for data that are not separable, NaN for squared loss.
    pub(super) gamma: f64,
    /// Whether curves are searched between grid points and limit problems are solved.
    pub(super) small: bool,
    /// Ends of integration steps (thinned) and a grid in λt.
    pub(super) times: Vec<f64>,
    /// T_max of the margin losses; infinite if no training gradient has moved by the horizon.
    pub(super) kernel_end: f64,
    /// The one time at which envelopes are compared; the whole domain if none is given.
    pub(super) pinned: Option<f64>,
    pub(super) accuracy: Accuracy,
    states: RefCell<HashMap<u64, Rc<State>>>,
}

/// The net at one time.
pub(super) struct State {
    pub(super) weights: Vec<f64>,
    pub(super) outputs: Vec<f64>,
    pub(super) ln_loss: f64,
    /// min_i y_i f_i.
    pub(super) least_margin: f64,
    pub(super) largest_output: f64,
    /// ln ‖w‖₂.
    pub(super) ln_weights: f64,
    /// ln ‖δ‖.
    pub(super) ln_departure: f64,
    /// max_i ‖∇f_i(e^{λt}θ/α) − ∇f_i(θ̄)‖.
    pub(super) gradient_change: f64,
}

impl<'r, 'p> Facts<'r, 'p> {
    pub(super) fn new(run: &'r Run<'p>, inputs: &'r Inputs) -> Result<Self> {
        let (problem, settings) = (run.problem(), run.settings());
        let (n, d) = (problem.design().samples(), problem.design().dimension());
        let depth = f64::from(settings.depth);
        let ln_alpha = settings.alpha().map_or(f64::NAN, libm::log);
        let lambda = settings.weight_decay;
        let (svm, margin) = match problem.loss().is_margin() {
            true => separation(problem, settings.threads),
            false => (None, f64::NAN),
        };
        let mut facts = Facts {
            run,
            inputs,
            threads: settings.threads,
            loss: problem.loss(),
            n: n as f64,
            depth,
            lambda,
            horizon: settings.horizon,
            ln_alpha,
            ln_scale: 2.0 * (depth - 1.0) * ln_alpha - libm::log(lambda),
            gamma: 2.0_f64.sqrt() * depth * margin,
            svm,
            small: n * d <= inputs.work_limit,
            times: Vec::new(),
            kernel_end: f64::INFINITY,
            pinned: None,
            accuracy: Accuracy::default(),
            states: RefCell::default(),
        };
        facts.times = facts.grid();
        if facts.loss.is_margin() && !ln_alpha.is_nan() {
            facts.kernel_end = facts.first_moved()?;
        }
        Ok(facts)
    }

    /// The integrator's own steps say where something happens; between them the flow is smooth.
    fn grid(&self) -> Vec<f64> {
        let count = if self.small { MANY } else { FEW };
        let steps: Vec<f64> = self.run.steps().collect();
        let every = steps.len().div_ceil(count);
        let mut times: Vec<f64> = steps.into_iter().step_by(every).collect();
        times.extend(even_times(self.horizon, count as u32));
        times.sort_by(f64::total_cmp);
        times.dedup();
        times
    }

    /// T_max: the first time at which a training gradient has moved by γ/2.
    fn first_moved(&self) -> Result<f64> {
        let excess = |t: f64| -> Result<f64> { Ok(self.state(t)?.gradient_change - 0.5 * self.gamma) };
        let mut before = 0.0;
        for &t in &self.times {
            if excess(t)? >= 0.0 {
                let (mut lo, mut hi) = (before, t);
                let tolerance = if self.small { 1e-12 } else { 1e-4 };
                while hi - lo > tolerance * hi {
                    let middle = 0.5 * (lo + hi);
                    if middle <= lo || middle >= hi {
                        break;
                    }
                    if excess(middle)? >= 0.0 { hi = middle } else { lo = middle }
                }
                return Ok(lo);
            }
            before = t;
        }
        Ok(f64::INFINITY)
    }

    /// The net at time t, computed once.
    pub(super) fn state(&self, t: f64) -> Result<Rc<State>> {
        if let Some(known) = self.states.borrow().get(&t.to_bits()) {
            return Ok(known.clone());
        }
        let state = Rc::new(self.compute(self.clamped(t))?);
        self.states.borrow_mut().insert(t.to_bits(), state.clone());
        Ok(state)
    }

    /// A time that rounding has put past the horizon is the horizon.
    pub(super) fn clamped(&self, t: f64) -> f64 {
        if t <= self.horizon * (1.0 + 8.0 * f64::EPSILON) { t.min(self.horizon) } else { t }
    }

    fn compute(&self, t: f64) -> Result<State> {
        let problem = self.run.problem();
        let (x, y) = (problem.design(), problem.labels());
        let (net, z) = self.run.dual(t)?;
        let mut weights = vec![0.0; z.len()];
        net.weights(t, 0, &z, &mut weights);
        let mut outputs = vec![0.0; y.len()];
        x.apply(&weights, &mut outputs, self.threads);
        let (mut ln_departure, mut gradient_change) = (f64::NAN, f64::NAN);
        if !self.ln_alpha.is_nan() {
            let departures: Vec<(f64, f64)> =
                z.iter().enumerate().map(|(k, &z)| net.departures(k, z)).collect();
            ln_departure = ln_norm(departures.iter().flat_map(|&(u, v)| [u, v]));
            let power = |d: f64| libm::expm1((self.depth - 1.0) * libm::log1p(d));
            let squares: Vec<f64> =
                departures.iter().map(|&(u, v)| power(u).powi(2) + power(v).powi(2)).collect();
            let mut moved = vec![0.0; y.len()];
            x.apply_squares(&squares, &mut moved, self.threads);
            gradient_change = self.depth * moved.into_iter().fold(0.0, f64::max).sqrt();
        }
        Ok(State {
            ln_loss: self.loss.ln_mean(&outputs, y),
            least_margin: outputs.iter().zip(y).map(|(f, y)| f * y).fold(f64::INFINITY, f64::min),
            largest_output: State::largest(&outputs),
            ln_weights: ln_norm(weights.iter().copied()),
            ln_departure,
            gradient_change,
            weights,
            outputs,
        })
    }

    /// ln 𝓛 of a margin loss, and how well it is known.
    pub(super) fn ln_loss(&self, t: f64) -> (f64, f64) {
        match self.state(t) {
            Ok(state) => (state.ln_loss, self.error(t).ln_train_loss + 1e-13 * (1.0 + state.ln_loss.abs())),
            Err(_) => (f64::NAN, 0.0),
        }
    }

    /// ln ‖h‖ = L ln a + ln ‖δ‖.
    pub(super) fn ln_tangent(&self, t: f64, state: &State) -> f64 {
        self.depth * (self.ln_alpha - self.lambda * t) + state.ln_departure
    }

    /// T_c^-.
    pub(super) fn early(&self) -> f64 {
        (1.0 - self.inputs.fraction) * self.ln_alpha / self.lambda
    }

    /// The state at T_c^-, if it is within the horizon.
    pub(super) fn early_state(&self) -> Result<Option<Rc<State>>> {
        let t = self.early();
        if t > 0.0 && t <= self.horizon { self.state(t).map(Some) } else { Ok(None) }
    }

    pub(super) fn symmetric(&self) -> Hypothesis {
        Hypothesis::fact("u(0) = v(0) = α·1", Some(!self.ln_alpha.is_nan()))
    }

    pub(super) fn decays(&self) -> Hypothesis {
        Hypothesis::below("0 < λ", 0.0, self.lambda)
    }

    pub(super) fn loss_is(&self, name: &'static str, loss: Loss) -> Hypothesis {
        Hypothesis::fact(name, Some(self.loss == loss))
    }

    /// α > 1 and T_c^- within the horizon.
    pub(super) fn early_hypotheses(&self) -> Vec<Hypothesis> {
        vec![
            Hypothesis::below("0 < ln α", 0.0, self.ln_alpha),
            Hypothesis::at_most("T_c^- ≤ horizon", self.early(), self.horizon),
        ]
    }

    /// Judges an envelope at the given times and in between.
    pub(super) fn judge_all(&self, s: Statement, times: &[f64], value: impl Fn(f64) -> (f64, f64)) -> Judged {
        match self.pinned {
            Some(t) => s.judge_envelope_at(&[t], value),
            None => s.judge_envelope(times, false, value),
        }
    }

    /// Judges an envelope at the given times; in between too where one value is cheap.
    pub(super) fn judge(&self, s: Statement, times: &[f64], value: impl Fn(f64) -> (f64, f64)) -> Judged {
        match self.pinned {
            Some(t) => s.judge_envelope_at(&[t], value),
            None if self.small => s.judge_envelope(times, false, value),
            None => s.judge_envelope_at(times, value),
        }
    }
}

/// The L2 max-margin predictor and its margin: zero for data that are not separable, NaN where that could not be
/// told. A row of zeros is on no side of any hyperplane through the origin: it alone is the certificate.
fn separation(problem: &Problem, threads: Threads) -> (Option<MaxMarginL2>, f64) {
    let x = problem.design();
    let mut squares = vec![0.0; x.samples()];
    x.apply_squares(&vec![1.0; x.dimension()], &mut squares, threads);
    if squares.contains(&0.0) {
        return (None, 0.0);
    }
    match max_margin_l2(x, problem.labels(), threads) {
        Ok(limit) => {
            let svm = limit.found();
            let margin = svm.as_ref().map_or(0.0, |s| s.margin);
            (svm, margin)
        }
        Err(_) => (None, f64::NAN),
    }
}

/// A deterministic statement of the paper.
pub(super) fn statement(
    source: &'static Source,
    form: Form,
    quantity: &'static str,
    side: Side,
    claim: Claim,
    hypotheses: Vec<Hypothesis>,
) -> Statement {
    Statement { source, form, quantity, side, claim, probability: None, hypotheses }
}

pub(super) fn envelope(f: impl Fn(f64) -> f64 + Send + Sync + 'static, until: f64) -> Claim {
    Claim::Envelope { ln_bound: Box::new(f), until }
}

/// ln of the Euclidean norm, of numbers whose squares may underflow.
pub(super) fn ln_norm(x: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = x.clone().fold(0.0_f64, |m, x| m.max(x.abs()));
    if largest == 0.0 {
        return f64::NEG_INFINITY;
    }
    libm::log(largest) + 0.5 * libm::log(x.map(|x| (x / largest).powi(2)).sum())
}

/// ln(e^x − 1), x ≥ 0.
pub(super) fn ln_exp_minus_one(x: f64) -> f64 {
    if x < 30.0 { libm::log(libm::expm1(x)) } else { x + libm::log1p(-libm::exp(-x)) }
}

/// ln F⁻¹(y) for F(x) = x ln x on [1, ∞), from ln y: the ξ with ξ + ln ξ = ln y (Lambert's W of y).
///
/// Newton's method for e^η + η = ln y from the right of the root: convex, so it falls monotonically.
pub(super) fn ln_inverse_f(ln_y: f64) -> f64 {
    if ln_y == f64::NEG_INFINITY || ln_y.is_nan() {
        return libm::exp(ln_y);
    }
    let mut eta = if ln_y > 1.0 { libm::log(ln_y) } else { ln_y };
    for _ in 0..60 {
        let e = libm::exp(eta);
        let step = (e + eta - ln_y) / (e + 1.0);
        eta -= step;
        if step.abs() <= 1e-15 * (1.0 + eta.abs()) {
            break;
        }
    }
    libm::exp(eta)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverse_of_x_ln_x() {
        for ln_y in [-700.0, -30.0, -1.0, 0.0, 0.5, 1.0, 2.0, 50.0, 440.0, 1e5] {
            let xi = ln_inverse_f(ln_y);
            assert!((xi + xi.ln() - ln_y).abs() < 1e-13 * (1.0 + ln_y.abs()), "{ln_y}: {xi}");
        }
    }

    #[test]
    fn norms_of_tiny_numbers() {
        assert!((ln_norm([3e-200, 4e-200].into_iter()) - (5e-200_f64).ln()).abs() < 1e-13);
        assert_eq!(ln_norm([0.0].into_iter()), f64::NEG_INFINITY);
    }
}
