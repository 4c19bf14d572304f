//! When does a model generalise? Exact grokking times, and published bounds checked against them.
//!
//! A model groks when it fits its training data early and predicts new data much later. This crate
//! computes both times, `t1` and `t2`, without running the training: the trajectory is known in closed
//! form, any time costs the same, and each crossing comes with a proof that no other is missed. Published
//! theorems about those times are values, and each is compared with the exact trajectory.
//!
//! Four models are solved exactly: ridge regression under gradient descent and flow, diagonal linear nets and
//! matrix completion under gradient flow from large initialisation with small weight decay, and the effective
//! theory of representation learning. A fifth, fully connected networks, is trained and measured.
//!
//! ```
//! use groktime::ridge::{Recipe, Settings};
//! use groktime::theorem::Outcome;
//!
//! // 100 samples of 1000 Gaussian features, a teacher of norm one, parameters drawn from N(0, 1).
//! let instance = Recipe { samples: 100, width: 1000, ..Recipe::default() }.draw()?;
//! let spectrum = instance.problem().spectrum(Default::default())?;
//! let descent = spectrum.descent(&Settings { weight_decay: 1e-4, ..Default::default() })?;
//!
//! let times = descent.times(0.01, 0.01)?;
//! assert_eq!(times.train.time(), Some(208)); // last step with training loss ≥ 0.01
//! assert_eq!(times.test.time(), Some(22_840)); // first step with test loss ≤ 0.01
//!
//! let statements = descent.statements(&Default::default())?;
//! assert!(statements.iter().all(|s| s.verdict.outcome != Outcome::Violated));
//! # Ok::<(), groktime::Error>(())
//! ```
//!
//! # Map
//!
//! | module | what is there |
//! |---|---|
//! | [`ridge`] | ridge regression: spectrum, closed form, theorems, sensitivities, averages, control |
//! | [`diagonal`] | diagonal linear nets of any depth: dual flow, slow flow, transition to max margin, theorems |
//! | [`completion`] | matrix completion by UUᵀ − VVᵀ: flow, slow flow, theorems |
//! | [`effective`] | effective theory of representation learning: exact ranks, grokking rates, RQI over time |
//! | [`network`] | trained nets of any depth: optimisers, gradient flow, tangent kernel, feature ranks, exact laws |
//! | [`trajectory`] | a trajectory is a function of time: the trait, clocks, tables of observables |
//! | [`crossing`] | certified last and first crossings of curves that need not be monotone |
//! | [`digits`] | many digits, and exact integers, for the last decisions |
//! | [`grokking`] | t1, t2, the delay, the four phases |
//! | [`theorem`] | statements, hypotheses, verdicts |
//! | [`sweep`] | many problems: a journal on disk that survives what happens, shards, the same bytes for any threads |
//! | [`data`] | random features, covariances, arrays in `.npy`, `.npz` and `.csv` files |
//! | [`ode`] | integrators of stiff and non-stiff flows; they know no model |
//! | [`limits`] | where flows start and end: convex problems, with duality gaps |
//! | [`memory`] | how much memory may be taken, asked before it is |
//! | [`linalg`] | dense kernels; the only place that knows a backend |
//! | [`error`] | the one error type |
//!
//! # Conventions
//!
//! - Weight decay λ: the objective is the training loss + (λ/2)‖θ‖². Reported losses have no penalty in them.
//! - Squared losses follow each paper: (1/2n)‖Φθ − y‖² for ridge regression, (1/n)Σ(f − y)² for diagonal nets and
//!   matrix completion; each model's page says so first. Test losses have no factor ½.
//! - t1 is the *last* time with training loss ≥ ε, t2 the *first* with test loss ≤ c. "From the start"
//!   and "never" are answers, not errors.
//! - Clocks: steps of descent are `u64`, flow time is `f64` with τ = η·step.
//! - Everything random takes a seed and is the same on every machine.
//! - Results are `f64`; each value that decides a crossing carries a bound on its rounding.
//!
//! # Features
//!
//! `lapack` adds [`linalg`]'s second backend, OpenBLAS (needs `libopenblas-dev`). The default needs cargo
//! alone.
#![deny(unsafe_code)]
pub mod completion;
pub mod crossing;
pub mod data;
pub mod diagonal;
pub mod digits;
pub mod effective;
pub mod error;
pub mod grokking;
pub mod limits;
pub mod linalg;
pub mod loss;
pub mod memory;
pub mod network;
pub mod ode;
pub mod ridge;
pub mod sweep;
pub mod theorem;
pub mod trajectory;

pub use error::{Error, Result};
pub use loss::Loss;
