//! Appendices I and L: closed forms of two smaller systems, against their equations integrated.

use super::catalogue;
use ndarray::{Array2, ArrayView2};

use super::scalar;
use crate::effective::classes::ClassFlow;
use crate::effective::two_body::TwoBody;
use crate::error::{Result, check};
use crate::theorem::{Form, Hypothesis, Judged, Side};

/// Where the two-body system comes to rest and what it conserves, compared with the equations
/// a' = −2η_A a(r² + γ), r' = −η_x a² r integrated over `time` (classical Runge–Kutta).
///
/// # Errors
/// A rate, a, r or time that is not positive; γ < 0.
pub fn two_body_statements(system: &TwoBody, a: f64, r: f64, time: f64) -> Result<Vec<Judged>> {
    check("time", time, |t| t > 0.0, "a positive number")?;
    let (rest, invariant) = (system.rest(a, r)?, system.invariant(a, r)?);
    let fastest = 2.0 * system.decoder_rate * (r * r + system.decay) + system.embedding_rate * a * a;
    // 200 steps in the time of the fastest motion; the first integrals say what that leaves.
    let steps = ((200.0 * fastest * time).ceil() as usize).clamp(1000, 4_000_000);
    let (end_a, end_r) = runge_kutta(system, a, r, time, steps);
    let (half_a, half_r) = runge_kutta(system, a, r, 0.5 * time, steps);
    let undecayed = || vec![Hypothesis::at_most("γ = 0", system.decay, 0.0)];
    let decayed = || vec![Hypothesis::below("0 < γ", 0.0, system.decay)];
    // What is still to come after the end: the last half of the time moved this much.
    let to_come = |end: f64, half: f64| 1e-9 + 2.0 * (end - half).abs();
    let (a_to_come, r_to_come) = (to_come(end_a, half_a), to_come(end_r, half_r));
    let drift =
        (system.invariant(end_a.max(f64::MIN_POSITIVE), end_r.max(f64::MIN_POSITIVE))? - invariant).abs();
    let size = 1.0 + a * a / (2.0 * system.decoder_rate) + r * r / system.embedding_rate;
    Ok(vec![
        scalar(
            &catalogue::TWO_BODY_INVARIANT,
            Form::Derived,
            "change of the invariant",
            Side::Equal,
            0.0,
            vec![],
        )
        .judge(drift / size, 1e-9),
        scalar(&catalogue::TWO_BODY_DECODER, Form::Derived, "a", Side::Equal, rest.decoder, undecayed())
            .judge(end_a, a_to_come),
        scalar(&catalogue::TWO_BODY_DISTANCE, Form::Derived, "r", Side::Equal, rest.distance, undecayed())
            .judge(end_r, r_to_come),
        scalar(&catalogue::TWO_BODY_DECAYED, Form::Derived, "r", Side::Equal, rest.distance, decayed())
            .judge(end_r, r_to_come),
    ])
}

fn runge_kutta(system: &TwoBody, mut a: f64, mut r: f64, time: f64, steps: usize) -> (f64, f64) {
    let h = time / steps as f64;
    for _ in 0..steps {
        let k1 = system.derivative(a, r);
        let k2 = system.derivative(a + 0.5 * h * k1.0, r + 0.5 * h * k1.1);
        let k3 = system.derivative(a + 0.5 * h * k2.0, r + 0.5 * h * k2.1);
        let k4 = system.derivative(a + h * k3.0, r + h * k3.1);
        a += h / 6.0 * (k1.0 + 2.0 * k2.0 + 2.0 * k3.0 + k4.0);
        r += h / 6.0 * (k1.1 + 2.0 * k2.1 + 2.0 * k3.1 + k4.1);
    }
    (a, r)
}

/// Appendix I: the closed form of labelled points at time t against the gradient flow of
/// ℓ = Σ|f_x − f_y|²/Z integrated (classical Runge–Kutta), and Z conserved.
///
/// # Errors
/// As [`ClassFlow::new`] and [`ClassFlow::at`].
pub fn class_statements(points: ArrayView2<'_, f64>, labels: &[usize], time: f64) -> Result<Vec<Judged>> {
    let flow = ClassFlow::new(points, labels)?;
    let closed = flow.at(time)?;
    let fastest = flow.rates().into_iter().fold(0.0, f64::max);
    let steps = ((100.0 * fastest * time).ceil() as usize).clamp(200, 100_000);
    let h = time / steps as f64;
    let mut f = points.to_owned();
    for _ in 0..steps {
        let k1 = class_gradient(&f, labels);
        let k2 = class_gradient(&(&f + &(&k1 * (0.5 * h))), labels);
        let k3 = class_gradient(&(&f + &(&k2 * (0.5 * h))), labels);
        let k4 = class_gradient(&(&f + &(&k3 * h)), labels);
        f = f + (k1 + k2 * 2.0 + k3 * 2.0 + k4) * (h / 6.0);
    }
    let distance = (&f - &closed).iter().fold(0.0_f64, |m, x| m.max(x.abs())) / flow.z().sqrt();
    let z: f64 = closed.iter().map(|x| x * x).sum();
    Ok(vec![
        scalar(
            &catalogue::CLASSES,
            Form::Derived,
            "distance from the integrated flow",
            Side::Equal,
            0.0,
            vec![],
        )
        .judge(distance, 1e-8),
        scalar(&catalogue::CLASSES_Z, Form::Derived, "relative change of Z", Side::Equal, 0.0, vec![])
            .judge(z / flow.z() - 1.0, 1e-12),
    ])
}

/// −∇(Σ|f_x − f_y|²/Σ|f|²).
fn class_gradient(f: &Array2<f64>, labels: &[usize]) -> Array2<f64> {
    let z: f64 = f.iter().map(|x| x * x).sum();
    let mut pull = Array2::zeros(f.raw_dim());
    let mut energy = 0.0;
    for i in 0..labels.len() {
        for j in 0..i {
            if labels[i] == labels[j] {
                let d = &f.row(i) - &f.row(j);
                energy += d.dot(&d);
                pull.row_mut(i).scaled_add(-2.0 / z, &d);
                pull.row_mut(j).scaled_add(2.0 / z, &d);
            }
        }
    }
    pull + f * (2.0 * energy / (z * z))
}
