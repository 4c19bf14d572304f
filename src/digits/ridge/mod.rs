//! Ridge regression in many digits: on which side of a threshold a loss lies, when it crosses, and where it ends.
//!
//! The loss less the threshold is a [`Sum`] of exponentials whose coefficients come from eigenpairs of the
//! smaller Gram matrix in 256 bits, then 512, then 1024 until the question is decided. Ties are decided in
//! integers: the rank of Φ, factors of descent that are exactly −1, losses at small steps, and how many
//! coefficients are not zero. The effort depends on sizes and numbers alone, never on a clock.

mod exact;
mod general;
mod numbers;
mod squares;

use std::cmp::Ordering;

use crate::crossing::{self, Crossing, End, Point};
use crate::data::Covariance;
use crate::error::{Result, check};
use crate::ridge::{Problem, Settings, in_steps};
use crate::trajectory::Clock;

use super::Ball;
use super::sum::{Mode, Sum, Term};
use exact::Exact;
use numbers::{Inputs, Missing, Numbers};

/// Bits that are tried in turn.
const PRECISIONS: [usize; 3] = [256, 512, 1024];

/// Entries of Φ up to which many digits are tried, and the same for products in a general test loss.
const ENTRIES: usize = 2000;
const PRODUCTS: usize = 1_000_000;

/// A loss, or ‖θ‖².
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    TrainLoss,
    TestLoss,
    SquaredNorm,
}

/// Whether the sizes of a problem are within what [`crossing()`] and [`value`] try: n·m ≤ 2000, and 10⁶ products for a
/// test loss by a matrix or a sample.
pub fn affordable(problem: &Problem<'_>, what: Quantity) -> bool {
    let (n, m) = problem.features.dim();
    let k = n.min(m) + 2;
    let side = match (&problem.population.sample, &problem.population.covariance) {
        _ if what != Quantity::TestLoss || is_isotropic(problem) => 0,
        (_, Some(Covariance::Dense(_) | Covariance::Isotropic { .. })) => m,
        (Some(sample), _) => sample.features.nrows(),
        _ => 0,
    };
    n * m <= ENTRIES && k * m * side <= PRODUCTS
}

fn is_isotropic(problem: &Problem<'_>) -> bool {
    let population = &problem.population;
    matches!(population.covariance, Some(Covariance::Isotropic { .. }))
        && population.moments.is_none()
        && problem.target.weights().is_some()
}

/// The crossing of a quantity with a threshold, steps for `u64` and flow time for `f64`. `None` where the problem is
/// too large ([`affordable`]) or the quantity is no function of exactly known numbers (Σ of random ReLU or Fourier
/// features is a rounded formula); an answer may still be undecided, with what is certain.
///
/// # Errors
/// A problem that is not valid, settings out of range, a decomposition in f64 that fails.
pub fn crossing<T: Clock>(
    problem: &Problem<'_>,
    settings: &Settings,
    what: Quantity,
    threshold: f64,
    end: End,
) -> Result<Option<Crossing<T>>> {
    let Some(question) = Question::new(problem, settings, what, threshold)? else { return Ok(None) };
    let mut best = None;
    for bits in PRECISIONS {
        let halves = match question.sums::<T>(bits)? {
            Ok(halves) => halves,
            Err(Missing::Digits) => continue,
            Err(Missing::Effort) => break,
        };
        let found = match halves {
            Halves::Whole(sum) => crossing::search(&sum, 0.0, end),
            Halves::Parted(even, odd) => joined(&even, &odd, end),
        };
        best = Some(found);
        if is_decided(&found) {
            break;
        }
    }
    Ok(best)
}

/// The value of a quantity at a time, with a bound on its error (rounding to f64 included); `None` as for [`crossing()`].
///
/// # Errors
/// As [`crossing()`].
pub fn value<T: Clock>(
    problem: &Problem<'_>,
    settings: &Settings,
    what: Quantity,
    t: T,
) -> Result<Option<Point>> {
    let Some(question) = Question::new(problem, settings, what, 0.0)? else { return Ok(None) };
    let mut best: Option<Point> = None;
    for bits in PRECISIONS {
        let ball = match question.ball(t, bits)? {
            Ok(ball) => ball,
            Err(Missing::Digits) => continue,
            Err(Missing::Effort) => break,
        };
        let point = ball.rough();
        best = Some(point);
        if point.rounding <= 2.0 * f64::EPSILON * point.value.abs() {
            break;
        }
    }
    Ok(best)
}

/// The order of the limit of a quantity and a threshold, along even steps and along odd ones (they differ where a
/// factor of descent is exactly −1; for flow both are the same). `None` inside where it was not decided. A
/// quantity that grows without bound counts as larger.
///
/// # Errors
/// As [`crossing()`].
pub fn limit_against<T: Clock>(
    problem: &Problem<'_>,
    settings: &Settings,
    what: Quantity,
    threshold: f64,
) -> Result<Option<[Option<Ordering>; 2]>> {
    let Some(question) = Question::new(problem, settings, what, threshold)? else { return Ok(None) };
    let mut best = None;
    for bits in PRECISIONS {
        let found = match question.sums::<T>(bits)? {
            Ok(Halves::Whole(sum)) => [sum.limit_sign(); 2],
            Ok(Halves::Parted(even, odd)) => [even.limit_sign(), odd.limit_sign()],
            Err(Missing::Digits) => continue,
            Err(Missing::Effort) => break,
        };
        best = Some(found);
        if found.iter().all(Option::is_some) {
            break;
        }
    }
    Ok(best)
}

