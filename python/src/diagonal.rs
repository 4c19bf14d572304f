//! Diagonal linear nets: a problem, its gradient flow, its slow flow.

use std::sync::Arc;

use groktime::Loss;
use groktime::data::Design;
use groktime::data::accuracy::accuracy;
use groktime::data::tasks::{Law, Task};
use groktime::diagonal::theorems::Inputs;
use groktime::diagonal::{Alignment, Init, Limits, Problem, Run, Settings, SlowFlow, Snapshot};
use groktime::linalg::Threads;
use ndarray::Array1;
use numpy::{IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::statements;
use crate::support::{Kept, Progress, choose, compute, interruptible, observe, rows, slice};

/// Data, labels, loss; the law they were drawn from, if they were.
#[pyclass(frozen)]
pub struct DiagonalProblem {
    problem: Arc<Problem>,
    law: Option<(Law, Array1<f64>)>,
}

fn loss(name: &str) -> PyResult<Loss> {
    choose(
        "loss",
        name,
        &[("logistic", Loss::Logistic), ("exponential", Loss::Exponential), ("squared", Loss::Squared)],
    )
}

/// θ(0) as Python gives it: α, or u and v.
#[derive(FromPyObject)]
pub enum Start<'py> {
    Symmetric(f64),
    Each(PyReadonlyArray1<'py, f64>, PyReadonlyArray1<'py, f64>),
}

impl Start<'_> {
    fn init(&self) -> Init {
        match self {
            Start::Symmetric(alpha) => Init::Symmetric(*alpha),
            Start::Each(u, v) => Init::Each { u: u.as_array().to_vec(), v: v.as_array().to_vec() },
        }
    }
}

#[pymethods]
impl DiagonalProblem {
    #[new]
    fn new<'py>(
        py: Python<'py>,
        data: PyReadonlyArray2<'py, f64>,
        labels: PyReadonlyArray1<'py, f64>,
        loss_name: &str,
    ) -> PyResult<DiagonalProblem> {
        let (x, y, loss) = (data.as_array(), labels.as_array().to_vec(), loss(loss_name)?);
        let problem = compute(py, || Problem::new(Design::new(x)?, y, loss))?;
        Ok(DiagonalProblem { problem: Arc::new(problem), law: None })
    }

    /// Data drawn from a law with known test accuracy; labels are classes, so the loss is a margin loss.
    #[staticmethod]
    fn draw(
        py: Python<'_>,
        law: &str,
        parameter: f64,
        samples: usize,
        dimension: usize,
        seed: u64,
        loss_name: &str,
    ) -> PyResult<DiagonalProblem> {
        let laws = [
            ("sparse-signs", Law::SparseSigns { relevant: parameter as usize }),
            ("gap", Law::Gap { gap: parameter }),
        ];
        let law = choose("law", law, &laws)?;
        let loss = loss(loss_name)?;
        let (problem, teacher) = compute(py, || {
            let drawn = Task { law, samples, dimension, seed }.draw()?;
            Ok((Problem::new(drawn.design, drawn.labels.to_vec(), loss)?, drawn.teacher))
        })?;
        Ok(DiagonalProblem { problem: Arc::new(problem), law: Some((law, teacher)) })
    }

    fn arrays<'py>(&self, py: Python<'py>) -> (Bound<'py, PyArray2<f64>>, Bound<'py, PyArray1<f64>>) {
        let labels = PyArray1::from_slice(py, self.problem.labels());
        (self.problem.design().to_matrix().into_pyarray(py), labels)
    }

    fn shape(&self) -> (usize, usize) {
        (self.problem.design().samples(), self.problem.design().dimension())
    }

    #[pyo3(signature = (*, depth, init, weight_decay, horizon, rtol, progress))]
    #[allow(clippy::too_many_arguments)] // named in Python
    fn flow(
        &self,
        py: Python<'_>,
        depth: u32,
        init: Start<'_>,
        weight_decay: f64,
        horizon: f64,
        rtol: f64,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<DiagonalPath> {
        let init = init.init();
        let settings = Settings { depth, init, weight_decay, horizon, rtol, threads: Threads::All };
        let mut progress = Progress::new(progress);
        let problem = Arc::clone(&self.problem);
        let (watch, wanted) = (&mut progress, &settings);
        let run = interruptible(py, move |stop| {
            Solved::new(problem, |problem| Run::watched(problem, wanted, |t| watch.at(t / horizon, stop)))
        });
        Ok(DiagonalPath { run: progress.finish(run)?, law: self.law.clone() })
    }

    fn slow_flow(&self, py: Python<'_>, depth: u32, init: Start<'_>, horizon: f64) -> PyResult<SlowPath> {
        let (problem, init) = (Arc::clone(&self.problem), init.init());
        let flow = compute(py, || {
            SolvedSlow::new(problem, |problem| SlowFlow::new(problem, &init, depth, horizon))
        })?;
        Ok(SlowPath { flow })
    }

    /// Kernel and rich limits, or None.
    fn limits<'py>(
        &self,
        py: Python<'py>,
        depth: u32,
        init: Start<'_>,
    ) -> PyResult<Option<Bound<'py, PyDict>>> {
        let init = init.init();
        let found = compute(py, || Limits::new(&self.problem, &init, depth, Threads::All))?;
        let Some(found) = found else { return Ok(None) };
        let dict = PyDict::new(py);
        dict.set_item("kernel", found.kernel.into_pyarray(py))?;
        dict.set_item("rich", found.rich.into_pyarray(py))?;
        dict.set_item("margin_l2", found.margin_l2)?;
        dict.set_item("margin_l1", found.margin_l1)?;
        dict.set_item("off_support", found.off_support)?;
        Ok(Some(dict))
    }
}

