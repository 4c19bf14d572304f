//! Inputs that once had wrong answers, one module a kind, with the right values.

mod completion_default_run;
mod completion_small_start;
mod limits_not_separable;
mod limits_scaled_columns;
