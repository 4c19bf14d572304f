//! Eigenvalues of many small matrices without allocation.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd;
use faer::prelude::default;
use faer::{MatRef, Par};

use crate::error::{Error, Result, check_shape};

/// Eigenvalues of many symmetric matrices of one size: nothing is allocated after `new`.
pub struct EigenvalueWorkspace {
    dimension: usize,
    values: Vec<f64>,
    memory: MemBuffer,
}

impl EigenvalueWorkspace {
    /// For n × n matrices.
    pub fn new(dimension: usize) -> EigenvalueWorkspace {
        let req = evd::self_adjoint_evd_scratch::<f64>(
            dimension,
            evd::ComputeEigenvectors::No,
            Par::Seq,
            default(),
        );
        EigenvalueWorkspace { dimension, values: vec![0.0; dimension], memory: MemBuffer::new(req) }
    }

    /// Eigenvalues, ascending, of the symmetric matrix whose n² entries are given (column by column; the
    /// lower triangle is read).
    ///
    /// # Errors
    /// Not n² entries, or no convergence.
    pub fn eigenvalues(&mut self, entries: &[f64]) -> Result<&[f64]> {
        let n = self.dimension;
        check_shape("matrix", &[entries.len()], &[n * n], "n² entries")?;
        let done = evd::self_adjoint_evd(
            MatRef::from_column_major_slice(entries, n, n),
            faer::diag::DiagMut::from_slice_mut(&mut self.values),
            None,
            Par::Seq,
            MemStack::new(&mut self.memory),
            default(),
        );
        super::pure::clear_vector_registers();
        done.map_err(|e| Error::Numerical { method: "eigenvalues", detail: format!("{e:?}") })?;
        Ok(&self.values)
    }
}
