//! Losses of one output: value, first and second derivative, and logarithms where values underflow.

use crate::error::{Error, Result};

/// ℓ(f; y), the loss of the output f against the label y. Training losses are means (1/n) Σ ℓ.
///
/// | loss | ℓ(f; y) | labels |
/// |---|---|---|
/// | exponential | e^{−yf} | ±1 |
/// | logistic | ln(1 + e^{−yf}) | ±1 |
/// | squared | (f − y)², without the factor ½ | real |
///
/// ```
/// use groktime::Loss;
/// assert_eq!(Loss::Squared.value(3.0, 1.0), 4.0);
/// assert!((Loss::Logistic.value(0.0, 1.0) - 2.0_f64.ln()).abs() < 1e-15);
/// // Logarithms survive where the value underflows.
/// assert_eq!(Loss::Exponential.ln_value(2000.0, 1.0), -2000.0);
/// assert_eq!(Loss::Logistic.ln_value(2000.0, 1.0), -2000.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Loss {
    Exponential,
    Logistic,
    Squared,
}

impl Loss {
    /// The name used in JSON and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Loss::Exponential => "exponential",
            Loss::Logistic => "logistic",
            Loss::Squared => "squared",
        }
    }

    /// Whether labels are ±1 and the loss depends on the margin yf alone.
    pub fn is_margin(self) -> bool {
        self != Loss::Squared
    }

    /// ℓ(f; y).
    pub fn value(self, f: f64, y: f64) -> f64 {
        match self {
            Loss::Exponential => libm::exp(-y * f),
            Loss::Logistic => softplus(-y * f),
            Loss::Squared => (f - y) * (f - y),
        }
    }

    /// ln ℓ(f; y).
    pub fn ln_value(self, f: f64, y: f64) -> f64 {
        match self {
            Loss::Exponential => -y * f,
            // ln ln(1 + e^{−q}) = −q − e^{−q}/2 + …
            Loss::Logistic if y * f > 36.0 => -y * f,
            Loss::Logistic => libm::log(softplus(-y * f)),
            Loss::Squared => 2.0 * libm::log((f - y).abs()),
        }
    }

    /// ∂ℓ/∂f.
    pub fn slope(self, f: f64, y: f64) -> f64 {
        match self {
            Loss::Exponential => -y * libm::exp(-y * f),
            Loss::Logistic => -y * sigmoid(-y * f),
            Loss::Squared => 2.0 * (f - y),
        }
    }

    /// ∂²ℓ/∂f² ≥ 0.
    pub fn curvature(self, f: f64, y: f64) -> f64 {
        match self {
            Loss::Exponential => y * y * libm::exp(-y * f),
            Loss::Logistic => y * y * sigmoid(-y * f) * sigmoid(y * f),
            Loss::Squared => 2.0,
        }
    }

    /// (1/n) Σ ℓ(f_i; y_i).
    pub fn mean(self, f: &[f64], y: &[f64]) -> f64 {
        f.iter().zip(y).map(|(&f, &y)| self.value(f, y)).sum::<f64>() / f.len() as f64
    }

    /// ln of the mean, by log-sum-exp: finite where every term underflows.
    pub fn ln_mean(self, f: &[f64], y: &[f64]) -> f64 {
        let logs = || f.iter().zip(y).map(|(&f, &y)| self.ln_value(f, y));
        let top = logs().fold(f64::NEG_INFINITY, f64::max);
        if !top.is_finite() {
            return top;
        }
        top + libm::log(logs().map(|l| libm::exp(l - top)).sum::<f64>() / f.len() as f64)
    }

    /// Checks labels: finite, and ±1 for margin losses.
    ///
    /// # Errors
    /// Names the first label that is not one.
    pub fn check_labels(self, labels: &[f64]) -> Result<()> {
        for (i, &y) in labels.iter().enumerate() {
            if !y.is_finite() {
                return Err(Error::NotFinite { name: "labels", index: vec![i], value: y });
            }
            if self.is_margin() && y.abs() != 1.0 {
                let expected = format!("+1 or -1 under {} loss (label {i})", self.name());
                return Err(Error::Parameter { name: "a label", value: y, expected });
            }
        }
        Ok(())
    }
}

/// ln(1 + e^x) without overflow or cancellation.
pub(crate) fn softplus(x: f64) -> f64 {
    x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
}

/// 1/(1 + e^{−x}), without the cancellation of 1 − σ.
fn sigmoid(x: f64) -> f64 {
    let e = libm::exp(-x.abs());
    if x >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
}
