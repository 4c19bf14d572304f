//! Certified times at which enough parallelograms are close: bounds on every d_q(t) over intervals of time.
//!
//! In one dimension, without the translation, U(t) = Σ_i v_i a_i e^{−ρ_i t} with ρ_i ≥ 0 relative to the
//! slowest mode, and d_q = a_q·U/σ with σ² = Σ_i a_i² e^{−2ρ_i t}/(p − 1), which falls. Over an interval of
//! half-width h around m, a_q·U differs from a_q·U(m) by at most h|a_q·U'(m)| + h²/2·Σ_{k∈q} B_k with
//! B_k = Σ_i |V_ki a_i| ρ_i² e^{−ρ_i t} at its left end.

use ndarray::{Array1, Array2, ArrayView1};

use super::Problem;
use super::flow::Flow;
use super::group::Pair;
use crate::crossing::{Curve, Enclosure, Point, Trend};
use crate::error::{Error, Result};
use crate::linalg::EPS;

/// One dimension of the embeddings in the eigenbasis, without the translation.
pub(crate) struct Modes {
    /// V_ki a_i, symbols × modes.
    weights: Array2<f64>,
    /// |V_ki a_i|.
    sizes: Array2<f64>,
    /// a_i².
    squares: Array1<f64>,
    /// ρ_i, relative to the slowest.
    rates: Array1<f64>,
    /// Largest rate, slowest positive ρ.
    fastest: f64,
    next: f64,
    /// Sizes of the part that stays and of all.
    staying: f64,
    total: f64,
    /// How far apart the rates of the part that stays may be where they are not proved equal.
    unresolved: f64,
}

impl Modes {
    pub fn new(flow: &Flow<'_, '_>, dimension: usize) -> Result<Modes> {
        let column = flow.coefficients.column(dimension);
        let keep: Vec<usize> = (1..column.len()).filter(|&i| column[i] != 0.0).collect();
        let Some(&first) = keep.first() else {
            return Err(Error::Parameter {
                name: "spread of the embeddings",
                value: 0.0,
                expected: format!("above 0 in every dimension (dimension {dimension} has one value only)"),
            });
        };
        let a: Array1<f64> = keep.iter().map(|&i| column[i]).collect();
        let rates: Array1<f64> = keep.iter().map(|&i| flow.rates[i] - flow.rates[first]).collect();
        let weights = flow.spectrum.vectors.select(ndarray::Axis(1), &keep) * &a;
        let squares = a.mapv(|a| a * a);
        let unresolved = match keep.get(1) {
            Some(&second) if rates[1] == 0.0 && flow.rates[second] > 0.0 => flow.unresolved(first),
            _ => 0.0,
        };
        let staying = (0..a.len()).filter(|&i| rates[i] == 0.0).map(|i| squares[i]).sum::<f64>().sqrt();
        Ok(Modes {
            sizes: weights.mapv(f64::abs),
            weights,
            fastest: flow.rates[flow.rates.len() - 1],
            next: rates.iter().copied().find(|r| *r > 0.0).unwrap_or(f64::INFINITY),
            staying,
            total: squares.sum().sqrt(),
            squares,
            rates,
            unresolved,
        })
    }

    fn decay(&self, t: f64) -> Array1<f64> {
        self.rates.mapv(|r| libm::exp(-r * t))
    }

    fn deviation(&self, decay: ArrayView1<'_, f64>) -> f64 {
        let square: f64 = self.squares.iter().zip(decay).map(|(a, w)| a * w * w).sum();
        (square / (self.weights.nrows() as f64 - 1.0)).sqrt()
    }

    /// U(t) and σ(t).
    pub fn at(&self, t: f64) -> (Array1<f64>, f64) {
        let decay = self.decay(t);
        (self.weights.dot(&decay), self.deviation(decay.view()))
    }

    /// U and σ as t → ∞.
    pub fn limit(&self) -> (Array1<f64>, f64) {
        let stays = self.rates.mapv(|r| if r == 0.0 { 1.0 } else { 0.0 });
        (self.weights.dot(&stays), self.deviation(stays.view()))
    }

