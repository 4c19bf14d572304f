//! Weighted Gram matrices X diag(weights) Xᵀ, block by block of scaled coordinates; of bits by counting.

use ndarray::Array2;
use rayon::prelude::*;

use super::{Design, Entries};
use crate::linalg::{Number, Threads, add_lower_gram};

/// Tasks of a Gram matrix, each with its own sum: their number fixes the order of summation.
const TASKS: usize = 8;

/// Coordinates of one product of matrices.
const BLOCK: usize = 256;

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
        assert_eq!(weights.len(), self.dimension, "one weight a coordinate");
        let n = self.samples;
        let largest = weights.iter().fold(0.0_f64, |m, w| m.max(*w));
        if largest == 0.0 {
            return Array2::zeros((n, n));
        }
        let per_task = self.dimension.div_ceil(TASKS).next_multiple_of(BLOCK);
        let of_task = |task: usize| {
            let last = self.dimension.min((task + 1) * per_task);
            match precision {
                Precision::Single => self.task::<f32>(task * per_task, last, weights, largest),
                Precision::Double => self.task::<f64>(task * per_task, last, weights, largest),
            }
        };
        let tasks = self.dimension.div_ceil(per_task);
        // As many at a time as there are threads: each has two matrices of its own.
        let together = if threads == Threads::All { rayon::current_num_threads() } else { 1 };
        let mut gram = Array2::zeros((n, n));
        for first in (0..tasks).step_by(together) {
            let now = first..tasks.min(first + together);
            let parts: Vec<_> = match threads {
                Threads::One => now.map(of_task).collect(),
                Threads::All => now.into_par_iter().map(of_task).collect(),
            };
            for part in parts {
                gram.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
            }
        }
        // The lower triangle by columns is the upper one by rows.
        for i in 0..n {
            for j in i..n {
                gram[(i, j)] *= largest;
                gram[(j, i)] = gram[(i, j)];
            }
        }
        gram
    }

    /// The lower triangle (column-major) of Σ_k (weights_k/largest) x_k x_kᵀ over first ≤ k < last: scaled, so
    /// that single precision neither overflows nor loses the large weights.
    fn task<T: Number>(&self, first: usize, last: usize, weights: &[f64], largest: f64) -> Vec<f64> {
        let n = self.samples;
        let mut sum = vec![0.0; n * n];
        let mut product = vec![T::ZERO; n * n];
        let mut columns = vec![T::ZERO; n * BLOCK];
        for start in (first..last).step_by(BLOCK) {
            let weights = &weights[start..last.min(start + BLOCK)];
            let columns = &mut columns[..n * weights.len()];
            for (j, (column, weight)) in columns.chunks_exact_mut(n).zip(weights).enumerate() {
                self.scaled_coordinate(start + j, (weight / largest).sqrt(), column);
            }
            add_lower_gram(columns, n, &mut product);
            for (sum, product) in sum.iter_mut().zip(&mut product) {
                *sum += std::mem::replace(product, T::ZERO).into();
            }
        }
        sum
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
