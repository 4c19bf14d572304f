//! Smith normal form of the parallelogram matrix: which structures on a circle the data allow.
//!
//! Phases θ_k with Aθ = 0 mod 2π form the dual of coker A = Z^{n0} ⊕ Z_{d_1} ⊕ …, where the d are the
//! invariants above one. Full modular addition has the invariants (1, …, 1, p): the circles θ_k = c + 2πwk/p.

use super::Problem;
use crate::error::{Error, Result};

/// The invariants d_1 | d_2 | … | d_r of A(P0(D)), r = p − n0, by integer row and column operations.
///
/// ```
/// use groktime::effective::{Problem, Task, smith_invariants};
/// assert_eq!(smith_invariants(&Problem::full(Task::modular(5)?))?, [1, 1, 1, 5]);
/// assert_eq!(smith_invariants(&Problem::full(Task::addition(5)?))?, [1, 1, 1]); // no torsion
/// # Ok::<(), groktime::Error>(())
/// ```
///
/// # Errors
/// Entries grow past 127 bits (not met for p ≤ 60).
pub fn smith_invariants(problem: &Problem) -> Result<Vec<u128>> {
    let mut basis = Lattice::new(problem.symbols());
    for class in problem.classes() {
        for &[i, j] in class.iter().skip(1) {
            let mut row = vec![0; problem.symbols()];
            row[i as usize] += 1;
            row[j as usize] += 1;
            row[class[0][0] as usize] -= 1;
            row[class[0][1] as usize] -= 1;
            basis.insert(row)?;
        }
    }
    diagonal(basis.rows.into_iter().flatten().collect())
}

type Row = Vec<i128>;

/// a − k·b for one entry.
fn take(a: i128, k: i128, b: i128) -> Result<i128> {
    k.checked_mul(b).and_then(|kb| a.checked_sub(kb)).ok_or_else(|| Error::Numerical {
        method: "Smith normal form",
        detail: "an entry does not fit in 127 bits".into(),
    })
}

fn subtract(row: &mut Row, k: i128, other: &Row) -> Result<()> {
    if k != 0 {
        for (x, &y) in row.iter_mut().zip(other) {
            *x = take(*x, k, y)?;
        }
    }
    Ok(())
}

/// Rows in echelon form over the integers: entries in the pivot column of another row are reduced by it.
struct Lattice {
    rows: Vec<Option<Row>>,
}

impl Lattice {
    fn new(width: usize) -> Lattice {
        Lattice { rows: vec![None; width] }
    }

    fn insert(&mut self, mut row: Row) -> Result<()> {
        for column in 0..row.len() {
            if row[column] == 0 {
                continue;
            }
            let Some(mut pivot) = self.rows[column].take() else {
                self.reduce(&mut row, column + 1)?;
                self.rows[column] = Some(row);
                return Ok(());
            };
            // Euclid on the two leading entries, carried out on the rows.
            while row[column] != 0 {
                let k = pivot[column].div_euclid(row[column]);
                subtract(&mut pivot, k, &row)?;
                std::mem::swap(&mut pivot, &mut row);
            }
            self.reduce(&mut pivot, column + 1)?;
            self.reduce(&mut row, column + 1)?;
            self.rows[column] = Some(pivot);
        }
        Ok(())
    }

    /// Makes entries in the pivot columns from `from` on smaller than the pivots.
    fn reduce(&self, row: &mut Row, from: usize) -> Result<()> {
        for column in from..row.len() {
            if let Some(pivot) = &self.rows[column] {
                let k = row[column].div_euclid(pivot[column]);
                subtract(row, k, pivot)?;
            }
        }
        Ok(())
    }
}

/// Diagonalises by repeatedly taking the smallest entry as pivot: it shrinks until it divides its row and
/// column.
fn diagonal(mut rows: Vec<Row>) -> Result<Vec<u128>> {
    let mut invariants = Vec::new();
    while let Some((r, c)) = smallest(&rows) {
        let mut pivot = rows.swap_remove(r);
        for row in &mut rows {
            subtract(row, row[c].div_euclid(pivot[c]), &pivot)?;
        }
        if rows.iter().all(|row| row[c] == 0) {
            // Column operations with a column that is zero elsewhere change this row alone.
            for k in (0..pivot.len()).filter(|&k| k != c) {
                pivot[k] = pivot[k].rem_euclid(pivot[c]);
            }
            if pivot.iter().filter(|&&x| x != 0).count() == 1 {
                invariants.push(pivot[c].unsigned_abs());
                continue;
            }
        }
        rows.push(pivot);
    }
    for i in 0..invariants.len() {
        for j in i + 1..invariants.len() {
            let common = gcd(invariants[i], invariants[j]);
            (invariants[i], invariants[j]) = (common, invariants[i] / common * invariants[j]);
        }
    }
    Ok(invariants)
}

/// Where the smallest nonzero entry is.
fn smallest(rows: &[Row]) -> Option<(usize, usize)> {
    let entries =
        rows.iter().enumerate().flat_map(|(r, row)| row.iter().enumerate().map(move |(c, x)| (r, c, x)));
    let nonzero = entries.filter(|(_, _, x)| **x != 0);
    nonzero.min_by_key(|(_, _, x)| x.unsigned_abs()).map(|(r, c, _)| (r, c))
}

fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
