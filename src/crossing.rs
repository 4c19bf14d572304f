//! Certified crossing times: the last time a curve is at or above a threshold, and the first time it is
//! at or below one, on curves that need not be monotone.
//!
//! A [`Curve`] encloses its values over whole intervals of time (rounding included) and says where it
//! surely falls or rises. The search is branch and bound: intervals on which the enclosure decides are
//! settled whole, monotone ones by root bracketing, the rest is split. So the answer comes with a proof
//! that no later (earlier) crossing exists, which no grid search has. What is enclosed is the curve's
//! exact value under the rounding bound the curve declares; that bound is the model's to justify.
//!
//! Every answer is an interval that contains the exact one. Its outer end is where the event is possible
//! for the last (first) time, rounding counted in its favour; its inner end is a time at which the event
//! surely happens. Where rounding hides an end for good the answer is [`Crossing::Undecided`] with the
//! end that is known.

mod join;
mod search;

pub use join::join;
pub use search::search;

use crate::trajectory::Clock;

/// A computed value and a bound on its distance from the exact one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub value: f64,
    pub rounding: f64,
}

/// Whether a curve is monotone over an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trend {
    Falling,
    Rising,
    Unknown,
}

/// Bounds on the exact values of a curve at every (finite) time of an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Enclosure {
    pub lo: f64,
    pub hi: f64,
    /// That of the computed values, or of any curve that is never further than `rounding` from the exact one.
    pub trend: Trend,
    /// Bound on the rounding of the values anywhere in the interval; 0 where the trend is that of the exact curve.
    pub rounding: f64,
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

    /// Whether a search should end with what it knows after so many looks, values and enclosures. A count, never a
    /// clock: the answer is the same on every machine.
    fn gives_up(&self, looks: f64) -> bool {
        too_many(looks, 0.0)
    }
}

/// Whether so many looks are more than a search takes: 400 000, or fewer where they cost more than about a third of a
/// second together, at so many nanoseconds each.
pub(crate) fn too_many(looks: f64, nanoseconds: f64) -> bool {
    const MOST: f64 = 4e5;
    const LEAST: f64 = 1e3;
    looks > MOST.min(3e8 / nanoseconds).max(LEAST)
}

/// When a curve crosses a threshold. All are answers, none is an error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Crossing<T> {
    /// Already on the wanted side at time zero (and, for a last crossing, for ever).
    FromStart,
    /// At `time`; the exact answer lies in [lo, hi], one point whenever rounding allows it.
    At { time: T, lo: T, hi: T },
    /// Never: for a last crossing, the curve is at or above the threshold at arbitrarily late times.
    Never,
    /// The exact answer lies in [lo, hi], where rounding hides at least one of the ends: `lo` is `None` when it
    /// may be "from the start", `hi` is `None` when it may be "never" or past the last time of the clock.
    Undecided { lo: Option<T>, hi: Option<T> },
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

    /// The ends of the interval in which the exact answer lies, `None` for an open one; `None` for a crossing that
    /// never comes or was there from the start.
    pub fn ends(self) -> Option<(Option<T>, Option<T>)> {
        match self {
            Crossing::At { lo, hi, .. } => Some((Some(lo), Some(hi))),
            Crossing::Undecided { lo, hi } => Some((lo, hi)),
            Crossing::FromStart | Crossing::Never => None,
        }
    }

    /// Whether the answer is later than the last time of the clock (2⁶⁴ − 1 steps), or never.
    ///
    /// ```
    /// use groktime::crossing::Crossing;
    /// assert!(Crossing::Undecided { lo: Some(u64::MAX), hi: None }.is_beyond_clock());
    /// assert!(!Crossing::Undecided { lo: Some(7_u64), hi: None }.is_beyond_clock());
    /// ```
    pub fn is_beyond_clock(self) -> bool {
        matches!(self, Crossing::Undecided { lo: Some(lo), hi: None } if lo >= T::LAST)
    }

    /// What two answers to one question say together: their intersection.
    ///
    /// ```
    /// use groktime::crossing::Crossing;
    /// let early = Crossing::Undecided { lo: Some(3_u64), hi: None };
    /// let late = Crossing::At { time: 5, lo: 2, hi: 6 };
    /// assert_eq!(early.and(late), Crossing::At { time: 5, lo: 3, hi: 6 });
    /// ```
    pub fn and(self, other: Crossing<T>) -> Crossing<T> {
        let (Some((lo, hi)), Some((other_lo, other_hi))) = (self.ends(), other.ends()) else {
            return if self.ends().is_none() { self } else { other };
        };
        let lo = if other_lo.is_some_and(|x| lo.is_none_or(|lo| x > lo)) { other_lo } else { lo };
        let hi = if other_hi.is_some_and(|x| hi.is_none_or(|hi| x < hi)) { other_hi } else { hi };
        match (lo, hi) {
            (Some(lo), Some(hi)) => {
                let within = |t: &T| lo <= *t && *t <= hi;
                let time = other.time().filter(within).or(self.time().filter(within)).unwrap_or(hi);
                Crossing::At { time, lo, hi }
            }
            (lo, hi) => Crossing::Undecided { lo, hi },
        }
    }

    /// Applies a monotone change of clock.
    pub fn map<U>(self, f: impl Fn(T) -> U) -> Crossing<U> {
        match self {
            Crossing::FromStart => Crossing::FromStart,
            Crossing::At { time, lo, hi } => Crossing::At { time: f(time), lo: f(lo), hi: f(hi) },
            Crossing::Never => Crossing::Never,
            Crossing::Undecided { lo, hi } => Crossing::Undecided { lo: lo.map(&f), hi: hi.map(&f) },
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
            beyond if beyond.is_beyond_clock() => write!(f, "later than {}, or never", T::LAST),
            Crossing::Undecided { lo: Some(lo), hi: Some(hi) } => write!(f, "undecided in [{lo}, {hi}]"),
            Crossing::Undecided { lo: Some(lo), hi: None } => write!(f, "undecided from {lo}"),
            Crossing::Undecided { lo: None, hi: Some(hi) } => {
                write!(f, "undecided: from the start, or until {hi} at most")
            }
            Crossing::Undecided { lo: None, hi: None } => f.write_str("undecided"),
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
