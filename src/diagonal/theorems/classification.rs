//! Kernel phase of the exponential loss: C.4, C.5, C.7, Theorem 3.4, Corollary 3.6, the bracket and the
//! plateau law.

use std::f64::consts::LN_2;

use ndarray::Array2;

use super::facts::{Facts, envelope, ln_exp_minus_one, ln_inverse_f, ln_norm, ln_one_plus_exp, statement};
use crate::Loss;
use crate::error::Result;
use crate::linalg::{Engine, cholesky_solve};
use crate::ode::{DenseFlow, Options, Path, bdf};
use crate::theorem::{Claim, Form, Hypothesis, Judged, Side};

impl Facts<'_, '_> {
    pub(super) fn classification(&self) -> Result<Vec<Judged>> {
        let mut judged = self.upper_loss();
        judged.extend(self.departure());
        judged.extend(self.lower_loss());
        judged.extend(self.linearised_bracket()?);
        judged.extend(self.net_bracket());
        let dual = Dual::new(self)?;
        judged.push(self.plateau(&dual));
        judged.extend(self.scale(&dual)?);
        judged.push(self.direction(&dual)?);
        Ok(judged)
    }

    fn kernel_hypotheses(&self) -> Vec<Hypothesis> {
        vec![
            self.loss_is("exponential loss", Loss::Exponential),
            self.symmetric(),
            self.decays(),
            Hypothesis::below("0 < γ (separable)", 0.0, self.gamma),
        ]
    }

    /// ln γ²A.
    fn ln_gain(&self) -> f64 {
        2.0 * libm::log(self.gamma) + self.ln_scale
    }

    /// ln B of (D14).
    fn ln_b(&self) -> f64 {
        self.ln_gain() - libm::log(16.0 * (self.depth - 1.0))
    }

    /// ln(F⁻¹(γ²A/8L) − 1).
    fn ln_f0(&self) -> f64 {
        ln_exp_minus_one(ln_inverse_f(self.ln_gain() - libm::log(8.0 * self.depth)))
    }

    /// ‖x_i‖.
    fn norms(&self) -> Vec<f64> {
        let design = self.run.problem().design();
        let mut squares = vec![0.0; design.samples()];
        design.apply_squares(&vec![1.0; design.dimension()], &mut squares, self.threads);
        squares.into_iter().map(f64::sqrt).collect()
    }

    /// G: no training gradient is longer before T_max.
    fn reach(&self) -> f64 {
        let longest = self.norms().into_iter().fold(0.0, f64::max);
        2.0_f64.sqrt() * self.depth * longest + 0.5 * self.gamma
    }

    /// C.4 (8), (D14).
    fn upper_loss(&self) -> Vec<Judged> {
        let (rate, ln_b, ln_f0) = (2.0 * (self.depth - 1.0) * self.lambda, self.ln_b(), self.ln_f0());
        let bound = move |t: f64| {
            let x = rate * t;
            let early = -ln_one_plus_exp(ln_b + libm::log(-libm::expm1(-x)));
            early.max(x - ln_f0)
        };
        let claim = envelope(bound, self.kernel_end);
        let quantity = "log_train_loss";
        let hypotheses = self.kernel_hypotheses();
        let s = statement("2311.18817 C.4 (8)", Form::Printed, quantity, Side::Upper, claim, hypotheses);
        vec![self.judge(s, &self.times, |t| self.ln_loss(t))]
    }

