//! The program `groktime`: grokking times and bounds from the command line.
//!
//! Exit codes: 0 done, 1 a statement was violated that should hold, 2 bad input, 3 a computation or an
//! output failed.

mod arguments;
mod completion;
mod diagonal;
mod effective;
mod images;
mod models;
mod network;
mod output;
mod plot;
mod progress;
mod report;
mod reproduce;
mod ridge;
mod sweep;
mod table;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::output::Answer;

/// When does a model generalise? Exact grokking times, and published bounds checked against them.
#[derive(Parser)]
#[command(name = "groktime", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// One ridge regression problem (or many): t1, t2, every bound with what it needs and has
    #[command(allow_negative_numbers = true)]
    Ridge(Box<ridge::Arguments>),
    /// A symmetric matrix from some of its entries: losses, norms and rank at any time, statements
    #[command(allow_negative_numbers = true)]
    Completion(Box<completion::Arguments>),
    /// A diagonal linear net under gradient flow: losses, margins, accuracies at any time, statements
    #[command(allow_negative_numbers = true)]
    Diagonal(Box<diagonal::Arguments>),
    /// The effective theory of one training set (or many): exact ranks, grokking rate, RQI over time
    #[command(allow_negative_numbers = true)]
    Effective(Box<effective::Arguments>),
    /// A network trained step by step or followed by gradient flow: curves, norms, feature ranks, its phase
    #[command(allow_negative_numbers = true)]
    Network(Box<network::Arguments>),
    /// All published statements of a model (or of all) on its paper's settings; exit 1 if one is violated
    Verify(verify::Arguments),
    /// Published figures: data (CSV), pictures (SVG, PNG) and checks (JSON)
    Reproduce(reproduce::Arguments),
    /// One page of figures and statements: DIR/index.html, of what `reproduce --out DIR` made
    Report(report::Arguments),
    /// Many problems of one model: grids and random draws, a journal that survives what happens, shards
    Sweep(sweep::Arguments),
}

/// How a command ended short of an error.
#[derive(Clone, Copy, PartialEq)]
pub enum Status {
    Done,
    Violated,
    /// A training run left the finite numbers; what it recorded until then was given.
    BlewUp,
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Ridge(arguments) => ridge::answer(&arguments).and_then(Answer::print),
        Command::Completion(arguments) => completion::answer(&arguments).and_then(Answer::print),
        Command::Diagonal(arguments) => diagonal::answer(&arguments).and_then(Answer::print),
        Command::Effective(arguments) => effective::answer(&arguments).and_then(Answer::print),
        Command::Network(arguments) => network::answer(&arguments).and_then(Answer::print),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Reproduce(arguments) => reproduce::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Sweep(arguments) => sweep::run(&arguments),
    };
    match result {
        Ok(Status::Done) => ExitCode::SUCCESS,
        Ok(Status::Violated) => ExitCode::from(1),
        Ok(Status::BlewUp) => ExitCode::from(3),
        Err(error) => {
            eprintln!("groktime: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
