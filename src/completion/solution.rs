//! The solved flow: W at any time, and what one asks of it.

use std::sync::OnceLock;

use ndarray::Array2;

use super::inside::PARTS;
use super::kernel::Pattern;
use super::symmetric::{packed_index, packed_length};
use super::{Invariant, Problem, Record, Settings};
use crate::error::{Error, Result, check};
use crate::linalg::{Engine, Threads};
use crate::memory;
use crate::ode::Statistics;
use crate::trajectory::{Observable, Trajectory};

/// Recorded ends of stiff steps that a value between them is interpolated from: theory/completion.md (14).
pub(super) const NEIGHBOURS: usize = 6;
/// Nodes closer than this part of the gap that is interpolated count as one.
const CLOSE: f64 = 0.05;
/// Nodes of a path, usually: what is asked for before it is begun.
const USUAL_NODES: usize = 1000;

/// W(t) and the trace of A(t) = UUᵀ + VVᵀ.
///
/// The path is kept at the ends of the integrator's steps (of a slow flow at a few points inside them too), and
/// interpolated. Solved with [`Record::At`] it answers at those times only.
#[derive(Clone, Debug)]
pub struct Solution {
    problem: Problem,
    pub(super) rtol: f64,
    pub(super) threads: Threads,
    /// Whether its clock is τ = λt.
    pub(super) slow: bool,
    /// Another run, to compare with.
    pub(super) second: OnceLock<std::result::Result<Box<Solution>, String>>,
    /// Where the observed pairs are in a packed matrix, and their values.
    pub(super) observed: Vec<(usize, f64, f64)>,
    /// Position in a node, weight, value of each unordered test entry; less the observed value where it is a residual.
    pub(super) test: Vec<(usize, f64, f64)>,
    pub(super) test_count: f64,
    weight_decay: f64,
    invariant: Invariant,
    rank_tolerance: f64,
    pub(super) horizon: f64,
    between: Between,
    times: Vec<f64>,
    /// The nodes at which the implicit integrator began anew.
    starts: Vec<usize>,
    /// A node after another: the packed W, the trace of A, and W_p − y_p at the observed pairs with all its digits.
    nodes: Vec<f64>,
    /// Why no more nodes could be kept.
    refused: Option<Error>,
    diagnostics: Diagnostics,
}

/// What lies between the recorded times.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Between {
    /// Nothing is known: they were asked for.
    Nothing,
    /// Between the nodes of these two indices one of [`PARTS`] parts of a step: the polynomial through all its nodes.
    /// Elsewhere a step: a polynomial through the nearest [`NEIGHBOURS`] of the same run of the integrator.
    Parts(usize, usize),
}

/// What the solution cost, and how well the invariant held.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Diagnostics {
    pub statistics: Statistics,
    /// Largest relative drift of the invariant that was seen (‖A² − W² − 4c²I‖ on a probe, relative to A²).
    pub invariant_drift: f64,
    /// How often A was set to √(W² + 4c²I).
    pub repairs: usize,
}

impl Solution {
    /// Nothing recorded yet. The memory of the record is asked for here: that of times given is known, of a path it is
    /// what is usual, and [`Solution::room`] asks for more.
    pub(super) fn new(
        problem: &Problem,
        pattern: &Pattern,
        settings: &Settings,
        invariant: Invariant,
    ) -> Result<Self> {
        let observations = &problem.observations;
        let n = observations.count() as f64;
        let pairs = observations.pairs();
        let node = packed_length(observations.dimension()) + 1 + pairs.len();
        match &settings.record {
            Record::At(times) => {
                memory::check_array("the states at the times asked for", &[times.len(), node])?
            }
            Record::Path => memory::check_array("the path, about", &[USUAL_NODES, node])?,
        }
        let observed: Vec<_> = pattern
            .packed
            .iter()
            .zip(pairs)
            .map(|(&at, p)| (at, p.value, p.multiplicity as f64 / n))
            .collect();
        let (test, test_count) = test_entries(problem);
        Ok(Solution {
            observed,
            test,
            test_count,
            problem: problem.clone(),
            rtol: settings.rtol,
            threads: settings.threads,
            slow: false,
            second: OnceLock::new(),
            weight_decay: settings.weight_decay,
            invariant,
            rank_tolerance: settings.rank_tolerance,
            horizon: settings.horizon,
            between: if settings.record == Record::Path { Between::Parts(0, 0) } else { Between::Nothing },
            times: Vec::new(),
            starts: vec![0],
            nodes: Vec::new(),
            refused: None,
            diagnostics: Diagnostics::default(),
        })
    }

