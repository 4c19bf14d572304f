//! The flow of (W, A): right-hand side, the solve of an implicit step, and the guards on the invariant.
//!
//! State: two lower triangles. The first holds W, but W_ij − y_ij at the observed pairs, so that residuals
//! far below the entries keep all their digits; the second holds A.

use ndarray::Array2;

use super::kernel::{Kernel, Pattern};
use super::symmetric::{
    for_each_symmetrised, packed_index, packed_length, stride, to_matrix, to_packed, unpack,
};
use super::watch::{self, Balance};
use super::{Invariant, Problem, Start};
use crate::data::features::{generator, unit_vector};
use crate::error::Error;
use crate::linalg::{Engine, Threads};
use crate::ode::{Action, Flow, Reject, StiffFlow};

/// Relative residual of the linear solve in Newton's iteration.
const CG_TOLERANCE: f64 = 1e-2;
/// The invariant is looked at every so many steps.
const WATCH_EVERY: usize = 8;
/// Relative drift of the invariant at which A is repaired: this many tolerances, and never more than that.
const DRIFT: (f64, f64) = (1e4, 1e-3);
/// Part of the data that errors of W are relative to, at least.
const SMALLEST: f64 = 1e-3;
/// How negative an eigenvalue of UUᵀ or VVᵀ may be at the end, relative to A: the same.
const NEGATIVE: (f64, f64) = (1e3, 1e-4);

/// The flow as the integrator sees it.
pub(super) struct CompletionFlow {
    pub pattern: Pattern,
    pub kernel: Kernel,
    /// y and S_p/(W_p − y_p) of each pair.
    pub values: Vec<f64>,
    pub weights: Vec<f64>,
    weight_decay: f64,
    invariant: Invariant,
    rtol: f64,
    threads: Threads,
    length: usize,
    /// Root mean square of the zero-filled matrix.
    data_size: f64,
    /// The share of s_p² in the loss, and the mean of y² over the entries as given.
    shares: Vec<f64>,
    mean_square: f64,
    shift: f64,
    work: Workspace,
    frozen: Frozen,
    pub watch: Watch,
    /// Of the objective.
    pub monitor: watch::Watch,
}

/// Full squares, entries of S, and numbers a pair.
struct Workspace {
    w: Vec<f64>,
    a: Vec<f64>,
    products: [Vec<f64>; 2],
    s: Vec<f64>,
    x: Vec<f64>,
}

/// W and A of the last refresh divided by their largest entry, and what solutions with them need. Single precision:
/// it is Newton's matrix alone.
struct Frozen {
    w: Vec<f32>,
    a: Vec<f32>,
    size: f64,
    products: [Vec<f32>; 2],
    s: Vec<f32>,
}

/// What became of the invariant.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    probe: Vec<f64>,
    steps: usize,
    /// The tangent kernel was found indefinite since the last look.
    indefinite: bool,
    /// Largest relative drift seen.
    pub drift: f64,
    pub repairs: usize,
    failed: bool,
}

impl CompletionFlow {
    pub fn new(problem: &Problem, start: &Start, weight_decay: f64, rtol: f64, threads: Threads) -> Self {
        let observations = &problem.observations;
        let d = observations.dimension();
        let n = observations.count() as f64;
        let pattern = Pattern::new(observations, threads);
        let pairs = observations.pairs();
        let weights: Vec<f64> = pairs
            .iter()
            .map(|p| p.multiplicity as f64 * if p.row == p.column { 4.0 } else { 2.0 } / n)
            .collect();
        let filled = observations.zero_filled();
        let square = || vec![0.0; d * stride(d)];
        let single = || vec![0.0; d * stride(d)];
        CompletionFlow {
            kernel: Kernel::new(&pattern, &weights),
            values: pairs.iter().map(|p| p.value).collect(),
            weight_decay,
            invariant: start.invariant,
            rtol,
            threads,
            length: packed_length(d),
            data_size: (filled.iter().map(|x| x * x).sum::<f64>() / (d * d) as f64).sqrt(),
            shares: pairs.iter().map(|p| p.multiplicity as f64 / n).collect(),
            mean_square: pairs.iter().map(|p| p.multiplicity as f64 * p.value * p.value / n).sum(),
            shift: 0.0,
            work: Workspace {
                w: square(),
                a: square(),
                products: [square(), square()],
                s: vec![0.0; pattern.entries()],
                x: vec![0.0; weights.len()],
            },
            frozen: Frozen {
                w: single(),
                a: single(),
                size: 1.0,
                products: [single(), single()],
                s: vec![0.0; pattern.entries()],
            },
            monitor: watch::Watch::new(rtol),
            watch: Watch { probe: unit_vector(d, &mut generator(0, 0)).to_vec(), ..Watch::default() },
            weights,
            pattern,
        }
    }

