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

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Cursor, Read, Seek, Write};
use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2, ArrayD, ArrayView, Axis, Dimension, IxDyn, ShapeBuilder};
use npyz::{DType, Endianness, NpyHeader, Order, TypeChar, WriterBuilder};
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
        "npy" => npy(file, size, size).map_err(|reason| fail(path, reason)),
        "npz" => npz(BufReader::new(file), size, member).map_err(|reason| fail(path, reason)),
        _ => {
            // The text, and numbers of at least two letters as eight bytes, in a vector that doubles as it grows.
            memory::check(path.display().to_string(), 9.0 * size as f64)?;
            let mut bytes = Vec::new();
            (&file).read_to_end(&mut bytes).map_err(cannot_read)?;
            csv(&bytes, path).map(Array2::into_dyn)
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
    npy(bytes, size, size).map_err(|reason| fail(Path::new(name), reason))
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
    csv(bytes, Path::new(name))
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
    let array = npy(&mut file, declared, size)?;
    // The checksum is compared when the end has been seen.
    file.read(&mut [0]).map_err(|e| format!("cannot read {file_name} in the archive: {e}"))?;
    Ok(array)
}

// ---- .npy ------------------------------------------------------------------------------------------

/// Longest header that is read, in bytes; NumPy itself writes a few hundred and refuses 10,000.
const MAX_HEADER: usize = 1 << 16;

/// Deepest nesting of a header: a structured dtype has a tuple in a list in the dictionary.
const MAX_NESTING: usize = 4;

/// Numbers below 10^19 fit in 64 bits, and so does a product whose factors have that many digits in all.
const MAX_DIGITS: usize = 19;

/// Bytes decoded at a time: a multiple of every item size, and small enough for the cache.
const BLOCK: u64 = 1 << 18;

/// The array in a source that says it has `declared` bytes. As that may be a lie (in an archive), memory
/// is reserved for no more than `stored` bytes, which exist.
fn npy(mut source: impl Read, declared: u64, stored: u64) -> Held<ArrayD<f64>> {
    let (header, header_size) = npy_header(&mut source)?;
    let dtype = header.dtype();
    let unsupported = || {
        let known = "float32, float64, int8 to int64, uint8 to uint64, bool";
        format!("dtype {} is not supported, known are {known}", dtype.descr())
    };
    let DType::Plain(item) = &dtype else { return Err(unsupported().into()) };

    let mut inexact = None;
    let data = Data { source, header: &header, available: declared.saturating_sub(header_size), stored };
    let values = match (item.type_char(), item.size_field()) {
        (TypeChar::Float, 8) => data.decode(f64::from_le_bytes),
        (TypeChar::Float, 4) => data.decode(|b| f32::from_le_bytes(b).into()),
        (TypeChar::Int, 8) => data.decode(|b| exact(i64::from_le_bytes(b).into(), &mut inexact)),
        (TypeChar::Int, 4) => data.decode(|b| i32::from_le_bytes(b).into()),
        (TypeChar::Int, 2) => data.decode(|b| i16::from_le_bytes(b).into()),
        (TypeChar::Int, 1) => data.decode(|b| i8::from_le_bytes(b).into()),
        (TypeChar::Uint, 8) => data.decode(|b| exact(u64::from_le_bytes(b).into(), &mut inexact)),
        (TypeChar::Uint, 4) => data.decode(|b| u32::from_le_bytes(b).into()),
        (TypeChar::Uint, 2) => data.decode(|b| u16::from_le_bytes(b).into()),
        (TypeChar::Uint, 1) => data.decode(|b| u8::from_le_bytes(b).into()),
        (TypeChar::Bool, 1) => data.decode(|b| (b != [0]).into()),
        _ => return Err(unsupported().into()),
    }?;
    if let Some(value) = inexact {
        return Err(format!("the integer {value} cannot be held exactly by a 64-bit float").into());
    }

    let axes: std::result::Result<Vec<usize>, _> = header.shape().iter().map(|&n| n.try_into()).collect();
    let axes = axes.map_err(|_| format!("the shape {:?} is too large", header.shape()))?;
    let shape = IxDyn(&axes).set_f(header.order() == Order::Fortran);
    let array = ArrayD::from_shape_vec(shape, values).map_err(|e| e.to_string())?;
    Ok(if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() })
}

/// The integer as a float; keeps the first one that a float cannot hold.
fn exact(value: i128, inexact: &mut Option<i128>) -> f64 {
    let float = value as f64;
    if float as i128 != value {
        inexact.get_or_insert(value);
    }
    float
}

