//! Averages over the initialisation in closed form: mean and standard deviation of both losses over
//! θ₀ ~ N(0, ν²I), features and teacher given.
//!
//! With θ_t − θ* = K z + b, z ~ N(0, ν²I), K = Σρ_i^t v_iv_iᵀ + (1−ηλ)^t P_⊥ and b what is left at
//! θ₀ = 0, the test loss is a Gaussian quadratic form:
//!
//! $$ \mathbb{E}L = b^T\Sigma b + \nu^2\,\mathrm{tr}(\Sigma K^2),\qquad
//!    \mathrm{Var}\,L = 2\nu^4\,\mathrm{tr}\big((K\Sigma K)^2\big) + 4\nu^2\lVert K\Sigma b\rVert^2. $$

use ndarray::{Array1, Array2, Axis, concatenate, s};

use super::{ClosedForm, Spectrum};
use crate::data::Covariance;
use crate::error::{Error, Result, check};
use crate::trajectory::Clock;

/// What the averages need of Σ, computed once a problem.
pub struct InitAverage<'s, 'a> {
    spectrum: &'s Spectrum<'a>,
    sigma: Sigma,
}

enum Sigma {
    Isotropic(f64),
    General {
        /// VᵀΣV, and [ΣV, −Σθ*_⊥]ᵀ[ΣV, −Σθ*_⊥].
        inner: Array2<f64>,
        images: Array2<f64>,
        /// [V, −θ*_⊥]ᵀΣ[V, −θ*_⊥].
        form: Array2<f64>,
        trace: f64,
        square: f64,
    },
}

/// Mean and standard deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeanStd {
    pub mean: f64,
    pub std: f64,
}

impl<'s, 'a> InitAverage<'s, 'a> {
    /// Prepares the averages for a problem with a linear teacher and known Σ.
    ///
    /// # Errors
    /// No linear teacher or no covariance.
    pub fn new(spectrum: &'s Spectrum<'a>) -> Result<Self> {
        let missing = Error::Missing {
            wanted: "the average over the initialisation",
            needs: "a linear teacher and the covariance of the features",
        };
        let (Some(teacher), Some(covariance)) = (&spectrum.teacher, &spectrum.covariance) else {
            return Err(missing);
        };
        if let Covariance::Isotropic { variance, .. } = covariance {
            return Ok(InitAverage { spectrum, sigma: Sigma::Isotropic(*variance) });
        }
        let decomposition = &spectrum.decomposition;
        let engine = decomposition.engine();
        let v = decomposition.right_vectors()?;
        let constant = -&teacher.outside;
        let basis = concatenate(Axis(1), &[v.view(), constant.view().insert_axis(Axis(1))])
            .map_err(|e| Error::Numerical { method: "joining columns", detail: e.to_string() })?;
        let image = covariance.apply(basis.view())?;
        let form = engine.matmul(basis.t(), image.view())?;
        let images = engine.gram(image.t());
        let k = spectrum.eigenvalues().len();
        let inner = form.slice(s![..k, ..k]).to_owned();
        let (trace, square) = covariance.trace_and_square();
        Ok(InitAverage { spectrum, sigma: Sigma::General { inner, images, form, trace, square } })
    }

