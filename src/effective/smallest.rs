//! A few smallest eigenvalues of G for many symbols, and the proof that none was missed.
//!
//! G is its diagonal and a smooth rest (theory/effective.md, "The band"): the bottom of the spectrum lies at the
//! edge of a nearly continuous band. With all samples of p = 5000 symbols μ_4 − μ_3 is 10⁻⁷·μ_max, which Krylov
//! spaces of G do not resolve. Those of (D − θ)⁻¹(G − θ), D the diagonal, do in some tens of products.

use ndarray::{Array1, Array2};

use super::{Nullity, Problem};
use crate::error::{Error, Result, check};
use crate::linalg::{EPS, Engine, Extremes, FewEigenpairs, SymmetricOperator, smallest_eigenpairs};

/// How sure it has to be that no smaller eigenvalue was missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proof {
    /// Each value is within the residual of an eigenvalue; that these are the smallest is likely. O(|D|) work and
    /// O(p) memory a product.
    Numerical,
    /// That no other eigenvalue lies below is proved by one Cholesky factorisation: p³/3 operations and
    /// 8p² bytes.
    #[default]
    Inertia,
}

/// The smallest eigenvalues of G.
#[derive(Clone, Debug, PartialEq)]
pub struct Smallest {
    /// Ascending; the null space is exactly zero.
    pub values: Vec<f64>,
    /// Each value is within this of an eigenvalue; with [`Proof::Inertia`], of the one at its own place.
    pub error: f64,
    /// What was proved.
    pub proof: Proof,
    pub nullity: Nullity,
}

/// Symbols from which the iteration is used.
const ITERATE_FROM: usize = 144;
/// Residual of the iteration, in units of a bound on μ_max.
const TOLERANCE: f64 = 1e-10;
/// Products with G before the iteration gives up, for each eigenvalue.
const PRODUCTS: usize = 1500;

impl Problem {
    /// The `count` smallest eigenvalues of G, ascending, with multiplicity: zeros exactly, the others by
    /// [`smallest_eigenpairs`], preconditioned by the diagonal, the known null vectors left out. G is not
    /// formed unless the proof asks for it.
    ///
    /// [`Proof::Inertia`]: with X the vectors found and N the known null vectors, G + c(XXᵀ + NNᵀ) − σI
    /// positive definite at a σ just below the last value means that at most those eigenvalues are below
    /// σ (Weyl). So each value is within `error` of the eigenvalue at its place.
    ///
    /// Below 144 symbols, or when more than a twelfth of all eigenvalues is needed, the dense solver does it.
    ///
    /// ```
    /// use groktime::effective::{Problem, Proof, Task};
    /// let found = Problem::full(Task::addition(200)?).smallest_eigenvalues(3, Proof::Inertia)?;
    /// assert_eq!((found.values[1], found.nullity.value), (0.0, 2));
    /// assert!((found.values[2] - 100.0 * 101.0).abs() <= found.error && found.error < 1e-3); // k(k + 1)
    /// # Ok::<(), groktime::Error>(())
    /// ```
    ///
    /// # Errors
    /// A count of zero or above p; no convergence; a proof that fails because an eigenvalue was missed.
    pub fn smallest_eigenvalues(&self, count: usize, proof: Proof) -> Result<Smallest> {
        let p = self.symbols();
        check("number of eigenvalues", count as f64, |c| c >= 1.0 && c <= p as f64, "between 1 and p")?;
        let nullity = self.nullity();
        let known = self.known_null_vectors();
        if count <= nullity.value {
            return Ok(Smallest { values: vec![0.0; count], error: 0.0, proof: Proof::Inertia, nullity });
        }
        let wanted = count - known.len();
        if p < ITERATE_FROM || 12 * wanted > p {
            return self.smallest_of_all(count, nullity);
        }
        let diagonal = self.diagonal();
        // ‖Σ n_s c cᵀ‖ by row sums, over classes of two or more.
        let bound = 4.0 * diagonal.iter().copied().fold(0.0, f64::max);
        let known = stack(&known, p);
        let asked = Extremes {
            diagonal: &diagonal,
            known: known.view(),
            count: wanted,
            tolerance: TOLERANCE * bound,
            most_products: PRODUCTS * (wanted + 1),
        };
        let found = smallest_eigenpairs(&Form(self), &asked)?;
        // Each product rounds a sum of some p integers times entries of a unit vector.
        let mut error = found.residual + 2.0 * p as f64 * EPS * bound;
        if proof == Proof::Inertia {
            error = self.prove(&found, &known, error)?;
        }
        let mut values = vec![0.0; nullity.value];
        values.extend(found.values.iter().skip(nullity.value - known.nrows()));
        Ok(Smallest { values, error, proof, nullity })
    }

