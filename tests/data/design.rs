//! The products of design matrices against their definitions, for every way of storing the data.

use groktime::data::Design;
use groktime::data::design::Precision;
use groktime::data::features::{gaussian_matrix, gaussian_vector, generator};
use groktime::data::tasks::{Law, Task};
use groktime::linalg::Threads;
use ndarray::{Array1, Array2};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Signs,
    Single,
    Double,
}

/// The matrix and the design made of it.
fn draw(kind: Kind, n: usize, d: usize, seed: u64) -> (Array2<f64>, Design) {
    let x = gaussian_matrix(n, d, 1.0, &mut generator(seed, 0));
    let x = match kind {
        Kind::Signs => x.mapv(f64::signum),
        Kind::Single => x.mapv(|x| f64::from(x as f32)),
        Kind::Double => x,
    };
    let design = match kind {
        Kind::Single => Design::single(x.mapv(|x| x as f32).view()).unwrap(),
        _ => Design::new(x.view()).unwrap(),
    };
    assert_eq!(design.is_packed(), matches!(kind, Kind::Signs));
    (x, design)
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Signs), Just(Kind::Single), Just(Kind::Double)]
}

/// Sums of m products differ from one another by at most this, relative to the sum of their sizes.
fn rounding(m: usize) -> f64 {
    4.0 * (m as f64 + 16.0) * f64::EPSILON
}

fn check_products(kind: Kind, n: usize, d: usize, seed: u64) {
    let (x, design) = draw(kind, n, d, seed);
    assert_eq!((design.samples(), design.dimension()), (n, d));
    assert_eq!(design.to_matrix(), x);
    let r = gaussian_vector(n, 1.0, &mut generator(seed, 1));
    let w = gaussian_vector(d, 1.0, &mut generator(seed, 2));
    let weights = w.mapv(f64::abs);
    let sizes = x.mapv(f64::abs);

    let mut results = Vec::new();
    for threads in [Threads::One, Threads::All] {
        let mut xw = vec![f64::NAN; n];
        design.apply(w.as_slice().unwrap(), &mut xw, threads);
        let mut xr = vec![f64::NAN; d];
        design.apply_transpose(r.as_slice().unwrap(), &mut xr, threads);
        let mut through = vec![f64::NAN; n];
        design.through(r.as_slice().unwrap(), &mut through, threads, |first, z, out| {
            for (j, out) in out.iter_mut().enumerate() {
                *out = (z[j] / 10.0).sin() * weights[first + j];
            }
        });
        let gram = design.weighted_gram(weights.as_slice().unwrap(), threads);
        let single = design.weighted_gram_in(Precision::Single, weights.as_slice().unwrap(), threads);
        results.push((xw, xr, through, gram, single, design.gram(threads)));
    }
    assert_eq!(results[0], results[1], "the same bits on any number of threads");

    let (xw, xr, through, gram, single, unit) = &results[0];
    let (xw_naive, xr_naive) = (x.dot(&w), x.t().dot(&r));
    let (xw_size, xr_size) = (sizes.dot(&weights), sizes.t().dot(&r.mapv(f64::abs)));
    for i in 0..n {
        assert!((xw[i] - xw_naive[i]).abs() <= rounding(d) * xw_size[i], "X w, sample {i}");
    }
    for k in 0..d {
        assert!((xr[k] - xr_naive[k]).abs() <= rounding(n) * xr_size[k], "Xᵀ r, coordinate {k}");
    }
    let inner = Array1::from_shape_fn(d, |k| (xr_naive[k] / 10.0).sin() * weights[k]);
    let through_naive = x.dot(&inner);
    for i in 0..n {
        let bound = rounding(d) * xw_size[i] + rounding(n) * sizes.row(i).dot(&(&weights * &xr_size));
        assert!((through[i] - through_naive[i]).abs() <= bound, "through, sample {i}");
    }
    let gram_naive = (&x * &weights).dot(&x.t());
    for i in 0..n {
        for j in 0..n {
            let size = (gram_naive[(i, i)] * gram_naive[(j, j)]).sqrt();
            assert!((gram[(i, j)] - gram_naive[(i, j)]).abs() <= rounding(d) * size, "Gram ({i}, {j})");
            // At most 256 terms are added in single precision.
            let single_bound = (256.0_f64.min(d as f64) + 4.0) * f64::from(f32::EPSILON) * size;
            assert!((single[(i, j)] - gram_naive[(i, j)]).abs() <= single_bound, "single Gram ({i}, {j})");
            assert_eq!(gram[(i, j)], gram[(j, i)]);
        }
    }
    let unit_naive = x.dot(&x.t());
    if let Kind::Signs = kind {
        assert_eq!(unit, &unit_naive, "integers");
    }
    let size = unit_naive.diag().iter().fold(0.0_f64, |m, x| m.max(*x));
    assert!(unit.iter().zip(&unit_naive).all(|(a, b)| (a - b).abs() <= rounding(d) * size));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn products_are_those_of_the_matrix(kind in kinds(), n in 1_usize..140, d in 1_usize..300, seed: u64) {
        check_products(kind, n, d, seed);
    }

    #[test]
    fn labels_multiply_samples(kind in kinds(), n in 1_usize..70, d in 1_usize..40, seed: u64, real: bool) {
        let (x, design) = draw(kind, n, d, seed);
        let labels = gaussian_vector(n, 1.0, &mut generator(seed, 1));
        let labels = if real { labels } else { labels.mapv(f64::signum) };
        let signed = design.signed(labels.as_slice().unwrap()).unwrap();
        let expected = &x * &labels.view().insert_axis(ndarray::Axis(1));
        prop_assert_eq!(signed.to_matrix(), expected);
        prop_assert_eq!(signed.is_packed(), design.is_packed() && !real);
    }
}

