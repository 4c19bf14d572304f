//! Effective theory: ranks and rates of random training sets, spectra of large ones, flows.
//! `cargo bench --bench effective`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use groktime::data::features::{gaussian_matrix, generator};
use groktime::effective::{
    Convention, Ensemble, Match, Normalisation, Problem, Proof, Settings, Task, normalised,
};
use groktime::linalg::Engine;

fn addition(p: usize) -> Task {
    Task::addition(p).expect("valid")
}

/// p = 10: subsets a second, on all threads.
fn ensembles(c: &mut Criterion) {
    let trials = 20_000;
    let ensemble = Ensemble { task: addition(10), trials, seed: 0 };
    let mut group = c.benchmark_group("p=10, 20000 random training sets");
    group.throughput(Throughput::Elements(trials as u64)).sample_size(20);
    group.bench_function("P(n0 = 2) at |D| = 22, exact rank", |b| b.iter(|| ensemble.unique(black_box(22))));
    group.bench_function("P(n0 = 2) at |D| = 45, exact rank", |b| b.iter(|| ensemble.unique(black_box(45))));
    group.bench_function("λ3 at |D| = 28", |b| b.iter(|| ensemble.rates(black_box(28))));
    group.bench_function("λ3 at |D| = 45", |b| b.iter(|| ensemble.rates(black_box(45))));
    group.bench_function("hitting times (whole curve)", |b| b.iter(|| ensemble.hitting_times()));
    group.finish();
}

fn spectra(c: &mut Criterion) {
    let hundred = Problem::full(addition(100));
    c.bench_function("p=100: assembly and full spectrum with vectors", |b| {
        b.iter(|| black_box(&hundred).spectrum(Engine::SEQUENTIAL))
    });
    c.bench_function("p=100: assembly and eigenvalues", |b| {
        b.iter(|| black_box(&hundred).eigenvalues(Engine::SEQUENTIAL))
    });
    c.bench_function("p=100: exact nullity", |b| b.iter(|| black_box(&hundred).nullity()));
    let mut group = c.benchmark_group("large");
    group.sample_size(10);
    let large = Problem::full(addition(2000));
    group.bench_function("p=2000: assembly", |b| b.iter(|| black_box(&large).quadratic_form()));
    group.bench_function("p=2000: assembly and eigenvalues", |b| {
        b.iter(|| Engine::PARALLEL.eigenvalues(black_box(&large).quadratic_form().view()))
    });
    for (name, problem) in [
        ("all samples", Problem::full(addition(5000))),
        ("half of the samples", Problem::random(addition(5000), 6_251_250, 0).expect("valid")),
    ] {
        let (x, mut y) = (vec![1.0; 5000], vec![0.0; 5000]);
        group.bench_function(format!("p=5000, {name}: one product with G"), |b| {
            b.iter(|| problem.apply(black_box(&x), &mut y))
        });
        group.bench_function(format!("p=5000, {name}: exact nullity"), |b| {
            b.iter(|| black_box(&problem).nullity())
        });
        for (proof, how) in [(Proof::Numerical, "matrix-free"), (Proof::Inertia, "and proved")] {
            group.bench_function(format!("p=5000, {name}: three smallest eigenvalues, {how}"), |b| {
                b.iter(|| black_box(&problem).smallest_eigenvalues(3, proof))
            });
        }
    }
    group.finish();
}

fn flows(c: &mut Criterion) {
    for p in [10, 50] {
        let problem = Problem::full(addition(p));
        let spectrum = problem.spectrum(Engine::SEQUENTIAL).expect("converges");
        let start = gaussian_matrix(p, 1, 1.0, &mut generator(0, 0));
        let start = normalised(start.view(), Normalisation::SymbolsLessOne).expect("spread");
        let settings = Settings { convention: Convention::Sum, matching: Match::CODE, ..Settings::default() };
        let flow = spectrum.flow(start.view(), settings).expect("valid");
        c.bench_function(&format!("p={p}: RQI at one time"), |b| b.iter(|| flow.rqi(black_box(0.5))));
        // Seconds each for p = 50.
        let mut group = c.benchmark_group("certified");
        group.sample_size(10);
        group.bench_function(format!("p={p}: first RQI > 0.95"), |b| b.iter(|| flow.first_rqi(0.95)));
        group.finish();
    }
}

criterion_group!(benches, ensembles, spectra, flows);
criterion_main!(benches);
