"""The API: a model's own columns as types of requests.

Annotations are not postponed here: FastAPI reads those of the model's own row, which has no name.
"""

import contextlib
import time
import warnings
from collections.abc import AsyncIterator
from importlib.resources import files
from typing import Annotated, Any

import pandas as pd
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from mm_core.api import BadCellError, ConfigError, MMError, MMWarning, TaskSpec, tools
from mm_serve.batching import Batcher, QueueFullError
from mm_serve.columns import (
    cells_of,
    check_picture,
    columns_of,
    frame_of,
    from_form,
    row_model,
)
from mm_serve.guard import Guard
from mm_serve.limits import Limits

EXPLAINED_ROWS = 20
"""Rows of a request to ``/v1/explain``, at most: each is answered many times."""

SECURITY = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; img-src data: blob:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


class Served:
    """A model that answers requests.

    Args:
        predictor: with a model.
        limits: of requests.
    """

    def __init__(self, predictor: Any, limits: Limits) -> None:
        self.predictor, self.limits = predictor, limits
        self.model = tools.model_of(predictor)
        self.registry = tools.registry_of(predictor)
        self.columns = columns_of(self.model)
        self.row = row_model(self.columns, limits)
        task = self.registry.get(TaskSpec, self.model.recipe.task.id)
        self._options = task.read({}, where="", attribute="options")
        self.batcher = Batcher(self._answers, limits)
        self.explains = "explain" in dir(predictor)

    def _answers(self, frame: pd.DataFrame) -> tuple[pd.DataFrame, Any]:
        """Answers and probabilities (or None), rows in order.

        Raises:
            BadCellError: a cell cannot be read.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MMWarning)  # nobody reads them here
            rows = tools.read_rows(frame, self.registry)
            table = tools.aligned(self.model, rows.table, self.registry)
            outputs, meta, bad = tools.outputs(self.model, table, options=self._options)
        if bad:
            raise BadCellError(bad)
        decoded = self.model.pipeline.decode(outputs, meta, self._options)
        return decoded.answer, decoded.proba

    def warm(self) -> None:
        """Answer a row of missing cells, so that the first request waits for no import."""
        self._answers(frame_of([{}], self.columns))

    def frame(self, rows: list[BaseModel]) -> pd.DataFrame:
        """Rows of a request."""
        return frame_of([cells_of(row) for row in rows], self.columns)

    def described(self) -> dict[str, Any]:
        """What a page or a client has to know."""
        recipe = self.model.recipe
        labels = self.predictor.class_labels
        return {
            "task": recipe.task.id,
            "label": list(recipe.data.label),
            "classes": None if labels is None else [_plain(one) for one in labels],
            "runtime": self.model.runtime,
            "columns": [column.as_json() for column in self.columns],
            "embeddings": list(self.model.engine.embeddings),
            "explain": self.explains,
            "limits": {"rows": self.limits.rows, "pixels": self.limits.pixels},
        }

    def embedded(self, frame: pd.DataFrame, of: str | None) -> list[list[float]]:
        """A vector a row."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MMWarning)
            found: list[list[float]] = self.predictor.extract_embedding(frame, of=of).tolist()
        return found

    def explained(self, frame: pd.DataFrame, of: str | None) -> list[dict[str, Any]]:
        """Lines of ``predictor.explain``."""
        found = self.predictor.explain(frame, of=of, words=True, regions=False)
        return [
            {str(name): _plain(value) for name, value in line.items()}
            for line in found.to_dict("records")
        ]


def make_app(predictor: Any, limits: Limits | None = None, api_key: str | None = None) -> Any:
    """An ASGI app that answers for a model.

    Args:
        predictor: with a model.
        limits: of requests; None: the usual ones.
        api_key: that requests have to bring; None: none.

    Raises:
        ConfigError: the model reads what a request cannot hold.
    """
    limits = limits or Limits()
    served = Served(predictor, limits)

    @contextlib.asynccontextmanager
    async def living(_: FastAPI) -> AsyncIterator[None]:
        served.warm()
        served.batcher.start()
        app.state.ready = True
        yield
        app.state.ready = False
        await served.batcher.stop()

    app = FastAPI(title="mm", version="1", lifespan=living, docs_url=None, redoc_url=None)
    app.state.ready = False
    _errors(app)
    _answering(app, served)
    guard = Guard(app, limits, api_key)
    _telling(app, served, guard)
    return guard