    /// The start as a state.
    pub fn state(&self, start: &Start) -> Vec<f64> {
        let mut y = vec![0.0; 2 * self.length];
        let (w, a) = y.split_at_mut(self.length);
        to_packed(&start.w, w);
        to_packed(&start.a, a);
        for (&at, value) in self.pattern.packed.iter().zip(&self.values) {
            w[at] -= value;
        }
        y
    }

    /// Takes W, A and the tangent kernel from a state.
    pub fn read(&mut self, y: &[f64]) {
        let Workspace { w, a, .. } = &mut self.work;
        squares(&self.pattern, &self.values, y, w, a);
        self.kernel.refresh(a);
    }

    /// −{S, A} − 2λW and −{S, W} − 2λA at the state last read, with S_p = w_p x_p.
    pub fn slope(&mut self, x: &[f64], y: &[f64], dy: &mut [f64]) {
        let d = self.dimension_of_matrix();
        let Workspace { w, a, products: [sa, sw], s, .. } = &mut self.work;
        self.pattern.spread(|p| self.weights[p] * x[p], s);
        self.pattern.products::<f64>(s, [a, w], [sa, sw]);
        let decay = 2.0 * self.weight_decay;
        let (y_w, y_a) = y.split_at(self.length);
        let (dy_w, dy_a) = dy.split_at_mut(self.length);
        for_each_symmetrised(sa, d, |at, sums| {
            for ((dy, y), sum) in dy_w[at..].iter_mut().zip(&y_w[at..]).zip(sums) {
                *dy = -sum - decay * y;
            }
        });
        for_each_symmetrised(sw, d, |at, sums| {
            for ((dy, y), sum) in dy_a[at..].iter_mut().zip(&y_a[at..]).zip(sums) {
                *dy = -sum - decay * y;
            }
        });
        for (&at, value) in self.pattern.packed.iter().zip(&self.values) {
            dy_w[at] -= decay * value;
        }
    }

    /// Takes Newton's matrix from the W and A in the workspace.
    fn freeze(&mut self) {
        let (Workspace { w, a, .. }, frozen) = (&self.work, &mut self.frozen);
        self.kernel.refresh(a);
        let largest = a.iter().chain(w).fold(0.0_f64, |m, a| m.max(a.abs()));
        frozen.size = if largest > 0.0 { largest } else { 1.0 };
        let inverse = 1.0 / frozen.size;
        for (to, from) in [(&mut frozen.w, w), (&mut frozen.a, a)] {
            to.iter_mut().zip(from).for_each(|(to, from)| *to = (from * inverse) as f32);
        }
    }

    fn dimension_of_matrix(&self) -> usize {
        self.pattern.dimension
    }

    /// W of a state.
    pub fn w_matrix(&self, y: &[f64]) -> Array2<f64> {
        let mut w = to_matrix(&y[..self.length], self.dimension_of_matrix());
        for (&(i, j), value) in self.pattern.at.iter().zip(&self.values) {
            let entry = y[packed_index(i, j)] + value;
            w[(i, j)] = entry;
            w[(j, i)] = entry;
        }
        w
    }

    /// A of a state.
    pub fn a_matrix(&self, y: &[f64]) -> Array2<f64> {
        to_matrix(&y[self.length..], self.dimension_of_matrix())
    }

