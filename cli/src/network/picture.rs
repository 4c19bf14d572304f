//! The picture of one run: accuracies, losses, norms, feature ranks.

use super::report::{Report, Row};
use crate::plot::{Axis, Color, Curve, Figure, Panel, Scale, Style};

pub fn figure(report: &Report) -> Figure {
    let rows = &report.rows;
    let flow = report.statistics.is_some();
    let label = if flow { "flow time t" } else { "step" };
    let x = || Axis { label: label.into(), scale: Scale::Log, range: None };
    let curve = |name: String, color, value: &dyn Fn(&Row) -> Option<f64>| Curve {
        name,
        points: rows.iter().map(|r| (r.time, value(r).unwrap_or(f64::NAN))).collect(),
        style: Style::Solid,
        color,
        band: None,
    };
    let pair = |train: &dyn Fn(&Row) -> Option<f64>, test: &dyn Fn(&Row) -> Option<f64>| {
        vec![curve("training".into(), Color::Blue, train), curve("test".into(), Color::Vermillion, test)]
    };
    let norms = rows.first().map_or(0, |r| r.norms.len());
    let layers = rows.iter().find_map(|r| r.features.as_ref()).map_or(0, Vec::len);
    let panel = |title: &str, y: Axis, curves: Vec<Curve>| Panel {
        title: title.into(),
        x: x(),
        y,
        curves,
        markers: vec![],
    };
    let axis = |label: &str, scale, range| Axis { label: label.into(), scale, range };
    let mut panels = vec![
        panel(
            "accuracy",
            axis("fraction right", Scale::Linear, Some((-0.02, 1.02))),
            pair(&|r| Some(r.train.accuracy), &|r| r.test.map(|t| t.accuracy)),
        ),
        panel(
            "loss",
            axis("loss", Scale::Log10Values, None),
            // Logarithms: the loss itself may underflow.
            pair(&|r| Some(r.train.ln_loss * std::f64::consts::LOG10_E), &|r| {
                r.test.map(|t| t.ln_loss * std::f64::consts::LOG10_E)
            }),
        ),
        panel(
            "norms of the layers",
            axis("‖·‖₂", Scale::Log, None),
            std::iter::once(curve("all".into(), Color::Black, &|r| Some(r.norm)))
                .chain((0..norms).map(|l| curve(String::new(), Color::nth(l), &move |r| Some(r.norms[l]))))
                .collect(),
        ),
        panel(
            "feature rank by layer",
            axis("rank", Scale::Linear, None),
            (0..layers)
                .map(|l| {
                    let rank = move |r: &Row| r.features.as_ref().map(|f| f[l].rank as f64);
                    curve(format!("layer {}", l + 1), Color::nth(l), &rank)
                })
                .collect(),
        ),
    ];
    panels.iter_mut().for_each(|panel| panel.curves.retain(|c| c.points.iter().any(|p| p.1.is_finite())));
    panels.retain(|panel| !panel.curves.is_empty());
    Figure {
        title: if flow { "Network under gradient flow".into() } else { "Trained network".into() },
        columns: panels.len().min(2),
        panels,
        caption: Some("Empirical: one run, seen at the recorded steps.".into()),
    }
}
