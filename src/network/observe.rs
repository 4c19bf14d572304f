//! What one sees of a net: losses, accuracies, norms, margins, feature ranks.

use pulp::Arch;

use super::criterion::Rows;
use super::net::Activation;
use super::pass::{Prepared, Workspace, activate, affine, gather};
use super::sample::Inputs;
use super::settings::Precision;
use super::{Criterion, Net, Sample};
use crate::error::Result;
use crate::linalg::product::{Factor, Real, multiply};
use crate::linalg::{Engine, Threads};
use ndarray::Array2;

/// A net on a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// Mean loss, and its logarithm where that underflows.
    pub loss: f64,
    pub ln_loss: f64,
    /// Fraction answered right; NaN where there are no answers.
    pub accuracy: f64,
    /// Smallest margin: y f for signs, the output of the class less the largest other for classes; NaN for
    /// other targets.
    pub margin: f64,
}

impl Net {
    /// The outputs, n × m, in double precision.
    ///
    /// ```
    /// use groktime::network::{Activation, Bias, Inputs, Net};
    /// let net = Net::new(&[2, 1, 1], Activation::Relu, Bias::None)?;
    /// let x = Inputs::Vectors(ndarray::array![[1.0, 2.0], [-1.0, -2.0]]);
    /// let outputs = net.outputs_of(&[1.0, 1.0, 3.0], &x)?; // 3·max(x₁ + x₂, 0)
    /// assert_eq!(outputs, ndarray::array![[9.0], [0.0]]);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    ///
    /// # Errors
    /// Parameters or inputs that do not fit the net.
    pub fn outputs_of(&self, theta: &[f64], inputs: &Inputs) -> Result<Array2<f64>> {
        let n = self.check_inputs(theta, inputs)?;
        let mut workspace = Workspace::new(self, n, Threads::One);
        workspace.forward(self, theta, &Prepared::new(inputs), Rows::From(0), n);
        // The lengths agree: n rows of m outputs.
        let outputs = Array2::from_shape_vec((n, self.outputs()), workspace.outputs().to_vec());
        outputs.map_err(|e| crate::Error::Numerical { method: "forward pass", detail: e.to_string() })
    }

    /// Loss, accuracy and margin on a sample, in double precision.
    ///
    /// # Errors
    /// Parameters, sample or criterion that do not fit.
    pub fn evaluate(&self, theta: &[f64], sample: &Sample, criterion: Criterion) -> Result<Evaluation> {
        let mut training = super::flow::double(self, sample, criterion, theta)?;
        Ok(training.evaluate_training(self))
    }

    /// The loss and ∇𝓛, without decay, in double precision.
    ///
    /// # Errors
    /// As [`Net::evaluate`].
    pub fn gradient(&self, theta: &[f64], sample: &Sample, criterion: Criterion) -> Result<(f64, Vec<f64>)> {
        let mut training = super::flow::double(self, sample, criterion, theta)?;
        Ok((training.evaluate_training(self).loss, training.full_gradient(self)))
    }

    pub(super) fn check_inputs(&self, theta: &[f64], inputs: &Inputs) -> Result<usize> {
        self.check_parameters(theta)?;
        super::sample::check_inputs(self, inputs)
    }

    /// ‖·‖₂ of the embeddings (if there are any) and of each layer's weights and biases.
    ///
    /// # Errors
    /// Parameters that do not fit the net.
    pub fn norms(&self, theta: &[f64]) -> Result<Vec<f64>> {
        self.check_parameters(theta)?;
        Ok(norms(self, theta))
    }

    /// Embeddings, symbols × dimension; `None` for a net without.
    pub fn embeddings(&self, theta: &[f64]) -> Option<Array2<f64>> {
        let symbols = self.embedding()?.symbols;
        Array2::from_shape_vec((symbols, self.inputs()), theta.get(self.table())?.to_vec()).ok()
    }

