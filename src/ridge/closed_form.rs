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

use ndarray::Array1;

use super::coefficients::Coefficients;
use super::curve::{Blur, Form, MissRate, Mode, QuadraticForm, SumOfSquares, TestLoss};
use super::risk::{Accuracy, Risk};
use super::spectrum::Spectrum;
use crate::error::{Error, Result, check};
use crate::linalg::EPS;
use crate::trajectory::Clock;

/// The smallest positive number.
const SMALLEST: f64 = f64::from_bits(1);

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
    pub(super) miss_rate: Option<MissRate<T>>,
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
            // A product that underflows is still a decay: its limit is zero, however late.
            let least = if g > 0.0 { SMALLEST } else { 0.0 };
            let x = (eta * g).max(least);
            // ηg unrounded, so that a factor near zero keeps its digits.
            let exact = (-eta).mul_add(g, 1.0);
            let rho = exact.max(-1.0);
            let slow = x < 0.5;
            let rate = if slow { libm::log1p(-x) } else { libm::log(rho.abs()) };
            // dρ = η dg.
            let error = eta * g_error + if slow { 2.0 * EPS * x } else { EPS * rho.abs() + (rho - exact) };
            // Nothing decays more slowly than what only the weight decay pulls at.
            let least = (x - error).max(eta * settings.weight_decay * (1.0 - 2.0 * EPS));
            let upper = if slow { 1.0 - least } else { rho.abs() + error };
            let top = if slow { libm::log1p(-least) } else { libm::log(upper) };
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
            Rate { g, rate: -g, flips: false, error, top: (error - g).min(-settings.weight_decay) }
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
        let (n, _) = spectrum.shape();
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
        // What counts as zero and is not: it decays a little faster than the rest of the complement.
        rates.push(rate(lambda, spectrum.unseen_square() / samples));

        let Coefficients {
            train: train_modes,
            weights: weight_modes,
            excess: excess_modes,
            complement,
            unfittable_error,
            train_turning,
            turning,
            init_norm,
        } = Coefficients::new::<T>(spectrum, settings, &rates);
        let norm_of_limits = |modes: &[Mode]| modes.iter().map(|m| m.offset * m.offset).sum::<f64>().sqrt();
        // √λ_max of the form's matrix, at most, for columns of length one; the last two are not.
        let spread = |form: &Form, lengths: &[f64; 2]| {
            let unit = |(i, d): (usize, &f64)| match i.checked_sub(k) {
                None => *d,
                Some(j) if lengths[j] > 0.0 => d / (lengths[j] * lengths[j]),
                Some(_) => 0.0,
            };
            form.diagonal().iter().enumerate().map(unit).sum::<f64>().max(0.0).sqrt()
        };
        let norm_of = |modes: &[Mode]| modes.iter().map(|m| m.amplitude * m.amplitude).sum::<f64>().sqrt();
        // Without weight decay nothing pulls the limit off the labels, and there may be no modes at all.
        let label_pull = if lambda > 0.0 { spectrum.labels_norm * (lambda / rates[0].g) } else { 0.0 };
        let train = SumOfSquares::new(
            train_modes.clone(),
            norm_of(&train_modes) + label_pull,
            [spectrum.unfittable, unfittable_error],
            0.5 / samples,
            train_turning,
        );
        let outside = spectrum.init_norms().1 * scale;
        let decaying = |amplitude: f64| Mode {
            amplitude,
            amplitude_error: complement.amplitude_error * init_norm,
            ..complement
        };
        let mut norm_modes = weight_modes.clone();
        norm_modes.push(decaying(outside));
        let norm = SumOfSquares::new(norm_modes, init_norm + norm_of(&weight_modes), [0.0; 2], 1.0, turning);

        let mixing = init_norm + norm_of(&weight_modes);
        // In the basis v_1 … v_k, θ₀_⊥, 1: θ_t, or θ_t − θ*.
        let joined = |modes: &[Mode]| {
            let mut modes = modes.to_vec();
            modes.push(Mode { amplitude: scale, amplitude_error: EPS * scale.abs(), ..complement });
            modes.push(Mode::ONE);
            modes
        };
        let star = spectrum.teacher.as_ref();
        let blur = |form: &Form, constant: f64, star_norm: f64| {
            let spread = spread(form, &[outside.abs() / scale.abs(), constant]);
            let limits = norm_of_limits(&weight_modes);
            let tilt = [init_norm + limits, star_norm + limits];
            Blur {
                mixing: (mixing + star_norm) * spread,
                tilt: tilt.map(|x| spread * complement.amplitude_error * x),
                turning: turning.scaled(spectrum.spread),
                spread,
            }
        };
        let test = match (&spectrum.risk, star) {
            (Risk::Isotropic(variance), Some(teacher)) => {
                // The complement's part along θ*_⊥ and across it.
                let mut modes = excess_modes.clone();
                modes.push(Mode {
                    offset: -teacher.complement,
                    offset_error: complement.amplitude_error * teacher.norm,
                    ..decaying(scale * teacher.along)
                });
                modes.push(decaying(scale * teacher.across));
                TestLoss::Sum(SumOfSquares::new(modes, mixing + teacher.norm, [0.0; 2], *variance, turning))
            }
            (Risk::Teacher(form), Some(teacher)) => {
                let form = Form::Matrix(form.clone());
                let blur = blur(&form, teacher.complement, teacher.norm);
                TestLoss::Form(QuadraticForm::new(joined(&excess_modes), form, blur))
            }
            (Risk::Absolute(form), _) => {
                let form = Form::Matrix(form.clone());
                let blur = blur(&form, f64::INFINITY, 0.0);
                TestLoss::Form(QuadraticForm::new(joined(&weight_modes), form, blur))
            }
            (Risk::HeldOut { factor, .. }, _) => {
                let form = Form::Factor(factor.clone());
                let blur = blur(&form, f64::INFINITY, star.map_or(0.0, |t| t.norm));
                let modes = if star.is_some() { &excess_modes } else { &weight_modes };
                TestLoss::Form(QuadraticForm::new(joined(modes), form, blur))
            }
            _ => TestLoss::Undefined,
        };
        let miss_rate = match &spectrum.accuracy {
            Accuracy::Sampled { residuals, lengths } => {
                let tolerance = settings.accuracy_tolerance.sqrt();
                let modes = if star.is_some() { &excess_modes } else { &weight_modes };
                Some(MissRate::new(joined(modes), residuals.clone(), lengths.clone(), tolerance, turning))
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

pub(super) fn valid_time<T: Clock>(t: T) -> Result<f64> {
    check("time", t.as_f64(), |x| x >= 0.0, "a number of at least 0")
}
