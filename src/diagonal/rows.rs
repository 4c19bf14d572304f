//! The rows of the data as the dual flow sees them: each once, and what spans them.
//!
//! Rows that are equal up to their sign have the same output up to its sign. Their slopes ρ are added as scalars:
//! opposite labels then cancel exactly, where a sum of vectors x ρ₁ + x ρ₂ would leave rounding in every
//! coordinate. A row of zeros has a loss, and no influence.

use std::collections::HashMap;
use std::sync::OnceLock;

use ndarray::Array2;

use crate::data::Design;
use crate::linalg::{Threads, cholesky_in_place, dot};

/// Least pivot of the Gram matrix of rows of length one for which they count as independent.
const INDEPENDENT: f64 = 1e-6;

/// Coordinates that decide whether rows are compared at all.
const SAMPLED: usize = 1024;

/// Distinct rows, and which of them each sample is.
#[derive(Debug)]
pub(super) struct Rows {
    /// `None`: all samples are distinct and none is zero, or all are zero.
    merged: Option<Design>,
    /// Row and sign of each sample; `None` for a sample of zeros.
    groups: Vec<Option<(usize, f64)>>,
    count: usize,
    gram: OnceLock<Array2<f64>>,
    factor: OnceLock<Option<Vec<f64>>>,
    span: OnceLock<Span>,
}

/// X = C R with orthonormal rows of R.
#[derive(Debug)]
pub(super) struct Span {
    /// C, row by row.
    pub(super) coefficients: Vec<f64>,
    /// R; `None` for data that are zero.
    pub(super) rows: Option<Design>,
    pub(super) rank: usize,
    /// Length of the longest part of a row that was taken for rounding.
    pub(super) dropped: f64,
}

impl Rows {
    pub(super) fn new(design: &Design) -> Rows {
        let (n, d) = (design.samples(), design.dimension());
        let hashes = hashes(design);
        let mut seen: HashMap<u64, Vec<usize>> = HashMap::new();
        let mut kept: Vec<usize> = Vec::new();
        let mut groups = Vec::with_capacity(n);
        for (i, hash) in hashes.into_iter().enumerate() {
            let Some(first) = (0..d).map(|k| design.entry(i, k)).find(|x| *x != 0.0) else {
                groups.push(None);
                continue;
            };
            let candidates = seen.entry(hash).or_default();
            let same = candidates.iter().find_map(|&at| {
                let lead = (0..d).map(|k| design.entry(kept[at], k)).find(|x| *x != 0.0)?;
                let sign = if lead == first { 1.0 } else { -1.0 };
                (0..d).all(|k| design.entry(i, k) == sign * design.entry(kept[at], k)).then_some((at, sign))
            });
            groups.push(same.or(Some((kept.len(), 1.0))));
            if same.is_none() {
                candidates.push(kept.len());
                kept.push(i);
            }
        }
        let count = kept.len();
        let merged = (count < n && count > 0).then(|| {
            if design.is_packed() {
                Design::signs(count, d, |i, k| design.entry(kept[i], k) > 0.0).ok()
            } else {
                Design::new(Array2::from_shape_fn((count, d), |(i, k)| design.entry(kept[i], k)).view()).ok()
            }
        });
        let (gram, factor, span) = Default::default();
        Rows { merged: merged.flatten(), groups, count, gram, factor, span }
    }

    /// The design of the distinct rows, `whole` being that of all.
    pub(super) fn design<'a>(&'a self, whole: &'a Design) -> &'a Design {
        self.merged.as_ref().unwrap_or(whole)
    }

    /// Number of distinct rows that are not zero.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Whether samples share a row.
    pub(super) fn is_merged(&self) -> bool {
        self.count < self.groups.len()
    }

    /// Row and sign of each sample.
    #[cfg(test)]
    fn groups(&self) -> &[Option<(usize, f64)>] {
        &self.groups
    }

    /// The Gram matrix of the distinct rows.
    pub(super) fn gram(&self, whole: &Design, threads: Threads) -> &Array2<f64> {
        self.gram.get_or_init(|| self.design(whole).gram(threads))
    }

