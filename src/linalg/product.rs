//! Matrix products into the caller's buffers, in f32 or f64: what training loops are made of.
//!
//! Nothing is allocated but the backend's packing buffers, which it keeps per thread. The backend was chosen by
//! measurement (one core, AVX-512, f32, GFlop/s): 80 against 26 of `matrixmultiply` (under `ndarray`) at
//! 45 × 200 × 200 with a transposed factor, 91 against 52 at 200 × 400 × 400; f64 half of that.

use super::Threads;
use super::pure::{self, Number};

/// Arithmetic that training needs of f32 and f64.
pub(crate) trait Real:
    Number
    + Default
    + PartialOrd
    + Send
    + Sync
    + std::fmt::Debug
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::Neg<Output = Self>
    + std::ops::AddAssign
    + std::ops::SubAssign
    + std::ops::MulAssign
{
    /// Machine epsilon.
    const EPSILON: f64;
    fn root(self) -> Self;

    /// tanh, to two units in the last place; the same operations in every vector width.
    fn tangent(self) -> Self;
}

/// e^y − 1 for 0 ≤ y ≤ 50: y = k ln 2 + r, a polynomial in r, and 2^k put together from bits. Adding and
/// taking away 1.5·2^(digits) rounds to an integer without an instruction that some vector units lack.
macro_rules! real {
    ($type:ty, $bits:ty, $digits:literal, $bias:literal, $largest:literal, $high:literal, $low:literal, [$($coefficient:expr),*]) => {
        impl Real for $type {
            const EPSILON: f64 = <$type>::EPSILON as f64;

            #[inline(always)]
            fn root(self) -> Self {
                self.sqrt()
            }

            #[inline(always)]
            fn tangent(self) -> Self {
                const ROUND: $type = 1.5 * (1_u64 << $digits) as $type;
                // Past this point 1 − tanh is below half a unit in the last place; NaN stays NaN.
                let x = self.abs();
                let y = if x > $largest { 2.0 * $largest } else { 2.0 * x };
                let shifted = y * (std::f64::consts::LOG2_E as $type) + ROUND;
                let k = shifted - ROUND;
                let r = (y - k * $high) - k * $low;
                let mut series: $type = 0.0;
                $(series = series * r + $coefficient as $type;)*
                let power = <$type>::from_bits(
                    (shifted.to_bits() << $digits).wrapping_add(($bias as $bits) << $digits)
                );
                let e = power * (series * r) + (power - 1.0);
                (e / (e + 2.0)).copysign(self)
            }
        }
    };
}

// ln 2 in two parts, the first with zeros at its end so that k times it is exact.
real!(
    f64,
    u64,
    52,
    1023,
    22.0,
    6.931_471_803_691_238e-1,
    1.908_214_929_270_587_7e-10,
    [
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
        1.0
    ]
);
real!(
    f32,
    u32,
    23,
    127,
    10.0,
    0.693_359_4,
    -2.121_944_4e-4,
    [1.0 / 5_040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0]
);

/// A factor of a product: a row-major matrix as it stands, or transposed.
#[derive(Clone, Copy)]
pub(crate) struct Factor<'a, T> {
    pub entries: &'a [T],
    /// Of the product's factor, after the transposition.
    pub rows: usize,
    pub columns: usize,
    pub transposed: bool,
}

impl<'a, T> Factor<'a, T> {
    /// A rows × columns matrix.
    pub fn plain(entries: &'a [T], rows: usize, columns: usize) -> Self {
        debug_assert_eq!(entries.len(), rows * columns);
        Factor { entries, rows, columns, transposed: false }
    }

    /// The transpose of a matrix stored as columns × rows.
    pub fn transposed(entries: &'a [T], rows: usize, columns: usize) -> Self {
        debug_assert_eq!(entries.len(), rows * columns);
        Factor { entries, rows, columns, transposed: true }
    }
}

/// out = A B, or out += A B; `out` is row-major.
pub(crate) fn multiply<T: Real>(
    out: &mut [T],
    add: bool,
    a: Factor<'_, T>,
    b: Factor<'_, T>,
    threads: Threads,
) {
    debug_assert_eq!(a.columns, b.rows);
    debug_assert_eq!(out.len(), a.rows * b.columns);
    pure::multiply(out, add, a, b, threads);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Largest error in units of the last place of the result.
    #[test]
    fn hyperbolic_tangents() {
        let mut worst = (0.0_f64, 0.0_f64);
        for i in 0..200_001 {
            let x = (f64::from(i) / 200_000.0 - 0.5) * 60.0;
            let x = x * x.abs() / 30.0; // denser near zero
            let (exact, got) = (libm::tanh(x), x.tangent());
            worst.0 = worst.0.max((got - exact).abs() / (f64::EPSILON * exact.abs()).max(f64::MIN_POSITIVE));
            let single = x as f32;
            let (exact, got) = (libm::tanh(f64::from(single)), f64::from(single.tangent()));
            let unit = f64::from(f32::EPSILON) * exact.abs();
            worst.1 = worst.1.max((got - exact).abs() / unit.max(f64::from(f32::MIN_POSITIVE)));
        }
        assert!(worst.0 < 4.0 && worst.1 < 4.0, "{worst:?} epsilons");
        assert_eq!((0.0_f64.tangent(), 50_f64.tangent(), (-1e300_f64).tangent()), (0.0, 1.0, -1.0));
        assert_eq!((0.0_f32.tangent(), 50_f32.tangent(), f32::NEG_INFINITY.tangent()), (0.0, 1.0, -1.0));
        assert!(f64::NAN.tangent().is_nan() && f32::NAN.tangent().is_nan());
        assert!((-0.0_f64).tangent().is_sign_negative());
        assert_eq!(1e-200_f64.tangent(), 1e-200);
    }

    #[test]
    fn products_in_every_layout() {
        let a: Vec<f64> = (0..6).map(f64::from).collect(); // 2 × 3, or 3 × 2 transposed
        let b: Vec<f64> = (0..12).map(|i| f64::from(i) - 5.0).collect(); // 3 × 4
        let entry = |m: &[f64], columns: usize, i: usize, j: usize| m[i * columns + j];
        for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
            let at = |i, k| if ta { entry(&a, 2, k, i) } else { entry(&a, 3, i, k) };
            let bt = |k, j| if tb { entry(&b, 3, j, k) } else { entry(&b, 4, k, j) };
            let fa = if ta { Factor::transposed(&a, 2, 3) } else { Factor::plain(&a, 2, 3) };
            let fb = if tb { Factor::transposed(&b, 3, 4) } else { Factor::plain(&b, 3, 4) };
            let mut out = vec![1.0; 8];
            multiply(&mut out, true, fa, fb, Threads::One);
            for i in 0..2 {
                for j in 0..4 {
                    let exact: f64 = 1.0 + (0..3).map(|k| at(i, k) * bt(k, j)).sum::<f64>();
                    assert_eq!(out[i * 4 + j], exact, "{ta} {tb} ({i}, {j})");
                }
            }
        }
    }
}
