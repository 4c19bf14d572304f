//! What errors of a step are compared with.

use super::basis::{Basis, Kind};
use super::net::Net;

/// Tolerance from which on the number of steps counts, and the finest that rounding leaves to a step.
const MANY_STEPS: f64 = 1e-8;
const FINEST: f64 = 1e-13;

/// What one step is allowed, for errors of the whole path that are about `rtol`.
///
/// Errors of steps add up. At depth 2 on independent rows the flow damps them; deeper nets lose what a bracket was
/// wrong by only when they decay, and amplify it near the saddle that growth and decay make; where rows are dependent,
/// or coordinates have a number each, errors of all directions count. Of data with few entries steps cost nothing.
/// Below 10⁻⁸ there are more and more steps, and the order does not rise any more.
pub(super) fn local_tolerance(rtol: f64, depth: u32, kind: &Kind<'_>, few: bool) -> f64 {
    let part = match kind {
        Kind::Wide { .. } if depth == 2 => 1.0,
        _ if few => 0.05,
        _ => 0.2,
    };
    (part * rtol * (rtol / MANY_STEPS).min(1.0).powf(0.2)).max(FINEST)
}

/// What errors of z are compared with, coordinate by coordinate: see [`Net::unit`] and [`Net::displacement`].
pub(super) struct Scale {
    pub(super) units: Vec<f64>,
    pub(super) displaced: Vec<f64>,
    /// The least unit, and the root mean square of the displacements.
    pub(super) unit: f64,
    pub(super) displacement: f64,
    /// q when the units were taken.
    pub(super) seen: Vec<f64>,
}

impl Scale {
    /// At z of an accepted state; displacements are those of the epoch's start.
    pub(super) fn measure(&mut self, net: &Net, z: &[f64], at_start: bool) {
        for (k, (unit, &z)) in self.units.iter_mut().zip(z).enumerate() {
            *unit = net.unit(k, z);
        }
        self.unit = self.units.iter().fold(f64::INFINITY, |least, unit| least.min(*unit));
        if at_start {
            self.displaced.iter_mut().enumerate().for_each(|(k, x)| *x = net.displacement(k));
            let square: f64 = self.displaced.iter().map(|x| x * x).sum();
            self.displacement = (square / self.displaced.len().max(1) as f64).sqrt();
        }
    }

    /// How far q has moved since the units were taken, in the least of them, or each in its own.
    pub(super) fn moved(&self, basis: &Basis<'_>, q: &[f64]) -> f64 {
        let steps = q.iter().zip(&self.seen).map(|(q, seen)| (q - seen).abs());
        match basis.kind {
            Kind::Own(_) => steps.zip(&self.units).fold(0.0, |most, (step, unit)| most.max(step / unit)),
            _ => length(steps) / self.unit,
        }
    }
}

/// |x|, where squares would overflow or underflow too.
pub(super) fn length(x: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = x.clone().fold(0.0_f64, |most, x| most.max(x.abs()));
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    largest * x.map(|x| (x / largest) * (x / largest)).sum::<f64>().sqrt()
}
