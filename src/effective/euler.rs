//! The authors' own clock: Euler steps with the norm frozen.

use ndarray::{Array1, Array2, ArrayView2};

use super::Problem;
use super::observables::{Match, normalised, shape_rqi};
use super::spectrum::{Convention, Normalisation, Spectrum};
use crate::error::{Error, Result, check};
use crate::trajectory::{Observable, Table, Trajectory};

/// E ← E − η(2GE/(N·Z0) − 2ℓ0/(N·Z0²)·E) with Z0 frozen at its initial value while ℓ0 is taken anew: what
/// the authors' code iterates for figure 4c. Neither Z0 nor anything else is conserved (‖E‖² drifts), but the
/// shape is that of a power iteration. Steps are made one after the other: asking at step t costs t·p·d.
#[derive(Clone, Debug)]
pub struct Euler<'s, 'a> {
    spectrum: &'s Spectrum<'a>,
    coefficients: Array2<f64>,
    matching: Match,
    z0: f64,
    /// η·2μ_i/(N·Z0).
    pulls: Array1<f64>,
    full: Problem,
}

/// Most steps that are made.
const LONGEST: u64 = 100_000_000;

impl<'a> Spectrum<'a> {
    /// The authors' iteration from embeddings E(0) with step size η.
    ///
    /// # Errors
    /// E has not one row a symbol, is not finite or zero; η ≤ 0; no parallelograms; δ ≤ 0.
    pub fn euler(
        &self,
        embeddings: ArrayView2<'_, f64>,
        convention: Convention,
        step_size: f64,
        matching: Match,
    ) -> Result<Euler<'_, 'a>> {
        check("step size", step_size, |x| x > 0.0, "a positive number")?;
        let (z0, n) = self.check_start(embeddings, "a descent")?;
        let scale = 2.0 * step_size / (convention.divisor(n) * z0);
        Ok(Euler {
            spectrum: self,
            coefficients: self.coefficients(embeddings),
            matching: matching.validate()?,
            z0,
            pulls: self.values.mapv(|mu| mu * scale),
            full: Problem::full(self.problem.task().clone()),
        })
    }
}

impl Euler<'_, '_> {
    fn step(&self, modes: &mut Array2<f64>) {
        // 2ηℓ0/(N·Z0²) = Σ_i η·2μ_i/(N·Z0)·a_i²/Z0.
        let squares = modes.rows().into_iter().zip(&self.pulls).map(|(a, pull)| pull * a.dot(&a));
        let push = squares.sum::<f64>() / self.z0;
        for (mut a, pull) in modes.rows_mut().into_iter().zip(&self.pulls) {
            a *= 1.0 + push - pull;
        }
    }

    /// Calls `look` at each of the times (in their order) with the modes there.
    fn visit<R>(&self, times: &[u64], mut look: impl FnMut(&Array2<f64>) -> Result<R>) -> Result<Vec<R>> {
        let mut order: Vec<usize> = (0..times.len()).collect();
        order.sort_by_key(|&k| times[k]);
        let (mut modes, mut now) = (self.coefficients.clone(), 0);
        let mut seen: Vec<Option<R>> = times.iter().map(|_| None).collect();
        for k in order {
            if times[k] > LONGEST {
                return Err(Error::PastHorizon { time: times[k] as f64, horizon: LONGEST as f64 });
            }
            while now < times[k] {
                self.step(&mut modes);
                now += 1;
            }
            seen[k] = Some(look(&modes)?);
        }
        Ok(seen.into_iter().flatten().collect())
    }

    /// ℓ0 = Σ_q|a_q·E|², the sum, at a step: what the authors print.
    ///
    /// # Errors
    /// More than 10⁸ steps.
    pub fn loss_sum(&self, t: u64) -> Result<f64> {
        let found = self.visit(&[t], |modes| Ok(self.energy(modes)))?;
        Ok(found[0])
    }

    fn energy(&self, modes: &Array2<f64>) -> f64 {
        modes.rows().into_iter().zip(self.spectrum.eigenvalues()).map(|(a, mu)| mu * a.dot(&a)).sum()
    }

    /// The first step (counted from 1) after which the RQI is above `threshold`, within a budget.
    ///
    /// # Errors
    /// A dimension without spread; a budget above 10⁸.
    pub fn first_rqi(&self, threshold: f64, budget: u64) -> Result<Option<u64>> {
        check("budget", budget as f64, |b| b <= LONGEST as f64, "at most 10⁸ steps")?;
        let mut modes = self.coefficients.clone();
        for step in 1..=budget {
            self.step(&mut modes);
            if self.rqi(&modes)? > threshold {
                return Ok(Some(step));
            }
        }
        Ok(None)
    }

    fn rqi(&self, modes: &Array2<f64>) -> Result<f64> {
        let state = self.spectrum.eigenvectors().dot(modes);
        let shape = normalised(state.view(), Normalisation::SymbolsLessOne)?;
        Ok(shape_rqi(&self.full, shape.view(), self.matching))
    }
}

impl Euler<'_, '_> {
    /// The embeddings after so many steps.
    ///
    /// # Errors
    /// A step past the horizon.
    pub fn state(&self, t: u64) -> Result<Array2<f64>> {
        let mut states = self.visit(&[t], |modes| Ok(self.spectrum.eigenvectors().dot(modes)))?;
        Ok(states.swap_remove(0))
    }
}

impl Trajectory for Euler<'_, '_> {
    type Time = u64;

    fn horizon(&self) -> Option<u64> {
        Some(LONGEST)
    }

    fn observe_one(&self, t: u64, what: &[Observable], out: &mut [f64]) -> Result<()> {
        let row = self.observe(&[t], what)?.values;
        out.iter_mut().zip(&row).for_each(|(out, x)| *out = *x);
        Ok(())
    }

    /// In one go: a step needs the one before.
    fn observe(&self, times: &[u64], what: &[Observable]) -> Result<Table<u64>> {
        let n = self.spectrum.problem().parallelograms() as f64;
        let rows = self.visit(times, |modes| {
            let square: f64 = modes.iter().map(|x| x * x).sum();
            what.iter()
                .map(|what| {
                    Ok(match what {
                        // ℓ0/Z0 of the paper, whatever the convention of the step.
                        Observable::TrainLoss => self.energy(modes) / (n * square),
                        Observable::ParameterNorm => square.sqrt(),
                        Observable::RepresentationQuality => self.rqi(modes)?,
                        _ => f64::NAN,
                    })
                })
                .collect::<Result<Vec<f64>>>()
        })?;
        let values = Array2::from_shape_fn((times.len(), what.len()), |(i, j)| rows[i][j]);
        Ok(Table { times: times.to_vec(), columns: what.to_vec(), values })
    }
}
