//! Diagonal linear nets: the flow against brute force, theorems, transitions.

mod oracle;
mod theorem;
mod transition;
