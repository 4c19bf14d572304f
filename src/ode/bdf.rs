//! Numerical differentiation formulas of variable order 1 to 5 with variable steps, for stiff flows.
//!
//! Shampine and Reichelt, *The MATLAB ODE Suite*, SIAM J. Sci. Comput. 18 (1997), with the frozen Jacobian
//! and the convergence test of CVODE (Hindmarsh et al., ACM TOMS 31, 2005).

use std::ops::{ControlFlow, Range};

use super::common::{Place, Recorder, evaluate, first_step, norm, weigh};
use super::path::{CHUNK, Interpolant, Path, Step};
use super::{Action, Ended, Options, Reject, Solution, Statistics, StiffFlow};
use crate::error::Result;

const MAX_ORDER: usize = 5;
/// Rows of the difference array: y and its differences, two past the highest order.
const ROWS: usize = MAX_ORDER + 3;
const MAX_ITERATIONS: usize = 4;

/// κ_q of theory/integrators.md (3).
const KAPPA: [f64; ROWS] = [0.0, -0.1850, -1.0 / 9.0, -0.0823, -0.0415, 0.0, 0.0, 0.0];
/// γ_q = Σ 1/k.
const GAMMA: [f64; ROWS] = {
    let mut gamma = [0.0; ROWS];
    let mut k = 1;
    while k < ROWS {
        gamma[k] = gamma[k - 1] + 1.0 / k as f64;
        k += 1;
    }
    gamma
};

/// (1 − κ_q) γ_q.
fn alpha(order: usize) -> f64 {
    (1.0 - KAPPA[order]) * GAMMA[order]
}

/// The error of a step is this times the correction of the predictor, theory/integrators.md (5).
fn error_constant(order: usize) -> f64 {
    KAPPA[order] * GAMMA[order] + 1.0 / (order + 1) as f64
}

/// Integrates a stiff flow from `y0` at the start of the span to its end.
///
/// Differentiation formulas of variable order, with dense output. The Jacobian is asked for only when Newton's
/// iteration fails with an old one.
///
/// # Errors
/// Options out of range; or the integration failed: the message says at which time and step, and why.
pub fn bdf<F: StiffFlow + ?Sized>(
    flow: &mut F,
    span: Range<f64>,
    y0: &[f64],
    options: &Options,
) -> Result<Solution> {
    bdf_observed(flow, span, y0, options, |_| ControlFlow::Continue(()))
}

/// [`bdf`] that calls `observer` after every accepted step, before the flow's
/// [`accepted`](super::Flow::accepted); `Break` ends the integration there.
///
/// # Errors
/// As [`bdf`].
pub fn bdf_observed<F: StiffFlow + ?Sized>(
    flow: &mut F,
    span: Range<f64>,
    y0: &[f64],
    options: &Options,
    mut observer: impl FnMut(&Step<'_>) -> ControlFlow<()>,
) -> Result<Solution> {
    let n = flow.dimension();
    options.check(&span, y0, n)?;
    let recorder = Recorder { path: Path::new(n), record: options.record, observer: &mut observer };
    let mut bdf = Bdf::new(flow, &span, y0, options);
    bdf.start(&span)?;
    bdf.run(span.end, recorder)
}

/// Why an attempt at a step came to nothing.
enum Failure {
    /// Newton's iteration does not converge; a new Jacobian may help.
    Diverged,
    /// No value there: only a shorter step helps.
    NoValue(Reject),
}

struct Bdf<'a, F: ?Sized> {
    flow: &'a mut F,
    options: &'a Options,
    n: usize,
    t: f64,
    h: f64,
    order: usize,
    /// Steps since h or the order changed.
    equal_steps: usize,
    /// y and its backward differences with spacing h, one row after another.
    differences: Vec<f64>,
    predicted: Vec<f64>,
    /// y at the end of the step, during Newton's iteration.
    y: Vec<f64>,
    /// y − predicted.
    correction: Vec<f64>,
    /// The part of the formula that is known before the step.
    psi: Vec<f64>,
    rhs: Vec<f64>,
    update: Vec<f64>,
    /// Reciprocals of the allowed errors.
    weights: Vec<f64>,
    /// Sizes at the start of the step.
    sizes: Vec<f64>,
    /// h/α of the last factorisation.
    shift: Option<f64>,
    jacobian: Jacobian,
    /// Iterations that the last step took.
    iterations: usize,
    /// Of Newton's convergence; one: unknown.
    rate: f64,
    statistics: Statistics,
}

