//! Kernel phase of the exponential loss: C.4, C.5, C.7 and the brackets of C.8; what it says of the margin is in
//! [`super::margin`].

use super::catalogue;
use std::f64::consts::LN_2;

use super::dual::Dual;
use super::facts::{Facts, envelope, ln_exp_minus_one, ln_inverse_f, statement};
use super::linearised::LinearFlow;
use crate::Loss;
use crate::diagonal::PathError;
use crate::error::Result;
use crate::loss::softplus;
use crate::theorem::{Claim, Form, Hypothesis, Judged, Side};

impl Facts<'_, '_> {
    pub(super) fn classification(&self) -> Result<Vec<Judged>> {
        let mut judged = self.upper_loss();
        judged.extend(self.departure());
        judged.extend(self.lower_loss());
        judged.extend(self.linearised_bracket()?);
        judged.extend(self.net_bracket());
        let dual = Dual::new(self)?;
        judged.push(self.plateau(&dual));
        judged.extend(self.scale(&dual)?);
        judged.push(self.direction(&dual)?);
        Ok(judged)
    }

    pub(super) fn kernel_hypotheses(&self) -> Vec<Hypothesis> {
        vec![
            self.loss_is("exponential loss", Loss::Exponential),
            self.symmetric(),
            self.decays(),
            Hypothesis::below("0 < γ (separable)", 0.0, self.gamma),
        ]
    }

    /// ln γ²A.
    pub(super) fn ln_gain(&self) -> f64 {
        2.0 * libm::log(self.gamma) + self.ln_scale
    }

    /// ln B of (D14).
    fn ln_b(&self) -> f64 {
        self.ln_gain() - libm::log(16.0 * (self.depth - 1.0))
    }

    /// ln(F⁻¹(γ²A/8L) − 1).
    fn ln_f0(&self) -> f64 {
        ln_exp_minus_one(ln_inverse_f(self.ln_gain() - libm::log(8.0 * self.depth)))
    }

    /// ‖x_i‖.
    pub(super) fn norms(&self) -> Vec<f64> {
        let design = self.run.problem().design();
        let mut squares = vec![0.0; design.samples()];
        design.apply_squares(&vec![1.0; design.dimension()], &mut squares, self.threads);
        squares.into_iter().map(f64::sqrt).collect()
    }

    /// G: no training gradient is longer before T_max.
    fn reach(&self) -> f64 {
        let longest = self.norms().into_iter().fold(0.0, f64::max);
        2.0_f64.sqrt() * self.depth * longest + 0.5 * self.gamma
    }

    /// C.4 (8), (D14).
    fn upper_loss(&self) -> Vec<Judged> {
        let (rate, ln_b, ln_f0) = (2.0 * (self.depth - 1.0) * self.lambda, self.ln_b(), self.ln_f0());
        let bound = move |t: f64| {
            let x = rate * t;
            let early = -softplus(ln_b + libm::log(-libm::expm1(-x)));
            early.max(x - ln_f0)
        };
        let claim = envelope(bound, self.kernel_end);
        let quantity = "log_train_loss";
        let hypotheses = self.kernel_hypotheses();
        let s = statement(&catalogue::LOSS_FALLS, Form::Printed, quantity, Side::Upper, claim, hypotheses);
        vec![self.judge(s, &self.times, |t| self.ln_loss(t))]
    }

