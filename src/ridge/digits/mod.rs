//! Ridge regression in many digits: on which side of a threshold a loss lies, when it crosses, and where it ends.
//!
//! The loss less the threshold is a [`Sum`] of exponentials whose coefficients come from eigenpairs of the
//! smaller Gram matrix in 256 bits, then 512, then 1024 until the question is decided (in double-doubles first, or alone,
//! where the matrix is larger). Ties are decided in
//! integers: the rank of Φ, factors of descent that are exactly −1, losses at small steps, and how many
//! coefficients are not zero. The effort depends on sizes and numbers alone, never on a clock.
//!
//! ```
//! use groktime::crossing::{Crossing, End};
//! use groktime::ridge::digits::{Quantity, crossing};
//! use groktime::ridge::{Population, Problem, Settings, Target};
//! use ndarray::array;
//!
//! // Φ = I and η = 1 halve the first coordinate each step: L_n = 4^{−t}/4, which is 4⁻³ exactly at t = 2.
//! let features = array![[1.0, 0.0], [0.0, 1.0]];
//! let problem = Problem {
//!     features: features.view(),
//!     target: Target::zero_teacher(2),
//!     init: array![1.0, 0.0],
//!     population: Population::isotropic(2, 1.0),
//! };
//! let t1 = crossing::<u64>(&problem, &Settings::default(), Quantity::TrainLoss, 1.0 / 64.0, End::Last)?;
//! assert_eq!(t1, Some(Crossing::At { time: 2, lo: 2, hi: 2 }));
//! # Ok::<(), groktime::Error>(())
//! ```

mod exact;
mod general;
mod numbers;
mod squares;

use std::cmp::Ordering;

use ndarray::ArrayView2;

use crate::crossing::{self, Crossing, End, Point};
use crate::data::Covariance;
use crate::digits::Ball;
use crate::digits::sum::{Mode, Sum, Term, Work};
use crate::error::{Result, check};
use crate::ridge::{Problem, Settings, in_steps};
use crate::trajectory::Clock;

use exact::Exact;
use numbers::{Inputs, Numbers, Precision};

/// What is tried in turn for small problems; for larger ones double-doubles, which pay before more digits from this side
/// of the Gram matrix on.
const BITS: [usize; 3] = [256, 512, 1024];
const FROM: usize = 16;

/// What one question may cost, in about microseconds.
const EFFORT: f64 = 1e6;

/// Entries of Φ up to which many digits are tried; sides and entries up to which double-doubles are; products in a general test
/// loss.
pub(crate) const ENTRIES: usize = 2000;
const SIDE: usize = 200;
const DOUBLE_ENTRIES: usize = 400_000;
const PRODUCTS: usize = 1_000_000;

/// A loss, or ‖θ‖².
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    TrainLoss,
    TestLoss,
    SquaredNorm,
}

/// Whether the sizes of a problem are within what [`crossing()`] and [`value`] try: n·m ≤ 2000 for many digits, min(n, m) ≤ 200
/// and n·m ≤ 400 000 for 31 of them, and 10⁶ products for a test loss by a matrix or a sample.
pub fn affordable(problem: &Problem<'_>, what: Quantity) -> bool {
    let (n, m) = problem.features.dim();
    let k = n.min(m) + 2;
    let sums = what != Quantity::TestLoss || is_isotropic(problem);
    let side = match (&problem.population.sample, &problem.population.covariance) {
        _ if sums => 0,
        (_, Some(Covariance::Dense(_) | Covariance::Isotropic { .. })) => m,
        (Some(sample), _) => sample.features.nrows(),
        _ => 0,
    };
    let vectors = if sums { 0 } else { k * m * side.max(n.min(k)) };
    let fits = n * m <= ENTRIES || n.min(m) <= SIDE && n * m <= DOUBLE_ENTRIES;
    fits && vectors <= PRODUCTS
}

/// The exact rank of a matrix, where an elimination in integers is cheap enough.
pub(crate) fn rank_of(features: ArrayView2<'_, f64>) -> Option<usize> {
    exact::Matrix::new(features).rank()
}

/// The precisions to be tried for a problem.
fn precisions(problem: &Problem<'_>, settings: &Settings) -> Vec<Precision> {
    let (n, m) = problem.features.dim();
    let doubles = n.min(m) >= FROM || n * m > ENTRIES;
    let mut all = if doubles { vec![Precision::Double] } else { Vec::new() };
    let enough = enough(problem, settings);
    match enough > BITS[1] {
        true => all.extend([BITS[0], enough].map(Precision::Bits)),
        false => all.extend(BITS.map(Precision::Bits)),
    }
    all
}

