//! The statements of arXiv 2601.19791 tested as theorems: what they claim holds on every drawn problem
//! that meets their hypotheses, and fails on a constructed one for each hypothesis that is dropped.
//!
//! `GROKTIME_FULL=1` draws ten times as many problems.

mod forms;
mod hold;
mod hypotheses;
mod probability;

use groktime::ridge::theorems::catalogue;
use std::collections::BTreeMap;
use std::sync::Arc;

use groktime::crossing::Crossing;
use groktime::data::features::{gaussian_matrix, gaussian_vector, generator, unit_vector};
use groktime::data::{Covariance, Moments};
use groktime::linalg::Engine;
use groktime::ridge::theorems::{HALF_LOG_LIMIT, Inputs, chi_square_below};
use groktime::ridge::{ClosedForm, Decomposition, Population, Problem, Settings, Spectrum, Target};
use groktime::theorem::{Claim, Form, Judged, Outcome, Side, Source, Standing};
use groktime::trajectory::Clock;
use ndarray::{Array1, Array2, Axis, s};
use rand::{Rng, RngExt};
use statrs::distribution::{Binomial, DiscreteCDF};

const I: &Source = &catalogue::ZERO_TEACHER_TRAIN;
const II: &Source = &catalogue::ZERO_TEACHER_TEST;
const III: &Source = &catalogue::ZERO_TEACHER_NORM;
const FIT: &Source = &catalogue::TRAINING;
const FIT_PROOF: &Source = &catalogue::TRAINING_EVERY_TIME;
const LATE: &Source = &catalogue::LATE;
const LATE_STAR: &Source = &catalogue::LATE_WHOLE_TEACHER;
const LATE_OUTSIDE: &Source = &catalogue::LATE_OUTSIDE;
const BELOW: &Source = &catalogue::LATE_EVERY_TIME;
const ABOVE: &Source = &catalogue::UPPER_EVERY_TIME;
const BRACKET: &Source = &catalogue::UPPER;
const LIMIT_NORM: &Source = &catalogue::LIMIT_NORM;
const LIMIT_TRAIN: &Source = &catalogue::LIMIT_TRAIN;
const CONVERGES: &Source = &catalogue::LIMIT_CONVERGENCE;
const LIMIT_TEST: &Source = &catalogue::LIMIT_TEST;
const SIX: &Source = &catalogue::SIX;
const SEVEN: &Source = &catalogue::SEVEN;
const EIGHT_LATE: &Source = &catalogue::EIGHT_LATE;
const EIGHT_EARLY: &Source = &catalogue::EIGHT_EARLY;
const WHOLE: &Source = &catalogue::DELAY;

fn full() -> bool {
    std::env::var_os("GROKTIME_FULL").is_some_and(|v| v == "1")
}

fn draws(quick: u64) -> u64 {
    if full() { 10 * quick } else { quick }
}

fn one<'j>(judged: &'j [Judged], source: &Source) -> &'j Judged {
    let mut found = judged.iter().filter(|j| j.statement.source == source);
    let first = found.next().unwrap_or_else(|| panic!("no statement {source}"));
    // (7) has a printed and a corrected form; the corrected one comes last.
    found.next().unwrap_or(first)
}

fn printed_seven(judged: &[Judged]) -> &Judged {
    judged.iter().find(|j| j.statement.source == SEVEN && j.statement.form == Form::Printed).unwrap()
}

/// 10^u for u uniform between two exponents.
fn decades(rng: &mut impl Rng, lo: f64, hi: f64) -> f64 {
    10.0_f64.powf(rng.random_range(lo..hi))
}

/// Orthonormal columns.
fn orthonormal(rows: usize, columns: usize, rng: &mut impl Rng) -> Array2<f64> {
    Engine::SEQUENTIAL.thin_svd(gaussian_matrix(rows, columns, 1.0, rng).view()).unwrap().left
}

/// An n × m matrix Φ with the given positive eigenvalues of ΦᵀΦ, and its right singular vectors.
fn with_eigenvalues(
    n: usize,
    m: usize,
    eigenvalues: &[f64],
    rng: &mut impl Rng,
) -> (Array2<f64>, Array2<f64>) {
    let k = eigenvalues.len();
    let (left, right) = (orthonormal(n, k, rng), orthonormal(m, k, rng));
    let roots: Array1<f64> = eigenvalues.iter().map(|s| s.sqrt()).collect();
    ((&left * &roots).dot(&right.t()), right)
}

