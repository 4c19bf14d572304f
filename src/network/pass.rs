//! Forward and backward passes on matrix products, in f32 or f64; all buffers are allocated once.
//!
//! With A_0 the inputs (n × d, a row a sample), Z_l = A_{l−1} W_lᵀ + 1 b_lᵀ and A_l = σ(Z_l), the gradient of
//! a loss with slopes Δ_L = ∂𝓛/∂Z_L is (`theory/network.md`, (N5))
//!
//! $$ \nabla W_l = \Delta_l^\top A_{l-1}, \quad \nabla b_l = \Delta_l^\top \mathbf 1, \quad
//!    \Delta_{l-1} = (\Delta_l W_l) \circ \sigma'(Z_{l-1}). $$

use pulp::Arch;

use super::criterion::Rows;
use super::net::{Activation, Combine, Layer, Net};
use super::sample::Inputs;
use super::sparse::SparseRows;
use crate::linalg::product::{Factor, Real, multiply};
use crate::linalg::{Threads, vectorised};

/// Inputs in the numbers that the net computes in.
pub(super) enum Prepared<T> {
    /// And once more without their zeros, if most are.
    Vectors(Vec<T>, Option<SparseRows<T>>),
    Pairs(Vec<[u32; 2]>),
}

impl<T: Real> Prepared<T> {
    pub fn new(inputs: &Inputs) -> Prepared<T> {
        match inputs {
            Inputs::Vectors(x) => {
                let values: Vec<T> = x.iter().map(|&x| T::from_f64(x)).collect();
                let sparse = SparseRows::of(&values, x.ncols());
                Prepared::Vectors(values, sparse)
            }
            Inputs::Pairs(pairs) => Prepared::Pairs(pairs.clone()),
        }
    }

    fn sparse(&self) -> Option<&SparseRows<T>> {
        if let Prepared::Vectors(_, sparse) = self { sparse.as_ref() } else { None }
    }
}

/// What a forward pass leaves for the backward one.
pub(super) struct Workspace<T> {
    threads: Threads,
    /// Rows that there is room for, and of the last pass.
    capacity: usize,
    rows: usize,
    /// A_0, where it is not the inputs themselves: embeddings combined, or rows picked.
    first: Vec<T>,
    /// Z_l, kept for squares alone: the slope of the other activations can be read off A_l.
    pre: Vec<Vec<T>>,
    /// A_l for l = 1 … L; the last is the output.
    post: Vec<Vec<T>>,
    /// Δ_l and Δ_{l−1}, in turn.
    delta: [Vec<T>; 2],
    /// A transpose of the first layer's weights, for sparse inputs.
    transposed: Vec<T>,
    arch: Arch,
}

impl<T: Real> Workspace<T> {
    pub fn new(net: &Net, capacity: usize, threads: Threads) -> Workspace<T> {
        let widths = net.widths();
        let zeros = |width: usize| vec![T::ZERO; capacity * width];
        let squares = net.activation() == Activation::Quadratic;
        let hidden = 1..widths.len() - 1;
        let largest = widths.iter().copied().max().unwrap_or(0);
        Workspace {
            threads,
            capacity,
            rows: 0,
            first: Vec::new(),
            pre: if squares { hidden.map(|l| zeros(widths[l])).collect() } else { Vec::new() },
            post: widths[1..].iter().map(|&w| zeros(w)).collect(),
            delta: [zeros(largest), zeros(largest)],
            transposed: Vec::new(),
            arch: Arch::new(),
        }
    }

    /// Outputs of the last pass, n × m.
    pub fn outputs(&self) -> &[T] {
        let last = &self.post[self.post.len() - 1];
        &last[..self.rows * (last.len() / self.capacity)]
    }

    /// Where the slopes Δ_L of the last pass go.
    pub fn slopes(&mut self) -> &mut [T] {
        let last = &self.post[self.post.len() - 1];
        let length = self.rows * (last.len() / self.capacity);
        &mut self.delta[0][..length]
    }

    /// Outputs, and the place for their slopes.
    pub fn outputs_and_slopes(&mut self) -> (&[T], &mut [T]) {
        let last = &self.post[self.post.len() - 1];
        let length = self.rows * (last.len() / self.capacity);
        (&last[..length], &mut self.delta[0][..length])
    }

