"""Effective theory side by side: NumPy over enumerated quadruples, as the authors' notebooks do, and groktime, in one
run on the same kind of random training sets. Prints ratios.

    python3 -m venv .venv && .venv/bin/pip install numpy
    cargo build --release && .venv/bin/python benches/peers/effective.py

groktime is timed as a whole program (start, drawing the sets, ranks and eigenvalues, ideal model, JSON). Times are CPU
seconds of all threads, which other programs on the machine disturb least. The two draw different sets: estimates of
P(n0 = 2) must agree to five standard errors, and the full spectra to 1e-10.
"""

import itertools
import json
import math
import os
import platform
import subprocess

import numpy as np

BINARY = os.environ.get("GROKTIME", "target/release/groktime")


def quadruples(pairs):
    """Unordered pairs of different samples with equal sums, as rows e_i + e_j - e_m - e_n."""
    p = 1 + max(max(pair) for pair in pairs)
    rows = []
    for (i, j), (m, n) in itertools.combinations(pairs, 2):
        if i + j == m + n:
            row = np.zeros(p)
            for k, sign in ((i, 1), (j, 1), (m, -1), (n, -1)):
                row[k] += sign
            rows.append(row)
    return np.array(rows)


def gram(pairs, p):
    rows = quadruples(pairs)
    g = np.zeros((p, p))
    if len(rows):
        q = rows.shape[1]
        g[:q, :q] = rows.T @ rows
    return g


def timed(work):
    """CPU seconds of this process and its children, and the result."""
    start = os.times()
    result = work()
    end = os.times()
    return sum(end[:4]) - sum(start[:4]), result


def groktime(*arguments):
    output = subprocess.run([BINARY, "effective", *arguments, "--json"], check=True, capture_output=True)
    return json.loads(output.stdout)


def many(p, size, trials_numpy, trials_ours):
    """P(n0 = 2) by eigenvalues below 1e-8, and the rate, a set."""
    everything = [(i, j) for i in range(p) for j in range(i, p)]
    rng = np.random.default_rng(0)

    def numpy_loop():
        unique = 0
        for _ in range(trials_numpy):
            chosen = rng.choice(len(everything), size, replace=False)
            values = np.linalg.eigvalsh(gram([everything[k] for k in chosen], p))
            unique += int((values < 1e-8).sum() == 2)
        return unique / trials_numpy

    numpy_seconds, theirs = timed(numpy_loop)
    ours_seconds, document = timed(
        lambda: groktime("--symbols", str(p), "--size", str(size), "--runs", str(trials_ours))
    )
    ours = document["summary"]["unique"]["probability"]
    error = math.sqrt(max(ours * (1 - ours), 1e-4) * (1 / trials_numpy + 1 / trials_ours))
    assert abs(ours - theirs) < 5 * error, (ours, theirs)
    a, b = numpy_seconds / trials_numpy, ours_seconds / trials_ours
    print(f"p = {p}, |D| = {size}: NumPy {1 / a:.0f} sets a CPU second, groktime {1 / b:.0f} (rank, rate, ideal model): {a / b:.0f}x")


def full(p):
    """Spectrum of all sums from enumerated quadruples."""
    everything = [(i, j) for i in range(p) for j in range(i, p)]
    repeats = 5
    numpy_seconds, theirs = timed(lambda: [np.linalg.eigvalsh(gram(everything, p)) for _ in range(repeats)][0])
    ours_seconds, document = timed(lambda: [groktime("--symbols", str(p), "--full") for _ in range(repeats)][0])
    numpy_seconds, ours_seconds = numpy_seconds / repeats, ours_seconds / repeats
    ours = np.array(document["eigenvalues_G"])
    assert np.abs(ours - theirs).max() < 1e-10 * theirs[-1]
    print(
        f"p = {p}, all sums: NumPy {1e3 * numpy_seconds:.1f} ms, groktime {1e3 * ours_seconds:.1f} ms "
        f"(whole program, all statements): {numpy_seconds / ours_seconds:.1f}x"
    )


def main():
    print(f"NumPy {np.__version__}, Python {platform.python_version()}, {os.cpu_count()} cores")
    many(10, 22, 1000, 100_000)
    many(10, 45, 300, 100_000)
    many(20, 60, 60, 10_000)
    for p in (10, 30, 60):
        full(p)


if __name__ == "__main__":
    main()
