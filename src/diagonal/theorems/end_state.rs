//! The objective 𝓛 + (λ/2)‖θ‖² along a run, and where it ends at fixed weight decay.

use super::catalogue;
use ndarray::Array2;

use super::facts::{Facts, ln_norm, statement};
use crate::error::Result;
use crate::limits::{Regularised, regularised};
use crate::linalg::Engine;
use crate::theorem::{Claim, Form, Hypothesis, Judged, Side, Standing};

/// What may be left of the gradient a few 1/λ after the transition, relative to λ‖θ‖.
const NEARLY_STATIONARY: f64 = 0.05;

/// Relaxation times of the slowest coordinate that the end state is given.
const RELAXED: f64 = 20.0;

/// Up to so many coordinates on the support the slowest is found.
const MOST_SUPPORT: usize = 400;

/// 𝓛 + (λ/2)‖θ‖² and its gradient, with their errors.
pub(super) struct Objective {
    pub(super) value: f64,
    pub(super) value_error: f64,
    /// ‖∇𝓛_λ‖.
    pub(super) gradient: f64,
    pub(super) gradient_error: f64,
    /// ‖θ‖.
    pub(super) norm: f64,
    /// ‖Xᵀρ‖_∞, the largest slope of the training loss in a weight.
    pub(super) slope: f64,
}

impl Objective {
    /// ε of (D22).
    pub(super) fn residual(&self, lambda: f64) -> f64 {
        self.gradient / (lambda * self.norm)
    }
}

impl Facts<'_, '_> {
    pub(super) fn objective(&self, t: f64) -> Result<Objective> {
        let t = self.clamped(t);
        let state = self.state(t)?;
        let error = self.error(t);
        let problem = self.run.problem();
        let y = problem.labels();
        let (u, v) = self.run.parameters(t)?;
        let slope_of = |(&f, &y): (&f64, &f64)| self.loss.slope(f, y) / self.n;
        let rho: Vec<f64> = state.outputs.iter().zip(y).map(slope_of).collect();
        let mut g = vec![0.0; u.len()];
        problem.design().apply_transpose(&rho, &mut g, self.threads);
        let (l, lambda) = (self.depth, self.lambda);
        let push = |x: f64, g: f64| lambda * x + l * libm::pow(x, l - 1.0) * g;
        // Both parts of a push move with ln u, and g with the outputs.
        let moved = |x: f64, g: f64| lambda * x + l * (l - 1.0) * libm::pow(x, l - 1.0) * g.abs();
        let norm_of = |f: &dyn Fn(f64, f64) -> f64, sign: f64| {
            let rows = u.iter().zip(&v).zip(&g);
            libm::exp(ln_norm(rows.flat_map(|((&u, &v), &g)| [f(u, g), f(v, sign * g)])))
        };
        let norm = libm::exp(ln_norm(u.iter().chain(&v).copied()));
        let largest = u.iter().chain(&v).fold(0.0_f64, |m, x| m.max(*x));
        let curvature = state.outputs.iter().zip(y).map(|(&f, &y)| self.loss.curvature(f, y) / self.n);
        let of_outputs = l
            * libm::pow(largest, l - 1.0)
            * (2.0 * self.n * self.norms().iter().map(|x| x * x).sum::<f64>()).sqrt()
            * curvature.fold(0.0, f64::max)
            * error.outputs;
        let loss = libm::exp(state.ln_loss);
        let of_loss = match loss * libm::expm1(error.ln_train_loss) {
            // Below its own error the loss is known to within the errors of the outputs only.
            unknown if unknown.is_infinite() => self.slope_norm(&rho) * error.outputs + error.outputs.powi(2),
            known => known,
        };
        Ok(Objective {
            value: loss + 0.5 * lambda * norm * norm,
            value_error: of_loss
                + lambda * norm * norm * error.parameters
                + 1e-14 * (loss + lambda * norm * norm),
            gradient: norm_of(&push, -1.0),
            gradient_error: norm_of(&moved, -1.0) * (error.parameters + 1e-14) + of_outputs,
            norm,
            slope: g.iter().fold(0.0, |m, g| g.abs().max(m)),
        })
    }

    fn slope_norm(&self, rho: &[f64]) -> f64 {
        rho.iter().map(|r| r.abs()).sum()
    }

