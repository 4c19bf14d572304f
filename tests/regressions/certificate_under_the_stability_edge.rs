//! A few units in the last place under the stability edge ρ = −1 rounding hides for 10¹⁵ steps whether the loss
//! falls at all. What a search skipped for that reason is not excluded, and many digits decide.

use groktime::crossing::Crossing;
use groktime::ridge::{Population, Problem, Settings, Target};
use ndarray::array;

#[test]
fn one_ulp_under_the_edge() {
    let features = array![[2.0, 0.0], [0.0, 2.0]];
    let problem = Problem {
        features: features.view(),
        target: Target::zero_teacher(2),
        init: array![1.0, 1.0],
        population: Population::isotropic(2, 1.0),
    };
    let spectrum = problem.spectrum(Default::default()).unwrap();
    let settings = Settings { step_size: 0.9999999999999999, ..Default::default() };
    let descent = spectrum.descent(&settings).unwrap();
    // L_n = 2(1 − 2η)^{2t}: the floor of ln(ε/2)/(2 ln|1 − 2η|) in 80 digits.
    let exact = 17_115_710_742_236_602;
    let found = descent.last_unfit(1e-3).unwrap();
    assert_eq!(found, Crossing::At { time: exact, lo: exact, hi: exact });
}

/// At the edge itself the loss stays where it is, and a unit above it would grow.
#[test]
fn at_the_edge() {
    let features = array![[1.0]];
    let problem = Problem {
        features: features.view(),
        target: Target::zero_teacher(1),
        init: array![1.0],
        population: Population::isotropic(1, 1.0),
    };
    let spectrum = problem.spectrum(Default::default()).unwrap();
    let descent = spectrum.descent(&Settings { step_size: 2.0, ..Default::default() }).unwrap();
    assert_eq!(descent.last_unfit(0.1).unwrap(), Crossing::Never);
    assert_eq!(descent.last_unfit(0.5).unwrap(), Crossing::Never);
    assert_eq!(descent.last_unfit(0.5 + 1e-15).unwrap(), Crossing::FromStart);
    assert_eq!(descent.first_general(0.1).unwrap(), Crossing::Never);
}
