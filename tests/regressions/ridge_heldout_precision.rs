//! A held-out loss by residuals keeps its digits where the labels are the teacher's own; by the difference of large
//! squares half of them are lost.

use groktime::crossing::Crossing;
use groktime::ridge::{Population, Problem, Sample, Settings, Target};
use ndarray::array;

#[test]
fn realizable_sample() {
    let features = array![[1.0, 0.5], [0.25, 1.0]];
    let test = array![[1.0, 1.0], [2.0, -1.0]];
    let sample = Sample { features: test.view(), labels: array![1.5, 1.5] };
    let problem = Problem {
        features: features.view(),
        target: Target::teacher(array![1.0, 0.5]),
        init: array![3.0, -2.0],
        population: Population { sample: Some(sample), ..Default::default() },
    };
    let spectrum = problem.spectrum(Default::default()).unwrap();
    let descent = spectrum.descent(&Settings { step_size: 0.9, ..Default::default() }).unwrap();
    // By the closed form in 80 digits.
    for (t, exact) in [(100_u64, 1.2876932e-16), (200, 7.1265e-34)] {
        let loss = descent.test_loss(t).unwrap();
        assert!((loss.value - exact).abs() < 1e-4 * exact, "{t}: {loss:?}");
        assert!(loss.rounding < 1e-6 * exact, "{t}: {loss:?}");
        let ln = descent.ln_test_loss(t).unwrap();
        assert!((ln - loss.value.ln()).abs() < 1e-12, "{t}: {ln}");
    }
    assert_eq!(descent.first_general(1e-20).unwrap(), Crossing::At { time: 124, lo: 124, hi: 124 });
}
