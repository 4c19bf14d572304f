//! What a run of the factors watches: its objective, and what the exact flow conserves.

use super::FactorFlow;
use crate::completion::watch::Balance;
use crate::linalg::dot;

/// Share of the data above which a column of a slow flow is watched: it may fall by a factor e⁸ before the next look.
const SHARE: f64 = 1e-3;

impl FactorFlow {
    /// The terms of 𝓛 + (λ/2)(‖U‖² + ‖V‖²) at the state that the workspace was filled from.
    pub(super) fn balance(&self, y: &[f64]) -> Balance {
        let square_norm = self.parts(y).into_iter().zip(&self.work.scaled).map(|(p, s)| dot(p, s)).sum();
        Balance {
            loss: self.work.x.iter().zip(&self.shares).map(|(x, share)| share * x * x).sum(),
            square_norm,
            weight_decay: self.weight_decay,
            // Entries of W are differences of entries of the size of A.
            data: self.mean_square.max((square_norm / self.d() as f64).powi(2)),
        }
    }

    /// VᵀU e^{2λt} on a vector, in the columns of this epoch: theory/completion.md (6).
    pub(super) fn watch_conserved(&mut self, t: f64, y: &[f64]) {
        let (u, v) = y.split_at(self.split());
        let [width_u, width_v] = [self.factors[0].width, self.factors[1].width];
        if width_u == 0 || width_v == 0 {
            return;
        }
        let [watched_u, watched_v] = &self.watched;
        let image: Vec<f64> = u.chunks_exact(width_u).map(|row| dot(row, watched_u)).collect();
        let mut now = vec![0.0; width_v];
        let mut sizes = vec![0.0; width_v];
        for (row, x) in v.chunks_exact(width_v).zip(&image) {
            for ((now, size), (v, watched)) in now.iter_mut().zip(&mut sizes).zip(row.iter().zip(watched_v)) {
                *now += watched * v * x;
                *size += v * v;
            }
        }
        let size = (u.iter().map(|x| x * x).sum::<f64>()).sqrt();
        sizes.iter_mut().for_each(|s| *s = s.sqrt() * size);
        let growth = (2.0 * self.weight_decay * (t - self.renewed)).exp();
        self.watch.conserved(t, &now, &sizes, (growth, self.rounded));
    }

    /// In a slow flow the multipliers of what a column carries are known to rounding over its share of W, and so is the
    /// column.
    pub(super) fn choose_watched(&mut self, y: &[f64]) {
        let (split, slow, largest) = (self.split(), self.slow, self.largest_value);
        let (u, v) = y.split_at(split);
        for ((watched, part), gains) in self.watched.iter_mut().zip([u, v]).zip(&self.gains) {
            let width = watched.len().max(1);
            for (k, (watched, gain)) in watched.iter_mut().zip(gains).enumerate() {
                let square: f64 = part.iter().skip(k).step_by(width).map(|x| x * x).sum();
                *watched = if slow && gain * square < SHARE * largest { 0.0 } else { 1.0 };
            }
        }
    }
}
