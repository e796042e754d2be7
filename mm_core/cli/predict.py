"""``mm predict``"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mm_core.api.commands import Answer
from mm_core.cli import options as opt
from mm_core.cli.write import FRAMES, as_csv, check_ending, with_index, write_frame


def predict(
    model: opt.Model,
    data: opt.Data,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A .csv, .parquet or .jsonl file; if not given, CSV is printed."
        ),
    ] = None,
    proba: Annotated[bool, typer.Option("--proba", help="Probability of each class.")] = False,
    option: opt.Option = None,
    on_error: opt.OnError = "raise",
    plugin: opt.Plugins = None,
    as_json: opt.AsJson = False,
    verbose: opt.Verbose = False,
) -> Answer:
    """Answer each row of a table, in the order of its rows.

    Example: mm predict model test.csv --out pred.csv
    """
    check_ending(out, FRAMES)
    options = opt.task_options(option)
    import pandas as pd

    from mm_core.predictor import MultiModalPredictor

    predictor = MultiModalPredictor.load(model, plugins=plugin or ())
    ask = predictor.predict_proba if proba else predictor.predict
    frame = pd.DataFrame(ask(data, on_error=on_error, **options))
    if out is not None:
        write_frame(frame, out)
        said = {"out": str(out), "rows": len(frame), "columns": [str(c) for c in frame.columns]}
        return Answer(said, f"{len(frame)} rows written to {out}")
    if as_json:
        table = with_index(frame)
        return Answer(
            {"predictions": json.loads(table.to_json(orient="records", double_precision=15))}
        )
    return Answer(None, as_csv(frame).rstrip("\n"))
