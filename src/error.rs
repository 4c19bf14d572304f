//! The one error type of the crate: every message names the value and what was expected.

use std::fmt;
use std::path::PathBuf;

use ndarray::Dimension as _;

/// Result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong. Bad input and numerical failure are errors; "never" is an answer, not an error
/// (see [`crate::crossing::Crossing`]).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A scalar parameter outside its range.
    #[error("{name} is {}, expected {expected}", number(*.value))]
    Parameter { name: &'static str, value: f64, expected: String },

    /// Gradient descent would diverge.
    #[error(
        "step size {} makes gradient descent diverge: the largest stable step is {} \
         (= 2/(λ + s_max/n) with s_max the largest eigenvalue of ΦᵀΦ)",
        number(*.step_size), number(*.largest)
    )]
    Unstable { step_size: f64, largest: f64 },

    /// Two arrays do not fit each other.
    #[error("{name} has shape {found:?}, expected {expected:?} ({why})")]
    Shape { name: &'static str, found: Vec<usize>, expected: Vec<usize>, why: &'static str },

    /// An array without entries.
    #[error("{name} is empty (shape {shape:?}), expected at least one entry")]
    Empty { name: &'static str, shape: Vec<usize> },

    /// An entry that is NaN or infinite.
    #[error("{name} has the entry {value} at {index:?}, expected finite numbers")]
    NotFinite { name: &'static str, index: Vec<usize>, value: f64 },

    /// A matrix that had to be symmetric, or positive definite, and is not.
    #[error("{name} is not {property}: {evidence}")]
    Matrix { name: &'static str, property: &'static str, evidence: String },

    /// A question past the end of a trajectory.
    #[error("time {} is past the horizon {}", number(*.time), number(*.horizon))]
    PastHorizon { time: f64, horizon: f64 },

    /// Something was asked for that needs an input which was not given.
    #[error("{wanted} needs {needs}")]
    Missing { wanted: &'static str, needs: &'static str },

    /// A name that is none of those known.
    #[error("no {kind} is called {found:?}; there are {known}")]
    Name { kind: &'static str, found: String, known: String },

    /// A file that cannot be read, or does not hold what it should.
    #[error("{}{}: {reason}", .path.display(), .line.map(|l| format!(", line {l}")).unwrap_or_default())]
    File { path: PathBuf, line: Option<u64>, reason: String },

    /// An output that could not be written: no such folder, no permission, a full disk.
    #[error("{}: cannot write the file: {reason}", .path.display())]
    Output { path: PathBuf, reason: String },

    /// More memory than is allowed (see [the module of memory](crate::memory)). It depends on the machine: it is no result.
    #[error(
        "{what} needs about {} of memory, and {} are allowed: ask for less, or allow more (--memory, set_memory in \
         Python)",
        bytes(*.needed), bytes(*.allowed as f64)
    )]
    Memory { what: String, needed: f64, allowed: u64 },

    /// A numerical method gave up.
    #[error("{method} failed: {detail}")]
    Numerical { method: &'static str, detail: String },
}

impl Error {
    /// Whether the caller's input is at fault (as opposed to a computation or an output that failed on good
    /// input).
    pub fn is_bad_input(&self) -> bool {
        !matches!(self, Error::Numerical { .. } | Error::Output { .. })
    }
}

/// A number as a message shows it: the shortest digits that read back to it, as a power of ten outside
/// 10⁻⁴ to 10¹⁵.
///
/// ```
/// use groktime::error::number;
/// let shown = [1e-100, 0.25, 3e-4, 5.0, 1e300, -2e-7].map(|x| number(x).to_string());
/// assert_eq!(shown, ["1e-100", "0.25", "0.0003", "5", "1e300", "-2e-7"]);
/// ```
pub fn number(x: f64) -> impl fmt::Display {
    struct Number(f64);
    impl fmt::Display for Number {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let Number(x) = *self;
            let usual = x == 0.0 || !x.is_finite() || (1e-4..1e15).contains(&x.abs());
            // Padding is the text's, so that columns stay columns.
            f.pad(&if usual { format!("{x}") } else { format!("{x:e}") })
        }
    }
    Number(x)
}

const UNITS: [(&str, f64); 4] = [("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];

/// Bytes in the unit that reads best; decimal units.
///
/// ```
/// use groktime::error::bytes;
/// assert_eq!([8e15, 1.234e9, 2e6, 12.0].map(bytes), ["8000 TB", "1.2 GB", "2 MB", "12 bytes"]);
/// ```
pub fn bytes(amount: f64) -> String {
    let digits =
        |x: f64| if x >= 100.0 { format!("{x:.0}") } else { format!("{}", (10.0 * x).round() / 10.0) };
    match UNITS.iter().find(|(_, size)| amount >= 0.9995 * size) {
        _ if amount >= 1e18 => format!("{} bytes", digits_of_power(amount)),
        Some((unit, size)) => format!("{} {unit}", digits(amount / size)),
        None => format!("{amount:.0} bytes"),
    }
}

/// Two digits and a power of ten.
fn digits_of_power(x: f64) -> String {
    format!("{x:.1e}").replace(".0e", "e")
}

/// Checks a scalar; NaN never passes.
pub(crate) fn check(
    name: &'static str,
    value: f64,
    holds: impl Fn(f64) -> bool,
    expected: &str,
) -> Result<f64> {
    if value.is_finite() && holds(value) {
        Ok(value)
    } else {
        Err(Error::Parameter { name, value, expected: expected.to_owned() })
    }
}

/// Checks that all entries of an array of any dimension are finite and that there is at least one.
pub(crate) fn check_finite<D: ndarray::Dimension>(
    name: &'static str,
    array: ndarray::ArrayView<'_, f64, D>,
) -> Result<()> {
    if array.is_empty() {
        return Err(Error::Empty { name, shape: array.shape().to_vec() });
    }
    if array.as_slice_memory_order().is_some_and(all_finite) {
        return Ok(());
    }
    let dynamic = array.into_dyn();
    match dynamic.indexed_iter().find(|(_, x)| !x.is_finite()) {
        None => Ok(()),
        Some((index, &value)) => Err(Error::NotFinite { name, index: index.slice().to_vec(), value }),
    }
}

/// x·0 is NaN exactly when x is not finite, and a sum of it vectorises.
fn all_finite(values: &[f64]) -> bool {
    values.chunks(1024).all(|c| c.iter().map(|x| x * 0.0).sum::<f64>() == 0.0)
}

/// Checks a shape.
pub(crate) fn check_shape(
    name: &'static str,
    found: &[usize],
    expected: &[usize],
    why: &'static str,
) -> Result<()> {
    if found == expected {
        Ok(())
    } else {
        Err(Error::Shape { name, found: found.to_vec(), expected: expected.to_vec(), why })
    }
}
