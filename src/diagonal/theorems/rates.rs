//! Statements about how something changes with α: several runs of one problem, and the slope fitted to them.

use super::Inputs;
use super::catalogue;
use super::facts::{Facts, ln_norm, statement};
use super::margin::one_minus_cosine;
use crate::Loss;
use crate::diagonal::{Init, Problem, Settings};
use crate::error::{Error, Result, check};
use crate::limits::min_norm;
use crate::theorem::{Claim, Form, Hypothesis, Judged, Side};

/// The family of runs: symmetric starts α, weight decay λ = α^{−p}.
#[derive(Clone, Debug, PartialEq)]
pub struct RateInputs {
    /// At least three, above 1, ascending.
    pub alphas: Vec<f64>,
    /// p.
    pub decay_power: f64,
    /// c of T_c^∓.
    pub fraction: f64,
    /// L, the tolerance and the threads; start, weight decay and horizon are those of the family.
    pub settings: Settings,
}

impl Default for RateInputs {
    fn default() -> Self {
        RateInputs {
            alphas: vec![1e2, 1e3, 1e4, 1e5],
            decay_power: 1.0,
            fraction: 0.5,
            settings: Settings { rtol: 1e-10, ..Settings::default() },
        }
    }
}

/// How far a fitted slope may be from a power law whose corrections are powers of α, and of ln α.
const ROOM: f64 = 0.05;
const LOG_ROOM: f64 = 0.2;

