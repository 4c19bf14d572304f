//! One module a kind of fault that was found: inputs that failed, with the right answers.

mod certificate_under_the_stability_edge;
mod empty_complement_with_noise;
mod limits_not_separable;
mod limits_scaled_columns;
mod oscillating_descent;
mod ridge_heldout_precision;
mod ridge_ties;
mod silent_underflow;
mod thresholds_met_exactly;
mod tiny_weight_decay;
mod undecided_though_a_value_decides;
