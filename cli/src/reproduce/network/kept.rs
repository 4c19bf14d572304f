//! Long training runs: their curves, kept every minute so that one that was stopped goes on.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use groktime::data::files::write_whole;
use groktime::network::tasks::Split;
use groktime::network::{Checkpoint, Net, Plan, Record, Run, Settings, Training};
use serde::{Deserialize, Serialize};

use crate::output::exact;
use crate::reproduce::Options;

/// What is recorded at one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub step: u64,
    pub train_loss: f64,
    pub train_accuracy: f64,
    pub test_accuracy: f64,
    pub norm: f64,
    /// Feature rank of each layer on the test sample.
    pub ranks: Option<Vec<usize>>,
}

pub fn train_accuracy(row: &Row) -> f64 {
    row.train_accuracy
}

pub fn test_accuracy(row: &Row) -> f64 {
    row.test_accuracy
}

pub fn norm(row: &Row) -> f64 {
    row.norm
}

/// The curves of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve(pub Vec<Row>);

impl Curve {
    /// A quantity over the steps.
    pub fn over_steps(&self, value: impl Fn(&Row) -> f64) -> Vec<(f64, f64)> {
        self.0.iter().map(|r| (r.step as f64, value(r))).collect()
    }

    /// First step with such an accuracy.
    pub fn reaches(&self, accuracy: fn(&Row) -> f64, part: f64) -> f64 {
        self.first(|r| accuracy(r) >= part)
    }

    /// First recorded step at which it holds.
    pub fn first(&self, holds: impl Fn(&Row) -> bool) -> f64 {
        self.0.iter().find(|r| holds(r)).map_or(f64::NAN, |r| r.step as f64)
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
            let numbers = [r.train_loss, r.train_accuracy, r.test_accuracy, r.norm].map(exact);
            [&[name.to_owned(), r.step.to_string()][..], &numbers[..], &[ranks]].concat()
        };
        self.0.iter().map(row).collect()
    }
}

pub const HEADING: [&str; 7] =
    ["run", "step", "train_loss", "train_accuracy", "test_accuracy", "parameter_norm", "ranks"];

/// A long run is kept so often.
const EVERY: Duration = Duration::from_secs(60);

/// The state of a run that has not ended.
pub struct Kept {
    rows: PathBuf,
    checkpoint: PathBuf,
    every: Duration,
}

impl Kept {
    /// `settings` is what the run depends on.
    pub fn new(options: &Options, settings: &impl std::fmt::Debug) -> Kept {
        let path = |extension| options.state(settings, extension);
        Kept { rows: path("rows.json"), checkpoint: path("npz"), every: EVERY }
    }

    /// Trains from θ, or from the state that was kept, to the end of the plan.
    pub fn train(
        &self,
        net: &Net,
        split: &Split,
        settings: &Settings,
        plan: &Plan,
        theta: &[f64],
    ) -> groktime::Result<Curve> {
        let (rows, run) = match self.read() {
            Some((rows, checkpoint)) => {
                (rows, Run::resume(net, &split.train, Some(&split.test), settings, plan, &checkpoint)?)
            }
            None => {
                let training = Training::new(net, &split.train, settings, theta)?;
                (Vec::new(), Run::new(training, Some(&split.test), plan)?)
            }
        };
        let rows = RefCell::new(rows);
        let saved = Cell::new(Instant::now());
        let run = run.inspected(|training| {
            if saved.get().elapsed() >= self.every {
                self.write(&rows.borrow(), &training.checkpoint());
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

fn row(record: &Record) -> Row {
    Row {
        step: record.step,
        train_loss: record.train.loss,
        train_accuracy: record.train.accuracy,
        test_accuracy: record.test.map_or(f64::NAN, |t| t.accuracy),
        norm: record.norm,
        ranks: record.features.as_ref().map(|layers| layers.iter().map(|l| l.rank).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use groktime::network::tasks::modular_addition;
    use groktime::network::{Activation, Bias, Init};

    /// A run that goes on from what was kept after 30 of 60 steps has the curves of one that was not stopped.
    #[test]
    fn a_stopped_run_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let kept = |name: &str, every| {
            let path = |extension| folder.path().join(name).with_extension(extension);
            Kept { rows: path("json"), checkpoint: path("npz"), every }
        };
        let split = modular_addition(7, 0.5, 0).expect("valid");
        let net = Net::new(&[14, 12, 7], Activation::Relu, Bias::All).expect("valid");
        let theta = net.init(&Init::default(), 0).expect("valid");
        let settings = Settings { weight_decay: 0.1, batch: Some(10), ..Settings::default() };
        let train = |budget, kept: &Kept| {
            let record = Some((0..=budget).collect());
            let plan = Plan { budget, record, check: 0, ranks: 7, ..Plan::default() };
            kept.train(&net, &split, &settings, &plan, &theta).expect("a run")
        };
        train(30, &kept("stopped", Duration::ZERO));
        let (rows, checkpoint) = kept("stopped", Duration::MAX).read().expect("what was kept");
        assert_eq!((checkpoint.step, rows.len()), (30, 30));
        let resumed = train(60, &kept("stopped", Duration::MAX));
        assert_eq!(resumed, train(60, &kept("none", Duration::MAX)));
        assert_eq!(resumed.0.len(), 61);
    }
}
