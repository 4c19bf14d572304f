//! Which parallelograms a toy net finds among those that its samples allow: figure 11 of arXiv 2205.10343.

use groktime::effective::{Match, Normalisation, Task, normalised};
use groktime::network::tasks::{Answer, composition};
use groktime::network::{Combine, Embedding};
use ndarray::Array2;
use rayon::prelude::*;
use serde_json::json;

use super::embeddings::{OUTPUTS, Toy, settings};
use super::{axis, line};
use crate::output::Failure;
use crate::plot::{Color, Curve, Figure, Panel, Scale, Style};
use crate::reproduce::{Check, Produced, at_least, between};

/// The samples of (21) on four symbols, and the parallelograms that they allow: E₀ + E₂ = 2E₁, E₀ + E₃ = E₁ + E₂,
/// E₁ + E₃ = 2E₂. Any two of them imply the third.
const SAMPLES: [[u32; 2]; 6] = [[0, 2], [0, 3], [1, 1], [1, 2], [1, 3], [2, 2]];
const ALLOWED: [[[usize; 2]; 2]; 3] = [[[0, 2], [1, 1]], [[0, 3], [1, 2]], [[1, 3], [2, 2]]];
const RUNS: u64 = 60;
const STEPS: u64 = 3000;

/// Which of the three parallelograms the trained embeddings have.
fn found(embeddings: &Array2<f64>) -> groktime::Result<[bool; 3]> {
    let shape = normalised(embeddings.view(), Normalisation::SymbolsLessOne)?;
    let Match::MeanSquare { delta } = Match::CODE else { return Ok([false; 3]) };
    let sum = |[a, b]: [usize; 2]| shape[(a, 0)] + shape[(b, 0)];
    Ok(ALLOWED.map(|[left, right]| (sum(left) - sum(right)).abs() < delta))
}

pub fn figure_11() -> Result<Produced, Failure> {
    let task = Task::addition(4)?;
    let kinds = [("fast decoder", 1e-3, 1e-2), ("slow decoder", 1e-2, 1e-3)];
    let run = |k: usize, seed: u64| -> groktime::Result<[bool; 3]> {
        let all = composition(&task, Answer::Templates { outputs: OUTPUTS }, seed)?;
        let chosen: Vec<usize> = (0..all.len()).filter(|&i| SAMPLES.contains(&task.all_pairs()[i])).collect();
        let toy = Toy::new(Embedding { symbols: 4, combine: Combine::Sum }, 1, 1.0, seed)?;
        let (_, embeddings, decoder) = kinds[k];
        let settings = settings(embeddings, decoder, 0.0);
        found(&toy.after(STEPS, &all.select(&chosen)?, None, &settings)?.0)
    };
    let runs: Vec<(usize, u64)> = (0..2).flat_map(|k| (0..RUNS).map(move |seed| (k, seed))).collect();
    let found = runs.par_iter().map(|&(k, seed)| run(k, seed)).collect::<groktime::Result<Vec<_>>>()?;
    let of = |k: usize| runs.iter().zip(&found).filter(move |(r, _)| r.0 == k).map(|(_, f)| *f);
    let number = |f: [bool; 3]| f.iter().filter(|&&f| f).count();
    let sets = ["none", "A1", "A2", "A3", "two", "all"];
    let set = |f: [bool; 3]| match (number(f), f.iter().position(|&f| f)) {
        (1, Some(only)) => 1 + only,
        (0, _) => 0,
        (n, _) => n + 2,
    };
    let counts = |k: usize| -> Vec<f64> {
        (0..sets.len()).map(|s| of(k).filter(|&f| set(f) == s).count() as f64 / RUNS as f64).collect()
    };
    let mean = |k: usize| of(k).map(number).sum::<usize>() as f64 / RUNS as f64;
    let seen = (0..sets.len()).filter(|&s| (0..2).any(|k| of(k).any(|f| set(f) == s)) && s != 4).count();
    let shares = |k: usize, color| {
        let points = counts(k).into_iter().enumerate().map(|(s, share)| (s as f64, share)).collect();
        Curve { style: Style::LineAndPoints, ..line(kinds[k].0, points, color) }
    };
    let flags = |f: [bool; 3]| f.map(|f| u8::from(f).to_string());
    let rows = runs
        .iter()
        .zip(&found)
        .map(|(&(k, seed), &f)| [&[kinds[k].0.to_owned(), seed.to_string()][..], &flags(f)[..]].concat());
    Ok(Produced {
        figure: Figure {
            title: "Which parallelograms four embeddings find".into(),
            panels: vec![Panel {
                title: "p = 4, the six samples of (21), 60 seeds".into(),
                x: axis("none, E₀+E₂=2E₁, E₀+E₃=E₁+E₂, E₁+E₃=2E₂, two, all three", Scale::Linear),
                y: axis("share of runs", Scale::Linear),
                curves: vec![shares(0, Color::Blue), shares(1, Color::Vermillion)],
                markers: vec![],
            }],
            columns: 1,
            caption: Some("Any two of the three imply the third; two alone are within the tolerance.".into()),
        },
        heading: vec!["kind", "seed", "a1", "a2", "a3"],
        rows: rows.collect(),
        settings: json!({
            "symbols": 4, "steps": STEPS, "runs": RUNS, "optimizer": "adamw", "delta": 0.1,
            "fast_decoder": {"embeddings": 1e-3, "decoder": 1e-2}, "slow_decoder": {"embeddings": 1e-2, "decoder": 1e-3},
        }),
        checks: vec![
            Check::new(
                "of none, each alone, and all three: seen",
                "all subsets appear",
                seen as f64,
                between(5.0, 5.0, "all five"),
            ),
            Check::new(
                "parallelograms a run, slow decoder over fast",
                "more with a slow decoder",
                mean(1) / mean(0),
                at_least(1.5, "more: by half at least"),
            ),
        ],
    })
}
