"""What is printed around a fit: the plan with its reasons, and what came of it."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from mm_core.api.fitting import FitResult
from mm_core.api.specs import BackboneSpec
from mm_core.plugins.registry import Registry
from mm_core.recipe.recipe import Recipe
from mm_core.schema.schema import ColumnPlan
from mm_core.telling import (
    ALL_FROM_VERBOSITY,
    PROGRESS_FROM_VERBOSITY,
    SUMMARY_FROM_VERBOSITY,
    logged,
    tell_user,
)

SHOWN_COLUMNS = 30
SHOWN_ITEMS = 6
NAME_WIDTH = 36
VALUE_WIDTH = 24
KEY_SHARE = 0.45


def plan_text(recipe: Recipe, *, full: bool, width: int | None = None) -> str:
    """The columns with reasons, and the settings with their origins.

    Args:
        recipe: the plan.
        full: every column and every setting; else some columns, and no settings at their defaults.
        width: of a line in characters; None: the terminal's.
    """
    width = max(width or Console(stderr=True).width, 60)
    return "\n".join([*_columns(recipe, full, width), "", *_settings(recipe, full, width)])


def size_text(recipe: Recipe, rows: int, registry: Registry) -> str:
    """How much there is to do: rows, and the parameters of checkpoints that have a card.

    Those of other networks are told when they are built, and the device with them.
    """
    told = [f"rows  {rows:,}"]
    for name, part in recipe.backbones.items():
        spec = registry.get(BackboneSpec, part.id).spec
        wanted = part.model_dump().get("checkpoint")
        card = next((one for one in spec.cards if one.name == wanted), None)
        if card is not None and card.parameters is not None:
            told.append(f"{name}  {card.parameters:,} parameters ({card.name})")
    return "    ".join(told)


def print_plan(recipe: Recipe, rows: int, registry: Registry, verbosity: int) -> None:
    """Tell the plan."""
    shown = verbosity >= PROGRESS_FROM_VERBOSITY
    if shown or logged("plan"):
        text = plan_text(recipe, full=verbosity >= ALL_FROM_VERBOSITY)
        tell_user(f"{size_text(recipe, rows, registry)}\n\n{text}", "plan", shown=shown)


def print_fit_summary(
    recipe: Recipe, result: FitResult, seconds: float, path: Path | None, verbosity: int
) -> None:
    """Say what was trained, how long, how good, and where it lies."""
    saved = "not saved: predictor.save(folder) does it" if path is None else f"saved in {path}"
    ended = f"{result.stopped}{_best(recipe, result)}"
    told = f"{recipe.task.id} {_made_of(recipe)}: {seconds:.0f} s, {ended}\n{saved}"
    tell_user(told, "fit", shown=verbosity >= SUMMARY_FROM_VERBOSITY)


def _made_of(recipe: Recipe) -> str:
    """The backbones; where there are none, the inputs, if any, and the fitter."""
    if recipe.backbones:
        return "from " + ", ".join(f"{name} ({part.id})" for name, part in recipe.backbones.items())
    inputs = f"from {', '.join(recipe.inputs)} " if recipe.inputs else ""
    return f"{inputs}by {recipe.fit.id}"


def _best(recipe: Recipe, result: FitResult) -> str:
    """The score that chose the weights, and that of the calibrated model, if it is another."""
    if result.best_score is None:
        return ""
    chose = _scored(recipe.data.validation_metric, result.best_score)
    if result.calibrated_score is None:
        return f", best validation {chose}"
    shown = _scored(recipe.data.eval_metric, result.calibrated_score)
    return f", best validation {chose}" + ("" if shown == chose else f", calibrated: {shown}")


def _scored(metric: str, score: float) -> str:
    return f"{metric.split(':')[-1]} {score:.4f}"


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
    rows = [
        (key, _value(value, full), recipe.origin(key))
        for key, value in recipe.flat().items()
        if key != "format"
    ]
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


def _value(value: Any, full: bool) -> str:
    """As it can be typed after ``--set key=``."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and len(value) > SHOWN_ITEMS and not full:
        few = json.dumps(value[:SHOWN_ITEMS], ensure_ascii=False)
        return f"{few[:-1]}, ... {len(value)} in all]"
    return json.dumps(value, ensure_ascii=False)


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
