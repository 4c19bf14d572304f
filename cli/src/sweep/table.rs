//! A journal as a table: parameters and results, one row a point.

use std::collections::HashMap;
use std::path::Path;

use groktime::data::files::write_npz;
use groktime::sweep::Journal;
use ndarray::{Array1, Array2, ArrayD};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::output::{Failure, exact, write_csv};

/// Keys of a document that are no results.
const ASIDE: [&str; 6] = ["schema", "version", "model", "settings", "statements", "runs"];

#[derive(Default)]
pub struct Table {
    pub points: Vec<u64>,
    pub failures: Vec<PointFailure>,
    /// Points with a statement that should hold and does not.
    pub violated: usize,
    columns: Vec<Column>,
    places: HashMap<String, usize>,
}

pub struct PointFailure {
    pub point: u64,
    pub reason: String,
    pub input: bool,
}

struct Column {
    name: String,
    /// One a point; shorter than the points while the last ones have none.
    cells: Vec<Cell>,
}

#[derive(Clone, Debug, PartialEq)]
enum Cell {
    Nothing,
    Number(f64),
    /// A number of more digits than a double has.
    Whole(u64),
    Text(String),
    Numbers(Vec<f64>),
}

#[derive(Deserialize)]
struct Record {
    parameters: Map<String, Value>,
    result: Option<Value>,
    #[serde(default)]
    violated: bool,
    error: Option<String>,
    #[serde(default)]
    input: bool,
}

impl Table {
    /// Reads a journal whose points have these parameters.
    pub fn read(path: &Path, parameters: impl Fn(u64) -> Map<String, Value>) -> Result<Table, Failure> {
        let mut table = Table::default();
        Journal::each(path, |line| {
            let point = line.point;
            let broken = |reason: String| groktime::Error::File {
                path: path.to_owned(),
                line: None,
                reason: format!("point {point}: {reason}"),
            };
            let record: Record = serde_json::from_str(line.value.get()).map_err(|e| broken(e.to_string()))?;
            if record.parameters != parameters(point) {
                return Err(broken("other parameters than in this sweep".into()));
            }
            table.add(point, record);
            Ok(())
        })?;
        Ok(table)
    }

    fn add(&mut self, point: u64, record: Record) {
        let row = self.points.len();
        self.points.push(point);
        self.violated += usize::from(record.violated);
        for (name, value) in &record.parameters {
            self.put(row, name, value);
        }
        if let Some(Value::Object(result)) = &record.result {
            for (name, value) in result.iter().filter(|(name, _)| !ASIDE.contains(&name.as_str())) {
                self.put(row, name, value);
            }
        }
        if let Some(reason) = record.error {
            self.failures.push(PointFailure { point, reason, input: record.input });
        }
    }

    /// Objects are opened, lists of numbers kept; other lists are left to the journal.
    fn put(&mut self, row: usize, name: &str, value: &Value) {
        let number = |v: &Value| match v {
            Value::Null => Some(f64::NAN),
            v => v.as_f64(),
        };
        let cell = match value {
            Value::Object(inner) => {
                inner.iter().for_each(|(key, value)| self.put(row, &format!("{name}.{key}"), value));
                return;
            }
            Value::Array(list) => match list.iter().map(number).collect::<Option<Vec<f64>>>() {
                Some(numbers) => Cell::Numbers(numbers),
                None => return,
            },
            Value::Null => Cell::Nothing,
            Value::Bool(on) => Cell::Number(f64::from(u8::from(*on))),
            Value::String(text) => Cell::Text(text.clone()),
            Value::Number(n) => match (n.as_u64(), n.as_f64()) {
                (Some(whole), _) if whole > 1 << 53 => Cell::Whole(whole),
                (_, x) => x.map_or(Cell::Nothing, Cell::Number),
            },
        };
        let place = *self.places.entry(name.to_owned()).or_insert_with(|| {
            self.columns.push(Column { name: name.to_owned(), cells: Vec::new() });
            self.columns.len() - 1
        });
        let cells = &mut self.columns[place].cells;
        cells.resize(row, Cell::Nothing);
        cells.push(cell);
    }

