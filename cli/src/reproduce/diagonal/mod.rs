//! Figures of arXiv 2311.18817 (diagonal nets).

mod dichotomy;
mod transition;

use super::{Entry, Make};

pub const FIGURES: &[Entry] = &[
    Entry {
        name: "dichotomy-1a",
        number: Some("1a"),
        shows: "grokking, sparse signs (n = 256, d = 10⁵)",
        seconds: 4.0,
        make: Make::Once(dichotomy::figure_1a),
    },
    Entry {
        name: "dichotomy-1b",
        number: Some("1b"),
        shows: "misgrokking, Gaussian data with a gap (n = 32, d = 10⁵)",
        seconds: 4.0,
        make: Make::Once(dichotomy::figure_1b),
    },
    Entry {
        name: "diagonal-transition",
        number: None,
        shows: "from the kernel to the max-margin solution: one jump against λt, sharper and ln 10 later for each tenfold α",
        seconds: 1.0,
        make: Make::Once(transition::figure),
    },
];
