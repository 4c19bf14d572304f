"""What every solved model answers: observables at any times."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._arrays import Floats, flow_times

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Trajectory(ABC):
    """A function of time. Times may be numbers or arrays; answers have the shape of the times."""

    #: Observables that are drawn by `plot`.
    _curves: Sequence[str] = ("train_loss", "test_loss")
    _time_label = "flow time"

    @abstractmethod
    def _observe(self, times: NDArray[Any], names: list[str]) -> Floats: ...

    def _times(self, t: ArrayLike) -> tuple[NDArray[Any], tuple[int, ...]]:
        return flow_times(t)

    def _column(self, t: ArrayLike, name: str) -> Any:
        times, shape = self._times(t)
        values = self._observe(times, [name])[:, 0]
        if not shape and values[0] == values[0]:
            return values[0]
        if len(values) and np.isnan(values).all():
            raise ValueError(f"{name} is not defined for this problem: {self._undefined(name)}")
        return values.reshape(shape)[()]

    def _undefined(self, name: str) -> str:
        return "it has no such quantity"

    def observe(self, t: ArrayLike, names: Sequence[str]) -> list[dict[str, float]]:
        """Several observables at several times: one dictionary a time, NaN where undefined."""
        times, _ = self._times(t)
        values = self._observe(times, list(names))
        return [
            {"time": time, **dict(zip(names, row, strict=True))}
            for time, row in zip(times.tolist(), values.tolist(), strict=True)
        ]

    def train_loss(self, t: ArrayLike) -> Any:
        """Training loss, without the penalty."""
        return self._column(t, "train_loss")

    def test_loss(self, t: ArrayLike) -> Any:
        """Test loss."""
        return self._column(t, "test_loss")

    def log_train_loss(self, t: ArrayLike) -> Any:
        """Natural logarithm of the training loss, finite long after the loss underflows."""
        return self._column(t, "log_train_loss")

    def log_test_loss(self, t: ArrayLike) -> Any:
        """Natural logarithm of the test loss."""
        return self._column(t, "log_test_loss")

    def parameter_norm(self, t: ArrayLike) -> Any:
        """|θ|₂."""
        return self._column(t, "parameter_norm")

    @abstractmethod
    def _span(self) -> tuple[float, float]:
        """Times between which something happens."""

    def plot(self, t: ArrayLike | None = None, *, ax: Axes | None = None, observables: Sequence[str] | None = None) -> Axes:
        """Draws curves on logarithmic axes with Matplotlib (the extra `plot`); returns the axes.

        `t` are the times (default: where something happens, on a logarithmic grid), `observables` the curves
        (default: the losses that are defined).
        """
        from ._plot import draw

        if t is None:
            low, high = self._span()
            t = np.geomspace(low, high, 400)
            if self._time_label == "step":
                t = np.unique(np.round(t))
        times, _ = self._times(t)
        names = list(observables or self._curves)
        values = self._observe(times, names)
        curves = {name: values[:, k] for k, name in enumerate(names) if not np.isnan(values[:, k]).all()}
        return draw(ax, times.astype(float), curves, self._time_label, self._marks())

    def _marks(self) -> dict[str, float]:
        """Times to be marked in a plot."""
        return {}
