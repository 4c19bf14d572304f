//! The statements of arXiv 2601.19791 as values, each compared with the exact trajectory.
//!
//! Symbols: L̂ = ‖Φ‖²_F/n, λ⁺ = smallest positive eigenvalue of ΦᵀΦ, r = 1 − ηλ⁺/n − ηλ, b ≥ ‖φ(x)‖,
//! θ_⊥ = the part outside the rows of Φ. Under the flow clock each bound is its own limit η → 0 (times in
//! τ = η·step), and hypotheses on η are void. Derivations and what is corrected: `theory/ridge.md`.

use statrs::function::gamma::gamma_lr;

use super::ClosedForm;
use crate::crossing::{Crossing, Curve as _, Point};
use crate::error::{Result, check};
use crate::linalg::{EPS, Engine};
use crate::theorem::{Claim, Form, Hypothesis, Judged, Probability, Side, Statement};
use crate::trajectory::{Clock, log_times};

/// −ln(1 − x) ≤ 2x holds up to here: what inequality (7) needs and its printed hypotheses do not imply.
pub const HALF_LOG_LIMIT: f64 = 0.796_812_130_0;

/// What the statements need beyond the problem itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inputs {
    /// ε of t1.
    pub train_threshold: f64,
    /// c of t2.
    pub test_threshold: f64,
    /// δ: allowed failure probability.
    pub failure_probability: f64,
    /// ν² if θ₀ ~ N(0, ν²I), after [`super::Settings::init_scale`]; `None` leaves the statements over the
    /// law of θ₀ unevaluated.
    pub init_variance: Option<f64>,
    /// Largest m for which the eigenvalues of a general Σ are computed (m³ work).
    pub covariance_limit: usize,
}

impl Default for Inputs {
    fn default() -> Self {
        Inputs {
            train_threshold: 0.01,
            test_threshold: 0.01,
            failure_probability: 0.05,
            init_variance: None,
            covariance_limit: 1500,
        }
    }
}

/// P(χ²_k < bound): the probability that a standard Gaussian vector of k = `degrees` dimensions has a
/// squared length below `bound`.
///
/// ```
/// // m − n = 64: the paper allows 2e^{−2} = 0.27, the exact probability of ‖θ_⊥‖² < 32ν² is 2.8e-4.
/// let exact = groktime::ridge::theorems::chi_square_below(64, 32.0);
/// assert!((exact - 2.8e-4).abs() < 0.1e-4);
/// ```
pub fn chi_square_below(degrees: usize, bound: f64) -> f64 {
    if degrees == 0 {
        return if bound > 0.0 { 1.0 } else { 0.0 };
    }
    if bound <= 0.0 { 0.0 } else { gamma_lr(0.5 * degrees as f64, 0.5 * bound) }
}

impl<T: Clock> ClosedForm<'_, '_, T> {
    /// All statements, judged. Nothing is decomposed again, except Σ if it is general and small.
    ///
    /// # Errors
    /// Thresholds or probabilities out of range; the decomposition of Σ fails.
    pub fn statements(&self, inputs: &Inputs) -> Result<Vec<Judged>> {
        check("training threshold", inputs.train_threshold, |x| x > 0.0, "a positive number")?;
        check("test threshold", inputs.test_threshold, |x| x > 0.0, "a positive number")?;
        check("failure probability", inputs.failure_probability, |x| x > 0.0 && x < 1.0, "between 0 and 1")?;
        if let Some(variance) = inputs.init_variance {
            check("initial variance", variance, |x| x > 0.0, "a positive number")?;
        }
        let facts = Facts::new(self, inputs)?;
        let mut judged = facts.zero_teacher();
        judged.extend(facts.training());
        judged.extend(facts.generalisation_is_late());
        judged.extend(facts.limit());
        judged.extend(facts.end_to_end());
        Ok(judged)
    }
}

