//! The dense kernels: every backend passes the same tests, with nalgebra as an independent opinion.

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

// ---- Eigenvalues -----------------------------------------------------------------------------------

/// Symmetric matrices of several kinds.
fn symmetric(kind: usize, n: usize, seed: u64) -> Array2<f64> {
    let g = gaussian(seed, n, n);
    match kind {
        0 => &g + &g.t(),
        1 => {
            let thin = g.slice(s![.., ..n.div_ceil(3)]);
            thin.dot(&thin.t())
        }
        2 => Array2::eye(n) + (&g + &g.t()) * 1e-14, // a cluster
        3 => Array2::from_diag(&g.diag()),
        4 => {
            let scale = Array1::from_shape_fn(n, |i| 0.3_f64.powi(i as i32)); // graded
            (&g + &g.t()) * &scale * scale.insert_axis(Axis(1))
        }
        _ => Array2::zeros((n, n)),
    }
}

#[track_caller]
fn check_eigh(a: ArrayView2<'_, f64>, e: &Eigh, what: &str) {
    let (a, n) = (a.to_owned(), a.nrows() as f64);
    assert_eq!(e.vectors.dim(), a.dim());
    assert_small(
        norm(&(a.dot(&e.vectors) - &e.vectors * &e.values)),
        20.0 * n,
        norm(&a),
        &format!("{what}: residual"),
    );
    assert_orthonormal(&e.vectors, what);
    assert!(e.values.windows(2).into_iter().all(|w| w[0] <= w[1]), "{what}: not ascending");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn eigh_is_exact_for_a_nearby_matrix(kind in 0usize..6, n in 1usize..31, seed: u64, power in -280i32..290) {
        let a = symmetric(kind, n, seed) * 10f64.powi(power);
        let opinion = peer(&a).symmetric_eigen();
        let mut expected: Vec<f64> = opinion.eigenvalues.iter().copied().collect();
        expected.sort_by(f64::total_cmp);
        // Only the lower triangle is read.
        let mut lower = a.clone();
        lower.indexed_iter_mut().filter(|((i, j), _)| i < j).for_each(|(_, x)| *x = 1e300);
        for engine in engines() {
            let e = engine.eigh(lower.view()).unwrap();
            check_eigh(a.view(), &e, &format!("{engine:?}"));
            for (x, y) in e.values.iter().zip(&expected) {
                assert_small((x - y).abs(), 30.0 * n as f64, norm(&a), "nalgebra disagrees");
            }
        }
    }

    #[test]
    fn eigh_reads_every_layout(n in 1usize..12, seed: u64) {
        let a = symmetric(0, n, seed);
        for engine in engines() {
            for_all_layouts(&a, |layout, view| {
                check_eigh(a.view(), &engine.eigh(view).unwrap(), &format!("{engine:?}, {layout}"));
            });
        }
    }
}

#[test]
fn eigh_of_sizes_beyond_one_block() {
    for n in [33, 64, 65, 130, 257] {
        for kind in 0..6 {
            let a = symmetric(kind, n, n as u64);
            for engine in engines() {
                check_eigh(a.view(), &engine.eigh(a.view()).unwrap(), &format!("{engine:?}, {n}, {kind}"));
            }
        }
    }
}

// ---- Tridiagonal form ------------------------------------------------------------------------------

