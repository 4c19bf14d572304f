//! The instances on which the ridge statements are verified: the settings of figures 1 and 2, the flow
//! clock, bounded features, and constructions at the edge of the hypotheses.

use groktime::data::features::{gaussian_vector, generator};
use groktime::linalg::Engine;
use groktime::ridge::theorems::{Inputs, catalogue, chi_square_below};
use groktime::ridge::{
    Decomposition, Features, Population, Problem, Recipe, Settings, Spectrum, Target, Teacher,
};
use groktime::theorem::{Form, Judged, Source};
use ndarray::array;
use rayon::prelude::*;
use statrs::distribution::{Binomial, DiscreteCDF};
use std::sync::Arc;

use super::{Instance, Rate, Row, gather};
use crate::output::Failure;

/// A drawn problem, its settings, and what the theorems are told.
struct Case {
    name: String,
    recipe: Recipe,
    settings: Settings,
    inputs: Inputs,
    flow: bool,
    /// Multiplies a unit teacher.
    teacher_norm: f64,
}

pub fn rows() -> Result<Vec<Row>, Failure> {
    let cases = cases();
    let mut instances = cases.par_iter().map(judge).collect::<Result<Vec<_>, _>>()?;
    instances.push(at_the_step_limit(1.0)?);
    let beyond = at_the_step_limit(1.001)?;
    instances.push(erratum_of_seven()?);
    let mut rows = gather(&instances);
    let rates = failure_rates()?;
    for row in &mut rows {
        if let Some(rate) = rates.iter().find(|r| row.is(r.source, r.form)) {
            row.set_rate(rate.rate);
        }
        if row.is(&catalogue::ZERO_TEACHER_TRAIN, Form::Printed) {
            let fails = beyond.statements.iter().any(|s| {
                s.statement.source == &catalogue::ZERO_TEACHER_TRAIN && s.claim_met() == Some(false)
            });
            row.set_note(if fails {
                "condition on η is sharp: equality holds, 0.1% beyond it fails"
            } else {
                "0.1% beyond the condition on η the claim still held"
            });
        }
        if [&catalogue::LIMIT_TEST, &catalogue::DELAY].contains(&row.source()) {
            row.set_note("universal constant C not given: applicable for θ* = 0 only, where θ*_λ = 0");
        }
    }
    Ok(rows)
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let gaussian = Recipe::default();
    let mut add =
        |name: String, recipe: Recipe, step_size: f64, weight_decay: f64, threshold: f64, flow, norm| {
            let settings = Settings { step_size, weight_decay, ..Settings::default() };
            let inputs = Inputs {
                train_threshold: threshold,
                test_threshold: threshold,
                init_variance: Some(recipe.init_variance),
                ..Inputs::default()
            };
            cases.push(Case { name, recipe, settings, inputs, flow, teacher_norm: norm });
        };
    for seed in 0..10 {
        let recipe = Recipe { teacher: Teacher::Zero, width: 10_000, seed, ..gaussian };
        add(format!("figure 1, seed {seed}"), recipe, 1.0, 1e-5, 0.01, false, 1.0);
    }
    for seed in 0..4 {
        for decay in [1e-6, 1e-5, 1e-4, 1e-3] {
            add(
                format!("figure 2, λ = {decay:e}"),
                Recipe { seed, ..gaussian },
                1.0,
                decay,
                0.01,
                false,
                1.0,
            );
            add(format!("flow, λ = {decay:e}"), Recipe { seed, ..gaussian }, 1.0, decay, 0.01, true, 1.0);
        }
        for samples in [25, 50, 200, 400] {
            let recipe = Recipe { samples, seed, ..gaussian };
            add(format!("figure 2, n = {samples}"), recipe, 1.0, 1e-4, 0.01, false, 1.0);
        }
        for width in [500, 2000, 4000] {
            let recipe = Recipe { width, seed, ..gaussian };
            add(format!("figure 2, m = {width}"), recipe, 1.0, 1e-4, 0.01, false, 1.0);
        }
        for init_variance in [0.1, 10.0, 1e3, 1e6] {
            let recipe = Recipe { init_variance, seed, ..gaussian };
            add(format!("figure 2, ν² = {init_variance}"), recipe, 1.0, 1e-4, 0.01, false, 1.0);
        }
        // Bounded features: what (6), 4.6 and 4.2 need. Zero, small and unit teachers.
        let sphere = Recipe {
            features: Features::Sphere { bound: 1.0 },
            width: 500,
            init_variance: 4.0,
            seed,
            ..gaussian
        };
        for norm in [0.0, 0.05, 1.0] {
            let teacher = if norm == 0.0 { Teacher::Zero } else { Teacher::Unit };
            let recipe = Recipe { teacher, ..sphere };
            add(format!("bounded features, ‖θ*‖ = {norm}"), recipe, 0.9, 1e-3, 0.01, false, norm);
            add(format!("bounded features, flow, ‖θ*‖ = {norm}"), recipe, 0.9, 1e-3, 0.01, true, norm);
        }
        // The difference of (7) and (6) says something only at small λ.
        for decay in [1e-5, 1e-6] {
            let recipe = Recipe { teacher: Teacher::Zero, ..sphere };
            add(format!("bounded features, θ* = 0, λ = {decay:e}"), recipe, 0.9, decay, 0.01, false, 0.0);
            add(
                format!("bounded features, flow, θ* = 0, λ = {decay:e}"),
                recipe,
                0.9,
                decay,
                0.01,
                true,
                0.0,
            );
        }
        let noisy = Recipe { noise_std: 0.1, seed, ..gaussian };
        add("label noise 0.1".into(), noisy, 1.0, 1e-4, 0.01, false, 1.0);
        let tall = Recipe { samples: 60, width: 40, seed, ..gaussian };
        add("more samples than features".into(), tall, 1.0, 1e-4, 0.01, false, 1.0);
    }
    cases
}

