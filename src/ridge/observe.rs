//! What a closed form is at a time: losses, accuracy, norm, each with a bound on its rounding error.

use ndarray::{Array1, Axis};
use statrs::function::erf::erf;

use super::closed_form::{ClosedForm, valid_time};
use super::risk::Accuracy;
use crate::crossing::{Curve, Point};
use crate::error::Result;
use crate::linalg::EPS;
use crate::trajectory::{Clock, Observable, Trajectory};

impl<T: Clock> ClosedForm<'_, '_, T> {
    /// Training loss and a bound on its rounding error.
    pub fn train_loss(&self, t: T) -> Point {
        self.train.value(t)
    }

    /// Test loss and a bound on its rounding error; `None` when nothing is known of the population.
    pub fn test_loss(&self, t: T) -> Option<Point> {
        self.test.is_defined().then(|| self.test.value(t))
    }

    /// ln of the training loss, finite where the loss itself underflows.
    pub fn ln_train_loss(&self, t: T) -> f64 {
        self.train.ln_value(t)
    }

    /// ln of the test loss.
    pub fn ln_test_loss(&self, t: T) -> Option<f64> {
        self.test.ln_value(t)
    }

    /// ‖θ_t‖.
    pub fn parameter_norm(&self, t: T) -> f64 {
        self.bounded_parameter_norm(t).value
    }

    /// ‖θ_t‖ and a bound on its rounding error.
    pub fn bounded_parameter_norm(&self, t: T) -> Point {
        let Point { value: square, rounding } = self.norm.value(t);
        if square > 1e-280 {
            let value = square.sqrt();
            // |√a − √b| = |a − b|/(√a + √b) ≤ √|a − b|.
            let apart = if rounding > 0.0 { (rounding / value).min(rounding.sqrt()) } else { 0.0 };
            return Point { value, rounding: apart + 2.0 * EPS * value };
        }
        // The square and its rounding underflow before the norm does. Two norms are not further apart than the larger.
        let (ln, error) = self.norm.ln_bounds(t);
        let value = (0.5 * ln).exp();
        let largest = (square + rounding + f64::MIN_POSITIVE).sqrt().max(value);
        let apart = if value > 0.0 { (value * (0.5 * error).exp_m1()).min(largest) } else { largest };
        Point { value, rounding: apart + 2.0 * EPS * value }
    }

    /// P((N − N*)² ≤ tolerance): erf(√(tolerance/2L)) for Gaussian features and a linear teacher, a
    /// fraction of the test sample otherwise, `None` without either.
    pub fn test_accuracy(&self, t: T) -> Option<f64> {
        Some(self.bounded_test_accuracy(t)?.value)
    }

    /// The test accuracy and a bound on its rounding error.
    pub fn bounded_test_accuracy(&self, t: T) -> Option<Point> {
        match (&self.spectrum.accuracy, &self.miss_rate) {
            (Accuracy::Gaussian, _) => {
                let Point { value: loss, rounding } = self.test_loss(t)?;
                let accuracy = |loss: f64| erf((self.settings.accuracy_tolerance / (2.0 * loss)).sqrt());
                let value = accuracy(loss);
                let ends = [loss + rounding, (loss - rounding).max(0.0)].map(accuracy);
                let apart = ends.iter().fold(0.0_f64, |d, end| d.max((end - value).abs()));
                Some(Point { value, rounding: apart + 4.0 * EPS })
            }
            (_, Some(miss_rate)) => {
                let Point { value, rounding } = miss_rate.value(t);
                Some(Point { value: 1.0 - value, rounding: rounding + EPS })
            }
            _ => None,
        }
    }

    /// Limit of the training loss as t → ∞; `None` if it does not converge (some ρ = −1).
    pub fn train_loss_limit(&self) -> Option<f64> {
        Some(self.bounded_train_loss_limit()?.value)
    }

    /// The same with a bound on its rounding error.
    pub fn bounded_train_loss_limit(&self) -> Option<Point> {
        limit_of(&self.train, single(self.train.limits())?)
    }

    /// Limit of the test loss.
    pub fn test_loss_limit(&self) -> Option<f64> {
        Some(self.bounded_test_loss_limit()?.value)
    }

