//! From the dual variable to the net: effective weights w, their slopes ∂w/∂z, parameters u and v, and
//! ‖θ‖², as functions of time and of z = Xᵀp, coordinate by coordinate.
//!
//! Depth 2 (`theory/diagonal.md`, equation 4):
//!
//! $$ u^2 = u_0^2\,e^{-2\lambda t + z}, \quad v^2 = v_0^2\,e^{-2\lambda t - z}, \quad
//!    w = 2 u_0 v_0\,e^{-2\lambda t}\sinh\bigl(z + \ln(u_0/v_0)\bigr). $$
//!
//! Depth L ≥ 3 (equation 6), counted from an epoch's start t_k:
//!
//! $$ P = \Bigl(\frac{u_k}\alpha\Bigr)^{2-L} - z, \quad Q = \Bigl(\frac{v_k}\alpha\Bigr)^{2-L} + z, \quad
//!    u = \alpha e^{-\lambda(t - t_k)} P^{-1/(L-2)}, \quad v = \alpha e^{-\lambda(t - t_k)} Q^{-1/(L-2)}, $$
//!
//! with α the largest entry of the start, so that the brackets begin near one whatever its size.
//!
//! Nothing here subtracts nearly equal numbers: at depth 2 the difference is a sinh, at depth L it is a
//! multiple of Q − P, which is carried along by itself.

use super::Init;
use super::hyperbolic::{LARGEST, sinh_cosh};
use super::scale::length;

/// One number for all coordinates, or one each.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Spread {
    Uniform(f64),
    Each(Vec<f64>),
}

impl Spread {
    #[inline]
    pub(super) fn at(&self, k: usize) -> f64 {
        match self {
            Spread::Uniform(x) => *x,
            Spread::Each(x) => x[k],
        }
    }

    /// The least of `count` coordinates.
    fn least(&self, first: usize, count: usize) -> f64 {
        match self {
            Spread::Uniform(x) => *x,
            Spread::Each(x) => x[first..first + count].iter().fold(f64::INFINITY, |least, x| least.min(*x)),
        }
    }

    fn map2(a: &Spread, b: &Spread, f: impl Fn(f64, f64) -> f64) -> Spread {
        match (a, b) {
            (Spread::Uniform(a), Spread::Uniform(b)) => Spread::Uniform(f(*a, *b)),
            (Spread::Each(x), other) => {
                Spread::Each(x.iter().enumerate().map(|(k, &x)| f(x, other.at(k))).collect())
            }
            (other, Spread::Each(y)) => {
                Spread::Each(y.iter().enumerate().map(|(k, &y)| f(other.at(k), y)).collect())
            }
        }
    }

    fn largest(&self) -> f64 {
        match self {
            Spread::Uniform(x) => *x,
            Spread::Each(x) => x.iter().fold(0.0, |largest, x| x.max(largest)),
        }
    }

    fn map(&self, f: impl Fn(f64) -> f64) -> Spread {
        Spread::map2(self, self, |x, _| f(x))
    }
}

/// Products below this are formed again in logarithms: a factor may have underflowed.
const TINY: f64 = 1e-280;

/// Brackets of coordinates that died long ago stop growing here, far from overflow.
const DEAD: f64 = 1e250;

/// Part of a bracket that one step may take.
const MOST: f64 = 0.9;

/// Coordinates whose weights are computed at a time where only their slopes are wanted.
const BLOCK: usize = 256;

/// The net from one epoch on.
#[derive(Clone, Debug)]
pub(super) struct Net {
    weight_decay: f64,
    /// The epoch's start in flow time; z is zero there. Depth 2 has one epoch.
    pub(super) start: f64,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    /// Depth 2: |u₀|, |v₀|, and from them |u₀v₀| and ln|u₀/v₀|.
    Two { u: Spread, v: Spread, product: Spread, tilt: Spread },
    /// Depth L: (u_k/α)^{2−L}, (v_k/α)^{2−L} and their difference at the epoch's start, and ln α. Either may be a
    /// billion times the other (a coordinate that lives on one side only), or nearly equal: all three are kept.
    Deep { depth: f64, ln_scale: f64, low: Spread, high: Spread, gap: Spread },
}

