//! Flows and their limits: small, short, and hostile.

use groktime::Loss;
use groktime::completion::{self, Record, SlowSettings};
use groktime::data::Observations;
use groktime::data::design::Design;
use groktime::diagonal::{self, Init, SlowFlow};
use groktime::limits::{self, nuclear};
use groktime::linalg::Threads;
use groktime::ode::{DenseFlow, Direction, Options, bdf, dop853};
use groktime::trajectory::{Observable, Trajectory};

use crate::hostile::Draw;

const ONE: Threads = Threads::One;
const LOSSES: [Loss; 3] = [Loss::Exponential, Loss::Logistic, Loss::Squared];

/// A small problem, mostly one that fits.
fn diagonal_problem(draw: &mut Draw) -> Option<(diagonal::Problem, usize)> {
    let (n, d) = (draw.size(3), draw.size(5));
    let x = match draw.chance(0.5) {
        true => draw.matrix(n, d).mapv(|v| if v > 0.0 { 1.0 } else { -1.0 }),
        false => draw.matrix(n, d),
    };
    let design = draw.note(Design::new(x.view()))?;
    let loss = draw.pick(&LOSSES);
    let labels = if loss == Loss::Squared { draw.vector(n).to_vec() } else { draw.signs(n) };
    Some((draw.note(diagonal::Problem::new(design, labels, loss))?, d))
}

fn diagonal_init(draw: &mut Draw, d: usize) -> Init {
    match draw.chance(0.6) {
        true => Init::Symmetric(draw.positive(0.05, 5.0)),
        false => {
            let mut side = || draw.vector(d).iter().map(|v| v.abs() + 0.1).collect();
            Init::Each { u: side(), v: side() }
        }
    }
}

pub fn diagonal(draw: &mut Draw) {
    let Some((problem, d)) = diagonal_problem(draw) else { return };
    let settings = diagonal::Settings {
        depth: if draw.chance(0.1) { draw.below(2) as u32 } else { 2 + draw.below(3) as u32 },
        init: diagonal_init(draw, d),
        weight_decay: if draw.chance(0.2) { 0.0 } else { draw.positive(1e-4, 1.0) },
        horizon: draw.positive(1e-2, 100.0),
        rtol: draw.positive(1e-8, 1e-3),
        threads: ONE,
    };
    if let Some(run) = draw.note(problem.integrate(&settings)) {
        let times = [0.0, settings.horizon, draw.positive(1e-3, 100.0)];
        for t in times {
            draw.note(run.snapshot(t));
            draw.note(run.parameters(t));
        }
        draw.note(run.observe(&times, &[Observable::TrainLoss, Observable::ParameterNorm]));
    }
}

pub fn slow_diagonal(draw: &mut Draw) {
    let Some((problem, d)) = diagonal_problem(draw) else { return };
    let (init, depth) = (diagonal_init(draw, d), 2 + draw.below(3) as u32);
    let horizon = draw.positive(0.1, 10.0);
    if let Some(flow) = draw.note(SlowFlow::new(&problem, &init, depth, horizon)) {
        let tau = draw.positive(0.01, 10.0);
        draw.note(flow.snapshot(tau));
        let (k, fraction) = (draw.below(d + 1), draw.positive(0.1, 0.9));
        draw.note(flow.extinction(k, fraction));
    }
}

