//! Storage of symmetric matrices: the lower triangle row by row (the state of a flow), and full squares with
//! rows padded to whole vectors (what products read).

use ndarray::Array2;

use crate::linalg::vectorised;

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

/// Copies the lower triangle to the upper one.
fn mirror(full: &mut [f64], d: usize, stride: usize) {
    vectorised(
        #[inline(always)]
        || {
            for top in (0..d).step_by(LANES) {
                for left in (0..=top).step_by(LANES) {
                    let tile = transposed_tile(full, stride, top, left);
                    for (j, mirrored) in tile.iter().enumerate().take(d - left) {
                        // On the diagonal what is below it stays.
                        let first = if left == top { j } else { 0 };
                        full[(left + j) * stride + top..][first..LANES].copy_from_slice(&mirrored[first..]);
                    }
                }
            }
        },
    );
}

/// For each row of each tile of the lower triangle: `write(index, sums)`, the sums T_ij + T_ji of entries that
/// follow each other in a packed matrix from `index` on; T a full, padded square.
pub(super) fn for_each_symmetrised<T: Copy + Default + std::ops::Add<Output = T>>(
    t: &[T],
    d: usize,
    mut write: impl FnMut(usize, &[T]),
) {
    let stride = stride(d);
    vectorised(
        #[inline(always)]
        || {
            for top in (0..d).step_by(LANES) {
                for left in (0..=top).step_by(LANES) {
                    let tile = transposed_tile(t, stride, left, top);
                    for (i, mirrored) in tile.iter().enumerate().take(d - top) {
                        let row = &t[(top + i) * stride + left..][..LANES];
                        let mut sums = [T::default(); LANES];
                        for ((sum, a), b) in sums.iter_mut().zip(row).zip(mirrored) {
                            *sum = *a + *b;
                        }
                        let length = if left == top { i + 1 } else { LANES };
                        write(packed_index(top + i, left), &sums[..length]);
                    }
                }
            }
        },
    );
}

/// The square of LANES rows and columns from (row, column) on, transposed, zero beyond the last row.
#[inline(always)]
fn transposed_tile<T: Copy + Default>(
    full: &[T],
    stride: usize,
    row: usize,
    column: usize,
) -> [[T; LANES]; LANES] {
    let mut tile = [[T::default(); LANES]; LANES];
    for (i, from) in full[row * stride..].chunks_exact(stride).take(LANES).enumerate() {
        for (to, value) in tile.iter_mut().zip(&from[column..column + LANES]) {
            to[i] = *value;
        }
    }
    tile
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