    /// Bound on the error of each entry of U at times from t on: rounding of the coefficients that stay,
    /// and a backward error ε‖H‖ of the eigendecomposition on those that decay.
    fn error(&self, t: f64) -> f64 {
        let p = self.weights.nrows() as f64;
        let decaying = if self.next.is_finite() {
            // (1 + λ_max·t)·e^{−ρt} is largest at the later of t and 1/ρ.
            let at = t.max(1.0 / self.next - 1.0 / self.fastest).max(0.0);
            (1.0 + self.fastest * at) * libm::exp(-self.next * at)
        } else {
            0.0
        };
        p * EPS * (self.staying + self.total * decaying)
    }

    /// What equal rates that are not proved equal may have changed from the start to t.
    fn drift(&self, t: f64) -> f64 {
        if self.unresolved > 0.0 { self.staying * self.unresolved * t } else { 0.0 }
    }

    /// A bound on the error of a difference d_q of [`Modes::at`], as a length of the shape near or below `size`; infinite
    /// where the spread itself may be zero. See (18) in theory/effective.md.
    pub fn shape_error(&self, t: f64, size: f64) -> f64 {
        let deviation = self.deviation(self.decay(t).view());
        let error = self.error(t) + self.drift(t);
        match deviation > 4.0 * error {
            true => (4.0 + 2.0 * (size + 1.0)) * error / (deviation - 2.0 * error),
            false => f64::INFINITY,
        }
    }
}

/// U with its derivative and remainder at every symbol, and the range of σ, over an interval.
struct Range {
    middle: Array1<f64>,
    /// Half-width times |derivative| comes with the sign of the derivative: differences may cancel.
    slope: Array1<f64>,
    remainder: Array1<f64>,
    deviation: (f64, f64),
}

impl Modes {
    fn range(&self, from: f64, to: Option<f64>) -> Range {
        let error = self.error(from) + self.drift(to.unwrap_or(f64::INFINITY));
        let start = self.decay(from);
        let high = self.deviation(start.view());
        match to {
            Some(to) if to == from => {
                let remainder = Array1::from_elem(self.weights.nrows(), error);
                let middle = self.weights.dot(&start);
                let slope = Array1::zeros(middle.len());
                Range { middle, slope, remainder, deviation: widen(high, high, error) }
            }
            Some(to) => {
                let half = 0.5 * (to - from);
                let decay = self.decay(from + half);
                let slope = self.weights.dot(&(&decay * &self.rates)) * half;
                let curvature = self.sizes.dot(&(&start * &self.rates * &self.rates));
                let remainder = curvature.mapv(|b| 0.5 * half * half * b + error);
                let low = self.deviation(self.decay(to).view());
                Range {
                    middle: self.weights.dot(&decay),
                    slope,
                    remainder,
                    deviation: widen(low, high, error),
                }
            }
            None => {
                let (middle, low) = self.limit();
                let decaying =
                    Array1::from_shape_fn(start.len(), |i| if self.rates[i] == 0.0 { 0.0 } else { start[i] });
                let remainder = self.sizes.dot(&decaying).mapv(|b| b + error);
                let slope = Array1::zeros(middle.len());
                Range { middle, slope, remainder, deviation: widen(low, high, error) }
            }
        }
    }
}

fn widen(low: f64, high: f64, error: f64) -> (f64, f64) {
    ((low - 2.0 * error).max(0.0), high + 2.0 * error)
}

/// What has to come close: each target is met when one of its pairs of samples is within δ.
pub(crate) struct Targets {
    quads: Vec<[u32; 4]>,
    /// Quads of target k are `starts[k]..starts[k + 1]`.
    starts: Vec<u32>,
}

impl Targets {
    /// Every parallelogram of the full data by itself.
    pub fn parallelograms(full: &Problem) -> Targets {
        let quads: Vec<[u32; 4]> = full.enumerate().collect();
        Targets { starts: (0..=quads.len() as u32).collect(), quads }
    }