#[derive(Clone, Copy, PartialEq)]
enum Jacobian {
    Missing,
    Old,
    /// Taken in the step that is being tried.
    Fresh,
}

impl<'a, F: StiffFlow + ?Sized> Bdf<'a, F> {
    fn new(flow: &'a mut F, span: &Range<f64>, y0: &[f64], options: &'a Options) -> Self {
        let n = y0.len();
        let mut differences = vec![0.0; ROWS * n];
        differences[..n].copy_from_slice(y0);
        let zeros = || vec![0.0; n];
        Bdf {
            flow,
            options,
            n,
            t: span.start,
            h: 0.0,
            order: 1,
            equal_steps: 0,
            differences,
            predicted: zeros(),
            y: zeros(),
            correction: zeros(),
            psi: zeros(),
            rhs: zeros(),
            update: zeros(),
            weights: zeros(),
            sizes: zeros(),
            shift: None,
            jacobian: Jacobian::Missing,
            iterations: 1,
            rate: 1.0,
            statistics: Statistics::default(),
        }
    }

    fn place(&self) -> Place {
        Place { method: "BDF", t: self.t, h: self.h, order: self.order }
    }

    /// Order one from the present state, with the step that its derivatives ask for.
    fn start(&mut self, span: &Range<f64>) -> Result<()> {
        let y = &self.differences[..self.n];
        evaluate(self.flow, self.t, y, &mut self.rhs, &mut self.statistics)
            .map_err(|Reject(reason)| self.place().failed(format_args!("{reason} at the start")))?;
        let scratch =
            [&mut self.predicted[..], &mut self.update, &mut self.psi, &mut self.weights].map(|v| &mut v[..]);
        let y = &self.differences[..self.n];
        let here = self.t..span.end;
        self.h = first_step(self.flow, &here, y, &self.rhs, self.options, &mut self.statistics, scratch);
        self.first_difference();
        self.flow.sizes(self.t, &self.differences[..self.n], &mut self.sizes);
        Ok(())
    }

    /// History of order one: D₁ = h f.
    fn first_difference(&mut self) {
        self.order = 1;
        self.equal_steps = 0;
        for (d, f) in self.differences[self.n..2 * self.n].iter_mut().zip(&self.rhs) {
            *d = self.h * f;
        }
    }

    fn run(mut self, end: f64, mut recorder: Recorder<'_>) -> Result<Solution> {
        let mut epoch = 0;
        let ended = loop {
            let t_old = self.t;
            let order = self.step(end)?;
            let step = Step {
                t_old,
                t: self.t,
                epoch,
                order,
                interpolant: Interpolant::Differences,
                dimension: self.n,
                columns: &self.differences[..(order + 1) * self.n],
            };
            if recorder.step(&step).is_break() {
                break Ended::Interrupted;
            }
            let action = self.flow.accepted(self.t, &mut self.differences[..self.n]);
            if let Action::Rebase { scale, shift } = &action {
                self.rebase(*scale, shift)?;
                epoch += 1;
            }
            if action == Action::Stop {
                break Ended::Stopped;
            }
            if self.t >= end {
                break Ended::Horizon;
            }
            if action == Action::Modified {
                self.restart(end)?;
            } else {
                self.flow.sizes(self.t, &self.differences[..self.n], &mut self.sizes);
                self.adapt();
            }
        };
        let y = self.differences[..self.n].to_vec();
        Ok(Solution { path: recorder.path, t: self.t, y, epoch, ended, statistics: self.statistics })
    }

