//! The interpolant of least Euclidean norm.

use ndarray::Array1;

use super::newton::{largest, norm};
use super::{Farkas, Limit, Report, check_labels};
use crate::data::Design;
use crate::error::Result;
use crate::linalg::{Engine, Threads, cholesky_solve_columns, dot};

/// The w of least ‖w‖₂ with Xw = y.
#[derive(Clone, Debug)]
pub struct MinNorm {
    /// w = Xᵀν (length d).
    pub weights: Array1<f64>,
    /// ν = (XXᵀ)⁺y (length n).
    pub multipliers: Array1<f64>,
    /// Of ½‖w‖²; the dual is yᵀν − ½‖Xᵀν‖².
    pub report: Report,
}

/// Part of the largest eigenvalue of XXᵀ below which one counts as zero.
const RANK: f64 = 1e-13;
/// Part of y that may be left over where Xw = y is called solvable.
const LEFT_OVER: f64 = 1e-9;

/// The interpolant of least Euclidean norm: the kernel limit of a diagonal net under squared loss.
///
/// ```
/// use groktime::data::Design;
/// use groktime::limits::{Limit, min_norm};
/// let x = Design::new(ndarray::array![[1.0, 1.0]].view())?;
/// let w = min_norm(&x, &[2.0], Default::default())?.found().unwrap();
/// assert!((w.weights[0] - 1.0).abs() < 1e-15);
/// // Two samples of one coordinate that disagree.
/// let x = Design::new(ndarray::array![[1.0], [1.0]].view())?;
/// assert!(matches!(min_norm(&x, &[1.0, 2.0], Default::default())?, Limit::Infeasible(_)));
/// # Ok::<(), groktime::Error>(())
/// ```
///
/// # Errors
/// As many labels as samples, finite labels.
pub fn min_norm(x: &Design, y: &[f64], threads: Threads) -> Result<Limit<MinNorm>> {
    check_labels(x, y, false)?;
    let inverse = Inverse::new(x, threads)?;
    let mut nu = vec![0.0; y.len()];
    let mut w = vec![0.0; x.dimension()];
    let mut left = y.to_vec();
    // The first pass solves, the others refine.
    for _ in 0..3 {
        let step = inverse.apply(&left);
        nu.iter_mut().zip(&step).for_each(|(nu, step)| *nu += step);
        x.apply_transpose(&nu, &mut w, threads);
        x.apply(&w, &mut left, threads);
        left.iter_mut().zip(y).for_each(|(left, y)| *left = y - *left);
    }
    if norm(&left) > LEFT_OVER * norm(y) {
        let total = dot(&left, y);
        let multipliers: Vec<f64> = left.iter().map(|left| left / total).collect();
        let mut image = vec![0.0; x.dimension()];
        x.apply_transpose(&multipliers, &mut image, threads);
        return Ok(Limit::Infeasible(Farkas { multipliers: multipliers.into(), bound: norm(&image) }));
    }
    let objective = dot(&w, &w) / 2.0;
    let dual_objective = dot(y, &nu) - objective;
    let report = Report {
        objective,
        dual_objective,
        gap: (objective - dual_objective) / objective.max(f64::MIN_POSITIVE),
        infeasibility: largest(&left) / largest(y).max(f64::MIN_POSITIVE),
        iterations: 1,
        unique: Some(true),
        dual_unique: Some(inverse.is_regular()),
    };
    Ok(Limit::Found(MinNorm { weights: w.into(), multipliers: nu.into(), report }))
}

/// (XXᵀ)⁺.
enum Inverse {
    /// The lower factor, column-major.
    Cholesky(Vec<f64>),
    /// Eigenvalues above the cut, with their vectors; less than n of them.
    Eigen(Vec<(f64, Vec<f64>)>),
}

impl Inverse {
    fn new(x: &Design, threads: Threads) -> Result<Self> {
        let gram = x.gram(threads);
        if let Ok(factor) = Engine::SEQUENTIAL.cholesky(gram.view()) {
            let pivots = factor.diag();
            let largest = pivots.iter().fold(0.0_f64, |m, p| m.max(*p));
            if pivots.iter().all(|p| p * p > 1e-8 * largest * largest) {
                return Ok(Inverse::Cholesky(factor.t().iter().copied().collect()));
            }
        }
        let eigen = Engine::SEQUENTIAL.eigh(gram.view())?;
        let top = eigen.values.iter().fold(0.0_f64, |m, v| m.max(*v));
        let pairs = eigen.values.iter().zip(eigen.vectors.columns());
        let kept = pairs.filter(|(value, _)| **value > RANK * top);
        Ok(Inverse::Eigen(kept.map(|(value, vector)| (*value, vector.to_vec())).collect()))
    }

    fn is_regular(&self) -> bool {
        match self {
            Inverse::Cholesky(_) => true,
            Inverse::Eigen(pairs) => pairs.first().is_some_and(|(_, vector)| vector.len() == pairs.len()),
        }
    }

    fn apply(&self, b: &[f64]) -> Vec<f64> {
        match self {
            Inverse::Cholesky(factor) => {
                let mut x = b.to_vec();
                cholesky_solve_columns(factor, &mut x);
                x
            }
            Inverse::Eigen(pairs) => {
                let mut x = vec![0.0; b.len()];
                for (value, vector) in pairs {
                    let part = dot(vector, b) / value;
                    x.iter_mut().zip(vector).for_each(|(x, v)| *x += part * v);
                }
                x
            }
        }
    }
}
