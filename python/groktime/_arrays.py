"""Arrays on their way in: checked once, converted only where they must be."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def _floats(array: ArrayLike, name: str, dimensions: int) -> Floats:
    x = np.asarray(array)
    if x.dtype == object or x.dtype.kind not in "fiub":
        raise ValueError(f"{name} has the type {x.dtype}, expected real numbers")
    if x.ndim != dimensions:
        kind = "matrix" if dimensions == 2 else "vector"
        raise ValueError(f"{name} has shape {x.shape}, expected a {kind}")
    return x.astype(np.float64, copy=False)


def matrix(array: ArrayLike, name: str) -> Floats:
    """A contiguous matrix of float64, in C or Fortran order; the array itself where it is one."""
    x = _floats(array, name, 2)
    if x.flags.c_contiguous or x.flags.f_contiguous:
        return x
    return np.ascontiguousarray(x)


def vector(array: ArrayLike, name: str) -> Floats:
    """A contiguous vector of float64."""
    return np.ascontiguousarray(_floats(array, name, 1))


def flow_times(t: ArrayLike) -> tuple[Floats, tuple[int, ...]]:
    """Times of a flow as a vector, and the shape they came in."""
    x = np.asarray(t)
    if x.dtype.kind not in "fiu":
        raise ValueError(f"times have the type {x.dtype}, expected real numbers")
    return np.ascontiguousarray(x, dtype=np.float64).reshape(-1), x.shape


def step_times(t: ArrayLike) -> tuple[NDArray[np.uint64], tuple[int, ...]]:
    """Steps of descent as a vector, and the shape they came in. Whole floats pass."""
    if type(t) is int and 0 <= t < 2**64:
        return np.array([t], dtype=np.uint64), ()
    x = np.asarray(t)
    if x.dtype.kind not in "fiu":
        raise ValueError(f"times have the type {x.dtype}, expected whole numbers (steps)")
    wrong = x < 0
    if x.dtype.kind == "f":
        wrong = wrong | ~np.isfinite(x) | (x != np.floor(x)) | (x >= 2.0**64)
    if np.any(wrong):
        bad: Any = x[wrong].flat[0] if x.ndim else x
        raise ValueError(f"a time is {bad}, expected a whole number of steps of at least 0")
    return np.ascontiguousarray(x.astype(np.uint64)).reshape(-1), x.shape
