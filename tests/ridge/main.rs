//! Ridge regression: closed forms, the calculus on them, theorems.

mod bars;
mod calculus;
#[path = "../common/mod.rs"]
mod common;
mod oracle;
mod theorem;
