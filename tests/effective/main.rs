//! Effective theory: ranks, spectra, flows and ensembles against their definitions, theorems.

#[path = "../common/mod.rs"]
mod common;
mod ensemble;
mod flow;
mod rank;
mod spectrum;
mod theorem;
