//! The paper's default ridge problem: when it fits, when it generalises, and every published bound.
//!
//! `cargo run --release --example grokking_times`

use groktime::ridge::theorems::Inputs;
use groktime::ridge::{Recipe, Settings};

fn main() -> groktime::Result<()> {
    let recipe = Recipe::default(); // n = 100, m = 1000, unit teacher, θ₀ ~ N(0, I)
    let instance = recipe.draw()?;
    let spectrum = instance.problem().spectrum(Default::default())?;
    let descent = spectrum.descent(&Settings { weight_decay: 1e-4, ..Default::default() })?;

    let times = descent.times(0.01, 0.01)?;
    println!("t1 = {}, t2 = {}", times.train, times.test);

    let inputs = Inputs { init_variance: Some(recipe.init_variance), ..Default::default() };
    for judged in descent.statements(&inputs)? {
        println!("{:14} {}", judged.verdict.outcome.name(), judged.statement.source);
    }
    Ok(())
}
