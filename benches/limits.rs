//! Design matrices and the convex problems where flows start and end. `cargo bench --bench limits`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use groktime::Loss;
use groktime::data::Design;
use groktime::data::design::Precision;
use groktime::data::features::{gaussian_matrix, generator};
use groktime::data::tasks::{Law, Task, random_signs};
use groktime::limits::{max_margin_l1, max_margin_l2, min_l1, min_norm, regularised};
use groktime::linalg::Threads;

const SAMPLES: usize = 256;
const DIMENSION: usize = 100_000;

fn products(c: &mut Criterion) {
    let mut group = c.benchmark_group("design 256 × 100000");
    group.sample_size(20);
    let gaussian = gaussian_matrix(SAMPLES, DIMENSION, 1.0, &mut generator(2, 0));
    let kinds = [
        ("bits", random_signs(SAMPLES, DIMENSION, &mut generator(1, 0)).expect("not empty")),
        ("f64", Design::new(gaussian.view()).expect("finite")),
        ("f32", Design::single(gaussian.mapv(|x| x as f32).view()).expect("finite")),
    ];
    let r: Vec<f64> = (0..SAMPLES).map(|i| (i as f64).sin()).collect();
    let weights: Vec<f64> = (0..DIMENSION).map(|k| 1.5 + (k as f64).sin()).collect();
    let mut out = vec![0.0; SAMPLES];
    for (kind, x) in &kinds {
        for (name, threads) in [("one thread", Threads::One), ("all threads", Threads::All)] {
            group.bench_function(format!("{kind}: X Xᵀ r in one pass, {name}"), |b| {
                b.iter(|| x.through(black_box(&r), &mut out, threads, |_, z, w| w.copy_from_slice(z)))
            });
        }
        for precision in [Precision::Single, Precision::Double] {
            group.sample_size(10).bench_function(format!("{kind}: weighted Gram, {precision:?}"), |b| {
                b.iter(|| x.weighted_gram_in(precision, black_box(&weights), Threads::All))
            });
        }
    }
    group.bench_function("bits: Gram", |b| b.iter(|| kinds[0].1.gram(Threads::All)));
    group.finish();
}

/// The ends of the flows of the paper's first figure: three relevant signs among 100000.
fn ends(c: &mut Criterion) {
    let mut group = c.benchmark_group("limits 256 × 100000");
    group.sample_size(10);
    let law = Law::SparseSigns { relevant: 3 };
    let drawn = Task { law, samples: SAMPLES, dimension: DIMENSION, seed: 0 }.draw().expect("valid");
    let (x, y) = (&drawn.design, drawn.labels.as_slice().expect("contiguous"));
    let all = Threads::All;
    group.bench_function("max L1 margin", |b| b.iter(|| max_margin_l1(black_box(x), y, all)));
    group.bench_function("max L2 margin", |b| b.iter(|| max_margin_l2(black_box(x), y, all)));
    group.bench_function("min L1 norm", |b| b.iter(|| min_l1(black_box(x), y, all)));
    group.bench_function("min L2 norm", |b| b.iter(|| min_norm(black_box(x), y, all)));
    group.bench_function("logistic loss with L1 penalty", |b| {
        b.iter(|| regularised(black_box(x), y, Loss::Logistic, 1e-3, all))
    });
    group.finish();
}

criterion_group!(benches, products, ends);
criterion_main!(benches);
