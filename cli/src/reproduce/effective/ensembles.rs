//! Figures 4a and 5a: random training sets.

use groktime::effective::{Convention, Ensemble, Normalisation, Task};
use serde_json::json;

use crate::output::{Failure, exact};
use crate::plot::{Axis, Color, Curve, Figure, Marker, Panel, Scale, Style};
use crate::reproduce::{Check, Produced, at_most, between, yes};

/// Successes of the authors' program in 10⁴ subsets, p = 10, |D| = 14..=40.
const AUTHORS: [u32; 27] = [
    1, 7, 51, 144, 373, 860, 1754, 2863, 4270, 5795, 7085, 8027, 8666, 9187, 9488, 9654, 9814, 9881, 9919,
    9945, 9980, 9983, 9991, 9998, 9994, 9997, 10_000,
];

/// Subsets of the 21 sums of six symbols with a unique structure, |D| = 6..=21, all enumerated.
const EXACT_SIX: [f64; 16] = [
    3.0, 129.0, 1594.0, 9666.0, 34_479.0, 78_779.0, 120_698.0, 127_420.0, 94_580.0, 50_486.0, 19_951.0,
    5965.0, 1330.0, 210.0, 21.0, 1.0,
];

fn curve(name: impl Into<String>, points: Vec<(f64, f64)>, style: Style, color: Color) -> Curve {
    Curve { name: name.into(), points, style, color, band: None }
}

fn axis(label: &str, scale: Scale, range: Option<(f64, f64)>) -> Axis {
    Axis { label: label.into(), scale, range }
}

pub fn figure_4a() -> Result<Produced, Failure> {
    let mut rows = Vec::new();
    let mut shown = Vec::new();
    let mut halves = Vec::new();
    let mut worst = 0.0_f64;
    let mut worst_exact = 0.0_f64;
    for (p, trials, color) in [
        (6, 100_000, Color::Orange),
        (10, 100_000, Color::Blue),
        (15, 40_000, Color::Green),
        (20, 20_000, Color::Purple),
        (40, 2_000, Color::Sky),
        (80, 300, Color::Black),
    ] {
        let times = Ensemble { task: Task::addition(p)?, trials, seed: 0 }.hitting_times()?;
        let all = times.samples;
        let points: Vec<(usize, groktime::effective::Proportion)> =
            (1..=all).map(|n| (n, times.unique(n))).collect();
        for &(n, at) in &points {
            let (low, high) = at.interval(0.95)?;
            rows.push(vec![
                p.to_string(),
                n.to_string(),
                exact(n as f64 / all as f64),
                exact(at.estimate()),
                exact(low),
                exact(high),
            ]);
        }
        let (critical, interval) = times.critical_fraction(0.95)?;
        halves.push((p as f64, critical, interval));
        if p == 10 {
            for (n, &theirs) in (14..).zip(&AUTHORS) {
                let (a, b) = (times.unique(n).estimate(), f64::from(theirs) / 1e4);
                let pooled = (a * trials as f64 + f64::from(theirs)) / (trials as f64 + 1e4);
                let error = (pooled * (1.0 - pooled) * (1.0 / trials as f64 + 1e-4)).sqrt();
                worst = worst.max((a - b).abs() / error.max(1e-12));
            }
        }
        if p == 6 {
            for (n, &count) in (6_u64..).zip(&EXACT_SIX) {
                // C(21, n) by its product.
                let subsets = (0..n).map(|k| (21 - k) as f64 / (k + 1) as f64).product::<f64>();
                let (a, b) = (times.unique(n as usize).estimate(), count / subsets);
                let error = (b * (1.0 - b) / trials as f64).sqrt().max(1.0 / trials as f64);
                worst_exact = worst_exact.max((a - b).abs() / error);
            }
        }
        let line = points.iter().map(|&(n, at)| (n as f64 / all as f64, at.estimate())).collect();
        shown.push(curve(format!("p = {p}"), line, Style::Solid, color));
    }
    let theirs =
        (14..).zip(&AUTHORS).map(|(n, &k): (usize, &u32)| (n as f64 / 55.0, f64::from(k) / 1e4)).collect();
    shown.push(curve("authors' program, p = 10", theirs, Style::Points, Color::Vermillion));
    let ten = halves.iter().find(|h| h.0 == 10.0).map_or(f64::NAN, |h| h.1);
    let last = halves.last().map_or(f64::NAN, |h| h.1);
    let drift = Curve {
        band: Some(halves.iter().map(|h| h.2).collect()),
        ..curve("", halves.iter().map(|h| (h.0, h.1)).collect(), Style::LineAndPoints, Color::Blue)
    };
    Ok(Produced {
        figure: Figure {
            title: "A unique linear structure appears at a critical training fraction".into(),
            panels: vec![
                Panel {
                    title: "P(n₀ = 2) over random training sets".into(),
                    x: axis("training fraction r = |D|/|D₀|", Scale::Linear, Some((0.0, 1.0))),
                    y: axis("probability", Scale::Linear, Some((0.0, 1.02))),
                    curves: shown,
                    markers: vec![Marker { at: 0.4, label: "0.4 (paper)".into(), color: Color::Vermillion }],
                },
                Panel {
                    title: "critical fraction: 0.4 belongs to p = 10".into(),
                    x: axis("symbols p", Scale::Log, None),
                    y: axis("r at which P = 1/2", Scale::Log, None),
                    curves: vec![drift],
                    markers: vec![],
                },
            ],
            columns: 2,
            caption: Some(
                "Exact ranks of random training sets; each insertion order gives one draw of the whole curve. \
                 Points: 10⁴ sets a size by the authors' program. Band: 95%."
                    .into(),
            ),
        },
        heading: vec!["symbols", "samples", "fraction", "probability", "low_95", "high_95"],
        rows,
        settings: json!({"operation": "addition without wrap", "trials": {"6": 100_000, "10": 100_000, "15": 40_000, "20": 20_000, "40": 2000, "80": 300}, "seed": 0}),
        checks: vec![
            Check::new("critical fraction, p = 10", "about 0.4; 0.4087 by the authors' program", ten, between(0.4087 - 1.0 / 110.0, 0.4087 + 1.0 / 110.0, "half a step of the grid of sizes, 1/110")),
            Check::new("largest distance from the authors' counts (standard errors, 27 sizes)", "same law", worst, at_most(4.0, "of 27 normal deviates one is larger in one case of 500")),
            Check::new("largest distance from the enumerated counts of p = 6 (standard errors)", "same law", worst_exact, at_most(4.5, "of 21 normal deviates one is larger in one case of 7000")),
            Check::new("critical fraction, p = 80 (not constant in p)", "0.4 at p = 10 only", last, at_most(0.1, "at most a quarter of 0.4")),
        ],
    })
}

