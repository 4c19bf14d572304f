//! Changes of the state between steps.

use super::*;

/// Growth y' = μ(t) y next to a stiff follower, in variables that are rescaled when they get large.
fn growth(limit: f64, shift: f64, scale: f64) -> impl StiffFlow {
    Custom {
        flow: DenseFlow::new(
            2,
            |t: f64, y: &[f64], dy: &mut [f64]| {
                let rate = 1.0 + 0.5 * t.sin();
                dy[0] = rate * y[0];
                dy[1] = -1e3 * (y[1] - y[0]);
            },
            |t: f64, _, mut j| {
                j[(0, 0)] = 1.0 + 0.5 * t.sin();
                (j[(1, 0)], j[(1, 1)]) = (1e3, -1e3);
            },
        ),
        sizes: norm_wise,
        accepted: move |_, y: &mut [f64]| {
            if y[0].abs() > limit {
                Action::Rebase { scale, shift: vec![shift; 2] }
            } else {
                Action::Continue
            }
        },
    }
}

#[test]
fn rebasing_by_powers_of_two_changes_no_bit() {
    let scale = 2.0_f64.powi(-20);
    let run = |limit: f64| bdf(&mut growth(limit, 0.0, scale), 0.0..100.0, &[1.0, 0.0], &rtol(1e-8)).unwrap();
    let (plain, rebased) = (run(f64::INFINITY), run(1e6));
    assert_eq!((plain.epoch, plain.statistics), (0, rebased.statistics));
    assert!(rebased.epoch >= 5);
    let back = |y: f64, epoch: usize| y * scale.powi(-i32::try_from(epoch).unwrap());
    for (p, r) in plain.y.iter().zip(&rebased.y) {
        assert_eq!(*p, back(*r, rebased.epoch));
    }
    let (mut p, mut r) = ([0.0; 2], [0.0; 2]);
    for i in 0..=1000 {
        let t = 0.1 * f64::from(i);
        assert_eq!(plain.path.eval(t, &mut p).unwrap(), 0);
        let epoch = rebased.path.eval(t, &mut r).unwrap();
        assert_eq!(p, r.map(|y| back(y, epoch)), "t = {t}");
    }
    let explicit = dop853(&mut growth(1e6, 0.0, scale), 0.0..3.0, &[1e5, 0.0], &rtol(1e-8)).unwrap();
    let same = dop853(&mut growth(f64::INFINITY, 0.0, scale), 0.0..3.0, &[1e5, 0.0], &rtol(1e-8)).unwrap();
    assert!(explicit.epoch > 0 && explicit.statistics == same.statistics);
    assert_eq!(back(explicit.y[0], explicit.epoch), same.y[0]);
}

#[test]
fn rebasing_follows_a_solution_past_the_largest_number() {
    let scale = 2.0_f64.powi(-20);
    let end = 5000.0;
    let s = bdf(&mut growth(1e6, 0.0, scale), 0.0..end, &[1.0, 1.0], &rtol(1e-8)).unwrap();
    let log = s.y[0].ln() - s.epoch as f64 * scale.ln();
    let exact = end + 0.5 * (1.0 - end.cos());
    // Each unit of time adds its relative error.
    assert!((log - exact).abs() < 1e-7 * end, "{log} {exact}");
}

