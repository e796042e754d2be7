"""What commands are made of: the answer that they give, and the options that they share.

A command is a function with typer's annotations (``CommandSpec.target``). Whatever it returns is
printed, and errors of :mod:`mm_core.api` become messages and exit codes, as for the core's own.
"""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = [
    "Answer",
    "AsJson",
    "ColumnType",
    "Data",
    "EvalMetric",
    "HoldoutFrac",
    "Model",
    "Plugins",
    "Preset",
    "ProblemType",
    "Quiet",
    "Role",
    "SampleWeight",
    "Set",
    "ValidationMetric",
    "Verbose",
    "column_types",
    "pair",
    "pairs",
    "roles",
    "settings",
    "value_of",
]

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        show_default=False,
        help="A .csv, .tsv, .parquet, .jsonl, .json or .xlsx file, or what a reader of a plugin "
        "claims: a file, a folder, ... Relative paths in cells start at its folder.",
    ),
]
Model = Annotated[
    Path,
    typer.Argument(metavar="MODEL", show_default=False, help="The folder of a saved model."),
]
ProblemType = Annotated[
    str | None,
    typer.Option("--problem-type", metavar="TASK", help="Inferred from the label if not given."),
]
Preset = Annotated[
    list[str] | None,
    typer.Option("--preset", metavar="NAME", help="See mm presets; may be repeated."),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A setting of the recipe, such as training.epochs=3; VALUE is JSON, a list or dict as "
        "Python writes it, or else a string; "
        "may be repeated.",
    ),
]
ColumnType = Annotated[
    list[str] | None,
    typer.Option(
        "--column-type",
        metavar="COLUMN=KIND",
        help="What a column holds, where mm plan shows it wrong; 'ignore' leaves it out; may be "
        "repeated.",
    ),
]
Role = Annotated[
    list[str] | None,
    typer.Option(
        "--role",
        metavar="ROLE=COLUMN",
        help="The part of the task that a column is, such as query=title; may be repeated.",
    ),
]
EvalMetric = Annotated[
    str | None,
    typer.Option("--eval-metric", metavar="NAME", help="Metric of mm evaluate; by the task."),
]
ValidationMetric = Annotated[
    str | None,
    typer.Option(
        "--validation-metric",
        metavar="NAME",
        help="Metric that chooses the best epoch; if not given, the eval metric, or the loss's own "
        "where neither is given.",
    ),
]
HoldoutFrac = Annotated[
    float | None,
    typer.Option(
        "--holdout-frac",
        metavar="SHARE",
        help="Share of rows held out for validation; by the number of rows.",
    ),
]
SampleWeight = Annotated[
    str | None,
    typer.Option("--sample-weight", metavar="COLUMN", help="Column of row weights."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only notes and errors.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Every setting, and tracebacks of errors.")
]
Plugins = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="A one-file plugin to load; may be repeated.",
    ),
]


@dataclass(frozen=True)
class Answer:
    """The result of a command.

    Attributes:
        data: printed by ``--json``; dicts, lists, strings, numbers, booleans and None. Numbers that
            are not finite become null.
        text: printed otherwise; nothing where it is empty.
        code: exit code; 1 where what was looked at is not as it should be.
    """

    data: Any
    text: str = ""
    code: int = 0

    def render(self, as_json: bool) -> str:
        """What goes to standard output."""
        if as_json:
            return json.dumps(_finite(self.data), indent=2, ensure_ascii=False, allow_nan=False)
        return self.text


def settings(given: Sequence[str] | None, option: str = "--set") -> dict[str, Any]:
    """``["training.epochs=3", "fusion=mean"]`` -> ``{"training.epochs": 3, "fusion": "mean"}``.

    Raises:
        typer.BadParameter: as of :func:`pairs`.
    """
    return {key: value_of(text) for key, text in pairs(given, option).items()}


def column_types(given: Sequence[str] | None) -> dict[str, str]:
    """``["age=numerical"]`` -> ``{"age": "numerical"}``; the name may hold ``=`` itself."""
    return pairs(given, "--column-type", "column=kind", str.rpartition)


def roles(given: Sequence[str] | None) -> dict[str, list[str]]:
    """``["query=title", "query=text"]`` -> ``{"query": ["title", "text"]}``."""
    found: dict[str, list[str]] = {}
    for text in given or ():
        role, column = pair(text, "--role", "role=column")
        found.setdefault(role, []).append(column)
    return found


def value_of(text: str) -> Any:
    """JSON, or a list or dict as Python writes it, or else the text itself."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return _as_python(text)


def _as_python(text: str) -> Any:
    """``"{'a': 'x'}"``, as notes and Python have it: what the same is in JSON."""
    if text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        found = ast.literal_eval(text.strip())
        return json.loads(json.dumps(found)) if isinstance(found, dict | list) else text
    except (SyntaxError, TypeError, ValueError):
        return text


def pairs(
    given: Sequence[str] | None,
    option: str,
    form: str = "key=value",
    split: Callable[[str, str], tuple[str, str, str]] = str.partition,
) -> dict[str, str]:
    """``["a=1", "b=x=y"]`` -> ``{"a": "1", "b": "x=y"}``; none where nothing is given.

    Args:
        given: what was typed after the option, each time.
        option: its name, for the error.
        form: what is to be typed, for the error.
        split: at the first ``=``, or the last (``str.rpartition``).

    Raises:
        typer.BadParameter: there is no ``=``, nothing before it, or a key with two values.
    """
    found: dict[str, str] = {}
    for key, value in (pair(text, option, form, split) for text in given or ()):
        if found.setdefault(key, value) != value:
            raise typer.BadParameter(
                f"{key} is given twice: {found[key]!r} and {value!r}", param_hint=option
            )
    return found


def pair(
    text: str,
    option: str,
    form: str = "key=value",
    split: Callable[[str, str], tuple[str, str, str]] = str.partition,
) -> tuple[str, str]:
    """``"a=1"`` -> ``("a", "1")``, for options in which a key may stand twice; see :func:`pairs`.

    Raises:
        typer.BadParameter: there is no ``=``, or nothing before it.
    """
    key, equals, value = split(text, "=")
    if not equals or not key.strip():
        raise typer.BadParameter(f"{text!r} is not of the form {form}", param_hint=option)
    return key.strip(), value


def _finite(value: Any) -> Any:
    """``value`` with null for NaN and infinities, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
