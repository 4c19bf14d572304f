//! Values of a sum, and bounds over intervals of time: in f64 where that decides, in many digits where it does not.

use std::cmp::Ordering;

use super::Sum;
use super::mode::Base;
use super::rough::Rough;
use crate::crossing::{Curve, Enclosure, Point, Trend};
use crate::digits::Ball;
use crate::trajectory::Clock;

impl<T: Clock> Sum<'_, T> {
    /// The sum in f64 with a bound; `None` where the exponentials leave its range.
    fn rough_value(&self, t: f64) -> Option<Point> {
        let (mut value, mut error) = (0.0, 0.0);
        for r in &self.rough {
            if r.c == 0.0 && r.c_error == 0.0 {
                continue;
            }
            let (power, loss, floor) = r.power(t)?;
            value += r.c * power;
            error += r.size * (power * loss + floor) + r.c_error * power;
        }
        Some(Point { value, rounding: error.next_up() })
    }

    /// Bounds over [a, b] with every term at its extremes: of the value, or of the derivative.
    fn rough_bounds(&self, a: f64, b: f64, slope: bool) -> Option<(f64, f64, f64)> {
        let (mut lo, mut hi, mut error) = (0.0, 0.0, 0.0);
        for r in &self.rough {
            if r.size == 0.0 {
                continue;
            }
            if slope && r.rate == f64::NEG_INFINITY {
                // It jumps from its start to zero.
                if a == 0.0 {
                    lo = if r.c - r.c_error < 0.0 { lo } else { f64::NEG_INFINITY };
                    hi = if r.c + r.c_error > 0.0 { hi } else { f64::INFINITY };
                    if r.c.abs() <= r.c_error {
                        (lo, hi) = (f64::NEG_INFINITY, f64::INFINITY);
                    }
                }
                error += r.size * r.floor.sqrt();
                continue;
            }
            let (c, c_error, size) = match slope {
                true => r.slope(),
                false => (r.c, r.c_error, r.size),
            };
            let ((pa, la, fa), (pb, lb, fb)) = (r.power(a)?, r.power(b)?);
            let (p, q) = (c * pa, c * pb);
            lo += p.min(q);
            hi += p.max(q);
            error += size * (pa * la + pb * lb + fa.max(fb)) + c_error * pa.max(pb);
        }
        Some((lo, hi, if lo == hi && error == 0.0 { 0.0 } else { error.next_up() }))
    }

    /// Whether the leading term keeps the sign of the sum from `a` on.
    fn for_ever(&self, a: f64, slope: bool) -> Option<Ordering> {
        let Some(leader) = (if slope { self.leading.slope } else { self.leading.value }) else {
            return Some(Ordering::Equal);
        };
        if self.rough[leader].rate == f64::NEG_INFINITY {
            // A node that is zero leaves nothing after the first step; one that may be zero leaves all open.
            let gone = !slope && a >= 1.0 && self.rough[leader].floor == 0.0;
            return gone.then_some(Ordering::Equal);
        }
        let weight = |r: &Rough| if slope { r.slope() } else { (r.c, r.c_error, r.size) };
        let (lead, lead_error, _) = weight(&self.rough[leader]);
        if !lead.is_finite() {
            return None;
        }
        let sign = lead.partial_cmp(&0.0)?;
        let mut left = lead.abs() - lead_error;
        for (k, r) in self.rough.iter().enumerate() {
            if k == leader || r.size == 0.0 || slope && !self.moves(&self.terms[k]) {
                continue;
            }
            // What is slower than the leading term is exactly zero: it was skipped.
            let behind = r.behind[usize::from(slope)].min(0.0);
            let shrunk = if a == 0.0 { 1.0 } else { libm::exp(behind * a * (1.0 - 1e-12)) * (1.0 + 1e-12) };
            if r.rate == f64::NEG_INFINITY {
                // A node that is zero, or too small to count after a step.
                if a == 0.0 {
                    return None;
                }
                left -= r.size * shrunk;
                continue;
            }
            let (c, c_error, _) = weight(r);
            let against = if c.partial_cmp(&0.0) == Some(sign) { 0.0 } else { c.abs() };
            left -= (against + c_error) * shrunk;
        }
        (left > 1e-12 * lead.abs()).then_some(sign)
    }

    fn digit_bounds(&self, a: T, b: Option<T>, slope: bool) -> (Ball, Ball) {
        let start = self.powers(a);
        let end: Vec<Ball> = match b {
            Some(b) => self.powers(b),
            None => {
                let at_rest = |b: &Base| Ball::new(if b.mode.is_one() { 1.0 } else { 0.0 }, 53);
                self.bases.iter().map(at_rest).collect()
            }
        };
        let (mut lo, mut hi) = (Ball::new(0.0, 53), Ball::new(0.0, 53));
        for term in &self.terms {
            if term.coefficient.is_zero() || slope && !self.moves(term) {
                continue;
            }
            let (i, j) = term.factors;
            let rate = slope.then(|| self.bases[i].rate() + self.bases[j].rate());
            let of = |powers: &[Ball]| {
                let power = &powers[i] * &powers[j];
                (power, rate.as_ref())
            };
            let at = |(power, rate): (Ball, Option<&Ball>), t: f64| {
                let blur = term.blur(&power, t);
                let value = (&term.coefficient * &power).widened(blur);
                if let Some(rate) = rate { &value * rate } else { value }
            };
            let (p, q) = (at(of(&start), a.as_f64()), at(of(&end), b.map_or(0.0, T::as_f64)));
            let ordered = (&q - &p).mid().sign() == dashu_int::Sign::Positive;
            let (small, large) = if ordered { (&p, &q) } else { (&q, &p) };
            lo = &lo + small;
            hi = &hi + large;
        }
        (lo, hi)
    }

    fn trend(&self, from: T, to: Option<T>) -> Trend {
        let (a, b) = (self.local(from), to.map(|to| self.local(to)));
        let of = |sign: Option<Ordering>| match sign {
            Some(Ordering::Less) => Some(Trend::Falling),
            Some(Ordering::Greater) => Some(Trend::Rising),
            // Constant: both.
            Some(Ordering::Equal) => Some(Trend::Falling),
            None => None,
        };
        let Some(b) = b else { return of(self.for_ever(a, true)).unwrap_or(Trend::Unknown) };
        if let Some((lo, hi, error)) = self.rough_bounds(a, b, true) {
            if hi + error < 0.0 {
                return Trend::Falling;
            } else if lo - error > 0.0 {
                return Trend::Rising;
            } else if error < 0.1 * (hi - lo) {
                return Trend::Unknown;
            }
        }
        let (lo, hi) = self.digit_bounds(from, to, true);
        match (lo.sign(), hi.sign()) {
            (_, Some(Ordering::Less | Ordering::Equal)) => Trend::Falling,
            (Some(Ordering::Greater | Ordering::Equal), _) => Trend::Rising,
            _ => Trend::Unknown,
        }
    }
}

