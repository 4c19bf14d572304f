//! Rich phase: some time in every long window is nearly stationary (C.12, Theorems 3.5 and 3.10,
//! Corollary 3.7). The end state is in [`super::end_state`].

use super::catalogue;
use super::facts::{Facts, statement};
use crate::Loss;
use crate::error::Result;
use crate::limits::max_margin_l1;
use crate::theorem::{Claim, Form, Hypothesis, Judged, Side, Standing};

/// Times at which the window is looked at.
const LOOKS: usize = 24;

impl Facts<'_, '_> {
    pub(super) fn rich(&self) -> Result<Vec<Judged>> {
        let mut judged = self.stationary_time()?;
        judged.push(self.sparse_margin()?);
        judged.push(self.end_state()?);
        Ok(judged)
    }

    /// [1, 1 + c]·ln α/λ.
    fn window(&self) -> (f64, f64) {
        let start = self.ln_alpha / self.lambda;
        (start, (1.0 + self.inputs.fraction) * start)
    }

    fn window_hypotheses(&self) -> Vec<Hypothesis> {
        vec![
            self.symmetric(),
            self.decays(),
            Hypothesis::below("0 < ln α", 0.0, self.ln_alpha),
            Hypothesis::at_most("(1 + c) ln α/λ ≤ horizon", self.window().1, self.horizon),
        ]
    }

    fn looks(&self) -> Vec<f64> {
        let (from, until) = self.window();
        (0..=LOOKS).map(|i| (from + (until - from) * i as f64 / LOOKS as f64).min(until)).collect()
    }

    /// The least ε of (D22) in the window.
    pub(super) fn least_residual(&self) -> Result<f64> {
        let mut least = f64::INFINITY;
        for t in self.looks() {
            least = least.min(self.objective(t)?.residual(self.lambda));
        }
        Ok(least)
    }

    /// Some time in the window has ‖∇𝓛_λ‖² at most the drop of 𝓛_λ over its length; with the constants
    /// of the paper left open, ε = O((ln 1/λ)^{−½}).
    fn stationary_time(&self) -> Result<Vec<Judged>> {
        let (from, until) = self.window();
        let mut hypotheses = self.window_hypotheses();
        let applies = hypotheses.iter().all(|h| h.standing == Standing::Holds);
        let times = if applies { self.looks() } else { Vec::new() };
        let seen = times.iter().map(|&t| self.objective(t)).collect::<Result<Vec<_>>>()?;
        let at = |t: f64| times.iter().position(|&s| s == t).map(|i| &seen[i]);
        let energy_bound = |drop: f64| (drop.max(0.0) / (until - from)).sqrt();
        // The drop is a difference of two objectives, each known to its own error; so is the gradient.
        let (mut bound, mut room) = (f64::NAN, 0.0);
        if let (Some(a), Some(b)) = (seen.first(), seen.last()) {
            bound = energy_bound(a.value - b.value);
            let most = energy_bound(a.value - b.value + a.value_error + b.value_error);
            room = most - bound + seen.iter().map(|o| o.gradient_error).fold(f64::INFINITY, f64::min);
        }
        let exists = |value| Claim::Exists { value, from, until };
        let energy = statement(
            &catalogue::ENERGY,
            Form::Derived,
            "‖∇𝓛_λ‖",
            Side::Upper,
            exists(bound),
            hypotheses.clone(),
        );
        let energy = energy.judge_exists(&times, room, |t| at(t).map_or(f64::NAN, |o| o.gradient));
        let source = match self.loss {
            Loss::Squared => &catalogue::STATIONARY_SQUARED,
            _ => &catalogue::STATIONARY,
        };
        let size = libm::pow(libm::log(1.0 / self.lambda), -0.5);
        hypotheses.push(Hypothesis::open("ε ≤ C·(ln 1/λ)^{−½}, C not given", size));
        let printed =
            statement(source, Form::Printed, "KKT residual ε", Side::Upper, exists(size), hypotheses);
        let lambda = self.lambda;
        let printed = printed.judge_exists(&times, 0.0, |t| at(t).map_or(f64::NAN, |o| o.residual(lambda)));
        Ok(vec![energy, printed])
    }

    /// Corollary 3.7: good times have nearly the largest L1 margin; how nearly is left open. No L1 margin
    /// exceeds the largest, at any time.
    fn sparse_margin(&self) -> Result<Judged> {
        let mut hypotheses = self.window_hypotheses();
        hypotheses.push(Hypothesis::fact("margin loss", Some(self.loss.is_margin())));
        hypotheses.push(Hypothesis::fact("L = 2", Some(self.depth == 2.0)));
        hypotheses.push(Hypothesis::below("0 < γ (separable)", 0.0, self.gamma));
        hypotheses.push(Hypothesis::fact("n·d within the limit of work", self.small.then_some(true)));
        let applies = hypotheses.iter().all(|h| h.standing == Standing::Holds);
        let problem = self.run.problem();
        let best = match applies {
            true => {
                max_margin_l1(problem.design(), problem.labels(), self.threads).ok().and_then(|m| m.found())
            }
            false => None,
        };
        let (from, until) = self.window();
        hypotheses.push(Hypothesis::open("1 − o(1), rate not given", 1.0));
        let s = statement(
            &catalogue::L1_MARGIN,
            Form::Printed,
            "L1 margin over the largest",
            Side::Lower,
            Claim::Exists { value: 1.0, from, until },
            hypotheses,
        );
        let times = if applies { self.looks() } else { Vec::new() };
        Ok(s.judge_exists(&times, 0.0, |t| match (self.run.snapshot(t), &best) {
            (Ok(snapshot), Some(best)) => snapshot.margin_l1.map_or(f64::NAN, |m| m / best.margin),
            _ => f64::NAN,
        }))
    }
}
