//! What one sees in embeddings: parallelograms, predicted accuracy, principal components.

use ndarray::{Array2, ArrayView2};

use super::Problem;
use super::group::{Pair, Task};
use super::parallelograms::{check_embeddings, full_parallelograms};
use super::spectrum::Normalisation;
use crate::error::{Error, Result, check};

/// When a parallelogram of labels counts as one of the embeddings. Embeddings are first brought to mean
/// zero and sample standard deviation one in each dimension, as the authors' code does; then
/// d = E_i + E_j − E_m − E_n is compared with δ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Match {
    /// ‖d‖ ≤ δ (the paper's definition).
    Norm { delta: f64 },
    /// Mean over the dimensions of d² below δ², strictly (the authors' code). The same in one dimension.
    MeanSquare { delta: f64 },
}

impl Default for Match {
    /// The paper's ‖d‖ ≤ 0.01.
    fn default() -> Match {
        Match::Norm { delta: 0.01 }
    }
}

impl Match {
    /// The rule of the authors' code, mean square below 0.01: in one dimension |d| < 0.1, ten times wider
    /// than the δ = 0.01 of the paper's text.
    pub const CODE: Match = Match::MeanSquare { delta: 0.1 };

    pub(crate) fn validate(self) -> Result<Match> {
        let (Match::Norm { delta } | Match::MeanSquare { delta }) = self;
        check("δ", delta, |d| d > 0.0, "a positive number")?;
        Ok(self)
    }

    /// Largest squared length of d, in `dimensions` dimensions.
    pub(crate) fn limit(self, dimensions: usize) -> f64 {
        match self {
            Match::Norm { delta } => delta * delta,
            Match::MeanSquare { delta } => dimensions as f64 * delta * delta,
        }
    }

    /// The same rule with δ moved so that the largest length changes by so much; one that nothing meets where it would
    /// be negative. An open end below, a closed one above: what lies on it is in doubt.
    pub(super) fn moved(self, by: f64, dimensions: usize) -> Match {
        let delta = (self.limit(dimensions).sqrt() + by).max(0.0);
        match by < 0.0 {
            true => Match::MeanSquare { delta: delta / (dimensions as f64).sqrt() },
            false => Match::Norm { delta },
        }
    }

    fn hits(self, square: f64, dimensions: usize) -> bool {
        match self {
            Match::Norm { .. } => square <= self.limit(dimensions),
            Match::MeanSquare { .. } => square < self.limit(dimensions),
        }
    }
}

/// A power of two near a size, which divides without rounding; 1 for zero.
pub(super) fn power_of_two(size: f64) -> f64 {
    if size == 0.0 { 1.0 } else { size.log2().round().clamp(-1000.0, 1000.0).exp2() }
}

/// Embeddings with mean zero and Σ_k E_k² = Z0 in each dimension.
///
/// ```
/// use groktime::effective::{Normalisation, normalised};
/// let e = normalised(ndarray::array![[1.0], [2.0], [3.0]].view(), Normalisation::SymbolsLessOne)?;
/// assert_eq!(e, ndarray::array![[-1.0], [0.0], [1.0]]);
/// # Ok::<(), groktime::Error>(())
/// ```
///
/// # Errors
/// Empty or not finite; a dimension in which all symbols are at the same place.
pub fn normalised(embeddings: ArrayView2<'_, f64>, normalisation: Normalisation) -> Result<Array2<f64>> {
    check_embeddings(embeddings.nrows(), embeddings)?;
    let mut out = embeddings.to_owned();
    let z0 = normalisation.z0(embeddings.nrows());
    // The scale does not matter, and squares must neither overflow nor underflow: a power of two a dimension.
    for mut column in out.columns_mut() {
        let unit = power_of_two(column.iter().fold(0.0_f64, |m, x| m.max(x.abs())));
        column.mapv_inplace(|x| x / unit);
    }
    for (dimension, mut column) in out.columns_mut().into_iter().enumerate() {
        let mean = column.sum() / column.len() as f64;
        let size = column.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        column -= mean;
        let square = column.dot(&column);
        // Differences that are rounding errors of the mean are no spread.
        if square.sqrt() <= 8.0 * f64::EPSILON * size * (column.len() as f64).sqrt() {
            return Err(Error::Parameter {
                name: "spread of the embeddings",
                value: 0.0,
                expected: format!("above 0 in every dimension (dimension {dimension} has one value only)"),
            });
        }
        column *= (z0 / square).sqrt();
    }
    Ok(out)
}