    /// Room for another node, asked for before it is taken. Once it was refused nothing is kept any more.
    fn room(&mut self) -> bool {
        let (length, room) = (self.nodes.len() + self.node_length(), self.nodes.capacity());
        if length > room && self.refused.is_none() {
            let more = length.max(room + room / 4);
            // While it moves there are both.
            match memory::check_array("the path so far and what comes", &[room + more]) {
                Ok(()) => self.nodes.reserve_exact(more - self.nodes.len()),
                Err(refused) => self.refused = Some(refused),
            }
        }
        self.refused.is_none()
    }

    /// Whether nothing is kept any more: the integration may end.
    pub(super) fn is_full(&self) -> bool {
        self.refused.is_some()
    }

    /// The error of a path that found no room.
    pub(super) fn kept(&mut self) -> Result<()> {
        self.refused.take().map_or(Ok(()), Err)
    }

    /// Bytes of the record.
    pub(super) fn bytes(&self) -> u64 {
        8 * self.nodes.capacity() as u64
    }

    /// Adds the state of a flow of W and A.
    pub(super) fn push(&mut self, t: f64, y: &[f64]) {
        if !self.room() {
            return;
        }
        let d = self.problem.observations.dimension();
        let (w, a) = y.split_at(packed_length(d));
        let first = self.nodes.len();
        self.times.push(t);
        self.nodes.extend_from_slice(w);
        self.nodes.push((0..d).map(|i| a[packed_index(i, i)]).sum());
        for &(at, value, _) in &self.observed {
            self.nodes.push(w[at]);
            self.nodes[first + at] += value;
        }
    }

    /// Adds a node: the packed W, the trace of A, the residuals at the observed pairs.
    pub(super) fn push_node(&mut self, t: f64, node: &[f64]) {
        if self.room() {
            self.times.push(t);
            self.nodes.extend_from_slice(node);
        }
    }

    /// What was added since the start are whole steps of [`PARTS`] parts.
    pub(super) fn ends_of_parts(&mut self) {
        let last = self.times.len().saturating_sub(1);
        self.between = match self.between {
            Between::Parts(from, _) => Between::Parts(from, last),
            Between::Nothing => Between::Nothing,
        };
        self.begin();
    }

    /// What is added from now on are such parts.
    pub(super) fn begin_parts(&mut self) {
        let last = self.times.len().saturating_sub(1);
        if let Between::Parts(..) = self.between {
            self.between = Between::Parts(last, last);
        }
        self.begin();
    }

    /// The integrator begins anew at the last node.
    pub(super) fn begin(&mut self) {
        let last = self.times.len().saturating_sub(1);
        if self.starts.last() != Some(&last) {
            self.starts.push(last);
        }
    }

    pub(super) fn set_diagnostics(&mut self, diagnostics: Diagnostics) {
        self.diagnostics = diagnostics;
    }

    /// What was solved.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Costs and the drift of the invariant.
    pub fn diagnostics(&self) -> Diagnostics {
        self.diagnostics
    }

    /// What the flow conserves.
    pub fn invariant(&self) -> Invariant {
        self.invariant
    }

