//! From kernel to max margin, measured: where the transition is, how it moves with the initialisation, how
//! wide it is, and what it does to the accuracy.

use groktime::Loss;
use groktime::data::accuracy::accuracy;
use groktime::data::tasks::{Drawn, Law, Task};
use groktime::diagonal::{Init, Limits, Problem, Run, Settings, SlowFlow};
use groktime::grokking::Transition;
use groktime::limits::{min_l1, regularised};
use ndarray::Array1;

fn draw(law: Law, samples: usize, dimension: usize) -> Drawn {
    Task { law, samples, dimension, seed: 2 }.draw().expect("valid")
}

fn settings(alpha: f64, weight_decay: f64, end: f64) -> Settings {
    Settings {
        init: Init::Symmetric(alpha),
        weight_decay,
        horizon: end / weight_decay,
        rtol: 1e-8,
        ..Settings::default()
    }
}

/// The transition of an observable in λt, from λt = `from` to the horizon.
fn transition(run: &Run<'_>, from: f64, value: impl Fn(&groktime::diagonal::Snapshot) -> f64) -> Transition {
    let Settings { weight_decay, horizon, .. } = *run.settings();
    let end = weight_decay * horizon;
    let grid: Vec<f64> = (0..=60).map(|i| from + (end - from) * f64::from(i) / 60.0).collect();
    let at = |tau: f64| Ok(value(&run.snapshot((tau / weight_decay).min(horizon))?));
    let (plateau, last) = (at(from).expect("inside"), at(end).expect("inside"));
    Transition::find(&grid, plateau, last, at).expect("inside").expect("it passes")
}

/// Squared loss: α times ten is λt plus ln 10, within 2%; and the transition is where the slow flow has it.
#[test]
fn squared_loss_shifts_by_the_logarithm() {
    let drawn = draw(Law::Regression { relevant: 3, noise_std: 0.0 }, 20, 120);
    let problem = Problem::new(drawn.design, drawn.labels.to_vec(), Loss::Squared).expect("valid");
    let init = Init::Symmetric(10.0);
    let limits = Limits::new(&problem, &init, 2, Default::default()).expect("solved").expect("full rank");
    let mut midpoints = Vec::new();
    let mut parts = Vec::new();
    for alpha in [10.0_f64, 100.0, 1000.0] {
        let run = problem.integrate(&settings(alpha, 1e-4, alpha.ln() + 8.0)).expect("integrated");
        let found = transition(&run, 0.3 * alpha.ln(), |s| limits.compare(s).cosine_rich.expect("not zero"));
        midpoints.push(found.midpoint);
        parts.push(found.width() / found.midpoint);
    }
    for pair in midpoints.windows(2) {
        let shift = (pair[1] - pair[0]) / 10_f64.ln();
        assert!((shift - 1.0).abs() < 0.02, "{midpoints:?}");
    }
    // Sharper only relative to ln α: the width itself does not change.
    assert!(parts[0] > parts[1] && parts[1] > parts[2], "{parts:?}");
    let slow = SlowFlow::new(&problem, &init, 2, 10.0).expect("solved");
    let cosine =
        |tau: f64| limits.compare(&slow.snapshot(tau).expect("inside")).cosine_rich.expect("not zero");
    let middle = 0.5 * (cosine(0.3 * 10_f64.ln()) + cosine(10.0));
    assert!((cosine(midpoints[0]) - middle).abs() < 5e-3, "{} {middle}", cosine(midpoints[0]));
}

/// Margin losses at fixed λ: within 5%, and L2 margin falls while the L1 margin rises.
#[test]
fn margin_losses_shift_and_pass_from_one_margin_to_the_other() {
    let drawn = draw(Law::SparseSigns { relevant: 3 }, 32, 300);
    for loss in [Loss::Logistic, Loss::Exponential] {
        let problem = Problem::new(drawn.design.clone(), drawn.labels.to_vec(), loss).expect("valid");
        let limits = Limits::new(&problem, &Init::Symmetric(1.0), 2, Default::default())
            .expect("solved")
            .expect("separable");
        let mut midpoints = Vec::new();
        for alpha in [1e2_f64, 1e3, 1e4] {
            let run = problem.integrate(&settings(alpha, 1e-4, 2.0 * alpha.ln() + 4.0)).expect("integrated");
            let ratio = |s: &groktime::diagonal::Snapshot| limits.compare(s).margin_l1.expect("a margin");
            midpoints.push(transition(&run, 0.4 * alpha.ln(), ratio).midpoint);
            let compared = |tau: f64| limits.compare(&run.snapshot(tau / 1e-4).expect("inside"));
            let (early, late) = (compared(0.3 * alpha.ln()), compared(2.0 * alpha.ln()));
            assert!(early.margin_l2.expect("a margin") > 0.9, "{loss:?}, α = {alpha}: {early:?}");
            assert!(early.cosine_kernel.expect("not zero") > 0.95, "{loss:?}, α = {alpha}: {early:?}");
            assert!(late.margin_l1.expect("a margin") > 1.5 * early.margin_l1.expect("a margin"));
            assert!(late.margin_l2.expect("a margin") < 0.8 * early.margin_l2.expect("a margin"));
            assert!(late.cosine_rich.expect("not zero") > early.cosine_rich.expect("not zero"));
        }
        for pair in midpoints.windows(2) {
            let shift = (pair[1] - pair[0]) / 10_f64.ln();
            assert!((shift - 1.0).abs() < 0.05, "{loss:?}: {midpoints:?}");
        }
    }
}

