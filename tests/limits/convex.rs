//! The limits against a general conic solver, their optimality conditions, invariances and degenerate data.

use groktime::Loss;
use groktime::data::Design;
use groktime::data::features::{gaussian_matrix, gaussian_vector, generator};
use groktime::data::tasks::{Law, Task};
use groktime::limits::{
    Farkas, Limit, MaxMarginL1, MaxMarginL2, MinNorm, Regularised, Report, max_margin_l1, max_margin_l2,
    min_l1, min_norm, min_weighted_l1, regularised,
};
use groktime::linalg::Threads;
use ndarray::{Array1, Array2, Axis, array, concatenate};
use proptest::prelude::*;

use super::conic::*;

const ONE: Threads = Threads::One;

#[derive(Clone, Copy, Debug)]
enum Entries {
    Gaussian,
    Signs,
    /// Small integers: ties, zeros, equal rows and columns.
    Integers,
}

fn entries() -> impl Strategy<Value = Entries> {
    prop_oneof![Just(Entries::Gaussian), Just(Entries::Signs), Just(Entries::Integers)]
}

fn draw(kind: Entries, n: usize, d: usize, seed: u64) -> (Array2<f64>, Design) {
    let x = gaussian_matrix(n, d, 1.0, &mut generator(seed, 0));
    let x = match kind {
        Entries::Gaussian => x,
        Entries::Signs => x.mapv(f64::signum),
        Entries::Integers => x.mapv(f64::round),
    };
    let design = Design::new(x.view()).unwrap();
    (x, design)
}

fn random_labels(n: usize, seed: u64) -> Array1<f64> {
    gaussian_vector(n, 1.0, &mut generator(seed, 1)).mapv(f64::signum)
}

fn slice(a: &Array1<f64>) -> &[f64] {
    a.as_slice().unwrap()
}

fn l1_norm(w: &Array1<f64>) -> f64 {
    w.iter().map(|w| w.abs()).sum()
}

fn max_abs(w: &Array1<f64>) -> f64 {
    w.iter().fold(0.0, |m, w| m.max(w.abs()))
}

fn least(a: &Array1<f64>) -> f64 {
    a.iter().copied().fold(f64::INFINITY, f64::min)
}

fn l1(x: &Design, y: &Array1<f64>) -> Limit<MaxMarginL1> {
    max_margin_l1(x, slice(y), ONE).unwrap()
}

fn l2(x: &Design, y: &Array1<f64>) -> Limit<MaxMarginL2> {
    max_margin_l2(x, slice(y), ONE).unwrap()
}

/// The gap measured by the report, which nothing else here is trusted for.
fn assert_solved(report: &Report, gap: f64) {
    assert!(report.gap.abs() <= gap, "{report:?}");
    assert!(report.infeasibility <= 1e-9, "{report:?}");
}

fn assert_close(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance * a.abs().max(b.abs()), "{a} and {b}");
}

/// ν ≥ 0 or any sign, ⟨b, ν⟩ = 1, Xᵀν = 0.
fn assert_proof(z: &Array2<f64>, b: &Array1<f64>, proof: &Farkas, one_sided: bool) {
    assert_close(proof.multipliers.dot(b), 1.0, 1e-9);
    assert!(!one_sided || least(&proof.multipliers) >= 0.0);
    let image = z.t().dot(&proof.multipliers);
    assert!(image.dot(&image).sqrt() <= 1e-6 * (z.ncols() as f64), "{image}");
}

fn check_margin_l1(z: &Array2<f64>, best: &MaxMarginL1) {
    assert_solved(&best.report, 1e-9);
    let (outputs, image) = (z.dot(&best.weights), z.t().dot(&best.multipliers));
    assert!((least(&outputs) - 1.0).abs() < 1e-9, "scaled to margin 1");
    assert!(least(&best.multipliers) >= 0.0 && max_abs(&image) <= 1.0 + 1e-12);
    assert_close(best.margin, 1.0 / l1_norm(&best.weights), 1e-12);
    // Complementarity: what is not tight is zero.
    let scale = best.multipliers.sum();
    for (f, nu) in outputs.iter().zip(&best.multipliers) {
        assert!((f - 1.0) * nu <= 1e-8 * scale, "{f} {nu}");
    }
    for (w, s) in best.weights.iter().zip(&image) {
        assert!((w.abs() - w * s) <= 1e-8 * l1_norm(&best.weights), "{w} {s}");
    }
}

