//! `groktime verify MODEL`: every statement of a model on its paper's settings, judged.
//!
//! Deterministic statements must hold on every instance that meets their hypotheses. Probabilistic ones
//! are judged by their failure rate over many draws: a statement is violated when so many failures would
//! be a one-in-a-million event at the rate it allows.

mod completion;
mod diagonal;
mod effective;
mod network;
mod ridge;

use clap::{Args, ValueEnum};
use groktime::theorem::{Form, Judged, Outcome, Side, Standing};
use serde::Serialize;

use crate::Status;
use crate::output::{self, Failure, short};

#[derive(Args)]
pub struct Arguments {
    /// The model whose statements are verified
    #[arg(value_enum)]
    model: Model,
    /// One JSON document on standard output
    #[arg(long)]
    json: bool,
    /// No table on standard output
    #[arg(long)]
    quiet: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Model {
    Ridge,
    Diagonal,
    Completion,
    Effective,
    Network,
}

/// One statement over all instances.
#[derive(Serialize)]
pub struct Row {
    source: &'static str,
    form: Form,
    quantity: &'static str,
    side: Side,
    /// Instances looked at, and those that met the hypotheses.
    instances: usize,
    applicable: usize,
    holds: usize,
    /// Applicable instances on which the claim failed.
    fails: usize,
    /// Smallest distance to the bound among applicable instances (logarithms or clock units), and where.
    worst_slack: Option<f64>,
    worst_instance: Option<String>,
    /// Failure rate over many draws, for probabilistic statements.
    rate: Option<Rate>,
    outcome: Outcome,
    note: String,
}

/// How often a probabilistic statement failed.
#[derive(Clone, Copy, Serialize)]
pub struct Rate {
    pub draws: u64,
    pub failures: u64,
    /// Allowed by the source.
    pub allowed: f64,
    /// Exact probability of failure of the event in the proof, where it is known.
    pub exact: Option<f64>,
    /// Probability of at least so many failures at the allowed rate.
    pub p_value: f64,
}

/// Below this probability a failure rate counts as a violation.
pub const SIGNIFICANCE: f64 = 1e-6;

/// One judged instance with its name.
pub struct Instance {
    pub name: String,
    pub statements: Vec<Judged>,
}

pub fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let (model, paper, rows) = match arguments.model {
        Model::Effective => ("effective", "2205.10343", effective::rows()?),
        Model::Ridge => ("ridge", "2601.19791", ridge::rows()?),
        Model::Completion => ("completion", "2311.18817", completion::rows()?),
        Model::Diagonal => ("diagonal", "2311.18817", diagonal::rows()?),
        Model::Network => ("network", "2405.19454, 2311.18817", network::rows()?),
    };
    let violated = rows.iter().any(|r| r.outcome == Outcome::Violated);
    if arguments.json {
        output::print_json(&serde_json::json!({
            "schema": 1,
            "version": env!("CARGO_PKG_VERSION"),
            "model": model,
            "command": "verify",
            "violated": violated,
            "statements": rows,
        }))?;
    } else if !arguments.quiet {
        output::print(&text(model, paper, &rows))?;
    }
    Ok(if violated { Status::Violated } else { Status::Done })
}

