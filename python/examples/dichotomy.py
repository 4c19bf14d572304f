"""Early and late phase biases (arXiv 2311.18817): a diagonal net goes from the L2 to the L1 max-margin solution, and
a completion from the zero-filled matrix to the least nuclear norm."""

import math

import numpy as np

from groktime import completion, diagonal, limits


def main() -> None:
    alpha, decay = 100.0, 1e-3
    problem = diagonal.Problem.draw(samples=64, dimension=1000, relevant=3)
    path = problem.flow(init_coordinate=alpha, weight_decay=decay, horizon=3 * math.log(alpha) / decay)
    times = np.array([0.3, 0.6, 1.0, 1.2, 1.5, 3.0]) * math.log(alpha) / decay
    alignment = path.alignment(times)
    assert alignment is not None
    print("t·λ/ln α  cos L2  cos L1  test accuracy")
    for row in zip(
        times * decay / math.log(alpha),
        alignment.cosine_kernel,
        alignment.cosine_rich,
        path.test_accuracy(times),
        strict=True,
    ):
        print("{:8.2f} {:7.3f} {:7.3f} {:14.4f}".format(*row))

    i = np.arange(1, 31)
    table = np.outer(i, i) / 900
    mask = np.random.default_rng(0).random((30, 30)) < 0.2
    observed = completion.Problem(table, mask | mask.T, init_coordinate=10.0)
    flow = observed.flow(weight_decay=1e-4, horizon=3 * math.log(10) / 1e-4)
    limit = limits.minimum_nuclear_norm(table, mask | mask.T)
    end = flow.matrices(flow.horizon)
    print(f"completion: test loss {flow.test_loss(4000):.2e} in the kernel phase, {flow.test_loss(flow.horizon):.2e} at the end")
    print(f"nuclear norm {flow.nuclear_norm(flow.horizon):.5f}, least {limit.nuclear_norm:.5f}, distance "
          f"{np.linalg.norm(end - limit.matrix):.1e}")  # fmt: skip


if __name__ == "__main__":
    main()
