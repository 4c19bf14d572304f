//! The toy model of arXiv 2205.10343 from its authors' seeds: figures 4b and 4d.

use std::cell::RefCell;
use std::ops::ControlFlow;

use groktime::effective::{
    Convention, Duplicates, Gradient, Match, Normalisation, Pair, Problem, Settings as FlowSettings, Task,
    rqi,
};
use groktime::linalg::Engine;
use groktime::network::{Group, Inputs, Part, Plan, Run, Sample, Settings, Training, replay};
use groktime::trajectory::Observable;
use ndarray::Array2;
use rayon::prelude::*;
use serde_json::json;

use super::{axis, line, over_steps};
use crate::output::{Failure, exact};
use crate::plot::{Color, Curve, Figure, Panel, Scale, Style};
use crate::reproduce::{Check, Produced, between};

pub(super) const SYMBOLS: usize = 10;
const BUDGET: u64 = 10_000;
/// RQI that counts as the structure.
const THERE: f64 = 0.95;

/// Decoder at 10⁻⁴, embeddings at 10⁻³, no decay: the authors' `train_add.py`.
pub(super) fn settings() -> Settings {
    Settings {
        step_size: 1e-4,
        groups: vec![Group { part: Part::Embedding, step_size: 1e-3, weight_decay: 0.0 }],
        ..Settings::default()
    }
}

pub(super) fn pairs(sample: &Sample) -> Vec<Pair> {
    match &sample.inputs {
        Inputs::Pairs(pairs) => pairs.clone(),
        Inputs::Vectors(_) => Vec::new(),
    }
}

/// What the authors' plot has: (samples, seed, step), counted from 0 after the update.
const PUBLISHED: [(usize, u32, u64); 8] = [
    (25, 2, 2553),
    (30, 2, 739),
    (35, 2, 1171),
    (40, 0, 867),
    (40, 2, 943),
    (45, 0, 833),
    (45, 1, 1071),
    (45, 2, 887),
];

pub(super) struct Case {
    pub samples: usize,
    pub seed: u32,
    pub measured: Option<u64>,
    /// Steps of the closed form with the same samples and start (sums, η = 10⁻³, Z₀ = 9).
    pub predicted: Option<f64>,
    /// 1/(λ₃η) of the same, infinite where the samples do not determine a line.
    pub relaxation: f64,
}

/// Steps until the net has the structure, and what the effective theory says, for all sizes and seeds 0 to 2.
pub(super) fn cases() -> groktime::Result<Vec<Case>> {
    let grid: Vec<(usize, u32)> =
        [25, 30, 35, 40, 45].into_iter().flat_map(|n| (0..3).map(move |seed| (n, seed))).collect();
    grid.into_par_iter().map(|(n, seed)| case(n, seed)).collect()
}

fn case(samples: usize, seed: u32) -> groktime::Result<Case> {
    let (net, split, theta) = replay::toy(SYMBOLS, samples, seed)?;
    let task = Task::addition(SYMBOLS)?;
    let mut training = Training::new(&net, &split.train, &settings(), &theta)?;
    let mut measured = None;
    for step in 0..BUDGET {
        training.step();
        let Some(embeddings) = training.embeddings() else { break };
        if rqi(&task, embeddings.view(), Match::CODE)? > THERE {
            measured = Some(step);
            break;
        }
    }
    let problem = Problem::new(task, &pairs(&split.train), Duplicates::Refuse)?;
    let spectrum = problem.spectrum(Engine::SEQUENTIAL)?;
    let start = standardised(&theta[..SYMBOLS]);
    let settings =
        FlowSettings { convention: Convention::Sum, gradient: Gradient::Full, matching: Match::CODE };
    let crossing = spectrum.flow(start.view(), settings)?.first_rqi(THERE)?;
    let predicted = if problem.nullity().value == 2 { crossing.time().map(|t| t / 1e-3) } else { None };
    let relaxation = spectrum.steps(Convention::Sum, Normalisation::SymbolsLessOne, 1e-3);
    Ok(Case { samples, seed, measured, predicted, relaxation })
}

