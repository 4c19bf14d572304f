//! What `groktime ridge` answers: times, statements, observables; as JSON, as text, as CSV.

use std::fmt::Write as _;
use std::path::Path;

use groktime::crossing::{Crossing, Point};
use groktime::grokking::Times;
use groktime::ridge::ClosedForm;
use groktime::ridge::theorems::Inputs;
use groktime::theorem::{Judged, Outcome};
use groktime::trajectory::{Clock, Observable};
use ndarray::ArrayView1;
use serde_json::{Map, Value, json};

use super::{Arguments, OBSERVABLES, observed, span};
use crate::output::{
    Failure, crossing_interval, crossing_text, crossing_value, cut, document, exact, short, statement_name,
    statements_text, statements_value, time_value, write_csv,
};
use crate::table::table;

pub struct Report<T> {
    pub times: Times<T>,
    pub accurate: Option<Crossing<T>>,
    pub statements: Vec<Judged>,
    grid: Vec<T>,
}

impl<T: Clock> Report<T> {
    pub fn new(
        form: &ClosedForm<'_, '_, T>,
        inputs: &Inputs,
        accuracy_threshold: Option<f64>,
    ) -> Result<Self, Failure> {
        let times = form.times(inputs.train_threshold, inputs.test_threshold)?;
        let mut report = Report {
            times,
            accurate: accuracy_threshold.map(|p| form.first_accurate(p)).transpose()?,
            statements: form.statements_at(inputs, &times)?,
            grid: Vec::new(),
        };
        report.grid = span(form, &report, 1);
        Ok(report)
    }

    /// Decades and the two crossings.
    pub fn default_times(&self) -> Vec<T> {
        let mut times = self.grid.clone();
        times.extend([self.times.train.time(), self.times.test.time()].into_iter().flatten());
        times.sort_by(|a, b| a.as_f64().total_cmp(&b.as_f64()));
        times.dedup();
        times
    }

    pub fn json(
        &self,
        arguments: &Arguments,
        form: &ClosedForm<'_, '_, T>,
        times: &[T],
    ) -> Result<Value, Failure> {
        let (n, m) = form.spectrum().shape();
        let mut out = document("ridge");
        let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
        put("clock", json!(T::NAME));
        put("settings", settings(arguments, form, n, m));
        put("t1", crossing_value(self.times.train, -1));
        put("t2", crossing_value(self.times.test, 0));
        put("t1_interval", crossing_interval(self.times.train, -1));
        put("t2_interval", crossing_interval(self.times.test, 0));
        put("delay", json!(self.times.delay()));
        if let Some(accurate) = self.accurate {
            put("t_accuracy", crossing_value(accurate, 0));
            put("t_accuracy_interval", crossing_interval(accurate, 0));
        }
        put("at", times.iter().map(|&t| time_value(t)).collect());
        let observations = observed(form, times)?;
        for what in OBSERVABLES {
            put(what.name(), json!(observations.column(what)));
        }
        for what in OBSERVABLES {
            let errors: Vec<Option<f64>> = times.iter().map(|&t| form.error_of(what, t)).collect();
            put(&format!("{}_error", what.name()), json!(errors));
        }
        let (train, test) = (form.bounded_train_loss_limit(), form.bounded_test_loss_limit());
        put("train_loss_limit", json!(train.map(|p| p.value)));
        put("train_loss_limit_error", json!(train.and_then(known)));
        put("test_loss_limit", json!(test.map(|p| p.value)));
        put("test_loss_limit_error", json!(test.and_then(known)));
        put("test_risk", json!(form.spectrum().test_risk()));
        put("statements", statements_value(&self.statements)?);
        Ok(Value::Object(out))
    }

