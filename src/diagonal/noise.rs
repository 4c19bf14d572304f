//! What rounding of the slopes of the loss does to a step.
//!
//! Where labels cannot be fitted, slopes ρ of size one cancel in Cᵀρ and leave ε|ρ|; where rows are nearly equal, what
//! rounding leaves of f, δf = ε Σ|X_ik w_k|, is ℓ''δf in ρ. An implicit step turns δρ = ε|ρ| + ℓ''δf into
//! ν = |(I + cκAH)⁻¹ cκ Cᵀ(σ ∘ δρ)|, whatever the signs σ of the errors are; three patterns stand for all. What rounding
//! of the sums in Cᵀρ leaves lies along no row: it counts in the budget, but no error is allowed for it. ν is 10⁻¹⁴ of q wherever anything drives q. Where nothing does, it is all there is, and an error control
//! that asked for less would stop the integration.

use super::Problem;
use super::basis::{Basis, Kind};
use super::scale::length;

/// Errors are allowed that rounding explains so many times over …
const ALLOWED: f64 = 100.0;

/// … as long as they are below this part of a unit of z.
const LARGEST: f64 = 1e-3;

/// What rounding may move z by, in its units, at any tolerance: a run that it may have moved more is ill-posed to
/// rounding.
pub(super) const BEARABLE: f64 = 1e-3;

pub(super) struct Noise {
    /// None for rows that are independent and distinct: nothing cancels there.
    signs: [Vec<f64>; 3],
    /// The same for the unknowns.
    turns: [Vec<f64>; 3],
    /// ν of each unknown.
    floor: Vec<f64>,
    /// What rounding with each pattern has made of q since the start, as far as the steps have not damped it.
    drift: [Vec<f64>; 3],
    /// Units of z when it was last added to.
    units: Vec<f64>,
    /// What was dropped from the span of the data would have moved z by.
    dropped: f64,
    step: Vec<f64>,
}

/// Slopes of the loss, and how well rounding lets them be known.
pub(super) struct Slopes<'a> {
    pub(super) problem: &'a Problem,
    pub(super) outputs: &'a [f64],
    /// Bounds on δf/ε, for all outputs.
    pub(super) reach: f64,
}

