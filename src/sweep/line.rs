//! The lines of a journal: what they say, and the fingerprint that seals each of them.
//!
//! A line is one JSON object whose last key is `hash`, the [`fingerprint`] of all bytes before that key. A byte that
//! changes changes the fingerprint (each step of FNV-1a is one-to-one in the hash and in the byte), so that no line
//! with a changed bit passes for the one that was written.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{MOST_POINTS, Shard, Sweep};
use crate::error::{Error, Result};

/// What the first key of a heading says.
const KIND: &str = "groktime-sweep";
/// The form of the lines.
const SCHEMA: u32 = 2;
/// What stands between the content of a line and its fingerprint of 16 digits, and what ends it.
const SEAL: &[u8] = b",\"hash\":\"";
const END: &[u8] = b"\"}\n";
const DIGITS: usize = 16;

/// A short name for some bytes: the FNV-1a hash of 64 bits, in hexadecimal. It tells changed settings or files
/// from unchanged ones; it does not resist an attacker.
///
/// ```
/// assert_eq!(groktime::sweep::fingerprint(b"a"), "af63dc4c8601ec8c");
/// ```
pub fn fingerprint(bytes: &[u8]) -> String {
    let step = |h: u64, byte: &u8| (h ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
}

/// The first line.
#[derive(Serialize, Deserialize)]
pub(super) struct Heading {
    journal: String,
    schema: u32,
    pub(super) points: u64,
    /// index and number of shards; not there for the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) shard: Option<[u64; 2]>,
    settings: Box<RawValue>,
}

/// One result, as it stands in a journal.
#[derive(Serialize, Deserialize)]
pub struct Line<'a> {
    pub point: u64,
    /// The fingerprint of what was solved: of [`Sweep::what`].
    pub name: &'a str,
    #[serde(borrow)]
    pub value: &'a RawValue,
}

/// Where a line is.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) point: u64,
    pub(super) start: u64,
    pub(super) length: u64,
}

fn failed(e: serde_json::Error) -> Error {
    Error::Numerical { method: "sweep", detail: e.to_string() }
}

/// The line that says `content`, sealed.
fn sealed(content: &impl Serialize) -> Result<String> {
    let mut text = serde_json::to_string(content).map_err(failed)?;
    // The brace at the end comes after the seal.
    text.pop();
    let hash = fingerprint(text.as_bytes());
    Ok(format!("{text},\"hash\":\"{hash}\"}}\n"))
}

/// Whether a line, its line feed included, is as it was written; what is wrong with it if not.
fn opened(bytes: &[u8]) -> std::result::Result<(), String> {
    let damaged = || "a damaged line: it does not end in its fingerprint".to_owned();
    let body = bytes.len().checked_sub(SEAL.len() + DIGITS + END.len()).ok_or_else(damaged)?;
    let (content, rest) = bytes.split_at(body);
    let rest = rest.strip_prefix(SEAL).and_then(|rest| rest.strip_suffix(END)).ok_or_else(damaged)?;
    match fingerprint(content).as_bytes() == rest {
        true => Ok(()),
        false => {
            Err("a damaged line: its content does not have the fingerprint that stands at its end".into())
        }
    }
}

/// The line of a result.
pub(super) fn line(point: u64, name: &str, result: &impl Serialize) -> Result<String> {
    let value = serde_json::value::to_raw_value(result).map_err(failed)?;
    sealed(&Line { point, name, value: &value })
}

impl<'a> Line<'a> {
    /// From a line as it stands in a file, its line feed included.
    pub(super) fn parse(bytes: &'a [u8]) -> std::result::Result<Line<'a>, String> {
        opened(bytes)?;
        // The fingerprint is one more key, which is passed over.
        serde_json::from_slice(bytes).map_err(|e| format!("a damaged line: {e}"))
    }
}

impl Heading {
    pub(super) fn new<S: Serialize>(sweep: &Sweep<'_, S>) -> Result<Heading> {
        let Shard { index, of } = sweep.shard;
        let wrong =
            |name, value: u64, expected: String| Error::Parameter { name, value: value as f64, expected };
        if of == 0 || index >= of {
            let expected = format!("an index from 0 to {} of {of} shards", of.saturating_sub(1));
            return Err(wrong("shard", index, expected));
        }
        if sweep.points > MOST_POINTS {
            return Err(wrong("number of points", sweep.points, format!("at most {MOST_POINTS}")));
        }
        let settings = serde_json::value::to_raw_value(sweep.settings).map_err(failed)?;
        let shard = (sweep.shard != Shard::WHOLE).then_some([index, of]);
        Ok(Heading { journal: KIND.to_owned(), schema: SCHEMA, points: sweep.points, shard, settings })
    }

    pub(super) fn line(&self) -> Result<String> {
        sealed(self)
    }

