//! Matrix completion: the flow against brute force, theorems.

mod oracle;
mod small;
mod theorem;
