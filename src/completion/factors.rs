//! The flow of the factors themselves, for small starts: U' = −(S + λ)U, V' = (S − λ)V with S of W = UUᵀ − VVᵀ.
//!
//! W and A as unknowns hold the small eigenvalues of UUᵀ and VVᵀ as differences of entries of the size of the data,
//! and lose them; from a small start these eigenvalues decide what grows next. The factors keep each direction
//! relative to itself ([`Graded`]). State: C of U, then C of V, row after row.

mod watched;

use ndarray::{Array2, ArrayView2, ArrayViewMut2, ShapeBuilder, linalg::general_mat_mul};

use super::Problem;
use super::graded::Graded;
use super::kernel::{Kernel, Pattern};
use super::symmetric::stride;
use super::watch::Watch;
use crate::linalg::{Engine, Threads, add_multiple, dot, vectorised};
use crate::ode::{Action, Flow, Reject, StiffFlow};

/// A column below e^{this} adds nothing to W in doubles, and could not come back within any horizon.
const DEAD: f64 = -360.0;
/// Stability of the explicit method ends near h·rate = 6; before that its interpolant loses digits.
const STABLE: f64 = 4.0;
/// Relative residual of the linear solve for the multipliers of the slow flow.
const SLOW_TOLERANCE: f64 = 1e-12;
/// Directions may grow apart by e^{twice this} before the columns are made orthogonal again: that many digits are
/// lost by then to rounding.
const APART: f64 = 4.0;
/// Errors allowed beyond the tolerance, in units of the rounding of s.
const ROUNDING: f64 = 100.0;
/// Relative residual of the linear solve in Newton's iteration, at least and at most.
const CG_TOLERANCE: (f64, f64) = (1e-13, 1e-2);
/// Iterations above which a dense factor is taken as preconditioner, and the size above which none is.
const PATIENCE: usize = 25;
const MOST_DENSE: usize = 2000;

pub(super) struct FactorFlow {
    pub pattern: Pattern,
    kernel: Kernel,
    /// y, S_p/(W_p − y_p), and the share of s_p² in the loss, of each pair.
    pub values: Vec<f64>,
    weights: Vec<f64>,
    shares: Vec<f64>,
    largest_value: f64,
    largest_weight: f64,
    weight_decay: f64,
    rtol: f64,
    pub factors: [Graded; 2],
    /// e^{2x} of each column.
    pub gains: [Vec<f64>; 2],
    work: Workspace,
    frozen: Frozen,
    shift: f64,
    /// Whether the explicit method runs, and whether its last step came near the end of its stability.
    pub explicit: bool,
    pub stiff: bool,
    /// On the clock τ = λt in the limit λ → 0: S holds the observed entries in place (theory/completion.md (18), (19)).
    slow: bool,
    /// ∫‖S‖ since the columns were made orthogonal, and where that was last added to.
    apart: f64,
    last: f64,
    /// What rounding of s may have moved a column by since then.
    rounded: f64,
    /// When the columns were last made orthogonal.
    renewed: f64,
    /// 1 for columns whose products are watched, 0 for those that a slow flow knows too badly.
    watched: [Vec<f64>; 2],
    /// Mean of y² over the entries as given.
    mean_square: f64,
    pub watch: Watch,
}

struct Workspace {
    /// The state that the rest was taken from.
    c: Vec<f64>,
    /// C·diag(e^{2x}) of both factors.
    scaled: [Vec<f64>; 2],
    /// s_p and S_p.
    x: Vec<f64>,
    s: Vec<f64>,
    /// A direction that grows fastest, and its image.
    probe: Vec<f64>,
    image: Vec<f64>,
}

/// Where Newton's matrix was taken.
#[derive(Default)]
struct Frozen {
    c: Vec<f64>,
    scaled: [Vec<f64>; 2],
    a: Vec<f64>,
    x: Vec<f64>,
    s: Vec<f64>,
}

