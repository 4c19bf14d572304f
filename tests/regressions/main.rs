//! Inputs that once had wrong answers, one module a kind, with the right values.

mod limits_not_separable;
mod limits_scaled_columns;