    /// The end state at fixed λ. At depth 2 the objective ends at the minimum of 𝓛 + (λ/2)‖w‖₁; at depth
    /// L ≥ 3 it is some stationary point.
    pub(super) fn end_state(&self) -> Result<Judged> {
        let late = self.lambda * self.horizon - self.ln_alpha.max(0.0);
        let hypotheses = vec![
            self.symmetric(),
            self.decays(),
            Hypothesis::at_least("λ·horizon − ln⁺α ≥ 8", late, 8.0),
            Hypothesis::fact("n·d within the limit of work", self.small.then_some(true)),
        ];
        if self.depth == 2.0 { self.convex_end(hypotheses) } else { self.stationary_end(hypotheses) }
    }

    /// Depth L ≥ 3: the gradient has all but vanished against its parts, at a stationary point other than 0 of
    /// the size λ·max(‖θ‖, r₀) (`theory/diagonal.md`, (D28)), in a net that has long been where it is: the
    /// slowest direction of the Hessian has had its time since.
    fn stationary_end(&self, mut hypotheses: Vec<Hypothesis>) -> Result<Judged> {
        let (mut measured, mut rounding, mut settled) = (f64::NAN, 0.0, f64::NAN);
        if hypotheses.iter().all(|h| h.standing == Standing::Holds) {
            let end = self.objective(self.horizon)?;
            let least = libm::pow(self.lambda / (self.depth * end.slope), 1.0 / (self.depth - 2.0));
            let size = self.lambda * end.norm.max(least);
            measured = if end.gradient == 0.0 { 0.0 } else { end.gradient / size };
            rounding = if measured == 0.0 { 0.0 } else { end.gradient_error / size };
            settled = self.least_curvature()? * (self.horizon - self.last_moved(&end)?);
        }
        hypotheses.push(Hypothesis::at_least("μ·(time since 𝓛_λ was 1% above its end) ≥ 8", settled, 8.0));
        let s = statement(
            &catalogue::END_STATE_DEEP,
            Form::Derived,
            "‖∇𝓛_λ‖/(λ·max(‖θ‖, r₀)) at the horizon",
            Side::Equal,
            Claim::Scalar(0.0),
            hypotheses,
        );
        Ok(s.judge(measured, NEARLY_STATIONARY + rounding))
    }

    /// μ at depth L ≥ 3: the least eigenvalue of the Hessian of 𝓛_λ in θ at the horizon (negative at a saddle),
    /// λ + L(L−1)diag(u^{L−2}g, −v^{L−2}g) + L²B·Xᵀdiag(ℓ″/n)X·Bᵀ with B = (diag u^{L−1}, −diag v^{L−1}). NaN in
    /// more than [`MOST_SUPPORT`] parameters.
    fn least_curvature(&self) -> Result<f64> {
        let problem = self.run.problem();
        let (x, y, l) = (problem.design(), problem.labels(), self.depth);
        let (u, v) = self.run.parameters(self.horizon)?;
        let d = u.len();
        if 2 * d > MOST_SUPPORT {
            return Ok(f64::NAN);
        }
        let outputs = &self.state(self.horizon)?.outputs;
        let slopes: Vec<f64> = outputs.iter().zip(y).map(|(&f, &y)| self.loss.slope(f, y) / self.n).collect();
        let mut g = vec![0.0; d];
        x.apply_transpose(&slopes, &mut g, self.threads);
        let signed = |j: usize| if j < d { (u[j], 1.0) } else { (v[j - d], -1.0) };
        let rows = Array2::from_shape_fn((y.len(), 2 * d), |(i, j)| {
            let (p, sign) = signed(j);
            let curvature = (self.loss.curvature(outputs[i], y[i]) / self.n).sqrt();
            sign * l * libm::pow(p, l - 1.0) * x.entry(i, j % d) * curvature
        });
        let mut hessian = Engine::SEQUENTIAL.gram(rows.t());
        for j in 0..2 * d {
            let (p, sign) = signed(j);
            hessian[(j, j)] += self.lambda + sign * l * (l - 1.0) * libm::pow(p, l - 2.0) * g[j % d];
        }
        Ok(Engine::SEQUENTIAL.eigh(hessian.view())?.values[0])
    }

    /// The last time looked at with 𝓛_λ more than 1% above its value at the horizon; the next one, at which it
    /// is not.
    fn last_moved(&self, end: &Objective) -> Result<f64> {
        for pair in self.times.windows(2).rev() {
            if self.objective(pair[0])?.value > 1.01 * end.value {
                return Ok(pair[1]);
            }
        }
        Ok(0.0)
    }

