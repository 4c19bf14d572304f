//! Diagonal linear nets: the flow against brute force, theorems, transitions.

mod oracle;
mod random;
mod slow;
mod stored;
mod theorem;
mod transition;
