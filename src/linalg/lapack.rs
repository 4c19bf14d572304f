//! The kernels in OpenBLAS: LAPACK through `ndarray-linalg` and [`ffi`](super::ffi).
//!
//! OpenBLAS counts its threads for the whole process. Here it runs on one, except within a kernel with
//! [`Threads::All`], which therefore waits until no other kernel is running and runs alone.

use std::sync::{Once, PoisonError, RwLock};

use ndarray::{Array1, Array2, ArrayView2, Axis, ShapeBuilder};
use ndarray_linalg::error::LinalgError;
use ndarray_linalg::{CholeskyInto, JobSvd, SVDDCInto, UPLO};

use super::{Eigh, Error, Result, ThinSvd, Threads, ffi, pure};

/// Runs a kernel on as many threads. The kernel must not use rayon: while it waits, its thread could
/// steal work that waits for the same lock.
fn with_threads<R>(threads: Threads, kernel: impl FnOnce() -> R) -> R {
    /// Shared by the kernels on one thread, exclusive for one on all.
    static TEAM: RwLock<()> = RwLock::new(());
    static AT_FIRST: Once = Once::new();

    /// Back to one thread, however the kernel ends.
    struct Restore;
    impl Drop for Restore {
        fn drop(&mut self) {
            ffi::set_threads(1);
        }
    }

    AT_FIRST.call_once(|| ffi::set_threads(1));
    match threads {
        Threads::One => {
            let _shared = TEAM.read().unwrap_or_else(PoisonError::into_inner);
            kernel()
        }
        Threads::All => {
            let _alone = TEAM.write().unwrap_or_else(PoisonError::into_inner);
            let _restore = Restore;
            ffi::set_threads(rayon::current_num_threads());
            kernel()
        }
    }
}

fn failed(method: &'static str, detail: impl ToString) -> Error {
    Error::Numerical { method, detail: detail.to_string() }
}

/// LAPACK counts with 32 bits, in its workspaces too.
fn too_large(method: &'static str, a: ArrayView2<'_, f64>) -> Error {
    failed(method, format!("shape {:?} is too large for 32-bit LAPACK, use Backend::Faer", a.shape()))
}

fn column_major_copy(a: ArrayView2<'_, f64>) -> Array2<f64> {
    let mut copy = Array2::zeros(a.raw_dim().f());
    copy.assign(&a);
    copy
}

/// By `dsyevd`, divide and conquer; `ndarray-linalg` has `dsyev` only, which is several times slower.
pub fn eigh(a: ArrayView2<'_, f64>, threads: Threads) -> Result<Eigh> {
    const METHOD: &str = "eigendecomposition";
    let n = a.nrows();
    let mut vectors = column_major_copy(a);
    let storage = vectors.as_slice_memory_order_mut().unwrap_or_default();
    let done = with_threads(threads, || ffi::dsyevd(n, storage));
    match done.ok_or_else(|| too_large(METHOD, a))? {
        (values, 0) => Ok(Eigh { values: Array1::from_vec(values), vectors }),
        (_, status) => Err(failed(METHOD, format!("dsyevd did not converge (status {status})"))),
    }
}

/// By `dsytrd`: reflectors in place, and their factors.
pub fn tridiagonal(a: &mut [f64], n: usize, threads: Threads) -> Result<Vec<f64>> {
    const METHOD: &str = "tridiagonal form";
    match with_threads(threads, || ffi::dsytrd(n, a)) {
        Some((factors, 0)) => Ok(factors),
        Some((_, status)) => Err(failed(METHOD, format!("dsytrd: status {status}"))),
        None => Err(failed(METHOD, format!("{n} rows are too many for 32-bit LAPACK, use Backend::Faer"))),
    }
}

/// By `dgesdd`, divide and conquer.
pub fn thin_svd(a: ArrayView2<'_, f64>, threads: Threads) -> Result<ThinSvd> {
    const METHOD: &str = "singular value decomposition";
    let (long, short) = (a.nrows().max(a.ncols()), a.nrows().min(a.ncols()));
    // Factors of `long` by `short` entries, and a workspace of about 4 short² and a block of rows.
    let entries = long.saturating_mul(short.saturating_add(200));
    if entries.max(short.saturating_mul(short).saturating_mul(5)) > i32::MAX as usize {
        return Err(too_large(METHOD, a));
    }
    let copy = column_major_copy(a);
    match with_threads(threads, || copy.svddc_into(JobSvd::Some)) {
        Ok((Some(left), values, Some(right))) => Ok(ThinSvd { left, values, right: right.reversed_axes() }),
        Ok(_) => Err(failed(METHOD, "no vectors")),
        Err(e) => Err(failed(METHOD, e)),
    }
}

pub fn cholesky(a: ArrayView2<'_, f64>, threads: Threads) -> Result<Array2<f64>> {
    const METHOD: &str = "Cholesky factorisation";
    if i32::try_from(a.nrows()).is_err() {
        return Err(too_large(METHOD, a));
    }
    let not_positive = |pivot: usize| Error::Matrix {
        name: "matrix",
        property: "positive definite",
        evidence: format!("pivot {pivot} of its Cholesky factorisation is not positive"),
    };
    let copy = column_major_copy(a);
    match with_threads(threads, || copy.cholesky_into(UPLO::Lower)) {
        // The routine lets a NaN pass, which appears where the factorisation overflows.
        Ok(factor) => match factor.diag().iter().position(|d| !d.is_finite()) {
            None => Ok(factor),
            Some(pivot) => Err(not_positive(pivot)),
        },
        Err(LinalgError::Lapack(lax::error::Error::LapackComputationalFailure { return_code })) => {
            Err(not_positive(usize::try_from(return_code - 1).unwrap_or_default()))
        }
        Err(e) => Err(failed(METHOD, e)),
    }
}

/// Lower triangle of A Aᵀ; the upper one is zero.
pub fn lower_gram(a: ArrayView2<'_, f64>, threads: Threads) -> Array2<f64> {
    with_threads(threads, || ffi::dsyrk(a)).unwrap_or_else(|| pure::lower_gram(a, threads))
}

pub fn matmul(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>, threads: Threads) -> Array2<f64> {
    let product = with_threads(threads, || {
        if b.ncols() == 1 {
            ffi::dgemv(a, b.column(0)).map(|y| y.insert_axis(Axis(1)))
        } else {
            ffi::dgemm(a, b)
        }
    });
    product.unwrap_or_else(|| pure::matmul(a, b, threads))
}
