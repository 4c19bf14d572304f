//! What is linear: data, matrices, ridge regression, grids.

use groktime::data::components::{effective_dimension, principal_components};
use groktime::data::features::{gaussian_with_covariance, generator};
use groktime::data::matrices::{LowRank, coherence, cosine_similarity, random_mask, random_subset};
use groktime::data::{Covariance, FourierFeatures, Observations, ReluFeatures};
use groktime::linalg::{self, Engine};
use groktime::ridge::{
    Control, Decomposition, Features, InitAverage, Knob, Population, Problem, Recipe, Sample, Settings,
    Target, Teacher,
};
use groktime::sweep::grid;

use ndarray::Array2;

use crate::hostile::Draw;

const ENGINE: Engine = Engine::SEQUENTIAL;

/// A + Aᵀ, or A itself when it is not square.
fn symmetrised(a: &Array2<f64>) -> Array2<f64> {
    if a.is_square() { a + &a.t() } else { a.clone() }
}

pub fn data(draw: &mut Draw) {
    let (n, m) = (draw.size(4), draw.size(4));
    let x = draw.matrix(n, m);
    match draw.below(8) {
        0 => {
            let variance = draw.positive(0.1, 10.0);
            if let Some(map) = draw.note(ReluFeatures::new(x, variance)) {
                let inputs = draw.matrix(3, m);
                draw.note(map.map(inputs.view(), ENGINE));
                let teacher = draw.vector(m);
                draw.note(map.neuron_moments(teacher.view()));
                let covariance = Covariance::Relu(&map);
                let width = draw.about(n);
                if draw.note(covariance.validate(width)).is_some() && width == covariance.dimension() {
                    let v = draw.matrix(width, 2);
                    draw.note(covariance.apply(v.view()));
                    draw.note(covariance.extreme_eigenvalues(10, ENGINE));
                }
            }
        }
        1 => {
            let variance = draw.positive(0.1, 10.0);
            let phases = draw.vector(n);
            if let Some(map) = draw.note(FourierFeatures::new(x, phases, variance)) {
                let inputs = draw.matrix(3, m);
                draw.note(map.map(inputs.view(), ENGINE));
                let (teacher, phase) = (draw.vector(m), draw.number());
                draw.note(map.teacher_outputs(teacher.view(), phase, inputs.view()));
                draw.note(map.teacher_moments(teacher.view(), phase));
            }
        }
        2 => {
            let covariance = match draw.chance(0.5) {
                true => Covariance::Isotropic { dimension: draw.size(4), variance: draw.positive(0.1, 10.0) },
                false => Covariance::Dense(x.view()),
            };
            let width = draw.about(covariance.dimension());
            if draw.note(covariance.validate(width)).is_some() {
                draw.note(covariance.extreme_eigenvalues(10, ENGINE));
                let v = draw.matrix(covariance.dimension(), 2);
                draw.note(covariance.apply(v.view()));
            }
            draw.note(gaussian_with_covariance(2, x.view(), &mut generator(0, 0)));
        }
        3 => {
            let count = draw.below(6);
            let list: Vec<_> = (0..count).map(|_| (draw.below(5), draw.below(5), draw.number())).collect();
            let d = draw.size(4);
            if let Some(seen) = draw.note(Observations::from_list(d, &list)) {
                assert!(seen.count() <= 2 * list.len());
                seen.graph();
            }
        }
        4 => {
            let mask = draw.matrix(n, n).mapv(|v| f64::from(v > 0.0));
            let truth = draw.matrix(n, n);
            draw.note(Observations::from_mask(symmetrised(&truth).view(), symmetrised(&mask).view()));
            draw.note(Observations::from_mask(x.view(), mask.view()));
        }
        5 => {
            draw.note(cosine_similarity(x.view()));
            draw.note(coherence(x.view()));
            draw.note(principal_components(x.view()));
            draw.note(effective_dimension(x.view()));
        }
        6 => {
            let (total, count, seed) = (draw.size(9), draw.size(9), draw.seed());
            draw.note(random_subset(total, count, seed));
            draw.note(random_mask(total, count, seed));
        }
        _ => {
            let low = LowRank {
                dimension: draw.size(5),
                rank: draw.size(3),
                negative: draw.size(3),
                spikiness: draw.number(),
                seed: draw.seed(),
            };
            draw.note(low.draw());
        }
    }
}

pub fn linalg(draw: &mut Draw) {
    let (n, m) = (draw.size(5), draw.size(5));
    let a = draw.matrix(n, n);
    let symmetric = symmetrised(&a);
    let b = draw.matrix(n, m);
    match draw.below(5) {
        0 => {
            draw.note(ENGINE.eigh(symmetric.view()));
            draw.note(ENGINE.eigenvalues(symmetric.view()));
            draw.note(ENGINE.eigh(b.view()));
        }
        1 => {
            if let Some(t) = draw.note(ENGINE.tridiagonal(symmetric)) {
                draw.note(t.coordinates(b.view()));
                draw.note(t.eigenvectors());
                t.is_conditioned(1e3);
                draw.note(t.solve(b.view()));
            }
        }
        2 => {
            draw.note(ENGINE.thin_svd(b.view()));
            if let Some(svd) = draw.note(ENGINE.thin_svd(a.view())) {
                linalg::numerical_rank(&svd.values.to_vec(), n, n);
            }
        }
        3 => {
            let gram = ENGINE.gram(b.view());
            if let Some(l) = draw.note(ENGINE.cholesky(gram.view())) {
                draw.note(ENGINE.inverse_of_cholesky(l.view()));
            }
            draw.note(ENGINE.cholesky(symmetric.view()));
            draw.note(ENGINE.positive_definite(symmetric));
        }
        _ => {
            draw.note(ENGINE.lu(a.view()));
            draw.note(ENGINE.matmul(a.view(), b.view()));
            let x = draw.vector(n);
            draw.note(ENGINE.matvec(a.view(), x.view()));
            draw.note(linalg::check_symmetric("matrix", a.view()));
        }
    }
}

