"""Where flows start and end: convex problems, each with a duality gap.

Every answer has `weights` (or `matrix`), `gap` (relative), and `unique` (None where rounding does not tell); None
means that there is no solution: data that are not separable, equations that contradict each other. `farkas` then gives the
multipliers that prove it.

>>> from groktime import limits
>>> best = limits.max_margin([[2.0, 1.0], [-2.0, 1.0]], [1, -1], norm=1)
>>> best.weights.tolist(), best.margin
([0.5, 0.0], 2.0)
>>> limits.max_margin([[1.0], [1.0]], [1, -1]) is None
True
>>> limits.farkas([[1.0], [1.0]], [1, -1]).multipliers.tolist()
[0.5, 0.5]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import ArrayLike

from . import _groktime
from ._arrays import Floats, matrix, vector
from .completion import observations
from .diagonal import Loss

__all__ = [
    "Farkas",
    "Interpolant",
    "MaxMargin",
    "NuclearLimit",
    "Regularised",
    "farkas",
    "max_margin",
    "min_norm",
    "minimum_nuclear_norm",
    "regularised",
]


@dataclass(frozen=True)
class MaxMargin:
    """The largest margin. `weights` have min y⟨w, x⟩ = 1, so `margin` is 1/‖w‖; `multipliers` are the dual
    solution. `support` and `off_support` (max |(Zᵀν)_k| off the support) for norm 1 only."""

    weights: Floats
    multipliers: Floats
    margin: float
    objective: float
    dual_objective: float
    gap: float
    infeasibility: float
    iterations: int
    unique: bool | None
    support_vectors: list[int]
    support: list[int] | None = None
    off_support: float | None = None


@dataclass(frozen=True)
class Farkas:
    """Multipliers ν with ⟨b, ν⟩ = 1 that prove that no w fits: for margins b = 1, ν ≥ 0 and diag(y)Xᵀν = 0, for equations
    b = y and Xᵀν = 0. `bound` is what rounding leaves of that in the dual norm: no w of norm below 1/bound fits."""

    multipliers: Floats
    bound: float


@dataclass(frozen=True)
class Interpolant:
    """The interpolant Xw = y of least norm. `objective` is ½‖w‖² for norm 2 and the (weighted) ‖w‖₁ for norm 1."""

    weights: Floats
    multipliers: Floats
    objective: float
    dual_objective: float
    gap: float
    infeasibility: float
    iterations: int
    unique: bool | None
    support: list[int] | None = None
    off_support: float | None = None


@dataclass(frozen=True)
class Regularised:
    """The minimum of mean loss + (λ/2)‖w‖₁; `loss` is the mean loss alone."""

    weights: Floats
    multipliers: Floats
    loss: float
    objective: float
    dual_objective: float
    gap: float
    infeasibility: float
    iterations: int
    unique: bool | None
    support: list[int]


@dataclass(frozen=True)
class NuclearLimit:
    """A completion of least nuclear norm, or of least penalised loss. `certificate` is ‖M‖_op of the dual solution,
    1 unless W = 0."""

    matrix: Floats
    nuclear_norm: float
    objective: float
    dual_objective: float
    gap: float
    rank: int
    unique: bool | None
    certificate: float


def max_margin(data: ArrayLike, labels: ArrayLike, *, norm: Literal[1, 2] = 2) -> MaxMargin | None:
    """The largest min y⟨w, x⟩ over ‖w‖ = 1 in the L1 or L2 norm, for labels ±1; None if the data are not separable."""
    found = _groktime.max_margin(matrix(data, "data"), vector(labels, "labels"), norm)
    return None if found is None else MaxMargin(**found)


def min_norm(
    data: ArrayLike,
    labels: ArrayLike,
    *,
    norm: Literal[1, 2] = 2,
    costs: tuple[ArrayLike, ArrayLike] | None = None,
) -> Interpolant | None:
    """The w of least L2 or L1 norm with Xw = y; None if there is none. `costs` = (c⁺, c⁻) weighs positive and
    negative parts for norm 1."""
    if costs is not None and norm != 1:
        raise ValueError("costs go with norm=1")
    weighted = None if costs is None else (vector(costs[0], "costs"), vector(costs[1], "costs"))
    found = _groktime.interpolant(matrix(data, "data"), vector(labels, "labels"), norm, weighted)
    return None if found is None else Interpolant(**found)


def farkas(
    data: ArrayLike, labels: ArrayLike, *, norm: Literal[1, 2] = 2, what: Literal["margin", "interpolant"] = "margin"
) -> Farkas | None:
    """The proof that the data are not separable, or that no weights interpolate; None where some do."""
    if what not in ("margin", "interpolant"):
        raise ValueError(f'what is {what!r}, expected "margin" or "interpolant"')
    found = _groktime.farkas(matrix(data, "data"), vector(labels, "labels"), what == "margin", norm)
    return None if found is None else Farkas(*found)


def regularised(data: ArrayLike, labels: ArrayLike, weight_decay: float, *, loss: Loss = "squared") -> Regularised:
    """The minimum of mean loss + (weight_decay/2)‖w‖₁, where a diagonal net of depth 2 ends under weight decay. Mind
    the factor ½ of the penalty; the squared loss has none.

    >>> from groktime import limits
    >>> round(float(limits.regularised([[1.0]], [2.0], 1.0).weights[0]), 12)  # 2(w − 2) + 1/2 = 0
    1.75
    """
    return Regularised(**_groktime.regularised(matrix(data, "data"), vector(labels, "labels"), loss, weight_decay))


def minimum_nuclear_norm(
    matrix_: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    *,
    entries: Sequence[tuple[int, int, float]] | None = None,
    dimension: int | None = None,
    weight_decay: float | None = None,
    gap: float = 1e-7,
) -> NuclearLimit:
    """The symmetric completion of least nuclear norm; with `weight_decay` λ that of least
    (1/n)·Σ(W_ij − y_ij)² + (λ/2)‖W‖_*. Observations as in `completion.Problem`; `gap` in [1e-9, 0.1].

    >>> from groktime import limits
    >>> corner = limits.minimum_nuclear_norm(entries=[(0, 0, 4.0), (0, 1, 2.0)], dimension=2)
    >>> round(float(corner.matrix[1, 1]), 2), corner.rank
    (1.0, 1)
    """
    observed: dict[str, Any] = observations(matrix_, mask, entries, dimension)
    return NuclearLimit(**_groktime.minimum_nuclear_norm(**observed, weight_decay=weight_decay, gap=gap))
