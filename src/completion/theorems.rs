//! The statements of arXiv 2311.18817 on matrix completion, and our own sharper forms, as values: sections
//! 3.2 and 3.3, appendices D and F of the paper; theory/completion.md for ours.

use ndarray::Array2;

use super::flow::root_of_shifted_square;
use super::kernel::{Kernel, Pattern};
use super::symmetric::{LANES, stride};
use super::{Init, Invariant, Problem, Settings, Solution};
use crate::data::matrices::coherence;
use crate::error::{Error, Result, check};
use crate::limits::nuclear;
use crate::linalg::{Engine, Threads};
use crate::theorem::{Claim, Form, Hypothesis, Judged, Side, Statement};
use crate::trajectory::{Observable, Trajectory, log_times};

/// Above so many pairs the limit problem and the spectrum of the kernel are left out.
const MOST_PAIRS: usize = 1500;

/// What the statements are told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inputs {
    /// c in (0, 1): the kernel regime is looked at until (1 − c) log α/λ, the rich one until
    /// (1 + c) log α/λ.
    pub fraction: f64,
}

impl Default for Inputs {
    fn default() -> Self {
        Inputs { fraction: 0.5 }
    }
}

/// What all statements about one solution need.
struct Facts<'a> {
    solution: &'a Solution,
    inputs: Inputs,
    lambda: f64,
    /// α; `None` unless the start is a multiple of the identity.
    alpha: Option<f64>,
    n: f64,
    /// λmin of the kernel at unit scale on distinct pairs, each weighted with its multiplicity: equation (21).
    nu: f64,
    /// Whether all pairs were given once.
    distinct: bool,
    /// Σ y² over the entries as given.
    labels: f64,
    times: Vec<f64>,
    train_loss: Vec<f64>,
}

impl Solution {
    /// All statements that can be made about one solution, judged.
    ///
    /// # Errors
    /// A fraction outside (0, 1), or a limit problem that does not converge.
    pub fn statements(&self, inputs: &Inputs) -> Result<Vec<Judged>> {
        check("fraction c", inputs.fraction, |c| c > 0.0 && c < 1.0, "a number in (0, 1)")?;
        let facts = Facts::new(self, *inputs)?;
        let mut all = facts.training();
        all.extend(facts.kernel_regime()?);
        all.extend(facts.reach()?);
        all.extend(facts.objective()?);
        all.push(facts.stationarity()?);
        all.push(facts.recovery()?);
        Ok(all)
    }

    /// ‖∇𝓛_λ‖ over U and V, without cancellation; `None` unless the start was a multiple of the identity.
    ///
    /// # Errors
    /// As [`Trajectory::state`].
    pub fn gradient_norm(&self, t: f64) -> Result<Option<f64>> {
        let Invariant::Matrix { .. } = self.invariant() else { return Ok(None) };
        let (c, lambda) = (self.scale(t), self.weight_decay());
        let e = Engine::SEQUENTIAL.eigh(self.state(t)?.view())?;
        let m = self.gradient_matrix(t)?;
        let mut sum = 0.0;
        for (k, &w) in e.values.iter().enumerate() {
            let q = e.vectors.column(k);
            let image = m.dot(&q);
            let large = 0.5 * (w.hypot(2.0 * c) + w.abs());
            let small = if c == 0.0 { 0.0 } else { c * c / large };
            let (plus, minus) = if w >= 0.0 { (large, small) } else { (small, large) };
            // ‖(M + λ)q‖² and ‖(M − λ)q‖² weighted with the eigenvalues of UUᵀ and VVᵀ.
            let square = |shift: f64| image.iter().zip(q).map(|(i, q)| (i + shift * q).powi(2)).sum::<f64>();
            sum += plus * square(lambda) + minus * square(-lambda);
        }
        Ok(Some(sum.sqrt()))
    }

