//! sinh and cosh of whole arrays: the inner loop of every right-hand side at depth 2.
//!
//! Branch-free, so that the compiler uses the machine's vector units; no fused operations, so that the
//! bits are the same on all of them.

use crate::linalg::vectorised;

/// Arguments up to here stay clear of overflow.
pub const LARGEST: f64 = 700.0;

/// Writes sinh(x) over `x` and, if wanted, cosh(x) into `cosh`; relative error below 2·10⁻¹⁵ for
/// |x| ≤ [`LARGEST`], also near zero. Larger arguments are taken as `LARGEST`.
pub fn sinh_cosh(x: &mut [f64], cosh: Option<&mut [f64]>) {
    match cosh {
        None => vectorised(
            #[inline(always)]
            || {
                for x in x.iter_mut() {
                    let e = expm1(x.abs().min(LARGEST));
                    *x = (0.5 * (e + e / (e + 1.0))).copysign(*x);
                }
            },
        ),
        Some(cosh) => vectorised(
            #[inline(always)]
            || {
                for (x, cosh) in x.iter_mut().zip(&mut *cosh) {
                    let e = expm1(x.abs().min(LARGEST));
                    let back = e / (e + 1.0);
                    *x = (0.5 * (e + back)).copysign(*x);
                    *cosh = 1.0 + 0.5 * e * back;
                }
            },
        ),
    }
}

/// e^a − 1 for 0 ≤ a ≤ 709: a = k ln 2 + r, then 2^k (e^r − 1) + (2^k − 1).
#[inline(always)]
fn expm1(a: f64) -> f64 {
    /// Adding it rounds to an integer, which then stands in the last bits.
    const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5·2⁵²
    const LN2_HIGH: f64 = 0.693_147_180_369_123_8; // 33 bits: k·LN2_HIGH is exact
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    let shifted = a * std::f64::consts::LOG2_E + ROUND;
    let k = shifted - ROUND;
    let r = (a - k * LN2_HIGH) - k * LN2_LOW;
    let power = f64::from_bits((shifted.to_bits().wrapping_add(1023)) << 52);
    power * expm1_near_zero(r) + (power - 1.0)
}

/// The Taylor series of e^r − 1 for |r| ≤ ln 2 / 2: fourteen terms leave 4·10⁻¹⁸.
#[inline(always)]
fn expm1_near_zero(r: f64) -> f64 {
    const C: [f64; 12] = [
        1.0 / 6_227_020_800.0,
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
    ];
    let mut sum = C[0];
    let mut i = 1;
    while i < 12 {
        sum = sum * r + C[i];
        i += 1;
    }
    r + r * r * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_libm_from_tiny_to_huge() {
        let mut worst = 0.0_f64;
        for i in 0..200_000 {
            let a = 10_f64.powf(-20.0 + 22.845 * f64::from(i) / 200_000.0);
            for x in [a, -a] {
                let (mut s, mut c) = ([x], [0.0]);
                sinh_cosh(&mut s, Some(&mut c));
                worst = worst.max((s[0] / libm::sinh(x) - 1.0).abs());
                worst = worst.max((c[0] / libm::cosh(x) - 1.0).abs());
            }
        }
        assert!(worst < 2e-15, "{worst}");
    }

    #[test]
    fn zero_is_exact_and_large_arguments_stay_finite() {
        let (mut s, mut c) = ([0.0, -0.0, 1e6, -1e6], [0.0; 4]);
        sinh_cosh(&mut s, Some(&mut c));
        assert_eq!((s[0], s[1], c[0]), (0.0, 0.0, 1.0));
        assert!(s.iter().chain(&c).all(|x| x.is_finite()));
    }
}
