"""Diagonal nets side by side: the gradient-descent loop in NumPy, SciPy's integrators, and groktime, on the same
files in one run. Prints ratios.

    python3 -m venv .venv && .venv/bin/pip install numpy scipy
    cargo build --release && .venv/bin/python benches/peers/diagonal.py [--quick]

Conventions as in theory/diagonal.md: w = u^2 - v^2, u(0) = v(0) = alpha with |theta(0)| = 128, logistic loss
(mean), weight decay 1e-3, step size 0.01, so that 1e5 steps are a flow time of 1000; to 3 ln 128 / lambda.
The loop is run to the end once, on the small problem; on the large one its cost a step is measured and
multiplied by the number of steps, and the row says so. groktime is timed as a whole program: process start,
reading the files, integration, margins at ten times, and all statements.
"""

import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
from scipy.integrate import solve_ivp

BINARY = os.environ.get("GROKTIME", "target/release/groktime")
NORM, DECAY, STEP = 128.0, 1e-3, 0.01
HORIZON = 3 * math.log(NORM) / DECAY
STEPS = round(HORIZON / STEP)


def task(n, d, seed=0):
    """x uniform on {+-1}^d, labels by the majority of the first three."""
    rng = np.random.default_rng(seed)
    x = rng.choice([-1.0, 1.0], size=(n, d))
    return x, np.sign(x[:, :3].sum(axis=1))


def start(d):
    return np.full(d, NORM / math.sqrt(2 * d))


def loop(z, steps):
    """Full-batch gradient descent; z = diag(y) X. Returns w and the seconds."""
    n, d = z.shape
    u, v = start(d), start(d)
    zt = np.ascontiguousarray(z.T)
    begin = time.perf_counter()
    for _ in range(steps):
        q = z @ (u * u - v * v)
        g = zt @ (1 / (1 + np.exp(np.minimum(q, 700.0)))) * (2 / n)
        u, v = u * (1 - STEP * DECAY + STEP * g), v * (1 - STEP * DECAY - STEP * g)
    return u * u - v * v, time.perf_counter() - begin


def scipy_full(z, method, rtol):
    """SciPy on the 2d parameters. Returns w, seconds and right-hand sides."""
    n, d = z.shape
    zt = np.ascontiguousarray(z.T)

    def rhs(_, theta):
        u, v = theta[:d], theta[d:]
        q = z @ (u * u - v * v)
        g = zt @ (1 / (1 + np.exp(np.clip(q, -700, 700)))) * (2 / n)
        return np.concatenate([u * (g - DECAY), v * (-g - DECAY)])

    begin = time.perf_counter()
    theta0 = np.concatenate([start(d), start(d)])
    solution = solve_ivp(rhs, (0, HORIZON), theta0, method=method, rtol=rtol, atol=rtol)
    seconds = time.perf_counter() - begin
    end = solution.y[:, -1]
    return end[:d] ** 2 - end[d:] ** 2, seconds, solution.nfev


def groktime(folder, n_repeats):
    """Median seconds, end weights, statistics."""
    command = [BINARY, "diagonal", "--data", f"{folder}/X.npy", "--labels", f"{folder}/y.npy", "--loss", "logistic"]
    command += ["--init-norm", str(NORM), "--weight-decay", str(DECAY), "--horizon", repr(HORIZON), "--rtol", "2e-7"]
    times = ",".join(repr(HORIZON * i / 10) for i in range(11))
    command += ["--at", times, "--weights", f"{folder}/W.npy", "--json"]
    seconds = []
    for _ in range(n_repeats):
        begin = time.perf_counter()
        out = subprocess.run(command, capture_output=True, check=False, text=True)
        seconds.append(time.perf_counter() - begin)
        if out.returncode not in (0, 1):
            sys.exit(out.stderr)
    answer = json.loads(out.stdout)
    return statistics.median(seconds), np.load(f"{folder}/W.npy")[-1], answer


def difference(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def main():
    quick = "--quick" in sys.argv
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} CPUs, NumPy {np.__version__}")
    print("n, d | method | seconds | ratio to groktime | right-hand sides or steps | difference of w at the end")
    for n, d in [(64, 1000), (256, 4000), (256, 100_000)]:
        x, y = task(n, d)
        z = y[:, None] * x
        with tempfile.TemporaryDirectory() as folder:
            np.save(f"{folder}/X.npy", x)
            np.save(f"{folder}/y.npy", y)
            ours, w, answer = groktime(folder, 5 if d < 10_000 else 3)
        row = lambda name, s, count, diff: print(  # noqa: E731
            f"{n}, {d} | {name} | {s:.3g} | {s / ours:.3g} | {count} | {diff}"
        )
        row("groktime (files to JSON)", ours, answer["rhs"], "")
        if d == 1000 and not quick:
            end, seconds = loop(z, STEPS)
            row("NumPy descent loop, run to the end", seconds, STEPS, f"{difference(w, end):.1e}")
        else:
            count = max(20, min(2000, int(4e9 / (n * d))))
            _, seconds = loop(z, count)
            total = seconds / count * STEPS
            row(f"NumPy descent loop, extrapolated from {count} steps", total, STEPS, "")
        if d <= 1000:
            for method in ["RK45", "DOP853"]:
                end, seconds, count = scipy_full(z, method, 1e-8)
                row(f"SciPy {method}, 2d parameters, rtol = atol = 1e-8", seconds, count, f"{difference(w, end):.1e}")


if __name__ == "__main__":
    main()
