//! Everything that can go wrong.

use super::*;

/// The message of a failure, which names a time near `t`.
fn failure(result: Result<Solution, Error>, t: std::ops::Range<f64>, reason: &str) {
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Numerical { .. }) && !error.is_bad_input(), "{error}");
    let message = error.to_string();
    let at =
        message.split("at t = ").nth(1).and_then(|m| m.split(',').next()).unwrap().parse::<f64>().unwrap();
    assert!(t.contains(&at), "{message}");
    assert!(message.contains("step h = ") && message.contains(reason), "{message}");
}

#[test]
fn nothing_hangs() {
    let blow_up = || {
        DenseFlow::new(
            1,
            |_, y: &[f64], dy: &mut [f64]| dy[0] = y[0] * y[0],
            |_, y, mut j| j[(0, 0)] = 2.0 * y[0],
        )
    };
    failure(bdf(&mut blow_up(), 0.0..2.0, &[1.0], &Options::default()), 0.99..1.01, "smallest allowed");
    failure(dop853(&mut blow_up(), 0.0..2.0, &[1.0], &Options::default()), 0.99..1.01, "smallest allowed");

    let wall = || {
        DenseFlow::new(
            1,
            |t, y: &[f64], dy: &mut [f64]| dy[0] = if t > 1.0 { f64::NAN } else { -y[0] },
            |_, _, mut j| j[(0, 0)] = -1.0,
        )
    };
    failure(bdf(&mut wall(), 0.0..2.0, &[1.0], &Options::default()), 0.99..1.01, "not finite");
    failure(dop853(&mut wall(), 0.0..2.0, &[1.0], &Options::default()), 0.99..1.01, "not finite");
    failure(bdf(&mut wall(), 1.5..2.0, &[1.0], &Options::default()), 1.5..1.6, "at the start");

    // No step ends anywhere: −sign(y) has no solution past y = 0.
    let cliff = || {
        DenseFlow::new(
            1,
            |_, y: &[f64], dy: &mut [f64]| dy[0] = if y[0] > 0.0 { -1.0 } else { 1.0 },
            |_, _, _| {},
        )
    };
    failure(bdf(&mut cliff(), 0.0..2.0, &[1.0], &Options::default()), 0.99..1.01, "at t");
    let options = Options { max_steps: 10_000, ..Options::default() };
    failure(dop853(&mut cliff(), 0.0..2.0, &[1.0], &options), 0.99..1.01, "at t");

    struct Refuses(&'static str);
    impl Flow for Refuses {
        fn dimension(&self) -> usize {
            1
        }
        fn rhs(&mut self, _t: f64, y: &[f64], dy: &mut [f64]) -> Result<(), Reject> {
            dy[0] = -y[0];
            Ok(())
        }
    }
    impl StiffFlow for Refuses {
        fn refresh(&mut self, _t: f64, _y: &[f64]) -> Result<(), Reject> {
            if self.0 == "refresh" { Err(Reject("no Jacobian here")) } else { Ok(()) }
        }
        fn factor(&mut self, _shift: f64) -> Result<(), Reject> {
            if self.0 == "factor" { Err(Reject("singular here")) } else { Ok(()) }
        }
        fn solve(&mut self, b: &mut [f64]) -> Result<(), Reject> {
            match self.0 {
                "solve" => return Err(Reject("no convergence inside")),
                "nan" => b[0] = f64::NAN,
                "away" => b[0] *= -3.0,
                _ => {}
            }
            Ok(())
        }
    }
    for (what, reason) in [
        ("refresh", "no Jacobian here"),
        ("factor", "singular here"),
        ("solve", "no convergence inside"),
        ("nan", "overflows"),
        ("away", "did not converge"),
    ] {
        failure(bdf(&mut Refuses(what), 0.0..2.0, &[1.0], &Options::default()), -1.0..1e-3, reason);
    }
    let few = Options { max_steps: 5, ..Options::default() };
    failure(bdf(&mut circle(), 0.0..1e3, &[1.0, 0.0], &few), 0.0..10.0, "more than 5 steps");
    failure(dop853(&mut circle(), 0.0..1e3, &[1.0, 0.0], &few), 0.0..10.0, "more than 5 steps");
}

#[test]
fn jumps_of_the_right_hand_side_are_passed() {
    // y' = 1 − H(t − 1): the step is cut down once and grows again.
    let flow = || {
        DenseFlow::new(
            1,
            |t, y: &[f64], dy: &mut [f64]| dy[0] = if t < 1.0 { 1.0 } else { -20.0 * (y[0] - 0.5) },
            |t, _, mut j| j[(0, 0)] = if t < 1.0 { 0.0 } else { -20.0 },
        )
    };
    let a = bdf(&mut flow(), 0.0..3.0, &[1.0], &rtol(1e-6)).unwrap();
    let b = dop853(&mut flow(), 0.0..3.0, &[1.0], &rtol(1e-6)).unwrap();
    for s in [a, b] {
        let mut y = [0.0];
        s.path.eval(1.1, &mut y).unwrap();
        assert!((y[0] - 0.5 - 1.5 * (-2.0_f64).exp()).abs() < 2e-5, "{} {:?}", y[0], s.statistics);
        assert!((s.y[0] - 0.5).abs() < 1e-5 && s.statistics.steps < 400, "{:?}", s.statistics);
    }
}

#[test]
fn what_an_integration_costs() {
    let s = bdf(&mut robertson(), 0.0..4e5, &[1.0, 0.0, 0.0], &rtol(1e-6)).unwrap();
    let c = s.statistics;
    assert_eq!(c.steps, s.path.len());
    assert!(c.rhs >= c.solves && c.solves >= c.steps && c.rhs < 3 * c.steps, "{c:?}");
    assert!(c.jacobians <= 40 && c.factorisations < c.steps / 2 && c.rejected < c.steps / 5, "{c:?}");
    assert!(s.path.steps().all(|step| (1..=5).contains(&step.order)));
    assert!(s.path.steps().any(|step| step.order == 5));
    for order in 1..=5 {
        let options = Options { max_order: order, ..rtol(1e-5) };
        let s = bdf(&mut prothero_robinson(1e3), 0.0..3.0, &[2.0], &options).unwrap();
        assert_eq!(s.path.steps().map(|step| step.order).max(), Some(order));
        assert!((s.y[0] - 2.0 - 3.0_f64.sin()).abs() < 1e-4);
    }
    let e = dop853(&mut Kepler, 0.0..9.0, &KEPLER_START, &rtol(1e-6)).unwrap().statistics;
    assert!(e.jacobians + e.factorisations + e.solves + e.newton_failures == 0 && e.rhs >= 15 * e.steps);
    // The start of the next step is the end of the last: eleven new stages, the end, three for the output.
    assert!(e.rhs <= 15 * e.steps + 12 * e.rejected + 40, "{e:?}");
}

#[test]
fn bad_input_is_named() {
    let bad = |options: Options, span: std::ops::Range<f64>, y0: &[f64], name: &str| {
        for result in
            [bdf(&mut circle(), span.clone(), y0, &options), dop853(&mut circle(), span, y0, &options)]
        {
            let error = result.unwrap_err();
            assert!(error.is_bad_input() && error.to_string().contains(name), "{error}");
        }
    };
    let y0 = [1.0, 0.0];
    for tolerance in [0.0, -1.0, 1e-15, 0.5, f64::NAN, f64::INFINITY] {
        bad(rtol(tolerance), 0.0..1.0, &y0, "rtol");
    }
    bad(Options { atol: -1.0, ..Options::default() }, 0.0..1.0, &y0, "atol");
    bad(Options { max_order: 0, ..Options::default() }, 0.0..1.0, &y0, "max_order");
    bad(Options { max_order: 6, ..Options::default() }, 0.0..1.0, &y0, "max_order");
    bad(Options { first_step: Some(0.0), ..Options::default() }, 0.0..1.0, &y0, "first_step");
    bad(Options { max_step: 0.0, ..Options::default() }, 0.0..1.0, &y0, "max_step");
    bad(Options { max_step: f64::NAN, ..Options::default() }, 0.0..1.0, &y0, "max_step");
    bad(Options { min_step: 0.0, ..Options::default() }, 0.0..1.0, &y0, "min_step");
    bad(Options { newton_tolerance: 1.0, ..Options::default() }, 0.0..1.0, &y0, "newton_tolerance");
    bad(Options::default(), 1.0..1.0, &y0, "end is 1");
    bad(Options::default(), 0.0..f64::INFINITY, &y0, "end");
    bad(Options::default(), f64::NAN..1.0, &y0, "start");
    bad(Options::default(), 0.0..1.0, &[1.0], "y0");
    bad(Options::default(), 0.0..1.0, &[1.0, f64::NAN], "y0");
}
