//! The instances on which the completion statements are verified: tables and random matrices from several
//! α and λ, mirrored and disconnected observations, perturbed starts; and families for the rates.

use groktime::completion::theorems::{catalogue, kernel_rates, residual_rate};
use groktime::completion::{Init, Problem, Settings};
use groktime::data::Observations;
use groktime::data::matrices::{LowRank, multiplication_table, random_mask};
use groktime::theorem::Form;
use ndarray::Array2;
use rayon::prelude::*;

use super::{Instance, Row, gather};
use crate::output::Failure;

struct Case {
    name: String,
    problem: Problem,
    weight_decay: f64,
    horizon: f64,
}

pub fn rows() -> Result<Vec<Row>, Failure> {
    let cases = cases()?;
    let judge = |case: &Case| -> Result<Instance, Failure> {
        let Case { weight_decay, horizon, .. } = *case;
        let settings = Settings { weight_decay, horizon, rtol: 1e-9, ..Settings::default() };
        let statements = case.problem.flow(&settings)?.statements(&Default::default())?;
        Ok(Instance { name: case.name.clone(), statements })
    };
    let mut instances = cases.par_iter().map(judge).collect::<Result<Vec<_>, _>>()?;
    instances.extend(families()?);
    let mut rows = gather(&instances);
    for row in &mut rows {
        let note = match (row.source(), row.form()) {
            (s, _) if s == &catalogue::RECOVERY => {
                "constants not given; vacuous (more entries asked for than there are) on tables of d ≤ 1000"
            }
            (s, Form::Printed) if s == &catalogue::FIT => {
                "its proof drops factors of 2: true, and looser than the next two"
            }
            (s, Form::Corrected) if s == &catalogue::FIT => "factors of the loss (1/n)Σs²; holds until T_max",
            (s, Form::Derived) if s == &catalogue::FIT => "K(θ) ⪰ a²K(θ̄) at all times: no T_max, no factor ½",
            (s, _) if s == &catalogue::KERNEL_END => {
                "the kernel regime's condition never fails: T_max = ∞ from αI"
            }
            (s, _) if s == &catalogue::KERNEL_RATE => {
                "a limit; its rate at finite α: at most −2c, here c = ½"
            }
            (s, _) if s == &catalogue::UNOBSERVED_RATE => {
                "even orders cancel for V(0) = U(0): −4c, here c = ½"
            }
            (s, _) if s == &catalogue::ENERGY => "the proof's energy argument with its constant",
            _ => "",
        };
        row.set_note(note);
    }
    Ok(rows)
}

fn problem(truth: Array2<f64>, count: usize, seed: u64, init: Init) -> Result<Problem, Failure> {
    let mask = random_mask(truth.nrows(), count, seed)?;
    Ok(Problem::new(Observations::from_mask(truth.view(), mask.view())?, Some(truth), init)?)
}

fn cases() -> Result<Vec<Case>, Failure> {
    let mut cases = Vec::new();
    for (alpha, weight_decay) in [(3.0_f64, 1e-2), (10.0, 1e-3), (30.0, 1e-3), (100.0, 1e-4)] {
        let init = Init::Identity { coordinate: alpha };
        let horizon = 3.0 * alpha.ln() / weight_decay;
        let mut add = |name: &str, problem| {
            let name = format!("{name}, α = {alpha}, λ = {weight_decay:e}");
            cases.push(Case { name, problem, weight_decay, horizon });
        };
        for seed in 0..3 {
            let low = LowRank { dimension: 12, rank: 2, negative: 1, spikiness: 0.0, seed };
            add("low rank", problem(low.draw()?, 45, seed, init.clone())?);
            add("table", problem(multiplication_table(12), 45, seed, init.clone())?);
        }
        // Each unordered pair once: what the printed kernel condition asks for.
        let list: Vec<_> = (0..10_usize).flat_map(|i| (0..=i).map(move |j| (i, j))).collect();
        let once: Vec<_> = list
            .iter()
            .filter(|(i, j)| (i + j) % 3 != 1)
            .map(|&(i, j)| (i, j, ((i * 7 + j * 7) % 5) as f64 / 2.0 - 1.0))
            .collect();
        add("each pair once", Problem::new(Observations::from_list(10, &once)?, None, init.clone())?);
        // Two components, one of them without an odd cycle.
        let apart = [(0, 1, 1.0), (1, 2, 0.5), (0, 2, 0.5), (3, 4, 1.0), (4, 5, 1.0)];
        let ones = Array2::from_elem((6, 6), 1.0);
        add("two components", Problem::new(Observations::from_list(6, &apart)?, Some(ones), init)?);
    }
    for (name, truth) in [("ones", Array2::from_elem((30, 30), 1.0)), ("table", multiplication_table(20))] {
        let init = Init::Perturbed { coordinate: 5.0, std: 0.05, seed: 1 };
        let count = truth.len() / 3;
        let problem = problem(truth, count, 4, init)?;
        cases.push(Case { name: format!("{name}, perturbed"), problem, weight_decay: 1e-3, horizon: 5e3 });
    }
    Ok(cases)
}

/// Several α, several λ.
fn families() -> Result<Vec<Instance>, Failure> {
    let mut families = Vec::new();
    for seed in 0..3 {
        let low = LowRank { dimension: 10, rank: 2, negative: 1, spikiness: 0.0, seed };
        let problem = problem(low.draw()?, 30, seed, Init::Identity { coordinate: 10.0 })?;
        // Small λ: the residuals it leaves stay below the terms whose rate is measured.
        let rates = kernel_rates(&problem, &[30.0, 100.0, 300.0], 1e-9, 0.5)?;
        families.push(Instance { name: format!("α = 30 to 300, seed {seed}"), statements: rates });
        let law = residual_rate(&problem, &[1e-3, 1e-4, 1e-5], 1.5)?;
        families.push(Instance { name: format!("λ = 1e-3 to 1e-5, seed {seed}"), statements: vec![law] });
    }
    Ok(families)
}
