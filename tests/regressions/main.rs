//! Faults that were found once, each as a test of its kind.

mod sweep_silent_bitflip;
