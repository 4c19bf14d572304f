//! Grokking on images: the run of arXiv 2210.01117 that later papers follow, and figure 8 of arXiv 2205.10343, the
//! phases of such nets over weight decay and the rate of the last layer.

use groktime::grokking::{Phase, PhaseRule};
use groktime::network::{Activation, Bias, Group, Init, Law, Net, Part, Plan, Settings};
use serde_json::json;

use super::digits::{self, STEP_SIZE, Setup};
use super::kept::{HEADING, Row, test_accuracy, train_accuracy};
use super::phases::{Size, diagram, panel, range, rows, spread, trained};
use super::{axis, line};
use crate::output::Failure;
use crate::plot::{Axis, Color, Curve, Figure, Panel, Scale, Style};
use crate::reproduce::{Check, Options, Produced, at_least, at_most, between};

pub fn figure(options: &Options) -> Result<Produced, Failure> {
    let (samples, width, scale) = if options.images.is_some() { (1000, 200, 8.0) } else { (200, 400, 12.0) };
    let (weight_decay, budget) = if options.full { (0.01, 100_000) } else { (0.1, 20_000) };
    let setup = Setup { samples, depth: 3, width, scale, weight_decay, budget, ranks: 0 };
    let runs = digits::runs(options, &digits::sets(options)?, &[setup])?;
    let run = &runs[0];
    let over = |value: &dyn Fn(&Row) -> f64| -> Vec<(f64, f64)> {
        run.over_steps(value).into_iter().filter(|p| p.0 > 0.0).collect()
    };
    let start = run.0[0].norm;
    let pure = |step: u64| start * (1.0 - STEP_SIZE * weight_decay).powf(step as f64);
    let fits = run.reaches(train_accuracy, 0.95);
    let then = run.0.iter().find(|r| r.step as f64 >= fits).map_or(f64::NAN, test_accuracy);
    let end = test_accuracy(run.last());
    let late = run.reaches(test_accuracy, 0.1 + 0.9 * (end - 0.1));
    // ηγ·step = 0.1, 10⁴ published steps.
    let early = |r: &&Row| r.step as f64 * STEP_SIZE * weight_decay <= 0.1;
    let off = run.0.iter().filter(early).map(|r| (r.norm / pure(r.step) - 1.0).abs()).fold(0.0, f64::max);
    let law = Curve { style: Style::Dashed, ..line("decay alone", over(&|r| pure(r.step)), Color::Black) };
    Ok(Produced {
        figure: Figure {
            title: "Grokking on images from a large initialisation".into(),
            panels: vec![
                Panel {
                    title: format!("three layers, α = {scale}, N = {samples}"),
                    x: axis("step", Scale::Log),
                    y: axis("accuracy", Scale::Linear),
                    curves: vec![
                        line("training", over(&train_accuracy), Color::Blue),
                        line("test", over(&test_accuracy), Color::Vermillion),
                    ],
                    markers: vec![],
                },
                Panel {
                    title: "norm of the parameters".into(),
                    x: axis("step", Scale::Linear),
                    y: axis("‖θ‖₂", Scale::Log),
                    curves: vec![law, line("trained", over(&|r| r.norm), Color::Blue)],
                    markers: vec![],
                },
            ],
            columns: 2,
            caption: None,
        },
        heading: HEADING.to_vec(),
        rows: run.table("1"),
        settings: json!({
            "images": options.images.as_ref().map_or("8 × 8 digits".into(), |p| p.display().to_string()),
            "run": setup, "step_size": STEP_SIZE, "optimizer": "adamw", "batch": 200, "precision": "f32",
            "published": {"images": "MNIST", "samples": 1000, "width": 200, "scale": 8, "weight_decay": 0.01,
                          "budget": 100_000, "precision": "f64"},
        }),
        checks: vec![
            Check::new(
                "test accuracy when training is at 0.95",
                "0.15 to 0.2 (step 1334)",
                then,
                between(0.1, 0.25, "the published range and the 0.05 of one seed to each side"),
            )
            .comparable_if(options.full, "other images, samples and width than the published run"),
            Check::new(
                "step at nine tenths of the way to the last test accuracy, over the step that fits",
                "30 (40,000 over 1334)",
                late / fits,
                between(20.0, 45.0, "a half more or less, for the seed and the recorded steps"),
            )
            .comparable_if(options.full, "other images, samples and width than the published run"),
            Check::new(
                "test accuracy at the end",
                "0.894",
                end,
                between(0.87, 0.92, "0.894 ± 0.025, for the seed"),
            )
            .comparable_if(options.full, "other images, samples and width than the published run"),
            Check::new(
                "‖θ‖ against (1 − ηγ)^step, until ηγ·step = 0.1",
                "within 0.01",
                off,
                at_most(0.02, "within 0.01 is published for another seed: twice that"),
            ),
        ],
    })
}

