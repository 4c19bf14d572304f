//! Images and labels in the IDX format of the MNIST files, plain or compressed by gzip.

use std::io::Read;
use std::path::Path;

use ndarray::{ArrayD, IxDyn};

use crate::error::{Error, Result};

/// Most entries that are read: ten times the 60,000 images of 28 × 28.
const LARGEST: u64 = 500_000_000;

/// Reads an array of bytes in IDX format (two zero bytes, the type 8, the number of dimensions, each as four
/// bytes with the highest first, then the entries). A name that ends in `.gz` is decompressed.
///
/// # Errors
/// [`Error::File`] when the file cannot be read, holds another type, or is shorter or longer than it says.
///
/// ```
/// use groktime::data::idx::read_idx;
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("labels-idx1-ubyte");
/// std::fs::write(&path, [0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]).unwrap();
/// assert_eq!(read_idx(&path)?.into_raw_vec_and_offset().0, [7.0, 2.0, 1.0]);
/// # Ok::<(), groktime::Error>(())
/// ```
pub fn read_idx(path: &Path) -> Result<ArrayD<f64>> {
    let fail = |reason: String| Error::File { path: path.to_owned(), line: None, reason };
    let file = std::fs::File::open(path).map_err(|e| fail(format!("cannot open the file: {e}")))?;
    let mut bytes = Vec::new();
    let read = match path.extension().is_some_and(|e| e == "gz") {
        true => flate2::read::GzDecoder::new(file).take(LARGEST + 1024).read_to_end(&mut bytes),
        false => file.take(LARGEST + 1024).read_to_end(&mut bytes),
    };
    read.map_err(|e| fail(format!("cannot read the file: {e}")))?;
    let (&[zero, another, kind, dimensions], rest) =
        bytes.split_first_chunk::<4>().ok_or_else(|| fail("too short for an IDX file".into()))?;
    if (zero, another, kind) != (0, 0, 8) {
        return Err(fail(format!("begins with {zero} {another} {kind}, expected 0 0 8 (IDX of bytes)")));
    }
    let (sizes, entries) = rest
        .split_at_checked(4 * usize::from(dimensions))
        .ok_or_else(|| fail("ends within its header".into()))?;
    let shape: Vec<usize> =
        sizes.as_chunks::<4>().0.iter().map(|s| u32::from_be_bytes(*s) as usize).collect();
    let count = shape.iter().try_fold(1_usize, |n, &s| n.checked_mul(s)).unwrap_or(usize::MAX);
    if count != entries.len() {
        return Err(fail(format!("holds {} entries, its header says {shape:?}", entries.len())));
    }
    let values = entries.iter().map(|&b| f64::from(b)).collect();
    ArrayD::from_shape_vec(IxDyn(&shape), values).map_err(|e| fail(e.to_string()))
}