    fn smallest_of_all(&self, count: usize, nullity: Nullity) -> Result<Smallest> {
        let all = Engine::PARALLEL.eigenvalues(self.quadratic_form().view())?;
        let largest = all.last().copied().unwrap_or(0.0);
        let mut values: Vec<f64> = all.iter().take(count).copied().collect();
        values.iter_mut().take(nullity.value).for_each(|x| *x = 0.0);
        // The dense solver is backward stable and misses none.
        Ok(Smallest { values, error: self.symbols() as f64 * EPS * largest, proof: Proof::Inertia, nullity })
    }

    /// How far each value is from the eigenvalue at its place.
    fn prove(&self, found: &FewEigenpairs, known: &Array2<f64>, error: f64) -> Result<f64> {
        let p = self.symbols();
        let last = found.values[found.values.len() - 1];
        let mut shifted = self.lower_form();
        let trace: f64 = shifted.diag().sum();
        // Above what is asked for, which is at most the mean of all but the smallest twelfth.
        let lift = 2.0 * trace / p as f64;
        // Rounding of the factorisation, with room for that of forming the matrix.
        let margin = 4.0 * (error + 2.0 * (p + 16) as f64 * EPS * trace);
        let shift = last - margin;
        for v in known.rows().into_iter().chain(found.vectors.rows()) {
            for (j, mut column) in shifted.columns_mut().into_iter().enumerate() {
                let weight = lift * v[j];
                let column = column.as_slice_mut().unwrap_or_default();
                let v = v.as_slice().unwrap_or_default();
                column[j..].iter_mut().zip(&v[j..]).for_each(|(x, v)| *x += weight * v);
            }
        }
        shifted.diag_mut().mapv_inplace(|x| x - shift);
        match Engine::PARALLEL.positive_definite(shifted)? {
            // Values are at least eigenvalues (Cauchy); what was not found is above shift − rounding.
            Some(rounding) => Ok(margin + rounding),
            None => Err(Error::Numerical {
                method: "proof of the smallest eigenvalues",
                detail: format!("G has an eigenvalue below {last} that the iteration has not found"),
            }),
        }
    }
}

/// G as an operator.
struct Form<'a>(&'a Problem);

impl SymmetricOperator for Form<'_> {
    fn dimension(&self) -> usize {
        self.0.symbols()
    }

    fn apply(&self, x: &[f64], y: &mut [f64]) {
        self.0.apply_in_chunks(x, y);
    }
}

fn stack(vectors: &[Array1<f64>], length: usize) -> Array2<f64> {
    let mut rows = Array2::zeros((vectors.len(), length));
    rows.rows_mut().into_iter().zip(vectors).for_each(|(mut row, v)| row.assign(v));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effective::Task;

    #[test]
    fn a_missed_eigenvalue_is_found_out() {
        let problem = Problem::random(Task::addition(160).unwrap(), 6000, 1).unwrap();
        let known = stack(&problem.known_null_vectors(), 160);
        let all = Engine::SEQUENTIAL.eigh(problem.quadratic_form().view()).unwrap();
        // The third and fourth from below, and then the fourth and fifth, which miss the third.
        for (first, misses) in [(2, false), (3, true)] {
            let found = FewEigenpairs {
                values: all.values.iter().skip(first).take(2).copied().collect(),
                vectors: all
                    .vectors
                    .slice(ndarray::s![.., first..first + 2])
                    .t()
                    .as_standard_layout()
                    .into_owned(),
                residual: 0.0,
                products: 0,
            };
            assert_eq!(problem.prove(&found, &known, 1e-9).is_err(), misses);
        }
    }
}
