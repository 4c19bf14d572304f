//! What holds along a flow: conservation laws (appendix F), decay of the loss, the ideal model's limits.

use super::catalogue;
use super::scalar;
use crate::effective::{Flow, Gradient};
use crate::error::Result;
use crate::linalg::EPS;
use crate::theorem::{Claim, Form, Hypothesis, Judged, Probability, Side, Statement};
use crate::trajectory::log_times;

impl Flow<'_, '_> {
    /// The statements about this flow, over times from a thousandth of the fastest mode to well past the slowest.
    ///
    /// # Errors
    /// A dimension of the start without spread.
    pub fn statements(&self) -> Result<Vec<Judged>> {
        let mut judged = self.conservation()?;
        judged.extend(self.decay()?);
        judged.extend(self.limits()?);
        judged.push(self.modular_loss()?);
        Ok(judged)
    }

    fn times(&self) -> Vec<f64> {
        let fastest = self.rates[self.rates.len() - 1];
        let slowest = self.rates.iter().copied().find(|r| *r > 0.0).unwrap_or(fastest);
        log_times(1e-3 / fastest, 20.0 / slowest, 12)
    }

    /// ‖E(0)‖ and how far rounding may move what is conserved.
    fn scale(&self) -> (f64, f64) {
        (self.z0().sqrt(), 16.0 * self.rates.len() as f64 * EPS)
    }

    fn gradient_is(&self, gradient: Gradient) -> Hypothesis {
        let name = match gradient {
            Gradient::Full => "gradient of ℓ0/Z0",
            Gradient::Linear => "linear flow",
        };
        Hypothesis::fact(name, Some(self.settings.gradient == gradient))
    }

    /// Largest relative change of Z0 and of C over the times, and of C from its corrected law.
    fn drifts(&self) -> Result<(f64, f64, f64)> {
        let start = self.state(0.0)?;
        let (centre, size) = (start.sum_axis(ndarray::Axis(0)), self.z0().sqrt());
        let (mut norm, mut sum, mut law) = (0.0_f64, 0.0_f64, 0.0_f64);
        for t in self.times() {
            let state = self.state(t)?;
            let now = state.sum_axis(ndarray::Axis(0));
            norm = norm.max((state.iter().map(|x| x * x).sum::<f64>() / self.z0() - 1.0).abs());
            let distance =
                |a: &ndarray::Array1<f64>| (&now - a).iter().fold(0.0_f64, |m, x| m.max(x.abs())) / size;
            sum = sum.max(distance(&centre));
            law = law.max(distance(&self.centre(t)?));
        }
        Ok((norm, sum, law))
    }

    fn conservation(&self) -> Result<Vec<Judged>> {
        let (norm, sum, law) = self.drifts()?;
        let (size, rounding) = self.scale();
        let p = self.rates.len() as f64;
        let full = || self.gradient_is(Gradient::Full);
        let start = self.centre(0.0)?.iter().fold(0.0_f64, |m, x| m.max(x.abs())) / size;
        Ok(vec![
            scalar(&catalogue::Z0, Form::Printed, "relative change of Z0", Side::Equal, 0.0, vec![full()])
                .judge(norm, rounding),
            scalar(&catalogue::CENTRE, Form::Printed, "change of C/√Z0", Side::Equal, 0.0, vec![full()])
                .judge(sum, p * rounding)
                .with_known_erratum(),
            scalar(
                &catalogue::CENTRE,
                Form::Corrected,
                "distance of C/√Z0 from C(0)/‖S(t)‖",
                Side::Equal,
                0.0,
                vec![full()],
            )
            .judge(law, p * rounding),
            scalar(
                &catalogue::CENTRE_ZERO,
                Form::Derived,
                "change of C/√Z0",
                Side::Equal,
                0.0,
                vec![full(), Hypothesis::at_most("C(0) = 0", start, 0.0)],
            )
            .judge(sum, p * rounding),
            scalar(
                &catalogue::CENTRE_LINEAR,
                Form::Derived,
                "change of C/√Z0",
                Side::Equal,
                0.0,
                vec![self.gradient_is(Gradient::Linear)],
            )
            .judge(sum, p * rounding),
        ])
    }

