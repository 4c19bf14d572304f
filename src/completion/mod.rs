//! Matrix completion by W = UUᵀ − VVᵀ from a large initialisation with weight decay: first the observed
//! entries are filled and the others stay zero (the kernel regime), later, around t = log α/λ, the flow turns
//! to the completion of smallest nuclear norm.
//!
//! The flow is U' = −∂_U 𝓛 − λU, V' = −∂_V 𝓛 − λV with 𝓛 = (1/n) Σ (W_ij − y_ij)², one unit of time being
//! 1/η steps of descent. It closes exactly in the symmetric matrices W and A = UUᵀ + VVᵀ
//! (theory/completion.md (4), (5)), whose only stiff directions are the observed entries.
//!
//! ```
//! use groktime::completion::{Init, Problem, Settings};
//! use groktime::data::Observations;
//! use groktime::data::matrices::{multiplication_table, random_mask};
//! use groktime::trajectory::{Observable, Trajectory};
//!
//! let truth = multiplication_table(12);
//! let seen = Observations::from_mask(truth.view(), random_mask(12, 80, 1)?.view())?;
//! let problem = Problem::new(seen, Some(truth), Init::Identity { coordinate: 10.0 })?;
//! let log_alpha = 10.0_f64.ln();
//! let settings = Settings { weight_decay: 1e-4, horizon: 3.0 * log_alpha / 1e-4, ..Settings::default() };
//! let solution = problem.flow(&settings)?;
//! let table = solution.observe(&[0.2 * log_alpha / 1e-4, settings.horizon], &[Observable::TestLoss])?;
//! let test: Vec<f64> = table.column(Observable::TestLoss).into_iter().flatten().collect();
//! assert!(test[1] < 1e-4 * test[0], "{test:?}"); // memorised, then completed
//! # Ok::<(), groktime::Error>(())
//! ```

mod accuracy;
mod factors;
mod flow;
mod graded;
mod inside;
mod kernel;
mod march;
mod run;
mod slow;
mod solution;
mod symmetric;
pub mod theorems;
mod watch;

use ndarray::{Array2, ArrayView2};

use crate::data::Observations;
use crate::data::features::{gaussian_matrix, generator};
use crate::error::{Error, Result, check, check_finite, check_shape};
use crate::linalg::{Engine, Threads, check_symmetric};

pub use accuracy::PathError;
pub use slow::SlowSettings;
pub use solution::{Diagnostics, Solution};

/// U(0) and V(0).
#[derive(Clone, Debug, PartialEq)]
pub enum Init {
    /// U = V = αI.
    Identity { coordinate: f64 },
    /// Entries of U and V drawn from N(α·1{i = j}, σ²): Theorem 3.12 of arXiv 2311.18817.
    Perturbed { coordinate: f64, std: f64, seed: u64 },
    /// Any U (d × k) and V (d × l).
    Factors { u: Array2<f64>, v: Array2<f64> },
}

/// A completion problem.
#[derive(Clone, Debug)]
pub struct Problem {
    pub(crate) observations: Observations,
    pub(crate) truth: Option<Array2<f64>>,
    pub(crate) init: Init,
}

/// What is solved and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// λ ≥ 0.
    pub weight_decay: f64,
    /// The last time, in units of flow (step size × steps).
    pub horizon: f64,
    /// Relative tolerance of the integration, in [1e-11, 1e-6]. The error of W along the path is a few times
    /// this to some tens of times during the transition.
    pub rtol: f64,
    /// Eigenvalues below this part of the largest do not count in the rank.
    pub rank_tolerance: f64,
    pub threads: Threads,
    pub record: Record,
}

/// What of the path is kept.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// The solution answers at any time. Takes 12d² bytes a step, of which there are a few hundred: 50 MB for
    /// d = 100, half a gigabyte for d = 300; choose the other one above.
    Path,
    /// The matrix at these times only.
    At(Vec<f64>),
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            weight_decay: 1e-4,
            horizon: 1e5,
            rtol: 1e-8,
            rank_tolerance: 1e-6,
            threads: Threads::One,
            record: Record::Path,
        }
    }
}

/// Range of relative tolerances: above it the path is not safe, below it rounding decides.
pub const RTOL: std::ops::RangeInclusive<f64> = 1e-11..=1e-6;

