//! Figures 1, 2, 5 and 6 of arXiv 2405.19454: deep ReLU nets on digits, their accuracies, feature ranks and norms.

use groktime::grokking::{DoubleDescent, StageRule, TwoStages};
use serde_json::json;

use super::digits::{self, STEP_SIZE, Setup};
use super::kept::{Curve as Run, HEADING, Row, test_accuracy, train_accuracy};
use super::{axis, line};
use crate::output::Failure;
use crate::plot::{Color, Curve, Figure, Panel, Scale, Style};
use crate::reproduce::{Check, Options, Produced, at_least, at_most, between, yes};

/// Sizes, ours and those of the paper.
struct Sizes {
    /// Few and many samples, and a number between.
    samples: [usize; 3],
    width: usize,
    /// γ, published 0.01.
    weight_decay: f64,
    budget: u64,
    /// Width below which a layer belongs to the tunnel: three quarters.
    tunnel: usize,
}

fn sizes(options: &Options) -> Sizes {
    let (samples, width) = match options.images {
        Some(_) => ([2000, 5000, 7000], 400),
        None => ([100, 200, 1000], 100),
    };
    let (weight_decay, budget) = if options.full { (0.01, 100_000) } else { (0.1, 15_000) };
    Sizes { samples, width, weight_decay, budget, tunnel: 3 * width / 4 }
}

impl Sizes {
    fn setup(&self, samples: usize, depth: usize) -> Setup {
        Setup {
            samples,
            depth,
            width: self.width,
            scale: 8.0,
            weight_decay: self.weight_decay,
            budget: self.budget,
            ranks: 5,
        }
    }

    fn settings(&self, options: &Options, setups: &[Setup]) -> serde_json::Value {
        json!({
            "images": options.images.as_ref().map_or("8 × 8 digits".into(), |p| p.display().to_string()),
            "runs": setups, "step_size": STEP_SIZE, "optimizer": "adamw", "batch": 200, "precision": "f32",
            "published": {"images": "MNIST", "samples": [2000, 5000, 7000], "width": 400, "weight_decay": 0.01,
                          "budget": 100_000, "precision": "f64"},
        })
    }
}

/// Both accuracies of one run.
fn accuracies(title: String, run: &Run) -> Panel {
    Panel {
        title,
        x: axis("step", Scale::Linear),
        y: axis("accuracy", Scale::Linear),
        curves: vec![
            line("training", run.over_steps(train_accuracy), Color::Blue),
            line("test", run.over_steps(test_accuracy), Color::Vermillion),
        ],
        markers: vec![],
    }
}

/// Feature ranks of the hidden layers of one run.
fn ranks(title: String, run: &Run, layers: &[usize]) -> Panel {
    let of = |layer: usize| run.ranks().map(|(step, ranks)| (step, ranks[layer - 1] as f64)).collect();
    Panel {
        title,
        x: axis("step", Scale::Linear),
        y: axis("rank of the features", Scale::Linear),
        curves: layers
            .iter()
            .enumerate()
            .map(|(k, &layer)| line(format!("layer {layer}"), of(layer), Color::nth(k)))
            .collect(),
        markers: vec![],
    }
}

/// The step at which test accuracy is half way to its end, and the same of training.
fn half(run: &Run, accuracy: fn(&Row) -> f64) -> f64 {
    let chance = 0.1;
    run.reaches(accuracy, chance + 0.5 * (accuracy(run.last()) - chance))
}

/// The step at which the rank of a layer has fallen by a twentieth from its highest.
fn fall(run: &Run, layer: usize) -> f64 {
    let ranks: Vec<(f64, usize)> = run.ranks().map(|(step, ranks)| (step, ranks[layer - 1])).collect();
    let (peak, highest) =
        ranks.iter().fold((0.0, 0), |best, &(step, rank)| if rank >= best.1 { (step, rank) } else { best });
    let fallen = |&&(step, rank): &&(f64, usize)| step > peak && rank as f64 <= 0.95 * highest as f64;
    ranks.iter().find(fallen).map_or(f64::NAN, |r| r.0)
}

/// Hidden layers of rank below three quarters of the width at the end.
fn tunnel(run: &Run, sizes: &Sizes) -> f64 {
    let last = run.ranks().last().map_or(&[][..], |(_, ranks)| ranks);
    let hidden = last.len().saturating_sub(1);
    last[..hidden].iter().filter(|&&rank| rank < sizes.tunnel).count() as f64
}

