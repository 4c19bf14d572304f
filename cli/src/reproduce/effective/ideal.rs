//! Figure 10: RQI and predicted accuracy of representations against those of the ideal model.

use groktime::data::features::{gaussian_matrix, generator};
use groktime::effective::{Ensemble, Match, Normalisation, Problem, Settings, Task, normalised};
use groktime::linalg::Engine;
use rayon::prelude::*;
use serde_json::json;

use crate::output::{Failure, exact};
use crate::plot::{Axis, Color, Curve, Figure, Panel, Scale, Style};
use crate::reproduce::{Check, Produced, at_most, between};

const SIZES: [usize; 10] = [6, 11, 17, 22, 28, 33, 39, 44, 50, 55];
/// Ideal curves of another implementation (2000 sets a size), all sizes but the last.
const OTHERS: [(f64, f64); 9] = [
    (0.0102, 0.1091),
    (0.0475, 0.2030),
    (0.2350, 0.3679),
    (0.7110, 0.6583),
    (0.9788, 0.8727),
    (0.9984, 0.9272),
    (1.0, 0.9605),
    (1.0, 0.9779),
    (1.0, 0.9924),
];

/// One training set, seen at one time of its flow.
struct Seen {
    size: usize,
    seed: u64,
    /// In units of the slowest mode's time.
    time: f64,
    rqi: f64,
    rqi_bar: f64,
    accuracy: f64,
    accuracy_bar: f64,
}

