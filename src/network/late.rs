//! Gradient flow without weight decay, to times that only their logarithm can tell.
//!
//! With a loss that falls exponentially with the margins the flow never ends: ‖θ‖ grows like a root of ln t. In the
//! clock dσ = 𝓛 dt (`theory/network.md`, (N15)),
//!
//! $$ \frac{d\theta}{d\sigma} = -\nabla\ln\mathcal L, \qquad t = \int e^{q}\,d\sigma, \quad
//!    q = -\ln\mathcal L, \quad \frac{dq}{d\sigma} = \lVert\nabla\ln\mathcal L\rVert^2, $$
//!
//! nothing underflows. The flow is stiff (rates grow like ‖θ‖²) and, with ReLU, has kinks: it is integrated by
//! [`rkc`](crate::ode::rkc).

use std::cell::Cell;
use std::ops::ControlFlow;

use super::criterion::{Criterion, Goal, Rows, ln_sum_exp};
use super::observe::Evaluation;
use super::pass::{Prepared, Workspace};
use super::{Net, Sample};
use crate::error::{Error, Result, check};
use crate::linalg::Threads;
use crate::ode::{Flow, Options, Reject, Statistics, Step, rkc_observed};

/// Largest ln(1 + t): each factor of ten costs about as many steps as the one before.
const LATEST: f64 = 1e9;

/// What is followed, how far, and which states are kept.
///
/// | name | default | meaning |
/// |---|---|---|
/// | `criterion` | cross-entropy | a loss with an exponential tail: cross-entropy, logistic, exponential |
/// | `start` | 0 | ln(1 + t) of the parameters given: a flow goes on from a state that was kept |
/// | `keep` | 1, 2, …, 100 | values of ln(1 + t), increasing from the start; the flow ends at the last |
/// | `rtol` | 10⁻³ | relative local error of θ, norm-wise, 10⁻⁶ … 0.03 |
/// | `threads` | one | of the matrix products |
#[derive(Clone, Debug, PartialEq)]
pub struct LateSettings {
    pub criterion: Criterion,
    pub start: f64,
    pub keep: Vec<f64>,
    pub rtol: f64,
    pub threads: Threads,
}

impl Default for LateSettings {
    fn default() -> Self {
        LateSettings {
            criterion: Criterion::CrossEntropy,
            start: 0.0,
            keep: (1..=100).map(f64::from).collect(),
            rtol: 1e-3,
            threads: Threads::One,
        }
    }
}

/// States of the flow without weight decay at given ln(1 + t).
pub struct LateFlow<'a> {
    net: &'a Net,
    sample: &'a Sample,
    criterion: Criterion,
    states: Vec<(f64, Vec<f64>)>,
    statistics: Statistics,
}

