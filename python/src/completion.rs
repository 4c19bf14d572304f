//! Matrix completion: a problem and its flows.

use groktime::completion::theorems::Inputs;
use groktime::completion::{Init, Problem, Record, Settings, SlowSettings, Solution};
use groktime::data::Observations;
use groktime::linalg::Threads;
use groktime::trajectory::Trajectory;
use ndarray::{Array2, Array3, Axis};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArray3, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::statements;
use crate::support::{Progress, compute, interruptible, observe, slice};

/// Observations, the matrix to recover, and the start.
#[pyclass(frozen)]
pub struct CompletionProblem {
    problem: Problem,
}

/// U(0), V(0) as Python gives them: αI; α, σ and a seed; both.
#[derive(FromPyObject)]
pub enum Start<'py> {
    Identity(f64),
    Perturbed(f64, f64, u64),
    Factors(PyReadonlyArray2<'py, f64>, PyReadonlyArray2<'py, f64>),
}

#[pymethods]
impl CompletionProblem {
    /// From a matrix and a mask, or from a list of (i, j, y) with the dimension.
    #[new]
    #[pyo3(signature = (init, *, matrix, mask, dimension, entries))]
    fn new<'py>(
        py: Python<'py>,
        init: Start<'py>,
        matrix: Option<PyReadonlyArray2<'py, f64>>,
        mask: Option<PyReadonlyArray2<'py, f64>>,
        dimension: usize,
        entries: Vec<(usize, usize, f64)>,
    ) -> PyResult<CompletionProblem> {
        let init = match &init {
            Start::Identity(coordinate) => Init::Identity { coordinate: *coordinate },
            Start::Perturbed(coordinate, std, seed) => {
                Init::Perturbed { coordinate: *coordinate, std: *std, seed: *seed }
            }
            Start::Factors(u, v) => Init::Factors { u: u.as_array().to_owned(), v: v.as_array().to_owned() },
        };
        let truth = matrix.as_ref().map(|m| m.as_array());
        let mask = mask.as_ref().map(|m| m.as_array());
        let problem = compute(py, || {
            let seen = match (truth, mask) {
                (Some(truth), Some(mask)) => Observations::from_mask(truth, mask)?,
                _ => Observations::from_list(dimension, &entries)?,
            };
            Problem::new(seen, truth.map(|x| x.to_owned()), init)
        })?;
        Ok(CompletionProblem { problem })
    }

    fn shape(&self) -> (usize, usize) {
        (self.problem.dimension(), self.problem.observations().count())
    }

    /// The kernel solution: observed entries, the others zero.
    fn zero_filled<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray2<f64>> {
        self.problem.observations().zero_filled().into_pyarray(py)
    }

    fn test_loss_floor(&self) -> Option<f64> {
        self.problem.test_loss_floor()
    }

    #[pyo3(signature = (*, weight_decay, horizon, rtol, rank_tolerance, at, progress))]
    #[allow(clippy::too_many_arguments)] // named in Python
    fn flow(
        &self,
        py: Python<'_>,
        weight_decay: f64,
        horizon: f64,
        rtol: f64,
        rank_tolerance: f64,
        at: Option<Vec<f64>>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<CompletionPath> {
        let record = at.map_or(Record::Path, Record::At);
        let settings =
            Settings { weight_decay, horizon, rtol, rank_tolerance, record, threads: Threads::All };
        let mut progress = Progress::new(progress);
        let watch = &mut progress;
        let solution =
            interruptible(py, |stop| self.problem.flow_observed(&settings, |t| watch.at(t / horizon, stop)));
        Ok(CompletionPath { solution: progress.finish(solution)? })
    }

    #[pyo3(signature = (*, horizon, rtol, rank_tolerance))]
    fn slow_flow(
        &self,
        py: Python<'_>,
        horizon: f64,
        rtol: f64,
        rank_tolerance: f64,
    ) -> PyResult<CompletionPath> {
        let settings = SlowSettings { horizon, rtol, rank_tolerance, threads: Threads::All };
        let solution = compute(py, || self.problem.slow_flow(&settings))?;
        Ok(CompletionPath { solution })
    }
}

/// W(t), solved.
#[pyclass(frozen)]
pub struct CompletionPath {
    solution: Solution,
}

#[pymethods]
impl CompletionPath {
    fn observe<'py>(
        &self,
        py: Python<'py>,
        times: PyReadonlyArray1<'py, f64>,
        names: Vec<String>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        Ok(observe(py, &self.solution, slice(&times)?, &names)?.into_pyarray(py))
    }

    /// W at each time.
    fn matrices<'py>(
        &self,
        py: Python<'py>,
        times: PyReadonlyArray1<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray3<f64>>> {
        let times = slice(&times)?;
        let one = |&t: &f64| self.solution.state(t);
        let all = compute(py, || times.iter().map(one).collect::<groktime::Result<Vec<Array2<f64>>>>())?;
        let d = self.solution.problem().dimension();
        let mut stacked = Array3::zeros((all.len(), d, d));
        for (mut to, from) in stacked.axis_iter_mut(Axis(0)).zip(&all) {
            to.assign(from);
        }
        Ok(stacked.into_pyarray(py))
    }

    fn horizon(&self) -> Option<f64> {
        self.solution.horizon()
    }

    fn step_times<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_vec(py, self.solution.step_times())
    }

    /// Steps, right-hand sides, Jacobians, drift of the invariant, repairs.
    fn statistics(&self) -> (usize, usize, usize, f64, usize) {
        let d = self.solution.diagnostics();
        (d.statistics.steps, d.statistics.rhs, d.statistics.jacobians, d.invariant_drift, d.repairs)
    }

    fn statements<'py>(&self, py: Python<'py>, fraction: f64) -> PyResult<Bound<'py, PyList>> {
        let judged = compute(py, || self.solution.statements(&Inputs { fraction }))?;
        statements::to_python(py, &judged)
    }
}
