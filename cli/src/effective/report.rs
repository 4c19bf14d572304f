//! What `groktime effective` answers about one training set: ranks, spectrum, flow, statements.

use std::fmt::Write as _;
use std::path::Path;

use groktime::crossing::Crossing;
use groktime::effective::{Flow, Implied, Nullity, Spectrum, Tangent, Task, full_parallelograms};
use groktime::theorem::Judged;
use groktime::trajectory::{Observable, Table, Trajectory, log_times};
use ndarray::{Array1, Array2};
use serde_json::{Value, json};

use super::Arguments;
use crate::output::{
    Failure, crossing_interval, crossing_text, crossing_value, document, exact, short, statements_text,
    statements_value, table, write_csv, write_observations,
};

/// What is reported at each time.
const OBSERVABLES: [Observable; 6] = [
    Observable::TrainLoss,
    Observable::LogTrainLoss,
    Observable::RepresentationQuality,
    Observable::TestAccuracy,
    Observable::ParameterNorm,
    Observable::EffectiveDimension,
];

pub struct Report<'s, 'a> {
    spectrum: &'s Spectrum<'a>,
    pub eigenvalues: Array1<f64>,
    pub hessian: Option<Array1<f64>>,
    pub nullity: Nullity,
    /// The smallest nullity that any training set of the task has.
    least: usize,
    /// None for non-abelian groups: what is implied there is not linear.
    implied: Option<Implied>,
    pub flow: Option<Moving<'s, 'a>>,
    pub statements: Vec<Judged>,
}