    pub fn text(
        &self,
        arguments: &Arguments,
        form: &ClosedForm<'_, '_, T>,
        times: &[T],
    ) -> Result<String, Failure> {
        let (n, m) = form.spectrum().shape();
        let question = &arguments.question;
        let clock = if T::NAME == f64::NAME { "flow time τ = η·step" } else { "steps" };
        let mut text = format!(
            "ridge regression, n = {n}, m = {m}, η = {}, λ = {}; test loss {}; clock: {clock}\n\n",
            question.step_size,
            question.weight_decay,
            form.spectrum().test_risk(),
        );
        let limit = |x: Option<Point>| x.map_or("–".to_owned(), |p| cut(p.value, known(p)));
        let _ = writeln!(
            text,
            "t1  last time with training loss ≥ {:<8} {}   (its limit: {})",
            question.train_threshold,
            crossing_text(self.times.train),
            limit(form.bounded_train_loss_limit()),
        );
        let _ = writeln!(
            text,
            "t2  first time with test loss ≤ {:<11} {}   (its limit: {})",
            question.test_threshold,
            crossing_text(self.times.test),
            limit(form.bounded_test_loss_limit()),
        );
        let delay = self.times.delay().map_or("none: one of them never comes".to_owned(), short);
        let _ = writeln!(text, "    delay t2 − max(t1, 0)                 {delay}");
        if let (Some(accurate), Some(p)) = (self.accurate, question.accuracy_threshold) {
            let _ = writeln!(text, "    first time with accuracy ≥ {p:<11} {}", crossing_text(accurate));
        }
        let observations = observed(form, times)?;
        let columns: Vec<_> = SHOWN.iter().map(|&what| observations.column(what)).collect();
        let rows = times.iter().enumerate().map(|(i, &t)| {
            let one = |(c, &what): (&Vec<Option<f64>>, &Observable)| {
                c[i].map_or("–".to_owned(), |x| cut(x, form.error_of(what, t)))
            };
            let cells = columns.iter().zip(&SHOWN).map(one);
            std::iter::once(short(t.as_f64())).chain(cells).collect()
        });
        text.push('\n');
        text += &table(&["time", "train loss", "test loss", "accuracy", "‖θ‖"], rows.collect());
        Ok(text + &statements_text("arXiv 2601.19791", &self.statements))
    }
}

/// The columns of the table.
const SHOWN: [Observable; 4] =
    [Observable::TrainLoss, Observable::TestLoss, Observable::TestAccuracy, Observable::ParameterNorm];

/// A bound on an error where one is known.
fn known(point: Point) -> Option<f64> {
    point.rounding.is_finite().then_some(point.rounding)
}

fn settings<T: Clock>(arguments: &Arguments, form: &ClosedForm<'_, '_, T>, n: usize, m: usize) -> Value {
    let (source, question) = (&arguments.source, &arguments.question);
    json!({
        "samples": n,
        "width": m,
        "rank": form.spectrum().eigenvalues().len(),
        "step_size": question.step_size,
        "weight_decay": question.weight_decay,
        "train_threshold": question.train_threshold,
        "test_threshold": question.test_threshold,
        "accuracy_threshold": question.accuracy_threshold,
        "accuracy_tolerance": form.settings().accuracy_tolerance,
        "failure_probability": question.failure_probability,
        "init_variance": source.known_variance(),
        "noise_std": source.noise_std,
        "seed": source.seed,
    })
}

/// The reported times, one row each: every observable beside its error bar.
pub fn write_times<T: Clock>(form: &ClosedForm<'_, '_, T>, times: &[T], path: &Path) -> Result<(), Failure> {
    let errors = OBSERVABLES.map(|what| format!("{}_error", what.name()));
    let names = OBSERVABLES.iter().zip(&errors).flat_map(|(what, error)| [what.name(), error.as_str()]);
    let heading: Vec<&str> = std::iter::once("time").chain(names).collect();
    let observations = observed(form, times)?;
    let row = |(&t, values): (&T, ArrayView1<'_, f64>)| {
        let pair = |(&value, &what): (&f64, &Observable)| {
            [exact(value), form.error_of(what, t).map_or(String::new(), exact)]
        };
        let cells = values.iter().zip(&OBSERVABLES).flat_map(pair);
        std::iter::once(t.to_string()).chain(cells).collect()
    };
    let rows: Vec<Vec<String>> = times.iter().zip(observations.values.outer_iter()).map(row).collect();
    write_csv(path, &heading, &rows)
}

/// One column an outcome, so that every run is counted in some column.
const RUNS_HEADING: [&str; 7] =
    ["statement", "holds", "violated", "known erratum", "undetermined", "not applicable", "not evaluated"];

/// One of many draws.
pub struct Run<T> {
    pub seed: u64,
    pub times: Times<T>,
    pub statements: Vec<Judged>,
    pub json: Option<Value>,
}

/// Many draws.
pub struct Runs<T>(pub Vec<Run<T>>);

impl<T: Clock> Runs<T> {
    pub fn violated(&self) -> bool {
        self.0.iter().flat_map(|r| &r.statements).any(|s| s.verdict.outcome == Outcome::Violated)
    }

