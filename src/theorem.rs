//! A theorem is a value: what it claims about which quantity, with what probability and under which
//! hypotheses, each with what it has and what it needs. Comparing it with an exact trajectory gives a
//! verdict. A printed form and its correction are two values.

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

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
    /// Paper and number, such as `2601.19791 Thm 4.1(i)`.
    pub source: &'static str,
    pub form: Form,
    /// What is bounded; logarithms are named as such.
    pub quantity: &'static str,
    pub side: Side,
    pub claim: Claim,
    pub probability: Option<Probability>,
    pub hypotheses: Vec<Hypothesis>,
}

/// What a verdict says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Holds,
    Violated,
    /// A printed form that a corrected one replaces, failing where it is known to fail.
    KnownErratum,
    /// A hypothesis is false.
    NotApplicable,
    /// A hypothesis or the quantity could not be evaluated; also a probabilistic claim that failed in a
    /// single draw, which only a failure rate can judge.
    NotEvaluated,
    /// The source leaves a constant open.
    Undetermined,
}

impl Outcome {
    /// The name used in JSON and tables.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Holds => "holds",
            Outcome::Violated => "violated",
            Outcome::KnownErratum => "known-erratum",
            Outcome::NotApplicable => "not-applicable",
            Outcome::NotEvaluated => "not-evaluated",
            Outcome::Undetermined => "undetermined",
        }
    }
}

/// A statement compared with the exact trajectory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// The claimed value (of an envelope: at the worst time).
    pub value: f64,
    /// The exact value; infinite for "never", NaN when undefined.
    pub measured: f64,
    /// The worst time, for envelopes.
    pub at_time: Option<f64>,
    /// Distance to the bound on the claimed side: negative means that the claim fails.
    pub slack: f64,
    /// How much of the slack rounding may account for.
    pub rounding: f64,
    pub outcome: Outcome,
}

/// A statement with its verdict: one row of a table, one object in JSON.
pub struct Judged {
    pub statement: Statement,
    pub verdict: Verdict,
}

impl Statement {
    /// How the hypotheses stand together: the first that fails, then the first open or unevaluated one.
    pub fn standing(&self) -> Standing {
        let any = |s| self.hypotheses.iter().any(|h| h.standing == s);
        [Standing::Fails, Standing::NotEvaluated, Standing::Open]
            .into_iter()
            .find(|&s| any(s))
            .unwrap_or(Standing::Holds)
    }

    /// Compares a scalar claim with an exact value known to within `rounding`.
    pub fn judge(self, measured: f64, rounding: f64) -> Judged {
        let value = match self.claim {
            Claim::Scalar(value) | Claim::Rate(value) => value,
            Claim::Envelope { .. } | Claim::Exists { .. } => f64::NAN,
        };
        let slack = self.slack(value, measured);
        self.decide(value, measured, None, slack, rounding)
    }

    /// Compares a rate with the slope fitted to the points (parameter, quantity), both positive. Two
    /// standard errors of the fit and `room` (for the orders that the claim leaves out) are allowed.
    ///
    /// ```
    /// use groktime::theorem::{Claim, Form, Outcome, Side, Statement};
    /// let statement = Statement {
    ///     source: "example",
    ///     form: Form::Derived,
    ///     quantity: "error",
    ///     side: Side::Equal,
    ///     claim: Claim::Rate(-2.0),
    ///     probability: None,
    ///     hypotheses: vec![],
    /// };
    /// let judged = statement.judge_rate(&[(1.0, 3.0), (10.0, 0.03), (100.0, 3e-4)], 1e-6);
    /// assert_eq!(judged.verdict.outcome, Outcome::Holds);
    /// ```
    pub fn judge_rate(self, points: &[(f64, f64)], room: f64) -> Judged {
        let logs: Vec<(f64, f64)> = points.iter().map(|&(x, y)| (x.ln(), y.ln())).collect();
        let (slope, error) = fitted_slope(&logs);
        self.judge(slope, 2.0 * error + room)
    }

