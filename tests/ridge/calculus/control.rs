//! Control of the delay.

use super::*;

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
