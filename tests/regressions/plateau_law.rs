//! The plateau law of the exponential loss left out the memory of the start, and measured the growth of the tangent
//! kernel against the rows instead of the margin: "violated" within its hypotheses.

use groktime::Loss;
use groktime::data::Design;
use groktime::diagonal::theorems::Inputs;
use groktime::diagonal::theorems::catalogue;
use groktime::diagonal::{Init, Problem, Settings};
use groktime::linalg::Threads;
use groktime::theorem::{Judged, Outcome, Source};
use ndarray::Array2;

/// ln 𝓛 at λt = `part`·ln α, and the statements.
fn judged(x: Array2<f64>, alpha: f64, lambda: f64, part: f64) -> (f64, Vec<Judged>) {
    let y = vec![1.0; x.nrows()];
    let problem = Problem::new(Design::new(x.view()).unwrap(), y, Loss::Exponential).unwrap();
    let settings = Settings {
        init: Init::Symmetric(alpha),
        weight_decay: lambda,
        horizon: (alpha.ln() + 8.0) / lambda,
        rtol: 1e-11,
        threads: Threads::One,
        ..Settings::default()
    };
    let run = problem.integrate(&settings).unwrap();
    let ln_loss = run.snapshot(part * alpha.ln() / lambda).unwrap().ln_train_loss;
    (ln_loss, run.statements(&Inputs::default()).unwrap())
}

fn outcome(judged: &[Judged], source: &Source) -> (Outcome, Option<String>) {
    let found = judged.iter().find(|j| j.statement.source == source).unwrap();
    (found.verdict.outcome, found.verdict.reason.clone())
}

/// Exact losses: Runge-Kutta steps in 30 digits.
#[test]
fn near_the_start_the_law_does_not_apply() {
    let (ln_loss, statements) = judged(ndarray::array![[30.0]], 2.0, 1.0, 0.2);
    assert!((ln_loss + 7.28070796081).abs() < 1e-8, "{ln_loss}");
    let (plateau, reason) = outcome(&statements, &catalogue::PLATEAU);
    assert_eq!(plateau, Outcome::NotApplicable);
    assert!(reason.unwrap().contains("orders left out"));
    let (ln_loss, statements) = judged(ndarray::array![[100.0]], 1.001, 1.0, 0.2);
    assert!((ln_loss + 2.834).abs() < 1e-3, "{ln_loss}");
    for source in [&catalogue::PLATEAU, &catalogue::DIRECTION] {
        assert_eq!(outcome(&statements, source).0, Outcome::NotApplicable, "{source}");
    }
}

#[test]
fn the_kernel_grows_against_the_margin() {
    let x = ndarray::array![[-10.0, 1.0], [10.0, 1.0]];
    let (ln_loss, statements) = judged(x, 100.0, 1e-4, 0.8);
    assert!((ln_loss + 10.4142).abs() < 2e-4, "{ln_loss}");
    assert_eq!(outcome(&statements, &catalogue::PLATEAU).0, Outcome::NotApplicable);
}

/// Far from the start, on the plateau, it applies and holds.
#[test]
fn on_the_plateau_it_holds() {
    let x = ndarray::array![[1.0, 0.2, -0.3, 0.5], [0.4, -1.0, 0.1, 0.3]];
    let (_, statements) = judged(x, 1e4, 1e-3, 0.5);
    for source in [&catalogue::PLATEAU, &catalogue::DIRECTION] {
        let (found, reason) = outcome(&statements, source);
        assert_eq!(found, Outcome::Holds, "{source}: {reason:?}");
    }
}
