//! No statement about an integrated flow is violated, whatever the settings: starts from 1e-12 to 1e6, depths 2 to 6,
//! decays from 0 to 10, tolerances from 1e-10 to 1e-4, data that fit and data that do not. `GROKTIME_FULL=1` draws
//! twenty times as many.

use groktime::Loss;
use groktime::completion;
use groktime::data::features::{gaussian_matrix, gaussian_vector, generator};
use groktime::data::matrices::{LowRank, multiplication_table, random_mask};
use groktime::data::tasks::{Law, Task};
use groktime::data::{Design, Observations};
use groktime::diagonal::theorems::Inputs;
use groktime::diagonal::{Init, Problem, Settings};
use groktime::linalg::Threads;
use groktime::theorem::{Judged, Outcome};
use rand::RngExt;

fn draws() -> u64 {
    if std::env::var_os("GROKTIME_FULL").is_some_and(|v| v == "1") { 1000 } else { 50 }
}

fn power(rng: &mut impl RngExt, low: f64, high: f64) -> f64 {
    10_f64.powf(rng.random_range(low..high))
}

/// Mostly moderate and large starts, one in eight tiny.
fn start(rng: &mut impl RngExt) -> f64 {
    if rng.random_range(0..8) == 0 { power(rng, -12.0, -3.0) } else { power(rng, -3.0, 6.0) }
}

fn horizon(alpha: f64, lambda: f64, stretch: f64) -> f64 {
    let late = alpha.ln().max(0.0);
    if lambda > 0.0 { (1.6 * late).max(late + stretch) / lambda } else { 100.0 * stretch }
}

fn assert_none_violated(name: &str, judged: &[Judged]) {
    for j in judged {
        assert_ne!(j.verdict.outcome, Outcome::Violated, "{name}: {} {:?}", j.statement.source, j.verdict);
        assert!(!(j.verdict.outcome == Outcome::Holds && j.verdict.rounding.is_nan()), "{name}");
    }
}

/// The two halves of a task: data and labels, for one of the three losses.
fn data(kind: u64, seed: u64, n: usize, d: usize, loss: Loss) -> (Design, Vec<f64>) {
    let law = match kind {
        0 => Some(Law::SparseSigns { relevant: 3 }),
        1 => Some(Law::Gap { gap: 0.5 }),
        _ => None,
    };
    if let Some(law) = law {
        let task = Task { law, samples: n, dimension: d.max(3), seed }.draw().unwrap();
        return (task.design, task.labels.to_vec());
    }
    let x = gaussian_matrix(n, d, 1.0, &mut generator(seed, 1));
    let y = gaussian_vector(n, 1.0, &mut generator(seed, 2)).to_vec();
    let y = if loss == Loss::Squared { y } else { y.iter().map(|y| y.signum()).collect() };
    (Design::new(x.view()).unwrap(), y)
}

