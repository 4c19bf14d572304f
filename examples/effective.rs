//! Which training sets have one structure only, how fast it forms, and when it is seen.
//!
//! `cargo run --release --example effective`

use groktime::data::features::{gaussian_matrix, generator};
use groktime::effective::{Convention, Ensemble, Normalisation, Problem, Settings, Task, normalised};

fn main() -> groktime::Result<()> {
    // The critical training fraction is no constant: it falls with the number of symbols.
    for p in [6, 10, 20] {
        let ensemble = Ensemble { task: Task::addition(p)?, trials: 2000, seed: 0 };
        let (fraction, (low, high)) = ensemble.hitting_times()?.critical_fraction(0.95)?;
        println!(
            "p = {p:>2}: half of all training sets have one structure at r = {fraction:.3} ({low:.3} to {high:.3})"
        );
    }
    // One training set of 45 sums of ten symbols: its rate, and when its embeddings are a line.
    let problem = Problem::random(Task::addition(10)?, 45, 0)?;
    let spectrum = problem.spectrum(Default::default())?;
    let rate = spectrum.lambda3(Convention::Mean, Normalisation::Symbols);
    println!("45 samples: n0 = {}, λ3 = {rate:.5}, t_h = {:.1}", problem.nullity().value, 1.0 / rate);
    let start = normalised(gaussian_matrix(10, 1, 1.0, &mut generator(0, 1)).view(), Normalisation::Symbols)?;
    let flow = spectrum.flow(start.view(), Settings::default())?;
    println!("RQI > 0.95 from t = {}", flow.first_rqi(0.95)?);
    Ok(())
}
