//! Spectra of the effective theory against exact integers, closed forms and reference numbers.

use groktime::effective::{
    Normalisation, Pair, Problem, Proof, Settings, Task, even_third_eigenvalue, smith_invariants,
};
use groktime::linalg::Engine;
use ndarray::Array2;

use crate::common::effective::{MEAN, ONE, SUM, addition, close, problem, set_a, set_b, set_f, spectrum};

/// Coefficients of det(xI − A), descending, by Faddeev and LeVerrier in exact integers.
fn characteristic(g: &[i64], p: usize) -> Vec<i128> {
    let a: Vec<i128> = g.iter().map(|&x| i128::from(x)).collect();
    let (mut m, mut c) = (vec![0_i128; p * p], vec![1_i128]);
    for k in 1..=p {
        // M ← A M + c_{k−1} I, c_k = −tr(A M)/k.
        let product = |x: &[i128]| -> Vec<i128> {
            (0..p * p).map(|e| (0..p).map(|l| a[(e / p) * p + l] * x[l * p + e % p]).sum()).collect()
        };
        m = product(&m);
        (0..p).for_each(|i| m[i * p + i] += c[k - 1]);
        let am = product(&m);
        c.push(-(0..p).map(|i| am[i * p + i]).sum::<i128>() / k as i128);
    }
    c
}

#[test]
fn spectra_of_full_addition() {
    let ten = [
        30.0,
        31.27158385259952,
        36.54715106644976,
        38.376_524_617_020_2,
        42.13802170041321,
        45.72841614740048,
        47.31482723313703,
        48.623_475_382_979_8,
    ];
    let wanted: [(usize, &[f64]); 4] =
        [(4, &[6.0, 10.0]), (5, &[10.0, 10.0, 16.0]), (6, &[12.0, 14.0, 18.0, 20.0]), (10, &ten)];
    for (p, mu) in wanted {
        let d = Problem::full(addition(p));
        let s = spectrum(&d);
        assert_eq!(s.eigenvalues()[0], 0.0);
        assert_eq!(s.eigenvalues()[1], 0.0);
        s.eigenvalues().iter().skip(2).zip(mu).for_each(|(x, y)| close(*x, *y, 1e-13));
        let h = s.hessian_eigenvalues(MEAN, ONE).unwrap();
        h.iter().skip(2).zip(mu).for_each(|(x, y)| close(*x, 2.0 * y / d.parallelograms() as f64, 1e-13));
    }
    for (p, lambda) in
        [(4, 1.0), (6, 0.307692), (10, 0.085_714_285_7), (15, 0.034_132_592_2), (20, 0.017_886_178_9)]
    {
        let d = Problem::full(addition(p));
        assert_eq!(d.nullity().value, 2);
        let found = spectrum(&d).lambda3(MEAN, Normalisation::Symbols);
        assert!((found - lambda).abs() < 0.6e-6, "{p}: {found}");
    }
    let d = Problem::full(addition(10));
    close(spectrum(&d).lambda3(MEAN, Normalisation::SymbolsLessOne), 0.095_238_095_238, 1e-11);
    // The authors' code: sum convention, Z0 = 9, step size 1e-3: 150 steps; the paper's formula: 10500.
    close(spectrum(&d).steps(SUM, Normalisation::SymbolsLessOne, 1e-3), 150.0, 1e-12);
    close(spectrum(&d).steps(MEAN, Normalisation::SymbolsLessOne, 1e-3), 10_500.0, 1e-12);
}

