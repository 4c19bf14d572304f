//! Phase diagrams of the toy model, figures 6a to 6d of arXiv 2205.10343: 13 × 13 and 16 × 11 cells of 10⁵ steps, or
//! 7 × 7 of 10⁴.

use std::ops::ControlFlow;

use groktime::grokking::{Phase, PhaseRule};
use groktime::network::tasks::{self, Answer, Split};
use groktime::network::{
    Activation, Bias, Combine, Criterion, Embedding, End, Group, Init, Law, Net, Part, Plan, Settings,
    replay, train,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::output::{Failure, exact};
use crate::plot::{Axis, Color, Curve, Figure, Panel, Scale, Style};
use crate::reproduce::{Check, Options, Produced, between, yes};

/// Cells of a diagram, and steps of each.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Size {
    pub columns: usize,
    pub rows: usize,
    pub budget: u64,
}

const REDUCED: Size = Size { columns: 7, rows: 7, budget: 10_000 };

/// One run.
#[derive(Serialize, Deserialize)]
pub(super) struct Cell {
    /// Coordinates in the diagram.
    pub at: (f64, f64),
    fits: Option<u64>,
    generalises: Option<u64>,
    blew_up: bool,
    budget: u64,
}

impl Cell {
    pub fn phase(&self) -> Phase {
        // Thresholds have been applied; the delay is the same in all diagrams.
        PhaseRule::default().phase(self.fits, self.generalises, self.budget)
    }
}

/// What is learned.
#[derive(Clone, Copy)]
enum Task {
    /// Addition of ten numbers with random templates as labels, from the authors' seed.
    Regression,
    /// The same with one output a label.
    Classification,
    /// Products in S3 with random templates.
    Group,
}

impl Task {
    /// Net, samples, θ(0) and loss.
    fn start(self) -> groktime::Result<(Net, Split, Vec<f64>, Criterion)> {
        const SEED: u64 = 58;
        let net =
            |embedding, widths: &[usize]| Net::with_embedding(embedding, widths, Activation::Tanh, Bias::All);
        let init = |embedding| Init { law: Law::Torch, embedding, ..Init::default() };
        Ok(match self {
            Task::Regression => {
                let (net, split, theta) = replay::toy(10, 45, SEED as u32)?;
                (net, split, theta, Criterion::Squared)
            }
            Task::Classification => {
                let net = net(Embedding { symbols: 10, combine: Combine::Sum }, &[1, 200, 200, 19])?;
                let theta = net.init(&init(1.0), SEED)?;
                let split = tasks::addition(10, 45, Answer::Classes, SEED)?;
                (net, split, theta, Criterion::CrossEntropy)
            }
            Task::Group => {
                let net = net(Embedding { symbols: 6, combine: Combine::Product }, &[9, 200, 200, 30])?;
                let theta = net.init(&init(0.1), SEED)?;
                (net, tasks::s3(24, Answer::Templates { outputs: 30 }, SEED)?, theta, Criterion::Squared)
            }
        })
    }
}

/// Rates of embeddings and decoder, decay of the decoder.
fn cell(
    task: Task,
    at: (f64, f64),
    embeddings: f64,
    decoder: f64,
    weight_decay: f64,
    budget: u64,
) -> groktime::Result<Cell> {
    let (net, split, theta, criterion) = task.start()?;
    let settings = Settings {
        criterion,
        step_size: decoder,
        weight_decay,
        groups: vec![Group { part: Part::Embedding, step_size: embeddings, weight_decay: 0.0 }],
        ..Settings::default()
    };
    trained(at, &net, &split, &settings, &theta, Plan { budget, ..Plan::default() })
}

/// Trains until the phase is decided.
pub(super) fn trained(
    at: (f64, f64),
    net: &Net,
    split: &Split,
    settings: &Settings,
    theta: &[f64],
    plan: Plan,
) -> groktime::Result<Cell> {
    let plan = Plan { record: Some(vec![]), stop_when_decided: true, ..plan };
    let go = |_: &groktime::network::Record| ControlFlow::Continue(());
    let curves = train(net, &split.train, Some(&split.test), settings, &plan, theta, go)?;
    Ok(Cell {
        at,
        fits: curves.train_step,
        generalises: curves.test_step,
        blew_up: matches!(curves.end, End::BlewUp { .. }),
        budget: plan.budget,
    })
}

