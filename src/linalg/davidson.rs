//! A few smallest eigenvalues of an operator that is only applied to vectors: block Davidson iteration.

use ndarray::{Array1, Array2, ArrayView2, s};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::Engine;
use crate::error::{Error, Result, check, check_shape};

/// A symmetric matrix known by what it does to a vector.
pub trait SymmetricOperator: Sync {
    /// Number of rows and columns.
    fn dimension(&self) -> usize;

    /// y = A x.
    fn apply(&self, x: &[f64], y: &mut [f64]);
}

/// What is asked of an operator.
#[derive(Clone, Debug)]
pub struct Extremes<'a> {
    /// The diagonal of A, which preconditions the iteration: the closer A is to it, the fewer products.
    pub diagonal: &'a [f64],
    /// Orthonormal eigenvectors that are known and left out, one a row (0 × n: none).
    pub known: ArrayView2<'a, f64>,
    /// How many eigenvalues.
    pub count: usize,
    /// Largest ‖Ax − θx‖ of each pair.
    pub tolerance: f64,
    /// Products after which the iteration gives up.
    pub most_products: usize,
}

/// Approximate eigenpairs with what they are worth.
#[derive(Clone, Debug)]
pub struct FewEigenpairs {
    /// θ, ascending.
    pub values: Array1<f64>,
    /// Orthonormal vectors, one a row.
    pub vectors: Array2<f64>,
    /// ‖AX − Xθ‖_F of the vectors returned, from fresh products: there are as many *different* eigenvalues of
    /// A (with multiplicity) as values, each within this of its own. Rounding in the products is not in it.
    pub residual: f64,
    /// Products with A that were needed.
    pub products: usize,
}

/// Vectors beside those asked for, and dimensions of the space in blocks: after a restart, and at most.
const GUARDS: usize = 2;
const KEPT: usize = 4;
const LARGEST: usize = 12;

/// The `count` smallest eigenvalues of A on the complement of the known vectors.
///
/// Davidson, J. Comput. Phys. 17 (1975); in blocks, with thick restarts (Stathopoulos and Saad 1998). The
/// space grows by (D − θ)⁻¹(Ax − θx), D the diagonal, for each pair that has not converged. That no smaller
/// eigenvalue was missed is likely, not proved: [`Engine::positive_definite`] can prove it.
///
/// ```
/// use groktime::linalg::{Extremes, SymmetricOperator, smallest_eigenpairs};
/// /// 0, 1, 4, 9, … on the diagonal and a smooth rest.
/// struct Operator;
/// impl SymmetricOperator for Operator {
///     fn dimension(&self) -> usize {
///         500
///     }
///     fn apply(&self, x: &[f64], y: &mut [f64]) {
///         let mean = x.iter().sum::<f64>() / 500.0;
///         y.iter_mut().zip(x).enumerate().for_each(|(i, (y, x))| *y = (i * i) as f64 * x + mean);
///     }
/// }
/// let diagonal: Vec<f64> = (0..500).map(|i| (i * i) as f64 + 0.002).collect();
/// let none = ndarray::Array2::zeros((0, 500));
/// let asked = Extremes { diagonal: &diagonal, known: none.view(), count: 2, tolerance: 1e-8, most_products: 500 };
/// let found = smallest_eigenpairs(&Operator, &asked)?;
/// assert!(found.residual < 2e-8 && (found.values[0] - 0.002).abs() < 1e-5 && (found.values[1] - 1.002).abs() < 1e-5);
/// # Ok::<(), groktime::Error>(())
/// ```
///
/// # Errors
/// A count of zero or above an eighth of the dimension, a diagonal or known vectors of another length, or
/// no convergence within the products allowed.
pub fn smallest_eigenpairs(operator: &dyn SymmetricOperator, asked: &Extremes<'_>) -> Result<FewEigenpairs> {
    let n = operator.dimension();
    let most = (n / 8).saturating_sub(GUARDS) as f64;
    check(
        "number of eigenvalues",
        asked.count as f64,
        |c| c >= 1.0 && c <= most,
        "at least 1 and at most n/8 − 2",
    )?;
    check_shape("diagonal", &[asked.diagonal.len()], &[n], "one entry a row of the operator")?;
    check_shape(
        "known vectors",
        asked.known.shape(),
        &[asked.known.nrows(), n],
        "one a row, as long as the operator",
    )?;
    let mut space = Space::new(operator, asked);
    loop {
        let ritz = space.ritz()?;
        let open: Vec<usize> = (0..asked.count).filter(|&k| ritz.norms[k] > asked.tolerance).collect();
        if open.is_empty() {
            // Sums over many steps have drifted: the last word is with fresh products.
            let found = space.fresh(&ritz)?;
            if found.residual <= asked.tolerance * (asked.count as f64).sqrt() * 2.0 {
                return Ok(found);
            }
        }
        if space.products >= asked.most_products {
            let worst = ritz.norms.iter().take(asked.count).copied().fold(0.0, f64::max);
            return Err(Error::Numerical {
                method: "block Davidson iteration",
                detail: format!(
                    "{} of {} eigenvalues converged to {:e} in {} products (worst residual {worst:e})",
                    asked.count - open.len(),
                    asked.count,
                    asked.tolerance,
                    space.products
                ),
            });
        }
        space.grow(&ritz);
    }
}

