//! Random nets against the primal flow of (ln u + ln v)/2 and ln u − ln v, extrapolated from the modified midpoint rule
//! (Gragg, Bulirsch and Stoer) in the test itself.

use groktime::Loss;
use groktime::data::Design;
use groktime::diagonal::{Init, Problem, Settings};
use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

struct Primal {
    x: Array2<f64>,
    y: Vec<f64>,
    loss: Loss,
    depth: f64,
    weight_decay: f64,
}

impl Primal {
    fn weights(&self, state: &[f64]) -> Vec<f64> {
        let d = state.len() / 2;
        let weight =
            |k: usize| 2.0 * (self.depth * state[k]).exp() * (0.5 * self.depth * state[d + k]).sinh();
        (0..d).map(weight).collect()
    }

    fn outputs(&self, w: &[f64]) -> Vec<f64> {
        self.x.outer_iter().map(|row| row.iter().zip(w).map(|(x, w)| x * w).sum()).collect()
    }

    fn loss(&self, w: &[f64]) -> f64 {
        let value = |(&f, &y): (&f64, &f64)| match self.loss {
            Loss::Squared => (f - y).powi(2),
            Loss::Logistic => (-y * f).exp().ln_1p(),
            Loss::Exponential => (-y * f).exp(),
        };
        self.outputs(w).iter().zip(&self.y).map(value).sum::<f64>() / self.y.len() as f64
    }

    fn derivative(&self, state: &[f64]) -> Vec<f64> {
        let d = state.len() / 2;
        let slope = |(&f, &y): (&f64, &f64)| match self.loss {
            Loss::Squared => 2.0 * (f - y),
            Loss::Logistic => -y / (1.0 + (y * f).exp()),
            Loss::Exponential => -y * (-y * f).exp(),
        };
        let outputs = self.outputs(&self.weights(state));
        let slopes: Vec<f64> = outputs.iter().zip(&self.y).map(slope).collect();
        let (inner, n) = (self.depth - 2.0, slopes.len() as f64);
        let mut out = vec![0.0; 2 * d];
        for k in 0..d {
            let pull = self.x.column(k).iter().zip(&slopes).map(|(x, r)| x * r).sum::<f64>() / n;
            let lever = self.depth * (inner * state[k]).exp() * pull;
            let half = 0.5 * inner * state[d + k];
            out[k] = -self.weight_decay - lever * half.sinh();
            out[d + k] = -2.0 * lever * half.cosh();
        }
        out
    }

    /// The modified midpoint rule with n substeps.
    fn midpoint(&self, state: &[f64], h: f64, n: usize) -> Vec<f64> {
        let step = h / n as f64;
        let add =
            |a: &[f64], c: f64, b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a + c * b).collect() };
        let (mut last, mut now) = (state.to_vec(), add(state, step, &self.derivative(state)));
        for _ in 1..n {
            let next = add(&last, 2.0 * step, &self.derivative(&now));
            (last, now) = (now, next);
        }
        let after = add(&last, 2.0 * step, &self.derivative(&now));
        (0..state.len()).map(|i| 0.25 * (last[i] + 2.0 * now[i] + after[i])).collect()
    }

    /// One step of order 16, and the difference to order 14.
    fn extrapolated(&self, state: &[f64], h: f64) -> (Vec<f64>, f64) {
        let counts = [2, 4, 6, 8, 10, 12, 14, 16];
        let mut table: Vec<Vec<f64>> = Vec::new();
        let mut error = f64::INFINITY;
        for (j, &n) in counts.iter().enumerate() {
            let mut row = vec![self.midpoint(state, h, n)];
            for (k, before) in table.iter().enumerate().map(|(k, _)| (k, &table[k])) {
                let ratio = (n as f64 / counts[j - k - 1] as f64).powi(2);
                let next = row[k].iter().zip(before).map(|(a, b)| a + (a - b) / (ratio - 1.0)).collect();
                row.push(next);
            }
            if j > 0 {
                let apart = row[j].iter().zip(&row[j - 1]).map(|(a, b)| (a - b).abs());
                error = apart.fold(0.0, |most: f64, x| if x > most || x.is_nan() { x } else { most });
            }
            table = row;
        }
        (table.pop().expect("a column"), error)
    }

    /// w and t dw/dt at the times; `None` where it would take long.
    fn solve(&self, alpha: f64, times: &[f64]) -> Option<Vec<(Vec<f64>, f64)>> {
        let d = self.x.ncols();
        let mut state = vec![0.0; 2 * d];
        state[..d].fill(alpha.ln());
        let (mut t, mut h, mut steps) = (0.0, 1e-3 * times[0], 0);
        let mut found = Vec::new();
        for &end in times {
            while t < end {
                steps += 1;
                if steps > 400 {
                    return None;
                }
                let lands = t + h >= end;
                let (next, error) = self.extrapolated(&state, if lands { end - t } else { h });
                if error <= 1e-13 {
                    (state, t) = (next, if lands { end } else { t + h });
                }
                if error.is_nan() || error > 1e-13 {
                    h *= 0.5;
                } else if error < 1e-15 && !lands {
                    h *= 1.7;
                }
            }
            let dt = 1e-4 * t;
            let rate: Vec<f64> = self.derivative(&state);
            let later: Vec<f64> = state.iter().zip(&rate).map(|(s, r)| s + dt * r).collect();
            let w = self.weights(&state);
            let moved = w.iter().zip(self.weights(&later)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            found.push((w, t * moved / dt));
        }
        Some(found)
    }
}

