//! Weighted Gram matrices X diag(weights) Xᵀ, block by block of scaled coordinates; of bits by counting.

use std::collections::VecDeque;

use ndarray::Array2;
use rayon::prelude::*;

use super::{Design, Entries};
use crate::linalg::{Number, Threads, mirror_lower, rows_of_gram};

/// Rows of the Gram matrix that one task works on.
const ROWS: usize = 32;

/// Coordinates of one product of matrices: their sum is in the given precision, the rest in double.
const BLOCK: usize = 256;

/// Bytes of scaled data that are prepared at a time: they stay in a core's cache.
const PREPARED: usize = 1 << 20;

/// In what precision the products of a Gram matrix are made. The sums over blocks of coordinates are
/// always in double precision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Relative error 2⁻²⁴ of √(G_ii G_jj), twice as fast: for Newton matrices and preconditioners.
    Single,
    #[default]
    Double,
}

impl Design {
    /// X diag(weights) Xᵀ (n × n, both triangles) in double precision, weights ≥ 0 of length d.
    pub fn weighted_gram(&self, weights: &[f64], threads: Threads) -> Array2<f64> {
        self.weighted_gram_in(Precision::Double, weights, threads)
    }

    /// X diag(weights) Xᵀ (n × n, both triangles) with products in the given precision, weights ≥ 0 of
    /// length d.
    ///
    /// ```
    /// use groktime::data::design::{Design, Precision};
    /// let x = Design::new(ndarray::array![[1.0, 2.0], [0.0, 1.0]].view())?;
    /// let gram = x.weighted_gram_in(Precision::Single, &[4.0, 1.0], Default::default());
    /// assert_eq!(gram, ndarray::array![[8.0, 2.0], [2.0, 1.0]]);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    pub fn weighted_gram_in(&self, precision: Precision, weights: &[f64], threads: Threads) -> Array2<f64> {
        let mut gram = Array2::zeros((self.samples, self.samples));
        self.weighted_gram_into(&mut gram, precision, weights, threads);
        gram
    }

    /// [`Design::weighted_gram_in`] into an n × n row-major matrix: beyond it, memory is needed for
    /// [`PREPARED`] bytes and for [`ROWS`] rows a thread.
    pub(crate) fn weighted_gram_into(
        &self,
        gram: &mut Array2<f64>,
        precision: Precision,
        weights: &[f64],
        threads: Threads,
    ) {
        assert_eq!(weights.len(), self.dimension, "one weight a coordinate");
        gram.fill(0.0);
        let largest = weights.iter().fold(0.0_f64, |m, w| m.max(*w));
        if largest == 0.0 {
            return;
        }
        let rows = gram.as_slice_mut().unwrap_or_default();
        // Scaled, so that single precision neither overflows nor loses the large weights.
        match precision {
            Precision::Single => self.add_gram::<f32>(rows, weights, largest, threads),
            Precision::Double => self.add_gram::<f64>(rows, weights, largest, threads),
        }
        *gram *= largest;
        mirror_lower(gram);
    }

    /// Adds Σ_k (weights_k/largest) x_k x_kᵀ to the lower triangle of `gram`, block by block of coordinates.
    fn add_gram<T: Number>(&self, gram: &mut [f64], weights: &[f64], largest: f64, threads: Threads) {
        let n = self.samples;
        let together = (PREPARED / (n * size_of::<T>()) / BLOCK).max(1) * BLOCK;
        let mut columns = vec![T::ZERO; n * together.min(self.dimension)];
        // A short part of the triangle goes with a long one: tasks of one size.
        let mut parts: VecDeque<_> = (0..).step_by(ROWS).zip(gram.chunks_mut(ROWS * n)).collect();
        let mut tasks = Vec::with_capacity(parts.len().div_ceil(2));
        while let Some(short) = parts.pop_front() {
            let parts = std::iter::once(short).chain(parts.pop_back()).collect();
            tasks.push(Task { parts, product: vec![T::ZERO; ROWS * n] });
        }
        for (first, weights) in (0..).step_by(together).zip(weights.chunks(together)) {
            let columns = &mut columns[..n * weights.len()];
            let scale = |(j, column): (usize, &mut [T])| {
                self.scaled_coordinate(first + j, (weights[j] / largest).sqrt(), column);
            };
            match threads {
                Threads::One => columns.chunks_exact_mut(n).enumerate().for_each(scale),
                Threads::All => columns.par_chunks_exact_mut(n).enumerate().for_each(scale),
            }
            let columns = &*columns;
            let add = |task: &mut Task<'_, T>| task.add(columns, n);
            match threads {
                Threads::One => tasks.iter_mut().for_each(add),
                Threads::All => tasks.par_iter_mut().for_each(add),
            }
        }
    }

    fn scaled_coordinate<T: Number>(&self, k: usize, scale: f64, out: &mut [T]) {
        let n = self.samples;
        match &self.entries {
            Entries::Double(x) => {
                out.iter_mut().zip(&x[k * n..]).for_each(|(out, x)| *out = T::from_f64(x * scale));
            }
            Entries::Single(x) => {
                out.iter_mut()
                    .zip(&x[k * n..])
                    .for_each(|(out, &x)| *out = T::from_f64(f64::from(x) * scale));
            }
            Entries::Signs(x) => {
                let both = [T::from_f64(-scale), T::from_f64(scale)];
                for (word, out) in x.coordinate(k).iter().zip(out.chunks_mut(64)) {
                    for (i, out) in out.iter_mut().enumerate() {
                        *out = both[(word >> i & 1) as usize];
                    }
                }
            }
        }
    }

    /// X Xᵀ (n × n, both triangles): exact for ±1 data.
    ///
    /// ```
    /// use groktime::data::design::Design;
    /// let x = Design::new(ndarray::array![[1.0, -1.0, 1.0], [-1.0, -1.0, 1.0]].view())?;
    /// assert_eq!(x.gram(Default::default()), ndarray::array![[3.0, 1.0], [1.0, 3.0]]);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    pub fn gram(&self, threads: Threads) -> Array2<f64> {
        match &self.entries {
            Entries::Signs(x) => x.gram(threads),
            _ => self.weighted_gram(&vec![1.0; self.dimension], threads),
        }
    }
}

/// Some rows of a Gram matrix, each part with its first row.
struct Task<'a, T> {
    parts: Vec<(usize, &'a mut [f64])>,
    product: Vec<T>,
}

impl<T: Number> Task<'_, T> {
    /// Adds these rows of A Aᵀ, up to the diagonal and a little beyond. A is stored by columns of length n.
    fn add(&mut self, columns: &[T], n: usize) {
        for (first, sums) in &mut self.parts {
            let end = *first + sums.len() / n;
            let product = &mut self.product[..(end - *first) * end];
            for block in columns.chunks(n * BLOCK) {
                rows_of_gram(block, n, *first..end, product);
                for (sums, product) in sums.chunks_exact_mut(n).zip(product.chunks_exact(end)) {
                    sums.iter_mut().zip(product).for_each(|(sum, &product)| *sum += product.into());
                }
            }
        }
    }
}