/// A basis with its images.
struct Space<'a, 'b> {
    operator: &'a dyn SymmetricOperator,
    asked: &'a Extremes<'b>,
    /// Pairs that are worked on.
    block: usize,
    /// Orthonormal, one a row; and A times each.
    basis: Array2<f64>,
    images: Array2<f64>,
    size: usize,
    products: usize,
    /// Denominators D − θ are kept this far from zero.
    floor: f64,
    random: ChaCha8Rng,
}

/// Rayleigh–Ritz values, vectors, images, residuals and their norms, of the lowest pairs.
struct Ritz {
    values: Vec<f64>,
    vectors: Array2<f64>,
    images: Array2<f64>,
    residuals: Array2<f64>,
    norms: Vec<f64>,
}

impl<'a, 'b> Space<'a, 'b> {
    fn new(operator: &'a dyn SymmetricOperator, asked: &'a Extremes<'b>) -> Space<'a, 'b> {
        let n = operator.dimension();
        let block = asked.count + GUARDS;
        let capacity = (LARGEST * block).min(n);
        let largest = asked.diagonal.iter().fold(0.0_f64, |m, d| m.max(d.abs()));
        let mut space = Space {
            operator,
            asked,
            block,
            basis: Array2::zeros((capacity, n)),
            images: Array2::zeros((capacity, n)),
            size: 0,
            products: 0,
            floor: (1e-5 * largest).max(f64::MIN_POSITIVE),
            random: ChaCha8Rng::seed_from_u64(17),
        };
        // The coordinates with the lowest diagonal, and a little of everything.
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| asked.diagonal[a].total_cmp(&asked.diagonal[b]));
        let mut start = Array2::zeros((block, n));
        for (k, mut row) in start.rows_mut().into_iter().enumerate() {
            row.iter_mut().for_each(|x| {
                let z: f64 = StandardNormal.sample(&mut space.random);
                *x = 0.1 * z / (n as f64).sqrt();
            });
            row[order[k]] += 1.0;
        }
        start.rows_mut().into_iter().for_each(|row| space.add(row.to_owned()));
        space
    }

    /// Orthonormalises a vector against all others and puts it into the space, with its image. One that lies in
    /// it already is replaced by a random one.
    fn add(&mut self, mut x: Array1<f64>) {
        if self.size == self.basis.nrows() {
            return;
        }
        for _ in 0..20 {
            let length = norm(&x);
            if length > 0.0 && length.is_finite() {
                x /= length;
                for _ in 0..2 {
                    project_out(self.asked.known, &mut x);
                    project_out(self.basis.slice(s![..self.size, ..]), &mut x);
                }
                let left = norm(&x);
                if left > 1e-8 {
                    x /= left;
                    // What the division has made larger.
                    project_out(self.asked.known, &mut x);
                    project_out(self.basis.slice(s![..self.size, ..]), &mut x);
                    x /= norm(&x);
                    break;
                }
            }
            x.mapv_inplace(|_| StandardNormal.sample(&mut self.random));
        }
        let mut image = vec![0.0; x.len()];
        self.product(x.as_slice().unwrap_or_default(), &mut image);
        self.basis.row_mut(self.size).assign(&x);
        self.images.row_mut(self.size).assign(&Array1::from_vec(image));
        self.size += 1;
    }

    fn product(&mut self, x: &[f64], y: &mut [f64]) {
        self.operator.apply(x, y);
        self.products += 1;
    }

    /// Rayleigh–Ritz on the whole space: the lowest pairs, as many as are kept at a restart.
    fn ritz(&self) -> Result<Ritz> {
        let (basis, images) = (self.basis.slice(s![..self.size, ..]), self.images.slice(s![..self.size, ..]));
        let engine = Engine::SEQUENTIAL;
        let projected = engine.eigh(engine.matmul(basis, images.t())?.view())?;
        let kept = (KEPT * self.block).min(self.size);
        let turn = projected.vectors.slice(s![.., ..kept]);
        let (vectors, images) = (engine.matmul(turn.t(), basis)?, engine.matmul(turn.t(), images)?);
        let values = projected.values.iter().take(kept).copied().collect();
        Ok(Ritz::new(values, vectors, images, self.block))
    }

    fn grow(&mut self, ritz: &Ritz) {
        if self.size + self.block > self.basis.nrows() {
            self.restart(ritz);
        }
        for k in 0..self.block.min(ritz.norms.len()) {
            if ritz.norms[k] <= 0.5 * self.asked.tolerance {
                continue;
            }
            let (theta, residual) = (ritz.values[k], ritz.residuals.row(k));
            let quotient = |(r, d): (&f64, &f64)| {
                let gap = d - theta;
                r / if gap.abs() < self.floor { self.floor.copysign(gap) } else { gap }
            };
            let step: Array1<f64> = residual.iter().zip(self.asked.diagonal).map(quotient).collect();
            self.add(step);
        }
    }

    fn restart(&mut self, ritz: &Ritz) {
        self.size = ritz.vectors.nrows();
        self.basis.slice_mut(s![..self.size, ..]).assign(&ritz.vectors);
        self.images.slice_mut(s![..self.size, ..]).assign(&ritz.images);
    }

    /// The pairs asked for with fresh products; the space starts again from them.
    fn fresh(&mut self, ritz: &Ritz) -> Result<FewEigenpairs> {
        self.size = 0;
        for row in ritz.vectors.rows().into_iter().take(self.block) {
            self.add(row.to_owned());
        }
        let again = self.ritz()?;
        let count = self.asked.count;
        Ok(FewEigenpairs {
            values: again.values.iter().take(count).copied().collect(),
            vectors: again.vectors.slice(s![..count, ..]).to_owned(),
            residual: again.norms.iter().take(count).map(|r| r * r).sum::<f64>().sqrt(),
            products: self.products,
        })
    }
}

impl Ritz {
    fn new(values: Vec<f64>, vectors: Array2<f64>, images: Array2<f64>, block: usize) -> Ritz {
        let rows = block.min(values.len());
        let mut residuals = images.slice(s![..rows, ..]).to_owned();
        for (k, mut row) in residuals.rows_mut().into_iter().enumerate() {
            row.scaled_add(-values[k], &vectors.row(k));
        }
        let norms = residuals.rows().into_iter().map(|row| row.dot(&row).sqrt()).collect();
        Ritz { values, vectors, images, residuals, norms }
    }
}

fn norm(x: &Array1<f64>) -> f64 {
    x.dot(x).sqrt()
}

fn project_out(vectors: ArrayView2<'_, f64>, x: &mut Array1<f64>) {
    for v in vectors.rows() {
        let along = v.dot(x);
        x.scaled_add(-along, &v);
    }
}