    /// Λ with XXᵀ = ΛΛᵀ, column by column, of rows that are clearly independent.
    pub(super) fn factor(&self, gram: &Array2<f64>) -> Option<&[f64]> {
        let independent = || {
            let mut lower = is_independent(gram).then(|| gram.iter().copied().collect::<Vec<f64>>())?;
            cholesky_in_place(&mut lower, gram.nrows()).ok()?;
            Some(lower)
        };
        self.factor.get_or_init(independent).as_deref()
    }

    /// The span of the distinct rows.
    pub(super) fn span(&self, whole: &Design) -> &Span {
        self.span.get_or_init(|| Span::new(self.design(whole)))
    }

    /// Σ s_i x_i over the samples of each row, or Σ x_i.
    pub(super) fn gather(&self, values: impl Iterator<Item = f64>, signed: bool, sums: &mut [f64]) {
        sums.fill(0.0);
        for (value, group) in values.zip(&self.groups) {
            if let Some((at, sign)) = group {
                sums[*at] += if signed { sign * value } else { value };
            }
        }
    }

    /// The value of each sample from those of the rows.
    pub(super) fn scatter(&self, rows: &[f64], samples: &mut [f64]) {
        for (sample, group) in samples.iter_mut().zip(&self.groups) {
            *sample = group.map_or(0.0, |(at, sign)| sign * rows[at]);
        }
    }
}

