//! Inputs that once had wrong answers, one module a kind, with the right values.

mod certificate_under_the_stability_edge;
mod completion_default_run;
mod completion_small_start;
mod effective_modular_late_nan;
mod empty_complement_with_noise;
mod limits_not_separable;
mod limits_scaled_columns;
mod network_constant_layers;
mod network_dead_rank;
mod network_error_bars;
mod oscillating_descent;
mod ridge_heldout_precision;
mod ridge_stability_edge_false_violated;
mod ridge_ties;
mod ridge_tiny_lambda_false_violated;
mod silent_underflow;
mod sweep_silent_bitflip;
mod threads_change_bits;
mod thresholds_met_exactly;
mod tiny_weight_decay;
mod undecided_though_a_value_decides;
mod verdicts_judging;
mod verdicts_of_random_settings;
