//! Sums and quadratic forms of decaying exponentials: what every loss of ridge regression is.
//!
//! A [`Mode`] is a function of time d(t) = A·σ(t)·e^{rt} + o with r ≤ 0 and a sign σ(t) = ±1 that may
//! flip each step (gradient descent with ηg > 1). A training loss, an isotropic test loss and ‖θ‖² are
//! sums of their squares; a general test loss is a quadratic form in them. Both are evaluated with a
//! rounding bound and enclosed over intervals mode by mode.
//!
//! # Rounding
//! The bound has two parts. Forward errors (coefficients, exponent, exponential) are carried by each
//! mode. The decomposition is backward stable: its rates and vectors are those of a matrix E away from
//! ΦΦᵀ, and for a function f of that matrix ‖f(G + E) − f(G)‖ ≤ max|f′|·‖E‖, whatever clusters the
//! eigenvalues form; with f = (1 − η(s/n + λ))^t this is t·max_i(δr_i e^{r_i t}) times the amplitudes'
//! norm. It is an a-priori model in the manner of Higham and Mary (2019): constants √n, checked against
//! 800-bit arithmetic by `tests/oracle_ridge.rs`.
//!
//! Exponentials are `libm`'s: the same bits on every machine, and no mixing of VEX and SSE code, which
//! after a faer kernel (it leaves the upper halves of the vector registers dirty) makes the C library's
//! `exp` twenty times slower.

use std::cmp::Ordering;
use std::marker::PhantomData;

use ndarray::Array2;

use crate::crossing::{self, Crossing, Curve, Enclosure, End, Point, Trend};
use crate::error::Result;
use crate::linalg::EPS;
use crate::trajectory::Clock;

/// One decaying exponential with an offset, and what is known of its errors.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mode {
    /// A: value at time zero less the offset.
    pub amplitude: f64,
    /// o: the limit.
    pub offset: f64,
    /// r: ln|ρ| a step, or −g a unit of flow time; −∞ when ρ = 0.
    pub rate: f64,
    /// Whether ρ < 0.
    pub flips: bool,
    /// Error of e^r (for flow: of r) relative to its upper bound e^{rate_top}.
    pub rate_error: f64,
    /// Upper bound on the exact rate: the error of e^{rt} is at most t·rate_error·e^{rate_top·t}, also
    /// where ρ is so near 0 that ln|ρ| means nothing.
    pub rate_top: f64,
    pub amplitude_error: f64,
    pub offset_error: f64,
}

impl Mode {
    /// The constant 1.
    pub const ONE: Mode = Mode {
        amplitude: 0.0,
        offset: 1.0,
        rate: 0.0,
        flips: false,
        rate_error: 0.0,
        rate_top: 0.0,
        amplitude_error: 0.0,
        offset_error: 0.0,
    };

    /// |ρ|^t = e^{rt}.
    fn power(&self, t: f64) -> f64 {
        if t == 0.0 { 1.0 } else { libm::exp(t * self.rate) }
    }

    /// Power over an interval's end that may be infinite.
    fn power_at_end(&self, t: Option<f64>) -> f64 {
        match t {
            Some(t) => self.power(t),
            None if self.rate > 0.0 => f64::INFINITY,
            None if self.rate == 0.0 => 1.0,
            None => 0.0,
        }
    }

    /// A mode that does not move is its own limit.
    fn folded(mut self) -> Mode {
        if self.rate == 0.0 && !self.flips {
            self.offset += self.amplitude;
            self.offset_error += self.amplitude_error;
            self.amplitude = 0.0;
            self.amplitude_error = 0.0;
        }
        self
    }

    /// The same mode seen at even or odd steps only; its clock counts pairs of steps.
    fn at_parity(&self, odd: bool) -> Mode {
        let (factor, moved) = match odd {
            false => (1.0, 0.0),
            true => {
                let rho = self.rate.exp();
                (if self.flips { -rho } else { rho }, self.rate_error * self.rate_top.exp())
            }
        };
        Mode {
            amplitude: self.amplitude * factor,
            offset: self.offset,
            rate: 2.0 * self.rate,
            flips: false,
            rate_error: 2.0 * self.rate_error,
            rate_top: 2.0 * self.rate_top,
            amplitude_error: self.amplitude_error * factor.abs() + self.amplitude.abs() * moved,
            offset_error: self.offset_error,
        }
        .folded()
    }

    /// Forward error of the mode's value where its power is x and |r|t·x is `stretched`.
    fn forward_error(&self, x: f64, stretched: f64) -> f64 {
        let relative = EPS * (3.0 * stretched + 4.0 * x);
        self.amplitude.abs() * relative
            + self.amplitude_error * x
            + self.offset_error
            + 2.0 * EPS * self.offset.abs()
    }

