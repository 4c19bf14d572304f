//! Training losses of many outputs: value, logarithm, slopes, right answers.

use super::sample::Targets;
use super::{Net, Sample};
use crate::error::{Error, Result};
use crate::linalg::product::Real;
use crate::linalg::vectorised;
use crate::loss::{Loss, softplus};

/// What is minimised: a mean over n samples, with f ∈ R^m the outputs.
///
/// | criterion | loss of one sample | targets |
/// |---|---|---|
/// | `Squared` | (1/m) Σ_o (f_o − y_o)²: `MSELoss`, the mean over outputs too | any |
/// | `HalfSquared` | ½ Σ_o (f_o − y_o)² | any |
/// | `CrossEntropy` | −ln softmax(f)_y | classes |
/// | `CrossEntropyPerOutput` | the same over m, as the notebooks of arXiv 2205.10343 have it | classes |
/// | `Margin(ℓ)` | ℓ(f; y), logistic or exponential ([`Loss`]) | signs |
///
/// ```
/// use groktime::Loss;
/// use groktime::network::Criterion;
/// assert_eq!(Criterion::Margin(Loss::Logistic).name(), "logistic");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Criterion {
    Squared,
    HalfSquared,
    CrossEntropy,
    CrossEntropyPerOutput,
    Margin(Loss),
}

impl Criterion {
    /// The name used in JSON and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Criterion::Squared => "squared",
            Criterion::HalfSquared => "half-squared",
            Criterion::CrossEntropy => "cross-entropy",
            Criterion::CrossEntropyPerOutput => "cross-entropy-per-output",
            Criterion::Margin(loss) => loss.name(),
        }
    }

    /// Whether the loss is a sum of squares of outputs less targets.
    pub fn is_squared(self) -> bool {
        matches!(self, Criterion::Squared | Criterion::HalfSquared)
    }

    /// Checks that the targets are of the kind that the loss compares with.
    pub(super) fn check(self, sample: &Sample) -> Result<()> {
        let (wanted, needs) = match (self, &sample.targets) {
            (Criterion::Margin(Loss::Squared), _) => {
                ("Criterion::Margin", "a margin loss (for squares: Criterion::Squared)")
            }
            (Criterion::Squared | Criterion::HalfSquared, _)
            | (Criterion::CrossEntropy | Criterion::CrossEntropyPerOutput, Targets::Classes(_))
            | (Criterion::Margin(_), Targets::Signs(_)) => return Ok(()),
            (Criterion::Margin(_), _) => ("a margin loss", "targets that are signs"),
            _ => ("cross-entropy", "targets that are classes"),
        };
        Err(Error::Missing { wanted, needs })
    }
}

/// Which samples the rows of an output are.
#[derive(Clone, Copy)]
pub(super) enum Rows<'a> {
    /// From this one on, in order.
    From(usize),
    Picked(&'a [u32]),
}

impl Rows<'_> {
    pub fn at(self, i: usize) -> usize {
        match self {
            Rows::From(first) => first + i,
            Rows::Picked(rows) => rows[i] as usize,
        }
    }
}

/// Targets in the numbers that the net computes in.
pub(super) struct Goal<T> {
    criterion: Criterion,
    outputs: usize,
    kind: Kind<T>,
}

enum Kind<T> {
    Classes(Vec<u32>),
    Templates(Vec<u32>, Vec<T>),
    Values(Vec<T>),
    Signs(Vec<f64>),
}

impl<T: Real> Goal<T> {
    pub fn new(criterion: Criterion, net: &Net, sample: &Sample) -> Result<Goal<T>> {
        criterion.check(sample)?;
        let numbers = |values: &ndarray::Array2<f64>| values.iter().map(|&y| T::from_f64(y)).collect();
        let kind = match &sample.targets {
            Targets::Classes(classes) => Kind::Classes(classes.clone()),
            Targets::Templates { classes, templates } => Kind::Templates(classes.clone(), numbers(templates)),
            Targets::Values(y) => Kind::Values(numbers(y)),
            Targets::Signs(signs) => Kind::Signs(signs.clone()),
        };
        Ok(Goal { criterion, outputs: net.outputs(), kind })
    }

