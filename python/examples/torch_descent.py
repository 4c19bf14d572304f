"""Gradient descent in PyTorch against the exact trajectory, on one axis."""

import sys

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import torch

from groktime import ridge

matplotlib.use("Agg")


def main(picture: str = "descent.png") -> None:
    eta, decay, steps = 1.0, 1e-3, 6000
    problem = ridge.Problem.draw(samples=50, width=400, teacher="zero", step_size=eta, weight_decay=decay)
    arrays = problem.arrays()
    features = torch.tensor(arrays["features"])
    theta = torch.tensor(arrays["init"], requires_grad=True)
    optimiser = torch.optim.SGD([theta], lr=eta, weight_decay=decay)
    marks = sorted({int(t) for t in np.geomspace(1, steps, 40)})
    seen: dict[int, float] = {}
    for step in range(1, steps + 1):
        optimiser.zero_grad()
        loss = (features @ theta).square().sum() / (2 * len(features))
        torch.autograd.backward(loss)
        optimiser.step()
        if step in marks:
            seen[step] = float(theta.detach().square().sum()) / 400  # test loss: the features are N(0, I/m)
    exact = problem.test_loss(marks)
    worst = max(abs(seen[t] / e - 1) for t, e in zip(marks, exact, strict=True))
    print(f"{steps} steps of PyTorch are within {worst:.1e} of the exact test loss")
    assert worst < 1e-10
    axes = problem.plot()
    axes.plot(marks, list(seen.values()), "o", markersize=4, markerfacecolor="none", color="black", label="PyTorch")
    axes.legend(frameon=False)
    plt.savefig(picture, dpi=120)


if __name__ == "__main__":
    main(*sys.argv[1:])
