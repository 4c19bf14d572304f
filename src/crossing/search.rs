//! Branch and bound over intervals of time.

use std::cell::Cell;

use super::{Crossing, Curve, Enclosure, End, Point, Trend};
use crate::trajectory::Clock;

/// The wanted crossing of a curve, as an interval that contains the exact answer.
///
/// A search that would need too many intervals (a curve that stays within rounding of the threshold over a
/// long time) ends in [`Crossing::Undecided`] with what is known by then.
pub fn search<C: Curve>(curve: &C, threshold: f64, end: End) -> Crossing<C::Time> {
    let search = Search { curve, threshold, end, looks: Cell::new(0.0) };
    match end {
        End::Last => search.last(),
        End::First => search.first(),
    }
}

/// How much sooner the search for the inner end gives up than that for the outer end.
const INNER: f64 = 10.0;

/// How rounding counts when a single value is compared with the threshold.
#[derive(Clone, Copy, PartialEq)]
enum Sense {
    Possibly,
    Computed,
    Surely,
}

enum Found<T> {
    Nowhere,
    /// The event holds at `inside` (in the given sense), and nowhere at or beyond `outside`.
    At {
        inside: T,
        outside: T,
    },
    /// The event holds on an interval without end.
    Unbounded,
    /// Past this time the curve and the threshold cannot be told apart.
    Unsettled(T),
    /// The budget is spent; the event holds nowhere beyond this time, if there is one.
    Exhausted(Option<T>),
}

type Interval<T> = (T, Option<T>);

/// The "event" is being at or above the threshold when the last time is wanted, at or below it when the
/// first is; the search is for the end of the set of times at which it holds.
struct Search<'a, C: Curve> {
    curve: &'a C,
    threshold: f64,
    end: End,
    /// Values and enclosures asked for since the search for one end began.
    looks: Cell<f64>,
}

