//! Diagonal nets: the n-dimensional dual flow against the 2d-dimensional one, integrated blindly.

use groktime::data::Design;
use groktime::data::features::{gaussian_matrix, gaussian_vector, generator};
use groktime::diagonal::{Init, Problem, Run, Settings, SlowFlow};
use groktime::ode::{Flow, Options, Path, Reject, dop853};
use groktime::trajectory::{Observable, Trajectory, log_times};
use groktime::{Error, Loss};
use ndarray::{Array1, Array2};
use proptest::prelude::*;

/// θ′ = −∇𝓛 − λθ for w = u^L − v^L, written down as it stands.
struct Brute<'a> {
    x: &'a Array2<f64>,
    y: &'a [f64],
    loss: Loss,
    depth: i32,
    weight_decay: f64,
}

impl Brute<'_> {
    /// ∂𝓛/∂w.
    fn gradient(&self, w: &Array1<f64>) -> Array1<f64> {
        let f = self.x.dot(w);
        let n = self.y.len() as f64;
        let rho: Array1<f64> = f.iter().zip(self.y).map(|(&f, &y)| self.loss.slope(f, y) / n).collect();
        self.x.t().dot(&rho)
    }

    fn weights(&self, theta: &[f64]) -> Array1<f64> {
        let (u, v) = theta.split_at(theta.len() / 2);
        u.iter().zip(v).map(|(u, v)| u.powi(self.depth) - v.powi(self.depth)).collect()
    }
}

impl Flow for Brute<'_> {
    fn dimension(&self) -> usize {
        2 * self.x.ncols()
    }

    fn rhs(&mut self, _t: f64, theta: &[f64], out: &mut [f64]) -> Result<(), Reject> {
        let (d, l) = (self.x.ncols(), f64::from(self.depth));
        let g = self.gradient(&self.weights(theta));
        for k in 0..d {
            let (u, v) = (theta[k], theta[d + k]);
            out[k] = -self.weight_decay * u - l * u.powi(self.depth - 1) * g[k];
            out[d + k] = -self.weight_decay * v + l * v.powi(self.depth - 1) * g[k];
        }
        Ok(())
    }
}

/// A problem, and both ways to solve it.
pub struct Case {
    x: Array2<f64>,
    y: Vec<f64>,
    loss: Loss,
    pub settings: Settings,
}

impl Case {
    /// n = 5 Gaussian samples in d = 12; starts of entries near α.
    pub fn new(loss: Loss, depth: u32, symmetric: bool, alpha: f64, seed: u64) -> Case {
        let (n, d) = (5, 12);
        let x = gaussian_matrix(n, d, 1.0, &mut generator(seed, 0));
        let y = match loss {
            Loss::Squared => gaussian_vector(n, 1.0, &mut generator(seed, 1)).to_vec(),
            _ => (0..n).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect(),
        };
        let spread = |stream| -> Vec<f64> {
            gaussian_vector(d, 1.0, &mut generator(seed, stream)).mapv(|g| alpha * (0.05 * g).exp()).to_vec()
        };
        let init = if symmetric { Init::Symmetric(alpha) } else { Init::Each { u: spread(2), v: spread(3) } };
        let settings = Settings {
            depth,
            init,
            weight_decay: 0.02,
            horizon: (alpha.ln() + 1.5) / 0.02,
            rtol: 1e-11,
            ..Settings::default()
        };
        Case { x, y, loss, settings }
    }

    pub fn problem(&self) -> Problem {
        Problem::new(Design::new(self.x.view()).expect("valid"), self.y.clone(), self.loss).expect("valid")
    }

