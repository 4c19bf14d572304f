//! What is exact about trained networks, as values: laws of the start, of the norm, of the flow, of ranks.
//!
//! | statement | what it says | function |
//! |---|---|---|
//! | initial norm | E‖θ(0)‖² = Σ parameters × variance | [`initial_norm`] |
//! | forward gain | E z_l² = (α²/3)(½E z_{l−1}² + 1/d_{l−1}): each ReLU layer multiplies the signal by α/√6 | [`forward_gain`] |
//! | decay | without gradient ‖θ_t‖ = ‖θ_0‖(1 − ηλ)^t, coupled or decoupled | [`pure_decay`] |
//! | Euler's identity | d‖θ‖²/dt = −2λ‖θ‖² − 2L Σ_i ρ_i f_i for L-homogeneous nets | [`norm_identity`] |
//! | energy | 𝓛_λ(0) − 𝓛_λ(T) = ∫‖θ'‖² dt | [`flow_statements`] |
//! | balancedness | (‖in_j‖² − k‖out_j‖²)e^{2λt} does not change, unit by unit | [`flow_statements`] |
//! | residual law | f − y = −(nLλ/2)K⁻¹y + O(λ²) on a fitted plateau | [`flow_statements`] |
//! | rank | rank Z_l ≤ mixed units of layer l − 1 + min(its always-on units, rank Z_{l−1}) | [`rank_bounds`] |
//!
//! Derivations: `theory/network.md`. Statements without a paper carry `theory/network.md` as their source.

pub mod catalogue;
mod flow;
mod start;
mod state;

pub use flow::flow_statements;
pub use start::{forward_gain, initial_norm, pure_decay};
pub use state::{norm_identity, rank_bounds};

use crate::theorem::{Claim, Form, Hypothesis, Side, Source, Statement};

fn statement(
    source: &'static Source,
    form: Form,
    quantity: &'static str,
    side: Side,
    value: f64,
    hypotheses: Vec<Hypothesis>,
) -> Statement {
    Statement { source, form, quantity, side, claim: Claim::Scalar(value), probability: None, hypotheses }
}
