//! Gradient flow of a net, θ' = −∇𝓛 − λθ, through the integrators: explicit, or implicit with the tangent
//! kernel.
//!
//! The implicit step replaces the Hessian of 𝓛 by its Gauss-Newton part Φ D Φᵀ, D = diag(ℓ''/n), and inverts
//! (`theory/network.md`, (N9))
//!
//! $$ (1 + c\lambda) I + c\,\Phi D \Phi^\top = s\Bigl(I + \tfrac cs \Phi D \Phi^\top\Bigr), \qquad
//!    M = I + \tfrac cs D^{1/2} K D^{1/2} $$
//!
//! by Woodbury's identity: one Cholesky factor of the nm × nm matrix M; Φ itself is never formed, its products
//! are a forward derivative and a backward pass.

use ndarray::Array2;

use super::core::Core;
use super::criterion::{Criterion, Goal, Rows};
use super::observe::{Evaluation, norm};
use super::pass::{Prepared, Workspace};
use super::settings::{Precision, Settings};
use super::tangent::kernel;
use super::{Activation, Net, Sample};
use crate::error::{Error, Result, check};
use crate::linalg::{Engine, Threads, cholesky_solve};
use crate::ode::{
    Flow, Options, Path, Reject, Statistics, Step, StiffFlow, bdf_observed, dop853_observed, rkc_observed,
};
use crate::trajectory::{Observable, Trajectory};
use std::ops::ControlFlow;

/// How the flow is integrated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Implicit where the criterion and nm ≤ 512 allow it, else explicit.
    Automatic,
    /// DOP853.
    Explicit,
    /// Differentiation formulas with the nm × nm tangent kernel; squared and margin losses.
    Implicit,
    /// [`rkc`](crate::ode::rkc), of order 2: any loss, stiff or with the kinks of ReLU, at an rtol of 10⁻² to 10⁻⁵.
    Stabilised,
}

/// How the flow is integrated and what is kept of it.
///
/// | name | default | meaning |
/// |---|---|---|
/// | `criterion` | squared | the loss |
/// | `weight_decay` | 10⁻³ | λ ≥ 0 |
/// | `horizon` | 10⁴ | last flow time |
/// | `rtol` | 10⁻⁸ | relative local error of θ, norm-wise, 10⁻¹² … 10⁻³ (stabilised: 10⁻²); with ReLU take 10⁻⁵, or 10⁻³ stabilised |
/// | `method` | automatic | see [`Method`] |
/// | `keep` | all | times whose θ is kept; by default the whole path, about 50 bytes a parameter and step |
///
/// **ReLU.** The right-hand side jumps where a unit turns on or off for a sample, and the flow may slide along such a
/// kink, pushed back from both sides. Steps are then as long as the tolerance allows an error of (jump × step):
/// their number grows like 1/rtol, most of all where residuals stay (a decay that holds the fit off zero).
/// [`Method::Stabilised`] passes kinks with the fewest right-hand sides.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowSettings {
    pub criterion: Criterion,
    pub weight_decay: f64,
    pub horizon: f64,
    pub rtol: f64,
    pub method: Method,
    pub keep: Option<Vec<f64>>,
}

impl Default for FlowSettings {
    fn default() -> Self {
        FlowSettings {
            criterion: Criterion::Squared,
            weight_decay: 1e-3,
            horizon: 1e4,
            rtol: 1e-8,
            method: Method::Automatic,
            keep: None,
        }
    }
}

/// Largest nm for which the automatic choice is implicit.
const LARGEST_KERNEL: usize = 512;

/// An integrated flow: θ(t), losses and norms at any time up to the horizon (or at the kept times).
pub struct FlowRun<'a> {
    net: &'a Net,
    sample: &'a Sample,
    settings: FlowSettings,
    path: Path,
    kept: Vec<(f64, Vec<f64>)>,
    statistics: Statistics,
    ends: Vec<f64>,
}

