//! The kernels in faer. Arrays cross without a copy where rows or columns are contiguous.

use std::ops::Range;

use faer::dyn_stack::{MemBuffer, MemStack, StackReq};
use faer::linalg::lu::partial_pivoting as lu_kernels;
use faer::linalg::matmul::triangular::BlockStructure;
use faer::linalg::{cholesky, evd, matmul as product, svd, triangular_solve};
use faer::prelude::{ReborrowMut, default};
use faer::{Accum, MatMut, MatRef, Par};
use ndarray::{Array1, Array2, ArrayView2, ShapeBuilder};
use rayon::prelude::*;

use super::product::{Factor, Real};
use super::{Eigh, Error, Result, ThinSvd, Threads, strips};

/// Rows from which on more threads than one pay. Below, the difference cannot be measured.
const FEWEST_SHARED: usize = 600;
/// Parts that faer divides its work into, whatever the number of threads: its sums depend on how many parts there are.
const PARTS: usize = 8;

/// How a kernel on a matrix of so many rows (or columns, if these are less) is divided. A function of the size alone, so
/// that one problem has the same bits on any number of threads.
fn par(threads: Threads, size: usize) -> Par {
    match threads {
        Threads::All if size >= FEWEST_SHARED => Par::rayon(PARTS),
        _ => Par::Seq,
    }
}

/// Products of numbers that are worth waking other threads.
const SERIAL: usize = 1 << 21;

/// How a product of rows × inner and inner × columns is divided.
fn par_of_product(threads: Threads, rows: usize, inner: usize, columns: usize) -> Par {
    match threads {
        Threads::All if rows.saturating_mul(inner).saturating_mul(columns) >= SERIAL => Par::rayon(PARTS),
        _ => Par::Seq,
    }
}

/// Calls `f` with a faer view of the array; copies only when neither rows nor columns are contiguous.
fn with_mat<R>(a: ArrayView2<'_, f64>, f: impl FnOnce(MatRef<'_, f64>) -> R) -> R {
    let (rows, columns) = a.dim();
    let result = if let Some(slice) = a.to_slice() {
        f(MatRef::from_row_major_slice(slice, rows, columns))
    } else if let Some(slice) = a.t().to_slice() {
        f(MatRef::from_column_major_slice(slice, rows, columns))
    } else {
        let owned = a.as_standard_layout();
        f(MatRef::from_row_major_slice(owned.as_slice().unwrap_or_default(), rows, columns))
    };
    clear_vector_registers();
    result
}

fn with_stack<R>(req: StackReq, f: impl FnOnce(&mut MemStack) -> R) -> R {
    let result = f(MemStack::new(&mut MemBuffer::new(req)));
    clear_vector_registers();
    result
}

/// Some kernels of faer return with something in the upper halves of the vector registers, and all SSE
/// code after them, ours included, runs four times slower (`exp`: 35 ns, not 8). A reduction ends in the
/// instruction that clears them (`vzeroupper`), and takes 20 ns.
pub fn clear_vector_registers() {
    std::hint::black_box(faer::ColRef::from_slice(&[1.0; 64]).norm_l2());
}

/// A column-major array from the storage faer wrote into.
fn column_major(data: Vec<f64>, rows: usize, columns: usize) -> Array2<f64> {
    // The lengths agree by construction: every caller allocates rows·columns.
    match Array2::from_shape_vec((rows, columns).f(), data) {
        Ok(array) => array,
        Err(e) => unreachable!("{rows} × {columns}: {e}"),
    }
}

/// Power of two that brings the largest entry near one where squares of entries would overflow or
/// underflow; otherwise one. faer does not scale by itself: its singular values of a matrix near 1e-200
/// are wrong without an error.
pub fn safe_scale<'a>(entries: impl Iterator<Item = &'a f64>) -> f64 {
    let largest = entries.fold(0.0_f64, |m, x| m.max(x.abs()));
    if largest == 0.0 || (1e-100..1e100).contains(&largest) {
        1.0
    } else {
        // Within the exponents whose reciprocal is a normal number.
        largest.log2().round().clamp(-1000.0, 1000.0).exp2()
    }
}

