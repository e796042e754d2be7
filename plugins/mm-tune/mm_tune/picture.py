"""Trials as an SVG: scores as they came, and by each setting. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from html import escape
from typing import Any

import pandas as pd

WIDTH, HEIGHT, MARGIN = 320, 220, 44


def picture(
    trials: pd.DataFrame, settings: Sequence[str], metric: str, higher: bool, logs: Collection[str]
) -> str:
    """One panel for the trials in their order, with the best so far as a line, and one a setting.

    Args:
        trials: as :class:`mm_tune.tuned.Tuned` has them.
        settings: that were searched.
        metric: name of the score.
        higher: whether more is better.
        logs: settings whose axis is logarithmic.
    """
    done = trials[trials.state.isin(["done", "cut"])]
    panels = [_panel(done, "trial", metric, log=False, best=higher)]
    known = [key for key in settings if done[key].notna().any()]
    panels += [_panel(done, key, metric, log=key in logs) for key in known]
    parts = [
        f'<g transform="translate({place * WIDTH},0)">{panel}</g>'
        for place, panel in enumerate(panels)
    ]
    size = f'width="{WIDTH * len(panels)}" height="{HEIGHT}"'
    style = 'font-family="sans-serif" font-size="11"'
    body = "\n".join(parts)
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>\n{body}\n</svg>\n'


def _panel(trials: pd.DataFrame, key: str, metric: str, log: bool, best: bool | None = None) -> str:
    trials = trials[trials[key].notna()]  # a setting may be left to the library
    scores = trials.score.astype(float).tolist()
    x, ends = _axis(trials[key].tolist(), log)
    y = _scale(scores, HEIGHT - MARGIN, 20)
    parts = [
        f'<rect x="{MARGIN}" y="10" width="{WIDTH - MARGIN - 10}" height="{HEIGHT - MARGIN - 10}" '
        'fill="none" stroke="#999"/>',
        _text(WIDTH / 2, HEIGHT - 8, key),
        _text(MARGIN, HEIGHT - 26, ends[0], "start"),
        _text(WIDTH - 10, HEIGHT - 26, ends[1], "end"),
        _text(MARGIN - 4, y(min(scores)), f"{min(scores):.4g}", "end"),
        _text(MARGIN - 4, y(max(scores)), f"{max(scores):.4g}", "end"),
        _text(MARGIN - 4, HEIGHT / 2, metric, "end"),
    ]
    points = [(x(value), y(score)) for value, score in zip(trials[key], scores, strict=True)]
    parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.5" fill="#36c"/>' for a, b in points]
    if best is not None:
        line = " ".join(
            f"{a:.1f},{y(score):.1f}"
            for (a, _), score in zip(points, _best(scores, best), strict=True)
        )
        parts.append(f'<polyline points="{line}" fill="none" stroke="#c33"/>')
    return "".join(parts)


def _axis(values: list[Any], log: bool) -> tuple[Callable[[Any], float], tuple[str, str]]:
    """Where values lie, and what stands at the ends; words lie side by side."""
    right = WIDTH - 20
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        seen = [math.log10(value) if log else float(value) for value in values]
        scale = _scale(seen, MARGIN + 10, right)
        ends = (f"{min(values):.3g}", f"{max(values):.3g}")
        return (lambda value: scale(math.log10(value) if log else float(value))), ends
    words = sorted({str(value) for value in values})
    scale = _scale([0.0, float(len(words) - 1)], MARGIN + 10, right)
    return (lambda value: scale(float(words.index(str(value))))), (words[0], words[-1])


def _scale(values: Sequence[float], start: float, end: float) -> Callable[[float], float]:
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def _best(scores: Sequence[float], higher: bool) -> Iterator[float]:
    kept = scores[0]
    for score in scores:
        kept = max(kept, score) if higher else min(kept, score)
        yield kept


def _text(x: float, y: float, words: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(words)}</text>'