    /// C.5, explicit (D15): the departure from the start, and T_max from below.
    fn departure(&self) -> Vec<Judged> {
        let (l, lambda) = (self.depth, self.lambda);
        let (rate, ln_b, ln_f0) = (2.0 * (l - 1.0) * lambda, self.ln_b(), self.ln_f0());
        let front = libm::log(self.reach()) + (l - 2.0) * self.ln_alpha;
        let bound = move |t: f64| {
            // ln((1 + B)e^x − B) = ln(1 + (1 + B)(e^x − 1)).
            let ln_b1 = ln_one_plus_exp(ln_b);
            let grown = ln_one_plus_exp(ln_b1 + ln_exp_minus_one(rate * t));
            let early = libm::log(grown) - libm::log(rate) - ln_b1;
            let late = ln_exp_minus_one(l * lambda * t) - libm::log(l * lambda) - ln_f0;
            front + early.max(late) + libm::log1p(libm::exp(-(early - late).abs()))
        };
        let first = self.times.iter().copied().filter(|t| *t > 0.0).collect::<Vec<_>>();
        let curve = statement(
            "2311.18817 C.5 (explicit)",
            Form::Corrected,
            "log ‖e^{λt}θ/α − θ̄‖",
            Side::Upper,
            envelope(bound, self.kernel_end),
            self.kernel_hypotheses(),
        );
        let curve = self.judge(curve, &first, |t| match self.state(t) {
            Ok(state) => (state.ln_departure, self.path_error() + 1e-13),
            Err(_) => (f64::NAN, 0.0),
        });
        // At depth 2 gradients move by at most 2 max|x_ik|·‖δ‖.
        let x = self.run.problem().design();
        let largest = match x.is_packed() || self.depth != 2.0 {
            true => 1.0,
            false => (0..x.dimension())
                .flat_map(|k| (0..x.samples()).map(move |i| (i, k)))
                .fold(0.0_f64, |m, (i, k)| m.max(x.entry(i, k).abs())),
        };
        let ball = libm::log(self.gamma / (4.0 * largest));
        let claim = last_below(bound, ball, self.horizon);
        let mut hypotheses = self.kernel_hypotheses();
        hypotheses.push(Hypothesis::fact("L = 2", Some(self.depth == 2.0)));
        hypotheses.push(Hypothesis::fact("T_max < horizon", Some(self.kernel_end.is_finite())));
        let end = statement(
            "2311.18817 C.5 (T_max)",
            Form::Derived,
            "T_max",
            Side::Lower,
            Claim::Scalar(claim),
            hypotheses,
        );
        vec![curve, end.judge(self.kernel_end, 1e-4 * claim.min(self.horizon) * f64::from(!self.small))]
    }

    /// C.7 (17), printed and corrected (D16).
    fn lower_loss(&self) -> Vec<Judged> {
        let (l, n, lambda) = (self.depth, self.n, self.lambda);
        let rate = 2.0 * (l - 1.0) * lambda;
        let ln_y0 = libm::log(2.0 / (n * l)) + 2.0 * libm::log(self.reach()) + self.ln_scale;
        let ln_n = libm::log(n);
        let printed = move |t: f64| {
            let ln_x = ln_inverse_f(ln_y0 - rate * t);
            (ln_n - ln_x).min(1.0 - rate - ln_n)
        };
        let corrected = move |t: f64| {
            let ln_x = ln_inverse_f(ln_y0 - rate * t);
            (-ln_n - ln_x).min(1.0 - 4.0 * (l - 1.0) / l - ln_n)
        };
        let judge = |form, claim| {
            let hypotheses = self.kernel_hypotheses();
            let s = statement("2311.18817 C.7 (17)", form, "log_train_loss", Side::Lower, claim, hypotheses);
            self.judge(s, &self.times, |t| self.ln_loss(t))
        };
        vec![
            judge(Form::Printed, envelope(printed, self.kernel_end)).with_known_erratum(),
            judge(Form::Corrected, envelope(corrected, self.kernel_end)),
        ]
    }

