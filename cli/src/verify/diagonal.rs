//! The instances on which the statements on diagonal nets are verified: sparse majorities and Gaussian data,
//! from moderate starts to α = 10⁶⁴, families of α for the rates, samples for E.4 and E.5.

use groktime::Loss;
use groktime::data::Design;
use groktime::data::features::{gaussian_matrix, gaussian_vector, generator};
use groktime::data::tasks::{Law, Task};
use groktime::diagonal::theorems::{
    Inputs, LabelNoise, RateInputs, catalogue, label_noise, rates, sample_complexity,
};
use groktime::diagonal::{Init, Problem, Settings};
use groktime::linalg::Threads;
use groktime::theorem::{Form, Judged, Outcome, Source};
use rayon::prelude::*;
use statrs::distribution::{Binomial, DiscreteCDF};

use super::{Instance, Rate, Row, gather};
use crate::output::Failure;

pub fn rows() -> Result<Vec<Row>, Failure> {
    let mut instances = cases().par_iter().map(judge).collect::<Result<Vec<_>, _>>()?;
    instances.extend(families()?);
    let (draws, rates) = samples()?;
    instances.extend(draws);
    instances.push(noisy_labels()?);
    let mut rows = gather(&instances);
    for row in &mut rows {
        if let Some((_, rate)) = rates.iter().find(|(source, _)| row.is(source, Form::Printed)) {
            row.set_rate(*rate);
        }
        match row.outcome {
            Outcome::Undetermined => row.set_note("constants not given"),
            Outcome::NotApplicable | Outcome::NotEvaluated => {
                row.set_note("no instance meets the hypotheses")
            }
            _ => {}
        }
        if [&catalogue::SAMPLE_L1, &catalogue::SAMPLE_L2].contains(&row.source()) {
            row.add_note(
                "where the bound is below 1 so many samples name the teacher: the error is 0 in every draw",
            );
        }
    }
    Ok(rows)
}

struct Case {
    name: String,
    design: Design,
    labels: Vec<f64>,
    loss: Loss,
    settings: Settings,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add =
        |data: &str, (design, labels): &(Design, Vec<f64>), loss: Loss, depth, alpha: f64, lambda: f64| {
            let name = format!("{data}, {}, L = {depth}, α = {alpha:e}, λ = {lambda:e}", loss.name());
            // Past the end of the rich window, and until the dying coordinates are gone.
            let horizon = (1.6 * alpha.ln()).max(alpha.ln() + 14.0) / lambda;
            let init = Init::Symmetric(alpha);
            let settings = Settings {
                depth,
                init,
                weight_decay: lambda,
                horizon,
                threads: Threads::One,
                ..Settings::default()
            };
            cases.push(Case { name, design: design.clone(), labels: labels.clone(), loss, settings });
        };
    for seed in 0..3 {
        let signs = sparse(10, 30, 3, seed);
        let gaussian = gaussian(6, 20, seed);
        let real = (gaussian.0.clone(), gaussian_vector(6, 1.0, &mut generator(seed, 5)).to_vec());
        for (alpha, lambda) in [(30.0, 1e-2), (1e3, 1e-3), (1e8, 1e-8), (1e64, 1e-64)] {
            add("sparse signs", &signs, Loss::Exponential, 2, alpha, lambda);
            add("Gaussian", &gaussian, Loss::Exponential, 2, alpha, lambda);
        }
        for depth in [3, 4] {
            add("sparse signs", &signs, Loss::Exponential, depth, 1e3, 1e-3);
            add("Gaussian", &gaussian, Loss::Exponential, depth, 1e3, 1e-3);
        }
        // At larger α^{2(L−1)}/λ residuals of the squared loss are below rounding.
        add("Gaussian", &real, Loss::Squared, 2, 1e3, 1e-4);
        for depth in [2, 3, 4] {
            for (alpha, lambda) in [(10.0, 1e-2), (30.0, 1e-3)] {
                add("Gaussian", &real, Loss::Squared, depth, alpha, lambda);
            }
        }
        add("sparse signs", &signs, Loss::Logistic, 2, 30.0, 1e-2);
        add("sparse signs", &signs, Loss::Logistic, 3, 30.0, 1e-2);
    }
    cases
}

fn sparse(samples: usize, dimension: usize, relevant: usize, seed: u64) -> (Design, Vec<f64>) {
    let law = Law::SparseSigns { relevant };
    // Sizes are within range: an error here would be a mistake in this file.
    let drawn = Task { law, samples, dimension, seed }.draw();
    drawn.map_or_else(|e| unreachable!("{e}"), |t| (t.design, t.labels.to_vec()))
}

/// Any labels: with d > n they are separable.
fn gaussian(samples: usize, dimension: usize, seed: u64) -> (Design, Vec<f64>) {
    let x = gaussian_matrix(samples, dimension, 1.0, &mut generator(seed, 4));
    let labels = (0..samples).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
    (Design::new(x.view()).unwrap_or_else(|e| unreachable!("{e}")), labels)
}

