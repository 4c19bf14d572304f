//! Arrays in files: what is written is read again, and bad files are errors with a place and a reason.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use groktime::data::files::*;
use ndarray::{Array, Array2, ArrayD, IxDyn, ShapeBuilder, array};
use npyz::{AutoSerialize, Order, WriterBuilder};
use proptest::prelude::*;
use zip::write::{SimpleFileOptions, ZipWriter};

/// The bytes of a `.npy` file with this header text.
fn npy_with_header(text: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.extend(data);
    bytes
}

fn npy(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    npy_with_header(&format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"), data)
}

/// A `.npy` file as the peer library writes it.
fn npy_by_peer<T: AutoSerialize + Copy>(values: &[T], shape: &[u64], order: Order) -> Vec<u8> {
    let mut bytes = Vec::new();
    let options = npyz::WriteOptions::new().default_dtype().order(order).shape(shape);
    let mut writer = options.writer(&mut bytes).begin_nd().unwrap();
    writer.extend(values.iter().copied()).unwrap();
    writer.finish().unwrap();
    bytes
}

/// A compressed `.npz` archive with the arrays `a` = 0..6 (2 by 3, f64) and `b` = (1, 2) (i32).
fn npz_archive() -> Vec<u8> {
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let a = npy_by_peer(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], &[2, 3], Order::C);
    let b = npy_by_peer(&[1i32, 2], &[2], Order::C);
    for (name, content) in [("a.npy", a), ("b.npy", b)] {
        archive.start_file(name, options).unwrap();
        archive.write_all(&content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// Where the checksum is in the central directory entry of a `.zip` file.
const CHECKSUM_IN_ENTRY: usize = 16;

/// An archive with one file, not compressed, as `numpy.savez` writes.
fn stored_archive(name: &str, content: &[u8], declared: u32) -> Vec<u8> {
    let checksum = !content.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |s, _| (s >> 1) ^ if s & 1 == 1 { 0xedb8_8320 } else { 0 })
    });
    // Version, flags, method, time and date; checksum and sizes; length of the name.
    let mut common = [20u16, 0, 0, 0, 0x21].map(u16::to_le_bytes).concat();
    common.extend([checksum, declared, declared].map(u32::to_le_bytes).concat());
    common.extend((name.len() as u16).to_le_bytes());

    let mut bytes = [b"PK\x03\x04", &common[..], &[0; 2], name.as_bytes(), content].concat();
    let directory = bytes.len() as u32;
    bytes.extend([b"PK\x01\x02\x14\x00", &common[..], &[0; 16], name.as_bytes()].concat());
    let directory_size = bytes.len() as u32 - directory;
    bytes.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    bytes.extend([directory_size, directory].map(u32::to_le_bytes).concat());
    bytes.extend([0; 2]);
    bytes
}

fn reason_of_npy(bytes: &[u8]) -> String {
    read_npy_bytes(bytes, "x.npy").unwrap_err().to_string()
}

fn reason_of_csv(text: &str) -> String {
    read_csv_bytes(text.as_bytes(), "x.csv").unwrap_err().to_string()
}

fn assert_contains(message: &str, pieces: &[&str]) {
    for piece in pieces {
        assert!(message.contains(piece), "{piece:?} is not in {message:?}");
    }
}

// ---- .npy ------------------------------------------------------------------------------------------

/// Reads the values as every dtype in both byte orders and both axis orders.
macro_rules! check_dtype {
    ($type:ty, $code:literal, $values:expr) => {
        let values: [$type; 6] = $values;
        let expected: Vec<f64> = values.iter().map(|&v| v as f64).collect();
        let little: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let big: Vec<u8> = values.iter().flat_map(|v| v.to_be_bytes()).collect();
        for (mark, data) in [("<", &little), (">", &big)] {
            let descr = format!("'{mark}{}'", $code);
            for fortran in [false, true] {
                let bytes = npy(&descr, fortran, "(2, 3)", data);
                let read = read_npy_bytes(&bytes, "x.npy").unwrap();
                let wanted = Array::from_shape_vec((2, 3).set_f(fortran), expected.clone()).unwrap();
                assert_eq!(read, wanted.into_dyn(), "{descr}, Fortran order {fortran}");
                assert!(read.is_standard_layout());
            }
        }
        for order in [Order::C, Order::Fortran] {
            let read = read_npy_bytes(&npy_by_peer(&values, &[3, 2], order), "x.npy").unwrap();
            let shape = (3, 2).set_f(order == Order::Fortran);
            assert_eq!(read, Array::from_shape_vec(shape, expected.clone()).unwrap().into_dyn());
        }
    };
}

