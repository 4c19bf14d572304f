//! Modular addition without weight decay, figure 4 of arXiv 2311.18817: gradient flow in the clock of the logarithm
//! of time.
//!
//! The published run takes descent steps of η/𝓛; stable ones are so short that thousands of them fit into one of the
//! flow's. By default p = 23 instead of 97 and 256 hidden units instead of 1024.

use std::path::Path;

use groktime::data::files::write_whole;
use groktime::linalg::Threads;
use groktime::network::tasks::modular_addition;
use groktime::network::{Activation, Bias, Criterion, Init, LateSettings, Law, Net};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{axis, line};
use crate::output::{Failure, exact};
use crate::plot::{Color, Figure, Panel, Scale};
use crate::reproduce::{Check, Options, Produced, at_most, between};

#[derive(Clone, Copy, Debug, Serialize)]
struct Setup {
    symbols: usize,
    fraction: f64,
    hidden: usize,
    /// log₁₀(1 + t) at the end.
    horizon: f64,
    rtol: f64,
    seed: u64,
}

/// How many times are kept, evenly in the logarithm of log₁₀(1 + t) + 1, and how many lie between two states from
/// which a run that was stopped goes on.
const KEPT: usize = 120;
const LEG: usize = 10;

/// What is recorded at one time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Row {
    /// log₁₀(1 + t).
    time: f64,
    train_accuracy: f64,
    test_accuracy: f64,
    ln_loss: f64,
    norm: f64,
}

/// What is seen of a record.
type Quantity = fn(&Row) -> f64;

/// A run up to a time.
#[derive(Serialize, Deserialize)]
struct Reached {
    rows: Vec<Row>,
    theta: Vec<f64>,
}

fn setups(full: bool) -> Vec<Setup> {
    if full {
        return vec![Setup { symbols: 97, fraction: 0.4, hidden: 1024, horizon: 7e4, rtol: 1e-2, seed: 0 }];
    }
    let seeds = [0, 1].into_iter();
    let setup = |seed| Setup { symbols: 23, fraction: 0.7, hidden: 256, horizon: 2000.0, rtol: 1e-2, seed };
    seeds.map(setup).collect()
}

fn run(setup: &Setup, kept: &Path, threads: Threads) -> groktime::Result<Vec<Row>> {
    let (training, test) = modular_addition(setup.symbols, setup.fraction, setup.seed)?.into_pair();
    let net = Net::new(&[2 * setup.symbols, setup.hidden, setup.symbols], Activation::Relu, Bias::First)?;
    let times: Vec<f64> = (0..=KEPT)
        .map(|k| ((setup.horizon + 1.0).powf(k as f64 / KEPT as f64) - 1.0) * std::f64::consts::LN_10)
        .collect();
    let read = std::fs::read(kept).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let Reached { mut rows, mut theta } = match read {
        Some(reached) => reached,
        None => {
            let theta = net.init(&Init { law: Law::He, ..Init::default() }, setup.seed)?;
            Reached { rows: Vec::new(), theta }
        }
    };
    while rows.len() < times.len() {
        let known = rows.len();
        let keep = times[known..(known + LEG).min(times.len())].to_vec();
        let start = if known == 0 { 0.0 } else { times[known - 1] };
        let settings =
            LateSettings { criterion: Criterion::CrossEntropy, start, keep, rtol: setup.rtol, threads };
        let flow = net.late_flow(&training, &settings, &theta)?;
        for (k, (time, state)) in flow.states().iter().enumerate() {
            let (train, test) = (flow.evaluate(k)?, flow.evaluate_on(k, &test)?);
            rows.push(Row {
                time: time / std::f64::consts::LN_10,
                train_accuracy: train.accuracy,
                test_accuracy: test.accuracy,
                ln_loss: train.ln_loss,
                norm: state.iter().map(|x| x * x).sum::<f64>().sqrt(),
            });
        }
        theta = flow.states().last().map_or(theta, |(_, state)| state.clone());
        let reached = Reached { rows, theta };
        // A state that cannot be kept costs a run that was stopped its time, not its result.
        let _ = write_whole(kept, |file| serde_json::to_writer(file, &reached).map_err(std::io::Error::from));
        (rows, theta) = (reached.rows, reached.theta);
    }
    Ok(rows)
}

/// log₁₀(1 + t) at which an accuracy passes `part`, between two records by a straight line.
fn passes(rows: &[Row], accuracy: Quantity, part: f64, after: f64) -> f64 {
    let found = rows.windows(2).find(|w| w[0].time >= after && accuracy(&w[1]) >= part);
    found.map_or(f64::NAN, |w| {
        let (a, b) = (accuracy(&w[0]), accuracy(&w[1]));
        let x = if b > a { ((part - a) / (b - a)).clamp(0.0, 1.0) } else { 1.0 };
        w[0].time + x * (w[1].time - w[0].time)
    })
}

fn train(row: &Row) -> f64 {
    row.train_accuracy
}

fn test(row: &Row) -> f64 {
    row.test_accuracy
}

