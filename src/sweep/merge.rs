//! One journal from those of shards.

use std::path::Path;

use serde::Serialize;

use super::journal::write_ordered;
use super::line::{Begun, Heading, NOT_A_JOURNAL, Place, Reader};
use super::{Shard, Sweep};
use crate::error::{Error, Result};

/// Puts the journals of shards together: the file at `path` is then what one run would have left, byte for byte.
/// The shards may be of any partition, and overlap.
///
/// # Errors
///
/// - [`Error::File`]: a file that is not a journal of this sweep, or points that are in none of them.
/// - [`Error::Output`]: `path` cannot be written.
pub fn merge<S: Serialize>(path: &Path, sweep: &Sweep<'_, S>, shards: &[&Path]) -> Result<()> {
    let whole = Heading::new(&Sweep { shard: Shard::WHOLE, ..*sweep })?;
    let fail = |path: &Path, reason: String| Error::File { path: path.to_owned(), line: None, reason };
    let mut found: Vec<Option<(usize, Place)>> = vec![None; sweep.points as usize];
    for (source, shard) in shards.iter().enumerate() {
        let Begun::Journal(heading, mut reader) = Reader::open(shard)? else {
            return Err(fail(shard, NOT_A_JOURNAL.to_owned()));
        };
        if let Some(reason) = whole.mismatch(&heading) {
            return Err(fail(shard, reason));
        }
        while let Some((place, line)) = reader.next()? {
            let point = place.point;
            let reason = match found.get_mut(point as usize) {
                None => format!("point {point} is not in this sweep"),
                Some(_) if sweep.name(point) != line.name => {
                    format!("point {point} has other parameters than in this sweep")
                }
                Some(slot) => {
                    slot.get_or_insert((source, place));
                    continue;
                }
            };
            return Err(reader.fail(reason));
        }
    }
    let missing: Vec<u64> =
        (0..).zip(&found).filter(|(_, slot)| slot.is_none()).map(|(point, _)| point).collect();
    if let Some(first) = missing.first() {
        let reason = format!(
            "{} of {} points are in none of the journals, the first is point {first} (its shard is {first} mod n)",
            missing.len(),
            sweep.points
        );
        return Err(fail(path, reason));
    }
    let places: Vec<(usize, Place)> = found.into_iter().flatten().collect();
    write_ordered(path, &whole.line()?, shards, &places)
}
