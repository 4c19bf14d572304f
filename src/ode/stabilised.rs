//! A stabilised explicit Runge-Kutta method of order 2 (RKC): Chebyshev polynomials stretch the interval of
//! stability on the negative real axis to ⅔ s² with s stages.
//!
//! B. P. Sommeijer, L. F. Shampine, J. G. Verwer, *RKC: an explicit solver for parabolic PDEs*, J. Comput. Appl.
//! Math. 88 (1998). The equations are in `theory/integrators.md`, (17) to (21).

use std::ops::{ControlFlow, Range};

use super::common::{Place, evaluate, norm, weigh};
use super::one_step::{March, OneStep, integrate};
use super::path::Step;
use super::{Flow, Options, Reject, Solution};
use crate::error::Result;
use crate::linalg::vectorised;

/// ε of (17): how much the polynomial is damped inside its interval of stability.
const DAMPING: f64 = 2.0 / 13.0;
/// Steps after which the spectral radius is estimated anew.
const FRESH: usize = 25;
/// The estimate comes from below.
const SAFETY: f64 = 1.2;
/// Iterations of the power method.
const ITERATIONS: usize = 50;
/// Most stages of a step: it is shorter where more would be needed.
const MAX_STAGES: f64 = 2000.0;
/// Most right-hand sides, in those of [`Options::max_steps`] steps: a step may have many.
const RHS_A_STEP: usize = 20;

/// Integrates a flow whose Jacobian has (nearly) negative real eigenvalues, such as every gradient flow, without
/// solving a system: for stiff flows too large for a Newton matrix, or with kinks, at tolerances of 10⁻² to 10⁻⁵.
///
/// A step of length h takes about √(1.5 h ρ) right-hand sides, ρ the spectral radius, which is found by a
/// nonlinear power method. Between steps the answers are those of cubic Hermite interpolation.
///
/// ```
/// use groktime::ode::{DenseFlow, Options, rkc};
/// // Heat flows out of a rod of 200 nodes: an explicit method without stages would take 80,000 steps or more.
/// let n = 200;
/// let mut rod = DenseFlow::new(
///     n,
///     move |_, y, dy| {
///         let at = |k: usize| if k == 0 || k > n { 0.0 } else { y[k - 1] };
///         (1..=n).for_each(|k| dy[k - 1] = (at(k - 1) - 2.0 * at(k) + at(k + 1)) * ((n + 1) * (n + 1)) as f64);
///     },
///     |_, _, _| (),
/// );
/// let mode = |k: usize| (std::f64::consts::PI * k as f64 / (n + 1) as f64).sin();
/// let start: Vec<f64> = (1..=n).map(mode).collect();
/// let solution = rkc(&mut rod, 0.0..0.2, &start, &Options { rtol: 1e-4, ..Options::default() })?;
/// let rate = 4.0 * ((n + 1) as f64 * (0.5 * std::f64::consts::PI / (n + 1) as f64).sin()).powi(2);
/// assert!((solution.y[99] / mode(100) - (-0.2 * rate).exp()).abs() < 1e-3);
/// assert!(solution.statistics.rhs < 4000);
/// # Ok::<(), groktime::Error>(())
/// ```
///
/// # Errors
/// Options out of range; or the integration failed: the message says at which time and step, and why.
pub fn rkc<F: Flow + ?Sized>(
    flow: &mut F,
    span: Range<f64>,
    y0: &[f64],
    options: &Options,
) -> Result<Solution> {
    let method = Rkc::new(y0.len());
    integrate(method, flow, &span, y0, options, options.record, &mut |_| ControlFlow::Continue(()))
}

