//! What `groktime network` answers: observables at steps, the phase, statements; as JSON, text, CSV.

use std::path::Path;

use groktime::network::{Curves, End, Evaluation, LayerFeatures, Record, Settings};
use groktime::ode::Statistics;
use groktime::theorem::Judged;
use serde_json::{Value, json};

use super::source::Loaded;
use super::{Arguments, OptimiserName};
use crate::output::{Failure, cut, document, exact, short, statements_text, statements_value, write_csv};
use crate::table::table;

fn known(x: f64) -> Option<f64> {
    (!x.is_nan()).then_some(x)
}

/// The observables at one step or time.
pub struct Row {
    pub time: f64,
    /// Whether the time is a number of steps.
    steps: Option<u64>,
    pub train: Evaluation,
    pub test: Option<Evaluation>,
    pub norm: f64,
    pub norms: Vec<f64>,
    pub features: Option<Vec<LayerFeatures>>,
    /// Rounding at the parameters of the step, in the order of [`Row::NAMES`]; of an integrated flow nothing is known.
    errors: [Option<f64>; 5],
}

impl Row {
    pub fn of_record(record: &Record) -> Row {
        Row {
            time: record.step as f64,
            steps: Some(record.step),
            train: record.train,
            test: record.test,
            norm: record.norm,
            norms: record.norms.clone(),
            features: record.features.clone(),
            errors: [
                known(record.train_error.loss),
                record.test_error.and_then(|e| known(e.loss)),
                known(record.train_error.accuracy),
                record.test_error.and_then(|e| known(e.accuracy)),
                Some(record.norm_error),
            ],
        }
    }

    pub fn of_flow(
        time: f64,
        train: Evaluation,
        test: Option<Evaluation>,
        norms: Vec<f64>,
        features: Option<Vec<LayerFeatures>>,
    ) -> Row {
        let norm = norms.iter().map(|x| x * x).sum::<f64>().sqrt();
        Row { time, steps: None, train, test, norm, norms, features, errors: [None; 5] }
    }

    /// Names in JSON and CSV, in this order.
    const NAMES: [&'static str; 5] =
        ["train_loss", "test_loss", "train_accuracy", "test_accuracy", "parameter_norm"];

    fn values(&self) -> [Option<f64>; 5] {
        [
            Some(self.train.loss),
            self.test.map(|t| t.loss),
            known(self.train.accuracy),
            self.test.and_then(|t| known(t.accuracy)),
            Some(self.norm),
        ]
    }

    fn time_value(&self) -> Value {
        self.steps.map_or(json!(self.time), |s| json!(s))
    }
}

/// Everything there is to say.
pub struct Report {
    pub rows: Vec<Row>,
    pub statements: Vec<Judged>,
    pub blew_up: Option<u64>,
    pub statistics: Option<Statistics>,
    pub settings: Settings,
    phase: Option<&'static str>,
    train_step: Option<u64>,
    test_step: Option<u64>,
    end: &'static str,
    steps: Option<u64>,
}

impl Report {
    pub fn new(
        rows: Vec<Row>,
        statements: Vec<Judged>,
        curves: Option<&Curves>,
        settings: &Settings,
    ) -> Report {
        let tested = rows.iter().any(|r| r.values()[3].is_some());
        let end = match curves.map(|c| &c.end) {
            None | Some(End::Budget) => "budget",
            Some(End::Decided) => "decided",
            Some(End::Stopped) => "stopped",
            Some(End::BlewUp { .. }) => "blew-up",
        };
        Report {
            blew_up: match curves.map(|c| &c.end) {
                Some(End::BlewUp { step, .. }) => Some(*step),
                _ => None,
            },
            phase: curves.filter(|_| tested).map(|c| c.phase().name()),
            train_step: curves.and_then(|c| c.train_step),
            test_step: curves.and_then(|c| c.test_step),
            steps: curves.map(|c| c.checkpoint.step),
            rows,
            statements,
            statistics: None,
            settings: settings.clone(),
            end,
        }
    }