fn diagonal(kind: u64) {
    let mut solved = 0;
    for seed in 0..draws() {
        let rng = &mut generator(seed, 40 + kind);
        let (n, d) = (rng.random_range(1..12), rng.random_range(1..24));
        let loss = [Loss::Exponential, Loss::Logistic, Loss::Squared][rng.random_range(0..3)];
        let (depth, alpha) = (rng.random_range(2..7), start(rng));
        let lambda = if rng.random_range(0..12) == 0 { 0.0 } else { power(rng, -4.0, 1.0) };
        let (rtol, stretch) = (power(rng, -10.0, -4.0), rng.random_range(1.0..20.0));
        let (x, y) = data(kind, seed, n, d, loss);
        let horizon = horizon(alpha, lambda, stretch);
        let name =
            format!("{kind} {seed}: n {n} d {d} {loss:?} L {depth} α {alpha:e} λ {lambda:e} rtol {rtol:e}");
        let problem = Problem::new(x, y, loss).unwrap();
        let init = Init::Symmetric(alpha);
        let settings = Settings { depth, init, weight_decay: lambda, horizon, rtol, threads: Threads::One };
        // A run that gives up says why; it has no statements.
        let Ok(run) = problem.integrate(&settings) else { continue };
        let judged = run.statements(&Inputs::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_none_violated(&name, &judged);
        solved += 1;
    }
    assert!(solved * 20 >= draws() * 19, "{solved}");
}

#[test]
fn sparse_signs() {
    diagonal(0);
}

#[test]
fn data_with_a_gap() {
    diagonal(1);
}

#[test]
fn gaussian_data() {
    diagonal(2);
}

/// Samples that nearly agree: condition numbers from 100 to 10⁴, where paths are known least.
#[test]
fn ill_conditioned_regression() {
    for seed in 0..draws() {
        let rng = &mut generator(seed, 50);
        let d = rng.random_range(2..20);
        let n = rng.random_range(2..=d.min(8));
        let (noise, depth) = (power(rng, -4.0, -2.0), rng.random_range(2..5));
        let (alpha, lambda) = (power(rng, -1.0, 4.0), power(rng, -4.0, 0.0));
        let g = gaussian_matrix(n, d, 1.0, &mut generator(seed, 1));
        let x = ndarray::Array2::from_shape_fn((n, d), |(i, k)| {
            if i == 0 { g[(0, k)] } else { g[(0, k)] * (1.0 + 0.1 * i as f64) + 3.0 * noise * g[(i, k)] }
        });
        let y = gaussian_vector(n, 1.0, &mut generator(seed, 2)).to_vec();
        let problem = Problem::new(Design::new(x.view()).unwrap(), y, Loss::Squared).unwrap();
        let horizon = horizon(alpha, lambda, 10.0);
        let init = Init::Symmetric(alpha);
        let settings = Settings {
            depth,
            init,
            weight_decay: lambda,
            horizon,
            threads: Threads::One,
            ..Settings::default()
        };
        let Ok(run) = problem.integrate(&settings) else { continue };
        let name = format!("{seed}: n {n} d {d} L {depth} α {alpha:e} λ {lambda:e}");
        assert_none_violated(&name, &run.statements(&Inputs::default()).unwrap());
    }
}

#[test]
fn completion_of_tables_and_low_rank() {
    let mut solved = 0;
    for seed in 0..draws() {
        let rng = &mut generator(seed, 60);
        let d = rng.random_range(2..8_usize);
        let truth = match rng.random::<bool>() {
            true => multiplication_table(d),
            false => {
                let rank = rng.random_range(1..=d.min(3));
                LowRank { dimension: d, rank, negative: 0, spikiness: 0.0, seed }.draw().unwrap()
            }
        };
        let count = rng.random_range(1..=d * d);
        // Long runs of small starts take long; they are in the full run.
        let (coordinate, weight_decay) = (start(rng), power(rng, -4.0, 1.0));
        let (rtol, stretch) = (power(rng, -10.0, -6.0), rng.random_range(1.0..10.0));
        let init = match rng.random_range(0..4) {
            0 => completion::Init::Perturbed { coordinate, std: 0.2 * coordinate, seed },
            _ => completion::Init::Identity { coordinate },
        };
        let mask = random_mask(d, count, seed).unwrap();
        let seen = Observations::from_mask(truth.view(), mask.view()).unwrap();
        let problem = completion::Problem::new(seen, Some(truth), init).unwrap();
        let horizon = horizon(coordinate, weight_decay, stretch);
        let settings = completion::Settings {
            weight_decay,
            horizon,
            rtol,
            threads: Threads::One,
            ..completion::Settings::default()
        };
        let Ok(solution) = problem.flow(&settings) else { continue };
        let name =
            format!("{seed}: d {d}, {count} entries, α {coordinate:e} λ {weight_decay:e} rtol {rtol:e}");
        let judged = solution.statements(&Default::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_none_violated(&name, &judged);
        solved += 1;
    }
    assert!(solved * 20 >= draws() * 19, "{solved}");
}