    /// The loss never rises, and falls at least as fast as its slowest mode once the structure is there.
    fn decay(&self) -> Result<Vec<Judged>> {
        let times = self.times();
        let p = self.rates.len() as f64;
        let start = self.ln_loss(0.0)?;
        let not_ground = || Hypothesis::fact("ℓ(0) > 0", Some(start > f64::NEG_INFINITY));
        let measured = |t: f64| {
            let fastest = self.rates[self.rates.len() - 1];
            (self.ln_loss(t).unwrap_or(f64::NAN), p * EPS * (8.0 + start.abs() + fastest * t))
        };
        let falls = Statement {
            source: &catalogue::LOSS_FALLS,
            form: Form::Derived,
            quantity: "log_train_loss",
            side: Side::Upper,
            claim: Claim::Envelope { ln_bound: Box::new(move |_| start), until: f64::INFINITY },
            probability: None,
            hypotheses: vec![not_ground()],
        };
        // Full flow: ‖S(t)‖² ≥ ‖Π E(0)‖², so the loss is at most (Z0/‖ΠE(0)‖²) times that of the linear flow.
        let null: f64 = self
            .rates
            .iter()
            .zip(self.coefficients.rows())
            .filter(|(r, _)| **r == 0.0)
            .map(|(_, a)| a.dot(&a))
            .sum();
        let room = match self.settings.gradient {
            Gradient::Linear => 0.0,
            Gradient::Full => libm::log(self.z0() / null),
        };
        let slowest = self.rates.iter().copied().find(|r| *r > 0.0).unwrap_or(0.0);
        let rate = Statement {
            source: &catalogue::RATE,
            form: Form::Derived,
            quantity: "log_train_loss",
            side: Side::Upper,
            claim: Claim::Envelope {
                ln_bound: Box::new(move |t| start + room - 2.0 * slowest * t),
                until: f64::INFINITY,
            },
            probability: None,
            hypotheses: vec![not_ground(), Hypothesis::below("0 < ‖ΠE(0)‖²", 0.0, null)],
        };
        Ok(vec![falls.judge_envelope(&times, false, measured), rate.judge_envelope(&times, false, measured)])
    }

    /// The ideal model: where the flow ends, everything implied by the training set holds. That nothing
    /// else does (RQI ≤ RQI-bar) can fail by luck, since δ > 0.
    fn limits(&self) -> Result<Vec<Judged>> {
        let implied = self.spectrum.problem.implied();
        let shape = self.final_shape()?;
        let (rqi, accuracy) = (
            crate::effective::rqi(self.spectrum.problem.task(), shape.view(), self.settings.matching)?,
            crate::effective::predicted_accuracy(
                self.spectrum.problem,
                shape.view(),
                self.settings.matching,
            )?,
        );
        let mut highest = rqi;
        for t in self.times() {
            highest = highest.max(self.rqi(t)?);
        }
        // A null part with spread in every dimension: otherwise the shape ends on slow modes.
        let spread = (0..self.coefficients.ncols())
            .map(|d| {
                (1..self.spectrum.nullity.value)
                    .map(|i| self.coefficients[(i, d)].abs())
                    .fold(0.0_f64, f64::max)
            })
            .fold(f64::INFINITY, f64::min);
        let kept =
            || vec![Hypothesis::below("rounding < null part of E(0)", 1e-9 * self.z0().sqrt(), spread)];
        // The ideal model's assumption, which the source itself says luck may break: it gives no probability.
        let mut alexander =
            scalar(&catalogue::ALEXANDER, Form::Printed, "largest rqi", Side::Upper, implied.rqi, vec![]);
        alexander.probability =
            Some(Probability { stated: 0.0, exact: None, over: "the initial embeddings, δ being positive" });
        Ok(vec![
            scalar(&catalogue::LIMIT_RQI, Form::Derived, "rqi at ∞", Side::Lower, implied.rqi, kept())
                .judge(rqi, 4.0 * EPS),
            scalar(
                &catalogue::LIMIT_ACCURACY,
                Form::Derived,
                "accuracy at ∞",
                Side::Lower,
                implied.accuracy,
                kept(),
            )
            .judge(accuracy, 4.0 * EPS),
            alexander.judge(highest, 4.0 * EPS),
        ])
    }

    /// Full modular data, p odd: every zero-mean representation has the same loss, so nothing moves.
    fn modular_loss(&self) -> Result<Judged> {
        let problem = self.spectrum.problem;
        let task = problem.task();
        let p = task.symbols() as f64;
        let (size, _) = self.scale();
        let start = self.centre(0.0)?.iter().fold(0.0_f64, |m, x| m.max(x.abs())) / size;
        let hypotheses = vec![
            Hypothesis::fact("addition modulo an odd p", Some(task.is_modular() && task.symbols() % 2 == 1)),
            Hypothesis::at_least("D = D0", problem.samples().len() as f64, task.samples() as f64),
            Hypothesis::at_most("C(0) = 0", start, 0.0),
            self.gradient_is(Gradient::Full),
        ];
        let per_parallelogram = 4.0 * (p + 3.0) / (p * p - 1.0);
        let value = per_parallelogram * problem.parallelograms() as f64
            / self.settings.convention.divisor(problem.parallelograms());
        let last = *self.times().last().unwrap_or(&0.0);
        Ok(scalar(&catalogue::MODULAR_LOSS, Form::Derived, "train_loss", Side::Equal, value, hypotheses)
            .judge(
                self.loss(last)?,
                16.0 * p * EPS * value * (1.0 + self.rates[self.rates.len() - 1] * last),
            ))
    }
}
