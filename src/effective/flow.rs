//! Linear and Rayleigh-quotient flows of the embeddings in closed form.

use ndarray::{Array1, Array2, ArrayView2};

use super::Problem;
use super::crossing::{Score, Targets};
use super::observables::{Match, shape_accuracy, shape_rqi};
use super::parallelograms::check_embeddings;
use super::spectrum::{Convention, Spectrum};
use crate::crossing::{Crossing, End, search};
use crate::data::components::effective_dimension;
use crate::error::{Error, Result, check};
use crate::linalg::EPS;
use crate::trajectory::{Observable, Trajectory};

/// Which gradient the embeddings follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gradient {
    /// The gradient of ℓ0/Z0 with Z0 a function of E (Rayleigh-quotient flow): Z0 is conserved.
    #[default]
    Full,
    /// E' = −HE with Z0 frozen at its initial value: ΣE_k is conserved, Z0 is not.
    Linear,
}

/// Conventions of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Settings {
    pub convention: Convention,
    pub gradient: Gradient,
    pub matching: Match,
}

/// E(t) for any t, from one eigendecomposition.
///
/// With S(t) = e^{−Ht}E(0), H = 2G/(N·Z0(0)): the linear flow is S, the full flow √Z0·S/‖S‖. Both have the
/// same shape (after centring and scaling) at the same time.
#[derive(Clone, Debug)]
pub struct Flow<'s, 'a> {
    pub(crate) spectrum: &'s Spectrum<'a>,
    pub(crate) settings: Settings,
    /// VᵀE(0), p × d.
    pub(crate) coefficients: Array2<f64>,
    /// λ_i.
    pub(crate) rates: Array1<f64>,
    z0: f64,
    pub(super) full: Problem,
    /// What the accuracy is about: the samples of the spectrum unless told otherwise.
    pub(super) training: Problem,
}

impl<'a> Spectrum<'a> {
    /// Z0 of a start that fits the symbols, and N, which a loss needs.
    pub(crate) fn check_start(
        &self,
        embeddings: ArrayView2<'_, f64>,
        wanted: &'static str,
    ) -> Result<(f64, u64)> {
        check_embeddings(self.problem.symbols(), embeddings)?;
        let z0 = embeddings.iter().map(|x| x * x).sum::<f64>();
        // Rates are 2μ/(N·Z0): squares that underflow would spoil them without a word.
        let normal = f64::MIN_POSITIVE / EPS;
        check(
            "Z0 = Σ|E_k|²",
            z0,
            |z| z >= normal,
            "at least 1e-292, so that no square underflows: scale the embeddings",
        )?;
        match self.problem.parallelograms() {
            0 => Err(Error::Missing { wanted, needs: "at least one parallelogram in the training set" }),
            n => Ok((z0, n)),
        }
    }

    /// The flow from embeddings E(0), p × d; Z0 = Σ_k|E_k(0)|². The clock is the time of the flow: descent
    /// with step size η makes one step in time η.
    ///
    /// ```
    /// use groktime::effective::{Convention, Match, Problem, Settings, Task};
    /// use groktime::trajectory::Trajectory;
    /// let problem = Problem::full(Task::addition(4)?);
    /// let spectrum = problem.spectrum(Default::default())?;
    /// let start = ndarray::array![[0.3], [-1.2], [0.5], [0.4]];
    /// let flow = spectrum.flow(start.view(), Settings { matching: Match::CODE, ..Default::default() })?;
    /// let found = flow.first_rqi(0.95)?.time().unwrap();
    /// assert!(flow.rqi(found * 0.999)? <= 0.95 && flow.rqi(found)? == 1.0);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    ///
    /// # Errors
    /// E has not one row a symbol, is not finite, or is zero; no parallelograms; δ ≤ 0.
    pub fn flow(&self, embeddings: ArrayView2<'_, f64>, settings: Settings) -> Result<Flow<'_, 'a>> {
        settings.matching.validate()?;
        let (z0, n) = self.check_start(embeddings, "a flow")?;
        let scale = 2.0 / (settings.convention.divisor(n) * z0);
        Ok(Flow {
            spectrum: self,
            settings,
            coefficients: self.coefficients(embeddings),
            rates: self.values.mapv(|mu| mu * scale),
            z0,
            full: Problem::full(self.problem.task().clone()),
            training: self.problem.clone(),
        })
    }
}

