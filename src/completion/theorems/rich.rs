//! The rich phase and its limits: entries out of reach, Lemma F.3, Theorems 3.10 and 3.12.

use super::MOST_PAIRS;
use super::facts::Facts;
use crate::completion::Init;
use crate::data::matrices::coherence;
use crate::error::Result;
use crate::limits::nuclear;
use crate::linalg::{Engine, Threads};
use crate::theorem::{Claim, Form, Hypothesis, Judged, Side, Statement};
use crate::trajectory::{Observable, Trajectory};

impl Facts<'_> {
    /// Entries that the observation graph cannot reach, and what they cost.
    pub(super) fn reach(&self) -> Result<Vec<Judged>> {
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
    pub(super) fn objective(&self) -> Result<Vec<Judged>> {
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
    pub(super) fn stationarity(&self) -> Result<Judged> {
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
    pub(super) fn recovery(&self) -> Result<Judged> {
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
