//! The trajectory of ridge regression at any time: gradient descent (clock `u64`) and flow (clock `f64`).
//!
//! With g_i = s_i/n + λ and ρ_i = 1 − ηg_i, in direction v_i and in the complement of the rows of Φ,
//!
//! $$ \langle v_i,\theta_t\rangle = a_i^* + \rho_i^t\,(\langle v_i,\theta_0\rangle - a_i^*), \qquad
//!    a_i^* = \frac{\sqrt{s_i}\,\langle q_i,y\rangle}{n g_i}, \qquad
//!    \theta_\perp(t) = (1-\eta\lambda)^t\,\theta_\perp(0), $$
//!
//! and for flow e^{−gτ} in place of ρ^t (`theory/ridge.md`, equations 1 to 4). Residuals are evaluated
//! from their own closed forms, never as differences of large numbers.

use std::marker::PhantomData;

use ndarray::{Array1, Array2, Axis};
use statrs::function::erf::{erf, erf_inv};

use super::curve::{MissRate, Mode, QuadraticForm, SumOfSquares, TestLoss, crossing_of};
use super::risk::{Accuracy, Risk};
use super::spectrum::Spectrum;
use crate::crossing::{Crossing, Curve as _, End, Point};
use crate::error::{Error, Result, check};
use crate::grokking::Times;
use crate::linalg::EPS;
use crate::trajectory::{Clock, Observable, Table, Trajectory};

/// Constant of the error of projections, in units of √n·ε.
pub(super) const PROJECTION: f64 = 8.0;

/// What can be changed without decomposing again.
///
/// | name | default | meaning | range |
/// |---|---|---|---|
/// | `step_size` | 1 | η; for flow it only converts bounds between clocks | > 0, stable |
/// | `weight_decay` | 0 | λ | ≥ 0 |
/// | `init_scale` | 1 | multiplies θ₀ (a sweep over ν² scales by ν) | finite |
/// | `accuracy_tolerance` | 0.01 | ε in the accuracy P((N − N*)² ≤ ε) | > 0 |
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    pub step_size: f64,
    pub weight_decay: f64,
    pub init_scale: f64,
    pub accuracy_tolerance: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { step_size: 1.0, weight_decay: 0.0, init_scale: 1.0, accuracy_tolerance: 0.01 }
    }
}

/// A solved problem: ask it anything, at any time.
pub struct ClosedForm<'s, 'a, T> {
    pub(crate) spectrum: &'s Spectrum<'a>,
    pub(crate) settings: Settings,
    /// Modes of θ_t, and the decaying complement's last.
    pub(crate) rates: Vec<Rate>,
    pub(crate) train: SumOfSquares<T>,
    pub(crate) test: TestLoss<T>,
    pub(crate) norm: SumOfSquares<T>,
    miss_rate: Option<MissRate<T>>,
    clock: PhantomData<T>,
}

/// The decay of one mode in one clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    /// g = s/n + λ.
    pub g: f64,
    /// ln|ρ| or −g.
    pub rate: f64,
    pub flips: bool,
    /// Error of ρ (for flow: of the rate) relative to an upper bound on |ρ|, and that bound's logarithm.
    pub error: f64,
    pub top: f64,
}

impl<'a> Spectrum<'a> {
    /// Gradient descent with the given settings.
    ///
    /// # Errors
    /// Settings out of range; a step size past stability (the largest stable one is named).
    pub fn descent(&self, settings: &Settings) -> Result<ClosedForm<'_, 'a, u64>> {
        let largest = self.largest_stable_step(settings.weight_decay);
        validate(settings)?;
        // Equality is stable (a mode then oscillates for ever); leave room for its rounding.
        if settings.step_size > largest * (1.0 + 4.0 * EPS) {
            return Err(Error::Unstable { step_size: settings.step_size, largest });
        }
        let eta = settings.step_size;
        ClosedForm::new(self, settings, |g, g_error| {
            let x = eta * g;
            let rho = (1.0 - x).max(-1.0);
            let rate = if x < 0.5 { libm::log1p(-x) } else { libm::log(rho.abs()) };
            // dρ = η dg; the product ηg is rounded too.
            let error = eta * g_error + 2.0 * EPS * x;
            let upper = rho.abs() + error;
            let top = if x < 0.5 { libm::log1p(error - x) } else { libm::log(upper) };
            Rate { g, rate, flips: rho < 0.0, error: error / upper, top }
        })
    }

