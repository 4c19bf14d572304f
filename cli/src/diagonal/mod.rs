//! `groktime diagonal`: one diagonal linear net under gradient flow with weight decay, or its slow flow.

mod picture;
mod report;
mod source;

use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use groktime::Loss;
use groktime::data::files::write_npy;
use groktime::diagonal::theorems::Inputs;
use groktime::diagonal::{Run, Settings, SlowFlow, Snapshot};
use groktime::trajectory::even_times;
use ndarray::Array2;

use self::report::{Curves, Report};
use self::source::{InitArguments, Loaded, LossName, SourceArguments, TaskName};
use crate::arguments::{Numbers, OutputArguments, array_path};
use crate::output::{self, Answer, Failure, Said};
use crate::progress::Progress;

#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    pub source: SourceArguments,
    #[command(flatten)]
    pub init: InitArguments,
    #[command(flatten)]
    pub question: Question,
    /// Weights w at the reported times (times × d)
    #[arg(long, value_name = "FILE.npy", value_parser = array_path, help_heading = "Output")]
    pub weights: Option<PathBuf>,
    #[command(flatten)]
    pub output: OutputArguments,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Question")]
pub struct Question {
    /// L of w = u^L − v^L
    #[arg(long, value_name = "L", default_value_t = 2)]
    pub depth: u32,
    /// ℓ; the training loss is its mean [default: logistic; gaussian task: squared]
    #[arg(long, value_name = "LOSS")]
    pub loss: Option<LossName>,
    /// λ of the objective 𝓛 + (λ/2)‖θ‖²
    #[arg(long, value_name = "λ", default_value_t = 1e-3)]
    pub weight_decay: f64,
    /// Last flow time t = step size × steps [default: 3·ln‖θ(0)‖₂/λ, at least 3/λ: well past the transition]; with --slow-flow in τ
    #[arg(long, value_name = "T")]
    pub horizon: Option<f64>,
    /// Relative error of one step of the integrator, 1e-12 to 1e-3
    #[arg(long, value_name = "R", default_value_t = 1e-8)]
    pub rtol: f64,
    /// Flow times to report (with --slow-flow: τ) [default: a logarithmic grid up to the horizon]
    #[arg(long, value_name = "T1,T2,…")]
    pub at: Option<Numbers>,
    /// No statements: on large data they cost more than the flow
    #[arg(long, conflicts_with = "slow_flow")]
    pub no_statements: bool,
    /// The limit λ → 0 at fixed τ = λt (squared loss), and its distance from the flow at the given λ
    #[arg(long)]
    pub slow_flow: bool,
}

impl Arguments {
    fn loss(&self) -> Loss {
        match (self.question.loss, self.source.task()) {
            (Some(name), _) => name.into(),
            (None, Some(TaskName::Gaussian)) => Loss::Squared,
            (None, _) => Loss::Logistic,
        }
    }

    fn settings(&self, dimension: usize) -> Result<Settings, Failure> {
        let question = &self.question;
        let init = self.init.load(dimension)?;
        let decay = question.weight_decay;
        if !(decay >= 0.0 && decay.is_finite()) {
            return Err(Failure::Input(format!(
                "--weight-decay is {decay}, expected a number of at least 0"
            )));
        }
        let span = 3.0 * source::norm(&init, dimension).ln().max(1.0);
        let horizon = match (question.horizon, question.slow_flow) {
            (Some(horizon), _) => horizon,
            (None, true) => span,
            (None, false) if decay > 0.0 => span / decay,
            (None, false) => {
                return Err(Failure::Input("--weight-decay 0 has no transition: give --horizon".into()));
            }
        };
        if !(horizon > 0.0 && horizon.is_finite()) {
            return Err(Failure::Input(format!("--horizon is {horizon}, expected a positive number")));
        }
        let rtol = question.rtol;
        Ok(Settings {
            depth: question.depth,
            init,
            weight_decay: decay,
            horizon,
            rtol,
            ..Settings::default()
        })
    }

    /// The times to report, none past the horizon.
    fn times(&self, horizon: f64) -> Result<Vec<f64>, Failure> {
        let Some(at) = &self.question.at else {
            let tau = self.question.slow_flow;
            return Ok(if tau { even_times(horizon, 24) } else { default_times(horizon) });
        };
        let times = at.times::<f64>().map_err(Failure::Input)?;
        match times.iter().find(|t| **t > horizon) {
            Some(t) => Err(Failure::Input(format!("--at {t} is past the horizon {horizon} (--horizon)"))),
            None => Ok(times),
        }
    }
}

