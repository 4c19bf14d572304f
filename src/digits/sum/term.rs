//! The terms of a sum: ordered, joined where they cannot be told apart, scaled.

use super::mode::{Base, Mode};
use crate::digits::{Ball, Radius, Real};

/// C·(x_a x_b)^t, where C may stand for several coefficients whose sizes add up to `spread`.
#[derive(Clone, Debug)]
pub struct Term {
    pub coefficient: Ball,
    pub spread: Radius,
    /// Indices of modes.
    pub factors: (usize, usize),
    /// Bounds on how far the nodes of what was joined differ, relatively, and on all of them.
    pub(super) drift: Radius,
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
    pub(super) fn blur(&self, power: &Ball, t: f64) -> Radius {
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

pub(super) fn distance(bases: &[Base], term: &Term) -> Ball {
    bases[term.factors.0].mode.distance_of(&bases[term.factors.1].mode)
}

/// Terms in the order of their nodes, slowest first, those that cannot be told apart joined.
pub(super) fn merged(modes: &[Mode], terms: Vec<Term>) -> Vec<Term> {
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
pub(super) fn scaled(mut terms: Vec<Term>) -> Vec<Term> {
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
