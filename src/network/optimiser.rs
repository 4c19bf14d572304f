//! Optimisers: gradient descent with coupled decay, Adam, AdamW; rates by groups of parameters.

use std::ops::Range;

use pulp::Arch;
use rayon::prelude::*;

use super::Net;
use crate::error::{Error, Result, check};
use crate::linalg::Threads;
use crate::linalg::product::Real;

/// How a gradient g moves the parameters θ, with step size η and weight decay λ of their group.
///
/// | optimiser | update |
/// |---|---|
/// | `Descent` | θ ← θ − η(g + λθ): `torch.optim.SGD`, descent on 𝓛 + (λ/2)‖θ‖² |
/// | `Adam` | g ← g + λθ, then the step of Adam |
/// | `AdamW` | θ ← (1 − ηλ)θ, then the step of Adam: decay decoupled from the gradient |
///
/// The step of Adam, as in PyTorch: m ← m + (1 − β₁)(g − m), v ← β₂v + (1 − β₂)g²,
/// θ ← θ − η/(1 − β₁^t) · m/(√v/√(1 − β₂^t) + ε), with the root of 1 − β₂^t multiplied out: one division less an
/// entry, and the last bit of a step may differ.
///
/// Sources: Kingma and Ba, arXiv 1412.6980; Loshchilov and Hutter, arXiv 1711.05101.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimiser {
    Descent,
    Adam(Moments),
    AdamW(Moments),
}

impl Optimiser {
    /// AdamW with the usual moments.
    pub const ADAMW: Optimiser = Optimiser::AdamW(Moments::USUAL);
    /// Adam with the usual moments.
    pub const ADAM: Optimiser = Optimiser::Adam(Moments::USUAL);

    /// The name used in JSON and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Optimiser::Descent => "gd",
            Optimiser::Adam(_) => "adam",
            Optimiser::AdamW(_) => "adamw",
        }
    }

    pub(super) fn moments(self) -> Option<Moments> {
        match self {
            Optimiser::Descent => None,
            Optimiser::Adam(moments) | Optimiser::AdamW(moments) => Some(moments),
        }
    }

    pub(super) fn validate(self) -> Result<()> {
        let Some(Moments { beta1, beta2, epsilon }) = self.moments() else { return Ok(()) };
        check("β₁", beta1, |b| (0.0..1.0).contains(&b), "at least 0 and below 1")?;
        check("β₂", beta2, |b| (0.0..1.0).contains(&b), "at least 0 and below 1")?;
        check("ε of Adam", epsilon, |e| e >= 0.0, "at least 0")?;
        Ok(())
    }
}

/// Averages of the gradient and of its square.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    pub beta1: f64,
    pub beta2: f64,
    pub epsilon: f64,
}

impl Moments {
    /// β = (0.9, 0.999), ε = 10⁻⁸.
    pub const USUAL: Moments = Moments { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
}

/// Parameters with rates of their own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Group {
    pub part: Part,
    pub step_size: f64,
    pub weight_decay: f64,
}

/// A part of θ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The table of embeddings.
    Embedding,
    /// Weights and biases of a layer, counted from 0.
    Layer(usize),
}

/// A range of θ with its rates.
#[derive(Clone, Debug)]
pub(super) struct Rates {
    pub range: Range<usize>,
    pub step_size: f64,
    pub weight_decay: f64,
}

/// θ in ranges of equal rates.
pub(super) fn rates(net: &Net, step_size: f64, weight_decay: f64, groups: &[Group]) -> Result<Vec<Rates>> {
    let validate = |step_size: f64, weight_decay: f64| -> Result<()> {
        check("step size", step_size, |x| x >= 0.0, "a number of at least 0")?;
        check("weight decay", weight_decay, |x| x >= 0.0, "a number of at least 0")?;
        Ok(())
    };
    validate(step_size, weight_decay)?;
    let mut all: Vec<Rates> = std::iter::once(net.table())
        .chain(net.layers().iter().map(super::net::Layer::all))
        .map(|range| Rates { range, step_size, weight_decay })
        .collect();
    for group in groups {
        validate(group.step_size, group.weight_decay)?;
        let place = match group.part {
            Part::Embedding if net.embedding().is_none() => {
                let needs = "a net with embeddings";
                return Err(Error::Missing { wanted: "a group of embeddings", needs });
            }
            Part::Embedding => 0,
            Part::Layer(l) if l >= net.depth() => {
                let expected = format!("below {}, the number of layers", net.depth());
                return Err(Error::Parameter { name: "layer of a group", value: l as f64, expected });
            }
            Part::Layer(l) => l + 1,
        };
        (all[place].step_size, all[place].weight_decay) = (group.step_size, group.weight_decay);
    }
    // Neighbours of equal rates are one range.
    let mut merged: Vec<Rates> = Vec::new();
    for rates in all.into_iter().filter(|r| !r.range.is_empty()) {
        match merged.last_mut() {
            Some(last) if (last.step_size, last.weight_decay) == (rates.step_size, rates.weight_decay) => {
                last.range.end = rates.range.end;
            }
            _ => merged.push(rates),
        }
    }
    Ok(merged)
}