/// What the statements are made of: the problem's numbers, in the clock's units.
struct Facts<'f, 's, 'a, T> {
    form: &'f ClosedForm<'s, 'a, T>,
    inputs: &'f Inputs,
    is_flow: bool,
    n: f64,
    m: f64,
    /// m − n as a number, negative when m < n.
    free: f64,
    rank: usize,
    eta: f64,
    lambda: f64,
    mean_square: f64,
    s_min: f64,
    s_max: f64,
    start: f64,
    start_outside: f64,
    /// ‖θ*‖ and ‖θ*_⊥‖; NaN without a linear teacher.
    star: f64,
    star_outside: f64,
    /// Linear teacher and no label noise.
    realizable: bool,
    /// Eigenvalue range of Σ; NaN when not evaluated.
    sigma_min: f64,
    sigma_max: f64,
    variance: f64,
    bound: f64,
    times: Vec<f64>,
    t1: (f64, f64),
    t2: (f64, f64),
}

impl<'f, 's, 'a, T: Clock> Facts<'f, 's, 'a, T> {
    fn new(form: &'f ClosedForm<'s, 'a, T>, inputs: &'f Inputs) -> Result<Self> {
        let spectrum = form.spectrum;
        let (n, m) = spectrum.shape();
        let scale = form.settings.init_scale.abs();
        let (start, start_outside) = spectrum.init_norms();
        let (star, star_outside) = spectrum.teacher_norms().unwrap_or((f64::NAN, f64::NAN));
        let realizable = spectrum.teacher.as_ref().is_some_and(|t| t.noise.is_none());
        let sigma = match &spectrum.covariance {
            Some(covariance) => {
                covariance.extreme_eigenvalues(inputs.covariance_limit, Engine::SEQUENTIAL)?
            }
            None => None,
        };
        let (sigma_min, sigma_max) = sigma.unwrap_or((f64::NAN, f64::NAN));
        let eigenvalues = spectrum.eigenvalues();
        let t1 = number(form.last_unfit(inputs.train_threshold)?, -1.0);
        let t2 = match form.need_test_loss() {
            Ok(()) => number(form.first_general(inputs.test_threshold)?, 0.0),
            Err(_) => (f64::NAN, 0.0),
        };
        let mut facts = Facts {
            form,
            inputs,
            is_flow: T::NAME == f64::NAME,
            n: n as f64,
            m: m as f64,
            free: m as f64 - n as f64,
            rank: eigenvalues.len(),
            eta: form.settings.step_size,
            lambda: form.settings.weight_decay,
            mean_square: spectrum.mean_square_feature(),
            s_min: eigenvalues.first().copied().unwrap_or(f64::NAN),
            s_max: eigenvalues.last().copied().unwrap_or(0.0),
            start: start * scale,
            start_outside: start_outside * scale,
            star,
            star_outside,
            realizable,
            sigma_min,
            sigma_max,
            variance: inputs.init_variance.unwrap_or(f64::NAN),
            bound: spectrum.feature_bound.unwrap_or(f64::NAN),
            times: Vec::new(),
            t1,
            t2,
        };
        facts.times = facts.grid();
        Ok(facts)
    }

    /// Times at which envelopes are compared: the start, every early step, a fine logarithmic grid until
    /// the slowest mode has decayed by e^{−60}, and the crossings.
    fn grid(&self) -> Vec<f64> {
        let slowest =
            self.form.rates.iter().map(|r| -r.rate).filter(|r| *r > 0.0).fold(f64::INFINITY, f64::min);
        let fastest = self.form.rates.iter().map(|r| -r.rate).filter(|r| r.is_finite()).fold(0.0, f64::max);
        let end = if slowest.is_finite() { (60.0 / slowest).min(1e18) } else { 1.0 };
        let first = if self.is_flow && fastest > 0.0 { 0.01 / fastest } else { 1.0 };
        let mut times: Vec<f64> = log_times(first, end.max(2.0 * first), 24);
        if !self.is_flow {
            times.iter_mut().for_each(|t| *t = t.round());
            times.extend((0..=32).map(f64::from));
        }
        times.extend([self.t1.0, self.t2.0].iter().filter(|t| t.is_finite() && **t >= 0.0));
        times.sort_by(f64::total_cmp);
        times.dedup();
        times
    }