    /// Bound on what the rate's error does to the power at time t, which was computed as x.
    fn drift(&self, t: f64, x: f64) -> f64 {
        let moved = t * self.rate_error;
        if moved == 0.0 {
            0.0
        } else if moved < 0.1 {
            1.2 * moved * x
        } else {
            // Finite even where ρ may be beyond −1, so that 0 · drift is 0.
            (moved * libm::exp(t * self.rate_top)).min(f64::MAX)
        }
    }

    /// Bound on [`Mode::drift`] over [a, b].
    fn largest_drift(&self, a: f64, b: Option<f64>) -> f64 {
        if self.rate_error == 0.0 {
            return 0.0;
        }
        let bound = Mode { rate: self.rate_top, ..*self };
        1.2 * self.rate_error * bound.peak(a, b, bound.power(a), bound.power_at_end(b))
    }

    /// Largest t·e^{rt} on [a, b].
    fn peak(&self, a: f64, b: Option<f64>, xa: f64, xb: f64) -> f64 {
        if self.rate >= 0.0 {
            return b.map_or(f64::INFINITY, |b| b * xb);
        }
        let top = -1.0 / self.rate;
        match b {
            _ if a >= top => a * xa,
            Some(b) if b <= top => b * xb,
            _ => top * (-1.0_f64).exp(),
        }
    }
}

/// Derivative of a mode with respect to the logarithm of a parameter.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tangent {
    pub amplitude: f64,
    /// Derivative of the amplitude as a multiple of the amplitude.
    pub scale: f64,
    pub rate: f64,
    pub offset: f64,
}

/// dd/d log p of each mode at a time.
fn moved(modes: &[Mode], tangents: &[Tangent], time: f64) -> Vec<f64> {
    let one = |(m, d): (&Mode, &Tangent)| {
        let x = m.power(time);
        let amplitude = d.amplitude + d.scale * m.amplitude;
        if x == 0.0 { d.offset } else { (amplitude + m.amplitude * time * d.rate) * x + d.offset }
    };
    modes.iter().zip(tangents).map(one).collect()
}

/// What a loss is at one time, in pieces that do not underflow.
struct Parts {
    value: f64,
    rounding: f64,
}

/// scale·(Σ d_i(t)² + constant).
#[derive(Clone, Debug)]
pub(crate) struct SumOfSquares<T> {
    modes: Vec<Mode>,
    /// Norm of all amplitudes that a backward error of the decomposition can mix.
    mixing: f64,
    constant: f64,
    constant_error: f64,
    scale: f64,
    clock: PhantomData<T>,
}

impl<T: Clock> SumOfSquares<T> {
    pub fn new(modes: Vec<Mode>, mixing: f64, constant: f64, constant_error: f64, scale: f64) -> Self {
        let modes = modes.into_iter().map(Mode::folded).collect();
        SumOfSquares { modes, mixing, constant, constant_error, scale, clock: PhantomData }
    }

    fn parts(&self, t: T) -> Parts {
        let (time, odd) = (t.as_f64(), t.is_odd());
        let (mut sum, mut errors, mut drift) = (0.0, 0.0, 0.0_f64);
        for m in &self.modes {
            let x = m.power(time);
            let signed = if odd && m.flips { -x } else { x };
            let d = m.amplitude * signed + m.offset;
            sum += d * d;
            let stretched = if x > 0.0 && time > 0.0 { -m.rate * time * x } else { 0.0 };
            let e = m.forward_error(x, stretched);
            errors += e * e;
            drift = drift.max(m.drift(time, x));
        }
        let moved = drift * self.mixing + errors.sqrt();
        self.finish(sum, moved)
    }

    fn finish(&self, sum: f64, moved: f64) -> Parts {
        let value = self.scale * (sum + self.constant);
        let perturbed = self.scale * (2.0 * sum.sqrt() * moved + moved * moved + self.constant_error);
        let rounding = if moved.is_finite() { perturbed + 8.0 * EPS * value } else { f64::INFINITY };
        Parts { value, rounding }
    }

    /// ln of the value, finite (or −∞ at an exact zero) where the value itself underflows.
    pub fn ln_value(&self, t: T) -> f64 {
        let value = self.parts(t).value;
        if value > 1e-280 {
            return value.ln();
        }
        let (time, odd) = (t.as_f64(), t.is_odd());
        let shift = ln_scale(&self.modes, time).max(0.5 * self.constant.ln());
        if shift == f64::NEG_INFINITY {
            return shift;
        }
        let sum: f64 = self.modes.iter().map(|m| scaled(m, time, odd, shift).powi(2)).sum();
        let constant = if self.constant > 0.0 { (self.constant.ln() - 2.0 * shift).exp() } else { 0.0 };
        self.scale.ln() + 2.0 * shift + (sum + constant).ln()
    }

