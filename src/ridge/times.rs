//! Grokking times of a closed form, certified.

use statrs::function::erf::erf_inv;

use super::closed_form::ClosedForm;
use super::curve::crossing_of;
use super::risk::Accuracy;
use crate::crossing::{Crossing, End};
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
        Ok(crossing_of(&self.train, threshold, End::Last))
    }

    /// t2: the first time at which the test loss is at or below c.
    ///
    /// # Errors
    /// c not positive; the test loss undefined.
    pub fn first_general(&self, threshold: f64) -> Result<Crossing<T>> {
        check("test threshold", threshold, |x| x > 0.0, "a positive number")?;
        self.need_test_loss()?;
        Ok(crossing_of(&self.test, threshold, End::First))
    }

    /// The first time at which the accuracy is at least `threshold`.
    ///
    /// # Errors
    /// A threshold outside (0, 1); the accuracy undefined.
    pub fn first_accurate(&self, threshold: f64) -> Result<Crossing<T>> {
        check("accuracy threshold", threshold, |x| x > 0.0 && x < 1.0, "a number between 0 and 1")?;
        match (&self.spectrum.accuracy, &self.miss_rate) {
            (Accuracy::Gaussian, _) => {
                let root = erf_inv(threshold);
                self.first_general(self.settings.accuracy_tolerance / (2.0 * root * root))
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
}
