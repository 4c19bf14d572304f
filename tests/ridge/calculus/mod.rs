//! Sensitivities against finite differences, averages over θ₀ against explicit matrices and draws, and
//! control against the delays it promises.

mod averages;
mod control;
mod sensitivities;

use std::sync::Arc;

use groktime::crossing::Crossing;
use groktime::data::features::{gaussian_matrix, gaussian_vector, generator};
use groktime::data::{Covariance, Moments};
use groktime::error::Error;
use groktime::linalg::Engine;
use groktime::ridge::{
    Control, Decomposition, InitAverage, Knob, Population, Problem, Sample, Sensitivity, Settings, Solution,
    Spectrum, Target,
};
use groktime::trajectory::Clock;
use ndarray::{Array1, Array2, s};
use rand::{Rng, RngExt};

fn full() -> bool {
    std::env::var_os("GROKTIME_FULL").is_some_and(|v| v == "1")
}

fn decades(rng: &mut impl Rng, lo: f64, hi: f64) -> f64 {
    10.0_f64.powf(rng.random_range(lo..hi))
}

fn spd(m: usize, rng: &mut impl Rng) -> Array2<f64> {
    let a = gaussian_matrix(m, m + 2, 1.0 / m as f64, rng);
    a.dot(&a.t())
}

/// What the test loss is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Isotropic,
    Dense,
    /// Labels of any origin, with moments.
    Moments,
    HeldOut,
}

/// A problem whose features are diagonal, so that every coordinate is on its own: the reference needs no
/// decomposition.
#[derive(Clone)]
struct Diagonal {
    kind: Kind,
    features: Array2<f64>,
    /// s_i, zero in the complement.
    s: Vec<f64>,
    teacher: Array1<f64>,
    noise: Array1<f64>,
    labels: Array1<f64>,
    init: Array1<f64>,
    sigma: Array2<f64>,
    h: Array1<f64>,
    kappa: f64,
    test: Array2<f64>,
    test_labels: Array1<f64>,
    lambda: f64,
    eta: f64,
    scale: f64,
    flow: bool,
}

impl Diagonal {
    fn draw(seed: u64, kind: Kind, flow: bool) -> Diagonal {
        let rng = &mut generator(seed, 31);
        let n = rng.random_range(1..=4);
        let m = n + rng.random_range(0..=3);
        let mut features = Array2::zeros((n, m));
        let mut s = vec![0.0; m];
        for i in 0..n {
            s[i] = decades(rng, -1.5, 0.5);
            features[(i, i)] = s[i].sqrt();
        }
        let teacher = gaussian_vector(m, 1.0, rng);
        let noisy = rng.random_range(0..2) == 0;
        let noise = if noisy { gaussian_vector(n, 0.01, rng) } else { Array1::zeros(n) };
        let sigma = match kind {
            Kind::Isotropic => 0.3 * Array2::eye(m),
            _ => spd(m, rng),
        };
        let linear = matches!(kind, Kind::Isotropic | Kind::Dense);
        let labels = if linear { features.dot(&teacher) + &noise } else { gaussian_vector(n, 1.0, rng) };
        let (test, test_labels) = (gaussian_matrix(20, m, 1.0, rng), gaussian_vector(20, 0.5, rng));
        let (sigma, h, kappa) = match kind {
            Kind::Isotropic | Kind::Dense => {
                (sigma.clone(), sigma.dot(&teacher), teacher.dot(&sigma.dot(&teacher)))
            }
            Kind::Moments => (sigma, 0.1 * gaussian_vector(m, 1.0, rng), 2.0),
            Kind::HeldOut => {
                let n = 20.0;
                (test.t().dot(&test) / n, test.t().dot(&test_labels) / n, test_labels.dot(&test_labels) / n)
            }
        };
        let top = s.iter().fold(0.0_f64, |a, &b| a.max(b)) / n as f64;
        let lambda = if rng.random_range(0..6) == 0 { 0.0 } else { decades(rng, -4.0, -0.5) };
        Diagonal {
            kind,
            features,
            s,
            teacher,
            noise,
            labels,
            init: gaussian_vector(m, 9.0, rng),
            sigma,
            h,
            kappa,
            test,
            test_labels,
            lambda,
            eta: rng.random_range(0.02..0.9) / (lambda + top),
            scale: rng.random_range(0.5..1.5),
            flow,
        }
    }

