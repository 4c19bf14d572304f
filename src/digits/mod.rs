//! Arithmetic in many digits for the last decisions: where f64 leaves open on which side of a threshold a
//! loss lies, the same question is answered in 75, 150 or 300 digits, or in integers; in 31 digits where the problem is
//! too large for that.
//!
//! | type | what |
//! |---|---|
//! | [`Real`] | a binary number of a chosen precision (dashu's) |
//! | [`Radius`] | an upper bound on an error, exponents of 64 bits, rounded up |
//! | [`Ball`] | a [`Real`] and a [`Radius`]: the exact number lies within |
//! | [`symmetric::Spectrum`] | eigenpairs of a symmetric matrix, proven by residual and orthogonality |
//! | [`sum::Sum`] | Σ C_k X_k^t or Σ C_k e^{−g_k t}, whose sign is wanted |
//! | [`ridge`] | losses of ridge regression less a threshold as such sums, and exact ties |
//!
//! An f64 counts as the exact number it is. Derivations: `theory/ridge.md`, "Last decisions in many digits".
//!
//! ```
//! use groktime::crossing::{Crossing, End};
//! use groktime::digits::ridge::{Quantity, crossing};
//! use groktime::ridge::{Population, Problem, Settings, Target};
//! use ndarray::array;
//!
//! // Φ = I and η = 1 halve the first coordinate each step: L_n = 4^{−t}/4, which is 4⁻³ exactly at t = 2.
//! let features = array![[1.0, 0.0], [0.0, 1.0]];
//! let problem = Problem {
//!     features: features.view(),
//!     target: Target::zero_teacher(2),
//!     init: array![1.0, 0.0],
//!     population: Population::isotropic(2, 1.0),
//! };
//! let t1 = crossing::<u64>(&problem, &Settings::default(), Quantity::TrainLoss, 1.0 / 64.0, End::Last)?;
//! assert_eq!(t1, Some(Crossing::At { time: 2, lo: 2, hi: 2 }));
//! # Ok::<(), groktime::Error>(())
//! ```

mod ball;
mod double;
mod integers;
mod radius;
pub mod ridge;
pub mod sum;
pub mod symmetric;

use dashu_float::FBig;
use dashu_float::round::mode::HalfEven;

pub use ball::Ball;
pub use integers::Integers;
pub use radius::Radius;

/// A binary number whose operations are rounded to its precision, to nearest.
pub type Real = FBig<HalfEven, 2>;

/// Exactly x (finite), with operations of at least that many bits (no fewer than 53).
pub fn real(x: f64, bits: usize) -> Real {
    let exact = Real::try_from(x).unwrap_or(Real::ZERO);
    exact.with_precision(bits.max(53)).value()
}