type Solved = Kept<Run<'static>, Problem>;
type SolvedSlow = Kept<SlowFlow<'static>, Problem>;

/// A gradient flow, solved.
#[pyclass(frozen)]
pub struct DiagonalPath {
    run: Solved,
    law: Option<(Law, Array1<f64>)>,
}

impl DiagonalPath {
    fn run(&self) -> &Run<'static> {
        self.run.value()
    }

    fn width(&self) -> usize {
        self.run().problem().design().dimension()
    }
}

#[pymethods]
impl DiagonalPath {
    /// Observables, or with `_error` behind a name its error bar; NaN where undefined or unknown.
    fn observe<'py>(
        &self,
        py: Python<'py>,
        times: PyReadonlyArray1<'py, f64>,
        names: Vec<String>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let plain: Vec<String> =
            names.iter().map(|name| name.strip_suffix("_error").unwrap_or(name).to_owned()).collect();
        let times = slice(&times)?;
        let mut values = observe(py, self.run(), times, &plain)?;
        if plain != names {
            let run = self.run();
            let nets = compute(py, || {
                times
                    .iter()
                    .map(|&t| run.snapshot_with_errors(t))
                    .collect::<groktime::Result<Vec<Snapshot>>>()
            })?;
            for (j, (name, plain)) in names.iter().zip(&plain).enumerate() {
                if name != plain {
                    nets.iter().enumerate().for_each(|(i, net)| values[(i, j)] = error_bar(net, plain));
                }
            }
        }
        Ok(values.into_pyarray(py))
    }

    fn weights<'py>(
        &self,
        py: Python<'py>,
        times: PyReadonlyArray1<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let (run, times) = (self.run(), slice(&times)?);
        let all = compute(py, || times.iter().map(|&t| run.state(t)).collect::<groktime::Result<Vec<_>>>())?;
        Ok(rows(all, self.width()).into_pyarray(py))
    }

    /// |u| and |v|, one row a time.
    #[allow(clippy::type_complexity)]
    fn parameters<'py>(
        &self,
        py: Python<'py>,
        times: PyReadonlyArray1<'py, f64>,
    ) -> PyResult<(Bound<'py, PyArray2<f64>>, Bound<'py, PyArray2<f64>>)> {
        let (run, times) = (self.run(), slice(&times)?);
        let all =
            compute(py, || times.iter().map(|&t| run.parameters(t)).collect::<groktime::Result<Vec<_>>>())?;
        let (u, v): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        Ok((rows(u, self.width()).into_pyarray(py), rows(v, self.width()).into_pyarray(py)))
    }

    /// Exact test accuracy for data that were drawn from a known law; NaN at w = 0.
    fn exact_accuracy<'py>(
        &self,
        py: Python<'py>,
        times: PyReadonlyArray1<'py, f64>,
    ) -> PyResult<Option<Bound<'py, PyArray1<f64>>>> {
        let Some((law, teacher)) = &self.law else { return Ok(None) };
        let (run, times) = (self.run(), slice(&times)?);
        let one = |&t: &f64| {
            let found = accuracy(*law, teacher.view(), run.state(t)?.view())?;
            Ok(found.unwrap_or(f64::NAN))
        };
        let all = compute(py, || times.iter().map(one).collect::<groktime::Result<Vec<f64>>>())?;
        Ok(Some(PyArray1::from_vec(py, all)))
    }

    /// Cosines with the kernel and the rich limit, and parts of the largest margins: one row a time.
    fn alignment<'py>(
        &self,
        py: Python<'py>,
        times: PyReadonlyArray1<'py, f64>,
    ) -> PyResult<Option<Bound<'py, PyArray2<f64>>>> {
        let (run, times) = (self.run(), slice(&times)?);
        let settings = run.settings();
        let all = compute(py, || {
            let Some(limits) = Limits::new(run.problem(), &settings.init, settings.depth, Threads::All)?
            else {
                return Ok(None);
            };
            let nets = times.iter().map(|&t| run.snapshot(t)).collect::<groktime::Result<Vec<Snapshot>>>()?;
            Ok(Some(nets.iter().map(|net| row(limits.compare(net))).collect::<Vec<_>>()))
        })?;
        Ok(all.map(|all| rows(all, 4).into_pyarray(py)))
    }

    fn horizon(&self) -> f64 {
        self.run().settings().horizon
    }

    /// Ends of the integrator's steps.
    fn step_times<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_vec(py, self.run().steps().collect())
    }

    /// Steps, right-hand sides, Jacobians.
    fn statistics(&self) -> (usize, usize, usize) {
        let s = self.run().statistics();
        (s.steps, s.rhs, s.jacobians)
    }

    #[pyo3(signature = (*, fraction, relevant, failure_probability))]
    fn statements<'py>(
        &self,
        py: Python<'py>,
        fraction: f64,
        relevant: Option<usize>,
        failure_probability: f64,
    ) -> PyResult<Bound<'py, PyList>> {
        let inputs = Inputs { fraction, relevant, failure_probability, ..Inputs::default() };
        let judged = compute(py, || self.run().statements(&inputs))?;
        statements::to_python(py, &judged)
    }
}

