//! Inputs that once had wrong answers, one module a kind, with the right values.

mod effective_modular_late_nan;
mod limits_not_separable;
mod limits_scaled_columns;
mod network_constant_layers;
mod network_dead_rank;
mod network_error_bars;
mod ridge_stability_edge_false_violated;
mod ridge_tiny_lambda_false_violated;
mod threads_change_bits;
mod verdicts_judging;
mod verdicts_of_random_settings;
