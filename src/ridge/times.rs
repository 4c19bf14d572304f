//! Grokking times of a closed form, certified.

use statrs::function::erf::erf_inv;

use super::closed_form::ClosedForm;
use super::curve::crossing_of;
use super::risk::Accuracy;
use crate::crossing::{Crossing, End};
use crate::digits::ridge::{Quantity, affordable, crossing};
use crate::error::{Error, Result, check};
use crate::grokking::Times;
use crate::linalg::EPS;
use crate::trajectory::Clock;

impl<T: Clock> ClosedForm<'_, '_, T> {
    /// t1: the last time at which the training loss is at or above ε (step, or flow time as a supremum).
    ///
    /// # Errors
    /// ε not positive.
    pub fn last_unfit(&self, threshold: f64) -> Result<Crossing<T>> {
        check("training threshold", threshold, |x| x > 0.0, "a positive number")?;
        let found = crossing_of(&self.train, threshold, End::Last);
        self.refined(found, Quantity::TrainLoss, threshold, End::Last)
    }

    /// t2: the first time at which the test loss is at or below c.
    ///
    /// # Errors
    /// c not positive; the test loss undefined.
    pub fn first_general(&self, threshold: f64) -> Result<Crossing<T>> {
        check("test threshold", threshold, |x| x > 0.0, "a positive number")?;
        self.need_test_loss()?;
        let found = crossing_of(&self.test, threshold, End::First);
        self.refined(found, Quantity::TestLoss, threshold, End::First)
    }

    /// The first time at which the accuracy is at least `threshold`.
    ///
    /// # Errors
    /// A threshold outside (0, 1); the accuracy undefined.
    pub fn first_accurate(&self, threshold: f64) -> Result<Crossing<T>> {
        check("accuracy threshold", threshold, |x| x > 0.0 && x < 1.0, "a number between 0 and 1")?;
        match (&self.spectrum.accuracy, &self.miss_rate) {
            (Accuracy::Gaussian, _) => {
                // The loss at which the accuracy is the threshold is known to a few units in the last place only.
                let root = erf_inv(threshold);
                let error = 8.0 * EPS * (1.0 + (root * root).exp() / root);
                let loss = |root: f64| self.settings.accuracy_tolerance / (2.0 * root * root);
                let early = self.first_general(loss(root * (1.0 - error)))?;
                let late = self.first_general(loss(root * (1.0 + error)))?;
                Ok(between(early, late))
            }
            (_, Some(miss_rate)) => {
                // Fractions are multiples of 1/N: the last bits of 1 − threshold must not decide.
                let allowed = 1.0 - threshold + 4.0 * EPS;
                Ok(crossing_of(miss_rate, allowed, End::First))
            }
            _ => Err(Error::Missing {
                wanted: "the accuracy",
                needs: "Gaussian features with a linear teacher, or a test sample",
            }),
        }
    }

    /// t1 and t2.
    ///
    /// # Errors
    /// Thresholds that are not positive; the test loss undefined.
    pub fn times(&self, train_threshold: f64, test_threshold: f64) -> Result<Times<T>> {
        Ok(Times { train: self.last_unfit(train_threshold)?, test: self.first_general(test_threshold)? })
    }

    /// The same crossing in many digits where those of f64 leave it open and the problem is small enough.
    fn refined(&self, found: Crossing<T>, what: Quantity, threshold: f64, end: End) -> Result<Crossing<T>> {
        let spectrum = self.spectrum;
        if self.is_decided(&found) || !affordable(&spectrum.problem, what) {
            return Ok(found);
        }
        let exact = crossing::<T>(&spectrum.problem, &self.settings, what, threshold, end)?;
        Ok(exact.map_or(found, |exact| found.and(exact)))
    }

    /// Whether more digits cannot say more.
    fn is_decided(&self, found: &Crossing<T>) -> bool {
        match *found {
            Crossing::FromStart => true,
            // Without decay what was counted as zero decides what happens in the end.
            Crossing::Never => {
                self.settings.weight_decay > 0.0 || !self.spectrum.decomposition.is_deficient()
            }
            Crossing::At { lo, hi, .. } if T::STEPS => lo == hi,
            Crossing::At { lo, hi, .. } => hi.as_f64() - lo.as_f64() <= FLOW_WIDTH * hi.as_f64(),
            Crossing::Undecided { .. } => found.is_beyond_clock(),
        }
    }
}

/// Relative width above which the interval of a flow time is looked at again.
const FLOW_WIDTH: f64 = 1e-12;

/// The first time below a level that lies between two others: `early` is that of the higher level.
fn between<T: Clock>(early: Crossing<T>, late: Crossing<T>) -> Crossing<T> {
    if early == late || early == Crossing::Never {
        return early;
    }
    let lo = early.ends().and_then(|(lo, _)| lo).unwrap_or(T::ZERO);
    match late.ends().and_then(|(_, hi)| hi) {
        Some(hi) => Crossing::At { time: early.time().unwrap_or(hi), lo, hi },
        None => Crossing::Undecided { lo: Some(lo), hi: None },
    }
}
