//! The closed form against a 240-digit reference (`tests/common`).
//!
//! # What is claimed
//! With ε = 2⁻⁵², κ the condition number of Φ (of its non-zero singular values) and D = ln(L(0)/L(t)) ≥ 0
//! the folds by which a loss has decayed:
//!
//! 1. |computed − exact| ≤ the rounding bound that comes with every loss, always.
//! 2. The relative error of a loss is at most C·ε·(κ + S)(1 + D), and so is the absolute error of its
//!    logarithm, however deep in the tail. An eigenvalue of ΦᵀΦ is known to κε relatively, and D is the
//!    exponent it is multiplied by. S = max ηg/|ρ ln|ρ|| over the modes is what a relative error ε of
//!    ηg does to ln|ρ|: about 1 for slow modes, large near the stability limit ρ = −1. (With κ + S ≤ 10⁴ and D ≤ 20 the errors seen are below 1e-10.)
//! 3. Where a loss is a sum of terms larger than itself (moments h and κ, residuals of a held-out sample,
//!    residuals that pass through zero, labels divided by small singular values before they are learned), the error is relative to these terms.

use crate::common::*;
use groktime::crossing::Point;
use groktime::data::features::generator;
use groktime::ridge::{ClosedForm, Settings, Target};
use groktime::trajectory::Clock;
use ndarray::{Array1, array};
use rand::RngExt;

/// C of the second claim.
const CONSTANT: f64 = 64.0;

fn times(case: &Case, seed: u64, extra: usize) -> Vec<u64> {
    let rng = &mut generator(seed, 5);
    let mut times = vec![0, 1, 2, 3, 5, 8];
    times.extend((1..=18).map(|e| 10_u64.pow(e)));
    // Around the times of the slowest mode, and anywhere.
    let slow = case.features.nrows() as f64 * case.kappa.powi(2) / case.settings.step_size;
    for _ in 0..extra {
        times.push(((slow * 10.0_f64.powf(rng.random_range(-2.0..1.5))) as u64).min(u64::MAX / 4));
        times.push(10.0_f64.powf(rng.random_range(0.0..18.0)) as u64);
    }
    times
}

/// Ratios of errors to what was allowed.
#[derive(Default)]
struct Ratios {
    all: Vec<f64>,
    worst: f64,
    worst_context: String,
}

impl Ratios {
    fn add(&mut self, error: f64, allowed: f64, context: impl Fn() -> String) {
        let ratio = if error == 0.0 && !allowed.is_nan() { 0.0 } else { error / allowed };
        let ratio = if ratio.is_nan() { f64::INFINITY } else { ratio };
        if ratio > self.worst {
            (self.worst, self.worst_context) =
                (ratio, format!("{}: error {error:e}, allowed {allowed:e}", context()));
        }
        self.all.push(ratio);
    }

    fn check(&mut self, what: &str, limit: f64) {
        self.all.sort_by(f64::total_cmp);
        let (count, median) = (self.all.len(), self.all[self.all.len() / 2]);
        println!("{what}: {count}, worst {:.2e}, median {median:.1e} ({})", self.worst, self.worst_context);
        assert!(
            self.worst <= limit,
            "{what}: {} times what is allowed: {}",
            self.worst / limit,
            self.worst_context
        );
    }
}

/// The rank of what the residuals live in is below n: their null part is noise of the reference.
fn deficient(case: &Case) -> bool {
    let (n, m) = case.features.dim();
    n > m || case.name.contains("row")
}

struct Observed {
    train: Point,
    test: Point,
    norm: f64,
    logs: [f64; 2],
}

fn observe<T: Clock>(form: &ClosedForm<'_, '_, T>, t: T) -> Observed {
    Observed {
        train: form.train_loss(t),
        test: form.test_loss(t).unwrap(),
        norm: form.parameter_norm(t),
        logs: [form.ln_train_loss(t), form.ln_test_loss(t).unwrap()],
    }
}

#[derive(Default)]
struct Ledger {
    train_bound: Ratios,
    test_bound: Ratios,
    relative: Ratios,
    logs: Ratios,
    norm: Ratios,
    /// Plain relative errors where κ + S ≤ 10⁴ and D ≤ 20.
    plain: Ratios,
}

