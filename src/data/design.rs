//! Design matrices X (samples × dimension) with many more coordinates than samples: dense, or ±1 packed
//! into bits, behind the three products that flows and limit problems need.

use ndarray::{Array2, ArrayView2};

use crate::error::{Error, Result, check_finite};
use crate::linalg::{Engine, Threads};

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
    /// d × n values.
    Double(Vec<f64>),
    /// The same in single precision, for data that are; sums are in double precision.
    Single(Vec<f32>),
    /// d × ⌈n/64⌉ words, a set bit is +1, a clear one −1; unused bits are clear.
    Signs(Vec<u64>),
}

impl Design {
    /// From an n × d matrix; one of only ±1 is packed into bits.
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
        let by_coordinate = x.t();
        let entries = if x.iter().all(|v| v.abs() == 1.0) {
            let words = samples.div_ceil(64);
            let mut bits = vec![0_u64; dimension * words];
            for (k, column) in by_coordinate.rows().into_iter().enumerate() {
                for (i, v) in column.iter().enumerate() {
                    bits[k * words + i / 64] |= u64::from(*v > 0.0) << (i % 64);
                }
            }
            Entries::Signs(bits)
        } else {
            Entries::Double(by_coordinate.iter().copied().collect())
        };
        Ok(Design { samples, dimension, entries })
    }

    /// From single-precision data, kept so: half the memory traffic.
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
        Ok(Design { samples, dimension, entries: Entries::Single(x.t().iter().copied().collect()) })
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
            Entries::Signs(bits) => {
                let words = self.samples.div_ceil(64);
                if bits[k * words + i / 64] >> (i % 64) & 1 == 1 { 1.0 } else { -1.0 }
            }
        }
    }

    /// out = X w, w of length d.
    pub fn apply(&self, w: &[f64], out: &mut [f64], _threads: Threads) {
        out.fill(0.0);
        for (k, w) in w.iter().enumerate() {
            for (i, out) in out.iter_mut().enumerate() {
                *out += w * self.entry(i, k);
            }
        }
    }

    /// out = Xᵀ r, r of length n.
    pub fn apply_transpose(&self, r: &[f64], out: &mut [f64], _threads: Threads) {
        for (k, out) in out.iter_mut().enumerate() {
            *out = r.iter().enumerate().map(|(i, r)| r * self.entry(i, k)).sum();
        }
    }

    /// out = X w with w = f(Xᵀ r), in one pass over the data. `f(first, z, w)` gets a block of
    /// consecutive coordinates: z = (Xᵀr)[first .. first + z.len()], and writes w there.
    pub fn through(
        &self,
        r: &[f64],
        out: &mut [f64],
        _threads: Threads,
        f: impl Fn(usize, &[f64], &mut [f64]) + Sync,
    ) {
        let mut z = vec![0.0; self.dimension];
        self.apply_transpose(r, &mut z, Threads::One);
        let mut w = vec![0.0; self.dimension];
        f(0, &z, &mut w);
        self.apply(&w, out, Threads::One);
    }

    /// X diag(weights) Xᵀ (n × n, both triangles), weights ≥ 0 of length d.
    pub fn weighted_gram(&self, weights: &[f64], threads: Threads) -> Array2<f64> {
        let scaled = Array2::from_shape_fn((self.samples, self.dimension), |(i, k)| {
            self.entry(i, k) * weights[k].sqrt()
        });
        Engine { threads, ..Engine::default() }.gram(scaled.view())
    }

    /// diag(y) X: each sample multiplied by its label; ±1 data with ±1 labels stay packed.
    ///
    /// # Errors
    /// As many labels as samples, and finite.
    pub fn signed(&self, y: &[f64]) -> Result<Design> {
        crate::error::check_shape("labels", &[y.len()], &[self.samples], "one label a sample")?;
        let x = Array2::from_shape_fn((self.samples, self.dimension), |(i, k)| y[i] * self.entry(i, k));
        Design::new(x.view())
    }
}