    /// λ (1 for a slow flow, whose clock is λt).
    pub fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    /// The times at which the path was recorded: in and at the ends of steps, or those asked for.
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// The recorded times at which steps end (all of them with [`Record::At`]).
    pub fn step_times(&self) -> Vec<f64> {
        let (from, until) =
            if let Between::Parts(from, until) = self.between { (from, until) } else { (0, 0) };
        let ends = self
            .times
            .iter()
            .enumerate()
            .filter(|(k, _)| *k <= from || *k >= until || (k - from) % PARTS == 0);
        ends.map(|(_, t)| *t).collect()
    }

    /// Whether it answers at any time up to the horizon.
    pub fn is_continuous(&self) -> bool {
        self.between != Between::Nothing
    }

    pub(super) fn node_length(&self) -> usize {
        self.trace_at() + 1 + self.observed.len()
    }

    /// Where the trace of A is in a node; the residuals follow.
    pub(super) fn trace_at(&self) -> usize {
        packed_length(self.problem.observations.dimension())
    }

    fn node(&self, k: usize) -> &[f64] {
        let length = self.node_length();
        &self.nodes[k * length..(k + 1) * length]
    }

    /// A node at any time.
    pub(super) fn at(&self, t: f64) -> Result<Vec<f64>> {
        check("time", t, |t| t >= 0.0, "at least 0")?;
        // A grid may end an ulp or two past the horizon that it was made from.
        if t > self.horizon * (1.0 + 4.0 * f64::EPSILON) {
            return Err(Error::PastHorizon { time: t, horizon: self.horizon });
        }
        let t = t.min(self.horizon);
        let after = self.times.partition_point(|&s| s < t);
        if self.times.get(after) == Some(&t) {
            return Ok(self.node(after).to_vec());
        }
        let stencil: Vec<usize> = match self.between {
            Between::Nothing => {
                return Err(Error::Missing {
                    wanted: "a time that was not recorded",
                    needs: "Record::Path, or this time in Record::At",
                });
            }
            Between::Parts(from, until) if from < after && after <= until => {
                let first = from + (after - 1 - from) / PARTS * PARTS;
                (first..=first + PARTS).collect()
            }
            Between::Parts(..) => self.neighbours(after),
        };
        let mut out = vec![0.0; self.node_length()];
        for &k in &stencil {
            let own = self.times[k];
            let others = stencil.iter().filter(|l| **l != k).map(|l| self.times[*l]);
            let weight: f64 = others.map(|other| (t - other) / (own - other)).product();
            for (out, x) in out.iter_mut().zip(self.node(k)) {
                *out += weight * x;
            }
        }
        Ok(out)
    }

    /// The nodes to interpolate from before the node `after`: nearest ones of the same run of the integrator, but none
    /// so close to another, for the length of the gap, that its error would be blown up.
    fn neighbours(&self, after: usize) -> Vec<usize> {
        let run = self.starts.partition_point(|&s| s < after);
        let first = self.starts[run.saturating_sub(1)];
        let last = self.starts.get(run).copied().unwrap_or(self.times.len() - 1);
        let gap = self.times[after] - self.times[after - 1];
        let select = |from: &mut dyn Iterator<Item = usize>, count: usize| {
            let mut chosen: Vec<usize> = Vec::with_capacity(count);
            for k in from {
                let far = chosen.last().is_none_or(|&l| (self.times[l] - self.times[k]).abs() > CLOSE * gap);
                if far && chosen.len() < count {
                    chosen.push(k);
                }
            }
            chosen
        };
        let half = NEIGHBOURS / 2;
        // At either end of the run the other side gives more.
        let after_all = select(&mut (after..=last).take(64), NEIGHBOURS);
        let before = select(&mut (first..after).rev().take(64), NEIGHBOURS - half.min(after_all.len()));
        let mut all: Vec<usize> = before.into_iter().rev().collect();
        let room = NEIGHBOURS - all.len();
        all.extend(after_all.into_iter().take(room));
        all
    }

