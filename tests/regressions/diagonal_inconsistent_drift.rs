//! Labels that no weights fit: a dual variable of one entry a sample drifts for ever along what they cannot fit.

use groktime::Loss;
use groktime::data::Design;
use groktime::diagonal::{Init, Problem, Settings};
use ndarray::{Array2, array};

fn problem(x: Array2<f64>, y: &[f64], loss: Loss) -> Problem {
    Problem::new(Design::new(x.view()).unwrap(), y.to_vec(), loss).unwrap()
}

const LOSSES: [Loss; 3] = [Loss::Squared, Loss::Logistic, Loss::Exponential];

#[test]
fn one_sample_with_both_labels_leaves_the_net_where_it_is() {
    for (loss, at_zero) in LOSSES.into_iter().zip([1.0, 2.0_f64.ln(), 1.0]) {
        let problem = problem(array![[1.0, 0.5], [1.0, 0.5]], &[1.0, -1.0], loss);
        for depth in 2..=6 {
            for (alpha, weight_decay) in [(3.0, 0.0), (3.0, 0.1), (1e-3, 1e-3), (1e6, 1e-2), (1e-12, 0.0)] {
                let init = Init::Symmetric(alpha);
                let settings = Settings { depth, init, weight_decay, horizon: 1e4, ..Settings::default() };
                let run = problem.integrate(&settings).unwrap();
                for t in [1.0, 100.0, 1e4] {
                    let net = run.snapshot(t).unwrap();
                    assert!(net.weights.iter().all(|w| *w == 0.0), "{depth} {alpha:e}: {}", net.weights);
                    assert!((net.train_loss - at_zero).abs() < 1e-15);
                    assert_eq!((net.margin_l2, net.margin_l1), (None, None));
                }
            }
        }
    }
}

#[test]
fn a_sample_and_its_mirror_image_are_the_same() {
    let x = array![[1.0, 2.0], [2.0, -1.0], [-1.0, 1.0], [3.0, 1.0]];
    let y = [1.0, -1.0, 1.0, -1.0];
    let mut mirrored = (x.clone(), y);
    mirrored.0.row_mut(1).mapv_inplace(|x| -x);
    mirrored.1[1] = 1.0;
    for loss in LOSSES {
        for depth in 2..=4 {
            let init = Init::Symmetric(0.7);
            let settings =
                Settings { depth, init, weight_decay: 1e-2, horizon: 500.0, ..Settings::default() };
            // Merging needs an equal row: repeat one with each sign.
            let end = |x: &Array2<f64>, y: &[f64], sign: f64| {
                let mut rows = x.clone();
                rows.push_row((&x.row(0) * sign).view()).unwrap();
                let labels = [y, &[sign]].concat();
                let problem = problem(rows, &labels, loss);
                let run = problem.integrate(&settings).unwrap();
                run.snapshot(300.0).unwrap().weights
            };
            assert_eq!(end(&x, &y, 1.0), end(&x, &y, -1.0));
            let apart = end(&x, &y, 1.0) - end(&mirrored.0, &mirrored.1, 1.0);
            assert!(apart.iter().all(|x| x.abs() < 1e-6), "{apart}");
        }
    }
}

#[test]
fn a_sample_of_zeros_changes_the_scale_of_the_loss_alone() {
    let x = array![[1.0, 2.0], [2.0, -1.0], [-1.0, 1.0]];
    let (y, all) = ([1.0, -1.0, 0.5], [1.0, -1.0, 0.5, 2.0]);
    let mut longer = x.clone();
    longer.push_row(array![0.0, 0.0].view()).unwrap();
    let init = || Init::Symmetric(0.7);
    let settings = |time: f64, weight_decay: f64| Settings {
        depth: 3,
        init: init(),
        weight_decay,
        horizon: 100.0 * time,
        ..Settings::default()
    };
    // 𝓛 is a mean: with one more sample its gradient is 3/4 as large, and time runs so much slower.
    let (short, long) = (problem(x, &y, Loss::Squared), problem(longer, &all, Loss::Squared));
    let a = short.integrate(&settings(1.0, 4e-3)).unwrap().snapshot(90.0).unwrap();
    let b = long.integrate(&settings(4.0 / 3.0, 3e-3)).unwrap().snapshot(120.0).unwrap();
    assert!((&a.weights - &b.weights).iter().all(|x| x.abs() < 1e-7), "{} {}", a.weights, b.weights);
    assert!((4.0 * b.train_loss - 3.0 * a.train_loss - 4.0).abs() < 1e-7);
}
