"""Diagonal linear nets w = u^L − v^L under gradient flow with weight decay, exact in n dimensions.

| quantity | definition |
|---|---|
| training loss | mean of ℓ(⟨w, x⟩; y); squared loss without the factor ½; no penalty in it |
| objective | training loss + (λ/2)(‖u‖² + ‖v‖²) |
| flow | θ' = −∇(training loss) − λθ, flow time = step size × steps |
| margins | min of y⟨w, x⟩ over ‖w‖₂ and over ‖w‖₁; NaN for squared loss |

Source: arXiv 2311.18817.

>>> from groktime import diagonal
>>> problem = diagonal.Problem.draw(samples=64, dimension=1000, relevant=3)
>>> path = problem.flow(init_norm=128, weight_decay=1e-3, horizon=15_000)
>>> early, late = path.margin_l1([1_000, 15_000])
>>> bool(late > 2 * early)  # from the kernel to the rich phase
True
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _groktime
from ._arrays import Floats, flow_times, matrix, vector
from ._trajectory import Trajectory
from .theorems import Statements, _statements

__all__ = ["Alignment", "Limits", "Path", "Problem", "SlowPath"]

Loss = Literal["logistic", "exponential", "squared"]
Start = float | tuple[Floats, Floats]


@dataclass(frozen=True)
class Limits:
    """Where nets start from and tend to at large initialisation and small decay. Margin losses: directions of
    largest L2 (`kernel`) and L1 margin (`rich`), with the margins; squared loss: interpolants of least L2 and
    (weighted) L1 norm. `off_support` is max |s_k| off the support of `rich`."""

    kernel: Floats
    rich: Floats
    margin_l2: float | None
    margin_l1: float | None
    off_support: float


@dataclass(frozen=True)
class Alignment:
    """Weights against both limits at each time: cosines, and margins as parts of the largest ones (NaN for squared
    loss)."""

    cosine_kernel: Floats
    cosine_rich: Floats
    margin_l2: Floats
    margin_l1: Floats


class Path(Trajectory):
    """A gradient flow, solved up to its horizon; ask it at any flow time."""

    _curves = ("train_loss", "margin_l2", "margin_l1")

    def __init__(self, path: _groktime.DiagonalPath) -> None:
        self._path = path

    def _observe(self, times: NDArray[Any], names: list[str]) -> Floats:
        return self._path.observe(times, names)

    def _span(self) -> tuple[float, float]:
        return 1e-5 * self.horizon, self.horizon

    @property
    def horizon(self) -> float:
        """The last flow time that can be asked for."""
        return self._path.horizon()

    def weights(self, t: ArrayLike) -> Floats:
        """w = u^L − v^L: shape of the times, then d."""
        times, shape = self._times(t)
        found = self._path.weights(times)
        return found.reshape(*shape, found.shape[1])

    def parameters(self, t: ArrayLike) -> tuple[Floats, Floats]:
        """|u| and |v|, each of the shape of the times, then d."""
        times, shape = self._times(t)
        u, v = self._path.parameters(times)
        return u.reshape(*shape, u.shape[1]), v.reshape(*shape, v.shape[1])

    def error(self, name: str, t: ArrayLike) -> Any:
        """The error bar of a curve: "train_loss", "train_accuracy", "parameter_norm", "margin_l2", "margin_l1"; NaN
        where none is known. It comes from a second run, made once."""
        return self._column(t, f"{name}_error")

    def train_accuracy(self, t: ArrayLike) -> Any:
        """Fraction of training samples on the right side, ties counting ½."""
        return self._column(t, "train_accuracy")

    def test_accuracy(self, t: ArrayLike) -> Any:
        """Exact population accuracy, for problems drawn from a law; for other data compute it from `weights`."""
        times, shape = self._times(t)
        found = self._path.exact_accuracy(times)
        if found is None:
            raise ValueError("the test accuracy is known for drawn problems only: use weights(t) on your test data")
        return found.reshape(shape)[()]

    def margin_l2(self, t: ArrayLike) -> Any:
        """min of y⟨w, x⟩ over ‖w‖₂."""
        return self._column(t, "margin_l2")

    def margin_l1(self, t: ArrayLike) -> Any:
        """min of y⟨w, x⟩ over ‖w‖₁."""
        return self._column(t, "margin_l1")

    def _undefined(self, name: str) -> str:
        return "margins and accuracies are for classes, test losses are not known here"

    def alignment(self, t: ArrayLike) -> Alignment | None:
        """How near the net is to the kernel and to the rich limit; None when there are none (data that are not
        separable, or that no weights fit)."""
        times, shape = self._times(t)
        found = self._path.alignment(times)
        if found is None:
            return None
        return Alignment(*(found[:, k].reshape(shape) for k in range(4)))

    @property
    def statistics(self) -> dict[str, int]:
        """Accepted steps, right-hand sides, Jacobians."""
        return dict(zip(("steps", "rhs", "jacobians"), self._path.statistics(), strict=True))

    @property
    def step_times(self) -> Floats:
        """Ends of the integrator's steps."""
        return self._path.step_times()

    def statements(
        self, *, fraction: float = 0.5, relevant: int | None = None, failure_probability: float = 0.05
    ) -> Statements:
        """Every published statement about this run, judged: the kernel phase up to (1 − fraction)·ln α/λ, the rich
        one up to (1 + fraction)·ln α/λ. `relevant` = k adds generalisation bounds for labels that are the
        majority of k signs."""
        return _statements(
            self._path.statements(fraction=fraction, relevant=relevant, failure_probability=failure_probability)
        )


