//! The modes of a closed form, with bounds on the errors of their coefficients (`theory/ridge.md`,
//! "Rounding").
//!
//! Two kinds of decomposition come here. A Gram matrix is decomposed where its condition number is small;
//! then every vector's error is multiplied by the condition number of its mode, which is at most 32. Where
//! Φ itself was decomposed, however ill-conditioned, what the computed vectors miss is left to
//! [`Turning`], and a mode's own errors are those of projections on orthonormal vectors.

use ndarray::Array1;

use super::closed_form::{Rate, Settings};
use super::curve::{Mode, Turning, Unseen};
use super::spectrum::{Spectrum, norm};
use crate::linalg::EPS;
use crate::trajectory::Clock;

/// Constant of the error of projections, in units of √n·ε.
pub(super) const PROJECTION: f64 = 8.0;

/// Modes of the training residual, of θ_t, and of θ_t − θ*.
pub(super) struct Coefficients {
    pub train: Vec<Mode>,
    pub weights: Vec<Mode>,
    pub excess: Vec<Mode>,
    /// That of what is orthogonal to the rows of Φ, for a vector of length one.
    pub complement: Mode,
    pub unfittable_error: f64,
    /// What a backward error turns: training residuals, and θ_t or θ_t − θ*.
    pub train_turning: Turning,
    pub turning: Turning,
    pub init_norm: f64,
}

/// Errors that are the same for all modes.
struct Errors {
    /// Unit of the error of a projection.
    unit: f64,
    /// ‖E‖ where Φ itself was decomposed.
    backward: Option<f64>,
    init: f64,
    star: f64,
    /// Of labels, or of a teacher's noise.
    free: f64,
    /// Norm of the limit that these have.
    free_limit: f64,
    /// What the labels are summed from: a teacher's may cancel.
    labels: f64,
    top: f64,
}

impl Coefficients {
    pub fn new<T: Clock>(spectrum: &Spectrum<'_>, settings: &Settings, rates: &[Rate]) -> Self {
        let (n, m) = spectrum.shape();
        let (samples, lambda, scale) = (n as f64, settings.weight_decay, settings.init_scale);
        let eigenvalues = spectrum.eigenvalues();
        let k = eigenvalues.len();
        let init: Array1<f64> = &spectrum.init * scale;
        let errors = Errors::new(spectrum, settings, rates);
        let right_complement = (k < m).then(|| complement(&errors, eigenvalues, &rates[k]));
        let left_complement =
            if k < n { right_complement.or_else(|| Some(rate_of(&rates[k]))) } else { None };

        let mut all = Coefficients {
            train: Vec::with_capacity(k),
            weights: Vec::with_capacity(k + 2),
            excess: Vec::with_capacity(k + 2),
            complement: right_complement.unwrap_or_else(|| rate_of(&rates[k])),
            unfittable_error: 0.0,
            train_turning: Turning::default(),
            turning: Turning::default(),
            init_norm: errors.init,
        };
        let mut before = 0.0;
        for i in 0..k {
            let root = eigenvalues[i].sqrt();
            let far = root - before > 0.1 * root && errors.backward.is_some();
            let gap = if far { 1.0 / (root - before) } else { 0.0 };
            before = root;
            let share = eigenvalues[i] / (samples * rates[i].g);
            let mode = Mode { share, gap, ..rate_of(&rates[i]) };
            let [train, weight, excess] = match errors.backward {
                None => well_conditioned(spectrum, &errors, lambda, &rates[i], i, init[i], mode),
                Some(backward) => errors.projected(spectrum, backward, lambda, &rates[i], i, init[i], mode),
            };
            all.train.push(train);
            all.weights.push(weight);
            all.excess.push(excess);
        }
        if let Some(backward) = errors.backward {
            let learned = spectrum.teacher.as_ref().map_or(0.0, |_| errors.star);
            all.turning = Turning {
                decaying: backward * errors.init,
                learned: backward * learned,
                complement: right_complement,
                unseen: Unseen::default(),
            };
            all.train_turning = Turning {
                decaying: 0.0,
                learned: backward * errors.free,
                complement: left_complement,
                unseen: Unseen::default(),
            };
            (all.turning.unseen, all.train_turning.unseen) = unseen::<T>(spectrum, settings);
        }
        // Exactly nothing is left over where everything can be fitted.
        if spectrum.unfittable > 0.0 {
            let moved = match (errors.backward, right_complement) {
                (Some(_), _) => errors.unit * errors.free,
                // The span of the left vectors is known as well as that of the right ones.
                (None, _) => errors.unit * condition(eigenvalues) * spectrum.labels_norm,
            };
            all.unfittable_error = 2.0 * spectrum.unfittable.sqrt() * moved + moved * moved;
        }
        all
    }
}

