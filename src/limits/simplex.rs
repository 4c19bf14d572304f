//! The simplex method in double-double arithmetic on the multipliers of a small linear problem,
//!
//! $$ \max_\nu b^T\nu\quad\text{s.t. } -c^-\le B^T\nu\le c^+ \quad (\nu\ge0\text{ for } f\ge b), $$
//!
//! from ν = 0, which is feasible. Its ends are certificates: the reduced costs of an optimal basis are the weights, and
//! a direction in which ν grows for ever is a Farkas vector. Which variables are basic is decided to some 20 digits, so
//! weights that differ by ten orders of magnitude are told from zero. See theory/limits.md.

use super::active_set::NOISE;
use super::interior_point::{Fit, Program};
use super::wide::{DoubleDouble, Scaled, ZERO, dot, near, wide};

/// Parts of a unit (the tableau's entries begin below one) that count as zero: 106 bits less the growth of the tableau.
const ROUNDING: f64 = 1e-22;
/// Running bounds on the errors of reduced costs grow by this part of each operation: a unit in the last place is 2⁻¹⁰⁴.
const UNIT: f64 = 1e-29;
/// Corrections of the weights by what their rows lack.
const REFINEMENTS: usize = 2;
/// Largest violation of a bound, relative to it, of a solution that counts as one.
const VIOLATION: f64 = 1e-12;
/// Steps without progress after which the rule of the least index (Bland) excludes cycles.
const PATIENCE: usize = 40;

/// Where the method ended.
pub(super) enum End {
    Optimal(Vertex),
    /// ν ≥ 0 (where asked for) with Bᵀν = 0 and ⟨b, ν⟩ > 0, not scaled; with more and more small entries taken for zero.
    Unbounded(Vec<Vec<f64>>),
}

/// A basic solution, and which of its conditions hold with equality.
pub(super) struct Vertex {
    pub weights: Vec<f64>,
    pub multipliers: Vec<f64>,
    pub steps: usize,
    /// Coordinates with w_k ≠ 0, and those whose multipliers are at a bound.
    pub support: Vec<usize>,
    pub tight: Vec<usize>,
    /// Rows with ν_i ≠ 0 (all for f = b), and those that are met with equality.
    pub active: Vec<usize>,
    pub met: Vec<usize>,
    /// The norm of the weights, and (that less ⟨b, ν⟩) relative to it, in many digits.
    pub objective: f64,
    pub gap: f64,
}

struct Tableau<'a> {
    scaled: &'a Scaled,
    one_sided: bool,
    /// Bounds of r = Bᵀν.
    low: Vec<DoubleDouble>,
    high: Vec<DoubleDouble>,
    /// Basic variables in terms of the others: dimension × count.
    entries: Vec<DoubleDouble>,
    /// ∂(bᵀν) by each variable that is not basic.
    reduced: Vec<DoubleDouble>,
    reduced_error: Vec<f64>,
    value: Vec<DoubleDouble>,
    /// Variable i < count is ν_i, count + k is r_k.
    basic: Vec<usize>,
    others: Vec<usize>,
    /// Whether an r that is not basic is at its upper bound.
    upper: Vec<bool>,
    /// Equations that are met to rounding of the labels with those whose multipliers are basic.
    met: Vec<bool>,
}

