//! The instances on which the exact statements about networks are verified.

use groktime::Loss;
use groktime::data::features::{gaussian_matrix, gaussian_vector, generator};
use groktime::network::theorems::{
    catalogue, flow_statements, forward_gain, initial_norm, norm_identity, pure_decay, rank_bounds,
};
use groktime::network::{
    Activation, Bias, Criterion, FlowSettings, Init, Inputs, Law, Net, Optimiser, Precision, Sample,
    Settings, Targets, Training,
};
use ndarray::Array2;
use rayon::prelude::*;
use statrs::distribution::{Binomial, DiscreteCDF};

use super::{Instance, Rate, Row, gather};
use crate::output::Failure;

const ACTIVATIONS: [Activation; 4] =
    [Activation::Relu, Activation::Tanh, Activation::Quadratic, Activation::Identity];

pub fn rows() -> Result<Vec<Row>, Failure> {
    let (mut instances, rate) = starts()?;
    instances.extend(gains()?);
    instances.extend(decays()?);
    instances.extend(states()?);
    instances.extend(flows()?);
    let mut rows = gather(&instances);
    for row in &mut rows {
        if row.source() == &catalogue::INITIAL_NORM {
            row.set_rate(rate);
        }
    }
    Ok(rows)
}

fn sample(n: usize, d: usize, m: usize, criterion: Criterion, seed: u64) -> Sample {
    let x = gaussian_matrix(n, d, 1.0, &mut generator(seed, 0));
    let targets = match criterion {
        Criterion::Margin(_) => Targets::Signs((0..n).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect()),
        Criterion::CrossEntropy | Criterion::CrossEntropyPerOutput => {
            Targets::Classes((0..n).map(|i| (i % m) as u32).collect())
        }
        _ => Targets::Values(gaussian_matrix(n, m, 1.0, &mut generator(seed, 1))),
    };
    Sample { inputs: Inputs::Vectors(x), targets }
}

/// Draws of the initial norm; each may be off by six standard deviations with probability 1/36 at most.
const DRAWS: u64 = 200;

fn starts() -> Result<(Vec<Instance>, Rate), Failure> {
    let laws = [Law::Torch, Law::He, Law::Gaussian(vec![0.5, 0.1, 2.0])];
    let mut instances = Vec::new();
    let mut failures = 0;
    for seed in 0..DRAWS {
        let law = laws[(seed % 3) as usize].clone();
        let net = Net::new(&[30, 40, 20, 5], Activation::Relu, Bias::All)?;
        let init = Init { law, scale: 1.0 + (seed % 8) as f64, ..Init::default() };
        let judged = initial_norm(&net, &init, &net.init(&init, seed)?)?;
        failures += u64::from(judged.claim_met() != Some(true));
        instances
            .push(Instance { name: format!("30-40-20-5, {init:?}, seed {seed}"), statements: vec![judged] });
    }
    let allowed = 1.0 / 36.0;
    let binomial = Binomial::new(allowed, DRAWS).map_err(|e| Failure::Computation(e.to_string()))?;
    let p_value = if failures == 0 { 1.0 } else { binomial.sf(failures - 1) };
    Ok((instances, Rate { draws: DRAWS, failures, allowed, exact: None, p_value }))
}

fn gains() -> Result<Vec<Instance>, Failure> {
    let cases: Vec<(Vec<usize>, Law, f64)> = vec![
        (vec![20, 60, 60, 60, 5], Law::Torch, 2.0),
        (vec![20, 60, 60, 60, 5], Law::Torch, 8.0),
        (vec![20, 60, 60, 60, 60, 60, 5], Law::Torch, 6.0_f64.sqrt()),
        (vec![20, 60, 60, 60, 5], Law::He, 1.0),
    ];
    let judged = cases.into_par_iter().map(|(widths, law, scale)| {
        let net = Net::new(&widths, Activation::Relu, Bias::All)?;
        let init = Init { law, scale, ..Init::default() };
        let x = gaussian_matrix(8, 20, 1.0, &mut generator(9, 0));
        let statement = forward_gain(&net, &init, x.view(), 400)?;
        Ok(Instance { name: format!("{widths:?}, α = {scale}"), statements: vec![statement] })
    });
    judged.collect()
}

