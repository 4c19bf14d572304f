//! At which times inside a step of an integrator the path is kept.

use super::solution::NEIGHBOURS;

/// Parts of a long step of the explicit method of order 8, at whose ends the path is kept: W is a square of what the
/// method's own polynomial of order 7 resolves.
pub(super) const PARTS: usize = 9;
/// Parts of a step of the implicit method (a polynomial of order 5) that is far longer than the one before.
const PARTS_OF_LONG: usize = NEIGHBOURS - 1;
/// How much longer that is.
const LONGER: f64 = 2.0;

/// The times inside a step, from `t_old` to `t`, at which its path is kept (Chebyshev-Lobatto points).
pub(super) fn inside(t_old: f64, t: f64) -> impl Iterator<Item = f64> {
    lobatto(t_old, t, PARTS)
}

fn lobatto(t_old: f64, t: f64, parts: usize) -> impl Iterator<Item = f64> {
    (1..parts).map(move |k| {
        let part = 0.5 - 0.5 * (std::f64::consts::PI * k as f64 / parts as f64).cos();
        t_old + part * (t - t_old)
    })
}

/// Finds the steps of the implicit method that ends of earlier steps say little of: after a fast transient steps grow
/// tenfold, and a polynomial through nodes in the transient is none for what comes after it.
#[derive(Default)]
pub(super) struct Growth {
    before: f64,
}

impl Growth {
    /// The times inside a step at which its path is kept; none where the ends of steps are enough.
    pub fn inside(&mut self, t_old: f64, t: f64) -> Option<impl Iterator<Item = f64> + use<>> {
        let before = std::mem::replace(&mut self.before, t - t_old);
        (t - t_old > LONGER * before).then(|| lobatto(t_old, t, PARTS_OF_LONG))
    }
}
