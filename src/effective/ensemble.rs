//! Many random training sets: how likely a unique structure is, and how fast it would be learned.
//!
//! Every trial has its own random stream, and trials are dealt out in fixed chunks: results are the same
//! bits for any number of threads.

use rayon::prelude::*;
use statrs::distribution::{Beta, ContinuousCDF};

use super::group::{Pair, Task, check_size, partial_shuffle};
use super::rank::Echelon;
use super::spectrum::{Convention, Normalisation};
use super::{Duplicates, Problem};
use crate::data::features::generator;
use crate::error::{Result, check};
use crate::linalg::EigenvalueWorkspace;

/// Random training sets of one task.
///
/// ```
/// use groktime::effective::{Ensemble, Task};
/// let ensemble = Ensemble { task: Task::addition(10)?, trials: 2000, seed: 0 };
/// // Half of all sets of 22 to 23 sums (41% of 55) have a unique linear structure.
/// let p = ensemble.unique(22)?;
/// assert!(p.interval(0.999)?.0 < 0.4334 && p.interval(0.999)?.1 > 0.4334);
/// # Ok::<(), groktime::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Ensemble {
    pub task: Task,
    /// Number of independent training sets.
    pub trials: usize,
    pub seed: u64,
}

/// Trials of one chunk share a work space.
const CHUNK: usize = 128;

/// Successes among independent trials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proportion {
    pub successes: usize,
    pub trials: usize,
}

impl Proportion {
    /// successes/trials.
    pub fn estimate(self) -> f64 {
        self.successes as f64 / self.trials as f64
    }

    /// Clopper–Pearson interval: covers the true probability with at least the given confidence.
    ///
    /// ```
    /// use groktime::effective::Proportion;
    /// let (lo, hi) = Proportion { successes: 0, trials: 100 }.interval(0.95)?;
    /// assert!(lo == 0.0 && (hi - 0.0362).abs() < 1e-4);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    ///
    /// # Errors
    /// A confidence outside (0, 1).
    pub fn interval(self, confidence: f64) -> Result<(f64, f64)> {
        check("confidence", confidence, |c| c > 0.0 && c < 1.0, "between 0 and 1")?;
        let tail = 0.5 * (1.0 - confidence);
        let (k, n) = (self.successes as f64, self.trials as f64);
        let quantile = |a: f64, b: f64, q: f64| Beta::new(a, b).map_or(f64::NAN, |beta| beta.inverse_cdf(q));
        let low = if k == 0.0 { 0.0 } else { quantile(k, n - k + 1.0, tail) };
        let high = if k == n { 1.0 } else { quantile(k + 1.0, n - k, 1.0 - tail) };
        Ok((low, high))
    }
}

/// The slow end of one training set's spectrum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// The first eigenvalue of G that full data make positive: μ3 for addition; 0 when the structure is
    /// not unique.
    pub mu: f64,
    /// N = |P0(D)|.
    pub parallelograms: u64,
}

impl Rate {
    /// The eigenvalue of H = 2G/(N·Z0).
    pub fn lambda(self, symbols: usize, convention: Convention, normalisation: Normalisation) -> f64 {
        if self.mu == 0.0 {
            return 0.0;
        }
        2.0 * self.mu / (convention.divisor(self.parallelograms) * normalisation.z0(symbols))
    }
}

/// Averages over training sets of what an ideal model knows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ideal {
    pub rqi: f64,
    pub accuracy: f64,
    /// Standard errors of the two means.
    pub rqi_error: f64,
    pub accuracy_error: f64,
}

/// How many samples, in random order, it takes until the structure is unique: one order is one draw of the
/// whole curve P(unique) against |D|, since nullity never rises.
#[derive(Clone, Debug, PartialEq)]
pub struct HittingTimes {
    /// Ascending.
    pub sorted: Vec<usize>,
    /// |D0|.
    pub samples: usize,
}

impl HittingTimes {
    /// P(unique) for training sets of `size` samples.
    pub fn unique(&self, size: usize) -> Proportion {
        Proportion { successes: self.sorted.partition_point(|&t| t <= size), trials: self.sorted.len() }
    }

    /// The q-quantile (nearest rank), q in [0, 1].
    pub fn quantile(&self, q: f64) -> usize {
        self.sorted[(q.clamp(0.0, 1.0) * (self.sorted.len() - 1) as f64).round() as usize]
    }

    pub fn mean(&self) -> f64 {
        self.sorted.iter().sum::<usize>() as f64 / self.sorted.len() as f64
    }

