//! One decaying exponential, and what the curves made of them share.

use crate::linalg::EPS;
use crate::trajectory::Clock;

/// One decaying exponential with an offset, and what is known of its errors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mode {
    /// A: value at time zero less the offset.
    pub amplitude: f64,
    /// o: the limit.
    pub offset: f64,
    /// r: ln|ρ| a step, or −g a unit of flow time; −∞ when ρ = 0.
    pub rate: f64,
    /// Whether ρ < 0.
    pub flips: bool,
    /// Error of e^r (for flow: of r) relative to its upper bound e^{rate_top}.
    pub rate_error: f64,
    /// Upper bound on the exact rate: the error of e^{rt} is at most t·rate_error·e^{rate_top·t}, also
    /// where ρ is so near 0 that ln|ρ| means nothing.
    pub rate_top: f64,
    /// The error of d is amplitude_error·|f| + offset_error + limit_error·(1 − f) with f = σ(t)·e^{rt}: what a
    /// mode has not learned yet cannot be wrong, however large it becomes.
    pub amplitude_error: f64,
    pub offset_error: f64,
    pub limit_error: f64,
    /// f = factor·e^{rt} where the mode is seen at odd steps only, on a clock of pairs.
    pub factor: f64,
    /// s/(ng): the part of the labels that the mode learns in the end.
    pub share: f64,
    /// One over the distance of its singular value from the next smaller one (zero counts where there is a
    /// complement); 0 where the two are within a tenth of each other.
    pub gap: f64,
}

impl Default for Mode {
    fn default() -> Self {
        Mode { offset: 0.0, ..Mode::ONE }
    }
}

impl Mode {
    /// The constant 1.
    pub const ONE: Mode = Mode {
        amplitude: 0.0,
        offset: 1.0,
        rate: 0.0,
        flips: false,
        rate_error: 0.0,
        rate_top: 0.0,
        amplitude_error: 0.0,
        offset_error: 0.0,
        limit_error: 0.0,
        factor: 1.0,
        share: 0.0,
        gap: 0.0,
    };

    /// |ρ|^t = e^{rt}.
    pub fn power(&self, t: f64) -> f64 {
        if t == 0.0 { 1.0 } else { libm::exp(t * self.rate) }
    }

    /// Power over an interval's end that may be infinite.
    pub fn power_at_end(&self, t: Option<f64>) -> f64 {
        match t {
            Some(t) => self.power(t),
            None if self.rate > 0.0 => f64::INFINITY,
            None if self.rate == 0.0 => 1.0,
            None => 0.0,
        }
    }

    /// A mode that does not move is its own limit. One that seems not to (ρ² = 1 to within rounding) may.
    pub fn folded(mut self) -> Mode {
        if self.rate == 0.0 && !self.flips && self.rate_error == 0.0 {
            self.offset += self.amplitude;
            self.offset_error += self.amplitude_error;
            self.amplitude = 0.0;
            self.amplitude_error = 0.0;
        }
        self
    }

    /// The same mode seen at even or odd steps only; its clock counts pairs of steps.
    pub fn at_parity(&self, odd: bool) -> Mode {
        let (factor, moved) = match odd {
            false => (1.0, 0.0),
            true => {
                let rho = self.rate.exp();
                (if self.flips { -rho } else { rho }, self.rate_error * self.rate_top.exp())
            }
        };
        Mode {
            amplitude: self.amplitude * factor,
            offset: self.offset,
            rate: 2.0 * self.rate,
            flips: false,
            rate_error: 2.0 * self.rate_error,
            rate_top: 2.0 * self.rate_top,
            amplitude_error: self.amplitude_error * factor.abs()
                + self.amplitude.abs() * moved
                + self.limit_error * moved,
            factor: self.factor * factor,
            ..*self
        }
        .folded()
    }

    /// d at an even or odd time whose power is x.
    pub fn value(&self, x: f64, odd: bool) -> f64 {
        self.amplitude * if odd && self.flips { -x } else { x } + self.offset
    }

    /// d as t → ∞ along even or along odd steps.
    pub fn at_rest(&self, odd: bool) -> f64 {
        if self.rate == 0.0 { self.value(1.0, odd) } else { self.offset }
    }

