//! Where flows start and end: convex problems.

use groktime::Loss;
use groktime::data::{Design, Observations};
use groktime::limits::nuclear::{self, NuclearLimit, Options};
use groktime::limits::{
    Limit, Report, max_margin_l1, max_margin_l2, min_l1, min_norm, min_weighted_l1, regularised as regularise,
};
use groktime::linalg::Threads;
use ndarray::Array1;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::support::{choose, compute, slice};

/// Weights, multipliers, and how good they are.
fn answer<'py>(
    py: Python<'py>,
    weights: Array1<f64>,
    multipliers: Array1<f64>,
    report: Report,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("weights", weights.into_pyarray(py))?;
    dict.set_item("multipliers", multipliers.into_pyarray(py))?;
    dict.set_item("objective", report.objective)?;
    dict.set_item("dual_objective", report.dual_objective)?;
    dict.set_item("gap", report.gap)?;
    dict.set_item("infeasibility", report.infeasibility)?;
    dict.set_item("iterations", report.iterations)?;
    dict.set_item("unique", report.unique)?;
    Ok(dict)
}

/// The largest margin over ‖w‖₁ = 1 or ‖w‖₂ = 1; None when the data are not separable.
#[pyfunction]
pub fn max_margin<'py>(
    py: Python<'py>,
    data: PyReadonlyArray2<'py, f64>,
    labels: PyReadonlyArray1<'py, f64>,
    norm: u32,
) -> PyResult<Option<Bound<'py, PyDict>>> {
    let (x, y) = (data.as_array(), slice(&labels)?);
    let l1 = choose("norm", &norm.to_string(), &[("1", true), ("2", false)])?;
    if l1 {
        let found = compute(py, || max_margin_l1(&Design::new(x)?, y, Threads::All))?;
        let Limit::Found(found) = found else { return Ok(None) };
        let dict = answer(py, found.weights, found.multipliers, found.report)?;
        dict.set_item("margin", found.margin)?;
        dict.set_item("support", found.support)?;
        dict.set_item("support_vectors", found.support_vectors)?;
        dict.set_item("off_support", found.off_support)?;
        return Ok(Some(dict));
    }
    let found = compute(py, || max_margin_l2(&Design::new(x)?, y, Threads::All))?;
    let Limit::Found(found) = found else { return Ok(None) };
    let dict = answer(py, found.weights, found.multipliers, found.report)?;
    dict.set_item("margin", found.margin)?;
    dict.set_item("support_vectors", found.support_vectors)?;
    Ok(Some(dict))
}

/// The interpolant of least norm, with costs for the L1 norm; None when no weights interpolate.
#[pyfunction]
pub fn interpolant<'py>(
    py: Python<'py>,
    data: PyReadonlyArray2<'py, f64>,
    labels: PyReadonlyArray1<'py, f64>,
    norm: u32,
    costs: Option<(PyReadonlyArray1<'py, f64>, PyReadonlyArray1<'py, f64>)>,
) -> PyResult<Option<Bound<'py, PyDict>>> {
    let (x, y) = (data.as_array(), slice(&labels)?);
    if !choose("norm", &norm.to_string(), &[("1", true), ("2", false)])? {
        let found = compute(py, || min_norm(&Design::new(x)?, y, Threads::All))?;
        let Limit::Found(found) = found else { return Ok(None) };
        return Ok(Some(answer(py, found.weights, found.multipliers, found.report)?));
    }
    let (plus, minus) = match &costs {
        Some((plus, minus)) => (slice(plus)?.to_vec(), slice(minus)?.to_vec()),
        None => (vec![1.0; x.ncols()], vec![1.0; x.ncols()]),
    };
    let found = compute(py, || min_weighted_l1(&Design::new(x)?, y, &plus, &minus, Threads::All))?;
    let Limit::Found(found) = found else { return Ok(None) };
    let dict = answer(py, found.weights, found.multipliers, found.report)?;
    dict.set_item("support", found.support)?;
    dict.set_item("off_support", found.off_support)?;
    Ok(Some(dict))
}

