//! G as a dense matrix, in exact integers.
//!
//! With B the number of times that symbol i is in class s (0, 1, or 2 in its own square) and n_s the size
//! of a class, G_ij = [(i, j) ∈ D]·n_{ij} − Σ_s B_is B_js off the diagonal. A row of B is a string of bits
//! and one place with a two, so that the sum is a count of common bits: p³/64 operations on words, where a
//! matrix product takes p³ multiplications.

use ndarray::Array2;
use rayon::prelude::*;

use super::Problem;
use crate::linalg::vectorised;

/// Symbols from which classes are counted as bits rather than added one by one.
const COUNTED: usize = 128;
/// Rows that one thread fills at a time.
const ROWS: usize = 16;
/// Side of the tiles of a transposition.
const TILE: usize = 64;

impl Problem {
    /// G = Σ_q a_q a_qᵀ, p × p; all entries are exact integers.
    ///
    /// ```
    /// use groktime::effective::{Problem, Task};
    /// let g = Problem::full(Task::addition(4)?).quadratic_form();
    /// assert_eq!(g.row(0).to_vec(), [2.0, -3.0, 0.0, 1.0]);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    pub fn quadratic_form(&self) -> Array2<f64> {
        if self.symbols() < COUNTED || !self.task.commutative() {
            return self.form_by_classes();
        }
        let mut g = self.lower_form();
        let p = self.symbols();
        // The upper triangle by square tiles: both sides stay in the cache.
        for top in (0..p).step_by(TILE) {
            for left in (0..=top).step_by(TILE) {
                for j in left..(left + TILE).min(p) {
                    for i in top.max(j + 1)..(top + TILE).min(p) {
                        g[(j, i)] = g[(i, j)];
                    }
                }
            }
        }
        g
    }

    /// Σ_s (n_s Σ_a c_a c_aᵀ − u_s u_sᵀ), class by class.
    fn form_by_classes(&self) -> Array2<f64> {
        let p = self.symbols();
        let mut g = Array2::zeros((p, p));
        let mut sums = vec![0.0; p];
        let mut touched = Vec::with_capacity(p);
        for class in self.classes() {
            let n = class.len() as f64;
            for &[i, j] in class {
                let (i, j) = (i as usize, j as usize);
                g[(i, i)] += n;
                g[(j, j)] += n;
                g[(i, j)] += n;
                g[(j, i)] += n;
            }
            for &k in class.iter().flatten() {
                if sums[k as usize] == 0.0 {
                    touched.push(k as usize);
                }
                sums[k as usize] += 1.0;
            }
            for &k in &touched {
                for &l in &touched {
                    g[(k, l)] -= sums[k] * sums[l];
                }
            }
            touched.drain(..).for_each(|k| sums[k] = 0.0);
        }
        g
    }

    /// The lower triangle of G, column-major, zeros above; of a commutative operation.
    pub(crate) fn lower_form(&self) -> Array2<f64> {
        let p = self.symbols();
        let members = Members::new(self);
        let mut columns = vec![0.0; p * p];
        columns.par_chunks_mut(ROWS * p).enumerate().for_each(|(chunk, columns)| {
            vectorised(
                #[inline(always)]
                || {
                    for (k, column) in columns.chunks_exact_mut(p).enumerate() {
                        members.fill(chunk * ROWS + k, column);
                    }
                },
            );
        });
        // The columns are the rows of the transposed array.
        match Array2::from_shape_vec((p, p), columns) {
            Ok(rows) => rows.reversed_axes(),
            Err(e) => unreachable!("{p} columns of {p}: {e}"),
        }
    }

    /// The diagonal of G in O(|D|): every other sample of its class pulls a symbol once, and four times
    /// in its own square.
    pub(crate) fn diagonal(&self) -> Vec<f64> {
        let mut diagonal = vec![0.0; self.symbols()];
        for class in self.classes() {
            let n = class.len() as f64;
            for &[i, j] in class {
                match i == j {
                    true => diagonal[i as usize] += 4.0 * (n - 1.0),
                    false => [i, j].iter().for_each(|&k| diagonal[k as usize] += n - 1.0),
                }
            }
        }
        diagonal
    }
}

/// Which classes a symbol is in, as bits.
struct Members<'a> {
    problem: &'a Problem,
    /// Words of a row.
    width: usize,
    words: Vec<u64>,
    /// The class of (i, i), where that is trained on.
    square: Vec<Option<usize>>,
    sizes: Vec<f64>,
}

impl<'a> Members<'a> {
    fn new(problem: &'a Problem) -> Members<'a> {
        let p = problem.symbols();
        // Without wrap symbol i is in classes i..i + p only: its row starts at the word of class i.
        let width = if problem.task.is_addition() { p / 64 + 2 } else { p.div_ceil(64) };
        let mut members = Members {
            problem,
            width,
            words: vec![0; p * width],
            square: vec![None; p],
            sizes: problem.classes().map(|class| class.len() as f64).collect(),
        };
        for (s, class) in problem.classes().enumerate() {
            for &[i, j] in class {
                for k in [i as usize, j as usize] {
                    let word = k * width + s / 64 - members.first(k);
                    members.words[word] |= 1 << (s % 64);
                }
                if i == j {
                    members.square[i as usize] = Some(s);
                }
            }
        }
        members
    }

    /// The word of classes at which the row of a symbol starts.
    #[inline(always)]
    fn first(&self, symbol: usize) -> usize {
        if self.problem.task.is_addition() { symbol / 64 } else { 0 }
    }

    #[inline(always)]
    fn row(&self, symbol: usize) -> &[u64] {
        &self.words[symbol * self.width..][..self.width]
    }

    #[inline(always)]
    fn contains(&self, symbol: usize, class: usize) -> bool {
        let word = (class / 64).wrapping_sub(self.first(symbol));
        word < self.width && self.words[symbol * self.width + word] >> (class % 64) & 1 == 1
    }

    /// Entry (i, j) of G, i > j.
    #[inline(always)]
    fn entry(&self, i: usize, j: usize) -> f64 {
        let skip = self.first(i) - self.first(j);
        let words = self.row(j).iter().skip(skip).zip(self.row(i));
        let mut both = f64::from(words.map(|(a, b)| (a & b).count_ones()).sum::<u32>());
        // A symbol counts twice in the class of its own square.
        both += f64::from(self.square[i].is_some_and(|s| self.contains(j, s)));
        both += f64::from(self.square[j].is_some_and(|s| self.contains(i, s)));
        both += f64::from(self.square[i].is_some() && self.square[i] == self.square[j]);
        let class = self.problem.task.class(i, j);
        let pull = if self.contains(i, class) { self.sizes[class] } else { 0.0 };
        pull - both
    }

    /// Entries j.. of column j of G.
    #[inline(always)]
    fn fill(&self, j: usize, column: &mut [f64]) {
        for (i, entry) in column.iter_mut().enumerate().skip(j + 1) {
            *entry = self.entry(i, j);
        }
        let mut own = 0.0;
        for (word, &bits) in self.row(j).iter().enumerate() {
            let mut left = bits;
            while left != 0 {
                own += self.sizes[(word + self.first(j)) * 64 + left.trailing_zeros() as usize] - 1.0;
                left &= left - 1;
            }
        }
        // (n − 1) for each class, 4(n − 1) for the own square.
        column[j] = own + self.square[j].map_or(0.0, |s| 3.0 * (self.sizes[s] - 1.0));
    }
}
