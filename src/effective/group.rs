//! Tasks: a set of symbols with an operation, and the samples that can be asked about it.

use ndarray::ArrayView2;
use rand::RngExt;

use crate::data::features::generator;
use crate::error::{Error, Result, check};

/// A sample (i, j): which two symbols are combined. Unordered (i ≤ j) when the operation commutes.
pub type Pair = [u32; 2];

/// Largest number of symbols of an operation given by its table (associativity takes p³ look-ups).
const LARGEST_TABLE: usize = 512;
/// Largest number of symbols at all: integer entries of G stay exact in `f64`, pairs fit in memory.
const LARGEST: usize = 20_000;

#[derive(Clone, Debug, PartialEq)]
enum Operation {
    /// i + j in 0..=2p−2, no wrap.
    Addition,
    /// i + j mod p.
    Modular,
    /// Row i, column j of a Cayley table.
    Table(Vec<u32>),
}

/// What is learned: symbols 0..p and the class (label) of every pair of them.
///
/// Samples are unordered pairs with the diagonal, |D0| = p(p+1)/2, when the operation commutes; otherwise
/// ordered pairs, |D0| = p².
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    symbols: usize,
    operation: Operation,
    commutative: bool,
}

impl Task {
    /// Addition of 0..p without wrap: labels i + j in 0..=2p−2, the paper's main task.
    ///
    /// ```
    /// use groktime::effective::Task;
    /// let task = Task::addition(10)?;
    /// assert_eq!((task.samples(), task.classes()), (55, 19));
    /// # Ok::<(), groktime::Error>(())
    /// ```
    ///
    /// # Errors
    /// p < 2.
    pub fn addition(symbols: usize) -> Result<Task> {
        Ok(Task { symbols: check_symbols(symbols)?, operation: Operation::Addition, commutative: true })
    }

    /// Addition modulo p.
    ///
    /// # Errors
    /// p < 2.
    pub fn modular(symbols: usize) -> Result<Task> {
        Ok(Task { symbols: check_symbols(symbols)?, operation: Operation::Modular, commutative: true })
    }

    /// The product of cyclic groups of the given orders: every finite abelian group is one. The first
    /// factor is the most significant digit of a symbol.
    ///
    /// ```
    /// use groktime::effective::Task;
    /// let klein = Task::cyclic_product(&[2, 2])?;
    /// assert_eq!(klein.class(1, 3), 2); // (0,1) + (1,1) = (1,0)
    /// # Ok::<(), groktime::Error>(())
    /// ```
    ///
    /// # Errors
    /// No factor, a factor of zero, or a group too small or too large for a table.
    pub fn cyclic_product(orders: &[usize]) -> Result<Task> {
        let p = orders.iter().try_fold(1_usize, |p, &n| p.checked_mul(n)).unwrap_or(usize::MAX);
        check_order(p)?;
        let sum = |i: usize, j: usize| {
            let (mut i, mut j, mut weight, mut total) = (i, j, 1, 0);
            for &n in orders.iter().rev() {
                total += weight * ((i % n + j % n) % n);
                (i, j, weight) = (i / n, j / n, weight * n);
            }
            total as u32
        };
        let table = (0..p * p).map(|k| sum(k / p, k % p)).collect();
        Ok(Task { symbols: p, operation: Operation::Table(table), commutative: true })
    }

    /// The symmetric group S3, its elements as permutations of 0, 1, 2 in lexicographic order; the product
    /// a·b applies a first.
    ///
    /// ```
    /// use groktime::effective::Task;
    /// let s3 = Task::s3();
    /// assert_eq!((s3.symbols(), s3.samples(), s3.commutative()), (6, 36, false));
    /// ```
    pub fn s3() -> Task {
        let index = |q: [usize; 3]| PERMUTATIONS.iter().position(|r| *r == q).unwrap_or(0) as u32;
        let product = |a: usize, b: usize| {
            let (a, b) = (PERMUTATIONS[a], PERMUTATIONS[b]);
            index([b[a[0]], b[a[1]], b[a[2]]])
        };
        let table = (0..36).map(|k| product(k / 6, k % 6)).collect();
        Task { symbols: 6, operation: Operation::Table(table), commutative: false }
    }

    /// Any finite group from its Cayley table: entry (i, j) is the product i·j.
    ///
    /// # Errors
    /// Not square, an entry that is no symbol, a row or column that repeats a symbol, or not associative.
    pub fn from_table(table: ArrayView2<'_, f64>) -> Result<Task> {
        let p = table.nrows();
        if table.ncols() != p {
            return Err(Error::Shape {
                name: "Cayley table",
                found: table.shape().to_vec(),
                expected: vec![p, p],
                why: "one row and one column a symbol",
            });
        }
        check_order(p)?;
        let mut entries = Vec::with_capacity(p * p);
        for &x in table {
            check(
                "entry of the Cayley table",
                x,
                |x| x.fract() == 0.0 && (0.0..p as f64).contains(&x),
                "a symbol, a whole number of at least 0 and below p",
            )?;
            entries.push(x as u32);
        }
        check_group(&entries, p)?;
        let commutative = (0..p * p).all(|k| entries[k] == entries[(k % p) * p + k / p]);
        Ok(Task { symbols: p, operation: Operation::Table(entries), commutative })
    }

