//! Newton's system (I + cκAH) x = b of an implicit step, A = CᵀDC and H = R S Rᵀ (`theory/diagonal.md`, (D9')).
//!
//! | basis | form that subtracts nothing | factored |
//! |---|---|---|
//! | independent rows | x = Λᵀ E (I + E G E)⁻¹ E⁻¹ Λ⁻ᵀ b, E = (cκD)^½, G = X S Xᵀ | Cholesky, n × n |
//! | own coordinates | x = S^{−½} (I + BᵀB)⁻¹ S^½ b, B = (cκD)^½ X S^½ | QR of [B; I] |
//! | span | x = M⁻ᵀ (I + BᵀB)⁻¹ Mᵀ b, H = M Mᵀ, B = (cκD)^½ C M | QR of [B; I] |
//!
//! D may span 300 decades: Cholesky without pivots does not see a diagonal scaling, and the rows of B keep theirs
//! through a row-wise stable factorisation. What is divided by is floored where it no longer matters.

use ndarray::Array2;

use super::basis::{Basis, Kind};
use super::graded::Graded;
use super::rows::Span;
use super::{Design, Problem};
use crate::data::design::Precision;
use crate::linalg::{Threads, add_multiple, cholesky_in_place, cholesky_solve_columns, dot};
use crate::ode::Reject;

/// Below this relative spread of ∂w/∂z one number stands for all of them: Newton's iteration then gains a factor
/// of at least twenty a time.
const UNIFORM: f64 = 0.1;

/// What a diagonal entry of cκDG or cκAS may be at least: far below one it acts no more.
const LEAST: f64 = 1e-30;

#[derive(Debug)]
enum System {
    Wide {
        kernel: Array2<f64>,
        factor: Vec<f64>,
    },
    Own {
        slopes: Vec<f64>,
        roots: Vec<f64>,
        graded: Graded,
    },
    /// M column by column.
    Span {
        lower: Vec<f64>,
        graded: Graded,
    },
}

#[derive(Debug)]
pub(super) struct Newton {
    system: System,
    /// (cκD)^½ of the rows.
    roots: Vec<f64>,
    room: Vec<f64>,
    /// Whether one number stood for S at the last refresh.
    pub(super) uniform: bool,
}

/// The least and the largest of positive numbers.
fn extremes(x: &[f64]) -> (f64, f64) {
    x.iter().fold((f64::INFINITY, 0.0), |(low, high), &x| (x.min(low), x.max(high)))
}

impl Newton {
    pub(super) fn new(basis: &Basis<'_>) -> Newton {
        let (m, r) = (basis.rows.count(), basis.dimension);
        let system = match basis.kind {
            Kind::Wide { .. } => System::Wide { kernel: Array2::zeros((m, m)), factor: vec![0.0; m * m] },
            Kind::Own(_) => {
                System::Own { slopes: vec![0.0; r], roots: vec![0.0; r], graded: Graded::default() }
            }
            Kind::Span(_) => System::Span { lower: vec![0.0; r * r], graded: Graded::default() },
        };
        Newton { system, roots: vec![0.0; m], room: vec![0.0; r], uniform: true }
    }

    /// H at new slopes S = ∂w/∂z of the coordinates of the flow's net.
    pub(super) fn refresh(
        &mut self,
        problem: &Problem,
        basis: &Basis<'_>,
        slopes: &[f64],
        threads: Threads,
    ) -> Result<(), Reject> {
        let (low, high) = extremes(slopes);
        if !(low.is_finite() && high.is_finite()) {
            return Err(Reject("the slopes of the weights overflow or leave their domain"));
        }
        self.uniform = high - low <= UNIFORM * high;
        let middle = 0.5 * (low + high);
        match (&mut self.system, &basis.kind) {
            (System::Wide { kernel, .. }, _) => {
                if self.uniform {
                    kernel.assign(basis.rows.gram(&problem.design, threads));
                    *kernel *= middle;
                } else {
                    // The Newton matrix alone: single precision is enough.
                    let design = basis.rows.design(&problem.design);
                    design.weighted_gram_into(kernel, Precision::Single, slopes, threads);
                }
                Ok(())
            }
            (System::Own { slopes: kept, .. }, Kind::Own(columns)) => {
                let counted = slopes.iter().zip(columns.multiplicity());
                kept.iter_mut().zip(counted).for_each(|(kept, (slope, count))| *kept = slope * count);
                Ok(())
            }
            (System::Span { lower, .. }, Kind::Span(Span { rows: Some(rows), rank, .. })) => {
                span_root(lower, *rank, rows, slopes, self.uniform.then_some(middle), threads)
            }
            _ => Ok(()),
        }
    }

    /// H in the variables of the next epoch, in which q is `scale` times as large. Factors stay: they are of the
    /// product κH, which is the same.
    pub(super) fn rescale(&mut self, scale: f64) {
        match &mut self.system {
            System::Wide { kernel, .. } => *kernel *= 1.0 / scale,
            System::Own { slopes, .. } => slopes.iter_mut().for_each(|x| *x /= scale),
            System::Span { lower, .. } => {
                let root = scale.sqrt();
                lower.iter_mut().for_each(|x| *x /= root);
            }
        }
    }

