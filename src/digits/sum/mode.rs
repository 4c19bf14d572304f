//! The factors and rates that a sum is made of, and their powers.

use std::cell::OnceCell;
use std::cmp::Ordering;

use crate::digits::{Ball, Radius, Real, real};

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
    pub(super) fn is_one(&self) -> bool {
        match self {
            Mode::Step { gap: distance } | Mode::Decay { rate: distance } => distance.is_zero(),
        }
    }

    pub(super) fn factor(gap: &Ball) -> Ball {
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
    pub(super) fn distance_of(&self, other: &Mode) -> Ball {
        match (self, other) {
            (Mode::Step { gap: a }, Mode::Step { gap: b }) => &(a + b) - &(a * b),
            (Mode::Decay { rate: a }, Mode::Decay { rate: b }) => a + b,
            _ => unreachable!("one clock a sum"),
        }
    }
}

/// A mode with what its powers need.
pub(super) struct Base {
    pub mode: Mode,
    squares: OnceCell<Vec<Ball>>,
    rate: OnceCell<Ball>,
}

impl Base {
    pub fn new(mode: Mode) -> Base {
        Base { mode, squares: OnceCell::new(), rate: OnceCell::new() }
    }

    /// ln x, −g; infinite radius for x ≤ 0.
    pub(super) fn rate(&self) -> &Ball {
        self.rate.get_or_init(|| match &self.mode {
            Mode::Step { gap } => gap.ln_one_minus(),
            Mode::Decay { rate } => -rate,
        })
    }

    /// The power at a time, of x ≥ 0.
    pub(super) fn power(&self, steps: Option<u64>, time: f64) -> Ball {
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
