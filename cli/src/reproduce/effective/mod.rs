//! Figures of arXiv 2205.10343 (effective theory) that need no trained network.

mod ensembles;
mod flow;
mod ideal;

use super::Entry;

pub const FIGURES: &[Entry] = &[
    Entry {
        name: "effective-4a",
        what: "2205.10343 figure 4a: probability of a unique linear structure against the training fraction",
        make: ensembles::figure_4a,
    },
    Entry {
        name: "effective-4c",
        what: "2205.10343 figure 4c: embeddings under the effective theory, p = 10",
        make: flow::figure_4c,
    },
    Entry {
        name: "effective-5a",
        what: "2205.10343 figure 5a: grokking rate λ3 against the training fraction, p = 10",
        make: ensembles::figure_5a,
    },
    Entry {
        name: "effective-10",
        what: "2205.10343 figure 10: RQI and accuracy below those of the ideal model, p = 10",
        make: ideal::figure_10,
    },
];
