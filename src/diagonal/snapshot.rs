//! The net at one time: weights, losses, margins, norms, and how well each is known.

use ndarray::Array1;

use super::path_error::{EARLIER, PathError};
use super::scale::length;
use super::{Problem, Run};
use crate::error::Result;
use crate::linalg::Threads;
use crate::trajectory::Observable;

/// Relative rounding of what is computed from the weights.
const ROUNDING: f64 = 8.0 * f64::EPSILON;

/// Relative error of w from which on nothing is known of its direction.
const NOTHING: f64 = 0.5;

/// Outputs below so many roundings of the residuals may be nothing else.
const RESIDUAL: f64 = 1e3 * f64::EPSILON;

/// Slopes that cancel in Xᵀρ to within so many roundings leave nothing.
const CANCELLED: f64 = 16.0 * f64::EPSILON;

/// The net at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    pub time: f64,
    /// w = u^L − v^L.
    pub weights: Array1<f64>,
    /// f = Xw.
    pub outputs: Array1<f64>,
    /// 𝓛 and its logarithm.
    pub train_loss: f64,
    pub ln_train_loss: f64,
    /// Absolute error of the training loss; like all errors `None` where it is unknown.
    pub train_loss_error: Option<f64>,
    /// Fraction of training samples with yf > 0, those with yf = 0 counting ½; `None` for squared loss.
    pub train_accuracy: Option<f64>,
    /// Fraction of the samples whose side the error of f leaves open.
    pub train_accuracy_error: Option<f64>,
    /// ‖θ‖₂.
    pub parameter_norm: f64,
    pub parameter_norm_error: Option<f64>,
    /// min_i y_i f_i / ‖w‖₂; `None` where w is zero to within its error, and for squared loss.
    pub margin_l2: Option<f64>,
    pub margin_l2_error: Option<f64>,
    /// min_i y_i f_i / ‖w‖₁; `None` where w is zero to within its error, and for squared loss.
    pub margin_l1: Option<f64>,
    pub margin_l1_error: Option<f64>,
}

impl Snapshot {
    pub(super) fn new(
        problem: &Problem,
        threads: crate::linalg::Threads,
        time: f64,
        weights: Vec<f64>,
        parameter_norm: f64,
    ) -> Snapshot {
        let (y, loss) = (&problem.labels, problem.loss);
        let mut outputs = vec![0.0; y.len()];
        problem.design.apply(&weights, &mut outputs, threads);
        let margins = || outputs.iter().zip(y).map(|(f, y)| f * y);
        let l1: f64 = weights.iter().map(|w| w.abs()).sum();
        let largest = weights.iter().fold(0.0_f64, |m, w| m.max(w.abs()));
        let l2 = largest * weights.iter().map(|w| (w / largest).powi(2)).sum::<f64>().sqrt();
        let margin = loss.is_margin().then(|| margins().fold(f64::INFINITY, f64::min));
        let noise = margin.is_some() && is_noise(problem, &outputs, threads);
        let over = |norm: f64| margin.filter(|_| norm > 0.0 && !noise).map(|m| m / norm);
        Snapshot {
            time,
            train_loss: loss.mean(&outputs, y),
            ln_train_loss: loss.ln_mean(&outputs, y),
            train_accuracy: loss.is_margin().then(|| accuracy(margins())),
            parameter_norm,
            margin_l2: over(l2),
            margin_l1: over(l1),
            train_loss_error: None,
            train_accuracy_error: None,
            parameter_norm_error: None,
            margin_l2_error: None,
            margin_l1_error: None,
            weights: Array1::from_vec(weights),
            outputs: Array1::from_vec(outputs),
        }
    }

    pub(super) fn get(&self, what: Observable) -> Option<f64> {
        match what {
            Observable::TrainLoss => Some(self.train_loss),
            Observable::LogTrainLoss => Some(self.ln_train_loss),
            Observable::TrainAccuracy => self.train_accuracy,
            Observable::ParameterNorm => Some(self.parameter_norm),
            Observable::MarginL2 => self.margin_l2,
            Observable::MarginL1 => self.margin_l1,
            _ => None,
        }
    }

