//! Coordinates of z in the row space of the data: X = C R, z = Rᵀq, q' = −κ Cᵀρ (`theory/diagonal.md`, (D9)).
//!
//! A dual variable p of one entry a sample has a part in the kernel of Xᵀ wherever no weights fit the labels. It
//! grows for ever, nothing depends on it, and it takes the digits of z = Xᵀp with it. Here |q| = |z|, and every
//! component of q acts.

use super::columns::Columns;
use super::net::Net;
use super::rows::{Rows, Span};
use super::{Init, Problem};
use crate::linalg::{Threads, add_multiple, dot, vectorised};

/// (L − 2) ln 1/α from which on brackets need a number each: those that escape from a start as small as this are
/// α^{L−2} beside those that sleep.
const DEEP: f64 = 11.5;

/// Coordinates up to which they may have one.
const FEW: usize = 512;

/// How z is written.
#[derive(Debug)]
pub(super) enum Kind<'a> {
    /// Independent rows: q = Λᵀp with XXᵀ = ΛΛᵀ, column by column.
    Wide { lower: &'a [f64] },
    /// q = z, each of the distinct columns once.
    Own(Columns),
    /// R orthonormal.
    Span(&'a Span),
}

#[derive(Debug)]
pub(super) struct Basis<'a> {
    pub(super) rows: &'a Rows,
    pub(super) kind: Kind<'a>,
    /// Number of unknowns.
    pub(super) dimension: usize,
    /// How many coordinates the errors of z spread over.
    pub(super) effective: f64,
    threads: Threads,
}

