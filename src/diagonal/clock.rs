//! Logarithmic time: p moves over many decades of t, and a step can then be a fixed fraction of t.

/// x = ln(1 + (t − t_k)/T_k), counted from the start t_k of an epoch.
///
/// With T_k = t₀ + t_k this is the same s = ln(1 + t/t₀) in all epochs, up to a constant: only the origin moves,
/// and steps carry over. What it gains are digits: an escape from a small start takes a part α^{L−2} of t, which s
/// itself cannot resolve.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogClock {
    /// t_k.
    pub(super) start: f64,
    /// T_k.
    pub(super) scale: f64,
}

impl LogClock {
    pub(super) fn s(self, t: f64) -> f64 {
        libm::log1p((t - self.start).max(0.0) / self.scale)
    }

    pub(super) fn t(self, s: f64) -> f64 {
        self.start + self.since_start(s)
    }

    /// t − t_k.
    pub(super) fn since_start(self, s: f64) -> f64 {
        self.scale * libm::expm1(s)
    }

    /// dt/ds.
    pub(super) fn rate(self, s: f64) -> f64 {
        self.scale * libm::exp(s)
    }

    /// The clock of an epoch that starts at s.
    pub(super) fn restarted(self, s: f64) -> LogClock {
        LogClock { start: self.t(s), scale: self.rate(s) }
    }
}
