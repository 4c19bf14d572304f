//! What a comparison says, and how a claim that fails in doubles is decided.

use serde::Serialize;

use super::{Hypothesis, Side, Standing, Statement};

/// What a verdict says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Holds,
    /// Fails beyond the rounding of a second, more precise comparison, or of exact arithmetic.
    Violated,
    /// A printed form that a corrected one replaces, failing where it is known to fail.
    KnownErratum,
    /// A hypothesis is false.
    NotApplicable,
    /// A hypothesis or the quantity could not be evaluated; also a probabilistic claim that failed in a
    /// single draw, which only a failure rate can judge.
    NotEvaluated,
    /// The source leaves a constant open, or the error of the computation is larger than the margin.
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
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The claimed value (of an envelope: at the worst time).
    pub value: f64,
    /// The exact value; infinite for "never", NaN when undefined.
    pub measured: f64,
    /// The worst time, for envelopes.
    pub at_time: Option<f64>,
    /// Distance to the bound on the claimed side: negative means that the claim fails.
    pub slack: f64,
    /// How much of the slack rounding (of the quantity, of the claim, and of the path) may account for.
    pub rounding: f64,
    /// The claim holds with |slack| ≤ rounding: equality, as far as can be told.
    pub tight: bool,
    pub outcome: Outcome,
    /// Why the claim does not apply, was not evaluated or is undetermined.
    pub reason: Option<String>,
}

/// A claim and its quantity, computed again more precisely.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recomputed {
    /// The claimed value and the quantity, as they are shown.
    pub value: f64,
    pub measured: f64,
    /// Distance to the bound on the claimed side, formed before anything was rounded to a double.
    pub slack: f64,
    /// How much of the slack the new computation's error may account for.
    pub rounding: f64,
}

impl Recomputed {
    /// `difference` is value − measured in the digits in which they were computed: in doubles the two may be
    /// the same number.
    ///
    /// ```
    /// use groktime::theorem::{Recomputed, Side};
    /// let point = Recomputed::new(Side::Upper, (1.0, 1.0), 1e-40, 1e-60);
    /// assert_eq!(point.slack, 1e-40);
    /// ```
    pub fn new(side: Side, (value, measured): (f64, f64), difference: f64, rounding: f64) -> Recomputed {
        let slack = match side {
            Side::Upper => difference,
            Side::Lower => -difference,
            Side::Equal => -difference.abs(),
        };
        Recomputed { value, measured, slack, rounding }
    }
}

/// A statement with its verdict: one row of a table, one object in JSON.
pub struct Judged {
    pub statement: Statement,
    pub verdict: Verdict,
    /// What values the quantity can have, whatever the problem.
    range: (f64, f64),
    /// Times at which an envelope fails in doubles, the worst first.
    suspects: Vec<f64>,
}

/// An envelope that fails in doubles is computed again at so many times at most.
const COMPUTED_AGAIN: usize = 32;

impl Judged {
    pub(super) fn new(
        statement: Statement,
        (value, measured): (f64, f64),
        at_time: Option<f64>,
        (slack, rounding): (f64, f64),
        suspects: Vec<f64>,
    ) -> Judged {
        let meets = slack >= -rounding;
        let standing = statement.standing();
        let chance = statement.probability.is_some();
        let (outcome, reason) = match standing {
            Standing::Fails => (Outcome::NotApplicable, Some(unmet(&statement.hypotheses, standing))),
            Standing::NotEvaluated => (Outcome::NotEvaluated, Some(unmet(&statement.hypotheses, standing))),
            Standing::Open => (Outcome::Undetermined, Some(unmet(&statement.hypotheses, standing))),
            Standing::Holds if slack.is_nan() => {
                (Outcome::NotEvaluated, Some("the claim or its quantity has no value here".into()))
            }
            Standing::Holds if meets && rounding == f64::INFINITY && slack != f64::INFINITY => (
                Outcome::Undetermined,
                Some("rounding leaves nothing to compare: its error has no bound".into()),
            ),
            Standing::Holds if meets => (Outcome::Holds, None),
            Standing::Holds if chance => {
                (Outcome::NotEvaluated, Some("failed in this one draw: judged by its rate (verify)".into()))
            }
            Standing::Holds => (
                Outcome::Undetermined,
                Some(format!(
                    "short by {} in doubles, rounding {}; not computed again more precisely",
                    brief(-slack),
                    brief(rounding)
                )),
            ),
        };
        let range = range_of(&statement);
        let tight = is_tight(outcome, value, slack, rounding);
        let verdict = Verdict { value, measured, at_time, slack, rounding, tight, outcome, reason };
        Judged { statement, verdict, range, suspects }
    }