    /// Factors the matrix with D = `curvature` of the rows and cκ = `shift`.
    pub(super) fn factor(&mut self, basis: &Basis<'_>, curvature: &[f64], shift: f64) -> Result<(), Reject> {
        let (roots, m) = (&mut self.roots, curvature.len());
        match (&mut self.system, &basis.kind) {
            (System::Wide { kernel, factor }, _) => {
                for ((root, d), k) in roots.iter_mut().zip(curvature).zip(kernel.diag()) {
                    *root = (shift * d).max(LEAST / k.max(1e-270)).sqrt();
                }
                let rows = kernel.as_slice_memory_order().unwrap_or_default().chunks_exact(m.max(1));
                for (j, (column, kernel)) in factor.chunks_exact_mut(m.max(1)).zip(rows).enumerate() {
                    let scale = roots[j];
                    for ((entry, root), kernel) in column[j..].iter_mut().zip(&roots[j..]).zip(&kernel[j..]) {
                        *entry = scale * root * kernel;
                    }
                    column[j] += 1.0;
                }
                cholesky_in_place(factor, m).map_err(|_| Reject("the Newton matrix is not positive definite"))
            }
            (System::Own { slopes, roots: halves, graded }, Kind::Own(columns)) => {
                let d = slopes.len();
                let x = columns.matrix();
                for (k, (half, slope)) in halves.iter_mut().zip(slopes.iter()).enumerate() {
                    let own: f64 =
                        curvature.iter().enumerate().map(|(i, c)| c * x[i * d + k] * x[i * d + k]).sum();
                    let least = LEAST / (shift * own).max(1e-270);
                    *half = slope.max(least).max(1e-300).sqrt();
                }
                let b = graded.prepare(m, d);
                for ((row, x), c) in b.chunks_exact_mut(d.max(1)).zip(x.chunks_exact(d.max(1))).zip(curvature)
                {
                    let root = (shift * c).sqrt();
                    row.iter_mut().zip(x).zip(halves.iter()).for_each(|((b, x), half)| *b = root * x * half);
                }
                overflow_free(b)?;
                graded.factor()
            }
            (System::Span { lower, graded }, Kind::Span(span)) => {
                let r = span.rank;
                let b = graded.prepare(m, r);
                let rows = span.coefficients.chunks_exact(r.max(1));
                for ((row, c), curvature) in b.chunks_exact_mut(r.max(1)).zip(rows).zip(curvature) {
                    let root = (shift * curvature).sqrt();
                    for (k, b) in row.iter_mut().enumerate() {
                        *b = root * dot(&c[k..], &lower[k * r + k..(k + 1) * r]);
                    }
                }
                overflow_free(b)?;
                graded.factor()
            }
            _ => Ok(()),
        }
    }

    /// Replaces b by (I + cκAH)⁻¹ b.
    pub(super) fn solve(&mut self, basis: &Basis<'_>, b: &mut [f64]) {
        match &mut self.system {
            System::Wide { factor, .. } => {
                basis.to_dual(b);
                b.iter_mut().zip(&self.roots).for_each(|(b, root)| *b /= root);
                cholesky_solve_columns(factor, b);
                b.iter_mut().zip(&self.roots).for_each(|(b, root)| *b *= root);
                basis.of_dual(b);
            }
            System::Own { roots, graded, .. } => {
                b.iter_mut().zip(roots.iter()).for_each(|(b, root)| *b *= root);
                graded.solve(b);
                b.iter_mut().zip(roots.iter()).for_each(|(b, root)| *b /= root);
            }
            System::Span { lower, graded } => {
                let r = b.len();
                // Mᵀb, then the system, then M⁻ᵀ.
                for (k, x) in self.room.iter_mut().enumerate() {
                    *x = dot(&b[k..], &lower[k * r + k..(k + 1) * r]);
                }
                graded.solve(&mut self.room);
                for k in (0..r).rev() {
                    let column = &lower[k * r..(k + 1) * r];
                    b[k] = (self.room[k] - dot(&b[k + 1..], &column[k + 1..])) / column[k];
                }
            }
        }
    }
}

fn overflow_free(b: &[f64]) -> Result<(), Reject> {
    match b.iter().all(|x| x.is_finite()) {
        true => Ok(()),
        false => Err(Reject("the Newton matrix overflows")),
    }
}

/// M with M Mᵀ = R S Rᵀ, column by column; of S = s·I it is √s·I.
fn span_root(
    lower: &mut [f64],
    rank: usize,
    rows: &Design,
    slopes: &[f64],
    uniform: Option<f64>,
    threads: Threads,
) -> Result<(), Reject> {
    if let Some(s) = uniform {
        lower.fill(0.0);
        lower.iter_mut().step_by(rank + 1).for_each(|x| *x = s.sqrt());
        return Ok(());
    }
    let kernel = rows.weighted_gram(slopes, threads);
    let trace: f64 = kernel.diag().sum();
    // Rounding of the sums may have made the least eigenvalues negative.
    let ridge = 1e-14 * trace / rank.max(1) as f64;
    for (j, (column, kernel)) in lower.chunks_exact_mut(rank).zip(kernel.outer_iter()).enumerate() {
        column.fill(0.0);
        add_multiple(&mut column[j..], 1.0, &kernel.as_slice().unwrap_or_default()[j..]);
        column[j] += ridge;
    }
    cholesky_in_place(lower, rank).map_err(|_| Reject("the kernel of the span is not positive definite"))
}