impl Net {
    /// At time zero. `init` has been validated: positive for L ≥ 3.
    pub(super) fn new(init: &Init, depth: u32, weight_decay: f64) -> Net {
        let (u, v) = match init {
            Init::Symmetric(alpha) => (Spread::Uniform(*alpha), Spread::Uniform(*alpha)),
            Init::Each { u, v } => (Spread::Each(u.clone()), Spread::Each(v.clone())),
        };
        let kind = if depth == 2 {
            let (u, v) = (u.map(f64::abs), v.map(f64::abs));
            let product = Spread::map2(&u, &v, |u, v| u * v);
            let tilt = Spread::map2(&u, &v, |u, v| if u == v { 0.0 } else { libm::log(u / v) });
            Kind::Two { u, v, product, tilt }
        } else {
            let exponent = 2.0 - f64::from(depth);
            let scale = u.largest().max(v.largest());
            let (u, v) = (u.map(|u| u / scale), v.map(|v| v / scale));
            let bracket = |x: f64| libm::pow(x, exponent).min(DEAD);
            let gap = Spread::map2(&u, &v, |u, v| {
                // v^{2−L} − u^{2−L} without cancellation.
                let gap = libm::pow(u, exponent) * libm::expm1(exponent * libm::log(v / u));
                if u == v { 0.0 } else { gap.clamp(-DEAD, DEAD) }
            });
            let (low, high) = (u.map(bracket), v.map(bracket));
            Kind::Deep { depth: f64::from(depth), ln_scale: libm::log(scale), low, high, gap }
        };
        Net { weight_decay, start: 0.0, kind }
    }

    /// ṗ = −rate(t)·∂𝓛/∂f.
    pub(super) fn dual_rate(&self, t: f64) -> f64 {
        match self.kind {
            Kind::Two { .. } => 4.0,
            Kind::Deep { depth, ln_scale, .. } => {
                let inner = depth - 2.0;
                depth * inner * libm::exp(inner * (ln_scale - self.weight_decay * (t - self.start)))
            }
        }
    }

    /// How far into the epoch: (L−2)λ(t − t_k), by which differences of the brackets shrink.
    pub(super) fn age(&self, t: f64) -> f64 {
        match self.kind {
            Kind::Two { .. } => 0.0,
            Kind::Deep { depth, .. } => (depth - 2.0) * self.weight_decay * (t - self.start),
        }
    }

    /// The next epoch, from z at its start, and by what the dual variable is scaled there.
    pub(super) fn rebased(&self, t: f64, z: &[f64]) -> (Net, f64) {
        let scale = libm::exp(self.age(t));
        let kind = match &self.kind {
            Kind::Two { .. } => self.kind.clone(),
            Kind::Deep { depth, ln_scale, low, high, gap } => {
                let each = |f: &dyn Fn(usize) -> f64| {
                    Spread::Each((0..z.len()).map(|k| (scale * f(k)).clamp(-DEAD, DEAD)).collect())
                };
                Kind::Deep {
                    depth: *depth,
                    ln_scale: *ln_scale,
                    low: each(&|k| low.at(k) - z[k]),
                    high: each(&|k| high.at(k) + z[k]),
                    gap: each(&|k| gap.at(k) + 2.0 * z[k]),
                }
            }
        };
        (Net { weight_decay: self.weight_decay, start: t, kind }, scale)
    }

    /// w for the coordinates first, first + 1, …; NaN where z is outside the domain.
    pub(super) fn weights(&self, t: f64, first: usize, z: &[f64], w: &mut [f64]) {
        match &self.kind {
            Kind::Two { .. } => self.two(t, first, z, w, None),
            Kind::Deep { depth, ln_scale, low, high, gap } => {
                let exponent = (ln_scale - self.weight_decay * (t - self.start)) * depth;
                let decay = libm::exp(exponent);
                for (j, (w, &z)) in w.iter_mut().zip(z).enumerate() {
                    let k = first + j;
                    let (p, q, gap) = (low.at(k) - z, high.at(k) + z, gap.at(k) + 2.0 * z);
                    *w = decay * power_difference(*depth, p, q, gap);
                    // Factors that overflow or underflow apart.
                    if p > 0.0 && q > 0.0 && !(w.is_finite() && (w.abs() > TINY || gap == 0.0)) {
                        *w = joined_difference(exponent, *depth, p, q, gap);
                    }
                }
            }
        }
    }

