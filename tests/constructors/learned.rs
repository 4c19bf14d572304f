//! The effective theory and trained networks.

use std::ops::ControlFlow;

use groktime::Loss;
use groktime::effective::classes::ClassFlow;
use groktime::effective::{
    Convention, Duplicates, Ensemble, Gradient, Match, Normalisation, Problem, Proof,
    Settings as FlowSettings, Task, normalised, predicted_accuracy, rqi, rqi_of_products, smith_invariants,
};
use groktime::linalg::Engine;
use groktime::network::{
    self, Activation, Bias, Combine, Criterion, Drawing, Embedding, Group, Init, Inputs, Law, Net, Optimiser,
    Part, Plan, Precision, Sample, Settings, Targets, tasks, train,
};

use crate::hostile::Draw;

fn task(draw: &mut Draw) -> Option<Task> {
    let p = draw.size(5);
    let made = match draw.below(5) {
        0 => Task::addition(p),
        1 => Task::modular(p),
        2 => Task::cyclic_product(&[draw.size(3), draw.size(2)]),
        3 => Ok(Task::s3()),
        _ => {
            let mut table = ndarray::Array2::from_shape_fn((p, p), |(i, j)| ((i + j) % p.max(1)) as f64);
            if draw.chance(0.3) && p > 0 {
                table[(draw.below(p), draw.below(p))] = draw.number();
            }
            Task::from_table(table.view())
        }
    };
    draw.note(made)
}

fn matching(draw: &mut Draw) -> Match {
    let delta = draw.positive(1e-3, 1.0);
    if draw.chance(0.5) { Match::Norm { delta } } else { Match::MeanSquare { delta } }
}

pub fn effective(draw: &mut Draw) {
    let Some(task) = task(draw) else { return };
    let p = task.symbols();
    let dimensions = 1 + draw.below(2);
    let embeddings = draw.matrix(p, dimensions);
    let rule = matching(draw);
    let normalisation =
        draw.pick(&[Normalisation::One, Normalisation::Symbols, Normalisation::SymbolsLessOne]);
    let convention = draw.pick(&[Convention::Mean, Convention::Sum]);
    draw.note(rqi(&task, embeddings.view(), rule));
    draw.note(normalised(embeddings.view(), normalisation));
    let matrices = draw.matrix(p, 4);
    let limit = draw.positive(0.1, 1.0);
    draw.note(rqi_of_products(&task, matrices.view(), limit));
    let made = match draw.chance(0.5) {
        true => {
            let size = draw.size(task.samples());
            Problem::random(task.clone(), size, draw.seed())
        }
        false => {
            let count = draw.below(8);
            let pairs: Vec<_> =
                (0..count).map(|_| [draw.below(p + 1) as u32, draw.below(p + 1) as u32]).collect();
            let duplicates = draw.pick(&[Duplicates::Refuse, Duplicates::Ignore]);
            Problem::new(task.clone(), &pairs, duplicates)
        }
    };
    let Some(problem) = draw.note(made) else { return };
    problem.nullity();
    problem.implied();
    draw.note(predicted_accuracy(&problem, embeddings.view(), rule));
    let (count, proof) = (draw.size(3), draw.pick(&[Proof::Numerical, Proof::Inertia]));
    draw.note(problem.smallest_eigenvalues(count, proof));
    draw.note(smith_invariants(&problem));
    let Some(spectrum) = draw.note(problem.spectrum(Engine::SEQUENTIAL)) else { return };
    spectrum.lambda3(convention, normalisation);
    let gradient = draw.pick(&[Gradient::Full, Gradient::Linear]);
    let settings = FlowSettings { convention, gradient, matching: rule };
    if let Some(flow) = draw.note(spectrum.flow(embeddings.view(), settings)) {
        let (t, threshold) = (draw.positive(1e-3, 1e3), draw.positive(0.1, 0.99));
        draw.note(flow.loss(t));
        draw.note(flow.rqi(t));
        draw.note(flow.accuracy(t));
        // Certified searches take a second where a curve touches its threshold.
        if draw.chance(0.1) {
            draw.note(flow.first_rqi(threshold));
            draw.note(flow.first_accuracy(threshold));
        }
        draw.note(flow.final_shape());
    }
    let step = draw.positive(1e-4, 1.0);
    if let Some(euler) = draw.note(spectrum.euler(embeddings.view(), convention, step, rule)) {
        draw.note(euler.loss_sum(20));
        draw.note(euler.first_rqi(0.9, 50));
    }
    if draw.chance(0.1) {
        let ensemble = Ensemble { task, trials: draw.size(3), seed: draw.seed() };
        let size = draw.size(6);
        draw.note(ensemble.unique(size));
        draw.note(ensemble.rates(size));
        draw.note(ensemble.ideal(size));
        draw.note(ensemble.hitting_times());
    }
}