/// 1 when the test accuracy rises in two stages.
fn two_stages(run: &Run) -> Result<f64, Failure> {
    let points = || run.0.iter().filter(|r| r.step > 0);
    let steps: Vec<f64> = points().map(|r| r.step as f64).collect();
    let accuracy: Vec<f64> = points().map(test_accuracy).collect();
    Ok(f64::from(u8::from(TwoStages::find(&steps, &accuracy, StageRule::default())?.is_some())))
}

/// Layers whose rank falls, rises and falls again by a tenth of what it was.
fn double_descents(run: &Run) -> Result<f64, Failure> {
    let recorded: Vec<(f64, &Vec<usize>)> = run.ranks().filter(|(step, _)| *step > 0.0).collect();
    let steps: Vec<f64> = recorded.iter().map(|(step, _)| *step).collect();
    let layers = recorded.first().map_or(0, |(_, ranks)| ranks.len().saturating_sub(1));
    let mut found = 0;
    for layer in 0..layers {
        let ranks: Vec<f64> = recorded.iter().map(|(_, ranks)| ranks[layer] as f64).collect();
        found += usize::from(DoubleDescent::find(&steps, &ranks, 0.1)?.is_some());
    }
    Ok(found as f64)
}

pub fn figure_1(options: &Options) -> Result<Produced, Failure> {
    let sizes = sizes(options);
    let setups = sizes.samples.map(|n| sizes.setup(n, 12));
    let runs = digits::runs(options, &digits::sets(options)?, &setups)?;
    let upper = setups.iter().zip(&runs).map(|(s, run)| accuracies(format!("N = {}", s.samples), run));
    let lower = runs.iter().map(|run| ranks(String::new(), run, &[2, 4, 6, 8, 10, 11]));
    let named = setups.iter().zip(&runs);
    let rows = named.flat_map(|(s, run)| run.table(&format!("N={}", s.samples))).collect();
    let onset: Vec<f64> = runs.iter().map(|r| r.reaches(train_accuracy, 0.2)).collect();
    let delay = |k: usize| half(&runs[k], test_accuracy) / half(&runs[k], train_accuracy);
    Ok(Produced {
        figure: Figure {
            title: "Twelve layers: accuracies, and the rank of the features".into(),
            panels: upper.chain(lower).collect(),
            columns: 3,
            caption: None,
        },
        heading: HEADING.to_vec(),
        rows,
        settings: sizes.settings(options, &setups),
        checks: vec![
            Check::new(
                "largest over smallest step with training accuracy 0.2",
                "1.04 (27.0 to 28.1 thousand at 0.12)",
                onset.iter().copied().fold(0.0, f64::max)
                    / onset.iter().copied().fold(f64::INFINITY, f64::min),
                between(1.0, 1.1, "the published 4%, doubled, and the distance of two recorded steps"),
            )
            .comparable_if(options.full, "other images, samples and width than the published run"),
            Check::new(
                "step half way in test over training, fewest samples",
                "1.55 (N = 2000)",
                delay(0),
                between(1.3, 1.8, "the published number, a sixth to each side for the seed"),
            )
            .comparable_if(options.full, "other images, samples and width than the published run"),
            Check::new(
                "the same, more samples",
                "1.34 (N = 5000)",
                delay(1),
                between(1.15, 1.55, "the published number, a sixth to each side for the seed"),
            )
            .comparable_if(options.full, "other images, samples and width than the published run"),
            Check::new(
                "step at which the rank of layer 11 falls over that half way in test, fewest samples",
                "1: both at 46.7 thousand (N = 2000)",
                fall(&runs[0], 11) / half(&runs[0], test_accuracy),
                between(0.85, 1.15, "coincide: a sixth, for the distance of two recorded steps"),
            )
            .comparable_if(options.full, "other images, samples and width than the published run"),
            Check::new(
                "the same, more samples",
                "1 (N = 5000)",
                fall(&runs[1], 11) / half(&runs[1], test_accuracy),
                between(0.85, 1.15, "coincide: a sixth, for the distance of two recorded steps"),
            )
            .comparable_if(options.full, "other images, samples and width than the published run"),
            Check::new(
                "two stages with most samples (1: yes)",
                "yes (N = 7000)",
                two_stages(&runs[2])?,
                yes(),
            )
            .comparable_if(options.full, "other images, samples and width than the published run"),
            Check::new(
                "layers with a double descent of rank, most samples",
                "5 (layers 7 to 11)",
                double_descents(&runs[2])?,
                between(3.0, 7.0, "the published five, two layers at the edge to each side"),
            )
            .comparable_if(options.full, "other images, samples and width than the published run"),
        ],
    })
}