/// So many values from one to the other, evenly on a logarithmic axis.
pub(super) fn spread(from: f64, to: f64, cells: usize) -> Vec<f64> {
    let part = |k: usize| k as f64 / (cells - 1) as f64;
    (0..cells).map(|k| from * (to / from).powf(part(k))).collect()
}

/// The range of an axis whose tiles are centred on such values.
pub(super) fn range(from: f64, to: f64, cells: usize) -> (f64, f64) {
    let half = (to / from).powf(0.5 / (cells - 1) as f64);
    (from / half, to * half)
}

fn tiles(cells: &[Cell], size: Size, of: Phase, color: Color) -> Curve {
    let points = cells.iter().filter(|c| c.phase() == of).map(|c| c.at).collect();
    let style = Style::Tiles { columns: size.columns as u16, rows: size.rows as u16 };
    Curve { name: of.name().into(), points, style, color, band: None }
}

pub(super) fn panel(title: &str, cells: &[Cell], size: Size, x: Axis, y: Axis) -> Panel {
    let phases = [
        (Phase::Comprehension, Color::Sky),
        (Phase::Grokking, Color::Orange),
        (Phase::Memorization, Color::Purple),
        (Phase::Confusion, Color::Black),
    ];
    // A phase without cells has no place in the legend.
    let curves = phases.map(|(phase, color)| tiles(cells, size, phase, color)).into_iter();
    Panel {
        title: title.into(),
        x,
        y,
        curves: curves.filter(|c| !c.points.is_empty()).collect(),
        markers: vec![],
    }
}

pub(super) fn rows(cells: &[Cell]) -> Vec<Vec<String>> {
    let step = |s: Option<u64>| s.map_or(String::new(), |s| s.to_string());
    let row = |c: &Cell| {
        let name = if c.blew_up { "blew-up" } else { c.phase().name() };
        vec![exact(c.at.0), exact(c.at.1), name.into(), step(c.fits), step(c.generalises)]
    };
    cells.iter().map(row).collect()
}

/// Part of the cells in a phase.
fn share(cells: &[Cell], phase: Phase) -> f64 {
    cells.iter().filter(|c| c.phase() == phase).count() as f64 / cells.len() as f64
}

/// All cells, by columns; `settings` is what they depend on besides the grid.
pub(super) fn diagram(
    options: &Options,
    settings: &serde_json::Value,
    columns: &[f64],
    lines: &[f64],
    run: impl Fn(f64, f64) -> groktime::Result<Cell> + Sync,
) -> Result<Vec<Cell>, Failure> {
    let at = |k: usize| (columns[k / lines.len()], lines[k % lines.len()]);
    options.points(&(settings, columns, lines), columns.len() * lines.len(), |k| run(at(k).0, at(k).1))
}

/// The size of a figure whose published one is given.
fn size(options: &Options, published: [usize; 2]) -> Size {
    match options.full {
        true => Size { columns: published[0], rows: published[1], budget: 100_000 },
        false => REDUCED,
    }
}

/// "in 10⁴ steps"; what the published number was counted in.
fn steps(size: Size) -> &'static str {
    if size.budget == REDUCED.budget { "10⁴ steps" } else { "10⁵ steps" }
}

