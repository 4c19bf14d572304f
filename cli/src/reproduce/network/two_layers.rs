//! Figures 1 (right) and 4 of arXiv 2601.19791: a two-layer ReLU net of which both layers are trained, zero teacher.
//! Descent with η = 0.004 instead of 10⁻⁴; times are given as steps of the published size, which is exact to first
//! order in η.

use std::ops::ControlFlow;

use groktime::network::tasks::zero_teacher;
use groktime::network::{
    Activation, Bias, Criterion, Curves, Init, Law, Net, Optimiser, Plan, Record, Settings, train,
};
use groktime::trajectory::log_times;
use rayon::prelude::*;
use serde_json::json;

use super::{axis, line};
use crate::output::{Failure, exact};
use crate::plot::{Color, Curve, Figure, Marker, Panel, Scale, Style};
use crate::reproduce::{Check, Produced, at_least, between};

/// Stable for the widest net (2/η is twice the largest eigenvalue of its tangent kernel).
const STEP_SIZE: f64 = 0.004;
const PUBLISHED_STEP_SIZE: f64 = 1e-4;
const DIMENSION: usize = 50;
/// ε and c.
const THRESHOLD: f64 = 0.01;

#[derive(Clone, Copy)]
struct Case {
    weight_decay: f64,
    samples: usize,
    width: usize,
    /// ν² of the first layer.
    variance: f64,
    seed: u64,
}

const PAPER: Case = Case { weight_decay: 0.05, samples: 50, width: 1000, variance: 1.0, seed: 0 };

/// Steps of ours as steps of the published size.
fn published_steps(r: &Record) -> f64 {
    r.step as f64 * STEP_SIZE / PUBLISHED_STEP_SIZE
}

/// E(N(x) − N*(x))², without the ½ of the training loss.
fn test_loss(r: &Record) -> f64 {
    r.test.map_or(f64::NAN, |t| 2.0 * t.loss)
}

/// t₁, the last step with training loss at or above ε, and t₂, the first with test loss at or below c.
fn times(curves: &Curves) -> (f64, f64) {
    let unfit = curves.records.iter().rev().find(|r| r.train.loss >= THRESHOLD);
    let general = curves.records.iter().find(|r| test_loss(r) <= THRESHOLD);
    (unfit.map_or(0.0, published_steps), general.map_or(f64::NAN, published_steps))
}

impl Case {
    /// t₁ and t₂ in published steps.
    fn times(self) -> groktime::Result<(f64, f64)> {
        let budget = self.budget();
        let record = (0..100).chain((0..=200).map(|k| k * budget / 200)).collect();
        Ok(times(&self.run(record, 0.5 * THRESHOLD)?))
    }

    /// Steps until ηλ·step = 2.
    fn budget(self) -> u64 {
        (2.0 / (STEP_SIZE * self.weight_decay)) as u64
    }

