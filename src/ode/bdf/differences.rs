//! The history of a differentiation formula: y and its backward differences with a constant spacing.

use crate::linalg::vectorised;
use crate::ode::path::CHUNK;

pub(super) const MAX_ORDER: usize = 5;
/// y, and differences to two past the highest order.
const ROWS: usize = MAX_ORDER + 3;

/// κ_q of theory/integrators.md (3).
const KAPPA: [f64; MAX_ORDER + 1] = [0.0, -0.1850, -1.0 / 9.0, -0.0823, -0.0415, 0.0];
/// γ_q = Σ 1/k.
const GAMMA: [f64; MAX_ORDER + 1] = {
    let mut gamma = [0.0; MAX_ORDER + 1];
    let mut k = 1;
    while k <= MAX_ORDER {
        gamma[k] = gamma[k - 1] + 1.0 / k as f64;
        k += 1;
    }
    gamma
};

/// α_q = (1 − κ_q) γ_q, theory/integrators.md (3).
pub(super) fn alpha(order: usize) -> f64 {
    (1.0 - KAPPA[order]) * GAMMA[order]
}

/// The error of a step is this times the correction of the predictor, theory/integrators.md (5).
pub(super) fn error_constant(order: usize) -> f64 {
    KAPPA[order] * GAMMA[order] + 1.0 / (order + 1) as f64
}

/// y, ∇y, ∇²y, … one row after another. Loops go over chunks whose rows stay in the first cache.
pub(super) struct Differences {
    n: usize,
    rows: Vec<f64>,
}

impl Differences {
    pub fn new(y: &[f64]) -> Differences {
        let mut rows = vec![0.0; ROWS * y.len()];
        rows[..y.len()].copy_from_slice(y);
        Differences { n: y.len(), rows }
    }

    pub fn state(&self) -> &[f64] {
        self.row(0)
    }

    pub fn state_mut(&mut self) -> &mut [f64] {
        &mut self.rows[..self.n]
    }

    /// ∇ᵏy.
    pub fn row(&self, k: usize) -> &[f64] {
        &self.rows[k * self.n..(k + 1) * self.n]
    }

    #[cfg(test)]
    pub fn set_row(&mut self, k: usize, value: f64) {
        self.rows[k * self.n..(k + 1) * self.n].fill(value);
    }

    /// y to ∇^order y.
    pub fn columns(&self, order: usize) -> &[f64] {
        &self.rows[..(order + 1) * self.n]
    }

    /// ∇y = h f.
    pub fn set_first(&mut self, h: f64, f: &[f64]) {
        for (d, f) in self.rows[self.n..2 * self.n].iter_mut().zip(f) {
            *d = h * f;
        }
    }

    /// The polynomial of the history one step on, and ψ, theory/integrators.md (2).
    pub fn predict(&self, order: usize, predicted: &mut [f64], psi: &mut [f64]) {
        let n = self.n;
        let scale = 1.0 / alpha(order);
        vectorised(
            #[inline(always)]
            || {
                for start in (0..n).step_by(CHUNK) {
                    let end = (start + CHUNK).min(n);
                    let (predicted, psi) = (&mut predicted[start..end], &mut psi[start..end]);
                    predicted.copy_from_slice(&self.rows[start..end]);
                    psi.fill(0.0);
                    for (k, gamma) in GAMMA.iter().enumerate().take(order + 1).skip(1) {
                        let gamma = scale * gamma;
                        let row = &self.rows[k * n + start..k * n + end];
                        for ((p, s), d) in predicted.iter_mut().zip(&mut *psi).zip(row) {
                            *p += d;
                            *s += gamma * d;
                        }
                    }
                }
            },
        );
    }

    /// Moves one step on, where y is the prediction plus the correction, theory/integrators.md (7).
    pub fn advance(&mut self, order: usize, correction: &[f64]) {
        let n = self.n;
        vectorised(
            #[inline(always)]
            || {
                for start in (0..n).step_by(CHUNK) {
                    let end = (start + CHUNK).min(n);
                    let (low, high) = self.rows.split_at_mut((order + 2) * n);
                    let next = &mut low[(order + 1) * n + start..(order + 1) * n + end];
                    for ((next, second), d) in
                        next.iter_mut().zip(&mut high[start..end]).zip(&correction[start..end])
                    {
                        *second = d - *next;
                        *next = *d;
                    }
                    for k in (0..=order).rev() {
                        let (low, high) = self.rows.split_at_mut((k + 1) * n);
                        for (x, d) in low[k * n + start..k * n + end].iter_mut().zip(&high[start..end]) {
                            *x += d;
                        }
                    }
                }
            },
        );
    }

    /// Changes the spacing to factor·h, theory/integrators.md (4).
    pub fn rescale(&mut self, order: usize, factor: f64) {
        let n = self.n;
        let transform = change(order, factor);
        let mut old = [[0.0; CHUNK]; MAX_ORDER + 1];
        vectorised(
            #[inline(always)]
            || {
                for start in (0..n).step_by(CHUNK) {
                    let end = (start + CHUNK).min(n);
                    for (k, old) in old.iter_mut().enumerate().take(order + 1).skip(1) {
                        old[..end - start].copy_from_slice(&self.rows[k * n + start..k * n + end]);
                    }
                    for (i, coefficients) in transform.iter().enumerate().take(order + 1).skip(1) {
                        let row = &mut self.rows[i * n + start..i * n + end];
                        row.fill(0.0);
                        for (coefficient, old) in coefficients.iter().zip(&old).take(order + 1).skip(i) {
                            for (x, old) in row.iter_mut().zip(old) {
                                *x += coefficient * old;
                            }
                        }
                    }
                }
            },
        );
    }

    /// The same polynomial in the variables scale·(y − shift), theory/integrators.md (11).
    pub fn rebase(&mut self, scale: f64, shift: &[f64]) {
        let (y, rest) = self.rows.split_at_mut(self.n);
        for (y, shift) in y.iter_mut().zip(shift) {
            *y = scale * (*y - shift);
        }
        rest.iter_mut().for_each(|d| *d *= scale);
    }
}

/// Upper triangular T with new ∇ⁱy = Σ_k T_ik ∇ᵏy, theory/integrators.md (4).
fn change(order: usize, factor: f64) -> [[f64; MAX_ORDER + 1]; MAX_ORDER + 1] {
    let basis = |factor: f64| {
        let mut r = [[0.0; MAX_ORDER + 1]; MAX_ORDER + 1];
        r[0] = [1.0; MAX_ORDER + 1];
        for k in 1..=order {
            let above = r[k - 1];
            for (i, (r, above)) in r[k].iter_mut().zip(above).enumerate().skip(1) {
                *r = above * ((k - 1) as f64 - factor * i as f64) / k as f64;
            }
        }
        r
    };
    let (r, u) = (basis(factor), basis(1.0));
    let mut product = [[0.0; MAX_ORDER + 1]; MAX_ORDER + 1];
    for (i, row) in product.iter_mut().enumerate() {
        for (x, r) in row.iter_mut().zip(&r) {
            *x = (1..=order).map(|j| r[j] * u[j][i]).sum();
        }
    }
    product
}
