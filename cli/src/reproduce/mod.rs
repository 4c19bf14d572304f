//! `groktime reproduce NAME… --out DIR`: published figures, one file each: data (CSV), pictures (SVG,
//! PNG) and what must be seen in them, checked (JSON).

mod completion;
mod diagonal;
mod effective;
mod ridge;

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use groktime::data::files::write_whole;
use serde::Serialize;

use crate::Status;
use crate::output::{self, Failure, write_csv};
use crate::plot::{self, Figure};
use crate::progress::spinner;

#[derive(Args)]
pub struct Arguments {
    /// Names of figures (see --list)
    #[arg(required_unless_present = "list")]
    names: Vec<String>,
    /// List the figures and end
    #[arg(long)]
    list: bool,
    /// Folder to write into (made if it is not there)
    #[arg(long, value_name = "DIR", default_value = "out")]
    out: PathBuf,
    /// No text on standard output
    #[arg(long)]
    quiet: bool,
}

/// A published figure.
struct Entry {
    name: &'static str,
    what: &'static str,
    make: fn() -> Result<Produced, Failure>,
}

/// The figures of all models.
fn registry() -> impl Iterator<Item = &'static Entry> {
    [ridge::FIGURES, diagonal::FIGURES, completion::FIGURES, effective::FIGURES].into_iter().flatten()
}

/// What a figure is made of.
struct Produced {
    figure: Figure,
    heading: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    /// Settings, ours where the paper names none.
    settings: serde_json::Value,
    checks: Vec<Check>,
}

/// Something that must be seen in the figure.
#[derive(Serialize)]
struct Check {
    what: String,
    /// The published value or statement.
    published: String,
    measured: f64,
    /// Accepted range of the measured value.
    low: Option<f64>,
    high: Option<f64>,
    verdict: &'static str,
}

impl Check {
    fn new(
        what: impl Into<String>,
        published: impl Into<String>,
        measured: f64,
        low: f64,
        high: f64,
    ) -> Check {
        let finite = |x: f64| x.is_finite().then_some(x);
        let verdict = if measured >= low && measured <= high { "agrees" } else { "differs" };
        Check {
            what: what.into(),
            published: published.into(),
            measured,
            low: finite(low),
            high: finite(high),
            verdict,
        }
    }
}

pub fn run(arguments: &Arguments) -> Result<Status, Failure> {
    if arguments.list {
        let rows = registry().map(|e| vec![e.name.to_owned(), e.what.to_owned()]).collect();
        output::print(&output::table(&["name", "figure"], rows))?;
        return Ok(Status::Done);
    }
    let entries = arguments
        .names
        .iter()
        .map(|name| {
            registry().find(|e| e.name == name).ok_or_else(|| {
                let names: Vec<&str> = registry().map(|e| e.name).collect();
                Failure::Input(format!("there is no figure {name:?}; there are {}", names.join(", ")))
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    std::fs::create_dir_all(&arguments.out)
        .map_err(|e| Failure::Computation(format!("{}: {e}", arguments.out.display())))?;
    for entry in entries {
        let started = Instant::now();
        let bar = spinner(entry.name);
        let produced = (entry.make)()?;
        bar.finish_and_clear();
        write(entry, &produced, &arguments.out, started)?;
        if !arguments.quiet {
            output::print(&summary(entry, &produced, &arguments.out, started))?;
        }
    }
    Ok(Status::Done)
}

fn write(entry: &Entry, produced: &Produced, folder: &Path, started: Instant) -> Result<(), Failure> {
    let path = |extension: &str| folder.join(format!("{}.{extension}", entry.name));
    write_csv(&path("csv"), &produced.heading, &produced.rows)?;
    plot::write(&produced.figure, &path("svg")).map_err(Failure::writing)?;
    plot::write(&produced.figure, &path("png")).map_err(Failure::writing)?;
    let document = serde_json::json!({
        "schema": 1,
        "version": env!("CARGO_PKG_VERSION"),
        "figure": entry.name,
        "what": entry.what,
        "settings": produced.settings,
        "checks": produced.checks,
        "seconds": started.elapsed().as_secs_f64(),
    });
    // The JSON comes last: a figure is complete when it is there.
    write_whole(&path("json"), |file| {
        serde_json::to_writer_pretty(file, &document).map_err(std::io::Error::from)
    })
    .map_err(Failure::writing)
}

fn summary(entry: &Entry, produced: &Produced, folder: &Path, started: Instant) -> String {
    let seconds = started.elapsed().as_secs_f64();
    let mut text = format!("{}  {} ({seconds:.1} s)\n", entry.name, entry.what);
    for check in &produced.checks {
        let measured = output::short(check.measured);
        text +=
            &format!("  {:<8} {}: {measured} (published: {})\n", check.verdict, check.what, check.published);
    }
    text + &format!("  written: {}/{}.{{csv,svg,png,json}}\n", folder.display(), entry.name)
}
