//! Eigenvalues and the tridiagonal form.

use super::*;

/// Symmetric matrices of several kinds.
pub(super) fn symmetric(kind: usize, n: usize, seed: u64) -> Array2<f64> {
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

/// From 600 rows on it is made in two stages.
#[test]
fn tridiagonal_form_in_two_stages() {
    for (kind, n) in [(0, 600), (2, 601), (5, 641)] {
        for engine in engines() {
            check_tridiagonal(engine, &symmetric(kind, n, n as u64), &format!("{n}, {kind}"));
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