    /// The value as t → ∞ along even and along odd steps; they differ only when some ρ = −1.
    pub fn limits(&self) -> [f64; 2] {
        [false, true].map(|odd| {
            let at_rest = |m: &Mode| match m.rate == 0.0 {
                true if odd && m.flips => m.offset - m.amplitude,
                true => m.offset + m.amplitude,
                false => m.offset,
            };
            self.scale * (self.modes.iter().map(|m| at_rest(m).powi(2)).sum::<f64>() + self.constant)
        })
    }

    /// Derivative with respect to time (no flips), and the sum of its terms' sizes.
    pub fn slope(&self, time: f64) -> (f64, f64) {
        let term = |m: &Mode| {
            let x = m.power(time);
            if x == 0.0 { 0.0 } else { 2.0 * m.rate * m.amplitude * x * (m.amplitude * x + m.offset) }
        };
        let terms = self.modes.iter().map(term);
        terms.fold((0.0, 0.0), |(sum, size), d| (sum + self.scale * d, size + self.scale * d.abs()))
    }

    /// The value at a real time (no flips).
    pub fn real_value(&self, time: f64) -> f64 {
        let values = self.modes.iter().map(|m| m.amplitude * m.power(time) + m.offset);
        self.scale * (values.map(|d| d * d).sum::<f64>() + self.constant)
    }

    /// Derivative with respect to a parameter whose effect on each mode is given.
    pub fn derivative(&self, time: f64, tangents: &[Tangent]) -> f64 {
        let values = self.modes.iter().map(|m| m.amplitude * m.power(time) + m.offset);
        let changes = moved(&self.modes, tangents, time);
        2.0 * self.scale * values.zip(changes).map(|(d, change)| d * change).sum::<f64>()
    }
}

impl<T: Clock> Curve for SumOfSquares<T> {
    type Time = T;

    fn value(&self, t: T) -> Point {
        let Parts { value, rounding } = self.parts(t);
        Point { value, rounding }
    }

    fn enclose(&self, from: T, to: Option<T>) -> Enclosure {
        let (a, b) = (from.as_f64(), to.map(T::as_f64));
        let (mut lo, mut hi, mut errors, mut drift) = (0.0, 0.0, 0.0, 0.0_f64);
        let mut slope = SlopeBounds::default();
        for m in &self.modes {
            let (xa, xb) = (m.power(a), m.power_at_end(b));
            let start = m.amplitude * xa + m.offset;
            let end = if m.flips { -m.amplitude * xa } else { m.amplitude * xb } + m.offset;
            let (p, q) = (start * start, end * end);
            hi += p.max(q);
            lo += if start * end <= 0.0 { 0.0 } else { p.min(q) };
            let peak = if m.amplitude == 0.0 { 0.0 } else { m.peak(a, b, xa, xb) };
            let stretched = if peak > 0.0 { -m.rate * peak } else { 0.0 };
            let e = m.forward_error(xa, stretched);
            errors += e * e;
            drift = drift.max(if m.amplitude == 0.0 { 0.0 } else { m.largest_drift(a, b) });
            slope.add_square(m, xa, xb);
        }
        let moved = drift * self.mixing + errors.sqrt();
        let top = self.finish(hi, moved);
        let bottom = self.scale * (lo + self.constant);
        Enclosure { lo: (bottom - top.rounding).max(0.0), hi: top.value + top.rounding, trend: slope.trend() }
    }

    fn time_scale(&self) -> T {
        time_scale(&self.modes)
    }

    fn settled(&self, from: T) -> bool {
        settled(self, from)
    }

    fn approach(&self, threshold: f64) -> Option<Ordering> {
        let at_rest: Vec<f64> = self.modes.iter().map(|m| m.offset).collect();
        (self.limits() == [threshold; 2]).then(|| approach(&self.modes, &at_rest))
    }
}

/// scale·zᵀMz with z_i = d_i(t) and M positive semidefinite.
#[derive(Clone, Debug)]
pub(crate) struct QuadraticForm<T> {
    modes: Vec<Mode>,
    matrix: Array2<f64>,
    /// √M_ii.
    weights: Vec<f64>,
    /// Norm, under M, of what a backward error of the decomposition can move.
    mixing: f64,
    /// Norm, under M, of the errors of the complement's columns: of the decaying and of the constant one.
    tilt: [f64; 2],
    clock: PhantomData<T>,
}

