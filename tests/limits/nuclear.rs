//! Minimum nuclear norm completion against an independent conic solver, its certificates, and bad input.
//!
//! The recorded numbers are from Clarabel 0.11.1 (Python package, 2026-11-26) on the semidefinite program
//! min tr P + tr Q with P, Q ⪰ 0 and (P − Q)_Ω = y, tolerances 1e-11, which it reached to about 1e-9; with a
//! penalty the quadratic Σ s²/(2Δ), Δ = nλ/(4m), is added and the value multiplied by λ/2.

use groktime::data::Observations;
use groktime::data::matrices::{LowRank, multiplication_table, random_mask};
use groktime::limits::nuclear::{NuclearLimit, Options, minimum_nuclear_norm, penalised};
use groktime::linalg::Engine;

/// Rank two, entries seen by a rule: mirrored pairs, so multiplicity two off the diagonal.
fn ruled(d: usize) -> Observations {
    let value = |i: usize, j: usize| {
        ((i + 1) * (j + 1)) as f64 / (d * d) as f64 - 0.5 * (i as f64).cos() * (j as f64).cos()
    };
    let all = (0..d).flat_map(|i| (0..d).map(move |j| (i, j)));
    let list: Vec<_> =
        all.filter(|(i, j)| (i * j + 3 * (i + j)) % 5 < 2).map(|(i, j)| (i, j, value(i, j))).collect();
    Observations::from_list(d, &list).expect("valid")
}

/// Not of low rank, each pair once.
fn rough() -> Observations {
    let pairs = (0..12_usize).flat_map(|i| (0..=i).map(move |j| (i, j)));
    let value = |i: usize, j: usize| (1.0 + (i * j) as f64).sin() + if i == j { 0.3 } else { 0.0 };
    let list: Vec<_> =
        pairs.filter(|(i, j)| (2 * i + j) % 3 != 1).map(|(i, j)| (i, j, value(i, j))).collect();
    Observations::from_list(12, &list).expect("valid")
}

fn agrees(limit: &NuclearLimit, objective: f64, entries: Option<[f64; 5]>) {
    let d = limit.matrix.nrows();
    assert!((limit.objective / objective - 1.0).abs() < 1e-7, "{} against {objective}", limit.objective);
    assert!(limit.dual_objective <= objective * (1.0 + 1e-8) && limit.relative_gap <= 1e-8);
    assert_eq!(limit.unique, Some(entries.is_some()));
    let Some(entries) = entries else { return };
    for ((i, j), value) in [(0, 0), (1, 2), (3, 5), (d - 1, d - 2), (4, 4)].into_iter().zip(entries) {
        assert!((limit.matrix[(i, j)] - value).abs() < 2e-4, "({i}, {j}): {} {value}", limit.matrix[(i, j)]);
    }
}

#[test]
fn recorded_values_of_a_conic_solver() {
    let fine = Options { gap: 1e-8, ..Options::default() };
    let exact = |seen: &Observations| minimum_nuclear_norm(seen, &fine).expect("converges");
    let soft = |seen: &Observations| penalised(seen, 0.01, &fine).expect("converges");
    // Not unique: small linear terms of either sign move the conic solver's answer by 0.08.
    agrees(&exact(&ruled(12)), 7.150058121, None);
    let entries = [-0.405455052, 0.137355546, 0.301600029, 0.559900290, -0.025496769];
    agrees(&soft(&ruled(12)), 0.03280375386878, Some(entries));
    let entries = [-0.4975, 0.127422548, 0.200932694, 0.602128783, -0.151124992];
    agrees(&exact(&ruled(20)), 12.39992228, Some(entries));
    let entries = [-0.341471044, 0.097153851, 0.151361638, 0.501639927, -0.086491336];
    agrees(&soft(&ruled(20)), 0.05417633008754, Some(entries));
    let entries = [1.141470985, 0.141120008, 0.256456600, -0.864551449, -0.661397492];
    agrees(&exact(&rough()), 20.885815473, Some(entries));
    let entries = [1.069124897, 0.143830178, 0.198575449, -0.765559922, -0.611636767];
    agrees(&soft(&rough()), 0.0978140193613, Some(entries));
}

