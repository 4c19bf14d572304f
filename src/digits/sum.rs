//! Sums of exponentials D(t) = Σ C_k X_k^t (steps) or Σ C_k e^{−g_k t} (flow), of which the sign is wanted.
//!
//! A loss of ridge regression less a threshold is one: its exponents are products of two modes. Coefficients
//! and nodes are [`Ball`]s. Most questions are answered by f64 evaluations of the same sum, whose coefficients
//! are then right to the last place however much cancelled in them; many digits are used where that leaves the
//! sign open, and a caller's exact arithmetic where a ball still contains zero.

use std::cell::OnceCell;
use std::cmp::Ordering;

use super::{Ball, Radius, Real, real};
use crate::crossing::{Curve, Enclosure, Point, Trend};
use crate::trajectory::Clock;

/// Below this distance of a node from 1 its powers are taken through the logarithm.
const SLOW: i64 = -40;

/// What is raised to the power t: the factor x of a mode, by its distance 1 − x, or its rate g.
#[derive(Clone, Debug)]
pub enum Mode {
    /// x = 1 − gap for steps.
    Step { gap: Ball },
    /// e^{−rate·t} for flow.
    Decay { rate: Ball },
}

impl Mode {
    /// x = 1 or rate 0.
    fn is_one(&self) -> bool {
        match self {
            Mode::Step { gap: distance } | Mode::Decay { rate: distance } => distance.is_zero(),
        }
    }

    fn factor(gap: &Ball) -> Ball {
        &Ball::new(1.0, gap.bits()) - gap
    }

    /// x < 0, possibly.
    pub fn may_flip(&self) -> bool {
        match self {
            Mode::Step { gap } => Mode::factor(gap).sign().is_none_or(Ordering::is_lt),
            Mode::Decay { .. } => false,
        }
    }

    /// x as a ball; for a flow 1.
    pub fn value(&self) -> Ball {
        match self {
            Mode::Step { gap } => Mode::factor(gap),
            Mode::Decay { rate } => Ball::new(1.0, rate.bits()),
        }
    }

    /// x² as a mode: two steps in one.
    pub fn squared(&self) -> Mode {
        match self {
            Mode::Step { gap } => {
                let two = Ball::new(2.0, gap.bits());
                let gap = gap * &(&two - gap);
                // A square is not negative.
                Mode::Step { gap }
            }
            Mode::Decay { rate } => Mode::Decay { rate: rate + rate },
        }
    }

    /// 1 − xx′, or g + g′: orders products of modes.
    fn distance_of(&self, other: &Mode) -> Ball {
        match (self, other) {
            (Mode::Step { gap: a }, Mode::Step { gap: b }) => &(a + b) - &(a * b),
            (Mode::Decay { rate: a }, Mode::Decay { rate: b }) => a + b,
            _ => unreachable!("one clock a sum"),
        }
    }
}

/// C·(x_a x_b)^t, where C may stand for several coefficients whose sizes add up to `spread`.
#[derive(Clone, Debug)]
pub struct Term {
    pub coefficient: Ball,
    pub spread: Radius,
    /// Indices of modes.
    pub factors: (usize, usize),
    /// Bounds on how far the nodes of what was joined differ, relatively, and on all of them.
    drift: Radius,
    reach: Radius,
}

impl Term {
    /// C·(x_a x_b)^t.
    pub fn new(coefficient: Ball, spread: Radius, factors: (usize, usize)) -> Term {
        Term { coefficient, spread, factors, drift: Radius::ZERO, reach: Radius::ZERO }
    }

    /// The same times a number.
    pub fn scaled(self, factor: &Ball) -> Term {
        let spread = self.spread.times(factor.magnitude());
        Term { coefficient: &self.coefficient * factor, spread, ..self }
    }

