"""``mm index``: items of a file as an index that ``mm search`` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mm_core.api import ConfigError
from mm_core.api.commands import Answer, AsJson, Data, Model, Plugins
from mm_core.api.tools import load

Out = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the index is written.")]
Id = Annotated[
    str | None, typer.Option("--id", metavar="COLUMN", help="Who the items are; else their place.")
]
Keep = Annotated[
    list[str] | None,
    typer.Option(
        "--keep", metavar="COLUMN", help="Kept beside the vectors; may be repeated; else all."
    ),
]
Side = Annotated[str, typer.Option("--side", help="query or response: whose encoder reads them.")]
Kind = Annotated[str, typer.Option("--kind", help="exact, or faiss for very many items.")]


def index(
    model: Model,
    data: Data,
    out: Out,
    id_column: Id = None,
    keep: Keep = None,
    side: Side = "response",
    kind: Kind = "exact",
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> Answer:
    """Make an index of items, for mm search.

    Example: mm index model/ items.csv --out index/ --id sku --keep title
    """
    predictor = load(model, plugins=plugin or ())
    if "build_index" not in dir(predictor):
        task = predictor.recipe.task.id
        raise ConfigError(
            f"mm index is for models of pairs: this one is {task}",
            plugin=task,
            remedy="fit one: --problem-type text_similarity",
        )
    made = predictor.build_index(data, ids=id_column, keep=keep or None, side=side, kind=kind)
    made.save(out)
    facts = {"items": len(made), "width": int(made.vectors.shape[1]), "path": str(out)}
    return Answer(
        facts,
        f"{facts['items']} items of width {facts['width']} are in {out}\n"
        f"mm search {model} QUERIES --option items={out}",
    )
