//! The gradient along a solution, without cancellation, and the residuals that balance the decay.

use ndarray::Array2;

use crate::completion::flow::root_of_shifted_square;
use crate::completion::kernel::{Kernel, Pattern};
use crate::completion::symmetric::{LANES, stride};
use crate::completion::{Invariant, Solution};
use crate::error::{Error, Result};
use crate::linalg::{Engine, Threads};

impl Solution {
    /// ‖∇𝓛_λ‖ over U and V, without cancellation; `None` unless the start was a multiple of the identity.
    ///
    /// # Errors
    /// As [`Solution::state`].
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
    /// As [`Solution::state`].
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
    /// As [`Solution::state`]; a kernel that is not positive definite.
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

pub(super) fn padded(a: &Array2<f64>) -> Vec<f64> {
    let d = a.nrows();
    let stride = stride(d);
    debug_assert_eq!(stride % LANES, 0);
    let mut full = vec![0.0; d * stride];
    for ((i, j), x) in a.indexed_iter() {
        full[i * stride + j] = *x;
    }
    full
}
