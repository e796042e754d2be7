"""Options that several commands share, and how their text is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import typer

from mm_core.api.commands import AsJson as AsJson
from mm_core.api.commands import ColumnType as ColumnType
from mm_core.api.commands import Data as Data
from mm_core.api.commands import EvalMetric as EvalMetric
from mm_core.api.commands import HoldoutFrac as HoldoutFrac
from mm_core.api.commands import Model as Model
from mm_core.api.commands import Plugins as Plugins
from mm_core.api.commands import Preset as Preset
from mm_core.api.commands import ProblemType as ProblemType
from mm_core.api.commands import Quiet as Quiet
from mm_core.api.commands import Role as Role
from mm_core.api.commands import SampleWeight as SampleWeight
from mm_core.api.commands import Set as Set
from mm_core.api.commands import ValidationMetric as ValidationMetric
from mm_core.api.commands import Verbose as Verbose
from mm_core.api.commands import column_types as column_types
from mm_core.api.commands import pairs
from mm_core.api.commands import roles as roles
from mm_core.api.commands import settings as settings

Label = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="COLUMN", help="The label column; may be repeated."),
]
Option = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        metavar="KEY=VALUE",
        help="An option of the model's task, such as threshold=0.3; VALUE is JSON, a list or "
        "dict as Python writes it, or else a string; may be repeated.",
    ),
]
Csv = Annotated[
    list[str] | None,
    typer.Option(
        "--csv",
        metavar="KEY=VALUE",
        help="How the CSV files are read: separator (a sign, or tab), encoding (such as cp1252), "
        "decimal (the sign before fractions); may be repeated.",
    ),
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", min=0, metavar="N", help="Of split, new weights and batches; 0."),
]
OnError = Annotated[
    Literal["raise", "missing"],
    typer.Option("--on-error", help="Cells that cannot be read: stop, or take them as missing."),
]
Verbosity = Annotated[
    int | None,
    typer.Option(
        "--verbosity",
        min=0,
        max=3,
        metavar="0..3",
        help="0: as --quiet; 1: what came of it; 2, if not given: plan and progress; 3: as "
        "--verbose.",
    ),
]


def verbosity(quiet: bool, verbose: bool, wanted: int | None = None) -> int:
    """The predictor's verbosity: 0 quiet, 2 plan and progress, 3 every setting."""
    if quiet + verbose + (wanted is not None) > 1:
        raise typer.BadParameter("--quiet, --verbose and --verbosity exclude each other")
    return 0 if quiet else 3 if verbose else 2 if wanted is None else wanted


def task_options(given: Sequence[str] | None) -> dict[str, Any]:
    """``["threshold=0.3"]`` -> ``{"threshold": 0.3}``."""
    return settings(given, "--option")


def source(data: str, given: Sequence[str] | None) -> Any:
    """The data as typed, or the CSV file with what is said of it."""
    if not given:
        return data
    from mm_core.data.separated import csv_file

    return csv_file(data, pairs(given, "--csv"))
