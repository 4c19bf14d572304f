//! The shortest w with Zw ≥ b or Zw = b for small data, by the dual active-set method of Goldfarb and Idnani
//! (*Math. Programming* 27, 1983) in double-double arithmetic: rows are taken in one after another, and those whose
//! multiplier would change its sign leave again. A row that depends on those taken in and cannot be met with them is the
//! end, and its dependence is a Farkas vector. Works on the rows themselves: a Gram matrix would square their condition.

use super::newton::Rows;
use super::wide::{DoubleDouble, Scaled, ZERO, dot, dot_wide, near, wide};

/// Lengths below this part of a row's own are zero: the row depends on the others.
const DEPENDENT: f64 = 1e-26;
/// Part of the terms of a constraint that it may be short of.
const ROUNDING: f64 = 1e-24;
/// Part of the largest weight that is the rounding of another, relative to [`ROUNDING`].
const OTHERS: f64 = 1e-5;
/// Parts of the largest entry of a Farkas vector below which an entry may be the rounding of zero.
pub(super) const NOISE: [f64; 3] = [1e-24, 1e-20, 1e-16];

pub(super) enum End {
    Shortest(Shortest),
    /// ν ≥ 0 (where asked for) with Zᵀν = 0 and ⟨b, ν⟩ > 0, not scaled; with more and more small entries taken for zero.
    Infeasible(Vec<Vec<f64>>),
}

pub(super) struct Shortest {
    pub weights: Vec<f64>,
    pub multipliers: Vec<f64>,
    pub active: Vec<usize>,
    pub steps: usize,
    /// ‖w‖.
    pub norm: f64,
    /// ½‖w‖² and (that less the dual objective)/½‖w‖², in many digits.
    pub objective: f64,
    pub gap: f64,
    /// Whether ν is the only one.
    pub dual_unique: Option<bool>,
}

struct ActiveSet<'a> {
    scaled: &'a Scaled,
    b: Vec<DoubleDouble>,
    one_sided: bool,
    w: Vec<DoubleDouble>,
    /// Rows taken in, the sign of each (−1 where an equation is met from above), and multipliers.
    active: Vec<usize>,
    signs: Vec<f64>,
    u: Vec<DoubleDouble>,
    /// Equations that depend on these and are met with them, to rounding of the labels.
    met: Vec<usize>,
    /// Orthonormal rows with signed rows = triangle · basis.
    basis: Vec<Vec<DoubleDouble>>,
    triangle: Vec<Vec<DoubleDouble>>,
}

/// Solves the problem; `None` where it is too large or does not end.
pub(super) fn solve(rows: &Rows<'_>, b: &[f64], one_sided: bool) -> Option<End> {
    let scaled = Scaled::of(rows, b, false)?;
    let b = scaled.b.iter().map(|b| wide(*b)).collect();
    let w = vec![ZERO; scaled.dimension];
    let none = Vec::new;
    let mut set = ActiveSet {
        scaled: &scaled,
        b,
        one_sided,
        w,
        active: vec![],
        signs: vec![],
        u: vec![],
        met: vec![],
        basis: none(),
        triangle: none(),
    };
    let most = 100 + 20 * scaled.count;
    let mut steps = 0;
    while let Some((row, sign)) = set.violated() {
        if let Some(ray) = set.take(row, sign, &mut steps, most)? {
            return Some(End::Infeasible(ray));
        }
    }
    set.shortest(steps).map(End::Shortest)
}