    /// Relative drift of the invariant, estimated with one probe vector: ‖(A² − W² − 4c²I)v‖/‖A²v‖; of the
    /// scalar invariant exactly.
    fn drift(&self, t: f64, y: &[f64]) -> f64 {
        let (d, probe) = (self.dimension_of_matrix(), &self.watch.probe);
        let decay = self.weight_decay * t;
        let (packed_w, packed_a) = y.split_at(self.length);
        match self.invariant {
            Invariant::Scalar { total, .. } => {
                let norm = |packed: &[f64]| -> f64 {
                    let diagonal: f64 = (0..d).map(|i| packed[packed_index(i, i)].powi(2)).sum();
                    2.0 * packed.iter().map(|x| x * x).sum::<f64>() - diagonal
                };
                // W with the observed values put back.
                let mut w = norm(packed_w);
                for ((&at, &value), &(i, j)) in
                    self.pattern.packed.iter().zip(&self.values).zip(&self.pattern.at)
                {
                    let twice = if i == j { 1.0 } else { 2.0 };
                    w += twice * value * (2.0 * packed_w[at] + value);
                }
                let a = norm(packed_a);
                (a - w - 4.0 * total * (-4.0 * decay).exp()).abs() / a
            }
            Invariant::Matrix { square } => {
                let apply_a = |v: &[f64]| symmetric_product(packed_a, v);
                let apply_w = |v: &[f64]| {
                    let mut out = symmetric_product(packed_w, v);
                    for (&(i, j), value) in self.pattern.at.iter().zip(&self.values) {
                        out[i] += value * v[j];
                        if i != j {
                            out[j] += value * v[i];
                        }
                    }
                    out
                };
                let (a, w) = (apply_a(&apply_a(probe)), apply_w(&apply_w(probe)));
                let shift = 4.0 * square * square * (-4.0 * decay).exp();
                let rest = a.iter().zip(&w).zip(probe).map(|((a, w), v)| (a - w - shift * v).powi(2));
                (rest.sum::<f64>() / a.iter().map(|a| a * a).sum::<f64>()).sqrt()
            }
        }
    }

    /// The terms of the regularised loss.
    fn balance(&self, y: &[f64]) -> Balance {
        let (w, a) = y.split_at(self.length);
        let square = |(&at, share): (&usize, &f64)| share * w[at] * w[at];
        Balance {
            loss: self.pattern.packed.iter().zip(&self.shares).map(square).sum(),
            square_norm: (0..self.dimension_of_matrix()).map(|i| a[packed_index(i, i)]).sum(),
            weight_decay: self.weight_decay,
            // Errors of W are relative to all of it.
            data: self.mean_square.max(w.iter().map(|w| w * w).sum::<f64>() / w.len() as f64),
        }
    }

    /// A = √(W² + 4c²I).
    fn repair(&mut self, t: f64, y: &mut [f64]) -> crate::Result<()> {
        let c = self.invariant.size(self.weight_decay * t);
        let engine = Engine { threads: self.threads, ..Engine::default() };
        let a = root_of_shifted_square(&self.w_matrix(y), c, engine)?;
        to_packed(&a, &mut y[self.length..]);
        self.watch.repairs += 1;
        Ok(())
    }

    /// U and V, up to orthogonal factors on the right, from the eigenvalues of UUᵀ and VVᵀ: (√(w² + 4c²) ± w)/2, the small
    /// one as c² over the large one; from another start than a multiple of the identity those of (A ± W)/2.
    pub fn factors(&self, t: f64, y: &[f64]) -> crate::Result<[Array2<f64>; 2]> {
        let engine = Engine { threads: self.threads, ..Engine::default() };
        let w = self.w_matrix(y);
        if let Invariant::Matrix { .. } = self.invariant {
            let c = self.invariant.size(self.weight_decay * t);
            let e = engine.eigh(w.view())?;
            let of = |sign: f64| {
                let roots = e.values.mapv(|w| {
                    let large = 0.5 * (w.hypot(2.0 * c) + w.abs());
                    if sign * w >= 0.0 { large.sqrt() } else { c / large.sqrt() }
                });
                &e.vectors * &roots
            };
            return Ok([of(1.0), of(-1.0)]);
        }
        let a = self.a_matrix(y);
        let of = |m: Array2<f64>| -> crate::Result<Array2<f64>> {
            let e = engine.eigh(m.view())?;
            let roots = e.values.mapv(|v| (0.5 * v).max(0.0).sqrt());
            Ok(&e.vectors * &roots)
        };
        Ok([of(&a + &w)?, of(&a - &w)?])
    }

