//! Theorem 4.5: generalisation is late; both sides.

use super::facts::{Facts, decayed, envelope, first_below, time_of};
use crate::linalg::EPS;
use crate::theorem::{Claim, Form, Hypothesis, Judged, Side, Statement};
use crate::trajectory::Clock;

impl<T: Clock> Facts<'_, '_, '_, T> {
    /// √(c/λ_min(Σ)) + ‖θ*‖: the loss is at least c while ‖θ_⊥‖ is at least this.
    pub(super) fn reach(&self, star: f64) -> f64 {
        (self.inputs.test_threshold / self.sigma_min).sqrt() + star
    }

    pub(super) fn late_hypotheses(&self) -> Vec<Hypothesis> {
        let (delta, c) = (self.inputs.failure_probability, self.inputs.test_threshold);
        let free = (32.0 * (2.0 / delta).ln())
            .max(8.0 * self.star.powi(2) / self.variance)
            .max(8.0 * c / (self.sigma_min * self.variance));
        let need = self.n + if self.variance.is_nan() || self.sigma_min.is_nan() { f64::NAN } else { free };
        let mut all = vec![self.realizable_hypothesis(), self.init_law()];
        all.extend(self.step_hypothesis("η < 1/λ", 1.0 / self.lambda, true));
        all.push(Hypothesis::at_least("m ≥ n + max{32 ln(2/δ), 8‖θ*‖²/ν², 8c/(λmin(Σ)ν²)}", self.m, need));
        all
    }

    /// Theorem 4.5 and its deterministic, two-sided form.
    pub(super) fn generalisation_is_late(&self) -> Vec<Judged> {
        let c = self.inputs.test_threshold;
        let outside = self.decay(self.lambda);
        let random = ((0.5 * self.free * self.variance).sqrt() / self.reach(self.star)).ln();
        let probabilistic = self.judge_t2(
            outside,
            Statement {
                source: "2601.19791 Thm 4.5",
                form: self.printed(),
                quantity: "t2",
                side: Side::Lower,
                claim: Claim::Scalar(time_of(random, outside)),
                probability: Some(self.complement_law(self.inputs.failure_probability)),
                hypotheses: self.late_hypotheses(),
            },
        );
        let deterministic = |source, star| {
            self.judge_t2(
                outside,
                Statement {
                    source,
                    form: Form::Derived,
                    quantity: "t2",
                    side: Side::Lower,
                    claim: Claim::Scalar(time_of((self.start_outside / self.reach(star)).ln(), outside)),
                    probability: None,
                    hypotheses: self.outside_hypotheses(),
                },
            )
        };
        let (floor, start, star) = (self.sigma_min.ln(), self.start_outside, self.star_outside);
        let until = if star > 0.0 { time_of((start / star).ln(), outside) } else { f64::INFINITY };
        let below = Statement {
            source: "2601.19791 Thm 4.5 (deterministic, every t)",
            form: Form::Derived,
            quantity: "log_test_loss",
            side: Side::Lower,
            claim: envelope(
                move |t| match star > 0.0 {
                    true => floor + 2.0 * (start * (-decayed(outside, t)).exp() - star).max(0.0).ln(),
                    false => floor + 2.0 * (start.ln() - decayed(outside, t)),
                },
                until,
            ),
            probability: None,
            hypotheses: self.outside_hypotheses(),
        };
        // What is left after the subtraction has the rounding of its terms.
        let envelope_below = below.judge_envelope(&self.times, !self.is_flow, |t| {
            let (ln, rounding) = self.ln_test_loss(self.rate_error(self.rank), t);
            let decay = decayed(outside, t);
            let moving = start * (-decay).exp();
            let own = if star > 0.0 {
                EPS * (moving * (4.0 + decay) + 4.0 * star) / (moving - star).abs()
            } else {
                0.0
            };
            (ln, rounding + 2.0 * own)
        });
        // Upper side: √L ≤ √λmax(Σ)·(modes + complement), each part bounded by its slowest decay.
        let modes = self.rank;
        let (mut moving, mut bias) = (0.0, 0.0);
        let spectrum = self.form.spectrum;
        for i in 0..modes {
            let g = self.form.rates[i].g;
            moving += (self.form.settings.init_scale * spectrum.init[i] - spectrum.limit(i, g)).powi(2);
            bias += spectrum.bias(i, g, self.lambda).powi(2);
        }
        let (moving, rest) = (moving.sqrt(), bias.sqrt().hypot(self.star_outside));
        let slowest = self.form.rates[..modes].iter().map(|r| -r.rate).fold(f64::INFINITY, f64::min);
        let last = (0..modes).find(|&i| -self.form.rates[i].rate == slowest);
        let own = last.map_or(0.0, |i| self.rate_error(i)).max(self.rate_error(modes));
        let size = self.sigma_max.sqrt();
        // ln of the bound in units of 1/unit².
        let ln_upper = move |unit: f64, t: f64| {
            let parts = [
                (unit * moving).ln() - decayed(slowest, t),
                (unit * start).ln() - decayed(outside, t),
                (unit * rest).ln(),
            ];
            let top = parts.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if top == f64::NEG_INFINITY {
                return top;
            }
            2.0 * (top + parts.iter().map(|p| (p - top).exp()).sum::<f64>().ln())
        };
        let linear = Hypothesis::fact("linear teacher", Some(self.form.spectrum.teacher.is_some()));
        let known = Hypothesis::at_least("λmax(Σ) known", self.sigma_max, 0.0);
        let envelope_above = self.test_envelope(
            own,
            Statement {
                source: "2601.19791 Thm 4.5 (upper side, every t)",
                form: Form::Derived,
                quantity: "log_test_loss",
                side: Side::Upper,
                claim: envelope(move |t| ln_upper(size, t), f64::INFINITY),
                probability: None,
                hypotheses: vec![linear.clone(), known.clone()],
            },
        );
        let rate = slowest.min(if outside > 0.0 { outside } else { slowest });
        let latest = first_below(|t| ln_upper(size / c.sqrt(), t), 0.0, rate);
        // How fast ln_upper falls there.
        let moving_then = moving * (-decayed(slowest, latest)).exp();
        let start_then = start * (-decayed(outside, latest)).exp();
        let weighted = |size: f64, rate: f64| if size > 0.0 { size * rate } else { 0.0 };
        let fall = (weighted(moving_then, slowest) + weighted(start_then, outside))
            / (moving_then + start_then + rest);
        let bracket = self.judge_t2(
            fall,
            Statement {
                source: "2601.19791 Thm 4.5 (upper side)",
                form: Form::Derived,
                quantity: "t2",
                side: Side::Upper,
                claim: Claim::Scalar(if self.is_flow { latest } else { latest.ceil() }),
                probability: None,
                hypotheses: vec![
                    linear,
                    known,
                    Hypothesis::below("λmax(Σ)‖θ*_λ − θ*‖² < c", (size * rest).powi(2), c),
                    Hypothesis::below("0 < λ", 0.0, self.lambda),
                ],
            },
        );
        vec![
            probabilistic,
            deterministic("2601.19791 Thm 4.5 (deterministic, ‖θ*‖)", self.star),
            deterministic("2601.19791 Thm 4.5 (deterministic, ‖θ*_⊥‖)", self.star_outside),
            envelope_below,
            envelope_above,
            bracket,
        ]
    }

    /// The deterministic lower side: any θ₀, any labels of a linear teacher (noise does not reach θ_⊥).
    pub(super) fn outside_hypotheses(&self) -> Vec<Hypothesis> {
        let mut all = vec![
            Hypothesis::fact("linear teacher", Some(self.form.spectrum.teacher.is_some())),
            Hypothesis::below("0 < ‖θ₀_⊥‖", 0.0, self.start_outside),
            Hypothesis::at_least("λmin(Σ) known", self.sigma_min, 0.0),
        ];
        all.extend(self.step_hypothesis("η < 1/λ", 1.0 / self.lambda, true));
        all
    }
}
