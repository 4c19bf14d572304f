//! Grokking on demand: the weight decay for a wanted delay between fitting and generalising.
//!
//! `cargo run --release --example control`

use groktime::ridge::{Control, Knob, Recipe, Settings};

fn main() -> groktime::Result<()> {
    let instance = Recipe { samples: 400, width: 500, ..Default::default() }.draw()?;
    let spectrum = instance.problem().spectrum(Default::default())?;
    for delay in [0.0, 1e4, 1e6] {
        let control = Control {
            knob: Knob::WeightDecay,
            range: (1e-9, 0.1),
            points: 90,
            delay,
            thresholds: (0.001, 0.01),
        };
        for found in control.descent(&spectrum, &Settings::default())? {
            println!("wanted delay {delay:>9}: λ = {:.6e} gives {}", found.value, found.delay);
        }
    }
    Ok(())
}
