//! The statements of arXiv 2311.18817 on diagonal nets as values, each compared with the exact flow.
//!
//! | family | statements | needs |
//! |---|---|---|
//! | classification, kernel phase | C.4 (8), C.5, C.7 (17), 3.4/C.9, 3.6, brackets, plateau law | exponential loss |
//! | regression, kernel phase | D.1 (26), residual law, 3.9/D.7 | squared loss |
//! | rich phase | C.12/3.5, 3.10, 3.7, end state at fixed λ | any loss |
//! | sample complexity | E.4, E.5 ([`sample_complexity`]) | ±1 data and a majority of k of them |
//! | over a family of α | rates ([`rates`]) | several runs |
//! | label noise | B.1 ([`label_noise`]) | a discrete run of its own |
//!
//! Symbols: a = αe^{−λt}, A = α^{2(L−1)}/λ, γ = √2·L·γ₂ with the L2 margin γ₂ of the data, δ = e^{λt}θ/α − θ̄,
//! h = a^L·δ, K(θ) the tangent kernel, ν = λ_min(K(θ̄)), G = √2·L·max‖x_i‖ + γ/2. The paper leaves the length
//! of θ̄ open; it is (1, 1) in all statements here, so that α is the entry of u(0) and v(0). Everything is
//! evaluated in logarithms: α may be 10⁶⁴. Derivations and corrections: `theory/diagonal.md`.

mod accuracy;
pub mod catalogue;
mod classification;
mod confirm;
mod dual;
mod end_state;
mod facts;
mod label_noise;
mod linearised;
mod margin;
mod rates;
mod regression;
mod rich;
mod sample;

pub use label_noise::{LabelNoise, label_noise};
pub use rates::{RateInputs, rates};
pub use sample::{rademacher_bounds, sample_complexity};

use self::confirm::Tighter;
use self::facts::Facts;
use super::Run;
use crate::Loss;
use crate::error::{Result, check};
use crate::theorem::{Judged, Outcome};

/// What the statements need beyond the run itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inputs {
    /// c of T_c^∓ = (1 ∓ c)·ln α/λ: the kernel phase is looked at at the first, the rich phase up to the
    /// second.
    pub fraction: f64,
    /// k if the data are uniform on {±1}^d and the labels the majority of k signed coordinates: adds the
    /// bounds of E.4 and E.5, whose population error [`sample_complexity`] evaluates.
    pub relevant: Option<usize>,
    /// δ: failure probability over the sample that those allow.
    pub failure_probability: f64,
    /// Largest n·d for which curves are searched between grid points and limit problems are solved.
    pub work_limit: usize,
}

impl Default for Inputs {
    fn default() -> Self {
        Inputs { fraction: 0.5, relevant: None, failure_probability: 0.05, work_limit: 500_000 }
    }
}

impl Inputs {
    fn validate(&self) -> Result<()> {
        check("fraction c", self.fraction, |c| c > 0.0 && c < 1.0, "between 0 and 1")?;
        check("failure probability", self.failure_probability, |x| x > 0.0 && x < 1.0, "between 0 and 1")?;
        Ok(())
    }
}

/// Families of statements that are judged together, by number.
const FAMILIES: usize = 2;

fn family(facts: &Facts<'_, '_>, number: usize) -> Result<Vec<Judged>> {
    match (number, facts.loss) {
        (0, Loss::Squared) => facts.regression(),
        (0, Loss::Exponential | Loss::Logistic) => facts.classification(),
        _ => facts.rich(),
    }
}

/// A claim that holds because nothing is known of its quantity has not been tested.
fn known(judged: Judged) -> Judged {
    match judged.verdict.outcome {
        Outcome::Holds if judged.verdict.rounding.is_infinite() => {
            judged.undetermined("the quantity is below the error of the path")
        }
        _ => judged,
    }
}

impl Run<'_> {
    /// All statements about this run, judged.
    ///
    /// ```
    /// use groktime::Loss;
    /// use groktime::data::Design;
    /// use groktime::diagonal::{Init, Problem, Settings};
    /// use groktime::theorem::Outcome;
    /// let x = Design::new(ndarray::array![[1.0, 0.2, -0.3], [0.4, -1.0, 0.1]].view())?;
    /// let problem = Problem::new(x, vec![1.0, -1.0], Loss::Exponential)?;
    /// let settings = Settings { init: Init::Symmetric(100.0), weight_decay: 1e-2, horizon: 700.0, ..Settings::default() };
    /// let judged = problem.integrate(&settings)?.statements(&Default::default())?;
    /// assert!(judged.iter().all(|j| j.verdict.outcome != Outcome::Violated));
    /// # Ok::<(), groktime::Error>(())
    /// ```
    ///
    /// # Errors
    /// Inputs out of range; a convex problem or an eigenvalue problem is not solved.
    pub fn statements(&self, inputs: &Inputs) -> Result<Vec<Judged>> {
        inputs.validate()?;
        let n = self.problem().design().samples();
        crate::memory::check_array("statements about the samples", &[4, n, n])?;
        let facts = Facts::new(self, inputs)?;
        let tighter = Tighter::new(self, inputs);
        let mut judged = Vec::new();
        for number in 0..FAMILIES {
            let verdicts = family(&facts, number)?.into_iter().enumerate();
            judged.extend(verdicts.map(|(i, j)| known(tighter.decide(j, number, i))));
        }
        if let Some(relevant) = inputs.relevant {
            let unknown = [f64::NAN; 2];
            judged.extend(sample::bounds(
                self.problem().design(),
                relevant,
                inputs.failure_probability,
                unknown,
            ));
        }
        Ok(judged)
    }
}
