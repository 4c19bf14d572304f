//! Figures of trained networks, in reduced settings: what is published beside what is measured.
//!
//! arXiv 2205.10343 (toy model and phases), 2311.18817 (modular addition) and 2601.19791 (two trained layers).

mod decoder;
mod deep;
mod digits;
mod embeddings;
mod fractions;
mod kept;
mod late;
mod modular;
mod omnigrok;
mod parallelograms;
mod permutations;
mod phases;
mod toy;
mod two_layers;

use groktime::network::Curves;
use groktime::trajectory::Observable;

use super::{Entry, Make};
use crate::plot::{Axis, Color, Curve, Scale, Style};

/// Figures of the effective theory's paper.
pub const EFFECTIVE: &[Entry] = &[
    Entry {
        name: "effective-2",
        number: Some("2"),
        shows: "embeddings on a line for addition, on a circle for modular addition (p = 11)",
        seconds: 20.0,
        make: Make::Once(embeddings::figure_2),
    },
    Entry {
        name: "effective-3",
        number: Some("3"),
        shows: "accuracy of the toy net and of what its embeddings predict, by training fraction",
        seconds: 30.0,
        make: Make::Once(fractions::figure_3),
    },
    Entry {
        name: "effective-4b",
        number: Some("4b"),
        shows: "steps until the toy net has the structure, by training set, from the authors' seeds",
        seconds: 8.0,
        make: Make::Once(toy::figure_4b),
    },
    Entry {
        name: "effective-4d",
        number: Some("4d"),
        shows: "RQI and accuracies of the toy net beside the effective theory, seed 58",
        seconds: 2.0,
        make: Make::Once(toy::figure_4d),
    },
    Entry {
        name: "effective-5b",
        number: Some("5b"),
        shows: "learning time of the toy net and 1/(λ₃η), by training fraction",
        seconds: 8.0,
        make: Make::Once(fractions::figure_5b),
    },
    Entry {
        name: "effective-6a",
        number: Some("6a"),
        shows: "phases of the toy net over both learning rates (7 × 7, 10⁴ steps)",
        seconds: 60.0,
        make: Make::Sized { make: phases::figure_6a, minutes: 25.0 },
    },
    Entry {
        name: "effective-6b",
        number: Some("6b"),
        shows: "phases of the toy net over decoder learning rate and weight decay (7 × 7, 10⁴ steps)",
        seconds: 60.0,
        make: Make::Sized { make: phases::figure_6b, minutes: 45.0 },
    },
    Entry {
        name: "effective-6c",
        number: Some("6c"),
        shows: "the same for classification (7 × 7, 10⁴ steps)",
        seconds: 60.0,
        make: Make::Sized { make: phases::figure_6c, minutes: 45.0 },
    },
    Entry {
        name: "effective-6d",
        number: Some("6d"),
        shows: "the same for products in S3 (7 × 7, 10⁴ steps)",
        seconds: 60.0,
        make: Make::Sized { make: phases::figure_6d, minutes: 45.0 },
    },
    Entry {
        name: "effective-8",
        number: Some("8"),
        shows: "phases of nets on digits over weight decay and the rate of the last layer (5 × 5)",
        seconds: 60.0,
        make: Make::Sized { make: omnigrok::figure_8, minutes: 200.0 },
    },
    Entry {
        name: "effective-11",
        number: Some("11"),
        shows: "which parallelograms four embeddings find, fast and slow decoder (60 seeds)",
        seconds: 30.0,
        make: Make::Once(parallelograms::figure_11),
    },
    Entry {
        name: "effective-13",
        number: Some("13-15"),
        shows: "phases over batch, initial scale and decay of the embeddings (5 × 5, 10⁴ steps)",
        seconds: 60.0,
        make: Make::Sized { make: decoder::figure_13, minutes: 35.0 },
    },
    Entry {
        name: "effective-17",
        number: Some("17"),
        shows: "structure of S3 by training fraction (5 seeds)",
        seconds: 60.0,
        make: Make::Once(permutations::figure_17),
    },
];

/// Figures of the paper on early and late phases.
pub const DICHOTOMY: &[Entry] = &[
    Entry {
        name: "dichotomy-2a",
        number: Some("2a"),
        shows: "modular addition by a two-layer net under descent with weight decay (p = 23)",
        seconds: 15.0,
        make: Make::Sized { make: modular::figure_2a, minutes: 60.0 },
    },
    Entry {
        name: "dichotomy-2b",
        number: Some("2b"),
        shows: "the same from larger initialisations: the transition moves with ln α (p = 23)",
        seconds: 45.0,
        make: Make::Sized { make: modular::figure_2b, minutes: 170.0 },
    },
    Entry {
        name: "dichotomy-2c",
        number: Some("2c"),
        shows: "the same under other weight decays: later for larger ones, and too large (p = 23)",
        seconds: 60.0,
        make: Make::Sized { make: modular::figure_2c, minutes: 80.0 },
    },
    Entry {
        name: "dichotomy-4",
        number: Some("4"),
        shows: "modular addition without weight decay, flow to log₁₀ t = 2000 (p = 23, 2 seeds)",
        seconds: 60.0,
        make: Make::Sized { make: late::figure_4, minutes: 120.0 },
    },
];

/// Figures of the ridge paper.
pub const TWO_LAYERS: &[Entry] = &[
    Entry {
        name: "ridge-1-right",
        number: Some("1 right"),
        shows: "losses of a two-layer net of which both layers are trained, zero teacher (3 runs)",
        seconds: 60.0,
        make: Make::Once(two_layers::figure_1),
    },
    Entry {
        name: "ridge-4",
        number: Some("4"),
        shows: "t₁ and t₂ of a two-layer net of which both layers are trained, zero teacher",
        seconds: 40.0,
        make: Make::Once(two_layers::figure_4),
    },
];

/// Figures of the papers on deep nets and on images.
pub const DEEP: &[Entry] = &[
    Entry {
        name: "deep-1",
        number: Some("1"),
        shows: "twelve layers on digits: accuracies and feature ranks by layer, three data sizes",
        seconds: 60.0,
        make: Make::Sized { make: deep::figure_1, minutes: 150.0 },
    },
    Entry {
        name: "deep-2",
        number: Some("2-4"),
        shows: "4, 8 and 12 layers: later with depth; layers of low rank",
        seconds: 40.0,
        make: Make::Sized { make: deep::figure_2, minutes: 100.0 },
    },
    Entry {
        name: "deep-5",
        number: Some("5"),
        shows: "norms over data sizes and depths coincide with pure decay",
        seconds: 70.0,
        make: Make::Sized { make: deep::figure_5, minutes: 200.0 },
    },
    Entry {
        name: "deep-6",
        number: Some("6"),
        shows: "twelve layers under three weight decays",
        seconds: 50.0,
        make: Make::Sized { make: deep::figure_6, minutes: 150.0 },
    },
    Entry {
        name: "omnigrok-mnist",
        number: None,
        shows: "grokking on digits from a large initialisation, after arXiv 2210.01117",
        seconds: 50.0,
        make: Make::Sized { make: omnigrok::figure, minutes: 10.0 },
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
