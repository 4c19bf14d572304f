//! What `groktime effective` answers about one training set: ranks, spectrum, flow, statements.

use std::fmt::Write as _;
use std::path::Path;

use groktime::crossing::Crossing;
use groktime::effective::{Flow, Spectrum, Tangent, Task};
use groktime::theorem::Judged;
use groktime::trajectory::{Observable, Table, Trajectory, log_times};
use ndarray::Array2;
use serde_json::{Value, json};

use super::Arguments;
use super::training_set::TrainingSet;
use crate::output::{
    Failure, crossing_interval, crossing_text, crossing_value, cut, exact, short, statements_text,
    statements_value, write_csv,
};
use crate::table::table;

/// What is reported at each time.
const OBSERVABLES: [Observable; 6] = [
    Observable::TrainLoss,
    Observable::LogTrainLoss,
    Observable::RepresentationQuality,
    Observable::TestAccuracy,
    Observable::ParameterNorm,
    Observable::EffectiveDimension,
];

/// Their names in JSON; each has its error bar beside it.
const CURVES: [(&str, Observable); 6] = [
    ("loss", Observable::TrainLoss),
    ("log_loss", Observable::LogTrainLoss),
    ("rqi", Observable::RepresentationQuality),
    ("accuracy", Observable::TestAccuracy),
    ("parameter_norm", Observable::ParameterNorm),
    ("effective_dimension", Observable::EffectiveDimension),
];

pub struct Report<'s, 'a> {
    pub set: TrainingSet<'a>,
    pub flow: Option<Moving<'s, 'a>>,
    pub statements: Vec<Judged>,
}

pub struct Moving<'s, 'a> {
    pub flow: Flow<'s, 'a>,
    pub table: Table<f64>,
    /// Error bars of the table, NaN where none is known.
    pub errors: Table<f64>,
    /// ℓ0 in the chosen convention: ℓ·Z0.
    loss_zero: Vec<f64>,
    loss_zero_error: Vec<Option<f64>>,
    pub first_rqi: Crossing<f64>,
    pub first_accurate: Option<Crossing<f64>>,
    final_rqi: f64,
}

impl<'s, 'a> Report<'s, 'a> {
    pub fn new(
        arguments: &Arguments,
        spectrum: &'s Spectrum<'a>,
        embeddings: Option<&Array2<f64>>,
        times: Option<Vec<f64>>,
    ) -> Result<Self, Failure> {
        let (problem, question) = (spectrum.problem(), &arguments.question);
        let task = problem.task();
        let settings = question.settings();
        let mut statements = spectrum.statements()?;
        let (eigenvalues, nullity, least, dimensions) = if task.commutative() {
            let dimensions = embeddings.map_or(1, |e| e.ncols());
            (spectrum.eigenvalues().clone(), spectrum.nullity(), task.smallest_nullity(), dimensions)
        } else {
            let tangent = if *task == Task::s3() { Tangent::s3() } else { Tangent::regular(task)? };
            let full = groktime::effective::Problem::full(task.clone());
            let dimension = tangent.matrices().first().map_or(1, |m| m.nrows());
            (
                tangent.eigenvalues(problem)?,
                tangent.nullity(problem)?,
                tangent.nullity(&full)?.value,
                dimension,
            )
        };
        let flow = embeddings
            .map(|e| Moving::new(arguments, spectrum.flow(e.view(), settings)?, times))
            .transpose()?;
        if let Some(moving) = &flow {
            statements.extend(moving.flow.statements()?);
        }
        let set = TrainingSet::new(question, problem, eigenvalues, nullity, least, dimensions);
        Ok(Report { set, flow, statements })
    }

    pub fn json(&self, arguments: &Arguments) -> Result<Value, Failure> {
        let mut out = self.set.json(arguments);
        let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
        if let Some(moving) = &self.flow {
            put("at", json!(moving.table.times));
            for (name, what) in CURVES {
                put(name, json!(moving.table.column(what)));
                put(&format!("{name}_error"), json!(moving.errors.column(what)));
            }
            put("l0", json!(moving.loss_zero));
            put("l0_error", json!(moving.loss_zero_error));
            put("t_rqi", crossing_value(moving.first_rqi, 0));
            put("t_rqi_interval", crossing_interval(moving.first_rqi, 0));
            if let Some(accurate) = moving.first_accurate {
                put("t_accuracy", crossing_value(accurate, 0));
                put("t_accuracy_interval", crossing_interval(accurate, 0));
            }
            put("rqi_limit", json!(moving.final_rqi));
        }
        put("statements", statements_value(&self.statements)?);
        Ok(Value::Object(out))
    }