pub fn classes(draw: &mut Draw) {
    let n = draw.size(5);
    let points = draw.matrix(n, 2);
    let labels: Vec<usize> = (0..draw.about(n)).map(|_| draw.below(3)).collect();
    if let Some(flow) = draw.note(ClassFlow::new(points.view(), &labels)) {
        let t = draw.positive(1e-3, 1e3);
        draw.note(flow.at(t));
        flow.rates();
    }
}

const ACTIVATIONS: [Activation; 4] =
    [Activation::Relu, Activation::Tanh, Activation::Quadratic, Activation::Identity];

/// A net and a sample, mostly one that fits it.
fn problem(draw: &mut Draw) -> Option<(Net, Sample, Criterion)> {
    let embedded = draw.chance(0.25);
    let outputs = draw.size(3);
    let mut widths: Vec<usize> = (0..1 + draw.below(2)).map(|_| draw.size(4)).collect();
    widths.push(outputs);
    let inputs = if embedded { 1 } else { draw.size(3) };
    widths.insert(0, inputs);
    let (activation, bias) = (draw.pick(&ACTIVATIONS), draw.pick(&[Bias::None, Bias::First, Bias::All]));
    let made = match embedded {
        true => {
            let combine = draw.pick(&[Combine::Sum, Combine::Product]);
            Net::with_embedding(Embedding { symbols: draw.size(4), combine }, &widths, activation, bias)
        }
        false => Net::new(&widths, activation, bias),
    };
    let net = draw.note(made)?;
    let n = draw.size(4);
    let x = match embedded {
        true => Inputs::Pairs((0..n).map(|_| [draw.below(4) as u32, draw.below(4) as u32]).collect()),
        false => Inputs::Vectors(draw.matrix(n, inputs)),
    };
    let classes = |draw: &mut Draw| (0..draw.about(n)).map(|_| draw.below(outputs + 1) as u32).collect();
    let (targets, criterion) = match draw.below(5) {
        0 => (Targets::Classes(classes(draw)), Criterion::CrossEntropy),
        1 => (
            Targets::Values(draw.matrix(n, outputs)),
            draw.pick(&[Criterion::Squared, Criterion::HalfSquared]),
        ),
        2 => (
            Targets::Signs(draw.signs(n)),
            Criterion::Margin(draw.pick(&[Loss::Logistic, Loss::Exponential])),
        ),
        3 => {
            let templates = draw.matrix(3, outputs);
            (Targets::Templates { classes: classes(draw), templates }, Criterion::Squared)
        }
        _ => (
            Targets::Classes(classes(draw)),
            draw.pick(&[Criterion::Squared, Criterion::CrossEntropyPerOutput]),
        ),
    };
    Some((net, Sample { inputs: x, targets }, criterion))
}

fn start(draw: &mut Draw, net: &Net) -> Option<Vec<f64>> {
    let init = Init {
        law: match draw.below(3) {
            0 => Law::He,
            1 => Law::Torch,
            _ => Law::Gaussian((0..draw.about(net.depth())).map(|_| draw.positive(0.1, 2.0)).collect()),
        },
        scale: draw.positive(0.1, 10.0),
        scaled: draw.chance(0.2).then(|| 0..draw.size(3)),
        zero_last: draw.chance(0.2),
        embedding: draw.positive(0.1, 2.0),
    };
    draw.note(net.initial_square_norm(&init));
    let seed = draw.seed();
    let theta = draw.note(net.init(&init, seed))?;
    Some(if draw.bad() { draw.vector(theta.len()).to_vec() } else { theta })
}

