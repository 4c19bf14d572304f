//! Inputs that are mostly zeros, such as one-hot codes: the first layer's products on what is not zero.

use super::criterion::Rows;
use crate::linalg::product::Real;

/// The entries of each row that are not zero.
pub(super) struct SparseRows<T> {
    width: usize,
    starts: Vec<usize>,
    entries: Vec<(u32, T)>,
}

impl<T: Real> SparseRows<T> {
    /// If at most an eighth of the entries are not zero: above, dense products are as fast.
    pub fn of(x: &[T], width: usize) -> Option<SparseRows<T>> {
        let full = x.iter().filter(|x| **x != T::ZERO).count();
        if 8 * full > x.len() || u32::try_from(width).is_err() {
            return None;
        }
        let (mut starts, mut entries) = (vec![0], Vec::with_capacity(full));
        for row in x.chunks_exact(width) {
            let full = row.iter().enumerate().filter(|(_, x)| **x != T::ZERO);
            entries.extend(full.map(|(k, &x)| (k as u32, x)));
            starts.push(entries.len());
        }
        Some(SparseRows { width, starts, entries })
    }

    fn row(&self, i: usize) -> &[(u32, T)] {
        &self.entries[self.starts[i]..self.starts[i + 1]]
    }

    /// out = X Wᵀ for the given rows of X; `scratch` is for Wᵀ.
    #[inline(always)]
    pub fn times(&self, rows: Rows<'_>, weights: &[T], scratch: &mut Vec<T>, out: &mut [T]) {
        let outputs = weights.len() / self.width;
        scratch.resize(weights.len(), T::ZERO);
        transpose(weights, self.width, scratch);
        for (r, out) in out.chunks_exact_mut(outputs).enumerate() {
            out.fill(T::ZERO);
            for &(k, x) in self.row(rows.at(r)) {
                let column = &scratch[k as usize * outputs..][..outputs];
                out.iter_mut().zip(column).for_each(|(out, &w)| *out += x * w);
            }
        }
    }

    /// gradient = Δᵀ X, `scratch` is for its transpose.
    #[inline(always)]
    pub fn gradient(&self, rows: Rows<'_>, delta: &[T], scratch: &mut Vec<T>, gradient: &mut [T]) {
        let outputs = gradient.len() / self.width;
        scratch.resize(gradient.len(), T::ZERO);
        scratch.fill(T::ZERO);
        for (r, delta) in delta.chunks_exact(outputs).enumerate() {
            for &(k, x) in self.row(rows.at(r)) {
                let column = &mut scratch[k as usize * outputs..][..outputs];
                column.iter_mut().zip(delta).for_each(|(sum, &d)| *sum += x * d);
            }
        }
        transpose(scratch, outputs, gradient);
    }
}

/// The transpose of a matrix with rows of the given width, in tiles that stay in the first cache.
#[inline(always)]
fn transpose<T: Copy>(from: &[T], width: usize, to: &mut [T]) {
    const TILE: usize = 16;
    let height = from.len() / width;
    for i0 in (0..height).step_by(TILE) {
        for j0 in (0..width).step_by(TILE) {
            for i in i0..(i0 + TILE).min(height) {
                for j in j0..(j0 + TILE).min(width) {
                    to[j * height + i] = from[i * width + j];
                }
            }
        }
    }
}
