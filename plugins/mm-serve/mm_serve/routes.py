"""The paths that ask a model, with its own columns as types of requests.

Annotations are not postponed here: FastAPI reads those of the model's own row, which has no name.
"""

import asyncio
import time
from typing import Annotated, Any

import pandas as pd
from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ConfigDict, Field, ValidationError, create_model

from mm_core.api import ConfigError
from mm_serve.columns import cells_of, check_picture, frame_of, from_form
from mm_serve.served import Served, plain

EXPLAINED_ROWS = 20
"""Rows of a request to ``/v1/explain``, at most: each is answered many times."""

MOST_ITEMS = 1000
"""That are found for a row, at most."""

FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")


def add_routes(app: FastAPI, served: Served) -> None:
    """The paths under ``/v1/`` that ask the model."""
    row: Any = served.row
    forbid = ConfigDict(extra="forbid")
    several = Annotated[list[row], Field(min_length=1, max_length=served.limits.rows)]
    few = Annotated[list[row], Field(min_length=1, max_length=EXPLAINED_ROWS)]
    rows_type = create_model("Rows", __config__=forbid, rows=(several, ...))
    drawn_type = create_model("Drawn", __base__=rows_type, draw=(bool, False))
    predict_type: Any = drawn_type if served.draws else rows_type
    vectors_type = create_model("Embedded", __base__=rows_type, of=(str | None, None))
    explained_type = create_model(
        "Explained", __config__=forbid, rows=(few, ...), of=(str | None, None)
    )

    @app.post("/v1/predict")
    async def predict(body: predict_type) -> Any:
        """One answer a row; of classes and labels with the probability of each."""
        return await _found(served, served.frame(body.rows), getattr(body, "draw", False))

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

    if served.index is not None:
        asked_type = create_model(
            "Asked", __base__=rows_type, top_k=(Annotated[int, Field(ge=1, le=MOST_ITEMS)], 10)
        )

        @app.post("/v1/search")
        async def search(body: asked_type) -> Any:  # type: ignore[valid-type]
            """Of each row the items of the index that are nearest to it, the nearest first."""
            frame, top_k = served.frame(body.rows), body.top_k  # type: ignore[attr-defined]
            return {"items": await served.batcher.alone(lambda: served.searched(frame, top_k))}


async def _found(served: Served, frame: pd.DataFrame, draw: bool = False) -> dict[str, Any]:
    started = time.perf_counter()
    answer, proba = await served.batcher.rows(frame)
    # Masks become PNGs, which takes long enough for others to wait.
    answers = await asyncio.to_thread(_lines, answer) if served.draws else _lines(answer)
    more = {}
    if draw:
        more["overlays"] = await served.batcher.alone(lambda: served.overlays(frame, answer))
    shares = None
    if proba is not None:
        names = [str(name) for name in proba.columns]
        shares = [dict(zip(names, map(float, line), strict=True)) for line in proba.to_numpy()]
    spent = round((time.perf_counter() - started) * 1000, 2)
    return {"answers": answers, "proba": shares, **more, "milliseconds": spent}


def _lines(answer: pd.DataFrame) -> list[Any]:
    """A row a row; of several labels by name."""
    labels = list(answer.columns)
    return [
        plain(line[0] if len(labels) == 1 else dict(zip(labels, line, strict=True)))
        for line in answer.to_numpy(dtype=object)
    ]


async def _from_form(request: Request, served: Served) -> pd.DataFrame:
    """
    Raises:
        HTTPException: it is no form.
        RequestValidationError: an unknown field, a cell of the wrong type, no picture.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in FORMS:
        raise HTTPException(415, f"a form is {' or '.join(FORMS)}; JSON goes to /v1/predict")
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
