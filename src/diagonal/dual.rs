//! The dual flow: 2d parameters in n unknowns (`theory/diagonal.md`, equations 4 to 7).
//!
//! $$ \dot p = -\kappa(t)\,\frac{\partial\mathcal L}{\partial f}(Xw), \qquad w = w(t, X^\top p), \qquad
//!    J = -\kappa\, D\,H, \quad D = \tfrac1n\operatorname{diag}(\ell''), \quad
//!    H = X \operatorname{diag}(\partial w/\partial z)\, X^\top. $$
//!
//! It is integrated in s = ln(1 + t/t₀), with t₀ the time scale of the first fit: p moves over many decades
//! of t, like ln t while margins grow, and a step can then be a fixed fraction of t.
//!
//! Implicit steps solve (I + cDH)x = b through the symmetric I + cD^{½}HD^{½}, which stays positive
//! definite when entries of D underflow (fitted samples of margin losses).

use ndarray::Array2;

use super::net::Net;
use super::{Problem, Settings};
use crate::data::design::Precision;
use crate::linalg::{Threads, cholesky_in_place, cholesky_solve_columns, symmetric_times};
use crate::ode::{Action, Flow, Reject, StiffFlow};

/// Epochs of depth L ≥ 3 end when the brackets have shrunk by e^{−this}.
const EPOCH: f64 = 0.5;

/// Below this relative spread of ∂w/∂z the Gram matrix of the data stands for H: Newton's iteration then
/// gains a factor of at least twenty a time.
const UNIFORM: f64 = 0.1;

/// Entries of the data below which one thread does the products.
const FEW: usize = 1 << 20;

/// Up to this ratio of the square roots of D one may divide by them.
const EVEN: f64 = 1e3;

/// Relative change of the rate after which the Newton matrix is factored anew.
const STALE: f64 = 0.1;

/// s = ln(1 + t/t₀).
#[derive(Clone, Copy, Debug)]
pub(super) struct LogClock {
    scale: f64,
}

impl LogClock {
    pub(super) fn s(self, t: f64) -> f64 {
        libm::log1p(t / self.scale)
    }

    pub(super) fn t(self, s: f64) -> f64 {
        self.scale * libm::expm1(s)
    }

    /// dt/ds.
    fn rate(self, s: f64) -> f64 {
        self.scale * libm::exp(s)
    }
}

pub(super) struct DualFlow<'a> {
    problem: &'a Problem,
    pub(super) clock: LogClock,
    threads: Threads,
    /// One net an epoch; the last is current.
    pub(super) nets: Vec<Net>,
    /// |p| at the end of the last epoch: what errors at the start of the next are compared with.
    reference: Vec<f64>,
    /// f of the last right-hand side, and of the last accepted step.
    outputs: Vec<f64>,
    settled: Vec<f64>,
    z: Vec<f64>,
    slopes: Vec<f64>,
    curvature_roots: Vec<f64>,
    /// H of the last refresh, and whether it is a multiple of XXᵀ.
    kernel: Array2<f64>,
    uniform: bool,
    /// Column by column: the Newton matrix, then its Cholesky factor.
    factor: Vec<f64>,
    image: Vec<f64>,
    /// s of the last right-hand side, t of the last refresh.
    now: f64,
    refreshed: f64,
    /// The rate that the factor was made with.
    factored: f64,
    shift: f64,
}