    /// Depth 2. The coordinates off the support that are dying still add to ‖θ‖² and are allowed for; those on it
    /// relax at the rates of the Hessian there, and have to have had the time (`theory/diagonal.md`, (D29)).
    fn convex_end(&self, mut hypotheses: Vec<Hypothesis>) -> Result<Judged> {
        let (mut measured, mut dying, mut rounding) = (f64::NAN, f64::NAN, 0.0);
        let (mut relaxed, mut solved) = (f64::NAN, None);
        if hypotheses.iter().all(|h| h.standing == Standing::Holds) {
            let problem = self.run.problem();
            let end =
                regularised(problem.design(), problem.labels(), self.loss, self.lambda, self.threads).ok();
            solved = end.as_ref().map(|_| true);
            if let Some(end) = end {
                let (u, v) = self.run.parameters(self.horizon)?;
                let mut squares: Vec<f64> = u.iter().zip(&v).map(|(u, v)| u * u + v * v).collect();
                end.support.iter().for_each(|&k| squares[k] = 0.0);
                let objective = self.objective(self.horizon)?;
                let best = end.report.objective;
                measured = objective.value / best;
                // g_k w_k adds at most as much again.
                dying = self.lambda * squares.iter().sum::<f64>() / best;
                rounding = objective.value_error / best + end.report.gap.abs() + 1e-12;
                relaxed = match self.slowest(&end)? {
                    // A face of minima has directions in which nothing relaxes.
                    _ if end.report.unique != Some(true) => 0.0,
                    Some(rate) => rate.max(0.0) * (self.horizon - self.last_dormant(&end)?).max(0.0),
                    None => f64::INFINITY,
                };
            }
        }
        hypotheses.push(Hypothesis::fact("the minimum is computed", solved));
        hypotheses.push(Hypothesis::at_most("dying coordinates ≤ 1% of the objective", dying, 0.01));
        hypotheses.push(Hypothesis::at_least("μ·(time on the support) ≥ 20", relaxed, RELAXED));
        let s = statement(
            &catalogue::END_STATE,
            Form::Derived,
            "𝓛_λ at the horizon over min 𝓛 + (λ/2)‖w‖₁",
            Side::Equal,
            Claim::Scalar(1.0),
            hypotheses,
        );
        Ok(s.judge(measured, dying + libm::exp(-relaxed) + rounding))
    }

    /// μ: the least eigenvalue of the Hessian of 𝓛_λ in the parameters on the support at the minimum,
    /// 4S^½X_SᵀDX_SS^½ with S = diag|w| and D = diag(ℓ″)/n; None on an empty support, NaN on one too large.
    fn slowest(&self, end: &Regularised) -> Result<Option<f64>> {
        let problem = self.run.problem();
        let (x, y, support) = (problem.design(), problem.labels(), &end.support);
        if support.is_empty() {
            return Ok(None);
        }
        if support.len() > MOST_SUPPORT.min(y.len()) {
            // More coordinates than samples: some do not relax at all.
            return Ok(Some(if support.len() > MOST_SUPPORT { f64::NAN } else { 0.0 }));
        }
        let mut outputs = vec![0.0; y.len()];
        x.apply(end.weights.as_slice().unwrap_or(&[]), &mut outputs, self.threads);
        let rows = Array2::from_shape_fn((y.len(), support.len()), |(i, a)| {
            let k = support[a];
            let curvature = self.loss.curvature(outputs[i], y[i]) / self.n;
            2.0 * x.entry(i, k) * (curvature * end.weights[k].abs()).sqrt()
        });
        let hessian = Engine::SEQUENTIAL.gram(rows.t());
        Ok(Some(Engine::SEQUENTIAL.eigh(hessian.view())?.values[0]))
    }

    /// The first time looked at from which on all coordinates of the support have at least half of their weight.
    fn last_dormant(&self, end: &Regularised) -> Result<f64> {
        let alive = |w: &[f64]| {
            end.support.iter().all(|&k| 2.0 * w[k] * end.weights[k].signum() >= end.weights[k].abs())
        };
        let mut since = f64::INFINITY;
        for &t in self.times.iter().rev() {
            if !alive(&self.state(t)?.weights) {
                break;
            }
            since = t;
        }
        Ok(since)
    }
}
