//! Dense kernels: eigenvalues, tridiagonal form, thin SVD, Cholesky, Gram and matrix products.
//!
//! The only place that knows a backend. An [`Engine`] says which one does the work and with how many
//! threads; it is a plain value, passed where it is needed. The default, pure-Rust backend is
//! [faer](https://docs.rs/faer), with kernels of our own for A Aᵀ and for the tridiagonal form of large matrices, where
//! they were measured to be faster; the feature `lapack` adds OpenBLAS through `ndarray-linalg` as a second,
//! independent one, chosen at run time. Both pass the same tests (`tests/linalg/`), with `nalgebra` as
//! the third opinion.
//!
//! One problem has one set of bits on any number of threads: kernels divide their work by the size of the matrix, never
//! by the number of threads, and [`Threads::All`] begins to share at 600 rows (products at 2²¹ multiplications). Below
//! that it gives the bits of [`Threads::One`] too.

mod band;
mod davidson;
#[cfg(feature = "lapack")]
mod ffi;
#[cfg(feature = "lapack")]
mod lapack;
pub(crate) mod product;
mod pure;
mod small;
mod strips;
mod tridiagonal;
mod vector;
mod workspace;

pub use tridiagonal::Tridiagonal;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use crate::error::{Error, Result, check_finite, check_shape};

pub use davidson::{Extremes, FewEigenpairs, SymmetricOperator, smallest_eigenpairs};
pub(crate) use pure::{Number, rows_of_gram};
pub(crate) use small::{add_multiple, cholesky_solve_columns, dot};
pub(crate) use vector::vectorised;
pub use workspace::EigenvalueWorkspace;

/// Replaces the lower triangle of a matrix stored by columns by its Cholesky factor, on one thread; the upper one
/// is workspace. Otherwise the first pivot that is not positive.
pub(crate) fn cholesky_in_place(a: &mut [f64], n: usize) -> std::result::Result<(), usize> {
    if n <= small::SMALL {
        small::cholesky_in_place(a, n)
    } else {
        pure::cholesky_in_place(a, n, Threads::One)
    }
}

/// A sum of two doubles: 106 bits.
pub(crate) type DoubleDouble = faer::fx128;

/// Machine epsilon of `f64`, 2⁻⁵².
pub const EPS: f64 = f64::EPSILON;

/// The library that does the work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend {
    /// faer: pure Rust, always there.
    #[default]
    Faer,
    /// OpenBLAS through `ndarray-linalg` (feature `lapack`).
    #[cfg(feature = "lapack")]
    Lapack,
}

/// How many threads one kernel may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Threads {
    /// One: bit-reproducible, and right inside a parallel sweep.
    One,
    /// All of the current rayon pool: right for a single large problem. The same bits on any number of them.
    #[default]
    All,
}

/// Which backend, on how many threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Engine {
    pub backend: Backend,
    pub threads: Threads,
}

/// Symmetric eigendecomposition A = V diag(values) Vᵀ.
#[derive(Clone, Debug)]
pub struct Eigh {
    /// Ascending.
    pub values: Array1<f64>,
    /// Eigenvectors as columns.
    pub vectors: Array2<f64>,
}

/// Thin singular value decomposition A = U diag(values) Vᵀ with min(rows, columns) columns in U and V.
#[derive(Clone, Debug)]
pub struct ThinSvd {
    pub left: Array2<f64>,
    /// Descending.
    pub values: Array1<f64>,
    /// Right singular vectors as columns.
    pub right: Array2<f64>,
}

/// Factors of a square matrix for solving systems with it: P A = L U by partial pivoting.
#[derive(Clone, Debug)]
pub struct Lu {
    factors: pure::Lu,
}

impl Lu {
    /// Replaces b by A⁻¹ b. A singular A leaves entries that are not finite.
    ///
    /// # Panics
    /// b is not as long as A has rows.
    pub fn solve(&self, b: &mut [f64]) {
        self.factors.solve(b);
    }
}

impl Engine {
    /// Default backend on one thread.
    pub const SEQUENTIAL: Engine = Engine { backend: Backend::Faer, threads: Threads::One };
    /// Default backend on all threads.
    pub const PARALLEL: Engine = Engine { backend: Backend::Faer, threads: Threads::All };