fn text(model: &str, paper: &str, rows: &[Row]) -> String {
    let heading = ["statement", "bounds", "applicable", "fails", "closest", "outcome", "note"];
    let cells = rows.iter().map(|r| {
        let side = r.side.symbol();
        vec![
            output::statement_name(r.source, r.form),
            format!("{} {side}", r.quantity),
            format!("{}/{}", r.applicable, r.instances),
            match r.rate {
                Some(rate) => format!("{}/{}", rate.failures, rate.draws),
                None => r.fails.to_string(),
            },
            r.worst_slack.map_or("–".to_owned(), short),
            r.outcome.name().to_owned(),
            r.note.clone(),
        ]
    });
    let count = |outcome| rows.iter().filter(|r| r.outcome == outcome).count();
    let mut text = format!("Statements of the {model} model (arXiv {paper}) against exact trajectories\n");
    text += &output::table(&heading, cells.collect());
    text += &format!(
        "closest: smallest distance to the bound, in clock units or natural logarithms.\n\
         [derived]: our own form, or the limit η → 0 of a printed one under the flow clock.\n\
         {} hold, {} violated, {} known errata, {} undetermined, {} not applicable or not evaluated\n",
        count(Outcome::Holds),
        count(Outcome::Violated),
        count(Outcome::KnownErratum),
        count(Outcome::Undetermined),
        count(Outcome::NotApplicable) + count(Outcome::NotEvaluated),
    );
    text
}

/// Gathers the judged instances, one row a statement, in the order of their first appearance.
pub fn gather(instances: &[Instance]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for instance in instances {
        for judged in &instance.statements {
            let statement = &judged.statement;
            let same = |r: &Row| r.source == statement.source && r.form == statement.form;
            let index = rows.iter().position(same).unwrap_or_else(|| {
                rows.push(Row {
                    source: statement.source,
                    form: statement.form,
                    quantity: statement.quantity,
                    side: statement.side,
                    instances: 0,
                    applicable: 0,
                    holds: 0,
                    fails: 0,
                    worst_slack: None,
                    worst_instance: None,
                    rate: None,
                    outcome: Outcome::NotApplicable,
                    note: String::new(),
                });
                rows.len() - 1
            });
            rows[index].add(judged, &instance.name);
        }
    }
    rows
}

impl Row {
    fn add(&mut self, judged: &Judged, instance: &str) {
        self.instances += 1;
        match (judged.statement.standing(), judged.claim_met()) {
            (Standing::Holds, Some(met)) => {
                self.applicable += 1;
                self.holds += usize::from(met);
                self.fails += usize::from(!met);
                let slack = judged.verdict.slack + judged.verdict.rounding;
                if self.worst_slack.is_none_or(|worst| slack < worst) && slack.is_finite() {
                    self.worst_slack = Some(slack);
                    self.worst_instance = Some(instance.to_owned());
                }
                let probabilistic = judged.statement.probability.is_some();
                self.outcome = match (self.fails, probabilistic) {
                    (0, _) => Outcome::Holds,
                    (_, true) => Outcome::NotEvaluated,
                    (_, false) => Outcome::Violated,
                };
            }
            (Standing::Open, _) if self.applicable == 0 => self.outcome = Outcome::Undetermined,
            (Standing::NotEvaluated, _) if self.outcome == Outcome::NotApplicable => {
                self.outcome = Outcome::NotEvaluated;
            }
            _ => {}
        }
    }

    /// Judges a probabilistic statement by its failure rate.
    pub fn set_rate(&mut self, rate: Rate) {
        self.outcome = if rate.p_value < SIGNIFICANCE { Outcome::Violated } else { Outcome::Holds };
        self.note = format!(
            "failure rate {} (allowed {}{})",
            short(rate.failures as f64 / rate.draws as f64),
            short(rate.allowed),
            rate.exact.map_or(String::new(), |exact| format!(", exact {}", short(exact))),
        );
        self.rate = Some(rate);
    }

    /// Marks a printed form whose correction is known: its failures are expected, their absence is not.
    pub fn set_erratum(&mut self, why: &str) {
        self.outcome = if self.fails > 0 { Outcome::KnownErratum } else { Outcome::Holds };
        self.note = match self.fails {
            0 => format!("expected to fail and did not: {why}"),
            _ => why.to_owned(),
        };
    }

    pub fn is(&self, source: &str, form: Form) -> bool {
        self.source.ends_with(source) && self.form == form
    }

    pub fn set_note(&mut self, note: &str) {
        if self.note.is_empty() {
            self.note = note.to_owned();
        }
    }
}
