//! Convex limits against other solvers and their own certificates.

mod conic;
mod convex;
mod nuclear;
