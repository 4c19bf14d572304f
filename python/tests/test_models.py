"""The other models against NumPy and SciPy."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import linprog, minimize

from groktime import completion, diagonal, effective, limits, network


def separable(n=12, d=30, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    return x, np.where(rng.random(n) < 0.5, -1.0, 1.0)


@pytest.mark.parametrize("depth", [2, 3])
def test_diagonal_flow_is_the_ode(depth):
    x, y = separable(6, 10)
    alpha, decay = 0.5, 1e-2

    def slope(_, theta):
        u, v = np.split(theta, 2)
        margins = y * (x @ (u**depth - v**depth))
        pull = x.T @ (y / (1 + np.exp(margins))) / len(y)
        return np.concatenate(
            [depth * u ** (depth - 1) * pull - decay * u, -depth * v ** (depth - 1) * pull - decay * v]
        )

    t = np.array([0.0, 1.0, 10.0, 100.0])
    reference = solve_ivp(slope, (0, 100), np.full(20, alpha), t_eval=t, rtol=1e-11, atol=1e-14, method="LSODA").y
    u, v = np.split(reference.T, 2, axis=1)
    path = diagonal.Problem(x, y).flow(
        init_coordinate=alpha, depth=depth, weight_decay=decay, horizon=100.0, rtol=1e-10
    )
    w = u**depth - v**depth
    np.testing.assert_allclose(path.weights(t), w, atol=1e-7 * np.abs(w).max())
    np.testing.assert_allclose(path.parameters(t)[0], u, rtol=1e-6)
    np.testing.assert_allclose(path.train_loss(t), np.log1p(np.exp(-y * (w @ x.T))).mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(
        path.margin_l1(t[1:]), (y * (w @ x.T)).min(axis=1)[1:] / np.abs(w).sum(axis=1)[1:], rtol=1e-6
    )
    assert path.statistics["steps"] > 10 and path.horizon == 100.0


def test_diagonal_goes_from_kernel_to_rich():
    problem = diagonal.Problem.draw(samples=64, dimension=1000, relevant=3)
    path = problem.flow(init_norm=128.0, weight_decay=1e-3, horizon=15_000)
    times = np.array([1_000, 15_000])
    alignment = path.alignment(times)
    assert alignment.cosine_kernel[0] > 0.99 and alignment.cosine_rich[1] > 0.98
    x, y = problem.arrays()
    rich = limits.max_margin(x, y, norm=1)
    np.testing.assert_allclose(alignment.margin_l1, path.margin_l1(times) / rich.margin, rtol=1e-9)
    early, late = path.test_accuracy(times)
    assert early < 0.6 and late > 0.98
    # The exact accuracy is that of samples: signs of the three relevant coordinates are those of the rich limit.
    fresh = np.random.default_rng(0).choice([-1.0, 1.0], size=(20_000, 1000))
    truth = np.sign(fresh[:, :3] @ np.sign(rich.weights[:3]))
    measured = (np.sign(fresh @ path.weights(15_000)) == truth).mean()
    assert measured == pytest.approx(late, abs=4 * math.sqrt(late * (1 - late) / 20_000))
    assert not {"violated"} & set(path.statements().outcomes())


def test_slow_flow_ends_at_least_l1_norm():
    x, _ = separable(5, 12)
    y = np.arange(1.0, 6.0)
    problem = diagonal.Problem(x, y, "squared")
    slow = problem.slow_flow(init_coordinate=100.0, horizon=60.0)
    rich = problem.limits().rich
    found = linprog(np.ones(24), A_eq=np.hstack([x, -x]), b_eq=y)
    assert np.abs(rich).sum() == pytest.approx(found.fun, rel=1e-8)
    np.testing.assert_allclose(slow.weights(60.0), rich, atol=1e-6)
    least = np.linalg.lstsq(x, y, rcond=None)[0]
    np.testing.assert_allclose(problem.limits().kernel, least, atol=1e-10)


def test_margins_are_those_of_scipy():
    x, y = separable()
    n, d = x.shape
    z = y[:, None] * x
    # min 1ᵀ(p + q), z(p − q) ≥ 1
    found = linprog(np.ones(2 * d), A_ub=-np.hstack([z, -z]), b_ub=-np.ones(n))
    best = limits.max_margin(x, y, norm=1)
    assert best.margin == pytest.approx(1 / found.fun, rel=1e-8)
    assert best.gap < 1e-8 and (z @ best.weights).min() == pytest.approx(1.0)
    # The dual of the L2 problem: max 1ᵀν − ½‖zᵀν‖², ν ≥ 0.
    gram = z @ z.T
    dual = minimize(
        lambda nu: 0.5 * nu @ gram @ nu - nu.sum(),
        np.full(n, 0.1),
        jac=lambda nu: gram @ nu - 1,
        bounds=[(0, None)] * n,
        method="L-BFGS-B",
        options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 10000},
    )
    two = limits.max_margin(x, y)
    assert two.margin == pytest.approx(1 / math.sqrt(-2 * dual.fun), rel=1e-6)
    assert limits.max_margin([[1.0], [1.0]], [1, -1]) is None


def test_regularised_meets_its_conditions():
    x, y = separable()
    decay = 0.05
    end = limits.regularised(x, y, decay, loss="logistic")
    gradient = -x.T @ (y / (1 + np.exp(y * (x @ end.weights)))) / len(y)
    inside = np.abs(end.weights) > 0
    np.testing.assert_allclose(gradient[inside], -decay / 2 * np.sign(end.weights[inside]), atol=1e-9)
    assert np.abs(gradient).max() <= decay / 2 * (1 + 1e-8)


def test_completion_is_the_ode():
    d = 5
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(d, 2))
    truth = factor @ factor.T / 4
    mask = np.triu(rng.random((d, d)) < 0.7)
    mask |= mask.T
    alpha, decay, n = 1.5, 1e-2, mask.sum()

    def slope(_, theta):
        u, v = theta.reshape(2, d, d)
        s = 2 / n * mask * (u @ u.T - v @ v.T - truth)
        s = s + s.T
        return np.concatenate([(-s @ u - decay * u).ravel(), (s @ v - decay * v).ravel()])

    t = np.array([0.0, 5.0, 50.0, 200.0])
    start = np.concatenate([alpha * np.eye(d).ravel()] * 2)
    reference = solve_ivp(slope, (0, 200), start, t_eval=t, rtol=1e-11, atol=1e-12, method="DOP853").y.T
    u, v = reference[:, : d * d].reshape(-1, d, d), reference[:, d * d :].reshape(-1, d, d)
    w = u @ u.transpose(0, 2, 1) - v @ v.transpose(0, 2, 1)
    problem = completion.Problem(truth, mask, init_coordinate=alpha)
    path = problem.flow(weight_decay=decay, horizon=200.0, rtol=1e-10)
    np.testing.assert_allclose(path.matrices(t), w, atol=1e-7)
    np.testing.assert_allclose(path.train_loss(t), (mask * (w - truth) ** 2).sum(axis=(1, 2)) / n, atol=1e-9)
    np.testing.assert_allclose(path.test_loss(t), ((w - truth) ** 2)[:, ~mask].mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(path.nuclear_norm(t[1:]), np.abs(np.linalg.eigvalsh(w)).sum(axis=1)[1:], rtol=1e-6)
    np.testing.assert_array_equal(problem.zero_filled, np.where(mask, truth, 0.0))
    kept = problem.flow(weight_decay=decay, horizon=200.0, rtol=1e-10, at=t)
    np.testing.assert_allclose(kept.matrices(t), path.matrices(t), atol=1e-8)
    assert not {"violated"} & set(path.statements().outcomes())


def test_completion_from_a_list():
    problem = completion.Problem(entries=[(0, 0, 4.0), (0, 1, 2.0)], dimension=2, init_coordinate=3.0)
    assert problem.shape == (2, 2)
    end = problem.flow(weight_decay=1e-3, horizon=20_000.0).matrices(20_000.0)
    assert end[1, 1] == pytest.approx(1.0, abs=0.05)
    with pytest.raises(ValueError, match="dimension"):
        completion.Problem(entries=[(0, 0, 4.0)], init_coordinate=1.0)
    with pytest.raises(ValueError, match="negative"):
        completion.Problem(entries=[(-1, 0, 4.0)], dimension=2, init_coordinate=1.0)
    with pytest.raises(ValueError, match="initial coordinate"):
        completion.Problem(np.eye(2), np.eye(2), init_coordinate=0.0)


def test_effective_theory():
    p = 8
    problem = effective.Problem.addition(p)
    # G from its definition: all pairs of samples with one sum.
    pairs = [(i, j) for i in range(p) for j in range(i, p)]
    g, count = np.zeros((p, p)), 0
    for a, (i, j) in enumerate(pairs):
        for m, n in pairs[a + 1 :]:
            if i + j == m + n:
                row = np.zeros(p)
                for k, sign in ((i, 1), (j, 1), (m, -1), (n, -1)):
                    row[k] += sign
                g += np.outer(row, row)
                count += 1
    np.testing.assert_allclose(problem.eigenvalues, np.linalg.eigvalsh(g), atol=1e-10)
    assert problem.nullity == p - np.linalg.matrix_rank(g) == 2
    assert problem.rate(normalisation="one") == pytest.approx(2 * np.linalg.eigvalsh(g)[2] / count)
    start = np.random.default_rng(0).normal(size=(p, 2))
    flow = problem.flow(start, gradient="linear")
    hessian = 2 * g / (count * (start**2).sum())
    values, vectors = np.linalg.eigh(hessian)
    for t in (0.0, 10.0, 1000.0):
        expected = vectors @ (np.exp(-values * t)[:, None] * (vectors.T @ start))
        np.testing.assert_allclose(flow.embeddings(t), expected, atol=1e-10)
    found = flow.first_rqi(0.95)
    assert found and flow.rqi(found.time) > 0.95 >= flow.rqi(found.time * 0.99)
    assert not {"violated"} & set(flow.statements().outcomes() | problem.statements().outcomes())
    fraction, (low, high) = effective.Problem.addition(10).critical_fraction(trials=300)
    assert low < fraction < high < 0.7
    with pytest.raises(ValueError, match="below p = 4"):
        effective.Problem.addition(4, pairs=[[0, 4]])


def test_network_descends_as_numpy_does():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 1))
    theta = rng.normal(size=5 * 3 + 5) * 0.5
    run = network.train(
        x, y, [3, 5, 1], bias="none", init=theta, optimizer="gd", step_size=0.05, weight_decay=1e-2,
        double=True, budget=50, loss="squared", activation="tanh",
    )  # fmt: skip
    w, a = theta[:15].reshape(5, 3), theta[15:].reshape(1, 5)
    for _ in range(50):
        h = np.tanh(x @ w.T)
        r = 2 * (h @ a.T - y) / y.size
        grad_a, grad_w = r.T @ h, ((r @ a) * (1 - h**2)).T @ x
        w, a = w - 0.05 * (grad_w + 1e-2 * w), a - 0.05 * (grad_a + 1e-2 * a)
    np.testing.assert_allclose(run.parameters, np.concatenate([w.ravel(), a.ravel()]), rtol=1e-10)
    assert run.train_loss[-1] == pytest.approx(((np.tanh(x @ w.T) @ a.T - y) ** 2).mean())
    assert run.as_dicts()[-1]["step"] == 50
    with pytest.raises(ValueError, match="activation is \"gelu\""):
        network.train(x, y, [3, 5, 1], activation="gelu")  # type: ignore[arg-type]