#[test]
fn rebasing_with_a_shift_is_the_same_flow() {
    // y' = −50 (y − sin t), in variables y − 1, 2 (y − 1) − …: the flow keeps the affine map.
    use std::cell::Cell;
    let (a, b) = (Cell::new(1.0), Cell::new(0.0)); // y = a z + b
    let (mut steps, mut epochs) = (0, vec![(1.0, 0.0)]);
    let mut flow = Custom {
        flow: DenseFlow::new(
            1,
            |t: f64, z: &[f64], dz: &mut [f64]| {
                let y = a.get() * z[0] + b.get();
                dz[0] = -50.0 * (y - t.sin()) / a.get();
            },
            |_, _, mut j| j[(0, 0)] = -50.0,
        ),
        sizes: |_: &[f64], sizes: &mut [f64]| sizes.fill(1.0 / a.get().abs()),
        accepted: |_, z: &mut [f64]| {
            steps += 1;
            if steps % 7 != 0 {
                return Action::Continue;
            }
            let (scale, shift) = (-1.5, 0.25 * z[0] + 0.1);
            b.set(b.get() + a.get() * shift);
            a.set(a.get() / scale);
            epochs.push((a.get(), b.get()));
            Action::Rebase { scale, shift: vec![shift] }
        },
    };
    let s = bdf(&mut flow, 0.0..10.0, &[1.0], &rtol(1e-9)).unwrap();
    assert!(s.epoch > 20);
    let exact = |t: f64| {
        let slow = |t: f64| (2500.0 * t.sin() - 50.0 * t.cos()) / 2501.0;
        slow(t) + (1.0 - slow(0.0)) * (-50.0 * t).exp()
    };
    let mut z = [0.0];
    for i in 0..=1000 {
        let t = 0.01 * f64::from(i);
        let epoch = s.path.eval(t, &mut z).unwrap();
        let (a, b) = epochs[epoch];
        assert!((a * z[0] + b - exact(t)).abs() < 2e-8, "t = {t}: {}", a * z[0] + b - exact(t));
    }
    // The same steps as without: a history that had to be rebuilt would need many more.
    let mut plain = Custom {
        flow: DenseFlow::new(
            1,
            |t: f64, y: &[f64], dy: &mut [f64]| dy[0] = -50.0 * (y[0] - t.sin()),
            |_, _, mut j| j[(0, 0)] = -50.0,
        ),
        sizes: |_: &[f64], sizes: &mut [f64]| sizes.fill(1.0),
        accepted: goes_on,
    };
    let plain = bdf(&mut plain, 0.0..10.0, &[1.0], &rtol(1e-9)).unwrap();
    assert!(
        s.statistics.steps.abs_diff(plain.statistics.steps) <= 5,
        "{:?} {:?}",
        s.statistics,
        plain.statistics
    );
}

#[test]
fn modified_states_start_a_new_history() {
    // y' = −y, and one is added after the first step past t = 1.
    for explicit in [false, true] {
        let mut kick = None;
        let mut flow = Custom {
            flow: linear(1, -1.0),
            sizes: absolute,
            accepted: |t, y: &mut [f64]| {
                if t < 1.0 || kick.is_some() {
                    return Action::Continue;
                }
                kick = Some(t);
                y[0] += 1.0;
                Action::Modified
            },
        };
        let options = rtol(1e-9);
        let s = if explicit {
            dop853(&mut flow, 0.0..5.0, &[1.0], &options)
        } else {
            bdf(&mut flow, 0.0..5.0, &[1.0], &options)
        }
        .unwrap();
        let kick = kick.unwrap();
        for t in [0.5, kick, kick * (1.0 + 1e-12), kick + 0.01, 3.0, 5.0] {
            let mut y = [0.0];
            s.path.eval(t, &mut y).unwrap();
            let exact = (-t).exp() + if t > kick { (kick - t).exp() } else { 0.0 };
            assert!((y[0] / exact - 1.0).abs() < 1e-7, "t = {t}: {}", y[0] / exact - 1.0);
        }
    }
}

#[test]
fn small_repairs_of_a_stiff_state_do_not_stall() {
    // The repair is off the slow solution by rounding, which λ = 10⁹ would turn into a huge slope.
    let mut steps = 0;
    let mut flow = Custom {
        flow: prothero_robinson(1e9),
        sizes: absolute,
        accepted: |_, y: &mut [f64]| {
            steps += 1;
            if steps % 20 != 0 {
                return Action::Continue;
            }
            y[0] *= 1.0 + 1e-10;
            Action::Modified
        },
    };
    let s = bdf(&mut flow, 0.0..10.0, &[2.0], &rtol(1e-7)).unwrap();
    assert!((s.y[0] - 2.0 - 10.0_f64.sin()).abs() < 1e-6);
    assert!(s.statistics.steps < 3000, "{:?}", s.statistics);
}
