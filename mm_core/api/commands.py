"""What commands are made of: the answer that they give, and the options that they share.

A command is a function with typer's annotations (``CommandSpec.target``). Whatever it returns is
printed, and errors of :mod:`mm_core.api` become messages and exit codes, as for the core's own.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["Answer", "AsJson", "Data", "Model", "Plugins", "Quiet", "Verbose"]

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        show_default=False,
        help="A .csv, .tsv, .parquet, .jsonl, .json or .xlsx file, or what a reader of a plugin "
        "claims: a file, a folder, ... Relative paths in cells start at its folder.",
    ),
]
Model = Annotated[
    Path,
    typer.Argument(metavar="MODEL", show_default=False, help="The folder of a saved model."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only notes and errors.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Every setting, and tracebacks of errors.")
]
Plugins = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="A one-file plugin to load; may be repeated.",
    ),
]


@dataclass(frozen=True)
class Answer:
    """The result of a command.

    Attributes:
        data: printed by ``--json``; dicts, lists, strings, numbers, booleans and None. Numbers that
            are not finite become null.
        text: printed otherwise; nothing where it is empty.
        code: exit code; 1 where what was looked at is not as it should be.
    """

    data: Any
    text: str = ""
    code: int = 0

    def render(self, as_json: bool) -> str:
        """What goes to standard output."""
        if as_json:
            return json.dumps(_finite(self.data), indent=2, ensure_ascii=False, allow_nan=False)
        return self.text


def _finite(value: Any) -> Any:
    """``value`` with null for NaN and infinities, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