    /// Gradient flow with the given settings.
    ///
    /// # Errors
    /// Settings out of range.
    pub fn flow(&self, settings: &Settings) -> Result<ClosedForm<'_, 'a, f64>> {
        validate(settings)?;
        ClosedForm::new(self, settings, |g, g_error| {
            let error = g_error + 2.0 * EPS * g;
            Rate { g, rate: -g, flips: false, error, top: error - g }
        })
    }
}

fn validate(settings: &Settings) -> Result<()> {
    check("step size", settings.step_size, |x| x > 0.0, "a positive number")?;
    check("weight decay", settings.weight_decay, |x| x >= 0.0, "a number of at least 0")?;
    check("scale of the initial parameters", settings.init_scale, |_| true, "a finite number")?;
    check("accuracy tolerance", settings.accuracy_tolerance, |x| x > 0.0, "a positive number")?;
    Ok(())
}

impl<'s, 'a, T: Clock> ClosedForm<'s, 'a, T> {
    fn new(spectrum: &'s Spectrum<'a>, settings: &Settings, rate: impl Fn(f64, f64) -> Rate) -> Result<Self> {
        let (n, m) = spectrum.shape();
        let (samples, lambda, scale) = (n as f64, settings.weight_decay, settings.init_scale);
        let eigenvalues = spectrum.eigenvalues();
        let k = eigenvalues.len();
        let mut rates: Vec<Rate> = eigenvalues
            .iter()
            .zip(spectrum.eigenvalue_errors())
            .map(|(s, error)| {
                let g = s / samples + lambda;
                rate(g, error / samples + 2.0 * EPS * g)
            })
            .collect();
        rates.push(rate(lambda, 0.0));

        let init: Array1<f64> = &spectrum.init * scale;
        let init_norm = spectrum.init_norm * scale.abs();
        let noise_unit = PROJECTION * (n.min(m) as f64).sqrt() * EPS;
        let top = eigenvalues.last().copied().unwrap_or(0.0).sqrt();

        // In direction v_i: θ₀ less its limit, the limit, the limit less the teacher; and errors.
        let mut train_modes = Vec::with_capacity(k);
        let mut weight_modes = Vec::with_capacity(k + 2);
        let mut excess_modes = Vec::with_capacity(k + 2);
        for i in 0..k {
            let (s, y, r) = (eigenvalues[i], spectrum.labels[i], rates[i]);
            let root = s.sqrt();
            let limit = spectrum.limit(i, r.g);
            let amplitude = init[i] - limit;
            // Relative errors of s and g, and errors of the projections seen from direction v_i.
            let s_error = spectrum.eigenvalue_errors()[i] / s + 4.0 * EPS;
            let g_error = spectrum.eigenvalue_errors()[i] / (samples * r.g) + 4.0 * EPS;
            // q_i leans towards what cannot be fitted by the condition number of its singular value.
            let lean = top / root * spectrum.unfittable.sqrt();
            let label_error = noise_unit * (spectrum.labels_norm + lean);
            let limit_error = limit.abs() * (s_error + g_error) + root / (samples * r.g) * label_error;
            let start_error = noise_unit * init_norm * top / root;
            let mode = Mode {
                rate: r.rate,
                flips: r.flips,
                rate_error: r.error,
                rate_top: r.top,
                ..Mode::default()
            };
            train_modes.push(Mode {
                amplitude: root * amplitude,
                offset: -lambda / r.g * y,
                amplitude_error: root * (start_error + limit_error),
                offset_error: lambda / r.g * (label_error + y.abs() * g_error),
                ..mode
            });
            weight_modes.push(Mode {
                amplitude,
                offset: limit,
                amplitude_error: start_error + limit_error,
                offset_error: limit_error,
                ..mode
            });
            if let Some(teacher) = &spectrum.teacher {
                let noise = teacher.noise_at(i);
                let star_error = noise_unit * teacher.norm * top / root;
                let noise_error = if noise == 0.0 { 0.0 } else { label_error };
                let offset = spectrum.bias(i, r.g, lambda);
                excess_modes.push(Mode {
                    amplitude,
                    offset,
                    amplitude_error: start_error + limit_error,
                    offset_error: offset.abs() * g_error
                        + (root * noise).abs() / (samples * r.g) * s_error
                        + lambda / r.g * star_error
                        + root * noise_error / (samples * r.g),
                    ..mode
                });
            }
        }
        let complement = {
            let r = rates[k];
            let condition = if k > 0 { top / eigenvalues[0].sqrt() } else { 1.0 };
            Mode {
                rate: r.rate,
                flips: r.flips,
                rate_error: r.error,
                rate_top: r.top,
                amplitude_error: noise_unit * condition,
                ..Mode::default()
            }
        };
        let norm_of_limits = |modes: &[Mode]| modes.iter().map(|m| m.offset * m.offset).sum::<f64>().sqrt();
        // √λ_max of the form's matrix, at most, for columns of length one; the last two are not.
        let spread = |form: &Array2<f64>, lengths: &[f64; 2]| {
            let unit = |(i, d): (usize, &f64)| match i.checked_sub(k) {
                None => *d,
                Some(j) if lengths[j] > 0.0 => d / (lengths[j] * lengths[j]),
                Some(_) => 0.0,
            };
            form.diag().iter().enumerate().map(unit).sum::<f64>().max(0.0).sqrt()
        };
        let norm_of = |modes: &[Mode]| modes.iter().map(|m| m.amplitude * m.amplitude).sum::<f64>().sqrt();
        // Without weight decay nothing pulls the limit off the labels, and there may be no modes at all.
        let label_pull = if lambda > 0.0 { spectrum.labels_norm * lambda / rates[0].g } else { 0.0 };
        // The span of the left vectors is known as well as that of the right ones. Exactly nothing is left
        // over where everything can be fitted.
        let unfittable_error = match spectrum.unfittable > 0.0 {
            true => {
                let moved = complement.amplitude_error * spectrum.labels_norm;
                2.0 * spectrum.unfittable.sqrt() * moved + moved * moved
            }
            false => 0.0,
        };
        let train = SumOfSquares::new(
            train_modes.clone(),
            norm_of(&train_modes) + label_pull,
            spectrum.unfittable,
            unfittable_error,
            0.5 / samples,
        );
        let outside = spectrum.init_norms().1 * scale;
        let decaying = |amplitude: f64| Mode {
            amplitude,
            amplitude_error: complement.amplitude_error * init_norm,
            ..complement
        };
        let mut norm_modes = weight_modes.clone();
        norm_modes.push(decaying(outside));
        let norm = SumOfSquares::new(norm_modes, init_norm + norm_of(&weight_modes), 0.0, 0.0, 1.0);

        let mixing = init_norm + norm_of(&weight_modes);
        // θ_t in the basis v_1 … v_k, θ₀_⊥, 1.
        let absolute = || {
            let mut modes = weight_modes.clone();
            modes.push(Mode { amplitude: scale, amplitude_error: EPS * scale.abs(), ..complement });
            modes.push(Mode::ONE);
            modes
        };
        let test = match (&spectrum.risk, &spectrum.teacher) {
            (Risk::Isotropic(variance), Some(teacher)) => {
                // The complement's part along θ*_⊥ and across it.
                let mut modes = excess_modes;
                modes.push(Mode {
                    offset: -teacher.complement,
                    offset_error: complement.amplitude_error * teacher.norm,
                    ..decaying(scale * teacher.along)
                });
                modes.push(decaying(scale * teacher.across));
                TestLoss::Sum(SumOfSquares::new(modes, mixing + teacher.norm, 0.0, 0.0, *variance))
            }
            (Risk::Teacher(form), Some(teacher)) => {
                let mut modes = excess_modes;
                modes.push(Mode { amplitude: scale, amplitude_error: EPS * scale.abs(), ..complement });
                modes.push(Mode::ONE);
                let spread = spread(form, &[outside.abs() / scale.abs(), teacher.complement]);
                let limits = norm_of_limits(&weight_modes);
                let tilt = [init_norm + limits, teacher.norm + limits]
                    .map(|x| spread * complement.amplitude_error * x);
                TestLoss::Form(QuadraticForm::new(
                    modes,
                    form.clone(),
                    (mixing + teacher.norm) * spread,
                    tilt,
                ))
            }
            (Risk::Absolute(form) | Risk::HeldOut { form, .. }, _) => {
                let spread = spread(form, &[outside.abs() / scale.abs(), f64::INFINITY]);
                let limits = norm_of_limits(&weight_modes);
                let tilt = [init_norm + limits, limits].map(|x| spread * complement.amplitude_error * x);
                TestLoss::Form(QuadraticForm::new(absolute(), form.clone(), mixing * spread, tilt))
            }
            _ => TestLoss::Undefined,
        };
        let miss_rate = match &spectrum.accuracy {
            Accuracy::Sampled(residuals) => {
                let tolerance = settings.accuracy_tolerance.sqrt();
                Some(MissRate::new(absolute(), residuals.clone(), tolerance))
            }
            _ => None,
        };
        Ok(ClosedForm {
            spectrum,
            settings: *settings,
            rates,
            train,
            test,
            norm,
            miss_rate,
            clock: PhantomData,
        })
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The problem it solves.
    pub fn spectrum(&self) -> &'s Spectrum<'a> {
        self.spectrum
    }

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
        match self.norm.value(t).value {
            square if square > 1e-280 => square.sqrt(),
            _ => (0.5 * self.norm.ln_value(t)).exp(),
        }
    }