impl<T: Clock> QuadraticForm<T> {
    /// `mixing`: the norm of the amplitudes that the decomposition can mix; `tilt`: errors of the decaying
    /// and of the constant column, the last two; all as seen under M.
    pub fn new(modes: Vec<Mode>, matrix: Array2<f64>, mixing: f64, tilt: [f64; 2]) -> Self {
        let modes = modes.into_iter().map(Mode::folded).collect();
        let weights: Vec<f64> = matrix.diag().iter().map(|&d| d.max(0.0).sqrt()).collect();
        QuadraticForm { modes, matrix, weights, mixing, tilt, clock: PhantomData }
    }

    /// What errors of the complement's columns move at a time.
    fn tilt(&self, time: f64) -> f64 {
        self.tilt[0] * self.modes[self.modes.len() - 2].power(time) + self.tilt[1]
    }

    fn coefficients(&self, time: f64, odd: bool) -> Vec<f64> {
        let value = |m: &Mode| {
            let x = m.power(time);
            m.amplitude * if odd && m.flips { -x } else { x } + m.offset
        };
        self.modes.iter().map(value).collect()
    }

    /// zᵀMw.
    fn product(&self, z: &[f64], w: &[f64]) -> f64 {
        let rows = self.matrix.outer_iter().zip(z).filter(|(_, zi)| **zi != 0.0);
        rows.map(|(row, zi)| zi * row.iter().zip(w).map(|(m, w)| m * w).sum::<f64>()).sum()
    }

    fn squared_norm(&self, z: &[f64]) -> f64 {
        self.product(z, z).max(0.0)
    }

    /// Bound on ‖z‖_M by the triangle inequality.
    fn size(&self, z: impl Iterator<Item = f64>) -> f64 {
        z.zip(&self.weights).map(|(z, w)| z.abs() * w).sum()
    }

    pub fn ln_value(&self, t: T) -> f64 {
        let (time, odd) = (t.as_f64(), t.is_odd());
        let value = self.squared_norm(&self.coefficients(time, odd));
        if value > 1e-280 {
            return value.ln();
        }
        // Columns the form does not see (no complement, zero teacher) must not set the scale.
        let seen = |w: f64, m: &Mode| if w > 0.0 { *m } else { Mode::default() };
        let modes: Vec<Mode> = self.modes.iter().zip(&self.weights).map(|(m, w)| seen(*w, m)).collect();
        let shift = ln_scale(&modes, time);
        if shift == f64::NEG_INFINITY {
            return shift;
        }
        let z: Vec<f64> = modes.iter().map(|m| scaled(m, time, odd, shift)).collect();
        2.0 * shift + self.squared_norm(&z).ln()
    }

    pub fn limits(&self) -> [f64; 2] {
        [false, true].map(|odd| {
            let at_rest = |m: &Mode| match m.rate == 0.0 {
                true if odd && m.flips => m.offset - m.amplitude,
                true => m.offset + m.amplitude,
                false => m.offset,
            };
            self.squared_norm(&self.modes.iter().map(at_rest).collect::<Vec<_>>())
        })
    }

    /// Derivative with respect to time (no flips), and the sum of its terms' sizes.
    pub fn slope(&self, time: f64) -> (f64, f64) {
        let z = self.coefficients(time, false);
        let speed = |m: &Mode| {
            let x = m.power(time);
            if x == 0.0 { 0.0 } else { m.rate * m.amplitude * x }
        };
        let speeds: Vec<f64> = self.modes.iter().map(speed).collect();
        let pulls = self.matrix.outer_iter().map(|row| row.iter().zip(&z).map(|(m, z)| m * z).sum::<f64>());
        let size = pulls.zip(&speeds).map(|(p, s)| 2.0 * (p * s).abs()).sum();
        (2.0 * self.product(&z, &speeds), size)
    }

    /// The value at a real time (no flips).
    pub fn real_value(&self, time: f64) -> f64 {
        self.squared_norm(&self.coefficients(time, false))
    }

    /// Derivative with respect to a parameter whose effect on each mode is given.
    pub fn derivative(&self, time: f64, tangents: &[Tangent]) -> f64 {
        2.0 * self.product(&self.coefficients(time, false), &moved(&self.modes, tangents, time))
    }

