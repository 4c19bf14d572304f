//! Late times of the effective theory: what is left is taken relative to the slowest mode, for every observable.

use groktime::data::features::{gaussian_matrix, generator};
use groktime::effective::{Gradient, Normalisation, Problem, Settings, Task, normalised};
use groktime::trajectory::{Observable, Trajectory};

const ALL: [Observable; 6] = [
    Observable::TrainLoss,
    Observable::LogTrainLoss,
    Observable::RepresentationQuality,
    Observable::TestAccuracy,
    Observable::ParameterNorm,
    Observable::EffectiveDimension,
];
const LATE: [f64; 6] = [1e3, 5e3, 1e5, 1e10, 1e100, 1e300];

/// All sums modulo an odd p: every E with mean zero is stationary, and the loss is 4(p + 3)/(p² − 1).
#[test]
fn odd_modular_data_are_stationary_at_any_time() {
    for (task, p) in [(Task::modular(7), 7), (Task::modular(11), 11), (Task::cyclic_product(&[3, 5]), 15)] {
        let problem = Problem::full(task.unwrap());
        let spectrum = problem.spectrum(Default::default()).unwrap();
        for dimension in [1, 3] {
            let raw = gaussian_matrix(p, dimension, 1.0, &mut generator(1, 0));
            let start = normalised(raw.view(), Normalisation::Symbols).unwrap();
            let flow = spectrum.flow(start.view(), Settings::default()).unwrap();
            let at_start = flow.observe(&[0.0], &ALL).unwrap().values;
            let loss = 4.0 * (p as f64 + 3.0) / ((p * p) as f64 - 1.0);
            assert!((at_start[(0, 0)] - loss).abs() < 1e-13);
            let late = flow.observe(&LATE, &ALL).unwrap().values;
            assert!(late.rows().into_iter().all(|row| row == at_start.row(0)), "p = {p}: {late}");
            for t in LATE {
                let state = flow.state(t).unwrap();
                assert!(state.iter().zip(&start).all(|(a, b)| (a - b).abs() < 1e-13), "p = {p}, t = {t:e}");
            }
            let errors = flow.errors(&LATE, &ALL).unwrap().values;
            assert!(errors.iter().all(|e| *e < 1e-11), "{errors}");
        }
    }
}

/// All sums modulo an even p have a few eigenvalues, each of several modes: integers, and equal by more than rounding (with
/// 8 symbols 44 twice, 46 four times and 48, from the circulant G). The end is the projection of the start on all of the
/// slowest.
#[test]
fn even_modular_data_end_on_all_of_their_slowest_modes() {
    let problem = Problem::full(Task::modular(8).unwrap());
    let form = problem.quadratic_form();
    let spectrum = problem.spectrum(Default::default()).unwrap();
    let values = spectrum.eigenvalues();
    // The circulant's eigenvalues are sums of its first row with cosines.
    let mut exact: Vec<f64> = (0..8)
        .map(|w| (0..8).map(|k| form[(0, k)] * (std::f64::consts::TAU * (w * k) as f64 / 8.0).cos()).sum())
        .collect();
    exact.sort_by(f64::total_cmp);
    assert!(values.iter().zip(&exact).all(|(a, b)| (a - b).abs() < 1e-12), "{values}");
    assert_eq!(values.as_slice().unwrap()[..7], [0.0, 44.0, 44.0, 46.0, 46.0, 46.0, 46.0]);
    let raw = gaussian_matrix(8, 1, 1.0, &mut generator(2, 0));
    let start = normalised(raw.view(), Normalisation::Symbols).unwrap();
    let slowest = values.iter().copied().find(|mu| *mu > 0.0).unwrap();
    // Projection by the polynomial that is one at the slowest eigenvalue and zero at the others.
    let mut others: Vec<f64> = values.iter().copied().filter(|mu| *mu != slowest).collect();
    others.dedup();
    let mut end = start.clone();
    for mu in others {
        end = (form.dot(&end) - &(&end * mu)) / (slowest - mu);
    }
    let end = normalised(end.view(), Normalisation::Symbols).unwrap();
    for gradient in [Gradient::Full, Gradient::Linear] {
        let flow = spectrum.flow(start.view(), Settings { gradient, ..Settings::default() }).unwrap();
        // At t = 10³ the next eigenvalue still has e^(−7.8) of its part.
        for t in &LATE[1..] {
            let shape = normalised(flow.shape(*t).unwrap().view(), Normalisation::Symbols).unwrap();
            assert!(shape.iter().zip(&end).all(|(a, b)| (a - b).abs() < 1e-12), "t = {t:e}: {shape} {end}");
        }
    }
}