    /// M = (4/n) Σ s_i P_i, the gradient of the training loss with respect to UUᵀ (and minus that to VVᵀ).
    ///
    /// # Errors
    /// As [`Trajectory::state`].
    pub fn gradient_matrix(&self, t: f64) -> Result<Array2<f64>> {
        let observations = self.problem().observations();
        let (d, n) = (observations.dimension(), observations.count() as f64);
        let mut m = Array2::zeros((d, d));
        for (p, s) in observations.pairs().iter().zip(self.residuals(t)?) {
            let value = 2.0 * p.multiplicity as f64 * s / n;
            m[(p.row, p.column)] += value;
            m[(p.column, p.row)] += value;
        }
        Ok(m)
    }

    /// What the residuals are after the fit, to leading order in λ: s = −(nLλ/2) (K(θ)D)⁻¹ y with L = 2 and the
    /// multiplicities D (theory/completion.md (24)). `None` unless the start was a multiple of the identity.
    ///
    /// # Errors
    /// As [`Trajectory::state`]; a kernel that is not positive definite.
    pub fn residual_law(&self, t: f64) -> Result<Option<Vec<f64>>> {
        let Invariant::Matrix { .. } = self.invariant() else { return Ok(None) };
        let observations = self.problem().observations();
        let w = self.state(t)?;
        let a = root_of_shifted_square(&w, self.scale(t), Engine::SEQUENTIAL)?;
        let pattern = Pattern::new(observations, Threads::One);
        let n = observations.count() as f64;
        let weights: Vec<f64> = observations
            .pairs()
            .iter()
            .map(|p| p.multiplicity as f64 * if p.row == p.column { 4.0 } else { 2.0 } / n)
            .collect();
        let mut kernel = Kernel::new(&pattern, &weights);
        kernel.refresh(&padded(&a));
        // 0 = W_Ω' = −{S, A}_Ω − 2λW_Ω with W_Ω = y to leading order.
        let mut s: Vec<f64> =
            observations.pairs().iter().map(|p| -2.0 * self.weight_decay() * p.value).collect();
        kernel
            .solve(0.0, 1.0, 1e-12, &mut s)
            .map_err(|reject| Error::Numerical { method: "residual law", detail: reject.0.to_owned() })?;
        Ok(Some(s))
    }
}

fn padded(a: &Array2<f64>) -> Vec<f64> {
    let d = a.nrows();
    let stride = stride(d);
    debug_assert_eq!(stride % LANES, 0);
    let mut full = vec![0.0; d * stride];
    for ((i, j), x) in a.indexed_iter() {
        full[i * stride + j] = *x;
    }
    full
}

impl<'a> Facts<'a> {
    fn new(solution: &'a Solution, inputs: Inputs) -> Result<Self> {
        let problem = solution.problem();
        let observations = problem.observations();
        let pairs = observations.pairs();
        let horizon = solution.horizon().unwrap_or(f64::INFINITY);
        let recorded = solution.times();
        // Between recorded times too, when the solution answers there.
        let times = match solution.is_continuous() {
            true => {
                let mut times = log_times(1e-6 * horizon, horizon, 12);
                times.extend((1..200).map(|k| horizon * f64::from(k) / 200.0));
                times.extend(solution.step_times());
                times.sort_by(f64::total_cmp);
                times.dedup();
                times
            }
            false => recorded.to_vec(),
        };
        let table = solution.observe(&times, &[Observable::TrainLoss])?;
        let multiplicity = |p: &crate::data::observations::Pair| p.multiplicity as f64;
        Ok(Facts {
            inputs,
            lambda: solution.weight_decay(),
            alpha: match problem.init() {
                Init::Identity { coordinate } => Some(*coordinate),
                _ => None,
            },
            n: observations.count() as f64,
            nu: pairs
                .iter()
                .map(|p| multiplicity(p) * if p.row == p.column { 8.0 } else { 4.0 })
                .fold(f64::INFINITY, f64::min),
            distinct: pairs.iter().all(|p| p.multiplicity == 1),
            labels: pairs.iter().map(|p| multiplicity(p) * p.value * p.value).sum(),
            train_loss: table.values.column(0).to_vec(),
            times,
            solution,
        })
    }