impl FactorFlow {
    /// The flow from factors at a time, and these as a state; `rtol` is what it is integrated to, `tolerance` what it is watched against.
    pub fn new(
        problem: &Problem,
        (t, [u, v]): (f64, [&Array2<f64>; 2]),
        weight_decay: f64,
        (rtol, tolerance): (f64, f64),
    ) -> (FactorFlow, Vec<f64>) {
        let observations = &problem.observations;
        let (d, n) = (observations.dimension(), observations.count() as f64);
        let pattern = Pattern::new(observations, Threads::One);
        let pairs = observations.pairs();
        let weights: Vec<f64> = pairs
            .iter()
            .map(|p| p.multiplicity as f64 * if p.row == p.column { 4.0 } else { 2.0 } / n)
            .collect();
        let ((u, mut state), (v, more)) = (Graded::new(u), Graded::new(v));
        state.extend(more);
        let width = [u.width, v.width];
        let zeros = |n: usize| vec![0.0; n];
        let mut flow = FactorFlow {
            kernel: Kernel::new(&pattern, &weights),
            values: pairs.iter().map(|p| p.value).collect(),
            shares: pairs.iter().map(|p| p.multiplicity as f64 / n).collect(),
            largest_value: pairs.iter().fold(0.0_f64, |m, p| m.max(p.value.abs())),
            largest_weight: weights.iter().fold(0.0_f64, |m, w| m.max(*w)),
            weight_decay,
            rtol,
            factors: [u, v],
            gains: width.map(zeros),
            work: Workspace {
                c: zeros(state.len()),
                scaled: width.map(|k| zeros(d * k)),
                x: zeros(pairs.len()),
                s: zeros(pairs.len()),
                probe: (0..d).map(|i| 1.0 + 0.1 * (i as f64 * 1.7).sin()).collect(),
                image: zeros(d),
            },
            frozen: Frozen {
                c: zeros(state.len()),
                scaled: width.map(|k| zeros(d * k)),
                a: zeros(d * stride(d)),
                x: zeros(pairs.len()),
                s: zeros(pairs.len()),
            },
            shift: 0.0,
            explicit: true,
            stiff: false,
            slow: false,
            apart: 0.0,
            last: t,
            rounded: 0.0,
            renewed: t,
            watched: width.map(|k| vec![1.0; k]),
            mean_square: pairs.iter().map(|p| p.multiplicity as f64 * p.value * p.value / n).sum(),
            watch: Watch::new(tolerance),
            weights,
            pattern,
        };
        flow.take_gains();
        flow.residuals(&state);
        let start = flow.balance(&state);
        flow.watch.objective(t, &start);
        flow.watch_conserved(t, &state);
        (flow, state)
    }

    fn take_gains(&mut self) {
        for (gains, factor) in self.gains.iter_mut().zip(&self.factors) {
            gains.iter_mut().zip(&factor.log_scales).for_each(|(g, x)| *g = (2.0 * x).exp());
        }
    }

    fn d(&self) -> usize {
        self.pattern.dimension
    }

    /// Length of the part of the state that is U's.
    fn split(&self) -> usize {
        self.d() * self.factors[0].width
    }

    /// The smallest eigenvalue of the tangent kernel relative to its largest, where it is small enough to be had.
    pub fn evenness(&mut self, y: &[f64]) -> crate::Result<Option<f64>> {
        if self.values.len() > MOST_DENSE {
            return Ok(None);
        }
        self.residuals(y);
        let mut frozen = std::mem::take(&mut self.frozen);
        self.dense(y, &self.work.scaled, &mut frozen.a);
        self.kernel.refresh(&frozen.a);
        self.frozen = frozen;
        let eigenvalues = Engine::SEQUENTIAL.eigh(self.kernel.dense().view())?.values;
        Ok(Some(eigenvalues[0] / eigenvalues[eigenvalues.len() - 1]))
    }

    /// From here on the slow flow, at its time t.
    pub fn slow_down(&mut self, t: f64, y: &mut [f64]) {
        self.slow = true;
        self.weight_decay = 1.0;
        self.explicit = true;
        self.stiff = false;
        self.renew(t, y);
    }