    /// Eigenvalues and eigenvectors of a symmetric matrix; only the lower triangle is read.
    ///
    /// Backward stable: the result is exact for A + E with ‖E‖ of the order ε‖A‖.
    ///
    /// # Errors
    /// Not square, empty, not finite, or the iteration does not converge.
    ///
    /// ```
    /// use groktime::linalg::Engine;
    /// let a = ndarray::array![[2.0, 1.0], [1.0, 2.0]];
    /// let e = Engine::SEQUENTIAL.eigh(a.view())?;
    /// assert!((e.values[0] - 1.0).abs() < 1e-15 && (e.values[1] - 3.0).abs() < 1e-15);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    pub fn eigh(self, a: ArrayView2<'_, f64>) -> Result<Eigh> {
        check_finite("matrix", a)?;
        check_shape("matrix", a.shape(), &[a.nrows(), a.nrows()], "a symmetric matrix is square")?;
        match self.backend {
            Backend::Faer => pure::eigh(a, self.threads).or_else(|_| self.eigh_by_rotations(a)),
            #[cfg(feature = "lapack")]
            Backend::Lapack => lapack::eigh(a, self.threads),
        }
    }

    /// Eigenvalues alone, ascending, of a symmetric matrix; only the lower triangle is read. A third of the
    /// work of [`Engine::eigh`]. Always in faer.
    ///
    /// # Errors
    /// As [`Engine::eigh`].
    pub fn eigenvalues(self, a: ArrayView2<'_, f64>) -> Result<Array1<f64>> {
        check_finite("matrix", a)?;
        check_shape("matrix", a.shape(), &[a.nrows(), a.nrows()], "a symmetric matrix is square")?;
        pure::eigenvalues(a, self.threads).or_else(|_| Ok(self.eigh_by_rotations(a)?.values))
    }

    /// The same by rotations of the tridiagonal form, for the few matrices on which faer's iteration does not converge
    /// (many zeros, and entries some 10¹⁶ times smaller than others, as of a matrix completed from few entries).
    fn eigh_by_rotations(self, a: ArrayView2<'_, f64>) -> Result<Eigh> {
        let form = self.tridiagonal(a.to_owned())?;
        let (values, _) = form.coordinates(Array2::zeros((a.nrows(), 0)).view())?;
        Ok(Eigh { values, vectors: form.eigenvectors()? })
    }

    /// Tridiagonal form of a symmetric matrix, in its own storage where that is column-major; only the
    /// lower triangle is read.
    ///
    /// # Errors
    /// Not square, empty, or not finite.
    pub fn tridiagonal(self, a: Array2<f64>) -> Result<Tridiagonal> {
        let n = a.nrows();
        check_finite("matrix", a.view())?;
        check_shape("matrix", a.shape(), &[n, n], "a symmetric matrix is square")?;
        let mut a = match a.t().is_standard_layout() {
            true => a,
            false => a.t().as_standard_layout().into_owned().reversed_axes(),
        };
        let lower = a.columns().into_iter().enumerate().flat_map(|(j, column)| column.into_iter().skip(j));
        let scale = pure::safe_scale(lower);
        if scale != 1.0 {
            a /= scale;
        }
        let storage = a.as_slice_memory_order_mut().unwrap_or_default();
        let factors = match self.backend {
            Backend::Faer => {
                if let Some(form) = band::tridiagonal(storage, n, self.threads) {
                    return Ok(Tridiagonal::of_band(a, form, scale, self.threads));
                }
                pure::tridiagonal(storage, n, self.threads)
            }
            #[cfg(feature = "lapack")]
            Backend::Lapack => lapack::tridiagonal(storage, n, self.threads)?,
        };
        Ok(Tridiagonal::new(a, factors, scale, self.threads))
    }

    /// Thin singular value decomposition of any matrix.
    ///
    /// # Errors
    /// Empty, not finite, or the iteration does not converge.
    pub fn thin_svd(self, a: ArrayView2<'_, f64>) -> Result<ThinSvd> {
        check_finite("matrix", a)?;
        match self.backend {
            Backend::Faer => pure::thin_svd(a, self.threads),
            #[cfg(feature = "lapack")]
            Backend::Lapack => lapack::thin_svd(a, self.threads),
        }
    }

    /// Lower Cholesky factor L of a symmetric positive definite A = L Lᵀ; only the lower triangle is read.
    ///
    /// # Errors
    /// Not square, empty, not finite, or not positive definite (the pivot is named).
    pub fn cholesky(self, a: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        check_finite("matrix", a)?;
        check_shape("matrix", a.shape(), &[a.nrows(), a.nrows()], "a symmetric matrix is square")?;
        match self.backend {
            Backend::Faer => pure::cholesky(a, self.threads),
            #[cfg(feature = "lapack")]
            Backend::Lapack => lapack::cholesky(a, self.threads),
        }
    }

    /// Proves that a symmetric matrix is positive definite up to rounding: `Some(δ)` if its Cholesky
    /// factorisation runs to the end, and then no eigenvalue is below −δ; `None` if a pivot is not
    /// positive. Only the lower triangle is read, in its own storage where that is column-major.
    ///
    /// The computed factor is exact for A + E with |E_ij| ≤ γ(A_ii A_jj)^½ and γ = (n + 1)u/(1 − (n + 1)u),
    /// u = 2⁻⁵³, in whatever order and blocks sums are taken (Rump, *Verification of positive
    /// definiteness*, BIT 46, 2006; Demmel). So ‖E‖ ≤ γ tr A; δ is twice that. Always in faer.
    ///
    /// # Errors
    /// Not square, empty, or not finite.
    ///
    /// ```
    /// use groktime::linalg::Engine;
    /// let a = |x: f64| ndarray::array![[2.0, 1.0], [1.0, x]];
    /// assert!(Engine::SEQUENTIAL.positive_definite(a(0.6))?.is_some_and(|delta| delta < 1e-14));
    /// assert!(Engine::SEQUENTIAL.positive_definite(a(0.4))?.is_none());
    /// # Ok::<(), groktime::Error>(())
    /// ```
    pub fn positive_definite(self, a: Array2<f64>) -> Result<Option<f64>> {
        let n = a.nrows();
        check_finite("matrix", a.view())?;
        check_shape("matrix", a.shape(), &[n, n], "a symmetric matrix is square")?;
        let trace: f64 = a.diag().sum();
        let mut a = match a.t().is_standard_layout() {
            true => a,
            false => a.t().as_standard_layout().into_owned().reversed_axes(),
        };
        let storage = a.as_slice_memory_order_mut().unwrap_or_default();
        Ok(pure::cholesky_in_place(storage, n, self.threads).is_ok().then(|| (n + 1) as f64 * EPS * trace))
    }

    /// Inverse of a symmetric positive definite matrix from its Cholesky factor L ([`Engine::cholesky`]).
    ///
    /// # Errors
    /// Not square, or not finite.
    ///
    /// ```
    /// use groktime::linalg::Engine;
    /// let engine = Engine::SEQUENTIAL;
    /// let l = engine.cholesky(ndarray::array![[2.0, 1.0], [1.0, 2.0]].view())?;
    /// let inverse = engine.inverse_of_cholesky(l.view())?;
    /// assert!((inverse[(0, 1)] + 1.0 / 3.0).abs() < 1e-15);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    pub fn inverse_of_cholesky(self, l: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        check_finite("Cholesky factor", l)?;
        check_shape("Cholesky factor", l.shape(), &[l.nrows(), l.nrows()], "it is square")?;
        Ok(pure::inverse_of_cholesky(l, self.threads))
    }

    /// LU factors of a square matrix, with partial pivoting (always by the default backend).
    ///
    /// # Errors
    /// Not square, empty or not finite; singular is not an error here, see [`Lu::solve`].
    ///
    /// ```
    /// use groktime::linalg::Engine;
    /// let mut b = [3.0, 4.0];
    /// Engine::SEQUENTIAL.lu(ndarray::array![[0.0, 1.0], [2.0, 0.0]].view())?.solve(&mut b);
    /// assert_eq!(b, [2.0, 3.0]);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    pub fn lu(self, a: ArrayView2<'_, f64>) -> Result<Lu> {
        check_finite("matrix", a)?;
        check_shape("matrix", a.shape(), &[a.nrows(), a.nrows()], "a square matrix")?;
        Ok(Lu { factors: pure::lu(a, self.threads) })
    }

    /// Gram matrix A Aᵀ of the rows (pass `a.t()` for the columns). Both triangles are filled.
    pub fn gram(self, a: ArrayView2<'_, f64>) -> Array2<f64> {
        let mut g = self.lower_gram(a);
        mirror_lower(&mut g);
        g
    }

    /// The lower triangle of A Aᵀ, column-major; the upper one is zero.
    pub(crate) fn lower_gram(self, a: ArrayView2<'_, f64>) -> Array2<f64> {
        match self.backend {
            Backend::Faer => pure::lower_gram(a, self.threads),
            #[cfg(feature = "lapack")]
            Backend::Lapack => lapack::lower_gram(a, self.threads),
        }
    }

    /// Matrix product A B.
    ///
    /// # Errors
    /// The inner dimensions differ.
    pub fn matmul(self, a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        check_shape("right factor", b.shape(), &[a.ncols(), b.ncols()], "inner dimensions agree")?;
        Ok(match self.backend {
            Backend::Faer => pure::matmul(a, b, self.threads),
            #[cfg(feature = "lapack")]
            Backend::Lapack => lapack::matmul(a, b, self.threads),
        })
    }

    /// Matrix-vector product A x (pass `a.t()` for the transpose: nothing is copied).
    ///
    /// # Errors
    /// The length of x is not the number of columns.
    pub fn matvec(self, a: ArrayView2<'_, f64>, x: ArrayView1<'_, f64>) -> Result<Array1<f64>> {
        check_shape("vector", x.shape(), &[a.ncols()], "as long as the matrix has columns")?;
        Ok(self.matmul(a, x.insert_axis(Axis(1)))?.remove_axis(Axis(1)))
    }
}

