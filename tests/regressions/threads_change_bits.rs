//! One problem has one set of bits, on any number of threads: every model from its data to its curves.

use std::ops::ControlFlow;

use groktime::Loss;
use groktime::data::tasks::{Law, Task as DesignTask};
use groktime::data::{
    Observations,
    features::{gaussian_matrix, generator},
};
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
