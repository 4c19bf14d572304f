//! Ridge regression: a decomposed problem, and its closed forms.

mod tables;

use std::sync::Arc;

use groktime::crossing::Point;
use groktime::data::{Covariance, Moments};
use groktime::linalg::{Engine, Threads};
use groktime::ridge::theorems::Inputs;
use groktime::ridge::{
    ClosedForm, Control, Features, Instance, Knob, Population, Problem, Recipe, Sample, Settings, Spectrum,
    Target, Teacher,
};
use ndarray::{Array1, ArrayView2};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use self::tables::{averages, states, steps, with_errors, wrong_clock};
use crate::statements;
use crate::support::{Kept, Matrix, Times, choose, compute, crossing, slice};

/// Where the arrays of a problem are.
enum Source {
    Given {
        features: Matrix,
        covariance: Sigma,
        target: Target,
        init: Array1<f64>,
        moments: Option<Moments>,
        test: Option<(Matrix, Array1<f64>)>,
        gaussian: Option<bool>,
        feature_bound: Option<f64>,
    },
    Drawn(Instance),
}

enum Sigma {
    Unknown,
    Isotropic(f64),
    Dense(Matrix),
}

impl Source {
    fn features(&self) -> ArrayView2<'_, f64> {
        match self {
            Source::Given { features, .. } => features.view(),
            Source::Drawn(instance) => instance.features.view(),
        }
    }

    fn problem(&self) -> Problem<'_> {
        match self {
            Source::Drawn(instance) => instance.problem(),
            Source::Given { features, covariance, target, init, moments, test, gaussian, feature_bound } => {
                let features = features.view();
                let covariance = match covariance {
                    Sigma::Unknown => None,
                    Sigma::Isotropic(variance) => {
                        Some(Covariance::Isotropic { dimension: features.ncols(), variance: *variance })
                    }
                    Sigma::Dense(matrix) => Some(Covariance::Dense(matrix.view())),
                };
                let sample = test.as_ref().map(|(f, y)| Sample { features: f.view(), labels: y.clone() });
                let population = Population {
                    covariance,
                    moments: moments.clone(),
                    sample,
                    gaussian: *gaussian,
                    feature_bound: *feature_bound,
                };
                Problem { features, target: target.clone(), init: init.clone(), population }
            }
        }
    }
}

type Solved = Kept<Spectrum<'static>, Source>;

/// A problem, decomposed.
#[pyclass(frozen)]
pub struct RidgeProblem {
    solved: Arc<Solved>,
    /// The labels or the teacher that it was given or drew, for [`RidgeProblem::arrays`].
    init_variance: Option<f64>,
}

fn engine() -> Engine {
    Engine { threads: Threads::All, ..Engine::default() }
}

impl RidgeProblem {
    fn solve(py: Python<'_>, source: Source, init_variance: Option<f64>) -> PyResult<RidgeProblem> {
        let solved =
            compute(py, || Solved::new(Arc::new(source), |source| source.problem().spectrum(engine())))?;
        Ok(RidgeProblem { solved: Arc::new(solved), init_variance })
    }

    fn spectrum(&self) -> &Spectrum<'static> {
        self.solved.value()
    }
}

