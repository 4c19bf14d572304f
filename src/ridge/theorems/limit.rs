//! Theorem 4.6: the minimiser θ*_λ, to which descent tends.

use super::ball::Ball;
use super::catalogue;
use super::facts::{Facts, ball_length};
use crate::crossing::Point;
use crate::linalg::EPS;
use crate::theorem::{Claim, Form, Hypothesis, Judged, Probability, Side, Statement};
use crate::trajectory::Clock;

impl<T: Clock> Facts<'_, '_, '_, T> {
    /// Theorem 4.6. Its claims are about the minimiser itself: where some ρ = −1, or where λ = 0 keeps a part of θ₀,
    /// descent does not tend to it.
    pub(super) fn limit(&self) -> Vec<Judged> {
        let (epsilon, delta) = (self.inputs.train_threshold, self.inputs.failure_probability);
        let norm = ball_length(&self.minimiser());
        let train = loss(self.form.train.at_minimiser());
        let test = self.form.test.at_minimiser().map_or(Ball::NAN, loss);
        let mut bounded = self.bound_hypotheses();
        let step = 1.0 / (self.lambda + self.bound.powi(2));
        bounded.extend(self.step_hypothesis("η ≤ 1/(λ + b²)", step, false));
        bounded.push(Hypothesis::below("0 < λ", 0.0, self.lambda));
        let mut generalises = bounded.clone();
        generalises.push(self.realizable_hypothesis());
        generalises.extend(self.sample_hypotheses(epsilon, delta));
        // Our own constants (theory/ridge.md, equation 24), at any sample size.
        let gap = self.bound.powi(2) * self.star.mid.powi(2) / self.n.sqrt()
            * (4.0 + (0.5 * (1.0 / delta).ln()).sqrt());
        let mut explicit = self.bound_hypotheses();
        explicit.push(self.realizable_hypothesis());
        explicit.push(Hypothesis::below("0 < λ", 0.0, self.lambda));

        let chance = Some(Probability { stated: 1.0 - delta, exact: None, over: "sample" });
        let realizable = || vec![self.realizable_hypothesis()];
        let upper = |source, quantity, hypotheses, probability, claim: Ball, measured: Ball| {
            let (form, claimed) = (self.printed(), Claim::Scalar(claim.mid));
            let side = Side::Upper;
            let statement =
                Statement { source, form, quantity, side, claim: claimed, probability, hypotheses };
            statement.judge(measured.mid, measured.rad + claim.rad).certain()
        };
        let small = self.star.times(self.lambda * self.star.mid).times(0.5);
        let small = Ball::new(small.mid, 2.0 * small.rad + f64::MIN_POSITIVE);
        let mut explicit = upper(
            &catalogue::LIMIT_TEST_EXPLICIT,
            "test_loss_limit",
            explicit,
            chance,
            train.times(2.0).plus(Ball::exact(gap)),
            test,
        );
        explicit.statement.form = Form::Derived;
        vec![
            upper(&catalogue::LIMIT_NORM, "limit_norm", realizable(), None, self.star, norm),
            upper(&catalogue::LIMIT_TRAIN, "train_loss_limit", realizable(), None, small, train),
            upper(
                &catalogue::LIMIT_CONVERGENCE,
                "log_contraction",
                bounded,
                None,
                self.outside_decay().times(-1.0),
                self.contraction(),
            ),
            upper(
                &catalogue::LIMIT_TEST,
                "test_loss_limit",
                generalises,
                chance,
                train.times(2.0).plus(Ball::exact(epsilon)),
                test,
            ),
            explicit,
        ]
    }

    /// ln of the largest |ρ|, of the modes and of the complement.
    fn contraction(&self) -> Ball {
        let slowest = self.form.rates.iter().max_by(|a, b| a.rate.total_cmp(&b.rate));
        slowest.map_or(Ball::NAN, |r| {
            let digits = if r.rate.is_finite() { 4.0 * EPS * r.rate.abs() } else { 0.0 };
            Ball::new(r.rate, r.error + digits)
        })
    }

    pub(super) fn bound_hypotheses(&self) -> Vec<Hypothesis> {
        vec![Hypothesis::at_most(
            "max ‖φ(x_i)‖ ≤ b",
            if self.bound.is_nan() { f64::NAN } else { self.form.spectrum.largest_row_norm() },
            self.bound,
        )]
    }

    /// The sample sizes of Theorem 4.6; its universal constant C is not given, and matters unless θ* = 0.
    pub(super) fn sample_hypotheses(&self, epsilon: f64, delta: f64) -> Vec<Hypothesis> {
        let b4 = self.bound.powi(4);
        let need = 2048.0 * b4 * self.star.mid.powi(4) * (4.0 / delta).ln() / (epsilon * epsilon);
        let constant = "n ≥ 4C²b⁴‖θ*‖⁴/ε², C universal";
        vec![
            Hypothesis::at_least("n ≥ 2048 b⁴‖θ*‖⁴ ln(4/δ)/ε²", self.n, need),
            match self.star.mid == 0.0 {
                true => Hypothesis::at_least(constant, self.n, 0.0),
                false => Hypothesis::open(constant, self.n),
            },
        ]
    }
}

/// A loss with its error; what underflows is not told from zero.
fn loss(point: Point) -> Ball {
    Ball::new(point.value, point.rounding + f64::MIN_POSITIVE)
}