pub fn network(draw: &mut Draw) {
    if draw.chance(0.05) {
        let (p, fraction, seed) = (draw.size(5), draw.positive(0.1, 1.0), draw.seed());
        draw.note(tasks::modular_addition(p, fraction, seed));
        let (size, answer) = (draw.size(8), tasks::Answer::Templates { outputs: draw.size(2) });
        draw.note(tasks::addition(p, size, answer, seed));
        draw.note(tasks::s3(size, answer, seed));
        draw.note(tasks::zero_teacher(size, p, size, seed));
        draw.note(network::replay::toy(p, size, 3));
    }
    let Some((net, sample, criterion)) = problem(draw) else { return };
    let Some(theta) = start(draw, &net) else { return };
    draw.note(net.evaluate(&theta, &sample, criterion));
    draw.note(net.gradient(&theta, &sample, criterion));
    let precision = draw.pick(&[Precision::Single, Precision::Double]);
    draw.note(net.feature_ranks(&theta, &sample.inputs, precision));
    let settings = Settings {
        criterion,
        optimiser: draw.pick(&[Optimiser::Descent, Optimiser::ADAM, Optimiser::ADAMW]),
        step_size: draw.positive(1e-4, 1.0),
        weight_decay: if draw.chance(0.5) { 0.0 } else { draw.positive(1e-4, 1.0) },
        groups: match draw.chance(0.2) {
            true => vec![Group {
                part: draw.pick(&[Part::Embedding, Part::Layer(0), Part::Layer(7)]),
                step_size: draw.positive(1e-4, 1.0),
                weight_decay: draw.positive(1e-4, 1.0),
            }],
            false => vec![],
        },
        batch: draw.chance(0.3).then(|| draw.size(3)),
        drawing: draw.pick(&[Drawing::Epochs, Drawing::Subsets]),
        sparsity: if draw.chance(0.8) { 0.0 } else { draw.positive(1e-4, 1.0) },
        precision,
        seed: draw.seed(),
        ..Settings::default()
    };
    let plan = Plan {
        budget: draw.below(12) as u64,
        ranks: draw.below(2),
        stop_when_decided: draw.chance(0.3),
        ..Plan::default()
    };
    let test = draw.chance(0.5).then_some(&sample);
    let go = |_: &network::Record| ControlFlow::Continue(());
    if let Some(curves) = draw.note(train(&net, &sample, test, &settings, &plan, &theta, go)) {
        curves.phase();
        draw.note(network::Training::resume(&net, &sample, &settings, &curves.checkpoint));
    }
}

pub fn network_flow(draw: &mut Draw) {
    let Some((net, sample, criterion)) = problem(draw) else { return };
    let Some(theta) = start(draw, &net) else { return };
    let settings = network::FlowSettings {
        criterion,
        weight_decay: draw.positive(1e-3, 1.0),
        horizon: draw.positive(1e-3, 2.0),
        rtol: draw.positive(1e-6, 1e-3),
        method: if draw.chance(0.3) { network::Method::Stabilised } else { network::Method::Automatic },
        ..network::FlowSettings::default()
    };
    let late = network::LateSettings {
        criterion,
        start: draw.positive(1e-3, 1.0),
        keep: vec![draw.positive(1.0, 10.0), draw.positive(1.0, 100.0)],
        rtol: draw.positive(1e-4, 1e-2),
        ..network::LateSettings::default()
    };
    if let Some(run) = draw.note(net.late_flow(&sample, &late, &theta)) {
        draw.note(run.evaluate(0));
    }
    if let Some(run) = draw.note(net.flow(&sample, &settings, &theta)) {
        let t = draw.positive(1e-3, 2.0);
        draw.note(run.parameters(t));
        draw.note(run.evaluate(t));
    }
}