impl Net {
    /// Integrates the gradient flow from θ.
    ///
    /// ```
    /// use groktime::network::{Activation, Bias, FlowSettings, Init, Net, Sample};
    /// let net = Net::new(&[3, 40, 1], Activation::Tanh, Bias::None)?;
    /// let x = ndarray::array![[1.0, 0.0, 1.0], [0.0, 1.0, -1.0], [1.0, 1.0, 0.0]];
    /// let sample = Sample::values(x.view(), ndarray::array![[1.0], [-1.0], [0.5]].view());
    /// let theta = net.init(&Init::default(), 0)?;
    /// let settings = FlowSettings { weight_decay: 1e-3, horizon: 100.0, ..FlowSettings::default() };
    /// let run = net.flow(&sample, &settings, &theta)?;
    /// assert!(run.evaluate(50.0)?.loss < 1e-4);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    ///
    /// # Errors
    /// Settings out of range; sample or parameters that do not fit; the integrator gives up.
    pub fn flow<'a>(
        &'a self,
        sample: &'a Sample,
        settings: &FlowSettings,
        theta: &[f64],
    ) -> Result<FlowRun<'a>> {
        self.flow_watched(sample, settings, theta, |_| ControlFlow::Continue(()))
    }

    /// As [`Net::flow`], with a callback that gets the time after each step and may stop the integration.
    ///
    /// # Errors
    /// As [`Net::flow`].
    pub fn flow_watched<'a>(
        &'a self,
        sample: &'a Sample,
        settings: &FlowSettings,
        theta: &[f64],
        mut watch: impl FnMut(f64) -> ControlFlow<()>,
    ) -> Result<FlowRun<'a>> {
        settings.validate()?;
        let mut flow = NetFlow::new(self, sample, settings.criterion, settings.weight_decay, theta)?;
        let keep = settings.keep.clone().unwrap_or_default();
        let mut kept: Vec<(f64, Vec<f64>)> =
            keep.iter().filter(|t| **t == 0.0).map(|&t| (t, theta.to_vec())).collect();
        let mut ends = vec![0.0];
        let observer = |step: &Step<'_>| {
            for &t in keep.iter().filter(|&&t| t > step.t_old && t <= step.t) {
                let mut state = vec![0.0; theta.len()];
                step.interpolate(t, &mut state);
                kept.push((t, state));
            }
            ends.push(step.t);
            watch(step.t)
        };
        let options = Options { rtol: settings.rtol, record: settings.keep.is_none(), ..Options::default() };
        let span = 0.0..settings.horizon;
        let solution = match flow.method(settings.method)? {
            Method::Implicit => bdf_observed(&mut flow, span, theta, &options, observer),
            Method::Stabilised => rkc_observed(&mut flow, span, theta, &options, observer),
            _ => dop853_observed(&mut flow, span, theta, &options, observer),
        };
        let solution = solution.map_err(|error| match error {
            Error::Numerical { method, detail } if self.activation() == Activation::Relu => {
                let hint = "a ReLU flow may slide along kinks, which a larger rtol makes affordable";
                Error::Numerical { method, detail: format!("{detail} ({hint})") }
            }
            other => other,
        })?;
        kept.sort_by(|a, b| a.0.total_cmp(&b.0));
        let settings = FlowSettings { horizon: solution.t, ..settings.clone() };
        let (path, statistics) = (solution.path, solution.statistics);
        Ok(FlowRun { net: self, sample, settings, path, kept, statistics, ends })
    }
}

impl FlowSettings {
    fn validate(&self) -> Result<()> {
        check("weight decay", self.weight_decay, |x| x >= 0.0, "a number of at least 0")?;
        check("horizon", self.horizon, |x| x > 0.0, "a positive flow time")?;
        let coarsest = if self.method == Method::Stabilised { 1e-2 } else { 1e-3 };
        let expected = format!("between 1e-12 and {coarsest:e}");
        check("rtol", self.rtol, |x| (1e-12..=coarsest).contains(&x), &expected)?;
        for &t in self.keep.iter().flatten() {
            let expected = format!("between 0 and the horizon {}", self.horizon);
            check("a kept time", t, |t| (0.0..=self.horizon).contains(&t), &expected)?;
        }
        Ok(())
    }
}

