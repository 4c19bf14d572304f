//! Counts, ranks and integer forms of the effective theory against enumeration and brute force.
//!
//! `GROKTIME_FULL=1` draws more and goes to larger p.

use groktime::effective::{Pair, Problem, Tangent, Task, full_parallelograms, smith_invariants};
use groktime::linalg::Engine;
use ndarray::{Array1, Array2, array};
use proptest::prelude::*;

use crate::common::effective::{addition, bareiss_rank, close, enumerated, problem};
use crate::common::full as thorough;

fn tasks() -> Vec<Task> {
    let mut all: Vec<Task> = (2..=12).map(addition).collect();
    all.extend((2..=12).map(|p| Task::modular(p).unwrap()));
    all.extend([Task::s3(), Task::cyclic_product(&[2, 4]).unwrap(), Task::cyclic_product(&[3, 3]).unwrap()]);
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if thorough() { 2000 } else { 200 }))]

    /// Counts, G, products with G, rank, loss, implied parallelograms: all against enumeration.
    #[test]
    fn integers_agree_with_enumeration(which in 0_usize..25, share in 0.05_f64..1.0, seed in 0_u64..1_000_000) {
        let task = tasks().swap_remove(which);
        let p = task.symbols();
        let pairs = task.random_pairs(task.sample_size(share).unwrap_or(1), seed).unwrap();
        let d = problem(&task, &pairs);
        let (count, g) = enumerated(&task, &pairs);
        prop_assert_eq!(d.parallelograms(), count);
        prop_assert_eq!(d.enumerate().count() as u64, count);
        let form = d.quadratic_form();
        prop_assert!(form.iter().zip(&g).all(|(x, &y)| *x == y as f64));

        let e = groktime::data::features::gaussian_matrix(p, 2, 1.0, &mut groktime::data::features::generator(seed, 1));
        let quadratic: f64 = e.columns().into_iter().map(|c| c.dot(&form.dot(&c))).sum();
        prop_assert!((d.loss_sum(e.view()).unwrap() - quadratic).abs() <= 1e-11 * (1.0 + quadratic));
        let (x, mut y) = (e.column(0).to_vec(), vec![0.0; p]);
        d.apply(&x, &mut y).unwrap();
        let wanted = form.dot(&e.column(0));
        prop_assert!(y.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-10 * (1.0 + b.abs())));

        // Exact rank: field against fraction-free elimination of all rows, and against floats with a clear gap.
        let rows: Vec<Vec<i128>> = d.enumerate().map(|[i, j, m, n]| {
            let mut row = vec![0_i128; p];
            for (k, s) in [(i, 1), (j, 1), (m, -1), (n, -1)] { row[k as usize] += s; }
            row
        }).collect();
        let n0 = d.nullity();
        prop_assert!(n0.certified);
        prop_assert_eq!(n0.value, p - bareiss_rank(&rows, p));
        let values = Engine::SEQUENTIAL.eigenvalues(form.view()).unwrap();
        if values.iter().all(|x| *x < 1e-9 || *x > 1e-6) {
            prop_assert_eq!(n0.value, values.iter().filter(|x| **x < 1e-8).count());
        }

        // P(D) as the authors do it: add each parallelogram of the full data and see whether the rank rises.
        if p <= 8 {
            let everything = Problem::full(task.clone());
            let rank = p - n0.value;
            let implied = everything.enumerate().filter(|&[i, j, m, n]| {
                let mut row = vec![0_i128; p];
                for (k, s) in [(i, 1), (j, 1), (m, -1), (n, -1)] { row[k as usize] += s; }
                let mut more = rows.clone();
                more.push(row);
                bareiss_rank(&more, p) == rank
            }).collect::<Vec<_>>();
            let found = d.implied();
            prop_assert_eq!(found.parallelograms, implied.len() as u64);
            let right = everything.samples().iter().filter(|&&s| d.contains(s) || implied.iter().any(|&[i, j, m, n]| {
                ([i, j] == s && d.contains([m, n])) || ([m, n] == s && d.contains([i, j]))
            })).count();
            prop_assert_eq!(found.predicted, right);
        }
    }
}

#[test]
fn counts_of_full_data() {
    let wanted = [
        (4, 3),
        (5, 7),
        (6, 13),
        (9, 50),
        (10, 70),
        (11, 95),
        (15, 252),
        (20, 615),
        (50, 10_100),
        (100, 82_075),
    ];
    for (p, count) in wanted {
        let d = Problem::full(addition(p));
        assert_eq!(d.parallelograms(), count);
        assert_eq!(full_parallelograms(d.task()), count);
        assert_eq!(d.literal_parallelograms(), d.samples().len() as u64 + 2 * count);
    }
    let literal = [(4, 16), (5, 29), (6, 47), (9, 145), (10, 195), (11, 256), (15, 624), (20, 1440)];
    for (p, count) in literal {
        assert_eq!(Problem::full(addition(p)).literal_parallelograms(), count);
    }
    for (p, count) in [(5, 15), (7, 42), (11, 165)] {
        assert_eq!(Problem::full(Task::modular(p).unwrap()).parallelograms(), count);
    }
    assert_eq!(Problem::full(Task::s3()).parallelograms(), 90);
}

