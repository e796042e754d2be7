"""``mm fit``"""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Annotated

import typer

from mm_core.cli import options as opt
from mm_core.cli.answer import Answer
from mm_core.cli.settings import Settings

DEFAULT_OUT = "model"


def fit(
    data: opt.Data,
    label: opt.Label = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where to save; a model that stands there is replaced. If not given: 'model', or "
            "the first free of 'model-2', 'model-3', ...",
        ),
    ] = None,
    tuning: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Rows for validation; if not given, some of DATA are held out."
        ),
    ] = None,
    preset: opt.Preset = None,
    set_: opt.Set = None,
    column_type: opt.ColumnType = None,
    problem_type: opt.ProblemType = None,
    eval_metric: opt.EvalMetric = None,
    validation_metric: opt.ValidationMetric = None,
    holdout_frac: opt.HoldoutFrac = None,
    time_limit: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="SECONDS", help="Of training; then the best weights so far are taken."
        ),
    ] = None,
    seed: opt.Seed = None,
    sample_weight: opt.SampleWeight = None,
    recipe: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Follow this recipe, instead of settings given here."),
    ] = None,
    on_error: opt.OnError = "raise",
    plugin: opt.Plugins = None,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> Answer:
    """Train a model on a table and save it.

    Example: mm fit train.csv --label y --out model
    """
    verbosity = opt.verbosity(quiet, verbose)
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
    )
    if recipe is None and not label:
        raise typer.BadParameter("name the label column, or give a --recipe", param_hint="--label")
    if recipe is not None and asked.typed:
        raise typer.BadParameter(
            f"a recipe holds all settings: leave out {', '.join(asked.typed)}, or edit the recipe",
            param_hint="--recipe",
        )
    folder = _free(DEFAULT_OUT) if out is None else out
    started = time.monotonic()
    predictor = asked.predictor(label, plugin, path=folder, verbosity=verbosity)

    from mm_core.cli.inspect import describe
    from mm_core.recipe.recipe import Recipe

    followed = None if recipe is None else Recipe.read(recipe)
    predictor.fit(
        data,
        tuning,
        time_limit=time_limit,
        recipe=followed,
        on_error=on_error,
        **asked.planning(),
    )
    seconds = round(time.monotonic() - started, 3)
    return Answer({**describe(folder), "seconds": seconds})


def _free(name: str) -> Path:
    """``name``, or ``name-2``, ``name-3``, ...: nothing that stands there is touched."""
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(path for path in map(Path, names) if not path.exists())
