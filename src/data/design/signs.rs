//! ±1 data as bits. Eight samples of a coordinate are a byte, and a byte has 256 values: their partial
//! sums are tabulated for Xᵀr, and weights with the same byte are added first for X w ("four Russians").

use ndarray::Array2;
use rayon::prelude::*;

use super::Columns;
use crate::linalg::{Threads, mirror_lower, vectorised};

/// A set bit is +1, a clear one −1; the bits past the last sample are clear.
#[derive(Clone, Debug)]
pub struct Signs {
    samples: usize,
    /// A coordinate has ⌈n/64⌉ words.
    words: Vec<u64>,
}

/// Words of each sample that are compared at a time.
const STRIP: usize = 64;

/// One value for each byte.
type Table = [f64; 256];

impl Signs {
    pub fn new(samples: usize, dimension: usize, mut plus: impl FnMut(usize, usize) -> bool) -> Self {
        let stride = samples.div_ceil(64);
        let mut words = vec![0_u64; dimension * stride];
        for (k, words) in words.chunks_exact_mut(stride).enumerate() {
            for i in 0..samples {
                words[i / 64] |= u64::from(plus(i, k)) << (i % 64);
            }
        }
        Signs { samples, words }
    }

    pub fn entry(&self, i: usize, k: usize) -> f64 {
        let word = self.words[k * self.stride() + i / 64];
        if word >> (i % 64) & 1 == 1 { 1.0 } else { -1.0 }
    }

    /// Samples with a negative label change sign.
    pub fn signed(&self, y: &[f64]) -> Self {
        let stride = self.stride();
        let flip = Signs::new(self.samples, 1, |i, _| y[i] < 0.0).words;
        let words = self.words.chunks_exact(stride).flat_map(|w| w.iter().zip(&flip).map(|(w, f)| w ^ f));
        Signs { samples: self.samples, words: words.collect() }
    }

    fn stride(&self) -> usize {
        self.samples.div_ceil(64)
    }

    fn coordinates(&self, first: usize) -> std::slice::ChunksExact<'_, u64> {
        self.words[first * self.stride()..].chunks_exact(self.stride())
    }

    /// The words of coordinate k.
    pub fn coordinate(&self, k: usize) -> &[u64] {
        &self.words[k * self.stride()..][..self.stride()]
    }

    /// X Xᵀ: d less twice the number of coordinates in which two samples differ, strip by strip of coordinates.
    pub fn gram(&self, threads: Threads) -> Array2<f64> {
        let (n, d) = (self.samples, self.words.len() / self.stride());
        let mut gram = Array2::from_elem((n, n), d as f64);
        let strip = STRIP.min(d.div_ceil(64));
        let mut rows = vec![0; 64 * self.stride() * strip];
        for first in (0..d.div_ceil(64)).step_by(strip) {
            self.by_sample(first, strip, &mut rows);
            let subtract = |(i, gram): (usize, &mut [f64])| {
                vectorised(
                    #[inline(always)]
                    || {
                        let row = &rows[i * strip..][..strip];
                        for (entry, other) in gram[..=i].iter_mut().zip(rows.chunks_exact(strip)) {
                            *entry -= 2.0 * f64::from(differing_bits(row, other));
                        }
                    },
                );
            };
            let gram = gram.as_slice_mut().unwrap_or_default();
            match threads {
                Threads::One => gram.chunks_mut(n).enumerate().for_each(subtract),
                Threads::All => gram.par_chunks_mut(n).enumerate().for_each(subtract),
            }
        }
        mirror_lower(&mut gram);
        gram
    }

    /// The transposed bits of the coordinates from 64·first on, `strip` words for each of 64·⌈n/64⌉ samples;
    /// zeros past the last coordinate.
    fn by_sample(&self, first: usize, strip: usize, rows: &mut [u64]) {
        for group in 0..strip {
            let words = self.words.get(64 * (first + group) * self.stride()..).unwrap_or_default();
            for word in 0..self.stride() {
                let mut square = [0; 64];
                for (bits, coordinate) in square.iter_mut().zip(words.chunks_exact(self.stride())) {
                    *bits = coordinate[word];
                }
                transpose(&mut square);
                for (i, bits) in square.into_iter().enumerate() {
                    rows[(64 * word + i) * strip + group] = bits;
                }
            }
        }
    }
}

