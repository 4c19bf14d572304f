//! A few extreme eigenvalues of an operator that is only applied to vectors, and eigenvalues of many small
//! matrices without allocation.

use faer::dyn_stack::{MemBuffer, MemStack, StackReq};
use faer::linalg::evd;
use faer::matrix_free::LinOp;
use faer::matrix_free::eigen::{
    PartialEigenParams, partial_self_adjoint_eigen, partial_self_adjoint_eigen_scratch,
};
use faer::prelude::default;
use faer::{ColRef, MatMut, MatRef, Par};
use ndarray::{Array1, Array2, ShapeBuilder};

use super::{EPS, Eigh};
use crate::error::{Error, Result, check, check_shape};

/// A symmetric matrix known by what it does to a vector.
pub trait SymmetricOperator: Sync {
    /// Number of rows and columns.
    fn dimension(&self) -> usize;

    /// y = A x.
    fn apply(&self, x: &[f64], y: &mut [f64]);
}

/// Dimensions of the Krylov space: after a restart, and at most.
const KEPT: usize = 24;
const LARGEST: usize = 72;

/// Smallest matrix for which the Lanczos iteration has room for its space.
pub const LANCZOS_FROM: usize = 2 * LARGEST;

/// The `count` eigenvalues of largest modulus, descending by modulus, with eigenvectors: thick-restart Lanczos (faer's).
///
/// Each pair has a residual ‖Av − λv‖ ≤ tolerance, so each value is within `tolerance` of an eigenvalue
/// (and far closer when its gap to the next is larger). Of an eigenvalue with several eigenvectors only
/// one is sure to be found: project it out and ask again.
///
/// ```
/// use groktime::linalg::{SymmetricOperator, largest_eigenpairs};
/// struct Diagonal;
/// impl SymmetricOperator for Diagonal {
///     fn dimension(&self) -> usize {
///         400
///     }
///     fn apply(&self, x: &[f64], y: &mut [f64]) {
///         y.iter_mut().zip(x).enumerate().for_each(|(i, (y, x))| *y = i as f64 * x);
///     }
/// }
/// let start = vec![1.0; 400];
/// let top = largest_eigenpairs(&Diagonal, &start, 2, 1e-9)?;
/// assert!((top.values[0] - 399.0).abs() < 1e-9 && (top.values[1] - 398.0).abs() < 1e-9);
/// # Ok::<(), groktime::Error>(())
/// ```
///
/// # Errors
/// A dimension below [`LANCZOS_FROM`], a count of zero or above 12, a start of the wrong length, or no
/// convergence.
pub fn largest_eigenpairs(
    operator: &dyn SymmetricOperator,
    start: &[f64],
    count: usize,
    tolerance: f64,
) -> Result<Eigh> {
    let n = operator.dimension();
    check(
        "dimension of the operator",
        n as f64,
        |n| n >= LANCZOS_FROM as f64,
        "at least 144 (smaller: eigh)",
    )?;
    check("number of eigenvalues", count as f64, |c| (1.0..=12.0).contains(&c), "between 1 and 12")?;
    check_shape("start vector", &[start.len()], &[n], "one entry a row of the operator")?;
    let operator = Disturbed(operator);
    let params = PartialEigenParams { min_dim: KEPT, max_dim: LARGEST, max_restarts: 500, ..default() };
    let mut values = vec![0.0; count];
    let mut vectors = vec![0.0; n * count];
    let mut memory = MemBuffer::new(partial_self_adjoint_eigen_scratch(&operator, count, Par::Seq, params));
    let info = partial_self_adjoint_eigen(
        MatMut::from_column_major_slice_mut(&mut vectors, n, count),
        &mut values,
        &operator,
        ColRef::from_slice(start),
        tolerance,
        Par::Seq,
        MemStack::new(&mut memory),
        params,
    );
    super::pure::clear_vector_registers();
    if info.n_converged_eigen < count {
        return Err(Error::Numerical {
            method: "Lanczos iteration",
            detail: format!(
                "{} of {count} eigenvalues converged to {tolerance:e} in 500 restarts",
                info.n_converged_eigen
            ),
        });
    }
    let vectors = Array2::from_shape_vec((n, count).f(), vectors)
        .map_err(|e| Error::Numerical { method: "Lanczos iteration", detail: e.to_string() })?;
    Ok(Eigh { values: Array1::from_vec(values), vectors })
}

/// The operator with its rounding errors made visible: A(I + εD) with D = ±1. Where a Krylov space is
/// invariant (few different eigenvalues), faer's iteration would wait for ever for a residual that is
/// exactly zero; with this one the space goes on in a fresh direction.
struct Disturbed<'a>(&'a dyn SymmetricOperator);

impl std::fmt::Debug for Disturbed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SymmetricOperator")
    }
}

impl LinOp<f64> for Disturbed<'_> {
    fn apply_scratch(&self, _: usize, _: Par) -> StackReq {
        StackReq::EMPTY
    }
    fn nrows(&self) -> usize {
        self.0.dimension()
    }
    fn ncols(&self) -> usize {
        self.0.dimension()
    }
    fn apply(&self, mut out: MatMut<'_, f64>, rhs: MatRef<'_, f64>, _: Par, _: &mut MemStack) {
        for j in 0..rhs.ncols() {
            // Columns of faer's work space are contiguous.
            let (Some(x), Some(y)) =
                (rhs.col(j).try_as_col_major(), out.as_mut().col_mut(j).try_as_col_major_mut())
            else {
                unreachable!("columns are contiguous")
            };
            let y = y.as_slice_mut();
            self.0.apply(x.as_slice(), y);
            let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
            for y in y {
                bits ^= bits << 13;
                bits ^= bits >> 7;
                bits ^= bits << 17;
                *y *= if bits & 1 == 1 { 1.0 + EPS } else { 1.0 - EPS };
            }
        }
    }
    fn conj_apply(&self, out: MatMut<'_, f64>, rhs: MatRef<'_, f64>, par: Par, stack: &mut MemStack) {
        LinOp::apply(self, out, rhs, par, stack);
    }
}

/// Eigenvalues of many symmetric matrices of one size: nothing is allocated after `new`.
pub struct EigenvalueWorkspace {
    dimension: usize,
    values: Vec<f64>,
    memory: MemBuffer,
}

impl EigenvalueWorkspace {
    /// For n × n matrices.
    pub fn new(dimension: usize) -> EigenvalueWorkspace {
        let req = evd::self_adjoint_evd_scratch::<f64>(
            dimension,
            evd::ComputeEigenvectors::No,
            Par::Seq,
            default(),
        );
        EigenvalueWorkspace { dimension, values: vec![0.0; dimension], memory: MemBuffer::new(req) }
    }

    /// Eigenvalues, ascending, of the symmetric matrix whose n² entries are given (column by column; the
    /// lower triangle is read).
    ///
    /// # Errors
    /// Not n² entries, or no convergence.
    pub fn eigenvalues(&mut self, entries: &[f64]) -> Result<&[f64]> {
        let n = self.dimension;
        check_shape("matrix", &[entries.len()], &[n * n], "n² entries")?;
        let done = evd::self_adjoint_evd(
            MatRef::from_column_major_slice(entries, n, n),
            faer::diag::DiagMut::from_slice_mut(&mut self.values),
            None,
            Par::Seq,
            MemStack::new(&mut self.memory),
            default(),
        );
        super::pure::clear_vector_registers();
        done.map_err(|e| Error::Numerical { method: "eigenvalues", detail: format!("{e:?}") })?;
        Ok(&self.values)
    }
}
