//! Weight decays, and scales of the features, whose squares are no numbers.

use groktime::linalg::Engine;
use groktime::ridge::theorems::Inputs;
use groktime::ridge::theorems::catalogue;
use groktime::ridge::{Population, Problem, Settings, Target};
use groktime::theorem::{Judged, Outcome};
use ndarray::{Array1, Array2, array};

fn problem(features: &Array2<f64>, star: Array1<f64>, start: Array1<f64>) -> Problem<'_> {
    let m = features.ncols();
    Problem {
        features: features.view(),
        target: Target::Teacher { weights: star, noise: None },
        init: start,
        population: Population::isotropic(m, 1.0),
    }
}

fn judged(problem: &Problem<'_>, eta: f64, lambda: f64, flow: bool) -> Vec<Judged> {
    let spectrum = problem.spectrum(Engine::SEQUENTIAL).unwrap();
    let settings = Settings { step_size: eta, weight_decay: lambda, ..Settings::default() };
    let inputs = Inputs { test_threshold: 1e-3, init_variance: Some(1.0), ..Inputs::default() };
    match flow {
        false => spectrum.descent(&settings).unwrap().statements(&inputs).unwrap(),
        true => spectrum.flow(&settings).unwrap().statements(&inputs).unwrap(),
    }
}

/// ln(‖θ*_λ − θ*‖²) by exact fractions (Python) for Φ = diag(1, ½, 1/10), θ* = (0.1, 0.2, 0.3), λ = 1e-300:
/// the test loss ends there, and the upper side is a triangle inequality.
const AT_REST: f64 = -1_372.550_714_494_222;

#[test]
fn upper_side_is_formed_in_logarithms() {
    let features = array![[1.0, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.1]];
    let problem = problem(&features, array![0.1, 0.2, 0.3], array![1.0, 1.0, 1.0]);
    let all = judged(&problem, 0.3, 1e-300, false);
    assert!(all.iter().all(|j| j.verdict.outcome != Outcome::Violated));
    let above = all.iter().find(|j| j.statement.source == &catalogue::UPPER_EVERY_TIME).unwrap();
    assert_eq!(above.verdict.outcome, Outcome::Holds);
    let groktime::theorem::Claim::Envelope { ln_bound, .. } = &above.statement.claim else { panic!() };
    assert!((ln_bound(1e18) - AT_REST).abs() < 1e-9, "{}", ln_bound(1e18));
}

#[test]
fn extreme_scales_violate_nothing_and_leave_no_value_out() {
    let base = array![[1.0, 0.2, 0.0], [0.0, 0.5, -1.0]];
    let zero = Array2::zeros((2, 3));
    for scale in [1.0, 1e-150, 1e-100, 1e100, 1e150] {
        for lambda in [0.0, 5e-324, 1e-300, 1e-200, 1e-160, 1e-80, 1e-3] {
            for (features, flow) in [(&base, false), (&base, true), (&zero, false), (&zero, true)] {
                let scaled = features * scale;
                let problem = problem(&scaled, array![0.1, 0.2, 0.3], array![1.0, -1.0, 0.5]);
                // Half of the largest stable step of these features, at most 2/λ.
                let eta = (0.5 / (scale * scale)).min(if lambda > 0.0 { 0.5 / lambda } else { f64::MAX });
                for j in judged(&problem, eta, lambda, flow) {
                    let name = format!("{} scale {scale:e} λ {lambda:e} flow {flow}", j.statement.source);
                    assert_ne!(j.verdict.outcome, Outcome::Violated, "{name} {:?}", j.verdict);
                    let reason = j.verdict.reason.as_deref().unwrap_or_default();
                    assert!(!reason.contains("has no value"), "{name} {:?}", j.verdict);
                }
            }
        }
    }
}