/// Test accuracy that counts as generalising: 1000 images allow little more than 0.9, 300 small ones 0.85.
const GENERALISES: f64 = 0.8;

pub fn figure_8(options: &Options) -> Result<Produced, Failure> {
    let (samples, scale) = if options.images.is_some() { (1000, 8.0) } else { (300, 12.0) };
    let size = match options.full {
        true => Size { columns: 9, rows: 9, budget: 100_000 },
        false => Size { columns: 5, rows: 5, budget: 5_000 },
    };
    // A twentieth of the steps has twenty times the decay.
    let faster = 100_000.0 / size.budget as f64;
    let (lowest, highest) = (1e-3 * faster, 0.1 * faster);
    let sets = digits::sets(options)?;
    let split = sets.split(samples)?;
    let net = Net::new(&[sets.train.pixels.ncols(), 200, 200, 10], Activation::Relu, Bias::All)?;
    let theta = net.init(&Init { law: Law::Torch, scale, ..Init::default() }, 0)?;
    let (rates, decays) = (spread(1e-5, 1e-1, size.columns), spread(lowest, highest, size.rows));
    let rule = PhaseRule { test_accuracy: GENERALISES, ..PhaseRule::default() };
    let plan = Plan { budget: size.budget, check: 10, rule, ..Plan::default() };
    let named = json!(["effective-8", size, samples, scale, options.images]);
    let cells = diagram(options, &named, &rates, &decays, |rate, weight_decay| {
        let last = Group { part: Part::Layer(2), step_size: rate, weight_decay };
        let settings = Settings {
            step_size: STEP_SIZE,
            weight_decay,
            groups: vec![last],
            batch: Some(samples.min(200)),
            ..Settings::default()
        };
        trained((rate, weight_decay), &net, &split, &settings, &theta, plan.clone())
    })?;
    let of = |phase: Phase| cells.iter().filter(move |c| c.phase() == phase);
    let mean_decay = |phase: Phase| {
        let logs: Vec<f64> = of(phase).map(|c| c.at.1.ln()).collect();
        (logs.iter().sum::<f64>() / logs.len() as f64).exp()
    };
    let mut late: Vec<f64> = of(Phase::Grokking).chain(of(Phase::Comprehension)).map(|c| c.at.1).collect();
    late.sort_by(f64::total_cmp);
    let axis = |label: &str, (from, to), cells| Axis {
        label: label.into(),
        scale: Scale::Log,
        range: Some(range(from, to, cells)),
    };
    Ok(Produced {
        figure: Figure {
            title: "Phases of nets on images".into(),
            panels: vec![panel(
                &format!("three layers, α = {scale}, N = {samples}, {} steps", size.budget),
                &cells,
                size,
                axis("learning rate of the last layer", (1e-5, 1e-1), size.columns),
                axis("weight decay", (lowest, highest), size.rows),
            )],
            columns: 1,
            caption: None,
        },
        heading: vec!["last_layer_step_size", "weight_decay", "phase", "train_step", "test_step"],
        rows: rows(&cells),
        settings: json!({
            "images": options.images.as_ref().map_or("8 × 8 digits".into(), |p| p.display().to_string()),
            "cells": [size.columns, size.rows], "budget": size.budget, "samples": samples, "scale": scale,
            "widths": net.widths(), "step_size": STEP_SIZE, "optimizer": "adamw", "batch": 200, "seed": 0,
            "thresholds": [0.9, GENERALISES], "delay": 1000,
        }),
        checks: vec![
            Check::new(
                "cells that generalise, late or soon",
                "comprehension, then grokking",
                late.len() as f64,
                at_least(3.0, "late and soon: more than a cell or two"),
            ),
            Check::new(
                "mean weight decay of cells that generalise over that of memorization",
                "memorization at low decay",
                mean_of(&late) / mean_decay(Phase::Memorization),
                at_least(1.5, "clearly higher"),
            ),
        ],
    })
}

/// Geometric mean.
fn mean_of(values: &[f64]) -> f64 {
    (values.iter().map(|x| x.ln()).sum::<f64>() / values.len() as f64).exp()
}