#[test]
fn characteristic_polynomials_are_exact() {
    let sum_of = |sums: &[u32]| -> Vec<Pair> {
        addition(10).all_pairs().into_iter().filter(|[i, j]| sums.contains(&(i + j))).collect()
    };
    let cases: Vec<(usize, Vec<Pair>, Vec<i128>)> = vec![
        (4, addition(4).all_pairs(), vec![1, -16, 60, 0, 0]),
        (
            10,
            addition(10).all_pairs(),
            vec![
                1,
                -320,
                44_622,
                -3_541_120,
                174_905_481,
                -5_505_530_176,
                107_842_867_992,
                -1_201_788_445_440,
                5_833_025_312_400,
                0,
                0,
            ],
        ),
        (4, set_a(), vec![1, -16, 60, 0, 0]),
        (6, set_b(), vec![1, -26, 207, -496, 315, 0, 0]),
        (
            10,
            sum_of(&[8, 9]),
            vec![1, -88, 3170, -60_500, 660_375, -4_142_500, 14_181_250, -23_187_500, 12_890_625, 0, 0],
        ),
        (
            10,
            set_f(),
            vec![
                1,
                -190,
                15_590,
                -721_240,
                20_567_021,
                -369_989_312,
                4_097_869_102,
                -25_528_476_200,
                68_420_800_800,
                0,
                0,
            ],
        ),
    ];
    for (p, pairs, wanted) in cases {
        let g: Vec<i64> = problem(&addition(p), &pairs).quadratic_form().iter().map(|x| *x as i64).collect();
        assert_eq!(characteristic(&g, p), wanted);
    }
}

#[test]
fn fixed_training_sets() {
    let c: Vec<Pair> =
        addition(10).all_pairs().into_iter().filter(|[i, j]| [8, 9].contains(&(i + j))).collect();
    /// Symbols, training set, parallelograms, eigenvalues of H at Z₀ = 1 above zero, ideal accuracy.
    type Case = (usize, Vec<Pair>, u64, Vec<f64>, f64);
    let cases: [Case; 4] = [
        (4, set_a(), 3, vec![4.0, 6.666_666_666_666_67], 0.6),
        (
            6,
            set_b(),
            5,
            vec![
                0.402_578_471_262_955_3,
                0.994_484_372_501_417_1,
                4.153_264_121_108_703,
                4.849_673_035_126_925,
            ],
            8.0 / 21.0,
        ),
        (
            10,
            c,
            20,
            vec![
                0.107_641_189_430_374_9,
                0.297_588_377_594_310_4,
                0.571_445_410_865_207_5,
                0.882_685_564_675_417_5,
                1.211_440_962_105_537,
                1.533_773_984_517_822,
                1.771_119_531_233_477,
                2.424_304_979_577_853,
            ],
            10.0 / 55.0,
        ),
        (
            10,
            set_f(),
            44,
            vec![
                0.564_984_562_219_872_1,
                0.772_938_725_421_527_7,
                0.877_501_216_901_853_6,
                1.042_276_708_102_631,
                1.056_868_312_233_26,
                1.275_873_479_621_547,
                1.457_164_068_814_839,
                1.588_756_563_048_105,
            ],
            1.0,
        ),
    ];
    for (p, pairs, n, lambda, accuracy) in cases {
        let d = problem(&addition(p), &pairs);
        assert_eq!((d.parallelograms(), d.nullity().value), (n, 2));
        let found = spectrum(&d).hessian_eigenvalues(MEAN, ONE).unwrap();
        found.iter().skip(2).zip(&lambda).for_each(|(x, y)| close(*x, *y, 1e-12));
        let implied = d.implied();
        assert_eq!((implied.rqi, implied.accuracy), (1.0, accuracy));
    }
}

#[test]
fn even_addition_has_a_closed_form_mode() {
    for p in (4..=100).step_by(2) {
        let (d, k) = (Problem::full(addition(p)), p as f64 / 2.0);
        // G(e_0 + e_{p−1}) = k(k+1)(e_0 + e_{p−1}) − (k+1)·1, in exact integers.
        let g = d.quadratic_form();
        for (i, row) in g.rows().into_iter().enumerate() {
            let end = if i == 0 || i == p - 1 { k * (k + 1.0) } else { 0.0 };
            assert_eq!(row[0] + row[p - 1], end - (k + 1.0));
        }
        let third = d.eigenvalues(Engine::SEQUENTIAL).unwrap()[2];
        close(third, even_third_eigenvalue(p).unwrap(), 1e-12);
    }
}

