//! The integrators against solutions that are known, in all the ways in which they can go wrong.

use std::ops::ControlFlow;

use groktime::error::Error;
use groktime::ode::{
    Action, DenseFlow, Direction, Ended, Event, Flow, Options, Reject, Solution, StiffFlow, bdf,
    bdf_observed, dop853, dop853_observed,
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

#[test]
fn the_error_is_proportional_to_the_tolerance_and_the_same_between_the_steps() {
    // Steps of order q are as many as rtol^{−1/(q+1)}. Where their errors add up, the sum is proportional to
    // rtol^{q/(q+1)}, theory/integrators.md (16); where they are forgotten at once, to rtol.
    for (lambda, least, factor) in [(1.0, 0.76, 150.0), (1e2, 0.76, 15.0), (1e4, 0.9, 10.0), (1e6, 0.9, 10.0)]
    {
        let mut points = Vec::new();
        for tolerance in TOLERANCES {
            let s = bdf(&mut prothero_robinson(lambda), 0.0..20.0, &[2.0], &rtol(tolerance)).unwrap();
            let dense = worst(&s, 20_000, |t| 2.0 + t.sin());
            let nodes = worst_at_nodes(&s, |t| 2.0 + t.sin());
            println!("λ = {lambda:e}, rtol {tolerance:e}: {dense:.1e} {nodes:.1e} {:?}", s.statistics);
            assert!(dense < factor * tolerance, "λ = {lambda}, rtol {tolerance}: {dense}");
            assert!(
                dense < 2.0 * nodes + 10.0 * tolerance,
                "λ = {lambda}, rtol {tolerance}: {dense} {nodes}"
            );
            points.push((tolerance, dense));
        }
        let slope = slope(&points);
        println!("λ = {lambda:e}: {slope:.3}");
        assert!((least..1.1).contains(&slope), "λ = {lambda}: {slope}, {points:?}");
    }
}

#[test]
fn robertson_agrees_with_references() {
    // SciPy 1.x Radau at rtol 1e-13, atol 1e-22; the last one from the Test Set for Initial Value Problem
    // Solvers (Mazzia, Magherini), problem ROBER.
    let references = [
        (0.4, [0.985_172_113_860_990_6, 3.386_395_378_974_906e-5, 0.014_794_022_185_220_383]),
        (40.0, [0.715_827_068_719_406_9, 9.185_534_764_557_768e-6, 0.284_163_745_745_831]),
        (4e3, [0.183_202_257_776_710_4, 8.942_371_252_775_944e-7, 0.816_796_847_986_167]),
        (4e5, [0.004_938_274_520_980_009, 1.984_994_087_954_439_4e-8, 0.995_061_705_629_086_1]),
        (4e7, [5.203_071_844_121_344e-5, 2.081_335_731_892_839e-10, 0.999_947_969_073_431_5]),
        (1e11, [2.083_340_149_701_255e-8, 8.333_360_770_334_713e-14, 0.999_999_979_166_505]),
    ];
    let mut points = Vec::new();
    for tolerance in &TOLERANCES[..7] {
        // Each unknown relative to itself, from where it is worth it: the third begins like t³.
        let sizes = |y: &[f64], sizes: &mut [f64]| {
            sizes.iter_mut().zip(y).for_each(|(s, y)| *s = y.abs().max(1e-15));
        };
        let mut flow = Custom { flow: robertson(), sizes, accepted: goes_on };
        let s = bdf(&mut flow, 0.0..1e11, &[1.0, 0.0, 0.0], &rtol(*tolerance)).unwrap();
        let mut worst = 0.0_f64;
        let mut y = [0.0; 3];
        for (t, reference) in &references {
            s.path.eval(*t, &mut y).unwrap();
            for (y, r) in y.iter().zip(reference) {
                worst = worst.max((y / r - 1.0).abs());
            }
        }
        println!("rtol {tolerance:e}: {worst:.1e} {:?}", s.statistics);
        assert!(worst < 200.0 * tolerance, "rtol {tolerance}: {worst}");
        points.push((*tolerance, worst));
    }
    let slope = slope(&points);
    assert!((0.74..1.1).contains(&slope), "{slope}: {points:?}");
}

#[test]
fn linear_stiff_systems() {
    // A = Q diag(−1, −10², −10⁴) Qᵀ with a reflection Q. The error of the slow mode is the sum of all steps'.
    let v = array![1.0, 2.0, -2.0] / 3.0;
    let outer = |a: &ndarray::Array1<f64>| {
        let column = a.view().insert_axis(ndarray::Axis(1));
        column.dot(&column.t())
    };
    let q: Array2<f64> = Array2::eye(3) - 2.0 * outer(&v);
    let rates = array![-1.0, -1e2, -1e4];
    let a = (&q * &rates).dot(&q.t());
    let y0 = [1.0, -2.0, 0.5];
    let exact = |t: f64| (&q * &rates.mapv(|r| (r * t).exp())).dot(&q.t()).dot(&array![1.0, -2.0, 0.5]);
    for tolerance in [1e-4, 1e-7, 1e-10] {
        let mut flow = DenseFlow::new(
            3,
            |_, y, dy| {
                for (i, dy) in dy.iter_mut().enumerate() {
                    *dy = (0..3).map(|j| a[(i, j)] * y[j]).sum();
                }
            },
            |_, _, mut j| j.assign(&a),
        );
        let s = bdf(&mut flow, 0.0..10.0, &y0, &rtol(tolerance)).unwrap();
        for t in log_times(1e-9, 10.0, 10) {
            let mut y = [0.0; 3];
            s.path.eval(t, &mut y).unwrap();
            let exact = exact(t);
            let scale = exact.dot(&exact).sqrt();
            for (y, exact) in y.iter().zip(&exact) {
                assert!(
                    (y - exact).abs() < 5.0 * tolerance.powf(0.8) * scale,
                    "t = {t}, rtol {tolerance}: {}",
                    (y - exact) / scale
                );
            }
        }
        assert!(s.statistics.jacobians <= 2, "{:?}", s.statistics);
    }
}

#[test]
fn zero_absolute_tolerance_knows_no_scale() {
    // Multiplying y by a power of two changes nothing but the exponents.
    let scale = 2.0_f64.powi(-600);
    let flow = || {
        DenseFlow::new(
            2,
            |_, y: &[f64], dy: &mut [f64]| {
                (dy[0], dy[1]) = (-50.0 * y[0] + 49.0 * y[1], 49.0 * y[0] - 50.0 * y[1])
            },
            |_, _, mut j| {
                (j[(0, 0)], j[(0, 1)], j[(1, 0)], j[(1, 1)]) = (-50.0, 49.0, 49.0, -50.0);
            },
        )
    };
    let run = |scale: f64| {
        let y0 = [scale, 0.25 * scale];
        let explicit = dop853(&mut flow(), 0.0..3.0, &y0, &Options::default()).unwrap();
        (bdf(&mut flow(), 0.0..3.0, &y0, &Options::default()).unwrap(), explicit)
    };
    let ((one, explicit_one), (tiny, explicit_tiny)) = (run(1.0), run(scale));
    for (one, tiny) in [(&one, &tiny), (&explicit_one, &explicit_tiny)] {
        assert_eq!(one.statistics, tiny.statistics);
        assert_eq!(one.y.iter().map(|y| y * scale).collect::<Vec<_>>(), tiny.y);
    }
    // Small values next to nothing else: y ~ 1e-8.
    let exact = |t: f64| 1e-8 * (0.625 * (-t).exp() + 0.375 * (-99.0 * t).exp());
    let s = bdf(&mut flow(), 0.0..3.0, &[1e-8, 0.25e-8], &Options::default()).unwrap();
    assert!(worst(&s, 1000, exact) < 1e-8 * 1e-7);
}

#[test]
fn from_zero_the_first_layer_is_accurate_too() {
    // y' = a − b y from 0: y = (a/b)(1 − e^{−bt}), relative error at all times, however short.
    let (a, b) = (1e-8, 1e5);
    for (tolerance, bound) in [(1e-5, 3e-4), (1e-8, 3e-7)] {
        let mut flow = DenseFlow::new(1, |_, y, dy| dy[0] = a - b * y[0], |_, _, mut j| j[(0, 0)] = -b);
        let s = bdf(&mut flow, 0.0..1e3, &[0.0], &rtol(tolerance)).unwrap();
        let explicit = dop853(&mut flow, 0.0..1e-3, &[0.0], &rtol(tolerance)).unwrap();
        for t in log_times(1e-15, 1e3, 5).into_iter().skip(1) {
            let exact = -(a / b) * (-b * t).exp_m1();
            let mut y = [0.0];
            s.path.eval(t, &mut y).unwrap();
            assert!((y[0] / exact - 1.0).abs() < bound, "t = {t}, rtol {tolerance}: {}", y[0] / exact - 1.0);
            if explicit.path.eval(t, &mut y).is_ok() {
                assert!((y[0] / exact - 1.0).abs() < bound, "explicit, t = {t}, rtol {tolerance}");
            }
        }
    }
}

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

#[test]
fn dop853_has_order_eight_and_a_dense_output_of_order_seven() {
    let error = |h: f64| {
        let options =
            Options { rtol: 0.1, atol: 1e9, first_step: Some(h), max_step: h, ..Options::default() };
        let s = dop853(&mut Kepler, 0.0..6.0, &KEPLER_START, &options).unwrap();
        (worst_at_nodes(&s, kepler), worst(&s, 5000, kepler))
    };
    let errors: Vec<(f64, f64)> = [0.3, 0.2, 0.1, 0.075, 0.05].map(error).to_vec();
    let points = |f: fn(&(f64, f64)) -> f64| -> Vec<(f64, f64)> {
        [0.3, 0.2, 0.1, 0.075, 0.05].into_iter().zip(errors.iter().map(f)).collect()
    };
    let (nodes, dense) = (slope(&points(|e| e.0)), slope(&points(|e| e.1)));
    assert!((7.3..9.0).contains(&nodes) && (6.7..9.0).contains(&dense), "{nodes} {dense}: {errors:?}");
}

#[test]
fn dop853_is_as_accurate_as_asked() {
    let mut points = Vec::new();
    for tolerance in TOLERANCES {
        let s = dop853(&mut Kepler, 0.0..20.0, &KEPLER_START, &rtol(tolerance)).unwrap();
        let (dense, nodes) = (worst(&s, 20_000, kepler), worst_at_nodes(&s, kepler));
        assert!(dense < 500.0 * tolerance && dense < 2.0 * nodes + tolerance, "{tolerance}: {dense} {nodes}");
        points.push((tolerance, dense));
    }
    let slope = slope(&points);
    assert!((0.85..1.2).contains(&slope), "{slope}: {points:?}");
}

#[test]
fn both_methods_agree_on_van_der_pol() {
    let flow = || {
        DenseFlow::new(
            2,
            |_, y: &[f64], dy: &mut [f64]| (dy[0], dy[1]) = (y[1], 5.0 * (1.0 - y[0] * y[0]) * y[1] - y[0]),
            |_, y: &[f64], mut j: ArrayViewMut2<'_, f64>| {
                j[(0, 1)] = 1.0;
                (j[(1, 0)], j[(1, 1)]) = (-10.0 * y[0] * y[1] - 1.0, 5.0 * (1.0 - y[0] * y[0]));
            },
        )
    };
    let a = bdf(&mut flow(), 0.0..15.0, &[2.0, 0.0], &rtol(1e-11)).unwrap();
    let b = dop853(&mut flow(), 0.0..15.0, &[2.0, 0.0], &rtol(1e-12)).unwrap();
    let mut y = [0.0; 2];
    for i in 0..=1500 {
        let t = 0.01 * f64::from(i);
        b.path.eval(t, &mut y).unwrap();
        let expected = y[0];
        a.path.eval(t, &mut y).unwrap();
        assert!((y[0] - expected).abs() < 1e-7, "t = {t}: {}", y[0] - expected);
    }
}

