//! Real data: even against odd digits through random ReLU features. The model fits its 100 training images
//! after some ten thousand steps and reads new ones after some millions.
//!
//! `cargo run --release --example digits`

use std::path::Path;

use groktime::data::ReluFeatures;
use groktime::data::features::{gaussian_matrix, gaussian_vector, generator};
use groktime::data::files::read_matrix;
use groktime::linalg::Engine;
use groktime::ridge::{Population, Problem, Sample, Settings, Target};
use ndarray::{Axis, s};

fn main() -> groktime::Result<()> {
    // 1797 images of 8 × 8 pixels from 0 to 16, and the digit in the last column.
    let digits = read_matrix(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/cli/data/digits/digits.npy")))?;
    // In a random order: the rows sorted by independent draws.
    let keys = gaussian_vector(digits.nrows(), 1.0, &mut generator(0, 0));
    let mut order: Vec<usize> = (0..digits.nrows()).collect();
    order.sort_by(|&a, &b| keys[a].total_cmp(&keys[b]));
    let digits = digits.select(Axis(0), &order);
    let pixels = digits.slice(s![.., ..64]).mapv(|p| p / 16.0);
    let labels = digits.column(64).mapv(|d| if d % 2.0 == 0.0 { 1.0 } else { -1.0 });

    let (samples, width) = (100, 2000);
    let weights = gaussian_matrix(width, 64, 0.1 / width as f64, &mut generator(0, 4));
    let features = ReluFeatures::new(weights, 1.0)?.map(pixels.view(), Engine::PARALLEL)?;
    let (train, test) = features.view().split_at(Axis(0), samples);

    let sample = Sample { features: test, labels: labels.slice(s![samples..]).to_owned() };
    let problem = Problem {
        features: train,
        target: Target::Labels(labels.slice(s![..samples]).to_owned()),
        init: gaussian_vector(width, 1000.0, &mut generator(0, 2)),
        population: Population { sample: Some(sample), ..Default::default() },
    };
    let spectrum = problem.spectrum(Engine::PARALLEL)?;
    // An answer is right when it is within 1 of its label ±1.
    let settings = Settings { weight_decay: 1e-6, accuracy_tolerance: 1.0, ..Default::default() };
    let descent = spectrum.descent(&settings)?;

    println!("fits (training loss below 0.05) after step {}", descent.last_unfit(0.05)?);
    println!("90% of {} new images right at step {}", test.nrows(), descent.first_accurate(0.9)?);
    Ok(())
}
