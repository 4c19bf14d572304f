//! How t1 and t2 move with the hyper-parameters: exact derivatives by implicit differentiation.
//!
//! At a crossing F(t; p) = ε, so ∂t/∂ log p = −(∂F/∂ log p)/(∂F/∂t) and ∂t/∂ log ε = ε/(∂F/∂t); both
//! parts are derivatives of sums of exponentials. Flow time is continuous; steps of descent are read as
//! the real t of ρ^t (no sensitivity exists when some ρ < 0).

use super::closed_form::ClosedForm;
use super::curve::{Tangent, TestLoss};
use super::risk::Risk;
use crate::crossing::{Crossing, End};
use crate::error::{Error, Result};
use crate::trajectory::Clock;

/// Slopes smaller than this fraction of the terms they are made of count as a tangency. The slope falls with
/// the root of the distance: this is a threshold within some 10⁻⁸ of the local extremum, and well outside
/// the rounding in which the crossing itself is undecided.
const TANGENCY: f64 = 1e-4;

/// Derivatives of a crossing time, in the trajectory's own clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sensitivity {
    /// The (real) crossing time.
    pub time: f64,
    /// ∂t/∂ log λ.
    pub weight_decay: f64,
    /// ∂t/∂ log η; zero for flow time τ, which does not know η (see [`Sensitivity::in_steps`]).
    pub step_size: f64,
    /// ∂t/∂ log ν² (θ₀ scaled by ν).
    pub init_variance: f64,
    /// ∂t/∂ log of the threshold.
    pub threshold: f64,
    /// The curve touches the threshold nearly tangentially: the time is about to jump, and the
    /// derivatives describe one side only.
    pub tangent: bool,
}

impl Sensitivity {
    /// Flow time read as steps t = τ/η: all derivatives divided by η, and ∂t/∂ log η = −t.
    pub fn in_steps(self, step_size: f64) -> Sensitivity {
        let time = self.time / step_size;
        Sensitivity {
            time,
            weight_decay: self.weight_decay / step_size,
            step_size: self.step_size / step_size - time,
            init_variance: self.init_variance / step_size,
            threshold: self.threshold / step_size,
            tangent: self.tangent,
        }
    }
}

/// With respect to which logarithm.
#[derive(Clone, Copy)]
enum Parameter {
    WeightDecay,
    StepSize,
    InitVariance,
}

impl<T: Clock> ClosedForm<'_, '_, T> {
    /// Sensitivity of t1; `None` when there is no crossing after the start.
    ///
    /// # Errors
    /// As [`ClosedForm::last_unfit`]; some ρ < 0.
    pub fn train_sensitivity(&self, threshold: f64) -> Result<Option<Sensitivity>> {
        let Crossing::At { time, .. } = self.last_unfit(threshold)? else { return Ok(None) };
        let n = self.spectrum.shape().0 as f64;
        let eigenvalues = self.spectrum.eigenvalues();
        let tangents = |p| -> Vec<Tangent> {
            (0..eigenvalues.len())
                .map(|i| {
                    let root = eigenvalues[i].sqrt();
                    let y = self.spectrum.labels[i];
                    let g = self.rates[i].g;
                    let weight = self.weight_tangent(i, p);
                    Tangent {
                        amplitude: root * weight.amplitude,
                        offset: match p {
                            // d(−λy/g)/d log λ
                            Parameter::WeightDecay => {
                                -self.settings.weight_decay * y * eigenvalues[i] / (n * g * g)
                            }
                            _ => 0.0,
                        },
                        ..weight
                    }
                })
                .collect()
        };
        let time = real_crossing(time, End::Last, threshold, |t| self.train.real_value(t));
        let slope = |t: f64| self.train.slope(t);
        self.implicit(time, threshold, slope, |t, p| self.train.derivative(t, &tangents(p))).map(Some)
    }