#[test]
fn many_chunks_and_every_remainder_of_the_samples() {
    for kind in [Kind::Signs, Kind::Single, Kind::Double] {
        for n in [1, 7, 8, 9, 63, 64, 65, 128, 130] {
            check_products(kind, n, 9000 + n, n as u64);
        }
    }
}

#[test]
fn a_result_does_not_depend_on_the_pool() {
    let (_, design) = draw(Kind::Double, 100, 20_000, 3);
    let r = gaussian_vector(100, 1.0, &mut generator(3, 1));
    let weights: Vec<f64> = (0..20_000).map(|k| 1.0 + f64::from(k).sin()).collect();
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut out = vec![0.0; 100];
        pool.install(|| {
            design.through(r.as_slice().unwrap(), &mut out, Threads::All, |_, z, w| w.copy_from_slice(z));
            let gram = |precision| design.weighted_gram_in(precision, &weights, Threads::All);
            (out, gram(Precision::Single), gram(Precision::Double))
        })
    };
    assert_eq!(on(1), on(3));
}

#[test]
fn data_are_kept_without_loss_in_the_smallest_form() {
    let x = ndarray::array![[1.5, -2.0], [0.25, 3.0]];
    assert_eq!(Design::new(x.view()).unwrap().to_matrix(), x);
    let x = ndarray::array![[0.1, 1e-300], [1e300, -1.0]];
    assert_eq!(Design::new(x.view()).unwrap().to_matrix(), x);
}

#[test]
fn bad_data_are_errors_that_name_them() {
    let nan = ndarray::array![[1.0, f64::NAN]];
    assert_eq!(
        Design::new(nan.view()).unwrap_err().to_string(),
        "data has the entry NaN at [0, 1], expected finite numbers"
    );
    assert!(Design::new(Array2::zeros((0, 3)).view()).unwrap_err().to_string().contains("empty"));
    assert!(Design::single(Array2::zeros((2, 0)).view()).unwrap_err().to_string().contains("empty"));
    assert!(Design::signs(0, 1, |_, _| true).is_err());
    let x = Design::signs(3, 1, |_, _| true).unwrap();
    assert!(x.signed(&[1.0]).unwrap_err().to_string().contains("one label a sample"));
    assert!(x.signed(&[1.0, f64::INFINITY, 0.0]).is_err());
}

