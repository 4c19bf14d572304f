//! Modular addition, figures 2a to 2c of arXiv 2311.18817, with longer and fewer steps than there; by default p = 23
//! instead of 97 and 256 hidden units instead of 1024. Times are compared as ηλ·step.

use groktime::linalg::Threads;
use groktime::network::tasks::modular_addition;
use groktime::network::{Activation, Bias, Criterion, Init, Law, Net, Optimiser, Plan, Settings};
use serde::Serialize;
use serde_json::json;

use super::kept::{Curve, HEADING, Kept, Row, norm, test_accuracy, train_accuracy};
use super::{axis, line};
use crate::output::Failure;
use crate::plot::{Color, Figure, Panel, Scale};
use crate::reproduce::{Check, Options, Produced, at_most, between};

/// What is learned by which net.
#[derive(Clone, Copy, Debug, Serialize)]
struct Task {
    symbols: usize,
    fraction: f64,
    hidden: usize,
    step_size: f64,
    /// λ where nothing else is said.
    weight_decay: f64,
}

const REDUCED: Task = Task { symbols: 23, fraction: 0.7, hidden: 256, step_size: 1.0, weight_decay: 1e-3 };

/// The published one but for the step, which is 500 times as long: descent stays stable, and the flow that both
/// follow is the same.
const FULL: Task = Task { symbols: 97, fraction: 0.4, hidden: 1024, step_size: 1.0, weight_decay: 1e-4 };

/// One run.
#[derive(Clone, Copy, Debug, Serialize)]
struct Setup {
    scale: f64,
    zero_last: bool,
    weight_decay: f64,
    budget: u64,
}

fn task(options: &Options) -> Task {
    if options.full { FULL } else { REDUCED }
}

/// All runs, in parallel; one alone has all threads.
fn runs(options: &Options, task: Task, setups: &[Setup]) -> Result<Vec<Curve>, Failure> {
    let threads = if setups.len() == 1 { Threads::All } else { Threads::One };
    options.points(&(task, setups), setups.len(), |k| {
        run(task, setups[k], threads, &Kept::new(options, &(task, setups[k])))
    })
}

fn run(task: Task, setup: Setup, threads: Threads, kept: &Kept) -> groktime::Result<Curve> {
    let split = modular_addition(task.symbols, task.fraction, 0)?;
    let net = Net::new(&[2 * task.symbols, task.hidden, task.symbols], Activation::Relu, Bias::First)?;
    let Setup { scale, zero_last, weight_decay, budget } = setup;
    let theta = net.init(&Init { law: Law::He, scale, zero_last, ..Init::default() }, 0)?;
    let settings = Settings {
        criterion: Criterion::CrossEntropy,
        optimiser: Optimiser::Descent,
        step_size: task.step_size,
        weight_decay,
        threads,
        ..Settings::default()
    };
    // Evenly in time, and the first steps.
    let record = (0..200).chain((0..=400).map(|k| k * budget / 400)).filter(|&s| s <= budget).collect();
    let plan = Plan { budget, record: Some(record), check: 0, ..Plan::default() };
    kept.train(&net, &split, &settings, &plan, &theta)
}

/// The step that fits 99% of the training pairs.
fn fits(curve: &Curve) -> f64 {
    curve.first(|r| r.train_accuracy > 0.99)
}

/// The step at which the test accuracy passes `part` after the net has fitted: it may be met by chance at the start.
fn passes(curve: &Curve, part: f64) -> f64 {
    let fits = fits(curve);
    curve.first(|r| r.step as f64 >= fits && r.test_accuracy >= part)
}

fn settings(task: Task, setups: &[Setup]) -> serde_json::Value {
    json!({
        "task": task, "runs": setups, "optimizer": "gd", "loss": "cross-entropy", "seed": 0,
        "published": {"symbols": 97, "fraction": 0.4, "hidden": 1024, "step_size": 0.002, "weight_decay": 1e-4,
                      "budget": 100_000_000_u64},
    })
}

/// Steps to so much of ηλ·step.
fn steps(task: Task, weight_decay: f64, time: f64) -> u64 {
    (time / (task.step_size * weight_decay)).round() as u64
}