    /// C.5, explicit (D15): the departure from the start, and T_max from below.
    fn departure(&self) -> Vec<Judged> {
        let (l, lambda) = (self.depth, self.lambda);
        let (rate, ln_b, ln_f0) = (2.0 * (l - 1.0) * lambda, self.ln_b(), self.ln_f0());
        let front = libm::log(self.reach()) + (l - 2.0) * self.ln_alpha;
        let bound = move |t: f64| {
            // ln((1 + B)e^x − B) = ln(1 + (1 + B)(e^x − 1)).
            let ln_b1 = softplus(ln_b);
            let grown = softplus(ln_b1 + ln_exp_minus_one(rate * t));
            let early = libm::log(grown) - libm::log(rate) - ln_b1;
            let late = ln_exp_minus_one(l * lambda * t) - libm::log(l * lambda) - ln_f0;
            front + early.max(late) + libm::log1p(libm::exp(-(early - late).abs()))
        };
        let first = self.times.iter().copied().filter(|t| *t > 0.0).collect::<Vec<_>>();
        let curve = statement(
            &catalogue::DEPARTURE,
            Form::Corrected,
            "log ‖e^{λt}θ/α − θ̄‖",
            Side::Upper,
            envelope(bound, self.kernel_end),
            self.kernel_hypotheses(),
        );
        let curve = self.judge(curve, &first, |t| match self.state(t) {
            Ok(state) => (state.ln_departure, self.error(t).departure + 1e-13),
            Err(_) => (f64::NAN, 0.0),
        });
        // At depth 2 gradients move by at most 2 max|x_ik|·‖δ‖.
        let x = self.run.problem().design();
        let largest = match x.is_packed() || self.depth != 2.0 {
            true => 1.0,
            false => (0..x.dimension())
                .flat_map(|k| (0..x.samples()).map(move |i| (i, k)))
                .fold(0.0_f64, |m, (i, k)| m.max(x.entry(i, k).abs())),
        };
        let ball = libm::log(self.gamma / (4.0 * largest));
        let claim = last_below(bound, ball, self.horizon);
        let mut hypotheses = self.kernel_hypotheses();
        hypotheses.push(Hypothesis::fact("L = 2", Some(self.depth == 2.0)));
        hypotheses.push(Hypothesis::fact("T_max < horizon", Some(self.kernel_end.is_finite())));
        let end = statement(
            &catalogue::KERNEL_END,
            Form::Derived,
            "T_max",
            Side::Lower,
            Claim::Scalar(claim),
            hypotheses,
        );
        let searched = 1e-4 * claim.min(self.horizon) * f64::from(!self.small);
        vec![curve, end.judge(self.kernel_end, searched + self.error_of_kernel_end())]
    }

    /// Error of T_max: that of the gradients' change over the rate at which it grows there.
    fn error_of_kernel_end(&self) -> f64 {
        let (t, before) = (self.kernel_end, 0.99 * self.kernel_end);
        match (self.state(t), self.state(before)) {
            (Ok(now), Ok(then)) if t.is_finite() => {
                let grown = libm::log(now.gradient_change / then.gradient_change);
                self.error(t).departure * (t - before) / grown.max(1e-3)
            }
            _ => 0.0,
        }
    }

    /// C.7 (17), printed and corrected (D16).
    fn lower_loss(&self) -> Vec<Judged> {
        let (l, n, lambda) = (self.depth, self.n, self.lambda);
        let rate = 2.0 * (l - 1.0) * lambda;
        let ln_y0 = libm::log(2.0 / (n * l)) + 2.0 * libm::log(self.reach()) + self.ln_scale;
        let ln_n = libm::log(n);
        let printed = move |t: f64| {
            let ln_x = ln_inverse_f(ln_y0 - rate * t);
            (ln_n - ln_x).min(1.0 - rate - ln_n)
        };
        let corrected = move |t: f64| {
            let ln_x = ln_inverse_f(ln_y0 - rate * t);
            (-ln_n - ln_x).min(1.0 - 4.0 * (l - 1.0) / l - ln_n)
        };
        let judge = |form, claim| {
            let hypotheses = self.kernel_hypotheses();
            let s = statement(
                &catalogue::LOSS_FROM_BELOW,
                form,
                "log_train_loss",
                Side::Lower,
                claim,
                hypotheses,
            );
            self.judge(s, &self.times, |t| self.ln_loss(t))
        };
        vec![
            judge(Form::Printed, envelope(printed, self.kernel_end)).with_known_erratum(),
            judge(Form::Corrected, envelope(corrected, self.kernel_end)),
        ]
    }