fn judge(case: &Case) -> Result<Instance, Failure> {
    let mut drawn = case.recipe.draw()?;
    if let (Target::Teacher { weights, .. }, Teacher::Unit) = (&mut drawn.target, case.recipe.teacher) {
        *weights *= case.teacher_norm;
    }
    let problem = drawn.problem();
    let spectrum = problem.spectrum(Engine::SEQUENTIAL)?;
    let statements = match case.flow {
        false => spectrum.descent(&case.settings)?.statements(&case.inputs)?,
        true => spectrum.flow(&case.settings)?.statements(&case.inputs)?,
    };
    Ok(Instance { name: case.name.clone(), statements })
}

/// Two eigenvalues, and a step size `factor` times the largest that Theorem 4.1 allows.
fn at_the_step_limit(factor: f64) -> Result<Instance, Failure> {
    let features = array![[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]];
    let (mean_square, weight_decay) = (2.5, 0.1);
    let problem = Problem {
        features: features.view(),
        target: Target::zero_teacher(3),
        init: array![1.0, 0.0, 1.0],
        population: Population::isotropic(3, 1.0 / 3.0),
    };
    let step_size = factor * 2.0 / (mean_square + 2.0 * weight_decay);
    let spectrum = problem.spectrum(Engine::SEQUENTIAL)?;
    let form = spectrum.descent(&Settings { step_size, weight_decay, ..Settings::default() })?;
    let statements =
        form.statements(&Inputs { train_threshold: 1e-3, test_threshold: 1e-3, ..Inputs::default() })?;
    // Theorem 4.1 alone is at its edge here.
    let parts =
        [&catalogue::ZERO_TEACHER_TRAIN, &catalogue::ZERO_TEACHER_TEST, &catalogue::ZERO_TEACHER_NORM];
    let edge = |j: &Judged| parts.contains(&j.statement.source);
    let statements = statements.into_iter().filter(edge).collect();
    Ok(Instance { name: format!("η = {factor} × the limit of Theorem 4.1"), statements })
}

