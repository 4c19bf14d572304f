//! Integrators of ordinary differential equations y' = f(t, y): they know no model, and a model knows no
//! integrator.
//!
//! A flow is a right-hand side ([`Flow`]); a stiff one adds the one linear solve that implicit steps need
//! ([`StiffFlow`]), so that structure (a small dual system, a sparse tangent kernel, diagonal plus low
//! rank) stays with the model.
//!
//! | function | method | for |
//! |---|---|---|
//! | [`bdf`] | variable-order differentiation formulas, orders 1 to 5 | stiff flows |
//! | [`dop853`] | explicit Runge-Kutta of order 8 (Dormand and Prince) | non-stiff flows, oracles |
//! | [`rkc`] | stabilised explicit Runge-Kutta of order 2 (Chebyshev) | large stiff gradient flows, kinks |
//!
//! Both give a [`Solution`]: where it ended and why, what it cost, and the [`Path`], which answers y(t) at
//! any time with an error of the order of the tolerance. The variants `_observed` call back after every
//! accepted [`Step`]: that is where a large model records what it wants instead of the whole path, where
//! progress is shown, and how an integration is interrupted. An [`Event`] finds the time at which a function
//! of the state changes sign, on a path or step by step.
//!
//! The formulas are in `theory/integrators.md`, whose equation numbers the comments cite.
//!
//! ```
//! use groktime::ode::{DenseFlow, Options, bdf};
//!
//! // y' = −10⁶ (y − cos t) − sin t: without the fast decay, y = cos t.
//! let mut flow = DenseFlow::new(
//!     1,
//!     |t, y, dy| dy[0] = -1e6 * (y[0] - t.cos()) - t.sin(),
//!     |_, _, mut jacobian| jacobian[(0, 0)] = -1e6,
//! );
//! let options = Options { atol: 1e-8, ..Options::default() }; // y passes through zero
//! let solution = bdf(&mut flow, 0.0..10.0, &[1.0], &options)?;
//! let mut y = [0.0];
//! solution.path.eval(7.3, &mut y)?;
//! assert!((y[0] - 7.3_f64.cos()).abs() < 1e-7);
//! assert!(solution.statistics.steps < 400);
//! # Ok::<(), groktime::Error>(())
//! ```

mod bdf;
mod common;
mod dense;
mod event;
mod explicit;
mod one_step;
mod path;
mod stabilised;

pub use bdf::{bdf, bdf_observed};
pub use common::{Ended, Options, Solution, Statistics};
pub use dense::DenseFlow;
pub use event::{Direction, Event, Root};
pub use explicit::{dop853, dop853_observed};
pub use path::{Path, Point, Step};
pub use stabilised::{rkc, rkc_observed};

/// A right-hand side or a solve that has no value there (overflow, a singular matrix, a state outside the
/// model's domain): the step is tried again, shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reject(pub &'static str);

/// What a flow asks for after an accepted step.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    Continue,
    /// The flow goes on in new variables, y ← scale·(y − shift); the step history is carried over.
    Rebase {
        scale: f64,
        shift: Vec<f64>,
    },
    /// As [`Rebase`](Action::Rebase), and time is counted anew: it is zero here, and the span ends at `end`. A flow
    /// whose time variable would lose its digits (a clock that has run for long beside what happens next) keeps
    /// them this way. Steps are unchanged: the new time differs from the old by a constant.
    Restart {
        scale: f64,
        shift: Vec<f64>,
        end: f64,
    },
    /// The flow changed the state (a repaired invariant): the order falls to one.
    Modified,
    /// The integration ends here.
    Stop,
}

/// A system y' = f(t, y).
pub trait Flow {
    /// Number of unknowns.
    fn dimension(&self) -> usize;

    /// Writes f(t, y) into `dy`.
    ///
    /// # Errors
    /// [`Reject`]: no value there.
    fn rhs(&mut self, t: f64, y: &[f64], dy: &mut [f64]) -> Result<(), Reject>;

    /// The size of each unknown for error control: an error of `rtol` times this is allowed. By default
    /// |y_i|, but at least a tenth of the root mean square, so that the control is relative and norm-wise.
    fn sizes(&self, _t: f64, y: &[f64], sizes: &mut [f64]) {
        let mean = y.iter().map(|y| y * y).sum::<f64>() / y.len().max(1) as f64;
        let floor = 0.1 * mean.sqrt();
        for (size, y) in sizes.iter_mut().zip(y) {
            *size = y.abs().max(floor);
        }
    }

    /// The longest step from t that cannot pass over what the flow knows of its explicit dependence on time. An
    /// error estimate sees only the ends of a step: a right-hand side that is zero at both of them, and acts in
    /// between, goes unnoticed.
    fn longest(&self, _t: f64) -> f64 {
        f64::INFINITY
    }

    /// Called after each accepted step, with the state there, which it may change if it says so
    /// ([`Action::Modified`]). With [`Action::Rebase`] it leaves the state to the integrator, but answers from
    /// then on in the new variables.
    fn accepted(&mut self, _t: f64, _y: &mut [f64]) -> Action {
        Action::Continue
    }
}

/// A stiff system, with the linear algebra of an implicit step: J is (about) ∂f/∂y.
pub trait StiffFlow: Flow {
    /// New Jacobian information at (t, y): called rarely.
    ///
    /// # Errors
    /// [`Reject`]: no value there.
    fn refresh(&mut self, t: f64, y: &[f64]) -> Result<(), Reject>;

    /// Prepares I − shift·J with the Jacobian of the last [`refresh`](StiffFlow::refresh).
    ///
    /// # Errors
    /// [`Reject`]: singular, or not of the structure that the solve needs.
    fn factor(&mut self, shift: f64) -> Result<(), Reject>;

    /// Replaces b by (I − shift·J)⁻¹ b.
    ///
    /// # Errors
    /// [`Reject`]: an inner iteration does not converge.
    fn solve(&mut self, b: &mut [f64]) -> Result<(), Reject>;
}
