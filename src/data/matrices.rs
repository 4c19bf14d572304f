//! Symmetric matrices to complete: the multiplication table, random ones of given rank and coherence,
//! similarities of real data; and random masks.

use ndarray::{Array1, Array2, ArrayView2, Axis};
use rand::seq::index::sample;
use rand_distr::{Distribution, StandardUniform};

use super::features::{generator, unit_vector};
use crate::error::{Error, Result, check, check_finite};
use crate::linalg::{Engine, check_symmetric, mirror_lower};
use crate::memory;

/// The multiplication table X_ij = ij/d², i, j = 0 … d−1: rank one (arXiv 2311.18817, section 3.3).
///
/// ```
/// let x = groktime::data::matrices::multiplication_table(3);
/// assert_eq!(x[(2, 1)], 2.0 / 9.0);
/// ```
///
/// # Panics
///
/// When it would need more memory than is [allowed](crate::memory).
pub fn multiplication_table(dimension: usize) -> Array2<f64> {
    memory::demand("the multiplication table", &[dimension, dimension]);
    let square = (dimension * dimension) as f64;
    Array2::from_shape_fn((dimension, dimension), |(i, j)| (i * j) as f64 / square)
}

/// A random symmetric matrix of given rank: how to draw it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LowRank {
    pub dimension: usize,
    pub rank: usize,
    /// How many of the eigenvalues are negative.
    pub negative: usize,
    /// In [0, 1]: 0 draws the eigenvectors uniformly (as incoherent as they come), 1 puts them on coordinate
    /// axes (fully coherent), in between mixes the two.
    pub spikiness: f64,
    pub seed: u64,
}

impl LowRank {
    /// Draws the matrix Σ σ_k u_k u_kᵀ, with orthonormal u_k and |σ_k| uniform in [½, 1], scaled to Frobenius
    /// norm d, so that the mean square of the entries is one.
    ///
    /// ```
    /// use groktime::data::matrices::{LowRank, coherence};
    /// let recipe = LowRank { dimension: 30, rank: 2, negative: 1, spikiness: 0.0, seed: 1 };
    /// let x = recipe.draw()?;
    /// assert!((x.mapv(|v| v * v).sum() - 900.0).abs() < 1e-9);
    /// let spiky = LowRank { spikiness: 0.9, ..recipe }.draw()?;
    /// assert!(coherence(spiky.view())? > 2.0 * coherence(x.view())?);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    ///
    /// # Errors
    /// A rank of zero or above the dimension, more negative eigenvalues than the rank, a spikiness outside
    /// [0, 1].
    pub fn draw(&self) -> Result<Array2<f64>> {
        let (d, rank) = (self.dimension, self.rank);
        check("rank", rank as f64, |r| r >= 1.0 && r <= d as f64, &format!("1 to the dimension {d}"))?;
        check("negative", self.negative as f64, |n| n <= rank as f64, &format!("at most the rank {rank}"))?;
        check("spikiness", self.spikiness, |s| (0.0..=1.0).contains(&s), "a number in [0, 1]")?;
        memory::check_array(
            "a matrix of low rank, with its factors",
            &[d, 2_usize.saturating_mul(d).saturating_add(rank.saturating_mul(4))],
        )?;
        let mut rng = generator(self.seed, 0);
        let axes = sample(&mut rng, d, rank);
        let mut factors = Array2::zeros((d, rank));
        for (mut column, axis) in factors.columns_mut().into_iter().zip(axes.iter()) {
            column.assign(&(unit_vector(d, &mut rng) * (1.0 - self.spikiness)));
            column[axis] += self.spikiness;
        }
        let basis = Engine::SEQUENTIAL.thin_svd(factors.view())?.left;
        let sizes = StandardUniform.sample_iter(generator(self.seed, 1)).map(|u: f64| 0.5 + 0.5 * u);
        let signs = (0..rank).map(|k| if k < self.negative { -1.0 } else { 1.0 });
        let values: Array1<f64> = signs.zip(sizes).map(|(sign, size)| sign * size).collect();
        let scale = d as f64 / values.dot(&values).sqrt();
        let scaled = &basis * &(values * scale);
        let mut x = Engine::SEQUENTIAL.matmul(scaled.view(), basis.t())?;
        mirror_lower(&mut x);
        Ok(x)
    }
}

