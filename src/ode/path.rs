//! Dense output: a step is a polynomial on its interval, a path is the list of them.

use crate::error::{Error, Result, check_shape};

/// Entries worked on at a time, so that all columns of a chunk stay in the first cache.
pub(super) const CHUNK: usize = 512;

/// How the columns of a step make a polynomial, theory/integrators.md (12) and (13).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Interpolant {
    /// Backward differences at the end of the step.
    Differences,
    /// Nested products of θ and 1 − θ.
    Nested,
}

/// The state at one time, in the variables of that time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point<'a> {
    pub t: f64,
    pub y: &'a [f64],
    /// Number of [`Action::Rebase`](super::Action::Rebase) before.
    pub epoch: usize,
}

/// One accepted step, with the polynomial that interpolates y in it.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Where it began.
    pub t_old: f64,
    /// Where it ended.
    pub t: f64,
    /// Number of [`Action::Rebase`](super::Action::Rebase) before: the variables that y is in.
    pub epoch: usize,
    /// Order of the method in this step.
    pub order: usize,
    pub(super) interpolant: Interpolant,
    pub(super) dimension: usize,
    /// Columns of length `dimension`, one after another; the first is y(t).
    pub(super) columns: &'a [f64],
}

impl<'a> Step<'a> {
    /// The state at the end of the step.
    pub fn y(&self) -> &'a [f64] {
        &self.columns[..self.dimension]
    }

    /// Writes y(t) into `out` for a time inside the step (outside it is extrapolation).
    ///
    /// # Panics
    /// `out` is not as long as the state.
    pub fn interpolate(&self, t: f64, out: &mut [f64]) {
        assert_eq!(out.len(), self.dimension, "as long as the state");
        let mut factors = [0.0; 9];
        let factors = self.factors(t, &mut factors);
        let (first, others) = self.columns.split_at(self.dimension);
        for start in (0..self.dimension).step_by(CHUNK) {
            let end = (start + CHUNK).min(self.dimension);
            let out = &mut out[start..end];
            out.copy_from_slice(&first[start..end]);
            for (column, &factor) in others.chunks_exact(self.dimension).zip(factors) {
                for (out, x) in out.iter_mut().zip(&column[start..end]) {
                    *out += factor * x;
                }
            }
        }
    }

    /// The polynomials that multiply the columns after the first; all are zero at the end of the step.
    fn factors<'b>(&self, t: f64, factors: &'b mut [f64; 9]) -> &'b [f64] {
        let count = (self.columns.len() / self.dimension.max(1)).saturating_sub(1);
        let s = (t - self.t) / (self.t - self.t_old);
        let mut product = 1.0;
        for (k, factor) in factors.iter_mut().take(count).enumerate() {
            product *= match self.interpolant {
                Interpolant::Differences => (s + k as f64) / (k + 1) as f64,
                Interpolant::Nested if k == 0 || k % 2 == 1 && k > 1 => -s,
                Interpolant::Nested => 1.0 + s,
            };
            *factor = product;
        }
        &factors[..count]
    }
}

/// All steps of an integration: y as a function of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Path {
    dimension: usize,
    pieces: Vec<Piece>,
    /// The columns of the steps, one after another, in stores that never grow past what they were made for:
    /// nothing is copied, and no larger copy stands beside it.
    stores: Vec<Vec<f64>>,
}

/// Numbers of a store at most, unless one step has more; the first ones are smaller.
const STORE: usize = 1 << 15;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Piece {
    t_old: f64,
    t: f64,
    epoch: usize,
    order: usize,
    interpolant: Interpolant,
    /// Which store its columns are in, and where.
    store: usize,
    offset: usize,
    length: usize,
}

impl Path {
    pub(super) fn new(dimension: usize) -> Path {
        Path { dimension, pieces: Vec::new(), stores: Vec::new() }
    }

    pub(super) fn push(&mut self, step: &Step<'_>) {
        let Step { t_old, t, epoch, order, interpolant, .. } = *step;
        let length = step.columns.len();
        let fits = |last: &Vec<f64>| last.len() + length <= last.capacity();
        if !self.stores.last().is_some_and(fits) {
            let double = self.stores.last().map_or(0, |last| 2 * last.len());
            self.stores.push(Vec::with_capacity(double.min(STORE).max(length)));
        }
        let store = self.stores.len() - 1;
        let offset = self.stores[store].len();
        self.stores[store].extend_from_slice(step.columns);
        self.pieces.push(Piece { t_old, t, epoch, order, interpolant, store, offset, length });
    }

    /// Number of unknowns.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Number of steps.
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// First and last time it can answer for.
    pub fn span(&self) -> Option<(f64, f64)> {
        Some((self.pieces.first()?.t_old, self.pieces.last()?.t))
    }

    /// The steps in order.
    pub fn steps(&self) -> impl ExactSizeIterator<Item = Step<'_>> + DoubleEndedIterator {
        (0..self.pieces.len()).map(|i| self.step(i))
    }

    fn step(&self, i: usize) -> Step<'_> {
        let Piece { t_old, t, epoch, order, interpolant, store, offset, length } = self.pieces[i];
        let columns = &self.stores[store][offset..offset + length];
        Step { t_old, t, epoch, order, interpolant, dimension: self.dimension, columns }
    }

    /// The step that contains t; where two meet, the one that ends there.
    ///
    /// # Errors
    /// Nothing was recorded, or t lies outside the span.
    pub fn step_at(&self, t: f64) -> Result<Step<'_>> {
        let Some((start, end)) = self.span() else {
            return Err(Error::Missing {
                wanted: "a state of the path",
                needs: "a recorded path (Options::record)",
            });
        };
        if t > end {
            return Err(Error::PastHorizon { time: t, horizon: end });
        }
        if t.is_nan() || t < start {
            let expected = format!("a time in [{start}, {end}]");
            return Err(Error::Parameter { name: "time", value: t, expected });
        }
        Ok(self.step(self.pieces.partition_point(|piece| piece.t < t)))
    }

    /// The step of an epoch that contains t, for flows that count time anew in each
    /// ([`Action::Restart`](super::Action::Restart)): outside of the epoch the nearest step, `None` where it has no
    /// step at all.
    pub fn step_of_epoch(&self, epoch: usize, t: f64) -> Option<Step<'_>> {
        let first = self.pieces.partition_point(|piece| piece.epoch < epoch);
        let last = self.pieces.partition_point(|piece| piece.epoch <= epoch);
        let at = first + self.pieces[first..last].partition_point(|piece| piece.t < t);
        (first < last).then(|| self.step(at.min(last - 1)))
    }

    /// Writes y(t) into `out`, and gives the epoch: the number of
    /// [`Action::Rebase`](super::Action::Rebase) before, in whose variables y is. The error is of the order
    /// of the tolerance at all times, not only at the ends of steps.
    ///
    /// # Errors
    /// Nothing was recorded, t lies outside the span, or `out` has the wrong length.
    pub fn eval(&self, t: f64, out: &mut [f64]) -> Result<usize> {
        let step = self.step_at(t)?;
        check_shape("out", &[out.len()], &[self.dimension], "as long as the state")?;
        step.interpolate(t, out);
        Ok(step.epoch)
    }
}
