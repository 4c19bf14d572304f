//! A ridge problem in the eigenbasis of the smaller Gram matrix, in many digits.

use dashu_float::round::Rounded;
use ndarray::ArrayView2;

use super::exact::Exact;
use crate::digits::double;
use crate::digits::sum::Mode;
use crate::digits::symmetric::{self, Overlap, Seen, Spectrum};
use crate::digits::{Ball, Integers, Radius, Real};
use crate::error::Result;

/// One eigenvalue s of the Gram matrix (or several that cannot be told apart), N = nλ.
pub(super) struct Cluster {
    pub place: symmetric::Cluster,
    pub s: Ball,
    /// 1/(s + N), and zero where s + N = 0: nothing pulls there.
    pub inverse: Ball,
    /// N/(s + N), and one where s = 0.
    pub rest: Ball,
    pub single: bool,
}

/// Everything the coefficients are made of.
pub(super) struct Numbers {
    pub bits: usize,
    /// n ≤ m: the matrix is ΦΦᵀ and vectors are seen as Φθ; otherwise ΦᵀΦ, and labels are seen as Φᵀy.
    pub wide: bool,
    pub spectrum: Spectrum,
    clusters: Vec<Cluster>,
    /// Modes: 1, the clusters, and the complement of the rows of Φ if it is not empty.
    pub modes: Vec<Mode>,
    pub complement: Option<usize>,
    pub samples: Ball,
    /// nλ.
    pub pull: Ball,
    pub labels: Seen,
    pub init: Seen,
    pub star: Option<Seen>,
    pub labels_square: Ball,
    pub init_square: Ball,
    pub star_square: Ball,
    init_star: Ball,
}

/// How eigenpairs are had: double-doubles, or so many bits.
#[derive(Clone, Copy)]
pub(super) enum Precision {
    Double,
    Bits(usize),
}

impl Precision {
    /// Of what is computed from the eigenpairs.
    pub fn bits(self) -> usize {
        match self {
            Precision::Double => 128,
            Precision::Bits(bits) => bits,
        }
    }
}

/// What a decomposition is made of.
pub(super) struct Inputs<'x> {
    pub exact: &'x Exact,
    pub features: ArrayView2<'x, f64>,
    pub step_size: f64,
    pub weight_decay: f64,
    pub flow: bool,
}

impl Numbers {
    /// Decomposes. `None`: the digits do not part the eigenvalues, or a rank was too expensive.
    pub fn new(inputs: &Inputs<'_>, precision: Precision) -> Result<Option<Numbers>> {
        let (exact, bits) = (inputs.exact, precision.bits());
        let (n, m) = (exact.features.rows.len(), exact.init.values.len());
        let wide = n <= m;
        let spectrum = match precision {
            Precision::Double => {
                let features = inputs.features;
                let gram = double::gram(if wide { features } else { features.reversed_axes() });
                Spectrum::from_doubles(&gram, bits)?
            }
            Precision::Bits(bits) => {
                let (matrix, error) = gram(exact, wide, bits);
                Spectrum::new(&matrix, error, bits)?
            }
        };
        let samples = Ball::new(n as f64, bits);
        let pull = &samples * &Ball::new(inputs.weight_decay, bits);
        let rank = match first_may_vanish(&spectrum) {
            true => match exact.rank() {
                Some(rank) => rank,
                None => return Ok(None),
            },
            false => n.min(m),
        };
        let Some(clusters) = clusters(&spectrum, &pull, n.min(m) - rank, bits) else {
            return Ok(None);
        };
        let found = modes(&clusters, inputs, &samples, &pull, wide && rank < m);
        let Some((mut modes, complement)) = found else { return Ok(None) };
        if settle_edge(&mut modes, &clusters, exact).is_none() {
            return Ok(None);
        }
        let ball = |x: &Integers| balls(x, bits);
        let see = |theta: &Integers| match wide {
            true => spectrum.see(&ball(&exact.features.apply(theta))),
            false => spectrum.see(&ball(theta)),
        };
        let labels = match wide {
            true => spectrum.see(&ball(&exact.labels)),
            false => spectrum.see(&ball(&exact.features.apply_transposed(&exact.labels))),
        };
        let inner = |a: &Integers, b: &Integers| ball(&a.dot(b)).swap_remove(0);
        let zero = || Ball::new(0.0, bits);
        let star = exact.star.as_ref();
        Ok(Some(Numbers {
            bits,
            wide,
            modes,
            complement,
            samples,
            pull,
            labels,
            init: see(&exact.init),
            star: star.map(see),
            labels_square: inner(&exact.labels, &exact.labels),
            init_square: inner(&exact.init, &exact.init),
            star_square: star.map_or_else(zero, |s| inner(s, s)),
            init_star: star.map_or_else(zero, |s| inner(s, &exact.init)),
            clusters,
            spectrum,
        }))
    }

    /// Clusters with the indices of their modes.
    pub fn clusters(&self) -> impl Iterator<Item = (usize, &Cluster)> {
        self.clusters.iter().enumerate().map(|(c, cluster)| (c + 1, cluster))
    }

    pub fn overlap(&self, cluster: &Cluster, p: &Seen, q: &Seen) -> Overlap {
        self.spectrum.overlap(&cluster.place, p, q)
    }