#[test]
fn every_dtype_is_read_in_every_order() {
    check_dtype!(f64, "f8", [0.1, -2.5, f64::INFINITY, f64::MIN_POSITIVE, f64::MAX, -0.0]);
    check_dtype!(f32, "f4", [0.1, -2.5, f32::INFINITY, f32::MIN_POSITIVE, f32::MAX, -0.0]);
    check_dtype!(i8, "i1", [0, 1, -1, i8::MIN, i8::MAX, 5]);
    check_dtype!(i16, "i2", [0, 1, -1, i16::MIN, i16::MAX, 500]);
    check_dtype!(i32, "i4", [0, 1, -1, i32::MIN, i32::MAX, 70_000]);
    check_dtype!(i64, "i8", [0, 1, -1, i64::MIN, 1 << 53, -(1 << 53)]);
    check_dtype!(u8, "u1", [0, 1, 2, 3, u8::MAX, 128]);
    check_dtype!(u16, "u2", [0, 1, 2, 3, u16::MAX, 258]);
    check_dtype!(u32, "u4", [0, 1, 2, 3, u32::MAX, 70_000]);
    check_dtype!(u64, "u8", [0, 1, 2, 3, 1 << 53, 1 << 63]);
}

#[test]
fn bool_and_nan_are_read() {
    let flags = read_npy_bytes(&npy("'|b1'", false, "(3,)", &[0, 1, 1]), "x.npy").unwrap();
    assert_eq!(flags, array![0.0, 1.0, 1.0].into_dyn());
    let nan = read_npy_bytes(&npy("'<f8'", false, "(1,)", &f64::NAN.to_le_bytes()), "x.npy").unwrap();
    assert!(nan[0].is_nan());
}

