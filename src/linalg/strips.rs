//! Sums of products Σ_k l_k r_kᵀ in f64, for the large symmetric matrices: A Aᵀ, and what brings a matrix to
//! band form.
//!
//! Rows are laid out in strips as wide as a vector, a few hundred products deep. Three strips of the left
//! factor, as vectors, times the entries of one of the right make a tile of sums that stay in registers. Each
//! entry is summed in the same order on any number of threads.

use ndarray::{ArrayView2, Axis};
use pulp::bytemuck::cast_slice;
use pulp::{Arch, NullaryFnOnce, Simd, WithSimd};
use rayon::prelude::*;

use super::Threads;

/// Largest depth: a strip (24 KB with AVX-512) stays in the first-level cache.
pub const DEPTH: usize = 384;
/// Strips of the left that stay in the second-level cache (0.3 MB) while those of the right pass.
const GROUP: usize = 12;
/// Most strips of the right that are one task's, and tasks a thread should have to choose from: they differ in size.
const TASK: usize = 16;
const TASKS: usize = 4;

/// Rows of a strip: f64 in a vector of this machine, where these are four (AVX2) or eight (AVX-512). Wherever a
/// strip is spoken of, L is this.
pub fn width() -> Option<usize> {
    struct Lanes;
    impl WithSimd for Lanes {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F64_LANES
        }
    }
    Some(Arch::new().dispatch(Lanes)).filter(|lanes| matches!(lanes, 4 | 8))
}

/// Strips of a tile's left side: the sums, three vectors and an entry of the right fill 28 of 32 registers with
/// AVX-512, two vectors and an entry 11 of 16 with AVX2.
pub const fn tall<const L: usize>() -> usize {
    if L == 8 { 3 } else { 2 }
}

/// Runs `work` with vectors of L.
pub fn dispatch<const L: usize, W: WithSimd>(work: W) -> W::Output {
    // A machine with longer vectors has these too (the tests ask for them).
    #[cfg(target_arch = "x86_64")]
    if let (4, Some(short)) = (L, pulp::x86::V3::try_new()) {
        return Simd::vectorize(short, work);
    }
    Arch::new().dispatch(work)
}

/// The lower triangle of A Aᵀ by columns, zeros above it; nothing where the machine's vectors have no kernel.
pub fn lower_gram(a: ArrayView2<'_, f64>, threads: Threads) -> Option<Vec<f64>> {
    match width()? {
        8 => Some(lower_gram_of::<8>(a, threads)),
        _ => Some(lower_gram_of::<4>(a, threads)),
    }
}

fn lower_gram_of<const L: usize>(a: ArrayView2<'_, f64>, threads: Threads) -> Vec<f64> {
    let (n, m) = a.dim();
    let mut gram = vec![0.0; n * n];
    if n == 0 || m == 0 {
        return gram;
    }
    let depth = m.div_ceil(m.div_ceil(DEPTH));
    let mut memory = Aligned::new(n.div_ceil(L) * L * depth);
    for columns in a.axis_chunks_iter(Axis(1), depth) {
        let depth = columns.ncols();
        let strips = &mut memory.entries()[..n.div_ceil(L) * L * depth];
        let pack = |(p, strip): (usize, &mut [f64])| {
            let rows = columns.slice_axis(Axis(0), (p * L..n.min((p + 1) * L)).into());
            fill::<L>(rows, strip.as_chunks_mut().0);
        };
        match threads {
            Threads::One => strips.chunks_mut(L * depth).enumerate().for_each(pack),
            Threads::All => strips.par_chunks_mut(L * depth).enumerate().for_each(pack),
        }
        add_lower::<L>(&mut gram, Place { size: n, stride: n, row: 0 }, strips, strips, depth, threads);
    }
    gram
}