    /// Error bars from what is known of the path. Two runs may agree by chance: no path is claimed to be better than its
    /// tolerance.
    fn with_errors(mut self, run: &Run<'_>, pace: f64, error: &PathError) -> Snapshot {
        let (problem, rtol) = (run.problem(), run.settings().rtol);
        let (labels, loss) = (&problem.labels, problem.loss);
        // Sums of n terms, and exponentials of times.
        let rounding = ROUNDING * (labels.len() as f64).sqrt();
        // Of f = Xw, and of f − y: where a fit leaves nothing else, 𝓛 is the square of this.
        let sum: f64 = self.weights.iter().map(|w| w.abs()).sum();
        let output = ROUNDING * problem.design.largest_entry() * sum;
        let slope = self.outputs.iter().zip(labels).map(|(&f, &y)| loss.slope(f, y).abs()).sum::<f64>();
        let slope = slope / labels.len() as f64;
        let largest = self.outputs.iter().fold(0.0_f64, |most, f| most.max(f.abs()));
        let moved = error.train_loss.max(rtol * (slope * largest + pace));
        let curved = if loss.is_margin() { 0.0 } else { output * output };
        let bar = moved + rounding * self.train_loss + slope * output + curved;
        self.train_loss_error = Some(bar).filter(|e| e.is_finite());
        let norm = self.parameter_norm;
        let part = error.parameter_norm.max(rtol) + ROUNDING;
        self.parameter_norm_error = Some(part * norm).filter(|e| e.is_finite());
        let reach = error.outputs.max(rtol * largest);
        let open = self.outputs.iter().filter(|f| **f != 0.0 && f.abs() < reach).count();
        self.train_accuracy_error = self.train_accuracy.map(|_| open as f64 / labels.len() as f64);
        if error.weights.is_nan() || error.weights >= NOTHING {
            (self.margin_l2, self.margin_l1) = (None, None);
        }
        let l1 = self.weights.iter().map(|w| w.abs()).sum::<f64>();
        let l2 = length(self.weights.iter().copied());
        let bar = |margin: Option<f64>, error: f64, norm: f64| {
            margin.map(|m| error.max(rtol * largest / norm) + rounding * m.abs()).filter(|e| e.is_finite())
        };
        self.margin_l2_error = bar(self.margin_l2, error.margin_l2, l2);
        self.margin_l1_error = bar(self.margin_l1, error.margin_l1, l1);
        self
    }
}

/// Fraction of positive margins; zeros count one half.
pub(super) fn accuracy(margins: impl Iterator<Item = f64>) -> f64 {
    let (mut right, mut all) = (0.0, 0.0);
    for margin in margins {
        right += if margin > 0.0 {
            1.0
        } else if margin == 0.0 {
            0.5
        } else {
            0.0
        };
        all += 1.0;
    }
    right / all
}

/// Whether w is what rounding of the slopes has left: the labels ask for nothing, Xᵀρ = 0 to rounding, and no output
/// is larger than what rounding of ρ balances.
fn is_noise(problem: &Problem, outputs: &[f64], threads: Threads) -> bool {
    let (y, loss) = (&problem.labels, problem.loss);
    let largest = outputs.iter().fold(0.0_f64, |most, f| most.max(f.abs()));
    let slopes: Vec<f64> = outputs.iter().zip(y).map(|(&f, &y)| loss.slope(f, y)).collect();
    let balance =
        outputs.iter().zip(y).zip(&slopes).map(|((&f, &y), slope)| slope.abs() / loss.curvature(f, y));
    if largest > RESIDUAL * balance.fold(0.0, f64::max) {
        return false;
    }
    let mut pull = vec![0.0; problem.design.dimension()];
    problem.design.apply_transpose(&slopes, &mut pull, threads);
    let all = problem.design.largest_entry() * slopes.iter().map(|x| x.abs()).sum::<f64>();
    pull.iter().all(|x| x.abs() <= CANCELLED * all)
}

impl Run<'_> {
    /// As [`Run::snapshot`], with error bars. They come from [`Run::path_error`], whose second run costs about two
    /// thirds of the first, once; where it fails they are `None`.
    ///
    /// # Errors
    /// As [`Run::snapshot`].
    ///
    /// ```
    /// use groktime::Loss;
    /// use groktime::data::Design;
    /// use groktime::diagonal::{Problem, Settings};
    /// use ndarray::array;
    ///
    /// let x = Design::new(array![[1.0, 0.5], [-0.5, 1.0]].view())?;
    /// let problem = Problem::new(x, vec![1.0, -1.0], Loss::Squared)?;
    /// let run = problem.integrate(&Settings { horizon: 100.0, ..Settings::default() })?;
    /// let net = run.snapshot_with_errors(1.0)?;
    /// assert!(net.train_loss_error.unwrap() < 1e-6);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    pub fn snapshot_with_errors(&self, t: f64) -> Result<Snapshot> {
        let snapshot = self.snapshot(t)?;
        Ok(match self.path_error(t) {
            Ok(error) => {
                // What 𝓛 moves by in a time t as fast as it does now: errors of a path are errors of its time too.
                let moved = snapshot.train_loss - self.snapshot(EARLIER[0] * t)?.train_loss;
                let pace = moved.abs() / (1.0 - EARLIER[0]);
                snapshot.with_errors(self, pace, &error)
            }
            Err(_) => snapshot,
        })
    }
}
