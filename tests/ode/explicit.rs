//! The explicit method.

use super::*;

#[test]
fn dop853_has_order_eight_and_a_dense_output_of_order_seven() {
    let error = |h: f64| {
        let options =
            Options { rtol: 0.1, atol: 1e9, first_step: Some(h), max_step: h, ..Options::default() };
        let s = dop853(&mut Kepler, 0.0..6.0, &KEPLER_START, &options).unwrap();
        (worst_at_nodes(&s, kepler), worst(&s, 5000, kepler))
    };
    let errors: Vec<(f64, f64)> = [0.3, 0.2, 0.1, 0.075, 0.05].map(error).to_vec();
    let points = |f: fn(&(f64, f64)) -> f64| -> Vec<(f64, f64)> {
        [0.3, 0.2, 0.1, 0.075, 0.05].into_iter().zip(errors.iter().map(f)).collect()
    };
    let (nodes, dense) = (slope(&points(|e| e.0)), slope(&points(|e| e.1)));
    assert!((7.3..9.0).contains(&nodes) && (6.7..9.0).contains(&dense), "{nodes} {dense}: {errors:?}");
}

#[test]
fn dop853_is_as_accurate_as_asked() {
    let mut points = Vec::new();
    for tolerance in TOLERANCES {
        let s = dop853(&mut Kepler, 0.0..20.0, &KEPLER_START, &rtol(tolerance)).unwrap();
        let (dense, nodes) = (worst(&s, 20_000, kepler), worst_at_nodes(&s, kepler));
        assert!(dense < 500.0 * tolerance && dense < 2.0 * nodes + tolerance, "{tolerance}: {dense} {nodes}");
        points.push((tolerance, dense));
    }
    let slope = slope(&points);
    assert!((0.85..1.2).contains(&slope), "{slope}: {points:?}");
}

#[test]
fn both_methods_agree_on_van_der_pol() {
    let flow = || {
        DenseFlow::new(
            2,
            |_, y: &[f64], dy: &mut [f64]| (dy[0], dy[1]) = (y[1], 5.0 * (1.0 - y[0] * y[0]) * y[1] - y[0]),
            |_, y: &[f64], mut j: ArrayViewMut2<'_, f64>| {
                j[(0, 1)] = 1.0;
                (j[(1, 0)], j[(1, 1)]) = (-10.0 * y[0] * y[1] - 1.0, 5.0 * (1.0 - y[0] * y[0]));
            },
        )
    };
    let a = bdf(&mut flow(), 0.0..15.0, &[2.0, 0.0], &rtol(1e-11)).unwrap();
    let b = dop853(&mut flow(), 0.0..15.0, &[2.0, 0.0], &rtol(1e-12)).unwrap();
    let mut y = [0.0; 2];
    for i in 0..=1500 {
        let t = 0.01 * f64::from(i);
        b.path.eval(t, &mut y).unwrap();
        let expected = y[0];
        a.path.eval(t, &mut y).unwrap();
        assert!((y[0] - expected).abs() < 1e-7, "t = {t}: {}", y[0] - expected);
    }
}
