//! The second opinion: the limits as conic problems, solved by Clarabel.

use clarabel::algebra::CscMatrix;
use clarabel::solver::SupportedConeT::{ExponentialConeT, NonnegativeConeT, ZeroConeT};
use clarabel::solver::{DefaultSettings, DefaultSolver, IPSolver, SolverStatus, SupportedConeT};
use groktime::Loss;
use groktime::limits::MinL1;
use ndarray::{Array1, Array2, Axis, concatenate, s};

/// min ½xᵀPx + qᵀx with b − Ax in the cones: the minimum and where it is.
pub fn conic(
    p: &Array2<f64>,
    q: &[f64],
    a: &Array2<f64>,
    b: &[f64],
    cones: &[SupportedConeT<f64>],
) -> (f64, Vec<f64>) {
    let rows = |m: &Array2<f64>| m.outer_iter().map(|r| r.to_vec()).collect::<Vec<_>>();
    let upper = Array2::from_shape_fn(p.dim(), |(i, j)| if i <= j { p[(i, j)] } else { 0.0 });
    let settings = DefaultSettings {
        verbose: false,
        tol_gap_abs: 1e-11,
        tol_gap_rel: 1e-11,
        tol_feas: 1e-11,
        ..DefaultSettings::default()
    };
    let (p, a) = (CscMatrix::from(&rows(&upper)), CscMatrix::from(&rows(a)));
    let mut solver = DefaultSolver::new(&p, q, &a, b, cones, settings).unwrap();
    solver.solve();
    let status = solver.solution.status;
    assert!(matches!(status, SolverStatus::Solved | SolverStatus::AlmostSolved), "clarabel: {status:?}");
    (solver.solution.obj_val, solver.solution.x.clone())
}

pub fn labelled(x: &Array2<f64>, y: &Array1<f64>) -> Array2<f64> {
    x * &y.view().insert_axis(Axis(1))
}

/// X(p − q) as a matrix on (p, q).
pub fn split(x: &Array2<f64>) -> Array2<f64> {
    concatenate(Axis(1), &[x.view(), (-x).view()]).unwrap()
}

pub fn stack(blocks: &[Array2<f64>]) -> Array2<f64> {
    let views: Vec<_> = blocks.iter().map(|b| b.view()).collect();
    concatenate(Axis(0), &views).unwrap()
}

pub fn conic_l1(x: &Array2<f64>, rhs: &[f64], plus: &[f64], minus: &[f64], equal: bool) -> f64 {
    let (n, d) = x.dim();
    let a = stack(&[-split(x), -Array2::<f64>::eye(2 * d)]);
    let b: Vec<f64> = rhs.iter().map(|b| -b).chain(vec![0.0; 2 * d]).collect();
    let fit = if equal { ZeroConeT(n) } else { NonnegativeConeT(n) };
    let q = [plus, minus].concat();
    conic(&Array2::zeros((2 * d, 2 * d)), &q, &a, &b, &[fit, NonnegativeConeT(2 * d)]).0
}

pub fn conic_l2_margin(z: &Array2<f64>) -> f64 {
    let (n, d) = z.dim();
    conic(&Array2::eye(d), &vec![0.0; d], &-z, &vec![-1.0; n], &[NonnegativeConeT(n)]).0
}

/// Variables (p, q, and for each sample t ≥ its loss, and for the logistic loss two parts of 1).
pub fn conic_regularised(x: &Array2<f64>, y: &Array1<f64>, loss: Loss, decay: f64) -> f64 {
    let (n, d) = x.dim();
    let extra = if loss == Loss::Logistic { 3 * n } else { n };
    let size = 2 * d + extra;
    let mut q = vec![decay / 2.0; 2 * d];
    q.extend((0..extra).map(|i| if i < n { 1.0 / n as f64 } else { 0.0 }));
    let mut signs = Array2::zeros((2 * d, size));
    signs.slice_mut(s![.., ..2 * d]).assign(&-Array2::<f64>::eye(2 * d));
    let mut blocks = vec![signs];
    let mut b = vec![0.0; 2 * d];
    let mut cones = vec![NonnegativeConeT(2 * d)];
    let outputs = split(&labelled(x, y));
    let mut p = Array2::zeros((size, size));
    for i in 0..n {
        // b − A v = (−y f − t·(logistic), 1, bound) in the exponential cone: e^{first} ≤ third.
        let mut add = |parts: &[(usize, f64)], f: f64, constant: f64| {
            let mut row = Array2::zeros((1, size));
            row.slice_mut(s![0, ..2 * d]).assign(&(&outputs.row(i) * -f));
            parts.iter().for_each(|&(k, value)| row[(0, 2 * d + k)] = -value);
            blocks.push(row);
            b.push(constant);
        };
        match loss {
            Loss::Squared => {
                // t = f − y (labels of one sign are enough of a test: y² = 1 is not assumed).
                let mut row = Array2::zeros((1, size));
                row.slice_mut(s![0, ..2 * d]).assign(&split(x).row(i));
                row[(0, 2 * d + i)] = -1.0;
                blocks.push(row);
                b.push(y[i]);
                cones.push(ZeroConeT(1));
                p[(2 * d + i, 2 * d + i)] = 2.0 / n as f64;
            }
            Loss::Exponential => {
                add(&[], -1.0, 0.0);
                add(&[], 0.0, 1.0);
                add(&[(i, 1.0)], 0.0, 0.0);
                cones.push(ExponentialConeT());
            }
            Loss::Logistic => {
                add(&[(i, -1.0)], 0.0, 0.0);
                add(&[], 0.0, 1.0);
                add(&[(n + i, 1.0)], 0.0, 0.0);
                add(&[(i, -1.0)], -1.0, 0.0);
                add(&[], 0.0, 1.0);
                add(&[(2 * n + i, 1.0)], 0.0, 0.0);
                add(&[(n + i, -1.0), (2 * n + i, -1.0)], 0.0, 1.0);
                cones.extend([ExponentialConeT(), ExponentialConeT(), NonnegativeConeT(1)]);
            }
        }
    }
    if loss == Loss::Squared {
        q[2 * d..].fill(0.0);
    }
    conic(&p, &q, &stack(&blocks), &b, &cones).0
}

/// min t with X_Sᵀν = bounds on the support and |Xᵀν| ≤ t off it.
pub fn conic_minimax(x: &Array2<f64>, w: &MinL1) -> f64 {
    let (n, d) = x.dim();
    let off: Vec<usize> = (0..d).filter(|k| !w.support.contains(k)).collect();
    let mut on = Array2::zeros((w.support.len(), n + 1));
    on.slice_mut(s![.., ..n]).assign(&x.select(Axis(1), &w.support).t());
    let bounded = |sign: f64| {
        let mut rows = Array2::from_elem((off.len(), n + 1), -1.0);
        rows.slice_mut(s![.., ..n]).assign(&(&x.select(Axis(1), &off).t() * sign));
        rows
    };
    let b: Vec<f64> =
        w.support.iter().map(|&k| w.weights[k].signum()).chain(vec![0.0; 2 * off.len()]).collect();
    let mut q = vec![0.0; n + 1];
    q[n] = 1.0;
    let cones = [ZeroConeT(w.support.len()), NonnegativeConeT(2 * off.len())];
    let p = Array2::zeros((n + 1, n + 1));
    conic(&p, &q, &stack(&[on, bounded(1.0), bounded(-1.0)]), &b, &cones).0
}

// ---- data and helpers ------------------------------------------------------------------------------
