//! A symmetric matrix A = H T Hᵀ with H orthogonal and T tridiagonal: all that eigenvalues and the
//! coordinates of a few vectors need. Eigenvectors cost n³ more and n² of memory, and are formed only when
//! asked for.
//!
//! T is diagonalised by the QR iteration with implicit shifts (Golub and Van Loan, Matrix Computations, §8.3).
//! Its rotations do not depend on the vectors they are applied to, so the coordinates of any vector, at any
//! time, belong to the same eigenvectors, bit for bit.

use ndarray::{Array1, Array2, ArrayView2, ShapeBuilder};
use rayon::prelude::*;

use super::band::{self, WIDTH};
use super::{EPS, Threads, vectorised};
use crate::error::{Error, Result, check_shape};

/// A = H T Hᵀ, made by [`Engine::tridiagonal`](super::Engine::tridiagonal).
#[derive(Clone, Debug)]
pub struct Tridiagonal {
    /// H = H₀H₁…, H_j = I − f_j v vᵀ with v zero before entry j + width, one there, and column j of this below.
    reflectors: Array2<f64>,
    factors: Vec<f64>,
    width: usize,
    /// Then those of the second stage, where there was one ([`band::Form`]).
    chased: Vec<[f64; WIDTH]>,
    /// T/scale, largest entry near one; the scale is a power of two.
    diagonal: Vec<f64>,
    off_diagonal: Vec<f64>,
    scale: f64,
    threads: Threads,
}

/// L vectors side by side: entry i of each, for all i.
type Panel<const L: usize> = Vec<[f64; L]>;

/// Vectors a panel where there are few, and where there are many.
const FEW: usize = 4;
const MANY: usize = 8;

/// Rotations kept before they are applied to many panels.
const CHUNK: usize = 1 << 14;

impl Tridiagonal {
    /// In one stage: T is read off the diagonal and subdiagonal of `reflectors` (column-major) and is `scale` times
    /// that.
    pub(super) fn new(reflectors: Array2<f64>, factors: Vec<f64>, scale: f64, threads: Threads) -> Self {
        let diagonal = reflectors.diag().to_vec();
        let off_diagonal = (1..diagonal.len()).map(|i| reflectors[(i, i - 1)]).collect();
        let chased = Vec::new();
        Tridiagonal { reflectors, factors, width: 1, chased, diagonal, off_diagonal, scale, threads }.scaled()
    }

    /// In two stages; `reflectors` (column-major) are those of the first, T is `scale` times that of the form.
    pub(super) fn of_band(reflectors: Array2<f64>, form: band::Form, scale: f64, threads: Threads) -> Self {
        let band::Form { factors, chased, diagonal, off_diagonal } = form;
        Tridiagonal { reflectors, factors, width: WIDTH, chased, diagonal, off_diagonal, scale, threads }
            .scaled()
    }

    /// With the largest entry of T near one.
    fn scaled(mut self) -> Self {
        let entries = self.diagonal.iter_mut().chain(&mut self.off_diagonal);
        let largest = entries.fold(0.0_f64, |m, x| m.max(x.abs()));
        let unit = if largest > 0.0 { largest.log2().round().exp2() } else { 1.0 };
        self.diagonal.iter_mut().chain(&mut self.off_diagonal).for_each(|x| *x /= unit);
        self.scale *= unit;
        self
    }

    /// Whether A is positive definite with a condition number below `limit` (to a part in a thousand, and
    /// rather no than yes), by counting signs of pivots: O(n).
    pub fn is_conditioned(&self, limit: f64) -> bool {
        let n = self.diagonal.len();
        let beside = |i: usize| self.off_diagonal.get(i).copied().unwrap_or(0.0).abs();
        let reach = |i: usize| beside(i) + if i > 0 { beside(i - 1) } else { 0.0 };
        let mut low = self.diagonal.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut high = (0..n).map(|i| self.diagonal[i] + reach(i)).fold(low, f64::max);
        while low > 0.0 && high - low > 1e-3 * high {
            let middle = 0.5 * (low + high);
            if self.count_below(middle) == n { high = middle } else { low = middle }
        }
        low > 0.0 && self.count_below(high / limit) == 0
    }

