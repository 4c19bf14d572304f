//! Many digits: functions against values of mpmath, ridge regression against a 240-digit reference that has no
//! eigenvalues (`tests/common`), and ties.

mod common;

use std::cmp::Ordering;

use common::*;
use groktime::crossing::{Crossing, End};
use groktime::data::features::generator;
use groktime::digits::ridge::{Quantity, crossing, limit_against, value};
use groktime::digits::{Ball, Radius, Real};
use groktime::ridge::{Population, Problem, Settings, Target};
use ndarray::{Array1, Array2, array};
use rand::RngExt;

/// |ball − number| ≤ radius + 1e-67 (the last printed digit), and the radius is small.
fn agrees(ball: &Ball, printed: &str) {
    let decimal: dashu_float::DBig = printed.parse().unwrap();
    let exact: Real =
        decimal.with_precision(80).value().with_base_and_precision::<2>(260).value().with_rounding();
    let apart = Radius::of(&(ball.mid() - &exact));
    let scale = Radius::of(&exact);
    assert!(apart <= ball.radius().plus(scale.times(Radius::new(1e-66))), "{printed}: {apart:?}");
    assert!(ball.radius() <= scale.times(Radius::new(1e-55)), "{printed}: radius {:?}", ball.radius());
}

/// mpmath 1.3 at 70 digits: exp(-3/7), log(1/3), sqrt(7/5), (1 - mpf(1e-9))**(10**10), log1p(-mpf(1e-20)).
#[test]
fn functions_agree_with_mpmath() {
    let b = |x: f64| Ball::new(x, 256);
    agrees(
        &(-&b(3.0).over(&b(7.0))).exp(),
        "0.6514390575310555900029871836293403512325505583594750001677328291088755",
    );
    agrees(
        &b(1.0).over(&b(3.0)).ln(),
        "-1.098612288668109691395245236922525704647490557822749451734694333637494",
    );
    agrees(
        &b(7.0).over(&b(5.0)).sqrt(),
        "1.183215956619923208513465658312323409683100246158868064575943933828564",
    );
    agrees(
        &(&b(1.0) - &b(1e-9)).power(10_u64.pow(10)),
        "0.00004539992953548517486353461671608845481983461153817625672486814281300877",
    );
    agrees(
        &b(1e-20).ln_one_minus(),
        "-0.000000000000000000009999999999999999451582714542095716511810697506628215119936778844515245",
    );
}

/// exp(ln x) = x, √x·√x = x, (1 − y)^t = exp(t·ln(1 − y)) at t = 10¹⁸: the balls overlap and are small.
#[test]
fn identities() {
    let rng = &mut generator(3, 1);
    for _ in 0..50 {
        let x = 10.0_f64.powf(rng.random_range(-200.0..200.0));
        let ball = Ball::new(x, 320);
        for back in [ball.ln().exp(), &ball.sqrt() * &ball.sqrt()] {
            assert_eq!(back.against(x), None);
            assert!(back.radius() < Radius::new(x).times(Radius::new(1e-80)));
        }
        let (y, t) = (10.0_f64.powf(rng.random_range(-18.0..-16.0)), 10_u64.pow(18));
        let gap = Ball::new(y, 320);
        let power = (&Ball::new(1.0, 320) - &gap).power(t);
        let other = (&gap.ln_one_minus() * &Ball::new(1e18, 320)).exp();
        assert_eq!((&power - &other).sign(), None);
        assert!(power.radius() < power.magnitude().times(Radius::new(1e-70)), "{:?}", power.radius());
    }
}

