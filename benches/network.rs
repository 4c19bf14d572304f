//! Networks: steps a second, and what part of the machine's product rate they reach. `cargo bench --bench network`.
//!
//! `benches/peers/network.py` trains the same nets in PyTorch. The product rate is measured in the same run, at
//! the same shapes, precision and threads, through the same kernels: a linear net that is only evaluated.

use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use groktime::data::features::{gaussian_matrix, generator};
use groktime::linalg::Threads;
use groktime::network::tasks::{Answer, addition};
use groktime::network::{
    Activation, Bias, Combine, Criterion as Loss, Embedding, Group, Init, Law, Net, Optimiser, Part,
    Precision, Sample, Settings, Training,
};

/// Multiplications and additions of one step: forward, and twice that backward (less the first layer's inputs).
fn flops(net: &Net, batch: usize) -> f64 {
    let layers = net.layers().iter().enumerate();
    let each = layers.map(|(l, layer)| {
        let passes = if l == 0 && net.embedding().is_none() { 2.0 } else { 3.0 };
        2.0 * passes * (batch * layer.inputs * layer.outputs) as f64
    });
    each.sum()
}

fn torch() -> Init {
    Init { law: Law::Torch, ..Init::default() }
}

fn report(name: &str, net: &Net, batch: usize, training: &mut Training<'_>) {
    let start = Instant::now();
    let mut steps = 0;
    while start.elapsed().as_secs_f64() < 2.0 {
        training.step();
        steps += 1;
    }
    let rate = f64::from(steps) / start.elapsed().as_secs_f64();
    println!("{name}: {rate:.0} steps a second, {:.1} GFlop/s in products", rate * flops(net, batch) / 1e9);
}

fn toy(c: &mut Criterion) {
    let split = addition(10, 45, Answer::Templates { outputs: 30 }, 0).expect("valid");
    let embedding = Embedding { symbols: 10, combine: Combine::Sum };
    let net = Net::with_embedding(embedding, &[1, 200, 200, 30], Activation::Tanh, Bias::All).expect("valid");
    let settings = Settings {
        optimiser: Optimiser::ADAMW,
        step_size: 1e-4,
        groups: vec![Group { part: Part::Embedding, step_size: 1e-3, weight_decay: 0.0 }],
        ..Settings::default()
    };
    let theta = net.init(&torch(), 0).expect("valid");
    let mut training = Training::new(&net, &split.train, &settings, &theta).expect("valid");
    report("toy net 45 × 1-200-200-30, f32, one thread", &net, 45, &mut training);
    let mut group = c.benchmark_group("a step of training");
    group.throughput(Throughput::Elements(1));
    group.bench_function("toy net 45 × 1-200-200-30, AdamW, f32", |b| b.iter(|| black_box(training.step())));
    group.finish();
}

fn deep(c: &mut Criterion) {
    let mut widths = vec![784];
    widths.extend([400; 11]);
    widths.push(10);
    let net = Net::new(&widths, Activation::Relu, Bias::All).expect("valid");
    let x = gaussian_matrix(2000, 784, 0.1, &mut generator(0, 0));
    let sample = Sample::classes(x.view(), (0..2000).map(|i| i % 10).collect());
    let theta = net.init(&torch(), 0).expect("valid");
    let mut group = c.benchmark_group("a step of training");
    group.throughput(Throughput::Elements(1)).sample_size(20);
    for precision in [Precision::Single, Precision::Double] {
        for threads in [Threads::One, Threads::All] {
            let settings = Settings {
                criterion: Loss::Squared,
                weight_decay: 0.01,
                batch: Some(200),
                precision,
                threads,
                ..Settings::default()
            };
            let mut training = Training::new(&net, &sample, &settings, &theta).expect("valid");
            let name = format!("784-400×11-10, batch 200, AdamW, {}, {threads:?}", precision.name());
            report(&name, &net, 200, &mut training);
            group.bench_function(&name, |b| b.iter(|| black_box(training.step())));
        }
    }
    group.finish();
}

/// The rate of products alone, through the same kernels: a forward pass of ten linear layers of 400 × 400 at
/// batch 200 (and one output, so that its loss costs nothing).
fn products(c: &mut Criterion) {
    let mut widths = vec![400; 11];
    widths.push(1);
    let net = Net::new(&widths, Activation::Identity, Bias::None).expect("valid");
    let x = gaussian_matrix(200, 400, 1.0, &mut generator(0, 0));
    let sample = Sample::values(x.view(), x.slice(ndarray::s![.., ..1]));
    let theta = net.init(&torch(), 0).expect("valid");
    let mut group = c.benchmark_group("products");
    group.throughput(Throughput::Elements(10 * 2 * 200 * 400 * 400));
    for precision in [Precision::Single, Precision::Double] {
        for threads in [Threads::One, Threads::All] {
            let settings = Settings { precision, threads, ..Settings::default() };
            let mut training = Training::new(&net, &sample, &settings, &theta).expect("valid");
            group.bench_function(format!("200 × 400 × 400, {}, {threads:?}", precision.name()), |b| {
                b.iter(|| black_box(training.loss()))
            });
        }
    }
    group.finish();
}

criterion_group!(benches, products, toy, deep);
criterion_main!(benches);
