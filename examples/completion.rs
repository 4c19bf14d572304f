//! Matrix completion: the loss on unseen entries before and after the transition, and where it must end.
//!
//! `cargo run --release --example completion`

use groktime::completion::{Init, Problem, Settings};
use groktime::data::Observations;
use groktime::data::matrices::{multiplication_table, random_mask};
use groktime::limits::nuclear::minimum_nuclear_norm;
use groktime::trajectory::{Observable, Trajectory};

fn main() -> groktime::Result<()> {
    let truth = multiplication_table(97);
    let seen = Observations::from_mask(truth.view(), random_mask(97, 470, 0)?.view())?;
    let limit = minimum_nuclear_norm(&seen, &Default::default())?;
    let problem = Problem::new(seen, Some(truth), Init::Identity { coordinate: 10.0 })?;

    let transition = 10_f64.ln() / 1e-4;
    let settings = Settings { weight_decay: 1e-4, horizon: 4.0 * transition, ..Settings::default() };
    let solution = problem.flow(&settings)?;
    let times = [0.5, 1.0, 1.5, 2.0, 3.0, 4.0].map(|k| k * transition);
    let table = solution.observe(&times, &[Observable::TestLoss, Observable::NuclearNorm])?;
    for (t, row) in times.iter().zip(table.values.rows()) {
        println!("t = {t:>8.0}: test loss {:.6}, nuclear norm {:.4}", row[0], row[1]);
    }
    println!("minimum nuclear norm {:.4}, gap {:.0e}", limit.nuclear_norm, limit.relative_gap);
    Ok(())
}
