//! Inputs that once had wrong answers, one module a kind, with the right values.

mod memory_is_asked;
mod sweep_silent_bitflip;
