//! What a training set of many symbols needs, before it is drawn.

use super::Arguments;
use crate::output::Failure;

/// Bytes of the samples of a task: as listed, sorted, and drawn from.
const SAMPLE: f64 = 3.0 * 8.0;
/// Matrices of p² numbers: G, its eigenvectors, and work space twice.
const SPECTRUM: f64 = 4.0 * 8.0;
/// The Cholesky factor.
const PROOF: f64 = 8.0;

/// Refuses what would not fit, and says what would do without.
pub fn check(arguments: &Arguments) -> Result<(), Failure> {
    // Groups by their table have few symbols.
    let Some(symbols) = arguments.source.symbols else { return Ok(()) };
    let square = (symbols as f64).powi(2);
    let samples = match arguments.source.pairs {
        Some(_) => 0.0,
        None => 0.5 * SAMPLE * square,
    };
    let (what, matrices, instead) = match (arguments.smallest, arguments.no_proof) {
        (None, _) => ("the whole spectrum", SPECTRUM, "ask for a few eigenvalues with --smallest 3"),
        (Some(_), false) => ("the proof of the smallest eigenvalues", PROOF, "do without it with --no-proof"),
        (Some(_), true) => ("the training set", 0.0, "give --pairs"),
    };
    let what = format!("{what} of {symbols} symbols ({instead})");
    Ok(groktime::memory::check(what, samples + matrices * square)?)
}
