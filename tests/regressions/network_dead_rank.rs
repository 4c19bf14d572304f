//! Units that are dead, or constant, have no variance: their rank is zero in every precision.

use groktime::network::{Activation, Bias, Inputs, Net, Precision};
use ndarray::array;

#[test]
fn constant_features_have_rank_zero() {
    let net = Net::new(&[2, 3, 4, 3], Activation::Relu, Bias::All).unwrap();
    // The first layer answers −x₁ − x₂ − 0.1 < 0 on positive inputs: later layers see nothing but biases.
    let mut theta = vec![-1.0; 6];
    theta.extend([-0.1; 3]);
    theta.extend((0..12).map(|i| 0.37 * f64::from(i) - 1.3));
    theta.extend([0.1, 0.3, 0.7, -0.2]);
    theta.extend((0..12).map(|i| 0.61 * f64::from(i) - 2.9));
    theta.extend([0.1, 0.2, 0.3]);
    let x = Inputs::Vectors(array![
        [1.12573, 1.1321],
        [1.64042, 1.1049],
        [1.53567, 1.3616],
        [2.304, 1.94708],
        [1.70374, 2.26542],
        [1.62327, 1.04133],
        [3.32503, 1.21879]
    ]);
    for precision in [Precision::Single, Precision::Double] {
        let ranks: Vec<usize> =
            net.feature_ranks(&theta, &x, precision).unwrap().iter().map(|l| l.rank).collect();
        // Rows of one sign −(x₁ + x₂): one direction. Then constants.
        assert_eq!(ranks, [1, 0, 0], "{precision:?}");
    }
}

#[test]
fn nearly_constant_features_have_the_rank_of_their_rounding() {
    // f = 10⁸ + x·2⁻³⁰: the differences are below the rounding of the sum in either order of addition.
    let net = Net::new(&[1, 2, 1], Activation::Identity, Bias::First).unwrap();
    let theta = [1.0, 1.0, 1e9, -1e9, 1.0, 1.0];
    let x = Inputs::Vectors(ndarray::Array2::from_shape_fn((9, 1), |(i, _)| i as f64 * 1e-9));
    let ranks = net.feature_ranks(&theta, &x, Precision::Double).unwrap();
    assert_eq!(ranks[0].rank, 0);
    let theta = [1.0, 1.0, 1.0, -1.0, 1.0, 1.0];
    assert_eq!(net.feature_ranks(&theta, &x, Precision::Double).unwrap()[0].rank, 1, "told from rounding");
}