    /// A list of k numbers becomes k columns `name[0]` …; the last column says what went wrong.
    pub fn write_csv(&self, path: &Path) -> Result<(), Failure> {
        let mut heading = vec!["point".to_owned()];
        for column in &self.columns {
            match column.width() {
                None => heading.push(quoted(&column.name)),
                Some(width) => heading.extend((0..width).map(|k| format!("{}[{k}]", column.name))),
            }
        }
        heading.push("error".to_owned());
        let reasons: HashMap<u64, &str> =
            self.failures.iter().map(|f| (f.point, f.reason.as_str())).collect();
        let row = |(row, point): (usize, &u64)| {
            let mut cells = vec![point.to_string()];
            for column in &self.columns {
                match (column.width(), column.cell(row)) {
                    (Some(width), Cell::Numbers(x)) => {
                        cells.extend((0..width).map(|k| x.get(k).map_or(String::new(), |&x| exact(x))));
                    }
                    (Some(width), _) => cells.extend(vec![String::new(); width]),
                    (None, cell) => cells.push(cell.text()),
                }
            }
            cells.push(quoted(reasons.get(point).copied().unwrap_or_default()));
            cells
        };
        let rows: Vec<Vec<String>> = self.points.iter().enumerate().map(row).collect();
        write_csv(path, &heading.iter().map(String::as_str).collect::<Vec<_>>(), &rows)
    }

    /// Numbers as one array of points a quantity, lists as points × length; NaN where there is none. Texts are
    /// left out.
    pub fn write_npz(&self, path: &Path) -> Result<(), Failure> {
        let count = self.points.len();
        let points: Array1<f64> = self.points.iter().map(|&p| p as f64).collect();
        let mut arrays: Vec<(&str, ArrayD<f64>)> = vec![("point", points.into_dyn())];
        for column in &self.columns {
            if column.cells.iter().any(|cell| matches!(cell, Cell::Text(_))) {
                continue;
            }
            let array = match column.width() {
                None => Array1::from_shape_fn(count, |row| column.cell(row).number()).into_dyn(),
                Some(width) => Array2::from_shape_fn((count, width), |(row, k)| match column.cell(row) {
                    Cell::Numbers(x) => x.get(k).copied().unwrap_or(f64::NAN),
                    _ => f64::NAN,
                })
                .into_dyn(),
            };
            arrays.push((&column.name, array));
        }
        Ok(write_npz(path, &arrays)?)
    }
}

impl Column {
    /// The longest list; `None` where there are only single values.
    fn width(&self) -> Option<usize> {
        let lengths = self.cells.iter().map(|cell| match cell {
            Cell::Numbers(list) => Some(list.len()),
            _ => None,
        });
        lengths.max().flatten()
    }

    fn cell(&self, row: usize) -> &Cell {
        self.cells.get(row).unwrap_or(&Cell::Nothing)
    }
}

impl Cell {
    fn number(&self) -> f64 {
        match self {
            Cell::Number(x) => *x,
            Cell::Whole(n) => *n as f64,
            _ => f64::NAN,
        }
    }

    fn text(&self) -> String {
        match self {
            Cell::Number(x) if x.fract() == 0.0 && x.abs() < 1e15 => format!("{x}"),
            Cell::Number(x) => exact(*x),
            Cell::Whole(n) => n.to_string(),
            Cell::Text(text) => quoted(text),
            Cell::Nothing | Cell::Numbers(_) => String::new(),
        }
    }
}

/// A field of a CSV file.
fn quoted(text: &str) -> String {
    match text.contains([',', '"', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"").replace('\n', " ")),
        false => text.to_owned(),
    }
}
