//! How one comparison becomes a verdict.

use std::cell::RefCell;

use groktime::theorem::{
    Claim, Form, Hypothesis, Judged, Outcome, Probability, Recomputed, Side, Source, Statement,
};

static TEST: Source = Source::own("test", "test", "Something is not above something.");

fn statement(side: Side, claim: Claim) -> Statement {
    Statement {
        source: &TEST,
        form: Form::Printed,
        quantity: "log of something",
        side,
        claim,
        probability: None,
        hypotheses: vec![],
    }
}

fn scalar(side: Side, value: f64) -> Statement {
    statement(side, Claim::Scalar(value))
}

fn outcome(judged: &Judged) -> Outcome {
    judged.verdict.outcome
}

#[test]
fn tight_is_equality_as_far_as_can_be_told() {
    for (side, measured, rounding, holds, tight) in [
        (Side::Upper, 0.9, 0.01, true, false),
        (Side::Upper, 0.995, 0.01, true, true),
        (Side::Upper, 1.005, 0.01, true, true),
        (Side::Upper, 1.02, 0.01, false, false),
        (Side::Lower, 1.02, 0.01, true, false),
        (Side::Lower, 0.995, 0.01, true, true),
        (Side::Equal, 1.005, 0.01, true, true),
        (Side::Equal, 1.02, 0.01, false, false),
        (Side::Upper, 1.0, 0.0, true, true),
    ] {
        let verdict = scalar(side, 1.0).judge(measured, rounding).verdict;
        assert_eq!((verdict.outcome == Outcome::Holds, verdict.tight), (holds, tight), "{side:?} {measured}");
        assert_eq!(verdict.reason.is_none(), holds);
    }
    let never = scalar(Side::Lower, f64::INFINITY).judge(f64::INFINITY, 0.0).verdict;
    assert_eq!((never.outcome, never.tight), (Outcome::Holds, false));
}

#[test]
fn nothing_is_violated_by_one_comparison_in_doubles() {
    let failing = || scalar(Side::Upper, 1.0).judge(1.5, 0.1);
    assert_eq!((outcome(&failing()), failing().claim_met()), (Outcome::Undetermined, None));
    assert!(failing().verdict.reason.is_some());
    assert_eq!(outcome(&failing().certain()), Outcome::Violated);
    assert_eq!(outcome(&scalar(Side::Equal, 2.0).judge_exact(3.0)), Outcome::Violated);
    // A printed form that is known to fail needs no confirmation, a second look or none.
    assert_eq!(outcome(&failing().with_known_erratum()), Outcome::KnownErratum);
    assert_eq!(outcome(&failing().certain().with_known_erratum()), Outcome::KnownErratum);
    // What holds, or does not apply, is not looked at again.
    let unasked = |_: Option<f64>| -> Result<Recomputed, String> { panic!("asked again") };
    assert_eq!(outcome(&scalar(Side::Upper, 1.0).judge(0.5, 0.1).confirm(unasked)), Outcome::Holds);
    let mut off = scalar(Side::Upper, 1.0);
    off.hypotheses = vec![Hypothesis::at_most("a ≤ b", 2.0, 1.0)];
    let off = off.judge(1.5, 0.1).confirm(unasked).certain();
    assert_eq!(outcome(&off), Outcome::NotApplicable);
    assert_eq!(off.verdict.reason.as_deref(), Some("a ≤ b: has 2, needs 1"));
    // Chance is judged by its rate.
    let mut chance = scalar(Side::Upper, 1.0);
    chance.probability = Some(Probability { stated: 0.9, exact: None, over: "draws" });
    let chance = chance.judge(1.5, 0.1).confirm(unasked).certain();
    assert_eq!((outcome(&chance), chance.claim_met()), (Outcome::NotEvaluated, Some(false)));
}

#[test]
fn a_second_look_confirms_withdraws_or_says_why_not() {
    let look = |x: f64, rounding: f64| {
        move |_: Option<f64>| Ok(Recomputed::new(Side::Upper, (1.0, x), 1.0 - x, rounding))
    };
    let failing = || scalar(Side::Upper, 1.0).judge(1.5, 0.1);
    let confirmed = failing().confirm(look(1.4, 1e-20));
    assert_eq!((outcome(&confirmed), confirmed.verdict.measured), (Outcome::Violated, 1.4));
    assert_eq!(confirmed.claim_met(), Some(false));
    let withdrawn = failing().confirm(look(0.7, 1e-20));
    assert_eq!((outcome(&withdrawn), withdrawn.verdict.tight), (Outcome::Holds, false));
    // Equal doubles, of which the digits beyond say which is larger.
    let beyond = |difference: f64| {
        move |_: Option<f64>| Ok(Recomputed::new(Side::Upper, (1.0, 1.0), difference, 1e-50))
    };
    assert_eq!(outcome(&failing().confirm(beyond(-1e-40))), Outcome::Violated);
    assert_eq!(outcome(&failing().confirm(beyond(1e-40))), Outcome::Holds);
    assert!(failing().confirm(beyond(0.0)).verdict.tight);
    let open = failing().confirm(|_| Err("too large".into()));
    assert_eq!((outcome(&open), open.verdict.reason.as_deref()), (Outcome::Undetermined, Some("too large")));
    assert_eq!(outcome(&failing().confirm(look(f64::NAN, 0.0))), Outcome::Undetermined);
}