    /// The wanted output o of sample i.
    #[inline(always)]
    fn wanted(&self, i: usize, o: usize) -> T {
        match &self.kind {
            Kind::Classes(classes) => T::from_f64(f64::from(classes[i] as usize == o)),
            Kind::Templates(classes, templates) => templates[classes[i] as usize * self.outputs + o],
            Kind::Values(y) => y[i * self.outputs + o],
            Kind::Signs(signs) => T::from_f64(signs[i]),
        }
    }

    fn class(&self, i: usize) -> usize {
        match &self.kind {
            Kind::Classes(classes) | Kind::Templates(classes, _) => classes[i] as usize,
            Kind::Values(_) | Kind::Signs(_) => 0,
        }
    }

    fn sign(&self, i: usize) -> f64 {
        if let Kind::Signs(signs) = &self.kind { signs[i] } else { f64::NAN }
    }

    /// Loss of one sample times this is its criterion.
    fn unit(&self) -> f64 {
        match self.criterion {
            Criterion::Squared | Criterion::CrossEntropyPerOutput => (self.outputs as f64).recip(),
            Criterion::HalfSquared => 0.5,
            Criterion::CrossEntropy | Criterion::Margin(_) => 1.0,
        }
    }

    /// Σ of the losses of the rows of f (not divided by their number).
    pub fn sum(&self, f: &[T], rows: Rows<'_>) -> f64 {
        let each = f.chunks_exact(self.outputs).enumerate();
        let sum: f64 = match self.criterion {
            Criterion::Squared | Criterion::HalfSquared => {
                each.map(|(r, f)| self.square(f, rows.at(r))).sum()
            }
            Criterion::CrossEntropy | Criterion::CrossEntropyPerOutput => {
                each.map(|(r, f)| cross_entropy(f, self.class(rows.at(r)))).sum()
            }
            Criterion::Margin(loss) => {
                each.map(|(r, f)| loss.value(f[0].into(), self.sign(rows.at(r)))).sum()
            }
        };
        self.unit() * sum
    }

    fn square(&self, f: &[T], i: usize) -> f64 {
        let each = f.iter().enumerate().map(|(o, &f)| {
            let s: f64 = (f - self.wanted(i, o)).into();
            s * s
        });
        each.sum()
    }

    /// ln of the sum of the losses; finite where every term underflows.
    pub fn ln_sum(&self, f: &[T], rows: Rows<'_>) -> f64 {
        let each = f.chunks_exact(self.outputs).enumerate();
        let logs: Vec<f64> = match self.criterion {
            Criterion::Squared | Criterion::HalfSquared => return libm::log(self.sum(f, rows)),
            Criterion::CrossEntropy | Criterion::CrossEntropyPerOutput => {
                each.map(|(r, f)| ln_cross_entropy(f, self.class(rows.at(r)))).collect()
            }
            Criterion::Margin(loss) => {
                each.map(|(r, f)| loss.ln_value(f[0].into(), self.sign(rows.at(r)))).collect()
            }
        };
        libm::log(self.unit()) + ln_sum_exp(&logs)
    }

