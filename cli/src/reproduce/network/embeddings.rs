//! What toy nets make of their embeddings: figure 2 of arXiv 2205.10343, and the net that other figures share. Settings
//! that the paper does not give are ours.

use std::f64::consts::TAU;

use groktime::data::components::principal_components;
use groktime::effective::Task;
use groktime::network::tasks::{Answer, Split, composition, split};
use groktime::network::{
    Activation, Bias, Combine, Embedding, Group, Init, Law, Net, Part, Sample, Settings, Training,
};
use ndarray::{Array2, Axis as Dimension};
use rayon::prelude::*;
use serde_json::json;

use super::{axis, line};
use crate::output::{Failure, exact};
use crate::plot::{Color, Curve, Figure, Panel, Scale, Style};
use crate::reproduce::{Check, Produced, at_most, between};

pub(super) const OUTPUTS: usize = 30;

/// A decoder of two hidden layers over embeddings.
pub(super) struct Toy {
    pub net: Net,
    pub theta: Vec<f64>,
}

impl Toy {
    /// Embeddings of some length, uniform on ±`scale`/2.
    pub fn new(embedding: Embedding, length: usize, scale: f64, seed: u64) -> groktime::Result<Toy> {
        let net = Net::with_embedding(embedding, &[length, 200, 200, OUTPUTS], Activation::Tanh, Bias::All)?;
        let theta = net.init(&Init { law: Law::Torch, embedding: scale, ..Init::default() }, seed)?;
        Ok(Toy { net, theta })
    }

    /// The embeddings after some steps, and the accuracy on a sample.
    pub fn after(
        &self,
        steps: u64,
        train: &Sample,
        test: Option<&Sample>,
        settings: &Settings,
    ) -> groktime::Result<(Array2<f64>, f64)> {
        let mut training = Training::new(&self.net, train, settings, &self.theta)?;
        (0..steps).for_each(|_| {
            training.step();
        });
        let theta = training.parameters();
        let accuracy = match test {
            Some(test) => self.net.evaluate(&theta, test, settings.criterion)?.accuracy,
            None => f64::NAN,
        };
        Ok((training.embeddings().unwrap_or_default(), accuracy))
    }
}

/// Rates of the embeddings and of the decoder, and its decay.
pub(super) fn settings(embeddings: f64, decoder: f64, weight_decay: f64) -> Settings {
    Settings {
        step_size: decoder,
        weight_decay,
        groups: vec![Group { part: Part::Embedding, step_size: embeddings, weight_decay: 0.0 }],
        ..Settings::default()
    }
}

const SYMBOLS: usize = 11;
const STEPS_2: u64 = 5000;
const SEEDS_2: u64 = 8;

/// A task of figure 2 with settings under which some runs generalise.
struct Task2 {
    name: &'static str,
    task: Task,
    pairs: usize,
    scale: f64,
    settings: Settings,
    /// The published structure, between 0 and 1.
    structure: fn(&Array2<f64>) -> groktime::Result<f64>,
}

/// One panel of figure 2.
struct Plane {
    /// Symbols in the order in which a line joins them.
    order: Vec<usize>,
    embeddings: Array2<f64>,
    accuracy: f64,
    structure: f64,
}

/// Share of the embeddings' variance in the best single frequency k ≠ 0, and that k: 1 when E_a goes round an
/// ellipse as e^{2πi ka/p}.
fn circular(embeddings: &Array2<f64>) -> (f64, usize) {
    let p = embeddings.nrows();
    let mean = embeddings.mean_axis(Dimension(0)).unwrap_or_default();
    let power = |k: usize| -> f64 {
        let of = |column: ndarray::ArrayView1<'_, f64>, mean: f64| {
            let (mut real, mut imaginary) = (0.0, 0.0);
            for (a, x) in column.iter().enumerate() {
                let angle = TAU * (k * a % p) as f64 / p as f64;
                real += (x - mean) * angle.cos();
                imaginary += (x - mean) * angle.sin();
            }
            real * real + imaginary * imaginary
        };
        embeddings.columns().into_iter().zip(&mean).map(|(column, &m)| of(column, m)).sum()
    };
    let powers: Vec<f64> = (1..=p / 2).map(power).collect();
    let total: f64 = powers.iter().sum();
    let best = (0..powers.len()).max_by(|&a, &b| powers[a].total_cmp(&powers[b])).unwrap_or(0);
    (powers[best] / total, best + 1)
}

/// Share of the variance along the first principal component that a straight line in the order of the symbols
/// explains.
fn linear(embeddings: &Array2<f64>) -> groktime::Result<f64> {
    let (directions, shares) = principal_components(embeddings.view())?;
    let along = embeddings.dot(&directions.column(0));
    let (mean, middle) = (along.sum() / along.len() as f64, (along.len() - 1) as f64 / 2.0);
    let both: f64 = along.iter().enumerate().map(|(a, x)| (x - mean) * (a as f64 - middle)).sum();
    let square: f64 = along.iter().map(|x| (x - mean) * (x - mean)).sum();
    let places: f64 = (0..along.len()).map(|a| (a as f64 - middle).powi(2)).sum();
    Ok(shares[0] * both * both / (square * places))
}

impl Task2 {
    fn run(&self, settings: &Settings, seed: u64) -> groktime::Result<Plane> {
        let all = composition(&self.task, Answer::Templates { outputs: OUTPUTS }, seed)?;
        let Split { train, test } = split(&all, self.pairs, seed)?;
        let toy = Toy::new(Embedding { symbols: SYMBOLS, combine: Combine::Sum }, 2, self.scale, seed)?;
        let (embeddings, accuracy) = toy.after(STEPS_2, &train, Some(&test), settings)?;
        let structure = (self.structure)(&embeddings)?;
        Ok(Plane { order: self.order(&embeddings), embeddings, accuracy, structure })
    }