/// Solves the program; `None` where it is too large or does not end.
pub(super) fn solve(program: &Program<'_>) -> Option<End> {
    let (b, one_sided) = match program.fit {
        Fit::Equal(b) => (b, false),
        Fit::AtLeast(b) => (b, true),
        Fit::Loss(..) => return None,
    };
    let scaled = Scaled::of(&program.rows, b, true)?;
    let mut tableau = Tableau::new(&scaled, program, one_sided);
    let most = 200 + 50 * (scaled.count + scaled.dimension);
    let (mut idle, mut steps, mut fresh) = (0, 0, false);
    loop {
        let Some((entering, sign)) = tableau.entering(idle > PATIENCE) else {
            if fresh {
                return tableau.vertex(steps).map(End::Optimal);
            }
            tableau.refresh();
            fresh = true;
            continue;
        };
        fresh = false;
        match tableau.advance(entering, sign, idle > PATIENCE) {
            None if tableau.is_met_to_rounding(entering, sign) => {
                tableau.met[tableau.others[entering]] = true
            }
            None => {
                return Some(End::Unbounded(NOISE.map(|noise| tableau.ray(entering, sign, noise)).to_vec()));
            }
            Some(progress) => idle = if progress { 0 } else { idle + 1 },
        }
        steps += 1;
        if steps > most {
            return None;
        }
    }
}

impl<'a> Tableau<'a> {
    fn new(scaled: &'a Scaled, program: &Program<'_>, one_sided: bool) -> Self {
        let (n, d) = (scaled.count, scaled.dimension);
        let mut entries = vec![ZERO; n * d];
        for i in 0..n {
            scaled.row(i).iter().enumerate().for_each(|(k, &x)| entries[k * n + i] = wide(x));
        }
        let bound = |c: &[f64], sign: f64| -> Vec<DoubleDouble> {
            c.iter().zip(&scaled.columns).map(|(c, s)| wide(sign * c) * wide(*s)).collect()
        };
        Tableau {
            scaled,
            one_sided,
            low: bound(program.minus, -1.0),
            high: bound(program.plus, 1.0),
            reduced: scaled.b.iter().map(|&b| wide(b)).collect(),
            entries,
            reduced_error: vec![0.0; n],
            value: vec![ZERO; d],
            basic: (n..n + d).collect(),
            others: (0..n).collect(),
            upper: vec![false; n],
            met: vec![false; n],
        }
    }

    fn count(&self) -> usize {
        self.scaled.count
    }

    /// A variable that improves the objective, and the direction in which it does.
    fn entering(&self, least_index: bool) -> Option<(usize, f64)> {
        let mut best: Option<(usize, f64, f64)> = None;
        for (position, g) in self.reduced.iter().enumerate() {
            let (g, variable) = (near(*g), self.others[position]);
            if g.abs() <= self.reduced_error[position] {
                continue;
            }
            let may = match (variable < self.count(), g > 0.0) {
                (true, up) => (up || !self.one_sided) && !self.met[variable],
                (false, up) => up != self.upper[position],
            };
            let better = |&(p, old, _): &(usize, f64, f64)| match least_index {
                true => variable < self.others[p],
                false => g.abs() > old,
            };
            if may && best.as_ref().is_none_or(better) {
                best = Some((position, g.abs(), g.signum()));
            }
        }
        best.map(|(position, _, sign)| (position, sign))
    }

    /// Room of the basic variable at `place` when it moves up or down; none where it may move for ever.
    fn room(&self, place: usize, up: bool) -> Option<DoubleDouble> {
        let (variable, value) = (self.basic[place], self.value[place]);
        let room = match variable.checked_sub(self.count()) {
            Some(k) if up => self.high[k] - value,
            Some(k) => value - self.low[k],
            None if up || !self.one_sided => return None,
            None => value,
        };
        Some(if room.0 > 0.0 { room } else { ZERO })
    }

