//! More samples than weights: d𝓛_λ/dt = −‖∇𝓛_λ‖² was broken by the path, not by the statement.

use groktime::Loss;
use groktime::data::tasks::{Law, Task};
use groktime::diagonal::theorems::Inputs;
use groktime::diagonal::{Init, Problem, Settings};
use groktime::theorem::Outcome;

#[test]
fn the_energy_identity_is_not_violated_by_ten_samples_of_three_signs() {
    let law = Law::SparseSigns { relevant: 3 };
    let drawn = Task { law, samples: 10, dimension: 3, seed: 333 }.draw().unwrap();
    let problem = Problem::new(drawn.design, drawn.labels.to_vec(), Loss::Squared).unwrap();
    let settings = |rtol| Settings {
        depth: 3,
        init: Init::Symmetric(3.0),
        weight_decay: 1e-4,
        horizon: 3e4,
        rtol,
        ..Settings::default()
    };
    let run = problem.integrate(&settings(1e-8)).unwrap();
    let judged = run.statements(&Inputs::default()).unwrap();
    assert!(judged.iter().all(|j| j.verdict.outcome != Outcome::Violated));
    let finer = problem.integrate(&settings(1e-12)).unwrap();
    for t in [0.1, 10.0, 1e3, 1e4, 3e4] {
        let (a, b) = (run.snapshot(t).unwrap(), finer.snapshot(t).unwrap());
        let size = b.weights.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
        let apart = (&a.weights - &b.weights).iter().fold(0.0_f64, |most, x| most.max(x.abs()));
        assert!(apart <= 1e-6 * size, "t = {t}: {apart:e} of {size}");
    }
}
