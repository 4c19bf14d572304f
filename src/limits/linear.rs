//! Linear problems from start to end: the interior point and its exact optimum where doubles decide, the simplex method
//! in many digits where they do not and the problem is small. Nothing is answered without its certificate.

use super::interior_point::{Fit, Program};
use super::newton::largest;
use super::polish::{self, Polished};
use super::simplex::{self, End, Vertex};
use super::{Farkas, Report};
use crate::error::{Error, Result};
use crate::linalg::{Engine, dot};

/// A Farkas vector is one up to rounding: this many roundings of its terms Σ_i |ν_i X_ik| may be left of (Xᵀν)_k.
const ROUNDINGS: f64 = 16.0;

pub(super) enum Outcome {
    Optimal(Box<Polished>, Report),
    Infeasible(Farkas),
}

/// Solves a program with f = b or f ≥ b.
pub(super) fn solve(program: &Program<'_>) -> Result<Outcome> {
    let first = interior(program);
    if let Ok(Some((outcome, true))) = first {
        return Ok(outcome);
    }
    match simplex::solve(program) {
        Some(End::Optimal(vertex)) => {
            if let Ok(outcome) = of_vertex(program, vertex) {
                return Ok(outcome);
            }
        }
        Some(End::Unbounded(rays)) => {
            if let Some(farkas) = rays.iter().find_map(|ray| certificate(program, ray)) {
                return Ok(Outcome::Infeasible(farkas));
            }
        }
        None => {}
    }
    match first? {
        Some((outcome, _)) => Ok(outcome),
        None => Err(Error::Numerical {
            method: "interior point",
            detail: "the multipliers grow past every bound, but rounding leaves open whether any weights fit"
                .into(),
        }),
    }
}

/// By the interior point: the outcome and whether doubles left no doubt; none where they left open whether any w fits.
fn interior(program: &Program<'_>) -> Result<Option<(Outcome, bool)>> {
    let ended = program.solve()?;
    if ended.unbounded {
        let refined = complement(program, &ended.point.nu)?;
        let farkas = refined.and_then(|nu| certificate(program, &nu));
        return Ok(farkas.map(|farkas| (Outcome::Infeasible(farkas), true)));
    }
    let mut point = polish::linear(program, &ended)?;
    let clear = point.clear;
    let report = polish::report(program, &mut point)?;
    Ok(Some((Outcome::Optimal(Box::new(point), report), clear)))
}

/// ν less its part in the range of B, where that leaves it positive; none with fewer rows than columns.
fn complement(program: &Program<'_>, nu: &[f64]) -> Result<Option<Vec<f64>>> {
    let (n, d) = (program.rows.count(), program.rows.dimension());
    let total: f64 = nu.iter().sum();
    let mut nu: Vec<f64> = nu.iter().map(|x| x / total).collect();
    if n < d {
        return Ok(Some(nu));
    }
    let mut columns = Vec::with_capacity(n * d);
    (0..d).for_each(|k| columns.extend(program.rows.column(k)));
    let Ok(matrix) = ndarray::ArrayView2::from_shape((d, n), &columns) else { return Ok(None) };
    let svd = Engine::SEQUENTIAL.thin_svd(matrix)?;
    for _ in 0..2 {
        for (value, right) in svd.values.iter().zip(svd.right.columns()) {
            if *value > 1e-13 * svd.values[0] {
                let along = right.iter().zip(&nu).map(|(r, x)| r * x).sum::<f64>();
                nu.iter_mut().zip(&right).for_each(|(x, r)| *x -= along * r);
            }
        }
    }
    Ok(nu.iter().all(|x| *x >= 0.0).then_some(nu))
}

/// The multipliers scaled to ⟨b, ν⟩ = 1, if they prove that no w fits: ν ≥ 0 for f ≥ b, every entry of Bᵀν zero to within
/// the rounding of its own terms, and ⟨b, ν⟩ not.
pub(super) fn certificate(program: &Program<'_>, nu: &[f64]) -> Option<Farkas> {
    let (b, one_sided) = match program.fit {
        Fit::Equal(b) => (b, false),
        Fit::AtLeast(b) => (b, true),
        Fit::Loss(..) => return None,
    };
    // Multipliers of any size: to one before they are multiplied.
    let size = largest(nu);
    if !(size > 0.0 && size.is_finite()) || one_sided && nu.iter().any(|x| *x < 0.0) {
        return None;
    }
    let nu: Vec<f64> = nu.iter().map(|x| x / size).collect();
    let total = dot(&nu, b);
    let multipliers: Vec<f64> = nu.iter().map(|x| x / total).collect();
    let image = program.rows.transpose(&multipliers);
    let allowed = ROUNDINGS * nu.len() as f64 * f64::EPSILON;
    let fits = (0..image.len()).all(|k| {
        let column = program.rows.column(k);
        let terms: f64 = column.iter().zip(&multipliers).map(|(x, nu)| (x * nu).abs()).sum();
        image[k].abs() <= allowed * terms
    });
    let bound = program.dual_norm(&image);
    let labels: f64 = nu.iter().zip(b).map(|(nu, b)| (nu * b).abs()).sum();
    (total > allowed * labels && multipliers.iter().all(|x| x.is_finite()) && fits)
        .then(|| Farkas { multipliers: multipliers.into(), bound })
}

/// A basic solution with its report, and what its equalities say about uniqueness.
fn of_vertex(program: &Program<'_>, vertex: Vertex) -> Result<Outcome> {
    let Vertex { weights, multipliers, steps, support, tight, active, met, objective, gap } = vertex;
    let unique = polish::uniqueness(program, [&support, &tight], [&active, &met])?;
    // Of the weights as they are given, rounded to doubles.
    let outputs = program.rows.apply(&weights);
    let infeasibility = match program.fit {
        Fit::Equal(b) => {
            let worst = outputs.iter().zip(b).fold(0.0_f64, |m, (f, b)| m.max((f - b).abs()));
            worst / largest(b)
        }
        Fit::AtLeast(b) => outputs.iter().zip(b).fold(0.0_f64, |m, (f, b)| m.max((b - f) / b)),
        Fit::Loss(..) => 0.0,
    };
    let report = Report {
        objective,
        dual_objective: objective * (1.0 - gap),
        gap,
        infeasibility,
        iterations: steps,
        unique: unique[0],
        dual_unique: unique[1],
    };
    let point = Polished { weights, multipliers, iterations: steps, support, active, unique, clear: true };
    Ok(Outcome::Optimal(Box::new(point), report))
}
