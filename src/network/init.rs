//! Laws of θ(0).

use std::ops::Range;

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

use super::{Activation, Net};
use crate::data::features::generator;
use crate::error::{Error, Result, check};

/// The law of the weights and biases before scaling.
#[derive(Clone, Debug, PartialEq)]
pub enum Law {
    /// Weights N(0, g²/inputs) with g² = 2 before a ReLU and 1 elsewhere; biases zero.
    He,
    /// PyTorch's default of a linear layer: weights and biases uniform on ±1/√inputs.
    Torch,
    /// Weights of layer l N(0, std_l²); biases zero.
    Gaussian(Vec<f64>),
}

/// How θ(0) is drawn.
///
/// | name | default | meaning |
/// |---|---|---|
/// | `law` | He | see [`Law`] |
/// | `scale` | 1 | α, which multiplies weights and biases |
/// | `scaled` | all | the layers that α multiplies (the first is 0) |
/// | `zero_last` | no | weights and biases of the last layer zero: f = 0 at the start |
/// | `embedding` | 1 | s: embeddings uniform on [−s/2, s/2] |
#[derive(Clone, Debug, PartialEq)]
pub struct Init {
    pub law: Law,
    pub scale: f64,
    pub scaled: Option<Range<usize>>,
    pub zero_last: bool,
    pub embedding: f64,
}

impl Default for Init {
    fn default() -> Self {
        Init { law: Law::He, scale: 1.0, scaled: None, zero_last: false, embedding: 1.0 }
    }
}

/// Variance and fourth moment of the entries of one block of θ(0).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub count: usize,
    pub variance: f64,
    pub fourth: f64,
}

impl Spread {
    fn normal(count: usize, variance: f64) -> Spread {
        Spread { count, variance, fourth: 3.0 * variance * variance }
    }

    /// On ±a.
    fn uniform(count: usize, a: f64) -> Spread {
        Spread { count, variance: a * a / 3.0, fourth: a.powi(4) / 5.0 }
    }

    fn scaled(self, alpha: f64) -> Spread {
        let square = alpha * alpha;
        Spread { variance: square * self.variance, fourth: square * square * self.fourth, ..self }
    }
}

impl Init {
    fn validate(&self, net: &Net) -> Result<()> {
        check("initial scale", self.scale, |a| a > 0.0, "a positive number")?;
        check("width of the embeddings", self.embedding, |s| s > 0.0, "a positive number")?;
        if let Law::Gaussian(stds) = &self.law {
            let why = "one standard deviation a layer";
            crate::error::check_shape("standard deviations", &[stds.len()], &[net.depth()], why)?;
            for &std in stds {
                check("standard deviation of a layer", std, |s| s >= 0.0, "a number of at least 0")?;
            }
        }
        if let Some(scaled) = &self.scaled
            && scaled.end > net.depth()
        {
            return Err(Error::Parameter {
                name: "last scaled layer",
                value: scaled.end as f64,
                expected: format!("at most {}, the number of layers", net.depth()),
            });
        }
        Ok(())
    }

    /// What multiplies layer l: 0 for a last layer that starts at zero.
    fn factor(&self, net: &Net, l: usize) -> f64 {
        match &self.scaled {
            _ if self.zero_last && l + 1 == net.depth() => 0.0,
            Some(range) if !range.contains(&l) => 1.0,
            _ => self.scale,
        }
    }

    /// Laws of the embeddings, then of each layer's weights and biases.
    pub(super) fn spreads(&self, net: &Net) -> Vec<Spread> {
        let mut spreads = vec![Spread::uniform(net.table().len(), 0.5 * self.embedding)];
        for (l, layer) in net.layers().iter().enumerate() {
            let (fan_in, alpha) = (layer.inputs as f64, self.factor(net, l));
            let (weights, bias) = (layer.weights.len(), layer.bias.len());
            let [w, b] = match &self.law {
                Law::He => [Spread::normal(weights, gain(net, l) / fan_in), Spread::normal(bias, 0.0)],
                Law::Torch => [weights, bias].map(|n| Spread::uniform(n, fan_in.sqrt().recip())),
                Law::Gaussian(stds) => {
                    [Spread::normal(weights, stds[l] * stds[l]), Spread::normal(bias, 0.0)]
                }
            };
            spreads.extend([w.scaled(alpha), b.scaled(alpha)]);
        }
        spreads
    }
}

