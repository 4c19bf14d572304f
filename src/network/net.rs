//! The architecture: widths, activation, biases, an optional table of trained embeddings in front; where
//! each parameter lies in θ.

use std::ops::Range;

use crate::error::{Error, Result, check};

/// σ, applied to every layer but the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activation {
    /// max(z, 0); its slope at zero counts as 0.
    Relu,
    Tanh,
    /// z².
    Quadratic,
    /// z: a deep linear net.
    Identity,
}

impl Activation {
    /// The name used in JSON and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Activation::Relu => "relu",
            Activation::Tanh => "tanh",
            Activation::Quadratic => "quadratic",
            Activation::Identity => "identity",
        }
    }

    /// k with σ(cz) = c^k σ(z) for c > 0; tanh has none.
    pub fn degree(self) -> Option<u32> {
        match self {
            Activation::Relu | Activation::Identity => Some(1),
            Activation::Quadratic => Some(2),
            Activation::Tanh => None,
        }
    }
}

/// Which layers have a bias vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bias {
    None,
    /// The first alone, which keeps a net of homogeneous activations homogeneous.
    First,
    All,
}

impl Bias {
    /// The name used in JSON and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Bias::None => "none",
            Bias::First => "first",
            Bias::All => "all",
        }
    }
}

/// A trained vector for each of p symbols; a sample names two symbols (a, b), and the net sees their
/// combination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Embedding {
    /// p.
    pub symbols: usize,
    pub combine: Combine,
}

/// How two embeddings become an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Combine {
    /// E_a + E_b ∈ R^d.
    Sum,
    /// E_a E_b of k × k matrices, d = k².
    Product,
}

/// Where the parameters of one layer lie in θ: weights as outputs × inputs, row by row, then the biases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    pub inputs: usize,
    pub outputs: usize,
    pub weights: Range<usize>,
    /// Empty for a layer without.
    pub bias: Range<usize>,
}

impl Layer {
    /// All parameters of the layer.
    pub fn all(&self) -> Range<usize> {
        self.weights.start..self.bias.end
    }
}

/// A fully connected net f(x) = W_L σ(… σ(W_1 x + b_1) …) + b_L.
///
/// θ is one vector: the embeddings (symbol by symbol) if there are any, then layer by layer the weights W_l
/// (outputs × inputs, row by row, as PyTorch stores them) and the biases b_l.
///
/// ```
/// use groktime::network::{Activation, Bias, Net};
/// let net = Net::new(&[784, 400, 400, 400, 10], Activation::Relu, Bias::All)?;
/// assert_eq!((net.depth(), net.parameters()), (4, 638_810));
/// assert_eq!(net.homogeneity(), None); // biases in every layer
/// assert_eq!(Net::new(&[5, 9, 1], Activation::Quadratic, Bias::None)?.homogeneity(), Some(3));
/// # Ok::<(), groktime::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Net {
    widths: Vec<usize>,
    activation: Activation,
    bias: Bias,
    embedding: Option<Embedding>,
    layers: Vec<Layer>,
}

/// Parameters past which sizes no longer make sense (16 GB of them).
const LARGEST: f64 = 2e9;

impl Net {
    /// A net of the given widths, from the inputs to the outputs.
    ///
    /// # Errors
    /// Fewer than two widths, a width of zero, too many parameters.
    pub fn new(widths: &[usize], activation: Activation, bias: Bias) -> Result<Net> {
        Net::build(widths, activation, bias, None)
    }

