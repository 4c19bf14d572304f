//! Figure 4 of arXiv 2601.19791: a two-layer ReLU net of which both layers are trained, zero teacher. Descent with
//! η = 0.004 instead of 10⁻⁴; times are given as steps of the published size, which is exact to first order in η.

use std::ops::ControlFlow;

use groktime::network::tasks::zero_teacher;
use groktime::network::{
    Activation, Bias, Criterion, Curves, Init, Law, Net, Optimiser, Plan, Record, Settings, train,
};
use rayon::prelude::*;
use serde_json::json;

use super::{axis, line};
use crate::output::{Failure, exact};
use crate::plot::{Color, Curve, Figure, Panel, Scale, Style};
use crate::reproduce::{Check, Produced};

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
}

const PAPER: Case = Case { weight_decay: 0.05, samples: 50, width: 1000, variance: 1.0 };

impl Case {
    /// t₁ and t₂ in published steps.
    fn times(self) -> groktime::Result<(f64, f64)> {
        let curves = self.run()?;
        let steps = |r: &Record| r.step as f64 * STEP_SIZE / PUBLISHED_STEP_SIZE;
        // The last with training loss at or above ε, the first with test loss at or below c.
        let unfit = curves.records.iter().rev().find(|r| r.train.loss >= THRESHOLD);
        let test = |r: &&Record| r.test.is_some_and(|t| 2.0 * t.loss <= THRESHOLD);
        let general = curves.records.iter().find(test);
        Ok((unfit.map_or(0.0, steps), general.map_or(f64::NAN, steps)))
    }

    fn run(self) -> groktime::Result<Curves> {
        let (training, test) = zero_teacher(self.samples, 1000, DIMENSION, 0)?.into_pair();
        let net = Net::new(&[DIMENSION, self.width, 1], Activation::Relu, Bias::None)?;
        let law = Law::Gaussian(vec![
            (self.variance / DIMENSION as f64).sqrt(),
            (self.width as f64).sqrt().recip(),
        ]);
        let theta = net.init(&Init { law, ..Init::default() }, 0)?;
        let settings = Settings {
            criterion: Criterion::HalfSquared,
            optimiser: Optimiser::Descent,
            step_size: STEP_SIZE,
            weight_decay: self.weight_decay,
            ..Settings::default()
        };
        let budget = (2.0 / (STEP_SIZE * self.weight_decay)) as u64;
        let record = (0..100).chain((0..=200).map(|k| k * budget / 200)).collect();
        let plan = Plan { budget, record: Some(record), check: 0, ..Plan::default() };
        let there = |r: &Record| match r.test.is_some_and(|t| 2.0 * t.loss <= 0.5 * THRESHOLD) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        train(&net, &training, Some(&test), &settings, &plan, &theta, there)
    }
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
    let spread = |k: usize| {
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
            Check::new("t₂/t₁ in the paper's setting", "grokking: much above 1", paper.1 / paper.0, 3.0, f64::INFINITY),
            Check::new(
                "t₂ at the smallest over the largest decay, times their ratio (1: t₂ ∝ 1/λ)",
                "t₂ falls with λ",
                scaled[0] / scaled[scaled.len() - 1],
                0.5,
                2.0,
            ),
            Check::new("t₁ at n = 100 over t₁ at n = 20", "t₁ grows with n", t1[4] / t1[0], 1.1, f64::INFINITY),
            Check::new("largest over smallest t₂ over the widths", "matters little", spread(2), 1.0, 1.5),
            Check::new(
                "largest over smallest t₂ over ν², which grows by 8",
                "grows slowly, as in figure 2",
                spread(3),
                1.0,
                8.0_f64.sqrt(),
            ),
        ],
    })
}
