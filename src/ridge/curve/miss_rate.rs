//! One less the accuracy on a sample: counts of residuals beyond a tolerance.

use std::marker::PhantomData;
use std::sync::Arc;

use ndarray::Array2;

use super::mode::{Mode, flips, halve, time_scale};
use super::{Alternating, Turning};
use crate::crossing::{Curve, Enclosure, Point, Trend, too_many};
use crate::linalg::EPS;
use crate::trajectory::Clock;

/// Fraction of a sample whose residual |Σ_i B_ji z_i(t)| exceeds a tolerance.
#[derive(Clone, Debug)]
pub(crate) struct MissRate<T> {
    modes: Vec<Mode>,
    /// Sample × modes.
    residuals: Arc<Array2<f64>>,
    /// What a vector of length one can move each residual.
    lengths: Arc<[f64]>,
    tolerance: f64,
    turning: Turning,
    clock: PhantomData<T>,
}

impl<T: Clock> MissRate<T> {
    pub fn new(
        modes: Vec<Mode>,
        residuals: Arc<Array2<f64>>,
        lengths: Arc<[f64]>,
        tolerance: f64,
        turning: Turning,
    ) -> Self {
        let modes = modes.into_iter().map(Mode::folded).collect();
        MissRate { modes, residuals, lengths, tolerance, turning, clock: PhantomData }
    }

    /// Counts of residuals surely beyond and possibly beyond the tolerance, for z within `radius` of `z` and
    /// parameters `moved` by what the decomposition turns.
    fn counts(&self, z: &[f64], radius: &[f64], moved: f64) -> (usize, usize) {
        let mut counts = (0, 0);
        // The rounding of a sum of so many products.
        let sum = (4.0 + z.len() as f64) * EPS;
        for (row, length) in self.residuals.outer_iter().zip(self.lengths.iter()) {
            let (mut r, mut reach) = (0.0, length * moved);
            for ((b, z), d) in row.iter().zip(z).zip(radius) {
                r += b * z;
                reach += b.abs() * (d + sum * z.abs());
            }
            counts.0 += usize::from(r.abs() - reach > self.tolerance);
            counts.1 += usize::from(r.abs() + reach > self.tolerance);
        }
        counts
    }
}

impl<T: Clock> Curve for MissRate<T> {
    type Time = T;

    fn value(&self, t: T) -> Point {
        let (time, odd) = (t.as_f64(), t.is_odd());
        let (mut z, mut radius) = (Vec::new(), Vec::new());
        let mut quotients = self.turning.quotients(time, |m| [m.power(time); 2]);
        for m in &self.modes {
            let x = m.power(time);
            quotients.add(m, [m.factor * if odd && m.flips { -x } else { x }; 2]);
            z.push(m.value(x, odd));
            radius.push(m.forward_error(time, x, odd) + m.amplitude.abs() * m.drift(time, x));
        }
        let (sure, possible) = self.counts(&z, &radius, self.turning.moved(&quotients));
        let n = self.residuals.nrows() as f64;
        let value = 0.5 * (sure + possible) as f64 / n;
        Point { value, rounding: 0.5 * (possible - sure) as f64 / n }
    }

    fn enclose(&self, from: T, to: Option<T>) -> Enclosure {
        let (a, b) = (from.as_f64(), to.map(T::as_f64));
        let (mut z, mut radius) = (Vec::new(), Vec::new());
        let mut quotients =
            self.turning.quotients(b.unwrap_or(f64::INFINITY), |m| [m.power(a), m.power_at_end(b)]);
        for m in &self.modes {
            let (xa, xb) = (m.power(a), m.power_at_end(b));
            quotients.add(m, m.decayed(xa, xb));
            let (start, end) = (m.amplitude * xa, m.amplitude * if m.flips { -xa } else { xb });
            z.push(0.5 * (start + end) + m.offset);
            radius.push(
                0.5 * (start - end).abs()
                    + m.largest_forward_error(a, b, xa, xb)
                    + m.amplitude.abs() * m.largest_drift(a, b),
            );
        }
        let (sure, possible) = self.counts(&z, &radius, self.turning.moved(&quotients));
        let n = self.residuals.nrows() as f64;
        Enclosure { lo: sure as f64 / n, hi: possible as f64 / n, trend: Trend::Unknown, rounding: 0.0 }
    }

    fn time_scale(&self) -> T {
        time_scale(&self.modes)
    }

    fn settled(&self, from: T) -> bool {
        let left = |m: &Mode| m.amplitude.abs() * m.power(from.as_f64()) <= EPS * m.offset.abs().max(1e-300);
        self.modes.iter().all(left)
    }

    fn gives_up(&self, looks: f64) -> bool {
        too_many(looks, 60.0 * self.modes.len() as f64 + 2.0 * self.residuals.len() as f64)
    }
}

impl<T: Clock> Alternating for MissRate<T> {
    type Half = MissRate<u64>;
    fn alternates(&self) -> bool {
        flips(&self.modes)
    }
    fn half(&self, odd: bool) -> MissRate<u64> {
        MissRate {
            modes: halve(&self.modes, odd),
            residuals: self.residuals.clone(),
            lengths: self.lengths.clone(),
            tolerance: self.tolerance,
            turning: self.turning.at_parity(odd),
            clock: PhantomData,
        }
    }
}
