//! Columns and rows of very different size: what fits is found, each weight with its own digits, and nothing else is said.

use groktime::data::Design;
use groktime::limits::{Limit, max_margin_l1, max_margin_l2, min_l1, min_norm};
use groktime::linalg::Threads;
use ndarray::{Array2, array};

const ONE: Threads = Threads::One;

/// Xw = (1, 1) and Xw ≥ 1 with X = diag(1, s): w = (1, 1/s) in every norm, by hand.
#[test]
fn diagonal_data_by_hand() {
    for exponent in [0, 1, 3, 5, 6, 7, 8, 10, 13, 30, 100] {
        let s = 10_f64.powi(-exponent);
        let x = Design::new(array![[1.0, 0.0], [0.0, s]].view()).unwrap();
        let y = [1.0, 1.0];
        let all = [
            ("min L2", min_norm(&x, &y, ONE).map(|l| l.found().map(|f| (f.weights, f.report)))),
            ("min L1", min_l1(&x, &y, ONE).map(|l| l.found().map(|f| (f.weights, f.report)))),
            ("L2 margin", max_margin_l2(&x, &y, ONE).map(|l| l.found().map(|f| (f.weights, f.report)))),
            ("L1 margin", max_margin_l1(&x, &y, ONE).map(|l| l.found().map(|f| (f.weights, f.report)))),
        ];
        for (name, found) in all {
            let (w, report) = found.unwrap().unwrap_or_else(|| panic!("{name}, s = {s:e}: no solution"));
            assert!((w[0] - 1.0).abs() < 1e-12 && (w[1] * s - 1.0).abs() < 1e-12, "{name}, s = {s:e}: {w}");
            assert_eq!(report.unique, Some(true), "{name}, s = {s:e}");
        }
    }
}

/// Two samples that only a column of size s tells apart: w₁ + s w₂ ≥ 1 and −w₁ + s w₂ ≥ 1 ask for w = (0, 1/s), and
/// w₁ = 1, w₁ + s w₂ = 2 for w = (1, 1/s).
#[test]
fn a_small_column_decides() {
    for exponent in [1, 3, 6, 9, 13] {
        let s = 2_f64.powi(-(exponent * 10) / 3);
        let x = Design::new(array![[1.0, s], [-1.0, s]].view()).unwrap();
        for w in [
            max_margin_l2(&x, &[1.0, 1.0], ONE).unwrap().found().unwrap().weights,
            max_margin_l1(&x, &[1.0, 1.0], ONE).unwrap().found().unwrap().weights,
        ] {
            assert!(w[0].abs() < 1e-12 && (w[1] * s - 1.0).abs() < 1e-12, "s = {s:e}: {w}");
        }
        let x = Design::new(array![[1.0, 0.0], [1.0, s]].view()).unwrap();
        for w in [
            min_norm(&x, &[1.0, 2.0], ONE).unwrap().found().unwrap().weights,
            min_l1(&x, &[1.0, 2.0], ONE).unwrap().found().unwrap().weights,
        ] {
            assert!((w[0] - 1.0).abs() < 1e-12 && (w[1] * s - 1.0).abs() < 1e-12, "s = {s:e}: {w}");
        }
        // And where the small column contradicts itself nothing fits.
        let x = Design::new(array![[1.0, s], [-1.0, s], [0.0, -s]].view()).unwrap();
        assert!(max_margin_l2(&x, &[1.0; 3], ONE).unwrap().infeasible().is_some(), "s = {s:e}");
        assert!(max_margin_l1(&x, &[1.0; 3], ONE).unwrap().infeasible().is_some(), "s = {s:e}");
    }
}

/// A scale of all data is a scale of the weights, also where squares of the entries underflow or overflow.
#[test]
fn the_scale_of_the_data_is_a_scale_of_the_weights() {
    let base = array![[2.0, 3.0, -1.0], [-3.0, 3.0, -1.0], [3.0, 3.0, -1.5]];
    let y = [1.0, -1.0, 1.0];
    let solve = |x: &Array2<f64>| {
        let x = Design::new(x.view()).unwrap();
        [
            max_margin_l2(&x, &y, ONE).unwrap().found().unwrap().weights,
            max_margin_l1(&x, &y, ONE).unwrap().found().unwrap().weights,
            min_norm(&x, &y, ONE).unwrap().found().unwrap().weights,
            min_l1(&x, &y, ONE).unwrap().found().unwrap().weights,
        ]
    };
    let one = solve(&base);
    for scale in [-600_i32, -520, 520, 600] {
        let scale = 2_f64.powi(scale);
        for (name, (a, b)) in
            ["L2", "L1", "min L2", "min L1"].iter().zip(one.iter().zip(&solve(&(&base * scale))))
        {
            let largest = a.iter().fold(0.0_f64, |m, w| m.max(w.abs()));
            for (a, b) in a.iter().zip(b) {
                assert!((a - b * scale).abs() < 1e-9 * largest, "{name} at {scale:e}: {a} {b}");
            }
        }
    }
    // All zero.
    let zero = Design::new(Array2::zeros((2, 3)).view()).unwrap();
    for farkas in [
        max_margin_l2(&zero, &[1.0, -1.0], ONE).unwrap().infeasible(),
        max_margin_l1(&zero, &[1.0, -1.0], ONE).unwrap().infeasible(),
        match min_norm(&zero, &[1.0, -1.0], ONE).unwrap() {
            Limit::Infeasible(farkas) => Some(farkas),
            Limit::Found(_) => None,
        },
    ] {
        assert_eq!(farkas.expect("nothing fits").bound, 0.0);
    }
}
