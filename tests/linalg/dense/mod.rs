//! The dense kernels: every backend passes the same tests, with nalgebra as an independent opinion.

mod cholesky;
mod eigen;
mod input;
mod products;
mod svd;

use groktime::Error;
use groktime::linalg::{Backend, EPS, Eigh, Engine, ThinSvd, Threads, check_symmetric, numerical_rank};
use ndarray::{Array1, Array2, ArrayView2, Axis, ShapeBuilder, array, s};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

fn backends() -> Vec<Backend> {
    vec![
        Backend::Faer,
        #[cfg(feature = "lapack")]
        Backend::Lapack,
    ]
}

fn engines() -> Vec<Engine> {
    let with = |backend| [Threads::One, Threads::All].map(|threads| Engine { backend, threads });
    backends().into_iter().flat_map(with).collect()
}

fn gaussian(seed: u64, rows: usize, columns: usize) -> Array2<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_simple_fn((rows, columns), || StandardNormal.sample(&mut rng))
}

fn norm(a: &Array2<f64>) -> f64 {
    let largest = a.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    if largest == 0.0 { 0.0 } else { largest * a.iter().map(|x| (x / largest).powi(2)).sum::<f64>().sqrt() }
}

fn peer(a: &Array2<f64>) -> nalgebra::DMatrix<f64> {
    nalgebra::DMatrix::from_row_iterator(a.nrows(), a.ncols(), a.iter().copied())
}

/// Asserts `found` ≤ `factor`·ε·`scale`, in words.
#[track_caller]
fn assert_small(found: f64, factor: f64, scale: f64, what: &str) {
    assert!(found <= factor * EPS * scale, "{what}: {found:e} is {} ε·scale", found / (EPS * scale));
}

#[track_caller]
fn assert_orthonormal(columns: &Array2<f64>, what: &str) {
    let excess = columns.t().dot(columns) - Array2::<f64>::eye(columns.ncols());
    assert_small(norm(&excess), 20.0, columns.nrows() as f64, &format!("{what}: orthogonality"));
}

/// The same matrix as views with different strides; the memory between its entries is NaN.
fn for_all_layouts(a: &Array2<f64>, mut f: impl FnMut(&str, ArrayView2<'_, f64>)) {
    let (m, n) = a.dim();
    f("C", a.view());
    f("transposed", a.t().as_standard_layout().t());
    f("reversed rows", a.slice(s![..;-1, ..]).to_owned().slice(s![..;-1, ..]));
    f("reversed columns", a.slice(s![.., ..;-1]).to_owned().slice(s![.., ..;-1]));
    let mirrored = a.slice(s![..;-1, ..;-1]).as_standard_layout().into_owned();
    f("reversed", mirrored.slice(s![..;-1, ..;-1]));
    for fortran in [false, true] {
        let empty = |rows, columns| Array2::from_elem((rows, columns).set_f(fortran), f64::NAN);
        let mut plain = empty(m, n);
        plain.assign(a);
        f("C or Fortran", plain.view());
        let mut block = empty(m + 3, n + 2);
        block.slice_mut(s![2..2 + m, 1..1 + n]).assign(a);
        f("block", block.slice(s![2..2 + m, 1..1 + n]));
        let mut steps = empty(2 * m + 1, 3 * n + 2);
        steps.slice_mut(s![1..;2, 2..;3]).assign(a);
        f("steps", steps.slice(s![1..;2, 2..;3]));
        let mut one_step = empty(2 * m, n);
        one_step.slice_mut(s![..;2, ..]).assign(a);
        f("every second row", one_step.slice(s![..;2, ..]));
        let mut backwards = empty(2 * m, 3 * n);
        backwards.slice_mut(s![..;-2, ..;-3]).assign(a);
        f("steps backwards", backwards.slice(s![..;-2, ..;-3]));
    }
}