impl Ledger {
    fn compare(
        &mut self,
        case: &Case,
        reference: &Reference,
        times: &[u64],
        observed: impl Fn(u64) -> Observed,
    ) {
        let (n, _) = case.features.dim();
        let features = nalgebra::DMatrix::from_fn(n, case.features.ncols(), |i, j| case.features[(i, j)]);
        let singular = features.singular_values();
        let decay = case.settings.weight_decay;
        let steps = singular
            .iter()
            .filter(|s| **s > 1e-13 * singular.max())
            .map(|s| case.settings.step_size * (s * s / n as f64 + decay));
        // A mode with ρ near 0 is gone after a step, and ρ known to ε says nothing of ln|ρ|: what is left
        // of it matters to no loss as long as there is another mode.
        let lasting: Vec<f64> = steps.filter(|x| (1.0 - x).abs() > 0.01).collect();
        let one = |x: &f64| x / ((1.0 - x).abs().ln() * (1.0 - x)).abs();
        let stiffness = lasting.iter().map(one).fold(0.0, f64::max);
        let gone = lasting.is_empty();
        let unit = f64::EPSILON * (case.kappa + stiffness);
        // Where the reference itself is a difference: residuals whose null part is rounding, θ − θ*.
        let cancels = [deficient(case), !case.name.contains("test 1")];
        let start = [ln_of(&reference.train(0_u64)), ln_of(&reference.test(0_u64).0)];
        // A coordinate is its limit plus what decays: early on these may cancel (labels divided by a small
        // singular value), and ε of the limit is what is left.
        let end = 10_u64.pow(18);
        let limits = [reference.train(end), reference.test(end).0].map(|x| f64_of(&x));
        let limit_norm = f64_of(&reference.squared_norm(end)).sqrt();
        for &t in times {
            let context = || format!("{} t {t}", case.name);
            let got = observed(t);
            let train = reference.train(t);
            let (test, size) = reference.test(t);
            self.train_bound.add(distance(got.train.value, &train), got.train.rounding, context);
            self.test_bound.add(distance(got.test.value, &test), got.test.rounding, context);

            for (i, (exact, value)) in
                [(&train, got.train.value), (&test, got.test.value)].into_iter().enumerate()
            {
                let ln = ln_of(exact);
                let folds = (start[i] - ln).max(0.0);
                if gone || cancels[i] && folds > 800.0 || ln == f64::NEG_INFINITY {
                    continue;
                }
                let loss = if i == 1 { f64_of(exact).max(size) } else { f64_of(exact) };
                if loss > 1e-290 {
                    let error = distance(value, exact);
                    let cancelled = 4.0 * f64::EPSILON * (loss * limits[i]).sqrt() / CONSTANT;
                    self.relative.add(error, loss * unit * (1.0 + folds) + cancelled, context);
                    if folds <= 20.0 && unit <= 1e4 * f64::EPSILON && limits[i] <= 1e4 * loss {
                        self.plain.add(error / loss, 1.0, context);
                    }
                }
                if i == 0 || size == f64_of(exact) || size == 0.0 {
                    let cancelled = 4.0 * f64::EPSILON * (0.5 * (limits[i].ln() - ln)).exp() / CONSTANT;
                    let allowed = unit * (1.0 + folds) + f64::EPSILON * ln.abs() + cancelled;
                    self.logs.add((got.logs[i] - ln).abs(), allowed, || format!("log {}", context()));
                }
            }
            let square = reference.squared_norm(t);
            let ln = 0.5 * ln_of(&square);
            let folds = (start[1] - ln).abs();
            if ln > -600.0 && !gone {
                let exact = square.with_precision(300).value().sqrt();
                let cancelled = 4.0 * f64::EPSILON * limit_norm / CONSTANT;
                let allowed = f64_of(&exact) * unit * (1.0 + folds) + cancelled;
                self.norm.add(distance(got.norm, &exact), allowed, || format!("norm {}", context()));
            }
        }
    }

    fn check(&mut self, what: &str) {
        self.train_bound.check(&format!("{what}, training loss / its bound"), 1.0 / 3.0);
        self.test_bound.check(&format!("{what}, test loss / its bound"), 1.0 / 3.0);
        self.relative.check(&format!("{what}, relative error / ε(κ + S)(1 + D)"), CONSTANT);
        self.logs.check(&format!("{what}, logarithms / ε(κ + S)(1 + D)"), CONSTANT);
        self.norm.check(&format!("{what}, norm / ε(κ + S)(1 + D)"), CONSTANT);
        if !self.plain.all.is_empty() {
            self.plain.check(&format!("{what}, plain relative error"), 1e-10);
        }
    }
}

