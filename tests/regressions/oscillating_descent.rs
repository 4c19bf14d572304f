//! With ρ near −1 the accuracy on a test sample is judged at even and at odd steps; it is reached for sure, by a
//! time that can be named.

use groktime::crossing::Crossing;
use groktime::ridge::{Population, Problem, Sample, Settings, Target};
use ndarray::array;

#[test]
fn accuracy_has_an_upper_end() {
    let features = array![[1.0]];
    let test = array![[1.0], [2.0], [-3.0]];
    let sample = Sample { features: test.view(), labels: array![0.5, 1.0, -1.5] };
    let problem = Problem {
        features: features.view(),
        target: Target::teacher(array![0.5]),
        init: array![4.0],
        population: Population { sample: Some(sample), ..Default::default() },
    };
    let spectrum = problem.spectrum(Default::default()).unwrap();
    let settings = Settings {
        step_size: 1.9999999999,
        weight_decay: 0.0,
        accuracy_tolerance: 0.01,
        ..Default::default()
    };
    let found = spectrum.descent(&settings).unwrap().first_accurate(0.9).unwrap();
    // 3·3.5·(1 − 10⁻¹⁰)^t ≤ 0.1, where η − 1 is taken of the double 1.9999999999.
    let rate = -(0.9999999999_f64.ln());
    let exact = (105.0_f64).ln() / rate;
    let Crossing::At { lo, hi, .. } = found else { panic!("{found:?}") };
    // ρ is known to some 20ε and 1 − |ρ| is 10⁻¹⁰: ln|ρ|, and with it the time, to some 10⁻⁴.
    assert!((hi - lo) as f64 <= 1e-3 * exact, "{found:?}");
    assert!((lo as f64) < exact * (1.0 + 1e-6) && exact * (1.0 - 1e-6) < hi as f64, "{found:?}, {exact}");
}
