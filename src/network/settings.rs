//! How a net is trained.

use super::criterion::Criterion;
use super::optimiser::{Group, Optimiser};
use crate::error::{Result, check};
use crate::linalg::Threads;

/// How a net is trained.
///
/// | name | default | meaning | range |
/// |---|---|---|---|
/// | `criterion` | squared | the loss | fits the targets |
/// | `optimiser` | AdamW | see [`Optimiser`] | |
/// | `step_size` | 10⁻³ | η of every group that has no own | ≥ 0 |
/// | `weight_decay` | 0 | λ of every group that has no own | ≥ 0 |
/// | `groups` | none | parts of θ with other rates | |
/// | `schedule` | constant | whether η follows the loss | |
/// | `batch` | all | samples a step | ≥ 1 |
/// | `drawing` | epochs | how batches are drawn | |
/// | `sparsity` | 0 | c of an added c·mean\|E\| over the embeddings | ≥ 0 |
/// | `precision` | single | the numbers that are computed in | |
/// | `seed` | 0 | of the batches | |
/// | `threads` | one | of a product; the bits may depend on it | |
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub criterion: Criterion,
    pub optimiser: Optimiser,
    pub step_size: f64,
    pub weight_decay: f64,
    pub groups: Vec<Group>,
    pub schedule: Schedule,
    pub batch: Option<usize>,
    pub drawing: Drawing,
    pub sparsity: f64,
    pub precision: Precision,
    pub seed: u64,
    pub threads: Threads,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            criterion: Criterion::Squared,
            optimiser: Optimiser::ADAMW,
            step_size: 1e-3,
            weight_decay: 0.0,
            groups: Vec::new(),
            schedule: Schedule::Constant,
            batch: None,
            drawing: Drawing::Epochs,
            sparsity: 0.0,
            precision: Precision::Single,
            seed: 0,
            threads: Threads::One,
        }
    }
}

/// Whether the step size follows the loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Schedule {
    /// η at every step.
    Constant,
    /// For training without weight decay: once ln 𝓛 ≤ `threshold` descent is on ln 𝓛, an effective step of
    /// η/𝓛, before that on `factor`·𝓛. Flow time grows past all bounds then, and is counted by its
    /// logarithm, from ln t = 0. Source: the published code of arXiv 2311.18817 (threshold −5, factor 10).
    LogLoss { threshold: f64, factor: f64 },
}

/// How batches are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawing {
    /// A new order of the samples in each epoch, cut into batches; the last may be smaller.
    Epochs,
    /// A random subset at each step.
    Subsets,
}

/// The numbers that are computed in. Parameters, losses and norms are returned in double precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Precision {
    /// f32.
    Single,
    /// f64.
    Double,
}

impl Precision {
    /// The name used in JSON and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Single => "f32",
            Precision::Double => "f64",
        }
    }
}

impl Settings {
    pub(super) fn validate(&self) -> Result<()> {
        self.optimiser.validate()?;
        if let Some(batch) = self.batch {
            check("batch", batch as f64, |b| b >= 1.0, "at least one sample")?;
        }
        check("sparsity", self.sparsity, |c| c >= 0.0, "a number of at least 0")?;
        if let Schedule::LogLoss { threshold, factor } = self.schedule {
            check("threshold of ln 𝓛", threshold, |_| true, "a finite number")?;
            check("factor of the loss", factor, |f| f > 0.0, "a positive number")?;
        }
        Ok(())
    }
}
