//! The order of each formula: fixed steps from an exact history, which the public interface cannot do.

use super::*;
use crate::ode::DenseFlow;

/// y' = −2 (y − g) + g' with g = sin(2t), whose solution from y(0) = 0 is g.
fn error_at_the_end(order: usize, steps: usize) -> f64 {
    let g = |t: f64| libm::sin(2.0 * t);
    let mut flow = DenseFlow::new(
        1,
        |t, y: &[f64], dy: &mut [f64]| dy[0] = -2.0 * (y[0] - g(t)) + 2.0 * libm::cos(2.0 * t),
        |_, _: &[f64], mut j: ndarray::ArrayViewMut2<'_, f64>| j[(0, 0)] = -2.0,
    );
    let h = 3.0 / steps as f64;
    let options = Options { rtol: 1e-14, newton_tolerance: 0.5, ..Options::default() };
    let mut bdf = Bdf::new(&mut flow, &(0.0..3.0), &[g(0.0)], &options);
    (bdf.order, bdf.h) = (order, h);
    let mut values: Vec<f64> = (0..=order).map(|k| g(-h * k as f64)).collect();
    for k in 1..=order {
        values = values.windows(2).map(|pair| pair[0] - pair[1]).collect();
        bdf.differences.set_row(k, values[0]);
    }
    for i in 1..=steps {
        let t = h * i as f64;
        bdf.sizes.fill(1.0);
        bdf.predict(t);
        assert!(bdf.correct(t).is_ok());
        bdf.accept(t);
    }
    (bdf.differences.state()[0] - g(3.0)).abs()
}

#[test]
fn each_formula_has_its_order() {
    for order in 1..=5 {
        let coarse = 40 << (5 - order); // so that no error is near rounding
        let errors: Vec<f64> = (0..4).map(|k| error_at_the_end(order, coarse << k)).collect();
        for pair in errors.windows(2) {
            let measured = (pair[0] / pair[1]).log2();
            assert!((measured - order as f64).abs() < 0.3, "order {order}: {errors:?}");
        }
    }
}

#[test]
fn the_error_constant_is_that_of_a_step() {
    // One step of y' = f(t) from an exact history of t^{q+1}, theory/integrators.md (5): the estimate is
    // γ_{q+1} = 1 + … + 1/(q+1) times the error.
    for order in 1..=5_usize {
        let p = order as i32 + 1;
        let mut flow = DenseFlow::new(
            1,
            |t: f64, _: &[f64], dy: &mut [f64]| dy[0] = f64::from(p) * t.powi(p - 1),
            |_, _: &[f64], _: ndarray::ArrayViewMut2<'_, f64>| {},
        );
        let options = Options::default();
        let (start, h) = (1.0, 0.25);
        let mut bdf = Bdf::new(&mut flow, &(start..9.0), &[1.0], &options);
        (bdf.order, bdf.h) = (order, h);
        let mut values: Vec<f64> = (0..=order).map(|k| (start - h * k as f64).powi(p)).collect();
        for k in 1..=order {
            values = values.windows(2).map(|pair| pair[0] - pair[1]).collect();
            bdf.differences.set_row(k, values[0]);
        }
        bdf.predict(start + h);
        assert!(bdf.correct(start + h).is_ok());
        let exact = (start + h).powi(p);
        let estimate = error_constant(order) * bdf.correction[0];
        let gamma: f64 = (1..=order + 1).map(|k| 1.0 / k as f64).sum();
        let ratio = gamma * (bdf.y[0] - exact) / estimate;
        assert!((ratio - 1.0).abs() < 1e-6, "order {order}: {ratio}");
    }
}