#[pymethods]
impl RidgeProblem {
    #[new]
    #[pyo3(signature = (features, init, *, teacher, noise, labels, isotropic, covariance, moments, test, gaussian, feature_bound, init_variance))]
    #[allow(clippy::too_many_arguments)] // named in Python
    fn new<'py>(
        py: Python<'py>,
        features: PyReadonlyArray2<'py, f64>,
        init: PyReadonlyArray1<'py, f64>,
        teacher: Option<PyReadonlyArray1<'py, f64>>,
        noise: Option<PyReadonlyArray1<'py, f64>>,
        labels: Option<PyReadonlyArray1<'py, f64>>,
        isotropic: Option<f64>,
        covariance: Option<PyReadonlyArray2<'py, f64>>,
        moments: Option<(PyReadonlyArray1<'py, f64>, f64)>,
        test: Option<(PyReadonlyArray2<'py, f64>, PyReadonlyArray1<'py, f64>)>,
        gaussian: Option<bool>,
        feature_bound: Option<f64>,
        init_variance: Option<f64>,
    ) -> PyResult<RidgeProblem> {
        let owned = |x: &PyReadonlyArray1<'py, f64>| x.as_array().to_owned();
        let target = match (&teacher, &labels) {
            (Some(teacher), None) => {
                Target::Teacher { weights: owned(teacher), noise: noise.as_ref().map(owned) }
            }
            (None, Some(labels)) => Target::Labels(owned(labels)),
            _ => return Err(PyValueError::new_err("give a teacher or labels, not both")),
        };
        let covariance = match (isotropic, &covariance) {
            (Some(variance), _) => Sigma::Isotropic(variance),
            (None, Some(matrix)) => Sigma::Dense(Matrix::new(matrix)?),
            (None, None) => Sigma::Unknown,
        };
        let test = match &test {
            Some((features, labels)) => Some((Matrix::new(features)?, owned(labels))),
            None => None,
        };
        let source = Source::Given {
            features: Matrix::new(&features)?,
            covariance,
            target,
            init: owned(&init),
            moments: moments.map(|(h, kappa)| Moments { h: owned(&h), kappa }),
            test,
            gaussian,
            feature_bound,
        };
        RidgeProblem::solve(py, source, init_variance)
    }

    /// A problem drawn from a seed.
    #[staticmethod]
    #[pyo3(signature = (*, features, parameters, teacher, samples, width, init_variance, noise_std, test_samples, seed))]
    #[allow(clippy::too_many_arguments)] // named in Python
    fn draw(
        py: Python<'_>,
        features: &str,
        parameters: [f64; 3],
        teacher: &str,
        samples: usize,
        width: usize,
        init_variance: f64,
        noise_std: f64,
        test_samples: usize,
        seed: u64,
    ) -> PyResult<RidgeProblem> {
        let [a, b, c] = parameters;
        let input_dim = a as usize;
        let laws = [
            ("gaussian", Features::Gaussian),
            ("sphere", Features::Sphere { bound: a }),
            ("relu", Features::Relu { input_dim, hidden_variance: b, input_variance: c }),
            ("fourier", Features::Fourier { input_dim, frequency_variance: b, input_variance: c }),
        ];
        let teachers = [
            ("zero", Teacher::Zero),
            ("unit", Teacher::Unit),
            ("relu-neuron", Teacher::ReluNeuron),
            ("fourier-feature", Teacher::FourierFeature),
        ];
        let recipe = Recipe {
            features: choose("features", features, &laws)?,
            teacher: choose("teacher", teacher, &teachers)?,
            samples,
            width,
            init_variance,
            noise_std,
            test_samples,
            seed,
        };
        let instance = compute(py, || recipe.draw())?;
        RidgeProblem::solve(py, Source::Drawn(instance), Some(init_variance))
    }

