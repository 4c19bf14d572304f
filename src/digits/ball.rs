//! Numbers known to many digits, each with a proven error.

use std::cmp::Ordering;
use std::ops::{Add, Mul, Neg, Sub};

use dashu_float::Context;
use dashu_float::ops::Abs;
use dashu_float::round::Rounded;
use dashu_float::round::mode::HalfEven;
use dashu_int::IBig;

use super::{Radius, Real};
use crate::crossing::Point;

/// A midpoint of a chosen number of bits and a radius: the exact number lies within. Operations that happen
/// to be exact add nothing to the radius, so that exact numbers stay exact as long as their bits suffice.
///
/// ```
/// use groktime::digits::Ball;
/// let third = Ball::new(1.0, 256).over(&Ball::new(3.0, 256));
/// assert_eq!((&third * &Ball::new(3.0, 256)).against(1.0), None); // equal to within 2⁻²⁵⁴
/// assert!(third.against(1.0 / 3.0).is_some()); // but 1/3 is no f64
/// ```
#[derive(Clone, Debug)]
pub struct Ball {
    mid: Real,
    radius: Radius,
}

impl Ball {
    /// Exactly x (finite), to be computed with in so many bits (at least 53).
    pub fn new(x: f64, bits: usize) -> Ball {
        Ball::exact(super::real(x, bits))
    }

    /// A number without error; its precision is that of further operations.
    pub fn exact(mid: Real) -> Ball {
        Ball { mid, radius: Radius::ZERO }
    }

    pub fn with_radius(mid: Real, radius: Radius) -> Ball {
        Ball { mid, radius }
    }

    fn rounded(result: Rounded<Real>, bits: usize, radius: Radius) -> Ball {
        match result {
            Rounded::Exact(mid) => Ball { mid, radius },
            Rounded::Inexact(mid, _) => {
                let radius = radius.plus(ulp(&mid, bits));
                Ball { mid, radius }
            }
        }
    }

    pub fn mid(&self) -> &Real {
        &self.mid
    }

    pub fn radius(&self) -> Radius {
        self.radius
    }

    pub fn bits(&self) -> usize {
        self.mid.precision()
    }

    /// An upper bound on the absolute value.
    pub fn magnitude(&self) -> Radius {
        Radius::of(&self.mid).plus(self.radius)
    }

    /// A lower bound on the absolute value.
    pub fn smallest(&self) -> Radius {
        Radius::below(&self.mid).minus(self.radius)
    }

    pub fn is_zero(&self) -> bool {
        self.radius.is_zero() && self.mid.repr().significand().is_zero()
    }

    /// The sign, if it is certain.
    pub fn sign(&self) -> Option<Ordering> {
        if self.is_zero() {
            return Some(Ordering::Equal);
        }
        (!self.smallest().is_zero()).then(|| match self.mid.sign() {
            dashu_int::Sign::Positive => Ordering::Greater,
            dashu_int::Sign::Negative => Ordering::Less,
        })
    }

    /// The order of this number and x, if it is certain.
    pub fn against(&self, x: f64) -> Option<Ordering> {
        (self - &Ball::new(x, self.bits())).sign()
    }

    /// The same ball with a larger radius.
    pub fn widened(mut self, by: Radius) -> Ball {
        self.radius = self.radius.plus(by);
        self
    }

    pub fn abs(&self) -> Ball {
        Ball { mid: self.mid.clone().abs(), radius: self.radius }
    }

    /// self / other; the radius is infinite when `other` may be zero.
    pub fn over(&self, other: &Ball) -> Ball {
        let bits = self.bits().max(other.bits());
        let smallest = other.smallest();
        if smallest.is_zero() {
            return Ball { mid: super::real(0.0, bits), radius: Radius::INFINITE };
        }
        let mid = &self.mid / &other.mid;
        let moved = self.radius.plus(Radius::of(&mid).times(other.radius)).over(smallest);
        let radius = moved.plus(ulp(&mid, bits));
        // A division by a power of two, and of zero, is exact.
        let exact = &mid * &other.mid == self.mid && self.mid.digits() + 53 < bits;
        Ball { mid, radius: if exact { moved } else { radius } }
    }

