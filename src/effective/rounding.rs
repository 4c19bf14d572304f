//! Error bars of what a flow reports: bounds on rounding, to first order in the backward error p·ε‖H‖ of the
//! eigendecomposition (`theory/effective.md`, (18) and (22) to (24)).

use ndarray::Array2;

use super::crossing::Modes;
use super::flow::{Flow, Gradient};
use super::observables::{shape_accuracy, shape_rqi};
use crate::error::Result;
use crate::linalg::EPS;
use crate::trajectory::{Observable, Table};

impl Flow<'_, '_> {
    /// Bounds on the errors of [`Trajectory::observe`](crate::trajectory::Trajectory::observe) at the same times, absolute;
    /// NaN where none is known.
    ///
    /// ```
    /// use groktime::effective::{Problem, Task};
    /// use groktime::trajectory::{Observable, Trajectory};
    /// let problem = Problem::full(Task::addition(4)?);
    /// let spectrum = problem.spectrum(Default::default())?;
    /// let flow = spectrum.flow(ndarray::array![[0.3], [-1.2], [0.5], [0.4]].view(), Default::default())?;
    /// let what = [Observable::TrainLoss, Observable::RepresentationQuality];
    /// let (seen, errors) = (flow.observe(&[1.0], &what)?, flow.errors(&[1.0], &what)?);
    /// assert!(errors.values[(0, 0)] < 1e-13 * seen.values[(0, 0)]);
    /// assert_eq!(errors.values[(0, 1)], 0.0); // no parallelogram is within rounding of δ
    /// # Ok::<(), groktime::Error>(())
    /// ```
    ///
    /// # Errors
    /// As those of the observables.
    pub fn errors(&self, times: &[f64], what: &[Observable]) -> Result<Table<f64>> {
        let mut values = Array2::from_elem((times.len(), what.len()), f64::NAN);
        for (&t, mut row) in times.iter().zip(values.rows_mut()) {
            self.check_time(t)?;
            for (value, what) in row.iter_mut().zip(what) {
                let error = match what {
                    Observable::TrainLoss => Some(self.loss(t)? * libm::expm1(self.ln_loss_error(t)?)),
                    Observable::LogTrainLoss => Some(self.ln_loss_error(t)?),
                    Observable::ParameterNorm => Some(self.norm_error(t)?),
                    Observable::RepresentationQuality | Observable::TestAccuracy => {
                        Some(self.count_error(t, *what)?)
                    }
                    Observable::EffectiveDimension => self.dimension_error(t)?,
                    _ => None,
                };
                *value = error.filter(|e| e.is_finite()).unwrap_or(f64::NAN);
            }
        }
        Ok(Table { times: times.to_vec(), columns: what.to_vec(), values })
    }

    /// A bound on the error of the part of S(t)·e^{λt} that decays, with the given λ: (22).
    fn decaying_error(&self, t: f64, relative_to: f64) -> f64 {
        let positive = |i: &usize| self.rates[*i] > 0.0;
        let Some(first) = (0..self.rates.len()).find(positive) else { return 0.0 };
        let size: f64 = self.coefficients.rows().into_iter().skip(first).flatten().map(|a| a * a).sum();
        let (slowest, fastest) = (self.rates[first], self.rates[self.rates.len() - 1]);
        // Where all rates are one, proved, rounding of the vectors is all there is.
        let spread = if slowest == fastest { self.unresolved(first) } else { fastest };
        let p = self.rates.len() as f64;
        p * EPS * size.sqrt() * (1.0 + spread * t) * libm::exp((relative_to - slowest) * t)
    }

    /// (23); infinite where nothing is known.
    fn ln_loss_error(&self, t: f64) -> Result<f64> {
        let Some(slowest) = self.slowest_learning() else { return Ok(0.0) };
        let fastest = self.rates[self.rates.len() - 1];
        let numerator = self.learning(t, slowest);
        let q = self.decaying_error(t, slowest) * (0.5 * fastest / numerator).sqrt();
        let of_norm = match self.settings.gradient {
            Gradient::Linear => 0.0,
            Gradient::Full => self.shrinkage_error(t),
        };
        let relative = (2.0 * q + q * q).max(2.0 * of_norm + of_norm * of_norm);
        let rounding = 4.0 * self.rates.len() as f64 * EPS;
        // ln of a product and of a quotient, each factor within 1 ± relative.
        Ok(if relative < 1.0 { -2.0 * libm::log1p(-relative) + rounding } else { f64::INFINITY })
    }

    /// The relative error of ‖S(t)‖.
    fn shrinkage_error(&self, t: f64) -> f64 {
        let slowest = self.slowest();
        let modes = self.modes(t, slowest);
        let square = |m: &Array2<f64>| m.iter().map(|x| x * x).sum::<f64>();
        let constant = self.rates.len() as f64 * EPS * square(&self.coefficients).sqrt();
        // A part that stays has its own rounding; one that decays with the rest is in (22).
        let error = self.decaying_error(t, slowest) + if slowest == 0.0 { constant } else { 0.0 };
        error / square(&modes).sqrt()
    }

    fn norm_error(&self, t: f64) -> Result<f64> {
        let norm = self.norm_square(t)?.sqrt();
        let relative = match self.settings.gradient {
            Gradient::Full => 0.0,
            Gradient::Linear => self.shrinkage_error(t),
        };
        Ok(norm * (relative + self.rates.len() as f64 * EPS))
    }

    /// Fractions are counts: how many of the counted are within their error of δ.
    fn count_error(&self, t: f64, what: Observable) -> Result<f64> {
        let dimensions = self.coefficients.ncols();
        let rule = self.settings.matching;
        let size = rule.limit(dimensions).sqrt();
        let mut square = 0.0;
        for d in 0..dimensions {
            square += Modes::new(self, d)?.shape_error(t, size).powi(2);
        }
        let shape = self.shape(t)?;
        let count = |rule| match what {
            Observable::RepresentationQuality => shape_rqi(&self.full, shape.view(), rule),
            _ => shape_accuracy(&self.training, &self.full, shape.view(), rule),
        };
        let value = count(rule);
        let error = square.sqrt();
        if !error.is_finite() {
            return Ok(value.max(1.0 - value));
        }
        let (low, high) = (count(rule.moved(-error, dimensions)), count(rule.moved(error, dimensions)));
        Ok((value - low).max(high - value).max(0.0))
    }

    /// (24), from the continuity of the entropy (Audenaert, *J. Phys. A* 40, 8127, 2007).
    fn dimension_error(&self, t: f64) -> Result<Option<f64>> {
        let dimensions = self.coefficients.ncols() as f64;
        if dimensions < 2.0 {
            return Ok(Some(0.0));
        }
        let value = self.effective_dimension(t)?;
        let slowest = self.slowest_from(1);
        let mut modes = self.modes(t, slowest);
        modes.row_mut(0).fill(0.0);
        let size = modes.iter().map(|x| x * x).sum::<f64>().sqrt();
        let staying = if slowest == 0.0 { self.rates.len() as f64 * EPS * self.z0().sqrt() } else { 0.0 };
        let r = (self.decaying_error(t, slowest) + staying) / size;
        let distance = 2.0 * r + r * r + 8.0 * dimensions * EPS;
        if distance >= 0.5 {
            return Ok(None);
        }
        let entropy = -distance * libm::log(distance) - (1.0 - distance) * libm::log1p(-distance);
        Ok(Some(value * libm::expm1(distance * libm::log(dimensions - 1.0) + entropy)))
    }
}
