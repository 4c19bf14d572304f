//! Tridiagonal form of a large symmetric matrix in two stages (Bischof, Lang and Sun, ACM TOMS 26, 2000): to
//! a band by blocks of reflectors, whose work is in matrix products, and from there by chasing bulges down the
//! band, which stays in cache. In one stage half of the work are products with a vector, and wait for memory.

use std::cmp::Ordering;

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::linalg::{matmul::matmul, qr::no_pivoting::factor as qr};
use faer::prelude::{Reborrow, ReborrowMut, default};
use faer::{Accum, Mat, MatMut, MatRef, Par};
use ndarray::{Array2, ArrayView2, Axis, ShapeBuilder, s};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::Threads;
use super::pure::clear_vector_registers;
use super::strips::{self, Aligned, DEPTH, Place, fill, tall, tile};

/// Subdiagonals of the band.
pub const WIDTH: usize = 32;
/// Rows from which on two stages are faster than one.
const FEWEST: usize = 600;

/// A = H T Hᵀ, but for the tails of the first stage's reflectors, which stay in A's storage.
pub struct Form {
    /// Reflector j of the first stage is I − f v vᵀ with v zero up to entry j + WIDTH − 1, one there, and column j
    /// of the storage below. These are the f.
    pub factors: Vec<f64>,
    /// Those of the second, in the order of their use; they begin at the rows [`starts`]. Each is its f, in the
    /// place of the first entry of v, which is one, and the rest of v.
    pub chased: Vec<[f64; WIDTH]>,
    pub diagonal: Vec<f64>,
    pub off_diagonal: Vec<f64>,
}

/// The form of the matrix whose lower triangle is given by columns; nothing where one stage is faster: on small
/// matrices, and on machines whose vectors have no kernel.
pub fn tridiagonal(a: &mut [f64], n: usize, threads: Threads) -> Option<Form> {
    match strips::width().filter(|_| n >= FEWEST)? {
        8 => Some(form::<8>(a, n, threads)),
        _ => Some(form::<4>(a, n, threads)),
    }
}

fn form<const L: usize>(a: &mut [f64], n: usize, threads: Threads) -> Form {
    let factors = reduce::<L>(a, n, threads);
    let mut band = vec![0.0; (n + WIDTH) * STRIDE + n + 2 * WIDTH];
    for j in 0..n {
        let rows = j..n.min(j + WIDTH + 1);
        band[j * STRIDE..][rows.clone()].copy_from_slice(&a[j * n..][rows]);
    }
    let mut chased = Vec::with_capacity(starts(n).count());
    strips::dispatch::<L, _>(Chase { band: &mut band, n, reflectors: &mut chased });
    let diagonal = (0..n).map(|j| band[j * STRIDE + j]).collect();
    let off_diagonal = (1..n).map(|j| band[(j - 1) * STRIDE + j]).collect();
    Form { factors, chased, diagonal, off_diagonal }
}