    /// e^self, for |self| below 2⁴⁰.
    pub fn exp(&self) -> Ball {
        if self.is_zero() {
            return Ball::new(1.0, self.bits());
        }
        let bits = self.bits();
        let mid = exponential(&self.mid, bits);
        let value = Radius::of(&mid);
        // |e^{x+d} − e^x| ≤ e^x·(e^{|d|} − 1) ≤ e^x·2|d| for |d| ≤ 1.
        let moved = match self.radius <= Radius::new(1.0) {
            true => value.times(self.radius).times(Radius::new(2.0)),
            false => Radius::INFINITE,
        };
        let radius = moved.plus(ulp(&mid, bits)).plus(ulp(&mid, bits));
        Ball { mid, radius }
    }

    /// ln self; the radius is infinite when this may not be positive.
    pub fn ln(&self) -> Ball {
        let smallest = self.smallest();
        if self.sign() != Some(Ordering::Greater) {
            return Ball { mid: super::real(0.0, self.bits()), radius: Radius::INFINITE };
        }
        let mid = self.mid.ln();
        let radius = self.radius.over(smallest).plus(ulp(&mid, self.bits()));
        Ball { mid, radius }
    }

    /// √self; the radius is infinite when this may be negative.
    pub fn sqrt(&self) -> Ball {
        if self.is_zero() {
            return self.clone();
        }
        if self.sign() != Some(Ordering::Greater) {
            return Ball { mid: super::real(0.0, self.bits()), radius: Radius::INFINITE };
        }
        let mid = self.mid.sqrt();
        let radius = self.radius.over(Radius::below(&mid)).plus(ulp(&mid, self.bits()));
        Ball { mid, radius }
    }

    /// ln(1 − self) for 0 ≤ self < 1, with the digits of a small self kept.
    pub fn ln_one_minus(&self) -> Ball {
        let bits = self.bits();
        let size = self.magnitude();
        if size >= Radius::power_of_two(-30) {
            return (&Ball::new(1.0, bits) - self).ln();
        }
        // −Σ x^j/j; what is left out is below x^{j+1}.
        let (mut power, mut sum, mut order) = (self.clone(), self.clone(), 1.0);
        loop {
            power = &power * self;
            order += 1.0;
            let rest = power.magnitude();
            if rest <= size.times(Radius::power_of_two(-(bits as i64) - 4)) {
                return -&sum.widened(rest.times(Radius::new(2.0)));
            }
            sum = &sum + &power.over(&Ball::new(order, bits));
        }
    }

    /// self^t by repeated squaring, for numbers whose powers have exponents of less than 63 bits.
    pub fn power(&self, mut t: u64) -> Ball {
        let (mut square, mut product) = (self.clone(), Ball::new(1.0, self.bits()));
        while t > 0 {
            if t & 1 == 1 {
                product = &product * &square;
            }
            t >>= 1;
            if t > 0 {
                square = &square * &square;
            }
        }
        product
    }

    /// As f64 with a bound on the distance.
    pub fn rough(&self) -> Point {
        let value = self.mid.to_f64().value();
        let lost = if value.abs() < 1e-290 && !self.is_zero() { f64::MIN_POSITIVE } else { 0.0 };
        Point { value, rounding: self.radius.to_f64() + value.abs() * f64::EPSILON + lost }
    }

    /// As f64 with a bound on the distance. A number whose sign is certain keeps it: below the range of
    /// f64 it becomes ±2⁻¹⁰²², with a rounding bound that is smaller.
    pub fn point(&self) -> Point {
        let (Point { value, rounding }, sign) = (self.rough(), self.sign());
        if value.abs() > rounding || sign.is_none() || sign == Some(Ordering::Equal) {
            return Point { value, rounding };
        }
        let value =
            value.abs().max(f64::MIN_POSITIVE) * if sign == Some(Ordering::Less) { -1.0 } else { 1.0 };
        Point { value, rounding: 0.5 * value.abs() }
    }
}