impl<C: Curve> Search<'_, C> {
    fn last(&self) -> Crossing<C::Time> {
        let start = C::Time::ZERO;
        let (outer, inside) = match self.extreme(Sense::Possibly, start, None) {
            Found::Nowhere => return Crossing::FromStart,
            Found::Unbounded => return Crossing::Never,
            Found::At { inside, outside } => (Some(self.outer(inside, outside)), Some(inside)),
            Found::Unsettled(_) => (None, None),
            Found::Exhausted(beyond) => (beyond, None),
        };
        let inner = match inside {
            Some(t) if self.holds(t, Sense::Surely) => inside,
            _ => self.surely(start, outer),
        };
        match (inner, outer) {
            (Some(lo), Some(hi)) => Crossing::At { time: self.computed(lo, hi), lo, hi },
            (lo, hi) => Crossing::Undecided { lo, hi },
        }
    }

    fn first(&self) -> Crossing<C::Time> {
        let start = C::Time::ZERO;
        let (outer, inside) = match self.extreme(Sense::Possibly, start, None) {
            Found::Nowhere => return Crossing::Never,
            Found::At { inside, outside } => (self.outer(inside, outside), Some(inside)),
            Found::Unbounded => (start, Some(start)),
            Found::Unsettled(from) => (from, None),
            Found::Exhausted(before) => (before.unwrap_or(start), None),
        };
        if outer == start && self.holds(start, Sense::Surely) {
            return Crossing::FromStart;
        }
        let inner = match inside {
            Some(t) if self.holds(t, Sense::Surely) => inside,
            _ => self.surely(outer, None),
        };
        match inner {
            Some(hi) => Crossing::At { time: self.computed(outer, hi), lo: outer, hi },
            None => Crossing::Undecided { lo: Some(outer), hi: None },
        }
    }

    /// The outer end of the answer where the event holds at `inside` and not at `outside`: between neighbouring
    /// steps nothing happens, between neighbouring flow times the exact crossing does.
    fn outer(&self, inside: C::Time, outside: C::Time) -> C::Time {
        if C::Time::STEPS { inside } else { outside }
    }

    /// A time at which the event surely holds, as far out in [from, to] as can be found.
    fn surely(&self, from: C::Time, to: Option<C::Time>) -> Option<C::Time> {
        match self.extreme(Sense::Surely, from, to) {
            Found::At { inside, .. } => Some(inside),
            Found::Nowhere => None,
            Found::Unbounded | Found::Unsettled(_) | Found::Exhausted(_) => self.probed(from, to),
        }
    }

    /// The same by asking at times spaced geometrically, and closer where it begins (ends): any time is a valid
    /// inner end.
    fn probed(&self, from: C::Time, to: Option<C::Time>) -> Option<C::Time> {
        let mut found = None;
        let (mut t, mut before) = (from, None);
        loop {
            let holds = self.holds(t, Sense::Surely);
            match (self.end, holds, before) {
                (End::First, true, None) => return Some(t),
                (End::First, true, Some(before)) => {
                    return Some(self.close_in(|p| !self.counts(p, Sense::Surely, 0.0), before, t).1);
                }
                (End::Last, true, _) => found = Some((t, None)),
                (End::Last, false, _) => {
                    if let Some((_, after @ None)) = &mut found {
                        *after = Some(t);
                    }
                }
                _ => {}
            }
            let next = self.beyond(t);
            if next <= t || to.is_some_and(|to| next > to) {
                let surely = |p| self.counts(p, Sense::Surely, 0.0);
                return found.map(|(t, after)| after.map_or(t, |after| self.close_in(surely, t, after).0));
            }
            (t, before) = (next, Some(t));
        }
    }

    /// The crossing of the computed values within [lo, hi].
    fn computed(&self, lo: C::Time, hi: C::Time) -> C::Time {
        if lo == hi {
            return lo;
        }
        match self.extreme(Sense::Computed, lo, Some(hi)) {
            Found::At { inside, .. } if lo <= inside && inside <= hi => inside,
            _ => match self.end {
                End::Last => lo,
                End::First => hi,
            },
        }
    }

    /// The outermost time in [from, to] at which the event holds in the given sense.
    fn extreme(&self, sense: Sense, from: C::Time, to: Option<C::Time>) -> Found<C::Time> {
        let mut stack: Vec<Interval<C::Time>> = vec![(from, to)];
        let weight = if sense == Sense::Possibly { 1.0 } else { INNER };
        self.looks.set(0.0);
        while !self.curve.gives_up(weight * self.looks.get()) {
            let Some((a, b)) = stack.pop() else { return Found::Nowhere };
            if b == Some(a) {
                if self.holds(a, sense) {
                    return self.at(a);
                }
                continue;
            }
            let bounds = self.bounds(a, b);
            if self.nowhere(&bounds) {
                continue;
            }
            if self.everywhere(&bounds) {
                return match (self.end, b) {
                    (End::First, _) => self.at(a),
                    (End::Last, Some(b)) => self.at(b),
                    (End::Last, None) => Found::Unbounded,
                };
            }
            match self.on_monotone_piece(sense, &bounds, a, b) {
                Some(Found::Nowhere) => continue,
                Some(found) => return found,
                None => {}
            }
            match b {
                None => {
                    let middle = self.beyond(a);
                    if middle == a || self.curve.settled(a) {
                        match sense {
                            Sense::Possibly => return Found::Unsettled(a),
                            _ => continue,
                        }
                    }
                    self.push(&mut stack, (a, Some(middle)), (middle, None));
                }
                Some(b) => match C::Time::between(a, b) {
                    Some(middle) => self.push(&mut stack, (a, Some(middle)), (middle, Some(b))),
                    None => {
                        if let Some(found) = self.neighbours(sense, a, b) {
                            return found;
                        }
                    }
                },
            }
        }
        // What is on the stack has not been looked at; beyond its top everything is excluded.
        Found::Exhausted(match (self.end, stack.last()) {
            (End::Last, Some(&(_, b))) => b,
            (End::First, Some(&(a, _))) => Some(a),
            (_, None) => None,
        })
    }

    /// A single time; for flow it is the outer end itself.
    fn at(&self, t: C::Time) -> Found<C::Time> {
        Found::At { inside: t, outside: t }
    }

    /// The outermost of two neighbouring times. Flow may do anything between them, so that what is possible is
    /// possible up to the outer one.
    fn neighbours(&self, sense: Sense, a: C::Time, b: C::Time) -> Option<Found<C::Time>> {
        let [outer, inner] = if self.end == End::Last { [b, a] } else { [a, b] };
        if sense == Sense::Possibly && !C::Time::STEPS {
            return Some(self.at(outer));
        }
        [outer, inner].into_iter().find(|&t| self.holds(t, sense)).map(|t| self.at(t))
    }

    /// The part to be looked at first goes on top of the stack.
    fn push(&self, stack: &mut Vec<Interval<C::Time>>, left: Interval<C::Time>, right: Interval<C::Time>) {
        match self.end {
            End::Last => stack.extend([left, right]),
            End::First => stack.extend([right, left]),
        }
    }

    /// The enclosure, tightened at the ends of an interval over which the curve is monotone.
    fn bounds(&self, a: C::Time, b: Option<C::Time>) -> Enclosure {
        let mut bounds = self.enclose(a, b);
        let (high, low) = match bounds.trend {
            Trend::Unknown => return bounds,
            Trend::Falling => (Some(a), b),
            Trend::Rising => (b, Some(a)),
        };
        let reach = |Point { rounding, .. }: Point| rounding.max(bounds.rounding);
        if let Some(point) = high.map(|t| self.value(t)) {
            bounds.hi = bounds.hi.min(point.value + reach(point));
        }
        if let Some(point) = low.map(|t| self.value(t)) {
            bounds.lo = bounds.lo.max(point.value - reach(point));
        }
        bounds
    }

    /// On a monotone piece the event holds on an initial or a final part. `None` where the trend does not help:
    /// there is none, or rounding later (earlier) on is larger than where the crossing seems to be.
    fn on_monotone_piece(
        &self,
        sense: Sense,
        bounds: &Enclosure,
        a: C::Time,
        b: Option<C::Time>,
    ) -> Option<Found<C::Time>> {
        let initial = match bounds.trend {
            Trend::Unknown => return None,
            trend => (trend == Trend::Falling) == (self.end == End::Last),
        };
        // Pointwise first; where rounding beyond the crossing is a little larger than at it, with the largest
        // there is. Where it is much larger the interval is split until it is not.
        let mut least = 0.0;
        for _ in 0..2 {
            let found = self.end_of_piece(sense, least, initial, (a, b));
            let Found::At { inside, outside } = found else {
                let excluded = matches!(found, Found::Nowhere) && sense == Sense::Possibly;
                // The bounds of the whole piece did not exclude it.
                return (!excluded).then_some(found);
            };
            if sense != Sense::Possibly || inside == outside {
                return Some(found);
            }
            let beyond = match self.end {
                End::Last => self.bounds(outside, b),
                End::First => self.bounds(a, Some(outside)),
            };
            if self.nowhere(&beyond) {
                return Some(found);
            }
            least = beyond.rounding * (1.0 + 1e-9);
            if least > 2.0 * self.value(outside).rounding {
                return None;
            }
        }
        None
    }

    fn end_of_piece(
        &self,
        sense: Sense,
        least: f64,
        initial: bool,
        (a, b): Interval<C::Time>,
    ) -> Found<C::Time> {
        let at_end = |t| if self.holds_with(t, sense, least) { self.at(t) } else { Found::Nowhere };
        match (self.end, initial, b) {
            (End::First, true, _) => at_end(a),
            (End::Last, false, Some(b)) => at_end(b),
            // A rising curve may reach the threshold at any time of an interval without end.
            (End::Last, false, None) => self.boundary_of_final_part(sense, a),
            (End::Last, true, _) | (End::First, false, _) => self.boundary(sense, least, a, b),
        }
    }

    /// A curve that rises for ever, where the last time at or above the threshold is wanted.
    fn boundary_of_final_part(&self, sense: Sense, a: C::Time) -> Found<C::Time> {
        let mut t = a;
        loop {
            let rest = self.enclose(t, None);
            if self.everywhere(&rest) {
                return Found::Unbounded;
            }
            if self.nowhere(&rest) {
                return Found::Nowhere;
            }
            let next = self.beyond(t);
            if next == t || self.curve.settled(t) {
                return match sense {
                    Sense::Possibly => Found::Unsettled(t),
                    // Once it holds it holds for ever after.
                    _ if self.holds(t, sense) => self.at(t),
                    _ => Found::Nowhere,
                };
            }
            t = next;
        }
    }

    /// On a monotone piece: the end of the initial part on which the event holds (last crossing), or the
    /// start of the final part (first crossing).
    fn boundary(&self, sense: Sense, least: f64, a: C::Time, b: Option<C::Time>) -> Found<C::Time> {
        let near = self.holds_with(a, sense, least);
        match (self.end, near) {
            (End::Last, false) => return Found::Nowhere,
            (End::First, true) => return self.at(a),
            _ => {}
        }
        let mut left = a;
        let right = match b {
            Some(b) if self.holds_with(b, sense, least) == near => {
                return if self.end == End::Last { self.at(b) } else { Found::Nowhere };
            }
            Some(b) => b,
            None => {
                let mut t = self.beyond(a);
                while self.holds_with(t, sense, least) == near {
                    if t == left || self.curve.settled(t) {
                        // The first enclosure may have been too loose to decide; that of the rest is not.
                        let rest = self.enclose(t, None);
                        if self.everywhere(&rest) {
                            return if self.end == End::Last { Found::Unbounded } else { self.at(t) };
                        }
                        if self.nowhere(&rest) {
                            return Found::Nowhere;
                        }
                        return match sense {
                            Sense::Possibly => Found::Unsettled(t),
                            // The event may go on: what is known to hold is an inner end.
                            _ if self.end == End::Last => self.at(t),
                            _ => Found::Nowhere,
                        };
                    }
                    left = t;
                    t = self.beyond(t);
                }
                t
            }
        };
        let (left, right) = self.close_in(|p| self.counts(p, sense, least) == near, left, right);
        match self.end {
            End::Last => Found::At { inside: left, outside: right },
            End::First => Found::At { inside: right, outside: left },
        }
    }

    /// Neighbouring times of which the left one is as `left` is, and the right one not.
    fn close_in(
        &self,
        as_left: impl Fn(Point) -> bool,
        mut left: C::Time,
        mut right: C::Time,
    ) -> (C::Time, C::Time) {
        // Losses are close to exponential, so secants of the logarithm (Illinois variant) find the
        // boundary in a few steps; every third step halves the bracket whatever the shape.
        let height = |value: f64| match self.threshold > 0.0 && value > 0.0 {
            true => (value / self.threshold).ln(),
            false => value - self.threshold,
        };
        let (mut f_left, mut f_right) = (height(self.value(left).value), height(self.value(right).value));
        let mut last_kept = None;
        for round in 0.. {
            let Some(middle) = C::Time::between(left, right) else { break };
            let fraction = f_left / (f_left - f_right);
            let t = if round % 3 == 2 || !(fraction > 0.0 && fraction < 1.0) {
                middle
            } else {
                left.towards(right, fraction)
            };
            let t = if left < t && t < right { t } else { middle };
            let point = self.value(t);
            let f = height(point.value);
            if as_left(point) {
                (left, f_left) = (t, f);
                if last_kept == Some(false) {
                    f_right /= 2.0;
                }
                last_kept = Some(false);
            } else {
                (right, f_right) = (t, f);
                if last_kept == Some(true) {
                    f_left /= 2.0;
                }
                last_kept = Some(true);
            }
        }
        (left, right)
    }

    fn value(&self, t: C::Time) -> Point {
        self.looks.set(self.looks.get() + 1.0);
        self.curve.value(t)
    }

    fn enclose(&self, from: C::Time, to: Option<C::Time>) -> Enclosure {
        self.looks.set(self.looks.get() + 1.0);
        self.curve.enclose(from, to)
    }

    fn beyond(&self, t: C::Time) -> C::Time {
        let scale = self.curve.time_scale().as_f64();
        let next = C::Time::from_f64((8.0 * t.as_f64()).max(scale).min(f64::MAX));
        if next > t {
            next
        } else if t < C::Time::LAST {
            t.next()
        } else {
            t
        }
    }

    fn holds(&self, t: C::Time, sense: Sense) -> bool {
        self.holds_with(t, sense, 0.0)
    }

    /// With a rounding of at least `least`.
    fn holds_with(&self, t: C::Time, sense: Sense, least: f64) -> bool {
        self.counts(self.value(t), sense, least)
    }

    fn counts(&self, Point { value, rounding }: Point, sense: Sense, least: f64) -> bool {
        let rounding = rounding.max(least);
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