/// Representation quality index: the fraction of P0(D0) that are parallelograms of the embeddings (p × d).
/// O(p² log p) in one dimension, O(|P0|·d) otherwise; NaN when the task has no parallelograms.
///
/// ```
/// use groktime::effective::{Match, Task, rqi};
/// let line = ndarray::Array2::from_shape_fn((10, 1), |(k, _)| 3.0 - 0.5 * k as f64);
/// assert_eq!(rqi(&Task::addition(10)?, line.view(), Match::default())?, 1.0);
/// # Ok::<(), groktime::Error>(())
/// ```
///
/// # Errors
/// E has not one row a symbol, is not finite or has no spread; δ ≤ 0.
pub fn rqi(task: &Task, embeddings: ArrayView2<'_, f64>, rule: Match) -> Result<f64> {
    check_embeddings(task.symbols(), embeddings)?;
    let shape = normalised(embeddings, Normalisation::SymbolsLessOne)?;
    let full = Problem::full(task.clone());
    Ok(shape_rqi(&full, shape.view(), rule.validate()?))
}

/// The same for embeddings that are k × k matrices (row a: E_a by rows) and are multiplied, as S3 is learned in
/// appendix H of arXiv 2205.10343: the fraction of unordered pairs of samples with one answer for which the mean of
/// the squared entries of E_aE_b − E_cE_d is below `limit`. Embeddings are first divided by the root of their mean
/// square, without centring; the authors' code has `limit` = ½.
///
/// ```
/// use groktime::effective::{Task, rqi_of_products};
/// use ndarray::Array2;
/// // S3 by its permutation matrices.
/// let rows = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
/// let matrices = Array2::from_shape_fn((6, 9), |(a, k)| f64::from(u8::from(rows[a][k / 3] == k % 3)));
/// assert_eq!(rqi_of_products(&Task::s3(), matrices.view(), 0.5)?, 1.0);
/// # Ok::<(), groktime::Error>(())
/// ```
///
/// # Errors
/// E has not one row a symbol of k² entries, is not finite or zero; a limit that is not positive.
pub fn rqi_of_products(task: &Task, embeddings: ArrayView2<'_, f64>, limit: f64) -> Result<f64> {
    check_embeddings(task.symbols(), embeddings)?;
    check("limit", limit, |l| l > 0.0, "a positive number")?;
    let entries = embeddings.ncols();
    let k = entries.isqrt();
    if k * k != entries {
        return Err(Error::Shape {
            name: "embeddings",
            found: embeddings.shape().to_vec(),
            expected: vec![task.symbols(), k * k],
            why: "one square matrix a row",
        });
    }
    let unit = power_of_two(embeddings.iter().fold(0.0_f64, |m, x| m.max(x.abs())));
    let embeddings = embeddings.mapv(|e| e / unit);
    let square = embeddings.iter().map(|e| e * e).sum::<f64>() / embeddings.len() as f64;
    check("mean square of the embeddings", square, |s| s > 0.0, "above 0")?;
    let entry = |a: u32, i: usize, j: usize| embeddings[(a as usize, i * k + j)];
    let product = |[a, b]: Pair| -> Vec<f64> {
        let at = |e: usize| (0..k).map(|l| entry(a, e / k, l) * entry(b, l, e % k)).sum::<f64>() / square;
        (0..entries).map(at).collect()
    };
    let full = Problem::full(task.clone());
    let (mut hits, mut all) = (0_u64, 0_u64);
    for class in full.classes() {
        let products: Vec<Vec<f64>> = class.iter().map(|&pair| product(pair)).collect();
        for (n, x) in products.iter().enumerate() {
            let near = |y: &&Vec<f64>| {
                let distance: f64 = x.iter().zip(*y).map(|(x, y)| (x - y) * (x - y)).sum();
                distance / (entries as f64) < limit
            };
            hits += products[..n].iter().filter(near).count() as u64;
            all += n as u64;
        }
    }
    Ok(hits as f64 / all as f64)
}