/// Mean 0 and sample standard deviation 1, so that Z₀ = p − 1.
fn standardised(embeddings: &[f64]) -> Array2<f64> {
    let n = embeddings.len() as f64;
    let mean = embeddings.iter().sum::<f64>() / n;
    let square: f64 = embeddings.iter().map(|e| (e - mean).powi(2)).sum();
    let deviation = (square / (n - 1.0)).sqrt();
    Array2::from_shape_fn((embeddings.len(), 1), |(i, _)| (embeddings[i] - mean) / deviation)
}

pub fn figure_4b() -> Result<Produced, Failure> {
    let cases = cases()?;
    let fraction = |c: &Case| c.samples as f64 / 55.0;
    let number = |x: Option<f64>| x.map_or(String::new(), exact);
    let rows = cases
        .iter()
        .map(|c| {
            let published = PUBLISHED.iter().find(|p| (p.0, p.1) == (c.samples, c.seed));
            vec![
                c.samples.to_string(),
                c.seed.to_string(),
                number(c.measured.map(|s| s as f64)),
                number(published.map(|p| p.2 as f64)),
                number(c.predicted),
            ]
        })
        .collect();
    let dots = |name: &str, color, value: &dyn Fn(&Case) -> Option<f64>| Curve {
        style: Style::Points,
        ..line(name, cases.iter().filter_map(|c| Some((fraction(c), value(c)?))).collect(), color)
    };
    let mut checks: Vec<Check> = PUBLISHED
        .iter()
        .map(|&(n, seed, step)| {
            let found = cases.iter().find(|c| (c.samples, c.seed) == (n, seed)).and_then(|c| c.measured);
            let measured = found.map_or(f64::NAN, |s| s as f64);
            Check::new(
                format!("n = {n}, seed {seed}"),
                step.to_string(),
                measured,
                between(step as f64, step as f64, "the very step"),
            )
        })
        .collect();
    let others = cases.iter().filter(|c| !PUBLISHED.iter().any(|p| (p.0, p.1) == (c.samples, c.seed)));
    let arrived = others.filter(|c| c.measured.is_some()).count();
    checks.push(Check::new(
        "other (n, seed) that arrive within 10⁴ steps",
        "none",
        arrived as f64,
        between(0.0, 0.0, "none"),
    ));
    Ok(Produced {
        figure: Figure {
            title: "Steps until RQI > 0.95: the trained net and the effective theory".into(),
            panels: vec![Panel {
                title: "p = 10, seeds 0, 1, 2; those that are missing do not arrive in 10⁴ steps".into(),
                x: axis("training fraction", Scale::Linear),
                y: axis("step", Scale::Log),
                curves: vec![
                    dots("trained net (the authors' steps exactly)", Color::Blue, &|c| {
                        c.measured.map(|s| s as f64)
                    }),
                    dots("effective theory, same samples and start", Color::Vermillion, &|c| {
                        c.predicted.filter(|p| *p <= BUDGET as f64)
                    }),
                ],
                markers: vec![],
            }],
            columns: 1,
            caption: Some(
                "Embeddings, decoder, templates and training sets are those of the authors' runs, from their \
                 Mersenne twisters; steps are counted from 0."
                    .into(),
            ),
        },
        heading: vec!["samples", "seed", "step", "published_step", "effective_theory_step"],
        rows,
        settings: json!({
            "symbols": SYMBOLS, "budget": BUDGET, "step_size": {"decoder": 1e-4, "embeddings": 1e-3},
            "optimizer": "adamw", "precision": "f32",
            "left_out": "n = 50 and 54, of which the authors draw batches of 45",
        }),
        checks,
    })
}

