//! Small problems once more in double-double arithmetic (106 bits), on rows and columns brought to size one by powers of
//! two: where the interior point in doubles leaves in doubt which variables are zero, or whether anything fits.

use super::newton::Rows;
pub(super) use crate::linalg::DoubleDouble;

/// Most entries of a problem that is worth it: each step passes over all of them.
const MOST_ENTRIES: usize = 100_000;

pub(super) const ZERO: DoubleDouble = DoubleDouble::ZERO;

pub(super) fn wide(x: f64) -> DoubleDouble {
    DoubleDouble::from(x)
}

pub(super) fn near(x: DoubleDouble) -> f64 {
    x.0 + x.1
}

/// The rows of B·diag(columns) times `rows`, entries at most about one. Both factors are powers of two: nothing is rounded.
pub(super) struct Scaled {
    pub count: usize,
    pub dimension: usize,
    /// Row by row.
    pub entries: Vec<f64>,
    pub rows: Vec<f64>,
    pub columns: Vec<f64>,
    /// The right-hand sides in units of `unit`: what is asked for of the scaled rows, at most about one too.
    pub b: Vec<f64>,
    pub unit: f64,
}

impl Scaled {
    /// `None` where the problem is too large.
    pub fn of(rows: &Rows<'_>, b: &[f64], scale_columns: bool) -> Option<Scaled> {
        let (n, d) = (rows.count(), rows.dimension());
        if n * d > MOST_ENTRIES {
            return None;
        }
        let mut entries = vec![0.0; n * d];
        for k in 0..d {
            rows.column(k).iter().enumerate().for_each(|(i, &x)| entries[i * d + k] = x);
        }
        let unit = |largest: f64| match largest > 0.0 {
            true => (-largest.log2().round()).clamp(-1000.0, 1000.0).exp2(),
            false => 1.0,
        };
        let mut row_units = vec![1.0; n];
        let mut column_units = vec![1.0; d];
        let scale_rows = |entries: &mut [f64], units: &mut [f64]| {
            for (row, total) in entries.chunks_exact_mut(d.max(1)).zip(units) {
                let factor = unit(row.iter().fold(0.0, |m, x| m.max(x.abs())));
                row.iter_mut().for_each(|x| *x *= factor);
                *total *= factor;
            }
        };
        scale_rows(&mut entries, &mut row_units);
        if scale_columns {
            for (k, total) in column_units.iter_mut().enumerate() {
                let column = (0..n).map(|i| entries[i * d + k].abs());
                let factor = unit(column.fold(0.0, f64::max));
                (0..n).for_each(|i| entries[i * d + k] *= factor);
                *total = factor;
            }
            scale_rows(&mut entries, &mut row_units);
        }
        let b: Vec<f64> = b.iter().zip(&row_units).map(|(b, r)| b * r).collect();
        let unit = 1.0 / unit(b.iter().fold(0.0, |m, b| m.max(b.abs())));
        let b = b.iter().map(|b| b / unit).collect();
        Some(Scaled { count: n, dimension: d, entries, rows: row_units, columns: column_units, b, unit })
    }

    pub fn row(&self, i: usize) -> &[f64] {
        &self.entries[i * self.dimension..][..self.dimension]
    }
}

/// Σ a_k b_k for a in doubles.
pub(super) fn dot(a: &[f64], b: &[DoubleDouble]) -> DoubleDouble {
    a.iter().zip(b).fold(ZERO, |sum, (&a, &b)| sum + wide(a) * b)
}

pub(super) fn dot_wide(a: &[DoubleDouble], b: &[DoubleDouble]) -> DoubleDouble {
    a.iter().zip(b).fold(ZERO, |sum, (&a, &b)| sum + a * b)
}
