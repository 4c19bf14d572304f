//! General test losses: quadratic forms in the modes.

use std::marker::PhantomData;
use std::sync::Arc;

use ndarray::Array2;

use super::mode::{
    Mode, Tangent, flips, halve, ln_point, ln_scale, moved, scaled, scaled_drift, scaled_error, time_scale,
};
use super::{Alternating, Turning, settled};
use crate::crossing::{Curve, Enclosure, Point, Trend, too_many};
use crate::linalg::EPS;
use crate::trajectory::Clock;

/// Constant of the error of ‖Rz‖ where it is a small sum of large terms, in units of √k·ε: of the columns of R
/// (products of features, an orthogonal reduction) and of the sums.
const FACTORED: f64 = 8.0;

/// A positive semidefinite M, as itself or as a factor R of M = RᵀR. With a factor the form is ‖Rz‖², which
/// keeps its digits where the residuals Rz are small sums of large terms.
#[derive(Clone, Debug)]
pub(crate) enum Form {
    Matrix(Arc<Array2<f64>>),
    Factor(Arc<Array2<f64>>),
}

impl Form {
    /// M_ii.
    pub fn diagonal(&self) -> Vec<f64> {
        match self {
            Form::Matrix(m) => m.diag().iter().map(|&d| d.max(0.0)).collect(),
            Form::Factor(r) => r.columns().into_iter().map(|c| c.dot(&c)).collect(),
        }
    }

    /// zᵀMw.
    fn product(&self, z: &[f64], w: &[f64]) -> f64 {
        match self {
            Form::Matrix(m) => {
                let rows = m.outer_iter().zip(z).filter(|(_, zi)| **zi != 0.0);
                rows.map(|(row, zi)| zi * inner(row.iter(), w)).sum()
            }
            Form::Factor(r) => r.outer_iter().map(|row| inner(row.iter(), z) * inner(row.iter(), w)).sum(),
        }
    }

    fn squared_norm(&self, z: &[f64]) -> f64 {
        match self {
            Form::Matrix(_) => self.product(z, z).max(0.0),
            Form::Factor(r) => r.outer_iter().map(|row| inner(row.iter(), z).powi(2)).sum(),
        }
    }

    /// Σ_i |s_i(Mz)_i|.
    fn pull(&self, z: &[f64], s: &[f64]) -> f64 {
        match self {
            Form::Matrix(m) => m.outer_iter().zip(s).map(|(row, s)| (s * inner(row.iter(), z)).abs()).sum(),
            Form::Factor(r) => {
                let image: Vec<f64> = r.outer_iter().map(|row| inner(row.iter(), z)).collect();
                r.columns().into_iter().zip(s).map(|(c, s)| (s * inner(c.iter(), &image)).abs()).sum()
            }
        }
    }
}

fn inner<'r>(row: impl Iterator<Item = &'r f64>, z: &[f64]) -> f64 {
    row.zip(z).map(|(m, z)| m * z).sum()
}

/// zᵀMz with z_i = d_i(t).
#[derive(Clone, Debug)]
pub(crate) struct QuadraticForm<T> {
    modes: Vec<Mode>,
    form: Form,
    /// √M_ii.
    weights: Vec<f64>,
    /// Norm, under M, of what a backward error of the decomposition can move.
    mixing: f64,
    /// Norm, under M, of the errors of the complement's columns: of the decaying and of the constant one.
    tilt: [f64; 2],
    turning: Turning,
    /// Norm of the errors of the columns of a factor that belong to v_1 … v_k.
    columns: f64,
    clock: PhantomData<T>,
}

/// What errors may do to a form, all as seen under M: norms of what a backward error of the decomposition mixes,
/// of the errors of the last two columns (the decaying and the constant one), of what is turned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blur {
    pub mixing: f64,
    pub tilt: [f64; 2],
    pub turning: Turning,
    /// √λ_max of M in an orthonormal basis.
    pub spread: f64,
}

impl<T: Clock> QuadraticForm<T> {
    pub fn new(modes: Vec<Mode>, form: Form, blur: Blur) -> Self {
        let modes: Vec<Mode> = modes.into_iter().map(Mode::folded).collect();
        let weights: Vec<f64> = form.diagonal().into_iter().map(f64::sqrt).collect();
        let columns = match form {
            Form::Matrix(_) => 0.0,
            Form::Factor(_) => FACTORED * (modes.len() as f64).sqrt() * EPS * blur.spread,
        };
        let Blur { mixing, tilt, turning, .. } = blur;
        QuadraticForm { modes, form, weights, mixing, tilt, turning, columns, clock: PhantomData }
    }

    /// What errors of the factor's columns move where |z_i| ≤ `z`.
    fn columns_moved(&self, z: impl Iterator<Item = f64>) -> f64 {
        match self.columns {
            0.0 => 0.0,
            columns => columns * z.take(self.modes.len() - 2).map(|z| z * z).sum::<f64>().sqrt(),
        }
    }