    /// P((N − N*)² ≤ tolerance): erf(√(tolerance/2L)) for Gaussian features and a linear teacher, a
    /// fraction of the test sample otherwise, `None` without either.
    pub fn test_accuracy(&self, t: T) -> Option<f64> {
        match (&self.spectrum.accuracy, &self.miss_rate) {
            (Accuracy::Gaussian, _) => {
                let loss = self.test_loss(t)?.value;
                Some(erf((self.settings.accuracy_tolerance / (2.0 * loss)).sqrt()))
            }
            (_, Some(miss_rate)) => Some(1.0 - miss_rate.value(t).value),
            _ => None,
        }
    }

    /// Limit of the training loss as t → ∞; `None` if it does not converge (some ρ = −1).
    pub fn train_loss_limit(&self) -> Option<f64> {
        single(self.train.limits())
    }

    /// Limit of the test loss.
    pub fn test_loss_limit(&self) -> Option<f64> {
        self.test.limits().and_then(single)
    }

    /// t1: the last time at which the training loss is at or above ε (step, or flow time as a supremum).
    ///
    /// # Errors
    /// ε not positive.
    pub fn last_unfit(&self, threshold: f64) -> Result<Crossing<T>> {
        check("training threshold", threshold, |x| x > 0.0, "a positive number")?;
        crossing_of(&self.train, threshold, End::Last)
    }

