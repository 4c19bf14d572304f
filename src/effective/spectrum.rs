//! Eigenvalues of G and of the Hessian H = 2G/(N·Z0): the grokking rate.

use ndarray::{Array1, Array2, s};

use super::Problem;
use super::rank::Nullity;
use crate::error::Result;
use crate::linalg::{EPS, Engine};

/// Whether the loss is a mean or a sum over the parallelograms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Convention {
    /// ℓ0 = Σ_q|a_q·E|²/N (the paper).
    #[default]
    Mean,
    /// ℓ0 = Σ_q|a_q·E|² (the authors' code: rates are N times larger).
    Sum,
}

impl Convention {
    /// What the sum over parallelograms is divided by.
    pub fn divisor(self, parallelograms: u64) -> f64 {
        match self {
            Convention::Mean => parallelograms as f64,
            Convention::Sum => 1.0,
        }
    }
}

/// Z0 = Σ_k|E_k|² of normalised embeddings, for one dimension; with d dimensions it is d times that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Normalisation {
    /// Z0 = 1.
    One,
    /// Z0 = p: mean 0, population standard deviation 1 (the paper).
    #[default]
    Symbols,
    /// Z0 = p − 1: sample standard deviation 1 (the authors' code).
    SymbolsLessOne,
}

impl Normalisation {
    /// Z0 of one dimension.
    pub fn z0(self, symbols: usize) -> f64 {
        match self {
            Normalisation::One => 1.0,
            Normalisation::Symbols => symbols as f64,
            Normalisation::SymbolsLessOne => symbols as f64 - 1.0,
        }
    }
}

/// The decomposition of G = Σ_q a_q a_qᵀ, free of conventions.
#[derive(Clone, Debug)]
pub struct Spectrum<'a> {
    pub(crate) problem: &'a Problem,
    pub(crate) nullity: Nullity,
    /// Eigenvalues of G, ascending; the first n0 exactly zero.
    pub(crate) values: Array1<f64>,
    /// Eigenvectors as columns; the first n0 span the exact null space.
    pub(crate) vectors: Array2<f64>,
    /// For each eigenvalue how far it may be from others that are given as equal to it: 0 where the equality is proved.
    pub(crate) unresolved: Array1<f64>,
}

impl<'a> Spectrum<'a> {
    /// See [`Problem::spectrum`].
    pub(crate) fn new(problem: &'a Problem, engine: Engine) -> Result<Spectrum<'a>> {
        let nullity = problem.nullity();
        let e = engine.eigh(problem.quadratic_form().view())?;
        let (mut values, mut vectors) = (e.values, e.vectors);
        // The exact rank says which eigenvalues are zero; the rest are positive.
        values.iter_mut().take(nullity.value).for_each(|x| *x = 0.0);
        // The known null vectors are put in place exactly, the others orthogonal to them.
        let known = problem.known_null_vectors();
        let mut rest = vectors.slice(s![.., ..nullity.value]).to_owned();
        for mut column in rest.columns_mut() {
            for v in &known {
                let along = v.dot(&column);
                column.scaled_add(-along, v);
            }
        }
        let others = nullity.value - known.len();
        if others > 0 {
            let left = engine.thin_svd(rest.view())?.left;
            vectors.slice_mut(s![.., known.len()..nullity.value]).assign(&left.slice(s![.., ..others]));
        }
        for (k, exact) in known.iter().enumerate() {
            vectors.column_mut(k).assign(exact);
        }
        let unresolved = problem.join_equal(&mut values, nullity.value);
        Ok(Spectrum { problem, nullity, values, vectors, unresolved })
    }

    pub fn problem(&self) -> &'a Problem {
        self.problem
    }

    /// n0, exactly.
    pub fn nullity(&self) -> Nullity {
        self.nullity
    }

    /// Eigenvalues of the integer matrix G, ascending.
    pub fn eigenvalues(&self) -> &Array1<f64> {
        &self.values
    }

    /// Eigenvectors of G as columns, in the order of the eigenvalues.
    pub fn eigenvectors(&self) -> &Array2<f64> {
        &self.vectors
    }

    /// Eigenvalues of H = 2G/(N·Z0), ascending; `None` without parallelograms.
    pub fn hessian_eigenvalues(
        &self,
        convention: Convention,
        normalisation: Normalisation,
    ) -> Option<Array1<f64>> {
        let scale = self.scale(convention, normalisation)?;
        Some(self.values.mapv(|mu| mu * scale))
    }