pub fn figure_4d() -> Result<Produced, Failure> {
    let (net, split, theta) = replay::toy(SYMBOLS, 45, 58)?;
    let task = Task::addition(SYMBOLS)?;
    let settings = settings();
    let training = Training::new(&net, &split.train, &settings, &theta)?;
    let record = (0..=100).map(|k| 20 * k).collect();
    let plan = Plan { budget: 2000, record: Some(record), ..Plan::default() };
    let shares = RefCell::new(Vec::new());
    let run = Run::new(training, Some(&split.test), &plan)?.inspected(|training| {
        let found = training.embeddings().map(|e| rqi(&task, e.view(), Match::CODE));
        if let Some(Ok(share)) = found {
            shares.borrow_mut().push(share);
        }
        ControlFlow::Continue(())
    });
    let curves = run.go(|_| ControlFlow::Continue(()))?;
    let shares = shares.into_inner();
    let there = shares.iter().position(|&share| share > THERE);
    // The authors' theory run is driven by all samples.
    let full = Problem::full(Task::addition(SYMBOLS)?);
    let spectrum = full.spectrum(Engine::SEQUENTIAL)?;
    let start = standardised(&theta[..SYMBOLS]);
    let conventions =
        FlowSettings { convention: Convention::Sum, gradient: Gradient::Full, matching: Match::CODE };
    let flow = spectrum.flow(start.view(), conventions)?;
    let mut rows = Vec::new();
    let (mut net_rqi, mut theory) = (Vec::new(), Vec::new());
    for record in &curves.records {
        let step = record.step as f64;
        let share = match record.step {
            0 => None,
            step => shares.get(step as usize - 1).copied(),
        };
        let predicted = flow.rqi(1e-3 * step)?;
        net_rqi.extend(share.map(|share| (step, share)));
        theory.push((step, predicted));
        let test = record.test.map_or(f64::NAN, |t| t.accuracy);
        rows.push(vec![
            record.step.to_string(),
            exact(record.train.loss),
            exact(record.train.accuracy),
            exact(test),
            share.map_or(String::new(), exact),
            exact(predicted),
        ]);
    }
    let loss = |step: u64| {
        curves.records.iter().find(|r| r.step == step).map_or(f64::NAN, |record| record.train.loss)
    };
    let near = |what: &str, published: f64, measured: f64, room: f64| {
        Check::new(
            what,
            exact(published),
            measured,
            between(
                published * (1.0 - room),
                published * (1.0 + room),
                "single precision, summed in another order over so many steps",
            ),
        )
    };
    Ok(Produced {
        figure: Figure {
            title: "A trained decoder and the effective theory (45 of 55 pairs, seed 58)".into(),
            panels: vec![
                Panel {
                    title: "share of parallelograms (RQI)".into(),
                    x: axis("step", Scale::Linear),
                    y: axis("RQI", Scale::Linear),
                    curves: vec![
                        line("trained net", net_rqi, Color::Blue),
                        Curve {
                            style: Style::Dashed,
                            ..line("effective theory, η = 10⁻³", theory, Color::Vermillion)
                        },
                    ],
                    markers: vec![],
                },
                Panel {
                    title: "accuracies of the trained net".into(),
                    x: axis("step", Scale::Linear),
                    y: axis("accuracy", Scale::Linear),
                    curves: vec![
                        line("training", over_steps(&curves, Observable::TrainAccuracy), Color::Blue),
                        line("test", over_steps(&curves, Observable::TestAccuracy), Color::Vermillion),
                    ],
                    markers: vec![],
                },
            ],
            columns: 2,
            caption: None,
        },
        heading: vec!["step", "train_loss", "train_accuracy", "test_accuracy", "rqi", "rqi_of_theory"],
        rows,
        settings: json!({
            "symbols": SYMBOLS, "samples": 45, "seed": 58, "step_size": {"decoder": 1e-4, "embeddings": 1e-3},
            "optimizer": "adamw", "precision": "f32",
        }),
        checks: vec![
            Check::new(
                "step with RQI > 0.95",
                "about 800",
                there.map_or(f64::NAN, |s| s as f64),
                between(750.0, 850.0, "about: read off a picture"),
            ),
            near("training loss at step 1000", 0.430_412_29, loss(1000), 1e-4),
            near("training loss at step 2000", 0.101_778_37, loss(2000), 1e-4),
            Check::new(
                "step with test accuracy 0.9",
                "1530",
                curves.test_step.map_or(f64::NAN, |s| s as f64),
                between(1526.0, 1536.0, "the distance of two recorded steps"),
            ),
        ],
    })
}
