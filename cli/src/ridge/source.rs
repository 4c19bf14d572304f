//! From flags to a ridge problem: generators, files, or the digits that come with the program.

use std::path::Path;

use clap::Args;
use groktime::data::features::{
    ReluFeatures, gaussian_matrix, gaussian_vector, gaussian_with_covariance, generator, unit_vector,
};
use groktime::data::files::{read_matrix, read_vector};
use groktime::linalg::Engine;
use groktime::ridge::{Features, Instance, Recipe, SecondMoment, Target, Teacher};
use ndarray::{Array1, Axis, s};

use crate::arguments::{Covariance, Keyword, Source};
use crate::images;
use crate::output::Failure;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FeatureLaw {
    Gaussian,
    Sphere,
    Relu,
    Fourier,
    Digits,
}

impl Keyword for FeatureLaw {
    const ALL: &'static [(&'static str, Self)] = &[
        ("gaussian", FeatureLaw::Gaussian),
        ("sphere", FeatureLaw::Sphere),
        ("relu", FeatureLaw::Relu),
        ("fourier", FeatureLaw::Fourier),
        ("digits", FeatureLaw::Digits),
    ];
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TeacherLaw {
    Zero,
    Unit,
    ReluNeuron,
    Fourier,
}

impl Keyword for TeacherLaw {
    const ALL: &'static [(&'static str, Self)] = &[
        ("zero", TeacherLaw::Zero),
        ("unit", TeacherLaw::Unit),
        ("relu-neuron", TeacherLaw::ReluNeuron),
        ("fourier", TeacherLaw::Fourier),
    ];
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Problem")]
pub struct SourceArguments {
    /// Features: a file (samples × width; .npy, .npz:NAME, .csv), or gaussian | sphere | relu | fourier | digits
    #[arg(long, value_name = "FILE|LAW", default_value = "gaussian")]
    pub features: Source<FeatureLaw>,
    /// Samples n to draw [default: 100; digits: 200]
    #[arg(long, value_name = "N")]
    pub samples: Option<usize>,
    /// Width m (number of features) to draw [default: 1000; digits: 2000]
    #[arg(long, value_name = "M")]
    pub width: Option<usize>,
    /// Input dimension d of relu and fourier features
    #[arg(long, value_name = "D", default_value_t = 100)]
    pub input_dim: usize,
    /// Variance of each input coordinate (relu, fourier)
    #[arg(long, value_name = "V", default_value_t = 1.0)]
    pub input_variance: f64,
    /// relu: w_j ~ N(0, V/(d·m)); fourier: w_j ~ N(0, V)
    #[arg(long, value_name = "V", default_value_t = 1.0)]
    pub hidden_variance: f64,
    /// ν²: initial parameters are drawn from N(0, ν²) [default: 1 when they are drawn]
    #[arg(long, value_name = "V")]
    pub init_variance: Option<f64>,
    /// Bound b ≥ ‖φ(x)‖ (the radius, for sphere features)
    #[arg(long, value_name = "B")]
    pub feature_bound: Option<f64>,
    /// Say that the features of a file are Gaussian vectors
    #[arg(long, value_name = "LAW", value_parser = ["gaussian"])]
    pub feature_law: Option<String>,
    /// Teacher: a file of θ*, or zero | unit | relu-neuron | fourier [default: unit]
    #[arg(long, value_name = "FILE|LAW")]
    pub teacher: Option<Source<TeacherLaw>>,
    /// Real labels instead of a teacher
    #[arg(long, value_name = "FILE", conflicts_with = "teacher")]
    pub labels: Option<String>,
    /// Initial parameters θ₀
    #[arg(long, value_name = "FILE")]
    pub init: Option<String>,
    /// Standard deviation of Gaussian noise added to the training labels
    #[arg(long, value_name = "S", default_value_t = 0.0)]
    pub noise_std: f64,
    /// Σ = E φφᵀ: of file features, or to draw gaussian ones with; a file, or isotropic:V
    #[arg(long, value_name = "FILE|isotropic:V")]
    pub covariance: Option<Covariance>,
    /// Features of a held-out sample
    #[arg(long, value_name = "FILE", requires = "test_labels")]
    pub test_features: Option<String>,
    /// Labels of the held-out sample
    #[arg(long, value_name = "FILE", requires = "test_features")]
    pub test_labels: Option<String>,
    /// Size of the held-out sample drawn for accuracies of relu and fourier features
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pub test_samples: usize,
    /// Seed of every random draw
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

impl SourceArguments {
    /// ν² as the theorems need it: known when θ₀ is drawn, or when the user says so.
    pub fn known_variance(&self) -> Option<f64> {
        self.init_variance.or_else(|| self.init.is_none().then_some(1.0))
    }