    /// Makes the columns orthogonal again.
    pub fn renew(&mut self, t: f64, y: &mut [f64]) {
        let (u, v) = y.split_at_mut(self.d() * self.factors[0].width);
        self.factors[0].orthogonalise(u);
        self.factors[1].orthogonalise(v);
        for (factor, part) in self.factors.iter_mut().zip([u, v]) {
            let width = factor.width;
            for (k, _) in factor.log_scales.iter().enumerate().filter(|(_, x)| **x < DEAD) {
                part.iter_mut().skip(k).step_by(width).for_each(|x| *x = 0.0);
            }
        }
        self.take_gains();
        self.apart = 0.0;
        self.rounded = 0.0;
        self.last = t;
        self.renewed = t;
        self.choose_watched(y);
        self.watch.new_epoch();
        self.watch_conserved(t, y);
    }

    fn parts<'a>(&self, y: &'a [f64]) -> [&'a [f64]; 2] {
        let (u, v) = y.split_at(self.split());
        [u, v]
    }

    /// A = UUᵀ + VVᵀ as a full, padded square.
    fn dense(&self, y: &[f64], scaled: &[Vec<f64>; 2], full: &mut [f64]) {
        let d = self.d();
        let mut out = ArrayViewMut2::from_shape((d, d).strides((stride(d), 1)), full).expect("padded rows");
        let mut keep = 0.0;
        for ((part, scaled), factor) in self.parts(y).into_iter().zip(scaled).zip(&self.factors) {
            let view = |x| ArrayView2::from_shape((d, factor.width), x).expect("d rows");
            general_mat_mul(1.0, &view(scaled), &view(part).t(), keep, &mut out);
            keep = 1.0;
        }
    }

    /// C·diag(e^{2x}), s = W_Ω − y and S of a state, into the workspace.
    fn residuals(&mut self, y: &[f64]) {
        let split = self.split();
        let (u, v) = y.split_at(split);
        let widths = [self.factors[0].width, self.factors[1].width];
        let Workspace { c, scaled, x, s, .. } = &mut self.work;
        c.copy_from_slice(y);
        vectorised(
            #[inline(always)]
            || {
                for ((scaled, part), (gains, width)) in
                    scaled.iter_mut().zip([u, v]).zip(self.gains.iter().zip(widths))
                {
                    for (to, from) in
                        scaled.chunks_exact_mut(width.max(1)).zip(part.chunks_exact(width.max(1)))
                    {
                        for ((to, from), gain) in to.iter_mut().zip(from).zip(gains) {
                            *to = from * gain;
                        }
                    }
                }
                for ((x, s), ((&(i, j), value), weight)) in x
                    .iter_mut()
                    .zip(s.iter_mut())
                    .zip(self.pattern.at.iter().zip(&self.values).zip(&self.weights))
                {
                    *x =
                        entry(&scaled[0], u, widths[0], i, j) - entry(&scaled[1], v, widths[1], i, j) - value;
                    *s = weight * *x;
                }
            },
        );
    }

    /// At least the largest rate of the tangent kernel: 2·max w·‖A‖, with ‖A‖ from the lengths of the columns.
    fn rate(&self, y: &[f64]) -> f64 {
        let mut norm = 0.0;
        for (part, scaled, width) in [(0, self.factors[0].width), (1, self.factors[1].width)]
            .map(|(k, width)| (self.parts(y)[k], &self.work.scaled[k], width))
        {
            let square = |k: usize| -> f64 {
                let both = part.iter().zip(scaled).skip(k).step_by(width.max(1));
                both.map(|(c, s)| c * s).sum()
            };
            norm += (0..width).map(square).fold(0.0, f64::max);
        }
        2.0 * norm * self.largest_weight
    }

    /// The S that holds the observed entries in place: {S, A}_Ω = −2y.
    fn multipliers(&mut self, y: &[f64]) -> Result<(), Reject> {
        let mut frozen = std::mem::take(&mut self.frozen);
        self.dense(y, &self.work.scaled, &mut frozen.a);
        self.kernel.refresh(&frozen.a);
        let target = |x: &mut [f64], values: &[f64]| {
            x.iter_mut().zip(values).for_each(|(x, value)| *x = -2.0 * value);
        };
        target(&mut frozen.x, &self.values);
        let mut solved = self.kernel.solve(0.0, 1.0, SLOW_TOLERANCE, &mut frozen.x);
        if self.values.len() <= MOST_DENSE && (solved.is_err() || self.kernel.iterations > PATIENCE) {
            target(&mut frozen.x, &self.values);
            solved = match self.kernel.precondition_by_itself() {
                Ok(()) => self.kernel.solve(0.0, 1.0, SLOW_TOLERANCE, &mut frozen.x),
                failed => failed,
            };
        }
        for (s, (x, weight)) in self.work.s.iter_mut().zip(frozen.x.iter().zip(&self.weights)) {
            *s = weight * x;
        }
        self.frozen = frozen;
        solved
    }

    /// A step of the power method on S: gives (nearly) its norm, from below.
    fn norm_of_s(&mut self) -> f64 {
        let Workspace { s, probe, image, .. } = &mut self.work;
        for (i, image) in image.iter_mut().enumerate() {
            *image = self.pattern.row(i).map(|(j, p)| s[p] * probe[j]).sum();
        }
        let norm = dot(image, image).sqrt();
        if norm > 0.0 {
            probe.iter_mut().zip(&*image).for_each(|(p, i)| *p = 0.05 * *p + 0.95 * i / norm);
            let length = dot(probe, probe).sqrt();
            if length > 1e-3 {
                probe.iter_mut().for_each(|p| *p /= length);
            }
        }
        norm
    }
}

