//! The flow without weight decay against quadrature, against the ordinary flow and against descent; the stabilised
//! integrator on ReLU nets; sparse inputs.

use groktime::Loss;
use groktime::data::features::{gaussian_matrix, generator};
use groktime::network::tasks::modular_addition;
use groktime::network::{
    Activation, Bias, Criterion, FlowSettings, Init, Inputs, LateSettings, Law, Method, Net, Optimiser,
    Precision, Sample, Schedule, Settings, Training,
};
use ndarray::array;

use super::distance;

/// For f = w₂ w₁ with w₁ = w₂ = √u, one sample and the exponential loss, u' = 2u e^{−u}: t = ∫ e^u/(2u) du.
fn exact_clock(from: f64, to: f64) -> f64 {
    // Simpson's rule on panels so short that e^u changes little.
    let panels = (200.0 * (to - from)).ceil();
    let h = (to - from) / panels;
    let mut sum = (-to).exp();
    for k in 0..panels as usize {
        let u = from + k as f64 * h;
        for (at, weight) in [(0.0, 1.0), (0.5, 4.0), (1.0, 1.0)] {
            let u = u + at * h;
            sum += h * weight / 6.0 * (u - to).exp() / (2.0 * u);
        }
    }
    to + sum.ln()
}

#[test]
fn one_sample_against_quadrature() {
    let net = Net::new(&[1, 1, 1], Activation::Identity, Bias::None).unwrap();
    let sample = Sample::signs(array![[1.0]].view(), vec![1.0]);
    let times = vec![0.5, 1.0, 5.0, 40.0, 1000.0, 160_000.0];
    let error = |rtol: f64| {
        let settings = LateSettings {
            criterion: Criterion::Margin(Loss::Exponential),
            keep: times.clone(),
            rtol,
            ..LateSettings::default()
        };
        let flow = net.late_flow(&sample, &settings, &[1.0, 1.0]).unwrap();
        assert_eq!(flow.states().len(), times.len());
        let errors = (0..times.len()).map(|k| {
            let u = -flow.evaluate(k).unwrap().ln_loss;
            (exact_clock(1.0, u) / times[k] - 1.0).abs()
        });
        errors.fold(0.0, f64::max)
    };
    let errors = [1e-2, 1e-4, 1e-6].map(error);
    assert!(errors[0] < 0.05 && errors[1] < 2e-3 && errors[2] < 1e-4, "{errors:?}");
    assert!(errors[2] < 0.1 * errors[1] && errors[1] < 0.2 * errors[0], "{errors:?}");
}

#[test]
fn the_clock_is_that_of_the_flow() {
    let net = Net::new(&[3, 12, 1], Activation::Tanh, Bias::First).unwrap();
    let x = gaussian_matrix(6, 3, 1.0, &mut generator(5, 0));
    let sample = Sample::signs(x.view(), vec![1.0, -1.0, 1.0, 1.0, -1.0, -1.0]);
    let theta = net.init(&Init::default(), 3).unwrap();
    let criterion = Criterion::Margin(Loss::Logistic);
    let keep: Vec<f64> = vec![0.0, 0.4, 2.0, 5.0, 8.0];
    let flow = FlowSettings {
        criterion,
        weight_decay: 0.0,
        horizon: keep[4].exp_m1(),
        rtol: 1e-10,
        method: Method::Explicit,
        ..FlowSettings::default()
    };
    let flow = net.flow(&sample, &flow, &theta).unwrap();
    let late = |rtol: f64, start: f64, keep: &[f64], theta: &[f64]| {
        let settings =
            LateSettings { criterion, start, keep: keep.to_vec(), rtol, ..LateSettings::default() };
        net.late_flow(&sample, &settings, theta).unwrap().states().to_vec()
    };
    let states = late(1e-6, 0.0, &keep, &theta);
    for (u, state) in &states {
        let error = distance(state, &flow.parameters(u.exp_m1()).unwrap());
        assert!(error < 2e-4, "ln(1 + t) = {u}: {error:e}");
    }
    // From a state that was kept it goes on.
    let rest = late(1e-6, keep[2], &keep[3..], &states[2].1);
    assert!(distance(&rest[1].1, &states[4].1) < 2e-4);
}

/// Descent on ln 𝓛 with steps so short that it is stable ends where the flow is.
#[test]
fn short_steps_of_descent_follow_it() {
    let (known, _) = modular_addition(5, 0.8, 0).unwrap().into_pair();
    let net = Net::new(&[10, 24, 5], Activation::Relu, Bias::First).unwrap();
    let theta = net.init(&Init { law: Law::He, ..Init::default() }, 1).unwrap();
    let settings = Settings {
        criterion: Criterion::CrossEntropy,
        optimiser: Optimiser::Descent,
        step_size: 2e-4,
        schedule: Schedule::LogLoss { threshold: f64::MAX, factor: 1.0 },
        precision: Precision::Double,
        ..Settings::default()
    };
    let mut training = Training::new(&net, &known, &settings, &theta).unwrap();
    for _ in 0..200_000 {
        training.step();
    }
    // The clock of descent starts at ln t = 0, as ln(1 + t) does.
    let reached = training.ln_time();
    assert!(reached > 3.0 && reached < 100.0, "ln t = {reached}");
    let late = LateSettings { keep: vec![reached], rtol: 1e-3, ..LateSettings::default() };
    let flow = net.late_flow(&known, &late, &theta).unwrap();
    let state = &flow.states()[0].1;
    let error = distance(state, &training.parameters());
    assert!(error < 2e-3, "ln t = {reached}: {error:e}");
    assert!(4 * flow.statistics().rhs < 200_000, "{:?}", flow.statistics());
}