pub fn figure_2(options: &Options) -> Result<Produced, Failure> {
    let sizes = sizes(options);
    let setups = [4, 8, 12].map(|depth| sizes.setup(sizes.samples[1], depth));
    let runs = digits::runs(options, &digits::sets(options)?, &setups)?;
    let panel = |title: &str, value: fn(&Row) -> f64| Panel {
        title: title.into(),
        x: axis("step", Scale::Log),
        y: axis("accuracy", Scale::Linear),
        curves: setups
            .iter()
            .zip(&runs)
            .enumerate()
            .map(|(k, (setup, run))| {
                let points = run.over_steps(value).into_iter().filter(|p| p.0 > 0.0).collect();
                line(format!("{} layers", setup.depth), points, Color::nth(k))
            })
            .collect(),
        markers: vec![],
    };
    let train: Vec<f64> = runs.iter().map(|r| half(r, train_accuracy)).collect();
    let test: Vec<f64> = runs.iter().map(|r| half(r, test_accuracy)).collect();
    let least = |steps: &[f64]| (steps[1] / steps[0]).min(steps[2] / steps[1]);
    let tunnels: Vec<f64> = runs.iter().map(|r| tunnel(r, &sizes)).collect();
    let named = setups.iter().zip(&runs);
    let rows = named.flat_map(|(s, run)| run.table(&format!("depth={}", s.depth))).collect();
    let tunnel = |k: usize, said: &str, published: f64| {
        let what = format!("layers of rank below three quarters at the end, {} layers", setups[k].depth);
        Check::new(
            what,
            said,
            tunnels[k],
            between(
                published - 1.0,
                published + 1.0,
                "the published number, one layer at the edge to each side",
            ),
        )
        .comparable_if(options.full, "other images, samples and width than the published run")
    };
    Ok(Produced {
        figure: Figure {
            title: "Deeper nets fit and generalise later".into(),
            panels: vec![panel("training", train_accuracy), panel("test", test_accuracy)],
            columns: 2,
            caption: Some(format!("N = {}.", sizes.samples[1])),
        },
        heading: HEADING.to_vec(),
        rows,
        settings: sizes.settings(options, &setups),
        checks: vec![
            Check::new(
                "least delay of training by four layers more",
                "later with depth",
                least(&train),
                at_least(1.0, "later"),
            ),
            Check::new("the same of test", "later with depth", least(&test), at_least(1.0, "later")),
            tunnel(0, "1 (N = 5000)", 1.0),
            tunnel(1, "3", 3.0),
            tunnel(2, "6", 6.0),
        ],
    })
}