    /// The problem of the given seed.
    pub fn load(&self, seed: u64) -> Result<Instance, Failure> {
        let (d, hidden, variance) = (self.input_dim, self.hidden_variance, self.input_variance);
        let law = match &self.features {
            Source::File(path) => return self.read_files(path, seed),
            Source::Keyword(law) => law,
        };
        self.check_memory()?;
        match law {
            FeatureLaw::Gaussian => match &self.covariance {
                Some(covariance) => self.gaussian_with(covariance, seed),
                None => self.draw(Features::Gaussian, seed),
            },
            FeatureLaw::Sphere => {
                self.draw(Features::Sphere { bound: self.feature_bound.unwrap_or(1.0) }, seed)
            }
            FeatureLaw::Relu => {
                let relu = Features::Relu { input_dim: d, hidden_variance: hidden, input_variance: variance };
                self.draw(relu, seed)
            }
            FeatureLaw::Fourier => {
                let fourier =
                    Features::Fourier { input_dim: d, frequency_variance: hidden, input_variance: variance };
                self.draw(fourier, seed)
            }
            FeatureLaw::Digits => self.digits(seed),
        }
    }

    /// Features that are drawn; of the digits there are as many as there are.
    fn check_memory(&self) -> Result<(), Failure> {
        let digits = self.features == Source::Keyword(FeatureLaw::Digits);
        let (n, m) = if digits { (1797, 2000) } else { (self.samples.unwrap_or(100), 1000) };
        Ok(groktime::memory::check_array("features, twice", &[2, n, self.width.unwrap_or(m)])?)
    }

    fn draw(&self, features: Features, seed: u64) -> Result<Instance, Failure> {
        let unused = [
            ("--covariance", self.covariance.is_some()),
            ("--test-features", self.test_features.is_some()),
            ("--labels", self.labels.is_some()),
            ("--feature-law", self.feature_law.is_some()),
        ];
        if let Some((flag, _)) = unused.iter().find(|(_, given)| *given) {
            return Err(Failure::Input(format!(
                "{flag} goes with features from a file: drawn ones have a known law"
            )));
        }
        if self.feature_bound.is_some() && !matches!(features, Features::Sphere { .. }) {
            return Err(Failure::Input("--feature-bound goes with sphere features or a file".into()));
        }
        let given = match &self.teacher {
            Some(Source::File(path)) => Some(read_vector(path)?),
            _ => None,
        };
        let teacher = match &self.teacher {
            Some(Source::Keyword(TeacherLaw::Zero)) => Teacher::Zero,
            Some(Source::Keyword(TeacherLaw::ReluNeuron)) => Teacher::ReluNeuron,
            Some(Source::Keyword(TeacherLaw::Fourier)) => Teacher::FourierFeature,
            _ => Teacher::Unit,
        };
        let recipe = Recipe {
            features,
            teacher,
            samples: self.samples.unwrap_or(100),
            width: self.width.unwrap_or(1000),
            init_variance: self.init_variance.unwrap_or(1.0),
            noise_std: self.noise_std,
            test_samples: self.test_samples,
            seed,
        };
        let mut instance = recipe.draw()?;
        if let (Some(weights), Target::Teacher { noise, .. }) = (given, &instance.target) {
            instance.target = Target::Teacher { weights, noise: noise.clone() };
        }
        if let Some(path) = &self.init {
            instance.init = read_vector(Path::new(path))?;
        }
        Ok(instance)
    }

    /// φ ~ N(0, Σ) with a given Σ.
    fn gaussian_with(&self, covariance: &Covariance, seed: u64) -> Result<Instance, Failure> {
        let n = self.samples.unwrap_or(100);
        let mut rng = generator(seed, 0);
        let (features, covariance) = match covariance {
            Covariance::Isotropic(v) => (
                gaussian_matrix(n, self.width.unwrap_or(1000), *v, &mut rng),
                SecondMoment::Isotropic { variance: *v },
            ),
            Covariance::File(path) => {
                let matrix = read_matrix(path)?;
                if self.width.is_some_and(|w| w != matrix.nrows()) {
                    return Err(Failure::Input(format!(
                        "--width {} does not fit {}, which has {} rows",
                        self.width.unwrap_or_default(),
                        path.display(),
                        matrix.nrows()
                    )));
                }
                (gaussian_with_covariance(n, matrix.view(), &mut rng)?, SecondMoment::Dense(matrix))
            }
        };
        let (n, m) = features.dim();
        Ok(Instance {
            target: self.target(n, m, seed)?,
            init: self.initial(m, seed)?,
            covariance: Some(covariance),
            moments: None,
            sample: None,
            gaussian: Some(true),
            feature_bound: None,
            features,
        })
    }

