"""``mm embed``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mm_core.api.commands import Answer
from mm_core.cli import options as opt
from mm_core.cli.write import VECTORS, check_ending, write_vectors


def embed(
    model: opt.Model,
    data: opt.Data,
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="A .npy (float32 [N, D]) or .parquet file.")
    ],
    of: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Which vectors: fused, a backbone, a side of a match; the model's first if not "
            "given.",
        ),
    ] = None,
    on_error: opt.OnError = "raise",
    csv: opt.Csv = None,
    plugin: opt.Plugins = None,
    as_json: opt.AsJson = False,
    verbose: opt.Verbose = False,
) -> Answer:
    """Write one vector per row, in the order of the rows.

    Example: mm embed model test.csv --out vectors.npy
    """
    check_ending(out, VECTORS)
    import pandas as pd

    from mm_core.predictor import MultiModalPredictor

    predictor = MultiModalPredictor.load(model, plugins=plugin or ())
    rows = opt.source(data, csv)
    found = predictor.extract_embedding(rows, as_pandas=True, on_error=on_error, of=of)
    vectors = pd.DataFrame(found)
    write_vectors(vectors, out)
    n_rows, width = vectors.shape
    return Answer(
        {"out": str(out), "shape": [n_rows, width]}, f"{n_rows} vectors of {width} written to {out}"
    )