pub fn figure_4(options: &Options) -> Result<Produced, Failure> {
    let setups = setups(options.full);
    // One large run has all threads, small ones one each.
    let threads = if setups.len() == 1 { Threads::All } else { Threads::One };
    let runs: Vec<Vec<Row>> = options.points(&setups, setups.len(), |k| {
        run(&setups[k], &options.state(&setups[k], "state.json"), threads)
    })?;
    let panel = |title: &str, label: &str, scale: Scale, what: &[(&str, Quantity, Color)]| Panel {
        title: title.into(),
        x: axis("1 + log₁₀(1 + t)", Scale::Log),
        y: axis(label, scale),
        curves: what
            .iter()
            .flat_map(|&(name, value, color)| {
                runs.iter().enumerate().map(move |(k, rows)| {
                    let points = rows.iter().map(|r| (1.0 + r.time, value(r))).collect();
                    line(if k == 0 { name } else { "" }, points, color)
                })
            })
            .collect(),
        markers: vec![],
    };
    let accuracies = [("training", train as Quantity, Color::Blue), ("test", test, Color::Vermillion)];
    let norm: Quantity = |r| r.norm;
    let rows = &runs[0];
    let fits = passes(rows, train, 0.99, 0.0);
    let [tenth, half, most] = [0.1, 0.5, 0.9].map(|part| passes(rows, test, part, fits));
    let early = rows.iter().filter(|r| r.time >= fits && r.time <= 3.0 * fits).map(test).fold(0.0, f64::max);
    let last = rows[rows.len() - 1];
    let tenfold = rows.iter().rfind(|r| r.time <= 0.1 * last.time).unwrap_or(&last);
    let exponent = (last.norm / tenfold.norm).ln() / (last.time / tenfold.time).ln();
    let Setup { symbols, fraction, hidden, horizon, rtol, .. } = setups[0];
    Ok(Produced {
        figure: Figure {
            title: "Modular addition without weight decay".into(),
            panels: vec![
                panel(
                    &format!("p = {symbols}, {hidden} hidden units, {} seeds", setups.len()),
                    "accuracy",
                    Scale::Linear,
                    &accuracies,
                ),
                panel("norm of the parameters", "‖θ‖₂", Scale::Log, &[("", norm, Color::Black)]),
            ],
            columns: 2,
            caption: Some("Gradient flow; t is flow time, and its logarithm goes into the thousands.".into()),
        },
        heading: vec!["run", "log10_time", "train_accuracy", "test_accuracy", "ln_loss", "parameter_norm"],
        rows: runs
            .iter()
            .zip(&setups)
            .flat_map(|(rows, setup)| {
                rows.iter().map(|r| {
                    let numbers = [r.time, r.train_accuracy, r.test_accuracy, r.ln_loss, r.norm].map(exact);
                    [&[setup.seed.to_string()][..], &numbers[..]].concat()
                })
            })
            .collect(),
        settings: json!({
            "symbols": symbols, "published_symbols": 97, "fraction": fraction, "published_fraction": 0.4,
            "hidden": hidden, "published_hidden": 1024, "optimizer": "flow", "rtol": rtol,
            "published_optimizer": "gd on ln of the loss", "weight_decay": 0.0, "log10_horizon": horizon,
            "published_log10_horizon": 7e4, "loss": "cross-entropy",
            "seeds": setups.iter().map(|s| s.seed).collect::<Vec<_>>(),
        }),
        checks: vec![
            Check::new(
                "log₁₀ t with training accuracy 0.99",
                "3.10 (p = 97)",
                fits,
                between(2.9, 3.3, "the published number, to what another seed changes"),
            )
            .comparable_if(options.full, "p = 23 instead of 97: another problem's number"),
            Check::new(
                "highest test accuracy until three times that log₁₀ t",
                "0",
                early,
                at_most(0.05, "none: 5%, chance included"),
            ),
            Check::new(
                "log₁₀ t with test accuracy 0.1",
                "156 (p = 97)",
                tenth,
                between(130.0, 190.0, "a fifth, for the seed"),
            )
            .comparable_if(options.full, "p = 23 instead of 97: another problem's number"),
            Check::new("the same, 0.5", "532 (p = 97)", half, between(430.0, 640.0, "a fifth, for the seed"))
                .comparable_if(options.full, "p = 23 instead of 97: another problem's number"),
            Check::new(
                "the same, 0.9",
                "2544 (p = 97)",
                most,
                between(2000.0, 3100.0, "a fifth, for the seed"),
            )
            .comparable_if(options.full, "p = 23 instead of 97: another problem's number"),
            Check::new(
                "log₁₀ t with 0.9 over that with 0.5",
                "4.8 (p = 97)",
                most / half,
                between(3.8, 5.8, "a fifth, for the seed"),
            )
            .comparable_if(options.full, "p = 23 instead of 97: another problem's number"),
            Check::new(
                "power of ln t with which ‖θ‖ grows, last factor of ten",
                "½",
                exponent,
                between(0.44, 0.56, "the limit is reached as 1/ln t, still some per cent away"),
            ),
        ],
    })
}
