//! Random training sets of the effective theory against the counts of the authors and reference numbers.
//!
//! `GROKTIME_FULL=1` draws more and goes to larger p.

use groktime::effective::{Ensemble, Normalisation, Problem, Task, smith_invariants};
use groktime::linalg::Engine;

use crate::common::effective::{MEAN, addition, close, problem};
use crate::common::full as thorough;

/// Counts of the authors: 10⁴ subsets of each size, p = 10, |D| = 14..=40.
const AUTHORS: [u32; 27] = [
    1, 7, 51, 144, 373, 860, 1754, 2863, 4270, 5795, 7085, 8027, 8666, 9187, 9488, 9654, 9814, 9881, 9919,
    9945, 9980, 9983, 9991, 9998, 9994, 9997, 10_000,
];

#[test]
fn unique_structures_as_often_as_the_authors_found() {
    let trials = if thorough() { 20_000 } else { 4000 };
    let ensemble = Ensemble { task: addition(10), trials, seed: 1 };
    for (n, &theirs) in (14..).zip(&AUTHORS).step_by(if thorough() { 1 } else { 3 }) {
        let ours = ensemble.unique(n).unwrap();
        let (a, b) = (ours.estimate(), f64::from(theirs) / 1e4);
        let pooled = (ours.successes as f64 + f64::from(theirs)) / (trials as f64 + 1e4);
        let error = (pooled * (1.0 - pooled) * (1.0 / trials as f64 + 1e-4)).sqrt();
        assert!((a - b).abs() <= 4.5 * error + 1e-12, "|D| = {n}: {a} against {b}");
    }
}

#[test]
fn hitting_times_and_half_points() {
    let quantiles = [(10, [19, 21, 23, 25, 29], 23.28, 0.408), (20, [41, 45, 48, 52, 63], 49.2, 0.2257)];
    for (p, wanted, mean, critical) in quantiles {
        let trials = if thorough() { 20_000 } else { 4000 };
        let times = Ensemble { task: addition(p), trials, seed: 4 }.hitting_times().unwrap();
        for (q, w) in [0.05, 0.25, 0.5, 0.75, 0.95].into_iter().zip(wanted) {
            let found = times.quantile(q);
            assert!(found.abs_diff(w) <= 1, "p = {p}, q = {q}: {found} instead of {w}");
        }
        assert!((times.mean() - mean).abs() < 0.25, "{}", times.mean());
        let (r, (low, high)) = times.critical_fraction(0.999).unwrap();
        assert!((r - critical).abs() < 0.006, "p = {p}: {r}");
        assert!(low <= r && r <= high);
        // One order is one draw of the whole curve.
        let ensemble = Ensemble { task: addition(p), trials, seed: 5 };
        let n = times.quantile(0.5);
        let (a, b) = (times.unique(n).estimate(), ensemble.unique(n).unwrap().estimate());
        assert!((a - b).abs() < 5.0 * (0.5 / trials as f64).sqrt(), "{a} against {b}");
    }
    // The critical fraction falls with p: 0.4 belongs to p = 10 only. Exact for p = 4: 0.7222.
    let times = Ensemble { task: addition(4), trials: 20_000, seed: 6 }.hitting_times().unwrap();
    assert!((times.half() - 7.2222).abs() < 0.06, "{}", times.half());
    let times = Ensemble { task: addition(6), trials: 20_000, seed: 6 }.hitting_times().unwrap();
    assert!((times.half() - 12.4146).abs() < 0.08, "{}", times.half());
    if thorough() {
        for (p, r) in [(15, 0.2896), (30, 0.1588), (50, 0.107)] {
            let times = Ensemble { task: addition(p), trials: 2000, seed: 6 }.hitting_times().unwrap();
            let found = times.critical_fraction(0.95).unwrap().0;
            assert!((found / r - 1.0).abs() < 0.02, "p = {p}: {found}");
        }
    }
}