fn judge(case: &Case) -> Result<Instance, Failure> {
    let problem = Problem::new(case.design.clone(), case.labels.clone(), case.loss)?;
    let run = problem.integrate(&case.settings);
    let run = run.map_err(|e| Failure::Computation(format!("{}: {e}", case.name)))?;
    Ok(Instance { name: case.name.clone(), statements: run.statements(&Inputs::default())? })
}

/// The rates: squared loss at small λ, exponential loss at very large and at moderate α.
fn families() -> Result<Vec<Instance>, Failure> {
    let mut families = Vec::new();
    for seed in 0..3 {
        let (design, labels) = gaussian(6, 20, seed);
        let real = gaussian_vector(6, 1.0, &mut generator(seed, 5)).to_vec();
        for depth in [2, 3] {
            let alphas = if depth == 2 { vec![10.0, 30.0, 100.0] } else { vec![8.0, 16.0, 32.0] };
            families.push((design.clone(), real.clone(), Loss::Squared, depth, alphas, 3.0));
        }
        families.push((design, labels, Loss::Exponential, 2, vec![1e8, 1e16, 1e32, 1e64], 1.0));
        let (design, labels) = sparse(10, 30, 3, seed);
        families.push((
            design.clone(),
            labels.clone(),
            Loss::Exponential,
            2,
            vec![1e2, 1e3, 1e4, 1e5, 1e6],
            1.0,
        ));
        families.push((design, labels, Loss::Exponential, 2, vec![1e8, 1e16, 1e32, 1e64], 1.0));
    }
    let judged = families.into_par_iter().map(|(design, labels, loss, depth, alphas, decay_power)| {
        let name =
            format!("{}, L = {depth}, α = {:e} … {:e}", loss.name(), alphas[0], alphas[alphas.len() - 1]);
        let problem = Problem::new(design, labels, loss)?;
        let settings = Settings { depth, rtol: 1e-10, threads: Threads::One, ..Settings::default() };
        let inputs = RateInputs { alphas, decay_power, settings, ..RateInputs::default() };
        Ok(Instance { name, statements: rates(&problem, &inputs)? })
    });
    judged.collect()
}

/// δ, and so the allowed rate of failure.
const DELTA: f64 = 0.05;
const DRAWS: u64 = 100;

type NamedRate = (&'static Source, Rate);

/// E.4 and E.5: vacuous at n = 64, d = 1000, k = 3, judged by many draws at n = 400, d = 10, k = 1.
fn samples() -> Result<(Vec<Instance>, Vec<NamedRate>), Failure> {
    let draw = |samples, dimension, relevant, seed| -> Result<Vec<Judged>, Failure> {
        let law = Law::SparseSigns { relevant };
        let task = Task { law, samples, dimension, seed }.draw()?;
        let slices = (task.labels.as_slice(), task.teacher.as_slice());
        let (labels, teacher) = (slices.0.unwrap_or(&[]), slices.1.unwrap_or(&[]));
        Ok(sample_complexity(&task.design, labels, teacher, DELTA)?)
    };
    let small = (0..DRAWS).into_par_iter().map(|seed| draw(400, 10, 1, seed));
    let small = small.collect::<Result<Vec<_>, _>>()?;
    let binomial = Binomial::new(DELTA, DRAWS).map_err(|e| Failure::Computation(e.to_string()))?;
    let rates = [&catalogue::SAMPLE_L1, &catalogue::SAMPLE_L2].into_iter().enumerate().map(|(i, source)| {
        let failures = small.iter().filter(|judged| judged[i].claim_met() != Some(true)).count() as u64;
        let p_value = if failures == 0 { 1.0 } else { binomial.sf(failures - 1) };
        (source, Rate { draws: DRAWS, failures, allowed: DELTA, exact: None, p_value })
    });
    let rates = rates.collect();
    let mut instances: Vec<Instance> = small
        .into_iter()
        .enumerate()
        .map(|(seed, statements)| Instance {
            name: format!("n = 400, d = 10, k = 1, seed {seed}"),
            statements,
        })
        .collect();
    instances.push(Instance { name: "n = 64, d = 1000, k = 3".into(), statements: draw(64, 1000, 3, 0)? });
    Ok((instances, rates))
}

fn noisy_labels() -> Result<Instance, Failure> {
    let (n, d, sparsity) = (24, 40, 2);
    let x = gaussian_matrix(n, d, 1.0, &mut generator(0, 6));
    let teacher: Vec<f64> = (0..d).map(|k| if k < sparsity { 1.0 } else { 0.0 }).collect();
    let statements = label_noise(&Design::new(x.view())?, &teacher, &LabelNoise::default())?;
    Ok(Instance { name: format!("label noise, n = {n}, d = {d}, {sparsity} relevant"), statements })
}
