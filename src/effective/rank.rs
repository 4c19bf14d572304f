//! Exact ranks by elimination over the field of 2⁶¹ − 1 elements, and what they imply.
//!
//! The rows c_a − c_first (one for each sample of a class after its first) span the row space of A. Their
//! squared length is at most 6, so a nonzero minor of order r is at most 6^{r/2} (Hadamard), less than the
//! prime for r ≤ 47. The rank over the field is therefore the rank over the rationals whenever it is at most
//! 46, and whenever the nullity found is the smallest possible one (the field can only lose rank).

use super::Problem;
use super::group::{Pair, Task};
use super::parallelograms::{class_sizes, full_parallelograms};

/// The prime 2⁶¹ − 1.
const Q: u64 = (1 << 61) - 1;
/// Largest order of a minor that Hadamard's bound keeps below the prime.
const SURE_ORDER: usize = 47;

fn add(a: u64, b: u64) -> u64 {
    let sum = a + b;
    if sum >= Q { sum - Q } else { sum }
}

fn sub(a: u64, b: u64) -> u64 {
    if a >= b { a - b } else { a + Q - b }
}

fn mul(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    let folded = (product as u64 & Q) + (product >> 61) as u64;
    if folded >= Q { folded - Q } else { folded }
}

fn inverse(a: u64) -> u64 {
    // Most pivots are ±1 and ±2.
    match a {
        1 => return 1,
        2 => return 1 << 60,
        a if a == Q - 1 => return Q - 1,
        a if a == Q - 2 => return Q - (1 << 60),
        _ => {}
    }
    // Fermat: a^(q−2).
    let (mut power, mut result, mut exponent) = (a, 1, Q - 2);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = mul(result, power);
        }
        power = mul(power, power);
        exponent >>= 1;
    }
    result
}

/// A matrix in echelon form that grows by one row at a time. Nothing is allocated after `new`.
#[derive(Clone, Debug)]
pub(crate) struct Echelon {
    width: usize,
    /// Reduced rows with leading entry one, in the order of insertion.
    rows: Vec<u64>,
    /// For each column the row that leads there.
    leader: Vec<Option<u32>>,
    rank: usize,
    row: Vec<u64>,
}

impl Echelon {
    pub fn new(width: usize) -> Echelon {
        Echelon { width, rows: Vec::new(), leader: vec![None; width], rank: 0, row: vec![0; width] }
    }

    pub fn clear(&mut self) {
        self.rows.clear();
        self.leader.fill(None);
        self.rank = 0;
    }

    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Adds `weight` to an entry of the row that is being prepared.
    pub fn put(&mut self, column: usize, weight: i64) {
        let weight = if weight < 0 { Q - weight.unsigned_abs() } else { weight as u64 };
        self.row[column] = add(self.row[column], weight);
    }

    /// The row c_a − c_b.
    pub fn put_difference(&mut self, a: Pair, b: Pair) {
        a.iter().for_each(|&k| self.put(k as usize, 1));
        b.iter().for_each(|&k| self.put(k as usize, -1));
    }

    /// Reduces the prepared row and keeps it if it is independent of the others. Clears it either way.
    pub fn insert(&mut self) -> bool {
        for column in 0..self.width {
            let head = self.row[column];
            if head == 0 {
                continue;
            }
            match self.leader[column] {
                Some(leader) => {
                    let start = leader as usize * self.width;
                    let pivot = &self.rows[start + column..start + self.width];
                    if head == 1 {
                        self.row[column..].iter_mut().zip(pivot).for_each(|(x, &y)| *x = sub(*x, y));
                    } else if head == Q - 1 {
                        self.row[column..].iter_mut().zip(pivot).for_each(|(x, &y)| *x = add(*x, y));
                    } else {
                        self.row[column..]
                            .iter_mut()
                            .zip(pivot)
                            .for_each(|(x, &y)| *x = sub(*x, mul(head, y)));
                    }
                }
                None => {
                    let scale = inverse(head);
                    if scale != 1 {
                        self.row[column..].iter_mut().for_each(|x| *x = mul(*x, scale));
                    }
                    self.leader[column] = Some(self.rank as u32);
                    self.rows.extend_from_slice(&self.row);
                    self.row.fill(0);
                    self.rank += 1;
                    return true;
                }
            }
        }
        false
    }

