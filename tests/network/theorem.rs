//! The exact statements about networks tested as theorems: they hold on drawn problems that meet their
//! hypotheses, and fail (or do not apply) where a hypothesis is dropped.

use groktime::Loss;
use groktime::data::features::{gaussian_matrix, generator};
use groktime::network::theorems::{
    flow_statements, forward_gain, initial_norm, norm_identity, pure_decay, rank_bounds,
};
use groktime::network::{
    Activation, Bias, Criterion, FlowSettings, Init, Inputs, Law, Method, Net, Optimiser, Precision, Sample,
    Settings, Targets, Training,
};
use groktime::theorem::{Judged, Outcome, Standing};
use ndarray::Array2;
use proptest::prelude::*;

fn values(n: usize, d: usize, m: usize, seed: u64) -> Sample {
    let x = gaussian_matrix(n, d, 1.0, &mut generator(seed, 0));
    Sample::values(x.view(), gaussian_matrix(n, m, 1.0, &mut generator(seed, 1)).view())
}

fn fails(judged: &Judged) -> Vec<&'static str> {
    let failing = judged.statement.hypotheses.iter().filter(|h| h.standing == Standing::Fails);
    failing.map(|h| h.name).collect()
}

/// The published norms of arXiv 2405.19454's nets, unscaled and at α = 8, and draws around them.
#[test]
fn initial_norms_of_the_published_nets() {
    let nets: [(&[usize], f64); 3] = [
        (&[784, 200, 200, 10], 11.709),
        (&[784, 400, 400, 400, 10], 20.104),
        (&[784, 400, 400, 400, 400, 400, 400, 400, 10], 30.641),
    ];
    for (widths, norm) in nets {
        let net = Net::new(widths, Activation::Relu, Bias::All).unwrap();
        for scale in [1.0, 8.0] {
            let init = Init { law: Law::Torch, scale, ..Init::default() };
            let (square, _) = net.initial_square_norm(&init).unwrap();
            assert!((square.sqrt() - scale * norm).abs() < 5e-4 * scale, "{widths:?}");
            let judged = initial_norm(&net, &init, &net.init(&init, 0).unwrap()).unwrap();
            assert_eq!(judged.verdict.outcome, Outcome::Holds);
        }
    }
    // A start of another scale is told apart.
    let net = Net::new(nets[0].0, Activation::Relu, Bias::All).unwrap();
    let law = Init { law: Law::Torch, ..Init::default() };
    let other = net.init(&Init { scale: 1.02, ..law.clone() }, 0).unwrap();
    assert_eq!(initial_norm(&net, &law, &other).unwrap().claim_met(), Some(false));
}

/// The gain is α/√6 a layer: at the critical α = √6 the signal neither grows nor dies.
#[test]
fn the_forward_gain() {
    let x = gaussian_matrix(6, 30, 1.0, &mut generator(0, 0));
    for (depth, scale) in [(3, 8.0), (6, 6.0_f64.sqrt())] {
        let mut widths = vec![30];
        widths.extend(vec![50; depth]);
        widths.push(4);
        let net = Net::new(&widths, Activation::Relu, Bias::All).unwrap();
        let init = Init { law: Law::Torch, scale, ..Init::default() };
        let judged = forward_gain(&net, &init, x.view(), 200).unwrap();
        assert_eq!(judged.verdict.outcome, Outcome::Holds, "{:?}", judged.verdict);
        // The allowance says something.
        assert!(judged.verdict.rounding < 0.5 * judged.verdict.value);
    }
    let tanh = Net::new(&[30, 50, 4], Activation::Tanh, Bias::All).unwrap();
    assert_eq!(fails(&forward_gain(&tanh, &Init::default(), x.view(), 20).unwrap()), ["ReLU"]);
}

#[test]
fn decay_alone_is_a_power() {
    let net = Net::new(&[5, 16, 16, 3], Activation::Relu, Bias::None).unwrap();
    let theta = net.init(&Init { scale: 8.0, ..Init::default() }, 0).unwrap();
    let norm = theta.iter().map(|x| x * x).sum::<f64>().sqrt();
    let zeros = Sample::values(Array2::zeros((4, 5)).view(), Array2::zeros((4, 3)).view());
    let judge = |data: &Sample, optimiser, precision| {
        let settings = Settings { optimiser, weight_decay: 0.5, precision, ..Settings::default() };
        let mut training = Training::new(&net, data, &settings, &theta).unwrap();
        for _ in 0..3000 {
            training.step();
        }
        pure_decay(&mut training, norm).unwrap()
    };
    for precision in [Precision::Single, Precision::Double] {
        for optimiser in [Optimiser::ADAMW, Optimiser::Descent] {
            let judged = judge(&zeros, optimiser, precision);
            assert_eq!(judged.verdict.outcome, Outcome::Holds, "{optimiser:?} {:?}", judged.verdict);
            assert!(judged.verdict.rounding < 1e-3 * judged.verdict.value);
        }
        // Adam's coupled decay is normalised away: another law.
        let coupled = judge(&zeros, Optimiser::ADAM, precision);
        assert_eq!(coupled.claim_met(), Some(false));
        assert_eq!(fails(&coupled), ["descent or AdamW, one group"]);
    }
    let driven = judge(&values(4, 5, 3, 0), Optimiser::ADAMW, Precision::Double);
    assert_eq!(fails(&driven), ["max|∇𝓛| = 0"]);
    assert_eq!(driven.claim_met(), Some(false));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Euler's identity for every homogeneous net; not for others.
    #[test]
    fn euler(seed in 0_u64..1000, kind in 0_usize..3, depth in 1_usize..4, scale in 0.3_f64..2.0, first in any::<bool>()) {
        let activation = [Activation::Relu, Activation::Quadratic, Activation::Identity][kind];
        let mut widths = vec![4];
        widths.extend(vec![7; depth - 1]);
        widths.push(2);
        let bias = if first { Bias::First } else { Bias::None };
        let net = Net::new(&widths, activation, bias).unwrap();
        let mut theta = net.init(&Init { law: Law::Torch, scale, ..Init::default() }, seed).unwrap();
        theta.iter_mut().for_each(|x| *x += 0.01);
        let data = values(5, 4, 2, seed);
        let judged = norm_identity(&net, &data, Criterion::Squared, 0.1, &theta).unwrap();
        prop_assert_eq!(judged.verdict.outcome, Outcome::Holds);
        prop_assert!(judged.verdict.rounding < 1e-9 * (1.0 + judged.verdict.value.abs()));
    }

    /// Ranks against live units, with biases that kill some and keep others always on.
    #[test]
    fn ranks(seed in 0_u64..1000, shift in 0.0_f64..4.0) {
        let net = Net::new(&[5, 14, 14, 14, 3], Activation::Relu, Bias::All).unwrap();
        let mut theta = net.init(&Init { law: Law::Torch, scale: 2.0, ..Init::default() }, seed).unwrap();
        for layer in &net.layers()[..3] {
            let moves = gaussian_matrix(1, layer.outputs, shift * shift, &mut generator(seed, 3));
            theta[layer.bias.clone()].iter_mut().zip(&moves).for_each(|(b, m)| *b += m);
        }
        let x = Inputs::Vectors(gaussian_matrix(60, 5, 1.0, &mut generator(seed, 0)));
        for judged in rank_bounds(&net, &theta, &x, Precision::Double).unwrap() {
            prop_assert_eq!(judged.verdict.outcome, Outcome::Holds);
        }
    }
}

