//! Problems drawn from a seed: the families of the paper's experiments, with their exact populations.

use ndarray::{Array1, Array2};
use rand::Rng;

use super::{Population, Problem, Sample, Target};
use crate::data::features::{
    FourierFeatures, ReluFeatures, gaussian_matrix, gaussian_vector, generator, sphere, unit_vector,
};
use crate::data::{Covariance, Moments};
use crate::error::{Error, Result, check};
use crate::linalg::Engine;
use crate::memory;

/// The law of the feature vectors φ(x) ∈ R^m.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Features {
    /// φ ~ N(0, I/m) (the paper's "identity features").
    Gaussian,
    /// φ uniform on the sphere of radius `bound`: bounded and isotropic.
    Sphere { bound: f64 },
    /// φ_j = max(0, ⟨w_j, x⟩), w_j ~ N(0, hidden_variance/(d·m)·I_d), x ~ N(0, input_variance·I_d).
    Relu { input_dim: usize, hidden_variance: f64, input_variance: f64 },
    /// φ_j = √(2/m) cos(⟨w_j, x⟩ + b_j), w_j ~ N(0, frequency_variance·I_d), x ~ N(0, input_variance·I_d).
    Fourier { input_dim: usize, frequency_variance: f64, input_variance: f64 },
}

/// The teacher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Teacher {
    /// θ* = 0.
    Zero,
    /// θ* uniform on the unit sphere of R^m.
    Unit,
    /// max(0, ⟨w*, x⟩) with ‖w*‖ = 1, for ReLU features: not linear in them.
    ReluNeuron,
    /// √(2/m) cos(⟨w*, x⟩ + b*), drawn like the features, for Fourier features: not linear in them.
    FourierFeature,
}

/// How to draw a problem. Each ingredient has its own stream of the seed, so that changing one (the
/// number of samples, say) leaves the others as they were.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipe {
    pub features: Features,
    pub teacher: Teacher,
    /// n and m.
    pub samples: usize,
    pub width: usize,
    /// ν²: θ₀ ~ N(0, ν²I).
    pub init_variance: f64,
    /// Standard deviation of Gaussian label noise on the training labels.
    pub noise_std: f64,
    /// Size of the held-out sample for accuracies of non-Gaussian features; 0 for none.
    pub test_samples: usize,
    pub seed: u64,
}

impl Default for Recipe {
    /// The paper's ridge defaults: isotropic Gaussian features, unit teacher, n = 100, m = 1000, ν² = 1.
    fn default() -> Self {
        Recipe {
            features: Features::Gaussian,
            teacher: Teacher::Unit,
            samples: 100,
            width: 1000,
            init_variance: 1.0,
            noise_std: 0.0,
            test_samples: 0,
            seed: 0,
        }
    }
}

/// A problem with all arrays it owns: drawn by a [`Recipe`], or put together from given ones. The fields
/// are those of [`Problem`] and [`Population`].
#[derive(Clone, Debug)]
pub struct Instance {
    pub features: Array2<f64>,
    pub target: Target,
    pub init: Array1<f64>,
    /// Σ, if it is known.
    pub covariance: Option<SecondMoment>,
    pub moments: Option<Moments>,
    /// Features and labels of a held-out sample.
    pub sample: Option<(Array2<f64>, Array1<f64>)>,
    pub gaussian: Option<bool>,
    pub feature_bound: Option<f64>,
}

/// What is needed to write down Σ = E φφᵀ; [`Covariance`] borrows it.
#[derive(Clone, Debug)]
pub enum SecondMoment {
    /// variance·I.
    Isotropic {
        variance: f64,
    },
    Dense(Array2<f64>),
    Relu(ReluFeatures),
    Fourier(FourierFeatures),
}

