//! The integrators against solutions that are known.

use groktime::ode::{DenseFlow, Options, bdf};

#[test]
fn prothero_robinson() {
    for rtol in [1e-4, 1e-6, 1e-8, 1e-10] {
        let options = Options { rtol, atol: rtol, ..Options::default() };
        for lambda in [1e2, 1e6] {
            let mut flow = DenseFlow::new(
                1,
                |t: f64, y: &[f64], dy: &mut [f64]| dy[0] = -lambda * (y[0] - t.cos()) - t.sin(),
                |_, _, mut j| j[(0, 0)] = -lambda,
            );
            let solution = bdf(&mut flow, 0.0..10.0, &[1.0], &options).unwrap();
            let mut y = [0.0];
            for i in 0..=1000 {
                let t = 1e-2 * i as f64;
                solution.path.eval(t, &mut y).unwrap();
                assert!((y[0] - t.cos()).abs() < 5.0 * rtol);
            }
            println!("{lambda:e} {rtol:e} {:?}", solution.statistics);
        }
    }
}
