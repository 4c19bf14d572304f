//! The search on curves that are written by hand.

use groktime::crossing::{Crossing, Curve, Enclosure, End, Point, Trend, search};
use groktime::data::features::generator;
use rand::RngExt;

use super::common::full;

/// A curve given by its first values; afterwards it tends to a limit from one side.
struct Tabulated {
    values: Vec<f64>,
    limit: f64,
    /// Distance to the limit at the end of the table; halves each step.
    gap: f64,
    rounding: f64,
}

impl Tabulated {
    fn at(&self, t: u64) -> f64 {
        match self.values.get(t as usize) {
            Some(x) => *x,
            None => {
                let past = (t - self.values.len() as u64).min(2000) as i32;
                self.limit + self.gap * 0.5_f64.powi(past)
            }
        }
    }
}

impl Curve for Tabulated {
    type Time = u64;
    fn value(&self, t: u64) -> Point {
        Point { value: self.at(t), rounding: self.rounding }
    }
    fn enclose(&self, from: u64, to: Option<u64>) -> Enclosure {
        let table = self.values.len() as u64;
        let last = to.unwrap_or(u64::MAX);
        let mut all: Vec<f64> = (from..=last.min(table)).map(|t| self.at(t)).collect();
        all.extend([self.at(from), self.at(last)]);
        if to.is_none() {
            all.push(self.limit);
        }
        let tail = from > table;
        let falls =
            if tail { self.gap >= 0.0 } else { last <= table && all.windows(2).all(|w| w[0] >= w[1]) };
        let trend = if falls { Trend::Falling } else { Trend::Unknown };
        Enclosure {
            lo: all.iter().copied().fold(f64::INFINITY, f64::min) - self.rounding,
            hi: all.iter().copied().fold(f64::NEG_INFINITY, f64::max) + self.rounding,
            trend,
            rounding: self.rounding,
        }
    }
    fn time_scale(&self) -> u64 {
        1
    }
    fn settled(&self, from: u64) -> bool {
        (self.at(from) - self.limit).abs() <= self.rounding
    }
}

fn at(t: u64) -> Crossing<u64> {
    Crossing::At { time: t, lo: t, hi: t }
}

/// Random tables with many ties and touches, against looking at every entry.
#[test]
fn search_agrees_with_looking_everywhere() {
    for seed in 0..if full() { 20_000 } else { 3_000 } {
        let rng = &mut generator(seed, 9);
        let length = rng.random_range(1..60);
        let values: Vec<f64> = (0..length).map(|_| f64::from(rng.random_range(1..8))).collect();
        let limit = f64::from(rng.random_range(1..8)) + 0.25;
        let curve = Tabulated { values, limit, gap: 0.125, rounding: 0.0 };
        for threshold in (0..10).map(|x| 0.5 * f64::from(2 * x % 19)) {
            let all: Vec<f64> = (0..length + 8).map(|t| curve.at(t)).collect();
            let last = match all.iter().rposition(|x| *x >= threshold) {
                None => Crossing::FromStart,
                Some(_) if limit >= threshold => Crossing::Never,
                Some(t) => at(t as u64),
            };
            assert_eq!(search(&curve, threshold, End::Last), last, "seed {seed} threshold {threshold}");
            let first = match all.iter().position(|x| *x <= threshold) {
                None => Crossing::Never,
                Some(0) => Crossing::FromStart,
                Some(t) => at(t as u64),
            };
            assert_eq!(search(&curve, threshold, End::First), first, "seed {seed} threshold {threshold}");
        }
    }
}