/// The same net groks one task and misgroks the other, without a test sample.
#[test]
fn grokking_and_misgrokking() {
    let at = |law: Law, samples: usize, dimension: usize| {
        let drawn = draw(law, samples, dimension);
        let teacher: Array1<f64> = drawn.teacher.clone();
        let problem = Problem::new(drawn.design, drawn.labels.to_vec(), Loss::Logistic).expect("valid");
        let run = problem
            .integrate(&Settings {
                init: Init::with_norm(1e4, dimension),
                weight_decay: 1e-3,
                horizon: 2.5e4,
                ..Settings::default()
            })
            .expect("integrated");
        [1e3, 2.5e4].map(|t| {
            let snapshot = run.snapshot(t).expect("inside");
            assert_eq!(snapshot.train_accuracy, Some(1.0));
            accuracy(law, teacher.view(), snapshot.weights.view()).expect("finite").expect("classification")
        })
    };
    let [early, late] = at(Law::SparseSigns { relevant: 3 }, 60, 500);
    assert!(early < 0.7 && late > 0.95, "grokking: {early} → {late}");
    let [early, late] = at(Law::Gap { gap: 12.0 }, 16, 2000);
    assert!(early > 0.98 && late < 0.9, "misgrokking: {early} → {late}");
}

/// Depth two at fixed λ ends at the convex solution with penalty λ/2; found by a solver that knows no flow.
#[test]
fn depth_two_ends_at_the_regularised_solution() {
    for loss in [Loss::Squared, Loss::Logistic, Loss::Exponential] {
        let law = match loss {
            Loss::Squared => Law::Regression { relevant: 5, noise_std: 0.1 },
            _ => Law::SparseSigns { relevant: 3 },
        };
        let drawn = draw(law, 12, 40);
        let problem = Problem::new(drawn.design, drawn.labels.to_vec(), loss).expect("valid");
        let decay = 0.02;
        let run = problem.integrate(&settings(2.0, decay, 4000.0)).expect("integrated");
        let end = run.snapshot(4000.0 / decay).expect("inside");
        let convex =
            regularised(problem.design(), problem.labels(), loss, decay, Default::default()).expect("solved");
        let objective = end.train_loss + 0.5 * decay * end.weights.iter().map(|w| w.abs()).sum::<f64>();
        let gap = objective / convex.report.objective - 1.0;
        // An order above the tolerance of the integration.
        assert!(gap.abs() < 1e-7, "{loss:?}: {gap:e}");
        // ‖θ‖² = ‖w‖₁ there.
        let l1: f64 = end.weights.iter().map(|w| w.abs()).sum();
        assert!((end.parameter_norm.powi(2) / l1 - 1.0).abs() < 1e-6);
    }
}

/// λ → 0 at late τ is the minimum L1 norm at every depth, not the global minimum of the nonconvex penalty.
#[test]
fn the_slow_limit_of_depth_three_is_the_minimum_of_the_l1_norm() {
    for seed in 0..8 {
        let law = Law::Regression { relevant: 8, noise_std: 0.0 };
        let drawn = Task { law, samples: 4, dimension: 8, seed }.draw().expect("valid");
        let problem = Problem::new(drawn.design, drawn.labels.to_vec(), Loss::Squared).expect("valid");
        let slow = SlowFlow::new(&problem, &Init::Symmetric(3.0), 3, 12.0).expect("solved");
        let w = slow.snapshot(12.0).expect("inside").weights;
        let best = min_l1(problem.design(), problem.labels(), Default::default())
            .expect("solved")
            .found()
            .expect("fits");
        let distance = (&w - &best.weights).mapv(f64::abs).sum() / best.report.objective;
        assert!(distance < 1e-5, "seed {seed}: {distance:e}");
    }
}

/// The width law at depth two: a coordinate off the support dies like a^{2(1 − |s_k|)}, a = αe^{−λt}, so the slowest
/// one, max |s_k|, sets how wide the transition is. Slopes of ln |w_k| against λt along the flow.
#[test]
fn coordinates_off_the_support_die_at_the_rate_of_their_certificate() {
    let drawn = draw(Law::Regression { relevant: 30, noise_std: 0.0 }, 10, 30);
    let best = min_l1(&drawn.design, drawn.labels.as_slice().expect("a vector"), Default::default());
    let best = best.expect("solved").found().expect("full rank");
    assert_eq!(best.report.dual_unique, Some(true), "the certificate is not the flow's otherwise");
    let certificate = drawn.design.to_matrix().t().dot(&best.multipliers);
    let (alpha, decay) = (300.0_f64, 1e-5);
    let problem = Problem::new(drawn.design, drawn.labels.to_vec(), Loss::Squared).expect("valid");
    let run = problem.integrate(&settings(alpha, decay, alpha.ln() + 50.0)).expect("integrated");
    let weights = |tau: f64| run.snapshot(tau / decay).expect("inside").weights;
    let (from, to) = (alpha.ln() + 40.0, alpha.ln() + 50.0); // what the other coordinates do has died
    let (early, late) = (weights(from), weights(to));
    let off: Vec<usize> = (0..30).filter(|k| !best.support.contains(k)).collect();
    assert!(off.len() >= 20);
    for &k in &off {
        let slope = (late[k].abs().ln() - early[k].abs().ln()) / (to - from);
        let predicted = -2.0 * (1.0 - certificate[k].abs());
        assert!((slope - predicted).abs() < 0.005, "coordinate {k}: {slope} for {predicted}");
    }
    let slowest = off.iter().map(|&k| certificate[k].abs()).fold(0.0, f64::max);
    assert!((slowest - best.off_support).abs() < 1e-9);
}
