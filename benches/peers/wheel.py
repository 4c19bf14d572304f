"""The rows of the other benchmarks through the Python package, in one process: what a call costs beside the Rust time.

    pip install ./python && python benches/peers/wheel.py

Medians of the given number of runs. Features and teachers are drawn by the library, so that these are the problems
of `cargo bench`.
"""

import math
import statistics
import time

import numpy as np

import groktime
from groktime import completion, diagonal, effective, limits, ridge


def median(runs, work):
    work()
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def row(name, runs, work):
    print(f"{name:70s} {1e3 * median(runs, work):10.3f} ms")


def main():
    print(f"groktime {groktime.__version__} for Python, NumPy {np.__version__}")
    given = ridge.Problem.draw(samples=100, width=1000).arrays()
    arguments = {"covariance": 1e-3, "gaussian": True, "weight_decay": 1e-4}

    def solve():
        return ridge.Problem(given["features"], given["teacher"], given["init"], **arguments).times(0.01, 0.01)

    row("ridge n = 100, m = 1000: arrays to t1, t2", 200, solve)
    problem = ridge.Problem(given["features"], given["teacher"], given["init"], **arguments)
    row("ridge n = 100, m = 1000: t1, t2 of another weight decay", 200,
        lambda: problem.with_settings(weight_decay=1e-5).times(0.01, 0.01))
    row("ridge n = 100, m = 1000: one training loss", 2000, lambda: problem.train_loss(1000))
    many = np.unique(np.geomspace(1, 1e15, 1000).astype(np.uint64))
    row("ridge n = 100, m = 1000: test loss at 1000 times", 200, lambda: problem.test_loss(many))
    tiny = ridge.Problem([[0.1, 0.2]], [0.0, 1.0], [1.0, 1.0], covariance=1.0)
    row("ridge n = 1, m = 2: one training loss (the overhead of a call)", 5000, lambda: tiny.train_loss(5))

    net = diagonal.Problem.draw(samples=64, dimension=1000, relevant=3)
    alpha = 128 / math.sqrt(2000)
    row("diagonal n = 64, d = 1000, logistic, |θ(0)| = 128, to 3 ln α/λ, rtol 2e-7", 20,
        lambda: net.flow(init_norm=128, weight_decay=1e-3, horizon=3 * math.log(alpha) / 1e-3, rtol=2e-7))
    x, y = net.arrays()
    row("largest L1 margin n = 64, d = 1000", 20, lambda: limits.max_margin(x, y, norm=1))

    i = np.arange(1, 98)
    rng = np.random.default_rng(0)
    mask = np.zeros(97 * 97)
    mask[rng.choice(97 * 97, 470, replace=False)] = 1
    table = completion.Problem(np.outer(i, i) / 97**2, mask.reshape(97, 97), init_coordinate=10)
    row("completion d = 97, n = 470, α = 10, λ = 1e-4, to 3 ln α/λ, rtol 1e-7", 7,
        lambda: table.flow(weight_decay=1e-4, horizon=3 * math.log(10) / 1e-4, rtol=1e-7))

    start = rng.normal(size=(100, 1))
    row("effective p = 100, all samples: spectrum and flow", 20,
        lambda: effective.Problem.addition(100).flow(start).rates)


if __name__ == "__main__":
    main()
