"""Threads, interruption, sweeps, plots."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import groktime
from groktime import diagonal, ridge, sweep


def test_results_do_not_depend_on_threads():
    found = []
    for count in (1, 2, 3):
        with groktime.threads(count):
            path = diagonal.Problem.draw(samples=16, dimension=100, relevant=3).flow(
                init_norm=50.0, weight_decay=1e-2, horizon=500.0
            )
            found.append(path.weights([1.0, 100.0, 500.0]))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
    with pytest.raises(ValueError, match="-1"):
        groktime.set_threads(-1)


def test_interrupt_ends_a_long_integration():
    x = np.random.default_rng(0).normal(size=(200, 20_000))
    problem = diagonal.Problem(x, np.sign(x[:, 0]))
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            problem.flow(init_norm=1e4, weight_decay=1e-5, horizon=1e9, rtol=1e-11)
            timer.join()
            time.sleep(1.0)
        since = time.perf_counter()
        # Nothing is broken.
        assert problem.flow(init_norm=128.0, weight_decay=1e-2, horizon=1.0).horizon == 1.0
        assert time.perf_counter() - since < 60
    finally:
        signal.signal(signal.SIGINT, before)


def test_progress_is_told_and_may_stop():
    problem = diagonal.Problem.draw(samples=16, dimension=100, relevant=3)
    told = []
    problem.flow(init_norm=50.0, weight_decay=1e-2, horizon=500.0, progress=told.append)
    assert told == sorted(told) and 0 <= told[0] and told[-1] == 1.0

    def refuse(fraction):
        raise RuntimeError(f"enough at {fraction}")

    with pytest.raises(RuntimeError, match="enough"):
        problem.flow(init_norm=50.0, weight_decay=1e-2, horizon=500.0, progress=refuse)


def test_sweep_resumes(tmp_path):
    problem = ridge.Problem.draw(samples=20, width=100)
    points = [{"weight_decay": 10.0**-k} for k in range(1, 6)]
    journal = tmp_path / "journal.jsonl"
    solved = []

    def solve(point):
        solved.append(point["weight_decay"])
        if len(solved) == 3:
            raise RuntimeError("the machine went away")
        return {"t2": problem.with_settings(**point).times().t2}

    with groktime.threads(1), pytest.raises(RuntimeError, match="went away"):
        sweep.run(points, solve, journal)
    told = []
    rows = sweep.run(points, solve, journal, progress=lambda done, total: told.append((done, total)))
    assert len(solved) == 3 + 3  # two were kept
    assert told[0] == (2, 5) and told[-1] == (5, 5)
    assert [row["weight_decay"] for row in rows] == [point["weight_decay"] for point in points]
    assert rows[3]["t2"] == problem.with_settings(weight_decay=1e-4).times().t2
    # One point less and one more: those that are left are not solved again.
    solved.clear()
    solved.extend([0.0] * 3)
    mended = sweep.run([*points[1:], {"weight_decay": 0.5}], solve, journal)
    assert solved[3:] == [0.5] and mended[:4] == rows[1:]
    with pytest.raises(ValueError, match="settings"):
        sweep.run([{"weight_decay": 0.25}], solve, journal)
    halves = [sweep.run(points, solve, tmp_path / f"{i}.jsonl", shard=(i, 2)) for i in range(2)]
    assert sorted(row["t2"] for half in halves for row in half) == sorted(row["t2"] for row in rows)


def test_a_point_without_room_is_tried_again(tmp_path):
    widths = [{"width": 50}, {"width": 10**15}, {"width": 60}]

    def solve(point):
        return {"t2": ridge.Problem.draw(samples=10, **point).times().t2}

    journal = tmp_path / "widths.jsonl"
    for _ in range(2):
        with pytest.raises(MemoryError, match="are allowed"):
            sweep.run(widths, solve, journal)
        assert len(journal.read_text().splitlines()) == 3  # a heading and two points
    groktime.set_memory("5MB")
    try:
        with pytest.raises(MemoryError, match="5 MB are allowed"):
            ridge.Problem.draw(width=10**6)
        with pytest.raises(MemoryError):
            diagonal.Problem.draw(samples=10**12, dimension=10, relevant=3)
        with pytest.raises(ValueError, match="8GB"):
            groktime.set_memory("much")
    finally:
        groktime.set_memory(None)


def test_errors_of_computations_are_arithmetic():
    with pytest.raises((ArithmeticError, ValueError)):
        diagonal.Problem([[1.0, 0.0], [1.0, 0.0]], [1.0, 2.0], "squared").slow_flow(init_coordinate=1.0, horizon=1.0)


def test_plot(tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    problem = ridge.Problem.draw(samples=50, width=400, weight_decay=1e-4)
    axes = problem.plot()
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert [line.get_label() for line in axes.get_lines()][:2] == ["train loss", "test loss"]
    assert {text.get_text() for text in axes.texts} == {"t1", "t2"}
    axes.figure.savefig(tmp_path / "ridge.png")
    assert (tmp_path / "ridge.png").stat().st_size > 10_000


def test_import_needs_numpy_alone():
    code = (
        "import sys; import groktime; "
        "print([m for m in ('matplotlib', 'scipy', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert json.dumps(groktime.__version__) != '""'