#[test]
fn relu_nets_are_followed_with_few_right_hand_sides() {
    let net = Net::new(&[4, 16, 1], Activation::Relu, Bias::None).unwrap();
    let x = gaussian_matrix(8, 4, 1.0, &mut generator(2, 0));
    let y = gaussian_matrix(8, 1, 1.0, &mut generator(2, 1));
    let sample = Sample::values(x.view(), y.view());
    let theta = net.init(&Init { scale: 2.0, ..Init::default() }, 4).unwrap();
    let run = |method, rtol| {
        let settings =
            FlowSettings { weight_decay: 1e-3, horizon: 20.0, rtol, method, ..FlowSettings::default() };
        net.flow(&sample, &settings, &theta).unwrap()
    };
    let (exact, fast) = (run(Method::Explicit, 1e-7), run(Method::Stabilised, 1e-4));
    for t in [0.1, 1.0, 5.0, 20.0] {
        let error = distance(&fast.parameters(t).unwrap(), &exact.parameters(t).unwrap());
        assert!(error < 5e-3, "{t}: {error:e}");
    }
    assert!(fast.statistics().rhs < exact.statistics().rhs, "{:?}", fast.statistics());
}

/// One-hot codes go through products that skip zeros: the same net as on codes without zeros in a rotated basis.
#[test]
fn sparse_inputs_give_what_dense_ones_give() {
    let d = 20;
    let net = Net::new(&[d, 7, 3], Activation::Tanh, Bias::All).unwrap();
    let theta = net.init(&Init::default(), 6).unwrap();
    let codes = ndarray::Array2::from_shape_fn((15, d), |(i, k)| f64::from(k == i || k == (3 * i) % d));
    // x → H x, W → W Hᵀ with a Householder reflection H leaves W x as it is.
    let v = gaussian_matrix(d, 1, 1.0, &mut generator(7, 0));
    let size = v.iter().map(|v| v * v).sum::<f64>();
    let reflect = |x: &ndarray::Array2<f64>| x - &(x.dot(&v) * (2.0 / size)).dot(&v.t());
    let weights = ndarray::Array2::from_shape_vec((7, d), theta[..7 * d].to_vec()).unwrap();
    let mut rotated = theta.clone();
    rotated[..7 * d].copy_from_slice(reflect(&weights).as_slice().unwrap());
    let classes: Vec<u32> = (0..15).map(|i| i % 3).collect();
    let sample = |x: ndarray::Array2<f64>| Sample {
        inputs: Inputs::Vectors(x),
        targets: groktime::network::Targets::Classes(classes.clone()),
    };
    let (sparse, dense) = (sample(codes.clone()), sample(reflect(&codes)));
    let (a, slope) = net.gradient(&theta, &sparse, Criterion::CrossEntropy).unwrap();
    let (b, rotated_slope) = net.gradient(&rotated, &dense, Criterion::CrossEntropy).unwrap();
    assert!((a - b).abs() < 1e-12, "{a} {b}");
    let first = ndarray::Array2::from_shape_vec((7, d), rotated_slope[..7 * d].to_vec()).unwrap();
    assert!(distance(&slope[..7 * d], reflect(&first).as_slice().unwrap()) < 1e-12);
    assert!(distance(&slope[7 * d..], &rotated_slope[7 * d..]) < 1e-12);

    // Mini-batches pick rows.
    let trained = |sample: &Sample, theta: &[f64]| {
        let settings = Settings {
            criterion: Criterion::CrossEntropy,
            optimiser: Optimiser::Descent,
            step_size: 0.3,
            batch: Some(4),
            precision: Precision::Double,
            ..Settings::default()
        };
        let mut training = Training::new(&net, sample, &settings, theta).unwrap();
        (0..30).for_each(|_| _ = training.step());
        net.outputs_of(&training.parameters(), &sample.inputs).unwrap()
    };
    let (a, b) = (trained(&sparse, &theta), trained(&dense, &rotated));
    assert!(distance(a.as_slice().unwrap(), b.as_slice().unwrap()) < 1e-10);
}

#[test]
fn bad_input_is_named() {
    let net = Net::new(&[1, 2, 1], Activation::Relu, Bias::None).unwrap();
    let sample = Sample::signs(array![[1.0]].view(), vec![1.0]);
    let theta = vec![0.5; 4];
    let good = LateSettings { criterion: Criterion::Margin(Loss::Logistic), ..LateSettings::default() };
    let error = |settings: LateSettings, theta: &[f64]| {
        let error = net.late_flow(&sample, &settings, theta).err().expect("an error");
        (error.is_bad_input(), error.to_string())
    };
    for (settings, word) in [
        (LateSettings { criterion: Criterion::Squared, ..good.clone() }, "exponential tail"),
        (LateSettings { criterion: Criterion::CrossEntropy, ..good.clone() }, "classes"),
        (LateSettings { keep: vec![], ..good.clone() }, "last kept"),
        (LateSettings { keep: vec![2.0, 1.0], ..good.clone() }, "at least 2"),
        (LateSettings { keep: vec![f64::NAN], ..good.clone() }, "kept"),
        (LateSettings { start: 9.0, keep: vec![3.0], ..good.clone() }, "at least 9"),
        (LateSettings { keep: vec![1e300], ..good.clone() }, "at most 1e9"),
        (LateSettings { rtol: 0.5, ..good.clone() }, "0.5"),
    ] {
        let (bad, message) = error(settings, &theta);
        assert!(bad && message.contains(word), "{message}");
    }
    // All weights zero: a stationary point.
    let (_, message) = error(good, &[0.0; 4]);
    assert!(message.contains("gradient vanishes"), "{message}");
}