// ---- tasks -----------------------------------------------------------------------------------------

fn task(law: Law, samples: usize, dimension: usize) -> Task {
    Task { law, samples, dimension, seed: 7 }
}

#[test]
fn labels_follow_the_teacher() {
    let laws = [
        Law::SparseSigns { relevant: 3 },
        Law::Gap { gap: 2.5 },
        Law::Regression { relevant: 4, noise_std: 0.0 },
    ];
    for law in laws {
        let drawn = task(law, 90, 40).draw().unwrap();
        let outputs = drawn.design.to_matrix().dot(&drawn.teacher);
        for (f, y) in outputs.iter().zip(&drawn.labels) {
            match law {
                Law::SparseSigns { .. } => assert_eq!(f.signum(), *y),
                // z moved by half the gap along a teacher of norm one.
                Law::Gap { gap } => assert!(f * y >= gap / 2.0 - 1e-12),
                Law::Regression { .. } => assert!((f - y).abs() < 1e-12),
            }
        }
    }
}

#[test]
fn teachers_are_those_of_the_law() {
    let sparse = task(Law::SparseSigns { relevant: 5 }, 4, 30).draw().unwrap();
    assert!(sparse.design.is_packed());
    assert!(sparse.teacher.iter().enumerate().all(|(k, w)| w.abs() == if k < 5 { 1.0 } else { 0.0 }));
    let gap = task(Law::Gap { gap: 1.0 }, 4, 30).draw().unwrap();
    assert!((gap.teacher.dot(&gap.teacher) - 1.0).abs() < 1e-14);
    let dense = task(Law::Regression { relevant: 30, noise_std: 0.0 }, 4, 30).draw().unwrap();
    assert!(dense.teacher.iter().all(|w| *w != 0.0));
}

#[test]
fn draws_are_fair_and_apart() {
    let law = Law::SparseSigns { relevant: 1 };
    let drawn = task(law, 100, 1000).draw().unwrap();
    // 10⁵ signs: the mean has standard deviation 1/316.
    let mean = drawn.design.to_matrix().mean().unwrap();
    assert!(mean.abs() < 5.0 / 316.0, "{mean}");
    let again = task(law, 100, 1000).draw().unwrap();
    assert_eq!(drawn.design.to_matrix(), again.design.to_matrix());
    let test = task(law, 100, 1000).draw_test(100).unwrap();
    assert_eq!(drawn.teacher, test.teacher);
    let agreement = (drawn.design.to_matrix() * test.design.to_matrix()).mean().unwrap();
    assert!(agreement.abs() < 5.0 / 316.0, "{agreement}");
    // Noise has the size asked for.
    let noisy = task(Law::Regression { relevant: 3, noise_std: 0.5 }, 2000, 5).draw().unwrap();
    let residual = noisy.design.to_matrix().dot(&noisy.teacher) - &noisy.labels;
    let std = (residual.dot(&residual) / 2000.0).sqrt();
    assert!((std - 0.5).abs() < 5.0 * 0.5 / 4000.0_f64.sqrt(), "{std}");
}

#[test]
fn impossible_tasks_are_errors() {
    let message = |law| task(law, 10, 5).draw().unwrap_err().to_string();
    assert_eq!(
        message(Law::SparseSigns { relevant: 7 }),
        "relevant is 7, expected between 1 and the dimension 5"
    );
    assert!(message(Law::SparseSigns { relevant: 2 }).contains("an odd number"));
    assert!(message(Law::Gap { gap: -1.0 }).contains("gap is -1"));
    assert!(message(Law::Regression { relevant: 1, noise_std: f64::NAN }).contains("NaN"));
    assert!(task(Law::Gap { gap: 1.0 }, 0, 5).draw().unwrap_err().to_string().contains("samples is 0"));
}