/// e^x for 0 < |x| < 2⁴⁰, to within two units of the last of so many bits: (e^{|x|/2^k})^{2^k} with |x|/2^k < 2⁻¹², its
/// series in integers over 2^work, and one over that for x < 0. Each squaring doubles the relative error, which
/// begins with less than 2·order + 4 units of 2^{−work}: the k + 8 guard bits and those of the order are more.
fn exponential(x: &Real, bits: usize) -> Real {
    let exponent = Radius::of(x).exponent();
    let halvings = (exponent + 13).max(0) as usize;
    // Terms fall by at least 2¹² each, or by 2^{−exponent} where x is small already.
    let step = 12.max(-exponent - 1) as usize;
    let order = (bits + halvings + 24) / step + 2;
    let guard = (usize::BITS - order.leading_zeros()) as usize + 2;
    let work = bits + halvings + 8 + guard;
    let shift = x.repr().exponent() + work as isize - halvings as isize;
    let significand = x.repr().significand().clone().abs();
    let argument = match shift >= 0 {
        true => significand << shift as usize,
        false => significand >> shift.unsigned_abs(),
    };
    let mut term = IBig::ONE << work;
    let mut sum = term.clone();
    for j in 1..=order {
        term = ((term * &argument) >> work) / IBig::from(j);
        if term.is_zero() {
            break;
        }
        sum += &term;
    }
    let mut power = Real::from_parts(sum, -(work as isize)).with_precision(work).value();
    for _ in 0..halvings {
        power = &power * &power;
    }
    let value = match x.sign() {
        dashu_int::Sign::Positive => power,
        dashu_int::Sign::Negative => Real::ONE.with_precision(work).value() / power,
    };
    value.with_precision(bits).value()
}

/// An upper bound on the error of rounding to a number of bits.
fn ulp(x: &Real, bits: usize) -> Radius {
    if x.repr().significand().is_zero() {
        return Radius::ZERO;
    }
    let top = x.repr().exponent() as i64 + x.repr().digits() as i64;
    Radius::power_of_two(top - bits as i64)
}

impl Add for &Ball {
    type Output = Ball;
    fn add(self, other: &Ball) -> Ball {
        let bits = self.bits().max(other.bits());
        let sum = Context::<HalfEven>::new(bits).add(self.mid.repr(), other.mid.repr());
        Ball::rounded(finite(sum), bits, self.radius.plus(other.radius))
    }
}

impl Sub for &Ball {
    type Output = Ball;
    fn sub(self, other: &Ball) -> Ball {
        let bits = self.bits().max(other.bits());
        let difference = Context::<HalfEven>::new(bits).sub(self.mid.repr(), other.mid.repr());
        Ball::rounded(finite(difference), bits, self.radius.plus(other.radius))
    }
}

impl Mul for &Ball {
    type Output = Ball;
    fn mul(self, other: &Ball) -> Ball {
        let bits = self.bits().max(other.bits());
        let product = Context::<HalfEven>::new(bits).mul(self.mid.repr(), other.mid.repr());
        let moved = match self.radius.is_zero() && other.radius.is_zero() {
            true => Radius::ZERO,
            false => {
                let first = Radius::of(&self.mid).times(other.radius);
                first.plus(self.radius.times(Radius::of(&other.mid).plus(other.radius)))
            }
        };
        Ball::rounded(finite(product), bits, moved)
    }
}

impl Neg for &Ball {
    type Output = Ball;
    fn neg(self) -> Ball {
        Ball { mid: -self.mid.clone(), radius: self.radius }
    }
}

/// Sums, differences and products of finite numbers are finite: exponents have 64 bits.
fn finite(result: dashu_float::FpResult<Real>) -> Rounded<Real> {
    result.unwrap_or_else(|e| unreachable!("arithmetic of finite numbers: {e}"))
}
