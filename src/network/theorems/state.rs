//! Statements about one state of a net.

use super::catalogue;
use super::statement;
use crate::error::Result;
use crate::network::flow::double;
use crate::network::{Activation, Criterion, Inputs, LayerFeatures, Net, Precision, Sample};
use crate::theorem::{Form, Hypothesis, Judged, Side};

/// Euler's identity at θ: d‖θ‖²/dt along θ' = −∇𝓛 − λθ against −2λ‖θ‖² − 2L Σ_i ρ_i·f_i ((N6)), the left side
/// from the gradient, the right side from outputs and slopes alone.
///
/// ```
/// use groktime::network::{Activation, Bias, Criterion, Init, Net, Sample, theorems::norm_identity};
/// use groktime::theorem::Outcome;
/// let net = Net::new(&[3, 20, 20, 2], Activation::Relu, Bias::First)?;
/// let x = ndarray::array![[1.0, 0.5, -1.0], [0.2, -0.3, 0.9]];
/// let sample = Sample::classes(x.view(), vec![0, 1]);
/// let theta = net.init(&Init::default(), 0)?;
/// let judged = norm_identity(&net, &sample, Criterion::CrossEntropy, 0.1, &theta)?;
/// assert_eq!(judged.verdict.outcome, Outcome::Holds);
/// # Ok::<(), groktime::Error>(())
/// ```
///
/// # Errors
/// Parameters, sample or criterion that do not fit.
pub fn norm_identity(
    net: &Net,
    sample: &Sample,
    criterion: Criterion,
    weight_decay: f64,
    theta: &[f64],
) -> Result<Judged> {
    crate::error::check("weight decay", weight_decay, |x| x >= 0.0, "a number of at least 0")?;
    let mut core = double(net, sample, criterion, theta)?;
    let gradient = core.full_gradient(net);
    let square: f64 = theta.iter().map(|x| x * x).sum();
    let inner: f64 = theta.iter().zip(&gradient).map(|(x, g)| x * g).sum();
    let degree = net.homogeneity().map_or(f64::NAN, f64::from);
    let outputs = net.outputs_of(theta, &sample.inputs)?;
    let slopes = core.slopes_of(&outputs);
    let products = || outputs.iter().zip(&slopes).map(|(f, r)| f * r);
    let value = -2.0 * weight_decay * square - 2.0 * degree * products().sum::<f64>();
    let measured = -2.0 * (weight_decay * square + inner);
    let hypotheses = vec![Hypothesis::fact("a homogeneous net", Some(!degree.is_nan()))];
    let s = statement(&catalogue::NORM_IDENTITY, Form::Derived, "d‖θ‖²/dt", Side::Equal, value, hypotheses);
    // Sums of as many terms, each side in its own order.
    let size: f64 = theta.iter().zip(&gradient).map(|(x, g)| (x * g).abs()).sum::<f64>()
        + degree.max(1.0) * products().map(f64::abs).sum::<f64>()
        + weight_decay * square;
    let depth = net.depth() as f64;
    let widest = net.widths().iter().copied().max().unwrap_or(1) as f64;
    Ok(s.judge(measured, 8.0 * depth * (widest + sample.len() as f64).sqrt() * f64::EPSILON * size))
}

/// rank Z_l ≤ (mixed units of layer l − 1) + min(its always-on units, rank Z_{l−1}), layer by layer from the
/// second on ((N11)): units that are off add nothing, and units that are on for every sample are affine in
/// Z_{l−1}. A numerical rank may exceed it by rounding alone, which the rule of the rank is made to cut off.
///
/// ```
/// use groktime::network::{Activation, Bias, Init, Inputs, Net, Precision, theorems::rank_bounds};
/// use groktime::theorem::Outcome;
/// let net = Net::new(&[6, 30, 30, 4], Activation::Relu, Bias::All)?;
/// let x = Inputs::Vectors(ndarray::Array2::from_shape_fn((50, 6), |(i, j)| ((7 * i + j * j) as f64).cos()));
/// let judged = rank_bounds(&net, &net.init(&Init::default(), 0)?, &x, Precision::Double)?;
/// assert!(judged.iter().all(|j| j.verdict.outcome == Outcome::Holds));
/// # Ok::<(), groktime::Error>(())
/// ```
///
/// # Errors
/// Parameters or inputs that do not fit; fewer than two samples.
pub fn rank_bounds(net: &Net, theta: &[f64], inputs: &Inputs, precision: Precision) -> Result<Vec<Judged>> {
    let layers = net.feature_ranks(theta, inputs, precision)?;
    let relu = net.activation() == Activation::Relu;
    Ok(layers.windows(2).map(|pair| rank_bound(relu, pair[0], pair[1])).collect())
}

fn rank_bound(relu: bool, below: LayerFeatures, here: LayerFeatures) -> Judged {
    let bound = (below.mixed + below.always.min(below.rank)).min(here.units);
    let s = statement(
        &catalogue::RANK,
        Form::Derived,
        "rank of a layer's features",
        Side::Upper,
        bound as f64,
        vec![Hypothesis::fact("ReLU", Some(relu))],
    );
    s.judge(here.rank as f64, 0.0)
}