impl Problem {
    /// A problem; `truth` is the matrix to recover, NaN where it is not known.
    ///
    /// # Errors
    /// A truth that is not symmetric where it is known or of another size, α ≤ 0, a negative or not finite σ,
    /// factors with other than d rows.
    ///
    /// ```
    /// use groktime::completion::{Init, Problem};
    /// use groktime::data::Observations;
    /// let seen = Observations::from_list(2, &[(0, 1, 1.0)])?;
    /// assert!(Problem::new(seen.clone(), None, Init::Identity { coordinate: 0.0 }).is_err());
    /// assert!(Problem::new(seen, None, Init::Identity { coordinate: 1.0 }).is_ok());
    /// # Ok::<(), groktime::Error>(())
    /// ```
    pub fn new(observations: Observations, truth: Option<Array2<f64>>, init: Init) -> Result<Problem> {
        let d = observations.dimension();
        // W and A, the work space of the flow and the arrays of an integrator.
        crate::memory::check_array("the state of the flow", &[48, d, d])?;
        if let Some(x) = &truth {
            check_shape("matrix to recover", x.shape(), &[d, d], "the dimension of the observations")?;
            let known =
                Array2::from_shape_fn((d, d), |(i, j)| match x[(i, j)].is_nan() || x[(j, i)].is_nan() {
                    true => 0.0,
                    false => x[(i, j)],
                });
            check_symmetric("matrix to recover", known.view())?;
        }
        match &init {
            Init::Identity { coordinate } => {
                check("initial coordinate", *coordinate, |a| a > 0.0, "a positive number")?;
            }
            Init::Perturbed { coordinate, std, .. } => {
                check("initial coordinate", *coordinate, |a| a > 0.0, "a positive number")?;
                check("perturbation", *std, |s| s >= 0.0, "at least 0")?;
            }
            Init::Factors { u, v } => {
                for (name, factor) in [("U(0)", u), ("V(0)", v)] {
                    check_finite(name, factor.view())?;
                    check_shape(name, factor.shape(), &[d, factor.ncols()], "one row for each index")?;
                }
            }
        }
        Ok(Problem { observations, truth, init })
    }

    pub fn observations(&self) -> &Observations {
        &self.observations
    }

