//! The rich phase and its limits: entries out of reach, Lemma F.3, Theorems 3.10 and 3.12.

use super::MOST_PAIRS;
use super::catalogue;
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
            source: &catalogue::CONNECTIVITY,
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
        let known = |t: f64| self.error(t).test_loss;
        let worst = self.times.iter().zip(table.values.column(0)).min_by(|a, b| a.1.total_cmp(b.1));
        let rounding = worst.map_or(0.0, |(&t, _)| if floor.is_nan() { 0.0 } else { known(t) });
        Ok(vec![statement.judge(lowest, rounding + 1e-12 * floor.abs())])
    }

    /// Lemma F.3: the regularised loss is bounded below by the convex problem, and ‖θ‖² by ‖W‖_*.
    pub(super) fn objective(&self) -> Result<Vec<Judged>> {
        let few = self.solution.problem().observations().pairs().len() <= MOST_PAIRS;
        let mut lowest = f64::NAN;
        if self.lambda > 0.0 && few {
            let options = nuclear::Options { gap: 1e-6, threads: Threads::One };
            let limit = nuclear::penalised(self.solution.problem().observations(), self.lambda, &options);
            lowest = limit.map_or(f64::NAN, |limit| limit.dual_objective);
        }
        let some: Vec<f64> = self.times.iter().copied().step_by(self.times.len().div_ceil(40)).collect();
        let last = self.times.last().copied();
        let some: Vec<f64> = some.into_iter().chain(last).collect();
        // The least of a few values, each with its error: the one that is least beyond it decides.
        let least = |seen: Vec<(f64, f64)>| {
            let nearest = seen.into_iter().min_by(|a, b| (a.0 + a.1).total_cmp(&(b.0 + b.1)));
            nearest.unwrap_or((f64::NAN, 0.0))
        };
        let objective = least(some.iter().map(|&t| self.objective_at(t)).collect::<Result<Vec<_>>>()?);
        let what = [Observable::ParameterNorm, Observable::NuclearNorm];
        let table = self.solution.observe(&some, &what)?;
        let errors = self.solution.observe_errors(&some, &what)?;
        let rows = table.values.rows().into_iter().zip(errors.values.rows());
        let excess = least(
            rows.map(|(r, e)| {
                let unknown = e[0] * (2.0 * r[0] + e[0]) + e[1] + 1e-14 * r[1];
                (r[0] * r[0] - r[1], if unknown.is_nan() { f64::INFINITY } else { unknown })
            })
            .collect(),
        );
        let bound = Statement {
            source: &catalogue::OBJECTIVE,
            form: Form::Printed,
            quantity: "smallest regularised loss",
            side: Side::Lower,
            claim: Claim::Scalar(lowest),
            probability: None,
            hypotheses: vec![self.decays(), Hypothesis::fact("few enough pairs", few.then_some(true))],
        };
        let norms = Statement {
            source: &catalogue::NORMS,
            form: Form::Printed,
            quantity: "smallest ‖θ‖² − ‖W‖_*",
            side: Side::Lower,
            claim: Claim::Scalar(0.0),
            probability: None,
            hypotheses: vec![],
        };
        // Each point of the dual is below the minimum: its own rounding is all that is allowed.
        Ok(vec![
            bound.judge(objective.0, objective.1 + 1e-11 * lowest.abs()),
            norms.judge(excess.0, excess.1),
        ])
    }

    /// Theorem 3.10 with its constant: the energy that is left bounds the gradient somewhere in the window.
    pub(super) fn stationarity(&self) -> Result<Judged> {
        let (c, alpha) = (self.inputs.fraction, self.alpha.unwrap_or(f64::NAN));
        let (from, until) = (alpha.ln() / self.lambda, (1.0 + c) * alpha.ln() / self.lambda);
        let horizon = self.solution.horizon().unwrap_or(f64::INFINITY);
        let reached = until <= horizon && from > 0.0;
        let (mut claimed, mut rounding) = (f64::NAN, 0.0);
        let mut seen = Vec::new();
        if self.alpha.is_some() && reached && self.solution.is_continuous() {
            let inside = |t: f64| t.clamp(from, until).min(horizon);
            let [start, end] = [self.objective_at(inside(from))?, self.objective_at(inside(until))?];
            let bound = |drop: f64| (drop.max(0.0) / (until - from)).sqrt();
            claimed = bound(start.0 - end.0);
            let mut unknown = f64::INFINITY;
            for k in 0..=24 {
                let t = inside(from + (until - from) * f64::from(k) / 24.0);
                seen.push((t, self.solution.gradient_norm(t)?.unwrap_or(f64::NAN)));
                unknown = self.gradient_error(t)?.min(unknown);
            }
            rounding = bound(start.0 - end.0 + start.1 + end.1) - claimed + unknown;
        }
        let statement = Statement {
            source: &catalogue::ENERGY,
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
        Ok(statement
            .judge_exists(&times, rounding, |t| seen.iter().find(|s| s.0 == t).map_or(f64::NAN, |s| s.1)))
    }

    /// Error of ‖∇𝓛_λ‖ = ‖((M + λ)U, (M − λ)V)‖: that of M = (4/n)Σ s_iP_i against ‖θ‖, that of θ against M ± λ.
    fn gradient_error(&self, t: f64) -> Result<f64> {
        let table = self.solution.observe(&[t], &[Observable::ParameterNorm])?;
        let (norm, error) = (table.values[(0, 0)], self.error(t));
        let m = self.solution.gradient_matrix(t)?.iter().map(|m| m * m).sum::<f64>().sqrt();
        let of_m = 4.0 * error.residuals;
        // ‖δθ‖² ≤ ‖δA‖₁ for a square root, √d·d entries of W known to this.
        let d = self.solution.problem().dimension() as f64;
        let of_theta = (d * d.sqrt() * error.weights).sqrt().min(norm);
        Ok(of_m * norm + (m + self.lambda) * of_theta)
    }

    /// Theorem 3.12: what it needs, and that a constant is left open.
    pub(super) fn recovery(&self) -> Result<Judged> {
        let problem = self.solution.problem();
        let d = problem.dimension() as f64;
        let known = problem.truth().filter(|x| x.iter().all(|v| v.is_finite()));
        let mu = known.and_then(|x| coherence(x).ok()).unwrap_or(f64::NAN);
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
            source: &catalogue::RECOVERY,
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
