//! The decomposition of the features, and everything else in its coordinates: computed once, asked often.

use std::sync::{Arc, OnceLock};

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, concatenate, s};

use super::risk::{self, Accuracy, Risk};
use super::{Problem, Target};
use crate::data::Covariance;
use crate::error::{Error, Result, check_finite};
use crate::linalg::{EPS, Engine, numerical_rank};

/// Above this condition number of ΦᵀΦ the Gram matrix is not decomposed (it would square the condition
/// number of Φ and cost digits of the small eigenvalues); a singular value decomposition is.
const GRAM_CONDITION: f64 = 1e3;

/// Constant of the a-priori backward error: |E| ≤ BACKWARD·√n·ε·|A| for an n × n decomposition.
const BACKWARD: f64 = 20.0;

/// Singular vectors as far as they are stored; the others follow by one product with Φ.
enum Vectors {
    /// Left vectors Q (n × k); right ones are Φᵀ Q S^{−1/2}.
    Left(Array2<f64>),
    /// Right vectors V (m × k); left ones are Φ V S^{−1/2}.
    Right(Array2<f64>),
    Both(Array2<f64>, Array2<f64>),
}

/// Positive eigenvalues s_i of ΦᵀΦ and the singular vectors of Φ, independent of labels and of θ₀.
///
/// The smaller of ΦΦᵀ and ΦᵀΦ is decomposed when its condition number is below 10³, otherwise Φ itself
/// (QR, then SVD of the triangular factor). Singular values below max(n, m)·ε·σ_max count as zero.
pub struct Decomposition<'a> {
    features: ArrayView2<'a, f64>,
    engine: Engine,
    vectors: Vectors,
    eigenvalues: Vec<f64>,
    /// Bound on the error of each eigenvalue.
    eigenvalue_errors: Vec<f64>,
    row_norm: f64,
    frobenius_squared: f64,
}

impl<'a> Decomposition<'a> {
    /// Decomposes an n × m feature matrix.
    ///
    /// # Errors
    /// Empty or non-finite features; a decomposition that does not converge.
    pub fn new(features: ArrayView2<'a, f64>, engine: Engine) -> Result<Self> {
        let (n, m) = features.dim();
        if n == 0 || m == 0 {
            return Err(Error::Empty { name: "features", shape: vec![n, m] });
        }
        let wide = n <= m;
        let gram = engine.gram(if wide { features } else { features.reversed_axes() });
        let frobenius_squared = gram.diag().sum();
        if !frobenius_squared.is_finite() {
            check_finite("features", features)?;
            return Err(Error::Numerical {
                method: "Gram matrix of the features",
                detail: "its entries overflow: scale the features down".into(),
            });
        }
        let row_norm = match wide {
            true => gram.diag().iter().copied().fold(0.0, f64::max).sqrt(),
            false => features.outer_iter().map(|r| r.dot(&r)).fold(0.0, f64::max).sqrt(),
        };
        let small = n.min(m);
        let eigen = engine.eigh(gram.view())?;
        drop(gram);
        let (smallest, largest) = (eigen.values[0], eigen.values[small - 1]);
        let spread = BACKWARD * (small as f64).sqrt() * EPS;
        let (vectors, eigenvalues, eigenvalue_errors) = if smallest * GRAM_CONDITION > largest {
            // Accumulating the products adds √(length)·ε to the error of the decomposition.
            let error = (spread + (n.max(m) as f64).sqrt() * EPS) * largest;
            let values = eigen.values.to_vec();
            let vectors = if wide { Vectors::Left(eigen.vectors) } else { Vectors::Right(eigen.vectors) };
            (vectors, values, vec![error; small])
        } else {
            drop(eigen);
            let svd = engine.thin_svd(features)?;
            let rank = numerical_rank(&svd.values.to_vec(), n, m);
            let top = svd.values[0];
            // Ascending, as the eigenvalues of the other route.
            let kept: Vec<f64> = svd.values.iter().take(rank).rev().copied().collect();
            let errors = kept.iter().map(|s| 2.0 * s * spread * top).collect();
            let flip = |a: Array2<f64>| a.slice(s![.., ..rank;-1]).to_owned();
            let values = kept.iter().map(|s| s * s).collect();
            (Vectors::Both(flip(svd.left), flip(svd.right)), values, errors)
        };
        Ok(Decomposition {
            features,
            engine,
            vectors,
            eigenvalues,
            eigenvalue_errors,
            row_norm,
            frobenius_squared,
        })
    }

    /// (n, m).
    pub fn shape(&self) -> (usize, usize) {
        self.features.dim()
    }

    /// Positive eigenvalues of ΦᵀΦ, ascending; their number is the numerical rank.
    pub fn eigenvalues(&self) -> &[f64] {
        &self.eigenvalues
    }

    pub(crate) fn engine(&self) -> Engine {
        self.engine
    }

    fn inverse_roots(&self) -> Array1<f64> {
        self.eigenvalues.iter().map(|s| 1.0 / s.sqrt()).collect()
    }

    /// ⟨v_i, x⟩ for the columns x of an m × c matrix: k × c.
    pub(crate) fn right_coordinates(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        match &self.vectors {
            Vectors::Left(q) => {
                let image = self.engine.matmul(self.features, x)?;
                let mut c = self.engine.matmul(q.t(), image.view())?;
                c *= &self.inverse_roots().insert_axis(Axis(1));
                Ok(c)
            }
            Vectors::Right(v) | Vectors::Both(_, v) => self.engine.matmul(v.t(), x),
        }
    }