#[test]
fn events_are_located_on_the_dense_output() {
    use std::f64::consts::{FRAC_PI_2, PI};
    for tolerance in [1e-5, 1e-8, 1e-11] {
        let options = rtol(tolerance);
        let paths = [
            bdf(&mut circle(), 0.0..10.0, &[1.0, 0.0], &options).unwrap().path,
            dop853(&mut circle(), 0.0..10.0, &[1.0, 0.0], &options).unwrap().path,
        ];
        for path in &paths {
            for (direction, expected) in [
                (Direction::Both, FRAC_PI_2),
                (Direction::Falling, FRAC_PI_2),
                (Direction::Rising, 3.0 * FRAC_PI_2),
            ] {
                let root = path.first_root(|p| p.y[0], direction).unwrap();
                assert!((root.t - expected).abs() < 30.0 * tolerance, "{direction:?} {tolerance}: {root:?}");
                assert!(root.before <= root.t.max(root.after) && root.after - root.before < 1e-14 * root.t);
                let mut y = [0.0; 2];
                path.eval(root.before, &mut y).unwrap();
                let before = y[0];
                path.eval(root.after, &mut y).unwrap();
                assert!(before * y[0] <= 0.0);
            }
            // From zero: leaving zero is no change of sign, coming back is.
            let root = path.first_root(|p| p.y[1], Direction::Both).unwrap();
            assert!((root.t - PI).abs() < 30.0 * tolerance, "{root:?}");
            assert_eq!(path.first_root(|p| p.y[0] - 2.0, Direction::Both), None);
        }
    }
}

