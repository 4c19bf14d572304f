//! What the statements are made of, and how they are judged.

use super::Inputs;
use crate::crossing::{Crossing, Point};
use crate::error::Result;
use crate::linalg::EPS;
use crate::ridge::ClosedForm;
use crate::theorem::{Claim, Form, Hypothesis, Judged, Statement};
use crate::trajectory::{Clock, log_times};

/// What the statements are made of: the problem's numbers, in the clock's units.
pub(super) struct Facts<'f, 's, 'a, T> {
    pub(super) form: &'f ClosedForm<'s, 'a, T>,
    pub(super) inputs: &'f Inputs,
    pub(super) is_flow: bool,
    pub(super) n: f64,
    pub(super) m: f64,
    /// m − n as a number, negative when m < n.
    pub(super) free: f64,
    pub(super) rank: usize,
    pub(super) eta: f64,
    pub(super) lambda: f64,
    pub(super) mean_square: f64,
    pub(super) s_min: f64,
    pub(super) s_max: f64,
    pub(super) start: f64,
    pub(super) start_outside: f64,
    /// ‖θ*‖ and ‖θ*_⊥‖; NaN without a linear teacher.
    pub(super) star: f64,
    pub(super) star_outside: f64,
    /// Linear teacher and no label noise.
    pub(super) realizable: bool,
    /// Eigenvalue range of Σ; NaN when not evaluated.
    pub(super) sigma_min: f64,
    pub(super) sigma_max: f64,
    pub(super) variance: f64,
    pub(super) bound: f64,
    pub(super) times: Vec<f64>,
    pub(super) t1: (f64, f64),
    pub(super) t2: (f64, f64),
}

