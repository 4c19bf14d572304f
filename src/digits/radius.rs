//! Upper bounds on errors, with exponents far outside those of f64.

use std::cmp::Ordering;

use super::Real;

/// A bound of at least zero: mantissa·2^exponent with the mantissa in [1, 2), or 0, or +∞. Every operation
/// rounds up, so that a bound stays one.
///
/// ```
/// use groktime::digits::Radius;
/// let tiny = Radius::power_of_two(-5000);
/// assert!(tiny > Radius::ZERO && tiny.times(tiny) < tiny);
/// assert_eq!(Radius::new(0.5).plus(tiny).to_f64(), 0.5_f64.next_up());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Radius {
    mantissa: f64,
    exponent: i64,
}

impl Radius {
    pub const ZERO: Radius = Radius { mantissa: 0.0, exponent: 0 };
    pub const INFINITE: Radius = Radius { mantissa: f64::INFINITY, exponent: 0 };

    /// |x|; NaN counts as infinite.
    pub fn new(x: f64) -> Radius {
        Radius::normal(x.abs(), 0)
    }

    /// 2^exponent.
    pub fn power_of_two(exponent: i64) -> Radius {
        Radius { mantissa: 1.0, exponent }
    }

    /// An upper bound on |x|, tight to 2⁻⁵².
    pub fn of(x: &Real) -> Radius {
        let (top, exponent, cut) = leading(x);
        Radius::normal(if cut { top.next_up() } else { top }, exponent)
    }

    /// A lower bound on |x|, tight to 2⁻⁵².
    pub fn below(x: &Real) -> Radius {
        let (top, exponent, _) = leading(x);
        Radius::normal(top, exponent)
    }

    fn normal(mantissa: f64, exponent: i64) -> Radius {
        if mantissa == 0.0 {
            return Radius::ZERO;
        }
        if !mantissa.is_finite() {
            return Radius::INFINITE;
        }
        let bits = mantissa.to_bits();
        match (bits >> 52) as i64 {
            0 => Radius::normal(mantissa * 2.0_f64.powi(100), exponent - 100),
            biased => Radius {
                mantissa: f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52),
                exponent: exponent + biased - 1023,
            },
        }
    }

    pub fn is_zero(self) -> bool {
        self.mantissa == 0.0
    }

    pub fn is_finite(self) -> bool {
        self.mantissa.is_finite()
    }

    pub fn plus(self, other: Radius) -> Radius {
        let (large, small) = if self < other { (other, self) } else { (self, other) };
        if small.is_zero() || !large.is_finite() {
            return large;
        }
        let gap = large.exponent - small.exponent;
        let added = if gap > 100 { 0.0 } else { small.mantissa * 2.0_f64.powi(-(gap as i32)) };
        Radius::normal((large.mantissa + added).next_up(), large.exponent)
    }

    pub fn times(self, other: Radius) -> Radius {
        if self.is_zero() || other.is_zero() {
            return Radius::ZERO;
        }
        let exact = self.mantissa == 1.0 || other.mantissa == 1.0;
        let product = self.mantissa * other.mantissa;
        Radius::normal(if exact { product } else { product.next_up() }, self.exponent + other.exponent)
    }

    /// self / other for a lower bound `other`; infinite when that is zero.
    pub fn over(self, other: Radius) -> Radius {
        match (self.is_zero(), other.is_zero()) {
            (true, _) => Radius::ZERO,
            (_, true) => Radius::INFINITE,
            _ => Radius::normal((self.mantissa / other.mantissa).next_up(), self.exponent - other.exponent),
        }
    }

    /// √self.
    pub fn root(self) -> Radius {
        let odd = self.exponent.rem_euclid(2);
        let mantissa = (self.mantissa * if odd == 1 { 2.0 } else { 1.0 }).sqrt().next_up();
        if self.is_zero() { self } else { Radius::normal(mantissa, (self.exponent - odd) / 2) }
    }

    /// A lower bound on self − other, zero when there is no positive one.
    pub fn minus(self, other: Radius) -> Radius {
        if other.is_zero() || other >= self {
            return if other.is_zero() { self } else { Radius::ZERO };
        }
        let gap = self.exponent - other.exponent;
        let taken = if gap > 100 { f64::EPSILON } else { other.mantissa * 2.0_f64.powi(-(gap as i32)) };
        Radius::normal((self.mantissa - taken).next_down().max(0.0), self.exponent)
    }

    /// Rounded up; a bound below the smallest f64 becomes that.
    pub fn to_f64(self) -> f64 {
        match self.exponent {
            _ if self.is_zero() => 0.0,
            _ if !self.is_finite() => f64::INFINITY,
            1024.. => f64::INFINITY,
            ..-1074 => f64::from_bits(1),
            e if e < -1022 => (self.mantissa * 2.0_f64.powi(-1022) * 2.0_f64.powi(e as i32 + 1022)).next_up(),
            e => self.mantissa * 2.0_f64.powi(e as i32),
        }
    }

    /// The binary exponent: self < 2^(exponent + 1).
    pub fn exponent(self) -> i64 {
        self.exponent
    }
}

impl PartialOrd for Radius {
    fn partial_cmp(&self, other: &Radius) -> Option<Ordering> {
        let class = |r: &Radius| (r.is_zero(), r.is_finite());
        match (class(self), class(other)) {
            ((true, _), (true, _)) => Some(Ordering::Equal),
            ((true, _), _) => Some(Ordering::Less),
            (_, (true, _)) => Some(Ordering::Greater),
            ((_, true), (_, true)) => {
                let mantissas = self.mantissa.total_cmp(&other.mantissa);
                Some(self.exponent.cmp(&other.exponent).then(mantissas))
            }
            ((_, a), (_, b)) => Some(b.cmp(&a)),
        }
    }
}

/// The leading 53 bits of |x| as an integer, its exponent, and whether bits were cut off.
fn leading(x: &Real) -> (f64, i64, bool) {
    use dashu_int::ops::{BitTest, UnsignedAbs};
    let (significand, exponent) = (x.repr().significand(), x.repr().exponent() as i64);
    let bits = significand.bit_len();
    if bits <= 53 {
        return (significand.to_f64().value().abs(), exponent, false);
    }
    let cut = bits - 53;
    let top = significand.clone().unsigned_abs() >> cut;
    (top.to_f64().value(), exponent + cut as i64, true)
}