    /// (D17) for the linearised flow.
    fn linearised_bracket(&self) -> Result<Vec<Judged>> {
        let mut hypotheses = self.kernel_hypotheses();
        // The linearised flow is integrated as it stands.
        let ln_start = 2.0 * (self.depth - 1.0) * self.ln_alpha;
        hypotheses.push(Hypothesis::below(
            "α^{2(L−1)} < 10³⁰⁰ (evaluated in floating point)",
            ln_start,
            690.0,
        ));
        let applies = hypotheses.iter().all(|h| h.standing == crate::theorem::Standing::Holds);
        let flow = if applies { Some(LinearFlow::new(self)?) } else { None };
        let times: Vec<f64> = flow.as_ref().map_or(Vec::new(), |flow| flow.times());
        let sum = |t: f64| flow.as_ref().map_or((f64::NAN, 0.0), |flow| flow.ln_loss_plus_margin(t));
        let quantity = "log_train_loss + γ‖h‖ (linearised flow)";
        let source =
            ["2311.18817 C.8 (bracket above, linearised)", "2311.18817 C.8 (bracket below, linearised)"];
        let above = statement(
            source[0],
            Form::Derived,
            quantity,
            Side::Upper,
            envelope(|_| 0.0, f64::INFINITY),
            hypotheses.clone(),
        );
        let ln_n = libm::log(self.n);
        let below = statement(
            source[1],
            Form::Derived,
            quantity,
            Side::Lower,
            envelope(move |_| -ln_n, f64::INFINITY),
            hypotheses,
        );
        Ok(vec![above.judge_envelope(&times, false, sum), below.judge_envelope(&times, false, sum)])
    }

    /// (D17) on the net, while its gradients have not moved. What their change has done is allowed for:
    /// γ₂‖w‖ against γ‖h‖, which agree for the linearised net.
    fn net_bracket(&self) -> Vec<Judged> {
        let half = 0.5 * LN_2 + libm::log(self.depth);
        let sum = |t: f64| {
            let Ok(state) = self.state(t) else { return (f64::NAN, 0.0) };
            let tangent = self.gamma * libm::exp(self.ln_tangent(t, &state));
            let linear = self.gamma * libm::exp(state.ln_weights - half);
            let error = self.path_error() * (state.largest_output + tangent) + 1e-13;
            (state.ln_loss + tangent, error + (linear - tangent).abs())
        };
        let quantity = "log_train_loss + γ‖h‖";
        let above = statement(
            "2311.18817 C.8 (bracket above)",
            Form::Derived,
            quantity,
            Side::Upper,
            envelope(|_| 0.0, self.kernel_end),
            self.kernel_hypotheses(),
        );
        let ln_n = libm::log(self.n);
        let below = statement(
            "2311.18817 C.8 (bracket below)",
            Form::Derived,
            quantity,
            Side::Lower,
            envelope(move |_| -ln_n, self.kernel_end),
            self.kernel_hypotheses(),
        );
        vec![self.judge(above, &self.times, sum), self.judge(below, &self.times, sum)]
    }

    /// The plateau law (D18), to within what the next orders amount to at the worst time of the window.
    fn plateau(&self, dual: &Option<Dual>) -> Judged {
        let (from, until) = (0.2 * self.ln_alpha / self.lambda, 0.8 * self.ln_alpha / self.lambda);
        let law = self.plateau_law(dual);
        let times: Vec<f64> = (0..=12).map(|i| from + (until - from) * f64::from(i) / 12.0).collect();
        let inside = until > 0.0 && until <= self.horizon;
        let left_out = match (dual, inside) {
            (Some(dual), true) => {
                let changed = |t: f64| self.state(t).map_or(f64::NAN, |s| self.kernel_growth(&s));
                times.iter().map(|&t| law.left_out(t, dual) + changed(t)).fold(0.0, f64::max)
            }
            _ => f64::NAN,
        };
        let mut hypotheses = self.kernel_hypotheses();
        hypotheses.push(Hypothesis::below("0 < ln α", 0.0, self.ln_alpha));
        hypotheses.push(Hypothesis::at_most("0.8 ln α/λ ≤ horizon", until, self.horizon));
        hypotheses.push(Hypothesis::fact("the dual of the L2 margin is unique", Some(dual.is_some())));
        hypotheses.push(Hypothesis::at_most("orders left out ≤ 5%", left_out, LARGEST_LEFT_OUT));
        let s = statement(
            "2311.18817 C.9 (plateau law)",
            Form::Derived,
            "log_train_loss",
            Side::Equal,
            envelope(move |t| law.ln_loss(t), until.next_up()),
            hypotheses,
        );
        let times = if inside { times } else { Vec::new() };
        s.judge_envelope_at(&times, |t| {
            let (ln, error) = self.ln_loss(t);
            (ln, error + left_out)
        })
    }

