"""Largest margins by SciPy's linear programming and scikit-learn's support vector machine, beside groktime's."""

import time

import numpy as np
from scipy.optimize import linprog
from sklearn.svm import LinearSVC

from groktime import limits


def main() -> None:
    rng = np.random.default_rng(0)
    x = rng.choice([-1.0, 1.0], size=(64, 1000))
    y = np.sign(x[:, 0] + x[:, 1] + x[:, 2])
    z = y[:, None] * x
    start = time.perf_counter()
    found = linprog(np.ones(2000), A_ub=-np.hstack([z, -z]), b_ub=-np.ones(64))
    middle = time.perf_counter()
    best = limits.max_margin(x, y, norm=1)
    end = time.perf_counter()
    assert best is not None
    print(f"L1: linprog {1 / found.fun:.10f} in {middle - start:.3f} s, groktime {best.margin:.10f} in {end - middle:.4f} s")
    svm = LinearSVC(loss="hinge", C=1e6, fit_intercept=False, tol=1e-10, max_iter=1_000_000).fit(x, y)
    two = limits.max_margin(x, y)
    assert two is not None
    print(f"L2: LinearSVC {1 / np.linalg.norm(svm.coef_):.10f}, groktime {two.margin:.10f} with gap {two.gap:.0e}")


if __name__ == "__main__":
    main()