#[test]
fn events_during_an_integration_and_within_a_step() {
    // Long steps (y is a polynomial) over a function with two roots in one of them.
    let mut flow = DenseFlow::new(1, |t, _, dy| dy[0] = t, |_, _, _| {});
    let options = Options { first_step: Some(1.0), ..Options::default() };
    let g = |p: groktime::ode::Point<'_>| (p.t - 7.3) * (p.t - 7.4);
    let s = bdf(&mut flow, 0.0..20.0, &[1.0], &options).unwrap();
    assert_eq!(s.path.first_root(g, Direction::Both), None, "{:?}", s.path.len());
    let mut event = Event::new(g, Direction::Both).subdivide(400);
    let mut found = Vec::new();
    let mut steps = 0;
    let ended = bdf_observed(&mut flow, 0.0..20.0, &[1.0], &options, |step| {
        steps += 1;
        found.extend(event.locate(step));
        if found.is_empty() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })
    .unwrap();
    assert!((found[0].t - 7.3).abs() < 1e-14, "{found:?}");
    assert_eq!(ended.ended, Ended::Interrupted);
    assert_eq!(ended.statistics.steps, steps);
    assert!(ended.t >= 7.3 && ended.t < 20.0);
}

/// Growth y' = μ(t) y next to a stiff follower, in variables that are rescaled when they get large.
fn growth(limit: f64, shift: f64, scale: f64) -> impl StiffFlow {
    Custom {
        flow: DenseFlow::new(
            2,
            |t: f64, y: &[f64], dy: &mut [f64]| {
                let rate = 1.0 + 0.5 * t.sin();
                dy[0] = rate * y[0];
                dy[1] = -1e3 * (y[1] - y[0]);
            },
            |t: f64, _, mut j| {
                j[(0, 0)] = 1.0 + 0.5 * t.sin();
                (j[(1, 0)], j[(1, 1)]) = (1e3, -1e3);
            },
        ),
        sizes: norm_wise,
        accepted: move |_, y: &mut [f64]| {
            if y[0].abs() > limit {
                Action::Rebase { scale, shift: vec![shift; 2] }
            } else {
                Action::Continue
            }
        },
    }
}

