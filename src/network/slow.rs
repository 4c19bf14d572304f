//! The slow flow of a homogeneous net: the limit λ → 0 at fixed τ = λt for squared loss.
//!
//! Once the data are fitted, decay moves the net along the set {f = y} (`theory/network.md`, (N12)):
//!
//! $$ \frac{d\theta}{d\tau} = -\theta + L\,\Phi K^{-1} y, $$
//!
//! the gradient flow of ½‖θ‖² on that set, not stiff; a deviation from it dies like e^{−Lτ}. The flow at a
//! given λ is O(λ) away.

use super::criterion::{Criterion, Rows};
use super::flow::{FlowSettings, NetFlow};
use super::observe::norm;
use super::pass::{Prepared, Workspace};
use super::sample::Targets;
use super::tangent::kernel;
use super::{Net, Sample};
use crate::error::{Error, Result, check};
use crate::linalg::{Engine, Threads, cholesky_solve};
use crate::ode::{Action, Flow, Options, Path, Reject, StiffFlow, bdf, dop853};

/// The curve θ(τ) on [0, τ_max].
pub struct SlowFlow<'a> {
    net: &'a Net,
    horizon: f64,
    path: Path,
}

impl<'a> SlowFlow<'a> {
    /// From the initial θ: first the fast phase, the gradient flow with λ = 0 to its limit on {f = y}, then
    /// the slow flow to `horizon` in τ.
    ///
    /// ```
    /// use groktime::network::{Activation, Bias, Init, Law, Net, Sample, SlowFlow};
    /// let net = Net::new(&[4, 12, 1], Activation::Quadratic, Bias::None)?;
    /// let x = ndarray::array![[1.0, 0.5, -0.3, 0.2], [0.1, -1.0, 0.4, 0.6]];
    /// let sample = Sample::values(x.view(), ndarray::array![[1.0], [-0.5]].view());
    /// let init = Init { law: Law::Gaussian(vec![0.8, 0.8]), ..Init::default() };
    /// let slow = SlowFlow::new(&net, &sample, &net.init(&init, 3)?, 2.0, 1e-8)?;
    /// let (start, end) = (slow.parameters(0.0)?, slow.parameters(2.0)?);
    /// let square = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>();
    /// assert!(square(&end) < square(&start)); // ‖θ‖ falls along the set
    /// let f = net.outputs_of(&end, &sample.inputs)?;
    /// assert!((f[(0, 0)] - 1.0).abs() < 1e-6 && (f[(1, 0)] + 0.5).abs() < 1e-6);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    ///
    /// # Errors
    /// A net that is not homogeneous, targets that are not real values, a fast phase that does not fit the
    /// data, a tangent kernel that becomes singular.
    pub fn new(
        net: &'a Net,
        sample: &Sample,
        theta: &[f64],
        horizon: f64,
        rtol: f64,
    ) -> Result<SlowFlow<'a>> {
        check("horizon", horizon, |x| x > 0.0, "a positive τ")?;
        check("rtol", rtol, |x| (1e-12..=1e-3).contains(&x), "between 1e-12 and 1e-3")?;
        let mut flow = Slow::new(net, sample)?;
        let start = flow.fitted(sample, theta, rtol)?;
        let options = Options { rtol, ..Options::default() };
        let solution = dop853(&mut flow, 0.0..horizon, &start, &options)?;
        Ok(SlowFlow { net, horizon, path: solution.path })
    }

    /// θ(τ).
    ///
    /// # Errors
    /// A τ outside [0, horizon].
    pub fn parameters(&self, tau: f64) -> Result<Vec<f64>> {
        check("τ", tau, |t| t >= 0.0, "a number of at least 0")?;
        if tau > self.horizon {
            return Err(Error::PastHorizon { time: tau, horizon: self.horizon });
        }
        let mut theta = vec![0.0; self.net.parameters()];
        self.path.eval(tau, &mut theta)?;
        Ok(theta)
    }

    /// Largest ‖θ_λ(τ/λ) − θ(τ)‖/‖θ(τ)‖ over the given τ, with θ_λ the flow at weight decay λ.
    ///
    /// # Errors
    /// A run of another net, without decay, or times past either horizon.
    pub fn distance(&self, run: &super::FlowRun<'_>, taus: &[f64]) -> Result<f64> {
        let FlowSettings { weight_decay, .. } = *run.settings();
        check("weight decay", weight_decay, |l| l > 0.0, "a positive number")?;
        let mut worst = 0.0_f64;
        for &tau in taus {
            let (slow, full) = (self.parameters(tau)?, run.parameters(tau / weight_decay)?);
            crate::error::check_shape("θ of the run", &[full.len()], &[slow.len()], "the same net")?;
            let difference: Vec<f64> = full.iter().zip(&slow).map(|(a, b)| a - b).collect();
            worst = worst.max(norm(&difference) / norm(&slow));
        }
        Ok(worst)
    }
}

