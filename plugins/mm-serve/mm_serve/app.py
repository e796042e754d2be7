"""The app: models, what it tells of itself, and what it says of errors."""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from pydantic import BaseModel

from mm_core.api import ConfigError, MMError
from mm_serve.batching import QueueFullError
from mm_serve.guard import Guard
from mm_serve.limits import Limits
from mm_serve.routes import add_routes
from mm_serve.served import Served

NAME = re.compile(r"[\w.-]+(@[\w.-]+)?")
"""Of a model, and of its version behind an @."""

SECURITY = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; img-src data: blob:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


class Refused(BaseModel):
    """What is said of a request that is not answered."""

    class Place(BaseModel):
        """One of several things that are wrong with it."""

        where: list[str]
        message: str

    detail: str | list[Place]
    column: str | None = None
    remedy: str | None = None


REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"model": Refused} for status in (401, 413, 415, 422, 429, 504)
}
"""Statuses of such, for OpenAPI."""


def make_app(
    models: Any,
    limits: Limits | None = None,
    api_key: str | None = None,
    indexes: Mapping[str, str | Path] | None = None,
) -> Any:
    """An ASGI app that answers for a model, or for several.

    Args:
        models: a predictor; or name -> predictor: the first answers at ``/``, each at
            ``/models/<name>/``. ``<name>@<version>`` is a version of one: the last that is named
            is what ``/models/<name>/`` answers with.
        limits: of requests; None: the usual ones, of each model.
        api_key: that requests have to bring; None: none.
        indexes: name -> folder of an index that ``/v1/search`` of that model searches.

    Raises:
        ConfigError: a model reads what a request cannot hold, a name that no path can, an index of
            no model.
        ArtifactError: an index of another model.
    """
    limits, indexes = limits or Limits(), indexes or {}
    named = dict(models) if isinstance(models, Mapping) else {"model": models}
    _check_names(named, indexes)
    served = {
        name: Served(predictor, limits, indexes.get(name)) for name, predictor in named.items()
    }

    @contextlib.asynccontextmanager
    async def living(_: FastAPI) -> AsyncIterator[None]:
        for one in served.values():
            one.warm()
            one.batcher.start()
        app.state.ready = True
        yield
        app.state.ready = False
        for one in served.values():
            await one.batcher.stop()

    app = _app(next(iter(served.values())), lifespan=living)
    app.state.ready = False
    guard = Guard(app, limits, api_key)
    _telling(app, served, guard)
    apps = {name: _app(one) for name, one in served.items()} if len(served) > 1 else {}
    # A name without its version is the last version.
    last = {name.partition("@")[0]: one for name, one in apps.items() if "@" in name}
    for name, one in (apps | last).items():
        app.mount(f"/models/{name}", one)
    return guard


def _check_names(models: Mapping[str, Any], indexes: Mapping[str, Any]) -> None:
    """
    Raises:
        ConfigError: says which name cannot be.
    """
    if not models:
        raise ConfigError("there is no model to serve", remedy="name one at least")
    for name in models:
        if not NAME.fullmatch(name):
            raise ConfigError(
                f"{name!r} is no name of a model",
                value=name,
                remedy="use letters, digits, '_', '.' and '-', and '@' before a version",
            )
        bare = name.partition("@")[0]
        if name != bare and bare in models:
            raise ConfigError(
                f"{bare!r} is a model and {name!r} a version of it",
                value=name,
                remedy=f"give the first a version too: {bare}@1",
            )
    strange = [name for name in indexes if name not in models]
    if strange:
        raise ConfigError(
            f"an index for {strange[0]!r}, which is no model here",
            value=strange[0],
            remedy=f"models: {', '.join(models)}",
        )


def _app(served: Served, lifespan: Any = None) -> FastAPI:
    """All that is asked of one model, and its page."""
    app = FastAPI(
        title="mm",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        responses=REFUSED,
    )
    _errors(app, [column.name for column in served.columns])
    add_routes(app, served)
    page = files("mm_serve").joinpath("page.html").read_text(encoding="utf-8")

    @app.get("/", include_in_schema=False)
    async def index() -> HTMLResponse:
        return HTMLResponse(page, headers=SECURITY)

    @app.get("/v1/schema")
    async def schema() -> Any:
        """What the model reads and answers."""
        return served.described()

    return app


def _telling(app: FastAPI, served: Mapping[str, Served], guard: Guard) -> None:
    """What is told of the process."""

    @app.get("/v1/models")
    async def models() -> Any:
        """The models, and where each answers; the first at the root too."""
        return {
            "models": [
                {
                    "name": name,
                    "path": f"/models/{name}/" if len(served) > 1 else "/",
                    "task": one.model.recipe.task.id,
                    "label": list(one.model.recipe.data.label),
                }
                for name, one in served.items()
            ]
        }

    @app.get("/health")
    async def health() -> Any:
        """Whether the process lives."""
        return {"status": "ok"}

    @app.get("/ready")
    async def ready() -> Any:
        """Whether it takes requests."""
        free = all(one.batcher.open < one.limits.queue for one in served.values())
        good = app.state.ready and free
        return JSONResponse({"ready": good}, 200 if good else 503)

    @app.get("/metrics")
    async def metrics() -> PlainTextResponse:
        """Counts for Prometheus."""
        return PlainTextResponse(guard.metrics(sum(one.batcher.open for one in served.values())))


def _errors(app: FastAPI, columns: Sequence[str]) -> None:
    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        # What was sent is not sent back: it may be megabytes, or no JSON (NaN).
        told = [
            {"where": [str(one)[:80] for one in said["loc"]], "message": _said(said, columns)[:300]}
            for said in error.errors()[:20]
        ]
        return JSONResponse({"detail": told}, 422)

    @app.exception_handler(MMError)
    async def refused(_: Request, error: MMError) -> JSONResponse:
        told = {"detail": error.message[:1000], "column": error.column, "remedy": error.remedy}
        return JSONResponse(told, 422)

    @app.exception_handler(QueueFullError)
    async def full(_: Request, error: QueueFullError) -> JSONResponse:
        return JSONResponse({"detail": "too many requests wait"}, 429, {"retry-after": "1"})

    @app.exception_handler(TimeoutError)
    async def late(_: Request, error: TimeoutError) -> JSONResponse:
        return JSONResponse({"detail": "it took too long"}, 504)


def _said(error: Mapping[str, Any], columns: Sequence[str]) -> str:
    """Pydantic's words, or what they leave open: which columns there are, how JSON is sent."""
    kind, place = error["type"], error["loc"]
    if kind == "extra_forbidden" and place[:2] == ("body", "rows"):
        near = difflib.get_close_matches(str(place[-1]), columns, n=1)
        guess = f"did you mean {near[0]!r}? " if near else ""
        return f"the model reads no such column; {guess}It reads {', '.join(columns)}"
    if kind == "model_attributes_type" and place == ("body",):
        return "send an object in JSON, with the header content-type: application/json"
    return str(error["msg"])


__all__ = ["Limits", "make_app"]