fn check_margin_l2(z: &Array2<f64>, best: &MaxMarginL2) {
    assert_solved(&best.report, 1e-9);
    let outputs = z.dot(&best.weights);
    assert!((least(&outputs) - 1.0).abs() < 1e-9 && least(&best.multipliers) >= 0.0);
    let difference = z.t().dot(&best.multipliers) - &best.weights;
    assert!(max_abs(&difference) <= 1e-6 * max_abs(&best.weights), "w = Zᵀν");
    assert_close(best.margin, 1.0 / best.weights.dot(&best.weights).sqrt(), 1e-12);
}

// ---- against the second opinion --------------------------------------------------------------------

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn margins(kind in entries(), n in 1_usize..14, d in 1_usize..24, seed: u64) {
        let (x, design) = draw(kind, n, d, seed);
        let y = random_labels(n, seed);
        let z = labelled(&x, &y);
        match (l1(&design, &y), l2(&design, &y)) {
            (Limit::Found(one), Limit::Found(two)) => {
                check_margin_l1(&z, &one);
                check_margin_l2(&z, &two);
                let ones = vec![1.0; d];
                assert_close(one.report.objective, conic_l1(&z, &vec![1.0; n], &ones, &ones, false), 1e-7);
                assert_close(two.report.objective, conic_l2_margin(&z), 1e-7);
                // ‖w‖₂ ≤ ‖w‖₁ ≤ √d‖w‖₂.
                prop_assert!(one.margin <= two.margin * (1.0 + 1e-9));
                prop_assert!(two.margin <= one.margin * (d as f64).sqrt() * (1.0 + 1e-9));
            }
            (Limit::Infeasible(one), Limit::Infeasible(two)) => {
                assert_proof(&z, &Array1::ones(n), &one, true);
                assert_proof(&z, &Array1::ones(n), &two, true);
            }
            (one, two) => prop_assert!(false, "they disagree: {one:?} {two:?}"),
        }
    }

    #[test]
    fn interpolants(kind in entries(), n in 1_usize..10, d in 1_usize..24, seed: u64, even: bool) {
        let (x, design) = draw(kind, n, d, seed);
        let y = gaussian_vector(n, 1.0, &mut generator(seed, 1));
        let cost = |stream| match even {
            true => Array1::ones(d),
            false => gaussian_vector(d, 1.0, &mut generator(seed, stream)).mapv(|c| c.abs() + 0.1),
        };
        let (plus, minus) = (cost(2), cost(3));
        let one = min_weighted_l1(&design, slice(&y), slice(&plus), slice(&minus), ONE).unwrap();
        match (one, min_norm(&design, slice(&y), ONE).unwrap()) {
            (Limit::Found(one), Limit::Found(two)) => {
                assert_solved(&one.report, 1e-9);
                assert_solved(&two.report, 1e-9);
                let expected = conic_l1(&x, slice(&y), slice(&plus), slice(&minus), true);
                assert_close(one.report.objective, expected, 1e-7);
                for w in [&one.weights, &two.weights] {
                    prop_assert!(max_abs(&(x.dot(w) - &y)) <= 1e-9 * max_abs(&y));
                }
                let image = x.t().dot(&one.multipliers);
                for k in 0..d {
                    prop_assert!(image[k] <= plus[k] * (1.0 + 1e-12) && image[k] >= -minus[k] * (1.0 + 1e-12));
                }
                prop_assert!(l1_norm(&one.weights) * 5.0 / plus[0].min(minus[0]) > 0.0);
                if even {
                    prop_assert!(l1_norm(&one.weights) <= l1_norm(&two.weights) * (1.0 + 1e-9));
                }
                prop_assert!(two.weights.dot(&two.weights) <= one.weights.dot(&one.weights) * (1.0 + 1e-9));
            }
            (Limit::Infeasible(one), Limit::Infeasible(two)) => {
                assert_proof(&x, &y, &one, false);
                assert_proof(&x, &y, &two, false);
            }
            (one, two) => prop_assert!(false, "they disagree: {one:?} {two:?}"),
        }
    }

    #[test]
    fn regularised_losses(kind in entries(), n in 1_usize..9, d in 1_usize..16, seed: u64, decay in -3.0_f64..0.5) {
        let (x, design) = draw(kind, n, d, seed);
        let y = random_labels(n, seed);
        let decay = 10.0_f64.powf(decay);
        for loss in [Loss::Squared, Loss::Logistic, Loss::Exponential] {
            let end = regularised(&design, slice(&y), loss, decay, ONE).unwrap();
            check_regularised(&x, &y, loss, decay, &end);
            assert_close(end.report.objective, conic_regularised(&x, &y, loss, decay), 1e-6);
        }
    }

    #[test]
    fn the_minimax_multiplier_of_the_dual_face(n in 3_usize..10, extra in 1_usize..20, seed: u64, signs: bool) {
        let law = Law::Regression { relevant: 2, noise_std: 0.0 };
        let task = Task { law, samples: n, dimension: n + extra, seed };
        let drawn = task.draw().unwrap();
        let design = match signs {
            true => Design::new(drawn.design.to_matrix().mapv(f64::signum).view()).unwrap(),
            false => drawn.design,
        };
        let x = design.to_matrix();
        let y = x.dot(&drawn.teacher);
        let w = min_l1(&design, slice(&y), ONE).unwrap().found().unwrap();
        prop_assume!(w.report.unique == Some(true));
        let face = w.dual_face(&design, ONE).unwrap();
        prop_assert_eq!(face.dimension, n - w.support.len());
        // 1e-8 is the smallest that is told apart from zero.
        let expected = conic_minimax(&x, &w).max(1e-8);
        prop_assert!((face.minimax - expected).abs() <= 1e-6, "{} {expected}", face.minimax);
        prop_assert!(face.minimax <= face.central * (1.0 + 1e-9) && face.minimax_bound <= face.minimax + 1e-9);
        let image = x.t().dot(&face.multipliers);
        for k in 0..image.len() {
            let bound = if w.support.contains(&k) { 1.0 } else { face.minimax };
            prop_assert!(image[k].abs() <= bound + 1e-7, "coordinate {k}: {}", image[k]);
        }
    }

    #[test]
    fn scales(n in 1_usize..12, d in 12_usize..24, seed: u64, data in 1e-3_f64..1e3, labels in 1e-3_f64..1e3) {
        let (x, design) = draw(Entries::Gaussian, n, d, seed);
        let scaled = Design::new((&x * data).view()).unwrap();
        let y = random_labels(n, seed);
        // Margins: X → cX gives w → w/c.
        let (a, b) = (l1(&design, &y).found().unwrap(), l1(&scaled, &y).found().unwrap());
        assert_close(a.margin * data, b.margin, 1e-9);
        let (a, b) = (l2(&design, &y).found().unwrap(), l2(&scaled, &y).found().unwrap());
        assert_close(a.margin * data, b.margin, 1e-9);
        // Interpolation: y → cy gives w → cw.
        let y = gaussian_vector(n, 1.0, &mut generator(seed, 1));
        let solve = |x: &Design, y: &Array1<f64>| min_l1(x, slice(y), ONE).unwrap().found().unwrap();
        let (a, b) = (solve(&design, &y), solve(&scaled, &(&y * labels)));
        assert_close(a.report.objective * labels / data, b.report.objective, 1e-9);
    }
}

