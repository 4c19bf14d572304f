//! The OpenBLAS routines that `ndarray-linalg` does not offer, behind safe functions.
//!
//! The only unsafe code of the crate. OpenBLAS itself is linked by `ndarray-linalg`. Sizes cross as C
//! integers: what does not fit is `None`, never a truncated size.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int};

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, CowArray, Ix2, ShapeBuilder};

// Values of the enumerations in cblas.h.
const COLUMN_MAJOR: c_int = 102;
const AS_IS: c_int = 111;
const TRANSPOSED: c_int = 112;
const LOWER: c_int = 122;

#[rustfmt::skip] // arguments in the groups of the C header
unsafe extern "C" {
    fn openblas_set_num_threads(threads: c_int);
    fn cblas_dgemm(
        order: c_int, op_a: c_int, op_b: c_int, m: c_int, n: c_int, k: c_int,
        alpha: f64, a: *const f64, lda: c_int, b: *const f64, ldb: c_int,
        beta: f64, c: *mut f64, ldc: c_int,
    );
    fn cblas_dgemv(
        order: c_int, op: c_int, m: c_int, n: c_int, alpha: f64, a: *const f64, lda: c_int,
        x: *const f64, incx: c_int, beta: f64, y: *mut f64, incy: c_int,
    );
    fn cblas_dsyrk(
        order: c_int, triangle: c_int, op: c_int, n: c_int, k: c_int,
        alpha: f64, a: *const f64, lda: c_int, beta: f64, c: *mut f64, ldc: c_int,
    );
    // Fortran: all by reference, and behind the arguments the lengths of the two strings.
    fn dsyevd_(
        job: *const c_char, triangle: *const c_char, n: *const c_int, a: *mut f64, lda: *const c_int,
        w: *mut f64, work: *mut f64, lwork: *const c_int, iwork: *mut c_int, liwork: *const c_int,
        info: *mut c_int, job_length: usize, triangle_length: usize,
    );
    fn dsytrd_(
        triangle: *const c_char, n: *const c_int, a: *mut f64, lda: *const c_int, d: *mut f64, e: *mut f64,
        tau: *mut f64, work: *mut f64, lwork: *const c_int, info: *mut c_int, triangle_length: usize,
    );
}

/// Threads of all BLAS calls of the process from now on.
pub fn set_threads(threads: usize) {
    let threads = c_int::try_from(threads).unwrap_or(c_int::MAX);
    // SAFETY: any positive number is valid, OpenBLAS clamps it to its own limit.
    unsafe { openblas_set_num_threads(threads.max(1)) }
}

/// A matrix whose entry (i, j) BLAS finds at data[i + j ld], or at data[j + i ld] if transposed.
struct Operand<'a> {
    array: CowArray<'a, f64, Ix2>,
    op: c_int,
    ld: c_int,
}

