//! Kernel to max margin: not in the paper, but what its theorems say at finite α.

use groktime::Loss;
use groktime::data::tasks::{Law, Task};
use groktime::diagonal::{Alignment, Init, Limits, Problem, Settings};
use groktime::grokking::Transition;
use rayon::prelude::*;
use serde_json::json;

use crate::output::{Failure, exact};
use crate::plot::{Axis, Color, Curve, Figure, Panel, Scale, Style};
use crate::reproduce::{Check, Produced, at_most, between};

/// α of the four nets.
const ALPHAS: [f64; 4] = [1e1, 1e2, 1e3, 1e4];
const STYLES: [Style; 4] = [Style::Solid, Style::Solid, Style::Dashed, Style::Dotted];
const WEIGHT_DECAY: f64 = 1e-3;
/// The grid in λt goes to ln α + 6.
const PAST: f64 = 6.0;

/// One net against its limits.
struct Path {
    alpha: f64,
    /// λt.
    tau: Vec<f64>,
    alignments: Vec<Alignment>,
    /// Of the L1 margin ratio, in λt.
    transition: Option<Transition>,
}

pub fn figure() -> Result<Produced, Failure> {
    let task = Task { law: Law::SparseSigns { relevant: 3 }, samples: 64, dimension: 500, seed: 0 };
    let drawn = task.draw()?;
    let problem = Problem::new(drawn.design, drawn.labels.to_vec(), Loss::Logistic)?;
    let none = || Failure::Computation("the sample has no margin".into());
    let limits = Limits::new(&problem, &Init::Symmetric(1.0), 2, Default::default())?.ok_or_else(none)?;
    let paths =
        ALPHAS.par_iter().map(|&alpha| path(&problem, &limits, alpha)).collect::<Result<Vec<_>, _>>()?;
    let midpoints: Vec<f64> = paths.iter().map(|p| p.transition.map_or(f64::NAN, |t| t.midpoint)).collect();
    let widths: Vec<f64> = paths.iter().map(|p| p.transition.map_or(f64::NAN, |t| t.width())).collect();
    let mut checks: Vec<Check> = (1..paths.len())
        .map(|i| {
            let shift = (midpoints[i] - midpoints[i - 1]) / std::f64::consts::LN_10;
            let what = format!("shift of λt from α = {} to {}, over ln 10", ALPHAS[i - 1], ALPHAS[i]);
            Check::new(what, "1, to leading order", shift, between(0.95, 1.05, "the next order is 1/ln α"))
        })
        .collect();
    let relative = |i: usize| widths[i] / midpoints[i];
    let sharper = relative(ALPHAS.len() - 1) / relative(0);
    checks.push(Check::new(
        "width over midpoint, α = 10⁴ relative to α = 10",
        "below 1: the transition sharpens",
        sharper,
        at_most(0.9, "clearly below one"),
    ));
    let kernel = paths[ALPHAS.len() - 1].alignments.iter().filter_map(|a| a.margin_l2).fold(0.0, f64::max);
    checks.push(Check::new(
        "largest L2 margin ratio, α = 10⁴",
        "to 1 as α → ∞",
        kernel,
        between(0.97, 1.0, "within 3% of the limit"),
    ));
    Ok(Produced {
        figure: Figure {
            title: "From the L2 to the L1 max-margin solution: sparse signs, n = 64, d = 500, λ = 10⁻³"
                .into(),
            panels: panels(&paths),
            columns: 2,
            caption: Some(format!(
                "Logistic loss, depth 2, u = v = α at the start. Each tenfold α moves the transition by ln 10 = 2.303 in λt; \
                 midpoints of the L1 margin ratio: {}. \
                 The limits by convex solvers. With λ fixed the flow ends at an L1-regularised loss, short of the L1 margin.",
                midpoints.iter().map(|m| format!("{m:.3}")).collect::<Vec<_>>().join(", ")
            )),
        },
        heading: vec!["alpha", "lambda_t", "cosine_l2", "cosine_l1", "margin_l2_ratio", "margin_l1_ratio"],
        rows: paths.iter().flat_map(rows).collect(),
        settings: json!({
            "task": {"name": "sparse", "sparsity": 3}, "samples": task.samples, "dimension": task.dimension,
            "seed": task.seed, "depth": 2, "loss": "logistic", "init_coordinate": ALPHAS,
            "weight_decay": WEIGHT_DECAY, "midpoints": midpoints, "widths": widths,
        }),
        checks,
    })
}

