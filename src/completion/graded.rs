//! Factors whose columns have sizes many decades apart: F = C·diag(e^x), the columns of C of size one.
//!
//! From a small start the factors of W grow by e^{∫rate}, each direction at its own rate. What a direction that
//! has not grown yet will do is decided by its size, however small it is beside the others; in U as one array it
//! drowns in the rounding of its neighbours. Right factors that are orthogonal drop out of F Fᵀ, so F may be
//! replaced by F·P: one-sided Jacobi rotations P make the columns orthogonal, and every direction then has a
//! column, hence digits, of its own (theory/completion.md, "Small starts").

use ndarray::Array2;

/// Sweeps of rotations at most; a handful is enough.
const SWEEPS: usize = 40;
/// A column that shrinks to e^{−this} while it is made orthogonal to the others was a combination of them, and what
/// is left of it is rounding.
const DEPENDENT: f64 = 32.0;
/// Columns count as orthogonal below this cosine.
const ORTHOGONAL: f64 = 4.0 * f64::EPSILON;

/// d × k, row after row, with the logarithms of the sizes of its columns.
#[derive(Clone, Debug)]
pub(super) struct Graded {
    pub width: usize,
    /// x: the logarithm of what each column of C is multiplied with.
    pub log_scales: Vec<f64>,
}

impl Graded {
    /// A factor as columns of size one, orthogonal, and their scales; zero columns are left out.
    pub fn new(factor: &Array2<f64>) -> (Graded, Vec<f64>) {
        let d = factor.nrows();
        let norms: Vec<f64> =
            factor.columns().into_iter().map(|c| c.iter().fold(0.0_f64, |m, x| m.hypot(*x))).collect();
        let live: Vec<usize> = (0..norms.len()).filter(|&k| norms[k] > 0.0).collect();
        let mut graded =
            Graded { width: live.len(), log_scales: live.iter().map(|&k| norms[k].ln()).collect() };
        let mut all: Vec<f64> = (0..d)
            .flat_map(|i| live.iter().map(|&k| factor[(i, k)] / norms[k]).collect::<Vec<_>>())
            .collect();
        let lost = graded.orthogonalise(&mut all);
        let independent: Vec<usize> = (0..graded.width).filter(|&c| lost[c] < DEPENDENT).take(d).collect();
        let width = graded.width;
        let entries = (0..d).flat_map(|i| independent.iter().map(move |&c| (i, c)));
        let entries = entries.map(|(i, c)| all[i * width + c]).collect();
        let log_scales: Vec<f64> = independent.iter().map(|&c| graded.log_scales[c]).collect();
        (Graded { width: log_scales.len(), log_scales }, entries)
    }

    /// Rotates the columns of C·diag(e^x) from the right until they are orthogonal, and moves their lengths to
    /// the scales, the largest first. Gives the logarithms of what each column has lost to the others.
    pub fn orthogonalise(&mut self, entries: &mut [f64]) -> Vec<f64> {
        let k = self.width;
        if k == 0 {
            return Vec::new();
        }
        let d = entries.len() / k;
        // Columns one after another, the largest first: then rotations do not mix small ones into large ones.
        let mut order: Vec<usize> = (0..k).collect();
        let length = |entries: &[f64], c: usize| (0..d).map(|i| entries[i * k + c].powi(2)).sum::<f64>();
        let sizes: Vec<f64> =
            (0..k).map(|c| self.log_scales[c] + 0.5 * length(entries, c).max(1e-300).ln()).collect();
        order.sort_by(|&a, &b| sizes[b].total_cmp(&sizes[a]).then(a.cmp(&b)));
        let mut columns: Vec<Vec<f64>> =
            order.iter().map(|&c| (0..d).map(|i| entries[i * k + c]).collect()).collect();
        let mut scales: Vec<f64> = order.iter().map(|&c| self.log_scales[c]).collect();
        normalise(&mut columns, &mut scales);
        let before = scales.clone();
        for _ in 0..SWEEPS {
            let mut rotated = false;
            for p in 0..k {
                for q in p + 1..k {
                    rotated |= rotate(&mut columns, &scales, p, q);
                }
            }
            normalise(&mut columns, &mut scales);
            if !rotated {
                break;
            }
        }
        let mut order: Vec<usize> = (0..k).collect();
        order.sort_by(|&a, &b| scales[b].total_cmp(&scales[a]).then(a.cmp(&b)));
        for (c, &from) in order.iter().enumerate() {
            for (i, x) in columns[from].iter().enumerate() {
                entries[i * k + c] = *x;
            }
        }
        self.log_scales = order.iter().map(|&c| scales[c]).collect();
        order.iter().map(|&c| before[c] - scales[c]).collect()
    }
}

