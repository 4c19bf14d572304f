//! Vectors of dyadic rationals in integers, and ranks without division: nothing here is rounded.

use dashu_int::IBig;
use dashu_int::ops::BitTest;

/// Integers times a common power of two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integers {
    pub values: Vec<IBig>,
    pub exponent: i64,
}

impl Integers {
    /// Exactly these numbers (finite).
    pub fn new<'a>(numbers: impl IntoIterator<Item = &'a f64>) -> Integers {
        let parts: Vec<(i64, i64)> = numbers.into_iter().map(|&x| parts(x)).collect();
        let exponent = parts.iter().filter(|p| p.0 != 0).map(|p| p.1).min().unwrap_or(0);
        let one = |&(significand, e): &(i64, i64)| match significand {
            0 => IBig::ZERO,
            s => IBig::from(s) << (e - exponent) as usize,
        };
        Integers { values: parts.iter().map(one).collect(), exponent }
    }

    /// One number.
    pub fn scalar(x: f64) -> Integers {
        Integers::new(&[x])
    }

    pub fn zeros(length: usize) -> Integers {
        Integers { values: vec![IBig::ZERO; length], exponent: 0 }
    }

    pub fn is_zero(&self) -> bool {
        self.values.iter().all(IBig::is_zero)
    }

    /// Bits of the largest integer.
    pub fn bits(&self) -> usize {
        self.values.iter().map(BitTest::bit_len).max().unwrap_or(0)
    }

    /// The inner product, of one entry.
    pub fn dot(&self, other: &Integers) -> Integers {
        let sum = self.values.iter().zip(&other.values).map(|(a, b)| a * b).sum();
        Integers { values: vec![sum], exponent: self.exponent + other.exponent }
    }

    /// All entries times a number of one entry.
    pub fn times(&self, scalar: &Integers) -> Integers {
        let factor = &scalar.values[0];
        let values = self.values.iter().map(|x| x * factor).collect();
        Integers { values, exponent: self.exponent + scalar.exponent }
    }

    /// self + sign·other.
    fn combined(&self, other: &Integers, subtract: bool) -> Integers {
        if other.is_zero() {
            return self.clone();
        }
        let exponent = match self.is_zero() {
            true => other.exponent,
            false => self.exponent.min(other.exponent),
        };
        let shift = |x: &IBig, e: i64| if x.is_zero() { IBig::ZERO } else { x << (e - exponent) as usize };
        let values = self.values.iter().zip(&other.values).map(|(a, b)| {
            let (a, b) = (shift(a, self.exponent), shift(b, other.exponent));
            if subtract { a - b } else { a + b }
        });
        Integers { values: values.collect(), exponent }.reduced()
    }

    pub fn plus(&self, other: &Integers) -> Integers {
        self.combined(other, false)
    }

    pub fn minus(&self, other: &Integers) -> Integers {
        self.combined(other, true)
    }

    /// Common powers of two moved to the exponent.
    fn reduced(mut self) -> Integers {
        let common = self.values.iter().filter_map(IBig::trailing_zeros).min().unwrap_or(0);
        if common > 0 {
            self.values.iter_mut().for_each(|x| *x >>= common);
            self.exponent += common as i64;
        }
        self
    }

    /// The sign of the one entry.
    pub fn sign(&self) -> std::cmp::Ordering {
        self.values[0].cmp(&IBig::ZERO)
    }
}

/// x = significand·2^exponent.
fn parts(x: f64) -> (i64, i64) {
    let bits = x.to_bits();
    let biased = (bits >> 52 & 0x7ff) as i64;
    let fraction = (bits & ((1 << 52) - 1)) as i64;
    let (significand, exponent) = match biased {
        0 => (fraction, -1074),
        _ => (fraction | 1 << 52, biased - 1075),
    };
    if significand == 0 {
        return (0, 0);
    }
    let zeros = significand.trailing_zeros();
    let magnitude = significand >> zeros;
    (if x < 0.0 { -magnitude } else { magnitude }, exponent + i64::from(zeros))
}

/// Rows over one common power of two, as a matrix of integers.
pub fn aligned(rows: &[Integers]) -> Vec<Vec<IBig>> {
    let exponent = rows.iter().filter(|r| !r.is_zero()).map(|r| r.exponent).min().unwrap_or(0);
    let row = |r: &Integers| -> Vec<IBig> {
        let shift = (r.exponent - exponent).max(0) as usize;
        r.values.iter().map(|x| x << shift).collect()
    };
    rows.iter().map(row).collect()
}

/// The rank of an integer matrix by elimination without fractions (Bareiss): every division is exact, and
/// entries stay minors of the matrix. `None` when that would take more than `effort` products of words.
pub fn rank(mut a: Vec<Vec<IBig>>, mut effort: f64) -> Option<usize> {
    let (rows, columns) = (a.len(), a.first().map_or(0, Vec::len));
    let mut previous = IBig::ONE;
    let mut rank = 0;
    for column in 0..columns {
        let Some(pivot) = (rank..rows).find(|&i| !a[i][column].is_zero()) else { continue };
        a.swap(rank, pivot);
        let (done, rest) = a.split_at_mut(rank + 1);
        let top = &done[rank];
        let words = 1.0 + top.iter().map(BitTest::bit_len).max().unwrap_or(0) as f64 / 64.0;
        effort -= (3 * rest.len() * (columns - column)) as f64 * (words * words + 4.0);
        if effort < 0.0 {
            return None;
        }
        for row in rest {
            for j in column + 1..columns {
                row[j] = (&row[j] * &top[column] - &row[column] * &top[j]) / &previous;
            }
            row[column] = IBig::ZERO;
        }
        previous = top[column].clone();
        rank += 1;
        if rank == rows {
            break;
        }
    }
    Some(rank)
}
