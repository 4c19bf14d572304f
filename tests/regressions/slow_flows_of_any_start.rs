//! Slow flows from any start, at their default horizons: an answer, or a refusal that names the start. From small starts
//! multipliers of what has not grown were noise that stalled the integration, and late in a flow so were those of what
//! had died; the data were accused of dependent rows.

use groktime::completion::{self, SlowSettings};
use groktime::data::Observations;
use groktime::data::features::{gaussian_matrix, generator};
use groktime::data::matrices::{LowRank, multiplication_table, random_mask, random_subset};
use groktime::data::tasks::{Law, Task};
use groktime::diagonal::{Init, Problem, SlowFlow};
use groktime::trajectory::{Observable, Trajectory, even_times};
use groktime::{Error, Loss};

/// Between 0 and 1, evenly spread, no round numbers.
fn part(k: u64, step: u64, of: u64) -> f64 {
    ((k * step) % of) as f64 / (of - 1) as f64
}

/// What may be refused: the size of the start.
fn names_the_start(error: &Error) -> bool {
    matches!(error, Error::Parameter { name: "size of the start", .. })
}

#[test]
fn completion_of_small_matrices() {
    let mut answered = 0;
    for k in 0..36_u64 {
        let coordinate = 10_f64.powf(-12.0 + 18.0 * part(k, 7, 36));
        let d = 2 + (k * 5 % 8) as usize;
        let count = 1 + ((d * d - 1) as f64 * part(k, 11, 36)) as usize;
        let truth = match k % 2 {
            0 => multiplication_table(d),
            _ => LowRank { dimension: d, rank: 2, negative: 1, spikiness: 0.0, seed: k }.draw().unwrap(),
        };
        let seen = Observations::from_mask(truth.view(), random_mask(d, count, k).unwrap().view()).unwrap();
        let init = match k % 3 {
            0 => completion::Init::Perturbed { coordinate, std: 0.05 * coordinate, seed: k },
            _ => completion::Init::Identity { coordinate },
        };
        let problem = completion::Problem::new(seen, Some(truth), init).unwrap();
        let horizon = problem.default_slow_horizon();
        match problem.slow_flow(&SlowSettings { horizon, ..Default::default() }) {
            Ok(flow) => {
                let table = flow.observe(&even_times(horizon, 12), &[Observable::NuclearNorm]).unwrap();
                assert!(table.values.iter().all(|x| x.is_finite()), "{k}");
                answered += 1;
            }
            Err(e) => {
                assert!(names_the_start(&e) && coordinate < 1.0, "{k}, d = {d}, α = {coordinate:e}: {e}")
            }
        }
    }
    assert!(answered >= 24, "{answered}");
}

#[test]
fn diagonal_nets_of_any_depth() {
    let mut answered = 0;
    for k in 0..40_u64 {
        let alpha = 10_f64.powf(-12.0 + 18.0 * part(k, 7, 40));
        let depth = 2 + (k % 5) as u32;
        let law = match k % 3 {
            0 => Law::SparseSigns { relevant: 3 },
            1 => Law::Gap { gap: 1.0 },
            _ => Law::Regression { relevant: 3, noise_std: 0.1 },
        };
        let drawn = Task { law, samples: 8, dimension: 12, seed: k }.draw().unwrap();
        let problem = Problem::new(drawn.design, drawn.labels.to_vec(), Loss::Squared).unwrap();
        let horizon = 3.0 * alpha.ln().abs().max(1.0);
        match SlowFlow::new(&problem, &Init::Symmetric(alpha), depth, horizon) {
            Ok(slow) => {
                for tau in [0.0, 0.5 * horizon, horizon] {
                    let seen = slow.snapshot(tau).unwrap();
                    let size = problem.labels().iter().fold(0.0_f64, |m, y| m.max(y.abs()));
                    let fits = seen.outputs.iter().zip(problem.labels());
                    assert!(fits.into_iter().all(|(f, y)| (f - y).abs() <= 1e-8 * size), "{k} at {tau}");
                }
                answered += 1;
            }
            // Rows of few signs may depend on each other.
            Err(Error::Matrix { .. }) if k % 3 == 0 => {}
            Err(e) => {
                assert!(
                    names_the_start(&e) && depth >= 3 && alpha < 1.0,
                    "{k}, depth {depth}, α = {alpha:e}: {e}"
                );
            }
        }
    }
    assert!(answered >= 16, "{answered}");
}

/// A few entries of a large matrix: the eigenvalues of W, most of them zero, are found.
#[test]
fn few_entries_of_a_large_matrix() {
    let truth = multiplication_table(97);
    let chosen = random_subset(97 * 97, 18, 0).unwrap();
    let list: Vec<(usize, usize, f64)> =
        chosen.into_iter().map(|k| (k / 97, k % 97, truth[(k / 97, k % 97)])).collect();
    let seen = Observations::from_list(97, &list).unwrap();
    let init = completion::Init::Identity { coordinate: 10.0 };
    let problem = completion::Problem::new(seen, Some(truth), init).unwrap();
    let flow = problem.slow_flow(&SlowSettings { horizon: 1.0, ..Default::default() }).unwrap();
    let norms = flow.observe(&even_times(1.0, 12), &[Observable::NuclearNorm]).unwrap().values;
    // Σ|ω| ≥ |tr W|, and it only falls from the filled matrix on.
    assert!(norms.iter().all(|x| x.is_finite() && *x > 0.0), "{norms}");
}

/// The fall-back where faer's iteration does not converge has the same answers as it has elsewhere.
#[test]
fn rotations_find_eigenvalues() {
    let raw = gaussian_matrix(40, 40, 1.0, &mut generator(5, 0));
    let mut a = &raw + &raw.t();
    a.rows_mut().into_iter().take(20).for_each(|mut row| row.fill(0.0));
    a.columns_mut().into_iter().take(20).for_each(|mut column| column.fill(0.0));
    let engine = groktime::linalg::Engine::SEQUENTIAL;
    let (direct, form) = (engine.eigh(a.view()).unwrap(), engine.tridiagonal(a.clone()).unwrap());
    let (values, _) = form.coordinates(ndarray::Array2::zeros((40, 0)).view()).unwrap();
    let vectors = form.eigenvectors().unwrap();
    let size = direct.values.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    assert!(direct.values.iter().zip(&values).all(|(a, b)| (a - b).abs() < 1e-13 * size));
    let residual = a.dot(&vectors) - &vectors * &values;
    assert!(residual.iter().all(|x| x.abs() < 1e-13 * size), "{residual}");
}