#[test]
fn the_paper_s_size_with_certificates() {
    let truth = multiplication_table(97);
    let seen = Observations::from_mask(truth.view(), random_mask(97, 470, 0).expect("a count").view());
    let seen = seen.expect("valid");
    let limit = minimum_nuclear_norm(&seen, &Options::default()).expect("converges");
    assert!(limit.relative_gap <= 1e-7 && limit.largest_residual == 0.0);
    // This mask determines the table.
    let error: f64 = (&limit.matrix - &truth).iter().map(|x| x * x).sum::<f64>().sqrt();
    assert!(error < 1e-4 && limit.rank == 1 && limit.unique == Some(true), "{error:e}");
    // The certificate from scratch: ‖Σ μ_p P_p‖ ≤ 1 and Σ y μ is the bound.
    let mut m = ndarray::Array2::<f64>::zeros((97, 97));
    for (p, mu) in seen.pairs().iter().zip(&limit.multipliers) {
        m[(p.row, p.column)] += 0.5 * mu;
        m[(p.column, p.row)] += 0.5 * mu;
    }
    let norm = Engine::SEQUENTIAL
        .eigh(m.view())
        .expect("symmetric")
        .values
        .iter()
        .fold(0.0_f64, |a, v| a.max(v.abs()));
    assert!(norm <= 1.0 + 1e-12, "{norm}");
    let bound: f64 = seen.pairs().iter().zip(&limit.multipliers).map(|(p, mu)| p.value * mu).sum();
    assert!((bound - limit.dual_objective).abs() < 1e-10 * bound);
}

#[test]
fn penalty_stationarity_and_scaling() {
    let truth =
        LowRank { dimension: 15, rank: 3, negative: 1, spikiness: 0.0, seed: 4 }.draw().expect("valid");
    let seen = Observations::from_mask(truth.view(), random_mask(15, 120, 4).expect("a count").view());
    let seen = seen.expect("valid");
    for decay in [1e-3, 1e-1] {
        let limit = penalised(&seen, decay, &Options::default()).expect("converges");
        // ‖M‖_op ≤ λ for the gradient M = (4/n) Σ s_i P_i of the loss.
        let n = seen.count() as f64;
        let mut m = ndarray::Array2::<f64>::zeros((15, 15));
        for p in seen.pairs() {
            let slope = 2.0 / n * p.multiplicity as f64 * (limit.matrix[(p.row, p.column)] - p.value);
            m[(p.row, p.column)] += slope;
            m[(p.column, p.row)] += slope;
        }
        let norm = Engine::SEQUENTIAL
            .eigh(m.view())
            .expect("symmetric")
            .values
            .iter()
            .fold(0.0_f64, |a, v| a.max(v.abs()));
        assert!(norm <= decay * (1.0 + 1e-3), "{norm} {decay}");
        // A thousand times larger data with a thousand times larger λ: the same W, a thousand times larger.
        let big: Vec<_> = seen.entries().iter().map(|&(i, j)| (i, j, 1e3 * truth[(i, j)])).collect();
        let big =
            penalised(&Observations::from_list(15, &big).expect("valid"), 1e3 * decay, &Options::default())
                .expect("converges");
        assert!((big.objective / limit.objective / 1e6 - 1.0).abs() < 1e-6);
    }
    // So strong a penalty that nothing is left.
    let nothing = penalised(&seen, 1e3, &Options::default()).expect("converges");
    assert!(nothing.nuclear_norm < 1e-5 && nothing.certificate < 1.0, "{nothing:?}");
}

#[test]
fn flat_faces_are_not_unique() {
    // One off-diagonal entry: [[a, 1], [1, b]] with ab = 1 … all of nuclear norm 2 for a = b = t, |t| ≤ 1.
    let seen = Observations::from_list(2, &[(0, 1, 1.0)]).expect("valid");
    let limit = minimum_nuclear_norm(&seen, &Options::default()).expect("converges");
    assert!((limit.nuclear_norm - 2.0).abs() < 1e-6);
    assert_eq!(limit.unique, Some(false));
    let zero = Observations::from_list(3, &[(0, 1, 0.0), (2, 2, 0.0)]).expect("valid");
    assert_eq!(minimum_nuclear_norm(&zero, &Options::default()).expect("trivial").rank, 0);
    assert!(minimum_nuclear_norm(&seen, &Options { gap: 1e-12, ..Options::default() }).is_err());
    assert!(penalised(&seen, 0.0, &Options::default()).is_err());
}
