//! Default runs of matrix completion failed because the last report time, horizon·12/12 with rounding, was an ulp past
//! the horizon; and small starts had no default horizon at all.

use groktime::completion::{Init, Problem, Settings, SlowSettings};
use groktime::data::Observations;
use groktime::trajectory::{Observable, Trajectory, even_times};

fn problem(coordinate: f64) -> Problem {
    let list = [(0, 1, 0.7), (1, 2, -0.4), (0, 2, 1.1), (2, 2, 0.3)];
    let seen = Observations::from_list(3, &list).expect("a list");
    Problem::new(seen, None, Init::Identity { coordinate }).expect("a problem")
}

/// α from 1e-12 to 1e6 and λ from 1e-12 to 10, in steps that are no round numbers.
#[test]
fn every_setting_has_a_default_run() {
    for k in 0..24 {
        let coordinate = 10_f64.powf(-12.0 + 18.0 * f64::from(k) / 23.0);
        let weight_decay = 10_f64.powf(-12.0 + 13.0 * f64::from(k * 7 % 24) / 23.0);
        let problem = problem(coordinate);
        let horizon = problem.default_horizon(weight_decay);
        let settings = Settings { weight_decay, horizon, ..Settings::default() };
        let name = format!("α = {coordinate:e}, λ = {weight_decay:e}");
        let solution = problem.flow(&settings).unwrap_or_else(|e| panic!("{name}: {e}"));
        let table = solution.observe(&even_times(horizon, 12), &[Observable::TrainLoss]);
        table.unwrap_or_else(|e| panic!("{name}: {e}"));
        let horizon = problem.default_slow_horizon();
        let slow = problem.slow_flow(&SlowSettings { horizon, ..Default::default() });
        let slow = slow.unwrap_or_else(|e| panic!("{name}, slow flow: {e}"));
        slow.observe(&even_times(horizon, 24), &[Observable::NuclearNorm]).expect("within the horizon");
    }
}

/// The last time is the horizon itself, for horizons where horizon·k/k is not.
#[test]
fn grids_end_at_the_horizon() {
    let mut rounded = 0;
    for k in 1..2000 {
        let horizon = 3.0 * (1.0 + f64::from(k) * 0.37).ln() / 1e-3;
        for parts in [12, 24, 120, 150, 160, 200] {
            rounded += usize::from(horizon * f64::from(parts) / f64::from(parts) > horizon);
            let times = even_times(horizon, parts);
            assert_eq!(times[times.len() - 1], horizon);
            assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{horizon} {parts}");
        }
    }
    assert!(rounded > 0, "the rounding that was the cause");
}
