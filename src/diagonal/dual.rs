//! The dual flow: 2d parameters in as many unknowns as the data have dimensions (`theory/diagonal.md`, equations 4 to
//! 10).
//!
//! $$ X = CR, \quad z = R^\top q, \quad \dot q = -\kappa(t)\,C^\top\frac{\partial\mathcal L}{\partial f}(Xw),
//!    \quad w = w(t, z), \qquad J = -\kappa\, C^\top D C\,H, \quad D = \tfrac1n\operatorname{diag}(\ell''),
//!    \quad H = R \operatorname{diag}(\partial w/\partial z)\, R^\top. $$
//!
//! It is integrated in s = ln(1 + t/t₀), with t₀ the time scale of what moves first: q moves over many decades
//! of t, like ln t while margins grow, and a step can then be a fixed fraction of t.

use super::basis::{Basis, Kind};
use super::clock::LogClock;
use super::net::Net;
use super::newton::Newton;
use super::noise::{Noise, Slopes};
use super::run::{MOST_STEPS, STEPS_A_DECAY};
use super::scale::{Scale, length, local_tolerance};
use super::watch::Watch;
use super::{Problem, Settings};
use crate::error::Error;
use crate::linalg::Threads;
use crate::ode::{Action, Flow, Reject, StiffFlow};

/// Epochs of depth L ≥ 3 end when the brackets have shrunk by e^{−this} …
const EPOCH: f64 = 0.5;

/// … or when z has taken this part of one: P = low − z then has all its digits again.
const TAKEN: f64 = 0.5;

/// Entries of the data below which one thread does the products, and steps cost little.
const FEW: usize = 1 << 20;

/// Errors of z are allowed in units of what moves ln u or ln v by one half, at most so many.
const CAP: f64 = 2.0;

/// Relative change of the rate after which the Newton matrix is factored anew.
const STALE: f64 = 0.1;

/// Part of the least bracket by which z may have moved since the brackets were last looked at.
const UNSEEN: f64 = 0.25;

/// Part of the tolerance that z may still move by for the net to be at rest.
const REST: f64 = 1e-2;

/// Angle between two samples below which a failure is told with it.
const NEAR: f64 = 1e-3;

/// ε|q| beside the least unit of z from which on its coordinates have lost their digits.
const DROWNED: f64 = 1e-9;