fn random(seed: u64) -> (Primal, f64, Vec<f64>) {
    let mut draw = ChaCha8Rng::seed_from_u64(seed);
    let (n, d) = (draw.random_range(1..=5), draw.random_range(1..=5));
    let mut number = |low: f64, high: f64| draw.random_range(low..high);
    let mut x = Array2::from_shape_simple_fn((n, d), || number(-1.5, 1.5));
    let kind = seed % 5;
    if n > 1 && kind == 0 {
        let first = x.row(0).to_owned();
        let near = first.mapv(|x| x + 1e-5 * number(-1.0, 1.0));
        x.row_mut(1).assign(&if seed.is_multiple_of(2) { near } else { first });
    }
    if d > 1 && kind == 1 {
        let first = x.column(0).to_owned();
        x.column_mut(1).assign(&-first);
    }
    let loss = [Loss::Squared, Loss::Logistic, Loss::Exponential][seed as usize / 5 % 3];
    let y: Vec<f64> =
        (0..n).map(|_| number(-1.0, 1.0)).map(|y| if loss.is_margin() { y.signum() } else { y }).collect();
    let depth = f64::from(2 + (seed / 15 % 5) as u32);
    let alpha = number(-1.6, 0.4).exp();
    let weight_decay = if seed.is_multiple_of(3) { 0.0 } else { number(-5.0, 0.7).exp() };
    let rate = depth * depth * alpha.powf(2.0 * depth - 2.0) + depth * alpha.powf(depth - 2.0) + weight_decay;
    let horizon = number(0.5, 12.0) / rate;
    let times = [0.01, 0.1, 0.4, 1.0].map(|part| part * horizon).to_vec();
    (Primal { x, y, loss, depth, weight_decay }, alpha, times)
}

#[test]
fn weights_and_losses_are_right_to_a_hundred_tolerances_and_within_their_errors() {
    let mut tried = 0;
    for seed in 0..150 {
        let (primal, alpha, times) = random(seed);
        let Some(exact) = primal.solve(alpha, &times) else { continue };
        let design = Design::new(primal.x.view()).expect("finite");
        let problem = Problem::new(design, primal.y.clone(), primal.loss).expect("as many labels");
        for rtol in [1e-6, 1e-9] {
            let settings = Settings {
                depth: primal.depth as u32,
                init: Init::Symmetric(alpha),
                weight_decay: primal.weight_decay,
                horizon: times[times.len() - 1],
                rtol,
                ..Settings::default()
            };
            let run = problem.integrate(&settings).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            for (&t, (w, pace)) in times.iter().zip(&exact) {
                let net = run.snapshot_with_errors(t).expect("before the horizon");
                let off = net.weights.iter().zip(w).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                let size = w.iter().fold(*pace, |most, w| most.max(w.abs()));
                assert!(
                    off <= 100.0 * rtol * size,
                    "seed {seed}, t = {t:e}, rtol {rtol:e}: {off:e} of {size:e}"
                );
                let loss = primal.loss(w);
                let (off, error) =
                    ((net.train_loss - loss).abs(), net.train_loss_error.expect("a second run"));
                assert!(
                    off <= error + 1e-12 * loss,
                    "seed {seed}, t = {t:e}, rtol {rtol:e}: 𝓛 off {off:e}, bar {error:e}"
                );
            }
        }
        tried += 1;
    }
    assert!(tried >= 120, "{tried}");
}
