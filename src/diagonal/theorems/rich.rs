//! Rich phase: some time in every long window is nearly stationary (C.12, Theorems 3.5 and 3.10,
//! Corollary 3.7), and the end state at fixed weight decay.

use super::facts::{Facts, ln_norm, statement};
use crate::Loss;
use crate::error::Result;
use crate::limits::{max_margin_l1, regularised};
use crate::theorem::{Claim, Form, Hypothesis, Judged, Side, Standing};

/// Times at which the window is looked at.
const LOOKS: usize = 24;

/// What may be left of the gradient a few 1/λ after the transition, relative to λ‖θ‖.
const NEARLY_STATIONARY: f64 = 0.05;

/// 𝓛 + (λ/2)‖θ‖² and its gradient.
pub(super) struct Objective {
    pub(super) value: f64,
    /// ‖∇𝓛_λ‖.
    pub(super) gradient: f64,
    /// ‖θ‖.
    pub(super) norm: f64,
}

impl Objective {
    /// ε of (D22).
    pub(super) fn residual(&self, lambda: f64) -> f64 {
        self.gradient / (lambda * self.norm)
    }
}

impl Facts<'_, '_> {
    pub(super) fn rich(&self) -> Result<Vec<Judged>> {
        let mut judged = self.stationary_time()?;
        judged.push(self.sparse_margin()?);
        judged.push(self.end_state()?);
        Ok(judged)
    }

    pub(super) fn objective(&self, t: f64) -> Result<Objective> {
        let state = self.state(t)?;
        let y = self.run.problem().labels();
        let (u, v) = self.run.parameters(t)?;
        let rho: Vec<f64> =
            state.outputs.iter().zip(y).map(|(&f, &y)| self.loss.slope(f, y) / self.n).collect();
        let mut g = vec![0.0; u.len()];
        self.run.problem().design().apply_transpose(&rho, &mut g, self.threads);
        let (l, lambda) = (self.depth, self.lambda);
        let push = |x: f64, g: f64| lambda * x + l * libm::pow(x, l - 1.0) * g;
        let rows = u.iter().zip(&v).zip(&g);
        let gradient = ln_norm(rows.flat_map(|((&u, &v), &g)| [push(u, g), push(v, -g)]));
        let norm = libm::exp(ln_norm(u.iter().chain(&v).copied()));
        let value = libm::exp(state.ln_loss) + 0.5 * lambda * norm * norm;
        Ok(Objective { value, gradient: libm::exp(gradient), norm })
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
        let bound = match (seen.first(), seen.last()) {
            (Some(a), Some(b)) => ((a.value - b.value).max(0.0) / (until - from)).sqrt(),
            _ => f64::NAN,
        };
        let exists = |value| Claim::Exists { value, from, until };
        let energy = statement(
            "2311.18817 C.12 (energy identity)",
            Form::Derived,
            "‖∇𝓛_λ‖",
            Side::Upper,
            exists(bound),
            hypotheses.clone(),
        );
        // 𝓛_λ is known to the accuracy of the path; so is what is left of it.
        let room = bound * 1e-9 + self.path_error() * seen.last().map_or(0.0, |o| self.lambda * o.norm);
        let energy = energy.judge_exists(&times, room, |t| at(t).map_or(f64::NAN, |o| o.gradient));
        let source = match self.loss {
            Loss::Squared => "2311.18817 Thm 3.10",
            _ => "2311.18817 C.12 (22)",
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
            true => max_margin_l1(problem.design(), problem.labels(), self.threads)?.found(),
            false => None,
        };
        let (from, until) = self.window();
        hypotheses.push(Hypothesis::open("1 − o(1), rate not given", 1.0));
        let s = statement(
            "2311.18817 Cor 3.7",
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

    /// The end state at fixed λ. At depth 2 the objective ends at the minimum of 𝓛 + (λ/2)‖w‖₁; what the
    /// coordinates that are dying still add to ‖θ‖² is allowed for. At depth L ≥ 3 it is some stationary point:
    /// the gradient has all but vanished against its parts.
    fn end_state(&self) -> Result<Judged> {
        let late = self.lambda * self.horizon - self.ln_alpha.max(0.0);
        let mut hypotheses = vec![
            self.symmetric(),
            self.decays(),
            Hypothesis::at_least("λ·horizon − ln⁺α ≥ 8", late, 8.0),
            Hypothesis::fact("n·d within the limit of work", self.small.then_some(true)),
        ];
        let applies = hypotheses.iter().all(|h| h.standing == Standing::Holds);
        if self.depth != 2.0 {
            let measured =
                if applies { self.objective(self.horizon)?.residual(self.lambda) } else { f64::NAN };
            let s = statement(
                "2311.18817 §4 (end state, L ≥ 3)",
                Form::Derived,
                "‖∇𝓛_λ‖/(λ‖θ‖) at the horizon",
                Side::Equal,
                Claim::Scalar(0.0),
                hypotheses,
            );
            return Ok(s.judge(measured, NEARLY_STATIONARY));
        }
        let (mut measured, mut claim, mut dying) = (f64::NAN, f64::NAN, f64::NAN);
        if applies {
            let problem = self.run.problem();
            let end = regularised(problem.design(), problem.labels(), self.loss, self.lambda, self.threads)?;
            let (u, v) = self.run.parameters(self.horizon)?;
            let mut squares: Vec<f64> = u.iter().zip(&v).map(|(u, v)| u * u + v * v).collect();
            end.support.iter().for_each(|&k| squares[k] = 0.0);
            measured = self.objective(self.horizon)?.value / end.report.objective;
            claim = 1.0;
            dying = 0.5 * self.lambda * squares.iter().sum::<f64>() / end.report.objective;
        }
        hypotheses.push(Hypothesis::at_most("dying coordinates ≤ 1% of the objective", dying, 0.01));
        let s = statement(
            "2311.18817 §4 (end state, L = 2)",
            Form::Derived,
            "𝓛_λ at the horizon over min 𝓛 + (λ/2)‖w‖₁",
            Side::Equal,
            Claim::Scalar(claim),
            hypotheses,
        );
        Ok(s.judge(measured, dying + self.path_error()))
    }
}
