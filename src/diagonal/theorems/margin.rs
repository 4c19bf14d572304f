//! Approach to the max-margin direction in the kernel phase: the plateau law, Theorem 3.4 and Corollary 3.6.

use super::catalogue;
use std::f64::consts::LN_2;

use super::dual::{Dual, PlateauLaw, Tilt};
use super::facts::{Facts, State, envelope, ln_norm, statement};
use crate::error::Result;
use crate::theorem::{Claim, Form, Hypothesis, Judged, Side};

/// The plateau law is compared where it claims to be this good.
const LARGEST_LEFT_OUT: f64 = 0.05;

/// Name of the hypothesis that the laws of the plateau need at small α.
const MEMORY: &str = "memory of the start ≤ 5%";

impl Facts<'_, '_> {
    /// The plateau law (D18), to within what the next orders amount to at the worst time of the window.
    pub(super) fn plateau(&self, dual: &Option<Dual>) -> Judged {
        let (from, until) = (0.2 * self.ln_alpha / self.lambda, 0.8 * self.ln_alpha / self.lambda);
        let law = self.plateau_law(dual);
        let times: Vec<f64> = (0..=12).map(|i| from + (until - from) * f64::from(i) / 12.0).collect();
        let inside = until > from && until <= self.horizon;
        let left_out = match (dual, inside) {
            (Some(dual), true) => {
                let changed = |t: f64| self.state(t).map_or(f64::NAN, |s| self.kernel_growth(&s));
                times.iter().map(|&t| law.left_out(t, dual) + changed(t)).fold(0.0, f64::max)
            }
            _ => f64::NAN,
        };
        let mut hypotheses = self.kernel_hypotheses();
        hypotheses.push(Hypothesis::below("0 < ln α", 0.0, self.ln_alpha));
        hypotheses.push(Hypothesis::at_most("0.8 ln α/λ ≤ horizon", until, self.horizon));
        hypotheses.push(Hypothesis::fact("the dual of the L2 margin is unique", Some(dual.is_some())));
        hypotheses.push(Hypothesis::at_most("orders left out ≤ 5%", left_out, LARGEST_LEFT_OUT));
        let s = statement(
            &catalogue::PLATEAU,
            Form::Derived,
            "log_train_loss",
            Side::Equal,
            envelope(move |t| law.ln_loss(t), until.next_up()),
            hypotheses,
        );
        let times = match self.pinned {
            Some(t) => vec![t],
            None if inside => times,
            None => Vec::new(),
        };
        s.judge_envelope_at(&times, |t| {
            let (ln, error) = self.ln_loss(t);
            (ln, error + left_out)
        })
    }

    /// How w approaches the max-margin direction, at T_c^-; None without a unique dual.
    pub(super) fn early_tilt(&self) -> Result<Option<Tilt>> {
        let (Some(state), Some(dual)) = (self.early_state()?, Dual::new(self)?) else {
            return Ok(None);
        };
        let size = dual.entropy - libm::log(self.n) - state.ln_loss;
        let off_support = 1.0 - dual.tilt_of_support(size) / dual.tilt(size, self.kept(self.early()));
        let change = dual.change(self.depth * size - 2.0 * (self.depth - 1.0), self.depth);
        let pairs = dual.epsilon.iter().zip(&dual.omega);
        let next_order = pairs.map(|(e, w)| (change * e / w).abs()).fold(off_support, f64::max);
        Ok(Some(Tilt { size, next_order }))
    }

    fn plateau_law(&self, dual: &Option<Dual>) -> PlateauLaw {
        PlateauLaw {
            ln_gain: self.ln_gain(),
            depth: self.depth,
            lambda: self.lambda,
            shift: dual.as_ref().map_or(f64::NAN, |d| d.entropy) - libm::log(self.n),
        }
    }

    /// Twice what γ² = ωᵀKω has grown by, relative to its start, to leading order: odd orders cancel, and the
    /// even one is at most 3 times the square of the change of a gradient over γ (`theory/diagonal.md`, (D18b)).
    fn kernel_growth(&self, state: &State) -> f64 {
        6.0 * (state.gradient_change / self.gamma).powi(2)
    }

    /// e^{−Lλt}: what is left at time t of a multiplier that nothing pushes any more.
    fn kept(&self, t: f64) -> f64 {
        libm::exp(-self.depth * self.lambda * t)
    }

    /// γ₂‖w‖/(γ‖h‖) − 1: zero for the linearised net.
    fn kernel_change(&self, t: f64, state: &State) -> f64 {
        let half = 0.5 * LN_2 + libm::log(self.depth);
        libm::expm1(state.ln_weights - half - self.ln_tangent(t, state)).abs()
    }

