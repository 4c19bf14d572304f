//! The test loss and the accuracy as forms in the modes of a trajectory.

use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, concatenate, s};

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
    /// ‖Rz‖² with the residuals of a test sample, divided by the root of its size and reduced to a triangle
    /// where there are more of them than columns. `z` are the modes of θ_t − θ* for a linear teacher, whose
    /// residuals are small where the sample's labels are its own; otherwise those of θ_t.
    HeldOut {
        factor: Arc<Array2<f64>>,
        size: usize,
    },
    Undefined,
}

/// How the accuracy is evaluated.
pub(crate) enum Accuracy {
    /// The residual is Gaussian with variance L.
    Gaussian,
    /// Residuals of a test sample, in the same modes as [`Risk::HeldOut`]: N × (k + 2).
    Sampled {
        residuals: Arc<Array2<f64>>,
        /// ‖φ(x)‖ of each row.
        lengths: Arc<[f64]>,
    },
    Undefined,
}

/// The test loss and the accuracy, and the root of the trace of the second moment that the loss is taken with.
/// `complements`: columns θ₀_⊥ and, for a linear teacher, θ*_⊥.
pub(crate) fn build(
    decomposition: &Decomposition<'_>,
    problem: &Problem<'_>,
    complements: ArrayView2<'_, f64>,
) -> Result<(Risk, Accuracy, f64)> {
    let population = &problem.population;
    let linear = matches!(problem.target, Target::Teacher { .. });
    let engine = decomposition.engine();

    let residuals = match &population.sample {
        Some(sample) => Some(residuals(decomposition, sample, &problem.target, complements, engine)?),
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
            Risk::HeldOut { factor: Arc::new(factor(residuals.view(), engine)?), size: residuals.nrows() }
        }
        _ => Risk::Undefined,
    };
    let exact = population.gaussian == Some(true) && linear && population.covariance.is_some();
    let accuracy = match residuals {
        _ if exact => Accuracy::Gaussian,
        Some(residuals) => {
            let rows = population.sample.iter().flat_map(|sample| sample.features.outer_iter());
            let lengths = rows.map(|row| row.dot(&row).sqrt()).collect();
            Accuracy::Sampled { residuals: Arc::new(residuals), lengths }
        }
        None => Accuracy::Undefined,
    };
    let trace = match (&risk, &population.covariance, &population.sample) {
        (Risk::HeldOut { size, .. }, _, Some(sample)) => {
            sample.features.iter().map(|x| x * x).sum::<f64>() / *size as f64
        }
        (_, Some(covariance), _) => covariance.trace(),
        _ => 0.0,
    };
    Ok((risk, accuracy, trace.sqrt()))
}

/// Columns Φ_test V, Φ_test θ₀_⊥, and −y_test; for a linear teacher −Φ_test θ*_⊥ + (Φ_test θ* − y_test), where
/// the difference is zero for the teacher's own labels and is formed in twice the digits.
fn residuals(
    decomposition: &Decomposition<'_>,
    sample: &Sample<'_>,
    target: &Target,
    complements: ArrayView2<'_, f64>,
    engine: Engine,
) -> Result<Array2<f64>> {
    let basis = with_columns(decomposition.right_vectors()?, complements)?;
    let mut outputs = engine.matmul(sample.features, basis.view())?;
    let constant = match target {
        Target::Teacher { weights, .. } => {
            let last = outputs.ncols() - 1;
            let outside = outputs.column(last).to_owned();
            let rows = sample.features.outer_iter().zip(&sample.labels).zip(&outside);
            let constant = rows.map(|((row, y), outside)| difference(row, weights.view(), *y) - outside);
            let constant: Array1<f64> = constant.collect();
            outputs = outputs.slice_move(s![.., ..last]);
            constant
        }
        Target::Labels(_) => -&sample.labels,
    };
    let all = with_columns(outputs, constant.view().insert_axis(Axis(1)))?;
    Ok(all.as_standard_layout().into_owned())
}

/// ⟨a, b⟩ − y with products and sums in twice the digits (Ogita, Rump and Oishi, 2005).
fn difference(a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>, y: f64) -> f64 {
    let (mut sum, mut rest) = (-y, 0.0);
    for (a, b) in a.iter().zip(b) {
        let product = a * b;
        let next = sum + product;
        let kept = next - sum;
        rest += (sum - (next - kept)) + (product - kept) + a.mul_add(*b, -product);
        sum = next;
    }
    sum + rest
}

/// R of the residuals, divided by the root of their number.
fn factor(residuals: ArrayView2<'_, f64>, engine: Engine) -> Result<Array2<f64>> {
    let (rows, columns) = residuals.dim();
    let scale = 1.0 / (rows as f64).sqrt();
    if rows <= columns {
        return Ok(&residuals * scale);
    }
    // Columns of one size, by powers of two: a decomposition knows each to the rounding of the largest.
    let size = |column: ArrayView1<'_, f64>| {
        let largest = column.iter().fold(0.0_f64, |a, x| a.max(x.abs()));
        if largest > 0.0 { largest.log2().floor().exp2() } else { 0.0 }
    };
    let sizes: Array1<f64> = residuals.columns().into_iter().map(size).collect();
    let units = sizes.mapv(|size| if size > 0.0 { size } else { 1.0 });
    let reduced = engine.thin_svd((&residuals / &units).view())?;
    // A column of zeros is one again.
    let triangle = (&reduced.values * scale).insert_axis(Axis(1)) * reduced.right.t() * &sizes;
    Ok(triangle.as_standard_layout().into_owned())
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