    fn brute(&self) -> Brute<'_> {
        let Settings { depth, weight_decay, .. } = self.settings;
        Brute { x: &self.x, y: &self.y, loss: self.loss, depth: depth as i32, weight_decay }
    }

    fn start(&self) -> Vec<f64> {
        match &self.settings.init {
            Init::Symmetric(alpha) => vec![*alpha; 2 * self.x.ncols()],
            Init::Each { u, v } => u.iter().chain(v).copied().collect(),
        }
    }

    fn brute_path(&self) -> Path {
        let options = Options { rtol: 1e-13, max_steps: 10_000_000, ..Options::default() };
        dop853(&mut self.brute(), 0.0..self.settings.horizon, &self.start(), &options)
            .expect("integrated")
            .path
    }

    /// Largest distance of the weights along the path, relative to the largest weights before.
    fn path_error(&self, run: &Run<'_>, path: &Path) -> f64 {
        let mut theta = vec![0.0; 2 * self.x.ncols()];
        // Early weights are a difference of nearly equal squares in the full flow, exact to no more than
        // its rounding: a hundredth of the last weights is the smallest that errors are compared with.
        path.eval(self.settings.horizon, &mut theta).expect("inside");
        let (mut worst, mut scale) = (0.0_f64, 0.01 * norm(&self.brute().weights(&theta)));
        for t in log_times(1e-3, self.settings.horizon, 8) {
            // At ends of steps: between them an explicit method at its limit of stability is less accurate.
            let t = path.step_at(t).expect("inside").t;
            path.eval(t, &mut theta).expect("inside");
            let exact = self.brute().weights(&theta);
            let ours = run.state(t).expect("inside");
            scale = scale.max(norm(&exact));
            worst = worst.max(norm(&(&ours - &exact)) / scale);
        }
        worst
    }
}

fn norm(x: &Array1<f64>) -> f64 {
    x.dot(x).sqrt()
}

const LOSSES: [Loss; 3] = [Loss::Exponential, Loss::Logistic, Loss::Squared];

fn dual_agrees(depth: u32, alpha: f64, tolerance: f64) {
    for loss in LOSSES {
        for symmetric in [true, false] {
            let case = Case::new(loss, depth, symmetric, alpha, 7);
            let problem = case.problem();
            let run = problem.integrate(&case.settings).expect("integrated");
            let error = case.path_error(&run, &case.brute_path());
            println!("L = {depth}, {loss:?}, symmetric {symmetric}: {error:.1e}, {:?}", run.statistics());
            assert!(error < tolerance, "L = {depth}, {loss:?}, symmetric {symmetric}: {error:e}");
        }
    }
}

#[test]
fn depth_2_agrees_with_the_full_flow() {
    dual_agrees(2, 3.0, 1e-9);
}

#[test]
fn depth_3_agrees_with_the_full_flow() {
    dual_agrees(3, 2.0, 1e-8);
}

#[test]
fn depth_4_agrees_with_the_full_flow() {
    dual_agrees(4, 1.5, 1e-7);
}

#[test]
fn depth_5_uses_the_general_powers() {
    dual_agrees(5, 1.3, 1e-7);
}

#[test]
fn parameters_norm_and_observables_agree_with_the_full_flow() {
    for depth in [2, 3] {
        let case = Case::new(Loss::Logistic, depth, false, 1.7, 3);
        let (problem, path) = (case.problem(), case.brute_path());
        let run = problem.integrate(&case.settings).expect("integrated");
        let d = case.x.ncols();
        let mut theta = vec![0.0; 2 * d];
        for t in [0.0, 1.0, 30.0, case.settings.horizon] {
            path.eval(t, &mut theta).expect("inside");
            let (u, v) = run.parameters(t).expect("inside");
            for k in 0..d {
                assert!((u[k] - theta[k]).abs() < 1e-8 * theta[k].abs(), "u_{k} at {t}");
                assert!((v[k] - theta[d + k]).abs() < 1e-8 * theta[d + k].abs(), "v_{k} at {t}");
            }
            let size = theta.iter().map(|x| x * x).sum::<f64>().sqrt();
            let what = [Observable::ParameterNorm, Observable::TrainLoss, Observable::MarginL2];
            let row = run.observe(&[t], &what).expect("inside").values;
            assert!((row[(0, 0)] / size - 1.0).abs() < 1e-9);
            let w = case.brute().weights(&theta);
            let f = case.x.dot(&w);
            let loss = f.iter().zip(&case.y).map(|(f, y)| (-f * y).exp().ln_1p()).sum::<f64>() / 5.0;
            assert!((row[(0, 1)] / loss - 1.0).abs() < 1e-7);
            let margin = f.iter().zip(&case.y).map(|(f, y)| f * y).fold(f64::INFINITY, f64::min) / norm(&w);
            assert!((row[(0, 2)] - margin).abs() < 1e-7);
        }
    }
}