impl Spectrum<'_> {
    /// VᵀE, the translation (first row) apart. A mean that is a rounding error counts as zero: it would grow
    /// without bound where all else decays.
    pub(crate) fn coefficients(&self, embeddings: ArrayView2<'_, f64>) -> Array2<f64> {
        let p = embeddings.nrows() as f64;
        let mut centred = embeddings.to_owned();
        let mut means = Array1::zeros(embeddings.ncols());
        for (mut column, mean) in centred.columns_mut().into_iter().zip(&mut means) {
            let size = column.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
            *mean = column.sum() / p;
            column -= *mean;
            if mean.abs() <= 4.0 * EPS * size * p.sqrt() {
                *mean = 0.0;
            }
            // Differences that are rounding errors of the mean are no spread.
            if column.iter().all(|x| x.abs() <= 4.0 * EPS * size) {
                column.fill(0.0);
            }
        }
        let mut coefficients = self.vectors.t().dot(&centred);
        coefficients.row_mut(0).assign(&(means * p.sqrt()));
        coefficients
    }
}

impl<'s, 'a> Flow<'s, 'a> {
    pub fn spectrum(&self) -> &'s Spectrum<'a> {
        self.spectrum
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// λ_i, the eigenvalues of H, ascending.
    pub fn rates(&self) -> &Array1<f64> {
        &self.rates
    }

    /// Z0 = Σ_k|E_k(0)|².
    pub fn z0(&self) -> f64 {
        self.z0
    }

    /// Judges accuracy for another training set than the one that drives the flow: the authors' figure 4c
    /// drives by all samples whatever is trained on.
    pub fn trained_on(mut self, training: &Problem) -> Result<Self> {
        if training.task() != self.spectrum.problem.task() {
            return Err(Error::Missing { wanted: "the accuracy", needs: "a training set of the same task" });
        }
        self.training = training.clone();
        Ok(self)
    }

    pub(super) fn check_time(&self, t: f64) -> Result<f64> {
        check("time", t, |t| t >= 0.0, "a number of at least 0")
    }

    /// By how much the rate of mode i may differ from those given as equal to it.
    pub(super) fn unresolved(&self, mode: usize) -> f64 {
        // Rates are eigenvalues times one factor; a mode of rate zero is exact.
        match self.spectrum.values[mode] {
            mu if mu > 0.0 => self.spectrum.unresolved[mode] * (self.rates[mode] / mu),
            _ => 0.0,
        }
    }

    /// The slowest rate with a part in the start; weights are taken relative to it so that nothing that
    /// matters underflows.
    pub(super) fn slowest(&self) -> f64 {
        self.slowest_from(0)
    }

    /// The same among the modes from one on.
    pub(super) fn slowest_from(&self, mode: usize) -> f64 {
        let present = (mode..self.rates.len()).find(|&i| self.coefficients.row(i).iter().any(|a| *a != 0.0));
        present.map_or(0.0, |i| self.rates[i])
    }

    /// S(t)·e^{λt} with the given λ, in the eigenbasis. Modes without a part in the start stay zero, also those that
    /// are slower than λ.
    pub(super) fn modes(&self, t: f64, relative_to: f64) -> Array2<f64> {
        let mut modes = self.coefficients.clone();
        for (mut row, &rate) in modes.rows_mut().into_iter().zip(&self.rates) {
            if row.iter().any(|a| *a != 0.0) {
                row *= libm::exp(-(rate - relative_to) * t);
            }
        }
        modes
    }

    /// ln ‖S(t)‖² − ln Z0: how much the linear flow has shrunk.
    fn ln_shrinkage(&self, t: f64) -> f64 {
        let slowest = self.slowest();
        let square: f64 = self.modes(t, slowest).iter().map(|x| x * x).sum();
        libm::log(square / self.z0) - 2.0 * slowest * t
    }

    /// Natural logarithm of the loss ℓ = ℓ0/Z0 at time t; −∞ on a ground state.
    ///
    /// # Errors
    /// t negative or not finite.
    pub fn ln_loss(&self, t: f64) -> Result<f64> {
        self.check_time(t)?;
        let Some(slowest) = self.slowest_learning() else { return Ok(f64::NEG_INFINITY) };
        let sum = libm::log(self.learning(t, slowest));
        Ok(match self.settings.gradient {
            Gradient::Linear => sum - 2.0 * slowest * t,
            // Both parts shrink: the difference of their rates is taken before it is multiplied by t.
            Gradient::Full => {
                let of_all = self.slowest();
                let square: f64 = self.modes(t, of_all).iter().map(|x| x * x).sum();
                sum - libm::log(square / self.z0) - 2.0 * (slowest - of_all) * t
            }
        })
    }

    /// The slowest positive rate with a part in the start: the mode that the loss ends on.
    pub(super) fn slowest_learning(&self) -> Option<f64> {
        let parts = self.rates.iter().zip(self.coefficients.rows());
        parts
            .filter(|(rate, row)| **rate > 0.0 && row.iter().any(|a| *a != 0.0))
            .map(|(rate, _)| *rate)
            .next()
    }

    /// ½ tr SᵀHS·e^{2λt} with the given λ: ℓ0/Z0 = Σ μ a²/(N·Z0) = Σ λ a²/2.
    pub(super) fn learning(&self, t: f64, relative_to: f64) -> f64 {
        let parts = self.rates.iter().zip(self.coefficients.rows()).filter(|(rate, _)| **rate >= relative_to);
        let part = |(rate, row): (&f64, ndarray::ArrayView1<'_, f64>)| {
            let square: f64 = row.iter().map(|a| a * a).sum();
            0.5 * rate * square * libm::exp(-2.0 * (rate - relative_to) * t)
        };
        parts.map(part).sum()
    }

    /// ℓ = ℓ0/Z0 at time t, in the flow's convention.
    ///
    /// # Errors
    /// t negative or not finite.
    pub fn loss(&self, t: f64) -> Result<f64> {
        Ok(libm::exp(self.ln_loss(t)?))
    }

    /// Z0(t) = Σ_k|E_k(t)|²: constant for the full flow, falling for the linear one.
    ///
    /// # Errors
    /// t negative or not finite.
    pub fn norm_square(&self, t: f64) -> Result<f64> {
        self.check_time(t)?;
        Ok(match self.settings.gradient {
            Gradient::Full => self.z0,
            Gradient::Linear => self.z0 * libm::exp(self.ln_shrinkage(t)),
        })
    }

    /// C(t) = Σ_k E_k(t), one entry a dimension: constant for the linear flow; for the full flow it grows
    /// as √Z0/‖S(t)‖ unless it is zero.
    ///
    /// # Errors
    /// t negative or not finite.
    pub fn centre(&self, t: f64) -> Result<Array1<f64>> {
        self.check_time(t)?;
        let p = self.spectrum.problem.symbols() as f64;
        // The translation is the first null vector.
        let start = self.coefficients.row(0).mapv(|a| a * p.sqrt());
        Ok(match self.settings.gradient {
            Gradient::Linear => start,
            Gradient::Full if start.iter().all(|c| *c == 0.0) => start,
            Gradient::Full => start * libm::exp(-0.5 * self.ln_shrinkage(t)),
        })
    }

    /// exp(entropy of the shares of variance) of the embeddings at time t: how many directions they fill. Neither the
    /// translation nor the scale matters, and what decays together is told apart at any time.
    ///
    /// # Errors
    /// t negative or not finite; all symbols are at one place.
    pub fn effective_dimension(&self, t: f64) -> Result<f64> {
        self.check_time(t)?;
        let mut modes = self.modes(t, self.slowest_from(1));
        modes.row_mut(0).fill(0.0);
        effective_dimension(self.spectrum.vectors.dot(&modes).view())
    }

    /// Embeddings at time t with mean zero and sample standard deviation one in each dimension.
    ///
    /// # Errors
    /// t negative or not finite; a dimension without spread.
    pub fn shape(&self, t: f64) -> Result<Array2<f64>> {
        self.check_time(t)?;
        let mut shape = Array2::zeros(self.coefficients.raw_dim());
        for (d, mut column) in shape.columns_mut().into_iter().enumerate() {
            let modes = super::crossing::Modes::new(self, d)?;
            let (values, deviation) = modes.at(t);
            column.assign(&(values / deviation));
        }
        Ok(shape)
    }

    /// RQI at time t.
    ///
    /// # Errors
    /// As [`Flow::shape`].
    pub fn rqi(&self, t: f64) -> Result<f64> {
        Ok(shape_rqi(&self.full, self.shape(t)?.view(), self.settings.matching))
    }

    /// Predicted accuracy at time t.
    ///
    /// # Errors
    /// As [`Flow::shape`].
    pub fn accuracy(&self, t: f64) -> Result<f64> {
        Ok(shape_accuracy(&self.training, &self.full, self.shape(t)?.view(), self.settings.matching))
    }

    /// The certified first time at which the RQI is above `threshold` (strictly, as in the authors' code).
    ///
    /// Certified: at no earlier time are more than that fraction of the parallelograms within δ, by
    /// interval bounds on every d_q over every interval before the answer; RQI need not be monotone. The
    /// ends of the interval account for rounding: of the eigendecomposition to first order in its backward
    /// error p·ε‖G‖.
    ///
    /// # Errors
    /// A threshold outside [0, 1); a dimension without spread; the search gives up.
    pub fn first_rqi(&self, threshold: f64) -> Result<Crossing<f64>> {
        check("RQI threshold", threshold, |x| (0.0..1.0).contains(&x), "at least 0 and below 1")?;
        self.first(Targets::parallelograms(&self.full), threshold, 0)
    }

    /// The certified first time at which the predicted accuracy is above `threshold`.
    ///
    /// # Errors
    /// As [`Flow::first_rqi`].
    pub fn first_accuracy(&self, threshold: f64) -> Result<Crossing<f64>> {
        check("accuracy threshold", threshold, |x| (0.0..1.0).contains(&x), "at least 0 and below 1")?;
        self.first(Targets::predictions(&self.training, &self.full), threshold, self.training.samples().len())
    }

    /// `given` targets are met from the start.
    fn first(&self, targets: Targets, threshold: f64, given: usize) -> Result<Crossing<f64>> {
        let all = targets.len() + given;
        // More than threshold·all, so that 0.95·70 = 66.5 needs 67; room for the rounding of the product.
        let needed = (threshold * all as f64 + 1e-9).floor() as usize + 1;
        match needed.checked_sub(given) {
            None | Some(0) => Ok(Crossing::FromStart),
            Some(k) if k > targets.len() => Ok(Crossing::Never),
            Some(k) => Ok(search(&Score::new(self, targets, k)?, 0.0, End::First)),
        }
    }

    /// RQI as t → ∞ (of the limit shape).
    ///
    /// # Errors
    /// As [`Flow::shape`].
    pub fn final_rqi(&self) -> Result<f64> {
        Ok(shape_rqi(&self.full, self.final_shape()?.view(), self.settings.matching))
    }

    /// The shape as t → ∞: the null part of the start, or its slowest modes when it has none.
    ///
    /// # Errors
    /// A dimension without spread.
    pub fn final_shape(&self) -> Result<Array2<f64>> {
        let mut shape = Array2::zeros(self.coefficients.raw_dim());
        for (d, mut column) in shape.columns_mut().into_iter().enumerate() {
            let (values, deviation) = super::crossing::Modes::new(self, d)?.limit();
            column.assign(&(values / deviation));
        }
        Ok(shape)
    }
}

impl Flow<'_, '_> {
    /// The embeddings.
    ///
    /// # Errors
    /// A negative time, or NaN; with the full gradient one that the clock of the modes cannot reach.
    pub fn state(&self, t: f64) -> Result<Array2<f64>> {
        self.check_time(t)?;
        let state = match self.settings.gradient {
            Gradient::Linear => self.modes(t, 0.0),
            Gradient::Full => {
                let modes = self.modes(t, self.slowest());
                let square: f64 = modes.iter().map(|x| x * x).sum();
                modes * (self.z0 / square).sqrt()
            }
        };
        Ok(self.spectrum.vectors.dot(&state))
    }
}

impl Trajectory for Flow<'_, '_> {
    type Time = f64;

    fn horizon(&self) -> Option<f64> {
        None
    }

    fn observe_one(&self, t: f64, what: &[Observable], out: &mut [f64]) -> Result<()> {
        self.check_time(t)?;
        let needs_shape =
            |w: &Observable| matches!(w, Observable::RepresentationQuality | Observable::TestAccuracy);
        let shape = what.iter().any(needs_shape).then(|| self.shape(t)).transpose()?;
        let view = || shape.as_ref().map(|s| s.view());
        for (out, what) in out.iter_mut().zip(what) {
            *out = match what {
                Observable::TrainLoss => self.loss(t)?,
                Observable::LogTrainLoss => self.ln_loss(t)?,
                Observable::ParameterNorm => self.norm_square(t)?.sqrt(),
                Observable::RepresentationQuality => {
                    view().map_or(f64::NAN, |s| shape_rqi(&self.full, s, self.settings.matching))
                }
                Observable::TestAccuracy => view().map_or(f64::NAN, |s| {
                    shape_accuracy(&self.training, &self.full, s, self.settings.matching)
                }),
                Observable::EffectiveDimension => self.effective_dimension(t)?,
                _ => f64::NAN,
            };
        }
        Ok(())
    }
}