/// Entries that one task updates.
const TASK: usize = 1 << 16;

/// Some entries of θ, their gradient and their averages.
type Entries<'a, T> = ((&'a mut [T], &'a [T]), (&'a mut [T], &'a mut [T]));

/// Averages of the gradient, one entry a parameter; empty for descent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Memory<T> {
    pub first: Vec<T>,
    pub second: Vec<T>,
}

impl<T: Real> Memory<T> {
    pub fn new(optimiser: Optimiser, parameters: usize) -> Memory<T> {
        let length = if optimiser.moments().is_some() { parameters } else { 0 };
        Memory { first: vec![T::ZERO; length], second: vec![T::ZERO; length] }
    }

    /// One update, the `count`-th (from 1). All scalars are computed in double precision.
    pub fn update(
        &mut self,
        optimiser: Optimiser,
        rates: &[Rates],
        count: u64,
        theta: &mut [T],
        gradient: &[T],
        threads: Threads,
    ) {
        let arch = Arch::new();
        // Entries do not know of each other; waking a second thread takes longer than a few of them.
        let together = |length: usize| threads == Threads::All && length > TASK;
        for Rates { range, step_size, weight_decay } in rates {
            let (theta, gradient) = (&mut theta[range.clone()], &gradient[range.clone()]);
            let Some(Moments { beta1, beta2, epsilon }) = optimiser.moments() else {
                let descend = |(theta, gradient): (&mut [T], &[T])| {
                    arch.dispatch(
                        #[inline(always)]
                        || descend(theta, gradient, *step_size, *weight_decay),
                    );
                };
                match together(theta.len()) {
                    true => theta.par_chunks_mut(TASK).zip(gradient.par_chunks(TASK)).for_each(descend),
                    false => descend((theta, gradient)),
                }
                continue;
            };
            let coupled = matches!(optimiser, Optimiser::Adam(_));
            let power = |beta: f64| 1.0 - libm::pow(beta, count as f64);
            let step = Step {
                first: T::from_f64(1.0 - beta1),
                keep: T::from_f64(beta2),
                second: T::from_f64(1.0 - beta2),
                length: T::from_f64(-(step_size * power(beta2).sqrt() / power(beta1))),
                epsilon: T::from_f64(epsilon * power(beta2).sqrt()),
                coupled: T::from_f64(if coupled { *weight_decay } else { 0.0 }),
                shrink: T::from_f64(if coupled { 1.0 } else { 1.0 - step_size * weight_decay }),
            };
            let (first, second) = (&mut self.first[range.clone()], &mut self.second[range.clone()]);
            let take = |((theta, gradient), memory): Entries<'_, T>| {
                arch.dispatch(
                    #[inline(always)]
                    || step.take(theta, gradient, memory),
                );
            };
            match together(theta.len()) {
                true => {
                    let moments = first.par_chunks_mut(TASK).zip(second.par_chunks_mut(TASK));
                    theta.par_chunks_mut(TASK).zip(gradient.par_chunks(TASK)).zip(moments).for_each(take);
                }
                false => take(((theta, gradient), (first, second))),
            }
        }
    }
}

#[inline(always)]
fn descend<T: Real>(theta: &mut [T], gradient: &[T], step_size: f64, weight_decay: f64) {
    let (step, decay) = (T::from_f64(step_size), T::from_f64(weight_decay));
    for (x, &g) in theta.iter_mut().zip(gradient) {
        *x = *x - step * (g + decay * *x);
    }
}

/// A step of Adam with its scalars.
struct Step<T> {
    first: T,
    keep: T,
    second: T,
    length: T,
    epsilon: T,
    coupled: T,
    shrink: T,
}

impl<T: Real> Step<T> {
    #[inline(always)]
    fn take(&self, theta: &mut [T], gradient: &[T], (first, second): (&mut [T], &mut [T])) {
        let moments = first.iter_mut().zip(second);
        for ((x, &g), (m, v)) in theta.iter_mut().zip(gradient).zip(moments) {
            let g = g + self.coupled * *x;
            *m = *m + self.first * (g - *m);
            *v = *v * self.keep + self.second * g * g;
            *x = *x * self.shrink + self.length * *m / ((*v).root() + self.epsilon);
        }
    }
}
