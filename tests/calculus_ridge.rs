//! Sensitivities against finite differences, averages over θ₀ against explicit matrices and draws, and
//! control against the delays it promises.

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
use groktime::trajectory::{Clock, Trajectory};
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

/// ∂t/∂log(λ, η, ν², threshold) by fourth-order central differences of the reference's own root.
fn differences(case: &Diagonal, of_test: bool, threshold: f64, time: f64) -> Option<[f64; 4]> {
    // Steps small beside the distance of the threshold from the end of the loss, where times diverge.
    let h = 1e-4 * (1.0 - case.loss(of_test, 1e9) / threshold).clamp(1e-3, 1.0);
    let mut out = [0.0; 4];
    for (parameter, slot) in out.iter_mut().enumerate() {
        let at = |x: f64| {
            let threshold = if parameter == 3 { threshold * x.exp() } else { threshold };
            case.moved(parameter, x).root(of_test, threshold, time, 1e-3 * (time + 0.1))
        };
        *slot = (8.0 * (at(h)? - at(-h)?) - (at(2.0 * h)? - at(-2.0 * h)?)) / (12.0 * h);
    }
    Some(out)
}

/// Every derivative of t1 and t2, on both clocks and for every way to know the test loss.
#[test]
fn sensitivities_are_the_derivatives() {
    let trials = if full() { 300 } else { 60 };
    let mut worst = 0.0_f64;
    for kind in [Kind::Isotropic, Kind::Dense, Kind::Moments, Kind::HeldOut] {
        for flow in [true, false] {
            for of_test in [false, true] {
                let mut compared = 0;
                let mut still = 0;
                for seed in 0..trials {
                    let case = Diagonal::draw(seed, kind, flow);
                    let rng = &mut generator(seed, 32);
                    // A threshold between the start and the end.
                    let (start, end) = (case.loss(of_test, 0.0), case.loss(of_test, 1e9));
                    if end >= start {
                        continue;
                    }
                    let threshold = end + (start - end) * decades(rng, -3.0, -0.1);
                    let Some(found) = case.times(of_test, threshold) else { continue };
                    let Some(real) = case.root(of_test, threshold, found.time, 1.0) else { continue };
                    if found.tangent || real < 0.2 {
                        continue;
                    }
                    // The time itself is the real one, on both clocks.
                    let near = (found.time - real).abs() <= 1e-9 * (1.0 + real);
                    assert!(
                        near,
                        "{kind:?} flow {flow} test {of_test} seed {seed}: {} is not {real}",
                        found.time
                    );
                    let Some(expected) = differences(&case, of_test, threshold, real) else { continue };
                    let given = [found.weight_decay, found.step_size, found.init_variance, found.threshold];
                    // Where the slope is small, differences see the curvature: leave near-tangencies out.
                    if expected.iter().any(|d| d.abs() > 30.0 * real + 30.0) {
                        continue;
                    }
                    for (i, (a, b)) in given.iter().zip(&expected).enumerate() {
                        let error = (a - b).abs() / (b.abs() + 0.1 * real);
                        worst = worst.max(error);
                        assert!(
                            error <= 1e-6,
                            "{kind:?} flow {flow} test {of_test} seed {seed} λ {} parameter {i}: {a}, differences {b}",
                            case.lambda
                        );
                    }
                    compared += 1;
                    still += u32::from(case.lambda == 0.0);
                }
                assert!(
                    compared >= trials / 3,
                    "{kind:?} flow {flow} test {of_test}: only {compared} compared"
                );
                assert!(still >= 1, "no case with λ = 0");
                if full() {
                    println!("{kind:?} flow {flow} test {of_test}: {compared} compared, {still} with λ = 0");
                }
            }
        }
    }
    println!("largest relative error {worst:.1e}");
}