/// Radii are upper bounds also where f64 ends, and a certain sign survives the conversion to f64.
#[test]
fn radii_and_signs() {
    let rng = &mut generator(4, 1);
    for _ in 0..1000 {
        let (a, b) = (rng.random::<f64>(), rng.random::<f64>());
        let (x, y) = (Radius::new(a), Radius::new(b));
        assert!(x.plus(y).to_f64() >= a + b && x.times(y).to_f64() >= a * b);
        assert!(x.minus(y).to_f64() <= (a - b).max(0.0) && x.over(y).to_f64() >= a / b);
        assert!(x.root().to_f64().powi(2) >= a);
    }
    let tiny = Ball::new(2.0_f64.powi(-1000), 128);
    let point = (&tiny * &tiny).point();
    assert!(point.value > point.rounding && point.rounding > 0.0);
    let point = (-&(&tiny * &tiny)).point();
    assert!(-point.value > point.rounding);
}

fn quantity_of(reference: &Reference, what: Quantity, t: u64) -> Big {
    match what {
        Quantity::TrainLoss => reference.train(t),
        Quantity::TestLoss => reference.test(t).0,
        Quantity::SquaredNorm => reference.squared_norm(t),
    }
}

const ALL: [Quantity; 3] = [Quantity::TrainLoss, Quantity::TestLoss, Quantity::SquaredNorm];

/// Values at steps up to 10¹⁸ and flow times, condition numbers up to 10¹³, every form of test loss, rank deficient
/// features: the error is below the bound, and the bound is that of f64.
#[test]
fn values_agree_with_the_reference() {
    for (seed, kappa) in [(0, 1e1), (1, 1e2), (2, 1e4), (3, 1e6), (4, 1e8), (5, 1e13), (6, 1e3), (7, 1e13)] {
        let case = random_case(seed + 300, kappa);
        for flow in [false, true] {
            let reference = Reference::new(&case, flow);
            for what in ALL {
                for t in [0_u64, 1, 2, 9, 1000, 10_u64.pow(9) + 1, 10_u64.pow(18)] {
                    let found = match flow {
                        true => value(&case.problem(), &case.settings, what, t as f64),
                        false => value(&case.problem(), &case.settings, what, t),
                    };
                    let point = found.unwrap().unwrap();
                    let exact = quantity_of(&reference, what, t);
                    let error = distance(point.value, &exact);
                    // Where the reference is a difference of large numbers it has 240 digits less those.
                    let noise = 1e-200;
                    let context = format!("{} {what:?} flow {flow} t {t}", case.name);
                    assert!(error <= point.rounding + noise, "{context}: {error:e} of {point:?}");
                    let size = f64_of(&exact).abs();
                    assert!(point.rounding <= 4e-16 * size + 1e-60, "{context}: {point:?}");
                }
            }
        }
    }
}

/// A threshold that is a value rounded to f64, or an ulp beside it: the answer is one step, and the reference has the
/// loss on the right sides of the threshold there.
#[test]
fn ties_at_steps_are_decided() {
    let mut decided = 0;
    for seed in 0..40_u64 {
        let case = random_case(seed + 900, [1e1, 1e3, 1e6][seed as usize % 3]);
        let rng = &mut generator(seed, 9);
        let reference = Reference::new(&case, false);
        let what = *pick(&ALL, rng);
        let t = *pick(&[0, 1, 3, 10, 1000, 10_u64.pow(6) + 1, 10_u64.pow(12)], rng);
        let exact = f64_of(&quantity_of(&reference, what, t));
        if exact < 1e-150 {
            continue;
        }
        for c in [exact.next_down(), exact, exact.next_up()] {
            let above = |t: u64| quantity_of(&reference, what, t) >= big(c);
            let below = |t: u64| quantity_of(&reference, what, t) <= big(c);
            for end in [End::Last, End::First] {
                let found = crossing::<u64>(&case.problem(), &case.settings, what, c, end).unwrap().unwrap();
                let context = format!("{} {what:?} {end:?} at {t}: {found:?}", case.name);
                match (found, end) {
                    (Crossing::At { lo, hi, .. }, End::Last) => {
                        assert!(lo == hi && above(lo) && !above(lo + 1), "{context}");
                        assert!(lo >= t || !above(t), "{context}");
                    }
                    (Crossing::At { lo, hi, .. }, End::First) => {
                        assert!(lo == hi && below(lo) && !below(lo - 1), "{context}");
                        assert!(lo <= t || !below(t), "{context}");
                    }
                    (Crossing::FromStart, End::Last) => assert!(!above(0) && !above(t), "{context}"),
                    (Crossing::FromStart, End::First) => assert!(below(0), "{context}"),
                    (Crossing::Never, End::Last) => assert!(above(10_u64.pow(18)), "{context}"),
                    (Crossing::Never, End::First) => assert!(!below(t) && !below(0), "{context}"),
                    (other, _) => panic!("undecided {other:?}: {context}"),
                }
                decided += 1;
            }
        }
    }
    assert!(decided > 150, "{decided}");
}

