//! Design matrices X (samples × dimension) with many more coordinates than samples: dense, or ±1 packed
//! into bits, behind the few products that flows and limit problems need.
//!
//! Every product is one pass over the data. Coordinates are cut into fixed chunks whose results are added
//! in order, so that the bits of a result do not depend on the number of threads. The products take
//! slices and write into slices, and panic where a length is wrong, as slices do.

mod dense;
mod gram;
mod signs;

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use crate::error::{Error, Result, check_finite, check_shape};
use crate::linalg::Threads;
use crate::memory;
use signs::Signs;

pub use gram::Precision;

/// Coordinates that one task works on.
const CHUNK: usize = 4096;

/// X ∈ R^{n×d}. Entries are stored by coordinate, the n values of one coordinate contiguous: one pass
/// over the data gives Xᵀr and, from it, X·f(Xᵀr).
#[derive(Clone, Debug)]
pub struct Design {
    samples: usize,
    dimension: usize,
    entries: Entries,
}

#[derive(Clone, Debug)]
enum Entries {
    Double(Vec<f64>),
    /// Data that are single-precision numbers: half the memory traffic; sums are in double precision.
    Single(Vec<f32>),
    Signs(Signs),
}

/// The two products on a block of coordinates, for one way of storing them. `Sums` collects X w over many
/// blocks before it is turned into n numbers.
trait Columns: Sync {
    /// r, prepared for many products with it.
    type Prepared: Sync;
    type Sums;
    fn prepare(&self, r: &[f64]) -> Self::Prepared;
    /// z_j = (Xᵀr)_{first+j}.
    fn dot(&self, first: usize, r: &Self::Prepared, z: &mut [f64]);
    fn sums(&self) -> Self::Sums;
    /// Adds Σ_j w_j X_{·,first+j}.
    fn add(&self, first: usize, w: &[f64], sums: &mut Self::Sums);
    /// The n sums, added to `out`.
    fn finish(&self, sums: Self::Sums, out: &mut [f64]);
    /// How many coordinates fit well into a cache.
    fn block(&self) -> usize;
}

