//! Small starts against numbers of an independent oracle: Taylor series of order 28 of U' = −(S + λ)U,
//! V' = (S − λ)V in quadruple precision (steps with terms below 1e-26), on random problems with α from 1e-12 to the
//! size of the data, α times the identity and any other factors. `tests/oracles/completion/small_starts.txt`:
//! a problem (dimension, λ, start), the entries seen, and at each time max |W'|, the loss, ‖θ‖ and W.

use groktime::completion::{Init, Problem, Record, Settings};
use groktime::data::Observations;
use groktime::trajectory::{Observable, Trajectory};
use ndarray::Array2;

struct Known {
    t: f64,
    slope: f64,
    loss: f64,
    norm: f64,
    w: Vec<f64>,
}

struct Case {
    problem: Problem,
    weight_decay: f64,
    known: Vec<Known>,
}

fn cases() -> Vec<Case> {
    let text = include_str!("../oracles/completion/small_starts.txt");
    let mut cases: Vec<Case> = Vec::new();
    let mut open = None;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |k: usize| words[k].parse::<f64>().expect("a number");
        let numbers = |from: usize| (from..words.len()).map(number).collect::<Vec<f64>>();
        match words[0] {
            "problem" => {
                let d = number(1) as usize;
                let init = match words[3] {
                    "identity" => Init::Identity { coordinate: number(4) },
                    _ => {
                        let (k, all) = (number(4) as usize, numbers(5));
                        let factor =
                            |part: &[f64]| Array2::from_shape_vec((d, k), part.to_vec()).expect("d × k");
                        let (u, v) = all.split_at(d * k);
                        Init::Factors { u: factor(u), v: factor(v) }
                    }
                };
                open = Some((d, number(2), init));
            }
            "seen" => {
                let (d, weight_decay, init) = open.take().expect("a problem before");
                let list: Vec<(usize, usize, f64)> =
                    numbers(1).chunks(3).map(|e| (e[0] as usize, e[1] as usize, e[2])).collect();
                let seen = Observations::from_list(d, &list).expect("a list");
                let problem = Problem::new(seen, None, init).expect("a problem");
                cases.push(Case { problem, weight_decay, known: Vec::new() });
            }
            _ => cases.last_mut().expect("a problem before").known.push(Known {
                t: number(1),
                slope: number(3),
                loss: number(5),
                norm: number(7),
                w: numbers(9),
            }),
        }
    }
    cases
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0_f64, |m, x| m.max(x.abs()))
}

/// |W − W*| ≤ 100 rtol (|W*| + t|W*'|), and ten times less in nine of ten; the error bars contain what they should.
#[test]
fn paths_from_small_starts() {
    let cases = cases();
    assert_eq!(cases.len(), 40);
    let mut ratios = Vec::new();
    for (k, case) in cases.iter().enumerate() {
        for rtol in [1e-6, 1e-8, 1e-10] {
            let horizon = case.known.last().expect("times").t;
            let settings = Settings { weight_decay: case.weight_decay, horizon, rtol, ..Settings::default() };
            let solution = case.problem.flow(&settings).unwrap_or_else(|e| panic!("{k}, {rtol:e}: {e}"));
            let what = [Observable::TrainLoss, Observable::ParameterNorm];
            for known in &case.known {
                let w = solution.state(known.t).expect("in the span");
                let d = w.nrows();
                let ours = (0..d).flat_map(|i| (0..=i).map(move |j| (i, j))).map(|at| w[at]);
                let apart: Vec<f64> = ours.zip(&known.w).map(|(a, b)| a - b).collect();
                let allowed = rtol * (largest(&known.w) + known.t * known.slope);
                ratios.push(largest(&apart) / allowed);
                let name = format!("problem {k}, rtol {rtol:e}, t = {}", known.t);
                assert!(ratios[ratios.len() - 1] < 100.0, "{name}: {:e} of {allowed:e}", largest(&apart));
                let error = solution.path_error(known.t).expect("known");
                // The oracle is stored to 12 to 14 digits.
                let stored = 1e-13 * largest(&known.w);
                assert!(largest(&apart) <= error.weights + stored, "{name}: {:e} {error:?}", largest(&apart));
                let row = solution.observe(&[known.t], &what).expect("in the span").values;
                for (ours, exact, error) in [
                    (row[(0, 0)], known.loss, error.train_loss),
                    (row[(0, 1)], known.norm, error.parameter_norm),
                ] {
                    assert!(
                        (ours - exact).abs() <= error + 1e-11 * exact,
                        "{name}: {ours:e} {exact:e} ± {error:e}"
                    );
                }
            }
        }
    }
    ratios.sort_by(f64::total_cmp);
    assert!(ratios[ratios.len() * 9 / 10] < 10.0, "{:?}", &ratios[ratios.len() * 9 / 10..]);
}