    pub fn text(&self, arguments: &Arguments) -> String {
        let question = &arguments.question;
        let mut text = self.set.text(question);
        if let Some(moving) = &self.flow {
            let _ = writeln!(
                text,
                "     first time with RQI > {:<8}   {}   (its limit: {})",
                question.rqi_threshold,
                crossing_text(moving.first_rqi),
                short(moving.final_rqi),
            );
            if let (Some(accurate), Some(p)) = (moving.first_accurate, question.accuracy_threshold) {
                let _ = writeln!(text, "     first time with accuracy > {p:<5} {}", crossing_text(accurate));
            }
            text.push('\n');
            text += &moving.text();
        }
        text + &statements_text("arXiv 2205.10343", &self.statements)
    }

    /// The reported times, or the eigenvalues.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        match &self.flow {
            Some(moving) => moving.write(path),
            None => self.set.write(path),
        }
    }
}

impl<'s, 'a> Moving<'s, 'a> {
    fn new(arguments: &Arguments, flow: Flow<'s, 'a>, times: Option<Vec<f64>>) -> Result<Self, Failure> {
        let question = &arguments.question;
        let first_rqi = flow.first_rqi(question.rqi_threshold)?;
        let first_accurate = question.accuracy_threshold.map(|p| flow.first_accuracy(p)).transpose()?;
        let found = [Some(first_rqi), first_accurate];
        let times = times.unwrap_or_else(|| {
            let mut times = grid(&flow, 1);
            times.extend(found.iter().flatten().filter_map(|c| c.time()));
            times.sort_by(f64::total_cmp);
            times.dedup();
            times
        });
        let table = flow.observe(&times, &OBSERVABLES)?;
        // The full flow conserves Z0; the loss of the linear one is taken at the frozen Z0.
        let losses = table.column(Observable::TrainLoss);
        let loss_zero: Vec<f64> =
            losses.into_iter().map(|loss| loss.unwrap_or(f64::NAN) * flow.z0()).collect();
        let errors = flow.errors(&times, &OBSERVABLES)?;
        // Z0 itself is rounded.
        let rounding = flow.rates().len() as f64 * f64::EPSILON;
        let relative = errors.column(Observable::TrainLoss).into_iter().zip(&loss_zero);
        let loss_zero_error = relative.map(|(e, l)| e.map(|e| e * flow.z0() + l * rounding)).collect();
        let final_rqi = flow.final_rqi()?;
        Ok(Moving { final_rqi, table, errors, loss_zero, loss_zero_error, first_rqi, first_accurate, flow })
    }

    /// One row a time, each curve with its error bar beside it.
    fn write(&self, path: &Path) -> Result<(), Failure> {
        let names = CURVES.map(|(_, what)| what.name());
        let errors = names.map(|name| format!("{name}_error"));
        let pairs = names.iter().zip(&errors).flat_map(|(name, error)| [*name, error.as_str()]);
        let heading: Vec<&str> = std::iter::once("time").chain(pairs).collect();
        let columns: Vec<_> = CURVES
            .iter()
            .flat_map(|&(_, what)| [self.table.column(what), self.errors.column(what)])
            .collect();
        let row = |(i, t): (usize, &f64)| {
            let cells = columns.iter().map(|c| c[i].map_or(String::new(), exact));
            std::iter::once(exact(*t)).chain(cells).collect()
        };
        write_csv(path, &heading, &self.table.times.iter().enumerate().map(row).collect::<Vec<_>>())
    }

    fn text(&self) -> String {
        let shown = [
            Observable::TrainLoss,
            Observable::RepresentationQuality,
            Observable::TestAccuracy,
            Observable::ParameterNorm,
        ];
        let columns: Vec<_> =
            shown.iter().map(|&what| (self.table.column(what), self.errors.column(what))).collect();
        let rows = self.table.times.iter().enumerate().map(|(i, &t)| {
            let cells = columns.iter().map(|(c, e)| c[i].map_or("–".to_owned(), |x| cut(x, e[i])));
            std::iter::once(short(t)).chain(cells).collect()
        });
        table(&["time", "loss ℓ", "RQI", "accuracy", "√Z0"], rows.collect())
    }
}

/// A logarithmic grid from the fastest mode to well past the slowest.
pub fn grid(flow: &Flow<'_, '_>, per_decade: usize) -> Vec<f64> {
    let fastest = flow.rates().last().copied().unwrap_or(1.0);
    let slowest = flow.rates().iter().copied().find(|r| *r > 0.0).unwrap_or(fastest);
    let whole = |t: f64, up: bool| 10_f64.powf(if up { t.log10().ceil() } else { t.log10().floor() });
    log_times(whole(0.1 / fastest, false), whole(10.0 / slowest, true), per_decade)
}
