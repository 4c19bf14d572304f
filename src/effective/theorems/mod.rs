//! The statements of arXiv 2205.10343 as values, each compared with exact ranks, spectra and flows.
//!
//! The paper states most of them in its running text; sources name the section or appendix. What is
//! corrected or derived here, with proofs: `theory/effective.md`.

pub mod catalogue;
mod flow;
mod representation;
mod structure;
mod systems;

pub use representation::representation_statements;
pub use systems::{class_statements, two_body_statements};

use crate::theorem::{Claim, Form, Hypothesis, Side, Source, Statement};

/// A deterministic claim about one number.
fn scalar(
    source: &'static Source,
    form: Form,
    quantity: &'static str,
    side: Side,
    value: f64,
    hypotheses: Vec<Hypothesis>,
) -> Statement {
    Statement { source, form, quantity, side, claim: Claim::Scalar(value), probability: None, hypotheses }
}
