//! Deterministic statements on adversarial problems.

use super::*;

/// No statement without a probability is ever violated on a problem that meets its hypotheses.
#[test]
fn deterministic_statements_hold_on_adversarial_problems() {
    let mut tallies: BTreeMap<(&'static Source, &str), Tally> = BTreeMap::new();
    let mut bad = Vec::new();
    for seed in 0..draws(1500) {
        let case = draw(seed);
        for flow in [false, true] {
            for judged in case.judged(flow) {
                let (s, v) = (&judged.statement, &judged.verdict);
                if s.probability.is_some() {
                    assert_ne!(v.outcome, Outcome::Violated, "one draw cannot violate a probability");
                    continue;
                }
                let clock = if flow { "flow" } else { "gd" };
                if v.outcome == Outcome::Violated {
                    bad.push(format!("{seed} {clock} {}: {v:?}", s.source));
                }
                if v.outcome == Outcome::Holds {
                    let tally = tallies.entry((s.source, clock)).or_default();
                    tally.applicable += 1;
                    let telling = match s.claim {
                        Claim::Scalar(value) => value.is_finite() && value != 0.0,
                        _ => v.slack.is_finite(),
                    };
                    tally.telling += u64::from(telling);
                    if v.slack < 0.0 {
                        // Held by the allowance for rounding only: that must stay small.
                        let relative = v.rounding / (1.0 + v.value.abs());
                        tally.tightest = tally.tightest.max(relative);
                        assert!(relative < 1e-4, "{seed} {clock} {}: lenient {v:?}", s.source);
                    }
                }
            }
        }
    }
    if full() || !bad.is_empty() {
        for ((source, clock), t) in &tallies {
            println!(
                "{source} [{clock}]: {} applicable, {} telling, rounding used {:.1e}",
                t.applicable, t.telling, t.tightest
            );
        }
    }
    assert!(bad.is_empty(), "{} violated:\n{}", bad.len(), bad.join("\n"));
    let deterministic = [
        I,
        III,
        FIT,
        FIT_PROOF,
        LATE_STAR,
        LATE_OUTSIDE,
        BELOW,
        ABOVE,
        BRACKET,
        LIMIT_NORM,
        LIMIT_TRAIN,
        CONVERGES,
        SIX,
        EIGHT_EARLY,
    ];
    for source in deterministic {
        for clock in ["gd", "flow"] {
            let telling = tallies.get(&(source, clock)).map_or(0, |t| t.telling);
            assert!(telling >= draws(20), "{source} [{clock}] was put to the test only {telling} times");
        }
    }
}

/// ‖Φθ − Φθ* − ξ‖²/2n and (θ − θ*)ᵀΣ(θ − θ*), with plain loops of gradient descent and nothing of the library.
struct Plain {
    theta: Array1<f64>,
}

impl Plain {
    fn losses(&self, case: &Case) -> (f64, f64) {
        let difference = &self.theta - &case.teacher;
        let residual = case.features.dot(&difference);
        let train = residual.dot(&residual) / (2.0 * case.features.nrows() as f64);
        let test = match &case.dense {
            Some(sigma) => difference.dot(&sigma.dot(&difference)),
            None => case.variance * difference.dot(&difference),
        };
        (train, test)
    }

    fn step(&mut self, case: &Case) {
        let Settings { step_size, weight_decay, .. } = case.settings;
        let pull = case.features.t().dot(&case.features.dot(&(&self.theta - &case.teacher)));
        let n = case.features.nrows() as f64;
        self.theta = &self.theta - &(step_size / n * &pull) - step_size * weight_decay * &self.theta;
    }
}

/// The claimed values are those of the source's formulas, evaluated as they are written there; and plain
/// iteration of descent, which shares nothing with the closed form, stays within them.
#[test]
fn claims_are_the_formulas_and_bound_plain_iteration() {
    let (mut compared, mut checked) = (BTreeMap::<&Source, u64>::new(), BTreeMap::<&Source, u64>::new());
    for seed in 0..draws(600) {
        let mut case = draw(100_000 + seed);
        if seed % 2 == 0 {
            // Hypotheses of (7) and 4.5 hold more often with a low threshold and a large θ₀.
            case.inputs.failure_probability = 0.999;
        }
        let judged = case.judged(false);
        let value = |source| one(&judged, source).verdict.value;
        let applies = |source| one(&judged, source).verdict.outcome == Outcome::Holds;
        let norm = |x: &Array1<f64>| x.dot(x).sqrt();
        let (n, m) = (case.features.nrows() as f64, case.features.ncols() as f64);
        let Settings { step_size: eta, weight_decay: lambda, .. } = case.settings;
        let Inputs { train_threshold: eps, test_threshold: c, .. } = case.inputs;
        let nu2 = case.inputs.init_variance.unwrap();
        let svd = Engine::SEQUENTIAL.thin_svd(case.features.view()).unwrap();
        let positive: Vec<f64> =
            svd.values.iter().filter(|s| **s > 1e-13 * svd.values[0]).map(|s| s * s).collect();
        let s_min = *positive.last().unwrap();
        let right = svd.right.slice(s![.., ..positive.len()]);
        let outside = |x: &Array1<f64>| norm(&(x - &right.dot(&right.t().dot(x))));
        let l = positive.iter().sum::<f64>() / n;
        let (start, star) = (norm(&case.init), norm(&case.teacher));
        let sigma = match &case.dense {
            Some(sigma) => Engine::SEQUENTIAL.eigh(sigma.view()).unwrap().values,
            None => Array1::from_elem(1, case.variance),
        };
        let (low, high) = (sigma[0], sigma[sigma.len() - 1]);
        let r = 1.0 - eta * s_min / n - eta * lambda;
        let log = |base: f64, x: f64| (x.ln() / base.ln()).max(0.0);
        // 1 − x loses digits that ln_1p keeps: the literal formulas are compared where they are sound.
        let sound = eta * lambda > 1e-8 && eta * lambda < 0.999 && (1e-8..0.999).contains(&(1.0 - r));
        let mut same = |source, computed: f64, literal: f64| {
            if sound && literal.is_finite() {
                let near = (computed - literal).abs() <= 1e-6 * (1.0 + literal.abs());
                assert!(near, "seed {seed}: {source} claims {computed}, the formula says {literal}");
                *compared.entry(source).or_default() += u64::from(literal > 0.0);
            }
        };
        if start > 0.0 {
            same(FIT, value(FIT), 0.5 * log(r, eps / (6.0 * l * start * start)));
        }
        let reach = (c / low).sqrt();
        if m > n {
            let root = (2.0 / ((m - n) * nu2)).sqrt();
            same(LATE, value(LATE), log(1.0 - eta * lambda, root * (reach + star)));
            let seven = ((m - n) * nu2 / 2.0 * (reach + star).powi(-2)).ln() / (4.0 * eta * lambda);
            same(SEVEN, value(SEVEN), seven.max(0.0));
            let eight = ((m - n) * nu2 / (8.0 * m * c)).ln() / (2.02 * eta * lambda);
            same(EIGHT_LATE, value(EIGHT_LATE), eight.max(0.0));
        }
        let (start_outside, star_outside) = (outside(&case.init), outside(&case.teacher));
        if start_outside > 1e-9 * start {
            same(LATE_STAR, value(LATE_STAR), log(1.0 - eta * lambda, (reach + star) / start_outside));
            let sharp = log(1.0 - eta * lambda, (reach + star_outside) / start_outside);
            same(LATE_OUTSIDE, value(LATE_OUTSIDE), sharp);
        }
        if let Some(b) = case.bound {
            let six = n * (6.0 * b * b * start * start / eps).ln() / (2.0 * eta * s_min);
            same(SIX, value(SIX), six.max(0.0));
        }
        let eight = n * (14.0 * m * nu2 / eps).ln() / (2.0 * eta * s_min);
        same(EIGHT_EARLY, value(EIGHT_EARLY), eight.max(0.0));
        same(LIMIT_NORM, value(LIMIT_NORM), star);
        same(LIMIT_TRAIN, value(LIMIT_TRAIN), 0.5 * lambda * star * star);

        // θ*_λ by solving its own equation, (ΦᵀΦ/n + λ)θ = Φᵀy/n, on the right singular vectors.
        let coordinates = right.t().dot(&case.teacher);
        let limit: Array1<f64> =
            positive.iter().zip(&coordinates).map(|(s, a)| s / n * a / (s / n + lambda)).collect();
        let theta_limit = right.dot(&limit);
        let moving = norm(&(right.t().dot(&case.init) - &limit));
        let bias = norm(&(&theta_limit - &case.teacher));
        let slowest = positive.iter().map(|s| (1.0 - eta * (s / n + lambda)).abs()).fold(0.0, f64::max);
        let mut plain = Plain { theta: case.init.clone() };
        // Plain iteration rounds θ at each step, by some 10⁻¹⁴ of its size in 200 steps.
        let blur = 1e-14 * (l + high).sqrt() * (start + star);
        let mut within = |source: &'static Source, t: usize, left: f64, right: f64, scale: f64| {
            let resolution = 2.0 * left.min(right).abs().sqrt() * blur + blur * blur;
            assert!(
                left <= right + 1e-9 * scale + resolution,
                "seed {seed}: {source} at step {t}: {left} > {right}"
            );
            *checked.entry(source).or_default() += 1;
        };
        for t in 0..200 {
            let (train, test) = plain.losses(&case);
            let power = r.abs().powi(t);
            let shrink = (1.0 - eta * lambda).abs().powi(t);
            let (size, t) = (norm(&plain.theta), t as usize);
            if applies(I) {
                within(I, t, train, 0.5 * l * power * power * start * start, train);
                within(III, t, size, shrink * start, start);
            }
            if applies(FIT_PROOF) {
                let bound = 2.0 * l * power * power * start * start
                    + 2.0 * lambda * power * start * star
                    + 0.5 * lambda * star * star;
                within(FIT_PROOF, t, train, bound, bound);
            }
            if applies(FIT) && t as f64 > value(FIT) {
                within(FIT, t, train, eps, eps);
            }
            if applies(SIX) && t as f64 > value(SIX) {
                within(SIX, t, train, eps, eps);
            }
            if applies(BELOW) {
                let bound = low * (shrink * start_outside - star_outside).max(0.0).powi(2);
                within(BELOW, t, bound, test, bound + low * (start + star).powi(2) * 1e-3);
            }
            if applies(LATE_OUTSIDE) && (t as f64) < value(LATE_OUTSIDE) {
                within(LATE_OUTSIDE, t, c, test, c);
            }
            if applies(LATE_STAR) && (t as f64) < value(LATE_STAR) {
                within(LATE_STAR, t, c, test, c);
            }
            if applies(ABOVE) {
                let bound = slowest.powi(t as i32) * moving + shrink * start_outside + bias;
                within(ABOVE, t, test, high * bound * bound, test);
            }
            if applies(BRACKET) && t as f64 == value(BRACKET) {
                within(BRACKET, t, test, c, c);
            }
            plain.step(&case);
        }
        if applies(LIMIT_NORM) {
            within(LIMIT_NORM, 0, norm(&theta_limit), star, star);
            let residual = case.features.dot(&(&theta_limit - &case.teacher));
            let train = residual.dot(&residual) / (2.0 * n);
            within(LIMIT_TRAIN, 0, train, 0.5 * lambda * star * star, l * star * star * 1e-3);
        }
    }
    if full() {
        println!("compared {compared:?}\nchecked {checked:?}");
    }
    for source in
        [FIT, LATE, SEVEN, EIGHT_LATE, LATE_STAR, LATE_OUTSIDE, SIX, EIGHT_EARLY, LIMIT_NORM, LIMIT_TRAIN]
    {
        assert!(
            compared.get(source).copied().unwrap_or(0) >= 20,
            "{source} compared too seldom: {compared:?}"
        );
    }
    for source in
        [I, III, FIT, FIT_PROOF, SIX, BELOW, LATE_STAR, LATE_OUTSIDE, ABOVE, BRACKET, LIMIT_NORM, LIMIT_TRAIN]
    {
        assert!(checked.get(source).copied().unwrap_or(0) >= 20, "{source} checked too seldom: {checked:?}");
    }
}
