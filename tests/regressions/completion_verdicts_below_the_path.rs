//! At large starts the losses that the decay leaves are below the error of the path: nothing is violated there.

use groktime::completion::theorems::catalogue;
use groktime::completion::{Init, Problem, Settings};
use groktime::data::Observations;
use groktime::linalg::Threads;
use groktime::theorem::Outcome;

#[test]
fn losses_below_the_error_of_the_path() {
    let seen = Observations::from_list(3, &[(0, 1, 1.0), (1, 2, 1.0), (0, 2, 1.0)]).unwrap();
    for (coordinate, weight_decay) in [(1e6_f64, 1e-6), (1e4, 1e-3), (1e3, 1e-6), (30.0, 1e-3)] {
        let problem = Problem::new(seen.clone(), None, Init::Identity { coordinate }).unwrap();
        let horizon = 2.5 * coordinate.ln() / weight_decay;
        let settings = Settings { weight_decay, horizon, threads: Threads::One, ..Settings::default() };
        let statements = problem.flow(&settings).unwrap().statements(&Default::default()).unwrap();
        for judged in statements {
            let (source, verdict) = (judged.statement.source, &judged.verdict);
            assert_ne!(verdict.outcome, Outcome::Violated, "{source}, α = {coordinate:e}: {verdict:?}");
            if coordinate == 30.0 && source == &catalogue::FIT {
                assert_eq!(verdict.outcome, Outcome::Holds, "{source}: {verdict:?}");
            }
        }
    }
}
