//! The decomposition of the features, and what a problem's vectors are in its coordinates
//! (`theory/ridge.md`, equation 25).

use std::collections::HashSet;
use std::sync::OnceLock;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, CowArray, Ix2, concatenate, s};

use super::{Problem, Target};
use crate::error::{Error, Result, check_finite};
use crate::linalg::{EPS, Engine, Threads, Tridiagonal, numerical_rank};

/// Above this condition number of ΦᵀΦ the Gram matrix is not decomposed (it would square the condition
/// number of Φ and cost digits of the small eigenvalues); a singular value decomposition is.
const GRAM_CONDITION: f64 = 1e3;

/// Traces of a Gram matrix in which no square matters that has left the range of numbers.
const SAFE: std::ops::Range<f64> = 1e-200..1e200;

/// Squares of singular values below this would lose digits.
const SMALLEST_SQUARE: f64 = 1e-300;

/// Constant of the a-priori backward error: |E| ≤ BACKWARD·√n·ε·|A| for an n × n decomposition.
const BACKWARD: f64 = 20.0;

/// The features in a form from which coordinates follow.
enum Form {
    /// ΦΦᵀ (n ≤ m) or ΦᵀΦ (n > m), positive definite, as H T Hᵀ. Its eigenvectors, the left or the right
    /// singular vectors of Φ, are formed when first asked for.
    Gram { tridiagonal: Tridiagonal, eigenvectors: OnceLock<Array2<f64>> },
    /// Singular values, ascending and positive, with left (n × k) and right (m × k) vectors.
    /// `dropped` is the norm of the singular values that count as zero.
    Singular { values: Array1<f64>, left: Array2<f64>, right: Array2<f64>, dropped: f64 },
}

/// Features with their form, before their eigenvalues are known.
pub(super) struct Reduction<'a> {
    /// Divided by `unit`, a power of two, where their squares would leave the range of numbers.
    features: CowArray<'a, f64, Ix2>,
    unit: f64,
    engine: Engine,
    form: Form,
    row_norm: f64,
    frobenius_squared: f64,
}

/// A problem's vectors in the coordinates of the decomposition.
pub(super) struct Projection {
    /// s_i, the same for all vectors.
    eigenvalues: Array1<f64>,
    /// ⟨v_i, θ₀⟩ and, for a linear teacher, ⟨v_i, θ*⟩ as columns; and what is orthogonal to all rows of Φ.
    pub parameters: Array2<f64>,
    pub complements: Array2<f64>,
    /// ⟨q_i, y⟩ and ‖y − Σ⟨q_i, y⟩q_i‖² of labels, or of a teacher's noise.
    pub samples: Option<(Array1<f64>, f64)>,
}

impl<'a> Reduction<'a> {
    pub fn new(features: ArrayView2<'a, f64>, engine: Engine) -> Result<Self> {
        let (n, m) = features.dim();
        if n == 0 || m == 0 {
            return Err(Error::Empty { name: "features", shape: vec![n, m] });
        }
        let wide = n <= m;
        crate::memory::check_array("the decomposition of the Gram matrix", &[3, n.min(m), n.min(m)])?;
        let gram_of = |x: ArrayView2<'_, f64>| engine.lower_gram(if wide { x } else { x.reversed_axes() });
        let (mut features, mut unit) = (CowArray::from(features), 1.0);
        let mut gram = gram_of(features.view());
        let trace = gram.diag().sum();
        if !(SAFE.contains(&trace)) {
            check_finite("features", features.view())?;
            let largest = features.iter().fold(0.0_f64, |a, x| a.max(x.abs()));
            if largest > 0.0 {
                unit = largest.log2().floor().exp2();
                features = CowArray::from(&features / unit);
                gram = gram_of(features.view());
            }
        }
        let frobenius_squared = gram.diag().sum() * unit * unit;
        let row_norm = unit
            * match wide {
                true => gram.diag().iter().copied().fold(0.0, f64::max).sqrt(),
                false => features.outer_iter().map(|r| r.dot(&r)).fold(0.0, f64::max).sqrt(),
            };
        let tridiagonal = engine.tridiagonal(gram)?;
        let form = if tridiagonal.is_conditioned(GRAM_CONDITION) {
            Form::Gram { tridiagonal, eigenvectors: OnceLock::new() }
        } else {
            drop(tridiagonal);
            let svd = engine.thin_svd(features.view())?;
            let rank = numerical_rank(&svd.values.to_vec(), n, m);
            // Ascending, as the eigenvalues of the other route.
            let flip = |a: Array2<f64>| a.slice(s![.., ..rank;-1]).to_owned();
            let values = svd.values.slice(s![..rank;-1]).to_owned();
            let dropped = svd.values.iter().skip(rank).map(|x| x * x).sum::<f64>().sqrt();
            Form::Singular { values, left: flip(svd.left), right: flip(svd.right), dropped }
        };
        Ok(Reduction { features, unit, engine, form, row_norm, frobenius_squared })
    }