impl Recipe {
    /// Draws the problem.
    ///
    /// ```
    /// use groktime::ridge::{Recipe, Settings};
    /// let instance = Recipe { samples: 20, width: 50, ..Default::default() }.draw()?;
    /// let spectrum = instance.problem().spectrum(Default::default())?;
    /// assert_eq!(spectrum.eigenvalues().len(), 20);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    ///
    /// # Errors
    /// A size of zero, a variance that is not positive, a teacher that does not fit the features.
    pub fn draw(&self) -> Result<Instance> {
        let (n, m, seed) = (self.samples, self.width, self.seed);
        check("samples", n as f64, |x| x >= 1.0, "at least 1")?;
        check("width", m as f64, |x| x >= 1.0, "at least 1")?;
        check("initial variance", self.init_variance, |x| x > 0.0, "a positive number")?;
        check("noise standard deviation", self.noise_std, |x| x >= 0.0, "at least 0")?;
        self.check_memory()?;
        let init = gaussian_vector(m, self.init_variance, &mut generator(seed, 2));
        let noise = (self.noise_std > 0.0)
            .then(|| gaussian_vector(n, self.noise_std * self.noise_std, &mut generator(seed, 3)));
        let inputs = |d: usize, variance: f64, rows: usize, stream: u64| {
            gaussian_matrix(rows, d, variance, &mut generator(seed, stream))
        };
        let engine = Engine::SEQUENTIAL;
        match self.features {
            Features::Gaussian => {
                let variance = 1.0 / m as f64;
                let features = gaussian_matrix(n, m, variance, &mut generator(seed, 0));
                let law = Law { gaussian: true, ..Law::new(SecondMoment::Isotropic { variance }) };
                self.linear(features, init, noise, law)
            }
            Features::Sphere { bound } => {
                check("feature bound", bound, |b| b > 0.0, "a positive number")?;
                let features = sphere(n, m, bound, &mut generator(seed, 0));
                let variance = bound * bound / m as f64;
                let law = Law { bound: Some(bound), ..Law::new(SecondMoment::Isotropic { variance }) };
                self.linear(features, init, noise, law)
            }
            Features::Relu { input_dim: d, hidden_variance, input_variance } => {
                check("input dimension", d as f64, |x| x >= 1.0, "at least 1")?;
                check("hidden variance", hidden_variance, |x| x > 0.0, "a positive number")?;
                let spread = hidden_variance / (d as f64 * m as f64);
                let weights = gaussian_matrix(m, d, spread, &mut generator(seed, 4));
                let map = ReluFeatures::new(weights, input_variance)?;
                let x = inputs(d, input_variance, n, 0);
                let features = map.map(x.view(), engine)?;
                let test = inputs(d, input_variance, self.test_samples, 5);
                if self.teacher != Teacher::ReluNeuron {
                    let test = map.map(test.view(), engine)?;
                    let law = Law::new(SecondMoment::Relu(map));
                    return self.linear(features, init, noise, law)?.with_test(test);
                }
                let neuron = unit_vector(d, &mut generator(seed, 1));
                let label = |x: &Array2<f64>| x.dot(&neuron).mapv(|z| z.max(0.0));
                let moments = map.neuron_moments(neuron.view())?;
                let sample = (map.map(test.view(), engine)?, label(&test));
                let law = Law::new(SecondMoment::Relu(map));
                Ok(self.curved(features, label(&x), noise, init, law, moments, sample))
            }
            Features::Fourier { input_dim: d, frequency_variance, input_variance } => {
                check("input dimension", d as f64, |x| x >= 1.0, "at least 1")?;
                check("frequency variance", frequency_variance, |x| x > 0.0, "a positive number")?;
                let mut rng = generator(seed, 4);
                let map = FourierFeatures::random(m, d, frequency_variance, input_variance, &mut rng)?;
                let x = inputs(d, input_variance, n, 0);
                let features = map.map(x.view(), engine)?;
                let test = inputs(d, input_variance, self.test_samples, 5);
                let law = |map| Law { bound: Some(2.0_f64.sqrt()), ..Law::new(SecondMoment::Fourier(map)) };
                if self.teacher != Teacher::FourierFeature {
                    let test = map.map(test.view(), engine)?;
                    return self.linear(features, init, noise, law(map))?.with_test(test);
                }
                let mut rng = generator(seed, 1);
                let frequency = gaussian_vector(d, frequency_variance, &mut rng);
                let phase = rng.next_u64() as f64 / u64::MAX as f64 * 2.0 * std::f64::consts::PI;
                let moments = map.teacher_moments(frequency.view(), phase)?;
                let labels = map.teacher_outputs(frequency.view(), phase, x.view())?;
                let test_labels = map.teacher_outputs(frequency.view(), phase, test.view())?;
                let sample = (map.map(test.view(), engine)?, test_labels);
                Ok(self.curved(features, labels, noise, init, law(map), moments, sample))
            }
        }
    }

