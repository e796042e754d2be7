"""``mm serve``"""

from __future__ import annotations

from typing import Annotated

import typer

from mm_core.api import ConfigError, tools
from mm_core.api.commands import Answer, AsJson, Model, Plugins, Verbose
from mm_serve.limits import Limits

USUAL = Limits()


def serve(
    model: Model,
    host: Annotated[str, typer.Option(help="Where it listens; 0.0.0.0: everywhere.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8080,
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar="MM_API_KEY",
            help="What requests have to bring as X-API-Key; better given as MM_API_KEY.",
        ),
    ] = None,
    max_rows: Annotated[int, typer.Option(min=1, help="Rows of a request.")] = USUAL.rows,
    max_mb: Annotated[int, typer.Option(min=1, help="Megabytes of a request.")] = (
        USUAL.body_bytes // 2**20
    ),
    max_pixels: Annotated[int, typer.Option(min=1, help="Of a picture.")] = USUAL.pixels,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds until an answer is given up.")
    ] = USUAL.seconds,
    queue: Annotated[int, typer.Option(min=1, help="Requests that may wait.")] = USUAL.queue,
    batch_rows: Annotated[
        int, typer.Option(min=1, help="Rows that are answered together; 1: none.")
    ] = USUAL.batch_rows,
    batch_ms: Annotated[
        float, typer.Option(min=0, help="Milliseconds that a request waits for others.")
    ] = USUAL.batch_seconds * 1000,
    check: Annotated[
        bool, typer.Option("--check", help="Say what would be served, and end.")
    ] = False,
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
    app = make_app(tools.load(model, plugin or ()), limits, api_key)
    address = f"http://{host}:{port}/"
    if not check:
        config = uvicorn.Config(
            app, host=host, port=port, log_level="info" if verbose else "warning"
        )
        typer.echo(f"{model} answers at {address} (Ctrl-C ends it)", err=True)
        uvicorn.Server(config).run()
    return Answer({"model": str(model), "address": address}, f"{model}: {address}")
