//! The journal of a sweep: a heading, then one line a point, appended as points end.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{MOST_POINTS, Shard, Sweep};
use crate::data::files::write_whole;
use crate::error::{Error, Result};

/// What the first key of a heading says.
const KIND: &str = "groktime-sweep";
/// Lines are in the hands of the operating system at once, which a killed process does not undo; on the disk
/// itself after this time at the latest.
const SYNC: Duration = Duration::from_secs(1);

/// The first line.
#[derive(Serialize, Deserialize)]
pub(super) struct Heading {
    journal: String,
    schema: u32,
    /// Of `settings` and `points`.
    hash: String,
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

/// An open journal, locked against other processes.
pub struct Journal {
    file: File,
    path: PathBuf,
    heading: String,
    shard: Shard,
    points: u64,
    places: Vec<Place>,
    /// The length of the file up to the last whole line.
    good: u64,
    synced: Instant,
}

/// The line of a result.
pub(super) fn line(point: u64, result: &impl Serialize) -> Result<String> {
    let failed = |e: serde_json::Error| Error::Numerical { method: "sweep", detail: e.to_string() };
    let value = serde_json::value::to_raw_value(result).map_err(failed)?;
    Ok(serde_json::to_string(&Line { point, value: &value }).map_err(failed)? + "\n")
}

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
        let settings = serde_json::value::to_raw_value(sweep.settings)
            .map_err(|e| Error::Numerical { method: "sweep", detail: e.to_string() })?;
        let hash = fingerprint(format!("{} {}", sweep.points, settings.get()).as_bytes());
        let shard = (sweep.shard != Shard::WHOLE).then_some([index, of]);
        Ok(Heading { journal: KIND.to_owned(), schema: 1, hash, points: sweep.points, shard, settings })
    }

    pub(super) fn line(&self) -> Result<String> {
        let text = serde_json::to_string(self);
        let text = text.map_err(|e| Error::Numerical { method: "sweep", detail: e.to_string() })?;
        Ok(text + "\n")
    }

    /// Why a journal with the heading `other` is not one of this sweep; `None` if it is.
    pub(super) fn mismatch(&self, other: &Heading) -> Option<String> {
        if self.hash != other.hash {
            let parsed = |h: &Heading| serde_json::from_str::<Value>(h.settings.get()).unwrap_or(Value::Null);
            let what = difference("settings", &parsed(other), &parsed(self))
                .unwrap_or_else(|| format!("number of points: {} there, {} here", other.points, self.points));
            return Some(format!("a journal of other settings; {what}"));
        }
        None
    }
}

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