    fn identity(&self) -> Hypothesis {
        Hypothesis::fact("U(0) = V(0) = αI", Some(self.alpha.is_some()))
    }

    fn decays(&self) -> Hypothesis {
        Hypothesis::below("0 < λ", 0.0, self.lambda)
    }

    /// The loss that the recorded states give at one of the times looked at.
    fn ln_train_loss(&self, t: f64) -> f64 {
        match self.times.binary_search_by(|s| s.total_cmp(&t)) {
            Ok(k) => self.train_loss[k].ln(),
            Err(_) => self
                .solution
                .observe(&[t], &[Observable::LogTrainLoss])
                .map_or(f64::NAN, |table| table.values[(0, 0)]),
        }
    }

    /// Lemma D.1 (26): the larger of an exponential fit and the floor that the decay leaves.
    fn training(&self) -> Vec<Judged> {
        let alpha = self.alpha.unwrap_or(f64::NAN);
        // exp(−exponent·νA(1 − e^{−2λt})/n) and floor·n‖y‖²λ²e^{4λt}/(ν²α⁴), L = 2.
        let forms = [
            (Form::Printed, "2311.18817 Lem D.1 (26)", 1.0 / 8.0, 64.0),
            (Form::Corrected, "2311.18817 Lem D.1 (26)", 0.5, 16.0),
            (Form::Derived, "2311.18817 Lem D.1 (26)", 1.0, 4.0),
        ];
        let judge = |(form, source, exponent, floor): (Form, &'static str, f64, f64)| {
            let (nu, n, labels, lambda) = (self.nu, self.n, self.labels, self.lambda);
            let bound = move |t: f64| {
                let gain = nu * alpha * alpha / (n * lambda) * -(-2.0 * lambda * t).exp_m1();
                let fit = (labels / n).ln() - exponent * gain;
                let rest = (floor * n * labels).ln() + 2.0 * (lambda / nu).ln() - 4.0 * alpha.ln()
                    + 4.0 * lambda * t;
                fit.max(rest)
            };
            let mut hypotheses = vec![self.identity(), self.decays()];
            if form != Form::Derived {
                hypotheses.push(Hypothesis::fact(
                    "kernel of the entries as given > 0 (none given twice)",
                    Some(self.distinct),
                ));
            }
            let claim = Claim::Envelope { ln_bound: Box::new(bound), until: f64::INFINITY };
            let statement = Statement {
                source,
                form,
                quantity: "log_train_loss",
                side: Side::Upper,
                claim,
                probability: None,
                hypotheses,
            };
            // The worst point among the recorded ones: 1e-6 covers the integration.
            statement.judge_envelope(&self.times, false, |t| (self.ln_train_loss(t), 1e-6))
        };
        forms.into_iter().map(judge).collect()
    }

    /// The kernel never falls below its share of the initial one: T_max of Lemma D.2 is infinite.
    fn kernel_regime(&self) -> Result<Vec<Judged>> {
        let observations = self.solution.problem().observations();
        let mut measured = f64::NAN;
        if self.alpha.is_some() && observations.pairs().len() <= MOST_PAIRS {
            let pattern = Pattern::new(observations, Threads::One);
            // K in units of the kernel at A = 2I, each pair weighted with its multiplicity.
            let weights: Vec<f64> = observations
                .pairs()
                .iter()
                .map(|p| p.multiplicity as f64 * if p.row == p.column { 2.0 } else { 1.0 })
                .collect();
            let mut kernel = Kernel::new(&pattern, &weights);
            measured = f64::INFINITY;
            for &t in self.times.iter().step_by(self.times.len().div_ceil(6)) {
                let c = self.solution.scale(t);
                let a = root_of_shifted_square(&self.solution.state(t)?, c, Engine::SEQUENTIAL)?;
                kernel.refresh(&padded(&(a / c)));
                let lowest = Engine::SEQUENTIAL.eigh(kernel.dense().view())?.values[0];
                measured = measured.min(lowest);
            }
        }
        let statement = Statement {
            source: "2311.18817 Lem D.2 (T_max)",
            form: Form::Derived,
            quantity: "smallest eigenvalue of K(e^{λt}θ/α)",
            side: Side::Lower,
            claim: Claim::Scalar(self.nu),
            probability: None,
            hypotheses: vec![self.identity()],
        };
        Ok(vec![statement.judge(measured, 1e-6 * self.nu)])
    }