    /// Records at such steps; ends when the test loss is at most `enough`.
    fn run(self, record: Vec<u64>, enough: f64) -> groktime::Result<Curves> {
        let (training, test) = zero_teacher(self.samples, 1000, DIMENSION, self.seed)?.into_pair();
        let net = Net::new(&[DIMENSION, self.width, 1], Activation::Relu, Bias::None)?;
        let law = Law::Gaussian(vec![
            (self.variance / DIMENSION as f64).sqrt(),
            (self.width as f64).sqrt().recip(),
        ]);
        let theta = net.init(&Init { law, ..Init::default() }, self.seed)?;
        let settings = Settings {
            criterion: Criterion::HalfSquared,
            optimiser: Optimiser::Descent,
            step_size: STEP_SIZE,
            weight_decay: self.weight_decay,
            ..Settings::default()
        };
        let plan = Plan { budget: self.budget(), record: Some(record), check: 0, ..Plan::default() };
        let there = |r: &Record| match test_loss(r) <= enough {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        train(&net, &training, Some(&test), &settings, &plan, &theta, there)
    }
}

/// Smallest, median and largest of an odd number of values.
fn spread(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [values[0], values[values.len() / 2], values[values.len() - 1]]
}

pub fn figure_1() -> Result<Produced, Failure> {
    const RUNS: u64 = 3;
    let record: Vec<u64> = log_times(1, PAPER.budget(), 30);
    let runs = (0..RUNS)
        .into_par_iter()
        .map(|seed| Case { seed, ..PAPER }.run(record.clone(), 0.0))
        .collect::<groktime::Result<Vec<_>>>()?;
    // Records are at the same steps in all runs; step 0 has no place on a logarithmic axis.
    let at: Vec<usize> = (0..runs[0].records.len()).filter(|&i| runs[0].records[i].step > 0).collect();
    let steps: Vec<f64> = at.iter().map(|&i| published_steps(&runs[0].records[i])).collect();
    let over_runs = |loss: fn(&Record) -> f64| -> Vec<[f64; 3]> {
        at.iter().map(|&i| spread(runs.iter().map(|run| loss(&run.records[i])).collect())).collect()
    };
    let (training, test) = (over_runs(|r| r.train.loss), over_runs(test_loss));
    let found: Vec<(f64, f64)> = runs.iter().map(times).collect();
    let t1 = spread(found.iter().map(|t| t.0).collect())[1];
    let t2 = spread(found.iter().map(|t| t.1).collect())[1];
    let ratio = spread(found.iter().map(|t| t.1 / t.0).collect())[0];
    // How far the training loss has fallen when the test loss has by half a decade.
    let half = test.iter().position(|l| l[1] < test[0][1] / 10.0_f64.sqrt()).unwrap_or(test.len() - 1);
    let decades = |losses: &[[f64; 3]]| (losses[0][1] / losses[half][1]).log10();
    // Once fitted, a net of degree 2 with the answer 0 only decays: θ ∝ e^{−λt}, and its loss as e^{−4λt}.
    let (from, to) = (half, test.len() - 1);
    let passed = (steps[to] - steps[from]) * PUBLISHED_STEP_SIZE * PAPER.weight_decay;
    let slope = (test[from][1] / test[to][1]).ln() / passed;
    // Losses that no longer count are left off the picture.
    let curve = |name: &str, losses: &[[f64; 3]], color| {
        let shown = || steps.iter().zip(losses).filter(|(_, l)| l[0] > 1e-12);
        Curve {
            band: Some(shown().map(|(_, l)| (l[0], l[2])).collect()),
            ..line(name, shown().map(|(&step, l)| (step, l[1])).collect(), color)
        }
    };
    let rows = steps.iter().zip(&training).zip(&test);
    Ok(Produced {
        figure: Figure {
            title: "Losses of a two-layer ReLU net, both layers trained".into(),
            panels: vec![Panel {
                title: "zero teacher, d = 50".into(),
                x: axis("step", Scale::Log),
                y: axis("loss", Scale::Log),
                curves: vec![
                    curve("training loss", &training, Color::Blue),
                    curve("test loss", &test, Color::Vermillion),
                ],
                markers: vec![
                    Marker { at: t1, label: format!("t₁ = {t1:.0}"), color: Color::Blue },
                    Marker { at: t2, label: format!("t₂ = {t2:.0}"), color: Color::Vermillion },
                ],
            }],
            columns: 1,
            caption: Some(format!(
                "Median of {RUNS} runs, bands from the smallest to the largest; in steps of 10⁻⁴ (run with 4·10⁻³). \
                 t₁, t₂ at ε = c = 0.01."
            )),
        },
        heading: vec![
            "step",
            "train",
            "train_smallest",
            "train_largest",
            "test",
            "test_smallest",
            "test_largest",
        ],
        rows: rows
            .map(|((step, train), test)| {
                [*step, train[1], train[0], train[2], test[1], test[0], test[2]].map(exact).to_vec()
            })
            .collect(),
        settings: json!({
            "weight_decay": PAPER.weight_decay, "samples": PAPER.samples, "width": PAPER.width,
            "init_variance": PAPER.variance, "dimension": DIMENSION, "step_size": STEP_SIZE,
            "published_step_size": PUBLISHED_STEP_SIZE, "threshold": THRESHOLD, "runs": RUNS,
            "taken_from": "hyper-parameters of figure 4",
        }),
        checks: vec![
            Check::new(
                "smallest t₂/t₁ of the runs",
                "training fits long before",
                ratio,
                at_least(10.0, "an order of magnitude"),
            ),
            Check::new(
                "decades the training loss is ahead when the test loss has fallen by half a decade",
                "orders of magnitude",
                decades(&training) - decades(&test),
                at_least(2.0, "two orders of magnitude"),
            ),
            Check::new(
                "rate at which the test loss falls from there on, over λ",
                "4 (a fitted net only decays, homogeneous of degree 2)",
                slope,
                between(3.8, 4.2, "a twentieth"),
            ),
        ],
    })
}

/// What is swept: its name, its label, its values, and the case of each.
type Sweep = (&'static str, &'static str, Vec<f64>, fn(f64) -> Case);

pub fn figure_4() -> Result<Produced, Failure> {
    let sweeps: [Sweep; 4] = [
        ("weight_decay", "weight decay λ", vec![0.0125, 0.025, 0.05, 0.1, 0.2], |x| Case {
            weight_decay: x,
            ..PAPER
        }),
        ("samples", "training samples n", vec![20.0, 35.0, 50.0, 75.0, 100.0], |x| Case {
            samples: x as usize,
            ..PAPER
        }),
        ("width", "width m", vec![250.0, 500.0, 1000.0, 2000.0], |x| Case { width: x as usize, ..PAPER }),
        ("init_variance", "variance ν² of the first layer", vec![0.25, 0.5, 1.0, 2.0], |x| Case {
            variance: x,
            ..PAPER
        }),
    ];
    let all: Vec<(usize, f64)> =
        sweeps.iter().enumerate().flat_map(|(k, s)| s.2.iter().map(move |&x| (k, x))).collect();
    let found = all
        .par_iter()
        .map(|&(k, x)| Ok((k, x, sweeps[k].3(x).times()?)))
        .collect::<groktime::Result<Vec<_>>>()?;
    let of = |k: usize| found.iter().filter(move |f| f.0 == k);
    let curve = |name: &str, points: Vec<(f64, f64)>, color| Curve {
        style: Style::LineAndPoints,
        ..line(name, points, color)
    };
    let panels = (0..4)
        .map(|k| Panel {
            title: String::new(),
            x: axis(sweeps[k].1, Scale::Log),
            y: axis("step", Scale::Log),
            curves: vec![
                curve("t₁", of(k).map(|f| (f.1, f.2.0)).collect(), Color::Blue),
                curve("t₂", of(k).map(|f| (f.1, f.2.1)).collect(), Color::Vermillion),
            ],
            markers: vec![],
        })
        .collect();
    // λ·t₂ at the largest and the smallest decay.
    let scaled: Vec<f64> = of(0).map(|f| f.1 * f.2.1).collect();
    let factor = |k: usize| {
        let t2 = || of(k).map(|f| f.2.1);
        t2().fold(0.0, f64::max) / t2().fold(f64::INFINITY, f64::min)
    };
    let t1: Vec<f64> = of(1).map(|f| f.2.0).collect();
    let paper = of(0).find(|f| f.1 == PAPER.weight_decay).map_or((f64::NAN, f64::NAN), |f| f.2);
    Ok(Produced {
        figure: Figure {
            title: "Grokking times of a two-layer ReLU net, both layers trained".into(),
            panels,
            columns: 2,
            caption: Some(
                "Zero teacher, d = 50; in steps of 10⁻⁴ (run with 4·10⁻³). Test loss on 1000 samples. One draw each."
                    .into(),
            ),
        },
        heading: vec!["swept", "value", "t1", "t2"],
        rows: found
            .iter()
            .map(|(k, x, (t1, t2))| vec![sweeps[*k].0.into(), exact(*x), exact(*t1), exact(*t2)])
            .collect(),
        settings: json!({
            "weight_decay": PAPER.weight_decay, "samples": PAPER.samples, "width": PAPER.width,
            "init_variance": PAPER.variance, "dimension": DIMENSION, "step_size": STEP_SIZE,
            "published_step_size": PUBLISHED_STEP_SIZE, "threshold": THRESHOLD, "seed": 0,
        }),
        checks: vec![
            Check::new("t₂/t₁ in the paper's setting", "grokking: much above 1", paper.1 / paper.0, at_least(10.0, "an order of magnitude")),
            Check::new("t₂ at the smallest over the largest decay, times their ratio (1: t₂ ∝ 1/λ)", "t₂ falls with λ", scaled[0] / scaled[scaled.len() - 1], between(0.5, 2.0, "a factor of two over the grid of λ, of which 1/λ changes by more")),
            Check::new("t₁ at n = 100 over t₁ at n = 20", "t₁ grows with n", t1[4] / t1[0], at_least(1.1, "clearly longer")),
            Check::new("largest over smallest t₂ over the widths", "matters little", factor(2), between(1.0, 1.5, "by less than half over the grid of widths")),
            Check::new("largest over smallest t₂ over ν², which grows by 8", "grows slowly, as in figure 2", factor(3), between(1.0, 8.0_f64.sqrt(), "slower than the root of ν²")),
        ],
    })
}