    /// The matrix to recover.
    pub fn truth(&self) -> Option<ArrayView2<'_, f64>> {
        self.truth.as_ref().map(|x| x.view())
    }

    pub fn init(&self) -> &Init {
        &self.init
    }

    /// d.
    pub fn dimension(&self) -> usize {
        self.observations.dimension()
    }

    /// What the test loss must end at or above, because the flow from a multiple of the identity never leaves
    /// zero at the entries that [`Graph::reaches`](crate::data::observations::Graph::reaches) excludes; `None`
    /// without a known test entry or for another initialisation.
    pub fn test_loss_floor(&self) -> Option<f64> {
        let (x, Init::Identity { .. }) = (self.truth.as_ref()?, &self.init) else { return None };
        let (graph, mask) = (self.observations.graph(), self.observations.mask());
        let test = x.indexed_iter().filter(|(at, x)| !mask[*at] && !x.is_nan());
        let (mut sum, mut count) = (0.0, 0_usize);
        for ((i, j), x) in test {
            count += 1;
            if !graph.reaches(i, j) {
                sum += x * x;
            }
        }
        (count > 0).then(|| sum / count as f64)
    }

    /// W(0) and A(0), and the invariant of the flow.
    fn start(&self) -> Result<Start> {
        let d = self.dimension();
        if let Init::Identity { coordinate } = self.init {
            let square = coordinate * coordinate;
            return Ok(Start {
                w: Array2::zeros((d, d)),
                a: Array2::eye(d) * (2.0 * square),
                invariant: Invariant::Matrix { square },
            });
        }
        let (u, v) = self.factors();
        let engine = Engine::SEQUENTIAL;
        let (plus, minus) = (engine.gram(u.view()), engine.gram(v.view()));
        let cross = engine.matmul(v.t(), u.view())?;
        let size = match cross.is_empty() {
            true => 0.0,
            false => engine.thin_svd(cross.view())?.values[0],
        };
        let total = cross.iter().map(|x| x * x).sum();
        let (w, a) = (&plus - &minus, &plus + &minus);
        Ok(Start { w, a, invariant: Invariant::Scalar { total, size } })
    }

    /// A horizon that shows the whole story. With decay, three times |ln α|/λ (at least 3/λ): a start of size α has
    /// decayed to αe^{−λt}, or from a small start every direction had the time to grow. Without decay there is only the fit:
    /// ten times as long as its slowest rate at the start (4α²/n) needs, or from a small start as its fastest
    /// rate (‖y‖/n) needs to grow from α.
    pub fn default_horizon(&self, weight_decay: f64) -> f64 {
        let logarithm = self.size_of_start().ln().abs().clamp(1.0, 1e3);
        if weight_decay > 0.0 {
            return (3.0 * logarithm / weight_decay).min(1e300);
        }
        let n = self.observations.count() as f64;
        let data = self.observations.pairs().iter().fold(0.0_f64, |m, p| m.max(p.value.abs()));
        let rate = (4.0 * self.size_of_start().powi(2)).max(2.0 * data) / n;
        if rate > 0.0 { (30.0 * logarithm / rate).min(1e300) } else { 1.0 }
    }

    /// The same on the clock τ = λt of the slow flow.
    pub fn default_slow_horizon(&self) -> f64 {
        self.default_horizon(1.0)
    }

    /// α or the size of its perturbation, or the root mean square of the columns of U(0) and V(0).
    fn size_of_start(&self) -> f64 {
        match &self.init {
            Init::Identity { coordinate } => *coordinate,
            Init::Perturbed { coordinate, std, .. } => coordinate.max(std * (self.dimension() as f64).sqrt()),
            Init::Factors { u, v } => {
                let sum: f64 = u.iter().chain(v).map(|x| x * x).sum();
                let size = (sum / (u.ncols() + v.ncols()).max(1) as f64).sqrt();
                if size > 0.0 { size } else { 1.0 }
            }
        }
    }

    /// U(0) and V(0).
    pub fn factors(&self) -> (Array2<f64>, Array2<f64>) {
        let d = self.dimension();
        match &self.init {
            Init::Identity { coordinate } => (Array2::eye(d) * *coordinate, Array2::eye(d) * *coordinate),
            Init::Perturbed { coordinate, std, seed } => {
                let draw = |stream| {
                    let noise = gaussian_matrix(d, d, std * std, &mut generator(*seed, stream));
                    noise + Array2::<f64>::eye(d) * *coordinate
                };
                (draw(0), draw(1))
            }
            Init::Factors { u, v } => (u.clone(), v.clone()),
        }
    }
}

/// Initial values in the variables of the flow.
struct Start {
    w: Array2<f64>,
    a: Array2<f64>,
    invariant: Invariant,
}

/// What the exact flow conserves: e^{2λt} VᵀU. In terms of W and A this is
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Invariant {
    /// A² − W² = 4α⁴ e^{−4λt} I, for U(0) = V(0) = αI; `square` is α².
    Matrix { square: f64 },
    /// ‖A‖² − ‖W‖² = 4 e^{−4λt} ‖V(0)ᵀU(0)‖² in the Frobenius norm, for any start; `total` is
    /// ‖V(0)ᵀU(0)‖²_F, `size` its largest singular value.
    Scalar { total: f64, size: f64 },
}

impl Invariant {
    /// The size of VᵀU at a time: a² = α²e^{−2λt} from a multiple of the identity.
    pub fn size(&self, decay: f64) -> f64 {
        match self {
            Invariant::Matrix { square: size } | Invariant::Scalar { size, .. } => {
                size * (-2.0 * decay).exp()
            }
        }
    }
}

impl Settings {
    fn check(&self, rtol: std::ops::RangeInclusive<f64>) -> Result<()> {
        check("weight decay", self.weight_decay, |l| l >= 0.0, "at least 0")?;
        check("horizon", self.horizon, |t| t > 0.0, "a positive time")?;
        let expected = format!(
            "a tolerance in [{:e}, {:e}]: beyond it the flow of W and A is not safe",
            rtol.start(),
            rtol.end()
        );
        check("rtol", self.rtol, |r| rtol.contains(&r), &expected)?;
        check("rank tolerance", self.rank_tolerance, |r| (0.0..1.0).contains(&r), "a number in [0, 1)")?;
        if let Record::At(times) = &self.record {
            for &t in times {
                check("time", t, |t| t >= 0.0, "at least 0")?;
                if t > self.horizon {
                    return Err(Error::PastHorizon { time: t, horizon: self.horizon });
                }
            }
        }
        Ok(())
    }
}
