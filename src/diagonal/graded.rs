//! (I + BᵀB)⁻¹ for rows and columns of B of any sizes, by an orthogonal factorisation that never forms BᵀB.
//!
//! Householder's method on [B; I] with pivoted columns, and with the largest entry of each column in the row of
//! the pivot: row-wise backward stable (Powell and Reid 1969; Cox and Higham, BIT 38, 1998), so that directions of
//! size one keep their digits beside others of size 10³⁰, where a Cholesky factor of I + BᵀB would drown them.
//!
//! Where all that is left of B, say B′, has columns of at most unit length, nothing can drown any more, and
//! (I + B′ᵀB′)⁻¹ = I − B′ᵀ(I + B′B′ᵀ)⁻¹B′ does the rest: a matrix of a few rows and a thousand columns takes about as
//! many steps as it has rows.

use crate::linalg::{add_multiple, cholesky_in_place, cholesky_solve_columns, dot, vectorised};
use crate::ode::Reject;

/// Square of the length that the columns of what is left may have.
const SHORT: f64 = 1.0;

/// R with RᵀR = I + BᵀB as far as it goes, in the order of its pivots, and what is left.
#[derive(Clone, Debug, Default)]
pub(super) struct Graded {
    columns: usize,
    /// A row a pivot; the columns of earlier pivots are zero.
    factor: Vec<f64>,
    pivots: Vec<usize>,
    /// The rows that are still at work, one more than B has; in the end B′, zero in the columns of pivots.
    rows: Vec<f64>,
    /// The Cholesky factor of I + B′B′ᵀ, and a place a row.
    rest: Vec<f64>,
    inner: Vec<f64>,
    reflector: Vec<f64>,
    along: Vec<f64>,
    used: Vec<bool>,
    image: Vec<f64>,
}

impl Graded {
    /// Space for B of so many columns and rows; gives B to be filled, row by row.
    pub(super) fn prepare(&mut self, rows: usize, columns: usize) -> &mut [f64] {
        self.columns = columns;
        self.rows.resize((rows + 1) * columns, 0.0);
        self.rest.resize(rows * rows, 0.0);
        self.inner.resize(rows, 0.0);
        self.reflector.resize(rows + 1, 0.0);
        for buffer in [&mut self.along, &mut self.image] {
            buffer.resize(columns, 0.0);
        }
        &mut self.rows[..rows * columns]
    }

    /// Factors what [`prepare`](Graded::prepare) was filled with.
    ///
    /// # Errors
    /// [`Reject`]: something overflows.
    pub(super) fn factor(&mut self) -> Result<(), Reject> {
        let c = self.columns;
        self.pivots.clear();
        self.factor.clear();
        self.used.clear();
        self.used.resize(c, false);
        vectorised(
            #[inline(always)]
            || {
                while let Some(pivot) = self.next_pivot() {
                    self.step(pivot);
                }
                if self.pivots.len() == c {
                    return;
                }
                let m = self.inner.len();
                let row = |i: usize| &self.rows[i * c..(i + 1) * c];
                for (j, column) in self.rest.chunks_exact_mut(m.max(1)).enumerate() {
                    for (i, entry) in column.iter_mut().enumerate().skip(j) {
                        *entry = dot(row(i), row(j));
                    }
                    column[j] += 1.0;
                }
            },
        );
        if self.pivots.len() == c {
            return Ok(());
        }
        cholesky_in_place(&mut self.rest, self.inner.len())
            .map_err(|_| Reject("the Newton matrix is not positive definite"))
    }

    /// The longest of the columns that are left; none if it is short, and there are fewer rows than columns.
    #[inline(always)]
    fn next_pivot(&mut self) -> Option<usize> {
        let c = self.columns;
        let last = self.reflector.len() - 1;
        self.along.fill(0.0);
        for row in self.rows[..last * c].chunks_exact(c) {
            self.along.iter_mut().zip(row).for_each(|(sum, x)| *sum += x * x);
        }
        let free = (0..c).filter(|&k| !self.used[k]);
        let longest = free.max_by(|&a, &b| self.along[a].total_cmp(&self.along[b]));
        longest.filter(|&k| last >= c || self.along[k] > SHORT)
    }

    /// One column: all rows of the identity but its own are still zero in it, and stay out.
    #[inline(always)]
    fn step(&mut self, pivot: usize) {
        let c = self.columns;
        let last = self.reflector.len() - 1;
        self.used[pivot] = true;
        // Its row of the identity joins.
        let identity = &mut self.rows[last * c..];
        identity.fill(0.0);
        identity[pivot] = 1.0;
        // The largest entry goes to the last row, which will leave as a row of R.
        let largest = |row: usize| self.rows[row * c + pivot].abs();
        let top = (0..=last).max_by(|&a, &b| largest(a).total_cmp(&largest(b))).unwrap_or(last);
        if top != last {
            let (low, high) = self.rows.split_at_mut(last * c);
            low[top * c..(top + 1) * c].swap_with_slice(high);
        }
        let scale = self.rows[last * c + pivot].abs();
        let mut square = 0.0;
        for (v, row) in self.reflector.iter_mut().zip(self.rows.chunks_exact(c)) {
            *v = row[pivot] / scale;
            square += *v * *v;
        }
        let length = square.sqrt();
        let head = self.reflector[last];
        let image = -length.copysign(head);
        self.reflector[last] = head - image;
        // ‖v‖²/2 without cancellation.
        let half = length * (length + head.abs());
        self.along.fill(0.0);
        for (v, row) in self.reflector.iter().zip(self.rows.chunks_exact(c)) {
            add_multiple(&mut self.along, *v, row);
        }
        self.along.iter_mut().for_each(|x| *x /= half);
        for (v, row) in self.reflector.iter().zip(self.rows.chunks_exact_mut(c)) {
            add_multiple(row, -v, &self.along);
        }
        let start = self.factor.len();
        self.factor.extend_from_slice(&self.rows[last * c..]);
        let factor = &mut self.factor[start..];
        factor[pivot] = image * scale;
        self.pivots.iter().for_each(|&before| factor[before] = 0.0);
        self.pivots.push(pivot);
        for row in self.rows[..last * c].chunks_exact_mut(c) {
            row[pivot] = 0.0;
        }
    }