    /// What the radius of the node's power, and nodes that differ, leave open of the term at t.
    fn blur(&self, power: &Ball, t: f64) -> Radius {
        if self.drift.is_zero() || t == 0.0 {
            return self.spread.times(power.radius());
        }
        let moved = self.drift.times(Radius::new(t));
        let moved = match moved < Radius::new(0.25) {
            true => power.magnitude().times(moved).times(Radius::new(2.0)),
            // Nodes that may be zero: their powers are at most the largest of them.
            false if self.reach < Radius::new(1.0) => self.reach,
            false => Radius::INFINITE,
        };
        self.spread.times(power.radius().plus(moved))
    }
}

/// A mode with what its powers need.
struct Base {
    mode: Mode,
    squares: OnceCell<Vec<Ball>>,
    rate: OnceCell<Ball>,
}

impl Base {
    /// ln x, −g; infinite radius for x ≤ 0.
    fn rate(&self) -> &Ball {
        self.rate.get_or_init(|| match &self.mode {
            Mode::Step { gap } => gap.ln_one_minus(),
            Mode::Decay { rate } => -rate,
        })
    }

    /// The power at a time, of x ≥ 0.
    fn power(&self, steps: Option<u64>, time: f64) -> Ball {
        match (&self.mode, steps) {
            (Mode::Step { gap }, Some(t)) => {
                if t == 0 || self.mode.is_one() {
                    return Ball::new(1.0, gap.bits());
                }
                if gap.magnitude() > Radius::power_of_two(SLOW) {
                    return self.by_squares(gap, t);
                }
                let time = Ball::exact(Real::from(t).with_precision(gap.bits().max(64)).value());
                exponential(&(self.rate() * &time))
            }
            (Mode::Decay { rate }, _) => exponential(&-&(rate * &Ball::new(time, rate.bits()))),
            (Mode::Step { .. }, None) => unreachable!("steps are counted"),
        }
    }

    fn by_squares(&self, gap: &Ball, t: u64) -> Ball {
        let squares = self.squares.get_or_init(|| {
            let mut squares = vec![Mode::factor(gap)];
            while squares.len() < 64 {
                let last = &squares[squares.len() - 1];
                squares.push(within_reach(last * last));
            }
            squares
        });
        let mut product: Option<Ball> = None;
        for (j, square) in squares.iter().enumerate() {
            if t >> j & 1 == 1 {
                product = Some(product.map_or_else(|| square.clone(), |p| &p * square));
            }
        }
        product.unwrap_or_else(|| Ball::new(1.0, gap.bits()))
    }
}

/// A number whose exponent left ±2⁴⁰ as a ball that contains it, so that exponents do not overflow.
fn within_reach(x: Ball) -> Ball {
    let (exponent, bits) = (x.magnitude().exponent(), x.bits());
    if x.is_zero() || exponent.abs() < 1 << 40 {
        return x;
    }
    match exponent < 0 {
        true => tiny(bits),
        false => Ball::with_radius(real(0.0, bits), Radius::INFINITE),
    }
}

/// Between 0 and 2^{1 − 2⁴⁰}.
fn tiny(bits: usize) -> Ball {
    let half = Radius::power_of_two(-(1 << 40));
    Ball::with_radius(Real::from_parts(1.into(), -(1 << 40)).with_precision(bits).value(), half)
}

/// e^x where x may be far below what exponents allow.
fn exponential(x: &Ball) -> Ball {
    let limit = Radius::power_of_two(40);
    if x.magnitude() < limit {
        return x.exp();
    }
    match x.sign() {
        Some(Ordering::Less) => tiny(x.bits()),
        _ => Ball::with_radius(real(0.0, x.bits()), Radius::INFINITE),
    }
}

/// A term as f64 sees it: coefficient and rate with bounds on their errors.
#[derive(Clone, Copy)]
struct Rough {
    c: f64,
    c_error: f64,
    /// Bounds on the sizes of the coefficients that c stands for, and on the power where that is tiny.
    size: f64,
    floor: f64,
    rate: f64,
    rate_error: f64,
    /// ln(X_k/X) of the first term with a coefficient that is not zero, and of the first that moves.
    behind: [f64; 2],
}

/// Where every sign is certain from some time on: indices of the leading terms.
#[derive(Clone, Copy, Default)]
struct Leading {
    value: Option<usize>,
    slope: Option<usize>,
}

