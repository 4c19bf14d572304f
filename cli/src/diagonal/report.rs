//! What `groktime diagonal` answers: observables at times, statements; as JSON, as text, as CSV.

use std::path::Path;

use groktime::Error;
use groktime::diagonal::{Problem, Run, Settings, SlowFlow, Snapshot};
use groktime::grokking::Transition;
use groktime::ode::Statistics;
use groktime::theorem::Judged;
use groktime::trajectory::even_times;
use serde_json::{Value, json};

use super::source::{self, Test};
use super::{Arguments, integrate};
use crate::output::{Failure, cut, document, exact, short, statements_text, statements_value, write_csv};
use crate::table::table;

/// A trajectory together with what it is tested on.
pub struct Curves<'a, S> {
    pub problem: &'a Problem,
    pub test: &'a Test,
    snapshot: S,
}

/// The observables at one time.
pub struct Row {
    pub time: f64,
    pub train_loss: f64,
    pub ln_train_loss: f64,
    pub test_loss: Option<f64>,
    pub train_accuracy: Option<f64>,
    pub test_accuracy: Option<f64>,
    pub parameter_norm: f64,
    pub margin_l2: Option<f64>,
    pub margin_l1: Option<f64>,
    /// Error bars of [`Row::NAMES`]; those of a test would need the second run's weights.
    errors: [Option<f64>; 7],
}

impl<'a, S: Fn(f64) -> groktime::Result<Snapshot>> Curves<'a, S> {
    pub fn new(problem: &'a Problem, test: &'a Test, snapshot: S) -> Self {
        Curves { problem, test, snapshot }
    }

    /// One row a time and, if wanted, the weights one after the other.
    pub fn at(&self, times: &[f64], keep: bool) -> Result<(Vec<Row>, Vec<f64>), Failure> {
        let mut weights = Vec::new();
        let mut row = |&t: &f64| -> Result<Row, Failure> {
            let net = (self.snapshot)(t)?;
            if keep {
                weights.extend(&net.weights);
            }
            Ok(Row {
                time: t,
                train_loss: net.train_loss,
                ln_train_loss: net.ln_train_loss,
                test_loss: self.test.loss(self.problem.loss(), net.weights.view())?,
                train_accuracy: net.train_accuracy,
                test_accuracy: self.test.accuracy(net.weights.view())?,
                parameter_norm: net.parameter_norm,
                margin_l2: net.margin_l2,
                margin_l1: net.margin_l1,
                errors: [
                    net.train_loss_error,
                    None,
                    net.train_accuracy_error,
                    None,
                    net.parameter_norm_error,
                    net.margin_l2_error,
                    net.margin_l1_error,
                ],
            })
        };
        let rows = times.iter().map(&mut row).collect::<Result<_, _>>()?;
        Ok((rows, weights))
    }
}

impl<'a, S: Fn(f64) -> groktime::Result<Snapshot>> Curves<'a, S> {
    /// The passage of the test accuracy, or of the test loss where that is not defined; `unit` is λ, or 1 for
    /// the slow flow. `None` where it is no passage: nothing to test on, no decay, a change below 1%.
    pub fn passage(&self, horizon: f64, unit: f64) -> Result<Option<Passage>, Failure> {
        const POINTS: u32 = 80;
        let start = PLATEAU / unit;
        if start.is_nan() || start >= horizon {
            return Ok(None);
        }
        let step = (horizon - start) / f64::from(POINTS);
        let times: Vec<f64> = (0..=POINTS).map(|j| (start + f64::from(j) * step).min(horizon)).collect();
        let (rows, _) = self.at(&[start, horizon], false)?;
        let (what, get): (_, fn(&Row) -> Option<f64>) = match rows[0].test_accuracy {
            Some(_) => ("test accuracy", |r| r.test_accuracy),
            None => ("test loss", |r| r.test_loss),
        };
        let (Some(from), Some(to)) = (get(&rows[0]), get(&rows[1])) else { return Ok(None) };
        if (to - from).abs() < 0.01 * from.abs() {
            return Ok(None);
        }
        let value = |t: f64| -> groktime::Result<f64> {
            match self.at(&[t], false) {
                Ok((rows, _)) => Ok(get(&rows[0]).unwrap_or(f64::NAN)),
                Err(e) => Err(Error::Numerical { method: "test", detail: e.to_string() }),
            }
        };
        let found = Transition::find(&times, from, to, value)?;
        Ok(found.map(|times| Passage { what, from, to, times }))
    }
}

