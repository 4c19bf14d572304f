"""Ridge regression under gradient descent and gradient flow, in closed form.

Student ⟨θ, φ(x)⟩, features Φ (n × m, one row a sample), labels y = Φθ* + noise. Conventions:

| quantity | definition |
|---|---|
| training loss | (1/2n)·‖Φθ − y‖², no penalty in it |
| test loss | E(⟨θ, φ⟩ − y*)², no factor ½ |
| descent | θ ← θ − (η/n)·Φᵀ(Φθ − y) − ηλθ, clock: steps (integers up to 2⁶⁴) |
| flow | θ' = −(1/n)·Φᵀ(Φθ − y) − λθ, clock: τ = η·step |

Source: arXiv 2601.19791.

>>> import numpy as np
>>> from groktime import ridge
>>> rng = np.random.default_rng(0)
>>> n, m = 50, 400
>>> features = rng.normal(size=(n, m)) / np.sqrt(m)
>>> problem = ridge.Problem(features, teacher=np.zeros(m), init=rng.normal(size=m),
...                         covariance=1 / m, gaussian=True, weight_decay=1e-4)
>>> times = problem.times(train=0.01, test=0.01)
>>> bool(times.t1 < 1000 < times.t2)
True
>>> bool(problem.test_loss(times.t2) <= 0.01 < problem.test_loss(times.t2 - 1))
True
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _groktime
from ._arrays import Floats, flow_times, matrix, step_times, vector
from ._times import Crossing, Times, crossing
from ._trajectory import Trajectory
from .theorems import Statements, _statements

__all__ = ["ClosedForm", "Crossing", "Problem", "Sensitivity", "Times"]


@dataclass(frozen=True)
class Sensitivity:
    """Exact derivatives of a crossing time: ∂t/∂log of each hyper-parameter. `tangent` warns that the curve barely
    touches its threshold, so that the time is about to jump."""

    time: float
    weight_decay: float
    step_size: float
    init_variance: float
    threshold: float
    tangent: bool


class ClosedForm(Trajectory):
    """One solved trajectory. Its methods take a time or an array of times: steps of descent (whole numbers) or,
    with `flow=True`, real flow times."""

    def __init__(self, form: _groktime.RidgeForm, flow: bool) -> None:
        self._form = form
        self.flow = flow
        self._time_label = "flow time" if flow else "step"

    def _times(self, t: ArrayLike) -> tuple[NDArray[Any], tuple[int, ...]]:
        return flow_times(t) if self.flow else step_times(t)

    def _observe(self, times: NDArray[Any], names: list[str]) -> Floats:
        return self._form.observe(times, names)

    def _undefined(self, name: str) -> str:
        return "give the covariance of the features (with moments unless the teacher is linear) or a test sample"

    def _span(self) -> tuple[float, float]:
        return 1.0, 10.0 * max([100.0, *self._marks().values()])

    def _crossing(self, name: str) -> Crossing[Any]:
        try:
            return crossing(getattr(self._form, name)(0.01))
        except ValueError:  # the test loss is not defined
            return Crossing("never", None)

    def _marks(self) -> dict[str, float]:
        found = {"t1": self._crossing("last_unfit"), "t2": self._crossing("first_general")}
        return {name: float(c.time) for name, c in found.items() if c.time is not None}

    def test_accuracy(self, t: ArrayLike) -> Any:
        """P((N − N*)² ≤ accuracy_tolerance): exact for Gaussian features and a linear teacher, otherwise a fraction
        of the test sample."""
        return self._column(t, "test_accuracy")

    def parameters(self, t: ArrayLike) -> Floats:
        """θ: shape of the times, then m."""
        times, shape = self._times(t)
        found = self._form.parameters(times)
        return found.reshape(*shape, found.shape[1])

    def times(self, train: float = 0.01, test: float = 0.01) -> Times[Any]:
        """t1, the last time with training loss ≥ `train`, and t2, the first with test loss ≤ `test`: exact integers
        for descent, certified intervals for flow."""
        first, second = self._form.times(train, test)
        return Times(crossing(first), crossing(second))

    def first_accurate(self, threshold: float) -> Crossing[Any]:
        """The first time at which the test accuracy is at least `threshold`."""
        return crossing(self._form.first_accurate(threshold))

    def last_unfit(self, threshold: float = 0.01) -> Crossing[Any]:
        """t1 alone; needs nothing of the population."""
        return crossing(self._form.last_unfit(threshold))

    @property
    def limits(self) -> tuple[float | None, float | None]:
        """Training and test loss as t → ∞; None where there is no limit, or no test loss."""
        return self._form.loss_limits()

    @property
    def limit_errors(self) -> tuple[float | None, float | None]:
        """Bounds on the rounding errors of `limits`; None where there is no limit or no bound is known."""
        return self._form.loss_limit_errors()

    def error_of(self, t: ArrayLike, name: str) -> Any:
        """Bound on the rounding error of "train_loss", "test_loss", "test_accuracy" or "parameter_norm"; NaN where
        none is known. `observe` takes the same as "train_loss_error" and so on."""
        times, shape = self._times(t)
        return self._form.observe(times, [f"{name}_error"])[:, 0].reshape(shape)[()]

    def sensitivity(self, which: Literal["t1", "t2"], threshold: float = 0.01) -> Sensitivity | None:
        """Derivatives of t1 or t2 with respect to log λ, log η, log ν² and log threshold; None where the time is
        not a crossing. Descent reads steps as real numbers."""
        if which not in ("t1", "t2"):
            raise ValueError(f"which is {which!r}, expected 't1' or 't2'")
        found = self._form.sensitivity(which == "t2", threshold)
        return None if found is None else Sensitivity(**found)

    def init_average(
        self, t: ArrayLike, init_variance: float, loss: Literal["train", "test"] = "test"
    ) -> tuple[Any, Any]:
        """Mean and standard deviation of a loss over θ(0) ~ N(0, init_variance·I), in closed form."""
        if loss not in ("train", "test"):
            raise ValueError(f"loss is {loss!r}, expected 'train' or 'test'")
        times, shape = self._times(t)
        found = self._form.init_average(loss == "test", times, init_variance)
        return found[:, 0].reshape(shape)[()], found[:, 1].reshape(shape)[()]

    def statements(
        self,
        *,
        train: float = 0.01,
        test: float = 0.01,
        failure_probability: float = 0.05,
        init_variance: float | None = None,
    ) -> Statements:
        """Every published bound on this trajectory, judged against the exact times. `init_variance` is ν² if θ(0)
        was drawn from N(0, ν²I); without it statements over that law are left open."""
        return _statements(
            self._form.statements(
                train=train, test=test, failure_probability=failure_probability, init_variance=init_variance
            )
        )


class Problem(ClosedForm):
    """A ridge regression problem, decomposed once, with its trajectory at the given settings.

    features
        Φ, n × m. A contiguous float64 array is read in place (do not change it while the problem lives); other
        types are converted once.
    teacher, labels, noise
        θ* of length m (the labels are then Φθ* + `noise`), or `labels` of length n of any origin.
    init
        θ(0), length m.
    covariance
        E φφᵀ: a number v for v·I, or an m × m matrix; without it the test loss needs `test`.
    moments
        (h, κ) = (E φy*, E y*²) for labels that are not linear in the features.
    test
        (features, labels) of a held-out sample.
    gaussian, feature_bound, init_variance
        Whether φ is Gaussian, a bound on ‖φ‖, and ν² of the law of θ(0): what statements may need to know.
    step_size, weight_decay, flow, accuracy_tolerance
        η, λ, the clock, and ε of the accuracy. `with_settings` changes them without decomposing again.
    """

    def __init__(
        self,
        features: ArrayLike,
        teacher: ArrayLike | None = None,
        init: ArrayLike | None = None,
        *,
        labels: ArrayLike | None = None,
        noise: ArrayLike | None = None,
        covariance: float | ArrayLike | None = None,
        moments: tuple[ArrayLike, float] | None = None,
        test: tuple[ArrayLike, ArrayLike] | None = None,
        gaussian: bool | None = None,
        feature_bound: float | None = None,
        init_variance: float | None = None,
        step_size: float = 1.0,
        weight_decay: float = 0.0,
        flow: bool = False,
        accuracy_tolerance: float = 0.01,
    ) -> None:
        if (teacher is None) == (labels is None):
            raise ValueError("give either a teacher or labels")
        if noise is not None and teacher is None:
            raise ValueError("noise goes with a teacher: labels are taken as they are")
        if init is None:
            raise ValueError("init is missing, expected θ(0) of length m")
        isotropic = float(covariance) if isinstance(covariance, int | float | np.number) else None
        full = None if covariance is None or isotropic is not None else matrix(covariance, "covariance")
        problem = _groktime.RidgeProblem(
            matrix(features, "features"),
            vector(init, "init"),
            teacher=None if teacher is None else vector(teacher, "teacher"),
            noise=None if noise is None else vector(noise, "noise"),
            labels=None if labels is None else vector(labels, "labels"),
            isotropic=isotropic,
            covariance=full,
            moments=None if moments is None else (vector(moments[0], "moments"), float(moments[1])),
            test=None if test is None else (matrix(test[0], "test features"), vector(test[1], "test labels")),
            gaussian=gaussian,
            feature_bound=feature_bound,
            init_variance=init_variance,
        )
        self._settle(problem, flow, step_size, weight_decay, 1.0, accuracy_tolerance)

    @classmethod
    def draw(
        cls,
        *,
        samples: int = 100,
        width: int = 1000,
        features: Literal["gaussian", "sphere", "relu", "fourier"] = "gaussian",
        teacher: Literal["zero", "unit", "relu-neuron", "fourier-feature"] = "unit",
        init_variance: float = 1.0,
        noise_std: float = 0.0,
        test_samples: int = 0,
        seed: int = 0,
        bound: float = 1.0,
        input_dim: int = 100,
        hidden_variance: float = 1.0,
        frequency_variance: float = 1.0,
        input_variance: float = 1.0,
        step_size: float = 1.0,
        weight_decay: float = 0.0,
        flow: bool = False,
        accuracy_tolerance: float = 0.01,
    ) -> Problem:
        """A problem of the paper's families, from a seed: the same on every machine and in the Rust crate.

        gaussian: φ ~ N(0, I/m); sphere: uniform on the sphere of radius `bound`; relu: max(0, ⟨w, x⟩) with
        w ~ N(0, hidden_variance/(input_dim·m)·I), x ~ N(0, input_variance·I); fourier: √(2/m)·cos(⟨w, x⟩ + b) with
        w ~ N(0, frequency_variance·I). The population risk is exact for each. `samples` is n, `width` m.
        """
        parameters = {
            "gaussian": [0.0, 0.0, 0.0],
            "sphere": [bound, 0.0, 0.0],
            "relu": [float(input_dim), hidden_variance, input_variance],
            "fourier": [float(input_dim), frequency_variance, input_variance],
        }
        problem = _groktime.RidgeProblem.draw(
            features=features,
            parameters=parameters.get(features, [0.0, 0.0, 0.0]),
            teacher=teacher,
            samples=samples,
            width=width,
            init_variance=init_variance,
            noise_std=noise_std,
            test_samples=test_samples,
            seed=seed,
        )
        made = cls.__new__(cls)
        made._settle(problem, flow, step_size, weight_decay, 1.0, accuracy_tolerance)
        return made

    def _settle(
        self,
        problem: _groktime.RidgeProblem,
        flow: bool,
        step_size: float,
        weight_decay: float,
        init_scale: float,
        accuracy_tolerance: float,
    ) -> None:
        self._problem, self.flow = problem, flow
        self.step_size, self.weight_decay = step_size, weight_decay
        self.init_scale, self.accuracy_tolerance = init_scale, accuracy_tolerance
        form = problem.solve_with(
            flow=flow,
            step_size=step_size,
            weight_decay=weight_decay,
            init_scale=init_scale,
            accuracy_tolerance=accuracy_tolerance,
        )
        super().__init__(form, flow)

    def with_settings(
        self,
        *,
        step_size: float | None = None,
        weight_decay: float | None = None,
        init_scale: float | None = None,
        flow: bool | None = None,
        accuracy_tolerance: float | None = None,
    ) -> Problem:
        """The same problem at other settings, without decomposing again. `init_scale` multiplies θ(0): a sweep over
        ν² scales by ν.

        >>> from groktime import ridge
        >>> problem = ridge.Problem.draw(samples=30, width=200)
        >>> [problem.with_settings(weight_decay=decay).times().t2 for decay in (1e-2, 1e-3)]
        [262, 2618]
        """
        made = Problem.__new__(Problem)
        made._settle(
            self._problem,
            self.flow if flow is None else flow,
            self.step_size if step_size is None else step_size,
            self.weight_decay if weight_decay is None else weight_decay,
            self.init_scale if init_scale is None else init_scale,
            self.accuracy_tolerance if accuracy_tolerance is None else accuracy_tolerance,
        )
        return made

    @property
    def shape(self) -> tuple[int, int]:
        """(n, m)."""
        return self._problem.shape()

    @property
    def eigenvalues(self) -> Floats:
        """Positive eigenvalues of ΦᵀΦ, ascending."""
        return self._problem.eigenvalues()

    @property
    def largest_stable_step(self) -> float:
        """2/(λ + s_max/n): beyond it descent diverges."""
        return self._problem.largest_stable_step(self.weight_decay)

    @property
    def test_risk(self) -> str:
        """How the test loss is known: "exact", "held-out(N)" or "undefined"."""
        return self._problem.test_risk()

    def arrays(self) -> dict[str, Floats]:
        """Copies of features, init, and teacher or labels: what a drawn problem is made of."""
        features, init, teacher, labels = self._problem.arrays()
        given = {"features": features, "init": init, "teacher": teacher, "labels": labels}
        return {name: array for name, array in given.items() if array is not None}

    def control(
        self,
        knob: Literal["weight_decay", "init_variance", "threshold"],
        span: tuple[float, float],
        *,
        delay: float = 0.0,
        train: float = 0.01,
        test: float = 0.01,
        points: int = 200,
        drawn: float | None = None,
    ) -> list[tuple[float, float]]:
        """Grokking on demand: the values of a hyper-parameter in `span` at which t2 − t1 passes `delay` (0: no
        grokking), each with the delay there. The range is scanned at `points` values on a logarithmic grid."""
        return self._problem.control(
            knob=knob,
            drawn=drawn,
            range=span,
            points=points,
            delay=delay,
            thresholds=(train, test),
            flow=self.flow,
            step_size=self.step_size,
            weight_decay=self.weight_decay,
            init_scale=self.init_scale,
        )

    def __repr__(self) -> str:
        n, m = self.shape
        clock = "flow" if self.flow else f"descent, step size {self.step_size:g}"
        return f"<ridge problem: {n} × {m}, {clock}, weight decay {self.weight_decay:g}, test loss {self.test_risk}>"