    /// Features, θ₀, and the teacher (or None) and labels (or None).
    #[allow(clippy::type_complexity)]
    fn arrays<'py>(
        &self,
        py: Python<'py>,
    ) -> (
        Bound<'py, PyArray2<f64>>,
        Bound<'py, PyArray1<f64>>,
        Option<Bound<'py, PyArray1<f64>>>,
        Option<Bound<'py, PyArray1<f64>>>,
    ) {
        let source = self.solved.owner();
        let problem = source.problem();
        let (teacher, labels) = match problem.target {
            Target::Teacher { weights, noise } => {
                let labels = noise.map(|noise| source.features().dot(&weights) + noise);
                (Some(weights), labels)
            }
            Target::Labels(labels) => (None, Some(labels)),
        };
        let features = source.features().to_owned().into_pyarray(py);
        let array = |x: Array1<f64>| x.into_pyarray(py);
        (features, array(problem.init), teacher.map(array), labels.map(array))
    }

    fn eigenvalues<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_slice(py, self.spectrum().eigenvalues())
    }

    fn shape(&self) -> (usize, usize) {
        self.spectrum().shape()
    }

    fn largest_stable_step(&self, weight_decay: f64) -> f64 {
        self.spectrum().largest_stable_step(weight_decay)
    }

    fn test_risk(&self) -> String {
        self.spectrum().test_risk()
    }

    #[pyo3(signature = (*, flow, step_size, weight_decay, init_scale, accuracy_tolerance))]
    fn solve_with(
        &self,
        py: Python<'_>,
        flow: bool,
        step_size: f64,
        weight_decay: f64,
        init_scale: f64,
        accuracy_tolerance: f64,
    ) -> PyResult<RidgeForm> {
        let settings = Settings { step_size, weight_decay, init_scale, accuracy_tolerance };
        let solved = Arc::clone(&self.solved);
        let form = compute(py, || {
            Ok(match flow {
                false => Form::Descent(Descent::new(solved, |s| s.value().descent(&settings))?),
                true => Form::Flow(Flow::new(solved, |s| s.value().flow(&settings))?),
            })
        })?;
        let init_variance = self.init_variance.map(|v| v * init_scale * init_scale);
        Ok(RidgeForm { form, init_variance })
    }

    /// Knob values at which the delay is the wanted one, with the delay there.
    #[pyo3(signature = (*, knob, drawn, range, points, delay, thresholds, flow, step_size, weight_decay, init_scale))]
    #[allow(clippy::too_many_arguments)] // named in Python
    fn control(
        &self,
        py: Python<'_>,
        knob: &str,
        drawn: Option<f64>,
        range: (f64, f64),
        points: usize,
        delay: f64,
        thresholds: (f64, f64),
        flow: bool,
        step_size: f64,
        weight_decay: f64,
        init_scale: f64,
    ) -> PyResult<Vec<(f64, f64)>> {
        let drawn = drawn.or(self.init_variance).unwrap_or(1.0);
        let knobs = [
            ("weight_decay", Knob::WeightDecay),
            ("init_variance", Knob::InitVariance { drawn }),
            ("threshold", Knob::Threshold),
        ];
        let control = Control { knob: choose("knob", knob, &knobs)?, range, points, delay, thresholds };
        let settings = Settings { step_size, weight_decay, init_scale, ..Settings::default() };
        compute(py, || {
            Ok(match flow {
                false => pairs(control.descent(self.spectrum(), &settings)?),
                true => pairs(control.flow(self.spectrum(), &settings)?),
            })
        })
    }
}

fn pairs<T>(solutions: Vec<groktime::ridge::Solution<T>>) -> Vec<(f64, f64)> {
    solutions.iter().map(|s| (s.value, s.delay)).collect()
}

type Descent = Kept<ClosedForm<'static, 'static, u64>, Solved>;
type Flow = Kept<ClosedForm<'static, 'static, f64>, Solved>;

enum Form {
    Descent(Descent),
    Flow(Flow),
}

/// A closed form of a problem: descent or flow.
#[pyclass(frozen)]
pub struct RidgeForm {
    form: Form,
    init_variance: Option<f64>,
}

/// The same expression for both clocks.
macro_rules! on {
    ($form:expr, $f:ident => $body:expr) => {
        match $form {
            Form::Descent(cell) => {
                let $f = cell.value();
                $body
            }
            Form::Flow(cell) => {
                let $f = cell.value();
                $body
            }
        }
    };
}