fn closed_form_against_reference(kappa: f64) {
    let problems = if full() { 150 } else { 24 };
    for flow in [false, true] {
        let mut ledger = Ledger::default();
        for seed in 0..problems {
            let case = random_case(seed + kappa as u64, kappa);
            let reference = Reference::new(&case, flow);
            let spectrum = case.spectrum();
            let times = times(&case, seed, 8);
            let descent = spectrum.descent(&case.settings).unwrap();
            let gradient_flow = spectrum.flow(&case.settings).unwrap();
            ledger.compare(&case, &reference, &times, |t| match flow {
                true => observe(&gradient_flow, t as f64),
                false => observe(&descent, t),
            });
        }
        ledger.check(&format!("condition {kappa:e}, flow {flow}"));
    }
}

#[test]
fn condition_1e1() {
    closed_form_against_reference(1e1);
}

#[test]
fn condition_1e2() {
    closed_form_against_reference(1e2);
}

#[test]
fn condition_1e4() {
    closed_form_against_reference(1e4);
}

#[test]
fn condition_1e6() {
    closed_form_against_reference(1e6);
}

#[test]
fn condition_1e8() {
    closed_form_against_reference(1e8);
}

/// The reference itself: residuals iterated directly and residuals of θ, and f64 loops, agree.
#[test]
fn reference_agrees_with_itself() {
    for seed in 0..10 {
        let case = random_case(seed, 50.0);
        for flow in [false, true] {
            let reference = Reference::new(&case, flow);
            for t in [0_u64, 1, 7, 1000, 10_u64.pow(9)] {
                let (a, b) = (reference.train(t), reference.train_through_weights(t));
                let scale = ln_of(&reference.train(0_u64)).max(0.0);
                if a != b {
                    let apart = ln_of(&dashu_float::ops::Abs::abs(a - b));
                    assert!(apart < scale - 300.0, "{} t {t}: {apart}", case.name);
                }
            }
        }
    }
}

/// θ_t itself, and the mean over times of what `observe` returns.
#[test]
fn states_agree_with_the_reference() {
    for seed in 0..40 {
        let case = random_case(seed + 500, 100.0);
        let reference = Reference::new(&case, false);
        let spectrum = case.spectrum();
        let descent = spectrum.descent(&case.settings).unwrap();
        for t in [0_u64, 1, 2, 17, 1000, 10_u64.pow(8), 10_u64.pow(15)] {
            let exact = reference.state(t);
            let got = descent.state(t).unwrap();
            let size = f64_of(&reference.squared_norm(0_u64)).max(f64_of(&reference.squared_norm(t))).sqrt();
            let error = got.iter().zip(&exact).map(|(a, b)| distance(*a, b).powi(2)).sum::<f64>().sqrt();
            // Near the stability limit the phase of a fast mode is lost S-fold, see above: 2000 here.
            assert!(
                error <= 64.0 * f64::EPSILON * (case.kappa + 2000.0) * size,
                "{} t {t}: {error:e} of {size:e}",
                case.name
            );
        }
    }
}