pub fn eigh(a: ArrayView2<'_, f64>, threads: Threads) -> Result<Eigh> {
    let lower = a.rows().into_iter().enumerate().flat_map(|(i, row)| row.into_iter().take(i + 1));
    let scale = safe_scale(lower);
    if scale != 1.0 {
        let mut e = eigh((&a / scale).view(), threads)?;
        e.values *= scale;
        return Ok(e);
    }
    let n = a.nrows();
    let par = par(threads, n);
    let mut values = vec![0.0; n];
    let mut vectors = vec![0.0; n * n];
    let req = evd::self_adjoint_evd_scratch::<f64>(n, evd::ComputeEigenvectors::Yes, par, default());
    let done = with_mat(a, |a| {
        with_stack(req, |stack| {
            evd::self_adjoint_evd(
                a,
                faer::diag::DiagMut::from_slice_mut(&mut values),
                Some(MatMut::from_column_major_slice_mut(&mut vectors, n, n)),
                par,
                stack,
                default(),
            )
        })
    });
    done.map_err(|e| Error::Numerical { method: "eigendecomposition", detail: format!("{e:?}") })?;
    Ok(Eigh { values: Array1::from_vec(values), vectors: column_major(vectors, n, n) })
}

pub fn eigenvalues(a: ArrayView2<'_, f64>, threads: Threads) -> Result<Array1<f64>> {
    let lower = a.rows().into_iter().enumerate().flat_map(|(i, row)| row.into_iter().take(i + 1));
    let scale = safe_scale(lower);
    if scale != 1.0 {
        return Ok(eigenvalues((&a / scale).view(), threads)? * scale);
    }
    let n = a.nrows();
    let par = par(threads, n);
    let mut values = vec![0.0; n];
    let req = evd::self_adjoint_evd_scratch::<f64>(n, evd::ComputeEigenvectors::No, par, default());
    let done = with_mat(a, |a| {
        with_stack(req, |stack| {
            let values = faer::diag::DiagMut::from_slice_mut(&mut values);
            evd::self_adjoint_evd(a, values, None, par, stack, default())
        })
    });
    done.map_err(|e| Error::Numerical { method: "eigenvalues", detail: format!("{e:?}") })?;
    Ok(Array1::from_vec(values))
}

/// Reduces the lower triangle of a column-major matrix to tridiagonal form; see
/// [`Tridiagonal`](super::Tridiagonal). Returns the reflectors' factors.
pub fn tridiagonal(a: &mut [f64], n: usize, threads: Threads) -> Vec<f64> {
    let par = par(threads, n);
    // In blocks of one the factor is the squared length of v over two.
    let mut factors = vec![0.0; n.saturating_sub(1)];
    with_stack(evd::tridiag::tridiag_in_place_scratch::<f64>(n, par, default()), |stack| {
        evd::tridiag::tridiag_in_place(
            MatMut::from_column_major_slice_mut(a, n, n),
            MatMut::from_column_major_slice_mut(&mut factors, 1, n.saturating_sub(1)),
            par,
            stack,
            default(),
        )
    });
    factors.iter_mut().for_each(|f| *f = f.recip());
    factors
}

pub fn thin_svd(a: ArrayView2<'_, f64>, threads: Threads) -> Result<ThinSvd> {
    let scale = safe_scale(a.iter());
    if scale != 1.0 {
        let mut svd = thin_svd((&a / scale).view(), threads)?;
        svd.values *= scale;
        return Ok(svd);
    }
    let (rows, columns) = a.dim();
    let k = rows.min(columns);
    let par = par(threads, k);
    let mut values = vec![0.0; k];
    let mut left = vec![0.0; rows * k];
    let mut right = vec![0.0; columns * k];
    let thin = svd::ComputeSvdVectors::Thin;
    let req = svd::svd_scratch::<f64>(rows, columns, thin, thin, par, default());
    let done = with_mat(a, |a| {
        with_stack(req, |stack| {
            svd::svd(
                a,
                faer::diag::DiagMut::from_slice_mut(&mut values),
                Some(MatMut::from_column_major_slice_mut(&mut left, rows, k)),
                Some(MatMut::from_column_major_slice_mut(&mut right, columns, k)),
                par,
                stack,
                default(),
            )
        })
    });
    done.map_err(|e| Error::Numerical { method: "singular value decomposition", detail: format!("{e:?}") })?;
    Ok(ThinSvd {
        left: column_major(left, rows, k),
        values: Array1::from_vec(values),
        right: column_major(right, columns, k),
    })
}