pub fn figure_6a(options: &Options) -> Result<Produced, Failure> {
    let size = size(options, [13, 13]);
    let rates = spread(1e-5, 1e-2, size.columns);
    let cells = diagram(options, &json!(["6a", size]), &rates, &rates, |x, y| {
        cell(Task::Regression, (x, y), x, y, 0.0, size.budget)
    })?;
    let shown = Some(range(1e-5, 1e-2, size.columns));
    let axis = |label: &str| Axis { label: label.into(), scale: Scale::Log, range: shown };
    // Comprehension needs embeddings that are faster than the decoder.
    let slower = cells.iter().filter(|c| c.phase() == Phase::Comprehension && c.at.0 < 2.0 * c.at.1).count();
    let late = cells.iter().filter(|c| c.phase() == Phase::Grokking && c.at.1 > 1.1e-4).count();
    let fastest = cells.iter().filter_map(|c| c.generalises).min();
    Ok(Produced {
        figure: Figure {
            title: "Phases of the toy model: addition, regression".into(),
            panels: vec![panel(
                &format!("45 of 55 pairs, no weight decay, {}", steps(size)),
                &cells,
                size,
                axis("learning rate of the embeddings"),
                axis("learning rate of the decoder"),
            )],
            columns: 1,
            caption: None,
        },
        heading: vec!["embedding_step_size", "decoder_step_size", "phase", "train_step", "test_step"],
        rows: rows(&cells),
        settings: json!({
            "cells": [size.columns, size.rows], "published_cells": [13, 13], "budget": size.budget,
            "published_budget": 100_000, "seed": 58, "samples": 45, "optimizer": "adamw", "thresholds": 0.9,
            "delay": 1000,
        }),
        checks: vec![
            Check::new(
                "share of memorization",
                "109 of 169 (0.645; in 10⁵ steps)",
                share(&cells, Phase::Memorization),
                between(0.545, 0.745, "a tenth to each side: the cells at the edge of the phase"),
            )
            .comparable_if(options.full, "a grid of 49 cells and 10⁴ steps instead of 10⁵: another share"),
            Check::new(
                "comprehension with embeddings less than twice as fast as the decoder",
                "none: they must be 3 to 6 times as fast",
                slower as f64,
                between(0.0, 0.0, "none"),
            ),
            Check::new(
                "grokking with a decoder rate above 10⁻⁴",
                "none",
                late as f64,
                between(0.0, 0.0, "none"),
            ),
            Check::new(
                "fastest step with test accuracy 0.9",
                "150",
                fastest.map_or(f64::NAN, |s| s as f64),
                between(100.0, 225.0, "within a factor of 1.5, the ratio of neighbouring rates"),
            )
            .comparable_if(options.full, "a grid of 49 cells and 10⁴ steps instead of 10⁵: another share"),
        ],
    })
}

/// A diagram over the decoder's learning rate and weight decay, embeddings at 10⁻³.
struct OverDecay {
    task: Task,
    title: &'static str,
    samples: &'static str,
    /// Published decays, and the seven of the reduced diagram.
    decays: [f64; 11],
    reduced: [f64; 7],
    /// Published numbers of cells: comprehension, grokking, memorization, confusion.
    published: [u32; 4],
}

