//! The accuracy of a linear predictor on the whole law of a task: no test sample.
//!
//! Smooth in the weights, so that crossings of it are well posed, and it costs one pass over them.
//! Equations (D24) and (D25) of `theory/diagonal.md`.

use ndarray::ArrayView1;

use super::tasks::Law;
use crate::error::{Result, check_finite, check_shape};

/// Most relevant coordinates of the sparse task whose sign patterns are summed, 2^(k − 1) of them.
pub(super) const MOST_RELEVANT: usize = 25;

/// P(y⟨w, x⟩ > 0) + ½P(y⟨w, x⟩ = 0) for x and y of the law; `None` for a regression, and for more than 25 relevant
/// signs, whose 2²⁵ patterns and more are not summed.
///
/// | law | formula | error |
/// |---|---|---|
/// | [`Law::Gap`] | ∫₀^∞ 2φ(s) Φ(c(s + gap/2)/σ) ds, c = ⟨w, w*⟩, σ = ‖w − cw*‖ | quadrature, below 10⁻¹² |
/// | [`Law::SparseSigns`] | mean over the signs ε on the support of Φ(y(ε)⟨w_S, ε⟩/‖w_rest‖) | that of the central limit for ⟨w_rest, x⟩, at most 0.56 Σ\|w_k\|³/‖w_rest‖³ |
///
/// ```
/// use groktime::data::accuracy::accuracy;
/// use groktime::data::tasks::Law;
/// use ndarray::array;
/// // Without a gap the accuracy is 1 − angle/π.
/// let (teacher, weights) = (array![1.0, 0.0], array![1.0, 1.0]);
/// let found = accuracy(Law::Gap { gap: 0.0 }, teacher.view(), weights.view())?;
/// assert!((found.unwrap() - 0.75).abs() < 1e-12);
/// # Ok::<(), groktime::Error>(())
/// ```
///
/// # Errors
/// Weights that are not finite or not as many as the teacher's.
pub fn accuracy(law: Law, teacher: ArrayView1<'_, f64>, weights: ArrayView1<'_, f64>) -> Result<Option<f64>> {
    check_finite("weights", weights)?;
    check_shape("weights", weights.shape(), teacher.shape(), "one a coordinate of the teacher")?;
    Ok(match law {
        Law::Regression { .. } => None,
        Law::SparseSigns { relevant } => {
            (relevant <= MOST_RELEVANT).then(|| sparse_signs(relevant, teacher, weights))
        }
        Law::Gap { gap } => {
            let along = weights.dot(&teacher);
            // As a vector: the difference of squares would cancel.
            let across = (&weights - &(&teacher * along)).mapv(|x| x * x).sum().sqrt();
            Some(with_gap(along, across, gap))
        }
    })
}

fn sparse_signs(relevant: usize, teacher: ArrayView1<'_, f64>, weights: ArrayView1<'_, f64>) -> f64 {
    let rest = weights.iter().skip(relevant).map(|w| w * w).sum::<f64>().sqrt();
    // ε and −ε give the same: half of the patterns, those with ε₀ = +1.
    let patterns = 1_u64 << relevant.saturating_sub(1);
    let right = |pattern: u64| {
        let (mut label, mut signal) = (0.0, 0.0);
        for k in 0..relevant {
            let sign = if k > 0 && pattern >> (k - 1) & 1 == 1 { -1.0 } else { 1.0 };
            label += sign * teacher[k];
            signal += sign * weights[k];
        }
        normal_at_ratio(label.signum() * signal, rest)
    };
    (0..patterns).map(right).sum::<f64>() / patterns as f64
}

fn with_gap(along: f64, across: f64, gap: f64) -> f64 {
    if across == 0.0 || along == 0.0 {
        return normal_at_ratio(along, across);
    }
    // Φ changes over 1/|slope| from s = −gap/2 on.
    let slope = along / across;
    over_half_normal(1.0 / slope.abs(), |s| normal(slope * (s + 0.5 * gap)))
}

