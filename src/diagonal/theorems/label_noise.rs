//! B.1: what label noise does to the step-by-step net, on a small run of its own.

use super::catalogue;
use rand::RngExt;

use super::facts::statement;
use crate::data::Design;
use crate::data::features::generator;
use crate::error::{Result, check, check_shape};
use crate::theorem::{Claim, Form, Hypothesis, Judged, Side};

/// A run of gradient descent with label noise, w = u² − v², squared loss, one sample a step:
/// θ ← θ − η∇(f_i − y_i − σξ)², ξ = ±1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelNoise {
    /// α of u(0) = v(0) = α·1.
    pub alpha: f64,
    /// η.
    pub step_size: f64,
    /// σ.
    pub noise: f64,
    /// T: the net is looked at after T/η^β and T/η² steps.
    pub duration: f64,
    /// β, between 1 and 2.
    pub beta: f64,
    pub seed: u64,
}

impl Default for LabelNoise {
    fn default() -> Self {
        LabelNoise { alpha: 1.0, step_size: 4e-4, noise: 1.0, duration: 0.5, beta: 1.5, seed: 0 }
    }
}

/// B.1 on Gaussian samples with the sparse teacher w*, of which X is a sample: population loss
/// ‖w − w*‖² over ‖w*‖², after T/η^β steps (of the order of 1: still the solution of gradient flow) and
/// after T/η² (falls to 0 as T → ∞). Constants are not given: both statements are undetermined, and say
/// what this run measured.
///
/// # Errors
/// Shapes; parameters that are not positive, β outside (1, 2).
pub fn label_noise(x: &Design, teacher: &[f64], settings: &LabelNoise) -> Result<Vec<Judged>> {
    let LabelNoise { alpha, step_size: eta, noise, duration, beta, seed } = *settings;
    let (n, d) = (x.samples(), x.dimension());
    check_shape("teacher", &[teacher.len()], &[d], "one entry a coordinate")?;
    check("initial coordinate α", alpha, |x| x > 0.0, "a positive number")?;
    check("step size", eta, |x| x > 0.0, "a positive number")?;
    check("label noise", noise, |x| x >= 0.0, "at least 0")?;
    check("duration T", duration, |x| x > 0.0, "a positive number")?;
    check("β", beta, |b| b > 1.0 && b < 2.0, "between 1 and 2")?;
    let rows: Vec<Vec<f64>> = (0..n).map(|i| (0..d).map(|k| x.entry(i, k)).collect()).collect();
    let labels: Vec<f64> = rows.iter().map(|row| row.iter().zip(teacher).map(|(x, t)| x * t).sum()).collect();
    let (mut u, mut v) = (vec![alpha; d], vec![alpha; d]);
    let size: f64 = teacher.iter().map(|t| t * t).sum();
    let population = |u: &[f64], v: &[f64]| {
        let gap = u.iter().zip(v).zip(teacher).map(|((u, v), t)| (u * u - v * v - t).powi(2));
        gap.sum::<f64>() / size
    };
    let (early, late) = (duration * libm::pow(eta, -beta), duration * libm::pow(eta, -2.0));
    let mut rng = generator(seed, 0);
    let mut first = f64::NAN;
    for step in 0..late as u64 {
        if step == early as u64 {
            first = population(&u, &v);
        }
        let i = rng.random_range(0..n);
        let noisy = labels[i] + if rng.random::<bool>() { noise } else { -noise };
        let f: f64 = rows[i].iter().zip(u.iter().zip(&v)).map(|(x, (u, v))| x * (u * u - v * v)).sum();
        let push = 4.0 * eta * (f - noisy);
        for ((u, v), x) in u.iter_mut().zip(&mut v).zip(&rows[i]) {
            *u -= push * *u * x;
            *v += push * *v * x;
        }
    }
    let judge = |source, quantity, side, claim: f64, constant, measured: f64| {
        let hypotheses = vec![Hypothesis::open(constant, n as f64)];
        statement(source, Form::Printed, quantity, side, Claim::Scalar(claim), hypotheses)
            .judge(measured, 0.0)
    };
    Ok(vec![
        judge(
            &catalogue::NOISE_EARLY,
            "population loss over ‖w*‖²",
            Side::Lower,
            1.0,
            "C₁κ ln d ≤ n ≤ (1 − C₂)d and loss ≥ C‖w*‖², constants not given",
            first,
        ),
        judge(
            &catalogue::NOISE_LATE,
            "population loss over ‖w*‖²",
            Side::Upper,
            0.0,
            "C₁κ ln d ≤ n ≤ (1 − C₂)d and T → ∞, rate not given",
            population(&u, &v),
        ),
    ])
}