    /// Slopes of the sum of the losses over the outputs, times `factor`·e^`ln_factor`. The latter meets the
    /// slopes as a logarithm: slopes that underflow may be divided by a loss that does.
    pub fn slopes(&self, f: &[T], rows: Rows<'_>, (factor, ln_factor): (f64, f64), out: &mut [T]) {
        let m = self.outputs;
        let factor = self.unit() * factor;
        let each = out.chunks_exact_mut(m).zip(f.chunks_exact(m)).enumerate();
        match self.criterion {
            Criterion::Squared | Criterion::HalfSquared => {
                let factor = T::from_f64(2.0 * factor * libm::exp(ln_factor));
                each.for_each(|(r, (out, f))| {
                    let i = rows.at(r);
                    for (o, (out, &f)) in out.iter_mut().zip(f).enumerate() {
                        *out = factor * (f - self.wanted(i, o));
                    }
                });
            }
            Criterion::CrossEntropy | Criterion::CrossEntropyPerOutput => {
                each.for_each(|(r, (out, f))| {
                    let class = self.class(rows.at(r));
                    let top = largest_other(f, class);
                    let mut sum = 0.0;
                    for (o, (out, &f)) in out.iter_mut().zip(f).enumerate() {
                        if o != class {
                            let e = libm::exp(f.into() - top);
                            sum += e;
                            *out = T::from_f64(e);
                        }
                    }
                    if sum == 0.0 {
                        // One class: always right.
                        out.fill(T::ZERO);
                        return;
                    }
                    // The total is e^top (sum + e^(f_class − top)); its logarithm less top, without overflow:
                    let ln_sum = libm::log(sum);
                    let ln_total = ln_sum + softplus(f[class].into() - top - ln_sum);
                    let scale = factor * libm::exp(ln_factor - ln_total);
                    // 1 − p of the class is what the others have: no cancellation when it is small.
                    let others = sum * scale;
                    let scale = T::from_f64(scale);
                    out.iter_mut().for_each(|out| *out *= scale);
                    out[class] = T::from_f64(-others);
                });
            }
            Criterion::Margin(loss) => each.for_each(|(r, (out, f))| {
                let y = self.sign(rows.at(r));
                // ln |ℓ'|: −q, or ln σ(−q) = −q − ln(1 + e^{−q}).
                let q = y * f[0].into();
                let ln_slope = match loss {
                    Loss::Logistic => -softplus(q),
                    Loss::Exponential | Loss::Squared => -q,
                };
                out[0] = T::from_f64(-y * factor * libm::exp(ln_slope + ln_factor));
            }),
        }
    }

    /// Second derivatives of the sum of the losses over each output, where they do not couple outputs.
    pub fn curvatures(&self, f: &[T], out: &mut [f64]) {
        match self.criterion {
            Criterion::Margin(loss) => {
                out.iter_mut()
                    .zip(f)
                    .enumerate()
                    .for_each(|(i, (out, &f))| *out = loss.curvature(f.into(), self.sign(i)));
            }
            _ => out.fill(2.0 * self.unit()),
        }
    }

    /// How many rows are answered right, ties of signs counting ½; NaN where there are no answers.
    pub fn right(&self, f: &[T], rows: Rows<'_>) -> f64 {
        let each = f.chunks_exact(self.outputs).enumerate();
        match &self.kind {
            Kind::Values(_) => f64::NAN,
            Kind::Signs(signs) => {
                let score = |(r, f): (usize, &[T])| {
                    let margin = signs[rows.at(r)] * f[0].into();
                    if margin > 0.0 {
                        1.0
                    } else if margin == 0.0 {
                        0.5
                    } else {
                        0.0
                    }
                };
                each.map(score).sum()
            }
            Kind::Classes(classes) => {
                each.filter(|(r, f)| largest(f) == Some(classes[rows.at(*r)] as usize)).count() as f64
            }
            Kind::Templates(classes, templates) => {
                let mut count = 0;
                vectorised(
                    #[inline(always)]
                    || {
                        for (r, f) in f.chunks_exact(self.outputs).enumerate() {
                            let class = classes[rows.at(r)] as usize;
                            count += u32::from(is_nearest(templates, self.outputs, f, class));
                        }
                    },
                );
                f64::from(count)
            }
        }
    }