    pub fn json(&self, arguments: &Arguments, loaded: &Loaded) -> Result<Value, Failure> {
        let mut out = document("network");
        let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
        put("settings", self.settings_value(arguments, loaded));
        put("steps", self.rows.iter().map(Row::time_value).collect());
        for (j, name) in Row::NAMES.iter().enumerate() {
            put(name, self.rows.iter().map(|r| json!(r.values()[j])).collect());
            put(&format!("{name}_error"), self.rows.iter().map(|r| json!(r.errors[j])).collect());
        }
        // Layers × times.
        let blocks = self.rows.first().map_or(0, |r| r.norms.len());
        let norms = (0..blocks).map(|l| self.rows.iter().map(|r| json!(r.norms[l])).collect::<Value>());
        put("layer_norms", norms.collect());
        let layers = self.rows.iter().find_map(|r| r.features.as_ref()).map(Vec::len);
        let rank = |l: usize| -> Value {
            let each = self.rows.iter().map(|r| json!(r.features.as_ref().map(|f| f[l].rank)));
            each.collect()
        };
        put("feature_rank", layers.map_or(Value::Null, |count| (0..count).map(rank).collect()));
        put("phase", json!(self.phase));
        put("train_step", json!(self.train_step));
        put("test_step", json!(self.test_step));
        put("end", json!(self.end));
        put("last_step", json!(self.steps));
        if let Some(s) = &self.statistics {
            put(
                "integrator",
                json!({ "steps": s.steps, "rhs": s.rhs, "jacobians": s.jacobians, "rejected": s.rejected }),
            );
        }
        put("statements", statements_value(&self.statements)?);
        Ok(Value::Object(out))
    }

    fn settings_value(&self, arguments: &Arguments, loaded: &Loaded) -> Value {
        let (net, s) = (&loaded.net, &self.settings);
        let name = |value: &dyn Fn() -> Option<clap::builder::PossibleValue>| {
            value().map(|v| v.get_name().to_owned())
        };
        json!({
            "task": name(&|| arguments.source.task().and_then(|t| clap::ValueEnum::to_possible_value(&t))),
            "samples": loaded.train.len(),
            "test_samples": loaded.test.as_ref().map(|t| t.len()),
            "seed": arguments.source.seed,
            "widths": net.widths(),
            "embedding": net.embedding().map(|e| e.symbols),
            "parameters": net.parameters(),
            "activation": net.activation().name(),
            "bias": net.bias().name(),
            "loss": loaded.criterion.name(),
            "optimizer": match arguments.optimizer() { OptimiserName::Flow => "flow", _ => s.optimiser.name() },
            "step_size": match arguments.optimizer() { OptimiserName::Flow => None, _ => Some(s.step_size) },
            "weight_decay": s.weight_decay,
            "embedding_step_size": s.groups.first().map(|g| g.step_size),
            "sparsity": s.sparsity,
            "batch": s.batch,
            "precision": match arguments.optimizer() { OptimiserName::Flow => "f64", _ => s.precision.name() },
            "train_threshold": arguments.question.train_threshold,
            "test_threshold": arguments.question.test_threshold,
            "delay": arguments.question.delay,
        })
    }

    pub fn title(&self, loaded: &Loaded) -> String {
        let net = &loaded.net;
        let widths: Vec<String> = net.widths().iter().map(ToString::to_string).collect();
        let table = net.embedding().map_or(String::new(), |e| format!("{} embeddings, ", e.symbols));
        format!(
            "{table}{} {} net, {} parameters, {} loss",
            widths.join("-"),
            net.activation().name(),
            net.parameters(),
            loaded.criterion.name()
        )
    }

