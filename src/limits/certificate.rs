//! The face of optimal multipliers of basis pursuit, and the point of it that sets how fast the
//! coordinates off the support die.

use ndarray::{Array1, Array2, Axis, concatenate};

use super::interior_point::{Fit, Program};
use super::min_l1::MinL1;
use super::newton::{Rows, norm};
use super::polish;
use crate::data::Design;
use crate::error::{Result, check_shape};
use crate::linalg::{Engine, Threads};

/// The optimal multipliers of [`min_l1`](super::min_l1()): all ν with (Xᵀν)_k at its bound on the support
/// and within bounds elsewhere.
#[derive(Clone, Debug)]
pub struct DualFace {
    /// Its dimension: 0 where the multipliers are unique.
    pub dimension: usize,
    /// The least max of |(Xᵀν)_k|/c_k off the support over the face: t. A coordinate of a diagonal net of
    /// depth two dies like a^{2(1−t)} or faster, so the width of the transition is about 1/(2λ(1−t)).
    pub minimax: f64,
    /// A lower bound on it, by duality.
    pub minimax_bound: f64,
    /// ν that attains it.
    pub multipliers: Array1<f64>,
    /// max of |(Xᵀν)_k|/c_k off the support for the multipliers that the interior point ends at, which are in
    /// the middle of the face: not what sets the width.
    pub central: f64,
}

/// Cost of the coordinates of the support, which no point of the face changes: a least minimax of 1e-8.
const OUT_OF_REACH: f64 = 1e8;

impl MinL1 {
    /// The face of optimal multipliers of this solution on the data `x` it was computed for.
    ///
    /// ```
    /// use groktime::data::Design;
    /// use groktime::limits::min_l1;
    /// let x = Design::new(ndarray::array![[1.0, 0.0, 0.5], [0.0, 0.0, 0.5]].view())?;
    /// let w = min_l1(&x, &[1.0, 0.0], Default::default())?.found().unwrap();
    /// let face = w.dual_face(&x, Default::default())?; // ν = (1, t), and t = −1 makes Xᵀν = (1, 0, 0)
    /// assert_eq!(face.dimension, 1);
    /// assert!(face.minimax < 1e-7 && (face.multipliers[1] + 1.0).abs() < 1e-7);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    ///
    /// # Errors
    /// Other data; the interior point does not converge.
    pub fn dual_face(&self, x: &Design, threads: Threads) -> Result<DualFace> {
        let (n, d) = (x.samples(), x.dimension());
        check_shape("data", &[n, d], &[self.multipliers.len(), self.weights.len()], "those of the solution")?;
        let mut columns = Array2::zeros((n, self.support.len()));
        let mut values = vec![0.0; n];
        for (mut column, &k) in columns.columns_mut().into_iter().zip(&self.support) {
            x.coordinate(k, &mut values);
            column.assign(&ndarray::aview1(&values));
        }
        let (free, fixed) = split(&columns, &self.multipliers)?;
        let unchanged = DualFace {
            dimension: free.nrows(),
            minimax: self.off_support,
            minimax_bound: self.off_support,
            multipliers: self.multipliers.clone(),
            central: self.off_support,
        };
        let size = norm(&fixed);
        if free.nrows() == 0 || size == 0.0 {
            return Ok(unchanged);
        }
        // (12): with the rows M = (N, ν₀/|ν₀|) the multipliers of min c|w| s.t. MXw = (0, 1) are (η, κ) with
        // |Xᵀ(Nη + κν₀/|ν₀|)| ≤ c and the largest κ; κ/|ν₀| = 1/t.
        let last = Array2::from_shape_fn((1, n), |(_, i)| fixed[i] / size);
        let rows = concatenate(Axis(0), &[free.view(), last.view()])
            .map_err(|e| crate::error::Error::Numerical { method: "dual face", detail: e.to_string() })?;
        let costs = |costs: &[f64]| {
            let mut costs = costs.to_vec();
            self.support.iter().for_each(|&k| costs[k] *= OUT_OF_REACH);
            costs
        };
        let (plus, minus) = (costs(&self.plus), costs(&self.minus));
        let mut goal = vec![0.0; rows.nrows()];
        goal[free.nrows()] = 1.0;
        let program = Program {
            rows: Rows { combined: Some(rows.view()), ..Rows::of(x, threads) },
            plus: &plus,
            minus: &minus,
            fit: Fit::Equal(&goal),
        };
        let mut point = polish::linear(&program, &program.solve()?)?;
        let report = polish::report(&program, &mut point)?;
        let kappa = point.multipliers[free.nrows()];
        let multipliers: Array1<f64> = rows.t().dot(&Array1::from(point.multipliers)) * (size / kappa);
        if size / kappa >= self.off_support {
            // The multipliers at hand are a vertex of the face that attains the least maximum already.
            return Ok(DualFace {
                minimax_bound: (size / report.objective).min(self.off_support),
                ..unchanged
            });
        }
        Ok(DualFace {
            minimax: size / kappa,
            minimax_bound: size / report.objective,
            multipliers,
            ..unchanged
        })
    }
}

/// An orthonormal basis N (as rows) of what is orthogonal to the columns, and ν less its part there.
fn split(columns: &Array2<f64>, nu: &Array1<f64>) -> Result<(Array2<f64>, Vec<f64>)> {
    let n = columns.nrows();
    if columns.ncols() == 0 {
        return Ok((Array2::eye(n), vec![0.0; n]));
    }
    let eigen = Engine::SEQUENTIAL.eigh(Engine::SEQUENTIAL.gram(columns.view()).view())?;
    let cut = 1e-12 * eigen.values[n - 1];
    let zeros = eigen.values.iter().filter(|value| **value <= cut).count();
    let free = eigen.vectors.slice(ndarray::s![.., ..zeros]).t().as_standard_layout().into_owned();
    let fixed = nu - &free.t().dot(&free.dot(nu));
    Ok((free, fixed.to_vec()))
}