    /// Rounding of the value where ‖z‖_M is `norm` and Σ|z_i|√M_ii is `size`.
    fn rounding(&self, norm: f64, size: f64, moved: f64) -> f64 {
        match moved.is_finite() {
            true => 2.0 * norm * moved + moved * moved + 16.0 * EPS * size * size,
            false => f64::INFINITY,
        }
    }
}

impl<T: Clock> Curve for QuadraticForm<T> {
    type Time = T;

    fn value(&self, t: T) -> Point {
        let (time, odd) = (t.as_f64(), t.is_odd());
        let z = self.coefficients(time, odd);
        let value = self.squared_norm(&z);
        let (mut forward, mut drift) = (0.0, 0.0_f64);
        for (m, w) in self.modes.iter().zip(&self.weights) {
            let x = m.power(time);
            let stretched = if x > 0.0 && time > 0.0 { -m.rate * time * x } else { 0.0 };
            forward += w * m.forward_error(x, stretched);
            drift = drift.max(m.drift(time, x));
        }
        let moved = drift * self.mixing + self.tilt(time) + forward;
        Point { value, rounding: self.rounding(value.sqrt(), self.size(z.iter().copied()), moved) }
    }

    fn enclose(&self, from: T, to: Option<T>) -> Enclosure {
        let (a, b) = (from.as_f64(), to.map(T::as_f64));
        let k = self.modes.len();
        let (mut centre, mut radius) = (Vec::with_capacity(k), Vec::with_capacity(k));
        let (mut speed, mut speed_radius) = (Vec::with_capacity(k), Vec::with_capacity(k));
        let (mut forward, mut drift) = (0.0, 0.0_f64);
        for (m, w) in self.modes.iter().zip(&self.weights) {
            let (xa, xb) = (m.power(a), m.power_at_end(b));
            let (start, end) = (m.amplitude * xa, m.amplitude * if m.flips { -xa } else { xb });
            centre.push(0.5 * (start + end) + m.offset);
            radius.push(0.5 * (start - end).abs());
            let moving = start != 0.0 && m.rate.is_finite();
            speed.push(if moving { m.rate * 0.5 * (start + end) } else { 0.0 });
            speed_radius.push(match start == 0.0 {
                true => 0.0,
                false if m.flips => f64::INFINITY,
                false => -m.rate * 0.5 * (start - end).abs(),
            });
            let peak = if m.amplitude == 0.0 { 0.0 } else { m.peak(a, b, xa, xb) };
            forward += w * m.forward_error(xa, if peak > 0.0 { -m.rate * peak } else { 0.0 });
            drift = drift.max(if m.amplitude == 0.0 { 0.0 } else { m.largest_drift(a, b) });
        }
        let norm = self.squared_norm(&centre).sqrt();
        let reach = self.size(radius.iter().copied());
        let moved = drift * self.mixing + self.tilt(a) + forward;
        let size = self.size(centre.iter().zip(&radius).map(|(c, r)| c.abs() + r));
        let rounding = self.rounding(norm + reach, size, moved);
        // d/dt zᵀMz = 2 zᵀM z′, each factor a centre and a radius in the norm of M.
        let slope = self.product(&centre, &speed);
        let speed_reach = self.size(speed_radius.iter().copied());
        let speed_norm = self.squared_norm(&speed).sqrt();
        let slack = reach * speed_norm + (norm + reach) * speed_reach + 1e-9 * norm * speed_norm;
        let trend = match slope {
            s if s + slack <= 0.0 => Trend::Falling,
            s if s - slack >= 0.0 => Trend::Rising,
            _ => Trend::Unknown,
        };
        let lowest = (norm - reach).max(0.0);
        Enclosure {
            lo: (lowest * lowest - rounding).max(0.0),
            hi: (norm + reach) * (norm + reach) + rounding,
            trend,
        }
    }

    fn time_scale(&self) -> T {
        time_scale(&self.modes)
    }

    fn settled(&self, from: T) -> bool {
        settled(self, from)
    }

    fn approach(&self, threshold: f64) -> Option<Ordering> {
        let at_rest: Vec<f64> = self.modes.iter().map(|m| m.offset).collect();
        let pull: Vec<f64> =
            self.matrix.outer_iter().map(|row| row.iter().zip(&at_rest).map(|(m, z)| m * z).sum()).collect();
        (self.limits() == [threshold; 2]).then(|| approach(&self.modes, &pull))
    }
}

/// Fraction of a sample whose residual |Σ_i B_ji z_i(t)| exceeds a tolerance.
#[derive(Clone, Debug)]
pub(crate) struct MissRate<T> {
    modes: Vec<Mode>,
    /// Sample × modes.
    residuals: Array2<f64>,
    tolerance: f64,
    clock: PhantomData<T>,
}

