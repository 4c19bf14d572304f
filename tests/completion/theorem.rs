//! The statements of arXiv 2311.18817 on matrix completion: they hold where their hypotheses do, on random
//! problems, and breaking a hypothesis shows.

use groktime::completion::theorems::catalogue;
use groktime::completion::theorems::{Inputs, kernel_rates, residual_rate};
use groktime::completion::{Init, Problem, Settings, Solution};
use groktime::data::Observations;
use groktime::data::matrices::{LowRank, random_mask};
use groktime::theorem::{Claim, Form, Judged, Outcome, Source};
use groktime::trajectory::{Observable, Trajectory};
use proptest::prelude::*;

fn solved(d: usize, count: usize, seed: u64, init: Init, decay: f64, horizon: f64) -> Solution {
    let truth =
        LowRank { dimension: d, rank: 1 + d / 5, negative: 1, spikiness: 0.0, seed }.draw().expect("valid");
    let mask = random_mask(d, count, seed).expect("a count");
    let seen = Observations::from_mask(truth.view(), mask.view()).expect("valid");
    let problem = Problem::new(seen, Some(truth), init).expect("valid");
    problem
        .flow(&Settings { weight_decay: decay, horizon, rtol: 1e-9, ..Settings::default() })
        .expect("solved")
}

