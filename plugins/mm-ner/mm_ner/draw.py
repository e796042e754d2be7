"""Texts with their entities marked, as one page of HTML without scripts. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from mm_ner.labels import Entity

Marked = tuple[Entity, str]
"""An entity, and what is said of it."""

Row = tuple[object, str, Sequence[Entity] | None, Sequence[Entity]]
"""Its name, its text, entities of its label (None: it has none) and of its answer."""

_STYLE = """
body { font: 16px/1.9 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: #1a1a1a; background: #fff }
article { border-top: 1px solid #ccc; padding: .6rem 0 }
p { margin: .2rem 0; overflow-wrap: anywhere; white-space: pre-wrap }
b { font-weight: 600; color: #555; font-size: .8rem }
mark { background: #eef2f7; color: inherit; padding: .1rem .15rem; border-bottom: 3px solid #2b6 }
mark.missed, mark.made-up { border-bottom: 3px dotted #c33 }
mark.made-up { border-bottom-style: dashed }
mark.wrong-group, mark.wrong-ends { border-bottom: 5px double #b70 }
mark small { color: #444 }
@media (prefers-color-scheme: dark) { body { color: #eee; background: #16181c }
  mark { background: #2a2f38 } mark small, b { color: #bbb } }
"""

_LEGEND = {
    "right": "as it is in the labels",
    "missed": "in the labels, and not said",
    "made up": "said, and not in the labels",
    "wrong group": "said with another group",
    "wrong ends": "said with other ends",
}


def compared(true: Sequence[Entity], said: Sequence[Entity]) -> tuple[list[Marked], list[Marked]]:
    """What is said of the entities of the labels, and of those of the answer."""
    return _against(true, said, "missed"), _against(said, true, "made up")


def mistakes(true: Sequence[Entity], said: Sequence[Entity]) -> int:
    """How many entities of a row are not right."""
    return len(set(true) ^ set(said))


def page(title: str, rows: Sequence[Row]) -> str:
    """All rows, and what the marks mean where labels are there."""
    body = "".join(_article(*row) for row in rows)
    legend = ""
    if any(true is not None for _, _, true, _ in rows):
        shown = (f"{_mark(name, 'group', name)} {escape(what)}" for name, what in _LEGEND.items())
        legend = f"<p>{'; '.join(shown)}</p>"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{escape(title)}</h1>{legend}{body}</body></html>\n"
    )


def _article(name: object, text: str, true: Sequence[Entity] | None, said: Sequence[Entity]) -> str:
    if true is None:
        lines = {"said": [(one, "") for one in said]}
    else:
        wanted, given = compared(true, said)
        lines = {"said": given, "labels": wanted}
    shown = "".join(
        f'<p dir="auto"><b>{who}</b> {_line(text, marked)}</p>' for who, marked in lines.items()
    )
    return f"<article><b>row {escape(str(name))}</b>{shown}</article>"


def _line(text: str, marked: Sequence[Marked]) -> str:
    parts, place = [], 0
    for (start, end, group), what in marked:
        parts += [escape(text[place:start]), _mark(text[start:end], group, what)]
        place = end
    return "".join([*parts, escape(text[place:])])


def _mark(text: str, group: str, what: str) -> str:
    words = group if what in ("", "right") else f"{group}, {what}"
    return (
        f'<mark class="{(what or "right").replace(" ", "-")}">{escape(text)} '
        f"<small>{escape(words)}</small></mark>"
    )


def _against(own: Sequence[Entity], others: Sequence[Entity], alone: str) -> list[Marked]:
    return [(one, _said_of(one, others, alone)) for one in own]


def _said_of(one: Entity, others: Sequence[Entity], alone: str) -> str:
    near = [other for other in others if other[0] < one[1] and one[0] < other[1]]
    if one in near:
        return "right"
    if any(other[:2] == one[:2] for other in near):
        return "wrong group"
    return "wrong ends" if any(other[2] == one[2] for other in near) else alone