/// The exact order of D(t) and 0 where that can be afforded.
pub type Exact<'e, T> = Box<dyn Fn(T) -> Option<Ordering> + 'e>;

/// D(t); see the module. Nodes are not negative: a descent whose factors flip is two sums, of the even and of
/// the odd steps.
pub struct Sum<'e, T> {
    bases: Vec<Base>,
    /// Slowest first; terms whose nodes cannot be told apart are one.
    terms: Vec<Term>,
    rough: Vec<Rough>,
    leading: Leading,
    exact: Exact<'e, T>,
}

impl<'e, T: Clock> Sum<'e, T> {
    /// Joins what has the same node, orders by speed, scales by a power of two.
    pub fn new(modes: Vec<Mode>, terms: Vec<Term>, exact: Exact<'e, T>) -> Self {
        let terms = scaled(merged(&modes, terms));
        let bases = modes.into_iter();
        let bases: Vec<Base> =
            bases.map(|mode| Base { mode, squares: OnceCell::new(), rate: OnceCell::new() }).collect();
        let mut sum = Sum { bases, terms, rough: Vec::new(), leading: Leading::default(), exact };
        sum.look_roughly();
        sum
    }

    /// Number of terms with a coefficient that is certainly not zero, and whether all others are exactly zero.
    pub fn certain_terms(&self) -> (usize, bool) {
        let certain = self.terms.iter().filter(|t| !t.coefficient.smallest().is_zero()).count();
        let zeros = self.terms.iter().filter(|t| t.coefficient.is_zero()).count();
        (certain, certain + zeros == self.terms.len())
    }

    /// Number of different nodes.
    pub fn nodes(&self) -> usize {
        self.terms.len()
    }

    /// Says that the sum has exactly so many terms that are not zero: where as many certainly are not, the
    /// others are.
    pub fn has_terms(&mut self, count: usize) {
        if self.certain_terms().0 == count {
            for term in &mut self.terms {
                if term.coefficient.smallest().is_zero() {
                    term.coefficient = Ball::new(0.0, term.coefficient.bits());
                    term.spread = Radius::ZERO;
                }
            }
            self.look_roughly();
        }
    }

    /// The sign of the limit, or of what outgrows it.
    pub fn limit_sign(&self) -> Option<Ordering> {
        let slowest = self.terms.iter().find(|t| !t.coefficient.is_zero());
        match slowest {
            None => Some(Ordering::Equal),
            Some(t) if self.moves(t) => Some(Ordering::Equal),
            Some(t) => t.coefficient.sign(),
        }
    }

    fn moves(&self, term: &Term) -> bool {
        !(self.bases[term.factors.0].mode.is_one() && self.bases[term.factors.1].mode.is_one())
    }

    /// Prepares the view of f64.
    fn look_roughly(&mut self) {
        let certain = |t: &Term| !t.coefficient.is_zero();
        let value = self.terms.iter().position(certain);
        let slope = self.terms.iter().position(|t| certain(t) && self.moves(t));
        self.leading = Leading { value, slope };
        let distance = |t: &Term| distance(&self.bases, t);
        let leaders = [value, slope].map(|l| l.map(|l| distance(&self.terms[l])));
        let rough = self.terms.iter().map(|term| {
            let (a, b) = (&self.bases[term.factors.0].mode, &self.bases[term.factors.1].mode);
            let (ra, rb) = (rough_rate(a), rough_rate(b));
            let Point { value, rounding } = term.coefficient.rough();
            let own = distance(term);
            let node = match a {
                Mode::Step { .. } => &a.value() * &b.value(),
                Mode::Decay { .. } => Ball::new(1.0, 53),
            };
            let zero = node.smallest() < Radius::new(1e-250);
            let node = node.magnitude().to_f64();
            let behind = |leader: &Option<Ball>| match leader {
                Some(leader) => lag(a, leader, &own),
                None => 0.0,
            };
            Rough {
                c: value,
                c_error: rounding,
                size: term.spread.to_f64().max(value.abs()),
                // A node that may be zero, or that small, counts as zero after a step.
                floor: if zero { node } else { 1e-260 },
                rate: if zero { f64::NEG_INFINITY } else { ra.0 + rb.0 },
                rate_error: ra.1
                    + rb.1
                    + 2.0 * term.drift.to_f64()
                    + f64::EPSILON * (ra.0.abs() + rb.0.abs()),
                behind: [behind(&leaders[0]), behind(&leaders[1])],
            }
        });
        self.rough = rough.collect();
    }