/// [`rkc`] that calls `observer` after every accepted step, before the flow's [`accepted`](Flow::accepted);
/// `Break` ends the integration there.
///
/// # Errors
/// As [`rkc`].
pub fn rkc_observed<F: Flow + ?Sized>(
    flow: &mut F,
    span: Range<f64>,
    y0: &[f64],
    options: &Options,
    mut observer: impl FnMut(&Step<'_>) -> ControlFlow<()>,
) -> Result<Solution> {
    integrate(Rkc::new(y0.len()), flow, &span, y0, options, true, &mut observer)
}

struct Rkc {
    /// f(t, y), and f at the end of the step.
    slope: Vec<f64>,
    next_slope: Vec<f64>,
    /// The last two stages, and f at the last.
    stages: [Vec<f64>; 2],
    stage_slope: Vec<f64>,
    /// About the eigenvector of the spectral radius.
    direction: Vec<f64>,
    radius: f64,
    /// Steps since it was estimated.
    age: usize,
    /// The error and the length of the last accepted step.
    last: Option<(f64, f64)>,
}

impl Rkc {
    fn new(n: usize) -> Rkc {
        let zeros = || vec![0.0; n];
        Rkc {
            slope: zeros(),
            next_slope: zeros(),
            stages: [zeros(), zeros()],
            stage_slope: zeros(),
            direction: zeros(),
            radius: 0.0,
            age: 0,
            last: None,
        }
    }

    /// (21): Euler's step of length 1/ρ tells y''.
    fn first_step<F: Flow + ?Sized>(
        &mut self,
        march: &mut March<'_, F>,
        longest: f64,
    ) -> std::result::Result<f64, Reject> {
        if self.radius == 0.0 {
            return Ok(1e-3 * longest);
        }
        let h = self.radius.recip().min(longest);
        let March { flow, options, t, y, next: trial, weights, sizes, statistics, .. } = march;
        let Rkc { slope, stage_slope, .. } = self;
        trial.iter_mut().zip(&*y).zip(&*slope).for_each(|((to, y), f)| *to = y + h * f);
        evaluate(*flow, *t + h, trial, stage_slope, statistics)?;
        flow.sizes(*t + h, trial, weights);
        weigh(weights, sizes, options);
        stage_slope.iter_mut().zip(&*slope).for_each(|(g, f)| *g = h * (*g - f));
        let error = norm(stage_slope, weights);
        Ok(if 0.1 * h < longest * error.sqrt() { 0.1 * h / error.sqrt() } else { longest })
    }

    /// The spectral radius at (t, y) by a power method on differences of f, from the last direction. They are
    /// taken over a thousandth of the tolerance: short next to the distance over which the curvature of a loss
    /// changes, which where margins are large is shorter than the error of a step.
    fn estimate_radius<F: Flow + ?Sized>(
        &mut self,
        march: &mut March<'_, F>,
    ) -> std::result::Result<(), Reject> {
        let March { flow, options, t, y, statistics, .. } = march;
        let Rkc { slope, stage_slope: f, direction, stages: [z, _], .. } = self;
        let length = size(y).max(f64::MIN_POSITIVE.sqrt()) * (1e-3 * options.rtol).max(f64::EPSILON.sqrt());
        let mut radius = 0.0;
        for iteration in 0..ITERATIONS {
            let scale = length / size(direction);
            if !scale.is_finite() {
                // f does not change here, or is zero.
                break;
            }
            z.iter_mut().zip(&*y).zip(&*direction).for_each(|((z, y), v)| *z = y + scale * v);
            evaluate(*flow, *t, z, f, statistics)?;
            direction.iter_mut().zip(&*f).zip(&*slope).for_each(|((v, g), f)| *v = g - f);
            let estimate = size(direction) / length;
            let settled = (estimate - radius).abs() <= 0.01 * estimate;
            radius = estimate;
            if iteration > 0 && settled {
                break;
            }
        }
        (self.radius, self.age) = (SAFETY * radius, 0);
        Ok(())
    }
}

impl<F: Flow + ?Sized> OneStep<F> for Rkc {
    const NAME: &'static str = "RKC";
    const ORDER: usize = 2;
    const COLUMNS: usize = 4;

    /// f at the start, the spectral radius, and a first step that Euler's method makes as exactly as asked.
    fn start(&mut self, march: &mut March<'_, F>, place: Place, end: f64) -> Result<()> {
        let failed = |Reject(reason): Reject| place.failed(format_args!("{reason} at the start"));
        evaluate(march.flow, march.t, &march.y, &mut self.slope, &mut march.statistics).map_err(failed)?;
        self.direction.copy_from_slice(&self.slope);
        self.estimate_radius(march).map_err(failed)?;
        self.last = None;
        let longest = (end - march.t).min(march.options.max_step);
        march.h = match march.options.first_step {
            Some(h) => h.min(longest),
            None => self.first_step(march, longest).map_err(failed)?,
        };
        Ok(())
    }

    fn prepare(&mut self, march: &mut March<'_, F>) {
        if self.age >= FRESH {
            // At a point that was reached, f has values around: if not, the old estimate stays.
            let _ = self.estimate_radius(march);
        }
    }

    fn longest(&self, march: &March<'_, F>, place: Place) -> Result<f64> {
        let most = march.options.max_steps.saturating_mul(RHS_A_STEP);
        if march.statistics.rhs > most {
            return Err(place.failed(format_args!("more than {most} right-hand sides")));
        }
        // Infinite where ρ = 0.
        Ok(MAX_STAGES * MAX_STAGES / 1.54 / self.radius)
    }

    /// The stages (18) of a step, and its error (19).
    fn attempt(&mut self, march: &mut March<'_, F>, t_new: f64) -> std::result::Result<f64, Reject> {
        let March { flow, options, t, h, y, next, weights, sizes, statistics, .. } = march;
        let Rkc { slope, next_slope, stages: [older, old], stage_slope, .. } = self;
        let h = *h;
        let mut terms = Terms::new(stages_for(h * self.radius));
        older.copy_from_slice(y);
        let first = terms.first() * h;
        old.iter_mut().zip(&*y).zip(&*slope).for_each(|((to, y), f)| *to = y + first * f);
        while let Some((time, term)) = terms.next() {
            evaluate(*flow, *t + time * h, old, stage_slope, statistics)?;
            let Term { old: a, older: b, slope: c, first: d } = term;
            let (rest, c, d) = (1.0 - a - b, c * h, d * h);
            vectorised(
                #[inline(always)]
                || {
                    let values = older.iter_mut().zip(&*old).zip(&*y).zip(&*stage_slope).zip(&*slope);
                    for ((((older, old), y), g), f) in values {
                        *older = rest * y + a * old + b * *older + c * g + d * f;
                    }
                },
            );
            std::mem::swap(older, old);
        }
        next.copy_from_slice(old);
        evaluate(*flow, t_new, next, next_slope, statistics)?;
        flow.sizes(t_new, next, weights);
        weigh(weights, sizes, options);
        let values = older.iter_mut().zip(&*y).zip(&*next).zip(&*slope).zip(&*next_slope);
        for ((((error, y), next), f), g) in values {
            *error = 0.8 * (y - next) + 0.4 * h * (f + g);
        }
        Ok(norm(older, weights))
    }

    fn interpolate(&mut self, march: &mut March<'_, F>) -> std::result::Result<(), Reject> {
        march.hermite(&self.slope, &self.next_slope);
        Ok(())
    }

    /// (20): the change of the error from step to step foretells the next.
    fn growth(&mut self, error: f64, h: f64, after_rejection: bool) -> f64 {
        let floored = error.max(1e-30);
        let mut factor = 0.8 * floored.powf(-1.0 / 3.0);
        if let Some((before, length)) = self.last {
            let foretold = (before.max(1e-30) / (floored * floored)).powf(1.0 / 3.0);
            factor = factor.min(0.8 * h / length * foretold);
        }
        self.last = Some((error, h));
        self.age += 1;
        factor.clamp(0.1, if after_rejection { 1.0 } else { 10.0 })
    }

    fn shrinkage(error: f64) -> f64 {
        let factor = 0.8 * error.powf(-1.0 / 3.0);
        if factor.is_finite() { factor.clamp(0.1, 0.9) } else { 0.1 }
    }

    fn rejected(&mut self, march: &mut March<'_, F>) {
        if self.age > 0 {
            let _ = self.estimate_radius(march);
        }
    }

    fn advance(&mut self) {
        std::mem::swap(&mut self.slope, &mut self.next_slope);
    }

    fn slope(&mut self) -> &mut [f64] {
        &mut self.slope
    }
}

fn size(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// The smallest number of stages whose interval of stability reaches hρ.
fn stages_for(reach: f64) -> usize {
    1 + (1.0 + 1.54 * reach).sqrt() as usize
}

/// How a stage is made of the two before, and of f at the stage before and at the start.
struct Term {
    old: f64,
    older: f64,
    slope: f64,
    first: f64,
}

/// The coefficients (18) of the stages, one after the other.
struct Terms {
    stages: usize,
    w0: f64,
    w1: f64,
    j: usize,
    /// T_j, T_j', T_j'' at w0, of the stages j − 1 and j − 2.
    old: [f64; 3],
    older: [f64; 3],
    /// b of the same.
    b: [f64; 2],
    /// The time of the stage before.
    c: f64,
}

impl Terms {
    fn new(stages: usize) -> Terms {
        let w0 = 1.0 + DAMPING / (stages * stages) as f64;
        let (mut older, mut old) = ([1.0, 0.0, 0.0], [w0, 1.0, 0.0]);
        for _ in 2..=stages {
            (older, old) = (old, chebyshev(w0, old, older));
        }
        let w1 = old[1] / old[2];
        // b₂ = T₂''/T₂'², which serves for b₀ and b₁ too.
        let b = 0.25 / (w0 * w0);
        Terms { stages, w0, w1, j: 2, old: [w0, 1.0, 0.0], older: [1.0, 0.0, 0.0], b: [b, b], c: b * w1 }
    }

    /// Of f, in the first stage.
    fn first(&self) -> f64 {
        self.b[0] * self.w1
    }

    /// The time of the stage before, and the terms of this one.
    fn next(&mut self) -> Option<(f64, Term)> {
        if self.j > self.stages {
            return None;
        }
        let [b_old, b_older] = self.b;
        let values = chebyshev(self.w0, self.old, self.older);
        let b = values[2] / (values[1] * values[1]);
        let slope = 2.0 * b * self.w1 / b_old;
        let term = Term {
            old: 2.0 * b * self.w0 / b_old,
            older: -b / b_older,
            slope,
            first: -(1.0 - b_old * self.old[0]) * slope,
        };
        let time = self.c;
        self.c = self.w1 * values[2] / values[1];
        (self.older, self.old) = (self.old, values);
        self.b = [b, b_old];
        self.j += 1;
        Some((time, term))
    }
}

/// T, T' and T'' of the next degree at w.
fn chebyshev(w: f64, old: [f64; 3], older: [f64; 3]) -> [f64; 3] {
    [
        2.0 * w * old[0] - older[0],
        2.0 * old[0] + 2.0 * w * old[1] - older[1],
        4.0 * old[1] + 2.0 * w * old[2] - older[2],
    ]
}