    pub fn json(&self) -> Value {
        let runs: Vec<&Value> = self.0.iter().filter_map(|r| r.json.as_ref()).collect();
        let quantity = |values: Vec<Option<f64>>| {
            let never = values.iter().filter(|v| v.is_none()).count();
            match quantiles(values) {
                Some(q) => {
                    json!({"never": never, "min": q[0], "q25": q[1], "median": q[2], "q75": q[3], "max": q[4]})
                }
                None => json!({ "never": never }),
            }
        };
        json!({
            "schema": 1,
            "version": env!("CARGO_PKG_VERSION"),
            "model": "ridge",
            "clock": T::NAME,
            "runs": runs,
            "summary": {
                "t1": quantity(self.column(|r| first(r.times.train))),
                "t2": quantity(self.column(|r| r.times.test.time().map(T::as_f64))),
                "delay": quantity(self.column(|r| r.times.delay())),
                "outcomes": self.outcomes(),
            },
        })
    }

    fn column(&self, f: impl Fn(&Run<T>) -> Option<f64>) -> Vec<Option<f64>> {
        self.0.iter().map(f).collect()
    }

    /// Outcomes a statement, counted over the runs.
    fn outcomes(&self) -> Value {
        let mut counts = Map::new();
        for judged in self.0.iter().flat_map(|r| &r.statements) {
            let key = judged.statement.id();
            let entry = counts.entry(key).or_insert_with(|| json!({}));
            let name = judged.verdict.outcome.name();
            let seen = entry[name].as_u64().unwrap_or(0);
            entry[name] = json!(seen + 1);
        }
        Value::Object(counts)
    }

    pub fn text(&self) -> String {
        let row = |name: &str, values: Vec<Option<f64>>| {
            let never = values.iter().filter(|v| v.is_none()).count();
            let numbers = quantiles(values).map_or(vec!["–".to_owned(); 5], |q| q.map(short).to_vec());
            [vec![name.to_owned()], numbers, vec![never.to_string()]].concat()
        };
        let rows = vec![
            row("t1", self.column(|r| first(r.times.train))),
            row("t2", self.column(|r| r.times.test.time().map(T::as_f64))),
            row("delay", self.column(|r| r.times.delay())),
        ];
        let mut text = format!("{} runs\n", self.0.len());
        text += &table(&["", "min", "25%", "median", "75%", "max", "never"], rows);
        let Some(run) = self.0.first() else { return text };
        let rows = (0..run.statements.len())
            .map(|i| {
                let count = |outcome| {
                    let hits = self.0.iter().filter(|r| r.statements[i].verdict.outcome == outcome);
                    hits.count().to_string()
                };
                let statement = &run.statements[i].statement;
                vec![
                    statement_name(statement.source, statement.form),
                    count(Outcome::Holds),
                    count(Outcome::Violated),
                    count(Outcome::KnownErratum),
                    count(Outcome::Undetermined),
                    count(Outcome::NotApplicable),
                    count(Outcome::NotEvaluated),
                ]
            })
            .collect();
        text += "\nStatements (runs by outcome)\n";
        text += &table(&RUNS_HEADING, rows);
        text
    }

    /// One row a run.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        let cell = |crossing: Crossing<T>, from_start: &str| match crossing {
            Crossing::FromStart => from_start.to_owned(),
            other => other.time().map_or(String::new(), |t| t.to_string()),
        };
        let row = |r: &Run<T>| {
            let delay = r.times.delay().map_or(String::new(), exact);
            vec![r.seed.to_string(), cell(r.times.train, "-1"), cell(r.times.test, "0"), delay]
        };
        let rows: Vec<_> = self.0.iter().map(row).collect();
        write_csv(path, &["seed", "t1", "t2", "delay"], &rows)
    }
}

/// t1 as a number: −1 from the start.
fn first<T: Clock>(crossing: Crossing<T>) -> Option<f64> {
    match crossing {
        Crossing::FromStart => Some(-1.0),
        other => other.time().map(T::as_f64),
    }
}

/// Minimum, quartiles and maximum of those that exist (nearest rank).
fn quantiles(values: Vec<Option<f64>>) -> Option<[f64; 5]> {
    let mut sorted: Vec<f64> = values.into_iter().flatten().collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    Some([0.0, 0.25, 0.5, 0.75, 1.0].map(|q| sorted[(q * last as f64).round() as usize]))
}