    fn problem(&self) -> Problem<'_> {
        let m = self.teacher.len();
        let mut population = Population::default();
        let noise = (self.noise.dot(&self.noise) > 0.0).then(|| self.noise.clone());
        let teacher = Target::Teacher { weights: self.teacher.clone(), noise };
        let labels = Target::Labels(self.labels.clone());
        let target = match self.kind {
            Kind::Isotropic => {
                population.covariance =
                    Some(Covariance::Isotropic { dimension: m, variance: self.sigma[(0, 0)] });
                teacher
            }
            Kind::Dense => {
                population.covariance = Some(Covariance::Dense(self.sigma.view()));
                teacher
            }
            Kind::Moments => {
                population.covariance = Some(Covariance::Dense(self.sigma.view()));
                population.moments = Some(Moments { h: self.h.clone(), kappa: self.kappa });
                labels
            }
            Kind::HeldOut => {
                population.sample =
                    Some(Sample { features: self.test.view(), labels: self.test_labels.clone() });
                labels
            }
        };
        Problem { features: self.features.view(), target, init: self.init.clone(), population }
    }

    fn settings(&self) -> Settings {
        Settings {
            step_size: self.eta,
            weight_decay: self.lambda,
            init_scale: self.scale,
            ..Settings::default()
        }
    }

    /// θ at a real time, coordinate by coordinate.
    fn theta(&self, t: f64) -> Array1<f64> {
        let n = self.features.nrows();
        let one = |i: usize| {
            let g = self.s[i] / n as f64 + self.lambda;
            let power = if self.flow { (-g * t).exp() } else { (t * (-self.eta * g).ln_1p()).exp() };
            let limit = if i < n { self.s[i].sqrt() * self.labels[i] / (n as f64 * g) } else { 0.0 };
            limit + power * (self.scale * self.init[i] - limit)
        };
        (0..self.init.len()).map(one).collect()
    }

    fn train(&self, t: f64) -> f64 {
        let residual = self.features.dot(&self.theta(t)) - &self.labels;
        residual.dot(&residual) / (2.0 * self.features.nrows() as f64)
    }

    fn test(&self, t: f64) -> f64 {
        let theta = self.theta(t);
        match self.kind {
            Kind::Isotropic | Kind::Dense => {
                let d = theta - &self.teacher;
                d.dot(&self.sigma.dot(&d))
            }
            _ => theta.dot(&self.sigma.dot(&theta)) - 2.0 * self.h.dot(&theta) + self.kappa,
        }
    }

    fn loss(&self, of_test: bool, t: f64) -> f64 {
        if of_test { self.test(t) } else { self.train(t) }
    }

    /// The real root of loss = threshold nearest to a time where one is known to be near.
    fn root(&self, of_test: bool, threshold: f64, near: f64, mut width: f64) -> Option<f64> {
        let f = |t: f64| self.loss(of_test, t) - threshold;
        let (mut lo, mut hi) = (near, near);
        while (f(lo) > 0.0) == (f(hi) > 0.0) {
            (lo, hi) = ((near - width).max(0.0), near + width);
            width *= 1.5;
            if width > near + 1.0 {
                return None;
            }
        }
        let low = f(lo) > 0.0;
        for _ in 0..200 {
            let middle = 0.5 * (lo + hi);
            if (f(middle) > 0.0) == low { lo = middle } else { hi = middle }
        }
        Some(0.5 * (lo + hi))
    }

    fn times(&self, of_test: bool, threshold: f64) -> Option<Sensitivity> {
        let problem = self.problem();
        let spectrum = problem.spectrum(Engine::SEQUENTIAL).unwrap();
        let settings = self.settings();
        match (self.flow, of_test) {
            (true, false) => spectrum.flow(&settings).unwrap().train_sensitivity(threshold),
            (true, true) => spectrum.flow(&settings).unwrap().test_sensitivity(threshold),
            (false, false) => spectrum.descent(&settings).unwrap().train_sensitivity(threshold),
            (false, true) => spectrum.descent(&settings).unwrap().test_sensitivity(threshold),
        }
        .unwrap()
    }

    /// A parameter multiplied by e^x.
    fn moved(&self, parameter: usize, x: f64) -> Diagonal {
        let mut other = self.clone();
        match parameter {
            0 => other.lambda *= x.exp(),
            1 => other.eta *= x.exp(),
            2 => other.scale *= (0.5 * x).exp(),
            _ => {}
        }
        other
    }
}
