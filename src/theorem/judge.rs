//! Statements compared with exact values and curves.

use super::{Claim, Judged, Side, Standing, Statement};

impl Statement {
    /// How the hypotheses stand together: the first that fails, then the first open or unevaluated one.
    pub fn standing(&self) -> Standing {
        let any = |s| self.hypotheses.iter().any(|h| h.standing == s);
        [Standing::Fails, Standing::NotEvaluated, Standing::Open]
            .into_iter()
            .find(|&s| any(s))
            .unwrap_or(Standing::Holds)
    }

    /// Compares a scalar claim with an exact value known to within `rounding`, which covers the rounding of the
    /// claim too. A claim that fails is undetermined until it is computed again ([`Judged::confirm`]) or the
    /// rounding is vouched for ([`Judged::certain`]).
    pub fn judge(self, measured: f64, rounding: f64) -> Judged {
        let value = match self.claim {
            Claim::Scalar(value) | Claim::Rate(value) => value,
            Claim::Envelope { .. } | Claim::Exists { .. } => f64::NAN,
        };
        let slack = self.slack(value, measured);
        self.decide(value, measured, None, slack, rounding)
    }

    /// Compares a claim with a number that has no error: a count, or the outcome of exact arithmetic.
    pub fn judge_exact(self, measured: f64) -> Judged {
        self.judge(measured, 0.0).certain()
    }

    /// Compares a rate with the slope fitted to the points (parameter, quantity), both positive. Two
    /// standard errors of the fit and `room` (for the orders that the claim leaves out) are allowed.
    ///
    /// ```
    /// use groktime::theorem::{Claim, Form, Outcome, Side, Source, Statement};
    /// static EXAMPLE: Source = Source::own("example", "example", "The error falls like the square.");
    /// let statement = Statement {
    ///     source: &EXAMPLE,
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
        self.decide_curve(best, &seen)
    }

    /// As [`judge_envelope`](Statement::judge_envelope) at the given times alone, for curves of which one
    /// value is expensive.
    pub fn judge_envelope_at(self, times: &[f64], ln_value: impl Fn(f64) -> (f64, f64)) -> Judged {
        let (_, seen) = self.sightings(times, &ln_value);
        match worst(&seen).map(|i| seen[i]) {
            Some(best) => self.decide_curve(best, &seen),
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
        Judged::new(self, (value, measured), at_time, (slack, rounding), Vec::new())
    }

    /// The verdict at the worst point, with all times at which the envelope fails.
    fn decide_curve(self, worst: Sighting, seen: &[Sighting]) -> Judged {
        let mut failing: Vec<Sighting> =
            seen.iter().copied().filter(|s| s.margin() < 0.0 && s.t != worst.t).collect();
        failing.sort_by(|a, b| a.margin().total_cmp(&b.margin()));
        let first = (worst.margin() < 0.0).then_some(worst);
        let suspects = first.into_iter().chain(failing).map(|s| s.t).collect();
        let sides = (worst.value, worst.measured);
        Judged::new(self, sides, Some(worst.t), (worst.slack, worst.rounding), suspects)
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
        // An error without bound excuses everything, also an infinite failure.
        if self.rounding == f64::INFINITY && !self.slack.is_nan() {
            f64::INFINITY
        } else {
            self.slack + self.rounding
        }
    }
}

/// The point with the least margin; one without a value counts as worse than all others, whatever its sign bit.
fn worst(seen: &[Sighting]) -> Option<usize> {
    let margin = |i: usize| seen[i].margin();
    (0..seen.len())
        .min_by(|&a, &b| margin(b).is_nan().cmp(&margin(a).is_nan()).then(margin(a).total_cmp(&margin(b))))
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
