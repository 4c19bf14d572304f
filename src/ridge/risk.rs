//! The test loss and the accuracy as forms in the modes of a trajectory.

use std::sync::Arc;

use ndarray::{Array2, ArrayView1, ArrayView2, Axis, concatenate};

use super::decomposition::Decomposition;
use super::{Problem, Sample, Target};
use crate::error::{Error, Result};
use crate::linalg::Engine;

/// How the test loss is evaluated; matrices are shared by the trajectories of a spectrum.
pub(crate) enum Risk {
    /// Σ = vI and a linear teacher: a sum of squares.
    Isotropic(f64),
    /// zᵀMz with z the modes of θ_t − θ*, the decaying and the constant complement.
    Teacher(Arc<Array2<f64>>),
    /// zᵀMz with z the modes of θ_t, the decaying complement, and 1.
    Absolute(Arc<Array2<f64>>),
    /// The same, averaged over a test sample.
    HeldOut {
        form: Arc<Array2<f64>>,
        size: usize,
    },
    Undefined,
}

/// How the accuracy is evaluated.
pub(crate) enum Accuracy {
    /// The residual is Gaussian with variance L.
    Gaussian,
    /// Residuals of a test sample, in the modes of θ_t, the decaying complement, and 1: N × (k + 2).
    Sampled(Arc<Array2<f64>>),
    Undefined,
}

/// `complements`: columns θ₀_⊥ and, for a linear teacher, θ*_⊥.
pub(crate) fn build(
    decomposition: &Decomposition<'_>,
    problem: &Problem<'_>,
    complements: ArrayView2<'_, f64>,
) -> Result<(Risk, Accuracy)> {
    let population = &problem.population;
    let linear = matches!(problem.target, Target::Teacher { .. });
    let engine = decomposition.engine();

    let residuals = match &population.sample {
        Some(sample) => Some(residuals(decomposition, sample, complements.column(0), engine)?),
        None => None,
    };
    let risk = match (&population.covariance, &population.moments, &residuals) {
        (Some(covariance), moments, _) if linear || moments.is_some() => match (covariance, moments) {
            (crate::data::Covariance::Isotropic { variance, .. }, None) => Risk::Isotropic(*variance),
            (_, None) => {
                let mut basis = with_columns(decomposition.right_vectors()?, complements)?;
                let last = basis.ncols() - 1;
                basis.column_mut(last).mapv_inplace(|x| -x);
                let image = covariance.apply(basis.view())?;
                Risk::Teacher(Arc::new(symmetric(engine.matmul(basis.t(), image.view())?)))
            }
            (_, Some(moments)) => {
                let start = complements.column(0).insert_axis(Axis(1));
                let basis = with_columns(decomposition.right_vectors()?, start)?;
                let image = covariance.apply(basis.view())?;
                let form = symmetric(engine.matmul(basis.t(), image.view())?);
                let pull = engine.matvec(basis.t(), moments.h.view())?;
                Risk::Absolute(Arc::new(bordered(form, pull.view(), moments.kappa)))
            }
        },
        (_, _, Some(residuals)) => {
            let size = residuals.nrows();
            Risk::HeldOut { form: Arc::new(engine.gram(residuals.t()) / size as f64), size }
        }
        _ => Risk::Undefined,
    };
    let exact = population.gaussian == Some(true) && linear && population.covariance.is_some();
    let accuracy = match residuals {
        _ if exact => Accuracy::Gaussian,
        Some(residuals) => Accuracy::Sampled(Arc::new(residuals)),
        None => Accuracy::Undefined,
    };
    Ok((risk, accuracy))
}

/// Columns Φ_test V, Φ_test θ₀_⊥, −y_test.
fn residuals(
    decomposition: &Decomposition<'_>,
    sample: &Sample<'_>,
    init_complement: ArrayView1<'_, f64>,
    engine: Engine,
) -> Result<Array2<f64>> {
    let basis = with_columns(decomposition.right_vectors()?, init_complement.insert_axis(Axis(1)))?;
    let outputs = engine.matmul(sample.features, basis.view())?;
    let minus_labels = -&sample.labels;
    let all = with_columns(outputs, minus_labels.view().insert_axis(Axis(1)))?;
    Ok(all.as_standard_layout().into_owned())
}

fn with_columns(left: Array2<f64>, right: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
    concatenate(Axis(1), &[left.view(), right])
        .map_err(|e| Error::Numerical { method: "joining columns", detail: e.to_string() })
}

fn symmetric(a: Array2<f64>) -> Array2<f64> {
    let sum = &a + &a.t();
    (0.5 * sum).as_standard_layout().into_owned()
}

/// [[A, −b], [−bᵀ, c]].
fn bordered(a: Array2<f64>, b: ArrayView1<'_, f64>, c: f64) -> Array2<f64> {
    let k = b.len();
    Array2::from_shape_fn((k + 1, k + 1), |(i, j)| match (i == k, j == k) {
        (false, false) => a[(i, j)],
        (true, true) => c,
        _ => -b[i.min(j)],
    })
}
