//! What Python calls. The classes here are thin: one for each solved problem of the library, with the arrays it
//! borrows beside it. What users see, with defaults and documentation, is written in Python (`groktime/*.py`).

mod completion;
mod diagonal;
mod effective;
mod limits;
mod network;
mod ridge;
mod statements;
mod support;
mod sweep;

use pyo3::prelude::*;

#[pymodule]
mod _groktime {
    #[pymodule_export]
    use super::completion::{CompletionPath, CompletionProblem};
    #[pymodule_export]
    use super::diagonal::{DiagonalPath, DiagonalProblem, SlowPath};
    #[pymodule_export]
    use super::effective::{EffectiveFlow, EffectiveProblem};
    #[pymodule_export]
    use super::limits::{farkas, interpolant, max_margin, minimum_nuclear_norm, regularised};
    #[pymodule_export]
    use super::network::{NetworkRun, train};
    #[pymodule_export]
    use super::ridge::{RidgeForm, RidgeProblem};
    #[pymodule_export]
    use super::support::{set_memory, set_threads};
    #[pymodule_export]
    use super::sweep::sweep;
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