/// The same against finite differences of the library's own certified times (flow), dense features.
#[test]
fn sensitivities_are_the_derivatives_of_the_certified_times() {
    let rng = &mut generator(8, 0);
    let (n, m) = (6, 20);
    let features = gaussian_matrix(n, m, 1.0 / m as f64, rng);
    let sigma = spd(m, rng);
    let problem = Problem {
        features: features.view(),
        target: Target::Teacher {
            weights: gaussian_vector(m, 0.01, rng),
            noise: Some(gaussian_vector(n, 1e-4, rng)),
        },
        init: gaussian_vector(m, 1.0, rng),
        population: Population { covariance: Some(Covariance::Dense(sigma.view())), ..Default::default() },
    };
    let spectrum = problem.spectrum(Engine::SEQUENTIAL).unwrap();
    let base = Settings { weight_decay: 1e-3, step_size: 0.5, ..Settings::default() };
    let form = spectrum.flow(&base).unwrap();
    let (epsilon, c) = (0.01, 0.5 * form.test_loss(0.0).unwrap().value);
    let given =
        [form.train_sensitivity(epsilon).unwrap().unwrap(), form.test_sensitivity(c).unwrap().unwrap()];
    let at = |parameter: usize, x: f64| -> [f64; 2] {
        let mut settings = base;
        let (mut train, mut test) = (epsilon, c);
        match parameter {
            0 => settings.weight_decay *= x.exp(),
            1 => settings.init_scale *= (0.5 * x).exp(),
            _ => {
                train *= x.exp();
                test *= x.exp();
            }
        }
        let times = spectrum.flow(&settings).unwrap().times(train, test).unwrap();
        [times.train.time().unwrap(), times.test.time().unwrap()]
    };
    let h = 1e-3;
    for parameter in 0..3 {
        let (far, near) =
            ((at(parameter, 2.0 * h), at(parameter, -2.0 * h)), (at(parameter, h), at(parameter, -h)));
        for (which, s) in given.iter().enumerate() {
            let difference =
                (8.0 * (near.0[which] - near.1[which]) - (far.0[which] - far.1[which])) / (12.0 * h);
            let derivative = [s.weight_decay, s.init_variance, s.threshold][parameter];
            let error = (derivative - difference).abs() / (difference.abs() + 1e-3 * s.time);
            assert!(error < 1e-7, "parameter {parameter} of t{}: {derivative}, {difference}", which + 1);
        }
    }
    // τ does not know η; t = τ/η does.
    for s in given {
        assert_eq!(s.step_size, 0.0);
        let steps = s.in_steps(base.step_size);
        assert_eq!(steps.time, s.time / 0.5);
        assert_eq!(steps.step_size, -steps.time);
        assert_eq!(steps.weight_decay, s.weight_decay / 0.5);
        assert_eq!(steps.init_variance, s.init_variance / 0.5);
        assert_eq!(steps.threshold, s.threshold / 0.5);
    }
}

/// Late in training t2 ∝ 1/λ and both times are linear in ln ν²: what the paper plots.
#[test]
fn sensitivities_show_the_scalings() {
    let rng = &mut generator(3, 0);
    let (n, m) = (10, 100);
    let features = gaussian_matrix(n, m, 1.0 / m as f64, rng);
    let problem = Problem {
        features: features.view(),
        target: Target::zero_teacher(m),
        init: gaussian_vector(m, 1.0, rng),
        population: Population::isotropic(m, 1.0 / m as f64),
    };
    let spectrum = problem.spectrum(Engine::SEQUENTIAL).unwrap();
    let settings = Settings { weight_decay: 1e-7, step_size: 1.0, ..Settings::default() };
    let form = spectrum.descent(&settings).unwrap();
    let (t1, t2) =
        (form.train_sensitivity(0.01).unwrap().unwrap(), form.test_sensitivity(0.01).unwrap().unwrap());
    assert!((t2.weight_decay + t2.time).abs() < 1e-6 * t2.time, "t2 ∝ 1/λ");
    assert!(t1.weight_decay.abs() < 1e-4 * t1.time, "t1 does not depend on λ");
    assert!((t2.init_variance - 0.5 / 1e-7).abs() < 1.0, "slope 1/(2ηλ) in ln ν²");
    assert!((t2.threshold + t2.init_variance).abs() < 1.0);
    assert!(t2.init_variance > 100.0 * t1.init_variance);
    assert!((t2.step_size + t2.time).abs() < 1e-6 * t2.time);
}

