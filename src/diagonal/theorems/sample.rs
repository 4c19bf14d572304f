//! Sample complexity of the two limits on sparse majorities: E.4 and E.5, and when they say nothing.

use super::catalogue;
use super::facts::statement;
use crate::data::Design;
use crate::error::{Error, Result, check};
use crate::limits::{max_margin_l1, max_margin_l2};
use crate::linalg::Threads;
use crate::theorem::{Claim, Form, Hypothesis, Judged, Probability, Side};

/// Up to this dimension the population error is the count over all 2^d sign vectors.
const ENUMERATED: usize = 20;

/// E.4 and E.5 on one sample: x uniform on {±1}^d and labels the majority of k = `relevant` signed
/// coordinates, which `teacher` (length d, zero elsewhere) holds. With probability 1 − δ over the sample,
/// the predictor of largest L1 margin errs at most 4k√(2 ln 2d/n) + 3√(ln(2/δ)/2n), that of largest L2
/// margin 4√(kd/n) + 3√(ln(2/δ)/2n) (`theory/diagonal.md`, (D23)). A bound of 1 or more is vacuous, and the
/// statement not applicable.
///
/// The population error is counted over all 2^d sign vectors for d ≤ 20, and not evaluated above; outputs
/// of zero count ½.
///
/// ```
/// use groktime::data::tasks::{Law, Task};
/// use groktime::diagonal::theorems::sample_complexity;
/// use groktime::theorem::Outcome;
/// let task = Task { law: Law::SparseSigns { relevant: 1 }, samples: 400, dimension: 10, seed: 0 }.draw()?;
/// let y = task.labels.as_slice().unwrap();
/// let judged = sample_complexity(&task.design, y, task.teacher.as_slice().unwrap(), 0.05)?;
/// assert!(judged[0].verdict.value < 0.7); // not vacuous
/// assert_eq!(judged[0].verdict.outcome, Outcome::Holds);
/// # Ok::<(), groktime::Error>(())
/// ```
///
/// # Errors
/// Shapes, δ outside (0, 1), a teacher without entries; a limit problem is not solved.
pub fn sample_complexity(x: &Design, labels: &[f64], teacher: &[f64], delta: f64) -> Result<Vec<Judged>> {
    check("failure probability", delta, |p| p > 0.0 && p < 1.0, "between 0 and 1")?;
    crate::error::check_shape("teacher", &[teacher.len()], &[x.dimension()], "one entry a coordinate")?;
    let relevant = teacher.iter().filter(|t| **t != 0.0).count();
    if relevant == 0 {
        return Err(Error::Missing { wanted: "the error of a sparse majority", needs: "a nonzero teacher" });
    }
    let (n, d) = (x.samples(), x.dimension());
    let [l1, l2] = rademacher_bounds(n, d, relevant, delta);
    // Limits are computed where their error is known and the bound says something.
    let error = |bound: f64, l1: bool| -> Result<f64> {
        if bound >= 1.0 || d > ENUMERATED {
            return Ok(f64::NAN);
        }
        let weights = match l1 {
            true => max_margin_l1(x, labels, Threads::One)?.found().map(|m| m.weights),
            false => max_margin_l2(x, labels, Threads::One)?.found().map(|m| m.weights),
        };
        Ok(weights.map_or(f64::NAN, |w| population_error(w.as_slice().unwrap_or(&[]), teacher)))
    };
    Ok(bounds(x, relevant, delta, [error(l1, true)?, error(l2, false)?]))
}

/// E.4 and E.5, with the population errors of the two limits (NaN where not known).
pub(super) fn bounds(x: &Design, relevant: usize, delta: f64, errors: [f64; 2]) -> Vec<Judged> {
    let bounds = rademacher_bounds(x.samples(), x.dimension(), relevant, delta);
    let names = [
        (&catalogue::SAMPLE_L1, "population error, L1 max margin"),
        (&catalogue::SAMPLE_L2, "population error, L2 max margin"),
    ];
    let judge = |((source, quantity), (bound, error))| {
        let hypotheses = vec![
            Hypothesis::fact("x on {±1}^d", Some(x.is_packed())),
            Hypothesis::fact("k odd", Some(relevant % 2 == 1)),
            Hypothesis::below("bound < 1 (else vacuous)", bound, 1.0),
        ];
        let mut s = statement(source, Form::Printed, quantity, Side::Upper, Claim::Scalar(bound), hypotheses);
        s.probability = Some(Probability { stated: 1.0 - delta, exact: None, over: "the sample" });
        s.judge(error, 0.0)
    };
    names.into_iter().zip(bounds.into_iter().zip(errors)).map(judge).collect()
}

/// The bounds of E.4 and E.5.
///
/// ```
/// // Both are vacuous at the sizes of figure 1: n = 256, d = 10⁵, k = 3.
/// let bounds = groktime::diagonal::theorems::rademacher_bounds(256, 100_000, 3, 0.05);
/// assert!(bounds[0] > 3.9 && bounds[1] > 136.0);
/// ```
pub fn rademacher_bounds(samples: usize, dimension: usize, relevant: usize, delta: f64) -> [f64; 2] {
    let (n, d, k) = (samples as f64, dimension as f64, relevant as f64);
    let tail = 3.0 * (libm::log(2.0 / delta) / (2.0 * n)).sqrt();
    [4.0 * k * (2.0 * libm::log(2.0 * d) / n).sqrt() + tail, 4.0 * (k * d / n).sqrt() + tail]
}

/// P(sign⟨w, x⟩ ≠ sign⟨w*, x⟩) over uniform signs, by going through all of them in the order of a Gray code.
fn population_error(w: &[f64], teacher: &[f64]) -> f64 {
    let d = w.len();
    let mut x = vec![1.0; d];
    let mut wrong = 0.0;
    for i in 0..1_u64 << d {
        // Summed afresh: an output of zero is a tie, and must not be rounded into a side.
        let f: f64 = w.iter().zip(&x).map(|(w, x)| w * x).sum();
        let y: f64 = teacher.iter().zip(&x).map(|(t, x)| t * x).sum();
        wrong += if f == 0.0 { 0.5 } else { f64::from(f * y < 0.0) };
        let flip = (i + 1).trailing_zeros() as usize;
        if flip < d {
            x[flip] = -x[flip];
        }
    }
    wrong / (1_u64 << d) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_counted() {
        assert_eq!(population_error(&[1.0, 0.0, 0.0], &[1.0, 0.0, 0.0]), 0.0);
        // A majority of three agrees with one of its voters three times in four.
        assert_eq!(population_error(&[1.0, 0.0, 0.0], &[1.0, 1.0, 1.0]), 0.25);
        assert_eq!(population_error(&[0.0, 0.0, 0.0], &[1.0, 1.0, 1.0]), 0.5);
    }
}