    /// Entries that the observation graph cannot reach, and what they cost.
    fn reach(&self) -> Result<Vec<Judged>> {
        let problem = self.solution.problem();
        let floor = problem.test_loss_floor().unwrap_or(f64::NAN);
        let table = self.solution.observe(&self.times, &[Observable::TestLoss])?;
        let lowest = table.values.iter().copied().fold(f64::INFINITY, f64::min);
        let graph = problem.observations().graph();
        let statement = Statement {
            source: "2311.18817 sec. 3.3 (connectivity)",
            form: Form::Derived,
            quantity: "smallest test_loss",
            side: Side::Lower,
            claim: Claim::Scalar(floor),
            probability: None,
            hypotheses: vec![
                self.identity(),
                Hypothesis::below("test entries out of reach cost", 0.0, floor),
                Hypothesis::at_least("components", graph.components as f64, 1.0),
            ],
        };
        Ok(vec![statement.judge(lowest, 1e-12 * floor.abs())])
    }

    /// Lemma F.3: the regularised loss is bounded below by the convex problem, and ‖θ‖² by ‖W‖_*.
    fn objective(&self) -> Result<Vec<Judged>> {
        let few = self.solution.problem().observations().pairs().len() <= MOST_PAIRS;
        let mut lowest = f64::NAN;
        if self.lambda > 0.0 && few {
            let options = nuclear::Options { gap: 1e-6, threads: Threads::One };
            let limit = nuclear::penalised(self.solution.problem().observations(), self.lambda, &options)?;
            lowest = limit.dual_objective;
        }
        let some: Vec<f64> = self.times.iter().copied().step_by(self.times.len().div_ceil(40)).collect();
        let last = self.times.last().copied();
        let some: Vec<f64> = some.into_iter().chain(last).collect();
        let what = [Observable::TrainLoss, Observable::ParameterNorm, Observable::NuclearNorm];
        let table = self.solution.observe(&some, &what)?;
        let rows = || table.values.rows().into_iter();
        let objective = rows().map(|r| r[0] + 0.5 * self.lambda * r[1] * r[1]).fold(f64::INFINITY, f64::min);
        let excess = rows().map(|r| r[1] * r[1] - r[2]).fold(f64::INFINITY, f64::min);
        let size = rows().map(|r| r[2]).fold(0.0, f64::max);
        let bound = Statement {
            source: "2311.18817 Lem F.3 (lower bound)",
            form: Form::Printed,
            quantity: "smallest regularised loss",
            side: Side::Lower,
            claim: Claim::Scalar(lowest),
            probability: None,
            hypotheses: vec![self.decays(), Hypothesis::fact("few enough pairs", few.then_some(true))],
        };
        let norms = Statement {
            source: "2311.18817 Lem F.3 (44)",
            form: Form::Printed,
            quantity: "smallest ‖θ‖² − ‖W‖_*",
            side: Side::Lower,
            claim: Claim::Scalar(0.0),
            probability: None,
            hypotheses: vec![],
        };
        Ok(vec![bound.judge(objective, 1e-6 * lowest.abs()), norms.judge(excess, 1e-6 * size)])
    }

