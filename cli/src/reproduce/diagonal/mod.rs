//! Figures of arXiv 2311.18817 (diagonal nets).

mod dichotomy;
mod transition;

use super::Entry;

pub const FIGURES: &[Entry] = &[
    Entry {
        name: "dichotomy-1a",
        what: "2311.18817 figure 1a: grokking, sparse signs (n = 256, d = 10⁵)",
        make: dichotomy::figure_1a,
    },
    Entry {
        name: "dichotomy-1b",
        what: "2311.18817 figure 1b: misgrokking, Gaussian data with a gap (n = 32, d = 10⁵)",
        make: dichotomy::figure_1b,
    },
    Entry {
        name: "diagonal-transition",
        what: "from the kernel to the max-margin solution: one jump against λt, sharper and ln 10 later for each tenfold α (not in the paper)",
        make: transition::figure,
    },
];
