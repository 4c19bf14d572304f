//! `groktime ridge`: one ridge regression problem, or many draws of it.

mod picture;
mod report;
pub mod source;

use clap::Args;
use groktime::linalg::Engine;
use groktime::ridge::theorems::Inputs;
use groktime::ridge::{ClosedForm, Settings};
use groktime::trajectory::{Clock, Observable, Trajectory, log_times};
use rayon::prelude::*;

use self::report::{Report, Runs};
use self::source::SourceArguments;
use crate::Status;
use crate::arguments::{Numbers, OutputArguments};
use crate::output::{self, Answer, Failure, Said};

#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    pub source: SourceArguments,
    #[command(flatten)]
    pub question: Question,
    /// Independent draws (seeds seed, seed+1, …) instead of one problem
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Question")]
    pub runs: u64,
    #[command(flatten)]
    pub output: OutputArguments,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Question")]
pub struct Question {
    /// η
    #[arg(long, value_name = "η", default_value_t = 1.0)]
    pub step_size: f64,
    /// λ
    #[arg(long, value_name = "λ", default_value_t = 1e-4)]
    pub weight_decay: f64,
    /// ε: t1 is the last time with training loss ≥ ε
    #[arg(long, value_name = "ε", default_value_t = 0.01)]
    pub train_threshold: f64,
    /// c: t2 is the first time with test loss ≤ c
    #[arg(long, value_name = "c", default_value_t = 0.01)]
    pub test_threshold: f64,
    /// Also report the first time at which the accuracy is at least P
    #[arg(long, value_name = "P")]
    pub accuracy_threshold: Option<f64>,
    /// The accuracy is P((N − N*)² ≤ TOL) [default: 0.01; digits: 1, so that an output between 0 and twice the ±1 label is right]
    #[arg(long, value_name = "TOL")]
    pub accuracy_tolerance: Option<f64>,
    /// δ of the probabilistic bounds
    #[arg(long, value_name = "δ", default_value_t = 0.05)]
    pub failure_probability: f64,
    /// Gradient flow (clock τ = η·step) instead of gradient descent
    #[arg(long)]
    pub flow: bool,
    /// Times to report: steps, or flow times with --flow
    #[arg(long, value_name = "T1,T2,…")]
    pub at: Option<Numbers>,
}

impl Arguments {
    fn settings(&self) -> Settings {
        let digits = self.source.features == crate::arguments::Source::Keyword(source::FeatureLaw::Digits);
        Settings {
            step_size: self.question.step_size,
            weight_decay: self.question.weight_decay,
            accuracy_tolerance: self.question.accuracy_tolerance.unwrap_or(if digits { 1.0 } else { 0.01 }),
            ..Settings::default()
        }
    }

    fn inputs(&self) -> Inputs {
        Inputs {
            train_threshold: self.question.train_threshold,
            test_threshold: self.question.test_threshold,
            failure_probability: self.question.failure_probability,
            init_variance: self.source.known_variance(),
            ..Inputs::default()
        }
    }
}

/// Operations of one problem of n samples and width m: the Gram matrix and its eigenvectors, and where Σ is not a
/// multiple of the identity its products with them.
fn operations(arguments: &Arguments) -> f64 {
    use self::source::FeatureLaw::{Fourier, Relu};
    use crate::arguments::Source::{File, Keyword};
    let source = &arguments.source;
    let (n, m) = (source.samples.unwrap_or(100) as f64, source.width.unwrap_or(1000) as f64);
    let (small, large) = (n.min(m), n.max(m));
    let law = match source.features {
        // Their size is not known yet.
        File(_) => return 0.0,
        Keyword(Relu | Fourier) => 2.0 * m * m * (source.input_dim as f64 + small),
        Keyword(_) => 0.0,
    };
    small * small * large + 9.0 * small.powi(3) + law
}

pub fn answer(arguments: &Arguments) -> Result<Answer, Failure> {
    arguments.output.prepare(&None)?;
    if arguments.runs == 0 {
        return Err(Failure::Input("--runs is 0, expected at least 1".into()));
    }
    crate::progress::announce(arguments.runs as f64 * operations(arguments), !arguments.output.quiet);
    match (arguments.runs, arguments.question.flow) {
        (1, false) => single::<u64>(arguments, |s, settings| s.descent(settings)),
        (1, true) => single::<f64>(arguments, |s, settings| s.flow(settings)),
        (_, false) => many::<u64>(arguments, |s, settings| s.descent(settings)),
        (_, true) => many::<f64>(arguments, |s, settings| s.flow(settings)),
    }
}

/// How a spectrum becomes a trajectory on one clock.
trait Solve<T>:
    for<'s, 'a> Fn(&'s groktime::ridge::Spectrum<'a>, &Settings) -> groktime::Result<ClosedForm<'s, 'a, T>> + Sync
{
}

