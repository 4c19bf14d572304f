//! `groktime verify MODEL|all`: every statement on its paper's settings, judged.
//!
//! Deterministic statements must hold on every instance that meets their hypotheses. Probabilistic ones
//! are judged by their failure rate over many draws: a statement is violated when so many failures would
//! be a one-in-a-million event at the rate it allows. Either is said to hold only by informative instances:
//! those whose claim could have failed.

pub mod completion;
pub mod diagonal;
pub mod effective;
pub mod network;
pub mod ridge;

use clap::Args;
use clap::builder::PossibleValuesParser;
use groktime::theorem::{Form, Hypothesis, Judged, Outcome, Side, Source, Standing};
use serde::Serialize;
use serde_json::{Value, json};

use crate::Status;
use crate::arguments::Memory;
use crate::models::{MODELS, Model};
use crate::output::{self, Failure, short};
use crate::progress::spinner;

#[derive(Args)]
pub struct Arguments {
    /// The model whose statements are verified, or all
    #[arg(value_parser = PossibleValuesParser::new(MODELS.iter().map(|m| m.name).chain(["all"])))]
    model: String,
    /// One JSON document on standard output
    #[arg(long)]
    json: bool,
    /// No table on standard output
    #[arg(long)]
    quiet: bool,
    /// Memory that may be taken, such as 8GB; auto is half of what is free [default: auto]
    #[arg(long, value_name = "BYTES|auto")]
    memory: Option<Memory>,
}

/// One statement over all instances.
#[derive(Serialize)]
pub struct Row {
    id: String,
    source: &'static Source,
    says: &'static str,
    form: Form,
    quantity: &'static str,
    side: Side,
    /// Instances looked at, those that met the hypotheses, and those of them whose claim could have failed.
    instances: usize,
    applicable: usize,
    informative: usize,
    holds: usize,
    /// Applicable instances on which the claim failed.
    fails: usize,
    /// Applicable instances that the error of the computation leaves open, and why the first of them is.
    undetermined: usize,
    reason: Option<String>,
    /// Smallest distance to the bound among applicable instances (logarithms or clock units), and where.
    worst_slack: Option<f64>,
    worst_instance: Option<String>,
    /// Claim, exact value and hypotheses there; without applicable instances, the hypotheses of the first.
    claim: &'static str,
    value: Option<f64>,
    measured: Option<f64>,
    at_time: Option<f64>,
    hypotheses: Vec<Hypothesis>,
    /// Failure rate over many draws, for probabilistic statements.
    rate: Option<Rate>,
    outcome: Outcome,
    erratum: Option<&'static str>,
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
    crate::arguments::prepare(arguments.memory, [])?;
    let chosen = MODELS.iter().filter(|m| arguments.model == "all" || arguments.model == m.name);
    let verified = verify(chosen)?;
    let violated = verified.violated();
    if arguments.json {
        output::print_json(&verified.json(&arguments.model))?;
    } else if !arguments.quiet {
        output::print(&verified.text())?;
    }
    Ok(if violated { Status::Violated } else { Status::Done })
}

/// The statements of some models.
pub struct Verified(Vec<(&'static Model, Vec<Row>)>);

/// Judges the statements of some models.
pub fn verify(models: impl Iterator<Item = &'static Model>) -> Result<Verified, Failure> {
    let judged = models.map(|model| {
        let bar = spinner(model.name);
        let mut rows = (model.verify)()?;
        rows.iter_mut().for_each(Row::close);
        bar.finish_and_clear();
        Ok((model, rows))
    });
    Ok(Verified(judged.collect::<Result<_, Failure>>()?))
}

impl Verified {
    fn rows(&self) -> impl Iterator<Item = (&'static Model, &Row)> {
        self.0.iter().flat_map(|(model, rows)| rows.iter().map(move |row| (*model, row)))
    }

    pub fn violated(&self) -> bool {
        self.rows().any(|(_, row)| row.outcome == Outcome::Violated)
    }

    /// The document of `verify --json`; the model is that of the command line.
    pub fn json(&self, model: &str) -> Value {
        /// A row that says whose it is.
        #[derive(Serialize)]
        struct Named<'a> {
            model: &'static str,
            #[serde(flatten)]
            row: &'a Row,
        }
        let rows: Vec<Named<'_>> = self.rows().map(|(model, row)| Named { model: model.name, row }).collect();
        json!({
            "schema": 1,
            "version": env!("CARGO_PKG_VERSION"),
            "model": model,
            "command": "verify",
            "violated": self.violated(),
            "statements": rows,
        })
    }

    fn text(&self) -> String {
        let title = match &self.0[..] {
            [(model, _)] => format!("the {} model (arXiv {})", model.name, model.paper),
            _ => "all models".to_owned(),
        };
        let mut tables = String::new();
        for (model, rows) in &self.0 {
            if self.0.len() > 1 {
                tables += &format!("\n{} (arXiv {})\n", model.name, model.paper);
            }
            let cells = rows.iter().map(Row::cells).collect();
            tables += &crate::table::table_of_text(
                &["statement", "instances", "fails", "closest", "outcome"],
                cells,
            );
        }
        let count = |outcome| self.rows().filter(|(_, row)| row.outcome == outcome).count();
        format!(
            "Statements of {title} against exact trajectories\n{tables}\
             instances: informative/applicable/all. Applicable: all hypotheses hold.\n\
             Informative: the claim could have failed.\n\
             closest: smallest distance to the bound, in clock units or natural logarithms.\n\
             [derived]: our own form, or the limit η → 0 of a printed one under the flow clock.\n\
             {} hold, {} violated, {} known errata, {} undetermined, {} not applicable or not evaluated\n",
            count(Outcome::Holds),
            count(Outcome::Violated),
            count(Outcome::KnownErratum),
            count(Outcome::Undetermined),
            count(Outcome::NotApplicable) + count(Outcome::NotEvaluated),
        )
    }
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
                    id: statement.id(),
                    source: statement.source,
                    says: statement.source.says,
                    form: statement.form,
                    quantity: statement.quantity,
                    side: statement.side,
                    instances: 0,
                    applicable: 0,
                    informative: 0,
                    holds: 0,
                    fails: 0,
                    undetermined: 0,
                    reason: None,
                    worst_slack: None,
                    worst_instance: None,
                    claim: statement.claim.name(),
                    value: None,
                    measured: None,
                    at_time: None,
                    hypotheses: statement.hypotheses.clone(),
                    rate: None,
                    outcome: Outcome::NotApplicable,
                    erratum: statement.erratum(),
                    note: String::new(),
                });
                rows.len() - 1
            });
            rows[index].add(judged, &instance.name);
        }
    }
    rows.iter_mut().for_each(Row::expect_erratum);
    rows
}