#[test]
fn rebasing_by_powers_of_two_changes_no_bit() {
    let scale = 2.0_f64.powi(-20);
    let run = |limit: f64| bdf(&mut growth(limit, 0.0, scale), 0.0..100.0, &[1.0, 0.0], &rtol(1e-8)).unwrap();
    let (plain, rebased) = (run(f64::INFINITY), run(1e6));
    assert_eq!((plain.epoch, plain.statistics), (0, rebased.statistics));
    assert!(rebased.epoch >= 5);
    let back = |y: f64, epoch: usize| y * scale.powi(-i32::try_from(epoch).unwrap());
    for (p, r) in plain.y.iter().zip(&rebased.y) {
        assert_eq!(*p, back(*r, rebased.epoch));
    }
    let (mut p, mut r) = ([0.0; 2], [0.0; 2]);
    for i in 0..=1000 {
        let t = 0.1 * f64::from(i);
        assert_eq!(plain.path.eval(t, &mut p).unwrap(), 0);
        let epoch = rebased.path.eval(t, &mut r).unwrap();
        assert_eq!(p, r.map(|y| back(y, epoch)), "t = {t}");
    }
    let explicit = dop853(&mut growth(1e6, 0.0, scale), 0.0..3.0, &[1e5, 0.0], &rtol(1e-8)).unwrap();
    let same = dop853(&mut growth(f64::INFINITY, 0.0, scale), 0.0..3.0, &[1e5, 0.0], &rtol(1e-8)).unwrap();
    assert!(explicit.epoch > 0 && explicit.statistics == same.statistics);
    assert_eq!(back(explicit.y[0], explicit.epoch), same.y[0]);
}

#[test]
fn rebasing_follows_a_solution_past_the_largest_number() {
    let scale = 2.0_f64.powi(-20);
    let end = 5000.0;
    let s = bdf(&mut growth(1e6, 0.0, scale), 0.0..end, &[1.0, 1.0], &rtol(1e-8)).unwrap();
    let log = s.y[0].ln() - s.epoch as f64 * scale.ln();
    let exact = end + 0.5 * (1.0 - end.cos());
    // Each unit of time adds its relative error.
    assert!((log - exact).abs() < 1e-7 * end, "{log} {exact}");
}

