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

/// ‖E‖ times the norms of the vectors that are turned: of what decays with f = ρ^t (the start) and of what is
/// learned with R = 1 − s(1 − ρ^t)/(ng) (the teacher, or labels that features do not explain).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Turning {
    pub decaying: f64,
    pub learned: f64,
    pub unseen: Unseen,
    /// The mode of singular value zero, where there is a complement.
    pub complement: Option<Mode>,
}

/// What singular values that count as zero, and may be up to ‖E‖, do within the complements, where no quotient is
/// (`theory/ridge.md`, equation 31): they are seen a little, and learn a little.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unseen {
    /// Of what decays with the complement, and of what stays.
    pub decaying: f64,
    pub constant: f64,
    /// Times min(t, longest), at most `most`: what is learned.
    pub speed: f64,
    pub longest: f64,
    pub most: f64,
    /// Added to the time: odd steps on a clock of pairs.
    pub ahead: f64,
}

impl Default for Unseen {
    fn default() -> Self {
        Unseen {
            decaying: 0.0,
            constant: 0.0,
            speed: 0.0,
            longest: f64::INFINITY,
            most: f64::INFINITY,
            ahead: 0.0,
        }
    }
}

impl Unseen {
    /// At most, until `end`.
    fn learned(&self, end: f64) -> f64 {
        if self.speed == 0.0 {
            0.0
        } else {
            (self.speed * (end + self.ahead).min(self.longest)).min(self.most)
        }
    }

    fn scaled(&self, by: f64) -> Unseen {
        Unseen {
            decaying: self.decaying * by,
            constant: self.constant * by,
            speed: self.speed * by,
            most: self.most * by,
            ..*self
        }
    }
}

/// Largest quotients so far, from the smallest singular value up.
pub(crate) struct Quotients {
    unseen: f64,
    before: Option<([f64; 2], [f64; 2])>,
    decaying: f64,
    learned: f64,
}

impl Turning {
    /// To be given the modes with their powers at both ends of an interval (one time is one), in ascending
    /// order of their singular values. `until`: the later end.
    pub fn quotients(&self, until: f64, ends: impl Fn(&Mode) -> [f64; 2]) -> Quotients {
        let before = self.complement.as_ref().map(|m| {
            let f = m.decayed(ends(m)[0], ends(m)[1]);
            (f, [1.0, 1.0])
        });
        let decayed = before.map_or(0.0, |(f, _)| f[0].abs().max(f[1].abs()));
        let unseen = self.unseen.decaying * decayed + self.unseen.constant + self.unseen.learned(until);
        Quotients { unseen, before, decaying: 0.0, learned: 0.0 }
    }

    /// The bound.
    pub fn moved(&self, quotients: &Quotients) -> f64 {
        self.decaying * quotients.decaying + self.learned * quotients.learned + quotients.unseen
    }

    /// What is turned at all, times e^{−shift}, without underflow on the way: the slowest decay for every quotient.
    pub fn scaled_at(&self, modes: &[Mode], time: f64, shift: f64) -> f64 {
        let unseen = &self.unseen;
        let stays = unseen.constant + unseen.learned(time);
        if self.decaying == 0.0 && self.learned == 0.0 && stays == 0.0 && unseen.decaying == 0.0 {
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
        size(2.0 * gap * (self.decaying + self.learned) + unseen.decaying, slowest)
            + size(gap * self.learned * left + stays, 0.0)
    }

    /// What is turned of the limit.
    pub fn at_rest(&self, modes: &[Mode]) -> f64 {
        let mut quotients = self.quotients(f64::INFINITY, |_| [0.0; 2]);
        modes.iter().for_each(|m| quotients.add(m, [0.0; 2]));
        self.moved(&quotients)
    }

    /// As seen under a form whose matrix has the largest eigenvalue spread².
    pub fn scaled(&self, spread: f64) -> Turning {
        Turning {
            decaying: self.decaying * spread,
            learned: self.learned * spread,
            unseen: self.unseen.scaled(spread),
            ..*self
        }
    }

    /// At even or odd steps, on a clock of pairs.
    pub fn at_parity(&self, odd: bool) -> Turning {
        let unseen = Unseen {
            speed: 2.0 * self.unseen.speed,
            longest: 0.5 * self.unseen.longest,
            ahead: if odd { 0.5 } else { 0.0 },
            ..self.unseen
        };
        Turning { complement: self.complement.map(|m| m.at_parity(odd)), unseen, ..*self }
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