/// Σ_k a_ik b_jk.
#[inline(always)]
fn entry(a: &[f64], b: &[f64], width: usize, i: usize, j: usize) -> f64 {
    dot(&a[i * width..(i + 1) * width], &b[j * width..(j + 1) * width])
}

impl Flow for FactorFlow {
    fn dimension(&self) -> usize {
        self.d() * (self.factors[0].width + self.factors[1].width)
    }

    /// theory/completion.md (3), column by column.
    fn rhs(&mut self, _t: f64, y: &[f64], dy: &mut [f64]) -> Result<(), Reject> {
        self.residuals(y);
        if self.slow {
            self.multipliers(y)?;
        }
        let split = self.split();
        let decay = self.weight_decay;
        let (du, dv) = dy.split_at_mut(split);
        for (((part, out), factor), sign) in
            self.parts(y).into_iter().zip([du, dv]).zip(&self.factors).zip([-1.0, 1.0])
        {
            let width = factor.width.max(1);
            for (i, (out, own)) in out.chunks_exact_mut(width).zip(part.chunks_exact(width)).enumerate() {
                out.iter_mut().zip(own).for_each(|(out, own)| *out = -decay * own);
                for (j, p) in self.pattern.row(i) {
                    add_multiple(out, sign * self.work.s[p], &part[j * width..(j + 1) * width]);
                }
            }
        }
        Ok(())
    }

    /// Each column relative to itself; but columns that carry little of W need not, and in a long step cannot, be
    /// better than the rounding of s, which moves them by h S[rounding].
    fn sizes(&self, _t: f64, y: &[f64], sizes: &mut [f64]) {
        let split = self.split();
        let (first, second) = sizes.split_at_mut(split);
        let d = self.d() as f64;
        let rounding = match self.explicit {
            true => 0.0,
            false => ROUNDING * self.shift * self.largest_weight * f64::EPSILON * self.largest_value,
        };
        // Multipliers of what a column carries are a quotient of the two: their error is rounding over its share.
        let multipliers = if self.slow { ROUNDING * f64::EPSILON } else { 0.0 };
        for (((part, sizes), factor), gains) in
            self.parts(y).into_iter().zip([first, second]).zip(&self.factors).zip(&self.gains)
        {
            let width = factor.width.max(1);
            if sizes.is_empty() {
                continue;
            }
            let (sums, rest) = sizes.split_at_mut(width);
            sums.fill(0.0);
            for row in part.chunks_exact(width) {
                sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x * x);
            }
            for (sum, gain) in sums.iter_mut().zip(gains) {
                let share = self.largest_value / (gain * *sum).max(f64::MIN_POSITIVE);
                let room = ((rounding + multipliers * share) / self.rtol).min(share).max(1.0);
                *sum = room * (*sum / d).sqrt();
            }
            rest.chunks_exact_mut(width).for_each(|row| row.copy_from_slice(sums));
        }
    }

    /// Watches the run, and asks for an end where the columns are to be made orthogonal.
    fn accepted(&mut self, t: f64, y: &mut [f64]) -> Action {
        // S of a slow flow stays that of the last right-hand side.
        if !self.slow {
            self.residuals(y);
        }
        if !self.slow {
            let balance = self.balance(y);
            self.watch.objective(t, &balance);
            self.stiff = self.explicit && self.rate(y) * (t - self.last) > STABLE;
        }
        self.apart += 1.3 * self.norm_of_s() * (t - self.last);
        if !self.explicit {
            let rate = self.largest_weight * f64::EPSILON * self.largest_value;
            self.rounded += ROUNDING * rate * (t - self.last);
        }
        self.watch_conserved(t, y);
        self.last = t;
        let extreme = y.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        let extreme = extreme > 1e100 || (extreme > 0.0 && extreme < 1e-100);
        if self.watch.breach.is_some() || self.stiff || self.apart > APART || extreme {
            return Action::Stop;
        }
        Action::Continue
    }
}