impl Row {
    /// Names in JSON and CSV, in this order.
    const NAMES: [&'static str; 7] = [
        "train_loss",
        "test_loss",
        "train_accuracy",
        "test_accuracy",
        "parameter_norm",
        "margin_l2",
        "margin_l1",
    ];

    fn values(&self) -> [Option<f64>; 7] {
        [
            Some(self.train_loss),
            self.test_loss,
            self.train_accuracy,
            self.test_accuracy,
            Some(self.parameter_norm),
            self.margin_l2,
            self.margin_l1,
        ]
    }
}

/// What is said besides the curves.
pub struct Report {
    pub settings: Settings,
    /// Of the integrator; the slow flow has none.
    statistics: Option<Statistics>,
    /// Of the slow flow from the flow at the given λ: largest relative distance of the weights once the
    /// data are fitted.
    distance: Option<f64>,
    pub statements: Vec<Judged>,
    pub transition: Option<Passage>,
}

/// How the test accuracy (without classes: the test loss) passes from its plateau to its end.
pub struct Passage {
    what: &'static str,
    /// At λt = PLATEAU, and at the horizon.
    from: f64,
    to: f64,
    times: Transition,
}

/// λt at which the plateau is read: fitted, and the norm still 90% of its start.
const PLATEAU: f64 = 0.1;

impl Passage {
    fn text(&self, decay: f64, slow: bool) -> String {
        let (name, unit) = if slow { ("τ", 1.0) } else { ("λt", decay) };
        let time =
            |t: f64| if slow { short(t) } else { format!("{} ({name} = {})", short(t), short(unit * t)) };
        format!(
            "{} from {} to {}: 10% of the way at {}, half at {}, 90% at {}\n",
            self.what,
            short(self.from),
            short(self.to),
            time(self.times.start),
            time(self.times.midpoint),
            time(self.times.end)
        )
    }
}

impl Report {
    pub fn of_run(run: &Run<'_>, statements: Vec<Judged>) -> Report {
        let (settings, statistics) = (run.settings().clone(), Some(run.statistics()));
        Report { settings, statistics, distance: None, statements, transition: None }
    }

    pub fn of_slow_flow(settings: &Settings, distance: Option<f64>) -> Report {
        Report {
            settings: settings.clone(),
            statistics: None,
            distance,
            statements: Vec::new(),
            transition: None,
        }
    }

    pub fn json<S>(
        &self,
        arguments: &Arguments,
        curves: &Curves<'_, S>,
        rows: &[Row],
    ) -> Result<Value, Failure> {
        let mut out = document("diagonal");
        let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
        put("settings", self.settings_value(arguments, curves));
        put("at", rows.iter().map(|r| json!(r.time)).collect());
        for (j, name) in Row::NAMES.iter().enumerate() {
            put(name, rows.iter().map(|r| json!(r.values()[j])).collect());
            put(&format!("{name}_error"), rows.iter().map(|r| json!(r.errors[j])).collect());
        }
        let count = |f: fn(&Statistics) -> usize| json!(self.statistics.as_ref().map(f));
        put("steps", count(|s| s.steps));
        put("rhs", count(|s| s.rhs));
        put("jacobians", count(|s| s.jacobians));
        put("rejected", count(|s| s.rejected));
        if arguments.question.slow_flow {
            let over = self.distance.map(|d| d / self.settings.weight_decay);
            put("slow_flow_distance", json!(self.distance));
            put("slow_flow_distance_over_weight_decay", json!(over));
        }
        put("statements", statements_value(&self.statements)?);
        Ok(Value::Object(out))
    }

    fn settings_value<S>(&self, arguments: &Arguments, curves: &Curves<'_, S>) -> Value {
        let (s, design) = (&self.settings, curves.problem.design());
        let task = arguments.source.task().and_then(|task| {
            clap::ValueEnum::to_possible_value(&task).map(|value| value.get_name().to_owned())
        });
        json!({
            "task": task,
            "samples": design.samples(),
            "dimension": design.dimension(),
            "packed": design.is_packed(),
            "seed": arguments.source.seed,
            "tested_on": curves.test.name(),
            "depth": s.depth,
            "loss": curves.problem.loss().name(),
            "init_norm": source::norm(&s.init, design.dimension()),
            "init_coordinate": s.alpha(),
            "weight_decay": s.weight_decay,
            "horizon": s.horizon,
            "rtol": s.rtol,
            "slow_flow": arguments.question.slow_flow,
        })
    }

