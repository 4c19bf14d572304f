//! The kernel phase: the fit, Lemma D.1, and how long the tangent kernel keeps its share, Lemma D.2.

use super::MOST_PAIRS;
use super::catalogue;
use super::facts::Facts;
use super::gradient::padded;
use crate::completion::flow::root_of_shifted_square;
use crate::completion::kernel::{Kernel, Pattern};
use crate::error::Result;
use crate::linalg::{Engine, Threads};
use crate::theorem::{Claim, Form, Hypothesis, Judged, Side, Statement};

/// Below this a² is next to underflow.
const LEAST_SCALE: f64 = 1e-250;

impl Facts<'_> {
    /// Lemma D.1 (26): the larger of an exponential fit and the floor that the decay leaves.
    pub(super) fn training(&self) -> Vec<Judged> {
        let alpha = self.alpha.unwrap_or(f64::NAN);
        // exp(−exponent·νA(1 − e^{−2λt})/n) and floor·n‖y‖²λ²e^{4λt}/(ν²α⁴), L = 2.
        let forms =
            [(Form::Printed, 1.0 / 8.0, 64.0), (Form::Corrected, 0.5, 16.0), (Form::Derived, 1.0, 4.0)];
        let judge = |(form, exponent, floor): (Form, f64, f64)| {
            let (nu, n, labels, lambda) = (self.nu, self.n, self.labels, self.lambda);
            let bound = move |t: f64| {
                let gain = nu * alpha * alpha / (n * lambda) * -(-2.0 * lambda * t).exp_m1();
                let fit = (labels / n).ln() - exponent * gain;
                let rest = (floor * n * labels).ln() + 2.0 * (lambda / nu).ln() - 4.0 * alpha.ln()
                    + 4.0 * lambda * t;
                fit.max(rest)
            };
            let mut hypotheses = vec![self.identity(), self.decays()];
            hypotheses.push(Hypothesis::below("0 < ‖y‖ (something to fit)", 0.0, labels));
            if form != Form::Derived {
                hypotheses.push(Hypothesis::fact(
                    "kernel of the entries as given > 0 (none given twice)",
                    Some(self.distinct),
                ));
            }
            let claim = Claim::Envelope { ln_bound: Box::new(bound), until: f64::INFINITY };
            let statement = Statement {
                source: &catalogue::FIT,
                form,
                quantity: "log_train_loss",
                side: Side::Upper,
                claim,
                probability: None,
                hypotheses,
            };
            match self.pinned {
                Some(t) => statement.judge_envelope_at(&[t], |t| self.ln_train_loss(t)),
                None => {
                    // Without a path there is nothing between the recorded times.
                    match self.solution.is_continuous() {
                        true => statement.judge_envelope(&self.times, false, |t| self.ln_train_loss(t)),
                        false => statement.judge_envelope_at(&self.times, |t| self.ln_train_loss(t)),
                    }
                }
            }
        };
        forms.into_iter().map(judge).collect()
    }

    /// The kernel never falls below its share of the initial one: T_max of Lemma D.2 is infinite.
    pub(super) fn kernel_regime(&self) -> Result<Vec<Judged>> {
        let observations = self.solution.problem().observations();
        let (mut measured, mut rounding) = (f64::NAN, 0.0);
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
            // The kernel is compared in units of a².
            for &t in self.times.iter().step_by(self.times.len().div_ceil(6)) {
                let c = self.solution.scale(t);
                if c < LEAST_SCALE {
                    break;
                }
                let a = root_of_shifted_square(&self.solution.state(t)?, c, Engine::SEQUENTIAL)?;
                kernel.refresh(&padded(&(a / c)));
                let values = Engine::SEQUENTIAL.eigh(kernel.dense().view())?.values;
                let (lowest, largest) = (values[0], values[values.len() - 1]);
                // Where the eigenvalues span more than doubles resolve the least one is not seen.
                if lowest < measured && 1e-13 * largest < 1e-3 * self.nu {
                    measured = lowest;
                    // An eigenvalue of A moves by at most that of W, the kernel's as A's largest does.
                    let error = self.error(t);
                    let d = self.solution.problem().dimension() as f64;
                    rounding = self.nu * d * error.weights / c + 1e-13 * largest;
                }
            }
        }
        if measured.is_infinite() {
            measured = f64::NAN;
        }
        let statement = Statement {
            source: &catalogue::KERNEL_END,
            form: Form::Derived,
            quantity: "smallest eigenvalue of K(e^{λt}θ/α)",
            side: Side::Lower,
            claim: Claim::Scalar(self.nu),
            probability: None,
            hypotheses: vec![self.identity()],
        };
        Ok(vec![statement.judge(measured, rounding + 1e-13 * self.nu)])
    }
}