#[test]
fn any_dimension_and_later_versions_are_read() {
    let scalar = read_npy_bytes(&npy("'|u1'", false, "()", &[7]), "x.npy").unwrap();
    assert_eq!(scalar, ArrayD::from_elem(IxDyn(&[]), 7.0));
    let cube = read_npy_bytes(&npy("'|u1'", true, "(2, 2, 2)", &[0, 1, 2, 3, 4, 5, 6, 7]), "x.npy").unwrap();
    assert_eq!(cube[[1, 0, 0]], 1.0);
    assert_eq!(cube[[0, 0, 1]], 4.0);
    assert!(cube.is_standard_layout());
    let none = read_npy_bytes(&npy("'<f8'", false, "(0, 5)", &[]), "x.npy").unwrap();
    assert_eq!(none.shape(), [0, 5]);

    let text = "{'descr': '|u1', 'fortran_order': False, 'shape': (1,)}\n";
    for version in [2, 3] {
        let mut bytes = b"\x93NUMPY".to_vec();
        bytes.extend([version, 0]);
        bytes.extend((text.len() as u32).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes.push(9);
        assert_eq!(read_npy_bytes(&bytes, "x.npy").unwrap(), array![9.0].into_dyn());
    }
}

#[test]
fn blocks_of_a_large_file_join() {
    let values: Vec<f64> = (0..100_001).map(f64::from).collect();
    let bytes = npy_by_peer(&values, &[100_001], Order::C);
    assert_eq!(read_npy_bytes(&bytes, "x.npy").unwrap().as_slice().unwrap(), values);
}

#[test]
fn integers_that_a_float_cannot_hold_are_errors() {
    for value in [(1 << 53) + 1, i64::MAX, i64::MIN + 1] {
        let reason = reason_of_npy(&npy("'<i8'", false, "(1,)", &value.to_le_bytes()));
        assert_contains(&reason, &["x.npy", &value.to_string(), "exactly"]);
    }
    let reason = reason_of_npy(&npy("'>u8'", false, "(1,)", &u64::MAX.to_be_bytes()));
    assert_contains(&reason, &[&u64::MAX.to_string()]);
}

#[test]
fn unsupported_dtypes_are_named() {
    for descr in ["'<f2'", "'<c16'", "'|O'", "'<U3'", "'|S3'", "'<f16'", "'|V8'", "'<M8[s]'"] {
        assert_contains(&reason_of_npy(&npy(descr, false, "(1,)", &[0; 64])), &[descr, "known are"]);
    }
    let record = npy("[('x', '<f8'), ('y', '<i4', (2,))]", false, "(1,)", &[0; 16]);
    assert_contains(&reason_of_npy(&record), &["('x', '<f8')", "not supported"]);
    assert_contains(&reason_of_npy(&npy("'<q7'", false, "(1,)", &[0; 8])), &["bad header", "<q7"]);
}

#[test]
fn truncated_files_say_what_is_missing() {
    let whole = npy("'<f8'", false, "(2, 3)", &[0; 48]);
    for size in 0..whole.len() {
        assert!(read_npy_bytes(&whole[..size], "x.npy").is_err());
    }
    let reason = reason_of_npy(&whole[..whole.len() - 1]);
    assert_contains(&reason, &["truncated", "[2, 3]", "needs 48 bytes", "found 47"]);
    assert_contains(&reason_of_npy(&whole[..20]), &["truncated in the header", "found 10"]);
    assert_contains(&reason_of_npy(b"PK\x03\x04"), &["not a .npy file", "PK\\x03\\x04"]);
    assert_contains(&reason_of_npy(b""), &["not a .npy file"]);
    assert_contains(&reason_of_npy(b"\x93NUMPY\x09\x00\x00\x00"), &["version 9.0"]);
}

#[test]
fn hostile_headers_are_errors() {
    for shape in [
        "(4294967296, 4294967296)",
        "(9223372036854775807,)",
        "(18446744073709551615,)",
        "(99999999999999999999999,)",
        "(0, 4294967296, 4294967296, 4294967296)",
        "(0xffffffff, 0XFFFFFFFF, 0xffffffff)",
        "(1000000000000000000,)",
        "(1000000, 1000000)",
        "(-1,)",
        "(1.5,)",
        "'x'",
        "((1,),)",
    ] {
        reason_of_npy(&npy("'<f8'", false, shape, &[0; 8]));
        reason_of_npy(&npy("'<f8'", true, shape, &[0; 8]));
    }
    assert_contains(
        &reason_of_npy(&npy("'<f8'", false, "(1000000, 1000000)", &[])),
        &["8000000000000 bytes"],
    );
    // Nested brackets cost the parser of npyz its stack, or time exponential in the depth.
    for bracket in ["[", "(", "{"] {
        let reason = reason_of_npy(&npy_with_header(&bracket.repeat(30_000), &[]));
        assert_contains(&reason, &["nested 30000 deep"]);
        reason_of_npy(&npy_with_header(&bracket.repeat(4), &[]));
    }
    let mut long = b"\x93NUMPY\x02\x00".to_vec();
    long.extend(u32::MAX.to_le_bytes());
    assert_contains(&reason_of_npy(&long), &["4294967295 bytes"]);
    for text in ["", "{}", "[]", "'descr'", "{'descr': '<f8', 'shape': (1,)}", "\u{e9}"] {
        assert_contains(&reason_of_npy(&npy_with_header(text, &[0; 8])), &["bad header"]);
    }
}

// ---- .npz ------------------------------------------------------------------------------------------

#[test]
fn arrays_of_an_archive_are_read_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("two.npz");
    fs::write(&path, npz_archive()).unwrap();
    let member = |name: &str| format!("{}:{name}", path.display());
    let expected = array![[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]];
    assert_eq!(read_matrix(Path::new(&member("a"))).unwrap(), expected);
    assert_eq!(read_matrix(Path::new(&member("a.npy"))).unwrap(), expected);
    assert_eq!(read_vector(Path::new(&member("b"))).unwrap(), array![1.0, 2.0]);

    let missing = read_array(Path::new(&member("c"))).unwrap_err().to_string();
    assert_contains(&missing, &["two.npz:c", "\"c\"", "a, b"]);
    let unnamed = read_array(&path).unwrap_err().to_string();
    assert_contains(&unnamed, &["FILE.npz:NAME", "a, b"]);
}

#[test]
fn archives_without_compression_are_read() {
    let content = npy("'|u1'", false, "(3,)", &[1, 2, 3]);
    let size = content.len() as u32;
    let read = read_npz_bytes(&stored_archive("a.npy", &content, size), "a", "x.npz").unwrap();
    assert_eq!(read, array![1.0, 2.0, 3.0].into_dyn());
}

#[test]
fn archives_that_lie_about_sizes_are_errors() {
    let content = npy("'<f8'", false, "(400000000,)", &[0; 64]);
    let reason = |declared| {
        let archive = stored_archive("a.npy", &content, declared);
        read_npz_bytes(&archive, "a", "x.npz").unwrap_err().to_string()
    };
    assert_contains(&reason(content.len() as u32), &["truncated", "needs 3200000000 bytes", "found 64"]);
    assert_contains(&reason(u32::MAX - 1), &["checksum"]);
}

