//! Arrays of a closed form over times.

use groktime::ridge::{ClosedForm, InitAverage};
use groktime::trajectory::{Clock, Observable};
use ndarray::{Array1, Array2};
use numpy::PyReadonlyArray1;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::support::{compute, observe, rows};

/// Observables, and their error bars under names that end in `_error`; NaN where undefined.
pub fn with_errors<T: Clock>(
    py: Python<'_>,
    form: &ClosedForm<'_, '_, T>,
    times: &[T],
    names: &[String],
) -> PyResult<Array2<f64>> {
    const BOUNDED: [Observable; 4] =
        [Observable::TrainLoss, Observable::TestLoss, Observable::TestAccuracy, Observable::ParameterNorm];
    let bounded = |name: &String| {
        let what = name.strip_suffix("_error")?;
        BOUNDED.into_iter().find(|observable| observable.name() == what)
    };
    let plain: Vec<String> = names.iter().filter(|name| bounded(name).is_none()).cloned().collect();
    let values = observe(py, form, times, &plain)?;
    let mut all = Array2::from_elem((times.len(), names.len()), f64::NAN);
    let mut columns = values.columns().into_iter();
    for (mut to, name) in all.columns_mut().into_iter().zip(names) {
        match bounded(name) {
            Some(what) => {
                let errors = times.iter().map(|&t| form.error_of(what, t).unwrap_or(f64::NAN));
                to.assign(&errors.collect::<Array1<f64>>());
            }
            None => columns.next().into_iter().for_each(|from| to.assign(&from)),
        }
    }
    Ok(all)
}

pub fn steps<'a>(times: &'a PyReadonlyArray1<'_, u64>) -> PyResult<&'a [u64]> {
    times.as_slice().map_err(|_| PyValueError::new_err("times must be contiguous"))
}

pub fn wrong_clock() -> PyErr {
    PyValueError::new_err("descent is asked at whole steps, flow at real times")
}

pub fn states<T: Clock>(py: Python<'_>, form: &ClosedForm<'_, '_, T>, times: &[T]) -> PyResult<Array2<f64>> {
    let width = form.spectrum().shape().1;
    let all = compute(py, || times.iter().map(|&t| form.state(t)).collect::<groktime::Result<Vec<_>>>())?;
    Ok(rows(all, width))
}

pub fn averages<T: Clock>(
    py: Python<'_>,
    form: &ClosedForm<'_, '_, T>,
    times: &[T],
    test: bool,
    variance: f64,
) -> PyResult<Array2<f64>> {
    let all = compute(py, || {
        let average = InitAverage::new(form.spectrum())?;
        let one = |&t: &T| {
            let found = match test {
                false => average.train_loss(form, t, variance)?,
                true => average.test_loss(form, t, variance)?,
            };
            Ok(Array1::from_vec(vec![found.mean, found.std]))
        };
        times.iter().map(one).collect::<groktime::Result<Vec<_>>>()
    })?;
    Ok(rows(all, 2))
}
