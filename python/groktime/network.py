"""Fully connected networks, trained: no closed form, so what is returned was measured at recorded steps.

>>> from groktime import network
>>> run = network.train_modular_addition(7, fraction=0.6, widths=[14, 64, 7], step_size=0.01, budget=300)
>>> run.train_step is not None, int(run.steps[-1])
(True, 300)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _groktime
from ._arrays import Floats, matrix, vector

__all__ = ["Run", "train", "train_modular_addition"]

Activation = Literal["relu", "tanh", "quadratic", "identity"]
Bias = Literal["none", "first", "all"]
Criterion = Literal[
    "squared", "half-squared", "cross-entropy", "cross-entropy-per-output", "logistic", "exponential"
]
Optimizer = Literal["gd", "adam", "adamw"]


class Run:
    """The curves of a run: arrays over `steps`."""

    def __init__(self, run: _groktime.NetworkRun) -> None:
        self._run = run

    @property
    def steps(self) -> NDArray[np.uint64]:
        """Updates made at each record."""
        return self._run.steps()

    @property
    def train_loss(self) -> Floats:
        """Training loss in the convention of the criterion."""
        return self._run.column("train_loss")

    @property
    def test_loss(self) -> Floats:
        """Test loss; NaN without a test sample."""
        return self._run.column("test_loss")

    @property
    def train_accuracy(self) -> Floats:
        """Fraction answered right; NaN where there are no answers."""
        return self._run.column("train_accuracy")

    @property
    def test_accuracy(self) -> Floats:
        """The same on the test sample."""
        return self._run.column("test_accuracy")

    @property
    def parameter_norm(self) -> Floats:
        """‖θ‖₂."""
        return self._run.column("parameter_norm")

    def error(self, name: str) -> Floats:
        """The error bar of `train_loss`, `test_loss`, `train_accuracy`, `test_accuracy` or `parameter_norm`: how far
        rounding may have moved it at the parameters of each step; NaN where nothing is known. What the rounding of every
        update has done to the parameters is part of the run."""
        return self._run.column(f"{name}_error")

    @property
    def train_step(self) -> int | None:
        """The first step with training accuracy ≥ 0.9."""
        return self._run.accuracy_steps()[0]

    @property
    def test_step(self) -> int | None:
        """The first step with test accuracy ≥ 0.9."""
        return self._run.accuracy_steps()[1]

    @property
    def phase(self) -> str:
        """comprehension, grokking, memorization or confusion."""
        return self._run.phase()

    @property
    def blew_up(self) -> int | None:
        """The step after which the loss is not finite, if the run ended so."""
        return self._run.blew_up()

    @property
    def parameters(self) -> Floats:
        """θ after the last step, layer by layer (weights, then biases)."""
        return self._run.parameters()

    def as_dicts(self) -> list[dict[str, float]]:
        """One dictionary a record, each curve with its error bar beside it (`train_loss_error`)."""
        curves = ("train_loss", "test_loss", "train_accuracy", "test_accuracy", "parameter_norm")
        names = [name for curve in curves for name in (curve, f"{curve}_error")]
        columns = [self._run.column(name).tolist() for name in names]
        return [
            {"step": step, **dict(zip(names, row, strict=True))}
            for step, *row in zip(self.steps.tolist(), *columns, strict=True)
        ]

    def __repr__(self) -> str:
        return f"<run of {int(self.steps[-1])} steps: {self.phase}>"


def _labels(y: ArrayLike, name: str) -> Floats:
    x = np.asarray(y)
    return matrix(x[:, None] if x.ndim == 1 else x, name)


def _train(
    widths: Sequence[int],
    loss: Criterion,
    activation: Activation,
    bias: Bias,
    init: Literal["he", "torch"] | ArrayLike,
    record: Sequence[int] | None,
    **settings: Any,
) -> Run:
    start = None if isinstance(init, str) else vector(init, "init")
    return Run(
        _groktime.train(
            widths=list(widths),
            loss=loss,
            activation=activation,
            bias=bias,
            init=init if isinstance(init, str) else "he",
            theta=start,
            record=None if record is None else [int(s) for s in record],
            **settings,
        )
    )


def train(
    data: ArrayLike,
    labels: ArrayLike,
    widths: Sequence[int],
    *,
    test: tuple[ArrayLike, ArrayLike] | None = None,
    loss: Criterion = "squared",
    activation: Activation = "relu",
    bias: Bias = "all",
    init: Literal["he", "torch"] | ArrayLike = "he",
    init_scale: float = 1.0,
    zero_last: bool = False,
    optimizer: Optimizer = "adamw",
    step_size: float = 1e-3,
    weight_decay: float = 0.0,
    batch: int | None = None,
    double: bool = False,
    budget: int = 10_000,
    record: Sequence[int] | None = None,
    seed: int = 0,
    progress: Callable[[float], object] | None = None,
) -> Run:
    """Trains a net on data (n × widths[0]).

    loss
        squared: mean over samples and outputs of (f − y)²; half-squared: mean over samples of ½‖f − y‖² (labels are
        outputs, or classes from 0 where a net of several outputs is given one column: then y is one-hot);
        cross-entropy: labels are classes from 0; logistic, exponential: labels ±1.
    init
        "he" (weights N(0, 2/inputs) before a ReLU, biases 0), "torch" (uniform on ±1/√inputs), or θ(0) itself;
        `init_scale` multiplies it, `zero_last` sets the last layer to zero.
    optimizer
        gd and adam couple the weight decay to the gradient, adamw decouples it, as in PyTorch.
    double
        Compute in float64 instead of float32.
    record
        Steps at which everything is evaluated (default: 8 a decade).
    """
    held_out = None
    if test is not None:
        held_out = (matrix(test[0], "test data"), _labels(test[1], "test labels"))
    return _train(
        widths,
        loss,
        activation,
        bias,
        init,
        record,
        data=(matrix(data, "data"), _labels(labels, "labels")),
        test=held_out,
        modular=None,
        init_scale=init_scale,
        zero_last=zero_last,
        optimizer=optimizer,
        step_size=step_size,
        weight_decay=weight_decay,
        batch=batch,
        double=double,
        budget=budget,
        seed=seed,
        progress=progress,
    )


def train_modular_addition(
    symbols: int,
    *,
    fraction: float = 0.4,
    widths: Sequence[int] | None = None,
    loss: Criterion = "cross-entropy",
    activation: Activation = "relu",
    bias: Bias = "first",
    init: Literal["he", "torch"] | ArrayLike = "he",
    init_scale: float = 1.0,
    zero_last: bool = False,
    optimizer: Optimizer = "adamw",
    step_size: float = 1e-3,
    weight_decay: float = 0.0,
    batch: int | None = None,
    double: bool = False,
    budget: int = 10_000,
    record: Sequence[int] | None = None,
    seed: int = 0,
    progress: Callable[[float], object] | None = None,
) -> Run:
    """a + b mod `symbols` from one-hot inputs, trained on a random `fraction` of the pairs and tested on the rest; the
    other arguments are those of `train`."""
    return _train(
        [2 * symbols, 256, symbols] if widths is None else widths,
        loss,
        activation,
        bias,
        init,
        record,
        data=None,
        test=None,
        modular=(symbols, fraction),
        init_scale=init_scale,
        zero_last=zero_last,
        optimizer=optimizer,
        step_size=step_size,
        weight_decay=weight_decay,
        batch=batch,
        double=double,
        budget=budget,
        seed=seed,
        progress=progress,
    )
