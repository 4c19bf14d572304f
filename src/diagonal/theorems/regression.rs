//! Kernel phase of the squared loss: D.1 (26), the residual law, and the kernel predictor of Theorem 3.9.

use super::catalogue;
use ndarray::Array2;

use super::facts::{Facts, State, envelope, ln_norm, statement};
use crate::Loss;
use crate::error::Result;
use crate::limits::min_norm;
use crate::linalg::{Engine, cholesky_solve};
use crate::theorem::{Claim, Form, Hypothesis, Judged, Side, Standing};

impl Facts<'_, '_> {
    pub(super) fn regression(&self) -> Result<Vec<Judged>> {
        let applies = self.loss == Loss::Squared && !self.ln_alpha.is_nan();
        let spectrum = if applies {
            let gram = self.run.problem().gram(self.threads);
            Engine::SEQUENTIAL.eigh(gram.view())?.values[0]
        } else {
            f64::NAN
        };
        let nu = 2.0 * self.depth * self.depth * spectrum;
        let mut judged = self.training(nu);
        judged.push(self.residual(nu)?);
        judged.push(self.kernel_predictor(nu)?);
        Ok(judged)
    }

    fn fit_hypotheses(&self, nu: f64) -> Vec<Hypothesis> {
        vec![
            self.loss_is("squared loss", Loss::Squared),
            self.symmetric(),
            self.decays(),
            Hypothesis::below("0 < ‖y‖ (something to fit)", 0.0, self.label_norm()),
            Hypothesis::below("0 < ν (independent samples)", 1e-13 * self.trace(), nu),
        ]
    }

    /// Of K(θ̄).
    fn trace(&self) -> f64 {
        if self.loss != Loss::Squared || self.ln_alpha.is_nan() {
            return 0.0;
        }
        2.0 * self.depth * self.depth * self.run.problem().gram(self.threads).diag().sum()
    }

    fn label_norm(&self) -> f64 {
        libm::exp(ln_norm(self.run.problem().labels().iter().copied()))
    }

    /// Error of one residual: that of an output, and the rounding of its difference from a label.
    fn residual_error(&self, t: f64, state: &State) -> f64 {
        self.error(t).outputs
            + 1e-15 * self.n.sqrt() * state.largest_output.max(self.label_norm() / self.n.sqrt())
    }

    /// ln 𝓛 of the squared loss. Residuals below the error of the path are not known at all.
    fn ln_squared_loss(&self, t: f64) -> (f64, f64) {
        let Ok(state) = self.state(t) else { return (f64::NAN, 0.0) };
        let relative = self.residual_error(t, &state) / libm::exp(0.5 * state.ln_loss);
        let rounding = if relative < 1.0 { -2.0 * libm::log1p(-relative) } else { f64::INFINITY };
        (state.ln_loss, rounding.max(self.error(t).ln_train_loss) + 1e-13)
    }

    /// D.1 (26), (D20): as printed, for the loss without ½, and with K(e^{λt}θ/α) ⪰ K(θ̄).
    fn training(&self, nu: f64) -> Vec<Judged> {
        let (l, n, lambda) = (self.depth, self.n, self.lambda);
        let ln_square = 2.0 * libm::log(self.label_norm());
        let rate = 2.0 * (l - 1.0) * lambda;
        let (ln_gain, ln_alpha) = (libm::log(nu) + self.ln_scale, self.ln_alpha);
        let bound = move |k: f64, constant: f64| {
            let ln_fit = ln_gain - libm::log(k * n * (l - 1.0));
            let late = libm::log(constant * n * l * l) + ln_square + 2.0 * libm::log(lambda)
                - 2.0 * libm::log(nu)
                - 4.0 * (l - 1.0) * ln_alpha;
            move |t: f64| {
                let fit = libm::exp(ln_fit + libm::log(-libm::expm1(-rate * t)));
                (ln_square - libm::log(n) - fit).max(late + 2.0 * rate * t)
            }
        };
        // K(e^{λt}θ/α) = L²X diag(ũ^{2L−2} + ṽ^{2L−2})Xᵀ and the sum is at least 2: T_max is infinite.
        let forms = [
            (&catalogue::FIT, Form::Printed, 8.0, 16.0),
            (&catalogue::FIT_WITHOUT_HALF, Form::Derived, 2.0, 4.0),
            (&catalogue::FIT_KERNEL, Form::Derived, 1.0, 1.0),
        ];
        forms
            .into_iter()
            .map(|(source, form, k, constant)| {
                let claim = envelope(bound(k, constant), f64::INFINITY);
                let hypotheses = self.fit_hypotheses(nu);
                let s = statement(source, form, "log_train_loss", Side::Upper, claim, hypotheses);
                self.judge(s, &self.times, |t| self.ln_squared_loss(t))
            })
            .collect()
    }

    /// K(θ(t)).
    fn kernel(&self, t: f64) -> Result<Array2<f64>> {
        let (net, z) = self.run.dual(t)?;
        let power = 2.0 * self.depth - 2.0;
        let weight = |(k, &z): (usize, &f64)| {
            let (u, v) = net.parameters(t, k, z);
            self.depth * self.depth * (libm::pow(u, power) + libm::pow(v, power))
        };
        let weights: Vec<f64> = z.iter().enumerate().map(weight).collect();
        Ok(self.run.problem().design().weighted_gram(&weights, self.threads))
    }

