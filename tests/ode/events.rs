//! Events.

use super::*;

#[test]
fn events_are_located_on_the_dense_output() {
    use std::f64::consts::{FRAC_PI_2, PI};
    for tolerance in [1e-5, 1e-8, 1e-11] {
        let options = rtol(tolerance);
        let paths = [
            bdf(&mut circle(), 0.0..10.0, &[1.0, 0.0], &options).unwrap().path,
            dop853(&mut circle(), 0.0..10.0, &[1.0, 0.0], &options).unwrap().path,
        ];
        for path in &paths {
            for (direction, expected) in [
                (Direction::Both, FRAC_PI_2),
                (Direction::Falling, FRAC_PI_2),
                (Direction::Rising, 3.0 * FRAC_PI_2),
            ] {
                let root = path.first_root(|p| p.y[0], direction).unwrap();
                assert!((root.t - expected).abs() < 30.0 * tolerance, "{direction:?} {tolerance}: {root:?}");
                assert!(root.before <= root.t.max(root.after) && root.after - root.before < 1e-14 * root.t);
                let mut y = [0.0; 2];
                path.eval(root.before, &mut y).unwrap();
                let before = y[0];
                path.eval(root.after, &mut y).unwrap();
                assert!(before * y[0] <= 0.0);
            }
            // From zero: leaving zero is no change of sign, coming back is.
            let root = path.first_root(|p| p.y[1], Direction::Both).unwrap();
            assert!((root.t - PI).abs() < 30.0 * tolerance, "{root:?}");
            assert_eq!(path.first_root(|p| p.y[0] - 2.0, Direction::Both), None);
        }
    }
}

#[test]
fn events_during_an_integration_and_within_a_step() {
    // Long steps (y is a polynomial) over a function with two roots in one of them.
    let mut flow = DenseFlow::new(1, |t, _, dy| dy[0] = t, |_, _, _| {});
    let options = Options { first_step: Some(1.0), ..Options::default() };
    let g = |p: groktime::ode::Point<'_>| (p.t - 7.3) * (p.t - 7.4);
    let s = bdf(&mut flow, 0.0..20.0, &[1.0], &options).unwrap();
    assert_eq!(s.path.first_root(g, Direction::Both), None, "{:?}", s.path.len());
    let mut event = Event::new(g, Direction::Both).subdivide(400);
    let mut found = Vec::new();
    let mut steps = 0;
    let ended = bdf_observed(&mut flow, 0.0..20.0, &[1.0], &options, |step| {
        steps += 1;
        found.extend(event.locate(step));
        if found.is_empty() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })
    .unwrap();
    assert!((found[0].t - 7.3).abs() < 1e-14, "{found:?}");
    assert_eq!(ended.ended, Ended::Interrupted);
    assert_eq!(ended.statistics.steps, steps);
    assert!(ended.t >= 7.3 && ended.t < 20.0);
}
