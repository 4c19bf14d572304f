//! From flags to a diagonal net: data from files or drawn, what to test on, the initialisation.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use groktime::Loss;
use groktime::data::Design;
use groktime::data::accuracy::accuracy;
use groktime::data::files::{read_matrix, read_vector};
use groktime::data::tasks::{Law, Task};
use groktime::data::test_loss::expected_loss;
use groktime::diagonal::{Init, Problem};
use ndarray::{Array1, ArrayView1};

use crate::output::Failure;

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum TaskName {
    /// x uniform on {±1}^d, y the sign of a sum of k signed coordinates
    Sparse,
    /// Gaussian x with a gap along a random direction, which decides y
    L2Gap,
    /// Gaussian x, real y = ⟨w*, x⟩ + noise (squared loss)
    Gaussian,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum LossName {
    /// ln(1 + e^{−yf})
    Logistic,
    /// e^{−yf}
    Exponential,
    /// (f − y)², without ½; real labels
    Squared,
}

impl From<LossName> for Loss {
    fn from(name: LossName) -> Loss {
        match name {
            LossName::Logistic => Loss::Logistic,
            LossName::Exponential => Loss::Exponential,
            LossName::Squared => Loss::Squared,
        }
    }
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Problem")]
pub struct SourceArguments {
    /// Data X (samples × dimension; .npy, .npz:NAME, .csv); single precision stays so, ±1 are packed
    #[arg(long, value_name = "FILE", requires = "labels")]
    pub data: Option<PathBuf>,
    /// Labels y: ±1, or real for squared loss
    #[arg(long, value_name = "FILE", requires = "data")]
    pub labels: Option<PathBuf>,
    /// Draw the data instead [default: sparse]
    #[arg(long, value_name = "TASK", conflicts_with_all = ["data", "test_data"])]
    pub task: Option<TaskName>,
    /// Samples n to draw [default: 128]
    #[arg(long, value_name = "N", conflicts_with = "data")]
    pub samples: Option<usize>,
    /// Dimension d to draw [default: 1000]
    #[arg(long, value_name = "D", conflicts_with = "data")]
    pub dimension: Option<usize>,
    /// Coordinates of the teacher: sparse (odd) [default: 3], gaussian [default: all]
    #[arg(long, value_name = "K", conflicts_with = "data")]
    pub sparsity: Option<usize>,
    /// Gap of l2-gap [default: 5]
    #[arg(long, value_name = "G", conflicts_with = "data")]
    pub gap: Option<f64>,
    /// Standard deviation of label noise of gaussian [default: 0]
    #[arg(long, value_name = "S", conflicts_with = "data")]
    pub noise_std: Option<f64>,
    /// Data of a held-out sample (drawn tasks need none: their test loss and accuracy are integrals)
    #[arg(long, value_name = "FILE", requires = "test_labels", requires = "data")]
    pub test_data: Option<PathBuf>,
    /// Labels of the held-out sample
    #[arg(long, value_name = "FILE", requires = "test_data")]
    pub test_labels: Option<PathBuf>,
    /// Seed of every random draw
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

/// A problem and what is known of its test distribution.
pub struct Loaded {
    pub problem: Problem,
    pub test: Test,
}

/// On what the predictor is tested.
pub enum Test {
    Nothing,
    /// The whole law of a drawn task.
    Law {
        law: Law,
        teacher: Array1<f64>,
    },
    Sample {
        data: Design,
        labels: Vec<f64>,
    },
}

impl Test {
    /// P(sign f = y), ties counting ½; `None` where there are no classes.
    pub fn accuracy(&self, weights: ArrayView1<'_, f64>) -> Result<Option<f64>, Failure> {
        match self {
            Test::Nothing => Ok(None),
            Test::Law { law, teacher } => Ok(accuracy(*law, teacher.view(), weights)?),
            Test::Sample { labels, .. } if labels.iter().any(|y| y.abs() != 1.0) => Ok(None),
            Test::Sample { data, labels } => {
                let outputs = apply(data, weights);
                let score = |(f, y): (&f64, &f64)| match f * y {
                    m if m > 0.0 => 1.0,
                    0.0 => 0.5,
                    _ => 0.0,
                };
                Ok(Some(outputs.iter().zip(labels).map(score).sum::<f64>() / labels.len() as f64))
            }
        }
    }

    /// E ℓ(f; y).
    pub fn loss(&self, loss: Loss, weights: ArrayView1<'_, f64>) -> Result<Option<f64>, Failure> {
        match self {
            Test::Nothing => Ok(None),
            Test::Law { law, teacher } => Ok(expected_loss(*law, loss, teacher.view(), weights)?),
            Test::Sample { data, labels } => Ok(Some(loss.mean(&apply(data, weights), labels))),
        }
    }

    /// What a report says about it.
    pub fn name(&self) -> String {
        match self {
            Test::Nothing => "nothing".into(),
            Test::Law { .. } => "the law of the task".into(),
            Test::Sample { labels, .. } => format!("a held-out sample of {}", labels.len()),
        }
    }
}

fn apply(data: &Design, weights: ArrayView1<'_, f64>) -> Vec<f64> {
    let mut outputs = vec![0.0; data.samples()];
    data.apply(&weights.to_vec(), &mut outputs, Default::default());
    outputs
}

impl SourceArguments {
    /// The task that is drawn, or none for files.
    pub fn task(&self) -> Option<TaskName> {
        match (&self.data, self.task) {
            (Some(_), _) => None,
            (None, task) => Some(task.unwrap_or(TaskName::Sparse)),
        }
    }

    /// k of the sparse task.
    pub fn relevant(&self) -> Option<usize> {
        (self.task() == Some(TaskName::Sparse)).then(|| self.sparsity.unwrap_or(3))
    }

    pub fn load(&self, loss: Loss) -> Result<Loaded, Failure> {
        match (&self.data, &self.labels, self.task()) {
            (Some(data), Some(labels), _) => self.read(data, labels, loss),
            (_, _, Some(task)) => self.draw(task, loss),
            _ => Err(Failure::Input("--data needs --labels".into())),
        }
    }

    fn draw(&self, task: TaskName, loss: Loss) -> Result<Loaded, Failure> {
        let dimension = self.dimension.unwrap_or(1000);
        let unused = [
            ("--sparsity", self.sparsity.is_some(), task != TaskName::L2Gap, "sparse and gaussian"),
            ("--gap", self.gap.is_some(), task == TaskName::L2Gap, "l2-gap"),
            ("--noise-std", self.noise_std.is_some(), task == TaskName::Gaussian, "gaussian"),
        ];
        if let Some((flag, _, _, tasks)) = unused.iter().find(|(_, given, used, _)| *given && !used) {
            return Err(Failure::Input(format!("{flag} goes with --task {tasks}")));
        }
        if task == TaskName::Gaussian && loss.is_margin() {
            let name = loss.name();
            return Err(Failure::Input(format!(
                "--task gaussian has real labels: --loss squared, not {name}"
            )));
        }
        let law = match task {
            TaskName::Sparse => Law::SparseSigns { relevant: self.sparsity.unwrap_or(3) },
            TaskName::L2Gap => Law::Gap { gap: self.gap.unwrap_or(5.0) },
            TaskName::Gaussian => Law::Regression {
                relevant: self.sparsity.unwrap_or(dimension),
                noise_std: self.noise_std.unwrap_or(0.0),
            },
        };
        let samples = self.samples.unwrap_or(128);
        let drawn = Task { law, samples, dimension, seed: self.seed }.draw()?;
        Ok(Loaded {
            problem: Problem::new(drawn.design, drawn.labels.to_vec(), loss)?,
            test: Test::Law { law, teacher: drawn.teacher },
        })
    }

    fn read(&self, data: &Path, labels: &Path, loss: Loss) -> Result<Loaded, Failure> {
        let (design, labels) = read_sample(data, labels, loss)?;
        let test = match (&self.test_data, &self.test_labels) {
            (Some(data), Some(labels)) => {
                let (test, labels) = read_sample(data, labels, loss)?;
                if test.dimension() != design.dimension() {
                    return Err(Failure::Input(format!(
                        "--test-data {} has {} columns, expected {} as in --data",
                        data.display(),
                        test.dimension(),
                        design.dimension()
                    )));
                }
                Test::Sample { data: test, labels }
            }
            _ => Test::Nothing,
        };
        Ok(Loaded { problem: Problem::new(design, labels, loss)?, test })
    }
}

/// Data and labels of one sample, checked; errors name the file.
fn read_sample(data: &Path, labels: &Path, loss: Loss) -> Result<(Design, Vec<f64>), Failure> {
    let named = |path: &Path, e: groktime::Error| Failure::Input(format!("{}: {e}", path.display()));
    let design = Design::new(read_matrix(data)?.view()).map_err(|e| named(data, e))?;
    let y = read_vector(labels)?.to_vec();
    if y.len() != design.samples() {
        return Err(Failure::Input(format!(
            "{} has {} labels, expected {}, one a row of {}",
            labels.display(),
            y.len(),
            design.samples(),
            data.display()
        )));
    }
    loss.check_labels(&y).map_err(|e| named(labels, e))?;
    Ok((design, y))
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Initialisation")]
pub struct InitArguments {
    /// ‖θ(0)‖₂ of the symmetric start u = v = α·1, α = ‖θ(0)‖₂/√(2d) [default: 128]
    #[arg(long, value_name = "R", conflicts_with_all = ["init_coordinate", "init"])]
    pub init_norm: Option<f64>,
    /// α itself
    #[arg(long, value_name = "α", conflicts_with = "init")]
    pub init_coordinate: Option<f64>,
    /// u(0) and v(0), the two rows of a file
    #[arg(long, value_name = "FILE")]
    pub init: Option<PathBuf>,
}

impl InitArguments {
    pub fn load(&self, dimension: usize) -> Result<Init, Failure> {
        let positive = |flag: &str, x: f64| match x.is_finite() && x > 0.0 {
            true => Ok(x),
            false => Err(Failure::Input(format!("{flag} is {x}, expected a positive number"))),
        };
        if let Some(path) = &self.init {
            let matrix = read_matrix(path)?;
            if matrix.dim() != (2, dimension) {
                return Err(Failure::Input(format!(
                    "--init {} has shape {:?}, expected [2, {dimension}]: u(0) and v(0) as rows",
                    path.display(),
                    matrix.shape()
                )));
            }
            return Ok(Init::Each { u: matrix.row(0).to_vec(), v: matrix.row(1).to_vec() });
        }
        match self.init_coordinate {
            Some(alpha) => Ok(Init::Symmetric(positive("--init-coordinate", alpha)?)),
            None => {
                let norm = positive("--init-norm", self.init_norm.unwrap_or(128.0))?;
                Ok(Init::with_norm(norm, dimension))
            }
        }
    }
}

/// ‖θ(0)‖₂.
pub fn norm(init: &Init, dimension: usize) -> f64 {
    match init {
        Init::Symmetric(alpha) => alpha * (2.0 * dimension as f64).sqrt(),
        Init::Each { u, v } => u.iter().chain(v).map(|x| x * x).sum::<f64>().sqrt(),
    }
}
