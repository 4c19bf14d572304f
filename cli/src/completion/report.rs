//! What `groktime completion` answers: observables, the observation graph, statements; as JSON and as text.

use groktime::completion::{Init, Invariant, Solution};
use groktime::theorem::Judged;
use groktime::trajectory::{Observable, Table, Trajectory};
use serde_json::{Value, json};

use super::{Arguments, OBSERVABLES};
use crate::output::{Failure, cut, document, short, statements_text, statements_value};
use crate::table::table;

pub struct Report<'a> {
    pub arguments: &'a Arguments,
    pub solution: &'a Solution,
    pub table: &'a Table<f64>,
    /// Error bars of the table; `None` where they were too expensive.
    pub errors: Option<&'a Table<f64>>,
    pub statements: &'a [Judged],
}

impl Report<'_> {
    /// What is wrong with the observations, if something is.
    pub fn warnings(&self) -> Vec<String> {
        let problem = self.solution.problem();
        let graph = problem.observations().graph();
        let two_sided = graph.side.iter().any(|s| s.is_some());
        let floor = problem.test_loss_floor().filter(|f| *f > 0.0);
        let mut warnings = Vec::new();
        if graph.components > 1 {
            warnings.push(format!(
                "the observed entries form {} components: entries between them cannot be recovered",
                graph.components
            ));
        }
        if two_sided {
            warnings.push(
                "a component has no odd cycle: entries within one side of it cannot be recovered".to_owned(),
            );
        }
        if let (Some(floor), false) = (floor, warnings.is_empty()) {
            warnings.push(format!("the test loss stays at or above {}", short(floor)));
        }
        warnings
    }

    pub fn json(&self) -> Result<Value, Failure> {
        let (arguments, solution) = (self.arguments, self.solution);
        let problem = solution.problem();
        let diagnostics = solution.diagnostics();
        let mut out = document("completion");
        let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
        put("clock", json!("flow"));
        put("settings", settings(arguments, solution));
        put("at", json!(self.table.times));
        for what in OBSERVABLES {
            put(what.name(), json!(self.table.column(what)));
            if what != Observable::Rank {
                put(&format!("{}_error", what.name()), json!(self.error(what)));
            }
        }
        put("weights_error", json!(self.weights_error()));
        // A rank is a whole number.
        let ranks: Vec<Option<u64>> =
            self.table.column(Observable::Rank).into_iter().map(|rank| rank.map(|r| r as u64)).collect();
        put("rank", json!(ranks));
        put("components", json!(problem.observations().graph().components));
        put("test_loss_floor", json!(problem.test_loss_floor()));
        put("warnings", json!(self.warnings()));
        put("steps", json!(diagnostics.statistics.steps));
        put("rhs", json!(diagnostics.statistics.rhs));
        put("jacobians", json!(diagnostics.statistics.jacobians));
        put("rejected", json!(diagnostics.statistics.rejected));
        put("newton_failures", json!(diagnostics.statistics.newton_failures));
        put("invariant", json!(invariant(solution)));
        put("invariant_drift", json!(diagnostics.invariant_drift));
        put("repairs", json!(diagnostics.repairs));
        put("statements", statements_value(self.statements)?);
        Ok(Value::Object(out))
    }

    /// The largest error of an entry of W at each time.
    fn weights_error(&self) -> Vec<Option<f64>> {
        let known = |&t: &f64| match self.errors {
            Some(_) => self.solution.path_error(t).ok().map(|e| e.weights),
            None => None,
        };
        self.table.times.iter().map(known).collect()
    }

    /// The error bar of a column at each time.
    fn error(&self, what: Observable) -> Vec<Option<f64>> {
        match self.errors {
            Some(errors) => errors.column(what).into_iter().map(|e| e.filter(|e| e.is_finite())).collect(),
            None => vec![None; self.table.times.len()],
        }
    }

    pub fn text(&self) -> String {
        let (solution, arguments) = (self.solution, self.arguments);
        let problem = solution.problem();
        let observations = problem.observations();
        let statistics = solution.diagnostics().statistics;
        let clock = if arguments.question.slow_flow {
            "slow flow, clock τ = λt"
        } else {
            "flow time = step size × steps"
        };
        let mut text = format!(
            "matrix completion, d = {}, n = {} ({} distinct pairs), λ = {}; {clock}\n{} steps, {} right-hand sides, drift of {} {}\n",
            problem.dimension(),
            observations.count(),
            observations.pairs().len(),
            arguments.question.weight_decay,
            statistics.steps,
            statistics.rhs,
            invariant(solution),
            short(solution.diagnostics().invariant_drift),
        );
        for warning in self.warnings() {
            text += &format!("warning: {warning}\n");
        }
        let columns: Vec<_> =
            OBSERVABLES.iter().map(|&what| (self.table.column(what), self.error(what))).collect();
        let rows = self.table.times.iter().enumerate().map(|(i, &t)| {
            let cells =
                columns.iter().map(|(value, error)| value[i].map_or("–".to_owned(), |x| cut(x, error[i])));
            [short(t), short(t * solution.weight_decay())].into_iter().chain(cells).collect()
        });
        text.push('\n');
        let heading = ["time", "λt", "train loss", "test loss", "‖θ‖", "‖W‖_*", "rank"];
        text += &table(&heading, rows.collect());
        if !self.statements.is_empty() {
            text += &statements_text("arXiv 2311.18817", self.statements);
        }
        text
    }
}

fn invariant(solution: &Solution) -> &'static str {
    match solution.invariant() {
        Invariant::Matrix { .. } => "A² − W² = 4a⁴I",
        Invariant::Scalar { .. } => "‖A‖² − ‖W‖²",
    }
}

fn settings(arguments: &Arguments, solution: &Solution) -> Value {
    let (source, question) = (&arguments.source, &arguments.question);
    let problem = solution.problem();
    let task = match (&source.matrix, &source.observations) {
        (None, None) => Some(source.task.unwrap_or(super::source::Task::Table).name()),
        _ => None,
    };
    json!({
        "task": task,
        "dimension": problem.dimension(),
        "observed": problem.observations().count(),
        "distinct_pairs": problem.observations().pairs().len(),
        "init_coordinate": match problem.init() {
            Init::Identity { coordinate } | Init::Perturbed { coordinate, .. } => Some(*coordinate),
            Init::Factors { .. } => None,
        },
        "perturbation": source.perturbation,
        "weight_decay": question.weight_decay,
        "horizon": solution.horizon(),
        "rtol": question.rtol,
        "rank_tolerance": question.rank_tolerance,
        "slow_flow": question.slow_flow,
        "seed": source.seed,
    })
}
