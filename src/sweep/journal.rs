//! The journal of a sweep: a heading, then one line a point, appended as points end.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::line::{Begun, Heading, Line, NOT_A_JOURNAL, Place, Reader, line};
use super::{Shard, Sweep};
use crate::data::files::write_whole;
use crate::error::{Error, Result};
use crate::memory;

/// Lines are in the hands of the operating system at once, which a killed process does not undo; on the disk
/// itself after this time at the latest.
const SYNC: Duration = Duration::from_secs(1);

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

impl Journal {
    /// Opens the journal of a sweep, or begins it. A last line that a killed process left unfinished is dropped.
    ///
    /// A journal of other settings is mended when some of its points are points of this sweep too: they are
    /// kept under their new numbers, and the file is replaced whole. If points are left out, the journal
    /// that was there stays beside it, under its name with `.1` (or `.2`, …) at the end.
    ///
    /// # Errors
    ///
    /// As [`Sweep::run`].
    pub fn open<S: Serialize>(path: &Path, sweep: &Sweep<'_, S>) -> Result<Journal> {
        let expected = Heading::new(sweep)?;
        let mut journal = Journal {
            file: lock(path)?,
            path: path.to_owned(),
            heading: expected.line()?,
            shard: sweep.shard,
            points: sweep.points,
            places: Vec::new(),
            good: 0,
            synced: Instant::now(),
        };
        let fail = |reason: String| Error::File { path: path.to_owned(), line: Some(1), reason };
        let (heading, mut reader) = match Reader::open(path)? {
            Begun::Nothing(begun) if journal.heading.as_bytes().starts_with(&begun) => {
                journal.cut()?;
                journal.write(&journal.heading.clone())?;
                return Ok(journal);
            }
            Begun::Nothing(_) => return Err(fail(NOT_A_JOURNAL.to_owned())),
            Begun::Journal(heading, reader) => (heading, reader),
        };
        if expected.shard != heading.shard {
            return Err(fail("a journal of another shard of this sweep".to_owned()));
        }
        if let Some(reason) = expected.mismatch(&heading) {
            mend(path, sweep, &journal.heading, &mut reader, reason)?;
            // The file is another one now: what holds the lock on it decides who writes.
            journal.file = lock(path)?;
            match Reader::open(path)? {
                Begun::Journal(heading, again) if expected.mismatch(&heading).is_none() => reader = again,
                _ => return Err(fail("changed by another process".to_owned())),
            }
        }
        (journal.places, journal.good) = places(sweep, &mut reader)?;
        journal.cut()?;
        Ok(journal)
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
        for &(source, place) in places {
            copy(&mut sources[source], place, &mut buffer)?;
            out.write_all(&buffer)?;
        }
        Ok(())
    })
}

/// The file at `path`, made if it is not there, with the lock that keeps other processes from writing to it.
fn lock(path: &Path) -> Result<File> {
    let cannot = |e: std::io::Error| Error::Output { path: path.to_owned(), reason: e.to_string() };
    loop {
        // Appending: no other writer's line can be overwritten. Reading: what is there already.
        let file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(cannot)?;
        // File systems that know no locks are trusted.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            let reason = "another process is writing to this journal".to_owned();
            return Err(Error::File { path: path.to_owned(), line: None, reason });
        }
        // Another process may have replaced the file between the opening and the lock.
        if same_file(&file, path) {
            return Ok(file);
        }
    }
}

/// Whether `file` is what `path` names now.
#[cfg(unix)]
fn same_file(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        (_, Err(e)) => e.kind() != std::io::ErrorKind::NotFound,
        _ => true,
    }
}

/// An open file cannot be replaced there.
#[cfg(not(unix))]
fn same_file(_: &File, _: &Path) -> bool {
    true
}

