//! The two-body system of appendix L in one dimension: a pair of embeddings at ±r and a linear decoder a.
//!
//! a' = −2η_A a(r² + γ), r' = −η_x a² r. Conserved: a²/(2η_A) − r²/η_x − (2γ/η_x) ln r.

use crate::error::{Error, Result, check};

/// Rates and regulariser of the system.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TwoBody {
    /// η_A, of the decoder.
    pub decoder_rate: f64,
    /// η_x, of the embeddings.
    pub embedding_rate: f64,
    /// γ ≥ 0, weight decay of the decoder.
    pub decay: f64,
}

/// Where the system comes to rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rest {
    pub decoder: f64,
    pub distance: f64,
}

impl TwoBody {
    fn validate(&self, a: f64, r: f64) -> Result<()> {
        check("decoder rate η_A", self.decoder_rate, |x| x > 0.0, "a positive number")?;
        check("embedding rate η_x", self.embedding_rate, |x| x > 0.0, "a positive number")?;
        check("decoder decay γ", self.decay, |x| x >= 0.0, "at least 0")?;
        check("decoder a", a, |x| x > 0.0, "a positive number")?;
        check("distance r", r, |x| x > 0.0, "a positive number")?;
        Ok(())
    }

    /// (a', r').
    pub fn derivative(&self, a: f64, r: f64) -> (f64, f64) {
        (-2.0 * self.decoder_rate * a * (r * r + self.decay), -self.embedding_rate * a * a * r)
    }

    /// a²/(2η_A) − r²/η_x − (2γ/η_x) ln r, constant along the flow.
    ///
    /// # Errors
    /// A rate, a or r that is not positive; γ < 0.
    pub fn invariant(&self, a: f64, r: f64) -> Result<f64> {
        self.validate(a, r)?;
        let tail = if self.decay > 0.0 { 2.0 * self.decay / self.embedding_rate * libm::log(r) } else { 0.0 };
        Ok(a * a / (2.0 * self.decoder_rate) - r * r / self.embedding_rate - tail)
    }

    /// The limit t → ∞: without decay either the pair merges (r → 0) or the decoder vanishes first and
    /// freezes it; with decay the decoder always vanishes and r_∞² = γ·W(e^{c/γ}/γ).
    ///
    /// ```
    /// use groktime::effective::two_body::TwoBody;
    /// let fast_embeddings = TwoBody { decoder_rate: 0.1, embedding_rate: 1.0, decay: 0.0 };
    /// let rest = fast_embeddings.rest(1.0, 0.5)?;
    /// assert!(rest.distance == 0.0 && (rest.decoder - 0.974679434481).abs() < 1e-12);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    ///
    /// # Errors
    /// A rate, a or r that is not positive; γ < 0.
    pub fn rest(&self, a: f64, r: f64) -> Result<Rest> {
        self.validate(a, r)?;
        let (own, others) = (self.decoder_rate, self.embedding_rate);
        if self.decay > 0.0 {
            let c = r * r + self.decay * libm::log(r * r) - others * a * a / (2.0 * own);
            let square = self.decay * lambert_w_of_exp(c / self.decay - libm::log(self.decay))?;
            return Ok(Rest { decoder: 0.0, distance: square.sqrt() });
        }
        let left = a * a - 2.0 * own * r * r / others;
        Ok(if left > 0.0 {
            Rest { decoder: left.sqrt(), distance: 0.0 }
        } else {
            Rest { decoder: 0.0, distance: (r * r - others * a * a / (2.0 * own)).max(0.0).sqrt() }
        })
    }
}

/// W(e^x), the solution w > 0 of w + ln w = x, for any real x without overflow.
fn lambert_w_of_exp(x: f64) -> Result<f64> {
    let mut w = if x > 1.0 { x - libm::log(x) } else { libm::exp(x) / (1.0 + libm::exp(x)) };
    if w == 0.0 {
        return Ok(0.0); // below the smallest number
    }
    for _ in 0..60 {
        // Newton on ln w: with s = ln w, e^s + s = x.
        let step = (w + libm::log(w) - x) / (w + 1.0);
        w *= libm::exp(-step);
        if step.abs() <= 4.0 * f64::EPSILON {
            return Ok(w);
        }
    }
    Err(Error::Numerical { method: "Lambert W", detail: format!("no convergence at x = {x}") })
}