    /// ⟨θ*, θ₀⟩, zero without a teacher.
    pub fn init_star(&self, star: Option<&Seen>) -> Ball {
        match star {
            Some(_) => self.init_star.clone(),
            None => Ball::new(0.0, self.bits),
        }
    }
}

/// Integers as balls of so many bits.
pub(super) fn balls(x: &Integers, bits: usize) -> Vec<Ball> {
    let one = |v: &dashu_int::IBig| {
        let exact = Real::from_parts(v.clone(), x.exponent as isize);
        match exact.with_precision(bits) {
            Rounded::Exact(mid) => Ball::exact(mid),
            Rounded::Inexact(mid, _) => {
                let error = Radius::of(&mid).times(Radius::power_of_two(-(bits as i64)));
                Ball::with_radius(mid, error)
            }
        }
    };
    x.values.iter().map(one).collect()
}

/// ΦΦᵀ or ΦᵀΦ, and a bound on its rounding in the Frobenius norm: zero if every entry fits.
fn gram(exact: &Exact, wide: bool, bits: usize) -> (Vec<Vec<Real>>, Radius) {
    let features = &exact.features;
    let k = if wide { features.rows.len() } else { exact.init.values.len() };
    let line = |i: usize| if wide { features.row(i) } else { features.column(i) };
    let lines: Vec<Integers> = (0..k).map(line).collect();
    let mut matrix = vec![vec![Real::ZERO; k]; k];
    let mut square = Radius::ZERO;
    for i in 0..k {
        for j in 0..=i {
            let entry = balls(&lines[i].dot(&lines[j]), bits).swap_remove(0);
            let error = entry.radius();
            square = square.plus(error.times(error).times(Radius::new(2.0)));
            matrix[i][j] = entry.mid().clone();
            matrix[j][i] = entry.mid().clone();
        }
    }
    (matrix, square.root())
}

fn first_may_vanish(spectrum: &Spectrum) -> bool {
    spectrum.clusters[0].value.smallest().is_zero() || spectrum.clusters[0].value.mid() < &Real::ZERO
}

/// Clusters with the first `nullity` eigenvalues exactly zero; `None` when the digits do not part them.
fn clusters(spectrum: &Spectrum, pull: &Ball, nullity: usize, bits: usize) -> Option<Vec<Cluster>> {
    let one = |place: &symmetric::Cluster| {
        let vanishes = place.members.start < nullity;
        if vanishes && place.members.end != nullity {
            return None;
        }
        let s = if vanishes { Ball::new(0.0, bits) } else { place.value.clone() };
        if !vanishes && s.sign() != Some(std::cmp::Ordering::Greater) {
            return None;
        }
        let denominator = &s + pull;
        let unit = Ball::new(1.0, bits);
        let (inverse, rest) = match denominator.is_zero() {
            true => (Ball::new(0.0, bits), unit),
            false => {
                let inverse = unit.over(&denominator);
                let rest = if vanishes { unit } else { pull * &inverse };
                (inverse, rest)
            }
        };
        // The data have nothing in the null space, and an exact zero is one eigenvalue however often.
        let inverse = if vanishes { Ball::new(0.0, bits) } else { inverse };
        let single = place.members.len() == 1 || vanishes;
        Some(Cluster { place: place.clone(), s, inverse, rest, single })
    };
    spectrum.clusters.iter().map(one).collect()
}

/// The modes, and the index of the complement's.
fn modes(
    clusters: &[Cluster],
    inputs: &Inputs<'_>,
    samples: &Ball,
    pull: &Ball,
    with_complement: bool,
) -> Option<(Vec<Mode>, Option<usize>)> {
    let bits = samples.bits();
    let eta = Ball::new(inputs.step_size, bits);
    let decay = Ball::new(inputs.weight_decay, bits);
    let of = |s: Option<&Ball>| {
        let g = match s {
            Some(s) if !s.is_zero() => (s + pull).over(samples),
            _ => decay.clone(),
        };
        if inputs.flow { Mode::Decay { rate: g } } else { Mode::Step { gap: &eta * &g } }
    };
    let zero = Ball::new(0.0, bits);
    let mut modes = vec![if inputs.flow { Mode::Decay { rate: zero } } else { Mode::Step { gap: zero } }];
    modes.extend(clusters.iter().map(|c| of(Some(&c.s))));
    let complement = with_complement.then(|| {
        modes.push(of(None));
        modes.len() - 1
    });
    let known = |mode: &Mode| match mode {
        Mode::Step { gap: distance } | Mode::Decay { rate: distance } => distance.sign().is_some(),
    };
    modes.iter().all(known).then_some((modes, complement))
}

/// Where a factor may be −1, integers say whether it is.
fn settle_edge(modes: &mut [Mode], clusters: &[Cluster], exact: &Exact) -> Option<()> {
    let at_edge = |mode: &Mode| matches!(mode, Mode::Step { gap } if gap.against(2.0).is_none());
    let suspects: Vec<usize> = (1..=clusters.len()).filter(|&i| at_edge(&modes[i])).collect();
    if suspects.is_empty() {
        return Some(());
    }
    let count = exact.at_the_edge()?;
    match suspects[..] {
        [only] if clusters[only - 1].place.members.len() == count => {
            let bits = clusters[only - 1].s.bits();
            modes[only] = Mode::Step { gap: Ball::new(2.0, bits) };
            Some(())
        }
        _ => None,
    }
}
