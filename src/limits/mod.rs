//! Where flows start and end: the convex problems whose solutions are the limits of the models, by solvers
//! that know nothing of flows.
//!
//! | problem | function | limit of |
//! |---|---|---|
//! | least ‖w‖₂ with y_i⟨w, x_i⟩ ≥ 1 | [`max_margin_l2`] | kernel regime, margin losses |
//! | least ‖w‖₁ with y_i⟨w, x_i⟩ ≥ 1 | [`max_margin_l1`] | rich regime, margin losses |
//! | least ‖w‖₂ with Xw = y | [`min_norm`] | kernel regime, squared loss |
//! | least c⁺ᵀw⁺ + c⁻ᵀw⁻ with Xw = y | [`min_l1`], [`min_weighted_l1`] | rich regime, squared loss |
//! | mean loss + (λ/2)‖w‖₁ | [`regularised`] | fixed weight decay λ, t → ∞, depth two |
//! | least ‖W‖_* with W_ij = y_ij, or penalised | [`nuclear`] | matrix completion: rich regime, fixed λ |
//!
//! Each answer has a [`Report`]: the objective, that of a feasible dual point, and so the gap, which bounds
//! the error whatever the solver did. That no w fits is an answer too ([`Limit::Infeasible`]) and carries
//! its proof. The mathematics is in theory/limits.md.

mod active_set;
mod certificate;
mod interior_point;
mod linear;
mod margin_l1;
mod margin_l2;
mod min_l1;
mod min_norm;
mod newton;
pub mod nuclear;
mod polish;
mod regularised;
mod simplex;
mod wide;

pub use certificate::DualFace;
pub use margin_l1::{MaxMarginL1, max_margin_l1};
pub use margin_l2::{MaxMarginL2, max_margin_l2};
pub use min_l1::{MinL1, min_l1, min_weighted_l1};
pub use min_norm::{MinNorm, min_norm};
pub use regularised::{Regularised, regularised};

use ndarray::{Array1, aview1};

use crate::data::Design;
use crate::error::{Error, Result, check_finite, check_shape};

/// How good a solution is; both of its points are feasible up to `infeasibility`.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Of the minimisation, at the weights.
    pub objective: f64,
    /// Of the maximisation, at the multipliers: a lower bound on the minimum.
    pub dual_objective: f64,
    /// (objective − dual objective)/objective; rounding may make it negative.
    pub gap: f64,
    /// Largest violation of a constraint by the weights, relative to its right-hand side.
    pub infeasibility: f64,
    pub iterations: usize,
    /// Whether the weights are the only solution; None where rounding does not let us say.
    pub unique: Option<bool>,
    /// Whether the multipliers are the only ones.
    pub dual_unique: Option<bool>,
}

/// A limit, or the proof that there is none.
#[derive(Clone, Debug)]
pub enum Limit<T> {
    Found(T),
    /// No w fits: no margin is positive, or Xw = y has no solution.
    Infeasible(Farkas),
}

/// Multipliers ν that show that no w of norm below 1/`bound` fits: ⟨b, ν⟩ = 1 (b = 1 and ν ≥ 0 for margins,
/// b = y for interpolation), so 1 ≤ ⟨Xw, ν⟩ ≤ ‖w‖·‖Xᵀν‖ for every w that fits. `bound` = ‖Xᵀν‖ in the dual
/// norm is zero up to rounding; for margins it bounds the margin of the data.
#[derive(Clone, Debug)]
pub struct Farkas {
    pub multipliers: Array1<f64>,
    pub bound: f64,
}

impl<T> Limit<T> {
    /// The solution where there is one.
    pub fn found(self) -> Option<T> {
        match self {
            Limit::Found(t) => Some(t),
            Limit::Infeasible(_) => None,
        }
    }

    /// The proof that there is none.
    pub fn infeasible(self) -> Option<Farkas> {
        match self {
            Limit::Found(_) => None,
            Limit::Infeasible(proof) => Some(proof),
        }
    }
}

/// As many labels as samples, finite, and ±1 where they are classes.
fn check_labels(x: &Design, y: &[f64], classes: bool) -> Result<()> {
    check_shape("labels", &[y.len()], &[x.samples()], "one label a sample")?;
    // Each of the convex problems is solved by Newton's method on the samples.
    crate::memory::check_array("the Newton matrix of the samples", &[3, y.len(), y.len()])?;
    check_finite("labels", aview1(y))?;
    match y.iter().find(|y| classes && y.abs() != 1.0) {
        None => Ok(()),
        Some(&value) => Err(Error::Parameter { name: "a label", value, expected: "+1 or -1".to_owned() }),
    }
}