    /// The range of f over an interval at whose ends the power is xa ≥ xb.
    pub fn decayed(&self, xa: f64, xb: f64) -> [f64; 2] {
        match (self.flips, self.factor >= 0.0) {
            (true, _) => [-xa * self.factor.abs(), xa * self.factor.abs()],
            (false, true) => [self.factor * xb, self.factor * xa],
            (false, false) => [self.factor * xa, self.factor * xb],
        }
    }

    /// Bound on the forward error of d at time t, where its power was computed as x.
    pub fn forward_error(&self, t: f64, x: f64, odd: bool) -> f64 {
        let f = if odd && self.flips { -x } else { x } * self.factor;
        self.error_of(x, if x > 0.0 && t > 0.0 { -self.rate * t * x } else { 0.0 }, f)
    }

    /// Bound on [`Mode::forward_error`] over [a, b], the power at a being xa and at b xb.
    pub fn largest_forward_error(&self, a: f64, b: Option<f64>, xa: f64, xb: f64) -> f64 {
        let moves = self.amplitude != 0.0 && self.rate.is_finite();
        let stretched = if moves { self.peak(self.rate.abs(), a, b, xa, xb) } else { 0.0 };
        self.error_of(xa, stretched, self.decayed(xa, xb)[0])
    }

    /// Forward error where the power is x, |r|t·x is `stretched`, and f is at least `least`.
    fn error_of(&self, x: f64, stretched: f64, least: f64) -> f64 {
        let relative = EPS * (3.0 * stretched + 4.0 * x);
        self.amplitude.abs() * relative
            + self.amplitude_error * x
            + self.offset_error
            + self.limit_error * (1.0 - least).max(0.0)
            + 2.0 * EPS * self.offset.abs()
    }

    /// Bound on what the rate's error does to the power at time t, which was computed as x.
    pub fn drift(&self, t: f64, x: f64) -> f64 {
        let moved = t * self.rate_error;
        if moved == 0.0 {
            0.0
        } else if moved < 0.1 {
            1.2 * moved * x
        } else {
            // Two powers are not further apart than their sum. Finite even where ρ may be beyond −1, so that 0 · drift
            // is 0.
            let top = libm::exp(t * self.rate_top);
            (moved * top).min(top + x).min(f64::MAX)
        }
    }

    /// Bound on [`Mode::drift`] over [a, b].
    pub fn largest_drift(&self, a: f64, b: Option<f64>) -> f64 {
        if self.rate_error == 0.0 || self.amplitude == 0.0 {
            return 0.0;
        }
        let bound = Mode { rate: self.rate_top, ..*self };
        let (first, last) = (bound.power(a), bound.power_at_end(b));
        (1.2 * bound.peak(self.rate_error, a, b, first, last)).min(2.0 * first.max(last))
    }

    /// Largest speed·t·e^{rt} on [a, b] for a speed above zero. Times may be as small as speeds are large: their product
    /// comes first.
    fn peak(&self, speed: f64, a: f64, b: Option<f64>, xa: f64, xb: f64) -> f64 {
        if speed == 0.0 {
            return 0.0;
        }
        if self.rate >= 0.0 {
            return b.map_or(f64::INFINITY, |b| speed * b * xb);
        }
        let top = -1.0 / self.rate;
        match b {
            _ if a >= top => speed * a * xa,
            Some(b) if b <= top => speed * b * xb,
            _ => speed / -self.rate * (-1.0_f64).exp(),
        }
    }
}

/// Derivative of a mode with respect to the logarithm of a parameter.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tangent {
    pub amplitude: f64,
    /// Derivative of the amplitude as a multiple of the amplitude.
    pub scale: f64,
    pub rate: f64,
    pub offset: f64,
}

/// dd/d log p of each mode at a time.
pub(super) fn moved(modes: &[Mode], tangents: &[Tangent], time: f64) -> Vec<f64> {
    let one = |(m, d): (&Mode, &Tangent)| {
        let x = m.power(time);
        let amplitude = d.amplitude + d.scale * m.amplitude;
        if x == 0.0 { d.offset } else { (amplitude + m.amplitude * time * d.rate) * x + d.offset }
    };
    modes.iter().zip(tangents).map(one).collect()
}

