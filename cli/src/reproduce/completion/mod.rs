//! Figure 3 of arXiv 2311.18817 (matrix completion).

use groktime::completion::{Init, Problem, Settings, SlowSettings, Solution};
use groktime::data::Observations;
use groktime::data::matrices::{multiplication_table, random_mask};
use groktime::limits::nuclear::minimum_nuclear_norm;
use groktime::trajectory::{Observable, Trajectory, log_times};
use rayon::prelude::*;
use serde_json::json;

use super::{Check, Entry, Make, Produced, at_least, between};
use crate::output::{Failure, exact};
use crate::plot::{Axis, Color, Curve, Figure, Marker, Panel, Scale, Style};

pub const FIGURES: &[Entry] = &[Entry {
    name: "dichotomy-3",
    number: Some("3"),
    shows: "completion of the multiplication table, d = 97, 5% (5 masks, 10⁷ steps)",
    seconds: 4.0,
    make: Make::Once(figure),
}];

const DIMENSION: usize = 97;
const OBSERVED: usize = 470;
const ALPHA: f64 = 10.0;
const STEP_SIZE: f64 = 0.1;
const DECAY: f64 = 1e-4;
const STEPS: f64 = 1e7;
const SEEDS: u64 = 5;

const OBSERVABLES: [Observable; 5] = [
    Observable::TrainLoss,
    Observable::TestLoss,
    Observable::ParameterNorm,
    Observable::NuclearNorm,
    Observable::Rank,
];

fn problem(seed: u64) -> Result<Problem, Failure> {
    let truth = multiplication_table(DIMENSION);
    let mask = random_mask(DIMENSION, OBSERVED, seed)?;
    let seen = Observations::from_mask(truth.view(), mask.view())?;
    Ok(Problem::new(seen, Some(truth), Init::Identity { coordinate: ALPHA })?)
}

/// Observables of one mask at the steps of the figure, steps × observables.
struct Run {
    solution: Solution,
    values: ndarray::Array2<f64>,
}

fn figure() -> Result<Produced, Failure> {
    let steps: Vec<f64> = {
        let mut steps = log_times(1.0, STEPS, 16);
        steps.extend((1..60).map(|k| 2.5e4 * f64::from(k)));
        steps.sort_by(f64::total_cmp);
        steps.dedup();
        steps
    };
    let times: Vec<f64> = steps.iter().map(|s| s * STEP_SIZE).collect();
    let run = |seed: u64| -> Result<Run, Failure> {
        let settings =
            Settings { weight_decay: DECAY, horizon: STEPS * STEP_SIZE, rtol: 1e-8, ..Settings::default() };
        let solution = problem(seed)?.flow(&settings)?;
        let values = solution.observe(&times, &OBSERVABLES)?.values;
        Ok(Run { solution, values })
    };
    let runs = (0..SEEDS).into_par_iter().map(run).collect::<Result<Vec<_>, _>>()?;
    let slow = problem(0)?.slow_flow(&SlowSettings { horizon: 8.0, ..SlowSettings::default() })?;
    let checks = checks(&runs)?;
    let rows = runs.iter().zip(0..).flat_map(|(run, seed)| {
        run.values
            .rows()
            .into_iter()
            .zip(&steps)
            .map(move |(row, step)| {
                let numbers = row.iter().map(|&x| exact(x));
                [format!("{seed}"), exact(*step)].into_iter().chain(numbers).collect()
            })
            .collect::<Vec<Vec<String>>>()
    });
    let rows = rows.collect();
    Ok(Produced {
        figure: picture(&runs, &slow, &steps)?,
        heading: vec!["seed", "step", "train_loss", "test_loss", "parameter_norm", "nuclear_norm", "rank"],
        rows,
        settings: json!({
            "task": "multiplication table ij/d²", "dimension": DIMENSION, "observed": OBSERVED, "init_coordinate": ALPHA,
            "step_size": STEP_SIZE, "weight_decay": DECAY, "steps": STEPS, "clock": "flow, step = time/0.1",
            "seeds": SEEDS, "mask": "uniform without replacement, our generator: the paper's mask is not published",
        }),
        checks,
    })
}