    /// How w approaches the max-margin direction, at T_c^-; None without a unique dual.
    pub(super) fn early_tilt(&self) -> Result<Option<Tilt>> {
        let (Some(state), Some(dual)) = (self.early_state()?, Dual::new(self)?) else {
            return Ok(None);
        };
        let size = dual.entropy - libm::log(self.n) - state.ln_loss;
        let off_support = 1.0 - dual.tilt_of_support(size) / dual.tilt(size);
        let change = dual.change(self.depth * size - 2.0 * (self.depth - 1.0), self.depth);
        let pairs = dual.epsilon.iter().zip(&dual.omega);
        let next_order = pairs.map(|(e, w)| (change * e / w).abs()).fold(off_support, f64::max);
        Ok(Some(Tilt { size, next_order }))
    }

    fn plateau_law(&self, dual: &Option<Dual>) -> PlateauLaw {
        PlateauLaw {
            ln_gain: self.ln_gain(),
            depth: self.depth,
            lambda: self.lambda,
            shift: dual.as_ref().map_or(f64::NAN, |d| d.entropy) - libm::log(self.n),
        }
    }

    /// Twice what the tangent kernel has grown by, relative to its start, to leading order: odd orders
    /// cancel, and the even one is at most 3 times the square of the relative change of a gradient.
    fn kernel_growth(&self, state: &super::facts::State) -> f64 {
        let shortest = self.norms().into_iter().fold(f64::INFINITY, f64::min);
        6.0 * (state.gradient_change / (2.0_f64.sqrt() * self.depth * shortest)).powi(2)
    }

    /// γ₂‖w‖/(γ‖h‖) − 1: zero for the linearised net.
    fn kernel_change(&self, t: f64, state: &super::facts::State) -> f64 {
        let half = 0.5 * LN_2 + libm::log(self.depth);
        libm::expm1(state.ln_weights - half - self.ln_tangent(t, state)).abs()
    }

    /// Theorem 3.4, printed Z and corrected (D19): min_i y_i f_i/(γZ) → 1. The allowance is of the order
    /// ln ln A/ln A, with the constants of (D18).
    fn scale(&self, dual: &Option<Dual>) -> Result<Vec<Judged>> {
        let c = self.inputs.fraction;
        let state = self.early_state()?;
        let ln_lambda = libm::log(self.lambda);
        let corrected = 2.0 * (self.depth - 1.0) * c * self.ln_alpha - ln_lambda;
        let printed = c * self.ln_alpha - ln_lambda;
        // The sample of the largest ω has the least margin: m − ln n − ln ω_max.
        let allowance = dual.as_ref().map_or(f64::NAN, |dual| {
            let largest = dual.omega.iter().fold(0.0_f64, |m, w| m.max(*w));
            let shift = 2.0 * libm::log(self.gamma) - libm::log(self.n * largest);
            let left_out = self.plateau_law(&Some(dual.clone())).left_out(self.early(), dual);
            let changed = state.as_ref().map_or(0.0, |s| self.kernel_growth(s));
            (libm::log(self.depth * corrected) + shift.abs() + left_out) / corrected + changed
        });
        let mut hypotheses = self.kernel_hypotheses();
        hypotheses.extend(self.early_hypotheses());
        hypotheses.push(Hypothesis::fact("the dual of the L2 margin is unique", Some(dual.is_some())));
        hypotheses.push(Hypothesis::at_most("T_c^- ≤ T_max", self.early(), self.kernel_end));
        hypotheses.push(Hypothesis::at_most("order of the corrections ≤ 1/4", allowance, 0.25));
        let judge = |form, ln_z: f64| {
            let measured = state.as_ref().map_or(f64::NAN, |s| s.least_margin / ln_z);
            let claim = Claim::Scalar(1.0);
            let quantity = "min y f/(γZ) at T_c^-";
            let s = statement("2311.18817 Thm 3.4", form, quantity, Side::Equal, claim, hypotheses.clone());
            s.judge(measured, allowance + self.path_error())
        };
        Ok(vec![judge(Form::Printed, printed).with_known_erratum(), judge(Form::Corrected, corrected)])
    }