fn check_regularised(x: &Array2<f64>, y: &Array1<f64>, loss: Loss, decay: f64, end: &Regularised) {
    assert_solved(&end.report, 1e-9);
    let outputs = x.dot(&end.weights);
    let n = y.len() as f64;
    // Computed anew from the definitions.
    let losses = outputs.iter().zip(y).map(|(f, y)| match loss {
        Loss::Squared => (f - y).powi(2),
        Loss::Logistic => (-y * f).exp().ln_1p(),
        Loss::Exponential => (-y * f).exp(),
    });
    assert_close(losses.sum::<f64>() / n, end.loss, 1e-12);
    assert_close(end.loss + decay / 2.0 * l1_norm(&end.weights), end.report.objective, 1e-12);
    let slopes: Array1<f64> = outputs
        .iter()
        .zip(y)
        .map(|(f, y)| match loss {
            Loss::Squared => 2.0 * (f - y) / n,
            Loss::Logistic => -y / (n * (1.0 + (y * f).exp())),
            Loss::Exponential => -y * (-y * f).exp() / n,
        })
        .collect();
    let gradient = x.t().dot(&slopes);
    let size = max_abs(&gradient).max(decay);
    for (w, g) in end.weights.iter().zip(&gradient) {
        assert!(g.abs() <= decay / 2.0 + 1e-6 * size, "{g} {decay}");
        assert!(
            w * g <= 0.0 && (w * g + decay / 2.0 * w.abs()).abs() <= 1e-6 * decay * l1_norm(&end.weights)
        );
    }
}

