//! The flow of matrix completion against brute-force integration of U and V, its invariants, its closed forms
//! where it has them, and the convex problems where it ends.

use groktime::completion::{Init, Invariant, Problem, Record, Settings, SlowSettings, Solution};
use groktime::data::Observations;
use groktime::data::matrices::{LowRank, multiplication_table, random_mask};
use groktime::limits::nuclear::{minimum_nuclear_norm, penalised};
use groktime::linalg::Engine;
use groktime::ode::{Flow, Options, Reject, dop853};
use groktime::trajectory::{Observable, Trajectory};
use ndarray::{Array2, ArrayView2, array};

/// U' = −(S + λ)U, V' = (S − λ)V with S the gradient of (1/n) Σ (W_ij − y)², straight from the definition.
struct BruteForce {
    entries: Vec<(usize, usize, f64)>,
    weight_decay: f64,
    d: usize,
    columns: (usize, usize),
}

impl BruteForce {
    fn split<'a>(&self, y: &'a [f64]) -> (ArrayView2<'a, f64>, ArrayView2<'a, f64>) {
        let (u, v) = y.split_at(self.d * self.columns.0);
        let view = |x, k| ArrayView2::from_shape((self.d, k), x).expect("the size of the factor");
        (view(u, self.columns.0), view(v, self.columns.1))
    }

    fn w(&self, y: &[f64]) -> Array2<f64> {
        let (u, v) = self.split(y);
        u.dot(&u.t()) - v.dot(&v.t())
    }
}

impl Flow for BruteForce {
    fn dimension(&self) -> usize {
        self.d * (self.columns.0 + self.columns.1)
    }

    fn rhs(&mut self, _t: f64, y: &[f64], dy: &mut [f64]) -> Result<(), Reject> {
        let w = self.w(y);
        let n = self.entries.len() as f64;
        let mut gradient = Array2::<f64>::zeros((self.d, self.d));
        for &(i, j, value) in &self.entries {
            let slope = 2.0 / n * (w[(i, j)] - value);
            gradient[(i, j)] += slope;
            gradient[(j, i)] += slope;
        }
        let (u, v) = self.split(y);
        let du = -gradient.dot(&u) - &u * self.weight_decay;
        let dv = gradient.dot(&v) - &v * self.weight_decay;
        dy.iter_mut().zip(du.iter().chain(dv.iter())).for_each(|(dy, x)| *dy = *x);
        Ok(())
    }
}

/// (U, V) at the given times, to 1e-12.
fn brute_force(
    problem: &Problem,
    entries: Vec<(usize, usize, f64)>,
    decay: f64,
    times: &[f64],
) -> Vec<Vec<f64>> {
    let (u, v) = problem.factors();
    let mut flow =
        BruteForce { entries, weight_decay: decay, d: problem.dimension(), columns: (u.ncols(), v.ncols()) };
    let mut y: Vec<f64> = u.iter().chain(v.iter()).copied().collect();
    let options = Options { rtol: 1e-13, atol: 1e-15, record: false, ..Options::default() };
    let mut t = 0.0;
    let mut states = Vec::new();
    for &next in times {
        y = dop853(&mut flow, t..next, &y, &options).expect("the brute force runs").y;
        t = next;
        states.push(y.clone());
    }
    states
}

fn list(observations: &Observations) -> Vec<(usize, usize, f64)> {
    let filled = observations.zero_filled();
    observations.entries().iter().map(|&(i, j)| (i, j, filled[(i, j)])).collect()
}