/// Entry (i, k) of up to L rows at place i of entry k; zeros beyond the last row.
pub fn fill<const L: usize>(rows: ArrayView2<'_, f64>, strip: &mut [[f64; L]]) {
    let slices: [Option<&[f64]>; L] =
        std::array::from_fn(|l| if l < rows.nrows() { rows.row(l).to_slice() } else { None });
    if slices.iter().all(Option::is_some) {
        let slices = slices.map(|s| &s.unwrap_or_default()[..strip.len()]);
        for (k, entry) in strip.iter_mut().enumerate() {
            *entry = std::array::from_fn(|l| slices[l][k]);
        }
    } else {
        for (entry, column) in strip.iter_mut().zip(rows.columns()) {
            *entry = [0.0; L];
            entry.iter_mut().zip(column).for_each(|(entry, x)| *entry = *x);
        }
    }
}

/// Numbers that begin on a cache line.
pub struct Aligned {
    memory: Vec<f64>,
    start: usize,
    length: usize,
}

impl Aligned {
    pub fn new(length: usize) -> Self {
        let memory = vec![0.0; length + 7];
        let start = memory.as_ptr().align_offset(64).min(7);
        Aligned { memory, start, length }
    }

    pub fn entries(&mut self) -> &mut [f64] {
        &mut self.memory[self.start..self.start + self.length]
    }
}

/// Where sums are added: `size` rows, the first at `row` of columns that are `stride` apart.
#[derive(Clone, Copy)]
pub struct Place {
    pub size: usize,
    pub stride: usize,
    pub row: usize,
}

/// Adds Σ_k l_k r_kᵀ to the lower triangle of a square block, whose first column begins `out`.
pub fn add_lower<const L: usize>(
    out: &mut [f64],
    place: Place,
    left: &[f64],
    right: &[f64],
    depth: usize,
    threads: Threads,
) {
    let out = &mut out[..place.size * place.stride];
    let strips = match threads {
        Threads::One => TASK,
        Threads::All => place.size.div_ceil(L * TASKS * rayon::current_num_threads()).min(TASK),
    };
    let task = |(t, out): (usize, &mut [f64])| {
        dispatch::<L, _>(Lower::<L> { out, place, left, right, depth, first: t * strips })
    };
    let chunk = strips * L * place.stride;
    match threads {
        Threads::One => out.chunks_mut(chunk).enumerate().for_each(task),
        Threads::All => out.par_chunks_mut(chunk).enumerate().with_max_len(1).for_each(task),
    }
}

/// The columns of one task, from those of strip `first` on.
struct Lower<'a, const L: usize> {
    out: &'a mut [f64],
    place: Place,
    left: &'a [f64],
    right: &'a [f64],
    depth: usize,
    first: usize,
}

impl<const L: usize> WithSimd for Lower<'_, L> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Lower { out, place, left, right, depth, first } = self;
        let length = L * depth;
        let count = left.len() / length;
        for group in (first..count).step_by(GROUP) {
            for (r, columns) in (first..).zip(out.chunks_mut(L * place.stride)) {
                let right = &right[r * length..][..length];
                let end = count.min(group + GROUP);
                let mut l = group.max(r);
                while l < end {
                    let tall = tall::<L>().min(end - l);
                    let left = &left[l * length..][..tall * length];
                    tile::<S, L>(s, left, right, columns, place, l * L, Some(r * L));
                    l += tall;
                }
            }
        }
    }
}

/// Adds to L columns what up to three left strips and a right one make. The rows begin at `row`; with a
/// `diagonal`, those of column c at `diagonal` + c if that is lower.
#[inline(always)]
pub fn tile<S: Simd, const L: usize>(
    s: S,
    left: &[f64],
    right: &[f64],
    columns: &mut [f64],
    place: Place,
    row: usize,
    diagonal: Option<usize>,
) {
    let right = right.as_chunks::<L>().0;
    match left.len() / (L * right.len()) {
        3 => tile_of::<S, L, 3>(s, left, right, columns, place, row, diagonal),
        2 => tile_of::<S, L, 2>(s, left, right, columns, place, row, diagonal),
        _ => tile_of::<S, L, 1>(s, left, right, columns, place, row, diagonal),
    }
}

