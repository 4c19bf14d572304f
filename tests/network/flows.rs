//! Tangent kernels and flows of networks against finite differences, each other, descent and their limit.

use groktime::Loss;
use groktime::data::features::{gaussian_matrix, generator};
use groktime::network::{
    Activation, Bias, Criterion, FlowSettings, Init, Inputs, Law, Method, Net, Optimiser, Precision, Sample,
    Settings, SlowFlow, Training, kernel_drift,
};
use ndarray::{Array2, array};

use super::distance;
use super::oracle::sample;

#[test]
fn tangent_kernels_against_finite_differences() {
    for (activation, bias) in
        [(Activation::Tanh, Bias::All), (Activation::Relu, Bias::First), (Activation::Quadratic, Bias::None)]
    {
        let net = Net::new(&[3, 6, 5, 2], activation, bias).unwrap();
        let theta = net.init(&Init { law: Law::Torch, ..Init::default() }, 5).unwrap();
        let x = Inputs::Vectors(gaussian_matrix(4, 3, 1.0, &mut generator(2, 0)));
        let mut jacobian = Array2::zeros((8, theta.len()));
        for k in 0..theta.len() {
            let at = |h: f64| {
                let mut moved = theta.clone();
                moved[k] += h;
                net.outputs_of(&moved, &x).unwrap()
            };
            let slope = (at(1e-6) - at(-1e-6)) / 2e-6;
            jacobian.column_mut(k).iter_mut().zip(&slope).for_each(|(j, s)| *j = *s);
        }
        let kernel = net.tangent_kernel(&theta, &x).unwrap();
        let difference = kernel_drift(kernel.view(), jacobian.dot(&jacobian.t()).view());
        assert!(difference < 1e-8, "{activation:?}: {difference:e}");
    }
}

/// Explicit and implicit integrators, and descent with small steps, agree.
#[test]
fn flows_agree_with_each_other_and_with_descent() {
    for (activation, criterion, m) in [
        (Activation::Tanh, Criterion::Squared, 2),
        (Activation::Quadratic, Criterion::Margin(Loss::Exponential), 1),
        (Activation::Identity, Criterion::Margin(Loss::Logistic), 1),
    ] {
        let net = Net::new(&[3, 8, m], activation, Bias::None).unwrap();
        let data = sample(criterion, 5, 3, m);
        let theta = net.init(&Init::default(), 2).unwrap();
        let run = |method| {
            let settings = FlowSettings {
                criterion,
                weight_decay: 0.05,
                horizon: 40.0,
                rtol: 1e-10,
                method,
                ..FlowSettings::default()
            };
            net.flow(&data, &settings, &theta).unwrap()
        };
        let (explicit, implicit) = (run(Method::Explicit), run(Method::Implicit));
        for t in [0.0, 0.3, 2.0, 17.0, 40.0] {
            let (a, b) = (explicit.parameters(t).unwrap(), implicit.parameters(t).unwrap());
            assert!(distance(&a, &b) < 1e-7, "{activation:?} at {t}: {:e}", distance(&a, &b));
        }
        // Descent is a method of order one: half the step, half the distance.
        let descended = |step_size: f64| {
            let settings = Settings {
                criterion,
                optimiser: Optimiser::Descent,
                step_size,
                weight_decay: 0.05,
                precision: Precision::Double,
                ..Settings::default()
            };
            let mut training = Training::new(&net, &data, &settings, &theta).unwrap();
            for _ in 0..(2.0 / step_size).round() as u64 {
                training.step();
            }
            distance(&training.parameters(), &explicit.parameters(2.0).unwrap())
        };
        let (coarse, fine) = (descended(2e-3), descended(1e-3));
        assert!((coarse / fine - 2.0).abs() < 0.05 && fine < 1e-3, "{activation:?}: {coarse:e} {fine:e}");
    }
}

/// The slow flow is the limit λ → 0: its distance from the flow is O(λ), for the 3-homogeneous net Σ a_j (w_j·x)².
#[test]
fn the_slow_flow_is_the_limit_of_small_decay() {
    let net = Net::new(&[4, 10, 1], Activation::Quadratic, Bias::None).unwrap();
    let x = gaussian_matrix(3, 4, 1.0, &mut generator(4, 0));
    let data = Sample::values(x.view(), array![[1.0], [-0.6], [0.4]].view());
    let init = Init { law: Law::Gaussian(vec![1.2, 1.2]), ..Init::default() };
    let theta = net.init(&init, 1).unwrap();
    let slow = SlowFlow::new(&net, &data, &theta, 1.0, 1e-10).unwrap();
    let at = |weight_decay: f64| {
        let settings = FlowSettings {
            weight_decay,
            horizon: 1.0 / weight_decay,
            rtol: 1e-10,
            ..FlowSettings::default()
        };
        let run = net.flow(&data, &settings, &theta).unwrap();
        // The horizon in τ may be a rounding past one.
        slow.distance(&run, &[0.25, 0.5, 0.9]).unwrap()
    };
    let (coarse, fine) = (at(1e-3), at(1e-4));
    assert!((coarse / fine - 10.0).abs() < 1.0 && fine < 1e-2, "{coarse:e} {fine:e}");
}
