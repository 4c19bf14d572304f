//! Statements about the end of a run accused it where a coordinate on the support was still on its way, and where the
//! end is θ = 0.

use groktime::Loss;
use groktime::data::Design;
use groktime::data::tasks::{Law, Task};
use groktime::diagonal::theorems::Inputs;
use groktime::diagonal::theorems::catalogue;
use groktime::diagonal::{Init, Problem, Settings};
use groktime::linalg::Threads;
use groktime::theorem::{Judged, Outcome};

fn end_state(problem: &Problem, depth: u32, alpha: f64, lambda: f64, horizon: f64) -> Judged {
    let init = Init::Symmetric(alpha);
    let settings =
        Settings { depth, init, weight_decay: lambda, horizon, threads: Threads::One, ..Settings::default() };
    let run = problem.integrate(&settings).unwrap();
    let statements = run.statements(&Inputs::default()).unwrap();
    statements
        .into_iter()
        .find(|j| [&catalogue::END_STATE, &catalogue::END_STATE_DEEP].contains(&j.statement.source))
        .unwrap()
}

/// (w − y)² + ½|w| ends at w = y − ¼; √w relaxes at 8w = 0.4 and 0.08.
#[test]
fn slow_coordinates_on_the_support() {
    for (y, alpha, horizon, slow) in
        [(0.3, 100.0, 15.0, true), (0.26, 10.0, 30.0, true), (0.3, 100.0, 80.0, false)]
    {
        let x = Design::new(ndarray::array![[1.0]].view()).unwrap();
        let problem = Problem::new(x, vec![y], Loss::Squared).unwrap();
        let judged = end_state(&problem, 2, alpha, 1.0, horizon);
        let expected = if slow { Outcome::NotApplicable } else { Outcome::Holds };
        assert_eq!(judged.verdict.outcome, expected, "y = {y}, {:?}", judged.verdict);
        if slow {
            assert!(judged.verdict.reason.unwrap().starts_with("μ·(time on the support) ≥ 20"));
        }
    }
}

/// At λ = 1 the net of depth 3 dies: 0 is a stationary point, and the gradient is small against what any other
/// would need.
#[test]
fn the_end_at_zero() {
    let law = Law::SparseSigns { relevant: 3 };
    let task = Task { law, samples: 10, dimension: 60, seed: 0 }.draw().unwrap();
    let problem = Problem::new(task.design, task.labels.to_vec(), Loss::Logistic).unwrap();
    let judged = end_state(&problem, 3, 3.0, 1.0, 3.0_f64.ln() + 16.0);
    assert_eq!(judged.verdict.outcome, Outcome::Holds, "{:?}", judged.verdict);
    assert!(judged.verdict.measured < 0.01, "{:?}", judged.verdict);
}
