//! Diagonal linear networks w = u^L − v^L under gradient flow with weight decay: exact in n dimensions.
//!
//! f(x) = ⟨w, x⟩ with w = u^L − v^L (entrywise, u, v ∈ R^d, L ≥ 2), n samples X ∈ R^{n×d} with labels y.
//!
//! | quantity | definition | convention |
//! |---|---|---|
//! | training loss | 𝓛 = (1/n) Σ ℓ(f_i; y_i) | mean; squared loss without the factor ½; no penalty in it |
//! | objective | 𝓛 + (λ/2)(‖u‖² + ‖v‖²) | λ is the weight decay, as in `torch.optim.SGD` |
//! | flow | θ′ = −∇𝓛 − λθ, θ = (u, v) | flow time t = η·step |
//! | ‖θ‖ | (‖u‖² + ‖v‖²)^½ | |
//! | margins | min_i y_i f_i / ‖w‖₂ and / ‖w‖₁ | of the linear predictor, undefined at w = 0 and for squared loss |
//!
//! The 2d-dimensional flow closes in a dual variable p ∈ R^n, so that the cost of a run is a few hundred
//! passes over the data: a [`Problem`] with [`Settings`] gives a [`Run`], which answers any time up to its
//! horizon; [`SlowFlow`] is the limit λ → 0 at fixed λt, one convex problem a time; [`theorems`] compares
//! the published statements with both. Formulas and derivations: `theory/diagonal.md`.
//!
//! Source: Lyu, Jin, Li, Du, Lee, Hu, "Dichotomy of Early and Late Phase Implicit Biases Can Provably
//! Induce Grokking", arXiv 2311.18817.
//!
//! ```
//! use groktime::Loss;
//! use groktime::data::tasks::{Law, Task};
//! use groktime::diagonal::{Init, Problem, Settings};
//!
//! // 64 samples of 1000 signs, labels decided by 3 of them; ‖θ(0)‖ = 128 as in the paper's figure 1.
//! let law = Law::SparseSigns { relevant: 3 };
//! let drawn = Task { law, samples: 64, dimension: 1000, seed: 0 }.draw()?;
//! let problem = Problem::new(drawn.design, drawn.labels.to_vec(), Loss::Logistic)?;
//! let settings = Settings {
//!     init: Init::with_norm(128.0, 1000),
//!     weight_decay: 1e-3,
//!     horizon: 15_000.0,
//!     ..Settings::default()
//! };
//! let run = problem.integrate(&settings)?;
//! // The L1 margin more than doubles between the kernel and the rich phase.
//! let (early, late) = (run.snapshot(1_000.0)?, run.snapshot(15_000.0)?);
//! assert!(late.margin_l1.unwrap() > 2.0 * early.margin_l1.unwrap());
//! # Ok::<(), groktime::Error>(())
//! ```

mod basis;
mod clock;
mod columns;
mod dual;
mod graded;
mod hyperbolic;
mod net;
mod newton;
mod noise;
mod path_error;
mod rows;
mod run;
mod scale;
mod slow;
mod snapshot;
pub mod theorems;
mod transition;
mod watch;

use std::sync::OnceLock;

use ndarray::Array2;

pub use path_error::PathError;
pub use run::Run;
pub use slow::SlowFlow;
pub use snapshot::Snapshot;
pub use transition::{Alignment, Limits};

use self::rows::Rows;
use crate::data::Design;
use crate::error::{Error, Result, check, check_shape};
use crate::linalg::Threads;
use crate::loss::Loss;

/// u(0) and v(0).
#[derive(Clone, Debug, PartialEq)]
pub enum Init {
    /// u(0) = v(0) = α·1: the function is zero at the start.
    Symmetric(f64),
    /// Any vectors, zeros included; at depth L ≥ 3 their entries must be positive.
    Each { u: Vec<f64>, v: Vec<f64> },
}

impl Init {
    /// The symmetric start with ‖θ(0)‖₂ = `norm`: α = norm/√(2d), the convention of the authors' code.
    ///
    /// ```
    /// use groktime::diagonal::Init;
    /// assert_eq!(Init::with_norm(128.0, 8), Init::Symmetric(32.0));
    /// ```
    pub fn with_norm(norm: f64, dimension: usize) -> Init {
        Init::Symmetric(norm / (2.0 * dimension as f64).sqrt())
    }

