//! One problem has one set of bits, on any number of threads: every model from its data to its curves.

use std::ops::ControlFlow;

use groktime::Loss;
use groktime::completion::{self, SlowSettings};
use groktime::data::matrices::{multiplication_table, random_mask};
use groktime::data::tasks::{Law, Task as DesignTask};
use groktime::data::{
    Observations,
    features::{gaussian_matrix, generator},
};
use groktime::diagonal::{self, SlowFlow};
use groktime::effective::{Normalisation, Problem, Settings, Task, normalised};
use groktime::limits::{max_margin_l1, max_margin_l2, min_norm, nuclear::minimum_nuclear_norm, regularised};
use groktime::linalg::{Engine, Threads};
use groktime::network::tasks::modular_addition;
use groktime::network::{Activation, Bias, Criterion, Init, Net, Plan, Settings as Training, train};
use groktime::trajectory::{Observable, Trajectory};

/// The bits of an answer in pools of one, two and three threads.
fn same(name: &str, answer: impl Fn() -> Vec<f64> + Sync) {
    let bits = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| answer().iter().map(|x| x.to_bits()).collect::<Vec<_>>())
    };
    let one = bits(1);
    assert!(!one.is_empty() && one == bits(2) && one == bits(3), "{name}");
}

#[test]
fn effective_theory() {
    // Just above the sizes at which kernels used to share.
    let problem = Problem::random(Task::addition(330).unwrap(), 6000, 1).unwrap();
    let raw = gaussian_matrix(330, 1, 1.0, &mut generator(1, 0));
    let start = normalised(raw.view(), Normalisation::Symbols).unwrap();
    same("effective", || {
        let spectrum = problem.spectrum(Engine::PARALLEL).unwrap();
        let flow = spectrum.flow(start.view(), Settings::default()).unwrap();
        let seen = flow.observe(&[1.0, 100.0], &[Observable::TrainLoss, Observable::TestAccuracy]).unwrap();
        spectrum.eigenvalues().iter().chain(&seen.values).copied().collect()
    });
}

#[test]
fn limits() {
    let drawn = DesignTask { law: Law::SparseSigns { relevant: 3 }, samples: 40, dimension: 900, seed: 1 };
    let drawn = drawn.draw().unwrap();
    let y = drawn.labels.as_slice().unwrap();
    same("limits", || {
        let x = &drawn.design;
        let mut all = max_margin_l1(x, y, Threads::All).unwrap().found().unwrap().weights.to_vec();
        all.extend(max_margin_l2(x, y, Threads::All).unwrap().found().unwrap().weights);
        all.extend(min_norm(x, y, Threads::All).unwrap().found().unwrap().weights);
        all.extend(regularised(x, y, Loss::Logistic, 0.05, Threads::All).unwrap().weights);
        all
    });
    let seen: Vec<(usize, usize, f64)> = (0..12)
        .flat_map(|i| (0..=i).map(move |j| (i, j)))
        .filter(|(i, j)| (i * 7 + j * 3) % 5 > 0)
        .map(|(i, j)| (i, j, ((i + 1) * (j + 1)) as f64))
        .collect();
    let seen = Observations::from_list(12, &seen).unwrap();
    same("nuclear norm", || {
        minimum_nuclear_norm(&seen, &Default::default()).unwrap().matrix.into_iter().collect()
    });
}

#[test]
fn networks() {
    let (train_set, test_set) = modular_addition(7, 0.6, 0).unwrap().into_pair();
    let net = Net::new(&[14, 300, 7], Activation::Relu, Bias::All).unwrap();
    let theta = net.init(&Init::default(), 0).unwrap();
    same("network", || {
        let settings =
            Training { criterion: Criterion::CrossEntropy, threads: Threads::All, ..Training::default() };
        let plan = Plan { budget: 12, ..Plan::default() };
        let curves =
            train(&net, &train_set, Some(&test_set), &settings, &plan, &theta, |_| ControlFlow::Continue(()));
        curves.unwrap().checkpoint.parameters
    });
}

/// More coordinates than one thread takes at a time, as dense data and as signs; more samples than coordinates too.
#[test]
fn diagonal_nets() {
    for (law, loss, samples, dimension) in [
        (Law::Regression { relevant: 3, noise_std: 0.1 }, Loss::Squared, 24, 9000),
        (Law::SparseSigns { relevant: 3 }, Loss::Logistic, 40, 9000),
        (Law::Gap { gap: 1.0 }, Loss::Exponential, 300, 20),
    ] {
        let drawn = DesignTask { law, samples, dimension, seed: 2 }.draw().unwrap();
        let labels = drawn.labels.to_vec();
        same(&format!("diagonal, {law:?}"), || {
            let problem = diagonal::Problem::new(drawn.design.clone(), labels.clone(), loss).unwrap();
            let settings = diagonal::Settings {
                init: diagonal::Init::Symmetric(2.0),
                weight_decay: 1e-2,
                horizon: 150.0,
                threads: Threads::All,
                ..diagonal::Settings::default()
            };
            let run = problem.integrate(&settings).unwrap();
            let mut all = Vec::new();
            for t in [0.5, 20.0, 150.0] {
                let seen = run.snapshot(t).unwrap();
                all.extend(seen.weights);
                all.extend([seen.train_loss, seen.parameter_norm]);
            }
            if loss == Loss::Squared {
                let slow = SlowFlow::new(&problem, &settings.init, 2, 1.5).unwrap();
                all.extend(slow.snapshot(1.2).unwrap().weights);
            }
            all
        });
    }
}

/// Above the sizes at which products and the tangent kernel are shared; from a large start in W and A, from a small
/// one in the factors, and both slow flows.
#[test]
fn completion_of_matrices() {
    for (coordinate, d, count) in [(3.0, 150, 2500), (0.3, 30, 200)] {
        let truth = multiplication_table(d);
        let mask = random_mask(d, count, 1).unwrap();
        let seen = Observations::from_mask(truth.view(), mask.view()).unwrap();
        let init = completion::Init::Identity { coordinate };
        let problem = completion::Problem::new(seen, Some(truth), init).unwrap();
        let settings = completion::Settings {
            weight_decay: 1e-3,
            horizon: 30.0,
            rtol: 1e-6,
            threads: Threads::All,
            record: completion::Record::At(vec![30.0]),
            ..completion::Settings::default()
        };
        same(&format!("completion, α = {coordinate}"), || {
            problem.flow(&settings).unwrap().state(30.0).unwrap().into_iter().collect()
        });
        let settings =
            SlowSettings { horizon: 0.02, rtol: 1e-6, threads: Threads::All, ..SlowSettings::default() };
        same(&format!("slow flow of completion, α = {coordinate}"), || {
            problem.slow_flow(&settings).unwrap().state(0.02).unwrap().into_iter().collect()
        });
    }
}
