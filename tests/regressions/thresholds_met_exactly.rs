//! Φ = I₂, θ₀ = (1, 0), zero teacher, η = 1, λ = 0: L_n = 4^{−t}/4 and the test loss is 4^{−t}, both in exact binary
//! numbers. At the threshold 4⁻³ the last step at or above is 2, and the first at or below is 3.

use groktime::crossing::{Crossing, End};
use groktime::ridge::digits::{Quantity, crossing};
use groktime::ridge::{Population, Problem, Settings, Target};
use ndarray::array;

#[test]
fn both_times_are_single_steps() {
    let features = array![[1.0, 0.0], [0.0, 1.0]];
    let problem = Problem {
        features: features.view(),
        target: Target::zero_teacher(2),
        init: array![1.0, 0.0],
        population: Population::isotropic(2, 1.0),
    };
    let time = |what, end| crossing::<u64>(&problem, &Settings::default(), what, 1.0 / 64.0, end).unwrap();
    let at = |t| Some(Crossing::At { time: t, lo: t, hi: t });
    assert_eq!(time(Quantity::TrainLoss, End::Last), at(2));
    assert_eq!(time(Quantity::TestLoss, End::First), at(3));
    assert_eq!(time(Quantity::TestLoss, End::Last), at(3));
}