    /// Neighbours on a circle differ by the inverse of its frequency.
    fn order(&self, embeddings: &Array2<f64>) -> Vec<usize> {
        if !self.task.is_modular() {
            return (0..SYMBOLS).collect();
        }
        let (_, k) = circular(embeddings);
        let inverse = (1..SYMBOLS).find(|i| i * k % SYMBOLS == 1).unwrap_or(1);
        (0..=SYMBOLS).map(|i| i * inverse % SYMBOLS).collect()
    }

    /// A run whose decoder is too fast for the embeddings to move, and of those that may generalise the one with most
    /// structure; how many of them have it.
    fn planes(&self) -> groktime::Result<(Vec<Plane>, usize)> {
        let memorised = self.run(&settings(1e-5, 1e-3, 0.0), 0)?;
        let mut runs = (0..SEEDS_2)
            .into_par_iter()
            .map(|seed| self.run(&self.settings, seed))
            .collect::<groktime::Result<Vec<_>>>()?;
        runs.sort_by(|a, b| b.structure.total_cmp(&a.structure));
        let clear = runs.iter().filter(|run| run.structure > 0.9).count();
        runs.truncate(1);
        runs.insert(0, memorised);
        Ok((runs, clear))
    }
}

pub fn figure_2() -> Result<Produced, Failure> {
    // Decay of the embeddings takes away the dimension that a line does not need.
    let mut on_a_line = settings(1e-2, 1e-4, 1.0);
    on_a_line.groups[0].weight_decay = 10.0;
    let tasks = [
        Task2 {
            name: "a + b",
            task: Task::addition(SYMBOLS)?,
            pairs: 60,
            scale: 1.0,
            settings: on_a_line,
            structure: linear,
        },
        Task2 {
            name: "a + b mod 11",
            task: Task::modular(SYMBOLS)?,
            pairs: 62,
            scale: 0.1,
            settings: settings(1e-3, 1e-4, 1.0),
            structure: |embeddings| Ok(circular(embeddings).0),
        },
    ];
    let runs = tasks.iter().map(Task2::planes).collect::<groktime::Result<Vec<_>>>()?;
    const KINDS: [&str; 2] = ["memorised", "generalised"];
    let shown = |task: &Task2, plane: &Plane, kind: &str, color| {
        let at = |&a: &usize| (plane.embeddings[(a, 0)], plane.embeddings[(a, 1)]);
        let points = line("", plane.order.iter().map(at).collect(), color);
        Panel {
            title: format!("{}, {kind}", task.name),
            x: axis("first coordinate", Scale::Linear),
            y: axis("second coordinate", Scale::Linear),
            curves: vec![Curve { style: Style::LineAndPoints, ..points }],
            markers: vec![],
        }
    };
    let (mut panels, mut rows) = (Vec::new(), Vec::new());
    for (k, (task, (planes, _))) in tasks.iter().zip(&runs).enumerate() {
        for (kind, plane) in KINDS.iter().zip(planes) {
            panels.push(shown(task, plane, kind, Color::nth(k)));
            rows.extend((0..SYMBOLS).map(|a| {
                let (x, y) = (plane.embeddings[(a, 0)], plane.embeddings[(a, 1)]);
                vec![task.name.to_owned(), (*kind).to_owned(), a.to_string(), exact(x), exact(y)]
            }));
        }
    }
    let [add, modular] = [&runs[0].0, &runs[1].0];
    let accuracy = add[1].accuracy.min(modular[1].accuracy);
    Ok(Produced {
        figure: Figure {
            title: "Embeddings of memorising and generalising nets".into(),
            panels,
            columns: 2,
            caption: Some(format!(
                "Lines join a and a + 1, or neighbours on the circle. Generalised: the clearest of {SEEDS_2} seeds; {} and \
                 {} of them have the structure.",
                runs[0].1, runs[1].1
            )),
        },
        heading: vec!["task", "kind", "symbol", "x", "y"],
        rows,
        settings: json!({
            "symbols": SYMBOLS, "steps": STEPS_2, "optimizer": "adamw", "seeds": SEEDS_2,
            "memorised": {"embeddings": 1e-5, "decoder": 1e-3, "weight_decay": 0},
            "a + b": {"samples": 60, "embeddings": 1e-2, "embedding_decay": 10, "decoder": 1e-4, "weight_decay": 1},
            "a + b mod 11": {"samples": 62, "embeddings": 1e-3, "embedding_scale": 0.1, "decoder": 1e-4, "weight_decay": 1},
        }),
        checks: vec![
            Check::new(
                "a + b, generalised: variance on a line in order",
                "a line",
                add[1].structure,
                between(0.9, 1.0, "nine tenths of the variance"),
            ),
            Check::new(
                "a + b, memorised: the same",
                "no structure",
                add[0].structure,
                at_most(0.6, "clearly below what a line has"),
            ),
            Check::new(
                "a + b mod 11, generalised: variance in one frequency",
                "a circle",
                modular[1].structure,
                between(0.9, 1.0, "nine tenths of the variance"),
            ),
            Check::new(
                "a + b mod 11, memorised: the same",
                "no structure",
                modular[0].structure,
                at_most(0.6, "clearly below what a circle has"),
            ),
            Check::new(
                "test accuracy of the generalised nets, lower one",
                "1",
                accuracy,
                between(0.9, 1.0, "at most one pair in ten wrong"),
            ),
        ],
    })
}