    /// Moves a variable as far as the others allow, and exchanges it for the one that binds. Whether the objective
    /// grew; none where nothing binds.
    fn advance(&mut self, entering: usize, sign: f64, least_index: bool) -> Option<bool> {
        let n = self.count();
        let mut best: Option<(usize, DoubleDouble, f64)> = None;
        for place in 0..self.basic.len() {
            let slope = self.entries[place * n + entering];
            if near(slope).abs() <= ROUNDING {
                continue;
            }
            let Some(room) = self.room(place, sign * slope.0 > 0.0) else { continue };
            let (size, ratio) = (near(slope).abs(), room / slope.abs());
            let better = |&(p, old, pivot): &(usize, DoubleDouble, f64)| {
                let tie = near(ratio - old).abs() <= ROUNDING * near(old).abs();
                match tie {
                    true if least_index => self.basic[place] < self.basic[p],
                    true => size > pivot,
                    false => ratio < old,
                }
            };
            if best.as_ref().is_none_or(better) {
                best = Some((place, ratio, size));
            }
        }
        let own = self.others[entering].checked_sub(n).map(|k| self.high[k] - self.low[k]);
        if let Some(range) = own
            && best.as_ref().is_none_or(|&(_, ratio, _)| range < ratio)
        {
            self.shift(entering, wide(sign) * range);
            self.upper[entering] = !self.upper[entering];
            return Some(true);
        }
        let (place, ratio, _) = best?;
        let up = sign * self.entries[place * n + entering].0 > 0.0;
        self.shift(entering, wide(sign) * ratio);
        self.exchange(place, entering, wide(sign) * ratio, up);
        Some(ratio.0 > 0.0)
    }

    fn shift(&mut self, entering: usize, step: DoubleDouble) {
        let n = self.count();
        for (value, row) in self.value.iter_mut().zip(self.entries.chunks_exact(n)) {
            *value += row[entering] * step;
        }
    }

    fn exchange(&mut self, place: usize, entering: usize, step: DoubleDouble, up: bool) {
        let n = self.count();
        let start = match self.others[entering].checked_sub(n) {
            Some(k) if self.upper[entering] => self.high[k],
            Some(k) => self.low[k],
            None => ZERO,
        };
        let inverse = wide(1.0) / self.entries[place * n + entering];
        let row: Vec<DoubleDouble> = (0..n)
            .map(|i| if i == entering { inverse } else { -(self.entries[place * n + i] * inverse) })
            .collect();
        let update = |target: &mut [DoubleDouble]| {
            let factor = std::mem::replace(&mut target[entering], ZERO);
            if factor.0 != 0.0 {
                target.iter_mut().zip(&row).filter(|(_, r)| r.0 != 0.0).for_each(|(t, r)| *t += factor * *r);
            }
        };
        for (j, other) in self.entries.chunks_exact_mut(n).enumerate() {
            if j != place {
                update(other);
            }
        }
        let (pivot, pivot_error) = (near(self.reduced[entering]).abs(), self.reduced_error[entering]);
        for (i, (error, r)) in self.reduced_error.iter_mut().zip(&row).enumerate() {
            let (before, r) = (near(self.reduced[i]).abs(), near(*r).abs());
            let carried = if i == entering { 0.0 } else { *error + UNIT * before };
            *error = carried + (pivot_error + UNIT * pivot) * r;
        }
        update(&mut self.reduced);
        self.entries[place * n..(place + 1) * n].copy_from_slice(&row);
        self.value[place] = start + step;
        std::mem::swap(&mut self.basic[place], &mut self.others[entering]);
        self.upper[entering] = up;
    }