    /// What is drawn: features, parameters, and for maps of inputs these, the map and the held-out sample.
    fn check_memory(&self) -> Result<()> {
        let (n, m, tests) = (self.samples as f64, self.width as f64, self.test_samples as f64);
        let numbers = match self.features {
            Features::Gaussian | Features::Sphere { .. } => n * m + n + 2.0 * m,
            Features::Relu { input_dim, .. } | Features::Fourier { input_dim, .. } => {
                let d = input_dim as f64;
                // A sample passes through two products before it is kept.
                m * d + (n + tests) * d + (n + tests + 2.0 * n.max(tests)) * m
            }
        };
        memory::check(format!("{} samples of {} features", self.samples, self.width), 8.0 * numbers)
    }

    /// A teacher linear in the features.
    fn linear(
        &self,
        features: Array2<f64>,
        init: Array1<f64>,
        noise: Option<Array1<f64>>,
        law: Law,
    ) -> Result<Instance> {
        let m = self.width;
        let weights = match self.teacher {
            Teacher::Zero => Array1::zeros(m),
            Teacher::Unit => unit_vector(m, &mut generator(self.seed, 1)),
            Teacher::ReluNeuron => {
                return Err(Error::Missing { wanted: "a ReLU-neuron teacher", needs: "ReLU features" });
            }
            Teacher::FourierFeature => {
                return Err(Error::Missing {
                    wanted: "a Fourier-feature teacher",
                    needs: "Fourier features",
                });
            }
        };
        let target = Target::Teacher { weights, noise };
        Ok(law.instance(features, target, init))
    }

    /// A teacher that is not linear in the features: labels and moments.
    #[allow(clippy::too_many_arguments)] // the parts of an instance, passed once
    fn curved(
        &self,
        features: Array2<f64>,
        labels: Array1<f64>,
        noise: Option<Array1<f64>>,
        init: Array1<f64>,
        law: Law,
        moments: Moments,
        sample: (Array2<f64>, Array1<f64>),
    ) -> Instance {
        let labels = match noise {
            Some(noise) => labels + noise,
            None => labels,
        };
        Instance {
            moments: Some(moments),
            sample: (self.test_samples > 0).then_some(sample),
            ..law.instance(features, Target::Labels(labels), init)
        }
    }
}

impl Instance {
    /// Adds a held-out sample labelled by the linear teacher.
    fn with_test(mut self, features: Array2<f64>) -> Result<Instance> {
        if let (Target::Teacher { weights, .. }, true) = (&self.target, features.nrows() > 0) {
            let labels = Engine::SEQUENTIAL.matvec(features.view(), weights.view())?;
            self.sample = Some((features, labels));
        }
        Ok(self)
    }

    /// The problem, borrowing the arrays.
    pub fn problem(&self) -> Problem<'_> {
        let dimension = self.features.ncols();
        let covariance = self.covariance.as_ref().map(|covariance| match covariance {
            SecondMoment::Isotropic { variance } => Covariance::Isotropic { dimension, variance: *variance },
            SecondMoment::Dense(matrix) => Covariance::Dense(matrix.view()),
            SecondMoment::Relu(map) => Covariance::Relu(map),
            SecondMoment::Fourier(map) => Covariance::Fourier(map),
        });
        let sample = self.sample.as_ref();
        Problem {
            features: self.features.view(),
            target: self.target.clone(),
            init: self.init.clone(),
            population: Population {
                covariance,
                moments: self.moments.clone(),
                sample: sample.map(|(f, y)| Sample { features: f.view(), labels: y.clone() }),
                gaussian: self.gaussian,
                feature_bound: self.feature_bound,
            },
        }
    }
}

/// What a recipe knows of the law of its features.
struct Law {
    covariance: SecondMoment,
    gaussian: bool,
    bound: Option<f64>,
}

impl Law {
    fn new(covariance: SecondMoment) -> Law {
        Law { covariance, gaussian: false, bound: None }
    }

    fn instance(self, features: Array2<f64>, target: Target, init: Array1<f64>) -> Instance {
        Instance {
            features,
            target,
            init,
            covariance: Some(self.covariance),
            moments: None,
            sample: None,
            gaussian: Some(self.gaussian),
            feature_bound: self.bound,
        }
    }
}