/// The header and how many bytes it took.
fn npy_header(source: &mut impl Read) -> Parsed<(NpyHeader, u64)> {
    const MAGIC: &[u8] = b"\x93NUMPY";
    let mut bytes = Vec::new();
    read_more(source, MAGIC.len(), &mut bytes).ok();
    if bytes != MAGIC {
        let start = bytes.escape_ascii();
        return Err(format!(
            "not a .npy file: starts with \"{start}\", expected \"{}\"",
            MAGIC.escape_ascii()
        ));
    }
    read_more(source, 4, &mut bytes)?;
    let text_size = match bytes[6..] {
        [1, _, a, b] => u16::from_le_bytes([a, b]).into(),
        [2 | 3, _, a, b] => {
            read_more(source, 2, &mut bytes)?;
            u32::from_le_bytes([a, b, bytes[10], bytes[11]]) as usize
        }
        _ => return Err(format!("version {}.{} of .npy is not known", bytes[6], bytes[7])),
    };
    if text_size > MAX_HEADER {
        return Err(format!("the header has {text_size} bytes, expected at most {MAX_HEADER}"));
    }
    let start = bytes.len();
    read_more(source, text_size, &mut bytes)?;
    check_header_text(&bytes[start..])?;
    let header = NpyHeader::from_reader(bytes.as_slice()).map_err(|e| {
        // The parser explains itself over several lines, with a drawing of the place.
        let detail = e.to_string().lines().next().unwrap_or_default().to_owned();
        format!("bad header {:?}: {detail}", shown(&bytes[start..]))
    })?;
    Ok((header, bytes.len() as u64))
}

/// Refuses what `npyz` must not see: its product of the shape overflows (a panic in debug builds), and
/// its parser recurses and takes time exponential in the nesting.
fn check_header_text(text: &[u8]) -> Parsed<()> {
    let mut nesting = 0usize;
    let mut deepest = 0;
    for byte in text {
        match byte {
            b'(' | b'[' | b'{' => nesting += 1,
            b')' | b']' | b'}' => nesting = nesting.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(nesting);
    }
    let digits = text.iter().filter(|b| b.is_ascii_digit()).count();
    let hexadecimal = text.windows(2).any(|pair| pair.eq_ignore_ascii_case(b"0x"));
    if digits > MAX_DIGITS || hexadecimal {
        return Err(format!("the shape is too large in the header {:?}", shown(text)));
    }
    if deepest > MAX_NESTING {
        return Err(format!("bad header: brackets nested {deepest} deep, expected at most {MAX_NESTING}"));
    }
    Ok(())
}

/// The part of a `.npy` file after its header.
struct Data<'a, R> {
    source: R,
    header: &'a NpyHeader,
    available: u64,
    stored: u64,
}

impl<R: Read> Data<'_, R> {
    /// All items in the order of the file; `convert` gets the `N` bytes of an item in little-endian order.
    fn decode<const N: usize>(mut self, mut convert: impl FnMut([u8; N]) -> f64) -> Held<Vec<f64>> {
        let count = self.header.len();
        let shape = self.header.shape();
        let expected = count
            .checked_mul(N as u64)
            .ok_or_else(|| format!("the shape {shape:?} is too large for a file"))?;
        let truncated = |found| {
            format!("truncated: shape {shape:?} needs {expected} bytes after the header, found {found}")
        };
        if expected > self.available {
            return Err(truncated(self.available).into());
        }
        // The order of the axes may have to be changed in a copy. In an archive the size may still be a lie.
        memory::check(format!("an array of shape {shape:?}"), 16.0 * count as f64).map_err(Refused::Size)?;
        let swapped = matches!(self.header.dtype(), DType::Plain(t) if t.endianness() == Endianness::Big);

        let mut values = Vec::with_capacity(count.min(self.stored / N as u64) as usize);
        let mut block = Vec::new();
        let mut found = 0;
        while found < expected {
            block.clear();
            let size = BLOCK.min(expected - found);
            let read = self.source.by_ref().take(size).read_to_end(&mut block);
            found += read.map_err(|e| format!("cannot read the file: {e}"))? as u64;
            if block.len() as u64 != size {
                return Err(truncated(found).into());
            }
            let (items, _) = block.as_chunks_mut::<N>();
            if swapped {
                items.iter_mut().for_each(|item| item.reverse());
            }
            values.extend(items.iter().map(|&item| convert(item)));
        }
        Ok(values)
    }
}

/// Appends `count` bytes of the header.
fn read_more(source: &mut impl Read, count: usize, bytes: &mut Vec<u8>) -> Parsed<()> {
    let read = source.by_ref().take(count as u64).read_to_end(bytes);
    let found = read.map_err(|e| format!("cannot read the file: {e}"))?;
    if found == count {
        Ok(())
    } else {
        Err(format!("truncated in the header: expected {count} more bytes, found {found}"))
    }
}

// ---- .csv ------------------------------------------------------------------------------------------

fn csv(bytes: &[u8], path: &Path) -> Result<Array2<f64>> {
    let at = |line, reason| Error::File { path: path.to_owned(), line, reason };
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    let mut record = csv::ByteRecord::new();
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
fn line_of(position: &csv::Position, bytes: &[u8]) -> u64 {
    let rest = bytes.get(position.byte() as usize..).unwrap_or_default();
    let breaks = rest.iter().take_while(|b| matches!(b, b'\r' | b'\n'));
    position.line() + breaks.filter(|&&b| b == b'\n').count() as u64
}

fn number(field: &[u8]) -> Option<f64> {
    std::str::from_utf8(field.trim_ascii()).ok()?.parse().ok()
}