/// g² of He's law.
fn gain(net: &Net, l: usize) -> f64 {
    if net.activation() == Activation::Relu && l + 1 < net.depth() { 2.0 } else { 1.0 }
}

impl Net {
    /// Draws θ(0): each layer from its own stream of the seed, weights before biases; the scale is applied
    /// afterwards, so that starts of one seed are multiples of each other.
    ///
    /// ```
    /// use groktime::network::{Activation, Bias, Init, Law, Net};
    /// let net = Net::new(&[784, 200, 200, 10], Activation::Relu, Bias::All)?;
    /// let init = Init { law: Law::Torch, scale: 8.0, ..Init::default() };
    /// let theta = net.init(&init, 0)?;
    /// let norm = theta.iter().map(|x| x * x).sum::<f64>().sqrt();
    /// // The norm at step 0 in arXiv 2210.01117, within six standard deviations of 0.12.
    /// assert!((norm - 93.67).abs() < 0.7);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    ///
    /// # Errors
    /// A scale that is not positive, standard deviations that do not fit the layers.
    pub fn init(&self, init: &Init, seed: u64) -> Result<Vec<f64>> {
        init.validate(self)?;
        crate::memory::check_array("the parameters of the net", &[self.parameters()])?;
        let mut theta = vec![0.0; self.parameters()];
        let rng = &mut generator(seed, STREAM);
        theta[self.table()].fill_with(|| init.embedding * (rng.random::<f64>() - 0.5));
        for (l, layer) in self.layers().iter().enumerate() {
            let rng = &mut generator(seed, STREAM + 1 + l as u64);
            let alpha = init.factor(self, l);
            let fan_in = layer.inputs as f64;
            match &init.law {
                Law::Torch => {
                    let bound = fan_in.sqrt().recip();
                    theta[layer.all()].fill_with(|| alpha * (bound * (2.0 * rng.random::<f64>() - 1.0)));
                }
                Law::He | Law::Gaussian(_) => {
                    let std = match &init.law {
                        Law::Gaussian(stds) => stds[l],
                        _ => (gain(self, l) / fan_in).sqrt(),
                    };
                    theta[layer.weights.clone()].fill_with(|| {
                        let z: f64 = StandardNormal.sample(rng);
                        alpha * (std * z)
                    });
                }
            }
        }
        // A factor of zero leaves zeros of either sign.
        theta.iter_mut().filter(|x| **x == 0.0).for_each(|x| *x = 0.0);
        Ok(theta)
    }

    /// E‖θ(0)‖² and its standard deviation under a law, exactly (`theory/network.md`, (N3)).
    ///
    /// ```
    /// use groktime::network::{Activation, Bias, Init, Law, Net};
    /// let net = Net::new(&[784, 200, 200, 10], Activation::Relu, Bias::All)?;
    /// let law = Init { law: Law::Torch, ..Init::default() };
    /// let (square, _) = net.initial_square_norm(&law)?;
    /// assert!((square.sqrt() - 11.709).abs() < 5e-4);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Net::init`].
    pub fn initial_square_norm(&self, init: &Init) -> Result<(f64, f64)> {
        init.validate(self)?;
        let spreads = init.spreads(self);
        let mean = spreads.iter().map(|s| s.count as f64 * s.variance).sum();
        let variance: f64 =
            spreads.iter().map(|s| s.count as f64 * (s.fourth - s.variance * s.variance)).sum();
        Ok((mean, variance.sqrt()))
    }
}

/// First stream of the seed that initialisation uses.
const STREAM: u64 = 32;
