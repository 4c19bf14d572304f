//! From flags to a task, its training samples, and embeddings to start from.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use groktime::data::features::{gaussian_matrix, generator};
use groktime::data::files::{read_array, read_matrix};
use groktime::effective::{Duplicates, Normalisation, Pair, Problem, Task, normalised};
use ndarray::{Array2, Axis, Ix1, Ix2};

use crate::arguments::{Keyword, Source};
use crate::output::Failure;

#[derive(Args, Debug)]
#[command(next_help_heading = "Task and training set")]
pub struct SourceArguments {
    /// p: the symbols are 0..p; their sum without wrap is the label
    #[arg(long, value_name = "P", required_unless_present_any = ["group", "cayley"])]
    pub symbols: Option<usize>,
    /// The sum modulo p instead
    #[arg(long, conflicts_with_all = ["group", "cayley"])]
    pub modular: bool,
    /// A group instead: s3, or a product of cyclic groups such as cyclic:2,4
    #[arg(long, value_name = "s3|cyclic:N,…", conflicts_with = "cayley")]
    pub group: Option<Group>,
    /// The multiplication table of any finite group (p rows of p symbols)
    #[arg(long, value_name = "FILE")]
    pub cayley: Option<PathBuf>,
    /// Training samples from a file: two columns, i and j
    #[arg(long, value_name = "FILE", group = "training")]
    pub pairs: Option<PathBuf>,
    /// A random fraction r of all samples (r|D0| rounded half up)
    #[arg(long, value_name = "r", group = "training")]
    pub fraction: Option<f64>,
    /// So many random samples
    #[arg(long, value_name = "N", group = "training")]
    pub size: Option<usize>,
    /// All samples
    #[arg(long, group = "training")]
    pub full: bool,
    /// Count a sample that is given twice once (otherwise it is an error)
    #[arg(long, requires = "pairs")]
    pub ignore_duplicates: bool,
    /// Embeddings to start from, p × d (or p numbers), or gaussian; normalised in each dimension
    #[arg(long, value_name = "FILE|gaussian")]
    pub init: Option<Source<InitLaw>>,
    /// d of gaussian embeddings
    #[arg(long, value_name = "D", default_value_t = 1)]
    pub dimension: usize,
    /// Seed of every random draw
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum InitLaw {
    Gaussian,
}

impl Keyword for InitLaw {
    const ALL: &'static [(&'static str, Self)] = &[("gaussian", InitLaw::Gaussian)];
}

#[derive(Clone, Debug, PartialEq)]
pub enum Group {
    S3,
    Cyclic(Vec<usize>),
}

impl FromStr for Group {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("s3") {
            return Ok(Group::S3);
        }
        let orders = text
            .strip_prefix("cyclic:")
            .and_then(|list| list.split(',').map(|n| n.trim().parse().ok()).collect::<Option<Vec<usize>>>());
        orders.map(Group::Cyclic).ok_or_else(|| format!("{text:?} is neither s3 nor cyclic:N,M,…"))
    }
}

impl SourceArguments {
    pub fn task(&self) -> Result<Task, Failure> {
        let task = match (&self.group, &self.cayley, self.symbols) {
            (Some(Group::S3), ..) => Task::s3(),
            (Some(Group::Cyclic(orders)), ..) => Task::cyclic_product(orders)?,
            (None, Some(path), _) => Task::from_table(read_matrix(path)?.view())?,
            (None, None, Some(p)) if self.modular => Task::modular(p)?,
            (None, None, p) => Task::addition(p.unwrap_or(0))?,
        };
        match self.symbols {
            Some(p) if p != task.symbols() => Err(Failure::Input(format!(
                "--symbols {p} does not fit the group, which has {} elements",
                task.symbols()
            ))),
            _ => Ok(task),
        }
    }

    /// Size of random training sets.
    pub fn random_size(&self, task: &Task) -> Result<Option<usize>, Failure> {
        Ok(match (self.fraction, self.size) {
            (Some(r), _) => Some(task.sample_size(r)?),
            (None, size) => size,
        })
    }

    pub fn problem(&self) -> Result<Problem, Failure> {
        let task = self.task()?;
        if let Some(size) = self.random_size(&task)? {
            return Ok(Problem::random(task, size, self.seed)?);
        }
        if self.full {
            return Ok(Problem::full(task));
        }
        let Some(path) = &self.pairs else {
            return Err(Failure::Input(
                "no training set: give --pairs FILE, --fraction r, --size N, or --full".into(),
            ));
        };
        let duplicates = if self.ignore_duplicates { Duplicates::Ignore } else { Duplicates::Refuse };
        Ok(Problem::new(task, &read_pairs(path)?, duplicates)?)
    }

    /// Embeddings with mean zero and the wanted Z0 in each dimension.
    pub fn embeddings(&self, problem: &Problem, z0: Normalisation) -> Result<Option<Array2<f64>>, Failure> {
        let Some(init) = &self.init else { return Ok(None) };
        if !problem.task().commutative() {
            return Err(Failure::Input(
                "--init: symbols of a non-abelian group are matrices, only their ground state is analysed"
                    .into(),
            ));
        }
        let p = problem.symbols();
        let raw = match init {
            Source::Keyword(InitLaw::Gaussian) if self.dimension == 0 => {
                return Err(Failure::Input("--dimension is 0, expected at least 1".into()));
            }
            Source::Keyword(InitLaw::Gaussian) => {
                groktime::memory::check_array("embeddings", &[3, p, self.dimension])?;
                gaussian_matrix(p, self.dimension, 1.0, &mut generator(self.seed, 2))
            }
            Source::File(path) => read_embeddings(path, p)?,
        };
        Ok(Some(normalised(raw.view(), z0)?))
    }
}

fn read_pairs(path: &Path) -> Result<Vec<Pair>, Failure> {
    let table = read_matrix(path)?;
    let wrong = |what: String| Failure::Input(format!("{}: {what}", path.display()));
    if table.ncols() != 2 {
        return Err(wrong(format!("{} columns, expected two (i, j)", table.ncols())));
    }
    let symbol = |x: f64| match x.fract() == 0.0 && (0.0..f64::from(u32::MAX)).contains(&x) {
        true => Ok(x as u32),
        false => Err(wrong(format!("{x} is not a symbol, expected a whole number of at least 0"))),
    };
    table.rows().into_iter().map(|row| Ok([symbol(row[0])?, symbol(row[1])?])).collect()
}

/// p × d, or a vector of p numbers (also as one row of a CSV file).
fn read_embeddings(path: &Path, p: usize) -> Result<Array2<f64>, Failure> {
    let array = read_array(path)?;
    let shape = array.shape().to_vec();
    let matrix = match array.ndim() {
        1 => array.into_dimensionality::<Ix1>().ok().map(|v| v.insert_axis(Axis(1))),
        2 => array
            .into_dimensionality::<Ix2>()
            .ok()
            .map(|m| if m.dim() == (1, p) { m.reversed_axes() } else { m }),
        _ => None,
    };
    match matrix {
        Some(m) if m.nrows() == p && m.ncols() > 0 => Ok(m.as_standard_layout().into_owned()),
        _ => Err(Failure::Input(format!(
            "{} has shape {shape:?}, expected one row a symbol ({p} × d, or {p} numbers)",
            path.display()
        ))),
    }
}
