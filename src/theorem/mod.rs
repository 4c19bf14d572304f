//! A theorem is a value: what it claims about which quantity, with what probability and under which
//! hypotheses, each with what it has and what it needs. Comparing it with an exact trajectory gives a
//! verdict. A printed form and its correction are two values.
//!
//! A claim that fails in doubles accuses a theorem, so nothing is violated by one comparison alone: the point is
//! computed again ([`Judged::confirm`]), or the caller vouches for the error bound ([`Judged::certain`]).

mod agreement;
mod json;
mod judge;
mod source;
mod verdict;

use serde::Serialize;

pub(crate) use agreement::agree;
pub use source::Source;
pub(crate) use source::catalogue;
pub(crate) use verdict::brief;
pub use verdict::{Judged, Outcome, Recomputed, Verdict};

/// Whether the statement stands as printed, as we correct it, or was derived here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    Printed,
    /// Replaces a printed form that fails on some problems within its hypotheses.
    Corrected,
    /// Not in the source, or sharper than what is.
    Derived,
}

impl Form {
    /// The name used in JSON and ids.
    pub fn name(self) -> &'static str {
        match self {
            Form::Printed => "printed",
            Form::Corrected => "corrected",
            Form::Derived => "derived",
        }
    }
}

/// Which side of the quantity the claim bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    Upper,
    Lower,
    /// The claim is the value itself, to within what the verdict's `rounding` allows.
    Equal,
}

impl Side {
    /// The relation between quantity and claim.
    ///
    /// ```
    /// assert_eq!(groktime::theorem::Side::Upper.symbol(), "≤");
    /// ```
    pub fn symbol(self) -> &'static str {
        match self {
            Side::Upper => "≤",
            Side::Lower => "≥",
            Side::Equal => "=",
        }
    }
}

/// What is claimed.
#[non_exhaustive]
pub enum Claim {
    /// One number; NaN when an input it needs was not given, infinite when it says "never".
    Scalar(f64),
    /// A bound at every time of [0, until): natural logarithms, because losses underflow.
    Envelope { ln_bound: Box<dyn Fn(f64) -> f64 + Send + Sync>, until: f64 },
    /// A power law: the slope of ln(quantity) against ln(parameter), compared with a fitted one.
    Rate(f64),
    /// Somewhere in the window of time [from, until] the quantity meets `value` on the claimed side.
    Exists { value: f64, from: f64, until: f64 },
}

impl Claim {
    /// The name used in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Claim::Scalar(_) => "scalar",
            Claim::Envelope { .. } => "envelope",
            Claim::Rate(_) => "rate",
            Claim::Exists { .. } => "exists",
        }
    }
}

/// How a hypothesis stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Holds,
    Fails,
    /// Its input was not given or would be too expensive.
    NotEvaluated,
    /// The source leaves a constant open.
    Open,
}

/// Relative room for the rounding of both sides of a hypothesis: equality counts as meeting it.
const ROOM: f64 = 4.0 * f64::EPSILON;

/// One condition of a statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Hypothesis {
    /// In symbols, relation included: `η ≤ 2/(L̂ + 2λ)`.
    pub name: &'static str,
    pub have: Option<f64>,
    pub need: Option<f64>,
    pub standing: Standing,
}

impl Hypothesis {
    /// `have ≤ need`, with room for the rounding of both sides.
    pub fn at_most(name: &'static str, have: f64, need: f64) -> Self {
        Self::compare(name, have, need, have <= need + ROOM * need.abs())
    }

    /// `have ≥ need`, with room for the rounding of both sides.
    pub fn at_least(name: &'static str, have: f64, need: f64) -> Self {
        Self::compare(name, have, need, have >= need - ROOM * need.abs())
    }

    /// `have < need`.
    pub fn below(name: &'static str, have: f64, need: f64) -> Self {
        Self::compare(name, have, need, have < need)
    }

    fn compare(name: &'static str, have: f64, need: f64, holds: bool) -> Self {
        let known = |x: f64| (!x.is_nan()).then_some(x);
        let standing = match (holds, have.is_nan() || need.is_nan()) {
            (_, true) => Standing::NotEvaluated,
            (true, _) => Standing::Holds,
            (false, _) => Standing::Fails,
        };
        Hypothesis { name, have: known(have), need: known(need), standing }
    }

    /// A condition that is not a comparison of numbers; `None` when it cannot be told.
    pub fn fact(name: &'static str, holds: Option<bool>) -> Self {
        let standing = match holds {
            Some(true) => Standing::Holds,
            Some(false) => Standing::Fails,
            None => Standing::NotEvaluated,
        };
        Hypothesis { name, have: None, need: None, standing }
    }

    /// A condition with a constant that the source does not give.
    pub fn open(name: &'static str, have: f64) -> Self {
        Hypothesis { name, have: Some(have), need: None, standing: Standing::Open }
    }
}

/// Probability with which a statement holds, as claimed and, where the law is known, exactly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Probability {
    /// The source's lower bound on the probability of the claim.
    pub stated: f64,
    /// Probability of the event the proof uses.
    pub exact: Option<f64>,
    /// Over what it is taken, given the rest.
    pub over: &'static str,
}

/// A published statement, applied to one problem.
pub struct Statement {
    /// What it is, whatever the problem.
    pub source: &'static Source,
    pub form: Form,
    /// What is bounded; logarithms are named as such.
    pub quantity: &'static str,
    pub side: Side,
    pub claim: Claim,
    pub probability: Option<Probability>,
    pub hypotheses: Vec<Hypothesis>,
}

impl Statement {
    /// Its identity: paper, key and, unless it is as printed, form.
    ///
    /// ```
    /// use groktime::theorem::{Claim, Form, Side, Statement};
    /// let upper = Statement {
    ///     source: &groktime::ridge::theorems::catalogue::UPPER,
    ///     form: Form::Derived,
    ///     quantity: "t2",
    ///     side: Side::Upper,
    ///     claim: Claim::Scalar(1e4),
    ///     probability: None,
    ///     hypotheses: vec![],
    /// };
    /// assert_eq!(upper.id(), "2601.19791:thm-4.5:upper:derived");
    /// ```
    pub fn id(&self) -> String {
        let Source { paper, key, .. } = self.source;
        match self.form {
            Form::Printed => format!("{paper}:{key}"),
            form => format!("{paper}:{key}:{}", form.name()),
        }
    }

    /// Why the printed form fails on some problems within its hypotheses; `None` for other forms.
    pub fn erratum(&self) -> Option<&'static str> {
        self.source.erratum.filter(|_| self.form == Form::Printed)
    }
}