    /// The rank of each layer's features by the rule of arXiv 2405.19454, and which units are alive
    /// (`theory/network.md`, (N10) and (N11)).
    ///
    /// The features of a layer are its pre-activations Z_l over the whole sample; their covariance (divided by
    /// n − 1) is computed in the given precision, and its rank is the number of eigenvalues above
    /// width·ε·(largest), `torch.linalg.matrix_rank`'s rule with the ε of that precision. **The number depends
    /// on the precision**: relative to activations the cut is 3·10⁻⁷ at width 400 in f64, 7·10⁻³ in f32.
    ///
    /// ```
    /// use groktime::network::{Activation, Bias, Inputs, Net, Precision};
    /// // Three units that see one direction of the inputs, and four that see those.
    /// let net = Net::new(&[2, 3, 4, 1], Activation::Identity, Bias::None)?;
    /// let theta: Vec<f64> = (0..6 + 12 + 4).map(|i| if i < 6 { [1.0, 2.0][i % 2] } else { i as f64 }).collect();
    /// let x = Inputs::Vectors(ndarray::Array2::from_shape_fn((10, 2), |(i, j)| (i * i + j) as f64));
    /// let ranks = net.feature_ranks(&theta, &x, Precision::Double)?;
    /// assert_eq!(ranks.iter().map(|l| l.rank).collect::<Vec<_>>(), [1, 1, 1]);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    ///
    /// # Errors
    /// Parameters or inputs that do not fit; fewer than two samples; activations that are not finite.
    pub fn feature_ranks(
        &self,
        theta: &[f64],
        inputs: &Inputs,
        precision: Precision,
    ) -> Result<Vec<LayerFeatures>> {
        let n = self.check_inputs(theta, inputs)?;
        crate::error::check("samples", n as f64, |n| n >= 2.0, "at least 2 for a covariance")?;
        match precision {
            Precision::Double => features(self, theta, &Prepared::new(inputs), n),
            Precision::Single => {
                let theta: Vec<f32> = theta.iter().map(|&x| x as f32).collect();
                features(self, &theta, &Prepared::new(inputs), n)
            }
        }
    }
}

pub(super) fn norms(net: &Net, theta: &[f64]) -> Vec<f64> {
    let blocks = std::iter::once(net.table()).chain(net.layers().iter().map(super::net::Layer::all));
    blocks.filter(|b| !b.is_empty()).map(|b| norm(&theta[b])).collect()
}

/// ‖x‖₂.
pub(super) fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// One layer's features on a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerFeatures {
    /// Numerical rank of the covariance of the pre-activations.
    pub rank: usize,
    /// Width.
    pub units: usize,
    /// Units whose pre-activation is positive on some samples and not on others.
    pub mixed: usize,
    /// Units that are positive on all samples: linear on them.
    pub always: usize,
}

/// Layer by layer, so that only two layers' activations are held.
fn features<T: Real>(net: &Net, theta: &[T], x: &Prepared<T>, n: usize) -> Result<Vec<LayerFeatures>> {
    let mut input = vec![T::ZERO; n * net.inputs()];
    gather(net, theta, x, Rows::From(0), &mut input);
    let mut found = Vec::with_capacity(net.depth());
    for layer in net.layers() {
        let width = layer.outputs;
        let mut z = vec![T::ZERO; n * width];
        affine(layer, theta, &input, &mut z, n, Threads::One);
        activate(Activation::Identity, &theta[layer.bias.clone()], width, &mut z, None);
        let mut positive = vec![0_usize; width];
        for row in z.chunks_exact(width) {
            positive.iter_mut().zip(row).for_each(|(count, &z)| *count += usize::from(z > T::ZERO));
        }
        found.push(LayerFeatures {
            rank: covariance_rank(&z, n, width)?,
            units: width,
            mixed: positive.iter().filter(|&&c| c > 0 && c < n).count(),
            always: positive.iter().filter(|&&c| c == n).count(),
        });
        Arch::new().dispatch(
            #[inline(always)]
            || activate(net.activation(), &[], width, &mut z, None),
        );
        input = z;
    }
    Ok(found)
}

/// Of the features less their means. What the rounding of the features themselves may have made of no variance counts as
/// zero: a unit that is constant has none, whatever its constant.
fn covariance_rank<T: Real>(z: &[T], n: usize, width: usize) -> Result<usize> {
    crate::memory::check_array("the covariance of the features of a layer", &[3, width, width])?;
    let mut means = vec![0.0; width];
    let mut centred = z.to_vec();
    // From the first sample on: differences of equal numbers are exactly zero, their distances from a mean are not.
    for row in centred.chunks_exact_mut(width) {
        row.iter_mut().zip(&z[..width]).for_each(|(x, &first)| *x -= first);
        means.iter_mut().zip(&*row).for_each(|(m, &x)| *m += x.into() / n as f64);
    }
    for row in centred.chunks_exact_mut(width) {
        row.iter_mut().zip(&means).for_each(|(z, &m)| *z -= T::from_f64(m));
    }
    let mut covariance = vec![T::ZERO; width * width];
    let (left, right) = (Factor::transposed(&centred[..], width, n), Factor::plain(&centred[..], n, width));
    multiply(&mut covariance, false, left, right, Threads::One);
    let scale = ((n - 1) as f64).recip();
    let entry = |(i, j): (usize, usize)| {
        let x: f64 = covariance[i * width + j].into();
        x * scale
    };
    let values = Engine::SEQUENTIAL.eigenvalues(Array2::from_shape_fn((width, width), entry).view())?;
    let largest = values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    let size = z.iter().fold(0.0_f64, |m, &z| m.max(z.into().abs()));
    let rounding = width as f64 * (2.0 * T::EPSILON * size).powi(2);
    let cut = (width as f64 * T::EPSILON * largest).max(rounding);
    Ok(values.iter().filter(|v| v.abs() > cut).count())
}
