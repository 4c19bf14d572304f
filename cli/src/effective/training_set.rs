//! What is said of a training set by itself: counts, nullity, eigenvalues, the ideal model.

use std::fmt::Write as _;
use std::path::Path;

use groktime::effective::{Implied, Nullity, Problem, full_parallelograms};
use ndarray::Array1;
use serde_json::{Map, Value, json};

use super::{Arguments, MatchName, NormalisationName, Question};
use crate::output::{Failure, document, exact, short, write_csv};

pub struct TrainingSet<'a> {
    problem: &'a Problem,
    /// All, or the smallest; at least three where there are so many symbols.
    pub eigenvalues: Array1<f64>,
    /// None without parallelograms.
    pub hessian: Option<Array1<f64>>,
    pub nullity: Nullity,
    /// The smallest nullity that any training set of the task has.
    least: usize,
    /// None for non-abelian groups: what is implied there is not linear.
    implied: Option<Implied>,
}

impl<'a> TrainingSet<'a> {
    pub fn new(
        question: &Question,
        problem: &'a Problem,
        eigenvalues: Array1<f64>,
        nullity: Nullity,
        least: usize,
        dimensions: usize,
    ) -> Self {
        let n = problem.parallelograms();
        let z0 = dimensions as f64 * question.normalisation().z0(problem.symbols());
        let scale = 2.0 / (question.settings().convention.divisor(n) * z0);
        TrainingSet {
            problem,
            hessian: (n > 0).then(|| eigenvalues.mapv(|mu| mu * scale)),
            eigenvalues,
            nullity,
            least,
            implied: problem.task().commutative().then(|| problem.implied()),
        }
    }

    /// The eigenvalue of H at a place, 0 without parallelograms.
    fn lambda(&self, place: usize) -> f64 {
        self.hessian.as_ref().and_then(|h| h.get(place).copied()).unwrap_or(0.0)
    }

    /// The document up to the flow and the statements.
    pub fn json(&self, arguments: &Arguments) -> Map<String, Value> {
        let (task, question) = (self.problem.task(), &arguments.question);
        let numbers = |a: &Array1<f64>| json!(a.to_vec());
        let time = |rate: f64| if rate > 0.0 { json!(1.0 / rate) } else { Value::Null };
        let (lambda3, rate) = (self.lambda(2), self.lambda(self.least));
        let mut out = document("effective");
        let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
        put("clock", json!("flow"));
        put("settings", settings(arguments));
        put("symbols", json!(task.symbols()));
        put("samples", json!(self.problem.samples().len()));
        put("all_samples", json!(task.samples()));
        put("parallelograms", json!(self.problem.parallelograms()));
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
        out
    }

    pub fn text(&self, question: &Question) -> String {
        let (problem, task) = (self.problem, self.problem.task());
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
        let times = match rate > 0.0 {
            true => (short(1.0 / rate), short(1.0 / (rate * question.step_size))),
            false => ("never".into(), "never".into()),
        };
        let step = question.step_size;
        let _ = writeln!(text, "t_h  its time; in steps of η = {step:<8} {}; {}", times.0, times.1);
        if let Some(implied) = &self.implied {
            let (rqi, accuracy) = (short(implied.rqi), short(implied.accuracy));
            let _ = writeln!(text, "     RQI-bar, Acc-bar (ideal model)   {rqi}, {accuracy}");
        }
        text
    }

    /// The eigenvalues as CSV.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        let row = |k: usize| {
            let h = self.hessian.as_ref().map_or(String::new(), |h| exact(h[k]));
            vec![(k + 1).to_string(), exact(self.eigenvalues[k]), h]
        };
        let rows: Vec<_> = (0..self.eigenvalues.len()).map(row).collect();
        write_csv(path, &["index", "eigenvalue_G", "eigenvalue_H"], &rows)
    }
}

pub fn z0_name(question: &Question) -> &'static str {
    match question.normalisation {
        NormalisationName::One => "1",
        NormalisationName::Symbols => "p",
        NormalisationName::SymbolsLessOne => "p − 1",
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
        "match": match question.matching { MatchName::Norm => "norm", MatchName::MeanSquare => "mean-square" },
        "rqi_threshold": question.rqi_threshold,
        "accuracy_threshold": question.accuracy_threshold,
        "step_size": question.step_size,
        "seed": source.seed,
    })
}