/// (D4), (D6): what the decay alone changes.
#[test]
fn the_full_flow_conserves_what_the_reduction_says() {
    for depth in [2, 3, 4] {
        let case = Case::new(Loss::Logistic, depth, false, 1.5, 5);
        let path = case.brute_path();
        let d = case.x.ncols();
        let (start, mut theta) = (case.start(), vec![0.0; 2 * d]);
        for t in [1.0, 20.0, case.settings.horizon] {
            path.eval(t, &mut theta).expect("inside");
            for k in 0..d {
                let conserved = |s: &[f64], t: f64| {
                    let (u, v) = (s[k], s[d + k]);
                    if depth == 2 {
                        u * v * (2.0 * 0.02 * t).exp()
                    } else {
                        let inner = f64::from(depth) - 2.0;
                        (-inner * 0.02 * t).exp() * (u.powf(-inner) + v.powf(-inner))
                    }
                };
                let (before, now) = (conserved(&start, 0.0), conserved(&theta, t));
                assert!((now / before - 1.0).abs() < 1e-9, "L = {depth}, t = {t}: {before} {now}");
            }
        }
    }
}

/// d‖θ‖²/dt = −2λ‖θ‖² − 2L Σ ρ_i f_i, and ‖θ‖² = Σ √(w² + 4a⁴) at depth 2.
#[test]
fn norm_identities() {
    for depth in [2, 3] {
        let case = Case::new(Loss::Squared, depth, true, 1.5, 11);
        let problem = case.problem();
        let run = problem.integrate(&case.settings).expect("integrated");
        for t in [0.5, 5.0, 40.0] {
            let square = |t: f64| run.snapshot(t).expect("inside").parameter_norm.powi(2);
            let h = 1e-3 * t;
            let slope = (8.0 * (square(t + h) - square(t - h)) - (square(t + 2.0 * h) - square(t - 2.0 * h)))
                / (12.0 * h);
            let now = run.snapshot(t).expect("inside");
            let work: f64 =
                now.outputs.iter().zip(&case.y).map(|(f, y)| 2.0 * (f - y) / case.y.len() as f64 * f).sum();
            let expected = -2.0 * 0.02 * square(t) - 2.0 * f64::from(depth) * work;
            assert!((slope / expected - 1.0).abs() < 1e-6, "L = {depth}, t = {t}: {slope} {expected}");
            if depth == 2 {
                let a = 1.5 * (-0.02 * t).exp();
                let sum: f64 = now.weights.iter().map(|w| w.hypot(2.0 * a * a)).sum();
                assert!((square(t) / sum - 1.0).abs() < 1e-13);
            }
        }
    }
}

/// The weights of the *full* flow minimise the potential among all with the same outputs: Q′(w) is in the
/// row space of the data.
#[test]
fn variational_identity() {
    for loss in LOSSES {
        let case = Case::new(loss, 2, true, 2.0, 13);
        let path = case.brute_path();
        let mut theta = vec![0.0; 2 * case.x.ncols()];
        for t in [2.0, 35.0, case.settings.horizon] {
            path.eval(t, &mut theta).expect("inside");
            let a = 2.0 * (-0.02 * t).exp();
            let z = case.brute().weights(&theta).mapv(|w| (w / (2.0 * a * a)).asinh());
            // Gram-Schmidt on the samples.
            let mut rest = z.clone();
            let mut basis: Vec<Array1<f64>> = Vec::new();
            for row in case.x.outer_iter() {
                let mut b = row.to_owned();
                for _ in 0..2 {
                    for e in &basis {
                        b = &b - &(e * e.dot(&b));
                    }
                }
                let b = &b / norm(&b);
                rest = &rest - &(&b * b.dot(&rest));
                basis.push(b);
            }
            assert!(norm(&rest) < 1e-8 * norm(&z), "{loss:?}, t = {t}: {:e}", norm(&rest) / norm(&z));
        }
    }
}

