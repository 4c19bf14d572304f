//! Where the flows start and end: convex problems, by solvers that know nothing of the flows.

pub mod nuclear;
