//! Whatever the bytes, the reader of `.npz` returns: no panic, no allocation larger than the input asks for.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for member in ["a", "b.npy", ""] {
        let _ = groktime::data::files::read_npz_bytes(bytes, member, "fuzz.npz");
    }
});