    /// −ln(1 − ηx) a step, or x a unit of flow time.
    fn decay(&self, x: f64) -> f64 {
        if self.is_flow {
            return x;
        }
        let y = self.eta * x;
        if y < 1.0 { -(-y).ln_1p() } else { -(y - 1.0).abs().ln() }
    }

    /// η in the denominators of (6) to (8): flow time has absorbed it.
    fn eta_unit(&self) -> f64 {
        if self.is_flow { 1.0 } else { self.eta }
    }

    /// Decay of r^t. What is left of 1 − η(…) below a few units of rounding cannot be told from 0.
    fn slow_decay(&self) -> f64 {
        let decay = self.decay(self.s_min / self.n + self.lambda);
        if self.is_flow { decay } else { decay.min(-(4.0 * EPS).ln()) }
    }

    /// The statement's form: exact limits under flow are derived, not printed.
    fn printed(&self) -> Form {
        if self.is_flow { Form::Derived } else { Form::Printed }
    }

    fn step_hypothesis(&self, name: &'static str, need: f64, strict: bool) -> Option<Hypothesis> {
        match (self.is_flow, strict) {
            (true, _) => None,
            (false, true) => Some(Hypothesis::below(name, self.eta, need)),
            // Equality is the sharp case, and t steps multiply any excess by t; the few last bits that
            // `at_most` allows are covered by the rounding allowance of the envelopes.
            (false, false) => Some(Hypothesis::at_most(name, self.eta, need)),
        }
    }

    fn realizable_hypothesis(&self) -> Hypothesis {
        Hypothesis::fact("linear teacher, no label noise", Some(self.realizable))
    }

    fn init_law(&self) -> Hypothesis {
        Hypothesis::fact("θ₀ ~ N(0, ν²I)", self.inputs.init_variance.map(|_| true))
    }

    fn train_envelope(&self, statement: Statement) -> Judged {
        let own = if self.rank > 0 { self.rate_error(0) } else { 0.0 };
        statement.judge_envelope(&self.times, !self.is_flow, |t| {
            let time = T::from_f64(t);
            self.in_logs(self.form.ln_train_loss(time), self.form.train_loss(time), own, t)
        })
    }

    /// `own`: error of the rate in the bound.
    fn test_envelope(&self, own: f64, statement: Statement) -> Judged {
        statement.judge_envelope(&self.times, !self.is_flow, |t| self.ln_test_loss(own, t))
    }

    fn ln_test_loss(&self, own: f64, t: f64) -> (f64, f64) {
        let time = T::from_f64(t);
        match (self.form.ln_test_loss(time), self.form.test_loss(time)) {
            (Some(ln), Some(point)) => self.in_logs(ln, point, own, t),
            _ => (f64::NAN, 0.0),
        }
    }

    /// Error of a mode's rate; a mode that is gone after one step has none.
    fn rate_error(&self, i: usize) -> f64 {
        let rate = self.form.rates[i];
        if rate.rate.is_finite() { rate.error } else { 0.0 }
    }

    /// A logarithm with what rounding may have done to it, and to a bound whose rate has the error `own`.
    fn in_logs(&self, ln: f64, point: Point, own: f64, t: f64) -> (f64, f64) {
        // A loss that underflows does not say how its modes were rounded: any of them may have drifted.
        let (relative, drift) = match point.value > 1e-280 {
            true => (point.rounding / point.value, own),
            false => (0.0, (0..=self.rank).map(|i| self.rate_error(i)).fold(own, f64::max)),
        };
        let digits = 1.0 + if ln.is_finite() { ln.abs() } else { 0.0 };
        (ln, relative + 2.0 * drift * t + 32.0 * EPS * digits)
    }