impl<'a> DualFlow<'a> {
    pub(super) fn new(problem: &'a Problem, settings: &Settings) -> DualFlow<'a> {
        let (n, d) = (problem.design.samples(), problem.design.dimension());
        DualFlow {
            problem,
            clock: LogClock { scale: 1.0 },
            // The bits are the same; waking a second thread takes longer than a small product.
            threads: if n * d < FEW { Threads::One } else { settings.threads },
            nets: vec![Net::new(&settings.init, settings.depth, settings.weight_decay)],
            reference: vec![0.0; n],
            outputs: vec![0.0; n],
            settled: vec![0.0; n],
            z: vec![0.0; d],
            slopes: vec![0.0; d],
            curvature_roots: vec![0.0; n],
            kernel: Array2::zeros((n, n)),
            uniform: true,
            factor: vec![0.0; n * n],
            image: vec![0.0; n],
            now: 0.0,
            refreshed: 0.0,
            factored: 0.0,
            shift: 0.0,
        }
    }

    /// Sets t₀ to the inverse of the trace of the Jacobian at the start.
    ///
    /// # Errors
    /// [`Reject`]: the start overflows.
    pub(super) fn set_clock(&mut self) -> Result<(), Reject> {
        let start = vec![0.0; self.problem.labels.len()];
        self.refresh(0.0, &start)?;
        self.settled.clone_from(&self.outputs);
        self.factor(0.0)?;
        let roots = self.curvature_roots.iter().zip(self.kernel.diag());
        let trace = self.factored * roots.map(|(root, k)| root * root * k).sum::<f64>();
        // A start that is fitted already has none: then the clock of the first step does.
        if trace.is_finite() && trace > 0.0 {
            self.clock = LogClock { scale: 1.0 / trace };
        }
        Ok(())
    }

    fn net(&self) -> &Net {
        &self.nets[self.nets.len() - 1]
    }

    /// f = Xw at (t, p).
    fn forward(&mut self, t: f64, p: &[f64]) -> Result<(), Reject> {
        let mut outputs = std::mem::take(&mut self.outputs);
        let net = self.net();
        self.problem.design.through(p, &mut outputs, self.threads, |first, z, w| net.weights(t, first, z, w));
        let finite = outputs.iter().all(|f| f.is_finite());
        self.outputs = outputs;
        if finite { Ok(()) } else { Err(Reject("the weights overflow or leave their domain")) }
    }
}

/// The least and the largest of positive numbers.
fn range(x: &[f64]) -> (f64, f64) {
    x.iter().fold((f64::INFINITY, 0.0), |(low, high), &x| (x.min(low), x.max(high)))
}

impl Flow for DualFlow<'_> {
    fn dimension(&self) -> usize {
        self.problem.labels.len()
    }

    fn rhs(&mut self, s: f64, p: &[f64], dp: &mut [f64]) -> Result<(), Reject> {
        let t = self.clock.t(s);
        self.now = s;
        self.forward(t, p)?;
        let rate = self.clock.rate(s) * self.net().dual_rate(t) / p.len() as f64;
        let loss = self.problem.loss;
        for ((dp, &f), &y) in dp.iter_mut().zip(&self.outputs).zip(&self.problem.labels) {
            *dp = -rate * loss.slope(f, y);
        }
        if dp.iter().all(|x| x.is_finite()) { Ok(()) } else { Err(Reject("the loss overflows")) }
    }

    fn sizes(&self, _s: f64, p: &[f64], sizes: &mut [f64]) {
        for ((size, p), reference) in sizes.iter_mut().zip(p).zip(&self.reference) {
            *size = p.abs().max(*reference);
        }
        let mean = sizes.iter().map(|s| s * s).sum::<f64>() / sizes.len() as f64;
        let floor = 0.1 * mean.sqrt();
        sizes.iter_mut().for_each(|s| *s = s.max(floor));
    }

    fn accepted(&mut self, s: f64, p: &mut [f64]) -> Action {
        self.settled.clone_from(&self.outputs);
        let t = self.clock.t(s);
        if self.net().age(t) < EPOCH {
            return Action::Continue;
        }
        self.problem.design.apply_transpose(p, &mut self.z, self.threads);
        let (next, scale) = self.net().rebased(t, &self.z);
        self.nets.push(next);
        for (reference, p) in self.reference.iter_mut().zip(p.iter()) {
            *reference = p.abs();
        }
        Action::Rebase { scale, shift: p.to_vec() }
    }
}