pub fn figure_10() -> Result<Produced, Failure> {
    let trials = 2000;
    let task = Task::addition(10)?;
    let ensemble = Ensemble { task: task.clone(), trials, seed: 0 };
    let ideals = SIZES.iter().map(|&n| Ok(ensemble.ideal(n)?)).collect::<Result<Vec<_>, Failure>>()?;
    let jobs: Vec<(usize, u64)> = SIZES.iter().flat_map(|&n| (0..40).map(move |s| (n, s))).collect();
    let seen: Vec<Seen> = jobs
        .par_iter()
        .map(|&(size, seed)| look(&task, size, seed))
        .collect::<Result<Vec<_>, Failure>>()?
        .into_iter()
        .flatten()
        .collect();
    let lucky = seen.iter().filter(|s| s.rqi > s.rqi_bar + 1e-12).count() as f64 / seen.len() as f64;
    let lucky_accuracy =
        seen.iter().filter(|s| s.accuracy > s.accuracy_bar + 1e-12).count() as f64 / seen.len() as f64;
    let at_end = seen.iter().filter(|s| s.time > 10.0);
    let short_of = at_end.map(|s| s.rqi_bar - s.rqi).fold(0.0, f64::max);
    // The fewest samples with which some random set of the ensemble implies all.
    let fewest = ensemble.hitting_times()?.sorted[0] as f64 / 55.0;
    let off = ideals
        .iter()
        .zip(OTHERS)
        .map(|(i, o)| {
            ((i.rqi - o.0).abs() / (1.5 * i.rqi_error + 8e-4))
                .max((i.accuracy - o.1).abs() / (1.5 * i.accuracy_error + 8e-4))
        })
        .fold(0.0, f64::max);
    let rows = seen
        .iter()
        .map(|s| {
            let numbers = [s.time, s.rqi, s.rqi_bar, s.accuracy, s.accuracy_bar].map(exact);
            [vec![s.size.to_string(), s.seed.to_string()], numbers.to_vec()].concat()
        })
        .collect();
    let fraction = |n: usize| n as f64 / 55.0;
    let ideal = |y: &dyn Fn(usize) -> f64, name: &str| Curve {
        name: name.into(),
        points: (0..SIZES.len()).map(|k| (fraction(SIZES[k]), y(k))).collect(),
        style: Style::LineAndPoints,
        color: Color::Black,
        band: None,
    };
    let times = [(1.0, Color::Orange), (3.0, Color::Green), (30.0, Color::Blue)];
    let means = |time: f64, color, pick: &dyn Fn(&Seen) -> f64| Curve {
        name: format!("at {time} t_h"),
        points: SIZES
            .iter()
            .map(|&n| {
                let values: Vec<f64> =
                    seen.iter().filter(|s| s.size == n && s.time == time).map(pick).collect();
                (fraction(n), values.iter().sum::<f64>() / values.len() as f64)
            })
            .collect(),
        style: Style::Solid,
        color,
        band: None,
    };
    let scatter = |pick: &dyn Fn(&Seen) -> (f64, f64)| -> Vec<Curve> {
        let diagonal = Curve {
            name: "equal".into(),
            points: vec![(0.0, 0.0), (1.0, 1.0)],
            style: Style::Dashed,
            color: Color::Black,
            band: None,
        };
        let clouds = times.iter().map(|&(time, color)| Curve {
            name: format!("at {time} t_h"),
            points: seen.iter().filter(|s| s.time == time).map(pick).collect(),
            style: Style::Points,
            color,
            band: None,
        });
        std::iter::once(diagonal).chain(clouds).collect()
    };
    let unit = || Some((0.0, 1.03));
    let axis = |label: &str| Axis { label: label.into(), scale: Scale::Linear, range: unit() };
    let with_ideal = |first: Curve, pick: &dyn Fn(&Seen) -> f64| -> Vec<Curve> {
        std::iter::once(first).chain(times.iter().map(|&(t, c)| means(t, c, pick))).collect()
    };
    let panel = |title: &str, x: &str, y: &str, curves| Panel {
        title: title.into(),
        x: axis(x),
        y: axis(y),
        curves,
        markers: vec![],
    };
    Ok(Produced {
        figure: Figure {
            title: "Representations on their way to the ideal model, p = 10, δ = 0.01".into(),
            panels: vec![
                panel("RQI, means", "training fraction r", "RQI", with_ideal(ideal(&|k| ideals[k].rqi, "RQI-bar (ideal)"), &|s| s.rqi)),
                panel("accuracy, means", "training fraction r", "accuracy", with_ideal(ideal(&|k| ideals[k].accuracy, "Acc-bar (ideal)"), &|s| s.accuracy)),
                panel("each training set", "RQI-bar", "RQI", scatter(&|s| (s.rqi_bar, s.rqi))),
                panel("each training set", "Acc-bar", "accuracy", scatter(&|s| (s.accuracy_bar, s.accuracy))),
            ],
            columns: 2,
            caption: Some(
                "Representations are those of the effective flow from Gaussian starts (the paper's are of trained networks), \
                 40 training sets a size; t_h: time of the slowest mode of each. Ideal curves: means of 2000 sets."
                    .into(),
            ),
        },
        heading: vec!["samples", "seed", "time_in_t_h", "rqi", "rqi_bar", "accuracy", "accuracy_bar"],
        rows,
        settings: json!({"symbols": 10, "delta": 0.01, "trials": trials, "flows": "40 a size", "convention": "mean"}),
        checks: vec![
            Check::new("share of representations with RQI above RQI-bar", "none, but for luck", lucky, at_most(0.05, "luck: one in twenty")),
            Check::new("share with accuracy above Acc-bar", "none, but for luck", lucky_accuracy, at_most(0.05, "luck: one in twenty")),
            Check::new("largest RQI-bar − RQI at 30 t_h", "0", short_of, between(0.0, 0.0, "exactly")),
            Check::new("least fraction with RQI-bar = 1 among the sets drawn", "less than 0.4", fewest, at_most(0.4, "as said")),
            Check::new("largest distance of the ideal curves from another implementation's (standard errors)", "same law", off, at_most(4.5, "in standard errors: a chance below 10⁻⁴ for each point")),
        ],
    })
}

fn look(task: &Task, size: usize, seed: u64) -> Result<Vec<Seen>, Failure> {
    let problem = Problem::random(task.clone(), size, seed)?;
    if problem.parallelograms() == 0 {
        return Ok(vec![]);
    }
    let implied = problem.implied();
    let spectrum = problem.spectrum(Engine::SEQUENTIAL)?;
    let start = gaussian_matrix(10, 1, 1.0, &mut generator(seed, size as u64));
    let start = normalised(start.view(), Normalisation::Symbols)?;
    let flow = spectrum.flow(start.view(), Settings { matching: Match::default(), ..Settings::default() })?;
    let slowest = flow.rates().iter().copied().find(|r| *r > 0.0).unwrap_or(1.0);
    [1.0, 3.0, 30.0]
        .into_iter()
        .map(|time| {
            let t = time / slowest;
            Ok(Seen {
                size,
                seed,
                time,
                rqi: flow.rqi(t)?,
                rqi_bar: implied.rqi,
                accuracy: flow.accuracy(t)?,
                accuracy_bar: implied.accuracy,
            })
        })
        .collect()
}
