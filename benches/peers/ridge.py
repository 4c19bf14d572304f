"""Ridge regression side by side: the gradient-descent loop and the closed form in NumPy, and groktime, on the
same files in one run. Prints ratios; nothing here is timed twice for groktime's benefit.

    python3 -m venv .venv && .venv/bin/pip install numpy
    cargo build --release && .venv/bin/python benches/peers/ridge.py

Conventions as in theory/ridge.md: t1 = last step with training loss >= 0.01, t2 = first step with test
loss <= 0.01; step size 1, weight decay 1e-4, isotropic features N(0, I/m), unit teacher.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

BINARY = os.environ.get("GROKTIME", "target/release/groktime")
DECAY, THRESHOLD = 1e-4, 0.01


def median_time(work, repeats):
    """Median seconds and the last result."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    return statistics.median(times), result


def gd_loop(features, teacher, init, budget):
    """The usual loop, run until both thresholds are passed or `budget` seconds are over."""
    n, m = features.shape
    theta, t1, t2, step = init.copy(), -1, None, 0
    start = time.perf_counter()
    while True:
        error = theta - teacher
        residual = features @ error
        if residual @ residual / (2 * n) >= THRESHOLD:
            t1 = step
        if error @ error / m <= THRESHOLD:
            t2 = step
            break
        theta -= features.T @ residual / n + DECAY * theta
        step += 1
        if time.perf_counter() - start > budget:
            break
    return t1, t2, step, time.perf_counter() - start


def closed_form(features, teacher, init):
    """The same mathematics as a NumPy user writes it: eigh of the Gram matrix, a grid of times, bisection
    between grid points (no proof that no other crossing exists)."""
    n, m = features.shape
    s, q = np.linalg.eigh(features @ features.T)
    root = np.sqrt(s)
    g = s / n + DECAY
    start = q.T @ (features @ init) / root
    star = q.T @ (features @ teacher) / root
    init_out = init - features.T @ (q @ (start / root))
    star_out = teacher - features.T @ (q @ (star / root))
    a, b, c = init_out @ init_out, init_out @ star_out, star_out @ star_out
    limit = s / n * star / g
    rho, decay = 1 - g, 1 - DECAY

    def difference(t):
        return rho**t * (start - limit) - DECAY / g * star

    def train(t):
        return np.sum(s * difference(t) ** 2) / (2 * n)

    def test(t):
        r = decay**t
        return (np.sum(difference(t) ** 2) + r * r * a - 2 * r * b + c) / m

    grid = np.unique(np.logspace(0, 7, 300).astype(np.int64))

    def bisect(loss, low, high):
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if loss(middle) > THRESHOLD else (low, middle)
        return low, high

    above = [int(t) for t in grid if train(t) >= THRESHOLD]
    t1 = bisect(train, above[-1], int(grid[np.searchsorted(grid, above[-1]) + 1]))[0]
    below = next(int(t) for t in grid if test(t) <= THRESHOLD)
    t2 = bisect(test, int(grid[np.searchsorted(grid, below) - 1]), below)[1]
    return t1, t2


def groktime(folder, m):
    """The whole program, reading the files: process start, decomposition, times and all statements."""
    command = [BINARY, "ridge", "--features", f"{folder}/F.npy", "--teacher", f"{folder}/T.npy",
               "--init", f"{folder}/I.npy", "--covariance", f"isotropic:{1 / m!r}",
               "--weight-decay", str(DECAY), "--at", "0", "--json"]
    out = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return out["t1"], out["t2"]


def case(n, m, repeats, budget):
    rng = np.random.default_rng(0)
    features = rng.standard_normal((n, m)) / np.sqrt(m)
    teacher = rng.standard_normal(m)
    teacher /= np.linalg.norm(teacher)
    init = rng.standard_normal(m)
    with tempfile.TemporaryDirectory() as folder:
        for name, array in (("F", features), ("T", teacher), ("I", init)):
            np.save(f"{folder}/{name}.npy", array)
        ours, (t1, t2) = median_time(lambda: groktime(folder, m), repeats)
    numpy_time, (n1, n2) = median_time(lambda: closed_form(features, teacher, init), repeats)
    l1, l2, steps, loop = gd_loop(features, teacher, init, budget)
    if (t1, t2) != (n1, n2) or (l2 is not None and (t1, t2) != (l1, l2)):
        sys.exit(f"the methods disagree: groktime {(t1, t2)}, closed form {(n1, n2)}, loop {(l1, l2)}")
    mark = "" if l2 is not None else f" (extrapolated from {steps} steps)"
    loop = loop if l2 is not None else loop * t2 / steps
    print(f"n = {n}, m = {m}: t1 = {t1}, t2 = {t2} by all")
    print(f"  groktime program, files to JSON   {ours:9.4f} s   1")
    print(f"  NumPy closed form, in memory      {numpy_time:9.4f} s   {numpy_time / ours:.2f}x")
    print(f"  NumPy gradient-descent loop       {loop:9.4f} s   {loop / ours:.0f}x{mark}")


if __name__ == "__main__":
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, NumPy {np.__version__}")
    case(100, 1000, repeats=15, budget=60)
    case(400, 4000, repeats=7, budget=60)
    case(2000, 20000, repeats=5, budget=60)
