//! Arrays in files: reads `.npy`, `.npz` and `.csv`, writes `.npy` and `.npz`.
//!
//! | path             | accepted                                                                       |
//! |------------------|--------------------------------------------------------------------------------|
//! | `FILE.npy`       | f32, f64, (u)int8 to (u)int64, bool; both byte orders; C and Fortran order     |
//! | `FILE.npz:NAME`  | the array NAME of an archive of `.npy` files, compressed or not                |
//! | `FILE.csv`       | comma separated numbers; blank lines and a first line without numbers are skipped |
//!
//! What is read is always `f64` in row-major order. NaN and infinities are returned as they are. The
//! readers do not trust the file: whatever its bytes, they return an error rather than panic, and reserve
//! no more memory than the file can fill.

mod csv;
mod npy;

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Cursor, Read, Seek, Write};
use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2, ArrayD, ArrayView, Axis, Dimension};
use npyz::WriterBuilder;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::error::{Error, Result};
use crate::memory;

/// Reads an array of any dimension from the file at `path` (see the [module](self) for what it may be).
///
/// # Errors
///
/// [`Error::File`] when the file cannot be read or is not what its extension says.
pub fn read_array(path: &Path) -> Result<ArrayD<f64>> {
    let (file_path, member) = split_member(path);
    let extension = file_path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    if !["npy", "npz", "csv"].contains(&extension.as_str()) {
        let reason = format!("unknown extension {extension:?}, known are .npy, .npz (FILE.npz:NAME), .csv");
        return Err(fail(path, reason));
    }
    let cannot_read = |e| fail(path, format!("cannot read the file: {e}"));
    let file = File::open(&file_path).map_err(cannot_read)?;
    let size = file.metadata().map_err(cannot_read)?.len();
    match extension.as_str() {
        "npy" => npy::read(file, size, size).map_err(|reason| fail(path, reason)),
        "npz" => npz(BufReader::new(file), size, member).map_err(|reason| fail(path, reason)),
        _ => {
            // The text, and numbers of at least two letters as eight bytes, in a vector that doubles as it grows.
            memory::check(path.display().to_string(), 9.0 * size as f64)?;
            let mut bytes = Vec::new();
            (&file).read_to_end(&mut bytes).map_err(cannot_read)?;
            csv::read(&bytes, path).map(Array2::into_dyn)
        }
    }
}

/// Reads a 2-D array, as [`read_array`].
///
/// # Errors
///
/// [`Error::File`], also when the file holds an array of another dimension.
pub fn read_matrix(path: &Path) -> Result<Array2<f64>> {
    into_matrix(read_array(path)?, path)
}

/// Reads a 1-D array, or a 2-D array with one row or one column, as [`read_array`].
///
/// # Errors
///
/// [`Error::File`], also when the file holds an array of another shape.
pub fn read_vector(path: &Path) -> Result<Array1<f64>> {
    into_vector(read_array(path)?, path)
}

/// Reads an `.npy` file that is in memory; `name` stands for its path in errors.
///
/// # Errors
///
/// [`Error::File`] when the bytes are not such a file.
pub fn read_npy_bytes(bytes: &[u8], name: &str) -> Result<ArrayD<f64>> {
    let size = bytes.len() as u64;
    npy::read(bytes, size, size).map_err(|reason| fail(Path::new(name), reason))
}

/// Reads the array `member` of an `.npz` file that is in memory; `name` stands for its path in errors.
///
/// # Errors
///
/// [`Error::File`] when the bytes are not such a file or it lacks that array.
pub fn read_npz_bytes(bytes: &[u8], member: &str, name: &str) -> Result<ArrayD<f64>> {
    npz(Cursor::new(bytes), bytes.len() as u64, member).map_err(|reason| fail(Path::new(name), reason))
}

