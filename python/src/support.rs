//! What all classes share: errors, threads, interruption, arrays that are read in place, observables by name.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use groktime::crossing::Crossing;
use groktime::trajectory::{Clock, Observable, Trajectory};
use ndarray::{Array2, ArrayView2, ShapeBuilder};
use numpy::{PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::{PyArithmeticError, PyMemoryError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// Between two looks at Python's signals.
const PATIENCE: Duration = Duration::from_millis(100);

/// The pool that [`set_threads`] asked for; none: rayon's own, one thread a core.
static POOL: RwLock<Option<Arc<ThreadPool>>> = RwLock::new(None);

/// How many threads the library may use from now on; 0 is one a core.
#[pyfunction]
pub fn set_threads(count: usize) -> PyResult<()> {
    let pool = match count {
        0 => None,
        count => {
            let pool = ThreadPoolBuilder::new().num_threads(count).build();
            Some(Arc::new(pool.map_err(|e| PyValueError::new_err(format!("{count} threads: {e}")))?))
        }
    };
    *POOL.write().unwrap_or_else(|e| e.into_inner()) = pool;
    Ok(())
}

/// How much memory the library may take from now on: bytes such as `8GB`, or `auto` for half of what is free.
#[pyfunction]
pub fn set_memory(amount: &str) -> PyResult<()> {
    groktime::memory::allow(groktime::memory::parse(amount).map_err(PyValueError::new_err)?);
    Ok(())
}

/// Bad input is a `ValueError`, more memory than is allowed a `MemoryError`, a computation that fails on good input an
/// `ArithmeticError`.
pub fn error(e: groktime::Error) -> PyErr {
    match e.is_bad_input() {
        _ if matches!(e, groktime::Error::Memory { .. }) => PyMemoryError::new_err(e.to_string()),
        true => PyValueError::new_err(e.to_string()),
        false => PyArithmeticError::new_err(e.to_string()),
    }
}

/// A panic is a defect of groktime: it ends the call, not the interpreter.
fn guarded<T: Send>(work: impl FnOnce() -> groktime::Result<T> + Send) -> PyResult<T> {
    // A point of a sweep is solved where the sweep put it.
    let inside = rayon::current_thread_index().is_some();
    let pool = POOL.read().unwrap_or_else(|e| e.into_inner()).clone().filter(|_| !inside);
    let done = catch_unwind(AssertUnwindSafe(|| match pool {
        Some(pool) => pool.install(work),
        None => work(),
    }));
    match done {
        Ok(result) => result.map_err(error),
        Err(_) => Err(PyArithmeticError::new_err("groktime panicked: please report this as a defect")),
    }
}

/// Computes without the GIL.
pub fn compute<T: Send>(py: Python<'_>, work: impl FnOnce() -> groktime::Result<T> + Send) -> PyResult<T> {
    py.detach(|| guarded(work))
}

/// Computes without the GIL on a thread of its own, while this one looks at Python's signals: `work` should end
/// soon after the flag is set. Ctrl-C then raises KeyboardInterrupt, whatever `work` returned.
pub fn interruptible<T: Send>(
    py: Python<'_>,
    work: impl FnOnce(&AtomicBool) -> groktime::Result<T> + Send,
) -> PyResult<T> {
    let stop = AtomicBool::new(false);
    if rayon::current_thread_index().is_some() {
        return py.detach(|| guarded(|| work(&stop)));
    }
    py.detach(|| {
        std::thread::scope(|scope| {
            let (send, receive) = channel();
            let stop = &stop;
            scope.spawn(move || {
                // The receiver waits until this is sent.
                let _ = send.send(guarded(|| work(stop)));
            });
            let mut interrupt = None;
            loop {
                match receive.recv_timeout(PATIENCE) {
                    Ok(done) => return interrupt.map_or(done, Err),
                    Err(RecvTimeoutError::Timeout) if interrupt.is_none() => {
                        interrupt = Python::attach(|py| py.check_signals()).err();
                        stop.store(interrupt.is_some(), Ordering::Relaxed);
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => {
                        return Err(PyArithmeticError::new_err("the computation ended without a result"));
                    }
                }
            }
        })
    })
}

/// Calls `progress(fraction)` now and then, and with 1 at the end; an exception in it ends the computation.
pub struct Progress {
    call: Option<Py<PyAny>>,
    next: f64,
    failed: Option<PyErr>,
}

impl Progress {
    pub fn new(call: Option<Py<PyAny>>) -> Progress {
        Progress { call, next: 0.0, failed: None }
    }

    /// Whether to go on.
    pub fn at(&mut self, fraction: f64, stop: &AtomicBool) -> std::ops::ControlFlow<()> {
        if let Some(call) = &self.call
            && (self.next..1.0).contains(&fraction)
            && self.failed.is_none()
        {
            self.next = fraction + 0.005;
            self.failed = Python::attach(|py| call.call1(py, (fraction,)).err());
        }
        match self.failed.is_some() || stop.load(Ordering::Relaxed) {
            true => std::ops::ControlFlow::Break(()),
            false => std::ops::ControlFlow::Continue(()),
        }
    }

    /// The result, or the exception that was raised instead; of a computation that went well, its end is told.
    pub fn finish<T>(self, result: PyResult<T>) -> PyResult<T> {
        match (self.failed, result, &self.call) {
            (Some(raised), _, _) => Err(raised),
            (None, Ok(done), Some(call)) => {
                Python::attach(|py| call.call1(py, (1.0,)))?;
                Ok(done)
            }
            (None, result, _) => result,
        }
    }
}

/// A value and what it borrows. (`self_cell` cannot: views of ndarray are invariant in their lifetime.)
pub struct Kept<T, O> {
    /// Dropped first.
    value: T,
    owner: Arc<O>,
}

impl<T, O: 'static> Kept<T, O> {
    /// `make` borrows from the owner for as long as this lives, which its type calls for ever: nothing that is lent
    /// by the value may be kept anywhere else. The modules here only compute with it.
    pub fn new<E>(owner: Arc<O>, make: impl FnOnce(&'static O) -> Result<T, E>) -> Result<Kept<T, O>, E> {
        // SAFETY: the owner is on the heap, never moved or changed, and outlives the value.
        #[allow(unsafe_code)]
        let lent: &'static O = unsafe { &*Arc::as_ptr(&owner) };
        Ok(Kept { value: make(lent)?, owner })
    }

    pub fn value(&self) -> &T {
        &self.value
    }

    pub fn owner(&self) -> &O {
        &self.owner
    }
}

/// A NumPy matrix of f64, contiguous in either order, that is read where it lies for as long as this lives.
pub struct Matrix {
    pointer: *const f64,
    shape: [usize; 2],
    strides: [usize; 2],
    /// Keeps the memory.
    _array: Py<PyAny>,
}

// SAFETY: the array is only read, and `Py` may be dropped on any thread.
#[allow(unsafe_code)]
unsafe impl Send for Matrix {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl Sync for Matrix {}

impl Matrix {
    pub fn new(array: &PyReadonlyArray2<'_, f64>) -> PyResult<Matrix> {
        let view = array.as_array();
        let (shape, strides) = ([view.nrows(), view.ncols()], view.strides());
        let rows_first = view.is_standard_layout();
        if !rows_first && !view.t().is_standard_layout() {
            return Err(PyValueError::new_err("a matrix must be contiguous (C or Fortran order)"));
        }
        // Strides of an array with an axis of length 0 or 1 may be anything.
        let strides = match rows_first {
            true => [shape[1], 1],
            false => [1, strides[1] as usize],
        };
        Ok(Matrix { pointer: view.as_ptr(), shape, strides, _array: array.as_any().clone().unbind() })
    }

    pub fn view(&self) -> ArrayView2<'_, f64> {
        let [rows, columns] = self.shape;
        let [down, right] = self.strides;
        // SAFETY: pointer, shape and strides are those of a contiguous array that `_array` keeps alive, and
        // NumPy does not move the memory of an array that is referenced.
        #[allow(unsafe_code)]
        unsafe {
            ArrayView2::from_shape_ptr((rows, columns).strides((down, right)), self.pointer)
        }
    }
}

/// Times as they come from Python: steps, or flow time.
#[derive(FromPyObject)]
pub enum Times<'py> {
    Steps(PyReadonlyArray1<'py, u64>),
    Flow(PyReadonlyArray1<'py, f64>),
}

pub fn observables(names: &[String]) -> PyResult<Vec<Observable>> {
    names.iter().map(|name| name.parse().map_err(error)).collect()
}

/// Times × observables, NaN where undefined.
pub fn observe<T: Trajectory + Sync>(
    py: Python<'_>,
    trajectory: &T,
    times: &[T::Time],
    names: &[String],
) -> PyResult<Array2<f64>> {
    let what = observables(names)?;
    compute(py, || Ok(trajectory.observe(times, &what)?.values))
}

/// A certified crossing as a dictionary.
pub fn crossing<'py, T: Clock + IntoPyObject<'py>>(
    py: Python<'py>,
    crossing: Crossing<T>,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    match crossing {
        Crossing::FromStart => dict.set_item("kind", "from-start")?,
        Crossing::Never => dict.set_item("kind", "never")?,
        Crossing::At { time, lo, hi } => {
            dict.set_item("kind", "at")?;
            dict.set_item("time", time)?;
            dict.set_item("bounds", (lo, hi))?;
        }
        Crossing::Undecided { lo, hi } => {
            dict.set_item("kind", "undecided")?;
            dict.set_item("bounds", (lo, hi))?;
        }
    }
    Ok(dict)
}

/// A slice of a contiguous vector.
pub fn slice<'a>(array: &'a PyReadonlyArray1<'_, f64>) -> PyResult<&'a [f64]> {
    array.as_slice().map_err(|_| PyValueError::new_err("a vector must be contiguous"))
}

/// A name out of a few.
pub fn choose<T: Copy>(what: &str, name: &str, choices: &[(&str, T)]) -> PyResult<T> {
    let found = choices.iter().find(|(n, _)| *n == name);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<&str> = choices.iter().map(|(n, _)| *n).collect();
        PyValueError::new_err(format!("{what} is {name:?}, expected one of {}", known.join(", ")))
    })
}

/// Rows of numbers, one a time.
pub fn rows(rows: Vec<ndarray::Array1<f64>>, width: usize) -> Array2<f64> {
    let mut all = Array2::zeros((rows.len(), width));
    for (mut to, from) in all.outer_iter_mut().zip(&rows) {
        to.assign(from);
    }
    all
}
