//! Ridge regression: from arrays to t1 and t2, and a sweep. `cargo bench --bench ridge`.

mod memory;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use groktime::linalg::Engine;
use groktime::ridge::{Instance, Recipe, Settings};
use rayon::prelude::*;

fn instance(samples: usize, width: usize) -> Instance {
    Recipe { samples, width, ..Recipe::default() }.draw().expect("a valid recipe")
}

fn solve(instance: &Instance, engine: Engine) -> f64 {
    let spectrum = instance.problem().spectrum(engine).expect("valid");
    let settings = Settings { weight_decay: 1e-4, ..Settings::default() };
    let form = spectrum.descent(&settings).expect("stable");
    form.times(0.01, 0.01).expect("decided").delay().unwrap_or(f64::NAN)
}

fn one_problem(c: &mut Criterion) {
    let small = instance(100, 1000);
    c.bench_function("n=100, m=1000: arrays to t1 and t2", |b| {
        b.iter(|| solve(black_box(&small), Engine::SEQUENTIAL))
    });
    let problem = small.problem();
    let spectrum = problem.spectrum(Engine::SEQUENTIAL).expect("valid");
    let settings = Settings { weight_decay: 1e-4, ..Settings::default() };
    let form = spectrum.descent(&settings).expect("stable");
    c.bench_function("n=100: one training loss", |b| b.iter(|| form.train_loss(black_box(1_000))));
    c.bench_function("n=100: t1 and t2 from a spectrum", |b| b.iter(|| form.times(0.01, 0.01)));
    let mut group = c.benchmark_group("large");
    group.sample_size(10);
    let large = instance(2000, 20_000);
    let mut told = false;
    group.bench_function("n=2000, m=20000: arrays to t1 and t2", |b| {
        if !std::mem::replace(&mut told, true) {
            let (delay, peak) = memory::with_peak(|| solve(&large, Engine::PARALLEL));
            println!("delay {delay}{peak}");
        }
        b.iter(|| solve(black_box(&large), Engine::PARALLEL))
    });
    let features = large.problem().features;
    for (threads, engine) in [("one thread", Engine::SEQUENTIAL), ("all threads", Engine::PARALLEL)] {
        group.bench_function(format!("n=2000, m=20000: Gram matrix, {threads}"), |b| {
            b.iter(|| engine.gram(black_box(features)))
        });
        let gram = engine.gram(features);
        group.bench_function(format!("n=2000: tridiagonal form, {threads}"), |b| {
            b.iter_batched(|| gram.clone(), |gram| engine.tridiagonal(gram), BatchSize::PerIteration)
        });
    }
    group.finish();
}

/// Figure 2's sweep: 8 draws of (6 λ and 6 ν² on one decomposition, 6 n, 6 m) = 192 problems, data drawn
/// beforehand.
fn sweep(c: &mut Criterion) {
    let draw = |seed, samples, width| {
        Recipe { seed, samples, width, ..Recipe::default() }.draw().expect("a valid recipe")
    };
    let shared: Vec<Instance> = (0..8).map(|seed| draw(seed, 100, 1000)).collect();
    let mut own = Vec::new();
    for seed in 0..8 {
        own.extend([25, 50, 100, 150, 250, 400].map(|n| draw(seed, n, 1000)));
        own.extend([500, 750, 1000, 1500, 2500, 4000].map(|m| draw(seed, 100, m)));
    }
    let mut group = c.benchmark_group("sweep");
    group.sample_size(10);
    group.bench_function("192 problems of figure 2", |b| {
        b.iter(|| {
            let swept: f64 = shared
                .par_iter()
                .map(|instance| {
                    let spectrum = instance.problem().spectrum(Engine::SEQUENTIAL).expect("valid");
                    let mut sum = 0.0;
                    for i in 0..6 {
                        let decay = Settings {
                            weight_decay: 10_f64.powf(-6.0 + 0.6 * i as f64),
                            ..Settings::default()
                        };
                        let spread = Settings {
                            weight_decay: 1e-4,
                            init_scale: 10_f64.powf(-0.5 + 0.7 * i as f64),
                            ..Settings::default()
                        };
                        for settings in [decay, spread] {
                            let form = spectrum.descent(&settings).expect("stable");
                            sum += form.times(0.01, 0.01).expect("decided").delay().unwrap_or(0.0);
                        }
                    }
                    sum
                })
                .sum();
            let others: f64 = own.par_iter().map(|instance| solve(instance, Engine::SEQUENTIAL)).sum();
            swept + others
        })
    });
    group.finish();
}

criterion_group!(benches, one_problem, sweep);
criterion_main!(benches);