fn problem<'a>(
    features: &'a Array2<f64>,
    star: Array1<f64>,
    init: Array1<f64>,
    variance: f64,
) -> Problem<'a> {
    Problem {
        features: features.view(),
        target: Target::teacher(star),
        init,
        population: Population::isotropic(features.ncols(), variance),
    }
}

/// Limits that are the threshold exactly: the side from which the loss tends to it decides. Φ = diag(2, 1), n = 2,
/// λ = 1/2, θ* = (1, 1): g = 5/2 and 1, θ*_λ = (4/5, 1/2), θ*_λ − θ* = (−1/5, −1/2), not dyadic; with θ* = (5, 2) the
/// limit of the test loss is 1 + 1 = 2.
#[test]
fn exact_limits() {
    let features = array![[2.0, 0.0], [0.0, 1.0]];
    let settings = Settings { step_size: 0.25, weight_decay: 0.5, ..Default::default() };
    let star = array![5.0, 2.0];
    let from = |init: Array1<f64>, c: f64, end: End| {
        let problem = problem(&features, star.clone(), init, 1.0);
        let limit = limit_against::<u64>(&problem, &settings, Quantity::TestLoss, c).unwrap().unwrap();
        let flow = crossing::<f64>(&problem, &settings, Quantity::TestLoss, c, end).unwrap().unwrap();
        (limit, crossing::<u64>(&problem, &settings, Quantity::TestLoss, c, end).unwrap().unwrap(), flow)
    };
    // From θ₀ = 0 the loss falls from 29 towards 2 and is above it at every time.
    let (limit, steps, flow) = from(array![0.0, 0.0], 2.0, End::Last);
    assert_eq!((limit, steps, flow), ([Some(Ordering::Equal); 2], Crossing::Never, Crossing::Never));
    assert_eq!(from(array![0.0, 0.0], 2.0, End::First).1, Crossing::Never);
    // An ulp above or below.
    let (limit, steps, _) = from(array![0.0, 0.0], 2.0_f64.next_up(), End::Last);
    assert_eq!(limit, [Some(Ordering::Less); 2]);
    assert!(matches!(steps, Crossing::At { lo, hi, .. } if lo == hi && lo > 50), "{steps:?}");
    assert_eq!(from(array![0.0, 0.0], 2.0_f64.next_down(), End::Last).1, Crossing::Never);
    // From beyond the limit it rises to 2: below at every time.
    let (_, steps, flow) = from(array![5.0, 2.0], 2.0, End::Last);
    assert_eq!((steps, flow), (Crossing::FromStart, Crossing::FromStart));
    // It starts there: for ever at the threshold.
    let (_, steps, flow) = from(array![4.0, 1.0], 2.0, End::Last);
    assert_eq!((steps, flow), (Crossing::Never, Crossing::Never));
    assert_eq!(from(array![4.0, 1.0], 2.0, End::First).1, Crossing::FromStart);
}

