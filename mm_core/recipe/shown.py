"""A recipe as people read it, as text and as HTML: its columns with reasons, its settings with
their origins."""

from __future__ import annotations

import json
import shlex
import shutil
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from mm_core.api.planning import Note
from mm_core.plugins.slots import USER
from mm_core.recipe.recipe import Recipe
from mm_core.schema.schema import ColumnPlan

SHOWN_COLUMNS = 30
SHOWN_ITEMS = 6
NAME_WIDTH = 36
VALUE_WIDTH = 24
KEY_SHARE = 0.45


def plan_text(recipe: Recipe, *, full: bool, width: int | None = None) -> str:
    """The columns with reasons, the settings with their origins, and what plugins say of them.

    Args:
        recipe: the plan.
        full: every column and every setting; else some columns, and no settings at their defaults.
        width: of a line in characters; None: the terminal's.
    """
    width = max(width or shutil.get_terminal_size().columns, 60)
    parts = (_columns(recipe, full, width), _settings(recipe, full, width), _notes(recipe, width))
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def plan_html(recipe: Recipe) -> str:
    """The same as tables for a notebook; what is at its default is folded away."""
    plans = recipe.columns.columns
    rows = _setting_rows(recipe, full=True)
    set_, default = (
        [row for row in rows if (row[2] == "default") is at_default] for at_default in (False, True)
    )
    settings = ("setting", "value", "where it comes from")
    columns = [(plan.name, _read_as(plan), plan.reason, plan.origin) for plan in plans]
    notes = [(note.text, _typed(note, recipe), note.by) for note in recipe.notes]
    return "".join(
        [
            html_table(("note", "to try", "who says so"), notes) if notes else "",
            html_table(("column", "read as", "why", "decided by"), columns),
            html_table(settings, set_),
            f"<details><summary>{len(default)} settings at their defaults</summary>",
            html_table(settings, default),
            "</details>",
        ]
    )


def html_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts."""

    def row(cells: Sequence[str], tag: str) -> str:
        said = (f'<{tag} style="text-align: left">{escape(cell)}</{tag}>' for cell in cells)
        return f"<tr>{''.join(said)}</tr>"

    body = "".join(row(cells, "td") for cells in rows)
    return f"<table><thead>{row(head, 'th')}</thead><tbody>{body}</tbody></table>"


# ---- columns -----------------------------------------------------------------------------------


def _columns(recipe: Recipe, full: bool, width: int) -> list[str]:
    plans = recipe.columns.columns
    used = [plan for plan in plans if plan.modality is not None]
    hidden = [] if full else used[SHOWN_COLUMNS:]
    folded = {plan.name for plan in hidden}
    shown = [plan for plan in plans if plan.name not in folded]
    names = _width([plan.name for plan in shown], NAME_WIDTH)
    kinds = _width([_read_as(plan) for plan in shown], NAME_WIDTH)
    lines = ["columns"]
    for plan in shown:
        head = f"  {plan.name:<{names}}  {_read_as(plan):<{kinds}}  "
        lines += _hang(head, plan.reason, len(head), width)
    for kind, count in Counter(map(_read_as, hidden)).items():
        lines.append(f"  ... and {count} more: {kind}")
    return lines


def _read_as(plan: ColumnPlan) -> str:
    if plan.modality is None:
        return "not used"
    return f"{plan.modality.split(':')[-1]} ({plan.kind})"


# ---- settings ----------------------------------------------------------------------------------


def _settings(recipe: Recipe, full: bool, width: int) -> list[str]:
    rows = _setting_rows(recipe, full)
    shown = [row for row in rows if full or row[2] != "default"]
    keys = _width([key for key, _, _ in shown], int(width * KEY_SHARE))
    values = _width([value for _, value, _ in shown], VALUE_WIDTH)
    arrow = 2 + keys + 3 + values
    lines = ["settings <- where they come from"]
    for key, value, origin in shown:
        head = f"  {key:<{keys}} = "
        said = _hang(head, value, len(head), width)
        aligned, close = (f"{said[-1]:<{at}}  <- {origin}" for at in (arrow, 0))
        beside = next((line for line in (aligned, close) if len(line) <= width), None)
        if beside is None:
            lines += [*said, *_hang("      <- ", origin, 9, width)]
        else:
            lines += [*said[:-1], beside]
    if len(shown) < len(rows):
        lines.append(
            f"  and {len(rows) - len(shown)} at their defaults (-v, or verbosity=3, shows them)"
        )
    return lines


def _setting_rows(recipe: Recipe, full: bool) -> list[tuple[str, str, str]]:
    """(key, value, origin) of each."""
    return [
        (key, _value(value, full), recipe.origin(key))
        for key, value in recipe.flat().items()
        if key != "format"
    ]


def _value(value: Any, full: bool) -> str:
    """As it can be typed after ``--set key=``."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and len(value) > SHOWN_ITEMS and not full:
        few = json.dumps(value[:SHOWN_ITEMS], ensure_ascii=False)
        return f"{few[:-1]}, ... {len(value)} in all]"
    return json.dumps(value, ensure_ascii=False)


# ---- notes -------------------------------------------------------------------------------------


def _notes(recipe: Recipe, width: int) -> list[str]:
    lines = ["notes <- who says so"] if recipe.notes else []
    for note in recipe.notes:
        lines += _hang("  ", f"{note.text}  <- {note.by}", 4, width)
        if note.settings:
            lines += _hang("    ", f"to try: {_typed(note, recipe)}", 6, width)
    return lines


def _typed(note: Note, recipe: Recipe) -> str:
    """Its settings as they are typed, and which of the user's they replace."""
    said = " ".join(
        f"--set {shlex.quote(f'{key}={_value(value, full=True)}')}"
        for key, value in note.settings.items()
    )
    given = [key for key in recipe.flat() if recipe.origin(key) == USER]
    yours = [
        key
        for key in note.settings
        if any(one == key or one.startswith(f"{key}.") for one in given)
    ]
    return f"{said} instead of what is set for {', '.join(yours)}" if yours else said


# ---- layout ------------------------------------------------------------------------------------


def _width(texts: Sequence[str], most: int) -> int:
    """Width of a column in which all texts of at most ``most`` characters fit."""
    return max((len(text) for text in texts if len(text) <= most), default=0)


def _hang(head: str, text: str, indent: int, width: int) -> list[str]:
    """``head`` and ``text``, wrapped to ``width`` with a hanging indent."""
    indent = indent if indent <= width - 20 else 6
    return textwrap.wrap(
        text,
        width,
        initial_indent=head,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [head.rstrip()]
