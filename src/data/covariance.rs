//! Second moments Σ = E φφᵀ of feature vectors, exact where the law is known.

use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

use super::features::{FourierFeatures, ReluFeatures};
use crate::error::{Result, check, check_shape};
use crate::linalg::{Engine, check_symmetric};

/// Rows of Σ formed at a time: a tile is `TILE` × m.
const TILE: usize = 128;

/// Σ = E φφᵀ, stored no larger than it must be: an m × m matrix only if that is what was given.
#[derive(Clone, Debug)]
pub enum Covariance<'a> {
    /// Σ = variance·I.
    Isotropic { dimension: usize, variance: f64 },
    /// A symmetric positive semidefinite matrix.
    Dense(ArrayView2<'a, f64>),
    /// Random ReLU features of Gaussian inputs; entries by the arc-cosine kernel of degree 1.
    Relu(&'a ReluFeatures),
    /// Random Fourier features of Gaussian inputs.
    Fourier(&'a FourierFeatures),
}

/// h = E φN* and κ = E N*² of a teacher N* that need not be linear in the features.
#[derive(Clone, Debug)]
pub struct Moments {
    /// Length m.
    pub h: Array1<f64>,
    pub kappa: f64,
}

impl Covariance<'_> {
    /// The number of features m.
    pub fn dimension(&self) -> usize {
        match self {
            Covariance::Isotropic { dimension, .. } => *dimension,
            Covariance::Dense(matrix) => matrix.nrows(),
            Covariance::Relu(features) => features.width(),
            Covariance::Fourier(features) => features.width(),
        }
    }

    /// Checks that this can be the second moment of `m` features.
    ///
    /// # Errors
    /// Wrong dimension, negative variance, not symmetric, not finite, a negative diagonal entry.
    pub fn validate(&self, m: usize) -> Result<()> {
        check_shape("covariance", &[self.dimension()], &[m], "one row a feature")?;
        match self {
            Covariance::Isotropic { variance, .. } => {
                check("covariance variance", *variance, |v| v > 0.0, "a positive number").map(|_| ())
            }
            Covariance::Dense(matrix) => {
                check_symmetric("covariance", *matrix)?;
                let smallest = matrix.diag().iter().copied().fold(f64::INFINITY, f64::min);
                check("smallest diagonal entry of the covariance", smallest, |d| d >= 0.0, "at least 0")
                    .map(|_| ())
            }
            Covariance::Relu(_) | Covariance::Fourier(_) => Ok(()),
        }
    }

    /// Rows `first..last` of Σ.
    fn rows(&self, first: usize, last: usize) -> Array2<f64> {
        match self {
            Covariance::Isotropic { dimension, variance } => {
                let mut block = Array2::zeros((last - first, *dimension));
                for i in first..last {
                    block[(i - first, i)] = *variance;
                }
                block
            }
            Covariance::Dense(matrix) => matrix.slice(s![first..last, ..]).to_owned(),
            Covariance::Relu(features) => features.second_moment_rows(first, last),
            Covariance::Fourier(features) => features.second_moment_rows(first, last),
        }
    }

    /// Σ X for X of m rows; tiles of Σ in parallel, each computed by one thread, so that the result does
    /// not depend on the number of threads.
    ///
    /// # Errors
    /// X has not m rows.
    pub fn apply(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        let m = self.dimension();
        check_shape("right factor of the covariance", x.shape(), &[m, x.ncols()], "one row a feature")?;
        if let Covariance::Isotropic { variance, .. } = self {
            return Ok(&x * *variance);
        }
        let mut out = Array2::zeros(x.raw_dim());
        out.axis_chunks_iter_mut(Axis(0), TILE).into_par_iter().enumerate().try_for_each(
            |(tile, mut target)| -> Result<()> {
                let first = tile * TILE;
                let last = (first + TILE).min(m);
                let product = match self {
                    Covariance::Dense(matrix) => {
                        Engine::SEQUENTIAL.matmul(matrix.slice(s![first..last, ..]), x)?
                    }
                    _ => Engine::SEQUENTIAL.matmul(self.rows(first, last).view(), x)?,
                };
                target.assign(&product);
                Ok(())
            },
        )?;
        Ok(out)
    }

    /// tr Σ, in O(m).
    pub(crate) fn trace(&self) -> f64 {
        match self {
            Covariance::Isotropic { dimension, variance } => *dimension as f64 * variance,
            Covariance::Dense(matrix) => matrix.diag().sum(),
            Covariance::Relu(features) => features.second_moment_trace(),
            Covariance::Fourier(features) => features.second_moment_trace(),
        }
    }

    /// tr Σ and ‖Σ‖²_F.
    pub fn trace_and_square(&self) -> (f64, f64) {
        let m = self.dimension();
        if let Covariance::Isotropic { variance, .. } = self {
            return (m as f64 * variance, m as f64 * variance * variance);
        }
        let tiles: Vec<(f64, f64)> = (0..m.div_ceil(TILE))
            .into_par_iter()
            .map(|tile| {
                let first = tile * TILE;
                let block = self.rows(first, (first + TILE).min(m));
                let trace = (0..block.nrows()).map(|i| block[(i, first + i)]).sum();
                (trace, block.iter().map(|x| x * x).sum())
            })
            .collect();
        tiles.iter().fold((0.0, 0.0), |(t, q), (dt, dq)| (t + dt, q + dq))
    }

    /// Smallest and largest eigenvalue of Σ; `None` when that needs a decomposition larger than
    /// `limit` × `limit` (m³ work: theorems that need λ_min(Σ) are then not evaluated).
    ///
    /// # Errors
    /// The decomposition fails.
    pub fn extreme_eigenvalues(&self, limit: usize, engine: Engine) -> Result<Option<(f64, f64)>> {
        let m = self.dimension();
        if let Covariance::Isotropic { variance, .. } = self {
            return Ok(Some((*variance, *variance)));
        }
        if m > limit {
            return Ok(None);
        }
        let values = engine.eigh(self.rows(0, m).view())?.values;
        // A positive semidefinite matrix has no negative eigenvalue; rounding may say otherwise.
        Ok(Some((values[0].max(0.0), values[m - 1])))
    }
}
