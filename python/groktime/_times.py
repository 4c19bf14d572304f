"""Crossing times: certified answers, "never" among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Time = TypeVar("Time", int, float)


@dataclass(frozen=True)
class Crossing(Generic[Time]):
    """When a curve crosses its threshold: `kind` is "at", "from-start", "never" or "undecided".

    `time` is the time of "at", 0 from the start, None for "never" and for "undecided", where rounding hides an end
    of the interval. The exact answer lies in `bounds`, one point whenever rounding can tell. A lower end of −1 says
    that the curve may be below its threshold from the start; an upper end of None, that it may never cross (or later
    than 2⁶⁴ − 1 steps, when the lower end is that).
    """

    kind: str
    time: Time | None
    bounds: tuple[Time, Time | None] | None = None

    def __bool__(self) -> bool:
        """Whether there is a time."""
        return self.time is not None


@dataclass(frozen=True, repr=False)
class Times(Generic[Time]):
    """t1 and t2: `train` is the last time at which the training loss is at or above its threshold, `test` the first
    at which the test loss is at or below its own."""

    train: Crossing[Time]
    test: Crossing[Time]

    @property
    def t1(self) -> Time | None:
        """Last unfit time; 0 if it fits from the start, None if it never does."""
        return self.train.time

    @property
    def t2(self) -> Time | None:
        """First generalising time; None: never."""
        return self.test.time

    @property
    def delay(self) -> Time | None:
        """t2 − t1; None if either never comes."""
        if self.t1 is None or self.t2 is None:
            return None
        return self.t2 - self.t1

    def __repr__(self) -> str:
        def text(crossing: Crossing[Time]) -> str:
            return str(crossing.time) if crossing.kind == "at" else crossing.kind.replace("-", " ")

        delay = "" if self.delay is None else f", delay={self.delay}"
        return f"Times(t1={text(self.train)}, t2={text(self.test)}{delay})"


def crossing(found: dict[str, Any]) -> Crossing[Any]:
    kind, time, bounds = found["kind"], found.get("time"), found.get("bounds")
    if kind == "from-start":
        return Crossing(kind, 0)
    if kind == "undecided":
        lo, hi = found["bounds"]
        return Crossing(kind, None, (-1 if lo is None else lo, hi))
    return Crossing(kind, time, bounds)
