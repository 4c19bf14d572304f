//! Inputs that once had wrong answers, one module a kind, with the right values.

mod network_dead_rank;
mod ridge_stability_edge_false_violated;
mod ridge_tiny_lambda_false_violated;
mod verdicts_judging;
mod verdicts_of_random_settings;
