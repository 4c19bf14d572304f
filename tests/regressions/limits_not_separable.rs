//! Data that no hyperplane separates: the answer is a Farkas vector in every norm.

use groktime::data::Design;
use groktime::data::features::{gaussian_matrix, generator};
use groktime::limits::{Farkas, Limit, max_margin_l1, max_margin_l2};
use groktime::linalg::Threads;
use ndarray::{Array1, Array2, Axis};

/// ν ≥ 0, Σν = 1, and Zᵀν zero to within the rounding of its terms.
fn check(z: &Array2<f64>, proof: &Farkas) {
    let nu = &proof.multipliers;
    assert!(nu.iter().all(|x| *x >= 0.0) && (nu.sum() - 1.0).abs() < 1e-12);
    for column in z.columns() {
        let terms: f64 = column.iter().zip(nu).map(|(x, nu)| (x * nu).abs()).sum();
        assert!(column.dot(nu).abs() <= 1e-12 * terms, "{} of {terms}", column.dot(nu));
    }
}

/// Measurements of two groups as medical data have them: a few latent causes, features that nearly repeat each other at
/// scales from 10⁻³ to 10³, groups that overlap, every feature standardised and no constant one.
fn two_groups(samples: usize, features: usize) -> (Array2<f64>, Vec<f64>) {
    let mut rng = generator(3, 0);
    let mut latent = gaussian_matrix(samples, 4, 1.0, &mut rng);
    let labels: Vec<f64> = (0..samples).map(|i| if i % 8 < 3 { 1.0 } else { -1.0 }).collect();
    latent.column_mut(0).iter_mut().zip(&labels).for_each(|(x, y)| *x += 1.2 * y);
    let mixing = gaussian_matrix(4, features, 1.0, &mut rng);
    let mut x = latent.dot(&mixing) + 0.05 * gaussian_matrix(samples, features, 1.0, &mut rng);
    for (k, mut column) in x.columns_mut().into_iter().enumerate() {
        column *= 10_f64.powi((k % 7) as i32 - 3);
        let mean = column.mean().unwrap();
        column -= mean;
        let deviation = (column.dot(&column) / samples as f64).sqrt();
        column /= deviation;
    }
    (x, labels)
}

#[test]
fn overlapping_groups_have_a_certificate_in_every_norm() {
    let (x, y) = two_groups(400, 30);
    let z = &x * &Array1::from(y.clone()).insert_axis(Axis(1));
    let design = Design::new(x.view()).unwrap();
    let one = max_margin_l1(&design, &y, Threads::One).unwrap().infeasible().expect("the groups overlap");
    check(&z, &one);
    let two = max_margin_l2(&design, &y, Threads::One).unwrap().infeasible().expect("the groups overlap");
    check(&z, &two);
}

/// A sample twice with both labels, and near misses: with a coordinate of its own of any size it is separable.
#[test]
fn a_pair_with_both_labels() {
    let mut rng = generator(5, 0);
    for size in [0.0, 1e-3, 1e-6, 1e-9, 1e-12] {
        let mut x = gaussian_matrix(6, 8, 1.0, &mut rng);
        let first = x.row(0).to_owned();
        x.row_mut(1).assign(&first);
        x.column_mut(7).fill(0.0);
        x[(0, 7)] = size;
        let y = [1.0, -1.0, 1.0, -1.0, 1.0, 1.0];
        let z = &x * &Array1::from(y.to_vec()).insert_axis(Axis(1));
        let design = Design::new(x.view()).unwrap();
        let one = max_margin_l1(&design, &y, Threads::One).unwrap();
        let two = max_margin_l2(&design, &y, Threads::One).unwrap();
        if size == 0.0 {
            check(&z, &one.infeasible().expect("both labels"));
            check(&z, &two.infeasible().expect("both labels"));
        } else {
            for w in [one.found().expect("separable").weights, two.found().expect("separable").weights] {
                let margins = z.dot(&w);
                assert!(margins.iter().all(|m| *m >= 1.0 - 1e-3), "{size:e}: {margins}");
            }
        }
    }
}

/// Measurements as they come, in units from 10⁻³ to 10³ and skewed, many more than features: hundreds of exchanges of the
/// simplex method, after which bounds on rounding that run along with it said nothing. An optimum with its certificate or
/// a proof that there is none, whatever the overlap.
#[test]
fn skewed_measurements_have_an_answer() {
    let mut separable = 0;
    for (seed, shift) in [(1, 0.0), (2, 1.0), (3, 2.0), (4, 3.0), (5, 4.0), (6, 5.0)] {
        let (n, d) = (300, 24);
        let mut rng = generator(seed, 0);
        let labels: Vec<f64> = (0..n).map(|i| if i % 8 < 3 { 1.0 } else { -1.0 }).collect();
        let mut latent = gaussian_matrix(n, 5, 1.0, &mut rng);
        latent.column_mut(0).iter_mut().zip(&labels).for_each(|(x, y)| *x += shift * y);
        let mixing = gaussian_matrix(5, d, 0.3, &mut rng);
        let mut x = (latent.dot(&mixing) + 0.02 * gaussian_matrix(n, d, 1.0, &mut rng)).mapv(f64::exp);
        for (k, mut column) in x.columns_mut().into_iter().enumerate() {
            column *= 10_f64.powi((k % 7) as i32 - 3);
        }
        let z = &x * &Array1::from(labels.clone()).insert_axis(Axis(1));
        let design = Design::new(x.view()).unwrap();
        let one = max_margin_l1(&design, &labels, Threads::One).unwrap_or_else(|e| panic!("{seed}: {e}"));
        let two = max_margin_l2(&design, &labels, Threads::One).unwrap_or_else(|e| panic!("{seed}: {e}"));
        match (one, two) {
            (Limit::Found(one), Limit::Found(two)) => {
                separable += 1;
                for w in [&one.weights, &two.weights] {
                    assert!(z.dot(w).iter().all(|m| *m >= 1.0 - 1e-6), "{seed}");
                }
                // Dual feasible, without a gap.
                let image = z.t().dot(&one.multipliers);
                assert!(one.multipliers.iter().all(|x| *x >= 0.0));
                assert!(image.iter().all(|x| x.abs() <= 1.0 + 1e-9), "{seed}: {image}");
                let norm: f64 = one.weights.iter().map(|w| w.abs()).sum();
                assert!((norm - one.multipliers.sum()).abs() <= 1e-8 * norm, "{seed}");
            }
            (Limit::Infeasible(one), Limit::Infeasible(two)) => {
                check(&z, &one);
                check(&z, &two);
            }
            _ => panic!("{seed}: the norms differ in whether any weights fit"),
        }
    }
    assert!((1..6).contains(&separable), "{separable}");
}
