"""``mm fit``"""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Annotated

import typer

from mm_core.api.commands import Answer
from mm_core.cli import options as opt
from mm_core.cli.settings import Settings
from mm_core.cli.source import Source

DEFAULT_OUT = "model"


def fit(
    data: opt.Data,
    label: opt.Label = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where to save; a model that stands there is replaced, other files stay. If not "
            "given: 'model', or the first free of 'model-2', 'model-3', ...",
        ),
    ] = None,
    tuning: Annotated[
        str | None,
        typer.Option(
            metavar="DATA", help="Rows for validation; if not given, some of DATA are held out."
        ),
    ] = None,
    preset: opt.Preset = None,
    set_: opt.Set = None,
    column_type: opt.ColumnType = None,
    role: opt.Role = None,
    problem_type: opt.ProblemType = None,
    eval_metric: opt.EvalMetric = None,
    validation_metric: opt.ValidationMetric = None,
    holdout_frac: opt.HoldoutFrac = None,
    time_limit: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="Until the model is trained; the schedule is laid into it.",
        ),
    ] = None,
    seed: opt.Seed = None,
    sample_weight: opt.SampleWeight = None,
    recipe: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Follow this recipe, instead of settings given here."),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Take up the fit into --out that was cut off; give the same DATA."
        ),
    ] = False,
    further: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="MODEL",
            help="Train this saved model further; new classes are added. It stays as it is, unless "
            "--out names it.",
        ),
    ] = None,
    on_error: opt.OnError = "raise",
    csv: opt.Csv = None,
    plugin: opt.Plugins = None,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    verbosity: opt.Verbosity = None,
) -> Answer:
    """Train a model on a table and save it.

    Example: mm fit train.csv --label y --out model
    """
    shown = opt.verbosity(quiet, verbose, verbosity)
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
    source = Source(recipe, resume, further)
    source.check(asked, label, out)
    folder = _free(DEFAULT_OUT) if out is None else out
    started = time.monotonic()
    predictor = source.predictor(asked, label, folder, plugin, shown)

    from mm_core.cli.inspect import describe

    predictor.fit(
        opt.source(data, csv),
        tuning and opt.source(tuning, csv),
        time_limit=time_limit,
        recipe=recipe,
        on_error=on_error,
        **source.settings(asked),
    )
    seconds = round(time.monotonic() - started, 3)
    return Answer({**describe(folder), "seconds": seconds})


def _free(name: str) -> Path:
    """``name``, or ``name-2``, ``name-3``, ...: nothing that stands there is touched."""
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(path for path in map(Path, names) if not path.exists())