/// The first stage; returns the factors of its reflectors.
fn reduce<const L: usize>(a: &mut [f64], n: usize, threads: Threads) -> Vec<f64> {
    let mut factors = Vec::with_capacity(n.saturating_sub(WIDTH));
    let req = qr::qr_in_place_scratch::<f64>(n, WIDTH, WIDTH, Par::Seq, default());
    let mut memory = MemBuffer::new(req);
    let padded = n.div_ceil(L) * L;
    let mut strips = [Aligned::new(padded * 2 * WIDTH), Aligned::new(padded * 2 * WIDTH)];
    for first in (0..n.saturating_sub(WIDTH + 1)).step_by(WIDTH) {
        let (row, size) = (first + WIDTH, n - first - WIDTH);
        let width = WIDTH.min(size);
        let (done, rest) = a.split_at_mut(row * n);
        let panel = MatMut::from_column_major_slice_mut(&mut done[first * n..], n, WIDTH);
        let mut panel = panel.subrows_mut(row, size);
        let mut t = Mat::zeros(width, width);
        qr::qr_in_place(panel.rb_mut(), t.as_mut(), Par::Seq, MemStack::new(&mut memory), default());
        clear_vector_registers();
        factors.extend((0..width).map(|j| t[(j, j)].recip()));
        let panel = panel.rb();
        let v = Array2::from_shape_fn((size, width).f(), |(i, j)| match i.cmp(&j) {
            Ordering::Less => 0.0,
            Ordering::Equal => 1.0,
            Ordering::Greater => panel[(i, j)],
        });
        // With the product of the reflectors I − V T⁻¹Vᵀ, the rest R becomes R + V Wᵀ + W Vᵀ, where
        // W = (V T⁻ᵀVᵀR V/2 − R V) T⁻¹.
        let mut w = -Trailing { entries: rest, n, row, size }.times::<L>(v.view(), threads);
        let basis =
            MatRef::from_column_major_slice(v.as_slice_memory_order().unwrap_or_default(), size, width);
        let storage = w.as_slice_memory_order_mut().unwrap_or_default();
        let mut image = MatMut::from_column_major_slice_mut(storage, size, width);
        let mut inner = Mat::zeros(width, width);
        matmul(inner.as_mut(), Accum::Replace, basis.transpose(), image.rb(), 1.0, Par::Seq);
        solve_lower_triangular_in_place(t.transpose(), inner.as_mut(), Par::Seq);
        matmul(image.rb_mut(), Accum::Add, basis, inner.as_ref(), -0.5, Par::Seq);
        solve_lower_triangular_in_place(t.transpose(), image.transpose_mut(), Par::Seq);
        clear_vector_registers();
        let length = size.div_ceil(L) * L * 2 * width;
        let [left, right] = &mut strips;
        let (left, right) = (&mut left.entries()[..length], &mut right.entries()[..length]);
        pack_rows::<L>(left, v.view(), w.view());
        pack_rows::<L>(right, w.view(), v.view());
        strips::add_lower::<L>(rest, Place { size, stride: n, row }, left, right, 2 * width, threads);
    }
    factors
}

/// Strips of the rows of two matrices side by side.
fn pack_rows<const L: usize>(strips: &mut [f64], one: ArrayView2<'_, f64>, other: ArrayView2<'_, f64>) {
    let (rows, width) = one.dim();
    for (strip, first) in strips.chunks_mut(L * 2 * width).zip((0..rows).step_by(L)) {
        let rows = first..rows.min(first + L);
        for (half, part) in strip.chunks_mut(L * width).zip([one, other]) {
            fill::<L>(part.slice(s![rows.clone(), ..]), half.as_chunks_mut().0);
        }
    }
}

/// The symmetric matrix of some last rows and columns, by its lower triangle.
#[derive(Clone, Copy)]
struct Trailing<'a> {
    entries: &'a [f64],
    n: usize,
    row: usize,
    size: usize,
}

impl Trailing<'_> {
    /// A V.
    fn times<const L: usize>(self, v: ArrayView2<'_, f64>, threads: Threads) -> Array2<f64> {
        let (rows, width) = v.dim();
        let tall = tall::<L>() * L;
        // Strips of the columns of V, cut into depths.
        let columns = width.div_ceil(L);
        let mut right = Aligned::new(rows * columns * L);
        for (part, v) in
            right.entries().chunks_mut(DEPTH * columns * L).zip(v.axis_chunks_iter(Axis(0), DEPTH))
        {
            for (strip, v) in part.chunks_mut(L * v.nrows()).zip(v.axis_chunks_iter(Axis(1), L)) {
                fill::<L>(v.reversed_axes(), strip.as_chunks_mut().0);
            }
        }
        let right = &*right.entries();
        let mut products = vec![0.0; rows.div_ceil(tall) * tall * columns * L];
        let task = |left: &mut Aligned, (g, out): (usize, &mut [f64])| {
            strips::dispatch::<L, _>(Rows::<L> {
                matrix: self,
                first: g * tall,
                left: left.entries(),
                right,
                out,
            })
        };
        let buffer = || Aligned::new(tall * DEPTH);
        let chunk = tall * columns * L;
        match threads {
            Threads::One => {
                let mut left = buffer();
                products.chunks_mut(chunk).enumerate().for_each(|part| task(&mut left, part));
            }
            Threads::All => products.par_chunks_mut(chunk).enumerate().for_each_init(buffer, task),
        }
        let product = |(i, j)| products[i / tall * chunk + j * tall + i % tall];
        Array2::from_shape_fn((rows, width).f(), product)
    }

    /// Rows `first`.. and columns `from`.. as a strip.
    #[inline(always)]
    fn pack<const L: usize>(self, first: usize, from: usize, strip: &mut [[f64; L]]) {
        let Trailing { entries, n, row, size } = self;
        let column = |j: usize| &entries[j * n + row..][..size];
        let rows = L.min(size.saturating_sub(first));
        if rows == 0 {
            return strip.fill([0.0; L]);
        }
        let to = from + strip.len();
        let (above, below) = (first.clamp(from, to), (first + L).clamp(from, to));
        for k in from..above {
            let source = &column(k)[first..first + rows];
            let entry = &mut strip[k - from];
            match <&[f64; L]>::try_from(source) {
                Ok(whole) => *entry = *whole,
                Err(_) => {
                    *entry = [0.0; L];
                    entry[..rows].copy_from_slice(source);
                }
            }
        }
        for k in above..below {
            strip[k - from] = std::array::from_fn(|l| {
                let (i, j) = (k.max(first + l), k.min(first + l));
                if l < rows { column(j)[i] } else { 0.0 }
            });
        }
        if below < to {
            // Beyond the strip's own rows there are others, so that it is whole.
            let sources: [&[f64]; L] = std::array::from_fn(|l| &column(first + l)[below..to]);
            for (k, entry) in strip[below - from..].iter_mut().enumerate() {
                *entry = std::array::from_fn(|l| sources[l][k]);
            }
        }
    }
}

