//! Modular addition, figures 2a to 2c of arXiv 2311.18817, with p = 23 instead of 97, 256 hidden units instead of
//! 1024, and a step size for which 10⁴ steps do what 10⁸ do there. Times are compared as ηλ·step.

use std::ops::ControlFlow;

use groktime::network::tasks::modular_addition;
use groktime::network::{
    Activation, Bias, Criterion, Curves, Init, Law, Net, Optimiser, Plan, Settings, train,
};
use groktime::trajectory::Observable;
use rayon::prelude::*;
use serde_json::json;

use super::{axis, first, line, over_steps};
use crate::output::{Failure, exact};
use crate::plot::{Color, Figure, Panel, Scale};
use crate::reproduce::{Check, Produced};

const SYMBOLS: usize = 23;
const FRACTION: f64 = 0.7;
const STEP_SIZE: f64 = 1.0;
const DECAY: f64 = 1e-3;
const BUDGET: u64 = 20_000;

fn run(scale: f64, zero_last: bool, weight_decay: f64, budget: u64) -> groktime::Result<Curves> {
    let (training, test) = modular_addition(SYMBOLS, FRACTION, 0)?.into_pair();
    let net = Net::new(&[2 * SYMBOLS, 256, SYMBOLS], Activation::Relu, Bias::First)?;
    let theta = net.init(&Init { law: Law::He, scale, zero_last, ..Init::default() }, 0)?;
    let settings = Settings {
        criterion: Criterion::CrossEntropy,
        optimiser: Optimiser::Descent,
        step_size: STEP_SIZE,
        weight_decay,
        ..Settings::default()
    };
    // Evenly in time, and the first steps.
    let record = (0..200).chain((0..=budget / 50).map(|k| 50 * k)).collect();
    let plan = Plan { budget, record: Some(record), check: 0, ..Plan::default() };
    train(&net, &training, Some(&test), &settings, &plan, &theta, |_| ControlFlow::Continue(()))
}

/// The step at which the test accuracy passes `part`, for good: it may be met by chance at the start.
fn passes(curves: &Curves, part: f64) -> f64 {
    let accuracy = |r: &groktime::network::Record| r.test.map_or(0.0, |t| t.accuracy);
    let fits = first(curves, |r| r.train.accuracy > 0.99).unwrap_or(BUDGET);
    let step = first(curves, |r| r.step >= fits && accuracy(r) >= part);
    step.map_or(f64::NAN, |s| s as f64)
}

fn rows(name: &str, curves: &Curves) -> Vec<Vec<String>> {
    let row = |r: &groktime::network::Record| {
        let test = r.test.map_or(f64::NAN, |t| t.accuracy);
        let numbers = [r.train.loss, r.train.accuracy, test, r.norm].map(exact);
        [&[name.to_owned(), r.step.to_string()][..], &numbers[..]].concat()
    };
    curves.records.iter().map(row).collect()
}

const HEADING: [&str; 6] =
    ["initial_scale", "step", "train_loss", "train_accuracy", "test_accuracy", "parameter_norm"];

fn settings() -> serde_json::Value {
    json!({
        "symbols": SYMBOLS, "published_symbols": 97, "fraction": FRACTION, "published_fraction": 0.4,
        "hidden": 256, "published_hidden": 1024, "optimizer": "gd", "step_size": STEP_SIZE,
        "published_step_size": 0.002, "weight_decay": DECAY, "published_weight_decay": 1e-4, "budget": BUDGET,
        "published_budget": 100_000_000_u64, "loss": "cross-entropy", "seed": 0,
    })
}

pub fn figure_2a() -> Result<Produced, Failure> {
    let curves = run(1.0, false, DECAY, BUDGET)?;
    let fits = first(&curves, |r| r.train.accuracy > 0.99).map_or(f64::NAN, |s| s as f64);
    let norms: Vec<f64> = curves.records.iter().map(|r| r.norm).collect();
    let peak = norms.iter().copied().fold(0.0, f64::max);
    let last = curves.records.last().map_or(f64::NAN, |r| r.norm);
    let half = passes(&curves, 0.5) * STEP_SIZE * DECAY;
    let early = curves
        .records
        .iter()
        .filter(|r| r.step as f64 >= fits && r.step as f64 <= 3.0 * fits)
        .filter_map(|r| Some(r.test?.accuracy))
        .fold(0.0, f64::max);
    Ok(Produced {
        figure: Figure {
            title: "Modular addition under gradient descent with weight decay".into(),
            panels: vec![
                Panel {
                    title: "p = 23, 70% of the pairs, 256 hidden units".into(),
                    x: axis("step", Scale::Log),
                    y: axis("accuracy", Scale::Linear),
                    curves: vec![
                        line("training", over_steps(&curves, Observable::TrainAccuracy), Color::Blue),
                        line("test", over_steps(&curves, Observable::TestAccuracy), Color::Vermillion),
                    ],
                    markers: vec![],
                },
                Panel {
                    title: "norm of the parameters".into(),
                    x: axis("step", Scale::Log),
                    y: axis("‖θ‖₂", Scale::Linear),
                    curves: vec![line("", over_steps(&curves, Observable::ParameterNorm), Color::Black)],
                    markers: vec![],
                },
            ],
            columns: 2,
            caption: None,
        },
        heading: HEADING.to_vec(),
        rows: rows("1", &curves),
        settings: settings(),
        checks: vec![
            Check::new("highest test accuracy until three times the step that fits", "0", early, 0.0, 0.1),
            Check::new("ηλ·step with test accuracy 0.5", "3.87 (p = 97)", half, 2.0, 8.0),
            Check::new(
                "steps to test accuracy 0.5 over steps to training accuracy 0.99",
                "29 (p = 97)",
                half / (STEP_SIZE * DECAY) / fits,
                10.0,
                f64::INFINITY,
            ),
            Check::new("peak of ‖θ‖ over its end", "1.38 (113.3/82.1)", peak / last, 1.1, 1.6),
        ],
    })
}