pub fn figure_2a(options: &Options) -> Result<Produced, Failure> {
    let task = task(options);
    let weight_decay = task.weight_decay;
    let time = if options.full { 8.0 } else { 20.0 };
    let setup = Setup { scale: 1.0, zero_last: false, weight_decay, budget: steps(task, weight_decay, time) };
    let curves = runs(options, task, &[setup])?;
    let curve = &curves[0];
    let fits = fits(curve);
    let peak = curve.0.iter().map(norm).fold(0.0, f64::max);
    let half = passes(curve, 0.5);
    let early = |r: &&Row| r.step as f64 >= fits && r.step as f64 <= 3.0 * fits;
    let early = curve.0.iter().filter(early).map(test_accuracy).fold(0.0, f64::max);
    let Task { symbols, fraction, hidden, step_size, .. } = task;
    Ok(Produced {
        figure: Figure {
            title: "Modular addition under gradient descent with weight decay".into(),
            panels: vec![
                Panel {
                    title: format!(
                        "p = {symbols}, {:.0}% of the pairs, {hidden} hidden units",
                        100.0 * fraction
                    ),
                    x: axis("step", Scale::Log),
                    y: axis("accuracy", Scale::Linear),
                    curves: vec![
                        line("training", curve.over_steps(train_accuracy), Color::Blue),
                        line("test", curve.over_steps(test_accuracy), Color::Vermillion),
                    ],
                    markers: vec![],
                },
                Panel {
                    title: "norm of the parameters".into(),
                    x: axis("step", Scale::Log),
                    y: axis("‖θ‖₂", Scale::Linear),
                    curves: vec![line("", curve.over_steps(norm), Color::Black)],
                    markers: vec![],
                },
            ],
            columns: 2,
            caption: None,
        },
        heading: HEADING.to_vec(),
        rows: curve.table("1"),
        settings: settings(task, &[setup]),
        checks: vec![
            Check::new(
                "highest test accuracy until three times the step that fits",
                "0",
                early,
                at_most(0.1, "none: 10%, chance included"),
            ),
            Check::new(
                "ηλ·step with test accuracy 0.5",
                "3.87 (p = 97)",
                half * step_size * weight_decay,
                between(3.1, 4.7, "a fifth, for the seed"),
            )
            .comparable_if(options.full, "p = 23 instead of 97: another problem's number"),
            Check::new(
                "steps to test accuracy 0.5 over steps to training accuracy 0.99",
                "29 (p = 97)",
                half / fits,
                between(23.0, 35.0, "a fifth, for the seed"),
            )
            .comparable_if(options.full, "p = 23 instead of 97: another problem's number"),
            Check::new(
                "peak of ‖θ‖ over its end",
                "1.38 (113.3/82.1)",
                peak / norm(curve.last()),
                between(1.24, 1.52, "a tenth, for the seed"),
            )
            .comparable_if(options.full, "p = 23 instead of 97: another problem's number"),
        ],
    })
}

pub fn figure_2b(options: &Options) -> Result<Produced, Failure> {
    let task = task(options);
    let Task { symbols, step_size, weight_decay, .. } = task;
    let scales = [1.0, 10.0, 100.0];
    let budget = steps(task, weight_decay, if options.full { 10.0 } else { 20.0 });
    let setups = scales.map(|scale| Setup { scale, zero_last: true, weight_decay, budget });
    let runs = runs(options, task, &setups)?;
    let colors = [Color::Blue, Color::Green, Color::Vermillion];
    let panel = |title: &str, what: fn(&Row) -> f64, label: &str, scale: Scale| Panel {
        title: title.into(),
        x: axis("ηλ·step", Scale::Linear),
        y: axis(label, scale),
        curves: runs
            .iter()
            .zip(scales)
            .zip(colors)
            .map(|((curve, scale), color)| {
                let points = curve.over_steps(what).into_iter();
                let points = points.map(|(step, y)| (step * step_size * weight_decay, y)).collect();
                line(format!("initialisation × {scale}"), points, color)
            })
            .collect(),
        markers: vec![],
    };
    let half: Vec<f64> = runs.iter().map(|r| passes(r, 0.5) * step_size * weight_decay).collect();
    let ends: Vec<f64> = runs.iter().map(|r| norm(r.last())).collect();
    let spread =
        ends.iter().copied().fold(0.0, f64::max) / ends.iter().copied().fold(f64::INFINITY, f64::min);
    Ok(Produced {
        figure: Figure {
            title: "A larger initialisation postpones the transition by its logarithm".into(),
            panels: vec![
                panel("test accuracy", test_accuracy, "accuracy", Scale::Linear),
                panel("norm of the parameters", norm, "‖θ‖₂", Scale::Log),
            ],
            columns: 2,
            caption: Some(format!("p = {symbols}, second layer zero at the start.")),
        },
        heading: HEADING.to_vec(),
        rows: runs.iter().zip(scales).flat_map(|(r, scale)| r.table(&format!("× {scale}"))).collect(),
        settings: settings(task, &setups),
        checks: vec![
            Check::new(
                "shift of ηλ·step with test accuracy 0.5, × 10 to × 100",
                "2.317 (ln 10 = 2.303)",
                half[2] - half[1],
                between(2.0, 2.6, "ln 10, to an eighth: the next order is 1/ln of the scale"),
            ),
            Check::new(
                "the same, × 1 to × 10",
                "1.255: not yet large",
                half[1] - half[0],
                at_most(2.0, "not yet large: clearly below ln 10"),
            ),
            Check::new(
                "steps to training accuracy 0.99, × 1 over × 10",
                "16",
                fits(&runs[0]) / fits(&runs[1]),
                between(12.8, 19.2, "a fifth, for the seed"),
            )
            .comparable_if(options.full, "p = 23 instead of 97: another problem's number"),
            Check::new(
                "largest over smallest ‖θ‖ at the end",
                "1.0",
                spread,
                between(1.0, 1.05, "two digits are printed"),
            ),
        ],
    })
}

