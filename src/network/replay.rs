//! Published runs from their seeds: the random streams of NumPy and PyTorch, exactly.
//!
//! Both use the Mersenne twister MT19937 (Matsumoto and Nishimura 1998), seeded by the same recurrence for a
//! seed below 2³²; they differ in how 32-bit words become numbers:
//!
//! | draw | rule |
//! |---|---|
//! | `torch.rand` (f32) | (word mod 2²⁴)/2²⁴ |
//! | `Tensor.uniform_(a, b)` (f32) | the same times (b − a), plus a, rounded once |
//! | `numpy.random.rand` | (⌊word/2⁵⌋·2²⁶ + ⌊word'/2⁶⌋)/2⁵³ |
//! | `numpy.random.randn` (legacy) | polar method, the second of each pair first |
//! | `numpy.random.permutation` (legacy) | Fisher-Yates from the end, indices by masks and rejection |
//!
//! Everything else of a run (products of matrices, tanh) agrees to rounding, not to the bit: steps at which
//! something is first reached agree with the published ones where nothing hangs on a rounding.

use ndarray::Array2;
use rand_mt::Mt;

use super::sample::{Inputs, Sample, Targets};
use super::tasks::Split;
use super::{Activation, Bias, Combine, Embedding, Net};
use crate::error::{Result, check};

/// NumPy's legacy generator.
pub struct Numpy {
    words: Mt,
    /// The second normal of a pair.
    spare: Option<f64>,
}

impl Numpy {
    /// `numpy.random.seed(seed)`.
    pub fn seeded(seed: u32) -> Numpy {
        Numpy { words: Mt::new(seed), spare: None }
    }

    /// `numpy.random.rand()`.
    ///
    /// ```
    /// use groktime::network::replay::Numpy;
    /// assert_eq!(Numpy::seeded(0).uniform(), 0.5488135039273248);
    /// ```
    pub fn uniform(&mut self) -> f64 {
        let (high, low) = (self.words.next_u32() >> 5, self.words.next_u32() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }

    /// `numpy.random.randn()`.
    ///
    /// ```
    /// use groktime::network::replay::Numpy;
    /// let mut rng = Numpy::seeded(0);
    /// assert_eq!((rng.normal(), rng.normal()), (1.764052345967664, 0.4001572083672233));
    /// ```
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let (x, y) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let square = x * x + y * y;
            if square < 1.0 && square != 0.0 {
                let factor = (-2.0 * libm::log(square) / square).sqrt();
                self.spare = Some(factor * x);
                return factor * y;
            }
        }
    }

    /// `numpy.random.permutation(n)`; the first k are `numpy.random.choice(n, k, replace=False)`.
    ///
    /// ```
    /// use groktime::network::replay::Numpy;
    /// assert_eq!(Numpy::seeded(0).permutation(10), [2, 8, 4, 9, 1, 6, 7, 3, 0, 5]);
    /// ```
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            let j = self.below_or_at(i as u32) as usize;
            order.swap(i, j);
        }
        order
    }

    fn below_or_at(&mut self, largest: u32) -> u32 {
        let mask = largest.next_power_of_two().wrapping_mul(2).wrapping_sub(1);
        let mask = if largest.is_power_of_two() { mask } else { mask >> 1 };
        loop {
            let value = self.words.next_u32() & mask;
            if value <= largest {
                return value;
            }
        }
    }
}

/// PyTorch's generator on the CPU.
pub struct Torch {
    words: Mt,
}

impl Torch {
    /// `torch.manual_seed(seed)`.
    pub fn seeded(seed: u32) -> Torch {
        Torch { words: Mt::new(seed) }
    }

    /// One entry of `torch.rand(…)`.
    ///
    /// ```
    /// use groktime::network::replay::Torch;
    /// // The first embedding of the published run with seed 58.
    /// assert_eq!(Torch::seeded(58).uniform(), 7_835_427.0 / 16_777_216.0);
    /// ```
    pub fn uniform(&mut self) -> f32 {
        (self.words.next_u32() & 0x00FF_FFFF) as f32 / 16_777_216.0
    }

    /// One entry of `Tensor.uniform_(−bound, bound)`.
    pub fn on(&mut self, bound: f64) -> f32 {
        let bound = f64::from(bound as f32);
        // One rounding, as a fused multiply-add has.
        (f64::from(self.uniform()) * (2.0 * bound) - bound) as f32
    }

    /// The layers of a net in the order of their construction, weights before biases: `torch.nn.Linear`.
    pub fn linear_layers(&mut self, net: &Net) -> Vec<f64> {
        let mut values = Vec::new();
        for layer in net.layers() {
            let bound = (layer.inputs as f64).sqrt().recip();
            values.extend((0..layer.weights.len() + layer.bias.len()).map(|_| f64::from(self.on(bound))));
        }
        values
    }
}

/// The toy model of arXiv 2205.10343 as its authors' `train_add.py` draws it: NumPy gives the templates of the
/// 2p − 1 labels (30 outputs) and then the `size` training pairs, PyTorch the embeddings on [−½, ½] and then the
/// decoder 1-200-200-30, all from one seed.
///
/// ```
/// let (net, split, theta) = groktime::network::replay::toy(10, 45, 58)?;
/// assert_eq!(split.train.len(), 45);
/// assert_eq!(theta[0], 7_835_427.0 / 16_777_216.0 - 0.5);
/// assert_eq!(net.parameters(), theta.len());
/// # Ok::<(), groktime::Error>(())
/// ```
///
/// # Errors
/// p < 2; a size of zero or one that leaves no pair to test.
pub fn toy(p: usize, size: usize, seed: u32) -> Result<(Net, Split, Vec<f64>)> {
    const OUTPUTS: usize = 30;
    let embedding = Embedding { symbols: p, combine: Combine::Sum };
    let net = Net::with_embedding(embedding, &[1, 200, 200, OUTPUTS], Activation::Tanh, Bias::All)?;
    let all = p * (p + 1) / 2;
    let expected = format!("at least 1 and below {all}, the number of pairs");
    check("training samples", size as f64, |n| n >= 1.0 && n < all as f64, &expected)?;
    let mut numpy = Numpy::seeded(seed);
    // Templates are used in single precision.
    let templates = Array2::from_shape_simple_fn((2 * p - 1, OUTPUTS), || f64::from(numpy.normal() as f32));
    let order = numpy.permutation(all);
    let symbols = p as u32;
    let pairs: Vec<[u32; 2]> = (0..symbols).flat_map(|a| (a..symbols).map(move |b| [a, b])).collect();
    let classes = pairs.iter().map(|[a, b]| a + b).collect();
    let targets = Targets::Templates { classes, templates };
    let sample = Sample { inputs: Inputs::Pairs(pairs), targets };
    let split = Split { train: sample.select(&order[..size])?, test: sample.select(&order[size..])? };
    let mut torch = Torch::seeded(seed);
    let mut theta: Vec<f64> = (0..p).map(|_| f64::from(torch.uniform() - 0.5)).collect();
    theta.extend(torch.linear_layers(&net));
    Ok((net, split, theta))
}
