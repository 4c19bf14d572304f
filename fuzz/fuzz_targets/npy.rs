//! Whatever the bytes, the reader of `.npy` returns: no panic, no allocation larger than the input asks for.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(array) = groktime::data::files::read_npy_bytes(bytes, "fuzz.npy") {
        assert!(array.is_standard_layout());
        assert!(array.len() <= bytes.len());
    }
});
