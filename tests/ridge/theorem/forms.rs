//! What statements look like, and what they refuse.

use super::*;

/// The list is the same for every problem, printed forms exist on the clock of the source only, and the
/// JSON has the contract's fields, null where a number is not finite.
#[test]
fn statements_serialise_as_the_contract_says() {
    let mut case = draw(7);
    case.inputs.init_variance = Some(1.0);
    for flow in [false, true] {
        let judged = case.judged(flow);
        for j in &judged {
            let json = serde_json::to_value(j).unwrap();
            let object = json.as_object().unwrap();
            for key in [
                "id",
                "paper",
                "source",
                "says",
                "form",
                "quantity",
                "side",
                "claim",
                "value",
                "measured",
                "at_time",
                "slack",
                "rounding",
                "probability",
                "hypotheses",
                "outcome",
                "reason",
                "erratum",
            ] {
                assert!(object.contains_key(key), "{key} is missing: {json}");
            }
            assert_eq!(json["source"], j.statement.source.to_string());
            assert_eq!(json["id"], j.statement.id());
            assert_eq!(
                json["erratum"].is_string(),
                *j.statement.source == *SEVEN && json["form"] == "printed"
            );
            assert!(["printed", "corrected", "derived"].contains(&json["form"].as_str().unwrap()));
            assert!(!flow || json["form"] != "printed", "no printed statement is about flow");
            assert_eq!(json["side"], if j.statement.side == Side::Upper { "upper" } else { "lower" });
            let claim = match j.statement.claim {
                Claim::Scalar(_) => "scalar",
                _ => "envelope",
            };
            assert_eq!(json["claim"], claim);
            assert_eq!(json["outcome"], j.verdict.outcome.name());
            for (key, number) in [
                ("value", j.verdict.value),
                ("measured", j.verdict.measured),
                ("slack", j.verdict.slack),
                ("rounding", j.verdict.rounding),
            ] {
                assert_eq!(json[key].as_f64(), number.is_finite().then_some(number), "{key}");
            }
            assert_eq!(json["at_time"].as_f64(), j.verdict.at_time);
            assert_eq!(json["probability"].as_f64(), j.statement.probability.map(|p| p.stated));
            for (hypothesis, value) in
                j.statement.hypotheses.iter().zip(json["hypotheses"].as_array().unwrap())
            {
                let keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
                assert_eq!(keys.len(), 4);
                assert_eq!(value["name"], hypothesis.name);
                let finite = |x: Option<f64>| x.filter(|x| x.is_finite());
                assert_eq!(value["have"].as_f64(), finite(hypothesis.have));
                assert_eq!(value["need"].as_f64(), finite(hypothesis.need));
                assert!(value["holds"].is_boolean() || value["holds"].is_null());
            }
            let text = serde_json::to_string(j).unwrap();
            assert!(!text.contains("NaN") && !text.contains("inf"));
        }
        let sources: Vec<&Source> = judged.iter().map(|j| j.statement.source).collect();
        for source in [WHOLE, LIMIT_TEST, EIGHT_LATE] {
            assert!(sources.contains(&source));
        }
        assert_eq!(sources.iter().filter(|s| **s == SEVEN).count(), if flow { 1 } else { 2 });
    }
}

#[test]
fn inputs_out_of_range_are_errors() {
    let case = draw(1);
    let spectrum = case.spectrum();
    let form = spectrum.flow(&case.settings).unwrap();
    let good = case.inputs;
    for bad in [
        Inputs { train_threshold: 0.0, ..good },
        Inputs { test_threshold: f64::NAN, ..good },
        Inputs { test_threshold: -1.0, ..good },
        Inputs { failure_probability: 0.0, ..good },
        Inputs { failure_probability: 1.0, ..good },
        Inputs { init_variance: Some(0.0), ..good },
    ] {
        assert!(form.statements(&bad).is_err(), "{bad:?}");
    }
    // Without the covariance, what needs it is not evaluated; without its eigenvalues too.
    let mut problem = case.problem();
    problem.population = Population::default();
    let bare = problem.spectrum(Engine::SEQUENTIAL).unwrap();
    let judged = bare.flow(&case.settings).unwrap().statements(&good).unwrap();
    for source in [II, BELOW, ABOVE, LATE_STAR] {
        let outcome = one(&judged, source).verdict.outcome;
        assert!(matches!(outcome, Outcome::NotEvaluated | Outcome::NotApplicable), "{source} {outcome:?}");
    }
    let mut dense = draw(1);
    let m = dense.features.ncols();
    dense.dense = Some(Array2::eye(m));
    dense.inputs.covariance_limit = 0;
    let judged = dense.judged(true);
    assert!(matches!(one(&judged, ABOVE).verdict.outcome, Outcome::NotEvaluated | Outcome::NotApplicable));
    assert_eq!(dense.features.len_of(Axis(1)), m);
}

/// Theorem 4.6 with our constants (theory/ridge.md, equation 24): over the sample it never fails more often
/// than δ, at sizes where it says something (the bound is below the loss of the zero predictor). Told a
/// bound on the features that they exceed, it is not applicable, and its claim then fails in many draws.
#[test]
fn the_limit_generalises_with_explicit_constants() {
    use groktime::ridge::{Features, Recipe};
    let (mut applicable, mut failures, mut claims_lost) = (0, 0, 0);
    for seed in 0..300 {
        let recipe = Recipe {
            features: Features::Sphere { bound: 1.0 },
            samples: 2_000,
            width: 4,
            seed,
            ..Recipe::default()
        };
        let drawn = recipe.draw().unwrap();
        let mut problem = drawn.problem();
        let Target::Teacher { weights, .. } = &problem.target else { panic!("a linear teacher") };
        let zero_predictor = weights.dot(weights) / 4.0;
        for bound in [1.0, 0.02] {
            problem.population.feature_bound = Some(bound);
            let spectrum = problem.spectrum(Engine::SEQUENTIAL).unwrap();
            let settings = Settings { weight_decay: 0.05, step_size: 0.9, ..Settings::default() };
            let all = spectrum.descent(&settings).unwrap().statements(&Inputs::default()).unwrap();
            let judged = all.iter().find(|j| j.statement.source == &catalogue::LIMIT_TEST_EXPLICIT).unwrap();
            if bound == 1.0 {
                applicable += usize::from(judged.statement.standing() == Standing::Holds);
                failures += usize::from(judged.claim_met() == Some(false));
                assert!(judged.verdict.value < zero_predictor, "vacuous: {}", judged.verdict.value);
            } else {
                assert_eq!(judged.verdict.outcome, Outcome::NotApplicable);
                claims_lost += usize::from(judged.claim_met() == Some(false));
            }
        }
    }
    assert_eq!(applicable, 300);
    // Allowed: δ = 0.05 of 300; the proof is loose, so that none is expected.
    assert_eq!(failures, 0);
    assert!(claims_lost > 30, "{claims_lost} of 300");
}