    /// Eigenvalues of T/scale below x: as many as T/scale − xI has negative pivots (Sylvester).
    fn count_below(&self, x: f64) -> usize {
        let (mut count, mut pivot) = (0, f64::INFINITY);
        for (i, d) in self.diagonal.iter().enumerate() {
            let e = if i > 0 { self.off_diagonal[i - 1] } else { 0.0 };
            pivot = d - x - e * e / pivot;
            if pivot == 0.0 {
                pivot = -EPS * EPS;
            }
            count += usize::from(pivot < 0.0);
        }
        count
    }

    /// Eigenvalues, ascending, and the coordinates ⟨q_i, x⟩ of the columns x of an n × c matrix in the
    /// eigenvectors q_i: n × c. O(n²) each.
    ///
    /// Backward stable: both are exact for A + E with ‖E‖ of the order ε‖A‖ and an orthogonal matrix of its
    /// eigenvectors, the coordinates to ε‖x‖.
    ///
    /// # Errors
    /// x does not have n rows; the iteration does not converge.
    ///
    /// ```
    /// use groktime::linalg::Engine;
    /// use ndarray::array;
    /// let t = Engine::SEQUENTIAL.tridiagonal(array![[2.0, 1.0], [1.0, 2.0]])?;
    /// let (values, coordinates) = t.coordinates(array![[1.0], [1.0]].view())?;
    /// assert!((values[0] - 1.0).abs() < 1e-15 && (values[1] - 3.0).abs() < 1e-15);
    /// assert!(coordinates[(0, 0)].abs() < 1e-15 && (coordinates[(1, 0)].abs() - 2_f64.sqrt()).abs() < 1e-15);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    pub fn coordinates(&self, x: ArrayView2<'_, f64>) -> Result<(Array1<f64>, Array2<f64>)> {
        let n = self.diagonal.len();
        check_shape("vectors", x.shape(), &[n, x.ncols()], "as long as the matrix has rows")?;
        let (values, order, panels) = self.rotated(panels::<FEW>(x))?;
        let entry = |(i, j): (usize, usize)| panels[j / FEW][order[i]][j % FEW];
        Ok((values, Array2::from_shape_fn((n, x.ncols()).f(), entry)))
    }

    /// The eigenvectors as columns: the coordinates of the unit vectors, transposed.
    ///
    /// # Errors
    /// The iteration does not converge.
    pub fn eigenvectors(&self) -> Result<Array2<f64>> {
        let n = self.diagonal.len();
        let unit = |first: usize| {
            let mut panel = vec![[0.0; MANY]; n];
            (0..MANY.min(n - first)).for_each(|l| panel[first + l][l] = 1.0);
            panel
        };
        let (_, order, panels) = self.rotated((0..n).step_by(MANY).map(unit).collect())?;
        let entry = |(i, j): (usize, usize)| panels[i / MANY][order[j]][i % MANY];
        Ok(Array2::from_shape_fn((n, n).f(), entry))
    }

    /// A⁻¹x for the columns x of an n × c matrix; A must be positive definite
    /// ([`Tridiagonal::is_conditioned`]).
    ///
    /// # Errors
    /// x does not have n rows; a pivot is not positive.
    pub fn solve(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        let n = self.diagonal.len();
        check_shape("vectors", x.shape(), &[n, x.ncols()], "as long as the matrix has rows")?;
        // T/scale = L diag(pivots) Lᵀ.
        let mut pivots = self.diagonal.clone();
        for i in 1..n {
            let e = self.off_diagonal[i - 1];
            pivots[i] -= e * e / pivots[i - 1];
        }
        if let Some(i) = pivots.iter().position(|&p| p <= 0.0 || p.is_nan()) {
            return Err(Error::Matrix {
                name: "matrix",
                property: "positive definite",
                evidence: format!("pivot {i} of its tridiagonal form is not positive"),
            });
        }
        let mut panels = panels::<FEW>(x);
        for panel in &mut panels {
            self.reflect_transposed(panel);
            for i in 1..n {
                let factor = self.off_diagonal[i - 1] / pivots[i - 1];
                let above = panel[i - 1];
                panel[i].iter_mut().zip(above).for_each(|(x, y)| *x -= factor * y);
            }
            for i in (0..n).rev() {
                panel[i].iter_mut().for_each(|x| *x /= pivots[i]);
                if i + 1 < n {
                    let (factor, below) = (self.off_diagonal[i] / pivots[i], panel[i + 1]);
                    panel[i].iter_mut().zip(below).for_each(|(x, y)| *x -= factor * y);
                }
            }
            self.reflect(panel);
        }
        let entry = |(i, j): (usize, usize)| panels[j / FEW][i][j % FEW] / self.scale;
        Ok(Array2::from_shape_fn((n, x.ncols()).f(), entry))
    }

    /// Ascending eigenvalues, where each stood before they were sorted, and panels X become (HZ)ᵀX with
    /// T = Z diag Zᵀ, unsorted.
    #[allow(clippy::type_complexity)] // three results of one pass
    fn rotated<const L: usize>(
        &self,
        mut panels: Vec<Panel<L>>,
    ) -> Result<(Array1<f64>, Vec<usize>, Vec<Panel<L>>)> {
        self.for_each(&mut panels, |panel| self.reflect_transposed(panel));
        let (diagonal, off_diagonal) = (self.diagonal.clone(), self.off_diagonal.clone());
        let values = match panels.as_mut_slice() {
            // The rotations wait for each other; a few more products a rotation cost nothing.
            [panel] => diagonalise(diagonal, off_diagonal, |turn| turn.apply(panel))?,
            panels => {
                let mut turns = Vec::with_capacity(CHUNK);
                let apply = |panels: &mut [Panel<L>], turns: &mut Vec<Rotation>| {
                    self.for_each(panels, |panel| turns.iter().for_each(|turn| turn.apply(panel)));
                    turns.clear();
                };
                let values = diagonalise(diagonal, off_diagonal, |turn| {
                    turns.push(turn);
                    if turns.len() == CHUNK {
                        apply(panels, &mut turns);
                    }
                })?;
                apply(panels, &mut turns);
                values
            }
        };
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
        Ok((order.iter().map(|&i| values[i] * self.scale).collect(), order, panels))
    }

    fn for_each<const L: usize>(&self, panels: &mut [Panel<L>], work: impl Fn(&mut Panel<L>) + Send + Sync) {
        match self.threads {
            Threads::One => panels.iter_mut().for_each(work),
            Threads::All => panels.par_iter_mut().for_each(work),
        }
    }

    /// X becomes HᵀX.
    fn reflect_transposed<const L: usize>(&self, panel: &mut Panel<L>) {
        vectorised(|| {
            (0..self.factors.len()).for_each(|j| self.reflect_by(j, panel));
            for (start, reflector) in band::starts(panel.len()).zip(&self.chased) {
                reflect(&mut panel[start..], reflector[0], &reflector[1..]);
            }
        });
    }

    /// X becomes HX.
    fn reflect<const L: usize>(&self, panel: &mut Panel<L>) {
        vectorised(|| {
            for (start, reflector) in band::starts(panel.len()).rev().zip(self.chased.iter().rev()) {
                reflect(&mut panel[start..], reflector[0], &reflector[1..]);
            }
            (0..self.factors.len()).rev().for_each(|j| self.reflect_by(j, panel));
        });
    }

    #[inline(always)]
    fn reflect_by<const L: usize>(&self, j: usize, panel: &mut Panel<L>) {
        let storage = self.reflectors.as_slice_memory_order().unwrap_or_default();
        let (n, start) = (panel.len(), j + self.width);
        reflect(&mut panel[start..], self.factors[j], &storage[j * n + start + 1..(j + 1) * n]);
    }
}

