//! The slow flow: the limit λ → 0 at fixed τ = λt for squared loss, in closed form up to one convex problem.
//!
//! The data are fitted at every τ > 0, and the weights minimise the potential of the decayed start
//! (`theory/diagonal.md`, equations 10 to 12):
//!
//! $$ w(\tau) = \arg\min\{Q_{e^{-\tau}u_0,\,e^{-\tau}v_0}(w) : Xw = y\}, \qquad
//!    X\,w(\tau, X^\top p) = y, $$
//!
//! with the same map from z = Xᵀp to w as the flow itself. Newton's method on this n-dimensional convex
//! dual, warm-started along τ. The true flow is O(λ) away; [`SlowFlow::distance`] measures it.

use ndarray::{Array1, Array2, ArrayView1};

use super::net::Net;
use super::{Init, Problem, Run, Snapshot};
use crate::error::{Error, Result, check};
use crate::linalg::{Engine, Threads, cholesky_solve};
use crate::loss::Loss;

/// Spacing of the warm starts in τ.
const SPACING: f64 = 0.25;

/// Weights that move by less than this part of the largest over so many nodes are at their limit.
const SETTLED: f64 = 1e-9;
const STEADY: usize = 4;

/// Longest horizon: e^{−τ} has underflowed long before, and w has been at its limit.
const LONGEST: f64 = 1e4;

/// Newton's steps at one τ: a slope changes by no more than a factor √e in one, and from a small start by e^{some hundred}.
const MOST_STEPS: usize = 2000;

/// Part of a bracket that a prediction may take.
const MOST_TAKEN: f64 = 0.9;

/// What is added to the diagonal of H, for each sample: the first that makes it positive.
const ROOM: [f64; 3] = [1e-15, 1e-13, 1e-11];

/// As in the dual flow: depth L ≥ 3 is counted anew once brackets have shrunk by e^{−this}.
const EPOCH: f64 = 0.5;

/// The path w(τ) on [0, τ_max], from the lazy solution (near minimum L2 norm for a large start) to the
/// limit of minimum L1 norm, weighted by u₀^{2−L} and v₀^{2−L} at depth L ≥ 3.
pub struct SlowFlow<'p> {
    problem: &'p Problem,
    threads: Threads,
    horizon: f64,
    /// One net an epoch (at depth 2 there is one).
    nets: Vec<Net>,
    /// At multiples of the spacing: the epoch, and p counted from its start.
    nodes: Vec<(usize, Vec<f64>)>,
    /// The last τ that was followed: the horizon, or where the weights were settled and what is left of the others had
    /// fallen below rounding.
    followed: f64,
}

