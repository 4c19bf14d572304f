//! How well a solved path is known: a second run at another tolerance tells.

use std::ops::ControlFlow;

use ndarray::Array2;

use super::solution::Solution;
use super::{RTOL, Record, Settings};
use crate::error::{Error, Result};
use crate::linalg::Engine;
use crate::memory;
use crate::trajectory::{Observable, Table};

/// An error bar is this many times the difference of two runs: tested against oracles on random problems.
const SAFETY: f64 = 4.0;
/// The second run is this much coarser; where it would be coarser than is safe, this much finer.
const APART: f64 = 10.0;
/// Entries of W below it are zero in the factors: a direction below e^{−360} is left out.
const UNDERFLOW: f64 = 1e-310;
/// Rounding of a sum of squares of factors, in units of the last place.
const ROUNDING: f64 = 16.0 * f64::EPSILON;

/// How well a path is known at one time. All are absolute, of the quantity they are named after.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PathError {
    /// max |δW_ij|.
    pub weights: f64,
    /// max |W_ij|, to compare with.
    pub size: f64,
    /// max |δs_p| over the observed pairs, s = W − y.
    pub residuals: f64,
    pub train_loss: f64,
    /// |δ ln 𝓛|; infinite where the loss may be zero.
    pub ln_train_loss: f64,
    /// NaN without test entries.
    pub test_loss: f64,
    /// |δ‖θ‖|.
    pub parameter_norm: f64,
}

impl PathError {
    /// |δW|/|W| in the largest entry; infinite where W is zero.
    pub fn relative(&self) -> f64 {
        if self.weights <= UNDERFLOW { 0.0 } else { self.weights / self.size }
    }
}

