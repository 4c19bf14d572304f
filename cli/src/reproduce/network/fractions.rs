//! The toy model of arXiv 2205.10343 against the training fraction, from its authors' seeds: figures 3 and 5b.

use groktime::effective::{Duplicates, Match, Problem, Task, predicted_accuracy};
use groktime::network::{Criterion, Training, replay};
use rayon::prelude::*;
use serde_json::json;

use super::toy::{SYMBOLS, cases, pairs, settings};
use super::{axis, line};
use crate::output::{Failure, exact};
use crate::plot::{Color, Curve, Figure, Panel, Scale, Style};
use crate::reproduce::{Check, Produced, at_most, between};

/// All unordered pairs of ten symbols.
const ALL: f64 = 55.0;
const STEPS: u64 = 5000;
const SEEDS: u32 = 3;

/// What the authors' notebook shows, to two digits: samples, then predicted and true accuracy from seeds 0 to 2.
type Published = (usize, [f64; 3], [f64; 3]);
const PUBLISHED: [Published; 6] = [
    (10, [0.20, 0.25, 0.22], [0.22, 0.27, 0.25]),
    (20, [0.45, 0.36, 0.45], [0.45, 0.36, 0.58]),
    (25, [0.47, 0.55, 0.91], [0.49, 0.53, 0.91]),
    (30, [0.71, 0.56, 0.93], [0.71, 0.56, 0.93]),
    (40, [0.91, 0.76, 1.0], [0.91, 0.78, 1.0]),
    (45, [0.91, 1.0, 1.0], [0.91, 1.0, 1.0]),
];

struct Trained {
    samples: usize,
    seed: u32,
    /// Share of all pairs that the embeddings say are answered: trained, or parallel to a trained one.
    predicted: f64,
    /// Share of all pairs that are answered.
    accuracy: f64,
}

fn trained(samples: usize, seed: u32) -> groktime::Result<Trained> {
    let (net, split, theta) = replay::toy(SYMBOLS, samples, seed)?;
    let mut training = Training::new(&net, &split.train, &settings(), &theta)?;
    (0..STEPS).for_each(|_| {
        training.step();
    });
    let theta = training.parameters();
    let right = |sample| -> groktime::Result<f64> {
        Ok(net.evaluate(&theta, sample, Criterion::Squared)?.accuracy * sample.len() as f64)
    };
    let accuracy = (right(&split.train)? + right(&split.test)?) / ALL;
    let problem = Problem::new(Task::addition(SYMBOLS)?, &pairs(&split.train), Duplicates::Refuse)?;
    let predicted = match training.embeddings() {
        Some(embeddings) => predicted_accuracy(&problem, embeddings.view(), Match::CODE)?,
        None => f64::NAN,
    };
    Ok(Trained { samples, seed, predicted, accuracy })
}

pub fn figure_3() -> Result<Produced, Failure> {
    let grid: Vec<(usize, u32)> = (1..=9).flat_map(|k| (0..SEEDS).map(move |seed| (5 * k, seed))).collect();
    let runs =
        grid.into_par_iter().map(|(n, seed)| trained(n, seed)).collect::<groktime::Result<Vec<_>>>()?;
    let find = |n: usize, seed: usize| runs.iter().find(|r| (r.samples, r.seed as usize) == (n, seed));
    let agree = |published: f64, measured: f64| (published - measured).abs() < 0.0051;
    let same = |which: fn(&Trained) -> f64, column: fn(&Published) -> [f64; 3]| {
        let hits = PUBLISHED.iter().flat_map(|row| {
            column(row)
                .into_iter()
                .enumerate()
                .filter(|&(seed, value)| find(row.0, seed).is_some_and(|run| agree(value, which(run))))
        });
        hits.count() as f64
    };
    let apart = runs.iter().map(|r| (r.predicted - r.accuracy).abs()).sum::<f64>() / runs.len() as f64;
    let dots = |name: &str, color, value: fn(&Trained) -> f64| Curve {
        style: Style::Points,
        ..line(name, runs.iter().map(|r| (r.samples as f64 / ALL, value(r))).collect(), color)
    };
    let beside = Curve {
        style: Style::Points,
        ..line("", runs.iter().map(|r| (r.predicted, r.accuracy)).collect(), Color::Blue)
    };
    let diagonal =
        Curve { style: Style::Dashed, ..line("equal", vec![(0.0, 0.0), (1.0, 1.0)], Color::Black) };
    Ok(Produced {
        figure: Figure {
            title: "The accuracy of a trained net is that of its representation".into(),
            panels: vec![
                Panel {
                    title: "after 5000 steps, seeds 0, 1, 2".into(),
                    x: axis("training fraction", Scale::Linear),
                    y: axis("accuracy on all pairs", Scale::Linear),
                    curves: vec![
                        dots("trained net", Color::Blue, |r| r.accuracy),
                        dots("predicted from its embeddings", Color::Vermillion, |r| r.predicted),
                    ],
                    markers: vec![],
                },
                Panel {
                    title: "the same runs".into(),
                    x: axis("predicted accuracy", Scale::Linear),
                    y: axis("accuracy", Scale::Linear),
                    curves: vec![diagonal, beside],
                    markers: vec![],
                },
            ],
            columns: 2,
            caption: None,
        },
        heading: vec!["samples", "seed", "predicted_accuracy", "accuracy"],
        rows: runs
            .iter()
            .map(|r| vec![r.samples.to_string(), r.seed.to_string(), exact(r.predicted), exact(r.accuracy)])
            .collect(),
        settings: json!({
            "symbols": SYMBOLS, "steps": STEPS, "step_size": {"decoder": 1e-4, "embeddings": 1e-3},
            "optimizer": "adamw", "precision": "f32", "delta": 0.1,
            "left_out": "n = 50 and 54, of which the authors draw batches of 45",
        }),
        checks: vec![
            Check::new(
                "accuracies as published, to two digits, of 18",
                "18",
                same(|r| r.accuracy, |p| p.2),
                between(18.0, 18.0, "all"),
            ),
            Check::new(
                "predicted ones, of 18",
                "18",
                same(|r| r.predicted, |p| p.1),
                between(18.0, 18.0, "all"),
            ),
            Check::new(
                "mean distance of prediction and accuracy",
                "small",
                apart,
                at_most(0.05, "one pair of the 19 or fewer that are left out"),
            ),
        ],
    })
}