    /// With trained embeddings in front: `widths[0]` is their dimension.
    ///
    /// # Errors
    /// As [`Net::new`]; fewer than two symbols; a product whose dimension is no square.
    ///
    /// ```
    /// use groktime::network::{Activation, Bias, Combine, Embedding, Net};
    /// // The toy model of arXiv 2205.10343: ten numbers, and a decoder of their sums.
    /// let embedding = Embedding { symbols: 10, combine: Combine::Sum };
    /// let net = Net::with_embedding(embedding, &[1, 200, 200, 30], Activation::Tanh, Bias::All)?;
    /// assert_eq!(net.parameters(), 10 + 400 + 200 * 201 + 30 * 201);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    pub fn with_embedding(
        embedding: Embedding,
        widths: &[usize],
        activation: Activation,
        bias: Bias,
    ) -> Result<Net> {
        check("number of symbols", embedding.symbols as f64, |p| p >= 2.0, "at least 2")?;
        let first = widths.first().copied().unwrap_or(0);
        if embedding.combine == Combine::Product && first.isqrt().pow(2) != first {
            let expected = "a square number (matrices are multiplied)".to_owned();
            return Err(Error::Parameter { name: "embedding dimension", value: first as f64, expected });
        }
        Net::build(widths, activation, bias, Some(embedding))
    }

    fn build(
        widths: &[usize],
        activation: Activation,
        bias: Bias,
        embedding: Option<Embedding>,
    ) -> Result<Net> {
        check("number of widths", widths.len() as f64, |n| n >= 2.0, "inputs and outputs at least")?;
        for &width in widths {
            check("width", width as f64, |w| w >= 1.0, "at least 1")?;
        }
        let pairs = widths.windows(2).map(|w| (w[0] as f64 + 1.0) * w[1] as f64);
        let table = embedding.map_or(0.0, |e| e.symbols as f64 * widths[0] as f64);
        check("number of parameters", pairs.sum::<f64>() + table, |n| n < LARGEST, "below 2·10⁹")?;
        let mut at = embedding.map_or(0, |e| e.symbols * widths[0]);
        let layers = widths.windows(2).enumerate().map(|(l, w)| {
            let (inputs, outputs) = (w[0], w[1]);
            let has_bias = bias == Bias::All || bias == Bias::First && l == 0;
            let weights = at..at + inputs * outputs;
            let bias = weights.end..weights.end + if has_bias { outputs } else { 0 };
            at = bias.end;
            Layer { inputs, outputs, weights, bias }
        });
        let layers = layers.collect();
        Ok(Net { widths: widths.to_vec(), activation, bias, embedding, layers })
    }

    /// What training takes beside the data: parameters, gradient and two moments, with copies of each; for each sample at a
    /// time outputs, slopes and errors of each layer.
    pub(crate) fn check_memory(&self, samples: usize) -> Result<()> {
        let layers = self.widths.iter().map(|&w| w as f64).sum::<f64>();
        let needed = 8.0 * (10.0 * self.parameters() as f64 + 3.0 * samples as f64 * layers);
        crate::memory::check(
            format!("training the widths {:?} on {samples} samples at a time", self.widths),
            needed,
        )
    }

    pub fn widths(&self) -> &[usize] {
        &self.widths
    }

    /// Length of an input (with embeddings: their dimension).
    pub fn inputs(&self) -> usize {
        self.widths[0]
    }

    /// m.
    pub fn outputs(&self) -> usize {
        self.widths[self.widths.len() - 1]
    }

    /// Number of layers with weights.
    pub fn depth(&self) -> usize {
        self.layers.len()
    }

    pub fn activation(&self) -> Activation {
        self.activation
    }

    pub fn bias(&self) -> Bias {
        self.bias
    }

    pub fn embedding(&self) -> Option<Embedding> {
        self.embedding
    }

    /// Where the embeddings lie in θ; empty without.
    pub fn table(&self) -> Range<usize> {
        0..self.layers[0].weights.start
    }

    /// Where each layer lies in θ.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Length of θ.
    pub fn parameters(&self) -> usize {
        self.layers[self.layers.len() - 1].bias.end
    }

    /// L with f(cθ) = c^L f(θ) for c > 0: the depth for ReLU and identity, 2^depth − 1 for squares, with no
    /// bias or one in the first layer alone; `None` for other nets.
    pub fn homogeneity(&self) -> Option<u32> {
        let degree = self.activation.degree()?;
        let biased = self.bias == Bias::All && self.depth() > 1;
        if biased || self.embedding.is_some() {
            return None;
        }
        (1..self.depth()).try_fold(1_u32, |l, _| l.checked_mul(degree)?.checked_add(1))
    }

    pub(super) fn check_parameters(&self, theta: &[f64]) -> Result<()> {
        let why = "one entry a parameter of the net";
        crate::error::check_shape("parameters", &[theta.len()], &[self.parameters()], why)?;
        crate::error::check_finite("parameters", ndarray::ArrayView1::from(theta))
    }
}
