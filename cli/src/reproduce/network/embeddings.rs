//! What toy nets make of their embeddings: figures 2, 11 and 17 of arXiv 2205.10343. Settings that the paper does
//! not give are ours.

use std::f64::consts::TAU;

use groktime::data::components::principal_components;
use groktime::effective::{Match, Normalisation, Task, normalised, rqi_of_products};
use groktime::network::tasks::{Answer, Split, composition, split};
use groktime::network::{
    Activation, Bias, Combine, Embedding, Group, Init, Law, Net, Part, Sample, Settings, Training,
};
use ndarray::{Array2, Axis as Dimension};
use rayon::prelude::*;
use serde_json::json;

use super::{axis, line};
use crate::output::{Failure, exact};
use crate::plot::{Axis, Color, Curve, Figure, Panel, Scale, Style};
use crate::reproduce::{Check, Produced};

const OUTPUTS: usize = 30;

/// A decoder of two hidden layers over embeddings.
struct Toy {
    net: Net,
    theta: Vec<f64>,
}

impl Toy {
    /// Embeddings of some length, uniform on ±`scale`/2.
    fn new(embedding: Embedding, length: usize, scale: f64, seed: u64) -> groktime::Result<Toy> {
        let net = Net::with_embedding(embedding, &[length, 200, 200, OUTPUTS], Activation::Tanh, Bias::All)?;
        let theta = net.init(&Init { law: Law::Torch, embedding: scale, ..Init::default() }, seed)?;
        Ok(Toy { net, theta })
    }

    /// The embeddings after some steps, and the accuracy on a sample.
    fn after(
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
fn settings(embeddings: f64, decoder: f64, weight_decay: f64) -> Settings {
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
                0.9,
                1.0,
            ),
            Check::new("a + b, memorised: the same", "no structure", add[0].structure, 0.0, 0.6),
            Check::new(
                "a + b mod 11, generalised: variance in one frequency",
                "a circle",
                modular[1].structure,
                0.9,
                1.0,
            ),
            Check::new("a + b mod 11, memorised: the same", "no structure", modular[0].structure, 0.0, 0.6),
            Check::new("test accuracy of the generalised nets, lower one", "1", accuracy, 0.9, 1.0),
        ],
    })
}

/// The samples of (21) on four symbols, and the parallelograms that they allow: E₀ + E₂ = 2E₁, E₀ + E₃ = E₁ + E₂,
/// E₁ + E₃ = 2E₂. Any two of them imply the third.
const SAMPLES_11: [[u32; 2]; 6] = [[0, 2], [0, 3], [1, 1], [1, 2], [1, 3], [2, 2]];
const ALLOWED_11: [[[usize; 2]; 2]; 3] = [[[0, 2], [1, 1]], [[0, 3], [1, 2]], [[1, 3], [2, 2]]];
const RUNS_11: u64 = 60;
const STEPS_11: u64 = 3000;

/// Which of the three parallelograms the trained embeddings have.
fn found(embeddings: &Array2<f64>) -> groktime::Result<[bool; 3]> {
    let shape = normalised(embeddings.view(), Normalisation::SymbolsLessOne)?;
    let Match::MeanSquare { delta } = Match::CODE else { return Ok([false; 3]) };
    let sum = |[a, b]: [usize; 2]| shape[(a, 0)] + shape[(b, 0)];
    Ok(ALLOWED_11.map(|[left, right]| (sum(left) - sum(right)).abs() < delta))
}

