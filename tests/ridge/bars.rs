//! Error bars where numbers are awkward: what is printed lies within its bar of a 240-digit reference.
//!
//! Features whose small singular values are rounding (they count as zero and are not), features near the ends of the
//! range of numbers beside labels of size one, weight decays that leave nothing of the start, teachers whose labels
//! cancel.

use crate::common::*;
use groktime::crossing::Point;
use groktime::data::features::{gaussian_matrix, generator};
use ndarray::Axis;
use rand::RngExt;

const TIMES: [u64; 11] = [0, 1, 2, 3, 7, 50, 1000, 1_000_000, 10_u64.pow(10), 10_u64.pow(14), 10_u64.pow(18)];

fn awkward(seed: u64) -> Case {
    let rng = &mut generator(seed, 91);
    let mut case = random_case(seed, *pick(&[2.0, 30.0, 1e4], rng));
    let (n, m) = case.features.dim();
    match seed % 5 {
        0 => {
            // A product of rank one or two, and what rounding adds to it.
            let k = rng.random_range(1..=2.min(n.min(m)));
            let right = gaussian_matrix(k, m, 1.0, rng).mapv(|x| (4.0 * x).round());
            case.features = (gaussian_matrix(n, k, 1.0, rng) * 7.3).dot(&right);
            case.name += " product";
        }
        1 => {
            let scale = 2.0_f64.powi(*pick(&[-480, -200, 200, 490], rng));
            case.features *= scale;
            if let Test::HeldOut(features, _) = &mut case.test {
                *features *= scale;
            }
            case.settings.weight_decay *= scale * scale;
            case.name += &format!(" features times {scale:e}");
        }
        2 => {
            case.settings.weight_decay = 10.0_f64.powi(*pick(&[20, 150, 220, 290], rng));
            case.name += &format!(" decay {:e}", case.settings.weight_decay);
        }
        3 => {
            // One direction that the teacher hardly has.
            let first = case.features.row(0).to_owned();
            case.features = first.insert_axis(Axis(0));
            if let groktime::ridge::Target::Teacher { weights, noise } = &mut case.target {
                let row = case.features.row(0);
                let along = row.dot(weights) / row.dot(&row);
                weights.scaled_add(-along * (1.0 - 1e-9), &row);
                *noise = None;
            } else if let groktime::ridge::Target::Labels(y) = &mut case.target {
                *y = y.slice(ndarray::s![..1]).to_owned();
            }
            case.name += " one row";
        }
        _ => {}
    }
    let top =
        nalgebra::DMatrix::from_fn(case.features.nrows(), m, |i, j| case.features[(i, j)]).singular_values();
    let fastest = top.max() * top.max() / case.features.nrows() as f64 + case.settings.weight_decay;
    case.settings.step_size = *pick(&[0.5, 0.999, 1.0, 1.7], rng) / fastest;
    case
}

fn covers(what: &str, name: &str, t: u64, point: Point, exact: &Big) -> f64 {
    let apart = distance(point.value, exact);
    let allowed = point.rounding + 1e-323;
    assert!(point.rounding.is_finite(), "{name} t {t} {what}: no bar at {}", point.value);
    assert!(apart <= allowed, "{name} t {t} {what}: {} is {apart:e} off, bar {allowed:e}", point.value);
    point.rounding / f64_of(exact).max(1e-290)
}

#[test]
fn bars_cover_awkward_problems() {
    let problems = if full() { 3000 } else { 150 };
    let mut widths = Vec::new();
    for seed in 0..problems {
        let case = awkward(seed);
        let problem = case.problem();
        let Ok(spectrum) = problem.spectrum(Default::default()) else { continue };
        let Ok(descent) = spectrum.descent(&case.settings) else { continue };
        let reference = Reference::new(&case, false);
        for t in TIMES {
            let name = &case.name;
            widths.push(covers("training loss", name, t, descent.train_loss(t), &reference.train(t)));
            widths.push(covers("test loss", name, t, descent.test_loss(t).unwrap(), &reference.test(t).0));
            let norm = reference.squared_norm(t).with_precision(BITS).value().sqrt();
            widths.push(covers("norm", name, t, descent.bounded_parameter_norm(t), &norm));
        }
    }
    widths.sort_by(f64::total_cmp);
    let (median, most) = (widths[widths.len() / 2], widths[widths.len() * 9 / 10]);
    println!("{} bars, median {median:.1e} of the value, nine in ten below {most:.1e}", widths.len());
    assert!(median < 1e-11, "bars are too wide: {median:e}");
}