    /// Eigenvalues alone.
    fn eigenvalues(&self) -> Result<Array1<f64>> {
        match &self.form {
            Form::Gram { tridiagonal, .. } => {
                Ok(tridiagonal.coordinates(Array2::zeros((self.small(), 0)).view())?.0)
            }
            Form::Singular { values, .. } => Ok(values * values),
        }
    }

    fn small(&self) -> usize {
        self.features.nrows().min(self.features.ncols())
    }

    /// A problem's vectors in the coordinates of this form.
    pub fn project(&self, problem: &Problem<'_>) -> Result<Projection> {
        let init = problem.init.view().insert_axis(Axis(1));
        let parameters = match problem.target.weights() {
            Some(weights) => joined(init, weights)?,
            None => init.to_owned(),
        };
        let samples = match &problem.target {
            Target::Teacher { noise, .. } => noise.as_ref(),
            Target::Labels(labels) => Some(labels),
        };
        match &self.form {
            Form::Gram { tridiagonal, .. } if self.features.nrows() <= self.features.ncols() => {
                self.project_wide(tridiagonal, parameters, samples)
            }
            Form::Gram { tridiagonal, .. } => self.project_tall(tridiagonal, parameters, samples),
            Form::Singular { values, left, right, .. } => {
                let (coordinates, complements) = self.split(right, parameters)?;
                let engine = self.engine;
                let one = |y: &Array1<f64>| -> Result<(Array1<f64>, f64)> {
                    let c = engine.matvec(left.t(), y.view())?;
                    let fitted = engine.matvec(left.view(), c.view())?;
                    // With full row rank nothing is left over; the difference would only be rounding.
                    let all = values.len() == y.len();
                    Ok((c, if all { 0.0 } else { squared_distance(y, &fitted) }))
                };
                Ok(Projection {
                    eigenvalues: values * values,
                    parameters: coordinates,
                    complements,
                    samples: samples.map(one).transpose()?,
                })
            }
        }
    }

    /// With K = ΦΦᵀ = QSQᵀ: ⟨v_i, θ⟩ = s_i^{−1/2}⟨q_i, Φθ⟩ and θ_⊥ = θ − ΦᵀK⁻¹Φθ. No label is out of reach.
    fn project_wide(
        &self,
        gram: &Tridiagonal,
        parameters: Array2<f64>,
        samples: Option<&Array1<f64>>,
    ) -> Result<Projection> {
        let engine = self.engine;
        let columns = parameters.ncols();
        let image = engine.matmul(self.features.view(), parameters.view())?;
        let inner = match samples {
            Some(y) => joined(image.view(), y.view())?,
            None => image.clone(),
        };
        let complements = || -> Result<Array2<f64>> {
            let mut complements = parameters;
            if self.features.nrows() == self.features.ncols() {
                complements.fill(0.0);
                return Ok(complements);
            }
            // Twice, so that it is orthogonal to rounding.
            let lift =
                |image: Array2<f64>| engine.matmul(self.features.t(), gram.solve(image.view())?.view());
            complements -= &lift(image)?;
            let again = engine.matmul(self.features.view(), complements.view())?;
            complements -= &lift(again)?;
            Ok(complements)
        };
        // The rotations wait for each other, the passes over the features for memory: side by side.
        let (spectrum, complements) = match engine.threads {
            Threads::One => (gram.coordinates(inner.view()), complements()),
            Threads::All => rayon::join(|| gram.coordinates(inner.view()), complements),
        };
        let ((eigenvalues, mut coordinates), complements) = (spectrum?, complements?);
        let samples = samples.map(|_| (coordinates.column(columns).to_owned(), 0.0));
        coordinates = coordinates.slice_move(s![.., ..columns]);
        coordinates /= &eigenvalues.mapv(f64::sqrt).insert_axis(Axis(1));
        Ok(Projection { eigenvalues, parameters: coordinates, complements, samples })
    }

    /// With C = ΦᵀΦ = VSVᵀ: ⟨q_i, y⟩ = s_i^{−1/2}⟨v_i, Φᵀy⟩, and ΦC⁻¹Φᵀy is what of y can be fitted. No
    /// parameter is out of reach.
    fn project_tall(
        &self,
        gram: &Tridiagonal,
        parameters: Array2<f64>,
        samples: Option<&Array1<f64>>,
    ) -> Result<Projection> {
        let engine = self.engine;
        let complements = Array2::zeros(parameters.raw_dim());
        let Some(y) = samples else {
            let (eigenvalues, coordinates) = gram.coordinates(parameters.view())?;
            return Ok(Projection { eigenvalues, parameters: coordinates, complements, samples: None });
        };
        let back = engine.matvec(self.features.t(), y.view())?;
        let (eigenvalues, coordinates) = gram.coordinates(joined(parameters.view(), back.view())?.view())?;
        let lifted = gram.solve(back.view().insert_axis(Axis(1)))?;
        let fitted = engine.matvec(self.features.view(), lifted.column(0))?;
        let columns = parameters.ncols();
        let labels = &coordinates.column(columns) / &eigenvalues.mapv(f64::sqrt);
        Ok(Projection {
            eigenvalues,
            samples: Some((labels, squared_distance(y, &fitted))),
            parameters: coordinates.slice_move(s![.., ..columns]),
            complements,
        })
    }

