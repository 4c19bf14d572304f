//! Products.

use super::*;

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