    fn validate(&self, dimension: usize, depth: u32) -> Result<()> {
        let entry = |name: &'static str, value: f64, index: usize| {
            if !value.is_finite() {
                return Err(Error::NotFinite { name, index: vec![index], value });
            }
            if depth >= 3 && value <= 0.0 {
                let expected = format!("a positive number at depth {depth} (coordinate {index})");
                return Err(Error::Parameter { name, value, expected });
            }
            Ok(())
        };
        match self {
            Init::Symmetric(alpha) => {
                check("initial coordinate α", *alpha, |a| a > 0.0, "a positive number")?;
            }
            Init::Each { u, v } => {
                check_shape("u(0)", &[u.len()], &[dimension], "one entry a coordinate of the data")?;
                check_shape("v(0)", &[v.len()], &[dimension], "one entry a coordinate of the data")?;
                u.iter().enumerate().try_for_each(|(k, &x)| entry("u(0)", x, k))?;
                v.iter().enumerate().try_for_each(|(k, &x)| entry("v(0)", x, k))?;
            }
        }
        Ok(())
    }
}

/// How a net is trained.
///
/// | name | default | meaning | range |
/// |---|---|---|---|
/// | `depth` | 2 | L | ≥ 2 |
/// | `init` | α = 1 | u(0), v(0) | any vectors for L = 2 (a coordinate with u = v = 0 stays); positive for L ≥ 3 |
/// | `weight_decay` | 10⁻³ | λ | ≥ 0 |
/// | `horizon` | 10⁴ | last flow time | > 0 |
/// | `rtol` | 10⁻⁸ | relative local error of z in units of ln(u/v); while the net is lazy relative to its displacement | 10⁻¹² … 10⁻³ |
/// | `threads` | all | threads of one product; the bits do not depend on it | |
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub depth: u32,
    pub init: Init,
    pub weight_decay: f64,
    pub horizon: f64,
    pub rtol: f64,
    pub threads: Threads,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            depth: 2,
            init: Init::Symmetric(1.0),
            weight_decay: 1e-3,
            horizon: 1e4,
            rtol: 1e-8,
            threads: Threads::All,
        }
    }
}

impl Settings {
    /// The per-coordinate scale α of a symmetric start.
    pub fn alpha(&self) -> Option<f64> {
        match self.init {
            Init::Symmetric(alpha) => Some(alpha),
            Init::Each { .. } => None,
        }
    }

    fn validate(&self, dimension: usize) -> Result<()> {
        check("depth", f64::from(self.depth), |l| l >= 2.0, "an integer of at least 2")?;
        check("weight decay", self.weight_decay, |x| x >= 0.0, "a number of at least 0")?;
        check("horizon", self.horizon, |x| x > 0.0, "a positive flow time")?;
        check("rtol", self.rtol, |x| (1e-12..=1e-3).contains(&x), "between 1e-12 and 1e-3")?;
        self.init.validate(dimension, self.depth)
    }
}

/// Data, labels and loss: what is shared by runs over α, λ, L and horizons.
#[derive(Debug)]
pub struct Problem {
    design: Design,
    labels: Vec<f64>,
    loss: Loss,
    gram: OnceLock<Array2<f64>>,
    rows: OnceLock<Rows>,
}

impl Problem {
    /// # Errors
    /// As many labels as samples; ±1 for margin losses, finite for the squared loss.
    pub fn new(design: Design, labels: Vec<f64>, loss: Loss) -> Result<Problem> {
        check_shape("labels", &[labels.len()], &[design.samples()], "one label a sample")?;
        loss.check_labels(&labels)?;
        Ok(Problem { design, labels, loss, gram: OnceLock::new(), rows: OnceLock::new() })
    }

    /// X.
    pub fn design(&self) -> &Design {
        &self.design
    }

    /// y.
    pub fn labels(&self) -> &[f64] {
        &self.labels
    }

    /// ℓ.
    pub fn loss(&self) -> Loss {
        self.loss
    }

    /// XXᵀ, computed once.
    pub fn gram(&self, threads: Threads) -> &Array2<f64> {
        self.gram.get_or_init(|| self.design.gram(threads))
    }

    /// The distinct rows, found once.
    fn rows(&self) -> &Rows {
        self.rows.get_or_init(|| Rows::new(&self.design))
    }

    /// Integrates the gradient flow to the horizon.
    ///
    /// # Errors
    /// Settings out of range; the integrator gives up (it says where and why).
    pub fn integrate(&self, settings: &Settings) -> Result<Run<'_>> {
        let small = self.design.samples().min(self.design.dimension());
        crate::memory::check_array("the Newton matrix of the data", &[3, small, small])?;
        Run::new(self, settings)
    }
}