impl Solution {
    /// How well the path is known at a time: the difference from a second run at ten times the tolerance (made once,
    /// when first asked for; at a tenth of it where ten times were too loose), the largest of the present time and
    /// two before it. A slow flow is compared with a second one in the same way.
    ///
    /// # Errors
    /// As [`Solution::state`]; [`Error::Numerical`] if the second run failed:
    /// then nothing is known.
    ///
    /// ```
    /// use groktime::completion::{Init, Problem, Settings};
    /// use groktime::data::Observations;
    /// let seen = Observations::from_list(2, &[(0, 1, 1.0), (1, 1, 0.5)])?;
    /// let problem = Problem::new(seen, None, Init::Identity { coordinate: 1e-3 })?;
    /// let settings = Settings { weight_decay: 0.0, horizon: 100.0, ..Settings::default() };
    /// let error = problem.flow(&settings)?.path_error(100.0)?;
    /// assert!(error.relative() < 1e-6 && error.residuals < 1e-6);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    pub fn path_error(&self, t: f64) -> Result<PathError> {
        let other = self.second_run()?;
        let mut apart = self.apart(other, t)?;
        for part in [0.97, 0.9] {
            if self.is_continuous() {
                // Runs may cross at one time; not at three. What was larger before is not known worse now.
                let before = self.apart(other, part * t)?;
                let shrunk = (apart.size / before.size.max(f64::MIN_POSITIVE)).min(1.0);
                apart.weights = apart.weights.max(shrunk * before.weights);
                apart.residuals = apart.residuals.max(shrunk * before.residuals);
                apart.trace = apart.trace.max(shrunk * before.trace);
            }
        }
        // At the start W is what was given.
        let underflow = if t > 0.0 { UNDERFLOW } else { 0.0 };
        Ok(self.error(&self.at(t)?, &apart, underflow))
    }

    /// Error bars of [`observe`](crate::trajectory::Trajectory::observe): absolute, NaN where none is known (ranks, and
    /// everything if the second run fails).
    ///
    /// # Errors
    /// As [`Trajectory::observe`](crate::trajectory::Trajectory::observe).
    pub fn observe_errors(&self, times: &[f64], what: &[Observable]) -> Result<Table<f64>> {
        let mut values = Array2::from_elem((times.len(), what.len()), f64::NAN);
        for (&t, mut row) in times.iter().zip(values.rows_mut()) {
            let Some(error) = self.path_error(t).ok_if_known()? else { continue };
            for (out, what) in row.iter_mut().zip(what) {
                *out = match what {
                    Observable::TrainLoss => error.train_loss,
                    Observable::LogTrainLoss => error.ln_train_loss,
                    Observable::TestLoss => error.test_loss,
                    Observable::ParameterNorm => error.parameter_norm,
                    Observable::NuclearNorm => self.nuclear_norm_error(t, &error)?,
                    _ => f64::NAN,
                };
            }
        }
        Ok(Table { times: times.to_vec(), columns: what.to_vec(), values })
    }

    /// The second run.
    fn second_run(&self) -> Result<&Solution> {
        let made = self.second.get_or_init(|| {
            // Beside what the first one keeps.
            let room = memory::allowed().saturating_sub(self.bytes());
            let again = |rtol: f64| memory::within(room, || self.again(rtol));
            let (coarser, finer) = (APART * self.rtol, self.rtol / APART);
            // A slow flow has no decay of residuals that would mend what a loose tolerance does to small eigenvalues.
            let first = match coarser <= *RTOL.end() && !(self.slow && finer >= *RTOL.start()) {
                true => coarser,
                false => finer,
            };
            let made = again(first);
            let made = if made.is_err() && first == coarser { again(finer) } else { made };
            made.map(Box::new).map_err(|e| e.to_string())
        });
        made.as_deref().map_err(|reason| Error::Numerical {
            method: "second run for the error of the path",
            detail: reason.clone(),
        })
    }

    fn again(&self, rtol: f64) -> Result<Solution> {
        let problem = self.problem();
        if self.slow {
            let settings = super::SlowSettings { horizon: self.horizon, rtol, ..Default::default() };
            return problem.slow_flow_at(&settings);
        }
        let record = match self.is_continuous() {
            true => Record::Path,
            false => Record::At(self.times().to_vec()),
        };
        let settings = Settings {
            weight_decay: self.weight_decay(),
            horizon: self.horizon,
            rtol,
            threads: self.threads,
            record,
            ..Settings::default()
        };
        // At this tolerance and no other: two runs at the same one would agree for nothing.
        problem.integrate(&settings, 0.01 * RTOL.start()..=*RTOL.end(), |_| ControlFlow::Continue(()))
    }

    /// Differences between two runs at one time.
    fn apart(&self, other: &Solution, t: f64) -> Result<Apart> {
        let (here, there) = (self.at(t)?, other.at(t)?);
        let matrix = self.trace_at();
        let differ = |a: &[f64], b: &[f64]| a.iter().zip(b).fold(0.0_f64, |m, (a, b)| m.max((a - b).abs()));
        Ok(Apart {
            size: here[..matrix].iter().fold(0.0_f64, |m, x| m.max(x.abs())),
            weights: differ(&here[..matrix], &there[..matrix]),
            trace: (here[matrix] - there[matrix]).abs(),
            residuals: differ(&here[matrix + 1..], &there[matrix + 1..]),
        })
    }

    /// What errors of the entries do to everything else, and the rounding of each.
    fn error(&self, node: &[f64], apart: &Apart, underflow: f64) -> PathError {
        let size = apart.size;
        let trace = node[self.trace_at()].max(0.0);
        let data = self.observed.iter().fold(0.0_f64, |m, o| m.max(o.1.abs()));
        // What decays or grows for long is the exponential of a long sum.
        let rounding = ROUNDING * (1.0 + size.max(f64::MIN_POSITIVE).ln().abs());
        let weights = SAFETY * apart.weights + rounding * size + underflow;
        // s is a difference, with the rounding of y where W is near it.
        let residuals = SAFETY * apart.residuals + f64::EPSILON * data.min(size) + f64::EPSILON * data;
        // 𝓛 = Σ c s² with Σ c = 1.
        let loss = self.train_loss(node);
        let train_loss = residuals * (2.0 * loss.sqrt() + residuals) + ROUNDING * loss;
        let test_loss = self.test_loss(node);
        let norm = trace.sqrt();
        let trace_error = SAFETY * apart.trace + rounding * trace + underflow;
        PathError {
            weights,
            size,
            residuals,
            train_loss,
            ln_train_loss: if train_loss < loss { -(-train_loss / loss).ln_1p() } else { f64::INFINITY },
            test_loss: weights * (2.0 * test_loss.sqrt() + weights) + ROUNDING * test_loss,
            parameter_norm: if norm > 0.0 {
                (trace_error / norm).min(trace_error.sqrt())
            } else {
                trace_error.sqrt()
            },
        }
    }

    /// Σ|ω_k| of W and of the other run's W, and what rounding leaves open: eigenvalues move by at most ‖δW‖.
    fn nuclear_norm_error(&self, t: f64, error: &PathError) -> Result<f64> {
        let d = self.problem().dimension();
        let other = self.second_run()?;
        let difference = self.matrix_of(&self.at(t)?) - self.matrix_of(&other.at(t)?);
        let sum: f64 = Engine::SEQUENTIAL.eigh(difference.view())?.values.iter().map(|v| v.abs()).sum();
        // At this time alone the runs may cross.
        let now = self.apart(other, t)?.weights;
        let scale = if now > 0.0 { (error.weights / now).max(1.0) } else { 0.0 };
        Ok((scale * sum).min(d as f64 * d as f64 * error.weights) + error.weights)
    }
}

/// Largest differences of the entries of W, of tr A and of the residuals between two runs.
struct Apart {
    size: f64,
    weights: f64,
    trace: f64,
    residuals: f64,
}

/// A failed second run is no error of the first: then nothing is known.
trait Known<T> {
    fn ok_if_known(self) -> Result<Option<T>>;
}

impl<T> Known<T> for Result<T> {
    fn ok_if_known(self) -> Result<Option<T>> {
        match self {
            Ok(known) => Ok(Some(known)),
            Err(Error::Numerical { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }
}