impl Journal {
    /// Opens the journal of a sweep, or begins it. A last line that a killed process left unfinished is dropped.
    ///
    /// # Errors
    ///
    /// As [`Sweep::run`].
    pub fn open<S: Serialize>(path: &Path, sweep: &Sweep<'_, S>) -> Result<Journal> {
        let expected = Heading::new(sweep)?;
        let heading = expected.line()?;
        let cannot = |e: std::io::Error| Error::Output { path: path.to_owned(), reason: e.to_string() };
        // Appending: no other writer's line can be overwritten. Reading: what is there already.
        let file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(cannot)?;
        // File systems that know no locks are trusted.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            let reason = "another process is writing to this journal".to_owned();
            return Err(Error::File { path: path.to_owned(), line: None, reason });
        }
        let mut journal = Journal {
            file,
            path: path.to_owned(),
            shard: sweep.shard,
            points: sweep.points,
            places: Vec::new(),
            good: 0,
            synced: Instant::now(),
            heading,
        };
        match scan(path)? {
            Scanned::Nothing(begun) if journal.heading.as_bytes().starts_with(&begun) => {
                journal.cut()?;
                journal.write(&journal.heading.clone())?;
            }
            Scanned::Nothing(_) => return Err(not_a_journal(path)),
            Scanned::Journal { heading, places, good } => {
                let shards = expected.shard != heading.shard;
                let other_shard = || "a journal of another shard of this sweep".to_owned();
                if let Some(reason) = expected.mismatch(&heading).or_else(|| shards.then(other_shard)) {
                    return Err(Error::File { path: path.to_owned(), line: Some(1), reason });
                }
                (journal.places, journal.good) = (places, good);
                journal.check()?;
                journal.cut()?;
            }
        }
        Ok(journal)
    }

    /// Each point once, each in the shard.
    fn check(&self) -> Result<()> {
        let mut seen = vec![false; self.total() as usize];
        for (line, place) in (2..).zip(&self.places) {
            let reason = match place.point < self.points && self.shard.has(place.point) {
                false => format!("point {} is not in this sweep", place.point),
                true if seen[(place.point / self.shard.of) as usize] => {
                    format!("point {} is there twice", place.point)
                }
                true => {
                    seen[(place.point / self.shard.of) as usize] = true;
                    continue;
                }
            };
            return Err(Error::File { path: self.path.clone(), line: Some(line), reason });
        }
        Ok(())
    }

    /// Points of the shard.
    pub fn total(&self) -> u64 {
        let Shard { index, of } = self.shard;
        self.points.saturating_sub(index).div_ceil(of)
    }

    /// Points of the shard that are not there, ascending.
    pub fn pending(&self) -> Vec<u64> {
        let Shard { index, of } = self.shard;
        let mut there = vec![false; self.total() as usize];
        self.places.iter().for_each(|place| there[(place.point / of) as usize] = true);
        (0..self.total()).filter(|&k| !there[k as usize]).map(|k| index + k * of).collect()
    }

    /// Adds the line of a point.
    pub(super) fn append(&mut self, point: u64, line: &str) -> Result<()> {
        let start = self.good;
        self.write(line)?;
        self.places.push(Place { point, start, length: line.len() as u64 });
        if self.synced.elapsed() > SYNC {
            self.file.sync_data().map_err(|e| self.cannot(e))?;
            self.synced = Instant::now();
        }
        Ok(())
    }

    fn write(&mut self, text: &str) -> Result<()> {
        if let Err(e) = self.file.write_all(text.as_bytes()) {
            // Without the part that fitted on the disk. Should that fail too, opening drops it.
            let _ = self.cut();
            return Err(self.cannot(e));
        }
        self.good += text.len() as u64;
        Ok(())
    }

    /// Drops what follows the last whole line.
    fn cut(&self) -> Result<()> {
        // A device has no length to cut.
        let length = self.file.metadata().map_err(|e| self.cannot(e))?.len();
        if length > self.good {
            self.file.set_len(self.good).map_err(|e| self.cannot(e))?;
        }
        Ok(())
    }

    fn cannot(&self, e: std::io::Error) -> Error {
        Error::Output { path: self.path.clone(), reason: e.to_string() }
    }

    /// Ends a run: everything on the disk, and in the order of the points if all are there.
    pub(super) fn close(self) -> Result<()> {
        self.file.sync_all().map_err(|e| self.cannot(e))?;
        let sorted = self.places.is_sorted_by_key(|place| place.point);
        if sorted || self.places.len() as u64 != self.total() {
            return Ok(());
        }
        let mut places = self.places;
        places.sort_by_key(|place| place.point);
        write_ordered(
            &self.path,
            &self.heading,
            &[&self.path],
            &places.into_iter().map(|p| (0, p)).collect::<Vec<_>>(),
        )
    }
}

/// Writes a heading and then lines, each from one of the files.
pub(super) fn write_ordered(
    path: &Path,
    heading: &str,
    from: &[&Path],
    places: &[(usize, Place)],
) -> Result<()> {
    let open = |p: &&Path| File::open(p).map(BufReader::new);
    let sources = from.iter().map(open).collect::<std::io::Result<Vec<_>>>();
    let mut sources = sources.map_err(|e| Error::Output { path: path.to_owned(), reason: e.to_string() })?;
    write_whole(path, |out| {
        out.write_all(heading.as_bytes())?;
        let mut buffer = Vec::new();
        for &(source, Place { start, length, .. }) in places {
            let source = &mut sources[source];
            buffer.resize(length as usize, 0);
            // Relative: what the buffer holds is not read again.
            let here = source.stream_position()?;
            source.seek_relative(start as i64 - here as i64)?;
            source.read_exact(&mut buffer)?;
            out.write_all(&buffer)?;
        }
        Ok(())
    })
}

