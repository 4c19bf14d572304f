"""Ridge regression against loops and formulas of NumPy."""

import math
import threading
import time

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from groktime import ridge


def drawn(n=20, m=60, seed=0, order="C"):
    rng = np.random.default_rng(seed)
    features = np.array(rng.normal(size=(n, m)) / math.sqrt(m), order=order)
    teacher = rng.normal(size=m)
    teacher /= np.linalg.norm(teacher)
    return features, teacher, rng.normal(size=m)


def descend(features, labels, theta, eta, decay, steps):
    """θ after each step."""
    n = len(labels)
    path = [theta]
    for _ in range(steps):
        theta = theta - eta / n * features.T @ (features @ theta - labels) - eta * decay * theta
        path.append(theta)
    return np.array(path)


@pytest.mark.parametrize("order", ["C", "F"])
def test_descent_is_the_loop(order):
    features, teacher, init = drawn(order=order)
    n, m = features.shape
    eta, decay, steps = 1.5, 1e-2, 400
    problem = ridge.Problem(
        features, teacher=teacher, init=init, covariance=1 / m, gaussian=True, step_size=eta, weight_decay=decay
    )
    path = descend(features, features @ teacher, init, eta, decay, steps)
    train = ((path - teacher) @ features.T) ** 2
    t = np.arange(steps + 1)
    np.testing.assert_allclose(problem.train_loss(t), train.sum(axis=1) / (2 * n), rtol=1e-9)
    test = ((path - teacher) ** 2).sum(axis=1) / m
    np.testing.assert_allclose(problem.test_loss(t), test, rtol=1e-9)
    np.testing.assert_allclose(problem.parameter_norm(t), np.linalg.norm(path, axis=1), rtol=1e-10)
    np.testing.assert_allclose(problem.parameters(t), path, atol=1e-11)
    accuracy = [math.erf(math.sqrt(0.01 / (2 * loss))) for loss in test]
    np.testing.assert_allclose(problem.test_accuracy(t), accuracy, rtol=1e-8)
    # The last step at or above, the first at or below.
    threshold = float(np.sqrt(train[10].sum() / (2 * n) * train[11].sum() / (2 * n)))
    goal = float(np.sqrt(test[200] * test[201]))
    times = problem.times(train=threshold, test=goal)
    assert (times.t1, times.t2, times.delay) == (10, 201, 191)
    assert times.train.bounds == (10, 10)


def test_flow_is_the_ode():
    features, teacher, init = drawn()
    n, m = features.shape
    decay = 1e-2
    problem = ridge.Problem(features, teacher, init, covariance=np.eye(m) / m, weight_decay=decay, flow=True)

    def slope(_, theta):
        return -features.T @ (features @ (theta - teacher)) / n - decay * theta

    t = np.array([0.0, 3.0, 30.0, 300.0])
    reference = solve_ivp(slope, (0, 300), init, t_eval=t, rtol=1e-12, atol=1e-13, method="DOP853").y.T
    np.testing.assert_allclose(problem.parameters(t), reference, atol=1e-9)
    np.testing.assert_allclose(problem.test_loss(t), ((reference - teacher) ** 2).sum(axis=1) / m, rtol=1e-7)


def test_labels_with_noise_and_a_held_out_sample():
    features, teacher, init = drawn()
    rng = np.random.default_rng(5)
    labels = features @ teacher + 0.1 * rng.normal(size=len(features))
    test = rng.normal(size=(500, features.shape[1])) / 8
    problem = ridge.Problem(features, labels=labels, init=init, test=(test, test @ teacher), weight_decay=1e-3)
    path = descend(features, labels, init, 1.0, 1e-3, 50)
    expected = ((test @ (path - teacher).T) ** 2).mean(axis=0)
    np.testing.assert_allclose(problem.test_loss(np.arange(51)), expected, rtol=1e-9)
    assert problem.test_risk == "held-out(500)"
    noisy = ridge.Problem(features, teacher, init, noise=labels - features @ teacher, weight_decay=1e-3)
    np.testing.assert_allclose(noisy.train_loss(np.arange(51)), problem.train_loss(np.arange(51)), rtol=1e-9)


def test_shapes_of_times():
    problem = ridge.Problem.draw(samples=20, width=50, weight_decay=1e-3)
    assert isinstance(problem.train_loss(3), float)
    assert problem.train_loss([[0, 1], [2, 3]]).shape == (2, 2)
    assert problem.parameters(5).shape == (50,)
    assert problem.parameters([[5, 6]]).shape == (1, 2, 50)
    assert problem.train_loss(np.array([], dtype=int)).shape == (0,)
    assert problem.train_loss(3.0) == problem.train_loss(3)
    assert problem.log_test_loss(10**15) < 0 < problem.parameter_norm(10**15)
    rows = problem.observe([0, 10], ["train_loss", "margin_l1"])
    assert rows[1]["time"] == 10 and math.isnan(rows[1]["margin_l1"])


