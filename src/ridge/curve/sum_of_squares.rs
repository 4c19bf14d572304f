//! Training losses, isotropic test losses and ‖θ‖²: sums of squares of modes.

use std::marker::PhantomData;

use super::mode::{
    Mode, Tangent, flips, halve, ln_point, ln_scale, moved, scaled, scaled_drift, scaled_error, time_scale,
};
use super::{Alternating, Turning, settled};
use crate::crossing::{Curve, Enclosure, Point, Trend, too_many};
use crate::linalg::EPS;
use crate::trajectory::Clock;

/// scale·(Σ d_i(t)² + constant).
#[derive(Clone, Debug)]
pub(crate) struct SumOfSquares<T> {
    modes: Vec<Mode>,
    /// Norm of all amplitudes that a backward error of the decomposition can mix.
    mixing: f64,
    constant: f64,
    constant_error: f64,
    scale: f64,
    turning: Turning,
    clock: PhantomData<T>,
}

impl<T: Clock> SumOfSquares<T> {
    /// `constant`: its value and its error.
    pub fn new(modes: Vec<Mode>, mixing: f64, constant: [f64; 2], scale: f64, turning: Turning) -> Self {
        let modes = modes.into_iter().map(Mode::folded).collect();
        let [constant, constant_error] = constant;
        SumOfSquares { modes, mixing, constant, constant_error, scale, turning, clock: PhantomData }
    }

    /// The value where the squares add up to `sum`, and the modes may have moved so far together; what is `turned`
    /// is the constant part as well.
    fn finish(&self, sum: f64, moved: f64, turned: f64) -> Point {
        let all = sum + self.constant;
        let value = self.scale * all;
        let squares = (moved + turned) * (moved + turned) + self.constant_error;
        let perturbed = self.scale * (2.0 * (sum.sqrt() * moved + all.sqrt() * turned) + squares);
        if !(moved + turned).is_finite() {
            return Point { value, rounding: f64::INFINITY };
        }
        // What leaves the range of numbers on the way: squares, and products with the scale.
        let lost = if value > SAFE || all + moved + turned == 0.0 {
            0.0
        } else {
            (8.0 + self.modes.len() as f64 * self.scale.max(1.0)) * f64::from_bits(1)
        };
        Point { value, rounding: perturbed + 8.0 * EPS * value + lost }
    }

    /// ln of the value, finite (or −∞ at an exact zero) where the value itself underflows.
    pub fn ln_value(&self, t: T) -> f64 {
        let value = self.value(t).value;
        if value > 1e-280 {
            return value.ln();
        }
        let (time, odd) = (t.as_f64(), t.is_odd());
        let shift = ln_scale(&self.modes, time).max(0.5 * self.constant.ln());
        if shift == f64::NEG_INFINITY {
            return shift;
        }
        let sum: f64 = self.modes.iter().map(|m| scaled(m, time, odd, shift).powi(2)).sum();
        let constant = if self.constant > 0.0 { (self.constant.ln() - 2.0 * shift).exp() } else { 0.0 };
        self.scale.ln() + 2.0 * shift + (sum + constant).ln()
    }

    /// The value as t → ∞ along even and along odd steps; they differ only when some ρ = −1.
    pub fn limits(&self) -> [f64; 2] {
        [false, true].map(|odd| {
            self.scale * (self.modes.iter().map(|m| m.at_rest(odd).powi(2)).sum::<f64>() + self.constant)
        })
    }

    /// Derivative with respect to time (no flips), and the sum of its terms' sizes.
    pub fn slope(&self, time: f64) -> (f64, f64) {
        let term = |m: &Mode| {
            let x = m.power(time);
            if x == 0.0 { 0.0 } else { 2.0 * m.rate * m.amplitude * x * (m.amplitude * x + m.offset) }
        };
        let terms = self.modes.iter().map(term);
        terms.fold((0.0, 0.0), |(sum, size), d| (sum + self.scale * d, size + self.scale * d.abs()))
    }

    /// The value at a real time (no flips).
    pub fn real_value(&self, time: f64) -> f64 {
        let values = self.modes.iter().map(|m| m.value(m.power(time), false));
        self.scale * (values.map(|d| d * d).sum::<f64>() + self.constant)
    }