/// Eigenvectors, coordinates and solutions of the tridiagonal form against the matrix itself.
#[track_caller]
fn check_tridiagonal(engine: Engine, a: &Array2<f64>, what: &str) {
    let n = a.nrows();
    let what = format!("{engine:?}, {what}");
    // Only the lower triangle is read.
    let mut lower = a.clone();
    lower.indexed_iter_mut().filter(|((i, j), _)| i < j).for_each(|(_, x)| *x = 1e300);
    let form = engine.tridiagonal(lower.clone()).unwrap();
    let x = gaussian(n as u64, n, 6);
    let (values, coordinates) = form.coordinates(x.view()).unwrap();
    let vectors = form.eigenvectors().unwrap();
    check_eigh(a.view(), &Eigh { values: values.clone(), vectors: vectors.clone() }, &what);
    assert_small(norm(&(vectors.t().dot(&x) - &coordinates)), 20.0 * n as f64, norm(&x), &what);
    // The same whatever else is asked, in whichever layout the matrix came.
    let (again, one) = form.coordinates(x.slice(s![.., 4..5])).unwrap();
    assert_eq!((again, one.column(0)), (values.clone(), coordinates.column(4)), "{what}");
    let fortran = engine.tridiagonal(lower.t().as_standard_layout().into_owned().reversed_axes()).unwrap();
    assert_eq!(fortran.coordinates(x.view()).unwrap().0, values, "{what}: layout");

    let (least, largest) = (values[0], values[n - 1]);
    for limit in [1.5, 1e3, 1e8] {
        // Near the limit either answer will do.
        let edge = largest / limit;
        if least > 1.01 * edge || least < 0.99 * edge {
            assert_eq!(form.is_conditioned(limit), least > edge, "{what}: {least:e} to {largest:e}, {limit}");
        }
    }
    if form.is_conditioned(1e8) {
        let solution = form.solve(x.view()).unwrap();
        let scale = norm(a) * norm(&solution);
        assert_small(norm(&(a.dot(&solution) - &x)), 20.0 * n as f64, scale, &format!("{what}: solution"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn tridiagonal_form_is_exact_for_a_nearby_matrix(
        kind in 0usize..7, n in 1usize..31, seed: u64, power in -280i32..290,
    ) {
        let g = gaussian(seed, n, 2 * n + 1);
        let a = if kind == 6 { g.dot(&g.t()) } else { symmetric(kind, n, seed) } * 10f64.powi(power);
        for engine in engines() {
            check_tridiagonal(engine, &a, &format!("{n}, {kind}, 1e{power}"));
        }
    }
}

#[test]
fn tridiagonal_form_of_sizes_beyond_one_block() {
    for n in [33, 64, 65, 130, 257] {
        for kind in 0..6 {
            for engine in engines() {
                check_tridiagonal(engine, &symmetric(kind, n, n as u64), &format!("{n}, {kind}"));
            }
        }
    }
}

/// Off-diagonal alone, blocks that do not touch, all equal: shifts and deflation at their edges.
#[test]
fn tridiagonal_form_of_special_matrices() {
    let block = |blocks: &[f64]| {
        let n = 2 * blocks.len();
        Array2::from_shape_fn((n, n), |(i, j)| if i != j && i / 2 == j / 2 { blocks[i / 2] } else { 0.0 })
    };
    let chain = |n: usize| Array2::from_shape_fn((n, n), |(i, j)| f64::from(u8::from(i.abs_diff(j) == 1)));
    let matrices = [
        block(&[1.0]),
        block(&[1.0, -1.0, 1e-17]),
        block(&[1.0, 1e-200, 0.0]),
        chain(2),
        chain(3),
        chain(50),
        Array2::eye(7),
        Array2::ones((9, 9)),
        Array2::eye(8) + chain(8) * 1e-9,
        array![[1.0, 1e-160, 0.0], [1e-160, 1e-160, 1e-160], [0.0, 1e-160, 0.0]],
    ];
    for engine in engines() {
        for (i, a) in matrices.iter().enumerate() {
            check_tridiagonal(engine, a, &format!("matrix {i}"));
        }
        let indefinite = engine.tridiagonal(array![[1.0, 2.0], [2.0, 1.0]]).unwrap();
        assert!(matches!(indefinite.solve(Array2::ones((2, 1)).view()), Err(Error::Matrix { .. })));
        assert!(!indefinite.is_conditioned(1e300));
        assert!(matches!(indefinite.coordinates(Array2::ones((3, 1)).view()), Err(Error::Shape { .. })));
        assert!(matches!(indefinite.solve(Array2::ones((3, 1)).view()), Err(Error::Shape { .. })));
    }
}

// ---- Singular values -------------------------------------------------------------------------------

/// Matrices of several kinds and, where it is certain, their rank.
fn rectangular(kind: usize, rows: usize, columns: usize, seed: u64) -> (Array2<f64>, Option<usize>) {
    let g = gaussian(seed, rows, columns);
    let least = rows.min(columns);
    match kind {
        0 => (g, None),
        1 => {
            let rank = least.div_ceil(3);
            let product = g.slice(s![.., ..rank]).dot(&gaussian(seed ^ 1, rank, columns));
            (product, Some(rank))
        }
        2 => (g * Array1::from_shape_fn(columns, |j| 0.3_f64.powi(j as i32)), None),
        3 => (Array2::eye(rows.max(columns)).slice(s![..rows, ..columns]).to_owned(), Some(least)),
        4 => (Array2::ones((rows, columns)), Some(1)),
        _ => (Array2::zeros((rows, columns)), Some(0)),
    }
}

#[track_caller]
fn check_svd(a: ArrayView2<'_, f64>, svd: &ThinSvd, what: &str) {
    let (a, (m, n)) = (a.to_owned(), a.dim());
    let (k, most) = (m.min(n), m.max(n) as f64);
    assert_eq!((svd.left.dim(), svd.values.len(), svd.right.dim()), ((m, k), k, (n, k)));
    let product = (&svd.left * &svd.values).dot(&svd.right.t());
    assert_small(norm(&(&a - product)), 20.0 * most, norm(&a), &format!("{what}: residual"));
    assert_orthonormal(&svd.left, what);
    assert_orthonormal(&svd.right, what);
    assert!(svd.values.windows(2).into_iter().all(|w| w[0] >= w[1]), "{what}: not descending");
    assert!(svd.values[k - 1] >= 0.0, "{what}: negative");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn thin_svd_is_exact_for_a_nearby_matrix(
        kind in 0usize..6, rows in 1usize..31, columns in 1usize..31, seed: u64, power in -280i32..290,
    ) {
        let (a, rank) = rectangular(kind, rows, columns, seed);
        let a = a * 10f64.powi(power);
        let mut expected: Vec<f64> = peer(&a).singular_values().iter().copied().collect();
        expected.sort_by(|x, y| y.total_cmp(x));
        for engine in engines() {
            let svd = engine.thin_svd(a.view()).unwrap();
            check_svd(a.view(), &svd, &format!("{engine:?}"));
            for (x, y) in svd.values.iter().zip(&expected) {
                let most = rows.max(columns) as f64;
                assert_small((x - y).abs(), 30.0 * most, norm(&a), "nalgebra disagrees");
            }
            if let Some(rank) = rank {
                prop_assert_eq!(numerical_rank(svd.values.as_slice().unwrap(), rows, columns), rank);
            }
        }
    }

    #[test]
    fn thin_svd_reads_every_layout(rows in 1usize..9, columns in 1usize..9, seed: u64) {
        let a = gaussian(seed, rows, columns);
        for engine in engines() {
            for_all_layouts(&a, |layout, view| {
                check_svd(a.view(), &engine.thin_svd(view).unwrap(), &format!("{engine:?}, {layout}"));
            });
        }
    }
}

#[test]
fn thin_svd_of_sizes_beyond_one_block() {
    for (rows, columns) in [(200, 40), (40, 200), (400, 20), (20, 400), (150, 140), (1000, 1), (1, 1000)] {
        for kind in 0..6 {
            let (a, _) = rectangular(kind, rows, columns, 7);
            for engine in engines() {
                let what = format!("{engine:?}, {rows} by {columns}, {kind}");
                check_svd(a.view(), &engine.thin_svd(a.view()).unwrap(), &what);
            }
        }
    }
}

#[test]
fn numerical_rank_is_relative_to_the_largest_value() {
    assert_eq!(numerical_rank(&[1e-200, 1e-210, 1e-217], 3, 3), 2);
    assert_eq!(numerical_rank(&[1.0, 2.9 * EPS, 3.1 * EPS], 2, 3), 2);
    assert_eq!(numerical_rank(&[], 0, 4), 0);
    assert_eq!(numerical_rank(&[1.0, 1.0], 1000, 2), 2);
}

// ---- Cholesky --------------------------------------------------------------------------------------

/// L D Lᵀ with a unit lower triangular L and D = 1 except for `at` of the place `pivot`.
fn with_pivot(n: usize, pivot: usize, at: f64, seed: u64) -> Array2<f64> {
    let mut l = gaussian(seed, n, n) / n as f64;
    l.indexed_iter_mut().filter(|((i, j), _)| i <= j).for_each(|((i, j), x)| *x = f64::from(i == j));
    let mut d = Array1::ones(n);
    d[pivot] = at;
    (&l * &d).dot(&l.t())
}

fn evidence(result: Result<Array2<f64>, Error>) -> String {
    match result {
        Err(Error::Matrix { property: "positive definite", evidence, .. }) => evidence,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn cholesky_multiplies_back(n in 1usize..80, seed: u64, power in -280i32..290) {
        let g = gaussian(seed, n, n);
        let a = (g.dot(&g.t()) + Array2::<f64>::eye(n) * 0.1) * 10f64.powi(power);
        let expected = peer(&a).cholesky().unwrap().l();
        let condition = (norm(&a) / (0.1 * 10f64.powi(power))).max(1.0);
        let mut lower = a.clone();
        lower.indexed_iter_mut().filter(|((i, j), _)| i < j).for_each(|(_, x)| *x = 1e300);
        for engine in engines() {
            let l = engine.cholesky(lower.view()).unwrap();
            assert_small(norm(&(&a - l.dot(&l.t()))), 4.0 * n as f64, norm(&a), &format!("{engine:?}"));
            assert!(l.indexed_iter().all(|((i, j), &x)| if i < j { x == 0.0 } else { i > j || x > 0.0 }));
            let apart = l.indexed_iter().map(|((i, j), x)| (x - expected[(i, j)]).abs()).fold(0.0, f64::max);
            assert_small(apart, 4.0 * n as f64 * condition, norm(&l), "nalgebra disagrees");
        }
    }

    #[test]
    fn cholesky_names_the_pivot(n in 1usize..200, place: prop::sample::Index, zero: bool, seed: u64) {
        let pivot = place.index(n);
        // Rounding decides about a zero pivot, except for a diagonal matrix.
        let a = if zero {
            Array2::from_diag(&Array1::from_shape_fn(n, |i| f64::from(i != pivot)))
        } else {
            with_pivot(n, pivot, -1.0, seed)
        };
        for engine in engines() {
            let found = evidence(engine.cholesky(a.view()));
            prop_assert!(found.contains(&format!("pivot {pivot} of")), "{engine:?}, expected {pivot}: {found}");
        }
    }

    #[test]
    fn cholesky_reads_every_layout(n in 1usize..9, seed: u64) {
        let a = with_pivot(n, 0, 2.0, seed);
        for engine in engines() {
            for_all_layouts(&a, |layout, view| {
                let l = engine.cholesky(view).unwrap();
                assert_small(norm(&(&a - l.dot(&l.t()))), 10.0, norm(&a), layout);
            });
        }
    }
}

// ---- Products --------------------------------------------------------------------------------------

/// Asserts |C − AB| ≤ 2k ε |A||B|, entry by entry.
#[track_caller]
fn check_product(a: &Array2<f64>, b: &Array2<f64>, c: &Array2<f64>, what: &str) {
    let mut expected = Array2::<f64>::zeros((a.nrows(), b.ncols()));
    for ((i, j), x) in expected.indexed_iter_mut() {
        *x = (0..a.ncols()).map(|k| a[(i, k)] * b[(k, j)]).sum();
    }
    let bound = a.mapv(f64::abs).dot(&b.mapv(f64::abs)) * (2.0 * a.ncols() as f64 * EPS);
    assert_eq!(c.dim(), expected.dim(), "{what}");
    for (index, x) in c.indexed_iter() {
        let apart = (x - expected[index]).abs();
        assert!(apart <= bound[index], "{what}: entry {index:?} is {x}, expected {}", expected[index]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn products_read_every_layout(m in 1usize..12, k in 1usize..12, n in 1usize..12, seed: u64) {
        let (a, b) = (gaussian(seed, m, k), gaussian(seed ^ 1, k, n));
        for engine in engines() {
            for_all_layouts(&a, |left, va| {
                let what = format!("{engine:?}, {left}");
                let gram = engine.gram(va);
                check_product(&a, &a.t().to_owned(), &gram, &what);
                assert_eq!(gram, gram.t(), "{what}");
                for_all_layouts(&b, |right, vb| {
                    check_product(&a, &b, &engine.matmul(va, vb).unwrap(), &format!("{what} × {right}"));
                    let x = vb.column(n - 1);
                    let y = engine.matvec(va, x).unwrap();
                    let column = b.slice(s![.., n - 1..]).to_owned();
                    check_product(&a, &column, &y.insert_axis(Axis(1)), &format!("{what} · {right}"));
                });
            });
        }
    }

    #[test]
    fn products_of_larger_matrices(m in 1usize..150, k in 1usize..150, n in 1usize..150, seed: u64) {
        let (a, b) = (gaussian(seed, m, k), gaussian(seed ^ 1, k, n));
        for engine in engines() {
            let what = format!("{engine:?}");
            check_product(&a, &b, &engine.matmul(a.view(), b.view()).unwrap(), &what);
            check_product(&a, &a.t().to_owned(), &engine.gram(a.view()), &what);
            check_product(&a.t().to_owned(), &a, &engine.gram(a.t()), &what);
            let x = a.column(0).to_owned();
            let y = engine.matvec(a.t(), x.view()).unwrap();
            check_product(&a.t().to_owned(), &x.insert_axis(Axis(1)), &y.insert_axis(Axis(1)), &what);
        }
    }
}

#[test]
fn a_repeated_row_is_a_matrix_too() {
    let row = array![1.0, 2.0, 3.0];
    let a = row.broadcast((4, 3)).unwrap();
    for engine in engines() {
        assert_eq!(engine.gram(a), Array2::from_elem((4, 4), 14.0));
        assert_eq!(engine.matvec(a, row.view()).unwrap(), Array1::from_elem(4, 14.0));
        assert_eq!(engine.matmul(a.t(), a).unwrap()[(2, 1)], 24.0);
    }
}

#[test]
fn products_with_an_empty_side_are_zero_or_empty() {
    for engine in engines() {
        let (wide, tall) = (Array2::zeros((0, 3)), Array2::zeros((3, 0)));
        assert_eq!(engine.matmul(tall.view(), wide.view()).unwrap(), Array2::<f64>::zeros((3, 3)));
        assert_eq!(engine.matmul(wide.view(), tall.view()).unwrap().dim(), (0, 0));
        assert_eq!(engine.gram(tall.view()), Array2::<f64>::zeros((3, 3)));
        assert_eq!(engine.gram(wide.view()).dim(), (0, 0));
        assert_eq!(engine.matvec(tall.view(), Array1::zeros(0).view()).unwrap(), Array1::<f64>::zeros(3));
        assert_eq!(engine.matvec(wide.view(), Array1::zeros(3).view()).unwrap().len(), 0);
    }
}

// ---- Small cases with known answers ----------------------------------------------------------------

#[test]
fn one_by_one() {
    let a = array![[4.0]];
    for engine in engines() {
        let e = engine.eigh(a.view()).unwrap();
        assert_eq!((e.values[0], e.vectors[(0, 0)].abs()), (4.0, 1.0));
        let svd = engine.thin_svd(array![[-4.0]].view()).unwrap();
        assert_eq!((svd.values[0], svd.left[(0, 0)] * svd.right[(0, 0)]), (4.0, -1.0));
        assert_eq!(engine.cholesky(a.view()).unwrap(), array![[2.0]]);
        assert_eq!(engine.gram(a.view()), array![[16.0]]);
        assert_eq!(engine.matmul(a.view(), a.view()).unwrap(), array![[16.0]]);
        assert_eq!(engine.matvec(a.view(), array![0.5].view()).unwrap(), array![2.0]);
    }
}

#[test]
fn rows_and_columns() {
    let row = array![[3.0, 0.0, -4.0]];
    for engine in engines() {
        for a in [row.view(), row.t()] {
            let svd = engine.thin_svd(a).unwrap();
            check_svd(a, &svd, &format!("{engine:?}"));
            assert!((svd.values[0] - 5.0).abs() <= 4.0 * EPS);
        }
        assert_eq!(engine.gram(row.view()), array![[25.0]]);
        assert_eq!(engine.gram(row.t()), array![[9.0, 0.0, -12.0], [0.0, 0.0, 0.0], [-12.0, 0.0, 16.0]]);
    }
}

// ---- Errors ----------------------------------------------------------------------------------------

#[test]
fn bad_input_is_refused_with_its_place() {
    for engine in engines() {
        let three = |a: ArrayView2<'_, f64>| {
            [
                engine.eigh(a).map(drop).unwrap_err(),
                engine.tridiagonal(a.to_owned()).map(drop).unwrap_err(),
                engine.thin_svd(a).map(drop).unwrap_err(),
                engine.cholesky(a).map(drop).unwrap_err(),
            ]
        };
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let a = array![[1.0, 0.0], [bad, 1.0]];
            for (view, place) in [(a.view(), vec![1, 0]), (a.t(), vec![0, 1])] {
                for error in three(view) {
                    assert!(
                        matches!(&error, Error::NotFinite { index, .. } if *index == place),
                        "{engine:?}: {error}"
                    );
                    assert!(error.is_bad_input());
                }
            }
        }
        for shape in [(0, 0), (0, 3), (3, 0)] {
            for error in three(Array2::zeros(shape).view()) {
                assert!(matches!(&error, Error::Empty { shape: s, .. } if s[..] == [shape.0, shape.1]));
            }
        }
    }
}

#[test]
fn shapes_that_do_not_fit_are_named() {
    let a = gaussian(1, 2, 3);
    for engine in engines() {
        let errors = [
            (engine.eigh(a.view()).map(drop), "[2, 3]", "[2, 2]"),
            (engine.tridiagonal(a.clone()).map(drop), "[2, 3]", "[2, 2]"),
            (engine.cholesky(a.view()).map(drop), "[2, 3]", "[2, 2]"),
            (engine.matmul(a.view(), a.view()).map(drop), "[2, 3]", "[3, 3]"),
            (engine.matvec(a.view(), array![1.0, 2.0].view()).map(drop), "[2]", "[3]"),
        ];
        for (error, found, expected) in errors {
            let error = error.unwrap_err();
            assert!(matches!(error, Error::Shape { .. }), "{error}");
            let message = error.to_string();
            assert!(message.contains(found) && message.contains(expected), "{message}");
        }
    }
}

#[test]
fn symmetry_is_checked_to_rounding() {
    let a = symmetric(0, 6, 3);
    check_symmetric("covariance", a.view()).unwrap();
    let mut rounded = a.clone();
    rounded[(4, 1)] *= 1.0 + 4.0 * EPS;
    check_symmetric("covariance", rounded.view()).unwrap();
    let mut wrong = a.clone();
    wrong[(4, 1)] += 1e-3;
    let message = check_symmetric("covariance", wrong.view()).unwrap_err().to_string();
    for piece in ["covariance", "symmetric", "(4, 1)", "(1, 4)", &wrong[(4, 1)].to_string()] {
        assert!(message.contains(piece), "{piece} is not in {message}");
    }
    assert!(matches!(check_symmetric("c", gaussian(1, 2, 3).view()), Err(Error::Shape { .. })));
    assert!(matches!(check_symmetric("c", Array2::zeros((0, 0)).view()), Err(Error::Empty { .. })));
    wrong[(0, 0)] = f64::NAN;
    assert!(matches!(check_symmetric("c", wrong.view()), Err(Error::NotFinite { .. })));
}

// ---- Reproducibility -------------------------------------------------------------------------------

/// The bits of everything a backend computes, on sizes that its threads would share.
fn bits(engine: Engine, a: &Array2<f64>) -> Vec<u64> {
    let gram = engine.gram(a.view());
    let e = engine.eigh(gram.view()).unwrap();
    let form = engine.tridiagonal(gram.clone()).unwrap();
    let (values, coordinates) = form.coordinates(a.view()).unwrap();
    let vectors = form.eigenvectors().unwrap();
    let svd = engine.thin_svd(a.view()).unwrap();
    let l = engine.cholesky((&gram + &Array2::<f64>::eye(gram.nrows())).view()).unwrap();
    let product = engine.matmul(a.view(), a.t()).unwrap();
    let y = engine.matvec(a.view(), a.row(0)).unwrap();
    let matrices = [gram, e.vectors, coordinates, vectors, svd.left, svd.right, l, product];
    let vectors = [e.values, values, svd.values, y];
    matrices.iter().flatten().chain(vectors.iter().flatten()).map(|x| x.to_bits()).collect()
}

#[test]
fn one_thread_gives_the_same_bits_in_any_surroundings() {
    let a = gaussian(11, 160, 190);
    for backend in backends() {
        let engine = Engine { backend, threads: Threads::One };
        let expected = bits(engine, &a);
        let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let all = Engine { backend, threads: Threads::All };
        assert!(alone.install(|| bits(all, &a)) == expected, "{backend:?}: all of one thread are one");
        for threads in [1, 2, 4] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert!(pool.install(|| bits(engine, &a)) == expected, "{backend:?}, pool of {threads}");
            // Concurrently, among kernels that use all threads.
            let same = pool.install(|| {
                let task = |i: usize| {
                    let threads = if i % 3 == 2 { Threads::All } else { Threads::One };
                    let found = bits(Engine { backend, threads }, &a);
                    threads == Threads::All || found == expected
                };
                (0..12).into_par_iter().map(task).collect::<Vec<_>>()
            });
            assert!(same.iter().all(|&s| s), "{backend:?}, concurrently in a pool of {threads}: {same:?}");
        }
    }
}