#[test]
fn rebasing_with_a_shift_is_the_same_flow() {
    // y' = −50 (y − sin t), in variables y − 1, 2 (y − 1) − …: the flow keeps the affine map.
    use std::cell::Cell;
    let (a, b) = (Cell::new(1.0), Cell::new(0.0)); // y = a z + b
    let (mut steps, mut epochs) = (0, vec![(1.0, 0.0)]);
    let mut flow = Custom {
        flow: DenseFlow::new(
            1,
            |t: f64, z: &[f64], dz: &mut [f64]| {
                let y = a.get() * z[0] + b.get();
                dz[0] = -50.0 * (y - t.sin()) / a.get();
            },
            |_, _, mut j| j[(0, 0)] = -50.0,
        ),
        sizes: |_: &[f64], sizes: &mut [f64]| sizes.fill(1.0 / a.get().abs()),
        accepted: |_, z: &mut [f64]| {
            steps += 1;
            if steps % 7 != 0 {
                return Action::Continue;
            }
            let (scale, shift) = (-1.5, 0.25 * z[0] + 0.1);
            b.set(b.get() + a.get() * shift);
            a.set(a.get() / scale);
            epochs.push((a.get(), b.get()));
            Action::Rebase { scale, shift: vec![shift] }
        },
    };
    let s = bdf(&mut flow, 0.0..10.0, &[1.0], &rtol(1e-9)).unwrap();
    assert!(s.epoch > 20);
    let exact = |t: f64| {
        let slow = |t: f64| (2500.0 * t.sin() - 50.0 * t.cos()) / 2501.0;
        slow(t) + (1.0 - slow(0.0)) * (-50.0 * t).exp()
    };
    let mut z = [0.0];
    for i in 0..=1000 {
        let t = 0.01 * f64::from(i);
        let epoch = s.path.eval(t, &mut z).unwrap();
        let (a, b) = epochs[epoch];
        assert!((a * z[0] + b - exact(t)).abs() < 2e-8, "t = {t}: {}", a * z[0] + b - exact(t));
    }
    // The same steps as without: a history that had to be rebuilt would need many more.
    let mut plain = Custom {
        flow: DenseFlow::new(
            1,
            |t: f64, y: &[f64], dy: &mut [f64]| dy[0] = -50.0 * (y[0] - t.sin()),
            |_, _, mut j| j[(0, 0)] = -50.0,
        ),
        sizes: |_: &[f64], sizes: &mut [f64]| sizes.fill(1.0),
        accepted: goes_on,
    };
    let plain = bdf(&mut plain, 0.0..10.0, &[1.0], &rtol(1e-9)).unwrap();
    assert!(
        s.statistics.steps.abs_diff(plain.statistics.steps) <= 5,
        "{:?} {:?}",
        s.statistics,
        plain.statistics
    );
}

#[test]
fn modified_states_start_a_new_history() {
    // y' = −y, and one is added after the first step past t = 1.
    for explicit in [false, true] {
        let mut kick = None;
        let mut flow = Custom {
            flow: linear(1, -1.0),
            sizes: absolute,
            accepted: |t, y: &mut [f64]| {
                if t < 1.0 || kick.is_some() {
                    return Action::Continue;
                }
                kick = Some(t);
                y[0] += 1.0;
                Action::Modified
            },
        };
        let options = rtol(1e-9);
        let s = if explicit {
            dop853(&mut flow, 0.0..5.0, &[1.0], &options)
        } else {
            bdf(&mut flow, 0.0..5.0, &[1.0], &options)
        }
        .unwrap();
        let kick = kick.unwrap();
        for t in [0.5, kick, kick * (1.0 + 1e-12), kick + 0.01, 3.0, 5.0] {
            let mut y = [0.0];
            s.path.eval(t, &mut y).unwrap();
            let exact = (-t).exp() + if t > kick { (kick - t).exp() } else { 0.0 };
            assert!((y[0] / exact - 1.0).abs() < 1e-7, "t = {t}: {}", y[0] / exact - 1.0);
        }
    }
}

#[test]
fn small_repairs_of_a_stiff_state_do_not_stall() {
    // The repair is off the slow solution by rounding, which λ = 10⁹ would turn into a huge slope.
    let mut steps = 0;
    let mut flow = Custom {
        flow: prothero_robinson(1e9),
        sizes: absolute,
        accepted: |_, y: &mut [f64]| {
            steps += 1;
            if steps % 20 != 0 {
                return Action::Continue;
            }
            y[0] *= 1.0 + 1e-10;
            Action::Modified
        },
    };
    let s = bdf(&mut flow, 0.0..10.0, &[2.0], &rtol(1e-7)).unwrap();
    assert!((s.y[0] - 2.0 - 10.0_f64.sin()).abs() < 1e-6);
    assert!(s.statistics.steps < 3000, "{:?}", s.statistics);
}

#[test]
fn stop_and_interruption_end_where_they_say() {
    let stop = |t: f64, _: &mut [f64]| if t > 0.5 { Action::Stop } else { Action::Continue };
    for explicit in [false, true] {
        let mut flow = Custom { flow: linear(1, -1.0), sizes: absolute, accepted: stop };
        let s = if explicit {
            dop853(&mut flow, 0.0..1e3, &[1.0], &rtol(1e-8))
        } else {
            bdf(&mut flow, 0.0..1e3, &[1.0], &rtol(1e-8))
        }
        .unwrap();
        assert_eq!(s.ended, Ended::Stopped);
        assert!(s.t > 0.5 && s.t < 2.0 && s.path.span() == Some((0.0, s.t)));
        assert!((s.y[0] / (-s.t).exp() - 1.0).abs() < 1e-7);
        let mut count = 0;
        let observer = |_: &groktime::ode::Step<'_>| {
            count += 1;
            if count == 10 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let mut flow = linear(1, -1.0);
        let s = if explicit {
            dop853_observed(&mut flow, 0.0..1e2, &[1.0], &rtol(1e-12), observer)
        } else {
            bdf_observed(&mut flow, 0.0..1e2, &[1.0], &rtol(1e-12), observer)
        }
        .unwrap();
        assert_eq!((s.ended, s.statistics.steps, s.path.len()), (Ended::Interrupted, 10, 10));
        assert_eq!(s.path.steps().last().unwrap().y(), &s.y[..]);
    }
}