    /// Derivative with respect to a parameter whose effect on each mode is given.
    pub fn derivative(&self, time: f64, tangents: &[Tangent]) -> f64 {
        let values = self.modes.iter().map(|m| m.value(m.power(time), false));
        let changes = moved(&self.modes, tangents, time);
        2.0 * self.scale * values.zip(changes).map(|(d, change)| d * change).sum::<f64>()
    }
}

impl<T: Clock> Curve for SumOfSquares<T> {
    type Time = T;

    fn value(&self, t: T) -> Point {
        let (time, odd) = (t.as_f64(), t.is_odd());
        let (mut sum, mut errors, mut drift) = (0.0, Length::default(), 0.0_f64);
        let mut quotients = self.turning.quotients(time, |m| [m.power(time); 2]);
        for m in &self.modes {
            let x = m.power(time);
            sum += m.value(x, odd).powi(2);
            errors.add(m.forward_error(time, x, odd));
            drift = drift.max(m.drift(time, x));
            quotients.add(m, [m.factor * if odd && m.flips { -x } else { x }; 2]);
        }
        let moved = drift * self.mixing + errors.at_most();
        self.finish(sum, moved, self.turning.moved(&quotients))
    }

    fn enclose(&self, from: T, to: Option<T>) -> Enclosure {
        let (a, b) = (from.as_f64(), to.map(T::as_f64));
        let (mut lo, mut hi, mut errors, mut drift) = (0.0, 0.0, Length::default(), 0.0_f64);
        let mut slope = SlopeBounds::default();
        let mut quotients =
            self.turning.quotients(b.unwrap_or(f64::INFINITY), |m| [m.power(a), m.power_at_end(b)]);
        for m in &self.modes {
            let (xa, xb) = (m.power(a), m.power_at_end(b));
            let start = m.amplitude * xa + m.offset;
            let end = if m.flips { -m.amplitude * xa } else { m.amplitude * xb } + m.offset;
            let (p, q) = (start * start, end * end);
            hi += p.max(q);
            lo += if start * end <= 0.0 { 0.0 } else { p.min(q) };
            errors.add(m.largest_forward_error(a, b, xa, xb));
            drift = drift.max(m.largest_drift(a, b));
            slope.add_square(m, xa, xb);
            quotients.add(m, m.decayed(xa, xb));
        }
        let moved = drift * self.mixing + errors.at_most();
        let top = self.finish(hi, moved, self.turning.moved(&quotients));
        let bottom = self.scale * (lo + self.constant);
        Enclosure {
            lo: (bottom - top.rounding).max(0.0),
            hi: top.value + top.rounding,
            trend: slope.trend(),
            rounding: top.rounding,
        }
    }

    fn time_scale(&self) -> T {
        time_scale(&self.modes)
    }

    fn settled(&self, from: T) -> bool {
        settled(self, from)
    }

    fn gives_up(&self, looks: f64) -> bool {
        too_many(looks, 40.0 * self.modes.len() as f64)
    }
}

/// Values above this have lost nothing to underflow that counts beside their rounding.
const SAFE: f64 = 1e-280;

/// √Σx² of x ≥ 0, also where squares leave the range of numbers.
#[derive(Default)]
struct Length {
    squares: f64,
    largest: f64,
    count: f64,
}

impl Length {
    fn add(&mut self, x: f64) {
        self.squares += x * x;
        self.largest = self.largest.max(x);
        self.count += 1.0;
    }

    /// An upper bound, tight unless squares have left the range.
    fn at_most(&self) -> f64 {
        let usual = self.squares > 1e-290 && self.squares < f64::INFINITY;
        if usual { self.squares.sqrt() } else { self.largest * self.count.sqrt() }
    }
}

/// Bounds on a derivative, gathered mode by mode.
#[derive(Default)]
struct SlopeBounds {
    lo: f64,
    hi: f64,
    size: f64,
}