    /// At the end: the drift, and whether UUᵀ and VVᵀ are still positive semidefinite.
    pub fn final_check(&mut self, t: f64, y: &[f64]) -> crate::Result<()> {
        self.watch.drift = self.watch.drift.max(self.drift(t, y));
        let (w, a) = (self.w_matrix(y), self.a_matrix(y));
        let engine = Engine { threads: self.threads, ..Engine::default() };
        let scale = engine.eigh(a.view())?.values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        for (name, m) in [("UUᵀ", &a + &w), ("VVᵀ", &a - &w)] {
            let lowest = 0.5 * engine.eigh(m.view())?.values[0];
            if lowest < -(NEGATIVE.0 * self.rtol).min(NEGATIVE.1) * scale {
                return Err(Error::Numerical {
                    method: "completion flow",
                    detail: format!(
                        "{name} has the eigenvalue {lowest:e} at t = {t:e}: the tolerance {:e} is too loose here",
                        self.rtol
                    ),
                });
            }
        }
        Ok(())
    }

    /// Whether an invariant was lost beyond repair.
    pub fn failed(&self) -> bool {
        self.watch.failed
    }
}

/// Writes W and A of a state as full squares into `w` and `a`.
fn squares(pattern: &Pattern, values: &[f64], y: &[f64], w: &mut [f64], a: &mut [f64]) {
    let d = pattern.dimension;
    let (packed_w, packed_a) = y.split_at(y.len() / 2);
    unpack(packed_w, d, w);
    unpack(packed_a, d, a);
    let stride = stride(d);
    for (&(i, j), value) in pattern.at.iter().zip(values) {
        let entry = w[i * stride + j] + value;
        w[i * stride + j] = entry;
        w[j * stride + i] = entry;
    }
}

/// √(W² + 4c²I).
pub(super) fn root_of_shifted_square(w: &Array2<f64>, c: f64, engine: Engine) -> crate::Result<Array2<f64>> {
    let e = engine.eigh(w.view())?;
    let roots = e.values.mapv(|v| v.hypot(2.0 * c));
    engine.matmul((&e.vectors * &roots).view(), e.vectors.t())
}

/// Packed symmetric matrix times a vector.
fn symmetric_product(packed: &[f64], v: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; v.len()];
    let mut start = 0;
    for i in 0..v.len() {
        let row = &packed[start..=start + i];
        let (before, at) = out.split_at_mut(i);
        let mut sum = row[i] * v[i];
        for ((m, v_j), out) in row.iter().zip(v).zip(before) {
            sum += m * v_j;
            *out += m * v[i];
        }
        at[0] += sum;
        start += i + 1;
    }
    out
}

impl Flow for CompletionFlow {
    fn dimension(&self) -> usize {
        2 * self.length
    }

    /// W' = −{S, A} − 2λW, A' = −{S, W} − 2λA: theory/completion.md (5).
    fn rhs(&mut self, _t: f64, y: &[f64], dy: &mut [f64]) -> Result<(), Reject> {
        let Workspace { w, a, x, .. } = &mut self.work;
        squares(&self.pattern, &self.values, y, w, a);
        for (x, &at) in x.iter_mut().zip(&self.pattern.packed) {
            *x = y[at];
        }
        let x = std::mem::take(x);
        self.slope(&x, y, dy);
        self.work.x = x;
        Ok(())
    }

