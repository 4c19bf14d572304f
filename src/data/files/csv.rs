//! Tables of numbers separated by commas.

use std::path::Path;

use ndarray::Array2;

use super::shown;
use crate::error::{Error, Result};

pub(super) fn read(bytes: &[u8], path: &Path) -> Result<Array2<f64>> {
    let at = |line, reason| Error::File { path: path.to_owned(), line, reason };
    let mut reader = ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    let mut record = ::csv::ByteRecord::new();
    let mut values = Vec::new();
    let mut columns = None;
    let mut first = true;
    while reader.read_byte_record(&mut record).map_err(|e| at(None, format!("cannot read the file: {e}")))? {
        let line = record.position().map(|place| line_of(place, bytes));
        if record.len() == 1 && record[0].trim_ascii().is_empty() {
            continue;
        }
        let is_heading = first && record.iter().all(|field| number(field).is_none());
        first = false;
        if is_heading {
            continue;
        }
        let expected = *columns.get_or_insert(record.len());
        if record.len() != expected {
            let found = record.len();
            return Err(at(line, format!("{found} fields, expected {expected} as in the row before")));
        }
        for (index, field) in record.iter().enumerate() {
            let value = number(field).ok_or_else(|| {
                at(line, format!("field {} is {:?}, expected a number", index + 1, shown(field)))
            })?;
            values.push(value);
        }
    }
    let columns = columns.ok_or_else(|| at(None, "holds no row of numbers".to_owned()))?;
    let shape = (values.len() / columns, columns);
    Array2::from_shape_vec(shape, values).map_err(|e| at(None, e.to_string()))
}

/// The line of a record: its position is before the line breaks and blank lines that precede it.
fn line_of(position: &::csv::Position, bytes: &[u8]) -> u64 {
    let rest = bytes.get(position.byte() as usize..).unwrap_or_default();
    let breaks = rest.iter().take_while(|b| matches!(b, b'\r' | b'\n'));
    position.line() + breaks.filter(|&&b| b == b'\n').count() as u64
}

fn number(field: &[u8]) -> Option<f64> {
    std::str::from_utf8(field.trim_ascii()).ok()?.parse().ok()
}
