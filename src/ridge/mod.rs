//! Ridge regression under gradient descent and gradient flow, in closed form.
//!
//! Student N(x; θ) = ⟨θ, φ(x)⟩ with θ ∈ R^m, n samples with feature rows Φ ∈ R^{n×m} and labels y.
//!
//! | quantity | definition | convention |
//! |---|---|---|
//! | training loss | L_n(θ) = (1/2n)‖Φθ − y‖² | factor ½, mean over samples, no penalty in it |
//! | objective | L_n(θ) + (λ/2)‖θ‖² | λ is the weight decay |
//! | test loss | L(θ) = E (N(x;θ) − N*(x))² | no factor ½ |
//! | descent | θ ← θ − (η/n)Φᵀ(Φθ − y) − ηλθ | clock: steps |
//! | flow | θ′ = −(1/n)Φᵀ(Φθ − y) − λθ | clock: τ = η·step |
//!
//! The way of the data: a [`Problem`] is decomposed once into a [`Spectrum`]; a spectrum gives any number
//! of [`ClosedForm`] trajectories (other λ, η, scale of θ₀, clock), each of which answers any time at the
//! same cost; [`ClosedForm::times`] finds t1 and t2 with a proof; [`theorems`] compares published bounds
//! with them. Formulas and derivations: `theory/ridge.md`.
//!
//! Source: Xu, Vardi, Safran, "To Grok Grokking: Provable Grokking in Ridge Regression", arXiv 2601.19791.
//!
//! ```
//! use groktime::data::features::{gaussian_matrix, gaussian_vector, generator};
//! use groktime::ridge::{Population, Problem, Settings, Target};
//!
//! // The paper's isotropic features, φ ~ N(0, I/m), and the zero teacher.
//! let (n, m) = (50, 200);
//! let features = gaussian_matrix(n, m, 1.0 / m as f64, &mut generator(0, 0));
//! let problem = Problem {
//!     features: features.view(),
//!     target: Target::zero_teacher(m),
//!     init: gaussian_vector(m, 1.0, &mut generator(0, 1)),
//!     population: Population::isotropic(m, 1.0 / m as f64),
//! };
//! let spectrum = problem.spectrum(Default::default())?;
//! let descent = spectrum.descent(&Settings { step_size: 1.0, weight_decay: 1e-6, ..Default::default() })?;
//! let times = descent.times(0.01, 0.01)?;
//! // It fits within hundreds of steps and generalises after about a million.
//! assert!(times.train.time().unwrap() < 1_000 && times.test.time().unwrap() > 1_000_000);
//! # Ok::<(), groktime::Error>(())
//! ```

mod average;
mod closed_form;
mod coefficients;
mod control;
mod curve;
mod decomposition;
pub mod digits;
mod observe;
mod recipe;
mod risk;
mod sensitivity;
mod spectrum;
pub mod theorems;
mod times;

use ndarray::{Array1, ArrayView1, ArrayView2};

pub(crate) use curve::in_steps;

pub use average::{InitAverage, MeanStd};
pub use closed_form::{ClosedForm, Settings};
pub use control::{Control, Knob, Solution};
pub use decomposition::Decomposition;
pub use recipe::{Features, Instance, Recipe, SecondMoment, Teacher};
pub use sensitivity::Sensitivity;
pub use spectrum::Spectrum;

use crate::data::{Covariance, Moments};
use crate::error::{Error, Result, check, check_finite, check_shape};
use crate::linalg::Engine;

/// What the student learns.
#[derive(Clone, Debug)]
pub enum Target {
    /// A linear ("realizable") teacher N*(x) = ⟨θ*, φ(x)⟩; the labels are Φθ* plus the given noise. The
    /// test loss is against the clean teacher.
    Teacher { weights: Array1<f64>, noise: Option<Array1<f64>> },
    /// Labels of any origin; the test loss needs [`Population::moments`] or a test sample.
    Labels(Array1<f64>),
}

impl Target {
    /// θ* = 0.
    pub fn zero_teacher(m: usize) -> Target {
        Target::Teacher { weights: Array1::zeros(m), noise: None }
    }

    /// A teacher without label noise.
    pub fn teacher(weights: Array1<f64>) -> Target {
        Target::Teacher { weights, noise: None }
    }

