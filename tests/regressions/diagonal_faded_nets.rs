//! Nets of depth L ≥ 3 that have decayed to nothing: brackets grew to the largest numbers ("rounding may have moved
//! ln(u/v) by inf"), or every step was an epoch until there were too many.

use groktime::Loss;
use groktime::data::Design;
use groktime::diagonal::{Init, Problem, Settings};
use ndarray::{Array2, array};

fn problem(x: Array2<f64>, y: &[f64], loss: Loss) -> Problem {
    Problem::new(Design::new(x.view()).expect("finite"), y.to_vec(), loss).expect("valid")
}

/// w by Radau IIA of order 5 in long double, in (ln u + ln v)/2 and ln u − ln v, at a tolerance of 10⁻¹².
#[test]
fn a_net_keeps_its_digits_until_it_underflows() {
    let problem = problem(array![[1.0]], &[1.0], Loss::Squared);
    let settings = Settings {
        depth: 6,
        init: Init::Symmetric(0.37),
        weight_decay: 9.8,
        horizon: 200.0,
        ..Settings::default()
    };
    let run = problem.integrate(&settings).expect("solved");
    let exact = [
        (0.01, 3.181_972_088_354_551e-5),
        (0.1, 4.842_283_085_653_69e-7),
        (1.0, 5.139_288_406_062_735e-30),
        (5.0, 3.671_477_291_717_559e-132),
    ];
    for (t, w) in exact {
        let off = run.snapshot(t).expect("inside").weights[0] / w - 1.0;
        assert!(off.abs() < 1e-6, "t = {t}: {off:e}");
    }
    // Only the decay is left: ‖θ‖ ∝ e^{−λt} to the last digits that numbers have.
    for t in [15.0, 30.0, 60.0] {
        let norm = |t: f64| run.snapshot(t).expect("inside").parameter_norm.ln();
        assert!((norm(t) - norm(t + 1.0) - 9.8).abs() < 1e-9, "t = {t}");
        assert!(run.path_error(t).expect("a second run").parameters < 1e-6);
    }
    let end = run.snapshot(200.0).expect("inside");
    assert_eq!((end.weights[0], end.train_loss), (0.0, 1.0));
}

#[test]
fn time_without_end_costs_no_steps() {
    let x = array![[1.0, 0.5, -1.0], [-0.5, 1.0, 0.25], [1.0, 0.5, -1.0]];
    for loss in [Loss::Squared, Loss::Logistic, Loss::Exponential] {
        let problem = problem(x.clone(), &[1.0, -1.0, -1.0], loss);
        for depth in [3, 4, 6] {
            for (alpha, weight_decay) in [(1e-40, 3e-5), (1e-3, 6.0), (0.3, 1.0)] {
                let init = Init::Symmetric(alpha);
                let settings = Settings { depth, init, weight_decay, horizon: 1e10, ..Settings::default() };
                let run = problem.integrate(&settings);
                let run = run.unwrap_or_else(|e| panic!("L = {depth}, α = {alpha:e}, {loss:?}: {e}"));
                assert!(run.statistics().steps < 6000, "{:?}", run.statistics());
                // At depth L ≥ 3 zero attracts from below; what has grown past that may stay.
                if alpha < 1e-2 {
                    let net = run.snapshot(1e10).expect("inside");
                    assert!(net.weights.iter().all(|w| *w == 0.0), "L = {depth}: {}", net.weights);
                }
            }
        }
    }
}

/// What has grown goes on shrinking its brackets: a horizon of too many decays is named.
#[test]
fn a_net_that_stays_needs_steps_as_long_as_the_decay_acts() {
    let problem = problem(array![[1.0, 0.5], [-0.5, 1.0]], &[1.0, -1.0], Loss::Squared);
    let at = |horizon: f64| {
        let init = Init::Symmetric(1.0);
        problem.integrate(&Settings { depth: 3, init, weight_decay: 1e-2, horizon, ..Settings::default() })
    };
    let norm = |t: f64| at(1e5).expect("solved").snapshot(t).expect("inside").parameter_norm;
    assert!((norm(1e5) - norm(1e4)).abs() < 1e-6 * norm(1e4) && norm(1e5) > 1.0);
    let message = at(1e10).err().expect("too long").to_string();
    assert!(message.contains("the horizon is 1e8 times 1/((L − 2)λ)"), "{message}");
}

/// Squared losses at the rounding of f − y are known to no digit, and say so.
#[test]
fn a_fit_to_rounding_has_an_error_of_its_size() {
    let x = array![[0.7, -0.3, 1.1, 0.2, -0.9], [-0.4, 1.3, 0.6, -0.8, 0.1]];
    let problem = problem(x, &[0.37, -1.21], Loss::Squared);
    let settings = Settings {
        depth: 5,
        init: Init::Symmetric(16.0),
        weight_decay: 0.0,
        horizon: 1.0,
        ..Settings::default()
    };
    let net = problem.integrate(&settings).expect("solved").snapshot_with_errors(1.0).expect("inside");
    assert!(net.train_loss < 1e-28 && net.train_loss_error.expect("known") >= net.train_loss, "{net:?}");
}
