//! Matrix completion: the whole path, and the minimum nuclear norm. `cargo bench --bench completion`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use groktime::completion::{Init, Problem, Record, Settings};
use groktime::data::Observations;
use groktime::data::matrices::{multiplication_table, random_mask};
use groktime::limits::nuclear::minimum_nuclear_norm;
use groktime::linalg::Threads;

fn table(dimension: usize, observed: usize, coordinate: f64) -> Problem {
    let truth = multiplication_table(dimension);
    let mask = random_mask(dimension, observed, 0).expect("a count");
    let seen = Observations::from_mask(truth.view(), mask.view()).expect("a mask");
    Problem::new(seen, Some(truth), Init::Identity { coordinate }).expect("a problem")
}

fn settings(coordinate: f64, weight_decay: f64, rtol: f64) -> Settings {
    let horizon = 3.0 * coordinate.ln() / weight_decay;
    Settings { weight_decay, horizon, rtol, threads: Threads::All, ..Settings::default() }
}

fn path(c: &mut Criterion) {
    let mut group = c.benchmark_group("completion");
    group.sample_size(10);
    for (name, alpha, decay) in [("α = 10, λ = 1e-4", 10.0, 1e-4), ("α = 1e4, λ = 1e-7", 1e4, 1e-7)] {
        let problem = table(97, 470, alpha);
        // At 1e-7 the first path is within 8e-7 of that at 1e-11 (docs/src/benchmarks.md).
        for rtol in [1e-7, 1e-8] {
            let settings = settings(alpha, decay, rtol);
            group.bench_function(format!("d = 97, n = 470, {name}, rtol {rtol:e}"), |b| {
                b.iter(|| problem.flow(black_box(&settings)).expect("solved").diagnostics().statistics.steps);
            });
        }
    }
    let problem = table(300, 4500, 10.0);
    let fine = settings(10.0, 1e-4, 1e-8);
    group.bench_function("d = 300, n = 4500, rtol 1e-8", |b| {
        b.iter(|| problem.flow(black_box(&fine)).expect("solved").diagnostics().statistics.steps);
    });
    if std::env::var_os("GROKTIME_FULL").is_some() {
        let problem = table(1000, 50_000, 10.0);
        let settings = settings(10.0, 1e-4, 1e-7);
        let settings = Settings { record: Record::At(vec![settings.horizon]), ..settings };
        group.bench_function("d = 1000, n = 50000, rtol 1e-7", |b| {
            b.iter(|| problem.flow(black_box(&settings)).expect("solved").diagnostics().statistics.steps);
        });
    }
    group.finish();
}

fn limit(c: &mut Criterion) {
    let problem = table(97, 470, 10.0);
    let mut group = c.benchmark_group("minimum nuclear norm");
    group.sample_size(20);
    group.bench_function("d = 97, n = 470, gap 1e-7", |b| {
        b.iter(|| {
            minimum_nuclear_norm(black_box(problem.observations()), &Default::default())
                .expect("converges")
                .rank
        });
    });
    group.finish();
}

criterion_group!(benches, path, limit);
criterion_main!(benches);
