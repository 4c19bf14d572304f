//! Statements and verdicts as dictionaries, with the keys of the program's JSON.

use groktime::theorem::{Judged, Standing};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

pub fn to_python<'py>(py: Python<'py>, all: &[Judged]) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, all.iter().map(|judged| statement(py, judged)).collect::<PyResult<Vec<_>>>()?)
}

fn statement<'py>(py: Python<'py>, judged: &Judged) -> PyResult<Bound<'py, PyDict>> {
    let Judged { statement, verdict, .. } = judged;
    let dict = PyDict::new(py);
    dict.set_item("id", statement.id())?;
    dict.set_item("paper", statement.source.paper)?;
    dict.set_item("source", statement.source.to_string())?;
    dict.set_item("says", statement.source.says)?;
    dict.set_item("form", statement.form.name())?;
    dict.set_item("quantity", statement.quantity)?;
    dict.set_item("side", statement.side.symbol())?;
    dict.set_item("claim", statement.claim.name())?;
    dict.set_item("value", verdict.value)?;
    dict.set_item("measured", verdict.measured)?;
    dict.set_item("slack", verdict.slack)?;
    dict.set_item("rounding", verdict.rounding)?;
    dict.set_item("tight", verdict.tight)?;
    dict.set_item("at_time", verdict.at_time)?;
    dict.set_item("outcome", verdict.outcome.name())?;
    dict.set_item("reason", verdict.reason.as_deref())?;
    dict.set_item("erratum", statement.erratum())?;
    dict.set_item("probability", statement.probability.map(|p| p.stated))?;
    dict.set_item("exact_probability", statement.probability.and_then(|p| p.exact))?;
    let hypotheses = statement.hypotheses.iter().map(|h| {
        let dict = PyDict::new(py);
        dict.set_item("name", h.name)?;
        dict.set_item("have", h.have)?;
        dict.set_item("need", h.need)?;
        let holds = match h.standing {
            Standing::Holds => Some(true),
            Standing::Fails => Some(false),
            Standing::NotEvaluated | Standing::Open => None,
        };
        dict.set_item("holds", holds)?;
        Ok(dict)
    });
    dict.set_item("hypotheses", hypotheses.collect::<PyResult<Vec<_>>>()?)?;
    Ok(dict)
}
