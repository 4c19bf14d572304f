//! Failure rates.

use super::*;

/// Whether so many failures are credible at this probability or less (level 10⁻⁴).
fn credible_at_most(failures: u64, draws: u64, p: f64) -> bool {
    if p >= 1.0 || failures == 0 {
        return true;
    }
    // P(X ≥ failures)
    1.0 - Binomial::new(p, draws).unwrap().cdf(failures - 1) > 1e-4
}

/// Whether so many failures are credible at exactly this probability (level 10⁻⁴ on each side).
fn credible(failures: u64, draws: u64, p: f64) -> bool {
    credible_at_most(failures, draws, p)
        && (p <= 0.0 || Binomial::new(p, draws).unwrap().cdf(failures) > 1e-4)
}

#[test]
fn chi_square_law_of_the_complement() {
    let rng = &mut generator(11, 0);
    for k in [1, 4, 8, 16, 32, 48, 64] {
        let trials = draws(10_000);
        let failures = (0..trials)
            .filter(|_| {
                let z = gaussian_vector(k, 1.0, rng);
                z.dot(&z) < 0.5 * k as f64
            })
            .count() as u64;
        let exact = chi_square_below(k, 0.5 * k as f64);
        let stated = 2.0 * (-(k as f64) / 32.0).exp();
        assert!(exact <= stated, "the proof's tail bound");
        assert!(credible(failures, trials, exact), "m − n = {k}: {failures} of {trials}, exact {exact}");
        assert!(credible_at_most(failures, trials, stated));
    }
    // Textbook values of the χ² distribution function.
    for (k, x, p) in
        [(1, 3.841_458_820_694_124, 0.95), (2, 2.0 * 2.0_f64.ln(), 0.5), (10, 18.307_038_053_275_146, 0.95)]
    {
        assert!((chi_square_below(k, x) - p).abs() < 1e-9);
    }
    assert_eq!(chi_square_below(0, 1.0), 1.0);
    assert_eq!(chi_square_below(0, 0.0), 0.0);
    assert_eq!(chi_square_below(5, -1.0), 0.0);
    assert_eq!(chi_square_below(5, 0.0), 0.0);
}

/// Many θ₀ through the library, one decomposition: 4.1(ii), 4.5, (7) and (8).
struct Rates {
    trials: u64,
    /// Failures of the proof's event, of 4.1(ii), 4.5, (7) and (8).
    event: u64,
    failures: BTreeMap<&'static Source, u64>,
}

fn trial<T: Clock>(
    form: &ClosedForm<'_, '_, T>,
    claims: &BTreeMap<&'static Source, f64>,
    case: &Case,
    rates: &mut Rates,
) {
    let spectrum = form.spectrum();
    let (n, m) = spectrum.shape();
    let free = (m - n) as f64;
    let nu2 = case.inputs.init_variance.unwrap();
    rates.trials += 1;
    rates.event += u64::from(spectrum.init_norms().1.powi(2) < 0.5 * free * nu2);
    let t2 = match form.first_general(case.inputs.test_threshold).unwrap() {
        Crossing::FromStart => 0.0,
        Crossing::At { time, .. } => time.as_f64(),
        Crossing::Never => f64::INFINITY,
        Crossing::Undecided { .. } => panic!("undecided"),
    };
    for (source, claim) in claims {
        *rates.failures.entry(source).or_default() += u64::from(t2 < claim * (1.0 - 1e-13));
    }
    // 4.1(ii) for every t: the ratio of the loss to the bound falls to its limit, so late times decide.
    let Settings { step_size: eta, weight_decay: lambda, .. } = case.settings;
    let rate = if T::NAME == "flow" { lambda } else { -(-eta * lambda).ln_1p() };
    let floor = (case.variance * free * nu2 / 2.0).ln();
    let fails = [0.0, 1.0, 10.0, 0.1 / rate, 1.0 / rate, 10.0 / rate, 1000.0 / rate].iter().any(|&t| {
        let t = T::from_f64(t);
        form.ln_test_loss(t).unwrap() < floor - 2.0 * rate * t.as_f64() - 1e-10
    });
    *rates.failures.entry(II).or_default() += u64::from(fails);
}

fn rates(case: &Case, flow: bool, trials: u64, seed: u64) -> (Rates, Vec<Judged>) {
    let decomposition = Arc::new(Decomposition::new(case.features.view(), Engine::SEQUENTIAL).unwrap());
    let judged = case.judged(flow);
    let sources = [LATE, SEVEN, EIGHT_LATE];
    let applicable = |j: &Judged| matches!(j.verdict.outcome, Outcome::Holds | Outcome::NotEvaluated);
    let claims: BTreeMap<&'static Source, f64> = sources
        .iter()
        .map(|&source| (source, one(&judged, source)))
        .filter(|(_, j)| applicable(j))
        .map(|(source, j)| (source, j.verdict.value))
        .collect();
    assert!(claims.contains_key(LATE), "{:?}", one(&judged, LATE).statement.hypotheses);
    let mut rates = Rates { trials: 0, event: 0, failures: BTreeMap::new() };
    let rng = &mut generator(seed, 3);
    let m = case.features.ncols();
    let mut problem = case.problem();
    for _ in 0..trials {
        problem.init = gaussian_vector(m, case.inputs.init_variance.unwrap(), rng);
        let spectrum = Spectrum::new(decomposition.clone(), &problem).unwrap();
        match flow {
            true => trial(&spectrum.flow(&case.settings).unwrap(), &claims, case, &mut rates),
            false => trial(&spectrum.descent(&case.settings).unwrap(), &claims, case, &mut rates),
        }
    }
    (rates, judged)
}

