//! Thresholds that are the printed limit of the loss, its value at the start or at a step. Whether the loss is
//! below or above is then a matter of the last digit, and the answer is exact all the same.

use groktime::crossing::Crossing;
use groktime::ridge::{Population, Problem, Settings, Target};
use ndarray::{Array1, Array2, array};

fn at(t: u64) -> Crossing<u64> {
    Crossing::At { time: t, lo: t, hi: t }
}

fn last_unfit(
    features: &Array2<f64>,
    target: Target,
    init: Array1<f64>,
    settings: Settings,
    threshold: f64,
) -> Crossing<u64> {
    let population = Population::default();
    let problem = Problem { features: features.view(), target, init, population };
    let spectrum = problem.spectrum(Default::default()).unwrap();
    spectrum.descent(&settings).unwrap().last_unfit(threshold).unwrap()
}

/// The exact limit is 7.8e-20 below the printed one: in 80 digits step 61 is at or above it, 62 is not.
#[test]
fn limit_tie_is_no_never() {
    let features =
        array![[-1.3422159988328135, -0.38794021028498027], [0.07504076559901332, 1.3472078582149443]];
    let labels = Target::Labels(array![-0.3548688098911379, -0.5790219857822949]);
    let init = array![-1.7504725856844585, -0.48470120203995104];
    let settings = Settings { step_size: 0.7131527731642424, weight_decay: 0.05, ..Default::default() };
    assert_eq!(last_unfit(&features, labels, init, settings, 0.0006087518529014363), at(61));
}

/// The limit is 3.5e-21 below: step 11 is the last, in 80 digits.
#[test]
fn undecided_has_a_lower_end() {
    let features = array![[-1.1905253178765383, -0.5603660274862661, 2.2922973062409824]];
    let labels = Target::Labels(array![0.7617551159596533]);
    let init = array![-0.7291293433575745, -3.933795562009875, 2.1583164773295462];
    let settings = Settings { step_size: 0.0625, weight_decay: 0.05, ..Default::default() };
    assert_eq!(last_unfit(&features, labels, init, settings, 1.4651788694739298e-05), at(11));
}

/// 0.1²/2 in binary is below 0.005000000000000001: below from the start.
#[test]
fn tie_at_start() {
    let features = array![[1.0]];
    let settings = Settings { step_size: 0.5, ..Default::default() };
    let found = last_unfit(&features, Target::zero_teacher(1), array![0.1], settings, 0.005000000000000001);
    assert_eq!(found, Crossing::FromStart);
    let found = last_unfit(&features, Target::zero_teacher(1), array![0.1], settings, 0.005);
    assert_eq!(found, at(0));
}

/// Losses 4^{−t}/4 and 4^{−t}, in exact binary numbers, at 4⁻³.
#[test]
fn thresholds_met_exactly() {
    let features = Array2::eye(2);
    let problem = Problem {
        features: features.view(),
        target: Target::zero_teacher(2),
        init: array![1.0, 0.0],
        population: Population::isotropic(2, 1.0),
    };
    let spectrum = problem.spectrum(Default::default()).unwrap();
    let times = spectrum.descent(&Settings::default()).unwrap().times(1.0 / 64.0, 1.0 / 64.0).unwrap();
    assert_eq!((times.train, times.test), (at(2), at(3)));
}

/// Flow, the threshold being the limit of a test loss by a covariance matrix: d = (0, 3e^{−τ} − 0.1), so that the loss
/// is 0.01 at τ = ln 15 and tends to it again.
#[test]
fn flow_crosses_its_limit_before() {
    let features = array![[1.0, 0.0]];
    let sigma = Array2::eye(2);
    let problem = Problem {
        features: features.view(),
        target: Target::teacher(array![0.0, 0.1]),
        init: array![0.0, 3.0],
        population: Population {
            covariance: Some(groktime::data::Covariance::Dense(sigma.view())),
            ..Default::default()
        },
    };
    let spectrum = problem.spectrum(Default::default()).unwrap();
    let flow = spectrum.flow(&Settings { weight_decay: 1.0, ..Default::default() }).unwrap();
    // 0.1 and 0.01 in binary are not a square and its root: by 80 digits 2.7080502011022083…
    let Crossing::At { lo, hi, .. } = flow.first_general(0.01).unwrap() else { panic!("no time") };
    let exact = 15.0_f64.ln();
    assert!(hi - lo <= 1e-12 && lo - 1e-13 <= exact && exact <= hi + 1e-13, "[{lo}, {hi}] and {exact}");
}

/// ηg > 1 and the threshold within 10⁻¹² of the limit, where the first steps are far above it.
#[test]
fn near_the_limit_is_not_from_the_start() {
    let features = array![[1.5, 0.5], [0.25, 1.0]];
    let labels = array![1.0, -0.5];
    let settings = Settings { step_size: 1.2, weight_decay: 0.1, ..Default::default() };
    let population = Population::default();
    let target = Target::Labels(labels);
    let problem = Problem { features: features.view(), target, init: array![0.5, 0.25], population };
    let spectrum = problem.spectrum(Default::default()).unwrap();
    let descent = spectrum.descent(&settings).unwrap();
    let limit = descent.train_loss_limit().unwrap();
    for distance in [1e-10, 1e-12, 1e-14] {
        for threshold in [limit * (1.0 - distance), limit * (1.0 + distance)] {
            assert!(descent.train_loss(0).value > 1.1 * threshold);
            let found = descent.last_unfit(threshold).unwrap();
            assert_ne!(found, Crossing::FromStart, "{distance:e}");
            if let Crossing::At { hi, .. } = found {
                let after = descent.train_loss(hi + 2);
                assert!(after.value - after.rounding < threshold, "{distance:e}: {found:?}");
            }
        }
    }
}
