//! Non-abelian groups (appendix H): symbols are matrices E_a, samples are products E_a E_b, and a
//! parallelogram is E_a E_b = E_c E_d for two samples with the same product.
//!
//! The conditions are quadratic in E. Around the true representation ρ they are linear in dE:
//! dE_a ρ_b + ρ_a dE_b − dE_c ρ_d − ρ_c dE_d = 0. With permutation matrices for ρ all coefficients are 0
//! and ±1, so that the rank of these conditions is exact, and their quadratic form J is the Hessian (up to
//! 2/(N·Z0)) at the ground state: what n0 and G are for addition.

use ndarray::{Array1, Array2};

use super::Problem;
use super::group::{PERMUTATIONS, Pair, Task};
use super::rank::{Echelon, Nullity};
use crate::error::{Error, Result, check};
use crate::linalg::Engine;

/// The linearised conditions of a training set of a group, around its regular or permutation
/// representation.
#[derive(Clone, Debug)]
pub struct Tangent {
    /// d × d permutation matrices as images of 0..d, one a symbol.
    representation: Vec<Vec<usize>>,
    dimension: usize,
}

/// One linear condition: variables and signs (each ±1, four of them).
type Condition = [(usize, i64); 4];

impl Tangent {
    /// S3 by 3 × 3 permutation matrices, as in the paper: 54 unknowns.
    pub fn s3() -> Tangent {
        Tangent { representation: PERMUTATIONS.iter().map(|p| p.to_vec()).collect(), dimension: 3 }
    }

    /// Any group by its regular representation, p × p matrices: p³ unknowns.
    ///
    /// # Errors
    /// Addition without wrap (no group); more than 16 symbols.
    pub fn regular(task: &Task) -> Result<Tangent> {
        if task.is_addition() {
            return Err(Error::Missing { wanted: "a representation by matrices", needs: "a group" });
        }
        let p = task.symbols();
        check("order of the group", p as f64, |p| p <= 16.0, "at most 16 for the regular representation")?;
        // Symbol a sends x to x·a, so that applying a first and b second is a·b.
        let representation = (0..p).map(|a| (0..p).map(|x| task.class(x, a)).collect()).collect();
        Ok(Tangent { representation, dimension: p })
    }

    /// Number of unknowns, p·d².
    pub fn unknowns(&self) -> usize {
        self.representation.len() * self.dimension * self.dimension
    }

    /// The permutation matrices.
    pub fn matrices(&self) -> Vec<Array2<f64>> {
        let matrix = |images: &Vec<usize>| {
            let mut m = Array2::zeros((self.dimension, self.dimension));
            images.iter().enumerate().for_each(|(x, &y)| m[(x, y)] = 1.0);
            m
        };
        self.representation.iter().map(matrix).collect()
    }

    fn unknown(&self, symbol: u32, row: usize, column: usize) -> usize {
        (symbol as usize * self.dimension + row) * self.dimension + column
    }

    /// Entry (x, y) of d(E_a E_b) as two unknowns: dE_a[x, ρ_b⁻¹(y)] and dE_b[ρ_a(x), y].
    fn product(&self, [a, b]: Pair, x: usize, y: usize) -> [usize; 2] {
        let before = self.representation[b as usize].iter().position(|&z| z == y).unwrap_or(0);
        [self.unknown(a, x, before), self.unknown(b, self.representation[a as usize][x], y)]
    }

    fn condition(&self, first: Pair, second: Pair, x: usize, y: usize) -> Condition {
        let ([a, b], [c, d]) = (self.product(first, x, y), self.product(second, x, y));
        [(a, 1), (b, 1), (c, -1), (d, -1)]
    }

    /// The exact nullity of the linearised conditions.
    ///
    /// ```
    /// use groktime::effective::{Problem, Tangent, Task};
    /// let full = Problem::full(Task::s3());
    /// assert_eq!(Tangent::s3().nullity(&full)?.value, 9); // conjugations (7) and scalings of the commutant (2)
    /// # Ok::<(), groktime::Error>(())
    /// ```
    ///
    /// # Errors
    /// The training set is of another task.
    pub fn nullity(&self, problem: &Problem) -> Result<Nullity> {
        self.fits(problem)?;
        let mut echelon = Echelon::new(self.unknowns());
        for class in problem.classes() {
            for &sample in class.iter().skip(1) {
                for (x, y) in self.entries() {
                    for (unknown, sign) in self.condition(sample, class[0], x, y) {
                        echelon.put(unknown, sign);
                    }
                    echelon.insert();
                }
            }
        }
        Ok(Nullity { value: self.unknowns() - echelon.rank(), certified: echelon.surely_exact(0) })
    }

    /// J = Σ over parallelograms and entries of the squared linear conditions, as a matrix of integers.
    ///
    /// # Errors
    /// The training set is of another task.
    pub fn quadratic_form(&self, problem: &Problem) -> Result<Array2<f64>> {
        self.fits(problem)?;
        let n = self.unknowns();
        let mut form = Array2::zeros((n, n));
        for [a, b, c, d] in problem.enumerate() {
            for (x, y) in self.entries() {
                let condition = self.condition([a, b], [c, d], x, y);
                for (k, s) in condition {
                    for (l, t) in condition {
                        form[(k, l)] += (s * t) as f64;
                    }
                }
            }
        }
        Ok(form)
    }

    /// Eigenvalues of J, ascending, those of the exact null space exactly zero.
    ///
    /// # Errors
    /// The training set is of another task; no convergence.
    pub fn eigenvalues(&self, problem: &Problem) -> Result<Array1<f64>> {
        let nullity = self.nullity(problem)?.value;
        let mut values = Engine::SEQUENTIAL.eigenvalues(self.quadratic_form(problem)?.view())?;
        values.iter_mut().take(nullity).for_each(|x| *x = 0.0);
        Ok(values)
    }

    fn entries(&self) -> impl Iterator<Item = (usize, usize)> {
        let d = self.dimension;
        (0..d * d).map(move |k| (k / d, k % d))
    }

    fn fits(&self, problem: &Problem) -> Result<()> {
        let (p, task) = (self.representation.len(), problem.task());
        let composed = |a: usize, b: usize| {
            let (a, b) = (&self.representation[a], &self.representation[b]);
            a.iter().map(|&x| b[x]).collect::<Vec<usize>>()
        };
        let same = !task.is_addition()
            && task.symbols() == p
            && (0..p * p).all(|k| composed(k / p, k % p) == self.representation[task.class(k / p, k % p)]);
        match same {
            true => Ok(()),
            false => Err(Error::Missing {
                wanted: "the linearised conditions",
                needs: "a training set of the same group",
            }),
        }
    }
}
