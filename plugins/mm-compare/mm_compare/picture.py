"""A comparison as an SVG: the scores of each variant, and what differs from the first one. Pure."""

from __future__ import annotations

import math
from html import escape

from mm_compare.comparing import Compared

ROW, TOP, BOTTOM, PLOT = 26, 46, 34, 420
RUN, MEAN, FIRST, CLEAR = "#9ab", "#036", "#888", "#b30"


def picture(found: Compared) -> str:
    """A row for each variant: a dot for each split, a line at the mean; the mean of the first one
    goes down through all. What differs (p < 0.05) is red, with its difference and p beside it.
    """
    names = found.table.variant.tolist()
    left = 14 + 7 * max(map(len, names))
    width, height = left + PLOT + 170, TOP + ROW * len(names) + BOTTOM
    low, high = float(found.runs.score.min()), float(found.runs.score.max())
    spread = high - low or max(abs(high), 1e-9) * 0.1

    def x(score: float) -> float:
        return left + 10 + (PLOT - 20) * (score - low) / spread

    better = "greater" if found.higher_is_better else "smaller"
    splits = found.runs.seed.nunique()
    parts = [
        _text(14, 20, f"{found.metric}, {better} is better; {splits} random splits", "start"),
        _text(width - 160, TOP - 10, "difference", "start"),
        _text(width - 14, TOP - 10, "p (Holm)", "end"),
        f'<rect x="{left}" y="{TOP}" width="{PLOT}" height="{ROW * len(names)}" fill="none" '
        'stroke="#ccc"/>',
        _line(x(float(found.table["mean"].iloc[0])), TOP, ROW * len(names), FIRST, dashes=True),
        _text(left, height - 14, f"{low:.4g}", "start"),
        _text(left + PLOT, height - 14, f"{high:.4g}", "end"),
    ]
    for place, one in enumerate(found.table.itertuples()):
        middle = TOP + ROW * place + ROW / 2
        clear = not math.isnan(one.p) and one.p < 0.05
        color = CLEAR if clear else MEAN
        scores = found.runs.score[found.runs.variant == one.variant]
        parts += [
            f'<circle cx="{x(score):.1f}" cy="{middle:.1f}" r="3.5" fill="{RUN}"/>'
            for score in scores
        ]
        parts.append(_line(x(one.mean), middle - 9, 18, color))
        parts.append(_text(left - 8, middle + 4, one.variant, "end"))
        if place:
            said = "" if math.isnan(one.p) else f"{one.p:.3f}"
            parts.append(_text(width - 160, middle + 4, f"{one.difference:+.4f}", "start", color))
            parts.append(_text(width - 14, middle + 4, said, "end", color))
    style = 'font-family="sans-serif" font-size="12"'
    size = f'width="{width}" height="{height}"'
    body = "\n".join(['<rect width="100%" height="100%" fill="#fff"/>', *parts])
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>\n{body}\n</svg>\n'


def _text(x: float, y: float, text: str, anchor: str, color: str = "#222") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}">{escape(text)}</text>'
    )


def _line(x: float, y: float, long: float, color: str, dashes: bool = False) -> str:
    dashed = ' stroke-dasharray="3 3"' if dashes else ""
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y:.1f}" y2="{y + long:.1f}" stroke="{color}" '
        f'stroke-width="{1 if dashes else 2.5}"{dashed}/>'
    )