impl ActiveSet<'_> {
    /// An equation that depends on the others and contradicts them by the rounding of its label alone is met.
    fn is_met_to_rounding(&self, i: usize) -> bool {
        let (lack, terms) = self.lack(i);
        near(lack).abs() <= 8.0 * f64::EPSILON * terms
    }

    /// What row i lacks, and the size of the terms of that. A weight that should be zero is rounding of the others.
    fn lack(&self, i: usize) -> (DoubleDouble, f64) {
        let row = self.scaled.row(i);
        let largest = self.w.iter().fold(0.0_f64, |m, w| m.max(w.0.abs()));
        let terms =
            row.iter().zip(&self.w).map(|(x, w)| x.abs() * (w.0.abs() + OTHERS * largest)).sum::<f64>();
        (self.b[i] - dot(row, &self.w), terms + near(self.b[i]).abs())
    }

    /// The row that is violated most, relative to its terms, and the sign it is taken in with.
    fn violated(&self) -> Option<(usize, f64)> {
        let mut worst: Option<(usize, f64, f64)> = None;
        for i in (0..self.scaled.count).filter(|i| !self.active.contains(i) && !self.met.contains(i)) {
            let (lack, terms) = self.lack(i);
            let lack = near(lack);
            let size = if self.one_sided { lack } else { lack.abs() };
            if size > ROUNDING * terms && worst.is_none_or(|(_, w, _)| size / terms > w) {
                worst = Some((i, size / terms, lack.signum()));
            }
        }
        worst.map(|(i, _, sign)| (i, sign))
    }

    /// Takes a row in, others out where they must leave. A Farkas vector where it cannot be met; `None` outside where it
    /// does not end.
    #[allow(clippy::option_option)]
    fn take(
        &mut self,
        row: usize,
        sign: f64,
        steps: &mut usize,
        most: usize,
    ) -> Option<Option<Vec<Vec<f64>>>> {
        let normal: Vec<DoubleDouble> = self.scaled.row(row).iter().map(|x| wide(sign * x)).collect();
        let own = near(dot_wide(&normal, &normal)).sqrt();
        let mut multiplier = ZERO;
        loop {
            *steps += 1;
            if *steps > most {
                return None;
            }
            let (rest, coordinates) = self.split(&normal);
            let r = self.back_substitute(coordinates.clone());
            let square = dot_wide(&rest, &rest);
            let independent = near(square).sqrt() > DEPENDENT * own && own > 0.0;
            // How far ν may go before one of the others is zero.
            let mut leaving: Option<(usize, DoubleDouble)> = None;
            if self.one_sided {
                for (j, (&u, &r)) in self.u.iter().zip(&r).enumerate() {
                    if near(r) > DEPENDENT && leaving.is_none_or(|(_, t)| u / r < t) {
                        leaving = Some((j, u / r));
                    }
                }
            }
            let lack = wide(sign) * self.lack(row).0;
            let whole = independent.then(|| lack / square);
            let step = match (whole, leaving) {
                (None, None) if !self.one_sided && self.is_met_to_rounding(row) => {
                    self.met.push(row);
                    return Some(None);
                }
                (None, None) => {
                    return Some(Some(NOISE.map(|noise| self.ray(row, sign, &r, noise)).to_vec()));
                }
                (Some(whole), Some((_, t))) if t < whole => t,
                (Some(whole), _) => whole,
                (None, Some((_, t))) => t,
            };
            if independent {
                self.w.iter_mut().zip(&rest).for_each(|(w, d)| *w += *d * step);
            }
            self.u.iter_mut().zip(&r).for_each(|(u, r)| *u -= *r * step);
            multiplier += step;
            if whole == Some(step) {
                let length = square.sqrt();
                let inverse = wide(1.0) / length;
                self.basis.push(rest.iter().map(|x| *x * inverse).collect());
                let mut entries = coordinates;
                entries.push(length);
                self.triangle.push(entries);
                self.active.push(row);
                self.signs.push(sign);
                self.u.push(multiplier);
                return Some(None);
            }
            if let Some((j, _)) = leaving {
                self.drop(j);
            }
        }
    }

    /// What of a vector is orthogonal to the basis (in two passes), and its coordinates.
    fn split(&self, vector: &[DoubleDouble]) -> (Vec<DoubleDouble>, Vec<DoubleDouble>) {
        let mut rest = vector.to_vec();
        let mut coordinates = vec![ZERO; self.basis.len()];
        for _ in 0..2 {
            for (q, c) in self.basis.iter().zip(&mut coordinates) {
                let along = dot_wide(q, &rest);
                rest.iter_mut().zip(q).for_each(|(x, q)| *x -= *q * along);
                *c += along;
            }
        }
        (rest, coordinates)
    }

    /// r with Σ_j r_j row_j = Σ_k c_k q_k: row j has the coordinates `triangle[j]`.
    fn back_substitute(&self, mut c: Vec<DoubleDouble>) -> Vec<DoubleDouble> {
        for j in (0..c.len()).rev() {
            let r = c[j] / self.triangle[j][j];
            c[j] = r;
            c.iter_mut().zip(&self.triangle[j][..j]).for_each(|(c, entry)| *c -= *entry * r);
        }
        c
    }

    fn drop(&mut self, j: usize) {
        self.active.remove(j);
        self.signs.remove(j);
        self.u.remove(j);
        // Those after it are orthogonalised again.
        self.basis.truncate(j);
        self.triangle.truncate(j);
        for k in j..self.active.len() {
            let sign = self.signs[k];
            let normal: Vec<DoubleDouble> =
                self.scaled.row(self.active[k]).iter().map(|x| wide(sign * x)).collect();
            let (rest, mut entries) = self.split(&normal);
            let length = dot_wide(&rest, &rest).sqrt();
            let inverse = wide(1.0) / length;
            self.basis.push(rest.iter().map(|x| *x * inverse).collect());
            entries.push(length);
            self.triangle.push(entries);
        }
    }

    /// The dependence of a row that cannot be met.
    fn ray(&self, row: usize, sign: f64, r: &[DoubleDouble], noise: f64) -> Vec<f64> {
        let mut ray = vec![0.0; self.scaled.count];
        ray[row] = sign * self.scaled.rows[row];
        let largest = r.iter().fold(1.0_f64, |m, r| m.max(near(*r).abs()));
        for ((&i, s), r) in self.active.iter().zip(&self.signs).zip(r) {
            // Rounding of what is zero would be all there is in some columns.
            let entry = if near(*r).abs() <= noise * largest { 0.0 } else { near(-*r) };
            let entry = if self.one_sided { entry.max(0.0) } else { entry };
            ray[i] = s * entry * self.scaled.rows[i];
        }
        ray
    }

    /// The answer in the user's units; `None` where its own gap is not small.
    fn shortest(&self, steps: usize) -> Option<Shortest> {
        // Rows that contradict each other cannot all be met, whatever a basis with few digits says.
        let met = |&i: &usize| {
            let (lack, terms) = self.lack(i);
            near(lack).abs() <= 1e3 * ROUNDING * terms
        };
        if !self.active.iter().all(met) {
            return None;
        }
        let unit = self.scaled.unit;
        let objective = dot_wide(&self.w, &self.w) * wide(0.5);
        let mut multipliers = vec![0.0; self.scaled.count];
        let mut value = ZERO;
        let mut image = vec![ZERO; self.w.len()];
        for ((&i, sign), &u) in self.active.iter().zip(&self.signs).zip(&self.u) {
            let u = u * wide(*sign);
            multipliers[i] = near(u) * self.scaled.rows[i] * unit;
            value += u * self.b[i];
            image.iter_mut().zip(self.scaled.row(i)).for_each(|(z, x)| *z += wide(*x) * u);
        }
        let dual = value - dot_wide(&image, &image) * wide(0.5);
        let gap = if objective.0 > 0.0 { near((objective - dual) / objective) } else { 0.0 };
        (gap.abs() <= 1e-12).then(|| Shortest {
            weights: self.w.iter().map(|w| near(*w) * unit).collect(),
            norm: (near(objective) * 2.0).sqrt() * unit,
            multipliers,
            active: {
                let mut active = self.active.clone();
                active.sort_unstable();
                active
            },
            steps,
            objective: near(objective) * unit * unit,
            gap,
            dual_unique: self.dual_unique(),
        })
    }

    /// ν is the only one where the rows that are met with equality are independent. One that depends on those with ν > 0
    /// can take a share of theirs.
    fn dual_unique(&self) -> Option<bool> {
        let met = |i: &usize| {
            let (lack, terms) = self.lack(*i);
            !self.active.contains(i) && near(lack).abs() <= 1e3 * ROUNDING * terms
        };
        if !self.met.is_empty() {
            return Some(false);
        }
        let mut others = (0..self.scaled.count).filter(met).peekable();
        if others.peek().is_none() {
            return Some(true);
        }
        let depends = |i: usize| {
            let normal: Vec<DoubleDouble> = self.scaled.row(i).iter().map(|x| wide(*x)).collect();
            let (rest, _) = self.split(&normal);
            dot_wide(&rest, &rest).0.sqrt() <= DEPENDENT * near(dot_wide(&normal, &normal)).sqrt()
        };
        // One met row that is independent of the active ones may or may not be of the others.
        others.any(depends).then_some(false)
    }
}