impl SlopeBounds {
    /// The range of d/dt (Ax + o)² = 2rAx(Ax + o) while x falls from xa to xb.
    fn add_square(&mut self, m: &Mode, xa: f64, xb: f64) {
        if m.amplitude == 0.0 || xa == 0.0 || m.rate == 0.0 && !m.flips {
            return;
        }
        if m.flips || m.rate == f64::NEG_INFINITY {
            // A flipping mode has no trend; a mode with ρ = 0 jumps from its start to its limit.
            let falls = !m.flips && (m.amplitude + m.offset).abs() >= m.offset.abs();
            self.lo = f64::NEG_INFINITY;
            if !falls {
                self.hi = f64::INFINITY;
            }
            return;
        }
        let at = |x: f64| 2.0 * m.rate * m.amplitude * x * (m.amplitude * x + m.offset);
        let (p, q) = (at(xa), at(xb));
        let (mut lo, mut hi) = (p.min(q), p.max(q));
        let vertex = -0.5 * m.offset / m.amplitude;
        if xb < vertex && vertex < xa {
            hi = hi.max(at(vertex));
            lo = lo.min(at(vertex));
        }
        self.lo += lo;
        self.hi += hi;
        self.size += lo.abs().max(hi.abs());
    }

    /// The sign, if it is certain with room for rounding.
    fn trend(&self) -> Trend {
        let room = 1e-9 * self.size;
        if self.hi == 0.0 || self.hi + room < 0.0 {
            Trend::Falling
        } else if self.lo == 0.0 || self.lo - room > 0.0 {
            Trend::Rising
        } else {
            Trend::Unknown
        }
    }
}

impl<T: Clock> Alternating for SumOfSquares<T> {
    type Half = SumOfSquares<u64>;
    fn alternates(&self) -> bool {
        flips(&self.modes)
    }
    fn half(&self, odd: bool) -> SumOfSquares<u64> {
        SumOfSquares {
            modes: halve(&self.modes, odd),
            mixing: self.mixing,
            constant: self.constant,
            constant_error: self.constant_error,
            scale: self.scale,
            turning: self.turning.at_parity(odd),
            clock: PhantomData,
        }
    }
}

impl<T: Clock> SumOfSquares<T> {
    /// ln of the value and a bound on its error, also where the value underflows; the error is infinite where rounding
    /// cannot tell the value from zero.
    pub fn ln_bounds(&self, t: T) -> (f64, f64) {
        let point = self.value(t);
        if point.value > 1e-280 {
            return ln_point(point.value, point.rounding);
        }
        let (time, odd) = (t.as_f64(), t.is_odd());
        let shift = ln_scale(&self.modes, time).max(0.5 * self.constant.ln());
        if shift == f64::NEG_INFINITY {
            return (shift, if point.rounding > 0.0 { f64::INFINITY } else { 0.0 });
        }
        let square = |x: f64| if x > 0.0 { (x.ln() - 2.0 * shift).exp() } else { 0.0 };
        let sum: f64 = self.modes.iter().map(|m| scaled(m, time, odd, shift).powi(2)).sum();
        let errors: f64 = self.modes.iter().map(|m| scaled_error(m, time, shift).powi(2)).sum();
        let moved = scaled_drift(&self.modes, self.mixing, time, shift)
            + errors.sqrt()
            + self.turning.scaled_at(&self.modes, time, shift);
        let value = sum + square(self.constant);
        let rounding =
            2.0 * value.sqrt() * moved + moved * moved + square(self.constant_error) + 8.0 * EPS * value;
        let (ln, error) = ln_point(value, rounding);
        let ln = self.scale.ln() + 2.0 * shift + ln;
        (ln, error + if ln.is_finite() { 8.0 * EPS * (1.0 + shift.abs()) } else { 0.0 })
    }

    /// The value where all moving parts are gone: of the minimiser, whether or not the trajectory tends to it.
    pub fn at_minimiser(&self) -> Point {
        let sum: f64 = self.modes.iter().map(|m| m.offset * m.offset).sum();
        let errors: f64 = self.modes.iter().map(|m| (m.offset_error + m.limit_error).powi(2)).sum();
        self.finish(sum, errors.sqrt(), self.turning.at_rest(&self.modes))
    }
}