pub fn ridge(draw: &mut Draw) {
    let (n, m) = (draw.size(4), draw.size(6));
    let features = draw.matrix(n, m);
    let target = match draw.below(3) {
        0 => Target::teacher(draw.vector(m)),
        1 => Target::Teacher { weights: draw.vector(m), noise: Some(draw.vector(n)) },
        _ => Target::Labels(draw.vector(n)),
    };
    let dense = draw.matrix(m, m);
    let gram = ENGINE.gram(dense.view());
    let held_out = draw.matrix(3, m);
    let population = match draw.below(4) {
        0 => Population::isotropic(draw.about(m), draw.positive(0.1, 2.0)),
        1 => Population { covariance: Some(Covariance::Dense(gram.view())), ..Default::default() },
        2 => Population {
            sample: Some(Sample { features: held_out.view(), labels: draw.vector(3) }),
            ..Default::default()
        },
        _ => Population::default(),
    };
    let problem = Problem { features: features.view(), target, init: draw.vector(m), population };
    draw.note(Decomposition::new(features.view(), ENGINE));
    let Some(spectrum) = draw.note(problem.spectrum(ENGINE)) else { return };
    let settings = Settings {
        step_size: draw.positive(1e-3, 1.0),
        weight_decay: if draw.chance(0.3) { 0.0 } else { draw.positive(1e-6, 1.0) },
        init_scale: draw.positive(0.1, 10.0),
        accuracy_tolerance: draw.positive(1e-3, 1.0),
    };
    let (train, test) = (draw.positive(1e-6, 1.0), draw.positive(1e-6, 1.0));
    let t = draw.positive(1e-3, 1e12);
    if let Some(form) = draw.note(spectrum.descent(&settings)) {
        let step = t as u64;
        form.train_loss(step);
        form.test_loss(step);
        form.ln_train_loss(step);
        form.ln_test_loss(step);
        form.parameter_norm(step);
        form.test_accuracy(step);
        draw.note(form.times(train, test));
        draw.note(form.first_accurate(test));
    }
    if let Some(form) = draw.note(spectrum.flow(&settings)) {
        form.train_loss(t);
        form.test_loss(t);
        form.test_accuracy(t);
        draw.note(form.times(train, test));
        draw.note(form.train_sensitivity(train));
        draw.note(form.test_sensitivity(test));
    }
    if draw.chance(0.2) {
        if let Some(average) = draw.note(InitAverage::new(&spectrum)) {
            let form = spectrum.descent(&settings);
            if let Ok(form) = form {
                let variance = draw.positive(0.1, 10.0);
                draw.note(average.train_loss(&form, 3, variance));
                draw.note(average.test_loss(&form, 3, variance));
            }
        }
        let control = Control {
            knob: match draw.below(3) {
                0 => Knob::WeightDecay,
                1 => Knob::InitVariance { drawn: draw.positive(0.1, 10.0) },
                _ => Knob::Threshold,
            },
            range: (draw.positive(1e-6, 1e-3), draw.positive(1e-3, 1.0)),
            points: draw.size(5),
            delay: draw.positive(1.0, 1e6),
            thresholds: (train, test),
        };
        draw.note(control.descent(&spectrum, &settings));
    }
}

pub fn recipes(draw: &mut Draw) {
    let features = match draw.below(4) {
        0 => Features::Gaussian,
        1 => Features::Sphere { bound: draw.positive(0.1, 10.0) },
        2 => Features::Relu {
            input_dim: draw.size(4),
            hidden_variance: draw.positive(0.1, 10.0),
            input_variance: draw.positive(0.1, 10.0),
        },
        _ => Features::Fourier {
            input_dim: draw.size(4),
            frequency_variance: draw.positive(0.1, 10.0),
            input_variance: draw.positive(0.1, 10.0),
        },
    };
    let recipe = Recipe {
        features,
        teacher: draw.pick(&[Teacher::Zero, Teacher::Unit, Teacher::ReluNeuron, Teacher::FourierFeature]),
        samples: draw.size(5),
        width: draw.size(8),
        init_variance: draw.positive(0.1, 10.0),
        noise_std: if draw.chance(0.5) { 0.0 } else { draw.positive(0.1, 1.0) },
        test_samples: draw.size(5),
        seed: draw.seed(),
    };
    if let Some(instance) = draw.note(recipe.draw()) {
        draw.note(instance.problem().spectrum(ENGINE));
    }
}

pub fn grids(draw: &mut Draw) {
    let (from, to, points) = (draw.positive(1e-3, 10.0), draw.positive(1e-3, 10.0), draw.size(6));
    draw.note(grid::linear(from, to, points));
    draw.note(grid::logarithmic(from, to, points));
    let law = match draw.below(3) {
        0 => grid::Law::Uniform { from, to },
        1 => grid::Law::LogUniform { from, to },
        _ => grid::Law::Integer { from: from as u64, to: to as u64 },
    };
    let (seed, stream) = (draw.seed(), draw.seed());
    draw.note(law.draw(points, seed, stream));
    let observed: Vec<f64> = draw.vector(6).to_vec();
    let times: Vec<f64> = match draw.chance(0.7) {
        true => (1..=6).map(f64::from).collect(),
        false => draw.vector(6).to_vec(),
    };
    use groktime::grokking::{DoubleDescent, StageRule, TwoStages};
    draw.note(TwoStages::find(&times, &observed, StageRule::default()));
    let part = draw.positive(1e-2, 1.0);
    draw.note(DoubleDescent::find(&times, &observed, part));
}