// ---- degenerate and special data -------------------------------------------------------------------

#[test]
fn equal_samples_and_equal_coordinates() {
    let (x, _) = draw(Entries::Gaussian, 6, 12, 5);
    let y = random_labels(6, 5);
    let once = Design::new(x.view()).unwrap();
    // Each sample twice, each coordinate three times.
    let rows = concatenate(Axis(0), &[x.view(), x.view()]).unwrap();
    let twice = concatenate(Axis(1), &[rows.view(), rows.view(), rows.view()]).unwrap();
    let twice = Design::new(twice.view()).unwrap();
    let labels = concatenate(Axis(0), &[y.view(), y.view()]).unwrap();
    let (a, b) = (l1(&once, &y).found().unwrap(), l1(&twice, &labels).found().unwrap());
    assert_close(a.margin, b.margin, 1e-9);
    assert_eq!((a.report.unique, a.report.dual_unique), (Some(true), Some(true)));
    assert_eq!((b.report.unique, b.report.dual_unique), (Some(false), Some(false)));
    assert_eq!(b.support.len(), 3 * a.support.len());
    let (a, b) = (l2(&once, &y).found().unwrap(), l2(&twice, &labels).found().unwrap());
    assert_close(a.margin * 3.0_f64.sqrt(), b.margin, 1e-9);
    assert_eq!((a.report.dual_unique, b.report.dual_unique), (Some(true), Some(false)));
    let interpolate = |x: &Design, y: &Array1<f64>| min_l1(x, slice(y), ONE).unwrap().found().unwrap();
    let (a, b) = (interpolate(&once, &y), interpolate(&twice, &labels));
    assert_close(a.report.objective, b.report.objective, 1e-9);
    assert_eq!((a.report.unique, b.report.unique), (Some(true), Some(false)));
    for loss in [Loss::Squared, Loss::Logistic, Loss::Exponential] {
        let a = regularised(&once, slice(&y), loss, 0.1, ONE).unwrap();
        let b = regularised(&twice, slice(&labels), loss, 0.1, ONE).unwrap();
        assert_close(a.report.objective, b.report.objective, 1e-9);
        assert_eq!((a.report.unique, b.report.unique), (Some(true), Some(false)), "{loss:?}");
    }
}

#[test]
fn one_sample() {
    let x = Design::new(array![[1.0, -3.0, 2.0]].view()).unwrap();
    let best = l1(&x, &array![-1.0]).found().unwrap();
    assert_eq!(best.support, [1]);
    assert_close(best.weights[1], 1.0 / 3.0, 1e-14);
    assert_close(best.off_support, 2.0 / 3.0, 1e-14);
    let best = l2(&x, &array![-1.0]).found().unwrap();
    assert_close(best.margin, 14.0_f64.sqrt(), 1e-14);
    let w: MinNorm = min_norm(&x, &[7.0], ONE).unwrap().found().unwrap();
    assert!(max_abs(&(w.weights - array![0.5, -1.5, 1.0])) < 1e-14);
    let w = min_l1(&x, &[6.0], ONE).unwrap().found().unwrap();
    assert!(max_abs(&(w.weights - array![0.0, -2.0, 0.0])) < 1e-14);
}

