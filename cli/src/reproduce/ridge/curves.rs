//! Figures 1 (left), 5, 6 and 7 of arXiv 2601.19791: losses and accuracies over time.

use groktime::linalg::Engine;
use groktime::ridge::{ClosedForm, Features, Instance, Recipe, Settings, Teacher};
use groktime::trajectory::log_times;
use rayon::prelude::*;
use serde_json::json;

use crate::output::{Failure, exact};
use crate::plot::{Axis, Color, Curve, Figure, Marker, Panel, Scale, Style};
use crate::reproduce::{Check, Produced, at_least, at_most, between};

const LOG10_E: f64 = std::f64::consts::LOG10_E;

type Descent<'s, 'a> = ClosedForm<'s, 'a, u64>;

/// log10 of the training and of the test loss at the times of a grid.
type Losses = (Vec<f64>, Vec<f64>);

/// Solves one instance and looks at its trajectory.
fn with_descent<R>(
    instance: &Instance,
    engine: Engine,
    settings: &Settings,
    look: impl FnOnce(&Descent<'_, '_>) -> Result<R, Failure>,
) -> Result<R, Failure> {
    let problem = instance.problem();
    let spectrum = problem.spectrum(engine)?;
    look(&spectrum.descent(settings)?)
}

fn log10_losses(form: &Descent<'_, '_>, times: &[u64]) -> Losses {
    let train = times.iter().map(|&t| form.ln_train_loss(t) * LOG10_E).collect();
    let test = times.iter().map(|&t| form.ln_test_loss(t).map_or(f64::NAN, |l| l * LOG10_E)).collect();
    (train, test)
}

fn points(times: &[u64], values: &[f64]) -> Vec<(f64, f64)> {
    times.iter().zip(values).map(|(&t, &v)| (t as f64, v)).collect()
}

fn curve(name: &str, times: &[u64], values: &[f64], style: Style, color: Color) -> Curve {
    Curve { name: name.into(), points: points(times, values), style, color, band: None }
}

fn step_axis() -> Axis {
    Axis { label: "step".into(), scale: Scale::Log, range: None }
}

fn loss_axis(range: Option<(f64, f64)>) -> Axis {
    Axis { label: "loss".into(), scale: Scale::Log10Values, range }
}

fn quantile(sorted: &[f64], q: f64) -> f64 {
    sorted[(q * (sorted.len() - 1) as f64).round() as usize]
}

/// Rows time, then one column a curve.
fn rows(times: &[u64], columns: &[&[f64]]) -> Vec<Vec<String>> {
    let row = |i: usize| {
        let cells = columns.iter().map(|c| exact(c[i]));
        std::iter::once(times[i].to_string()).chain(cells).collect()
    };
    (0..times.len()).map(row).collect()
}

