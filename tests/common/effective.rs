//! What the tests of the effective theory share: definitions taken literally, training sets of the paper.

use groktime::effective::{Convention, Duplicates, Normalisation, Pair, Problem, Task};
use groktime::linalg::Engine;

pub const ONE: Normalisation = Normalisation::One;

pub const MEAN: Convention = Convention::Mean;

pub const SUM: Convention = Convention::Sum;

pub fn addition(p: usize) -> Task {
    Task::addition(p).unwrap()
}

pub fn problem(task: &Task, pairs: &[Pair]) -> Problem {
    Problem::new(task.clone(), pairs, Duplicates::Refuse).unwrap()
}

pub fn spectrum(problem: &Problem) -> groktime::effective::Spectrum<'_> {
    problem.spectrum(Engine::SEQUENTIAL).unwrap()
}

pub fn close(found: f64, wanted: f64, tolerance: f64) {
    assert!((found - wanted).abs() <= tolerance * (1.0 + wanted.abs()), "{found} instead of {wanted}");
}

/// G by adding a_q a_qᵀ for every unordered pair of different samples with equal labels.
pub fn enumerated(task: &Task, pairs: &[Pair]) -> (u64, Vec<i64>) {
    let p = task.symbols();
    let label = |[i, j]: Pair| task.class(i as usize, j as usize);
    let (mut count, mut g) = (0, vec![0_i64; p * p]);
    for (k, &x) in pairs.iter().enumerate() {
        for &y in pairs[..k].iter().filter(|&&y| label(y) == label(x)) {
            let a = [(x[0], 1), (x[1], 1), (y[0], -1), (y[1], -1)];
            for (k, s) in a {
                a.iter().for_each(|&(l, t)| g[k as usize * p + l as usize] += s * t);
            }
            count += 1;
        }
    }
    (count, g)
}

/// Rank of an integer matrix by fraction-free (Bareiss) elimination in i128: exact for small entries.
pub fn bareiss_rank(rows: &[Vec<i128>], width: usize) -> usize {
    let (mut m, mut rank, mut last) = (rows.to_vec(), 0, 1_i128);
    for column in 0..width {
        let Some(pivot) = (rank..m.len()).find(|&r| m[r][column] != 0) else { continue };
        m.swap(rank, pivot);
        for r in rank + 1..m.len() {
            for c in (0..width).rev().filter(|&c| c != column) {
                m[r][c] = (m[rank][column] * m[r][c] - m[r][column] * m[rank][c]) / last;
            }
            m[r][column] = 0;
        }
        last = m[rank][column];
        rank += 1;
    }
    rank
}

/// Equation 21 of the paper.
pub fn set_a() -> Vec<Pair> {
    vec![[0, 2], [0, 3], [1, 1], [1, 2], [1, 3], [2, 2]]
}

/// Appendix C: eight samples in print, seven of them different.
pub fn set_b() -> Vec<Pair> {
    vec![[0, 2], [0, 4], [1, 1], [1, 3], [1, 5], [2, 4], [3, 3]]
}

/// The authors' 45 training samples for seed 58.
pub fn set_f() -> Vec<Pair> {
    let left_out = [[0, 2], [0, 4], [1, 5], [1, 7], [2, 4], [4, 4], [4, 6], [5, 5], [5, 8], [5, 9]];
    addition(10).all_pairs().into_iter().filter(|p| !left_out.contains(p)).collect()
}