/// Copies the lower triangle of a square matrix into the upper one.
pub(crate) fn mirror_lower(a: &mut Array2<f64>) {
    for i in 0..a.nrows() {
        for j in 0..i {
            a[(j, i)] = a[(i, j)];
        }
    }
}

/// Numerical rank: the number of singular values above max(rows, columns)·ε·σ_max.
///
/// ```
/// use groktime::linalg::numerical_rank;
/// assert_eq!(numerical_rank(&[3.0, 1.0, 1e-17], 5, 3), 2);
/// assert_eq!(numerical_rank(&[0.0, 0.0], 2, 2), 0);
/// ```
pub fn numerical_rank(singular_values: &[f64], rows: usize, columns: usize) -> usize {
    let largest = singular_values.iter().copied().fold(0.0, f64::max);
    let cutoff = rows.max(columns) as f64 * EPS * largest;
    singular_values.iter().filter(|&&s| s > cutoff).count()
}

/// Checks that a matrix is square, finite and symmetric to rounding.
///
/// # Errors
/// Says which entries differ.
pub fn check_symmetric(name: &'static str, a: ArrayView2<'_, f64>) -> Result<()> {
    check_finite(name, a)?;
    check_shape(name, a.shape(), &[a.nrows(), a.nrows()], "a symmetric matrix is square")?;
    let scale = a.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    for i in 0..a.nrows() {
        for j in 0..i {
            let (low, high) = (a[(i, j)], a[(j, i)]);
            if (low - high).abs() > 1e-10 * scale {
                return Err(Error::Matrix {
                    name,
                    property: "symmetric",
                    evidence: format!("entry ({i}, {j}) is {low} but ({j}, {i}) is {high}"),
                });
            }
        }
    }
    Ok(())
}

/// Replaces b by (L Lᵀ)⁻¹ b, L lower triangular as [`Engine::cholesky`] returns it.
///
/// ```
/// use groktime::linalg::{Engine, cholesky_solve};
/// let a = ndarray::array![[4.0, 2.0], [2.0, 5.0]];
/// let mut b = [8.0, 12.0];
/// cholesky_solve(Engine::SEQUENTIAL.cholesky(a.view())?.view(), &mut b);
/// assert!((b[0] - 1.0).abs() < 1e-15 && (b[1] - 2.0).abs() < 1e-15);
/// # Ok::<(), groktime::Error>(())
/// ```
pub fn cholesky_solve(l: ArrayView2<'_, f64>, b: &mut [f64]) {
    match l.t().to_slice() {
        Some(columns) => cholesky_solve_columns(columns, b),
        None => cholesky_solve_columns(&l.t().iter().copied().collect::<Vec<f64>>(), b),
    }
}
