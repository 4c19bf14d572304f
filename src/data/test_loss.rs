//! The expected loss of a linear predictor on the whole law of a task: no test sample.
//!
//! Given the signs on the support, or |⟨z, w*⟩|, the margin yf is normal (a sum of many small terms for
//! signs), so that one or two one-dimensional integrals are left.

use ndarray::ArrayView1;

use super::accuracy::{MOST_RELEVANT, over_half_normal};
use super::tasks::Law;
use crate::error::{Result, check_finite, check_shape};
use crate::loss::Loss;

/// E ℓ(⟨w, x⟩; y) for x and y of the law; `None` for a margin loss on a regression, and for more than 25 relevant
/// signs, whose 2²⁵ patterns and more are not summed.
///
/// | law | squared | exponential | logistic |
/// |---|---|---|---|
/// | [`Law::Regression`] | ‖w − w*‖² + noise², exact | – | – |
/// | [`Law::SparseSigns`] | exact | exact | quadrature; normal law for the sum off the support |
/// | [`Law::Gap`] | exact | exact | quadrature |
///
/// The quadratures are good to about nine digits.
///
/// ```
/// use groktime::Loss;
/// use groktime::data::tasks::Law;
/// use groktime::data::test_loss::expected_loss;
/// use ndarray::array;
/// let (teacher, weights) = (array![1.0, 0.0], array![0.0, 0.0]);
/// let found = expected_loss(Law::Gap { gap: 1.0 }, Loss::Logistic, teacher.view(), weights.view())?;
/// assert!((found.unwrap() - 2.0_f64.ln()).abs() < 1e-9);
/// # Ok::<(), groktime::Error>(())
/// ```
///
/// # Errors
/// Weights that are not finite or not as many as the teacher's.
pub fn expected_loss(
    law: Law,
    loss: Loss,
    teacher: ArrayView1<'_, f64>,
    weights: ArrayView1<'_, f64>,
) -> Result<Option<f64>> {
    check_finite("weights", weights)?;
    check_shape("weights", weights.shape(), teacher.shape(), "one a coordinate of the teacher")?;
    Ok(match law {
        Law::Regression { noise_std, .. } => (loss == Loss::Squared)
            .then(|| (&weights - &teacher).mapv(|x| x * x).sum() + noise_std * noise_std),
        Law::SparseSigns { relevant } => {
            (relevant <= MOST_RELEVANT).then(|| sparse_signs(relevant, loss, teacher, weights))
        }
        Law::Gap { gap } => {
            let along = weights.dot(&teacher);
            let across = (&weights - &(&teacher * along)).mapv(|x| x * x).sum().sqrt();
            Some(with_gap(along, across, gap, loss))
        }
    })
}

fn sparse_signs(
    relevant: usize,
    loss: Loss,
    teacher: ArrayView1<'_, f64>,
    weights: ArrayView1<'_, f64>,
) -> f64 {
    let rest = || weights.iter().skip(relevant);
    let square: f64 = rest().map(|w| w * w).sum();
    // E e^{∓⟨w_rest, x⟩} = Π cosh w_k, as ln cosh w = |w| + ln(1 + e^{−2|w|}) − ln 2.
    let ln_cosh = |w: &f64| w.abs() + libm::log1p(libm::exp(-2.0 * w.abs())) - std::f64::consts::LN_2;
    let ln_rest = if loss == Loss::Exponential { rest().map(ln_cosh).sum() } else { 0.0 };
    // ε and −ε give the same: half of the patterns, those with ε₀ = +1.
    let patterns = 1_u64 << relevant.saturating_sub(1);
    let of_pattern = |pattern: u64| {
        let (mut label, mut signal) = (0.0, 0.0);
        for k in 0..relevant {
            let sign = if k > 0 && pattern >> (k - 1) & 1 == 1 { -1.0 } else { 1.0 };
            label += sign * teacher[k];
            signal += sign * weights[k];
        }
        let margin = label.signum() * signal;
        match loss {
            Loss::Squared => (margin - 1.0).powi(2) + square,
            Loss::Exponential => libm::exp(ln_rest - margin),
            Loss::Logistic => softplus_of_normal(-margin, square.sqrt()),
        }
    };
    (0..patterns).map(of_pattern).sum::<f64>() / patterns as f64
}

/// The margin is c(s + gap/2) + σξ with s = |⟨z, w*⟩| half-normal and ξ normal.
fn with_gap(along: f64, across: f64, gap: f64, loss: Loss) -> f64 {
    let shift = 0.5 * gap;
    match loss {
        Loss::Squared => {
            let first = (2.0 / std::f64::consts::PI).sqrt() + shift;
            let second = 1.0 + 2.0 * (2.0 / std::f64::consts::PI).sqrt() * shift + shift * shift;
            along * along * second - 2.0 * along * first + 1.0 + across * across
        }
        Loss::Exponential => {
            let tail = libm::erfc(along * std::f64::consts::FRAC_1_SQRT_2);
            libm::exp(0.5 * (along * along + across * across) - along * shift) * tail
        }
        Loss::Logistic => {
            // As a function of s it changes over max(1, σ)/|c| from s = −gap/2 on.
            let scale = across.max(1.0) / along.abs();
            over_half_normal(scale, |s| softplus_of_normal(-along * (s + shift), across))
        }
    }
}

