//! Random feature maps and samples of features, each with its exact second moments.
//!
//! Every draw takes a seed and uses ChaCha8, so that it is the same on every machine.

use std::f64::consts::PI;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};

use super::covariance::Moments;
use crate::error::{Result, check, check_finite, check_shape};
use crate::linalg::Engine;
use crate::memory;

/// A seeded source of random numbers; `stream` separates the draws of one experiment.
pub fn generator(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

/// A vector of independent N(0, variance) entries.
///
/// ```
/// use groktime::data::features::{gaussian_vector, generator};
/// let z = gaussian_vector(10_000, 4.0, &mut generator(0, 0));
/// assert!((z.mapv(|x| x * x).mean().unwrap() - 4.0).abs() < 0.3);
/// ```
///
/// # Panics
///
/// When it would need more memory than is [allowed](crate::memory): see [`crate::memory::check_array`].
pub fn gaussian_vector(length: usize, variance: f64, rng: &mut impl Rng) -> Array1<f64> {
    memory::demand("a random vector", &[length]);
    let std = variance.sqrt();
    Array1::from_shape_simple_fn(length, || {
        let z: f64 = StandardNormal.sample(rng);
        std * z
    })
}

/// An n × m matrix of independent N(0, variance) entries (row by row: a longer sample from the same seed
/// begins with the shorter one's rows).
///
/// # Panics
///
/// As [`gaussian_vector`].
pub fn gaussian_matrix(n: usize, m: usize, variance: f64, rng: &mut impl Rng) -> Array2<f64> {
    memory::demand("a random matrix", &[n, m]);
    let std = variance.sqrt();
    Array2::from_shape_simple_fn((n, m), || {
        let z: f64 = StandardNormal.sample(rng);
        std * z
    })
}

/// n feature vectors φ ~ N(0, Σ) for any covariance matrix (by its Cholesky factor).
///
/// # Errors
/// Σ is not square, finite, symmetric or positive definite.
pub fn gaussian_with_covariance(
    n: usize,
    covariance: ArrayView2<'_, f64>,
    rng: &mut impl Rng,
) -> Result<Array2<f64>> {
    crate::linalg::check_symmetric("covariance", covariance)?;
    memory::check_array("samples of a covariance, twice", &[2, n, covariance.nrows()])?;
    let factor = Engine::SEQUENTIAL.cholesky(covariance)?;
    let z = gaussian_matrix(n, covariance.nrows(), 1.0, rng);
    Engine::SEQUENTIAL.matmul(z.view(), factor.t())
}

/// n feature vectors uniform on the sphere of radius `bound` in R^m: bounded features (‖φ‖ = b) with the
/// isotropic second moment Σ = (b²/m) I, the simplest to which the bounded-feature theorems apply.
///
/// # Panics
///
/// As [`gaussian_vector`].
pub fn sphere(n: usize, m: usize, bound: f64, rng: &mut impl Rng) -> Array2<f64> {
    let mut x = gaussian_matrix(n, m, 1.0, rng);
    for mut row in x.axis_iter_mut(Axis(0)) {
        let norm = row.dot(&row).sqrt();
        row *= bound / norm;
    }
    x
}

/// A random vector of norm one.
///
/// # Panics
///
/// As [`gaussian_vector`].
pub fn unit_vector(length: usize, rng: &mut impl Rng) -> Array1<f64> {
    let z = gaussian_vector(length, 1.0, rng);
    let norm = z.dot(&z).sqrt();
    z / norm
}

/// Random ReLU features φ_j(x) = max(0, ⟨w_j, x⟩) of inputs x ~ N(0, input_variance·I_d).
#[derive(Clone, Debug)]
pub struct ReluFeatures {
    weights: Array2<f64>,
    norms: Array1<f64>,
    input_variance: f64,
}

impl ReluFeatures {
    /// From the m × d matrix of the w_j.
    ///
    /// # Errors
    /// Empty or not finite weights, non-positive variance.
    pub fn new(weights: Array2<f64>, input_variance: f64) -> Result<Self> {
        check_finite("hidden weights", weights.view())?;
        check("input variance", input_variance, |v| v > 0.0, "a positive number")?;
        let norms = weights.map_axis(Axis(1), |w| w.dot(&w).sqrt());
        Ok(ReluFeatures { weights, norms, input_variance })
    }

    /// m.
    pub fn width(&self) -> usize {
        self.weights.nrows()
    }

    /// Features of the rows of an n × d input matrix.
    ///
    /// # Errors
    /// The inputs have not d columns.
    pub fn map(&self, inputs: ArrayView2<'_, f64>, engine: Engine) -> Result<Array2<f64>> {
        check_shape(
            "inputs",
            inputs.shape(),
            &[inputs.nrows(), self.weights.ncols()],
            "one column an input",
        )?;
        memory::check_array("features, three times", &[3, inputs.nrows(), self.width()])?;
        let product = engine.matmul(inputs, self.weights.t())?;
        Ok(product.mapv(|x| x.max(0.0)).as_standard_layout().into_owned())
    }

    /// E φ_i φ_j for i in first..last and all j: the arc-cosine kernel of degree 1 (Cho and Saul 2009),
    /// ‖w‖‖w′‖/(2π)·(sin ϑ + (π − ϑ) cos ϑ) times the input variance.
    pub(crate) fn second_moment_rows(&self, first: usize, last: usize) -> Array2<f64> {
        let rows = self.weights.slice(s![first..last, ..]);
        let mut block = match Engine::SEQUENTIAL.matmul(rows, self.weights.t()) {
            Ok(product) => product.as_standard_layout().into_owned(),
            Err(_) => Array2::zeros((last - first, self.width())),
        };
        for (i, mut row) in block.axis_iter_mut(Axis(0)).enumerate() {
            let norm = self.norms[first + i];
            for (entry, &other) in row.iter_mut().zip(&self.norms) {
                *entry = self.input_variance * arc_cosine(*entry, norm, other);
            }
        }
        block
    }

    /// tr Σ.
    pub(crate) fn second_moment_trace(&self) -> f64 {
        0.5 * self.input_variance * self.norms.dot(&self.norms)
    }

    /// h and κ of the teacher N*(x) = max(0, ⟨w*, x⟩).
    ///
    /// # Errors
    /// w* has not length d or is not finite.
    pub fn neuron_moments(&self, teacher: ArrayView1<'_, f64>) -> Result<Moments> {
        check_finite("teacher neuron", teacher)?;
        check_shape("teacher neuron", teacher.shape(), &[self.weights.ncols()], "as long as an input")?;
        let norm = teacher.dot(&teacher).sqrt();
        let products = Engine::SEQUENTIAL.matvec(self.weights.view(), teacher)?;
        let h = products.iter().zip(&self.norms).map(|(&p, &w)| self.input_variance * arc_cosine(p, w, norm));
        Ok(Moments { h: h.collect(), kappa: 0.5 * self.input_variance * norm * norm })
    }
}

/// E max(0, ⟨w, x⟩) max(0, ⟨w′, x⟩) for x ~ N(0, I), from ⟨w, w′⟩ and the norms.
fn arc_cosine(product: f64, norm: f64, other: f64) -> f64 {
    let size = norm * other;
    if size == 0.0 {
        return 0.0;
    }
    let cos = (product / size).clamp(-1.0, 1.0);
    let sin = ((1.0 - cos) * (1.0 + cos)).sqrt();
    size / (2.0 * PI) * (sin + (PI - libm::acos(cos)) * cos)
}

/// Random Fourier features φ_j(x) = √(2/m) cos(⟨w_j, x⟩ + b_j) of inputs x ~ N(0, input_variance·I_d).
#[derive(Clone, Debug)]
pub struct FourierFeatures {
    frequencies: Array2<f64>,
    phases: Array1<f64>,
    /// (cos b_j, sin b_j), and ‖w_j‖².
    turns: Vec<(f64, f64)>,
    squares: Array1<f64>,
    input_variance: f64,
}

impl FourierFeatures {
    /// From given frequencies (m × d) and phases (m).
    ///
    /// # Errors
    /// Empty, not finite or unequal numbers of frequencies and phases, non-positive variance.
    pub fn new(frequencies: Array2<f64>, phases: Array1<f64>, input_variance: f64) -> Result<Self> {
        check_finite("frequencies", frequencies.view())?;
        check_finite("phases", phases.view())?;
        check_shape("phases", phases.shape(), &[frequencies.nrows()], "one a frequency")?;
        check("input variance", input_variance, |v| v > 0.0, "a positive number")?;
        let squares = frequencies.map_axis(Axis(1), |w| w.dot(&w));
        let turns = phases.iter().map(|&b| turn(b)).collect();
        Ok(FourierFeatures { frequencies, phases, turns, squares, input_variance })
    }

    /// m features with w ~ N(0, frequency_variance·I_d) and b uniform on [0, 2π].
    ///
    /// # Errors
    /// As [`FourierFeatures::new`].
    pub fn random(
        m: usize,
        d: usize,
        frequency_variance: f64,
        input_variance: f64,
        rng: &mut impl Rng,
    ) -> Result<Self> {
        memory::check_array("frequencies", &[m, d])?;
        let frequencies = gaussian_matrix(m, d, frequency_variance, rng);
        let phases = Array1::from_shape_simple_fn(m, || {
            let u: f64 = StandardUniform.sample(rng);
            2.0 * PI * u
        });
        FourierFeatures::new(frequencies, phases, input_variance)
    }

    /// m.
    pub fn width(&self) -> usize {
        self.frequencies.nrows()
    }

    /// Features of the rows of an n × d input matrix.
    ///
    /// # Errors
    /// The inputs have not d columns.
    pub fn map(&self, inputs: ArrayView2<'_, f64>, engine: Engine) -> Result<Array2<f64>> {
        let d = self.frequencies.ncols();
        check_shape("inputs", inputs.shape(), &[inputs.nrows(), d], "one column an input")?;
        memory::check_array("features, three times", &[3, inputs.nrows(), self.width()])?;
        let scale = (2.0 / self.width() as f64).sqrt();
        let angles = engine.matmul(inputs, self.frequencies.t())? + &self.phases;
        Ok(angles.mapv(|a| scale * libm::cos(a)).as_standard_layout().into_owned())
    }

    /// E φ_i φ_j = (1/m)[e^{−v‖w−w′‖²/2} cos(b−b′) + e^{−v‖w+w′‖²/2} cos(b+b′)] with v the input variance,
    /// for i in first..last and all j.
    pub(crate) fn second_moment_rows(&self, first: usize, last: usize) -> Array2<f64> {
        let rows = self.frequencies.slice(s![first..last, ..]);
        let mut block = match Engine::SEQUENTIAL.matmul(rows, self.frequencies.t()) {
            Ok(product) => product.as_standard_layout().into_owned(),
            Err(_) => Array2::zeros((last - first, self.width())),
        };
        let scale = 1.0 / self.width() as f64;
        for (i, mut row) in block.axis_iter_mut(Axis(0)).enumerate() {
            let (square, own) = (self.squares[first + i], self.turns[first + i]);
            for ((entry, &other), &turn) in row.iter_mut().zip(&self.squares).zip(&self.turns) {
                *entry = scale * self.cosines(*entry, (square, own), (other, turn));
            }
        }
        block
    }

    /// tr Σ.
    pub(crate) fn second_moment_trace(&self) -> f64 {
        let own =
            |(&square, &turn): (&f64, &(f64, f64))| self.cosines(square, (square, turn), (square, turn));
        self.squares.iter().zip(&self.turns).map(own).sum::<f64>() / self.width() as f64
    }

    /// 2·E cos(⟨w,x⟩ + b) cos(⟨w′,x⟩ + b′) from ⟨w, w′⟩ and, for each, ‖w‖² and (cos b, sin b).
    fn cosines(&self, product: f64, one: (f64, (f64, f64)), other: (f64, (f64, f64))) -> f64 {
        let half = 0.5 * self.input_variance;
        let ((square, (c, s)), (square2, (c2, s2))) = (one, other);
        libm::exp(-half * (square + square2 - 2.0 * product)) * (c * c2 + s * s2)
            + libm::exp(-half * (square + square2 + 2.0 * product)) * (c * c2 - s * s2)
    }

    /// The teacher N*(x) = √(2/m) cos(⟨w*, x⟩ + b*) at the rows of an input matrix.
    ///
    /// # Errors
    /// w* has not length d.
    pub fn teacher_outputs(
        &self,
        frequency: ArrayView1<'_, f64>,
        phase: f64,
        inputs: ArrayView2<'_, f64>,
    ) -> Result<Array1<f64>> {
        let scale = (2.0 / self.width() as f64).sqrt();
        Ok(Engine::SEQUENTIAL.matvec(inputs, frequency)?.mapv(|a| scale * libm::cos(a + phase)))
    }

    /// h and κ of that teacher.
    ///
    /// # Errors
    /// w* has not length d or is not finite.
    pub fn teacher_moments(&self, frequency: ArrayView1<'_, f64>, phase: f64) -> Result<Moments> {
        check_finite("teacher frequency", frequency)?;
        check_shape(
            "teacher frequency",
            frequency.shape(),
            &[self.frequencies.ncols()],
            "as long as an input",
        )?;
        let square = frequency.dot(&frequency);
        let products = Engine::SEQUENTIAL.matvec(self.frequencies.view(), frequency)?;
        let scale = 1.0 / self.width() as f64;
        let own = (square, turn(phase));
        let entry = |j: usize| scale * self.cosines(products[j], (self.squares[j], self.turns[j]), own);
        let kappa = scale * self.cosines(square, own, own);
        Ok(Moments { h: (0..self.width()).map(entry).collect(), kappa })
    }
}

/// (cos b, sin b).
fn turn(b: f64) -> (f64, f64) {
    (libm::cos(b), libm::sin(b))
}