#[test]
fn observers_see_what_the_path_keeps() {
    let options = rtol(1e-6);
    for explicit in [false, true] {
        let mut seen = Vec::new();
        let observer = |step: &groktime::ode::Step<'_>| {
            let mut y = [0.0; 2];
            let t = 0.3 * step.t_old + 0.7 * step.t;
            step.interpolate(t, &mut y);
            seen.push((step.t_old, step.t, step.order, t, y));
            ControlFlow::Continue(())
        };
        let without = Options { record: false, ..options.clone() };
        let s = if explicit {
            let s = dop853_observed(&mut circle(), 0.0..9.0, &[1.0, 0.0], &without, observer).unwrap();
            assert!(
                s.path.is_empty() && matches!(s.path.eval(1.0, &mut [0.0; 2]), Err(Error::Missing { .. }))
            );
            let cheap = dop853(&mut circle(), 0.0..9.0, &[1.0, 0.0], &without).unwrap();
            assert_eq!(cheap.y, s.y);
            assert_eq!(cheap.statistics.rhs + 3 * cheap.statistics.steps, s.statistics.rhs);
            dop853(&mut circle(), 0.0..9.0, &[1.0, 0.0], &options).unwrap()
        } else {
            let s = bdf_observed(&mut circle(), 0.0..9.0, &[1.0, 0.0], &without, observer).unwrap();
            assert!(s.path.is_empty());
            bdf(&mut circle(), 0.0..9.0, &[1.0, 0.0], &options).unwrap()
        };
        assert_eq!(seen.len(), s.path.len());
        for (step, (t_old, t, order, inside, y)) in s.path.steps().zip(&seen) {
            assert_eq!((step.t_old, step.t, step.order), (*t_old, *t, *order));
            let mut expected = [0.0; 2];
            s.path.eval(*inside, &mut expected).unwrap();
            assert_eq!(expected, *y);
        }
        assert!(matches!(s.path.eval(9.1, &mut [0.0; 2]), Err(Error::PastHorizon { .. })));
        assert!(matches!(s.path.eval(-0.1, &mut [0.0; 2]), Err(Error::Parameter { .. })));
        assert!(matches!(s.path.eval(f64::NAN, &mut [0.0; 2]), Err(Error::Parameter { .. })));
        assert!(matches!(s.path.eval(1.0, &mut [0.0; 3]), Err(Error::Shape { .. })));
    }
}

#[test]
fn the_last_step_ends_on_the_horizon() {
    for end in [1e-30, 0.1, 1.0 / 3.0, 7.7, 1e10 / 3.0] {
        for start in [0.0, 0.9 * end] {
            let mut flow = linear(2, -3.0 / end);
            let s = bdf(&mut flow, start..end, &[1.0, 2.0], &rtol(1e-7)).unwrap();
            let explicit = dop853(&mut flow, start..end, &[1.0, 2.0], &rtol(1e-7)).unwrap();
            let exact = (-3.0 * (end - start) / end).exp();
            for s in [s, explicit] {
                assert_eq!((s.t, s.path.span(), s.ended), (end, Some((start, end)), Ended::Horizon));
                assert!((s.y[0] / exact - 1.0).abs() < 2e-6);
            }
        }
    }
}

#[test]
fn sizes_of_all_kinds() {
    // Around the chunks of the vector loops; all unknowns do the same.
    let one = bdf(&mut linear(1, -5.0), 0.0..1.0, &[1.0], &Options::default()).unwrap();
    struct Diagonal(usize, f64);
    impl Flow for Diagonal {
        fn dimension(&self) -> usize {
            self.0
        }
        fn rhs(&mut self, _t: f64, y: &[f64], dy: &mut [f64]) -> Result<(), Reject> {
            dy.iter_mut().zip(y).for_each(|(dy, y)| *dy = -5.0 * y);
            Ok(())
        }
    }
    impl StiffFlow for Diagonal {
        fn refresh(&mut self, _t: f64, _y: &[f64]) -> Result<(), Reject> {
            Ok(())
        }
        fn factor(&mut self, shift: f64) -> Result<(), Reject> {
            self.1 = 1.0 + 5.0 * shift;
            Ok(())
        }
        fn solve(&mut self, b: &mut [f64]) -> Result<(), Reject> {
            b.iter_mut().for_each(|b| *b /= self.1);
            Ok(())
        }
    }
    for n in [1, 2, 7, 511, 512, 513, 1024, 5000] {
        let y0: Vec<f64> = vec![1.0; n];
        let s = bdf(&mut Diagonal(n, 0.0), 0.0..1.0, &y0, &Options::default()).unwrap();
        let explicit = dop853(&mut Diagonal(n, 0.0), 0.0..1.0, &y0, &Options::default()).unwrap();
        for s in [&s, &explicit] {
            let mut y = vec![0.0; n];
            s.path.eval(0.7, &mut y).unwrap();
            assert!(y.iter().all(|x| *x == y[0] && (x / (-3.5_f64).exp() - 1.0).abs() < 1e-6));
            assert!(s.y.iter().all(|x| *x == s.y[0]));
        }
        assert!((s.y[0] / one.y[0] - 1.0).abs() < 1e-7);
    }
}