/// The same states whether the path is kept or the times alone.
#[test]
fn recorded_times_of_small_starts() {
    let case = &cases()[1];
    let horizon = case.known.last().expect("times").t;
    let times: Vec<f64> = [0.0, 0.3, 0.55, 0.8, 1.0].map(|part| part * horizon).to_vec();
    let path = Settings { weight_decay: case.weight_decay, horizon, ..Settings::default() };
    let at = Settings { record: Record::At(times.clone()), ..path.clone() };
    let (path, at) = (case.problem.flow(&path).expect("solved"), case.problem.flow(&at).expect("solved"));
    for t in times {
        let (a, b) = (path.state(t).expect("any time"), at.state(t).expect("recorded"));
        let apart = (&a - &b).iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        let size = a.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        assert!(apart <= 1e-8 * size, "{t}: {apart:e} of {size:e}");
    }
}

/// Entries between components, and within a side of a component without odd cycle, stay exactly zero.
#[test]
fn unreached_entries_of_small_starts_stay_zero() {
    let list = [(0, 1, 0.8), (0, 0, 1.0), (2, 4, 0.5), (4, 5, -0.3)];
    let seen = Observations::from_list(6, &list).expect("a list");
    let problem = Problem::new(seen, None, Init::Identity { coordinate: 1e-5 }).expect("a problem");
    let graph = problem.observations().graph();
    let settings = Settings { weight_decay: 1e-3, horizon: 500.0, ..Settings::default() };
    let w = problem.flow(&settings).expect("solved").state(500.0).expect("in the span");
    for ((i, j), x) in w.indexed_iter() {
        assert!(graph.reaches(i, j) || x.abs() < 1e-15, "({i}, {j}) is {x:e}");
    }
    assert!(w[(1, 1)].abs() > 0.1);
}

/// The slow flow from a small start is the limit of small decay: the distance falls like λ.
#[test]
fn slow_flow_from_a_small_start() {
    let list = [(0, 0, 1.0), (1, 0, 0.6), (2, 1, -0.4), (2, 2, 0.9)];
    let seen = Observations::from_list(3, &list).expect("a list");
    let problem = Problem::new(seen, None, Init::Identity { coordinate: 1e-2 }).expect("a problem");
    let horizon = 6.0;
    let settings = groktime::completion::SlowSettings { horizon, rtol: 1e-9, ..Default::default() };
    let slow = problem.slow_flow(&settings).expect("solved");
    let mut distances = Vec::new();
    for weight_decay in [1e-4, 1e-5, 1e-6] {
        let settings =
            Settings { weight_decay, horizon: horizon / weight_decay, rtol: 1e-10, ..Settings::default() };
        let flow = problem.flow(&settings).expect("solved");
        let far = [1.0, 2.5, 5.0].map(|tau| {
            let apart =
                flow.state(tau / weight_decay).expect("in the span") - slow.state(tau).expect("in the span");
            apart.iter().fold(0.0_f64, |m, x| m.max(x.abs()))
        });
        distances.push(largest(&far));
    }
    for pair in distances.windows(2) {
        assert!(pair[1] < 0.2 * pair[0], "O(λ): {distances:?}");
    }
}