    /// Every sample not trained on, with the trained ones of its class.
    pub fn predictions(training: &Problem, full: &Problem) -> Targets {
        let (mut quads, mut starts) = (Vec::new(), vec![0]);
        for (trained, all) in training.classes().zip(full.classes()) {
            for &a in all.iter().filter(|a| !trained.contains(a)) {
                quads.extend(trained.iter().map(|&b: &Pair| [a[0], a[1], b[0], b[1]]));
                starts.push(quads.len() as u32);
            }
        }
        Targets { quads, starts }
    }

    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }
}

/// The k-th smallest over targets of min_q |d_q|² − limit: at most zero when k targets are met.
pub(crate) struct Score {
    modes: Vec<Modes>,
    targets: Targets,
    needed: usize,
    limit: f64,
}

impl Score {
    pub fn new(flow: &Flow<'_, '_>, targets: Targets, needed: usize) -> Result<Score> {
        let dimensions = flow.coefficients.ncols();
        let modes = (0..dimensions).map(|d| Modes::new(flow, d)).collect::<Result<Vec<_>>>()?;
        Ok(Score { modes, targets, needed, limit: flow.settings().matching.limit(dimensions) })
    }

    /// Lower and upper bounds over an interval.
    fn bounds(&self, from: f64, to: Option<f64>) -> (f64, f64) {
        let ranges: Vec<Range> = self.modes.iter().map(|m| m.range(from, to)).collect();
        let square = |q: &[u32; 4]| {
            let (mut low, mut high) = (0.0, 0.0);
            for r in &ranges {
                let signed = |x: &Array1<f64>| {
                    x[q[0] as usize] + x[q[1] as usize] - x[q[2] as usize] - x[q[3] as usize]
                };
                let middle = signed(&r.middle).abs();
                let reach = signed(&r.slope).abs() + q.iter().map(|&k| r.remainder[k as usize]).sum::<f64>();
                let (nearest, farthest) = ((middle - reach).max(0.0), middle + reach);
                low += (nearest / r.deviation.1).powi(2);
                // Nothing is said of a shape that may have no spread.
                high += if r.deviation.0 > 0.0 { (farthest / r.deviation.0).powi(2) } else { f64::INFINITY };
            }
            (low - self.limit, high - self.limit)
        };
        let (mut lows, mut highs) =
            (Vec::with_capacity(self.targets.len()), Vec::with_capacity(self.targets.len()));
        for w in self.targets.starts.windows(2) {
            let quads = &self.targets.quads[w[0] as usize..w[1] as usize];
            let (low, high) = quads
                .iter()
                .map(square)
                .fold((f64::INFINITY, f64::INFINITY), |best, x| (best.0.min(x.0), best.1.min(x.1)));
            lows.push(low);
            highs.push(high);
        }
        (self.pick(lows), self.pick(highs))
    }

    fn pick(&self, mut scores: Vec<f64>) -> f64 {
        *scores.select_nth_unstable_by(self.needed - 1, f64::total_cmp).1
    }
}

impl Curve for Score {
    type Time = f64;

    fn value(&self, t: f64) -> Point {
        let (lo, hi) = self.bounds(t, Some(t));
        if hi == f64::INFINITY {
            return Point { value: if lo == hi { hi } else { lo }, rounding: f64::INFINITY };
        }
        let value = 0.5 * (lo + hi);
        Point { value, rounding: 0.5 * (hi - lo) }
    }

    fn enclose(&self, from: f64, to: Option<f64>) -> Enclosure {
        let (lo, hi) = self.bounds(from, to);
        Enclosure { lo, hi, trend: Trend::Unknown, rounding: 0.0 }
    }

    fn time_scale(&self) -> f64 {
        let slowest = self.modes.iter().map(|m| m.next).fold(f64::INFINITY, f64::min);
        if slowest.is_finite() { 1.0 / slowest } else { 1.0 }
    }

    fn settled(&self, from: f64) -> bool {
        self.modes.iter().all(|m| !m.next.is_finite() || m.next * from > 60.0)
    }
}