impl<T, F> Solve<T> for F where
    F: for<'s, 'a> Fn(
            &'s groktime::ridge::Spectrum<'a>,
            &Settings,
        ) -> groktime::Result<ClosedForm<'s, 'a, T>>
        + Sync
{
}

fn single<T: Clock>(arguments: &Arguments, solve: impl Solve<T>) -> Result<Answer, Failure> {
    let times = requested_times::<T>(arguments)?;
    let owned = arguments.source.load(arguments.source.seed)?;
    let problem = owned.problem();
    let spectrum = problem.spectrum(Engine::PARALLEL)?;
    let form = solve(&spectrum, &arguments.settings())?;
    let inputs = arguments.inputs();
    let report = Report::new(&form, &inputs, arguments.question.accuracy_threshold)?;
    let times = times.unwrap_or_else(|| report.default_times());
    if let Some(path) = &arguments.output.plot {
        crate::plot::write(&picture::losses(&form, &report), path).map_err(Failure::writing)?;
    }
    if let Some(path) = &arguments.output.csv {
        report::write_times(&form, &times, path)?;
    }
    let said = match (arguments.output.json, arguments.output.quiet) {
        (true, _) => Said::Json(report.json(arguments, &form, &times)?),
        (false, false) => Said::Text(report.text(arguments, &form, &times)?),
        (false, true) => Said::Nothing,
    };
    Ok(Answer { said, status: output::status(&report.statements) })
}

fn many<T: Clock>(arguments: &Arguments, solve: impl Solve<T>) -> Result<Answer, Failure> {
    let files = matches!(arguments.source.features, crate::arguments::Source::File(_));
    if files && arguments.source.init.is_some() && arguments.source.teacher.is_some() {
        return Err(Failure::Input(
            "--runs: features, teacher and init are all given, nothing is drawn".into(),
        ));
    }
    if arguments.output.plot.is_some() {
        return Err(Failure::Input("--plot shows one problem: drop --runs".into()));
    }
    // The result of a run: its statements, and as JSON with them.
    let each = if arguments.output.json { 400e3 } else { 20e3 };
    groktime::memory::check(format!("the results of {} runs", arguments.runs), each * arguments.runs as f64)?;
    let seeds: Vec<u64> = (0..arguments.runs).map(|i| arguments.source.seed.wrapping_add(i)).collect();
    let times = requested_times::<T>(arguments)?.unwrap_or_default();
    let one = |&seed: &u64| -> Result<report::Run<T>, Failure> {
        let owned = arguments.source.load(seed)?;
        let problem = owned.problem();
        let spectrum = problem.spectrum(Engine::SEQUENTIAL)?;
        let form = solve(&spectrum, &arguments.settings())?;
        let report = Report::new(&form, &arguments.inputs(), arguments.question.accuracy_threshold)?;
        let json = if arguments.output.json { Some(report.json(arguments, &form, &times)?) } else { None };
        Ok(report::Run { seed, times: report.times, statements: report.statements, json })
    };
    let runs = Runs(seeds.par_iter().map(one).collect::<Result<Vec<_>, _>>()?);
    if let Some(path) = &arguments.output.csv {
        runs.write(path)?;
    }
    let said = match (arguments.output.json, arguments.output.quiet) {
        (true, _) => Said::Json(runs.json()),
        (false, false) => Said::Text(runs.text()),
        (false, true) => Said::Nothing,
    };
    Ok(Answer { said, status: if runs.violated() { Status::Violated } else { Status::Done } })
}

fn requested_times<T: Clock>(arguments: &Arguments) -> Result<Option<Vec<T>>, Failure> {
    arguments.question.at.as_ref().map(|at| at.times::<T>().map_err(Failure::Input)).transpose()
}

/// What is reported at each time.
const OBSERVABLES: [Observable; 6] = [
    Observable::TrainLoss,
    Observable::TestLoss,
    Observable::LogTrainLoss,
    Observable::LogTestLoss,
    Observable::TestAccuracy,
    Observable::ParameterNorm,
];

/// A logarithmic grid from the start to well past both crossings.
fn span<T: Clock>(form: &ClosedForm<'_, '_, T>, report: &Report<T>, per_decade: usize) -> Vec<T> {
    let last = [report.times.train.time(), report.times.test.time()];
    let decay = 1.0 / form.settings().weight_decay.max(1e-18);
    let unit = if T::NAME == f64::NAME { 1.0 } else { form.settings().step_size };
    let end = last.iter().flatten().map(|t| t.as_f64()).fold(decay / unit, f64::max);
    let first = T::from_f64(if T::NAME == f64::NAME { 0.1 } else { 1.0 });
    log_times(first, T::from_f64((10.0 * end).min(1e18)), per_decade)
}

/// The same trajectory's observables as a table.
fn observed<T: Clock>(
    form: &ClosedForm<'_, '_, T>,
    times: &[T],
) -> Result<groktime::trajectory::Table<T>, Failure> {
    Ok(form.observe(times, &OBSERVABLES)?)
}