impl<T: Clock> MissRate<T> {
    pub fn new(modes: Vec<Mode>, residuals: Array2<f64>, tolerance: f64) -> Self {
        let modes = modes.into_iter().map(Mode::folded).collect();
        MissRate { modes, residuals, tolerance, clock: PhantomData }
    }

    /// Counts of residuals surely beyond and possibly beyond the tolerance, for z within `radius` of `z`.
    fn counts(&self, z: &[f64], radius: &[f64]) -> (usize, usize) {
        let mut counts = (0, 0);
        for row in self.residuals.outer_iter() {
            let (mut r, mut reach) = (0.0, 0.0);
            for ((b, z), d) in row.iter().zip(z).zip(radius) {
                r += b * z;
                reach += b.abs() * d;
            }
            counts.0 += usize::from(r.abs() - reach > self.tolerance);
            counts.1 += usize::from(r.abs() + reach > self.tolerance);
        }
        counts
    }
}

impl<T: Clock> Curve for MissRate<T> {
    type Time = T;

    fn value(&self, t: T) -> Point {
        let (time, odd) = (t.as_f64(), t.is_odd());
        let (mut z, mut radius) = (Vec::new(), Vec::new());
        for m in &self.modes {
            let x = m.power(time);
            z.push(m.amplitude * if odd && m.flips { -x } else { x } + m.offset);
            let stretched = if x > 0.0 && time > 0.0 { -m.rate * time * x } else { 0.0 };
            radius.push(m.forward_error(x, stretched) + m.amplitude.abs() * m.drift(time, x));
        }
        let (sure, possible) = self.counts(&z, &radius);
        let n = self.residuals.nrows() as f64;
        let value = 0.5 * (sure + possible) as f64 / n;
        Point { value, rounding: 0.5 * (possible - sure) as f64 / n }
    }

    fn enclose(&self, from: T, to: Option<T>) -> Enclosure {
        let (a, b) = (from.as_f64(), to.map(T::as_f64));
        let (mut z, mut radius) = (Vec::new(), Vec::new());
        for m in &self.modes {
            let (xa, xb) = (m.power(a), m.power_at_end(b));
            let (start, end) = (m.amplitude * xa, m.amplitude * if m.flips { -xa } else { xb });
            z.push(0.5 * (start + end) + m.offset);
            let peak = if m.amplitude == 0.0 { 0.0 } else { m.peak(a, b, xa, xb) };
            let stretched = if peak > 0.0 { -m.rate * peak } else { 0.0 };
            radius.push(
                0.5 * (start - end).abs()
                    + m.forward_error(xa, stretched)
                    + if m.amplitude == 0.0 { 0.0 } else { m.amplitude.abs() * m.largest_drift(a, b) },
            );
        }
        let (sure, possible) = self.counts(&z, &radius);
        let n = self.residuals.nrows() as f64;
        Enclosure { lo: sure as f64 / n, hi: possible as f64 / n, trend: Trend::Unknown }
    }

    fn time_scale(&self) -> T {
        time_scale(&self.modes)
    }

    fn settled(&self, from: T) -> bool {
        let left = |m: &Mode| m.amplitude.abs() * m.power(from.as_f64()) <= EPS * m.offset.abs().max(1e-300);
        self.modes.iter().all(left)
    }

    fn approach(&self, _: f64) -> Option<Ordering> {
        None
    }
}

/// Bounds on a derivative, gathered mode by mode.
#[derive(Default)]
struct SlopeBounds {
    lo: f64,
    hi: f64,
    size: f64,
}

impl SlopeBounds {
    /// The range of d/dt (Ax + o)² = 2rAx(Ax + o) while x falls from xa to xb.
    fn add_square(&mut self, m: &Mode, xa: f64, xb: f64) {
        if m.amplitude == 0.0 || xa == 0.0 || m.rate == 0.0 && !m.flips {
            return;
        }
        if m.flips || m.rate == f64::NEG_INFINITY {
            // A flipping mode has no trend; a mode with ρ = 0 jumps from its start to its limit.
            let falls = !m.flips && (m.amplitude + m.offset).abs() >= m.offset.abs();
            self.lo = f64::NEG_INFINITY;
            if !falls {
                self.hi = f64::INFINITY;
            }
            return;
        }
        let at = |x: f64| 2.0 * m.rate * m.amplitude * x * (m.amplitude * x + m.offset);
        let (p, q) = (at(xa), at(xb));
        let (mut lo, mut hi) = (p.min(q), p.max(q));
        let vertex = -0.5 * m.offset / m.amplitude;
        if xb < vertex && vertex < xa {
            hi = hi.max(at(vertex));
            lo = lo.min(at(vertex));
        }
        self.lo += lo;
        self.hi += hi;
        self.size += lo.abs().max(hi.abs());
    }

