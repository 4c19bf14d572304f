//! Theorem 4.6: where descent ends.

use super::facts::Facts;
use crate::linalg::EPS;
use crate::theorem::{Claim, Form, Hypothesis, Judged, Probability, Side, Statement};
use crate::trajectory::Clock;

impl<T: Clock> Facts<'_, '_, '_, T> {
    /// Theorem 4.6: where descent ends.
    pub(super) fn limit(&self) -> Vec<Judged> {
        let limit = |i: usize| self.form.spectrum.limit(i, self.form.rates[i].g);
        let limit_norm = (0..self.rank).map(|i| limit(i).powi(2)).sum::<f64>().sqrt();
        let limit_train = self.form.train_loss_limit().unwrap_or(f64::NAN);
        let norm = Statement {
            source: "2601.19791 Thm 4.6 (‖θ*_λ‖)",
            form: self.printed(),
            quantity: "limit_norm",
            side: Side::Upper,
            claim: Claim::Scalar(self.star),
            probability: None,
            hypotheses: vec![self.realizable_hypothesis()],
        };
        let train = Statement {
            source: "2601.19791 Thm 4.6 (L_n(θ*_λ))",
            form: self.printed(),
            quantity: "train_loss_limit",
            side: Side::Upper,
            claim: Claim::Scalar(0.5 * self.lambda * self.star * self.star),
            probability: None,
            hypotheses: vec![self.realizable_hypothesis()],
        };
        // Every mode contracts by 1 − ηλ at least (by e^{−λ} a unit of flow time).
        let slowest = self.form.rates.iter().map(|r| -r.rate).fold(f64::INFINITY, f64::min);
        let mut bounded = self.bound_hypotheses();
        bounded.extend(self.step_hypothesis(
            "η ≤ 1/(λ + b²)",
            1.0 / (self.lambda + self.bound.powi(2)),
            false,
        ));
        bounded.push(Hypothesis::below("0 < λ", 0.0, self.lambda));
        let converges = Statement {
            source: "2601.19791 Thm 4.6 (convergence to θ*_λ)",
            form: self.printed(),
            quantity: "log_contraction",
            side: Side::Upper,
            claim: Claim::Scalar(-self.decay(self.lambda)),
            probability: None,
            hypotheses: bounded.clone(),
        };
        let (epsilon, delta) = (self.inputs.train_threshold, self.inputs.failure_probability);
        // Our own constants (theory/ridge.md, equation 24), at any sample size.
        let gap = self.bound.powi(2) * self.star.powi(2) / self.n.sqrt()
            * (4.0 + (0.5 * (1.0 / delta).ln()).sqrt());
        let mut explicit_needs = self.bound_hypotheses();
        explicit_needs.push(self.realizable_hypothesis());
        explicit_needs.push(Hypothesis::below("0 < λ", 0.0, self.lambda));
        let explicit = Statement {
            source: "2601.19791 Thm 4.6 (L(θ*_λ), explicit constants)",
            form: Form::Derived,
            quantity: "test_loss_limit",
            side: Side::Upper,
            claim: Claim::Scalar(2.0 * limit_train + gap),
            probability: Some(Probability { stated: 1.0 - delta, exact: None, over: "sample" }),
            hypotheses: explicit_needs,
        };
        let mut generalises = bounded;
        generalises.push(self.realizable_hypothesis());
        generalises.extend(self.sample_hypotheses(epsilon, delta));
        let general = Statement {
            source: "2601.19791 Thm 4.6 (L(θ*_λ))",
            form: self.printed(),
            quantity: "test_loss_limit",
            side: Side::Upper,
            claim: Claim::Scalar(2.0 * limit_train + epsilon),
            probability: Some(Probability { stated: 1.0 - delta, exact: None, over: "sample" }),
            hypotheses: generalises,
        };
        let limit_test = self.form.test_loss_limit().unwrap_or(f64::NAN);
        vec![
            norm.judge(limit_norm, 1e-12 * (self.star + limit_norm)),
            train.judge(limit_train, 1e-12 * limit_train),
            converges.judge(-slowest, 1e-12 * slowest.abs() + 8.0 * EPS),
            general.judge(limit_test, 1e-12 * limit_test),
            explicit.judge(limit_test, 1e-12 * limit_test),
        ]
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
        let need = 2048.0 * b4 * self.star.powi(4) * (4.0 / delta).ln() / (epsilon * epsilon);
        let constant = "n ≥ 4C²b⁴‖θ*‖⁴/ε², C universal";
        vec![
            Hypothesis::at_least("n ≥ 2048 b⁴‖θ*‖⁴ ln(4/δ)/ε²", self.n, need),
            match self.star == 0.0 {
                true => Hypothesis::at_least(constant, self.n, 0.0),
                false => Hypothesis::open(constant, self.n),
            },
        ]
    }
}