impl FlowRun<'_> {
    pub fn net(&self) -> &Net {
        self.net
    }

    pub fn sample(&self) -> &Sample {
        self.sample
    }

    pub fn settings(&self) -> &FlowSettings {
        &self.settings
    }

    /// Steps, right-hand sides and Jacobians.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// The times between which the integrator stepped.
    pub fn steps(&self) -> &[f64] {
        &self.ends
    }

    /// θ(t).
    ///
    /// # Errors
    /// A time outside [0, horizon], or one that was not kept.
    pub fn parameters(&self, t: f64) -> Result<Vec<f64>> {
        let horizon = self.settings.horizon;
        if t > horizon {
            return Err(Error::PastHorizon { time: t, horizon });
        }
        check("time", t, |t| t >= 0.0, "a number of at least 0")?;
        if self.settings.keep.is_some() {
            let found = self.kept.iter().find(|(kept, _)| *kept == t).map(|(_, theta)| theta.clone());
            return found.ok_or_else(|| Error::Parameter {
                name: "time",
                value: t,
                expected: "one of the kept times".into(),
            });
        }
        let mut theta = vec![0.0; self.net.parameters()];
        self.path.eval(t, &mut theta)?;
        Ok(theta)
    }

    /// Loss, accuracy and margin on the training sample.
    ///
    /// # Errors
    /// As [`parameters`](FlowRun::parameters).
    pub fn evaluate(&self, t: f64) -> Result<Evaluation> {
        self.net.evaluate(&self.parameters(t)?, self.sample, self.settings.criterion)
    }

    /// On another sample.
    ///
    /// # Errors
    /// As [`parameters`](FlowRun::parameters); the sample does not fit.
    pub fn evaluate_on(&self, t: f64, sample: &Sample) -> Result<Evaluation> {
        self.net.evaluate(&self.parameters(t)?, sample, self.settings.criterion)
    }
}

impl Trajectory for FlowRun<'_> {
    type Time = f64;

    fn horizon(&self) -> Option<f64> {
        Some(self.settings.horizon)
    }

    fn observe_one(&self, t: f64, what: &[Observable], out: &mut [f64]) -> Result<()> {
        let theta = self.parameters(t)?;
        let seen = self.net.evaluate(&theta, self.sample, self.settings.criterion)?;
        for (out, what) in out.iter_mut().zip(what) {
            *out = match what {
                Observable::TrainLoss => seen.loss,
                Observable::LogTrainLoss => seen.ln_loss,
                Observable::TrainAccuracy => seen.accuracy,
                Observable::ParameterNorm => norm(&theta),
                _ => f64::NAN,
            };
        }
        Ok(())
    }
}

/// A net on a sample in double precision, for evaluations.
pub(super) fn double(net: &Net, sample: &Sample, criterion: Criterion, theta: &[f64]) -> Result<Core<f64>> {
    net.check_parameters(theta)?;
    sample.check(net)?;
    let settings = Settings {
        criterion,
        optimiser: super::Optimiser::Descent,
        precision: Precision::Double,
        ..Settings::default()
    };
    Core::new(net, sample, &settings, theta, sample.len().min(1024))
}

/// The right-hand side, and the linear algebra of the implicit step.
pub(super) struct NetFlow<'a> {
    net: &'a Net,
    x: Prepared<f64>,
    goal: Goal<f64>,
    n: usize,
    weight_decay: f64,
    diagonal: bool,
    workspace: Workspace<f64>,
    /// The point of the Jacobian, and its pass.
    point: Vec<f64>,
    frozen: Workspace<f64>,
    /// √(ℓ''/n) of each output.
    roots: Vec<f64>,
    kernel: Array2<f64>,
    factor: Array2<f64>,
    /// c and s of the last factorisation.
    shift: (f64, f64),
    outputs: Vec<f64>,
    product: Vec<f64>,
}

