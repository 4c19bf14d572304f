//! Certified crossing times: the last time a curve is at or above a threshold, and the first time it is
//! at or below one, on curves that need not be monotone.
//!
//! A [`Curve`] encloses its values over whole intervals of time (rounding included) and says where it
//! surely falls or rises. The search is branch and bound: intervals on which the enclosure decides are
//! settled whole, monotone ones by root bracketing, the rest is split. So the answer comes with a proof
//! that no later (earlier) crossing exists, which no grid search has. What is enclosed is the curve's
//! exact value under the rounding bound the curve declares; that bound is the model's to justify.

use std::cmp::Ordering;

use crate::error::{Error, Result};
use crate::trajectory::Clock;

/// A computed value and a bound on its distance from the exact one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub value: f64,
    pub rounding: f64,
}

/// Whether a curve is certainly monotone over an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trend {
    Falling,
    Rising,
    Unknown,
}

/// Bounds on the exact values of a curve over an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Enclosure {
    pub lo: f64,
    pub hi: f64,
    pub trend: Trend,
}

/// A function of time that can be bounded over intervals.
pub trait Curve {
    type Time: Clock;

    /// The value at a time.
    fn value(&self, t: Self::Time) -> Point;

    /// Bounds over [from, to]; `None` is an interval without end.
    fn enclose(&self, from: Self::Time, to: Option<Self::Time>) -> Enclosure;

    /// A time at which the curve's slowest part has moved noticeably: where to look first.
    fn time_scale(&self) -> Self::Time;

    /// Whether what happens after `from` is below rounding.
    fn settled(&self, from: Self::Time) -> bool;

    /// The side from which the curve tends to its limit when that limit is exactly `threshold`;
    /// `None` when this cannot be told.
    fn approach(&self, threshold: f64) -> Option<Ordering>;
}

/// When a curve crosses a threshold. All are answers, none is an error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Crossing<T> {
    /// Already on the wanted side at time zero (and, for a last crossing, for ever).
    FromStart,
    /// At `time`; the exact answer lies in [lo, hi], one point whenever rounding allows it.
    At { time: T, lo: T, hi: T },
    /// Never.
    Never,
    /// To within rounding the curve touches the threshold at `from`, or tends to it: the crossing is at
    /// `from` or later, or never happens.
    Undecided { from: T },
}

impl<T: Clock> Crossing<T> {
    /// The time, if there is one; zero from the start.
    pub fn time(self) -> Option<T> {
        match self {
            Crossing::FromStart => Some(T::ZERO),
            Crossing::At { time, .. } => Some(time),
            Crossing::Never | Crossing::Undecided { .. } => None,
        }
    }

    /// Applies a monotone change of clock.
    pub fn map<U>(self, f: impl Fn(T) -> U) -> Crossing<U> {
        match self {
            Crossing::FromStart => Crossing::FromStart,
            Crossing::At { time, lo, hi } => Crossing::At { time: f(time), lo: f(lo), hi: f(hi) },
            Crossing::Never => Crossing::Never,
            Crossing::Undecided { from } => Crossing::Undecided { from: f(from) },
        }
    }
}

impl<T: Clock> std::fmt::Display for Crossing<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Crossing::FromStart => f.write_str("from the start"),
            Crossing::At { time, lo, hi } if lo == hi => write!(f, "{time}"),
            Crossing::At { time, lo, hi } => write!(f, "{time} (in [{lo}, {hi}])"),
            Crossing::Never => f.write_str("never"),
            Crossing::Undecided { from } => write!(f, "undecided from {from}"),
        }
    }
}

/// Which crossing is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The last time at which the curve is at or above the threshold.
    Last,
    /// The first time at which it is at or below the threshold.
    First,
}

/// The wanted crossing of a curve.
///
/// # Errors
/// The search does not settle within its budget of intervals (a curve that touches the threshold over a
/// long time).
pub fn search<C: Curve>(curve: &C, threshold: f64, end: End) -> Result<Crossing<C::Time>> {
    Search { curve, threshold, end }.run()
}

