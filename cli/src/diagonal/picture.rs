//! The picture of one net: accuracies, losses, norm and margins over time.

use groktime::diagonal::Snapshot;
use groktime::trajectory::{even_times, log_times};

use super::report::{Curves, Report, Row};
use super::{Arguments, source};
use crate::output::{Failure, short};
use crate::plot::{Axis, Color, Curve, Figure, Panel, Scale, Style};

pub fn figure<S>(arguments: &Arguments, curves: &Curves<'_, S>, report: &Report) -> Result<Figure, Failure>
where
    S: Fn(f64) -> groktime::Result<Snapshot>,
{
    let slow = arguments.question.slow_flow;
    let horizon = report.settings.horizon;
    let times = match slow {
        true => even_times(horizon, 150),
        false => log_times(1e-6 * horizon, horizon, 30),
    };
    let (rows, _) = curves.at(&times, false)?;
    let x = || match slow {
        true => Axis { label: "τ = λt".into(), scale: Scale::Linear, range: None },
        false => Axis { label: "flow time t".into(), scale: Scale::Log, range: None },
    };
    let curve = |name: &str, color, value: fn(&Row) -> Option<f64>| Curve {
        name: name.into(),
        points: rows.iter().map(|r| (r.time, value(r).unwrap_or(f64::NAN))).collect(),
        style: Style::Solid,
        color,
        band: None,
    };
    let mut panels = vec![
        Panel {
            title: "accuracy".into(),
            x: x(),
            y: Axis { label: "fraction right".into(), scale: Scale::Linear, range: Some((0.45, 1.02)) },
            curves: vec![
                curve("training", Color::Blue, |r| r.train_accuracy),
                curve("test", Color::Vermillion, |r| r.test_accuracy),
            ],
            markers: vec![],
        },
        Panel {
            title: "loss".into(),
            x: x(),
            y: Axis {
                label: format!("{} loss", curves.problem.loss().name()),
                scale: Scale::Log10Values,
                range: None,
            },
            curves: vec![
                // The logarithm: the loss itself may underflow.
                curve("training", Color::Blue, |r| Some(r.ln_train_loss * std::f64::consts::LOG10_E)),
                curve("test", Color::Vermillion, |r| r.test_loss.map(f64::log10)),
            ],
            markers: vec![],
        },
        Panel {
            title: "norm of the parameters".into(),
            x: x(),
            y: Axis { label: "‖θ‖₂".into(), scale: Scale::Log, range: None },
            curves: vec![curve("", Color::Green, |r| Some(r.parameter_norm))],
            markers: vec![],
        },
        Panel {
            title: "margins over their final value".into(),
            x: x(),
            y: Axis { label: "margin / final margin".into(), scale: Scale::Linear, range: None },
            curves: relative_margins(&rows),
            markers: vec![],
        },
    ];
    // Nothing to see: no classes, no test, the losses of a fitted slow flow.
    panels.iter_mut().for_each(|panel| panel.curves.retain(|c| c.points.iter().any(|p| p.1.is_finite())));
    if slow {
        panels[1].curves.retain(|c| c.name != "training");
    }
    panels.retain(|panel| !panel.curves.is_empty());
    let (s, design) = (&report.settings, curves.problem.design());
    let decay = if slow { "λ → 0".into() } else { format!("λ = {}", s.weight_decay) };
    Ok(Figure {
        title: format!(
            "Diagonal net of depth {}: n = {}, d = {}, ‖θ(0)‖ = {}, {decay}",
            s.depth,
            design.samples(),
            design.dimension(),
            short(source::norm(&s.init, design.dimension())),
        ),
        columns: panels.len().min(2),
        panels,
        caption: Some(format!("Tested on {}.", curves.test.name())),
    })
}

fn relative_margins(rows: &[Row]) -> Vec<Curve> {
    let curve = |name: &str, color, value: fn(&Row) -> Option<f64>| {
        let end = rows.last().and_then(value).unwrap_or(f64::NAN);
        let points = rows.iter().map(|r| (r.time, value(r).unwrap_or(f64::NAN) / end)).collect();
        Curve { name: name.into(), points, style: Style::Solid, color, band: None }
    };
    vec![
        curve("L1 margin", Color::Purple, |r| r.margin_l1),
        curve("L2 margin", Color::Orange, |r| r.margin_l2),
    ]
}
