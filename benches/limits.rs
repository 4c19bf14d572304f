//! Design matrices and the convex problems where flows start and end. `cargo bench --bench limits`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use groktime::data::Design;
use groktime::data::design::Precision;
use groktime::data::features::{gaussian_matrix, generator};
use groktime::linalg::Threads;
use rand::Rng;

const SAMPLES: usize = 256;
const DIMENSION: usize = 100_000;

fn bits() -> Design {
    let mut rng = generator(1, 0);
    Design::signs(SAMPLES, DIMENSION, |_, _| rng.next_u32() & 1 == 1).expect("not empty")
}

fn products(c: &mut Criterion) {
    let mut group = c.benchmark_group("design 256 × 100000");
    group.sample_size(20);
    let gaussian = gaussian_matrix(SAMPLES, DIMENSION, 1.0, &mut generator(2, 0));
    let kinds = [
        ("bits", bits()),
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

criterion_group!(benches, products);
criterion_main!(benches);
