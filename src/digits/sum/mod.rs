//! Sums of exponentials D(t) = Σ C_k X_k^t (steps) or Σ C_k e^{−g_k t} (flow), of which the sign is wanted.
//!
//! A loss of ridge regression less a threshold is one: its exponents are products of two modes. Coefficients
//! and nodes are [`Ball`]s. Most questions are answered by f64 evaluations of the same sum, whose coefficients
//! are then right to the last place however much cancelled in them; many digits are used where that leaves the
//! sign open, and a caller's exact arithmetic where a ball still contains zero.

mod bounds;
mod mode;
mod rough;
mod term;

use std::cell::Cell;
use std::cmp::Ordering;

use super::{Ball, Radius};
use crate::crossing::Point;
use crate::trajectory::Clock;
use mode::Base;
use rough::{Rough, lag, rough_rate};
use term::{distance, merged, scaled};

pub use mode::Mode;
pub use term::Term;

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
    /// What f64 counts flow times in, one over a power of two: rates near the smallest numbers would have no digits.
    tick: f64,
    exact: Exact<'e, T>,
    work: Work<'e>,
}

/// What a search may spend: it stops where `spent`, in about microseconds, is more than `limit`. A count of operations,
/// never a clock.
#[derive(Clone, Copy)]
pub struct Work<'e> {
    pub spent: &'e Cell<f64>,
    pub limit: f64,
}

impl Work<'_> {
    /// Adds operations of numbers of so many bits.
    fn add(&self, operations: usize, bits: usize) {
        let words = bits as f64 / 64.0;
        self.spent.set(self.spent.get() + operations as f64 * (0.2 + 2e-3 * words * words));
    }
}

impl<'e, T: Clock> Sum<'e, T> {
    /// Joins what has the same node, orders by speed, scales by a power of two.
    pub fn new(modes: Vec<Mode>, terms: Vec<Term>, exact: Exact<'e, T>, work: Work<'e>) -> Self {
        let terms = scaled(merged(&modes, terms));
        let bases: Vec<Base> = modes.into_iter().map(Base::new).collect();
        let (rough, leading, tick) = (Vec::new(), Leading::default(), 1.0);
        let mut sum = Sum { bases, terms, rough, leading, tick, exact, work };
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
        self.tick = tick(&self.bases);
        let distance = |t: &Term| distance(&self.bases, t);
        let leaders = [value, slope].map(|l| l.map(|l| distance(&self.terms[l])));
        let rough = self.terms.iter().map(|term| {
            let (a, b) = (&self.bases[term.factors.0].mode, &self.bases[term.factors.1].mode);
            let (ra, rb) = (rough_rate(a, self.tick), rough_rate(b, self.tick));
            let Point { value, rounding } = term.coefficient.rough();
            let own = distance(term);
            let node = match a {
                Mode::Step { .. } => &a.value() * &b.value(),
                Mode::Decay { .. } => Ball::new(1.0, 53),
            };
            let zero = node.smallest() < Radius::new(1e-250);
            let node = node.magnitude().to_f64();
            let behind = |leader: &Option<Ball>| match leader {
                Some(leader) => lag(a, leader, &own, self.tick),
                None => 0.0,
            };
            Rough {
                c: value,
                c_error: rounding,
                size: term.spread.to_f64().max(value.abs()),
                // A node that may be zero, or is nearly, counts as zero after a step.
                floor: if zero { node } else { 0.0 },
                rate: match ra.0 + rb.0 {
                    _ if zero => f64::NEG_INFINITY,
                    // What moves more slowly than f64 can say moves in the end.
                    0.0 if own.sign() == Some(Ordering::Greater) => -f64::from_bits(1),
                    0.0 if own.sign() == Some(Ordering::Less) => f64::from_bits(1),
                    rate => rate,
                },
                rate_error: ra.1
                    + rb.1
                    + 2.0 * term.drift.times(Radius::new(1.0 / self.tick)).to_f64()
                    + f64::EPSILON * (ra.0.abs() + rb.0.abs()),
                behind: [behind(&leaders[0]), behind(&leaders[1])],
            }
        });
        self.rough = rough.collect();
    }

    /// The sum in many digits.
    pub fn ball(&self, t: T) -> Ball {
        let powers = self.powers(t);
        let mut sum = Ball::new(0.0, 53);
        for term in &self.terms {
            if term.coefficient.is_zero() {
                continue;
            }
            let power = &powers[term.factors.0] * &powers[term.factors.1];
            let blur = term.blur(&power, t.as_f64());
            sum = &sum + &(&term.coefficient * &power).widened(blur);
        }
        sum
    }

    /// The powers of all modes at a time.
    fn powers(&self, t: T) -> Vec<Ball> {
        let (steps, time) = clock(t);
        let bits = self.terms.first().map_or(53, |term| term.coefficient.bits());
        self.work.add(POWER * self.bases.len() + TERM * self.terms.len(), bits);
        self.bases.iter().map(|b| b.power(steps, time)).collect()
    }

    /// A time as f64 counts it.
    fn local(&self, t: T) -> f64 {
        t.as_f64() * self.tick
    }
}

/// Operations of a power, and of a term.
const POWER: usize = 70;
const TERM: usize = 6;

/// One, or for flows a power of two by which rates are divided: where some are too small for f64 and none too large.
fn tick(bases: &[Base]) -> f64 {
    const LEAST: i64 = -800;
    const MOST: i64 = 600;
    let exponents = bases.iter().filter_map(|base| match &base.mode {
        Mode::Decay { rate } if !rate.is_zero() => Some(rate.magnitude().exponent()),
        _ => None,
    });
    let (least, most) = exponents.fold((0, i64::MIN), |(least, most), e| (least.min(e), most.max(e)));
    let shift = LEAST - least;
    if shift <= 0 || most + shift > MOST { 1.0 } else { 2.0_f64.powi(-(shift as i32)) }
}

fn clock<T: Clock>(t: T) -> (Option<u64>, f64) {
    (t.steps(), t.as_f64())
}

/// Σ C_k (x_a x_b)^t of signed factors, in many digits.
pub fn value<T: Clock>(modes: &[Mode], terms: Vec<Term>, t: T) -> Ball {
    let (steps, time) = clock(t);
    let powers: Vec<Ball> = modes.iter().map(|mode| Base::new(mode.clone()).power(steps, time)).collect();
    let mut sum = Ball::new(0.0, 53);
    for term in &terms {
        let power = &powers[term.factors.0] * &powers[term.factors.1];
        let blur = term.blur(&power, time);
        sum = &sum + &(&term.coefficient * &power).widened(blur);
    }
    sum
}