    /// The sum in many digits.
    pub fn ball(&self, t: T) -> Ball {
        let (steps, time) = clock(t);
        let powers: Vec<Ball> = self.bases.iter().map(|b| b.power(steps, time)).collect();
        let mut sum = Ball::new(0.0, 53);
        for term in &self.terms {
            if term.coefficient.is_zero() {
                continue;
            }
            let power = &powers[term.factors.0] * &powers[term.factors.1];
            let blur = term.blur(&power, time);
            sum = &sum + &(&term.coefficient * &power).widened(blur);
        }
        sum
    }

    /// The sum in f64 with a bound; `None` where the exponentials leave its range.
    fn rough_value(&self, t: f64) -> Option<Point> {
        let (mut value, mut error) = (0.0, 0.0);
        for r in &self.rough {
            if r.c == 0.0 && r.c_error == 0.0 {
                continue;
            }
            let (power, loss) = r.power(t)?;
            value += r.c * power;
            error += r.size * (power * loss + r.floor) + r.c_error * power;
        }
        Some(Point { value, rounding: error })
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
            let ((pa, la), (pb, lb)) = (r.power(a)?, r.power(b)?);
            let (p, q) = (c * pa, c * pb);
            lo += p.min(q);
            hi += p.max(q);
            error += size * (pa * la + pb * lb + r.floor) + c_error * pa.max(pb);
        }
        Some((lo, hi, error))
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
        let powers_at = |t: T| -> Vec<Ball> {
            let (steps, time) = clock(t);
            self.bases.iter().map(|base| base.power(steps, time)).collect()
        };
        let start = powers_at(a);
        let end: Vec<Ball> = match b {
            Some(b) => powers_at(b),
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
        let (a, b) = (from.as_f64(), to.map(T::as_f64));
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
        if let Some(point) = self.rough_value(t.as_f64())
            && point.value.abs() > point.rounding
        {
            return point;
        }
        let ball = self.ball(t);
        if ball.sign().is_some() {
            return ball.point();
        }
        let sign = match self.for_ever(t.as_f64(), false) {
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
        let (a, b) = (from.as_f64(), to.map(T::as_f64));
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
        T::from_f64(if slowest > 0.0 { 1.0 / slowest } else { f64::MAX })
    }

    fn settled(&self, from: T) -> bool {
        let Some((lo, hi, error)) = self.rough_bounds(from.as_f64(), f64::INFINITY, false) else {
            return false;
        };
        let undecided = self.terms.iter().any(|t| !t.coefficient.is_zero() && t.coefficient.sign().is_none());
        undecided && hi - lo <= 4.0 * error && self.for_ever(from.as_f64(), false).is_none()
    }
}

impl Rough {
    /// Coefficient of the derivative, its error, and the size of what it stands for.
    fn slope(&self) -> (f64, f64, f64) {
        let fastest = self.rate.abs() + self.rate_error;
        (self.c * self.rate, self.c_error * fastest + self.size * self.rate_error, self.size * fastest)
    }