    pub fn text<S>(&self, arguments: &Arguments, curves: &Curves<'_, S>, rows: &[Row]) -> String {
        let (s, design) = (&self.settings, curves.problem.design());
        let slow = arguments.question.slow_flow;
        let norm = source::norm(&s.init, design.dimension());
        let start = match s.alpha() {
            Some(alpha) => format!("u = v = {} at the start, ‖θ(0)‖ = {}", short(alpha), short(norm)),
            None => format!("‖θ(0)‖ = {}", short(norm)),
        };
        let mut text = format!(
            "diagonal net w = u^{l} − v^{l}, n = {}, d = {}, {} loss; {start}; tested on {}\n",
            design.samples(),
            design.dimension(),
            curves.problem.loss().name(),
            curves.test.name(),
            l = s.depth,
        );
        text += &match (&self.statistics, self.distance) {
            (Some(n), _) => format!(
                "gradient flow, λ = {}, to time {} ({} steps, {} right-hand sides, {} Jacobians)\n",
                s.weight_decay,
                short(s.horizon),
                n.steps,
                n.rhs,
                n.jacobians
            ),
            (None, Some(distance)) => format!(
                "slow flow, λ → 0 at fixed τ = λt; the flow at λ = {} is within {} of it, {} λ\n",
                s.weight_decay,
                short(distance),
                short(distance / s.weight_decay)
            ),
            (None, None) => "slow flow, λ → 0 at fixed τ = λt\n".to_owned(),
        };
        text += &self.transition.as_ref().map_or(String::new(), |t| t.text(s.weight_decay, slow));
        let cell = |x: Option<f64>, error| x.map_or("–".to_owned(), |x| cut(x, error));
        let first = if slow { "τ" } else { "time" };
        // A column in which nothing is defined is left out.
        let names = ["train loss", "test loss", "train acc.", "test acc.", "‖θ‖", "L2 margin", "L1 margin"];
        let shown: Vec<usize> =
            (0..names.len()).filter(|&j| rows.iter().any(|r| r.values()[j].is_some())).collect();
        let heading: Vec<&str> = std::iter::once(first).chain(shown.iter().map(|&j| names[j])).collect();
        let row = |r: &Row| {
            let values = r.values();
            std::iter::once(short(r.time))
                .chain(shown.iter().map(|&j| cell(values[j], r.errors[j])))
                .collect()
        };
        text += &table(&heading, rows.iter().map(row).collect());
        if !self.statements.is_empty() {
            text += &statements_text("arXiv 2311.18817", &self.statements);
        }
        text
    }
}

/// Largest relative distance between the weights of the slow flow and of the flow at the given λ, at
/// times when the flow has fitted the data; `None` without weight decay.
pub fn distance(
    slow: &SlowFlow<'_>,
    problem: &Problem,
    settings: &Settings,
    quiet: bool,
) -> Result<Option<f64>, Failure> {
    let decay = settings.weight_decay;
    if decay == 0.0 {
        return Ok(None);
    }
    let settings = Settings { horizon: settings.horizon / decay, ..settings.clone() };
    let run = integrate(problem, &settings, quiet)?;
    let scale = problem.labels().iter().map(|y| y * y).sum::<f64>() / problem.labels().len() as f64;
    let mut times = Vec::new();
    // The last time is a product with rounding: it may not pass either horizon.
    for tau in even_times(settings.horizon * decay, 24).into_iter().skip(1) {
        let t = (tau / decay).min(settings.horizon * (1.0 - 1e-12));
        if run.snapshot(t)?.train_loss <= 1e-2 * scale {
            times.push(t);
        }
    }
    let distance = if times.is_empty() { None } else { Some(slow.distance(&run, &times)?) };
    Ok(distance)
}

/// One row a time.
pub fn write_rows(rows: &[Row], path: &Path) -> Result<(), Failure> {
    let errors = Row::NAMES.map(|name| format!("{name}_error"));
    let names = Row::NAMES.iter().zip(&errors).flat_map(|(name, error)| [*name, error.as_str()]);
    let heading: Vec<&str> = std::iter::once("time").chain(names).collect();
    let cell = |x: Option<f64>| x.map_or(String::new(), exact);
    let row = |r: &Row| {
        let pairs = r.values().into_iter().zip(r.errors).flat_map(|(x, error)| [x, error]);
        std::iter::once(exact(r.time)).chain(pairs.map(cell)).collect()
    };
    let cells: Vec<Vec<String>> = rows.iter().map(row).collect();
    write_csv(path, &heading, &cells)
}