    /// Reduced costs anew, from the data: the bounds on their errors grow with every exchange, and after some hundred of
    /// them hide what they should tell. The inverse of the basis is in the tableau and corrects the weights by what the
    /// rows with basic multipliers lack.
    fn refresh(&mut self) {
        let n = self.count();
        let free: Vec<usize> = (0..n).filter(|&position| self.others[position] >= n).collect();
        let rows: Vec<(usize, usize)> =
            self.basic.iter().enumerate().filter(|(_, v)| **v < n).map(|(place, v)| (place, *v)).collect();
        let scaled = self.scaled;
        let lack = |weights: &[DoubleDouble], i: usize| wide(scaled.b[i]) - dot(scaled.row(i), weights);
        for _ in 0..REFINEMENTS {
            let (weights, _) = self.solution();
            let lacks: Vec<DoubleDouble> = rows.iter().map(|&(_, i)| lack(&weights, i)).collect();
            for &position in &free {
                let column = rows.iter().map(|(place, _)| self.entries[place * n + position]);
                let correction = column.zip(&lacks).fold(ZERO, |sum, (e, lack)| sum + e * *lack);
                self.reduced[position] += correction;
            }
        }
        let (weights, _) = self.solution();
        let terms = |i: usize| -> f64 {
            let products = scaled.row(i).iter().zip(&weights).map(|(x, w)| (x * w.0).abs());
            scaled.b[i].abs() + products.sum::<f64>()
        };
        let left: Vec<f64> =
            rows.iter().map(|&(_, i)| near(lack(&weights, i)).abs() + UNIT * terms(i)).collect();
        let mut errors = vec![0.0; weights.len()];
        for &position in &free {
            let column = rows.iter().map(|(place, _)| near(self.entries[place * n + position]).abs());
            let error = column.zip(&left).map(|(e, left)| e * left).sum::<f64>();
            errors[self.others[position] - n] = error;
            self.reduced_error[position] = error + UNIT * self.reduced[position].0.abs();
        }
        for position in (0..n).filter(|&position| self.others[position] < n) {
            let i = self.others[position];
            self.reduced[position] = lack(&weights, i);
            let moved: f64 = scaled.row(i).iter().zip(&errors).map(|(x, e)| x.abs() * e).sum();
            self.reduced_error[position] = moved + UNIT * terms(i);
        }
    }

    /// An equation that depends on the others and contradicts them by the rounding of its label alone is met.
    fn is_met_to_rounding(&self, entering: usize, sign: f64) -> bool {
        if self.one_sided {
            return false;
        }
        let ray = self.direction(entering, sign);
        let labels: f64 = ray.iter().zip(&self.scaled.b).map(|(x, b)| (x * b).abs()).sum();
        near(self.reduced[entering]).abs() <= 8.0 * f64::EPSILON * labels
    }

    /// The direction of ν in which nothing binds, in units of the data.
    fn ray(&self, entering: usize, sign: f64, noise: f64) -> Vec<f64> {
        let mut ray = self.direction(entering, sign);
        // Rounding of what is zero would be all there is in some columns, and of the wrong sign.
        let largest = ray.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        let noise = |x: f64| x.abs() <= noise * largest || self.one_sided && x < 0.0;
        ray.iter_mut().filter(|x| noise(**x)).for_each(|x| *x = 0.0);
        ray.iter().zip(&self.scaled.rows).map(|(x, r)| x * r).collect()
    }

    fn direction(&self, entering: usize, sign: f64) -> Vec<f64> {
        let n = self.count();
        let mut ray = vec![0.0; n];
        // An r has an upper and a lower bound: what grows for ever is a ν.
        ray[self.others[entering]] = sign;
        for (place, &variable) in self.basic.iter().enumerate().filter(|(_, v)| **v < n) {
            ray[variable] = sign * near(self.entries[place * n + entering]);
        }
        ray
    }

