//! From the kernel to the max-margin regime, measured: a tenfold start moves the transition by ln 10 in λt.
//!
//! `cargo run --release --example diagonal`

use groktime::Loss;
use groktime::data::tasks::{Law, Task};
use groktime::diagonal::{Init, Limits, Problem, Settings};
use groktime::grokking::Transition;

fn main() -> groktime::Result<()> {
    let law = Law::SparseSigns { relevant: 3 };
    let drawn = Task { law, samples: 64, dimension: 500, seed: 0 }.draw()?;
    let problem = Problem::new(drawn.design, drawn.labels.to_vec(), Loss::Logistic)?;
    let Some(limits) = Limits::new(&problem, &Init::Symmetric(1.0), 2, Default::default())? else {
        println!("no w separates the data");
        return Ok(());
    };
    for alpha in [10.0_f64, 100.0, 1000.0] {
        let settings = Settings {
            init: Init::Symmetric(alpha),
            weight_decay: 1e-3,
            horizon: 1e3 * (alpha.ln() + 6.0),
            ..Settings::default()
        };
        let run = problem.integrate(&settings)?;
        // Part of the largest L1 margin: on the kernel plateau, at the end, and how it gets there.
        let ratio = |t: f64| -> groktime::Result<f64> {
            Ok(limits.compare(&run.snapshot(t)?).margin_l1.unwrap_or(0.0))
        };
        let (plateau, end) = (500.0 * alpha.ln(), settings.horizon);
        let times: Vec<f64> = (0..=100).map(|j| plateau + (end - plateau) * f64::from(j) / 100.0).collect();
        if let Some(found) = Transition::find(&times, ratio(plateau)?, ratio(end)?, ratio)? {
            println!(
                "α = {alpha:<5} L1 margin {:.3} → {:.3} of the largest at λt = {:.3}, within {:.3}",
                ratio(plateau)?,
                ratio(end)?,
                1e-3 * found.midpoint,
                1e-3 * found.width()
            );
        }
    }
    Ok(())
}