    /// Why a journal with the heading `other` is not one of this sweep; `None` if it is.
    pub(super) fn mismatch(&self, other: &Heading) -> Option<String> {
        if (self.points, self.settings.get()) == (other.points, other.settings.get()) {
            return None;
        }
        let parsed = |h: &Heading| serde_json::from_str::<Value>(h.settings.get()).unwrap_or(Value::Null);
        let what = difference("settings", &parsed(other), &parsed(self))
            .unwrap_or_else(|| format!("number of points: {} there, {} here", other.points, self.points));
        Some(format!("a journal of other settings; {what}"))
    }

    /// A heading as it was written.
    fn read(bytes: &[u8]) -> std::result::Result<Heading, String> {
        #[derive(Deserialize)]
        struct Kind {
            journal: String,
            schema: u64,
        }
        let kind: Option<Kind> =
            serde_json::from_slice(bytes).ok().filter(|kind: &Kind| kind.journal == KIND);
        if let Some(Kind { schema, .. }) = kind
            && schema != u64::from(SCHEMA)
        {
            return Err(format!(
                "a journal of schema {schema}, and this version reads and writes schema {SCHEMA}: solve the sweep again \
                 into another file"
            ));
        }
        opened(bytes).map_err(|reason| match kind {
            Some(_) => reason,
            None => NOT_A_JOURNAL.to_owned(),
        })?;
        serde_json::from_slice(bytes).map_err(|_| NOT_A_JOURNAL.to_owned())
    }
}

pub(super) const NOT_A_JOURNAL: &str = "not the journal of a sweep";

/// The first place at which two documents differ.
fn difference(at: &str, there: &Value, here: &Value) -> Option<String> {
    match (there, here) {
        (Value::Object(a), Value::Object(b)) => {
            let of = |map: &'_ serde_json::Map<String, Value>, key: &str| {
                map.get(key).cloned().unwrap_or_default()
            };
            let mut keys = a.keys().chain(b.keys());
            keys.find_map(|key| difference(&format!("{at}.{key}"), &of(a, key), &of(b, key)))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(i, (a, b))| difference(&format!("{at}[{i}]"), a, b))
        }
        (a, b) if a == b => None,
        (a, b) => Some(format!("{at}: {} there, {} here", brief(a), brief(b))),
    }
}

fn brief(value: &Value) -> String {
    let text = value.to_string();
    match text.chars().count() > 60 {
        true => text.chars().take(59).chain(['…']).collect(),
        false => text,
    }
}

/// Reads a file line by line, each checked.
pub(super) struct Reader<'p> {
    path: &'p Path,
    source: BufReader<File>,
    bytes: Vec<u8>,
    number: u64,
    /// The length of the lines read.
    pub(super) good: u64,
}

/// How a file begins.
pub(super) enum Begun<'p> {
    /// Not even a whole heading: what there is of it.
    Nothing(Vec<u8>),
    Journal(Heading, Reader<'p>),
}

impl<'p> Reader<'p> {
    /// Opens a file and reads its heading.
    pub(super) fn open(path: &'p Path) -> Result<Begun<'p>> {
        let unreadable =
            |e: std::io::Error| Error::File { path: path.to_owned(), line: Some(1), reason: e.to_string() };
        let file = File::open(path).map_err(unreadable)?;
        // A device such as /dev/full has no end to read to.
        if !file.metadata().map_err(unreadable)?.is_file() {
            return Ok(Begun::Nothing(Vec::new()));
        }
        let mut reader = Reader { path, source: BufReader::new(file), bytes: Vec::new(), number: 0, good: 0 };
        if !reader.advance()? {
            return Ok(Begun::Nothing(reader.bytes));
        }
        let heading = Heading::read(&reader.bytes).map_err(|reason| reader.fail(reason))?;
        Ok(Begun::Journal(heading, reader))
    }

    /// An error that names the line read last.
    pub(super) fn fail(&self, reason: String) -> Error {
        Error::File { path: self.path.to_owned(), line: Some(self.number), reason }
    }

    /// Reads up to the next line feed; whether there is one.
    fn advance(&mut self) -> Result<bool> {
        self.bytes.clear();
        self.number += 1;
        let read = self.source.read_until(b'\n', &mut self.bytes);
        self.good += match read {
            Ok(length) if self.bytes.last() == Some(&b'\n') => length as u64,
            Ok(_) => return Ok(false),
            Err(e) => return Err(self.fail(e.to_string())),
        };
        Ok(true)
    }

    /// The next line with its place. A last line that was cut ends the journal as no line at all does; one that
    /// is whole but for its line feed, with something in the feed's place, was changed.
    pub(super) fn next(&mut self) -> Result<Option<(Place, Line<'_>)>> {
        let start = self.good;
        if !self.advance()? {
            if let Some((_, whole)) = self.bytes.split_last()
                && opened(&[whole, b"\n"].concat()).is_ok()
            {
                return Err(self.fail("a damaged line: it does not end in a line feed".to_owned()));
            }
            return Ok(None);
        }
        match Line::parse(&self.bytes) {
            Ok(line) => {
                let place = Place { point: line.point, start, length: self.good - start };
                Ok(Some((place, line)))
            }
            Err(reason) => Err(Error::File { path: self.path.to_owned(), line: Some(self.number), reason }),
        }
    }
}
