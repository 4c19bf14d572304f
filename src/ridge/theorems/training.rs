//! Theorem 4.4: the training loss falls early.

use super::ball::{Ball, ln_sum, time_of};
use super::catalogue;
use super::facts::Facts;
use crate::ridge::digits::Quantity;
use crate::theorem::{Hypothesis, Judged, Side, Statement};
use crate::trajectory::Clock;

impl<T: Clock> Facts<'_, '_, '_, T> {
    pub(super) fn training_hypotheses(&self) -> Vec<Hypothesis> {
        let epsilon = self.inputs.train_threshold;
        let star = self.star.mid;
        let decay =
            (2.0 * epsilon / 3.0 / star / star).min((self.mean_square.mid * (epsilon / 6.0)).sqrt() / star);
        let mut all = self.descent_hypotheses();
        all.push(Hypothesis::at_most("λ ≤ min{2ε/(3‖θ*‖²), √(L̂ε)/(√6‖θ*‖)}", self.lambda, decay));
        all
    }

    pub(super) fn descent_hypotheses(&self) -> Vec<Hypothesis> {
        let step = 1.0 / (self.lambda + self.s_max / self.n);
        let mut all = vec![
            self.realizable_hypothesis(),
            Hypothesis::at_least("‖θ₀‖ ≥ ‖θ*‖", self.start.mid, self.star.mid),
        ];
        all.extend(self.step_hypothesis("η < 1/(λ + λmax(ΦᵀΦ)/n)", step, true));
        all.extend(self.some_feature());
        all
    }

    /// Theorem 4.4: the training loss falls.
    pub(super) fn training(&self) -> Vec<Judged> {
        let slow = self.slow_decay();
        let start = self.start.ln();
        let ln_six = Ball::exact(6.0_f64.ln() - self.inputs.train_threshold.ln())
            .plus(self.mean_square.ln())
            .plus(start.times(2.0));
        let threshold = self.t1.judge(time_of(ln_six, slow.times(2.0)), |claim| Statement {
            source: &catalogue::TRAINING,
            form: self.printed(),
            quantity: "t1",
            side: Side::Upper,
            claim,
            probability: None,
            hypotheses: self.training_hypotheses(),
        });
        // 2L̂r^{2t}‖θ₀‖² + 2λr^t‖θ₀‖‖θ*‖ + (λ/2)‖θ*‖², term by term in logarithms: squares of small numbers underflow.
        let (lambda, star) = (Ball::exact(self.lambda).ln(), self.star.ln());
        let head = self.mean_square.times(2.0).ln().plus(start.times(2.0));
        let cross = lambda.plus(start).plus(star).plus(Ball::exact(2.0_f64.ln()));
        let tail = lambda.plus(star.times(2.0)).minus(Ball::exact(2.0_f64.ln()));
        let one = Ball::exact(1.0);
        let bound = move |t: f64| {
            ln_sum(&[(one, head.minus(slow.times(2.0 * t))), (one, cross.minus(slow.times(t))), (one, tail)])
        };
        let finite_time = self.envelope(
            Quantity::TrainLoss,
            |claim| Statement {
                source: &catalogue::TRAINING_EVERY_TIME,
                form: self.printed(),
                quantity: "log_train_loss",
                side: Side::Upper,
                claim,
                probability: None,
                hypotheses: self.descent_hypotheses(),
            },
            bound,
            f64::INFINITY,
            |t| self.ln_train_loss(t),
        );
        vec![self.with_smallest(threshold), self.with_smallest(finite_time)]
    }
}