    /// |D| at which P(unique) = 1/2, interpolated between neighbouring sizes.
    pub fn half(&self) -> f64 {
        let above = self.quantile(0.5);
        let p = |n: usize| self.unique(n).estimate();
        // The first size at or above one half, and the one before.
        let above = (above.saturating_sub(1)..=above + 1).find(|&n| p(n) >= 0.5).unwrap_or(above);
        let (low, high) = (p(above.saturating_sub(1)), p(above));
        above as f64 - if high > low { (high - 0.5) / (high - low) } else { 0.0 }
    }

    /// Critical fraction r_c = |D|_half/|D0| with an interval that covers it with the given confidence
    /// (order statistics, rounded outwards to whole samples).
    ///
    /// # Errors
    /// A confidence outside (0, 1).
    pub fn critical_fraction(&self, confidence: f64) -> Result<(f64, (f64, f64))> {
        let (low, high) = Proportion { successes: self.sorted.len() / 2, trials: self.sorted.len() }
            .interval(confidence)?;
        let all = self.samples as f64;
        let ends = ((self.quantile(low) as f64 - 1.0) / all, self.quantile(high) as f64 / all);
        Ok((self.half() / all, ends))
    }
}

/// What one chunk of trials works with.
struct Bench<'a> {
    task: &'a Task,
    all: &'a [Pair],
    classes: &'a [u32],
    order: Vec<u32>,
    first: Vec<Option<Pair>>,
    echelon: Echelon,
    enough: usize,
}

impl<'a> Bench<'a> {
    fn new(task: &'a Task, all: &'a [Pair], classes: &'a [u32]) -> Bench<'a> {
        let p = task.symbols();
        Bench {
            task,
            all,
            classes,
            order: Vec::with_capacity(all.len()),
            first: vec![None; task.classes()],
            echelon: Echelon::new(p),
            enough: p - task.smallest_nullity(),
        }
    }

    /// A random order of which the first `size` samples are uniform.
    fn draw(&mut self, seed: u64, trial: usize, size: usize) {
        self.order.clear();
        self.order.extend(0..self.all.len() as u32);
        partial_shuffle(&mut self.order, size, &mut generator(seed, trial as u64));
    }

    /// Number of samples, in the drawn order, until the structure is unique; `None` if `size` do not do.
    fn hitting_time(&mut self, size: usize) -> Option<usize> {
        self.first.fill(None);
        self.echelon.clear();
        if self.enough == 0 {
            return Some(0);
        }
        for (k, &index) in self.order[..size].iter().enumerate() {
            let pair = self.all[index as usize];
            match &mut self.first[self.classes[index as usize] as usize] {
                Some(first) => {
                    self.echelon.put_difference(pair, *first);
                    if self.echelon.insert() && self.echelon.rank() == self.enough {
                        return Some(k + 1);
                    }
                }
                empty => *empty = Some(pair),
            }
        }
        None
    }
}

/// Assembles G of small problems class by class without allocation.
struct Assembly {
    p: usize,
    counts: Vec<f64>,
    /// classes × p: u_s.
    sums: Vec<f64>,
    g: Vec<f64>,
}

impl Assembly {
    fn new(task: &Task) -> Assembly {
        let p = task.symbols();
        Assembly {
            p,
            counts: vec![0.0; task.classes()],
            sums: vec![0.0; task.classes() * p],
            g: vec![0.0; p * p],
        }
    }

    /// Lower triangle of G, column by column, and N.
    fn form(&mut self, bench: &Bench<'_>, size: usize) -> (&[f64], u64) {
        let p = self.p;
        self.counts.fill(0.0);
        self.sums.fill(0.0);
        self.g.fill(0.0);
        let chosen = || {
            bench.order[..size].iter().map(|&k| (bench.all[k as usize], bench.classes[k as usize] as usize))
        };
        for ([i, j], s) in chosen() {
            self.counts[s] += 1.0;
            self.sums[s * p + i as usize] += 1.0;
            self.sums[s * p + j as usize] += 1.0;
        }
        for ([i, j], s) in chosen() {
            let (i, j, n) = (i as usize, j as usize, self.counts[s]);
            self.g[i * p + i] += n;
            self.g[j * p + j] += n;
            self.g[i * p + j] += n;
            self.g[j * p + i] += n;
        }
        for (s, &n) in self.counts.iter().enumerate().filter(|(_, n)| **n > 0.0) {
            let u = &self.sums[s * p..(s + 1) * p];
            debug_assert!(n > 0.0);
            for (k, &a) in u.iter().enumerate().filter(|(_, a)| **a != 0.0) {
                self.g[k * p + k..(k + 1) * p].iter_mut().zip(&u[k..]).for_each(|(g, b)| *g -= a * b);
            }
        }
        let pairs = self.counts.iter().map(|n| (n * (n - 1.0) / 2.0) as u64).sum();
        (&self.g, pairs)
    }
}

impl Ensemble {
    fn validate(&self) -> Result<()> {
        check("number of trials", self.trials as f64, |n| n >= 1.0, "at least 1")?;
        Ok(())
    }