/// X becomes X − f v vᵀX; v is one and then `tail`, or what of it X has rows for.
#[inline(always)]
fn reflect<const L: usize>(x: &mut [[f64; L]], factor: f64, tail: &[f64]) {
    let Some((head, rest)) = x.split_first_mut() else { return };
    let mut inner = *head;
    for (v, x) in tail.iter().zip(rest.iter()) {
        (0..L).for_each(|l| inner[l] += v * x[l]);
    }
    inner.iter_mut().for_each(|s| *s *= factor);
    (0..L).for_each(|l| head[l] -= inner[l]);
    for (v, x) in tail.iter().zip(rest) {
        (0..L).for_each(|l| x[l] -= v * inner[l]);
    }
}

/// Columns in groups of L, the last one filled up with zeros.
fn panels<const L: usize>(x: ArrayView2<'_, f64>) -> Vec<Panel<L>> {
    let group = |first: usize| {
        let entry = |row: ndarray::ArrayView1<'_, f64>| {
            std::array::from_fn(|l| row.get(first + l).copied().unwrap_or(0.0))
        };
        x.rows().into_iter().map(entry).collect()
    };
    (0..x.ncols()).step_by(L).map(group).collect()
}

/// A rotation of the entries k and k + 1.
#[derive(Clone, Copy)]
struct Rotation {
    k: usize,
    cos: f64,
    sin: f64,
}