    fn judge_t1(&self, statement: Statement) -> Judged {
        let own = rounding_of_time(&statement.claim, self.slow_decay());
        statement.judge(self.t1.0, self.t1.1 + own)
    }

    /// `decay`: how fast the bound falls where it meets the threshold.
    fn judge_t2(&self, decay: f64, statement: Statement) -> Judged {
        let own = rounding_of_time(&statement.claim, decay);
        statement.judge(self.t2.0, self.t2.1 + own)
    }

    /// Theorem 4.1: zero teacher.
    fn zero_teacher(&self) -> Vec<Judged> {
        let common = || -> Vec<Hypothesis> {
            let step = 2.0 / (self.mean_square + 2.0 * self.lambda);
            let mut all = vec![Hypothesis::at_most("‖θ*‖ = 0", self.star, 0.0), self.realizable_hypothesis()];
            all.extend(self.step_hypothesis("η ≤ 2/(L̂ + 2λ)", step, false));
            all
        };
        let (slow, outside) = (self.slow_decay(), self.decay(self.lambda));
        let start = 2.0 * self.start.ln();
        let head = (0.5 * self.mean_square).ln() + start;
        let train = self.train_envelope(Statement {
            source: "2601.19791 Thm 4.1(i)",
            form: self.printed(),
            quantity: "log_train_loss",
            side: Side::Upper,
            claim: envelope(move |t| head - 2.0 * decayed(slow, t), f64::INFINITY),
            probability: None,
            hypotheses: common(),
        });
        let floor = (0.5 * self.sigma_min * self.free * self.variance).ln();
        let test = self.test_envelope(
            self.rate_error(self.rank),
            Statement {
                source: "2601.19791 Thm 4.1(ii)",
                form: self.printed(),
                quantity: "log_test_loss",
                side: Side::Lower,
                claim: envelope(move |t| floor - 2.0 * decayed(outside, t), f64::INFINITY),
                probability: Some(self.complement_law(2.0 * (-self.free / 32.0).exp())),
                hypotheses: [common(), self.complement_hypotheses()].concat(),
            },
        );
        let norm = Statement {
            source: "2601.19791 Thm 4.1(iii)",
            form: self.printed(),
            quantity: "log_parameter_norm",
            side: Side::Upper,
            claim: envelope(move |t| 0.5 * start - decayed(outside, t), f64::INFINITY),
            probability: None,
            hypotheses: common(),
        };
        let own = self.rate_error(self.rank);
        let norm = norm.judge_envelope(&self.times, !self.is_flow, |t| {
            let time = T::from_f64(t);
            let (ln, square) = (self.form.norm.ln_value(time), self.form.norm.value(time));
            let (ln, rounding) = self.in_logs(ln, square, own, t);
            (0.5 * ln, rounding)
        });
        vec![train, test, norm]
    }

    /// What the χ² event needs: m > n, λ_min(Σ) > 0 known, the law of θ₀.
    fn complement_hypotheses(&self) -> Vec<Hypothesis> {
        vec![
            Hypothesis::below("n < m", self.n, self.m),
            Hypothesis::at_least("λmin(Σ) known", self.sigma_min, 0.0),
            self.init_law(),
        ]
    }

    /// P(‖θ₀_⊥‖² ≥ (m−n)ν²/2): stated, and exact by the χ² law with m − rank degrees of freedom.
    fn complement_law(&self, failure: f64) -> Probability {
        let degrees = (self.m as usize).saturating_sub(self.rank);
        Probability {
            stated: (1.0 - failure).max(0.0),
            exact: Some(1.0 - chi_square_below(degrees, 0.5 * self.free)),
            over: "initialisation, given the features",
        }
    }

    fn training_hypotheses(&self) -> Vec<Hypothesis> {
        let epsilon = self.inputs.train_threshold;
        let decay = (2.0 * epsilon / (3.0 * self.star * self.star))
            .min((self.mean_square * epsilon / 6.0).sqrt() / self.star);
        let mut all = self.descent_hypotheses();
        all.push(Hypothesis::at_most("λ ≤ min{2ε/(3‖θ*‖²), √(L̂ε)/(√6‖θ*‖)}", self.lambda, decay));
        all
    }

