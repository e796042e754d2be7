"""``mm cache``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from mm_core.api import ConfigError
from mm_core.api.commands import Answer, AsJson
from mm_fusion.folder import Entry, by_backbones, clear, default_folder, entries

Folder = Annotated[
    Path | None,
    typer.Argument(metavar="[FOLDER]", help="That of fit.cache; without it that of fit.cache=true"),
]
Clear = Annotated[bool, typer.Option("--clear", help="Remove what is shown.")]
Of = Annotated[
    str | None,
    typer.Option("--backbone", metavar="TEXT", help="Only of backbones or checkpoints so named."),
]
KeepGB = Annotated[
    float | None,
    typer.Option("--keep-gb", min=0, help="Remove what is longest unused, until no more is left."),
]


def cache(
    folder: Folder = None,
    clear_all: Clear = False,
    backbone: Of = None,
    keep_gb: KeepGB = None,
    as_json: AsJson = False,
) -> Answer:
    """Show what fit=fusion:cached keeps of frozen backbones, or remove it.

    Example: mm cache latents --backbone MiniLM --clear
    """
    place = default_folder() if folder is None else folder
    if folder is not None and not folder.is_dir():
        raise ConfigError(
            f"{folder} is no folder", value=str(folder), remedy="name that of fit.cache"
        )
    if clear_all and keep_gb is not None:
        raise ConfigError("--clear keeps nothing, and --keep-gb does", remedy="give one of them")

    def asked(entry: Entry) -> bool:
        return backbone is None or any(
            backbone.casefold() in one.casefold() for one in entry.backbones
        )

    gone: list[Entry] = []
    if clear_all or keep_gb is not None:
        gone = clear(place, asked, None if keep_gb is None else keep_gb * 1e9)
    left = [one for one in entries(place) if asked(one)]
    shown = {
        ", ".join(names) or "not said by the file": _summed(files)
        for names, files in by_backbones(left).items()
    }
    said = {"folder": str(place), **_summed(left), "backbones": shown, "removed": _summed(gone)}
    return Answer(said, _text(said))


def _summed(found: list[Entry]) -> dict[str, int]:
    return {
        "files": len(found),
        "rows": sum(one.rows for one in found),
        "bytes": sum(one.size for one in found),
    }


def _text(said: Mapping[str, Any]) -> str:
    lines = [f"{said['folder']}: {_line(said) if said['files'] else 'nothing is kept'}"]
    lines += [f"  {names}: {_line(total)}" for names, total in said["backbones"].items()]
    if said["removed"]["files"]:
        lines.append(f"removed: {_line(said['removed'])}")
    return "\n".join(lines)


def _line(total: Mapping[str, Any]) -> str:
    return f"{total['rows']:,} rows in {total['files']:,} files, {total['bytes'] / 1e6:,.1f} MB"