/// Every subset, for p = 4 and 6.
#[test]
fn exact_counts_of_unique_structures() {
    let four = [3_u64, 18, 43, 52, 33, 10, 1];
    let six = [
        3, 129, 1594, 9666, 34_479, 78_779, 120_698, 127_420, 94_580, 50_486, 19_951, 5965, 1330, 210, 21, 1,
    ];
    for (p, wanted) in [(4, &four[..]), (6, &six[..])] {
        let task = addition(p);
        let all = task.all_pairs();
        let mut counts = vec![0_u64; all.len() + 1];
        if p == 6 && !thorough() {
            // 2²¹ subsets: the small half by default.
            let small = subsets_up_to(&task, &all, 9);
            assert_eq!(&small[6..=9], &wanted[..4]);
            continue;
        }
        for bits in 1_u32..1 << all.len() {
            let pairs: Vec<Pair> = (0..all.len()).filter(|k| bits >> k & 1 == 1).map(|k| all[k]).collect();
            if pairs.len() >= p && problem(&task, &pairs).nullity().value == 2 {
                counts[pairs.len()] += 1;
            }
        }
        assert_eq!(&counts[p..], wanted);
        assert!(counts[..p].iter().all(|c| *c == 0));
    }
}

/// Unique structures among all subsets of at most `largest` samples: those with at most two classes are
/// skipped when they cannot have the rank.
fn subsets_up_to(task: &Task, all: &[Pair], largest: usize) -> Vec<u64> {
    let mut counts = vec![0; largest + 1];
    for bits in 1_u32..1 << all.len() {
        let size = bits.count_ones() as usize;
        if size < task.symbols() || size > largest {
            continue;
        }
        let pairs: Vec<Pair> = (0..all.len()).filter(|k| bits >> k & 1 == 1).map(|k| all[k]).collect();
        counts[size] += u64::from(problem(task, &pairs).nullity().value == 2);
    }
    counts
}

/// Smith invariants against determinantal divisors of small matrices (gcd of all minors of each order).
#[test]
fn smith_invariants_are_quotients_of_minors() {
    fn minors(rows: &[Vec<i128>], order: usize, width: usize) -> u128 {
        fn choose(n: usize, k: usize) -> Vec<Vec<usize>> {
            if k == 0 {
                return vec![vec![]];
            }
            (k..=n)
                .flat_map(|last| {
                    choose(last - 1, k - 1).into_iter().map(move |mut c| {
                        c.push(last - 1);
                        c
                    })
                })
                .collect()
        }
        fn determinant(m: &[Vec<i128>]) -> i128 {
            if m.is_empty() {
                return 1;
            }
            (0..m.len())
                .map(|c| {
                    let minor: Vec<Vec<i128>> = m[1..]
                        .iter()
                        .map(|r| r.iter().enumerate().filter(|(k, _)| *k != c).map(|(_, x)| *x).collect())
                        .collect();
                    (if c % 2 == 0 { 1 } else { -1 }) * m[0][c] * determinant(&minor)
                })
                .sum()
        }
        let mut gcd = 0_u128;
        for r in choose(rows.len(), order) {
            for c in choose(width, order) {
                let m: Vec<Vec<i128>> = r.iter().map(|&i| c.iter().map(|&j| rows[i][j]).collect()).collect();
                let (mut a, mut b) = (gcd, determinant(&m).unsigned_abs());
                while b != 0 {
                    (a, b) = (b, a % b);
                }
                gcd = a;
            }
        }
        gcd
    }
    for seed in 0..if thorough() { 300 } else { 40 } {
        let p = 4 + (seed % 3) as usize;
        let task = Task::modular(p).unwrap();
        let d = Problem::random(task.clone(), p + (seed / 3 % 5) as usize, seed).unwrap();
        // The rows that span: each sample of a class less the first.
        let rows: Vec<Vec<i128>> = d
            .classes()
            .flat_map(|class| {
                class.iter().skip(1).map(move |s| {
                    let mut row = vec![0_i128; p];
                    s.iter().for_each(|&k| row[k as usize] += 1);
                    class[0].iter().for_each(|&k| row[k as usize] -= 1);
                    row
                })
            })
            .collect();
        let found = smith_invariants(&d).unwrap();
        let mut product = 1;
        for (k, d) in found.iter().enumerate() {
            product *= d;
            assert_eq!(product, minors(&rows, k + 1, p), "seed {seed}");
        }
        assert_eq!(found.len(), bareiss_rank(&rows, p));
    }
}

