//! Theorem 4.4: the training loss falls early.

use super::facts::{Facts, decayed, envelope, time_of};
use crate::theorem::{Claim, Hypothesis, Judged, Side, Statement};
use crate::trajectory::Clock;

impl<T: Clock> Facts<'_, '_, '_, T> {
    pub(super) fn training_hypotheses(&self) -> Vec<Hypothesis> {
        let epsilon = self.inputs.train_threshold;
        let decay = (2.0 * epsilon / (3.0 * self.star * self.star))
            .min((self.mean_square * epsilon / 6.0).sqrt() / self.star);
        let mut all = self.descent_hypotheses();
        all.push(Hypothesis::at_most("λ ≤ min{2ε/(3‖θ*‖²), √(L̂ε)/(√6‖θ*‖)}", self.lambda, decay));
        all
    }

    pub(super) fn descent_hypotheses(&self) -> Vec<Hypothesis> {
        let step = 1.0 / (self.lambda + self.s_max / self.n);
        let mut all =
            vec![self.realizable_hypothesis(), Hypothesis::at_least("‖θ₀‖ ≥ ‖θ*‖", self.start, self.star)];
        all.extend(self.step_hypothesis("η < 1/(λ + λmax(ΦᵀΦ)/n)", step, true));
        all
    }

    /// Theorem 4.4: the training loss falls.
    pub(super) fn training(&self) -> Vec<Judged> {
        let epsilon = self.inputs.train_threshold;
        let slow = self.slow_decay();
        let time = time_of((6.0 * self.mean_square * self.start.powi(2) / epsilon).ln(), 2.0 * slow);
        let threshold = self.judge_t1(Statement {
            source: "2601.19791 Thm 4.4",
            form: self.printed(),
            quantity: "t1",
            side: Side::Upper,
            claim: Claim::Scalar(time),
            probability: None,
            hypotheses: self.training_hypotheses(),
        });
        let (l, lambda, start, star) = (self.mean_square, self.lambda, self.start, self.star);
        let bound = move |t: f64| {
            let r = (-decayed(slow, t)).exp();
            let tail = 0.5 * lambda * star * star;
            let moving = 2.0 * l * r * r * start * start + 2.0 * lambda * r * start * star;
            match moving + tail > 0.0 {
                true => (moving + tail).ln(),
                false => (2.0 * l * start * start).ln() - 2.0 * decayed(slow, t),
            }
        };
        let finite_time = self.train_envelope(Statement {
            source: "2601.19791 Thm 4.4 (proof, every t)",
            form: self.printed(),
            quantity: "log_train_loss",
            side: Side::Upper,
            claim: envelope(bound, f64::INFINITY),
            probability: None,
            hypotheses: self.descent_hypotheses(),
        });
        vec![threshold, finite_time]
    }
}