    pub(crate) fn weights(&self) -> Option<ArrayView1<'_, f64>> {
        match self {
            Target::Teacher { weights, .. } => Some(weights.view()),
            Target::Labels(_) => None,
        }
    }
}

/// Test inputs and the labels to be predicted there.
#[derive(Clone, Debug)]
pub struct Sample<'a> {
    /// N × m.
    pub features: ArrayView2<'a, f64>,
    /// Length N.
    pub labels: Array1<f64>,
}

/// What is known of the law of (φ(x), N*(x)): it decides whether the test loss is exact.
///
/// The test loss is exact when Σ is given and the teacher is linear or its moments are given; otherwise
/// it is the mean over the test sample; otherwise undefined. The accuracy P((N − N*)² ≤ tolerance) is
/// exact for Gaussian features and a linear teacher, otherwise the fraction of the test sample.
#[derive(Clone, Debug, Default)]
pub struct Population<'a> {
    /// Σ = E φφᵀ.
    pub covariance: Option<Covariance<'a>>,
    /// h = E φN* and κ = E N*² when the teacher is not linear in the features.
    pub moments: Option<Moments>,
    /// A held-out sample.
    pub sample: Option<Sample<'a>>,
    /// Whether φ is a Gaussian vector; `None` when that is not known (files cannot tell).
    pub gaussian: Option<bool>,
    /// A bound b ≥ ‖φ(x)‖ for all x, if there is one (files cannot tell).
    pub feature_bound: Option<f64>,
}

impl Population<'_> {
    /// φ ~ N(0, variance·I_m).
    pub fn isotropic(m: usize, variance: f64) -> Self {
        Population {
            covariance: Some(Covariance::Isotropic { dimension: m, variance }),
            gaussian: Some(true),
            ..Default::default()
        }
    }
}

/// One ridge regression problem, free of λ, η and the clock.
#[derive(Clone, Debug)]
pub struct Problem<'a> {
    /// Φ, n × m: one row a sample. Row-major views are used without a copy.
    pub features: ArrayView2<'a, f64>,
    pub target: Target,
    /// θ₀, length m.
    pub init: Array1<f64>,
    pub population: Population<'a>,
}

impl<'a> Problem<'a> {
    /// Decomposes the features and projects teacher, labels and θ₀: all that is expensive, once.
    ///
    /// # Errors
    /// Shapes that do not fit, empty or non-finite arrays, a covariance that is not one.
    pub fn spectrum(&self, engine: Engine) -> Result<Spectrum<'a>> {
        Spectrum::of(self, engine)
    }

    pub(crate) fn validate(&self) -> Result<()> {
        let (n, m) = self.features.dim();
        if n == 0 || m == 0 {
            return Err(Error::Empty { name: "features", shape: vec![n, m] });
        }
        check_finite("initial parameters", self.init.view())?;
        check_shape("initial parameters", self.init.shape(), &[m], "one a feature")?;
        match &self.target {
            Target::Teacher { weights, noise } => {
                check_finite("teacher", weights.view())?;
                check_shape("teacher", weights.shape(), &[m], "one a feature")?;
                if let Some(noise) = noise {
                    check_finite("label noise", noise.view())?;
                    check_shape("label noise", noise.shape(), &[n], "one a sample")?;
                }
            }
            Target::Labels(labels) => {
                check_finite("labels", labels.view())?;
                check_shape("labels", labels.shape(), &[n], "one a sample")?;
            }
        }
        let Population { covariance, moments, sample, feature_bound, .. } = &self.population;
        if let Some(covariance) = covariance {
            covariance.validate(m)?;
        }
        if let Some(moments) = moments {
            check_finite("moments h", moments.h.view())?;
            check_shape("moments h", moments.h.shape(), &[m], "one a feature")?;
            check("moment κ", moments.kappa, |k| k >= 0.0, "at least 0")?;
        }
        if let Some(sample) = sample {
            check_finite("test features", sample.features)?;
            check_shape(
                "test features",
                sample.features.shape(),
                &[sample.features.nrows(), m],
                "one column a feature",
            )?;
            check_finite("test labels", sample.labels.view())?;
            check_shape("test labels", sample.labels.shape(), &[sample.features.nrows()], "one a test row")?;
        }
        if let Some(bound) = feature_bound {
            check("feature bound", *bound, |b| b > 0.0, "a positive number")?;
        }
        Ok(())
    }
}