/// What a file holds.
pub(super) enum Scanned {
    /// Not even a whole heading: what there is of it.
    Nothing(Vec<u8>),
    Journal {
        heading: Heading,
        places: Vec<Place>,
        good: u64,
    },
}

fn not_a_journal(path: &Path) -> Error {
    let reason = "not the journal of a sweep".to_owned();
    Error::File { path: path.to_owned(), line: Some(1), reason }
}

/// Reads a journal. A last line without its end is left out; any other line that is damaged is an error.
pub(super) fn scan(path: &Path) -> Result<Scanned> {
    let fail = |line, reason: String| Error::File { path: path.to_owned(), line: Some(line), reason };
    let unreadable = |e: std::io::Error| fail(1, e.to_string());
    let file = File::open(path).map_err(unreadable)?;
    // A device such as /dev/full has no end to read to.
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Ok(Scanned::Nothing(Vec::new()));
    }
    let mut reader = BufReader::new(file);
    let mut bytes = Vec::new();
    reader.read_until(b'\n', &mut bytes).map_err(unreadable)?;
    if bytes.last() != Some(&b'\n') {
        return Ok(Scanned::Nothing(bytes));
    }
    let heading: Heading = serde_json::from_slice(&bytes).map_err(|_| not_a_journal(path))?;
    if heading.journal != KIND || heading.schema != 1 {
        return Err(not_a_journal(path));
    }
    let mut good = bytes.len() as u64;
    let mut places = Vec::new();
    loop {
        bytes.clear();
        let length = reader.read_until(b'\n', &mut bytes).map_err(unreadable)? as u64;
        if bytes.last() != Some(&b'\n') {
            return Ok(Scanned::Journal { heading, places, good });
        }
        let number = places.len() as u64 + 2;
        let line: Line<'_> =
            serde_json::from_slice(&bytes).map_err(|e| fail(number, format!("a damaged line: {e}")))?;
        places.push(Place { point: line.point, start: good, length });
        good += length;
    }
}

impl Journal {
    /// Hands each result of the journal at `path` to `look`, in the order of the file: that of the points, once
    /// the sweep has ended.
    ///
    /// ```
    /// use groktime::sweep::{Journal, Shard, Sweep};
    /// use std::ops::ControlFlow;
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("squares.jsonl");
    /// let sweep = Sweep { settings: &"squares", points: 4, shard: Shard::WHOLE };
    /// sweep.run(&path, |point| Ok(point * point), |_| ControlFlow::Continue(()))?;
    /// let mut squares: Vec<u64> = Vec::new();
    /// Journal::each(&path, |line| {
    ///     squares.push(line.value.get().parse().unwrap());
    ///     Ok(())
    /// })?;
    /// assert_eq!(squares, [0, 1, 4, 9]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::File`] when it cannot be read or a line is damaged; what `look` returns.
    pub fn each(path: &Path, mut look: impl FnMut(Line<'_>) -> Result<()>) -> Result<()> {
        let fail = |line, reason: String| Error::File { path: path.to_owned(), line: Some(line), reason };
        let mut reader = BufReader::new(File::open(path).map_err(|e| fail(1, e.to_string()))?);
        let mut text = String::new();
        for number in 1.. {
            text.clear();
            reader.read_line(&mut text).map_err(|e| fail(number, e.to_string()))?;
            if !text.ends_with('\n') {
                break;
            }
            if number > 1 {
                look(serde_json::from_str(&text).map_err(|e| fail(number, format!("a damaged line: {e}")))?)?;
            }
        }
        Ok(())
    }
}