/// One sum, or those of even and odd steps on a clock of pairs of steps.
enum Halves<'e, T> {
    Whole(Sum<'e, T>),
    Parted(Sum<'e, u64>, Sum<'e, u64>),
}

struct Question<'p, 'a> {
    problem: &'p Problem<'a>,
    settings: &'p Settings,
    what: Quantity,
    threshold: f64,
    exact: Exact,
}

impl<'p, 'a> Question<'p, 'a> {
    fn new(
        problem: &'p Problem<'a>,
        settings: &'p Settings,
        what: Quantity,
        threshold: f64,
    ) -> Result<Option<Self>> {
        problem.validate()?;
        check("threshold", threshold, |_| true, "a finite number")?;
        check("step size", settings.step_size, |x| x > 0.0, "a positive number")?;
        check("weight decay", settings.weight_decay, |x| x >= 0.0, "a number of at least 0")?;
        check("scale of the initial parameters", settings.init_scale, |_| true, "a finite number")?;
        if !affordable(problem, what) {
            return Ok(None);
        }
        let exact = Exact::new(problem, settings, what, threshold);
        Ok(exact.map(|exact| Question { problem, settings, what, threshold, exact }))
    }

    /// Modes and terms of the quantity less the threshold.
    #[allow(clippy::type_complexity)]
    fn terms<T: Clock>(&self, bits: usize) -> Result<std::result::Result<(Vec<Mode>, Vec<Term>), Missing>> {
        let inputs = Inputs {
            exact: &self.exact,
            step_size: self.settings.step_size,
            weight_decay: self.settings.weight_decay,
            flow: T::ZERO.steps().is_none(),
        };
        let numbers = match Numbers::new(&inputs, bits)? {
            Ok(numbers) => numbers,
            Err(missing) => return Ok(Err(missing)),
        };
        let Problem { features, target, population, .. } = self.problem;
        let terms = match (&population.covariance, self.what) {
            (Some(Covariance::Isotropic { variance, .. }), Quantity::TestLoss)
                if is_isotropic(self.problem) =>
            {
                Some(squares::terms(&numbers, self.what, *variance))
            }
            (_, Quantity::TestLoss) => general::terms(&numbers, *features, target, population, &self.exact),
            _ => Some(squares::terms(&numbers, self.what, 1.0)),
        };
        let Some(mut terms) = terms else { return Ok(Err(Missing::Effort)) };
        let threshold = Ball::new(-self.threshold, bits);
        let size = threshold.magnitude();
        terms.push(Term::new(threshold, size, (0, 0)));
        Ok(Ok((numbers.modes, terms)))
    }

    fn sums<T: Clock>(&self, bits: usize) -> Result<std::result::Result<Halves<'_, T>, Missing>> {
        let (modes, terms) = match self.terms::<T>(bits)? {
            Ok(found) => found,
            Err(missing) => return Ok(Err(missing)),
        };
        if !modes.iter().any(Mode::may_flip) {
            let steps = |t: T| match t.steps() {
                Some(t) => self.exact.at_step(t),
                None => (t == T::ZERO).then(|| self.exact.at_start()),
            };
            let mut sum = Sum::new(modes, terms, Box::new(steps));
            let count = |most| match T::ZERO.steps() {
                Some(_) => self.exact.terms_of_steps(0, 1, most),
                None => self.exact.terms_of_flow(most),
            };
            find_zeros(&mut sum, count);
            return Ok(Ok(Halves::Whole(sum)));
        }
        let squared: Vec<Mode> = modes.iter().map(Mode::squared).collect();
        let half = |odd: u64| {
            let terms = terms.iter().cloned().map(|term| match odd {
                0 => term,
                _ => {
                    let (i, j) = term.factors;
                    term.scaled(&(&modes[i].value() * &modes[j].value()))
                }
            });
            let exact = move |pairs: u64| self.exact.at_step(pairs.checked_mul(2)?.checked_add(odd)?);
            let mut sum = Sum::new(squared.clone(), terms.collect(), Box::new(exact));
            find_zeros(&mut sum, |most| self.exact.terms_of_steps(odd, 2, most));
            sum
        };
        Ok(Ok(Halves::Parted(half(0), half(1))))
    }

    /// The quantity at a time.
    fn ball<T: Clock>(&self, t: T, bits: usize) -> Result<std::result::Result<Ball, Missing>> {
        let (modes, terms) = match self.terms::<T>(bits)? {
            Ok(found) => found,
            Err(missing) => return Ok(Err(missing)),
        };
        Ok(Ok(super::sum::value(&modes, terms, t)))
    }
}

/// Counts the terms that are not zero where the balls leave some open.
fn find_zeros<T: Clock>(sum: &mut Sum<'_, T>, count: impl Fn(usize) -> Option<usize>) {
    if sum.certain_terms().1 {
        return;
    }
    if let Some(count) = count(sum.nodes()) {
        sum.has_terms(count);
    }
}

/// The crossings at even and at odd steps, joined.
fn joined<T: Clock>(even: &Sum<'_, u64>, odd: &Sum<'_, u64>, end: End) -> Crossing<T> {
    let half = |sum, odd| in_steps(crossing::search(sum, 0.0, end), odd);
    crossing::join(half(even, false), half(odd, true), end).map(T::from_steps)
}

/// Whether more digits could not say more.
fn is_decided<T: Clock>(found: &Crossing<T>) -> bool {
    match found {
        Crossing::FromStart | Crossing::Never => true,
        Crossing::At { lo, hi, .. } => {
            lo == hi || T::ZERO.steps().is_none() && hi.as_f64() - lo.as_f64() <= 1e-14 * hi.as_f64()
        }
        Crossing::Undecided { .. } => found.is_beyond_clock(),
    }
}