    /// The basic solution, if it holds what it promises.
    fn vertex(&self, steps: usize) -> Option<Vertex> {
        let (n, d) = (self.count(), self.basic.len());
        let (weights, multipliers) = self.solution();
        let (objective, gap) = self.verified(&weights, &multipliers)?;
        let unscaled = |x: &[DoubleDouble], units: &[f64], all: f64| -> Vec<f64> {
            x.iter().zip(units).map(|(x, unit)| near(*x) * unit * all).collect()
        };
        let mut vertex = Vertex {
            weights: unscaled(&weights, &self.scaled.columns, self.scaled.unit),
            multipliers: unscaled(&multipliers, &self.scaled.rows, 1.0),
            steps,
            support: Vec::new(),
            tight: Vec::new(),
            active: Vec::new(),
            met: Vec::new(),
            objective: objective * self.scaled.unit,
            gap,
        };
        for (position, &variable) in self.others.iter().enumerate() {
            let zero = near(self.reduced[position]).abs() <= self.reduced_error[position];
            match variable.checked_sub(n) {
                None if zero || !self.one_sided => vertex.met.push(variable),
                None => {}
                Some(k) => {
                    vertex.tight.push(k);
                    if !zero {
                        vertex.support.push(k);
                    }
                }
            }
        }
        let size = multipliers.iter().fold(0.0_f64, |m, x| m.max(near(*x).abs()));
        for (&variable, &value) in self.basic.iter().zip(&self.value) {
            match variable.checked_sub(n) {
                None => {
                    vertex.met.push(variable);
                    if near(value).abs() > ROUNDING * size {
                        vertex.active.push(variable);
                    }
                }
                Some(k) => {
                    let width = near(self.high[k] - self.low[k]);
                    let room = near(self.high[k] - value).min(near(value - self.low[k]));
                    if room <= 1e3 * ROUNDING * width {
                        vertex.tight.push(k);
                    }
                }
            }
        }
        if !self.one_sided {
            vertex.active = (0..n).collect();
        }
        for set in [&mut vertex.support, &mut vertex.tight, &mut vertex.active, &mut vertex.met] {
            set.sort_unstable();
        }
        debug_assert_eq!(self.value.len(), d);
        Some(vertex)
    }

    /// Weights and multipliers of the scaled problem.
    fn solution(&self) -> (Vec<DoubleDouble>, Vec<DoubleDouble>) {
        let n = self.count();
        let (mut weights, mut multipliers) = (vec![ZERO; self.basic.len()], vec![ZERO; n]);
        for (&variable, &g) in self.others.iter().zip(&self.reduced) {
            if let Some(k) = variable.checked_sub(n) {
                weights[k] = g;
            }
        }
        for (&variable, &value) in self.basic.iter().zip(&self.value).filter(|(v, _)| **v < n) {
            multipliers[variable] = value;
        }
        (weights, multipliers)
    }

    /// The objective and the relative gap of a pair that is feasible on the data themselves, whatever the tableau says.
    fn verified(&self, weights: &[DoubleDouble], multipliers: &[DoubleDouble]) -> Option<(f64, f64)> {
        let mut image = vec![ZERO; weights.len()];
        let mut dual = ZERO;
        // A weight that should be zero is rounding of the others.
        let others = 1e-5 * weights.iter().fold(0.0_f64, |m, w| m.max(w.0.abs()));
        for (i, &nu) in multipliers.iter().enumerate() {
            let row = self.scaled.row(i);
            let lack = wide(self.scaled.b[i]) - dot(row, weights);
            let terms: f64 = row.iter().zip(weights).map(|(x, w)| x.abs() * (w.0.abs() + others)).sum();
            let terms = terms + self.scaled.b[i].abs();
            let lack = if self.one_sided { near(lack) } else { near(lack).abs() };
            let allowed = if self.met[i] { 16.0 * f64::EPSILON } else { ROUNDING };
            if lack > allowed * terms || self.one_sided && near(nu) < 0.0 {
                return None;
            }
            dual += wide(self.scaled.b[i]) * nu;
            image.iter_mut().zip(row).for_each(|(z, x)| *z += wide(*x) * nu);
        }
        let mut objective = ZERO;
        for (k, &w) in weights.iter().enumerate() {
            objective += w * if w.0 > 0.0 { self.high[k] } else { self.low[k] };
            let over = (image[k] - self.high[k]).0.max((self.low[k] - image[k]).0);
            if over > VIOLATION * near(self.high[k] - self.low[k]) {
                return None;
            }
        }
        let gap = if objective.0 > 0.0 { near((objective - dual) / objective) } else { 0.0 };
        (gap.abs() <= VIOLATION).then(|| (near(objective), gap))
    }
}
