//! Statements about an integrated flow.

use super::catalogue;
use super::statement;
use crate::error::Result;
use crate::linalg::{Engine, cholesky_solve};
use crate::network::observe::norm;
use crate::network::{Bias, Criterion, FlowRun, Net, Targets};
use crate::theorem::{Form, Hypothesis, Judged, Side};

/// Errors of a path accumulate to so many times the tolerance of a step.
const ACCUMULATED: f64 = 1e3;

/// Energy balance, balancedness and the residual law on a flow whose whole path was kept (otherwise they are
/// not evaluated).
///
/// ```
/// use groktime::network::{Activation, Bias, FlowSettings, Init, Net, Sample, theorems::flow_statements};
/// use groktime::theorem::Outcome;
/// let net = Net::new(&[2, 8, 1], Activation::Quadratic, Bias::None)?;
/// let x = ndarray::array![[1.0, 0.2], [-0.4, 0.9]];
/// let sample = Sample::values(x.view(), ndarray::array![[1.0], [0.3]].view());
/// let settings = FlowSettings { horizon: 200.0, rtol: 1e-9, ..FlowSettings::default() };
/// let run = net.flow(&sample, &settings, &net.init(&Init::default(), 0)?)?;
/// let judged = flow_statements(&run)?;
/// assert!(judged.iter().all(|j| j.verdict.outcome != Outcome::Violated));
/// # Ok::<(), groktime::Error>(())
/// ```
///
/// # Errors
/// The tangent kernel at the end is not decomposed.
pub fn flow_statements(run: &FlowRun<'_>) -> Result<Vec<Judged>> {
    Ok(vec![energy(run)?, balance(run)?, residuals(run)?])
}

/// Nodes and weights of Gauss and Legendre's rule of five points on [−1, 1].
const GAUSS: [(f64, f64); 5] = [
    (-0.906_179_845_938_664, 0.236_926_885_056_189_1),
    (-0.538_469_310_105_683_1, 0.478_628_670_499_366_5),
    (0.0, 0.568_888_888_888_888_9),
    (0.538_469_310_105_683_1, 0.478_628_670_499_366_5),
    (0.906_179_845_938_664, 0.236_926_885_056_189_1),
];

fn kept(run: &FlowRun<'_>) -> Hypothesis {
    let whole = run.settings().keep.is_none();
    Hypothesis::fact("the whole path is kept", if whole { Some(true) } else { None })
}

/// 𝓛_λ(0) − 𝓛_λ(T) = ∫‖θ'‖² dt, the integral step by step.
fn energy(run: &FlowRun<'_>) -> Result<Judged> {
    let (net, settings) = (run.net(), run.settings());
    let lambda = settings.weight_decay;
    // ReLU kinks inside a step make the quadrature less than exact.
    let smooth = net.activation() != crate::network::Activation::Relu;
    let s = |value| {
        let hypotheses = vec![Hypothesis::fact("a smooth activation", Some(smooth)), kept(run)];
        let source = &catalogue::ENERGY;
        statement(source, Form::Derived, "𝓛_λ(0) − 𝓛_λ(T)", Side::Equal, value, hypotheses)
    };
    if settings.keep.is_some() || !smooth {
        return Ok(s(f64::NAN).judge(f64::NAN, 0.0));
    }
    let objective = |t: f64| -> Result<f64> {
        let theta = run.parameters(t)?;
        let square: f64 = theta.iter().map(|x| x * x).sum();
        Ok(run.evaluate(t)?.loss + 0.5 * lambda * square)
    };
    let speed = |t: f64| -> Result<f64> {
        let theta = run.parameters(t)?;
        let (_, gradient) = net.gradient(&theta, run.sample(), settings.criterion)?;
        Ok(theta.iter().zip(&gradient).map(|(x, g)| (g + lambda * x) * (g + lambda * x)).sum())
    };
    let mut integral = 0.0;
    for step in run.steps().windows(2) {
        let (middle, half) = (0.5 * (step[0] + step[1]), 0.5 * (step[1] - step[0]));
        for (node, weight) in GAUSS {
            integral += half * weight * speed(middle + half * node)?;
        }
    }
    let (start, end) = (objective(0.0)?, objective(settings.horizon)?);
    Ok(s(integral).judge(start - end, ACCUMULATED * settings.rtol * start))
}

