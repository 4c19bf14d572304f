//! From flags to a completion problem.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use groktime::completion::{Init, Problem};
use groktime::data::Observations;
use groktime::data::files::{read_array, read_matrix};
use groktime::data::matrices::{LowRank, cosine_similarity, multiplication_table, random_subset};
use ndarray::{Array2, Axis, Ix3, s};

use crate::images;
use crate::output::Failure;

#[derive(Args, Debug)]
#[command(next_help_heading = "Problem")]
pub struct SourceArguments {
    /// The symmetric matrix to complete (.npy, .npz:NAME, .csv); NaN where it is not known
    #[arg(long, value_name = "M.npy", conflicts_with = "task")]
    pub matrix: Option<PathBuf>,
    /// Which entries are seen: not zero where seen, the size of the matrix
    #[arg(long, value_name = "K.npy", conflicts_with_all = ["observations", "fraction", "count"])]
    pub mask: Option<PathBuf>,
    /// Seen entries as rows i,j,y, indices from 0; --matrix is then what the test loss compares with
    #[arg(long, value_name = "O.csv", conflicts_with_all = ["task", "fraction", "count"])]
    pub observations: Option<PathBuf>,
    /// A matrix to complete instead of a file
    #[arg(long, value_enum)]
    pub task: Option<Task>,
    /// d [default: 97; digits: 100]
    #[arg(long, value_name = "D")]
    pub dimension: Option<usize>,
    /// Rank of low-rank
    #[arg(long, value_name = "R", default_value_t = 2)]
    pub rank: usize,
    /// How many of its eigenvalues are negative
    #[arg(long, value_name = "R", default_value_t = 0)]
    pub negative: usize,
    /// Its coherence: 0 spreads its eigenvectors, 1 puts them on axes
    #[arg(long, value_name = "S", default_value_t = 0.0)]
    pub spikiness: f64,
    /// Part of the d² entries that is seen, drawn at random [default: 0.05]
    #[arg(long, value_name = "F")]
    pub fraction: Option<f64>,
    /// The number of entries that are seen instead of the part
    #[arg(long, value_name = "N", conflicts_with = "fraction")]
    pub count: Option<usize>,
    /// α: U(0) = V(0) = αI
    #[arg(long, value_name = "α", default_value_t = 10.0)]
    pub init_coordinate: f64,
    /// U(0) and V(0) as an array of 2 × d × k
    #[arg(long, value_name = "UV.npy", conflicts_with = "perturbation")]
    pub init: Option<PathBuf>,
    /// σ: entries of U(0) and V(0) drawn from N(α·1{i = j}, σ²)
    #[arg(long, value_name = "σ")]
    pub perturbation: Option<f64>,
    /// Seed of what is drawn
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub enum Task {
    /// ij/d², i, j = 0 … d − 1
    Table,
    /// Random, of rank --rank
    LowRank,
    /// Cosines between the first images of UCI digits (data/digits/LICENSE.md)
    Digits,
}

impl Task {
    pub fn name(self) -> &'static str {
        match self {
            Task::Table => "table",
            Task::LowRank => "low-rank",
            Task::Digits => "digits",
        }
    }
}

impl SourceArguments {
    pub fn load(&self) -> Result<Problem, Failure> {
        let (observations, truth) = match (&self.observations, &self.matrix) {
            (Some(path), truth) => {
                let truth = truth.as_deref().map(read_matrix).transpose()?;
                (self.listed(path, truth.as_ref())?, truth)
            }
            (None, Some(path)) => self.masked(read_matrix(path)?)?,
            (None, None) => self.masked(self.task()?)?,
        };
        Ok(Problem::new(observations, truth, self.initial()?)?)
    }

    /// Rows i, j, y.
    fn listed(&self, path: &Path, truth: Option<&Array2<f64>>) -> Result<Observations, Failure> {
        let rows = read_matrix(path)?;
        if rows.ncols() != 3 {
            let found = rows.ncols();
            return Err(Failure::Input(format!("{}: {found} columns, expected i,j,y", path.display())));
        }
        let mut list = Vec::new();
        for (line, row) in rows.rows().into_iter().enumerate() {
            let index = |x: f64| match x.fract() == 0.0 && (0.0..1e9).contains(&x) {
                true => Ok(x as usize),
                false => {
                    let text =
                        format!("{}: row {line} has the index {x}, expected 0, 1, 2, …", path.display());
                    Err(Failure::Input(text))
                }
            };
            list.push((index(row[0])?, index(row[1])?, row[2]));
        }
        let largest = list.iter().map(|e| e.0.max(e.1) + 1).max().unwrap_or(0);
        let dimension = self.dimension.or(truth.map(|x| x.nrows())).unwrap_or(largest);
        Ok(Observations::from_list(dimension, &list)?)
    }