    /// One accepted step; gives the order it was made with.
    fn step(&mut self, end: f64) -> Result<usize> {
        let mut rejections = 0;
        let mut too_large = 0;
        let mut last = "";
        loop {
            let t_new = self.approach(end);
            self.place().guard(self.options, t_new >= end, self.statistics.steps, rejections, last)?;
            self.predict(t_new);
            match self.correct(t_new) {
                Ok(iterations) => {
                    let error = error_constant(self.order) * norm(&self.correction, &self.weights);
                    if error <= 1.0 {
                        self.accept(t_new, iterations);
                        return Ok(self.order);
                    }
                    self.statistics.rejected += 1;
                    rejections += 1;
                    too_large += 1;
                    last = "the error of the step was too large";
                    if too_large % 3 == 0 {
                        // The history is of no use: it knows another right-hand side.
                        self.restart_shorter(0.1)?;
                    } else {
                        let factor = safety(iterations) * error.powf(-1.0 / (self.order + 1) as f64);
                        self.rescale(if factor.is_finite() { factor.max(0.2) } else { 0.2 });
                    }
                }
                Err(Failure::Diverged) if self.jacobian == Jacobian::Old => {
                    self.statistics.newton_failures += 1;
                    self.jacobian = Jacobian::Missing;
                }
                Err(failure) => {
                    self.statistics.newton_failures += 1;
                    rejections += 1;
                    last = match failure {
                        Failure::Diverged => "Newton's iteration did not converge",
                        Failure::NoValue(Reject(reason)) => reason,
                    };
                    self.rescale(if rejections < 4 { 0.5 } else { 0.1 });
                }
            }
        }
    }

    /// Fits the step to what is left of the span; gives the time at its end.
    fn approach(&mut self, end: f64) -> f64 {
        let left = end - self.t;
        if self.h > self.options.max_step {
            self.rescale(self.options.max_step / self.h);
        }
        if self.h >= 0.999 * left {
            if self.h != left {
                self.rescale(left / self.h);
                self.h = left;
            }
            return end;
        }
        self.t + self.h
    }

    /// The polynomial of the history, and ψ, theory/integrators.md (2).
    fn predict(&mut self, t_new: f64) {
        let n = self.n;
        let scale = 1.0 / alpha(self.order);
        for start in (0..n).step_by(CHUNK) {
            let end = (start + CHUNK).min(n);
            let (predicted, psi) = (&mut self.predicted[start..end], &mut self.psi[start..end]);
            predicted.copy_from_slice(&self.differences[start..end]);
            psi.fill(0.0);
            for k in 1..=self.order {
                let gamma = scale * GAMMA[k];
                let row = &self.differences[k * n + start..k * n + end];
                for ((p, s), d) in predicted.iter_mut().zip(&mut *psi).zip(row) {
                    *p += d;
                    *s += gamma * d;
                }
            }
        }
        self.flow.sizes(t_new, &self.predicted, &mut self.weights);
        weigh(&mut self.weights, &self.sizes, self.options);
    }

