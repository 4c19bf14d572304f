//! Sizes and shapes of any kind, in generators and in lists that name indices: an answer or an error. What is allowed
//! is little, so that what is allowed is quick.
#![no_main]

use groktime::completion::{Init, Problem};
use groktime::data::Observations;
use groktime::data::files::read_csv_bytes;
use groktime::data::matrices::{LowRank, random_mask, random_subset};
use groktime::data::tasks::{Law, Task};
use groktime::network::{Activation, Bias, Net};
use groktime::ridge::{Features, Recipe};
use groktime::sweep::grid;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: ([u64; 4], u8, Vec<u8>)| {
    let (sizes, kind, bytes) = data;
    // As many small numbers as large ones.
    let [n, m, d, k] = sizes.map(|size| (size >> (size % 64)) as usize);
    groktime::memory::within(4 << 20, || match kind % 8 {
        0 | 1 => {
            let features = match kind / 8 % 4 {
                0 => Features::Gaussian,
                1 => Features::Sphere { bound: 1.0 },
                2 => Features::Relu { input_dim: d, hidden_variance: 1.0, input_variance: 1.0 },
                _ => Features::Fourier { input_dim: d, frequency_variance: 1.0, input_variance: 1.0 },
            };
            drop(Recipe { samples: n, width: m, features, test_samples: k, ..Recipe::default() }.draw());
        }
        2 => {
            let law = match kind / 8 % 3 {
                0 => Law::SparseSigns { relevant: k },
                1 => Law::Gap { gap: 1.0 },
                _ => Law::Regression { relevant: k, noise_std: 0.1 },
            };
            drop(Task { law, samples: n, dimension: d, seed: 0 }.draw());
        }
        3 => {
            drop(random_mask(d, k, 0));
            drop(random_subset(n, k, 0));
        }
        4 if d < 64 || d > 4096 => {
            drop(LowRank { dimension: d, rank: k, negative: 0, spikiness: 0.0, seed: 0 }.draw());
        }
        5 => {
            drop(grid::linear(0.0, 1.0, n));
            if let Ok(net) = Net::new(&[n, m, k], Activation::Relu, Bias::All) {
                drop(net.init(&Default::default(), 0));
            }
        }
        // The three columns of a list, as a file names them.
        6 => {
            let Ok(rows) = read_csv_bytes(&bytes, "list.csv") else { return };
            if rows.ncols() == 3 {
                let list: Vec<_> =
                    rows.rows().into_iter().map(|r| (r[0] as usize, r[1] as usize, r[2])).collect();
                let largest = list.iter().map(|e| e.0.max(e.1)).max().unwrap_or(0);
                if let Ok(seen) = Observations::from_list(largest.saturating_add(1), &list) {
                    drop(Problem::new(seen, None, Init::Identity { coordinate: 1.0 }));
                }
            }
        }
        _ => {
            let list = [(n, m, 1.0), (k, k, 2.0)];
            if let Ok(seen) = Observations::from_list(d, &list) {
                drop(Problem::new(seen, None, Init::Identity { coordinate: 1.0 }));
            }
        }
    });
});