#[inline(always)]
fn differing_bits(a: &[u64], b: &[u64]) -> u32 {
    let mut count = 0;
    for (a, b) in a.iter().zip(b) {
        count += (a ^ b).count_ones();
    }
    count
}

/// Transposes 64 × 64 bits: off-diagonal squares of 32, 16, …, 1 bits change places.
fn transpose(square: &mut [u64; 64]) {
    let mut mask = u64::MAX >> 32;
    let mut half = 32;
    while half > 0 {
        for i in (0..64).filter(|i| i & half == 0) {
            let swapped = (square[i] >> half ^ square[i + half]) & mask;
            square[i] ^= swapped << half;
            square[i + half] ^= swapped;
        }
        half /= 2;
        mask ^= mask << half;
    }
}

/// Adds `plus` to `minus`; gives Σ(plus − minus) as it was before.
#[inline(always)]
fn fold(minus: &mut [f64], plus: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    for (minus, plus) in minus.chunks_mut(8).zip(plus.chunks(8)) {
        for ((lane, minus), plus) in lanes.iter_mut().zip(minus).zip(plus) {
            *lane += plus - *minus;
            *minus += plus;
        }
    }
    lanes.iter().sum()
}

impl Columns for Signs {
    type Prepared = Vec<Table>;
    type Sums = Vec<Table>;

    /// A table for each byte: Σ ±r over its eight samples, with the signs of the index.
    fn prepare(&self, r: &[f64]) -> Vec<Table> {
        let mut tables = vec![[0.0; 256]; 8 * self.stride()];
        vectorised(
            #[inline(always)]
            || {
                for (table, r) in tables.iter_mut().zip(r.chunks(8)) {
                    for (j, r) in r.iter().enumerate() {
                        let (minus, plus) = table.split_at_mut(1 << j);
                        for (minus, plus) in minus.iter_mut().zip(plus) {
                            *plus = *minus + r;
                            *minus -= r;
                        }
                    }
                }
            },
        );
        tables
    }

    fn dot(&self, first: usize, tables: &Vec<Table>, z: &mut [f64]) {
        for (z, words) in z.iter_mut().zip(self.coordinates(first)) {
            let mut sums = [0.0; 4];
            for (word, tables) in words.iter().zip(tables.as_chunks::<8>().0) {
                let bytes = word.to_le_bytes();
                for j in 0..8 {
                    sums[j % 4] += tables[j][usize::from(bytes[j])];
                }
            }
            *z = (sums[0] + sums[1]) + (sums[2] + sums[3]);
        }
    }

    /// For each byte of a coordinate, the sum of the weights that have each of its values there.
    fn sums(&self) -> Vec<Table> {
        vec![[0.0; 256]; 8 * self.stride()]
    }

    fn add(&self, first: usize, w: &[f64], sums: &mut Vec<Table>) {
        for (w, words) in w.iter().zip(self.coordinates(first)) {
            for (word, tables) in words.iter().zip(sums.as_chunks_mut::<8>().0) {
                let bytes = word.to_le_bytes();
                for j in 0..8 {
                    tables[j][usize::from(bytes[j])] += w;
                }
            }
        }
    }

    /// Sample j of a byte gets the weights whose bit j is set, less the others. The highest bit first:
    /// then the two halves of the table are added, and the next bit is the highest.
    fn finish(&self, mut sums: Vec<Table>, out: &mut [f64]) {
        vectorised(
            #[inline(always)]
            || {
                for (table, out) in sums.iter_mut().zip(out.chunks_mut(8)) {
                    for j in (0..8).rev() {
                        let (minus, plus) = table[..2 << j].split_at_mut(1 << j);
                        let difference = fold(minus, plus);
                        if let Some(out) = out.get_mut(j) {
                            *out += difference;
                        }
                    }
                }
            },
        );
    }

    fn block(&self) -> usize {
        256
    }
}