pub(super) struct DualFlow<'a> {
    problem: &'a Problem,
    pub(super) basis: Basis<'a>,
    newton: Newton,
    noise: Noise,
    pub(super) watch: Watch,
    pub(super) clock: LogClock,
    horizon: f64,
    threads: Threads,
    rtol: f64,
    /// One net an epoch; the last is current.
    pub(super) nets: Vec<Net>,
    scale: Scale,
    /// f of the last right-hand side, and of the last accepted step.
    outputs: Vec<f64>,
    settled: Vec<f64>,
    settled_at: f64,
    /// Of the distinct rows: outputs, sums of slopes or curvatures, and room for p.
    rows: Vec<f64>,
    sums: Vec<f64>,
    dual: Vec<f64>,
    z: Vec<f64>,
    weights: Vec<f64>,
    slopes: Vec<f64>,
    /// Whether nothing but the decay is left to come: see [`DualFlow::comes_to_rest`].
    at_rest: bool,
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
        // The bits are the same; waking a second thread takes longer than a small product.
        let entries = n * d;
        let threads = if entries < FEW { Threads::One } else { settings.threads };
        let basis = Basis::new(problem, &settings.init, settings.depth, settings.threads, threads);
        let net = basis.net(&settings.init, settings.depth, settings.weight_decay);
        let rtol = local_tolerance(settings.rtol, settings.depth, &basis.kind, entries < FEW);
        let (m, r, d) = (basis.rows.count(), basis.dimension, basis.coordinates(problem));
        let mut scale = Scale {
            units: vec![1.0; d],
            displaced: vec![0.0; d],
            unit: 1.0,
            displacement: 0.0,
            seen: vec![0.0; r],
        };
        let z = vec![0.0; d];
        scale.measure(&net, &z, true);
        DualFlow {
            problem,
            newton: Newton::new(&basis),
            noise: Noise::new(&basis, n),
            watch: Watch::new(settings.rtol),
            clock: LogClock { start: 0.0, scale: 1.0 },
            horizon: settings.horizon,
            threads,
            rtol,
            nets: vec![net],
            scale,
            outputs: vec![0.0; n],
            settled: vec![0.0; n],
            settled_at: 0.0,
            rows: vec![0.0; m],
            sums: vec![0.0; m],
            dual: vec![0.0; m],
            weights: vec![0.0; d],
            slopes: vec![0.0; d],
            z,
            basis,
            at_rest: false,
            now: 0.0,
            refreshed: 0.0,
            factored: 0.0,
            shift: 0.0,
        }
    }

    /// Sets t₀ to the inverse of the fastest of the fit, the growth of a coordinate, and the decay.
    ///
    /// # Errors
    /// [`Reject`]: the start overflows.
    pub(super) fn set_clock(&mut self) -> Result<(), Reject> {
        let start = vec![0.0; self.basis.dimension];
        self.refresh(0.0, &start)?;
        self.settled.copy_from_slice(&self.outputs);
        self.gather_curvatures();
        // Σ D_i H_ii of the rows, and (Xᵀρ)_k of the coordinates.
        let mut squares = vec![0.0; self.rows.len()];
        let trace: f64 = match &self.basis.kind {
            Kind::Own(columns) => {
                let rows = columns.matrix().chunks_exact(self.slopes.len().max(1));
                let counted = || self.slopes.iter().zip(columns.multiplicity());
                let square = |row: &[f64]| {
                    row.iter().zip(counted()).map(|(x, (slope, count))| count * slope * x * x).sum::<f64>()
                };
                rows.zip(&self.sums).map(|(row, d)| d * square(row)).sum()
            }
            _ => {
                let design = self.basis.rows.design(&self.problem.design);
                design.apply_squares(&self.slopes, &mut squares, self.threads);
                squares.iter().zip(&self.sums).map(|(square, d)| square * d).sum()
            }
        };
        let mut pull = vec![0.0; self.basis.dimension];
        self.gather_slopes();
        self.basis.pull(&self.sums, &mut pull);
        let mut drift = std::mem::take(&mut self.z);
        self.basis.image(self.problem, &pull, &mut drift, &mut self.dual);
        let fastest = drift.iter().zip(&self.scale.units).map(|(g, unit)| g.abs() / unit).fold(0.0, f64::max);
        drift.fill(0.0);
        self.z = drift;
        let net = &self.nets[0];
        let rate = net.dual_rate(0.0) * (trace + fastest) + net.weight_decay();
        let usable = rate.is_finite() && rate > 0.0;
        self.clock.scale = if usable { (1.0 / rate).min(self.horizon) } else { self.horizon };
        self.watch.begin(self.problem, &self.settled);
        Ok(())
    }

    /// A failure, with its time (the integrator's is a logarithm since the start of an epoch) and with what the data and
    /// the settings have to do with it: rows whose difference has few digits, and a horizon of many decays.
    pub(super) fn explained(&self, error: Error) -> Error {
        let rows = self.basis.rows;
        let gram = rows.gram(&self.problem.design, self.threads);
        let m = rows.count();
        let pairs = (0..m).flat_map(|i| (0..i).map(move |j| (i, j)));
        let sine = pairs.map(|(i, j)| 1.0 - gram[[i, j]] * gram[[i, j]] / (gram[[i, i]] * gram[[j, j]]));
        let nearest = sine.fold(1.0, f64::min).max(f64::EPSILON).sqrt();
        let Error::Numerical { method, mut detail } = error else { return error };
        if method == "BDF" {
            detail += &format!("; the flow had reached t = {:e}", self.clock.t(self.now));
        }
        if nearest < NEAR {
            detail += &format!(
                "; two samples of the data differ by {nearest:.0e} of their size or less, and rounding decides what is left of \
                 the difference"
            );
        }
        let net = &self.nets[0];
        let decays = (net.depth() - 2.0) * net.weight_decay() * self.horizon;
        if decays * STEPS_A_DECAY > MOST_STEPS {
            detail += &format!(
                "; the horizon is {decays:.0e} times 1/((L − 2)λ), and a net that does not fade needs a step for each"
            );
        }
        Error::Numerical { method, detail }
    }

    /// What the integrator is given for the tolerance.
    pub(super) fn local_tolerance(&self) -> f64 {
        self.rtol
    }

    fn net(&self) -> &Net {
        &self.nets[self.nets.len() - 1]
    }

    /// f = Xw at (t, q).
    fn forward(&mut self, t: f64, q: &[f64]) -> Result<(), Reject> {
        let net = &self.nets[self.nets.len() - 1];
        let design = self.basis.rows.design(&self.problem.design);
        match &self.basis.kind {
            Kind::Wide { .. } => {
                self.dual.copy_from_slice(q);
                self.basis.to_dual(&mut self.dual);
                let weights = |first, z: &[f64], w: &mut [f64]| net.weights_of_step(t, first, z, w);
                design.through(&self.dual, &mut self.rows, self.threads, weights);
            }
            Kind::Own(columns) => {
                net.weights_of_step(t, 0, q, &mut self.weights);
                columns.outputs(&mut self.weights, &mut self.rows);
            }
            Kind::Span(_) => {
                self.basis.image(self.problem, q, &mut self.z, &mut self.dual);
                net.weights_of_step(t, 0, &self.z, &mut self.weights);
                design.apply(&self.weights, &mut self.rows, self.threads);
            }
        }
        self.basis.rows.scatter(&self.rows, &mut self.outputs);
        match self.rows.iter().all(|f| f.is_finite()) {
            true => Ok(()),
            false => Err(Reject("the weights overflow or leave their domain")),
        }
    }

    /// Terms of the outputs at the last right-hand side.
    fn reach(&self) -> f64 {
        self.basis.reach(self.problem, &self.weights, &self.outputs)
    }

    /// How far z would have moved since the last step along what was dropped from the span of the data.
    fn dropped(&self, s: f64, t: f64) -> f64 {
        let Kind::Span(span) = &self.basis.kind else { return 0.0 };
        let (samples, loss) = (self.outputs.len() as f64, self.problem.loss);
        let slopes = self.outputs.iter().zip(&self.problem.labels).map(|(&f, &y)| loss.slope(f, y).abs());
        let pull = slopes.sum::<f64>() / samples * self.clock.rate(s) * self.net().dual_rate(t);
        span.dropped * pull * (s - self.settled_at)
    }

    /// Adds up what rounding has done over the step that ends at s.
    fn tally(&mut self, s: f64, t: f64) {
        let dropped = self.dropped(s, t);
        self.noise.add_dropped(dropped);
        if self.noise.is_silent() {
            return;
        }
        let front = f64::EPSILON * (s - self.settled_at) * self.clock.rate(s) * self.net().dual_rate(t);
        let reach = self.reach();
        let DualFlow { problem, basis, newton, noise, settled, sums, .. } = self;
        let slopes = Slopes { problem, outputs: settled, reach };
        noise.add_step(&slopes, basis, sums, front, |step| newton.solve(basis, step));
    }

    /// What rounding may have moved z by, in its units.
    fn rounding(&mut self) -> f64 {
        let DualFlow { problem, basis, noise, scale, z, dual, .. } = self;
        noise.total(basis, &scale.units, scale.unit, |drift, z| basis.image(problem, drift, z, dual), z)
    }

    /// Whether z, at hand, cannot move any more by what the tolerance sees.
    ///
    /// κ falls like e^{−(L−2)λt}, so that ∫κ dt from here on is κ/((L − 2)λ), and outputs that fade have slopes
    /// between those of today and those at zero. From then on the decay, which is known exactly, is all there is:
    /// epochs would only blow up the brackets of a net that has faded away, for as long as λt is.
    fn comes_to_rest(&self, t: f64) -> bool {
        let net = self.net();
        let (loss, labels) = (self.problem.loss, &self.problem.labels);
        let slopes = self.settled.iter().zip(labels);
        let pull: f64 = slopes.map(|(&f, &y)| loss.slope(f, y).abs().max(loss.slope(0.0, y).abs())).sum();
        let pull = pull / labels.len() as f64 * self.problem.design.largest_entry();
        let left = net.dual_rate(t) / ((net.depth() - 2.0) * net.weight_decay()) * pull;
        let square = self.z.iter().fold(0.0, |sum, z| sum + (z / self.scale.unit).powi(2));
        let mean = self.scale.unit * (square / self.z.len().max(1) as f64).sqrt();
        let size = match net.has_faded(t, &self.z) {
            true => self.scale.unit,
            false => (self.scale.displacement + mean).min(self.scale.unit),
        };
        left <= REST * self.rtol * size
    }

    /// Σ s_i ∂𝓛/∂f_i of each row at the last right-hand side.
    fn gather_slopes(&mut self) {
        let (samples, loss) = (self.outputs.len() as f64, self.problem.loss);
        let slopes = self.outputs.iter().zip(&self.problem.labels).map(|(&f, &y)| loss.slope(f, y) / samples);
        self.basis.rows.gather(slopes, true, &mut self.sums);
    }

    /// Σ ∂²𝓛/∂f_i² of each row at the last right-hand side.
    fn gather_curvatures(&mut self) {
        let (samples, loss) = (self.outputs.len() as f64, self.problem.loss);
        let curvatures =
            self.outputs.iter().zip(&self.problem.labels).map(|(&f, &y)| loss.curvature(f, y) / samples);
        self.basis.rows.gather(curvatures, false, &mut self.sums);
    }

    /// κ of (D8) in the variable s, times what ∂w/∂z has changed by since the last refresh: it decays while it is
    /// uniform; later κ·∂w/∂z stays where it matters, on the support.
    fn rate(&self) -> f64 {
        let t = self.clock.t(self.now);
        let net = self.net();
        let passed = net.weight_decay() * (t - self.refreshed);
        let change = match self.newton.uniform {
            true => -net.depth() * passed,
            false => ((net.depth() - 2.0) * passed).min(50.0),
        };
        self.clock.rate(self.now) * net.dual_rate(t) * libm::exp(change)
    }

    /// Factors the Newton matrix with everything that is cheap to know at the last right-hand side; only
    /// the kernel H is of the last refresh.
    ///
    /// That right-hand side may be one of a step that went astray, where losses are anything. Then those of
    /// the last accepted step serve: the next attempt is shorter, and starts from there.
    fn decompose(&mut self) -> Result<(), Reject> {
        self.factored = self.rate();
        let shift = self.shift * self.factored;
        self.gather_curvatures();
        if self.newton.factor(&self.basis, &self.sums, shift).is_ok() {
            return Ok(());
        }
        std::mem::swap(&mut self.outputs, &mut self.settled);
        self.gather_curvatures();
        std::mem::swap(&mut self.outputs, &mut self.settled);
        self.newton.factor(&self.basis, &self.sums, shift)
    }

    /// What rounding of the slopes of the loss does to a step, with the factors at hand.
    fn listen(&mut self) {
        if self.noise.is_silent() {
            return;
        }
        let t = self.clock.t(self.now);
        let front = f64::EPSILON * self.shift * self.clock.rate(self.now) * self.net().dual_rate(t);
        let reach = self.reach();
        let DualFlow { problem, basis, newton, noise, outputs, sums, scale, .. } = self;
        let slopes = Slopes { problem, outputs, reach };
        noise.listen(&slopes, basis, sums, front, |step| newton.solve(basis, step));
        noise.limit(basis, &scale.units, scale.unit);
    }
}