    /// Newton's iteration for d = c f(t, predicted + d) − ψ; gives the number of iterations.
    fn correct(&mut self, t_new: f64) -> std::result::Result<usize, Failure> {
        self.prepare(t_new)?;
        let c = self.h / alpha(self.order);
        self.correction.fill(0.0);
        self.y.copy_from_slice(&self.predicted);
        let mut before = 0.0;
        for iteration in 1..=MAX_ITERATIONS {
            let value = evaluate(self.flow, t_new, &self.y, &mut self.rhs, &mut self.statistics);
            match value {
                // Thrown off by a bad Jacobian, perhaps.
                Err(_) if iteration > 1 && self.jacobian == Jacobian::Old => return Err(Failure::Diverged),
                other => other.map_err(Failure::NoValue)?,
            }
            let known = self.psi.iter().zip(&self.correction);
            for ((u, f), (psi, d)) in self.update.iter_mut().zip(&self.rhs).zip(known) {
                *u = c * f - psi - d;
            }
            self.statistics.solves += 1;
            self.flow.solve(&mut self.update).map_err(|r| self.blame(r))?;
            let size = norm(&self.update, &self.weights);
            if !size.is_finite() {
                return Err(self.blame(Reject("Newton's iteration overflows")));
            }
            for ((y, d), u) in self.y.iter_mut().zip(&mut self.correction).zip(&self.update) {
                *y += u;
                *d += u;
            }
            if iteration > 1 {
                let measured = size / before;
                self.rate = (0.3 * self.rate).max(measured);
                if measured >= 2.0 {
                    return Err(Failure::Diverged);
                }
            }
            // What is left of a geometric series, theory/integrators.md (6).
            let left = if self.rate < 1.0 { size * (self.rate / (1.0 - self.rate)).min(1.0) } else { size };
            if left <= self.options.newton_tolerance {
                return Ok(iteration);
            }
            let to_come = (MAX_ITERATIONS - iteration) as i32;
            if iteration > 1
                && self.rate < 1.0
                && left * self.rate.powi(to_come) > self.options.newton_tolerance
            {
                return Err(Failure::Diverged);
            }
            before = size;
        }
        Err(Failure::Diverged)
    }

    /// A Jacobian where there is none, and a factorisation that fits the step.
    fn prepare(&mut self, t_new: f64) -> std::result::Result<(), Failure> {
        if self.jacobian == Jacobian::Missing {
            self.statistics.jacobians += 1;
            self.flow.refresh(t_new, &self.predicted).map_err(Failure::NoValue)?;
            self.jacobian = Jacobian::Fresh;
            self.shift = None;
            self.rate = 1.0;
        }
        let c = self.h / alpha(self.order);
        if self.shift != Some(c) {
            // The rate of a frozen Jacobian grows at most like c.
            let growth = self.shift.map_or(1.0, |old| (c / old).max(1.0));
            self.shift = None;
            self.statistics.factorisations += 1;
            self.flow.factor(c).map_err(|r| self.blame(r))?;
            self.shift = Some(c);
            self.rate = (growth * self.rate).min(1.0);
        }
        Ok(())
    }

    /// With an old Jacobian the linear algebra gets a second chance.
    fn blame(&self, reject: Reject) -> Failure {
        match self.jacobian {
            Jacobian::Old => Failure::Diverged,
            _ => Failure::NoValue(reject),
        }
    }

    /// Moves the difference array to the end of the step, theory/integrators.md (7).
    fn accept(&mut self, t_new: f64, iterations: usize) {
        let (n, q) = (self.n, self.order);
        for start in (0..n).step_by(CHUNK) {
            let end = (start + CHUNK).min(n);
            let (low, high) = self.differences.split_at_mut((q + 2) * n);
            let next = &mut low[(q + 1) * n + start..(q + 1) * n + end];
            let second = &mut high[start..end];
            for ((next, second), d) in next.iter_mut().zip(second).zip(&self.correction[start..end]) {
                *second = d - *next;
                *next = *d;
            }
            for k in (0..=q).rev() {
                let (low, high) = self.differences.split_at_mut((k + 1) * n);
                for (x, d) in low[k * n + start..k * n + end].iter_mut().zip(&high[start..end]) {
                    *x += d;
                }
            }
        }
        self.t = t_new;
        self.equal_steps += 1;
        self.iterations = iterations;
        self.statistics.steps += 1;
        if self.jacobian == Jacobian::Fresh {
            self.jacobian = Jacobian::Old;
        }
    }

