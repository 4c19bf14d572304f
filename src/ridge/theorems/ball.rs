//! Numbers with a bound on their error, for bounds that are computed from computed numbers.

use crate::linalg::EPS;

/// A midpoint and a radius: the exact number is within `rad` of `mid`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ball {
    pub mid: f64,
    pub rad: f64,
}

impl Ball {
    pub const NAN: Ball = Ball { mid: f64::NAN, rad: 0.0 };
    pub const ZERO: Ball = Ball { mid: 0.0, rad: 0.0 };

    /// A number known exactly.
    pub fn exact(mid: f64) -> Ball {
        Ball { mid, rad: 0.0 }
    }

    pub fn new(mid: f64, rad: f64) -> Ball {
        Ball { mid, rad }
    }

    pub fn plus(self, other: Ball) -> Ball {
        let mid = self.mid + other.mid;
        Ball { mid, rad: self.rad + other.rad + rounding(mid) }
    }

    pub fn minus(self, other: Ball) -> Ball {
        self.plus(other.times(-1.0))
    }

    /// Times an exact number; 0 · ∞ is 0.
    pub fn times(self, factor: f64) -> Ball {
        if factor == 0.0 {
            return Ball::ZERO;
        }
        let mid = self.mid * factor;
        Ball { mid, rad: self.rad * factor.abs() + rounding(mid) }
    }

    /// ln of a number that is not negative. Exactly zero gives −∞; a number that rounding cannot tell from zero has a
    /// logarithm without bound.
    pub fn ln(self) -> Ball {
        let relative = if self.rad == 0.0 { 0.0 } else { self.rad / self.mid };
        let mid = if self.mid == 0.0 { f64::NEG_INFINITY } else { self.mid.ln() };
        Ball { mid, rad: ln_error(relative) + rounding(mid) }
    }
}

/// One rounding of a number.
fn rounding(x: f64) -> f64 {
    if x.is_finite() { EPS * x.abs() } else { 0.0 }
}

/// The error of ln x where x has the relative error given.
fn ln_error(relative: f64) -> f64 {
    if relative < 1.0 { -(-relative).ln_1p() } else { f64::INFINITY }
}

/// ln/rate where the logarithm is positive, else 0: how long a decay takes. Infinite without decay.
pub(super) fn time_of(ln: Ball, rate: Ball) -> Ball {
    if ln.mid.is_nan() || rate.mid.is_nan() {
        return Ball::NAN;
    }
    let time = |ln: f64, rate: f64| match ln > 0.0 {
        false => 0.0,
        true if rate > 0.0 => ln / rate,
        true => f64::INFINITY,
    };
    let mid = time(ln.mid, rate.mid);
    let (low, high) =
        (time(ln.mid - ln.rad, rate.mid + rate.rad), time(ln.mid + ln.rad, rate.mid - rate.rad));
    let distance = |end: f64| if end == mid { 0.0 } else { (end - mid).abs() };
    Ball { mid, rad: distance(low).max(distance(high)) + 2.0 * rounding(mid) }
}

/// ln Σ v_i e^{x_i} of sizes v_i ≥ 0 and exponents x_i.
pub(super) fn ln_sum(parts: &[(Ball, Ball)]) -> Ball {
    let logs = || parts.iter().map(|(v, x)| v.mid.ln() + x.mid);
    let top = logs().fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY {
        let known = parts.iter().all(|(v, x)| v.rad == 0.0 || x.mid == f64::NEG_INFINITY);
        return Ball { mid: top, rad: if known { 0.0 } else { f64::INFINITY } };
    }
    let sum: f64 = logs().map(|l| (l - top).exp()).sum();
    let moved: f64 = parts
        .iter()
        .map(|(v, x)| {
            let size = (v.mid.ln() + x.mid - top).exp();
            let stretched = if size > 0.0 { size * x.rad.exp_m1() } else { 0.0 };
            stretched + (v.rad.ln() + x.mid + x.rad - top).exp()
        })
        .sum();
    let mid = top + sum.ln();
    let digits = 4.0 * EPS * (2.0 + top.abs() + mid.abs());
    Ball { mid, rad: ln_error(moved / sum) + digits }
}

/// ln max(0, v e^x − w) of sizes v, w ≥ 0: −∞ where it is not positive.
pub(super) fn ln_difference(v: Ball, x: Ball, w: Ball) -> Ball {
    let (left, right) = (v.ln().plus(x), w.ln());
    if left.mid.is_nan() || right.mid.is_nan() {
        return Ball::NAN;
    }
    if left.mid <= right.mid {
        return Ball::exact(f64::NEG_INFINITY);
    }
    let ratio = (right.mid - left.mid).exp();
    let moved = left.rad.exp_m1() + if ratio > 0.0 { ratio * right.rad.exp_m1() } else { 0.0 };
    let mid = left.mid + (-ratio).ln_1p();
    Ball { mid, rad: ln_error(moved / (1.0 - ratio)) + 4.0 * EPS * (1.0 + mid.abs()) }
}

/// ‖x‖ without overflow or underflow of the squares.
pub(super) fn length(x: impl Iterator<Item = f64> + Clone) -> f64 {
    let top = x.clone().fold(0.0_f64, |top, x| top.max(x.abs()));
    match top > 0.0 && top.is_finite() {
        // A power of two is exact.
        true => {
            let unit = libm::exp2(top.log2().floor().clamp(-1000.0, 1000.0));
            unit * x.map(|x| (x / unit).powi(2)).sum::<f64>().sqrt()
        }
        false => top,
    }
}