    /// λ3, the third smallest eigenvalue of H ("grokking rate"); 0 when n0 > 2 or nothing is learned.
    ///
    /// ```
    /// use groktime::effective::{Convention, Normalisation, Problem, Task};
    /// let problem = Problem::full(Task::addition(6)?);
    /// let spectrum = problem.spectrum(Default::default())?;
    /// let rate = spectrum.lambda3(Convention::Mean, Normalisation::One);
    /// assert!((rate - 24.0 / 13.0).abs() < 1e-13);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    pub fn lambda3(&self, convention: Convention, normalisation: Normalisation) -> f64 {
        let third = self.values.get(2).copied().unwrap_or(0.0);
        self.scale(convention, normalisation).map_or(0.0, |scale| third * scale)
    }

    /// The first eigenvalue of H that full data make positive: λ3 for addition, λ2 for groups.
    pub fn rate(&self, convention: Convention, normalisation: Normalisation) -> f64 {
        let first = self.values.get(self.problem.task().smallest_nullity()).copied().unwrap_or(0.0);
        self.scale(convention, normalisation).map_or(0.0, |scale| first * scale)
    }

    /// n_h = 1/(λ3·η): the characteristic number of steps of size η; infinite when λ3 = 0.
    pub fn steps(&self, convention: Convention, normalisation: Normalisation, step_size: f64) -> f64 {
        1.0 / (self.lambda3(convention, normalisation) * step_size)
    }

    fn scale(&self, convention: Convention, normalisation: Normalisation) -> Option<f64> {
        let n = self.problem.parallelograms();
        let z0 = normalisation.z0(self.problem.symbols());
        (n > 0).then(|| 2.0 / (convention.divisor(n) * z0))
    }
}

/// μ3 = k(k+1) of full addition data with p = 2k symbols: an exact eigenvalue, with the eigenvector
/// e_0 + e_{p−1} − 1/k. That it is the third smallest is checked numerically only.
///
/// ```
/// assert_eq!(groktime::effective::even_third_eigenvalue(10), Some(30.0));
/// assert_eq!(groktime::effective::even_third_eigenvalue(11), None);
/// ```
pub fn even_third_eigenvalue(symbols: usize) -> Option<f64> {
    let k = (symbols / 2) as f64;
    (symbols.is_multiple_of(2) && symbols >= 4).then_some(k * (k + 1.0))
}

/// Multiplications that a proof of equal eigenvalues may cost.
const WORTH_PROVING: usize = 200_000_000;

impl Problem {
    /// Gives eigenvalues that rounding alone tells apart one value. Late in a flow e^{−μt} would tell them apart too, and
    /// end on one eigenvector of many. Equal ones near an integer are proved by elimination ([`Problem::multiplicity`]);
    /// of the others the answer says how far apart they may be.
    fn join_equal(&self, values: &mut Array1<f64>, nullity: usize) -> Array1<f64> {
        let p = values.len();
        let mut unresolved = Array1::zeros(p);
        let reach = 4.0 * p as f64 * EPS * values.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        let mut first = nullity;
        while first < p {
            let mut end = first + 1;
            while end < p && values[end] - values[end - 1] <= reach {
                end += 1;
            }
            let (count, mean) = (end - first, values.slice(s![first..end]).sum() / (end - first) as f64);
            if count > 1 {
                let whole = mean.round();
                let affordable = p * p * (p - count) <= WORTH_PROVING;
                let near = (mean - whole).abs() <= reach;
                let proved = near && affordable && self.multiplicity(whole as i64) == count;
                values.slice_mut(s![first..end]).fill(if proved { whole } else { mean });
                unresolved.slice_mut(s![first..end]).fill(if proved { 0.0 } else { count as f64 * reach });
            }
            first = end;
        }
        unresolved
    }

    /// Orthonormal null vectors that every training set has: the translation, and for addition the line.
    pub(crate) fn known_null_vectors(&self) -> Vec<Array1<f64>> {
        let p = self.symbols();
        let constant = Array1::from_elem(p, 1.0 / (p as f64).sqrt());
        if !self.task.is_addition() {
            return vec![constant];
        }
        let line = Array1::from_shape_fn(p, |k| k as f64 - 0.5 * (p as f64 - 1.0));
        let length = line.dot(&line).sqrt();
        vec![constant, line / length]
    }

    /// Eigenvalues of G alone, ascending, the first n0 exactly zero: a third of the work of a spectrum.
    ///
    /// # Errors
    /// The eigendecomposition does not converge.
    pub fn eigenvalues(&self, engine: Engine) -> Result<Array1<f64>> {
        let nullity = self.nullity().value;
        let mut values = engine.eigenvalues(self.quadratic_form().view())?;
        values.iter_mut().take(nullity).for_each(|x| *x = 0.0);
        Ok(values)
    }
}
