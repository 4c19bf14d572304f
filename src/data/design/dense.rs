//! Dense data, in double or single precision; all arithmetic is in double precision.

use super::Columns;
use crate::linalg::vectorised;

/// Numbers are read as f64.
pub trait Number: Copy + Sync + Into<f64> {}
impl Number for f64 {}
impl Number for f32 {}

/// Partial sums of a product, in an order that does not depend on the width of the machine's vectors.
const LANES: usize = 16;

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
        (CACHE / (size_of::<A>() * self.samples)).clamp(1, 256)
    }
}

// One coordinate after the other: data that are larger than the caches come in one stream then, which memory
// delivers half as fast again as four that take turns.

#[inline(always)]
fn dot<A: Number>(columns: &[A], r: &[f64], z: &mut [f64]) {
    let (r_lanes, r_rest) = r.as_chunks::<LANES>();
    for (z, x) in z.iter_mut().zip(columns.chunks_exact(r.len())) {
        let (x, rest) = x.as_chunks::<LANES>();
        let mut sums = [0.0; LANES];
        for (x, r) in x.iter().zip(r_lanes) {
            (0..LANES).for_each(|j| sums[j] += x[j].into() * r[j]);
        }
        sums.iter_mut().zip(rest).zip(r_rest).for_each(|((sum, &x), r)| *sum += x.into() * r);
        *z = sums.iter().sum();
    }
}

#[inline(always)]
fn add<A: Number>(columns: &[A], w: &[f64], sums: &mut [f64]) {
    for (x, w) in columns.chunks_exact(sums.len()).zip(w) {
        sums.iter_mut().zip(x).for_each(|(sum, &x)| *sum += x.into() * w);
    }
}