impl Noise {
    pub(super) fn new(basis: &Basis<'_>, samples: usize) -> Noise {
        let silent = matches!(basis.kind, Kind::Wide { .. }) && !basis.rows.is_merged();
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut sign = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if state >> 63 == 0 { 1.0 } else { -1.0 }
        };
        let count = if silent { 0 } else { samples };
        let mut pattern = |length: usize| (0..length).map(|_| sign()).collect();
        Noise {
            signs: [pattern(count), pattern(count), pattern(count)],
            turns: [0; 3].map(|_| pattern(if silent { 0 } else { basis.dimension })),
            floor: vec![0.0; basis.dimension],
            drift: [0; 3].map(|_| vec![0.0; if silent { 0 } else { basis.dimension }]),
            units: Vec::new(),
            dropped: 0.0,
            step: vec![0.0; basis.dimension],
        }
    }

    pub(super) fn is_silent(&self) -> bool {
        self.signs[0].is_empty()
    }

    /// ν of a step whose system `solve` solves, `front` being εcκ.
    pub(super) fn listen(
        &mut self,
        slopes: &Slopes<'_>,
        basis: &Basis<'_>,
        sums: &mut [f64],
        front: f64,
        mut solve: impl FnMut(&mut [f64]),
    ) {
        let Noise { signs, floor, step, .. } = self;
        floor.fill(0.0);
        for signs in signs {
            slopes.errors(basis, sums, front, signs, None, step);
            solve(step);
            floor.iter_mut().zip(step.iter()).for_each(|(floor, x)| *floor = floor.max(x.abs()));
        }
    }

    /// Keeps ν where errors may be; one number for all unknowns that mix the coordinates.
    pub(super) fn limit(&mut self, basis: &Basis<'_>, units: &[f64], unit: f64) {
        let most = LARGEST / ALLOWED;
        if let Kind::Own(_) = basis.kind {
            self.floor.iter_mut().zip(units).for_each(|(floor, unit)| *floor = floor.min(most * unit));
        } else {
            let mean = length(self.floor.iter().copied()) / (self.floor.len().max(1) as f64).sqrt();
            self.floor.fill(mean.min(most * unit));
        }
    }

    pub(super) fn add_to(&self, sizes: &mut [f64], rtol: f64) {
        sizes.iter_mut().zip(&self.floor).for_each(|(size, floor)| *size += ALLOWED * floor / rtol);
    }

    /// What has moved an escape moves it in time: as the unit of a coordinate shrinks towards its escape, what was
    /// a part of the unit stays that part.
    pub(super) fn follow(&mut self, basis: &Basis<'_>, units: &[f64]) {
        if !matches!(basis.kind, Kind::Own(_)) {
            return;
        }
        if self.units.len() == units.len() {
            for (k, (before, now)) in self.units.iter().zip(units).enumerate() {
                let part = (now / before).min(1.0);
                self.drift.iter_mut().for_each(|drift| drift[k] *= part);
            }
        }
        self.units.clear();
        self.units.extend_from_slice(units);
    }

    /// A step was made: E ← (I + cκAH)⁻¹(E + hκCᵀ(σ ∘ ε|ρ|)) for each pattern, `front` being εhκ. Rounding adds up
    /// only along what nothing pulls back.
    pub(super) fn add_step(
        &mut self,
        slopes: &Slopes<'_>,
        basis: &Basis<'_>,
        sums: &mut [f64],
        front: f64,
        mut solve: impl FnMut(&mut [f64]),
    ) {
        let Noise { signs, turns, drift, step, .. } = self;
        for ((signs, turns), drift) in signs.iter().zip(turns.iter()).zip(drift) {
            slopes.errors(basis, sums, front, signs, Some(turns.as_slice()), step);
            drift.iter_mut().zip(step.iter()).for_each(|(drift, x)| *drift += x);
            solve(drift);
        }
    }

    /// Parts of the rows that count as rounding would have moved z by so much.
    pub(super) fn add_dropped(&mut self, dropped: f64) {
        self.dropped += dropped;
    }

    /// What rounding may have moved z by since the start, in units of z; `image` makes z of the unknowns. An upper
    /// estimate: the factors are of the last refresh, and couple coordinates that have died since to those that live.
    pub(super) fn total(
        &self,
        basis: &Basis<'_>,
        units: &[f64],
        unit: f64,
        mut image: impl FnMut(&[f64], &mut [f64]),
        z: &mut [f64],
    ) -> f64 {
        let worst = |z: &[f64]| z.iter().zip(units).fold(0.0_f64, |most, (x, unit)| most.max(x.abs() / unit));
        let mut total = 0.0_f64;
        for drift in &self.drift {
            let length = length(drift.iter().copied()) / unit;
            let part = match basis.kind {
                Kind::Own(_) => worst(drift),
                // No coordinate of z moves by more than all together; which ones do is looked at when it matters.
                _ if length <= BEARABLE => length,
                _ => {
                    image(drift, z);
                    worst(z)
                }
            };
            total = total.max(part);
        }
        total
    }

    /// What was dropped from the span of the data may have moved z by, in units of z.
    pub(super) fn dropped(&self, unit: f64) -> f64 {
        self.dropped / unit
    }

    /// In the variables of the next epoch.
    pub(super) fn rescale(&mut self, scale: f64) {
        self.floor.iter_mut().for_each(|x| *x *= scale);
        self.drift.iter_mut().flatten().for_each(|x| *x *= scale);
        self.units.iter_mut().for_each(|x| *x *= scale);
        self.dropped *= scale;
    }
}

impl Slopes<'_> {
    /// Cᵀ(σ ∘ δρ), `front` being ε times what it is multiplied by.
    fn errors(
        &self,
        basis: &Basis<'_>,
        sums: &mut [f64],
        front: f64,
        signs: &[f64],
        turns: Option<&[f64]>,
        out: &mut [f64],
    ) {
        let (loss, factor) = (self.problem.loss, front / self.outputs.len() as f64);
        let slope =
            |(&f, &y): (&f64, &f64)| (loss.slope(f, y).abs() + loss.curvature(f, y) * self.reach) * factor;
        let errors = self.outputs.iter().zip(&self.problem.labels).map(slope);
        // The signs are any: without those of the rows a sample and its mirror image leave the same bits.
        basis.rows.gather(errors.zip(signs).map(|(x, sign)| sign * x), false, sums);
        basis.pull(sums, out);
        // The sums over the rows are rounded too, and not along the rows.
        let Some(turns) = turns else { return };
        let slopes = self.outputs.iter().zip(&self.problem.labels).map(|(&f, &y)| loss.slope(f, y) * factor);
        basis.rows.gather(slopes, true, sums);
        basis.add_rounding(sums, turns, out);
    }
}