/// A problem with everything a test may want to know of it.
#[derive(Clone)]
struct Case {
    features: Array2<f64>,
    teacher: Array1<f64>,
    noise: Option<Array1<f64>>,
    init: Array1<f64>,
    /// Dense Σ, or σI.
    dense: Option<Array2<f64>>,
    variance: f64,
    gaussian: bool,
    bound: Option<f64>,
    settings: Settings,
    inputs: Inputs,
}

impl Case {
    /// Zero teacher, Σ = I, θ₀ = 0.
    fn new(features: Array2<f64>) -> Case {
        let m = features.ncols();
        Case {
            features,
            teacher: Array1::zeros(m),
            noise: None,
            init: Array1::zeros(m),
            dense: None,
            variance: 1.0,
            gaussian: false,
            bound: None,
            settings: Settings::default(),
            inputs: Inputs::default(),
        }
    }

    fn problem(&self) -> Problem<'_> {
        let covariance = match &self.dense {
            Some(sigma) => Covariance::Dense(sigma.view()),
            None => Covariance::Isotropic { dimension: self.features.ncols(), variance: self.variance },
        };
        Problem {
            features: self.features.view(),
            target: Target::Teacher { weights: self.teacher.clone(), noise: self.noise.clone() },
            init: self.init.clone(),
            population: Population {
                covariance: Some(covariance),
                gaussian: Some(self.gaussian),
                feature_bound: self.bound,
                ..Default::default()
            },
        }
    }

    fn spectrum(&self) -> Spectrum<'_> {
        self.problem().spectrum(Engine::SEQUENTIAL).unwrap()
    }

    fn judged(&self, flow: bool) -> Vec<Judged> {
        let spectrum = self.spectrum();
        match flow {
            true => spectrum.flow(&self.settings).unwrap().statements(&self.inputs).unwrap(),
            false => spectrum.descent(&self.settings).unwrap().statements(&self.inputs).unwrap(),
        }
    }
}

/// Draws eigenvalues of one of the adversarial kinds.
fn eigenvalues(kind: u64, k: usize, rng: &mut impl Rng) -> Vec<f64> {
    let scale = decades(rng, -2.0, 2.0);
    let one = |i: usize, rng: &mut dyn FnMut() -> f64| match kind % 6 {
        0 => 0.1 + rng(),                            // generic
        1 => 1.0,                                    // equal
        2 => 1.0 + 1e-9 * rng(),                     // clustered
        3 if i == 0 => 1e-12 + 1e-5 * rng().powi(4), // one tiny
        3 => 0.5 + rng(),
        4 => 10.0_f64.powi(-(i as i32)), // geometric
        _ if i + 1 == k => 1e4,          // one large
        _ => 0.5 + rng(),
    };
    let mut uniform = || rng.random_range(0.0..1.0);
    (0..k).map(|i| scale * one(i, &mut uniform)).collect()
}

