//! Theorem 4.5: generalisation is late; both sides.

use super::ball::{Ball, length, ln_difference, ln_sum, time_of};
use super::catalogue;
use super::facts::Facts;
use crate::linalg::EPS;
use crate::ridge::coefficients::PROJECTION;
use crate::ridge::digits::Quantity;
use crate::theorem::{Form, Hypothesis, Judged, Side, Statement};
use crate::trajectory::Clock;

impl<T: Clock> Facts<'_, '_, '_, T> {
    /// ln(√(c/λ_min(Σ)) + ‖θ*‖): the loss is at least c while ‖θ_⊥‖ is at least this.
    pub(super) fn ln_reach(&self, star: Ball) -> Ball {
        let level = Ball::exact(self.inputs.test_threshold).ln().minus(self.sigma_min.ln()).times(0.5);
        if level.mid == f64::INFINITY {
            return level;
        }
        ln_sum(&[(Ball::exact(1.0), level), (star, Ball::ZERO)])
    }

    pub(super) fn late_hypotheses(&self) -> Vec<Hypothesis> {
        let (delta, c) = (self.inputs.failure_probability, self.inputs.test_threshold);
        let free = (32.0 * (2.0 / delta).ln())
            .max(8.0 * self.star.mid.powi(2) / self.variance)
            .max(8.0 * (c / self.sigma_min.mid) / self.variance);
        let unknown = self.variance.is_nan() || self.sigma_min.mid.is_nan();
        let need = self.n + if unknown { f64::NAN } else { free };
        let mut all = vec![self.realizable_hypothesis(), self.init_law()];
        all.extend(self.step_hypothesis("η < 1/λ", 1.0 / self.lambda, true));
        all.push(Hypothesis::at_least("m ≥ n + max{32 ln(2/δ), 8‖θ*‖²/ν², 8c/(λmin(Σ)ν²)}", self.m, need));
        all
    }

    /// Theorem 4.5 and its deterministic, two-sided form.
    pub(super) fn generalisation_is_late(&self) -> Vec<Judged> {
        let outside = self.outside_decay();
        let random = Ball::exact(0.5 * self.free.max(0.0) * self.variance)
            .ln()
            .times(0.5)
            .minus(self.ln_reach(self.star));
        let probabilistic = self.t2.judge(time_of(random, outside), |claim| Statement {
            source: &catalogue::LATE,
            form: self.printed(),
            quantity: "t2",
            side: Side::Lower,
            claim,
            probability: Some(self.complement_law(self.inputs.failure_probability)),
            hypotheses: self.late_hypotheses(),
        });
        let deterministic = |source, star| {
            let ln = self.start_outside.ln().minus(self.ln_reach(star));
            self.t2.judge(time_of(ln, outside), |claim| Statement {
                source,
                form: Form::Derived,
                quantity: "t2",
                side: Side::Lower,
                claim,
                probability: None,
                hypotheses: self.outside_hypotheses(),
            })
        };
        let mut all = vec![
            probabilistic,
            deterministic(&catalogue::LATE_WHOLE_TEACHER, self.star),
            deterministic(&catalogue::LATE_OUTSIDE, self.star_outside),
            self.lower_envelope(),
        ];
        all.extend(self.upper_side());
        all
    }

    /// L(θ_t) ≥ λ_min(Σ)·max(0, (1 − ηλ)^t‖θ_⊥(0)‖ − ‖θ*_⊥‖)².
    fn lower_envelope(&self) -> Judged {
        let outside = self.outside_decay();
        let (floor, start, star) = (self.sigma_min.ln(), self.start_outside, self.star_outside);
        let until = match star.mid > 0.0 {
            true => time_of(start.ln().minus(star.ln()), outside).mid,
            false => f64::INFINITY,
        };
        let bound = move |t: f64| floor.plus(ln_difference(start, outside.times(-t), star).times(2.0));
        self.envelope(
            Quantity::TestLoss,
            |claim| Statement {
                source: &catalogue::LATE_EVERY_TIME,
                form: Form::Derived,
                quantity: "log_test_loss",
                side: Side::Lower,
                claim,
                probability: None,
                hypotheses: self.outside_hypotheses(),
            },
            bound,
            until,
            |t| self.ln_test_loss(t),
        )
    }

    /// Upper side: √L ≤ √λmax(Σ)·(modes + complement), each part bounded by its slowest decay, at every time and
    /// as a bound on t2.
    fn upper_side(&self) -> [Judged; 2] {
        let c = self.inputs.test_threshold;
        let rates = &self.form.rates[..self.rank];
        let last = rates.iter().max_by(|a, b| a.rate.total_cmp(&b.rate));
        // Without modes nothing moves but the complement.
        let slowest = last.map_or(Ball::exact(f64::INFINITY), |r| {
            let digits = if r.rate.is_finite() { 2.0 * EPS * r.rate.abs() } else { 0.0 };
            Ball::new(-r.rate, if r.rate.is_finite() { r.error + digits } else { 0.0 })
        });
        let (moving, rest) = self.distances();
        let (outside, start) = (self.outside_decay(), self.start_outside);
        let root = self.sigma_max.ln().times(0.5);
        // ln of the bound in units of e^{2·unit}.
        let ln_upper = move |unit: f64, t: f64| {
            let parts =
                [(moving, decay_until(slowest, t)), (start, decay_until(outside, t)), (rest, Ball::ZERO)];
            root.minus(Ball::exact(unit)).plus(ln_sum(&parts)).times(2.0)
        };
        let linear = Hypothesis::fact("linear teacher", Some(self.form.spectrum.teacher.is_some()));
        let known = Hypothesis::at_least("λmax(Σ) known", self.sigma_max.mid, 0.0);
        let above = self.envelope(
            Quantity::TestLoss,
            |claim| Statement {
                source: &catalogue::UPPER_EVERY_TIME,
                form: Form::Derived,
                quantity: "log_test_loss",
                side: Side::Upper,
                claim,
                probability: None,
                hypotheses: vec![linear.clone(), known.clone()],
            },
            move |t| ln_upper(0.0, t),
            f64::INFINITY,
            |t| self.ln_test_loss(t),
        );
        let unit = 0.5 * c.ln();
        let rates = [slowest.mid, outside.mid];
        let rate = rates.into_iter().filter(|r| *r > 0.0).fold(f64::INFINITY, f64::min);
        // Where the bound, its errors left out, added or taken off, meets the threshold.
        let meets = |sign: f64| {
            let ln = |t: f64| {
                let ball = ln_upper(unit, t);
                if sign == 0.0 { ball.mid } else { ball.mid + sign * (ball.rad + EPS * unit.abs()) }
            };
            let time = first_below(ln, rate);
            if self.is_flow { time } else { time.ceil() }
        };
        let latest = meets(0.0);
        let [early, late] = [meets(-1.0), meets(1.0)];
        let distance = |end: f64| if end == latest { 0.0 } else { (end - latest).abs() };
        let digits = if latest.is_finite() { 4.0 * EPS * latest } else { 0.0 };
        let claim = Ball::new(latest, distance(early).max(distance(late)) + digits);
        let at_rest = self.sigma_max.mid * rest.mid * rest.mid;
        let bracket = self.t2.judge(claim, |claim| Statement {
            source: &catalogue::UPPER,
            form: Form::Derived,
            quantity: "t2",
            side: Side::Upper,
            claim,
            probability: None,
            hypotheses: vec![
                linear,
                known,
                Hypothesis::below("λmax(Σ)‖θ*_λ − θ*‖² < c", at_rest, c),
                Hypothesis::below("0 < λ", 0.0, self.lambda),
            ],
        });
        [above, bracket]
    }

    /// ‖θ₀ − θ*_λ‖ in the span of the data, and ‖θ*_λ − θ*‖. In lengths that neither overflow nor underflow: a
    /// weight decay of 1e-300 leaves a distance whose square is no number.
    fn distances(&self) -> (Ball, Ball) {
        let (spectrum, scale) = (self.form.spectrum, self.form.settings.init_scale);
        let unit = PROJECTION * self.n.min(self.m).sqrt() * EPS;
        let minimiser = self.minimiser();
        let lean = |i: usize| (self.s_max / spectrum.eigenvalues()[i]).sqrt();
        let moving = |i: usize| scale * spectrum.init[i] - minimiser[i].mid;
        let moving_error =
            |i: usize| minimiser[i].rad + unit * self.start.mid * lean(i) + EPS * moving(i).abs();
        let bias = |i: usize| spectrum.bias(i, self.form.rates[i].g, self.lambda);
        let bias_error = |i: usize| {
            let (s, g) = (spectrum.eigenvalues()[i], self.form.rates[i].g);
            let relative = spectrum.eigenvalue_errors()[i] * (1.0 / s + 1.0 / (self.n * g)) + 8.0 * EPS;
            let noisy = spectrum.teacher.as_ref().is_some_and(|t| t.noise.is_some());
            let noise = if noisy { minimiser[i].rad } else { 0.0 };
            bias(i).abs() * relative + self.lambda / g * unit * self.star.mid * lean(i) + noise
        };
        let modes = || 0..self.rank;
        let ball = |mid: f64, rad: f64| Ball::new(mid, rad + self.m * EPS * mid);
        let moved = ball(length(modes().map(moving)), length(modes().map(moving_error)));
        let inside = ball(length(modes().map(bias)), length(modes().map(bias_error)));
        let rest = Ball::new(inside.mid.hypot(self.star_outside.mid), inside.rad + self.star_outside.rad);
        (moved, rest)
    }

    /// The deterministic lower side: any θ₀, any labels of a linear teacher (noise does not reach θ_⊥).
    pub(super) fn outside_hypotheses(&self) -> Vec<Hypothesis> {
        let mut all = vec![
            Hypothesis::fact("linear teacher", Some(self.form.spectrum.teacher.is_some())),
            Hypothesis::below("0 < ‖θ₀_⊥‖", 0.0, self.start_outside.mid),
            Hypothesis::at_least("λmin(Σ) known", self.sigma_min.mid, 0.0),
        ];
        all.extend(self.step_hypothesis("η < 1/λ", 1.0 / self.lambda, true));
        all
    }
}

/// The exponent −rate·t: nothing has decayed at t = 0, whatever the rate.
fn decay_until(rate: Ball, t: f64) -> Ball {
    if t == 0.0 { Ball::ZERO } else { rate.times(-t) }
}

/// First time at which a falling logarithm is at or below zero; infinite if never. `rate` is about the
/// slowest decay in it.
fn first_below(ln: impl Fn(f64) -> f64, rate: f64) -> f64 {
    let below = |t: f64| ln(t) <= 0.0;
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
