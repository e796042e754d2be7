"""A model that answers requests."""

from __future__ import annotations

import base64
import io
import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from pydantic import BaseModel

from mm_core.api import BadCellError, ConfigError, MMWarning, TaskSpec, tools
from mm_serve.batching import Batcher
from mm_serve.columns import cells_of, columns_of, frame_of, row_model
from mm_serve.limits import Limits

LARGEST = 65535
"""Of a mask that a PNG holds."""


class Served:
    """A model that answers requests.

    Args:
        predictor: with a model.
        limits: of requests.
        index: folder of an index of items that the model's ``search`` reads; None: none.

    Raises:
        ConfigError: the model reads what a request cannot hold, or searches nothing.
        ArtifactError: the index is none of this model.
    """

    def __init__(self, predictor: Any, limits: Limits, index: str | Path | None = None) -> None:
        self.predictor, self.limits = predictor, limits
        self.model = tools.model_of(predictor)
        self.registry = tools.registry_of(predictor)
        self.columns = columns_of(self.model)
        self.row = row_model(self.columns, limits)
        task = self.registry.get(TaskSpec, self.model.recipe.task.id)
        self._options = task.read({}, where="", attribute="options")
        self.batcher = Batcher(self._answers, limits)
        self.explains = "explain" in dir(predictor)
        self.draws = "overlays" in dir(predictor)
        self.index = None if index is None else self._read(index)

    def _read(self, folder: str | Path) -> Any:
        if not {"load_index", "search"} <= set(dir(self.predictor)):
            raise ConfigError(
                f"models of {self.model.recipe.task.id} search no index",
                plugin="serve:serve",
                value=str(folder),
                remedy="leave --index out, or serve a model of pairs (mm-matching)",
            )
        return self.predictor.load_index(folder)

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
        return {
            "task": recipe.task.id,
            "label": list(recipe.data.label),
            "classes": plain(self.predictor.class_labels),
            "runtime": self.model.runtime,
            "columns": [column.as_json() for column in self.columns],
            "embeddings": list(self.model.engine.embeddings),
            "explain": self.explains,
            "draw": self.draws,
            "search": self.index is not None,
            "limits": {"rows": self.limits.rows, "pixels": self.limits.pixels},
        }

    def embedded(self, frame: pd.DataFrame, of: str | None) -> list[list[float]]:
        """A vector a row."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MMWarning)
            found: list[list[float]] = self.predictor.extract_embedding(frame, of=of).tolist()
        return found

    def searched(self, frame: pd.DataFrame, top_k: int) -> list[list[dict[str, Any]]]:
        """Of each row the items nearest to it."""
        names = self.model.recipe.roles.get("query", tuple(frame.columns))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MMWarning)
            found = self.predictor.search(frame[list(names)], self.index, top_k=top_k)
        items: list[list[dict[str, Any]]] = [[] for _ in range(len(frame))]
        for line in found.to_dict("records"):
            items[int(line.pop("query"))].append(plain(line))
        return items

    def overlays(self, frame: pd.DataFrame, answer: pd.DataFrame) -> list[dict[str, Any] | None]:
        """What a page draws over the pictures of these rows."""
        found = self.predictor.overlays(frame, list(answer.iloc[:, 0]))
        return [plain(one) for one in found]

    def explained(self, frame: pd.DataFrame, of: str | None) -> list[dict[str, Any]]:
        """Lines of ``predictor.explain``."""
        found = self.predictor.explain(frame, of=of, words=True, regions=False)
        return [plain(line) for line in found.to_dict("records")]


def plain(value: Any) -> Any:
    """As JSON has it; what is in lists, arrays and mappings too.

    Whole numbers [H, W] become a PNG of one channel: ``{"width", "height", "png"}``.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray) and _is_mask(value):
        return _mask(value)
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(one) for one in value]
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _is_mask(value: np.ndarray) -> bool:
    whole = value.ndim == 2 and value.size > 0 and value.dtype.kind in "iu"
    return whole and value.min() >= 0 and value.max() <= LARGEST


def _mask(value: np.ndarray) -> dict[str, Any]:
    """The values themselves, in 8 bits where they fit."""
    file = io.BytesIO()
    kind = np.uint8 if value.max() < 256 else np.uint16
    Image.fromarray(value.astype(kind)).save(file, "PNG")
    png = base64.b64encode(file.getvalue()).decode("ascii")
    return {"width": value.shape[1], "height": value.shape[0], "png": png}
