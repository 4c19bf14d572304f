//! Averages over θ₀.

use super::*;

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