fn distance(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    (a - b).iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn norm(a: &Array2<f64>) -> f64 {
    a.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// The singular values of both factors, from the eigenvalues ω of W alone: σ² = (√(ω² + 4c²) ± ω)/2.
fn singular_values(
    solution: &Solution,
    t: f64,
    factors: (ArrayView2<'_, f64>, ArrayView2<'_, f64>),
    tolerance: f64,
) {
    let c = solution.scale(t);
    let eigenvalues = |m: &Array2<f64>| Engine::SEQUENTIAL.eigh(m.view()).expect("symmetric").values.to_vec();
    let spectrum = eigenvalues(&solution.state(t).expect("in the span"));
    for (factor, sign) in [(factors.0, 1.0), (factors.1, -1.0)] {
        let squares = eigenvalues(&factor.dot(&factor.t()));
        let mut ours: Vec<f64> = spectrum.iter().map(|w| 0.5 * (w.hypot(2.0 * c) + sign * w)).collect();
        ours.sort_by(f64::total_cmp);
        let largest = squares[squares.len() - 1];
        for (ours, brute) in ours.iter().zip(&squares) {
            assert!((ours - brute).abs() < tolerance * largest, "σ² = {brute} against {ours} at {t}");
        }
    }
}

/// Compares path, parameter norm and spectra; returns the largest path error relative to ‖W(T)‖.
fn compare(problem: &Problem, decay: f64, horizon: f64, rtol: f64) -> f64 {
    let times: Vec<f64> = [1e-6, 1e-4, 1e-3, 0.01, 0.05, 0.15, 0.3, 0.45, 0.6, 0.8, 1.0]
        .iter()
        .map(|part| part * horizon)
        .collect();
    let entries = list(problem.observations());
    let states = brute_force(problem, entries.clone(), decay, &times);
    let (u0, v0) = problem.factors();
    let brute = BruteForce {
        entries,
        weight_decay: decay,
        d: problem.dimension(),
        columns: (u0.ncols(), v0.ncols()),
    };
    let settings = Settings { weight_decay: decay, horizon, rtol, ..Settings::default() };
    let solution = problem.flow(&settings).expect("solved");
    let size = norm(&brute.w(&states[states.len() - 1]));
    let conserved = v0.t().dot(&u0);
    let mut worst = 0.0_f64;
    let table =
        solution.observe(&times, &[Observable::ParameterNorm, Observable::TrainLoss]).expect("in the span");
    for ((&t, y), row) in times.iter().zip(&states).zip(table.values.rows()) {
        let w = brute.w(y);
        worst = worst.max(distance(&solution.state(t).expect("in the span"), &w) / size);
        let theta: f64 = y.iter().map(|x| x * x).sum::<f64>().sqrt();
        assert!((row[0] - theta).abs() < 30.0 * rtol * theta, "norm {} against {theta} at {t}", row[0]);
        // e^{2λt} VᵀU is conserved.
        let (u, v) = brute.split(y);
        let now = v.t().dot(&u) * (2.0 * decay * t).exp();
        assert!(distance(&now, &conserved) < 1e-9 * norm(&conserved), "VᵀU at {t}");
        if let Invariant::Matrix { square } = solution.invariant() {
            // ‖U‖² + ‖V‖² = tr √(W² + 4c²I).
            let c = square * (-2.0 * decay * t).exp();
            let spectrum = Engine::SEQUENTIAL.eigh(w.view()).expect("symmetric").values;
            let trace: f64 = spectrum.iter().map(|v| v.hypot(2.0 * c)).sum();
            assert!((trace.sqrt() - theta).abs() < 1e-10 * theta, "trace identity at {t}");
            singular_values(&solution, t, (u, v), 30.0 * rtol);
        }
    }
    worst
}

fn instance(d: usize, count: usize, seed: u64, init: Init) -> Problem {
    let truth =
        LowRank { dimension: d, rank: 2, negative: 1, spikiness: 0.0, seed }.draw().expect("a recipe");
    let mask = random_mask(d, count, seed).expect("a count");
    let seen = Observations::from_mask(truth.view(), mask.view()).expect("a mask");
    Problem::new(seen, Some(truth), init).expect("a problem")
}

#[test]
fn path_agrees_with_brute_force() {
    for (d, count, seed) in [(4, 7, 1), (7, 20, 2), (12, 50, 3)] {
        let identity = instance(d, count, seed, Init::Identity { coordinate: 3.0 });
        let error = compare(&identity, 0.02, 160.0, 1e-9);
        assert!(error < 1e-7, "identity, d = {d}: {error:e}");
        let perturbed = Init::Perturbed { coordinate: 3.0, std: 0.2, seed };
        let error = compare(&instance(d, count, seed, perturbed), 0.02, 160.0, 1e-9);
        assert!(error < 1e-7, "perturbed, d = {d}: {error:e}");
    }
}

#[test]
fn general_factors_of_any_width() {
    let (d, seed) = (6, 5);
    let draw = |k, stream| {
        use groktime::data::features::{gaussian_matrix, generator};
        gaussian_matrix(d, k, 1.0, &mut generator(9, stream))
    };
    let problem = instance(d, 18, seed, Init::Factors { u: draw(4, 0), v: draw(2, 1) });
    let error = compare(&problem, 0.02, 100.0, 1e-9);
    assert!(error < 1e-7, "{error:e}");
}

#[test]
fn error_falls_with_the_tolerance() {
    let problem = instance(8, 24, 4, Init::Identity { coordinate: 3.0 });
    let errors: Vec<f64> = [1e-6, 1e-8, 1e-10].iter().map(|&r| compare(&problem, 0.02, 160.0, r)).collect();
    for (error, rtol) in errors.iter().zip([1e-6, 1e-8, 1e-10]) {
        assert!(*error < 100.0 * rtol, "{errors:?}");
    }
    assert!(errors[2] < 1e-2 * errors[0], "{errors:?}");
}

#[test]
fn commuting_observations_have_a_closed_form() {
    // Diagonal entries: W_ii = 2a² sinh(−2 ∫ M_ii), the integral by Simpson's rule on the solved path.
    let seen = Observations::from_list(3, &[(0, 0, 1.5), (1, 1, -0.7), (2, 2, 0.2)]).expect("a list");
    let problem = Problem::new(seen, None, Init::Identity { coordinate: 1.3 }).expect("a problem");
    let (decay, horizon) = (0.05, 20.0);
    let settings = Settings { weight_decay: decay, horizon, rtol: 1e-11, ..Settings::default() };
    let solution = problem.flow(&settings).expect("solved");
    let count = 8000;
    let h = horizon / f64::from(count);
    let mut integral = Array2::<f64>::zeros((3, 3));
    for k in 0..=count {
        let weight = if k == 0 || k == count {
            1.0
        } else if k % 2 == 1 {
            4.0
        } else {
            2.0
        };
        let m = solution.gradient_matrix(f64::from(k) * h).expect("in the span");
        integral = integral + m * (weight * h / 3.0);
    }
    let w = solution.state(horizon).expect("in the span");
    for i in 0..3 {
        let closed = 2.0 * solution.scale(horizon) * (-2.0 * integral[(i, i)]).sinh();
        assert!((w[(i, i)] - closed).abs() < 1e-8, "{} against {closed}", w[(i, i)]);
    }
    // Entries that share an index do not commute: the same formula is off by per cents.
    let seen = Observations::from_list(3, &[(0, 1, 1.5), (1, 2, -0.7), (1, 1, 0.9)]).expect("a list");
    let problem = Problem::new(seen, None, Init::Identity { coordinate: 1.3 }).expect("a problem");
    let solution = problem.flow(&settings).expect("solved");
    let mut integral = Array2::<f64>::zeros((3, 3));
    for k in 0..=count {
        let weight = if k == 0 || k == count {
            1.0
        } else if k % 2 == 1 {
            4.0
        } else {
            2.0
        };
        let m = solution.gradient_matrix(f64::from(k) * h).expect("in the span");
        integral = integral + m * (weight * h / 3.0);
    }
    let e = Engine::SEQUENTIAL.eigh(integral.view()).expect("symmetric");
    let sinh = e.values.mapv(|v| 2.0 * solution.scale(horizon) * (-2.0 * v).sinh());
    let closed = (&e.vectors * &sinh).dot(&e.vectors.t());
    let w = solution.state(horizon).expect("in the span");
    assert!(distance(&w, &closed) > 0.01 * norm(&w), "{}", distance(&w, &closed) / norm(&w));
}

#[test]
fn unobserved_rows_and_other_components_stay_zero() {
    // Index 3 is never seen; {0, 1} and {2, 4, 5} are two components, the second without an odd cycle.
    let seen =
        Observations::from_list(6, &[(0, 1, 0.8), (0, 0, 1.0), (2, 4, 0.5), (4, 5, -0.3)]).expect("a list");
    let truth = Array2::from_shape_fn((6, 6), |(i, j)| match (i.max(j), i.min(j)) {
        (1, 0) => 0.8,
        (0, 0) => 1.0,
        (4, 2) => 0.5,
        (5, 4) => -0.3,
        _ => 0.25,
    });
    let problem = Problem::new(seen, Some(truth), Init::Identity { coordinate: 2.0 }).expect("a problem");
    let graph = problem.observations().graph();
    assert_eq!(graph.components, 3);
    let settings = Settings { weight_decay: 0.01, horizon: 500.0, ..Settings::default() };
    let solution = problem.flow(&settings).expect("solved");
    let floor = problem.test_loss_floor().expect("test entries");
    for part in [0.0, 0.1, 0.5, 1.0] {
        let w = solution.state(part * 500.0).expect("in the span");
        for ((i, j), x) in w.indexed_iter() {
            assert!(graph.reaches(i, j) || *x == 0.0, "({i}, {j}) is {x}");
        }
        let table = solution.observe(&[part * 500.0], &[Observable::TestLoss]).expect("in the span");
        assert!(table.values[(0, 0)] >= floor, "{} below {floor}", table.values[(0, 0)]);
    }
    assert!(solution.state(500.0).expect("in the span")[(1, 1)].abs() > 0.1, "reached entries move");
}

#[test]
fn one_entry_and_full_masks() {
    // d = 1: w' = −2s·a·…, a = √(w² + 4c²): it ends at y − λ/4 for (w − y)² + λ|w|/2.
    let seen = Observations::from_list(1, &[(0, 0, 3.0)]).expect("a list");
    let problem =
        Problem::new(seen, Some(array![[3.0]]), Init::Identity { coordinate: 1.0 }).expect("a problem");
    let settings = Settings { weight_decay: 0.1, horizon: 400.0, ..Settings::default() };
    let solution = problem.flow(&settings).expect("solved");
    assert!((solution.state(400.0).expect("in the span")[(0, 0)] - 2.975).abs() < 1e-7);
    let table = solution.observe(&[400.0], &[Observable::TestLoss, Observable::Rank]).expect("in the span");
    assert!(table.values[(0, 0)].is_nan() && table.values[(0, 1)] == 1.0);
    let full = instance(5, 25, 3, Init::Identity { coordinate: 2.0 });
    let settings = Settings { weight_decay: 1e-3, horizon: 1000.0, ..Settings::default() };
    let w = full.flow(&settings).expect("solved").state(1000.0).expect("in the span");
    assert!(distance(&w, &full.truth().expect("known").to_owned()) < 0.1 * norm(&w));
}

#[test]
fn ends_at_the_convex_problems() {
    let problem = instance(7, 22, 8, Init::Identity { coordinate: 3.0 });
    let decay = 0.01;
    let settings = Settings { weight_decay: decay, horizon: 6000.0, ..Settings::default() };
    let solution = problem.flow(&settings).expect("solved");
    let limit = penalised(problem.observations(), decay, &Default::default()).expect("converges");
    assert_eq!(limit.unique, Some(true));
    let w = solution.state(6000.0).expect("in the span");
    assert!(distance(&w, &limit.matrix) < 1e-3 * norm(&w), "{:e}", distance(&w, &limit.matrix) / norm(&w));
    let what = [Observable::TrainLoss, Observable::NuclearNorm, Observable::ParameterNorm];
    let row = solution.observe(&[6000.0], &what).expect("in the span").values;
    let objective = row[(0, 0)] + 0.5 * decay * row[(0, 1)];
    assert!((objective - limit.objective).abs() < 1e-6 * limit.objective, "{objective} {}", limit.objective);
    assert!((row[(0, 2)].powi(2) - row[(0, 1)]).abs() < 1e-6 * row[(0, 1)], "‖θ‖² = ‖W‖_* at the end");
    // Any perturbation ends there as well (Theorem 3.12).
    let perturbed = instance(7, 22, 8, Init::Perturbed { coordinate: 3.0, std: 0.3, seed: 2 });
    let end = perturbed.flow(&settings).expect("solved").state(6000.0).expect("in the span");
    assert!(
        distance(&end, &limit.matrix) < 1e-3 * norm(&w),
        "{:e}",
        distance(&end, &limit.matrix) / norm(&w)
    );
}

#[test]
fn slow_flow_is_the_limit_of_small_decay() {
    let problem = instance(8, 22, 6, Init::Identity { coordinate: 4.0 });
    let slow =
        problem.slow_flow(&SlowSettings { horizon: 5.0, rtol: 1e-9, ..Default::default() }).expect("solved");
    let taus = [0.3, 1.0, 1.7, 2.5, 4.0];
    let mut distances = Vec::new();
    for decay in [1e-3, 1e-4, 1e-5] {
        let settings =
            Settings { weight_decay: decay, horizon: 5.0 / decay, rtol: 1e-10, ..Settings::default() };
        let solution = problem.flow(&settings).expect("solved");
        let far = |tau: f64| {
            distance(
                &solution.state(tau / decay).expect("in the span"),
                &slow.state(tau).expect("in the span"),
            )
        };
        distances.push(taus.iter().map(|&t| far(t)).fold(0.0, f64::max));
    }
    for pair in distances.windows(2) {
        let slope = (pair[0] / pair[1]).log10();
        assert!((slope - 1.0).abs() < 0.05, "O(λ): {distances:?}");
    }
    // It ends at the minimum nuclear norm.
    let limit = minimum_nuclear_norm(problem.observations(), &Default::default()).expect("converges");
    let far = problem.slow_flow(&SlowSettings { horizon: 14.0, ..Default::default() }).expect("solved");
    let table = far.observe(&[14.0], &[Observable::NuclearNorm]).expect("in the span");
    let excess = table.values[(0, 0)] / limit.nuclear_norm - 1.0;
    assert!(excess.abs() < 1e-3, "{excess:e}");
}

#[test]
fn residuals_keep_their_digits() {
    // α = 1e4, λ = 1e-7: residuals 1e-13 of the entries, far below the tolerance of W.
    let problem = instance(10, 30, 2, Init::Identity { coordinate: 1e4 });
    let settings = Settings { weight_decay: 1e-7, horizon: 1e6, ..Settings::default() };
    let solution = problem.flow(&settings).expect("solved");
    let (s, law) =
        (solution.residuals(1e6).expect("in the span"), solution.residual_law(1e6).expect("identity"));
    for (s, law) in s.iter().zip(law.expect("identity")) {
        assert!(s.abs() < 1e-12 && (s / law - 1.0).abs() < 1e-6, "{s:e} {law:e}");
    }
}

#[test]
fn recorded_times_are_those_of_the_path() {
    let problem = instance(6, 15, 2, Init::Identity { coordinate: 3.0 });
    let times = vec![0.0, 10.0, 55.5, 300.0];
    let path = Settings { weight_decay: 0.01, horizon: 300.0, ..Settings::default() };
    let at = Settings { record: Record::At(times.clone()), ..path.clone() };
    let (path, at) = (problem.flow(&path).expect("solved"), problem.flow(&at).expect("solved"));
    for t in times {
        let (a, b) = (path.state(t).expect("any time"), at.state(t).expect("recorded"));
        assert!(distance(&a, &b) <= 1e-8 * norm(&a), "{t}: {:e}", distance(&a, &b));
    }
    assert!(at.state(20.0).expect_err("not recorded").to_string().contains("Record"));
    assert!(path.state(300.1).is_err() && path.state(-1.0).is_err());
}

#[test]
fn between_the_ends_of_steps_the_path_is_the_integrators() {
    let late = |coordinate: f64, weight_decay: f64| 3.0 * coordinate.ln() / weight_decay;
    for (coordinate, weight_decay, rtol, horizon) in [
        (10.0, 1e-4, 1e-8, late(10.0, 1e-4)),
        (1e3, 1e-6, 1e-7, late(1e3, 1e-6)),
        (2.0, 0.01, 1e-10, late(2.0, 0.01)),
        // Ends soon after the fit, while steps grow tenfold.
        (541.0, 5.9e-6, 1e-8, 3e-3),
        (4.6e4, 0.0, 1e-8, 1e-8),
    ] {
        let problem = instance(12, 30, 5, Init::Identity { coordinate });
        let settings = Settings { weight_decay, horizon, rtol, ..Settings::default() };
        let path = problem.flow(&settings).expect("solved");
        let ends = path.step_times();
        let times: Vec<f64> = ends
            .windows(2)
            .flat_map(|pair| [0.1, 0.35, 0.5, 0.8].map(|part| pair[0] + part * (pair[1] - pair[0])))
            .collect();
        let at = Settings { record: Record::At(times.clone()), ..settings };
        let at = problem.flow(&at).expect("solved");
        let size = norm(&path.state(horizon).expect("the end"));
        for t in times {
            let (a, b) = (path.state(t).expect("any time"), at.state(t).expect("recorded"));
            let apart = distance(&a, &b) / size;
            assert!(apart < 10.0 * rtol, "{apart:e} at {t}, α = {coordinate}, rtol {rtol:e}");
        }
    }
}

#[test]
fn bad_settings_are_refused() {
    let problem = instance(4, 8, 1, Init::Identity { coordinate: 2.0 });
    for (settings, culprit) in [
        (Settings { rtol: 1e-4, ..Settings::default() }, "rtol"),
        (Settings { rtol: 1e-12, ..Settings::default() }, "rtol"),
        (Settings { weight_decay: -1.0, ..Settings::default() }, "weight decay"),
        (Settings { horizon: 0.0, ..Settings::default() }, "horizon"),
        (Settings { record: Record::At(vec![2e5]), ..Settings::default() }, "horizon"),
    ] {
        let text = problem.flow(&settings).expect_err("refused").to_string();
        assert!(text.contains(culprit), "{text}");
    }
    let asymmetric = array![[1.0, 2.0], [3.0, 1.0]];
    let seen = Observations::from_list(2, &[(0, 1, 2.0)]).expect("a list");
    let text = Problem::new(seen, Some(asymmetric), Init::Identity { coordinate: 1.0 }).expect_err("refused");
    assert!(text.to_string().contains("symmetric"), "{text}");
}

#[test]
fn the_multiplication_table_groks() {
    let truth = multiplication_table(20);
    let mask = random_mask(20, 100, 3).expect("a count");
    let seen = Observations::from_mask(truth.view(), mask.view()).expect("a mask");
    let problem = Problem::new(seen, Some(truth), Init::Identity { coordinate: 10.0 }).expect("a problem");
    let unit = 10.0_f64.ln() / 1e-4;
    let settings = Settings { horizon: 3.0 * unit, ..Settings::default() };
    let solution = problem.flow(&settings).expect("solved");
    let what = [Observable::TrainLoss, Observable::TestLoss, Observable::Rank];
    let table = solution.observe(&[0.3 * unit, 3.0 * unit], &what).expect("in the span").values;
    assert!(table[(0, 0)] < 1e-6 && table[(0, 1)] > 0.05, "fitted early, not completed: {table}");
    assert!(table[(1, 1)] < 1e-2 * table[(0, 1)], "completed late: {table}");
    // At first every eigenvalue is below the network's own scale; later most of them are small again.
    assert!(table[(0, 2)] == 0.0 && (1.0..20.0).contains(&table[(1, 2)]), "{table}");
}