pub fn figure_1() -> Result<Produced, Failure> {
    const RUNS: u64 = 50;
    let settings = Settings { weight_decay: 1e-5, ..Settings::default() };
    let times: Vec<u64> = log_times(1, 10_000_000, 30).into_iter().filter(|t| *t > 0).collect();
    let runs = (0..RUNS)
        .into_par_iter()
        .map(|seed| {
            let recipe = Recipe { teacher: Teacher::Zero, width: 10_000, seed, ..Recipe::default() };
            with_descent(&recipe.draw()?, Engine::SEQUENTIAL, &settings, |form| {
                let found = form.times(0.01, 0.01)?;
                let number = |t: Option<u64>| t.map_or(f64::NAN, |t| t as f64);
                Ok((log10_losses(form, &times), number(found.train.time()), number(found.test.time())))
            })
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    // Median and the 10% and 90% quantiles at each time.
    let at = |pick: fn(&Losses) -> &Vec<f64>, q: f64| -> Vec<f64> {
        (0..times.len())
            .map(|i| {
                let mut values: Vec<f64> = runs.iter().map(|r| pick(&r.0)[i]).collect();
                values.sort_by(f64::total_cmp);
                quantile(&values, q)
            })
            .collect()
    };
    let (train, test) = (at(|r| &r.0, 0.5), at(|r| &r.1, 0.5));
    let (train_low, train_high) = (at(|r| &r.0, 0.1), at(|r| &r.0, 0.9));
    let (test_low, test_high) = (at(|r| &r.1, 0.1), at(|r| &r.1, 0.9));
    let mut t1: Vec<f64> = runs.iter().map(|r| r.1).collect();
    let mut t2: Vec<f64> = runs.iter().map(|r| r.2).collect();
    t1.sort_by(f64::total_cmp);
    t2.sort_by(f64::total_cmp);
    let (t1, t2) = (quantile(&t1, 0.5), quantile(&t2, 0.5));
    let band = |low: &[f64], high: &[f64]| Some(low.iter().copied().zip(high.iter().copied()).collect());
    let with_band = |c: Curve, band| Curve { band, ..c };
    // Where the test loss has fallen by half a decade, how far has the training loss?
    let half = test.iter().position(|&l| l < test[0] - 0.5).unwrap_or(times.len() - 1);
    let ahead = (train[0] - train[half]) - (test[0] - test[half]);
    Ok(Produced {
        figure: Figure {
            title: "Zero teacher, φ ~ N(0, I/m): n = 100, m = 10⁴, λ = 10⁻⁵".into(),
            panels: vec![Panel {
                title: String::new(),
                x: step_axis(),
                y: loss_axis(Some((-12.0, 1.0))),
                curves: vec![
                    with_band(
                        curve("training loss", &times, &train, Style::Solid, Color::Blue),
                        band(&train_low, &train_high),
                    ),
                    with_band(
                        curve("test loss", &times, &test, Style::Solid, Color::Vermillion),
                        band(&test_low, &test_high),
                    ),
                ],
                markers: vec![
                    Marker { at: t1, label: format!("t₁ = {t1}"), color: Color::Blue },
                    Marker { at: t2, label: format!("t₂ = {t2}"), color: Color::Vermillion },
                ],
            }],
            columns: 1,
            caption: Some("Median of 50 runs; bands from the 10% to the 90% quantile (narrower than the lines). t₁, t₂ at ε = c = 0.01.".into()),
        },
        heading: vec!["step", "log10_train", "log10_train_q10", "log10_train_q90", "log10_test", "log10_test_q10", "log10_test_q90"],
        rows: rows(&times, &[&train, &train_low, &train_high, &test, &test_low, &test_high]),
        settings: json!({
            "features": "N(0, I/m)", "teacher": "zero", "samples": 100, "width": 10_000,
            "weight_decay": 1e-5, "init_variance": 1, "step_size": 1, "runs": RUNS,
        }),
        checks: vec![
            Check::new("median t2 / median t1", "training fits long before", t2 / t1, at_least(100.0, "two orders of magnitude")),
            Check::new("decades the training loss is ahead when the test loss has fallen by half a decade", "orders of magnitude", ahead, at_least(10.0, "ten orders of magnitude")),
        ],
    })
}

fn relu(width: usize, input_dim: usize, noise_std: f64) -> Recipe {
    Recipe {
        features: Features::Relu { input_dim, hidden_variance: 1.0, input_variance: 1.0 },
        teacher: Teacher::ReluNeuron,
        width,
        noise_std,
        test_samples: 4000,
        ..Recipe::default()
    }
}

pub fn figure_5() -> Result<Produced, Failure> {
    let settings = Settings { weight_decay: 1e-5, ..Settings::default() };
    let times: Vec<u64> = log_times(1, 10_000_000, 16).into_iter().filter(|t| *t > 0).collect();
    let instance = relu(10_000, 100, 0.0).draw()?;
    with_descent(&instance, Engine::PARALLEL, &settings, |form| {
        let (train, test) = log10_losses(form, &times);
        let accuracy: Vec<f64> = times.iter().map(|&t| form.test_accuracy(t).unwrap_or(f64::NAN)).collect();
        // Between the fit and the escape: the share of its total rise that each curve makes there.
        let near = |t: u64| times.iter().position(|&s| s >= t).unwrap_or(times.len() - 1);
        let (early, late, end) = (near(1_000), near(10_000), times.len() - 1);
        let change = |v: &[f64]| ((v[late] - v[early]) / (v[end] - v[0])).abs();
        Ok(Produced {
            figure: Figure {
                title: "Random ReLU features (n = d = 100, m = 10 000, λ = 10⁻⁵): accuracy and loss".into(),
                panels: vec![
                    Panel {
                        title: "surrogate accuracy P((N − N*)² ≤ 0.01)".into(),
                        x: step_axis(),
                        y: Axis { label: "accuracy".into(), scale: Scale::Linear, range: None },
                        curves: vec![curve(
                            "test accuracy (4000 samples)",
                            &times,
                            &accuracy,
                            Style::Solid,
                            Color::Green,
                        )],
                        markers: vec![],
                    },
                    Panel {
                        title: "losses".into(),
                        x: step_axis(),
                        y: loss_axis(None),
                        curves: vec![
                            curve("training loss", &times, &train, Style::Solid, Color::Blue),
                            curve("test loss (exact)", &times, &test, Style::Solid, Color::Vermillion),
                        ],
                        markers: vec![],
                    },
                ],
                columns: 2,
                caption: Some(
                    "Inputs x ~ N(0, I), our choice. The test loss is exact by the arc-cosine kernel.".into(),
                ),
            },
            heading: vec!["step", "log10_train", "log10_test", "accuracy"],
            rows: rows(&times, &[&train, &test, &accuracy]),
            settings: json!({
                "features": "random ReLU", "teacher": "one ReLU neuron", "samples": 100, "width": 10_000, "input_dim": 100,
                "inputs": "x ~ N(0, I_d), ours", "weight_decay": 1e-5, "step_size": 1, "accuracy_tolerance": 0.01,
                "test_samples": 4000,
            }),
            checks: vec![
                Check::new(
                    "share of the accuracy's rise made in steps 10³ to 10⁴",
                    "plateau: little",
                    change(&accuracy),
                    at_most(0.07, "half of what one decade of seven would have of a rise even in log t"),
                ),
                Check::new(
                    "final over initial accuracy",
                    "rises",
                    accuracy[end] / accuracy[0],
                    at_least(1.5, "by half at least"),
                ),
            ],
        })
    })
}

pub fn figure_6() -> Result<Produced, Failure> {
    let settings = Settings { weight_decay: 1e-5, ..Settings::default() };
    let times: Vec<u64> = log_times(1, 10_000_000, 16).into_iter().filter(|t| *t > 0).collect();
    let stds = [0.01, 0.03, 0.1, 0.3];
    let mut curves = Vec::new();
    let mut columns = Vec::new();
    let (mut halves, mut fits) = (Vec::new(), Vec::new());
    for (i, &std) in stds.iter().enumerate() {
        let instance = relu(5000, 50, std).draw()?;
        with_descent(&instance, Engine::PARALLEL, &settings, |form| {
            let (train, test) = log10_losses(form, &times);
            let color = Color::nth(i);
            curves.push(curve(&format!("test, noise {std}"), &times, &test, Style::Solid, color));
            curves.push(curve(&format!("training, noise {std}"), &times, &train, Style::Dotted, color));
            // Grokking time: when the test loss is half-way from its plateau to its limit.
            let plateau = form.test_loss(3_000).map_or(f64::NAN, |p| p.value);
            let limit = form.test_loss_limit().unwrap_or(f64::NAN);
            let middle = form.first_general(0.5 * (plateau + limit))?.time();
            let number = |t: Option<u64>| t.map_or(f64::NAN, |t| t as f64);
            halves.push(number(middle));
            fits.push(number(form.last_unfit(0.01)?.time()));
            columns.extend([train, test]);
            Ok(())
        })?;
    }
    let ratio =
        halves.iter().copied().fold(0.0, f64::max) / halves.iter().copied().fold(f64::INFINITY, f64::min);
    let references: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
    Ok(Produced {
        figure: Figure {
            title: "Label noise, random ReLU features: m = 5000, λ = 10⁻⁵".into(),
            panels: vec![Panel { title: String::new(), x: step_axis(), y: loss_axis(None), curves, markers: vec![] }],
            columns: 1,
            caption: Some("Solid: test loss against the clean teacher (exact). Dotted: training loss on the noisy labels. Inputs x ~ N(0, I), our choice.".into()),
        },
        heading: vec![
            "step", "log10_train_0.01", "log10_test_0.01", "log10_train_0.03", "log10_test_0.03",
            "log10_train_0.1", "log10_test_0.1", "log10_train_0.3", "log10_test_0.3",
        ],
        rows: rows(&times, &references),
        settings: json!({
            "features": "random ReLU", "teacher": "one ReLU neuron", "samples": 100, "width": 5000, "input_dim": 50,
            "inputs": "x ~ N(0, I_d), ours", "weight_decay": 1e-5, "step_size": 1, "noise_std": stds,
        }),
        checks: vec![
            Check::new("test loss half-way from plateau to limit at noise 0.1, over t1", "grokking persists", halves[2] / fits[2], at_least(10.0, "an order of magnitude after the fit")),
            Check::new("largest over smallest grokking time over the noise", "hardly depends on the noise", ratio, between(1.0, 1.2, "thirtyfold noise changes it by less than a fifth")),
        ],
    })
}

pub fn figure_7() -> Result<Produced, Failure> {
    let settings = Settings { weight_decay: 1e-4, ..Settings::default() };
    let times: Vec<u64> = log_times(1, 1_000_000, 20).into_iter().filter(|t| *t > 0).collect();
    let input_dim = 10;
    let recipe = Recipe {
        features: Features::Fourier {
            input_dim,
            frequency_variance: 1.0,
            input_variance: 1.0 / input_dim as f64,
        },
        teacher: Teacher::FourierFeature,
        width: 5000,
        ..Recipe::default()
    };
    with_descent(&recipe.draw()?, Engine::PARALLEL, &settings, |form| {
        let (train, test) = log10_losses(form, &times);
        let found = form.times(0.01, 0.01)?;
        let number = |t: Option<u64>| t.map_or(f64::NAN, |t| t as f64);
        let (t1, t2) = (number(found.train.time()), number(found.test.time()));
        Ok(Produced {
            figure: Figure {
                title: "Random Fourier features: n = 100, m = 5000, λ = 10⁻⁴".into(),
                panels: vec![Panel {
                    title: String::new(),
                    x: step_axis(),
                    y: loss_axis(None),
                    curves: vec![
                        curve("training loss", &times, &train, Style::Solid, Color::Blue),
                        curve("test loss (exact)", &times, &test, Style::Solid, Color::Vermillion),
                    ],
                    markers: vec![
                        Marker { at: t1, label: format!("t₁ = {t1}"), color: Color::Blue },
                        Marker { at: t2, label: format!("t₂ = {t2}"), color: Color::Vermillion },
                    ],
                }],
                columns: 1,
                caption: Some("Teacher: one further random Fourier feature. Inputs x ~ N(0, I/d), our choice; test loss exact.".into()),
            },
            heading: vec!["step", "log10_train", "log10_test"],
            rows: rows(&times, &[&train, &test]),
            settings: json!({
                "features": "random Fourier, σ² = 1", "teacher": "one Fourier feature", "samples": 100, "width": 5000,
                "input_dim": input_dim, "inputs": "x ~ N(0, I_d/d), ours", "weight_decay": 1e-4, "step_size": 1,
            }),
            checks: vec![Check::new("t2 / t1", "grokking", t2 / t1, at_least(10.0, "an order of magnitude"))],
        })
    })
}