    /// As [`Net::weights`] for the end of a step, which may take no more than a part of a bracket: NaN where z has taken
    /// more. Errors of the step are allowed in units of the brackets at its start, so that what is left of them must
    /// be of their size.
    pub(super) fn weights_of_step(&self, t: f64, first: usize, z: &[f64], w: &mut [f64]) {
        self.weights(t, first, z, w);
        if let Kind::Deep { low, high, .. } = &self.kind {
            for (j, (w, &z)) in w.iter_mut().zip(z).enumerate() {
                if z > MOST * low.at(first + j) || -z > MOST * high.at(first + j) {
                    *w = f64::NAN;
                }
            }
        }
    }

    /// ∂w/∂z = (L/(L−2))·e^{(L−2)λ(t−t_k)}(u^{2L−2} + v^{2L−2}), at depth 2 u² + v².
    pub(super) fn slopes(&self, t: f64, first: usize, z: &[f64], slopes: &mut [f64]) {
        match &self.kind {
            Kind::Two { .. } => {
                // The weights come along, and are not wanted.
                let mut w = [0.0; BLOCK];
                for (k, (z, slopes)) in z.chunks(BLOCK).zip(slopes.chunks_mut(BLOCK)).enumerate() {
                    self.two(t, first + BLOCK * k, z, &mut w[..z.len()], Some(slopes));
                }
            }
            Kind::Deep { depth, ln_scale, low, high, .. } => {
                let exponent = (ln_scale - self.weight_decay * (t - self.start)) * depth;
                let decay = libm::exp(exponent);
                let power = depth / (depth - 2.0);
                let side = |x: f64| {
                    let direct = decay * libm::pow(x, -power - 1.0);
                    if direct.is_finite() && direct > TINY {
                        return direct;
                    }
                    libm::exp(exponent - (power + 1.0) * libm::log(x))
                };
                for (j, (slope, &z)) in slopes.iter_mut().zip(z).enumerate() {
                    let (p, q) = (low.at(first + j) - z, high.at(first + j) + z);
                    *slope = if p > 0.0 && q > 0.0 { power * (side(p) + side(q)) } else { f64::NAN };
                }
            }
        }
    }

    /// |u| and |v| of one coordinate.
    pub(super) fn parameters(&self, t: f64, k: usize, z: f64) -> (f64, f64) {
        let decay = -self.weight_decay * (t - self.start);
        match &self.kind {
            Kind::Two { u, v, .. } => {
                let half = |x: f64, z: f64| {
                    if x == 0.0 { 0.0 } else { libm::exp(libm::log(x) + decay + 0.5 * z) }
                };
                (half(u.at(k), z), half(v.at(k), -z))
            }
            Kind::Deep { depth, ln_scale, low, high, .. } => {
                let root = |x: f64| libm::exp(decay + ln_scale - libm::log(x) / (depth - 2.0));
                (root(low.at(k) - z), root(high.at(k) + z))
            }
        }
    }

    /// e^{λt}u/α − 1 and e^{λt}v/α − 1 of a symmetric start, exact also while they are tiny.
    pub(super) fn departures(&self, k: usize, z: f64) -> (f64, f64) {
        match &self.kind {
            Kind::Two { .. } => (libm::expm1(0.5 * z), libm::expm1(-0.5 * z)),
            Kind::Deep { depth, low, high, gap, .. } => {
                // P = S(1 − ξ)/2, Q = S(1 + ξ)/2, and S is what the decay alone has made of 2α^{2−L}.
                let xi = (gap.at(k) + 2.0 * z) / (low.at(k) + high.at(k));
                let root = |x: f64| libm::expm1(-libm::log1p(x) / (depth - 2.0));
                (root(-xi), root(xi))
            }
        }
    }

    /// L.
    pub(super) fn depth(&self) -> f64 {
        match self.kind {
            Kind::Two { .. } => 2.0,
            Kind::Deep { depth, .. } => depth,
        }
    }

