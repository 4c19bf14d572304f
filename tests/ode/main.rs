//! The integrators against solutions that are known, in all the ways in which they can go wrong.

mod accuracy;
mod astray;
mod ends;
mod events;
mod explicit;
mod failures;
mod rebasing;
mod stabilised;

use std::ops::ControlFlow;

use groktime::error::Error;
use groktime::ode::{
    Action, DenseFlow, Direction, Ended, Event, Flow, Options, Reject, Solution, StiffFlow, bdf,
    bdf_observed, dop853, dop853_observed, rkc, rkc_observed,
};
use groktime::trajectory::log_times;
use ndarray::{Array2, ArrayViewMut2, array};

/// A dense flow with sizes and a hook of its own.
struct Custom<F, S, A> {
    flow: F,
    sizes: S,
    accepted: A,
}

impl<F: Flow, S: Fn(&[f64], &mut [f64]), A: FnMut(f64, &mut [f64]) -> Action> Flow for Custom<F, S, A> {
    fn dimension(&self) -> usize {
        self.flow.dimension()
    }
    fn rhs(&mut self, t: f64, y: &[f64], dy: &mut [f64]) -> Result<(), Reject> {
        self.flow.rhs(t, y, dy)
    }
    fn sizes(&self, _t: f64, y: &[f64], sizes: &mut [f64]) {
        (self.sizes)(y, sizes);
    }
    fn accepted(&mut self, t: f64, y: &mut [f64]) -> Action {
        (self.accepted)(t, y)
    }
}

impl<F: StiffFlow, S: Fn(&[f64], &mut [f64]), A: FnMut(f64, &mut [f64]) -> Action> StiffFlow
    for Custom<F, S, A>
{
    fn refresh(&mut self, t: f64, y: &[f64]) -> Result<(), Reject> {
        self.flow.refresh(t, y)
    }
    fn factor(&mut self, shift: f64) -> Result<(), Reject> {
        self.flow.factor(shift)
    }
    fn solve(&mut self, b: &mut [f64]) -> Result<(), Reject> {
        self.flow.solve(b)
    }
}

fn absolute(y: &[f64], sizes: &mut [f64]) {
    sizes.iter_mut().zip(y).for_each(|(s, y)| *s = y.abs());
}

/// Relative to the largest.
fn norm_wise(y: &[f64], sizes: &mut [f64]) {
    sizes.fill(y.iter().fold(0.0, |m, y| y.abs().max(m)));
}

fn goes_on(_: f64, _: &mut [f64]) -> Action {
    Action::Continue
}

fn rtol(rtol: f64) -> Options {
    Options { rtol, ..Options::default() }
}

/// y' = λ y for all unknowns.
fn linear(n: usize, lambda: f64) -> impl StiffFlow {
    DenseFlow::new(
        n,
        move |_, y, dy| dy.iter_mut().zip(y).for_each(|(dy, y)| *dy = lambda * y),
        move |_, _, mut j: ArrayViewMut2<'_, f64>| j.diag_mut().fill(lambda),
    )
}

/// y' = −λ (y − g) + g', g = 2 + sin t: stiff, on its slow solution.
fn prothero_robinson(lambda: f64) -> impl StiffFlow {
    DenseFlow::new(
        1,
        move |t: f64, y: &[f64], dy: &mut [f64]| dy[0] = -lambda * (y[0] - 2.0 - t.sin()) + t.cos(),
        move |_, _, mut j| j[(0, 0)] = -lambda,
    )
}

fn robertson() -> impl StiffFlow {
    DenseFlow::new(
        3,
        |_, y, dy| {
            dy[0] = -0.04 * y[0] + 1e4 * y[1] * y[2];
            dy[2] = 3e7 * y[1] * y[1];
            dy[1] = -dy[0] - dy[2];
        },
        |_, y, mut j| {
            (j[(0, 0)], j[(0, 1)], j[(0, 2)]) = (-0.04, 1e4 * y[2], 1e4 * y[1]);
            j[(2, 1)] = 6e7 * y[1];
            for k in 0..3 {
                j[(1, k)] = -j[(0, k)] - j[(2, k)];
            }
        },
    )
}

fn circle() -> impl StiffFlow {
    DenseFlow::new(
        2,
        |_, y, dy| (dy[0], dy[1]) = (-y[1], y[0]),
        |_, _, mut j| (j[(0, 1)], j[(1, 0)]) = (-1.0, 1.0),
    )
}

/// Slope of log error against log tolerance.
fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let (mx, my) = (logs.iter().map(|p| p.0).sum::<f64>() / n, logs.iter().map(|p| p.1).sum::<f64>() / n);
    let xy: f64 = logs.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum();
    xy / logs.iter().map(|p| (p.0 - mx) * (p.0 - mx)).sum::<f64>()
}

/// Largest error over `points` equidistant times, of the first unknown relative to the exact value's size.
fn worst(solution: &Solution, points: usize, exact: impl Fn(f64) -> f64) -> f64 {
    let (start, end) = solution.path.span().unwrap();
    let mut y = vec![0.0; solution.y.len()];
    (0..=points)
        .map(|i| {
            let t = start + (end - start) * (i as f64 / points as f64);
            solution.path.eval(t, &mut y).unwrap();
            (y[0] - exact(t)).abs()
        })
        .fold(0.0, f64::max)
}

fn worst_at_nodes(solution: &Solution, exact: impl Fn(f64) -> f64) -> f64 {
    solution.path.steps().map(|s| (s.y()[0] - exact(s.t)).abs()).fold(0.0, f64::max)
}

const TOLERANCES: [f64; 8] = [1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11];

struct Kepler;

impl Flow for Kepler {
    fn dimension(&self) -> usize {
        4
    }
    fn rhs(&mut self, _t: f64, y: &[f64], dy: &mut [f64]) -> Result<(), Reject> {
        let r = y[0].hypot(y[1]).powi(3);
        (dy[0], dy[1], dy[2], dy[3]) = (y[2], y[3], -y[0] / r, -y[1] / r);
        Ok(())
    }
}

const ECCENTRICITY: f64 = 0.5;
const KEPLER_START: [f64; 4] = [1.0 - ECCENTRICITY, 0.0, 0.0, 1.732_050_807_568_877_2];

/// x(t) by Kepler's equation.
fn kepler(t: f64) -> f64 {
    let mut u = t;
    for _ in 0..50 {
        u -= (u - ECCENTRICITY * u.sin() - t) / (1.0 - ECCENTRICITY * u.cos());
    }
    u.cos() - ECCENTRICITY
}
