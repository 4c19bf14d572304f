//! Cholesky factors.

use super::*;

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
