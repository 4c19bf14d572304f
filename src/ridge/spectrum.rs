//! A problem in the coordinates of its decomposition: computed once, asked often.

use std::sync::{Arc, OnceLock};

use ndarray::{Array1, ArrayView1};

use super::decomposition::{Decomposition, Projection};
use super::risk::{self, Accuracy, Risk};
use super::{Problem, Target};
use crate::data::Covariance;
use crate::error::Result;
use crate::linalg::Engine;

/// Coordinates of a linear teacher.
pub(crate) struct TeacherModes {
    /// ⟨v_i, θ*⟩.
    pub coordinates: Array1<f64>,
    /// ⟨q_i, ξ⟩ of the label noise.
    pub noise: Option<Array1<f64>>,
    /// θ*_⊥ and its norm.
    pub outside: Array1<f64>,
    pub complement: f64,
    /// Lengths of θ₀_⊥ along θ*_⊥ (signed) and across it.
    pub along: f64,
    pub across: f64,
    pub norm: f64,
}

impl TeacherModes {
    /// ⟨q_i, ξ⟩, zero without noise.
    pub fn noise_at(&self, i: usize) -> f64 {
        self.noise.as_ref().map_or(0.0, |c| c[i])
    }
}

/// A problem in the coordinates of its decomposition: the input of every closed form.
pub struct Spectrum<'a> {
    pub(crate) decomposition: Arc<Decomposition<'a>>,
    /// What is computed again in many digits where these do not decide.
    pub(crate) problem: Problem<'a>,
    /// ⟨v_i, θ₀⟩.
    pub(crate) init: Array1<f64>,
    /// θ₀_⊥.
    pub(crate) init_complement: Array1<f64>,
    pub(crate) init_norm: f64,
    /// ⟨q_i, y⟩ and what no parameters can fit, ‖P_{ker Φᵀ} y‖².
    pub(crate) labels: Array1<f64>,
    pub(crate) unfittable: f64,
    pub(crate) labels_norm: f64,
    pub(crate) teacher: Option<TeacherModes>,
    pub(crate) risk: Risk,
    /// Root of the trace of the second moment of the test loss.
    pub(crate) spread: f64,
    pub(crate) accuracy: Accuracy,
    pub(crate) covariance: Option<Covariance<'a>>,
    covariance_range: OnceLock<(f64, f64)>,
    pub(crate) gaussian: Option<bool>,
    pub(crate) feature_bound: Option<f64>,
}

impl<'a> Spectrum<'a> {
    /// Projects a problem on a decomposition of its features (which may serve many problems).
    ///
    /// # Errors
    /// The problem does not fit the decomposition or is not valid.
    pub fn new(decomposition: Arc<Decomposition<'a>>, problem: &Problem<'a>) -> Result<Self> {
        problem.validate()?;
        let (n, m) = decomposition.shape();
        crate::error::check_shape(
            "decomposed features",
            &[n, m],
            problem.features.shape(),
            "the problem's own features",
        )?;
        let projection = decomposition.project(problem)?;
        Spectrum::with(decomposition, projection, problem)
    }

    /// Decomposes the features of a problem and projects it.
    pub(super) fn of(problem: &Problem<'a>, engine: Engine) -> Result<Self> {
        problem.validate()?;
        let (decomposition, projection) = Decomposition::of(problem, engine)?;
        Spectrum::with(Arc::new(decomposition), projection, problem)
    }

    fn with(
        decomposition: Arc<Decomposition<'a>>,
        projection: Projection,
        problem: &Problem<'a>,
    ) -> Result<Self> {
        let Projection { parameters: coordinates, complements: rest, samples, .. } = projection;
        let init_complement = rest.column(0).to_owned();
        let roots: Array1<f64> = decomposition.eigenvalues().iter().map(|s| s.sqrt()).collect();
        let (labels, unfittable, labels_norm, teacher) = match &problem.target {
            Target::Teacher { weights, .. } => {
                let star = coordinates.column(1).to_owned();
                let clean = &roots * &star;
                let (noise, unfittable) = samples.map_or((None, 0.0), |(c, left_over)| (Some(c), left_over));
                let labels = match &noise {
                    Some(noise) => &clean + noise,
                    None => clean,
                };
                let outside = rest.column(1).to_owned();
                let complement = norm(outside.view());
                let inner = init_complement.dot(&outside);
                // As a vector: ‖θ₀_⊥‖² less a square would cancel.
                let mut across = init_complement.clone();
                if inner != 0.0 {
                    across.scaled_add(-inner / outside.dot(&outside), &outside);
                }
                let teacher = TeacherModes {
                    coordinates: star,
                    noise,
                    outside,
                    complement,
                    along: if complement > 0.0 { inner / complement } else { 0.0 },
                    across: norm(across.view()),
                    norm: norm(weights.view()),
                };
                let size = (norm(labels.view()).powi(2) + unfittable).sqrt();
                (labels, unfittable, size, Some(teacher))
            }
            Target::Labels(y) => {
                let (labels, unfittable) = samples.unwrap_or_default();
                (labels, unfittable, norm(y.view()), None)
            }
        };
        let (risk, accuracy, spread) = risk::build(&decomposition, problem, rest.view())?;
        let population = &problem.population;
        Ok(Spectrum {
            problem: problem.clone(),
            init: coordinates.column(0).to_owned(),
            init_norm: norm(problem.init.view()),
            init_complement,
            labels,
            unfittable,
            labels_norm,
            teacher,
            risk,
            spread,
            accuracy,
            covariance: population.covariance.clone(),
            covariance_range: OnceLock::new(),
            gaussian: population.gaussian,
            feature_bound: population.feature_bound,
            decomposition,
        })
    }