    /// Σ_i c_i v_i for the columns c of a k × c matrix: m × c.
    pub(crate) fn span(&self, c: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        match &self.vectors {
            Vectors::Left(q) => {
                let scaled = &c * &self.inverse_roots().insert_axis(Axis(1));
                let image = self.engine.matmul(q.view(), scaled.view())?;
                self.engine.matmul(self.features.reversed_axes(), image.view())
            }
            Vectors::Right(v) | Vectors::Both(_, v) => self.engine.matmul(v.view(), c),
        }
    }

    /// ⟨q_i, y⟩ and ‖y − Σ⟨q_i, y⟩q_i‖² for a vector over the samples.
    fn left_coordinates(&self, y: ArrayView1<'_, f64>) -> Result<(Array1<f64>, f64)> {
        let n = self.features.nrows();
        let (coordinates, fitted) = match &self.vectors {
            Vectors::Left(q) | Vectors::Both(q, _) => {
                let c = self.engine.matvec(q.t(), y)?;
                let fitted = self.engine.matvec(q.view(), c.view())?;
                (c, fitted)
            }
            Vectors::Right(v) => {
                let back = self.engine.matvec(self.features.reversed_axes(), y)?;
                let roots = self.inverse_roots();
                let c = self.engine.matvec(v.t(), back.view())? * &roots;
                let lifted = self.engine.matvec(v.view(), (&c * &roots).view())?;
                (c, self.engine.matvec(self.features, lifted.view())?)
            }
        };
        // With full row rank nothing is left over; the difference would only be rounding.
        let left_over = match self.eigenvalues.len() == n {
            true => 0.0,
            false => (&y - &fitted).mapv(|r| r * r).sum(),
        };
        Ok((coordinates, left_over))
    }

    /// Coordinates of the columns of an m × c matrix and what is orthogonal to all rows of Φ, projected
    /// twice so that it is orthogonal to rounding.
    fn split(&self, x: Array2<f64>) -> Result<(Array2<f64>, Array2<f64>)> {
        let mut coordinates = self.right_coordinates(x.view())?;
        if self.eigenvalues.len() == self.features.ncols() {
            return Ok((coordinates, Array2::zeros(x.raw_dim())));
        }
        let mut rest = x;
        rest -= &self.span(coordinates.view())?;
        let again = self.right_coordinates(rest.view())?;
        rest -= &self.span(again.view())?;
        coordinates += &again;
        Ok((coordinates, rest))
    }

    /// The right singular vectors v_i as columns of an m × k matrix.
    pub(crate) fn right_vectors(&self) -> Result<Array2<f64>> {
        match &self.vectors {
            Vectors::Right(v) | Vectors::Both(_, v) => Ok(v.clone()),
            Vectors::Left(_) => self.span(Array2::eye(self.eigenvalues.len()).view()),
        }
    }
}

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
        crate::error::check_shape(
            "decomposed features",
            decomposition.features.shape(),
            problem.features.shape(),
            "the problem's own features",
        )?;
        let init = problem.init.view().insert_axis(Axis(1));
        let both = match problem.target.weights() {
            Some(weights) => concatenate(Axis(1), &[init, weights.insert_axis(Axis(1))]),
            None => Ok(init.to_owned()),
        }
        .map_err(|e| Error::Numerical { method: "stacking vectors", detail: e.to_string() })?;
        let (coordinates, rest) = decomposition.split(both)?;
        let init_complement = rest.column(0).to_owned();

        let roots: Array1<f64> = decomposition.eigenvalues.iter().map(|s| s.sqrt()).collect();
        let (labels, unfittable, labels_norm, teacher) = match &problem.target {
            Target::Teacher { weights, noise } => {
                let star = coordinates.column(1).to_owned();
                let clean = &roots * &star;
                let (noise, unfittable) = match noise {
                    Some(noise) => {
                        let (c, left_over) = decomposition.left_coordinates(noise.view())?;
                        (Some(c), left_over)
                    }
                    None => (None, 0.0),
                };
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
                let (labels, unfittable) = decomposition.left_coordinates(y.view())?;
                (labels, unfittable, norm(y.view()), None)
            }
        };
        let (risk, accuracy) = risk::build(&decomposition, problem, rest.view())?;
        let population = &problem.population;
        Ok(Spectrum {
            init: coordinates.column(0).to_owned(),
            init_norm: norm(problem.init.view()),
            init_complement,
            labels,
            unfittable,
            labels_norm,
            teacher,
            risk,
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
        &self.decomposition.eigenvalues
    }

    /// L̂ = ‖Φ‖²_F / n, the mean squared length of a feature vector (the paper writes L).
    pub fn mean_square_feature(&self) -> f64 {
        self.decomposition.frobenius_squared / self.shape().0 as f64
    }

    /// max_i ‖φ(x_i)‖ over the training sample.
    pub fn largest_row_norm(&self) -> f64 {
        self.decomposition.row_norm
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
        (root * teacher.noise_at(i) - samples * weight_decay * teacher.coordinates[i]) / (samples * g)
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
        &self.decomposition.eigenvalue_errors
    }
}

pub(crate) fn norm(x: ArrayView1<'_, f64>) -> f64 {
    x.dot(&x).sqrt()
}
