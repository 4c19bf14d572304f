//! What the statements are made of, and how they are judged.

use super::Inputs;
use super::ball::{Ball, length};
use crate::crossing::Crossing;
use crate::error::Result;
use crate::linalg::EPS;
use crate::ridge::ClosedForm;
use crate::ridge::coefficients::PROJECTION;
use crate::ridge::digits::{Quantity, affordable, value};
use crate::theorem::{Claim, Form, Hypothesis, Judged, Outcome, Recomputed, Side, Statement, brief};
use crate::trajectory::{Clock, log_times};

/// What the statements are made of: the problem's numbers with their errors, in the clock's units.
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
    pub(super) mean_square: Ball,
    pub(super) s_min: Ball,
    pub(super) s_max: f64,
    pub(super) start: Ball,
    pub(super) start_outside: Ball,
    /// ‖θ*‖ and ‖θ*_⊥‖; NaN without a linear teacher.
    pub(super) star: Ball,
    pub(super) star_outside: Ball,
    /// Linear teacher and no label noise.
    pub(super) realizable: bool,
    /// Eigenvalue range of Σ; NaN when not evaluated.
    pub(super) sigma_min: Ball,
    pub(super) sigma_max: Ball,
    pub(super) variance: f64,
    pub(super) bound: f64,
    pub(super) times: Vec<f64>,
    pub(super) t1: Known,
    pub(super) t2: Known,
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
        let eigenvalues = spectrum.eigenvalues();
        let s_max = eigenvalues.last().copied().unwrap_or(0.0);
        let s_min = match (eigenvalues.first(), spectrum.eigenvalue_errors().first()) {
            (Some(&s), Some(&error)) => Ball::new(s, error),
            _ => Ball::NAN,
        };
        // A norm of m numbers; and what the decomposition leaves in the wrong part of a vector.
        let norm = |x: f64| Ball::new(x, m as f64 * EPS * x);
        let condition = if s_min.mid > 0.0 { (s_max / s_min.mid).sqrt() } else { 0.0 };
        let leak = PROJECTION * (n.min(m) as f64).sqrt() * EPS * condition;
        // Nothing is outside of rows that span everything.
        let outside = |x: f64, whole: f64| match eigenvalues.len() == m {
            true => Ball::ZERO,
            false => Ball::new(x, norm(x).rad + leak * whole),
        };
        let (start, start_outside) = spectrum.init_norms();
        let (star, star_outside) = spectrum.teacher_norms().unwrap_or((f64::NAN, f64::NAN));
        let sigma = spectrum.covariance_range(inputs.covariance_limit)?;
        let isotropic = sigma.is_some_and(|(low, high)| low == high);
        let (sigma_min, sigma_max) = sigma.unwrap_or((f64::NAN, f64::NAN));
        let sigma_error = if isotropic { 0.0 } else { m as f64 * EPS * sigma_max };
        let sum = spectrum.mean_square_feature();
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
            mean_square: Ball::new(sum, (n * m) as f64 * EPS * sum),
            s_min,
            s_max,
            start: norm(start * scale),
            start_outside: outside(start_outside * scale, start * scale),
            star: norm(star),
            star_outside: outside(star_outside, star),
            realizable: spectrum.teacher.as_ref().is_some_and(|t| t.noise.is_none()),
            // What may be zero is taken for zero: a weaker claim, and a true one.
            sigma_min: match sigma_min <= sigma_error {
                true => Ball::ZERO,
                false => Ball::new(sigma_min, sigma_error),
            },
            sigma_max: Ball::new(sigma_max, sigma_error),
            variance: inputs.init_variance.unwrap_or(f64::NAN),
            bound: spectrum.feature_bound.unwrap_or(f64::NAN),
            times: Vec::new(),
            t1: Known::of(Some(train), -1.0),
            t2: Known::of(test, 0.0),
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
        // Steps end where their numbers do.
        let last = if self.is_flow { 1e300 } else { 1e18 };
        let end = if slowest.is_finite() { (60.0 / slowest).min(last) } else { 1.0 };
        let first = if self.is_flow && fastest > 0.0 { 0.01 / fastest } else { 1.0 };
        let mut times: Vec<f64> = log_times(first, end.max(2.0 * first), 24);
        if !self.is_flow {
            times.iter_mut().for_each(|t| *t = t.round());
            times.extend((0..=32).map(f64::from));
        }
        times.extend([self.t1.time, self.t2.time].iter().filter(|t| t.is_finite() && **t >= 0.0));
        times.sort_by(f64::total_cmp);
        times.dedup();
        times
    }

    /// −ln|1 − ηx| a step, or x a unit of flow time.
    pub(super) fn decay(&self, x: Ball) -> Ball {
        if self.is_flow {
            return x;
        }
        let y = self.eta * x.mid;
        let left = (1.0 - y).abs();
        let mid = if y < 0.5 { -libm::log1p(-y) } else { -libm::log(left) };
        let relative = (self.eta * x.rad + 2.0 * EPS * y) / left;
        let error = if relative < 1.0 { -(-relative).ln_1p() } else { f64::INFINITY };
        Ball::new(mid, error + if mid.is_finite() { 2.0 * EPS * mid.abs() } else { 0.0 })
    }

    /// How fast the complement decays.
    pub(super) fn outside_decay(&self) -> Ball {
        let unseen = self.form.spectrum.unseen_square() / self.n;
        self.decay(Ball::new(self.lambda, unseen))
    }

    /// η in the denominators of (6) to (8): flow time has absorbed it.
    pub(super) fn eta_unit(&self) -> f64 {
        if self.is_flow { 1.0 } else { self.eta }
    }

    /// Decay of r^t, r = 1 − ηλ⁺/n − ηλ, for upper bounds. What is left of r below a few units of rounding cannot be
    /// told from 0: the bound then decays by less, and is the weaker claim.
    pub(super) fn slow_decay(&self) -> Ball {
        let g = self.s_min.times(1.0 / self.n).plus(Ball::exact(self.lambda));
        let decay = self.decay(g);
        let least = -(4.0 * EPS).ln();
        match self.is_flow || decay.mid < least {
            true => decay,
            false => {
                let error = self.eta * (g.rad + 2.0 * EPS * g.mid);
                Ball::new(least, (error / (4.0 * EPS)).ln_1p())
            }
        }
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

    /// λ⁺ = λ⁺min(ΦᵀΦ) exists: said only where it does not.
    pub(super) fn some_feature(&self) -> Option<Hypothesis> {
        (self.rank == 0).then(|| Hypothesis::fact("Φ ≠ 0", Some(false)))
    }

    pub(super) fn init_law(&self) -> Hypothesis {
        Hypothesis::fact("θ₀ ~ N(0, ν²I)", self.inputs.init_variance.map(|_| true))
    }

    /// Compares a curve, the logarithm of `what` (of its root for the norm), with a bound at every time up to
    /// `until`, both with their errors.
    pub(super) fn envelope<B>(
        &self,
        what: Quantity,
        statement: impl FnOnce(Claim) -> Statement,
        bound: B,
        until: f64,
        curve: impl Fn(T) -> Ball,
    ) -> Judged
    where
        B: Fn(f64) -> Ball + Clone + Send + Sync + 'static,
    {
        let (shown, again) = (bound.clone(), bound.clone());
        let claim = Claim::Envelope { ln_bound: Box::new(move |t| shown(t).mid), until };
        let judged = statement(claim).judge_envelope(&self.times, !self.is_flow, |t| {
            let measured = curve(T::from_f64(t));
            (measured.mid, measured.rad + bound(t).rad)
        });
        self.confirmed(judged, what, again)
    }

    /// A failure in doubles is computed again in many digits where that is affordable; elsewhere the bounds on
    /// rounding decide.
    fn confirmed(&self, judged: Judged, what: Quantity, bound: impl Fn(f64) -> Ball) -> Judged {
        let problem = &self.form.spectrum.problem;
        if !affordable(problem, what) {
            return judged.certain();
        }
        let side = judged.statement.side;
        judged.confirm(|t| {
            let t = t.ok_or("there is no time at which it fails")?;
            let point =
                value(problem, &self.form.settings, what, T::from_f64(t)).map_err(|e| e.to_string())?;
            let point = point.filter(|p| p.value > f64::MIN_POSITIVE);
            let point =
                point.ok_or("its value is too small to be written, or was not found in many digits")?;
            let root = if what == Quantity::SquaredNorm { 0.5 } else { 1.0 };
            let measured = Ball::new(point.value, point.rounding).ln().times(root);
            let (claim, short) = (bound(t), bound(t).minus(measured));
            Ok(Recomputed::new(side, (claim.mid, measured.mid), short.mid, short.rad))
        })
    }

    pub(super) fn ln_train_loss(&self, t: T) -> Ball {
        let (mid, rad) = self.form.train.ln_bounds(t);
        Ball::new(mid, rad)
    }

    pub(super) fn ln_test_loss(&self, t: T) -> Ball {
        self.form.test.ln_bounds(t).map_or(Ball::NAN, |(mid, rad)| Ball::new(mid, rad))
    }

    pub(super) fn ln_norm(&self, t: T) -> Ball {
        let (mid, rad) = self.form.norm.ln_bounds(t);
        Ball::new(0.5 * mid, 0.5 * rad)
    }

    /// A bound that uses λ⁺ where the numerical rank is smaller than n and m: whether an eigenvalue is zero or only
    /// tiny was decided by rounding, so a failure accuses nobody.
    pub(super) fn with_smallest(&self, judged: Judged) -> Judged {
        let full = (self.n as usize).min(self.m as usize);
        if self.rank == full || judged.verdict.outcome != Outcome::Violated {
            return judged;
        }
        let reason = format!("the rank {} of at most {full}, and so λ⁺, was decided by rounding", self.rank);
        judged.undetermined(reason)
    }

    /// The minimiser's coordinates a*_i in the directions v_i, with their errors.
    pub(super) fn minimiser(&self) -> Vec<Ball> {
        let spectrum = self.form.spectrum;
        let unit = PROJECTION * self.n.min(self.m).sqrt() * EPS;
        let coordinate = |i: usize| {
            let (s, g) = (spectrum.eigenvalues()[i], self.form.rates[i].g);
            let error = spectrum.eigenvalue_errors()[i];
            let relative = error / s + error / (self.n * g) + 8.0 * EPS;
            let lean = (self.s_max / s).sqrt() * spectrum.unfittable.sqrt();
            let projected = s.sqrt() / (self.n * g) * unit * (spectrum.labels_norm + lean);
            let limit = spectrum.limit(i, g);
            Ball::new(limit, limit.abs() * relative + projected)
        };
        (0..self.rank).map(coordinate).collect()
    }
}