impl<'p> SlowFlow<'p> {
    /// Follows the path from τ = 0 to `horizon`.
    ///
    /// # Errors
    /// A margin loss (its limit at fixed τ keeps no exact form), an invalid start or horizon, samples that
    /// are not linearly independent.
    ///
    /// ```
    /// use groktime::Loss;
    /// use groktime::data::Design;
    /// use groktime::diagonal::{Init, Problem, SlowFlow};
    /// let x = Design::new(ndarray::array![[1.0, 0.8]].view())?;
    /// let problem = Problem::new(x, vec![1.0], Loss::Squared)?;
    /// let slow = SlowFlow::new(&problem, &Init::Symmetric(10.0), 2, 30.0)?;
    /// let start = slow.snapshot(0.0)?.weights; // minimum L2 norm: x/‖x‖²
    /// assert!((start[0] - 1.0 / 1.64).abs() < 1e-4);
    /// let end = slow.snapshot(30.0)?.weights; // minimum L1 norm: the larger entry alone
    /// assert!((end[0] - 1.0).abs() < 1e-4 && end[1].abs() < 1e-4);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    pub fn new(problem: &'p Problem, init: &Init, depth: u32, horizon: f64) -> Result<SlowFlow<'p>> {
        if problem.loss != Loss::Squared {
            return Err(Error::Missing { wanted: "the slow flow", needs: "the squared loss" });
        }
        let n = problem.design.samples();
        crate::memory::check_array("the Newton matrix of the samples", &[3, n, n])?;
        check("depth", f64::from(depth), |l| l >= 2.0, "an integer of at least 2")?;
        let expected = format!("a positive number of at most {LONGEST}");
        check("horizon τ", horizon, |x| x > 0.0 && x <= LONGEST, &expected)?;
        init.validate(problem.design.dimension(), depth)?;
        let nets = vec![Net::new(init, depth, 1.0)];
        let mut slow =
            SlowFlow { problem, threads: Threads::All, horizon, nets, nodes: Vec::new(), followed: horizon };
        let refused = |e: Error| too_small(init, depth).filter(|_| !e.is_bad_input()).unwrap_or(e);
        let mut p = vec![0.0; problem.labels.len()];
        for k in 0..=(horizon / SPACING) as usize {
            let tau = k as f64 * SPACING;
            let net = &slow.nets[slow.nets.len() - 1];
            match slow.correct(net, tau, &mut p) {
                Err(Error::Numerical { .. }) if slow.is_settled() => {
                    slow.followed = (k - 1) as f64 * SPACING;
                    break;
                }
                done => done.map_err(refused)?,
            }
            if net.age(tau) > EPOCH {
                let next = net.rebased(tau, &slow.image(&p)).0;
                slow.nets.push(next);
                p.fill(0.0);
            }
            slow.nodes.push((slow.nets.len() - 1, p.clone()));
            match slow.tangent(&slow.nets[slow.nets.len() - 1], tau, &p) {
                Ok(step) => slow.predict(&slow.nets[slow.nets.len() - 1], &mut p, &step, SPACING),
                Err(Error::Numerical { .. }) if slow.is_settled() => {
                    slow.followed = tau;
                    break;
                }
                Err(e) => return Err(refused(e)),
            }
        }
        Ok(slow)
    }

    /// Whether the weights do not move any more, to within [`SETTLED`] of the largest over the last nodes.
    fn is_settled(&self) -> bool {
        let weights = |k: usize| {
            let (net, p) = (&self.nets[self.nodes[k].0], &self.nodes[k].1);
            let z = self.image(p);
            let mut weights = vec![0.0; z.len()];
            net.weights(k as f64 * SPACING, 0, &z, &mut weights);
            weights
        };
        let Some(last) = self.nodes.len().checked_sub(1).filter(|last| *last >= STEADY) else { return false };
        let (before, now) = (weights(last - STEADY), weights(last));
        let size = now.iter().fold(0.0_f64, |m, w| m.max(w.abs()));
        before.iter().zip(&now).all(|(a, b)| (a - b).abs() <= SETTLED * size)
    }

    /// The net at τ; `time` in the snapshot is τ.
    ///
    /// # Errors
    /// τ outside [0, horizon].
    pub fn snapshot(&self, tau: f64) -> Result<Snapshot> {
        let (net, p) = self.dual(tau)?;
        let z = self.image(&p);
        let mut weights = vec![0.0; z.len()];
        let followed = tau.min(self.followed);
        net.weights(followed, 0, &z, &mut weights);
        Ok(Snapshot::new(self.problem, self.threads, tau, weights, net.norm(followed, &z)))
    }

    /// The net of the epoch of τ, and the dual variable there.
    fn dual(&self, tau: f64) -> Result<(&Net, Vec<f64>)> {
        if tau > self.horizon {
            return Err(Error::PastHorizon { time: tau, horizon: self.horizon });
        }
        check("τ", tau, |t| t >= 0.0, "a number of at least 0")?;
        let tau = tau.min(self.followed);
        let k = ((tau / SPACING) as usize).min(self.nodes.len() - 1);
        let (net, mut p) = (&self.nets[self.nodes[k].0], self.nodes[k].1.clone());
        let (node, ahead) = (k as f64 * SPACING, tau - k as f64 * SPACING);
        if ahead > 0.0 {
            let step = self.tangent(net, node, &p)?;
            self.predict(net, &mut p, &step, ahead);
            self.correct(net, tau, &mut p)?;
        }
        Ok((net, p))
    }

    /// When coordinate k dies: the last τ with |w_k| ≥ `fraction`·‖w‖_∞, `None` if it is above at the
    /// horizon or never was.
    ///
    /// # Errors
    /// An index past the dimension, a fraction outside (0, 1).
    pub fn extinction(&self, k: usize, fraction: f64) -> Result<Option<f64>> {
        let d = self.problem.design.dimension();
        check("coordinate", k as f64, |k| k < d as f64, &format!("below the dimension {d}"))?;
        check("fraction", fraction, |x| x > 0.0 && x < 1.0, "between 0 and 1")?;
        let above =
            |w: ArrayView1<'_, f64>| w[k].abs() >= fraction * w.iter().fold(0.0_f64, |m, w| m.max(w.abs()));
        let alive = |tau: f64| -> Result<bool> { Ok(above(self.snapshot(tau)?.weights.view())) };
        if alive(self.horizon)? {
            return Ok(None);
        }
        let mut last = None;
        for j in 0..self.nodes.len() {
            if alive(j as f64 * SPACING)? {
                last = Some(j);
            }
        }
        let Some(j) = last else { return Ok(None) };
        let (mut lo, mut hi) = (j as f64 * SPACING, ((j + 1) as f64 * SPACING).min(self.horizon));
        while hi - lo > 1e-10 * hi {
            let middle = 0.5 * (lo + hi);
            if alive(middle)? { lo = middle } else { hi = middle }
        }
        Ok(Some(hi))
    }

    /// Largest ‖w_flow(t) − w(λt)‖₂ / ‖w(λt)‖₂ over the given flow times: O(λ) once the data are fitted.
    ///
    /// # Errors
    /// A time past either horizon.
    pub fn distance(&self, run: &Run<'_>, times: &[f64]) -> Result<f64> {
        let decay = run.settings().weight_decay;
        let mut worst = 0.0_f64;
        for &t in times {
            let slow = self.snapshot(decay * t)?.weights;
            let difference = &run.snapshot(t)?.weights - &slow;
            worst = worst.max((difference.dot(&difference) / slow.dot(&slow)).sqrt());
        }
        Ok(worst)
    }

    fn image(&self, p: &[f64]) -> Vec<f64> {
        let mut z = vec![0.0; self.problem.design.dimension()];
        self.problem.design.apply_transpose(p, &mut z, self.threads);
        z
    }

    /// Cholesky factor of H = X diag(∂w/∂z) Xᵀ, with D^{−½} of its diagonal taken out.
    fn hessian(&self, net: &Net, tau: f64, z: &[f64]) -> Result<(Array2<f64>, Array1<f64>)> {
        let mut slopes = vec![0.0; z.len()];
        net.slopes(tau, 0, z, &mut slopes);
        let mut h = self.problem.design.weighted_gram(&slopes, self.threads);
        let scale = h.diag().mapv(|x| 1.0 / x.sqrt());
        for ((i, j), entry) in h.indexed_iter_mut() {
            *entry *= scale[i] * scale[j];
        }
        if h.iter().all(|x| x.is_finite()) {
            // With fewer live coordinates than samples H is singular to rounding: a little is added back.
            for room in ROOM {
                let mut h = h.clone();
                h.diag_mut().iter_mut().for_each(|x| *x += room * scale.len() as f64);
                if let Ok(factor) = Engine::SEQUENTIAL.cholesky(h.view()) {
                    return Ok((factor, scale));
                }
            }
        }
        Err(self.singular(tau))
    }

    /// Why X diag(∂w/∂z) Xᵀ has no factor: the data, or the slopes.
    fn singular(&self, tau: f64) -> Error {
        let mut gram = self.problem.gram(self.threads).clone();
        let scale = gram.diag().mapv(|x| 1.0 / x.sqrt());
        for ((i, j), entry) in gram.indexed_iter_mut() {
            *entry *= scale[i] * scale[j];
        }
        let evidence = format!("X diag(∂w/∂z) Xᵀ is singular at τ = {tau}");
        match gram.iter().all(|x| x.is_finite()) && Engine::SEQUENTIAL.cholesky(gram.view()).is_ok() {
            true => Error::Numerical { method: "Newton's method of the slow flow", detail: evidence },
            false => Error::Matrix { name: "data", property: "of full row rank", evidence },
        }
    }

    /// dp/dτ = L·H⁻¹y.
    fn tangent(&self, net: &Net, tau: f64, p: &[f64]) -> Result<Vec<f64>> {
        let (factor, scale) = self.hessian(net, tau, &self.image(p))?;
        let depth = net.depth();
        let mut step: Vec<f64> = self.problem.labels.iter().zip(&scale).map(|(y, s)| depth * y * s).collect();
        cholesky_solve(factor.view(), &mut step);
        Ok(step.iter().zip(&scale).map(|(x, s)| x * s).collect())
    }

    /// p by the tangent, as far ahead as z stays in its domain (deeper than two it has an end).
    fn predict(&self, net: &Net, p: &mut [f64], step: &[f64], ahead: f64) {
        let depth = net.depth();
        let taken = match depth > 2.0 {
            true => {
                net.relative_step(&self.image(p), &self.image(step)) * (depth - 2.0) / (2.0 * depth - 2.0)
            }
            false => 0.0,
        };
        let length = ahead.min(MOST_TAKEN / taken);
        p.iter_mut().zip(step).for_each(|(p, s)| *p += length * s);
    }

    /// Newton's method for Xw(τ, Xᵀp) = y. A step changes no slope by more than a factor √e, which makes
    /// it decrease the convex dual.
    fn correct(&self, net: &Net, tau: f64, p: &mut [f64]) -> Result<()> {
        let labels = &self.problem.labels;
        let target = labels.iter().map(|y| y * y).sum::<f64>().sqrt();
        let mut z = self.image(p);
        let mut weights = vec![0.0; z.len()];
        let mut residual = vec![0.0; labels.len()];
        let mut best = f64::INFINITY;
        for _ in 0..MOST_STEPS {
            net.weights(tau, 0, &z, &mut weights);
            self.problem.design.apply(&weights, &mut residual, self.threads);
            residual.iter_mut().zip(labels).for_each(|(r, y)| *r = y - *r);
            let size = residual.iter().map(|r| r * r).sum::<f64>().sqrt();
            // Converged, or at the level of rounding.
            if size <= 1e-14 * target || (size <= 1e-10 * target && size >= 0.5 * best) {
                return Ok(());
            }
            best = best.min(size);
            let (factor, scale) = self.hessian(net, tau, &z)?;
            residual.iter_mut().zip(&scale).for_each(|(r, s)| *r *= s);
            cholesky_solve(factor.view(), &mut residual);
            residual.iter_mut().zip(&scale).for_each(|(r, s)| *r *= s);
            let dz = self.image(&residual);
            let length = (0.5 / net.relative_step(&z, &dz)).min(1.0);
            p.iter_mut().zip(&residual).for_each(|(p, d)| *p += length * d);
            z = self.image(p);
        }
        Err(Error::Numerical {
            method: "Newton's method of the slow flow",
            detail: format!(
                "residual {best:e} after {MOST_STEPS} steps at τ = {tau} (labels have norm {target})"
            ),
        })
    }
}

/// The refusal of a start from which Newton's method lost its digits: at depth L ≥ 3 z moves by u^{2−L}, by far more for
/// coordinates that have not grown than for those that have.
fn too_small(init: &Init, depth: u32) -> Option<Error> {
    let value = match init {
        Init::Symmetric(alpha) => alpha.abs(),
        Init::Each { u, v } => u.iter().chain(v).fold(f64::INFINITY, |m, x| m.min(x.abs())),
    };
    (depth >= 3 && value < 1.0).then(|| Error::Parameter {
        name: "size of the start",
        value,
        expected: format!(
            "for the slow flow at depth {depth} a larger one: in the fit from this one multipliers of coordinates that \
             have grown are below the rounding of those of others; a flow with decay has no such trouble"
        ),
    })
}
