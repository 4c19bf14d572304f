//! A few smallest eigenvalues by block Davidson iteration, and inertia by Cholesky, against matrices whose spectrum is
//! known by construction.

use groktime::linalg::{Engine, Extremes, SymmetricOperator, smallest_eigenpairs};
use ndarray::{Array1, Array2, ArrayView2};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

struct Dense(Array2<f64>);

impl SymmetricOperator for Dense {
    fn dimension(&self) -> usize {
        self.0.nrows()
    }

    fn apply(&self, x: &[f64], y: &mut [f64]) {
        let product = self.0.dot(&ndarray::aview1(x));
        y.copy_from_slice(product.as_slice().unwrap());
    }
}

/// Q diag(values) Qᵀ with Q a product of a few Householder reflections: near-diagonal, so that the diagonal helps.
fn with_spectrum(values: &[f64], reflections: u64) -> (Array2<f64>, Array2<f64>) {
    let n = values.len();
    let mut q = Array2::eye(n);
    for seed in 0..reflections {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let v: Array1<f64> = Array1::from_shape_simple_fn(n, || StandardNormal.sample(&mut rng));
        let square = v.dot(&v);
        let image = v.dot(&q) * (2.0 / square);
        for (i, mut row) in q.rows_mut().into_iter().enumerate() {
            row.scaled_add(-v[i], &image);
        }
    }
    let scaled = &q * &Array1::from_vec(values.to_vec());
    (scaled.dot(&q.t()), q)
}

fn find(
    a: &Array2<f64>,
    known: ArrayView2<'_, f64>,
    count: usize,
    most_products: usize,
) -> groktime::Result<groktime::linalg::FewEigenpairs> {
    let diagonal = a.diag().to_vec();
    let asked = Extremes { diagonal: &diagonal, known, count, tolerance: 1e-9, most_products };
    smallest_eigenpairs(&Dense(a.clone()), &asked)
}

#[test]
fn constructed_spectra_are_found_with_multiplicity() {
    let n = 240;
    // A double eigenvalue, a near one, a band above; and a spectrum of two values.
    let mut close: Vec<f64> = (0..n).map(|k| 3.0 + 0.05 * k as f64).collect();
    close[..4].copy_from_slice(&[1.0, 1.0, 1.0001, 2.0]);
    let two: Vec<f64> = (0..n).map(|k| if k < 3 { -2.0 } else { 5.0 }).collect();
    for (values, reflections) in [(close, 2), (two, 3)] {
        let (a, q) = with_spectrum(&values, reflections);
        let none = Array2::zeros((0, n));
        let found = find(&a, none.view(), 4, 8000).unwrap();
        assert!(found.residual < 4e-9);
        for (theta, mu) in found.values.iter().zip(&values) {
            assert!((theta - mu).abs() < 1e-10, "{theta} instead of {mu}");
        }
        let gram = found.vectors.dot(&found.vectors.t());
        assert!((&gram - &Array2::<f64>::eye(4)).iter().all(|x| x.abs() < 1e-13));
        let residual =
            found.vectors.dot(&a) - &found.vectors * &found.values.view().insert_axis(ndarray::Axis(1));
        let norm = residual.iter().map(|x| x * x).sum::<f64>().sqrt();
        assert!((norm - found.residual).abs() < 1e-12, "{norm} against {}", found.residual);
        // With the two lowest known, the next ones come first.
        let known = q.slice(ndarray::s![.., ..2]).t().as_standard_layout().into_owned();
        let rest = find(&a, known.view(), 2, 8000).unwrap();
        assert!((rest.values[0] - values[2]).abs() < 1e-9 && (rest.values[1] - values[3]).abs() < 1e-9);
    }
}

#[test]
fn a_cholesky_factorisation_counts() {
    let values: Vec<f64> = (1..=60).map(f64::from).collect();
    let (a, _) = with_spectrum(&values, 3);
    for engine in [Engine::SEQUENTIAL, Engine::PARALLEL] {
        let shifted = |sigma: f64| engine.positive_definite(&a - &(Array2::<f64>::eye(60) * sigma)).unwrap();
        // Between rounding and the first eigenvalue.
        let delta = shifted(1.0 - 1e-11).expect("positive definite");
        assert!(delta > 0.0 && delta < 1e-10);
        assert!(shifted(1.0 + 1e-11).is_none() && shifted(30.5).is_none());
    }
    assert!(Engine::SEQUENTIAL.positive_definite(Array2::zeros((2, 3))).is_err());
    assert!(Engine::SEQUENTIAL.positive_definite(Array2::from_elem((2, 2), f64::NAN)).is_err());
}

#[test]
fn what_cannot_be_done_is_said() {
    let (a, _) = with_spectrum(&(0..200).map(f64::from).collect::<Vec<_>>(), 2);
    let none = Array2::zeros((0, 200));
    let text = |r: groktime::Result<groktime::linalg::FewEigenpairs>| r.unwrap_err().to_string();
    assert!(text(find(&a, none.view(), 0, 100)).contains("number of eigenvalues is 0"));
    assert!(text(find(&a, none.view(), 60, 100)).contains("number of eigenvalues is 60"));
    assert!(text(find(&a, Array2::zeros((1, 7)).view(), 2, 100)).contains("known vectors"));
    assert!(text(find(&a, none.view(), 3, 6)).contains("of 3 eigenvalues converged"));
    let short =
        Extremes { diagonal: &[1.0], known: none.view(), count: 1, tolerance: 1e-9, most_products: 10 };
    assert!(smallest_eigenpairs(&Dense(a), &short).unwrap_err().to_string().contains("diagonal"));
}