/// ∫₀^∞ 2φ(s) f(s) ds for an f that changes over `scale` near zero: panels that double up to 1, the width of φ.
pub(super) fn over_half_normal(scale: f64, f: impl Fn(f64) -> f64) -> f64 {
    let integrand = |s: f64| {
        let density = (2.0 / std::f64::consts::PI).sqrt() * libm::exp(-0.5 * s * s);
        density * f(s)
    };
    let (mut from, mut width) = (0.0, scale.min(1.0));
    let mut sum = 0.0;
    while from < 9.0 {
        sum += gauss_legendre(from, from + width, integrand);
        from += width;
        width = (2.0 * width).min(1.0);
    }
    sum
}

/// Φ(signal/deviation); a tie counts one half.
fn normal_at_ratio(signal: f64, deviation: f64) -> f64 {
    match (signal == 0.0, deviation == 0.0) {
        (true, _) => 0.5,
        (false, true) => f64::from(signal > 0.0),
        (false, false) => normal(signal / deviation),
    }
}

/// Φ, the normal distribution function.
fn normal(x: f64) -> f64 {
    0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

/// Gauss-Legendre quadrature with sixteen points.
fn gauss_legendre(a: f64, b: f64, f: impl Fn(f64) -> f64) -> f64 {
    const POINTS: [(f64, f64); 8] = [
        (0.095_012_509_837_637_44, 0.189_450_610_455_068_5),
        (0.281_603_550_779_258_9, 0.182_603_415_044_923_6),
        (0.458_016_777_657_227_4, 0.169_156_519_395_002_54),
        (0.617_876_244_402_643_7, 0.149_595_988_816_576_73),
        (0.755_404_408_355_003, 0.124_628_971_255_533_88),
        (0.865_631_202_387_831_7, 0.095_158_511_682_492_78),
        (0.944_575_023_073_232_6, 0.062_253_523_938_647_894),
        (0.989_400_934_991_649_9, 0.027_152_459_411_754_095),
    ];
    let (middle, half) = (0.5 * (a + b), 0.5 * (b - a));
    let pair = |&(x, w): &(f64, f64)| w * (f(middle + half * x) + f(middle - half * x));
    half * POINTS.iter().map(pair).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::tasks::Task;

    #[test]
    fn agrees_with_samples() {
        for law in [Law::Gap { gap: 1.0 }, Law::SparseSigns { relevant: 3 }] {
            let task = Task { law, samples: 1, dimension: 40, seed: 5 };
            let sample = task.draw_test(20_000).unwrap();
            let mut weights =
                crate::data::features::gaussian_vector(40, 0.02, &mut crate::data::features::generator(1, 1));
            weights += &(&sample.teacher * 0.3);
            let mut outputs = vec![0.0; 20_000];
            sample.design.apply(weights.as_slice().unwrap(), &mut outputs, Default::default());
            let right = outputs.iter().zip(&sample.labels).filter(|(f, y)| *f * *y > 0.0).count();
            let exact = accuracy(law, sample.teacher.view(), weights.view()).unwrap().unwrap();
            let deviation = (exact * (1.0 - exact) / 20_000.0).sqrt();
            let slack = if matches!(law, Law::Gap { .. }) { 0.0 } else { 0.01 };
            let difference = (right as f64 / 20_000.0 - exact).abs();
            assert!(difference < 4.0 * deviation + slack, "{law:?}: {exact} {difference}");
        }
    }

    /// Without a gap: 1 − angle/π, at any steepness.
    #[test]
    fn quadrature_is_exact_at_any_steepness() {
        for exponent in -12..=12 {
            let slope = 10_f64.powi(exponent);
            for sign in [1.0, -1.0] {
                let expected = 0.5 + (sign * slope).atan() / std::f64::consts::PI;
                let found = with_gap(sign * slope, 1.0, 0.0);
                assert!((found - expected).abs() < 1e-12, "{slope}: {found} {expected}");
            }
        }
    }

    #[test]
    fn degenerate_weights() {
        assert_eq!(with_gap(0.0, 1.0, 1.0), 0.5);
        assert_eq!(with_gap(1.0, 0.0, 1.0), 1.0);
        assert_eq!(with_gap(-1.0, 0.0, 1.0), 0.0);
        assert_eq!(with_gap(0.0, 0.0, 1.0), 0.5);
    }
}
