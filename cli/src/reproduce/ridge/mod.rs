//! Figures of arXiv 2601.19791 (ridge regression).

mod control;
mod curves;
mod sweeps;

use super::Entry;

pub const FIGURES: &[Entry] = &[
    Entry {
        name: "ridge-1",
        what: "2601.19791 figure 1 left: train loss collapses long before test loss (50 runs, m = 10000)",
        make: curves::figure_1,
    },
    Entry {
        name: "ridge-2",
        what: "2601.19791 figure 2: t1 and t2 against λ, n, m, ν² beside the bounds (8)",
        make: sweeps::figure_2,
    },
    Entry {
        name: "ridge-3",
        what: "2601.19791 figure 3: the same for random ReLU features and a ReLU-neuron teacher",
        make: sweeps::figure_3,
    },
    Entry {
        name: "ridge-5",
        what: "2601.19791 figure 5: accuracy has a plateau, the loss has none (random ReLU features)",
        make: curves::figure_5,
    },
    Entry {
        name: "ridge-6",
        what: "2601.19791 figure 6: grokking persists under label noise",
        make: curves::figure_6,
    },
    Entry {
        name: "ridge-7",
        what: "2601.19791 figure 7: grokking with random Fourier features",
        make: curves::figure_7,
    },
    Entry {
        name: "ridge-control",
        what: "grokking amplified and eliminated on demand: λ and ν² for a wanted delay (not in the paper)",
        make: control::figure,
    },
];
