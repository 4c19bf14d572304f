//! A weighted L1 norm plus a separable convex function of the outputs, by a primal-dual interior point.
//!
//! $$\min_w \sum_k c^+_k w^+_k+c^-_k w^-_k+\sum_i\varphi_i((Xw)_i),\qquad
//! \max_\nu \sum_i\inf_f\bigl[\varphi_i(f)+\nu_if\bigr]\quad\text{s.t. } -c^-\le X^T\nu\le c^+ .$$
//!
//! Mehrotra's predictor and corrector on w = p − q, p, q ≥ 0; a step costs one n × n matrix X diag(D) Xᵀ and
//! a few passes over the data. See theory/limits.md (4) to (8).

use super::newton::{NormalMatrix, Rows, largest};
use crate::error::Result;
use crate::linalg::{Engine, cholesky_solve_columns, dot};
use crate::loss::Loss;

/// φ: what the outputs f = Xw have to do.
#[derive(Clone, Copy)]
pub(super) enum Fit<'a> {
    /// f = b, not all zero.
    Equal(&'a [f64]),
    /// f ≥ b > 0.
    AtLeast(&'a [f64]),
    /// The mean of a loss at these labels.
    Loss(Loss, &'a [f64]),
}

/// A problem: n outputs of d weights, c⁺ and c⁻ positive.
pub(super) struct Program<'a> {
    pub rows: Rows<'a>,
    pub plus: &'a [f64],
    pub minus: &'a [f64],
    pub fit: Fit<'a>,
}

/// w = p − q, their dual slacks c⁺ − Xᵀν and c⁻ + Xᵀν, s = f − b ≥ 0 (only for f ≥ b), and ν.
#[derive(Clone)]
pub(super) struct Point {
    pub p: Vec<f64>,
    pub q: Vec<f64>,
    pub slack_p: Vec<f64>,
    pub slack_q: Vec<f64>,
    pub s: Vec<f64>,
    pub nu: Vec<f64>,
}

pub(super) struct Ended {
    pub point: Point,
    pub iterations: usize,
    /// The dual grows past every bound: no w meets f ≥ b.
    pub unbounded: bool,
}

/// A change of a [`Point`]; `u` = XᵀΔν is what leaves slack_p and enters slack_q.
struct Direction {
    p: Vec<f64>,
    q: Vec<f64>,
    u: Vec<f64>,
    s: Vec<f64>,
    nu: Vec<f64>,
}

/// Relative gap and infeasibility at which the iteration ends; [`super::polish`] does the rest.
const TOLERANCE: f64 = 1e-10;
const MAX_ITERATIONS: usize = 80;
/// A dual this many times larger than a bound from one sample alone is called unbounded.
const UNBOUNDED: f64 = 1e10;
/// Steps without a smaller error after which rounding is taken to be the reason.
const PATIENCE: usize = 5;
/// Part of the way to the boundary that a step goes at most.
const FRACTION: f64 = 0.99;

impl Point {
    pub fn weights(&self) -> Vec<f64> {
        self.p.iter().zip(&self.q).map(|(p, q)| p - q).collect()
    }

    /// Mean product of the complementary pairs.
    fn centrality(&self) -> f64 {
        let products = dot(&self.p, &self.slack_p) + dot(&self.q, &self.slack_q) + self.samples_product();
        products / (2 * self.p.len() + self.s.len()) as f64
    }

    /// Σ s ν, zero without s.
    fn samples_product(&self) -> f64 {
        dot(&self.s, &self.nu)
    }
}

impl Fit<'_> {
    /// The output at which −φ' is ν, for AtLeast without its slack.
    fn level(&self, i: usize, nu: f64) -> f64 {
        match self {
            Fit::Equal(b) | Fit::AtLeast(b) => b[i],
            Fit::Loss(loss, y) => loss.output(nu, y[i], y.len()),
        }
    }

    /// inf over f of φ(f) + νf.
    pub fn dual(&self, i: usize, nu: f64) -> f64 {
        match self {
            Fit::Equal(b) | Fit::AtLeast(b) => nu * b[i],
            Fit::Loss(loss, y) => loss.dual(nu, y[i], y.len()),
        }
    }

    fn value(&self, outputs: &[f64]) -> f64 {
        match self {
            Fit::Equal(_) | Fit::AtLeast(_) => 0.0,
            Fit::Loss(loss, y) => loss.mean(outputs, y),
        }
    }
}

