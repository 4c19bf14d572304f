//! Random settings of the generators with all statements on: no theorem is accused. The same hunt, twenty times as
//! long, is counted in docs/src/robustness.md.

use groktime::data::features::{gaussian_matrix, generator};
use groktime::effective::{
    Convention, Gradient, Match, Normalisation, Problem, Settings as FlowSettings, Task, normalised,
};
use groktime::linalg::Engine;
use groktime::network::theorems::{norm_identity, pure_decay, rank_bounds};
use groktime::network::{
    Activation, Bias, Criterion, Init, Inputs, Law, Net, Optimiser, Precision, Sample, Settings as Training,
};
use groktime::ridge::theorems::Inputs as Told;
use groktime::ridge::{Features, Recipe, Settings, Teacher};
use groktime::theorem::{Judged, Outcome};
use rand::{Rng, RngExt};

fn decades(rng: &mut impl Rng, lo: f64, hi: f64) -> f64 {
    10.0_f64.powf(rng.random_range(lo..hi))
}

/// No accusation, and no comparison without a value.
fn innocent(judged: &[Judged], setting: &str) {
    for j in judged {
        let reason = j.verdict.reason.as_deref().unwrap_or_default();
        assert!(
            j.verdict.outcome != Outcome::Violated && !reason.contains("no value"),
            "{}: {:?} in {setting}",
            j.statement.source,
            j.verdict
        );
    }
}

#[test]
fn ridge() {
    for seed in 0..50 {
        let mut rng = generator(seed, 77);
        let features = match rng.random_range(0..3) {
            0 => Features::Sphere { bound: decades(&mut rng, -1.0, 1.0) },
            _ => Recipe::default().features,
        };
        let recipe = Recipe {
            features,
            teacher: if rng.random_bool(0.4) { Teacher::Zero } else { Teacher::Unit },
            samples: rng.random_range(1..30),
            width: rng.random_range(1..100),
            init_variance: decades(&mut rng, -6.0, 6.0),
            noise_std: if rng.random_bool(0.3) { decades(&mut rng, -3.0, 1.0) } else { 0.0 },
            seed,
            ..Recipe::default()
        };
        let drawn = recipe.draw().unwrap();
        let problem = drawn.problem();
        let spectrum = problem.spectrum(Engine::SEQUENTIAL).unwrap();
        let weight_decay = match rng.random_range(0..6) {
            0 => 0.0,
            1 => 1e-300,
            2 => decades(&mut rng, -200.0, -100.0),
            _ => decades(&mut rng, -8.0, 0.5),
        };
        let share = [1.0, 1.0 - 1e-13, 1.0 - f64::EPSILON, rng.random_range(0.0..1.0), 0.5];
        let step_size =
            (spectrum.largest_stable_step(weight_decay) * share[rng.random_range(0..5)]).clamp(1e-300, 1e300);
        let settings = Settings { step_size, weight_decay, ..Settings::default() };
        let told = Told {
            train_threshold: decades(&mut rng, -12.0, 3.0),
            test_threshold: decades(&mut rng, -12.0, 3.0),
            init_variance: Some(recipe.init_variance),
            ..Told::default()
        };
        let setting = format!("{recipe:?} {settings:?} {told:?}");
        innocent(&spectrum.descent(&settings).unwrap().statements(&told).unwrap(), &setting);
        innocent(&spectrum.flow(&settings).unwrap().statements(&told).unwrap(), &setting);
    }
}

#[test]
fn effective() {
    for seed in 0..50 {
        let mut rng = generator(seed, 78);
        let p = rng.random_range(3..13);
        let task = match rng.random_range(0..4) {
            0 => Task::modular(p).unwrap(),
            1 if seed % 5 == 0 => Task::s3(),
            _ => Task::addition(p).unwrap(),
        };
        let size = rng.random_range(1..=task.samples());
        let problem = Problem::random(task, size, seed).unwrap();
        let spectrum = problem.spectrum(Engine::SEQUENTIAL).unwrap();
        let setting = format!("p = {p}, {size} samples, seed {seed}");
        innocent(&spectrum.statements().unwrap(), &setting);
        if !problem.task().commutative() || problem.parallelograms() == 0 {
            continue;
        }
        let raw = gaussian_matrix(problem.symbols(), 1 + (seed % 3) as usize, 1.0, &mut rng);
        let mut start = normalised(raw.view(), Normalisation::SymbolsLessOne).unwrap();
        start += if rng.random_bool(0.5) { decades(&mut rng, -3.0, 3.0) } else { 0.0 };
        let settings = FlowSettings {
            gradient: if rng.random_bool(0.5) { Gradient::Full } else { Gradient::Linear },
            convention: if rng.random_bool(0.5) { Convention::Mean } else { Convention::Sum },
            matching: Match::Norm { delta: decades(&mut rng, -3.0, 0.0) },
        };
        innocent(&spectrum.flow(start.view(), settings).unwrap().statements().unwrap(), &setting);
    }
}

#[test]
fn networks() {
    let activations = [Activation::Relu, Activation::Tanh, Activation::Quadratic, Activation::Identity];
    for seed in 0..8 {
        let mut rng = generator(seed, 79);
        let activation = activations[rng.random_range(0..4)];
        let bias = [Bias::None, Bias::First, Bias::All][rng.random_range(0..3)];
        let net = Net::new(&[4, 1 + rng.random_range(1..10), 8, 3], activation, bias).unwrap();
        let init = Init { law: Law::Torch, scale: decades(&mut rng, -1.0, 1.0), ..Init::default() };
        let theta = net.init(&init, seed).unwrap();
        let x = gaussian_matrix(7, 4, 1.0, &mut rng);
        let sample = Sample::classes(x.view(), (0..7).map(|i| i % 3).collect());
        let setting = format!("{activation:?} {bias:?} seed {seed}");
        for precision in [Precision::Single, Precision::Double] {
            let optimiser = if seed % 2 == 0 { Optimiser::Descent } else { Optimiser::ADAMW };
            let settings = Training {
                optimiser,
                weight_decay: decades(&mut rng, -4.0, 0.0),
                step_size: decades(&mut rng, -4.0, -2.0),
                criterion: Criterion::CrossEntropy,
                precision,
                ..Training::default()
            };
            let start = theta.iter().map(|x| x * x).sum::<f64>().sqrt();
            let mut training = groktime::network::Training::new(&net, &sample, &settings, &theta).unwrap();
            for _ in 0..300 {
                training.step();
            }
            let end = training.parameters().to_vec();
            innocent(&[pure_decay(&mut training, start).unwrap()], &setting);
            innocent(&rank_bounds(&net, &end, &Inputs::Vectors(x.clone()), precision).unwrap(), &setting);
            let identity = norm_identity(&net, &sample, Criterion::CrossEntropy, 0.1, &end).unwrap();
            innocent(&[identity], &setting);
        }
    }
}
