//! Features scaled by a power of two, with the step size and the weight decay to match, are the same problem, also
//! where their squares leave the range of numbers; further out they are refused.

use groktime::data::features::{gaussian_matrix, gaussian_vector, generator};
use groktime::ridge::{Population, Problem, Settings, Target};

#[test]
fn scaling_changes_nothing() {
    for (n, m) in [(4, 9), (9, 4), (5, 5)] {
        let rng = &mut generator(n as u64, m as u64);
        let features = gaussian_matrix(n, m, 1.0, rng);
        let (init, teacher) = (gaussian_vector(m, 1.0, rng), gaussian_vector(m, 1.0, rng));
        let times = |power: i32| {
            let unit = 2.0_f64.powi(power);
            let features = &features * unit;
            let problem = Problem {
                features: features.view(),
                target: Target::teacher(teacher.clone()),
                init: init.clone(),
                population: Population::isotropic(m, 0.5),
            };
            let spectrum = problem.spectrum(Default::default()).unwrap();
            let settings = Settings {
                step_size: 0.1 / unit / unit,
                weight_decay: 1e-3 * unit * unit,
                ..Default::default()
            };
            let descent = spectrum.descent(&settings).unwrap();
            let limit = 1.01 * descent.train_loss_limit().unwrap() / unit / unit;
            (descent.times((limit + 1e-4) * unit * unit, 0.3).unwrap(), descent.test_loss(17).unwrap().value)
        };
        let plain = times(0);
        for power in [-480, -330, -40, 1, 60, 330, 480] {
            assert_eq!(times(power), plain, "{n} × {m}, 2^{power}");
        }
    }
}

#[test]
fn out_of_range_is_refused() {
    let features = gaussian_matrix(3, 5, 1.0, &mut generator(0, 0)) * 1e-160;
    let problem = Problem {
        features: features.view(),
        target: Target::zero_teacher(5),
        init: gaussian_vector(5, 1.0, &mut generator(0, 1)),
        population: Population::isotropic(5, 1.0),
    };
    let Err(error) = problem.spectrum(Default::default()) else { panic!("taken") };
    assert!(error.to_string().contains("scale the features"), "{error}");
}
