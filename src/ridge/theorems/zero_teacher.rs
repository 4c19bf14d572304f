//! Theorem 4.1: the zero teacher.

use super::chi_square_below;
use super::facts::{Facts, decayed, envelope};
use crate::crossing::Curve as _;
use crate::theorem::{Hypothesis, Judged, Probability, Side, Statement};
use crate::trajectory::Clock;

impl<T: Clock> Facts<'_, '_, '_, T> {
    /// Theorem 4.1: zero teacher.
    pub(super) fn zero_teacher(&self) -> Vec<Judged> {
        let common = || -> Vec<Hypothesis> {
            let step = 2.0 / (self.mean_square + 2.0 * self.lambda);
            let mut all = vec![Hypothesis::at_most("‖θ*‖ = 0", self.star, 0.0), self.realizable_hypothesis()];
            all.extend(self.step_hypothesis("η ≤ 2/(L̂ + 2λ)", step, false));
            all
        };
        let (slow, outside) = (self.slow_decay(), self.decay(self.lambda));
        let start = 2.0 * self.start.ln();
        let head = (0.5 * self.mean_square).ln() + start;
        let train = self.train_envelope(Statement {
            source: "2601.19791 Thm 4.1(i)",
            form: self.printed(),
            quantity: "log_train_loss",
            side: Side::Upper,
            claim: envelope(move |t| head - 2.0 * decayed(slow, t), f64::INFINITY),
            probability: None,
            hypotheses: common(),
        });
        let floor = (0.5 * self.sigma_min * self.free * self.variance).ln();
        let test = self.test_envelope(
            self.rate_error(self.rank),
            Statement {
                source: "2601.19791 Thm 4.1(ii)",
                form: self.printed(),
                quantity: "log_test_loss",
                side: Side::Lower,
                claim: envelope(move |t| floor - 2.0 * decayed(outside, t), f64::INFINITY),
                probability: Some(self.complement_law(2.0 * (-self.free / 32.0).exp())),
                hypotheses: [common(), self.complement_hypotheses()].concat(),
            },
        );
        let norm = Statement {
            source: "2601.19791 Thm 4.1(iii)",
            form: self.printed(),
            quantity: "log_parameter_norm",
            side: Side::Upper,
            claim: envelope(move |t| 0.5 * start - decayed(outside, t), f64::INFINITY),
            probability: None,
            hypotheses: common(),
        };
        let own = self.rate_error(self.rank);
        let norm = norm.judge_envelope(&self.times, !self.is_flow, |t| {
            let time = T::from_f64(t);
            let (ln, square) = (self.form.norm.ln_value(time), self.form.norm.value(time));
            let (ln, rounding) = self.in_logs(ln, square, own, t);
            (0.5 * ln, rounding)
        });
        vec![train, test, norm]
    }

    /// What the χ² event needs: m > n, λ_min(Σ) > 0 known, the law of θ₀.
    pub(super) fn complement_hypotheses(&self) -> Vec<Hypothesis> {
        vec![
            Hypothesis::below("n < m", self.n, self.m),
            Hypothesis::at_least("λmin(Σ) known", self.sigma_min, 0.0),
            self.init_law(),
        ]
    }

    /// P(‖θ₀_⊥‖² ≥ (m−n)ν²/2): stated, and exact by the χ² law with m − rank degrees of freedom.
    pub(super) fn complement_law(&self, failure: f64) -> Probability {
        let degrees = (self.m as usize).saturating_sub(self.rank);
        Probability {
            stated: (1.0 - failure).max(0.0),
            exact: Some(1.0 - chi_square_below(degrees, 0.5 * self.free)),
            over: "initialisation, given the features",
        }
    }
}