impl Rotation {
    #[inline(always)]
    fn apply<const L: usize>(self, panel: &mut Panel<L>) {
        let [x, y] = &mut panel[self.k..self.k + 2] else { return };
        for (x, y) in x.iter_mut().zip(y) {
            let (a, b) = (*x, *y);
            *x = self.cos * a + self.sin * b;
            *y = self.cos * b - self.sin * a;
        }
    }
}

/// Eigenvalues, in no order, of a symmetric tridiagonal matrix whose largest entry is near one. The
/// rotations are those that take vectors to its eigenvectors' coordinates.
fn diagonalise(mut d: Vec<f64>, mut e: Vec<f64>, mut rotate: impl FnMut(Rotation)) -> Result<Vec<f64>> {
    let n = d.len();
    // About 1.7 sweeps an eigenvalue are needed.
    let mut sweeps = 50 * n;
    let mut last = n - 1;
    while last > 0 {
        // Below rounding of their neighbours, or of the rounding of the whole: nothing is there.
        let negligible =
            |i: usize| e[i] * e[i] <= EPS * EPS * (d[i] * d[i + 1]).abs() || e[i].abs() <= EPS * EPS;
        if negligible(last - 1) {
            last -= 1;
            continue;
        }
        let first = (0..last - 1).rev().find(|&i| negligible(i)).map_or(0, |i| i + 1);
        if sweeps == 0 {
            return Err(Error::Numerical {
                method: "eigenvalues of a tridiagonal matrix",
                detail: format!("no convergence in {} sweeps", 50 * n),
            });
        }
        sweeps -= 1;
        // Wilkinson's shift: the eigenvalue of the last 2 × 2 block nearer to its last entry.
        let (half, beside) = (0.5 * (d[last - 1] - d[last]), e[last - 1]);
        let shift = d[last] - beside * beside / (half + libm::hypot(half, beside).copysign(half));
        let (mut x, mut bulge) = (d[first] - shift, e[first]);
        for k in first..last {
            let square = x * x + bulge * bulge;
            let length = if square > 1e-280 { square.sqrt() } else { libm::hypot(x, bulge) };
            let inverse = 1.0 / length;
            let (cos, sin) = if length > 0.0 { (x * inverse, bulge * inverse) } else { (1.0, 0.0) };
            if k > first {
                e[k - 1] = length;
            }
            let gain = sin * (d[k + 1] - d[k]) + 2.0 * cos * e[k];
            d[k] += sin * gain;
            d[k + 1] -= sin * gain;
            e[k] = cos * gain - e[k];
            x = e[k];
            if k + 1 < last {
                bulge = sin * e[k + 1];
                e[k + 1] *= cos;
            }
            rotate(Rotation { k, cos, sin });
        }
    }
    Ok(d)
}
