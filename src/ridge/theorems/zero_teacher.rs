//! Theorem 4.1: the zero teacher.

use super::ball::Ball;
use super::catalogue;
use super::chi_square_below;
use super::facts::Facts;
use crate::ridge::digits::Quantity;
use crate::theorem::{Hypothesis, Judged, Probability, Side, Statement};
use crate::trajectory::Clock;

impl<T: Clock> Facts<'_, '_, '_, T> {
    /// Theorem 4.1: zero teacher.
    pub(super) fn zero_teacher(&self) -> Vec<Judged> {
        let common = || -> Vec<Hypothesis> {
            let step = 2.0 / (self.mean_square.mid + 2.0 * self.lambda);
            let mut all =
                vec![Hypothesis::at_most("‖θ*‖ = 0", self.star.mid, 0.0), self.realizable_hypothesis()];
            all.extend(self.step_hypothesis("η ≤ 2/(L̂ + 2λ)", step, false));
            all
        };
        let (slow, outside) = (self.slow_decay(), self.outside_decay());
        let start = self.start.ln();
        let head = self.mean_square.times(0.5).ln().plus(start.times(2.0));
        let train = self.envelope(
            Quantity::TrainLoss,
            |claim| Statement {
                source: &catalogue::ZERO_TEACHER_TRAIN,
                form: self.printed(),
                quantity: "log_train_loss",
                side: Side::Upper,
                claim,
                probability: None,
                hypotheses: common().into_iter().chain(self.some_feature()).collect(),
            },
            move |t| head.minus(slow.times(2.0 * t)),
            f64::INFINITY,
            |t| self.ln_train_loss(t),
        );
        let floor = self.sigma_min.times(0.5 * self.free.max(0.0) * self.variance).ln();
        let test = self.envelope(
            Quantity::TestLoss,
            |claim| Statement {
                source: &catalogue::ZERO_TEACHER_TEST,
                form: self.printed(),
                quantity: "log_test_loss",
                side: Side::Lower,
                claim,
                probability: Some(self.complement_law(2.0 * (-self.free / 32.0).exp())),
                hypotheses: [common(), self.complement_hypotheses()].concat(),
            },
            move |t| floor.minus(outside.times(2.0 * t)),
            f64::INFINITY,
            |t| self.ln_test_loss(t),
        );
        let norm = self.envelope(
            Quantity::SquaredNorm,
            |claim| Statement {
                source: &catalogue::ZERO_TEACHER_NORM,
                form: self.printed(),
                quantity: "log_parameter_norm",
                side: Side::Upper,
                claim,
                probability: None,
                hypotheses: common(),
            },
            move |t: f64| -> Ball { start.minus(outside.times(t)) },
            f64::INFINITY,
            |t| self.ln_norm(t),
        );
        vec![self.with_smallest(train), test, norm]
    }

    /// What the χ² event needs: m > n, λ_min(Σ) > 0 known, the law of θ₀.
    pub(super) fn complement_hypotheses(&self) -> Vec<Hypothesis> {
        vec![
            Hypothesis::below("n < m", self.n, self.m),
            Hypothesis::at_least("λmin(Σ) known", self.sigma_min.mid, 0.0),
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
