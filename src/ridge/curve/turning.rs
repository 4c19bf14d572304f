//! What a backward error of the decomposition does to functions of the features.
//!
//! The computed singular vectors are those of Φ + E. For a function f of the singular values the change of
//! f(Φ) has, to first order and in the singular bases, the entries E_ij·(f(σ_i) − f(σ_j))/(σ_i − σ_j)
//! (Daleckii and Krein), so that it is at most ‖E‖ times the largest such quotient. By the mean value
//! theorem neighbouring singular values have the largest. Directions that have moved alike may be mixed at
//! no cost, however ill-conditioned the features are: only the condition number at the front of learning
//! counts. Where two singular values are within a tenth of each other the quotient is a derivative, which
//! [`Mode::drift`] bounds.

use super::mode::Mode;

/// ‖E‖ and the norms of the vectors that are turned: of what decays with f = ρ^t (the start) and of what is
/// learned with R = 1 − s(1 − ρ^t)/(ng) (the teacher, or labels that features do not explain).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Turning {
    pub decaying: f64,
    pub learned: f64,
    /// The mode of singular value zero, where there is a complement.
    pub complement: Option<Mode>,
}

/// Largest quotients so far, from the smallest singular value up.
pub(crate) struct Quotients {
    before: Option<([f64; 2], [f64; 2])>,
    decaying: f64,
    learned: f64,
}

impl Turning {
    /// To be given the modes with their powers at both ends of an interval (one time is one), in ascending
    /// order of their singular values.
    pub fn quotients(&self, ends: impl Fn(&Mode) -> [f64; 2]) -> Quotients {
        let before = self.complement.as_ref().map(|m| {
            let f = m.decayed(ends(m)[0], ends(m)[1]);
            (f, [1.0, 1.0])
        });
        Quotients { before, decaying: 0.0, learned: 0.0 }
    }

    /// The bound.
    pub fn moved(&self, quotients: &Quotients) -> f64 {
        self.decaying * quotients.decaying + self.learned * quotients.learned
    }

    /// What is turned at all, times e^{−shift}, without underflow on the way: the slowest decay for every quotient.
    pub fn scaled_at(&self, modes: &[Mode], time: f64, shift: f64) -> f64 {
        if self.decaying == 0.0 && self.learned == 0.0 {
            return 0.0;
        }
        let gap = modes.iter().map(|m| m.gap).fold(0.0, f64::max);
        let turned = modes.iter().filter(|m| m.gap > 0.0).chain(&self.complement);
        let slowest =
            turned.map(|m| if time == 0.0 { 0.0 } else { m.rate * time }).fold(f64::NEG_INFINITY, f64::max);
        let left = match self.complement {
            Some(_) => 1.0,
            None => modes.iter().filter(|m| m.gap > 0.0).map(|m| 1.0 - m.share).fold(0.0, f64::max),
        };
        let size = |x: f64, exponent: f64| if x > 0.0 { (x.ln() + exponent - shift).exp() } else { 0.0 };
        size(2.0 * gap * (self.decaying + self.learned), slowest) + size(gap * self.learned * left, 0.0)
    }

    /// What is turned of the limit.
    pub fn at_rest(&self, modes: &[Mode]) -> f64 {
        let mut quotients = self.quotients(|_| [0.0; 2]);
        modes.iter().for_each(|m| quotients.add(m, [0.0; 2]));
        self.moved(&quotients)
    }

    /// As seen under a form whose matrix has the largest eigenvalue spread².
    pub fn scaled(&self, spread: f64) -> Turning {
        Turning { decaying: self.decaying * spread, learned: self.learned * spread, ..*self }
    }

    /// At even or odd steps, on a clock of pairs.
    pub fn at_parity(&self, odd: bool) -> Turning {
        Turning { complement: self.complement.map(|m| m.at_parity(odd)), ..*self }
    }
}

impl Quotients {
    pub fn add(&mut self, m: &Mode, f: [f64; 2]) {
        let left = f.map(|f| 1.0 - m.share * (1.0 - f));
        if let (Some((f_before, left_before)), true) = (self.before, m.gap > 0.0) {
            self.decaying = self.decaying.max(m.gap * apart(f_before, f));
            self.learned = self.learned.max(m.gap * apart(left_before, left));
        }
        self.before = Some((f, left));
    }
}

/// Largest distance of points of two intervals.
fn apart(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[1] - b[0]).max(b[1] - a[0])
}
