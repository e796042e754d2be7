"""``mm serve``"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from mm_core.api import ConfigError, tools
from mm_core.api.commands import Answer, AsJson, Plugins, Verbose, pairs
from mm_serve.limits import Limits

USUAL = Limits()

Models = Annotated[
    list[str],
    typer.Argument(
        metavar="MODEL",
        show_default=False,
        help="The folder of a saved model; or several, each as NAME=FOLDER or "
        "NAME@VERSION=FOLDER: they answer at /models/NAME/, the first at / too.",
    ),
]
Index = Annotated[
    list[str] | None,
    typer.Option(
        "--index",
        metavar="FOLDER",
        help="An index that /v1/search searches, such as mm index makes; of several models "
        "NAME=FOLDER; may be repeated.",
    ),
]

Host = Annotated[str, typer.Option(help="Where it listens; 0.0.0.0: everywhere.")]
Port = Annotated[int, typer.Option(min=1, max=65535)]
ApiKey = Annotated[
    str | None,
    typer.Option(
        envvar="MM_API_KEY",
        help="What requests have to bring as X-API-Key; better given as MM_API_KEY.",
    ),
]
MaxRows = Annotated[int, typer.Option(min=1, help="Rows of a request.")]
MaxMb = Annotated[int, typer.Option(min=1, help="Megabytes of a request.")]
MaxPixels = Annotated[int, typer.Option(min=1, help="Of a picture.")]
Timeout = Annotated[float, typer.Option(min=0.1, help="Seconds until an answer is given up.")]
Queue = Annotated[int, typer.Option(min=1, help="Requests that may wait.")]
BatchRows = Annotated[int, typer.Option(min=1, help="Rows that are answered together; 1: none.")]
BatchMs = Annotated[
    float, typer.Option(min=0, help="Milliseconds that a request waits for others.")
]
Check = Annotated[bool, typer.Option("--check", help="Say what would be served, and end.")]


def serve(
    models: Models,
    host: Host = "127.0.0.1",
    port: Port = 8080,
    index: Index = None,
    api_key: ApiKey = None,
    max_rows: MaxRows = USUAL.rows,
    max_mb: MaxMb = USUAL.body_bytes // 2**20,
    max_pixels: MaxPixels = USUAL.pixels,
    timeout: Timeout = USUAL.seconds,
    queue: Queue = USUAL.queue,
    batch_rows: BatchRows = USUAL.batch_rows,
    batch_ms: BatchMs = USUAL.batch_seconds * 1000,
    check: Check = False,
    plugin: Plugins = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> Answer:
    """Answer requests over HTTP, and show a page to try the model on.

    Example: mm serve model/ --port 8080
    """
    import uvicorn

    from mm_serve.app import make_app

    if host not in ("127.0.0.1", "localhost", "::1") and api_key == "":
        raise ConfigError("the API key is empty", remedy="leave --api-key out, or give one")
    limits = Limits(
        rows=max_rows,
        body_bytes=max_mb * 2**20,
        pixels=max_pixels,
        seconds=timeout,
        queue=queue,
        batch_rows=batch_rows,
        batch_seconds=batch_ms / 1000,
    )
    folders = _named(models)
    indexes = _indexes(index or [], list(folders))
    loaded = {name: tools.load(folder, plugin or ()) for name, folder in folders.items()}
    app = make_app(loaded, limits, api_key, indexes)
    told = ", ".join(str(folder) for folder in folders.values())
    address = f"http://{host}:{port}/"
    if not check:
        config = uvicorn.Config(
            app, host=host, port=port, log_level="info" if verbose else "warning"
        )
        typer.echo(f"{told} answers at {address} (Ctrl-C ends it)", err=True)
        uvicorn.Server(config).run()
    paths = {name: address + (f"models/{name}/" if len(folders) > 1 else "") for name in folders}
    return Answer(
        {
            "address": address,
            "models": {name: str(folder) for name, folder in folders.items()},
            "paths": paths,
        },
        "\n".join(f"{folder}: {paths[name]}" for name, folder in folders.items()),
    )


def _named(given: Sequence[str]) -> dict[str, Path]:
    """``["model", "b@2=other"]`` -> ``{"model": ..., "b@2": ...}``.

    Raises:
        ConfigError: two models of one name.
    """
    found: dict[str, Path] = {}
    for text in given:
        name, equals, folder = text.partition("=")
        if not equals or Path(text).is_dir():
            name, folder = _name(Path(text)), text
        if name in found:
            raise ConfigError(
                f"two models are called {name!r}: {found[name]} and {folder}",
                value=name,
                remedy=f"name them: {name}@1={found[name]} {name}@2={folder}",
            )
        found[name] = Path(folder)
    return found


def _name(folder: Path) -> str:
    """Of a folder, as a path has it."""
    return re.sub(r"[^\w.-]", "-", folder.resolve().name) or "model"


def _indexes(given: Sequence[str], models: Sequence[str]) -> dict[str, str]:
    """``["index"]``, of the only model, or ``["a=index"]`` -> folder by model."""
    if len(models) == 1 and len(given) == 1 and not given[0].startswith(f"{models[0]}="):
        return {models[0]: given[0]}
    return pairs(given, "--index", "NAME=FOLDER")
