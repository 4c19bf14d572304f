//! The format `.npy`: a header that names type, order and shape, and the numbers.

use std::io::Read;

use ndarray::{ArrayD, IxDyn, ShapeBuilder};
use npyz::{DType, Endianness, NpyHeader, Order, TypeChar};

use super::{Held, Parsed, Refused, shown};
use crate::memory;

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
pub(super) fn read(mut source: impl Read, declared: u64, stored: u64) -> Held<ArrayD<f64>> {
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
