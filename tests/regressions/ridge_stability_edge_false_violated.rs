//! A claim about the minimiser is measured at the minimiser, not at the limit of a descent that never gets there.

use groktime::linalg::Engine;
use groktime::ridge::theorems::Inputs;
use groktime::ridge::theorems::catalogue;
use groktime::ridge::{Population, Problem, Settings, Target};
use groktime::theorem::{Judged, Outcome};
use ndarray::{Array1, Array2, array};

fn judged(features: &Array2<f64>, start: Array1<f64>, eta: f64, lambda: f64) -> Vec<Judged> {
    let m = features.ncols();
    let problem = Problem {
        features: features.view(),
        target: Target::zero_teacher(m),
        init: start,
        population: Population::isotropic(m, 1.0),
    };
    let spectrum = problem.spectrum(Engine::SEQUENTIAL).unwrap();
    let form =
        spectrum.descent(&Settings { step_size: eta, weight_decay: lambda, ..Settings::default() }).unwrap();
    form.statements(&Inputs { train_threshold: 0.1, test_threshold: 0.1, ..Inputs::default() }).unwrap()
}

/// ρ = −1: the loss stays at ½ for ever, the minimiser's is 0.
#[test]
fn minimiser_is_not_the_limit_of_oscillation() {
    for (features, start, eta, lambda) in [
        (array![[1.0]], array![1.0], 2.0, 0.0),
        (array![[2.0, 0.0], [0.0, 1.0]], array![1.0, 1.0], 1.0, 0.0),
        (array![[1.0, 0.0]], array![1.0, 3.0], 1.0, 1.0),
    ] {
        let judged = judged(&features, start, eta, lambda);
        for j in &judged {
            assert_ne!(j.verdict.outcome, Outcome::Violated, "{} {:?}", j.statement.source, j.verdict);
        }
        let loss = judged.iter().find(|j| j.statement.source == &catalogue::LIMIT_TRAIN).unwrap();
        assert_eq!((loss.verdict.outcome, loss.verdict.measured), (Outcome::Holds, 0.0));
    }
}