/// A threshold a hair above a local minimum of the loss is met tangentially.
#[test]
fn tangencies_are_flagged() {
    let features = ndarray::array![[1.0, 0.0], [0.0, 0.5]];
    for flow in [true, false] {
        let problem = Problem {
            features: features.view(),
            target: Target::teacher(ndarray::array![1.0, 1.0]),
            init: ndarray::array![30.0, 4.0],
            population: Population::isotropic(2, 1.0),
        };
        let spectrum = problem.spectrum(Engine::SEQUENTIAL).unwrap();
        let settings = Settings { weight_decay: 0.05, step_size: 1e-3, ..Settings::default() };
        let flags = |c: f64| -> Sensitivity {
            match flow {
                true => spectrum.flow(&settings).unwrap().test_sensitivity(c),
                false => spectrum.descent(&settings).unwrap().test_sensitivity(c),
            }
            .unwrap()
            .unwrap()
        };
        let loss = |t: f64| match flow {
            true => spectrum.flow(&settings).unwrap().test_loss(t).unwrap().value,
            false => spectrum.descent(&settings).unwrap().test_loss(t as u64).unwrap().value,
        };
        // The loss passes a minimum, since both residuals change their sign, and ends above it.
        let unit = if flow { 1e-9 } else { 1.0 };
        let (mut lo, mut hi) = (0.0, if flow { 100.0 } else { 1e5 });
        while hi - lo > 3.0 * unit {
            let (a, b) = (lo + (hi - lo) / 3.0, hi - (hi - lo) / 3.0);
            if loss(a) < loss(b) { hi = b } else { lo = a }
        }
        let least = loss(lo).min(loss(hi)).min(loss(0.5 * (lo + hi)));
        assert!(least < 0.9 * loss(1e7) && least < 0.9 * loss(0.0));
        let away = flags(least * 1.5);
        assert!(!away.tangent && away.time < lo);
        // Towards the tangency the time goes like the root of the distance.
        let near = flags(least * (1.0 + 1e-6));
        assert!(!near.tangent && near.time < hi);
        assert!(near.threshold.abs() > 30.0 * away.threshold.abs());
        if flow {
            let near = flags(least * (1.0 + 1e-10));
            assert!(near.tangent && near.threshold.abs() > 3000.0 * away.threshold.abs());
            let form = spectrum.flow(&settings).unwrap();
            assert_eq!(form.first_general(0.99 * least).unwrap(), Crossing::Never);
            // Within rounding of the minimum whether it is met at all is undecided; that is no error.
            for distance in [-1e-13, -1e-14, 0.0, 1e-14, 1e-13, 1e-12] {
                let met = form.first_general(least * (1.0 + distance)).unwrap();
                assert!(!matches!(met, Crossing::FromStart | Crossing::Never), "{met:?}");
                assert!(form.test_sensitivity(least * (1.0 + distance)).unwrap().is_none_or(|s| s.tangent));
            }
        }
    }
}

#[test]
fn sensitivities_need_a_crossing_and_no_oscillation() {
    let case = Diagonal::draw(1, Kind::Isotropic, false);
    let problem = case.problem();
    let spectrum = problem.spectrum(Engine::SEQUENTIAL).unwrap();
    let largest = spectrum.largest_stable_step(case.lambda);
    let fast = Settings { step_size: 0.95 * largest, ..case.settings() };
    let form = spectrum.descent(&fast).unwrap();
    let (train, test) = (form.train_loss(1).value * 0.1, form.test_loss(0).unwrap().value * 0.9);
    for error in [form.train_sensitivity(train).unwrap_err(), form.test_sensitivity(test).unwrap_err()] {
        assert!(matches!(error, Error::Parameter { name: "step size", .. }), "{error}");
        assert!(error.is_bad_input());
    }
    // Flow has no η to oscillate with.
    assert!(spectrum.flow(&fast).unwrap().train_sensitivity(train).is_ok());
    let form = spectrum.descent(&case.settings()).unwrap();
    assert_eq!(form.train_sensitivity(1e12).unwrap(), None, "from the start");
    assert_eq!(form.test_sensitivity(1e12).unwrap(), None);
    assert_eq!(form.test_sensitivity(1e-300).unwrap(), None, "never");
    assert!(form.train_sensitivity(0.0).is_err());
    assert!(form.test_sensitivity(f64::NAN).is_err());
    let bare = Problem { population: Population::default(), ..case.problem() };
    let bare = bare.spectrum(Engine::SEQUENTIAL).unwrap();
    assert!(matches!(bare.flow(&fast).unwrap().test_sensitivity(0.1), Err(Error::Missing { .. })));
}

