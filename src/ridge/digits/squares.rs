//! Training losses, isotropic test losses and ‖θ‖²: sums of squares, from inner products of projections alone
//! (`theory/ridge.md`, equation 28).

use super::Quantity;
use super::numbers::{Cluster, Numbers};
use crate::digits::sum::Term;
use crate::digits::symmetric::{Overlap, Seen};
use crate::digits::{Ball, Radius};

/// A sum of products of functions of an eigenvalue with overlaps.
struct Part {
    value: Ball,
    spread: Radius,
}

impl Part {
    fn zero(bits: usize) -> Part {
        Part { value: Ball::new(0.0, bits), spread: Radius::ZERO }
    }

    /// Adds f·overlap; where the overlap is of several eigenvalues, f varies among them within its ball.
    fn add(mut self, f: &Ball, overlap: &Overlap) -> Part {
        let product = (f * &overlap.value).widened(f.radius().times(overlap.absolute));
        self.value = &self.value + &product;
        self.spread = self.spread.plus(f.magnitude().times(overlap.absolute));
        self
    }

    fn times(self, f: &Ball) -> Part {
        Part { value: &self.value * f, spread: self.spread.times(f.magnitude()) }
    }

    fn term(self, single: bool, factors: (usize, usize)) -> Term {
        let spread = if single { self.value.magnitude() } else { self.spread };
        Term::new(self.value, spread, factors)
    }
}

/// What is gathered: terms, and the limit.
struct Gathered {
    terms: Vec<Term>,
    limit: Ball,
}

/// The terms of a quantity (without its threshold); the constant belongs to the factors (0, 0).
pub(super) fn terms(numbers: &Numbers, what: Quantity, variance: f64) -> Vec<Term> {
    let bits = numbers.bits;
    let mut gathered = Gathered { terms: Vec::new(), limit: Ball::new(0.0, bits) };
    let scale = match what {
        Quantity::TrainLoss => {
            train(numbers, &mut gathered);
            Ball::new(0.5, bits).over(&numbers.samples)
        }
        Quantity::SquaredNorm => {
            distance(numbers, None, &mut gathered);
            Ball::new(1.0, bits)
        }
        Quantity::TestLoss => {
            distance(numbers, numbers.star.as_ref(), &mut gathered);
            Ball::new(variance, bits)
        }
    };
    let Gathered { mut terms, limit } = gathered;
    let spread = limit.magnitude();
    terms.push(Term::new(limit, spread, (0, 0)));
    terms.into_iter().map(|t| t.scaled(&scale)).collect()
}

fn train(numbers: &Numbers, gathered: &mut Gathered) {
    let bits = numbers.bits;
    let zero = || Part::zero(bits);
    let two = Ball::new(2.0, bits);
    for (index, cluster) in numbers.clusters() {
        let Cluster { s, inverse, rest, single, .. } = cluster;
        let over = |p: &Seen, q: &Seen| numbers.overlap(cluster, p, q);
        let (yy, yp) = (over(&numbers.labels, &numbers.labels), over(&numbers.labels, &numbers.init));
        let pp = over(&numbers.init, &numbers.init);
        if numbers.wide {
            // Residual −rest·y + d x^t with d = Φθ₀ − f y, in the cluster's part of the space of samples.
            if s.is_zero() {
                gathered.limit = &gathered.limit + &yy.value;
                continue;
            }
            let f = s * inverse;
            let square = zero().add(&Ball::new(1.0, bits), &pp).add(&-&(&two * &f), &yp).add(&(&f * &f), &yy);
            let cross = zero().add(&Ball::new(-2.0, bits), &yp).add(&(&two * &f), &yy).times(rest);
            let limit = zero().add(&(rest * rest), &yy);
            gathered.terms.push(square.term(*single, (index, index)));
            gathered.terms.push(cross.term(*single, (index, 0)));
            gathered.limit = &gathered.limit + &limit.value;
        } else {
            // ‖Φa‖² = s|a|², and Φᵀ(Φθ* − y) = −nλθ* at the minimiser; `labels` are Φᵀy here.
            let h = inverse;
            let square = zero().add(s, &pp).add(&-&(&(&two * s) * h), &yp).add(&(s * &(h * h)), &yy);
            let cross = zero().add(&-&(&two * h), &yp).add(&(&two * &(h * h)), &yy).times(&numbers.pull);
            let taken = zero().add(&(&(&two * h) - &(s * &(h * h))), &yy);
            gathered.terms.push(square.term(*single, (index, index)));
            gathered.terms.push(cross.term(*single, (index, 0)));
            gathered.limit = &gathered.limit - &taken.value;
        }
    }
    if !numbers.wide {
        gathered.limit = &gathered.limit + &numbers.labels_square;
    }
}

/// ‖θ − θ*‖², or ‖θ‖² without a teacher.
fn distance(numbers: &Numbers, star: Option<&Seen>, gathered: &mut Gathered) {
    let bits = numbers.bits;
    let zero = || Part::zero(bits);
    let (one, two) = (Ball::new(1.0, bits), Ball::new(2.0, bits));
    let minus_two = Ball::new(-2.0, bits);
    let (mut outside, mut along) = (numbers.init_square.clone(), numbers.init_star(star));
    for (index, cluster) in numbers.clusters() {
        let Cluster { s, inverse: h, single, .. } = cluster;
        if numbers.wide && s.is_zero() {
            continue;
        }
        let over = |p: &Seen, q: &Seen| numbers.overlap(cluster, p, q);
        let (yy, yp) = (over(&numbers.labels, &numbers.labels), over(&numbers.labels, &numbers.init));
        let pp = over(&numbers.init, &numbers.init);
        // Seen from the space of samples, θ = Φᵀq has the square s|q|².
        let (own, inner, square) = match numbers.wide {
            true => (one.over(s), h.clone(), s * &(h * h)),
            false => (one.clone(), h.clone(), h * h),
        };
        let amplitude = zero().add(&own, &pp).add(&(&minus_two * &inner), &yp).add(&square, &yy);
        let mut cross = zero().add(&inner, &yp).add(&-&square, &yy);
        let mut limit = zero().add(&square, &yy);
        if let Some(star) = star {
            let (sp, sy) = (over(star, &numbers.init), over(star, &numbers.labels));
            cross = cross.add(&-&own, &sp).add(&inner, &sy);
            limit = limit.add(&(&minus_two * &inner), &sy);
            if !numbers.wide {
                limit = limit.add(&one, &over(star, star));
            }
            if numbers.wide {
                along = &along - &zero().add(&own, &sp).value;
            }
        }
        if numbers.wide {
            outside = &outside - &zero().add(&own, &pp).value;
        }
        gathered.terms.push(amplitude.term(*single, (index, index)));
        gathered.terms.push(cross.times(&two).term(*single, (index, 0)));
        gathered.limit = &gathered.limit + &limit.value;
    }
    if numbers.wide {
        if let Some(index) = numbers.complement {
            let spread = outside.magnitude();
            gathered.terms.push(Term::new(outside, spread, (index, index)));
            let cross = &along * &minus_two;
            let spread = cross.magnitude();
            gathered.terms.push(Term::new(cross, spread, (index, 0)));
        }
        if star.is_some() {
            gathered.limit = &gathered.limit + &numbers.star_square;
        }
    }
}