    /// Decides a claim that fails in doubles although its hypotheses hold: `recompute` computes claim and
    /// quantity again more precisely, at the given time for an envelope. The claim is violated if it fails
    /// beyond the new rounding too, and holds if it does not; where nothing better can be computed, the error says
    /// why, and the verdict is undetermined. All other verdicts stay as they are.
    ///
    /// Of an envelope every time at which it fails is computed again, up to 32 of them, the worst first. Of a claim
    /// that something exists in a window, `recompute` looks for the best time itself.
    ///
    /// ```
    /// use groktime::theorem::{Claim, Form, Outcome, Recomputed, Side, Source, Statement};
    /// static EXAMPLE: Source = Source::own("example", "example", "x is at most 1.");
    /// let statement = || Statement {
    ///     source: &EXAMPLE,
    ///     form: Form::Derived,
    ///     quantity: "x",
    ///     side: Side::Upper,
    ///     claim: Claim::Scalar(1.0),
    ///     probability: None,
    ///     hypotheses: vec![],
    /// };
    /// // 1.2 ± 0.1 is not below 1: a second look settles it.
    /// let again = |x: f64| move |_| Ok(Recomputed::new(Side::Upper, (1.0, x), 1.0 - x, 1e-9));
    /// assert_eq!(statement().judge(1.2, 0.1).verdict.outcome, Outcome::Undetermined);
    /// assert_eq!(statement().judge(1.2, 0.1).confirm(again(1.2)).verdict.outcome, Outcome::Violated);
    /// assert_eq!(statement().judge(1.2, 0.1).confirm(again(0.9)).verdict.outcome, Outcome::Holds);
    /// let open = statement().judge(1.2, 0.1).confirm(|_| Err("the paths differ by 0.3".into()));
    /// assert_eq!(open.verdict.reason.as_deref(), Some("the paths differ by 0.3"));
    /// ```
    pub fn confirm(mut self, mut recompute: impl FnMut(Option<f64>) -> Result<Recomputed, String>) -> Judged {
        if !self.in_doubt() {
            return self;
        }
        let points: Vec<Option<f64>> = match self.suspects.is_empty() {
            true => vec![self.verdict.at_time],
            false => self.suspects.iter().copied().map(Some).collect(),
        };
        let mut closest: Option<(Option<f64>, Recomputed)> = None;
        for &t in points.iter().take(COMPUTED_AGAIN) {
            let point = match recompute(t) {
                Ok(point) if point.slack.is_nan() => {
                    return self.undetermined("no value when computed again");
                }
                Ok(point) => point,
                Err(reason) => return self.undetermined(reason),
            };
            if point.slack < -point.rounding {
                self.decided(t, point, Outcome::Violated);
                return self;
            }
            if closest.is_none_or(|(_, c)| point.slack + point.rounding < c.slack + c.rounding) {
                closest = Some((t, point));
            }
        }
        if let Some((t, point)) = closest {
            self.decided(t, point, Outcome::Holds);
        }
        match points.len() > COMPUTED_AGAIN {
            true => {
                let reason = format!(
                    "fails in doubles at {} times; holds at the worst {COMPUTED_AGAIN}, computed again",
                    points.len()
                );
                self.undetermined(reason)
            }
            false => self,
        }
    }

    /// Vouches that the rounding given is a bound (of counts it is 0): a claim that fails beyond it is violated.
    pub fn certain(mut self) -> Judged {
        if self.in_doubt() {
            self.verdict.outcome = Outcome::Violated;
            self.verdict.reason = None;
        }
        self
    }

    /// Withdraws a comparison that says nothing: a claim that holds or fails within its hypotheses becomes undetermined.
    pub fn undetermined(mut self, reason: impl Into<String>) -> Judged {
        if self.statement.standing() == Standing::Holds {
            self.verdict.outcome = Outcome::Undetermined;
            self.verdict.tight = false;
            self.verdict.reason = Some(reason.into());
        }
        self
    }

    /// The values that the quantity can have whatever the problem, where its name does not tell: see
    /// [`informative`](Judged::informative).
    pub fn with_range(mut self, low: f64, high: f64) -> Judged {
        self.range = (low, high);
        self
    }