    /// Runs `look` on every trial, in fixed chunks, and returns the answers in the order of the trials.
    fn each<R: Send>(
        &self,
        size: usize,
        look: impl Fn(&mut Bench<'_>, &mut Option<Scratch>) -> Result<R> + Sync,
    ) -> Result<Vec<R>> {
        self.validate()?;
        crate::memory::check_array("the results of all trials", &[8, self.trials])?;
        crate::memory::check_array("all samples of the task", &[2, self.task.samples()])?;
        let all = self.task.all_pairs();
        let classes: Vec<u32> =
            all.iter().map(|&[i, j]| self.task.class(i as usize, j as usize) as u32).collect();
        let chunks = self.trials.div_ceil(CHUNK);
        let parts = (0..chunks).into_par_iter().map(|chunk| {
            let mut bench = Bench::new(&self.task, &all, &classes);
            let mut scratch = None;
            (chunk * CHUNK..self.trials.min((chunk + 1) * CHUNK))
                .map(|trial| {
                    bench.draw(self.seed, trial, size);
                    look(&mut bench, &mut scratch)
                })
                .collect::<Result<Vec<R>>>()
        });
        Ok(parts.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// P(n0 smallest): the fraction of random training sets of a size that leave one structure only. Exact
    /// rank for each.
    ///
    /// # Errors
    /// No trial; a size of zero or above |D0|.
    pub fn unique(&self, size: usize) -> Result<Proportion> {
        check_size(&self.task, size)?;
        let hits = self.each(size, |bench, _| Ok(bench.hitting_time(size).is_some()))?;
        Ok(Proportion { successes: hits.iter().filter(|h| **h).count(), trials: self.trials })
    }

    /// Hitting times of a unique structure, one random insertion order a trial.
    ///
    /// # Errors
    /// No trial.
    pub fn hitting_times(&self) -> Result<HittingTimes> {
        let samples = self.task.samples();
        let mut sorted = self.each(samples, |bench, _| Ok(bench.hitting_time(samples).unwrap_or(samples)))?;
        sorted.sort_unstable();
        Ok(HittingTimes { sorted, samples })
    }

    /// The slow end of the spectrum of each random training set of a size, in the order of the trials.
    ///
    /// # Errors
    /// No trial; a size of zero or above |D0|; an eigenvalue iteration that does not converge.
    pub fn rates(&self, size: usize) -> Result<Vec<Rate>> {
        check_size(&self.task, size)?;
        let skip = self.task.smallest_nullity();
        self.each(size, |bench, scratch| {
            let unique = bench.hitting_time(size).is_some();
            let scratch = scratch.get_or_insert_with(|| Scratch {
                assembly: Assembly::new(bench.task),
                eigen: EigenvalueWorkspace::new(bench.task.symbols()),
            });
            let (form, parallelograms) = scratch.assembly.form(bench, size);
            let mu =
                if unique { scratch.eigen.eigenvalues(form)?.get(skip).copied().unwrap_or(0.0) } else { 0.0 };
            Ok(Rate { mu, parallelograms })
        })
    }

    /// Mean RQI-bar and Acc-bar over random training sets of a size.
    ///
    /// # Errors
    /// No trial; a size of zero or above |D0|.
    pub fn ideal(&self, size: usize) -> Result<Ideal> {
        check_size(&self.task, size)?;
        let found = self.each(size, |bench, _| {
            let pairs: Vec<Pair> = bench.order[..size].iter().map(|&k| bench.all[k as usize]).collect();
            let implied = Problem::new(bench.task.clone(), &pairs, Duplicates::Refuse)?.implied();
            Ok((implied.rqi, implied.accuracy))
        })?;
        let (rqi, rqi_error) = mean_and_error(found.iter().map(|f| f.0));
        let (accuracy, accuracy_error) = mean_and_error(found.iter().map(|f| f.1));
        Ok(Ideal { rqi, accuracy, rqi_error, accuracy_error })
    }
}

struct Scratch {
    assembly: Assembly,
    eigen: EigenvalueWorkspace,
}

fn mean_and_error(values: impl ExactSizeIterator<Item = f64> + Clone) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.clone().sum::<f64>() / n;
    let square: f64 = values.map(|x| (x - mean) * (x - mean)).sum();
    (mean, (square / (n - 1.0).max(1.0) / n).sqrt())
}