    /// A_0 of the last pass.
    fn input<'a>(&'a self, x: &'a Prepared<T>, rows: Rows<'_>, width: usize) -> &'a [T] {
        match (x, rows) {
            (Prepared::Vectors(x, _), Rows::From(first)) => &x[first * width..][..self.rows * width],
            _ => &self.first[..self.rows * width],
        }
    }

    /// Computes the outputs of `count` samples.
    pub fn forward(&mut self, net: &Net, theta: &[T], x: &Prepared<T>, rows: Rows<'_>, count: usize) {
        self.rows = count;
        self.gather(net, theta, x, rows);
        let mut post = std::mem::take(&mut self.post);
        let last = net.depth() - 1;
        for (l, layer) in net.layers().iter().enumerate() {
            let (before, here) = post.split_at_mut(l);
            let out = &mut here[0][..count * layer.outputs];
            match (before.last(), x.sparse()) {
                (None, Some(sparse)) => {
                    let weights = &theta[layer.weights.clone()];
                    vectorised(
                        #[inline(always)]
                        || sparse.times(rows, weights, &mut self.transposed, out),
                    );
                }
                (None, None) => {
                    affine(layer, theta, self.input(x, rows, layer.inputs), out, count, self.threads);
                }
                (Some(a), _) => {
                    affine(layer, theta, &a[..count * layer.inputs], out, count, self.threads);
                }
            }
            let bias = &theta[layer.bias.clone()];
            let pre = self.pre.get_mut(l).map(|z| &mut z[..out.len()]);
            let activation = if l == last { Activation::Identity } else { net.activation() };
            self.arch.dispatch(
                #[inline(always)]
                || activate(activation, bias, layer.outputs, out, pre),
            );
        }
        self.post = post;
    }

    /// A_0 where it has to be put together.
    fn gather(&mut self, net: &Net, theta: &[T], x: &Prepared<T>, rows: Rows<'_>) {
        let d = net.inputs();
        if x.sparse().is_some() || matches!((x, rows), (Prepared::Vectors(..), Rows::From(_))) {
            return;
        }
        self.first.resize(self.capacity * d, T::ZERO);
        gather(net, theta, x, rows, &mut self.first[..self.rows * d]);
    }

    /// ∇𝓛 of the pass before, whose slopes are in [`slopes`](Workspace::slopes); overwrites `gradient`.
    pub fn backward(&mut self, net: &Net, theta: &[T], x: &Prepared<T>, rows: Rows<'_>, gradient: &mut [T]) {
        let count = self.rows;
        let mut delta = std::mem::take(&mut self.delta);
        let mut transposed = std::mem::take(&mut self.transposed);
        for (l, layer) in net.layers().iter().enumerate().rev() {
            let [here, below] = &mut delta;
            let here = &mut here[..count * layer.outputs];
            let sparse = x.sparse().filter(|_| l == 0);
            let input = match l {
                0 if sparse.is_some() => &[],
                0 => self.input(x, rows, layer.inputs),
                _ => &self.post[l - 1][..count * layer.inputs],
            };
            let weights = &mut gradient[layer.weights.clone()];
            match sparse {
                Some(sparse) => vectorised(
                    #[inline(always)]
                    || sparse.gradient(rows, here, &mut transposed, weights),
                ),
                None => multiply(
                    weights,
                    false,
                    Factor::transposed(here, layer.outputs, count),
                    Factor::plain(input, count, layer.inputs),
                    self.threads,
                ),
            }
            if !layer.bias.is_empty() {
                let bias = &mut gradient[layer.bias.clone()];
                self.arch.dispatch(
                    #[inline(always)]
                    || column_sums(here, bias),
                );
            }
            if l == 0 && net.embedding().is_none() {
                break;
            }
            let below = &mut below[..count * layer.inputs];
            multiply(
                below,
                false,
                Factor::plain(here, count, layer.outputs),
                Factor::plain(&theta[layer.weights.clone()], layer.outputs, layer.inputs),
                self.threads,
            );
            if l > 0 {
                let pre = self.pre.get(l - 1).map(|z| &z[..below.len()]);
                self.arch.dispatch(
                    #[inline(always)]
                    || times_slope(net.activation(), input, pre, below),
                );
            }
            delta.swap(0, 1);
        }
        if let (Some(embedding), Prepared::Pairs(pairs)) = (net.embedding(), x) {
            let d = net.inputs();
            let table = &mut gradient[..embedding.symbols * d];
            table.fill(T::ZERO);
            for (r, delta) in delta[0][..count * d].chunks_exact(d).enumerate() {
                let pair = pairs[rows.at(r)];
                match embedding.combine {
                    Combine::Sum => pair.iter().for_each(|&s| {
                        table[s as usize * d..][..d].iter_mut().zip(delta).for_each(|(g, &x)| *g += x);
                    }),
                    Combine::Product => product_gradient(pair, theta, delta, table),
                }
            }
        }
        (self.delta, self.transposed) = (delta, transposed);
    }

    /// The derivative of the outputs along `direction` at the point of the last pass, into `out` (n × m).
    pub fn derivative(
        &mut self,
        net: &Net,
        (theta, direction): (&[T], &[T]),
        x: &Prepared<T>,
        out: &mut [T],
    ) {
        let count = self.rows;
        let mut delta = std::mem::take(&mut self.delta);
        for (l, layer) in net.layers().iter().enumerate() {
            let [before, here] = &mut delta;
            let here = &mut here[..count * layer.outputs];
            let input = match l {
                0 => self.input(x, Rows::From(0), layer.inputs),
                _ => &self.post[l - 1][..count * layer.inputs],
            };
            affine(layer, direction, input, here, count, self.threads);
            let bias = &direction[layer.bias.clone()];
            if !bias.is_empty() {
                here.chunks_exact_mut(layer.outputs)
                    .for_each(|row| row.iter_mut().zip(bias).for_each(|(x, &b)| *x += b));
            }
            if l > 0 {
                multiply(
                    here,
                    true,
                    Factor::plain(&before[..count * layer.inputs], count, layer.inputs),
                    Factor::transposed(&theta[layer.weights.clone()], layer.inputs, layer.outputs),
                    self.threads,
                );
            }
            if l + 1 < net.depth() {
                let pre = self.pre.get(l).map(|z| &z[..here.len()]);
                times_slope(net.activation(), &self.post[l][..here.len()], pre, here);
            }
            delta.swap(0, 1);
        }
        out.copy_from_slice(&delta[0][..out.len()]);
        self.delta = delta;
    }

    /// The slopes Δ_l of every layer for Δ_L = `slopes`, handed to `see` from the last layer to the first
    /// together with A_{l−1}.
    pub fn each_delta(
        &mut self,
        net: &Net,
        theta: &[T],
        x: &Prepared<T>,
        slopes: &[T],
        mut see: impl FnMut(usize, &[T], &[T]),
    ) {
        let count = self.rows;
        let mut delta = std::mem::take(&mut self.delta);
        delta[0][..slopes.len()].copy_from_slice(slopes);
        for (l, layer) in net.layers().iter().enumerate().rev() {
            let [here, below] = &mut delta;
            let here = &here[..count * layer.outputs];
            let input = match l {
                0 => self.input(x, Rows::From(0), layer.inputs),
                _ => &self.post[l - 1][..count * layer.inputs],
            };
            see(l, here, input);
            if l == 0 {
                break;
            }
            let below = &mut below[..count * layer.inputs];
            multiply(
                below,
                false,
                Factor::plain(here, count, layer.outputs),
                Factor::plain(&theta[layer.weights.clone()], layer.outputs, layer.inputs),
                self.threads,
            );
            let pre = self.pre.get(l - 1).map(|z| &z[..below.len()]);
            times_slope(net.activation(), input, pre, below);
            delta.swap(0, 1);
        }
        self.delta = delta;
    }
}