    /// Theorem 3.4, printed Z and corrected (D19): min_i y_i f_i/(γZ) → 1. The allowance is of the order
    /// ln ln A/ln A, with the constants of (D18).
    pub(super) fn scale(&self, dual: &Option<Dual>) -> Result<Vec<Judged>> {
        let c = self.inputs.fraction;
        let state = self.early_state()?;
        let ln_lambda = libm::log(self.lambda);
        let corrected = 2.0 * (self.depth - 1.0) * c * self.ln_alpha - ln_lambda;
        let printed = c * self.ln_alpha - ln_lambda;
        // The sample of the largest ω has the least margin: m − ln n − ln ω_max.
        let allowance = dual.as_ref().map_or(f64::NAN, |dual| {
            let largest = dual.omega.iter().fold(0.0_f64, |m, w| m.max(*w));
            let shift = 2.0 * libm::log(self.gamma) - libm::log(self.n * largest);
            let left_out = self.plateau_law(&Some(dual.clone())).left_out(self.early(), dual);
            let changed = state.as_ref().map_or(0.0, |s| self.kernel_growth(s));
            (libm::log(self.depth * corrected) + shift.abs() + left_out) / corrected + changed
        });
        let mut hypotheses = self.kernel_hypotheses();
        hypotheses.extend(self.early_hypotheses());
        hypotheses.push(Hypothesis::fact("the dual of the L2 margin is unique", Some(dual.is_some())));
        hypotheses.push(Hypothesis::at_most("T_c^- ≤ T_max", self.early(), self.kernel_end));
        hypotheses.push(Hypothesis::at_most("order of the corrections ≤ 1/4", allowance, 0.25));
        let judge = |form, ln_z: f64| {
            let measured = state.as_ref().map_or(f64::NAN, |s| s.least_margin / ln_z);
            let claim = Claim::Scalar(1.0);
            let quantity = "min y f/(γZ) at T_c^-";
            let s = statement(&catalogue::MARGIN, form, quantity, Side::Equal, claim, hypotheses.clone());
            s.judge(measured, allowance + self.error(self.early()).outputs / ln_z)
        };
        Ok(vec![judge(Form::Printed, printed).with_known_erratum(), judge(Form::Corrected, corrected)])
    }

    /// Corollary 3.6: the direction of w at T_c^- is that of the largest L2 margin, to within an angle of
    /// γ√(εᵀKε)/M ~ 1/ln α and what samples off the support add.
    pub(super) fn direction(&self, dual: &Option<Dual>) -> Result<Judged> {
        let state = self.early_state()?;
        let (mut measured, mut leading, mut changed) = (f64::NAN, f64::NAN, f64::NAN);
        let (mut memory, mut rounding) = (f64::NAN, f64::NAN);
        if let (Some(state), Some(dual), Some(svm)) = (&state, dual, &self.svm) {
            let t = self.early();
            measured = one_minus_cosine(&state.weights, svm.weights.as_slice().unwrap_or(&[]));
            let law = self.plateau_law(&Some(dual.clone()));
            memory = law.memory(t, dual).max(law.memory_of_proportions(t, dual));
            // The margin is short of the law's by the memory of the start, the proportions by theirs.
            let size = -law.ln_loss(t) + law.shift - memory;
            leading = 0.5 * (dual.tilt(size, self.kept(t)) * (1.0 + memory)).powi(2);
            changed = self.kernel_change(t, state);
            let angle = self.angle_error(t, state.weights.len());
            rounding = angle * ((2.0 * measured).sqrt() + angle) + 1e-14;
        }
        let mut hypotheses = self.kernel_hypotheses();
        hypotheses.extend(self.early_hypotheses());
        hypotheses.push(Hypothesis::fact("the dual of the L2 margin is unique", Some(dual.is_some())));
        hypotheses.push(Hypothesis::at_most("T_c^- ≤ T_max", self.early(), self.kernel_end));
        hypotheses.push(Hypothesis::at_most(MEMORY, memory, LARGEST_LEFT_OUT));
        hypotheses.push(Hypothesis::at_most("leading order ≤ 0.05", leading, 0.05));
        let s = statement(
            &catalogue::DIRECTION,
            Form::Printed,
            "1 − cos(w, L2 margin) at T_c^-",
            Side::Equal,
            Claim::Scalar(0.0),
            hypotheses,
        );
        Ok(s.judge(measured, 2.0 * leading + changed + rounding))
    }
}

/// ½‖a/‖a‖ − b/‖b‖‖².
pub(super) fn one_minus_cosine(a: &[f64], b: &[f64]) -> f64 {
    let (na, nb) = (libm::exp(ln_norm(a.iter().copied())), libm::exp(ln_norm(b.iter().copied())));
    0.5 * a.iter().zip(b).map(|(a, b)| (a / na - b / nb).powi(2)).sum::<f64>()
}
