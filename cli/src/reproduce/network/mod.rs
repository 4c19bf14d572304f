//! Figures of trained networks, in reduced settings: what is published beside what is measured.
//!
//! arXiv 2205.10343 (toy model and phases), 2311.18817 (modular addition) and 2601.19791 (two trained layers).

mod modular;
mod phases;
mod toy;
mod two_layers;

use groktime::network::{Curves, Record};
use groktime::trajectory::Observable;

use super::Entry;
use crate::plot::{Axis, Color, Curve, Scale, Style};

/// Figures of the effective theory's paper.
pub const EFFECTIVE: &[Entry] = &[
    Entry {
        name: "effective-4b",
        number: Some("4b"),
        shows: "steps until the toy net has the structure, by training set, from the authors' seeds",
        seconds: 8.0,
        make: toy::figure_4b,
    },
    Entry {
        name: "effective-4d",
        number: Some("4d"),
        shows: "RQI and accuracies of the toy net beside the effective theory, seed 58",
        seconds: 2.0,
        make: toy::figure_4d,
    },
    Entry {
        name: "effective-6a",
        number: Some("6a"),
        shows: "phases of the toy net over both learning rates (7 × 7, 10⁴ steps)",
        seconds: 60.0,
        make: phases::figure_6a,
    },
    Entry {
        name: "effective-6b",
        number: Some("6b"),
        shows: "phases of the toy net over decoder learning rate and weight decay (7 × 7, 10⁴ steps)",
        seconds: 60.0,
        make: phases::figure_6b,
    },
    Entry {
        name: "effective-6c",
        number: Some("6c"),
        shows: "the same for classification (7 × 7, 10⁴ steps)",
        seconds: 60.0,
        make: phases::figure_6c,
    },
    Entry {
        name: "effective-6d",
        number: Some("6d"),
        shows: "the same for products in S3 (7 × 7, 10⁴ steps)",
        seconds: 60.0,
        make: phases::figure_6d,
    },
];

/// Figures of the paper on early and late phases.
pub const DICHOTOMY: &[Entry] = &[
    Entry {
        name: "dichotomy-2a",
        number: Some("2a"),
        shows: "modular addition by a two-layer net under descent with weight decay (p = 23)",
        seconds: 15.0,
        make: modular::figure_2a,
    },
    Entry {
        name: "dichotomy-2b",
        number: Some("2b"),
        shows: "the same from larger initialisations: the transition moves with ln α (p = 23)",
        seconds: 45.0,
        make: modular::figure_2b,
    },
    Entry {
        name: "dichotomy-2c",
        number: Some("2c"),
        shows: "the same under other weight decays: later for larger ones, and too large (p = 23)",
        seconds: 60.0,
        make: modular::figure_2c,
    },
];

/// Figures of the ridge paper.
pub const TWO_LAYERS: &[Entry] = &[
    Entry {
        name: "ridge-1-right",
        number: Some("1 right"),
        shows: "losses of a two-layer net of which both layers are trained, zero teacher (3 runs)",
        seconds: 60.0,
        make: two_layers::figure_1,
    },
    Entry {
        name: "ridge-4",
        number: Some("4"),
        shows: "t₁ and t₂ of a two-layer net of which both layers are trained, zero teacher",
        seconds: 40.0,
        make: two_layers::figure_4,
    },
];

fn axis(label: &str, scale: Scale) -> Axis {
    Axis { label: label.into(), scale, range: None }
}

fn line(name: impl Into<String>, points: Vec<(f64, f64)>, color: Color) -> Curve {
    Curve { name: name.into(), points, style: Style::Solid, color, band: None }
}

/// An observable against the step.
fn over_steps(curves: &Curves, what: Observable) -> Vec<(f64, f64)> {
    let steps = curves.records.iter().map(|r| r.step as f64);
    steps.zip(curves.column(what)).filter_map(|(step, value)| Some((step, value?))).collect()
}

/// The first record at which something holds.
fn first(curves: &Curves, holds: impl Fn(&Record) -> bool) -> Option<u64> {
    curves.records.iter().find(|r| holds(r)).map(|r| r.step)
}
