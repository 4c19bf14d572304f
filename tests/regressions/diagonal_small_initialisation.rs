//! Small starts: the first step of a clock of the lazy fit went past the whole run, and brackets lost their digits.

use groktime::Loss;
use groktime::data::Design;
use groktime::diagonal::{Init, Problem, Settings};
use ndarray::array;

#[test]
fn nets_that_start_as_small_as_numbers_go_escape_in_their_time() {
    let x = Design::new(array![[2.0, 3.0, -1.0], [-3.0, 3.0, -1.0], [3.0, 3.0, -1.0]].view()).unwrap();
    let problem = Problem::new(x, vec![1.0, -1.0, -1.0], Loss::Logistic).unwrap();
    // α, horizon; at the end the solution of 120 digits, at which the start no longer shows.
    let end = [3.639097903e-1, -3.700739772e-1];
    for (alpha, horizon) in [(1e-7, 3e3), (1e-30, 3e3), (1e-150, 3e3)] {
        let init = Init::Symmetric(alpha);
        let settings = Settings { depth: 2, init, weight_decay: 1e-3, horizon, ..Settings::default() };
        let run = problem.integrate(&settings).unwrap();
        let net = run.snapshot(horizon).unwrap();
        let apart = net.weights.iter().zip(end).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(apart < 1e-6, "α = {alpha:e}: {}", net.weights);
        assert!(net.weights[2].abs() < 1e-10);
    }
}

#[test]
fn every_depth_and_loss_has_an_answer() {
    let x = array![[1.0, 0.3, -0.8, 0.5], [-0.4, 1.1, 0.2, -0.9], [0.6, -0.2, 1.3, 0.1]];
    for loss in [Loss::Squared, Loss::Logistic, Loss::Exponential] {
        let problem = Problem::new(Design::new(x.view()).unwrap(), vec![1.0, -1.0, 1.0], loss).unwrap();
        for depth in [2, 3, 4, 6] {
            for alpha in [1e-3, 1e-8, 1e-12, 1e-50, 1e-150] {
                // Times of an escape: α^{2−L}, or ln 1/α at depth 2; with decay the net may die before.
                let escape = if depth == 2 { -2.0 * f64::ln(alpha) } else { f64::powi(alpha, 2 - depth) };
                for weight_decay in [1e-3, 0.0] {
                    // Known limit: brackets of an escape shrink by α^{L−2}, and their powers leave the range of numbers.
                    if weight_decay == 0.0 && escape > 1e160 {
                        continue;
                    }
                    let horizon = if weight_decay > 0.0 { 3e3 } else { (10.0 * escape).min(1e300) };
                    let depth = depth as u32;
                    let init = Init::Symmetric(alpha);
                    let settings = Settings { depth, init, weight_decay, horizon, ..Settings::default() };
                    let run = problem.integrate(&settings).unwrap_or_else(|e| {
                        panic!("{loss:?} L = {depth}, α = {alpha:e}, λ = {weight_decay}: {e}")
                    });
                    let net = run.snapshot(horizon).unwrap();
                    if weight_decay == 0.0 && horizon < 1e300 {
                        // It has escaped, and fits.
                        let first = if loss == Loss::Logistic { 2.0_f64.ln() } else { 1.0 };
                        assert!(
                            net.train_loss < 0.9 * first,
                            "L = {depth}, α = {alpha:e}: {}",
                            net.train_loss
                        );
                    }
                }
            }
        }
    }
}