    /// The smallest margin: y f for signs, the output of the class less the largest other for classes.
    pub fn least_margin(&self, f: &[T], rows: Rows<'_>) -> f64 {
        let each = f.chunks_exact(self.outputs).enumerate();
        let margins = each.map(|(r, f)| match &self.kind {
            Kind::Signs(signs) => signs[rows.at(r)] * f[0].into(),
            Kind::Classes(classes) => {
                let class = classes[rows.at(r)] as usize;
                f[class].into() - largest_other(f, class)
            }
            Kind::Values(_) | Kind::Templates(..) => f64::NAN,
        });
        margins.fold(f64::INFINITY, |least, margin| if margin.is_nan() { margin } else { least.min(margin) })
    }
}

/// The first of the largest outputs; none if one is NaN.
fn largest<T: Real>(f: &[T]) -> Option<usize> {
    let mut best = 0;
    for (o, value) in f.iter().enumerate() {
        let number: f64 = (*value).into();
        if number.is_nan() {
            return None;
        }
        if *value > f[best] {
            best = o;
        }
    }
    Some(best)
}

/// Whether a class is the first of those whose templates are nearest to f. It is in no doubt as soon as another
/// is nearer.
#[inline(always)]
fn is_nearest<T: Real>(templates: &[T], outputs: usize, f: &[T], class: usize) -> bool {
    let own = square_distance(&templates[class * outputs..][..outputs], f);
    for (k, template) in templates.chunks_exact(outputs).enumerate() {
        let other = square_distance(template, f);
        // The others are further, or as far and come later; a NaN is near nothing.
        if k != class && !(other > own || other == own && k > class) {
            return false;
        }
    }
    true
}

/// Σ (a − b)² in lanes, so that it is the same on all machines.
#[inline(always)]
fn square_distance<T: Real>(a: &[T], b: &[T]) -> f64 {
    const LANES: usize = 8;
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for j in 0..LANES {
            let difference: f64 = (a[j] - b[j]).into();
            sums[j] += difference * difference;
        }
    }
    for ((&a, &b), sum) in a_rest.iter().zip(b_rest).zip(&mut sums) {
        let difference: f64 = (a - b).into();
        *sum += difference * difference;
    }
    sums.iter().sum()
}

/// The largest output but that of the class.
fn largest_other<T: Real>(f: &[T], class: usize) -> f64 {
    let others = f.iter().enumerate().filter(|(o, _)| *o != class);
    others.map(|(_, &x)| x.into()).fold(f64::NEG_INFINITY, f64::max)
}

/// ln Σ_{o≠y} e^{f_o − f_y}.
fn ln_others<T: Real>(f: &[T], class: usize) -> f64 {
    let top = largest_other(f, class);
    let others = f.iter().enumerate().filter(|(o, _)| *o != class);
    let sum: f64 = others.map(|(_, &x)| libm::exp(x.into() - top)).sum();
    top - f[class].into() + libm::log(sum)
}

/// ln(1 + Σ_{o≠y} e^{f_o − f_y}).
fn cross_entropy<T: Real>(f: &[T], class: usize) -> f64 {
    softplus(ln_others(f, class))
}

fn ln_cross_entropy<T: Real>(f: &[T], class: usize) -> f64 {
    let x = ln_others(f, class);
    // ln ln(1 + e^x) = x − e^x/2 + …
    if x < -36.0 { x } else { libm::log(softplus(x)) }
}

pub(super) fn ln_sum_exp(logs: &[f64]) -> f64 {
    let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !top.is_finite() {
        return top;
    }
    top + libm::log(logs.iter().map(|l| libm::exp(l - top)).sum::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_nearest_templates() {
        let templates = [0.0, 0.0, 2.0, 0.0, 2.0, 0.0, 9.0, 9.0];
        let right =
            |f: [f64; 2]| (0..4).map(|class| is_nearest(&templates, 2, &f, class)).collect::<Vec<_>>();
        assert_eq!(right([0.9, 0.0]), [true, false, false, false]);
        assert_eq!(right([1.0, 5.0]), [true, false, false, false]);
        assert_eq!(right([1.1, 0.0]), [false, true, false, false]);
        assert_eq!(right([8.0, 7.0]), [false, false, false, true]);
        assert_eq!(right([f64::NAN, 0.0]), [false; 4]);
    }
}