    /// p.
    pub fn symbols(&self) -> usize {
        self.symbols
    }

    /// Whether i·j = j·i, so that samples are unordered pairs.
    pub fn commutative(&self) -> bool {
        self.commutative
    }

    /// Number of labels: 2p−1 for addition without wrap, p for groups.
    pub fn classes(&self) -> usize {
        match self.operation {
            Operation::Addition => 2 * self.symbols - 1,
            _ => self.symbols,
        }
    }

    /// The label of a pair of symbols below p.
    pub fn class(&self, i: usize, j: usize) -> usize {
        match &self.operation {
            Operation::Addition => i + j,
            Operation::Modular => (i + j) % self.symbols,
            Operation::Table(table) => table[i * self.symbols + j] as usize,
        }
    }

    /// Whether this is addition without wrap.
    pub fn is_addition(&self) -> bool {
        self.operation == Operation::Addition
    }

    /// Whether this is addition modulo p.
    pub fn is_modular(&self) -> bool {
        self.operation == Operation::Modular
    }

    /// |D0|, the number of different samples.
    pub fn samples(&self) -> usize {
        let p = self.symbols;
        if self.commutative { p * (p + 1) / 2 } else { p * p }
    }

    /// All samples, row by row.
    pub fn all_pairs(&self) -> Vec<Pair> {
        let p = self.symbols as u32;
        let first = |i| if self.commutative { i } else { 0 };
        (0..p).flat_map(|i| (first(i)..p).map(move |j| [i, j])).collect()
    }

    /// A sample in its standard form: sorted when the operation commutes.
    pub(crate) fn standard(&self, [i, j]: Pair) -> Pair {
        if self.commutative && j < i { [j, i] } else { [i, j] }
    }

    /// Number of samples in a fraction r of D0, r·|D0| rounded half up.
    ///
    /// # Errors
    /// r outside (0, 1], or so small that no sample is left.
    pub fn sample_size(&self, fraction: f64) -> Result<usize> {
        check("training fraction", fraction, |r| r > 0.0 && r <= 1.0, "above 0 and at most 1")?;
        let size = (fraction * self.samples() as f64 + 0.5).floor() as usize;
        if size == 0 {
            return Err(Error::Parameter {
                name: "training fraction",
                value: fraction,
                expected: format!("at least half a sample of {}", self.samples()),
            });
        }
        Ok(size)
    }

    /// A uniformly random set of `size` samples; the same seed gives nested sets for growing sizes.
    ///
    /// # Errors
    /// A size of zero or above |D0|.
    pub fn random_pairs(&self, size: usize, seed: u64) -> Result<Vec<Pair>> {
        check_size(self, size)?;
        crate::memory::check_array("all samples of the task", &[self.samples()])?;
        let mut all = self.all_pairs();
        let mut rng = generator(seed, 0);
        partial_shuffle(&mut all, size, &mut rng);
        all.truncate(size);
        Ok(all)
    }
}

/// The permutations of three things in lexicographic order.
pub(crate) const PERMUTATIONS: [[usize; 3]; 6] =
    [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// Brings a uniformly random choice to the front (Fisher and Yates, stopped after `size`).
pub(crate) fn partial_shuffle<T>(items: &mut [T], size: usize, rng: &mut impl rand::Rng) {
    let n = items.len();
    for k in 0..size.min(n.saturating_sub(1)) {
        items.swap(k, rng.random_range(k as u32..n as u32) as usize);
    }
}

pub(crate) fn check_size(task: &Task, size: usize) -> Result<()> {
    check(
        "number of samples",
        size as f64,
        |n| n >= 1.0 && n <= task.samples() as f64,
        &format!("between 1 and {}", task.samples()),
    )?;
    Ok(())
}

fn check_order(p: usize) -> Result<f64> {
    let fits = |p: f64| (2.0..=LARGEST_TABLE as f64).contains(&p);
    check("order of the group", p as f64, fits, "between 2 and 512")
}

fn check_symbols(p: usize) -> Result<usize> {
    check("number of symbols", p as f64, |p| (2.0..=LARGEST as f64).contains(&p), "between 2 and 20000")?;
    Ok(p)
}

fn check_group(table: &[u32], p: usize) -> Result<()> {
    let refuse = |property, evidence| Err(Error::Matrix { name: "Cayley table", property, evidence });
    for i in 0..p {
        let (mut row, mut column) = (vec![false; p], vec![false; p]);
        for j in 0..p {
            let (a, b) = (table[i * p + j] as usize, table[j * p + i] as usize);
            if std::mem::replace(&mut row[a], true) {
                return refuse("a Latin square", format!("row {i} has the symbol {a} twice"));
            }
            if std::mem::replace(&mut column[b], true) {
                return refuse("a Latin square", format!("column {i} has the symbol {b} twice"));
            }
        }
    }
    for i in 0..p {
        for j in 0..p {
            let ij = table[i * p + j] as usize;
            for k in 0..p {
                let jk = table[j * p + k] as usize;
                if table[ij * p + k] != table[i * p + jk] {
                    return refuse("associative", format!("({i}·{j})·{k} differs from {i}·({j}·{k})"));
                }
            }
        }
    }
    Ok(())
}
