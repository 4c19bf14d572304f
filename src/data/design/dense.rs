//! Dense data, in double or single precision; all arithmetic is in double precision.

use super::Columns;
use crate::linalg::vectorised;

/// Numbers are read as f64.
pub trait Number: Copy + Sync + Into<f64> {}
impl Number for f64 {}
impl Number for f32 {}

/// Coordinates taken together, so that r and the sums are read once for all of them.
const TOGETHER: usize = 4;

/// Partial sums of a product, in an order that does not depend on the width of the machine's vectors.
const LANES: usize = 4;

/// Bytes of data that stay in a core's cache between the two products of a block.
const CACHE: usize = 128 << 10;

pub struct Dense<'a, A> {
    samples: usize,
    entries: &'a [A],
}

impl<'a, A: Number> Dense<'a, A> {
    pub fn new(samples: usize, entries: &'a [A]) -> Self {
        Dense { samples, entries }
    }

    fn coordinates(&self, first: usize, count: usize) -> &'a [A] {
        &self.entries[first * self.samples..][..count * self.samples]
    }
}

impl<A: Number> Columns for Dense<'_, A> {
    type Prepared = Vec<f64>;
    type Sums = Vec<f64>;

    fn prepare(&self, r: &[f64]) -> Vec<f64> {
        r.to_vec()
    }

    fn dot(&self, first: usize, r: &Vec<f64>, z: &mut [f64]) {
        let columns = self.coordinates(first, z.len());
        vectorised(
            #[inline(always)]
            || dot(columns, r, z),
        );
    }

    fn sums(&self) -> Vec<f64> {
        vec![0.0; self.samples]
    }

    fn add(&self, first: usize, w: &[f64], sums: &mut Vec<f64>) {
        let columns = self.coordinates(first, w.len());
        vectorised(
            #[inline(always)]
            || add(columns, w, sums),
        );
    }

    fn finish(&self, sums: Vec<f64>, out: &mut [f64]) {
        out.iter_mut().zip(sums).for_each(|(out, sum)| *out += sum);
    }

    fn block(&self) -> usize {
        (CACHE / (size_of::<A>() * self.samples)).clamp(TOGETHER, 256).next_multiple_of(TOGETHER)
    }
}

#[inline(always)]
fn dot<A: Number>(columns: &[A], r: &[f64], z: &mut [f64]) {
    let n = r.len();
    let mut groups = columns.chunks_exact(TOGETHER * n);
    let mut results = z.chunks_exact_mut(TOGETHER);
    for (x, z) in (&mut groups).zip(&mut results) {
        z.copy_from_slice(&dot_together::<A, TOGETHER>(x, r));
    }
    for (x, z) in groups.remainder().chunks_exact(n).zip(results.into_remainder()) {
        [*z] = dot_together::<A, 1>(x, r);
    }
}

#[inline(always)]
fn dot_together<A: Number, const K: usize>(x: &[A], r: &[f64]) -> [f64; K] {
    let n = r.len();
    let columns: [&[A]; K] = std::array::from_fn(|k| &x[k * n..][..n]);
    let mut sums = [[0.0; LANES]; K];
    let whole = n / LANES * LANES;
    for i in (0..whole).step_by(LANES) {
        let r: [f64; LANES] = std::array::from_fn(|j| r[i + j]);
        for k in 0..K {
            let x = &columns[k][i..i + LANES];
            for j in 0..LANES {
                sums[k][j] += x[j].into() * r[j];
            }
        }
    }
    for i in whole..n {
        for k in 0..K {
            sums[k][i - whole] += columns[k][i].into() * r[i];
        }
    }
    sums.map(|s| (s[0] + s[1]) + (s[2] + s[3]))
}

#[inline(always)]
fn add<A: Number>(columns: &[A], w: &[f64], sums: &mut [f64]) {
    let n = sums.len();
    let mut groups = columns.chunks_exact(TOGETHER * n);
    let mut weights = w.chunks_exact(TOGETHER);
    for (x, w) in (&mut groups).zip(&mut weights) {
        add_together::<A, TOGETHER>(x, w, sums);
    }
    for (x, w) in groups.remainder().chunks_exact(n).zip(weights.remainder().chunks_exact(1)) {
        add_together::<A, 1>(x, w, sums);
    }
}

#[inline(always)]
fn add_together<A: Number, const K: usize>(x: &[A], w: &[f64], sums: &mut [f64]) {
    let n = sums.len();
    let columns: [&[A]; K] = std::array::from_fn(|k| &x[k * n..][..n]);
    let w: [f64; K] = std::array::from_fn(|k| w[k]);
    for i in 0..n {
        let mut sum = sums[i];
        for k in 0..K {
            sum += columns[k][i].into() * w[k];
        }
        sums[i] = sum;
    }
}