    fn descent_hypotheses(&self) -> Vec<Hypothesis> {
        let step = 1.0 / (self.lambda + self.s_max / self.n);
        let mut all =
            vec![self.realizable_hypothesis(), Hypothesis::at_least("‖θ₀‖ ≥ ‖θ*‖", self.start, self.star)];
        all.extend(self.step_hypothesis("η < 1/(λ + λmax(ΦᵀΦ)/n)", step, true));
        all
    }

    /// Theorem 4.4: the training loss falls.
    fn training(&self) -> Vec<Judged> {
        let epsilon = self.inputs.train_threshold;
        let slow = self.slow_decay();
        let time = time_of((6.0 * self.mean_square * self.start.powi(2) / epsilon).ln(), 2.0 * slow);
        let threshold = self.judge_t1(Statement {
            source: "2601.19791 Thm 4.4",
            form: self.printed(),
            quantity: "t1",
            side: Side::Upper,
            claim: Claim::Scalar(time),
            probability: None,
            hypotheses: self.training_hypotheses(),
        });
        let (l, lambda, start, star) = (self.mean_square, self.lambda, self.start, self.star);
        let bound = move |t: f64| {
            let r = (-decayed(slow, t)).exp();
            let tail = 0.5 * lambda * star * star;
            let moving = 2.0 * l * r * r * start * start + 2.0 * lambda * r * start * star;
            match moving + tail > 0.0 {
                true => (moving + tail).ln(),
                false => (2.0 * l * start * start).ln() - 2.0 * decayed(slow, t),
            }
        };
        let finite_time = self.train_envelope(Statement {
            source: "2601.19791 Thm 4.4 (proof, every t)",
            form: self.printed(),
            quantity: "log_train_loss",
            side: Side::Upper,
            claim: envelope(bound, f64::INFINITY),
            probability: None,
            hypotheses: self.descent_hypotheses(),
        });
        vec![threshold, finite_time]
    }

    /// √(c/λ_min(Σ)) + ‖θ*‖: the loss is at least c while ‖θ_⊥‖ is at least this.
    fn reach(&self, star: f64) -> f64 {
        (self.inputs.test_threshold / self.sigma_min).sqrt() + star
    }

