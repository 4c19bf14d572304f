//! Errors against tolerances.

use super::*;

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
