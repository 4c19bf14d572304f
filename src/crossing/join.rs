//! Joining the crossings of the even and of the odd steps of one curve.

use super::{Crossing, End};

/// Joins the crossings of the even and the odd steps of one curve (in steps of that curve). For the odd ones
/// "from the start" means: at no odd step (last crossing), at step 1 (first crossing).
///
/// ```
/// use groktime::crossing::{Crossing, End, join};
/// let at = |time| Crossing::At { time, lo: time, hi: time };
/// assert_eq!(join(at(8), at(5), End::Last), at(8));
/// assert_eq!(join(Crossing::Never, at(5), End::First), at(5));
/// ```
pub fn join(even: Crossing<u64>, odd: Crossing<u64>, end: End) -> Crossing<u64> {
    let start = [0, 1];
    let [a, b] = [(even, start[0]), (odd, start[1])].map(|(found, first)| Range::of(found, end, first));
    match end {
        End::Last => a.with(b, i128::max).last(),
        End::First => a.with(b, i128::min).first(),
    }
}

/// The interval in which a crossing lies, with −1 for "never above" and [`NEVER`] for an open end.
#[derive(Clone, Copy)]
struct Range {
    lo: i128,
    hi: i128,
    time: i128,
}

const BELOW: i128 = -1;
const NEVER: i128 = i128::MAX;

impl Range {
    fn of(found: Crossing<u64>, end: End, first: i128) -> Range {
        match found {
            Crossing::FromStart if end == End::Last => Range { lo: BELOW, hi: BELOW, time: BELOW },
            Crossing::FromStart => Range { lo: first, hi: first, time: first },
            Crossing::At { time, lo, hi } => Range { lo: lo.into(), hi: hi.into(), time: time.into() },
            Crossing::Never => Range { lo: NEVER, hi: NEVER, time: NEVER },
            Crossing::Undecided { lo, hi } => {
                let lo = lo.map_or(if end == End::Last { BELOW } else { first }, i128::from);
                let hi = hi.map_or(NEVER, i128::from);
                Range { lo, hi, time: if end == End::Last { lo } else { hi } }
            }
        }
    }

    fn with(self, other: Range, outer: impl Fn(i128, i128) -> i128) -> Range {
        Range {
            lo: outer(self.lo, other.lo),
            hi: outer(self.hi, other.hi),
            time: outer(self.time, other.time),
        }
    }

    fn last(self) -> Crossing<u64> {
        match self {
            Range { lo: NEVER, .. } => Crossing::Never,
            Range { hi: BELOW, .. } => Crossing::FromStart,
            _ => self.between(),
        }
    }

    fn first(self) -> Crossing<u64> {
        match self {
            Range { hi: 0, .. } => Crossing::FromStart,
            Range { lo: NEVER, .. } => Crossing::Never,
            _ => self.between(),
        }
    }

    fn between(self) -> Crossing<u64> {
        let step = |x: i128| u64::try_from(x).ok();
        match (step(self.lo), step(self.hi)) {
            (Some(lo), Some(hi)) => {
                let time = step(self.time).unwrap_or(lo).clamp(lo, hi);
                Crossing::At { time, lo, hi }
            }
            (lo, hi) => Crossing::Undecided { lo, hi },
        }
    }
}