impl<'f, 's, 'a, T: Clock> Facts<'f, 's, 'a, T> {
    /// `train` and `test` are t1 and t2 of the inputs' thresholds.
    pub(super) fn new(
        form: &'f ClosedForm<'s, 'a, T>,
        inputs: &'f Inputs,
        train: Crossing<T>,
        test: Option<Crossing<T>>,
    ) -> Result<Self> {
        let spectrum = form.spectrum;
        let (n, m) = spectrum.shape();
        let scale = form.settings.init_scale.abs();
        let (start, start_outside) = spectrum.init_norms();
        let (star, star_outside) = spectrum.teacher_norms().unwrap_or((f64::NAN, f64::NAN));
        let realizable = spectrum.teacher.as_ref().is_some_and(|t| t.noise.is_none());
        let sigma = spectrum.covariance_range(inputs.covariance_limit)?;
        let (sigma_min, sigma_max) = sigma.unwrap_or((f64::NAN, f64::NAN));
        let eigenvalues = spectrum.eigenvalues();
        let t1 = number(train, -1.0);
        let t2 = test.map_or((f64::NAN, 0.0), |test| number(test, 0.0));
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
    pub(super) fn grid(&self) -> Vec<f64> {
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
    pub(super) fn decay(&self, x: f64) -> f64 {
        if self.is_flow {
            return x;
        }
        let y = self.eta * x;
        if y < 1.0 { -(-y).ln_1p() } else { -(y - 1.0).abs().ln() }
    }

    /// η in the denominators of (6) to (8): flow time has absorbed it.
    pub(super) fn eta_unit(&self) -> f64 {
        if self.is_flow { 1.0 } else { self.eta }
    }

    /// Decay of r^t. What is left of 1 − η(…) below a few units of rounding cannot be told from 0.
    pub(super) fn slow_decay(&self) -> f64 {
        let decay = self.decay(self.s_min / self.n + self.lambda);
        if self.is_flow { decay } else { decay.min(-(4.0 * EPS).ln()) }
    }

    /// The statement's form: exact limits under flow are derived, not printed.
    pub(super) fn printed(&self) -> Form {
        if self.is_flow { Form::Derived } else { Form::Printed }
    }

    pub(super) fn step_hypothesis(&self, name: &'static str, need: f64, strict: bool) -> Option<Hypothesis> {
        match (self.is_flow, strict) {
            (true, _) => None,
            (false, true) => Some(Hypothesis::below(name, self.eta, need)),
            // Equality is the sharp case, and t steps multiply any excess by t; the few last bits that
            // `at_most` allows are covered by the rounding allowance of the envelopes.
            (false, false) => Some(Hypothesis::at_most(name, self.eta, need)),
        }
    }

    pub(super) fn realizable_hypothesis(&self) -> Hypothesis {
        Hypothesis::fact("linear teacher, no label noise", Some(self.realizable))
    }

    pub(super) fn init_law(&self) -> Hypothesis {
        Hypothesis::fact("θ₀ ~ N(0, ν²I)", self.inputs.init_variance.map(|_| true))
    }

    pub(super) fn train_envelope(&self, statement: Statement) -> Judged {
        let own = if self.rank > 0 { self.rate_error(0) } else { 0.0 };
        statement.judge_envelope(&self.times, !self.is_flow, |t| {
            let time = T::from_f64(t);
            self.in_logs(self.form.ln_train_loss(time), self.form.train_loss(time), own, t)
        })
    }

    /// `own`: error of the rate in the bound.
    pub(super) fn test_envelope(&self, own: f64, statement: Statement) -> Judged {
        statement.judge_envelope(&self.times, !self.is_flow, |t| self.ln_test_loss(own, t))
    }

    pub(super) fn ln_test_loss(&self, own: f64, t: f64) -> (f64, f64) {
        let time = T::from_f64(t);
        match (self.form.ln_test_loss(time), self.form.test_loss(time)) {
            (Some(ln), Some(point)) => self.in_logs(ln, point, own, t),
            _ => (f64::NAN, 0.0),
        }
    }

    /// Error of a mode's rate; a mode that is gone after one step has none.
    pub(super) fn rate_error(&self, i: usize) -> f64 {
        let rate = self.form.rates[i];
        if rate.rate.is_finite() { rate.error } else { 0.0 }
    }

    /// A logarithm with what rounding may have done to it, and to a bound whose rate has the error `own`.
    pub(super) fn in_logs(&self, ln: f64, point: Point, own: f64, t: f64) -> (f64, f64) {
        // A loss that underflows does not say how its modes were rounded: any of them may have drifted.
        let (relative, drift) = match point.value > 1e-280 {
            true => (point.rounding / point.value, own),
            false => (0.0, (0..=self.rank).map(|i| self.rate_error(i)).fold(own, f64::max)),
        };
        let digits = 1.0 + if ln.is_finite() { ln.abs() } else { 0.0 };
        (ln, relative + 2.0 * drift * t + 32.0 * EPS * digits)
    }

    pub(super) fn judge_t1(&self, statement: Statement) -> Judged {
        let own = rounding_of_time(&statement.claim, self.slow_decay());
        statement.judge(self.t1.0, self.t1.1 + own)
    }

    /// `decay`: how fast the bound falls where it meets the threshold.
    pub(super) fn judge_t2(&self, decay: f64, statement: Statement) -> Judged {
        let own = rounding_of_time(&statement.claim, decay);
        statement.judge(self.t2.0, self.t2.1 + own)
    }
}

pub(super) fn envelope(f: impl Fn(f64) -> f64 + Send + Sync + 'static, until: f64) -> Claim {
    Claim::Envelope { ln_bound: Box::new(f), until }
}

/// rate·t, zero at t = 0 also for an infinite rate.
pub(super) fn decayed(rate: f64, t: f64) -> f64 {
    if t == 0.0 { 0.0 } else { rate * t }
}

/// ln/rate where the logarithm is positive, else 0: how long a decay takes. Infinite without decay.
pub(super) fn time_of(ln: f64, rate: f64) -> f64 {
    if ln.is_nan() || rate.is_nan() {
        f64::NAN
    } else if ln <= 0.0 {
        0.0
    } else {
        ln / rate
    }
}

/// What rounding may do to ln(a/b)/rate.
pub(super) fn rounding_of_time(claim: &Claim, rate: f64) -> f64 {
    match claim {
        Claim::Scalar(time) if *time > 0.0 && time.is_finite() && rate > 0.0 => {
            16.0 * EPS * (time + 1.0 / rate)
        }
        _ => 0.0,
    }
}

/// First time at which a falling function is at or below a level; infinite if never. `rate` is about the
/// slowest decay in it.
pub(super) fn first_below(f: impl Fn(f64) -> f64, level: f64, rate: f64) -> f64 {
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
pub(super) fn number<T: Clock>(crossing: Crossing<T>, from_start: f64) -> (f64, f64) {
    match crossing {
        Crossing::FromStart => (from_start, 0.0),
        Crossing::At { time, lo, hi } => (time.as_f64(), hi.as_f64() - lo.as_f64()),
        Crossing::Never => (f64::INFINITY, 0.0),
        Crossing::Undecided { .. } => (f64::NAN, 0.0),
    }
}