impl Program<'_> {
    /// c⁺ᵀw⁺ + c⁻ᵀw⁻.
    pub fn weighted_norm(&self, w: &[f64]) -> f64 {
        let costs = self.plus.iter().zip(self.minus);
        w.iter().zip(costs).map(|(&w, (plus, minus))| if w > 0.0 { plus * w } else { -minus * w }).sum()
    }

    pub fn objective(&self, w: &[f64], outputs: &[f64]) -> f64 {
        self.weighted_norm(w) + self.fit.value(outputs)
    }

    pub fn dual_objective(&self, nu: &[f64]) -> f64 {
        nu.iter().enumerate().map(|(i, &nu)| self.fit.dual(i, nu)).sum()
    }

    /// max_k of (Xᵀν)_k / c_k, with c⁺ for positive and c⁻ for negative ones: at most 1 where ν is feasible.
    pub fn dual_norm(&self, image: &[f64]) -> f64 {
        let costs = self.plus.iter().zip(self.minus);
        image.iter().zip(costs).fold(0.0, |m, (&s, (plus, minus))| m.max(s / plus).max(-s / minus))
    }

    pub fn solve(&self) -> Result<Ended> {
        let (mut point, unit) = self.start()?;
        let mut best = (f64::INFINITY, point.clone());
        let (mut stalled, mut without_progress) = (0, 0);
        let mut iterations = 0;
        while iterations < MAX_ITERATIONS && stalled < 3 && without_progress < PATIENCE {
            let outputs = self.rows.apply(&point.weights());
            let residual = self.residual(&point, &outputs);
            let costs = dot(self.plus, &point.p) + dot(self.minus, &point.q);
            let objective = costs + self.fit.value(&outputs);
            let dual = self.dual_objective(&point.nu);
            if matches!(self.fit, Fit::AtLeast(_)) && dual > UNBOUNDED * unit {
                return Ok(Ended { point, iterations, unbounded: true });
            }
            let gap = (objective - dual).abs() / objective.abs().max(f64::MIN_POSITIVE);
            let error = gap.max(largest(&residual) / self.output_scale(&outputs));
            // Near the end rounding decides; far from it the error need not fall in each step.
            without_progress = if error < best.0 || best.0 > 1e-5 { 0 } else { without_progress + 1 };
            if error < best.0 {
                best = (error, point.clone());
            }
            if error <= TOLERANCE {
                break;
            }
            let length = self.step(&mut point, &residual)?;
            stalled = if length < 1e-3 { stalled + 1 } else { 0 };
            iterations += 1;
        }
        Ok(Ended { point: best.1, iterations, unbounded: false })
    }

    /// How large outputs are.
    pub fn output_scale(&self, outputs: &[f64]) -> f64 {
        match self.fit {
            Fit::Equal(b) | Fit::AtLeast(b) => largest(b),
            Fit::Loss(Loss::Squared, y) => largest(y),
            Fit::Loss(..) => largest(outputs).max(1.0),
        }
    }

    /// What X(p − q) − s lacks.
    fn residual(&self, point: &Point, outputs: &[f64]) -> Vec<f64> {
        let mut residual: Vec<f64> =
            outputs.iter().enumerate().map(|(i, f)| self.fit.level(i, point.nu[i]) - f).collect();
        residual.iter_mut().zip(&point.s).for_each(|(r, s)| *r += s);
        residual
    }

    /// One step of predictor and corrector; the longer of its primal and its dual part.
    fn step(&self, point: &mut Point, residual: &[f64]) -> Result<f64> {
        let d = self.plus.len();
        let weight = |k: usize| point.p[k] / point.slack_p[k] + point.q[k] / point.slack_q[k];
        let weights: Vec<f64> = (0..d).map(weight).collect();
        let diagonal: Vec<f64> = point
            .nu
            .iter()
            .enumerate()
            .map(|(i, &nu)| match self.fit {
                Fit::Equal(_) => 0.0,
                Fit::AtLeast(_) => point.s[i] / nu,
                Fit::Loss(loss, y) => loss.output_slope(nu, y[i], y.len()),
            })
            .collect();
        let matrix = NormalMatrix::new(&self.rows, &weights, &diagonal)?;
        let predictor = self.direction(point, &matrix, residual, 0.0, None);
        let (primal, dual) = self.lengths(point, &predictor);
        let mut trial = point.clone();
        trial.advance(&predictor, primal.min(1.0), dual.min(1.0));
        let mu = point.centrality();
        let centring = (trial.centrality() / mu).clamp(0.0, 1.0).powi(3);
        drop(trial);
        let mut change = self.direction(point, &matrix, residual, centring * mu, Some(&predictor));
        let (mut primal, mut dual) = self.lengths(point, &change);
        let curved = matches!(self.fit, Fit::Loss(..));
        if primal.min(dual) < 0.1 && !curved {
            // The predictor leads astray: towards the centre instead. (Not for a loss, where what binds is
            // mostly the end of the multipliers' interval, and the centre is no way out.)
            let centre = self.direction(point, &matrix, residual, 0.5 * mu, None);
            let lengths = self.lengths(point, &centre);
            if lengths.0.min(lengths.1) > primal.min(dual) {
                (primal, dual) = lengths;
                change = centre;
            }
        }
        (primal, dual) = ((FRACTION * primal).min(1.0), (FRACTION * dual).min(1.0));
        if curved {
            (primal, dual) = (primal.min(dual), primal.min(dual));
        }
        point.advance(&change, primal, dual);
        Ok(primal.max(dual))
    }

    /// The Newton direction towards complementary products of `target`, less the second-order part that
    /// the predictor shows.
    fn direction(
        &self,
        point: &Point,
        matrix: &NormalMatrix<'_, '_>,
        residual: &[f64],
        target: f64,
        predictor: Option<&Direction>,
    ) -> Direction {
        let d = self.plus.len();
        let (mut p, mut q) = (vec![0.0; d], vec![0.0; d]);
        for k in 0..d {
            let second = predictor.map_or((0.0, 0.0), |a| (a.p[k] * a.u[k], -a.q[k] * a.u[k]));
            p[k] = (target + second.0) / point.slack_p[k] - point.p[k];
            q[k] = (target + second.1) / point.slack_q[k] - point.q[k];
        }
        let mut s: Vec<f64> = point
            .s
            .iter()
            .enumerate()
            .map(|(i, s)| {
                let second = predictor.map_or(0.0, |a| a.s[i] * a.nu[i]);
                (target - second) / point.nu[i] - s
            })
            .collect();
        let drift: Vec<f64> = p.iter().zip(&q).map(|(p, q)| p - q).collect();
        let mut nu = self.rows.apply(&drift);
        nu.iter_mut().zip(residual).for_each(|(nu, r)| *nu = r - *nu);
        nu.iter_mut().zip(&s).for_each(|(nu, s)| *nu += s);
        let nu = matrix.solve(&nu);
        let u = self.rows.transpose(&nu);
        for k in 0..d {
            p[k] += point.p[k] / point.slack_p[k] * u[k];
            q[k] -= point.q[k] / point.slack_q[k] * u[k];
        }
        for (i, s) in s.iter_mut().enumerate() {
            *s -= point.s[i] / point.nu[i] * nu[i];
        }
        Direction { p, q, u, s, nu }
    }

    /// How far the primal and the dual variables may go.
    fn lengths(&self, point: &Point, along: &Direction) -> (f64, f64) {
        let down = |x: &[f64], dx: &[f64], sign: f64| {
            let pairs = x.iter().zip(dx).filter(|(_, dx)| sign * **dx < 0.0);
            pairs.fold(f64::INFINITY, |m, (x, dx)| m.min(-x / (sign * dx)))
        };
        let primal = down(&point.p, &along.p, 1.0).min(down(&point.q, &along.q, 1.0));
        let primal = primal.min(down(&point.s, &along.s, 1.0));
        let mut dual = down(&point.slack_p, &along.u, -1.0).min(down(&point.slack_q, &along.u, 1.0));
        for (i, (&nu, &change)) in point.nu.iter().zip(&along.nu).enumerate() {
            let (low, high) = match self.fit {
                Fit::Equal(_) => break,
                Fit::AtLeast(_) => (0.0, f64::INFINITY),
                Fit::Loss(loss, y) => loss.multipliers(y[i], y.len()),
            };
            let end = if change < 0.0 { low } else { high };
            if change != 0.0 {
                dual = dual.min((end - nu) / change);
            }
        }
        (primal, dual)
    }

    /// A start inside all bounds, and a lower bound on the objective from one sample alone (AtLeast).
    fn start(&self) -> Result<(Point, f64)> {
        let (n, d) = (self.rows.count(), self.rows.dimension());
        let mut w = vec![0.0; d];
        let mut s = Vec::new();
        let mut unit = 0.0;
        let mut nu = vec![0.0; n];
        let norm;
        match self.fit {
            Fit::Equal(b) | Fit::AtLeast(b) => {
                let inequality = matches!(self.fit, Fit::AtLeast(_));
                let weights: Vec<f64> =
                    self.plus.iter().zip(self.minus).map(|(a, b)| 4.0 / (a + b).powi(2)).collect();
                let (coefficients, size) = self.least_norm(&weights, b)?;
                // Zero data leave it zero: the dual is unbounded at once.
                unit = if size > 0.0 { largest(b) / size } else { 0.0 };
                // Twice b leaves room above it.
                let scale = if inequality { 2.0 } else { 1.0 };
                w = self.rows.transpose(&coefficients);
                w.iter_mut().zip(&weights).for_each(|(w, weight)| *w *= scale * weight);
                if inequality {
                    let outputs = self.rows.apply(&w);
                    s = outputs.iter().zip(b).map(|(f, b)| (f - b).max(0.5 * b)).collect();
                    nu.fill(1.0);
                    let image = self.dual_norm(&self.rows.transpose(&nu));
                    nu.fill(0.5 / image.max(1e-3 * size).max(1e-100));
                }
                norm = self.weighted_norm(&w).max(unit);
            }
            Fit::Loss(loss, y) => {
                for (nu, &y) in nu.iter_mut().zip(y) {
                    *nu = loss.multiplier(0.0, y, n);
                }
                let image = self.dual_norm(&self.rows.transpose(&nu));
                if image > 0.5 {
                    nu.iter_mut().for_each(|nu| *nu *= 0.5 / image);
                }
                norm = loss.mean(&vec![0.0; n], y).max(f64::MIN_POSITIVE);
            }
        }
        let image = self.rows.transpose(&nu);
        let room = norm / (2 * d) as f64;
        let part = |sign: f64, c: &[f64]| -> Vec<f64> {
            w.iter().zip(c).map(|(w, c)| (sign * w).max(0.0) + room / c).collect()
        };
        let slack = |sign: f64, c: &[f64]| -> Vec<f64> {
            image.iter().zip(c).map(|(image, c)| c - sign * image).collect()
        };
        let (p, q) = (part(1.0, self.plus), part(-1.0, self.minus));
        let (slack_p, slack_q) = (slack(1.0, self.plus), slack(-1.0, self.minus));
        Ok((Point { p, q, slack_p, slack_q, s, nu }, unit))
    }

    /// About (X diag(weights) Xᵀ)⁻¹ b, and the largest √G_ii of that matrix.
    fn least_norm(&self, weights: &[f64], b: &[f64]) -> Result<(Vec<f64>, f64)> {
        let n = b.len();
        let design = self.rows.design;
        let even = weights.iter().all(|w| *w == weights[0]);
        let gram = match even {
            true => design.gram(self.rows.threads) * weights[0],
            false => design.weighted_gram(weights, self.rows.threads),
        };
        let mut gram = self.rows.congruent(gram)?;
        let size = gram.diag().iter().fold(0.0_f64, |m, g| m.max(*g));
        if size == 0.0 {
            return Ok((vec![0.0; n], 0.0));
        }
        gram.diag_mut().mapv_inplace(|g| g + 1e-10 * size);
        let factor: Vec<f64> = Engine::SEQUENTIAL.cholesky(gram.view())?.t().iter().copied().collect();
        let mut coefficients = b.to_vec();
        cholesky_solve_columns(&factor, &mut coefficients);
        Ok((coefficients, size.sqrt()))
    }
}

impl Point {
    fn advance(&mut self, along: &Direction, primal: f64, dual: f64) {
        let add = |x: &mut [f64], dx: &[f64], t: f64| x.iter_mut().zip(dx).for_each(|(x, dx)| *x += t * dx);
        add(&mut self.p, &along.p, primal);
        add(&mut self.q, &along.q, primal);
        add(&mut self.s, &along.s, primal);
        add(&mut self.slack_p, &along.u, -dual);
        add(&mut self.slack_q, &along.u, dual);
        add(&mut self.nu, &along.nu, dual);
    }
}
