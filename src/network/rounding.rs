//! Error bars of what a run records: how far rounding moves the loss of a net *at its parameters*. How the rounding of
//! every update has moved the parameters themselves is part of the run, and no error.
//!
//! A running bound on the outputs (`theory/network.md`, (N16)), with u the unit roundoff of the precision that the run
//! computes in: z = Wa + b with a known to e is known to |W|e + γ(|W|(|a| + e) + |b|), γ = (k + 2)u for k inputs, in whatever
//! order sums are taken (Higham, *Accuracy and Stability of Numerical Algorithms*, §3.5).

use ndarray::{Array2, ArrayView2};

use super::criterion::Rows;
use super::pass::{Prepared, gather};
use super::sample::{Inputs, Targets};
use super::settings::Precision;
use super::{Activation, Criterion, Evaluation, Net, Sample};
use crate::error::Result;
use crate::loss::Loss;

/// Bounds on the errors of an [`Evaluation`] at its parameters, absolute; NaN where none is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EvaluationError {
    pub loss: f64,
    pub ln_loss: f64,
    pub accuracy: f64,
}

/// Unit roundoff of f64.
const UNIT: f64 = 0.5 * f64::EPSILON;
/// Samples evaluated at a time.
const CHUNK: usize = 256;

impl Net {
    /// Bounds on the errors of an evaluation that was made in the given precision, at the same parameters.
    ///
    /// ```
    /// use groktime::network::{Activation, Bias, Criterion, Init, Net, Precision, Sample};
    /// let net = Net::new(&[3, 20, 2], Activation::Relu, Bias::All)?;
    /// let x = ndarray::array![[1.0, 0.5, -1.0], [0.2, -0.3, 0.9]];
    /// let sample = Sample::classes(x.view(), vec![0, 1]);
    /// let theta = net.init(&Init::default(), 0)?;
    /// let seen = net.evaluate(&theta, &sample, Criterion::CrossEntropy)?;
    /// let error = net.evaluation_error(&theta, &sample, Criterion::CrossEntropy, Precision::Double, &seen)?;
    /// assert!(error.loss < 1e-13 && error.accuracy == 0.0);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    ///
    /// # Errors
    /// Parameters or sample that do not fit the net.
    pub fn evaluation_error(
        &self,
        theta: &[f64],
        sample: &Sample,
        criterion: Criterion,
        precision: Precision,
        seen: &Evaluation,
    ) -> Result<EvaluationError> {
        let n = self.check_inputs(theta, &sample.inputs)?;
        let unit = if precision == Precision::Single { f64::from(f32::EPSILON) / 2.0 } else { UNIT };
        let x = Prepared::new(&sample.inputs);
        let (mut loss, mut unsure) = (0.0, 0);
        for first in (0..n).step_by(CHUNK) {
            let count = CHUNK.min(n - first);
            let (outputs, errors) = self.bounded(theta, &sample.inputs, &x, first, count, unit);
            for (r, (f, e)) in outputs.outer_iter().zip(errors.outer_iter()).enumerate() {
                let (f, e) = (f.to_vec(), e.to_vec());
                let (of_loss, open) = of_sample(criterion, &sample.targets, first + r, &f, &e, unit);
                loss += of_loss;
                unsure += usize::from(open);
            }
        }
        let n = n as f64;
        // The mean itself is taken in doubles.
        let loss = loss / n + (n + 8.0) * UNIT * seen.loss;
        let relative = loss / seen.loss;
        let answers = matches!(sample.targets, Targets::Classes(_) | Targets::Signs(_));
        let known = |x: f64| if x.is_finite() { x } else { f64::NAN };
        Ok(EvaluationError {
            loss: known(loss),
            ln_loss: known(-libm::log1p(-relative) + 8.0 * UNIT * seen.ln_loss.abs()),
            accuracy: if answers { unsure as f64 / n } else { f64::NAN },
        })
    }

