//! Valid inputs on which the statements of diagonal nets ended in an error instead of saying "not applicable".

use groktime::Loss;
use groktime::data::Design;
use groktime::data::features::generator;
use groktime::diagonal::theorems::Inputs;
use groktime::diagonal::{Init, Problem, Settings};
use groktime::linalg::Threads;
use groktime::theorem::{Judged, Outcome};
use ndarray::{Array2, array};
use rand::RngExt;

fn judged(x: &Array2<f64>, y: &[f64], loss: Loss, settings: Settings) -> Vec<Judged> {
    let problem = Problem::new(Design::new(x.view()).unwrap(), y.to_vec(), loss).unwrap();
    let run = problem.integrate(&settings).unwrap();
    run.statements(&Inputs::default()).unwrap()
}

fn settings(depth: u32, alpha: f64, lambda: f64, horizon: f64) -> Settings {
    let init = Init::Symmetric(alpha);
    Settings { depth, init, weight_decay: lambda, horizon, threads: Threads::One, ..Settings::default() }
}

/// A row of zeros is on no side of a hyperplane through the origin, two equal rows with opposite labels are on both.
#[test]
fn data_that_no_margin_separates() {
    let zeros = Array2::zeros((2, 2));
    let a_row = array![[0.0, 0.0], [1.0, 2.0], [2.0, -1.0]];
    let contradictory = array![[1.0, 2.0], [1.0, 2.0]];
    for (x, y) in [(zeros, vec![1.0, -1.0]), (a_row, vec![1.0, 1.0, -1.0]), (contradictory, vec![1.0, -1.0])]
    {
        for loss in [Loss::Exponential, Loss::Logistic, Loss::Squared] {
            for depth in [2, 3, 5] {
                for j in judged(&x, &y, loss, settings(depth, 2.0, 1e-2, 800.0)) {
                    let name = j.statement.source;
                    assert_ne!(j.verdict.outcome, Outcome::Violated, "{name} {:?}", j.verdict);
                    if j.statement.hypotheses.iter().any(|h| h.name.starts_with("0 < γ")) {
                        assert_eq!(j.verdict.outcome, Outcome::NotApplicable, "{name} {:?}", j.verdict);
                    }
                }
            }
        }
    }
}

/// The last time of every grid is the horizon, whatever its digits.
#[test]
fn no_grid_ends_past_the_horizon() {
    let x = array![[1.0, 0.2, -0.3], [0.4, -1.0, 0.1]];
    let rng = &mut generator(0, 3);
    for _ in 0..60 {
        let alpha = 10_f64.powf(rng.random_range(0.1..1.5));
        let lambda = rng.random_range(0.01..0.1);
        // The last is exactly the end of the rich window.
        for horizon in [rng.random_range(100.0..400.0), 1.5 * alpha.ln() / lambda] {
            judged(&x, &[1.0, -1.0], Loss::Exponential, settings(2, alpha, lambda, horizon));
        }
    }
}
