//! A bound of one's own as a value, judged on many problems: L_n(θ*_λ) ≤ (λ/8)‖θ*‖², four times sharper
//! than the paper's (λ/2)‖θ*‖² (proof: theory/ridge.md, below theorem 4.4).
//!
//! `cargo run --release --example own_bound`

use groktime::ridge::{Recipe, Settings};
use groktime::theorem::{Claim, Form, Hypothesis, Outcome, Side, Source, Statement};

static MINE: Source =
    Source::own("train-limit", "mine", "The training loss of the minimiser is at most (λ/8)‖θ*‖².");

fn main() -> groktime::Result<()> {
    let mut closest = f64::INFINITY;
    for seed in 0..20 {
        let instance = Recipe { width: 200, seed, ..Default::default() }.draw()?;
        let spectrum = instance.problem().spectrum(Default::default())?;
        for weight_decay in [1e-6, 1e-4, 1e-2, 1.0] {
            let descent = spectrum.descent(&Settings { weight_decay, ..Default::default() })?;
            let (Some((star, _)), Some(limit)) = (spectrum.teacher_norms(), descent.train_loss_limit())
            else {
                continue;
            };
            let statement = Statement {
                source: &MINE,
                form: Form::Derived,
                quantity: "train_loss_limit",
                side: Side::Upper,
                claim: Claim::Scalar(weight_decay / 8.0 * star * star),
                probability: None,
                hypotheses: vec![Hypothesis::below("0 < λ", 0.0, weight_decay)],
            };
            let judged = statement.judge(limit, 1e-12 * limit);
            assert_eq!(judged.verdict.outcome, Outcome::Holds);
            closest = closest.min(judged.verdict.value / judged.verdict.measured);
        }
    }
    println!("holds on 80 problems; the bound is never less than {closest:.3} times the exact value");
    Ok(())
}
