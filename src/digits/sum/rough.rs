//! The terms of a sum as f64 sees them.

use super::mode::Mode;
use crate::crossing::Point;
use crate::digits::Ball;

/// A term as f64 sees it: coefficient and rate with bounds on their errors.
#[derive(Clone, Copy)]
pub(super) struct Rough {
    pub c: f64,
    pub c_error: f64,
    /// Bounds on the sizes of the coefficients that c stands for, and on a power whose node may be zero.
    pub size: f64,
    pub floor: f64,
    pub rate: f64,
    pub rate_error: f64,
    /// ln(X_k/X) of the first term with a coefficient that is not zero, and of the first that moves.
    pub behind: [f64; 2],
}

impl Rough {
    /// Coefficient of the derivative, its error, and the size of what it stands for.
    pub(super) fn slope(&self) -> (f64, f64, f64) {
        let fastest = self.rate.abs() + self.rate_error;
        (self.c * self.rate, self.c_error * fastest + self.size * self.rate_error, self.size * fastest)
    }

    /// e^{rate·t}, its relative error, and what it may be beside that; `None` outside the range of f64.
    pub(super) fn power(&self, t: f64) -> Option<(f64, f64, f64)> {
        if t == f64::INFINITY {
            return Some((if self.rate == 0.0 { 1.0 } else { 0.0 }, 0.0, self.floor));
        }
        let exponent = self.rate * t;
        if self.rate == f64::NEG_INFINITY {
            return Some((if t == 0.0 { 1.0 } else { 0.0 }, 0.0, self.floor));
        }
        let loss = self.rate_error * t + 4.0 * f64::EPSILON * (1.0 + exponent.abs());
        if exponent < -600.0 {
            // Times any number of f64 what is left out last is less than the smallest of them: sums of errors are rounded up.
            let floor = match exponent + loss {
                x if x < -3000.0 => 0.0,
                x if x < -750.0 => f64::from_bits(1),
                _ => 1e-260,
            };
            return Some((0.0, 0.0, floor));
        }
        if exponent > 600.0 || loss > 0.1 {
            return None;
        }
        Some((libm::exp(exponent), 1.1 * loss + 4.0 * f64::EPSILON, 0.0))
    }
}

/// x/tick, exactly.
fn per_tick(x: &Ball, tick: f64) -> Ball {
    if tick == 1.0 { x.clone() } else { x * &Ball::new(1.0 / tick, x.bits()) }
}

/// ln x, or −g a tick, in f64, and a bound on its error.
pub(super) fn rough_rate(mode: &Mode, tick: f64) -> (f64, f64) {
    match mode {
        Mode::Decay { rate } => {
            let Point { value, rounding } = per_tick(rate, tick).rough();
            (-value, rounding)
        }
        Mode::Step { gap } => {
            let Point { value, rounding } = gap.rough();
            if value < 0.5 {
                // |d ln(1 − y)| = |dy|/(1 − y).
                let rate = libm::log1p(-value);
                return (rate, 2.0 * rounding + 2.0 * f64::EPSILON * rate.abs());
            }
            let x = Mode::factor(gap);
            let smallest = x.smallest();
            if smallest.is_zero() {
                return (f64::NEG_INFINITY, 0.0);
            }
            let Point { value, rounding } = x.rough();
            let rate = libm::log(value);
            (rate, 2.0 * rounding / value + 2.0 * f64::EPSILON * rate.abs())
        }
    }
}

/// ln(X/X_leader), or g_leader − g a tick, rounded up towards zero.
pub(super) fn lag(mode: &Mode, leader: &Ball, own: &Ball, tick: f64) -> f64 {
    let difference = leader - own;
    let ratio = match mode {
        Mode::Decay { .. } => per_tick(&difference, tick),
        Mode::Step { .. } => {
            // X = 1 − own: X/X_leader − 1 = (leader − own)/(1 − leader).
            difference.over(&(&Ball::new(1.0, leader.bits()) - leader))
        }
    };
    let Point { value, rounding } = ratio.rough();
    let upper = value + rounding;
    match mode {
        _ if !upper.is_finite() => 0.0,
        Mode::Decay { .. } => upper,
        Mode::Step { .. } if upper <= -1.0 => f64::NEG_INFINITY,
        Mode::Step { .. } => libm::log1p(upper),
    }
}
