//! With full column rank nothing is orthogonal to the rows of Φ: that part is zero and has no error. The same for
//! labels that no parameters fit, with full row rank.

use groktime::crossing::Crossing;
use groktime::ridge::{Recipe, Settings};

#[test]
fn more_samples_than_features() {
    let instance = Recipe { samples: 200, width: 50, ..Recipe::default() }.draw().unwrap();
    let problem = instance.problem();
    let spectrum = problem.spectrum(Default::default()).unwrap();
    let descent = spectrum.descent(&Settings::default()).unwrap();
    for threshold in [1e-10, 1e-30, 1e-100] {
        let found = descent.first_general(threshold).unwrap();
        assert!(matches!(found, Crossing::At { lo, hi, .. } if lo == hi), "{threshold:e}: {found:?}");
    }
}