/// What singular values σ ≤ ε that count as zero do to θ_t, and to the training residual: with w = (1 − f)/(ng), which
/// is at most min(τ/n, 2/(nλ)), the residual of their directions is σfθ₀ − σRθ* + σ²wy, and θ_t moves by σ²wθ* + σwy.
fn unseen<T: Clock>(spectrum: &Spectrum<'_>, settings: &Settings) -> (Unseen, Unseen) {
    let (epsilon, samples) = (spectrum.unseen(), spectrum.shape().0 as f64);
    if epsilon == 0.0 {
        return (Unseen::default(), Unseen::default());
    }
    let star = spectrum.teacher.as_ref().map_or(0.0, |t| t.complement);
    let init = norm(spectrum.init_complement.view()) * settings.init_scale.abs();
    let left_over = spectrum.unfittable.sqrt();
    let tick = if T::STEPS { settings.step_size } else { 1.0 };
    let longest = 2.0 / (settings.weight_decay * tick);
    let speed = epsilon * tick / samples;
    let moved = Unseen { speed: speed * (epsilon * star + left_over), longest, ..Unseen::default() };
    let seen = Unseen {
        decaying: epsilon * init,
        constant: epsilon * star,
        speed: speed * epsilon * left_over,
        longest,
        most: left_over,
        ..Unseen::default()
    };
    (moved, seen)
}

fn condition(eigenvalues: &[f64]) -> f64 {
    match (eigenvalues.first(), eigenvalues.last()) {
        (Some(first), Some(last)) => (last / first).sqrt(),
        _ => 1.0,
    }
}

/// The decay alone.
fn rate_of(rate: &Rate) -> Mode {
    Mode { rate: rate.rate, flips: rate.flips, rate_error: rate.error, rate_top: rate.top, ..Mode::default() }
}

fn complement(errors: &Errors, eigenvalues: &[f64], rate: &Rate) -> Mode {
    let condition = if errors.backward.is_some() { 1.0 } else { condition(eigenvalues) };
    Mode { amplitude_error: errors.unit * condition, ..rate_of(rate) }
}

impl Errors {
    fn new(spectrum: &Spectrum<'_>, settings: &Settings, rates: &[Rate]) -> Errors {
        let (n, m) = spectrum.shape();
        let eigenvalues = spectrum.eigenvalues();
        let free = |i: usize| match &spectrum.teacher {
            None => spectrum.labels[i],
            Some(teacher) => teacher.noise_at(i),
        };
        let free_norm = match &spectrum.teacher {
            None => spectrum.labels_norm,
            Some(teacher) => {
                let noise = teacher.noise.as_ref().map_or(0.0, |noise| norm(noise.view()));
                noise.hypot(spectrum.unfittable.sqrt())
            }
        };
        let limit = |i: usize| eigenvalues[i].sqrt() * free(i) / (n as f64 * rates[i].g);
        let top = eigenvalues.last().copied().unwrap_or(0.0).sqrt();
        let star = spectrum.teacher.as_ref().map_or(0.0, |t| t.norm);
        Errors {
            labels: if spectrum.teacher.is_some() { top * star + free_norm } else { free_norm },
            unit: PROJECTION * (n.min(m) as f64).sqrt() * EPS,
            backward: spectrum.backward_error(),
            init: spectrum.init_norm * settings.init_scale.abs(),
            star,
            free: free_norm,
            free_limit: (0..eigenvalues.len()).map(|i| limit(i).powi(2)).sum::<f64>().sqrt(),
            top,
        }
    }