/// The lines of a journal of this sweep: each point once, in the shard, under its name.
fn places<S>(sweep: &Sweep<'_, S>, reader: &mut Reader<'_>) -> Result<(Vec<Place>, u64)> {
    let Shard { index, of } = sweep.shard;
    let mut seen = vec![false; sweep.points.saturating_sub(index).div_ceil(of) as usize];
    let mut places = Vec::new();
    while let Some((place, line)) = reader.next()? {
        let point = place.point;
        let reason = match point < sweep.points && sweep.shard.has(point) {
            false => format!("point {point} is not in this sweep"),
            true if seen[(point / of) as usize] => format!("point {point} is there twice"),
            true if sweep.name(point) != line.name => {
                format!("point {point} has other parameters than in this sweep")
            }
            true => {
                seen[(point / of) as usize] = true;
                places.push(place);
                continue;
            }
        };
        return Err(reader.fail(reason));
    }
    Ok((places, reader.good))
}

/// Replaces a journal of other settings by one of this sweep with the points that they share; `reason` says how
/// the settings differ, which is the error when no point is shared.
fn mend<S>(
    path: &Path,
    sweep: &Sweep<'_, S>,
    heading: &str,
    reader: &mut Reader<'_>,
    reason: String,
) -> Result<()> {
    // Points of one name are alike: which of them has the line does not matter. The first is the last of its list.
    memory::check_array("the names of all points", &[16, sweep.points as usize])?;
    let mut wanted: HashMap<String, Vec<u64>> = HashMap::new();
    for point in (0..sweep.points).rev().filter(|&point| sweep.shard.has(point)) {
        wanted.entry(sweep.name(point)).or_default().push(point);
    }
    let (mut kept, mut dropped) = (Vec::new(), 0_u64);
    while let Some((place, line)) = reader.next()? {
        match wanted.get_mut(line.name).and_then(Vec::pop) {
            Some(point) => kept.push((place, point)),
            None => dropped += 1,
        }
    }
    if kept.is_empty() && dropped > 0 {
        return Err(Error::File { path: path.to_owned(), line: Some(1), reason });
    }
    let cannot = |e: std::io::Error| Error::Output { path: path.to_owned(), reason: e.to_string() };
    if dropped > 0 {
        let name = |k: u32| {
            let mut name = path.as_os_str().to_owned();
            name.push(format!(".{k}"));
            PathBuf::from(name)
        };
        let free = (1..).map(name).find(|name| !name.exists());
        let aside = free.ok_or_else(|| cannot(std::io::ErrorKind::AlreadyExists.into()))?;
        // Where there are no links: a copy.
        std::fs::hard_link(path, &aside)
            .or_else(|_| std::fs::copy(path, &aside).map(drop))
            .map_err(cannot)?;
    }
    let mut source = BufReader::new(File::open(path).map_err(cannot)?);
    let mut buffer = Vec::new();
    write_whole(path, |out| {
        out.write_all(heading.as_bytes())?;
        for (place, point) in kept {
            copy(&mut source, place, &mut buffer)?;
            let moved = Line::parse(&buffer).map_err(std::io::Error::other)?;
            let moved = line(point, moved.name, &moved.value).map_err(std::io::Error::other)?;
            out.write_all(moved.as_bytes())?;
        }
        Ok(())
    })
}

/// Reads a line into a buffer.
fn copy(source: &mut BufReader<File>, place: Place, buffer: &mut Vec<u8>) -> std::io::Result<()> {
    buffer.resize(place.length as usize, 0);
    // Relative: what the buffer of the source holds is not read again.
    let here = source.stream_position()?;
    source.seek_relative(place.start as i64 - here as i64)?;
    source.read_exact(buffer)
}

impl Journal {
    /// Hands each result of the journal at `path` to `look`, in the order of the file: that of the points, once
    /// the sweep has ended.
    ///
    /// ```
    /// use groktime::sweep::{Journal, Sweep};
    /// use std::ops::ControlFlow;
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("squares.jsonl");
    /// let sweep = Sweep::new(&"squares", 4, &|point| format!("{point} squared"));
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
    /// [`Error::File`] when it cannot be read, or a line is damaged: every line is compared with its
    /// fingerprint. What `look` returns.
    pub fn each(path: &Path, mut look: impl FnMut(Line<'_>) -> Result<()>) -> Result<()> {
        let Begun::Journal(_, mut reader) = Reader::open(path)? else {
            return Err(Error::File {
                path: path.to_owned(),
                line: Some(1),
                reason: NOT_A_JOURNAL.to_owned(),
            });
        };
        while let Some((_, line)) = reader.next()? {
            look(line)?;
        }
        Ok(())
    }
}