pub fn figure_5(options: &Options) -> Result<Produced, Failure> {
    let sizes = sizes(options);
    let few_and_many = [sizes.samples[0], sizes.samples[2]];
    // The published ηγ·step = 1.
    let budget = if options.full { 100_000 } else { 10_000 };
    let setups: Vec<Setup> = [4, 8, 12]
        .iter()
        .flat_map(|&d| few_and_many.map(|n| Setup { ranks: 0, budget, ..sizes.setup(n, d) }))
        .collect();
    let runs = digits::runs(options, &digits::sets(options)?, &setups)?;
    let scaled = |k: usize| {
        let start = runs[k].0[0].norm;
        runs[k].over_steps(|r| r.norm).into_iter().map(move |(step, norm)| (step, norm / start)).collect()
    };
    // What decay alone leaves, without a word of data.
    let pure = |step: f64| (1.0 - STEP_SIZE * sizes.weight_decay).powf(step);
    let law = runs[0].over_steps(|r| pure(r.step as f64));
    let panels = (0..3).map(|d| Panel {
        title: format!("{} layers", setups[2 * d].depth),
        x: axis("step", Scale::Linear),
        y: axis("‖θ‖/‖θ(0)‖", Scale::Log),
        curves: vec![
            Curve { style: Style::Dashed, ..line("(1 − ηγ)^step", law.clone(), Color::Black) },
            line(format!("N = {}", few_and_many[0]), scaled(2 * d), Color::Blue),
            line(format!("N = {}", few_and_many[1]), scaled(2 * d + 1), Color::Vermillion),
        ],
        markers: vec![],
    });
    let panels = panels.collect();
    let until = |part: f64| (part * budget as f64) as u64;
    let apart = |a: usize, b: usize, last: u64| {
        let pairs = runs[a].0.iter().zip(&runs[b].0).filter(|(r, _)| r.step <= last);
        pairs.map(|(r, s)| (r.norm / s.norm - 1.0).abs()).fold(0.0, f64::max)
    };
    let from_law = |k: usize, last: u64| {
        let start = runs[k].0[0].norm;
        let rows = runs[k].0.iter().filter(|r| r.step <= last);
        rows.map(|r| (r.norm / (start * pure(r.step as f64)) - 1.0).abs()).fold(0.0, f64::max)
    };
    let worst = |f: &dyn Fn(usize) -> f64, n: usize| (0..n).map(f).fold(0.0, f64::max);
    let named = setups.iter().zip(&runs);
    let rows = named.flat_map(|(s, r)| r.table(&format!("depth={} N={}", s.depth, s.samples))).collect();
    Ok(Produced {
        figure: Figure {
            title: "Norms over data sizes coincide with pure decay".into(),
            panels,
            columns: 3,
            caption: None,
        },
        heading: HEADING.to_vec(),
        rows,
        settings: sizes.settings(options, &setups),
        checks: vec![
            Check::new(
                "largest distance of the norms of two data sizes, first third",
                "they nearly coincide",
                worst(&|d| apart(2 * d, 2 * d + 1, until(1.0 / 3.0)), 3),
                at_most(0.05, "nearly: 5%"),
            ),
            Check::new(
                "largest distance from (1 − ηγ)^step, first third",
                "0.01 to 0.04 in the run of 2210.01117",
                worst(&|k| from_law(k, until(1.0 / 3.0)), 6),
                at_most(0.04, "the published distance"),
            ),
            Check::new(
                "largest distance of the norms of two data sizes, whole run",
                "they nearly coincide",
                worst(&|d| apart(2 * d, 2 * d + 1, budget), 3),
                at_most(0.1, "nearly, at the end of the run too: 10%"),
            ),
        ],
    })
}

pub fn figure_6(options: &Options) -> Result<Produced, Failure> {
    let sizes = sizes(options);
    let setups = [0.5, 1.0, 5.0].map(|factor| Setup {
        weight_decay: factor * sizes.weight_decay,
        ..sizes.setup(sizes.samples[0], 12)
    });
    let runs = digits::runs(options, &digits::sets(options)?, &setups)?;
    let panels =
        setups.iter().zip(&runs).map(|(s, run)| accuracies(format!("weight decay {}", s.weight_decay), run));
    let panels = panels.collect();
    let named = setups.iter().zip(&runs);
    let rows = named.flat_map(|(s, run)| run.table(&format!("decay={}", s.weight_decay))).collect();
    let end = |k: usize| test_accuracy(runs[k].last());
    Ok(Produced {
        figure: Figure {
            title: "Weight decay decides whether a deep net generalises".into(),
            panels,
            columns: 3,
            caption: Some(format!("Twelve layers, N = {}.", sizes.samples[0])),
        },
        heading: HEADING.to_vec(),
        rows,
        settings: sizes.settings(options, &setups),
        checks: vec![
            Check::new(
                "test accuracy at the end, least decay",
                "fails to generalise (γ = 0.005)",
                end(0),
                at_most(0.5, "fails: wrong on most images"),
            ),
            Check::new(
                "the same, twice that, less the former",
                "generalises (γ = 0.01)",
                end(1) - end(0),
                at_least(0.3, "generalises: right on a third of the images more"),
            )
            .comparable_if(options.full, "other images, samples and width than the published run"),
            Check::new(
                "two stages with ten times the least (1: yes)",
                "yes (γ = 0.05)",
                two_stages(&runs[2])?,
                yes(),
            )
            .comparable_if(options.full, "other images, samples and width than the published run"),
        ],
    })
}