#[test]
fn descent_with_a_small_step_converges_to_the_flow_at_first_order() {
    let case = Case::new(Loss::Logistic, 2, true, 1.5, 17);
    let problem = case.problem();
    let t = 40.0;
    let exact = problem.integrate(&case.settings).expect("integrated").state(t).expect("inside");
    let mut errors = Vec::new();
    for halvings in 0..4 {
        let eta = 0.01 / f64::from(1 << halvings);
        let mut brute = case.brute();
        let (mut theta, mut slope) = (case.start(), vec![0.0; 2 * case.x.ncols()]);
        for _ in 0..(t / eta).round() as usize {
            brute.rhs(0.0, &theta, &mut slope).expect("finite");
            theta.iter_mut().zip(&slope).for_each(|(x, s)| *x += eta * s);
        }
        errors.push(norm(&(&case.brute().weights(&theta) - &exact)) / norm(&exact));
    }
    for pair in errors.windows(2) {
        let ratio = pair[0] / pair[1];
        assert!((1.9..2.1).contains(&ratio), "{errors:?}");
    }
    assert!(errors[3] < 1e-3, "{errors:?}");
}

/// The error along the path falls with the tolerance asked, down to 1e-11.
#[test]
fn error_is_proportional_to_the_tolerance() {
    for (loss, depth) in [(Loss::Logistic, 2), (Loss::Squared, 2), (Loss::Squared, 3)] {
        let case = Case::new(loss, depth, true, 2.0, 19);
        let (problem, path) = (case.problem(), case.brute_path());
        let mut last = f64::INFINITY;
        for rtol in [1e-4, 1e-6, 1e-8, 1e-10] {
            let settings = Settings { rtol, ..case.settings.clone() };
            let run = problem.integrate(&settings).expect("integrated");
            let error = case.path_error(&run, &path);
            println!("{loss:?} L = {depth} rtol {rtol:e}: error {error:.1e}, {:?}", run.statistics());
            // Local errors add up: at most one tolerance a step.
            let steps = run.statistics().steps as f64;
            assert!(
                error < rtol * steps && error < last / 8.0,
                "{loss:?}, L = {depth}, rtol = {rtol}: {error:e}"
            );
            last = error;
        }
    }
}

/// The relative control is norm-wise: the path is as accurate in the initial layer, where p ~ α⁻².
#[test]
fn initial_layer_of_a_large_start_is_resolved() {
    let case = Case::new(Loss::Squared, 2, true, 1e4, 23);
    let problem = case.problem();
    let coarse = problem.integrate(&Settings { rtol: 1e-6, ..case.settings.clone() }).expect("integrated");
    let fine = problem.integrate(&Settings { rtol: 1e-10, ..case.settings.clone() }).expect("integrated");
    for t in log_times(1e-12, case.settings.horizon, 4) {
        let (a, b) = (coarse.state(t).expect("inside"), fine.state(t).expect("inside"));
        assert!(norm(&(&a - &b)) <= 3e-5 * norm(&b), "t = {t}: {:e}", norm(&(&a - &b)) / norm(&b));
    }
}

/// Where the flow ends at fixed λ: stationary for 𝓛 + (λ/2) Σ |w|^{2/L}.
#[test]
fn end_state_is_stationary() {
    for depth in [2, 3] {
        let mut case = Case::new(Loss::Squared, depth, true, 1.5, 29);
        case.settings.weight_decay = 0.1;
        case.settings.horizon = 2e4;
        let problem = case.problem();
        let w = problem.integrate(&case.settings).expect("integrated").state(2e4).expect("inside");
        let g = case.brute().gradient(&w);
        let (power, half) = (2.0 / f64::from(depth), 0.05);
        for (w, g) in w.iter().zip(&g) {
            // Coordinates with a certificate near one die slowly: their product with the slope is small.
            let product = w * g + half * power * w.abs().powf(power);
            assert!(product.abs() < 1e-7, "L = {depth}: w = {w}, {g}, {product}");
            assert!(depth > 2 || g.abs() < half * (1.0 + 1e-3), "{g}");
        }
    }
}