    /// Corollary 3.6: the direction of w at T_c^- is that of the largest L2 margin, to within an angle of
    /// γ√(εᵀKε)/M ~ 1/ln α and what samples off the support add.
    fn direction(&self, dual: &Option<Dual>) -> Result<Judged> {
        let state = self.early_state()?;
        let (mut measured, mut leading, mut changed) = (f64::NAN, f64::NAN, f64::NAN);
        if let (Some(state), Some(dual), Some(svm)) = (&state, dual, &self.svm) {
            measured = one_minus_cosine(&state.weights, svm.weights.as_slice().unwrap_or(&[]));
            let law = self.plateau_law(&Some(dual.clone()));
            let size = -law.ln_loss(self.early()) + law.shift;
            leading = 0.5 * dual.tilt(size).powi(2);
            changed = self.kernel_change(self.early(), state);
        }
        let mut hypotheses = self.kernel_hypotheses();
        hypotheses.extend(self.early_hypotheses());
        hypotheses.push(Hypothesis::fact("the dual of the L2 margin is unique", Some(dual.is_some())));
        hypotheses.push(Hypothesis::at_most("T_c^- ≤ T_max", self.early(), self.kernel_end));
        hypotheses.push(Hypothesis::at_most("leading order ≤ 0.05", leading, 0.05));
        let s = statement(
            "2311.18817 Cor 3.6",
            Form::Printed,
            "1 − cos(w, L2 margin) at T_c^-",
            Side::Equal,
            Claim::Scalar(0.0),
            hypotheses,
        );
        Ok(s.judge(measured, 2.0 * leading + changed + self.path_error().powi(2) + 1e-14))
    }
}

/// The plateau law is compared where it claims to be this good.
const LARGEST_LEFT_OUT: f64 = 0.05;

/// The dual of the L2 max-margin problem on its support, if it is unique.
#[derive(Clone)]
struct Dual {
    /// H(ω).
    entropy: f64,
    /// ω, normalised.
    omega: Vec<f64>,
    /// ε with Kε = c − ln ω and Σε = 0: how the predictor is shifted from the max-margin direction, so that
    /// the losses are in the proportions of ω.
    epsilon: Vec<f64>,
    /// εᵀKε.
    spread: f64,
    /// Of the other samples: their margins in units of the least one, less one, and ‖∇f_i(θ̄)‖.
    others: Vec<(f64, f64)>,
    gamma: f64,
}

impl Dual {
    fn new(facts: &Facts<'_, '_>) -> Result<Option<Dual>> {
        let Some(svm) = facts.svm.as_ref().filter(|s| s.report.dual_unique == Some(true)) else {
            return Ok(None);
        };
        let problem = facts.run.problem();
        let y = problem.labels();
        let support = &svm.support_vectors;
        let total: f64 = support.iter().map(|&i| svm.multipliers[i]).sum();
        let omega: Vec<f64> = support.iter().map(|&i| svm.multipliers[i] / total).collect();
        let gram = problem.gram(facts.threads);
        let front = 2.0 * facts.depth * facts.depth;
        let kernel = Array2::from_shape_fn((support.len(), support.len()), |(a, b)| {
            front * y[support[a]] * y[support[b]] * gram[(support[a], support[b])]
        });
        let factor = Engine::SEQUENTIAL.cholesky(kernel.view())?;
        let mut epsilon: Vec<f64> = omega.iter().map(|w| -libm::log(*w)).collect();
        let mut ones = vec![1.0; support.len()];
        cholesky_solve(factor.view(), &mut epsilon);
        cholesky_solve(factor.view(), &mut ones);
        let level = -epsilon.iter().sum::<f64>() / ones.iter().sum::<f64>();
        epsilon.iter_mut().zip(&ones).for_each(|(e, one)| *e += level * one);
        // Kε = level − ln ω, and the level drops out with Σε = 0.
        let spread = epsilon.iter().zip(&omega).map(|(e, w)| -e * libm::log(*w)).sum::<f64>();
        let mut margins = vec![0.0; y.len()];
        problem.design().apply(svm.weights.as_slice().unwrap_or(&[]), &mut margins, facts.threads);
        let others = (0..y.len()).filter(|i| !support.contains(i));
        let others = others.map(|i| (y[i] * margins[i] - 1.0, (front * gram[(i, i)]).sqrt())).collect();
        let entropy = omega.iter().map(|w| -w * libm::log(*w)).sum();
        Ok(Some(Dual { entropy, omega, epsilon, spread, others, gamma: facts.gamma }))
    }
}