def test_sensitivities_are_differences():
    problem = ridge.Problem.draw(samples=20, width=80, weight_decay=1e-3, flow=True)
    found = problem.sensitivity("t2")
    h = 1e-4
    moved = [problem.with_settings(weight_decay=1e-3 * math.exp(s)).times().t2 for s in (-h, h)]
    assert found.weight_decay == pytest.approx((moved[1] - moved[0]) / (2 * h), rel=1e-5)
    assert not found.tangent


def test_average_over_the_start():
    problem = ridge.Problem.draw(samples=15, width=40, weight_decay=1e-2)
    arrays = problem.arrays()
    rng = np.random.default_rng(1)
    losses = [
        ridge.Problem(
            arrays["features"], arrays["teacher"], rng.normal(size=40), covariance=1 / 40, weight_decay=1e-2
        ).test_loss(100)
        for _ in range(2000)
    ]
    mean, std = problem.init_average(100, init_variance=1.0)
    assert abs(np.mean(losses) - mean) < 4 * std / math.sqrt(2000)
    assert np.std(losses) == pytest.approx(std, rel=0.1)


def test_statements():
    problem = ridge.Problem.draw(samples=50, width=400, teacher="zero", weight_decay=1e-3)
    statements = problem.statements()
    assert len(statements) > 10
    assert "violated" not in statements.outcomes()
    assert statements.outcomes()["holds"] > 5
    first = next(s for s in statements if s.outcome == "holds")
    assert first.source in repr(first) and first.source in first._repr_html_()
    assert statements.as_dicts()[0]["hypotheses"][0].keys() == {"name", "have", "need", "holds"}
    assert "<script" not in statements._repr_html_() and statements._repr_html_().count("<tr") == len(statements) + 1


def test_control_finds_the_wanted_delay():
    problem = ridge.Problem.draw(samples=30, width=200)
    found = problem.control("weight_decay", (1e-5, 1e-1), delay=1000.0, points=40)
    assert found
    for decay, delay in found:
        assert abs(delay - 1000) <= 1
        assert problem.with_settings(weight_decay=decay).times().delay == delay


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": [[1.0, np.nan]]}, "features has the entry NaN"),
        ({"features": [1.0, 2.0]}, "expected a matrix"),
        ({"features": [["a", "b"]]}, "expected real numbers"),
        ({"features": [[1j, 2.0]]}, "expected real numbers"),
        ({"init": [1.0]}, "initial parameters has shape \\[1\\], expected \\[2\\]"),
        ({"teacher": None}, "either a teacher or labels"),
        ({"labels": [1.0]}, "either a teacher or labels"),
        ({"init": None}, "init is missing"),
        ({"step_size": 0.0}, "step size is 0"),
        ({"step_size": 1e9}, "largest stable step"),
        ({"weight_decay": -1.0}, "weight decay is -1"),
        ({"covariance": [[1.0, 2.0], [0.0, 1.0]]}, "not symmetric"),
    ],
)
def test_bad_input_is_a_value_error(change, message):
    good = {"features": [[1.0, 2.0]], "teacher": [0.0, 1.0], "init": [1.0, 1.0], "covariance": 1.0}
    with pytest.raises(ValueError, match=message):
        ridge.Problem(**{**good, **change})


def test_bad_questions():
    problem = ridge.Problem([[0.1, 0.2]], [0.0, 1.0], [1.0, 1.0])
    for time_, message in [(-1, "is -1"), (0.5, "is 0.5"), (math.nan, "is nan"), ("now", "expected whole numbers")]:
        with pytest.raises(ValueError, match=message):
            problem.train_loss(time_)
    with pytest.raises(ValueError, match="test_loss is not defined"):
        problem.test_loss(3)
    with pytest.raises(ValueError, match="needs a covariance"):
        problem.times()
    with pytest.raises(ValueError, match="no observable is called"):
        problem.observe([1], ["loss"])
    with pytest.raises(ValueError, match="training threshold is 0"):
        problem.last_unfit(0.0)


def test_features_are_not_copied():
    features, teacher, init = drawn(200, 3000)
    strided = features[::2]
    import tracemalloc

    tracemalloc.start()
    ridge.Problem(strided, teacher, init)
    ridge.Problem(features, teacher, init)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < features.nbytes  # only the strided half was copied
    np.testing.assert_array_equal(
        ridge.Problem(features.astype(np.float32), teacher, init).shape, features.shape
    )


def test_other_threads_run_meanwhile():
    features, teacher, init = drawn(700, 2000)
    counted = 0
    done = threading.Event()

    def count():
        nonlocal counted
        while not done.is_set():
            counted += 1
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    start = time.perf_counter()
    for _ in range(3):
        ridge.Problem(features, teacher, init)
    seconds = time.perf_counter() - start
    done.set()
    thread.join()
    assert counted > 50 * seconds
