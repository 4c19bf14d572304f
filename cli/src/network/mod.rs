//! `groktime network`: one network, trained step by step or followed by gradient flow.

mod picture;
mod report;
mod source;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use groktime::grokking::PhaseRule;
use groktime::linalg::Threads;
use groktime::network::theorems::{flow_statements, initial_norm, norm_identity, pure_decay, rank_bounds};
use groktime::network::{
    Activation, Checkpoint, End, FlowSettings, Group, Optimiser, Part, Plan, Precision, Run, Settings,
    Training,
};
use groktime::theorem::Judged;
use groktime::trajectory::log_times;

use self::report::{Report, Row};
use self::source::{Loaded, LossName, NetArguments, SourceArguments, TaskName};
use crate::Status;
use crate::arguments::{Numbers, OutputArguments};
use crate::output::{self, Answer, Failure, Said};
use crate::progress::Progress;

#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    pub source: SourceArguments,
    #[command(flatten)]
    pub net: NetArguments,
    #[command(flatten)]
    pub question: Question,
    #[command(flatten)]
    pub output: OutputArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum OptimiserName {
    /// θ ← θ − η(∇𝓛 + λθ)
    Gd,
    /// Adam, decay coupled
    Adam,
    /// Adam, decay decoupled
    Adamw,
    /// Gradient flow θ' = −∇𝓛 − λθ; --budget is its last time
    Flow,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum PrecisionName {
    F32,
    F64,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Training")]
pub struct Question {
    /// The training loss [default: by task; files: squared]
    #[arg(long, value_name = "LOSS")]
    pub loss: Option<LossName>,
    /// How the parameters move [default: adamw; zero-teacher: gd]
    #[arg(long, value_name = "OPTIMIZER")]
    pub optimizer: Option<OptimiserName>,
    /// η [default: 1e-3; add and s3: 1e-4 for the decoder]
    #[arg(long, value_name = "η")]
    pub step_size: Option<f64>,
    /// λ [default: mod-add 1, mnist 0.01, zero-teacher 0.05, else 0]
    #[arg(long, value_name = "λ")]
    pub weight_decay: Option<f64>,
    /// η of the embeddings of add and s3 (their decay is 0) [default: 1e-3]
    #[arg(long, value_name = "η")]
    pub embedding_step_size: Option<f64>,
    /// c of an added c·mean|E| over the embeddings (the published code for S3 has 1e-3, its paper none)
    #[arg(long, value_name = "c", default_value_t = 0.0)]
    pub sparsity: f64,
    /// Samples a step [default: all; mnist: 200]
    #[arg(long, value_name = "N")]
    pub batch: Option<usize>,
    /// Last step (with --optimizer flow: last time)
    #[arg(long, value_name = "STEPS", default_value = "10000")]
    pub budget: Numbers,
    /// Steps to report (with --optimizer flow: times) [default: a logarithmic grid up to the budget]
    #[arg(long, value_name = "T1,T2,…")]
    pub at: Option<Numbers>,
    /// Numbers that are computed in
    #[arg(long, value_name = "PRECISION", default_value = "f32")]
    pub precision: PrecisionName,
    /// A checkpoint: read if it is there, written every minute and at the end
    #[arg(long, value_name = "FILE.npz")]
    pub resume: Option<PathBuf>,
    /// Training accuracy from which on the run fits
    #[arg(long, value_name = "A", default_value_t = 0.9)]
    pub train_threshold: f64,
    /// Test accuracy from which on it generalises
    #[arg(long, value_name = "A", default_value_t = 0.9)]
    pub test_threshold: f64,
    /// Steps between the two from which on it groks
    #[arg(long, value_name = "STEPS", default_value_t = 1000)]
    pub delay: u64,
    /// Steps between comparisons with the thresholds; with batches each is a pass over the sample
    /// [default: 1; with batches 50]
    #[arg(long, value_name = "STEPS")]
    pub check: Option<u64>,
    /// End once both thresholds are met
    #[arg(long)]
    pub stop_when_decided: bool,
    /// Feature rank of each layer at the reported steps
    #[arg(long)]
    pub ranks: bool,
    /// All cores for the products of one step (results may differ in last bits)
    #[arg(long)]
    pub parallel: bool,
}

impl Arguments {
    fn optimizer(&self) -> OptimiserName {
        let default = match self.source.task() {
            Some(TaskName::ZeroTeacher) => OptimiserName::Gd,
            _ => OptimiserName::Adamw,
        };
        self.question.optimizer.unwrap_or(default)
    }

    fn embedded(&self) -> bool {
        matches!(self.source.task(), Some(TaskName::Add | TaskName::S3))
    }

    pub fn step_size(&self) -> f64 {
        self.question.step_size.unwrap_or(if self.embedded() { 1e-4 } else { 1e-3 })
    }

    pub fn weight_decay(&self) -> f64 {
        let default = match self.source.task() {
            Some(TaskName::ModAdd) => 1.0,
            Some(TaskName::Mnist) => 0.01,
            Some(TaskName::ZeroTeacher) => 0.05,
            _ => 0.0,
        };
        self.question.weight_decay.unwrap_or(default)
    }

    fn settings(&self, loaded: &Loaded) -> Result<Settings, Failure> {
        let question = &self.question;
        let optimiser = match self.optimizer() {
            OptimiserName::Gd | OptimiserName::Flow => Optimiser::Descent,
            OptimiserName::Adam => Optimiser::ADAM,
            OptimiserName::Adamw => Optimiser::ADAMW,
        };
        let mut groups = Vec::new();
        if self.embedded() {
            let step_size = question.embedding_step_size.unwrap_or(1e-3);
            groups.push(Group { part: Part::Embedding, step_size, weight_decay: 0.0 });
        } else if question.embedding_step_size.is_some() || question.sparsity != 0.0 {
            return Err(Failure::Input(
                "--embedding-step-size and --sparsity go with --task add and s3".into(),
            ));
        }
        let batch = question.batch.or((self.source.task() == Some(TaskName::Mnist)).then_some(200));
        Ok(Settings {
            criterion: loaded.criterion,
            optimiser,
            step_size: self.step_size(),
            weight_decay: self.weight_decay(),
            groups,
            batch,
            sparsity: question.sparsity,
            precision: match question.precision {
                PrecisionName::F32 => Precision::Single,
                PrecisionName::F64 => Precision::Double,
            },
            seed: self.source.seed,
            threads: if question.parallel { Threads::All } else { Threads::One },
            ..Settings::default()
        })
    }

    fn budget<T: groktime::trajectory::Clock>(&self) -> Result<T, Failure> {
        let budget =
            self.question.budget.times::<T>().map_err(|e| Failure::Input(e.replace("--at", "--budget")))?;
        match budget[..] {
            [one] if one.as_f64() > 0.0 => Ok(one),
            _ => Err(Failure::Input("--budget: expected one positive number".into())),
        }
    }

    /// What is reported, none past the budget.
    fn times<T: groktime::trajectory::Clock>(&self, budget: T, default: Vec<T>) -> Result<Vec<T>, Failure> {
        let Some(at) = &self.question.at else { return Ok(default) };
        let times = at.times::<T>().map_err(Failure::Input)?;
        match times.iter().find(|t| **t > budget) {
            Some(t) => Err(Failure::Input(format!("--at {t} is past the budget {budget} (--budget)"))),
            None => Ok(times),
        }
    }

    fn rule(&self) -> PhaseRule {
        let Question { train_threshold, test_threshold, delay, .. } = self.question;
        PhaseRule { train_accuracy: train_threshold, test_accuracy: test_threshold, delay }
    }
}

pub fn answer(arguments: &Arguments) -> Result<Answer, Failure> {
    arguments.output.prepare(&arguments.question.resume)?;
    let loaded = arguments.source.load(&arguments.net, arguments.question.loss)?;
    let report = match arguments.optimizer() {
        OptimiserName::Flow => flow(arguments, &loaded)?,
        _ => trained(arguments, &loaded)?,
    };
    if let Some(path) = &arguments.output.plot {
        crate::plot::write(&picture::figure(&report), path).map_err(Failure::writing)?;
    }
    if let Some(path) = &arguments.output.csv {
        report.write_csv(path)?;
    }
    let said = if arguments.output.json {
        Said::Json(report.json(arguments, &loaded)?)
    } else if arguments.output.quiet {
        Said::Nothing
    } else {
        Said::Text(report.text(arguments, &loaded))
    };
    // The answer stands: it says how far the run came.
    let status = match report.blew_up {
        Some(step) => {
            let saved = arguments.question.resume.as_ref();
            let saved =
                saved.map_or(String::new(), |p| format!("; the last finite state is in {}", p.display()));
            eprintln!("groktime: the loss after {step} steps is not finite{saved}");
            Status::BlewUp
        }
        None => output::status(&report.statements),
    };
    Ok(Answer { said, status })
}

/// Between writes of the checkpoint.
const PAUSE: Duration = Duration::from_secs(60);

fn trained(arguments: &Arguments, loaded: &Loaded) -> Result<Report, Failure> {
    let settings = arguments.settings(loaded)?;
    let question = &arguments.question;
    let budget: u64 = arguments.budget()?;
    // Forward, backward and the gradient: two operations a weight and sample each.
    let samples = settings.batch.map_or(loaded.train.len(), |batch| batch.min(loaded.train.len()));
    let threads = if question.parallel { 1.0 } else { rayon::current_num_threads() as f64 };
    let operations = 6.0 * budget as f64 * loaded.net.parameters() as f64 * samples as f64 * threads;
    crate::progress::announce(operations, !arguments.output.quiet);
    let steps = arguments.times(budget, log_times(1, budget, 4))?;
    let plan = Plan {
        budget,
        record: Some(steps.clone()),
        ranks: usize::from(question.ranks),
        check: question.check.unwrap_or(if settings.batch.is_some() { 50 } else { 1 }),
        rule: arguments.rule(),
        stop_when_decided: question.stop_when_decided,
        keep_parameters: false,
    };
    let Loaded { net, train, test, theta, .. } = loaded;
    let saved = match &question.resume {
        Some(path) if path.exists() => Some(Checkpoint::read(path)?),
        _ => None,
    };
    let run = match &saved {
        Some(checkpoint) => Run::resume(net, train, test.as_ref(), &settings, &plan, checkpoint)?,
        None => Run::new(Training::new(net, train, &settings, theta)?, test.as_ref(), &plan)?,
    };
    let progress = Progress::new("training", !arguments.output.quiet);
    let mut written = Instant::now();
    let mut failed = None;
    let inspect = |training: &Training<'_>| {
        let step = training.steps();
        if step.is_multiple_of(64) {
            progress.at(step as f64 / budget as f64);
            if let Some(path) = &question.resume
                && written.elapsed() > PAUSE
            {
                written = Instant::now();
                if let Err(error) = training.checkpoint().write(path) {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
            }
        }
        ControlFlow::Continue(())
    };
    let curves = run.inspected(inspect).go(|_| ControlFlow::Continue(()))?;
    if let Some(error) = failed {
        return Err(Failure::writing(error));
    }
    let last = match &curves.end {
        End::BlewUp { last, .. } => last,
        _ => &curves.checkpoint,
    };
    if let Some(path) = &question.resume {
        last.write(path).map_err(Failure::writing)?;
    }
    let mut statements = start_statements(loaded)?;
    if !matches!(curves.end, End::BlewUp { .. }) {
        statements.extend(state_statements(loaded, &settings, &last.parameters)?);
        let norm = theta.iter().map(|x| x * x).sum::<f64>().sqrt();
        statements.push(pure_decay(&mut Training::resume(net, train, &settings, last)?, norm)?);
    }
    let asked = |step: u64| steps.contains(&step) || arguments.question.at.is_none();
    let rows = curves.records.iter().filter(|r| asked(r.step)).map(Row::of_record).collect();
    Ok(Report::new(rows, statements, Some(&curves), &settings))
}

fn flow(arguments: &Arguments, loaded: &Loaded) -> Result<Report, Failure> {
    let question = &arguments.question;
    if question.resume.is_some() || question.batch.is_some() || question.stop_when_decided {
        return Err(Failure::Input(
            "--optimizer flow integrates to the budget on the whole sample: no --resume, --batch or \
             --stop-when-decided"
                .into(),
        ));
    }
    if question.step_size.is_some() {
        return Err(Failure::Input("--optimizer flow chooses its steps: no --step-size".into()));
    }
    let horizon: f64 = arguments.budget()?;
    let times = arguments.times(horizon, log_times(1e-3 * horizon, horizon, 4))?;
    let Loaded { net, train, test, criterion, theta, .. } = loaded;
    // The whole path where it is small.
    let small = net.parameters() <= 20_000;
    let mut keep = times.clone();
    keep.push(horizon);
    let settings = FlowSettings {
        criterion: *criterion,
        weight_decay: arguments.weight_decay(),
        horizon,
        keep: (!small).then_some(keep),
        // Kinks: see FlowSettings.
        rtol: if net.activation() == Activation::Relu { 1e-5 } else { 1e-8 },
        ..FlowSettings::default()
    };
    let progress = Progress::new("gradient flow", !arguments.output.quiet);
    let run = net.flow_watched(train, &settings, theta, |t| {
        progress.at(t / horizon);
        ControlFlow::Continue(())
    })?;
    let mut rows = Vec::new();
    for &t in &times {
        let theta = run.parameters(t)?;
        let features = match question.ranks {
            true => {
                Some(net.feature_ranks(&theta, &test.as_ref().unwrap_or(train).inputs, Precision::Double)?)
            }
            false => None,
        };
        let test = test.as_ref().map(|test| run.evaluate_on(t, test)).transpose()?;
        rows.push(Row::of_flow(t, run.evaluate(t)?, test, net.norms(&theta)?, features));
    }
    let mut statements = start_statements(loaded)?;
    let trained = Settings { weight_decay: settings.weight_decay, ..arguments.settings(loaded)? };
    statements.extend(state_statements(loaded, &trained, &run.parameters(horizon)?)?);
    statements.extend(flow_statements(&run)?);
    let mut report = Report::new(rows, statements, None, &trained);
    report.statistics = Some(run.statistics());
    Ok(report)
}

fn start_statements(loaded: &Loaded) -> Result<Vec<Judged>, Failure> {
    Ok(match &loaded.init {
        Some(init) => vec![initial_norm(&loaded.net, init, &loaded.theta)?],
        None => Vec::new(),
    })
}

fn state_statements(loaded: &Loaded, settings: &Settings, theta: &[f64]) -> Result<Vec<Judged>, Failure> {
    let Loaded { net, train, test, criterion, .. } = loaded;
    let mut all = vec![norm_identity(net, train, *criterion, settings.weight_decay, theta)?];
    let sample = test.as_ref().unwrap_or(train);
    if net.activation() == Activation::Relu && sample.len() > 1 {
        match rank_bounds(net, theta, &sample.inputs, settings.precision) {
            // What was trained is not given up for a statement about layers too wide for it.
            Err(refusal @ groktime::Error::Memory { .. }) => {
                eprintln!("groktime: the bounds on feature ranks are left out: {refusal}");
            }
            judged => all.extend(judged?),
        }
    }
    Ok(all)
}