    /// The sign, if it is certain with room for rounding.
    fn trend(&self) -> Trend {
        let room = 1e-9 * self.size;
        if self.hi == 0.0 || self.hi + room < 0.0 {
            Trend::Falling
        } else if self.lo == 0.0 || self.lo - room > 0.0 {
            Trend::Rising
        } else {
            Trend::Unknown
        }
    }
}

/// max_i ln of the pieces of z, to scale them before squaring.
fn ln_scale(modes: &[Mode], time: f64) -> f64 {
    let piece = |m: &Mode| {
        let moving = m.amplitude.abs().ln() + if time == 0.0 { 0.0 } else { m.rate * time };
        moving.max(m.offset.abs().ln())
    };
    modes.iter().map(piece).fold(f64::NEG_INFINITY, f64::max)
}

/// d(t)·e^{−shift} without underflow on the way.
fn scaled(m: &Mode, time: f64, odd: bool, shift: f64) -> f64 {
    let exponent = if time == 0.0 { 0.0 } else { m.rate * time };
    let moving = (m.amplitude.abs().ln() + exponent - shift).exp().copysign(m.amplitude);
    let offset = (m.offset.abs().ln() - shift).exp().copysign(m.offset);
    if odd && m.flips { offset - moving } else { offset + moving }
}

/// The fastest mode's decay time.
fn time_scale<T: Clock>(modes: &[Mode]) -> T {
    let finite = modes.iter().map(|m| -m.rate).filter(|r| r.is_finite() && *r > 0.0);
    let fastest = finite.fold(0.0, f64::max);
    let scale = T::from_f64(1.0 / fastest);
    if fastest > 0.0 && scale > T::ZERO { scale } else { T::from_f64(1.0) }
}

fn settled<C: Curve>(curve: &C, from: C::Time) -> bool {
    let bounds = curve.enclose(from, None);
    bounds.hi - bounds.lo <= 4.0 * curve.value(from).rounding
}

/// Side from which Σ pull-weighted modes reach their limit: the slowest term decides. `pull` is half the
/// derivative of the form at rest with respect to each mode.
fn approach(modes: &[Mode], pull: &[f64]) -> Ordering {
    let mut slowest = (f64::NEG_INFINITY, 0.0);
    for (m, &p) in modes.iter().zip(pull).filter(|(m, _)| m.amplitude != 0.0) {
        let (rate, size) =
            if p == 0.0 { (2.0 * m.rate, m.amplitude * m.amplitude) } else { (m.rate, m.amplitude * p) };
        if rate > slowest.0 {
            slowest = (rate, size);
        } else if rate == slowest.0 {
            slowest.1 += size;
        }
    }
    slowest.1.partial_cmp(&0.0).unwrap_or(Ordering::Equal)
}

/// The test loss: undefined, a sum of squares, or a quadratic form.
#[derive(Clone, Debug)]
pub(crate) enum TestLoss<T> {
    Sum(SumOfSquares<T>),
    Form(QuadraticForm<T>),
    Undefined,
}

impl<T: Clock> TestLoss<T> {
    pub fn is_defined(&self) -> bool {
        !matches!(self, TestLoss::Undefined)
    }

    pub fn ln_value(&self, t: T) -> Option<f64> {
        match self {
            TestLoss::Sum(sum) => Some(sum.ln_value(t)),
            TestLoss::Form(form) => Some(form.ln_value(t)),
            TestLoss::Undefined => None,
        }
    }

    pub fn limits(&self) -> Option<[f64; 2]> {
        match self {
            TestLoss::Sum(sum) => Some(sum.limits()),
            TestLoss::Form(form) => Some(form.limits()),
            TestLoss::Undefined => None,
        }
    }
}

impl<T: Clock> Curve for TestLoss<T> {
    type Time = T;

    fn value(&self, t: T) -> Point {
        match self {
            TestLoss::Sum(sum) => sum.value(t),
            TestLoss::Form(form) => form.value(t),
            TestLoss::Undefined => Point { value: f64::NAN, rounding: f64::INFINITY },
        }
    }

    fn enclose(&self, from: T, to: Option<T>) -> Enclosure {
        match self {
            TestLoss::Sum(sum) => sum.enclose(from, to),
            TestLoss::Form(form) => form.enclose(from, to),
            TestLoss::Undefined => Enclosure { lo: 0.0, hi: f64::INFINITY, trend: Trend::Unknown },
        }
    }

