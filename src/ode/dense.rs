//! A stiff flow from two closures, for small systems.

use ndarray::{Array2, ArrayViewMut2};

use super::{Flow, Reject, StiffFlow};
use crate::linalg::{Engine, Lu};

/// A small stiff system given by its right-hand side and its Jacobian, solved by dense LU.
///
/// `f(t, y, dy)` writes the right-hand side; `jacobian(t, y, j)` writes ∂f_i/∂y_k into `j[(i, k)]`, which is
/// zero before.
///
/// ```
/// use groktime::ode::{DenseFlow, Options, bdf};
///
/// // Robertson's reactions.
/// let mut flow = DenseFlow::new(
///     3,
///     |_, y, dy| {
///         dy[0] = -0.04 * y[0] + 1e4 * y[1] * y[2];
///         dy[2] = 3e7 * y[1] * y[1];
///         dy[1] = -dy[0] - dy[2];
///     },
///     |_, y, mut j| {
///         (j[(0, 0)], j[(0, 1)], j[(0, 2)]) = (-0.04, 1e4 * y[2], 1e4 * y[1]);
///         j[(2, 1)] = 6e7 * y[1];
///         for k in 0..3 {
///             j[(1, k)] = -j[(0, k)] - j[(2, k)];
///         }
///     },
/// );
/// let solution = bdf(&mut flow, 0.0..40.0, &[1.0, 0.0, 0.0], &Options::default())?;
/// assert!((solution.y[0] - 0.715_827_068_7).abs() < 1e-7);
/// # Ok::<(), groktime::Error>(())
/// ```
pub struct DenseFlow<F, J> {
    dimension: usize,
    f: F,
    jacobian: J,
    matrix: Array2<f64>,
    shifted: Array2<f64>,
    lu: Option<Lu>,
}

impl<F, J> DenseFlow<F, J>
where
    F: FnMut(f64, &[f64], &mut [f64]),
    J: FnMut(f64, &[f64], ArrayViewMut2<'_, f64>),
{
    /// A system of so many unknowns.
    pub fn new(dimension: usize, f: F, jacobian: J) -> Self {
        let zeros = || Array2::zeros((dimension, dimension));
        DenseFlow { dimension, f, jacobian, matrix: zeros(), shifted: zeros(), lu: None }
    }
}

impl<F, J> Flow for DenseFlow<F, J>
where
    F: FnMut(f64, &[f64], &mut [f64]),
    J: FnMut(f64, &[f64], ArrayViewMut2<'_, f64>),
{
    fn dimension(&self) -> usize {
        self.dimension
    }

    fn rhs(&mut self, t: f64, y: &[f64], dy: &mut [f64]) -> Result<(), Reject> {
        (self.f)(t, y, dy);
        Ok(())
    }
}

impl<F, J> StiffFlow for DenseFlow<F, J>
where
    F: FnMut(f64, &[f64], &mut [f64]),
    J: FnMut(f64, &[f64], ArrayViewMut2<'_, f64>),
{
    fn refresh(&mut self, t: f64, y: &[f64]) -> Result<(), Reject> {
        self.matrix.fill(0.0);
        (self.jacobian)(t, y, self.matrix.view_mut());
        Ok(())
    }

    fn factor(&mut self, shift: f64) -> Result<(), Reject> {
        self.shifted.zip_mut_with(&self.matrix, |s, &j| *s = -shift * j);
        self.shifted.diag_mut().iter_mut().for_each(|s| *s += 1.0);
        self.lu = None;
        self.lu = Some(
            Engine::SEQUENTIAL.lu(self.shifted.view()).map_err(|_| Reject("the Jacobian is not finite"))?,
        );
        Ok(())
    }

    fn solve(&mut self, b: &mut [f64]) -> Result<(), Reject> {
        let lu = self.lu.as_ref().ok_or(Reject("nothing was factored"))?;
        lu.solve(b);
        if b.iter().all(|x| x.is_finite()) { Ok(()) } else { Err(Reject("the matrix I − hJ is singular")) }
    }
}