    /// W_p − y_p at the observed pairs, with all digits.
    ///
    /// # Errors
    /// As [`Solution::state`].
    pub fn residuals(&self, t: f64) -> Result<Vec<f64>> {
        Ok(self.at(t)?.split_off(self.trace_at() + 1))
    }

    /// a² = α²e^{−2λt}, or the size of VᵀU from a general start: eigenvalues of W well below it are not
    /// resolved by the network yet.
    pub fn scale(&self, t: f64) -> f64 {
        self.invariant.size(self.weight_decay * t)
    }

    pub(super) fn matrix_of(&self, node: &[f64]) -> Array2<f64> {
        super::symmetric::to_matrix(node, self.problem.observations.dimension())
    }

    pub(super) fn train_loss(&self, node: &[f64]) -> f64 {
        let residuals = &node[self.trace_at() + 1..];
        self.observed.iter().zip(residuals).map(|(o, s)| o.2 * s * s).sum()
    }

    pub(super) fn test_loss(&self, node: &[f64]) -> f64 {
        let sum: f64 = self.test.iter().map(|&(at, weight, x)| weight * (node[at] - x).powi(2)).sum();
        sum / self.test_count // NaN without test entries
    }

    /// Number of |eigenvalues| above max(20a², tolerance × the largest).
    fn rank(&self, t: f64, eigenvalues: &[f64]) -> usize {
        let largest = eigenvalues.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        let cutoff = (20.0 * self.scale(t)).max(self.rank_tolerance * largest);
        eigenvalues.iter().filter(|v| v.abs() > cutoff).count()
    }
}

/// The ordered entries outside Ω whose truth is known, merged to (position in a node, how many, value): the mirror
/// image of an observed entry is a residual, and its value less the observed one; and how many there are.
fn test_entries(problem: &Problem) -> (Vec<(usize, f64, f64)>, f64) {
    let Some(x) = &problem.truth else { return (Vec::new(), 0.0) };
    let mask = problem.observations.mask();
    let mut observed = std::collections::HashMap::new();
    for (k, p) in problem.observations.pairs().iter().enumerate() {
        observed.insert((p.row, p.column), (packed_length(x.nrows()) + 1 + k, p.value));
    }
    let mut test = Vec::new();
    let mut count = 0.0;
    for i in 0..x.nrows() {
        for j in 0..=i {
            let known = |at: (usize, usize)| !mask[at] && !x[at].is_nan();
            let weight = f64::from(u8::from(known((i, j)))) + f64::from(u8::from(i != j && known((j, i))));
            if weight > 0.0 {
                let value = if known((i, j)) { x[(i, j)] } else { x[(j, i)] };
                let unseen = (packed_index(i, j), 0.0);
                let (at, seen) = observed.get(&(i, j)).copied().unwrap_or(unseen);
                test.push((at, weight, value - seen));
                count += weight;
            }
        }
    }
    (test, count)
}

impl Solution {
    /// W.
    ///
    /// # Errors
    /// A time past the horizon, or negative or NaN.
    pub fn state(&self, t: f64) -> Result<Array2<f64>> {
        Ok(self.matrix_of(&self.at(t)?))
    }
}

impl Trajectory for Solution {
    type Time = f64;

    fn horizon(&self) -> Option<f64> {
        Some(self.horizon)
    }