#[test]
fn modular_addition_in_closed_form() {
    for p in [5, 7, 11, 13, 25] {
        let d = Problem::full(Task::modular(p).unwrap());
        let x = p as f64;
        let g = d.quadratic_form();
        g.indexed_iter().for_each(|((i, j), g)| {
            let wanted = (x + 3.0) / 2.0 * (if i == j { x } else { 0.0 } - 1.0);
            assert_eq!(*g, wanted);
        });
        assert_eq!(d.nullity().value, 1);
        let values = d.eigenvalues(Engine::SEQUENTIAL).unwrap();
        values.iter().skip(1).for_each(|mu| close(*mu, x * (x + 3.0) / 2.0, 1e-13));
        let h = spectrum(&d).hessian_eigenvalues(MEAN, ONE).unwrap();
        close(h[p - 1], 8.0 * (x + 3.0) / (x * x - 1.0), 1e-13);
        // A circle, like every representation with mean zero, has the loss 4(p+3)/(p²−1).
        let circle = Array2::from_shape_fn((p, 2), |(k, d)| {
            let angle = std::f64::consts::TAU * k as f64 / x;
            if d == 0 { angle.cos() } else { angle.sin() }
        });
        let s = spectrum(&d);
        let flow = s.flow(circle.view(), Settings::default()).unwrap();
        for t in [0.0, 1.0, 50.0] {
            close(flow.loss(t).unwrap(), 4.0 * (x + 3.0) / (x * x - 1.0), 1e-12);
            let moved = (&flow.state(t).unwrap() - &circle).iter().fold(0.0_f64, |m, x| m.max(x.abs()));
            assert!(moved < 1e-12, "{moved}");
        }
        let mut wanted = vec![1; p - 2];
        wanted.push(p as u128);
        assert_eq!(smith_invariants(&d).unwrap(), wanted);
        // The phases of circles satisfy every parallelogram modulo 2π.
        for w in 0..p as u32 {
            assert!(
                d.enumerate()
                    .all(|[i, j, m, n]| (w * (i + j + 2 * p as u32 - m - n)).is_multiple_of(p as u32))
            );
        }
    }
    for p in [4, 5, 6, 10, 11, 15, 20] {
        let invariants = smith_invariants(&Problem::full(addition(p))).unwrap();
        assert_eq!(invariants, vec![1; p - 2], "no torsion without wrap");
    }
    let large = Problem::full(Task::modular(59).unwrap());
    let invariants = smith_invariants(&large).unwrap();
    assert_eq!((invariants.len(), invariants[57]), (58, 59));
}

#[test]
fn few_smallest_eigenvalues_without_the_matrix() {
    let sets = [
        Problem::full(addition(200)),
        Problem::full(addition(201)),
        Problem::random(addition(160), 2500, 1).unwrap(),
        Problem::random(Task::modular(151).unwrap(), 5000, 2).unwrap(),
        Problem::full(Task::modular(149).unwrap()), // one eigenvalue, 148 times
    ];
    for d in &sets {
        let dense = d.eigenvalues(Engine::PARALLEL).unwrap();
        let largest = dense[dense.len() - 1];
        let rounding = d.symbols() as f64 * f64::EPSILON * largest;
        for proof in [Proof::Numerical, Proof::Inertia] {
            let few = d.smallest_eigenvalues(7, proof).unwrap();
            assert!(few.error < 1e-8 * largest && few.proof == proof, "{few:?}");
            for (a, b) in few.values.iter().zip(&dense) {
                assert!((a - b).abs() <= few.error + rounding, "{a} instead of {b}");
            }
            assert_eq!((few.values.len(), few.nullity), (7, d.nullity()));
        }
    }
    // A set that leaves many structures: zeros without iteration, and beyond them.
    let poor = Problem::random(addition(150), 330, 3).unwrap();
    let n0 = poor.nullity().value;
    assert!(n0 > 3 && poor.smallest_eigenvalues(3, Proof::Numerical).unwrap().values == [0.0; 3]);
    let (few, dense) = (
        poor.smallest_eigenvalues(n0 + 2, Proof::Inertia).unwrap(),
        poor.eigenvalues(Engine::PARALLEL).unwrap(),
    );
    assert!(few.values[n0 - 1] == 0.0 && (few.values[n0 + 1] - dense[n0 + 1]).abs() < few.error + 1e-9);
    let large = Problem::full(addition(1000)).smallest_eigenvalues(3, Proof::Inertia).unwrap();
    assert!((large.values[2] - 500.0 * 501.0).abs() < large.error && large.error < 2e-3, "{large:?}");
    assert!(Problem::full(addition(150)).smallest_eigenvalues(0, Proof::Inertia).is_err());
    assert!(Problem::full(addition(150)).smallest_eigenvalues(151, Proof::Inertia).is_err());
}