    fn late_hypotheses(&self) -> Vec<Hypothesis> {
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
    fn generalisation_is_late(&self) -> Vec<Judged> {
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
        let limit = self.limit_coordinates();
        let (mut moving, mut bias) = (0.0, 0.0);
        if let Some(teacher) = &self.form.spectrum.teacher {
            for (i, a) in limit.iter().enumerate() {
                let noise = teacher.noise.as_ref().map_or(0.0, |c| c[i]);
                let (s, g) = (self.form.spectrum.eigenvalues()[i], self.form.rates[i].g);
                moving += (self.form.settings.init_scale * self.form.spectrum.init[i] - a).powi(2);
                // ⟨v_i, θ*_λ − θ*⟩, not as the difference of two near numbers.
                bias += ((s.sqrt() * noise / self.n - self.lambda * teacher.coordinates[i]) / g).powi(2);
            }
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
    fn outside_hypotheses(&self) -> Vec<Hypothesis> {
        let mut all = vec![
            Hypothesis::fact("linear teacher", Some(self.form.spectrum.teacher.is_some())),
            Hypothesis::below("0 < ‖θ₀_⊥‖", 0.0, self.start_outside),
            Hypothesis::at_least("λmin(Σ) known", self.sigma_min, 0.0),
        ];
        all.extend(self.step_hypothesis("η < 1/λ", 1.0 / self.lambda, true));
        all
    }

    /// Coordinates of θ*_λ, the minimiser of the objective.
    fn limit_coordinates(&self) -> Vec<f64> {
        let spectrum = self.form.spectrum;
        let coordinate = |i: usize| {
            let (s, y) = (spectrum.eigenvalues()[i], spectrum.labels[i]);
            s.sqrt() * y / (self.n * self.form.rates[i].g)
        };
        (0..spectrum.init.len()).map(coordinate).collect()
    }

    /// Theorem 4.6: where descent ends.
    fn limit(&self) -> Vec<Judged> {
        let limit_norm = self.limit_coordinates().iter().map(|a| a * a).sum::<f64>().sqrt();
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
        vec![
            norm.judge(limit_norm, 1e-12 * (self.star + limit_norm)),
            train.judge(limit_train, 1e-12 * limit_train),
            converges.judge(-slowest, 1e-12 * slowest.abs() + 8.0 * EPS),
            general.judge(self.form.test_loss_limit().unwrap_or(f64::NAN), 1e-12),
        ]
    }

    fn bound_hypotheses(&self) -> Vec<Hypothesis> {
        vec![Hypothesis::at_most(
            "max ‖φ(x_i)‖ ≤ b",
            if self.bound.is_nan() { f64::NAN } else { self.form.spectrum.largest_row_norm() },
            self.bound,
        )]
    }

    /// The sample sizes of Theorem 4.6; its universal constant C is not given, and matters unless θ* = 0.
    fn sample_hypotheses(&self, epsilon: f64, delta: f64) -> Vec<Hypothesis> {
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

    /// Theorem 4.2 and its parts (6), (7), (8).
    fn end_to_end(&self) -> Vec<Judged> {
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

fn envelope(f: impl Fn(f64) -> f64 + Send + Sync + 'static, until: f64) -> Claim {
    Claim::Envelope { ln_bound: Box::new(f), until }
}

/// rate·t, zero at t = 0 also for an infinite rate.
fn decayed(rate: f64, t: f64) -> f64 {
    if t == 0.0 { 0.0 } else { rate * t }
}

/// ln/rate where the logarithm is positive, else 0: how long a decay takes. Infinite without decay.
fn time_of(ln: f64, rate: f64) -> f64 {
    if ln.is_nan() || rate.is_nan() {
        f64::NAN
    } else if ln <= 0.0 {
        0.0
    } else {
        ln / rate
    }
}

/// What rounding may do to ln(a/b)/rate.
fn rounding_of_time(claim: &Claim, rate: f64) -> f64 {
    match claim {
        Claim::Scalar(time) if *time > 0.0 && time.is_finite() && rate > 0.0 => {
            16.0 * EPS * (time + 1.0 / rate)
        }
        _ => 0.0,
    }
}

/// First time at which a falling function is at or below a level; infinite if never. `rate` is about the
/// slowest decay in it.
fn first_below(f: impl Fn(f64) -> f64, level: f64, rate: f64) -> f64 {
    let below = |t: f64| f(t) <= level;
    if below(0.0) {
        return 0.0;
    }
    // Twenty doublings of the slowest decay time: past that nothing moves.
    let unit = 1.0 / rate;
    let Some(doublings) = (0..=20).find(|&i| below(unit * f64::from(1 << i))) else {
        return f64::INFINITY;
    };
    let (mut lo, mut hi) = (0.0, unit * f64::from(1 << doublings));
    for _ in 0..200 {
        let middle = 0.5 * (lo + hi);
        if below(middle) { hi = middle } else { lo = middle }
    }
    hi
}

/// A crossing as a number with the width of its certified interval.
fn number<T: Clock>(crossing: Crossing<T>, from_start: f64) -> (f64, f64) {
    match crossing {
        Crossing::FromStart => (from_start, 0.0),
        Crossing::At { time, lo, hi } => (time.as_f64(), hi.as_f64() - lo.as_f64()),
        Crossing::Never => (f64::INFINITY, 0.0),
        Crossing::Undecided { .. } => (f64::NAN, 0.0),
    }
}