impl Dual {
    /// The loss of a sample off the support against all on it, where their margin is M.
    fn share(&self, gap: f64, size: f64) -> f64 {
        libm::exp(-gap * size - self.entropy)
    }

    /// sin(w, L2 margin) at most, to leading order: ε on the support, and what the other samples push.
    fn tilt(&self, size: f64) -> f64 {
        let off: f64 = self.others.iter().map(|&(g, norm)| self.share(g, size) * norm / self.gamma).sum();
        self.tilt_of_support(size) + off
    }

    /// Losses on the support are in the proportions ω + this·ε, M₁ = `m`.
    fn change(&self, m: f64, depth: f64) -> f64 {
        self.gamma.powi(2) * depth / m
    }

    fn tilt_of_support(&self, size: f64) -> f64 {
        self.gamma * self.spread.max(0.0).sqrt() / size
    }
}

/// The angle between w and the max-margin direction goes as 1/M.
pub(super) struct Tilt {
    /// M = ln 1/(n𝓛) + H.
    pub(super) size: f64,
    /// Relative size of what that leaves out: shifted proportions of the losses, samples off the support.
    pub(super) next_order: f64,
}

/// γ²Ae^{−2(L−1)λt}𝓛 = L[ln(1/(n𝓛)) + H] − 2(L−1).
#[derive(Clone, Copy)]
struct PlateauLaw {
    ln_gain: f64,
    depth: f64,
    lambda: f64,
    /// H − ln n.
    shift: f64,
}

impl PlateauLaw {
    /// ln 𝓛: Newton's method in μ = ln(right side), for which ln 𝓛 is linear in e^μ.
    fn ln_loss(&self, t: f64) -> f64 {
        let left = self.ln_gain - 2.0 * (self.depth - 1.0) * self.lambda * t;
        // With M = e^μ the loss is −ln 𝓛 = (M + 2(L−1))/L − shift, and left + ln 𝓛 = μ.
        let constant = 2.0 * (self.depth - 1.0) / self.depth - self.shift;
        // e^μ/L + μ = left − constant =: b, as for F⁻¹ with μ − ln L in the place of η.
        let b = left - constant - libm::log(self.depth);
        let m = self.depth * ln_inverse_f(b);
        -(m / self.depth + constant)
    }

    /// Relative size of what (D18) leaves out: the next order of d𝓛/dt, the spread of the losses over the
    /// support, and the samples off it.
    fn left_out(&self, t: f64, dual: &Dual) -> f64 {
        let l = self.depth;
        let size = -self.ln_loss(t) + self.shift;
        let m = l * size - 2.0 * (l - 1.0);
        let next = 2.0 * (l - 1.0) * l / (m * (m + l));
        let change = dual.change(m, l);
        let spread: f64 = dual.epsilon.iter().zip(&dual.omega).map(|(e, w)| (change * e).powi(2) / w).sum();
        let off: f64 = dual.others.iter().map(|(g, _)| dual.share(*g, size)).sum();
        next + 0.5 * l / m * spread + off
    }
}