/// NaN where it is unknown.
fn error_bar(net: &Snapshot, name: &str) -> f64 {
    let bar = match name {
        "train_loss" => net.train_loss_error,
        "train_accuracy" => net.train_accuracy_error,
        "parameter_norm" => net.parameter_norm_error,
        "margin_l2" => net.margin_l2_error,
        "margin_l1" => net.margin_l1_error,
        _ => None,
    };
    bar.unwrap_or(f64::NAN)
}

fn row(a: Alignment) -> Array1<f64> {
    let all = [a.cosine_kernel, a.cosine_rich, a.margin_l2, a.margin_l1];
    all.iter().map(|x| x.unwrap_or(f64::NAN)).collect()
}

/// The slow flow of the squared loss, a function of τ = λt.
#[pyclass(frozen)]
pub struct SlowPath {
    flow: SolvedSlow,
}

#[pymethods]
impl SlowPath {
    fn weights<'py>(
        &self,
        py: Python<'py>,
        times: PyReadonlyArray1<'py, f64>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let (flow, times) = (self.flow.value(), slice(&times)?);
        let one = |&t: &f64| Ok(flow.snapshot(t)?.weights);
        let all = compute(py, || times.iter().map(one).collect::<groktime::Result<Vec<Array1<f64>>>>())?;
        let width = self.flow.owner().design().dimension();
        Ok(rows(all, width).into_pyarray(py))
    }

    /// The last τ at which |w_k| is a given part of the largest.
    fn extinction(&self, py: Python<'_>, coordinate: usize, fraction: f64) -> PyResult<Option<f64>> {
        compute(py, || self.flow.value().extinction(coordinate, fraction))
    }

    /// Largest relative distance from a flow at the given flow times.
    fn distance(
        &self,
        py: Python<'_>,
        path: &DiagonalPath,
        times: PyReadonlyArray1<'_, f64>,
    ) -> PyResult<f64> {
        let times = slice(&times)?;
        compute(py, || self.flow.value().distance(path.run(), times))
    }
}