// Averages.

struct Averaged {
    features: Array2<f64>,
    teacher: Array1<f64>,
    noise: Option<Array1<f64>>,
    dense: Option<Array2<f64>>,
    settings: Settings,
}

impl Averaged {
    fn draw(seed: u64, n: usize, m: usize, rank: usize, dense: bool, noisy: bool) -> Averaged {
        let rng = &mut generator(seed, 41);
        let features = match rank == n.min(m) {
            true => gaussian_matrix(n, m, 1.0, rng),
            false => gaussian_matrix(n, rank, 1.0, rng).dot(&gaussian_matrix(rank, m, 1.0, rng)),
        };
        let spectrum_top = Engine::SEQUENTIAL.thin_svd(features.view()).unwrap().values[0].powi(2) / n as f64;
        Averaged {
            teacher: gaussian_vector(m, 1.0, rng),
            noise: noisy.then(|| gaussian_vector(n, 0.25, rng)),
            dense: dense.then(|| spd(m, rng)),
            // The largest eigenvalues' modes flip.
            settings: Settings { weight_decay: 0.03, step_size: 1.6 / spectrum_top, ..Settings::default() },
            features,
        }
    }

    fn problem(&self, init: Array1<f64>) -> Problem<'_> {
        let covariance = match &self.dense {
            Some(sigma) => Covariance::Dense(sigma.view()),
            None => Covariance::Isotropic { dimension: self.teacher.len(), variance: 0.4 },
        };
        Problem {
            features: self.features.view(),
            target: Target::Teacher { weights: self.teacher.clone(), noise: self.noise.clone() },
            init,
            population: Population { covariance: Some(covariance), ..Default::default() },
        }
    }

    /// Mean and variance of both losses from K = M^t and b, found by iterating descent on the basis.
    fn exact(&self, t: u64, nu2: f64) -> [(f64, f64); 2] {
        let (n, m) = self.features.dim();
        let samples = n as f64;
        let Settings { step_size: eta, weight_decay: lambda, .. } = self.settings;
        let noise = self.noise.clone().unwrap_or_else(|| Array1::zeros(n));
        let labels = self.features.dot(&self.teacher) + &noise;
        let step = Array2::<f64>::eye(m) * (1.0 - eta * lambda)
            - self.features.t().dot(&self.features) * (eta / samples);
        let push = self.features.t().dot(&labels) * (eta / samples);
        let (mut k, mut from_zero) = (Array2::<f64>::eye(m), Array1::zeros(m));
        for _ in 0..t {
            k = step.dot(&k);
            from_zero = step.dot(&from_zero) + &push;
        }
        let sigma = self.dense.clone().unwrap_or_else(|| 0.4 * Array2::eye(m));
        let gram = self.features.t().dot(&self.features) / (2.0 * samples);
        let moments = |form: &Array2<f64>, pull: Array1<f64>, bias: f64| {
            // (Kz + b)ᵀA(Kz + b) with pull = KᵀAb.
            let inner = k.t().dot(&form.dot(&k));
            let mean = bias + nu2 * inner.diag().sum();
            let variance = 2.0 * nu2 * nu2 * inner.dot(&inner).diag().sum() + 4.0 * nu2 * pull.dot(&pull);
            (mean, variance)
        };
        let b = &from_zero - &self.teacher;
        let test = moments(&sigma, k.t().dot(&sigma.dot(&b)), b.dot(&sigma.dot(&b)));
        let residual = self.features.dot(&from_zero) - &labels;
        let pull = k.t().dot(&self.features.t().dot(&residual)) / (2.0 * samples);
        let train = moments(&gram, pull, residual.dot(&residual) / (2.0 * samples));
        [train, test]
    }
}

