"""Deep Grokking (arXiv 2405.19454) in small: a deep network whose initial weights are multiplied by α fits its digits
early and generalises late. Digits of 8 × 8 from scikit-learn instead of MNIST; trained, not solved."""

import numpy as np
from sklearn.datasets import load_digits

from groktime import network


def main() -> None:
    x, digit = load_digits(return_X_y=True)
    x, n = x / 16, 300
    print("alpha  training accuracy 0.9 at  test accuracy 0.8 at  at the end")
    for scale in (1.0, 8.0):
        run = network.train(
            x[:n], digit[:n], [64, 64, 64, 10], test=(x[n:], digit[n:]), init="torch", init_scale=scale,
            loss="squared", step_size=1e-3, weight_decay=0.5, batch=100, budget=20_000,
            record=[int(t) for t in np.geomspace(1, 20_000, 60)],
        )  # fmt: skip
        there = run.steps[run.test_accuracy >= 0.8]
        when = f"about step {there[0]}" if len(there) else "never"
        print(f"{scale:5g} {run.train_step!s:>25} {when:>21} {run.test_accuracy[-1]:11.3f}")


if __name__ == "__main__":
    main()
