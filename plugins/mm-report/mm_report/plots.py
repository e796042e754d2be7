"""Drawings as SVG for a page: matplotlib draws, the page's own style colours."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

INK = "#0b0b01"
SOFT = "#0b0b02"
LINE = "#0b0b03"
SERIES = ("#0b0b11", "#0b0b12", "#0b0b13", "#0b0b14", "#0b0b15", "#0b0b16", "#0b0b17", "#0b0b18")
"""What stands for a colour of the page until the drawing is in it: light and dark differ."""

EPOCH = "epoch"
"""An axis of whole numbers."""

_STYLES = ("-", "--", "-.", ":")
"""Series differ by line too: colours alone do not reach everyone."""

_NAMES = {INK: "var(--ink)", SOFT: "var(--soft)", LINE: "var(--line)"} | {
    colour: f"var(--series-{place})" for place, colour in enumerate(SERIES)
}


class Plots:
    """Drawings of one page, each with ids of its own."""

    def __init__(self) -> None:
        self._drawn = 0

    def draw(
        self, said: str, draw: Callable[[Any], None], width: float = 5.2, height: float = 3.4
    ) -> str:
        """A drawing as an ``<svg>`` element.

        Args:
            said: what it shows, for who cannot see it.
            draw: (axes) -> None.
            width: in inches of 96 pixels.
            height: likewise.
        """
        self._drawn += 1
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.add_subplot()
        _plain(axes)
        draw(axes)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, labelcolor=INK, fontsize=9)
        file = io.StringIO()
        with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "mm", "path.simplify": True}):
            figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
        return _inline(file.getvalue(), f"plot{self._drawn}", said)


def _plain(axes: Any) -> None:
    axes.tick_params(colors=SOFT, labelcolor=SOFT, labelsize=9)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    axes.grid(color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    for name, spine in axes.spines.items():
        spine.set_color(LINE)
        spine.set_visible(name in ("left", "bottom"))


def _inline(drawn: str, name: str, said: str) -> str:
    """Without what a file of its own needs; ids prefixed, colours named."""
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r'\bid="', f'id="{name}-', drawn)
    drawn = drawn.replace('href="#', f'href="#{name}-').replace("url(#", f"url(#{name}-")
    for colour, variable in _NAMES.items():
        drawn = drawn.replace(colour, variable)
    drawn = re.sub(r"font: (\d+)px [^;\"]*", r"font: \1px system-ui, sans-serif", drawn)
    drawn = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", drawn, count=1)
    drawn = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", drawn, count=1)
    return drawn.replace("<svg", f'<svg role="img" aria-label="{escape(said)}"', 1).strip()


# ---- what is drawn -----------------------------------------------------------------------------


def lines(
    axes: Any,
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    x: str,
    y: str,
    *,
    markers: bool = False,
) -> None:
    """Curves by name, (x, y) each."""
    for place, (name, (along, up)) in enumerate(curves.items()):
        axes.plot(
            along,
            up,
            label=_cut(name) or None,
            color=SERIES[place % len(SERIES)],
            linestyle=_STYLES[place % len(_STYLES)],
            marker="o" if markers else None,
            markersize=3.5,
        )
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    if x == EPOCH:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def diagonal(axes: Any, low: float, high: float) -> None:
    """Where two axes say the same."""
    axes.plot([low, high], [low, high], color=SOFT, linewidth=1, linestyle=":")


def points(axes: Any, along: np.ndarray, up: np.ndarray, x: str, y: str) -> None:
    """One a row."""
    axes.plot(along, up, ".", color=SERIES[0], alpha=0.45, markersize=4, markeredgewidth=0)
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def counts(axes: Any, values: np.ndarray, x: str) -> None:
    """A histogram."""
    axes.hist(values, bins=min(40, max(5, int(np.sqrt(len(values))))), color=SERIES[0])
    axes.axvline(0, color=SOFT, linewidth=1)
    axes.set_xlabel(x)
    axes.set_ylabel("rows")


def bars(axes: Any, names: Sequence[str], values: Sequence[float], spread: Sequence[float]) -> None:
    """Lying bars with what they vary by, the first on top."""
    places = np.arange(len(names))[::-1]
    axes.barh(places, values, xerr=spread, color=SERIES[0], ecolor=INK, height=0.65)
    axes.set_yticks(places, [_cut(name) for name in names])
    axes.axvline(0, color=SOFT, linewidth=1)


def _cut(name: str) -> str:
    # To matplotlib what stands between dollars is mathematics, and a name that begins with an
    # underscore is hidden.
    name = name if len(name) <= 28 else f"{name[:27]}…"
    name = name.replace("$", r"\$")
    return f"\u200b{name}" if name.startswith("_") else name
