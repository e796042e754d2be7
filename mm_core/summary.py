"""What is printed around a fit: the plan with its reasons, and what came of it."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from mm_core.api.contracts import FitResult
from mm_core.recipe.recipe import Recipe

PLAN_FROM_VERBOSITY = 2
SUMMARY_FROM_VERBOSITY = 1


def plan_tables(recipe: Recipe) -> list[Table]:
    """The columns with reasons, and every setting with its origin."""
    columns = Table(title="columns", title_justify="left")
    for heading in ("column", "read as", "why"):
        columns.add_column(heading, overflow="fold")
    for plan in recipe.columns.columns:
        read_as = "not used" if plan.modality is None else f"{plan.modality} ({plan.kind})"
        columns.add_row(plan.name, read_as, plan.reason)
    settings = Table(title="recipe", title_justify="left")
    for heading in ("key", "value", "from"):
        settings.add_column(heading, overflow="fold")
    for key, value in recipe.flat().items():
        settings.add_row(key, str(value), recipe.origin(key))
    return [columns, settings]


def print_plan(recipe: Recipe, verbosity: int) -> None:
    """Print the plan to standard error."""
    if verbosity < PLAN_FROM_VERBOSITY:
        return
    console = Console(stderr=True)
    for table in plan_tables(recipe):
        console.print(table)


def print_fit_summary(
    recipe: Recipe, result: FitResult, seconds: float, path: Path | None, verbosity: int
) -> None:
    """Say what was trained, how long, how good, and where it lies."""
    if verbosity < SUMMARY_FROM_VERBOSITY:
        return
    metric = recipe.data.validation_metric.split(":")[-1]
    best = (
        "" if result.best_score is None else f", best validation {metric} {result.best_score:.4f}"
    )
    saved = "not saved yet: predictor.save(path)" if path is None else f"saved in {path}"
    parts = ", ".join(f"{name} ({part.id})" for name, part in recipe.backbones.items())
    Console(stderr=True).print(
        f"{recipe.task.id} from {parts}: {seconds:.0f} s, {result.stopped}{best}; {saved}",
        highlight=False,
    )