/// Columns of length one; their lengths go to the scales.
fn normalise(columns: &mut [Vec<f64>], scales: &mut [f64]) {
    for (column, scale) in columns.iter_mut().zip(scales) {
        let length = column.iter().map(|x| x * x).sum::<f64>().sqrt();
        if length > 0.0 {
            column.iter_mut().for_each(|x| *x /= length);
            *scale += length.ln();
        }
    }
}

/// One rotation of the columns p and q of C·diag(e^x) that makes them orthogonal; whether one was needed.
/// theory/completion.md (15): in units of each column's own scale nothing over- or underflows, however far apart they are.
fn rotate(columns: &mut [Vec<f64>], scales: &[f64], p: usize, q: usize) -> bool {
    let (large, small) = if scales[p] >= scales[q] { (p, q) } else { (q, p) };
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (aa, bb, ab) = (
        dot(&columns[large], &columns[large]),
        dot(&columns[small], &columns[small]),
        dot(&columns[large], &columns[small]),
    );
    if ab == 0.0 || ab.abs() <= ORTHOGONAL * (aa * bb).sqrt() {
        return false;
    }
    // With r = e^{x_small − x_large} ≤ 1 the tangent of the angle is r·v.
    let r = (scales[small] - scales[large]).exp();
    let z = (r * r * bb - aa) / (2.0 * ab);
    let v = if z >= 0.0 { 1.0 } else { -1.0 } / (z.abs() + r.hypot(z));
    let tangent = r * v;
    let cosine = 1.0 / tangent.hypot(1.0);
    for i in 0..columns[large].len() {
        let (a, b) = (columns[large][i], columns[small][i]);
        columns[large][i] = cosine * (a - tangent * r * b);
        columns[small][i] = cosine * (b + v * a);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::features::{gaussian_matrix, generator};

    /// Columns 40 decades apart: orthogonal afterwards, F Fᵀ the same, and the smallest scales those that exact
    /// elimination gives (the distance of a column from the span of the larger ones).
    #[test]
    fn small_columns_keep_their_digits() {
        let (d, k) = (5, 5);
        let c = gaussian_matrix(d, k, 1.0, &mut generator(3, 0));
        let logs = [0.0, -92.0, -11.0, -700.0, -30.0];
        let mut graded = Graded { width: k, log_scales: logs.to_vec() };
        let mut entries: Vec<f64> = c.iter().copied().collect();
        graded.orthogonalise(&mut entries);
        for p in 0..k {
            for q in 0..p {
                let dot: f64 = (0..d).map(|i| entries[i * k + p] * entries[i * k + q]).sum();
                assert!(dot.abs() < 1e-14, "{p} {q}: {dot:e}");
            }
        }
        let mut basis: Vec<Vec<f64>> = Vec::new();
        for (rank, at) in [0, 2, 4, 1, 3].into_iter().enumerate() {
            let mut column: Vec<f64> = c.column(at).to_vec();
            for _ in 0..2 {
                for b in &basis {
                    let dot: f64 = b.iter().zip(&column).map(|(b, x)| b * x).sum();
                    column.iter_mut().zip(b).for_each(|(x, b)| *x -= dot * b);
                }
            }
            let length = column.iter().map(|x| x * x).sum::<f64>().sqrt();
            let expected = logs[at] + length.ln();
            assert!(
                (graded.log_scales[rank] - expected).abs() < 1e-9,
                "{} {expected}",
                graded.log_scales[rank]
            );
            basis.push(column.iter().map(|x| x / length).collect());
        }
    }

    #[test]
    fn the_product_is_kept() {
        let f = gaussian_matrix(4, 6, 1.0, &mut generator(4, 0));
        let (graded, entries) = Graded::new(&f);
        assert_eq!(graded.width, 4, "six columns in four dimensions");
        let before = f.dot(&f.t());
        for i in 0..4 {
            for j in 0..4 {
                let after: f64 = (0..graded.width)
                    .map(|c| entries[i * 4 + c] * entries[j * 4 + c] * (2.0 * graded.log_scales[c]).exp())
                    .sum();
                assert!((after - before[(i, j)]).abs() < 1e-13, "{after} {}", before[(i, j)]);
            }
        }
    }
}