    /// (n, m).
    pub fn shape(&self) -> (usize, usize) {
        self.decomposition.shape()
    }

    /// Positive eigenvalues of ΦᵀΦ, ascending.
    pub fn eigenvalues(&self) -> &[f64] {
        self.decomposition.eigenvalues()
    }

    /// L̂ = ‖Φ‖²_F / n, the mean squared length of a feature vector (the paper writes L).
    pub fn mean_square_feature(&self) -> f64 {
        self.decomposition.frobenius_squared() / self.shape().0 as f64
    }

    /// max_i ‖φ(x_i)‖ over the training sample.
    pub fn largest_row_norm(&self) -> f64 {
        self.decomposition.row_norm()
    }

    /// ‖θ₀‖, and ‖θ₀_⊥‖ outside the rows of Φ.
    pub fn init_norms(&self) -> (f64, f64) {
        (self.init_norm, norm(self.init_complement.view()))
    }

    /// ‖θ*‖ and ‖θ*_⊥‖ of a linear teacher.
    pub fn teacher_norms(&self) -> Option<(f64, f64)> {
        self.teacher.as_ref().map(|t| (t.norm, t.complement))
    }

    /// The largest stable step size 2/(λ + s_max/n); beyond it gradient descent diverges.
    pub fn largest_stable_step(&self, weight_decay: f64) -> f64 {
        let top = self.eigenvalues().last().copied().unwrap_or(0.0);
        2.0 / (weight_decay + top / self.shape().0 as f64)
    }

    /// `"exact"`, `"held-out(N)"` or `"undefined"`: how the test loss is obtained.
    pub fn test_risk(&self) -> String {
        match self.risk {
            Risk::Undefined => "undefined".into(),
            Risk::HeldOut { size, .. } => format!("held-out({size})"),
            Risk::Isotropic(_) | Risk::Teacher(_) | Risk::Absolute(_) => "exact".into(),
        }
    }

    /// a*_i, where ⟨v_i, θ⟩ ends; g = s_i/n + λ.
    pub(crate) fn limit(&self, i: usize, g: f64) -> f64 {
        self.eigenvalues()[i].sqrt() * self.labels[i] / (self.shape().0 as f64 * g)
    }

    /// a*_i − ⟨v_i, θ*⟩, where ⟨v_i, θ − θ*⟩ ends, without the cancellation; 0 without a linear teacher.
    pub(crate) fn bias(&self, i: usize, g: f64, weight_decay: f64) -> f64 {
        let Some(teacher) = &self.teacher else { return 0.0 };
        let (samples, root) = (self.shape().0 as f64, self.eigenvalues()[i].sqrt());
        root * teacher.noise_at(i) / (samples * g) - weight_decay / g * teacher.coordinates[i]
    }

    /// Smallest and largest eigenvalue of Σ, computed at most once; `None` when Σ is unknown or larger
    /// than `limit` (see [`Covariance::extreme_eigenvalues`]).
    pub(crate) fn covariance_range(&self, limit: usize) -> Result<Option<(f64, f64)>> {
        let Some(covariance) = &self.covariance else { return Ok(None) };
        if let Some(&range) = self.covariance_range.get() {
            return Ok(Some(range));
        }
        let range = covariance.extreme_eigenvalues(limit, self.decomposition.engine())?;
        Ok(range.map(|range| *self.covariance_range.get_or_init(|| range)))
    }

    pub(crate) fn eigenvalue_errors(&self) -> &[f64] {
        self.decomposition.eigenvalue_errors()
    }

    /// Bound on the singular values that count as zero, and its square; 0 where none does, or where they certainly
    /// are zero.
    pub(crate) fn unseen(&self) -> f64 {
        self.decomposition.unseen()
    }

    pub(crate) fn unseen_square(&self) -> f64 {
        self.unseen() * self.unseen()
    }

    pub(crate) fn backward_error(&self) -> Option<f64> {
        self.decomposition.backward_error()
    }
}

pub(crate) fn norm(x: ArrayView1<'_, f64>) -> f64 {
    x.dot(&x).sqrt()
}
