"""``mm save``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mm_core.api.commands import Answer
from mm_core.cli import options as opt


def save(
    model: opt.Model,
    out: Annotated[
        Path,
        typer.Option(metavar="FOLDER", help="Where; a model that stands there is replaced."),
    ],
    standalone: Annotated[
        bool,
        typer.Option(
            help="All weights, or only those that training changed: loading finds the others where "
            "checkpoints come from."
        ),
    ] = True,
    merge_adapters: Annotated[
        bool,
        typer.Option(
            "--merge-adapters", help="Fold the adapters into the weights; the answers stay."
        ),
    ] = False,
    plugin: opt.Plugins = None,
    as_json: opt.AsJson = False,
    verbose: opt.Verbose = False,
) -> Answer:
    """Save a model once more: smaller, or with its adapters merged.

    Example: mm save model --no-standalone --out small
    """
    from mm_core.cli.inspect import describe, sizes
    from mm_core.predictor import MultiModalPredictor

    predictor = MultiModalPredictor.load(model, plugins=plugin or ())
    if merge_adapters:
        predictor.merge_adapters()
    facts = describe(predictor.save(out, standalone=standalone))
    return Answer(facts, "\n".join([f"saved in {out}", *sizes(facts)]))
