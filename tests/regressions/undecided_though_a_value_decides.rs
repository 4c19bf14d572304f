//! Smooth features have singular values down to rounding. What has not been learned cannot be wrong, so that
//! the condition number of all modes must not blur the first steps.

use groktime::crossing::Crossing;
use groktime::ridge::{Features, Recipe, Settings, Teacher};

#[test]
fn fourier_features_in_one_dimension() {
    let recipe = Recipe {
        features: Features::Fourier { input_dim: 1, frequency_variance: 1.0, input_variance: 1.0 },
        teacher: Teacher::FourierFeature,
        samples: 60,
        width: 500,
        ..Recipe::default()
    };
    let instance = recipe.draw().unwrap();
    let problem = instance.problem();
    let spectrum = problem.spectrum(Default::default()).unwrap();
    let descent = spectrum.descent(&Settings { weight_decay: 1e-4, ..Settings::default() }).unwrap();
    let [before, after] = [0, 1].map(|t| descent.test_loss(t).unwrap());
    assert!(after.rounding < 1e-9 && before.rounding < 1e-9, "{before:?} {after:?}");
    let between = 0.5 * (before.value + after.value);
    assert_eq!(descent.first_general(between).unwrap(), Crossing::At { time: 1, lo: 1, hi: 1 });
}