    pub fn text(&self, arguments: &Arguments, loaded: &Loaded) -> String {
        let s = &self.settings;
        let tested = loaded.test.as_ref().map_or("nothing".to_owned(), |t| format!("{} samples", t.len()));
        let mut text = format!(
            "{}; trained on {} samples, tested on {tested}\n",
            self.title(loaded),
            loaded.train.len()
        );
        text += &match &self.statistics {
            Some(n) => format!(
                "gradient flow, λ = {} ({} steps, {} right-hand sides, {} Jacobians)\n",
                s.weight_decay, n.steps, n.rhs, n.jacobians
            ),
            None => format!(
                "{}, step size {}, weight decay {}, {}; feature ranks and training in {}\n",
                s.optimiser.name(),
                s.step_size,
                s.weight_decay,
                s.batch.map_or("full batch".to_owned(), |b| format!("batches of {b}")),
                s.precision.name()
            ),
        };
        if let Some(phase) = self.phase {
            let step = |s: Option<u64>| s.map_or("never".to_owned(), |s| s.to_string());
            text += &format!(
                "{phase}: training accuracy {} at step {}, test accuracy {} at step {} (empirical)\n",
                arguments.question.train_threshold,
                step(self.train_step),
                arguments.question.test_threshold,
                step(self.test_step)
            );
        }
        let cell = |r: &Row, j: usize| r.values()[j].map_or("–".to_owned(), |x| cut(x, r.errors[j]));
        let first = if self.statistics.is_some() { "time" } else { "step" };
        let names = ["train loss", "test loss", "train acc.", "test acc.", "‖θ‖"];
        let shown: Vec<usize> =
            (0..names.len()).filter(|&j| self.rows.iter().any(|r| r.values()[j].is_some())).collect();
        let ranked = self.rows.iter().any(|r| r.features.is_some());
        let mut heading: Vec<&str> = std::iter::once(first).chain(shown.iter().map(|&j| names[j])).collect();
        if ranked {
            heading.push("ranks");
        }
        let row = |r: &Row| {
            let mut cells: Vec<String> =
                std::iter::once(short(r.time)).chain(shown.iter().map(|&j| cell(r, j))).collect();
            if ranked {
                cells.push(ranks(r));
            }
            cells
        };
        text += &table(&heading, self.rows.iter().map(row).collect());
        if !self.statements.is_empty() {
            text += &statements_text("theory/network.md", &self.statements);
        }
        text
    }

    /// One row a step.
    pub fn write_csv(&self, path: &Path) -> Result<(), Failure> {
        let blocks = self.rows.first().map_or(0, |r| r.norms.len());
        let norms: Vec<String> = (0..blocks).map(|l| format!("layer_norm_{l}")).collect();
        let layers = self.rows.iter().find_map(|r| r.features.as_ref()).map_or(0, Vec::len);
        let ranks: Vec<String> = (1..=layers).map(|l| format!("rank_{l}")).collect();
        let mut heading = vec!["step"];
        let error_names = Row::NAMES.map(|name| format!("{name}_error"));
        heading.extend(Row::NAMES.iter().zip(&error_names).flat_map(|(name, error)| [*name, error.as_str()]));
        heading.extend(norms.iter().chain(&ranks).map(String::as_str));
        let cell = |x: Option<f64>| x.map_or(String::new(), exact);
        let row = |r: &Row| {
            let mut cells = vec![r.steps.map_or_else(|| exact(r.time), |s| s.to_string())];
            cells.extend(r.values().into_iter().zip(r.errors).flat_map(|(x, e)| [cell(x), cell(e)]));
            cells.extend(r.norms.iter().map(|&x| exact(x)));
            cells.extend(
                (0..layers).map(|l| r.features.as_ref().map_or(String::new(), |f| f[l].rank.to_string())),
            );
            cells
        };
        write_csv(path, &heading, &self.rows.iter().map(row).collect::<Vec<_>>())
    }
}

fn ranks(row: &Row) -> String {
    let each = row.features.iter().flatten().map(|f| f.rank.to_string());
    each.collect::<Vec<_>>().join(" ")
}
