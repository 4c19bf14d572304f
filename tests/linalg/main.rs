//! Linear algebra against its definitions and nalgebra.

mod dense;
mod few;
