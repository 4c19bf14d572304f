//! Storage of symmetric matrices: the lower triangle row by row (the state of a flow), and full squares with
//! rows padded to whole vectors (what products read).

use ndarray::Array2;

/// Rows of full squares are padded to a multiple of this.
pub(super) const LANES: usize = 8;

/// Number of entries of a lower triangle.
pub(super) fn packed_length(d: usize) -> usize {
    d * (d + 1) / 2
}

/// Where (i, j), i ≥ j, is in a lower triangle.
pub(super) fn packed_index(i: usize, j: usize) -> usize {
    i * (i + 1) / 2 + j
}

/// Length of a padded row.
pub(super) fn stride(d: usize) -> usize {
    d.div_ceil(LANES) * LANES
}

/// Writes a packed matrix into a full, padded square; the padding is left as it is.
pub(super) fn unpack(packed: &[f64], d: usize, full: &mut [f64]) {
    let stride = stride(d);
    let mut start = 0;
    for i in 0..d {
        full[i * stride..][..=i].copy_from_slice(&packed[start..=start + i]);
        start += i + 1;
    }
    mirror(full, d, stride);
}

/// Copies the lower triangle to the upper one, in tiles that stay in the cache.
fn mirror(full: &mut [f64], d: usize, stride: usize) {
    for top in (0..d).step_by(LANES) {
        for left in (0..=top).step_by(LANES) {
            for i in top..(top + LANES).min(d) {
                for j in left..(left + LANES).min(i) {
                    full[j * stride + i] = full[i * stride + j];
                }
            }
        }
    }
}

/// For each entry of the lower triangle: `write(index, T_ij + T_ji)`, T a full, padded square; in tiles that
/// stay in the cache.
pub(super) fn for_each_symmetrised<T: Copy + std::ops::Add<Output = T>>(
    t: &[T],
    d: usize,
    mut write: impl FnMut(usize, T),
) {
    let stride = stride(d);
    for top in (0..d).step_by(LANES) {
        for left in (0..=top).step_by(LANES) {
            for i in top..(top + LANES).min(d) {
                let start = packed_index(i, 0);
                for j in left..(left + LANES).min(i + 1) {
                    write(start + j, t[i * stride + j] + t[j * stride + i]);
                }
            }
        }
    }
}

/// The matrix of a packed one.
pub(super) fn to_matrix(packed: &[f64], d: usize) -> Array2<f64> {
    Array2::from_shape_fn((d, d), |(i, j)| packed[packed_index(i.max(j), i.min(j))])
}

/// The lower triangle of a matrix.
pub(super) fn to_packed(matrix: &Array2<f64>, packed: &mut [f64]) {
    let d = matrix.nrows();
    for i in 0..d {
        for j in 0..=i {
            packed[packed_index(i, j)] = matrix[(i, j)];
        }
    }
}