/// h′ = a^{2(L−1)}g − Lλh with h = Σ c_i y_i∇f_i(θ̄): n unknowns.
struct LinearFlow {
    path: Path,
    kernel: Array2<f64>,
    gamma: f64,
}

/// Tolerance of the linearised flow.
const LINEAR_RTOL: f64 = 1e-9;

impl LinearFlow {
    fn new(facts: &Facts<'_, '_>) -> Result<LinearFlow> {
        let problem = facts.run.problem();
        let y = problem.labels();
        let n = y.len();
        let front = 2.0 * facts.depth * facts.depth;
        let mut kernel = problem.gram(facts.threads).clone();
        kernel.indexed_iter_mut().for_each(|((i, j), k)| *k *= front * y[i] * y[j]);
        let (ln_alpha, lambda, l) = (facts.ln_alpha, facts.lambda, facts.depth);
        let push = move |t: f64, q: f64| libm::exp(2.0 * (l - 1.0) * (ln_alpha - lambda * t) - q) / n as f64;
        let (k, kj) = (kernel.clone(), kernel.clone());
        let mut flow = DenseFlow::new(
            n,
            move |t, c, dc| {
                for i in 0..n {
                    let q: f64 = k.row(i).iter().zip(c).map(|(k, c)| k * c).sum();
                    dc[i] = push(t, q) - l * lambda * c[i];
                }
            },
            move |t, c, mut jacobian| {
                for i in 0..n {
                    let row = kj.row(i);
                    let force = push(t, row.iter().zip(c).map(|(k, c)| k * c).sum());
                    for (j, k) in row.iter().enumerate() {
                        jacobian[(i, j)] = -force * k;
                    }
                    jacobian[(i, i)] -= l * lambda;
                }
            },
        );
        let options = Options { rtol: LINEAR_RTOL, ..Options::default() };
        let solution = bdf(&mut flow, 0.0..facts.horizon, &vec![0.0; n], &options)?;
        Ok(LinearFlow { path: solution.path, kernel, gamma: facts.gamma })
    }

    fn times(&self) -> Vec<f64> {
        std::iter::once(0.0).chain(self.path.steps().map(|s| s.t)).collect()
    }

    /// ln 𝓛 + γ‖h‖, and its error.
    fn ln_loss_plus_margin(&self, t: f64) -> (f64, f64) {
        let mut c = vec![0.0; self.kernel.nrows()];
        if self.path.eval(t, &mut c).is_err() {
            return (f64::NAN, 0.0);
        }
        let q = self.kernel.dot(&ndarray::aview1(&c));
        let norm = q.iter().zip(&c).map(|(q, c)| q * c).sum::<f64>().max(0.0).sqrt();
        let ones = vec![1.0; c.len()];
        let ln_loss = Loss::Exponential.ln_mean(q.as_slice().unwrap_or(&[]), &ones);
        let size = q.iter().fold(self.gamma * norm, |m, q| m.max(q.abs()));
        (ln_loss + self.gamma * norm, 100.0 * LINEAR_RTOL * size + 1e-13)
    }
}

/// The last t up to `horizon` at which a growing f is at most `level`.
fn last_below(f: impl Fn(f64) -> f64, level: f64, horizon: f64) -> f64 {
    let (mut lo, mut hi) = (0.0, horizon);
    if f(hi) <= level {
        return hi;
    }
    for _ in 0..200 {
        let middle = 0.5 * (lo + hi);
        if f(middle) <= level { lo = middle } else { hi = middle }
    }
    lo
}

/// ½‖a/‖a‖ − b/‖b‖‖².
pub(super) fn one_minus_cosine(a: &[f64], b: &[f64]) -> f64 {
    let (na, nb) = (libm::exp(ln_norm(a.iter().copied())), libm::exp(ln_norm(b.iter().copied())));
    0.5 * a.iter().zip(b).map(|(a, b)| (a / na - b / nb).powi(2)).sum::<f64>()
}