    /// The residual law (D21): s against −(nLλ/2)K(θ)⁻¹y, in units of twice the order left out.
    fn residual(&self, nu: f64) -> Result<Judged> {
        let (l, n, lambda) = (self.depth, self.n, self.lambda);
        let y = self.run.problem().labels();
        let mut hypotheses = self.fit_hypotheses(nu);
        hypotheses.push(Hypothesis::fact("n·d within the limit of work", self.small.then_some(true)));
        // The fit takes n/(2ν a^{2(L−1)}) an e-fold.
        let fitted = 40.0 * libm::exp(libm::log(0.5 * n / nu) - 2.0 * (l - 1.0) * self.ln_alpha);
        let mut worst = f64::NAN;
        if hypotheses.iter().all(|h| h.standing == Standing::Holds) && fitted < self.horizon {
            for i in 0..8 {
                let t = fitted + (self.horizon - fitted) * f64::from(i) / 8.0;
                let kernel = self.kernel(t)?;
                let least = Engine::SEQUENTIAL.eigh(kernel.view())?.values[0];
                let left_out = n * lambda * (3.0 * l - 2.0) / (2.0 * least);
                let Ok(factor) = Engine::SEQUENTIAL.cholesky(kernel.view()) else { continue };
                let mut law = y.to_vec();
                cholesky_solve(factor.view(), &mut law);
                law.iter_mut().for_each(|x| *x *= -0.5 * n * l * lambda);
                let state = self.state(t)?;
                let size = ln_norm(law.iter().copied());
                let difference = state.outputs.iter().zip(y).zip(&law).map(|((f, y), law)| f - y - law);
                let error = libm::exp(ln_norm(difference) - size);
                let unknown = self.residual_error(t, &state) * n.sqrt() / libm::exp(size);
                // Only where the law says something, and the path is known well enough to see it.
                if left_out <= 0.05 && unknown <= 0.05 {
                    worst = worst.max((error - unknown).max(0.0) / (2.0 * left_out));
                }
            }
        }
        hypotheses.push(Hypothesis::at_least(
            "order left out ≤ 5% at some time after the fit",
            if worst.is_nan() { 0.0 } else { 1.0 },
            1.0,
        ));
        let s = statement(
            &catalogue::RESIDUAL,
            Form::Derived,
            "error of s in units of 2 × the order left out",
            Side::Upper,
            Claim::Scalar(1.0),
            hypotheses,
        );
        Ok(s.judge(worst, 0.0))
    }

    /// Theorem 3.9 at finite α: the distance of w at T_c^- from the least-norm interpolant is
    /// Ca^{−2L}‖(I − P)w³‖ plus what the residual and the memory of the start leave, to within half of it.
    fn kernel_predictor(&self, nu: f64) -> Result<Judged> {
        let mut hypotheses = self.fit_hypotheses(nu);
        hypotheses.extend(self.early_hypotheses());
        let (mut measured, mut leading) = (f64::NAN, f64::NAN);
        let (problem, t) = (self.run.problem(), self.early());
        let applies = hypotheses.iter().all(|h| h.standing == Standing::Holds);
        let state = if applies { self.early_state()? } else { None };
        let limit = match applies {
            true => min_norm(problem.design(), problem.labels(), self.threads)?.found(),
            false => None,
        };
        if let (Some(state), Some(limit)) = (state, limit) {
            let w = &limit.weights;
            let size = w.dot(w).sqrt();
            measured = libm::exp(ln_norm(state.weights.iter().zip(w).map(|(a, b)| a - b)) - libm::log(size));
            let cubes = w.mapv(|w| w * w * w);
            let mut image = vec![0.0; problem.labels().len()];
            problem.design().apply(cubes.as_slice().unwrap_or(&[]), &mut image, self.threads);
            let inside = min_norm(problem.design(), &image, self.threads)?.found();
            let outside = inside.map_or(f64::NAN, |p| {
                let rest = &cubes - &p.weights;
                rest.dot(&rest).sqrt()
            });
            let ln_a = self.ln_alpha - self.lambda * t;
            // (q + 1)(q + 2)/(24q²) with q = L/(L − 2).
            let l = self.depth;
            let constant = (2.0 * l - 2.0) * (3.0 * l - 4.0) / (24.0 * l * l);
            let curved = constant * libm::exp(-2.0 * l * ln_a) * outside / size;
            // X⁺s with s = −(nLλ/2)K⁻¹y is at most (nLλ/2)‖w‖/λ_min(K).
            let unfit = 0.5 * self.n * l * self.lambda / nu * libm::exp(-2.0 * (l - 1.0) * ln_a);
            // What is left of the labels that were not fitted at the start: every mode falls at ν at least.
            let grown = -libm::expm1(-2.0 * (l - 1.0) * self.lambda * t) / (2.0 * (l - 1.0) * self.lambda);
            let kept = libm::exp(-2.0 * nu / self.n * libm::exp(2.0 * (l - 1.0) * self.ln_alpha) * grown);
            leading = curved + unfit + kept;
        }
        hypotheses.push(Hypothesis::at_most("leading order ≤ 5%", leading, 0.05));
        let s = statement(
            &catalogue::LEAST_NORM,
            Form::Printed,
            "‖w − w_L2‖/‖w_L2‖ at T_c^-",
            Side::Equal,
            Claim::Scalar(0.0),
            hypotheses,
        );
        let unknown = if measured.is_nan() { 0.0 } else { self.angle_error(t, problem.design().dimension()) };
        Ok(s.judge(measured, 1.5 * leading + unknown))
    }
}