#[test]
fn biases_past_the_first_layer_break_euler() {
    let net = Net::new(&[4, 7, 2], Activation::Relu, Bias::All).unwrap();
    let theta = net.init(&Init { law: Law::Torch, ..Init::default() }, 0).unwrap();
    let judged = norm_identity(&net, &values(5, 4, 2, 0), Criterion::Squared, 0.1, &theta).unwrap();
    assert_eq!(fails(&judged), ["a homogeneous net"]);
}

/// Energy, balance and residuals along flows, by either integrator.
#[test]
fn laws_of_the_flow() {
    for (activation, method) in [
        (Activation::Quadratic, Method::Implicit),
        (Activation::Identity, Method::Explicit),
        (Activation::Relu, Method::Implicit),
        (Activation::Tanh, Method::Explicit),
    ] {
        let net = Net::new(&[6, 20, 1], activation, Bias::None).unwrap();
        let data = values(3, 6, 1, 5);
        // A ReLU flow slides along kinks: a small tolerance or a long time would cost millions of steps.
        let relu = activation == Activation::Relu;
        let settings = FlowSettings {
            weight_decay: 1e-3,
            horizon: if relu { 3.0 } else { 300.0 },
            rtol: if relu { 1e-5 } else { 1e-9 },
            method,
            ..FlowSettings::default()
        };
        let run = net.flow(&data, &settings, &net.init(&Init::default(), 1).unwrap()).unwrap();
        let judged = flow_statements(&run).unwrap();
        for j in &judged {
            let outcome = j.verdict.outcome;
            assert_ne!(
                outcome,
                Outcome::Violated,
                "{activation:?} {}: {:?}",
                j.statement.quantity,
                j.verdict
            );
        }
        let outcomes: Vec<Outcome> = judged.iter().map(|j| j.verdict.outcome).collect();
        let (holds, not) = (Outcome::Holds, Outcome::NotApplicable);
        let expected = match activation {
            Activation::Relu => [not, holds, not], // not fitted yet
            Activation::Tanh => [holds, not, not],
            _ => [holds, holds, holds],
        };
        assert_eq!(outcomes, expected, "{activation:?}");
    }
    // Three layers, and a margin loss.
    let net = Net::new(&[4, 8, 8, 1], Activation::Identity, Bias::First).unwrap();
    let x = gaussian_matrix(6, 4, 1.0, &mut generator(1, 0));
    let targets = Targets::Signs((0..6).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect());
    let data = Sample { inputs: Inputs::Vectors(x), targets };
    let criterion = Criterion::Margin(Loss::Exponential);
    let settings = FlowSettings { criterion, weight_decay: 0.01, horizon: 100.0, ..FlowSettings::default() };
    let run = net.flow(&data, &settings, &net.init(&Init::default(), 0).unwrap()).unwrap();
    let judged = flow_statements(&run).unwrap();
    assert_eq!(judged[1].verdict.outcome, Outcome::Holds, "{:?}", judged[1].verdict);
}

/// The residual law is of first order in λ: a tenth of the decay, a tenth of the relative distance.
#[test]
fn residuals_to_first_order() {
    let net = Net::new(&[6, 20, 1], Activation::Quadratic, Bias::None).unwrap();
    let data = values(3, 6, 1, 5);
    let theta = net.init(&Init::default(), 1).unwrap();
    let distance = |weight_decay: f64| {
        let horizon = 0.5 / weight_decay;
        let settings = FlowSettings { weight_decay, horizon, rtol: 1e-11, ..FlowSettings::default() };
        let run = net.flow(&data, &settings, &theta).unwrap();
        flow_statements(&run).unwrap()[2].verdict.measured
    };
    let ratio = distance(1e-3) / distance(1e-4);
    assert!((ratio - 10.0).abs() < 1.5, "{ratio}");
}