/// The length of a vector of balls.
pub(super) fn ball_length(x: &[Ball]) -> Ball {
    let mid = length(x.iter().map(|b| b.mid));
    Ball::new(mid, length(x.iter().map(|b| b.rad)) + x.len() as f64 * EPS * mid)
}

/// A crossing time with the interval that certainly contains it.
pub(super) struct Known {
    /// The time; NaN where it is not decided.
    pub(super) time: f64,
    low: f64,
    high: f64,
}

impl Known {
    pub(super) fn of<T: Clock>(crossing: Option<Crossing<T>>, from_start: f64) -> Known {
        let (time, low, high) = match crossing {
            Some(Crossing::FromStart) => (from_start, from_start, from_start),
            Some(Crossing::At { time, lo, hi }) => (time.as_f64(), lo.as_f64(), hi.as_f64()),
            Some(Crossing::Never) => (f64::INFINITY, f64::INFINITY, f64::INFINITY),
            Some(Crossing::Undecided { lo, hi }) => {
                (f64::NAN, lo.map_or(from_start, T::as_f64), hi.map_or(f64::INFINITY, T::as_f64))
            }
            None => (f64::NAN, f64::NAN, f64::NAN),
        };
        Known { time, low, high }
    }

    /// What is certain about the time, less what is certain about another.
    pub(super) fn after(&self, other: &Known) -> Known {
        // Never less never has no value.
        let part = |a: f64, b: f64| a - b.max(0.0);
        let (time, low, high) =
            (part(self.time, other.time), part(self.low, other.high), part(self.high, other.low));
        Known { time, low, high }
    }