const SIZES: [(usize, usize, usize); 5] = [(3, 8, 3), (5, 5, 5), (8, 4, 4), (5, 9, 2), (1, 3, 1)];

/// The closed forms are those of explicit m × m matrices.
#[test]
fn averages_are_those_of_explicit_matrices() {
    let mut compared = 0;
    for (seed, (n, m, rank)) in SIZES.into_iter().enumerate() {
        for dense in [false, true] {
            for noisy in [false, true] {
                let case = Averaged::draw(seed as u64, n, m, rank, dense, noisy);
                let problem = case.problem(Array1::zeros(m));
                let spectrum = problem.spectrum(Engine::SEQUENTIAL).unwrap();
                let average = InitAverage::new(&spectrum).unwrap();
                let form = spectrum.descent(&case.settings).unwrap();
                for t in [0, 1, 2, 3, 10, 41, 300] {
                    for nu2 in [0.0, 1e-3, 1.0, 50.0] {
                        let given = [
                            average.train_loss(&form, t, nu2).unwrap(),
                            average.test_loss(&form, t, nu2).unwrap(),
                        ];
                        for (given, (mean, variance)) in given.iter().zip(case.exact(t, nu2)) {
                            // The iteration itself rounds at the size of θ.
                            let floor = 1e-12 * (1.0 + nu2);
                            let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b.abs() + floor;
                            let std = variance.sqrt();
                            assert!(
                                close(given.mean, mean) && close(given.std, std),
                                "n {n} m {m} rank {rank} dense {dense} noisy {noisy} t {t} ν² {nu2}: \
                                 {given:?} against {mean}, {std}"
                            );
                            compared += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!(compared, 5 * 4 * 7 * 4 * 2);
}

/// Drawn training and test losses at one time, and their means and standard deviations in closed form.
type Drawn = [Vec<f64>; 2];
type Closed = [(f64, f64); 2];

fn losses<T: Clock>(
    case: &Averaged,
    draws: usize,
    times: &[T],
    nu2: f64,
    solve: impl for<'s, 'a> Fn(&'s Spectrum<'a>) -> groktime::ridge::ClosedForm<'s, 'a, T>,
) -> (Vec<Drawn>, Vec<Closed>) {
    let m = case.teacher.len();
    let decomposition = Arc::new(Decomposition::new(case.features.view(), Engine::SEQUENTIAL).unwrap());
    let mut drawn: Vec<Drawn> = times.iter().map(|_| [Vec::new(), Vec::new()]).collect();
    let rng = &mut generator(17, 9);
    for _ in 0..draws {
        let problem = case.problem(gaussian_vector(m, nu2, rng));
        let spectrum = Spectrum::new(decomposition.clone(), &problem).unwrap();
        let form = solve(&spectrum);
        for (slot, &t) in drawn.iter_mut().zip(times) {
            slot[0].push(form.train_loss(t).value);
            slot[1].push(form.test_loss(t).unwrap().value);
        }
    }
    let problem = case.problem(Array1::ones(m));
    let spectrum = problem.spectrum(Engine::SEQUENTIAL).unwrap();
    let average = InitAverage::new(&spectrum).unwrap();
    let form = solve(&spectrum);
    let closed = times
        .iter()
        .map(|&t| {
            let (train, test) =
                (average.train_loss(&form, t, nu2).unwrap(), average.test_loss(&form, t, nu2).unwrap());
            [(train.mean, train.std), (test.mean, test.std)]
        })
        .collect();
    (drawn, closed)
}

fn agree(drawn: &[Drawn], closed: &[Closed], what: &str) {
    for (time, (drawn, closed)) in drawn.iter().zip(closed).enumerate() {
        for (x, &(mean, std)) in drawn.iter().zip(closed) {
            let count = x.len() as f64;
            let sample_mean = x.iter().sum::<f64>() / count;
            let central = |p: i32| x.iter().map(|v| (v - sample_mean).powi(p)).sum::<f64>() / count;
            let (variance, fourth) = (central(2), central(4));
            let mean_error = (variance / count).sqrt();
            assert!(
                (sample_mean - mean).abs() <= 4.0 * mean_error + 1e-10 * mean,
                "{what}, time {time}: mean {sample_mean} ± {mean_error}, closed form {mean}"
            );
            let variance_error = ((fourth - variance * variance).max(0.0) / count).sqrt();
            assert!(
                (variance - std * std).abs() <= 4.0 * variance_error + 1e-10 * mean * mean,
                "{what}, time {time}: variance {variance} ± {variance_error}, closed form {}",
                std * std
            );
        }
    }
}

/// Thousands of θ₀ through the library itself, both clocks.
#[test]
fn averages_agree_with_draws() {
    let draws = if full() { 60_000 } else { 4000 };
    for (seed, dense) in [(0, false), (1, true)] {
        for noisy in [false, true] {
            let case = Averaged::draw(seed, 4, 9, 4, dense, noisy);
            let (drawn, closed) =
                losses(&case, draws, &[0_u64, 1, 2, 9, 60], 1.5, |s| s.descent(&case.settings).unwrap());
            agree(&drawn, &closed, &format!("descent, dense {dense}, noise {noisy}"));
            let (drawn, closed) =
                losses(&case, draws, &[0.0, 0.3, 2.0, 20.0, 90.0], 1.5, |s| s.flow(&case.settings).unwrap());
            agree(&drawn, &closed, &format!("flow, dense {dense}, noise {noisy}"));
        }
    }
}

#[test]
fn averages_need_a_linear_teacher_and_a_covariance() {
    let case = Averaged::draw(0, 3, 6, 3, false, false);
    let mut problem = case.problem(Array1::ones(6));
    {
        let spectrum = problem.spectrum(Engine::SEQUENTIAL).unwrap();
        let average = InitAverage::new(&spectrum).unwrap();
        let form = spectrum.flow(&case.settings).unwrap();
        assert!(average.test_loss(&form, 1.0, -1.0).is_err());
        assert!(average.train_loss(&form, 1.0, f64::NAN).is_err());
        // ν² = 0 starts at zero: no spread.
        assert_eq!(average.test_loss(&form, 1.0, 0.0).unwrap().std, 0.0);
    }
    problem.population = Population::default();
    let spectrum = problem.spectrum(Engine::SEQUENTIAL).unwrap();
    assert!(matches!(InitAverage::new(&spectrum), Err(Error::Missing { .. })));
    let mut labelled = case.problem(Array1::ones(6));
    labelled.target = Target::Labels(Array1::ones(3));
    let spectrum = labelled.spectrum(Engine::SEQUENTIAL).unwrap();
    assert!(matches!(InitAverage::new(&spectrum), Err(Error::Missing { .. })));
}

// Control.

fn controlled(seed: u64, features: &Array2<f64>, unit: bool) -> Problem<'_> {
    let m = features.ncols();
    let rng = &mut generator(seed, 51);
    let teacher = gaussian_vector(m, 0.2 / m as f64, rng);
    Problem {
        features: features.view(),
        target: Target::teacher(if unit { teacher } else { Array1::zeros(m) }),
        init: gaussian_vector(m, 2.0, rng),
        population: Population::isotropic(m, 1.0 / m as f64),
    }
}

fn small_features(seed: u64) -> Array2<f64> {
    let (n, m) = (5, 40);
    gaussian_matrix(n, m, 1.0 / m as f64, &mut generator(seed, 52))
}

const THRESHOLDS: (f64, f64) = (0.01, 0.02);

/// Delay with a knob set by hand.
fn delay_at(
    spectrum: &Spectrum<'_>,
    settings: &Settings,
    control: &Control,
    value: f64,
    flow: bool,
) -> Option<f64> {
    let (mut settings, mut thresholds) = (*settings, control.thresholds);
    match control.knob {
        Knob::WeightDecay => settings.weight_decay = value,
        Knob::InitVariance { drawn } => settings.init_scale = (value / drawn).sqrt(),
        Knob::Threshold => thresholds = (value, value),
    }
    match flow {
        true => spectrum.flow(&settings).unwrap().times(thresholds.0, thresholds.1).unwrap().delay(),
        false => spectrum.descent(&settings).unwrap().times(thresholds.0, thresholds.1).unwrap().delay(),
    }
}

fn knobs() -> [(Knob, (f64, f64)); 3] {
    [
        (Knob::WeightDecay, (1e-6, 1e-1)),
        (Knob::InitVariance { drawn: 2.0 }, (1e-1, 1e4)),
        (Knob::Threshold, (1e-2, 1.0)),
    ]
}

#[test]
fn control_meets_the_wanted_delay() {
    let mut found = [[0; 3]; 2];
    for seed in 0..if full() { 40 } else { 6 } {
        let features = small_features(seed);
        for unit in [false, true] {
            let problem = controlled(seed, &features, unit);
            let spectrum = problem.spectrum(Engine::SEQUENTIAL).unwrap();
            let settings = Settings { weight_decay: 1e-3, step_size: 0.3, ..Settings::default() };
            for (k, (knob, range)) in knobs().into_iter().enumerate() {
                for wanted in [50.0, 700.5, 3000.0] {
                    let control = Control { knob, range, points: 40, delay: wanted, thresholds: THRESHOLDS };
                    let flow = control.flow(&spectrum, &settings).unwrap();
                    for solution in &flow {
                        check_solution(solution, &control);
                        let again = delay_at(&spectrum, &settings, &control, solution.value, true).unwrap();
                        assert_eq!(again, solution.delay);
                        let error = (solution.delay - wanted).abs() / wanted;
                        assert!(error < 1e-9, "seed {seed} {knob:?} {wanted}: {solution:?}");
                        found[0][k] += 1;
                    }
                    assert!(flow.is_sorted_by(|a, b| a.bracket.1 <= b.bracket.0));
                    let descent = control.descent(&spectrum, &settings).unwrap();
                    for solution in &descent {
                        check_solution(solution, &control);
                        // The delay steps across the wanted value within the bracket.
                        let ends = [solution.bracket.0, solution.bracket.1].map(|v| {
                            delay_at(&spectrum, &settings, &control, v, false).unwrap_or(f64::INFINITY)
                        });
                        let (low, high) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
                        assert!(low <= wanted && wanted < high, "seed {seed} {knob:?} {wanted}: {ends:?}");
                        assert!(high - low <= 2.0, "{ends:?}");
                        assert!(ends.contains(&solution.delay) && (solution.delay - wanted).abs() <= 2.0);
                        found[1][k] += 1;
                    }
                }
            }
        }
    }
    assert!(found.iter().flatten().all(|&count| count >= 6), "{found:?}");
    if full() {
        println!("solutions {found:?}");
    }
}

fn check_solution<T: Clock>(solution: &Solution<T>, control: &Control) {
    let (lo, hi) = solution.bracket;
    assert!(control.range.0 <= lo && lo <= solution.value && solution.value <= hi && hi <= control.range.1);
    assert!(hi / lo - 1.0 <= 1e-12);
    assert_eq!(solution.times.delay(), Some(solution.delay));
}

/// The weight decay at which grokking disappears: t2 = t1.
#[test]
fn control_finds_where_the_delay_vanishes() {
    let mut vanished = 0;
    for seed in 0..10 {
        let features = small_features(seed);
        let problem = controlled(seed, &features, false);
        let spectrum = problem.spectrum(Engine::SEQUENTIAL).unwrap();
        let settings = Settings { weight_decay: 1e-3, step_size: 0.3, ..Settings::default() };
        let control = Control {
            knob: Knob::WeightDecay,
            range: (1e-5, 10.0),
            points: 60,
            delay: 0.0,
            thresholds: (1e-5, 0.5),
        };
        for solution in control.flow(&spectrum, &settings).unwrap() {
            check_solution(&solution, &control);
            assert!(solution.delay.abs() < 1e-9 * solution.times.test.time().unwrap(), "{solution:?}");
            // On one side the model groks, on the other it generalises before it fits.
            let beside =
                |factor| delay_at(&spectrum, &settings, &control, solution.value * factor, true).unwrap();
            assert!(beside(0.99) * beside(1.01) < 0.0);
            vanished += 1;
        }
        let steps = Settings { step_size: 0.05, ..settings };
        for solution in control.descent(&spectrum, &steps).unwrap() {
            assert!(solution.delay.abs() <= 1.0, "{solution:?}");
        }
    }
    assert!(vanished >= 5, "{vanished}");
}

#[test]
fn control_without_solution_is_empty_and_bad_ranges_are_errors() {
    let features = small_features(0);
    let problem = controlled(0, &features, true);
    let spectrum = problem.spectrum(Engine::SEQUENTIAL).unwrap();
    let settings = Settings { weight_decay: 1e-3, step_size: 0.3, ..Settings::default() };
    let good = Control {
        knob: Knob::WeightDecay,
        range: (1e-6, 1e-1),
        points: 20,
        delay: 1e30,
        thresholds: THRESHOLDS,
    };
    assert!(good.flow(&spectrum, &settings).unwrap().is_empty());
    assert!(good.descent(&spectrum, &settings).unwrap().is_empty());
    // Labels that are never fitted have no delay to control.
    let mut noisy = controlled(0, &features, true);
    noisy.features = features.slice(s![.., ..3]);
    noisy.target = Target::Labels(Array1::from_elem(5, 3.0));
    noisy.init = noisy.init.slice(s![..3]).to_owned();
    noisy.population = Population {
        covariance: Some(Covariance::Isotropic { dimension: 3, variance: 1.0 }),
        moments: Some(Moments { h: Array1::zeros(3), kappa: 0.0 }),
        ..Default::default()
    };
    let unfit = noisy.spectrum(Engine::SEQUENTIAL).unwrap();
    let control = Control { delay: 10.0, ..good };
    assert!(control.flow(&unfit, &settings).unwrap().is_empty());
    for bad in [
        Control { range: (0.0, 1.0), ..good },
        Control { range: (1.0, 1.0), ..good },
        Control { range: (1.0, 0.5), ..good },
        Control { range: (1.0, f64::INFINITY), ..good },
        Control { range: (f64::NAN, 1.0), ..good },
        Control { points: 1, ..good },
        Control { points: 0, ..good },
        Control { delay: -1.0, ..good },
        Control { delay: f64::NAN, ..good },
        Control { thresholds: (0.0, 0.1), ..good },
        Control { thresholds: (0.1, -1.0), ..good },
        Control { knob: Knob::InitVariance { drawn: 0.0 }, ..good },
        Control { knob: Knob::InitVariance { drawn: -1.0 }, ..good },
    ] {
        assert!(bad.flow(&spectrum, &settings).is_err(), "{bad:?}");
        assert!(bad.descent(&spectrum, &settings).is_err(), "{bad:?}");
    }
    // A range that leaves the stable step sizes is an error of descent, not of flow.
    let control = Control { range: (1e-3, 1e3), delay: 10.0, ..good };
    assert!(matches!(control.descent(&spectrum, &settings), Err(Error::Unstable { .. })));
    assert!(control.flow(&spectrum, &settings).is_ok());
}

/// The reference of this file is the library's own state (a check of the check).
#[test]
fn reference_is_the_state() {
    for flow in [false, true] {
        let case = Diagonal::draw(3, Kind::Dense, flow);
        let problem = case.problem();
        let spectrum = problem.spectrum(Engine::SEQUENTIAL).unwrap();
        for t in [0_u64, 1, 7, 100] {
            let state = match flow {
                true => spectrum.flow(&case.settings()).unwrap().state(t as f64).unwrap(),
                false => spectrum.descent(&case.settings()).unwrap().state(t).unwrap(),
            };
            let difference = state - case.theta(t as f64);
            assert!(difference.dot(&difference).sqrt() < 1e-12);
        }
    }
}
