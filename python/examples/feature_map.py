"""Any feature map of scikit-learn: exact grokking times of ridge regression on its features."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.kernel_approximation import RBFSampler
from sklearn.preprocessing import PolynomialFeatures

from groktime import ridge


def main() -> None:
    x, digit = load_digits(return_X_y=True)
    x, labels = x / 16 - 0.5, np.where(digit % 2 == 0, 1.0, -1.0)
    rng = np.random.default_rng(0)
    for name, features in [
        ("RBFSampler", RBFSampler(gamma=0.05, n_components=2000, random_state=0).fit_transform(x)),
        ("PolynomialFeatures", PolynomialFeatures(2, include_bias=False).fit_transform(x) / 16),
    ]:
        m = features.shape[1]
        problem = ridge.Problem(
            features[:300], labels=labels[:300], init=rng.normal(size=m) * 30, test=(features[300:], labels[300:]),
            weight_decay=1e-5, step_size=1.0,
        )  # fmt: skip
        times = problem.times(train=0.05, test=0.4)
        print(f"{name}: {m} features, {times}, test loss {problem.limits[1]:.3f} in the end")


if __name__ == "__main__":
    main()