/// E ln(1 + e^{m + σξ}) by the trapezoidal rule, which converges geometrically: the nearest pole is at
/// distance π/σ, so that steps of 1/σ leave e^{−2π²}.
fn softplus_of_normal(mean: f64, deviation: f64) -> f64 {
    let h = (1.0 / deviation).clamp(1.0 / 4096.0, 1.0 / 8.0);
    let reach = (9.0 / h).ceil() as i64;
    let term = |j: i64| {
        let s = j as f64 * h;
        let x = mean + deviation * s;
        libm::exp(-0.5 * s * s) * (x.max(0.0) + libm::log1p(libm::exp(-x.abs())))
    };
    (-reach..=reach).map(term).sum::<f64>() * h / (2.0 * std::f64::consts::PI).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::features::{gaussian_vector, generator};
    use crate::data::tasks::Task;

    /// Each law and loss against the mean over a sample, within four standard errors.
    #[test]
    fn agrees_with_samples() {
        let laws = [
            Law::Gap { gap: 1.0 },
            Law::SparseSigns { relevant: 3 },
            Law::Regression { relevant: 5, noise_std: 0.3 },
        ];
        for law in laws {
            let task = Task { law, samples: 1, dimension: 40, seed: 5 };
            let sample = task.draw_test(20_000).unwrap();
            let weights = gaussian_vector(40, 0.02, &mut generator(1, 1)) + &(&sample.teacher * 0.3);
            let mut outputs = vec![0.0; 20_000];
            sample.design.apply(weights.as_slice().unwrap(), &mut outputs, Default::default());
            for loss in [Loss::Squared, Loss::Exponential, Loss::Logistic] {
                let found = expected_loss(law, loss, sample.teacher.view(), weights.view()).unwrap();
                let Some(exact) = found else {
                    assert!(matches!(law, Law::Regression { .. }) && loss.is_margin());
                    continue;
                };
                let losses: Vec<f64> =
                    outputs.iter().zip(&sample.labels).map(|(&f, &y)| loss.value(f, y)).collect();
                let mean = losses.iter().sum::<f64>() / 2e4;
                let variance = losses.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / 2e4;
                // The normal law for 37 signs is an approximation (logistic only).
                let slack = if (law, loss) == (Law::SparseSigns { relevant: 3 }, Loss::Logistic) {
                    2e-3
                } else {
                    0.0
                };
                let error = (mean - exact).abs();
                assert!(error < 4.0 * (variance / 2e4).sqrt() + slack, "{law:?} {loss:?}: {exact} {mean}");
            }
        }
    }

    /// σ from 0 to 10⁴ against a fine Simpson rule split at the kink.
    #[test]
    fn quadrature_at_any_deviation() {
        for (mean, deviation) in [(0.3, 0.0), (-2.0, 0.1), (1.0, 1.0), (-5.0, 30.0), (40.0, 1000.0)] {
            let n = 4_000_000;
            let h = 20.0 / n as f64;
            let simpson = |j: usize| {
                let s = -10.0 + j as f64 * h;
                let x: f64 = mean + deviation * s;
                let weight = if j == 0 || j == n { 1.0 } else { 2.0 + 2.0 * (j % 2) as f64 };
                weight * (-0.5 * s * s).exp() * (x.max(0.0) + (-x.abs()).exp().ln_1p())
            };
            let exact = (0..=n).map(simpson).sum::<f64>() * h / 3.0 / (2.0 * std::f64::consts::PI).sqrt();
            let found = softplus_of_normal(mean, deviation);
            assert!((found - exact).abs() < 1e-8 * exact, "{mean} {deviation}: {found} {exact}");
        }
    }

    /// The logistic loss of a gap task against a midpoint rule, extrapolated: its error is of fourth order.
    #[test]
    fn gap_quadrature_is_exact() {
        for (along, across, gap) in [(0.4_f64, 0.8_f64, 25.0), (30.0, 3.0, 0.0), (-2.0, 0.01, 1.0)] {
            let density = |s: f64| (2.0 / std::f64::consts::PI).sqrt() * (-0.5 * s * s).exp();
            let midpoint = |n: usize| {
                let h = 9.0 / n as f64;
                let s = |j: usize| (j as f64 + 0.5) * h;
                let term = |j| density(s(j)) * softplus_of_normal(-along * (s(j) + 0.5 * gap), across);
                (0..n).map(term).sum::<f64>() * h
            };
            let exact = (4.0 * midpoint(20_000) - midpoint(10_000)) / 3.0;
            let found = with_gap(along, across, gap, Loss::Logistic);
            assert!((found - exact).abs() < 1e-9 * exact, "{along} {across}: {found} {exact}");
        }
    }
}