    /// Where Φ itself was decomposed. With f = ρ^t and R = 1 − s(1 − f)/(ng) the training residual is
    /// σfθ₀ − σRθ* + …, and θ_t − θ* is fθ₀ − Rθ* + …; projections are known to ε of the vectors' norms.
    #[allow(clippy::too_many_arguments)] // one mode
    fn projected(
        &self,
        spectrum: &Spectrum<'_>,
        backward: f64,
        lambda: f64,
        rate: &Rate,
        i: usize,
        init: f64,
        mode: Mode,
    ) -> [Mode; 3] {
        let samples = spectrum.shape().0 as f64;
        let (s, y) = (spectrum.eigenvalues()[i], spectrum.labels[i]);
        let root = s.sqrt();
        let (share, left) = (mode.share, lambda / rate.g);
        let limit = spectrum.limit(i, rate.g);
        let (star, free) = match &spectrum.teacher {
            None => (0.0, y),
            Some(teacher) => (teacher.coordinates[i], teacher.noise_at(i)),
        };
        let s_error = spectrum.eigenvalue_errors()[i] / s + 4.0 * EPS;
        let g_error = spectrum.eigenvalue_errors()[i] / (samples * rate.g) + 4.0 * EPS;
        // How R at f = 0 moves with s, and σ times it.
        let left_error = share * left * s_error + 4.0 * EPS * left;
        // What noise or labels become: divided by σ, and mixed with what no parameters fit.
        let free_limit_error = if self.free == 0.0 {
            0.0
        } else {
            let lean = backward / root * (spectrum.unfittable.sqrt() + root * self.free_limit);
            (share * free / root).abs() * (s_error + g_error) + share / root * (self.unit * self.free + lean)
        };
        let (init_error, star_error) = (self.unit * self.init, self.unit * self.star);
        let seen = self.unit * (self.top * self.star + self.free);
        let train = Mode {
            amplitude: root * (init - limit),
            offset: -left * y,
            amplitude_error: self.top * init_error + share * seen,
            offset_error: left * seen,
            limit_error: y.abs() * left_error,
            ..mode
        };
        let limit_error = star.abs() * left_error + free_limit_error;
        let weight = Mode {
            amplitude: init - limit,
            offset: limit,
            amplitude_error: init_error,
            limit_error: limit_error + share * star_error,
            ..mode
        };
        let excess = Mode {
            offset: spectrum.bias(i, rate.g, lambda),
            amplitude_error: init_error + share * star_error,
            offset_error: left * star_error,
            limit_error,
            ..weight
        };
        [train, weight, excess]
    }
}

/// Where a Gram matrix was decomposed: projections divided by a singular value.
#[allow(clippy::too_many_arguments)] // one mode
fn well_conditioned(
    spectrum: &Spectrum<'_>,
    errors: &Errors,
    lambda: f64,
    rate: &Rate,
    i: usize,
    init: f64,
    mode: Mode,
) -> [Mode; 3] {
    let samples = spectrum.shape().0 as f64;
    let (s, y) = (spectrum.eigenvalues()[i], spectrum.labels[i]);
    let root = s.sqrt();
    let limit = spectrum.limit(i, rate.g);
    let amplitude = init - limit;
    // Relative errors of s and g, and errors of the projections seen from direction v_i.
    let s_error = spectrum.eigenvalue_errors()[i] / s + 4.0 * EPS;
    let g_error = spectrum.eigenvalue_errors()[i] / (samples * rate.g) + 4.0 * EPS;
    // q_i leans towards what cannot be fitted by the condition number of its singular value.
    let lean = errors.top / root * spectrum.unfittable.sqrt();
    let label_error = errors.unit * (errors.labels + lean);
    let limit_error = limit.abs() * (s_error + g_error) + root / (samples * rate.g) * label_error;
    let start_error = errors.unit * errors.init * errors.top / root;
    let train = Mode {
        amplitude: root * amplitude,
        offset: -lambda / rate.g * y,
        amplitude_error: root * (start_error + limit_error),
        offset_error: lambda / rate.g * (label_error + y.abs() * g_error),
        ..mode
    };
    let weight = Mode {
        amplitude,
        offset: limit,
        amplitude_error: start_error + limit_error,
        offset_error: limit_error,
        ..mode
    };
    let Some(teacher) = &spectrum.teacher else { return [train, weight, weight] };
    let noise = teacher.noise_at(i);
    let star_error = errors.unit * teacher.norm * errors.top / root;
    let noise_error = if noise == 0.0 { 0.0 } else { label_error };
    let offset = spectrum.bias(i, rate.g, lambda);
    let excess = Mode {
        offset,
        offset_error: offset.abs() * g_error
            + (root * noise).abs() / (samples * rate.g) * s_error
            + lambda / rate.g * star_error
            + root * noise_error / (samples * rate.g),
        ..weight
    };
    [train, weight, excess]
}
