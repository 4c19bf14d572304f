//! Small and bad input.

use super::eigen::symmetric;
use super::svd::check_svd;
use super::*;

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

/// Where sums of a backend depend on how its work is divided, the division is a matter of the size alone.
#[test]
fn the_number_of_threads_is_not_seen_in_the_bits() {
    let pools = [1, 2, 3].map(|n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap());
    let all = Engine { backend: Backend::Faer, threads: Threads::All };
    for (n, m) in [(160, 190), (330, 350)] {
        let a = gaussian(11, n, m);
        let [expected, others @ ..] = pools.each_ref().map(|pool| pool.install(|| bits(all, &a)));
        assert!(others.iter().all(|found| *found == expected), "{n} × {m}");
        assert!(bits(Engine::SEQUENTIAL, &a) == expected, "{n} × {m}: all are one");
    }
    // Just large enough to be shared.
    let a = gaussian(12, 601, 601);
    let shifted = all.gram(a.view()) + &Array2::<f64>::eye(601);
    let kernels: [(&str, &(dyn Fn() -> Vec<f64> + Sync)); 8] = [
        ("values", &|| all.eigenvalues(shifted.view()).unwrap().to_vec()),
        ("vectors", &|| all.eigh(shifted.view()).unwrap().vectors.into_raw_vec_and_offset().0),
        ("singular vectors", &|| all.thin_svd(a.view()).unwrap().right.into_raw_vec_and_offset().0),
        ("factor", &|| all.cholesky(shifted.view()).unwrap().into_raw_vec_and_offset().0),
        ("inverse", &|| {
            let l = all.cholesky(shifted.view()).unwrap();
            all.inverse_of_cholesky(l.view()).unwrap().into_raw_vec_and_offset().0
        }),
        ("LU factors", &|| {
            let mut x = vec![1.0; 601];
            all.lu(a.view()).unwrap().solve(&mut x);
            x
        }),
        ("product", &|| all.matmul(a.view(), a.view()).unwrap().into_raw_vec_and_offset().0),
        ("image", &|| {
            // Long enough that even a product with a vector is shared.
            let wide = gaussian(13, 40, 60_000);
            all.matvec(wide.view(), wide.row(0)).unwrap().to_vec()
        }),
    ];
    for (name, kernel) in kernels {
        let [expected, others @ ..] = pools
            .each_ref()
            .map(|pool| pool.install(|| kernel().iter().map(|x| x.to_bits()).collect::<Vec<_>>()));
        assert!(others.iter().all(|found| *found == expected), "{name}");
    }
}

#[test]
fn one_thread_gives_the_same_bits_in_any_surroundings() {
    let a = gaussian(11, 160, 190);
    for backend in backends() {
        let engine = Engine { backend, threads: Threads::One };
        let expected = bits(engine, &a);
        let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let all = Engine { backend, threads: Threads::All };
        assert!(alone.install(|| bits(all, &a)) == expected, "{backend:?}: all are one");
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
