//! Grokking on demand: weight decays and initial variances for a wanted delay, and the losses there.

use groktime::linalg::Engine;
use groktime::ridge::{Control, Knob, Recipe, Settings};
use groktime::trajectory::log_times;
use serde_json::json;

use crate::output::{Failure, exact, short};
use crate::plot::{Axis, Color, Curve, Figure, Panel, Scale, Style};
use crate::reproduce::{Check, Produced, at_least, at_most, between};

const LOG10_E: f64 = std::f64::consts::LOG10_E;

pub fn figure() -> Result<Produced, Failure> {
    // A teacher in reach: with n = 400 of m = 500 weights seen, the limit is below c for small λ.
    let recipe = Recipe { samples: 400, width: 500, init_variance: 1.0, ..Recipe::default() };
    let instance = recipe.draw()?;
    let problem = instance.problem();
    let spectrum = problem.spectrum(Engine::PARALLEL)?;
    let base = Settings { weight_decay: 1e-4, ..Settings::default() };
    // A training threshold below the test threshold, so that a large λ can end the delay while the model
    // still fits.
    let thresholds = (0.001, 0.01);
    let control = |knob, range, delay| Control { knob, range, points: 90, delay, thresholds };

    let wanted = [0.0, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8];
    let mut rows = Vec::new();
    let mut decays = Vec::new();
    let mut largest_miss = 0.0_f64;
    for &delay in &wanted {
        for solution in control(Knob::WeightDecay, (1e-9, 0.1), delay).descent(&spectrum, &base)? {
            rows.push(vec![
                "weight_decay".into(),
                exact(delay),
                exact(solution.value),
                exact(solution.delay),
            ]);
            decays.push((delay, solution.value));
            largest_miss = largest_miss.max((solution.delay - delay).abs() / delay.max(1.0));
        }
    }
    let mut variances = Vec::new();
    let drawn = Knob::InitVariance { drawn: recipe.init_variance };
    for delay in [0.0, 3e3, 1e4, 2e4, 3e4, 5e4] {
        for solution in control(drawn, (1e-4, 1e8), delay).descent(&spectrum, &base)? {
            rows.push(vec![
                "init_variance".into(),
                exact(delay),
                exact(solution.value),
                exact(solution.delay),
            ]);
            variances.push((delay, solution.value));
            largest_miss = largest_miss.max((solution.delay - delay).abs() / delay.max(1.0));
        }
    }

    // Losses at three chosen decays: no delay, and two amplified ones.
    let times: Vec<u64> = log_times(1, 1_000_000_000, 24).into_iter().filter(|t| *t > 0).collect();
    let chosen = [0.0, 1e5, 1e8].map(|d| decays.iter().find(|(delay, _)| *delay == d).map(|x| x.1));
    let mut curves = Vec::new();
    let colors = [Color::Green, Color::Orange, Color::Purple];
    for ((decay, color), wanted) in chosen.iter().zip(colors).zip(["no delay", "delay 10⁵", "delay 10⁸"])
    {
        let Some(weight_decay) = *decay else { continue };
        let form = spectrum.descent(&Settings { weight_decay, ..base })?;
        let points = |f: &dyn Fn(u64) -> f64| times.iter().map(|&t| (t as f64, f(t) * LOG10_E)).collect();
        let name = format!("{wanted} (λ = {})", short(weight_decay));
        curves.push(Curve {
            name: format!("test, {name}"),
            points: points(&|t| form.ln_test_loss(t).unwrap_or(f64::NAN)),
            style: Style::Solid,
            color,
            band: None,
        });
        curves.push(Curve {
            name: String::new(),
            points: points(&|t| form.ln_train_loss(t)),
            style: Style::Dotted,
            color,
            band: None,
        });
    }
    let panel = |title: &str, label: &str, pairs: &[(f64, f64)], color| Panel {
        title: title.into(),
        x: Axis { label: "wanted delay t₂ − t₁ (steps)".into(), scale: Scale::Log, range: None },
        y: Axis { label: label.into(), scale: Scale::Log, range: None },
        curves: vec![Curve {
            name: String::new(),
            points: pairs.iter().copied().filter(|p| p.0 > 0.0).collect(),
            style: Style::Points,
            color,
            band: None,
        }],
        markers: vec![],
    };
    let none =
        |pairs: &[(f64, f64)]| pairs.iter().filter(|p| p.0 == 0.0).map(|p| p.1).fold(f64::NAN, f64::min);
    let figure = Figure {
        title: "Control: the hyper-parameter for a wanted grokking delay (exact)".into(),
        panels: vec![
            Panel {
                title: "losses at three solved weight decays".into(),
                x: Axis { label: "step".into(), scale: Scale::Log, range: None },
                y: Axis { label: "loss".into(), scale: Scale::Log10Values, range: Some((-6.0, 1.0)) },
                curves,
                markers: vec![],
            },
            panel("weight decay", "λ", &decays, Color::Blue),
            panel("initial variance, λ = 10⁻⁴", "ν²", &variances, Color::Vermillion),
        ],
        columns: 3,
        caption: Some(format!(
            "Isotropic features, n = 400, m = 500, unit teacher, ε = 0.001, c = 0.01. Solid: test loss; dotted: training loss. \
             The delay vanishes at λ = {} and at ν² = {}.",
            short(none(&decays)),
            short(none(&variances)),
        )),
    };
    Ok(Produced {
        figure,
        heading: vec!["knob", "wanted_delay", "value", "delay"],
        rows,
        settings: json!({
            "features": "N(0, I/m)", "teacher": "unit norm", "samples": 400, "width": 500, "step_size": 1,
            "base_weight_decay": base.weight_decay, "train_threshold": thresholds.0, "test_threshold": thresholds.1,
        }),
        checks: vec![
            Check::new(
                "largest relative distance of an achieved delay from the wanted one",
                "0",
                largest_miss,
                at_most(1e-3, "a delay is a whole number of steps, and 1000 the least above none"),
            ),
            Check::new(
                "wanted delays reached by λ",
                "all, from none to 10⁸",
                decays.len() as f64,
                at_least(wanted.len() as f64, "every one"),
            ),
            Check::new(
                "λ at which the delay vanishes",
                "exists",
                none(&decays),
                between(
                    1e-9,
                    0.1,
                    "anywhere in the range that is searched: that there is one is what is said",
                ),
            ),
        ],
    })
}