    /// What errors of the complement's columns move at a time.
    fn tilt(&self, time: f64) -> f64 {
        self.tilt[0] * self.modes[self.modes.len() - 2].power(time) + self.tilt[1]
    }

    fn coefficients(&self, time: f64, odd: bool) -> Vec<f64> {
        self.modes.iter().map(|m| m.value(m.power(time), odd)).collect()
    }

    fn squared_norm(&self, z: &[f64]) -> f64 {
        self.form.squared_norm(z)
    }

    /// Bound on ‖z‖_M by the triangle inequality.
    fn size(&self, z: impl Iterator<Item = f64>) -> f64 {
        z.zip(&self.weights).map(|(z, w)| z.abs() * w).sum()
    }

    /// Bounds on ‖z‖_M. Of a z in which large parts cancel the form leaves its own rounding, of which the root is
    /// much larger: halfway between two values of opposite sign, ‖z‖ may be all of that.
    fn norm_bounds(&self, z: &[f64]) -> (f64, f64) {
        let (square, size) = (self.squared_norm(z), self.size(z.iter().copied()));
        match &self.form {
            Form::Matrix(_) => {
                let error = 16.0 * EPS * size * size;
                ((square - error).max(0.0).sqrt(), (square + error).sqrt())
            }
            Form::Factor(r) => {
                let (norm, dot) = (square.sqrt(), FACTORED * (r.ncols() as f64).sqrt() * EPS * size);
                ((norm * (1.0 - 4.0 * EPS) - dot).max(0.0), norm * (1.0 + 4.0 * EPS) + dot)
            }
        }
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
        [false, true]
            .map(|odd| self.squared_norm(&self.modes.iter().map(|m| m.at_rest(odd)).collect::<Vec<_>>()))
    }

    /// Derivative with respect to time (no flips), and the sum of its terms' sizes.
    pub fn slope(&self, time: f64) -> (f64, f64) {
        let z = self.coefficients(time, false);
        let speed = |m: &Mode| {
            let x = m.power(time);
            if x == 0.0 { 0.0 } else { m.rate * m.amplitude * x }
        };
        let speeds: Vec<f64> = self.modes.iter().map(speed).collect();
        (2.0 * self.form.product(&z, &speeds), 2.0 * self.form.pull(&z, &speeds))
    }

    /// The value at a real time (no flips).
    pub fn real_value(&self, time: f64) -> f64 {
        self.squared_norm(&self.coefficients(time, false))
    }

    /// Derivative with respect to a parameter whose effect on each mode is given.
    pub fn derivative(&self, time: f64, tangents: &[Tangent]) -> f64 {
        2.0 * self.form.product(&self.coefficients(time, false), &moved(&self.modes, tangents, time))
    }

    /// Rounding of the value where ‖z‖_M is `norm` and Σ|z_i|√M_ii is `size`.
    fn rounding(&self, norm: f64, size: f64, moved: f64) -> f64 {
        let (moved, squares) = match &self.form {
            Form::Matrix(_) => (moved, 16.0 * EPS * size * size),
            Form::Factor(r) => {
                let dot = FACTORED * (r.ncols() as f64).sqrt() * EPS;
                (moved + dot * size, 4.0 * EPS * norm * norm)
            }
        };
        match moved.is_finite() {
            true => 2.0 * norm * moved + moved * moved + squares,
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
        let mut quotients = self.turning.quotients(time, |m| [m.power(time); 2]);
        for (m, w) in self.modes.iter().zip(&self.weights) {
            let x = m.power(time);
            forward += w * m.forward_error(time, x, odd);
            drift = drift.max(m.drift(time, x));
            quotients.add(m, [m.factor * if odd && m.flips { -x } else { x }; 2]);
        }
        let moved = drift * self.mixing
            + self.tilt(time)
            + forward
            + self.turning.moved(&quotients)
            + self.columns_moved(z.iter().copied());
        Point { value, rounding: self.rounding(value.sqrt(), self.size(z.iter().copied()), moved) }
    }

    fn enclose(&self, from: T, to: Option<T>) -> Enclosure {
        let (a, b) = (from.as_f64(), to.map(T::as_f64));
        let k = self.modes.len();
        let (mut centre, mut radius) = (Vec::with_capacity(k), Vec::with_capacity(k));
        let (mut speed, mut speed_radius) = (Vec::with_capacity(k), Vec::with_capacity(k));
        let (mut forward, mut drift) = (0.0, 0.0_f64);
        let mut quotients =
            self.turning.quotients(b.unwrap_or(f64::INFINITY), |m| [m.power(a), m.power_at_end(b)]);
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
            forward += w * m.largest_forward_error(a, b, xa, xb);
            drift = drift.max(m.largest_drift(a, b));
            quotients.add(m, m.decayed(xa, xb));
        }
        let (least, norm) = self.norm_bounds(&centre);
        let reach = self.size(radius.iter().copied());
        let moved = drift * self.mixing
            + self.tilt(a)
            + forward
            + self.turning.moved(&quotients)
            + self.columns_moved(centre.iter().zip(&radius).map(|(c, r)| c.abs() + r));
        let size = self.size(centre.iter().zip(&radius).map(|(c, r)| c.abs() + r));
        let rounding = self.rounding(norm + reach, size, moved);
        // d/dt zᵀMz = 2 zᵀM z′, each factor a centre and a radius in the norm of M.
        let slope = self.form.product(&centre, &speed);
        let speed_reach = self.size(speed_radius.iter().copied());
        let (_, speed_norm) = self.norm_bounds(&speed);
        // The product is a sum too, of which little may be left.
        let cancelled = 16.0 * EPS * self.size(centre.iter().copied()) * self.size(speed.iter().copied());
        let slack = reach * speed_norm + (norm + reach) * speed_reach + 1e-9 * norm * speed_norm + cancelled;
        let trend = match slope {
            s if s + slack <= 0.0 => Trend::Falling,
            s if s - slack >= 0.0 => Trend::Rising,
            _ => Trend::Unknown,
        };
        let lowest = (least - reach).max(0.0);
        Enclosure {
            lo: (lowest * lowest - rounding).max(0.0),
            hi: (norm + reach) * (norm + reach) + rounding,
            trend,
            rounding,
        }
    }