impl<T: Clock> Curve for Sum<'_, T> {
    type Time = T;

    fn value(&self, t: T) -> Point {
        if let Some(point) = self.rough_value(self.local(t))
            && point.value.abs() > point.rounding
        {
            return point;
        }
        let ball = self.ball(t);
        if ball.sign().is_some() {
            return ball.point();
        }
        let sign = match self.for_ever(self.local(t), false) {
            Some(sign) if t > T::ZERO => Some(sign),
            _ => (self.exact)(t),
        };
        match sign {
            None => ball.point(),
            Some(Ordering::Equal) => Point { value: 0.0, rounding: 0.0 },
            Some(sign) => {
                let size = ball.magnitude().to_f64().clamp(f64::MIN_POSITIVE, f64::MAX);
                let value = if sign == Ordering::Less { -size } else { size };
                Point { value, rounding: 0.5 * size }
            }
        }
    }

    fn enclose(&self, from: T, to: Option<T>) -> Enclosure {
        let trend = self.trend(from, to);
        let (a, b) = (self.local(from), to.map(|to| self.local(to)));
        let grows = self.rough.iter().any(|r| r.rate > 0.0 && r.c != 0.0);
        if b.is_none() && grows {
            let (mut lo, mut hi) = (f64::NEG_INFINITY, f64::INFINITY);
            match self.for_ever(a, false) {
                Some(Ordering::Greater) => lo = f64::from_bits(1),
                Some(Ordering::Less) => hi = -f64::from_bits(1),
                _ => {}
            }
            return Enclosure { lo, hi, trend, rounding: 0.0 };
        }
        if let Some((mut lo, mut hi, error)) = self.rough_bounds(a, b.unwrap_or(f64::INFINITY), false) {
            let open = error < 0.1 * (hi - lo);
            (lo, hi) = (lo - error, hi + error);
            if b.is_none() {
                match self.for_ever(a, false) {
                    Some(Ordering::Greater) => lo = lo.max(f64::from_bits(1)),
                    Some(Ordering::Less) => hi = hi.min(-f64::from_bits(1)),
                    Some(Ordering::Equal) => (lo, hi) = (0.0, 0.0),
                    None => {}
                }
            }
            if open || lo > 0.0 || hi < 0.0 || lo == hi {
                return Enclosure { lo, hi, trend, rounding: 0.0 };
            }
        }
        let (lo, hi) = self.digit_bounds(from, to, false);
        let (lo, hi) = (lo.point(), hi.point());
        Enclosure { lo: lo.value - lo.rounding, hi: hi.value + hi.rounding, trend, rounding: 0.0 }
    }

    fn time_scale(&self) -> T {
        let slowest = self.leading.slope.map_or(1.0, |l| self.rough[l].rate.abs());
        T::from_f64(if slowest > 0.0 { (1.0 / slowest / self.tick).min(f64::MAX) } else { f64::MAX })
    }

    fn settled(&self, from: T) -> bool {
        let Some((lo, hi, error)) = self.rough_bounds(self.local(from), f64::INFINITY, false) else {
            return false;
        };
        let undecided = self.terms.iter().any(|t| !t.coefficient.is_zero() && t.coefficient.sign().is_none());
        undecided && hi - lo <= 4.0 * error && self.for_ever(self.local(from), false).is_none()
    }
    fn gives_up(&self, looks: f64) -> bool {
        let rough = 0.06 * looks * self.terms.len() as f64;
        rough + self.work.spent.get() > self.work.limit
    }
}