impl Design {
    /// From an n × d matrix, without loss: ±1 data are packed into bits, and data that are all
    /// single-precision numbers are stored as such.
    ///
    /// # Errors
    /// Empty, or entries that are not finite.
    ///
    /// ```
    /// use groktime::data::design::Design;
    /// let x = Design::new(ndarray::array![[1.0, -1.0, 1.0], [-1.0, -1.0, 1.0]].view())?;
    /// assert!(x.is_packed());
    /// let mut out = [0.0; 2];
    /// x.apply(&[1.0, 2.0, 3.0], &mut out, Default::default());
    /// assert_eq!(out, [2.0, 0.0]);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    pub fn new(x: ArrayView2<'_, f64>) -> Result<Self> {
        check_finite("data", x)?;
        let (samples, dimension) = x.dim();
        memory::check_array("the data by coordinates", &[samples, dimension])?;
        let entries = if x.iter().all(|v| v.abs() == 1.0) {
            Entries::Signs(Signs::new(samples, dimension, |i, k| x[(i, k)] > 0.0))
        } else if x.iter().all(|&v| f64::from(v as f32) == v) {
            Entries::Single(by_coordinate(x, |v| v as f32))
        } else {
            Entries::Double(by_coordinate(x, |v| v))
        };
        Ok(Design { samples, dimension, entries })
    }

    /// From single-precision data, kept so.
    ///
    /// # Errors
    /// Empty, or entries that are not finite.
    pub fn single(x: ArrayView2<'_, f32>) -> Result<Self> {
        let (samples, dimension) = x.dim();
        if x.is_empty() {
            return Err(Error::Empty { name: "data", shape: vec![samples, dimension] });
        }
        if let Some((index, &value)) = x.indexed_iter().find(|(_, v)| !v.is_finite()) {
            let index = vec![index.0, index.1];
            return Err(Error::NotFinite { name: "data", index, value: f64::from(value) });
        }
        Ok(Design { samples, dimension, entries: Entries::Single(by_coordinate(x, |v| v)) })
    }

    /// ±1 data given bit by bit: `plus(i, k)` says whether X_ik = +1; asked coordinate by coordinate, the
    /// samples of one in order.
    ///
    /// # Errors
    /// No sample or no coordinate.
    ///
    /// ```
    /// use groktime::data::design::Design;
    /// let x = Design::signs(3, 2, |i, k| i == k)?;
    /// assert_eq!([x.entry(0, 0), x.entry(1, 0), x.entry(1, 1)], [1.0, -1.0, 1.0]);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    pub fn signs(samples: usize, dimension: usize, plus: impl FnMut(usize, usize) -> bool) -> Result<Self> {
        if samples == 0 || dimension == 0 {
            return Err(Error::Empty { name: "data", shape: vec![samples, dimension] });
        }
        memory::check_array("the signs, in words of 64 samples", &[samples.div_ceil(64), dimension])?;
        Ok(Design { samples, dimension, entries: Entries::Signs(Signs::new(samples, dimension, plus)) })
    }

    /// n.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// d.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Whether the data are ±1 and stored as bits.
    pub fn is_packed(&self) -> bool {
        matches!(self.entries, Entries::Signs(_))
    }

    /// X_ik.
    pub fn entry(&self, i: usize, k: usize) -> f64 {
        match &self.entries {
            Entries::Double(x) => x[k * self.samples + i],
            Entries::Single(x) => f64::from(x[k * self.samples + i]),
            Entries::Signs(x) => x.entry(i, k),
        }
    }

    /// The n values of coordinate k, into `out`.
    pub fn coordinate(&self, k: usize, out: &mut [f64]) {
        for (i, out) in out.iter_mut().enumerate() {
            *out = self.entry(i, k);
        }
    }

    /// out = X w, w of length d.
    pub fn apply(&self, w: &[f64], out: &mut [f64], threads: Threads) {
        assert_eq!(w.len(), self.dimension, "w has one entry a coordinate");
        match &self.entries {
            Entries::Double(x) => apply(&dense::Dense::new(self.samples, x), w, out, threads),
            Entries::Single(x) => apply(&dense::Dense::new(self.samples, x), w, out, threads),
            Entries::Signs(x) => apply(x, w, out, threads),
        }
    }

    /// out = Xᵀ r, r of length n.
    pub fn apply_transpose(&self, r: &[f64], out: &mut [f64], threads: Threads) {
        assert_eq!(r.len(), self.samples, "r has one entry a sample");
        assert_eq!(out.len(), self.dimension, "the product has one entry a coordinate");
        match &self.entries {
            Entries::Double(x) => apply_transpose(&dense::Dense::new(self.samples, x), r, out, threads),
            Entries::Single(x) => apply_transpose(&dense::Dense::new(self.samples, x), r, out, threads),
            Entries::Signs(x) => apply_transpose(x, r, out, threads),
        }
    }

    /// max |X_ik|.
    pub(crate) fn largest_entry(&self) -> f64 {
        match &self.entries {
            Entries::Double(x) => x.iter().fold(0.0, |most, x| x.abs().max(most)),
            Entries::Single(x) => x.iter().fold(0.0, |most, x| f64::from(x.abs()).max(most)),
            Entries::Signs(_) => 1.0,
        }
    }

    /// out = X w with w = f(Xᵀ r), in one pass over the data. `f(first, z, w)` gets a block of
    /// consecutive coordinates: z = (Xᵀr)[first .. first + z.len()], and writes w there.
    ///
    /// ```
    /// use groktime::data::design::Design;
    /// let x = Design::new(ndarray::array![[1.0, 2.0], [0.5, -1.0]].view())?;
    /// let mut out = [0.0; 2];
    /// x.through(&[1.0, 1.0], &mut out, Default::default(), |_, z, w| w.copy_from_slice(z));
    /// assert_eq!(out, [3.5, -0.25]); // X Xᵀ r
    /// # Ok::<(), groktime::Error>(())
    /// ```
    pub fn through(
        &self,
        r: &[f64],
        out: &mut [f64],
        threads: Threads,
        f: impl Fn(usize, &[f64], &mut [f64]) + Sync,
    ) {
        assert_eq!(r.len(), self.samples, "r has one entry a sample");
        let d = self.dimension;
        match &self.entries {
            Entries::Double(x) => through(&dense::Dense::new(self.samples, x), d, r, out, threads, f),
            Entries::Single(x) => through(&dense::Dense::new(self.samples, x), d, r, out, threads, f),
            Entries::Signs(x) => through(x, d, r, out, threads, f),
        }
    }

    /// out_i = Σ_k X_ik² w_k; of ±1 data the sum of the weights.
    ///
    /// ```
    /// use groktime::data::design::Design;
    /// let x = Design::new(ndarray::array![[1.0, 2.0], [0.5, -1.0]].view())?;
    /// let mut out = [0.0; 2];
    /// x.apply_squares(&[4.0, 1.0], &mut out, Default::default());
    /// assert_eq!(out, [8.0, 2.0]);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    pub fn apply_squares(&self, w: &[f64], out: &mut [f64], threads: Threads) {
        assert_eq!(w.len(), self.dimension, "w has one entry a coordinate");
        let n = self.samples;
        match &self.entries {
            Entries::Signs(_) => out.fill(w.iter().sum()),
            Entries::Double(x) => in_chunks(w.len(), out, threads, |first, last, out| {
                add_squares(&x[first * n..last * n], &w[first..last], out, |x| x);
            }),
            Entries::Single(x) => in_chunks(w.len(), out, threads, |first, last, out| {
                add_squares(&x[first * n..last * n], &w[first..last], out, f64::from);
            }),
        }
    }

    /// diag(y) X: each sample multiplied by its label; with ±1 labels the data keep their form.
    ///
    /// # Errors
    /// As many labels as samples, and finite.
    pub fn signed(&self, y: &[f64]) -> Result<Design> {
        check_shape("labels", &[y.len()], &[self.samples], "one label a sample")?;
        check_finite("labels", ndarray::aview1(y))?;
        let (samples, dimension) = (self.samples, self.dimension);
        let only_signs = y.iter().all(|y| y.abs() == 1.0);
        let entries = match &self.entries {
            Entries::Signs(x) if only_signs => Entries::Signs(x.signed(y)),
            Entries::Single(x) if only_signs => {
                let columns = x.chunks_exact(samples);
                Entries::Single(columns.flat_map(|x| x.iter().zip(y).map(|(x, &y)| x * y as f32)).collect())
            }
            _ => {
                let mut x = vec![0.0; samples * dimension];
                for (k, column) in x.chunks_exact_mut(samples).enumerate() {
                    for (i, (x, y)) in column.iter_mut().zip(y).enumerate() {
                        *x = y * self.entry(i, k);
                    }
                }
                check_finite("labelled data", ndarray::aview1(&x))?;
                Entries::Double(x)
            }
        };
        Ok(Design { samples, dimension, entries })
    }

    /// X as an n × d matrix, for small problems.
    pub fn to_matrix(&self) -> Array2<f64> {
        Array2::from_shape_fn((self.samples, self.dimension), |(i, k)| self.entry(i, k))
    }
}

