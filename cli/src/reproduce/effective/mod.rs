//! Figures of arXiv 2205.10343 (effective theory) that need no trained network.

mod ensembles;
mod flow;
mod ideal;

use super::{Entry, Make};

pub const FIGURES: &[Entry] = &[
    Entry {
        name: "effective-4a",
        number: Some("4a"),
        shows: "probability of a unique linear structure against the training fraction",
        seconds: 1.0,
        make: Make::Once(ensembles::figure_4a),
    },
    Entry {
        name: "effective-4c",
        number: Some("4c"),
        shows: "embeddings under the effective theory, p = 10",
        seconds: 1.0,
        make: Make::Once(flow::figure_4c),
    },
    Entry {
        name: "effective-5a",
        number: Some("5a"),
        shows: "grokking rate λ3 against the training fraction, p = 10",
        seconds: 4.0,
        make: Make::Once(ensembles::figure_5a),
    },
    Entry {
        name: "effective-10",
        number: Some("10"),
        shows: "RQI and accuracy below those of the ideal model, p = 10",
        seconds: 1.0,
        make: Make::Once(ideal::figure_10),
    },
];
