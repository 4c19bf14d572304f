//! Effective theory: a training set, its spectrum, the flow of the embeddings; many random training sets.

use std::sync::{Arc, OnceLock};

use groktime::effective::{
    Convention, Duplicates, Ensemble, Flow, Gradient, Match, Normalisation, Problem, Settings, Spectrum, Task,
};
use groktime::linalg::{Engine, Threads};
use ndarray::{Array2, Array3, Axis};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArray3, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::statements;
use crate::support::{Kept, choose, compute, crossing, error, observables, observe, slice};

type Decomposed = Kept<Spectrum<'static>, Problem>;
type Moving = Kept<Flow<'static, 'static>, Decomposed>;

/// A task and the samples it is trained on.
#[pyclass(frozen)]
pub struct EffectiveProblem {
    problem: Arc<Problem>,
    decomposed: OnceLock<Arc<Decomposed>>,
}

fn task(
    kind: &str,
    symbols: usize,
    orders: Vec<usize>,
    table: Option<&PyReadonlyArray2<'_, f64>>,
) -> PyResult<Task> {
    let names = ["addition", "modular", "cyclic-product", "s3", "table"];
    let kind = choose("task", kind, &names.map(|name| (name, name)))?;
    match (kind, table) {
        ("addition", _) => Task::addition(symbols),
        ("modular", _) => Task::modular(symbols),
        ("cyclic-product", _) => Task::cyclic_product(&orders),
        ("table", Some(table)) => Task::from_table(table.as_array()),
        _ => Ok(Task::s3()),
    }
    .map_err(error)
}

fn convention(name: &str) -> PyResult<Convention> {
    choose("convention", name, &[("mean", Convention::Mean), ("sum", Convention::Sum)])
}

fn normalisation(name: &str) -> PyResult<Normalisation> {
    let all = [
        ("one", Normalisation::One),
        ("symbols", Normalisation::Symbols),
        ("symbols-less-one", Normalisation::SymbolsLessOne),
    ];
    choose("normalisation", name, &all)
}

impl EffectiveProblem {
    fn decomposed(&self, py: Python<'_>) -> PyResult<Arc<Decomposed>> {
        if let Some(there) = self.decomposed.get() {
            return Ok(Arc::clone(there));
        }
        let engine = Engine { threads: Threads::All, ..Engine::default() };
        let problem = Arc::clone(&self.problem);
        let made = compute(py, || Decomposed::new(problem, |problem| problem.spectrum(engine)))?;
        Ok(Arc::clone(self.decomposed.get_or_init(|| Arc::new(made))))
    }
}

