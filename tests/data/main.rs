//! Files and designs.

mod design;
mod files;