    /// A basis of the null space: one vector a column, as rows of length `width`.
    fn null_basis(&self) -> Vec<Vec<u64>> {
        // Reduced echelon form: clear every leading column above its row, from the right.
        let mut rows: Vec<(usize, Vec<u64>)> = (0..self.width)
            .filter_map(|column| self.leader[column].map(|r| (column, r as usize * self.width)))
            .map(|(column, start)| (column, self.rows[start..start + self.width].to_vec()))
            .collect();
        for k in (0..rows.len()).rev() {
            let (above, rest) = rows.split_at_mut(k);
            let (column, pivot) = (rest[0].0, &rest[0].1);
            for (_, row) in above.iter_mut().filter(|(_, row)| row[column] != 0) {
                let head = row[column];
                row[column..].iter_mut().zip(&pivot[column..]).for_each(|(x, &y)| *x = sub(*x, mul(head, y)));
            }
        }
        let free = (0..self.width).filter(|&c| self.leader[c].is_none());
        free.map(|c| {
            let mut vector = vec![0; self.width];
            vector[c] = 1;
            for (leading, row) in &rows {
                vector[*leading] = sub(0, row[c]);
            }
            vector
        })
        .collect()
    }

    /// Whether the rank over the field is surely the rank over the rationals.
    pub fn surely_exact(&self, smallest_nullity: usize) -> bool {
        self.rank < SURE_ORDER || self.width - self.rank == smallest_nullity
    }
}

/// n0 = p − rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nullity {
    /// Number of independent E with all parallelograms of the training set.
    pub value: usize,
    /// Whether the value is proved (Hadamard's bound, or the smallest possible value); otherwise it could
    /// be too large, with a probability of the order of 10⁻¹⁷.
    pub certified: bool,
}

/// What the training parallelograms imply about the others (ideal model, appendices D and E).
#[derive(Clone, Debug, PartialEq)]
pub struct Implied {
    /// |P(D)|: parallelograms of the full data that hold whenever those of D do.
    pub parallelograms: u64,
    /// RQI-bar = |P(D)|/|P0(D0)|; NaN when the task has no parallelograms.
    pub rqi: f64,
    /// Acc-bar: samples that are trained on or implied by one that is, as a fraction of D0.
    pub accuracy: f64,
    /// Number of those samples.
    pub predicted: usize,
}

impl Task {
    /// The nullity of the full data, the smallest that any training set has: 2 for addition, 1 modulo p,
    /// in general one for every independent homomorphism to R and one for the translation.
    pub fn smallest_nullity(&self) -> usize {
        // Translations are always there; a finite group has no homomorphism to R but zero.
        if self.is_addition() { 2.min(self.symbols()) } else { 1 }
    }
}

impl Problem {
    /// How often an integer is an eigenvalue of G: p less the rank of G − μ over the field. It could be too large with a
    /// probability of the order of 10⁻¹⁷, as [`Nullity::value`].
    pub(super) fn multiplicity(&self, eigenvalue: i64) -> usize {
        let mut echelon = Echelon::new(self.symbols());
        for (i, row) in self.quadratic_form().outer_iter().enumerate() {
            row.iter().enumerate().for_each(|(j, &entry)| echelon.put(j, entry as i64));
            echelon.put(i, -eigenvalue);
            echelon.insert();
        }
        self.symbols() - echelon.rank()
    }