/// Some rows of A V.
struct Rows<'a, const L: usize> {
    matrix: Trailing<'a>,
    first: usize,
    left: &'a mut [f64],
    right: &'a [f64],
    out: &'a mut [f64],
}

impl<const L: usize> WithSimd for Rows<'_, L> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Rows { matrix, first, left, right, out } = self;
        let tall = tall::<L>() * L;
        let place = Place { size: tall, stride: tall, row: 0 };
        let width = out.len() / tall;
        for (d, right) in right.chunks(DEPTH * width).enumerate() {
            let depth = right.len() / width;
            let left = &mut left[..tall * depth];
            for (p, strip) in left.chunks_mut(L * depth).enumerate() {
                matrix.pack::<L>(first + p * L, d * DEPTH, strip.as_chunks_mut().0);
            }
            for (right, columns) in right.chunks(L * depth).zip(out.chunks_mut(L * tall)) {
                tile::<S, L>(s, left, right, columns, place, 0, None);
            }
        }
    }
}

/// Entry (i, j) of the band, i ≥ j, is number j·STRIDE + i of its storage: a column has twice the band's width,
/// for the bulges, and blocks look as in any column-major matrix. Above the diagonal they hold other columns'
/// entries.
const STRIDE: usize = 2 * WIDTH - 1;

/// Row c is one from entry c on.
static FROM: [[f64; WIDTH]; WIDTH + 1] = {
    let mut masks = [[0.0; WIDTH]; WIDTH + 1];
    let mut c = 0;
    while c < WIDTH {
        let mut i = c;
        while i < WIDTH {
            masks[c][i] = 1.0;
            i += 1;
        }
        c += 1;
    }
    masks
};

/// Where the reflectors of the second stage begin: those of a sweep go down the band.
pub fn starts(n: usize) -> impl DoubleEndedIterator<Item = usize> {
    (1..n.saturating_sub(1)).flat_map(move |first| (first..n).step_by(WIDTH))
}

/// The second stage: sweep after sweep takes a column to its first two entries, and the bulge that makes beyond the
/// band down along it; of a bulge only its first column, which the next sweep would enlarge.
struct Chase<'a> {
    band: &'a mut [f64],
    n: usize,
    reflectors: &'a mut Vec<[f64; WIDTH]>,
}

impl WithSimd for Chase<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        match S::F64_LANES {
            8 => self.run::<S, { WIDTH / 8 }>(s),
            4 => self.run::<S, { WIDTH / 4 }>(s),
            lanes => unreachable!("no kernel for vectors of {lanes}"),
        }
    }
}

impl Chase<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, s: S) {
        let Chase { band, n, reflectors } = self;
        for sweep in 0..n.saturating_sub(2) {
            let mut row = sweep + 1;
            let mut reflector = eliminate::<S, V>(s, &mut band[sweep * STRIDE + row..][..WIDTH]);
            loop {
                reflectors.push(reflector);
                both_sides::<S, V>(s, &mut band[row * STRIDE + row..], &reflector);
                if row + WIDTH >= n {
                    break;
                }
                reflector = pass_on::<S, V>(s, &mut band[row * STRIDE + row + WIDTH..], &reflector);
                row += WIDTH;
            }
        }
    }
}

