//! A small start of matrix completion: W = α²t was lost below the rounding of the data, and small eigenvalues below
//! the tolerance of large ones; W stayed 0 where it should be 1, and nothing said so.

use groktime::completion::{Init, Problem, Settings};
use groktime::data::Observations;

/// Three entries that a matrix of ones fits: from αI the flow without decay goes there, whatever α.
#[test]
fn the_triangle_is_fitted_from_any_small_start() {
    for coordinate in [1e-12, 1e-8, 1e-6, 1e-4, 1e-2] {
        let seen = Observations::from_list(3, &[(0, 1, 1.0), (1, 2, 1.0), (0, 2, 1.0)]).expect("a list");
        let problem = Problem::new(seen, None, Init::Identity { coordinate }).expect("a problem");
        let settings = Settings { weight_decay: 0.0, horizon: 100.0, ..Settings::default() };
        let solution = problem.flow(&settings).expect("solved");
        for t in [60.0, 100.0] {
            let w = solution.state(t).expect("in the span");
            for (i, j) in [(0, 1), (1, 2), (0, 2)] {
                assert!((w[(i, j)] - 1.0).abs() < 1e-7, "α = {coordinate:e}, t = {t}: {}", w[(i, j)]);
            }
        }
        if coordinate == 1e-8 {
            let w = solution.state(30.0).expect("in the span");
            assert!((w[(0, 1)] - 1.0).abs() < 1e-7);
            // max |W| at t = 1 from quadruple precision.
            let early = solution.state(1.0).expect("in the span");
            assert!((early[(0, 1)] / 5.950_834_466_831_512e-16 - 1.0).abs() < 1e-6, "{:e}", early[(0, 1)]);
        }
    }
}
