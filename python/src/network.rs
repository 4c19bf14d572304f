//! Trained networks: one function trains, its curves are kept.

use std::ops::ControlFlow;

use groktime::Loss;
use groktime::linalg::Threads;
use groktime::network::tasks::{classes, modular_addition};
use groktime::network::{
    Activation, Bias, Criterion, Curves, End, Init, Law, Moments, Net, Optimiser, Plan, Precision, Run,
    Sample, Settings, Targets, Training,
};
use groktime::trajectory::Observable;
use ndarray::ArrayView2;
use numpy::{PyArray1, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::support::{Progress, choose, error, interruptible, observables, slice};

/// The curves of a run.
#[pyclass(frozen)]
pub struct NetworkRun {
    curves: Curves,
}

fn criterion(name: &str) -> PyResult<Criterion> {
    let all = [
        ("squared", Criterion::Squared),
        ("half-squared", Criterion::HalfSquared),
        ("cross-entropy", Criterion::CrossEntropy),
        ("cross-entropy-per-output", Criterion::CrossEntropyPerOutput),
        ("logistic", Criterion::Margin(Loss::Logistic)),
        ("exponential", Criterion::Margin(Loss::Exponential)),
    ];
    choose("loss", name, &all)
}

/// Inputs and labels as the loss wants them: real outputs, signs, or classes (for squared losses where one column
/// is given to a net of several outputs).
fn sample(
    x: ArrayView2<'_, f64>,
    y: ArrayView2<'_, f64>,
    criterion: Criterion,
    outputs: usize,
) -> PyResult<Sample> {
    let one = || {
        if y.ncols() == 1 {
            return Ok(y.column(0).to_vec());
        }
        Err(PyValueError::new_err(format!("labels have {} columns, expected one", y.ncols())))
    };
    Ok(match criterion {
        Criterion::Squared | Criterion::HalfSquared if y.ncols() == outputs => Sample::values(x, y),
        Criterion::Margin(_) => Sample { targets: Targets::Signs(one()?), ..Sample::classes(x, Vec::new()) },
        _ => Sample::classes(x, classes(&one()?).map_err(error)?),
    })
}

/// Trains a net; see groktime.network.train.
#[pyfunction]
#[pyo3(signature = (*, data, test, modular, widths, activation, bias, init, init_scale, zero_last, theta, loss, optimizer, step_size, weight_decay, batch, double, budget, record, seed, progress))]
#[allow(clippy::too_many_arguments)] // named in Python
pub fn train<'py>(
    py: Python<'py>,
    data: Option<(PyReadonlyArray2<'py, f64>, PyReadonlyArray2<'py, f64>)>,
    test: Option<(PyReadonlyArray2<'py, f64>, PyReadonlyArray2<'py, f64>)>,
    modular: Option<(usize, f64)>,
    widths: Vec<usize>,
    activation: &str,
    bias: &str,
    init: &str,
    init_scale: f64,
    zero_last: bool,
    theta: Option<PyReadonlyArray1<'py, f64>>,
    loss: &str,
    optimizer: &str,
    step_size: f64,
    weight_decay: f64,
    batch: Option<usize>,
    double: bool,
    budget: u64,
    record: Option<Vec<u64>>,
    seed: u64,
    progress: Option<Py<PyAny>>,
) -> PyResult<NetworkRun> {
    let criterion = criterion(loss)?;
    let activations = [
        ("relu", Activation::Relu),
        ("tanh", Activation::Tanh),
        ("quadratic", Activation::Quadratic),
        ("identity", Activation::Identity),
    ];
    let biases = [("none", Bias::None), ("first", Bias::First), ("all", Bias::All)];
    let optimisers = [
        ("gd", Optimiser::Descent),
        ("adam", Optimiser::Adam(Moments::USUAL)),
        ("adamw", Optimiser::AdamW(Moments::USUAL)),
    ];
    let net =
        Net::new(&widths, choose("activation", activation, &activations)?, choose("bias", bias, &biases)?)
            .map_err(error)?;
    let outputs = net.outputs();
    let (training, held_out) = match (&data, modular) {
        (Some((x, y)), _) => {
            let held_out = match &test {
                Some((x, y)) => Some(sample(x.as_array(), y.as_array(), criterion, outputs)?),
                None => None,
            };
            (sample(x.as_array(), y.as_array(), criterion, outputs)?, held_out)
        }
        (None, Some((symbols, fraction))) => {
            let (training, held_out) = modular_addition(symbols, fraction, seed).map_err(error)?.into_pair();
            (training, Some(held_out))
        }
        (None, None) => return Err(PyValueError::new_err("there are no data to train on")),
    };
    let start = match &theta {
        Some(theta) => slice(theta)?.to_vec(),
        None => {
            let law =
                if choose("init", init, &[("he", true), ("torch", false)])? { Law::He } else { Law::Torch };
            net.init(&Init { law, scale: init_scale, zero_last, ..Init::default() }, seed).map_err(error)?
        }
    };
    let settings = Settings {
        criterion,
        optimiser: choose("optimizer", optimizer, &optimisers)?,
        step_size,
        weight_decay,
        batch,
        precision: if double { Precision::Double } else { Precision::Single },
        seed,
        threads: Threads::One,
        ..Settings::default()
    };
    let plan = Plan { budget, record, keep_parameters: false, ..Plan::default() };
    let mut progress = Progress::new(progress);
    let watch = &mut progress;
    let curves = interruptible(py, |stop| {
        // Records are far apart on a logarithmic axis: signals are looked at after every step.
        let training = Training::new(&net, &training, &settings, &start)?;
        let run = Run::new(training, held_out.as_ref(), &plan)?;
        let run = run.inspected(|training| watch.at(training.steps() as f64 / budget as f64, stop));
        run.go(|_| ControlFlow::Continue(()))
    });
    Ok(NetworkRun { curves: progress.finish(curves)? })
}

#[pymethods]
impl NetworkRun {
    /// Steps that were recorded.
    fn steps<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u64>> {
        PyArray1::from_vec(py, self.curves.records.iter().map(|r| r.step).collect())
    }

    /// One observable over the recorded steps, or with `_error` behind its name its error bar; NaN where undefined.
    fn column<'py>(&self, py: Python<'py>, name: String) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let plain = name.strip_suffix("_error").unwrap_or(&name).to_owned();
        let is_error = plain != name;
        let what: Vec<Observable> = observables(&[plain])?;
        let column = if is_error { self.curves.errors(what[0]) } else { self.curves.column(what[0]) };
        Ok(PyArray1::from_vec(py, column.into_iter().map(|x| x.unwrap_or(f64::NAN)).collect()))
    }

    /// First steps at which the accuracies were at their thresholds.
    fn accuracy_steps(&self) -> (Option<u64>, Option<u64>) {
        (self.curves.train_step, self.curves.test_step)
    }

    fn phase(&self) -> &'static str {
        self.curves.phase().name()
    }

    /// The step after which the loss is not finite.
    fn blew_up(&self) -> Option<u64> {
        match &self.curves.end {
            End::BlewUp { step, .. } => Some(*step),
            _ => None,
        }
    }

    /// θ after the last step.
    fn parameters<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_slice(py, &self.curves.checkpoint.parameters)
    }
}