    /// t2: the first time at which the test loss is at or below c.
    ///
    /// # Errors
    /// c not positive; the test loss undefined.
    pub fn first_general(&self, threshold: f64) -> Result<Crossing<T>> {
        check("test threshold", threshold, |x| x > 0.0, "a positive number")?;
        self.need_test_loss()?;
        crossing_of(&self.test, threshold, End::First)
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
                crossing_of(miss_rate, allowed, End::First)
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

    /// ρ_i^t of all modes, the complement's last.
    pub(crate) fn powers(&self, t: T) -> Array1<f64> {
        let time = t.as_f64();
        let power = |r: &Rate| {
            let size = if time == 0.0 { 1.0 } else { libm::exp(r.rate * time) };
            if r.flips && t.is_odd() { -size } else { size }
        };
        self.rates.iter().map(power).collect()
    }

    pub(crate) fn need_test_loss(&self) -> Result<()> {
        match self.test.is_defined() {
            true => Ok(()),
            false => Err(Error::Missing {
                wanted: "the test loss",
                needs: "a covariance (with a linear teacher or its moments) or a test sample",
            }),
        }
    }
}

fn single(limits: [f64; 2]) -> Option<f64> {
    (limits[0] == limits[1]).then_some(limits[0])
}

impl<T: Clock> Trajectory for ClosedForm<'_, '_, T> {
    type Time = T;
    /// θ_t ∈ R^m.
    type State = Array1<f64>;

    fn horizon(&self) -> Option<T> {
        None
    }

    fn state(&self, t: T) -> Result<Array1<f64>> {
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

    fn observe(&self, times: &[T], what: &[Observable]) -> Result<Table<T>> {
        let mut values = Array2::from_elem((times.len(), what.len()), f64::NAN);
        for (i, &t) in times.iter().enumerate() {
            valid_time(t)?;
            for (j, observable) in what.iter().enumerate() {
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
                values[(i, j)] = value.unwrap_or(f64::NAN);
            }
        }
        Ok(Table { times: times.to_vec(), columns: what.to_vec(), values })
    }
}

fn valid_time<T: Clock>(t: T) -> Result<f64> {
    check("time", t.as_f64(), |x| x >= 0.0, "a number of at least 0")
}
