//! The tangent kernel K = ΦᵀΦ with Φ = ∂f/∂θ, without Φ: layer by layer from two Gram matrices.

use ndarray::Array2;

use super::Net;
use super::criterion::Rows;
use super::pass::{Prepared, Workspace};
use super::sample::Inputs;
use crate::error::{Error, Result};
use crate::linalg::{Engine, Threads};

impl Net {
    /// K_{(i,o),(j,q)} = ⟨∂f_o(x_i)/∂θ, ∂f_q(x_j)/∂θ⟩, nm × nm with the outputs of one sample beside each other
    /// (`theory/network.md`, (N8)).
    ///
    /// ```
    /// use groktime::network::{Activation, Bias, Inputs, Net};
    /// // f = w₂w₁x: the kernel is (w₁² + w₂²) x x'.
    /// let net = Net::new(&[1, 1, 1], Activation::Identity, Bias::None)?;
    /// let x = Inputs::Vectors(ndarray::array![[1.0], [2.0]]);
    /// let k = net.tangent_kernel(&[3.0, 4.0], &x)?;
    /// assert_eq!(k, ndarray::array![[25.0, 50.0], [50.0, 100.0]]);
    /// # Ok::<(), groktime::Error>(())
    /// ```
    ///
    /// # Errors
    /// Parameters or inputs that do not fit; a net with embeddings.
    pub fn tangent_kernel(&self, theta: &[f64], inputs: &Inputs) -> Result<Array2<f64>> {
        if self.embedding().is_some() {
            return Err(Error::Missing { wanted: "a tangent kernel", needs: "a net without embeddings" });
        }
        let n = self.check_inputs(theta, inputs)?;
        let x = Prepared::new(inputs);
        let mut workspace = Workspace::new(self, n, Threads::One);
        workspace.forward(self, theta, &x, Rows::From(0), n);
        Ok(kernel(self, theta, &x, n, &mut workspace))
    }
}

/// How far a kernel has moved: ‖K − K₀‖_F / ‖K₀‖_F.
///
/// ```
/// let (now, start) = (ndarray::array![[3.0]], ndarray::array![[2.0]]);
/// assert_eq!(groktime::network::kernel_drift(now.view(), start.view()), 0.5);
/// ```
pub fn kernel_drift(now: ndarray::ArrayView2<'_, f64>, start: ndarray::ArrayView2<'_, f64>) -> f64 {
    let square = |m: &Array2<f64>| m.iter().map(|x| x * x).sum::<f64>();
    (square(&(&now - &start)) / square(&start.to_owned())).sqrt()
}

/// The kernel at the point of the workspace's last pass.
pub(super) fn kernel(
    net: &Net,
    theta: &[f64],
    x: &Prepared<f64>,
    n: usize,
    workspace: &mut Workspace<f64>,
) -> Array2<f64> {
    let m = net.outputs();
    // Δ_l of every output, row (i, o), and A_{l−1}.
    let mut slopes: Vec<Array2<f64>> =
        net.layers().iter().map(|layer| Array2::zeros((n * m, layer.outputs))).collect();
    let mut inputs: Vec<Array2<f64>> =
        net.layers().iter().map(|layer| Array2::zeros((n, layer.inputs))).collect();
    for o in 0..m {
        let unit: Vec<f64> = (0..n * m).map(|k| f64::from(k % m == o)).collect();
        workspace.each_delta(net, theta, x, &unit, |l, delta, input| {
            for (i, row) in delta.chunks_exact(net.layers()[l].outputs).enumerate() {
                slopes[l].row_mut(i * m + o).iter_mut().zip(row).for_each(|(to, &x)| *to = x);
            }
            if o == 0 {
                inputs[l].iter_mut().zip(input).for_each(|(to, &x)| *to = x);
            }
        });
    }
    let mut kernel = Array2::<f64>::zeros((n * m, n * m));
    for (l, layer) in net.layers().iter().enumerate() {
        let outer = Engine::SEQUENTIAL.gram(slopes[l].view());
        let inner = Engine::SEQUENTIAL.gram(inputs[l].view());
        let bias = f64::from(!layer.bias.is_empty());
        for ((a, b), k) in kernel.indexed_iter_mut() {
            *k += outer[(a, b)] * (inner[(a / m, b / m)] + bias);
        }
    }
    kernel
}