    /// λ.
    pub(super) fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    /// A bound on |Δ ln(∂w/∂z)| over the coordinates when z moves by dz, to first order.
    pub(super) fn relative_step(&self, z: &[f64], dz: &[f64]) -> f64 {
        let step = |k: usize| match &self.kind {
            Kind::Two { .. } => dz[k].abs(),
            Kind::Deep { depth, low, high, .. } => {
                let nearest = (low.at(k) - z[k]).min(high.at(k) + z[k]);
                (2.0 * depth - 2.0) / (depth - 2.0) * dz[k].abs() / nearest
            }
        };
        (0..z.len()).map(step).fold(0.0, f64::max)
    }

    /// Whether all weights are below the least number.
    pub(super) fn has_faded(&self, t: f64, z: &[f64]) -> bool {
        let Kind::Deep { depth, ln_scale, low, high, .. } = &self.kind else { return false };
        let decay = ln_scale - self.weight_decay * (t - self.start);
        let least = z.iter().enumerate().map(|(k, z)| (low.at(k) - z).min(high.at(k) + z));
        let least = least.fold(f64::INFINITY, f64::min);
        depth * (decay - libm::log(least) / (depth - 2.0)) < -750.0
    }

    /// What z_k has to move by for ln u_k or ln v_k to move by about one half: 1 at depth 2,
    /// ½(L−2)·min(P_k, Q_k) deeper. Negative or zero outside of the domain.
    pub(super) fn unit(&self, k: usize, z: f64) -> f64 {
        match &self.kind {
            Kind::Two { .. } => 1.0,
            Kind::Deep { depth, low, high, .. } => 0.5 * (depth - 2.0) * (low.at(k) - z).min(high.at(k) + z),
        }
    }

    /// The largest part that z has taken of a bracket.
    pub(super) fn taken(&self, k: usize, z: f64) -> f64 {
        match &self.kind {
            Kind::Two { .. } => 0.0,
            Kind::Deep { low, high, .. } => (z / low.at(k)).max(-z / high.at(k)),
        }
    }

    /// |z| that makes u_k and v_k differ by as much as they do at the epoch's start. A coordinate that lives on
    /// one side only has none: its w is relatively as accurate as z is absolutely, which is one unit.
    pub(super) fn displacement(&self, k: usize) -> f64 {
        match &self.kind {
            Kind::Two { tilt, .. } if tilt.at(k).is_finite() => tilt.at(k).abs(),
            Kind::Two { .. } => 1.0,
            Kind::Deep { gap, .. } => 0.5 * gap.at(k).abs(),
        }
    }

    /// The net of all coordinates, where this one has the coordinate `of[k].0` for k, with u and v exchanged if
    /// `of[k].1` is negative.
    pub(super) fn spread_out(&self, of: &[(usize, f64)]) -> Net {
        let pair = |a: &Spread, b: &Spread| {
            let each = of.iter().map(|&(j, sign)| if sign < 0.0 { b.at(j) } else { a.at(j) });
            Spread::Each(each.collect())
        };
        let odd = |a: &Spread| Spread::Each(of.iter().map(|&(j, sign)| sign * a.at(j)).collect());
        let kind = match &self.kind {
            Kind::Two { u, v, product, tilt } => {
                Kind::Two { u: pair(u, v), v: pair(v, u), product: pair(product, product), tilt: odd(tilt) }
            }
            Kind::Deep { depth, ln_scale, low, high, gap } => Kind::Deep {
                depth: *depth,
                ln_scale: *ln_scale,
                low: pair(low, high),
                high: pair(high, low),
                gap: odd(gap),
            },
        };
        Net { weight_decay: self.weight_decay, start: self.start, kind }
    }

    /// ‖θ‖, ‖θ‖² = ‖u‖² + ‖v‖².
    pub(super) fn norm(&self, t: f64, z: &[f64]) -> f64 {
        if let Kind::Two { .. } = self.kind {
            let mut sums = vec![0.0; z.len()];
            self.slopes(t, 0, z, &mut sums);
            let square: f64 = sums.iter().sum();
            if square > TINY && square.is_finite() {
                return square.sqrt();
            }
        }
        let sides = z.iter().enumerate().flat_map(|(k, &z)| <[f64; 2]>::from(self.parameters(t, k, z)));
        length(sides.collect::<Vec<_>>().iter().copied())
    }

