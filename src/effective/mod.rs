//! The effective theory of representation learning: when embeddings of symbols become structured.
//!
//! Symbols 0..p with embeddings E_k ∈ R^d learn an operation from samples (i, j) with label i + j. Two
//! samples with the same label are a *parallelogram* a_q = e_i + e_j − e_m − e_n; a model that fits them
//! pulls E_i + E_j and E_m + E_n together.
//!
//! | quantity | definition | convention |
//! |---|---|---|
//! | parallelograms | P0(D): unordered pairs of different samples of D with equal labels | diagonal samples count |
//! | G_D | Σ_q a_q a_qᵀ, integers | over P0(D) |
//! | nullity n0 | p − rank G_D, computed exactly | ≥ 2 for addition, ≥ 1 modulo p |
//! | loss | ℓ = tr(EᵀGE)/(N·Z0), Z0 = Σ‖E_k‖² | N = \|P0(D)\| ([`Convention::Mean`]) or 1 ([`Convention::Sum`]) |
//! | Hessian | H = 2G/(N·Z0) | Z0 by [`Normalisation`] |
//! | rate | λ3, the third smallest eigenvalue of H; t_h = 1/λ3 | 0 when n0 > 2 |
//! | RQI | fraction of P0(D0) that are parallelograms of the embeddings | within δ by [`Match`] |
//!
//! The way of the data: a [`Task`] and its samples are a [`Problem`]; its [`Spectrum`] is computed once and
//! gives any number of [`Flow`]s, each of which answers any time in closed form and finds the certified
//! first time at which the RQI passes a threshold. [`Ensemble`] draws many training sets. Formulas and
//! derivations: `theory/effective.md`.
//!
//! Source: Liu, Kitouni, Nolte, Michaud, Tegmark, Williams, "Towards Understanding Grokking: An Effective
//! Theory of Representation Learning", arXiv 2205.10343.
//!
//! ```
//! use groktime::effective::{Convention, Normalisation, Problem, Task};
//!
//! // All 55 sums of ten symbols: 70 parallelograms, a unique linear structure.
//! let problem = Problem::full(Task::addition(10)?);
//! assert_eq!((problem.parallelograms(), problem.nullity().value), (70, 2));
//! let spectrum = problem.spectrum(Default::default())?;
//! let rate = spectrum.lambda3(Convention::Mean, Normalisation::Symbols);
//! assert!((rate - 0.6 / 7.0).abs() < 1e-12); // 12·6/(4·21)/p
//! # Ok::<(), groktime::Error>(())
//! ```

mod assembly;
pub mod classes;
mod crossing;
mod ensemble;
mod euler;
mod flow;
mod group;
mod growth;
mod observables;
mod parallelograms;
mod rank;
mod rounding;
mod smallest;
mod smith;
mod spectrum;
mod tangent;
pub mod theorems;
pub mod two_body;

pub use crate::data::components::{effective_dimension, principal_components};
pub use ensemble::{Ensemble, HittingTimes, Ideal, Proportion, Rate};
pub use euler::Euler;
pub use flow::{Flow, Gradient, Settings};
pub use group::{Pair, Task};
pub use observables::{Match, normalised, predicted_accuracy, rqi, rqi_of_products};
pub use parallelograms::{Parallelograms, full_parallelograms};
pub use rank::{Implied, Nullity};
pub use smallest::{Proof, Smallest};
pub use smith::smith_invariants;
pub use spectrum::{Convention, Normalisation, Spectrum, even_third_eigenvalue};
pub use tangent::Tangent;

use crate::error::{Error, Result};
use crate::linalg::Engine;

/// What to do with a sample that is given twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// It is an error.
    #[default]
    Refuse,
    /// It counts once.
    Ignore,
}

/// A task and the samples D that are trained on.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    task: Task,
    /// Sorted by class, in the order given within a class.
    samples: Vec<Pair>,
    /// Samples of class s are `samples[starts[s]..starts[s + 1]]`.
    starts: Vec<usize>,
}