    /// Chooses the order and the step for what follows, theory/integrators.md (8).
    fn adapt(&mut self) {
        let (n, q) = (self.n, self.order);
        if self.equal_steps < q + 1 {
            return;
        }
        let row = |k: usize| norm(&self.differences[k * n..(k + 1) * n], &self.weights);
        let factor = |order: usize, k: usize| {
            (error_constant(order) * row(k)).max(1e-30).powf(-1.0 / (order + 1) as f64)
        };
        let mut best = (factor(q, q + 1), q);
        if q > 1 {
            let lower = factor(q - 1, q);
            if lower > best.0 {
                best = (lower, q - 1);
            }
        }
        if q < self.options.max_order {
            let higher = factor(q + 1, q + 2);
            if higher > best.0 {
                best = (higher, q + 1);
            }
        }
        let factor = (safety(self.iterations) * best.0).min(10.0).min(self.options.max_step / self.h);
        if best.1 == q && (1.0..1.2).contains(&factor) {
            return; // not worth a factorisation and a new history
        }
        self.order = best.1;
        self.rescale(factor.max(0.2));
    }

    /// Changes the spacing of the difference array to factor·h, theory/integrators.md (4).
    fn rescale(&mut self, factor: f64) {
        let (n, q) = (self.n, self.order);
        let transform = change(q, factor);
        let mut old = [[0.0; CHUNK]; MAX_ORDER + 1];
        for start in (0..n).step_by(CHUNK) {
            let end = (start + CHUNK).min(n);
            for (k, old) in old.iter_mut().enumerate().take(q + 1).skip(1) {
                old[..end - start].copy_from_slice(&self.differences[k * n + start..k * n + end]);
            }
            for i in 1..=q {
                let row = &mut self.differences[i * n + start..i * n + end];
                row.fill(0.0);
                for k in i..=q {
                    for (x, old) in row.iter_mut().zip(&old[k]) {
                        *x += transform[k][i] * old;
                    }
                }
            }
        }
        self.h *= factor;
        self.equal_steps = 0;
    }

    /// The same polynomial in the variables scale·(y − shift), theory/integrators.md (11).
    fn rebase(&mut self, scale: f64, shift: &[f64]) -> Result<()> {
        self.place().check_rebase(self.n, scale, shift)?;
        let (y, rest) = self.differences.split_at_mut(self.n);
        for (y, shift) in y.iter_mut().zip(shift) {
            *y = scale * (*y - shift);
        }
        rest.iter_mut().for_each(|d| *d *= scale);
        self.weights.iter_mut().for_each(|w| *w /= scale.abs());
        Ok(())
    }

    /// The flow changed the state.
    fn restart(&mut self, end: f64) -> Result<()> {
        let h = self.h;
        self.start(&(self.t..end))?;
        if self.h > h {
            self.h = h;
            self.first_difference();
        }
        Ok(())
    }

    /// Forgets the history within a step.
    fn restart_shorter(&mut self, factor: f64) -> Result<()> {
        evaluate(self.flow, self.t, &self.differences[..self.n], &mut self.rhs, &mut self.statistics)
            .map_err(|Reject(reason)| self.place().failed(reason))?;
        self.h *= factor;
        self.first_difference();
        Ok(())
    }
}

/// Below one, and smaller when Newton's iteration was slow.
fn safety(iterations: usize) -> f64 {
    0.9 * (2 * MAX_ITERATIONS + 1) as f64 / (2 * MAX_ITERATIONS + iterations) as f64
}

/// Lower triangular matrix T with new D_i = Σ_k T_ki D_k, theory/integrators.md (4).
fn change(order: usize, factor: f64) -> [[f64; MAX_ORDER + 1]; MAX_ORDER + 1] {
    let basis = |factor: f64| {
        let mut r = [[0.0; MAX_ORDER + 1]; MAX_ORDER + 1];
        r[0] = [1.0; MAX_ORDER + 1];
        for i in 1..=order {
            for j in 1..=order {
                r[i][j] = r[i - 1][j] * ((i - 1) as f64 - factor * j as f64) / i as f64;
            }
        }
        r
    };
    let (r, u) = (basis(factor), basis(1.0));
    let mut product = [[0.0; MAX_ORDER + 1]; MAX_ORDER + 1];
    for k in 1..=order {
        for i in 1..=order {
            product[k][i] = (1..=order).map(|j| r[k][j] * u[j][i]).sum();
        }
    }
    product
}