#[test]
fn damaged_archives_are_errors() {
    let whole = npz_archive();
    for size in 0..whole.len() {
        assert!(read_npz_bytes(&whole[..size], "a", "x.npz").is_err());
    }
    let mut flipped = whole.clone();
    let entry = flipped.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    flipped[entry + CHECKSUM_IN_ENTRY] ^= 1;
    let reason = read_npz_bytes(&flipped, "a", "x.npz").unwrap_err().to_string();
    assert_contains(&reason, &["a.npy", "checksum"]);
}

// ---- .csv ------------------------------------------------------------------------------------------

#[test]
fn tables_are_read() {
    let expected = array![[1.0, 2.5], [-3.0, 4e-3]];
    for text in [
        "1,2.5\n-3,4e-3\n",
        "1,2.5\n-3,4e-3",
        "1,2.5\r\n-3,4e-3\r\n",
        "x,y\n1,2.5\n-3,4e-3\n",
        "\n\n x , y \n\n 1 , 2.5\n   \n\n-3,4e-3\n\n",
        "\u{feff}1,2.5\n-3,4e-3\n",
        "\"1\",\"2.5\"\n-3,4e-3\n",
    ] {
        assert_eq!(read_csv_bytes(text.as_bytes(), "x.csv").unwrap(), expected, "{text:?}");
    }
    let odd = read_csv_bytes(b"nan,inf,-inf\n", "x.csv").unwrap();
    assert!(odd[[0, 0]].is_nan() && odd[[0, 1]] == f64::INFINITY && odd[[0, 2]] == f64::NEG_INFINITY);
}

#[test]
fn bad_tables_are_errors_with_a_line() {
    assert_contains(&reason_of_csv("a,b\n1,2\n3,x\n"), &["x.csv, line 3", "field 2 is \"x\""]);
    assert_contains(&reason_of_csv("1,2\n\n\n3\n"), &["line 4", "1 fields, expected 2"]);
    assert_contains(&reason_of_csv("\n\n1,2\n\n\n3,oops\n"), &["line 6", "\"oops\""]);
    assert_contains(&reason_of_csv("\r\n\r\n1,2\r\n\r\n3,oops\r\n"), &["line 5", "\"oops\""]);
    assert_contains(&reason_of_csv("1,two\n3,4\n"), &["line 1", "field 2 is \"two\""]);
    assert_contains(&reason_of_csv("a,b\nc,d\n"), &["line 2", "field 1 is \"c\""]);
    assert_contains(&reason_of_csv("1,2\n3,\n"), &["line 2", "field 2 is \"\""]);
    assert_contains(&reason_of_csv("1,2\n3,4,5\n"), &["line 2", "3 fields, expected 2"]);
    for text in ["", "\n\n", "a,b\n"] {
        assert_contains(&reason_of_csv(text), &["no row of numbers"]);
    }
    let long = reason_of_csv(&format!("1\n{}\n", "x".repeat(10_000)));
    assert!(long.len() < 300, "{long}");
    assert!(read_csv_bytes(b"1\n\xff\xfe\n", "x.csv").is_err());
}

// ---- Paths and shapes ------------------------------------------------------------------------------

#[test]
fn shapes_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    let matrix = array![[1.0, 2.0], [3.0, 4.0]];
    write_npy(&path, matrix.view()).unwrap();
    assert_eq!(read_matrix(&path).unwrap(), matrix);
    let reason = read_vector(&path).unwrap_err().to_string();
    assert_contains(&reason, &["x.npy", "[2, 2]", "1-D"]);
    for one in [array![[1.0, 2.0, 3.0]], array![[1.0], [2.0], [3.0]]] {
        write_npy(&path, one.view()).unwrap();
        assert_eq!(read_vector(&path).unwrap(), array![1.0, 2.0, 3.0]);
    }
    write_npy(&path, array![1.0, 2.0].view()).unwrap();
    assert_contains(&read_matrix(&path).unwrap_err().to_string(), &["[2]", "2-D"]);
}

#[test]
fn paths_that_cannot_be_read_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("folder.npy")).unwrap();
    for name in ["none.npy", "none.csv", "none.npz:a", "folder.npy"] {
        let error = read_array(&path(name)).unwrap_err();
        assert!(error.is_bad_input());
        assert_contains(&error.to_string(), &[name]);
    }
    for name in ["x.txt", "x", "x.npy:a"] {
        assert_contains(&read_array(&path(name)).unwrap_err().to_string(), &["unknown extension", ".npy"]);
    }
    fs::write(path("UPPER.CSV"), "1,2\n").unwrap();
    assert_eq!(read_vector(&path("UPPER.CSV")).unwrap(), array![1.0, 2.0]);
}