/// Reads a `.csv` file that is in memory, rows by columns; `name` stands for its path in errors.
///
/// # Errors
///
/// [`Error::File`] with the line of the first field that is not a number, or of the first row that is
/// longer or shorter than the one before.
pub fn read_csv_bytes(bytes: &[u8], name: &str) -> Result<Array2<f64>> {
    csv::read(bytes, Path::new(name))
}

/// The array as a matrix.
///
/// # Errors
///
/// [`Error::File`] about the file `path`, where the array came from, when it is not 2-D.
pub fn into_matrix(array: ArrayD<f64>, path: &Path) -> Result<Array2<f64>> {
    let wrong = format!("found an array of shape {:?}, expected a 2-D array", array.shape());
    array.into_dimensionality().map_err(|_| fail(path, wrong))
}

/// The array as a vector: it is 1-D, or 2-D with one row or one column.
///
/// # Errors
///
/// [`Error::File`] about the file `path`, where the array came from, when it has another shape.
pub fn into_vector(array: ArrayD<f64>, path: &Path) -> Result<Array1<f64>> {
    let wrong = || {
        let shape = array.shape();
        fail(path, format!("found an array of shape {shape:?}, expected a 1-D array, one row or one column"))
    };
    let flat = match *array.shape() {
        [_] => array,
        [1, _] => array.index_axis_move(Axis(0), 0),
        [_, 1] => array.index_axis_move(Axis(1), 0),
        _ => return Err(wrong()),
    };
    flat.into_dimensionality().map_err(|e| fail(path, e.to_string()))
}

/// Writes an array of any dimension as `.npy`: little-endian `f64`, C order. The file appears whole or
/// not at all, and replaces one of the same name.
///
/// # Errors
///
/// [`Error::Output`] when it cannot be written.
pub fn write_npy<D: Dimension>(path: &Path, array: ArrayView<'_, f64, D>) -> Result<()> {
    write_whole(path, |file| npy_bytes(file, array))
}

/// Writes named arrays as one `.npz` archive, each as [`write_npy`] would. Equal arrays give equal bytes: the
/// archive holds no date.
///
/// ```
/// use groktime::data::files::{read_vector, write_npz};
/// use ndarray::arr1;
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("times.npz");
/// write_npz(&path, &[("t1", arr1(&[208.0]).into_dyn()), ("t2", arr1(&[22_840.0]).into_dyn())])?;
/// assert_eq!(read_vector(&folder.path().join("times.npz:t2"))?[0], 22_840.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`Error::Output`] when it cannot be written, also when two arrays have the same name.
pub fn write_npz(path: &Path, arrays: &[(&str, ArrayD<f64>)]) -> Result<()> {
    write_whole(path, |file| {
        // An archive is written with jumps back: in memory first.
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, array) in arrays {
            archive.start_file(format!("{name}.npy"), SimpleFileOptions::default())?;
            npy_bytes(&mut archive, array.view())?;
        }
        file.write_all(archive.finish()?.get_ref())
    })
}

fn npy_bytes<D: Dimension>(file: &mut dyn Write, array: ArrayView<'_, f64, D>) -> io::Result<()> {
    let shape: Vec<u64> = array.shape().iter().map(|&n| n as u64).collect();
    let options = npyz::WriteOptions::new().default_dtype().shape(&shape);
    let mut writer = options.writer(file).begin_nd()?;
    writer.extend(array.iter().copied())?;
    writer.finish()
}

/// Writes a file by `write`, whole or not at all: under a temporary name in the same folder, renamed
/// at the end. Where anything fails, what was at `path` before stays and the temporary file is removed.
///
/// # Errors
///
/// [`Error::Output`] when `write` fails or the file cannot be created, written or renamed.
pub fn write_whole(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let cannot_write = |e: io::Error| Error::Output { path: path.to_owned(), reason: e.to_string() };
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    // `File::create_new` gives it the permissions of an ordinary file; `tempfile` itself would say 0600.
    let file = tempfile::Builder::new()
        .prefix(".groktime-")
        .make_in(folder, |name| File::create_new(name))
        .map_err(cannot_write)?;
    let mut buffered = BufWriter::new(file);
    write(&mut buffered).map_err(cannot_write)?;
    let file = buffered.into_inner().map_err(|e| cannot_write(e.into_error()))?;
    file.as_file().sync_all().map_err(cannot_write)?;
    file.persist(path).map_err(|e| cannot_write(e.error))?;
    Ok(())
}

