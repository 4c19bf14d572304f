//! Steps that went too far: what was computed there is not used for shorter ones, and what a flow knows is between the
//! ends of a step is not stepped over.

use super::*;

#[test]
fn a_jacobian_of_a_rejected_step_is_renewed() {
    // y' = −sinh y, tanh(y/2) = tanh(y₀/2) e^{−t}. The first attempt predicts y = −361, where cosh y = 10¹⁵⁶.
    let mut flow = DenseFlow::new(
        1,
        |_, y: &[f64], dy: &mut [f64]| dy[0] = -y[0].sinh(),
        |_, y: &[f64], mut j| j[(0, 0)] = -y[0].cosh(),
    );
    let options = Options { rtol: 1e-8, first_step: Some(100.0), ..Options::default() };
    let solution = bdf(&mut flow, 0.0..200.0, &[2.0], &options).unwrap();
    let statistics = solution.statistics;
    assert!(statistics.newton_failures < 20, "{statistics:?}");
    for t in [0.1_f64, 1.0, 5.0] {
        let mut y = [0.0];
        solution.path.eval(t, &mut y).unwrap();
        let exact = 2.0 * (1.0_f64.tanh() * (-t).exp()).atanh();
        assert!((y[0] / exact - 1.0).abs() < 1e-5, "{t}: {} instead of {exact}", y[0]);
    }
}

/// y' = −b(t) y with a bump of unit area at t = 500.
struct Bump {
    known: bool,
}

const AT: f64 = 500.0;

impl Bump {
    fn rate(t: f64) -> f64 {
        (-0.5 * (t - AT).powi(2)).exp() / (2.0 * std::f64::consts::PI).sqrt()
    }
}

impl Flow for Bump {
    fn dimension(&self) -> usize {
        1
    }
    fn rhs(&mut self, t: f64, y: &[f64], dy: &mut [f64]) -> Result<(), Reject> {
        dy[0] = -Bump::rate(t) * y[0];
        Ok(())
    }
    fn longest(&self, t: f64) -> f64 {
        if self.known { 0.5 + 0.5 * (t - AT).abs() } else { f64::INFINITY }
    }
}

impl StiffFlow for Bump {
    fn refresh(&mut self, _t: f64, _y: &[f64]) -> Result<(), Reject> {
        Ok(())
    }
    fn factor(&mut self, _shift: f64) -> Result<(), Reject> {
        Ok(())
    }
    fn solve(&mut self, _b: &mut [f64]) -> Result<(), Reject> {
        Ok(())
    }
}

#[test]
fn what_a_flow_knows_of_time_is_not_stepped_over() {
    let options = Options { rtol: 1e-8, first_step: Some(100.0), ..Options::default() };
    let end = |known| bdf(&mut Bump { known }, 0.0..1e5, &[1.0], &options).unwrap().y[0];
    assert!((end(true) - (-1.0_f64).exp()).abs() < 1e-6, "{}", end(true));
    // Nobody could know.
    assert_eq!(end(false), 1.0);
}
