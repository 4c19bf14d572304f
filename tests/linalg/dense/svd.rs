//! Singular values.

use super::*;

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
pub(super) fn check_svd(a: ArrayView2<'_, f64>, svd: &ThinSvd, what: &str) {
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
