//! Figures of arXiv 2601.19791 (ridge regression).

mod control;
mod curves;
mod sweeps;

use super::{Entry, Make};

pub const FIGURES: &[Entry] = &[
    Entry {
        name: "ridge-1",
        number: Some("1 left"),
        shows: "train loss collapses long before test loss (50 runs, m = 10000)",
        seconds: 2.0,
        make: Make::Once(curves::figure_1),
    },
    Entry {
        name: "ridge-2",
        number: Some("2"),
        shows: "t1 and t2 against λ, n, m, ν² beside the bounds (8)",
        seconds: 2.0,
        make: Make::Once(sweeps::figure_2),
    },
    Entry {
        name: "ridge-3",
        number: Some("3"),
        shows: "the same for random ReLU features and a ReLU-neuron teacher",
        seconds: 25.0,
        make: Make::Once(sweeps::figure_3),
    },
    Entry {
        name: "ridge-5",
        number: Some("5"),
        shows: "accuracy has a plateau, the loss has none (random ReLU features)",
        seconds: 10.0,
        make: Make::Once(curves::figure_5),
    },
    Entry {
        name: "ridge-6",
        number: Some("6"),
        shows: "grokking persists under label noise",
        seconds: 8.0,
        make: Make::Once(curves::figure_6),
    },
    Entry {
        name: "ridge-7",
        number: Some("7"),
        shows: "grokking with random Fourier features",
        seconds: 2.0,
        make: Make::Once(curves::figure_7),
    },
    Entry {
        name: "ridge-control",
        number: None,
        shows: "grokking amplified and eliminated on demand: λ and ν² for a wanted delay",
        seconds: 3.0,
        make: Make::Once(control::figure),
    },
];