/// The WIDTH numbers of `x` as vectors.
#[inline(always)]
fn vectors<S: Simd, const V: usize>(x: &[f64]) -> [S::f64s; V] {
    let x = S::as_simd_f64s(&x[..WIDTH]).0;
    std::array::from_fn(|q| x[q])
}

#[inline(always)]
fn put<S: Simd, const V: usize>(x: &mut [f64], values: [S::f64s; V]) {
    S::as_mut_simd_f64s(&mut x[..WIDTH]).0.copy_from_slice(&values);
}

#[inline(always)]
fn inner<S: Simd, const V: usize>(s: S, x: [S::f64s; V], y: [S::f64s; V]) -> f64 {
    let mut sum = s.splat_f64s(0.0);
    for q in 0..V {
        sum = s.mul_add_f64s(x[q], y[q], sum);
    }
    s.reduce_sum_f64s(sum)
}

/// y + c x.
#[inline(always)]
fn plus<S: Simd, const V: usize>(s: S, y: [S::f64s; V], c: f64, x: [S::f64s; V]) -> [S::f64s; V] {
    let c = s.splat_f64s(c);
    std::array::from_fn(|q| s.mul_add_f64s(c, x[q], y[q]))
}

/// The reflector whose factor and tail these are, as vectors.
#[inline(always)]
fn whole<S: Simd, const V: usize>(reflector: &[f64; WIDTH]) -> (f64, [f64; WIDTH], [S::f64s; V]) {
    let mut v = *reflector;
    v[0] = 1.0;
    (reflector[0], v, vectors::<S, V>(&v))
}

/// The reflector that takes x to a multiple of the first unit vector; x becomes that.
#[inline(always)]
fn eliminate<S: Simd, const V: usize>(s: S, x: &mut [f64]) -> [f64; WIDTH] {
    let head = x[0];
    x[0] = 0.0;
    let tail = vectors::<S, V>(x);
    let square = inner(s, tail, tail);
    put::<S, V>(x, [s.splat_f64s(0.0); V]);
    if square == 0.0 {
        x[0] = head;
        return [0.0; WIDTH];
    }
    let image = -(head * head + square).sqrt().copysign(head);
    x[0] = image;
    let mut reflector = [0.0; WIDTH];
    put::<S, V>(&mut reflector, plus(s, [s.splat_f64s(0.0); V], (head - image).recip(), tail));
    reflector[0] = (image - head) / image;
    reflector
}

/// A reflector on both sides of a diagonal block.
#[inline(always)]
fn both_sides<S: Simd, const V: usize>(s: S, block: &mut [f64], reflector: &[f64; WIDTH]) {
    let (factor, entries, v) = whole::<S, V>(reflector);
    let zero = [s.splat_f64s(0.0); V];
    let (mut w, mut rest) = (zero, [0.0; WIDTH]);
    for c in 0..WIDTH {
        let (column, below) = (&block[c * STRIDE..], vectors::<S, V>(&FROM[c + 1]));
        let all = vectors::<S, V>(column);
        let column_below: [S::f64s; V] = std::array::from_fn(|q| s.mul_f64s(all[q], below[q]));
        w = plus(s, w, entries[c], column_below);
        rest[c] = inner(s, column_below, v) + column[c] * entries[c];
    }
    w = plus(s, w, 1.0, vectors::<S, V>(&rest));
    w = plus(s, zero, factor, w);
    w = plus(s, w, -0.5 * factor * inner(s, w, v), v);
    let mut products = [0.0; WIDTH];
    put::<S, V>(&mut products, w);
    for c in 0..WIDTH {
        let column = &mut block[c * STRIDE..];
        let change = plus(s, plus(s, zero, entries[c], w), products[c], v);
        let (all, from) = (vectors::<S, V>(column), vectors::<S, V>(&FROM[c]));
        put::<S, V>(column, std::array::from_fn(|q| s.sub_f64s(all[q], s.mul_f64s(change[q], from[q]))));
    }
}

