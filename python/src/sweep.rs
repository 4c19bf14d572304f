//! Sweeps: the library's journal around a Python function.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use groktime::sweep::{Journal, Progress, Shard, Sweep};
use pyo3::exceptions::{PyMemoryError, PyValueError};
use pyo3::prelude::*;
use serde_json::value::RawValue;

use crate::support::interruptible;

fn raw(json: String) -> PyResult<Box<RawValue>> {
    RawValue::from_string(json).map_err(|e| PyValueError::new_err(format!("not JSON: {e}")))
}

/// Solves the points (as JSON) of a shard that the journal at `path` lacks; `solve(index)` answers JSON, `watch(done,
/// total)` hears of each point. Returns the lines of the journal: (point, JSON), ascending.
#[pyfunction]
pub fn sweep(
    py: Python<'_>,
    path: PathBuf,
    points: Vec<String>,
    shard: (u64, u64),
    solve: Py<PyAny>,
    watch: Option<Py<PyAny>>,
) -> PyResult<Vec<(u64, String)>> {
    let settings = raw(format!("[{}]", points.join(",")))?;
    let raised: Mutex<Option<PyErr>> = Mutex::new(None);
    let keep = |e: PyErr| {
        let mut slot = raised.lock().unwrap_or_else(|e| e.into_inner());
        slot.get_or_insert(e);
    };
    let failed = || groktime::Error::Numerical { method: "sweep", detail: "an exception in Python".into() };
    let no_memory = || groktime::Error::Memory { what: "a point".into(), needed: f64::NAN, allowed: 0 };
    let ended = interruptible(py, |stop| {
        let what = |point: u64| points[point as usize].clone();
        let sweep = Sweep {
            settings: &settings,
            points: points.len() as u64,
            what: &what,
            shard: Shard { index: shard.0, of: shard.1 },
        };
        let one = |point: u64| {
            let answer = Python::attach(|py| solve.call1(py, (point,))?.extract::<String>(py));
            answer.and_then(raw).map_err(|e| {
                let no_room = Python::attach(|py| e.is_instance_of::<PyMemoryError>(py));
                keep(e);
                // Not a result, and no reason to stop: the exception is raised when the others are done.
                if no_room { no_memory() } else { failed() }
            })
        };
        let heard = |progress: Progress| {
            if let Some(watch) = &watch {
                let told = Python::attach(|py| watch.call1(py, (progress.done, progress.total)).err());
                if let Some(e) = told {
                    keep(e);
                    return ControlFlow::Break(());
                }
            }
            match stop.load(Ordering::Relaxed) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        sweep.run(&path, one, heard)?;
        let mut lines = Vec::new();
        Journal::each(&path, |line| {
            lines.push((line.point, line.value.get().to_owned()));
            Ok(())
        })?;
        lines.sort_by_key(|line| line.0);
        Ok(lines)
    });
    match raised.into_inner().unwrap_or_else(|e| e.into_inner()) {
        Some(e) => Err(e),
        None => ended,
    }
}