    /// Outputs of some samples in doubles, and bounds on the errors of those in the precision of `unit`.
    fn bounded(
        &self,
        theta: &[f64],
        inputs: &Inputs,
        x: &Prepared<f64>,
        first: usize,
        count: usize,
        unit: f64,
    ) -> (Array2<f64>, Array2<f64>) {
        let d = self.inputs();
        let mut a = Array2::zeros((count, d));
        let mut sizes = a.clone();
        let absolute: Vec<f64> = theta.iter().map(|t| t.abs()).collect();
        let fill = |theta: &[f64], out: &mut Array2<f64>| {
            gather(self, theta, x, Rows::From(first), out.as_slice_mut().unwrap_or_default());
        };
        fill(theta, &mut a);
        fill(&absolute, &mut sizes);
        // Numbers that are given are rounded once; sums and products of embeddings in each term.
        let roundings = match inputs {
            Inputs::Vectors(_) if unit == UNIT => 0.0,
            Inputs::Vectors(_) => 1.0,
            Inputs::Pairs(_) => d as f64 + 2.0,
        };
        let mut e = sizes.mapv(|x| roundings * unit * x.abs());
        let last = self.depth() - 1;
        for (l, layer) in self.layers().iter().enumerate() {
            let view = |theta: &[f64]| {
                ArrayView2::from_shape((layer.outputs, layer.inputs), &theta[layer.weights.clone()])
                    .map(|w| w.to_owned())
                    .unwrap_or_default()
            };
            let (w, size) = (view(theta), view(&absolute));
            let gamma = (layer.inputs as f64 + 2.0) * unit * 1.01;
            let mut z = a.dot(&w.t());
            let reach = (&a.mapv(f64::abs) + &e).dot(&size.t());
            let mut error = e.dot(&size.t());
            for (i, mut row) in z.outer_iter_mut().enumerate() {
                for (o, z) in row.iter_mut().enumerate() {
                    let bias = theta[layer.bias.clone()].get(o).copied().unwrap_or(0.0);
                    *z += bias;
                    error[(i, o)] += gamma * (reach[(i, o)] + bias.abs());
                }
            }
            if l < last {
                activate(self.activation(), &mut z, &mut error, unit);
            }
            (a, e) = (z, error);
        }
        // These doubles have an error of their own, far below that of single precision.
        let own = if unit == UNIT { 2.0 } else { 1.01 };
        (a, e * own)
    }
}

/// σ is Lipschitz: 1, or for squares |2z| and the square of the error.
fn activate(activation: Activation, z: &mut Array2<f64>, e: &mut Array2<f64>, unit: f64) {
    ndarray::Zip::from(z).and(e).for_each(|z, e| match activation {
        Activation::Identity => {}
        Activation::Relu => *z = z.max(0.0),
        Activation::Tanh => {
            *z = libm::tanh(*z);
            *e += 8.0 * unit * z.abs();
        }
        Activation::Quadratic => {
            *e = (2.0 * z.abs() + *e) * *e;
            *z *= *z;
            *e += 2.0 * unit * z.abs();
        }
    });
}

/// How far the loss of a sample may be off, and whether its answer is open.
fn of_sample(
    criterion: Criterion,
    targets: &Targets,
    i: usize,
    f: &[f64],
    e: &[f64],
    unit: f64,
) -> (f64, bool) {
    let m = f.len();
    let largest = e.iter().fold(0.0_f64, |m, e| m.max(*e));
    let wanted = |o: usize| match targets {
        Targets::Classes(classes) => f64::from(classes[i] as usize == o),
        Targets::Templates { classes, templates } => templates[(classes[i] as usize, o)],
        Targets::Values(y) => y[(i, o)],
        Targets::Signs(signs) => signs[i],
    };
    let size = f.iter().fold(1.0_f64, |m, f| m.max(f.abs()));
    let loss = match criterion {
        Criterion::Squared | Criterion::HalfSquared => {
            let each = (0..m).map(|o| {
                let (s, e) = ((f[o] - wanted(o)).abs(), e[o] + 2.0 * unit * (f[o].abs() + wanted(o).abs()));
                (2.0 * s + e) * e + (m as f64 + 2.0) * UNIT * s * s
            });
            each.sum::<f64>() * if criterion == Criterion::Squared { 1.0 / m as f64 } else { 0.5 }
        }
        // A logarithm of a sum of exponentials moves by the largest change, and the output of the class by its own.
        Criterion::CrossEntropy => 2.0 * largest + (m as f64 + 8.0) * UNIT * size,
        Criterion::CrossEntropyPerOutput => (2.0 * largest + (m as f64 + 8.0) * UNIT * size) / m as f64,
        Criterion::Margin(Loss::Exponential) => {
            libm::exp(-wanted(0) * f[0]) * libm::expm1(largest + 4.0 * UNIT * size)
        }
        Criterion::Margin(_) => largest + 8.0 * UNIT * size,
    };
    let open = match targets {
        Targets::Classes(classes) => {
            let class = classes[i] as usize;
            let near = |o: usize| (f[class] - f[o]).abs() <= e[class] + e[o];
            (0..m).any(|o| o != class && near(o))
        }
        Targets::Signs(_) => f[0].abs() <= e[0],
        Targets::Templates { .. } | Targets::Values(_) => false,
    };
    (loss, open)
}

/// A bound on the rounding of ‖θ‖, a sum of so many squares in doubles.
pub(super) fn norm_error(theta: &[f64], norm: f64) -> f64 {
    (0.5 * theta.len() as f64 + 2.0) * UNIT * norm
}
