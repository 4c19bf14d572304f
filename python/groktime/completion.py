"""Matrix completion by W = UUᵀ − VVᵀ under gradient flow with weight decay.

The training loss is (1/n)·Σ (W_ij − y_ij)² over the n observed entries as given (mirrored pairs count as often as they
are listed); flow time = step size × steps. Source: arXiv 2311.18817.

>>> import numpy as np
>>> from groktime import completion
>>> d = 12
>>> i = np.arange(1, d + 1)
>>> table = np.outer(i, i) / d**2
>>> mask = np.random.default_rng(1).random((d, d)) < 0.6
>>> problem = completion.Problem(table, mask, init_coordinate=10)
>>> path = problem.flow(weight_decay=1e-4, horizon=3 * np.log(10) / 1e-4)
>>> memorised, completed = path.test_loss([4_000, path.horizon])
>>> bool(completed < 1e-3 * memorised)
True
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _groktime
from ._arrays import Floats, matrix
from ._trajectory import Trajectory
from .theorems import Statements, _statements

__all__ = ["Path", "Problem"]


class Path(Trajectory):
    """W(t), solved; with `at` it answers at those times only. The clock of a slow flow is τ = λt."""

    def __init__(self, path: _groktime.CompletionPath) -> None:
        self._path = path

    def _observe(self, times: NDArray[Any], names: list[str]) -> Floats:
        return self._path.observe(times, names)

    def _span(self) -> tuple[float, float]:
        return 1e-5 * self.horizon, self.horizon

    def _undefined(self, name: str) -> str:
        return "a test loss needs the whole matrix"

    @property
    def horizon(self) -> float:
        """The last time that can be asked for."""
        return self._path.horizon()

    def matrices(self, t: ArrayLike) -> Floats:
        """W: shape of the times, then d × d."""
        times, shape = self._times(t)
        found = self._path.matrices(times)
        return found.reshape(*shape, *found.shape[1:])

    def nuclear_norm(self, t: ArrayLike) -> Any:
        """Sum of the singular values of W."""
        return self._column(t, "nuclear_norm")

    def rank(self, t: ArrayLike) -> Any:
        """Number of eigenvalues of W that are resolved: above `rank_tolerance` of the largest, and above the scale of
        the initialisation that is left."""
        return self._column(t, "rank")

    @property
    def statistics(self) -> dict[str, float]:
        """Steps, right-hand sides, Jacobians, the largest drift of the invariant A² − W² = 4c²I, repairs of A."""
        names = ("steps", "rhs", "jacobians", "invariant_drift", "repairs")
        return dict(zip(names, self._path.statistics(), strict=True))

    @property
    def step_times(self) -> Floats:
        """Ends of the integrator's steps."""
        return self._path.step_times()

    def statements(self, *, fraction: float = 0.5) -> Statements:
        """Every published statement about this path, judged: the kernel phase up to (1 − fraction)·ln α/λ, the rich
        one up to (1 + fraction)·ln α/λ."""
        return _statements(self._path.statements(fraction))


class Problem:
    """Observed entries and a start.

    matrix, mask
        The symmetric matrix to recover and where it is seen (true, or not zero); or `entries`, a list of (i, j, y)
        from 0, with `dimension`: then there is no test loss.
    init_coordinate
        α of U = V = αI; with `init_std` every entry is perturbed by N(0, init_std²), drawn from `seed`.
    init
        (U, V) instead, d × k and d × l.
    """

    def __init__(
        self,
        matrix_: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        *,
        entries: Sequence[tuple[int, int, float]] | None = None,
        dimension: int | None = None,
        init_coordinate: float | None = None,
        init_std: float | None = None,
        seed: int = 0,
        init: tuple[ArrayLike, ArrayLike] | None = None,
    ) -> None:
        if (init_coordinate is None) == (init is None):
            raise ValueError("give either init_coordinate (α) or init (U, V)")
        start: Any = init_coordinate
        if init is not None:
            start = (matrix(init[0], "U(0)"), matrix(init[1], "V(0)"))
        elif init_std is not None:
            start = (init_coordinate, init_std, seed)
        observed = observations(matrix_, mask, entries, dimension)
        self._problem = _groktime.CompletionProblem(start, **observed)

    @property
    def shape(self) -> tuple[int, int]:
        """(d, n): the dimension and the number of observed entries, as given."""
        return self._problem.shape()

    @property
    def zero_filled(self) -> Floats:
        """The kernel solution: observed entries, and zero elsewhere."""
        return self._problem.zero_filled()

    @property
    def test_loss_floor(self) -> float | None:
        """What the test loss cannot fall below, because some entries are out of reach of the observations."""
        return self._problem.test_loss_floor()

    def flow(
        self,
        *,
        weight_decay: float,
        horizon: float,
        rtol: float = 1e-8,
        rank_tolerance: float = 1e-6,
        at: ArrayLike | None = None,
        progress: Callable[[float], object] | None = None,
    ) -> Path:
        """Integrates the flow up to the flow time `horizon`; `rtol` in [1e-11, 1e-6]. With `at` W is kept at those
        times only (a path takes 12d² bytes a step)."""
        times = None if at is None else [float(t) for t in np.atleast_1d(np.asarray(at, dtype=float))]
        return Path(
            self._problem.flow(
                weight_decay=weight_decay,
                horizon=horizon,
                rtol=rtol,
                rank_tolerance=rank_tolerance,
                at=times,
                progress=progress,
            )
        )

    def slow_flow(self, *, horizon: float, rtol: float = 1e-8, rank_tolerance: float = 1e-6) -> Path:
        """The limit λ → 0 at fixed τ = λt, up to τ = `horizon`."""
        return Path(self._problem.slow_flow(horizon=horizon, rtol=rtol, rank_tolerance=rank_tolerance))

    def __repr__(self) -> str:
        d, n = self.shape
        return f"<completion problem: {d} × {d}, {n} observed entries>"


def observations(
    matrix_: ArrayLike | None,
    mask: ArrayLike | None,
    entries: Sequence[tuple[int, int, float]] | None,
    dimension: int | None,
) -> dict[str, Any]:
    """Observations as the extension takes them: a matrix and a mask, or a list."""
    if (entries is None) == (matrix_ is None) or (matrix_ is None) != (mask is None):
        raise ValueError("give a matrix and a mask, or entries and dimension")
    if entries is None:
        assert matrix_ is not None and mask is not None
        return {"matrix": matrix(matrix_, "matrix"), "mask": matrix(mask, "mask"), "dimension": 0, "entries": []}
    if dimension is None:
        raise ValueError("entries need the dimension of the matrix")
    listed = [(int(i), int(j), float(y)) for i, j, y in entries]
    if any(i < 0 or j < 0 for i, j, _ in listed):
        raise ValueError("an index is negative, expected indices from 0")
    return {"matrix": None, "mask": None, "dimension": dimension, "entries": listed}