// ---- Writing ---------------------------------------------------------------------------------------

#[test]
fn a_peer_reads_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    let matrix = Array2::from_shape_fn((3, 4), |(i, j)| (10 * i + j) as f64);
    write_npy(&path, matrix.t()).unwrap();
    assert_eq!(read_matrix(&path).unwrap(), matrix.t());
    let bytes = fs::read(&path).unwrap();
    let file = npyz::NpyFile::new(bytes.as_slice()).unwrap();
    assert_eq!((file.shape(), file.order()), (&[4, 3][..], Order::C));
    assert_eq!(file.into_vec::<f64>().unwrap(), matrix.t().iter().copied().collect::<Vec<_>>());
}

#[test]
fn a_failed_write_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.txt");
    let names = || fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect::<Vec<_>>();
    let broken = |path: &Path| {
        write_whole(path, |file| {
            file.write_all(b"half")?;
            Err(std::io::Error::other("the disk is full"))
        })
    };
    assert_contains(&broken(&path).unwrap_err().to_string(), &["x.txt", "the disk is full"]);
    assert!(names().is_empty());

    write_whole(&path, |file| file.write_all(b"first")).unwrap();
    broken(&path).unwrap_err();
    assert_eq!(fs::read(&path).unwrap(), b"first");
    write_whole(&path, |file| file.write_all(b"second")).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"second");
    assert_eq!(names(), ["x.txt"]);

    let nowhere = folder.path().join("none").join("x.txt");
    assert_contains(&write_whole(&nowhere, |_| Ok(())).unwrap_err().to_string(), &["x.txt"]);
}

#[cfg(unix)]
#[test]
fn a_written_file_has_ordinary_permissions() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    let (ours, ordinary) = (folder.path().join("a"), folder.path().join("b"));
    write_whole(&ours, |file| file.write_all(b"x")).unwrap();
    fs::write(&ordinary, b"x").unwrap();
    assert_eq!(mode(&ours), mode(&ordinary));
}

// ---- Random files ----------------------------------------------------------------------------------

/// Reads the bytes as every kind of file; only a panic is wrong.
fn read_as_everything(bytes: &[u8]) {
    let _ = read_npy_bytes(bytes, "x");
    let _ = read_npz_bytes(bytes, "a", "x");
    let _ = read_csv_bytes(bytes, "x");
}

/// Bytes with some of them replaced, at places given as fractions.
fn mutated(mut bytes: Vec<u8>, changes: &[(prop::sample::Index, u8)]) -> Vec<u8> {
    for (place, value) in changes {
        let place = place.index(bytes.len());
        bytes[place] = *value;
    }
    bytes
}

fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    prop::collection::vec(any::<(prop::sample::Index, u8)>(), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read_as_everything(&bytes);
    }

    #[test]
    fn random_headers_do_not_panic(text in r"[{}\[\]()0-9x',:a-f<>|_.*+\\ -]{0,80}", shape in r"\([0-9, ]{0,30}\)") {
        read_as_everything(&npy_with_header(&text, &[0; 32]));
        read_as_everything(&npy("'<i8'", true, &shape, &[0; 32]));
        read_as_everything(&npy(&text, false, &shape, &[0; 32]));
    }

    #[test]
    fn mutated_files_do_not_panic(changes in changes()) {
        read_as_everything(&mutated(npy("'>f4'", true, "(2, 3)", &[7; 24]), &changes));
        read_as_everything(&mutated(npz_archive(), &changes));
        read_as_everything(&mutated(stored_archive("a.npy", &npy("'<f8'", false, "(1,)", &[0; 8]), 64), &changes));
        read_as_everything(&mutated(b"a,b\n1,2.5\n\n-3,\"4e-3\"\n".to_vec(), &changes));
    }

    #[test]
    fn random_tables_come_back(values in prop::collection::vec(any::<f64>(), 1..40), columns in 1usize..5) {
        let rows = values.len().div_ceil(columns);
        let table = Array2::from_shape_fn((rows, columns), |(i, j)| values[(i * columns + j) % values.len()]);
        let lines = table.rows().into_iter().map(|r| r.iter().map(f64::to_string).collect::<Vec<_>>().join(","));
        let read = read_csv_bytes(lines.collect::<Vec<_>>().join("\n").as_bytes(), "x.csv").unwrap();
        let same = |a: f64, b: f64| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
        prop_assert!(read.shape() == table.shape() && read.iter().zip(&table).all(|(&a, &b)| same(a, b)));
    }
}
