//! Sums and quadratic forms of decaying exponentials: what every loss of ridge regression is.
//!
//! A [`Mode`] is a function of time d(t) = A·σ(t)·e^{rt} + o with r ≤ 0 and a sign σ(t) = ±1 that may
//! flip each step (gradient descent with ηg > 1). A training loss, an isotropic test loss and ‖θ‖² are
//! sums of their squares; a general test loss is a quadratic form in them. Both are evaluated with a
//! rounding bound and enclosed over intervals mode by mode.
//!
//! # Rounding
//! The bound has two parts. Forward errors (coefficients, exponent, exponential) are carried by each
//! mode. The decomposition is backward stable: its rates and vectors are those of a matrix E away from
//! ΦΦᵀ, and for a function f of that matrix ‖f(G + E) − f(G)‖ ≤ max|f′|·‖E‖, whatever clusters the
//! eigenvalues form; with f = (1 − η(s/n + λ))^t this is t·max_i(δr_i e^{r_i t}) times the amplitudes'
//! norm. It is an a-priori model in the manner of Higham and Mary (2019): constants √n, checked against
//! 800-bit arithmetic by `tests/ridge/oracle.rs`.
//!
//! Exponentials are `libm`'s: the same bits on every machine.

mod miss_rate;
mod mode;
mod quadratic_form;
mod sum_of_squares;
mod test_loss;
mod turning;

use crate::crossing::{self, Crossing, Curve, End};
use crate::trajectory::Clock;

pub(crate) use miss_rate::MissRate;
pub(crate) use mode::{Mode, Tangent};
pub(crate) use quadratic_form::{Blur, Form, QuadraticForm};
pub(crate) use sum_of_squares::SumOfSquares;
pub(crate) use test_loss::TestLoss;
pub(crate) use turning::{Turning, Unseen};

/// A curve whose signs may depend on the parity of the step (some ρ < 0). At even steps alone, and at
/// odd steps alone, it is a sum of positive exponentials again.
pub(crate) trait Alternating: Curve {
    type Half: Curve<Time = u64>;
    fn alternates(&self) -> bool;
    /// The curve at even or at odd steps, on a clock of pairs of steps.
    fn half(&self, odd: bool) -> Self::Half;
}

/// A certified crossing; where the curve alternates, one search a parity, joined.
pub(crate) fn crossing_of<C: Alternating>(curve: &C, threshold: f64, end: End) -> Crossing<C::Time> {
    if !curve.alternates() {
        return crossing::search(curve, threshold, end);
    }
    let half = |odd| in_steps(crossing::search(&curve.half(odd), threshold, end), odd);
    crossing::join(half(false), half(true), end).map(C::Time::from_steps)
}

/// A crossing on the clock of pairs of steps, in steps; what is past the clock's last step is open.
pub(crate) fn in_steps(found: Crossing<u64>, odd: bool) -> Crossing<u64> {
    let step = |pairs: u64| pairs.checked_mul(2).and_then(|even| even.checked_add(u64::from(odd)));
    let at_least = |pairs| step(pairs).unwrap_or(u64::MAX);
    match found {
        Crossing::At { time, lo, hi } => match step(hi) {
            Some(hi) => Crossing::At { time: at_least(time), lo: at_least(lo), hi },
            None => Crossing::Undecided { lo: Some(at_least(lo)), hi: None },
        },
        Crossing::Undecided { lo, hi } => Crossing::Undecided { lo: lo.map(at_least), hi: hi.and_then(step) },
        found => found,
    }
}

/// Whether all that happens after `from` is below rounding.
fn settled<C: Curve>(curve: &C, from: C::Time) -> bool {
    let bounds = curve.enclose(from, None);
    bounds.hi - bounds.lo <= 4.0 * curve.value(from).rounding
}