/// Joins the crossings of the even and the odd steps of one curve.
pub fn join(even: Crossing<u64>, odd: Crossing<u64>, end: End) -> Crossing<u64> {
    match end {
        End::Last => later(even, odd),
        End::First => earlier(even, odd),
    }
}

fn later(even: Crossing<u64>, odd: Crossing<u64>) -> Crossing<u64> {
    use Crossing::*;
    match (even, odd) {
        (Never, _) | (_, Never) => Never,
        (Undecided { from: a }, Undecided { from: b }) => Undecided { from: a.max(b) },
        (Undecided { from }, _) | (_, Undecided { from }) => Undecided { from },
        (FromStart, other) | (other, FromStart) => other,
        (At { time: a, lo: al, hi: ah }, At { time: b, lo: bl, hi: bh }) => {
            At { time: a.max(b), lo: al.max(bl), hi: ah.max(bh) }
        }
    }
}

fn earlier(even: Crossing<u64>, odd: Crossing<u64>) -> Crossing<u64> {
    use Crossing::*;
    let first_odd = At { time: 1, lo: 1, hi: 1 };
    match (even, if odd == FromStart { first_odd } else { odd }) {
        (FromStart, _) | (_, FromStart) => FromStart,
        (Never, other) | (other, Never) => other,
        (Undecided { from: a }, Undecided { from: b }) => Undecided { from: a.min(b) },
        (Undecided { from }, At { time, lo, hi }) | (At { time, lo, hi }, Undecided { from }) => {
            At { time, lo: lo.min(from), hi }
        }
        (At { time: a, lo: al, hi: ah }, At { time: b, lo: bl, hi: bh }) => {
            At { time: a.min(b), lo: al.min(bl), hi: ah.min(bh) }
        }
    }
}

/// Intervals looked at before the search gives up.
const BUDGET: usize = 200_000;

/// How rounding counts when a single value is compared with the threshold.
#[derive(Clone, Copy, PartialEq)]
enum Sense {
    Possibly,
    Computed,
    Surely,
}

enum Found<T> {
    Nowhere,
    At(T),
    /// The event holds on an interval without end.
    Unbounded,
    /// Past this time the curve and the threshold cannot be told apart.
    Unsettled(T),
}

/// The "event" is being at or above the threshold when the last time is wanted, at or below it when the
/// first is; the search is for the end of the set of times at which it holds.
struct Search<'a, C: Curve> {
    curve: &'a C,
    threshold: f64,
    end: End,
}