    pub(crate) fn echelon(&self) -> Echelon {
        let mut echelon = Echelon::new(self.symbols());
        let enough = self.symbols() - self.task.smallest_nullity();
        // Large classes first: two whole ones of full data already have the rank.
        let mut classes: Vec<&[Pair]> = self.classes().collect();
        classes.sort_by_key(|class| std::cmp::Reverse(class.len()));
        for class in classes {
            for &pair in class.iter().skip(1) {
                if echelon.rank() == enough {
                    return echelon;
                }
                echelon.put_difference(pair, class[0]);
                echelon.insert();
            }
        }
        echelon
    }

    /// The exact nullity n0 of the training parallelograms: elimination, not a threshold on eigenvalues.
    ///
    /// ```
    /// use groktime::effective::{Problem, Task};
    /// // Modulo 5 only the translation is left: no linear structure survives the wrap.
    /// assert_eq!(Problem::full(Task::modular(5)?).nullity().value, 1);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    pub fn nullity(&self) -> Nullity {
        if self.is_soon_unique() {
            return Nullity { value: self.task.smallest_nullity(), certified: true };
        }
        let echelon = self.echelon();
        Nullity {
            value: self.symbols() - echelon.rank(),
            certified: echelon.surely_exact(self.task.smallest_nullity()),
        }
    }

    /// P(D), RQI-bar and Acc-bar from a null basis N: a parallelogram is implied if and only if its two
    /// samples have the same key N_i + N_j.
    ///
    /// ```
    /// use groktime::effective::{Duplicates, Problem, Task};
    /// let pairs = [[0, 2], [0, 3], [1, 1], [1, 2], [1, 3], [2, 2]];
    /// let implied = Problem::new(Task::addition(4)?, &pairs, Duplicates::Refuse)?.implied();
    /// assert_eq!((implied.rqi, implied.accuracy), (1.0, 0.6));
    /// # Ok::<(), groktime::Error>(())
    /// ```
    pub fn implied(&self) -> Implied {
        if self.is_soon_unique() {
            return self.all_implied();
        }
        let echelon = self.echelon();
        match self.symbols() - echelon.rank() == self.task.smallest_nullity() {
            true => self.all_implied(),
            false => self.implied_by_keys(&echelon),
        }
    }

    /// With a unique structure all is implied where anything of the class was seen.
    fn all_implied(&self) -> Implied {
        self.implication(full_parallelograms(&self.task), self.seen_samples())
    }

    /// The same by keys, whatever the nullity.
    pub(crate) fn implied_by_keys(&self, echelon: &Echelon) -> Implied {
        let basis = echelon.null_basis();
        let full = Problem::full(self.task.clone());
        let key = |&[i, j]: &Pair| -> Vec<u64> {
            basis.iter().map(|v| add(v[i as usize], v[j as usize])).collect()
        };
        let (mut parallelograms, mut predicted) = (0, 0);
        for s in 0..self.task.classes() {
            let mut trained: Vec<Vec<u64>> = self.class(s).iter().map(key).collect();
            trained.sort_unstable();
            let mut keys: Vec<Vec<u64>> = full.class(s).iter().map(key).collect();
            keys.sort_unstable();
            for group in keys.chunk_by(|a, b| a == b) {
                let size = group.len() as u64;
                parallelograms += size * (size - 1) / 2;
                if trained.binary_search(&group[0]).is_ok() {
                    predicted += group.len();
                }
            }
        }
        self.implication(parallelograms, predicted)
    }

    fn implication(&self, parallelograms: u64, predicted: usize) -> Implied {
        Implied {
            parallelograms,
            rqi: parallelograms as f64 / full_parallelograms(&self.task) as f64,
            accuracy: predicted as f64 / self.task.samples() as f64,
            predicted,
        }
    }

    /// Σ_{s: seen} m_s: samples of the full data whose class was seen.
    pub(crate) fn seen_samples(&self) -> usize {
        let sizes = class_sizes(&self.task);
        let seen = self.classes().zip(&sizes).filter(|(class, _)| !class.is_empty());
        seen.map(|(_, m)| *m as usize).sum()
    }
}