/// A reflector from the right on the block below; the next one, which takes its first column to its first entry,
/// from the left.
#[inline(always)]
fn pass_on<S: Simd, const V: usize>(s: S, block: &mut [f64], reflector: &[f64; WIDTH]) -> [f64; WIDTH] {
    let (factor, entries, _) = whole::<S, V>(reflector);
    let zero = [s.splat_f64s(0.0); V];
    let mut w = zero;
    for c in 0..WIDTH {
        w = plus(s, w, factor * entries[c], vectors::<S, V>(&block[c * STRIDE..]));
    }
    let first = plus(s, vectors::<S, V>(block), -1.0, w);
    put::<S, V>(block, first);
    let next = eliminate::<S, V>(s, &mut block[..WIDTH]);
    let (factor, _, v) = whole::<S, V>(&next);
    for c in 1..WIDTH {
        let column = &mut block[c * STRIDE..];
        let right = plus(s, vectors::<S, V>(column), -entries[c], w);
        put::<S, V>(column, plus(s, right, -factor * inner(s, right, v), v));
    }
    next
}

#[cfg(test)]
mod tests {
    use super::super::Tridiagonal;
    use super::*;
    use ndarray::Array1;

    /// Symmetric matrices: dense, of low rank, diagonal, in blocks, graded over many orders of magnitude.
    fn matrices(n: usize) -> [Array2<f64>; 5] {
        let wave = |i: usize, j: usize| ((i * j + 3 * i + 3 * j) as f64 * 0.7).sin();
        let thin = Array2::from_shape_fn((n, 2), |(i, j)| wave(i, j + 5));
        let blocks = |i: usize, j: usize| if i / 3 == j / 3 { wave(i, j) } else { 0.0 };
        [
            Array2::from_shape_fn((n, n), |(i, j)| wave(i, j)),
            thin.dot(&thin.t()),
            Array2::from_diag(&Array1::from_shape_fn(n, |i| wave(i, 1))),
            Array2::from_shape_fn((n, n), |(i, j)| blocks(i, j)),
            Array2::from_shape_fn((n, n), |(i, j)| wave(i, j) * 0.5_f64.powi((i + j) as i32 / 2)),
        ]
    }

    fn check<const L: usize>(a: &Array2<f64>, what: &str) {
        let n = a.nrows();
        let bits = |threads| {
            let mut storage = a.as_slice().unwrap().to_vec(); // symmetric
            let form = form::<L>(&mut storage, n, threads);
            (Array2::from_shape_vec((n, n).f(), storage).unwrap(), form)
        };
        let (storage, one) = bits(Threads::One);
        let (_, all) = bits(Threads::All);
        assert_eq!((&one.diagonal, &one.off_diagonal), (&all.diagonal, &all.off_diagonal), "{what}");
        let form = Tridiagonal::of_band(storage, one, 1.0, Threads::One);
        let vectors = form.eigenvectors().unwrap();
        let values = form.coordinates(Array2::zeros((n, 0)).view()).unwrap().0;
        let size = a.iter().map(|x| x * x).sum::<f64>().sqrt();
        let error = (a.dot(&vectors) - &vectors * &values).iter().map(|x| x * x).sum::<f64>().sqrt();
        assert!(error <= 1e-14 * (n as f64) * size, "{what}: {error:e} of {size:e}");
        let error =
            (vectors.t().dot(&vectors) - Array2::<f64>::eye(n)).iter().map(|x| x.abs()).fold(0.0, f64::max);
        assert!(error <= 1e-14 * (n as f64), "{what}: orthogonal to {error:e}");
        if form.is_conditioned(1e6) {
            let x = Array2::from_shape_fn((n, 5), |(i, j)| ((i + 7 * j) as f64).cos());
            let error =
                (form.solve(a.dot(&x).view()).unwrap() - &x).iter().map(|x| x.abs()).fold(0.0, f64::max);
            assert!(error <= 1e-8, "{what}: solved to {error:e}");
        }
    }

    #[test]
    fn two_stages_at_all_sizes_and_vectors() {
        for n in (1..=40).chain([63, 64, 65, 66, 95, 97, 98, 130, 223, 410]) {
            for (kind, a) in matrices(n).iter().enumerate() {
                let shifted = a + &(Array2::<f64>::eye(n) * (2.0 * n as f64));
                for (a, what) in [(a, "plain"), (&shifted, "definite")] {
                    check::<4>(a, &format!("4 lanes, {n}, {kind}, {what}"));
                    if strips::width() == Some(8) {
                        check::<8>(a, &format!("8 lanes, {n}, {kind}, {what}"));
                    }
                }
            }
        }
    }
}
