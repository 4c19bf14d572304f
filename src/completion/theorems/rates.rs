//! Rates over a family of α or of λ.

use super::catalogue;
use crate::completion::{Init, Problem, Settings};
use crate::error::{Error, Result, check};
use crate::theorem::{Claim, Form, Hypothesis, Judged, Side, Statement};

/// The limits of Theorem 3.9 and Corollary 3.11 at finite α: the same problem from several α, at
/// T = (1 − c) log α/λ. Slopes of ln(error) against ln α.
///
/// # Errors
/// As [`Problem::flow`]; fewer than two α, or a fraction outside (0, 1).
pub fn kernel_rates(
    problem: &Problem,
    alphas: &[f64],
    weight_decay: f64,
    fraction: f64,
) -> Result<Vec<Judged>> {
    check("fraction c", fraction, |c| c > 0.0 && c < 1.0, "a number in (0, 1)")?;
    check("number of α", alphas.len() as f64, |n| n >= 2.0, "at least 2")?;
    let filled = problem.observations().zero_filled();
    let pairs = problem.observations().pairs();
    let (mut total, mut unseen) = (Vec::new(), Vec::new());
    for &coordinate in alphas {
        let init = Init::Identity { coordinate };
        let one = Problem::new(problem.observations().clone(), problem.truth.clone(), init)?;
        let horizon = (1.0 - fraction) * coordinate.ln() / weight_decay;
        let settings = Settings { weight_decay, horizon, rtol: 1e-10, ..Settings::default() };
        let w = one.flow(&settings)?.state(horizon)?;
        let square: f64 = (&w - &filled).iter().map(|v| v * v).sum();
        let seen: f64 = pairs
            .iter()
            .map(|p| (w[(p.row, p.column)] - p.value).powi(2) * if p.row == p.column { 1.0 } else { 2.0 })
            .sum();
        total.push((coordinate, square.sqrt()));
        unseen.push((coordinate, (square - seen).max(0.0).sqrt()));
    }
    let rate = |source, form, quantity, side, slope| Statement {
        source,
        form,
        quantity,
        side,
        claim: Claim::Rate(slope),
        probability: None,
        hypotheses: vec![Hypothesis::fact("U(0) = V(0) = αI", Some(true))],
    };
    let printed = rate(
        &catalogue::KERNEL_RATE,
        Form::Printed,
        "slope of ln ‖W(T) − kernel limit‖_F in ln α",
        Side::Upper,
        -2.0 * fraction,
    );
    let derived = rate(
        &catalogue::UNOBSERVED_RATE,
        Form::Derived,
        "slope of ln ‖W(T)‖_F on unobserved entries in ln α",
        Side::Equal,
        -4.0 * fraction,
    );
    Ok(vec![printed.judge_rate(&total, 1e-3), derived.judge_rate(&unseen, 0.02)])
}

/// The residual law at several λ and the same τ = λt: the relative error of (24) falls like λ.
///
/// # Errors
/// As [`Problem::flow`].
pub fn residual_rate(problem: &Problem, weight_decays: &[f64], tau: f64) -> Result<Judged> {
    let mut points = Vec::new();
    for &weight_decay in weight_decays {
        let horizon = tau / weight_decay;
        let settings = Settings { weight_decay, horizon, rtol: 1e-10, ..Settings::default() };
        let solution = problem.flow(&settings)?;
        let (s, law) = (solution.residuals(horizon)?, solution.residual_law(horizon)?);
        let law = law.ok_or(Error::Missing { wanted: "the residual law", needs: "U(0) = V(0) = αI" })?;
        let square = |f: &dyn Fn(usize) -> f64| (0..s.len()).map(|p| f(p).powi(2)).sum::<f64>();
        points.push((weight_decay, (square(&|p| s[p] - law[p]) / square(&|p| s[p])).sqrt()));
    }
    let statement = Statement {
        source: &catalogue::RESIDUAL,
        form: Form::Derived,
        quantity: "slope of ln(relative error) in ln λ",
        side: Side::Equal,
        claim: Claim::Rate(1.0),
        probability: None,
        hypotheses: vec![Hypothesis::fact("U(0) = V(0) = αI", Some(true))],
    };
    Ok(statement.judge_rate(&points, 0.05))
}