/// Stated failure probabilities are never exceeded, and where the claim is as sharp as its proof's event
/// (zero teacher, isotropic Σ) its failure rate is the exact χ² probability.
#[test]
fn failure_rates_are_the_exact_ones_and_below_the_stated_ones() {
    // (n, m, rank of the features, flow, ηλ)
    let cases = [
        (4, 36, 4, true, 1e-4),
        (4, 36, 4, false, 1e-4),
        (4, 68, 4, true, 1e-2),
        (4, 68, 4, false, 1e-2),
        (6, 38, 2, true, 1e-3), // rank-deficient: more dimensions outside than m − n
        (4, 36, 4, false, 0.796),
    ];
    for (index, (n, m, rank, flow, lambda)) in cases.into_iter().enumerate() {
        let rng = &mut generator(index as u64, 13);
        let (left, right) =
            (gaussian_matrix(n, rank, 1.0 / rank as f64, rng), gaussian_matrix(rank, m, 1.0 / m as f64, rng));
        let mut case = Case::new(left.dot(&right));
        case.init = gaussian_vector(m, 1.0, rng);
        (case.variance, case.gaussian) = (1.0 / m as f64, true);
        case.settings = Settings { weight_decay: lambda, step_size: 1.0, ..Default::default() };
        let largest = case.spectrum().largest_stable_step(lambda);
        case.features *= (0.4 * largest).sqrt().min(1.0); // stable and never flipping much
        case.inputs.init_variance = Some(1.0);
        case.inputs.test_threshold = if lambda > 0.5 { 1e-120 } else { 1e-8 };
        let free = (m - n) as f64;
        // The smallest δ the theorem allows at this m − n.
        let delta = 2.0 * (-free / 32.0).exp();
        case.inputs.failure_probability = delta;
        let (rates, judged) = rates(&case, flow, draws(10_000), 100 + index as u64);
        let exact = chi_square_below(m - rank, 0.5 * free);
        for source in [II, LATE, SEVEN, EIGHT_LATE] {
            let p = one(&judged, source).statement.probability.unwrap();
            assert!((p.exact.unwrap() - (1.0 - exact)).abs() < 1e-12);
            assert!(
                (p.stated - (1.0 - delta)).abs() < 1e-12,
                "{source}: {} against {}",
                p.stated,
                1.0 - delta
            );
            assert!(p.exact.unwrap() >= p.stated);
        }
        let trials = rates.trials;
        println!(
            "m − n = {free}, rank {rank}, flow {flow}, ηλ {lambda}: allowed {delta:.4}, exact {exact:.3e}, event {}/{trials}, {:?}",
            rates.event, rates.failures
        );
        assert!(credible(rates.event, trials, exact), "event: {} of {trials}, exact {exact}", rates.event);
        for (source, &failures) in &rates.failures {
            assert!(
                failures <= rates.event,
                "{source} failed {failures} times, its event {} times",
                rates.event
            );
            assert!(credible_at_most(failures, trials, delta), "{source}: {failures} of {trials} at {delta}");
        }
        let sharp = |source| credible(rates.failures[source], trials, exact);
        assert!(sharp(II), "4.1(ii): {} of {trials}, exact {exact}", rates.failures[II]);
        if flow {
            assert!(sharp(LATE), "4.5: {} of {trials}, exact {exact}", rates.failures[LATE]);
        }
    }
}

/// With a teacher and a general Σ the claims have slack: rates stay below the stated and the exact ones.
#[test]
fn failure_rates_with_a_teacher_and_general_covariance() {
    let rng = &mut generator(21, 0);
    let (n, m) = (4, 68);
    let mut case = Case::new(gaussian_matrix(n, m, 1.0 / m as f64, rng));
    let values: Array1<f64> = (0..m).map(|_| decades(rng, -1.0, 0.0)).collect();
    let v = orthonormal(m, m, rng);
    let sigma = (&v * &values).dot(&v.t());
    case.dense = Some(0.5 * (&sigma + &sigma.t()));
    case.init = gaussian_vector(m, 1.0, rng);
    case.teacher = unit_vector(m, rng);
    case.settings = Settings { weight_decay: 1e-3, step_size: 0.5, ..Default::default() };
    case.inputs.init_variance = Some(1.0);
    case.inputs.test_threshold = 0.05;
    case.inputs.failure_probability = 2.0 * (-2.0_f64).exp();
    let (rates, _) = rates(&case, false, draws(1000), 7);
    let exact = chi_square_below(m - n, 0.5 * (m - n) as f64);
    for source in [LATE, SEVEN] {
        assert!(
            credible_at_most(rates.failures[source], rates.trials, exact),
            "{source}: {:?}",
            rates.failures
        );
        assert!(rates.failures[source] <= rates.event);
    }
}

/// The averaged claim with its probability: a single draw in which it fails is "not evaluated".
#[test]
fn a_failed_draw_of_a_probable_claim_is_not_a_violation() {
    let mut case = diagonal(&[1.0], 129);
    case.init.fill(0.1); // ‖θ₀_⊥‖² = 1.28 where ν² = 1 makes 64 likely
    case.inputs.init_variance = Some(1.0);
    case.settings = Settings { weight_decay: 1e-3, step_size: 0.5, ..Default::default() };
    for flow in [false, true] {
        let judged = case.judged(flow);
        for source in [II, LATE] {
            let j = one(&judged, source);
            assert_eq!((j.claim_met(), j.verdict.outcome), (Some(false), Outcome::NotEvaluated), "{source}");
        }
        // The form without probability knows the θ₀ that was drawn.
        assert_holds(one(&judged, LATE_STAR));
    }
}
