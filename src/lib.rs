//! groktime (skeleton; front page to come)
#![deny(unsafe_code)]
pub mod data;
pub mod error;
pub use error::{Error, Result};