#[test]
fn dense_assembly_of_large_problems() {
    let cases = [
        (addition(140), 6000),
        (addition(129), 400),
        (Task::modular(131).unwrap(), 4000),
        (Task::modular(128).unwrap(), 2000),
        (Task::cyclic_product(&[2, 65]).unwrap(), 2000),
    ];
    for (task, size) in cases {
        let d = Problem::random(task.clone(), size, 4).unwrap();
        let (count, g) = enumerated(&task, d.samples());
        assert_eq!(d.parallelograms(), count);
        assert!(d.quadratic_form().iter().zip(&g).all(|(x, &y)| *x == y as f64));
    }
    // The parallel product equals the sequential definition.
    let d = Problem::random(addition(600), 100_000, 4).unwrap();
    let x: Vec<f64> = (0..600).map(|k| (k as f64 * 0.37).sin()).collect();
    let mut y = vec![0.0; 600];
    d.apply(&x, &mut y).unwrap();
    let wanted = d.quadratic_form().dot(&Array1::from_vec(x));
    y.iter().zip(&wanted).for_each(|(a, b)| close(*a, *b, 1e-11));
}

#[test]
fn s3_tangent() {
    let s3 = Task::s3();
    let full = Problem::full(s3.clone());
    let tangent = Tangent::s3();
    // Finite differences of E_aE_b − E_cE_d along every direction against the linear conditions.
    let rho = tangent.matrices();
    let direction: Vec<Array2<f64>> = (0..6)
        .map(|a| {
            groktime::data::features::gaussian_matrix(
                3,
                3,
                1.0,
                &mut groktime::data::features::generator(1, a),
            )
        })
        .collect();
    let flat = Array1::from_iter(direction.iter().flatten().copied());
    let quadratic = flat.dot(&tangent.quadratic_form(&full).unwrap().dot(&flat));
    let energy = |h: f64| -> f64 {
        let e: Vec<Array2<f64>> = rho.iter().zip(&direction).map(|(r, d)| r + &(d * h)).collect();
        full.enumerate()
            .map(|[a, b, c, d]| {
                let gap = e[a as usize].dot(&e[b as usize]) - e[c as usize].dot(&e[d as usize]);
                gap.iter().map(|x| x * x).sum::<f64>()
            })
            .sum()
    };
    close((energy(1e-4) + energy(-1e-4)) / 2e-8, quadratic, 1e-6);
    let least = tangent.nullity(&full).unwrap().value;
    let values = tangent.eigenvalues(&full).unwrap();
    assert_eq!(values.iter().filter(|x| **x < 1e-9).count(), least);
    // More samples never leave more freedom, and fewer can.
    let order = s3.random_pairs(36, 5).unwrap();
    let nullities: Vec<usize> =
        (1..=36).map(|n| tangent.nullity(&problem(&s3, &order[..n])).unwrap().value).collect();
    assert!(nullities.windows(2).all(|w| w[0] >= w[1]));
    assert_eq!((nullities[0], nullities[35]), (54, least));
    assert!(tangent.nullity(&Problem::full(addition(6))).is_err());
    // The regular representation of an abelian group.
    let klein = Task::cyclic_product(&[2, 2]).unwrap();
    assert!(Tangent::regular(&klein).unwrap().nullity(&Problem::full(klein)).unwrap().value > 0);
}

#[test]
fn groups_from_tables() {
    let table = |task: &Task| {
        Array2::from_shape_fn((task.symbols(), task.symbols()), |(i, j)| task.class(i, j) as f64)
    };
    for task in [Task::s3(), Task::modular(6).unwrap(), Task::cyclic_product(&[2, 3]).unwrap()] {
        let again = Task::from_table(table(&task).view()).unwrap();
        assert_eq!(again.commutative(), task.commutative());
        assert_eq!(Problem::full(again).quadratic_form(), Problem::full(task).quadratic_form());
    }
    // No group: not a Latin square, not associative, no symbol, not square.
    assert!(Task::from_table(array![[0.0, 1.0], [0.0, 1.0]].view()).is_err());
    let mut loop5 = Array2::from_shape_fn((5, 5), |(i, j)| ((i + j) % 5) as f64);
    loop5.swap([1, 1], [1, 2]);
    assert!(Task::from_table(loop5.view()).is_err());
    let quasigroup = Array2::from_shape_fn((3, 3), |(i, j)| ((2 * i + j) % 3) as f64);
    assert!(Task::from_table(quasigroup.view()).unwrap_err().to_string().contains("associative"));
    assert!(Task::from_table(array![[0.0, 1.0], [1.0, 2.0]].view()).is_err());
    assert!(Task::from_table(array![[0.0, 1.0]].view()).is_err());
}