#[pymethods]
impl RidgeForm {
    fn observe<'py>(
        &self,
        py: Python<'py>,
        times: Times<'py>,
        names: Vec<String>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let values = match (&self.form, &times) {
            (Form::Descent(cell), Times::Steps(t)) => with_errors(py, cell.value(), steps(t)?, &names)?,
            (Form::Flow(cell), Times::Flow(t)) => with_errors(py, cell.value(), slice(t)?, &names)?,
            _ => return Err(wrong_clock()),
        };
        Ok(values.into_pyarray(py))
    }

    /// θ at each time, one row each.
    fn parameters<'py>(&self, py: Python<'py>, times: Times<'py>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let all = match (&self.form, &times) {
            (Form::Descent(cell), Times::Steps(t)) => states(py, cell.value(), steps(t)?)?,
            (Form::Flow(cell), Times::Flow(t)) => states(py, cell.value(), slice(t)?)?,
            _ => return Err(wrong_clock()),
        };
        Ok(all.into_pyarray(py))
    }

    /// t1, t2 as crossings.
    fn times<'py>(
        &self,
        py: Python<'py>,
        train: f64,
        test: f64,
    ) -> PyResult<(Bound<'py, PyDict>, Bound<'py, PyDict>)> {
        on!(&self.form, form => {
            let times = compute(py, || form.times(train, test))?;
            Ok((crossing(py, times.train)?, crossing(py, times.test)?))
        })
    }

    fn last_unfit<'py>(&self, py: Python<'py>, threshold: f64) -> PyResult<Bound<'py, PyDict>> {
        on!(&self.form, form => crossing(py, compute(py, || form.last_unfit(threshold))?))
    }

    fn first_general<'py>(&self, py: Python<'py>, threshold: f64) -> PyResult<Bound<'py, PyDict>> {
        on!(&self.form, form => crossing(py, compute(py, || form.first_general(threshold))?))
    }

    fn first_accurate<'py>(&self, py: Python<'py>, threshold: f64) -> PyResult<Bound<'py, PyDict>> {
        on!(&self.form, form => crossing(py, compute(py, || form.first_accurate(threshold))?))
    }

    /// Limits of the losses as t → ∞.
    fn loss_limits(&self) -> (Option<f64>, Option<f64>) {
        on!(&self.form, form => (form.train_loss_limit(), form.test_loss_limit()))
    }

    /// Bounds on their rounding errors.
    fn loss_limit_errors(&self) -> (Option<f64>, Option<f64>) {
        let known = |point: Point| point.rounding.is_finite().then_some(point.rounding);
        on!(&self.form, form => (
            form.bounded_train_loss_limit().and_then(known),
            form.bounded_test_loss_limit().and_then(known),
        ))
    }

    /// Derivatives of t1 or t2; None where the crossing has none.
    fn sensitivity<'py>(
        &self,
        py: Python<'py>,
        test: bool,
        threshold: f64,
    ) -> PyResult<Option<Bound<'py, PyDict>>> {
        let found = on!(&self.form, form => compute(py, || match test {
            false => form.train_sensitivity(threshold),
            true => form.test_sensitivity(threshold),
        })?);
        let Some(found) = found else { return Ok(None) };
        let dict = PyDict::new(py);
        dict.set_item("time", found.time)?;
        dict.set_item("weight_decay", found.weight_decay)?;
        dict.set_item("step_size", found.step_size)?;
        dict.set_item("init_variance", found.init_variance)?;
        dict.set_item("threshold", found.threshold)?;
        dict.set_item("tangent", found.tangent)?;
        Ok(Some(dict))
    }

    /// Mean and standard deviation of a loss over θ₀ ~ N(0, ν²I), one row a time.
    fn init_average<'py>(
        &self,
        py: Python<'py>,
        test: bool,
        times: Times<'py>,
        init_variance: f64,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let all = match (&self.form, &times) {
            (Form::Descent(cell), Times::Steps(t)) => {
                averages(py, cell.value(), steps(t)?, test, init_variance)?
            }
            (Form::Flow(cell), Times::Flow(t)) => averages(py, cell.value(), slice(t)?, test, init_variance)?,
            _ => return Err(wrong_clock()),
        };
        Ok(all.into_pyarray(py))
    }

    #[pyo3(signature = (*, train, test, failure_probability, init_variance))]
    fn statements<'py>(
        &self,
        py: Python<'py>,
        train: f64,
        test: f64,
        failure_probability: f64,
        init_variance: Option<f64>,
    ) -> PyResult<Bound<'py, PyList>> {
        let inputs = Inputs {
            train_threshold: train,
            test_threshold: test,
            failure_probability,
            init_variance: init_variance.or(self.init_variance),
            ..Inputs::default()
        };
        let judged = on!(&self.form, form => compute(py, || form.statements(&inputs))?);
        statements::to_python(py, &judged)
    }
}
