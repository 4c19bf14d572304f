//! Grokking times: when a model fits its training data, when it generalises, and the delay between.

use crate::crossing::Crossing;
use crate::trajectory::Clock;

/// t1 and t2 of a run.
///
/// t1 is the *last* time at which the training loss is at or above its threshold, t2 the *first* at which
/// the test loss is at or below its own: losses need not be monotone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Times<T> {
    pub train: Crossing<T>,
    pub test: Crossing<T>,
}

impl<T: Clock> Times<T> {
    /// The grokking time t2 − max(t1, 0); `None` if either never comes.
    ///
    /// ```
    /// use groktime::crossing::Crossing;
    /// use groktime::grokking::Times;
    /// let at = |time| Crossing::At { time, lo: time, hi: time };
    /// assert_eq!(Times { train: at(100_u64), test: at(5_000) }.delay(), Some(4_900.0));
    /// assert_eq!(Times { train: Crossing::FromStart, test: at(5_000_u64) }.delay(), Some(5_000.0));
    /// assert_eq!(Times { train: at(100_u64), test: Crossing::Never }.delay(), None);
    /// ```
    pub fn delay(&self) -> Option<f64> {
        Some(self.test.time()?.as_f64() - self.train.time()?.as_f64())
    }

    /// The phase of the run within a budget of time.
    ///
    /// ```
    /// use groktime::crossing::Crossing;
    /// use groktime::grokking::{Phase, Times};
    /// let at = |time| Crossing::At { time, lo: time, hi: time };
    /// let run = Times { train: at(100_u64), test: at(5_000) };
    /// assert_eq!(run.phase(10_000, 1_000), Phase::Grokking);
    /// assert_eq!(run.phase(10_000, 4_900), Phase::Comprehension);
    /// assert_eq!(run.phase(1_000, 500), Phase::Memorization);
    /// assert_eq!(run.phase(50, 10), Phase::Confusion);
    /// ```
    pub fn phase(&self, budget: T, grokking_delay: T) -> Phase {
        let within = |crossing: Crossing<T>| crossing.time().filter(|t| *t <= budget);
        match (within(self.train), within(self.test)) {
            (Some(train), Some(test)) if test.as_f64() - train.as_f64() > grokking_delay.as_f64() => {
                Phase::Grokking
            }
            (Some(_), Some(_)) => Phase::Comprehension,
            (Some(_), None) => Phase::Memorization,
            // A model that generalises fits; one that only meets a looser test threshold is still unfit.
            (None, _) => Phase::Confusion,
        }
    }
}

/// The four learning phases of Liu et al. 2022 (arXiv 2205.10343, Table 1): by a budget of time, does the
/// run fit its training data, does it generalise, and is the delay between the two longer than a limit?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Fits and generalises, soon after each other.
    Comprehension,
    /// Fits and generalises, with a delay above the limit.
    Grokking,
    /// Fits, does not generalise.
    Memorization,
    /// Does not fit.
    Confusion,
}