/// max_i ln of the pieces of z, to scale them before squaring.
pub(super) fn ln_scale(modes: &[Mode], time: f64) -> f64 {
    let piece = |m: &Mode| {
        let moving = m.amplitude.abs().ln() + if time == 0.0 { 0.0 } else { m.rate * time };
        moving.max(m.offset.abs().ln())
    };
    modes.iter().map(piece).fold(f64::NEG_INFINITY, f64::max)
}

/// d(t)·e^{−shift} without underflow on the way.
pub(super) fn scaled(m: &Mode, time: f64, odd: bool, shift: f64) -> f64 {
    let exponent = if time == 0.0 { 0.0 } else { m.rate * time };
    let moving = (m.amplitude.abs().ln() + exponent - shift).exp().copysign(m.amplitude);
    let offset = (m.offset.abs().ln() - shift).exp().copysign(m.offset);
    if odd && m.flips { offset - moving } else { offset + moving }
}

/// The fastest mode's decay time.
pub(super) fn time_scale<T: Clock>(modes: &[Mode]) -> T {
    let finite = modes.iter().map(|m| -m.rate).filter(|r| r.is_finite() && *r > 0.0);
    let fastest = finite.fold(0.0, f64::max);
    let scale = T::from_f64(1.0 / fastest);
    if fastest > 0.0 && scale > T::ZERO { scale } else { T::from_f64(1.0) }
}

pub(super) fn flips(modes: &[Mode]) -> bool {
    modes.iter().any(|m| m.flips && m.amplitude != 0.0)
}

pub(super) fn halve(modes: &[Mode], odd: bool) -> Vec<Mode> {
    modes.iter().map(|m| m.at_parity(odd)).collect()
}

/// Bound on the forward error of d(t)·e^{−shift}: [`Mode::forward_error`] without underflow on the way.
pub(super) fn scaled_error(m: &Mode, time: f64, shift: f64) -> f64 {
    let exponent = if time == 0.0 { 0.0 } else { m.rate * time };
    let size = |x: f64| if x == 0.0 { 0.0 } else { (x.abs().ln() - shift).exp() };
    let moving = |x: f64| {
        if x == 0.0 || exponent == f64::NEG_INFINITY { 0.0 } else { (x.abs().ln() + exponent - shift).exp() }
    };
    // Logarithms of hundreds are known to hundreds of EPS.
    let of_ln = |x: f64| if x == 0.0 { 0.0 } else { EPS * (2.0 * x.abs().ln().abs() + 2.0 * shift.abs()) };
    let relative = EPS * (3.0 * exponent.abs() + 4.0) + of_ln(m.amplitude);
    let amplitude = moving(m.amplitude);
    let rounded = if amplitude > 0.0 { amplitude * relative } else { 0.0 };
    let unlearned = 1.0 + exponent.exp();
    rounded
        + moving(m.amplitude_error)
        + size(m.offset_error)
        + unlearned * size(m.limit_error)
        + (2.0 * EPS + of_ln(m.offset)) * size(m.offset)
}

/// What errors of the rates move together at a time, times e^{−shift}, where they can mix amplitudes of the norm
/// `mixing`: [`Mode::drift`] without underflow on the way.
pub(super) fn scaled_drift(modes: &[Mode], mixing: f64, time: f64, shift: f64) -> f64 {
    let one = |m: &Mode| {
        let moved = time * m.rate_error;
        let exponent = if moved < 0.1 { 0.2 + m.rate * time } else { m.rate_top * time };
        if moved * mixing == 0.0 { 0.0 } else { (moved.ln() + mixing.ln() + exponent - shift).exp() }
    };
    modes.iter().map(one).fold(0.0, f64::max).min(f64::MAX)
}

/// ln x and a bound on its error, of a value known to within `rounding`.
pub(super) fn ln_point(value: f64, rounding: f64) -> (f64, f64) {
    let relative = if rounding == 0.0 { 0.0 } else { rounding / value };
    let error = if relative < 1.0 { -(-relative).ln_1p() } else { f64::INFINITY };
    let ln = value.ln();
    (ln, error + if ln.is_finite() { 2.0 * EPS * ln.abs() } else { 0.0 })
}