/// First step at which the test loss is at most a level: linear between points, by bisection.
fn first_below(run: &Run, level: f64) -> Result<f64, Failure> {
    let solution = &run.solution;
    let loss = |t: f64| -> Result<f64, Failure> {
        Ok(solution.observe(&[t], &[Observable::TestLoss])?.values[(0, 0)])
    };
    // The test loss falls once, after its plateau.
    let (mut lo, mut hi) = (1e3, STEPS * STEP_SIZE);
    while hi / lo > 1.0 + 1e-6 {
        let middle = (lo * hi).sqrt();
        if loss(middle)? > level { lo = middle } else { hi = middle }
    }
    Ok(hi / STEP_SIZE)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn checks(runs: &[Run]) -> Result<Vec<Check>, Failure> {
    let at = |step: f64, what: Observable| -> Result<f64, Failure> {
        let values = runs.iter().map(|r| {
            let table = r.solution.observe(&[step * STEP_SIZE], &[what])?;
            Ok::<f64, Failure>(table.values[(0, 0)])
        });
        Ok(median(values.collect::<Result<_, _>>()?))
    };
    let step_of = |level: f64| -> Result<f64, Failure> {
        Ok(median(runs.iter().map(|r| first_below(r, level)).collect::<Result<_, _>>()?))
    };
    let plateau = at(5e4, Observable::TestLoss)?;
    let within = |what: &str,
                  published: &str,
                  measured: f64,
                  target: f64,
                  part: f64,
                  because: &'static str| {
        Check::new(what, published, measured, between(target * (1.0 - part), target * (1.0 + part), because))
    };
    // The published mask is not known: the widths are the ranges over the five drawn here, and printed digits.
    let mask = "another mask: the range over the five drawn here";
    let mut checks = vec![
        within(
            "training loss at step 0",
            "0.108 (mask-dependent)",
            at(0.0, Observable::TrainLoss)?,
            0.108,
            0.09,
            mask,
        ),
        within("‖θ‖ at step 0", "139.28", at(0.0, Observable::ParameterNorm)?, 139.28, 1e-4, "five digits"),
        within(
            "‖θ‖ at step 1000",
            "137.90",
            at(1e3, Observable::ParameterNorm)?,
            137.90,
            1e-3,
            "four digits",
        ),
        within("plateau of the test loss", "0.1022", plateau, 0.1022, 0.01, mask),
        within(
            "step at 90% of the plateau",
            "2.5e5",
            step_of(0.9 * plateau)?,
            2.5e5,
            0.06,
            "two digits, another mask",
        ),
        within("step at half the plateau", "3.67e5", step_of(0.5 * plateau)?, 3.67e5, 0.06, mask),
        within("step at test loss 0.0144", "5.09e5", step_of(0.0144)?, 5.09e5, 0.09, mask),
        within("step at test loss 0.0016", "7.7e5", step_of(0.0016)?, 7.7e5, 0.13, mask),
        within(
            "‖θ‖ at step 3.2e5",
            "8.5",
            at(3.2e5, Observable::ParameterNorm)?,
            8.5,
            0.016,
            "two digits, another mask",
        ),
        within("‖θ‖ at the end", "5.607", at(STEPS, Observable::ParameterNorm)?, 5.607, 0.002, mask),
        within("‖W‖_* at the end", "31.4", at(STEPS, Observable::NuclearNorm)?, 31.4, 0.005, mask),
        within("training loss at the end", "9.8e-6", at(STEPS, Observable::TrainLoss)?, 9.8e-6, 0.25, mask),
    ];
    let mut recovered = 0.0;
    for run in runs {
        let limit = minimum_nuclear_norm(run.solution.problem().observations(), &Default::default())?;
        let x = multiplication_table(DIMENSION);
        let error: f64 = (&limit.matrix - &x).iter().map(|v| v * v).sum::<f64>().sqrt();
        recovered += f64::from(u8::from(error < 1e-3));
    }
    checks.push(Check::new(
        "masks of which the minimum nuclear norm is the table itself",
        "most (the published run ends at test loss 4e-5)",
        recovered,
        at_least((SEEDS / 2 + 1) as f64, "most: more than half"),
    ));
    Ok(checks)
}

fn picture(runs: &[Run], slow: &Solution, steps: &[f64]) -> Result<Figure, Failure> {
    let band = |index: usize| {
        let extreme = |row: usize, pick: fn(f64, f64) -> f64, start| {
            runs.iter().map(|r| r.values[(row, index)]).fold(start, pick)
        };
        Some(
            (0..steps.len())
                .map(|k| (extreme(k, f64::min, f64::INFINITY), extreme(k, f64::max, 0.0)))
                .collect(),
        )
    };
    let curve = |index: usize, name: &str, color, with_band: bool| Curve {
        name: name.into(),
        points: steps.iter().zip(runs[0].values.column(index)).map(|(&s, &y)| (s, y)).collect(),
        style: Style::Solid,
        color,
        band: if with_band { band(index) } else { None },
    };
    let taus: Vec<f64> = (0..=160).map(|k| 0.05 * f64::from(k)).collect();
    let table = slow.observe(&taus, &[Observable::TestLoss])?;
    let step = |tau: f64| tau / (DECAY * STEP_SIZE);
    let slow_curve = Curve {
        name: "test, slow flow (λ → 0)".into(),
        points: taus.iter().zip(table.values.column(0)).map(|(&tau, &y)| (step(tau), y)).collect(),
        style: Style::Dashed,
        color: Color::Black,
        band: None,
    };
    // Read off the published figure.
    let published = [
        (2.5e5, 0.092),
        (3.67e5, 0.0511),
        (5.09e5, 0.0144),
        (6.29e5, 0.0049),
        (7.7e5, 0.0016),
        (1.1e6, 2.0e-4),
        (1e7, 3.97e-5),
    ];
    let dots = Curve {
        name: "test, published".into(),
        points: published.to_vec(),
        style: Style::Points,
        color: Color::Green,
        band: None,
    };
    let markers = vec![Marker { at: step(ALPHA.ln()), label: "log α/λ".into(), color: Color::Black }];
    let x = |range| Axis { label: "step".into(), scale: Scale::Log, range };
    Ok(Figure {
        title: "Completion of the multiplication table, d = 97, 470 entries, α = 10, λ = 10⁻⁴, η = 0.1".into(),
        panels: vec![
            Panel {
                title: "losses".into(),
                x: x(Some((1.0, STEPS))),
                y: Axis { label: "loss".into(), scale: Scale::Log, range: Some((1e-10, 1.0)) },
                curves: vec![
                    curve(0, "training", Color::Blue, true),
                    curve(1, "test", Color::Vermillion, true),
                    slow_curve,
                    dots,
                ],
                markers: markers.clone(),
            },
            Panel {
                title: "norms".into(),
                x: x(Some((1.0, STEPS))),
                y: Axis { label: "norm".into(), scale: Scale::Log, range: None },
                curves: vec![
                    curve(2, "‖θ‖", Color::Purple, true),
                    curve(3, "‖W‖_*", Color::Green, true),
                ],
                markers,
            },
        ],
        columns: 2,
        caption: Some(
            "Lines: gradient flow for one mask; bands: smallest and largest over five masks. Dots: read off the published figure."
                .into(),
        ),
    })
}
