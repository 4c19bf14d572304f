//! One module a kind of fault that was found: inputs that failed, with the right answers.

mod thresholds_met_exactly;
