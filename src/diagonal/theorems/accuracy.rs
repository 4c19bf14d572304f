//! How well the path is known at one time, in the quantities that the statements speak of.

use std::cell::RefCell;
use std::collections::HashMap;

use super::facts::{Facts, State};
use crate::diagonal::PathError;

/// How far local errors may add up along the path of a net too large for a second run, in tolerances.
const ACCUMULATED: f64 = 100.0;

/// Room over the estimate for a verdict that a wrong one would turn.
const ROOM: f64 = 2.0;

/// Nothing is known.
const UNKNOWN: PathError = {
    let x = f64::INFINITY;
    PathError {
        weights: x,
        outputs: x,
        train_loss: x,
        ln_train_loss: x,
        parameter_norm: x,
        parameters: x,
        departure: x,
        margin_l2: x,
        margin_l1: x,
    }
};

/// The errors found so far, and the differences of the two runs that they are made of.
#[derive(Default)]
pub(super) struct Accuracy {
    errors: RefCell<HashMap<u64, PathError>>,
    differences: RefCell<HashMap<u32, PathError>>,
}

impl Facts<'_, '_> {
    /// What the path is known to at time t.
    pub(super) fn error(&self, t: f64) -> PathError {
        let t = self.clamped(t);
        if let Some(known) = self.accuracy.errors.borrow().get(&t.to_bits()) {
            return *known;
        }
        let error = self.estimate(t).unwrap_or(UNKNOWN);
        self.accuracy.errors.borrow_mut().insert(t.to_bits(), error);
        error
    }

    fn estimate(&self, t: f64) -> Option<PathError> {
        let state = self.state(t).ok()?;
        let rtol = self.run.settings().rtol;
        // No curve is known better than its own tolerance.
        let least = |units: f64| {
            let relative = units * rtol;
            let outputs = relative * state.largest_output;
            PathError {
                weights: relative,
                outputs,
                train_loss: 0.0,
                ln_train_loss: if self.loss.is_margin() { outputs } else { 0.0 },
                parameter_norm: relative,
                parameters: relative,
                departure: relative,
                margin_l2: relative,
                margin_l1: relative,
            }
        };
        if !self.small {
            return Some(least(ACCUMULATED));
        }
        let seen = self.run.path_error_among(t, &mut self.accuracy.differences.borrow_mut()).ok()?;
        let floor = least(1.0);
        let larger = |a: f64, b: f64| if a.is_nan() { f64::INFINITY } else { (ROOM * a).max(b) };
        Some(PathError {
            weights: larger(seen.weights, floor.weights),
            outputs: larger(seen.outputs, floor.outputs),
            train_loss: larger(seen.train_loss, floor.train_loss),
            ln_train_loss: larger(seen.ln_train_loss, floor.ln_train_loss),
            parameter_norm: larger(seen.parameter_norm, floor.parameter_norm),
            parameters: larger(seen.parameters, floor.parameters),
            departure: larger(seen.departure, floor.departure),
            margin_l2: larger(seen.margin_l2, floor.margin_l2),
            margin_l1: larger(seen.margin_l1, floor.margin_l1),
        })
    }

    /// Error of the direction of w, of d entries each known to a part of the largest.
    pub(super) fn angle_error(&self, t: f64, d: usize) -> f64 {
        (d as f64).sqrt() * self.error(t).weights
    }
}

impl State {
    pub(super) fn largest(x: &[f64]) -> f64 {
        x.iter().fold(0.0, |m, x| m.max(x.abs()))
    }
}