/// Copies when neither the rows nor the columns have stride one; `None` when a size is not a C integer.
fn operand(a: ArrayView2<'_, f64>) -> Option<Operand<'_>> {
    // For columns with entries `inner` apart, one column `outer` after the other.
    let leading = |len: usize, inner: isize, count: usize, outer: isize| {
        let least = c_int::try_from(len).ok()?.max(1);
        let outer = if count <= 1 { least } else { c_int::try_from(outer).ok()? };
        ((len <= 1 || inner == 1) && outer >= least).then_some(outer)
    };
    let (rows, columns) = a.dim();
    let [down, across] = [a.strides()[0], a.strides()[1]];
    if let Some(ld) = leading(rows, down, columns, across) {
        return Some(Operand { array: a.into(), op: AS_IS, ld });
    }
    if let Some(ld) = leading(columns, across, rows, down) {
        return Some(Operand { array: a.into(), op: TRANSPOSED, ld });
    }
    let array: CowArray<'_, f64, Ix2> = a.as_standard_layout().into_owned().into();
    Some(Operand { array, op: TRANSPOSED, ld: c_int::try_from(columns).ok()?.max(1) })
}

/// A B in column-major order. The inner dimensions must agree.
pub fn dgemm(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>) -> Option<Array2<f64>> {
    let (rows, inner, columns) = (a.nrows(), a.ncols(), b.ncols());
    assert_eq!(inner, b.nrows(), "inner dimensions");
    let [m, n, k] = integers([rows, columns, inner])?;
    let mut out = Array2::zeros((rows, columns).f());
    if rows == 0 || columns == 0 || inner == 0 {
        return Some(out);
    }
    let (a, b) = (operand(a)?, operand(b)?);
    let (pa, pb) = (a.array.as_ptr(), b.array.as_ptr());
    // SAFETY: the operands are m by k and k by n with these leading dimensions, alive and not written;
    // `out` is m by n, column-major, and is nobody else's.
    unsafe {
        let (c, one) = (out.as_mut_ptr(), 1.0);
        cblas_dgemm(COLUMN_MAJOR, a.op, b.op, m, n, k, one, pa, a.ld, pb, b.ld, 0.0, c, m);
    }
    Some(out)
}

/// A x. The length of x must be the number of columns.
pub fn dgemv(a: ArrayView2<'_, f64>, x: ArrayView1<'_, f64>) -> Option<Array1<f64>> {
    let (rows, columns) = a.dim();
    assert_eq!(columns, x.len(), "inner dimensions");
    let mut y = Array1::zeros(rows);
    if rows == 0 || columns == 0 {
        return Some(y);
    }
    let (a, x) = (operand(a)?, x.as_standard_layout());
    let [rows, columns] = integers([rows, columns])?;
    let (m, n) = if a.op == AS_IS { (rows, columns) } else { (columns, rows) };
    // SAFETY: `a` is m by n as stored, with this leading dimension; x and y have stride one and as many
    // entries as A has columns and rows.
    unsafe {
        let (pa, px, py) = (a.array.as_ptr(), x.as_ptr(), y.as_mut_ptr());
        cblas_dgemv(COLUMN_MAJOR, a.op, m, n, 1.0, pa, a.ld, px, 1, 0.0, py, 1);
    }
    Some(y)
}

/// Lower triangle of A Aᵀ in column-major order; the upper one is zero.
pub fn dsyrk(a: ArrayView2<'_, f64>) -> Option<Array2<f64>> {
    let (rows, columns) = a.dim();
    let [n, k] = integers([rows, columns])?;
    let mut out = Array2::zeros((rows, rows).f());
    if rows == 0 || columns == 0 {
        return Some(out);
    }
    let a = operand(a)?;
    // SAFETY: op(a) is n by k with this leading dimension; `out` is n by n, column-major, and is nobody else's.
    unsafe {
        let (pa, c) = (a.array.as_ptr(), out.as_mut_ptr());
        cblas_dsyrk(COLUMN_MAJOR, LOWER, a.op, n, k, 1.0, pa, a.ld, 0.0, c, n);
    }
    Some(out)
}

/// Eigenvalues, ascending, of the symmetric matrix of `n` rows whose lower triangle is in `a`, in
/// column-major order; `a` becomes the eigenvectors. The status is that of LAPACK, zero for success.
pub fn dsyevd(n: usize, a: &mut [f64]) -> Option<(Vec<f64>, c_int)> {
    assert_eq!(a.len(), n * n, "entries of a square matrix");
    // The least workspace is 1 + 6n + 2n²; blocks of the reduction want up to 64 n.
    let work_size = n.checked_mul(n)?.checked_mul(2)?.checked_add(66 * n + 1)?;
    let [order, lwork, liwork] = integers([n, work_size, 5 * n + 3])?;
    let mut values = vec![0.0; n];
    let mut work = vec![0.0; work_size];
    let mut iwork = vec![0; 5 * n + 3];
    let (lda, mut info) = (order.max(1), 0);
    // SAFETY: `a` is n by n, `values` has n entries, the workspaces are as long as they say and at least
    // what the routine asks for.
    unsafe {
        let (pa, w, pwork, piwork) =
            (a.as_mut_ptr(), values.as_mut_ptr(), work.as_mut_ptr(), iwork.as_mut_ptr());
        let (job, triangle) = (c"V".as_ptr(), c"L".as_ptr());
        dsyevd_(job, triangle, &order, pa, &lda, w, pwork, &lwork, piwork, &liwork, &mut info, 1, 1);
    }
    Some((values, info))
}

/// Reduces the symmetric matrix of `n` rows whose lower triangle is in `a`, in column-major order, to
/// tridiagonal form in place: T on the diagonal and the subdiagonal, the reflectors below. Returns their
/// factors τ in I − τvvᵀ, and the status of LAPACK.
pub fn dsytrd(n: usize, a: &mut [f64]) -> Option<(Vec<f64>, c_int)> {
    assert_eq!(a.len(), n * n, "entries of a square matrix");
    let work_size = n.checked_mul(64)?.max(1);
    let [order, lwork] = integers([n, work_size])?;
    let (mut d, mut e, mut tau) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    let mut work = vec![0.0; work_size];
    let (lda, mut info) = (order.max(1), 0);
    // SAFETY: `a` is n by n, the vectors have at least as many entries as the routine writes, the workspace
    // is as long as it says.
    unsafe {
        let (pa, pd, pe, pt) = (a.as_mut_ptr(), d.as_mut_ptr(), e.as_mut_ptr(), tau.as_mut_ptr());
        dsytrd_(c"L".as_ptr(), &order, pa, &lda, pd, pe, pt, work.as_mut_ptr(), &lwork, &mut info, 1);
    }
    tau.truncate(n.saturating_sub(1));
    Some((tau, info))
}

fn integers<const N: usize>(sizes: [usize; N]) -> Option<[c_int; N]> {
    let mut out = [0; N];
    for (integer, size) in out.iter_mut().zip(sizes) {
        *integer = size.try_into().ok()?;
    }
    Some(out)
}
