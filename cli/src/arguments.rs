//! Small parsers of command-line values, shared by the commands.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use groktime::data::files::writable;
use groktime::trajectory::Clock;

use crate::output::Failure;

/// Where the answer of a model's command goes.
#[derive(Args, Debug)]
#[command(next_help_heading = "Output")]
pub struct OutputArguments {
    /// One JSON document on standard output
    #[arg(long)]
    pub json: bool,
    /// Picture of the curves (.svg or .png)
    #[arg(long, value_name = "FILE", value_parser = picture_path)]
    pub plot: Option<PathBuf>,
    /// The rows of the answer as CSV
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// No table on standard output, no progress
    #[arg(long)]
    pub quiet: bool,
    /// Memory that may be taken, such as 8GB; auto is half of what is free [default: auto]
    #[arg(long, value_name = "BYTES|auto")]
    pub memory: Option<Memory>,
}

impl OutputArguments {
    /// Before anything is computed: the memory that is allowed, and whether the outputs can be written, `more` of
    /// them included.
    pub fn prepare(&self, more: &Option<PathBuf>) -> Result<(), Failure> {
        prepare(self.memory, [&self.plot, &self.csv, more])
    }
}

/// The same for any outputs.
pub fn prepare<'p>(
    memory: Option<Memory>,
    outputs: impl IntoIterator<Item = &'p Option<PathBuf>>,
) -> Result<(), Failure> {
    // A point of a sweep says nothing of memory: what the sweep allowed stands.
    if let Some(Memory(bytes)) = memory {
        groktime::memory::allow(bytes);
    }
    outputs.into_iter().flatten().try_for_each(|path| writable(path).map_err(Failure::writing))
}

/// An amount of memory; none: half of what is free.
#[derive(Clone, Copy, Debug)]
pub struct Memory(Option<u64>);

impl FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        groktime::memory::parse(text).map(Memory)
    }
}

/// A file that a picture can be written to.
fn picture_path(text: &str) -> Result<PathBuf, String> {
    path_of_kind(text, &["svg", "png"])
}

/// A file that an array can be written to.
pub fn array_path(text: &str) -> Result<PathBuf, String> {
    path_of_kind(text, &["npy"])
}

/// Names are refused before anything is computed.
fn path_of_kind(text: &str, kinds: &[&str]) -> Result<PathBuf, String> {
    let extension = Path::new(text).extension().map(|e| e.to_string_lossy().to_lowercase());
    match extension.is_some_and(|e| kinds.contains(&e.as_str())) {
        true => Ok(text.into()),
        false => Err(format!("expected a name that ends in .{}", kinds.join(" or ."))),
    }
}

/// Comma-separated numbers.
#[derive(Clone, Debug, Default)]
pub struct Numbers(pub Vec<String>);

impl FromStr for Numbers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<String> = text.split(',').map(|p| p.trim().to_owned()).collect();
        for part in &parts {
            let number: f64 = part.parse().map_err(|_| format!("{part:?} is not a number"))?;
            if !(number.is_finite() && number >= 0.0) {
                return Err(format!("{part} is not a time: expected finite numbers of at least 0"));
            }
        }
        Ok(Numbers(parts))
    }
}

impl Numbers {
    /// As times of a clock: whole steps for descent (also written 1e6), reals for flow.
    pub fn times<T: Clock>(&self) -> Result<Vec<T>, String> {
        self.0.iter().map(|text| time(text)).collect()
    }
}

fn time<T: Clock>(text: &str) -> Result<T, String> {
    let real: f64 = text.parse().map_err(|_| format!("{text:?} is not a number"))?;
    if T::NAME == f64::NAME {
        return Ok(T::from_f64(real));
    }
    if let Ok(steps) = text.parse::<u64>() {
        return Ok(T::from_steps(steps));
    }
    if real.fract() != 0.0 || real >= u64::MAX as f64 {
        return Err(format!("--at {text}: gradient descent counts whole steps below 2^64 (or give --flow)"));
    }
    Ok(T::from_steps(real as u64))
}

/// A word that is a keyword, or else a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Source<K> {
    Keyword(K),
    File(PathBuf),
}

/// Keywords that may stand where a file may.
pub trait Keyword: Copy + 'static {
    const ALL: &'static [(&'static str, Self)];
}

impl<K: Keyword> FromStr for Source<K> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((_, keyword)) = K::ALL.iter().find(|(name, _)| *name == text) {
            return Ok(Source::Keyword(*keyword));
        }
        // A file names its kind; a bare word is a mistyped keyword.
        if text.contains(['.', '/', '\\']) {
            return Ok(Source::File(text.into()));
        }
        let names: Vec<&str> = K::ALL.iter().map(|(name, _)| *name).collect();
        Err(format!("{text:?} is neither one of {} nor a .npy, .npz:NAME or .csv file", names.join(", ")))
    }
}

/// `C.npy` or `isotropic:V`.
#[derive(Clone, Debug)]
pub enum Covariance {
    Isotropic(f64),
    File(PathBuf),
}

impl FromStr for Covariance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("isotropic:") {
            Some(number) => match number.parse::<f64>() {
                Ok(v) if v.is_finite() && v > 0.0 => Ok(Covariance::Isotropic(v)),
                _ => Err(format!("{number:?} is not a positive number (isotropic:V)")),
            },
            None => Ok(Covariance::File(text.into())),
        }
    }
}
