"""``mm predict``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mm_core.api.commands import Answer
from mm_core.cli import options as opt
from mm_core.cli.write import ANSWERS, answered, check_ending, written


def predict(
    model: opt.Model,
    data: opt.Data,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A .csv, .parquet or .jsonl file, of masks a new folder; if not given, CSV is "
            "printed.",
        ),
    ] = None,
    proba: Annotated[bool, typer.Option("--proba", help="Probability of each class.")] = False,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="A column of DATA to stand before the answers, such as an id; may be repeated.",
        ),
    ] = None,
    option: opt.Option = None,
    on_error: opt.OnError = "raise",
    csv: opt.Csv = None,
    plugin: opt.Plugins = None,
    as_json: opt.AsJson = False,
    verbose: opt.Verbose = False,
) -> Answer:
    """Answer each row of a table, in the order of its rows.

    Example: mm predict model test.csv --keep id --out pred.csv
    """
    if out is not None and out.suffix:  # of a folder the task says whether it writes one
        check_ending(out, ANSWERS, "; a folder of files has none")
    options = opt.task_options(option)
    rows = opt.source(data, csv)
    import pandas as pd

    from mm_core.predictor import MultiModalPredictor

    predictor = MultiModalPredictor.load(model, plugins=plugin or ())
    ask = predictor.predict_proba if proba else predictor.predict
    if out is not None:
        return written(ask(rows, on_error=on_error, out=out, keep=keep, **options))
    frame = pd.DataFrame(ask(rows, on_error=on_error, keep=keep, **options))
    return answered(frame, out, as_json, "predictions")
