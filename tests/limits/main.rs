//! Convex limits against other solvers and their own certificates.

mod convex;
mod nuclear;