    /// Whether this comparison could have failed: both sides are finite and not both zero (logarithms may be), the claim is not implied
    /// by the range of the quantity (times and losses are not negative, accuracies are in [0, 1]), the quantity is
    /// not at the end of its range where every such claim holds, and the allowance is smaller than the claim.
    ///
    /// ```
    /// use groktime::theorem::{Claim, Form, Side, Source, Statement};
    /// static EXAMPLE: Source = Source::own("example", "example", "The test loss falls late.");
    /// let late = |value| Statement {
    ///     source: &EXAMPLE,
    ///     form: Form::Derived,
    ///     quantity: "t2",
    ///     side: Side::Lower,
    ///     claim: Claim::Scalar(value),
    ///     probability: None,
    ///     hypotheses: vec![],
    /// };
    /// assert!(late(10.0).judge(12.0, 0.0).informative());
    /// assert!(!late(-894.0).judge(12.0, 0.0).informative());
    /// ```
    pub fn informative(&self) -> bool {
        let Verdict { value, measured, rounding, .. } = self.verdict;
        let (low, high) = self.range;
        let silent = !(value.is_finite() && measured.is_finite())
            || (low == 0.0 && value == 0.0 && measured == 0.0)
            || (value != 0.0 && rounding >= value.abs());
        !silent
            && match self.statement.side {
                Side::Upper => value + rounding < high && measured > low,
                Side::Lower => value - rounding > low && measured < high,
                Side::Equal => true,
            }
    }

    /// Whether the claim itself is met, whatever the hypotheses say; `None` if it could not be compared, or if its
    /// error is larger than the margin.
    pub fn claim_met(&self) -> Option<bool> {
        let doubtful =
            self.verdict.outcome == Outcome::Undetermined && self.statement.standing() == Standing::Holds;
        if doubtful { None } else { self.meets() }
    }

    /// Marks a printed form whose correction is known: failing within its hypotheses is then expected.
    pub fn with_known_erratum(mut self) -> Judged {
        if self.statement.standing() == Standing::Holds && self.meets() == Some(false) {
            self.verdict.outcome = Outcome::KnownErratum;
            self.verdict.reason = None;
        }
        self
    }

    fn meets(&self) -> Option<bool> {
        let Verdict { slack, rounding, .. } = self.verdict;
        (!slack.is_nan()).then_some(slack >= -rounding)
    }

    /// Fails in doubles within its hypotheses, for certain and not by chance.
    fn in_doubt(&self) -> bool {
        self.verdict.outcome == Outcome::Undetermined
            && self.statement.standing() == Standing::Holds
            && self.meets() == Some(false)
    }

    fn decided(&mut self, at_time: Option<f64>, point: Recomputed, outcome: Outcome) {
        let Recomputed { value, measured, slack, rounding } = point;
        let tight = is_tight(outcome, value, slack, rounding);
        self.verdict = Verdict { value, measured, at_time, slack, rounding, tight, outcome, reason: None };
    }
}

/// "Never" against "never" is no equality of numbers.
fn is_tight(outcome: Outcome, value: f64, slack: f64, rounding: f64) -> bool {
    outcome == Outcome::Holds && value.is_finite() && slack.abs() <= rounding
}

/// The hypotheses that stand in a given way, with what they have and need.
fn unmet(hypotheses: &[Hypothesis], standing: Standing) -> String {
    let texts: Vec<String> = hypotheses
        .iter()
        .filter(|h| h.standing == standing)
        .map(|h| match (h.have, h.need) {
            (Some(have), Some(need)) => format!("{}: has {}, needs {}", h.name, brief(have), brief(need)),
            _ => h.name.to_owned(),
        })
        .collect();
    texts.join("; ")
}

/// A number for people, to five digits.
pub(crate) fn brief(x: f64) -> String {
    match x {
        x if x.is_infinite() => if x > 0.0 { "∞" } else { "−∞" }.into(),
        x if x == x.trunc() && x.abs() < 1e15 => format!("{x}"),
        x if x.abs() >= 1e5 || x.abs() < 1e-3 => format!("{x:.4e}"),
        x => format!("{x:.5}"),
    }
}

/// What values a quantity can have, from its name: logarithms, slopes and differences any, shares between 0 and 1,
/// everything else (times, losses, norms, counts) none below zero. "From the start" of t1 is −1.
fn range_of(statement: &Statement) -> (f64, f64) {
    const SIGNED: [&str; 7] = ["log", "ln", "slope", "d‖", "𝓛", "smallest ‖θ‖²", "min y f"];
    const SHARES: [&str; 5] = ["rqi", "acc", "largest rqi", "critical fraction", "population error"];
    let name = statement.quantity;
    let any = |list: &[&str]| list.iter().any(|start| name.starts_with(start));
    match statement.claim {
        super::Claim::Rate(_) => (f64::NEG_INFINITY, f64::INFINITY),
        _ if any(&SIGNED) => (f64::NEG_INFINITY, f64::INFINITY),
        _ if any(&SHARES) || name == "error" => (0.0, 1.0),
        _ if name == "t1" => (-1.0, f64::INFINITY),
        _ => (0.0, f64::INFINITY),
    }
}