    /// Theorem 3.10 with its constant: the energy that is left bounds the gradient somewhere in the window.
    fn stationarity(&self) -> Result<Judged> {
        let (c, alpha) = (self.inputs.fraction, self.alpha.unwrap_or(f64::NAN));
        let (from, until) = (alpha.ln() / self.lambda, (1.0 + c) * alpha.ln() / self.lambda);
        let horizon = self.solution.horizon().unwrap_or(f64::INFINITY);
        let reached = until <= horizon && from > 0.0;
        let mut claimed = f64::NAN;
        let mut seen = Vec::new();
        if self.alpha.is_some() && reached && self.solution.is_continuous() {
            let what = [Observable::TrainLoss, Observable::ParameterNorm];
            let table = self.solution.observe(&[from, until], &what)?;
            let objective =
                |k: usize| table.values[(k, 0)] + 0.5 * self.lambda * table.values[(k, 1)].powi(2);
            claimed = ((objective(0) - objective(1)) / (until - from)).sqrt();
            for k in 0..=24 {
                let t = from + (until - from) * f64::from(k) / 24.0;
                seen.push((t, self.solution.gradient_norm(t)?.unwrap_or(f64::NAN)));
            }
        }
        let statement = Statement {
            source: "2311.18817 Thm 3.10 (energy)",
            form: Form::Derived,
            quantity: "norm of the gradient of the regularised loss",
            side: Side::Upper,
            claim: Claim::Exists { value: claimed, from, until },
            probability: None,
            hypotheses: vec![
                self.identity(),
                self.decays(),
                Hypothesis::below("1 < α", 1.0, alpha),
                Hypothesis::at_most("(1 + c) log α/λ within the horizon", until, horizon),
            ],
        };
        let times: Vec<f64> = seen.iter().map(|s| s.0).collect();
        Ok(statement.judge_exists(&times, 1e-6 * claimed, |t| {
            seen.iter().find(|s| s.0 == t).map_or(f64::NAN, |s| s.1)
        }))
    }

    /// Theorem 3.12: what it needs, and that a constant is left open.
    fn recovery(&self) -> Result<Judged> {
        let problem = self.solution.problem();
        let d = problem.dimension() as f64;
        let known = problem.truth().filter(|x| x.iter().all(|v| v.is_finite()));
        let mu = known.map(|x| coherence(x)).transpose()?.unwrap_or(f64::NAN);
        let samples = mu.powi(4) * d * d.ln().powi(2);
        let last = *self.times.last().unwrap_or(&0.0);
        let (mut error, mut bound) = (f64::NAN, f64::NAN);
        if let Some(x) = known {
            let distance = &self.solution.state(last)? - &x;
            error = distance.iter().map(|v| v * v).sum::<f64>().sqrt();
            let nuclear: f64 = Engine::SEQUENTIAL.eigh(x)?.values.iter().map(|v| v.abs()).sum();
            bound = (self.lambda * nuclear).sqrt() * mu * mu * d.ln();
        }
        let statement = Statement {
            source: "2311.18817 Thm 3.12",
            form: Form::Printed,
            quantity: "‖W(T) − X*‖_F",
            side: Side::Upper,
            claim: Claim::Scalar(bound),
            probability: None,
            hypotheses: vec![
                Hypothesis::fact(
                    "entries of U(0), V(0) drawn from N(α1{i=j}, σ²)",
                    Some(matches!(problem.init(), Init::Perturbed { std, .. } if *std > 0.0)),
                ),
                // With more entries asked for than there are, no constant of at least one can be met.
                Hypothesis::at_most("μ⁴ d log²d ≤ d² (else vacuous)", samples, d * d),
                Hypothesis::open("N ≥ C μ⁴ d log²d, C universal", self.n),
            ],
        };
        Ok(statement.judge(error, 0.0))
    }
}