impl DualFlow<'_> {
    /// κ of (D8) in the variable s, times what ∂w/∂z has decayed by since the last refresh while it is
    /// uniform (later it stays where it matters: on the support z makes up for the decay).
    fn rate(&self) -> f64 {
        let t = self.clock.t(self.now);
        let net = self.net();
        let decay = if self.uniform {
            libm::exp(net.depth() * net.weight_decay() * (self.refreshed - t))
        } else {
            1.0
        };
        self.clock.rate(self.now) * net.dual_rate(t) * decay
    }

    /// Factors the Newton matrix with everything that is cheap to know at the last right-hand side; only
    /// the kernel H is of the last refresh.
    ///
    /// That right-hand side may be one of a step that went astray, where losses are anything. Then those of
    /// the last accepted step serve: the next attempt is shorter, and starts from there.
    fn decompose(&mut self) -> Result<(), Reject> {
        let outputs = std::mem::take(&mut self.outputs);
        let settled = std::mem::take(&mut self.settled);
        let result = self.factor_at(&outputs).or_else(|_| self.factor_at(&settled));
        (self.outputs, self.settled) = (outputs, settled);
        result
    }

    fn factor_at(&mut self, outputs: &[f64]) -> Result<(), Reject> {
        let samples = outputs.len() as f64;
        let (loss, labels) = (self.problem.loss, &self.problem.labels);
        for ((root, &f), &y) in self.curvature_roots.iter_mut().zip(outputs).zip(labels) {
            *root = (loss.curvature(f, y) / samples).sqrt();
        }
        self.factored = self.rate();
        let (shift, roots) = (self.shift * self.factored, &self.curvature_roots);
        let n = roots.len();
        let rows = self.kernel.as_slice_memory_order().unwrap_or_default().chunks_exact(n);
        for (j, (column, kernel)) in self.factor.chunks_exact_mut(n).zip(rows).enumerate() {
            let scale = shift * roots[j];
            for ((entry, root), kernel) in column[j..].iter_mut().zip(&roots[j..]).zip(&kernel[j..]) {
                *entry = scale * root * kernel;
            }
            column[j] += 1.0;
        }
        cholesky_in_place(&mut self.factor, n)
            .map_err(|_| Reject("the Newton matrix is not positive definite"))
    }
}

impl StiffFlow for DualFlow<'_> {
    fn refresh(&mut self, s: f64, p: &[f64]) -> Result<(), Reject> {
        let t = self.clock.t(s);
        self.forward(t, p)?;
        (self.now, self.refreshed) = (s, t);
        let design = &self.problem.design;
        design.apply_transpose(p, &mut self.z, self.threads);
        let net = &self.nets[self.nets.len() - 1];
        net.slopes(t, 0, &self.z, &mut self.slopes);
        let (low, high) = range(&self.slopes);
        if !(low.is_finite() && high.is_finite()) {
            return Err(Reject("the slopes of the weights overflow or leave their domain"));
        }
        self.uniform = high - low <= UNIFORM * high;
        if self.uniform {
            self.kernel.assign(self.problem.gram(self.threads));
            self.kernel *= 0.5 * (low + high);
        } else {
            // The Newton matrix alone: single precision is enough.
            design.weighted_gram_into(&mut self.kernel, Precision::Single, &self.slopes, self.threads);
        }
        Ok(())
    }

    fn factor(&mut self, shift: f64) -> Result<(), Reject> {
        self.shift = shift;
        self.decompose()
    }

    fn solve(&mut self, b: &mut [f64]) -> Result<(), Reject> {
        if (self.rate() / self.factored - 1.0).abs() > STALE {
            self.decompose()?;
        }
        let roots = &self.curvature_roots;
        let (low, high) = range(roots);
        if low * EVEN > high {
            // D^½(I + cD^½HD^½)⁻¹D^{−½}b subtracts nothing, where the form below loses the digits of c‖DH‖.
            b.iter_mut().zip(roots).for_each(|(b, root)| *b /= root);
            cholesky_solve_columns(&self.factor, b);
            b.iter_mut().zip(roots).for_each(|(b, root)| *b *= root);
            return Ok(());
        }
        symmetric_times(self.kernel.as_slice_memory_order().unwrap_or_default(), b, &mut self.image);
        self.image.iter_mut().zip(roots).for_each(|(image, root)| *image *= root);
        cholesky_solve_columns(&self.factor, &mut self.image);
        for ((b, image), root) in b.iter_mut().zip(&self.image).zip(roots) {
            *b -= self.shift * self.factored * root * image;
        }
        Ok(())
    }
}
