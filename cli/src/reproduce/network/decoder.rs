//! What else moves the phases of the toy model, figures 13 to 15 of arXiv 2205.10343: the batch, the scale of the
//! initial embeddings and their weight decay, each against the decoder's learning rate. Five by five cells
//! of 10⁴ steps, or nine by five of 10⁵.

use groktime::grokking::Phase;
use groktime::network::{Criterion, Drawing, Group, Part, Plan, Settings, replay};
use serde_json::json;

use super::phases::{Cell, Size, diagram, panel, range, rows, spread, trained};
use crate::output::Failure;
use crate::plot::{Axis, Figure, Scale};
use crate::reproduce::{Check, Options, Produced, at_least, at_most, yes};

const CELLS: usize = 5;

fn size(options: &Options) -> Size {
    match options.full {
        true => Size { columns: 9, rows: CELLS, budget: 100_000 },
        false => Size { columns: CELLS, rows: CELLS, budget: 10_000 },
    }
}

const SEED: u32 = 58;
const BATCHES: [usize; CELLS] = [5, 10, 20, 30, 45];
const SCALES: [f64; CELLS] = [0.1, 0.3, 1.0, 3.0, 10.0];
const DECAYS: [f64; CELLS] = [0.0, 0.1, 0.3, 1.0, 3.0];

/// What a line of a diagram is about.
#[derive(Clone, Copy)]
enum Line {
    Batch(usize),
    Scale(f64),
    Decay(f64),
}

fn cell(at: (f64, f64), decoder: f64, line: Line, budget: u64) -> groktime::Result<Cell> {
    let (net, split, mut theta) = replay::toy(10, 45, SEED)?;
    let mut embeddings = Group { part: Part::Embedding, step_size: 1e-3, weight_decay: 0.0 };
    let mut settings = Settings { criterion: Criterion::Squared, step_size: decoder, ..Settings::default() };
    match line {
        Line::Batch(size) => (settings.batch, settings.drawing) = (Some(size), Drawing::Subsets),
        Line::Scale(scale) => theta[net.table()].iter_mut().for_each(|e| *e *= scale),
        Line::Decay(decay) => embeddings.weight_decay = decay,
    }
    settings.groups = vec![embeddings];
    trained(at, &net, &split, &settings, &theta, Plan { budget, ..Plan::default() })
}

/// One diagram; lines are drawn at 0, 1, …
fn cells(options: &Options, name: &str, line: impl Fn(usize) -> Line + Sync) -> Result<Vec<Cell>, Failure> {
    let places: Vec<f64> = (0..CELLS).map(|k| k as f64).collect();
    let size = size(options);
    let rates = spread(1e-4, 1e-2, size.columns);
    diagram(options, &json!([name, size]), &rates, &places, |x, y| {
        cell((x, y), x, line(y as usize), size.budget)
    })
}

pub fn figure_13(options: &Options) -> Result<Produced, Failure> {
    let size = size(options);
    let batches = cells(options, "batch", |k| Line::Batch(BATCHES[k]))?;
    let scales = cells(options, "scale", |k| Line::Scale(SCALES[k]))?;
    let decays = cells(options, "decay", |k| Line::Decay(DECAYS[k]))?;
    let shown = |title: &str, label: String, cells: &[Cell]| {
        let x = Axis {
            label: "learning rate of the decoder".into(),
            scale: Scale::Log,
            range: Some(range(1e-4, 1e-2, size.columns)),
        };
        let y = Axis { label, scale: Scale::Linear, range: Some((-0.5, CELLS as f64 - 0.5)) };
        panel(title, cells, size, x, y)
    };
    let listed = |values: &[f64]| values.iter().map(f64::to_string).collect::<Vec<_>>().join(", ");
    let on = |cells: &[Cell], keep: &dyn Fn(usize) -> bool, phase: Phase| {
        let kept: Vec<&Cell> = cells.iter().filter(|c| keep(c.at.1 as usize)).collect();
        kept.iter().filter(|c| c.phase() == phase).count() as f64
    };
    let largest_batch = BATCHES.map(|b| b as f64);
    let slow = |keep: &dyn Fn(usize) -> bool| {
        let kept = batches.iter().filter(|c| c.at.0 < 1.1e-4 && keep(BATCHES[c.at.1 as usize]));
        kept.filter(|c| c.phase() == Phase::Comprehension).count()
    };
    // Phases that differ from those without decay.
    let changed = decays
        .iter()
        .filter(|c| {
            let without = decays.iter().find(|d| d.at.0 == c.at.0 && d.at.1 == 0.0);
            c.at.1 > 0.0 && without.is_some_and(|d| d.phase() != c.phase())
        })
        .count() as f64
        / (decays.len() - size.columns) as f64;
    let all = [("batch", &batches), ("embedding_scale", &scales), ("embedding_decay", &decays)];
    let rows = all.iter().flat_map(|(name, cells)| {
        rows(cells).into_iter().zip(cells.iter()).map(|(mut row, cell)| {
            let k = cell.at.1 as usize;
            row[1] = match *name {
                "batch" => BATCHES[k].to_string(),
                "embedding_scale" => SCALES[k].to_string(),
                _ => DECAYS[k].to_string(),
            };
            row.insert(0, (*name).to_owned());
            row
        })
    });
    let comprehension = Phase::Comprehension;
    Ok(Produced {
        figure: Figure {
            title: "Batch, initial scale and decay of the embeddings".into(),
            panels: vec![
                shown("batch", format!("batch: {}", listed(&largest_batch)), &batches),
                shown("initial scale", format!("scale: {}", listed(&SCALES)), &scales),
                shown("decay of the embeddings", format!("decay: {}", listed(&DECAYS)), &decays),
            ],
            columns: 3,
            caption: Some("45 of 55 pairs, seed 58, embeddings at 10⁻³; lines from below.".into()),
        },
        heading: vec!["varied", "decoder_step_size", "value", "phase", "train_step", "test_step"],
        rows: rows.collect(),
        settings: json!({
            "cells": [size.columns, size.rows], "budget": size.budget, "published_budget": 100_000, "seed": SEED, "samples": 45,
            "optimizer": "adamw", "embedding_step_size": 1e-3, "batches": BATCHES, "scales": SCALES, "decays": DECAYS,
        }),
        checks: vec![
            Check::new(
                "at decoder rate 10⁻⁴ the full batch comprehends, batches up to 20 do not (1: yes)",
                "large batches and small rates comprehend",
                f64::from(u8::from(slow(&|b| b == 45) == 1 && slow(&|b| b <= 20) == 0)),
                yes(),
            ),
            Check::new(
                "cells of comprehension, two smallest scales less two largest",
                "small scales comprehend",
                on(&scales, &|k| k < 2, comprehension) - on(&scales, &|k| k >= 3, comprehension),
                at_least(1.0, "more of them"),
            ),
            Check::new(
                "share of cells that decay of the embeddings changes",
                "it is irrelevant",
                changed,
                at_most(0.1, "one cell in ten: cells at the edge of a phase fall to either side"),
            ),
        ],
    })
}