    fn read_files(&self, path: &Path, seed: u64) -> Result<Instance, Failure> {
        let features = read_matrix(path)?;
        let (n, m) = features.dim();
        if self.samples.is_some_and(|s| s != n) || self.width.is_some_and(|w| w != m) {
            return Err(Failure::Input(format!(
                "{} is {n} × {m}: --samples and --width go with drawn features",
                path.display()
            )));
        }
        if self.covariance.is_none() && self.test_features.is_none() {
            return Err(Failure::Input(format!(
                "features from {} need --covariance C.npy or isotropic:V, or --test-features with --test-labels: \
                 otherwise nothing is known of the test loss",
                path.display()
            )));
        }
        let target = self.target(n, m, seed)?;
        if matches!(target, Target::Labels(_)) && self.test_features.is_none() {
            return Err(Failure::Input(
                "--labels need --test-features and --test-labels: without a teacher Σ does not give the test loss"
                    .into(),
            ));
        }
        let covariance = match &self.covariance {
            Some(Covariance::Isotropic(v)) => Some(SecondMoment::Isotropic { variance: *v }),
            Some(Covariance::File(path)) => Some(SecondMoment::Dense(read_matrix(path)?)),
            None => None,
        };
        let sample = match (&self.test_features, &self.test_labels) {
            (Some(x), Some(y)) => Some((read_matrix(Path::new(x))?, read_vector(Path::new(y))?)),
            _ => None,
        };
        Ok(Instance {
            target,
            init: self.initial(m, seed)?,
            covariance,
            moments: None,
            sample,
            gaussian: self.feature_law.as_ref().map(|_| true),
            feature_bound: self.feature_bound,
            features,
        })
    }

    /// Labels or teacher of features that a recipe did not draw.
    fn target(&self, n: usize, m: usize, seed: u64) -> Result<Target, Failure> {
        if !(self.noise_std >= 0.0 && self.noise_std.is_finite()) {
            return Err(Failure::Input(format!("--noise-std is {}, expected at least 0", self.noise_std)));
        }
        let noise = (self.noise_std != 0.0)
            .then(|| gaussian_vector(n, self.noise_std * self.noise_std, &mut generator(seed, 3)));
        Ok(match (&self.labels, &self.teacher) {
            (Some(path), _) => {
                let labels = read_vector(Path::new(path))?;
                match noise {
                    Some(noise) if noise.len() == labels.len() => Target::Labels(labels + noise),
                    _ => Target::Labels(labels),
                }
            }
            (None, Some(Source::File(path))) => Target::Teacher { weights: read_vector(path)?, noise },
            (None, Some(Source::Keyword(TeacherLaw::Zero))) => {
                Target::Teacher { weights: Array1::zeros(m), noise }
            }
            (None, None | Some(Source::Keyword(TeacherLaw::Unit))) => {
                Target::Teacher { weights: unit_vector(m, &mut generator(seed, 1)), noise }
            }
            (None, Some(Source::Keyword(_))) => {
                return Err(Failure::Input(
                    "--teacher relu-neuron and fourier go with relu and fourier features: give --labels"
                        .into(),
                ));
            }
        })
    }

    fn initial(&self, m: usize, seed: u64) -> Result<Array1<f64>, Failure> {
        match &self.init {
            Some(path) => Ok(read_vector(Path::new(path))?),
            None => {
                let variance = self.init_variance.unwrap_or(1.0);
                if !(variance > 0.0 && variance.is_finite()) {
                    return Err(Failure::Input(format!(
                        "--init-variance is {variance}, expected a positive number"
                    )));
                }
                Ok(gaussian_vector(m, variance, &mut generator(seed, 2)))
            }
        }
    }

    /// UCI optical digits (data/digits/LICENSE.md): even (+1) against odd (−1), through random ReLU
    /// features of the pixels; the images not drawn for training are the test sample.
    fn digits(&self, seed: u64) -> Result<Instance, Failure> {
        if self.teacher.is_some()
            || self.labels.is_some()
            || self.covariance.is_some()
            || self.test_features.is_some()
        {
            return Err(Failure::Input(
                "digits bring their own labels and test sample: drop --teacher, --labels, --covariance, --test-features"
                    .into(),
            ));
        }
        let all = images::small_shuffled(seed)?;
        let (n, m) = (self.samples.unwrap_or(200), self.width.unwrap_or(2000));
        if n == 0 || n >= all.digits.len() {
            return Err(Failure::Input(format!(
                "--samples {n}: digits have {} images, leave some to test",
                all.digits.len()
            )));
        }
        let labels = all.digits.mapv(|digit| if digit % 2.0 == 0.0 { 1.0 } else { -1.0 });
        // Mean squared length of an image is about 20: scaled to about 1 a feature vector.
        let spread = self.hidden_variance / (10.0 * m as f64);
        let weights = gaussian_matrix(m, 64, spread, &mut generator(seed, 4));
        let map = ReluFeatures::new(weights, 1.0)?;
        let features = map.map(all.pixels.view(), Engine::PARALLEL)?;
        let (train, test) = features.view().split_at(Axis(0), n);
        let (mut y, test_labels) = (labels.slice(s![..n]).to_owned(), labels.slice(s![n..]).to_owned());
        if self.noise_std != 0.0 {
            y += &gaussian_vector(n, self.noise_std * self.noise_std, &mut generator(seed, 3));
        }
        Ok(Instance {
            features: train.to_owned(),
            target: Target::Labels(y),
            init: self.initial(m, seed)?,
            covariance: None,
            moments: None,
            sample: Some((test.to_owned(), test_labels)),
            gaussian: Some(false),
            feature_bound: None,
        })
    }
}