pub fn figure_5b() -> Result<Produced, Failure> {
    let cases = cases()?;
    let fraction = |n: usize| n as f64 / ALL;
    let dots = |name: &str, color, points: Vec<(f64, f64)>| Curve {
        style: Style::Points,
        ..line(name, points, color)
    };
    let measured: Vec<(f64, f64)> =
        cases.iter().filter_map(|c| Some((fraction(c.samples), c.measured? as f64))).collect();
    // Where the net has no structure to learn there is no time either.
    let theory: Vec<(f64, f64)> =
        cases.iter().filter(|c| c.predicted.is_some()).map(|c| (fraction(c.samples), c.relaxation)).collect();
    let median = |points: &[(f64, f64)], n: usize| {
        let mut at: Vec<f64> = points.iter().filter(|p| p.0 == fraction(n)).map(|p| p.1).collect();
        at.sort_by(f64::total_cmp);
        at.get(at.len() / 2).copied().unwrap_or(f64::NAN)
    };
    let falls = |points: &[(f64, f64)]| median(points, 45) / median(points, 25);
    let ratios: Vec<f64> = cases.iter().filter_map(|c| Some(c.measured? as f64 / c.relaxation)).collect();
    let spread = |f: fn(f64, f64) -> f64, start| ratios.iter().copied().fold(start, f);
    Ok(Produced {
        figure: Figure {
            title: "Learning time against the training fraction".into(),
            panels: vec![Panel {
                title: "p = 10, seeds 0, 1, 2".into(),
                x: axis("training fraction", Scale::Linear),
                y: axis("step", Scale::Log),
                curves: vec![
                    dots("trained net: RQI > 0.95", Color::Blue, measured.clone()),
                    dots("effective theory: 1/(λ₃η)", Color::Vermillion, theory.clone()),
                ],
                markers: vec![],
            }],
            columns: 1,
            caption: Some(
                "λ₃ with sums over parallelograms and Z₀ = 9, η = 10⁻³; only samples that determine a line."
                    .into(),
            ),
        },
        heading: vec!["samples", "seed", "step", "relaxation_steps"],
        rows: cases
            .iter()
            .map(|c| {
                let step = c.measured.map_or(String::new(), |s| s.to_string());
                vec![c.samples.to_string(), c.seed.to_string(), step, exact(c.relaxation)]
            })
            .collect(),
        settings: json!({
            "symbols": SYMBOLS, "step_size": {"decoder": 1e-4, "embeddings": 1e-3}, "optimizer": "adamw",
            "precision": "f32", "convention": "sum", "z0": 9,
        }),
        checks: vec![
            Check::new(
                "median step at 45 samples over that at 25",
                "falls",
                falls(&measured),
                at_most(0.5, "falls: by half at least"),
            ),
            Check::new(
                "the same of 1/(λ₃η)",
                "falls",
                falls(&theory),
                at_most(0.5, "falls: by half at least"),
            ),
            Check::new(
                "lowest step over 1/(λ₃η)",
                "of order 1 (about 3)",
                spread(f64::min, f64::INFINITY),
                between(1.5, 6.0, "about 3: within a factor of two"),
            ),
            Check::new(
                "highest",
                "of order 1 (about 3)",
                spread(f64::max, 0.0),
                between(1.5, 6.0, "about 3: within a factor of two"),
            ),
        ],
    })
}