    /// Replaces b by (I + BᵀB)⁻¹ b.
    pub(super) fn solve(&mut self, b: &mut [f64]) {
        let c = self.columns;
        vectorised(
            #[inline(always)]
            || {
                for (&pivot, row) in self.pivots.iter().zip(self.factor.chunks_exact(c.max(1))) {
                    let x = b[pivot] / row[pivot];
                    add_multiple(b, -x, row);
                    b[pivot] = x;
                }
                self.image.fill(0.0);
                if self.pivots.len() < c {
                    let rows = || self.rows.chunks_exact(c);
                    self.inner.iter_mut().zip(rows()).for_each(|(y, row)| *y = dot(row, b));
                    cholesky_solve_columns(&self.rest, &mut self.inner);
                    let free = b.iter().zip(&self.used).map(|(&x, &used)| if used { 0.0 } else { x });
                    self.image.iter_mut().zip(free).for_each(|(image, x)| *image = x);
                    self.inner
                        .iter()
                        .zip(rows())
                        .for_each(|(&y, row)| add_multiple(&mut self.image, -y, row));
                }
                for (&pivot, row) in self.pivots.iter().zip(self.factor.chunks_exact(c.max(1))).rev() {
                    self.image[pivot] = (b[pivot] - dot(row, &self.image)) / row[pivot];
                }
                b.copy_from_slice(&self.image);
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::features::{gaussian_vector, generator};
    use crate::digits::{Real, real};

    const BITS: usize = 1200;

    /// (I + BᵀB)⁻¹ b by elimination in many digits; the matrix is positive definite and needs no pivots.
    fn exact(b_matrix: &[f64], columns: usize, b: &[f64]) -> Vec<f64> {
        let exactly = |x: f64| real(x, BITS);
        let mut a: Vec<Vec<Real>> = (0..columns)
            .map(|i| {
                let entry = |j: usize| {
                    let start = exactly(if i == j { 1.0 } else { 0.0 });
                    b_matrix
                        .chunks_exact(columns)
                        .fold(start, |sum, row| sum + exactly(row[i]) * exactly(row[j]))
                };
                (0..columns).map(entry).collect()
            })
            .collect();
        let mut x: Vec<Real> = b.iter().map(|&x| exactly(x)).collect();
        for k in 0..columns {
            for i in k + 1..columns {
                let part = &a[i][k] / &a[k][k];
                #[allow(clippy::needless_range_loop)] // two rows at a time
                for j in k..columns {
                    a[i][j] = &a[i][j] - &part * &a[k][j];
                }
                x[i] = &x[i] - &part * &x[k];
            }
        }
        for k in (0..columns).rev() {
            for j in k + 1..columns {
                x[k] = &x[k] - &a[k][j] * &x[j];
            }
            x[k] = &x[k] / &a[k][k];
        }
        x.iter().map(|x| x.to_f64().value()).collect()
    }

    #[test]
    fn rows_and_columns_of_any_sizes_keep_their_digits() {
        let mut random = generator(3, 0);
        for trial in 0..60 {
            let columns = if trial % 3 == 0 { 30 } else { 1 + trial % 5 };
            let rows = 1 + trial % 6;
            let entries = gaussian_vector(rows * columns, 1.0, &mut random);
            let (up, across) =
                (gaussian_vector(rows, 1.0, &mut random), gaussian_vector(columns, 1.0, &mut random));
            let b = gaussian_vector(columns, 1.0, &mut random);
            // Rows over forty decades each way; the right-hand side is scaled as Newton's system is.
            let entry =
                |at: usize| entries[at] * libm::exp(20.0 * up[at / columns] + 3.0 * across[at % columns]);
            let matrix: Vec<f64> = (0..rows * columns).map(entry).collect();
            let mut graded = Graded::default();
            graded.prepare(rows, columns).copy_from_slice(&matrix);
            graded.factor().expect("finite");
            assert!(graded.pivots.len() <= 2 * rows || columns < 2 * rows, "{} pivots", graded.pivots.len());
            let mut x = b.to_vec();
            graded.solve(&mut x);
            let expected = exact(&matrix, columns, b.as_slice().expect("contiguous"));
            let size = expected.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
            for (x, y) in x.iter().zip(&expected) {
                assert!((x - y).abs() <= 1e-11 * size, "{trial}: {x:e} instead of {y:e}, of {size:e}");
            }
        }
    }
}
