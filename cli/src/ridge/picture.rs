//! The picture of one problem: both losses on logarithmic axes, t1 and t2, and the bounds as envelopes.

use groktime::ridge::ClosedForm;
use groktime::theorem::{Claim, Outcome};
use groktime::trajectory::Clock;

use super::report::Report;
use super::span;
use crate::output::short;
use crate::plot::{Axis, Color, Curve, Figure, Marker, Panel, Scale, Style};

/// log10 of e.
const LOG10_E: f64 = std::f64::consts::LOG10_E;

pub fn losses<T: Clock>(form: &ClosedForm<'_, '_, T>, report: &Report<T>) -> Figure {
    let times: Vec<T> = span(form, report, 40).into_iter().filter(|t| *t > T::ZERO).collect();
    let at = |f: &dyn Fn(T) -> f64| times.iter().map(|&t| (t.as_f64(), f(t) * LOG10_E)).collect::<Vec<_>>();
    let train = at(&|t| form.ln_train_loss(t));
    let test = at(&|t| form.ln_test_loss(t).unwrap_or(f64::NAN));
    let curve = |name: &str, points: Vec<(f64, f64)>, style, color| Curve {
        name: name.to_owned(),
        points,
        style,
        color,
        band: None,
    };
    // The training loss may fall thousands of decades below the test loss: show the decades that matter.
    let smallest = |points: &[(f64, f64)]| {
        points.iter().map(|p| p.1).filter(|y| y.is_finite()).fold(f64::INFINITY, f64::min)
    };
    let largest = |points: &[(f64, f64)]| {
        points.iter().map(|p| p.1).filter(|y| y.is_finite()).fold(f64::NEG_INFINITY, f64::max)
    };
    let top = largest(&train).max(largest(&test)) + 0.5;
    let bottom = smallest(&train).min(smallest(&test)).max(smallest(&test).min(top - 1.0) - 12.0) - 0.5;
    let mut curves = vec![
        curve("training loss", train, Style::Solid, Color::Blue),
        curve("test loss", test, Style::Solid, Color::Vermillion),
    ];
    for judged in &report.statements {
        let Claim::Envelope { ln_bound, until } = &judged.statement.claim else { continue };
        let color = match judged.statement.quantity {
            "log_train_loss" => Color::Blue,
            "log_test_loss" => Color::Vermillion,
            _ => continue,
        };
        if judged.verdict.outcome != Outcome::Holds {
            continue;
        }
        let points = times.iter().map(|t| t.as_f64()).filter(|t| t < until);
        let points = points.map(|t| (t, ln_bound(t) * LOG10_E)).collect();
        let name = judged.statement.source.number;
        curves.push(curve(name, points, Style::Dashed, color));
    }
    let mark = |time: Option<T>, name: &str, color| {
        let t = time.map(|t| t.as_f64()).filter(|t| *t > 0.0)?;
        Some(Marker { at: t, label: format!("{name} = {}", short(t)), color })
    };
    let markers = [
        mark(report.times.train.time(), "t₁", Color::Blue),
        mark(report.times.test.time(), "t₂", Color::Vermillion),
    ];
    let clock = if T::NAME == f64::NAME { "flow time τ" } else { "step t" };
    let (n, m) = form.spectrum().shape();
    Figure {
        title: format!("Ridge regression, n = {n}, m = {m}, λ = {}", form.settings().weight_decay),
        panels: vec![Panel {
            title: String::new(),
            x: Axis { label: clock.into(), scale: Scale::Log, range: None },
            y: Axis { label: "loss".into(), scale: Scale::Log10Values, range: Some((bottom, top)) },
            curves,
            markers: markers.into_iter().flatten().collect(),
        }],
        columns: 1,
        caption: Some("Solid: exact losses. Dashed: published bounds whose hypotheses hold here.".into()),
    }
}
