//! Principal components of embeddings, and how many of them matter.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use crate::error::{Error, Result, check_finite};
use crate::linalg::Engine;

/// Principal components: directions (d × min(p, d), one a column) and their shares of the variance,
/// descending.
///
/// # Errors
/// Empty or not finite; all symbols at the same place.
pub fn principal_components(embeddings: ArrayView2<'_, f64>) -> Result<(Array2<f64>, Array1<f64>)> {
    check_finite("embeddings", embeddings)?;
    let mean = embeddings.sum_axis(Axis(0)) / embeddings.nrows() as f64;
    let svd = Engine::SEQUENTIAL.thin_svd((&embeddings - &mean).view())?;
    let squares = svd.values.mapv(|s| s * s);
    let total = squares.sum();
    if total == 0.0 {
        return Err(Error::Parameter {
            name: "spread of the embeddings",
            value: 0.0,
            expected: "above 0 in some dimension".into(),
        });
    }
    Ok((svd.right, squares / total))
}

/// exp(−Σ σ_i ln σ_i) with σ_i the shares of variance of the principal components: 1 for a line, 2 for a
/// circle.
///
/// ```
/// use groktime::data::components::effective_dimension;
/// let circle = ndarray::Array2::from_shape_fn((12, 5), |(k, d)| {
///     let angle = std::f64::consts::TAU * k as f64 / 12.0;
///     match d { 0 => angle.cos(), 1 => angle.sin(), _ => 0.0 }
/// });
/// assert!((effective_dimension(circle.view())? - 2.0).abs() < 1e-12);
/// # Ok::<(), groktime::Error>(())
/// ```
///
/// # Errors
/// As [`principal_components`].
pub fn effective_dimension(embeddings: ArrayView2<'_, f64>) -> Result<f64> {
    let (_, shares) = principal_components(embeddings)?;
    let entropy: f64 = shares.iter().filter(|s| **s > 0.0).map(|&s| -s * libm::log(s)).sum();
    Ok(libm::exp(entropy))
}