/// RQI of embeddings that are normalised already; `full` holds all samples.
pub(crate) fn shape_rqi(full: &Problem, shape: ArrayView2<'_, f64>, rule: Match) -> f64 {
    let hits: u64 = full.classes().map(|class| hits_in(class, shape, rule)).sum();
    hits as f64 / full_parallelograms(full.task()) as f64
}

fn hits_in(class: &[Pair], shape: ArrayView2<'_, f64>, rule: Match) -> u64 {
    let dimensions = shape.ncols();
    let mut hits = 0;
    if dimensions == 1 {
        // Sorted sums: the partners of each are a run behind it.
        let mut sums: Vec<f64> = class.iter().map(|&[i, j]| sum(shape, i, j, 0)).collect();
        sums.sort_unstable_by(f64::total_cmp);
        let mut first = 0;
        for (k, x) in sums.iter().enumerate() {
            while !rule.hits((x - sums[first]).powi(2), 1) && first < k {
                first += 1;
            }
            hits += (k - first) as u64;
        }
        return hits;
    }
    for (k, &a) in class.iter().enumerate() {
        hits += class[..k].iter().filter(|&&b| rule.hits(square(shape, a, b), dimensions)).count() as u64;
    }
    hits
}

fn sum(shape: ArrayView2<'_, f64>, i: u32, j: u32, dimension: usize) -> f64 {
    shape[(i as usize, dimension)] + shape[(j as usize, dimension)]
}

fn square(shape: ArrayView2<'_, f64>, [i, j]: Pair, [m, n]: Pair) -> f64 {
    (0..shape.ncols()).map(|d| (sum(shape, i, j, d) - sum(shape, m, n, d)).powi(2)).sum()
}

/// Predicted accuracy (appendix D): samples trained on, or within δ of a trained one of their class, as a
/// fraction of D0.
///
/// # Errors
/// As [`rqi`].
pub fn predicted_accuracy(problem: &Problem, embeddings: ArrayView2<'_, f64>, rule: Match) -> Result<f64> {
    check_embeddings(problem.symbols(), embeddings)?;
    let shape = normalised(embeddings, Normalisation::SymbolsLessOne)?;
    let full = Problem::full(problem.task().clone());
    Ok(shape_accuracy(problem, &full, shape.view(), rule.validate()?))
}

pub(crate) fn shape_accuracy(
    problem: &Problem,
    full: &Problem,
    shape: ArrayView2<'_, f64>,
    rule: Match,
) -> f64 {
    let dimensions = shape.ncols();
    let mut right = 0;
    for (trained, all) in problem.classes().zip(full.classes()) {
        if dimensions == 1 {
            let mut sums: Vec<f64> = trained.iter().map(|&[i, j]| sum(shape, i, j, 0)).collect();
            sums.sort_unstable_by(f64::total_cmp);
            right += all
                .iter()
                .filter(|&&[i, j]| {
                    // The nearest trained sum is beside the place where this one would be.
                    let x = sum(shape, i, j, 0);
                    let place = sums.partition_point(|&y| y < x);
                    let near = sums[place.saturating_sub(1)..(place + 1).min(sums.len())].iter();
                    near.map(|y| (x - y).powi(2)).any(|square| rule.hits(square, 1))
                })
                .count();
        } else {
            let hit =
                |&&a: &&Pair| trained.iter().any(|&b| a == b || rule.hits(square(shape, a, b), dimensions));
            right += all.iter().filter(hit).count();
        }
    }
    right as f64 / full.samples().len() as f64
}