/// A_0: rows of the inputs, or embeddings combined.
pub(super) fn gather<T: Real>(net: &Net, theta: &[T], x: &Prepared<T>, rows: Rows<'_>, out: &mut [T]) {
    let d = net.inputs();
    let out = out.chunks_exact_mut(d).enumerate();
    match x {
        Prepared::Vectors(x, _) => out.for_each(|(r, out)| out.copy_from_slice(&x[rows.at(r) * d..][..d])),
        Prepared::Pairs(pairs) => {
            let product = net.embedding().is_some_and(|e| e.combine == Combine::Product);
            out.for_each(|(r, out)| {
                let [a, b] = pairs[rows.at(r)].map(|s| &theta[s as usize * d..][..d]);
                if product {
                    matrix_product(a, b, out);
                } else {
                    out.iter_mut().zip(a).zip(b).for_each(|((out, &a), &b)| *out = a + b);
                }
            });
        }
    }
}

/// out = input Wᵀ, without the bias.
pub(super) fn affine<T: Real>(
    layer: &Layer,
    theta: &[T],
    input: &[T],
    out: &mut [T],
    count: usize,
    threads: Threads,
) {
    multiply(
        out,
        false,
        Factor::plain(input, count, layer.inputs),
        Factor::transposed(&theta[layer.weights.clone()], layer.inputs, layer.outputs),
        threads,
    );
}