fn envelope(times: &[f64], curve: impl Fn(f64) -> (f64, f64)) -> Judged {
    let claim = Claim::Envelope { ln_bound: Box::new(|t| -t), until: f64::INFINITY };
    statement(Side::Upper, claim).judge_envelope(times, true, curve)
}

/// A failure withdrawn at the worst time says nothing of the other times at which the envelope fails.
#[test]
fn every_time_at_which_an_envelope_fails_is_looked_at_again() {
    let times: Vec<f64> = (0..10).map(f64::from).collect();
    let noisy = |t: f64| {
        (
            -t + if t == 4.0 {
                0.5
            } else if t == 7.0 {
                0.3
            } else {
                -1.0
            },
            0.1,
        )
    };
    let asked = RefCell::new(Vec::new());
    let look = |fails_at: f64| {
        let asked = &asked;
        move |t: Option<f64>| {
            let t = t.unwrap();
            asked.borrow_mut().push(t);
            let x = if t == fails_at { -t + 0.2 } else { -t - 0.2 };
            Ok(Recomputed::new(Side::Upper, (-t, x), -t - x, 1e-20))
        }
    };
    let judged = envelope(&times, noisy).confirm(look(7.0));
    assert_eq!((outcome(&judged), judged.verdict.at_time), (Outcome::Violated, Some(7.0)));
    assert_eq!(*asked.borrow(), [4.0, 7.0]);
    assert_eq!(outcome(&envelope(&times, noisy).confirm(look(-1.0))), Outcome::Holds);
    // Too many to look at all: not decided by those that were.
    let many: Vec<f64> = (0..100).map(f64::from).collect();
    let judged = envelope(&many, |t| (-t + 0.5, 0.1)).confirm(look(-1.0));
    assert_eq!(outcome(&judged), Outcome::Undetermined);
}

#[test]
fn errors_without_bound_and_values_that_are_none_decide_nothing() {
    let open = scalar(Side::Upper, 1.0).judge(f64::NEG_INFINITY, f64::INFINITY);
    assert_eq!(outcome(&open), Outcome::Holds, "−∞ is below everything");
    let open = scalar(Side::Upper, 1.0).judge(5.0, f64::INFINITY).certain();
    assert_eq!((outcome(&open), open.verdict.tight), (Outcome::Undetermined, false));
    for nan in [f64::NAN, -f64::NAN] {
        let judged = envelope(&[0.0, 1.0, 2.0], |t| (if t == 1.0 { nan } else { -t - 1.0 }, 0.0));
        assert_eq!((outcome(&judged), judged.verdict.at_time), (Outcome::NotEvaluated, Some(1.0)));
    }
    // The worst point is one with a bound on its error.
    let judged = envelope(&[0.0, 1.0], |t| if t == 0.0 { (9.0, f64::INFINITY) } else { (-1.5, 0.1) });
    assert_eq!((outcome(&judged), judged.verdict.at_time), (Outcome::Holds, Some(1.0)));
}

#[test]
fn informative_is_what_could_have_failed() {
    let judge = |quantity, side, value: f64, measured: f64, rounding: f64| {
        let judged = Statement { quantity, ..scalar(side, value) }.judge(measured, rounding);
        judged.informative()
    };
    assert!(judge("t2", Side::Lower, 5.0, 9.0, 0.0));
    assert!(!judge("t2", Side::Lower, -894.0, 9.0, 0.0));
    assert!(!judge("delay", Side::Lower, -894.0, 9.0, 0.0));
    assert!(!judge("t2", Side::Lower, 5.0, f64::INFINITY, 0.0));
    assert!(!judge("t1", Side::Upper, 5.0, -1.0, 0.0), "from the start");
    assert!(!judge("error", Side::Upper, 1.2, 0.3, 0.0), "an error is at most 1");
    assert!(!judge("error", Side::Upper, 0.7, 0.0, 0.0), "no error at all is below everything");
    assert!(!judge("train_loss_limit", Side::Upper, 0.0, 0.0, 0.0));
    assert!(judge("log_train_loss", Side::Upper, 0.0, 0.0, 1e-13), "a loss of 1");
    assert!(judge("error of s, in units", Side::Upper, 1.0, 0.2, 0.0), "no share");
    assert!(!judge("slope", Side::Equal, 0.69, 0.1, 0.76), "an allowance larger than the claim");
    assert!(judge("log_train_loss", Side::Upper, -3.0, -4.0, 1e-9));
    let wide = scalar(Side::Lower, 2.0).judge(3.0, 0.0);
    assert!(wide.informative() && !wide.with_range(2.5, f64::INFINITY).informative());
}

#[test]
fn json_says_whether_it_is_tight_and_why_it_is_open() {
    let json = |judged: &Judged| serde_json::to_value(judged).unwrap();
    let tight = json(&scalar(Side::Upper, 1.0).judge(1.0, 0.0));
    assert_eq!((tight["tight"].as_bool(), tight["reason"].is_null()), (Some(true), true));
    let open = json(&scalar(Side::Upper, 1.0).judge(2.0, 0.5));
    assert_eq!(open["tight"], false);
    assert!(open["reason"].as_str().unwrap().starts_with("short by 1 in doubles, rounding 0.50000"));
}