/// A random problem, adversarial in every ingredient.
fn draw(seed: u64) -> Case {
    let rng = &mut generator(seed, 77);
    let n = if rng.random_range(0..8) == 0 { 1 } else { rng.random_range(1..=7) };
    let m = rng.random_range(1..=12);
    let largest_rank = n.min(m);
    let rank = if rng.random_range(0..4) == 0 { rng.random_range(1..=largest_rank) } else { largest_rank };
    let kind = rng.next_u64();
    let gaussian = rng.random_range(0..4) == 0;
    let (features, right) = match gaussian {
        true => {
            let features = gaussian_matrix(n, m, 1.0 / m as f64, rng);
            let right = Engine::SEQUENTIAL.thin_svd(features.view()).unwrap().right;
            (features, right)
        }
        false => {
            let s = eigenvalues(kind, rank, rng);
            with_eigenvalues(n, m, &s, rng)
        }
    };
    let mut case = Case::new(features);
    let inside = |x: Array1<f64>| right.dot(&right.t().dot(&x));
    let place = |x: Array1<f64>, where_: u64| match where_ {
        0 => inside(x),
        1 => {
            let inner = inside(x.clone());
            x - inner
        }
        _ => x,
    };
    let nu2 = decades(rng, -2.0, 4.0);
    case.inputs.init_variance = Some(nu2);
    case.init = place(gaussian_vector(m, nu2, rng), rng.random_range(0..6));
    if rng.random_range(0..40) == 0 {
        case.init.fill(0.0);
    }
    let size: f64 = [0.0, 0.0, 1.0, 1.0, 1e-6, 30.0][rng.random_range(0..6)];
    case.teacher = match rng.random_range(0..8) {
        7 => &case.init * (size.min(0.9)),
        place_ => place(unit_vector(m, rng) * size, place_),
    };
    case.variance = if gaussian { 1.0 / m as f64 } else { decades(rng, -3.0, 1.0) };
    if !gaussian && rng.random_range(0..2) == 0 {
        let values: Array1<f64> = (0..m).map(|_| decades(rng, -2.0, 0.5)).collect();
        let v = orthonormal(m, m, rng);
        let sigma = (&v * &values).dot(&v.t());
        case.dense = Some(0.5 * (&sigma + &sigma.t()));
    }
    case.gaussian = gaussian;

    let (mean_square, top, row) = {
        let spectrum = case.spectrum();
        let top = *spectrum.eigenvalues().last().unwrap() / n as f64;
        (spectrum.mean_square_feature(), top, spectrum.largest_row_norm())
    };
    case.inputs.train_threshold = decades(rng, -6.0, 2.0);
    case.inputs.test_threshold =
        if rng.random_range(0..2) == 0 { case.inputs.train_threshold } else { decades(rng, -6.0, 2.0) };
    case.bound = [Some(row), Some(2.0 * row), None, Some(row * (1.0 + 1e-15))][rng.random_range(0..4)];
    let star = case.teacher.dot(&case.teacher).sqrt();
    let epsilon = case.inputs.train_threshold;
    let largest_decay =
        (2.0 * epsilon / (3.0 * star * star)).min((mean_square * epsilon / 6.0).sqrt() / star);
    let lambda = match rng.random_range(0..8) {
        0 => 0.0,
        1 | 2 if largest_decay < 10.0 => largest_decay, // equality in 4.4
        3 if largest_decay < 10.0 => 0.9 * largest_decay,
        4 => decades(rng, -14.0, -8.0),
        5 => top * decades(rng, -1.0, 2.0),
        _ => decades(rng, -8.0, 0.0),
    };
    let b = case.bound.unwrap_or(row);
    let limit = 2.0 / (lambda + top);
    let step: f64 = match rng.random_range(0..8) {
        0 | 1 => 2.0 / (mean_square + 2.0 * lambda), // equality in 4.1
        2 => 0.7 * limit,
        3 => 0.5 * limit * (1.0 - 1e-12), // all but equality in 4.4
        4 => 1.0 / (lambda + b * b),      // equality in 4.6
        5 if lambda > 0.0 => (1.0 - 1e-9) / lambda,
        6 if lambda > 0.0 => 0.01 / lambda, // equality in (8)
        _ => limit * decades(rng, -4.0, 0.0),
    };
    // At the stability limit itself a mode oscillates for ever, as far as rounding can tell.
    let step = step.min(limit * (1.0 - 1e-6));
    case.settings = Settings { weight_decay: lambda, step_size: step, ..Default::default() };
    case
}

#[derive(Default)]
struct Tally {
    applicable: u64,
    /// Applicable with a claim that says something (a time after zero, an envelope with a worst point).
    telling: u64,
    tightest: f64,
}

/// Not applicable, and the claim fails: the hypothesis is needed.
fn assert_needed(judged: &Judged) {
    let (source, v) = (judged.statement.source, &judged.verdict);
    assert_eq!(v.outcome, Outcome::NotApplicable, "{source}: {v:?}");
    assert_eq!(judged.claim_met(), Some(false), "{source}: {v:?}");
}

fn assert_holds(judged: &Judged) {
    assert_eq!(judged.verdict.outcome, Outcome::Holds, "{}: {:?}", judged.statement.source, judged.verdict);
}

/// φ_i = √s_i e_i: eigenvectors are the coordinates.
fn diagonal(eigenvalues: &[f64], m: usize) -> Case {
    let mut features = Array2::zeros((eigenvalues.len(), m));
    for (i, s) in eigenvalues.iter().enumerate() {
        features[(i, i)] = s.sqrt();
    }
    Case::new(features)
}
