//! The flow of the net linearised at its start, whose losses (D17) brackets.

use ndarray::Array2;

use super::facts::Facts;
use crate::Loss;
use crate::error::Result;
use crate::ode::{DenseFlow, Options, Path, bdf};

/// h′ = a^{2(L−1)}g − Lλh with h = Σ c_i y_i∇f_i(θ̄): n unknowns.
pub(super) struct LinearFlow {
    path: Path,
    kernel: Array2<f64>,
    gamma: f64,
    rtol: f64,
}

/// Tolerance of the linearised flow; a run with a tighter one asks for the same here.
const LINEAR_RTOL: f64 = 1e-9;

impl LinearFlow {
    pub(super) fn new(facts: &Facts<'_, '_>) -> Result<LinearFlow> {
        let problem = facts.run.problem();
        let y = problem.labels();
        let n = y.len();
        let front = 2.0 * facts.depth * facts.depth;
        let mut kernel = problem.gram(facts.threads).clone();
        kernel.indexed_iter_mut().for_each(|((i, j), k)| *k *= front * y[i] * y[j]);
        let (ln_alpha, lambda, l) = (facts.ln_alpha, facts.lambda, facts.depth);
        let push = move |t: f64, q: f64| libm::exp(2.0 * (l - 1.0) * (ln_alpha - lambda * t) - q) / n as f64;
        let (k, kj) = (kernel.clone(), kernel.clone());
        let mut flow = DenseFlow::new(
            n,
            move |t, c, dc| {
                for i in 0..n {
                    let q: f64 = k.row(i).iter().zip(c).map(|(k, c)| k * c).sum();
                    dc[i] = push(t, q) - l * lambda * c[i];
                }
            },
            move |t, c, mut jacobian| {
                for i in 0..n {
                    let row = kj.row(i);
                    let force = push(t, row.iter().zip(c).map(|(k, c)| k * c).sum());
                    for (j, k) in row.iter().enumerate() {
                        jacobian[(i, j)] = -force * k;
                    }
                    jacobian[(i, i)] -= l * lambda;
                }
            },
        );
        let rtol = facts.run.settings().rtol.min(LINEAR_RTOL);
        let options = Options { rtol, ..Options::default() };
        let solution = bdf(&mut flow, 0.0..facts.horizon, &vec![0.0; n], &options)?;
        Ok(LinearFlow { path: solution.path, kernel, gamma: facts.gamma, rtol })
    }

    pub(super) fn times(&self) -> Vec<f64> {
        std::iter::once(0.0).chain(self.path.steps().map(|s| s.t)).collect()
    }

    /// ln 𝓛 + γ‖h‖, and its error.
    pub(super) fn ln_loss_plus_margin(&self, t: f64) -> (f64, f64) {
        let mut c = vec![0.0; self.kernel.nrows()];
        if self.path.eval(t, &mut c).is_err() {
            return (f64::NAN, 0.0);
        }
        let q = self.kernel.dot(&ndarray::aview1(&c));
        let norm = q.iter().zip(&c).map(|(q, c)| q * c).sum::<f64>().max(0.0).sqrt();
        let ones = vec![1.0; c.len()];
        let ln_loss = Loss::Exponential.ln_mean(q.as_slice().unwrap_or(&[]), &ones);
        let size = q.iter().fold(self.gamma * norm, |m, q| m.max(q.abs()));
        (ln_loss + self.gamma * norm, 100.0 * self.rtol * size + 1e-13 * (1.0 + size))
    }
}