    /// Depth 2: w, and u² + v² if wanted.
    fn two(&self, t: f64, first: usize, z: &[f64], w: &mut [f64], sums: Option<&mut [f64]>) {
        let Kind::Two { u, v, product, tilt } = &self.kind else { return };
        let decay = -2.0 * self.weight_decay * t;
        let shrink = 2.0 * libm::exp(decay);
        add(tilt, first, z, w);
        let moderate = w.iter().fold(true, |so_far, w| so_far & (w.abs() <= LARGEST));
        if moderate && product.least(first, w.len()) * shrink > 1e-300 {
            match sums {
                None => sinh_cosh(w, None),
                Some(sums) => {
                    sinh_cosh(w, Some(&mut *sums));
                    scale(sums, product, first, shrink);
                }
            }
            scale(w, product, first, shrink);
            return;
        }
        // Factors that would overflow or underflow apart are joined in the exponent; a coordinate that
        // starts at zero stays there.
        let square = |x: f64, z: f64| {
            if x == 0.0 { 0.0 } else { libm::exp(2.0 * libm::log(x) + decay + z) }
        };
        let mut sums = sums;
        for (j, &z) in z.iter().enumerate() {
            let k = first + j;
            let (plus, minus) = (square(u.at(k), z), square(v.at(k), -z));
            let y = z + tilt.at(k);
            w[j] = if y.abs() < 1.0 {
                2.0 * libm::exp(libm::log(product.at(k)) + decay) * libm::sinh(y)
            } else {
                plus - minus
            };
            if let Some(sums) = &mut sums {
                sums[j] = plus + minus;
            }
        }
    }
}

/// w = z + tilt.
fn add(tilt: &Spread, first: usize, z: &[f64], w: &mut [f64]) {
    match tilt {
        Spread::Uniform(tilt) => w.iter_mut().zip(z).for_each(|(w, z)| *w = z + tilt),
        Spread::Each(tilt) => {
            w.iter_mut().zip(z).zip(&tilt[first..]).for_each(|((w, z), tilt)| *w = z + tilt);
        }
    }
}

fn scale(x: &mut [f64], product: &Spread, first: usize, shrink: f64) {
    match product {
        Spread::Uniform(p) => x.iter_mut().for_each(|x| *x *= shrink * p),
        Spread::Each(p) => x.iter_mut().zip(&p[first..]).for_each(|(x, p)| *x *= shrink * p),
    }
}

/// P^{−L/(L−2)} − Q^{−L/(L−2)} through d = Q − P: exact where P and Q nearly agree.
fn power_difference(depth: f64, p: f64, q: f64, d: f64) -> f64 {
    if !(p > 0.0 && q > 0.0) {
        return f64::NAN;
    }
    if depth == 3.0 {
        d / (p * q) * (1.0 / (p * p) + 1.0 / (p * q) + 1.0 / (q * q))
    } else if depth == 4.0 {
        d / (p * q) * (1.0 / p + 1.0 / q)
    } else {
        let half = 0.5 * depth / (depth - 2.0);
        let ratio = if d.abs() < 0.5 * p { libm::log1p(d / p) } else { libm::log(q / p) };
        2.0 * libm::pow(p * q, -half) * libm::sinh(half * ratio)
    }
}

/// The same times e^exponent, where factors overflow or underflow apart.
fn joined_difference(exponent: f64, depth: f64, p: f64, q: f64, d: f64) -> f64 {
    let half = 0.5 * depth / (depth - 2.0);
    let ratio = half * if d.abs() < 0.5 * p { libm::log1p(d / p) } else { libm::log(q / p) };
    let base = exponent - half * (libm::log(p) + libm::log(q));
    if ratio.abs() < 1.0 {
        2.0 * libm::exp(base) * libm::sinh(ratio)
    } else {
        (libm::exp(base + ratio.abs()) - libm::exp(base - ratio.abs())).copysign(ratio)
    }
}