    /// Looks for the best time in the window: `value(t)` gives the quantity at each given time.
    pub fn judge_exists(self, times: &[f64], rounding: f64, value: impl Fn(f64) -> f64) -> Judged {
        let Claim::Exists { value: claimed, from, until } = self.claim else {
            return self.decide(f64::NAN, f64::NAN, None, f64::NAN, 0.0);
        };
        let window = times.iter().copied().filter(|t| (from..=until).contains(t));
        let best = window
            .map(|t| (t, value(t)))
            .max_by(|a, b| self.slack(claimed, a.1).total_cmp(&self.slack(claimed, b.1)));
        match best {
            Some((t, measured)) => {
                let slack = self.slack(claimed, measured);
                self.decide(claimed, measured, Some(t), slack, rounding)
            }
            None => self.decide(claimed, f64::NAN, None, f64::NAN, rounding),
        }
    }

    /// Compares an envelope with an exact curve: `ln_value(t)` gives the natural logarithm and a bound on
    /// its error. The curve is evaluated at all given times in the domain, and between the neighbours of
    /// the worst of them by golden sections (rounded to whole steps if `steps`).
    pub fn judge_envelope(self, times: &[f64], steps: bool, ln_value: impl Fn(f64) -> (f64, f64)) -> Judged {
        let (domain, seen) = self.sightings(times, &ln_value);
        let Some(worst) = worst(&seen) else {
            return self.unseen();
        };
        let mut best = seen[worst];
        let (mut lo, mut hi) = (domain[worst.saturating_sub(1)], domain[(worst + 1).min(domain.len() - 1)]);
        for _ in 0..40 {
            let (a, b) = (hi - 0.618 * (hi - lo), lo + 0.618 * (hi - lo));
            let (a, b) = if steps { (a.round(), b.round()) } else { (a, b) };
            if !(lo < a && a < b && b < hi) {
                break;
            }
            let (left, right) = (self.sight(a, &ln_value), self.sight(b, &ln_value));
            for candidate in [left, right] {
                if candidate.margin() < best.margin() {
                    best = candidate;
                }
            }
            if left.margin() < right.margin() { hi = b } else { lo = a }
        }
        self.decide(best.value, best.measured, Some(best.t), best.slack, best.rounding)
    }

    /// As [`judge_envelope`](Statement::judge_envelope) at the given times alone, for curves of which one
    /// value is expensive.
    pub fn judge_envelope_at(self, times: &[f64], ln_value: impl Fn(f64) -> (f64, f64)) -> Judged {
        let (_, seen) = self.sightings(times, &ln_value);
        match worst(&seen).map(|i| seen[i]) {
            Some(best) => self.decide(best.value, best.measured, Some(best.t), best.slack, best.rounding),
            None => self.unseen(),
        }
    }

    /// The given times in the envelope's domain, and what is seen there.
    fn sightings(&self, times: &[f64], ln_value: &impl Fn(f64) -> (f64, f64)) -> (Vec<f64>, Vec<Sighting>) {
        let Claim::Envelope { until, .. } = &self.claim else {
            return (Vec::new(), Vec::new());
        };
        let domain: Vec<f64> = times.iter().copied().filter(|t| t < until).collect();
        let seen = domain.iter().map(|&t| self.sight(t, ln_value)).collect();
        (domain, seen)
    }

    /// Slack is compared after the allowance for rounding, so that the worst point is a real one.
    fn sight(&self, t: f64, ln_value: &impl Fn(f64) -> (f64, f64)) -> Sighting {
        let value = match &self.claim {
            Claim::Envelope { ln_bound, .. } => ln_bound(t),
            _ => f64::NAN,
        };
        let (measured, rounding) = ln_value(t);
        Sighting { t, value, measured, rounding, slack: self.slack(value, measured) }
    }

    /// Nothing to compare: an empty domain, or a claim of another kind.
    fn unseen(self) -> Judged {
        let slack = if matches!(self.claim, Claim::Envelope { .. }) { f64::INFINITY } else { f64::NAN };
        self.decide(f64::NAN, f64::NAN, None, slack, 0.0)
    }

    fn slack(&self, value: f64, measured: f64) -> f64 {
        if value == measured {
            return 0.0; // both may be infinite
        }
        match self.side {
            Side::Upper => value - measured,
            Side::Lower => measured - value,
            Side::Equal => -(value - measured).abs(),
        }
    }

