//! Fully connected networks that grok: trained by gradient descent, Adam or AdamW, or followed by gradient
//! flow.
//!
//! f(x) = W_L σ(… σ(W_1 x + b_1) …) + b_L with ReLU, tanh, squares or the identity, biases in no, the first or
//! every layer, and optionally a table of trained embeddings in front.
//!
//! | quantity | definition | convention |
//! |---|---|---|
//! | training loss | mean over the samples of a [`Criterion`] | `Squared` is PyTorch's `MSELoss`: a mean over outputs too |
//! | weight decay | λ of [`Optimiser`]: coupled (𝓛 + (λ/2)‖θ‖²) or decoupled | reported losses have no penalty in them |
//! | step k | the state after k updates | the first index of a log that counts from 0 is our step 1 |
//! | accuracy | fraction right: largest output, nearest template, sign | ties of signs count ½ |
//! | feature rank | of the covariance of pre-activations, torch's rule | depends on the precision, which is said |
//!
//! There is no closed form here: the library trains, measures and says so; [`Curves`] answer at the recorded
//! steps alone. What is exact about these nets is in [`theorems`]: laws of the norm, of the gain forward, of
//! the flow. Formulas and derivations: `theory/network.md`.
//!
//! Sources: Lyu et al., arXiv 2311.18817; Liu et al., arXiv 2205.10343; Liu, Michaud, Tegmark, arXiv
//! 2210.01117; Fan, Pascanu, Jaggi, arXiv 2405.19454.
//!
//! ```
//! use groktime::network::tasks::modular_addition;
//! use groktime::network::{Activation, Bias, Criterion, Init, Net, Plan, Settings, train};
//! use std::ops::ControlFlow;
//!
//! let (known, unknown) = modular_addition(5, 0.8, 0)?.into_pair();
//! let net = Net::new(&[10, 32, 5], Activation::Relu, Bias::First)?;
//! let settings = Settings { criterion: Criterion::CrossEntropy, step_size: 0.02, ..Settings::default() };
//! let theta = net.init(&Init::default(), 1)?;
//! let plan = Plan { budget: 200, ..Plan::default() };
//! let curves = train(&net, &known, Some(&unknown), &settings, &plan, &theta, |_| ControlFlow::Continue(()))?;
//! assert!(curves.records.last().unwrap().train.loss < 0.1);
//! # Ok::<(), groktime::Error>(())
//! ```

mod core;
mod criterion;
mod curves;
mod flow;
mod init;
mod late;
mod net;
mod observe;
mod optimiser;
mod pass;
pub mod replay;
mod rounding;
mod run;
mod sample;
mod settings;
mod slow;
mod sparse;
mod tangent;
pub mod tasks;
pub mod theorems;
mod training;

pub use criterion::Criterion;
pub use curves::{Curves, End, Plan, Record};
pub use flow::{FlowRun, FlowSettings, Method};
pub use init::{Init, Law};
pub use late::{LateFlow, LateSettings};
pub use net::{Activation, Bias, Combine, Embedding, Layer, Net};
pub use observe::{Evaluation, LayerFeatures};
pub use optimiser::{Group, Moments, Optimiser, Part};
pub use rounding::EvaluationError;
pub use run::{Run, train};
pub use sample::{Inputs, Sample, Targets};
pub use settings::{Drawing, Precision, Schedule, Settings};
pub use slow::SlowFlow;
pub use tangent::kernel_drift;
pub use training::{Checkpoint, Training};
