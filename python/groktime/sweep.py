"""Many problems, with a journal on disk that survives what happens.

>>> import tempfile, pathlib
>>> from groktime import ridge, sweep
>>> problem = ridge.Problem.draw(samples=20, width=100)
>>> points = [{"weight_decay": decay} for decay in (1e-2, 1e-3)]
>>> def solve(point):
...     return {"t2": problem.with_settings(**point).times().t2}
>>> journal = pathlib.Path(tempfile.mkdtemp()) / "decays.jsonl"
>>> rows = sweep.run(points, solve, journal)
>>> [sorted(row) for row in rows]
[['t2', 'weight_decay'], ['t2', 'weight_decay']]
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any

from . import _groktime

__all__ = ["run"]


def run(
    points: Sequence[Mapping[str, Any]],
    solve: Callable[[dict[str, Any]], Mapping[str, Any]],
    journal: str | PathLike[str],
    *,
    shard: tuple[int, int] = (0, 1),
    progress: Callable[[int, int], object] | None = None,
) -> list[dict[str, Any]]:
    """Solves `solve(point)` for each point and returns one dictionary a point: its parameters and results.

    Points and results must be JSON (numbers, strings, lists, None). Each result is a line of the journal as soon as it
    is there: a process that is killed loses the points in flight, and the same call goes on where it stopped. Points that
    a journal has and `points` has not any more are left out of it (the old one stays beside it as `JOURNAL.1`); a journal
    of other points alone is refused. A point that raises `MemoryError` does not stop the others; it is not in the
    journal, and the exception is raised at the end. Points are solved on all threads, each on one (the library releases the GIL).
    `shard` = (i, n) solves every n-th point from i on, so that n processes with a journal each split a sweep.
    `progress(done, total)` is called after each point; for tqdm:

        with tqdm(total=len(points)) as bar:
            run(points, solve, journal, progress=lambda done, total: bar.update(done - bar.n))
    """
    listed = [dict(point) for point in points]
    texts = [json.dumps(point, allow_nan=False, sort_keys=True) for point in listed]

    def one(index: int) -> str:
        return json.dumps(dict(solve(listed[index])), allow_nan=False)

    lines = _groktime.sweep(journal, texts, shard, one, progress)
    return [{**listed[index], **json.loads(answer)} for index, answer in lines]
