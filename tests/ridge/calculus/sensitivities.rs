//! Derivatives of t1 and t2.

use super::*;

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
            // Within rounding of the minimum many digits tell whether it is met at all.
            for distance in [-1e-13, -1e-14, 0.0, 1e-14, 1e-13, 1e-12] {
                let met = form.first_general(least * (1.0 + distance)).unwrap();
                match distance {
                    d if d >= 1e-13 => assert!(matches!(met, Crossing::At { .. }), "{d:e}: {met:?}"),
                    d if d <= -1e-13 => assert_eq!(met, Crossing::Never, "{d:e}"),
                    // Between neighbouring flow times the loss moves by more than this.
                    _ => assert!(!matches!(met, Crossing::FromStart), "{met:?}"),
                }
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
