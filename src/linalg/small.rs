//! Kernels for matrices that fit the first caches, where a general routine spends its time on setting out:
//! no allocation, no blocking, loops that the compiler turns into vector code.

use super::vectorised;

/// Order up to which [`cholesky_in_place`] is the faster one.
pub(super) const SMALL: usize = 128;

/// Columns that leave the matrix together.
const PANEL: usize = 4;

/// Entries of a vector.
const WIDTH: usize = 8;

/// Partial sums of [`dot`].
const LANES: usize = 8;

/// Σ a_i b_i, in eight sums that do not wait for each other.
#[inline(always)]
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (a, b) in a.0.iter().zip(b.0) {
        (0..LANES).for_each(|l| sums[l] += a[l] * b[l]);
    }
    let rest: f64 = a.1.iter().zip(b.1).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

/// y += factor·x.
#[inline(always)]
pub(crate) fn add_multiple(y: &mut [f64], factor: f64, x: &[f64]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y += factor * x);
}

/// Replaces the lower triangle of A, column by column, by its Cholesky factor; what is above the
/// diagonal is not read and may change. Gives the first pivot that is not positive.
pub(crate) fn cholesky_in_place(a: &mut [f64], n: usize) -> std::result::Result<(), usize> {
    vectorised(
        #[inline(always)]
        || {
            for first in (0..n).step_by(PANEL) {
                let end = (first + PANEL).min(n);
                for j in first..end {
                    let (done, rest) = a.split_at_mut(j * n);
                    let column = &mut rest[j..n];
                    for k in first..j {
                        let before = &done[k * n + j..(k + 1) * n];
                        add_multiple(column, -before[0], before);
                    }
                    let pivot = column[0];
                    if pivot.is_nan() || pivot <= 0.0 || pivot == f64::INFINITY {
                        return Err(j);
                    }
                    let root = pivot.sqrt();
                    column[0] = root;
                    let inverse = 1.0 / root;
                    column[1..].iter_mut().for_each(|x| *x *= inverse);
                }
                if end - first < PANEL {
                    break;
                }
                let (done, rest) = a.split_at_mut(end * n);
                let panel: [&[f64]; PANEL] = std::array::from_fn(|p| &done[(first + p) * n..][..n]);
                for (k, column) in rest.chunks_exact_mut(n).enumerate() {
                    // Whole vectors: a few entries above the diagonal change too.
                    let top = (end + k) / WIDTH * WIDTH;
                    let heads = panel.map(|l| l[end + k]);
                    subtract(&mut column[top..], panel.map(|l| &l[top..]), heads);
                }
            }
            Ok(())
        },
    )
}

/// column −= Σ_p heads_p·l_p. All that is read is read before anything is written: the compiler cannot know that
/// the columns do not overlap, and would go entry by entry.
#[inline(always)]
fn subtract(column: &mut [f64], l: [&[f64]; PANEL], heads: [f64; PANEL]) {
    let difference = |column: f64, l: [f64; PANEL]| {
        column - ((heads[0] * l[0] + heads[1] * l[1]) + (heads[2] * l[2] + heads[3] * l[3]))
    };
    let (vectors, rest) = column.as_chunks_mut::<WIDTH>();
    let (l, l_rest) = (l.map(|l| l.as_chunks::<WIDTH>().0), l.map(|l| l.as_chunks::<WIDTH>().1));
    for (i, column) in vectors.iter_mut().enumerate() {
        let (old, l): ([f64; WIDTH], [[f64; WIDTH]; PANEL]) = (*column, l.map(|l| l[i]));
        *column = std::array::from_fn(
            #[inline(always)]
            |j| difference(old[j], [l[0][j], l[1][j], l[2][j], l[3][j]]),
        );
    }
    for (j, column) in rest.iter_mut().enumerate() {
        *column = difference(*column, l_rest.map(|l| l[j]));
    }
}

/// Replaces b by (L Lᵀ)⁻¹ b, with the columns of L one after another.
pub(crate) fn cholesky_solve_columns(l: &[f64], b: &mut [f64]) {
    let n = b.len();
    vectorised(
        #[inline(always)]
        || {
            for (j, column) in l.chunks_exact(n.max(1)).enumerate() {
                b[j] /= column[j];
                let pivot = b[j];
                add_multiple(&mut b[j + 1..], -pivot, &column[j + 1..]);
            }
            for (j, column) in l.chunks_exact(n.max(1)).enumerate().rev() {
                b[j] = (b[j] - dot(&b[j + 1..], &column[j + 1..])) / column[j];
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::Engine;
    use ndarray::Array2;

    #[test]
    fn the_small_factor_is_the_general_one() {
        for n in [1, 2, 3, 4, 5, 7, 8, 31, 64, 65] {
            // Cos of index products is any matrix; its Gram matrix, shifted, is positive definite.
            let x = Array2::from_shape_fn((n, n), |(i, j)| ((i * n + 3 * j) as f64).cos());
            let a = x.dot(&x.t()) + Array2::<f64>::eye(n);
            let l = Engine::SEQUENTIAL.cholesky(a.view()).expect("positive definite");
            let mut own: Vec<f64> = a.iter().copied().collect();
            cholesky_in_place(&mut own, n).expect("positive definite");
            for j in 0..n {
                for i in j..n {
                    assert!((own[j * n + i] - l[(i, j)]).abs() < 1e-13 * n as f64, "n = {n}: ({i}, {j})");
                }
            }
            let exact: Vec<f64> = (0..n).map(|i| 1.0 + i as f64).collect();
            let mut b = a.dot(&ndarray::arr1(&exact)).to_vec();
            cholesky_solve_columns(&own, &mut b);
            assert!(b.iter().zip(&exact).all(|(b, x)| (b - x).abs() < 1e-9 * x), "n = {n}: {b:?}");
        }
        assert_eq!(cholesky_in_place(&mut [1.0, 2.0, 2.0, 1.0], 2), Err(1));
        assert_eq!(cholesky_in_place(&mut [f64::NAN], 1), Err(0));
    }
}
