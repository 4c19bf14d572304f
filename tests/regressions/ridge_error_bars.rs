//! Numbers outside their error bars: a limit of what counts as zero, squares that underflow, columns of one sample that
//! are 10¹⁵⁰ apart, bars that overflow. Right values by mpmath at 150 to 450 digits.

use groktime::crossing::{Crossing, Point};
use groktime::ridge::{Population, Problem, Sample, Settings, Target};
use ndarray::{Array2, array};

fn covers(what: &str, found: Point, exact: f64, error: f64) {
    let Point { value, rounding } = found;
    assert!(rounding.is_finite(), "{what}: no bar");
    assert!((value - exact).abs() <= rounding + error, "{what}: {value:e} ± {rounding:e}, exact {exact:e}");
}

/// Rank one and what rounding adds: two more singular values near 1e-16 keep a loss of 7.2e-33, which the computed
/// training loss had as 0 ± 0 from step 50 on.
#[test]
fn zero_singular_values_that_are_not() {
    let column: [f64; 6] = [
        -5.7029149599557005,
        -0.26243830211575275,
        -5.14795404534108,
        2.5296671931019663,
        -0.13613294538911275,
        -4.7086314138334,
    ];
    let third: [f64; 6] = [
        -3.4217489759734203,
        -0.15746298126945163,
        -3.088772427204648,
        1.51780031586118,
        -0.08167976723346765,
        -2.8251788483000397,
    ];
    let last: [f64; 6] = [
        4.56233196796456,
        0.2099506416926022,
        4.118363236272864,
        -2.023733754481573,
        0.1089063563112902,
        3.7669051310667196,
    ];
    let features = Array2::from_shape_fn((6, 6), |(i, j)| match j {
        0 => column[i],
        2 | 4 => third[i],
        5 => last[i],
        _ => 0.0,
    });
    let problem = Problem {
        features: features.view(),
        target: Target::zero_teacher(6),
        init: array![
            0.5241309788703524,
            2.2768458869021453,
            0.3431318004403728,
            0.3047352811040454,
            -0.6785674851826553,
            0.18149447567124666
        ],
        population: Population::isotropic(6, 0.5),
    };
    let settings = Settings { step_size: 0.02899521373344378, ..Default::default() };
    let spectrum = problem.spectrum(Default::default()).unwrap();
    let descent = spectrum.descent(&settings).unwrap();
    for t in [2, 50, 1_000_000] {
        covers("training loss", descent.train_loss(t), 7.202535679697776e-33, 0.0);
    }
    // The test loss does not stay at 3.07: what counts as zero is learned in the end.
    covers("limit", descent.bounded_test_loss_limit().unwrap(), 2.8994127496870408, 0.0);
}

/// Test features of 10¹⁵⁰ beside labels of one: decomposed together, the labels were rounding.
#[test]
fn columns_of_different_sizes() {
    let features = array![[-5.434339876390079e149], [3.4204374516102264e149], [-1.4608784255942743e150]];
    let sample = array![
        [3.740104503162584e149],
        [-3.708137798007348e149],
        [1.8508722884881505e150],
        [1.5407951884823637e150]
    ];
    let problem = Problem {
        features: features.view(),
        target: Target::Labels(array![0.23828125, -0.62109375, 1.98828125]),
        init: array![0.3046875],
        population: Population {
            sample: Some(Sample {
                features: sample.view(),
                labels: array![-2.5, 0.7578125, -0.046875, -1.31640625],
            }),
            ..Default::default()
        },
    };
    let settings = Settings {
        step_size: 1.6051728170206496e-300,
        weight_decay: 3.3484643974570854e299,
        ..Default::default()
    };
    let spectrum = problem.spectrum(Default::default()).unwrap();
    let descent = spectrum.descent(&settings).unwrap();
    covers("test loss", descent.test_loss(1_000_000).unwrap(), 1.8870385368032878, 1e-15);
    // Bars do not overflow before their values do.
    covers("training loss", descent.train_loss(0), 3.940019103467259e298, 0.0);
    covers("norm", descent.bounded_parameter_norm(1_000_000), 9.142637852610267e-151, 0.0);
}

/// A flow in times of 10⁻²⁹⁷: t·e^{−gt} underflowed before it was multiplied by an error of 10²⁸⁵, and the last time at
/// or above 10⁻³ had an interval two units in the last place too early.
#[test]
fn rates_and_times_far_from_one() {
    let unit = 2.0_f64.powi(498);
    let features = Array2::from_diag(&array![unit, 0.25 * unit]);
    let problem = Problem {
        features: features.view(),
        target: Target::zero_teacher(2),
        init: array![1.0, 1.0],
        population: Population::isotropic(2, 1.0),
    };
    let spectrum = problem.spectrum(Default::default()).unwrap();
    let flow = spectrum.flow(&Settings::default()).unwrap();
    // L = u²(e^{−u²τ} + e^{−u²τ/16}/16)/4 with u² = 2⁹⁹⁶: the slow part alone is left at 10⁻³.
    let square = unit * unit;
    let exact = 16.0 / square * (square.ln() - 64.0_f64.ln() + 1000.0_f64.ln());
    let Crossing::At { lo, hi, .. } = flow.last_unfit(1e-3).unwrap() else { panic!("a time") };
    assert!(lo <= exact * (1.0 + 1e-15) && hi >= exact * (1.0 - 1e-15), "{lo:e} to {hi:e}, exact {exact:e}");
    assert!(hi - lo <= 1e-12 * hi);
}

/// λ of 10¹⁸⁰: the limit differs from the threshold by 10⁻¹⁸¹, and weight decay and eigenvalues are seen beside each other
/// with 1500 bits only. Losses 2⁻⁵ + c·ρ^t: the last step at or above the threshold, once undecided from 3.
#[test]
fn digits_for_a_weight_decay_far_from_the_features() {
    let features = array![[1.0]];
    let problem = Problem {
        features: features.view(),
        target: Target::Labels(array![0.25]),
        init: array![1.0],
        population: Population::default(),
    };
    let settings = Settings { step_size: 0.5e-180, weight_decay: 1e180, ..Default::default() };
    let spectrum = problem.spectrum(Default::default()).unwrap();
    let descent = spectrum.descent(&settings).unwrap();
    // L_n(θ) = (θ − 1/4)²/2 is 2⁻⁵ at θ = 0 and less for small positive θ: below from θ < 1/2 on, that is from step 2 on
    // (1/2 to rounding of ηλ at step 1), for ever, because θ ends at 0.25/(1 + 10¹⁸⁰) > 0.
    let found = descent.last_unfit(0.03125).unwrap();
    let Crossing::At { lo, hi, .. } = found else { panic!("{found:?}") };
    assert!(lo == hi && (hi == 0 || hi == 1), "{found:?}");
}
