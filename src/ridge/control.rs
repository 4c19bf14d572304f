//! Grokking on demand: the weight decay, initial variance or threshold at which the delay t2 − t1 takes
//! a wanted value, or vanishes.
//!
//! The delay is evaluated in closed form, so a root search costs milliseconds. It need not be monotone:
//! the range is scanned on a logarithmic grid and every sign change is bisected. Two roots between
//! neighbouring grid points are missed; the number of points is the caller's.

use super::{ClosedForm, Settings, Spectrum};
use crate::crossing::Crossing;
use crate::error::{Result, check};
use crate::grokking::Times;
use crate::trajectory::Clock;

/// What is turned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Knob {
    /// λ.
    WeightDecay,
    /// ν²: θ₀ is scaled by √(ν²/drawn), where `drawn` is the variance it was drawn with.
    InitVariance { drawn: f64 },
    /// ε = c, both thresholds at once.
    Threshold,
}

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Control {
    pub knob: Knob,
    /// Range of the knob, both positive.
    pub range: (f64, f64),
    /// Grid points of the scan.
    pub points: usize,
    /// The wanted delay t2 − max(t1, 0); zero: no grokking.
    pub delay: f64,
    /// ε and c where the knob does not set them.
    pub thresholds: (f64, f64),
}

/// A knob value at which the delay passes the wanted one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Solution<T> {
    /// The delay changes from one side of the wanted value to the other within this relative 1e-12.
    pub bracket: (f64, f64),
    /// The end of the bracket whose delay is finite and nearer to the wanted one.
    pub value: f64,
    pub times: Times<T>,
    pub delay: f64,
}

impl Control {
    /// All solutions for gradient descent, in ascending order of the knob. Delays are integers here: a
    /// solution is where the delay steps across the wanted value.
    ///
    /// # Errors
    /// Range or delay out of range; as [`Spectrum::descent`].
    pub fn descent(&self, spectrum: &Spectrum<'_>, settings: &Settings) -> Result<Vec<Solution<u64>>> {
        self.solve(settings, |settings, thresholds| times(&spectrum.descent(settings)?, thresholds))
    }

    /// All solutions for gradient flow, in ascending order of the knob.
    ///
    /// # Errors
    /// As [`Control::descent`].
    pub fn flow(&self, spectrum: &Spectrum<'_>, settings: &Settings) -> Result<Vec<Solution<f64>>> {
        self.solve(settings, |settings, thresholds| times(&spectrum.flow(settings)?, thresholds))
    }

    fn solve<T: Clock>(
        &self,
        settings: &Settings,
        times: impl Fn(&Settings, (f64, f64)) -> Result<Times<T>>,
    ) -> Result<Vec<Solution<T>>> {
        let (lo, hi) = self.range;
        check("lower end of the range", lo, |x| x > 0.0, "a positive number")?;
        check("upper end of the range", hi, |x| x > lo, "more than the lower end")?;
        check("grid points", self.points as f64, |x| x >= 2.0, "at least 2")?;
        check("wanted delay", self.delay, |x| x >= 0.0, "at least 0")?;
        let at = |knob: f64| -> Result<Times<T>> {
            let (settings, thresholds) = self.turned(knob, settings);
            times(&settings, thresholds)
        };
        let step = (hi / lo).powf(1.0 / (self.points - 1) as f64);
        let mut solutions = Vec::new();
        let mut left = (lo, excess(&at(lo)?, self.delay));
        for i in 1..self.points {
            let value = if i + 1 == self.points { hi } else { lo * step.powi(i as i32) };
            let right = (value, excess(&at(value)?, self.delay));
            if let (Some(a), Some(b)) = (left.1, right.1)
                && (a > 0.0) != (b > 0.0)
            {
                solutions.extend(self.bisect((left.0, a), (right.0, b), at)?);
            }
            left = right;
        }
        Ok(solutions)
    }

    fn bisect<T: Clock>(
        &self,
        mut low: (f64, f64),
        mut high: (f64, f64),
        at: impl Fn(f64) -> Result<Times<T>> + Copy,
    ) -> Result<Option<Solution<T>>> {
        while high.0 / low.0 - 1.0 > 1e-12 {
            let middle = (low.0 * high.0).sqrt();
            match excess(&at(middle)?, self.delay) {
                // Between the ends the model stops fitting: the delay ends there, it does not cross.
                None => return Ok(None),
                Some(e) if (e > 0.0) == (low.1 > 0.0) => low = (middle, e),
                Some(e) => high = (middle, e),
            }
        }
        let (value, _) = if low.1.abs() < high.1.abs() { low } else { high };
        let times = at(value)?;
        let delay = times.delay().unwrap_or(f64::INFINITY);
        Ok(Some(Solution { bracket: (low.0, high.0), value, times, delay }))
    }

    /// Settings and thresholds with the knob turned.
    fn turned(&self, value: f64, settings: &Settings) -> (Settings, (f64, f64)) {
        match self.knob {
            Knob::WeightDecay => (Settings { weight_decay: value, ..*settings }, self.thresholds),
            Knob::InitVariance { drawn } => {
                (Settings { init_scale: (value / drawn).sqrt(), ..*settings }, self.thresholds)
            }
            Knob::Threshold => (*settings, (value, value)),
        }
    }
}

fn times<T: Clock>(form: &ClosedForm<'_, '_, T>, thresholds: (f64, f64)) -> Result<Times<T>> {
    form.times(thresholds.0, thresholds.1)
}

/// Delay less the wanted one; infinite when the model fits and never generalises, `None` when it does not
/// fit.
fn excess<T: Clock>(times: &Times<T>, wanted: f64) -> Option<f64> {
    match (times.delay(), times.train, times.test) {
        (Some(delay), ..) => Some(delay - wanted),
        (None, Crossing::FromStart | Crossing::At { .. }, Crossing::Never) => Some(f64::INFINITY),
        _ => None,
    }
}