class SlowPath:
    """The limit λ → 0 at fixed τ = λt for the squared loss: one convex problem a time."""

    def __init__(self, path: _groktime.SlowPath) -> None:
        self._path = path

    def weights(self, tau: ArrayLike) -> Floats:
        """w(τ): shape of the times, then d."""
        times, shape = flow_times(tau)
        found = self._path.weights(times)
        return found.reshape(*shape, found.shape[1])

    def extinction(self, coordinate: int, fraction: float = 1e-3) -> float | None:
        """The last τ at which |w_k| is at least `fraction` of the largest; None if it is so at the horizon, or never
        was."""
        return self._path.extinction(coordinate, fraction)

    def distance(self, path: Path, times: ArrayLike) -> float:
        """Largest relative distance from a flow at the given *flow* times: O(λ) once the data are fitted."""
        return self._path.distance(path._path, flow_times(times)[0])


class Problem:
    """Data (n × d), labels and loss. Labels are ±1 for logistic and exponential loss, real for squared loss. Data of
    signs alone are packed into bits, others copied once into the order that the kernels read."""

    def __init__(self, data: ArrayLike, labels: ArrayLike, loss: Loss = "logistic") -> None:
        self._problem = _groktime.DiagonalProblem(matrix(data, "data"), vector(labels, "labels"), loss)
        self.loss = loss

    @classmethod
    def draw(
        cls,
        *,
        samples: int,
        dimension: int,
        relevant: int | None = None,
        gap: float | None = None,
        seed: int = 0,
        loss: Loss = "logistic",
    ) -> Problem:
        """Data from a law with a known test accuracy: `relevant` = k signs decide by majority (x uniform on
        {±1}^d), or Gaussians with a `gap` along a random direction."""
        if (relevant is None) == (gap is None):
            raise ValueError("give either relevant (signs) or gap (Gaussians)")
        law, parameter = ("sparse-signs", float(relevant)) if relevant is not None else ("gap", float(gap or 0.0))
        made = cls.__new__(cls)
        made._problem = _groktime.DiagonalProblem.draw(law, parameter, samples, dimension, seed, loss)
        made.loss = loss
        return made

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d)."""
        return self._problem.shape()

    def arrays(self) -> tuple[Floats, Floats]:
        """Copies of data and labels."""
        return self._problem.arrays()

    def _start(
        self, init_norm: float | None, init_coordinate: float | None, init: tuple[ArrayLike, ArrayLike] | None
    ) -> Start:
        given = [x for x in (init_norm, init_coordinate, init) if x is not None]
        if len(given) != 1:
            raise ValueError("give one of init_norm (‖θ(0)‖₂), init_coordinate (α) and init (u, v)")
        if init is not None:
            return vector(init[0], "u(0)"), vector(init[1], "v(0)")
        if init_norm is not None:
            return float(init_norm) / float(np.sqrt(2 * self.shape[1]))
        return float(init_coordinate or 0.0)

    def flow(
        self,
        *,
        weight_decay: float,
        horizon: float,
        init_norm: float | None = None,
        init_coordinate: float | None = None,
        init: tuple[ArrayLike, ArrayLike] | None = None,
        depth: int = 2,
        rtol: float = 1e-8,
        progress: Callable[[float], object] | None = None,
    ) -> Path:
        """Integrates the gradient flow up to the flow time `horizon`.

        The start is u = v = α·1 with ‖θ(0)‖₂ = `init_norm` or α = `init_coordinate`, or `init` = (u, v). `rtol` is
        the relative local error of the dual variable; `progress` is called with the part that is done.
        """
        start = self._start(init_norm, init_coordinate, init)
        return Path(
            self._problem.flow(
                depth=depth, init=start, weight_decay=weight_decay, horizon=horizon, rtol=rtol, progress=progress
            )
        )

    def slow_flow(
        self,
        *,
        horizon: float,
        init_norm: float | None = None,
        init_coordinate: float | None = None,
        init: tuple[ArrayLike, ArrayLike] | None = None,
        depth: int = 2,
    ) -> SlowPath:
        """The slow flow up to τ = `horizon` (squared loss)."""
        return SlowPath(self._problem.slow_flow(depth, self._start(init_norm, init_coordinate, init), horizon))

    def limits(
        self,
        *,
        init_norm: float | None = None,
        init_coordinate: float | None = None,
        init: tuple[ArrayLike, ArrayLike] | None = None,
        depth: int = 2,
    ) -> Limits | None:
        """Kernel and rich limit by independent convex solvers; None when the data are not separable, or cannot be
        interpolated. The start matters at depth ≥ 3 with squared loss only."""
        if init_norm is None and init_coordinate is None and init is None:
            init_coordinate = 1.0
        found = self._problem.limits(depth, self._start(init_norm, init_coordinate, init))
        return None if found is None else Limits(**found)

    def __repr__(self) -> str:
        n, d = self.shape
        return f"<diagonal net problem: {n} samples of {d} coordinates, {self.loss} loss>"
