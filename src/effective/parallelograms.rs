//! Counts of parallelograms and products with their quadratic form without enumerating them: with c_a = e_i + e_j for a
//! sample a = (i, j), Σ_{a<b} (c_a − c_b)(c_a − c_b)ᵀ = n_s Σ_a c_a c_aᵀ − u_s u_sᵀ in each class, u_s = Σ_a c_a.

use ndarray::ArrayView2;
use rayon::prelude::*;

use super::Problem;
use super::group::{Pair, Task};
use crate::error::{Result, check_finite, check_shape};

/// A parallelogram (i, j, m, n): i·j and m·n have the same label.
pub type Quadruple = [u32; 4];

/// |P0(D0)| of a task: Σ_s C(m_s, 2) over the full data.
///
/// ```
/// use groktime::effective::{Task, full_parallelograms};
/// assert_eq!(full_parallelograms(&Task::addition(10)?), 70);
/// assert_eq!(full_parallelograms(&Task::modular(11)?), 165); // p(p²−1)/8
/// assert_eq!(full_parallelograms(&Task::s3()), 90);
/// # Ok::<(), groktime::Error>(())
/// ```
pub fn full_parallelograms(task: &Task) -> u64 {
    class_sizes(task).into_iter().map(pairs_of).sum()
}

/// m_s, the number of samples of each class in the full data.
pub(crate) fn class_sizes(task: &Task) -> Vec<u64> {
    let p = task.symbols();
    if task.is_addition() {
        return (0..2 * p - 1).map(|s| (s.min(2 * p - 2 - s) / 2 + 1) as u64).collect();
    }
    let mut sizes = vec![0; task.classes()];
    for i in 0..p {
        for j in if task.commutative() { i } else { 0 }..p {
            sizes[task.class(i, j)] += 1;
        }
    }
    sizes
}

fn pairs_of(n: u64) -> u64 {
    n * n.saturating_sub(1) / 2
}

/// Iterates over the unordered pairs of different samples with equal labels.
pub struct Parallelograms<'a> {
    problem: &'a Problem,
    class: usize,
    first: usize,
    second: usize,
}

impl Iterator for Parallelograms<'_> {
    type Item = Quadruple;

    fn next(&mut self) -> Option<Quadruple> {
        while self.class < self.problem.task.classes() {
            let samples = self.problem.class(self.class);
            if self.second < samples.len() {
                let ([i, j], [m, n]) = (samples[self.first], samples[self.second]);
                self.second += 1;
                return Some([i, j, m, n]);
            }
            self.first += 1;
            self.second = self.first + 1;
            if self.second >= samples.len() {
                (self.class, self.first, self.second) = (self.class + 1, 0, 1);
            }
        }
        None
    }
}

impl Problem {
    /// N = |P0(D)| = Σ_s C(n_s, 2).
    pub fn parallelograms(&self) -> u64 {
        self.classes().map(|c| pairs_of(c.len() as u64)).sum()
    }

    /// The size of the set that equation 1 of the paper defines when read literally: ordered pairs, a
    /// sample with itself included, Σ_s n_s². Nothing else here uses it.
    pub fn literal_parallelograms(&self) -> u64 {
        self.classes().map(|c| (c.len() * c.len()) as u64).sum()
    }

    /// Enumerates P0(D) (about p³/12 of them for full data).
    pub fn enumerate(&self) -> Parallelograms<'_> {
        Parallelograms { problem: self, class: 0, first: 0, second: 1 }
    }

    /// y = G x in O(|D|) without G.
    ///
    /// # Errors
    /// The length of x is not p.
    pub fn apply(&self, x: &[f64], y: &mut [f64]) -> Result<()> {
        check_shape("vector", &[x.len()], &[self.symbols()], "one entry a symbol")?;
        check_shape("vector", &[y.len()], &[self.symbols()], "one entry a symbol")?;
        self.apply_in_chunks(x, y);
        Ok(())
    }

    /// Fixed chunks of classes, summed in order: the same bits for any number of threads.
    pub(crate) fn apply_in_chunks(&self, x: &[f64], y: &mut [f64]) {
        y.fill(0.0);
        // Few samples are not worth a second thread.
        if self.samples.len() < 1 << 16 {
            for s in 0..self.task.classes() {
                self.apply_class(s, x, y);
            }
            return;
        }
        let classes = self.task.classes();
        let partial: Vec<Vec<f64>> = (0..CHUNKS)
            .into_par_iter()
            .map(|chunk| {
                let mut own = vec![0.0; y.len()];
                // Classes are dealt out in turn, so that each chunk has long and short ones.
                for s in (chunk..classes).step_by(CHUNKS) {
                    self.apply_class(s, x, &mut own);
                }
                own
            })
            .collect();
        for own in partial {
            y.iter_mut().zip(&own).for_each(|(y, o)| *y += o);
        }
    }

    fn apply_class(&self, s: usize, x: &[f64], y: &mut [f64]) {
        let class = self.class(s);
        if class.len() < 2 {
            return;
        }
        if self.task.is_addition() && class.len() == s.min(2 * self.symbols() - 2 - s) / 2 + 1 {
            return apply_complete(s, class.len() as f64, x, y);
        }
        let value = |&[i, j]: &Pair| x[i as usize] + x[j as usize];
        let (n, total): (f64, f64) = (class.len() as f64, class.iter().map(value).sum());
        for pair in class {
            let pull = n * value(pair) - total;
            y[pair[0] as usize] += pull;
            y[pair[1] as usize] += pull;
        }
    }

    /// ℓ0 = Σ_q |a_q·E|², summed over the columns of E, in O(|D|·d).
    ///
    /// # Errors
    /// E has not one row a symbol, or is not finite.
    pub fn loss_sum(&self, embeddings: ArrayView2<'_, f64>) -> Result<f64> {
        check_embeddings(self.symbols(), embeddings)?;
        let mut sum = 0.0;
        for column in embeddings.columns() {
            for class in self.classes() {
                // Around the class mean: Σ_{a<b} (x_a − x_b)² = n Σ (x_a − mean)² without cancellation.
                let values = || class.iter().map(|&[i, j]| column[i as usize] + column[j as usize]);
                let mean = values().sum::<f64>() / class.len().max(1) as f64;
                sum += class.len() as f64 * values().map(|x| (x - mean) * (x - mean)).sum::<f64>();
            }
        }
        Ok(sum)
    }
}

/// Chunks of a parallel product, a fixed number.
const CHUNKS: usize = 16;

/// A class of addition with all its samples: i runs over a range and j = s − i over its mirror image.
fn apply_complete(s: usize, n: f64, x: &[f64], y: &mut [f64]) {
    let (lo, hi) = (s.saturating_sub(x.len() - 1), s.min(x.len() - 1));
    let (x, y) = (&x[lo..=hi], &mut y[lo..=hi]);
    let middle = s.is_multiple_of(2).then_some(s / 2 - lo);
    // Every symbol of the range is in exactly one sample, the middle one twice in its own.
    let total = x.iter().sum::<f64>() + middle.map_or(0.0, |k| x[k]);
    for ((y, a), b) in y.iter_mut().zip(x).zip(x.iter().rev()) {
        *y += n * (a + b) - total;
    }
    if let Some(k) = middle {
        y[k] += 2.0 * n * x[k] - total;
    }
}

pub(crate) fn check_embeddings(p: usize, embeddings: ArrayView2<'_, f64>) -> Result<()> {
    check_finite("embeddings", embeddings)?;
    check_shape("embeddings", embeddings.shape(), &[p, embeddings.ncols()], "one row a symbol")
}
