//! Matrix completion: the flow against brute force, theorems.

mod oracle;
mod theorem;
