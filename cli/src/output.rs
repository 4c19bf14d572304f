//! What the program prints and writes: one JSON document, tables for people, CSV files.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use groktime::Error;
use groktime::crossing::Crossing;
use groktime::data::files::write_whole;
use groktime::theorem::{Form, Judged, Outcome, Source, Verdict};
use groktime::trajectory::{Clock, Table as Observations};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::Status;
use crate::table::table;

/// What stops the program.
#[derive(Debug)]
pub enum Failure {
    /// Exit code 2.
    Input(String),
    /// Exit code 2: more memory than is allowed.
    Memory(Error),
    /// Exit code 3.
    Computation(String),
}

impl Failure {
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Input(_) | Failure::Memory(_) => 2,
            Failure::Computation(_) => 3,
        }
    }

    /// An output that could not be written.
    pub fn writing(error: Error) -> Failure {
        Failure::Computation(error.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Input(text) | Failure::Computation(text) => f.write_str(text),
            Failure::Memory(error) => error.fmt(f),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        match error.is_bad_input() {
            _ if matches!(error, Error::Memory { .. }) => Failure::Memory(error),
            true => Failure::Input(error.to_string()),
            false => Failure::Computation(error.to_string()),
        }
    }
}

/// What a command says, and how it ends.
pub struct Answer {
    pub said: Said,
    pub status: Status,
}

/// What is said: one document for scripts, text for people, or nothing (`--quiet`).
pub enum Said {
    Json(Value),
    Text(String),
    Nothing,
}

impl Answer {
    pub fn print(self) -> Result<Status, Failure> {
        match &self.said {
            Said::Json(document) => print_json(document)?,
            Said::Text(text) => print(text)?,
            Said::Nothing => {}
        }
        Ok(self.status)
    }
}

/// Prints one JSON document on standard output.
pub fn print_json(document: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(document).map_err(|e| Failure::Computation(e.to_string()))?;
    print(&(text + "\n"))
}

/// Prints text; a reader that went away early (`| head`) is not an error.
pub fn print(text: &str) -> Result<(), Failure> {
    match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Computation(format!("standard output: {e}")))
        }
        _ => Ok(()),
    }
}

/// The keys that every JSON document starts with.
pub fn document(model: &str) -> Map<String, Value> {
    let mut out = Map::new();
    out.insert("schema".into(), json!(1));
    out.insert("version".into(), json!(env!("CARGO_PKG_VERSION")));
    out.insert("model".into(), json!(model));
    out
}

/// Statements in JSON.
pub fn statements_value(statements: &[Judged]) -> Result<Value, Failure> {
    serde_json::to_value(statements).map_err(|e| Failure::Computation(e.to_string()))
}

/// The table of statements.
pub fn statements_text(paper: &str, statements: &[Judged]) -> String {
    let rows = statements.iter().map(statement_row).collect();
    format!("\nStatements ({paper})\n{}", table(&STATEMENT_HEADING, rows))
}

/// How a command ends that judged statements.
pub fn status(statements: &[Judged]) -> Status {
    match statements.iter().any(|s| s.verdict.outcome == Outcome::Violated) {
        true => Status::Violated,
        false => Status::Done,
    }
}

/// Writes rows of text cells as CSV, whole or not at all.
pub fn write_csv(path: &Path, heading: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
    write_whole(path, |file| {
        writeln!(file, "{}", heading.join(","))?;
        rows.iter().try_for_each(|row| writeln!(file, "{}", row.join(",")))
    })
    .map_err(Failure::writing)
}

/// Observables at their times, one row each.
pub fn write_observations<T: Clock>(path: &Path, observations: &Observations<T>) -> Result<(), Failure> {
    let names = observations.columns.iter().map(|o| o.name());
    let heading: Vec<&str> = std::iter::once("time").chain(names).collect();
    let rows: Vec<Vec<String>> = observations
        .times
        .iter()
        .zip(observations.values.outer_iter())
        .map(|(t, row)| std::iter::once(t.to_string()).chain(row.iter().map(|&x| exact(x))).collect())
        .collect();
    write_csv(path, &heading, &rows)
}

/// A number short enough for a table.
pub fn short(x: f64) -> String {
    match x {
        x if x.is_nan() => "–".into(),
        x if x.is_infinite() => if x > 0.0 { "never" } else { "−∞" }.into(),
        x if x == x.trunc() && x.abs() < 1e15 => format!("{x}"),
        x if x.abs() >= 1e5 || x.abs() < 1e-3 => format!("{x:.4e}"),
        x => format!("{x:.5}"),
    }
}

/// A number with as many of the digits of [`short`] as its error bar leaves: one whose last digit is larger
/// than the error. Where not even the first is, it is zero to within the error, and that is said. `None`: no
/// error is known, and all of `short` is shown.
pub fn cut(value: f64, error: Option<f64>) -> String {
    let Some(error) = error.filter(|e| *e > 0.0 && value.is_finite()) else { return short(value) };
    if error >= value.abs() {
        return format!("0 ± {error:.0e}");
    }
    // The places of the first digit and of the last that the error leaves, as powers of ten.
    let (first, last) = (value.abs().log10().floor() as i32, error.log10().ceil() as i32);
    let after_first = usize::try_from(first - last).unwrap_or(0);
    let scientific = value.abs() >= 1e5 || value.abs() < 1e-3;
    match scientific {
        true if after_first >= 4 => short(value),
        false if last <= -5 => short(value),
        false if last <= 0 => format!("{value:.0$}", last.unsigned_abs() as usize),
        _ => format!("{value:.after_first$e}"),
    }
}

