//! The dual of the L2 max-margin problem, and what it says of losses on the way there.

use ndarray::Array2;

use super::facts::{Facts, ln_inverse_f};
use crate::error::Result;
use crate::linalg::{Engine, cholesky_solve};

/// The dual of the L2 max-margin problem on its support, if it is unique.
#[derive(Clone)]
pub(super) struct Dual {
    /// H(ω).
    pub(super) entropy: f64,
    /// ω, normalised.
    pub(super) omega: Vec<f64>,
    /// ε with Kε = c − ln ω and Σε = 0: how the predictor is shifted from the max-margin direction, so that
    /// the losses are in the proportions of ω.
    pub(super) epsilon: Vec<f64>,
    /// εᵀKε.
    spread: f64,
    /// How fast the losses on the support approach the proportions ω, against the rate of their sum: the least
    /// eigenvalue of Ω^½KΩ^½ over γ², which is one of them.
    slowest: f64,
    /// ln n − H: the relative entropy of ω against the equal losses of the start.
    start: f64,
    /// Of the other samples: their margins in units of the least one, less one, and ‖∇f_i(θ̄)‖.
    others: Vec<(f64, f64)>,
    gamma: f64,
}

impl Dual {
    pub(super) fn new(facts: &Facts<'_, '_>) -> Result<Option<Dual>> {
        let Some(svm) = facts.svm.as_ref().filter(|s| s.report.dual_unique == Some(true)) else {
            return Ok(None);
        };
        let problem = facts.run.problem();
        let y = problem.labels();
        let support = &svm.support_vectors;
        let total: f64 = support.iter().map(|&i| svm.multipliers[i]).sum();
        let omega: Vec<f64> = support.iter().map(|&i| svm.multipliers[i] / total).collect();
        let gram = problem.gram(facts.threads);
        let front = 2.0 * facts.depth * facts.depth;
        let kernel = Array2::from_shape_fn((support.len(), support.len()), |(a, b)| {
            front * y[support[a]] * y[support[b]] * gram[(support[a], support[b])]
        });
        // A kernel that is singular on the support has no unique dual, whatever the report says of it.
        let Ok(factor) = Engine::SEQUENTIAL.cholesky(kernel.view()) else { return Ok(None) };
        let mut epsilon: Vec<f64> = omega.iter().map(|w| -libm::log(*w)).collect();
        let mut ones = vec![1.0; support.len()];
        cholesky_solve(factor.view(), &mut epsilon);
        cholesky_solve(factor.view(), &mut ones);
        let level = -epsilon.iter().sum::<f64>() / ones.iter().sum::<f64>();
        epsilon.iter_mut().zip(&ones).for_each(|(e, one)| *e += level * one);
        // Kε = level − ln ω, and the level drops out with Σε = 0.
        let spread = epsilon.iter().zip(&omega).map(|(e, w)| -e * libm::log(*w)).sum::<f64>();
        let mut margins = vec![0.0; y.len()];
        problem.design().apply(svm.weights.as_slice().unwrap_or(&[]), &mut margins, facts.threads);
        let others = (0..y.len()).filter(|i| !support.contains(i));
        let others = others.map(|i| (y[i] * margins[i] - 1.0, (front * gram[(i, i)]).sqrt())).collect();
        let entropy: f64 = omega.iter().map(|w| -w * libm::log(*w)).sum();
        let weighted =
            Array2::from_shape_fn(kernel.dim(), |(a, b)| kernel[(a, b)] * (omega[a] * omega[b]).sqrt());
        let slowest = Engine::SEQUENTIAL.eigh(weighted.view())?.values[0] / facts.gamma.powi(2);
        Ok(Some(Dual {
            entropy,
            omega,
            epsilon,
            spread,
            slowest: slowest.clamp(0.0, 1.0),
            start: (libm::log(facts.n) - entropy).max(0.0),
            others,
            gamma: facts.gamma,
        }))
    }
}

impl Dual {
    /// The loss of a sample off the support against all on it, where their margin is M.
    fn share(&self, gap: f64, size: f64) -> f64 {
        libm::exp(-gap * size - self.entropy)
    }

    /// sin(w, L2 margin) at most, to leading order: ε on the support, what the other samples push, and what
    /// is left of their pushes during the fit, of which a part `kept` = e^{−Lλt} remains.
    pub(super) fn tilt(&self, size: f64, kept: f64) -> f64 {
        let off = self.others.iter().map(|&(gap, norm)| {
            // ∫₀ᴹ e^{−gM′}dM′/M, their mean share while the margin grew to M.
            let x = gap * size;
            let mean = if x > 1e-8 { -libm::expm1(-x) / x } else { 1.0 };
            (self.share(gap, size) + kept * mean * libm::exp(-self.entropy)) * norm / self.gamma
        });
        self.tilt_of_support(size) + off.sum::<f64>()
    }

    /// Losses on the support are in the proportions ω + this·ε, M₁ = `m`.
    pub(super) fn change(&self, m: f64, depth: f64) -> f64 {
        self.gamma.powi(2) * depth / m
    }

    pub(super) fn tilt_of_support(&self, size: f64) -> f64 {
        self.gamma * self.spread.max(0.0).sqrt() / size
    }
}

/// The angle between w and the max-margin direction goes as 1/M.
pub(super) struct Tilt {
    /// M = ln 1/(n𝓛) + H.
    pub(super) size: f64,
    /// Relative size of what that leaves out: shifted proportions of the losses, samples off the support.
    pub(super) next_order: f64,
}