/// Orthogonal features with exactly representable eigenvalues.
fn exact_case(step_size: f64, weight_decay: f64, teacher: Array1<f64>) -> Case {
    Case {
        name: format!("exact eta {step_size} lambda {weight_decay}"),
        kappa: 2.0,
        // s/n = 2 and 1/2.
        features: array![[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
        target: Target::teacher(teacher),
        init: array![1.0, -3.0, 0.5],
        test: Test::Isotropic(1.0),
        settings: Settings { step_size, weight_decay, ..Default::default() },
    }
}

/// ρ = 0 exactly (a mode is gone after one step), almost 0, and −1 (it oscillates for ever).
#[test]
fn extreme_steps() {
    let mut ledger = Ledger::default();
    let times = [0_u64, 1, 2, 3, 10, 11, 1000, 1001, 10_u64.pow(9), 10_u64.pow(18), 10_u64.pow(18) + 1];
    for (step_size, weight_decay) in
        [(0.5, 0.0), (2.0, 0.0), (1.0, 0.0), (0.4, 0.5), (0.8, 0.5), (0.5, 1e-14), (0.5, 1e-17)]
    {
        for teacher in [array![0.0, 0.0, 0.0], array![0.3, 1.0, -2.0], array![1.0, -3.0, 0.5]] {
            let case = exact_case(step_size, weight_decay, teacher);
            let spectrum = case.spectrum();
            let Ok(descent) = spectrum.descent(&case.settings) else {
                assert_eq!(step_size, 2.0, "only this one is unstable");
                continue;
            };
            let reference = Reference::new(&case, false);
            ledger_bounds(&mut ledger, &case, &reference, &times, |t| observe(&descent, t));
            for end in [descent.last_unfit(0.01), descent.first_general(0.01)] {
                end.unwrap();
            }
        }
    }
    ledger.train_bound.check("extreme steps, training loss / its bound", 1.0);
    ledger.test_bound.check("extreme steps, test loss / its bound", 1.0);
}

fn ledger_bounds(
    ledger: &mut Ledger,
    case: &Case,
    reference: &Reference,
    times: &[u64],
    observed: impl Fn(u64) -> Observed,
) {
    for &t in times {
        let context = || format!("{} t {t}", case.name);
        let got = observed(t);
        ledger.train_bound.add(distance(got.train.value, &reference.train(t)), got.train.rounding, context);
        ledger.test_bound.add(distance(got.test.value, &reference.test(t).0), got.test.rounding, context);
    }
}

/// Figure 1 of the paper in small: the training loss is e^{−thousands} long before t2, and its logarithm
/// is as good as the exponent.
#[test]
fn logarithms_outlive_underflow() {
    let case = exact_case(0.25, 1e-5, array![0.0, 0.0, 0.0]);
    let spectrum = case.spectrum();
    let descent = spectrum.descent(&case.settings).unwrap();
    let reference = Reference::new(&case, false);
    for t in [1_000_u64, 10_000, 1_000_000, 10_u64.pow(12)] {
        let exact = ln_of(&reference.train(t));
        let got = descent.ln_train_loss(t);
        assert!((got - exact).abs() <= 1e-14 * exact.abs(), "t {t}: {got} against {exact}");
    }
    assert!(descent.ln_train_loss(1_000_000) < -1e5 && descent.train_loss(1_000_000).value == 0.0);
}

/// The same for a test loss that is a quadratic form: its constant and complement columns are zero here.
#[test]
fn logarithms_of_forms_outlive_underflow() {
    let mut case = exact_case(0.25, 1e-3, array![0.0, 0.0, 0.0]);
    case.test = Test::Dense(positive_semidefinite(3, &mut generator(0, 0)));
    let spectrum = case.spectrum();
    let descent = spectrum.descent(&case.settings).unwrap();
    let reference = Reference::new(&case, false);
    for t in [1_000_u64, 1_000_000, 10_u64.pow(9)] {
        let exact = ln_of(&reference.test(t).0);
        let got = descent.ln_test_loss(t).unwrap();
        assert!((got - exact).abs() <= 1e-14 * exact.abs().max(1.0), "t {t}: {got} against {exact}");
    }
}

/// ‖θ_t‖ does not underflow before it must: its square is 10⁻⁴⁰⁰ here.
#[test]
fn norm_below_the_root_of_the_smallest_number() {
    let case = exact_case(0.25, 0.01, array![0.0, 0.0, 0.0]);
    let spectrum = case.spectrum();
    let descent = spectrum.descent(&case.settings).unwrap();
    let t = 184_000_u64;
    let ln = 0.5 * ln_of(&Reference::new(&case, false).squared_norm(t));
    let got = descent.parameter_norm(t);
    assert!(got > 0.0 && (got.ln() - ln).abs() < 1e-12, "{got:e}, exactly e^{ln}");
}

/// Nothing can be learned from features that are zero.
#[test]
fn zero_features() {
    for weight_decay in [0.0, 0.1] {
        let mut case = exact_case(0.5, weight_decay, array![0.3, 1.0, -2.0]);
        case.features.fill(0.0);
        let spectrum = case.spectrum();
        let descent = spectrum.descent(&case.settings).unwrap();
        let reference = Reference::new(&case, false);
        for t in [0_u64, 1, 10, 1000] {
            let (train, test) = (descent.train_loss(t), descent.test_loss(t).unwrap());
            assert!(distance(train.value, &reference.train(t)) <= train.rounding, "{train:?}");
            assert!(distance(test.value, &reference.test(t).0) <= test.rounding, "{test:?}");
        }
    }
}
