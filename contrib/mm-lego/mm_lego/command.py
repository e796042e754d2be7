"""``mm merge``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from mm_core.api import ConfigError
from mm_core.api.commands import Answer, AsJson, Plugins, pairs, value_of

Folders = Annotated[list[Path], typer.Argument(metavar="MODEL...", help="Folders of saved models.")]
Out = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Of the merged model.")]
How = Annotated[
    Literal["merge", "fuse"],
    typer.Option("--method", help="merge answers at once; fuse is to be trained some epochs."),
]
Shares = Annotated[
    list[str] | None,
    typer.Option(
        "--share", metavar="BACKBONE=WEIGHT", help="Of an input in a merge; 1; may be repeated."
    ),
]


def merge(
    models: Folders,
    out: Out,
    method: How = "merge",
    share: Shares = None,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> Answer:
    """Merge models of different inputs, each trained by itself with fusion=lego:merge.

    Example: mm merge texts pictures --out both
    """
    shares = {}
    for name, text in pairs(share or [], "--share", "--share BACKBONE=WEIGHT").items():
        weight = value_of(text)
        if not isinstance(weight, int | float) or not weight > 0:
            raise ConfigError(
                f"--share {name}={text}: this is no number above 0", value=text, remedy=f"{name}=2"
            )
        shares[name] = float(weight)

    from mm_lego.merging import merge as run

    path = run(models, out, method, shares, plugin or ())
    said = f"{path}: {', '.join(map(str, models))} as one, not trained further"
    if method == "fuse":
        said += f"\nto train it some epochs: mm fit DATA --from {path} --out {path}-trained"
    return Answer({"model": str(path), "method": method, "models": list(map(str, models))}, said)