pub fn cholesky(a: ArrayView2<'_, f64>, threads: Threads) -> Result<Array2<f64>> {
    let n = a.nrows();
    let mut factor = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            factor[i + j * n] = a[(i, j)];
        }
    }
    match cholesky_in_place(&mut factor, n, threads) {
        Ok(()) => {
            // The factorisation uses the upper triangle as workspace.
            for j in 1..n {
                factor[j * n..j * n + j].fill(0.0);
            }
            Ok(column_major(factor, n, n))
        }
        Err(index) => Err(Error::Matrix {
            name: "matrix",
            property: "positive definite",
            evidence: format!("pivot {index} of its Cholesky factorisation is not positive"),
        }),
    }
}

/// Factors the lower triangle of a column-major matrix; the upper one is workspace. Otherwise the first
/// pivot that is not positive.
pub fn cholesky_in_place(a: &mut [f64], n: usize, threads: Threads) -> std::result::Result<(), usize> {
    let par = par(threads, n);
    let req = cholesky::llt::factor::cholesky_in_place_scratch::<f64>(n, par, default());
    let a = MatMut::from_column_major_slice_mut(a, n, n);
    let done = with_stack(req, |stack| {
        cholesky::llt::factor::cholesky_in_place(a, default(), par, stack, default())
    });
    match done {
        Ok(_) => Ok(()),
        Err(cholesky::llt::factor::LltError::NonPositivePivot { index }) => Err(index),
    }
}

/// (L Lᵀ)⁻¹, both triangles filled.
pub fn inverse_of_cholesky(l: ArrayView2<'_, f64>, threads: Threads) -> Array2<f64> {
    let n = l.nrows();
    let par = par(threads, n);
    let mut inverse = vec![0.0; n * n];
    let req = cholesky::llt::inverse::inverse_scratch::<f64>(n, par);
    with_mat(l, |l| {
        with_stack(req, |stack| {
            let out = MatMut::from_column_major_slice_mut(&mut inverse, n, n);
            cholesky::llt::inverse::inverse(out, l, par, stack);
        })
    });
    for j in 0..n {
        for i in 0..j {
            inverse[i + j * n] = inverse[j + i * n];
        }
    }
    column_major(inverse, n, n)
}

/// Both factors in one column-major array, and the permutation: row i of P A is row `order[i]` of A.
#[derive(Clone, Debug)]
pub struct Lu {
    order: Vec<usize>,
    factors: Vec<f64>,
}

pub fn lu(a: ArrayView2<'_, f64>, threads: Threads) -> Lu {
    let n = a.nrows();
    let par = par(threads, n);
    let mut factors: Vec<f64> = a.t().iter().copied().collect();
    let (mut order, mut inverse) = (vec![0_usize; n], vec![0_usize; n]);
    let req = lu_kernels::factor::lu_in_place_scratch::<usize, f64>(n, n, par, default());
    with_stack(req, |stack| {
        lu_kernels::factor::lu_in_place(
            MatMut::from_column_major_slice_mut(&mut factors, n, n),
            &mut order,
            &mut inverse,
            par,
            stack,
            default(),
        );
    });
    Lu { order, factors }
}

impl Lu {
    pub fn solve(&self, b: &mut [f64]) {
        let n = self.order.len();
        assert_eq!(b.len(), n, "as long as the matrix has rows");
        let mut x: Vec<f64> = self.order.iter().map(|&i| b[i]).collect();
        let factors = MatRef::from_column_major_slice(&self.factors, n, n);
        let mut column = MatMut::from_column_major_slice_mut(&mut x, n, 1);
        triangular_solve::solve_unit_lower_triangular_in_place(factors, column.rb_mut(), Par::Seq);
        triangular_solve::solve_upper_triangular_in_place(factors, column, Par::Seq);
        b.copy_from_slice(&x);
    }
}

