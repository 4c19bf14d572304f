//! Diagonal nets: from data to a trajectory over the whole of grokking. `cargo bench --bench diagonal`.
//!
//! The rows of the paper's figure 1 and of its scalings; `benches/peers/diagonal.py` runs what one would run
//! instead.

mod memory;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use groktime::Loss;
use groktime::data::Design;
use groktime::data::features::{gaussian_matrix, gaussian_vector, generator};
use groktime::data::tasks::{Law, Task};
use groktime::diagonal::{Init, Problem, Settings, SlowFlow};

/// The paper's sparse task.
fn signs(samples: usize, dimension: usize, loss: Loss) -> Problem {
    let law = Law::SparseSigns { relevant: 3 };
    let drawn = Task { law, samples, dimension, seed: 0 }.draw().expect("valid");
    Problem::new(drawn.design, drawn.labels.to_vec(), loss).expect("valid")
}

fn settings(problem: &Problem, norm: f64, weight_decay: f64, rtol: f64) -> Settings {
    Settings {
        init: Init::with_norm(norm, problem.design().dimension()),
        weight_decay,
        horizon: 3.0 * norm.ln() / weight_decay,
        rtol,
        ..Settings::default()
    }
}

fn runs(c: &mut Criterion) {
    let mut group = c.benchmark_group("diagonal net to 3 ln‖θ₀‖/λ");
    group.sample_size(10);
    let mut run = |name: &str, problem: &Problem, norm: f64, decay: f64, rtol: f64| {
        let settings = settings(problem, norm, decay, rtol);
        let integrate = || problem.integrate(&settings).expect("integrated").statistics();
        let mut told = false;
        // Not called for rows that a filter leaves out.
        group.bench_function(name, |b| {
            if !std::mem::replace(&mut told, true) {
                let (statistics, peak) = memory::with_peak(integrate);
                println!("{name}: {statistics:?}{peak}");
            }
            b.iter(|| black_box(integrate().rhs))
        });
    };
    let small = signs(64, 1000, Loss::Logistic);
    run("signs 64 × 1000, logistic, ‖θ₀‖ = 128, λ = 1e-3", &small, 128.0, 1e-3, RTOL);
    let squared = signs(64, 1000, Loss::Squared);
    run("signs 64 × 1000, squared, ‖θ₀‖ = 128, λ = 1e-4", &squared, 128.0, 1e-4, SQUARED_RTOL);
    let large = signs(256, 100_000, Loss::Logistic);
    run("signs 256 × 100000, logistic, ‖θ₀‖ = 128, λ = 1e-3", &large, 128.0, 1e-3, RTOL);
    run("signs 256 × 100000, logistic, ‖θ₀‖ = 1e4, λ = 1e-5", &large, 1e4, 1e-5, RTOL);
    let x = gaussian_matrix(256, 100_000, 1.0, &mut generator(1, 0));
    let labels = gaussian_vector(256, 1.0, &mut generator(1, 1)).mapv(f64::signum);
    let dense = Design::new(x.view()).expect("finite");
    drop(x);
    let dense = Problem::new(dense, labels.to_vec(), Loss::Logistic).expect("valid");
    run("Gaussian f64 256 × 100000, logistic, ‖θ₀‖ = 128, λ = 1e-3", &dense, 128.0, 1e-3, GAUSSIAN_RTOL);
    group.finish();
}

/// The weights along the path are then within 10⁻⁶ of those at rtol 10⁻¹¹, relative to their norm
/// (docs/src/benchmarks.md): margins multiply errors of the dual variable by its size.
const RTOL: f64 = 5e-8;
/// The same for Gaussian data.
const GAUSSIAN_RTOL: f64 = 1e-7;
/// The same for squared loss, where the dual variable stays small.
const SQUARED_RTOL: f64 = 1e-6;

fn one_time(c: &mut Criterion) {
    let problem = signs(256, 100_000, Loss::Logistic);
    let run = problem.integrate(&settings(&problem, 128.0, 1e-3, RTOL)).expect("integrated");
    c.bench_function("signs 256 × 100000: everything at one time", |b| {
        b.iter(|| run.snapshot(black_box(5_000.0)).expect("inside").train_loss)
    });
    let squared = signs(64, 1000, Loss::Squared);
    c.bench_function("signs 64 × 1000: slow flow to τ = 15", |b| {
        b.iter(|| SlowFlow::new(&squared, &Init::with_norm(128.0, 1000), 2, black_box(15.0)).is_ok())
    });
}

criterion_group!(benches, runs, one_time);
criterion_main!(benches);