/// Equal for rows that are equal up to their sign.
fn hashes(design: &Design) -> Vec<u64> {
    let n = design.samples();
    let (mut hashes, mut signs) = (vec![0_u64; n], vec![0.0_f64; n]);
    let mut column = vec![0.0; n];
    for k in 0..design.dimension().min(SAMPLED) {
        design.coordinate(k, &mut column);
        for ((hash, sign), x) in hashes.iter_mut().zip(&mut signs).zip(&column) {
            if *sign == 0.0 && *x != 0.0 {
                *sign = x.signum();
            }
            // Adding zero makes −0 and 0 one.
            let bits = (sign.signum() * x + 0.0).to_bits();
            *hash = (hash.rotate_left(5) ^ bits).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }
    hashes
}

/// Whether the pivots of the Gram matrix of the rows, scaled to length one, are all clear of zero.
fn is_independent(gram: &Array2<f64>) -> bool {
    let n = gram.nrows();
    let scale: Vec<f64> = gram.diag().iter().map(|g| 1.0 / g.sqrt()).collect();
    let (mut left, mut done) = (vec![1.0; n], vec![false; n]);
    // Row by row of the factor.
    let mut factor = vec![0.0; n * n];
    for step in 0..n {
        let rest = (0..n).filter(|&i| !done[i]);
        let Some(pivot) = rest.max_by(|&a, &b| f64::total_cmp(&left[a], &left[b])) else { break };
        // Also where it is NaN: squares that overflow or underflow are not clear of anything.
        if left[pivot].is_nan() || left[pivot] < INDEPENDENT {
            return false;
        }
        done[pivot] = true;
        let root = left[pivot].sqrt();
        let above: Vec<f64> = factor[pivot * n..pivot * n + step].to_vec();
        for i in (0..n).filter(|&i| !done[i]) {
            let known = dot(&factor[i * n..i * n + step], &above);
            let entry = (gram[(i, pivot)] * scale[i] * scale[pivot] - known) / root;
            factor[i * n + step] = entry;
            left[i] -= entry * entry;
        }
    }
    true
}

impl Span {
    /// Gram-Schmidt with pivots, twice: the rows of R are orthonormal to rounding however dependent those of X are.
    fn new(design: &Design) -> Span {
        let (m, d) = (design.samples(), design.dimension());
        let mut rest = design.to_matrix();
        let mut coefficients = Array2::<f64>::zeros((m, m.min(d)));
        let mut rows: Vec<f64> = Vec::new();
        let mut done = vec![false; m];
        let (mut first, mut dropped, mut rank) = (0.0, 0.0, 0);
        while rank < m.min(d) {
            let length = |i: usize| {
                let row = rest.row(i);
                let largest = row.iter().fold(0.0_f64, |a, x| a.max(x.abs()));
                if largest == 0.0 {
                    0.0
                } else {
                    largest * row.iter().map(|x| (x / largest).powi(2)).sum::<f64>().sqrt()
                }
            };
            let lengths = (0..m).filter(|&i| !done[i]).map(|i| (i, length(i)));
            let Some((pivot, longest)) = lengths.max_by(|a, b| a.1.total_cmp(&b.1)) else { break };
            if rank == 0 {
                first = longest;
            }
            if longest <= m.max(d) as f64 * f64::EPSILON * first {
                dropped = longest;
                break;
            }
            let mut row: Vec<f64> = rest.row(pivot).iter().map(|x| x / longest).collect();
            // What rounding has left along the rows before.
            for before in rows.chunks_exact(d) {
                let along = dot(&row, before);
                row.iter_mut().zip(before).for_each(|(x, b)| *x -= along * b);
            }
            let norm = dot(&row, &row).sqrt();
            row.iter_mut().for_each(|x| *x /= norm);
            for i in (0..m).filter(|&i| !done[i]) {
                let mut remainder = rest.row_mut(i);
                let Some(remainder) = remainder.as_slice_mut() else { continue };
                let along = dot(remainder, &row);
                coefficients[(i, rank)] = along;
                remainder.iter_mut().zip(&row).for_each(|(x, r)| *x -= along * r);
            }
            done[pivot] = true;
            rows.extend(row);
            rank += 1;
        }
        let coefficients =
            (0..m).flat_map(|i| (0..rank).map(move |j| (i, j))).map(|at| coefficients[at]).collect();
        let rows =
            Array2::from_shape_vec((rank, d), rows).ok().and_then(|rows| Design::new(rows.view()).ok());
        Span { coefficients, rows, rank, dropped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn rows_equal_up_to_their_sign_are_one() {
        let x = array![[1.0, 2.5], [0.0, 0.0], [-1.0, -2.5], [0.5, 1.0], [1.0, 2.5], [0.0, -3.0], [0.0, 3.0]];
        let design = Design::new(x.view()).expect("valid");
        let rows = Rows::new(&design);
        let expected = [
            Some((0, 1.0)),
            None,
            Some((0, -1.0)),
            Some((1, 1.0)),
            Some((0, 1.0)),
            Some((2, 1.0)),
            Some((2, -1.0)),
        ];
        assert_eq!((rows.count(), rows.groups()), (3, &expected[..]));
        let mut sums = [0.0; 3];
        rows.gather([1.0, 9.0, 2.0, 4.0, 8.0, 16.0, 16.0].into_iter(), true, &mut sums);
        assert_eq!(sums, [7.0, 4.0, 0.0]);
        let mut samples = [0.0; 7];
        rows.scatter(&[1.0, 2.0, 3.0], &mut samples);
        assert_eq!(samples, [1.0, 0.0, -1.0, 2.0, 1.0, 3.0, -3.0]);
    }

    #[test]
    fn the_span_gives_the_rows_back() {
        let third = array![[1.0, 2.0, -1.0, 0.5], [0.3, -1.0, 2.0, 1.0]];
        let mut x = Array2::zeros((4, 4));
        x.row_mut(0).assign(&third.row(0));
        x.row_mut(1).assign(&third.row(1));
        x.row_mut(2).assign(&(&third.row(0) * 0.7 - &third.row(1) * 0.2));
        x.row_mut(3).assign(&(&third.row(0) + &array![0.0, 0.0, 0.0, 1e-9]));
        let span = Span::new(&Design::new(x.view()).expect("valid"));
        assert_eq!(span.rank, 3);
        let r = span.rows.expect("not zero").to_matrix();
        let c = Array2::from_shape_vec((4, 3), span.coefficients).expect("as large");
        let back = c.dot(&r) - &x;
        assert!(back.iter().all(|x| x.abs() < 1e-15), "{back}");
        let unit = r.dot(&r.t()) - Array2::<f64>::eye(3);
        assert!(unit.iter().all(|x| x.abs() < 1e-15), "{unit}");
    }
}
