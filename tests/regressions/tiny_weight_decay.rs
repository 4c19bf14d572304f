//! However small λ > 0 is, the complement decays in the end: "never" is false, and later than the clock's last step
//! is an answer.

use groktime::crossing::Crossing;
use groktime::ridge::{Population, Problem, Settings, Target};
use ndarray::array;

#[test]
fn smallest_number_is_not_zero() {
    let features = array![[1.0, 0.0]];
    let problem = Problem {
        features: features.view(),
        target: Target::zero_teacher(2),
        init: array![1.0, 0.5],
        population: Population::isotropic(2, 1.0),
    };
    let spectrum = problem.spectrum(Default::default()).unwrap();
    for weight_decay in [5e-324, 1e-300, 1e-30] {
        let settings = Settings { step_size: 0.3, weight_decay, ..Default::default() };
        let found = spectrum.descent(&settings).unwrap().first_general(1e-3).unwrap();
        assert!(found.is_beyond_clock(), "{weight_decay:e}: {found:?}");
    }
    // ln(0.5²/10⁻³)/2λ, unless that is not a number.
    let flow = |weight_decay| {
        let settings = Settings { weight_decay, ..Default::default() };
        spectrum.flow(&settings).unwrap().first_general(1e-3).unwrap()
    };
    assert!(flow(5e-324).is_beyond_clock());
    let Crossing::At { lo, hi, .. } = flow(1e-300) else { panic!("it comes") };
    let exact = 250.0_f64.ln() / 2e-300;
    assert!(lo <= exact * (1.0 + 1e-14) && exact * (1.0 - 1e-14) <= hi && hi - lo < 1e-12 * hi);
    let settings = Settings { step_size: 0.3, ..Default::default() };
    assert_eq!(spectrum.descent(&settings).unwrap().first_general(1e-3).unwrap(), Crossing::Never);
}