impl Problem {
    /// The given training samples.
    ///
    /// # Errors
    /// No sample, a symbol that is not below p, a sample given twice (unless ignored).
    ///
    /// ```
    /// use groktime::effective::{Duplicates, Problem, Task};
    /// // (2,4) is given twice, once as (4,2).
    /// let pairs = [[0, 2], [0, 4], [1, 1], [1, 3], [1, 5], [2, 4], [3, 3], [4, 2]];
    /// assert!(Problem::new(Task::addition(6)?, &pairs, Duplicates::Refuse).is_err());
    /// let problem = Problem::new(Task::addition(6)?, &pairs, Duplicates::Ignore)?;
    /// assert_eq!((problem.samples().len(), problem.nullity().value), (7, 2));
    /// # Ok::<(), groktime::Error>(())
    /// ```
    pub fn new(task: Task, pairs: &[Pair], duplicates: Duplicates) -> Result<Problem> {
        let p = task.symbols();
        if pairs.is_empty() {
            return Err(Error::Empty { name: "training set", shape: vec![0, 2] });
        }
        for &[i, j] in pairs {
            if i as usize >= p || j as usize >= p {
                return Err(Error::Parameter {
                    name: "symbol of a sample",
                    value: f64::from(i.max(j)),
                    expected: format!("below p = {p} in the pair ({i}, {j})"),
                });
            }
        }
        let problem = Problem::gather(task, pairs.iter().copied());
        let mut seen = problem.samples.clone();
        seen.sort_unstable();
        let twice = seen.windows(2).find(|w| w[0] == w[1]).map(|w| w[0]);
        match (twice, duplicates) {
            (None, _) => Ok(problem),
            (Some([i, j]), Duplicates::Refuse) => Err(Error::Parameter {
                name: "number of times a sample is given",
                value: 2.0,
                expected: format!("each pair once, but ({i}, {j}) repeats"),
            }),
            (Some(_), Duplicates::Ignore) => {
                seen.dedup();
                Ok(Problem::gather(problem.task, seen))
            }
        }
    }

    /// All samples of the task, D = D0.
    pub fn full(task: Task) -> Problem {
        let pairs = task.all_pairs();
        Problem::gather(task, pairs)
    }

    /// A uniformly random training set of the given size.
    ///
    /// # Errors
    /// A size of zero or above |D0|.
    pub fn random(task: Task, size: usize, seed: u64) -> Result<Problem> {
        let pairs = task.random_pairs(size, seed)?;
        Ok(Problem::gather(task, pairs))
    }

    /// Sorts samples into classes.
    fn gather(task: Task, pairs: impl IntoIterator<Item = Pair>) -> Problem {
        let pairs: Vec<Pair> = pairs.into_iter().map(|pair| task.standard(pair)).collect();
        let class = |[i, j]: Pair| task.class(i as usize, j as usize);
        let mut starts = vec![0; task.classes() + 1];
        for &pair in &pairs {
            starts[class(pair) + 1] += 1;
        }
        for s in 0..task.classes() {
            starts[s + 1] += starts[s];
        }
        let mut next = starts.clone();
        let mut samples = vec![[0, 0]; pairs.len()];
        for &pair in &pairs {
            let place = &mut next[class(pair)];
            samples[*place] = pair;
            *place += 1;
        }
        Problem { task, samples, starts }
    }

    pub fn task(&self) -> &Task {
        &self.task
    }

    /// p.
    pub fn symbols(&self) -> usize {
        self.task.symbols()
    }

    /// The training samples, sorted by class.
    pub fn samples(&self) -> &[Pair] {
        &self.samples
    }

    /// The training samples of one class (label).
    pub fn class(&self, s: usize) -> &[Pair] {
        &self.samples[self.starts[s]..self.starts[s + 1]]
    }

    /// Samples of every class in turn.
    pub fn classes(&self) -> impl Iterator<Item = &[Pair]> {
        self.starts.windows(2).map(|w| &self.samples[w[0]..w[1]])
    }

    /// Whether a sample is trained on.
    pub fn contains(&self, pair: Pair) -> bool {
        let [i, j] = self.task.standard(pair);
        let p = self.symbols() as u32;
        i < p && j < p && self.class(self.task.class(i as usize, j as usize)).contains(&[i, j])
    }

    /// Decomposes G: all that is expensive, once.
    ///
    /// # Errors
    /// The eigendecomposition does not converge.
    pub fn spectrum(&self, engine: Engine) -> Result<Spectrum<'_>> {
        let p = self.symbols();
        crate::memory::check_array("the decomposition of G", &[4, p, p])?;
        Spectrum::new(self, engine)
    }
}