def _answering(app: FastAPI, served: Served) -> None:
    row: Any = served.row
    forbid = ConfigDict(extra="forbid")
    several = Annotated[list[row], Field(min_length=1, max_length=served.limits.rows)]
    few = Annotated[list[row], Field(min_length=1, max_length=EXPLAINED_ROWS)]
    rows_type = create_model("Rows", __config__=forbid, rows=(several, ...))
    vectors_type = create_model("Embedded", __base__=rows_type, of=(str | None, None))
    explained_type = create_model(
        "Explained", __config__=forbid, rows=(few, ...), of=(str | None, None)
    )

    @app.post("/v1/predict")
    async def predict(body: rows_type) -> Any:  # type: ignore[valid-type]
        """One answer a row; of classes and labels with the probability of each."""
        return await _found(served, served.frame(body.rows))  # type: ignore[attr-defined]

    @app.post("/v1/predict_proba")
    async def predict_proba(body: rows_type) -> Any:  # type: ignore[valid-type]
        """The probability of each class or label, a row a row."""
        found = await _found(served, served.frame(body.rows))  # type: ignore[attr-defined]
        if found["proba"] is None:
            task = served.model.recipe.task.id
            raise ConfigError(f"{task} gives no probabilities", remedy="use /v1/predict")
        return {"proba": found["proba"]}

    @app.post("/v1/form")
    async def form(request: Request) -> Any:
        """One row as a form (multipart): a field a column, pictures as files."""
        return await _found(served, await _from_form(request, served))

    @app.post("/v1/embed")
    async def embed(body: vectors_type) -> Any:  # type: ignore[valid-type]
        """A vector a row."""
        frame, of = served.frame(body.rows), body.of  # type: ignore[attr-defined]
        return {"vectors": await served.batcher.alone(lambda: served.embedded(frame, of))}

    if served.explains:

        @app.post("/v1/explain")
        async def explain(body: explained_type) -> Any:  # type: ignore[valid-type]
            """What each input, column and word adds to the answer."""
            frame, of = served.frame(body.rows), body.of  # type: ignore[attr-defined]
            return {"parts": await served.batcher.alone(lambda: served.explained(frame, of))}


def _telling(app: FastAPI, served: Served, guard: Guard) -> None:
    page = files("mm_serve").joinpath("page.html").read_text(encoding="utf-8")

    @app.get("/", include_in_schema=False)
    async def index() -> HTMLResponse:
        return HTMLResponse(page, headers=SECURITY)

    @app.get("/v1/schema")
    async def schema() -> Any:
        """What the model reads and answers."""
        return served.described()

    @app.get("/health")
    async def health() -> Any:
        """Whether the process lives."""
        return {"status": "ok"}

    @app.get("/ready")
    async def ready() -> Any:
        """Whether it takes requests."""
        good = app.state.ready and served.batcher.open < served.limits.queue
        return JSONResponse({"ready": good}, 200 if good else 503)

    @app.get("/metrics")
    async def metrics() -> PlainTextResponse:
        """Counts for Prometheus."""
        return PlainTextResponse(guard.metrics(served.batcher.open))


async def _found(served: Served, frame: pd.DataFrame) -> dict[str, Any]:
    started = time.perf_counter()
    answer, proba = await served.batcher.rows(frame)
    labels = list(answer.columns)
    values = answer.to_numpy(dtype=object)
    answers: list[Any] = [_plain(line[0]) for line in values]
    if len(labels) > 1:
        answers = [
            {str(name): _plain(one) for name, one in zip(labels, line, strict=True)}
            for line in values
        ]
    shares = None
    if proba is not None:
        names = [str(name) for name in proba.columns]
        shares = [dict(zip(names, map(float, line), strict=True)) for line in proba.to_numpy()]
    spent = round((time.perf_counter() - started) * 1000, 2)
    return {"answers": answers, "proba": shares, "milliseconds": spent}


async def _from_form(request: Request, served: Served) -> pd.DataFrame:
    """
    Raises:
        RequestValidationError: an unknown field, a cell of the wrong type, no picture.
    """
    known = {column.name: column for column in served.columns}
    cells: dict[str, Any] = {}
    pictures: dict[str, bytes] = {}
    async with request.form(max_files=len(known) + 1, max_fields=len(known) + 1) as given:
        for name, value in given.multi_items():
            if isinstance(value, str):
                cells[name] = from_form(value, known[name]) if name in known else value
            elif name in known and known[name].type == "image":
                pictures[name] = await value.read()
            else:
                raise _refused(name, f"{name!r} is no column of pictures")
    try:
        row = cells_of(served.row.model_validate(cells))
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_context=False)) from error
    for name, content in pictures.items():
        try:
            check_picture(content, served.limits)
        except ValueError as error:
            raise _refused(name, str(error)) from error
    return frame_of([row | pictures], served.columns)


def _refused(name: str, message: str) -> RequestValidationError:
    return RequestValidationError([{"loc": ("form", name), "msg": message, "type": "value_error"}])


def _errors(app: FastAPI) -> None:
    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        # What was sent is not sent back: it may be megabytes, or no JSON (NaN).
        told = [
            {"where": [str(one)[:80] for one in said["loc"]], "message": said["msg"][:300]}
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


def _plain(value: Any) -> Any:
    """As JSON has it."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


__all__ = ["Limits", "make_app"]
