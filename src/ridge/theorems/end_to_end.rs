//! Theorem 4.2 and its parts (6), (7), (8).

use super::HALF_LOG_LIMIT;
use super::ball::{Ball, time_of};
use super::catalogue;
use super::facts::Facts;
use crate::theorem::{Form, Hypothesis, Judged, Probability, Side, Statement};
use crate::trajectory::Clock;

impl<T: Clock> Facts<'_, '_, '_, T> {
    /// Theorem 4.2 and its parts (6), (7), (8).
    pub(super) fn end_to_end(&self) -> Vec<Judged> {
        let (epsilon, c) = (self.inputs.train_threshold, self.inputs.test_threshold);
        let delta = self.inputs.failure_probability;
        // ηλ⁺ and ηλ, or λ⁺ and λ under flow.
        let (modes, outside) =
            (self.s_min.times(self.eta_unit()), Ball::exact(self.lambda).times(self.eta_unit()));
        let ln = |x: f64| Ball::exact(x).ln();
        let start = self.start.ln().times(2.0);
        let ln_six = ln(6.0).plus(ln(self.bound).times(2.0)).plus(start).minus(ln(epsilon));
        let six = time_of(ln_six.times(self.n), modes.times(2.0));
        let ln_seven =
            ln(0.5 * self.free.max(0.0) * self.variance).minus(self.ln_reach(self.star).times(2.0));
        let seven = time_of(ln_seven, outside.times(4.0));

        let mut six_needs = self.training_hypotheses();
        six_needs.extend(self.bound_hypotheses());
        let half_log = match self.is_flow {
            true => vec![],
            false => vec![Hypothesis::at_most("ηλ ≤ 0.7968", self.eta * self.lambda, HALF_LOG_LIMIT)],
        };
        let late = |form, hypotheses| {
            self.t2.judge(seven, |claim| Statement {
                source: &catalogue::SEVEN,
                form,
                quantity: "t2",
                side: Side::Lower,
                claim,
                probability: Some(self.complement_law(delta)),
                hypotheses,
            })
        };
        let mut judged = vec![self.with_smallest(self.t1.judge(six, |claim| Statement {
            source: &catalogue::SIX,
            form: self.printed(),
            quantity: "t1",
            side: Side::Upper,
            claim,
            probability: None,
            hypotheses: six_needs.clone(),
        }))];
        if !self.is_flow {
            let printed = late(Form::Printed, self.late_hypotheses());
            // Where its proof has no gap a failure is chance, and only its rate can judge it.
            let gap = self.eta * self.lambda > HALF_LOG_LIMIT;
            judged.push(if gap { printed.with_known_erratum() } else { printed });
        }
        let corrected = [self.late_hypotheses(), half_log.clone()].concat();
        let form = if self.is_flow { Form::Derived } else { Form::Corrected };
        judged.push(late(form, corrected));

        // (8): isotropic Gaussian features, c = ε.
        let isotropic = self.sigma_min == self.sigma_max && (self.sigma_min.mid * self.m - 1.0).abs() < 1e-9;
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
            Hypothesis::below("‖θ*‖²/m < c", self.star.mid.powi(2) / self.m, c),
            Hypothesis::below("n < m", self.n, self.m),
        ];
        eight_late.extend(small.clone());
        let ln_eight = ln(self.free.max(0.0) * self.variance).minus(ln(8.0 * self.m)).minus(ln(c));
        judged.push(self.t2.judge(time_of(ln_eight, outside.times(2.02)), |claim| Statement {
            source: &catalogue::EIGHT_LATE,
            form: self.printed(),
            quantity: "t2",
            side: Side::Lower,
            claim,
            probability: Some(self.complement_law(2.0 * (-self.free / 32.0).exp())),
            hypotheses: eight_late,
        }));
        let ln_fourteen = ln(14.0 * self.m * self.variance).minus(ln(epsilon));
        let mut eight_early = vec![
            law,
            self.init_law(),
            Hypothesis::at_most("L̂ ≤ b² = 3/2 (holds with high probability)", self.mean_square.mid, 1.5),
            Hypothesis::at_most(
                "‖θ₀‖² ≤ 3mν²/2 (holds with high probability)",
                self.start.mid.powi(2),
                1.5 * self.m * self.variance,
            ),
        ];
        eight_early.extend(self.training_hypotheses());
        eight_early.extend(small);
        let early = time_of(ln_fourteen.times(self.n), modes.times(2.0));
        judged.push(self.with_smallest(self.t1.judge(early, |claim| Statement {
            source: &catalogue::EIGHT_EARLY,
            form: self.printed(),
            quantity: "t1",
            side: Side::Upper,
            claim,
            probability: None,
            hypotheses: eight_early,
        })));

        let mut whole = six_needs;
        whole.extend(self.late_hypotheses());
        whole.extend(half_log);
        whole.extend(self.step_hypothesis("η < 1/(λ + b²)", 1.0 / (self.lambda + self.bound.powi(2)), true));
        whole.extend(self.sample_hypotheses(epsilon, delta));
        judged.push(self.t2.after(&self.t1).judge(seven.minus(six), |claim| Statement {
            source: &catalogue::DELAY,
            form: self.printed(),
            quantity: "delay",
            side: Side::Lower,
            claim,
            probability: Some(Probability {
                stated: 1.0 - delta,
                exact: None,
                over: "initialisation and sample",
            }),
            hypotheses: whole,
        }));
        judged
    }
}