/// Bits in which the weight decay and the eigenvalues are seen beside each other, with squares of their ratio: a limit
/// may differ from a threshold by as little.
fn enough(problem: &Problem<'_>, settings: &Settings) -> usize {
    const MOST: f64 = 4096.0;
    let largest = problem.features.iter().fold(0.0_f64, |a, x| a.max(x.abs()));
    let apart = match settings.weight_decay > 0.0 && largest > 0.0 {
        true => (settings.weight_decay.log2() - 2.0 * largest.log2()).abs(),
        false => 0.0,
    };
    256 + (2.0 * apart).min(MOST) as usize
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
    let mut best: Option<Crossing<T>> = None;
    let mut before = 0;
    // The last are for where what would be enough is too expensive.
    let fewer = [BITS[2], BITS[1]].map(Precision::Bits);
    for precision in precisions(problem, settings).into_iter().chain(fewer) {
        if precision.bits() <= before || !question.affords(precision) {
            continue;
        }
        if before >= BITS[0] {
            question.exact.try_harder();
        }
        before = precision.bits();
        let Some(halves) = question.sums::<T>(precision)? else { continue };
        let found = match halves {
            Halves::Whole(sum) => crossing::search(&sum, 0.0, end),
            Halves::Parted(even, odd) => joined(&even, &odd, end),
        };
        let known = best.map_or(found, |best| best.and(found));
        // Where the same is left open again, as at a tangency, digits are not what is missing.
        let again = best.replace(known) == Some(known) && before >= enough(problem, settings);
        if is_decided(&known) || again {
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
    for precision in precisions(problem, settings) {
        let Some(ball) = question.ball(t, precision)? else { continue };
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
    for precision in precisions(problem, settings) {
        if precision.bits() > BITS[0] {
            question.exact.try_harder();
        }
        let found = match question.sums::<T>(precision)? {
            Some(Halves::Whole(sum)) => [sum.limit_sign(); 2],
            Some(Halves::Parted(even, odd)) => [even.limit_sign(), odd.limit_sign()],
            None => continue,
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

/// Modes and terms of a sum.
type Made = (Vec<Mode>, Vec<Term>);

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
    fn terms<T: Clock>(&self, precision: Precision) -> Result<Option<Made>> {
        let inputs = Inputs {
            exact: &self.exact,
            features: self.problem.features,
            step_size: self.settings.step_size,
            weight_decay: self.settings.weight_decay,
            flow: T::ZERO.steps().is_none(),
        };
        let Some(numbers) = Numbers::new(&inputs, precision)? else { return Ok(None) };
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
        let Some(mut terms) = terms else { return Ok(None) };
        let threshold = Ball::new(-self.threshold, precision.bits());
        let size = threshold.magnitude();
        terms.push(Term::new(threshold, size, (0, 0)));
        Ok(Some((numbers.modes, terms)))
    }

    /// Whether eigenpairs of such a precision are within what is left; if so, they count as spent. The first always are.
    fn affords(&self, precision: Precision) -> bool {
        let (n, m) = self.problem.features.dim();
        let words = precision.bits() as f64 / 64.0;
        let (sweeps, operation) = match precision {
            Precision::Double => (2.0, 0.02),
            Precision::Bits(bits) => ((bits as f64 / 50.0).log2() + 1.0, 0.2 + 2e-3 * words * words),
        };
        let (small, large) = (n.min(m) as f64, n.max(m) as f64);
        let cost = (6.0 * sweeps * small + large) * small * small * operation;
        let spent = self.exact.spent.get();
        let first = spent == 0.0 && (n * m <= ENTRIES || matches!(precision, Precision::Double));
        if !first && spent + cost > EFFORT {
            return false;
        }
        self.exact.spent.set(spent + cost);
        true
    }

    /// What a search may spend: this part of what is left, or of a third where the eigenpairs have taken more.
    fn work(&self, part: f64) -> Work<'_> {
        let spent = &self.exact.spent;
        Work { spent, limit: spent.get() + part * (EFFORT - spent.get()).max(0.3 * EFFORT) }
    }

    fn sums<T: Clock>(&self, precision: Precision) -> Result<Option<Halves<'_, T>>> {
        let Some((modes, terms)) = self.terms::<T>(precision)? else { return Ok(None) };
        if !modes.iter().any(Mode::may_flip) {
            let steps = |t: T| match t.steps() {
                Some(t) => self.exact.at_step(t),
                None => (t == T::ZERO).then(|| self.exact.at_start()),
            };
            let mut sum = Sum::new(modes, terms, Box::new(steps), self.work(0.4));
            let count = |most| match T::ZERO.steps() {
                Some(_) => self.exact.terms_of_steps(0, 1, most),
                None => self.exact.terms_of_flow(most),
            };
            find_zeros(&mut sum, count);
            return Ok(Some(Halves::Whole(sum)));
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
            let mut sum = Sum::new(
                squared.clone(),
                terms.collect(),
                Box::new(exact),
                self.work(0.3 + 0.3 * odd as f64),
            );
            find_zeros(&mut sum, |most| self.exact.terms_of_steps(odd, 2, most));
            sum
        };
        Ok(Some(Halves::Parted(half(0), half(1))))
    }

    /// The quantity at a time.
    fn ball<T: Clock>(&self, t: T, precision: Precision) -> Result<Option<Ball>> {
        let Some((modes, terms)) = self.terms::<T>(precision)? else { return Ok(None) };
        Ok(Some(crate::digits::sum::value(&modes, terms, t)))
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