/// γ²Ae^{−2(L−1)λt}𝓛 = L[ln(1/(n𝓛)) + H] − 2(L−1).
#[derive(Clone, Copy)]
pub(super) struct PlateauLaw {
    pub(super) ln_gain: f64,
    pub(super) depth: f64,
    pub(super) lambda: f64,
    /// H − ln n.
    pub(super) shift: f64,
}

impl PlateauLaw {
    /// ln 𝓛: Newton's method in μ = ln(right side), for which ln 𝓛 is linear in e^μ.
    pub(super) fn ln_loss(&self, t: f64) -> f64 {
        let left = self.ln_gain - 2.0 * (self.depth - 1.0) * self.lambda * t;
        // With M = e^μ the loss is −ln 𝓛 = (M + 2(L−1))/L − shift, and left + ln 𝓛 = μ.
        let constant = 2.0 * (self.depth - 1.0) / self.depth - self.shift;
        // e^μ/L + μ = left − constant =: b, as for F⁻¹ with μ − ln L in the place of η.
        let b = left - constant - libm::log(self.depth);
        let m = self.depth * ln_inverse_f(b);
        -(m / self.depth + constant)
    }

    /// M and M₁ = LM − 2(L−1) of the law.
    fn sizes(&self, t: f64) -> (f64, f64) {
        let size = -self.ln_loss(t) + self.shift;
        (size, self.depth * size - 2.0 * (self.depth - 1.0))
    }

    /// What is left of the start in ln 𝓛 (D18a): at most −ln(1 − e^{−M₁λt}) of the sum of the losses. The relative
    /// entropy of their proportions falls at twice the slowest rate, as long as the sum follows; it acts on
    /// ln 𝓛 through (D18) as every change of H does, and by its own rate while it falls.
    pub(super) fn memory(&self, t: f64, dual: &Dual) -> f64 {
        let (_, m) = self.sizes(t);
        let age = m * self.lambda * t;
        let sum = -libm::log(-libm::expm1(-age));
        let rate = (2.0 * dual.slowest).min(1.0);
        sum + dual.start * libm::exp(-rate * age) * (self.depth / m + rate)
    }

    /// What is left of the start in the proportions of the losses.
    pub(super) fn memory_of_proportions(&self, t: f64, dual: &Dual) -> f64 {
        let (_, m) = self.sizes(t);
        libm::exp(-dual.slowest * m * self.lambda * t)
    }

    /// Relative size of what (D18) leaves out: the next order of d𝓛/dt, the memory of the start, the spread of
    /// the losses over the support, and the samples off it.
    pub(super) fn left_out(&self, t: f64, dual: &Dual) -> f64 {
        let l = self.depth;
        let (size, m) = self.sizes(t);
        let next = 2.0 * (l - 1.0) * l / (m * (m + l)) + self.memory(t, dual);
        let change = dual.change(m, l);
        let spread: f64 = dual.epsilon.iter().zip(&dual.omega).map(|(e, w)| (change * e).powi(2) / w).sum();
        let off: f64 = dual.others.iter().map(|(g, _)| dual.share(*g, size)).sum();
        next + 0.5 * l / m * spread + off
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// M(t) of Ṁ = γ²a^{2(L−1)}e^{H−M}/n − LλM from M(0) = 0, by the method of Runge and Kutta in small steps.
    fn reduced(law: &PlateauLaw, t: f64) -> f64 {
        let l = law.depth;
        let slope = |s: f64, m: f64| {
            (law.ln_gain + law.lambda.ln() - 2.0 * (l - 1.0) * law.lambda * s + law.shift - m).exp()
                - l * law.lambda * m
        };
        let steps = 200_000;
        let h = t / f64::from(steps);
        let mut m = 0.0;
        for k in 0..steps {
            let s = h * f64::from(k);
            let a = slope(s, m);
            let b = slope(s + 0.5 * h, m + 0.5 * h * a);
            let c = slope(s + 0.5 * h, m + 0.5 * h * b);
            m += h / 6.0 * (a + 2.0 * b + 2.0 * c + slope(s + h, m + h * c));
        }
        m
    }

    /// (D18a): the loss of the reduced equation is above the law's, by at most the next order and the memory.
    #[test]
    fn memory_of_the_start_bounds_the_reduced_equation() {
        let dual = Dual {
            entropy: 0.0,
            omega: vec![1.0],
            epsilon: vec![0.0],
            spread: 0.0,
            slowest: 1.0,
            start: 0.0,
            others: Vec::new(),
            gamma: 1.0,
        };
        for (depth, lambda, ln_gain) in [(2.0, 1.0, 8.0), (2.0, 1.0, 4.0), (3.0, 0.1, 9.0), (6.0, 0.5, 6.0)] {
            let law = PlateauLaw { ln_gain, depth, lambda, shift: 0.0 };
            for tau in [0.01, 0.1, 0.2, 0.4] {
                let t = tau / lambda;
                let excess = -reduced(&law, t) - law.ln_loss(t);
                let most = law.left_out(t, &dual);
                assert!(excess > -1e-7, "L = {depth}, λt = {tau}: {excess}");
                assert!(excess <= most + 1e-7, "L = {depth}, λt = {tau}: {excess} {most}");
                // And not by much less: the memory is what is left out while the start is remembered.
                if tau <= 0.1 && ln_gain >= 8.0 && depth == 2.0 {
                    assert!(excess > 0.5 * most, "L = {depth}, λt = {tau}: {excess} {most}");
                }
            }
        }
    }
}