    /// Mean and standard deviation of the test loss at a time, for θ₀ ~ N(0, init_variance·I).
    ///
    /// # Errors
    /// A negative variance.
    pub fn test_loss<T: Clock>(
        &self,
        form: &ClosedForm<'_, '_, T>,
        t: T,
        init_variance: f64,
    ) -> Result<MeanStd> {
        let nu2 = check("initial variance", init_variance, |v| v >= 0.0, "at least 0")?;
        let powers = form.powers(t);
        let k = powers.len() - 1;
        let (x, r) = (powers.slice(s![..k]), powers[k]);
        let b = form.residual_from_zero(&powers);
        let m = self.spectrum.shape().1 as f64;
        let outside = m - k as f64;
        Ok(match &self.sigma {
            Sigma::Isotropic(v) => {
                let rest = self.spectrum.teacher_norms().map_or(0.0, |t| t.1).powi(2);
                let bias = b.iter().map(|b| b * b).sum::<f64>() + rest;
                let x2: f64 = x.iter().map(|x| x * x).sum::<f64>() + outside * r * r;
                let x4: f64 = x.iter().map(|x| x.powi(4)).sum::<f64>() + outside * r.powi(4);
                let xb: f64 = x.iter().zip(&b).map(|(x, b)| (x * b).powi(2)).sum::<f64>() + r * r * rest;
                moments(v * (bias + nu2 * x2), v * v * (2.0 * nu2 * nu2 * x4 + 4.0 * nu2 * xb))
            }
            Sigma::General { inner, images, form, trace, square } => {
                let mut z = b.to_vec();
                z.push(1.0);
                let z = Array1::from_vec(z);
                let bias = z.dot(&form.dot(&z));
                let inner_trace = inner.diag().sum();
                let mut x2 = r * r * (trace - inner_trace);
                let mut x4 = 0.0;
                let squared = inner.mapv(|a| a * a);
                for i in 0..k {
                    x2 += x[i] * x[i] * inner[(i, i)];
                    let row = squared.row(i);
                    let inside: f64 = row.iter().zip(&x).map(|(a, x)| a * x * x).sum();
                    let leak = (images[(i, i)] - row.sum()).max(0.0);
                    x4 += x[i] * x[i] * (inside + 2.0 * r * r * leak);
                }
                let images_trace: f64 = (0..k).map(|i| images[(i, i)]).sum();
                x4 += r.powi(4) * (square - 2.0 * images_trace + squared.sum()).max(0.0);
                // ‖KΣb‖²: along each v_i, and outside.
                let along = form.dot(&z);
                let inside: f64 = (0..k).map(|i| along[i] * along[i]).sum();
                let total = z.dot(&images.dot(&z));
                let xb = (0..k).map(|i| (x[i] * along[i]).powi(2)).sum::<f64>()
                    + r * r * (total - inside).max(0.0);
                moments(bias + nu2 * x2, 2.0 * nu2 * nu2 * x4 + 4.0 * nu2 * xb)
            }
        })
    }

    /// Mean and standard deviation of the training loss at a time.
    ///
    /// # Errors
    /// A negative variance.
    pub fn train_loss<T: Clock>(
        &self,
        form: &ClosedForm<'_, '_, T>,
        t: T,
        init_variance: f64,
    ) -> Result<MeanStd> {
        let nu2 = check("initial variance", init_variance, |v| v >= 0.0, "at least 0")?;
        let powers = form.powers(t);
        let (n, spectrum) = (self.spectrum.shape().0 as f64, self.spectrum);
        let (mut mean, mut variance) = (spectrum.unfittable, 0.0);
        for (i, s) in spectrum.eigenvalues().iter().enumerate() {
            let (x, y, g) = (powers[i], spectrum.labels[i], form.rates[i].g);
            let spread = nu2 * s * x * x;
            let b = -x * s.sqrt() * spectrum.limit(i, g) - form.settings.weight_decay / g * y;
            mean += b * b + spread;
            variance += 2.0 * spread * spread + 4.0 * spread * b * b;
        }
        Ok(moments(mean / (2.0 * n), variance / (4.0 * n * n)))
    }
}

fn moments(mean: f64, variance: f64) -> MeanStd {
    MeanStd { mean, std: variance.max(0.0).sqrt() }
}

impl<T: Clock> ClosedForm<'_, '_, T> {
    /// ⟨v_i, θ_t − θ*⟩ for θ₀ = 0.
    fn residual_from_zero(&self, powers: &Array1<f64>) -> Array1<f64> {
        let spectrum = self.spectrum;
        let one = |i: usize| {
            let g = self.rates[i].g;
            spectrum.bias(i, g, self.settings.weight_decay) - powers[i] * spectrum.limit(i, g)
        };
        (0..spectrum.eigenvalues().len()).map(one).collect()
    }
}