pub struct Moving<'s, 'a> {
    pub flow: Flow<'s, 'a>,
    pub table: Table<f64>,
    /// ℓ0 in the chosen convention: ℓ·Z0.
    loss_zero: Vec<f64>,
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
        let n = problem.parallelograms();
        let z0 = dimensions as f64 * question.normalisation().z0(problem.symbols());
        let scale = 2.0 / (settings.convention.divisor(n) * z0);
        let flow = embeddings
            .map(|e| Moving::new(arguments, spectrum.flow(e.view(), settings)?, times))
            .transpose()?;
        if let Some(moving) = &flow {
            statements.extend(moving.flow.statements()?);
        }
        Ok(Report {
            spectrum,
            hessian: (n > 0).then(|| eigenvalues.mapv(|mu| mu * scale)),
            eigenvalues,
            nullity,
            least,
            implied: task.commutative().then(|| problem.implied()),
            flow,
            statements,
        })
    }

    /// The eigenvalue of H at a place, 0 without parallelograms.
    fn lambda(&self, place: usize) -> f64 {
        self.hessian.as_ref().and_then(|h| h.get(place).copied()).unwrap_or(0.0)
    }

    pub fn json(&self, arguments: &Arguments) -> Result<Value, Failure> {
        let problem = self.spectrum.problem();
        let (task, question) = (problem.task(), &arguments.question);
        let numbers = |a: &Array1<f64>| json!(a.to_vec());
        let time = |rate: f64| if rate > 0.0 { json!(1.0 / rate) } else { Value::Null };
        let (lambda3, rate) = (self.lambda(2), self.lambda(self.least));
        let mut out = document("effective");
        let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
        put("clock", json!("flow"));
        put("settings", settings(arguments));
        put("symbols", json!(task.symbols()));
        put("samples", json!(problem.samples().len()));
        put("all_samples", json!(task.samples()));
        put("parallelograms", json!(problem.parallelograms()));
        put("all_parallelograms", json!(full_parallelograms(task)));
        put("nullity", json!(self.nullity.value));
        put("nullity_certified", json!(self.nullity.certified));
        put("smallest_nullity", json!(self.least));
        put("eigenvalues_G", numbers(&self.eigenvalues));
        put("eigenvalues_H", self.hessian.as_ref().map_or(Value::Null, numbers));
        put("lambda3", json!(lambda3));
        put("t_h", time(lambda3));
        put("n_h", time(lambda3 * question.step_size));
        put("rate", json!(rate));
        put("t_rate", time(rate));
        put("rqi_bar", self.implied.as_ref().map_or(Value::Null, |i| json!(i.rqi)));
        put("acc_bar", self.implied.as_ref().map_or(Value::Null, |i| json!(i.accuracy)));
        if let Some(moving) = &self.flow {
            put("at", json!(moving.table.times));
            put("loss", json!(moving.table.column(Observable::TrainLoss)));
            put("log_loss", json!(moving.table.column(Observable::LogTrainLoss)));
            put("l0", json!(moving.loss_zero));
            put("rqi", json!(moving.table.column(Observable::RepresentationQuality)));
            put("accuracy", json!(moving.table.column(Observable::TestAccuracy)));
            put("parameter_norm", json!(moving.table.column(Observable::ParameterNorm)));
            put("effective_dimension", json!(moving.table.column(Observable::EffectiveDimension)));
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
        let problem = self.spectrum.problem();
        let (task, question) = (problem.task(), &arguments.question);
        let kind = match (task.is_addition(), task.is_modular(), task.commutative()) {
            (true, ..) => "addition without wrap",
            (_, true, _) => "modular addition",
            (_, _, true) => "an abelian group",
            _ => "a non-abelian group",
        };
        let mut text = format!(
            "effective theory: {kind}, p = {}, {} of {} samples, {} of {} parallelograms\n\n",
            task.symbols(),
            problem.samples().len(),
            task.samples(),
            problem.parallelograms(),
            full_parallelograms(task),
        );
        let sure = if self.nullity.certified { "exact" } else { "exact but for a chance of 10⁻¹⁷" };
        let least = self.least;
        let meaning = match self.nullity.value == least {
            true => "as for all samples: the structure is unique".to_owned(),
            false => format!("all samples leave {least}: the structure is not unique"),
        };
        let _ = writeln!(
            text,
            "n0   nullity                          {} ({sure}; {meaning})",
            self.nullity.value
        );
        let name = if least == 2 { "λ3" } else { "λ " };
        let rate = self.lambda(least);
        let _ = writeln!(
            text,
            "{name}   grokking rate                    {}   (loss: {:?} over parallelograms, Z0 = {})",
            short(rate),
            question.convention,
            z0_name(question),
        );
        let times = if rate > 0.0 {
            (short(1.0 / rate), short(1.0 / (rate * question.step_size)))
        } else {
            ("never".into(), "never".into())
        };
        let _ = writeln!(
            text,
            "t_h  its time; in steps of η = {:<8} {}; {}",
            question.step_size, times.0, times.1
        );
        if let Some(implied) = &self.implied {
            let _ = writeln!(
                text,
                "     RQI-bar, Acc-bar (ideal model)   {}, {}",
                short(implied.rqi),
                short(implied.accuracy)
            );
        }
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
            Some(moving) => write_observations(path, &moving.table),
            None => {
                let row = |k: usize| {
                    let h = self.hessian.as_ref().map_or(String::new(), |h| exact(h[k]));
                    vec![(k + 1).to_string(), exact(self.eigenvalues[k]), h]
                };
                let rows: Vec<_> = (0..self.eigenvalues.len()).map(row).collect();
                write_csv(path, &["index", "eigenvalue_G", "eigenvalue_H"], &rows)
            }
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
        let loss_zero = losses.into_iter().map(|loss| loss.unwrap_or(f64::NAN) * flow.z0()).collect();
        Ok(Moving { final_rqi: flow.final_rqi()?, table, loss_zero, first_rqi, first_accurate, flow })
    }

    fn text(&self) -> String {
        let shown = [
            Observable::TrainLoss,
            Observable::RepresentationQuality,
            Observable::TestAccuracy,
            Observable::ParameterNorm,
        ];
        let columns: Vec<_> = shown.iter().map(|&what| self.table.column(what)).collect();
        let rows = self.table.times.iter().enumerate().map(|(i, &t)| {
            let cells = columns.iter().map(|c| c[i].map_or("–".to_owned(), short));
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

pub fn z0_name(question: &super::Question) -> &'static str {
    match question.normalisation {
        super::NormalisationName::One => "1",
        super::NormalisationName::Symbols => "p",
        super::NormalisationName::SymbolsLessOne => "p − 1",
    }
}

pub fn settings(arguments: &Arguments) -> Value {
    let (source, question) = (&arguments.source, &arguments.question);
    json!({
        "operation": match (&source.group, &source.cayley, source.modular) {
            (Some(super::source::Group::S3), ..) => "s3".to_owned(),
            (Some(super::source::Group::Cyclic(orders)), ..) => format!("cyclic:{orders:?}").replace(['[', ']', ' '], ""),
            (_, Some(path), _) => path.display().to_string(),
            (_, _, true) => "modular addition".to_owned(),
            _ => "addition".to_owned(),
        },
        "convention": format!("{:?}", question.convention).to_lowercase(),
        "normalisation": z0_name(question).replace(" − ", "-"),
        "gradient": format!("{:?}", question.gradient).to_lowercase(),
        "delta": question.delta,
        "match": match question.matching { super::MatchName::Norm => "norm", super::MatchName::MeanSquare => "mean-square" },
        "rqi_threshold": question.rqi_threshold,
        "accuracy_threshold": question.accuracy_threshold,
        "step_size": question.step_size,
        "seed": source.seed,
    })
}