fn find<'a>(statements: &'a [Judged], source: &Source, form: Form) -> &'a Judged {
    let found = statements.iter().find(|s| s.statement.source == source && s.statement.form == form);
    found.unwrap_or_else(|| panic!("{source} {form:?}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// From αI every statement holds or says why it does not apply.
    #[test]
    fn statements_hold_from_the_identity(
        d in 3_usize..11,
        part in 0.15_f64..0.8,
        alpha in 1.5_f64..40.0,
        ln_decay in -9.0_f64..-3.5,
        seed in 0_u64..1000,
    ) {
        let count = ((part * (d * d) as f64) as usize).max(2);
        let decay = ln_decay.exp();
        let horizon = 2.5 * alpha.ln() / decay;
        let solution = solved(d, count, seed, Init::Identity { coordinate: alpha }, decay, horizon);
        let statements = solution.statements(&Inputs::default()).expect("judged");
        for judged in &statements {
            let outcome = judged.verdict.outcome;
            prop_assert!(
                matches!(outcome, Outcome::Holds | Outcome::NotApplicable),
                "{} {:?}: {outcome:?} {:?}", judged.statement.source, judged.statement.form, judged.verdict
            );
        }
        for (source, form) in
            [(&catalogue::FIT, Form::Derived), (&catalogue::KERNEL_END, Form::Derived), (&catalogue::ENERGY, Form::Derived), (&catalogue::OBJECTIVE, Form::Printed), (&catalogue::NORMS, Form::Printed)]
        {
            prop_assert_eq!(find(&statements, source, form).verdict.outcome, Outcome::Holds);
        }
    }
}

#[test]
fn each_form_of_d_1_is_tighter_than_the_one_before() {
    let list = [(0, 1, 0.5), (1, 2, -0.5), (0, 2, 0.7), (0, 3, 0.2)];
    let seen = Observations::from_list(4, &list).expect("valid");
    let problem = Problem::new(seen, None, Init::Identity { coordinate: 10.0 }).expect("valid");
    let settings = Settings { weight_decay: 1e-3, horizon: 5e3, rtol: 1e-9, ..Settings::default() };
    let solution = problem.flow(&settings).expect("solved");
    let statements = solution.statements(&Inputs::default()).expect("judged");
    for t in [0.01, 1.0, 100.0, 500.0] {
        let bound = |form| match &find(&statements, &catalogue::FIT, form).statement.claim {
            Claim::Envelope { ln_bound, .. } => ln_bound(t),
            _ => panic!("an envelope"),
        };
        let [printed, corrected, derived] = [Form::Printed, Form::Corrected, Form::Derived].map(bound);
        let measured =
            solution.observe(&[t], &[Observable::LogTrainLoss]).expect("in the span").values[(0, 0)];
        assert!(printed >= corrected && corrected >= derived && derived >= measured, "at {t}");
        // In the kernel phase the loss is a quarter of the last one: nothing else is given away.
        if t >= 1.0 {
            assert!((derived - measured - 4_f64.ln()).abs() < 0.05, "{derived} {measured} at {t}");
        }
    }
}

#[test]
fn hypotheses_matter() {
    // Mirrored pairs: the kernel of the entries as given is singular, the printed (26) does not apply.
    let list = [(0, 0, 1.0), (0, 1, 0.5), (1, 0, 0.5)];
    let seen = Observations::from_list(2, &list).expect("valid");
    let settings = Settings { weight_decay: 1e-3, horizon: 3e3, ..Settings::default() };
    let problem = |init| Problem::new(seen.clone(), None, init).expect("valid");
    let solution = problem(Init::Identity { coordinate: 5.0 }).flow(&settings).expect("solved");
    let statements = solution.statements(&Inputs::default()).expect("judged");
    assert_eq!(find(&statements, &catalogue::FIT, Form::Printed).verdict.outcome, Outcome::NotApplicable);
    assert_eq!(find(&statements, &catalogue::FIT, Form::Derived).verdict.outcome, Outcome::Holds);
    // From another start the derived forms do not apply.
    let init = Init::Perturbed { coordinate: 5.0, std: 0.5, seed: 1 };
    let statements =
        problem(init).flow(&settings).expect("solved").statements(&Inputs::default()).expect("judged");
    assert_eq!(find(&statements, &catalogue::FIT, Form::Derived).verdict.outcome, Outcome::NotApplicable);
    assert_eq!(
        find(&statements, &catalogue::KERNEL_END, Form::Derived).verdict.outcome,
        Outcome::NotApplicable
    );
    // The lower bound F.3 holds from there too.
    assert_eq!(find(&statements, &catalogue::OBJECTIVE, Form::Printed).verdict.outcome, Outcome::Holds);
}

#[test]
fn recovery_is_vacuous_on_tables_and_open_on_flat_matrices() {
    use groktime::data::matrices::multiplication_table;
    let settings = Settings { weight_decay: 1e-2, horizon: 100.0, ..Settings::default() };
    let outcome = |truth: ndarray::Array2<f64>| {
        let d = truth.nrows();
        let mask = random_mask(d, d * d / 2, 1).expect("a count");
        let seen = Observations::from_mask(truth.view(), mask.view()).expect("valid");
        let init = Init::Perturbed { coordinate: 2.0, std: 0.1, seed: 3 };
        let problem = Problem::new(seen, Some(truth), init).expect("valid");
        let statements =
            problem.flow(&settings).expect("solved").statements(&Inputs::default()).expect("judged");
        find(&statements, &catalogue::RECOVERY, Form::Printed).verdict.outcome
    };
    assert_eq!(outcome(multiplication_table(20)), Outcome::NotApplicable);
    assert_eq!(outcome(ndarray::Array2::from_elem((30, 30), 1.0)), Outcome::Undetermined);
}

#[test]
fn rates_at_finite_alpha() {
    let truth =
        LowRank { dimension: 8, rank: 2, negative: 1, spikiness: 0.0, seed: 5 }.draw().expect("valid");
    let mask = random_mask(8, 22, 5).expect("a count");
    let seen = Observations::from_mask(truth.view(), mask.view()).expect("valid");
    let problem = Problem::new(seen, Some(truth), Init::Identity { coordinate: 10.0 }).expect("valid");
    for fraction in [0.4, 0.6] {
        for judged in kernel_rates(&problem, &[30.0, 100.0, 300.0], 1e-9, fraction).expect("judged") {
            assert_eq!(
                judged.verdict.outcome,
                Outcome::Holds,
                "{} {:?}",
                judged.statement.source,
                judged.verdict
            );
        }
    }
    let law = residual_rate(&problem, &[1e-3, 1e-4, 1e-5], 1.5).expect("judged");
    assert_eq!(law.verdict.outcome, Outcome::Holds, "{:?}", law.verdict);
}
