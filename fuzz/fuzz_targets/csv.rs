//! Whatever the bytes, the reader of `.csv` returns: no panic, and only what the bytes hold.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(table) = groktime::data::files::read_csv_bytes(bytes, "fuzz.csv") {
        assert!(!table.is_empty());
        assert!(table.len() <= bytes.len());
    }
});
