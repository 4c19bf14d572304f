//! Where nothing drives the weights, rounding is all that is left of them: it has no margin.

use groktime::Loss;
use groktime::data::Design;
use groktime::diagonal::{Init, Problem, Settings};
use ndarray::array;

#[test]
fn labels_orthogonal_to_the_data_have_no_margin() {
    // Xᵀy = 0, but not in floating point: 0.1 + 0.2 ≠ 0.3.
    let x = Design::new(array![[0.1, 0.3], [0.2, -0.7], [0.3, -0.4]].view()).unwrap();
    for loss in [Loss::Logistic, Loss::Exponential] {
        let problem = Problem::new(x.clone(), vec![1.0, 1.0, -1.0], loss).unwrap();
        for (depth, alpha) in [(2, 1.0), (2, 30.0), (3, 2.0), (4, 10.0)] {
            let init = Init::Symmetric(alpha);
            let settings = Settings { depth, init, weight_decay: 1e-3, horizon: 1e3, ..Settings::default() };
            let run = problem.integrate(&settings).unwrap();
            let net = run.snapshot_with_errors(500.0).unwrap();
            assert!(net.weights.iter().all(|w| w.abs() < 1e-14), "{}", net.weights);
            assert_eq!((net.margin_l2, net.margin_l1), (None, None));
            assert_eq!(run.snapshot(500.0).unwrap().margin_l2, None);
        }
    }
}

#[test]
fn small_weights_that_the_data_drive_have_a_margin_with_its_error() {
    let x = Design::new(array![[1.0, 0.5], [-0.5, 1.0]].view()).unwrap();
    let problem = Problem::new(x, vec![1.0, -1.0], Loss::Logistic).unwrap();
    let init = Init::Symmetric(1e-12);
    let settings = Settings { depth: 2, init, weight_decay: 1e-3, horizon: 1e3, ..Settings::default() };
    let run = problem.integrate(&settings).unwrap();
    let finer = problem.integrate(&Settings { rtol: 1e-11, ..settings }).unwrap();
    for t in [1e-3, 1.0, 100.0] {
        let net = run.snapshot_with_errors(t).unwrap();
        let (margin, error) = (net.margin_l2.unwrap(), net.margin_l2_error.unwrap());
        assert!(error < 1e-4 * margin.abs(), "t = {t}: {margin} ± {error:e}");
        let exact = finer.snapshot(t).unwrap();
        let (loss, norm) = (net.train_loss_error.unwrap(), net.parameter_norm_error.unwrap());
        assert!(loss < 1e-4 * net.train_loss && norm < 1e-4 * net.parameter_norm, "{loss:e} {norm:e}");
        assert!((net.train_loss - exact.train_loss).abs() <= loss);
        assert!((net.parameter_norm - exact.parameter_norm).abs() <= norm);
        assert!((margin - exact.margin_l2.unwrap()).abs() <= error);
    }
}
