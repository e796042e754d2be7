"""``mm plan``"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mm_core.api.commands import Answer
from mm_core.cli import options as opt
from mm_core.cli.settings import NO_LABEL, Settings
from mm_core.cli.write import write_text


def plan(
    data: opt.Data,
    label: opt.Label = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the recipe, for mm fit --recipe."),
    ] = None,
    preset: opt.Preset = None,
    set_: opt.Set = None,
    column_type: opt.ColumnType = None,
    role: opt.Role = None,
    problem_type: opt.ProblemType = None,
    eval_metric: opt.EvalMetric = None,
    validation_metric: opt.ValidationMetric = None,
    holdout_frac: opt.HoldoutFrac = None,
    seed: opt.Seed = None,
    sample_weight: opt.SampleWeight = None,
    csv: opt.Csv = None,
    plugin: opt.Plugins = None,
    as_json: opt.AsJson = False,
    verbose: opt.Verbose = False,
) -> Answer:
    """Show what fit would do, and why, without training.

    Example: mm plan train.csv --label y --out recipe.json
    """
    asked = Settings(
        problem_type,
        preset,
        set_,
        column_type,
        eval_metric,
        validation_metric,
        holdout_frac,
        sample_weight,
        seed,
        role,
    )
    if not label and problem_type is None:
        raise typer.BadParameter(NO_LABEL, param_hint="--label")
    predictor = asked.predictor(label, plugin)
    recipe = predictor.plan(opt.source(data, csv), **asked.planning())

    from mm_core.recipe.shown import plan_text
    from mm_core.summary import size_text

    session = predictor._session
    size = size_text(recipe, session.planned_rows, session.registry)

    text = recipe.to_json()
    if out is not None:
        write_text(text + "\n", out)
    notes = [note.model_dump(mode="json") for note in recipe.notes]
    shown = f"{size}\n\n{plan_text(recipe, full=verbose)}"
    return Answer({**json.loads(text), "notes": notes}, shown)