    /// e^{rate·t} and its relative error; `None` outside the range of f64.
    fn power(&self, t: f64) -> Option<(f64, f64)> {
        if t == f64::INFINITY {
            return Some((if self.rate == 0.0 { 1.0 } else { 0.0 }, 0.0));
        }
        let exponent = self.rate * t;
        if self.rate == f64::NEG_INFINITY {
            return Some((if t == 0.0 { 1.0 } else { 0.0 }, 0.0));
        }
        let loss = self.rate_error * t + 4.0 * f64::EPSILON * (1.0 + exponent.abs());
        if exponent < -600.0 {
            // Below `floor`.
            return Some((0.0, 0.0));
        }
        if exponent > 600.0 || loss > 0.1 {
            return None;
        }
        Some((libm::exp(exponent), 1.1 * loss + 4.0 * f64::EPSILON))
    }
}

fn clock<T: Clock>(t: T) -> (Option<u64>, f64) {
    (t.steps(), t.as_f64())
}

/// ln x or −g in f64, and a bound on its error.
fn rough_rate(mode: &Mode) -> (f64, f64) {
    match mode {
        Mode::Decay { rate } => {
            let Point { value, rounding } = rate.rough();
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

/// ln(X/X_leader), or g_leader − g, rounded up towards zero.
fn lag(mode: &Mode, leader: &Ball, own: &Ball) -> f64 {
    let difference = leader - own;
    let ratio = match mode {
        Mode::Decay { .. } => difference,
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

fn distance(bases: &[Base], term: &Term) -> Ball {
    bases[term.factors.0].mode.distance_of(&bases[term.factors.1].mode)
}

/// Terms in the order of their nodes, slowest first, those that cannot be told apart joined.
fn merged(modes: &[Mode], terms: Vec<Term>) -> Vec<Term> {
    let with = |t: Term| (modes[t.factors.0].distance_of(&modes[t.factors.1]), t);
    let mut all: Vec<(Ball, Term)> = terms.into_iter().map(with).collect();
    all.sort_by(|a, b| a.0.mid().cmp(b.0.mid()));
    let mut joined: Vec<(Ball, Term)> = Vec::with_capacity(all.len());
    for (distance, term) in all {
        match joined.last_mut() {
            Some((last, kept)) if (&distance - last).smallest().is_zero() => {
                let node = |t: &Term| match &modes[t.factors.0] {
                    Mode::Step { .. } => &modes[t.factors.0].value() * &modes[t.factors.1].value(),
                    // Rates differ as they are.
                    Mode::Decay { .. } => Ball::new(1.0, 53),
                };
                let (kept_node, node) = (node(kept), node(&term));
                let (smallest, largest) =
                    (kept_node.smallest(), kept_node.magnitude().plus(node.magnitude()));
                let apart = (&distance - last).magnitude();
                let drift = if apart.is_zero() { Radius::ZERO } else { apart.over(smallest) };
                kept.drift = if drift > kept.drift { drift } else { kept.drift };
                kept.reach = if largest > kept.reach { largest } else { kept.reach };
                kept.coefficient = &kept.coefficient + &term.coefficient;
                kept.spread = kept.spread.plus(term.spread);
            }
            _ => joined.push((distance, term)),
        }
    }
    joined.into_iter().map(|(_, term)| term).collect()
}

/// All coefficients times the power of two that makes the largest about one.
fn scaled(mut terms: Vec<Term>) -> Vec<Term> {
    let sizes = terms.iter().map(|t| t.coefficient.magnitude());
    let largest = sizes.fold(Radius::ZERO, |a, b| if b > a { b } else { a });
    if largest.is_zero() || !largest.is_finite() {
        return terms;
    }
    let exponent = -largest.exponent();
    let scale = Ball::exact(Real::from_parts(1.into(), exponent as isize));
    for term in &mut terms {
        term.coefficient = &term.coefficient * &scale;
        term.spread = term.spread.times(Radius::power_of_two(exponent));
    }
    terms
}

/// Σ C_k (x_a x_b)^t of signed factors, in many digits.
pub fn value<T: Clock>(modes: &[Mode], terms: Vec<Term>, t: T) -> Ball {
    let (steps, time) = clock(t);
    let bases =
        modes.iter().map(|mode| Base { mode: mode.clone(), squares: OnceCell::new(), rate: OnceCell::new() });
    let powers: Vec<Ball> = bases.map(|b| b.power(steps, time)).collect();
    let mut sum = Ball::new(0.0, 53);
    for term in &terms {
        let power = &powers[term.factors.0] * &powers[term.factors.1];
        let blur = term.blur(&power, time);
        sum = &sum + &(&term.coefficient * &power).widened(blur);
    }
    sum
}
