//! Grokking times: when a model fits its training data, when it generalises, and the delay between.

mod stages;

pub use stages::{DoubleDescent, StageRule, TwoStages};

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

impl Phase {
    /// The name used in JSON and tables.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Comprehension => "comprehension",
            Phase::Grokking => "grokking",
            Phase::Memorization => "memorization",
            Phase::Confusion => "confusion",
        }
    }
}

/// When a trained run fits, when it generalises, and which delay makes grokking.
///
/// | name | default | meaning |
/// |---|---|---|
/// | `train_accuracy` | 0.9 | the run fits at the first step with so much training accuracy |
/// | `test_accuracy` | 0.9 | it generalises at the first with so much test accuracy |
/// | `delay` | 1000 | steps between the two from which on it groks |
///
/// Defaults: Liu et al. 2022 (arXiv 2205.10343), Table 1, whose budget is 10⁵ steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PhaseRule {
    pub train_accuracy: f64,
    pub test_accuracy: f64,
    pub delay: u64,
}

impl Default for PhaseRule {
    fn default() -> Self {
        PhaseRule { train_accuracy: 0.9, test_accuracy: 0.9, delay: 1000 }
    }
}

impl PhaseRule {
    /// The phase of a run whose accuracies first met their thresholds at the given steps. A run that is right
    /// on new data before it fits its training data, a case that the table leaves out, is confused.
    ///
    /// ```
    /// use groktime::grokking::{Phase, PhaseRule};
    /// let rule = PhaseRule::default();
    /// assert_eq!(rule.phase(Some(100), Some(1_099), 100_000), Phase::Comprehension);
    /// assert_eq!(rule.phase(Some(100), Some(1_100), 100_000), Phase::Grokking);
    /// assert_eq!(rule.phase(Some(100), Some(1_100), 1_000), Phase::Memorization);
    /// assert_eq!(rule.phase(None, Some(1_100), 100_000), Phase::Confusion);
    /// ```
    pub fn phase(&self, train: Option<u64>, test: Option<u64>, budget: u64) -> Phase {
        let within = |step: Option<u64>| step.filter(|&s| s <= budget);
        match (within(train), within(test)) {
            (Some(train), Some(test)) if test.saturating_sub(train) >= self.delay => Phase::Grokking,
            (Some(_), Some(_)) => Phase::Comprehension,
            (Some(_), None) => Phase::Memorization,
            (None, _) => Phase::Confusion,
        }
    }

    pub(crate) fn validate(&self) -> crate::Result<()> {
        let part = |x: f64| (0.0..=1.0).contains(&x);
        crate::error::check("training accuracy threshold", self.train_accuracy, part, "between 0 and 1")?;
        crate::error::check("test accuracy threshold", self.test_accuracy, part, "between 0 and 1")?;
        Ok(())
    }
}

/// How an observable passes from one level to another: the times at which it has made 10, 50 and 90 per
/// cent of the way for the first time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transition {
    pub start: f64,
    pub midpoint: f64,
    pub end: f64,
}

impl Transition {
    /// From 10 to 90 per cent.
    pub fn width(&self) -> f64 {
        self.end - self.start
    }

    /// Finds the transition of `value` from `plateau` to `last` over an ascending grid of times: the first
    /// pair of neighbours between which each level is passed, then bisection to a relative 10⁻⁹. What
    /// happens between neighbours of the grid is not seen, and `None` says that a level was not passed.
    ///
    /// ```
    /// use groktime::grokking::Transition;
    /// let times: Vec<f64> = (0..=100).map(f64::from).collect();
    /// let ramp = |t: f64| Ok((t / 50.0 - 0.5).clamp(0.0, 1.0));
    /// let found = Transition::find(&times, 0.0, 1.0, ramp)?.unwrap();
    /// assert!((found.midpoint - 50.0).abs() < 1e-6 && (found.width() - 40.0).abs() < 1e-6);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of `value`.
    pub fn find(
        times: &[f64],
        plateau: f64,
        last: f64,
        value: impl Fn(f64) -> crate::Result<f64>,
    ) -> crate::Result<Option<Transition>> {
        let part = |t: f64| Ok::<f64, crate::Error>((value(t)? - plateau) / (last - plateau));
        let parts = times.iter().map(|&t| part(t)).collect::<crate::Result<Vec<f64>>>()?;
        let passes = |level: f64| -> crate::Result<Option<f64>> {
            let Some(i) = (1..parts.len()).find(|&i| parts[i - 1] < level && parts[i] >= level) else {
                return Ok(None);
            };
            let (mut lo, mut hi) = (times[i - 1], times[i]);
            while hi - lo > 1e-9 * hi.abs() {
                let middle = 0.5 * (lo + hi);
                if part(middle)? < level { lo = middle } else { hi = middle }
            }
            Ok(Some(hi))
        };
        Ok(match (passes(0.1)?, passes(0.5)?, passes(0.9)?) {
            (Some(start), Some(midpoint), Some(end)) => Some(Transition { start, midpoint, end }),
            _ => None,
        })
    }
}
