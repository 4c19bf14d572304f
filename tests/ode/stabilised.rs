//! The stabilised explicit method.

use super::*;

#[test]
fn rkc_has_order_two() {
    let steps = [0.02, 0.01, 0.005, 0.0025];
    let error = |h: f64| {
        let options =
            Options { rtol: 0.1, atol: 1e9, first_step: Some(h), max_step: h, ..Options::default() };
        let s = rkc(&mut Kepler, 0.0..6.0, &KEPLER_START, &options).unwrap();
        (h, worst(&s, 5000, kepler))
    };
    let points = steps.map(error);
    let slope = slope(&points);
    assert!((1.9..2.1).contains(&slope), "{slope}: {points:?}");
}

#[test]
fn its_error_falls_with_the_tolerance() {
    let mut points = Vec::new();
    for tolerance in [1e-2, 1e-3, 1e-4, 1e-5, 1e-6] {
        let s = rkc(&mut Kepler, 0.0..6.0, &KEPLER_START, &rtol(tolerance)).unwrap();
        points.push((tolerance, worst(&s, 5000, kepler)));
    }
    // The error of a step is h³, of the whole h²: the power 2/3 of the tolerance.
    let slope = slope(&points);
    assert!((0.6..1.1).contains(&slope), "{slope}: {points:?}");
}

#[test]
fn a_wide_spectrum_costs_the_root_of_its_radius() {
    let n = 41;
    let rate = |i: usize, radius: f64| radius.powf(i as f64 / (n - 1) as f64);
    let run = |radius: f64| {
        let mut flow = DenseFlow::new(
            n,
            move |_, y: &[f64], dy: &mut [f64]| {
                dy.iter_mut().zip(y).enumerate().for_each(|(i, (dy, y))| *dy = -rate(i, radius) * y);
            },
            |_, _, _| (),
        );
        let s = rkc(&mut flow, 0.0..1.0, &vec![1.0; n], &rtol(1e-4)).unwrap();
        for (i, y) in s.y.iter().enumerate() {
            let exact = (-rate(i, radius)).exp();
            assert!((y - exact).abs() < 2e-3, "{radius} {i}: {y} {exact}");
        }
        s.statistics.rhs as f64
    };
    let (small, large) = (run(1e4), run(1e8));
    // Steps of Euler's method are stable below 2·10⁻⁸: 5·10⁷ of them.
    assert!(large < 5e5 && large / small < 200.0, "{small} {large}");
}

#[test]
fn it_follows_a_stiff_slow_solution() {
    for lambda in [1e2, 1e4, 1e6] {
        let s = rkc(&mut prothero_robinson(lambda), 0.0..10.0, &[2.0], &rtol(1e-4)).unwrap();
        let error = worst(&s, 1000, |t| 2.0 + t.sin());
        assert!(error < 2e-3, "{lambda}: {error}");
        assert!((s.statistics.rhs as f64) < 100.0 * (10.0 * lambda).sqrt(), "{:?}", s.statistics);
    }
}

/// Gradient flow of 50·|x − y| + ½ (x − 3)² + ½ (y + 1)²: it slides along x = y to 1.
#[test]
fn it_slides_along_a_kink() {
    let mut flow = DenseFlow::new(
        2,
        |_, y: &[f64], dy: &mut [f64]| {
            let push = 50.0 * (y[0] - y[1]).signum();
            (dy[0], dy[1]) = (-push - (y[0] - 3.0), push - (y[1] + 1.0));
        },
        |_, _, _| (),
    );
    let s = rkc(&mut flow, 0.0..3.0, &[4.0, 2.0], &rtol(1e-3)).unwrap();
    // From the time at which they meet the mean decays towards 1 with rate one.
    let exact = 1.0 + 2.0 * (-3.0_f64).exp();
    let mean = 0.5 * (s.y[0] + s.y[1]);
    assert!((mean - exact).abs() < 0.01 && (s.y[0] - s.y[1]).abs() < 0.01, "{:?}", s.y);
}

#[test]
fn it_ends_where_it_is_told_and_never_hangs() {
    let stop = |t: f64, _: &mut [f64]| if t > 0.5 { Action::Stop } else { Action::Continue };
    let mut flow = Custom { flow: linear(1, -1.0), sizes: absolute, accepted: stop };
    let s = rkc(&mut flow, 0.0..1e3, &[1.0], &rtol(1e-4)).unwrap();
    assert_eq!(s.ended, Ended::Stopped);
    assert!(s.t > 0.5 && s.t < 2.0 && s.path.span() == Some((0.0, s.t)));

    let mut count = 0;
    let observer = |_: &groktime::ode::Step<'_>| {
        count += 1;
        if count == 10 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let s = rkc_observed(&mut linear(1, -1.0), 0.0..1e2, &[1.0], &rtol(1e-6), observer).unwrap();
    assert_eq!((s.ended, s.statistics.steps, s.path.len()), (Ended::Interrupted, 10, 10));
    assert_eq!(s.path.steps().last().unwrap().y(), &s.y[..]);

    // y' = y² blows up at t = 1; past t = 1 there is no value; y' = −sign y ends at y = 0, or slides in tiny steps.
    let mut blow_up = DenseFlow::new(1, |_, y: &[f64], dy: &mut [f64]| dy[0] = y[0] * y[0], |_, _, _| ());
    let few = Options { rtol: 1e-4, max_steps: 20_000, ..Options::default() };
    let error = rkc(&mut blow_up, 0.0..2.0, &[1.0], &few).unwrap_err().to_string();
    assert!(error.contains("RKC") && error.contains("at t = "), "{error}");
    let mut wall = DenseFlow::new(
        1,
        |t, y: &[f64], dy: &mut [f64]| dy[0] = if t > 1.0 { f64::NAN } else { -y[0] },
        |_, _, _| (),
    );
    let error = rkc(&mut wall, 0.0..2.0, &[1.0], &few).unwrap_err().to_string();
    assert!(error.contains("not finite"), "{error}");
}

#[test]
fn it_goes_on_in_new_variables_and_after_a_change() {
    let scale = 2.0_f64.powi(-20);
    let run = |limit: f64| {
        let accepted = move |_: f64, y: &mut [f64]| {
            if y[0].abs() > limit { Action::Rebase { scale, shift: vec![0.0] } } else { Action::Continue }
        };
        let mut flow = Custom { flow: linear(1, 1.0), sizes: absolute, accepted };
        rkc(&mut flow, 0.0..40.0, &[1.0], &rtol(1e-5)).unwrap()
    };
    let (plain, rebased) = (run(f64::INFINITY), run(1e6));
    assert!(rebased.epoch >= 2);
    let back = rebased.y[0] * scale.powi(-i32::try_from(rebased.epoch).unwrap());
    assert!((back / plain.y[0] - 1.0).abs() < 1e-8, "{back} {}", plain.y[0]);

    let mut kick = None;
    let accepted = |t: f64, y: &mut [f64]| {
        if t < 1.0 || kick.is_some() {
            return Action::Continue;
        }
        kick = Some(t);
        y[0] += 1.0;
        Action::Modified
    };
    let mut flow = Custom { flow: linear(1, -1.0), sizes: absolute, accepted };
    let s = rkc(&mut flow, 0.0..5.0, &[1.0], &rtol(1e-6)).unwrap();
    let exact = (-5.0_f64).exp() + (kick.unwrap() - 5.0).exp();
    assert!((s.y[0] / exact - 1.0).abs() < 1e-3);
}