    /// Seen entries of a matrix: by the mask, at random, or all that are known.
    fn masked(&self, matrix: Array2<f64>) -> Result<(Observations, Option<Array2<f64>>), Failure> {
        if let Some(path) = &self.mask {
            let mask = read_matrix(path)?;
            return Ok((Observations::from_mask(matrix.view(), mask.view())?, Some(matrix)));
        }
        let d = matrix.nrows();
        if matrix.ncols() != d {
            return Err(Failure::Input(format!(
                "the matrix has the shape {:?}, expected a square",
                matrix.dim()
            )));
        }
        let known: Vec<(usize, usize)> =
            matrix.indexed_iter().filter(|(_, x)| !x.is_nan()).map(|(at, _)| at).collect();
        let count = match (self.count, self.fraction, self.matrix.is_some()) {
            (Some(count), _, _) => count,
            (None, None, true) => known.len(),
            (None, fraction, _) => {
                let fraction = fraction.unwrap_or(0.05);
                if !(fraction > 0.0 && fraction <= 1.0) {
                    return Err(Failure::Input(format!(
                        "--fraction is {fraction}, expected a number in (0, 1]"
                    )));
                }
                // As the paper's code: rounded down (470 of 97² for 5%).
                ((fraction * known.len() as f64) as usize).max(1)
            }
        };
        let chosen = match count == known.len() {
            true => (0..count).collect(),
            false => random_subset(known.len(), count, self.seed)?,
        };
        let list: Vec<(usize, usize, f64)> =
            chosen.into_iter().map(|k| (known[k].0, known[k].1, matrix[known[k]])).collect();
        Ok((Observations::from_list(d, &list)?, Some(matrix)))
    }

    fn task(&self) -> Result<Array2<f64>, Failure> {
        let task = self.task.unwrap_or(Task::Table);
        let d = self.dimension.unwrap_or(if task == Task::Digits { 100 } else { 97 });
        if d == 0 {
            return Err(Failure::Input("--dimension is 0, expected at least 1".into()));
        }
        // As a problem, and the list of what is known of it.
        groktime::memory::check_array("the matrix and the state of its flow", &[51, d, d])?;
        match task {
            Task::Table => Ok(multiplication_table(d)),
            Task::LowRank => {
                let Self { rank, negative, spikiness, seed, .. } = *self;
                Ok(LowRank { dimension: d, rank, negative, spikiness, seed }.draw()?)
            }
            Task::Digits => digits(d),
        }
    }

    fn initial(&self) -> Result<Init, Failure> {
        let coordinate = self.init_coordinate;
        if let Some(path) = &self.init {
            let array = read_array(path)?;
            let shape = array.shape().to_vec();
            let wrong = || Failure::Input(format!("{}: shape {shape:?}, expected 2 × d × k", path.display()));
            let factors = array.into_dimensionality::<Ix3>().map_err(|_| wrong())?;
            if factors.len_of(Axis(0)) != 2 {
                return Err(wrong());
            }
            let [u, v] = [0, 1].map(|k| factors.index_axis(Axis(0), k).to_owned());
            return Ok(Init::Factors { u, v });
        }
        Ok(match self.perturbation {
            Some(std) => Init::Perturbed { coordinate, std, seed: self.seed },
            None => Init::Identity { coordinate },
        })
    }
}

/// Cosines between the first d images of UCI digits, relative to their mean image.
fn digits(d: usize) -> Result<Array2<f64>, Failure> {
    let all = images::small()?.pixels;
    if d < 2 || d > all.nrows() {
        return Err(Failure::Input(format!("--dimension {d}: digits have 2 to {} images", all.nrows())));
    }
    Ok(cosine_similarity(all.slice(s![..d, ..]))?)
}