/// Mean and quartiles.
fn summary(mut values: Vec<f64>) -> [f64; 4] {
    values.sort_by(f64::total_cmp);
    let at = |q: f64| values[(q * (values.len() - 1) as f64).round() as usize];
    [values.iter().sum::<f64>() / values.len() as f64, at(0.25), at(0.5), at(0.75)]
}

pub fn figure_5a() -> Result<Produced, Failure> {
    let trials = 20_000;
    let ensemble = Ensemble { task: Task::addition(10)?, trials, seed: 0 };
    let mut rows = Vec::new();
    let (mut paper, mut sums) = (Vec::new(), Vec::new());
    for size in 6..=55 {
        let rates = ensemble.rates(size)?;
        let lambda = |r: &groktime::effective::Rate| r.lambda(10, Convention::Mean, Normalisation::Symbols);
        let (h, g) =
            (summary(rates.iter().map(lambda).collect()), summary(rates.iter().map(|r| r.mu).collect()));
        let r = size as f64 / 55.0;
        rows.push([vec![size.to_string(), exact(r)], h.map(exact).to_vec(), g.map(exact).to_vec()].concat());
        paper.push((r, h));
        sums.push((r, g));
    }
    let at = |size: usize| paper[size - 6].1;
    let panel = |title: &str, label: &str, values: &[(f64, [f64; 4])], color| Panel {
        title: title.into(),
        x: axis("training fraction r", Scale::Linear, Some((0.0, 1.0))),
        y: axis(label, Scale::Linear, None),
        curves: vec![
            Curve {
                band: Some(values.iter().map(|v| (v.1[1], v.1[3])).collect()),
                ..curve(
                    "median, quartiles",
                    values.iter().map(|v| (v.0, v.1[2])).collect(),
                    Style::Solid,
                    color,
                )
            },
            curve("mean", values.iter().map(|v| (v.0, v.1[0])).collect(), Style::Dashed, Color::Black),
        ],
        markers: vec![Marker { at: 0.4, label: "0.4".into(), color: Color::Vermillion }],
    };
    let rises = (12..55).all(|n| at(n + 1)[0] >= at(n)[0] - 1e-9);
    Ok(Produced {
        figure: Figure {
            title: "Grokking rate against training fraction, p = 10".into(),
            panels: vec![
                panel("λ₃ of H = 2G/(N·Z₀), Z₀ = p (paper)", "λ₃", &paper, Color::Blue),
                panel("μ₃ of G (sum convention, as the notebooks)", "μ₃", &sums, Color::Green),
            ],
            columns: 2,
            caption: Some("20000 random training sets a size, zeros included.".into()),
        },
        heading: vec![
            "samples",
            "fraction",
            "lambda3_mean",
            "lambda3_q25",
            "lambda3_median",
            "lambda3_q75",
            "mu3_mean",
            "mu3_q25",
            "mu3_median",
            "mu3_q75",
        ],
        rows,
        settings: json!({"operation": "addition without wrap", "symbols": 10, "trials": trials, "seed": 0}),
        checks: vec![
            Check::new(
                "mean λ₃ at r = 0.31",
                "about 0 below 0.4",
                at(17)[0],
                at_most(5.5e-4, "1% of the mean at r = 0.8"),
            ),
            Check::new(
                "mean λ₃ at r = 0.51 (no number printed; another implementation's)",
                "0.01761",
                at(28)[0],
                between(0.0172, 0.0180, "2%: the standard errors of both means"),
            ),
            Check::new(
                "mean λ₃ at r = 0.80 (another implementation's)",
                "0.05542",
                at(44)[0],
                between(0.0548, 0.0561, "1%: the standard errors of both means"),
            ),
            Check::new(
                "λ₃ at r = 1, exactly 6/70",
                "0.0857",
                at(55)[0],
                between(0.085_714, 0.085_715, "six digits"),
            ),
            Check::new(
                "mean rises with r from 0.22 on (1: yes)",
                "increasing",
                f64::from(u8::from(rises)),
                yes(),
            ),
        ],
    })
}