    fn observe_one(&self, t: f64, what: &[Observable], out: &mut [f64]) -> Result<()> {
        let packed = self.at(t)?;
        let spectral = what.iter().any(|w| matches!(w, Observable::NuclearNorm | Observable::Rank));
        let eigenvalues = match spectral {
            true => Engine::SEQUENTIAL.eigh(self.matrix_of(&packed).view())?.values.to_vec(),
            false => Vec::new(),
        };
        for (out, what) in out.iter_mut().zip(what) {
            *out = match what {
                Observable::TrainLoss => self.train_loss(&packed),
                Observable::LogTrainLoss => self.train_loss(&packed).ln(),
                Observable::TestLoss => self.test_loss(&packed),
                Observable::LogTestLoss => self.test_loss(&packed).ln(),
                Observable::ParameterNorm => packed[self.trace_at()].max(0.0).sqrt(),
                Observable::NuclearNorm => eigenvalues.iter().map(|v| v.abs()).sum(),
                Observable::Rank => self.rank(t, &eigenvalues) as f64,
                // A regression: nothing to classify.
                _ => f64::NAN,
            };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::completion::Init;
    use crate::data::Observations;
    use crate::data::matrices::{multiplication_table, random_mask};

    /// A path that grows past what is usual ends in an error as soon as there is no room.
    #[test]
    fn a_path_without_end_finds_no_room() {
        let truth = multiplication_table(12);
        let mask = random_mask(12, 40, 1).expect("a count");
        let seen = Observations::from_mask(truth.view(), mask.view()).expect("a mask");
        let problem = Problem::new(seen, None, Init::Identity { coordinate: 2.0 }).expect("valid");
        let pattern = Pattern::new(&problem.observations, Threads::One);
        let invariant = Invariant::Matrix { square: 4.0 };
        memory::within(6 << 20, || {
            let mut solution = Solution::new(&problem, &pattern, &Settings::default(), invariant)
                .expect("room for the usual");
            let node = vec![0.0; solution.node_length()];
            let mut count = 0;
            while !solution.is_full() {
                solution.push_node(f64::from(count), &node);
                count += 1;
            }
            assert!(count as usize > 2 * USUAL_NODES && solution.bytes() < 6 << 20, "{count}");
            assert!(matches!(solution.kept(), Err(Error::Memory { .. })));
        });
    }

    /// Loose tolerances let A lose positivity, and then the exact flow of the wrong state blows up
    /// (theory/completion.md, "Numerics"). They are refused; behind the refusal nothing hangs, and at the
    /// loosest tolerance that is accepted the path is right.
    #[test]
    fn loose_tolerances_are_refused_and_do_not_hang() {
        let truth = multiplication_table(40);
        let mask = random_mask(40, 200, 1).expect("a count");
        let seen = Observations::from_mask(truth.view(), mask.view()).expect("a mask");
        let problem = Problem::new(seen, Some(truth), Init::Identity { coordinate: 100.0 }).expect("valid");
        let settings =
            Settings { weight_decay: 1e-5, horizon: 3.0 * 100_f64.ln() / 1e-5, ..Settings::default() };
        let run = |rtol: f64| {
            let settings = Settings { rtol, ..settings.clone() };
            problem.integrate(&settings, 1e-11..=0.1, |_| ControlFlow::Continue(()))
        };
        for rtol in [1e-2, 1e-3, 1e-4, 3e-5] {
            assert!(problem.flow(&Settings { rtol, ..settings.clone() }).is_err_and(|e| e.is_bad_input()));
            match run(rtol) {
                Err(error) => assert!(matches!(error, Error::Numerical { .. }), "{error}"),
                Ok(solution) => assert!(solution.diagnostics().statistics.rhs < 20_000),
            }
        }
        let reference = run(1e-10).expect("solved");
        let size = |m: &Array2<f64>| m.iter().map(|x| x * x).sum::<f64>().sqrt();
        for rtol in [1e-6, 1e-7] {
            let solution = run(rtol).expect("solved");
            for k in 1..=20 {
                let t = f64::from(k) / 20.0 * settings.horizon;
                let (w, exact) = (solution.state(t).expect("in"), reference.state(t).expect("in"));
                let error = size(&(&w - &exact)) / size(&exact);
                assert!(error < 1e3 * rtol, "rtol {rtol:e}: {error:e} at {t}");
            }
        }
    }
}
