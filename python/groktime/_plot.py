"""Figures in the look of the program's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._arrays import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Okabe and Ito, as in the program's figures.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")


def draw(ax: Axes | None, times: Floats, curves: dict[str, Floats], label: str, marks: dict[str, float]) -> Axes:
    """Curves against time, both logarithmic; vertical lines at the marks."""
    if ax is None:
        try:
            import matplotlib.pyplot as plt
        except ImportError as e:
            raise ImportError("plots need Matplotlib: pip install 'groktime[plot]'") from e
        ax = plt.subplots(figsize=(7.2, 4.5), layout="constrained")[1]
    for (name, values), colour in zip(curves.items(), COLOURS * 3, strict=False):
        seen = (times > 0) & (values > 0)
        ax.plot(times[seen], values[seen], color=colour, linewidth=2, label=name.replace("_", " "))
    for text, time in marks.items():
        if time > 0:
            ax.axvline(time, color="#888888", linewidth=1, linestyle=(0, (4, 3)))
            ax.annotate(text, (time, 1.0), (3, -3), xycoords=("data", "axes fraction"), textcoords="offset points",
                        va="top", color="#666666")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel(label)
    ax.grid(True, which="major", color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.legend(frameon=False)
    return ax
