//! Statements about the start, and about decay without a gradient.

use super::catalogue;
use ndarray::ArrayView2;

use super::statement;
use crate::error::{Result, check};
use crate::network::{Activation, Bias, Init, Inputs, Law, Net, Training};
use crate::theorem::{Form, Hypothesis, Judged, Probability, Side};

/// Standard deviations that a draw is allowed to be off.
const DEVIATIONS: f64 = 6.0;

/// The initial-norm law on one draw: ‖θ(0)‖² against its mean, within six standard deviations (both exact,
/// (N3)). Chebyshev's inequality gives at least 1 − 1/36.
///
/// ```
/// use groktime::network::{Activation, Bias, Init, Law, Net, theorems::initial_norm};
/// use groktime::theorem::Outcome;
/// let net = Net::new(&[784, 400, 400, 400, 10], Activation::Relu, Bias::All)?;
/// let init = Init { law: Law::Torch, scale: 8.0, ..Init::default() };
/// let judged = initial_norm(&net, &init, &net.init(&init, 0)?)?;
/// assert!((judged.verdict.value.sqrt() - 160.83).abs() < 0.01);
/// assert_eq!(judged.verdict.outcome, Outcome::Holds);
/// # Ok::<(), groktime::Error>(())
/// ```
///
/// # Errors
/// An initialisation out of range, parameters that do not fit the net.
pub fn initial_norm(net: &Net, init: &Init, theta: &[f64]) -> Result<Judged> {
    let (mean, deviation) = net.initial_square_norm(init)?;
    net.norms(theta)?;
    let measured = theta.iter().map(|x| x * x).sum();
    let mut s = statement(
        &catalogue::INITIAL_NORM,
        Form::Derived,
        "‖θ(0)‖²",
        Side::Equal,
        mean,
        vec![Hypothesis::fact("θ(0) drawn by the law", Some(true))],
    );
    let stated = 1.0 - 1.0 / (DEVIATIONS * DEVIATIONS);
    s.probability = Some(Probability { stated, exact: None, over: "the initialisation" });
    Ok(s.judge(measured, DEVIATIONS * deviation + 1e-12 * mean))
}

/// The forward-gain law: the second moment of the last layer's pre-activations, averaged over the initialisation,
/// samples and units, against the recursion (N4), exact at any width. The average is over `draws` seeds, and
/// five standard errors of it are allowed: judged as a deterministic statement it is wrong once in 10⁶ times.
///
/// ```
/// use groktime::network::{Activation, Bias, Init, Law, Net, theorems::forward_gain};
/// use groktime::theorem::Outcome;
/// let net = Net::new(&[10, 60, 60, 3], Activation::Relu, Bias::All)?;
/// let init = Init { law: Law::Torch, scale: 4.0, ..Init::default() };
/// let x = ndarray::Array2::from_shape_fn((5, 10), |(i, j)| ((i + 3 * j) as f64).sin());
/// let judged = forward_gain(&net, &init, x.view(), 200)?;
/// assert_eq!(judged.verdict.outcome, Outcome::Holds);
/// # Ok::<(), groktime::Error>(())
/// ```
///
/// # Errors
/// An initialisation out of range, inputs that do not fit the net, fewer than two draws.
pub fn forward_gain(net: &Net, init: &Init, x: ArrayView2<'_, f64>, draws: u64) -> Result<Judged> {
    check("draws", draws as f64, |d| d >= 2.0, "at least 2")?;
    let inputs = Inputs::Vectors(x.to_owned());
    let mut squares = Vec::new();
    for seed in 0..draws {
        let outputs = net.outputs_of(&net.init(init, seed)?, &inputs)?;
        squares.push(outputs.iter().map(|z| z * z).sum::<f64>() / outputs.len() as f64);
    }
    let count = draws as f64;
    let mean = squares.iter().sum::<f64>() / count;
    let variance = squares.iter().map(|s| (s - mean) * (s - mean)).sum::<f64>() / (count - 1.0);
    let hypotheses = vec![
        Hypothesis::fact("ReLU", Some(net.activation() == Activation::Relu)),
        Hypothesis::fact("no embeddings", Some(net.embedding().is_none())),
        Hypothesis::fact("symmetric laws", Some(matches!(init.law, Law::Torch | Law::He | Law::Gaussian(_)))),
    ];
    let s = statement(
        &catalogue::FORWARD_GAIN,
        Form::Derived,
        "E z_L²",
        Side::Equal,
        expected_square(net, init, x)?,
        hypotheses,
    );
    Ok(s.judge(mean, 5.0 * (variance / count).sqrt() + 1e-12 * mean))
}

/// (N4): from the mean square of the inputs through the layers.
fn expected_square(net: &Net, init: &Init, x: ArrayView2<'_, f64>) -> Result<f64> {
    net.initial_square_norm(init)?; // checks the initialisation
    let spreads = init.spreads(net);
    // Of one entry of the layer's input.
    let mut square = x.iter().map(|x| x * x).sum::<f64>() / x.len().max(1) as f64;
    let mut moment = 0.0;
    for (l, layer) in net.layers().iter().enumerate() {
        let (weights, bias) = (spreads[1 + 2 * l], spreads[2 + 2 * l]);
        moment = weights.variance * layer.inputs as f64 * square;
        if !layer.bias.is_empty() && net.bias() != Bias::None {
            moment += bias.variance;
        }
        // z is symmetric: half of its square is on the positive side.
        square = 0.5 * moment;
    }
    Ok(moment)
}

/// The decay law after the steps that a run has made from ‖θ(0)‖ = `start`: ‖θ_t‖ = ‖θ(0)‖(1 − ηλ)^t where the
/// gradient has been zero ((N7)). With a gradient the statement is not applicable, and the verdict shows how
/// far the norm is from pure decay.
///
/// # Errors
/// None so far.
pub fn pure_decay(training: &mut Training<'_>, start: f64) -> Result<Judged> {
    let settings = training.settings().clone();
    let gradient = training.gradient().iter().fold(0.0_f64, |m, g| m.max(g.abs()));
    let norm = training.parameters().iter().map(|x| x * x).sum::<f64>().sqrt();
    let steps = training.steps() as f64;
    let product = settings.step_size * settings.weight_decay;
    let value = start * libm::exp(steps * libm::log1p(-product));
    let coupled = matches!(settings.optimiser, crate::network::Optimiser::Adam(_));
    let hypotheses = vec![
        Hypothesis::at_most("max|∇𝓛| = 0", gradient, 0.0),
        Hypothesis::fact("descent or AdamW, one group", Some(!coupled && settings.groups.is_empty())),
        Hypothesis::below("ηλ < 1", product, 1.0),
    ];
    let s = statement(&catalogue::PURE_DECAY, Form::Derived, "‖θ_t‖", Side::Equal, value, hypotheses);
    // Each step rounds every entry by half a unit, and 1 − ηλ itself once and for all.
    let unit = match settings.precision {
        crate::network::Precision::Single => f64::from(f32::EPSILON),
        crate::network::Precision::Double => f64::EPSILON,
    };
    Ok(s.judge(norm, (2.0 * steps + 10.0) * unit * value))
}
