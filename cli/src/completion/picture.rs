//! The picture of one problem: losses, and the norms beside the rank.

use groktime::trajectory::{Observable, Trajectory, even_times, log_times};

use super::report::Report;
use crate::output::{Failure, short};
use crate::plot::{Axis, Color, Curve, Figure, Marker, Panel, Scale, Style};

pub fn figure(report: &Report<'_>) -> Result<Figure, Failure> {
    let solution = report.solution;
    let horizon = solution.horizon().unwrap_or(1.0);
    let mut times: Vec<f64> =
        log_times(1e-6 * horizon, horizon, 24).into_iter().filter(|t| *t > 0.0).collect();
    times.extend(even_times(horizon, 120).into_iter().skip(1));

    times.sort_by(f64::total_cmp);
    times.dedup();
    let what =
        [Observable::TrainLoss, Observable::TestLoss, Observable::ParameterNorm, Observable::NuclearNorm];
    let table = solution.observe(&times, &what)?;
    let curve = |index: usize, name: &str, color, style, power: i32| Curve {
        name: name.into(),
        points: times.iter().zip(table.values.column(index)).map(|(&t, &y)| (t, y.powi(power))).collect(),
        style,
        color,
        band: None,
    };
    let slow = report.arguments.question.slow_flow;
    let clock = if slow { "τ = λt" } else { "flow time (step size × steps)" };
    let x = Axis { label: clock.into(), scale: Scale::Log, range: None };
    let transition = report.arguments.source.init_coordinate.ln() / solution.weight_decay();
    let markers = match report.arguments.source.init.is_none() && transition > 0.0 {
        true => vec![Marker { at: transition, label: "log α/λ".into(), color: Color::Black }],
        false => vec![],
    };
    let mut losses = vec![curve(1, "test loss", Color::Vermillion, Style::Solid, 1)];
    if !slow {
        losses.insert(0, curve(0, "training loss", Color::Blue, Style::Solid, 1));
    }
    let panel = |label: &str, curves| Panel {
        title: String::new(),
        x: x.clone(),
        y: Axis { label: label.into(), scale: Scale::Log, range: None },
        curves,
        markers: markers.clone(),
    };
    let problem = solution.problem();
    Ok(Figure {
        title: format!(
            "Matrix completion, d = {}, n = {}, λ = {}",
            problem.dimension(),
            problem.observations().count(),
            short(report.arguments.question.weight_decay),
        ),
        panels: vec![
            panel("loss", losses),
            panel(
                "norm",
                vec![
                    curve(2, "‖θ‖² = ‖U‖² + ‖V‖²", Color::Purple, Style::Solid, 2),
                    curve(3, "‖W‖_*", Color::Green, Style::Dashed, 1),
                ],
            ),
        ],
        columns: 2,
        caption: None,
    })
}
