//! Effective theory of classification (appendix I): points with the same label attract each other.
//!
//! ℓ = Σ over unordered pairs with equal labels of |f_x − f_y|²/Z, Z = Σ|f_x|². In a class of n points the
//! Laplacian has the eigenvalue n on every deviation from the class mean: deviations decay as
//! e^{−2nt/Z(0)}, means stay, and the full flow rescales all to |f|² = Z(0).

use ndarray::{Array2, ArrayView2, Axis};

use crate::error::{Result, check, check_finite, check_shape};
use crate::linalg::EPS;

/// The flow of labelled points in closed form.
#[derive(Clone, Debug)]
pub struct ClassFlow {
    points: Array2<f64>,
    means: Array2<f64>,
    sizes: Vec<f64>,
    z: f64,
}

impl ClassFlow {
    /// From points (n × d) and their labels.
    ///
    /// ```
    /// use groktime::effective::classes::ClassFlow;
    /// let points = ndarray::array![[1.0], [3.0], [-2.0]];
    /// let flow = ClassFlow::new(points.view(), &[7, 7, 1])?;
    /// let far = flow.at(1e6)?; // both sevens at their mean, then scaled
    /// assert!((far[(0, 0)] - far[(1, 0)]).abs() < 1e-12 && far[(2, 0)] < -2.0);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    ///
    /// # Errors
    /// Empty, not finite, all zero, or not one label a point.
    pub fn new(points: ArrayView2<'_, f64>, labels: &[usize]) -> Result<ClassFlow> {
        check_finite("points", points)?;
        check_shape("labels", &[labels.len()], &[points.nrows()], "one a point")?;
        let z: f64 = points.iter().map(|x| x * x).sum();
        let normal = f64::MIN_POSITIVE / EPS;
        check(
            "Z = Σ|f|²",
            z,
            |z| z >= normal,
            "at least 1e-292, so that no square underflows: scale the points",
        )?;
        let mut means = Array2::zeros(points.raw_dim());
        let mut sizes = vec![0.0; labels.len()];
        for (k, label) in labels.iter().enumerate() {
            let members: Vec<usize> = (0..labels.len()).filter(|&l| labels[l] == *label).collect();
            sizes[k] = members.len() as f64;
            means.row_mut(k).assign(&(points.select(Axis(0), &members).sum_axis(Axis(0)) / sizes[k]));
            // A mean that is a rounding error would be all that is left late in time.
            for (d, mean) in means.row_mut(k).iter_mut().enumerate() {
                let size = members.iter().fold(0.0_f64, |m, &l| m.max(points[(l, d)].abs()));
                if mean.abs() <= 4.0 * EPS * size * sizes[k].sqrt() {
                    *mean = 0.0;
                }
            }
        }
        Ok(ClassFlow { points: points.to_owned(), means, sizes, z })
    }

    /// Z = Σ|f(0)|², conserved by the flow.
    pub fn z(&self) -> f64 {
        self.z
    }

    /// The rate at which deviations from its class mean decay before rescaling, 2n/Z, for each point.
    pub fn rates(&self) -> Vec<f64> {
        self.sizes.iter().map(|n| if *n > 1.0 { 2.0 * n / self.z } else { 0.0 }).collect()
    }

    /// The points at time t.
    ///
    /// # Errors
    /// t negative or not finite.
    pub fn at(&self, t: f64) -> Result<Array2<f64>> {
        check("time", t, |t| t >= 0.0, "a number of at least 0")?;
        let mut points = &self.points - &self.means;
        let rates = self.rates();
        // Without means the slowest deviations are all that is left: everything is taken relative to them.
        let slowest = match self.means.iter().all(|m| *m == 0.0) {
            true => {
                let moving = rates.iter().zip(points.rows()).filter(|(_, row)| row.iter().any(|x| *x != 0.0));
                moving.map(|(rate, _)| *rate).fold(f64::INFINITY, f64::min)
            }
            false => 0.0,
        };
        for (mut row, rate) in points.rows_mut().into_iter().zip(rates) {
            if row.iter().any(|x| *x != 0.0) {
                row *= libm::exp((slowest - rate) * t);
            }
        }
        points += &self.means;
        let square: f64 = points.iter().map(|x| x * x).sum();
        Ok(points * (self.z / square).sqrt())
    }
}