/// η at the edge: ρ = −1 exactly, one ulp below it, and none of it seen by θ₀. Φ = 2I, n = 2: g = 2, the edge is 1.
#[test]
fn the_edge_of_stability() {
    let features = array![[2.0, 0.0], [0.0, 2.0]];
    let t1 = |eta: f64, init: Array1<f64>, epsilon: f64| {
        let settings = Settings { step_size: eta, ..Default::default() };
        let problem = problem(&features, array![0.0, 0.0], init, 1.0);
        crossing::<u64>(&problem, &settings, Quantity::TrainLoss, epsilon, End::Last).unwrap().unwrap()
    };
    assert_eq!(t1(1.0, array![1.0, 1.0], 2.0), Crossing::Never);
    assert_eq!(t1(1.0, array![1.0, 1.0], 2.0_f64.next_up()), Crossing::FromStart);
    // 2(1 − 2η)^{2t} = 10⁻³ at t = ln 2000/(2·(1 − …)): mpmath says the last step is 17115710742236602.
    let t = 17115710742236602;
    let found = t1(1.0_f64.next_down(), array![1.0, 1.0], 1e-3);
    assert_eq!(found, Crossing::At { time: t, lo: t, hi: t });
    // Beyond the edge, by an ulp: it grows for ever.
    assert_eq!(t1(1.0_f64.next_up(), array![1.0, 1.0], 3.0), Crossing::Never);
}

/// λ = 10⁻³⁰⁰ and the smallest number are no zeros; with λ = 0 the complement stands still.
#[test]
fn tiny_weight_decay() {
    let features = array![[1.0, 0.0]];
    let t2 = |weight_decay: f64, c: f64| {
        let settings = Settings { step_size: 1.0, weight_decay, ..Default::default() };
        let problem = problem(&features, array![0.0, 0.0], array![0.0, 1.0], 1.0);
        crossing::<f64>(&problem, &settings, Quantity::TestLoss, c, End::First).unwrap().unwrap()
    };
    assert_eq!(t2(0.0, 0.5), Crossing::Never);
    assert_eq!(t2(0.0, 1.0), Crossing::FromStart);
    let Crossing::At { lo, hi, .. } = t2(1e-300, 0.5) else { panic!("{:?}", t2(1e-300, 0.5)) };
    // e^{−2λτ} = 1/2.
    let exact = 0.5e300 * 2.0_f64.ln();
    assert!(lo <= exact * (1.0 + 1e-15) && hi >= exact * (1.0 - 1e-15) && hi - lo < 1e-12 * hi);
}

/// Sixteen copies of a problem side by side, 4Φ in place of Φ: the same rates with multiplicity 16, and 16 times the
/// training loss. The copies are too large for many digits, so that 31 digits are compared with 75.
#[test]
fn double_doubles_agree_with_many_digits() {
    let mut compared = 0;
    for seed in 0..30 {
        let case = random_case(seed + 40, 30.0);
        let (n, m) = case.features.dim();
        // The rank of a deficient matrix of that size is not decided in integers.
        let deficient = case.name.contains("row");
        if deficient || n * m * 256 <= 2000 || !matches!(case.target, Target::Labels(_)) {
            continue;
        }
        let Target::Labels(y) = &case.target else { unreachable!() };
        let features = Array2::from_shape_fn((16 * n, 16 * m), |(i, j)| match i / n == j / m {
            true => 4.0 * case.features[(i % n, j % m)],
            false => 0.0,
        });
        let copies = Problem {
            features: features.view(),
            target: Target::Labels(Array1::from_shape_fn(16 * n, |i| 4.0 * y[i % n])),
            init: Array1::from_shape_fn(16 * m, |j| case.init[j % m]),
            population: Population::default(),
        };
        let (what, end) = (Quantity::TrainLoss, End::Last);
        for t in [0_u64, 5, 10_000] {
            let point = value(&case.problem(), &case.settings, what, t).unwrap().unwrap();
            let large = value(&copies, &case.settings, what, t).unwrap().unwrap();
            assert!((large.value - 16.0 * point.value).abs() <= 16.0 * point.rounding + large.rounding);
            let c = point.value.next_up();
            let small = crossing::<u64>(&case.problem(), &case.settings, what, c, end).unwrap().unwrap();
            let found = crossing::<u64>(&copies, &case.settings, what, 16.0 * c, end).unwrap().unwrap();
            assert_eq!(small, found, "{}", case.name);
            compared += 1;
        }
    }
    assert!(compared >= 12, "{compared}");
}