/// The coherence μ of a symmetric matrix: the smallest number with ‖P e_i‖² ≤ μ r/d for the projection P on
/// its column space, and |(Σ sign(σ_k) u_k u_kᵀ)_ij| ≤ μ √r/d (Candès and Plan 2010, strong incoherence in
/// one number); 1 at best. Eigenvalues below 1e-10 of the largest count as zero.
///
/// # Errors
/// Not symmetric, or zero.
///
/// ```
/// use groktime::data::matrices::{coherence, multiplication_table};
/// let mu = coherence(multiplication_table(97).view())?;
/// assert!((mu - 2.97).abs() < 0.05);
/// # Ok::<(), groktime::Error>(())
/// ```
pub fn coherence(x: ArrayView2<'_, f64>) -> Result<f64> {
    check_symmetric("matrix", x)?;
    let e = Engine::SEQUENTIAL.eigh(x)?;
    let largest = e.values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    let kept: Vec<usize> = (0..e.values.len()).filter(|&k| e.values[k].abs() > 1e-10 * largest).collect();
    if kept.is_empty() {
        let evidence = "it is zero".to_owned();
        return Err(Error::Matrix { name: "matrix", property: "of positive rank", evidence });
    }
    let (d, r) = (x.nrows() as f64, kept.len() as f64);
    let basis = e.vectors.select(Axis(1), &kept);
    let leverage = basis.rows().into_iter().map(|row| row.dot(&row)).fold(0.0, f64::max);
    let signs: Array1<f64> = kept.iter().map(|&k| e.values[k].signum()).collect();
    let sign_matrix = Engine::SEQUENTIAL.matmul((&basis * &signs).view(), basis.t())?;
    let spike = sign_matrix.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    Ok((leverage * d / r).max(spike * d / r.sqrt()))
}

/// A mask of `count` of the d² ordered entries, drawn without replacement; 1 where an entry is seen.
///
/// # Errors
/// A count of zero or above d².
///
/// ```
/// let mask = groktime::data::matrices::random_mask(5, 7, 0)?;
/// assert_eq!(mask.sum(), 7.0);
/// # Ok::<(), groktime::Error>(())
/// ```
pub fn random_mask(dimension: usize, count: usize, seed: u64) -> Result<Array2<f64>> {
    memory::check_array("a mask", &[dimension, dimension])?;
    let mut mask = Array2::zeros((dimension, dimension));
    for index in random_subset(dimension * dimension, count, seed)? {
        mask[(index / dimension, index % dimension)] = 1.0;
    }
    Ok(mask)
}

/// `count` of the numbers below `total`, drawn without replacement, in the order of the draw.
///
/// # Errors
/// A count of zero or above the total.
///
/// ```
/// let mut all = groktime::data::matrices::random_subset(4, 4, 0)?;
/// all.sort();
/// assert_eq!(all, [0, 1, 2, 3]);
/// # Ok::<(), groktime::Error>(())
/// ```
pub fn random_subset(total: usize, count: usize, seed: u64) -> Result<Vec<usize>> {
    check("observed entries", count as f64, |n| n >= 1.0 && n <= total as f64, &format!("1 to {total}"))?;
    memory::check_array("a random subset, twice", &[2, count])?;
    Ok(sample(&mut generator(seed, 2), total, count).into_vec())
}

/// The matrix of cosines between the rows of a table, each row taken relative to the mean row.
///
/// # Errors
/// Entries that are not finite, or a row equal to the mean.
///
/// ```
/// use ndarray::array;
/// let c = groktime::data::matrices::cosine_similarity(array![[1.0, 0.0], [-1.0, 0.0]].view())?;
/// assert_eq!(c[(0, 1)], -1.0);
/// # Ok::<(), groktime::Error>(())
/// ```
pub fn cosine_similarity(rows: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
    check_finite("rows", rows)?;
    memory::check_array("cosines between rows", &[rows.nrows(), rows.nrows()])?;
    let mean = rows.mean_axis(Axis(0)).unwrap_or_default();
    let mut centred = &rows - &mean;
    for (i, mut row) in centred.rows_mut().into_iter().enumerate() {
        let length = row.dot(&row).sqrt();
        if length == 0.0 {
            let evidence = format!("row {i} equals the mean of all rows");
            return Err(Error::Matrix { name: "rows", property: "away from their mean", evidence });
        }
        row /= length;
    }
    Ok(Engine::SEQUENTIAL.gram(centred.view()))
}
