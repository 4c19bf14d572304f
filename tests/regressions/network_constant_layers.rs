//! Layers that see only dead units are constant: covariance zero, rank zero in any precision.

use groktime::network::theorems::rank_bounds;
use groktime::network::{Activation, Bias, Inputs, Net, Precision};
use groktime::theorem::Outcome;
use ndarray::Array2;

#[test]
fn constant_layers_have_rank_zero() {
    let net = Net::new(&[2, 3, 4, 3], Activation::Relu, Bias::All).unwrap();
    for seed in 0..200_u32 {
        let hash = |k: u32| {
            f64::from((seed.wrapping_mul(7919) ^ k.wrapping_mul(2_654_435_761)).wrapping_mul(40_503) % 1000)
                / 1000.0
        };
        let n = 3 + (seed % 9) as usize;
        let x = Array2::from_shape_fn((n, 2), |(i, j)| 0.5 + 2.0 * hash((2 * i + j) as u32));
        let mut theta: Vec<f64> = (0..40).map(|k| 3.0 * hash(100 + k) - 1.5).collect();
        let theta_len = net.parameters();
        theta.resize(theta_len, 0.3);
        // The first layer never fires: negative weights on positive inputs.
        let first = &net.layers()[0];
        theta[first.weights.clone()].iter_mut().for_each(|w| *w = -1.0);
        theta[first.bias.clone()].iter_mut().for_each(|b| *b = -0.1);
        for (b, k) in theta[net.layers()[1].bias.clone()].iter_mut().zip(0..) {
            *b = 10.0_f64.powi((seed % 7) as i32 - 3) * (hash(500 + k) - 0.4);
        }
        let inputs = Inputs::Vectors(x);
        for precision in [Precision::Single, Precision::Double] {
            let ranks = net.feature_ranks(&theta, &inputs, precision).unwrap();
            assert_eq!(ranks[1..].iter().map(|l| l.rank).collect::<Vec<_>>(), [0, 0], "{seed} {precision:?}");
            assert!(ranks[0].rank > 0);
            for judged in rank_bounds(&net, &theta, &inputs, precision).unwrap() {
                assert_eq!(judged.verdict.outcome, Outcome::Holds, "{:?}", judged.verdict);
            }
        }
    }
}