#[test]
fn rates_of_random_training_sets() {
    let trials = if thorough() { 20_000 } else { 3000 };
    let ensemble = Ensemble { task: addition(10), trials, seed: 2 };
    // |D|, then mean and quartiles of λ3 (paper, Z0 = p) and of μ3.
    let wanted = [
        (17, 0.00008, [0.0, 0.0, 0.0], 0.0050, [0.0, 0.0, 0.0]),
        (22, 0.00382, [0.0, 0.0, 0.00693], 0.2503, [0.0, 0.0, 0.4098]),
        (28, 0.01761, [0.01108, 0.01702, 0.02341], 1.6348, [0.9029, 1.4812, 2.2077]),
        (33, 0.03014, [0.02349, 0.03014, 0.03685], 3.8135, [2.7468, 3.6927, 4.7489]),
        (39, 0.04410, [0.03778, 0.04433, 0.05059], 7.7482, [6.3541, 7.6464, 9.0574]),
        (44, 0.05542, [0.04939, 0.05567, 0.06181], 12.4024, [10.7224, 12.3336, 14.0110]),
        (50, 0.06979, [0.06413, 0.07052, 0.07616], 20.1813, [18.2266, 20.2867, 22.2635]),
        (55, 0.08571, [0.08571, 0.08571, 0.08571], 30.0, [30.0, 30.0, 30.0]),
    ];
    let summary = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let error = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n * n) as f64).sqrt();
        (mean, error, [n / 4, n / 2, 3 * n / 4].map(|k| values[k]))
    };
    for (size, mean, quartiles, mu_mean, mu_quartiles) in wanted {
        let rates = ensemble.rates(size).unwrap();
        let lambda = summary(rates.iter().map(|r| r.lambda(10, MEAN, Normalisation::Symbols)).collect());
        let mu = summary(rates.iter().map(|r| r.mu).collect());
        assert!((lambda.0 - mean).abs() < 5.0 * lambda.1 + 1e-5, "{size}: {lambda:?}");
        assert!((mu.0 - mu_mean).abs() < 5.0 * mu.1 + 1e-4, "{size}: {mu:?}");
        // A quartile has an error of about 1.36 standard deviations over √n in these unimodal laws.
        for (found, q) in [(lambda, quartiles), (mu, mu_quartiles)] {
            let room = 8.0 * found.1 + 1e-5;
            found.2.iter().zip(q).for_each(|(a, b)| assert!((a - b).abs() < room, "{size}: {found:?} {q:?}"));
        }
    }
    // The workspace path against the plain one.
    for (trial, rate) in ensemble.rates(30).unwrap().iter().take(40).enumerate() {
        let mut all = addition(10).all_pairs();
        // The same draw by hand: Fisher and Yates from the trial's own stream.
        let mut rng = groktime::data::features::generator(2, trial as u64);
        for k in 0..30 {
            let other = rand::RngExt::random_range(&mut rng, k as u32..55) as usize;
            all.swap(k, other);
        }
        let d = problem(&addition(10), &all[..30]);
        assert_eq!(rate.parallelograms, d.parallelograms());
        close(rate.mu, d.eigenvalues(Engine::SEQUENTIAL).unwrap()[2], 1e-12);
    }
}

#[test]
fn ideal_curves_of_figure_10() {
    let trials = if thorough() { 2000 } else { 400 };
    let ensemble = Ensemble { task: addition(10), trials, seed: 3 };
    let sizes = [6, 11, 17, 22, 28, 33, 39, 44, 50];
    let rqi = [0.0102, 0.0475, 0.2350, 0.7110, 0.9788, 0.9984, 1.0, 1.0, 1.0];
    let accuracy = [0.1091, 0.2030, 0.3679, 0.6583, 0.8727, 0.9272, 0.9605, 0.9779, 0.9924];
    for (k, size) in sizes.into_iter().enumerate() {
        let found = ensemble.ideal(size).unwrap();
        // Their numbers are means of 2000 sets: the errors of both.
        let both = (1.0 + trials as f64 / 2000.0).sqrt();
        assert!((found.rqi - rqi[k]).abs() < 4.5 * both * found.rqi_error + 1.1e-3, "{size}: {found:?}");
        assert!(
            (found.accuracy - accuracy[k]).abs() < 4.5 * both * found.accuracy_error + 1e-4,
            "{size}: {found:?}"
        );
    }
}

#[test]
fn modular_subsets() {
    // P(real nullity 1) and P(coker = Z ⊕ Z_p), of 2000 subsets each.
    let wanted = [
        (5, 8, 0.287, 0.262),
        (5, 11, 0.994, 0.991),
        (7, 11, 0.092, 0.075),
        (7, 14, 0.843, 0.770),
        (7, 17, 0.995, 0.989),
    ];
    for (p, size, unique, circle) in wanted {
        let trials = 1000;
        let task = Task::modular(p).unwrap();
        let found = Ensemble { task: task.clone(), trials, seed: 8 }.unique(size).unwrap();
        let (low, high) = found.interval(1.0 - 1e-6).unwrap();
        assert!(low - 0.02 <= unique && unique <= high + 0.02, "{p} {size}: {found:?}");
        let exact = (0..trials as u64)
            .filter(|&seed| {
                let d = smith_invariants(&Problem::random(task.clone(), size, seed).unwrap()).unwrap();
                d.len() == p - 1 && d[p - 2] == p as u128 && d[p - 3] == 1
            })
            .count() as f64
            / trials as f64;
        assert!(
            (exact - circle).abs() < 5.0 * (circle * (1.0 - circle) / 660.0).sqrt() + 0.005,
            "{p} {size}: {exact}"
        );
    }
}

#[test]
fn ensembles_do_not_depend_on_threads() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let ensemble = Ensemble { task: addition(10), trials: 1000, seed: 11 };
            let bits: Vec<u64> = ensemble.rates(30).unwrap().iter().map(|r| r.mu.to_bits()).collect();
            (bits, ensemble.hitting_times().unwrap(), ensemble.unique(24).unwrap())
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(7));
}
