"""``mm plugins schema``"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mm_core.api.commands import Answer
from mm_core.cli import options as opt
from mm_core.cli.plugins import registry_of

Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Write it there, instead of on the terminal."),
]


def schema(out: Out = None, plugin: opt.Plugins = None) -> Answer:
    """Write a JSON schema of all settings of what is installed, and of recipes, for editors.

    Example: mm plugins schema --out mm.schema.json
    """
    from mm_core.cli.write import write_text
    from mm_core.recipe.json_schema import json_schema

    text = json.dumps(json_schema(registry_of(plugin)), indent=2, ensure_ascii=False)
    if out is None:
        return Answer(None, text)
    write_text(text + "\n", out)
    return Answer(None, f"{out}: map it to your recipes in the editor's settings")