    fn decide(self, value: f64, measured: f64, at_time: Option<f64>, slack: f64, rounding: f64) -> Judged {
        let meets = slack >= -rounding;
        let outcome = match self.standing() {
            Standing::Fails => Outcome::NotApplicable,
            Standing::NotEvaluated => Outcome::NotEvaluated,
            Standing::Open => Outcome::Undetermined,
            Standing::Holds if slack.is_nan() => Outcome::NotEvaluated,
            Standing::Holds if meets => Outcome::Holds,
            Standing::Holds if self.probability.is_some() => Outcome::NotEvaluated,
            Standing::Holds => Outcome::Violated,
        };
        Judged { statement: self, verdict: Verdict { value, measured, at_time, slack, rounding, outcome } }
    }
}

impl Judged {
    /// Whether the claim itself is met, whatever the hypotheses say; `None` if it could not be compared.
    pub fn claim_met(&self) -> Option<bool> {
        let Verdict { slack, rounding, .. } = self.verdict;
        (!slack.is_nan()).then_some(slack >= -rounding)
    }

    /// Marks a printed form whose correction is known: failing within its hypotheses is then expected.
    pub fn with_known_erratum(mut self) -> Judged {
        if self.statement.standing() == Standing::Holds && self.claim_met() == Some(false) {
            self.verdict.outcome = Outcome::KnownErratum;
        }
        self
    }
}

#[derive(Clone, Copy)]
struct Sighting {
    t: f64,
    value: f64,
    measured: f64,
    rounding: f64,
    slack: f64,
}

impl Sighting {
    fn margin(&self) -> f64 {
        self.slack + self.rounding
    }
}

fn worst(seen: &[Sighting]) -> Option<usize> {
    (0..seen.len()).min_by(|&a, &b| seen[a].margin().total_cmp(&seen[b].margin()))
}

/// Least-squares slope of y against x, and its standard error (zero for two points).
fn fitted_slope(points: &[(f64, f64)]) -> (f64, f64) {
    let count = points.len() as f64;
    let mean = |f: fn(&(f64, f64)) -> f64| points.iter().map(f).sum::<f64>() / count;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let spread: f64 = points.iter().map(|p| (p.0 - x).powi(2)).sum();
    let slope = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>() / spread;
    let left: f64 = points.iter().map(|p| (p.1 - y - slope * (p.0 - x)).powi(2)).sum();
    let error = if points.len() > 2 { (left / (count - 2.0) / spread).sqrt() } else { 0.0 };
    (slope, error)
}

fn finite(x: f64) -> Option<f64> {
    x.is_finite().then_some(x)
}

impl Serialize for Hypothesis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Hypothesis", 4)?;
        out.serialize_field("name", self.name)?;
        out.serialize_field("have", &self.have.and_then(finite))?;
        out.serialize_field("need", &self.need.and_then(finite))?;
        let holds = match self.standing {
            Standing::Holds => Some(true),
            Standing::Fails => Some(false),
            Standing::NotEvaluated | Standing::Open => None,
        };
        out.serialize_field("holds", &holds)?;
        out.end()
    }
}

impl Serialize for Judged {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Judged { statement: s, verdict: v } = self;
        let mut out = serializer.serialize_struct("Statement", 15)?;
        out.serialize_field("source", s.source)?;
        out.serialize_field("form", &s.form)?;
        out.serialize_field("quantity", s.quantity)?;
        out.serialize_field("side", &s.side)?;
        out.serialize_field("claim", s.claim.name())?;
        out.serialize_field("value", &finite(v.value))?;
        out.serialize_field("measured", &finite(v.measured))?;
        out.serialize_field("at_time", &v.at_time)?;
        out.serialize_field("slack", &finite(v.slack))?;
        out.serialize_field("rounding", &finite(v.rounding))?;
        out.serialize_field("probability", &s.probability.map(|p| p.stated))?;
        out.serialize_field("probability_exact", &s.probability.and_then(|p| p.exact))?;
        out.serialize_field("probability_over", &s.probability.map(|p| p.over))?;
        out.serialize_field("hypotheses", &s.hypotheses)?;
        out.serialize_field("outcome", &v.outcome)?;
        out.end()
    }
}