impl OverDecay {
    fn make(self, options: &Options) -> Result<Produced, Failure> {
        let size = size(options, [16, 11]);
        let decays: &[f64] = if options.full { &self.decays } else { &self.reduced };
        let rates = spread(1e-5, 1e-2, size.columns);
        // Tiles are of equal height: decays are shown by their place.
        let places: Vec<f64> = (0..size.rows).map(|k| k as f64).collect();
        let cells = diagram(options, &json!([self.title, size, decays]), &rates, &places, |x, place| {
            cell(self.task, (x, place), 1e-3, x, decays[place as usize], size.budget)
        })?;
        let x = Axis {
            label: "learning rate of the decoder".into(),
            scale: Scale::Log,
            range: Some(range(1e-5, 1e-2, size.columns)),
        };
        let listed: Vec<String> = decays.iter().map(f64::to_string).collect();
        let y = Axis {
            label: "weight decay of the decoder (line)".into(),
            scale: Scale::Linear,
            range: Some((-0.5, size.rows as f64 - 0.5)),
        };
        let all: u32 = self.published.iter().sum();
        let published = |k: usize| f64::from(self.published[k]) / f64::from(all);
        let said = |k: usize| format!("{} of {all} ({:.2}; in 10⁵ steps)", self.published[k], published(k));
        let top = size.rows - 1;
        let corner = |wanted: Phase, x: f64, place: usize| {
            let found = cells.iter().find(|c| (c.at.0 / x).ln().abs() < 1e-6 && c.at.1 as usize == place);
            f64::from(u8::from(found.is_some_and(|c| c.phase() == wanted)))
        };
        let memorization = share(&cells, Phase::Memorization);
        Ok(Produced {
            figure: Figure {
                title: self.title.into(),
                panels: vec![panel(
                    &format!("{}, embeddings at 10⁻³, {}", self.samples, steps(size)),
                    &cells,
                    size,
                    x,
                    y,
                )],
                columns: 1,
                caption: Some(format!("Weight decay on the lines 0 to {top}: {}.", listed.join(", "))),
            },
            heading: vec!["decoder_step_size", "weight_decay", "phase", "train_step", "test_step"],
            rows: rows(&cells)
                .into_iter()
                .zip(&cells)
                .map(|(mut row, cell)| {
                    row[1] = exact(decays[cell.at.1 as usize]);
                    row
                })
                .collect(),
            settings: json!({
                "cells": [size.columns, size.rows], "published_cells": [16, 11], "budget": size.budget,
                "published_budget": 100_000, "seed": 58, "optimizer": "adamw", "thresholds": 0.9, "delay": 1000,
                "embedding_step_size": 1e-3,
            }),
            checks: vec![
                Check::new(
                    format!("confusion at decoder rate 10⁻² and decay {} (1: yes)", decays[top]),
                    "confusion in that corner",
                    corner(Phase::Confusion, 1e-2, top),
                    yes(),
                ),
                Check::new(
                    "memorization at decoder rate 10⁻² without decay (1: yes)",
                    "memorization in that corner",
                    corner(Phase::Memorization, 1e-2, 0),
                    yes(),
                ),
                Check::new(
                    "share of memorization",
                    said(2),
                    memorization,
                    between(
                        published(2) - 0.1,
                        published(2) + 0.1,
                        "a tenth to each side: the cells at the edge of the phase",
                    ),
                )
                .comparable_if(
                    options.full,
                    "a grid of 49 cells and 10⁴ steps instead of 10⁵: another share",
                ),
                Check::new(
                    "share of comprehension",
                    said(0),
                    share(&cells, Phase::Comprehension),
                    between(
                        published(0) - 0.1,
                        published(0) + 0.1,
                        "a tenth to each side: the cells at the edge of the phase",
                    ),
                )
                .comparable_if(
                    options.full,
                    "a grid of 49 cells and 10⁴ steps instead of 10⁵: another share",
                ),
            ],
        })
    }
}

pub fn figure_6b(options: &Options) -> Result<Produced, Failure> {
    OverDecay {
        task: Task::Regression,
        title: "Phases of the toy model: addition, regression",
        samples: "45 of 55 pairs",
        decays: [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0],
        reduced: [0.0, 1.0, 2.0, 4.0, 6.0, 8.0, 10.0],
        published: [17, 60, 60, 39],
    }
    .make(options)
}

pub fn figure_6c(options: &Options) -> Result<Produced, Failure> {
    OverDecay {
        task: Task::Classification,
        title: "Phases of the toy model: addition, classification",
        samples: "45 of 55 pairs",
        decays: [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 18.0, 20.0],
        reduced: [0.0, 2.0, 4.0, 8.0, 12.0, 16.0, 20.0],
        published: [30, 85, 50, 11],
    }
    .make(options)
}

pub fn figure_6d(options: &Options) -> Result<Produced, Failure> {
    OverDecay {
        task: Task::Group,
        title: "Phases of the toy model: the group S3, regression",
        samples: "24 of 36 pairs",
        decays: [0.0, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 50.0, 100.0, 200.0],
        reduced: [0.0, 2.0, 5.0, 20.0, 50.0, 100.0, 200.0],
        published: [73, 31, 62, 10],
    }
    .make(options)
}