pub fn figure_2b() -> Result<Produced, Failure> {
    let scales = [1.0, 10.0, 100.0];
    let runs = scales
        .par_iter()
        .map(|&scale| run(scale, true, DECAY, BUDGET))
        .collect::<groktime::Result<Vec<_>>>()?;
    let colors = [Color::Blue, Color::Green, Color::Vermillion];
    let panel = |title: &str, what: Observable, label: &str, scale: Scale| Panel {
        title: title.into(),
        x: axis("ηλ·step", Scale::Linear),
        y: axis(label, scale),
        curves: runs
            .iter()
            .zip(scales)
            .zip(colors)
            .map(|((curves, scale), color)| {
                let points = over_steps(curves, what).into_iter();
                let points = points.map(|(step, y)| (step * STEP_SIZE * DECAY, y)).collect();
                line(format!("initialisation × {scale}"), points, color)
            })
            .collect(),
        markers: vec![],
    };
    let half: Vec<f64> = runs.iter().map(|r| passes(r, 0.5) * STEP_SIZE * DECAY).collect();
    let ends: Vec<f64> = runs.iter().map(|r| r.records.last().map_or(f64::NAN, |r| r.norm)).collect();
    let spread =
        ends.iter().copied().fold(0.0, f64::max) / ends.iter().copied().fold(f64::INFINITY, f64::min);
    let fits: Vec<f64> =
        runs.iter().map(|r| first(r, |r| r.train.accuracy > 0.99).map_or(f64::NAN, |s| s as f64)).collect();
    Ok(Produced {
        figure: Figure {
            title: "A larger initialisation postpones the transition by its logarithm".into(),
            panels: vec![
                panel("test accuracy", Observable::TestAccuracy, "accuracy", Scale::Linear),
                panel("norm of the parameters", Observable::ParameterNorm, "‖θ‖₂", Scale::Log),
            ],
            columns: 2,
            caption: Some("p = 23, second layer zero at the start.".into()),
        },
        heading: HEADING.to_vec(),
        rows: runs.iter().zip(scales).flat_map(|(r, scale)| rows(&scale.to_string(), r)).collect(),
        settings: settings(),
        checks: vec![
            Check::new(
                "shift of ηλ·step with test accuracy 0.5, × 10 to × 100",
                "2.317 (ln 10 = 2.303)",
                half[2] - half[1],
                2.0,
                2.6,
            ),
            Check::new("the same, × 1 to × 10", "1.255: not yet large", half[1] - half[0], 0.0, 2.3),
            Check::new("steps to training accuracy 0.99, × 1 over × 10", "16", fits[0] / fits[1], 3.0, 60.0),
            Check::new("largest over smallest ‖θ‖ at the end", "1.0", spread, 1.0, 1.02),
        ],
    })
}

/// λ, and the budget: ηλ·step reaches 12, or what the smallest takes in 40,000 steps.
const DECAYS: [(f64, u64); 4] = [(3e-4, 40_000), (1e-3, 12_000), (3e-3, 5_000), (3e-2, 1_000)];

pub fn figure_2c() -> Result<Produced, Failure> {
    let runs = DECAYS
        .par_iter()
        .map(|&(decay, budget)| run(10.0, true, decay, budget))
        .collect::<groktime::Result<Vec<_>>>()?;
    let panel = |title: &str, what: Observable, label: &str| Panel {
        title: title.into(),
        x: axis("step", Scale::Log),
        y: axis(label, Scale::Linear),
        curves: runs
            .iter()
            .zip(DECAYS)
            .enumerate()
            .map(|(k, (curves, (decay, _)))| {
                line(format!("λ = {decay}"), over_steps(curves, what), Color::nth(k))
            })
            .collect(),
        markers: vec![],
    };
    let half: Vec<f64> = runs.iter().zip(DECAYS).map(|(r, (decay, _))| passes(r, 0.5) * decay).collect();
    let ends: Vec<f64> = runs.iter().map(|r| r.records.last().map_or(f64::NAN, |r| r.norm)).collect();
    let last = runs.last().and_then(|r| r.records.last()).map_or(f64::NAN, |r| r.train.accuracy);
    Ok(Produced {
        figure: Figure {
            title: "Modular addition under four weight decays".into(),
            panels: vec![
                panel("test accuracy", Observable::TestAccuracy, "accuracy"),
                panel("training accuracy", Observable::TrainAccuracy, "accuracy"),
            ],
            columns: 2,
            caption: Some("p = 23, initialisation × 10, second layer zero at the start.".into()),
        },
        heading: [&["weight_decay"][..], &HEADING[1..]].concat(),
        rows: runs.iter().zip(DECAYS).flat_map(|(r, (decay, _))| rows(&decay.to_string(), r)).collect(),
        settings: settings(),
        checks: vec![
            Check::new(
                "ηλ·step with test accuracy 0.5, λ times 10/3",
                "5.55/5.05 = 1.10 (3·10⁻⁴ over 10⁻⁴)",
                half[1] / half[0],
                1.0,
                1.4,
            ),
            Check::new("the same, λ times 3 more", "7.40/5.55 = 1.33", half[2] / half[1], 1.0, 1.7),
            Check::new(
                "‖θ‖ at the end, second over first λ",
                "73.9/81.8 = 0.90",
                ends[1] / ends[0],
                0.8,
                0.97,
            ),
            Check::new(
                "training accuracy at the end under the largest λ",
                "1.4%: it collapses",
                last,
                0.0,
                0.2,
            ),
        ],
    })
}
