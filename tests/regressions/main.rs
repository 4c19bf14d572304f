//! Inputs that once had wrong answers, one module a kind, with the right values.

mod effective_modular_late_nan;
mod limits_not_separable;
mod limits_scaled_columns;
mod network_dead_rank;
mod network_error_bars;
mod threads_change_bits;