    /// (D17) for the linearised flow.
    fn linearised_bracket(&self) -> Result<Vec<Judged>> {
        let mut hypotheses = self.kernel_hypotheses();
        // The linearised flow is integrated as it stands.
        let ln_start = 2.0 * (self.depth - 1.0) * self.ln_alpha;
        hypotheses.push(Hypothesis::below(
            "α^{2(L−1)} < 10³⁰⁰ (evaluated in floating point)",
            ln_start,
            690.0,
        ));
        let applies = hypotheses.iter().all(|h| h.standing == crate::theorem::Standing::Holds);
        let flow = if applies { LinearFlow::new(self).ok() } else { None };
        if applies {
            hypotheses
                .push(Hypothesis::fact("the linearised flow is integrated", flow.as_ref().map(|_| true)));
        }
        let times: Vec<f64> = flow.as_ref().map_or(Vec::new(), |flow| flow.times());
        let sum = |t: f64| flow.as_ref().map_or((f64::NAN, 0.0), |flow| flow.ln_loss_plus_margin(t));
        let quantity = "log_train_loss + γ‖h‖ (linearised flow)";
        let source = [&catalogue::BRACKET_ABOVE_LINEARISED, &catalogue::BRACKET_BELOW_LINEARISED];
        let above = statement(
            source[0],
            Form::Derived,
            quantity,
            Side::Upper,
            envelope(|_| 0.0, f64::INFINITY),
            hypotheses.clone(),
        );
        let ln_n = libm::log(self.n);
        let below = statement(
            source[1],
            Form::Derived,
            quantity,
            Side::Lower,
            envelope(move |_| -ln_n, f64::INFINITY),
            hypotheses,
        );
        Ok(vec![self.judge_all(above, &times, sum), self.judge_all(below, &times, sum)])
    }

    /// (D17) on the net, while its gradients have not moved. What their change has done is allowed for:
    /// γ₂‖w‖ against γ‖h‖, which agree for the linearised net.
    fn net_bracket(&self) -> Vec<Judged> {
        let half = 0.5 * LN_2 + libm::log(self.depth);
        let sum = |t: f64| {
            let Ok(state) = self.state(t) else { return (f64::NAN, 0.0) };
            let tangent = self.gamma * libm::exp(self.ln_tangent(t, &state));
            let linear = self.gamma * libm::exp(state.ln_weights - half);
            let PathError { ln_train_loss, departure, .. } = self.error(t);
            let error = ln_train_loss + departure * tangent + 1e-13 * (1.0 + tangent);
            (state.ln_loss + tangent, error + (linear - tangent).abs())
        };
        let quantity = "log_train_loss + γ‖h‖";
        let above = statement(
            &catalogue::BRACKET_ABOVE,
            Form::Derived,
            quantity,
            Side::Upper,
            envelope(|_| 0.0, self.kernel_end),
            self.kernel_hypotheses(),
        );
        let ln_n = libm::log(self.n);
        let below = statement(
            &catalogue::BRACKET_BELOW,
            Form::Derived,
            quantity,
            Side::Lower,
            envelope(move |_| -ln_n, self.kernel_end),
            self.kernel_hypotheses(),
        );
        vec![self.judge(above, &self.times, sum), self.judge(below, &self.times, sum)]
    }
}

/// The last t up to `horizon` at which a growing f is at most `level`.
fn last_below(f: impl Fn(f64) -> f64, level: f64, horizon: f64) -> f64 {
    let (mut lo, mut hi) = (0.0, horizon);
    if f(hi) <= level {
        return hi;
    }
    for _ in 0..200 {
        let middle = 0.5 * (lo + hi);
        if f(middle) <= level { lo = middle } else { hi = middle }
    }
    lo
}