fn path(problem: &Problem, limits: &Limits, alpha: f64) -> Result<Path, Failure> {
    let end = alpha.ln() + PAST;
    let settings = Settings {
        init: Init::Symmetric(alpha),
        weight_decay: WEIGHT_DECAY,
        horizon: end / WEIGHT_DECAY,
        ..Settings::default()
    };
    let run = problem.integrate(&settings)?;
    let look = |tau: f64| -> groktime::Result<Alignment> {
        let t = (tau / WEIGHT_DECAY).min(settings.horizon);
        Ok(limits.compare(&run.snapshot(t)?))
    };
    // From the first fit on: before it there is no margin.
    let tau: Vec<f64> = (1..=300).map(|j| end * f64::from(j) / 300.0).collect();
    let alignments = tau.iter().map(|&s| look(s)).collect::<groktime::Result<Vec<_>>>()?;
    let ratio = |a: Alignment| a.margin_l1.unwrap_or(f64::NAN);
    // The plateau: half-way to ln α, deep in the kernel phase of every α here.
    let plateau = ratio(look(0.5 * alpha.ln())?);
    let last = ratio(look(end)?);
    let late: Vec<f64> = tau.iter().copied().filter(|s| *s >= 0.5 * alpha.ln()).collect();
    let transition = Transition::find(&late, plateau, last, |s| Ok(ratio(look(s)?)))?;
    Ok(Path { alpha, tau, alignments, transition })
}

fn rows(path: &Path) -> Vec<Vec<String>> {
    let row = |(tau, a): (&f64, &Alignment)| {
        let values = [a.cosine_kernel, a.cosine_rich, a.margin_l2, a.margin_l1];
        let cells = values.map(|x| x.map_or(String::new(), exact));
        [exact(path.alpha), exact(*tau)].into_iter().chain(cells).collect()
    };
    path.tau.iter().zip(&path.alignments).map(row).collect()
}

fn panels(paths: &[Path]) -> Vec<Panel> {
    let curves = |shifted: bool, scaled: bool, value: fn(&Alignment) -> Option<f64>| -> Vec<Curve> {
        let curve = |(i, p): (usize, &Path)| {
            let x = |tau: f64| match (shifted, scaled) {
                (true, _) => tau - p.alpha.ln(),
                (_, true) => tau / p.alpha.ln(),
                _ => tau,
            };
            Curve {
                name: format!("α = {}", p.alpha),
                points: p
                    .tau
                    .iter()
                    .zip(&p.alignments)
                    .map(|(&s, a)| (x(s), value(a).unwrap_or(f64::NAN)))
                    .collect(),
                // The shifted curves lie on each other.
                style: if shifted { STYLES[i] } else { Style::Solid },
                color: Color::nth(i),
                band: None,
            }
        };
        paths.iter().enumerate().map(curve).collect()
    };
    let panel = |title: &str, x: &str, y: &str, range, curves| Panel {
        title: title.into(),
        x: Axis { label: x.into(), scale: Scale::Linear, range },
        y: Axis { label: y.into(), scale: Scale::Linear, range: Some((0.0, 1.03)) },
        curves,
        markers: vec![],
    };
    vec![
        panel(
            "L1 margin",
            "λt",
            "part of the largest",
            Some((0.0, 15.3)),
            curves(false, false, |a| a.margin_l1),
        ),
        panel(
            "L2 margin",
            "λt",
            "part of the largest",
            Some((0.0, 15.3)),
            curves(false, false, |a| a.margin_l2),
        ),
        panel(
            "one clock: λt − ln α",
            "λt − ln α",
            "cosine with the L1 solution",
            Some((-4.0, 6.0)),
            curves(true, false, |a| a.cosine_rich),
        ),
        panel(
            "sharper against λt/ln α",
            "λt / ln α",
            "cosine with the L1 solution",
            Some((0.0, 2.5)),
            curves(false, true, |a| a.cosine_rich),
        ),
    ]
}
