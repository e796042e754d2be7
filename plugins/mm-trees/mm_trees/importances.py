"""``mm importances``: how much each column counts. No torch."""

from __future__ import annotations

from typing import Annotated

import typer

from mm_core.api.commands import Answer, AsJson, Model, Plugins
from mm_core.api.tools import load
from mm_trees.api import importances as of

_SHOWN = 30

Top = Annotated[int, typer.Option("--top", min=1, help="How many to print; --json has all.")]


def importances(
    model: Model, top: Top = _SHOWN, plugin: Plugins = None, as_json: AsJson = False
) -> Answer:
    """Say how much each column counts in a model of boosted trees.

    Example: mm importances model/ --top 10
    """
    found = of(load(model, plugins=plugin or ()))
    width = max(map(len, found), default=0)
    lines = [f"{name:{width}}  {share:6.1%}" for name, share in list(found.items())[:top]]
    if len(found) > top:
        lines.append(f"and {len(found) - top} more")
    return Answer({"importances": found}, "\n".join(lines))