    /// The same with a bound on its rounding error.
    pub fn bounded_test_loss_limit(&self) -> Option<Point> {
        limit_of(&self.test, self.test.limits().and_then(single)?)
    }

    /// Bound on the rounding error of an observable at a time; `None` where none is known.
    ///
    /// ```
    /// # use groktime::ridge::{Population, Problem, Settings, Target};
    /// # use groktime::trajectory::Observable;
    /// # let features = ndarray::array![[1.0, 0.0]];
    /// # let problem = Problem {
    /// #     features: features.view(),
    /// #     target: Target::zero_teacher(2),
    /// #     init: ndarray::array![1.0, 1.0],
    /// #     population: Population::isotropic(2, 1.0),
    /// # };
    /// let spectrum = problem.spectrum(Default::default())?;
    /// let descent = spectrum.descent(&Settings { step_size: 0.5, ..Default::default() })?;
    /// assert!(descent.error_of(Observable::TrainLoss, 3).is_some_and(|error| error < 1e-15));
    /// # Ok::<(), groktime::Error>(())
    /// ```
    pub fn error_of(&self, what: Observable, t: T) -> Option<f64> {
        let error = match what {
            Observable::TrainLoss => Some(self.train_loss(t).rounding),
            Observable::LogTrainLoss => Some(self.train.ln_bounds(t).1),
            Observable::TestLoss => self.test_loss(t).map(|p| p.rounding),
            Observable::LogTestLoss => self.test.ln_bounds(t).map(|bounds| bounds.1),
            Observable::TestAccuracy => self.bounded_test_accuracy(t).map(|p| p.rounding),
            Observable::ParameterNorm => Some(self.bounded_parameter_norm(t).rounding),
            _ => None,
        };
        error.filter(|error| error.is_finite())
    }
}

/// A limit with the rounding of the enclosure that is left in the end; where the rate of a mode that has not
/// stopped is known no better than to its sign, the bound is infinite.
fn limit_of<C: Curve>(curve: &C, value: f64) -> Option<Point> {
    let bounds = curve.enclose(C::Time::LAST, None);
    Some(Point { value, rounding: (bounds.hi - value).max(value - bounds.lo).max(0.0) })
}

fn single(limits: [f64; 2]) -> Option<f64> {
    (limits[0] == limits[1]).then_some(limits[0])
}

impl<T: Clock> ClosedForm<'_, '_, T> {
    /// θ_t ∈ R^m.
    ///
    /// # Errors
    /// A negative time, or NaN.
    pub fn state(&self, t: T) -> Result<Array1<f64>> {
        valid_time(t)?;
        let (spectrum, scale, powers) = (self.spectrum, self.settings.init_scale, self.powers(t));
        let k = spectrum.init.len();
        let coordinate = |i: usize| {
            let limit = spectrum.limit(i, self.rates[i].g);
            limit + powers[i] * (scale * spectrum.init[i] - limit)
        };
        let coordinates: Array1<f64> = (0..k).map(coordinate).collect();
        let inside = spectrum.decomposition.span(coordinates.view().insert_axis(Axis(1)))?;
        Ok(inside.remove_axis(Axis(1)) + scale * powers[k] * &spectrum.init_complement)
    }
}

impl<T: Clock> Trajectory for ClosedForm<'_, '_, T> {
    type Time = T;

    fn horizon(&self) -> Option<T> {
        None
    }

    fn observe_one(&self, t: T, what: &[Observable], out: &mut [f64]) -> Result<()> {
        valid_time(t)?;
        for (out, observable) in out.iter_mut().zip(what) {
            let value = match observable {
                Observable::TrainLoss => Some(self.train_loss(t).value),
                Observable::LogTrainLoss => Some(self.ln_train_loss(t)),
                Observable::TestLoss => self.test_loss(t).map(|p| p.value),
                Observable::LogTestLoss => self.ln_test_loss(t),
                Observable::TestAccuracy => self.test_accuracy(t),
                Observable::ParameterNorm => Some(self.parameter_norm(t)),
                // A regression: nothing to classify, no margin, no structure.
                _ => None,
            };
            *out = value.unwrap_or(f64::NAN);
        }
        Ok(())
    }
}