impl StiffFlow for FactorFlow {
    fn refresh(&mut self, _t: f64, y: &[f64]) -> Result<(), Reject> {
        self.residuals(y);
        Ok(())
    }

    /// Newton's matrix at the state of the last right-hand side: its columns, and the tangent kernel of its A.
    fn factor(&mut self, shift: f64) -> Result<(), Reject> {
        self.shift = shift;
        let mut frozen = std::mem::take(&mut self.frozen);
        frozen.c.copy_from_slice(&self.work.c);
        for (to, from) in frozen.scaled.iter_mut().zip(&self.work.scaled) {
            to.copy_from_slice(from);
        }
        self.dense(&frozen.c, &frozen.scaled, &mut frozen.a);
        self.kernel.refresh(&frozen.a);
        self.frozen = frozen;
        let few = self.values.len() <= MOST_DENSE;
        if !few || self.kernel.iterations <= PATIENCE {
            self.kernel.set_factor(None);
            return Ok(());
        }
        let mut matrix = self.kernel.dense();
        matrix.mapv_inplace(|x| shift * x);
        matrix.diag_mut().iter_mut().for_each(|x| *x += 1.0 + self.weight_decay * shift);
        let factor = Engine::SEQUENTIAL
            .cholesky(matrix.view())
            .map_err(|_| Reject("the tangent kernel is not positive definite"))?;
        self.kernel.set_factor(Some(factor));
        Ok(())
    }

    /// With the columns frozen, (1 + λh)δ + h S[δs] C = b couples only δs: theory/completion.md (11), (16).
    fn solve(&mut self, b: &mut [f64]) -> Result<(), Reject> {
        let (shift, split, d) = (self.shift, self.split(), self.d());
        let identity = 1.0 + self.weight_decay * shift;
        let widths = [self.factors[0].width, self.factors[1].width];
        let Frozen { c, scaled, x, s, .. } = &mut self.frozen;
        let change = |part: usize, b: &[f64], (i, j): (usize, usize)| {
            let (scaled, width) = (&scaled[part], widths[part]);
            entry(scaled, b, width, i, j) + entry(scaled, b, width, j, i)
        };
        for (x, &at) in x.iter_mut().zip(&self.pattern.at) {
            *x = change(0, &b[..split], at) - change(1, &b[split..], at);
        }
        // What is left of x moves every column by h S[rest] C: to within the tolerance.
        let largest = x.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        let moves = shift * self.largest_weight * largest;
        let tolerance =
            (1e-2 * self.rtol / moves.max(f64::MIN_POSITIVE)).clamp(CG_TOLERANCE.0, CG_TOLERANCE.1);
        self.kernel.solve(identity, shift, tolerance, x)?;
        for (s, (x, weight)) in s.iter_mut().zip(x.iter().zip(&self.weights)) {
            *s = shift * weight * x;
        }
        let (bu, bv) = b.split_at_mut(split);
        let parts = [&c[..split], &c[split..]];
        for (((part, out), width), sign) in parts.into_iter().zip([bu, bv]).zip(widths).zip([-1.0, 1.0]) {
            for (i, out) in out.chunks_exact_mut(width.max(1)).enumerate().take(d) {
                for (j, p) in self.pattern.row(i) {
                    add_multiple(out, sign * s[p], &part[j * width..(j + 1) * width]);
                }
                out.iter_mut().for_each(|x| *x /= identity);
            }
        }
        Ok(())
    }
}