    fn time_scale(&self) -> T {
        time_scale(&self.modes)
    }

    fn settled(&self, from: T) -> bool {
        settled(self, from)
    }

    fn gives_up(&self, looks: f64) -> bool {
        let k = self.modes.len() as f64;
        too_many(looks, 60.0 * k + 3.0 * k * k)
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
            form: self.form.clone(),
            weights: self.weights.clone(),
            mixing: self.mixing,
            tilt: self.tilt,
            turning: self.turning.at_parity(odd),
            columns: self.columns,
            clock: PhantomData,
        }
    }
}

impl<T: Clock> QuadraticForm<T> {
    /// ln of the value and a bound on its error, also where the value underflows; the error is infinite where rounding
    /// cannot tell the value from zero.
    pub fn ln_bounds(&self, t: T) -> (f64, f64) {
        let point = self.value(t);
        if point.value > 1e-280 {
            return ln_point(point.value, point.rounding);
        }
        let (time, odd) = (t.as_f64(), t.is_odd());
        let seen = |w: f64, m: &Mode| if w > 0.0 { *m } else { Mode::default() };
        let modes: Vec<Mode> = self.modes.iter().zip(&self.weights).map(|(m, w)| seen(*w, m)).collect();
        let shift = ln_scale(&modes, time);
        if shift == f64::NEG_INFINITY {
            return (shift, if point.rounding > 0.0 { f64::INFINITY } else { 0.0 });
        }
        let z: Vec<f64> = modes.iter().map(|m| scaled(m, time, odd, shift)).collect();
        let size = |x: f64| if x > 0.0 { (x.ln() - shift).exp() } else { 0.0 };
        let forward: f64 =
            modes.iter().zip(&self.weights).map(|(m, w)| w * scaled_error(m, time, shift)).sum();
        let complement = &self.modes[self.modes.len() - 2];
        let decayed = if time == 0.0 { 0.0 } else { complement.rate * time };
        let tilt = size(self.tilt[0]) * decayed.exp() + size(self.tilt[1]);
        let moved = scaled_drift(&self.modes, self.mixing, time, shift)
            + tilt
            + forward
            + self.turning.scaled_at(&self.modes, time, shift)
            + self.columns_moved(z.iter().copied());
        let value = self.squared_norm(&z);
        let (ln, error) = ln_point(value, self.rounding(value.sqrt(), self.size(z.iter().copied()), moved));
        let ln = 2.0 * shift + ln;
        (ln, error + if ln.is_finite() { 8.0 * EPS * (1.0 + shift.abs()) } else { 0.0 })
    }

    /// The value where all moving parts are gone: of the minimiser, whether or not the trajectory tends to it.
    pub fn at_minimiser(&self) -> Point {
        let z: Vec<f64> = self.modes.iter().map(|m| m.offset).collect();
        let value = self.squared_norm(&z);
        let forward: f64 = self
            .modes
            .iter()
            .zip(&self.weights)
            .map(|(m, w)| w * (m.offset_error + m.limit_error + 2.0 * EPS * m.offset.abs()))
            .sum();
        let moved = forward
            + self.tilt[1]
            + self.turning.at_rest(&self.modes)
            + self.columns_moved(z.iter().copied());
        Point { value, rounding: self.rounding(value.sqrt(), self.size(z.iter().copied()), moved) }
    }
}