    /// Errors are controlled in the root mean square of W and of A, each as a whole; W may start at zero, so no smaller
    /// than a part of the data.
    fn sizes(&self, _t: f64, y: &[f64], sizes: &mut [f64]) {
        let square = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>();
        let (w, a) = y.split_at(self.length);
        let (sizes_w, sizes_a) = sizes.split_at_mut(self.length);
        // The residuals with the data put back.
        let entries = self.pattern.packed.iter().zip(&self.values);
        let back: f64 = entries.map(|(&at, value)| value * (2.0 * w[at] + value)).sum();
        let mean = ((square(w) + back).max(0.0) / self.length as f64).sqrt();
        sizes_w.fill(mean.max(SMALLEST * self.data_size));
        sizes_a.fill((square(a) / self.length as f64).sqrt());
    }

    fn accepted(&mut self, t: f64, y: &mut [f64]) -> Action {
        let balance = self.balance(y);
        self.monitor.objective(t, &balance);
        if self.monitor.breach.is_some() {
            return Action::Stop;
        }
        self.watch.steps += 1;
        if !(self.watch.indefinite || self.watch.steps.is_multiple_of(WATCH_EVERY)) {
            return Action::Continue;
        }
        let drift = self.drift(t, y);
        self.watch.drift = self.watch.drift.max(drift);
        let lost = self.watch.indefinite || drift.is_nan() || drift > (DRIFT.0 * self.rtol).min(DRIFT.1);
        self.watch.indefinite = false;
        if !lost {
            return Action::Continue;
        }
        let repairable = matches!(self.invariant, Invariant::Matrix { .. });
        if repairable && self.repair(t, y).is_ok() {
            self.monitor.restart();
            return Action::Modified;
        }
        self.watch.failed = true;
        Action::Stop
    }
}

impl StiffFlow for CompletionFlow {
    fn refresh(&mut self, _t: f64, y: &[f64]) -> Result<(), Reject> {
        let Workspace { w, a, .. } = &mut self.work;
        squares(&self.pattern, &self.values, y, w, a);
        self.freeze();
        Ok(())
    }

    /// Nothing is factored, and W and A are cheap to take: those of the last right-hand side are newer than
    /// those of the last refresh.
    fn factor(&mut self, shift: f64) -> Result<(), Reject> {
        self.shift = shift;
        self.freeze();
        Ok(())
    }

    /// With W and A frozen only the observed entries couple: theory/completion.md (10), (11).
    fn solve(&mut self, b: &mut [f64]) -> Result<(), Reject> {
        let d = self.dimension_of_matrix();
        let shift = self.shift;
        let identity = 1.0 + 2.0 * self.weight_decay * shift;
        let x = &mut self.work.x;
        for (x, &at) in x.iter_mut().zip(&self.pattern.packed) {
            *x = b[at];
        }
        if let Err(reject) = self.kernel.solve(identity, shift, CG_TOLERANCE, x) {
            self.watch.indefinite = true;
            return Err(reject);
        }
        let largest = x.iter().zip(&self.weights).fold(0.0_f64, |m, (x, weight)| m.max((weight * x).abs()));
        let largest = if largest > 0.0 { largest } else { 1.0 };
        let Frozen { w, a, size, products: [sa, sw], s } = &mut self.frozen;
        self.pattern.spread(|p| (self.weights[p] * x[p] / largest) as f32, s);
        self.pattern.products::<f32>(s, [a, w], [sa, sw]);
        let (b_w, b_a) = b.split_at_mut(self.length);
        let (keep, change) = (1.0 / identity, shift * largest * *size / identity);
        for_each_symmetrised(sa, d, |at, sums| {
            for (b, &sum) in b_w[at..].iter_mut().zip(sums) {
                *b = keep * *b - change * f64::from(sum);
            }
        });
        for_each_symmetrised(sw, d, |at, sums| {
            for (b, &sum) in b_a[at..].iter_mut().zip(sums) {
                *b = keep * *b - change * f64::from(sum);
            }
        });
        // At the observed entries that difference cancels; the solution itself does not.
        for (x, &at) in x.iter().zip(&self.pattern.packed) {
            b_w[at] = *x;
        }
        Ok(())
    }
}
