//! `groktime sweep CONFIG.toml --out FILE`: many problems of one model.

mod config;
mod keys;
mod parameters;
mod plan;
mod table;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use groktime::sweep::{Ended, Shard, Sweep, merge};
use serde_json::json;

use self::plan::Plan;
use self::table::Table;
use crate::Status;
use crate::arguments::Memory;
use crate::output::{self, Failure};
use crate::progress::Tally;

#[derive(Args)]
pub struct Arguments {
    /// What to sweep over (TOML): model, [fixed], [grid], [random]; keys are the flags of the model
    #[arg(value_name = "CONFIG.toml")]
    config: PathBuf,
    /// Journal of the results: a heading, then one line of JSON a point
    #[arg(long, value_name = "FILE.jsonl")]
    out: PathBuf,
    /// Go on with a journal that is there
    #[arg(long)]
    resume: bool,
    /// Every n-th point only, from the i-th on (i from 0 to n − 1)
    #[arg(long, value_name = "i/n")]
    shard: Option<ShardArgument>,
    /// Solve nothing: put the journals of shards together
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["resume", "shard"])]
    merge: Vec<PathBuf>,
    /// Parameters and results as a table, one row a point
    #[arg(long, value_name = "FILE.csv", help_heading = "Output")]
    csv: Option<PathBuf>,
    /// Parameters and results as arrays, one a quantity
    #[arg(long, value_name = "FILE.npz", help_heading = "Output")]
    npz: Option<PathBuf>,
    /// Memory that all points together may take, such as 8GB; auto is half of what is free
    #[arg(long, value_name = "BYTES|auto")]
    memory: Option<Memory>,
    /// One JSON document about the sweep on standard output
    #[arg(long, help_heading = "Output")]
    json: bool,
    /// No text on standard output, no progress
    #[arg(long, help_heading = "Output")]
    quiet: bool,
}

/// `i/n`.
#[derive(Clone, Copy)]
struct ShardArgument(Shard);

impl FromStr for ShardArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match parts {
            Some((index, of)) if index < of => Ok(ShardArgument(Shard { index, of })),
            Some((_, of)) if of > 0 => Err(format!("expected 0/{of} to {}/{of}", of - 1)),
            _ => Err("expected i/n, such as 0/4".to_owned()),
        }
    }
}

pub fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let plan = config::read(&arguments.config)?;
    let files = plan.files();
    let settings = plan.settings(&files);
    let what = |point| plan.what(point, &files);
    let shard = arguments.shard.map_or(Shard::WHOLE, |s| s.0);
    let sweep = Sweep { settings: &settings, points: plan.points(), what: &what, shard };
    let out = &arguments.out;
    let there = std::fs::metadata(out).is_ok_and(|m| m.len() > 0);
    if there && !arguments.resume {
        let choice = if arguments.merge.is_empty() { "--resume goes on with it, or " } else { "" };
        return Err(Failure::Input(format!(
            "{} is there already: {choice}choose another file",
            out.display()
        )));
    }
    crate::arguments::prepare(arguments.memory, [&arguments.csv, &arguments.npz])?;
    let (solved, refused) = match arguments.merge.is_empty() {
        true => {
            let ended = solve(&plan, &sweep, out, arguments.quiet)?;
            (ended.solved, ended.refused)
        }
        false => {
            let shards: Vec<&Path> = arguments.merge.iter().map(PathBuf::as_path).collect();
            merge(out, &sweep, &shards)?;
            (0, Vec::new())
        }
    };
    let table = Table::read(out, |point| plan.parameters(point))?;
    if let Some(path) = &arguments.csv {
        table.write_csv(path)?;
    }
    if let Some(path) = &arguments.npz {
        table.write_npz(path)?;
    }
    if let [(point, error), ..] = &refused[..] {
        return Err(Failure::Computation(format!(
            "{} points are not in the journal, and --resume tries them again; point {point}: {error}",
            refused.len()
        )));
    }
    match &table.failures[..] {
        [] => {
            tell(arguments, &plan, &table, solved)?;
            Ok(if table.violated > 0 { Status::Violated } else { Status::Done })
        }
        [first, ..] => {
            let text = format!(
                "{} of {} points failed; point {}: {}",
                table.failures.len(),
                table.points.len(),
                first.point,
                first.reason
            );
            // Nothing but bad input: that is what it is.
            let bad = table.failures.len() == table.points.len() && table.failures.iter().all(|f| f.input);
            Err(if bad { Failure::Input(text) } else { Failure::Computation(text) })
        }
    }
}

/// Runs what is not in the journal.
fn solve(
    plan: &Plan,
    sweep: &Sweep<'_, serde_json::Value>,
    out: &Path,
    quiet: bool,
) -> Result<Ended, Failure> {
    let mut tally: Option<Tally> = None;
    let watch = |progress: groktime::sweep::Progress| {
        match &tally {
            Some(tally) => tally.at(progress.done),
            None => {
                let begun = Tally::new("sweep", progress.total, !quiet);
                begun.begin(progress.done);
                tally = Some(begun);
            }
        }
        ControlFlow::Continue(())
    };
    Ok(sweep.run(out, |point| plan.solve(point), watch)?)
}

fn tell(arguments: &Arguments, plan: &Plan, table: &Table, solved: u64) -> Result<(), Failure> {
    let points = table.points.len();
    if arguments.json {
        let mut document = output::document(plan.model.name);
        let all = [
            ("command", json!("sweep")),
            ("points", json!(plan.points())),
            ("done", json!(points)),
            ("solved", json!(solved)),
            ("violated", json!(table.violated)),
            ("out", json!(arguments.out)),
        ];
        document.extend(all.map(|(key, value)| (key.to_owned(), value)));
        return output::print_json(&document);
    }
    if arguments.quiet {
        return Ok(());
    }
    let mut text = format!(
        "{}: {points} of {} points in {} ({solved} solved now)",
        plan.model.name,
        plan.points(),
        arguments.out.display()
    );
    if table.violated > 0 {
        text += &format!(", {} with a statement that should hold and does not", table.violated);
    }
    output::print(&(text + "\n"))
}
