//! The picture of one training set: loss, RQI and accuracy over time, or the spectrum alone.

use groktime::trajectory::{Observable, Trajectory};

use super::Arguments;
use super::report::{Report, grid};
use super::training_set::z0_name;
use crate::output::{Failure, short};
use crate::plot::{Axis, Color, Curve, Figure, Marker, Panel, Scale, Style};

pub fn figure(arguments: &Arguments, report: &Report<'_, '_>) -> Result<Figure, Failure> {
    let question = &arguments.question;
    let caption = format!(
        "Loss: {:?} over parallelograms, Z0 = {} a dimension.",
        question.convention,
        z0_name(question)
    );
    let Some(moving) = &report.flow else { return Ok(spectrum(report, caption)) };
    let times: Vec<f64> = grid(&moving.flow, 60).into_iter().filter(|t| *t > 0.0).collect();
    let what = [Observable::LogTrainLoss, Observable::RepresentationQuality, Observable::TestAccuracy];
    let table = moving.flow.observe(&times, &what)?;
    let curve = |name: &str, what: Observable, scale: f64, color| Curve {
        name: name.into(),
        points: times
            .iter()
            .zip(table.column(what))
            .map(|(&t, y)| (t, y.unwrap_or(f64::NAN) * scale))
            .collect(),
        style: Style::Solid,
        color,
        band: None,
    };
    let time = || Axis { label: "time t".into(), scale: Scale::Log, range: None };
    let marker = moving.first_rqi.time().filter(|t| *t > 0.0).map(|t| Marker {
        at: t,
        label: format!("RQI > {} at {}", question.rqi_threshold, short(t)),
        color: Color::Blue,
    });
    // Past what a double resolves there is nothing to see.
    let loss = curve("", Observable::LogTrainLoss, std::f64::consts::LOG10_E, Color::Vermillion);
    let top = loss.points.iter().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max) + 0.5;
    Ok(Figure {
        title: format!(
            "Effective flow of p = {} symbols",
            report.flow.as_ref().map_or(0, |m| m.flow.rates().len())
        ),
        panels: vec![
            Panel {
                title: "loss ℓ".into(),
                x: time(),
                y: Axis {
                    label: "ℓ = ℓ0/Z0".into(),
                    scale: Scale::Log10Values,
                    range: Some((top - 12.0, top)),
                },
                curves: vec![loss],
                markers: vec![],
            },
            Panel {
                title: String::new(),
                x: time(),
                y: Axis { label: "fraction".into(), scale: Scale::Linear, range: Some((0.0, 1.05)) },
                curves: vec![
                    curve("RQI", Observable::RepresentationQuality, 1.0, Color::Blue),
                    curve("predicted accuracy", Observable::TestAccuracy, 1.0, Color::Green),
                ],
                markers: marker.into_iter().collect(),
            },
        ],
        columns: 2,
        caption: Some(caption),
    })
}

fn spectrum(report: &Report<'_, '_>, caption: String) -> Figure {
    let values = report.set.hessian.as_ref().unwrap_or(&report.set.eigenvalues);
    let label = if report.set.hessian.is_some() { "eigenvalue of H" } else { "eigenvalue of G" };
    Figure {
        title: format!("Spectrum, nullity {}", report.set.nullity.value),
        panels: vec![Panel {
            title: String::new(),
            x: Axis { label: "index".into(), scale: Scale::Linear, range: None },
            y: Axis { label: label.into(), scale: Scale::Linear, range: None },
            curves: vec![Curve {
                name: String::new(),
                points: values.iter().enumerate().map(|(k, &x)| (k as f64 + 1.0, x)).collect(),
                style: Style::LineAndPoints,
                color: Color::Blue,
                band: None,
            }],
            markers: vec![],
        }],
        columns: 1,
        caption: Some(caption),
    }
}