impl Flow for DualFlow<'_> {
    fn dimension(&self) -> usize {
        self.basis.dimension
    }

    fn rhs(&mut self, s: f64, q: &[f64], dq: &mut [f64]) -> Result<(), Reject> {
        let t = self.clock.t(s);
        self.now = s;
        self.forward(t, q)?;
        let rate = self.clock.rate(s) * self.net().dual_rate(t);
        self.gather_slopes();
        self.basis.pull(&self.sums, dq);
        dq.iter_mut().for_each(|x| *x *= -rate);
        if dq.iter().all(|x| x.is_finite()) { Ok(()) } else { Err(Reject("the loss overflows")) }
    }

    /// In units of what moves ln u or ln v by one half, but relative to itself while the net is lazy.
    fn sizes(&self, _s: f64, q: &[f64], sizes: &mut [f64]) {
        let Scale { units, displaced, unit, displacement, .. } = &self.scale;
        if let Kind::Own(_) = self.basis.kind {
            let part = |k: usize| ((displaced[k] + q[k].abs()) / units[k]).min(CAP);
            let mean = (0..q.len()).map(|k| part(k).powi(2)).sum::<f64>() / q.len().max(1) as f64;
            let least = 0.1 * mean.sqrt();
            for (k, size) in sizes.iter_mut().enumerate() {
                *size = part(k).max(least) * units[k];
            }
        } else {
            let spread = self.basis.effective;
            let mean = (q.iter().map(|x| x * x).sum::<f64>() / spread).sqrt();
            let size = (displacement + mean).min(CAP * unit) * (spread / q.len().max(1) as f64).sqrt();
            sizes.fill(size);
        }
        self.noise.add_to(sizes, self.rtol);
    }

    /// The decay of the brackets is known: (L − 2)λΔt ≤ 1.
    fn longest(&self, s: f64) -> f64 {
        let net = self.net();
        let rate = (net.depth() - 2.0) * net.weight_decay() * self.clock.rate(s);
        if rate > 0.0 && !self.at_rest { libm::log1p(1.0 / rate) } else { f64::INFINITY }
    }

    fn accepted(&mut self, s: f64, q: &mut [f64]) -> Action {
        self.settled.copy_from_slice(&self.outputs);
        let t = self.clock.t(s);
        self.tally(s, t);
        self.settled_at = s;
        let reach = self.reach();
        let net = &self.nets[self.nets.len() - 1];
        if self.watch.step(self.problem, net, t, &self.settled, reach) {
            return Action::Stop;
        }
        let shallow = net.depth() == 2.0;
        let ageing = net.age(t) >= EPOCH && !self.at_rest;
        // z moves by no more than q does.
        if shallow || !ageing && self.scale.moved(&self.basis, q) * 0.5 * (net.depth() - 2.0) < UNSEEN {
            let (rounding, dropped) = (self.rounding(), self.noise.dropped(self.scale.unit));
            return match self.watch.budget(dropped, rounding, t) {
                true => Action::Stop,
                false => Action::Continue,
            };
        }
        self.basis.image(self.problem, q, &mut self.z, &mut self.dual);
        self.scale.measure(net, &self.z, false);
        self.scale.seen.copy_from_slice(q);
        let length = length(q.iter().copied());
        let drowned = !matches!(self.basis.kind, Kind::Own(_))
            && f64::EPSILON * length > DROWNED * self.scale.unit.abs();
        let taken = (0..self.z.len()).map(|k| net.taken(k, self.z[k])).fold(0.0, f64::max);
        self.noise.follow(&self.basis, &self.scale.units);
        let inside = self.watch.inside(self.scale.unit, drowned.then_some(length), t);
        let rounding = if inside { 0.0 } else { self.rounding() };
        let dropped = self.noise.dropped(self.scale.unit);
        if inside || self.watch.budget(dropped, rounding, t) {
            return Action::Stop;
        }
        if !ageing && taken <= TAKEN {
            return Action::Continue;
        }
        self.basis.image(self.problem, q, &mut self.z, &mut self.dual);
        self.at_rest = self.at_rest || ageing && self.comes_to_rest(t);
        if self.at_rest && taken <= TAKEN {
            return Action::Continue;
        }
        let (next, scale) = self.net().rebased(t, &self.z);
        self.z.fill(0.0);
        self.scale.measure(&next, &self.z, true);
        self.scale.seen.fill(0.0);
        self.nets.push(next);
        self.newton.rescale(scale);
        self.noise.rescale(scale);
        self.factored *= scale;
        self.clock = self.clock.restarted(s);
        (self.now, self.settled_at) = (0.0, 0.0);
        Action::Restart { scale, shift: q.to_vec(), end: self.clock.s(self.horizon) }
    }
}

impl StiffFlow for DualFlow<'_> {
    fn refresh(&mut self, s: f64, q: &[f64]) -> Result<(), Reject> {
        let t = self.clock.t(s);
        self.forward(t, q)?;
        (self.now, self.refreshed) = (s, t);
        self.basis.image(self.problem, q, &mut self.z, &mut self.dual);
        let net = &self.nets[self.nets.len() - 1];
        net.slopes(t, 0, &self.z, &mut self.slopes);
        self.newton.refresh(self.problem, &self.basis, &self.slopes, self.threads)
    }

    fn factor(&mut self, shift: f64) -> Result<(), Reject> {
        self.shift = shift;
        self.decompose()?;
        self.listen();
        Ok(())
    }

    fn solve(&mut self, b: &mut [f64]) -> Result<(), Reject> {
        let change = self.rate() / self.factored - 1.0;
        if change.is_nan() || change.abs() > STALE {
            self.decompose()?;
        }
        self.newton.solve(&self.basis, b);
        Ok(())
    }
}
