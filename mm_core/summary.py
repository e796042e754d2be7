"""What is printed around a fit: the plan with its reasons, and what came of it."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from mm_core.api.fitting import FitResult
from mm_core.api.specs import BackboneSpec
from mm_core.plugins.registry import Registry
from mm_core.processes import is_first
from mm_core.recipe.recipe import Recipe
from mm_core.recipe.shown import plan_text
from mm_core.telling import (
    ALL_FROM_VERBOSITY,
    PROGRESS_FROM_VERBOSITY,
    SUMMARY_FROM_VERBOSITY,
    logged,
    tell_user,
)

NO_VALIDATION = "no validation if the model had been trained on them before"


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


def plan_is_read(verbosity: int) -> bool:
    """Whether anybody sees the plan of a fit."""
    return is_first() and (verbosity >= PROGRESS_FROM_VERBOSITY or logged("plan"))


def print_plan(recipe: Recipe, rows: int, registry: Registry, verbosity: int) -> None:
    """Tell the plan."""
    width = Console(stderr=True).width
    text = plan_text(recipe, full=verbosity >= ALL_FROM_VERBOSITY, width=width)
    shown = verbosity >= PROGRESS_FROM_VERBOSITY
    tell_user(f"{size_text(recipe, rows, registry)}\n\n{text}", "plan", shown=shown)


def print_fit_summary(
    recipe: Recipe, result: FitResult, seconds: float, path: Path | None, verbosity: int
) -> None:
    """Say what was trained, how long, how good, and where it lies."""
    saved = "not saved: predictor.save(folder) does it" if path is None else f"saved in {path}"
    told = f"{recipe.task.id} {made_of(recipe)}: {seconds:.0f} s, {ended(recipe, result)}\n{saved}"
    tell_user(told, "fit", shown=verbosity >= SUMMARY_FROM_VERBOSITY)


def ended(recipe: Recipe, result: FitResult) -> str:
    """Why the fit ended, and the best validation."""
    return f"{result.stopped}{_best(recipe, result)}"


def made_of(recipe: Recipe) -> str:
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
    if result.known_rows:
        return f", {chose} on rows held out of these: {NO_VALIDATION}"
    if result.calibrated_score is None:
        return f", best validation {chose}"
    shown = _scored(recipe.data.eval_metric, result.calibrated_score)
    return f", best validation {chose}" + ("" if shown == chose else f", calibrated: {shown}")


def _scored(metric: str, score: float) -> str:
    return f"{metric.split(':')[-1]} {score:.4f}"