/// dθ/dτ.
struct Slow<'a> {
    net: &'a Net,
    degree: f64,
    x: Prepared<f64>,
    y: Vec<f64>,
    n: usize,
    workspace: Workspace<f64>,
    multipliers: Vec<f64>,
}

impl<'a> Slow<'a> {
    fn new(net: &'a Net, sample: &Sample) -> Result<Slow<'a>> {
        sample.check(net)?;
        let Some(degree) = net.homogeneity() else {
            return Err(Error::Missing { wanted: "the slow flow", needs: "a homogeneous net" });
        };
        let Targets::Values(y) = &sample.targets else {
            return Err(Error::Missing { wanted: "the slow flow", needs: "targets that are real values" });
        };
        Ok(Slow {
            net,
            degree: f64::from(degree),
            x: Prepared::new(&sample.inputs),
            y: y.iter().copied().collect(),
            n: sample.len(),
            workspace: Workspace::new(net, sample.len(), Threads::One),
            multipliers: vec![0.0; y.len()],
        })
    }

    /// out = Φ K⁻¹ `multipliers` at θ.
    fn lift(&mut self, theta: &[f64], out: &mut [f64]) -> std::result::Result<(), Reject> {
        let k = kernel(self.net, theta, &self.x, self.n, &mut self.workspace);
        let factor = Engine::SEQUENTIAL.cholesky(k.view());
        let factor = factor.map_err(|_| Reject("the tangent kernel is singular"))?;
        cholesky_solve(factor.view(), &mut self.multipliers);
        self.workspace.slopes().copy_from_slice(&self.multipliers);
        self.workspace.backward(self.net, theta, &self.x, Rows::From(0), out);
        Ok(())
    }

    /// The limit of the gradient flow without decay: integrated until the residuals are at the size of the
    /// integration's errors, then put on {f = y} by Gauss and Newton's steps of least length.
    fn fitted(&mut self, sample: &Sample, theta: &[f64], rtol: f64) -> Result<Vec<f64>> {
        let size = self.y.iter().map(|y| y * y).sum::<f64>() / self.n as f64;
        let flow = NetFlow::new(self.net, sample, Criterion::Squared, 0.0, theta)?;
        let mut fast = Fast { flow, enough: (100.0 * rtol).powi(2) * size.max(1e-300) };
        let options = Options { rtol, record: false, ..Options::default() };
        let solution = bdf(&mut fast, 0.0..FAST_END, theta, &options)?;
        let mut theta = solution.y;
        let mut step = vec![0.0; theta.len()];
        let failed = |reject: Reject| Error::Numerical {
            method: "slow flow",
            detail: format!("the start is not on the set of fits: {}", reject.0),
        };
        for _ in 0..20 {
            self.workspace.forward(self.net, &theta, &self.x, Rows::From(0), self.n);
            let residuals = self.y.iter().zip(self.workspace.outputs()).map(|(y, f)| y - f);
            self.multipliers.iter_mut().zip(residuals).for_each(|(m, r)| *m = r);
            if norm(&self.multipliers) <= 1e-13 * norm(&self.y) {
                return Ok(theta);
            }
            self.lift(&theta, &mut step).map_err(failed)?;
            theta.iter_mut().zip(&step).for_each(|(x, d)| *x += d);
        }
        Err(failed(Reject("its residuals do not vanish")))
    }
}

/// Flow time by which the fast phase must have fitted.
const FAST_END: f64 = 1e9;

impl Flow for Slow<'_> {
    fn dimension(&self) -> usize {
        self.net.parameters()
    }

    fn rhs(&mut self, _t: f64, theta: &[f64], out: &mut [f64]) -> std::result::Result<(), Reject> {
        self.workspace.forward(self.net, theta, &self.x, Rows::From(0), self.n);
        self.multipliers.copy_from_slice(&self.y);
        self.lift(theta, out)?;
        let degree = self.degree;
        out.iter_mut().zip(theta).for_each(|(out, x)| *out = degree * *out - x);
        Ok(())
    }
}

/// The flow without decay, to be stopped once the loss is small enough.
struct Fast<'a> {
    flow: NetFlow<'a>,
    enough: f64,
}

impl Flow for Fast<'_> {
    fn dimension(&self) -> usize {
        self.flow.dimension()
    }

    fn rhs(&mut self, t: f64, y: &[f64], dy: &mut [f64]) -> std::result::Result<(), Reject> {
        self.flow.rhs(t, y, dy)
    }

    fn accepted(&mut self, _t: f64, y: &mut [f64]) -> Action {
        if self.flow.loss(y) <= self.enough { Action::Stop } else { Action::Continue }
    }
}

impl StiffFlow for Fast<'_> {
    fn refresh(&mut self, t: f64, y: &[f64]) -> std::result::Result<(), Reject> {
        self.flow.refresh(t, y)
    }

    fn factor(&mut self, shift: f64) -> std::result::Result<(), Reject> {
        self.flow.factor(shift)
    }

    fn solve(&mut self, b: &mut [f64]) -> std::result::Result<(), Reject> {
        self.flow.solve(b)
    }
}