pub fn completion(draw: &mut Draw) {
    let d = draw.size(4);
    let count = draw.below(7);
    let list: Vec<(usize, usize, f64)> =
        (0..count).map(|_| (draw.below(4) % d.max(1), draw.below(4) % d.max(1), draw.number())).collect();
    let Some(observations) = draw.note(Observations::from_list(d, &list)) else { return };
    let truth = draw.chance(0.3).then(|| draw.matrix(d, d));
    let coordinate = draw.positive(0.1, 10.0);
    let init = match draw.below(3) {
        0 => completion::Init::Identity { coordinate },
        1 => completion::Init::Perturbed { coordinate, std: draw.positive(1e-6, 1e-2), seed: draw.seed() },
        _ => completion::Init::Factors { u: draw.matrix(d, d), v: draw.matrix(d, d) },
    };
    let gap = draw.positive(1e-8, 1e-2);
    draw.note(nuclear::minimum_nuclear_norm(&observations, &nuclear::Options { threads: ONE, gap }));
    let decay = draw.positive(1e-3, 1.0);
    draw.note(nuclear::penalised(&observations, decay, &nuclear::Options { threads: ONE, gap: 1e-6 }));
    let Some(problem) = draw.note(completion::Problem::new(observations, truth, init)) else { return };
    let settings = completion::Settings {
        weight_decay: decay,
        horizon: draw.positive(1e-2, 50.0),
        rtol: draw.positive(1e-8, 1e-3),
        rank_tolerance: draw.positive(1e-8, 1e-2),
        threads: ONE,
        record: match draw.chance(0.7) {
            true => Record::Path,
            false => Record::At(draw.vector(3).to_vec()),
        },
    };
    if let Some(solution) = draw.note(problem.flow(&settings)) {
        let t = draw.positive(1e-3, 50.0);
        draw.note(solution.residuals(t));
        draw.note(solution.observe(&[t], &[Observable::TrainLoss, Observable::ParameterNorm]));
    }
    let slow = SlowSettings {
        horizon: draw.positive(0.1, 5.0),
        rtol: settings.rtol,
        rank_tolerance: 1e-6,
        threads: ONE,
    };
    draw.note(problem.slow_flow(&slow));
}

pub fn limits(draw: &mut Draw) {
    let (n, d) = (draw.size(4), draw.size(6));
    let x = draw.matrix(n, d);
    let Some(design) = draw.note(Design::new(x.view())) else { return };
    let (signs, values) = (draw.signs(n), draw.vector(n).to_vec());
    match draw.below(4) {
        0 => {
            if let Some(limit) = draw.note(limits::max_margin_l1(&design, &signs, ONE)) {
                limit.found();
            }
        }
        1 => drop(draw.note(limits::max_margin_l2(&design, &signs, ONE))),
        2 => {
            draw.note(limits::min_l1(&design, &values, ONE));
            draw.note(limits::min_norm(&design, &values, ONE));
            let costs: Vec<f64> = (0..draw.about(d)).map(|_| draw.positive(0.1, 2.0)).collect();
            draw.note(limits::min_weighted_l1(&design, &values, &costs, &costs, ONE));
        }
        _ => {
            let loss = draw.pick(&LOSSES);
            let y = if loss == Loss::Squared { &values } else { &signs };
            let decay = draw.positive(1e-3, 1.0);
            draw.note(limits::regularised(&design, y, loss, decay, ONE));
        }
    }
}

pub fn ode(draw: &mut Draw) {
    let n = draw.size(3);
    let (a, start) = (draw.matrix(n, n), draw.vector(n).to_vec());
    let (kind, poison) = (draw.below(4), draw.positive(0.1, 3.0));
    let (rows, columns) = a.dim();
    let entry = |i: usize, j: usize| if i < rows && j < columns { a[(i, j)] } else { 0.0 };
    let f = |t: f64, y: &[f64], dy: &mut [f64]| {
        for (i, slope) in dy.iter_mut().enumerate() {
            *slope = (0..y.len()).map(|j| entry(i, j) * y[j]).sum();
            match kind {
                1 if t > poison => *slope = f64::NAN,
                2 => *slope += y[i] * y[i],
                3 => *slope -= 1e6 * (y[i] - t.cos()),
                _ => {}
            }
        }
    };
    let jacobian = |_: f64, y: &[f64], mut out: ndarray::ArrayViewMut2<'_, f64>| {
        for i in 0..y.len() {
            for j in 0..y.len() {
                out[(i, j)] = entry(i, j);
            }
            out[(i, i)] += [0.0, 0.0, 2.0 * y[i], -1e6][kind];
        }
    };
    let options = Options {
        rtol: draw.positive(1e-9, 1e-3),
        atol: draw.positive(1e-12, 1e-3),
        max_order: draw.size(5),
        max_steps: 2000,
        ..Options::default()
    };
    let (from, to) = (draw.number(), draw.number());
    let span = if draw.chance(0.8) { 0.0..to.abs() } else { from..to };
    let mut flow = DenseFlow::new(n, f, jacobian);
    if let Some(solution) = draw.note(bdf(&mut flow, span.clone(), &start, &options)) {
        let mut y = vec![0.0; n];
        let t = draw.number();
        draw.note(solution.path.eval(t, &mut y));
        solution.path.first_root(|p| p.y[0] - 0.1, Direction::Both);
    }
    draw.note(dop853(&mut flow, span, &start, &options));
}