/// ηλ = 0.99 and a zero teacher: within the printed hypotheses of (7), outside what its proof needs.
fn erratum_of_seven() -> Result<Instance, Failure> {
    let recipe = Recipe { teacher: Teacher::Zero, width: 400, init_variance: 1e6, ..Recipe::default() };
    let case = Case {
        name: "ηλ = 0.99".into(),
        recipe,
        settings: Settings { step_size: 0.99, weight_decay: 1.0, ..Settings::default() },
        inputs: Inputs { init_variance: Some(1e6), ..Inputs::default() },
        flow: false,
        teacher_norm: 1.0,
    };
    judge(&case)
}

struct NamedRate {
    source: &'static Source,
    form: Form,
    rate: Rate,
}

/// Draws of θ₀ for each statement.
const DRAWS: u64 = 10_000;

/// Failure rates over θ₀, features fixed, where the allowed rate is large enough to be seen: m − n = 64,
/// so that 2e^{−(m−n)/32} = 0.27.
fn failure_rates() -> Result<Vec<NamedRate>, Failure> {
    let (samples, width) = (20, 84);
    let free = (width - samples) as f64;
    let allowed = 2.0 * (-free / 32.0).exp();
    let exact = chi_square_below(width - samples, 0.5 * free);
    let recipe = Recipe { samples, width, init_variance: 10.0, ..Recipe::default() };
    let drawn = recipe.draw()?;
    let problem = drawn.problem();
    let zero = Problem { target: Target::zero_teacher(width), ..problem.clone() };
    let decomposition = Arc::new(Decomposition::new(problem.features, Engine::SEQUENTIAL)?);
    let settings = Settings { weight_decay: 1e-3, ..Settings::default() };
    let inputs = Inputs {
        failure_probability: allowed,
        init_variance: Some(recipe.init_variance),
        ..Inputs::default()
    };
    // The bounds themselves do not depend on the draw: taken from one set of statements.
    let spectrum = Spectrum::new(decomposition.clone(), &problem)?;
    let judged = spectrum.descent(&settings)?.statements(&inputs)?;
    let bound = |source: &Source, form: Form| {
        let named = |j: &&Judged| j.statement.source == source && j.statement.form == form;
        judged.iter().find(named).map_or(f64::NAN, |j| j.verdict.value)
    };
    let four_five = bound(&catalogue::LATE, Form::Printed);
    let seven = bound(&catalogue::SEVEN, Form::Corrected);
    let eight = bound(&catalogue::EIGHT_LATE, Form::Printed);
    let floor = 0.5 * free * recipe.init_variance;

    let draws = (0..DRAWS)
        .into_par_iter()
        .map(|draw| -> Result<[bool; 4], Failure> {
            let init = gaussian_vector(width, recipe.init_variance, &mut generator(draw, 9));
            // 4.1(ii) holds at every t exactly when ‖θ_⊥(0)‖² ≥ (m−n)ν²/2: the modes decay faster.
            let spectrum =
                Spectrum::new(decomposition.clone(), &Problem { init: init.clone(), ..zero.clone() })?;
            let outside = spectrum.init_norms().1.powi(2) < floor;
            let spectrum = Spectrum::new(decomposition.clone(), &Problem { init, ..problem.clone() })?;
            let form = spectrum.descent(&settings)?;
            let t2 = form.first_general(inputs.test_threshold)?.time().map_or(f64::INFINITY, |t| t as f64);
            Ok([outside, t2 < four_five, t2 < seven, t2 < eight])
        })
        .collect::<Result<Vec<_>, _>>()?;
    let named = [
        (&catalogue::ZERO_TEACHER_TEST, Form::Printed),
        (&catalogue::LATE, Form::Printed),
        (&catalogue::SEVEN, Form::Corrected),
        (&catalogue::EIGHT_LATE, Form::Printed),
    ];
    let binomial = Binomial::new(allowed, DRAWS).map_err(|e| Failure::Computation(e.to_string()))?;
    Ok(named
        .into_iter()
        .enumerate()
        .map(|(i, (source, form))| {
            let failures = draws.iter().filter(|d| d[i]).count() as u64;
            let p_value = if failures == 0 { 1.0 } else { binomial.sf(failures - 1) };
            NamedRate {
                source,
                form,
                rate: Rate { draws: DRAWS, failures, allowed, exact: Some(exact), p_value },
            }
        })
        .collect())
}