/// Whatever the exact curve is within its rounding, its crossing lies in the interval given.
#[test]
fn rounding_widens_the_interval() {
    let (mut wide, mut single) = (0, 0);
    for seed in 0..if full() { 20_000 } else { 3_000 } {
        let rng = &mut generator(seed, 10);
        let length = rng.random_range(1..40);
        let values: Vec<f64> = (0..length).map(|_| f64::from(rng.random_range(1..8))).collect();
        let rounding = 0.2;
        let computed = Tabulated { values: values.clone(), limit: 0.5, gap: 0.01, rounding };
        let exact: Vec<f64> = values.iter().map(|x| x + rng.random_range(-rounding..rounding)).collect();
        let threshold = f64::from(rng.random_range(1..8)) + rng.random_range(-0.3..0.3);
        if threshold < 0.8 {
            continue;
        }
        let last = exact.iter().rposition(|x| *x >= threshold).map(|t| t as u64);
        match (search(&computed, threshold, End::Last), last) {
            (Crossing::At { lo, hi, .. }, Some(t)) => {
                assert!(lo <= t && t <= hi, "seed {seed}");
                if lo == hi { single += 1 } else { wide += 1 }
            }
            // Rounding hides one of the ends.
            (Crossing::Undecided { lo, hi }, t) => {
                wide += 1;
                assert!(lo.is_none_or(|lo| t.is_some_and(|t| lo <= t)), "seed {seed}");
                assert!(hi.is_none_or(|hi| t.is_none_or(|t| t <= hi)), "seed {seed}");
            }
            (found, None) => assert_eq!(found, Crossing::FromStart),
            (found, Some(t)) => panic!("seed {seed}: {found:?} but {t}"),
        }
        let end = length as u64 + 8;
        let first = exact.iter().position(|x| *x <= threshold).map_or(length as u64, |t| t as u64);
        match search(&computed, threshold, End::First) {
            Crossing::At { lo, hi, .. } => assert!(lo <= first && first <= hi.min(end), "seed {seed}"),
            Crossing::FromStart => assert_eq!(first, 0, "seed {seed}"),
            found => panic!("seed {seed}: {found:?} but {first}"),
        }
    }
    println!("single {single} wide {wide}");
    assert!(wide > 100 && single > 100);
}

/// The limit is the threshold to within rounding: what is known by values stays known.
#[test]
fn limits_at_the_threshold() {
    let curve = |gap: f64| Tabulated { values: vec![5.0, 0.5, 3.0, 0.5], limit: 1.0, gap, rounding: 1e-12 };
    // From below: surely at or above until step 2; rounding hides whether it is again, late.
    let below = search(&curve(-0.3), 1.0, End::Last);
    assert_eq!(below, Crossing::Undecided { lo: Some(2), hi: None });
    // From above: as long as that can be seen.
    let above = search(&curve(0.3), 1.0, End::Last);
    assert!(matches!(above, Crossing::Undecided { lo: Some(lo), hi: None } if lo > 30), "{above:?}");
    assert_eq!(search(&curve(0.3), 1.0, End::First), at(1));
    // First times when the table never gets there.
    let late = |gap: f64| Tabulated { values: vec![5.0, 2.0, 3.0], limit: 1.0, gap, rounding: 1e-12 };
    let from_above = search(&late(0.3), 1.0, End::First);
    assert!(
        matches!(from_above, Crossing::Undecided { lo: Some(lo), hi: None } if lo > 30),
        "{from_above:?}"
    );
    assert_eq!(search(&late(-0.3), 1.0, End::First), at(3));
}

/// What the starting value alone leaves open is a lower end before the start.
#[test]
fn perhaps_below_from_the_start() {
    let curve = Tabulated { values: vec![1.0, 0.5], limit: 0.1, gap: 0.1, rounding: 1e-12 };
    let found = search(&curve, 1.0 + 1e-13, End::Last);
    assert_eq!(found, Crossing::Undecided { lo: None, hi: Some(0) });
}

/// A curve that only touches the threshold, to within rounding.
#[test]
fn touching_is_undecided_or_bracketed() {
    let curve =
        |values: &[f64], limit| Tabulated { values: values.to_vec(), limit, gap: 0.0, rounding: 1e-9 };
    // It may have been at 1 at step 2, or never is.
    let touch = search(&curve(&[5.0, 3.0, 1.0 + 1e-10, 3.0], 2.0), 1.0, End::First);
    assert_eq!(touch, Crossing::Undecided { lo: Some(2), hi: None });
    // It may have been at 1 at step 2, and surely is at step 5.
    let bracket = search(&curve(&[5.0, 3.0, 1.0 + 1e-10, 3.0, 2.0, 0.5], 0.25), 1.0, End::First);
    assert!(matches!(bracket, Crossing::At { time: 5, lo: 2, hi: 5 }), "{bracket:?}");
    // Last: surely at 1, possibly again at 3.
    let bracket = search(&curve(&[5.0, 3.0, 0.5, 1.0 - 1e-10, 0.5], 0.25), 1.0, End::Last);
    assert!(matches!(bracket, Crossing::At { time: 1, lo: 1, hi: 3 }), "{bracket:?}");
}
