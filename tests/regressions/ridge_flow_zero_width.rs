//! A flow whose residual changes its sign just after the first crossing: half-way the form of the test loss is all
//! cancellation, and an enclosure that took its root for exact lay below the value at its own end. The interval
//! must contain the root of the closed form in 80 digits.

use groktime::crossing::{Crossing, End};
use groktime::data::Covariance;
use groktime::ridge::digits::{Quantity, crossing};
use groktime::ridge::{Population, Problem, Settings, Target};
use ndarray::array;

/// The closed form in 80 digits (mpmath, eigenpairs of the 3 × 3 matrix) is zero to 2e-23 at this time.
const ROOT: f64 = 1_598_313_438_387.710_4;

#[test]
fn interval_contains_the_root() {
    let row = [-0.015625, -0.0546875, -1.61328125];
    let features = array![row, row, [0.3046875, 0.48828125, 1.0546875]];
    let covariance = array![[5.1875, 1.0, 0.0625], [1.0, 2.125, -1.25], [0.0625, -1.25, 1.5625]];
    let problem = Problem {
        features: features.view(),
        target: Target::teacher(array![0.26953125, 0.73046875, 0.234375]),
        init: array![-1.98046875, 0.04296875, 0.1484375],
        population: Population {
            covariance: Some(Covariance::Dense(covariance.view())),
            ..Default::default()
        },
    };
    let settings = Settings { weight_decay: 1e-12, step_size: 0.046736004353836215, ..Default::default() };
    let threshold = 0.09766778675345565;
    let digits = crossing::<f64>(&problem, &settings, Quantity::TestLoss, threshold, End::First).unwrap();
    let spectrum = problem.spectrum(Default::default()).unwrap();
    let found = spectrum.flow(&settings).unwrap().first_general(threshold).unwrap();
    for (what, found) in [("digits", digits.unwrap()), ("both", found)] {
        let Crossing::At { lo, hi, .. } = found else { panic!("{what}: {found:?}") };
        assert!(lo <= ROOT && ROOT <= hi && hi - lo <= 2e-12 * ROOT, "{what}: {lo} to {hi}");
    }
}