/// Six decades: three times each, and eight in the last.
fn default_times(horizon: f64) -> Vec<f64> {
    let top = horizon.log10().floor() as i32;
    let mut times = vec![0.0];
    for exponent in top - 5..=top {
        let digits: &[f64] =
            if exponent < top - 1 { &[1.0, 2.0, 5.0] } else { &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0] };
        // Through the decimal literal: 0.3 and not 3·0.1.
        let nice = digits.iter().filter_map(|digit| format!("{digit}e{exponent}").parse::<f64>().ok());
        times.extend(nice.filter(|t| *t < horizon));
    }
    times.push(horizon);
    times
}

/// Operations of a flow of usual length, and of the second one for its error bars: some 900 passes over the data and
/// 15 weighted Gram matrices.
fn operations(samples: f64, dimension: f64) -> f64 {
    3600.0 * samples * dimension + 15.0 * samples.powi(2) * dimension
}

pub fn answer(arguments: &Arguments) -> Result<Answer, Failure> {
    arguments.output.prepare(&arguments.weights)?;
    let Loaded { problem, test } = arguments.source.load(arguments.loss())?;
    let settings = arguments.settings(problem.design().dimension())?;
    if !arguments.question.no_statements && !arguments.question.slow_flow {
        let n = problem.design().samples();
        groktime::memory::check_array("statements about the samples (--no-statements)", &[4, n, n])?;
    }
    let times = arguments.times(settings.horizon)?;
    let (n, d) = (problem.design().samples() as f64, problem.design().dimension() as f64);
    crate::progress::announce(operations(n, d), !arguments.output.quiet);
    match arguments.question.slow_flow {
        false => {
            let run = integrate(&problem, &settings, arguments.output.quiet)?;
            let curves = Curves::new(&problem, &test, |t| run.snapshot(t));
            let statements = match arguments.question.no_statements {
                true => Vec::new(),
                false => {
                    run.statements(&Inputs { relevant: arguments.source.relevant(), ..Inputs::default() })?
                }
            };
            let reported = Curves::new(&problem, &test, |t| run.snapshot_with_errors(t));
            write(arguments, &curves, &reported, &times, Report::of_run(&run, statements))
        }
        true => {
            if problem.loss().is_margin() {
                let name = problem.loss().name();
                return Err(Failure::Input(format!("--slow-flow needs --loss squared, not {name}")));
            }
            let slow = SlowFlow::new(&problem, &settings.init, settings.depth, settings.horizon)?;
            let distance = report::distance(&slow, &problem, &settings, arguments.output.quiet)?;
            let curves = Curves::new(&problem, &test, |tau| slow.snapshot(tau));
            write(arguments, &curves, &curves, &times, Report::of_slow_flow(&settings, distance))
        }
    }
}

/// The flow, with a bar on a terminal.
fn integrate<'p>(
    problem: &'p groktime::diagonal::Problem,
    settings: &Settings,
    quiet: bool,
) -> Result<Run<'p>, Failure> {
    let progress = Progress::new("gradient flow", !quiet);
    let run = Run::watched(problem, settings, |t| {
        progress.at(t / settings.horizon);
        ControlFlow::Continue(())
    })?;
    Ok(run)
}

/// Everything that was asked for: files are written, the rest is the answer. `reported` has the error bars, which
/// pictures and transitions do without.
fn write<S, E>(
    arguments: &Arguments,
    curves: &Curves<'_, S>,
    reported: &Curves<'_, E>,
    times: &[f64],
    mut report: Report,
) -> Result<Answer, Failure>
where
    S: Fn(f64) -> groktime::Result<Snapshot>,
    E: Fn(f64) -> groktime::Result<Snapshot>,
{
    let (rows, weights) = reported.at(times, arguments.weights.is_some())?;
    if let Some(path) = &arguments.weights {
        write_weights(path, weights, times.len())?;
    }
    if let Some(path) = &arguments.output.plot {
        let figure = picture::figure(arguments, curves, &report)?;
        crate::plot::write(&figure, path).map_err(Failure::writing)?;
    }
    if let Some(path) = &arguments.output.csv {
        report::write_rows(&rows, path)?;
    }
    let said = if arguments.output.json {
        Said::Json(report.json(arguments, curves, &rows)?)
    } else if arguments.output.quiet {
        Said::Nothing
    } else {
        let unit = if arguments.question.slow_flow { 1.0 } else { report.settings.weight_decay };
        report.transition = curves.passage(report.settings.horizon, unit)?;
        Said::Text(report.text(arguments, curves, &rows))
    };
    Ok(Answer { said, status: output::status(&report.statements) })
}

fn write_weights(path: &std::path::Path, weights: Vec<f64>, times: usize) -> Result<(), Failure> {
    let dimension = weights.len() / times.max(1);
    let matrix = Array2::from_shape_vec((times, dimension), weights);
    let matrix = matrix.map_err(|e| Failure::Computation(e.to_string()))?;
    write_npy(path, matrix.view()).map_err(Failure::writing)
}