/// A number that reads back to the same bits.
pub fn exact(x: f64) -> String {
    if x.is_finite() { format!("{x:?}") } else { String::new() }
}

/// t1 or t2 in JSON: a whole number for descent, null for never.
pub fn crossing_value<T: Clock>(crossing: Crossing<T>, from_start: i64) -> Value {
    match crossing {
        Crossing::FromStart => json!(from_start),
        Crossing::At { time, .. } => time_value(time),
        Crossing::Never | Crossing::Undecided { .. } => Value::Null,
    }
}

/// The certified interval in JSON; the upper end is null when rounding cannot exclude "never".
pub fn crossing_interval<T: Clock>(crossing: Crossing<T>, from_start: i64) -> Value {
    match crossing {
        Crossing::FromStart => json!([from_start, from_start]),
        Crossing::At { lo, hi, .. } => json!([time_value(lo), time_value(hi)]),
        Crossing::Never => Value::Null,
        Crossing::Undecided { lo, hi } => {
            let lo = lo.map_or(json!(from_start), time_value);
            json!([lo, hi.map_or(Value::Null, time_value)])
        }
    }
}

/// A time in JSON.
pub fn time_value<T: Clock>(t: T) -> Value {
    // Display of u64 is exact; of f64 it reads back.
    let text = t.to_string();
    match T::NAME == f64::NAME {
        true => json!(t.as_f64()),
        false => text.parse::<u64>().map_or(Value::Null, |steps| json!(steps)),
    }
}

/// t1 or t2 for people: flow times shortened.
pub fn crossing_text<T: Clock>(crossing: Crossing<T>) -> String {
    match crossing {
        Crossing::At { time, .. } if T::NAME == f64::NAME => short(time.as_f64()),
        other => other.to_string(),
    }
}

/// One row of the table of statements.
fn statement_row(judged: &Judged) -> Vec<String> {
    let Verdict { value, measured, at_time, outcome, ref reason, .. } = judged.verdict;
    let statement = &judged.statement;
    let relation = statement.side.symbol();
    let at = at_time.map_or(String::new(), |t| format!(" at {}", short(t)));
    let probability = statement.probability.map_or(String::new(), |p| format!("{:.4}", p.stated));
    vec![
        statement_name(statement.source, statement.form),
        format!("{} {relation} {}", statement.quantity, short(value)),
        format!("{}{at}", short(measured)),
        probability,
        outcome.name().to_owned(),
        reason.clone().unwrap_or_default(),
    ]
}

/// A statement in a table: its number, and whether it is not as printed.
pub fn statement_name(source: &Source, form: Form) -> String {
    // The paper, the same for a whole table, is left out.
    match form {
        Form::Printed => source.number.to_owned(),
        form => format!("{} [{}]", source.number, form.name()),
    }
}

const STATEMENT_HEADING: [&str; 6] = ["statement", "claim", "exact", "prob.", "outcome", "because"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_end_at_the_error() {
        let cases = [
            (0.123456789, 1e-12, "0.12346"),
            (0.123456789, 2e-3, "0.12"),
            (0.123456789, 1e-3, "0.123"),
            (1.5, 1e-17, "1.50000"),
            (123.456, 0.5, "123"),
            (123.456, 20.0, "1e2"),
            (4.6952e-8, 1e-10, "4.70e-8"),
            (4.6952e-8, 1e-20, "4.6952e-8"),
            (3.2e7, 1e-3, "32000000"),
            (1.2e-17, 3e-17, "0 ± 3e-17"),
            (0.0, 1e-20, "0 ± 1e-20"),
        ];
        for (value, error, shown) in cases {
            assert_eq!(cut(value, Some(error)), shown, "{value} ± {error}");
        }
        assert_eq!(cut(0.25, None), short(0.25));
        assert_eq!(cut(0.25, Some(0.0)), short(0.25));
        assert_eq!(cut(f64::NAN, Some(1.0)), "–");
    }

    /// No digit is shown that the error does not leave, and one more would be too many by less than a digit.
    #[test]
    fn what_is_shown_is_within_the_error_and_a_digit() {
        for i in 0..2000 {
            let value = 10_f64.powf(f64::from(i % 37) - 18.0) * (1.0 + 0.0007 * f64::from(i));
            let error = value * 10_f64.powf(-0.05 * f64::from(i % 120) - 0.01);
            let text = cut(value, Some(error));
            let Ok(shown) = text.parse::<f64>() else { continue };
            // What `short` itself rounds away: the sixth digit, or the sixth decimal.
            let short_of = if (1e-3..1e5).contains(&value) { 5e-6 } else { 5e-5 * value };
            let room = (10.0 * error).max(short_of);
            assert!((shown - value).abs() <= room, "{value} ± {error}: {text}");
        }
    }
}