impl<'a> NetFlow<'a> {
    pub fn new(
        net: &'a Net,
        sample: &Sample,
        criterion: Criterion,
        weight_decay: f64,
        theta: &[f64],
    ) -> Result<NetFlow<'a>> {
        net.check_parameters(theta)?;
        sample.check(net)?;
        let n = sample.len();
        net.check_memory(n)?;
        let length = n * net.outputs();
        Ok(NetFlow {
            net,
            x: Prepared::new(&sample.inputs),
            goal: Goal::new(criterion, net, sample)?,
            n,
            weight_decay,
            diagonal: !matches!(criterion, Criterion::CrossEntropy | Criterion::CrossEntropyPerOutput)
                && net.embedding().is_none(),
            workspace: Workspace::new(net, n, Threads::One),
            point: theta.to_vec(),
            frozen: Workspace::new(net, n, Threads::One),
            roots: vec![0.0; length],
            kernel: Array2::zeros((0, 0)),
            factor: Array2::zeros((0, 0)),
            shift: (0.0, 1.0),
            outputs: vec![0.0; length],
            product: vec![0.0; theta.len()],
        })
    }

    /// The method that [`Method::Automatic`] stands for.
    pub fn method(&self, method: Method) -> Result<Method> {
        match method {
            Method::Automatic if self.diagonal && self.outputs.len() <= LARGEST_KERNEL => {
                Ok(Method::Implicit)
            }
            Method::Automatic => Ok(Method::Explicit),
            Method::Implicit if !self.diagonal => {
                let needs = "a loss that does not couple outputs, and a net without embeddings";
                Err(Error::Missing { wanted: "the implicit flow of a net", needs })
            }
            method => Ok(method),
        }
    }

    /// 𝓛 at θ.
    pub fn loss(&mut self, theta: &[f64]) -> f64 {
        self.workspace.forward(self.net, theta, &self.x, Rows::From(0), self.n);
        self.goal.sum(self.workspace.outputs(), Rows::From(0)) / self.n as f64
    }
}

impl Flow for NetFlow<'_> {
    fn dimension(&self) -> usize {
        self.net.parameters()
    }

    fn rhs(&mut self, _t: f64, theta: &[f64], out: &mut [f64]) -> std::result::Result<(), Reject> {
        let rows = Rows::From(0);
        self.workspace.forward(self.net, theta, &self.x, rows, self.n);
        let (outputs, slopes) = self.workspace.outputs_and_slopes();
        self.goal.slopes(outputs, rows, ((self.n as f64).recip(), 0.0), slopes);
        if slopes.iter().any(|s| !s.is_finite()) {
            return Err(Reject("the outputs of the net overflow"));
        }
        self.workspace.backward(self.net, theta, &self.x, rows, out);
        out.iter_mut().zip(theta).for_each(|(out, x)| *out = -*out - self.weight_decay * x);
        Ok(())
    }
}

impl StiffFlow for NetFlow<'_> {
    fn refresh(&mut self, _t: f64, theta: &[f64]) -> std::result::Result<(), Reject> {
        self.point.copy_from_slice(theta);
        self.frozen.forward(self.net, theta, &self.x, Rows::From(0), self.n);
        self.goal.curvatures(self.frozen.outputs(), &mut self.roots);
        self.roots.iter_mut().for_each(|d| *d = (*d / self.n as f64).sqrt());
        if self.roots.iter().any(|d| !d.is_finite()) {
            return Err(Reject("the curvature of the loss overflows"));
        }
        self.kernel = kernel(self.net, &self.point, &self.x, self.n, &mut self.frozen);
        Ok(())
    }

    fn factor(&mut self, shift: f64) -> std::result::Result<(), Reject> {
        let s = 1.0 + shift * self.weight_decay;
        let mut m = self.kernel.clone();
        for ((a, b), m) in m.indexed_iter_mut() {
            *m = f64::from(a == b) + shift / s * self.roots[a] * *m * self.roots[b];
        }
        let factor = Engine::SEQUENTIAL.cholesky(m.view());
        self.factor = factor.map_err(|_| Reject("the kernel matrix is not positive definite"))?;
        self.shift = (shift, s);
        Ok(())
    }

    fn solve(&mut self, b: &mut [f64]) -> std::result::Result<(), Reject> {
        let (shift, s) = self.shift;
        self.frozen.derivative(self.net, (&self.point, b), &self.x, &mut self.outputs);
        self.outputs.iter_mut().zip(&self.roots).for_each(|(u, d)| *u *= d);
        cholesky_solve(self.factor.view(), &mut self.outputs);
        let slopes = self.frozen.slopes();
        slopes.iter_mut().zip(&self.outputs).zip(&self.roots).for_each(|((to, u), d)| *to = u * d);
        self.frozen.backward(self.net, &self.point, &self.x, Rows::From(0), &mut self.product);
        b.iter_mut().zip(&self.product).for_each(|(b, p)| *b = (*b - shift / s * p) / s);
        Ok(())
    }
}
