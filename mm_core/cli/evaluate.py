"""``mm evaluate``"""

from __future__ import annotations

from typing import Annotated

import typer

from mm_core.api.commands import Answer
from mm_core.cli import options as opt


def evaluate(
    model: opt.Model,
    data: opt.Data,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="If not given: the eval metric of the model; may be repeated."
        ),
    ] = None,
    option: opt.Option = None,
    on_error: opt.OnError = "raise",
    csv: opt.Csv = None,
    plugin: opt.Plugins = None,
    as_json: opt.AsJson = False,
    verbose: opt.Verbose = False,
) -> Answer:
    """Score a model on labelled rows.

    Example: mm evaluate model test.csv --metric accuracy --metric f1_macro
    """
    options = opt.task_options(option)
    from mm_core.predictor import MultiModalPredictor

    predictor = MultiModalPredictor.load(model, plugins=plugin or ())
    scores = predictor.evaluate(opt.source(data, csv), metric, on_error=on_error, **options)
    width = max(map(len, scores))
    lines = [f"{name:<{width}}  {score:.6g}" for name, score in scores.items()]
    return Answer({"scores": scores}, "\n".join(lines))
