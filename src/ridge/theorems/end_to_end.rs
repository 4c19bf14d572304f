//! Theorem 4.2 and its parts (6), (7), (8).

use super::HALF_LOG_LIMIT;
use super::facts::{Facts, time_of};
use crate::theorem::{Claim, Form, Hypothesis, Judged, Probability, Side, Statement};
use crate::trajectory::Clock;

impl<T: Clock> Facts<'_, '_, '_, T> {
    /// Theorem 4.2 and its parts (6), (7), (8).
    pub(super) fn end_to_end(&self) -> Vec<Judged> {
        let (epsilon, c) = (self.inputs.train_threshold, self.inputs.test_threshold);
        let delta = self.inputs.failure_probability;
        let unit = self.eta_unit();
        let outside = self.decay(self.lambda);
        let ln_six = (6.0 * self.bound.powi(2) * self.start.powi(2) / epsilon).ln();
        let six = time_of(self.n * ln_six, 2.0 * unit * self.s_min);
        let ln_seven = 2.0 * ((0.5 * self.free * self.variance).sqrt() / self.reach(self.star)).ln();
        let seven = time_of(ln_seven, 4.0 * unit * self.lambda);

        let mut six_needs = self.training_hypotheses();
        six_needs.extend(self.bound_hypotheses());
        let half_log = match self.is_flow {
            true => vec![],
            false => vec![Hypothesis::at_most("ηλ ≤ 0.7968", self.eta * self.lambda, HALF_LOG_LIMIT)],
        };
        let late = |form, hypotheses| Statement {
            source: "2601.19791 (7)",
            form,
            quantity: "t2",
            side: Side::Lower,
            claim: Claim::Scalar(seven),
            probability: Some(self.complement_law(delta)),
            hypotheses,
        };
        let mut judged = vec![self.judge_t1(Statement {
            source: "2601.19791 (6)",
            form: self.printed(),
            quantity: "t1",
            side: Side::Upper,
            claim: Claim::Scalar(six),
            probability: None,
            hypotheses: six_needs.clone(),
        })];
        if !self.is_flow {
            let printed = self.judge_t2(outside, late(Form::Printed, self.late_hypotheses()));
            // Where its proof has no gap a failure is chance, and only its rate can judge it.
            let gap = self.eta * self.lambda > HALF_LOG_LIMIT;
            judged.push(if gap { printed.with_known_erratum() } else { printed });
        }
        let corrected = [self.late_hypotheses(), half_log.clone()].concat();
        let form = if self.is_flow { Form::Derived } else { Form::Corrected };
        judged.push(self.judge_t2(outside, late(form, corrected)));

        // (8): isotropic Gaussian features, c = ε.
        let isotropic = self.sigma_min == self.sigma_max && (self.sigma_min * self.m - 1.0).abs() < 1e-9;
        let gaussian = self.form.spectrum.gaussian.map(|gaussian| gaussian && isotropic);
        let law = Hypothesis::fact("φ ~ N(0, I/m)", gaussian);
        let small = match self.is_flow {
            true => vec![],
            false => vec![Hypothesis::at_most("ηλ ≤ 0.01", self.eta * self.lambda, 0.01)],
        };
        let mut eight_late = vec![
            law.clone(),
            self.realizable_hypothesis(),
            self.init_law(),
            Hypothesis::below("‖θ*‖²/m < c", self.star.powi(2) / self.m, c),
            Hypothesis::below("n < m", self.n, self.m),
        ];
        eight_late.extend(small.clone());
        let ln_eight = (self.free * self.variance / (8.0 * self.m * c)).ln();
        judged.push(self.judge_t2(
            outside,
            Statement {
                source: "2601.19791 (8), t2",
                form: self.printed(),
                quantity: "t2",
                side: Side::Lower,
                claim: Claim::Scalar(time_of(ln_eight, 2.02 * unit * self.lambda)),
                probability: Some(self.complement_law(2.0 * (-self.free / 32.0).exp())),
                hypotheses: eight_late,
            },
        ));
        let ln_fourteen = (14.0 * self.m * self.variance / epsilon).ln();
        let mut eight_early = vec![
            law,
            self.init_law(),
            Hypothesis::at_most("L̂ ≤ b² = 3/2 (holds with high probability)", self.mean_square, 1.5),
            Hypothesis::at_most(
                "‖θ₀‖² ≤ 3mν²/2 (holds with high probability)",
                self.start.powi(2),
                1.5 * self.m * self.variance,
            ),
        ];
        eight_early.extend(self.training_hypotheses());
        eight_early.extend(small);
        judged.push(self.judge_t1(Statement {
            source: "2601.19791 (8), t1",
            form: self.printed(),
            quantity: "t1",
            side: Side::Upper,
            claim: Claim::Scalar(time_of(self.n * ln_fourteen, 2.0 * unit * self.s_min)),
            probability: None,
            hypotheses: eight_early,
        }));

        let mut whole = six_needs;
        whole.extend(self.late_hypotheses());
        whole.extend(half_log);
        whole.extend(self.step_hypothesis("η < 1/(λ + b²)", 1.0 / (self.lambda + self.bound.powi(2)), true));
        whole.extend(self.sample_hypotheses(epsilon, delta));
        let delay = self.t2.0 - self.t1.0.max(0.0);
        judged.push(
            Statement {
                source: "2601.19791 Thm 4.2, (7) − (6)",
                form: self.printed(),
                quantity: "delay",
                side: Side::Lower,
                claim: Claim::Scalar(seven - six),
                probability: Some(Probability {
                    stated: 1.0 - delta,
                    exact: None,
                    over: "initialisation and sample",
                }),
                hypotheses: whole,
            }
            .judge(delay, self.t1.1 + self.t2.1),
        );
        judged
    }
}
