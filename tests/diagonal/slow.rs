//! The slow flow, the limit of small weight decay, against the flow and limits known by hand.

use groktime::Loss;
use groktime::data::Design;
use groktime::data::tasks::{Law, Task};
use groktime::diagonal::{Init, Problem, Settings, SlowFlow};
use ndarray::Array1;

use super::oracle::Case;

#[test]
fn slow_flow_is_the_limit_of_small_weight_decay() {
    for (depth, symmetric) in [(2, true), (3, true), (2, false)] {
        let case = Case::new(Loss::Squared, depth, symmetric, 3.0, 31);
        let problem = case.problem();
        let horizon = 2.5;
        let slow = SlowFlow::new(&problem, &case.settings.init, depth, horizon).expect("solved");
        let mut distances = Vec::new();
        for decay in [1e-2, 1e-3, 1e-4] {
            let settings =
                Settings { weight_decay: decay, horizon: horizon / decay, ..case.settings.clone() };
            let run = problem.integrate(&settings).expect("integrated");
            let times: Vec<f64> = (1..=10).map(|i| f64::from(i) * 0.25 / decay).collect();
            distances.push(slow.distance(&run, &times).expect("inside"));
        }
        let slopes: Vec<f64> = distances.windows(2).map(|p| (p[0] / p[1]).log10()).collect();
        println!("L = {depth}: {distances:?}, slopes {slopes:?}");
        assert!((slopes[1] - 1.0).abs() < 0.02, "{distances:?} {slopes:?}");
    }
}

/// Large starts and small decay: at α^{2(L−1)}/λ = 1e18 and 1e24 fitted residuals are far below the rounding of
/// the outputs, and until the transition the run is its own limit, to the tolerance. (Newton's method must not
/// lose the digits of that ratio.) After it the distance is O(λ).
#[test]
fn the_run_is_the_slow_flow_where_residuals_are_below_rounding() {
    for (depth, alpha, decay, before) in [(2, 1e6, 1e-6, 10.0), (3, 1e5, 1e-4, 5.0)] {
        let law = Law::SparseSigns { relevant: 3 };
        let drawn = Task { law, samples: 30, dimension: 200, seed: 5 }.draw().expect("valid");
        let problem = Problem::new(drawn.design, drawn.labels.to_vec(), Loss::Squared).expect("valid");
        let init = Init::Symmetric(alpha);
        let horizon = 20.0;
        let slow = SlowFlow::new(&problem, &init, depth, horizon).expect("solved");
        let mut distances = Vec::new();
        for rtol in [1e-7, 1e-10] {
            let init = init.clone();
            let settings = Settings {
                depth,
                init,
                weight_decay: decay,
                horizon: horizon / decay,
                rtol,
                ..Settings::default()
            };
            let run = problem.integrate(&settings).expect("integrated");
            assert!(run.statistics().jacobians < 500, "{:?}", run.statistics());
            let times: Vec<f64> = (1..=10).map(|i| 0.1 * f64::from(i) * before / decay).collect();
            distances.push(slow.distance(&run, &times).expect("inside"));
            let after = slow.distance(&run, &[horizon / decay]).expect("inside");
            assert!(after < 200.0 * decay && after > 0.1 * decay, "L = {depth}: {after:e}");
        }
        println!("L = {depth}: {distances:?}");
        assert!(
            distances[0] < 1e-7 && distances[1] < 1e-10 && distances[1] < 0.02 * distances[0],
            "{distances:?}"
        );
    }
}

/// A flat face: the start selects the point. And the weighted L1 limit of depth 3 and more.
#[test]
fn slow_limits_of_two_coordinates() {
    let solve = |x: [f64; 2], init: Init, depth: u32, tau: f64| {
        let design = Design::new(ndarray::arr2(&[x]).view()).expect("valid");
        let problem = Problem::new(design, vec![1.0], Loss::Squared).expect("valid");
        let slow = SlowFlow::new(&problem, &init, depth, tau).expect("solved");
        slow.snapshot(tau).expect("inside").weights
    };
    let each = |a: f64, b: f64| Init::Each { u: vec![a, b], v: vec![a, b] };
    let close = |w: &Array1<f64>, expected: [f64; 2]| {
        assert!((w[0] - expected[0]).abs() < 2e-3 && (w[1] - expected[1]).abs() < 2e-3, "{w} {expected:?}");
    };
    close(&solve([1.0, 1.0], each(1.0, 2.0), 2, 3.0), [0.2, 0.8]);
    close(&solve([1.0, 0.8], each(2.0, 4.0), 2, 25.0), [1.0, 0.0]);
    close(&solve([1.0, 0.8], each(2.0, 4.0), 3, 12.0), [0.0, 1.25]);
    close(&solve([1.0, 0.8], each(2.0, 4.0), 4, 8.0), [0.0, 1.25]);
    for depth in [2, 3, 4] {
        close(&solve([1.0, 0.8], each(2.0, 2.0), depth, 50.0 / f64::from(depth)), [1.0, 0.0]);
    }
}

#[test]
fn extinction_is_where_the_coordinate_dies() {
    let design = Design::new(ndarray::array![[1.0, 0.8]].view()).expect("valid");
    let problem = Problem::new(design, vec![1.0], Loss::Squared).expect("valid");
    let slow = SlowFlow::new(&problem, &Init::Symmetric(10.0), 2, 30.0).expect("solved");
    let tau = slow.extinction(1, 1e-3).expect("asked well").expect("it dies");
    let ratio = |tau: f64| {
        let w = slow.snapshot(tau).expect("inside").weights;
        w[1].abs() / w[0].abs()
    };
    assert!((ratio(tau) / 1e-3 - 1.0).abs() < 1e-6);
    // |w_1| decays as a^{2(1 − 0.8)}.
    let slope = (ratio(tau + 2.0) / ratio(tau)).ln() / 2.0;
    assert!((slope + 0.4).abs() < 0.01, "{slope}");
    assert_eq!(slow.extinction(0, 1e-3).expect("asked well"), None);
}