/// D_j = ‖in_j‖² − k‖out_j‖² of every hidden unit, k the degree of the activation: D_j(t) = D_j(0)e^{−2λt}.
fn balance(run: &FlowRun<'_>) -> Result<Judged> {
    let (net, settings) = (run.net(), run.settings());
    let degree = net.activation().degree();
    let hypotheses = vec![
        Hypothesis::fact("a homogeneous activation", Some(degree.is_some())),
        Hypothesis::fact("no embeddings", Some(net.embedding().is_none())),
        Hypothesis::fact("no bias past the first layer", Some(net.bias() != Bias::All || net.depth() == 1)),
        Hypothesis::fact("a hidden layer", Some(net.depth() > 1)),
        kept(run),
    ];
    let source = &catalogue::BALANCE;
    let s = statement(source, Form::Derived, "max_j |D_j(t) − D_j(0)e^{−2λt}|", Side::Equal, 0.0, hypotheses);
    let (Some(degree), None) = (degree, &settings.keep) else { return Ok(s.judge(f64::NAN, 0.0)) };
    let start = run.parameters(0.0)?;
    let first = imbalances(net, &start, f64::from(degree));
    let mut worst = 0.0_f64;
    // A kink or an end of a step: the path itself is within the tolerance at both.
    for i in 0..=16 {
        let t = settings.horizon * f64::from(i) / 16.0;
        let now = imbalances(net, &run.parameters(t)?, f64::from(degree));
        let decay = libm::exp(-2.0 * settings.weight_decay * t);
        worst = now.iter().zip(&first).fold(worst, |m, (d, d0)| m.max((d - d0 * decay).abs()));
    }
    let largest = run.steps().iter().step_by(run.steps().len().div_ceil(50));
    let mut size = norm(&start);
    for &t in largest {
        size = size.max(norm(&run.parameters(t)?));
    }
    Ok(s.judge(worst, ACCUMULATED * settings.rtol * size * size))
}

fn imbalances(net: &Net, theta: &[f64], degree: f64) -> Vec<f64> {
    let mut all = Vec::new();
    for pair in net.layers().windows(2) {
        let (below, above) = (&pair[0], &pair[1]);
        for j in 0..below.outputs {
            let row = &theta[below.weights.clone()][j * below.inputs..][..below.inputs];
            let bias = theta[below.bias.clone()].get(j).map_or(0.0, |b| b * b);
            let into: f64 = row.iter().map(|w| w * w).sum::<f64>() + bias;
            let column = theta[above.weights.clone()].iter().skip(j).step_by(above.inputs);
            let out: f64 = column.map(|w| w * w).sum();
            all.push(into - degree * out);
        }
    }
    all
}

/// On a fitted plateau s = f − y is −(nLλ/2)K(θ)⁻¹y to leading order in λ: the relative distance of the two at
/// the last time, against [`ORDER`] times nLλ/(2λ_min(K)), the size of the next order.
fn residuals(run: &FlowRun<'_>) -> Result<Judged> {
    let (net, sample, settings) = (run.net(), run.sample(), run.settings());
    let degree = net.homogeneity().map_or(f64::NAN, f64::from);
    let squared = settings.criterion == Criterion::Squared && net.outputs() == 1;
    let lambda = settings.weight_decay;
    let source = &catalogue::RESIDUAL;
    let quantity = "‖s + (nLλ/2)K⁻¹y‖/‖(nLλ/2)K⁻¹y‖";
    let values = match &sample.targets {
        Targets::Values(y) if squared && !degree.is_nan() && lambda > 0.0 => Some(y),
        _ => None,
    };
    let base = |fitted: Option<bool>| {
        vec![
            Hypothesis::fact("squared loss of one output", Some(squared)),
            Hypothesis::fact("a homogeneous net", Some(!degree.is_nan())),
            Hypothesis::below("0 < λ", 0.0, lambda),
            Hypothesis::fact("‖s‖ ≤ ‖y‖/100: fitted", fitted),
        ]
    };
    let Some(y) = values else {
        let s = statement(source, Form::Derived, quantity, Side::Upper, f64::NAN, base(None));
        return Ok(s.judge(f64::NAN, 0.0));
    };
    let t = settings.keep.as_ref().map_or(settings.horizon, |k| k.iter().copied().fold(0.0, f64::max));
    let theta = run.parameters(t)?;
    let outputs = net.outputs_of(&theta, &sample.inputs)?;
    let s: Vec<f64> = outputs.iter().zip(y).map(|(f, y)| f - y).collect();
    let k = net.tangent_kernel(&theta, &sample.inputs)?;
    let mut law: Vec<f64> = y.iter().copied().collect();
    let y_norm = norm(&law);
    let solved = Engine::SEQUENTIAL.cholesky(k.view());
    let fitted = norm(&s) <= 0.01 * y_norm && solved.is_ok();
    if let Ok(factor) = solved {
        cholesky_solve(factor.view(), &mut law);
    }
    let scale = -0.5 * sample.len() as f64 * degree * lambda;
    law.iter_mut().for_each(|x| *x *= scale);
    let distance: Vec<f64> = s.iter().zip(&law).map(|(s, l)| s - l).collect();
    let least = Engine::SEQUENTIAL.eigenvalues(k.view())?[0];
    let value = ORDER * scale.abs() / least;
    let rounding = ACCUMULATED * settings.rtol * y_norm / norm(&law);
    let s = statement(source, Form::Derived, quantity, Side::Upper, value, base(Some(fitted)));
    Ok(s.judge(norm(&distance) / norm(&law), rounding))
}

/// Room for what the law leaves out: s itself in f = y + s, and the change of K along the path.
const ORDER: f64 = 10.0;
