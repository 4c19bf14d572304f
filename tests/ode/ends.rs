//! Where integrations end, and what is seen of them.

use super::*;

#[test]
fn stop_and_interruption_end_where_they_say() {
    let stop = |t: f64, _: &mut [f64]| if t > 0.5 { Action::Stop } else { Action::Continue };
    for explicit in [false, true] {
        let mut flow = Custom { flow: linear(1, -1.0), sizes: absolute, accepted: stop };
        let s = if explicit {
            dop853(&mut flow, 0.0..1e3, &[1.0], &rtol(1e-8))
        } else {
            bdf(&mut flow, 0.0..1e3, &[1.0], &rtol(1e-8))
        }
        .unwrap();
        assert_eq!(s.ended, Ended::Stopped);
        assert!(s.t > 0.5 && s.t < 2.0 && s.path.span() == Some((0.0, s.t)));
        assert!((s.y[0] / (-s.t).exp() - 1.0).abs() < 1e-7);
        let mut count = 0;
        let observer = |_: &groktime::ode::Step<'_>| {
            count += 1;
            if count == 10 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let mut flow = linear(1, -1.0);
        let s = if explicit {
            dop853_observed(&mut flow, 0.0..1e2, &[1.0], &rtol(1e-12), observer)
        } else {
            bdf_observed(&mut flow, 0.0..1e2, &[1.0], &rtol(1e-12), observer)
        }
        .unwrap();
        assert_eq!((s.ended, s.statistics.steps, s.path.len()), (Ended::Interrupted, 10, 10));
        assert_eq!(s.path.steps().last().unwrap().y(), &s.y[..]);
    }
}

#[test]
fn observers_see_what_the_path_keeps() {
    let options = rtol(1e-6);
    for explicit in [false, true] {
        let mut seen = Vec::new();
        let observer = |step: &groktime::ode::Step<'_>| {
            let mut y = [0.0; 2];
            let t = 0.3 * step.t_old + 0.7 * step.t;
            step.interpolate(t, &mut y);
            seen.push((step.t_old, step.t, step.order, t, y));
            ControlFlow::Continue(())
        };
        let without = Options { record: false, ..options.clone() };
        let s = if explicit {
            let s = dop853_observed(&mut circle(), 0.0..9.0, &[1.0, 0.0], &without, observer).unwrap();
            assert!(
                s.path.is_empty() && matches!(s.path.eval(1.0, &mut [0.0; 2]), Err(Error::Missing { .. }))
            );
            let cheap = dop853(&mut circle(), 0.0..9.0, &[1.0, 0.0], &without).unwrap();
            assert_eq!(cheap.y, s.y);
            assert_eq!(cheap.statistics.rhs + 3 * cheap.statistics.steps, s.statistics.rhs);
            dop853(&mut circle(), 0.0..9.0, &[1.0, 0.0], &options).unwrap()
        } else {
            let s = bdf_observed(&mut circle(), 0.0..9.0, &[1.0, 0.0], &without, observer).unwrap();
            assert!(s.path.is_empty());
            bdf(&mut circle(), 0.0..9.0, &[1.0, 0.0], &options).unwrap()
        };
        assert_eq!(seen.len(), s.path.len());
        for (step, (t_old, t, order, inside, y)) in s.path.steps().zip(&seen) {
            assert_eq!((step.t_old, step.t, step.order), (*t_old, *t, *order));
            let mut expected = [0.0; 2];
            s.path.eval(*inside, &mut expected).unwrap();
            assert_eq!(expected, *y);
        }
        assert!(matches!(s.path.eval(9.1, &mut [0.0; 2]), Err(Error::PastHorizon { .. })));
        assert!(matches!(s.path.eval(-0.1, &mut [0.0; 2]), Err(Error::Parameter { .. })));
        assert!(matches!(s.path.eval(f64::NAN, &mut [0.0; 2]), Err(Error::Parameter { .. })));
        assert!(matches!(s.path.eval(1.0, &mut [0.0; 3]), Err(Error::Shape { .. })));
    }
}

#[test]
fn the_last_step_ends_on_the_horizon() {
    for end in [1e-30, 0.1, 1.0 / 3.0, 7.7, 1e10 / 3.0] {
        for start in [0.0, 0.9 * end] {
            let mut flow = linear(2, -3.0 / end);
            let s = bdf(&mut flow, start..end, &[1.0, 2.0], &rtol(1e-7)).unwrap();
            let explicit = dop853(&mut flow, start..end, &[1.0, 2.0], &rtol(1e-7)).unwrap();
            let exact = (-3.0 * (end - start) / end).exp();
            for s in [s, explicit] {
                assert_eq!((s.t, s.path.span(), s.ended), (end, Some((start, end)), Ended::Horizon));
                assert!((s.y[0] / exact - 1.0).abs() < 2e-6);
            }
        }
    }
}

#[test]
fn sizes_of_all_kinds() {
    // Around the chunks of the vector loops; all unknowns do the same.
    let one = bdf(&mut linear(1, -5.0), 0.0..1.0, &[1.0], &Options::default()).unwrap();
    struct Diagonal(usize, f64);
    impl Flow for Diagonal {
        fn dimension(&self) -> usize {
            self.0
        }
        fn rhs(&mut self, _t: f64, y: &[f64], dy: &mut [f64]) -> Result<(), Reject> {
            dy.iter_mut().zip(y).for_each(|(dy, y)| *dy = -5.0 * y);
            Ok(())
        }
    }
    impl StiffFlow for Diagonal {
        fn refresh(&mut self, _t: f64, _y: &[f64]) -> Result<(), Reject> {
            Ok(())
        }
        fn factor(&mut self, shift: f64) -> Result<(), Reject> {
            self.1 = 1.0 + 5.0 * shift;
            Ok(())
        }
        fn solve(&mut self, b: &mut [f64]) -> Result<(), Reject> {
            b.iter_mut().for_each(|b| *b /= self.1);
            Ok(())
        }
    }
    for n in [1, 2, 7, 511, 512, 513, 1024, 5000] {
        let y0: Vec<f64> = vec![1.0; n];
        let s = bdf(&mut Diagonal(n, 0.0), 0.0..1.0, &y0, &Options::default()).unwrap();
        let explicit = dop853(&mut Diagonal(n, 0.0), 0.0..1.0, &y0, &Options::default()).unwrap();
        for s in [&s, &explicit] {
            let mut y = vec![0.0; n];
            s.path.eval(0.7, &mut y).unwrap();
            assert!(y.iter().all(|x| *x == y[0] && (x / (-3.5_f64).exp() - 1.0).abs() < 1e-6));
            assert!(s.y.iter().all(|x| *x == s.y[0]));
        }
        assert!((s.y[0] / one.y[0] - 1.0).abs() < 1e-7);
    }
}