/// Random data: no observable is undefined at any time, and ln ℓ is −2λt where that is all that is left.
#[test]
fn every_observable_at_every_time() {
    for seed in 0..6 {
        for task in [Task::modular(8), Task::modular(9), Task::addition(7), Task::cyclic_product(&[2, 4])] {
            let task = task.unwrap();
            let (p, size) = (task.symbols(), task.samples() / 2 + seed as usize);
            let problem = Problem::random(task, size, seed).unwrap();
            if problem.parallelograms() == 0 {
                continue;
            }
            let spectrum = problem.spectrum(Default::default()).unwrap();
            let raw = gaussian_matrix(p, 2, 1.0, &mut generator(seed, 2));
            let start = normalised(raw.view(), Normalisation::Symbols).unwrap();
            for gradient in [Gradient::Full, Gradient::Linear] {
                let flow = spectrum.flow(start.view(), Settings { gradient, ..Settings::default() }).unwrap();
                let table = flow.observe(&LATE, &ALL).unwrap().values;
                assert!(table.iter().all(|x| !x.is_nan()), "{table}");
                flow.errors(&LATE, &ALL).unwrap();
                assert!(flow.centre(1e300).unwrap().iter().all(|c| !c.is_nan()));
                let rates = flow.rates();
                if gradient == Gradient::Linear {
                    let slowest = rates.iter().copied().find(|r| *r > 0.0).unwrap();
                    let t = 1e5 / slowest;
                    let ratio = flow.ln_loss(t).unwrap() / (-2.0 * slowest * t);
                    assert!((ratio - 1.0).abs() < 1e-3, "{ratio}");
                }
            }
        }
    }
}

/// The error bars hold, and not by being wide: against the same flow of permuted symbols, whose eigenvectors are rounded
/// otherwise.
#[test]
fn error_bars_cover_another_order_of_the_symbols() {
    let (mut worst, mut widest) = (0.0_f64, 0.0_f64);
    for seed in 0..20 {
        let task = Task::modular(12).unwrap();
        let problem = Problem::random(task.clone(), 40, seed).unwrap();
        // k → 5k is an automorphism.
        let moved: Vec<[u32; 2]> = problem.samples().iter().map(|pair| pair.map(|k| 5 * k % 12)).collect();
        let other = Problem::new(task, &moved, Default::default()).unwrap();
        let raw = gaussian_matrix(12, 2, 1.0, &mut generator(seed, 2));
        let start = normalised(raw.view(), Normalisation::Symbols).unwrap();
        let turned = ndarray::Array2::from_shape_fn((12, 2), |(k, d)| start[(5 * k % 12, d)]);
        let (one, two) =
            (problem.spectrum(Default::default()).unwrap(), other.spectrum(Default::default()).unwrap());
        let times = [0.0, 1.0, 30.0, 1e3, 1e5];
        let (one, two) = (
            one.flow(start.view(), Settings::default()).unwrap(),
            two.flow(turned.view(), Settings::default()).unwrap(),
        );
        let (a, b) = (one.observe(&times, &ALL).unwrap().values, two.observe(&times, &ALL).unwrap().values);
        let (ea, eb) = (one.errors(&times, &ALL).unwrap().values, two.errors(&times, &ALL).unwrap().values);
        for ((a, b), (ea, eb)) in a.iter().zip(&b).zip(ea.iter().zip(&eb)) {
            if (ea + eb).is_finite() && ea + eb > 0.0 {
                worst = worst.max((a - b).abs() / (ea + eb));
                widest = widest.max((ea + eb) / a.abs().max(1e-300));
            }
        }
    }
    assert!(worst <= 1.0 && worst > 1e-6, "{worst}");
    assert!(widest < 1e-3, "{widest}");
}
