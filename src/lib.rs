//! groktime (front page to come)
#![deny(unsafe_code)]
pub mod crossing;
pub mod data;
pub mod error;
pub mod grokking;
pub mod linalg;
pub mod ridge;

pub mod theorem;
pub mod trajectory;
pub use error::{Error, Result};
