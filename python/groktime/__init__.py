"""When does a model generalise? Exact grokking times, and published bounds checked against them.

>>> import groktime
>>> problem = groktime.ridge.Problem.draw(samples=100, width=1000, weight_decay=1e-4)
>>> problem.times(train=0.01, test=0.01)
Times(t1=208, t2=22840, delay=22632)

Modules: `ridge`, `diagonal`, `completion` and `effective` are solved exactly; `network` trains; `limits` holds the
convex problems where flows start and end; `theorems` what is said about statements; `sweep` many problems with a
journal. Conventions are those of the Rust crate: reported losses have no penalty in them, the weight decay adds
(weight_decay/2)·|θ|² to the objective, t1 is the *last* time with training loss at or above its threshold and t2
the *first* with test loss at or below its own.

Bad input is a `ValueError`, more memory than is allowed a `MemoryError`, a computation that fails on good input an
`ArithmeticError`. Computations release the
GIL; Ctrl-C ends an integration within a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from . import completion, diagonal, effective, limits, network, ridge, sweep, theorems
from ._groktime import __version__
from ._groktime import set_memory as _set_memory
from ._groktime import set_threads as _set_threads

__all__ = [
    "__version__",
    "completion",
    "diagonal",
    "effective",
    "limits",
    "network",
    "ridge",
    "set_memory",
    "set_threads",
    "sweep",
    "theorems",
    "threads",
]

_threads = 0


def set_memory(amount: int | str | None) -> None:
    """Lets the library take so much memory from now on: bytes, a text such as "8GB", or None (the default) for half
    of what is free. What needs more is a `MemoryError` before anything is taken.

    >>> import groktime
    >>> groktime.set_memory("1GB")
    >>> groktime.ridge.Problem.draw(width=10**15)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    MemoryError: 100 samples of 1000000000000000 features needs about 816000 TB of memory, and 1 GB are allowed: ...
    >>> groktime.set_memory(None)
    """
    _set_memory("auto" if amount is None else str(amount))


def set_threads(count: int) -> None:
    """Lets the library use so many threads from now on; 0 is one a core, the default.

    >>> import groktime
    >>> groktime.set_threads(2)
    >>> groktime.set_threads(0)
    """
    global _threads
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise ValueError(f"the number of threads is {count!r}, expected a whole number of at least 0")
    _set_threads(count)
    _threads = count


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many threads within a `with` block.

    >>> import groktime
    >>> with groktime.threads(1):
    ...     problem = groktime.ridge.Problem.draw(samples=20, width=50)
    """
    before = _threads
    set_threads(count)
    try:
        yield
    finally:
        set_threads(before)