impl<C: Curve> Search<'_, C> {
    fn run(&self) -> Result<Crossing<C::Time>> {
        let start = C::Time::ZERO;
        let mut until = None;
        let mut found = self.extreme(Sense::Possibly, start, until)?;
        if let Found::Unsettled(from) = found {
            // The limit is the threshold: the side of approach decides what happens past `from`.
            match (self.end, self.curve.approach(self.threshold)) {
                (End::Last, Some(Ordering::Less)) | (End::First, Some(Ordering::Greater)) => {
                    until = Some(from);
                    found = self.extreme(Sense::Possibly, start, until)?;
                }
                (End::Last, Some(_)) => return Ok(Crossing::Never),
                _ => return Ok(Crossing::Undecided { from }),
            }
        }
        let outer = match (found, self.end) {
            (Found::At(t), _) => t,
            (Found::Nowhere, End::Last) | (Found::Unbounded, End::First) => return Ok(Crossing::FromStart),
            (Found::Nowhere, End::First) | (Found::Unbounded, End::Last) => return Ok(Crossing::Never),
            (Found::Unsettled(from), _) => return Ok(Crossing::Undecided { from }),
        };
        if self.holds(outer, Sense::Surely) {
            return Ok(match self.end {
                End::First if outer == start => Crossing::FromStart,
                _ => Crossing::At { time: outer, lo: outer, hi: outer },
            });
        }
        // Rounding blurs the outermost candidate: bracket the exact answer.
        let (from, to) = match self.end {
            End::Last => (start, Some(outer)),
            End::First => (outer, until),
        };
        // Near a tangency the blurred stretch may be too long to be searched: then the bracket stays wide.
        let at = |found| match found {
            Ok(Found::At(t)) => Some(t),
            _ => None,
        };
        let surely = at(self.extreme(Sense::Surely, from, to));
        let computed = at(self.extreme(Sense::Computed, from, to));
        Ok(match (self.end, surely) {
            (End::Last, inner) => {
                Crossing::At { time: computed.unwrap_or(outer), lo: inner.unwrap_or(start), hi: outer }
            }
            (End::First, Some(hi)) => Crossing::At { time: computed.unwrap_or(hi), lo: outer, hi },
            (End::First, None) => Crossing::Undecided { from: outer },
        })
    }

    /// The outermost time in [from, to] at which the event holds in the given sense.
    fn extreme(&self, sense: Sense, from: C::Time, to: Option<C::Time>) -> Result<Found<C::Time>> {
        let mut stack = vec![(from, to)];
        for _ in 0..BUDGET {
            let Some((a, b)) = stack.pop() else { return Ok(Found::Nowhere) };
            if b == Some(a) {
                if self.holds(a, sense) {
                    return Ok(Found::At(a));
                }
                continue;
            }
            let bounds = self.curve.enclose(a, b);
            if self.nowhere(&bounds) {
                continue;
            }
            if self.everywhere(&bounds) {
                return Ok(match (self.end, b) {
                    (End::First, _) => Found::At(a),
                    (End::Last, Some(b)) => Found::At(b),
                    (End::Last, None) => Found::Unbounded,
                });
            }
            // On a monotone piece the event holds on an initial or a final part.
            let initial = match bounds.trend {
                Trend::Unknown => None,
                Trend::Falling => Some(self.end == End::Last),
                Trend::Rising => Some(self.end == End::First),
            };
            match (self.end, initial, b) {
                (End::First, Some(true), _) => {
                    if self.holds(a, sense) {
                        return Ok(Found::At(a));
                    }
                    continue;
                }
                (End::Last, Some(false), Some(b)) => {
                    if self.holds(b, sense) {
                        return Ok(Found::At(b));
                    }
                    continue;
                }
                (End::Last, Some(true), _) | (End::First, Some(false), _) => {
                    match self.boundary(sense, a, b) {
                        Found::Nowhere => continue,
                        found => return Ok(found),
                    }
                }
                _ => {}
            }
            match b {
                None => {
                    let middle = self.beyond(a);
                    if middle == a || self.curve.settled(a) {
                        match sense {
                            Sense::Possibly => return Ok(Found::Unsettled(a)),
                            _ => continue,
                        }
                    }
                    self.push(&mut stack, (a, Some(middle)), (middle, None));
                }
                Some(b) => match C::Time::between(a, b) {
                    Some(middle) => self.push(&mut stack, (a, Some(middle)), (middle, Some(b))),
                    None => {
                        let ends = if self.end == End::Last { [b, a] } else { [a, b] };
                        if let Some(&t) = ends.iter().find(|&&t| self.holds(t, sense)) {
                            return Ok(Found::At(t));
                        }
                    }
                },
            }
        }
        Err(Error::Numerical {
            method: "crossing search",
            detail: format!(
                "the curve stays too close to the threshold {} to decide within {BUDGET} intervals",
                self.threshold
            ),
        })
    }

    /// The part to be looked at first goes on top of the stack.
    fn push(
        &self,
        stack: &mut Vec<(C::Time, Option<C::Time>)>,
        left: (C::Time, Option<C::Time>),
        right: (C::Time, Option<C::Time>),
    ) {
        match self.end {
            End::Last => stack.extend([left, right]),
            End::First => stack.extend([right, left]),
        }
    }

    /// On a monotone piece: the end of the initial part on which the event holds (last crossing), or the
    /// start of the final part (first crossing).
    fn boundary(&self, sense: Sense, a: C::Time, b: Option<C::Time>) -> Found<C::Time> {
        let near = self.holds(a, sense);
        match (self.end, near) {
            (End::Last, false) => return Found::Nowhere,
            (End::First, true) => return Found::At(a),
            _ => {}
        }
        let mut inside = a;
        let mut outside = match b {
            Some(b) if self.holds(b, sense) == near => {
                return if self.end == End::Last { Found::At(b) } else { Found::Nowhere };
            }
            Some(b) => b,
            None => {
                let mut t = self.beyond(a);
                while self.holds(t, sense) == near {
                    if t == inside || self.curve.settled(t) {
                        // The first enclosure may have been too loose to decide; that of the rest is not.
                        let rest = self.curve.enclose(t, None);
                        if self.everywhere(&rest) {
                            return if self.end == End::Last { Found::Unbounded } else { Found::At(t) };
                        }
                        if self.nowhere(&rest) {
                            return Found::Nowhere;
                        }
                        return match sense {
                            Sense::Possibly => Found::Unsettled(t),
                            _ => Found::Nowhere,
                        };
                    }
                    inside = t;
                    t = self.beyond(t);
                }
                t
            }
        };
        // Losses are close to exponential, so secants of the logarithm (Illinois variant) find the
        // boundary in a few steps; every third step halves the bracket whatever the shape.
        let height = |value: f64| match self.threshold > 0.0 && value > 0.0 {
            true => (value / self.threshold).ln(),
            false => value - self.threshold,
        };
        let (mut f_in, mut f_out) =
            (height(self.curve.value(inside).value), height(self.curve.value(outside).value));
        let mut last_kept = None;
        for round in 0.. {
            let Some(middle) = C::Time::between(inside, outside) else { break };
            let fraction = f_in / (f_in - f_out);
            let t = if round % 3 == 2 || !(fraction > 0.0 && fraction < 1.0) {
                middle
            } else {
                inside.towards(outside, fraction)
            };
            let t = if inside < t && t < outside { t } else { middle };
            let point = self.curve.value(t);
            let f = height(point.value);
            if self.counts(point, sense) == near {
                (inside, f_in) = (t, f);
                if last_kept == Some(false) {
                    f_out /= 2.0;
                }
                last_kept = Some(false);
            } else {
                (outside, f_out) = (t, f);
                if last_kept == Some(true) {
                    f_in /= 2.0;
                }
                last_kept = Some(true);
            }
        }
        Found::At(match self.end {
            End::Last => inside,
            End::First => outside,
        })
    }

    fn beyond(&self, t: C::Time) -> C::Time {
        let scale = self.curve.time_scale().as_f64();
        let next = C::Time::from_f64((8.0 * t.as_f64()).max(scale));
        if next > t { next } else { t.next() }
    }

    fn holds(&self, t: C::Time, sense: Sense) -> bool {
        self.counts(self.curve.value(t), sense)
    }

    fn counts(&self, Point { value, rounding }: Point, sense: Sense) -> bool {
        let allowance = match sense {
            Sense::Possibly => rounding,
            Sense::Computed => 0.0,
            Sense::Surely => -rounding,
        };
        match self.end {
            End::Last => value + allowance >= self.threshold,
            End::First => value - allowance <= self.threshold,
        }
    }

    fn nowhere(&self, bounds: &Enclosure) -> bool {
        match self.end {
            End::Last => bounds.hi < self.threshold,
            End::First => bounds.lo > self.threshold,
        }
    }

    fn everywhere(&self, bounds: &Enclosure) -> bool {
        match self.end {
            End::Last => bounds.lo >= self.threshold,
            End::First => bounds.hi <= self.threshold,
        }
    }
}