#[pymethods]
impl EffectiveProblem {
    /// All samples; or the given pairs; or so many random ones.
    #[new]
    #[pyo3(signature = (kind, *, symbols, orders, table, pairs, size, seed))]
    #[allow(clippy::too_many_arguments)] // named in Python
    fn new<'py>(
        kind: &str,
        symbols: usize,
        orders: Vec<usize>,
        table: Option<PyReadonlyArray2<'py, f64>>,
        pairs: Option<Vec<[u32; 2]>>,
        size: Option<usize>,
        seed: u64,
    ) -> PyResult<EffectiveProblem> {
        let task = task(kind, symbols, orders, table.as_ref())?;
        let problem = match (pairs, size) {
            (Some(pairs), _) => Problem::new(task, &pairs, Duplicates::Refuse),
            (None, Some(size)) => Problem::random(task, size, seed),
            (None, None) => Ok(Problem::full(task)),
        };
        Ok(EffectiveProblem { problem: Arc::new(problem.map_err(error)?), decomposed: OnceLock::new() })
    }

    fn pairs<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray2<u32>> {
        let pairs = self.problem.samples();
        Array2::from_shape_fn((pairs.len(), 2), |(k, side)| pairs[k][side]).into_pyarray(py)
    }

    fn symbols(&self) -> usize {
        self.problem.symbols()
    }

    /// n0 and whether it is proved.
    fn nullity(&self, py: Python<'_>) -> PyResult<(usize, bool)> {
        let nullity = compute(py, || Ok(self.problem.nullity()))?;
        Ok((nullity.value, nullity.certified))
    }

    /// RQI and accuracy of an ideal model that knows what the training set implies.
    fn implied(&self, py: Python<'_>) -> PyResult<(f64, f64)> {
        let implied = compute(py, || Ok(self.problem.implied()))?;
        Ok((implied.rqi, implied.accuracy))
    }

    /// Eigenvalues of the integer matrix G.
    fn eigenvalues<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let decomposed = self.decomposed(py)?;
        Ok(decomposed.value().eigenvalues().clone().into_pyarray(py))
    }

    /// The grokking rate: λ3 for addition, λ2 for groups.
    fn rate(&self, py: Python<'_>, convention_name: &str, normalisation_name: &str) -> PyResult<f64> {
        let (c, n) = (convention(convention_name)?, normalisation(normalisation_name)?);
        Ok(self.decomposed(py)?.value().rate(c, n))
    }

    #[pyo3(signature = (embeddings, *, convention_name, gradient, rule, delta))]
    fn flow<'py>(
        &self,
        py: Python<'py>,
        embeddings: PyReadonlyArray2<'py, f64>,
        convention_name: &str,
        gradient: &str,
        rule: &str,
        delta: f64,
    ) -> PyResult<EffectiveFlow> {
        let settings = Settings {
            convention: convention(convention_name)?,
            gradient: choose(
                "gradient",
                gradient,
                &[("full", Gradient::Full), ("linear", Gradient::Linear)],
            )?,
            matching: choose(
                "rule",
                rule,
                &[("norm", Match::Norm { delta }), ("mean-square", Match::MeanSquare { delta })],
            )?,
        };
        let start = embeddings.as_array();
        let decomposed = self.decomposed(py)?;
        let flow = compute(py, || Moving::new(decomposed, |d| d.value().flow(start, settings)))?;
        Ok(EffectiveFlow { flow })
    }

    /// Statements about the structure: exact ranks and normal forms.
    fn statements<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let decomposed = self.decomposed(py)?;
        let judged = compute(py, || decomposed.value().statements())?;
        statements::to_python(py, &judged)
    }

    /// Hitting times of a unique structure over random insertion orders, ascending; and r_c with an interval.
    #[allow(clippy::type_complexity)]
    fn hitting_times<'py>(
        &self,
        py: Python<'py>,
        trials: usize,
        seed: u64,
        confidence: f64,
    ) -> PyResult<(Bound<'py, PyArray1<usize>>, f64, (f64, f64))> {
        let ensemble = Ensemble { task: self.problem.task().clone(), trials, seed };
        let (times, (fraction, interval)) = compute(py, || {
            let times = ensemble.hitting_times()?;
            let critical = times.critical_fraction(confidence)?;
            Ok((times, critical))
        })?;
        Ok((PyArray1::from_vec(py, times.sorted), fraction, interval))
    }

    /// Training sets of a size with a unique structure, out of `trials`.
    fn unique(&self, py: Python<'_>, size: usize, trials: usize, seed: u64) -> PyResult<usize> {
        let ensemble = Ensemble { task: self.problem.task().clone(), trials, seed };
        Ok(compute(py, || ensemble.unique(size))?.successes)
    }
}

/// E(t) in closed form.
#[pyclass(frozen)]
pub struct EffectiveFlow {
    flow: Moving,
}

#[pymethods]
impl EffectiveFlow {
    fn observe<'py>(
        &self,
        py: Python<'py>,
        times: PyReadonlyArray1<'py, f64>,
        names: Vec<String>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        // `loss_error` is the error bar of `loss`, and so on.
        let (flow, times) = (self.flow.value(), slice(&times)?);
        let plain: Vec<String> =
            names.iter().map(|name| name.strip_suffix("_error").unwrap_or(name).to_owned()).collect();
        let mut values = observe(py, flow, times, &plain)?;
        if plain != names {
            let what = observables(&plain)?;
            let errors = compute(py, || Ok(flow.errors(times, &what)?.values))?;
            for (j, _) in names.iter().zip(&plain).enumerate().filter(|(_, (name, plain))| name != plain) {
                values.column_mut(j).assign(&errors.column(j));
            }
        }
        Ok(values.into_pyarray(py))
    }

    /// E at each time: times × symbols × dimensions.
    fn embeddings<'py>(
        &self,
        py: Python<'py>,
        times: PyReadonlyArray1<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray3<f64>>> {
        let (flow, times) = (self.flow.value(), slice(&times)?);
        let one = |&t: &f64| flow.state(t);
        let all = compute(py, || times.iter().map(one).collect::<groktime::Result<Vec<Array2<f64>>>>())?;
        let shape = all.first().map_or((0, 0), |e| e.dim());
        let mut stacked = Array3::zeros((all.len(), shape.0, shape.1));
        for (mut to, from) in stacked.axis_iter_mut(Axis(0)).zip(&all) {
            to.assign(from);
        }
        Ok(stacked.into_pyarray(py))
    }

    fn first_rqi<'py>(&self, py: Python<'py>, threshold: f64) -> PyResult<Bound<'py, PyDict>> {
        crossing(py, compute(py, || self.flow.value().first_rqi(threshold))?)
    }

    fn first_accuracy<'py>(&self, py: Python<'py>, threshold: f64) -> PyResult<Bound<'py, PyDict>> {
        crossing(py, compute(py, || self.flow.value().first_accuracy(threshold))?)
    }

    fn rates<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.flow.value().rates().clone().into_pyarray(py)
    }

    fn statements<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let judged = compute(py, || self.flow.value().statements())?;
        statements::to_python(py, &judged)
    }
}