/// Whether [`write_whole`] can write a file: its folder is there and takes files. For a path that is asked for before a
/// long computation; nothing is left on the disk.
///
/// # Errors
///
/// [`Error::Output`], as [`write_whole`] would say later.
pub fn writable(path: &Path) -> Result<()> {
    let cannot_write = |e: io::Error| Error::Output { path: path.to_owned(), reason: e.to_string() };
    if path.is_dir() {
        return Err(cannot_write(io::ErrorKind::IsADirectory.into()));
    }
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    tempfile::Builder::new().prefix(".groktime-").tempfile_in(folder).map(drop).map_err(cannot_write)
}

fn fail(path: &Path, reason: impl Into<Refused>) -> Error {
    match reason.into() {
        Refused::Content(reason) => Error::File { path: path.to_owned(), line: None, reason },
        Refused::Size(Error::Memory { what, needed, allowed }) => {
            Error::Memory { what: format!("{}: {what}", path.display()), needed, allowed }
        }
        Refused::Size(e) => e,
    }
}

/// `FILE.npz:NAME` in two; the second is empty for all other paths.
fn split_member(path: &Path) -> (PathBuf, &str) {
    match path.to_str().and_then(|text| text.split_once(".npz:")) {
        Some((stem, member)) => (PathBuf::from(format!("{stem}.npz")), member),
        None => (path.to_owned(), ""),
    }
}

/// A result whose error says what is wrong in a file; the caller adds which file.
type Parsed<T> = std::result::Result<T, String>;

/// Why an array cannot be had from a file: what is wrong in it, or that it is larger than the memory allowed.
enum Refused {
    Content(String),
    Size(Error),
}

impl From<String> for Refused {
    fn from(reason: String) -> Refused {
        Refused::Content(reason)
    }
}

/// An array, or why not.
type Held<T> = std::result::Result<T, Refused>;

/// Longest piece of a file that an error shows, in characters.
const SHOWN: usize = 120;

/// The beginning of a piece of a file, for an error.
fn shown(piece: &[u8]) -> String {
    String::from_utf8_lossy(piece.trim_ascii()).chars().take(SHOWN).collect()
}

// ---- .npz ------------------------------------------------------------------------------------------

/// The array `member` of an archive of `size` bytes.
fn npz(source: impl Read + Seek, size: u64, member: &str) -> Held<ArrayD<f64>> {
    let mut archive = ZipArchive::new(source).map_err(|e| format!("not an .npz archive: {e}"))?;
    let wanted = member.strip_suffix(".npy").unwrap_or(member);
    let files: Vec<_> = archive.file_names().filter_map(|name| name.ok()).collect();
    let mut names: Vec<_> = files.iter().filter_map(|f| npyz::npz::array_name_from_file_name(f)).collect();
    if !names.contains(&wanted) {
        names.sort_unstable();
        let held = names.join(", ");
        let text = format!("no array {wanted:?} in the archive; choose FILE.npz:NAME with NAME of: {held}");
        return Err(text.into());
    }
    let file_name = npyz::npz::file_name_from_array_name(wanted);
    drop(files);
    let entry = archive.by_name(&file_name);
    let mut file = entry.map_err(|e| format!("cannot read {file_name} in the archive: {e}"))?;
    let declared = file.size();
    let array = npy::read(&mut file, declared, size)?;
    // The checksum is compared when the end has been seen.
    file.read(&mut [0]).map_err(|e| format!("cannot read {file_name} in the archive: {e}"))?;
    Ok(array)
}