/// λ and the last ηλ·step.
const DECAYS: [(f64, f64); 4] = [(3e-4, 12.0), (1e-3, 12.0), (3e-3, 15.0), (3e-2, 30.0)];
const FULL_DECAYS: [(f64, f64); 4] = [(1e-4, 8.0), (3e-4, 9.0), (1e-3, 12.0), (3e-3, 15.0)];

pub fn figure_2c(options: &Options) -> Result<Produced, Failure> {
    let task = task(options);
    let decays = if options.full { FULL_DECAYS } else { DECAYS };
    let setups = decays.map(|(weight_decay, time)| Setup {
        scale: 10.0,
        zero_last: true,
        weight_decay,
        budget: steps(task, weight_decay, time),
    });
    let runs = runs(options, task, &setups)?;
    let panel = |title: &str, what: fn(&Row) -> f64| Panel {
        title: title.into(),
        x: axis("step", Scale::Log),
        y: axis("accuracy", Scale::Linear),
        curves: runs
            .iter()
            .zip(decays)
            .enumerate()
            .map(|(k, (curve, (decay, _)))| {
                line(format!("λ = {decay}"), curve.over_steps(what), Color::nth(k))
            })
            .collect(),
        markers: vec![],
    };
    let half: Vec<f64> =
        runs.iter().zip(decays).map(|(r, (decay, _))| passes(r, 0.5) * task.step_size * decay).collect();
    let ends: Vec<f64> = runs.iter().map(|r| norm(r.last())).collect();
    Ok(Produced {
        figure: Figure {
            title: "Modular addition under four weight decays".into(),
            panels: vec![panel("test accuracy", test_accuracy), panel("training accuracy", train_accuracy)],
            columns: 2,
            caption: Some(format!(
                "p = {}, initialisation × 10, second layer zero at the start.",
                task.symbols
            )),
        },
        heading: HEADING.to_vec(),
        rows: runs.iter().zip(decays).flat_map(|(r, (decay, _))| r.table(&format!("λ = {decay}"))).collect(),
        settings: settings(task, &setups),
        checks: vec![
            Check::new(
                "ηλ·step with test accuracy 0.5, second λ over first",
                "5.55/5.05 = 1.10 (3·10⁻⁴ over 10⁻⁴)",
                half[1] / half[0],
                between(1.05, 1.15, "three digits are printed; 5% for the seed"),
            )
            .comparable_if(options.full, "p = 23 instead of 97: another problem's number"),
            Check::new(
                "the same, third over second",
                "7.40/5.55 = 1.33",
                half[2] / half[1],
                between(1.26, 1.40, "three digits are printed; 5% for the seed"),
            )
            .comparable_if(options.full, "p = 23 instead of 97: another problem's number"),
            Check::new(
                "‖θ‖ at the end, second over first λ",
                "73.9/81.8 = 0.90",
                ends[1] / ends[0],
                between(0.85, 0.95, "two digits are printed; 5% for the seed"),
            )
            .comparable_if(options.full, "p = 23 instead of 97: another problem's number"),
            Check::new(
                "training accuracy at the end under the largest λ",
                "1.4%: it collapses",
                train_accuracy(runs[3].last()),
                at_most(0.1, "collapses: a tenth, chance included"),
            ),
        ],
    })
}
