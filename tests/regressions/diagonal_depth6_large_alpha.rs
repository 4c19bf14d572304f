//! Large starts of deep nets: the decay lies inside one step of a clock that stands still, and only α e^{−λt} matters.

use groktime::Loss;
use groktime::data::Design;
use groktime::diagonal::{Init, Problem, Settings};
use ndarray::array;

#[test]
fn where_a_net_ends_does_not_depend_on_how_large_it_was() {
    let x = Design::new(array![[1.0, 0.5, -1.0], [-0.5, 1.0, 0.25]].view()).unwrap();
    let problem = Problem::new(x, vec![1.0, -1.0], Loss::Squared).unwrap();
    let weight_decay = 1e-3;
    // λτ from where α e^{−λt} = 3; from Radau IIA with 40 digits.
    let stored = [
        (500.0, [7.135219799e-1, -5.081061150e-1, -5.405310007e-1]),
        (1000.0, [7.168586590e-1, -5.073489062e-1, -5.368051262e-1]),
        (2000.0, [1.178584029, -4.044927512e-1, -2.366076259e-2]),
    ];
    for alpha in [3.0, 10.0, 1e2, 1e3, 1e4, 1e5, 1e6] {
        let later = (alpha / 3.0_f64).ln() / weight_decay;
        let settings = Settings {
            depth: 6,
            init: Init::Symmetric(alpha),
            weight_decay,
            horizon: later + 3e3,
            ..Settings::default()
        };
        let run = problem.integrate(&settings).unwrap();
        for (t, w) in stored {
            let net = run.snapshot(later + t).unwrap();
            let apart = net.weights.iter().zip(w).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(apart < 1e-6, "α = {alpha:e}, {t}: {}", net.weights);
        }
    }
}
