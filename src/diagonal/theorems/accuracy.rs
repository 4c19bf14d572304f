//! How well the path is known at one time, in the quantities that the statements speak of: the differences
//! from a second run at another tolerance.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;

use super::facts::{Facts, State};
use crate::diagonal::{Run, Settings};

/// The second run is this much coarser; where it would be coarser than allowed, finer.
const APART: f64 = 10.0;
const COARSEST: f64 = 1e-3;

/// How far local errors may add up along the path of a net too large for a second run, in tolerances.
const ACCUMULATED: f64 = 100.0;

/// Errors at one time; infinite where nothing is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PathError {
    /// max |δw_k| over max |w_k|.
    pub(super) weights: f64,
    /// max |δf_i|.
    pub(super) outputs: f64,
    /// |δ ln 𝓛|.
    pub(super) ln_train_loss: f64,
    /// Of ‖δ‖, relative.
    pub(super) departure: f64,
    /// max |δ ln u_k|, |δ ln v_k|.
    pub(super) parameters: f64,
}

impl PathError {
    const UNKNOWN: PathError = PathError {
        weights: f64::INFINITY,
        outputs: f64::INFINITY,
        ln_train_loss: f64::INFINITY,
        departure: f64::INFINITY,
        parameters: f64::INFINITY,
    };

    fn max(self, other: PathError) -> PathError {
        // NaN: nothing is known.
        let larger = |a: f64, b: f64| if a.is_nan() || b.is_nan() { f64::INFINITY } else { a.max(b) };
        PathError {
            weights: larger(self.weights, other.weights),
            outputs: larger(self.outputs, other.outputs),
            ln_train_loss: larger(self.ln_train_loss, other.ln_train_loss),
            departure: larger(self.departure, other.departure),
            parameters: larger(self.parameters, other.parameters),
        }
    }
}

/// The second run and the errors found so far.
#[derive(Default)]
pub(super) struct Accuracy<'p> {
    second: OnceCell<Option<Run<'p>>>,
    known: RefCell<HashMap<u64, PathError>>,
}

impl Facts<'_, '_> {
    /// What the path is known to at time t: the larger of the differences there and shortly before, where two
    /// curves that cross do not cross too.
    pub(super) fn error(&self, t: f64) -> PathError {
        if let Some(known) = self.accuracy.known.borrow().get(&t.to_bits()) {
            return *known;
        }
        let error = self.compare(t);
        self.accuracy.known.borrow_mut().insert(t.to_bits(), error);
        error
    }

    fn compare(&self, t: f64) -> PathError {
        let Ok(state) = self.state(t) else { return PathError::UNKNOWN };
        let rtol = self.run.settings().rtol;
        if !self.small {
            let relative = ACCUMULATED * rtol;
            return PathError {
                weights: relative,
                outputs: relative * state.largest_output,
                ln_train_loss: relative * state.largest_output,
                departure: relative,
                parameters: relative,
            };
        }
        let Some(other) = self.second() else { return PathError::UNKNOWN };
        // No curve is known better than its own tolerance.
        let floor = PathError {
            weights: rtol,
            outputs: rtol * state.largest_output,
            ln_train_loss: 0.0,
            departure: rtol,
            parameters: 0.0,
        };
        [t, 0.97 * t, 0.9 * t].into_iter().fold(floor, |worst, t| match self.apart(other, t) {
            Some(error) => worst.max(error),
            None => PathError::UNKNOWN,
        })
    }

    fn second(&self) -> Option<&Run<'_>> {
        let made = self.accuracy.second.get_or_init(|| {
            let own = self.run.settings();
            let coarser = APART * own.rtol;
            let rtol = if coarser <= COARSEST { coarser } else { own.rtol / APART };
            self.run.problem().integrate(&Settings { rtol, ..own.clone() }).ok()
        });
        made.as_ref()
    }

    fn apart(&self, other: &Run<'_>, t: f64) -> Option<PathError> {
        let (here, there) = (self.state(t).ok()?, self.compute(other, t).ok()?);
        let (own, their) = (self.run.parameters(t).ok()?, other.parameters(t).ok()?);
        let ratio = |a: f64, b: f64| if a == b { 0.0 } else { libm::log(a / b).abs() };
        let pairs = own.0.iter().zip(&their.0).chain(own.1.iter().zip(&their.1));
        let size = State::largest(&here.weights);
        let moved = largest_difference(&here.weights, &there.weights);
        Some(PathError {
            weights: if moved == 0.0 { 0.0 } else { moved / size },
            outputs: largest_difference(&here.outputs, &there.outputs),
            ln_train_loss: difference(here.ln_loss, there.ln_loss),
            departure: difference(here.ln_departure, there.ln_departure),
            parameters: pairs.map(|(&a, &b)| ratio(a, b)).fold(0.0, f64::max),
        })
    }

    /// Error of the direction of w, of d entries each known to a part of the largest.
    pub(super) fn angle_error(&self, t: f64, d: usize) -> f64 {
        (d as f64).sqrt() * self.error(t).weights
    }
}

fn difference(a: f64, b: f64) -> f64 {
    if a == b || (a.is_nan() && b.is_nan()) { 0.0 } else { (a - b).abs() }
}

fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0_f64, |m, (a, b)| m.max((a - b).abs()))
}
