//! The models that the program knows. What treats them alike (verification, figures, the report, sweeps)
//! goes through this list.

use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::output::{Answer, Failure};
use crate::reproduce::{self, Entry};
use crate::verify::{self, Row};
use crate::{completion, diagonal, effective, network, ridge};

pub struct Model {
    /// Its subcommand.
    pub name: &'static str,
    /// Number on arXiv of the paper whose statements and figures it has.
    pub paper: &'static str,
    pub title: &'static str,
    /// What is studied, as a formula (MathML).
    pub formula: &'static str,
    /// Its statements, judged on the paper's settings.
    pub verify: fn() -> Result<Vec<Row>, Failure>,
    /// Its figures, and those of trained nets in the same paper.
    pub figures: &'static [&'static [Entry]],
    /// Its flags.
    pub flags: fn() -> Command,
    /// What its subcommand answers.
    pub answer: fn(&ArgMatches) -> Result<Answer, Failure>,
}

pub const MODELS: [Model; 5] = [
    Model {
        name: "ridge",
        paper: "2601.19791",
        title: "Ridge regression",
        formula: include_str!("report/formulas/ridge.html"),
        verify: verify::ridge::rows,
        figures: &[reproduce::ridge::FIGURES, reproduce::network::TWO_LAYERS],
        flags: flags::<ridge::Arguments>,
        answer: |matches| answer(matches, ridge::answer),
    },
    Model {
        name: "diagonal",
        paper: "2311.18817",
        title: "Diagonal linear nets",
        formula: include_str!("report/formulas/diagonal.html"),
        verify: verify::diagonal::rows,
        figures: &[reproduce::diagonal::FIGURES, reproduce::network::DICHOTOMY],
        flags: flags::<diagonal::Arguments>,
        answer: |matches| answer(matches, diagonal::answer),
    },
    Model {
        name: "completion",
        paper: "2311.18817",
        title: "Matrix completion",
        formula: include_str!("report/formulas/completion.html"),
        verify: verify::completion::rows,
        figures: &[reproduce::completion::FIGURES],
        flags: flags::<completion::Arguments>,
        answer: |matches| answer(matches, completion::answer),
    },
    Model {
        name: "effective",
        paper: "2205.10343",
        title: "Effective theory of representation learning",
        formula: include_str!("report/formulas/effective.html"),
        verify: verify::effective::rows,
        figures: &[reproduce::effective::FIGURES, reproduce::network::EFFECTIVE],
        flags: flags::<effective::Arguments>,
        answer: |matches| answer(matches, effective::answer),
    },
    Model {
        name: "network",
        paper: "2405.19454",
        title: "Trained networks",
        formula: include_str!("report/formulas/network.html"),
        verify: verify::network::rows,
        figures: &[reproduce::network::DEEP],
        flags: flags::<network::Arguments>,
        answer: |matches| answer(matches, network::answer),
    },
];

fn flags<A: Args>() -> Command {
    A::augment_args(Command::new("groktime")).no_binary_name(true)
}

fn answer<A: FromArgMatches>(
    matches: &ArgMatches,
    answer: fn(&A) -> Result<Answer, Failure>,
) -> Result<Answer, Failure> {
    answer(&A::from_arg_matches(matches).map_err(|e| Failure::Input(e.to_string()))?)
}