pub fn figure_11() -> Result<Produced, Failure> {
    let task = Task::addition(4)?;
    let kinds = [("fast decoder", 1e-3, 1e-2), ("slow decoder", 1e-2, 1e-3)];
    let run = |k: usize, seed: u64| -> groktime::Result<[bool; 3]> {
        let all = composition(&task, Answer::Templates { outputs: OUTPUTS }, seed)?;
        let chosen: Vec<usize> =
            (0..all.len()).filter(|&i| SAMPLES_11.contains(&task.all_pairs()[i])).collect();
        let toy = Toy::new(Embedding { symbols: 4, combine: Combine::Sum }, 1, 1.0, seed)?;
        let (_, embeddings, decoder) = kinds[k];
        let settings = settings(embeddings, decoder, 0.0);
        found(&toy.after(STEPS_11, &all.select(&chosen)?, None, &settings)?.0)
    };
    let runs: Vec<(usize, u64)> = (0..2).flat_map(|k| (0..RUNS_11).map(move |seed| (k, seed))).collect();
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
        (0..sets.len()).map(|s| of(k).filter(|&f| set(f) == s).count() as f64 / RUNS_11 as f64).collect()
    };
    let mean = |k: usize| of(k).map(number).sum::<usize>() as f64 / RUNS_11 as f64;
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
            "symbols": 4, "steps": STEPS_11, "runs": RUNS_11, "optimizer": "adamw", "delta": 0.1,
            "fast_decoder": {"embeddings": 1e-3, "decoder": 1e-2}, "slow_decoder": {"embeddings": 1e-2, "decoder": 1e-3},
        }),
        checks: vec![
            Check::new(
                "of none, each alone, and all three: seen",
                "all subsets appear",
                seen as f64,
                5.0,
                5.0,
            ),
            Check::new(
                "parallelograms a run, slow decoder over fast",
                "more with a slow decoder",
                mean(1) / mean(0),
                1.05,
                f64::INFINITY,
            ),
        ],
    })
}

const SIZES_17: [usize; 7] = [6, 12, 15, 18, 21, 24, 30];
const STEPS_17: u64 = 10_000;

struct Group17 {
    samples: usize,
    seed: u64,
    /// The step with RQI > 0.95.
    measured: Option<u64>,
    accuracy: f64,
}

fn group(samples: usize, seed: u64) -> groktime::Result<(Group17, Array2<f64>)> {
    let task = Task::s3();
    let Split { train, test } =
        split(&composition(&task, Answer::Templates { outputs: OUTPUTS }, seed)?, samples, seed)?;
    let toy = Toy::new(Embedding { symbols: 6, combine: Combine::Product }, 9, 0.1, seed)?;
    // Their code adds 10⁻³ times the mean of |E| to the loss.
    let settings = Settings { sparsity: 1e-3, ..settings(1e-3, 1e-4, 1.0) };
    let mut training = Training::new(&toy.net, &train, &settings, &toy.theta)?;
    let mut measured = None;
    for step in 0..STEPS_17 {
        training.step();
        if measured.is_none() && step % 10 == 9 {
            let embeddings = training.embeddings().unwrap_or_default();
            if rqi_of_products(&task, embeddings.view(), 0.5)? > 0.95 {
                measured = Some(step + 1);
            }
        }
    }
    let accuracy = toy.net.evaluate(&training.parameters(), &test, settings.criterion)?.accuracy;
    Ok((Group17 { samples, seed, measured, accuracy }, training.embeddings().unwrap_or_default()))
}

pub fn figure_17() -> Result<Produced, Failure> {
    let grid: Vec<(usize, u64)> =
        SIZES_17.into_iter().flat_map(|n| (0..5).map(move |seed| (n, seed))).collect();
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
    let share = SIZES_17.iter().map(|&n| (fraction(n), reached(&|r| r == fraction(n)))).collect();
    let accuracy = SIZES_17.iter().map(|&n| (fraction(n), accurate(&|r| r == fraction(n)))).collect();
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
                    title: format!("of {STEPS_17} steps"),
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
            "samples": SIZES_17, "seeds": 5, "published_seeds": 11, "steps": STEPS_17, "optimizer": "adamw",
            "step_size": {"decoder": 1e-4, "embeddings": 1e-3}, "weight_decay": 1, "sparsity": 1e-3,
            "embedding_scale": 0.1,
            "rqi_limit": 0.5,
        }),
        checks: vec![
            Check::new(
                "mean test accuracy from less than half of the pairs",
                "transition at one half",
                accurate(&|r| r < 0.45),
                0.0,
                0.3,
            ),
            Check::new(
                "the same from two thirds and more",
                "transition at one half",
                accurate(&|r| r > 0.65),
                0.8,
                1.0,
            ),
            Check::new("share with RQI > 0.95 from less than half", "0", reached(&|r| r < 0.45), 0.0, 0.1),
            Check::new("the same from two thirds and more", "near 1", reached(&|r| r > 0.65), 0.5, 1.0),
            Check::new(
                "variance in three components",
                "a hexagon in the first three",
                shares.iter().take(3).sum(),
                0.8,
                1.0,
            ),
        ],
    })
}
