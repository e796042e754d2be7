"""``mm plugins new``"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from mm_core.api.commands import Answer
from mm_core.cli import options as opt

Kind = Annotated[
    str,
    typer.Argument(
        metavar="KIND",
        show_default=False,
        help="modality, backbone, fusion, task, exporter, runtime, command, reader, listener, "
        "adapter, loss, fitter or metric.",
    ),
]
Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", show_default=False, help="Its name without mm-, such as geo-points."
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FOLDER", help="A new folder; ./mm-NAME if not given."),
]
Author = Annotated[
    str | None, typer.Option("--author", metavar="AUTHOR", help="'Name <name@example.org>'.")
]


def new(
    kind: Kind,
    name: Name,
    out: Out = None,
    author: Author = None,
    as_json: opt.AsJson = False,
) -> Answer:
    """Write a new plugin: a package that works, with tests, to be changed into your own.

    Example: mm plugins new modality geo-points
    """
    from mm_core.testing.authoring.scaffold import Package, write

    package = Package(kind, name, author)
    folder = Path(package.distribution) if out is None else out
    written = write(package, folder)
    where = shlex.quote(str(folder))
    commands = [
        f"pip install -e {shlex.quote(f'{folder}[test]')}",
        f"python -m pytest {where}",
        f"mm plugins check {package.plugin}",
    ]
    data = {
        "folder": str(folder),
        "distribution": package.distribution,
        "package": package.package,
        "plugin": package.plugin,
        "files": [path.as_posix() for path in written],
        "next": commands,
    }
    lines = [f"{folder}/ ({kind} plugin {package.plugin!r})", *(f"  {path}" for path in written)]
    return Answer(data, "\n".join([*lines, "", "next:", *(f"  {line}" for line in commands)]))
