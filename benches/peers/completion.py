"""Matrix completion side by side: the gradient-descent loop of the paper in NumPy, SciPy's explicit integrators
on U and V, and groktime, on the same files in one run.

    python3 -m venv .venv && .venv/bin/pip install numpy scipy
    cargo build --release && .venv/bin/python benches/peers/completion.py [--loop-seconds S]

d = 97, 470 entries of the multiplication table, alpha = 10, weight decay 1e-4. The loop takes steps of 0.1 in single
precision, as the paper's code does, until 3 log(alpha)/lambda (690,776 steps), or for S seconds and is then extrapolated.
Errors are relative to groktime at rtol 1e-10, which its tests compare with U, V at 1e-13.
"""

import argparse
import json
import os
import platform
import subprocess
import tempfile
import time

import numpy as np

BINARY = os.environ.get("GROKTIME", "target/release/groktime")
D, N, ALPHA, DECAY, STEP = 97, 470, 10.0, 1e-4, 0.1
MARKS = np.array([0.5, 1.0, 1.5, 2.0, 3.0]) * np.log(ALPHA) / DECAY
HORIZON = float(MARKS[-1])


def groktime(folder, rtol, weights=None):
    """The whole program, files to JSON: W at MARKS, steps."""
    command = [BINARY, "completion", "--matrix", f"{folder}/M.npy", "--mask", f"{folder}/K.npy",
               "--init-coordinate", str(ALPHA), "--weight-decay", str(DECAY), "--horizon", repr(HORIZON),
               "--rtol", str(rtol), "--at", ",".join(repr(float(t)) for t in MARKS), "--json"]
    if weights:
        command += ["--weights", weights]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def loop(rows, columns, values, budget):
    """Gradient descent as the paper's code runs it, single precision; W at the marks that were reached."""
    eye = np.eye(D, dtype=np.float32)
    u, v = ALPHA * eye, ALPHA * eye
    values = values.astype(np.float32)
    gradient = np.zeros((D, D), dtype=np.float32)
    keep, scale = np.float32(1 - STEP * DECAY), np.float32(2 * STEP / N)
    total = int(round(HORIZON / STEP))
    marks = {int(round(t / STEP)): k for k, t in enumerate(MARKS)}
    found = {}
    start = time.perf_counter()
    for step in range(1, total + 1):
        residual = np.einsum("ij,ij->i", u[rows], u[columns]) - np.einsum("ij,ij->i", v[rows], v[columns]) - values
        gradient[:] = 0
        np.add.at(gradient, (rows, columns), scale * residual)
        both = gradient + gradient.T
        u, v = keep * u - both @ u, keep * v + both @ v
        if step in marks:
            found[marks[step]] = u.astype(float) @ u.T - v.astype(float) @ v.T
        if step % 1000 == 0 and time.perf_counter() - start > budget:
            break
    seconds = time.perf_counter() - start
    return found, step, seconds * total / step


def explicit(rows, columns, values, method, rtol):
    """SciPy on U and V."""
    from scipy.integrate import solve_ivp

    def slope(_, y):
        u, v = y[: D * D].reshape(D, D), y[D * D:].reshape(D, D)
        residual = np.einsum("ij,ij->i", u[rows], u[columns]) - np.einsum("ij,ij->i", v[rows], v[columns]) - values
        gradient = np.zeros((D, D))
        np.add.at(gradient, (rows, columns), 2 / N * residual)
        both = gradient + gradient.T
        return np.concatenate([(-both @ u - DECAY * u).ravel(), (both @ v - DECAY * v).ravel()])

    y0 = np.concatenate([ALPHA * np.eye(D).ravel()] * 2)
    start = time.perf_counter()
    out = solve_ivp(slope, (0, HORIZON), y0, method=method, rtol=rtol, atol=rtol, t_eval=MARKS)
    seconds = time.perf_counter() - start
    ws = [(lambda u, v: u @ u.T - v @ v.T)(y[: D * D].reshape(D, D), y[D * D:].reshape(D, D)) for y in out.y.T]
    return np.array(ws), out.nfev, seconds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--loop-seconds", type=float, default=1e9)
    budget = parser.parse_args().loop_seconds
    table = np.outer(np.arange(D), np.arange(D)) / D**2
    chosen = np.random.default_rng(0).choice(D * D, N, replace=False)
    rows, columns = chosen // D, chosen % D
    mask = np.zeros((D, D))
    mask[rows, columns] = 1
    values = table[rows, columns]
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, NumPy {np.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/M.npy", table)
        np.save(f"{folder}/K.npy", mask)
        groktime(folder, 1e-10, f"{folder}/W.npy")
        reference = np.load(f"{folder}/W.npy")
        size = np.linalg.norm(reference, axis=(1, 2))

        def error(ws, marks=slice(None)):
            return np.max(np.linalg.norm(ws - reference[marks], axis=(1, 2)) / size[marks])

        times = []
        for _ in range(7):
            start = time.perf_counter()
            out = groktime(folder, 1e-8, f"{folder}/W.npy")
            times.append(time.perf_counter() - start)
        ours = min(times)
        print(f"  groktime program, rtol 1e-8   {ours:8.3f} s   {out['rhs']:7d} right-hand sides, error {error(np.load(f'{folder}/W.npy')):.0e}   1")
    for method in ("RK45", "DOP853"):
        ws, count, seconds = explicit(rows, columns, values, method, 1e-6)
        print(f"  SciPy {method:6s}, rtol 1e-6     {seconds:8.3f} s   {count:7d} right-hand sides, error {error(ws):.0e}   {seconds / ours:.0f}x", flush=True)
    found, steps, seconds = loop(rows, columns, values, budget)
    marks = sorted(found)
    note = f"error {error(np.array([found[k] for k in marks]), marks):.0e}" if marks else "no mark reached"
    whole = "" if steps == int(round(HORIZON / STEP)) else " (extrapolated)"
    print(f"  NumPy descent, float32        {seconds:8.3f} s   {steps:7d} steps run, {note}   {seconds / ours:.0f}x{whole}")


if __name__ == "__main__":
    main()
