//! Every public constructor, parser and solver under hostile input: NaN, infinities, zeros, subnormal and huge numbers,
//! wrong and empty shapes, damaged files, and small valid problems between them. Whatever comes, the answer is a result
//! or an error that says something; nothing panics, nothing hangs.
//!
//! `GROKTIME_INPUTS=10000000 cargo test --release --workspace --test constructors -- --nocapture` runs ten million
//! inputs; `GROKTIME_INPUT=ridge:1234` replays one.

mod bytes;
mod flows;
mod hostile;
mod learned;
mod linear;
mod send_sync;

use hostile::attack;

#[test]
fn files() {
    attack("files", 0.46, bytes::files);
}

#[test]
fn idx_files() {
    attack("idx_files", 0.005, bytes::idx);
}

#[test]
fn checkpoints() {
    attack("checkpoints", 0.005, bytes::checkpoint);
}

#[test]
fn journals() {
    attack("journals", 0.005, bytes::journal);
}

#[test]
fn data() {
    attack("data", 0.24, linear::data);
}

#[test]
fn linalg() {
    attack("linalg", 0.12, linear::linalg);
}

#[test]
fn ridge() {
    attack("ridge", 0.02, linear::ridge);
}

#[test]
fn recipes() {
    attack("recipes", 0.03, linear::recipes);
}

#[test]
fn grids() {
    attack("grids", 0.06, linear::grids);
}

#[test]
fn diagonal() {
    attack("diagonal", 0.002, flows::diagonal);
}

#[test]
fn slow_diagonal() {
    attack("slow_diagonal", 0.002, flows::slow_diagonal);
}

#[test]
fn completion() {
    attack("completion", 0.003, flows::completion);
}

#[test]
fn limits() {
    attack("limits", 0.005, flows::limits);
}

#[test]
fn ode() {
    attack("ode", 0.003, flows::ode);
}

#[test]
fn effective() {
    attack("effective", 0.01, learned::effective);
}

#[test]
fn classes() {
    attack("classes", 0.018, learned::classes);
}

#[test]
fn network() {
    attack("network", 0.01, learned::network);
}

#[test]
fn network_flow() {
    attack("network_flow", 0.002, learned::network_flow);
}