    /// Compares the time with a claim about it.
    pub(super) fn judge(&self, claim: Ball, statement: impl FnOnce(Claim) -> Statement) -> Judged {
        let statement = statement(Claim::Scalar(claim.mid));
        if !self.time.is_nan() {
            // Whole numbers past 2⁵³ are rounded.
            let width = if self.high > self.low { self.high - self.low } else { 0.0 };
            let digits = if self.time.is_finite() { EPS * self.time.abs() } else { 0.0 };
            return statement.judge(self.time, width + digits + claim.rad).certain();
        }
        if self.low.is_nan() || claim.mid.is_nan() {
            return statement.judge(f64::NAN, 0.0);
        }
        // Undecided: the interval may decide all the same.
        let name = statement.quantity;
        let (worse, better) = match statement.side {
            Side::Lower => (self.low, self.high),
            _ => (self.high, self.low),
        };
        let lower = statement.side == Side::Lower;
        let meets = |t: f64| if lower { t >= claim.mid - claim.rad } else { t <= claim.mid + claim.rad };
        if meets(worse) || !meets(better) {
            let end = if meets(worse) { worse } else { better };
            return statement.judge(end, claim.rad).certain();
        }
        let reason = format!("{name} is known to lie in [{}, {}] only", brief(self.low), brief(self.high));
        statement.judge(f64::NAN, claim.rad).undetermined(reason)
    }
}
