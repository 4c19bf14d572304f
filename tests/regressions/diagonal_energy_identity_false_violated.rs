//! Exact identities were "violated" where no w fits the labels and the path drifted.

use groktime::Loss;
use groktime::data::tasks::{Law, Task};
use groktime::diagonal::theorems::Inputs;
use groktime::diagonal::theorems::catalogue;
use groktime::diagonal::{Init, Problem, Settings};
use groktime::linalg::Threads;
use groktime::theorem::Outcome;

fn outcomes(law: Law, seed: u64, depth: u32, rtol: f64) {
    let task = Task { law, samples: 10, dimension: 3, seed }.draw().unwrap();
    let problem = Problem::new(task.design, task.labels.to_vec(), Loss::Squared).unwrap();
    let alpha = 3.0_f64;
    let horizon = (alpha.ln() + 8.0) / 1e-4;
    let settings = Settings {
        depth,
        init: Init::Symmetric(alpha),
        weight_decay: 1e-4,
        horizon,
        rtol,
        threads: Threads::One,
    };
    let run = problem.integrate(&settings).unwrap();
    for judged in run.statements(&Inputs::default()).unwrap() {
        let source = judged.statement.source;
        assert_ne!(judged.verdict.outcome, Outcome::Violated, "{source} {:?}", judged.verdict);
        if source == &catalogue::ENERGY {
            assert_eq!(judged.verdict.outcome, Outcome::Holds, "{:?}", judged.verdict);
        }
    }
}

#[test]
fn the_energy_identity_holds_where_nothing_fits() {
    outcomes(Law::SparseSigns { relevant: 3 }, 333, 3, 1e-8);
    outcomes(Law::Regression { relevant: 3, noise_std: 0.3 }, 367, 2, 1e-4);
}
