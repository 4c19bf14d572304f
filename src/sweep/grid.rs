//! Values to sweep over: even, logarithmic, random. The same on every machine.

use rand::RngExt;

use crate::data::features::generator;
use crate::error::{Error, Result, check};
use crate::memory;

/// `points` values from `from` to `to` in equal steps, both ends included; one point is `from`.
///
/// ```
/// assert_eq!(groktime::sweep::grid::linear(0.0, 0.3, 4)?, [0.0, 0.1, 0.2, 0.3]);
/// # Ok::<(), groktime::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Parameter`] for no points, or ends that are not finite.
pub fn linear(from: f64, to: f64, points: usize) -> Result<Vec<f64>> {
    let (from, to) =
        (check("from", from, |_| true, "a finite number")?, check("to", to, |_| true, "a finite number")?);
    spread(points, from, to, |part| from + (to - from) * part)
}

/// `points` values from `from` to `to` in equal ratios, both ends included; one point is `from`.
///
/// ```
/// assert_eq!(groktime::sweep::grid::logarithmic(1e-6, 1e-3, 4)?, [1e-6, 1e-5, 1e-4, 1e-3]);
/// # Ok::<(), groktime::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Parameter`] for no points, or ends that are not positive and finite.
pub fn logarithmic(from: f64, to: f64, points: usize) -> Result<Vec<f64>> {
    let positive = |name, x| check(name, x, |x| x > 0.0, "a positive number");
    let (a, b) = (libm::log(positive("from", from)?), libm::log(positive("to", to)?));
    spread(points, from, to, |part| libm::exp(a + (b - a) * part))
}

fn spread(points: usize, from: f64, to: f64, inside: impl Fn(f64) -> f64) -> Result<Vec<f64>> {
    if points == 0 {
        return Err(Error::Parameter { name: "points", value: 0.0, expected: "at least 1".to_owned() });
    }
    // The numbers, and what a sweep makes of them.
    memory::check_array("values of a grid", &[8, points])?;
    let last = points - 1;
    let value = |k: usize| match k {
        0 => from,
        k if k == last => to,
        k => decimal(inside(k as f64 / last as f64)),
    };
    Ok((0..points).map(value).collect())
}

/// To 13 digits, which rounding in the logarithm leaves intact: 1e-5, and not 9.99999999999999e-6.
fn decimal(x: f64) -> f64 {
    format!("{x:.12e}").parse().unwrap_or(x)
}

/// A law to draw values from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Law {
    /// Even on [from, to).
    Uniform { from: f64, to: f64 },
    /// Its logarithm even on [ln from, ln to).
    LogUniform { from: f64, to: f64 },
    /// Whole numbers from..=to, all equally likely.
    Integer { from: u64, to: u64 },
}

impl Law {
    /// `count` independent values; `stream` separates the parameters of one sweep. More values from the same
    /// seed begin with the same ones.
    ///
    /// ```
    /// use groktime::sweep::grid::Law;
    /// let rates = Law::LogUniform { from: 1e-6, to: 1e-2 }.draw(5, 7, 0)?;
    /// assert!(rates.iter().all(|rate| (1e-6..1e-2).contains(rate)));
    /// assert_eq!(rates[..3], Law::LogUniform { from: 1e-6, to: 1e-2 }.draw(3, 7, 0)?);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] for an empty or infinite range, a logarithmic one that is not positive, whole numbers
    /// past 2⁵³.
    pub fn draw(self, count: usize, seed: u64, stream: u64) -> Result<Vec<f64>> {
        memory::check_array("values to draw", &[8, count])?;
        let mut rng = generator(seed, stream);
        // 53 random bits: even on [0, 1).
        let mut unit = || (rng.random::<u64>() >> 11) as f64 / (1_u64 << 53) as f64;
        let ordered = |from: f64, to: f64| {
            check("to", to, |x| x > from, &format!("a finite number above from = {from}"))
        };
        match self {
            Law::Uniform { from, to } => {
                ordered(check("from", from, |_| true, "a finite number")?, to)?;
                Ok((0..count).map(|_| from + (to - from) * unit()).collect())
            }
            Law::LogUniform { from, to } => {
                ordered(check("from", from, |x| x > 0.0, "a positive number")?, to)?;
                let (a, b) = (libm::log(from), libm::log(to));
                Ok((0..count).map(|_| libm::exp(a + (b - a) * unit()).clamp(from, to)).collect())
            }
            Law::Integer { from, to } => {
                let whole = |x: f64| x >= from as f64 && x <= 9_007_199_254_740_992.0;
                check("to", to as f64, whole, &format!("a whole number from {from} to 2^53"))?;
                let size = (to - from + 1) as f64;
                Ok((0..count).map(|_| (from as f64 + (size * unit()).floor()).min(to as f64)).collect())
            }
        }
    }
}