/// Lower triangle of A Aᵀ; the upper one is zero.
pub fn lower_gram(a: ArrayView2<'_, f64>, threads: Threads) -> Array2<f64> {
    let n = a.nrows();
    if let Some(gram) = strips::lower_gram(a, threads) {
        return column_major(gram, n, n);
    }
    let mut gram = vec![0.0; n * n];
    with_mat(a, |a| {
        product::triangular::matmul(
            MatMut::from_column_major_slice_mut(&mut gram, n, n),
            BlockStructure::TriangularLower,
            Accum::Replace,
            a,
            BlockStructure::Rectangular,
            a.transpose(),
            BlockStructure::Rectangular,
            1.0,
            par_of_product(threads, n, a.ncols(), n),
        )
    });
    column_major(gram, n, n)
}

/// f64 or f32.
pub trait Number: faer::traits::ComplexField + Copy + Into<f64> {
    const ZERO: Self;
    fn from_f64(x: f64) -> Self;
}

impl Number for f64 {
    const ZERO: f64 = 0.0;
    fn from_f64(x: f64) -> f64 {
        x
    }
}

impl Number for f32 {
    const ZERO: f32 = 0.0;
    fn from_f64(x: f64) -> f32 {
        x as f32
    }
}

/// The given rows of A Aᵀ up to their last diagonal entry, row by row, on one thread; A has n rows and is
/// stored by columns.
pub fn rows_of_gram<T: Number>(a: &[T], n: usize, rows: Range<usize>, product: &mut [T]) {
    let a = MatRef::from_column_major_slice(a, n, a.len() / n);
    product::matmul(
        MatMut::from_row_major_slice_mut(product, rows.len(), rows.end),
        Accum::Replace,
        a.subrows(rows.start, rows.len()),
        a.subrows(0, rows.end).transpose(),
        T::from_f64(1.0),
        Par::Seq,
    );
    clear_vector_registers();
}

pub fn matmul(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>, threads: Threads) -> Array2<f64> {
    let (rows, inner, columns) = (a.nrows(), a.ncols(), b.ncols());
    let mut out = vec![0.0; rows * columns];
    with_mat(a, |a| {
        with_mat(b, |b| {
            product::matmul(
                MatMut::from_column_major_slice_mut(&mut out, rows, columns),
                Accum::Replace,
                a,
                b,
                1.0,
                par_of_product(threads, rows, inner, columns),
            )
        })
    });
    column_major(out, rows, columns)
}

/// Rows of a product that are worth a part of their own.
const FEWEST_ROWS: usize = 16;

/// See [`super::product::multiply`].
pub fn multiply<T: Real>(out: &mut [T], add: bool, a: Factor<'_, T>, b: Factor<'_, T>, threads: Threads) {
    fn view<'a, T>(f: Factor<'a, T>) -> MatRef<'a, T> {
        match f.transposed {
            false => MatRef::from_row_major_slice(f.entries, f.rows, f.columns),
            true => MatRef::from_column_major_slice(f.entries, f.rows, f.columns),
        }
    }
    let (columns, accumulate) = (b.columns, if add { Accum::Add } else { Accum::Replace });
    let part = |out: &mut [T], first: usize, par: Par| {
        let rows = out.len() / columns.max(1);
        product::matmul(
            MatMut::from_row_major_slice_mut(out, rows, columns),
            accumulate,
            view(a).subrows(first, rows),
            view(b),
            T::from_f64(1.0),
            par,
        );
        clear_vector_registers();
    };
    let par = par_of_product(threads, a.rows, a.columns, columns);
    // Parts of the rows: faer's own division reaches nine tenths of that.
    if par != Par::Seq && a.rows >= FEWEST_ROWS * PARTS {
        let each = a.rows.div_ceil(PARTS);
        let parts = out.par_chunks_mut(each * columns).enumerate();
        parts.for_each(|(i, out)| part(out, i * each, Par::Seq));
    } else {
        part(out, 0, par);
    }
}