/// The message of a failure, which names a time near `t`.
fn failure(result: Result<Solution, Error>, t: std::ops::Range<f64>, reason: &str) {
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Numerical { .. }) && !error.is_bad_input(), "{error}");
    let message = error.to_string();
    let at =
        message.split("at t = ").nth(1).and_then(|m| m.split(',').next()).unwrap().parse::<f64>().unwrap();
    assert!(t.contains(&at), "{message}");
    assert!(message.contains("step h = ") && message.contains(reason), "{message}");
}

#[test]
fn nothing_hangs() {
    let blow_up = || {
        DenseFlow::new(
            1,
            |_, y: &[f64], dy: &mut [f64]| dy[0] = y[0] * y[0],
            |_, y, mut j| j[(0, 0)] = 2.0 * y[0],
        )
    };
    failure(bdf(&mut blow_up(), 0.0..2.0, &[1.0], &Options::default()), 0.99..1.01, "smallest allowed");
    failure(dop853(&mut blow_up(), 0.0..2.0, &[1.0], &Options::default()), 0.99..1.01, "smallest allowed");

    let wall = || {
        DenseFlow::new(
            1,
            |t, y: &[f64], dy: &mut [f64]| dy[0] = if t > 1.0 { f64::NAN } else { -y[0] },
            |_, _, mut j| j[(0, 0)] = -1.0,
        )
    };
    failure(bdf(&mut wall(), 0.0..2.0, &[1.0], &Options::default()), 0.99..1.01, "not finite");
    failure(dop853(&mut wall(), 0.0..2.0, &[1.0], &Options::default()), 0.99..1.01, "not finite");
    failure(bdf(&mut wall(), 1.5..2.0, &[1.0], &Options::default()), 1.5..1.6, "at the start");

    // No step ends anywhere: −sign(y) has no solution past y = 0.
    let cliff = || {
        DenseFlow::new(
            1,
            |_, y: &[f64], dy: &mut [f64]| dy[0] = if y[0] > 0.0 { -1.0 } else { 1.0 },
            |_, _, _| {},
        )
    };
    failure(bdf(&mut cliff(), 0.0..2.0, &[1.0], &Options::default()), 0.99..1.01, "at t");
    let options = Options { max_steps: 10_000, ..Options::default() };
    failure(dop853(&mut cliff(), 0.0..2.0, &[1.0], &options), 0.99..1.01, "at t");

    struct Refuses(&'static str);
    impl Flow for Refuses {
        fn dimension(&self) -> usize {
            1
        }
        fn rhs(&mut self, _t: f64, y: &[f64], dy: &mut [f64]) -> Result<(), Reject> {
            dy[0] = -y[0];
            Ok(())
        }
    }
    impl StiffFlow for Refuses {
        fn refresh(&mut self, _t: f64, _y: &[f64]) -> Result<(), Reject> {
            if self.0 == "refresh" { Err(Reject("no Jacobian here")) } else { Ok(()) }
        }
        fn factor(&mut self, _shift: f64) -> Result<(), Reject> {
            if self.0 == "factor" { Err(Reject("singular here")) } else { Ok(()) }
        }
        fn solve(&mut self, b: &mut [f64]) -> Result<(), Reject> {
            match self.0 {
                "solve" => return Err(Reject("no convergence inside")),
                "nan" => b[0] = f64::NAN,
                "away" => b[0] *= -3.0,
                _ => {}
            }
            Ok(())
        }
    }
    for (what, reason) in [
        ("refresh", "no Jacobian here"),
        ("factor", "singular here"),
        ("solve", "no convergence inside"),
        ("nan", "overflows"),
        ("away", "did not converge"),
    ] {
        failure(bdf(&mut Refuses(what), 0.0..2.0, &[1.0], &Options::default()), -1.0..1e-3, reason);
    }
    let few = Options { max_steps: 5, ..Options::default() };
    failure(bdf(&mut circle(), 0.0..1e3, &[1.0, 0.0], &few), 0.0..10.0, "more than 5 steps");
    failure(dop853(&mut circle(), 0.0..1e3, &[1.0, 0.0], &few), 0.0..10.0, "more than 5 steps");
}

#[test]
fn jumps_of_the_right_hand_side_are_passed() {
    // y' = 1 − H(t − 1): the step is cut down once and grows again.
    let flow = || {
        DenseFlow::new(
            1,
            |t, y: &[f64], dy: &mut [f64]| dy[0] = if t < 1.0 { 1.0 } else { -20.0 * (y[0] - 0.5) },
            |t, _, mut j| j[(0, 0)] = if t < 1.0 { 0.0 } else { -20.0 },
        )
    };
    let a = bdf(&mut flow(), 0.0..3.0, &[1.0], &rtol(1e-6)).unwrap();
    let b = dop853(&mut flow(), 0.0..3.0, &[1.0], &rtol(1e-6)).unwrap();
    for s in [a, b] {
        let mut y = [0.0];
        s.path.eval(1.1, &mut y).unwrap();
        assert!((y[0] - 0.5 - 1.5 * (-2.0_f64).exp()).abs() < 2e-5, "{} {:?}", y[0], s.statistics);
        assert!((s.y[0] - 0.5).abs() < 1e-5 && s.statistics.steps < 400, "{:?}", s.statistics);
    }
}

#[test]
fn what_an_integration_costs() {
    let s = bdf(&mut robertson(), 0.0..4e5, &[1.0, 0.0, 0.0], &rtol(1e-6)).unwrap();
    let c = s.statistics;
    assert_eq!(c.steps, s.path.len());
    assert!(c.rhs >= c.solves && c.solves >= c.steps && c.rhs < 3 * c.steps, "{c:?}");
    assert!(c.jacobians <= 40 && c.factorisations < c.steps / 2 && c.rejected < c.steps / 5, "{c:?}");
    assert!(s.path.steps().all(|step| (1..=5).contains(&step.order)));
    assert!(s.path.steps().any(|step| step.order == 5));
    for order in 1..=5 {
        let options = Options { max_order: order, ..rtol(1e-5) };
        let s = bdf(&mut prothero_robinson(1e3), 0.0..3.0, &[2.0], &options).unwrap();
        assert_eq!(s.path.steps().map(|step| step.order).max(), Some(order));
        assert!((s.y[0] - 2.0 - 3.0_f64.sin()).abs() < 1e-4);
    }
    let e = dop853(&mut Kepler, 0.0..9.0, &KEPLER_START, &rtol(1e-6)).unwrap().statistics;
    assert!(e.jacobians + e.factorisations + e.solves + e.newton_failures == 0 && e.rhs >= 15 * e.steps);
    // The start of the next step is the end of the last: eleven new stages, the end, three for the output.
    assert!(e.rhs <= 15 * e.steps + 12 * e.rejected + 40, "{e:?}");
}

#[test]
fn bad_input_is_named() {
    let bad = |options: Options, span: std::ops::Range<f64>, y0: &[f64], name: &str| {
        for result in
            [bdf(&mut circle(), span.clone(), y0, &options), dop853(&mut circle(), span, y0, &options)]
        {
            let error = result.unwrap_err();
            assert!(error.is_bad_input() && error.to_string().contains(name), "{error}");
        }
    };
    let y0 = [1.0, 0.0];
    for tolerance in [0.0, -1.0, 1e-15, 0.5, f64::NAN, f64::INFINITY] {
        bad(rtol(tolerance), 0.0..1.0, &y0, "rtol");
    }
    bad(Options { atol: -1.0, ..Options::default() }, 0.0..1.0, &y0, "atol");
    bad(Options { max_order: 0, ..Options::default() }, 0.0..1.0, &y0, "max_order");
    bad(Options { max_order: 6, ..Options::default() }, 0.0..1.0, &y0, "max_order");
    bad(Options { first_step: Some(0.0), ..Options::default() }, 0.0..1.0, &y0, "first_step");
    bad(Options { max_step: 0.0, ..Options::default() }, 0.0..1.0, &y0, "max_step");
    bad(Options { max_step: f64::NAN, ..Options::default() }, 0.0..1.0, &y0, "max_step");
    bad(Options { min_step: 0.0, ..Options::default() }, 0.0..1.0, &y0, "min_step");
    bad(Options { newton_tolerance: 1.0, ..Options::default() }, 0.0..1.0, &y0, "newton_tolerance");
    bad(Options::default(), 1.0..1.0, &y0, "end is 1");
    bad(Options::default(), 0.0..f64::INFINITY, &y0, "end");
    bad(Options::default(), f64::NAN..1.0, &y0, "start");
    bad(Options::default(), 0.0..1.0, &[1.0], "y0");
    bad(Options::default(), 0.0..1.0, &[1.0, f64::NAN], "y0");
}