impl Net {
    /// Integrates θ' = −∇𝓛 to ln(1 + t) in the hundreds and thousands.
    ///
    /// ```
    /// use groktime::Loss;
    /// use groktime::network::{Activation, Bias, Criterion, Init, LateSettings, Net, Sample};
    /// let net = Net::new(&[2, 20, 1], Activation::Tanh, Bias::None)?;
    /// let x = ndarray::array![[1.0, 0.2], [-0.3, 1.0], [-1.0, -0.5]];
    /// let sample = Sample::signs(x.view(), vec![1.0, -1.0, -1.0]);
    /// let settings = LateSettings {
    ///     criterion: Criterion::Margin(Loss::Logistic),
    ///     keep: vec![10.0, 30.0, 1000.0],
    ///     ..LateSettings::default()
    /// };
    /// let late = net.late_flow(&sample, &settings, &net.init(&Init::default(), 0)?)?;
    /// // 𝓛 falls about like 1/t, however small.
    /// let end = late.evaluate(2)?;
    /// assert!(end.accuracy == 1.0 && end.ln_loss < -990.0);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    ///
    /// # Errors
    /// Settings out of range; sample or parameters that do not fit; the integrator gives up.
    pub fn late_flow<'a>(
        &'a self,
        sample: &'a Sample,
        settings: &LateSettings,
        theta: &[f64],
    ) -> Result<LateFlow<'a>> {
        self.late_flow_watched(sample, settings, theta, |_| ControlFlow::Continue(()))
    }

    /// As [`Net::late_flow`], with a callback that gets ln(1 + t) after each step and may stop there: the states up
    /// to then are kept.
    ///
    /// # Errors
    /// As [`Net::late_flow`].
    pub fn late_flow_watched<'a>(
        &'a self,
        sample: &'a Sample,
        settings: &LateSettings,
        theta: &[f64],
        mut watch: impl FnMut(f64) -> ControlFlow<()>,
    ) -> Result<LateFlow<'a>> {
        let last = settings.validate()?;
        let loss = Cell::new(LogLoss::default());
        let mut flow = Normalised::new(self, sample, settings, theta, &loss)?;
        let mut slope = vec![0.0; theta.len()];
        let failed = |Reject(reason): Reject| Error::Numerical {
            method: "flow without weight decay",
            detail: format!("{reason} at the start"),
        };
        flow.rhs(0.0, theta, &mut slope).map_err(failed)?;
        let mut before = loss.get();
        // The first step moves θ, or the loss, by a thousandth.
        let norm = super::observe::norm(theta).max(f64::MIN_POSITIVE);
        let first = 1e-3 * (norm / before.slope.sqrt()).min(before.slope.recip());
        if !(first > 0.0 && first.is_finite()) {
            return Err(failed(Reject("the gradient vanishes or overflows")));
        }
        let mut clock = settings.start;
        let mut states: Vec<(f64, Vec<f64>)> = Vec::new();
        let mut due = settings.keep.iter().copied().peekable();
        while let Some(u) = due.next_if(|&u| u <= settings.start) {
            states.push((u, theta.to_vec()));
        }
        let observer = |step: &Step<'_>| {
            let after = loss.get();
            let piece = Piece { before, after, length: step.t - step.t_old };
            let start = clock;
            clock = piece.clock(start, |end, part| {
                while let Some(u) = due.next_if(|&u| u <= end.1) {
                    let within = part.0 + (part.1 - part.0) * ((u - end.0) / (end.1 - end.0)).clamp(0.0, 1.0);
                    let mut state = vec![0.0; theta.len()];
                    step.interpolate(step.t_old + within * (step.t - step.t_old), &mut state);
                    states.push((u, state));
                }
            });
            before = after;
            if clock >= last { ControlFlow::Break(()) } else { watch(clock) }
        };
        let options =
            Options { rtol: settings.rtol, first_step: Some(first), record: false, ..Options::default() };
        let solution = rkc_observed(&mut flow, 0.0..f64::MAX, theta, &options, observer)?;
        let (criterion, statistics) = (settings.criterion, solution.statistics);
        Ok(LateFlow { net: self, sample, criterion, states, statistics })
    }
}

impl LateSettings {
    /// The last time.
    fn validate(&self) -> Result<f64> {
        if self.criterion.is_squared() {
            let needs = "a loss with an exponential tail: cross-entropy, logistic or exponential";
            return Err(Error::Missing { wanted: "the flow without weight decay", needs });
        }
        check("rtol", self.rtol, |x| (1e-6..=0.03).contains(&x), "between 1e-6 and 0.03")?;
        check("the ln(1 + t) of the start", self.start, |u| u >= 0.0, "a number of at least 0")?;
        let mut last = self.start;
        for &u in &self.keep {
            check("a kept ln(1 + t)", u, |u| u >= last, &format!("at least {last}, the one before"))?;
            last = u;
        }
        let expected = format!("more than {}, the start, and at most {LATEST:e}", self.start);
        check("the last kept ln(1 + t)", last, |u| u > self.start && u <= LATEST, &expected)?;
        Ok(last)
    }
}

impl LateFlow<'_> {
    /// ln(1 + t) and θ of the kept states, in order.
    pub fn states(&self) -> &[(f64, Vec<f64>)] {
        &self.states
    }

    /// Steps and right-hand sides.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Loss, accuracy and margin of kept state k on the training sample.
    ///
    /// # Errors
    /// No such state.
    pub fn evaluate(&self, k: usize) -> Result<Evaluation> {
        self.evaluate_on(k, self.sample)
    }

    /// On another sample.
    ///
    /// # Errors
    /// No such state; the sample does not fit.
    pub fn evaluate_on(&self, k: usize, sample: &Sample) -> Result<Evaluation> {
        let Some((_, theta)) = self.states.get(k) else {
            let expected = format!("below the number of kept states, {}", self.states.len());
            return Err(Error::Parameter { name: "kept state", value: k as f64, expected });
        };
        self.net.evaluate(theta, sample, self.criterion)
    }
}