    /// Coordinates of the columns of an m × c matrix in given right vectors, and what is orthogonal to them,
    /// projected twice so that it is orthogonal to rounding.
    fn split(&self, right: &Array2<f64>, x: Array2<f64>) -> Result<(Array2<f64>, Array2<f64>)> {
        let engine = self.engine;
        let mut coordinates = engine.matmul(right.t(), x.view())?;
        if right.ncols() == right.nrows() {
            return Ok((coordinates, Array2::zeros(x.raw_dim())));
        }
        let mut rest = x;
        rest -= &engine.matmul(right.view(), coordinates.view())?;
        let again = engine.matmul(right.t(), rest.view())?;
        rest -= &engine.matmul(right.view(), again.view())?;
        coordinates += &again;
        Ok((coordinates, rest))
    }
}

/// Positive eigenvalues s_i of ΦᵀΦ and the singular vectors of Φ, independent of labels and of θ₀.
///
/// The smaller of ΦΦᵀ and ΦᵀΦ is reduced to tridiagonal form when its condition number is below 10³;
/// otherwise Φ itself is decomposed (QR, then SVD of the triangular factor). Singular values below
/// max(n, m)·ε·σ_max count as zero. Singular vectors are formed only where a general Σ, a test sample or
/// θ_t itself needs them.
pub struct Decomposition<'a> {
    reduction: Reduction<'a>,
    eigenvalues: Vec<f64>,
    /// Bound on the error of each eigenvalue.
    eigenvalue_errors: Vec<f64>,
    /// Where Φ itself was decomposed: the norm of E if its singular vectors are those of Φ + E.
    backward_error: Option<f64>,
    /// See [`Decomposition::unseen`].
    unseen: OnceLock<f64>,
}

impl<'a> Decomposition<'a> {
    /// Decomposes an n × m feature matrix, to be shared by many problems.
    ///
    /// # Errors
    /// Empty or non-finite features; a decomposition that does not converge.
    pub fn new(features: ArrayView2<'a, f64>, engine: Engine) -> Result<Self> {
        let reduction = Reduction::new(features, engine)?;
        let eigenvalues = reduction.eigenvalues()?;
        Decomposition::with(reduction, eigenvalues)
    }

    /// The same for one problem, whose vectors are projected in the same pass.
    pub(super) fn of(problem: &Problem<'a>, engine: Engine) -> Result<(Self, Projection)> {
        let reduction = Reduction::new(problem.features, engine)?;
        let projection = reduction.project(problem)?;
        let eigenvalues = projection.eigenvalues.clone();
        Ok((Decomposition::with(reduction, eigenvalues)?, projection))
    }

    /// `eigenvalues` of the scaled features.
    fn with(reduction: Reduction<'a>, eigenvalues: Array1<f64>) -> Result<Self> {
        let (n, m) = reduction.features.dim();
        let unit = reduction.unit;
        let spread = BACKWARD * (n.min(m) as f64).sqrt() * EPS;
        let largest = eigenvalues.last().copied().unwrap_or(0.0);
        let eigenvalue_errors = match &reduction.form {
            // Accumulating the products adds √(length)·ε to the error of the decomposition.
            Form::Gram { .. } => {
                let error = (spread + (n.max(m) as f64).sqrt() * EPS) * largest;
                vec![error * unit * unit; eigenvalues.len()]
            }
            Form::Singular { values, .. } => {
                // |σ̂² − σ²| ≤ 2σ̂|σ̂ − σ| + (σ̂ − σ)².
                let error = spread * values.last().copied().unwrap_or(0.0);
                values.iter().map(|s| (2.0 * s + error) * error * unit * unit).collect()
            }
        };
        let backward_error = match &reduction.form {
            Form::Gram { .. } => None,
            Form::Singular { values, dropped, .. } => {
                Some((spread * values.last().copied().unwrap_or(0.0) + dropped) * unit)
            }
        };
        let eigenvalues: Vec<f64> = eigenvalues.iter().map(|s| s * unit * unit).collect();
        let smallest = eigenvalues.first().copied().unwrap_or(1.0);
        if !(smallest >= SMALLEST_SQUARE && eigenvalues.last().is_none_or(|s| s.is_finite())) {
            return Err(Error::Numerical {
                method: "decomposition of the features",
                detail: format!(
                    "squared singular values reach from {smallest:e} to {:e}, which leaves the range of \
                     numbers: scale the features, and the step size and the weight decay with them",
                    eigenvalues.last().copied().unwrap_or(0.0)
                ),
            });
        }
        Ok(Decomposition {
            reduction,
            eigenvalues,
            eigenvalue_errors,
            backward_error,
            unseen: OnceLock::new(),
        })
    }

