//! `groktime effective`: the effective theory of one training set, or of many random ones.

mod few;
mod many;
mod memory;
mod picture;
mod report;
mod source;
mod training_set;

use clap::{Args, ValueEnum};
use groktime::effective::{Convention, Gradient, Match, Normalisation, Settings};
use groktime::linalg::Engine;

use self::report::Report;
use self::source::SourceArguments;
use crate::arguments::{Numbers, OutputArguments};
use crate::output::{self, Answer, Failure, Said};

#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    pub source: SourceArguments,
    #[command(flatten)]
    pub question: Question,
    /// Random training sets of the given size instead of one (one stream of the seed each)
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Question")]
    pub runs: usize,
    /// Only the K smallest eigenvalues, for many symbols: lists of eigenvalues hold K values
    #[arg(long, value_name = "K", help_heading = "Question")]
    pub smallest: Option<usize>,
    /// With --smallest: do without the proof that no smaller eigenvalue was missed (p³/3 operations, 8p² bytes)
    #[arg(long, requires = "smallest", help_heading = "Question")]
    pub no_proof: bool,
    #[command(flatten)]
    pub output: OutputArguments,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Question")]
pub struct Question {
    /// Loss as a mean over the parallelograms (paper) or as their sum (the authors' code: rates N times larger)
    #[arg(long, value_enum, default_value_t)]
    pub convention: ConventionName,
    /// Z0 of one dimension of the normalised embeddings: p (paper) or p-1 (the authors' code)
    #[arg(long, value_enum, default_value_t)]
    pub normalisation: NormalisationName,
    /// Gradient of ℓ0/Z0, or E' = −HE with Z0 frozen
    #[arg(long, value_enum, default_value_t)]
    pub gradient: GradientName,
    /// Times of the flow to report (with --init)
    #[arg(long, value_name = "T1,T2,…")]
    pub at: Option<Numbers>,
    /// θ: report the first time with RQI > θ
    #[arg(long, value_name = "θ", default_value_t = 0.95)]
    pub rqi_threshold: f64,
    /// Also report the first time with predicted accuracy > P
    #[arg(long, value_name = "P")]
    pub accuracy_threshold: Option<f64>,
    /// δ: how close E_i + E_j and E_m + E_n must be (0.01: paper; 0.1: the authors' code)
    #[arg(long, value_name = "δ", default_value_t = 0.01)]
    pub delta: f64,
    /// Compare the norm of the difference with δ (paper), or its mean square over dimensions with δ² (code)
    #[arg(long = "match", value_enum, default_value_t)]
    pub matching: MatchName,
    /// η of n_h = 1/(λ3·η)
    #[arg(long, value_name = "η", default_value_t = 1e-3)]
    pub step_size: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, ValueEnum)]
pub enum ConventionName {
    #[default]
    Mean,
    Sum,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, ValueEnum)]
pub enum NormalisationName {
    #[value(name = "1")]
    One,
    #[default]
    #[value(name = "p")]
    Symbols,
    #[value(name = "p-1")]
    SymbolsLessOne,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, ValueEnum)]
pub enum GradientName {
    #[default]
    Full,
    Linear,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, ValueEnum)]
pub enum MatchName {
    #[default]
    Norm,
    MeanSquare,
}

impl Question {
    pub fn normalisation(&self) -> Normalisation {
        match self.normalisation {
            NormalisationName::One => Normalisation::One,
            NormalisationName::Symbols => Normalisation::Symbols,
            NormalisationName::SymbolsLessOne => Normalisation::SymbolsLessOne,
        }
    }

    pub fn settings(&self) -> Settings {
        Settings {
            convention: match self.convention {
                ConventionName::Mean => Convention::Mean,
                ConventionName::Sum => Convention::Sum,
            },
            gradient: match self.gradient {
                GradientName::Full => Gradient::Full,
                GradientName::Linear => Gradient::Linear,
            },
            matching: match self.matching {
                MatchName::Norm => Match::Norm { delta: self.delta },
                MatchName::MeanSquare => Match::MeanSquare { delta: self.delta },
            },
        }
    }

    fn validate(&self) -> Result<(), Failure> {
        let positive = |name: &str, x: f64| match x > 0.0 && x.is_finite() {
            true => Ok(()),
            false => Err(Failure::Input(format!("{name} is {x}, expected a positive number"))),
        };
        positive("--delta", self.delta)?;
        positive("--step-size", self.step_size)?;
        match (0.0..1.0).contains(&self.rqi_threshold) {
            true => Ok(()),
            false => Err(Failure::Input(format!(
                "--rqi-threshold is {}, expected at least 0 and below 1",
                self.rqi_threshold
            ))),
        }
    }
}

pub fn answer(arguments: &Arguments) -> Result<Answer, Failure> {
    arguments.output.prepare(&None)?;
    arguments.question.validate()?;
    memory::check(arguments)?;
    // Eigenvectors of a p × p matrix, or the Cholesky factor of the proof; many draws are about eigenvalues alone.
    let p = arguments.source.symbols.unwrap_or(0) as f64;
    let each = match (arguments.smallest, arguments.no_proof) {
        (None, _) => 9.0,
        (Some(_), false) => 1.0 / 3.0,
        (Some(_), true) => 0.0,
    };
    let draws = if arguments.runs > 1 { 0.0 } else { 1.0 };
    crate::progress::announce(draws * each * p.powi(3), !arguments.output.quiet);
    match (arguments.runs, arguments.smallest) {
        (0, _) => Err(Failure::Input("--runs is 0, expected at least 1".into())),
        (1, None) => single(arguments),
        (1, Some(count)) => few::answer(arguments, count),
        (_, Some(_)) => Err(Failure::Input("--smallest is about one training set: drop --runs".into())),
        (_, None) => many::answer(arguments),
    }
}

fn single(arguments: &Arguments) -> Result<Answer, Failure> {
    let times =
        arguments.question.at.as_ref().map(|at| at.times::<f64>().map_err(Failure::Input)).transpose()?;
    if times.is_some() && arguments.source.init.is_none() {
        return Err(Failure::Input(
            "--at asks for the flow of embeddings: give --init E.npy (or gaussian)".into(),
        ));
    }
    let problem = arguments.source.problem()?;
    let embeddings = arguments.source.embeddings(&problem, arguments.question.normalisation())?;
    let spectrum = problem.spectrum(Engine::PARALLEL)?;
    let report = Report::new(arguments, &spectrum, embeddings.as_ref(), times)?;
    if let Some(path) = &arguments.output.plot {
        crate::plot::write(&picture::figure(arguments, &report)?, path).map_err(Failure::writing)?;
    }
    if let Some(path) = &arguments.output.csv {
        report.write(path)?;
    }
    let said = match (arguments.output.json, arguments.output.quiet) {
        (true, _) => Said::Json(report.json(arguments)?),
        (false, false) => Said::Text(report.text(arguments)),
        (false, true) => Said::Nothing,
    };
    Ok(Answer { said, status: output::status(&report.statements) })
}