/// Adds the bias to each row, keeps that if wanted, and applies σ.
#[inline(always)]
pub(super) fn activate<T: Real>(
    activation: Activation,
    bias: &[T],
    width: usize,
    out: &mut [T],
    pre: Option<&mut [T]>,
) {
    if !bias.is_empty() {
        for row in out.chunks_exact_mut(width) {
            row.iter_mut().zip(bias).for_each(|(x, &b)| *x += b);
        }
    }
    if let Some(pre) = pre {
        pre.copy_from_slice(out);
    }
    match activation {
        // NaN stays NaN: a run that blew up must not look alive.
        Activation::Relu => out.iter_mut().for_each(|x| *x = if *x < T::ZERO { T::ZERO } else { *x }),
        Activation::Tanh => out.iter_mut().for_each(|x| *x = x.tangent()),
        Activation::Quadratic => out.iter_mut().for_each(|x| *x = *x * *x),
        Activation::Identity => {}
    }
}

/// delta ∘ σ'(z), from a = σ(z) or for squares from z.
#[inline(always)]
fn times_slope<T: Real>(activation: Activation, post: &[T], pre: Option<&[T]>, delta: &mut [T]) {
    let one = T::from_f64(1.0);
    match (activation, pre) {
        (Activation::Relu, _) => {
            delta.iter_mut().zip(post).for_each(|(d, &a)| *d = if a > T::ZERO { *d } else { T::ZERO });
        }
        (Activation::Tanh, _) => delta.iter_mut().zip(post).for_each(|(d, &a)| *d *= one - a * a),
        (Activation::Quadratic, Some(z)) => delta.iter_mut().zip(z).for_each(|(d, &z)| *d *= z + z),
        (Activation::Quadratic, None) | (Activation::Identity, _) => {}
    }
}

#[inline(always)]
fn column_sums<T: Real>(rows: &[T], sums: &mut [T]) {
    sums.fill(T::ZERO);
    for row in rows.chunks_exact(sums.len()) {
        sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += x);
    }
}

/// out = A B, k × k.
fn matrix_product<T: Real>(a: &[T], b: &[T], out: &mut [T]) {
    let k = out.len().isqrt();
    for i in 0..k {
        for j in 0..k {
            let mut sum = T::ZERO;
            for l in 0..k {
                sum += a[i * k + l] * b[l * k + j];
            }
            out[i * k + j] = sum;
        }
    }
}

/// ∂/∂A = Δ Bᵀ and ∂/∂B = Aᵀ Δ, added to the table.
fn product_gradient<T: Real>([first, second]: [u32; 2], theta: &[T], delta: &[T], table: &mut [T]) {
    let d = delta.len();
    let k = d.isqrt();
    let (first, second) = (first as usize * d, second as usize * d);
    for i in 0..k {
        for l in 0..k {
            let (mut left, mut right) = (T::ZERO, T::ZERO);
            for j in 0..k {
                left += delta[i * k + j] * theta[second + l * k + j];
                right += theta[first + j * k + i] * delta[j * k + l];
            }
            table[first + i * k + l] += left;
            table[second + i * k + l] += right;
        }
    }
}
