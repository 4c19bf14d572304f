//! How well a run is known: from a second run at another tolerance, never from its own estimates.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::OnceLock;

use super::{Run, Settings};
use crate::error::{Error, Result};

/// A second run is made at ten times the tolerance, as long as that is one.
const COARSEST: f64 = 1e-3;

/// What the difference of the runs is multiplied by. The error of the finer is typically a tenth of it; but errors
/// change sign along the path, and where those of the runs agree by chance the difference is too small: of 1478 times
/// in 381 random problems the error was above the difference in 10%, above twice the difference in 5%.
const PART: f64 = 2.0;

/// Differences are taken at these parts of the time too: at one time alone two paths may cross. Of large data at the
/// first two only.
pub(super) const EARLIER: [f64; 5] = [0.97, 0.9, 0.8, 0.65, 0.5];

/// Where many times are asked for: differences at so many fixed times an octave.
const AN_OCTAVE: u32 = 8;

/// Entries of the data that count as large.
const LARGE: usize = 1 << 20;

/// Estimated errors of a run at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PathError {
    /// ‖δw‖_∞/‖w‖_∞; zero where w is exactly zero, large where it is rounding noise.
    pub weights: f64,
    /// max_i |δf_i|.
    pub outputs: f64,
    /// |δ𝓛|.
    pub train_loss: f64,
    /// |δ ln 𝓛|.
    pub ln_train_loss: f64,
    /// |δ‖θ‖|/‖θ‖.
    pub parameter_norm: f64,
    /// max_k of |δ ln u_k| and |δ ln v_k|: entries of the tangent kernel are known to 2L − 2 times this.
    pub parameters: f64,
    /// ‖δz‖/‖z‖: how well e^{λt}θ/α − 1 is known while it is small.
    pub departure: f64,
    /// |δ| of the margins over ‖w‖₂ and ‖w‖₁; infinite where either run has none.
    pub margin_l2: f64,
    pub margin_l1: f64,
}

/// Parameters below this are not compared: they underflow at times that differ.
const FADED: f64 = 1e-290;

/// The second run, made when it is first asked for.
#[derive(Default)]
pub(super) struct Companion<'p>(OnceLock<std::result::Result<Box<Run<'p>>, Error>>);

