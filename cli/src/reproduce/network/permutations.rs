//! The group S3 by training fraction: figure 17 of arXiv 2205.10343.

use groktime::data::components::principal_components;
use groktime::effective::{Task, rqi_of_products};
use groktime::network::tasks::{Answer, Split, composition, split};
use groktime::network::{Combine, Embedding, Settings, Training};
use ndarray::Array2;
use rayon::prelude::*;
use serde_json::json;

use super::embeddings::{OUTPUTS, Toy, settings};
use super::{axis, line};
use crate::output::{Failure, exact};
use crate::plot::{Axis, Color, Curve, Figure, Panel, Scale, Style};
use crate::reproduce::{Check, Produced, at_most, between};

const SIZES: [usize; 7] = [6, 12, 15, 18, 21, 24, 30];
const STEPS: u64 = 10_000;

struct Trained {
    samples: usize,
    seed: u64,
    /// The step with RQI > 0.95.
    measured: Option<u64>,
    accuracy: f64,
}

fn group(samples: usize, seed: u64) -> groktime::Result<(Trained, Array2<f64>)> {
    let task = Task::s3();
    let Split { train, test } =
        split(&composition(&task, Answer::Templates { outputs: OUTPUTS }, seed)?, samples, seed)?;
    let toy = Toy::new(Embedding { symbols: 6, combine: Combine::Product }, 9, 0.1, seed)?;
    // Their code adds 10⁻³ times the mean of |E| to the loss.
    let settings = Settings { sparsity: 1e-3, ..settings(1e-3, 1e-4, 1.0) };
    let mut training = Training::new(&toy.net, &train, &settings, &toy.theta)?;
    let mut measured = None;
    for step in 0..STEPS {
        training.step();
        if measured.is_none() && step % 10 == 9 {
            let embeddings = training.embeddings().unwrap_or_default();
            if rqi_of_products(&task, embeddings.view(), 0.5)? > 0.95 {
                measured = Some(step + 1);
            }
        }
    }
    let accuracy = toy.net.evaluate(&training.parameters(), &test, settings.criterion)?.accuracy;
    Ok((Trained { samples, seed, measured, accuracy }, training.embeddings().unwrap_or_default()))
}

pub fn figure_17() -> Result<Produced, Failure> {
    let grid: Vec<(usize, u64)> = SIZES.into_iter().flat_map(|n| (0..5).map(move |seed| (n, seed))).collect();
    let runs = grid.par_iter().map(|&(n, seed)| group(n, seed)).collect::<groktime::Result<Vec<_>>>()?;
    let fraction = |n: usize| n as f64 / 36.0;
    let reached = |keep: &dyn Fn(f64) -> bool| {
        let of = runs.iter().map(|(run, _)| run).filter(|run| keep(fraction(run.samples)));
        let (hits, all) = of.fold((0, 0), |(h, n), run| (h + usize::from(run.measured.is_some()), n + 1));
        f64::from(hits as u32) / f64::from(all as u32)
    };
    let accurate = |keep: &dyn Fn(f64) -> bool| {
        let of: Vec<f64> =
            runs.iter().filter(|(r, _)| keep(fraction(r.samples))).map(|(r, _)| r.accuracy).collect();
        of.iter().sum::<f64>() / of.len() as f64
    };
    let points: Vec<(f64, f64)> =
        runs.iter().filter_map(|(run, _)| Some((fraction(run.samples), run.measured? as f64))).collect();
    let share = SIZES.iter().map(|&n| (fraction(n), reached(&|r| r == fraction(n)))).collect();
    let accuracy = SIZES.iter().map(|&n| (fraction(n), accurate(&|r| r == fraction(n)))).collect();
    // The six embeddings of the run with most samples that has the structure.
    let best = runs.iter().rev().find(|(run, _)| run.measured.is_some()).or(runs.last());
    let embeddings = best.map(|(_, e)| e.clone()).unwrap_or_default();
    let (directions, shares) = principal_components(embeddings.view())?;
    let placed = embeddings.dot(&directions);
    let at = |a: usize, x: usize, y: usize| (placed[(a, x)], placed[(a, y)]);
    let planes = |x: usize, y: usize| Curve {
        style: Style::Points,
        ..line("", (0..6).map(|a| at(a, x, y)).collect(), Color::Blue)
    };
    let rows = runs.iter().map(|(run, _)| {
        let step = run.measured.map_or(String::new(), |s| s.to_string());
        vec![run.samples.to_string(), run.seed.to_string(), step, exact(run.accuracy)]
    });
    Ok(Produced {
        figure: Figure {
            title: "Products in S3: structure against the training fraction".into(),
            panels: vec![
                Panel {
                    title: "steps until RQI > 0.95, five seeds".into(),
                    x: Axis { range: Some((0.0, 1.0)), ..axis("training fraction", Scale::Linear) },
                    y: axis("step", Scale::Log),
                    curves: vec![Curve { style: Style::Points, ..line("", points, Color::Blue) }],
                    markers: vec![],
                },
                Panel {
                    title: format!("of {STEPS} steps"),
                    x: axis("training fraction", Scale::Linear),
                    y: axis("share", Scale::Linear),
                    curves: vec![
                        line("runs with RQI > 0.95", share, Color::Blue),
                        line("test accuracy, mean", accuracy, Color::Vermillion),
                    ],
                    markers: vec![],
                },
                Panel {
                    title: "embeddings of a run that has it".into(),
                    x: axis("first component", Scale::Linear),
                    y: axis("third component", Scale::Linear),
                    curves: vec![planes(0, 2)],
                    markers: vec![],
                },
            ],
            columns: 3,
            caption: None,
        },
        heading: vec!["samples", "seed", "step", "test_accuracy"],
        rows: rows.collect(),
        settings: json!({
            "samples": SIZES, "seeds": 5, "published_seeds": 11, "steps": STEPS, "optimizer": "adamw",
            "step_size": {"decoder": 1e-4, "embeddings": 1e-3}, "weight_decay": 1, "sparsity": 1e-3,
            "embedding_scale": 0.1,
            "rqi_limit": 0.5,
        }),
        checks: vec![
            Check::new(
                "mean test accuracy from less than half of the pairs",
                "transition at one half",
                accurate(&|r| r < 0.45),
                at_most(0.3, "below: wrong on most pairs"),
            ),
            Check::new(
                "the same from two thirds and more",
                "transition at one half",
                accurate(&|r| r > 0.65),
                between(0.8, 1.0, "above: right on most pairs"),
            ),
            Check::new(
                "share with RQI > 0.95 from less than half",
                "0",
                reached(&|r| r < 0.45),
                at_most(0.1, "none: one run in ten"),
            ),
            Check::new(
                "the same from two thirds and more",
                "near 1",
                reached(&|r| r > 0.65),
                between(0.8, 1.0, "near one: all but a fifth"),
            ),
            Check::new(
                "variance in three components",
                "a hexagon in the first three",
                shares.iter().take(3).sum(),
                between(0.8, 1.0, "most of it: four fifths"),
            ),
        ],
    })
}