/// The limits of Theorem 3.9 and Corollary 3.11 at finite α: the same problem from several α, at
/// T = (1 − c) log α/λ. Slopes of ln(error) against ln α.
///
/// # Errors
/// As [`Problem::flow`]; fewer than two α, or a fraction outside (0, 1).
pub fn kernel_rates(
    problem: &Problem,
    alphas: &[f64],
    weight_decay: f64,
    fraction: f64,
) -> Result<Vec<Judged>> {
    check("fraction c", fraction, |c| c > 0.0 && c < 1.0, "a number in (0, 1)")?;
    check("number of α", alphas.len() as f64, |n| n >= 2.0, "at least 2")?;
    let filled = problem.observations().zero_filled();
    let pairs = problem.observations().pairs();
    let (mut total, mut unseen) = (Vec::new(), Vec::new());
    for &coordinate in alphas {
        let init = Init::Identity { coordinate };
        let one = Problem::new(problem.observations().clone(), problem.truth.clone(), init)?;
        let horizon = (1.0 - fraction) * coordinate.ln() / weight_decay;
        let settings = Settings { weight_decay, horizon, rtol: 1e-10, ..Settings::default() };
        let w = one.flow(&settings)?.state(horizon)?;
        let square: f64 = (&w - &filled).iter().map(|v| v * v).sum();
        let seen: f64 = pairs
            .iter()
            .map(|p| (w[(p.row, p.column)] - p.value).powi(2) * if p.row == p.column { 1.0 } else { 2.0 })
            .sum();
        total.push((coordinate, square.sqrt()));
        unseen.push((coordinate, (square - seen).max(0.0).sqrt()));
    }
    let rate = |source, form, quantity, side, slope| Statement {
        source,
        form,
        quantity,
        side,
        claim: Claim::Rate(slope),
        probability: None,
        hypotheses: vec![Hypothesis::fact("U(0) = V(0) = αI", Some(true))],
    };
    let printed = rate(
        "2311.18817 Cor 3.11",
        Form::Printed,
        "slope of ln ‖W(T) − kernel limit‖_F in ln α",
        Side::Upper,
        -2.0 * fraction,
    );
    let derived = rate(
        "2311.18817 Thm 3.9 (unobserved entries)",
        Form::Derived,
        "slope of ln ‖W(T)‖_F on unobserved entries in ln α",
        Side::Equal,
        -4.0 * fraction,
    );
    Ok(vec![printed.judge_rate(&total, 1e-3), derived.judge_rate(&unseen, 0.02)])
}

/// The residual law at several λ and the same τ = λt: the relative error of (24) falls like λ.
///
/// # Errors
/// As [`Problem::flow`].
pub fn residual_rate(problem: &Problem, weight_decays: &[f64], tau: f64) -> Result<Judged> {
    let mut points = Vec::new();
    for &weight_decay in weight_decays {
        let horizon = tau / weight_decay;
        let settings = Settings { weight_decay, horizon, rtol: 1e-10, ..Settings::default() };
        let solution = problem.flow(&settings)?;
        let (s, law) = (solution.residuals(horizon)?, solution.residual_law(horizon)?);
        let law = law.ok_or(Error::Missing { wanted: "the residual law", needs: "U(0) = V(0) = αI" })?;
        let square = |f: &dyn Fn(usize) -> f64| (0..s.len()).map(|p| f(p).powi(2)).sum::<f64>();
        points.push((weight_decay, (square(&|p| s[p] - law[p]) / square(&|p| s[p])).sqrt()));
    }
    let statement = Statement {
        source: "2311.18817 sec. 3.2 (residual law)",
        form: Form::Derived,
        quantity: "slope of ln(relative error) in ln λ",
        side: Side::Equal,
        claim: Claim::Rate(1.0),
        probability: None,
        hypotheses: vec![Hypothesis::fact("U(0) = V(0) = αI", Some(true))],
    };
    Ok(statement.judge_rate(&points, 0.05))
}
