//! Figure 4c: the authors' start of seed 58 under the effective theory.

use groktime::effective::{Convention, Match, Normalisation, Problem, Settings, Task, normalised};
use groktime::linalg::Engine;
use groktime::trajectory::{Observable, Trajectory};
use ndarray::{Array1, Axis as Dimension};
use serde_json::json;

use crate::output::{Failure, exact, short};
use crate::plot::{Axis, Color, Curve, Figure, Marker, Panel, Scale, Style};
use crate::reproduce::{Check, Produced, at_most, between};

/// The 24-bit integers k of the ten draws k/2²⁴ − ½ of seed 58.
const SEED_58: [u32; 10] = [
    7_835_427, 5_970_464, 8_534_807, 3_169_305, 16_633_742, 6_712_213, 6_027_171, 945_908, 6_223_769,
    10_975_393,
];
/// The first step of Adam, ±10⁻³, which the authors' program makes before it copies the embeddings: the one
/// choice of signs of 2¹⁰ that gives the losses they print.
const FIRST_STEP: [f64; 10] = [1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3, -1e-3, -1e-3, -1e-3, -1e-3];

pub fn figure_4c() -> Result<Produced, Failure> {
    let draws = SEED_58.iter().zip(FIRST_STEP);
    let raw: Array1<f64> = draws.map(|(&k, step)| f64::from(k) / 16_777_216.0 - 0.5 + step).collect();
    let start = normalised(raw.insert_axis(Dimension(1)).view(), Normalisation::SymbolsLessOne)?;
    let problem = Problem::full(Task::addition(10)?);
    let spectrum = problem.spectrum(Engine::SEQUENTIAL)?;
    let settings = Settings { convention: Convention::Sum, matching: Match::CODE, ..Settings::default() };
    let flow = spectrum.flow(start.view(), settings)?;
    let eta = 1e-3;
    let euler = spectrum.euler(start.view(), Convention::Sum, eta, Match::CODE)?;
    let first = flow.first_rqi(0.95)?.time().unwrap_or(f64::NAN);
    let stepped = euler.first_rqi(0.95, 5000)?.map_or(f64::NAN, |t| t as f64);

    let steps: Vec<u64> = (0..=200).map(|k| 10 * k).collect();
    let times: Vec<f64> = steps.iter().map(|&s| s as f64 * eta).collect();
    let mut paths: Vec<Vec<(f64, f64)>> = vec![Vec::new(); 10];
    let mut rows = Vec::new();
    let table = flow.observe(&times, &[Observable::TrainLoss, Observable::RepresentationQuality])?;
    let losses: Vec<f64> = table.values.column(0).iter().map(|l| l * flow.z0()).collect();
    for ((k, &t), &step) in times.iter().enumerate().zip(&steps) {
        let state = flow.state(t)?;
        let x = step as f64;
        state.iter().zip(&mut paths).for_each(|(&e, path)| path.push((x, e)));
        let own =
            [step.to_string(), exact(losses[k]), exact(euler.loss_sum(step)?), exact(table.values[(k, 1)])];
        rows.push(own.into_iter().chain(state.iter().map(|&e| exact(e))).collect());
    }
    let at = |points: Vec<(f64, f64)>, name: &str, style, color| Curve {
        name: name.into(),
        points,
        style,
        color,
        band: None,
    };
    let by_step =
        |y: &dyn Fn(usize) -> f64| (0..steps.len()).map(|k| (steps[k] as f64, y(k))).collect::<Vec<_>>();
    let step_axis =
        || Axis { label: "step (η = 10⁻³)".into(), scale: Scale::Linear, range: Some((0.0, 2000.0)) };
    let iterated: Vec<f64> = steps.iter().map(|&s| euler.loss_sum(s)).collect::<Result<_, _>>()?;
    let end = flow.state(2.0)?;
    let gaps: Vec<f64> = (1..10).map(|k| end[(k, 0)] - end[(k - 1, 0)]).collect();
    let mean_gap = gaps.iter().sum::<f64>() / 9.0;
    let unevenness = gaps.iter().map(|g| (g / mean_gap - 1.0).abs()).fold(0.0, f64::max);
    let curves = paths
        .into_iter()
        .enumerate()
        .map(|(k, path)| {
            at(path, &k.to_string(), if k < 7 { Style::Solid } else { Style::Dashed }, Color::nth(k))
        })
        .collect();
    Ok(Produced {
        figure: Figure {
            title: "Ten symbols under the effective theory, the authors' start (seed 58)".into(),
            panels: vec![
                Panel {
                    title: "embeddings E_k(t)".into(),
                    x: step_axis(),
                    y: Axis { label: "E_k".into(), scale: Scale::Linear, range: None },
                    curves,
                    markers: vec![Marker { at: first / eta, label: format!("RQI > 0.95 at {}", short((first / eta).ceil())), color: Color::Black }],
                },
                Panel {
                    title: "loss ℓ₀ = Σ|a_q·E|²".into(),
                    x: step_axis(),
                    y: Axis { label: "ℓ₀".into(), scale: Scale::Log, range: None },
                    curves: vec![
                        at(by_step(&|k| losses[k]), "flow (closed form)", Style::Solid, Color::Blue),
                        at(by_step(&|k| iterated[k]), "the authors' Euler steps", Style::Dashed, Color::Vermillion),
                    ],
                    markers: vec![],
                },
                Panel {
                    title: "RQI".into(),
                    x: step_axis(),
                    y: Axis { label: "fraction of 70 parallelograms".into(), scale: Scale::Linear, range: Some((0.0, 1.05)) },
                    curves: vec![at(by_step(&|k| table.values[(k, 1)]), "", Style::Solid, Color::Green)],
                    markers: vec![],
                },
            ],
            columns: 3,
            caption: Some(
                "All 55 sums drive the flow, sum convention, Z₀ = 9, |d| < 0.1: the settings of the authors' code. \
                 Under the paper's mean convention the clock runs 70 times slower."
                    .into(),
            ),
        },
        heading: vec!["step", "l0_flow", "l0_euler", "rqi", "e0", "e1", "e2", "e3", "e4", "e5", "e6", "e7", "e8", "e9"],
        rows,
        settings: json!({"symbols": 10, "samples": "all", "convention": "sum", "z0": 9, "delta": 0.1, "step_size": eta}),
        checks: vec![
            Check::new("ℓ₀ at the start", "397.766524 (single precision)", losses[0], between(397.7664, 397.7667, "single precision")),
            Check::new("ℓ₀ after 1000 Euler steps", "0.03198431", iterated[100], between(0.031_983, 0.031_986, "single precision through 1000 steps")),
            Check::new("ℓ₀ after 2000 Euler steps", "4e-8", iterated[200], between(3.5e-8, 4.5e-8, "one digit is printed")),
            Check::new("largest deviation of the final spacing from even", "a straight line", unevenness, at_most(1e-3, "not to be seen in the picture")),
            Check::new("steps until RQI > 0.95 (flow)", "about 800 (network)", (first / eta).ceil(), between(600.0, 1000.0, "about: a quarter; the number is the trained network's")),
            Check::new("the same by the authors' Euler steps", "as the flow", stepped, between((first / eta).ceil(), (1.03 * first / eta).ceil(), "a step of size η is late by a part ηλ/2 of the rate, below 3%")),
            Check::new("in units of n_h = 150", "about 3", first / 0.15, between(2.0, 4.0, "about: a third")),
        ],
    })
}