#[inline(always)]
fn tile_of<S: Simd, const L: usize, const V: usize>(
    s: S,
    left: &[f64],
    right: &[[f64; L]],
    columns: &mut [f64],
    place: Place,
    row: usize,
    diagonal: Option<usize>,
) {
    let sums = s.vectorize(Products::<S, L, V> { s, left, right });
    let end = place.size.min(row + V * L);
    for (c, (column, sums)) in columns.chunks_mut(place.stride).zip(&sums).enumerate() {
        let start = diagonal.map_or(row, |d| row.max(d + c));
        let column = &mut column[place.row..];
        if start == row && end == row + V * L {
            let places = S::as_mut_simd_f64s(&mut column[row..end]).0;
            places.iter_mut().zip(sums).for_each(|(y, x)| *y = s.add_f64s(*y, *x));
        } else if start < end {
            let sums: &[f64] = cast_slice(sums);
            column[start..end].iter_mut().zip(&sums[start - row..]).for_each(|(y, x)| *y += x);
        }
    }
}

/// A tile of Σ_k l_k r_kᵀ, column by column. A function of its own, so that the sums stay in registers.
struct Products<'a, S: Simd, const L: usize, const V: usize> {
    s: S,
    left: &'a [f64],
    right: &'a [[f64; L]],
}

impl<S: Simd, const L: usize, const V: usize> NullaryFnOnce for Products<'_, S, L, V> {
    type Output = [[S::f64s; V]; L];

    #[inline(always)]
    fn call(self) -> Self::Output {
        let Products { s, left, right } = self;
        let length = L * right.len();
        let left: [&[S::f64s]; V] = std::array::from_fn(|v| S::as_simd_f64s(&left[v * length..][..length]).0);
        let mut sums = [[s.splat_f64s(0.0); V]; L];
        for (k, right) in right.iter().enumerate() {
            let left: [S::f64s; V] = std::array::from_fn(|v| left[v][k]);
            for c in 0..L {
                let x = s.splat_f64s(right[c]);
                for v in 0..V {
                    sums[c][v] = s.mul_add_f64s(left[v], x, sums[c][v]);
                }
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    /// Integers: every sum is exact.
    fn check<const L: usize>(n: usize, m: usize) {
        let a = Array2::from_shape_fn((n, m), |(i, k)| ((i * 7 + k * k * 3 + i * k) % 19) as f64 - 9.0);
        let product = a.dot(&a.t());
        let columns = a.t().as_standard_layout().into_owned();
        let apart = Array2::from_shape_fn((2 * n, 3 * m), |(i, k)| a[(i / 2, k / 3)]);
        let apart = apart.slice(ndarray::s![..;2, ..;3]);
        for threads in [Threads::One, Threads::All] {
            for (view, layout) in [(a.view(), "rows"), (columns.t(), "columns"), (apart.view(), "apart")] {
                let gram = lower_gram_of::<L>(view, threads);
                for (at, x) in gram.iter().enumerate() {
                    let (j, i) = (at / n, at % n);
                    let exact = if i >= j { product[(i, j)] } else { 0.0 };
                    assert_eq!(*x, exact, "{L} lanes, {n} × {m}, {layout}: ({i}, {j})");
                }
            }
        }
    }

    #[test]
    fn gram_matrices_of_all_shapes() {
        let few = (1..30).flat_map(|n| [1, 2, 7].map(|m| (n, m)));
        for (n, m) in few.chain([(3, 2 * DEPTH), (65, DEPTH + 1), (130, 3 * DEPTH - 1), (301, 10)]) {
            check::<4>(n, m);
            if width() == Some(8) {
                check::<8>(n, m);
            }
        }
    }
}
