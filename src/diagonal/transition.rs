//! From the kernel to the max-margin solution, measured: how near the weights are to either limit.
//!
//! The limits come from solvers that know nothing of the flow ([`crate::limits`]).

use ndarray::{Array1, ArrayView1};

use super::{Init, Problem, Snapshot};
use crate::error::Result;
use crate::limits::{Limit, max_margin_l1, max_margin_l2, min_norm, min_weighted_l1};
use crate::linalg::Threads;

/// Where a net starts from and tends to, at large initialisation and small weight decay.
///
/// | loss | kernel limit | rich limit |
/// |---|---|---|
/// | exponential, logistic | L2 max margin | L1 max margin |
/// | squared | minimum L2 norm | minimum L1 norm, weighted by u₀^{2−L} and v₀^{2−L} at depth L |
#[derive(Clone, Debug)]
pub struct Limits {
    pub kernel: Array1<f64>,
    pub rich: Array1<f64>,
    /// The largest margins over ‖w‖₂ = 1 and over ‖w‖₁ = 1; `None` for squared loss.
    pub margin_l2: Option<f64>,
    pub margin_l1: Option<f64>,
    /// max |s_k| off the support of the rich limit, s = Xᵀν its certificate: coordinates of a squared
    /// loss at depth two die like e^{−2λt(1 − |s_k|)}.
    pub off_support: f64,
}

/// Weights against both limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alignment {
    /// Cosines of the weights with the limits; `None` at w = 0.
    pub cosine_kernel: Option<f64>,
    pub cosine_rich: Option<f64>,
    /// Margin over ‖w‖₂ and over ‖w‖₁ as parts of the largest ones; `None` for squared loss.
    pub margin_l2: Option<f64>,
    pub margin_l1: Option<f64>,
}

impl Limits {
    /// Both limits of a problem; `None` when the data are not separable, or no weights interpolate them.
    ///
    /// # Errors
    /// A start that does not fit the data; a solver that does not converge.
    ///
    /// ```
    /// use groktime::Loss;
    /// use groktime::data::Design;
    /// use groktime::diagonal::{Init, Limits, Problem};
    /// let x = Design::new(ndarray::array![[3.0, 4.0]].view())?;
    /// let problem = Problem::new(x, vec![1.0], Loss::Logistic)?;
    /// let limits = Limits::new(&problem, &Init::Symmetric(1.0), 2, Default::default())?.unwrap();
    /// assert!((limits.margin_l2.unwrap() - 5.0).abs() < 1e-12); // w ∝ (3, 4)
    /// assert!((limits.margin_l1.unwrap() - 4.0).abs() < 1e-12); // w ∝ (0, 1)
    /// # Ok::<(), groktime::Error>(())
    /// ```
    pub fn new(problem: &Problem, init: &Init, depth: u32, threads: Threads) -> Result<Option<Limits>> {
        let (x, y) = (problem.design(), problem.labels());
        init.validate(x.dimension(), depth)?;
        if problem.loss().is_margin() {
            let (Limit::Found(kernel), Limit::Found(rich)) =
                (max_margin_l2(x, y, threads)?, max_margin_l1(x, y, threads)?)
            else {
                return Ok(None);
            };
            return Ok(Some(Limits {
                kernel: kernel.weights,
                margin_l2: Some(kernel.margin),
                rich: rich.weights,
                margin_l1: Some(rich.margin),
                off_support: rich.off_support,
            }));
        }
        let (plus, minus) = costs(init, depth, x.dimension());
        let (Limit::Found(kernel), Limit::Found(rich)) =
            (min_norm(x, y, threads)?, min_weighted_l1(x, y, &plus, &minus, threads)?)
        else {
            return Ok(None);
        };
        Ok(Some(Limits {
            kernel: kernel.weights,
            rich: rich.weights,
            margin_l2: None,
            margin_l1: None,
            off_support: rich.off_support,
        }))
    }

    /// How near a net is to either limit.
    pub fn compare(&self, net: &Snapshot) -> Alignment {
        let part = |margin: Option<f64>, best: Option<f64>| Some(margin? / best?);
        Alignment {
            cosine_kernel: cosine(net.weights.view(), self.kernel.view()),
            cosine_rich: cosine(net.weights.view(), self.rich.view()),
            margin_l2: part(net.margin_l2, self.margin_l2),
            margin_l1: part(net.margin_l1, self.margin_l1),
        }
    }
}

/// The costs c⁺ and c⁻ of the rich limit of a squared loss, (D12); their scale does not matter.
fn costs(init: &Init, depth: u32, dimension: usize) -> (Vec<f64>, Vec<f64>) {
    let power = 2.0 - f64::from(depth);
    match init {
        Init::Each { u, v } if depth > 2 => {
            let largest = u.iter().chain(v).fold(0.0_f64, |m, x| m.max(*x));
            let cost = |x: &f64| libm::pow(x / largest, power);
            (u.iter().map(cost).collect(), v.iter().map(cost).collect())
        }
        _ => (vec![1.0; dimension], vec![1.0; dimension]),
    }
}

/// ⟨a, b⟩/(‖a‖‖b‖), `None` where one is zero.
fn cosine(a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>) -> Option<f64> {
    let (a_norm, b_norm) = (a.dot(&a).sqrt(), b.dot(&b).sqrt());
    (a_norm > 0.0 && b_norm > 0.0).then(|| a.dot(&b) / a_norm / b_norm)
}