    /// See the field; `None` where a well-conditioned Gram matrix was decomposed.
    pub(super) fn backward_error(&self) -> Option<f64> {
        self.backward_error
    }

    /// Whether singular values were counted as zero.
    pub(super) fn is_deficient(&self) -> bool {
        self.eigenvalues.len() < self.reduction.small()
    }

    /// Bound on the singular values that count as zero: 0 where none does, or where the rank of Φ is certain.
    pub(super) fn unseen(&self) -> f64 {
        let bound = || match self.backward_error {
            Some(error) if self.is_deficient() => {
                match rank_is_at_most(self.reduction.features.view(), self.eigenvalues.len()) {
                    true => 0.0,
                    false => error,
                }
            }
            _ => 0.0,
        };
        *self.unseen.get_or_init(bound)
    }

    /// (n, m).
    pub fn shape(&self) -> (usize, usize) {
        self.reduction.features.dim()
    }

    /// Positive eigenvalues of ΦᵀΦ, ascending; their number is the numerical rank.
    pub fn eigenvalues(&self) -> &[f64] {
        &self.eigenvalues
    }

    pub(super) fn eigenvalue_errors(&self) -> &[f64] {
        &self.eigenvalue_errors
    }

    pub(super) fn engine(&self) -> Engine {
        self.reduction.engine
    }

    pub(super) fn frobenius_squared(&self) -> f64 {
        self.reduction.frobenius_squared
    }

    pub(super) fn row_norm(&self) -> f64 {
        self.reduction.row_norm
    }

    /// See [`Reduction::project`].
    pub(super) fn project(&self, problem: &Problem<'_>) -> Result<Projection> {
        self.reduction.project(problem)
    }

    /// Σ_i c_i v_i for the columns c of a k × c matrix: m × c.
    pub(super) fn span(&self, c: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        let Reduction { features, unit, engine, form, .. } = &self.reduction;
        match form {
            Form::Gram { tridiagonal, eigenvectors } => {
                let vectors = match eigenvectors.get() {
                    Some(vectors) => vectors,
                    None => {
                        let formed = tridiagonal.eigenvectors()?;
                        eigenvectors.get_or_init(|| formed)
                    }
                };
                if features.nrows() > features.ncols() {
                    return engine.matmul(vectors.view(), c);
                }
                let roots: Array1<f64> = self.eigenvalues.iter().map(|s| s.sqrt() / unit).collect();
                let scaled = &c / &roots.insert_axis(Axis(1));
                let image = engine.matmul(vectors.view(), scaled.view())?;
                engine.matmul(features.t(), image.view())
            }
            Form::Singular { right, .. } => engine.matmul(right.view(), c),
        }
    }

    /// The right singular vectors v_i as columns of an m × k matrix.
    pub(super) fn right_vectors(&self) -> Result<Array2<f64>> {
        self.span(Array2::eye(self.eigenvalues.len()).view())
    }
}

/// Whether the rank is certainly not larger: few different rows or columns (up to sign), or an elimination in
/// integers where that is cheap.
fn rank_is_at_most(features: ArrayView2<'_, f64>, rank: usize) -> bool {
    let different = |lines: ArrayView2<'_, f64>| {
        let line = |x: ArrayView1<'_, f64>| -> Option<Vec<u64>> {
            let sign = x.iter().find(|x| **x != 0.0)?.signum();
            // Adding zero makes −0 the same as 0.
            Some(x.iter().map(|x| (sign * x + 0.0).to_bits()).collect())
        };
        lines.outer_iter().filter_map(line).collect::<HashSet<_>>().len()
    };
    different(features) <= rank
        || different(features.reversed_axes()) <= rank
        || features.len() <= crate::digits::ridge::ENTRIES
            && crate::digits::ridge::rank_of(features).is_some_and(|exact| exact <= rank)
}

fn joined(columns: ArrayView2<'_, f64>, last: ArrayView1<'_, f64>) -> Result<Array2<f64>> {
    concatenate(Axis(1), &[columns, last.insert_axis(Axis(1))])
        .map_err(|e| Error::Numerical { method: "stacking vectors", detail: e.to_string() })
}

fn squared_distance(y: &Array1<f64>, fitted: &Array1<f64>) -> f64 {
    y.iter().zip(fitted).map(|(y, f)| (y - f) * (y - f)).sum()
}
