//! `groktime completion`: a matrix from some of its entries, through W = UUᵀ − VVᵀ.

mod picture;
mod report;
pub mod source;

use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use groktime::completion::{Problem, Record, Settings, SlowSettings, Solution};
use groktime::data::files::write_npy;
use groktime::linalg::Threads;
use groktime::trajectory::{Observable, Trajectory, even_times};
use ndarray::{Array3, Axis};

use self::report::Report;
use self::source::SourceArguments;
use crate::arguments::{Numbers, OutputArguments, array_path};
use crate::output::{self, Answer, Failure, Said};
use crate::progress::Progress;

/// Above this dimension only the reported times are kept, not the whole path.
const LARGEST_PATH: usize = 300;

/// Up to this dimension a second run gives error bars; above, the price is more than the digits are worth.
const LARGEST_ERRORS: usize = 200;

#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    pub source: SourceArguments,
    #[command(flatten)]
    pub question: Question,
    /// W at the reported times, an array of times × d × d (.npy)
    #[arg(long, value_name = "FILE.npy", value_parser = array_path, help_heading = "Output")]
    pub weights: Option<PathBuf>,
    #[command(flatten)]
    pub output: OutputArguments,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Question")]
pub struct Question {
    /// λ
    #[arg(long, value_name = "λ", default_value_t = 1e-4)]
    pub weight_decay: f64,
    /// Last time, in units of flow: step size × steps; with --slow-flow λt [default: 3 |log α|/λ, at least
    /// 3/λ; without decay the time of the fit]
    #[arg(long, value_name = "T")]
    pub horizon: Option<f64>,
    /// Relative tolerance, in [1e-11, 1e-6]
    #[arg(long, value_name = "R", default_value_t = 1e-8)]
    pub rtol: f64,
    /// Eigenvalues below this part of the largest, or below 20a², do not count in the rank
    #[arg(long, value_name = "R", default_value_t = 1e-6)]
    pub rank_tolerance: f64,
    /// The limit λ → 0 on the clock τ = λt
    #[arg(long)]
    pub slow_flow: bool,
    /// Times to report [default: 13 from 0 to the horizon]
    #[arg(long, value_name = "T1,T2,…")]
    pub at: Option<Numbers>,
}

/// What is reported at each time.
const OBSERVABLES: [Observable; 5] = [
    Observable::TrainLoss,
    Observable::TestLoss,
    Observable::ParameterNorm,
    Observable::NuclearNorm,
    Observable::Rank,
];

pub fn answer(arguments: &Arguments) -> Result<Answer, Failure> {
    arguments.output.prepare(&arguments.weights)?;
    let problem = arguments.source.load()?;
    let horizon = arguments.horizon(&problem)?;
    let times = match &arguments.question.at {
        Some(at) => at.times::<f64>().map_err(Failure::Input)?,
        None => even_times(horizon, 12),
    };
    if arguments.weights.is_some() {
        let d = problem.dimension();
        groktime::memory::check_array("the matrices at the reported times", &[times.len(), d, d])?;
    }
    // A flow of usual length: some hundred eigendecompositions and a few solutions for each step between them.
    let operations = 500.0 * (problem.dimension() as f64).powi(3);
    crate::progress::announce(operations, !arguments.output.quiet);
    let solution = solve(arguments, &problem, horizon, &times)?;
    let table = solution.observe(&times, &OBSERVABLES)?;
    let statements = match arguments.question.slow_flow {
        true => Vec::new(),
        false => solution.statements(&Default::default())?,
    };
    let errors = match problem.dimension() <= LARGEST_ERRORS {
        true => Some(solution.observe_errors(&times, &OBSERVABLES)?),
        false => None,
    };
    let report = Report {
        arguments,
        solution: &solution,
        table: &table,
        errors: errors.as_ref(),
        statements: &statements,
    };
    if let Some(path) = &arguments.output.plot {
        crate::plot::write(&picture::figure(&report)?, path).map_err(Failure::writing)?;
    }
    if let Some(path) = &arguments.output.csv {
        output::write_observations(path, &table)?;
    }
    if let Some(path) = &arguments.weights {
        write_weights(&solution, &times, path)?;
    }
    let said = match (arguments.output.json, arguments.output.quiet) {
        (true, _) => Said::Json(report.json()?),
        (false, false) => Said::Text(report.text()),
        (false, true) => Said::Nothing,
    };
    Ok(Answer { said, status: output::status(&statements) })
}

impl Arguments {
    /// The horizon given, or the problem's own.
    fn horizon(&self, problem: &Problem) -> Result<f64, Failure> {
        let Question { horizon, weight_decay, slow_flow, .. } = self.question;
        if !(weight_decay >= 0.0 && weight_decay.is_finite()) {
            return Err(Failure::Input(format!(
                "--weight-decay is {weight_decay}, expected a number of at least 0"
            )));
        }
        Ok(match (horizon, slow_flow) {
            (Some(horizon), _) => horizon,
            (None, true) => problem.default_slow_horizon(),
            (None, false) => problem.default_horizon(weight_decay),
        })
    }
}

fn solve(arguments: &Arguments, problem: &Problem, horizon: f64, times: &[f64]) -> Result<Solution, Failure> {
    let Question { weight_decay, rtol, rank_tolerance, slow_flow, .. } = arguments.question;
    let threads = Threads::All;
    if slow_flow {
        return Ok(problem.slow_flow(&SlowSettings { horizon, rtol, rank_tolerance, threads })?);
    }
    let record = match problem.dimension() > LARGEST_PATH && arguments.output.plot.is_none() {
        true => Record::At(times.to_vec()),
        false => Record::Path,
    };
    let settings = Settings { weight_decay, horizon, rtol, rank_tolerance, threads, record };
    let progress = Progress::new("gradient flow", !arguments.output.quiet);
    let solution = problem.flow_observed(&settings, |t| {
        // The steps are about even in log t, over some nine decades.
        progress.at((1.0 + (t / horizon).log10() / 9.0).max(0.0));
        ControlFlow::Continue(())
    })?;
    Ok(solution)
}

fn write_weights(solution: &Solution, times: &[f64], path: &std::path::Path) -> Result<(), Failure> {
    let d = solution.problem().dimension();
    let mut all = Array3::zeros((times.len(), d, d));
    for (&t, mut out) in times.iter().zip(all.axis_iter_mut(Axis(0))) {
        out.assign(&solution.state(t)?);
    }
    write_npy(path, all.view()).map_err(Failure::writing)
}