#[test]
fn a_flat_face_is_reported() {
    // Every (w, 1 − w) with 0 ≤ w ≤ 1 is optimal.
    let x = Design::new(array![[1.0, 1.0]].view()).unwrap();
    let w = min_l1(&x, &[1.0], ONE).unwrap().found().unwrap();
    assert_eq!((w.report.unique, w.report.dual_unique), (Some(false), Some(true)));
    assert_eq!(w.support, [0, 1]);
    assert_solved(&w.report, 1e-12);
}

#[test]
fn costs_select_the_limit_of_deeper_nets() {
    // x = (1, 0.8), y = 1 and initial weights (2, 4): c = u₀^{2−L}.
    let x = Design::new(array![[1.0, 0.8]].view()).unwrap();
    for (depth, expected) in [(2, [1.0, 0.0]), (3, [0.0, 1.25]), (4, [0.0, 1.25])] {
        let c = [2.0_f64, 4.0].map(|u| u.powi(2 - depth));
        let w = min_weighted_l1(&x, &[1.0], &c, &c, ONE).unwrap().found().unwrap();
        assert!(max_abs(&(w.weights - Array1::from(expected.to_vec()))) < 1e-13, "depth {depth}");
    }
    // Costs of one sign only count for that sign: −1 is cheap for the first coordinate.
    let w = min_weighted_l1(&x, &[-1.0], &[9.0, 1.0], &[1.0, 1.0], ONE).unwrap().found().unwrap();
    assert!((w.weights[0] + 1.0).abs() < 1e-13);
}

#[test]
fn no_separator_and_no_interpolant_are_answers() {
    // More samples than coordinates, labels against the data: the four corners of a square by parity.
    let x = array![[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]];
    let y = array![1.0, 1.0, -1.0, -1.0];
    let design = Design::new(x.view()).unwrap();
    for proof in [l1(&design, &y).infeasible(), l2(&design, &y).infeasible()] {
        let proof = proof.expect("parity is not linear");
        assert_proof(&labelled(&x, &y), &Array1::ones(4), &proof, true);
        assert!(proof.bound < 1e-6);
    }
    let proof = min_l1(&design, slice(&y), ONE).unwrap().infeasible().expect("y is not in the range of X");
    assert_proof(&x, &y, &proof, false);
    // A zero sample has no side.
    let zero = Design::new(array![[1.0, 2.0], [0.0, 0.0]].view()).unwrap();
    assert!(l1(&zero, &array![1.0, 1.0]).infeasible().is_some());
    assert!(l2(&zero, &array![1.0, 1.0]).infeasible().is_some());
    let zero = Design::new(array![[0.0, 0.0]].view()).unwrap();
    assert!(l1(&zero, &array![1.0]).infeasible().is_some());
    assert!(l2(&zero, &array![1.0]).infeasible().is_some());
    assert!(min_l1(&zero, &[1.0], ONE).unwrap().infeasible().is_some());
}

#[test]
fn small_margins_are_margins() {
    // Two nearly opposite samples of one class: the separator is forced to be long.
    for tilt in [1e-1, 1e-2, 1e-3, 1e-4] {
        let x = array![[1.0, tilt], [-1.0, tilt]];
        let design = Design::new(x.view()).unwrap();
        let y = array![1.0, 1.0];
        assert_close(l1(&design, &y).found().unwrap().margin, tilt, 1e-8);
        assert_close(l2(&design, &y).found().unwrap().margin, tilt, 1e-6);
    }
}

#[test]
fn zero_labels_and_strong_decay_give_zero() {
    let (_, x) = draw(Entries::Gaussian, 4, 9, 1);
    let w = min_l1(&x, &[0.0; 4], ONE).unwrap().found().unwrap();
    assert_eq!(l1_norm(&w.weights), 0.0);
    let end = regularised(&x, &[1.0, -1.0, 1.0, 1.0], Loss::Logistic, 1e3, ONE).unwrap();
    assert_eq!((l1_norm(&end.weights), end.support.len()), (0.0, 0));
    assert_close(end.loss, 2.0_f64.ln(), 1e-15);
}