/// Inputs of zero and no bias: the gradient vanishes, the decay is alone. One instance with a gradient.
fn decays() -> Result<Vec<Instance>, Failure> {
    let net = Net::new(&[6, 20, 20, 3], Activation::Relu, Bias::None)?;
    let theta = net.init(&Init::default(), 0)?;
    let norm = theta.iter().map(|x| x * x).sum::<f64>().sqrt();
    let zeros = Sample::values(Array2::zeros((5, 6)).view(), Array2::zeros((5, 3)).view());
    let other = sample(5, 6, 3, Criterion::Squared, 0);
    let mut instances = Vec::new();
    for (name, data) in [("inputs of zero", &zeros), ("Gaussian inputs", &other)] {
        for optimiser in [Optimiser::ADAMW, Optimiser::Descent] {
            for precision in [Precision::Single, Precision::Double] {
                let settings = Settings { optimiser, weight_decay: 0.1, precision, ..Settings::default() };
                let mut training = Training::new(&net, data, &settings, &theta)?;
                for _ in 0..2000 {
                    training.step();
                }
                let name = format!("{name}, {}, {}", optimiser.name(), precision.name());
                instances.push(Instance { name, statements: vec![pure_decay(&mut training, norm)?] });
            }
        }
    }
    Ok(instances)
}

fn states() -> Result<Vec<Instance>, Failure> {
    let criteria = [
        Criterion::Squared,
        Criterion::HalfSquared,
        Criterion::CrossEntropy,
        Criterion::Margin(Loss::Logistic),
        Criterion::Margin(Loss::Exponential),
    ];
    let mut instances = Vec::new();
    for seed in 0..4 {
        for activation in ACTIVATIONS {
            for criterion in criteria {
                let m = if matches!(criterion, Criterion::Margin(_)) { 1 } else { 3 };
                let bias = if seed % 2 == 0 { Bias::First } else { Bias::None };
                let net = Net::new(&[5, 12, 12, m], activation, bias)?;
                let theta = net.init(&Init { scale: 0.7, ..Init::default() }, seed)?;
                let data = sample(9, 5, m, criterion, seed);
                let mut statements = vec![norm_identity(&net, &data, criterion, 0.03, &theta)?];
                for precision in [Precision::Double, Precision::Single] {
                    statements.extend(rank_bounds(&net, &theta, &data.inputs, precision)?);
                }
                let name = format!("5-12-12-{m} {}, {}, seed {seed}", activation.name(), criterion.name());
                instances.push(Instance { name, statements });
            }
        }
    }
    // Units that never fire: large negative biases.
    let net = Net::new(&[6, 40, 40, 40, 4], Activation::Relu, Bias::All)?;
    for seed in 0..6 {
        let mut theta = net.init(&Init { law: Law::Torch, scale: 3.0, ..Init::default() }, seed)?;
        for layer in &net.layers()[..3] {
            let shift = gaussian_vector(layer.outputs, 4.0, &mut generator(seed, 7));
            theta[layer.bias.clone()].iter_mut().zip(&shift).for_each(|(b, s)| *b += s);
        }
        let inputs = Inputs::Vectors(gaussian_matrix(200, 6, 1.0, &mut generator(seed, 0)));
        let statements = rank_bounds(&net, &theta, &inputs, Precision::Double)?;
        instances
            .push(Instance { name: format!("6-40-40-40-4 relu with dead units, seed {seed}"), statements });
    }
    Ok(instances)
}

fn flows() -> Result<Vec<Instance>, Failure> {
    let mut cases = Vec::new();
    for seed in 0..2 {
        for activation in ACTIVATIONS {
            for (criterion, decay) in [
                (Criterion::Squared, 1e-3),
                (Criterion::Squared, 1e-2),
                (Criterion::Margin(Loss::Exponential), 1e-2),
            ] {
                cases.push((seed, activation, criterion, decay));
            }
        }
    }
    let judged = cases.into_par_iter().map(|(seed, activation, criterion, decay)| {
        let net = Net::new(&[8, 24, 1], activation, Bias::None)?;
        let data = sample(4, 8, 1, criterion, seed);
        // A ReLU flow slides along kinks: a small tolerance or a long time would cost millions of steps.
        let relu = activation == Activation::Relu;
        let settings = FlowSettings {
            criterion,
            weight_decay: decay,
            horizon: if relu { 3.0 } else { 0.3 / decay },
            rtol: if relu { 1e-5 } else { 1e-9 },
            ..FlowSettings::default()
        };
        let theta = net.init(&Init::default(), seed)?;
        let name = format!("8-24-1 {}, {}, λ = {decay:e}, seed {seed}", activation.name(), criterion.name());
        let run = net.flow(&data, &settings, &theta);
        let run = run.map_err(|e| Failure::Computation(format!("{name}: {e}")))?;
        Ok(Instance { statements: flow_statements(&run)?, name })
    });
    judged.collect()
}