impl Row {
    /// What is claimed, and under it what is to be said of it; and the numbers.
    fn cells(&self) -> Vec<String> {
        let name = output::statement_name(self.source, self.form);
        let mut says = format!("{name}: {} {}", self.quantity, self.side.symbol());
        if !self.note.is_empty() {
            says = format!("{says}\n– {}", self.note);
        }
        vec![
            says,
            format!("{}/{}/{}", self.informative, self.applicable, self.instances),
            match self.rate {
                Some(rate) => format!("{}/{}", rate.failures, rate.draws),
                None => self.fails.to_string(),
            },
            self.worst_slack.map_or("–".to_owned(), short),
            self.outcome.name().to_owned(),
        ]
    }

    fn add(&mut self, judged: &Judged, instance: &str) {
        self.instances += 1;
        match (judged.statement.standing(), judged.claim_met()) {
            (Standing::Holds, Some(met)) => {
                self.applicable += 1;
                self.holds += usize::from(met);
                self.fails += usize::from(!met);
                let informative = judged.informative();
                // The closest informative instance, as soon as there is one.
                if informative && self.informative == 0 {
                    self.worst_slack = None;
                }
                self.informative += usize::from(informative);
                if !informative && self.informative > 0 && met {
                    return;
                }
                let slack = judged.verdict.slack + judged.verdict.rounding;
                if self.worst_slack.is_none_or(|worst| slack < worst) && slack.is_finite() {
                    self.worst_slack = Some(slack);
                    self.worst_instance = Some(instance.to_owned());
                    let finite = |x: f64| x.is_finite().then_some(x);
                    self.value = finite(judged.verdict.value);
                    self.measured = finite(judged.verdict.measured);
                    self.at_time = judged.verdict.at_time;
                    self.hypotheses = judged.statement.hypotheses.clone();
                }
                let probabilistic = judged.statement.probability.is_some();
                self.outcome = match (self.fails, probabilistic) {
                    (0, _) => Outcome::Holds,
                    (_, true) => Outcome::NotEvaluated,
                    (_, false) => Outcome::Violated,
                };
            }
            (Standing::Holds, None) if judged.verdict.outcome == Outcome::Undetermined => {
                self.applicable += 1;
                self.undetermined += 1;
                self.reason = self.reason.take().or_else(|| judged.verdict.reason.clone());
                if self.holds + self.fails == 0 {
                    self.outcome = Outcome::Undetermined;
                }
            }
            (Standing::Open, _) if self.applicable == 0 => {
                self.outcome = Outcome::Undetermined;
                self.reason = self.reason.take().or_else(|| judged.verdict.reason.clone());
            }
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

    /// A statement does not hold by instances that could not have failed; the note says that there are no others.
    pub fn close(&mut self) {
        if self.outcome == Outcome::Holds && self.informative == 0 {
            self.outcome = Outcome::Undetermined;
            let why = "no informative instance";
            self.note = if self.note.is_empty() { why.into() } else { format!("{why}: {}", self.note) };
        }
        if self.undetermined > 0 {
            let reason = self.reason.as_deref().unwrap_or("its error is larger than the margin");
            let open = format!("open on {} instances ({reason})", self.undetermined);
            self.note = if self.note.is_empty() { open } else { format!("{}; {open}", self.note) };
        }
    }

    /// A printed form whose correction is known: its failures are expected, their absence is not.
    fn expect_erratum(&mut self) {
        let Some(why) = self.erratum else { return };
        self.outcome = if self.fails > 0 { Outcome::KnownErratum } else { Outcome::Holds };
        self.note = match self.fails {
            0 => format!("expected to fail and did not: {why}"),
            _ => why.to_owned(),
        };
    }

    pub fn source(&self) -> &'static Source {
        self.source
    }

    pub fn form(&self) -> Form {
        self.form
    }

    pub fn is(&self, source: &Source, form: Form) -> bool {
        self.source == source && self.form == form
    }

    /// Adds to what is noted already.
    pub fn add_note(&mut self, note: &str) {
        self.note = if self.note.is_empty() { note.to_owned() } else { format!("{}; {note}", self.note) };
    }

    pub fn set_note(&mut self, note: &str) {
        if self.note.is_empty() {
            self.note = note.to_owned();
        }
    }
}
