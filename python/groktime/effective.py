"""The effective theory of representation learning: parallelograms of embeddings, exact ranks, grokking rates.

Eigenvalues are those of H = 2G/(N·Z0); `convention` is "mean" (loss a mean over the N parallelograms, the paper) or
"sum" (the authors' code, rates N times larger), `normalisation` the Z0: "one", "symbols" or "symbols-less-one".
Source: arXiv 2205.10343.

>>> from groktime import effective
>>> problem = effective.Problem.addition(10)
>>> problem.nullity
2
>>> round(float(problem.eigenvalues[2]), 9)  # k(k + 1) for 2k symbols: exact
30.0
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _groktime
from ._arrays import Floats, matrix
from ._times import Crossing, crossing
from ._trajectory import Trajectory
from .theorems import Statements, _statements

__all__ = ["Flow", "Problem"]

Convention = Literal["mean", "sum"]
Normalisation = Literal["one", "symbols", "symbols-less-one"]


class Flow(Trajectory):
    """E(t) for all t, from one eigendecomposition."""

    _curves = ("train_loss", "rqi")

    def __init__(self, flow: _groktime.EffectiveFlow) -> None:
        self._flow = flow

    def _observe(self, times: NDArray[Any], names: list[str]) -> Floats:
        return self._flow.observe(times, names)

    def _span(self) -> tuple[float, float]:
        rates = self.rates[self.rates > 0]
        if not len(rates):
            return 1e-2, 1e2
        return float(1e-2 / rates.max()), float(30.0 / rates.min())

    @property
    def rates(self) -> Floats:
        """Eigenvalues of H, ascending."""
        return self._flow.rates()

    def embeddings(self, t: ArrayLike) -> Floats:
        """E: shape of the times, then symbols × dimensions."""
        times, shape = self._times(t)
        found = self._flow.embeddings(times)
        return found.reshape(*shape, *found.shape[1:])

    def error(self, t: ArrayLike, name: str) -> Any:
        """The error bar of an observable ("train_loss", "rqi", …), a bound on its rounding; NaN where none is known.
        `observe` takes names such as "rqi_error" too."""
        times, shape = self._times(t)
        return self._observe(times, [f"{name}_error"])[:, 0].reshape(shape)[()]

    def rqi(self, t: ArrayLike) -> Any:
        """Fraction of the parallelograms of the full data that the embeddings have."""
        return self._column(t, "rqi")

    def test_accuracy(self, t: ArrayLike) -> Any:
        """Accuracy that the representation predicts, training samples counted as right."""
        return self._column(t, "test_accuracy")

    def first_rqi(self, threshold: float = 0.95) -> Crossing[float]:
        """The certified first time with RQI above the threshold."""
        return crossing(self._flow.first_rqi(threshold))

    def first_accuracy(self, threshold: float = 0.9) -> Crossing[float]:
        """The certified first time with a predicted accuracy above the threshold."""
        return crossing(self._flow.first_accuracy(threshold))

    def statements(self) -> Statements:
        """Every statement about this flow, judged."""
        return _statements(self._flow.statements())


class Problem:
    """A task and its training samples: all of them, the given `pairs`, or `size` random ones from `seed`.

    Make one with `addition`, `modular`, `cyclic_product`, `s3` or `from_table`.
    """

    def __init__(self, problem: _groktime.EffectiveProblem) -> None:
        self._problem = problem

    @classmethod
    def _make(
        cls,
        kind: str,
        pairs: ArrayLike | None,
        size: int | None,
        seed: int,
        *,
        symbols: int = 0,
        orders: Sequence[int] = (),
        table: ArrayLike | None = None,
    ) -> Problem:
        if pairs is not None and size is not None:
            raise ValueError("give pairs or size, not both")
        listed = None
        if pairs is not None:
            array = np.asarray(pairs)
            if array.ndim != 2 or array.shape[1] != 2 or array.dtype.kind not in "iu" or np.any(array < 0):
                raise ValueError("pairs are not a list of two symbols from 0 each")
            listed = [[int(i), int(j)] for i, j in array]
        return cls(
            _groktime.EffectiveProblem(
                kind,
                symbols=symbols,
                orders=list(orders),
                table=None if table is None else matrix(table, "table"),
                pairs=listed,
                size=size,
                seed=seed,
            )
        )

    @classmethod
    def addition(
        cls, symbols: int, *, pairs: ArrayLike | None = None, size: int | None = None, seed: int = 0
    ) -> Problem:
        """i + j without wrap, i ≤ j."""
        return cls._make("addition", pairs, size, seed, symbols=symbols)

    @classmethod
    def modular(
        cls, symbols: int, *, pairs: ArrayLike | None = None, size: int | None = None, seed: int = 0
    ) -> Problem:
        """i + j mod p."""
        return cls._make("modular", pairs, size, seed, symbols=symbols)

    @classmethod
    def cyclic_product(
        cls, orders: Sequence[int], *, pairs: ArrayLike | None = None, size: int | None = None, seed: int = 0
    ) -> Problem:
        """A product of cyclic groups."""
        return cls._make("cyclic-product", pairs, size, seed, orders=orders)

    @classmethod
    def s3(cls, *, pairs: ArrayLike | None = None, size: int | None = None, seed: int = 0) -> Problem:
        """The permutations of three things."""
        return cls._make("s3", pairs, size, seed)

    @classmethod
    def from_table(
        cls, table: ArrayLike, *, pairs: ArrayLike | None = None, size: int | None = None, seed: int = 0
    ) -> Problem:
        """Any p × p table of answers."""
        return cls._make("table", pairs, size, seed, table=table)

    @property
    def pairs(self) -> NDArray[np.uint32]:
        """The training samples, by class."""
        return self._problem.pairs()

    @property
    def symbols(self) -> int:
        """p."""
        return self._problem.symbols()

    @property
    def nullity(self) -> int:
        """Number of independent embeddings with all parallelograms of the training set: 2 is unique for addition.
        Exact (rank modulo a prime, proved where it is the least possible)."""
        return self._problem.nullity()[0]

    @property
    def implied(self) -> tuple[float, float]:
        """RQI and accuracy of an ideal model, which knows what the training set implies."""
        return self._problem.implied()

    @property
    def eigenvalues(self) -> Floats:
        """Eigenvalues of the integer matrix G, ascending."""
        return self._problem.eigenvalues()

    def rate(self, *, convention: Convention = "mean", normalisation: Normalisation = "symbols") -> float:
        """The grokking rate: the first eigenvalue of H that full data make positive (λ3 for addition, λ2 for groups);
        0 when the training set leaves more than one structure."""
        return self._problem.rate(convention, normalisation)

    def flow(
        self,
        embeddings: ArrayLike,
        *,
        convention: Convention = "mean",
        gradient: Literal["full", "linear"] = "full",
        rule: Literal["norm", "mean-square"] = "norm",
        delta: float = 0.01,
    ) -> Flow:
        """The flow from E(0), symbols × dimensions. `gradient` "full" follows ℓ0/Z0 and conserves Z0, "linear" keeps
        Z0 frozen; a parallelogram counts when ‖d‖ ≤ delta ("norm", the paper) or mean d² < delta² ("mean-square",
        the authors' code with delta = 0.1) of the normalised embeddings."""
        start = matrix(embeddings, "embeddings")
        return Flow(self._problem.flow(start, convention_name=convention, gradient=gradient, rule=rule, delta=delta))

    def statements(self) -> Statements:
        """Statements about the structure (ranks, normal forms, eigenvalues), judged exactly."""
        return _statements(self._problem.statements())

    def unique_fraction(self, size: int, *, trials: int = 1000, seed: int = 0) -> float:
        """The fraction of random training sets of `size` samples of this task that leave one structure: exact rank
        for each of `trials`."""
        return self._problem.unique(size, trials, seed) / trials

    def critical_fraction(
        self, *, trials: int = 1000, seed: int = 0, confidence: float = 0.95
    ) -> tuple[float, tuple[float, float]]:
        """The training fraction at which half of the random sets leave one structure, and a confidence interval."""
        _, fraction, interval = self._problem.hitting_times(trials, seed, confidence)
        return fraction, interval

    def __repr__(self) -> str:
        return f"<effective problem: {self.symbols} symbols, {len(self.pairs)} training samples>"
