//! Figures of arXiv 2311.18817 (diagonal nets).

use super::Entry;

pub const FIGURES: &[Entry] = &[];