/// The entries coordinate by coordinate, read in tiles that stay in the cache whichever way `x` is stored.
fn by_coordinate<A: Copy, B: Copy + Default>(x: ArrayView2<'_, A>, convert: impl Fn(A) -> B) -> Vec<B> {
    const TILE: usize = 64;
    let (n, d) = x.dim();
    let mut out = vec![B::default(); n * d];
    for (tile, columns) in out.chunks_mut(TILE * n).enumerate() {
        for i in 0..n {
            for j in 0..columns.len() / n {
                columns[j * n + i] = convert(x[(i, tile * TILE + j)]);
            }
        }
    }
    out
}

fn add_squares<A: Copy>(columns: &[A], w: &[f64], out: &mut [f64], wide: impl Fn(A) -> f64) {
    for (column, w) in columns.chunks_exact(out.len()).zip(w) {
        for (out, &x) in out.iter_mut().zip(column) {
            *out += w * wide(x) * wide(x);
        }
    }
}

fn apply<C: Columns>(x: &C, w: &[f64], out: &mut [f64], threads: Threads) {
    in_chunks(w.len(), out, threads, |first, last, out| {
        let mut sums = x.sums();
        x.add(first, &w[first..last], &mut sums);
        x.finish(sums, out);
    });
}

fn apply_transpose<C: Columns>(x: &C, r: &[f64], out: &mut [f64], threads: Threads) {
    let r = x.prepare(r);
    let task = |(chunk, z): (usize, &mut [f64])| x.dot(chunk * CHUNK, &r, z);
    match threads {
        Threads::One => out.chunks_mut(CHUNK).enumerate().for_each(task),
        Threads::All => out.par_chunks_mut(CHUNK).enumerate().for_each(task),
    }
}

fn through<C: Columns>(
    x: &C,
    dimension: usize,
    r: &[f64],
    out: &mut [f64],
    threads: Threads,
    f: impl Fn(usize, &[f64], &mut [f64]) + Sync,
) {
    let r = x.prepare(r);
    let block = x.block();
    in_chunks(dimension, out, threads, |first, last, out| {
        let mut sums = x.sums();
        let (mut z, mut w) = (vec![0.0; block], vec![0.0; block]);
        for start in (first..last).step_by(block) {
            let size = block.min(last - start);
            x.dot(start, &r, &mut z[..size]);
            f(start, &z[..size], &mut w[..size]);
            x.add(start, &w[..size], &mut sums);
        }
        x.finish(sums, out);
    });
}

/// Adds up what `task(first, last, out)` adds to zeros for each chunk of the coordinates, in their order.
fn in_chunks(
    dimension: usize,
    out: &mut [f64],
    threads: Threads,
    task: impl Fn(usize, usize, &mut [f64]) + Sync,
) {
    let n = out.len();
    let of_chunk = |chunk: usize| {
        let mut part = vec![0.0; n];
        task(chunk * CHUNK, dimension.min((chunk + 1) * CHUNK), &mut part);
        part
    };
    out.fill(0.0);
    let mut collect = |part: Vec<f64>| out.iter_mut().zip(part).for_each(|(out, part)| *out += part);
    let chunks = 0..dimension.div_ceil(CHUNK);
    match threads {
        Threads::One => chunks.map(of_chunk).for_each(collect),
        Threads::All if chunks.len() == 1 => collect(of_chunk(0)),
        Threads::All => {
            let parts: Vec<_> = chunks.into_par_iter().map(of_chunk).collect();
            parts.into_iter().for_each(collect);
        }
    }
}