    /// Sensitivity of t2; `None` when there is no crossing after the start.
    ///
    /// # Errors
    /// As [`ClosedForm::first_general`]; some ρ < 0.
    pub fn test_sensitivity(&self, threshold: f64) -> Result<Option<Sensitivity>> {
        let Crossing::At { time, .. } = self.first_general(threshold)? else { return Ok(None) };
        let k = self.spectrum.eigenvalues().len();
        // Without decay (λ = 0) what starts in the complement stays: the curve counts it as an offset.
        let stays = self.rates[k].rate == 0.0;
        let outside = |p, start: f64| match p {
            Parameter::InitVariance if stays => Tangent { offset: 0.5 * start, ..Tangent::default() },
            Parameter::InitVariance => Tangent { scale: 0.5, ..Tangent::default() },
            _ => self.rate_tangent(k, p),
        };
        let scale = self.settings.init_scale;
        let (along, across) = match &self.spectrum.teacher {
            Some(teacher) => (scale * teacher.along, scale * teacher.across),
            None => (0.0, scale * self.spectrum.init_norms().1),
        };
        let weights = |p| (0..k).map(|i| self.weight_tangent(i, p)).collect::<Vec<_>>();
        let excess = |p| -> Vec<Tangent> {
            let Some(teacher) = &self.spectrum.teacher else { return Vec::new() };
            let lambda = self.settings.weight_decay;
            (0..k)
                .map(|i| {
                    let g = self.rates[i].g;
                    let (star, offset) = (teacher.coordinates[i], self.spectrum.bias(i, g, lambda));
                    let weight = self.weight_tangent(i, p);
                    match p {
                        Parameter::WeightDecay => Tangent { offset: -lambda * (star + offset) / g, ..weight },
                        _ => Tangent { offset: 0.0, ..weight },
                    }
                })
                .collect()
        };
        let still = Tangent::default();
        match &self.test {
            TestLoss::Sum(sum) => {
                let time = real_crossing(time, End::First, threshold, |t| sum.real_value(t));
                self.implicit(
                    time,
                    threshold,
                    |t| sum.slope(t),
                    |t, p| {
                        let all = [excess(p), vec![outside(p, along), outside(p, across)]].concat();
                        sum.derivative(t, &all)
                    },
                )
            }
            TestLoss::Form(form) => {
                let time = real_crossing(time, End::First, threshold, |t| form.real_value(t));
                let teacher =
                    self.spectrum.teacher.is_some() && !matches!(self.spectrum.risk, Risk::Absolute(_));
                self.implicit(
                    time,
                    threshold,
                    |t| form.slope(t),
                    |t, p| {
                        let modes = if teacher { excess(p) } else { weights(p) };
                        form.derivative(t, &[modes, vec![outside(p, scale), still]].concat())
                    },
                )
            }
            TestLoss::Undefined => return Ok(None),
        }
        .map(Some)
    }

    /// Derivative of a mode's rate alone.
    fn rate_tangent(&self, i: usize, p: Parameter) -> Tangent {
        let (lambda, eta, g) = (self.settings.weight_decay, self.settings.step_size, self.rates[i].g);
        let rate = match (p, T::NAME == f64::NAME) {
            (Parameter::InitVariance, _) | (Parameter::StepSize, true) => 0.0,
            (Parameter::WeightDecay, true) => -lambda,
            (Parameter::WeightDecay, false) => -eta * lambda / (1.0 - eta * g),
            (Parameter::StepSize, false) => -eta * g / (1.0 - eta * g),
        };
        Tangent { rate, ..Tangent::default() }
    }

    /// Derivative of ⟨v_i, θ_t⟩ = a* + (θ₀ − a*)ρ^t.
    fn weight_tangent(&self, i: usize, p: Parameter) -> Tangent {
        let g = self.rates[i].g;
        let limit = self.spectrum.limit(i, g);
        let rate = self.rate_tangent(i, p);
        match p {
            Parameter::WeightDecay => {
                let shift = self.settings.weight_decay * limit / g;
                Tangent { amplitude: shift, offset: -shift, ..rate }
            }
            Parameter::StepSize => rate,
            Parameter::InitVariance => {
                Tangent { amplitude: 0.5 * self.settings.init_scale * self.spectrum.init[i], ..rate }
            }
        }
    }

    fn implicit(
        &self,
        t: f64,
        threshold: f64,
        slope: impl Fn(f64) -> (f64, f64),
        derivative: impl Fn(f64, Parameter) -> f64,
    ) -> Result<Sensitivity> {
        if self.rates.iter().any(|r| r.flips) {
            return Err(Error::Parameter {
                name: "step size",
                value: self.settings.step_size,
                expected:
                    "ηg ≤ 1 in every mode: otherwise the loss oscillates and times are not differentiable"
                        .into(),
            });
        }
        let (down, size) = slope(t);
        let by = |p| -derivative(t, p) / down;
        Ok(Sensitivity {
            time: t,
            weight_decay: by(Parameter::WeightDecay),
            step_size: by(Parameter::StepSize),
            init_variance: by(Parameter::InitVariance),
            threshold: threshold / down,
            tangent: down.abs() <= TANGENCY * size,
        })
    }
}

/// The crossing in real time: steps know it to within one, after the last (before the first) of them.
fn real_crossing<T: Clock>(time: T, end: End, threshold: f64, value: impl Fn(f64) -> f64) -> f64 {
    let t = time.as_f64();
    if T::NAME == f64::NAME {
        return t;
    }
    let (mut lo, mut hi) = match end {
        End::Last => (t, t + 1.0),
        End::First => (t - 1.0, t),
    };
    let above = |t: f64| value(t) > threshold;
    let start = above(lo);
    if start == above(hi) {
        return t; // equal to the threshold, or past 2⁵³ steps
    }
    while let Some(middle) = f64::between(lo, hi) {
        if above(middle) == start { lo = middle } else { hi = middle }
    }
    hi
}
