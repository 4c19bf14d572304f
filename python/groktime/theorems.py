"""Statements and verdicts: what a theorem claims, what it needs, and what the exact trajectory says.

>>> import groktime
>>> problem = groktime.ridge.Problem.draw(samples=50, width=400, weight_decay=1e-3)
>>> statements = problem.statements()
>>> any(s.outcome == "violated" for s in statements)
False
>>> len(statements.as_dicts()) == len(statements)
True
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Hypothesis", "Statement", "Statements"]


def _short(x: float | None) -> str:
    return "" if x is None else f"{x:.4g}"


@dataclass(frozen=True)
class Hypothesis:
    """One condition: its symbols, what the problem has, what is needed, and whether it holds (None: not known)."""

    name: str
    have: float | None
    need: float | None
    holds: bool | None


@dataclass(frozen=True)
class Statement:
    """A published statement compared with the exact trajectory.

    `side` is the relation between `quantity` and `value` (≤, ≥ or =); `slack` is the distance to the bound on the
    claimed side, negative where the claim fails by more than rounding, of which `rounding` bounds the part.
    It is `tight` where it holds to within `rounding` alone. `outcome` is one of holds, violated, known-erratum,
    not-applicable, not-evaluated, undetermined, for which `reason` says why. `probability` is what the source claims,
    `exact_probability` that of the event its proof uses, where it is known. `says` is the claim in a sentence, and
    `erratum` why a printed form fails on some problems within its own hypotheses.
    """

    id: str
    paper: str
    source: str
    says: str
    form: str
    quantity: str
    side: str
    claim: str
    value: float
    measured: float
    slack: float
    rounding: float
    at_time: float | None
    tight: bool
    outcome: str
    reason: str | None
    erratum: str | None
    probability: float | None
    exact_probability: float | None
    hypotheses: tuple[Hypothesis, ...]

    def __repr__(self) -> str:
        return f"<{self.source}: {self.quantity} {self.side} {_short(self.value)}, is {_short(self.measured)}: {self.outcome}>"

    def _repr_html_(self) -> str:
        return Statements([self])._repr_html_()


class Statements(list[Statement]):
    """Statements about one problem: a list with a table for notebooks."""

    def as_dicts(self) -> list[dict[str, Any]]:
        """Plain dictionaries, one a statement: `pandas.DataFrame(statements.as_dicts())`."""
        return [asdict(s) for s in self]

    def outcomes(self) -> dict[str, int]:
        """How many there are of each outcome."""
        return dict(Counter(s.outcome for s in self))

    def __repr__(self) -> str:
        return "\n".join(repr(s) for s in self) or "no statements"

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in ("source", "quantity", "", "bound", "measured", "outcome"))
        rows = []
        for s in self:
            lacking = "; ".join(f"{h.name}" for h in s.hypotheses if h.holds is not True)
            cells = (s.source, s.quantity, s.side, _short(s.value), _short(s.measured), s.outcome)
            title = html.escape(f"open or failing: {lacking}" if lacking else "all hypotheses hold")
            body = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
            rows.append(f'<tr title="{title}">{body}</tr>')
        return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _statements(rows: Iterable[dict[str, Any]]) -> Statements:
    return Statements(
        Statement(**{**row, "hypotheses": tuple(Hypothesis(**h) for h in row["hypotheses"])}) for row in rows
    )