/// Multipliers ν that show that no weights fit, and ‖Xᵀν‖ in the dual norm; None where some do.
#[pyfunction]
pub fn farkas<'py>(
    py: Python<'py>,
    data: PyReadonlyArray2<'py, f64>,
    labels: PyReadonlyArray1<'py, f64>,
    margins: bool,
    norm: u32,
) -> PyResult<Option<(Bound<'py, PyArray1<f64>>, f64)>> {
    let (x, y) = (data.as_array(), slice(&labels)?);
    let l1 = choose("norm", &norm.to_string(), &[("1", true), ("2", false)])?;
    let proof = compute(py, || {
        let x = Design::new(x)?;
        Ok(match (margins, l1) {
            (true, true) => max_margin_l1(&x, y, Threads::All)?.infeasible(),
            (true, false) => max_margin_l2(&x, y, Threads::All)?.infeasible(),
            (false, true) => min_l1(&x, y, Threads::All)?.infeasible(),
            (false, false) => min_norm(&x, y, Threads::All)?.infeasible(),
        })
    })?;
    Ok(proof.map(|proof| (proof.multipliers.into_pyarray(py), proof.bound)))
}

/// The minimum of the mean loss + (λ/2)‖w‖₁.
#[pyfunction]
pub fn regularised<'py>(
    py: Python<'py>,
    data: PyReadonlyArray2<'py, f64>,
    labels: PyReadonlyArray1<'py, f64>,
    loss: &str,
    weight_decay: f64,
) -> PyResult<Bound<'py, PyDict>> {
    let losses =
        [("logistic", Loss::Logistic), ("exponential", Loss::Exponential), ("squared", Loss::Squared)];
    let (x, y, loss) = (data.as_array(), slice(&labels)?, choose("loss", loss, &losses)?);
    let found = compute(py, || regularise(&Design::new(x)?, y, loss, weight_decay, Threads::All))?;
    let dict = answer(py, found.weights, found.multipliers, found.report)?;
    dict.set_item("support", found.support)?;
    dict.set_item("loss", found.loss)?;
    Ok(dict)
}

/// Minimum nuclear norm, or with a penalty (λ/2)‖W‖_*.
#[pyfunction]
#[pyo3(signature = (*, matrix, mask, dimension, entries, weight_decay, gap))]
pub fn minimum_nuclear_norm<'py>(
    py: Python<'py>,
    matrix: Option<PyReadonlyArray2<'py, f64>>,
    mask: Option<PyReadonlyArray2<'py, f64>>,
    dimension: usize,
    entries: Vec<(usize, usize, f64)>,
    weight_decay: Option<f64>,
    gap: f64,
) -> PyResult<Bound<'py, PyDict>> {
    let (matrix, mask) = (matrix.as_ref().map(|m| m.as_array()), mask.as_ref().map(|m| m.as_array()));
    let options = Options { gap, threads: Threads::All };
    let found = compute(py, || {
        let seen = match (matrix, mask) {
            (Some(matrix), Some(mask)) => Observations::from_mask(matrix, mask)?,
            _ => Observations::from_list(dimension, &entries)?,
        };
        match weight_decay {
            None => nuclear::minimum_nuclear_norm(&seen, &options),
            Some(weight_decay) => nuclear::penalised(&seen, weight_decay, &options),
        }
    })?;
    let NuclearLimit { matrix, nuclear_norm, objective, dual_objective, relative_gap, rank, unique, .. } =
        found;
    let dict = PyDict::new(py);
    dict.set_item("matrix", matrix.into_pyarray(py))?;
    dict.set_item("nuclear_norm", nuclear_norm)?;
    dict.set_item("objective", objective)?;
    dict.set_item("dual_objective", dual_objective)?;
    dict.set_item("gap", relative_gap)?;
    dict.set_item("rank", rank)?;
    dict.set_item("unique", unique)?;
    dict.set_item("certificate", found.certificate)?;
    Ok(dict)
}