impl<'a> Basis<'a> {
    /// Products in the flow use `few` threads; the Gram matrix, made once, all of them.
    pub(super) fn new(
        problem: &'a Problem,
        init: &Init,
        depth: u32,
        threads: Threads,
        few: Threads,
    ) -> Basis<'a> {
        let (design, rows) = (&problem.design, problem.rows());
        let (m, d) = (rows.count(), design.dimension());
        let smallest = match init {
            Init::Symmetric(alpha) => *alpha,
            Init::Each { u, v } => u.iter().chain(v).fold(f64::INFINITY, |least, x| least.min(x.abs())),
        };
        let small = -(f64::from(depth) - 2.0) * libm::log(smallest) > DEEP && d <= FEW;
        let wide = (!small && m > 0 && m <= d)
            .then(|| rows.factor(rows.gram(design, threads)))
            .flatten()
            .map(|lower| (Kind::Wide { lower }, m));
        let (kind, dimension) = wide.unwrap_or_else(|| {
            let columns = Columns::new(rows.design(design), init);
            let count = columns.count();
            if small || m == 0 || rows.span(design).rank == count {
                return (Kind::Own(columns), count);
            }
            (Kind::Span(rows.span(design)), rows.span(design).rank)
        });
        let effective = effective(rows.design(design)).max(1.0);
        Basis { rows, kind, dimension, effective, threads: few }
    }

    /// The net in the coordinates of the flow.
    pub(super) fn net(&self, init: &Init, depth: u32, weight_decay: f64) -> Net {
        match &self.kind {
            Kind::Own(columns) => Net::new(&columns.init(init), depth, weight_decay),
            _ => Net::new(init, depth, weight_decay),
        }
    }

    /// The nets of all coordinates.
    pub(super) fn spread_out(&self, nets: Vec<Net>) -> Vec<Net> {
        match &self.kind {
            Kind::Own(columns) => nets.iter().map(|net| net.spread_out(columns.groups())).collect(),
            _ => nets,
        }
    }

    /// Number of coordinates of the flow's net: those of the data, or the distinct ones.
    pub(super) fn coordinates(&self, problem: &Problem) -> usize {
        match &self.kind {
            Kind::Own(columns) => columns.count(),
            _ => problem.design.dimension(),
        }
    }

    /// A bound on Σ_k|X_ik w_k|, by which outputs are known to what w is. On independent rows nothing cancels, and it
    /// is |f|.
    pub(super) fn reach(&self, problem: &Problem, weights: &[f64], outputs: &[f64]) -> f64 {
        match self.kind {
            Kind::Wide { .. } => outputs.iter().fold(0.0, |most, f| most.max(f.abs())),
            _ => problem.design.largest_entry() * weights.iter().map(|w| w.abs()).sum::<f64>(),
        }
    }

    /// p = Λ⁻ᵀq in place: the combination of the rows that gives z.
    pub(super) fn to_dual(&self, q: &mut [f64]) {
        let Kind::Wide { lower } = self.kind else { return };
        let n = q.len();
        vectorised(
            #[inline(always)]
            || {
                for (j, column) in lower.chunks_exact(n).enumerate().rev() {
                    q[j] = (q[j] - dot(&q[j + 1..], &column[j + 1..])) / column[j];
                }
            },
        );
    }

    /// q = Λᵀp in place.
    pub(super) fn of_dual(&self, p: &mut [f64]) {
        let Kind::Wide { lower } = self.kind else { return };
        let n = p.len();
        vectorised(
            #[inline(always)]
            || {
                for (j, column) in lower.chunks_exact(n).enumerate() {
                    p[j] = dot(&p[j..], &column[j..]);
                }
            },
        );
    }

    /// z in the coordinates of the flow's net; `room` has a place a row.
    pub(super) fn image(&self, problem: &Problem, q: &[f64], z: &mut [f64], room: &mut [f64]) {
        match &self.kind {
            Kind::Wide { .. } => {
                room.copy_from_slice(q);
                self.to_dual(room);
                self.rows.design(&problem.design).apply_transpose(room, z, self.threads);
            }
            Kind::Own(_) => z.copy_from_slice(q),
            Kind::Span(span) => match &span.rows {
                Some(rows) => rows.apply_transpose(q, z, self.threads),
                None => z.fill(0.0),
            },
        }
    }

    /// z in all coordinates.
    pub(super) fn whole_image(&self, problem: &Problem, q: &[f64], z: &mut [f64]) {
        match &self.kind {
            Kind::Own(columns) => {
                z.iter_mut().zip(columns.groups()).for_each(|(z, &(at, sign))| *z = sign * q[at]);
            }
            _ => self.image(problem, q, z, &mut vec![0.0; self.rows.count()]),
        }
    }

    /// Adds what rounding of the sums in Cᵀρ leaves, |C|ᵀ|ρ|, with these signs: along no row, but in all directions.
    pub(super) fn add_rounding(&self, sums: &[f64], signs: &[f64], out: &mut [f64]) {
        match &self.kind {
            Kind::Wide { .. } => {}
            Kind::Own(columns) => add_absolute_sums(columns.matrix(), sums, signs, out),
            Kind::Span(span) => add_absolute_sums(&span.coefficients, sums, signs, out),
        }
    }

    /// Cᵀρ, from the sums of ρ over the samples of each row.
    pub(super) fn pull(&self, sums: &[f64], out: &mut [f64]) {
        match &self.kind {
            Kind::Wide { .. } => {
                out.copy_from_slice(sums);
                self.of_dual(out);
            }
            Kind::Own(columns) => transposed_times(columns.matrix(), sums, out),
            Kind::Span(span) => transposed_times(&span.coefficients, sums, out),
        }
    }
}

/// out_k ± 2Σ_i |A_ik x_i|, A row by row: more than could cancel it.
fn add_absolute_sums(a: &[f64], x: &[f64], signs: &[f64], out: &mut [f64]) {
    for (k, (out, sign)) in out.iter_mut().zip(signs).enumerate() {
        let column = a.iter().skip(k).step_by((a.len() / x.len().max(1)).max(1)).zip(x);
        *out += 2.0 * sign * column.map(|(a, x)| (a * x).abs()).sum::<f64>();
    }
}

/// d_eff = ‖X‖²/max_k‖X_·k‖², the sum over all columns: d for signs, less where few columns dominate.
fn effective(design: &crate::data::Design) -> f64 {
    if design.is_packed() {
        return design.dimension() as f64;
    }
    let mut column = vec![0.0; design.samples()];
    let (mut total, mut largest) = (0.0, 0.0_f64);
    for k in 0..design.dimension() {
        design.coordinate(k, &mut column);
        let square: f64 = column.iter().map(|x| x * x).sum();
        total += square;
        largest = largest.max(square);
    }
    if largest > 0.0 { total / largest } else { 1.0 }
}

/// out = Aᵀ x, A row by row.
fn transposed_times(a: &[f64], x: &[f64], out: &mut [f64]) {
    out.fill(0.0);
    vectorised(
        #[inline(always)]
        || {
            for (row, x) in a.chunks_exact(out.len().max(1)).zip(x) {
                add_multiple(out, *x, row);
            }
        },
    );
}