/// q = −ln 𝓛 and its slope in σ, where the right-hand side was taken last.
#[derive(Clone, Copy, Default)]
struct LogLoss {
    q: f64,
    slope: f64,
}

/// −∇ ln 𝓛.
struct Normalised<'a> {
    net: &'a Net,
    x: Prepared<f64>,
    goal: Goal<f64>,
    n: usize,
    workspace: Workspace<f64>,
    loss: &'a Cell<LogLoss>,
}

impl<'a> Normalised<'a> {
    fn new(
        net: &'a Net,
        sample: &Sample,
        settings: &LateSettings,
        theta: &[f64],
        loss: &'a Cell<LogLoss>,
    ) -> Result<Normalised<'a>> {
        net.check_parameters(theta)?;
        sample.check(net)?;
        let n = sample.len();
        let goal = Goal::new(settings.criterion, net, sample)?;
        let workspace = Workspace::new(net, n, settings.threads);
        Ok(Normalised { net, x: Prepared::new(&sample.inputs), goal, n, workspace, loss })
    }
}

impl Flow for Normalised<'_> {
    fn dimension(&self) -> usize {
        self.net.parameters()
    }

    fn rhs(&mut self, _sigma: f64, theta: &[f64], out: &mut [f64]) -> std::result::Result<(), Reject> {
        let rows = Rows::From(0);
        self.workspace.forward(self.net, theta, &self.x, rows, self.n);
        let ln_sum = self.goal.ln_sum(self.workspace.outputs(), rows);
        if !ln_sum.is_finite() {
            return Err(Reject("the outputs of the net overflow"));
        }
        let (outputs, slopes) = self.workspace.outputs_and_slopes();
        self.goal.slopes(outputs, rows, (1.0, -ln_sum), slopes);
        self.workspace.backward(self.net, theta, &self.x, rows, out);
        out.iter_mut().for_each(|out| *out = -*out);
        let slope = out.iter().map(|x| x * x).sum();
        self.loss.set(LogLoss { q: libm::log(self.n as f64) - ln_sum, slope });
        Ok(())
    }
}

/// q on a step, by cubic Hermite interpolation.
struct Piece {
    before: LogLoss,
    after: LogLoss,
    length: f64,
}

impl Piece {
    /// q at the part x of the step.
    fn at(&self, x: f64) -> f64 {
        let (rise, h) = (self.after.q - self.before.q, self.length);
        let bends = (1.0 - x) * (h * self.before.slope - rise) - x * (h * self.after.slope - rise);
        self.before.q + x * (rise + (1.0 - x) * bends)
    }

    /// ln(1 + t) at the end of the step from the one at its start: t grows by ∫ e^q dσ. The step is cut into panels
    /// in which q changes by little (next to the clock), with three points of Gauss each; `panel` gets the clock at the two ends of each,
    /// and which parts of the step they are.
    fn clock(&self, start: f64, mut panel: impl FnMut((f64, f64), (f64, f64))) -> f64 {
        let rise = (self.after.q - self.before.q).abs();
        let panels = (4.0 * rise).ceil().clamp(4.0, 4e3);
        let offset = 0.5 * 0.6_f64.sqrt();
        let mut clock = start;
        for k in 0..panels as usize {
            let ends = (k as f64 / panels, (k + 1) as f64 / panels);
            let middle = 0.5 * (ends.0 + ends.1);
            let nodes = [(-offset, 5.0), (0.0, 8.0), (offset, 5.0)];
            let logs = nodes.map(|(at, weight)| self.at(middle + at / panels) + libm::log(weight / 18.0));
            let next = ln_sum_exp(&[clock, ln_sum_exp(&logs) + libm::log(self.length / panels)]);
            panel((clock, next), ends);
            clock = next;
        }
        clock
    }
}