#[test]
fn bad_input_is_named() {
    let design = || Design::new(ndarray::array![[1.0, 0.5], [0.3, 2.0]].view()).expect("valid");
    let named = |error: Error, words: &[&str]| {
        let text = error.to_string();
        assert!(error.is_bad_input(), "{text}");
        words.iter().for_each(|w| assert!(text.contains(w), "{text:?} does not name {w:?}"));
    };
    named(Problem::new(design(), vec![1.0], Loss::Squared).unwrap_err(), &["labels", "[1]", "[2]"]);
    named(Problem::new(design(), vec![1.0, 0.5], Loss::Logistic).unwrap_err(), &["0.5", "label 1"]);
    let problem = Problem::new(design(), vec![1.0, -1.0], Loss::Logistic).expect("valid");
    let refused = |settings: Settings, words: &[&str]| {
        let error = problem.integrate(&settings).err().expect("refused");
        named(error, words);
    };
    let base = Settings::default();
    refused(Settings { depth: 1, ..base.clone() }, &["depth", "1"]);
    refused(Settings { horizon: 0.0, ..base.clone() }, &["horizon", "0"]);
    refused(Settings { horizon: f64::NAN, ..base.clone() }, &["horizon", "NaN"]);
    refused(Settings { weight_decay: -1.0, ..base.clone() }, &["weight decay", "-1"]);
    refused(Settings { rtol: 1e-2, ..base.clone() }, &["rtol", "0.01"]);
    refused(Settings { rtol: 1e-13, ..base.clone() }, &["rtol", "1e-12"]);
    refused(Settings { init: Init::Symmetric(0.0), ..base.clone() }, &["α", "0"]);
    let zero = Init::Each { u: vec![1.0, 0.0], v: vec![1.0, 1.0] };
    refused(Settings { init: zero.clone(), depth: 3, ..base.clone() }, &["u(0)", "coordinate 1", "depth 3"]);
    assert!(problem.integrate(&Settings { init: zero, horizon: 10.0, ..base.clone() }).is_ok());
    let short = Init::Each { u: vec![1.0], v: vec![1.0, 1.0] };
    refused(Settings { init: short, ..base.clone() }, &["u(0)", "[1]", "[2]"]);
    let run = problem.integrate(&Settings { horizon: 10.0, ..base }).expect("integrated");
    named(run.snapshot(11.0).unwrap_err(), &["11", "horizon", "10"]);
    assert!(run.snapshot(-1.0).is_err() && run.snapshot(f64::NAN).is_err());
    named(SlowFlow::new(&problem, &Init::Symmetric(1.0), 2, 1.0).err().expect("refused"), &["squared loss"]);
}

/// Data that no linear predictor separates: an answer with negative margins, not an error.
#[test]
fn non_separable_data_is_an_answer() {
    let design = Design::new(ndarray::array![[1.0, 0.5], [1.0, 0.5]].view()).expect("valid");
    let problem = Problem::new(design, vec![1.0, -1.0], Loss::Exponential).expect("valid");
    let run = problem.integrate(&Settings { horizon: 1e3, ..Settings::default() }).expect("integrated");
    let end = run.snapshot(1e3).expect("inside");
    assert!(end.train_loss > 0.99 && end.margin_l2.is_none_or(|m| m <= 0.0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Packed signs and the same numbers stored dense give the same run to rounding, and the bits of a
    /// run do not depend on the number of threads.
    #[test]
    fn storage_and_threads_do_not_matter(seed in 0_u64..1000, n in 2_usize..9, d in 9_usize..70) {
        use groktime::linalg::Threads;
        let signs = gaussian_matrix(n, d, 1.0, &mut generator(seed, 0)).mapv(f64::signum);
        let labels: Vec<f64> = gaussian_vector(n, 1.0, &mut generator(seed, 1)).mapv(f64::signum).to_vec();
        let packed = Problem::new(Design::new(signs.view()).unwrap(), labels.clone(), Loss::Logistic).unwrap();
        let single = Design::single(signs.mapv(|x| x as f32).view()).unwrap();
        let dense = Problem::new(single, labels, Loss::Logistic).unwrap();
        prop_assert!(packed.design().is_packed() && !dense.design().is_packed());
        let settings = Settings {
            init: Init::Symmetric(3.0),
            weight_decay: 0.05,
            horizon: 60.0,
            threads: Threads::One,
            ..Settings::default()
        };
        let all = Settings { threads: Threads::All, ..settings.clone() };
        let a = packed.integrate(&settings).unwrap().state(60.0).unwrap();
        let b = packed.integrate(&all).unwrap().state(60.0).unwrap();
        let c = dense.integrate(&settings).unwrap().state(60.0).unwrap();
        prop_assert_eq!(&a, &b);
        prop_assert!(norm(&(&a - &c)) <= 1e-6 * norm(&a));
    }
}