    fn time_scale(&self) -> T {
        match self {
            TestLoss::Sum(sum) => sum.time_scale(),
            TestLoss::Form(form) => form.time_scale(),
            TestLoss::Undefined => T::from_f64(1.0),
        }
    }

    fn settled(&self, from: T) -> bool {
        match self {
            TestLoss::Sum(sum) => sum.settled(from),
            TestLoss::Form(form) => form.settled(from),
            TestLoss::Undefined => true,
        }
    }

    fn approach(&self, threshold: f64) -> Option<Ordering> {
        match self {
            TestLoss::Sum(sum) => sum.approach(threshold),
            TestLoss::Form(form) => form.approach(threshold),
            TestLoss::Undefined => None,
        }
    }
}

/// A curve whose signs may depend on the parity of the step (some ρ < 0). At even steps alone, and at
/// odd steps alone, it is a sum of positive exponentials again.
pub(crate) trait Alternating: Curve {
    type Half: Curve<Time = u64>;
    fn alternates(&self) -> bool;
    /// The curve at even or at odd steps, on a clock of pairs of steps.
    fn half(&self, odd: bool) -> Self::Half;
}

fn flips(modes: &[Mode]) -> bool {
    modes.iter().any(|m| m.flips && m.amplitude != 0.0)
}

fn halve(modes: &[Mode], odd: bool) -> Vec<Mode> {
    modes.iter().map(|m| m.at_parity(odd)).collect()
}

impl<T: Clock> Alternating for SumOfSquares<T> {
    type Half = SumOfSquares<u64>;
    fn alternates(&self) -> bool {
        flips(&self.modes)
    }
    fn half(&self, odd: bool) -> SumOfSquares<u64> {
        SumOfSquares {
            modes: halve(&self.modes, odd),
            mixing: self.mixing,
            constant: self.constant,
            constant_error: self.constant_error,
            scale: self.scale,
            clock: PhantomData,
        }
    }
}

impl<T: Clock> Alternating for QuadraticForm<T> {
    type Half = QuadraticForm<u64>;
    fn alternates(&self) -> bool {
        flips(&self.modes)
    }
    fn half(&self, odd: bool) -> QuadraticForm<u64> {
        QuadraticForm {
            modes: halve(&self.modes, odd),
            matrix: self.matrix.clone(),
            weights: self.weights.clone(),
            mixing: self.mixing,
            tilt: self.tilt,
            clock: PhantomData,
        }
    }
}

impl<T: Clock> Alternating for MissRate<T> {
    type Half = MissRate<u64>;
    fn alternates(&self) -> bool {
        flips(&self.modes)
    }
    fn half(&self, odd: bool) -> MissRate<u64> {
        MissRate {
            modes: halve(&self.modes, odd),
            residuals: self.residuals.clone(),
            tolerance: self.tolerance,
            clock: PhantomData,
        }
    }
}

impl<T: Clock> Alternating for TestLoss<T> {
    type Half = TestLoss<u64>;
    fn alternates(&self) -> bool {
        match self {
            TestLoss::Sum(sum) => sum.alternates(),
            TestLoss::Form(form) => form.alternates(),
            TestLoss::Undefined => false,
        }
    }
    fn half(&self, odd: bool) -> TestLoss<u64> {
        match self {
            TestLoss::Sum(sum) => TestLoss::Sum(sum.half(odd)),
            TestLoss::Form(form) => TestLoss::Form(form.half(odd)),
            TestLoss::Undefined => TestLoss::Undefined,
        }
    }
}

/// A certified crossing; where the curve alternates, one search a parity, joined.
pub(crate) fn crossing_of<C: Alternating>(curve: &C, threshold: f64, end: End) -> Result<Crossing<C::Time>> {
    if !curve.alternates() {
        return crossing::search(curve, threshold, end);
    }
    let surely_at_one = || {
        let Point { value, rounding } = curve.value(C::Time::from_steps(1));
        value - rounding >= threshold
    };
    let half = |odd| -> Result<Crossing<u64>> {
        let found = crossing::search(&curve.half(odd), threshold, end)?;
        let found = found.map(|pairs| pairs.saturating_mul(2).saturating_add(u64::from(odd)));
        Ok(match found {
            // The first odd step stands for "perhaps at no odd step" unless the event is sure there.
            Crossing::At { time, lo: 1, hi } if end == End::Last && !surely_at_one() => {
                Crossing::At { time, lo: 0, hi }
            }
            found => found,
        })
    };
    Ok(crossing::join(half(false)?, half(true)?, end).map(C::Time::from_steps))
}