/// The rates of the paper over a family of runs, judged by fitted slopes.
///
/// | statement | loss | claim |
/// |---|---|---|
/// | D.2, C.5 (‖δ‖ at T_c^-) | squared, exponential | slope −cL in ln α (C.5: after division by ln A) |
/// | D.7, symmetric start | squared | ‖w − w_L2‖: slope −2cL |
/// | 3.6 | exponential | 1 − cos: slope −2 in ln M, M = ln 1/(n𝓛) + H ~ ln α |
/// | C.12, 3.10 | any | least ε in [1, 1+c]·ln α/λ: slope at most −½ in ln ln(1/λ) |
///
/// ```
/// use groktime::Loss;
/// use groktime::data::Design;
/// use groktime::diagonal::{Problem, theorems};
/// use groktime::theorem::Outcome;
/// let x = Design::new(ndarray::array![[1.0, 0.3, -0.2]].view())?;
/// let problem = Problem::new(x, vec![1.0], Loss::Squared)?;
/// let inputs = theorems::RateInputs { alphas: vec![10.0, 30.0, 100.0], decay_power: 3.0, ..Default::default() };
/// let judged = theorems::rates(&problem, &inputs)?;
/// assert_eq!(judged[0].verdict.outcome, Outcome::Holds);
/// # Ok::<(), groktime::Error>(())
/// ```
///
/// # Errors
/// Fewer than three α or one that is not above 1; an integration or a limit problem fails.
pub fn rates(problem: &Problem, inputs: &RateInputs) -> Result<Vec<Judged>> {
    if inputs.alphas.len() < 3 {
        return Err(Error::Missing { wanted: "a rate", needs: "at least three values of α" });
    }
    inputs.alphas.iter().try_for_each(|&a| check("α", a, |a| a > 1.0, "above 1").map(|_| ()))?;
    check("decay power p", inputs.decay_power, |p| p > 0.0, "a positive number")?;
    let of_run = Inputs { fraction: inputs.fraction, work_limit: 0, ..Inputs::default() };
    of_run.validate()?;
    let squared = problem.loss() == Loss::Squared;
    let kernel = match squared {
        true => min_norm(problem.design(), problem.labels(), inputs.settings.threads)?.found(),
        false => None,
    };
    let c = inputs.fraction;
    let depth = f64::from(inputs.settings.depth);
    let (mut departure, mut predictor) = (Vec::new(), Vec::new());
    let (mut angle, mut residual) = (Vec::new(), Vec::new());
    let mut next_order = 0.0_f64;
    let (mut separable, mut seen_kernel) = (true, true);
    for &alpha in &inputs.alphas {
        let ln_alpha = libm::log(alpha);
        let lambda = libm::pow(alpha, -inputs.decay_power);
        let settings = Settings {
            init: Init::Symmetric(alpha),
            weight_decay: lambda,
            horizon: (1.0 + c) * ln_alpha / lambda * (1.0 + 1e-12),
            ..inputs.settings.clone()
        };
        let run = problem.integrate(&settings)?;
        let facts = Facts::new(&run, &of_run)?;
        separable &= facts.gamma > 0.0;
        seen_kernel &= facts.early() <= facts.kernel_end;
        if let Some(early) = facts.early_state()? {
            let ln_departure = early.ln_departure - if squared { 0.0 } else { libm::log(facts.ln_scale) };
            departure.push((alpha, libm::exp(ln_departure)));
            if let Some(kernel) = &kernel {
                let gap = ln_norm(early.weights.iter().zip(&kernel.weights).map(|(a, b)| a - b));
                predictor.push((alpha, libm::exp(gap)));
            }
            if let Some(svm) = &facts.svm {
                let direction = svm.weights.as_slice().unwrap_or(&[]);
                match facts.early_tilt()? {
                    Some(tilt) => {
                        angle.push((tilt.size, one_minus_cosine(&early.weights, direction)));
                        next_order = next_order.max(tilt.next_order);
                    }
                    None => next_order = f64::INFINITY,
                }
            }
        }
        residual.push((-libm::log(lambda), facts.least_residual()?));
    }
    let exponential = || Hypothesis::fact("exponential loss", Some(problem.loss() == Loss::Exponential));
    let is_squared = || Hypothesis::fact("squared loss", Some(squared));
    let separable = || Hypothesis::fact("separable", Some(separable));
    let early = || Hypothesis::fact("T_c^- ≤ T_max", Some(seen_kernel));
    let rate = |source, form, quantity, side, slope, hypotheses| {
        statement(source, form, quantity, side, Claim::Rate(slope), hypotheses)
    };
    let cl = -c * depth;
    let d2 = rate(
        &catalogue::DEPARTURE_RATE_SQUARED,
        Form::Printed,
        "‖δ‖ at T_c^-",
        Side::Equal,
        cl,
        vec![is_squared()],
    );
    let c5 = rate(
        &catalogue::DEPARTURE_RATE,
        Form::Printed,
        "‖δ‖/ln A at T_c^-",
        Side::Upper,
        cl,
        vec![exponential(), separable(), early()],
    );
    let d7 = rate(
        &catalogue::LEAST_NORM_RATE,
        Form::Derived,
        "‖w − w_L2‖ at T_c^-",
        Side::Equal,
        2.0 * cl,
        vec![is_squared(), Hypothesis::below("λ = o(α^{−2cL + 2(L−1)c})", 2.0 * c, inputs.decay_power)],
    );
    let direction = rate(
        &catalogue::DIRECTION_RATE,
        Form::Derived,
        "1 − cos(w, L2 margin) at T_c^-, over M ~ ln α",
        Side::Equal,
        -2.0,
        vec![
            exponential(),
            separable(),
            early(),
            Hypothesis::at_most("next order ≤ 1/5 at the smallest α", next_order, LOG_ROOM),
        ],
    );
    let source = if squared { &catalogue::STATIONARY_RATE_SQUARED } else { &catalogue::STATIONARY_RATE };
    let mut any = vec![];
    if !squared {
        any = vec![exponential(), separable()];
    }
    let stationary =
        rate(source, Form::Printed, "least KKT residual ε, over ln(1/λ)", Side::Upper, -0.5, any);
    Ok(vec![
        d2.judge_rate(&departure, ROOM),
        c5.judge_rate(&departure, ROOM),
        d7.judge_rate(&predictor, ROOM),
        direction.judge_rate(&angle, LOG_ROOM),
        stationary.judge_rate(&residual, 0.0),
    ])
}