impl<'p> Run<'p> {
    /// The run at another tolerance.
    fn companion(&self) -> Result<&Run<'p>> {
        let coarser = 10.0 * self.settings().rtol;
        let rtol = if coarser <= COARSEST { coarser } else { 0.1 * self.settings().rtol };
        let solve = || {
            let settings = Settings { rtol, ..self.settings().clone() };
            Run::solve(self.problem(), &settings, |_| ControlFlow::Continue(())).map(Box::new)
        };
        match self.companion.0.get_or_init(solve) {
            Ok(run) => Ok(run),
            Err(error) => Err(error.clone()),
        }
    }

    /// Estimated errors at time t, from a second run at ten times the tolerance (at a tenth of it from 10⁻⁴ on).
    ///
    /// # Errors
    /// A time outside [0, horizon]; the second run failed, so that nothing is known.
    pub fn path_error(&self, t: f64) -> Result<PathError> {
        let other = self.companion()?;
        let design = &self.problem.design;
        let small = design.samples() * design.dimension() <= LARGE;
        let parts = if small { &EARLIER[..] } else { &EARLIER[..2] };
        let before = parts.iter().map(|part| self.difference(other, part * t)).collect::<Result<Vec<_>>>()?;
        self.combined(other, t, &before)
    }

    /// The same for many times of one run: the differences before t are those at fixed times of the octave before it,
    /// each taken once and kept in `taken`, by its place below the horizon.
    ///
    /// # Errors
    /// As [`Run::path_error`].
    pub(super) fn path_error_among(&self, t: f64, taken: &mut HashMap<u32, PathError>) -> Result<PathError> {
        let other = self.companion()?;
        let horizon = self.settings().horizon;
        let mut before = Vec::new();
        if t > 0.0 {
            let octaves = (libm::log2(horizon) - libm::log2(t)).max(0.0);
            let first = (f64::from(AN_OCTAVE) * octaves) as u32 + 1;
            for place in first..first + AN_OCTAVE {
                let error = match taken.get(&place) {
                    Some(error) => *error,
                    None => {
                        let at = horizon * libm::exp2(-f64::from(place) / f64::from(AN_OCTAVE));
                        self.difference(other, at.min(t))?
                    }
                };
                taken.insert(place, error);
                before.push(error);
            }
        }
        self.combined(other, t, &before)
    }

    /// The error at t, from the difference there and those before.
    fn combined(&self, other: &Run<'_>, t: f64, before: &[PathError]) -> Result<PathError> {
        let here = self.difference(other, t)?;
        let earlier = |of: fn(&PathError) -> f64| before.iter().map(of).fold(0.0, f64::max);
        let most = |of: fn(&PathError) -> f64| PART * of(&here).max(earlier(of));
        // While the loss falls fast its error was larger before; what it is now is bounded by that of f.
        let net = self.snapshot(t)?;
        let slopes =
            net.outputs.iter().zip(self.problem.labels()).map(|(&f, &y)| self.problem.loss.slope(f, y).abs());
        let reach = slopes.sum::<f64>() / net.outputs.len() as f64 * earlier(|e| e.outputs).max(here.outputs);
        let loss = earlier(|e| e.train_loss).min(here.train_loss + reach);
        Ok(PathError {
            weights: most(|e| e.weights),
            outputs: most(|e| e.outputs),
            train_loss: PART * here.train_loss.max(loss),
            ln_train_loss: most(|e| e.ln_train_loss),
            parameter_norm: most(|e| e.parameter_norm),
            parameters: most(|e| e.parameters),
            departure: most(|e| e.departure),
            margin_l2: most(|e| e.margin_l2),
            margin_l1: most(|e| e.margin_l1),
        })
    }

    fn difference(&self, other: &Run<'_>, t: f64) -> Result<PathError> {
        let t = t.min(other.settings().horizon);
        let ((a, net, z), (b, other_net, other_z)) = (self.seen(t)?, other.seen(t)?);
        let largest = |x: &[f64], y: &[f64]| {
            x.iter().zip(y).map(|(x, y)| (x - y).abs()).fold(0.0_f64, |most, x| most.max(x))
        };
        let slice = |x: &'_ ndarray::Array1<f64>| x.to_vec();
        let (w, v) = (slice(&a.weights), slice(&b.weights));
        let scale = w.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
        let weights = relative(largest(&w, &v), scale);
        let (mut parameters, mut moved, mut length) = (0.0_f64, 0.0, 0.0);
        for k in 0..z.len() {
            let ((u, v), (x, y)) = (net.parameters(t, k, z[k]), other_net.parameters(t, k, other_z[k]));
            // What has faded away has no digits to compare.
            let ratio =
                |a: f64, b: f64| if a == b || a.max(b) < FADED { 0.0 } else { libm::log(a / b).abs() };
            parameters = parameters.max(ratio(u, x)).max(ratio(v, y));
            let ((du, dv), (dx, dy)) = (net.departures(k, z[k]), other_net.departures(k, other_z[k]));
            moved += (du - dx).powi(2) + (dv - dy).powi(2);
            length += du * du + dv * dv;
        }
        let logs = (a.ln_train_loss, b.ln_train_loss);
        Ok(PathError {
            weights,
            outputs: largest(&slice(&a.outputs), &slice(&b.outputs)),
            train_loss: (a.train_loss - b.train_loss).abs(),
            ln_train_loss: if logs.0 == logs.1 { 0.0 } else { (logs.0 - logs.1).abs() },
            parameter_norm: relative((a.parameter_norm - b.parameter_norm).abs(), a.parameter_norm),
            parameters,
            departure: relative(moved.sqrt(), length.sqrt()),
            margin_l2: apart(a.margin_l2, b.margin_l2),
            margin_l1: apart(a.margin_l1, b.margin_l1),
        })
    }
}

fn relative(difference: f64, size: f64) -> f64 {
    if difference == 0.0 { 0.0 } else { difference / size }
}

fn apart(a: Option<f64>, b: Option<f64>) -> f64 {
    a.zip(b).map_or(f64::INFINITY, |(a, b)| (a - b).abs())
}