#[test]
fn planted_signs_are_found_at_a_middle_size() {
    // d > 16 n: the Newton matrices are in single precision but for the heaviest coordinates.
    let law = Law::SparseSigns { relevant: 3 };
    let drawn = Task { law, samples: 64, dimension: 3000, seed: 1 }.draw().unwrap();
    let one = max_margin_l1(&drawn.design, slice(&drawn.labels), Threads::One).unwrap().found().unwrap();
    let all = max_margin_l1(&drawn.design, slice(&drawn.labels), Threads::All).unwrap().found().unwrap();
    assert_eq!(one.weights, all.weights, "the same bits on any number of threads");
    check_margin_l1(&labelled(&drawn.design.to_matrix(), &drawn.labels), &one);
    let wide =
        Task { law: Law::Regression { relevant: 4, noise_std: 0.0 }, samples: 48, dimension: 2000, seed: 1 };
    let drawn = wide.draw().unwrap();
    let w = min_l1(&drawn.design, slice(&drawn.labels), ONE).unwrap().found().unwrap();
    assert_eq!(w.support, [0, 1, 2, 3]);
    assert!(max_abs(&(&w.weights - &drawn.teacher)) < 1e-12, "exact recovery");
    assert_solved(&w.report, 1e-12);
}

#[test]
fn gap_data_have_the_gap() {
    let law = Law::Gap { gap: 6.0 };
    let drawn = Task { law, samples: 20, dimension: 200, seed: 3 }.draw().unwrap();
    let x = drawn.design.to_matrix();
    let along = labelled(&x, &drawn.labels).dot(&drawn.teacher);
    assert!(least(&along) >= 3.0);
    assert!(l2(&drawn.design, &drawn.labels).found().unwrap().margin >= 3.0);
}

#[test]
fn bad_input_is_named() {
    let x = Design::new(array![[1.0, 2.0], [0.5, 1.0]].view()).unwrap();
    let message = |e: groktime::Error| e.to_string();
    assert_eq!(message(max_margin_l1(&x, &[1.0, 2.0], ONE).unwrap_err()), "a label is 2, expected +1 or -1");
    assert!(message(max_margin_l2(&x, &[1.0], ONE).unwrap_err()).contains("one label a sample"));
    assert!(message(min_norm(&x, &[1.0, f64::NAN], ONE).unwrap_err()).contains("NaN"));
    let costs = min_weighted_l1(&x, &[1.0, 1.0], &[1.0, 0.0], &[1.0, 1.0], ONE);
    assert_eq!(message(costs.unwrap_err()), "costs of positive weights is 0, expected positive numbers");
    assert!(
        message(regularised(&x, &[1.0, 1.0], Loss::Squared, 0.0, ONE).unwrap_err()).contains("weight decay")
    );
    assert!(
        message(regularised(&x, &[1.0, 0.0], Loss::Logistic, 0.1, ONE).unwrap_err()).contains("a label is 0")
    );
}

/// Data of lower rank up to parts that only a tiny penalty sees: the normal equations have no digits for them,
/// and the outputs overflow. What was reached is said, and nothing about a matrix nobody gave.
#[test]
fn a_failure_says_how_near_it_came() {
    let mut rng = generator(1, 0);
    let low = gaussian_matrix(10, 1, 1.0, &mut rng).dot(&gaussian_matrix(1, 30, 1.0, &mut rng));
    let x = Design::new((low + 1e-6 * gaussian_matrix(10, 30, 1.0, &mut rng)).view()).unwrap();
    let y = gaussian_vector(10, 1.0, &mut rng).mapv(f64::signum);
    let error = regularised(&x, y.as_slice().unwrap(), Loss::Exponential, 1e-7, ONE).unwrap_err().to_string();
    assert!(error.contains("relative gap") && error.contains("lower rank"), "{error}");
}
